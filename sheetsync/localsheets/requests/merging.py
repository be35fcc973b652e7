"""mergeCells, unmergeCells."""

from __future__ import annotations

from sheetsync.localsheets import errors
from sheetsync.localsheets.moving import is_single
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Box, Sheet


def _inside(sheet: Sheet, box: Box) -> list[Box]:
    """The merges that lie in a rectangle.

    Raises:
        ApiError: 400, one lies in it only in part.
    """
    touched = [merge for merge in sheet.merges if merge.meets(box)]
    if not all(box.holds(merge) for merge in touched):
        raise errors.ApiError("You must select all cells in a merged range to merge or unmerge them.")
    return touched


def merge(edit: Edit, body: Body) -> Reply:
    """Merge cells: as one, by column or by row.  Only the first value of each merge is kept."""
    sheet, box = edit.writable(body.get("range"))
    old = _inside(sheet, box)
    kind = body.get("mergeType", "MERGE_ALL")
    if kind == "MERGE_COLUMNS":
        parts = [box._replace(col=col, col_end=col + 1) for col in range(box.col, box.col_end)]
    elif kind == "MERGE_ROWS":
        parts = [box._replace(row=row, row_end=row + 1) for row in range(box.row, box.row_end)]
    else:
        parts = [box]
    parts = [part for part in parts if not is_single(part)]
    edit.journal.assign(sheet, "merges", (*(m for m in sheet.merges if m not in old), *parts))
    for part in parts:
        _keep_first(edit, sheet, part)
    return {}


def _keep_first(edit: Edit, sheet: Sheet, box: Box) -> None:
    places = [(row, col) for row in range(box.row, box.row_end) for col in range(box.col, box.col_end)]
    filled = [(row, col) for row, col in places if (cell := sheet.cell(row, col)) and cell.value is not None]
    if not filled:
        return
    first = sheet.cell(*filled[0])
    for row, col in filled:
        cell = sheet.cell(row, col)
        if cell is not None and (row, col) != places[0]:
            edit.journal.put_cell(sheet, row, col, cell.with_value(None))
    if filled[0] != places[0] and first is not None:
        there = sheet.cell(*places[0])
        moved = there.with_value(first.value) if there else first
        edit.journal.put_cell(sheet, *places[0], moved)


def unmerge(edit: Edit, body: Body) -> Reply:
    """Take merges apart."""
    sheet, box = edit.writable(body.get("range"))
    old = _inside(sheet, box)
    edit.journal.assign(sheet, "merges", tuple(merge for merge in sheet.merges if merge not in old))
    return {}
