"""copyPaste, cutPaste, autoFill: cells from one place to another, within a tab or across tabs."""

from __future__ import annotations

from collections.abc import Callable

from sheetsync.localsheets import a1, errors, protection, ranges
from sheetsync.localsheets.cell import Cell, Formula, Value, settle
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.rendering import effective
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import Box, Row, Sheet

Paste = Callable[[Cell, Cell, Value], "Cell | None"]


def _without_borders(form: Body | None) -> Body | None:
    return {key: item for key, item in form.items() if key != "borders"} or None if form else None


# What each paste type takes from the source: (source cell, cell there, source's effective value) -> new cell.
PASTES: dict[str, Paste] = {
    "PASTE_NORMAL": lambda source, _there, _value: settle(source),
    "PASTE_VALUES": lambda _source, there, value: there.with_value(value),
    "PASTE_FORMAT": lambda source, there, _value: there.with_form(source.form),
    "PASTE_NO_BORDERS": lambda source, _there, _value: source.with_form(_without_borders(source.form)),
    "PASTE_FORMULA": lambda source, there, _value: there.with_value(source.value),
    "PASTE_DATA_VALIDATION": lambda source, there, _value: there.with_rule(source.rule),
    "PASTE_CONDITIONAL_FORMATTING": lambda _source, there, _value: settle(there),
}


def _paste_type(body: Body) -> str:
    kind = str(body.get("pasteType") or "PASTE_NORMAL")
    return "PASTE_NORMAL" if kind.endswith("UNSPECIFIED") else kind


def _lifted(edit: Edit, area: Area) -> list[list[tuple[Cell, Value]]]:
    """The cells of an area with their effective values."""
    sheet, box = area
    found = []
    for row in range(box.row, box.row_end):
        line = []
        for col in range(box.col, box.col_end):
            cell = sheet.cell(row, col)
            value = effective(edit.spreadsheet, sheet, row, col, cell) if cell else None
            line.append((cell or Cell(), value))
        found.append(line)
    return found


def copy_paste(edit: Edit, body: Body) -> Reply:
    """Copy a range; a destination that is a multiple of it is filled by repeating it."""
    source = edit.area(body.get("source"), name="source")
    grid_range = required(body, "destination")
    target_sheet = edit.spreadsheet.grid(grid_range.get("sheetId", 0))
    lifted = _lifted(edit, source)
    transpose = body.get("pasteOrientation") == "TRANSPOSE"
    if transpose:
        lifted = [list(column) for column in zip(*lifted, strict=True)]
    height, width = len(lifted), len(lifted[0])
    ranges.check_order(grid_range)
    box = ranges.box_of(target_sheet, grid_range)
    rows = max(box.row_end - box.row, 1) // height * height or height
    cols = max(box.col_end - box.col, 1) // width * width or width
    target = Box(box.row, box.row + rows, box.col, box.col + cols)
    if target.row_end > target_sheet.row_count or target.col_end > target_sheet.col_count:
        raise ranges.off_grid(target_sheet, a1.format_cells(*target))
    protection.check_cells(edit.spreadsheet, target_sheet, target, edit.user)
    kind = _paste_type(body)
    _put(edit, source, target_sheet, target, lifted, kind, transpose=transpose)
    if kind in ("PASTE_NORMAL", "PASTE_NO_BORDERS", "PASTE_FORMAT") and not transpose:
        _copy_merges(edit, source, target_sheet, target)
    return {}


def _put(
    edit: Edit,
    source: Area,
    sheet: Sheet,
    target: Box,
    lifted: list[list[tuple[Cell, Value]]],
    kind: str,
    *,
    transpose: bool,
) -> None:
    paste = PASTES[kind]
    height, width = len(lifted), len(lifted[0])
    for row in range(target.row, target.row_end):
        from_row = lifted[(row - target.row) % height]
        line: Row = []
        for col in range(target.col, target.col_end):
            cell, value = from_row[(col - target.col) % width]
            if type(cell.value) is Formula and not transpose:
                rows = row - source.box.row - (row - target.row) % height
                cols = col - source.box.col - (col - target.col) % width
                cell = _shifted(cell, rows, cols)
            line.append(paste(cell, sheet.cell(row, col) or Cell(), value))
        edit.journal.put_cells(sheet, row, target.col, line)


def _shifted(cell: Cell, rows: int, cols: int) -> Cell:
    from sheetsync.localsheets.formulas.rewrite import moved

    return Cell(Formula(moved(str(cell.value), rows, cols)), cell.form, cell.note, cell.rule, cell.extra)


def _copy_merges(edit: Edit, source: Area, sheet: Sheet, target: Box) -> None:
    height, width = source.box.row_end - source.box.row, source.box.col_end - source.box.col
    inner = [merge for merge in source.sheet.merges if source.box.holds(merge)]
    kept = [merge for merge in sheet.merges if not merge.meets(target)]
    if not inner and len(kept) == len(sheet.merges):
        return
    for row in range(target.row, target.row_end, height):
        for col in range(target.col, target.col_end, width):
            for merge in inner:
                down, right = row - source.box.row, col - source.box.col
                kept.append(Box(merge.row + down, merge.row_end + down, merge.col + right, merge.col_end + right))
    edit.journal.assign(sheet, "merges", tuple(dict.fromkeys(kept)))


