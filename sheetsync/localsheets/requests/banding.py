"""addBanding, updateBanding, deleteBanding: alternating colours."""

from __future__ import annotations

from sheetsync.localsheets import errors, fields, formats, ranges, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Sheet

COLOURS = ("headerColor", "firstBandColor", "secondBandColor", "footerColor")


def _kept(edit: Edit, given: Json, key: int) -> tuple[Sheet, Json]:
    area = edit.area(given.get("range"))
    if not given.get("rowProperties") and not given.get("columnProperties"):
        raise errors.ApiError("At least one of rowProperties or columnProperties must be specified.")
    for other in area.sheet.banded_ranges.values():
        if other["bandedRangeId"] != key and ranges.box_of(area.sheet, other["range"]).meets(area.box):
            raise errors.ApiError(
                "You cannot add alternating background colors to a range that already has alternating background"
                " colors."
            )
    kept = {**given, "bandedRangeId": key, "range": ranges.json_of(*area)}
    for name in ("rowProperties", "columnProperties"):
        if name in kept:
            kept[name] = dict(kept[name])
            for colour in COLOURS:
                formats.pair(kept[name], colour)
    return area.sheet, schema.tidy("BandedRange", kept) | {"bandedRangeReference": str(key)}


def _found(edit: Edit, key: int) -> tuple[Sheet, Json]:
    for sheet in edit.spreadsheet.sheets:
        if key in sheet.banded_ranges:
            return sheet, sheet.banded_ranges[key]
    raise errors.ApiError(f"No banding with id: {key}")


def add(edit: Edit, body: Body) -> Reply:
    """Add alternating colours; the caller may choose the id."""
    given = body.get("bandedRange", {})
    taken = {key for sheet in edit.spreadsheet.sheets for key in sheet.banded_ranges}
    key = given.get("bandedRangeId") or edit.spreadsheet.new_id(taken)
    if key in taken:
        raise errors.ApiError(f"A banded range with ID {key} already exists.")
    sheet, kept = _kept(edit, given, key)
    edit.journal.put_item(sheet, "banded_ranges", key, kept)
    return {"addBanding": {"bandedRange": kept}}


def update(edit: Edit, body: Body) -> Reply:
    """Change alternating colours."""
    given = body.get("bandedRange", {})
    mask = fields.update_mask(body.get("fields"), "BandedRange")
    sheet, old = _found(edit, given.get("bandedRangeId", 0))
    target, kept = _kept(edit, fields.merge(old, given, mask), old["bandedRangeId"])
    if target is not sheet:
        edit.journal.put_item(sheet, "banded_ranges", old["bandedRangeId"], None)
    edit.journal.put_item(target, "banded_ranges", old["bandedRangeId"], kept)
    return {}


def delete(edit: Edit, body: Body) -> Reply:
    """Take alternating colours away."""
    sheet, old = _found(edit, body.get("bandedRangeId", 0))
    edit.journal.put_item(sheet, "banded_ranges", old["bandedRangeId"], None)
    return {}
