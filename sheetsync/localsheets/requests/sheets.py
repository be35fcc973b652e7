"""addSheet, deleteSheet, duplicateSheet, updateSheetProperties, updateSpreadsheetProperties."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, fields, formats, locales, protection, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.grid import sheet_properties
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.metadata import sheet_id_of
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import DEFAULT_COLUMNS, DEFAULT_ROWS, KEYED, Sheet
from sheetsync.localsheets.spreadsheet import MAX_TITLE_CHARS, Spreadsheet

MAX_COLUMNS = 18_278


def check_title(spreadsheet: Spreadsheet, title: str, own: Sheet | None = None) -> None:
    """Refuse a title that is too long, empty, or another tab's.

    Raises:
        ApiError: 400.
    """
    if len(title) > MAX_TITLE_CHARS:
        raise errors.ApiError(f"The sheet name cannot be greater than {MAX_TITLE_CHARS} characters.")
    if not title:
        raise errors.ApiError("The sheet name cannot be empty.")
    there = spreadsheet.sheet_by_title(title)
    if there is not None and there is not own:
        raise errors.ApiError(f'A sheet with the name "{title}" already exists. Please enter another name.')


def new_title(spreadsheet: Spreadsheet) -> str:
    """The next free `Sheet<n>`."""
    number = len(spreadsheet.sheets) + 1
    while spreadsheet.sheet_by_title(f"Sheet{number}") is not None:
        number += 1
    return f"Sheet{number}"


def options_of(properties: Json, old: Json | None = None, mask: fields.Mask | None = None) -> Json:
    """What a tab keeps of SheetProperties besides its own attributes."""
    given = {key: properties[key] for key in ("tabColor", "tabColorStyle", "rightToLeft") if properties.get(key)}
    formats.pair(given, "tabColor")
    grid = {
        key: value
        for key, value in properties.get("gridProperties", {}).items()
        if key not in ("rowCount", "columnCount")
    }
    if grid:
        given["gridProperties"] = grid
    if mask is not None:
        wanted: fields.Mask = {
            key: mask[key] for key in ("tabColor", "tabColorStyle", "rightToLeft", "gridProperties") if key in mask
        }
        if "tabColor" in wanted or "tabColorStyle" in wanted:
            wanted["tabColor"] = wanted["tabColorStyle"] = None
        if wanted.get("gridProperties", ...) is None:  # the whole message: absent settings go back to their defaults
            wanted["gridProperties"] = {"*": None}
        given = fields.merge(old or {}, given, wanted)
    tidied = schema.tidy("SheetProperties", given)
    for name in ("tabColor", "tabColorStyle"):
        if name in tidied and tidied[name] in ({}, {"rgbColor": {}}) and not given.get(name, {}).get("rgbColor"):
            del tidied[name]
    if "tabColor" in tidied and "tabColorStyle" not in tidied:
        del tidied["tabColor"]
    if tidied.get("gridProperties") == {}:
        del tidied["gridProperties"]
    return tidied


def add_tab(journal: Journal, properties: Body) -> Sheet:
    """Add a tab with given properties.

    Raises:
        ApiError: 400, its id or title is taken, or it is too large.
    """
    spreadsheet = journal.spreadsheet
    sheet_id = properties.get("sheetId")
    if sheet_id is None:
        sheet_id = spreadsheet.new_sheet_id()
    elif sheet_id < 0:
        raise errors.ApiError("sheetId cannot be negative.")
    elif any(sheet.sheet_id == sheet_id for sheet in spreadsheet.sheets):
        raise errors.ApiError(f"Sheet with ID {sheet_id} already exists.")
    title = properties.get("title") or new_title(spreadsheet)
    check_title(spreadsheet, title)
    grid = properties.get("gridProperties", {})
    rows, columns = grid.get("rowCount") or DEFAULT_ROWS, grid.get("columnCount") or DEFAULT_COLUMNS
    check_size(rows, columns)
    spreadsheet.check_cell_limit(rows * columns)
    sheet = Sheet(sheet_id, title, rows, columns)
    sheet.sheet_type = properties.get("sheetType") or "GRID"
    sheet.hidden = bool(properties.get("hidden"))
    sheet.options = options_of(properties)
    count = len(spreadsheet.sheets)
    index = properties.get("index", count)
    if not 0 <= index <= count:
        raise errors.ApiError(f"New sheet index {index} is out of range. Must be between 0 and {count}.")
    journal.add_sheet(sheet, index)
    return sheet


def check_size(rows: int, columns: int) -> None:
    """Refuse a grid without rows or columns, or with too many columns.

    Raises:
        ApiError: 400.
    """
    if rows <= 0:
        raise errors.ApiError("gridProperties.rowCount must be greater than 0.")
    if columns <= 0:
        raise errors.ApiError("gridProperties.columnCount must be greater than 0.")
    if columns > MAX_COLUMNS:
        raise errors.ApiError(
            f"This action would increase the number of columns in the sheet above the limit of {MAX_COLUMNS} columns."
        )


def add(edit: Edit, body: Body) -> Reply:
    """Add a tab."""
    sheet = add_tab(edit.journal, body.get("properties", {}))
    return {"addSheet": {"properties": sheet_properties(sheet, edit.spreadsheet.sheets.index(sheet))}}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete a tab with all that refers to it."""
    spreadsheet = edit.spreadsheet
    sheet = spreadsheet.sheet_by_id(body.get("sheetId", 0))
    if not any(not other.hidden for other in spreadsheet.sheets if other is not sheet):
        if len(spreadsheet.sheets) == 1:
            raise errors.ApiError("You can't remove all the sheets in a document.")
        raise errors.ApiError("You can't remove all the visible sheets in a document.")
    protection.check_sheet(spreadsheet, sheet, edit.user)
    for record in list(spreadsheet.metadata.values()):
        if sheet_id_of(record["location"]) == sheet.sheet_id:
            edit.journal.put_item(spreadsheet, "metadata", record["metadataId"], None)
    for key, named in list(spreadsheet.named_ranges.items()):
        if named["range"].get("sheetId", 0) == sheet.sheet_id:
            edit.journal.put_item(spreadsheet, "named_ranges", key, None)
    edit.journal.remove_sheet(sheet)
    return {}