def cut_paste(edit: Edit, body: Body) -> Reply:
    """Move a range; the place that it leaves is blank, formulas that point at it follow."""
    source = edit.writable(body.get("source"), name="source")
    sheet, row, col = edit.start(required(body, "destination"))
    height, width = source.box.row_end - source.box.row, source.box.col_end - source.box.col
    target = Box(row, row + height, col, col + width)
    if target.row_end > sheet.row_count or target.col_end > sheet.col_count:
        raise ranges.off_grid(sheet, a1.format_cells(*target))
    protection.check_cells(edit.spreadsheet, sheet, target, edit.user)
    kind = _paste_type(body)
    paste = PASTES[kind]
    lifted = _lifted(edit, source)
    merges = [merge for merge in source.sheet.merges if source.box.holds(merge)]
    for index in range(source.box.row, source.box.row_end):
        blank: Row = [None] * width
        edit.journal.put_cells(source.sheet, index, source.box.col, blank)
    for index, line in enumerate(lifted):
        cells: Row = [
            paste(cell, sheet.cell(row + index, col + offset) or Cell(), value)
            for offset, (cell, value) in enumerate(line)
        ]
        edit.journal.put_cells(sheet, row + index, col, cells)
    if merges and kind == "PASTE_NORMAL":
        edit.journal.assign(source.sheet, "merges", tuple(m for m in source.sheet.merges if m not in merges))
        _copy_merges(edit, Area(_Holder(merges), source.box), sheet, target)  # type: ignore[arg-type]
    if edit.spreadsheet.has_formulas:
        from sheetsync.localsheets.formulas.rewrite import follow_cut

        follow_cut(edit.journal, source, Area(sheet, target))
    return {}


class _Holder:
    """Stands for the tab that cut merges came from."""

    def __init__(self, merges: list[Box]) -> None:
        self.merges = merges


def auto_fill(edit: Edit, body: Body) -> Reply:
    """Fill cells from the ones beside them: numbers go on in their step, everything else repeats."""
    if "sourceAndDestination" in body:
        given = body["sourceAndDestination"]
        source = edit.area(given.get("source"), name="source")
        length, by_rows = given.get("fillLength", 0), given.get("dimension") == "ROWS"
    elif "range" in body:
        whole = edit.area(body["range"])
        source, length, by_rows = _fill_source(whole)
    else:
        raise errors.ApiError("One of range or sourceAndDestination is required.")
    sheet, box = source
    if not length:
        return {}
    start, end = (box.row, box.row_end) if by_rows else (box.col, box.col_end)
    places = range(end, end + length) if length > 0 else range(start - 1, start + length - 1, -1)
    limit = sheet.row_count if by_rows else sheet.col_count
    if max(places) >= limit or min(places) < 0:
        raise errors.ApiError("The fill goes beyond the grid.")
    reach = Box(min(places), max(places) + 1, box.col, box.col_end)
    if not by_rows:
        reach = Box(box.row, box.row_end, min(places), max(places) + 1)
    protection.check_cells(edit.spreadsheet, sheet, reach, edit.user)
    for line in range(box.col, box.col_end) if by_rows else range(box.row, box.row_end):
        _fill_line(edit, sheet, line, start, end, list(places), by_rows=by_rows)
    return {}


def _fill_source(whole: Area) -> tuple[Area, int, bool]:
    sheet, box = whole
    filled = [
        (row, col)
        for row in range(box.row, box.row_end)
        for col in range(box.col, box.col_end)
        if (cell := sheet.cell(row, col)) is not None and cell.value is not None
    ]
    if not filled:
        return whole, 0, True
    last_row, last_col = max(row for row, _ in filled) + 1, max(col for _, col in filled) + 1
    if last_row < box.row_end:
        return Area(sheet, box._replace(row_end=last_row)), box.row_end - last_row, True
    return Area(sheet, box._replace(col_end=last_col)), box.col_end - last_col, False


def _fill_line(edit: Edit, sheet: Sheet, line: int, start: int, end: int, places: list[int], *, by_rows: bool) -> None:
    def at(index: int) -> Cell | None:
        return sheet.cell(index, line) if by_rows else sheet.cell(line, index)

    cells = [at(index) for index in range(start, end)]
    values = [cell.value if cell else None for cell in cells]
    numeric = all(type(value) in (int, float) for value in values)
    step = (values[-1] - values[0]) / (len(values) - 1) if numeric and len(values) > 1 else 0  # type: ignore[operator]
    for index in places:
        model = cells[(index - start) % len(cells)]
        if model is not None and numeric:
            number = values[0] + step * (index - start)  # type: ignore[operator]
            model = model.with_value(int(number) if float(number).is_integer() else number)
        elif model is not None and type(model.value) is Formula:
            distance = index - (start + (index - start) % len(cells))
            model = _shifted(model, distance if by_rows else 0, 0 if by_rows else distance)
        row, col = (index, line) if by_rows else (line, index)
        edit.journal.put_cell(sheet, row, col, model)
