"""Spreadsheet formulas of people that our batches copied, and write again: their references follow the row. Pure.

A pre-image is a copy in another row, so Google moved its relative references by as many rows. What a formula computes
is not our business; only its A1 references are read here. One that would have left the grid is `#REF!` in the copy, and
stays so.
"""

from __future__ import annotations

import re
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.sync.gateway import Formula, Raw

REFERENCE: Final = re.compile(
    r"""
    "(?:[^"]|"")*" | '(?:[^']|'')*'                                   # texts and names of tabs stay
    | (?<![\w.$]) (?P<column>\$?[A-Za-z]{1,3}) (?P<fixed>\$?) (?P<row>[1-9]\d*) (?![\w(!.])
    | (?<![\w.$:]) (?P<fixed1>\$?) (?P<row1>[1-9]\d*) : (?P<fixed2>\$?) (?P<row2>[1-9]\d*) (?![\w.])
    """,
    re.VERBOSE,
)


def moved_formula(text: str, rows: int) -> str:
    """A formula as if it were copied so many rows down."""
    if not rows:
        return text

    def change(found: re.Match[str]) -> str:
        if found["row"]:
            return f"{found['column']}{found['fixed']}{_moved(found['fixed'], found['row'], rows)}"
        if found["row1"]:
            first, last = (_moved(found[f"fixed{at}"], found[f"row{at}"], rows) for at in "12")
            return f"{found['fixed1']}{first}:{found['fixed2']}{last}"
        return found[0]

    return REFERENCE.sub(change, text)


def _moved(fixed: str, row: str, rows: int) -> str:
    return row if fixed or int(row) + rows < 1 else str(int(row) + rows)


def moved_raw(raw: Raw, rows: int) -> Raw:
    """A cell, copied so many rows down."""
    return Formula(moved_formula(raw.text, rows), raw.error) if isinstance(raw, Formula) else raw


def moved_row(cells: tuple[Raw, ...], rows: int) -> tuple[Raw, ...]:
    """A row, copied so many rows down; most hold no formula."""
    return tuple(moved_raw(raw, rows) for raw in cells) if any(isinstance(raw, Formula) for raw in cells) else cells


def moved_whole(cells: tuple[JSONValue, ...], rows: int) -> tuple[JSONValue, ...]:
    """A row that was kept whole, as Google's cells, copied so many rows down."""
    return tuple(_moved_cell(cell, rows) for cell in cells)


def _moved_cell(cell: JSONValue, rows: int) -> JSONValue:
    entered = cell.get("userEnteredValue") if isinstance(cell, dict) else None
    if not isinstance(cell, dict) or not isinstance(entered, dict) or "formulaValue" not in entered:
        return cell
    return {**cell, "userEnteredValue": {"formulaValue": moved_formula(str(entered["formulaValue"]), rows)}}
