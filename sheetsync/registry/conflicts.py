"""Deciding a draft's conflicts: pure. How conflicts are found is in `sync`.

*Yours* is the owner's value in the draft, *theirs* the store's. Resolved as yours, the edit and the draft's base stand
on theirs, so that publish finds nothing moved; resolved as theirs, the edit is withdrawn and answered `rejected`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final, Literal

from sheetsync.domain.cells import EMPTY, KPI_COLUMNS, KPI_NAME, KPI_TAB, PolicyCell, cell_at, read_cell, with_cells
from sheetsync.domain.draft import CellValue, Conflict, DraftBase, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.wording import show_value
from sheetsync.errors import NotFoundError
from sheetsync.registry.withdraw import with_kpi_row

Side = Literal["yours", "theirs"]
SHOWN: Final = 80


def find_conflict(draft: WorkbenchDraft, row_key: Sequence[str], column: str | None) -> Conflict:
    """The open conflict over a cell; `column` may be None where the row has only one such cell.

    Where several owners edited one cell, not seeing each other's edits: the newest, which is the one that is shown.

    Raises:
        NotFoundError: there is none, or several; the hint lists the open ones.
    """
    key = tuple(row_key)
    found = [one for one in draft.open_conflicts() if one.row_key == key and column in (None, one.column)]
    if found and len({(one.tab, one.column) for one in found}) == 1:
        return found[-1]
    what = "several open conflicts" if found else "no open conflict"
    raise _not_found(draft, f"{what} over {'/'.join(key)} {column or ''}")


def is_newest(draft: WorkbenchDraft, conflict: Conflict) -> bool:
    """Is it the conflict that `find_conflict` finds over its cell?"""
    found = [one for one in draft.open_conflicts() if (one.row_key, one.column) == (conflict.row_key, conflict.column)]
    return bool(found) and found[-1] == conflict


def choose_conflicts(draft: WorkbenchDraft, row: str | None, column: str | None) -> tuple[Conflict, ...]:
    """The open conflicts of one row (its name or its whole key) and one column; None: of all.

    Raises:
        NotFoundError: a row or column was named, and there is no conflict; the hint lists the open ones.
    """
    found = tuple(
        one
        for one in draft.open_conflicts()
        if row in (None, one.row_key[-1], "/".join(one.row_key)) and column in (None, one.column)
    )
    if not found and (row, column) != (None, None):
        raise _not_found(draft, f"no open conflict over {(row or '')[:SHOWN]} {(column or '')[:SHOWN]}")
    return found


def _not_found(draft: WorkbenchDraft, what: str) -> NotFoundError:
    listed = ", ".join(f"{'/'.join(one.row_key)} {one.column}" for one in draft.open_conflicts()) or "none"
    return NotFoundError(f"{draft.id} has {' '.join(what.split())}", hint=f"open conflicts: {listed}")


def resolve(
    draft: WorkbenchDraft,
    conflict: Conflict,
    side: Side,
    *,
    live: PolicySnapshot,
    rival: SheetEdit | None = None,
    others: Sequence[Conflict] = (),
) -> WorkbenchDraft:
    """The draft with this conflict decided. `live`: what is published now (or its stand-in), for whole KPI rows.

    `rival`: the other owner's edit, where it is with one: the draft goes on with the edit that is chosen.
    `others`: the row's other open conflicts that are with other owners' edits, not with what is published.
    """
    if rival is not None:
        return _resolve_rival(draft, conflict, side, rival, live, others)
    cell = cell_at(conflict.row_key, conflict.column)
    base = draft.base.policy or PolicySnapshot()
    whole_row = cell.tab == KPI_TAB and (cell.column == KPI_NAME or _row_comes_or_goes(cell, conflict, base))
    new_base = with_kpi_row(base, cell.name, live) if whole_row else _with_cell(base, cell, conflict, live)
    changed = _resolved(draft, conflict, side, live, whole_row=whole_row, others=others)
    changed = changed.model_copy(update={"base": _moved(draft.base, new_base)})
    if side == "yours":
        if not whole_row:
            return changed
        return (
            _propose_row(changed, conflict, base) if conflict.theirs is None else _fill_row(changed, cell, base, live)
        )
    if whole_row:
        return changed.model_copy(update={"policy_snapshot": with_kpi_row(draft.policy_snapshot, cell.name, live)})
    return _with_policy(changed, conflict, _with_cell(draft.policy_snapshot, cell, conflict, live))


def _propose_row(draft: WorkbenchDraft, conflict: Conflict, before: PolicySnapshot) -> WorkbenchDraft:
    """The owner's edits of a KPI that publish dropped stand: the row is proposed anew, all its cells as they stand."""
    origin = draft.origin
    if not isinstance(origin, SheetOrigin) or conflict.yours is None:
        return draft
    edited = {edit.column for edit in origin.edits if edit.row_key == conflict.row_key}
    values = {column: read_cell(before, cell_at(conflict.row_key, column)) for column in KPI_COLUMNS}
    rest = tuple(
        SheetEdit(tab=conflict.tab, cell="", row_key=conflict.row_key, column=column, base=None, value=value)
        for column, value in values.items()
        if column not in edited and value not in (EMPTY, None)
    )
    return draft.model_copy(update={"origin": origin.model_copy(update={"edits": (*origin.edits, *rest)})})


