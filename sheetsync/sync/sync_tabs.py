"""The tabs that only sheetsync writes: what differs from what they should show, as operations. Pure.

What other people put into them is put back, kept in the journal and reported.
"""

from __future__ import annotations

import bisect
import hashlib
from collections.abc import Iterable, Mapping, Set
from typing import Final

from sheetsync.domain.canonical import canonical_json
from sheetsync.domain.draft import CellValue
from sheetsync.sync.adopting import leave_row
from sheetsync.sync.answers import DraftIds, forget_gone, numbered, status_rows
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.cells import cell_name, matches, plain
from sheetsync.sync.gateway import AddRow, DeleteRow, Operation, Raw, RowRead, SheetRead, TabRead, TouchRow
from sheetsync.sync.normalize import format_value
from sheetsync.sync.outcome import PUT_BACK, Found, Plan
from sheetsync.sync.tabs import COVERAGE, LAYOUTS, REGISTRY, STATUS, Role, RowKey
from sheetsync.sync.view import View

Row = tuple[CellValue, ...]
MARK: Final = 6  # hex digits that a row of `Sync Status` is remembered by


def plan_sync_tabs(
    read: SheetRead, view: View, plan: Plan, state: SyncState, ids: DraftIds, *, writes: bool,
    drafts: bool, adopted: Set[Role] = frozenset(),
) -> None:  # fmt: skip
    """Take all tabs of ours that only sheetsync writes into the plan; a pull only answers, in `Sync Status`.

    `drafts`: does this run save drafts, in the commit after the view's? `adopted`: the tabs that only now become ours;
    whatever stands in them is other people's.
    """
    roles: tuple[Role, ...] = (REGISTRY, COVERAGE) if writes else ()
    for role in roles:
        tab, wanted = read.tabs.get(role), view.shown[role]
        touched = tab is not None and digest_of_rows(row.cells for row in tab.rows) != state.digests.get(role)
        before = {} if role in adopted else state.tables.get(role) if touched else None
        operations, foreign = compare_sync_tab(role, tab, wanted, before, keep_own=role in adopted)
        plan.operations += operations
        plan.overwritten += foreign
        plan.state.digests[role] = digest_of_rows(wanted.values())
    tab = read.tabs.get(STATUS)
    if tab is None and not writes:
        return
    marks = state.digests.get(STATUS, "")
    ours = {marks[at : at + MARK] for at in range(0, len(marks), MARK)}
    theirs = bool(ours) or STATUS in adopted
    typed = [row for row in tab.rows if _mark(row.cells) not in ours] if tab is not None and theirs else []
    told, operations = _status(tab, plan, ids, keep_own=STATUS in adopted)
    if plan.operations or operations or drafts:
        forget_gone(plan, view, state)
        plan.state.shown_commit = view.commit + 1 if drafts else view.changed_since(state.shown_commit)
        told, operations = _status(tab, plan, ids, keep_own=STATUS in adopted)
    plan.operations += operations
    if tab is not None and typed:
        plan.overwritten += _typed_over(tab, typed, told)
    if operations:  # what stands now may go on standing: the batch may not land
        standing = (_mark(row.cells) for row in (tab.rows if tab else ()) if row not in typed)
        plan.state.digests[STATUS] = "".join(dict.fromkeys((*(_mark(row) for row in told.values()), *standing)))


def _status(
    tab: TabRead | None, plan: Plan, ids: DraftIds, *, keep_own: bool
) -> tuple[dict[RowKey, Row], list[Operation]]:
    """What `Sync Status` is to say, and the operations that make it."""
    told = numbered(status_rows(plan, ids, commit=plan.state.shown_commit))
    return told, compare_sync_tab(STATUS, tab, told, None, keep_own=keep_own)[0]


def _mark(row: tuple[Raw | CellValue, ...]) -> str:
    return digest_of_rows([row])[:MARK]


def _typed_over(tab: TabRead, rows: list[RowRead], told: Mapping[RowKey, Row]) -> list[Found]:
    """The cells of rows that we did not write, but for those that say what `Sync Status` says anyway."""
    known = [
        {format_value("" if value is None else value) for value in column}
        for column in zip(*told.values(), strict=True)
    ]
    return [
        Found((STATUS, _key(STATUS, row), name), cell_name(tab, row, name), plain(raw), PUT_BACK)
        for row in rows
        for name, raw, values in zip(LAYOUTS[STATUS].names, row.cells, known, strict=True)
        if raw != "" and format_value(plain(raw)) not in values
    ]


def compare_sync_tab(
    role: Role, tab: TabRead | None, wanted: dict[RowKey, Row], before: Mapping[RowKey, Row] | None, *,
    keep_own: bool = False,
) -> tuple[list[Operation], list[Found]]:  # fmt: skip
    """Operations that make the tab show `wanted`, and the foreign values they overwrite.

    `before`: what it showed last, where that is known; a cell that differs from both was written by somebody else.
    `keep_own`: rows that go leave what people wrote beside them; those without a key, which went with its column, do so
    in any case.
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
            keep = keep_own or not any(key)
            operations.append(leave_row(tab, row, key) if keep else DeleteRow(role, row.index, key, row.cells))
            if before is not None:
                overwritten += _foreign(tab, key, row, wanted, before)
            continue
        seen.add(key)
        standing.append((key, row))
        sets = _differences(role, row, wanted[key])
        if sets:
            operations.append(TouchRow(role, row.index, key, row.cells, sets))
            if before is not None:
                overwritten += _foreign(tab, key, row, wanted, before)
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


def _foreign(
    tab: TabRead, key: RowKey, row: RowRead, wanted: Mapping[RowKey, Row], before: Mapping[RowKey, Row]
) -> list[Found]:
    """The cells that hold nothing of ours: in a row that we know none of its values, else none of the column."""
    known = [table[key] for table in (wanted, before) if key in table] or [*wanted.values(), *before.values()]
    return [
        Found((tab.role, key, column), cell_name(tab, row, column), plain(raw), PUT_BACK)
        for at, (column, raw) in enumerate(zip(LAYOUTS[tab.role].names, row.cells, strict=True))
        if raw != "" and not any(matches(raw, one[at]) for one in known)
    ]


def _additions(
    role: Role, standing: list[tuple[RowKey, RowRead]], missing: list[RowKey], wanted: dict[RowKey, Row]
) -> list[Operation]:
    rank = {key: at for at, key in enumerate(wanted)}
    end = max((row.index for _, row in standing), default=0) + 1
    ordered = [(rank[key], row.index) for key, row in standing]
    if ordered != sorted(ordered):
        ordered = []
    found: list[Operation] = []
    for key in missing:
        after = bisect.bisect(ordered, (rank[key], end))
        found.append(AddRow(role, key, wanted[key], ordered[after][1] if after < len(ordered) else end))
    return found
