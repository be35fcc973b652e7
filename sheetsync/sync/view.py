"""What the store says should be shown: published, overlaid with the pending edits of the open sheet drafts.

For a connector never published, "published" is its open sheet draft, with each pending cell at the value its edit
started from, else its newest open draft. Built from the catalogue; what the sheet says is in `gateway`, the comparison
in `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import Final

from sheetsync.domain.cells import (
    EMPTY,
    FIREARM_COLUMNS,
    KPI_COLUMNS,
    cell_at,
    is_kpi_column,
    locks_nothing,
    read_cell,
    with_cells,
)
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.draft import CellValue, Conflict, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError
from sheetsync.exports.tables import connector_registry, coverage_report, kpi_matrix, policy_matrix
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.registry.live import LiveConnector
from sheetsync.registry.lone_locks import is_beside
from sheetsync.registry.rivals import Rivals
from sheetsync.sync.decide import NO_CONFLICT, UNKNOWN, Nothing, PendingEdit
from sheetsync.sync.normalize import format_value
from sheetsync.sync.starts import Where, edit_in, started_from
from sheetsync.sync.tabs import COVERAGE, KPIS, LAYOUTS, POLICY, PRESENCE, REGISTRY, Cell, Role, RowKey, role_of

Row = tuple[CellValue, ...]
KPI_ROW = (PRESENCE, *KPI_COLUMNS)
OTHERS: Final = "rejected: another owner's value was kept"


@dataclass
class View:
    """One state of the store, as tables.

    Attributes:
        commit: the store's head it was read at.
        changed: the newest commit that holds a snapshot of what the tables are made of; 0 where nobody asked.
        changed_since: of a commit that changed something shown: the newest that did.
        tables: role → row key → row, without pending edits, in the order rows are added.
        edits: the pending edits over them, by cell.
        drafts: connector → its open sheet draft, where there is one.
        unpublished: the connectors shown although they were never published.
        deleted_from: for a proposed deletion, the published KPI row it started from, in one cell.
        dropped: KPI rows that are not published any more, as their pending edits started from them.
        started: what the edit of a KPI's cell started from, in the draft that had it; None: the KPI was never live.
    """

    commit: int
    tables: dict[Role, dict[RowKey, Row]]
    edits: dict[Cell, PendingEdit] = field(default_factory=dict)
    drafts: dict[str, StoredDraft] = field(default_factory=dict)
    unpublished: frozenset[str] = frozenset()
    live: Mapping[str, LiveConnector] = field(default_factory=dict)
    deleted_from: dict[Cell, CellValue] = field(default_factory=dict)
    dropped: dict[RowKey, Row] = field(default_factory=dict)
    changed: int = 0
    changed_since: Callable[[int], int] = int
    started: Callable[[str, Cell], CellValue] = lambda *_: None

    @cached_property
    def edited_rows(self) -> dict[tuple[Role, RowKey], dict[str, PendingEdit]]:
        """The pending edits, by row."""
        found: dict[tuple[Role, RowKey], dict[str, PendingEdit]] = {}
        for (role, key, column), edit in self.edits.items():
            found.setdefault((role, key), {})[column] = edit
        return found

    @cached_property
    def shown(self) -> dict[Role, dict[RowKey, Row]]:
        """The tables with the pending edits laid over them: what the sheet should show."""
        tables = dict(self.tables)
        for role in (POLICY, KPIS):
            edited = [(key, edits) for (its, key), edits in self.edited_rows.items() if its == role]
            if edited:
                tables[role] = _overlaid(role, self.tables[role], edited, self.dropped if role == KPIS else {})
        return tables

    @cached_property
    def scopes(self) -> dict[str, set[str]]:
        """Connector → its scopes."""
        found: dict[str, set[str]] = {}
        for connector, scope in self.tables[POLICY]:
            found.setdefault(connector, set()).add(scope)
        return found

    @cached_property
    def _connectors(self) -> frozenset[str]:
        return frozenset(self.live) | self.unpublished

    def drafted(self, cell: Cell) -> CellValue:
        """What a cell is in its connector's open sheet draft, with all that operators did to it; None without one."""
        stored = self.drafts.get(cell[1][0])
        return None if stored is None else read_cell(stored.draft.policy_snapshot, cell_at(cell[1], cell[2]))

    def by_operators(self, cell: Cell) -> CellValue:
        """What operators made of a cell in that draft, where it is not in the tables either; None for nothing."""
        (role, key, column), value, edit = cell, self.drafted(cell), self.edits.get(cell)
        if value is None or edit is not None:
            return None if edit is None or value == edit.value else value
        under = read_cell(self.drafts[key[0]].draft.base.policy or PolicySnapshot(), cell_at(key, column))
        row = self.tables[role].get(key)
        known = (EMPTY if under is None else under, None if row is None else row[LAYOUTS[role].position(column)])
        return None if value in known else value

    def connectors(self) -> frozenset[str]:
        """The connectors that are shown."""
        return self._connectors


