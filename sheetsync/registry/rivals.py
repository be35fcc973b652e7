"""Whom a draft's conflicts are with: what is published, or another owner, who edited the same in another spreadsheet.

A draft does not say that, its history does: **a conflict is with what is published if its other value was published
when it arose, and was not pending then from another spreadsheet**; else with another owner, whose value was pending.
While such a value is published, it is decided as what is published, unless the edit started from it: what is published
is then in conflict with nothing, but the owner is who set the cell back to it. How such conflicts are found is in
`sync`, how they are decided in `conflicts`.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from typing import NamedTuple

from sheetsync.domain.cells import KPI_NAME, KPI_TAB, cell_at, read_cell
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.catalogue import Catalogue

_Where = tuple[str, tuple[str, ...], str, CellValue]  # the cell, and another value of it


class _Saved(NamedTuple):
    """A draft as it was saved: when, and was that how it was made?"""

    commit: int
    draft: WorkbenchDraft
    made: bool


class Rivals:
    """The conflicts of one draft with other owners; its history is read where what is published now does not tell."""

    def __init__(self, catalogue: Catalogue, draft: WorkbenchDraft) -> None:
        self._catalogue, self._draft = catalogue, draft
        self._drafts: dict[str, WorkbenchDraft] = {}
        self._edited: dict[str, set[_Where]] = {}

    def holds(self, conflict: Conflict, now: CellValue) -> bool:
        """Is this open conflict to be decided as one with another owner? `now`: what is published in the cell.

        None: no such row. That is another owner's deletion where there was one then, or never was.
        """
        stands = conflict.theirs == now and conflict.theirs != conflict.base and not _proposed(conflict)
        return not stands and self.owned(conflict)

    def owned(self, conflict: Conflict) -> bool:
        """Is its other value another owner's, whatever is published now?"""
        if conflict.column == KPI_NAME or _where(conflict) in self._decided:
            return False
        arose, at = self._arose[_where(conflict)], cell_at(conflict.row_key, conflict.column)
        published = self._published[arose.commit] or arose.draft.base.policy or PolicySnapshot()
        return _proposed(conflict) or conflict.theirs != read_cell(published, at) or self._was_pending(conflict, arose)

    def started(self, conflict: Conflict) -> PolicySnapshot | None:
        """What the first of the edits of a conflict's row was based on, of those that followed one another."""
        return self._first_of(conflict.tab, conflict.row_key)[1].base.policy

    def was_live(self, row_key: tuple[str, ...]) -> PolicySnapshot:
        """A policy with a KPI that is edited, as it was last published since its first edit, else as that found it."""
        commit, first = self._first_of(KPI_TAB, row_key)
        since = self._catalogue.policies_since(first.connector_id, commit)
        found = next((policy for policy in since if row_key[-1] in policy.kpis), first.base.policy)
        return found or PolicySnapshot()

    def _first_of(self, tab: str, row_key: tuple[str, ...]) -> tuple[int, WorkbenchDraft]:
        """The first draft with edits of a row, of those that followed one another, as it was made."""
        *_, first = self.followed(tab, row_key)
        return self._catalogue.history_of(first)[0]

    def followed(self, tab: str, row_key: tuple[str, ...]) -> Iterator[WorkbenchDraft]:
        """The draft, and those with edits of a row that followed one another up to it, the newest first."""
        yield self._draft
        for draft in self._before(self._draft):
            if not any((one.tab, one.row_key) == (tab, row_key) for one in _edits_of(draft)):
                break
            yield draft

    @cached_property
    def _decided(self) -> set[_Where]:
        """The conflicts that were decided before. What stands against such an edit again was published."""
        decided = (one for one in self._draft.conflicts if one.resolution is not None)
        return {_where(one) for one in decided if one.theirs is not None}

    @cached_property
    def _arose(self) -> dict[_Where, _Saved]:
        """For each open conflict, when it arose: since then each draft carried it on to that which supersedes it."""
        found: dict[_Where, _Saved] = {}
        left, at = _open(self._draft), self._draft
        for draft in self._before(self._draft):
            carried = left & _open(draft)
            found |= self._first(at, left - carried)
            left, at = carried, draft
            if not left:
                break
        return found | self._first(at, left)

    def _first(self, draft: WorkbenchDraft, conflicts: set[_Where]) -> dict[_Where, _Saved]:
        """When these conflicts arose, all of them in this draft."""
        if not conflicts:
            return {}
        saved = self._catalogue.history_of(draft)
        ends = (at for at in range(len(saved), 0, -1) if saved[at - 1][1] == draft)
        upto = saved[: next(ends, None)]  # what came later is not what was asked for
        history = [_Saved(commit, one, at == 0) for at, (commit, one) in enumerate(upto)]
        found, left = dict.fromkeys(conflicts, history[-1]), conflicts
        for one in reversed(history):
            left = left & _open(one.draft)
            found |= dict.fromkeys(left, one)
        return found

    def _was_pending(self, conflict: Conflict, arose: _Saved) -> bool:
        """Was the other value pending, typed in another spreadsheet, when the conflict arose?

        That is so only where it arose with the draft: in a draft that stands, it comes of what is published. The value
        that the edit started from need not be from another spreadsheet: as published, it is in conflict with nothing.
        """
        typed: WorkbenchDraft | None = None
        for draft in self._before(arose.draft) if arose.made else ():
            if draft.id not in self._edited:
                self._edited[draft.id] = {(one.tab, one.row_key, one.column, one.value) for one in _edits_of(draft)}
            if _where(conflict) not in self._edited[draft.id]:
                break
            typed = draft
        if typed is None:
            return False
        return conflict.theirs == conflict.base or _spreadsheet(typed) != _spreadsheet(arose.draft)

    def _before(self, draft: WorkbenchDraft) -> Iterator[WorkbenchDraft]:
        """The drafts that were superseded on the way to this one, newest first."""
        seen = {draft.id}
        while draft.supersedes is not None and draft.supersedes not in seen:
            seen.add(draft.supersedes)
            if draft.supersedes not in self._drafts:
                self._drafts[draft.supersedes] = self._catalogue.draft(draft.supersedes).draft
            draft = self._drafts[draft.supersedes]
            yield draft

    @cached_property
    def _published(self) -> dict[int, PolicySnapshot | None]:
        """What was published when the conflicts arose, by commit."""
        commits = {one.commit for one in self._arose.values()}
        return self._catalogue.policies_before(self._draft.connector_id, commits)


def find_rivals(catalogue: Catalogue, draft: WorkbenchDraft, live: PolicySnapshot | None) -> list[Conflict]:
    """The draft's open conflicts with other owners. `live`: what is published; None if nothing ever was."""
    rivals, now = Rivals(catalogue, draft), live or draft.base.policy or PolicySnapshot()
    cells = [(one, cell_at(one.row_key, one.column)) for one in draft.open_conflicts()]
    return [one for one, cell in cells if rivals.holds(one, read_cell(now, cell))]


def _proposed(conflict: Conflict) -> bool:
    """Is it a deletion of a KPI that owners propose?"""
    at = cell_at(conflict.row_key, conflict.column)
    return at.tab == KPI_TAB and conflict.theirs is None and conflict.base is None


def _edits_of(draft: WorkbenchDraft) -> tuple[SheetEdit, ...]:
    return draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()


def _spreadsheet(draft: WorkbenchDraft) -> str:
    return draft.origin.spreadsheet_id if isinstance(draft.origin, SheetOrigin) else ""


def _open(draft: WorkbenchDraft) -> set[_Where]:
    return {_where(one) for one in draft.open_conflicts()}


def _where(one: Conflict) -> _Where:
    return one.tab, one.row_key, one.column, one.theirs
