"""Reading and writing rectangles of values: what `spreadsheets.values` does, without its HTTP.

Reading trims trailing blanks, writing skips nulls; both echo ranges as Google does.  Append's table search is in
`append.py`, the calls themselves in `values_api.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sheetsync.localsheets import a1, entry, errors, protection
from sheetsync.localsheets.cell import MAX_CELL_CHARS, Cell, Formula, Json, whole
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.ranges import Area, off_grid
from sheetsync.localsheets.rendering import DATE_TYPES, effective, number_format, raw, shown
from sheetsync.localsheets.sheet import Box, Row
from sheetsync.localsheets.spreadsheet import Spreadsheet


class View(NamedTuple):
    """How values are read."""

    render: str = "FORMATTED_VALUE"
    dates: str = "SERIAL_NUMBER"
    major: str = "ROWS"


def read(spreadsheet: Spreadsheet, area: Area, view: View) -> Json:
    """A ValueRange; `values` is absent where everything is blank."""
    found: Json = {"range": area.a1, "majorDimension": view.major}
    rows = _rows(spreadsheet, area, view)
    if view.major == "COLUMNS":
        rows = _turn(rows)
    if rows:
        found["values"] = rows
    return found


def _rows(spreadsheet: Spreadsheet, area: Area, view: View) -> list[list[Any]]:
    sheet, box = area
    rows: list[list[Any]] = []
    filled = 0
    for index in range(box.row, min(box.row_end, len(sheet.rows))):
        line = sheet.rows[index][box.col : box.col_end]
        shown_row = _row(spreadsheet, area, index, line, view)
        rows.append(shown_row)
        if shown_row:
            filled = len(rows)
    del rows[filled:]
    return rows


def _row(spreadsheet: Spreadsheet, area: Area, row: int, line: Row, view: View) -> list[Any]:
    result: list[Any] = []
    kept = 0
    for offset, cell in enumerate(line):
        if cell is None or cell.value is None:
            result.append("")
            continue
        value = cell.value
        # Plain text is by far the most common; everything else goes the long way.
        text = value if type(value) is str and cell.form is None else one(spreadsheet, area, row, offset, cell, view)
        result.append(text)
        if text != "":
            kept = offset + 1
    del result[kept:]
    return result


def one(spreadsheet: Spreadsheet, area: Area, row: int, offset: int, cell: Cell, view: View) -> Any:
    """One cell's value under a view."""
    sheet, col = area.sheet, area.box.col + offset
    if view.render == "FORMULA" and type(cell.value) is Formula:
        return str(cell.value)
    value = effective(spreadsheet, sheet, row, col, cell)
    if view.render == "FORMATTED_VALUE":
        return shown(value, number_format(spreadsheet, sheet, row, col, cell), spreadsheet.locale)
    if view.dates == "FORMATTED_STRING" and view.render == "UNFORMATTED_VALUE" and type(value) in (int, float):
        form = number_format(spreadsheet, sheet, row, col, cell)
        if form and form.get("type") in DATE_TYPES:
            return shown(value, form, spreadsheet.locale)
    return raw(value)


def _turn(rows: list[list[Any]]) -> list[list[Any]]:
    width = max((len(row) for row in rows), default=0)
    columns = []
    for index in range(width):
        column = [row[index] if index < len(row) else "" for row in rows]
        while column and column[-1] == "":
            column.pop()
        columns.append(column)
    return columns


class Written(NamedTuple):
    """What a write did."""

    area: Area
    rows: int
    columns: int
    cells: int

    def to_json(self, spreadsheet: Spreadsheet) -> Json:
        """An UpdateValuesResponse; zero counts are left out, as proto3 does."""
        found: Json = {"spreadsheetId": spreadsheet.spreadsheet_id, "updatedRange": self.area.a1}
        if self.cells:
            found |= {"updatedRows": self.rows, "updatedColumns": self.columns, "updatedCells": self.cells}
        return found


def as_rows(values: list[list[Any]], major: str) -> list[list[Any]]:
    """Values in rows, whichever way they were given; missing ones are None (left alone)."""
    if major != "COLUMNS":
        return values
    height = max((len(column) for column in values), default=0)
    return [[column[index] if index < len(column) else None for column in values] for index in range(height)]