def duplicate(edit: Edit, body: Body) -> Reply:
    """Copy a tab, with its cells and what is attached to it; ids of attached things are new."""
    from sheetsync.localsheets.spreadsheets_api import free_title, schema_copy

    spreadsheet = edit.spreadsheet
    source = spreadsheet.sheet_by_id(body.get("sourceSheetId", 0))
    copy = Sheet.from_json(schema_copy(source.to_json()))
    copy.sheet_id = body.get("newSheetId", spreadsheet.new_sheet_id())
    if any(sheet.sheet_id == copy.sheet_id for sheet in spreadsheet.sheets):
        raise errors.ApiError(f"Sheet with ID {copy.sheet_id} already exists.")
    copy.title = body.get("newSheetName") or free_title(spreadsheet, f"Copy of {source.title}")
    check_title(spreadsheet, copy.title)
    spreadsheet.check_cell_limit(copy.row_count * copy.col_count)
    rebase(copy, source.sheet_id)
    for name in ("protected_ranges", "filter_views", "banded_ranges", "charts", "slicers", "tables"):
        renumber(spreadsheet, copy, name)
    copy.hidden = False
    index = body.get("insertSheetIndex", 0)
    edit.journal.add_sheet(copy, min(index, len(spreadsheet.sheets)))
    return {"duplicateSheet": {"properties": sheet_properties(copy, spreadsheet.sheets.index(copy))}}


ID_NAMES = {
    "protected_ranges": "protectedRangeId",
    "filter_views": "filterViewId",
    "banded_ranges": "bandedRangeId",
    "charts": "chartId",
    "slicers": "slicerId",
    "tables": "tableId",
}


def renumber(spreadsheet: Spreadsheet, sheet: Sheet, name: str) -> None:
    """Give the attached things of a copied tab ids of their own."""
    taken = {key for other in spreadsheet.sheets for key in getattr(other, name)}
    fresh: dict[Any, Json] = {}
    for value in getattr(sheet, name).values():
        number: Any = spreadsheet.new_id(taken)
        number = str(number) if name == "tables" else number
        taken.add(number)
        fresh[number] = {**value, ID_NAMES[name]: number}
    setattr(sheet, name, fresh)