def _overlaid(
    role: Role,
    table: dict[RowKey, Row],
    edited: Iterable[tuple[RowKey, dict[str, PendingEdit]]],
    dropped: Mapping[RowKey, Row],
) -> dict[RowKey, Row]:
    rows = dict(table)
    for key, edits in edited:
        row = overlay_row(role, key, table.get(key, dropped.get(key)), edits)
        if row is None:
            rows.pop(key, None)
        else:
            rows[key] = row
    return rows


def overlay_row(role: Role, key: RowKey, row: Row | None, edits: dict[str, PendingEdit]) -> Row | None:
    """A row with its pending edits; None if there is no such row then."""
    if PRESENCE in edits and edits[PRESENCE].value is None:
        return None
    if row is None and role == POLICY:
        return None
    layout = LAYOUTS[role]
    cells: list[CellValue] = list(row) if row is not None else [*key, *([EMPTY] * (layout.width - len(key)))]
    for column, edit in edits.items():
        if column != PRESENCE:
            cells[layout.position(column)] = EMPTY if edit.value is None else edit.value
    return tuple(cells)


def build_view(catalogue: Catalogue, routes: Iterable[EngineRoute], *, commit: int, changed: int = 0) -> View:
    """Read the store: published tables, and the open drafts that matter."""
    published = catalogue.live_all()
    proposals = catalogue.proposals()
    unpublished = catalogue.unpublished_proposals()
    shown = unpublished.keys() | published.keys()
    lines = [line for line in catalogue.lines("open") if line.origin == "sheet" and line.connector_id in shown]
    drafts = {line.connector_id: line.id for line in lines}  # newest last: the last one stands
    stored = {name: catalogue.draft(draft_id) for name, draft_id in drafts.items()}
    under = {
        name: _without_edits(one, stored[name].draft) if name in stored else one for name, one in unpublished.items()
    }
    tables: dict[Role, dict[RowKey, Row]] = {
        POLICY: dict(policy_matrix(published, unpublished_drafts=under.values()).rows),
        KPIS: dict(kpi_matrix(published, unpublished_drafts=under.values()).rows),
        REGISTRY: dict(connector_registry(published).rows),
        COVERAGE: dict(coverage_report(published, proposals.values(), routes).rows),
    }
    view = View(commit, tables, {}, stored, frozenset(unpublished), published, changed=changed)
    view.started = partial(started_from, catalogue, {})
    for one in stored.values():
        view.edits.update(edits_of(one.draft, tables, find_rivals(catalogue, one.draft, tables)))
        view.deleted_from.update(deletions_of(one.draft))
        view.dropped.update(dropped_rows(one.draft, tables))
    return view


def _without_edits(live: LiveConnector, draft: WorkbenchDraft) -> LiveConnector:
    """The open sheet draft of a connector never published, with each pending cell where its edit started."""
    policy = base_policy(draft)
    firearms = {scope: (binding.firearm_id, binding.strategy_lock) for scope, binding in policy.firearms.items()}
    return live._replace(firearms=firearms, kpis={name: kpi.to_json() for name, kpi in policy.kpis.items()})


def base_policy(draft: WorkbenchDraft) -> PolicySnapshot:
    """A draft's policy without its pending edits: each of their cells at the value in the draft's base."""
    if not isinstance(draft.origin, SheetOrigin):
        return draft.policy_snapshot
    under = draft.base.policy or PolicySnapshot()
    policy = draft.policy_snapshot
    for row_key in dict.fromkeys(edit.row_key for edit in draft.origin.edits):
        columns = [edit.column for edit in draft.origin.edits if edit.row_key == row_key]
        policy = _row_without_edits(policy, under, row_key, columns)
    return policy


def _row_without_edits(
    policy: PolicySnapshot, under: PolicySnapshot, row_key: RowKey, columns: list[str]
) -> PolicySnapshot:
    """One row of a policy with these columns as they are in `under`; the whole row, where only that is valid."""
    group = KPI_ROW if is_kpi_column(columns[0]) else FIREARM_COLUMNS
    whole = {cell: read_cell(under, cell) for cell in (cell_at(row_key, column) for column in group)}
    if PRESENCE in columns or (group is KPI_ROW and whole[cell_at(row_key, PRESENCE)] is None):
        return with_cells(policy, whole)
    try:
        return with_cells(policy, {cell_at(row_key, column): whole[cell_at(row_key, column)] for column in columns})
    except InvalidContentError:
        return with_cells(policy, whole)


