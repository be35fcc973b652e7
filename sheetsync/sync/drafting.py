"""Events into drafts: what the pull transaction saves. Pure; the transaction itself is in `services.syncing`.

A new sheet draft starts from the connector's open sheet draft, with all that operators did to it; else from published;
else (never published) from its newest open draft. It carries all pending edits and supersedes what it started from.
What that makes of each cell is in `draft_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, field, replace
from datetime import datetime

from sheetsync.domain.cells import cell_at, policy_cells, read_cell
from sheetsync.domain.draft import Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.problems import Problem
from sheetsync.domain.wording import cell_loosening
from sheetsync.errors import DefectError
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.registry.live import LiveConnector
from sheetsync.registry.publish import mend_overtaken, merge_with_live
from sheetsync.sync.decide import Nothing, PendingEdit
from sheetsync.sync.draft_rows import DraftRows, without_dropped
from sheetsync.sync.outcome import ConflictMark, EditEvent, Plan
from sheetsync.sync.tabs import POLICY, Cell, RowKey, role_of, title_of
from sheetsync.sync.view import base_policy

SPENT = "its edits were decided for what is published, and nothing was left"


@dataclass
class DraftChanges:
    """The drafts to save: new ones, and those that change (superseded, or marked), with what they were read from."""

    new: list[WorkbenchDraft] = field(default_factory=list)
    changed: list[tuple[WorkbenchDraft, StoredDraft]] = field(default_factory=list)
    ids: dict[str, str] = field(default_factory=dict)  # connector → its draft after this
    reported: list[tuple[WorkbenchDraft, list[EditEvent]]] = field(default_factory=list)


@dataclass(frozen=True)
class Pulled:
    """Who pulled what, when."""

    spreadsheet_id: str
    user: str
    at: datetime
    new_id: Callable[[], str]


def make_drafts(
    catalogue: Catalogue, events: list[EditEvent], marks: list[ConflictMark], pulled: Pulled
) -> DraftChanges:
    """The drafts that these events make, one a connector; conflict marks go into them, or into the standing drafts.

    Raises:
        RowRefusedError: a row of these events fits no draft; the comparison is then made again, and leaves it out.
    """
    changes = DraftChanges()
    own: dict[str, list[EditEvent]] = {}
    for event in events:
        own.setdefault(event.connector_id, []).append(event)
    mine: dict[str, list[ConflictMark]] = {}
    for mark in marks:
        mine.setdefault(mark.cell[1][0], []).append(mark)
    for connector in sorted(own):
        _make_draft(catalogue, connector, own[connector], mine.get(connector, []), pulled, changes)
    rest: dict[str, list[ConflictMark]] = {}
    for mark in marks:
        if mark.cell[1][0] not in changes.ids:
            rest.setdefault(mark.draft_id, []).append(mark)
    for draft_id, own_marks in sorted(rest.items()):
        stored = catalogue.draft(draft_id)
        draft = stored.draft.model_copy(update={"conflicts": _marked(stored.draft.conflicts, own_marks)})
        live = catalogue.published(draft.connector_id)
        changes.changed.append((draft if live is None else without_dropped(draft, live.policy().kpis), stored))
    return changes


def name_drafts(plan: Plan, changes: DraftChanges) -> None:
    """The drafts that the pending cells of the baseline are in now."""
    pending = plan.state.pending
    for event in plan.events:
        if event.edit is None or event.edit.untyped:
            pending.pop(event.cell, None)
        elif event.connector_id in changes.ids:
            pending[event.cell] = changes.ids[event.connector_id]
    for cell in pending:  # what was published, or rejected, under a cell that is bad by now is in no new draft
        if cell[1][0] in changes.ids and not plan.state.answers.get(cell, "").startswith(("published", "rejected")):
            pending[cell] = changes.ids[cell[1][0]]


def close_spent(drafts: Mapping[str, StoredDraft], live: Mapping[str, LiveConnector], changes: DraftChanges) -> None:
    """Close open sheet drafts in which nothing is left: their last edit was decided for what is published.

    Until a run sees it, such a draft may still be published. A row of a draft's base that publish dropped since goes.
    `drafts`: connector → its open sheet draft.
    """
    concerned = {stored.draft.id for _, stored in changes.changed}
    for connector, stored in sorted(drafts.items()):
        if connector not in live or stored.draft.id in concerned:
            continue
        draft = without_dropped(stored.draft, live[connector].kpis)
        if _is_spent(draft):
            draft = draft.model_copy(update={"status": "superseded", "closed_reason": SPENT})
        if draft is not stored.draft:
            changes.changed.append((draft, stored))


def _is_spent(draft: WorkbenchDraft) -> bool:
    """No pending edit, no open conflict, and nothing that an operator changed."""
    if not isinstance(draft.origin, SheetOrigin) or draft.origin.edits or draft.open_conflicts():
        return False
    under = draft.base.policy or PolicySnapshot()
    return draft.spec_snapshot == draft.base.spec and policy_cells(draft.policy_snapshot) == policy_cells(under)


def overtaken(catalogue: Catalogue, drafts: Mapping[str, StoredDraft], changes: DraftChanges) -> Iterator[Problem]:
    """Where publish refuses the owners' draft for what an operator changed in it: nobody is asked about that.

    `drafts`: as for `close_spent`.
    """
    now = {connector: stored.draft for connector, stored in drafts.items()}
    after = (*(draft for draft, _ in changes.changed), *changes.new)
    now |= {draft.connector_id: draft for draft in after if isinstance(draft.origin, SheetOrigin)}
    for connector, draft in sorted(now.items()):
        under, policy = draft.base.policy or PolicySnapshot(), base_policy(_without_overruled(draft))
        if draft.status != "open" or (policy == under and draft.spec_snapshot == draft.base.spec):
            continue
        live = catalogue.published(connector)
        if live is None or live.retired:
            continue
        if moved := merge_with_live(draft.model_copy(update={"policy_snapshot": policy}), live).moved:
            message = f"changed by an operator in the draft, and published differently since: {', '.join(moved)}"
            hint = f"ask an operator: {mend_overtaken(draft.id)}"
            yield Problem(code="overtaken_change", row_key=(connector,), message=message, hint=hint)


def _without_overruled(draft: WorkbenchDraft) -> WorkbenchDraft:
    """The draft without the edits that operators changed in it: only where they are in conflict is anybody asked."""
    if not isinstance(draft.origin, SheetOrigin):
        return draft
    asked = {(one.row_key, one.column) for one in draft.open_conflicts()}
    edits = tuple(
        one for one in draft.origin.edits
        if (one.row_key, one.column) in asked
        or read_cell(draft.policy_snapshot, cell_at(one.row_key, one.column)) == one.value
    )  # fmt: skip
    return draft.model_copy(update={"origin": draft.origin.model_copy(update={"edits": edits})})


def _make_draft(
    catalogue: Catalogue,
    connector: str,
    events: list[EditEvent],
    marks: list[ConflictMark],
    pulled: Pulled,
    changes: DraftChanges,
) -> None:
    live = catalogue.published(connector)
    live_policy = live.policy() if live is not None and not live.retired else None
    old = catalogue.proposed(connector) if live_policy is None else catalogue.newest_open(connector, sheet=True)
    base = catalogue.base_of(connector)
    spec = (
        old.draft.spec_snapshot
        if old and _spec_is_own(old.draft, live_policy is None)
        else (live.spec if live else None)
    )
    if spec is None:
        raise DefectError(f"an edit belongs to {connector!r}, which has neither a draft nor a published state")
    scopes = frozenset(spec.scope_names())
    carried = {cell: edit for cell, edit in _carried(old, events).items() if _has_scope(edit, scopes)}
    base_policy, policy = _lay(old, live_policy, carried.values(), events).lay(scopes)
    edits = carried | {
        event.cell: edit
        for event in events
        if event.edit is not None and _has_scope(edit := _sheet_edit(event, event.edit), scopes)
    }
    conflicts = tuple(one for one in _conflicts(old, events, marks) if _has_scope(one, scopes))
    if live_policy is not None:
        conflicts += _unmarked(edits.values(), live_policy, conflicts)
    keep = (
        live_policy is None or bool(edits) or policy_cells(policy) != policy_cells(base_policy)
        or (live is not None and spec != live.spec)
    )  # fmt: skip
    new = None
    if keep:
        origin = SheetOrigin(spreadsheet_id=pulled.spreadsheet_id, edits=tuple(edits.values()), pulled_at=pulled.at)
        new = WorkbenchDraft(
            id=pulled.new_id(), connector_id=connector, stage="policy", spec_snapshot=spec, policy_snapshot=policy,
            origin=origin, base=base.model_copy(update={"policy": base_policy}), conflicts=conflicts,
            supersedes=old.draft.id if old else None, created_by=pulled.user, created_at=pulled.at,
        )  # fmt: skip
        changes.new.append(new)
        changes.ids[connector] = new.id
        typed = [event for event in events if event.edit is not None and not event.edit.untyped]
        changes.reported.append((new, typed))
    if old is not None:
        closed = {"status": "superseded", "superseded_by": new.id if new else None}
        reason = {} if new else {"closed_reason": "the owners took back all their edits"}
        changes.changed.append((old.draft.model_copy(update=closed | reason), old))


def _unmarked(edits: Iterable[SheetEdit], live: PolicySnapshot, known: Iterable[Conflict]) -> tuple[Conflict, ...]:
    """The conflicts of edits that started from no row with one that was published since, unless they are open already.

    The comparison marks them only where the row stands, and can be read; their base is what is published, either way.
    """
    marked = {(one.tab, one.row_key, one.column) for one in known if one.resolution is None}
    return tuple(
        Conflict(tab=one.tab, row_key=one.row_key, column=one.column, base=None, yours=one.value, theirs=now)
        for one in edits
        if one.base is None and (one.tab, one.row_key, one.column) not in marked
        and (now := read_cell(live, cell_at(one.row_key, one.column))) not in (None, one.value)
    )  # fmt: skip


def _lay(
    old: StoredDraft | None, live: PolicySnapshot | None, carried: Iterable[SheetEdit], events: list[EditEvent]
) -> DraftRows:
    """The rows that are not simply as published."""
    if old is None:
        rows = DraftRows(live or PolicySnapshot(), PolicySnapshot(), PolicySnapshot(), never=live is None)
    else:
        sheet = isinstance(old.draft.origin, SheetOrigin)
        under = old.draft.base.policy or PolicySnapshot() if sheet else old.draft.policy_snapshot
        stand_in = base_policy(old.draft) if live is None else live
        mine = old.draft.policy_snapshot
        rows = DraftRows(stand_in, under, mine, never=live is None, old_id=old.draft.id)
        rows.take_operators(_edits_of(old.draft))
    rows.take_carried(carried)
    rows.take_new(events)
    return rows


def _edits_of(draft: WorkbenchDraft) -> tuple[SheetEdit, ...]:
    return draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()


def _has_scope(one: SheetEdit | Conflict, scopes: Set[str]) -> bool:
    """Is it about a KPI, or about a scope that there is? Others went with an import or a publish, and are answered."""
    return one.tab != title_of(POLICY) or one.row_key[1] in scopes


def _carried(old: StoredDraft | None, events: list[EditEvent]) -> dict[Cell, SheetEdit]:
    """The pending edits of the superseded draft, without those that the owners took back."""
    if old is None or not isinstance(old.draft.origin, SheetOrigin):
        return {}
    gone = {event.cell for event in events if event.edit is None}
    cells = {_cell_of(edit.tab, edit.row_key, edit.column): edit for edit in old.draft.origin.edits}
    return {cell: edit for cell, edit in cells.items() if cell not in gone}


def _cell_of(tab: str, row_key: RowKey, column: str) -> Cell:
    return role_of(tab) or tab, row_key, column


def _sheet_edit(event: EditEvent, edit: PendingEdit) -> SheetEdit:
    role, key, column = event.cell
    return SheetEdit(tab=title_of(role), cell=event.a1, row_key=key, column=column, base=edit.base, value=edit.value)


def _spec_is_own(draft: WorkbenchDraft, never: bool) -> bool:
    """Did operators change the draft's spec, or is there no other?"""
    return never or draft.spec_snapshot != draft.base.spec


