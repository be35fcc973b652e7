"""updateBorders: the lines around and inside of a range."""

from __future__ import annotations

from sheetsync.localsheets import formats, schema
from sheetsync.localsheets.cell import Cell, Json, shared
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
    known: dict[tuple[int, tuple[str, ...]], tuple[Json | None, Json | None]] = {}
    for row in range(box.row, box.row_end):
        cells: Row = []
        for col in range(box.col, box.col_end):
            cell = sheet.cell(row, col) or Cell()
            sides = _sides(box, row, col)
            key = (id(cell.form), tuple(sides.values()))
            if key not in known:  # most cells of a range are alike
                known[key] = (cell.form, _bordered(cell.form, sides, lines))
            cells.append(cell.with_form(known[key][1]))
        edit.journal.put_cells(sheet, row, box.col, cells)
    return {}


def _bordered(form: Json | None, sides: dict[str, str], lines: dict[str, Json | None]) -> Json | None:
    """A format with the lines that are named drawn or taken away."""
    borders = dict((form or {}).get("borders", {}))
    for side, name in sides.items():
        if name in lines:
            borders[side] = lines[name]
    kept = {side: line for side, line in borders.items() if line}
    rest = {key: value for key, value in (form or {}).items() if key != "borders"}
    found = {**rest, "borders": kept} if kept else rest
    return shared(found) if found else None


def _sides(box: Box, row: int, col: int) -> dict[str, str]:
    """Which line of the request lies at which side of a cell."""
    return {
        "top": "top" if row == box.row else "innerHorizontal",
        "bottom": "bottom" if row == box.row_end - 1 else "innerHorizontal",
        "left": "left" if col == box.col else "innerVertical",
        "right": "right" if col == box.col_end - 1 else "innerVertical",
    }
