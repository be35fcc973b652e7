"""addProtectedRange, updateProtectedRange, deleteProtectedRange.  Whom they stop is in `protection.py`."""

from __future__ import annotations

from sheetsync.localsheets import errors, fields, protection, ranges, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Sheet

PLACES = ("range", "namedRangeId", "tableId")


def _place(edit: Edit, given: Body) -> tuple[Sheet, Json]:
    """The tab of a protected range, and where it lies as it is kept."""
    spreadsheet = edit.spreadsheet
    if key := given.get("namedRangeId"):
        if key not in spreadsheet.named_ranges:
            raise errors.ApiError(f"No named range with id: {key}")
        place = spreadsheet.named_ranges[key]["range"]
        return spreadsheet.grid(place.get("sheetId", 0)), {"range": place, "namedRangeId": key}
    if key := given.get("tableId"):
        for sheet in spreadsheet.sheets:
            if key in sheet.tables:
                return sheet, {"range": sheet.tables[key]["range"], "tableId": key}
        raise errors.ApiError(f"No table with id: {key}")
    if "range" not in given:
        raise errors.ApiError("A protected range must specify a range.")
    place = given["range"]
    area = edit.area(place)
    return area.sheet, {"range": schema.tidy("GridRange", place)}


def _is_whole_sheet(place: Json) -> bool:
    return not any(name.endswith("Index") for name in place["range"])


def _checked(edit: Edit, sheet: Sheet, protected: Json) -> Json:
    """A protected range as it is kept."""
    if protected.get("warningOnly") and any(protected.get("editors", {}).get(k) for k in ("users", "groups")):
        raise errors.ApiError("ProtectedRange is warningOnly. Editors cannot be set on it.")
    holes = protected.get("unprotectedRanges", [])
    if holes and not _is_whole_sheet(protected):
        raise errors.ApiError("unprotectedRanges can only be set on a protected sheet.")
    if _is_whole_sheet(protected):
        for key, other in sheet.protected_ranges.items():
            if key != protected["protectedRangeId"] and _is_whole_sheet(other):
                raise errors.ApiError(f'Sheet "{sheet.title}" already has sheet protection.')
    for hole in holes:
        ranges.requested(edit.spreadsheet, hole)
    kept = {key: value for key, value in protected.items() if key != "requestingUserCanEdit"}
    return schema.tidy("ProtectedRange", kept)


def _with_creator(edit: Edit, protected: Json) -> Json:
    editors = dict(protected.get("editors", {}))
    users = list(editors.get("users", ()))
    if edit.user not in users:
        users.append(edit.user)
    return {**protected, "editors": {**editors, "users": users}}


def add(edit: Edit, body: Body) -> Reply:
    """Protect a range or a tab; who does it is among the editors."""
    given = body.get("protectedRange", {})
    sheet, place = _place(edit, given)
    taken = {key for other in edit.spreadsheet.sheets for key in other.protected_ranges}
    key = given.get("protectedRangeId") or edit.spreadsheet.new_id(taken)
    if key in taken:
        raise errors.ApiError(
            f"Cannot add protected range with ID: {key}, a protected range with that ID already exists."
        )
    wanted = {k: v for k, v in given.items() if k not in PLACES} | place | {"protectedRangeId": key}
    protected = _checked(edit, sheet, wanted)
    edit.journal.put_item(sheet, "protected_ranges", key, _with_creator(edit, protected))
    asked = schema.tidy("Editors", given.get("editors") or {})
    return {"addProtectedRange": {"protectedRange": {**protected, "requestingUserCanEdit": True, "editors": asked}}}


def _found(edit: Edit, key: int) -> tuple[Sheet, Json]:
    for sheet in edit.spreadsheet.sheets:
        if key in sheet.protected_ranges:
            protected = sheet.protected_ranges[key]
            protection.check_protection(edit.spreadsheet, protected, edit.user)
            return sheet, protected
    raise errors.ApiError(f"No protected range with id: {key}")


def update(edit: Edit, body: Body) -> Reply:
    """Change a protected range by its mask."""
    given = body.get("protectedRange", {})
    mask = fields.update_mask(body.get("fields"), "ProtectedRange")
    sheet, old = _found(edit, given.get("protectedRangeId", 0))
    mask = {key: below for key, below in mask.items() if key not in ("protectedRangeId", "requestingUserCanEdit")}
    wanted = fields.merge(old, given, mask)
    if wanted.get("warningOnly") and "editors" not in mask:
        wanted.pop("editors", None)
    target, place = _place(edit, {k: wanted[k] for k in PLACES if k in wanted and (k in mask or k == "range")})
    kept = _checked(edit, target, wanted | place)
    if "warningOnly" in mask and not kept.get("warningOnly") and old.get("warningOnly") and "editors" not in mask:
        kept.pop("editors", None)  # all editors of the document may edit it then
    elif not kept.get("warningOnly") or "editors" in old:
        kept = _with_creator(edit, kept)
    if target is not sheet:
        edit.journal.put_item(sheet, "protected_ranges", old["protectedRangeId"], None)
    edit.journal.put_item(target, "protected_ranges", old["protectedRangeId"], kept)
    return {}


def delete(edit: Edit, body: Body) -> Reply:
    """Lift a protection."""
    key = body.get("protectedRangeId", 0)
    sheet, _ = _found(edit, key)
    edit.journal.put_item(sheet, "protected_ranges", key, None)
    return {}
