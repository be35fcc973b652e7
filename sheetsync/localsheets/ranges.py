"""From the names of ranges to rectangles: A1 text, GridRange objects, named ranges, and back.

The notation itself is in `a1.py`.  Errors are worded as Google words them.
"""

from __future__ import annotations

from typing import NamedTuple

from sheetsync.localsheets import a1, errors
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.sheet import Box, Dimension, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet


class Area(NamedTuple):
    """A rectangle of a tab."""

    sheet: Sheet
    box: Box

    @property
    def a1(self) -> str:
        """The area as Google echoes it."""
        return a1.format_range(self.sheet.title, *self.box)


def resolve(spreadsheet: Spreadsheet, text: str) -> Area:
    """The area that a range in A1 or R1C1 notation, a named range or a tab's title means.

    Raises:
        ApiError: 400, it means nothing, or starts off the grid.
    """
    sheet, span = _lookup(spreadsheet, text)
    if isinstance(span, Box):
        return Area(sheet, span)
    return Area(sheet, close(sheet, span))


def _lookup(spreadsheet: Spreadsheet, text: str) -> tuple[Sheet, a1.Span | Box]:
    reference = a1.split(text)
    if reference.title is not None:
        sheet = spreadsheet.sheet_by_title(reference.title)
        if sheet is None:
            raise errors.bad_range(text)
        if reference.rest is None:
            return sheet, sheet.whole
        span = a1.parse_cells(reference.rest) or a1.parse_r1c1(reference.rest)
        if span is None:
            return _named(spreadsheet, reference.rest, text)
        return sheet, span
    span = a1.parse_cells(text) or a1.parse_r1c1(text)
    if span is not None:
        return spreadsheet.sheets[0], span
    if any(named["name"].casefold() == text.casefold() for named in spreadsheet.named_ranges.values()):
        return _named(spreadsheet, text, text)
    sheet = spreadsheet.sheet_by_title(text)
    if sheet is None:
        raise errors.bad_range(text)
    return sheet, sheet.whole


def _named(spreadsheet: Spreadsheet, name: str, text: str) -> tuple[Sheet, Box]:
    for named in spreadsheet.named_ranges.values():
        if named["name"].casefold() == name.casefold():
            sheet = spreadsheet.sheet_by_id(named["range"].get("sheetId", 0))
            return sheet, box_of(sheet, named["range"])
    raise errors.bad_range(text)


def close(sheet: Sheet, span: a1.Span) -> Box:
    """A span within the grid: open ends go to its edge, ends beyond it are clamped.

    Raises:
        ApiError: 400, it starts beyond the grid.
    """
    row, col = span.row or 0, span.col or 0
    if row >= sheet.row_count or col >= sheet.col_count:
        raise off_grid(sheet, a1.format_cells(row, span.row_end or row + 1, col, span.col_end or col + 1))
    row_end = sheet.row_count if span.row_end is None else min(span.row_end, sheet.row_count)
    col_end = sheet.col_count if span.col_end is None else min(span.col_end, sheet.col_count)
    return Box(row, row_end, col, col_end)


def resolve_unclamped(spreadsheet: Spreadsheet, text: str) -> Area:
    """Like `resolve`, but ends beyond the grid stay, so that a write can refuse or grow."""
    sheet, span = _lookup(spreadsheet, text)
    if isinstance(span, Box):
        return Area(sheet, span)
    row, col = span.row or 0, span.col or 0
    row_end = max(sheet.row_count, row + 1) if span.row_end is None else span.row_end
    col_end = max(sheet.col_count, col + 1) if span.col_end is None else span.col_end
    return Area(sheet, Box(row, row_end, col, col_end))


def off_grid(sheet: Sheet, cells: str) -> errors.ApiError:
    """The refusal of a range that lies beyond the grid."""
    return errors.ApiError(
        f"Range ({a1.quote_title(sheet.title)}!{cells}) exceeds grid limits."
        f" Max rows: {sheet.row_count}, max columns: {sheet.col_count}"
    )


def box_of(sheet: Sheet, grid_range: Json) -> Box:
    """The rectangle of a stored GridRange, within the grid."""
    row, col = grid_range.get("startRowIndex", 0), grid_range.get("startColumnIndex", 0)
    row_end = min(grid_range.get("endRowIndex", sheet.row_count), sheet.row_count)
    col_end = min(grid_range.get("endColumnIndex", sheet.col_count), sheet.col_count)
    return Box(row, max(row, row_end), col, max(col, col_end))


def requested(spreadsheet: Spreadsheet, grid_range: Json | None, *, name: str = "range") -> Area:
    """The area of a GridRange in a request.

    Raises:
        ApiError: 400, the tab is unknown, the ends are out of order, or it leaves the grid.
    """
    if grid_range is None:
        raise errors.ApiError(f"{name} is required")  # Google's wording is not recorded
    sheet = spreadsheet.grid(grid_range.get("sheetId", 0))
    check_order(grid_range)
    row, col = grid_range.get("startRowIndex", 0), grid_range.get("startColumnIndex", 0)
    row_end = grid_range.get("endRowIndex", sheet.row_count)
    col_end = grid_range.get("endColumnIndex", sheet.col_count)
    if row_end > sheet.row_count or col_end > sheet.col_count or row >= sheet.row_count or col >= sheet.col_count:
        raise off_grid(sheet, a1.format_cells(row, max(row_end, row + 1), col, max(col_end, col + 1)))
    return Area(sheet, Box(row, row_end, col, col_end))


def check_order(grid_range: Json) -> None:
    """Refuse negative indexes and ends that do not lie after their starts.

    Raises:
        ApiError: 400.
    """
    for axis in ("Row", "Column"):
        start, end = grid_range.get(f"start{axis}Index"), grid_range.get(f"end{axis}Index")
        for which, index in (("start", start), ("end", end)):
            if index is not None and index < 0:
                raise errors.ApiError(f"{which}{axis}Index cannot be negative.")
        if end is not None and end <= (start or 0):
            raise errors.ApiError(f"end{axis}Index[{end}] must be after start{axis}Index[{start or 0}]")


def json_of(sheet: Sheet, box: Box) -> Json:
    """A closed rectangle as Google writes a GridRange: sheetId 0 is left out."""
    found: Json = {"sheetId": sheet.sheet_id} if sheet.sheet_id else {}
    return found | {
        "startRowIndex": box.row,
        "endRowIndex": box.row_end,
        "startColumnIndex": box.col,
        "endColumnIndex": box.col_end,
    }


def closed(spreadsheet: Spreadsheet, grid_range: Json) -> Json:
    """A stored GridRange with its open ends filled to the grid, as named ranges and filters are kept."""
    sheet = spreadsheet.grid(grid_range.get("sheetId", 0))
    return json_of(sheet, box_of(sheet, grid_range))


def dimension_span(sheet: Sheet, dimension_range: Json) -> tuple[Dimension, int, int]:
    """The rows or columns of a DimensionRange: open ends go to the grid's edge.

    Raises:
        ApiError: 400, no dimension is named or the ends are out of order.
    """
    dimension = dimension_range.get("dimension")
    if dimension not in ("ROWS", "COLUMNS"):
        raise errors.ApiError("No dimension specified.")  # Google's wording is not recorded
    start = dimension_range.get("startIndex", 0)
    end = dimension_range.get("endIndex", sheet.count(dimension))
    if start < 0:
        raise errors.ApiError("startIndex cannot be negative.")
    if end <= start:
        raise errors.ApiError(f"endIndex[{end}] must be after startIndex[{start}]")
    return dimension, start, end
