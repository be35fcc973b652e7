"""The decision table: one cell, three values, one outcome. Pure; one branch a row of the table (design.md section 7).

What the cells are and where they stand is in `compare`; how values are read is in `normalize`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum
from typing import Final, Literal

from sheetsync.domain.draft import CellValue


class Nothing(Enum):
    """Marks the absence of a value where None is one."""

    UNKNOWN = "unknown"  # a base that was lost
    NO_CONFLICT = "no conflict"


UNKNOWN: Final = Nothing.UNKNOWN
NO_CONFLICT: Final = Nothing.NO_CONFLICT
Answer = Literal["adopt", "store"]


@dataclass(frozen=True, slots=True)
class PendingEdit:
    """An owner's edit that is not published: the published value it started from, the owner's value, its draft.

    `theirs`: the third value that published moved to, where the edit is an open conflict; with `rival`, the value that
    another owner had pending, in a spreadsheet that did not show this one's. That conflict stands until it is decided.
    `others`: more such values, oldest first, of owners who did not see each other's edits either.
    `beside`: it was laid beside an edit of its row, as `registry.lone_locks` tells.
    `untyped`: nobody typed it: it is such a one, or a cell of a row that was proposed anew for an edit of another cell.
    """

    base: CellValue
    value: CellValue
    draft_id: str = ""
    theirs: CellValue | Nothing = NO_CONFLICT
    rival: bool = False
    others: tuple[CellValue, ...] = ()
    beside: bool = False
    untyped: bool = False

    @property
    def rivals(self) -> tuple[CellValue, ...]:
        """The values of other owners that it is in conflict with, the newest last."""
        return (*self.others, self.theirs) if self.rival and not isinstance(self.theirs, Nothing) else ()

    @property
    def all_theirs(self) -> tuple[CellValue, ...]:
        """All values that it is in conflict with, the newest last."""
        return () if isinstance(self.theirs, Nothing) else (*self.others, self.theirs)

    @property
    def conflicted(self) -> bool:
        """Is it an open conflict?"""
        return not isinstance(self.theirs, Nothing)


@dataclass(frozen=True, slots=True)
class CellState:
    """All that decides about one cell.

    Attributes:
        base: what both sides last agreed on; UNKNOWN if the baseline was lost.
        remote: what the sheet says, typed.
        published: the published value (never published: the newest open draft's, without pending edits).
        edit: the pending edit that lies over it.
        withdrawn: an overlay that was shown here was discarded or rejected, not published.
        untaken: at the last look something stood here that was not taken; who put the base back since typed it.
        unfit: the pending edit and what is published in its row make no valid row: no publish can take both.
    """

    base: CellValue | Nothing
    remote: CellValue
    published: CellValue
    edit: PendingEdit | None = None
    withdrawn: bool = False
    untaken: bool = False
    unfit: bool = False

    @property
    def touched(self) -> bool:
        """base→remote changed. So it did where it changed and changed back, once what is shown is no more the base."""
        return not same(self.remote, self.base) or (self.untaken and not same(self.local, self.base))

    @property
    def local(self) -> CellValue:
        """What the store says should be shown: published, overlaid with the pending edit."""
        return self.edit.value if self.edit else self.published

    @property
    def under(self) -> PendingEdit | None:
        """The pending edit that a new one is made over: one that nobody typed is none where it was not shown either."""
        edit = self.edit
        if edit is None or not edit.beside or isinstance(self.base, Nothing) or same(self.base, edit.value):
            return edit
        return None


@dataclass(frozen=True, slots=True)
class Mode:
    """What a run may do: `takes` owners' edits into drafts, `writes` the store's values into the sheet."""

    takes: bool
    writes: bool
    answer: Answer | None = None


Event = Literal["", "edit", "withdraw", "agreed", "unpulled", "overwritten"]


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome: what the cell is to show, what becomes of the edit, and where the base stands before any write."""

    target: CellValue
    base: CellValue | Nothing
    edit: PendingEdit | None
    event: Event = ""
    marked: bool = False  # the conflict mark of an edit that did not change is to be moved


def same(one: CellValue | Nothing, other: CellValue | Nothing) -> bool:
    """Equal, and of one kind: TRUE is not 1; 3 is 3.0."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def decide_cell(cell: CellState, mode: Mode) -> Decision:
    """The decision for one readable cell."""
    if mode.answer == "store" and cell.touched and not same(cell.remote, cell.local):
        # a person said that the store wins: the sheet's value is reported, then overwritten
        return mark_third_value(cell, replace(_as_local(cell, mode), event="overwritten"))
    if not cell.touched:
        # base→remote same: whatever the store says is shown; push writes the cell if that changed
        return mark_third_value(cell, _as_local(cell, mode))
    if same(cell.remote, cell.local) and cell.under is cell.edit:
        # both changed, equally: agreed, only the baseline moves
        return mark_third_value(cell, Decision(cell.local, cell.remote, cell.edit, "agreed"))
    if not mode.takes:
        # push never overwrites an edit that is not in a draft
        return left_alone(cell)
    if cell.under and same(cell.remote, cell.published) and not rivals_of(cell):
        # set back to published: the pending edit is withdrawn, by somebody who saw it
        return Decision(cell.remote, cell.remote, None, "withdraw")
    # base→remote changed: an edit; a conflict if published is neither where it started nor where it goes, or if another
    # owner's edit is pending that this spreadsheet never showed
    return Decision(cell.remote, cell.remote, new_edit(cell), "edit")


def new_edit(cell: CellState) -> PendingEdit:
    """The edit that the remote value is."""
    start = _start(cell)
    known = None if isinstance(start, Nothing) else start
    rivals = rivals_of(cell)
    if rivals:
        return PendingEdit(known, cell.remote, "", rivals[-1], rival=True, others=rivals[:-1])
    fine = same(cell.published, known) or same(cell.published, cell.remote)
    return PendingEdit(known, cell.remote, "", NO_CONFLICT if fine else cell.published)


def rivals_of(cell: CellState) -> tuple[CellValue, ...]:
    """The pending values of other owners that the remote value contradicts, the newest last.

    That of the edit itself, if this sheet never showed it (of a base that is not known: it did not); and those that it
    is in conflict with: these stay, undecided, unless their value was typed, or was gone over where it was shown.
    """
    edit = cell.under
    if edit is None:
        return ()
    seen = not isinstance(cell.base, Nothing) and same(cell.base, edit.value)
    found = edit.rivals if seen else (*edit.rivals, edit.value)
    return tuple(one for one in found if not same(one, cell.remote) and not same(cell.base, one))


def _start(cell: CellState) -> CellValue | Nothing:
    if cell.under:
        return cell.under.base
    # an overlay that was withdrawn is no local change: a later edit is compared with published
    return cell.published if cell.withdrawn else cell.base


def _as_local(cell: CellState, mode: Mode) -> Decision:
    if mode.writes or same(cell.local, cell.remote):
        return Decision(cell.local, cell.base, cell.edit)
    return Decision(cell.remote, cell.base, cell.edit)


def left_alone(cell: CellState) -> Decision:
    """The cell's new value is neither taken nor written over; what was pending under it stays pending."""
    return mark_third_value(cell, Decision(cell.remote, cell.base, cell.edit, "unpulled"))


def mark_third_value(cell: CellState, decision: Decision) -> Decision:
    """Published moving to a third value under a pending edit is a conflict though the cell did not change.

    So it is where another cell of the row moved, and the edit does not fit it.
    """
    edit = decision.edit
    if edit is None or edit is not cell.edit or edit.rival:
        return decision
    fine = (same(cell.published, edit.base) or same(cell.published, edit.value)) and not cell.unfit
    theirs: CellValue | Nothing = NO_CONFLICT if fine else cell.published
    if theirs == edit.theirs:
        return decision
    return replace(decision, edit=replace(edit, theirs=theirs), marked=True)
