"""Developer metadata: what is attached where, how it is looked up, and how it moves with its rows and columns.

A record is kept as Google writes it (`metadataId`, `metadataKey`, `metadataValue`, `location`, `visibility`).
Creating, changing and deleting are requests (`requests/metadata.py`); looking up over HTTP is in `metadata_api.py`.
"""

from __future__ import annotations

from typing import Any, Final

from sheetsync.localsheets import errors, ranges
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.sheet import Dimension, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet

MAX_CHARS: Final = 30_000  # of keys and values together, for the spreadsheet and for each tab


def of_spreadsheet(spreadsheet: Spreadsheet) -> list[Json]:
    """What is attached to the spreadsheet itself."""
    return [one for one in spreadsheet.metadata.values() if one["location"]["locationType"] == "SPREADSHEET"]


def of_sheet(spreadsheet: Spreadsheet, sheet: Sheet) -> list[Json]:
    """What is attached to a tab as a whole."""
    return [
        one
        for one in spreadsheet.metadata.values()
        if one["location"]["locationType"] == "SHEET" and one["location"].get("sheetId", 0) == sheet.sheet_id
    ]


def by_index(spreadsheet: Spreadsheet, sheet: Sheet, dimension: Dimension) -> dict[int, list[Json]]:
    """What is attached to the rows or columns of a tab, by index."""
    found: dict[int, list[Json]] = {}
    for one in spreadsheet.metadata.values():
        span = one["location"].get("dimensionRange")
        if span and span["dimension"] == dimension and span.get("sheetId", 0) == sheet.sheet_id:
            found.setdefault(span["startIndex"], []).append(one)
    return found


def sheet_id_of(location: Json) -> int | None:
    """The tab that a location belongs to; None for the spreadsheet."""
    if location["locationType"] == "SPREADSHEET":
        return None
    if span := location.get("dimensionRange"):
        return int(span.get("sheetId", 0))
    return int(location.get("sheetId", 0))


def normal_location(spreadsheet: Spreadsheet, location: Json | None) -> Json:
    """A requested location as it is kept, with its type.

    Raises:
        ApiError: 400, it is missing, names no tab, or is not a single row or column.
    """
    location = location or {}
    if span := location.get("dimensionRange"):
        sheet = spreadsheet.sheet_by_id(span.get("sheetId", 0))
        dimension, start, end = ranges.dimension_span(sheet, span)
        if end - start != 1 or end > sheet.count(dimension):
            raise errors.ApiError("Developer metadata can only be placed on a single row or column within the grid.")
        kind = "ROW" if dimension == "ROWS" else "COLUMN"
        return {"locationType": kind, "dimensionRange": dimension_json(sheet, dimension, start, end)}
    if location.get("spreadsheet"):
        return {"locationType": "SPREADSHEET", "spreadsheet": True}
    if "sheetId" in location:
        sheet = spreadsheet.sheet_by_id(location["sheetId"])
        found: Json = {"locationType": "SHEET"}
        return found | {"sheetId": sheet.sheet_id}
    raise errors.ApiError("Developer metadata location must be specified.")


def dimension_json(sheet: Sheet, dimension: Dimension, start: int, end: int) -> Json:
    """A DimensionRange as Google writes it."""
    found: Json = {"sheetId": sheet.sheet_id} if sheet.sheet_id else {}
    return found | {"dimension": dimension, "startIndex": start, "endIndex": end}


def check_limits(spreadsheet: Spreadsheet) -> None:
    """Refuse metadata above the limit of 30,000 characters, for the spreadsheet and for each tab.

    Raises:
        ApiError: 400.
    """
    used: dict[int | None, int] = {}
    for one in spreadsheet.metadata.values():
        owner = sheet_id_of(one["location"])
        used[owner] = used.get(owner, 0) + size_of(one)
    for owner, size in used.items():
        if size > MAX_CHARS:
            what = "spreadsheet" if owner is None else "sheet"
            raise errors.ApiError(
                f"Developer metadata size exceeds the limit of {MAX_CHARS} characters for this {what}."
            )


def size_of(record: Json) -> int:
    """The characters that count towards the limit."""
    return len(record.get("metadataKey", "")) + len(record.get("metadataValue", ""))


# Looking up.


def find(spreadsheet: Spreadsheet, lookup: Json) -> list[Json]:
    """The records that a DeveloperMetadataLookup selects."""
    return [one for one in spreadsheet.metadata.values() if matches(spreadsheet, lookup, one)]


def matches(spreadsheet: Spreadsheet, lookup: Json, record: Json) -> bool:
    """Whether a lookup selects a record."""
    if "metadataId" in lookup and lookup["metadataId"] != record["metadataId"]:
        return False
    for name in ("metadataKey", "metadataValue", "visibility"):
        if name in lookup and lookup[name] != record.get(name):
            return False
    kind = lookup.get("locationType")
    if kind and not kind.endswith("UNSPECIFIED") and kind != record["location"]["locationType"]:
        return False
    if "metadataLocation" in lookup:
        wanted = normal_location(spreadsheet, lookup["metadataLocation"])
        strategy = lookup.get("locationMatchingStrategy", "")
        if strategy == "INTERSECTING_LOCATION" or (
            not strategy.startswith("EXACT") and wanted["locationType"] not in ("ROW", "COLUMN")
        ):
            return _intersects(wanted, record["location"])
        return bool(wanted == record["location"])
    return True


def _intersects(wanted: Json, location: Json) -> bool:
    if wanted["locationType"] == "SPREADSHEET" or location["locationType"] == "SPREADSHEET":
        return True
    if sheet_id_of(wanted) != sheet_id_of(location):
        return False
    if "SHEET" in (wanted["locationType"], location["locationType"]):
        return True
    return wanted["locationType"] != location["locationType"] or wanted == location


def area_of(spreadsheet: Spreadsheet, record: Json) -> Area | None:
    """The cells that a record is attached to; None for one on the spreadsheet."""
    sheet_id = sheet_id_of(record["location"])
    if sheet_id is None:
        return None
    sheet = spreadsheet.sheet_by_id(sheet_id)
    span = record["location"].get("dimensionRange")
    if not span:
        return Area(sheet, sheet.whole)
    start, end = span["startIndex"], span["endIndex"]
    if span["dimension"] == "ROWS":
        return Area(sheet, sheet.whole._replace(row=start, row_end=end))
    return Area(sheet, sheet.whole._replace(col=start, col_end=end))


def filter_areas(spreadsheet: Spreadsheet, data_filter: Json) -> list[Area]:
    """The areas that a DataFilter selects; a lookup that finds nothing selects nothing.

    Raises:
        ApiError: 400, the filter is empty or names no tab.
    """
    if "a1Range" in data_filter:
        return [ranges.resolve(spreadsheet, data_filter["a1Range"])]
    if "gridRange" in data_filter:
        grid_range: dict[str, Any] = data_filter["gridRange"]
        sheet = spreadsheet.sheet_by_id(grid_range.get("sheetId", 0))
        ranges.check_order(grid_range)
        return [Area(sheet, ranges.box_of(sheet, grid_range))]
    if "developerMetadataLookup" in data_filter:
        areas = [area_of(spreadsheet, one) for one in find(spreadsheet, data_filter["developerMetadataLookup"])]
        return [area for area in areas if area is not None]
    raise errors.ApiError("Must specify one of developerMetadataLookup, a1Range or gridRange.")
