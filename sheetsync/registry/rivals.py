"""Whom a draft's conflicts are with: what is published, or another owner, who edited the same in another spreadsheet.

A draft does not say that, its history does: **a conflict is with what is published if its other value was published
when it arose**, whoever typed that value besides; else with another owner, whose value was pending then. How such
conflicts are found is in `sync`, how they are decided in `conflicts`.
"""

from __future__ import annotations

from collections.abc import Callable

from sheetsync.domain.cells import KPI_NAME, KPI_TAB, cell_at, read_cell
from sheetsync.domain.draft import CellValue, Conflict, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.catalogue import Catalogue


class Rivals:
    """The conflicts of one draft with other owners; its history is read where what is published now does not tell."""

    def __init__(self, catalogue: Catalogue, draft: WorkbenchDraft) -> None:
        self._catalogue, self._draft = catalogue, draft
        self._drafts: dict[str, WorkbenchDraft] = {}
        self._histories: dict[str, list[tuple[int, WorkbenchDraft]]] = {}
        self._policies: dict[int, PolicySnapshot | None] = {}

    def holds(self, conflict: Conflict, now: CellValue) -> bool:
        """Is this open conflict with another owner's edit? `now`: what is published in the cell; None: no such row.

        No row is another owner's deletion where there was one then, or never was.
        """
        at = cell_at(conflict.row_key, conflict.column)
        proposed = at.tab == KPI_TAB and conflict.theirs is None and conflict.base is None
        if conflict.column == KPI_NAME or (conflict.theirs == now and not proposed) or self._came_since(conflict):
            return False
        commit, draft = self._first(conflict)
        published = self._published(commit) or draft.base.policy or PolicySnapshot()
        return proposed or conflict.theirs != read_cell(published, at)

    def started(self, conflict: Conflict) -> PolicySnapshot | None:
        """What the first of the edits of a conflict's row was based on, of those that followed one another."""

        def edited(draft: WorkbenchDraft) -> bool:
            edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
            return any((one.tab, one.row_key) == (conflict.tab, conflict.row_key) for one in edits)

        return self._history(self._oldest(edited))[0][1].base.policy

    def _oldest(self, carries: Callable[[WorkbenchDraft], bool]) -> WorkbenchDraft:
        """How far back this is carried on without a gap, from one draft to that which supersedes it."""
        first, seen = self._draft, {self._draft.id}
        while first.supersedes is not None and first.supersedes not in seen:
            seen.add(first.supersedes)
            if first.supersedes not in self._drafts:
                self._drafts[first.supersedes] = self._catalogue.draft(first.supersedes).draft
            if not carries(self._drafts[first.supersedes]):
                break
            first = self._drafts[first.supersedes]
        return first

    def _came_since(self, conflict: Conflict) -> bool:
        """Was a conflict with this value decided before? What stands against the edit again was published."""
        decided = (one for one in self._draft.conflicts if one.resolution is not None)
        return conflict.theirs is not None and any(_where(one) == _where(conflict) for one in decided)

    def _first(self, conflict: Conflict) -> tuple[int, WorkbenchDraft]:
        """The commit in which the conflict arose, and the draft as it was saved then."""
        first = self._oldest(lambda draft: _has(draft, conflict))
        found, history = None, self._history(first)
        for number, draft in history:
            found = (found or (number, draft)) if _has(draft, conflict) else None
            if draft == first:  # what came later is not what was asked for
                break
        return found or history[-1]

    def _history(self, draft: WorkbenchDraft) -> list[tuple[int, WorkbenchDraft]]:
        if draft.id not in self._histories:
            self._histories[draft.id] = self._catalogue.history_of(draft)
        return self._histories[draft.id]

    def _published(self, commit: int) -> PolicySnapshot | None:
        if commit not in self._policies:
            self._policies[commit] = self._catalogue.policy_before(self._draft.connector_id, commit)
        return self._policies[commit]


def find_rivals(catalogue: Catalogue, draft: WorkbenchDraft, live: PolicySnapshot | None) -> list[Conflict]:
    """The draft's open conflicts with other owners. `live`: what is published; None if nothing ever was."""
    rivals, now = Rivals(catalogue, draft), live or draft.base.policy or PolicySnapshot()
    cells = [(one, cell_at(one.row_key, one.column)) for one in draft.open_conflicts()]
    return [one for one, cell in cells if rivals.holds(one, read_cell(now, cell))]


def _has(draft: WorkbenchDraft, conflict: Conflict) -> bool:
    return any(_where(one) == _where(conflict) for one in draft.open_conflicts())


def _where(one: Conflict) -> tuple[str, tuple[str, ...], str, CellValue]:
    return one.tab, one.row_key, one.column, one.theirs
