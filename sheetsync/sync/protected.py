"""Cells that people protected from us: left out of the batch, and told. Pure.

On Google one cell that we may not write refuses the whole batch. The read says of each protection what it covers and
whether it keeps us out; whom it lets in Google does not tell those whom it does not. Nothing of a cell left out is
forgotten: its base stays where it is, and the run after the protection is gone writes it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.sync.gateway import (
    AddRow,
    Area,
    DeleteRow,
    Operation,
    Protection,
    SetRules,
    SheetRead,
    TabRead,
    TouchRow,
)
from sheetsync.sync.headers import Places
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Cell, Role, RowKey, a1, title_of

ENDLESS: Final = 1 << 31  # where no column is any more
MESSAGE = "protected by {}: sheetsync may not write here"
HINT = "let the account that sheetsync writes as edit it ('Data > Protect sheets and ranges'), or remove the protection"


def shutting(
    tab: TabRead, row: int, column: int, *, end: int | None = None, right: int | None = None
) -> Protection | None:
    """The protection that keeps us out of a cell, or of the cells up to `end` and `right`."""
    area = row, end or row + 1, column, right or column + 1
    for one in tab.protected:
        if one.stops and _meet(_reach(one), area) and not any(_holds(hole, area) for hole in one.open):
            return one
    return None


def _reach(one: Protection) -> Area:
    top, end, left, right = one.area
    return top, end, left, ENDLESS if one.grows else right


def open_runs(tab: TabRead, column: int, first: int, end: int) -> Iterator[tuple[int, int]]:
    """The rows [first, end) of a column in runs, without those that something keeps us out of."""
    if shutting(tab, first, column, end=end) is None:
        yield first, end
        return
    for row in range(first, end + 1):
        if row == end or shutting(tab, row, column) is not None:
            if row > first:
                yield first, row
            first = row + 1


def shutting_header(tab: TabRead, column: int, end: int) -> Protection | None:
    """The protection that keeps us from a column's header and rows up to `end`, or from adding the column."""
    whole = 0, tab.row_count, 0, tab.column_count
    all_of_it = (one for one in tab.protected if one.stops and _holds(one.area, whole))
    return shutting(tab, 0, column, end=end) or (next(all_of_it, None) if column >= tab.column_count else None)


def shut_out(tab: TabRead) -> list[Protection]:
    """All that keeps us out of columns of ours; of a column whose header is gone it is not known where it stands."""
    places = list(tab.columns.values())
    lost = any(name not in tab.columns for name in LAYOUTS[tab.role].names)
    return [
        one for one in tab.protected if one.stops and (lost or any(one.area[2] <= at < one.area[3] for at in places))
    ]


def held_headers(read: SheetRead, repairs: Mapping[Role, Places]) -> dict[Role, dict[str, int]]:
    """Of the tabs that only we write, those whose headers something keeps us from writing again: where columns stand.

    `repairs`: the columns of each tab whose headers are to be written. With its headers all of a tab is drawn again.
    Columns that were deleted stay away until the headers can be written.
    """
    return {
        role: {name: at for name, at in places.items() if at < read.tabs[role].column_count}
        for role, places in repairs.items()
        if role not in OWNER_ROLES and shut_out(replace(read.tabs[role], columns=dict(places)))
    }


def held_header_problems(read: SheetRead, held: Mapping[Role, Places]) -> Iterator[Problem]:
    """What keeps us from writing the headers of these tabs again."""
    for role in held:
        tab = read.tabs[role]
        missing = [name for name in LAYOUTS[role].names if name not in tab.headers]
        one = shut_out(tab)[0]
        yield Problem(
            code="protected_cells", tab=title_of(role), cell=a1(0, tab.columns.get(missing[0], 0)) if missing else "",
            message=f"the header {', '.join(missing)} was renamed or removed, and is not written again: "
            f"protected by {describe(one)}", hint=HINT,
        )  # fmt: skip


def describe(one: Protection) -> str:
    """A protection as people find it: its description and its range."""
    top, end, left, right = one.area
    first, last = a1(top, left), a1(max(end, top + 1) - 1, max(right, left + 1) - 1)
    where = first if first == last else f"{first}:{last}"
    return f"'{one.text}' ({where})" if one.text else f"a person ({where})"


def _meet(one: Area, other: Area) -> bool:
    return one[0] < other[1] and other[0] < one[1] and one[2] < other[3] and other[2] < one[3]


def _holds(one: Area, other: Area) -> bool:
    return one[0] <= other[0] and other[1] <= one[1] and one[2] <= other[2] and other[3] <= one[3]


def _is_put_back(one: Found, plan: Plan) -> bool:
    """Is what somebody wrote into a tab of ours still written over, in what is left of the plan?"""
    role, key, column = one.cell
    return any(
        isinstance(left, DeleteRow) or (isinstance(left, TouchRow) and column in left.sets)
        for left in plan.operations
        if left.role == role and left.key == key
    )


