"""Deciding a draft's conflicts: pure. How conflicts are found is in `sync`.

*Yours* is the owner's value in the draft, *theirs* the store's. Resolved as yours, the edit and the draft's base stand
on theirs, so that publish finds nothing moved; resolved as theirs, the edit is withdrawn and answered `rejected`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from sheetsync.domain.cells import EMPTY, KPI_COLUMNS, KPI_NAME, KPI_TAB, PolicyCell, cell_at, read_cell, with_cells
from sheetsync.domain.draft import Conflict, DraftBase, SheetEdit, SheetOrigin, WorkbenchDraft
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
    draft: WorkbenchDraft, conflict: Conflict, side: Side, *, live: PolicySnapshot, rival: SheetEdit | None = None
) -> WorkbenchDraft:
    """The draft with this conflict decided. `live`: what is published now (or its stand-in), for whole KPI rows.

    `rival`: the other owner's edit, where it is with one: the draft goes on with the edit that is chosen.
    """
    if rival is not None:
        return _resolve_rival(draft, conflict, side, rival, live)
    cell = cell_at(conflict.row_key, conflict.column)
    base = draft.base.policy or PolicySnapshot()
    whole_row = cell.tab == KPI_TAB and (cell.column == KPI_NAME or _row_comes_or_goes(cell, conflict, base))
    new_base = with_kpi_row(base, cell.name, live) if whole_row else _with_cell(base, cell, conflict, live)
    changed = _resolved(draft, conflict, side, whole_row=whole_row)
    changed = changed.model_copy(update={"base": _moved(draft.base, new_base)})
    if side == "yours":
        return _propose_row(changed, conflict, base) if whole_row and conflict.theirs is None else changed
    if whole_row:
        policy = with_kpi_row(draft.policy_snapshot, cell.name, live)
    else:
        policy = _with_cell(draft.policy_snapshot, cell, conflict, live)
    return changed.model_copy(update={"policy_snapshot": policy})


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


def _resolve_rival(
    draft: WorkbenchDraft, conflict: Conflict, side: Side, rival: SheetEdit, live: PolicySnapshot
) -> WorkbenchDraft:
    """One of two owners' edits stands; both started from what is published, so that the draft's base stays.

    More owners' edits of the cell are in conflict with the one that is taken, until each was decided.
    """
    deletes = rival.value is None

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
    if side == "yours" or not isinstance(draft.origin, SheetOrigin):
        return changed
    cell = cell_at(conflict.row_key, conflict.column)
    if deletes:
        gone = (rival,) if cell.name in live.kpis else ()  # of a row that is only proposed nothing is left to propose
        edits = (*(edit for edit in draft.origin.edits if not same(edit)), *gone)
        policy = with_kpi_row(draft.policy_snapshot, cell.name, PolicySnapshot())
    else:
        edits = tuple(
            edit.model_copy(update={"value": rival.value}) if same(edit) else edit for edit in draft.origin.edits
        )
        policy = _with_cell(draft.policy_snapshot, cell, conflict, live)
    origin = draft.origin.model_copy(update={"edits": edits})
    return changed.model_copy(update={"origin": origin, "policy_snapshot": policy})


def _row_comes_or_goes(cell: PolicyCell, conflict: Conflict, base: PolicySnapshot) -> bool:
    """Is the conflict about a KPI that is missing on one side?"""
    return cell.name not in base.kpis or conflict.theirs is None or conflict.yours is None


def _with_cell(policy: PolicySnapshot, cell: PolicyCell, conflict: Conflict, live: PolicySnapshot) -> PolicySnapshot:
    """The policy with theirs in the cell; where that alone breaks a rule, the live neighbour comes with it."""
    changes = {cell: conflict.theirs}
    if cell.tab != KPI_TAB:
        other = PolicyCell(cell.tab, cell.name, "strategy_lock" if cell.column == "firearm_id" else "firearm_id")
        row = {cell.column: conflict.theirs, other.column: read_cell(policy, other)}
        if row["strategy_lock"] and row["firearm_id"] in ("NONE", ""):
            changes[other] = read_cell(live, other)
            if cell.column == "strategy_lock" and changes[other] in ("NONE", ""):
                changes[cell] = False
    return with_cells(policy, changes)


def _moved(base: DraftBase, policy: PolicySnapshot) -> DraftBase:
    return base.model_copy(update={"policy": policy})


def _resolved(draft: WorkbenchDraft, conflict: Conflict, side: Side, *, whole_row: bool) -> WorkbenchDraft:
    """The draft's edits and conflicts after the decision; a KPI row that comes or goes is decided as a whole."""

    def same(one: SheetEdit | Conflict) -> bool:
        return one.row_key == conflict.row_key and (one.column == conflict.column or (whole_row and _is_kpi(one)))

    conflicts = tuple(
        one.model_copy(update={"resolution": side}) if same(one) and one.resolution is None else one
        for one in draft.conflicts
    )
    theirs = {one.column: one.theirs for one in draft.conflicts if same(one)}
    origin = draft.origin
    if isinstance(origin, SheetOrigin):
        if side == "theirs":
            edits = tuple(edit for edit in origin.edits if not same(edit))
        else:
            edits = tuple(
                edit.model_copy(update={"base": theirs[edit.column]}) if same(edit) and edit.column in theirs else edit
                for edit in origin.edits
            )
        origin = origin.model_copy(update={"edits": edits})
    return draft.model_copy(update={"origin": origin, "conflicts": conflicts})


def _is_kpi(one: SheetEdit | Conflict) -> bool:
    return cell_at(one.row_key, one.column).tab == KPI_TAB


def describe_conflict(conflict: Conflict) -> str:
    """`github/admin_write firearm_id: base …, yours …, theirs …`."""
    where = f"{'/'.join(conflict.row_key)} {conflict.column}"
    base, yours, theirs = (show_value(value) for value in (conflict.base, conflict.yours, conflict.theirs))
    return f"{where}: base {base}, yours {yours}, theirs {theirs}"
