"""Deciding a draft's conflicts: pure. How conflicts are found is in `sync`, whom they are with in `rivals`.

*Yours* is the owner's value in the draft; *theirs* is what is published or, between owners, the other one's edit.

| theirs | yours stands | theirs stands |
|---|---|---|
| a published value | edit and base stand on it; decided against the cell's other owners, too | the edit goes or, where another owner is in conflict with it, his edit takes its place; policy and base take the value |
| a published row, new under the edits | the same for all cells, and the base takes the whole row; cells that nobody has filled take its values | the same for all cells but the other ones that are in conflict with other owners, which stay |
| a published row, under its deletion | the deletion stands on the row as it is, which the base takes | the deletion goes; policy and base take the row |
| no row: publish dropped it | the row is proposed anew, as it was edited; the base has none | the row goes, with all its edits |
| another owner's value | the edit stays, against all other owners | his value takes the edit's place |
| another owner's deletion | the edits stay | the deletion takes the place of all the row's edits; a row that is not as it found it is in conflict with it |

The answer of an edit that goes is `rejected`, whatever was decided about it before. Then the row's conflicts are put in order (`_in_order`): decided is what
has no edit any more, or agrees with it; an edit that nothing is in conflict with is compared with what is published.
"""  # noqa: E501 - a table's row is one line

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from sheetsync.domain.cells import (
    EMPTY,
    KPI_COLUMNS,
    KPI_NAME,
    KPI_TAB,
    PolicyCell,
    cell_at,
    locks_nothing,
    read_cell,
    with_cells,
)
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.wording import show_value
from sheetsync.errors import NotFoundError
from sheetsync.registry.withdraw import with_kpi_row

Side = Literal["yours", "theirs"]
SHOWN: Final = 80
NONE: Final = PolicySnapshot()


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
    live: PolicySnapshot | None,
    rivals: Sequence[Conflict] = (),
    started: PolicySnapshot | None = None,
) -> WorkbenchDraft:
    """The draft with this conflict decided.

    `live`: what is published now; None if nothing ever was, then the draft's base stands for it.
    `rivals`: the open conflicts that are with other owners' edits.
    `started`: what the row's first edit was based on, where that is not the draft's base.
    """
    row = _Row(draft, conflict, live, rivals)
    published = [one for one in row.over(conflict.column) if one not in rivals and one.theirs is not None]
    if side == "yours" and conflict in rivals and conflict.theirs is not None and published:
        conflict = published[-1]  # decided against all, and what is published is one of them
    row.decided = [conflict]
    if conflict in rivals:
        _decide_rival(row, conflict, side, started)
    elif row.is_kpi and (KPI_NAME in row.edits or row.name not in row.base.kpis or conflict.theirs is None):
        _decide_row(row, conflict, side, started)
    else:
        _decide_cell(row, conflict, side, started)
    return _in_order(row, draft, side)


class _Row:
    """One row of a draft while one of its conflicts is decided."""

    def __init__(
        self, draft: WorkbenchDraft, conflict: Conflict, live: PolicySnapshot | None, rivals: Sequence[Conflict]
    ) -> None:
        self.tab, self.key, self.name = conflict.tab, conflict.row_key, conflict.row_key[-1]
        self.is_kpi = cell_at(self.key, conflict.column).tab == KPI_TAB
        self.policy, self.base = draft.policy_snapshot, draft.base.policy or NONE
        self.published = live
        self.edits = {one.column: one for one in _edits_of(draft) if self.holds(one)}
        self.open = [one for one in draft.open_conflicts() if self.holds(one)]
        self.rivals = [one for one in self.open if one in rivals]
        self.past = [one for one in draft.conflicts if self.holds(one) and one.resolution is not None]
        self.deleted: PolicySnapshot | None = None  # what a deletion that stands was made of; None: the base
        self.decided: list[Conflict] = []  # as the side that was chosen
        self.answered: list[Conflict] = []  # as theirs: a neighbour had to give way

    @property
    def live(self) -> PolicySnapshot:
        """What is published, or stands for it."""
        return self.base if self.published is None else self.published

    def holds(self, one: SheetEdit | Conflict) -> bool:
        """Is it over a cell of this row?"""
        return (one.tab, one.row_key) == (self.tab, self.key)

    def at(self, column: str) -> PolicyCell:
        """The address of one of its cells."""
        return cell_at(self.key, column)

    def over(self, column: str) -> list[Conflict]:
        """The open conflicts over one of its cells, the newest last."""
        return [one for one in self.open if one.column == column]

    def owners(self, column: str) -> list[Conflict]:
        """Those of them that are with another owner's value."""
        return [one for one in self.over(column) if one in self.rivals and one.theirs is not None]

    def start(self, column: str, base: CellValue) -> None:
        """The cell's edit starts from `base` now."""
        if column in self.edits:
            self.edits[column] = self.edits[column].model_copy(update={"base": base})

    def put(self, column: str, value: CellValue, *, edited: bool) -> None:
        """The value into the policy: as the cell's edit, or in its place. A neighbour that gave way is answered.

        A KPI that operators removed there stays away.
        """
        before, at = self.policy, self.at(column)
        edit = self.edits.pop(column, None)
        if not self.is_kpi or self.name in before.kpis:
            self.policy = _with_value(before, at, value, self.live)
        if edited and edit is not None:
            self.edits[column] = edit.model_copy(update={"value": value})
        other = at if self.is_kpi else _neighbour(at)
        value = read_cell(self.policy, other)
        if self.is_kpi or value == read_cell(before, other):
            return
        start = read_cell(self.base, other)
        new = SheetEdit(tab=self.tab, cell="", row_key=self.key, column=other.column, base=start, value=value)
        edit = self.edits.pop(other.column, new)
        if edit.base != value:
            self.edits[other.column] = edit.model_copy(update={"value": value})
        else:  # whatever was decided about it before
            self.answered += [one for one in self.past if one.column == other.column]
        self.answered += self.over(other.column)


