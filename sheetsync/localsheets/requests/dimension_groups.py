"""addDimensionGroup, updateDimensionGroup, deleteDimensionGroup: foldable groups of rows or columns."""

from __future__ import annotations

from sheetsync.localsheets import errors, fields
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.metadata import dimension_json
from sheetsync.localsheets.ranges import dimension_span
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import Dimension, Sheet

CONTROLS = {"ROWS": "rowGroupControlAfter", "COLUMNS": "columnGroupControlAfter"}
LISTS = {"ROWS": "row_groups", "COLUMNS": "column_groups"}


def _span(edit: Edit, body: Body) -> tuple[Sheet, Dimension, int, int]:
    span = required(body, "range")
    sheet = edit.spreadsheet.grid(span.get("sheetId", 0))
    return sheet, *dimension_span(sheet, span)


def _rebuild(sheet: Sheet, dimension: Dimension, depths: list[int], old: list[Json]) -> list[Json]:
    """The groups that a depth per row or column makes: one for each run of each depth."""
    folded = {(g["range"]["startIndex"], g["range"]["endIndex"], g["depth"]): g.get("collapsed") for g in old}
    groups: list[Json] = []
    for depth in range(1, max(depths, default=0) + 1):
        start = None
        for index, value in enumerate([*depths, 0]):
            if value >= depth and start is None:
                start = index
            elif value < depth and start is not None:
                group: Json = {"range": dimension_json(sheet, dimension, start, index), "depth": depth}
                if folded.get((start, index, depth)):
                    group["collapsed"] = True
                groups.append(group)
                start = None
    return sorted(groups, key=lambda g: (g["range"]["startIndex"], g["depth"]))


def _depths(sheet: Sheet, dimension: Dimension) -> list[int]:
    depths = [0] * sheet.count(dimension)
    for group in getattr(sheet, LISTS[dimension]):
        for index in range(group["range"]["startIndex"], min(group["range"]["endIndex"], len(depths))):
            depths[index] = max(depths[index], group["depth"])
    return depths


def _change(edit: Edit, body: Body, by: int) -> list[Json]:
    sheet, dimension, start, end = _span(edit, body)
    depths = _depths(sheet, dimension)
    if end > len(depths):
        raise errors.ApiError("The group's range exceeds grid limits.")
    if by < 0 and not any(depths[start:end]):
        raise errors.ApiError("No dimension group covers the given range.")
    for index in range(start, end):
        depths[index] = max(0, depths[index] + by)
    groups = _rebuild(sheet, dimension, depths, getattr(sheet, LISTS[dimension]))
    edit.journal.assign(sheet, LISTS[dimension], groups)
    grid = {**sheet.options.get("gridProperties", {}), CONTROLS[dimension]: True}
    edit.journal.assign(sheet, "options", {**sheet.options, "gridProperties": grid})
    return groups


def add(edit: Edit, body: Body) -> Reply:
    """Put rows or columns into a group; inside of one they go a level deeper."""
    return {"addDimensionGroup": {"dimensionGroups": _change(edit, body, 1)}}


def delete(edit: Edit, body: Body) -> Reply:
    """Take rows or columns one level up."""
    groups = _change(edit, body, -1)
    return {"deleteDimensionGroup": {"dimensionGroups": groups} if groups else {}}


def update(edit: Edit, body: Body) -> Reply:
    """Fold a group or open it; its rows or columns are hidden or shown."""
    given = body.get("dimensionGroup", {})
    mask = fields.update_mask(body.get("fields"), "DimensionGroup")
    sheet, dimension, start, end = _span(edit, given)
    groups = list(getattr(sheet, LISTS[dimension]))
    wanted = (start, end, given.get("depth", 0))
    places = [(g["range"]["startIndex"], g["range"]["endIndex"], g["depth"]) for g in groups]
    if wanted not in places:
        raise errors.ApiError("No dimension group with that range and depth.")
    index = places.index(wanted)
    group = groups[index]
    if "collapsed" in mask:
        collapsed = bool(given.get("collapsed"))
        groups[index] = {key: value for key, value in group.items() if key != "collapsed"}
        if collapsed:
            groups[index]["collapsed"] = True
        edit.journal.assign(sheet, LISTS[dimension], groups)
        for place in range(start, end):
            own = {k: v for k, v in sheet.properties_of(dimension, place).items() if k != "hiddenByUser"}
            if collapsed:
                own["hiddenByUser"] = True
            edit.journal.put_dimension(sheet, dimension, place, own or None)
    return {}
