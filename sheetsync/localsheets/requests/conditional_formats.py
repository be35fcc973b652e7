"""addConditionalFormatRule, updateConditionalFormatRule, deleteConditionalFormatRule: rules are named by index."""

from __future__ import annotations

from sheetsync.localsheets import errors, formats, ranges, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Sheet


def _checked(edit: Edit, rule: Body) -> Json:
    if not rule.get("ranges"):
        raise errors.ApiError("A conditional format rule must have at least one range.")
    if "booleanRule" not in rule and "gradientRule" not in rule:
        raise errors.ApiError("A conditional format rule must have a booleanRule or a gradientRule.")
    places = [schema.tidy("GridRange", one) for one in rule["ranges"] if edit.area(one)]
    if len({place.get("sheetId", 0) for place in places}) > 1:
        raise errors.ApiError("All ranges of a conditional format rule must be on the same sheet.")
    kept = schema.tidy("ConditionalFormatRule", rule) | {"ranges": places}
    if "booleanRule" in kept and "format" in rule["booleanRule"]:
        kept["booleanRule"]["format"] = formats.merged(None, rule["booleanRule"]["format"], None)
    for point in kept.get("gradientRule", {}).values():
        formats.pair(point, "color")
    return kept


def _closed(edit: Edit, kept: Json) -> tuple[Sheet, Json]:
    sheet = edit.spreadsheet.grid(kept["ranges"][0].get("sheetId", 0))
    return sheet, kept | {"ranges": [ranges.closed(edit.spreadsheet, place) for place in kept["ranges"]]}


def add(edit: Edit, body: Body) -> Reply:
    """Add a rule at an index (the end, if none is given would be 0: Google puts it first)."""
    sheet, rule = _closed(edit, _checked(edit, body.get("rule", {})))
    index = body.get("index", 0)
    rules = sheet.conditional_formats
    if not 0 <= index <= len(rules):
        raise errors.ApiError(f"index {index} is out of range. Must be between 0 and {len(rules)}.")
    edit.journal.assign(sheet, "conditional_formats", [*rules[:index], rule, *rules[index:]])
    return {}


def _at(edit: Edit, body: Body) -> tuple[Sheet, int]:
    sheet = edit.spreadsheet.grid(body.get("sheetId", 0))
    index = body.get("index", 0)
    if not 0 <= index < len(sheet.conditional_formats):
        raise errors.ApiError(f"No conditional format on sheet: {sheet.sheet_id} at index: {index}")
    return sheet, index


def update(edit: Edit, body: Body) -> Reply:
    """Replace a rule, or move it to another index."""
    if "rule" in body and "sheetId" not in body:
        place = (body["rule"].get("ranges") or [{}])[0]
        body = {**body, "sheetId": place.get("sheetId", 0)}
    sheet, index = _at(edit, body)
    rules = list(sheet.conditional_formats)
    old = rules[index]
    if "newIndex" in body:
        to = body["newIndex"]
        if not 0 <= to < len(rules):
            raise errors.ApiError(f"newIndex {to} is out of range. Must be between 0 and {len(rules) - 1}.")
        rules.insert(to, rules.pop(index))
        edit.journal.assign(sheet, "conditional_formats", rules)
        return {"updateConditionalFormatRule": {"oldIndex": index, "newIndex": to, "newRule": old}}
    _, rule = _closed(edit, _checked(edit, body.get("rule", {})))
    rules[index] = rule
    edit.journal.assign(sheet, "conditional_formats", rules)
    return {"updateConditionalFormatRule": {"newRule": rule, "newIndex": index, "oldRule": old}}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete the rule at an index."""
    sheet, index = _at(edit, body)
    old = sheet.conditional_formats[index]
    edit.journal.assign(
        sheet, "conditional_formats", [r for i, r in enumerate(sheet.conditional_formats) if i != index]
    )
    return {"deleteConditionalFormatRule": {"rule": old}}
