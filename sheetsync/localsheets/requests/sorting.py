"""sortRange, randomizeRange; and the order of values, which filters use, too."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, protection
from sheetsync.localsheets.cell import Cell, CellError, Formula, Value
from sheetsync.localsheets.rendering import effective
from sheetsync.localsheets.requests.dimensions import hidden_rows
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Box, Row, Sheet


def order_key(value: Value) -> tuple[int, Any]:
    """Where a value stands in ascending order: numbers, text, booleans, errors."""
    if isinstance(value, bool):
        return 2, value
    if isinstance(value, (int, float)):
        return 0, value
    if isinstance(value, CellError):
        return 3, value.kind
    text = str(value)
    return 1, (text.casefold(), text)


def sort(edit: Edit, body: Body) -> Reply:
    """Sort the rows of a range; hidden rows stay where they are, blanks go last."""
    sheet, box = edit.writable(body.get("range"))
    specs = body.get("sortSpecs", [])
    if not specs:
        raise errors.ApiError("Must specify at least one sort spec.")
    for spec in specs:
        column = spec.get("dimensionIndex", 0)
        if not box.col <= column < box.col_end:
            raise errors.ApiError(f"dimensionIndex {column} is outside of the range to sort.")
    apply_sort(edit, sheet, box, specs)
    return {}


def apply_sort(edit: Edit, sheet: Sheet, box: Box, specs: list[Body]) -> None:
    """Sort rows in place.

    Raises:
        ApiError: 400, a merge runs over several rows, or cells are protected.
    """
    protection.check_cells(edit.spreadsheet, sheet, box, edit.user)
    if any(merge.meets(box) and merge.row_end - merge.row > 1 for merge in sheet.merges):
        raise errors.ApiError("You can't sort a range containing vertical merges.")
    hidden = set(hidden_rows(sheet, box))
    rows = [row for row in range(box.row, box.row_end) if row not in hidden]
    order = list(rows)
    for spec in reversed(specs):
        column = spec.get("dimensionIndex", 0)
        values = {row: _value(edit, sheet, row, column) for row in order}
        filled = [row for row in order if values[row] is not None]
        blank = [row for row in order if values[row] is None]
        descending = spec.get("sortOrder") == "DESCENDING"
        filled.sort(key=lambda row: order_key(values[row]), reverse=descending)
        order = filled + blank
    _permute(edit, sheet, box, rows, order)


def _value(edit: Edit, sheet: Sheet, row: int, col: int) -> Value:
    cell = sheet.cell(row, col)
    return None if cell is None else effective(edit.spreadsheet, sheet, row, col, cell)


def _permute(edit: Edit, sheet: Sheet, box: Box, rows: list[int], order: list[int]) -> None:
    """Put the cells of row `order[i]` into row `rows[i]`."""
    width = box.col_end - box.col
    lines = {row: list(sheet.row(row)[box.col : box.col_end]) for row in order}
    for target, source in zip(rows, order, strict=True):
        if target == source:
            continue
        line: Row = lines[source]
        line = [_carried(cell, target - source) for cell in line]
        have = len(sheet.row(target)) - box.col
        line += [None] * (min(width, max(have, 0)) - len(line))
        if line:
            edit.journal.put_cells(sheet, target, box.col, line)
    if edit.options.metadata_follows_sort:
        _carry_metadata(edit, sheet, dict(zip(order, rows, strict=True)))


def _carried(cell: Cell | None, rows: int) -> Cell | None:
    if cell is None or type(cell.value) is not Formula:
        return cell
    from sheetsync.localsheets.formulas.rewrite import moved

    return cell.with_value(Formula(moved(cell.value, rows, 0)))


def _carry_metadata(edit: Edit, sheet: Sheet, places: dict[int, int]) -> None:
    for key, record in list(edit.spreadsheet.metadata.items()):
        span = record["location"].get("dimensionRange")
        if not span or span["dimension"] != "ROWS" or span.get("sheetId", 0) != sheet.sheet_id:
            continue
        to = places.get(span["startIndex"], span["startIndex"])
        if to != span["startIndex"]:
            new_span = {**span, "startIndex": to, "endIndex": to + 1}
            location = {**record["location"], "dimensionRange": new_span}
            edit.journal.put_item(edit.spreadsheet, "metadata", key, {**record, "location": location})


def randomize(edit: Edit, body: Body) -> Reply:
    """Shuffle the rows of a range."""
    sheet, box = edit.writable(body.get("range"))
    rows = list(range(box.row, box.row_end))
    order = list(rows)
    edit.spreadsheet.rng.shuffle(order)
    _permute(edit, sheet, box, rows, order)
    return {}
