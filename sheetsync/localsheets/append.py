"""Where `values:append` writes: the search for a table, and the growth of the grid.

Source: Google's guide on appending values; recorded in `WorksheetTest.test_append_row*`: the last table of the range is
taken, a range that touches none is written at its own start.
"""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import values
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.sheet import Box, Sheet


def last_filled(sheet: Sheet, box: Box) -> tuple[int, int] | None:
    """The last filled cell of a rectangle, row by row; None if it is blank."""
    for row in range(min(box.row_end, len(sheet.rows)) - 1, box.row - 1, -1):
        line = sheet.rows[row]
        for col in range(min(box.col_end, len(line)) - 1, box.col - 1, -1):
            cell = line[col]
            if cell is not None and cell.value is not None:
                return row, col
    return None


def table_around(sheet: Sheet, row: int, col: int) -> Box:
    """The block of filled cells around one: it grows while a neighbouring row or column holds something."""
    top, bottom, left, right = row, row + 1, col, col + 1

    def filled(r0: int, r1: int, c0: int, c1: int) -> bool:
        return any(
            cell is not None and cell.value is not None
            for index in range(max(r0, 0), min(r1, len(sheet.rows)))
            for cell in sheet.rows[index][max(c0, 0) : c1]
        )

    grown = True
    while grown:
        grown = False
        while top > 0 and filled(top - 1, top, left, right):
            top, grown = top - 1, True
        while filled(bottom, bottom + 1, left, right):
            bottom, grown = bottom + 1, True
        while left > 0 and filled(top, bottom, left - 1, left):
            left, grown = left - 1, True
        while filled(top, bottom, right, right + 1):
            right, grown = right + 1, True
    return Box(top, bottom, left, right)


def append(
    journal: Journal, user: str, area: Area, rows: list[list[Any]], option: str, *, insert: bool
) -> tuple[Area | None, values.Written]:
    """Write rows after the last table of an area; the grid grows as needed.

    Args:
        journal: of the transaction.
        user: who writes.
        area: where the table is looked for.
        rows: values as for `values.write`.
        option: `RAW` or `USER_ENTERED`.
        insert: new rows are inserted; else what lies below the table is overwritten.

    Returns:
        The table that was found (None if there was none), and what was written.
    """
    sheet, box = area
    last = last_filled(sheet, box)
    if last is None:
        table = None
        row, col = box.row, box.col
    else:
        found = table_around(sheet, *last)
        table = Area(sheet, found)
        row, col = found.row_end, found.col
    height = len(rows)
    width = max((len(line) for line in rows), default=0)
    if insert and table is not None and row < sheet.row_count:
        from sheetsync.localsheets.requests.dimensions import insert_span

        insert_span(journal, sheet, "ROWS", row, height)
    grow(journal, sheet, row + height, col + width)
    target = Area(sheet, Box(row, row + max(height, 1), col, col + max(width, 1)))
    return table, values.write(journal, user, target, rows, option)


def grow(journal: Journal, sheet: Sheet, rows: int, columns: int) -> None:
    """Let the grid reach at least so far.

    Raises:
        ApiError: 400, the spreadsheet would have too many cells.
    """
    new_rows, new_columns = max(rows, sheet.row_count), max(columns, sheet.col_count)
    journal.spreadsheet.check_cell_limit(new_rows * new_columns - sheet.row_count * sheet.col_count)
    if new_rows > sheet.row_count:
        journal.insert(sheet, "ROWS", sheet.row_count, new_rows - sheet.row_count)
    if new_columns > sheet.col_count:
        journal.insert(sheet, "COLUMNS", sheet.col_count, new_columns - sheet.col_count)