def write(journal: Journal, user: str, area: Area, values: list[list[Any]], option: str) -> Written:
    """Write rows of values at the start of an area.

    Args:
        journal: of the transaction.
        user: who writes; protected cells are refused.
        area: where; the values may be smaller, not larger.
        values: rows; None leaves a cell alone, "" clears it.
        option: `RAW` or `USER_ENTERED`.

    Raises:
        ApiError: 400, the values do not fit the area or the grid, a text is too long, or a cell is protected.
    """
    sheet, box = area
    width = max((len(row) for row in values), default=0)
    _check_fit(area, len(values), width)
    target = Box(box.row, box.row + max(len(values), 1), box.col, box.col + max(width, 1))
    protection.check_cells(journal.spreadsheet, sheet, target, user)
    locale = journal.spreadsheet.locale
    rows_hit: set[int] = set()
    columns_hit: set[int] = set()
    cells_hit = 0
    for index, row in enumerate(values):
        at = box.row + index
        line: Row = [sheet.cell(at, box.col + offset) for offset in range(len(row))]
        for offset, value in enumerate(row):
            if value is None:
                continue
            if isinstance(value, (dict, list)):
                kind = "struct_value" if isinstance(value, dict) else "list_value"
                raise errors.ApiError(f"Invalid values[{index}][{offset}]: {kind} {{\n}}\n")
            line[offset] = entered(journal.spreadsheet, line[offset], value, option, locale)
            rows_hit.add(index)
            columns_hit.add(offset)
            cells_hit += 1
        if row:
            journal.put_cells(sheet, at, box.col, line)
    return Written(Area(sheet, target), len(rows_hit), len(columns_hit), cells_hit)


def _check_fit(area: Area, height: int, width: int) -> None:
    sheet, box = area
    if box.row >= sheet.row_count or box.col >= sheet.col_count:
        raise off_grid(sheet, a1.format_cells(*box))
    where = f"Requested writing within range [{area.a1}]"
    single = box.row_end - box.row == 1 and box.col_end - box.col == 1  # one cell is only a start
    if width > box.col_end - box.col and not single:
        raise errors.ApiError(f"{where}, but tried writing to column [{a1.column_letters(box.col_end)}]")
    if height > box.row_end - box.row and not single:
        raise errors.ApiError(f"{where}, but tried writing to row [{box.row_end + 1}]")
    if box.row + height > sheet.row_count or box.col + width > sheet.col_count:
        end = (box.row, box.row + max(height, 1), box.col, box.col + max(width, 1))
        raise off_grid(sheet, a1.format_cells(*end))


def entered(spreadsheet: Spreadsheet, old: Cell | None, value: Any, option: str, locale: str) -> Cell | None:
    """A cell after a value was written into it.

    Raises:
        ApiError: 400, the text is too long.
    """
    base = old or Cell()
    if isinstance(value, str):
        if len(value) > MAX_CELL_CHARS:
            raise too_long()
        if value == "":
            return base.with_value(None)
        if option == "RAW":
            return base.with_value(value)
        return typed(spreadsheet, base, value, locale)
    if isinstance(value, bool):
        return base.with_value(value)
    return base.with_value(whole(float(value)))


def typed(spreadsheet: Spreadsheet, base: Cell, text: str, locale: str) -> Cell | None:
    """A cell after somebody typed a text into it; a format comes along where the cell has none."""
    current = (base.form or {}).get("numberFormat")
    result = entry.read(text, locale, current)
    if type(result.value) is Formula:
        spreadsheet.has_formulas = True
    cell = base.with_value(result.value)
    if result.number_format and current is None and cell is not None:
        return cell.with_form({**(base.form or {}), "numberFormat": result.number_format})
    return cell


def too_long() -> errors.ApiError:
    """The refusal of a text above the limit."""
    return errors.ApiError(
        f"Your input contains more than the maximum of {MAX_CELL_CHARS} characters in a single cell."
    )


def clear(journal: Journal, user: str, area: Area) -> None:
    """Clear the values of an area; formats, notes and rules stay."""
    sheet, box = area
    protection.check_cells(journal.spreadsheet, sheet, box, user)
    for row in range(box.row, min(box.row_end, len(sheet.rows))):
        line = sheet.rows[row][box.col : box.col_end]
        if any(cell is not None and cell.value is not None for cell in line):
            journal.put_cells(sheet, row, box.col, [cell and cell.with_value(None) for cell in line])