def _fill_row(draft: WorkbenchDraft, cell: PolicyCell, before: PolicySnapshot, live: PolicySnapshot) -> WorkbenchDraft:
    """The owner's KPI stands on the one that was published meanwhile: of that are the cells that nobody changed."""
    edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
    edited = {edit.column for edit in edits if cell_at(edit.row_key, edit.column)[:2] == cell[:2]}
    rest: dict[PolicyCell, CellValue] = {}
    for column in KPI_COLUMNS:
        at = cell._replace(column=column)
        started = read_cell(before, at)
        if column not in edited and read_cell(draft.policy_snapshot, at) in (
            EMPTY if started is None else started,
            None,
        ):
            rest[at] = read_cell(live, at)
    if KPI_NAME in edited or cell.name not in live.kpis or not rest:
        return draft
    return draft.model_copy(update={"policy_snapshot": with_cells(draft.policy_snapshot, rest)})


def _resolve_rival(
    draft: WorkbenchDraft,
    conflict: Conflict,
    side: Side,
    rival: SheetEdit,
    live: PolicySnapshot,
    others: Sequence[Conflict],
) -> WorkbenchDraft:
    """One of two owners' edits stands, and the draft's base stays: what was published meanwhile is a conflict then.

    More owners' edits of the cell are in conflict with the one that is taken, until each was decided.
    """
    deletes = rival.value is None
    published = None if side == "theirs" or deletes else _with_published(draft, conflict, live)
    if published is not None:  # decided against all, and what is published is one of them
        return resolve(draft, published, side, live=live, others=others)

    def same(one: SheetEdit | Conflict) -> bool:
        return one.row_key == conflict.row_key and (one.column == conflict.column or (deletes and _is_kpi(one)))

    def decided(one: Conflict) -> Conflict:
        if not same(one) or one.resolution is not None:
            return one
        taken = side == "theirs" and (deletes or one.theirs == rival.value)
        if taken or (side == "yours" and (one.theirs is None) == deletes):
            return one.model_copy(update={"resolution": side})
        return one if side == "yours" else one.model_copy(update={"yours": rival.value})

    changed = draft.model_copy(update={"conflicts": tuple(map(decided, draft.conflicts))})
    if not isinstance(draft.origin, SheetOrigin):
        return changed
    if side == "yours":
        return _against_published(_without_kept(changed, conflict, live), conflict, live)
    if deletes:
        return _take_deletion(changed, conflict, rival, live)
    edits = [edit.model_copy(update={"value": rival.value}) if same(edit) else edit for edit in draft.origin.edits]
    policy = _with_cell(draft.policy_snapshot, cell_at(conflict.row_key, conflict.column), conflict, live)
    return _against_published(_with_policy(_with_edits(changed, edits), conflict, policy), conflict, live)


def _take_deletion(
    draft: WorkbenchDraft, conflict: Conflict, deletion: SheetEdit, live: PolicySnapshot
) -> WorkbenchDraft:
    """The other owner's deletion of the KPI stands, and no edit of the row."""
    name = conflict.row_key[-1]
    gone = (deletion,) if name in live.kpis else ()  # of a row that is only proposed nothing is left to propose
    rest = (edit for edit in _edits_of(draft) if edit.row_key != conflict.row_key or not _is_kpi(edit))
    draft = draft.model_copy(update={"policy_snapshot": with_kpi_row(draft.policy_snapshot, name, PolicySnapshot())})
    return _against_published(_with_edits(draft, (*rest, *gone)), conflict, live)


