"""Undoing the last batch: from its pre-images to the operations that put back what it wrote over. Pure.

Only what still stands as the batch left it is put back. What somebody edited since is theirs, stays, and is told; what
the batch healed was an owner's, and stays; what fell beside its cells is a debt (`settle`), which the next run pays.
Which batch was the last one, and how the spreadsheet is held afterwards, is in `services.sync_plans`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import CellValue
from sheetsync.domain.problems import Problem
from sheetsync.sync.answers import NOTE_MARK
from sheetsync.sync.baseline import Intended
from sheetsync.sync.cells import cell_name, matches, plain, raw_same
from sheetsync.sync.decide import Nothing
from sheetsync.sync.formulas import moved_row, moved_whole
from sheetsync.sync.gateway import (
    AddRow,
    DeleteRow,
    Raw,
    RowRead,
    SheetRead,
    TabRead,
    TouchRow,
    Written,
    is_value,
)
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.settle import copied_from, pre_image_cells
from sheetsync.sync.shifted import cells_then, is_header, moved_headers
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, RowKey, title_of

EDITED: Final = "was edited since the push: undo leaves it as it is"
STANDS: Final = "somebody changed the row that the push added: undo leaves it where it is"
AGAIN: Final = "stands there again: undo does not put it back a second time"
HINT: Final = "run 'sheetsync push --resume', then 'sheetsync sync': it is taken as any edit"


@dataclass
class Undo:
    """What one undo works on: the read, the batch that is undone, and its pre-images."""

    plan: Plan
    read: SheetRead
    last: Intended
    pre: tuple[tuple[Raw, ...], ...]
    whole: Mapping[int, tuple[JSONValue, ...]]


def undo_batch(undo: Undo) -> None:
    """Put the operations that undo the batch into the plan, and what is left as it is into its reports."""
    moved = moved_headers(undo.last, undo.pre)
    for at, one in enumerate(undo.last.planned):
        tab = undo.read.tabs.get(one.role)
        if tab is None or one.role not in OWNER_ROLES or is_header(one):
            continue
        headers = moved.get(one.role)
        row = moved_row(undo.pre[at] if at < len(undo.pre) else (), copied_from(one, at))
        got = cells_then(one, row, headers) if headers else pre_image_cells(undo.last, one, row)
        width = LAYOUTS[one.role].key_width
        if not all(raw_same(a, b) for a, b in zip(got[:width], one.planned[:width], strict=True)):
            continue  # it fell on another row
        if isinstance(one, DeleteRow):
            _undo_delete(undo, tab, one, got, undo.whole.get(at, ()))
        elif not headers:
            _undo_touch(undo, tab, one, got)
    for add in undo.last.adds:
        tab = undo.read.tabs.get(add.role)
        if tab is not None and add.role not in moved:
            _undo_add(undo, tab, add)


def _rows_of(tab: TabRead, key: RowKey) -> list[RowRead]:
    width = LAYOUTS[tab.role].key_width
    return [row for row in tab.rows if row.cells[:width] == key]


def _leave(undo: Undo, tab: TabRead, key: RowKey, cell: str, text: str) -> None:
    undo.plan.problems.append(
        Problem(code="undo_left", tab=title_of(tab.role), cell=cell, row_key=key, message=text, hint=HINT)
    )


def _owed(undo: Undo, tab: TabRead, key: RowKey) -> set[str]:
    """Columns of a row where a write of ours covered something that is still to be put back."""
    return {debt.cell[2] for debt in undo.plan.state.debts if debt.cell[:2] == (tab.role, key)}


def _undo_touch(undo: Undo, tab: TabRead, one: TouchRow, got: tuple[Raw, ...]) -> None:
    rows, layout = _rows_of(tab, one.key), LAYOUTS[one.role]
    if len(rows) != 1:
        return  # it went meanwhile, or stands there twice: neither is ours to touch
    row, owed = rows[0], _owed(undo, tab, one.key)
    sets: dict[str, Written] = {}
    started: dict[str, CellValue] = {}
    for column, value in one.sets.items():
        if column not in one.started or column in owed:
            continue  # it healed, or is still to be healed: in people's own columns, too
        at = layout.position(column)
        if not raw_same(got[at], one.planned[at]) or matches(got[at], value, layout.columns[at].kind):
            continue
        if not matches(row.cells[at], value, layout.columns[at].kind):
            name = cell_name(tab, row, column)
            undo.plan.unpulled.append(Found((one.role, one.key, column), name, plain(row.cells[at])))
            _leave(undo, tab, one.key, name, f"{column} {EDITED}")
            continue
        sets[column] = got[at]
        if not is_value(got[at]):
            continue  # no base moves
        base = undo.plan.state.value((one.role, one.key, column))
        started[column] = None if isinstance(base, Nothing) else base
    status, stood = None, got[layout.position(SYNC_STATUS)]
    if one.status is not None and row.cells[layout.position(SYNC_STATUS)] == one.status and isinstance(stood, str):
        status = stood if stood != one.status else None
    if sets or status is not None:
        undo.plan.operations.append(TouchRow(one.role, row.index, one.key, row.cells, sets, started, status))


def _undo_delete(undo: Undo, tab: TabRead, one: DeleteRow, got: tuple[Raw, ...], whole: tuple[JSONValue, ...]) -> None:
    if _rows_of(tab, one.key):
        if undo.plan.state.row(one.role, one.key) is None:
            _leave(undo, tab, one.key, "", f"the row {AGAIN}")
        return
    end = max((row.index for row in tab.rows), default=0) + 1
    width = LAYOUTS[one.role].width
    rows = end - undo.last.planned.index(one) - 1  # it was kept in that row of the scratch tab
    text = got[width] if isinstance(got[width], str) else ""
    values, whole = moved_row(got[:width], rows), moved_whole(whole, rows)
    undo.plan.operations.append(AddRow(one.role, one.key, values, end, str(text), whole=whole))


def _undo_add(undo: Undo, tab: TabRead, add: AddRow) -> None:
    if add.lost_id or not add.known:
        return  # it put an owner's row back
    rows = _rows_of(tab, add.key)
    if not rows:
        return
    if len(rows) == 1 and not _owed(undo, tab, add.key) and _is_as_added(rows[0], add):
        undo.plan.operations.append(DeleteRow(add.role, rows[0].index, add.key, rows[0].cells, undoes=True))
        return
    row, layout = rows[0], LAYOUTS[add.role]
    for column, raw, value in zip(layout.columns, row.cells, add.values, strict=False):
        if column.name in layout.owned_names and not matches(raw, value, column.kind):
            found = Found((add.role, add.key, column.name), cell_name(tab, row, column.name), plain(raw))
            undo.plan.unpulled.append(found)
    _leave(undo, tab, add.key, cell_name(tab, row, layout.names[0]), STANDS)


def _is_as_added(row: RowRead, add: AddRow) -> bool:
    """Does the row hold what the push put there, and nothing else: no value, no note, nothing in people's columns?"""
    columns = LAYOUTS[add.role].columns
    values = (*add.values, add.status)
    alike = all(matches(raw, value, one.kind) for raw, value, one in zip(row.cells, values, columns, strict=True))
    return alike and not row.own and all(note.startswith(NOTE_MARK) for note in (row.notes or {}).values())