def _decide_cell(row: _Row, conflict: Conflict, side: Side, started: PolicySnapshot | None) -> None:
    """One cell, against what is published."""
    row.base = _with_value(row.base, row.at(conflict.column), conflict.theirs, row.live)
    if side == "theirs":
        _give_way(row, conflict.column, conflict.theirs, started)
        return
    row.decided = [one for one in row.over(conflict.column) if one.theirs is not None]
    row.start(conflict.column, conflict.theirs)


def _decide_row(row: _Row, conflict: Conflict, side: Side, started: PolicySnapshot | None) -> None:
    """A KPI row that comes, goes, or was to go, against what is published."""
    before, drops = row.base, KPI_NAME in row.edits
    goes = conflict.theirs is None or row.name not in row.live.kpis
    row.base = with_kpi_row(row.base, row.name, row.live)
    if side == "theirs":
        others = {one.column for one in row.rivals}
        stay = {} if goes or drops else {column: edit for column, edit in row.edits.items() if column in others}
        cells = {row.at(column): read_cell(row.policy, row.at(column)) for column in stay}
        row.policy = with_cells(with_kpi_row(row.policy, row.name, row.live), cells)
        row.edits = stay
        if conflict.column in stay:
            _give_way(row, conflict.column, read_cell(row.live, row.at(conflict.column)), started)
    elif drops:
        row.start(KPI_NAME, conflict.theirs)
    elif goes:
        row.decided = [one for one in row.open if one not in row.rivals]
        _propose(row, before, before if started is None else started)
    else:
        if row.name not in row.policy.kpis and row.name not in before.kpis:  # a proposal that was removed is no drop
            kept = {row.at(column): edit.value for column, edit in row.edits.items()}
            row.policy = with_cells(with_kpi_row(row.policy, row.name, row.live), kept)
        row.decided = [one for one in row.open if one not in row.rivals]
        for one in row.decided:
            row.start(one.column, one.theirs)
        row.decided += row.owners(conflict.column)
        _fill(row)


def _decide_rival(row: _Row, conflict: Conflict, side: Side, started: PolicySnapshot | None) -> None:
    """One of two owners' edits stands; what was published meanwhile is found when the row is put in order."""
    deletes = conflict.theirs is None
    if side == "yours":
        own = row.rivals if deletes else row.over(conflict.column)
        row.decided = [one for one in own if (one.theirs is None) == deletes]
    elif deletes:
        _delete(row, started)
    else:
        row.put(conflict.column, conflict.theirs, edited=True)


def _give_way(row: _Row, column: str, published: CellValue, started: PolicySnapshot | None) -> None:
    """The edit goes for what is published. Who else has one there, in conflict with it, has not been answered by that.

    Another owner's value takes its place; a deletion does, where no other cell of the row stands against it.
    """
    others = [one.theirs for one in row.owners(column) if one.theirs != published]
    deletions = {one.column for one in row.rivals if one.theirs is None}
    row.put(column, others[-1] if others else published, edited=bool(others))
    if not others and deletions == {column}:
        _delete(row, started)


def _delete(row: _Row, started: PolicySnapshot | None) -> None:
    """The deletion takes the place of the row's edits; of a row that is only proposed nothing is left to propose."""
    gone = SheetEdit(tab=row.tab, cell="", row_key=row.key, column=KPI_NAME, base=row.name, value=None)
    row.edits = {KPI_NAME: gone} if row.name in row.live.kpis else {}
    row.policy = with_kpi_row(row.policy, row.name, NONE)
    if started is not None:
        row.deleted = with_kpi_row(row.base, row.name, started)
        row.base = row.base if row.published is None else row.deleted


