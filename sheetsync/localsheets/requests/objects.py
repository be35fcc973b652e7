"""Charts and slicers: their specs are kept and given back; nothing is drawn."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import errors, fields, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Sheet

KINDS = {"charts": ("EmbeddedChart", "chartId"), "slicers": ("Slicer", "slicerId")}
SIZES = {"charts": (600, 371), "slicers": (200, 60)}  # pixels of one that names no size


def _ids(edit: Edit) -> set[int]:
    return {key for sheet in edit.spreadsheet.sheets for name in KINDS for key in getattr(sheet, name)}


def _found(edit: Edit, key: int, names: tuple[str, ...] = ("charts", "slicers")) -> tuple[Sheet, str, Json]:
    for sheet in edit.spreadsheet.sheets:
        for name in names:
            if key in getattr(sheet, name):
                return sheet, name, getattr(sheet, name)[key]
    raise errors.ApiError(f"No embedded object with id: {key}")


def _placed(edit: Edit, name: str, position: Json) -> tuple[Sheet, Json]:
    """The tab that an object lies on, and its position with sizes filled in.

    Raises:
        ApiError: 400, the position names no tab or lies off the grid.
    """
    if position.get("newSheet"):
        from sheetsync.localsheets.requests.sheets import add_tab

        number = 1
        while edit.spreadsheet.sheet_by_title(f"Chart{number}") is not None:
            number += 1
        sheet = add_tab(edit.journal, {"title": f"Chart{number}", "sheetType": "OBJECT"})
        return sheet, {"sheetId": sheet.sheet_id}
    overlay = dict(position.get("overlayPosition", {}))
    if not overlay and "sheetId" in position:
        return edit.spreadsheet.sheet_by_id(position["sheetId"]), {"sheetId": position["sheetId"]}
    anchor: dict[str, Any] = overlay.get("anchorCell", {})
    sheet, _, _ = edit.start(anchor)
    width, height = SIZES[name]
    overlay.setdefault("widthPixels", width)
    overlay.setdefault("heightPixels", height)
    return sheet, {"overlayPosition": schema.tidy("OverlayPosition", overlay)}


def _add(edit: Edit, name: str, given: Json) -> Json:
    message, id_name = KINDS[name]
    key = given.get(id_name) or edit.spreadsheet.new_id(_ids(edit))
    if key in _ids(edit):
        raise errors.ApiError(f"An embedded object with ID {key} already exists.")
    if "spec" not in given:
        raise errors.ApiError("A spec is required.")
    sheet, position = _placed(edit, name, given.get("position", {}))
    kept = schema.tidy(message, {**given, id_name: key}) | {"position": position}
    edit.journal.put_item(sheet, name, key, kept)
    return kept


def add_chart(edit: Edit, body: Body) -> Reply:
    """Add a chart."""
    return {"addChart": {"chart": _add(edit, "charts", body.get("chart", {}))}}


def add_slicer(edit: Edit, body: Body) -> Reply:
    """Add a slicer."""
    return {"addSlicer": {"slicer": _add(edit, "slicers", body.get("slicer", {}))}}


def update_chart_spec(edit: Edit, body: Body) -> Reply:
    """Replace a chart's spec."""
    sheet, name, old = _found(edit, body.get("chartId", 0), ("charts",))
    new = {**old, "spec": schema.tidy("ChartSpec", body.get("spec", {}))}
    edit.journal.put_item(sheet, name, old["chartId"], new)
    return {}


def update_slicer_spec(edit: Edit, body: Body) -> Reply:
    """Change a slicer's spec by its mask."""
    mask = fields.update_mask(body.get("fields"), "SlicerSpec")
    sheet, name, old = _found(edit, body.get("slicerId", 0), ("slicers",))
    spec = schema.tidy("SlicerSpec", fields.merge(old.get("spec", {}), body.get("spec", {}), mask))
    edit.journal.put_item(sheet, name, old["slicerId"], {**old, "spec": spec})
    return {}


def update_position(edit: Edit, body: Body) -> Reply:
    """Move or size an object."""
    key = body.get("objectId", 0)
    sheet, name, old = _found(edit, key)
    given = body.get("newPosition", {})
    if not given.get("newSheet") and body.get("fields") not in (None, "", "*"):
        mask = fields.update_mask(body.get("fields"), "OverlayPosition")
        overlay = fields.merge(old["position"].get("overlayPosition", {}), given.get("overlayPosition", {}), mask)
        given = {"overlayPosition": overlay}
    target, position = _placed(edit, name, given)
    edit.journal.put_item(sheet, name, key, None)
    edit.journal.put_item(target, name, key, {**old, "position": position})
    return {"updateEmbeddedObjectPosition": {"position": position}}


def update_border(edit: Edit, body: Body) -> Reply:
    """Change a chart's border."""
    mask = fields.update_mask(body.get("fields"), "EmbeddedObjectBorder")
    sheet, name, old = _found(edit, body.get("objectId", 0), ("charts",))
    border = schema.tidy("EmbeddedObjectBorder", fields.merge(old.get("border", {}), body.get("border", {}), mask))
    edit.journal.put_item(sheet, name, old["chartId"], {**old, "border": border})
    return {}


def delete(edit: Edit, body: Body) -> Reply:
    """Delete a chart or slicer."""
    key = body.get("objectId", 0)
    sheet, name, _ = _found(edit, key)
    edit.journal.put_item(sheet, name, key, None)
    return {}
