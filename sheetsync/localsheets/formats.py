"""Cell formats: putting one over another by a field mask, and keeping the two ways to write a colour in step.

Google keeps each colour twice (`backgroundColor` and `backgroundColorStyle`); writing one sets the other.
"""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import fields, schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.fields import Mask

# Where colours occur: the path of the object, and the plain field beside its style.
_COLOURS = (
    ((), "backgroundColor"),
    (("textFormat",), "foregroundColor"),
    *((("borders", side), "color") for side in ("top", "bottom", "left", "right")),
)


def merged(old: Json | None, new: Json | None, mask: Mask | None) -> Json:
    """A format after the masked part of another was put over it; tidied."""
    source = _paired(dict(new)) if new else {}
    if mask is None or "*" in mask:
        return schema.tidy("CellFormat", source)
    return _prune(schema.tidy("CellFormat", fields.merge(old or {}, source, _paired_mask(mask))))


def _prune(form: Json) -> Json:
    return {key: value for key, value in form.items() if value != {} or key in ("backgroundColor", "textFormat")}


def _paired_mask(mask: Mask) -> Mask:
    """A mask in which each colour brings its twin along."""
    result: Mask = {}
    for key, below in mask.items():
        inner = below
        if key in ("textFormat", "borders", "top", "bottom", "left", "right") and below is not None:
            inner = _paired_mask(below)
        result[key] = inner
        for plain in ("backgroundColor", "foregroundColor", "color"):
            if key in (plain, plain + "Style"):
                result[plain] = result[plain + "Style"] = None
    return result


def _paired(form: Json) -> Json:
    for path, plain in _COLOURS:
        if path and path[0] not in form:
            continue
        holder: Any = form
        for step in path:
            if step not in holder:
                holder = None
                break
            holder[step] = dict(holder[step])
            holder = holder[step]
        if holder is not None:
            pair(holder, plain)
    return form


def pair(holder: Json, plain: str) -> None:
    """Set a colour from its style, or the style from the colour, in place; the style counts if both are given."""
    style = plain + "Style"
    if holder.get(style):
        if "rgbColor" in holder[style]:
            holder[plain] = holder[style]["rgbColor"]
        elif "themeColor" in holder[style]:
            holder[plain] = theme_colour(holder[style]["themeColor"])
    elif plain in holder:
        holder[style] = {"rgbColor": holder[plain]}


def theme_colour(name: str) -> Json:
    """The colour of a theme's entry."""
    from sheetsync.localsheets.defaults import THEME

    for entry in THEME["themeColors"]:
        if entry["colorType"] == name:
            return dict(entry["color"]["rgbColor"])
    return {}
