"""What follows when rows or columns come, go or move: merges, ranges, metadata, groups, formulas.

`Change` maps an index range from before to after; `follow` applies it to everything that names rows or columns.
The cells themselves are moved by the journal's primitives; the requests are in `requests/dimensions.py`.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.sheet import KEYED, Box, Dimension, Sheet


class Change(NamedTuple):
    """Rows or columns inserted, deleted or moved.

    Attributes:
        kind: `insert` (gap of `end - start` at `start`), `delete` (`start:end`), `move` (`start:end` to `to`).
        to: the destination, counted as before the move.
    """

    kind: str
    dimension: Dimension
    start: int
    end: int
    to: int = 0

    def span(self, start: int, end: int) -> tuple[int, int] | None:
        """Where `start:end` lies afterwards; None if it is gone."""
        number = self.end - self.start
        if self.kind == "insert":
            return (
                start + number if start >= self.start else start,
                end + number if end > self.start else end,
            )
        if self.kind == "delete":
            left = start - min(max(start - self.start, 0), number)
            right = end - min(max(end - self.start, 0), number)
            return (left, right) if right > left else None
        return self._moved(start, end, number)

    def _moved(self, start: int, end: int, number: int) -> tuple[int, int]:
        target = self.to - number if self.to > self.start else self.to
        if self.start <= start and end <= self.end:
            return start + target - self.start, end + target - self.start
        gone = Change("delete", self.dimension, self.start, self.end).span(start, end)
        if gone is None:
            return start, end
        opened = Change("insert", self.dimension, target, target + number).span(*gone)
        return opened or (start, end)


def follow(journal: Journal, sheet: Sheet, change: Change) -> None:
    """Bring everything that names rows or columns of a tab in line with a change of its grid."""
    merges = [moved for box in sheet.merges if (moved := follow_box(box, change)) and not is_single(moved)]
    if tuple(merges) != sheet.merges:
        journal.assign(sheet, "merges", tuple(merges))
    for name in KEYED:
        for key, item in list(getattr(sheet, name).items()):
            _put(journal, sheet, name, key, item, follow_places(item, sheet.sheet_id, change))
    if sheet.basic_filter is not None:
        journal.assign(sheet, "basic_filter", follow_places(sheet.basic_filter, sheet.sheet_id, change))
    for name in ("conditional_formats", "row_groups", "column_groups"):
        items = getattr(sheet, name)
        kept = [moved for item in items if (moved := follow_places(item, sheet.sheet_id, change)) is not None]
        if kept != items:
            journal.assign(sheet, name, kept)
    spreadsheet = journal.spreadsheet
    for key, named in list(spreadsheet.named_ranges.items()):
        _put(journal, spreadsheet, "named_ranges", key, named, follow_places(named, sheet.sheet_id, change))
    for key, comment in list(spreadsheet.comments.items()):
        _put(journal, spreadsheet, "comments", key, comment, _follow_comment(comment, sheet.sheet_id, change))
    for number, record in list(spreadsheet.metadata.items()):
        if "dimensionRange" in record["location"]:
            _put(journal, spreadsheet, "metadata", number, record, follow_places(record, sheet.sheet_id, change))
    if spreadsheet.has_formulas:
        from sheetsync.localsheets.formulas.rewrite import follow_in_formulas

        follow_in_formulas(journal, sheet, change)


def _follow_comment(comment: Json, sheet_id: int, change: Change) -> Json:
    """A comment outlives its cell; it only loses its anchor then."""
    moved = follow_places(comment["anchor"], sheet_id, change)
    return comment if moved is None else {**comment, "anchor": moved}


def _put(journal: Journal, owner: Any, name: str, key: Any, old: Json, new: Json | None) -> None:
    if new != old:
        journal.put_item(owner, name, key, new)


def is_single(box: Box) -> bool:
    """Whether a rectangle is one cell (a merge that shrank to nothing)."""
    return box.row_end - box.row == 1 and box.col_end - box.col == 1


def follow_box(box: Box, change: Change) -> Box | None:
    """Where a rectangle lies afterwards; None if it is gone."""
    if change.dimension == "ROWS":
        rows = change.span(box.row, box.row_end)
        return Box(*rows, box.col, box.col_end) if rows else None
    columns = change.span(box.col, box.col_end)
    return Box(box.row, box.row_end, *columns) if columns else None


def follow_places(value: Any, sheet_id: int, change: Change) -> Any:
    """A stored JSON value with all its ranges brought in line; None if its own range is gone."""
    if isinstance(value, list):
        return [moved for item in value if (moved := follow_places(item, sheet_id, change)) is not None]
    if not isinstance(value, dict):
        return value
    if "startRowIndex" in value or "startColumnIndex" in value or "endRowIndex" in value or "endColumnIndex" in value:
        return _follow_grid_range(value, change) if value.get("sheetId", 0) == sheet_id else value
    if "dimension" in value and "startIndex" in value:
        if value["dimension"] != change.dimension or value.get("sheetId", 0) != sheet_id:
            return value
        moved = change.span(value["startIndex"], value["endIndex"])
        return {**value, "startIndex": moved[0], "endIndex": moved[1]} if moved else None
    result = {}
    for key, item in value.items():
        moved_item = follow_places(item, sheet_id, change)
        if moved_item is None and item is not None and key in ("range", "location", "dimensionRange"):
            return None
        if moved_item == [] and item and key == "ranges":
            return None
        if moved_item is not None:
            result[key] = moved_item
    return result


def _follow_grid_range(place: Json, change: Change) -> Json | None:
    axis = "Row" if change.dimension == "ROWS" else "Column"
    start, end = place.get(f"start{axis}Index"), place.get(f"end{axis}Index")
    if start is None and end is None:
        return place
    moved = change.span(start or 0, 2**30 if end is None else end)
    if moved is None:
        return None
    result = dict(place)
    if start is not None:
        result[f"start{axis}Index"] = moved[0]
    if end is not None:
        result[f"end{axis}Index"] = moved[1]
    return result
