"""Carrying owners' pending edits into a draft that an operator makes: pure.

A connector never published has only its open drafts, so that a newer one must hold the pending edits of the sheet draft
before it. How an import carries them is in `island.proposal`, how a pull does in `sync.drafting`.
"""

from __future__ import annotations

from sheetsync.domain.cells import KPI_NAME, KPI_TAB, POLICY_TAB, PolicyCell, cell_at, read_cell, with_cells
from sheetsync.domain.draft import Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError
from sheetsync.registry.withdraw import with_kpi_row


def carry_edits(draft: WorkbenchDraft, old: WorkbenchDraft) -> WorkbenchDraft:
    """The draft with the pending edits of `old`, which it supersedes, over its own content; that becomes its base.

    Edits of scopes that it lacks go, and are answered so. Where its content is neither what an edit started from nor
    what it goes to, the edit is in conflict.
    """
    scopes, under = set(draft.spec_snapshot.scope_names()), draft.policy_snapshot
    origin = old.origin
    edits = tuple(one for one in origin.edits if _fits(one, scopes)) if isinstance(origin, SheetOrigin) else ()
    changes: dict[str, object] = {"supersedes": old.id}
    if isinstance(origin, SheetOrigin) and edits:
        kept = tuple(one for one in old.conflicts if _fits(one, scopes))
        changes |= {
            "origin": origin.model_copy(update={"edits": edits}),
            "policy_snapshot": _lay_over(under, old.policy_snapshot, edits),
            "base": draft.base.model_copy(update={"policy": under}),
            "conflicts": (*kept, *_find_conflicts(under, edits, kept)),
        }
    return draft.model_copy(update=changes)


def _fits(one: SheetEdit | Conflict, scopes: set[str]) -> bool:
    return one.tab != POLICY_TAB or one.row_key[1] in scopes


def _lay_over(policy: PolicySnapshot, source: PolicySnapshot, edits: tuple[SheetEdit, ...]) -> PolicySnapshot:
    """The policy with the edited cells as `source` has them; where that alone is not valid, its whole row."""
    rows: dict[tuple[str, str], list[PolicyCell]] = {}
    for edit in edits:
        cell = cell_at(edit.row_key, edit.column)
        rows.setdefault((cell.tab, cell.name), []).append(cell)
    for (tab, name), cells in rows.items():
        comes_or_goes = tab == KPI_TAB and (name not in policy.kpis or any(cell.column == KPI_NAME for cell in cells))
        try:
            changed = None if comes_or_goes else with_cells(policy, {cell: read_cell(source, cell) for cell in cells})
        except InvalidContentError:
            changed = None
        policy = changed or _with_row(policy, source, tab, name)
    return policy


def _with_row(policy: PolicySnapshot, source: PolicySnapshot, tab: str, name: str) -> PolicySnapshot:
    if tab == KPI_TAB:
        return with_kpi_row(policy, name, source)
    firearms = {scope: binding for scope, binding in policy.firearms.items() if scope != name}
    if name in source.firearms:
        firearms[name] = source.firearms[name]
    return PolicySnapshot(firearms=firearms, kpis=policy.kpis)


def _find_conflicts(
    under: PolicySnapshot, edits: tuple[SheetEdit, ...], known: tuple[Conflict, ...]
) -> tuple[Conflict, ...]:
    marked = {(one.row_key, one.column) for one in known if one.resolution is None}
    found = []
    for edit in edits:
        now = read_cell(under, cell_at(edit.row_key, edit.column))
        if now not in (edit.base, edit.value) and (edit.row_key, edit.column) not in marked:
            found.append(
                Conflict(
                    tab=edit.tab, row_key=edit.row_key, column=edit.column, base=edit.base, yours=edit.value, theirs=now
                )
            )
    return tuple(found)
