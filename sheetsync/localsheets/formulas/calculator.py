"""Working out the formulas of one spreadsheet, on demand and remembered until something changes.

Long chains of cells are worked out without deep recursion: below some depth a needed cell is put off and done first.
"""

from __future__ import annotations

from typing import Final

from sheetsync.localsheets import ranges
from sheetsync.localsheets.cell import CellError, Formula, Json, Value
from sheetsync.localsheets.formulas import functions
from sheetsync.localsheets.formulas.operands import FormulaError, Operand, Range, scalar
from sheetsync.localsheets.formulas.parser import Array, Function, Literal, Name, Node, Reference, parse
from sheetsync.localsheets.formulas.tokens import FormulaSyntaxError
from sheetsync.localsheets.locales import locale_of
from sheetsync.localsheets.sheet import Box, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet

MAX_NESTED_CELLS: Final = 20
CIRCULAR: Final = CellError(
    "REF", "Circular dependency detected. To resolve with iterative calculation, see File > Settings."
)
PARSE_ERROR: Final = CellError("ERROR", "Formula parse error.")

Key = tuple[int, int, int]

DATE_FUNCTIONS: Final = frozenset({"DATE", "TODAY", "EDATE", "EOMONTH", "DATEVALUE", "WORKDAY"})


class _PutOffError(Exception):
    """A cell that has to be worked out first."""

    def __init__(self, key: Key) -> None:
        super().__init__(key)
        self.key = key


class Calculator:
    """The formulas of one spreadsheet."""

    def __init__(self, spreadsheet: Spreadsheet) -> None:
        self.spreadsheet = spreadsheet
        self._version = -1
        self._known: dict[Key, Value] = {}
        self._running: set[Key] = set()

    def value(self, sheet: Sheet, row: int, col: int) -> Value:
        """The result of the formula in a cell."""
        if self._version != self.spreadsheet.version:
            self._known.clear()
            self._version = self.spreadsheet.version
        key = (sheet.sheet_id, row, col)
        if key not in self._known:
            self._work_out(key)
        return self._known[key]

    def _work_out(self, first: Key) -> None:
        waiting = [first]
        while waiting:
            key = waiting[-1]
            try:
                self._running.clear()
                self._one(key)
            except _PutOffError as put_off:
                if put_off.key in waiting:
                    self._known[put_off.key] = CIRCULAR
                else:
                    waiting.append(put_off.key)
                continue
            waiting.pop()

    def _one(self, key: Key) -> Value:
        """Work out one formula cell."""
        if key in self._known:
            return self._known[key]
        if key in self._running:
            return CIRCULAR
        if len(self._running) >= MAX_NESTED_CELLS:
            raise _PutOffError(key)
        self._running.add(key)
        sheet = next(sheet for sheet in self.spreadsheet.sheets if sheet.sheet_id == key[0])
        cell = sheet.cell(key[1], key[2])
        result: Value = None
        if cell is not None and type(cell.value) is Formula:
            result = self._result(cell.value, _Place(self, sheet, key[1], key[2]))
        self._known[key] = result
        self._running.discard(key)
        return result

    def _result(self, formula: Formula, place: _Place) -> Value:
        try:
            found = place.evaluate(parse(formula, locale_of(self.spreadsheet.locale).decimal))
            value = scalar(found)
            return tidy_number(value)  # a reference to a blank cell is blank, unlike in Excel
        except FormulaError as exc:
            return exc.error
        except (FormulaSyntaxError, RecursionError):
            return PARSE_ERROR
        except (OverflowError, ZeroDivisionError):
            return CellError("NUM", "The result is too large to be represented.")
        except (ValueError, TypeError, IndexError):
            return CellError("VALUE", "The function was given values that it cannot use.")

    def at(self, sheet: Sheet, row: int, col: int) -> Value:
        """The value of any cell, while another one is being worked out."""
        cell = sheet.cell(row, col)
        if cell is None:
            return None
        value = cell.value
        if type(value) is Formula:
            return self._one((sheet.sheet_id, row, col))
        return value

    def result_at(self, text: str, sheet: Sheet, row: int, col: int) -> Value:
        """The result of a formula as if it stood in a cell, without putting it there."""
        return self._result(Formula(text), _Place(self, sheet, row, col))

    # What else hangs on formulas.

    def number_format(self, sheet: Sheet, row: int, col: int, depth: int = 0) -> Json | None:
        """The number format that a formula's result comes with: that of a date function, or of what it refers to."""
        cell = sheet.cell(row, col)
        if cell is None or depth > 10:
            return None
        if cell.form and "numberFormat" in cell.form:
            return dict(cell.form["numberFormat"])
        if type(cell.value) is not Formula:
            return None
        try:
            return self._format_of(parse(cell.value, locale_of(self.spreadsheet.locale).decimal), sheet, depth)
        except FormulaSyntaxError:
            return None

    def _format_of(self, node: Node, sheet: Sheet, depth: int) -> Json | None:
        if isinstance(node, Function):
            locale = locale_of(self.spreadsheet.locale)
            if node.name in DATE_FUNCTIONS:
                return {"type": "DATE", "pattern": locale.date}
            if node.name == "NOW":
                return {"type": "DATE_TIME", "pattern": locale.date_time}
            if node.name == "TIME":
                return {"type": "TIME", "pattern": locale.time}
            if node.name == "UNARY_PERCENT":
                return {"type": "PERCENT", "pattern": "0.00%"}
            if node.name in ("ADD", "MINUS", "MULTIPLY", "SUM", "MIN", "MAX", "IF", "UMINUS", "AVERAGE"):
                found = [one for argument in node.arguments if (one := self._format_of(argument, sheet, depth))]
                both_dates = node.name == "MINUS" and len(found) == 2
                return found[0] if found and not both_dates else None
        if isinstance(node, Reference) and node.span.row is not None and node.span.col is not None:
            target = self.spreadsheet.sheet_by_title(node.title) if node.title else sheet
            return self.number_format(target, node.span.row, node.span.col, depth + 1) if target else None
        return None

    def hyperlink(self, sheet: Sheet, row: int, col: int) -> str | None:
        """The link of a `=HYPERLINK(…)` cell."""
        cell = sheet.cell(row, col)
        if cell is None or type(cell.value) is not Formula or "HYPERLINK" not in cell.value.upper():
            return None
        try:
            node = parse(cell.value, locale_of(self.spreadsheet.locale).decimal)
        except FormulaSyntaxError:
            return None
        if isinstance(node, Function) and node.name == "HYPERLINK" and node.arguments:
            try:
                return str(scalar(_Place(self, sheet, row, col).evaluate(node.arguments[0])))
            except (FormulaError, _PutOffError):
                return None
        return None


