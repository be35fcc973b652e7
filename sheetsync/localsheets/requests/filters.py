"""The basic filter and filter views: setting them, hiding rows by them, sorting by them."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, fields, ranges, schema, validation_rules
from sheetsync.localsheets.cell import Json, Value
from sheetsync.localsheets.rendering import effective, number_format, shown
from sheetsync.localsheets.requests.dimensions import set_filtered
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.requests.sorting import apply_sort
from sheetsync.localsheets.sheet import Box, Sheet


def _closed(edit: Edit, given: Body) -> tuple[Sheet, Box]:
    return edit.area(given.get("range"))


def set_basic(edit: Edit, body: Body) -> Reply:
    """Set the basic filter: rows that it excludes are hidden, sort specs sort the data."""
    given = body.get("filter", {})
    if "range" not in given and "tableId" not in given:
        raise errors.ApiError("A filter must specify a range.")
    sheet, box = _closed(edit, given)
    kept = schema.tidy("BasicFilter", {**_both_forms(given), "range": ranges.json_of(sheet, box)})
    edit.journal.assign(sheet, "basic_filter", kept)
    if specs := given.get("sortSpecs"):
        inner = box._replace(row=box.row + 1)
        if inner.row < inner.row_end:
            apply_sort(edit, sheet, inner, specs)
    apply_filter(edit, sheet, box, criteria_of(given))
    return {}


def clear_basic(edit: Edit, body: Body) -> Reply:
    """Take the basic filter away; what it hid is seen again."""
    sheet = edit.spreadsheet.grid(body.get("sheetId", 0))
    if sheet.basic_filter is not None:
        edit.journal.assign(sheet, "basic_filter", None)
        for row in range(len(sheet.row_properties)):
            set_filtered(edit.journal, sheet, row, hidden=False)
    return {}


def criteria_of(given: Json) -> dict[int, Json]:
    """The criteria of a filter by column; `filterSpecs` take the place of the older `criteria`."""
    found = {int(column): criteria for column, criteria in given.get("criteria", {}).items()}
    for spec in given.get("filterSpecs", []):
        found[spec.get("columnIndex", 0)] = spec.get("filterCriteria", {})
    return found


def _both_forms(given: Json) -> Json:
    """A filter with its criteria in the older form and the newer, as Google answers whichever was given."""
    found = criteria_of(given)
    if not found:
        return given
    specs = given.get("filterSpecs") or [{"columnIndex": key, "filterCriteria": one} for key, one in found.items()]
    return {**given, "criteria": {str(key): one for key, one in found.items()}, "filterSpecs": specs}


def apply_filter(edit: Edit, sheet: Sheet, box: Box, criteria: dict[int, Json]) -> None:
    """Hide the rows below the header that any criterion excludes, show the others."""
    for row in range(box.row + 1, box.row_end):
        hidden = any(_excludes(edit, sheet, row, column, one) for column, one in criteria.items())
        set_filtered(edit.journal, sheet, row, hidden=hidden)


def _excludes(edit: Edit, sheet: Sheet, row: int, column: int, criterion: Json) -> bool:
    spreadsheet = edit.spreadsheet
    cell = sheet.cell(row, column)
    value: Value = None
    text = ""
    if cell is not None:
        value = effective(spreadsheet, sheet, row, column, cell)
        text = shown(value, number_format(spreadsheet, sheet, row, column, cell), spreadsheet.locale)
    if text in criterion.get("hiddenValues", ()):
        return True
    condition: dict[str, Any] | None = criterion.get("condition")
    if not condition:
        return False
    kind = condition.get("type")
    if kind in ("BLANK", "NOT_BLANK"):
        return bool((value is None) != (kind == "BLANK"))
    return value is None or not validation_rules.keeps(spreadsheet, sheet, {"condition": condition}, value)


# Filter views.


def _view(edit: Edit, key: int) -> tuple[Sheet, Json]:
    for sheet in edit.spreadsheet.sheets:
        if key in sheet.filter_views:
            return sheet, sheet.filter_views[key]
    raise errors.ApiError(f"No filter view with id: {key}")


def _new_key(edit: Edit, given: int | None) -> int:
    taken = {key for sheet in edit.spreadsheet.sheets for key in sheet.filter_views}
    if given in taken:
        raise errors.ApiError(f"A filter view with ID {given} already exists.")
    return given or edit.spreadsheet.new_id(taken)


def _kept(edit: Edit, given: Json) -> tuple[Sheet, Json]:
    if key := given.get("namedRangeId"):
        named = edit.spreadsheet.named_ranges.get(key)
        if named is None:
            raise errors.ApiError(f"No named range with id: {key}")
        given = {**given, "range": named["range"]}
    sheet, box = _closed(edit, given)
    return sheet, schema.tidy("FilterView", {**_both_forms(given), "range": ranges.json_of(sheet, box)})


def add_view(edit: Edit, body: Body) -> Reply:
    """Add a filter view."""
    given = dict(body.get("filter", {}))
    given["filterViewId"] = _new_key(edit, given.get("filterViewId"))
    given.setdefault("title", f"Filter {given['filterViewId'] % 1000}")
    sheet, view = _kept(edit, given)
    edit.journal.put_item(sheet, "filter_views", view["filterViewId"], view)
    return {"addFilterView": {"filter": view}}


def update_view(edit: Edit, body: Body) -> Reply:
    """Change a filter view."""
    given = body.get("filter", {})
    mask = fields.update_mask(body.get("fields"), "FilterView")
    sheet, old = _view(edit, given.get("filterViewId", 0))
    target, view = _kept(edit, fields.merge(old, given, mask) | {"filterViewId": old["filterViewId"]})
    if target is not sheet:
        edit.journal.put_item(sheet, "filter_views", old["filterViewId"], None)
    edit.journal.put_item(target, "filter_views", view["filterViewId"], view)
    return {}


def delete_view(edit: Edit, body: Body) -> Reply:
    """Delete a filter view."""
    key = body.get("filterId", 0)
    sheet, _ = _view(edit, key)
    edit.journal.put_item(sheet, "filter_views", key, None)
    return {}


def duplicate_view(edit: Edit, body: Body) -> Reply:
    """Copy a filter view."""
    sheet, old = _view(edit, body.get("filterId", 0))
    view = {**old, "filterViewId": _new_key(edit, None), "title": f"Copy of {old.get('title', '')}"}
    edit.journal.put_item(sheet, "filter_views", view["filterViewId"], view)
    return {"duplicateFilterView": {"filter": view}}
