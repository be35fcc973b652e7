"""A scope's firearm and lock after a conflict was decided: pure.

A pending edit of one of them may not fit what was published in the other one meanwhile, for a lock needs a firearm to
lock; publish takes no such merge. That is a conflict with what is published, though the edited cell's own value did not
move. How it is found is in `sync`; how any conflict is decided is in `conflicts`.

A lock goes with its firearm, unasked. A firearm never comes with a lock: it is a conflict of its own, which is decided
next.
"""

from __future__ import annotations

from sheetsync.domain.cells import FIREARM_COLUMNS, KPI_TAB, POLICY_TAB, cell_at, locks_nothing, read_cell, with_cells
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot

LOCK = "strategy_lock"


def fit_row(draft: WorkbenchDraft, conflict: Conflict, side: str, live: PolicySnapshot | None) -> WorkbenchDraft:
    """The draft in which this conflict was decided, with a row of the policy that publish takes, or in conflict.

    Where the owner's edit stands against what is published, his row is to stand: without a firearm, the published lock
    goes with it. The firearm of his lock is asked about, in a conflict of its own: nobody typed it, and operators took
    it off. After a decision between two owners what is published is still to be decided.
    `live`: what is published; None if nothing ever was.
    """
    origin, key = draft.origin, conflict.row_key
    if live is None or not isinstance(origin, SheetOrigin) or cell_at(key, conflict.column).tab == KPI_TAB:
        return draft
    edit = _unfit(draft, origin, conflict, live)
    if edit is None:
        return draft
    published = {cell_at(key, column): read_cell(live, cell_at(key, column)) for column in FIREARM_COLUMNS}
    at = cell_at(key, edit.column)
    if side != "yours" or (conflict.column, conflict.theirs) != (edit.column, published[at]):
        fresh = Conflict(
            tab=edit.tab, row_key=key, column=edit.column, base=edit.base, yours=edit.value, theirs=published[at]
        )
        return draft.model_copy(update={"conflicts": (*draft.conflicts, fresh)})
    (other,) = published.keys() - {at}
    under, mine = draft.base.policy or PolicySnapshot(), read_cell(draft.policy_snapshot, other)
    conflicts, start = draft.conflicts, published[other]
    if edit.column == LOCK:
        start = read_cell(under, other)
        fresh = Conflict(
            tab=edit.tab, row_key=key, column=other.column, base=start, yours=mine, theirs=published[other]
        )
        conflicts = (*conflicts, fresh)
    else:
        under = with_cells(under, published)
    beside = SheetEdit(tab=edit.tab, cell="", row_key=key, column=other.column, base=start, value=mine)
    return draft.model_copy(
        update={
            "base": draft.base.model_copy(update={"policy": under}),
            "origin": origin.model_copy(update={"edits": (*origin.edits, beside)}),
            "conflicts": conflicts,
        }
    )


def is_beside(edit: SheetEdit) -> bool:
    """Was it laid beside an edit: the firearm of a lock, or the open lock of `NONE`? Then it is nobody's edit.

    Decided for, it starts elsewhere.
    """
    return edit.tab == POLICY_TAB and edit.cell == "" and edit.base == edit.value


def _unfit(draft: WorkbenchDraft, origin: SheetOrigin, conflict: Conflict, live: PolicySnapshot) -> SheetEdit | None:
    """The row's edit that does not fit what is published beside it, is in no open conflict, and stands in the draft."""
    edits = {one.column: one for one in origin.edits if (one.tab, one.row_key) == (conflict.tab, conflict.row_key)}
    row: dict[str, CellValue] = {
        column: edits[column].value if column in edits else read_cell(live, cell_at(conflict.row_key, column))
        for column in FIREARM_COLUMNS
    }
    if not locks_nothing(row["firearm_id"], row[LOCK]) or len(edits) != 1:
        return None
    (edit,) = edits.values()
    where = (edit.tab, edit.row_key, edit.column)
    if any((one.tab, one.row_key, one.column) == where for one in draft.open_conflicts()):
        return None
    return edit if read_cell(draft.policy_snapshot, cell_at(edit.row_key, edit.column)) == edit.value else None