class _Place:
    """A formula being evaluated in its cell; what functions see of the spreadsheet."""

    def __init__(self, calculator: Calculator, sheet: Sheet, row: int, col: int) -> None:
        self.calculator = calculator
        self.sheet = sheet
        self.row = row
        self.col = col

    @property
    def now_ms(self) -> int:
        return self.calculator.spreadsheet.now_ms()

    def evaluate(self, node: Node) -> Operand:
        """The value of a tree."""
        if isinstance(node, Literal):
            return node.value
        if isinstance(node, Reference):
            return self.cells(node)
        if isinstance(node, Function):
            return functions.call(self, node.name, node.arguments)
        if isinstance(node, Array):
            return Range([[scalar(self.evaluate(item)) for item in row] for row in node.rows])
        return self.named(node)

    def box(self, node: Node) -> tuple[Sheet, Box] | None:
        """Where a reference points; None for anything else."""
        if isinstance(node, Name):
            return self._named_box(node.name)
        if not isinstance(node, Reference):
            return None
        sheet = self.sheet
        if node.title is not None:
            found = self.calculator.spreadsheet.sheet_by_title(node.title)
            if found is None:
                raise FormulaError("REF", f"Unresolved sheet name '{node.title}'.")
            sheet = found
        span = node.span
        row_end = sheet.row_count if span.row_end is None else span.row_end
        col_end = sheet.col_count if span.col_end is None else span.col_end
        return sheet, Box(span.row or 0, row_end, span.col or 0, col_end)

    def cells(self, node: Node) -> Operand:
        found = self.box(node)
        if found is None:
            raise FormulaError("REF", "Reference does not exist.")
        sheet, box = found
        if box.row >= sheet.row_count or box.col >= sheet.col_count:
            raise FormulaError("REF", "Reference does not exist.")
        if box.row_end - box.row == 1 and box.col_end - box.col == 1:
            return Range([[self.calculator.at(sheet, box.row, box.col)]], box.row, box.col)
        filled = min(box.row_end, len(sheet.rows))
        width = box.col_end - box.col
        rows = [
            [self.calculator.at(sheet, row, col) for col in range(box.col, box.col_end)]
            for row in range(box.row, filled)
        ]
        blank: list[Value] = [None] * width
        rows += [blank] * (min(box.row_end, sheet.row_count) - max(filled, box.row))
        return Range(rows, box.row, box.col)

    def named(self, node: Name) -> Operand:
        if self._named_box(node.name) is None:
            raise FormulaError("NAME", f"Unknown range name: '{node.name.upper()}'.")
        return self.cells(node)

    def _named_box(self, name: str) -> tuple[Sheet, Box] | None:
        spreadsheet = self.calculator.spreadsheet
        plain = name.rpartition("!")[2].casefold()
        for named in spreadsheet.named_ranges.values():
            if named["name"].casefold() == plain:
                sheet = spreadsheet.sheet_by_id(named["range"].get("sheetId", 0))
                return sheet, ranges.box_of(sheet, named["range"])
        return None


def tidy_number(value: Value) -> Value:
    """A result without a needless fraction."""
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            return CellError("NUM", "The result is too large to be represented.")
        if value.is_integer() and abs(value) < 1e15:
            return int(value)
    return value
