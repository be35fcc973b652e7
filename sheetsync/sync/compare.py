"""The comparison: a read, a view of the store and a baseline → one plan. Pure.

Cells are decided in `decide`, read in `cells`; rows are in `policy_rows` and `kpi_rows`, what we damaged or put back in
`repairs`, the tabs that only sheetsync writes in `sync_tabs`. What the sheet is told is in `answers`.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Set

from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import closest
from sheetsync.registry.publish import RETIRED
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.cells import Comparison, matches
from sheetsync.sync.decide import Mode, Nothing, PendingEdit, same
from sheetsync.sync.gateway import AddRow, DeleteRow, Raw, RowRead, SheetRead, TabRead, Written
from sheetsync.sync.kpi_rows import compare_kpi_row, missing_kpi_row
from sheetsync.sync.normalize import Bad, clean_text, fold, read_key, shown
from sheetsync.sync.outcome import Found, FoundConflict, Plan, RowResult
from sheetsync.sync.policy_rows import NOT_PUBLISHED, compare_policy_row, row_problem
from sheetsync.sync.repairs import (
    heal_astray,
    heal_frozen,
    heal_unknown,
    lost_to,
    owes_its_key,
    settle_lost_rows,
    take_away_doubles,
)
from sheetsync.sync.tabs import KPIS, LAYOUTS, LOCK, OWNER_ROLES, POLICY, SYNC_STATUS, Cell, Role, RowKey
from sheetsync.sync.view import Row, View

Settled = Callable[[Cell, Raw], bool]
Fate = Callable[[str, Cell, CellValue | Nothing, PendingEdit | None], str]
NONE_GONE: Set[tuple[Role, str]] = frozenset()
LOCK_AT = LAYOUTS[POLICY].position(LOCK)
TWICE = Bad("duplicate_key", "this key occurs twice", "delete one of the rows; until then none of them is synchronised")
MERGED = Bad("merged_cells", "merged cells", "unmerge the cells of this row")


def compare(
    read: SheetRead, view: View, state: SyncState, mode: Mode, *, firearms: tuple[str, ...], settled: Settled,
    fate: Fate, gone: Set[tuple[Role, str]] = NONE_GONE, refused: Mapping[tuple[Role, RowKey], Bad] | None = None,
) -> Plan:  # fmt: skip
    """The plan of one run: events for drafts, reports, the next baseline, and what rows are to become.

    `gone`: columns of ours that were deleted and are made again; nobody emptied their cells. `refused`: rows whose
    edits fit no draft, and why: they stand, with their problem.
    """
    plan = Plan(state.copy(), view.commit)
    c = Comparison(read, view, mode, firearms, settled, {}, plan, gone, refused or {})
    _forget_retired(c)
    _learn_fates(c, fate)
    for role in OWNER_ROLES:
        _compare_tab(c, role)
    _forget_rows(c)
    return plan


def _forget_retired(c: Comparison) -> None:
    """A connector that came back answers nothing for the one that was retired."""
    for cell, text in list(c.state.answers.items()):
        if text == f"rejected: {RETIRED}" and cell[1][0] in c.view.connectors():
            del c.state.answers[cell]


def _learn_fates(c: Comparison, fate: Fate) -> None:
    """Overlays that were shown and are not any more: published, or rejected for a reason.

    In the cell of a rejected one another edit may be pending by now: then the row says that, `Sync Status` says both.
    """
    for cell, draft_id in list(c.state.pending.items()):
        edit, was = c.view.edits.get(cell), c.state.value(cell)
        if edit is None:
            c.fates[cell] = c.state.answers[cell] = fate(draft_id, cell, was, None)
        elif edit.draft_id != draft_id or not same(edit.value, was):
            text = fate(draft_id, cell, was, edit)
            if text.startswith("rejected"):
                c.state.answers[cell] = text


def _compare_tab(c: Comparison, role: Role) -> None:
    tab = c.read.tabs.get(role)
    rows = tab.rows if tab else []
    width, key_width = LAYOUTS[role].width, LAYOUTS[role].key_width
    where: dict[RowKey, list[RowRead]] = {}
    if tab is not None:
        rows, where = take_away_doubles(c, tab, rows, key_width)
        shown_rows, special = c.view.shown[role], _special(c, role, where)
        kinds_agree = _lock_agrees if role == POLICY else _kinds_agree
        same_tables = c.state.tables.get(role) is shown_rows
        quiet = c.view.unpublished
        for row in rows:
            key = row.cells[:key_width]
            want = shown_rows.get(key)  # type: ignore[arg-type]
            if (
                want is not None
                and row.cells[:width] == want
                and key not in special
                and (same_tables or c.state.row(role, key) == want)  # type: ignore[arg-type]
                and row.cells[width] == (NOT_PUBLISHED if key[0] in quiet else "")
                and not row.notes
                and kinds_agree(row.cells, want)
            ):
                continue
            _compare_row(c, tab, row, where)
    _missing_rows(c, role, tab, where)


def _lock_agrees(cells: tuple[Raw, ...], want: Row) -> bool:
    """`_kinds_agree` where only the lock can differ: this is asked for every row."""
    return cells[LOCK_AT] is want[LOCK_AT]


def _kinds_agree(cells: tuple[Raw, ...], want: Row) -> bool:
    """TRUE and 1 are equal to Python, not to us."""
    return all(
        type(one) is type(other) or not isinstance(one, bool | str) for one, other in zip(cells, want, strict=False)
    )


def _special(c: Comparison, role: Role, where: dict[RowKey, list[RowRead]]) -> set[RowKey]:
    """Rows that are never taken for unchanged at a glance."""
    state = c.state
    found = {
        cell[1]
        for cells in (c.view.edits, state.pending, state.answers, state.notes, state.untaken)
        for cell in cells
        if cell[0] == role
    }
    found |= {key for its, key in state.differs if its == role}
    found |= {debt.cell[1] for debt in state.debts if debt.cell[0] == role}
    tab = c.read.tabs.get(role)
    if tab and tab.merges:
        found |= {tuple(map(str, row.cells[: LAYOUTS[role].key_width])) for row in tab.rows if is_merged(tab, row)}
    found |= {key for key, rows in where.items() if len(rows) > 1}
    return found


def is_merged(tab: TabRead, row: RowRead) -> bool:
    """Is a cell of ours in this row part of merged cells?"""
    ours = set(tab.columns.values())
    return any(
        top <= row.index < end and any(left <= at < right for at in ours) for top, end, left, right in tab.merges
    )


def _compare_row(c: Comparison, tab: TabRead, row: RowRead, where: dict[RowKey, list[RowRead]]) -> None:
    layout = LAYOUTS[tab.role]
    key, bad = _key_of(row, layout.key_width)
    if owes_its_key(c, tab.role, key):  # its key comes back first; the next comparison sees the row again
        heal_unknown(c, tab, row, key)
        return
    if len(where.get(key, ())) > 1 and any(key):
        heal_frozen(c, tab, row, where[key])
        row_problem(c, tab, row, key, TWICE, layout.names[0])
        return
    if is_merged(tab, row):
        row_problem(c, tab, row, key, MERGED, layout.names[0])
        return
    if bad is not None:
        heal_unknown(c, tab, row, key)
        row_problem(c, tab, row, key, bad, layout.names[0])
        return
    if tab.role == POLICY and key in c.view.tables[POLICY]:
        heal_astray(c, tab, row, key)
        compare_policy_row(c, tab, row, key)
    elif tab.role == KPIS and (key[0] in c.view.connectors() or c.state.row(KPIS, key) is None) and all(key):
        heal_astray(c, tab, row, key)
        compare_kpi_row(c, tab, row, key)
    else:
        _unknown_row(c, tab, row, key)


def _key_of(row: RowRead, width: int) -> tuple[RowKey, Bad | None]:
    parts, bad = [], None
    for raw in row.cells[:width]:
        part = read_key(raw)
        if isinstance(part, Bad):
            bad = bad or part
            part = shown(raw)
        parts.append(part)
    return tuple(parts), bad


def _unknown_row(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """A row the store does not know: retired (it goes), or a key that nobody has (a problem, never guessed at)."""
    if c.state.row(tab.role, key) is not None:
        if c.mode.writes:
            c.plan.operations.append(DeleteRow(tab.role, row.index, key, row.cells))
            for column, raw in zip(LAYOUTS[tab.role].names, row.cells, strict=True):
                if column in LAYOUTS[tab.role].owned_names and not matches(raw, c.state.value((tab.role, key, column))):
                    c.plan.overwritten.append(Found((tab.role, key, column), "", shown(raw), "the row was removed"))
        return
    heal_unknown(c, tab, row, key)
    if not any(raw != "" for raw in row.cells):
        return
    if not any(raw != "" for raw in row.cells[: LAYOUTS[tab.role].width]):  # only our own answer is left in it
        c.plan.rows.append(RowResult(tab.role, key, row.index, row.cells, note_cells=dict(row.notes or {})))
        return
    bad, column = _explain_unknown(c, tab.role, key)
    row_problem(c, tab, row, key, bad, column)


def _explain_unknown(c: Comparison, role: Role, key: RowKey) -> tuple[Bad, str]:
    names = LAYOUTS[role].names
    missing = next((at for at, part in enumerate(key) if not part), None)
    if missing is not None:
        return Bad(
            "missing_key", f"the row has no {names[missing]}", f"fill in {names[missing]}, or delete the row"
        ), names[missing]
    connectors = c.view.connectors()
    if key[0] not in connectors:
        meant = _meant(key[0], connectors)
        text = f"unknown connector '{key[0]}'" + (f" (did you mean {meant})" if meant else "")
        return Bad(
            "unknown_connector", text, f"type {meant}" if meant else "put the id back, or delete the row"
        ), names[0]
    meant = _meant(key[1], c.view.scopes.get(key[0], set()) if role == POLICY else set())
    text = f"unknown scope '{key[1]}'" + (f" (did you mean {meant})" if meant else "")
    return Bad("unknown_scope", text, "put the key back, or delete the row"), names[1]


def _meant(word: str, known: Set[str]) -> str | None:
    folded = {fold(one): one for one in known}
    return folded.get(fold(word)) or closest(clean_text(word), known)


def _missing_rows(c: Comparison, role: Role, tab: TabRead | None, where: dict[RowKey, list[RowRead]]) -> None:
    """Rows that should stand in the sheet and do not: put back (policy), or read as proposed deletions (KPIs)."""
    shown_rows = c.view.shown[role]
    expected = c.state.keys(role) if c.state.tables.get(role) is not shown_rows else set()
    expected |= {key for its, key in c.view.edited_rows if its == role}
    expected |= {key for its, key in c.state.differs if its == role}
    missing = [key for key in shown_rows if key not in where]
    missing += [key for key in expected if key not in where and key not in shown_rows]
    missing.sort(key=lambda key: list(key))
    lost = settle_lost_rows(c, role, where)
    coming = {one.key for one in c.state.lost_rows if one.role == role} - shown_rows.keys()
    to_add: list[RowKey] = []
    for key in missing:
        if key in coming:
            continue  # it is put back first, and known until then
        was_lost = key in lost
        if role == KPIS and tab is not None:
            if missing_kpi_row(c, key, lost=was_lost):
                to_add.append(key)
        elif key in shown_rows:
            if c.state.row(role, key) is not None:
                c.plan.lost_keys.setdefault(role, []).append(key)
            to_add.append(key)
        else:
            c.state.set_row(role, key, None)
    to_add = [key for key in to_add if c.mode.writes or key in lost]
    if to_add:
        add_rows(c, role, tab, to_add)


def add_rows(c: Comparison, role: Role, tab: TabRead | None, keys: list[RowKey]) -> None:
    """Rows to insert, each where the order of the rows that stand says, else after the last."""
    places = _places(tab, list(c.view.shown[role]), keys, LAYOUTS[role].key_width)
    lost = {row.key: row for row in c.state.lost_rows if row.role == role}
    for key in sorted(keys, key=lambda one: places[one][1]):
        values: tuple[Written, ...] = c.view.shown[role][key]
        gone, whole = lost.get(key), ()
        if gone is not None:
            cells, whole = lost_to(gone, places[key][0])
            values = _lost_values(c, role, key, cells, values)
        c.plan.operations.append(
            AddRow(
                role, key, values, places[key][0], started=c.state.row(role, key),
                lost_id=gone.id if gone else "", whole=whole,
            )
        )  # fmt: skip
        _say_added(c, role, key)


def _lost_values(
    c: Comparison, role: Role, key: RowKey, cells: tuple[Raw, ...], values: tuple[Written, ...]
) -> tuple[Written, ...]:
    """A lost row comes back with what its owners had in it, where that was not known to the store yet."""
    found = list(values)
    for at, column in enumerate(LAYOUTS[role].columns):
        raw = cells[at] if at < len(cells) else ""
        if column.owners and not column.key and column.name != SYNC_STATUS:
            base = c.state.value((role, key, column.name))
            if not matches(raw, base, column.kind):
                found[at] = raw
    return tuple(found)


def _say_added(c: Comparison, role: Role, key: RowKey) -> None:
    result = RowResult(role, key, None)
    marked = {mark.cell: mark.edit for mark in c.plan.marks if mark.cell[:2] == (role, key)}
    for column, pending in c.view.edited_rows.get((role, key), {}).items():
        cell = role, key, column
        edit = marked.get(cell, pending)
        result.says.append(("conflict" if edit.conflicted else "pending", column, edit.draft_id))
        if not edit.untyped:
            c.state.pending[cell] = edit.draft_id
            c.plan.pending.append(Found(cell, "", edit.value))
        c.plan.conflicts += [FoundConflict(cell, "", edit.base, edit.value, theirs) for theirs in edit.all_theirs]
    for column in LAYOUTS[role].names:
        answer = c.state.answers.get((role, key, column))
        if answer is not None:
            result.says.append(("published" if answer == "published" else "rejected", column, answer))
        if (role, key, column) in c.fates:
            c.state.pending.pop((role, key, column), None)
    if key[0] in c.view.unpublished:
        result.says.append(("note", "", NOT_PUBLISHED))
    c.plan.rows.append(result)


def _places(tab: TabRead | None, order: list[RowKey], keys: list[RowKey], width: int) -> dict[RowKey, tuple[int, int]]:
    """Key → (the row index to insert before, its place among the rows shown)."""
    rank = {key: at for at, key in enumerate(order)}
    if tab is None:
        return {key: (1, rank[key]) for key in keys}
    standing = [(rank[row.cells[:width]], row.index) for row in tab.rows if row.cells[:width] in rank]  # type: ignore[index]
    end = max((row.index for row in tab.rows), default=0) + 1
    if any(one > other for (one, _), (other, _) in itertools.pairwise(standing)):
        return {key: (end, rank[key]) for key in keys}
    from bisect import bisect

    places = {}
    for key in keys:
        at = bisect(standing, (rank[key], -1))
        places[key] = (standing[at][1] if at < len(standing) else end, rank[key])
    return places


def _forget_rows(c: Comparison) -> None:
    """What concerned rows that are gone on both sides: answered in `Sync Status`, then forgotten.

    Of a row that stands, since its owner changed it and nothing was taken yet, it stays known that it was rejected.
    """
    standing = {(row.role, row.key) for row in c.plan.rows if row.index is not None}
    for cell in list(c.fates):
        role, key, _ = cell
        if key not in c.view.shown[role] and (role, key) not in standing:
            c.state.pending.pop(cell, None)
            if c.fates[cell] == "published":  # a deletion: there is no row that could say so
                c.state.answers.pop(cell, None)
