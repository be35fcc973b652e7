"""Taking owners' pending edits out of a draft: what is left of it without them.

Used when a sheet draft is discarded; resolving a single conflict is in `conflicts`.
"""

from __future__ import annotations

from sheetsync.domain.cells import KPI_NAME, KPI_TAB, PolicyCell, cell_at, locks_nothing, read_cell, with_cells
from sheetsync.domain.draft import CellValue, DraftBase, SheetOrigin, WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.policy import PolicySnapshot


def without_pending(draft: WorkbenchDraft) -> PolicySnapshot:
    """The draft's policy with each pending cell back at what its edit started from; operators' work stays.

    A KPI row that owners added goes; one they dropped comes back as it was in the draft's base, or stays as operators
    put it back.
    """
    if not isinstance(draft.origin, SheetOrigin):
        return draft.policy_snapshot
    base = draft.base.policy or PolicySnapshot()
    changes: dict[PolicyCell, CellValue] = {}
    policy = draft.policy_snapshot
    for edit in draft.origin.edits:
        cell = cell_at(edit.row_key, edit.column)
        if edit.column == KPI_NAME and edit.value is None and cell.name in draft.policy_snapshot.kpis:
            continue
        if cell.tab == KPI_TAB and (edit.column == KPI_NAME or edit.base is None or cell.name not in base.kpis):
            policy = with_kpi_row(policy, cell.name, base)
        else:
            changes[cell] = read_cell(base, cell)
    gone = {cell.name for cell in changes if cell.tab == KPI_TAB and cell.name not in policy.kpis}
    kept = {cell: value for cell, value in changes.items() if not (cell.tab == KPI_TAB and cell.name in gone)}
    return with_cells(policy, _whole_bindings(policy, base, kept))


def with_kpi_row(policy: PolicySnapshot, name: str, source: PolicySnapshot) -> PolicySnapshot:
    """The policy with this KPI as `source` has it, which may be not at all."""
    kpis = {key: value for key, value in policy.kpis.items() if key != name}
    if name in source.kpis:
        kpis[name] = source.kpis[name]
    return PolicySnapshot(firearms=policy.firearms, kpis=kpis)


def _whole_bindings(
    policy: PolicySnapshot, base: PolicySnapshot, changes: dict[PolicyCell, CellValue]
) -> dict[PolicyCell, CellValue]:
    """Where a cell put back alone would break a rule (a lock with NONE), its neighbour goes back with it."""
    whole = dict(changes)
    for cell in changes:
        if cell.tab == KPI_TAB:
            continue
        other = PolicyCell(cell.tab, cell.name, "strategy_lock" if cell.column == "firearm_id" else "firearm_id")
        row = {column.column: value for column, value in whole.items() if column[:2] == cell[:2]}
        row.setdefault(other.column, read_cell(policy, other))
        if locks_nothing(row["firearm_id"], row["strategy_lock"]):
            whole[other] = read_cell(base, other)
            whole[cell] = read_cell(base, cell)
    return whole


def withdrawn_draft(draft: WorkbenchDraft, *, draft_id: str) -> WorkbenchDraft:
    """The open draft that a discarded sheet draft of a connector never published leaves behind.

    It supersedes the discarded one, so that who wrote its content stays known.
    """
    return draft.model_copy(
        update={
            "id": draft_id,
            "policy_snapshot": without_pending(draft),
            "origin": WorkbenchOrigin(why="withdrawn"),
            "base": DraftBase(),
            "validation": None,
            "conflicts": (),
            "approvals": (),
            "supersedes": draft.id,
        }
    )
