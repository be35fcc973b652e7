"""Rows and columns: insert, delete, move, append, resize; and insertRange / deleteRange, which shift cells."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, fields, protection, ranges, schema
from sheetsync.localsheets.cell import Cell, Json, settle
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.moving import Change, follow
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import Box, Dimension, Row, Sheet

NAMES = {"ROWS": ("row", "rows"), "COLUMNS": ("column", "columns")}


def _span(edit: Edit, span: Body) -> tuple[Sheet, Dimension, int, int]:
    sheet = edit.spreadsheet.grid(span.get("sheetId", 0))
    return sheet, *ranges.dimension_span(sheet, span)


def stripe(sheet: Sheet, dimension: Dimension, start: int, end: int) -> Box:
    """The cells of some rows or columns."""
    if dimension == "ROWS":
        return Box(start, end, 0, sheet.col_count)
    return Box(0, sheet.row_count, start, end)


def insert_span(journal: Journal, sheet: Sheet, dimension: Dimension, at: int, number: int) -> None:
    """Insert blank rows or columns, with all that follows."""
    journal.insert(sheet, dimension, at, number)
    follow(journal, sheet, Change("insert", dimension, at, at + number))


def delete_span(journal: Journal, sheet: Sheet, dimension: Dimension, start: int, end: int) -> None:
    """Delete rows or columns, with all that follows."""
    journal.delete(sheet, dimension, start, end)
    follow(journal, sheet, Change("delete", dimension, start, end))


def insert(edit: Edit, body: Body) -> Reply:
    """Insert rows or columns, which take on the look of their neighbours."""
    sheet, dimension, start, end = _span(edit, required(body, "range"))
    count = sheet.count(dimension)
    inherit = bool(body.get("inheritFromBefore"))
    if start > count:
        raise errors.ApiError(f"range.startIndex must be less than or equal to the grid size ({count}).")
    if start == count and not inherit:
        raise errors.ApiError(
            f"range.startIndex must be less than the grid size ({count}) if inheritFromBefore is false."
        )
    if inherit and start == 0:
        raise errors.ApiError("inheritFromBefore cannot be true if inserting at the beginning of the grid.")
    _check_gap(edit, sheet, dimension, start)
    check_growth(edit, sheet, dimension, end - start)
    insert_span(edit.journal, sheet, dimension, start, end - start)
    _inherit(edit.journal, sheet, dimension, start, end, start - 1 if inherit else end)
    return {}


def _check_gap(edit: Edit, sheet: Sheet, dimension: Dimension, at: int) -> None:
    """Refuse a gap inside of what is protected from the caller."""
    for protected in sheet.protected_ranges.values():
        if protection.may_edit(edit.spreadsheet, protected, edit.user):
            continue
        for box in protection.boxes_of(edit.spreadsheet, sheet, protected)[0]:
            first, last = (box.row, box.row_end) if dimension == "ROWS" else (box.col, box.col_end)
            if first < at < last or (box == sheet.whole and not protected.get("unprotectedRanges")):
                raise errors.protected()


def check_growth(edit: Edit, sheet: Sheet, dimension: Dimension, number: int) -> None:
    """Refuse more cells than a spreadsheet may have."""
    other = sheet.col_count if dimension == "ROWS" else sheet.row_count
    edit.spreadsheet.check_cell_limit(number * other)
    if dimension == "COLUMNS":
        from sheetsync.localsheets.requests.sheets import check_size

        check_size(sheet.row_count, sheet.col_count + number)


def _inherit(journal: Journal, sheet: Sheet, dimension: Dimension, start: int, end: int, model: int) -> None:
    if not 0 <= model < sheet.count(dimension):
        return
    if dimension == "ROWS":
        line: Row = [_look(cell) for cell in sheet.row(model)]
        if any(line):
            for row in range(start, end):
                journal.put_cells(sheet, row, 0, list(line))
    else:
        for row in range(len(sheet.rows)):
            if (look := _look(sheet.cell(row, model))) is not None:
                journal.put_cells(sheet, row, start, [look] * (end - start))
    size = {k: v for k, v in sheet.properties_of(dimension, model).items() if k == "pixelSize"}
    if size:
        for index in range(start, end):
            journal.put_dimension(sheet, dimension, index, size)


def _look(cell: Cell | None) -> Cell | None:
    return cell and settle(Cell(None, cell.form, "", cell.rule))


def delete(edit: Edit, body: Body) -> Reply:
    """Delete rows or columns."""
    sheet, dimension, start, end = _span(edit, required(body, "range"))
    count = sheet.count(dimension)
    one, many = NAMES[dimension]
    if end > count or start >= count:
        raise errors.ApiError(
            f"Cannot delete a {one} that doesn't exist. Tried to delete {one} index {max(end - 1, start)}"
            f" but there are only {count} {many}."
        )
    frozen = sheet.options.get("gridProperties", {}).get(
        "frozenRowCount" if dimension == "ROWS" else "frozenColumnCount", 0
    )
    if end - start >= count:
        raise errors.ApiError(f"You can't delete all the {many} on the sheet.")
    if frozen and start <= frozen and end >= count:
        raise errors.ApiError(f"Sorry, it is not possible to delete all non-frozen {many}.")
    protection.check_cells(edit.spreadsheet, sheet, stripe(sheet, dimension, start, end), edit.user)
    delete_span(edit.journal, sheet, dimension, start, end)
    _thaw(edit.journal, sheet, dimension, start, end, frozen)
    return {}


def _thaw(journal: Journal, sheet: Sheet, dimension: Dimension, start: int, end: int, frozen: int) -> None:
    gone = max(0, min(end, frozen) - start)
    if not gone:
        return
    name = "frozenRowCount" if dimension == "ROWS" else "frozenColumnCount"
    grid = {**sheet.options["gridProperties"], name: frozen - gone}
    grid = {key: value for key, value in grid.items() if value}
    options = {**sheet.options, "gridProperties": grid}
    journal.assign(sheet, "options", {key: value for key, value in options.items() if value})


def move(edit: Edit, body: Body) -> Reply:
    """Move rows or columns; the destination counts as before the move."""
    sheet, dimension, start, end = _span(edit, required(body, "source"))
    to = body.get("destinationIndex", 0)
    count = sheet.count(dimension)
    if end > count:
        raise errors.ApiError(f"Cannot move a {NAMES[dimension][0]} that doesn't exist.")
    if not 0 <= to <= count:
        raise errors.ApiError(f"destinationIndex must be between 0 and {count}.")
    if start < to < end:
        raise errors.ApiError("The destination cannot be within the source.")
    for box in sheet.merges:
        first, last = (box.row, box.row_end) if dimension == "ROWS" else (box.col, box.col_end)
        if first < start < last or first < end < last or first < to < last:
            raise errors.ApiError("You can't move a range that partially intersects a merged range.")
    protection.check_cells(edit.spreadsheet, sheet, stripe(sheet, dimension, start, end), edit.user)
    if to not in (start, end):
        edit.journal.move(sheet, dimension, start, end, to)
        follow(edit.journal, sheet, Change("move", dimension, start, end, to))
    return {}


def append(edit: Edit, body: Body) -> Reply:
    """Append blank rows or columns."""
    sheet = edit.spreadsheet.grid(body.get("sheetId", 0))
    dimension, number = body.get("dimension"), body.get("length", 0)
    if dimension not in ("ROWS", "COLUMNS"):
        raise errors.ApiError("No dimension specified.")
    if number <= 0:
        raise errors.ApiError("length must be greater than 0.")
    check_growth(edit, sheet, dimension, number)
    edit.journal.insert(sheet, dimension, sheet.count(dimension), number)
    return {}


def resize(edit: Edit, sheet: Sheet, rows: int, columns: int) -> None:
    """Give the grid another size; what lies beyond is lost."""
    wanted: list[tuple[Dimension, int]] = [("ROWS", rows), ("COLUMNS", columns)]
    for dimension, count in wanted:
        have = sheet.count(dimension)
        if count < have:
            protection.check_cells(edit.spreadsheet, sheet, stripe(sheet, dimension, count, have), edit.user)
            delete_span(edit.journal, sheet, dimension, count, have)
        elif count > have:
            edit.journal.insert(sheet, dimension, have, count - have)


def update_properties(edit: Edit, body: Body) -> Reply:
    """Change the size or visibility of rows or columns."""
    mask = fields.update_mask(body.get("fields"), "DimensionProperties")
    if "range" not in body:
        raise errors.ApiError("range is required.")
    sheet, dimension, start, end = _span(edit, body["range"])
    if end > sheet.count(dimension):
        raise errors.ApiError(f"Range exceeds grid limits. Max rows: {sheet.row_count}, max columns: {sheet.col_count}")
    given = body.get("properties", {})
    if "pixelSize" in mask and given.get("pixelSize", 0) < 0:
        raise errors.ApiError("pixelSize cannot be negative.")
    for index in range(start, end):
        merged = fields.merge(sheet.properties_of(dimension, index), given, mask)
        edit.journal.put_dimension(sheet, dimension, index, schema.tidy("DimensionProperties", merged) or None)
    return {}


def auto_resize(edit: Edit, body: Body) -> Reply:
    """Fit rows or columns to their text, as wide as an average font would be."""
    sheet, dimension, start, end = _span(edit, required(body, "dimensions"))
    end = min(end, sheet.count(dimension))
    for index in range(start, end):
        properties = {**sheet.properties_of(dimension, index), "pixelSize": _fitting(sheet, dimension, index)}
        edit.journal.put_dimension(sheet, dimension, index, properties)
    return {}


def _fitting(sheet: Sheet, dimension: Dimension, index: int) -> int:
    from sheetsync.localsheets.sheet import COLUMN_PIXELS, ROW_PIXELS

    if dimension == "ROWS":
        return ROW_PIXELS
    widths = [
        len(str(cell.value))
        for row in sheet.rows
        if index < len(row) and (cell := row[index]) and cell.value is not None
    ]
    return 8 * max(widths) + 11 if widths else COLUMN_PIXELS


# Shifting cells inside of the grid.


def _shift_axis(body: Body, box: Box) -> Dimension:
    dimension = body.get("shiftDimension")
    if dimension in ("ROWS", "COLUMNS"):
        return dimension  # type: ignore[no-any-return]
    return "ROWS" if box.col_end - box.col >= box.row_end - box.row else "COLUMNS"


def insert_range(edit: Edit, body: Body) -> Reply:
    """Make room for a rectangle by shifting the cells behind it down or right; the grid grows if need be."""
    from sheetsync.localsheets.append import grow

    sheet, box = edit.writable(body.get("range"))
    if _shift_axis(body, box) == "ROWS":
        height = box.row_end - box.row
        last = _last_row(sheet, box)
        grow(edit.journal, sheet, last + height, 0)
        protection.check_cells(edit.spreadsheet, sheet, box._replace(row_end=sheet.row_count), edit.user)
        for row in range(last + height - 1, box.row - 1, -1):
            source = _cut(sheet, row - height, box.col, box.col_end) if row - height >= box.row else _blank(box)
            edit.journal.put_cells(sheet, row, box.col, source)
        return {}
    width = box.col_end - box.col
    last = max((len(sheet.row(row)) for row in range(box.row, box.row_end)), default=0)
    grow(edit.journal, sheet, 0, max(last, box.col) + width)
    protection.check_cells(edit.spreadsheet, sheet, box._replace(col_end=sheet.col_count), edit.user)
    for row in range(box.row, box.row_end):
        line = list(sheet.row(row)[box.col :])
        edit.journal.put_cells(sheet, row, box.col, [*_blank(box), *line])
    return {}


def _last_row(sheet: Sheet, box: Box) -> int:
    return max(min(len(sheet.rows), sheet.row_count), box.row)


def _blank(box: Box) -> Row:
    return [None] * (box.col_end - box.col)


def _cut(sheet: Sheet, row: int, col: int, col_end: int) -> Row:
    return [sheet.cell(row, index) for index in range(col, col_end)]


def delete_range(edit: Edit, body: Body) -> Reply:
    """Take a rectangle out by shifting the cells behind it up or left."""
    sheet, box = edit.writable(body.get("range"))
    if _shift_axis(body, box) == "ROWS":
        protection.check_cells(edit.spreadsheet, sheet, box._replace(row_end=sheet.row_count), edit.user)
        height = box.row_end - box.row
        for row in range(box.row, _last_row(sheet, box)):
            edit.journal.put_cells(sheet, row, box.col, _cut(sheet, row + height, box.col, box.col_end))
        return {}
    protection.check_cells(edit.spreadsheet, sheet, box._replace(col_end=sheet.col_count), edit.user)
    for row in range(box.row, box.row_end):
        line: list[Any] = list(sheet.row(row)[box.col_end :])
        missing = len(sheet.row(row)) - box.col - len(line)
        edit.journal.put_cells(sheet, row, box.col, line + [None] * max(missing, 0))
    return {}


def hidden_rows(sheet: Sheet, box: Box) -> list[int]:
    """The rows of a rectangle that a person does not see."""
    return [row for row in range(box.row, box.row_end) if sheet.is_hidden_row(row)]


def set_filtered(journal: Journal, sheet: Sheet, row: int, *, hidden: bool) -> None:
    """Hide or show a row by a filter."""
    old: Json = sheet.properties_of("ROWS", row)
    new = {key: value for key, value in old.items() if key != "hiddenByFilter"}
    if hidden:
        new["hiddenByFilter"] = True
    if new != old:
        journal.put_dimension(sheet, "ROWS", row, new or None)
