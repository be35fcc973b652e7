"""createDeveloperMetadata, updateDeveloperMetadata, deleteDeveloperMetadata.  Lookups are in `metadata.py`."""

from __future__ import annotations

from sheetsync.localsheets import errors, fields, metadata
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required


def create(edit: Edit, body: Body) -> Reply:
    """Attach metadata; the caller may choose its id, which must be free."""
    given = body.get("developerMetadata", {})
    spreadsheet = edit.spreadsheet
    key = given.get("metadataId") or spreadsheet.new_id(spreadsheet.metadata)
    if key in spreadsheet.metadata:
        raise errors.ApiError(
            f"Cannot add developer metadata with ID [{key}] because developer metadata with that ID already exists."
        )
    if not given.get("metadataKey"):
        raise errors.ApiError("Developer metadata key must be specified.")
    record: Json = {"metadataId": key, "metadataKey": given["metadataKey"]}
    if given.get("metadataValue"):
        record["metadataValue"] = given["metadataValue"]
    record["location"] = metadata.normal_location(spreadsheet, given.get("location"))
    record["visibility"] = _visibility(given)
    edit.journal.put_item(spreadsheet, "metadata", key, record)
    return {"createDeveloperMetadata": {"developerMetadata": record}}


def _visibility(given: Body) -> str:
    found = given.get("visibility", "")
    if not found or found.endswith("UNSPECIFIED"):
        raise errors.ApiError("Developer metadata visibility must be specified.")
    return str(found)


def _selected(edit: Edit, data_filter: Body) -> list[Json]:
    from sheetsync.localsheets.metadata_api import records_of

    return records_of(edit.spreadsheet, data_filter)


def update(edit: Edit, body: Body) -> Reply:
    """Change all metadata that the filters select."""
    mask = fields.update_mask(body.get("fields"), "DeveloperMetadata")
    given = body.get("developerMetadata", {})
    filters = body.get("dataFilters", [])
    if not filters:
        raise errors.ApiError("Must specify at least one dataFilter.")
    if "metadataId" in mask:
        raise errors.ApiError("metadataId cannot be updated.")
    changed: dict[int, Json] = {}
    for one in filters:
        for record in _selected(edit, one):
            new = fields.merge(record, given, dict.fromkeys(mask))
            if "location" in mask:
                new["location"] = metadata.normal_location(edit.spreadsheet, given.get("location"))
            if "visibility" in mask:
                new["visibility"] = _visibility(given)
            if not new.get("metadataKey"):
                raise errors.ApiError("Developer metadata key must be specified.")
            changed[record["metadataId"]] = new
    for key, record in changed.items():
        edit.journal.put_item(edit.spreadsheet, "metadata", key, record)
    return {"updateDeveloperMetadata": {"developerMetadata": list(changed.values())} if changed else {}}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete all metadata that the filter selects; the reply lists it."""
    found = _selected(edit, required(body, "dataFilter"))
    for record in found:
        edit.journal.put_item(edit.spreadsheet, "metadata", record["metadataId"], None)
    return {"deleteDeveloperMetadata": {"deletedDeveloperMetadata": found} if found else {}}