def find_rivals(
    catalogue: Catalogue, draft: WorkbenchDraft, tables: Mapping[Role, Mapping[RowKey, Row]]
) -> dict[tuple[str, RowKey, str], tuple[CellValue, ...]]:
    """The cells of a draft with open conflicts with other owners' edits: their values, which may be published by now.

    A deletion of a row that is not published any more is none.
    """
    found: dict[tuple[str, RowKey, str], tuple[CellValue, ...]] = {}
    rivals = Rivals(catalogue, draft)
    for one in draft.open_conflicts():
        role = role_of(one.tab)
        row = tables[role].get(one.row_key) if role is not None else None
        now = row[LAYOUTS[role].position(one.column)] if role is not None and row is not None else None
        if rivals.holds(one, now) or (one.theirs is not None and rivals.owned(one)):
            cell = (one.tab, one.row_key, one.column)
            found[cell] = (*found.get(cell, ()), one.theirs)
    return found


def edits_of(
    draft: WorkbenchDraft,
    tables: Mapping[Role, Mapping[RowKey, Row]],
    rivals: Mapping[tuple[str, RowKey, str], tuple[CellValue, ...]],
) -> dict[Cell, PendingEdit]:
    """The pending edits of a sheet draft, by cell; those on rows that are gone are left out."""
    if not isinstance(draft.origin, SheetOrigin):
        return {}
    theirs = {(one.tab, one.row_key, one.column): one.theirs for one in draft.open_conflicts()}
    found: dict[Cell, PendingEdit] = {}
    for edit in draft.origin.edits:
        role = role_of(edit.tab)
        if role is None or (role == POLICY and edit.row_key not in tables[POLICY]):
            continue
        cell = (edit.tab, edit.row_key, edit.column)
        mark: CellValue | Nothing = theirs.get(cell, NO_CONFLICT)
        beside = is_beside(edit)
        untyped = beside or (edit.cell == "" and edit.base is None)
        pending = PendingEdit(edit.base, edit.value, draft.id, mark, beside=beside, untyped=untyped)
        if cell in rivals:
            pending = replace(pending, theirs=rivals[cell][-1], rival=True, others=rivals[cell][:-1])
        found[role, edit.row_key, edit.column] = pending
    return found


def describe_kpi(row: Row | None) -> CellValue:
    """A KPI row in one cell, for a conflict over its deletion; None where there is no row."""
    if row is None:
        return None
    return " | ".join(format_value(value) for value in row[LAYOUTS[KPIS].key_width :] if value not in (EMPTY, None))


def deletions_of(draft: WorkbenchDraft) -> dict[Cell, CellValue]:
    """For each proposed deletion of a draft: the published KPI row it started from."""
    edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
    under = draft.base.policy or PolicySnapshot()
    found: dict[Cell, CellValue] = {}
    for edit in edits:
        if edit.column == PRESENCE and edit.value is None:
            values = [read_cell(under, cell_at(edit.row_key, column)) for column in KPI_COLUMNS]
            found[KPIS, edit.row_key, PRESENCE] = describe_kpi((*edit.row_key, *values))
    return found


def dropped_rows(draft: WorkbenchDraft, tables: Mapping[Role, Mapping[RowKey, Row]]) -> dict[RowKey, Row]:
    """The KPI rows that publish dropped under pending edits of a draft, as they were when the edits were made.

    Such a row stands whole until the conflict is decided: its other cells are no less what the edits are about.
    """
    edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
    under = draft.base.policy or PolicySnapshot()
    keys = {edit.row_key for edit in edits if is_kpi_column(edit.column)} - tables[KPIS].keys()
    return {
        key: (*key, *(read_cell(under, cell_at(key, column)) for column in KPI_COLUMNS))
        for key in sorted(keys)
        if key[1] in under.kpis
    }