@dataclass
class Guard:
    """Takes what we may not write out of one plan, and counts it by protection.

    `held`: the tabs whose headers are not written again, since something keeps us out of them. `stays`: cells of
    owners' tabs, and whole rows, that stand as they are though they should not.
    """

    read: SheetRead
    held: Collection[Role] = ()
    stays: set[tuple[Role, RowKey] | Cell] = field(default_factory=set)
    found: dict[tuple[Role, Protection], int] = field(default_factory=dict)

    @property
    def idle(self) -> bool:
        """Is there nothing to keep out of?"""
        return not any(one.stops for tab in self.read.tabs.values() for one in tab.protected)

    def hold_cells(self, plan: Plan) -> None:
        """Cells of owners' rows, before their rows are answered: each says why it does not show what it should."""
        for result in () if self.idle else plan.rows:
            tab = self.read.tabs.get(result.role)
            if tab is None or result.index is None:
                continue
            for column in list(result.sets):
                one = self._shut(tab, result.index, column)
                if one is not None:
                    self.stays.add((result.role, result.key, column))
                    del result.sets[column]
                    result.says.append(("problem", column, MESSAGE.format(describe(one))))

    def hold(self, plan: Plan) -> None:
        """Leave out the operations and validations that we may not carry out; one problem a protection."""
        if self.idle:
            return
        held = [self._held(one) for one in plan.operations]
        plan.operations = [one for one in held if one is not None]
        plan.rules = tuple(part for one in plan.rules for part in self._parts(one))
        plan.problems += [self._problem(role, one, count) for (role, one), count in self.found.items()]
        self.found = {}
        shut = {role for role, tab in self.read.tabs.items() if role not in OWNER_ROLES and shut_out(tab)}
        plan.overwritten = [
            one for one in plan.overwritten
            if not {one.cell, one.cell[:2]} & self.stays and (one.cell[0] not in shut or _is_put_back(one, plan))
        ]  # fmt: skip

    def _problem(self, role: Role, one: Protection, count: int) -> Problem:
        many = "1 place waits" if count == 1 else f"{count} places wait"
        return Problem(
            code="protected_cells", tab=title_of(role), cell=a1(one.area[0], one.area[2]),
            message=f"protected by {describe(one)}: sheetsync may not write there, and {many} for it", hint=HINT,
        )  # fmt: skip

    def _count(self, role: Role, one: Protection) -> None:
        self.found[role, one] = self.found.get((role, one), 0) + 1

    def _shut(self, tab: TabRead, row: int, column: str) -> Protection | None:
        at = tab.columns.get(column, tab.headers.index(column) if column in tab.headers else None)
        one = None if at is None else shutting(tab, row, at)
        if one is not None:
            self._count(tab.role, one)
        return one

    def _held(self, one: Operation) -> Operation | None:
        tab = self.read.tabs.get(one.role)
        if tab is None:
            return one
        if one.role in self.held:
            names = LAYOUTS[one.role].names
            if any(name not in tab.columns for name in names[: LAYOUTS[one.role].key_width]):
                return None  # its rows cannot be told from each other
            if isinstance(one, TouchRow):
                one = replace(one, sets={name: value for name, value in one.sets.items() if name in tab.columns})
        if isinstance(one, TouchRow):
            return self._held_touch(tab, one)
        if isinstance(one, DeleteRow):
            stop = shutting(tab, one.index, 0, right=tab.column_count)
            if stop is None:
                return one
            self._count(one.role, stop)
            self.stays |= {(one.role, one.key)} if one.role in OWNER_ROLES else set()
            return None
        return self._held_add(tab, one)

    def _held_touch(self, tab: TabRead, one: TouchRow) -> TouchRow | None:
        sets = {name: value for name, value in one.sets.items() if self._shut(tab, one.index, name) is None}
        notes = {name: text for name, text in one.notes.items() if shutting(tab, one.index, tab.columns[name]) is None}
        status = one.status
        if status is not None and self._shut(tab, one.index, SYNC_STATUS) is not None:
            self.stays.add((one.role, one.key, SYNC_STATUS))
            status = None
        asked = one.sets or one.notes or one.status is not None or one.role in self.held
        if not sets and not notes and status is None and asked:
            return None
        return replace(one, sets=sets, notes=notes, status=status)

    def _held_add(self, tab: TabRead, one: AddRow) -> AddRow | None:
        """A row that cannot stand where it belongs stands after the last one, if it can stand there."""
        if self._gap(tab, one.at) is None:
            return one
        end = max((row.index for row in tab.rows), default=0) + 1
        stop = self._gap(tab, end)
        if stop is not None:
            self._count(one.role, stop)
            return None
        return replace(one, at=end)

    def _gap(self, tab: TabRead, at: int) -> Protection | None:
        """The protection that a row inserted there would come to lie in; one to the last row goes on below it."""
        for one in tab.protected:
            top, end, left, right = one.area
            whole = top == 0 and left == 0 and end >= tab.row_count and right >= tab.column_count
            inside = top < at < end or (at >= end >= tab.row_count) or whole
            if one.stops and inside and not any(_holds(hole, (at - 1, at + 1, left, right)) for hole in one.open):
                return one
        return None

    def _parts(self, one: SetRules) -> Iterator[SetRules]:
        tab = self.read.tabs[one.role]
        for first, end in open_runs(tab, tab.columns[one.column], one.first, one.end):
            yield replace(one, first=first, end=end)