def _with_published(draft: WorkbenchDraft, conflict: Conflict, live: PolicySnapshot) -> Conflict | None:
    """The open conflict over the same cell whose other value is what is published now."""
    now = read_cell(live, cell_at(conflict.row_key, conflict.column))
    where = (conflict.row_key, conflict.column, now)
    found = [one for one in draft.open_conflicts() if (one.row_key, one.column, one.theirs) == where]
    return found[-1] if found and now is not None else None


def _without_kept(draft: WorkbenchDraft, conflict: Conflict, live: PolicySnapshot) -> WorkbenchDraft:
    """Without the cell's edit, where the published value was kept before, and now against the last other owner."""
    where = (conflict.row_key, conflict.column)
    own = [one for one in draft.conflicts if (one.row_key, one.column) == where]
    if any(one.resolution is None for one in own) or all(one.resolution != "theirs" for one in own):
        return draft
    now = read_cell(live, cell_at(*where))
    return _with_edits(
        draft, (edit for edit in _edits_of(draft) if (edit.row_key, edit.column) != where or _moves(edit, now))
    )


def _moves(edit: SheetEdit, now: CellValue) -> bool:
    return edit.base != now or edit.value != now


def _against_published(draft: WorkbenchDraft, conflict: Conflict, live: PolicySnapshot) -> WorkbenchDraft:
    """What was published under edits that were in conflict with one another is in conflict with the one that stands.

    Until these were decided, no run marked that.
    """
    undecided = {(one.row_key, one.column) for one in draft.open_conflicts()}
    found = []
    for edit in _edits_of(draft):
        at = cell_at(edit.row_key, edit.column)
        if edit.row_key != conflict.row_key or at.tab != cell_at(edit.row_key, conflict.column).tab:
            continue
        if (edit.row_key, edit.column) in undecided:
            continue
        now = _now_under(edit, at, draft.base.policy or PolicySnapshot(), live)
        if now not in (edit.base, edit.value):
            found.append(
                Conflict(
                    tab=edit.tab, row_key=edit.row_key, column=edit.column, base=edit.base, yours=edit.value, theirs=now
                )
            )
    return draft.model_copy(update={"conflicts": (*draft.conflicts, *found)})


def _now_under(edit: SheetEdit, at: PolicyCell, base: PolicySnapshot, live: PolicySnapshot) -> CellValue:
    """What is published under an edit; under a deletion: its base, unless any cell of the row moved."""
    if edit.column != KPI_NAME:
        return read_cell(live, at)
    row = live.kpis.get(at.name)
    if row is None or row == base.kpis.get(at.name):
        return None if row is None else edit.base
    values = [read_cell(live, at._replace(column=column)) for column in KPI_COLUMNS]
    return " | ".join(show_value(value) for value in values if value != EMPTY)


def _edits_of(draft: WorkbenchDraft) -> tuple[SheetEdit, ...]:
    return draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()


def _with_edits(draft: WorkbenchDraft, edits: Iterable[SheetEdit]) -> WorkbenchDraft:
    if not isinstance(draft.origin, SheetOrigin):
        return draft
    return draft.model_copy(update={"origin": draft.origin.model_copy(update={"edits": tuple(edits)})})


def _with_policy(draft: WorkbenchDraft, conflict: Conflict, policy: PolicySnapshot) -> WorkbenchDraft:
    """The draft with this policy; where a neighbour had to change with the cell, its edit is answered, too."""
    before, draft = draft.policy_snapshot, draft.model_copy(update={"policy_snapshot": policy})
    cell = cell_at(conflict.row_key, conflict.column)
    if cell.tab == KPI_TAB:
        return draft
    other = _neighbour(cell)
    value = read_cell(policy, other)
    if value == read_cell(before, other):
        return draft

    def same(one: SheetEdit | Conflict) -> bool:
        return one.row_key == conflict.row_key and one.column == other.column

    edits = [edit.model_copy(update={"value": value}) if same(edit) else edit for edit in _edits_of(draft)]
    if not any(map(same, edits)):
        start = read_cell(draft.base.policy or PolicySnapshot(), other)
        edits.append(
            SheetEdit(tab=other.tab, cell="", row_key=conflict.row_key, column=other.column, base=start, value=value)
        )
    conflicts = tuple(
        one.model_copy(update={"resolution": "theirs"}) if same(one) and one.resolution is None else one
        for one in draft.conflicts
    )
    draft = draft.model_copy(update={"conflicts": conflicts})
    return _with_edits(draft, (edit for edit in edits if not same(edit) or edit.value != edit.base))


