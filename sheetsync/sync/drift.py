"""Drift: what people changed in our tabs besides cells; found in the same read, mended by push in what we own. Pure.

A header that is gone is a safety stop (`safety`); a tab that is missing is made again (`planning`). Not seen is a list
that a person changed within a dropdown: it would be most of every read. Lists that are old because the catalogue of
firearms changed are told by the hash of what they were last set to (`rules_to_renew`).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from typing import Final

from sheetsync.domain.canonical import canonical_json
from sheetsync.domain.kpi import IMPACT_TYPES
from sheetsync.domain.problems import Problem
from sheetsync.sync.baseline import SyncState, TabMark
from sheetsync.sync.cells import cell_name, plain
from sheetsync.sync.compare import is_merged
from sheetsync.sync.gateway import PROTECTION_MARK, DeleteRow, RowRead, SetRules, SheetRead, TabRead
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.protected import shut_out, shutting
from sheetsync.sync.tabs import KPIS, LAYOUTS, OWNER_ROLES, ROLES, SYNC_STATUS, Role, a1, title_of
from sheetsync.sync.view import View

LISTS: Final = ("firearm", "impact")  # kinds of columns with a dropdown
PATIENCE: Final = 3  # so often the same cells are mended in a row; then something keeps undoing it
BOUND = "it had lost its {} (a paste takes that along); set again"
FOREIGN = "it had got a validation that is not sheetsync's; taken away"


def expected_protections(role: Role) -> int:
    """How many protections of ours a tab has: one a header, and one of all, or of each key column and `sync_status`."""
    columns = LAYOUTS[role].columns
    whole = sum(column.key or column.name == SYNC_STATUS for column in columns) if role in OWNER_ROLES else 1
    return len(columns) + whole


def unprotected(read: SheetRead) -> tuple[Role, ...]:
    """Tabs of which protections of ours were taken away, and where no protection keeps us from setting them again."""
    return tuple(
        role for role, tab in read.tabs.items() if _ours(tab) < expected_protections(role) and not shut_out(tab)
    )


def _ours(tab: TabRead) -> int:
    return sum(text.startswith(PROTECTION_MARK) for text in (one.text for one in tab.protected))


def pick_known_tabs(read: SheetRead, marks: dict[Role, TabMark]) -> SheetRead:
    """Of two tabs with one mark (a person duplicated ours), the one that the baseline knows is ours."""
    if not read.doubled:
        return read
    tabs, doubled = dict(read.tabs), []
    for other in read.doubled:
        mark = marks.get(other.role)
        if mark is not None and other.sheet_id == mark.sheet_id:
            doubled.append(tabs[other.role])
            tabs[other.role] = other
        else:
            doubled.append(other)
    return replace(read, tabs=tabs, doubled=tuple(doubled))


def without_tabs(read: SheetRead, roles: Set[Role]) -> SheetRead:
    """The read without some of our tabs."""
    return replace(read, tabs={role: tab for role, tab in read.tabs.items() if role not in roles}) if roles else read


def doubled_problems(read: SheetRead) -> list[Problem]:
    """A copy of a tab of ours in the same spreadsheet: what people write there is not read."""
    return [
        Problem(
            code="doubled_tab",
            tab=tab.title,
            message=f"the tab '{tab.title}' is a copy of '{title_of(tab.role)}': edits in it are not read",
            hint=f"edit '{read.tabs[tab.role].title}', and delete the copy",
        )
        for tab in read.doubled
    ]


# -- validations


def mend_drift(
    read: SheetRead, view: View, plan: Plan, headers: Mapping[Role, Mapping[str, int]], firearms: tuple[str, ...]
) -> None:
    """Plan what push mends besides cells, and report it: validations, protections, headers, tabs that are missing.

    `read`: without tabs that only now become ours; all of them is set anyway, and nobody took anything away.
    """
    state = plan.state
    for one in _mended_tabs(read, state, headers):  # a header of people's that goes is kept in the journal
        (plan.mended if one.value is None else plan.overwritten).append(one)
    whole = {*headers, *unprotected(read)}  # all of it is set again there
    astray = list(_astray(read, view, plan))
    if not astray:
        plan.mending = ("", 0)
        plan.rules = rules_to_renew(read, state, firearms, whole)
        return
    cells = sorted((tab.role, column, row.cells[: LAYOUTS[tab.role].key_width]) for tab, row, column in astray)
    digest = hashlib.sha256(repr(cells).encode()).hexdigest()[:16]
    times = state.mending[1] if state.mending[0] == digest else 0
    if times >= PATIENCE:
        tab, row, column = astray[0]
        plan.problems.append(_stubborn(tab, row, column, len(astray)))
        plan.rules = rules_to_renew(read, state, firearms, whole)
        return
    runs = list(_runs(astray))
    plan.mended += [_found(tab, rows, column) for tab, rows, column in runs]
    plan.mending = (digest, times + 1)
    single = (SetRules(tab.role, column, rows[0].index, rows[-1].index + 1) for tab, rows, column in runs)
    plan.rules = (*(one for one in single if one.role not in whole), *rules_to_renew(read, state, firearms, whole))


def digest_of_rules(firearms: tuple[str, ...]) -> str:
    """A hash of all that our validations are made of."""
    return hashlib.sha256(canonical_json([list(firearms), list(IMPACT_TYPES)])).hexdigest()[:16]


def rules_once_set(read: SheetRead, state: SyncState, firearms: tuple[str, ...]) -> str:
    """What is remembered of our validations once they are set: their hash, and of what people protect from us there.

    Where they were set while something was protected, they are set again when that changed.
    """
    digest, held = digest_of_rules(firearms), _held_lists(read)
    known, _, then = state.rules.partition("-")
    if known == digest and then in ("", held):
        return state.rules
    return f"{digest}-{held}" if held else digest


def _held_lists(read: SheetRead) -> str:
    """A hash of the protections that keep us from columns with a list; empty if none does."""
    found = [
        (role, column.name, *one.area, *one.open)
        for role, tab in sorted(read.tabs.items()) if role in OWNER_ROLES
        for column in LAYOUTS[role].columns if column.kind in LISTS and column.name in tab.columns
        for one in tab.protected
        if one.stops and one.area[1] > 1 and one.area[2] <= tab.columns[column.name] < one.area[3]
    ]  # fmt: skip
    return hashlib.sha256(repr(found).encode()).hexdigest()[:8] if found else ""


def validations_astray(read: SheetRead) -> dict[str, int]:
    """Tab → how many cells of ours do not have the validation that we set."""
    counts = {tab.title: sum(len(row.astray) for row in tab.rows) for tab in read.tabs.values()}
    return {title: count for title, count in counts.items() if count}


def rules_to_renew(
    read: SheetRead, state: SyncState, firearms: tuple[str, ...], whole: set[Role]
) -> tuple[SetRules, ...]:
    """Dropdowns to be set again because the catalogue changed since: whole columns, spare rows too."""
    if state.rules == rules_once_set(read, state, firearms):
        return ()
    return tuple(
        SetRules(role, column.name, 1, tab.row_count)
        for role, tab in read.tabs.items() if role in OWNER_ROLES and role not in whole and tab.row_count > 1
        for column in LAYOUTS[role].columns if column.kind in LISTS and column.name in tab.columns
        if not tab.tables
    )  # fmt: skip


def _astray(read: SheetRead, view: View, plan: Plan) -> Iterator[tuple[TabRead, RowRead, str]]:
    """The cells of ours whose validation is not as we set it; frozen, unknown and merged rows are left alone."""
    going = {(one.role, one.index) for one in plan.operations if isinstance(one, DeleteRow)}
    for role, tab in read.tabs.items():
        found = [row for row in tab.rows if row.astray and (role, row.index) not in going]
        width = LAYOUTS[role].key_width
        twins = Counter(row.cells[:width] for row in tab.rows) if found else {}
        for row in found:
            if not _is_ours(view, role, row.cells[:width]) or twins[row.cells[:width]] > 1 or is_merged(tab, row):
                continue
            for column in row.astray:
                at = tab.columns[column]
                if not _in_table(tab, row.index, at) and shutting(tab, row.index, at) is None:
                    yield tab, row, column


def _is_ours(view: View, role: Role, key: tuple[object, ...]) -> bool:
    if role == KPIS:
        return all(key) and key[0] in view.connectors()
    return role not in view.shown or key in view.shown[role]


def _in_table(tab: TabRead, row: int, column: int) -> bool:
    """A cell of a table that people made of it: the table's columns have types of their own."""
    return any(top <= row < end and left <= column < right for top, end, left, right in tab.tables)


