"""The calls of `spreadsheets.developerMetadata`.  What metadata is, and how it is looked up, is in `metadata.py`."""

from __future__ import annotations

from sheetsync.localsheets import errors, metadata
from sheetsync.localsheets.call import Call
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.spreadsheet import Spreadsheet


def get(call: Call, text: str) -> Json:
    """`developerMetadata.get`."""
    found = call.spreadsheet.metadata.get(int(text)) if text.lstrip("-").isdigit() else None
    if found is None:
        raise errors.ApiError(f"No developer metadata with ID {text}.", http_status=404)
    return found


def search(call: Call) -> Json:
    """`developerMetadata.search`."""
    body = call.body("SearchDeveloperMetadataRequest")
    filters = body.get("dataFilters", [])
    if not filters:
        raise errors.ApiError("Must specify at least one dataFilter.")
    found: dict[int, tuple[Json, list[Json]]] = {}
    for index, one in enumerate(filters):
        try:
            records = records_of(call.spreadsheet, one)
        except errors.ApiError as refusal:
            raise refusal.prefixed(f"Invalid dataFilter[{index}]: ") from None
        for record in records:
            found.setdefault(record["metadataId"], (record, []))[1].append(one)
    if not found:
        return {}
    return {
        "matchedDeveloperMetadata": [
            {"developerMetadata": record, "dataFilters": hits} for record, hits in found.values()
        ]
    }


def records_of(spreadsheet: Spreadsheet, data_filter: Json) -> list[Json]:
    """The records that a filter selects: by lookup, or by where they are."""
    if lookup := data_filter.get("developerMetadataLookup"):
        return metadata.find(spreadsheet, lookup)
    areas = metadata.filter_areas(spreadsheet, data_filter)
    found = []
    for record in spreadsheet.metadata.values():
        place = metadata.area_of(spreadsheet, record)
        if place and any(area.sheet is place.sheet and area.box.meets(place.box) for area in areas):
            found.append(record)
    return found