def _propose(row: _Row, before: PolicySnapshot, started: PolicySnapshot) -> None:
    """The row that publish dropped is proposed anew, as its owners knew it; what operators added since went with it."""
    for column in KPI_COLUMNS:
        row.start(column, None)
        value = read_cell(before, row.at(column))
        if column in row.edits or value in (EMPTY, None):
            continue
        if read_cell(started, row.at(column)) not in (EMPTY, None):
            row.edits[column] = SheetEdit(tab=row.tab, cell="", row_key=row.key, column=column, base=None, value=value)
        elif read_cell(row.policy, row.at(column)) == value:
            row.policy = with_cells(row.policy, {row.at(column): EMPTY})


def _fill(row: _Row) -> None:
    """The owner's KPI stands on the one that was published meanwhile: of that are the cells that nobody filled."""
    cells = [row.at(column) for column in KPI_COLUMNS if column not in row.edits]
    empty = [cell for cell in cells if read_cell(row.policy, cell) == EMPTY]
    row.policy = with_cells(row.policy, {cell: read_cell(row.live, cell) for cell in empty})


def _in_order(row: _Row, draft: WorkbenchDraft, side: Side) -> WorkbenchDraft:
    """The draft with the row as it was decided, and its conflicts as they are now.

    What was published under edits that were in conflict with one another is in conflict with the one that stands:
    until these were decided, no run marked that. An edit of what is published, which it started from, is none.
    """
    origin = draft.origin

    def settle(one: Conflict) -> Conflict:
        edit = row.edits.get(one.column)
        if one in row.answered:
            return one.model_copy(update={"resolution": "theirs"})
        if one.resolution is not None or not row.holds(one):
            return one
        if one in row.decided:
            return one.model_copy(update={"resolution": side})
        if edit is None or edit.value == one.theirs:
            return one.model_copy(update={"resolution": "theirs"})
        return one.model_copy(update={"base": edit.base, "yours": edit.value})

    conflicts = [settle(one) for one in draft.conflicts]
    standing = {one.column for one in conflicts if one.resolution is None and row.holds(one)}
    for column, edit in list(row.edits.items()):
        now = now_under(edit, row.deleted or row.base, row.live)
        if column not in standing and now not in (edit.base, edit.value):
            conflicts.append(
                Conflict(tab=row.tab, row_key=row.key, column=column, base=edit.base, yours=edit.value, theirs=now)
            )
        elif column not in standing and edit.base == edit.value:
            del row.edits[column]
    changed = {"policy_snapshot": row.policy, "base": draft.base.model_copy(update={"policy": row.base})}
    if isinstance(origin, SheetOrigin):
        kept = [row.edits.pop(one.column, None) if row.holds(one) else one for one in origin.edits]
        edits = (*(one for one in kept if one is not None), *row.edits.values())
        changed["origin"] = origin.model_copy(update={"edits": edits})
    return draft.model_copy(update=changed | {"conflicts": tuple(conflicts)})


def now_under(edit: SheetEdit, started: PolicySnapshot, live: PolicySnapshot) -> CellValue:
    """What is published under an edit; under a deletion: its base, unless the row is not as it `started` any more."""
    if edit.column != KPI_NAME:
        return read_cell(live, cell_at(edit.row_key, edit.column))
    name = edit.row_key[-1]
    now = live.kpis.get(name)
    if now is None or now == started.kpis.get(name):
        return None if now is None else edit.base
    values = [read_cell(live, cell_at(edit.row_key, column)) for column in KPI_COLUMNS]
    return " | ".join(show_value(value) for value in values if value != EMPTY)


def _edits_of(draft: WorkbenchDraft) -> tuple[SheetEdit, ...]:
    return draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()


def _with_value(policy: PolicySnapshot, cell: PolicyCell, value: CellValue, live: PolicySnapshot) -> PolicySnapshot:
    """The policy with a value in the cell; where that alone breaks a rule, its neighbour gives way.

    A lock goes with its firearm; a lock that comes brings the live firearm.
    """
    changes = {cell: value}
    if cell.tab != KPI_TAB:
        other = _neighbour(cell)
        row = {cell.column: value, other.column: read_cell(policy, other)}
        if locks_nothing(row["firearm_id"], row["strategy_lock"]):
            changes[other] = False if cell.column == "firearm_id" else read_cell(live, other)
            if cell.column == "strategy_lock" and changes[other] in ("NONE", ""):
                changes[cell] = False
    return with_cells(policy, changes)


def _neighbour(cell: PolicyCell) -> PolicyCell:
    return cell._replace(column="strategy_lock" if cell.column == "firearm_id" else "firearm_id")


def describe_conflict(conflict: Conflict) -> str:
    """`github/admin_write firearm_id: base …, yours …, theirs …`."""
    where = f"{'/'.join(conflict.row_key)} {conflict.column}"
    base, yours, theirs = (show_value(value) for value in (conflict.base, conflict.yours, conflict.theirs))
    return f"{where}: base {base}, yours {yours}, theirs {theirs}"