def rebase(sheet: Sheet, old_id: int) -> None:
    """Let what is attached to a copied tab point to the copy."""

    def moved(value: Any) -> Any:
        if isinstance(value, list):
            return [moved(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: moved(item) for key, item in value.items()}
        is_place = any(key in found for key in ("startRowIndex", "startColumnIndex", "startIndex", "rowIndex"))
        if (is_place or "sheetId" in found) and found.get("sheetId", 0) == old_id:
            found["sheetId"] = sheet.sheet_id
        return found

    for name in (*KEYED, "basic_filter", "conditional_formats", "row_groups", "column_groups"):
        setattr(sheet, name, moved(getattr(sheet, name)) if getattr(sheet, name) else getattr(sheet, name))


def update_properties(edit: Edit, body: Body) -> Reply:
    """Change a tab's title, size, place, colour …."""
    properties = body.get("properties", {})
    mask = fields.update_mask(body.get("fields"), "SheetProperties")
    sheet = edit.spreadsheet.sheet_by_id(properties.get("sheetId", 0))
    if "title" in mask:
        _rename(edit, sheet, properties.get("title", ""))
    if "hidden" in mask:
        _hide(edit, sheet, hidden=bool(properties.get("hidden")))
    if "gridProperties" in mask:
        _resize(edit, sheet, properties.get("gridProperties", {}), mask["gridProperties"])
    edit.journal.assign(sheet, "options", options_of(properties, sheet.options, mask))
    if "index" in mask:
        _move(edit, sheet, properties.get("index", 0))
    return {}


def _rename(edit: Edit, sheet: Sheet, title: str) -> None:
    check_title(edit.spreadsheet, title, sheet)
    if edit.spreadsheet.has_formulas:
        from sheetsync.localsheets.formulas.rewrite import rename_in_formulas

        rename_in_formulas(edit.journal, sheet.title, title)
    edit.journal.assign(sheet, "title", title)


def _hide(edit: Edit, sheet: Sheet, *, hidden: bool) -> None:
    if hidden and not any(not other.hidden for other in edit.spreadsheet.sheets if other is not sheet):
        raise errors.ApiError("You can't hide all the sheets in a document.")
    edit.journal.assign(sheet, "hidden", hidden)


def _resize(edit: Edit, sheet: Sheet, grid: Json, mask: fields.Mask | None) -> None:
    whole = mask is None or "*" in mask

    def wants(name: str) -> bool:
        return name in grid if whole else name in (mask or ())

    rows = grid.get("rowCount", 0) if wants("rowCount") else sheet.row_count
    columns = grid.get("columnCount", 0) if wants("columnCount") else sheet.col_count
    check_size(rows, columns)
    frozen = {**sheet.options.get("gridProperties", {}), **{k: v for k, v in grid.items() if wants(k)}}
    for name, count, what in (("frozenRowCount", rows, "rows"), ("frozenColumnCount", columns, "columns")):
        if frozen.get(name, 0) >= count and frozen.get(name, 0):
            raise errors.ApiError(f"You can't freeze all visible {what} on the sheet.")
    edit.spreadsheet.check_cell_limit(max(rows, 0) * columns - sheet.row_count * sheet.col_count)
    from sheetsync.localsheets.requests.dimensions import resize

    resize(edit, sheet, rows, columns)


def _move(edit: Edit, sheet: Sheet, index: int) -> None:
    order = [other.sheet_id for other in edit.spreadsheet.sheets]
    if not 0 <= index <= len(order):
        raise errors.ApiError(f"New sheet index {index} is out of range. Must be between 0 and {len(order)}.")
    at = order.index(sheet.sheet_id)
    del order[at]
    order.insert(index - 1 if index > at else index, sheet.sheet_id)  # counted as before the move
    edit.journal.order_sheets(order)


def update_spreadsheet_properties(edit: Edit, body: Body) -> Reply:
    """Change the spreadsheet's title, locale, time zone, recalculation."""
    mask = fields.update_mask(body.get("fields"), "SpreadsheetProperties")
    given = required(body, "properties")
    if "locale" in mask and not locales.is_known(given.get("locale", "")):
        raise errors.ApiError(f"Unsupported locale: {given.get('locale', '')}")
    if "timeZone" in mask and not is_time_zone(given.get("timeZone", "")):
        raise errors.ApiError(f"Invalid time zone: {given.get('timeZone', '')}")
    if "title" in mask and not given.get("title"):
        raise errors.ApiError("The spreadsheet title cannot be empty.")
    if "defaultFormat" in mask:
        raise errors.ApiError("defaultFormat is read-only.")
    edit.journal.assign(edit.spreadsheet, "properties", fields.merge(edit.spreadsheet.properties, given, mask))
    return {}


def is_time_zone(name: str) -> bool:
    """Whether a time zone is known."""
    import zoneinfo

    try:
        zoneinfo.ZoneInfo(name)
    except (zoneinfo.ZoneInfoNotFoundError, ValueError, OSError):
        return name.startswith("GMT")
    return True