def fate_of(
    catalogue: Catalogue,
    spreadsheet_id: str,
    draft_id: str,
    cell: Cell,
    was: CellValue | Nothing = UNKNOWN,
    now: PendingEdit | None = None,
) -> str:
    """What became of an overlay that this spreadsheet shows no longer: `published`, or `rejected: …` with the reason.

    `was`: its value. `now`: what is pending in the cell; "" where that took its place, and nobody decided against it.
    """
    end = catalogue.successor(draft_id).draft
    role, key, column = cell
    title = LAYOUTS[role].title
    where = (title, key, column)
    if now is not None and end.id == now.draft_id:
        return _decided_against(catalogue, spreadsheet_id, draft_id, where, was, now.value)
    mine = edit_in(end, where)
    if mine is not None and was is not UNKNOWN:  # another edit may have taken its place before that was published
        against = _decided_against(catalogue, spreadsheet_id, draft_id, where, was, mine.value)
        if against:
            return against
    if mine is not None and end.status == "published":
        value = read_cell(end.policy_snapshot, cell_at(key, column))
        # an operator may have changed the cell in the draft: then the owner's value is not what was published
        return "published" if value == mine.value else f"rejected: published as {format_value(value) or 'empty'}"
    if mine is not None and end.status == "discarded":  # whatever was decided about the cell before
        return f"rejected: {end.closed_reason}"
    for one in reversed(end.conflicts):
        if (one.tab, one.row_key) != (title, key):
            continue
        stood = one.column == column and mine is not None and mine.value == one.theirs  # until its owners took it back
        if one.resolution == "theirs" and not stood and _went_with(one, column, was):
            return f"rejected: {'the deletion' if one.theirs is None else 'the published value'} was kept"
        if column == PRESENCE and one.theirs is None:  # its deletion is what the others' edits are in conflict with
            return "rejected: the row was changed in another spreadsheet"
    if role == POLICY and key[1] not in end.spec_snapshot.scope_names():  # an import that lacks it came between
        return f"rejected: scope {key[1]} no longer exists"
    if role == POLICY and mine is not None and end.status == "open":
        return f"rejected: scope {key[1]} is not in what was published; {end.id} still has the edit"
    if any((one.tab, one.row_key, one.resolution) == (title, key, "theirs") for one in end.conflicts):
        typed = edit_in(catalogue.history_of(catalogue.draft(draft_id).draft)[0][1], where)
        under = read_cell(end.base.policy or PolicySnapshot(), cell_at(key, column))
        if typed is not None and typed.value == under is not None and catalogue.published(key[0]) is not None:
            return "published"  # a neighbour was decided for what is published, and of that it is, too
    return f"rejected: {end.closed_reason}" if end.closed_reason else "rejected: the edit was withdrawn"


def _went_with(conflict: Conflict, column: str, was: CellValue | Nothing) -> bool:
    """Was it the cell that was decided, or one of a row that went, or a neighbour's: a lock without a firearm?"""
    if conflict.column == column or (conflict.theirs is None and column != PRESENCE):
        return True
    row = {conflict.column: conflict.theirs, column: None if isinstance(was, Nothing) else was}
    return row.keys() == set(FIREARM_COLUMNS) and locks_nothing(row["firearm_id"], row["strategy_lock"])


def _decided_against(
    catalogue: Catalogue, spreadsheet_id: str, draft_id: str, where: Where, was: CellValue | Nothing, now: CellValue
) -> str:
    """Was this value of a cell decided against, in its draft or in one that followed, before another took its place?

    Where the other owner's value took its place, that is told where it was typed: his own sheet may have shown it, too.
    """
    draft: WorkbenchDraft | None = catalogue.draft(draft_id).draft
    while draft is not None and was != now:
        for one in draft.conflicts:
            if (one.tab, one.row_key, one.column) != where:
                continue
            if one.resolution == "yours" and one.theirs == was:
                return OTHERS
            if one.resolution == "theirs" and one.yours == was and one.theirs != now:
                return "rejected: the published value was kept"
            if one.resolution == "theirs" and one.yours == was and _typed_in(catalogue, draft, one) == spreadsheet_id:
                return OTHERS
        draft = catalogue.draft(draft.superseded_by).draft if draft.superseded_by else None
    return ""


def _typed_in(catalogue: Catalogue, draft: WorkbenchDraft, conflict: Conflict) -> str:
    """The spreadsheet in which the conflict's edit was made: the draft's in which it first was, of those before."""
    where, first = (conflict.tab, conflict.row_key, conflict.column), draft
    while draft.supersedes is not None:
        draft = catalogue.draft(draft.supersedes).draft
        edit = edit_in(draft, where)
        edited = edit is not None and edit.value == conflict.yours
        if not edited and not any(
            (one.tab, one.row_key, one.column, one.yours) == (*where, conflict.yours) for one in draft.conflicts
        ):
            break
        first = draft
    return first.origin.spreadsheet_id if isinstance(first.origin, SheetOrigin) else ""
