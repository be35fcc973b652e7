"""The tabs that only sheetsync writes: what differs from what they should show, as operations. Pure."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from sheetsync.domain.draft import CellValue
from sheetsync.domain.model import canonical_json
from sheetsync.sync.cells import matches, plain
from sheetsync.sync.gateway import AddRow, DeleteRow, Operation, Raw, RowRead, TabRead, TouchRow
from sheetsync.sync.normalize import format_value
from sheetsync.sync.outcome import Found
from sheetsync.sync.tabs import LAYOUTS, STATUS, Role, RowKey, a1

Row = tuple[CellValue, ...]


def compare_sync_tab(
    role: Role, tab: TabRead | None, wanted: dict[RowKey, Row], before: Mapping[RowKey, Row] | None
) -> tuple[list[Operation], list[Found]]:
    """Operations that make the tab show `wanted`, and the foreign values they overwrite.

    `before`: what it showed last, where that is known; a cell that differs from both was written by somebody else.
    """
    if tab is None:
        return [AddRow(role, key, row, 1) for key, row in wanted.items()], []
    operations: list[Operation] = []
    overwritten: list[Found] = []
    standing: list[tuple[RowKey, RowRead]] = []
    seen: set[RowKey] = set()
    for row in tab.rows:
        key = _key(role, row)
        if key in seen or key not in wanted:
            operations.append(DeleteRow(role, row.index, key, row.cells))
            continue
        seen.add(key)
        standing.append((key, row))
        sets = _differences(role, row, wanted[key])
        if sets:
            operations.append(TouchRow(role, row.index, key, row.cells, sets))
            if before is not None and before.get(key) is not None:
                overwritten += _foreign(tab, key, row, sets, before[key])
    operations += _additions(role, standing, [key for key in wanted if key not in seen], wanted)
    return operations, overwritten


def digest_of_rows(rows: Iterable[tuple[Raw | CellValue, ...]]) -> str:
    """A hash of a tab's rows, in their order; an empty cell is an empty cell, however it is written."""
    plain_rows = [[format_value(plain("" if raw is None else raw)) for raw in row] for row in rows]
    return hashlib.sha256(canonical_json(plain_rows)).hexdigest()[:16]


def _key(role: Role, row: RowRead) -> RowKey:
    return tuple(format_value(plain(raw)) for raw in row.cells[: LAYOUTS[role].key_width])


def _differences(role: Role, row: RowRead, wanted: Row) -> dict[str, CellValue]:
    if row.cells == wanted:
        return {}
    names = LAYOUTS[role].names
    pairs = zip(names, row.cells, wanted, strict=True)
    return {name: value for name, raw, value in pairs if not matches(raw, value)}


def _foreign(tab: TabRead, key: RowKey, row: RowRead, sets: dict[str, CellValue], before: Row) -> list[Found]:
    layout = LAYOUTS[tab.role]
    found = []
    for column in sets:
        at = layout.position(column)
        if tab.role != STATUS and not matches(row.cells[at], before[at]):
            name = a1(row.index, tab.columns[column]) if column in tab.columns else ""
            found.append(
                Found((tab.role, key, column), name, plain(row.cells[at]), "put back: the column is sheetsync's")
            )
    return found


def _additions(
    role: Role, standing: list[tuple[RowKey, RowRead]], missing: list[RowKey], wanted: dict[RowKey, Row]
) -> list[Operation]:
    rank = {key: at for at, key in enumerate(wanted)}
    end = max((row.index for _, row in standing), default=0) + 1
    ordered = [(rank[key], row.index) for key, row in standing]
    found: list[Operation] = []
    for key in missing:
        after = [index for place, index in ordered if place > rank[key]]
        found.append(AddRow(role, key, wanted[key], min(after) if after and ordered == sorted(ordered) else end))
    return found