def _conflicts(old: StoredDraft | None, events: list[EditEvent], marks: list[ConflictMark]) -> tuple[Conflict, ...]:
    """Conflicts carried over (decided ones too, so that their answers last), without those of cells edited since."""
    edited = {event.cell for event in events}
    kept = tuple(
        one for one in (old.draft.conflicts if old else ()) if _cell_of(one.tab, one.row_key, one.column) not in edited
    )
    kept = _marked(kept, [mark for mark in marks if mark.cell not in edited])
    fresh = [
        one
        for event in events if event.edit is not None
        for one in _conflicts_of(event.cell, replace(event.edit, value=event.value))
    ]  # fmt: skip
    return (*kept, *fresh)


def _marked(conflicts: tuple[Conflict, ...], marks: list[ConflictMark]) -> tuple[Conflict, ...]:
    for mark in marks:
        role, key, column = mark.cell
        conflicts = tuple(
            one for one in conflicts
            if one.resolution is not None or (one.tab, one.row_key, one.column) != (title_of(role), key, column)
        )  # fmt: skip
        if not isinstance(mark.theirs, Nothing):
            conflicts = (*conflicts, *_conflicts_of(mark.cell, mark.edit))
    return conflicts


def _conflicts_of(cell: Cell, edit: PendingEdit) -> list[Conflict]:
    role, key, column = cell
    return [
        Conflict(tab=title_of(role), row_key=key, column=column, base=edit.base, yours=edit.value, theirs=theirs)
        for theirs in edit.all_theirs
    ]


def find_loosening(catalogue: Catalogue, draft: WorkbenchDraft, cells: Iterable[Cell]) -> set[Cell]:
    """Those of a draft's edited cells whose edit loosens what is published."""
    live = catalogue.published(draft.connector_id)
    published, policy = None if live is None else live.policy(), draft.policy_snapshot
    return {cell for cell in cells if cell_loosening(published, policy, cell_at(cell[1], cell[2])) is not None}
