"""updateBorders: the lines around and inside of a range."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets import formats, schema
from sheetsync.localsheets.cell import Cell, Json
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Box, Row


def update(edit: Edit, body: Body) -> Reply:
    """Set the borders that are named; a border of style NONE is taken away, others stay as they are."""
    sheet, box = edit.writable(body.get("range"))
    lines: dict[str, Json | None] = {}
    for name in ("top", "bottom", "left", "right", "innerHorizontal", "innerVertical"):
        if name in body:
            border = dict(body[name])
            formats.pair(border, "color")
            lines[name] = None if border.get("style", "NONE") == "NONE" else schema.tidy("Border", border)
    for row in range(box.row, box.row_end):
        cells: Row = []
        for col in range(box.col, box.col_end):
            cell = sheet.cell(row, col) or Cell()
            sides = _sides(box, row, col)
            old: Any = (cell.form or {}).get("borders", {})
            borders = dict(old)
            for side, name in sides.items():
                if name in lines:
                    borders[side] = lines[name]
            kept = {side: line for side, line in borders.items() if line}
            form = {key: value for key, value in (cell.form or {}).items() if key != "borders"}
            cells.append(cell.with_form({**form, "borders": kept} if kept else form))
        edit.journal.put_cells(sheet, row, box.col, cells)
    return {}


def _sides(box: Box, row: int, col: int) -> dict[str, str]:
    """Which line of the request lies at which side of a cell."""
    return {
        "top": "top" if row == box.row else "innerHorizontal",
        "bottom": "bottom" if row == box.row_end - 1 else "innerHorizontal",
        "left": "left" if col == box.col else "innerVertical",
        "right": "right" if col == box.col_end - 1 else "innerVertical",
    }
