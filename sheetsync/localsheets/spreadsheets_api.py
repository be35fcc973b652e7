"""The calls on whole spreadsheets: create, get, get by data filter, copy a tab.  Batches are in `batch.py`."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, fields, metadata, ranges, schema
from sheetsync.localsheets.call import Call, Options
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.grid import GridView
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.requests import sheets as sheet_requests
from sheetsync.localsheets.requests.edit import Edit
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet, default_properties, new_spreadsheet
from sheetsync.localsheets.workspace import Workspace


def get(call: Call) -> Json:
    """`spreadsheets.get`."""
    mask = fields.response_mask(call.request.param("fields"), "Spreadsheet")
    areas = [ranges.resolve(call.spreadsheet, text) for text in call.request.query.get("ranges", [])]
    with_grid = call.request.flag("includeGridData")
    if call.request.param("fields"):
        with_grid = False
    view = GridView(call.spreadsheet, call.user, mask, with_grid=with_grid)
    view.without_tables = call.request.flag("excludeTablesInBandedRanges")
    view.with_comments = call.request.param("commentsViewMode") == "COMMENTS_VIEW_MODE_INCLUDED"
    return view.build(areas or None)


def get_by_data_filter(call: Call) -> Json:
    """`spreadsheets.getByDataFilter`."""
    body = call.body("GetSpreadsheetByDataFilterRequest")
    mask = fields.response_mask(call.request.param("fields"), "Spreadsheet")
    areas: list[Area] | None = None
    for index, one in enumerate(body.get("dataFilters", [])):
        try:
            areas = (areas or []) + metadata.filter_areas(call.spreadsheet, one)
        except errors.ApiError as refusal:
            raise refusal.prefixed(f"Invalid dataFilter[{index}]: ") from None
    with_grid = bool(body.get("includeGridData")) and not call.request.param("fields")
    view = GridView(call.spreadsheet, call.user, mask, with_grid=with_grid)
    view.without_tables = bool(body.get("excludeTablesInBandedRanges"))
    view.with_comments = body.get("commentsViewMode") == "COMMENTS_VIEW_MODE_INCLUDED"
    return view.build(areas)


def create(workspace: Workspace, user: str, body: Any) -> Json:
    """`spreadsheets.create`: properties, tabs and named ranges may be given."""
    wanted = schema.check("Spreadsheet", body)
    properties = wanted.get("properties", {})
    title = properties.get("title") or "Untitled spreadsheet"
    file_id = workspace.new_file_id()
    content = new_spreadsheet(file_id, title, rng=workspace.rng)
    kept = {key: properties[key] for key in ("locale", "timeZone", "autoRecalc") if key in properties}
    content.properties = default_properties(title) | kept
    content.owner = user
    journal = Journal(content)
    if tabs := wanted.get("sheets"):
        content.sheets.clear()
        for index, tab in enumerate(tabs):
            _add_tab(journal, user, tab, index)
    for named in wanted.get("namedRanges", []):
        from sheetsync.localsheets.requests import named_ranges

        named_ranges.add(Edit(journal, user, Options()), {"namedRange": named})
    workspace.create(title, user, spreadsheet=content)
    return GridView(content, user, None, with_grid=False).build()


def _add_tab(journal: Journal, user: str, tab: Json, index: int) -> None:
    properties = dict(tab.get("properties", {}))
    properties.setdefault("title", f"Sheet{index + 1}")
    properties.setdefault("sheetId", 0 if index == 0 else journal.spreadsheet.new_sheet_id())
    sheet = sheet_requests.add_tab(journal, {**properties, "index": index})
    for grid in tab.get("data", []):
        from sheetsync.localsheets.requests import cells

        rows = grid.get("rowData", [])
        if rows:
            start = {"sheetId": sheet.sheet_id}
            start |= {"rowIndex": grid.get("startRow", 0), "columnIndex": grid.get("startColumn", 0)}
            cells.update(Edit(journal, user, Options()), {"rows": rows, "fields": "*", "start": start})


def copy_to(call: Call, text: str) -> Json:
    """`sheets.copyTo`: a tab into another spreadsheet, as `Copy of …`."""
    body = call.body("CopySheetToAnotherSpreadsheetRequest")
    source = call.spreadsheet.sheet_by_id(_sheet_number(text))
    if "destinationSpreadsheetId" not in body:
        raise errors.ApiError("destinationSpreadsheetId is required.")
    destination = call.workspace.spreadsheet(body["destinationSpreadsheetId"])
    state = source.to_json()
    copied = Sheet.from_json(schema_copy(state))
    copied.sheet_id = destination.new_sheet_id()
    copied.title = free_title(destination, f"Copy of {source.title}")
    sheet_requests.rebase(copied, source.sheet_id)
    with call.workspace.transaction(destination, call.user) as journal:
        destination.check_cell_limit(copied.row_count * copied.col_count)
        destination.has_formulas |= call.spreadsheet.has_formulas
        journal.add_sheet(copied, len(destination.sheets))
    from sheetsync.localsheets.grid import sheet_properties

    return sheet_properties(copied, len(destination.sheets) - 1)


def schema_copy(state: Json) -> Json:
    """A deep copy of JSON."""
    import orjson

    from sheetsync.localsheets.workspace import dump

    copy: Json = orjson.loads(dump(state))
    return copy


def free_title(spreadsheet: Spreadsheet, title: str) -> str:
    """A title that no tab has: `Copy of X`, `Copy of X 2` and so on."""
    if spreadsheet.sheet_by_title(title) is None:
        return title
    number = 2
    while spreadsheet.sheet_by_title(f"{title} {number}") is not None:
        number += 1
    return f"{title} {number}"


def _sheet_number(text: str) -> int:
    if not text.lstrip("-").isdigit():
        raise errors.bad_fields([("sheet_id", f"Invalid value at 'sheet_id' (TYPE_INT32), \"{text}\"")])
    return int(text)