def _neighbour(cell: PolicyCell) -> PolicyCell:
    return cell._replace(column="strategy_lock" if cell.column == "firearm_id" else "firearm_id")


def _row_comes_or_goes(cell: PolicyCell, conflict: Conflict, base: PolicySnapshot) -> bool:
    """Is the conflict about a KPI that is missing on one side?"""
    return cell.name not in base.kpis or conflict.theirs is None or conflict.yours is None


def _with_cell(policy: PolicySnapshot, cell: PolicyCell, conflict: Conflict, live: PolicySnapshot) -> PolicySnapshot:
    """The policy with theirs in the cell; where that alone breaks a rule, its neighbour gives way.

    A lock goes with its firearm; a lock that comes brings the live firearm.
    """
    changes = {cell: conflict.theirs}
    if cell.tab != KPI_TAB:
        other = _neighbour(cell)
        row = {cell.column: conflict.theirs, other.column: read_cell(policy, other)}
        if row["strategy_lock"] and row["firearm_id"] in ("NONE", ""):
            changes[other] = False if cell.column == "firearm_id" else read_cell(live, other)
            if cell.column == "strategy_lock" and changes[other] in ("NONE", ""):
                changes[cell] = False
    return with_cells(policy, changes)


def _moved(base: DraftBase, policy: PolicySnapshot) -> DraftBase:
    return base.model_copy(update={"policy": policy})


def _resolved(
    draft: WorkbenchDraft,
    conflict: Conflict,
    side: Side,
    live: PolicySnapshot,
    *,
    whole_row: bool,
    others: Sequence[Conflict],
) -> WorkbenchDraft:
    """The draft's edits and conflicts after the decision; a KPI row that comes or goes is decided as a whole.

    What other owners have in conflict stays undecided, unless it was decided against all, or the row goes.
    """

    def same(one: SheetEdit | Conflict) -> bool:
        return one.row_key == conflict.row_key and (one.column == conflict.column or (whole_row and _is_kpi(one)))

    own = [one for one in draft.open_conflicts() if same(one)]
    gone = whole_row and conflict.theirs is None
    now = {one.column: None if gone else read_cell(live, cell_at(one.row_key, one.column)) for one in own}
    now[conflict.column] = conflict.theirs
    if side == "yours":
        left = [one for one in own if one in others and (one.column != conflict.column or one.theirs is None)]
        moved = {one.column for one in own if one not in left}
        edits = [
            edit.model_copy(update={"base": now[edit.column]}) if same(edit) and edit.column in moved else edit
            for edit in _edits_of(draft)
        ]
    else:  # an edit that others are still in conflict with stands at what is published
        left = [] if gone else [one for one in own if one in others]
        kept = {one.column: {"base": now[one.column], "value": now[one.column]} for one in left}
        edits = [
            edit.model_copy(update=kept[edit.column]) if same(edit) else edit
            for edit in _edits_of(draft) if not same(edit) or edit.column in kept
        ]  # fmt: skip
    return _with_edits(_closed(draft, own, left, side, now), edits)


def _closed(
    draft: WorkbenchDraft, own: list[Conflict], left: list[Conflict], side: Side, now: Mapping[str, CellValue]
) -> WorkbenchDraft:
    """The draft with its own conflicts decided, but for those that are left; these are with what stands now."""

    def close(one: Conflict) -> Conflict:
        if one not in own:
            return one
        if one not in left:
            return one.model_copy(update={"resolution": side})
        return one if side == "yours" else one.model_copy(update={"base": now[one.column], "yours": now[one.column]})

    return draft.model_copy(update={"conflicts": tuple(map(close, draft.conflicts))})


def _is_kpi(one: SheetEdit | Conflict) -> bool:
    return cell_at(one.row_key, one.column).tab == KPI_TAB


def describe_conflict(conflict: Conflict) -> str:
    """`github/admin_write firearm_id: base …, yours …, theirs …`."""
    where = f"{'/'.join(conflict.row_key)} {conflict.column}"
    base, yours, theirs = (show_value(value) for value in (conflict.base, conflict.yours, conflict.theirs))
    return f"{where}: base {base}, yours {yours}, theirs {theirs}"
