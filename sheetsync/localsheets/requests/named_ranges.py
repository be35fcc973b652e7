"""addNamedRange, updateNamedRange, deleteNamedRange."""

from __future__ import annotations

import re

from sheetsync.localsheets import a1, errors, fields, ranges
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.spreadsheet import Spreadsheet

_NAME = re.compile(r"[^\W\d]\w{0,249}", re.UNICODE)


def check_name(spreadsheet: Spreadsheet, name: str, own: str = "") -> None:
    """Refuse a name that is no name, reads as a cell, or is taken.

    Raises:
        ApiError: 400.
    """
    reads_as_cell = a1.parse_cells(name) or a1.parse_r1c1(name) or name.upper() in ("TRUE", "FALSE")
    if not _NAME.fullmatch(name) or reads_as_cell:
        raise errors.ApiError(f'Invalid named range name: "{name}"')
    for key, named in spreadsheet.named_ranges.items():
        if named["name"].casefold() == name.casefold() and key != own:
            raise errors.ApiError(
                f"Cannot add named range with name: {name}, a named range with that name already exists."
            )


def add(edit: Edit, body: Body) -> Reply:
    """Add a named range; the caller may choose its id."""
    given = body.get("namedRange", {})
    spreadsheet = edit.spreadsheet
    key = given.get("namedRangeId") or str(spreadsheet.new_id(spreadsheet.named_ranges))
    if key in spreadsheet.named_ranges:
        raise errors.ApiError(f"Cannot add named range with ID: {key}, a named range with that ID already exists.")
    check_name(spreadsheet, given.get("name", ""))
    area = edit.area(given.get("range"))
    named = {"namedRangeId": key, "name": given["name"], "range": ranges.json_of(*area)}
    edit.journal.put_item(spreadsheet, "named_ranges", key, named)
    return {"addNamedRange": {"namedRange": named}}


def _found(spreadsheet: Spreadsheet, key: str) -> Body:
    if key not in spreadsheet.named_ranges:
        raise errors.ApiError(f"No named range with id: {key}")
    return spreadsheet.named_ranges[key]


def update(edit: Edit, body: Body) -> Reply:
    """Change the name or the range."""
    given = body.get("namedRange", {})
    mask = fields.update_mask(body.get("fields"), "NamedRange")
    named = dict(_found(edit.spreadsheet, given.get("namedRangeId", "")))
    if "name" in mask:
        check_name(edit.spreadsheet, given.get("name", ""), named["namedRangeId"])
        named["name"] = given["name"]
    if "range" in mask:
        named["range"] = ranges.json_of(*edit.area(given.get("range")))
    edit.journal.put_item(edit.spreadsheet, "named_ranges", named["namedRangeId"], named)
    return {}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete a named range."""
    named = _found(edit.spreadsheet, body.get("namedRangeId", ""))
    edit.journal.put_item(edit.spreadsheet, "named_ranges", named["namedRangeId"], None)
    return {}