def _runs(astray: list[tuple[TabRead, RowRead, str]]) -> Iterator[tuple[TabRead, list[RowRead], str]]:
    """Neighbours in one column together."""
    ordered = sorted(astray, key=lambda one: (one[0].role, one[0].columns[one[2]], one[1].index))
    run: list[RowRead] = []
    before: tuple[TabRead, str] | None = None
    for tab, row, column in ordered:
        if run and before == (tab, column) and row.index == run[-1].index + 1:
            run.append(row)
            continue
        if run and before:
            yield before[0], run, before[1]
        run, before = [row], (tab, column)
    if run and before:
        yield before[0], run, before[1]


def _found(tab: TabRead, rows: list[RowRead], column: str) -> Found:
    layout, row = LAYOUTS[tab.role], rows[0]
    at = layout.position(column)
    kind = layout.columns[at].kind
    name = cell_name(tab, row, column)
    if len(rows) > 1:
        name += ":" + cell_name(tab, rows[-1], column)
    lost = {"bool": "checkbox"}.get(kind, "dropdown")
    note = BOUND.format(lost) if kind == "bool" or kind in LISTS else FOREIGN
    key = tuple(str(plain(raw)) for raw in row.cells[: layout.key_width])
    return Found((tab.role, key, column), name, plain(row.cells[at]), note)


def _stubborn(tab: TabRead, row: RowRead, column: str, count: int) -> Problem:
    key = tuple(str(plain(raw)) for raw in row.cells[: LAYOUTS[tab.role].key_width])
    many = f" (and {count - 1} more cells)" if count > 1 else ""
    return Problem(
        code="validation_undone", tab=title_of(tab.role), cell=cell_name(tab, row, column), row_key=key,
        message=f"the validation of {column} was set again {PATIENCE} times{many}, and something keeps undoing it",
        hint="look at 'Data > Data validation', and at scripts and add-ons of the spreadsheet",
    )  # fmt: skip


def _mended_tabs(read: SheetRead, state: SyncState, headers: Mapping[Role, Mapping[str, int]]) -> Iterator[Found]:
    for role in ROLES:
        tab = read.tabs.get(role)
        if tab is None:
            if role in state.tabs:
                yield Found((role, (), ""), "", None, "the tab was missing; made again")
            continue
        for name, at in headers.get(role, {}).items():
            if tab.headers[at : at + 1] != (name,):
                stood = None if tab.head[at : at + 1] in ((), ("",)) else plain(tab.head[at])
                yield Found((role, (), name), a1(0, at), stood, "the header was gone or renamed; written again")
        if role in unprotected(read) and role not in headers:
            yield Found((role, (), ""), "", None, "protections of ours were missing; set again")
