"""Carrying owners' pending edits into a draft that an operator makes: pure.

A connector never published has only its open drafts, so that a newer one must hold the pending edits of the sheet draft
before it. How an import carries them is in `island.proposal`, how a pull does in `sync.drafting`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sheetsync.domain.cells import (
    EMPTY,
    FIREARM_COLUMNS,
    KPI_COLUMNS,
    KPI_NAME,
    KPI_TAB,
    POLICY_TAB,
    PolicyCell,
    cell_at,
    locks_nothing,
    read_cell,
    with_cells,
)
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.conflicts import now_under
from sheetsync.registry.withdraw import with_kpi_row


def carry_edits(draft: WorkbenchDraft, old: WorkbenchDraft, rivals: Sequence[Conflict]) -> WorkbenchDraft:
    """The draft with the pending edits of `old`, which it supersedes, over its own content; that becomes its base.

    Edits of scopes that it lacks go, and are answered so. Where its content is neither what an edit started from nor
    what it goes to, the edit is in conflict.

    `rivals`: the open conflicts of `old` with other owners' edits. They stay, and come last: the sheet shows them, so
    that they are decided first.
    """
    scopes, under = set(draft.spec_snapshot.scope_names()), draft.policy_snapshot
    origin = old.origin
    edits = tuple(one for one in origin.edits if _fits(one, scopes)) if isinstance(origin, SheetOrigin) else ()
    changes: dict[str, object] = {"supersedes": old.id}
    if isinstance(origin, SheetOrigin) and edits:
        edits += tuple(_find_beside(under, old, edits))
        kept = tuple(one for one in old.conflicts if _fits(one, scopes) and (one in rivals or _stands(one, under)))
        changes |= {
            "origin": origin.model_copy(update={"edits": edits}),
            "policy_snapshot": _lay_over(under, old.policy_snapshot, edits),
            "base": draft.base.model_copy(update={"policy": under}),
            "conflicts": (
                *(one for one in kept if one not in rivals),
                *_find_conflicts(under, old, edits, kept),
                *(one for one in kept if one in rivals),
            ),
        }
    return draft.model_copy(update=changes)


def _fits(one: SheetEdit | Conflict, scopes: set[str]) -> bool:
    return one.tab != POLICY_TAB or one.row_key[1] in scopes


def _stands(one: Conflict, under: PolicySnapshot) -> bool:
    """Is it decided, or with what `under` has, too? Nobody can decide for what no draft has any more."""
    if one.resolution is not None:
        return True
    edit = SheetEdit(tab=one.tab, cell="", row_key=one.row_key, column=one.column, base=one.base, value=one.yours)
    return now_under(edit, PolicySnapshot(), under) == one.theirs


def _find_beside(under: PolicySnapshot, old: WorkbenchDraft, edits: tuple[SheetEdit, ...]) -> Iterator[SheetEdit]:
    """The cells that edits cannot do without, and that `under` has not so: edits, too, so that nothing comes unasked.

    Of a KPI that went, the row is proposed anew. A lock needs its firearm, NONE an open lock: that cell is in conflict.
    """
    mine, started = old.policy_snapshot, old.base.policy or PolicySnapshot()
    rows: dict[tuple[str, tuple[str, ...]], set[str]] = {}
    for edit in edits:
        rows.setdefault((edit.tab, edit.row_key), set()).add(edit.column)
    for (tab, key), edited in rows.items():
        name, columns = key[-1], KPI_COLUMNS if tab == KPI_TAB else FIREARM_COLUMNS
        if tab == KPI_TAB:
            needed = name in started.kpis and name not in under.kpis and KPI_NAME not in edited
            shown = mine if name in mine.kpis else started
        else:
            needed = locks_nothing(*(read_cell(mine if one in edited else under, cell_at(key, one)) for one in columns))
            shown = mine
        for column in columns if needed else ():
            value = read_cell(shown, cell_at(key, column))
            if column not in edited and not (tab == KPI_TAB and value == EMPTY):
                base = None if tab == KPI_TAB else value
                yield SheetEdit(tab=tab, cell="", row_key=key, column=column, base=base, value=value)


def _lay_over(policy: PolicySnapshot, source: PolicySnapshot, edits: tuple[SheetEdit, ...]) -> PolicySnapshot:
    """The policy with the edited cells as `source` has them; a KPI that comes or goes is so as a whole."""
    cells: dict[PolicyCell, CellValue] = {}
    whole = set()
    for edit in edits:
        cell = cell_at(edit.row_key, edit.column)
        kpi = cell.tab == KPI_TAB
        if kpi and (edit.column == KPI_NAME or cell.name not in policy.kpis):
            whole.add(cell.name)
        else:  # of a KPI that operators dropped, and that is there again, its owner's value
            dropped = kpi and cell.name not in source.kpis
            cells[cell] = edit.value if dropped else read_cell(source, cell)
    policy = with_cells(policy, cells)
    for name in sorted(whole):
        policy = with_kpi_row(policy, name, source)
    return policy


def _find_conflicts(
    under: PolicySnapshot, old: WorkbenchDraft, edits: tuple[SheetEdit, ...], known: tuple[Conflict, ...]
) -> Iterator[Conflict]:
    marked = {(one.row_key, one.column, one.theirs) for one in known if one.resolution is None}
    for edit in edits:
        now = now_under(edit, old.base.policy or PolicySnapshot(), under)
        if now not in (edit.base, edit.value) and (edit.row_key, edit.column, now) not in marked:
            yield Conflict(
                tab=edit.tab, row_key=edit.row_key, column=edit.column, base=edit.base, yours=edit.value, theirs=now
            )
