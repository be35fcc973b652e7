"""Conditional formats: which rule of a tab takes hold in a cell, and the format it lends.

The first rule that holds wins, as on Google's page.  Gradient rules are kept and answered, but not worked out.
The requests that set rules are in `requests/conditional_formats.py`.
"""

from __future__ import annotations

from sheetsync.localsheets import ranges, validation_rules
from sheetsync.localsheets.cell import Cell, CellError, Json, Value
from sheetsync.localsheets.formulas.rewrite import moved
from sheetsync.localsheets.rendering import effective
from sheetsync.localsheets.sheet import Box, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet


class ConditionalFormats:
    """The rules of one tab, ready to be asked cell by cell."""

    def __init__(self, spreadsheet: Spreadsheet, sheet: Sheet) -> None:
        self._spreadsheet = spreadsheet
        self._sheet = sheet
        self._rules: list[tuple[list[Box], Json, Json]] = []
        self._whole_rows: dict[tuple[str, int, int], bool] = {}
        for rule in sheet.conditional_formats:
            if "booleanRule" in rule:
                boxes = [ranges.box_of(sheet, place) for place in rule["ranges"]]
                boolean = rule["booleanRule"]
                self._rules.append((boxes, boolean.get("condition", {}), boolean.get("format", {})))

    def __bool__(self) -> bool:
        """Is there any rule that could take hold?"""
        return bool(self._rules)

    def format_of(self, row: int, col: int, cell: Cell | None) -> Json | None:
        """The format that the first rule which holds lends to a cell; None if none holds."""
        here = Box(row, row + 1, col, col + 1)
        for boxes, condition, form in self._rules:
            if any(box.meets(here) for box in boxes) and self._holds(condition, boxes[0], row, col, cell):
                return form
        return None

    def _holds(self, condition: Json, first: Box, row: int, col: int, cell: Cell | None) -> bool:
        kind = condition.get("type", "")
        value: Value = None if cell is None else effective(self._spreadsheet, self._sheet, row, col, cell)
        if kind == "BLANK":
            return value is None
        if kind == "NOT_BLANK":
            return value is not None
        if kind == "CUSTOM_FORMULA":
            text = (condition.get("values") or [{}])[0].get("userEnteredValue", "")
            if moved(text, 0, 1) == text and "COLUMN" not in text.upper():  # it says the same for the whole row
                key = (text, first.row, row)
                if key not in self._whole_rows:
                    self._whole_rows[key] = self._is_true(moved(text, row - first.row, 0), row, first.col)
                return self._whole_rows[key]
            return self._is_true(moved(text, row - first.row, col - first.col), row, col)
        return value is not None and validation_rules.keeps(
            self._spreadsheet, self._sheet, {"condition": condition}, value
        )

    def _is_true(self, formula: str, row: int, col: int) -> bool:
        result = self._spreadsheet.calculator.result_at(formula, self._sheet, row, col)
        return not isinstance(result, (CellError, str)) and bool(result)


def overlaid(form: Json | None, lent: Json | None) -> Json | None:
    """A cell's own format with the one lent by a rule on top; the text format is merged part by part."""
    if not lent:
        return form
    own = form or {}
    both = {**own, **lent}
    if "textFormat" in own and "textFormat" in lent:
        both["textFormat"] = {**own["textFormat"], **lent["textFormat"]}
    return both
