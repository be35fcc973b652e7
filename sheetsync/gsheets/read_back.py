"""What a batch's answer brings back: the scratch tab, and as much of our tabs as healing a race would need. Pure.

A race is to be healed by one more write, without another read (design.md section 12), and what comes back is said
before anybody knows whether there was one. So a tab whose rows a batch adds or removes comes back whole: its keys are
counted (rule 10). Of a tab in which cells are only written, header and written rows come back, and take their places
among the rows read before; that holds as long as none moved, which pre-images and headers tell: else all is read again.
Other tabs are as they were read: what people did there since, the next run finds.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from sheetsync.gsheets.layout import own_columns
from sheetsync.gsheets.reading import parse_read
from sheetsync.sync.cells import raw_same
from sheetsync.sync.gateway import AddRow, Batch, DeleteRow, Raw, RowRead, SheetRead, TabRead, TouchRow
from sheetsync.sync.tabs import LAYOUTS, Role

JSON = Any
MOST_ROWS: Final = 3000  # above this the answer brings the scratch tab only
MOST_RUNS: Final = 100  # of rows of one tab; above this it comes back whole


@dataclass(frozen=True)
class ReadBack:
    """The tabs that come back whole, by title; the rows that come back of others. `none`: the scratch tab only."""

    whole: dict[Role, str] = field(default_factory=dict)
    rows: dict[Role, list[int]] = field(default_factory=dict)
    none: bool = False

    def ranges(self, read: SheetRead) -> list[str]:
        """As A1, by title: if a tab was renamed meanwhile, the batch is refused, and all is read again."""
        found = [quoted(title) for title in self.whole.values()]
        for role, indexes in self.rows.items():
            title = quoted(read.tabs[role].title)
            found += [f"{title}!{first + 1}:{end}" for first, end in runs_of([0, *indexes])]
        return found


def plan_read_back(batch: Batch, read: SheetRead) -> ReadBack:
    """What is to come back of a batch planned against `read`."""
    if batch.is_opening:  # what follows it is planned against the tabs as they are after it
        whole = {role: tab.title for role, tab in read.tabs.items()}
        rows: dict[Role, list[int]] = {}
    else:
        whole, rows = _concerned(batch, read)
    count = sum(len(read.tabs[role].rows) for role in whole if role in read.tabs) + sum(map(len, rows.values()))
    count += sum(isinstance(one, AddRow) for one in batch.operations)
    if count > MOST_ROWS or (batch.is_opening and not read.tabs):
        return ReadBack(none=True)
    return ReadBack(whole, rows)


def _concerned(batch: Batch, read: SheetRead) -> tuple[dict[Role, str], dict[Role, list[int]]]:
    whole = {role: LAYOUTS[role].title for role in batch.create}
    moved = {one.role for one in batch.operations if isinstance(one, AddRow | DeleteRow)}
    moved |= {*batch.adopt, *batch.repair, *batch.headers}
    rows: dict[Role, list[int]] = {}
    for role, tab in read.tabs.items():
        touched = sorted({one.index for one in batch.operations if isinstance(one, TouchRow) and one.role == role})
        if role in moved or len(list(runs_of(touched))) > MOST_RUNS:
            whole[role] = tab.title
        elif touched:
            rows[role] = touched
    return whole, rows


def runs_of(indexes: Iterable[int]) -> Iterable[tuple[int, int]]:
    """Rising indexes as runs [first, end)."""
    first = end = -1
    for index in indexes:
        if index != end:
            if end > 0:
                yield first, end
            first = index
        end = index + 1
    if end > 0:
        yield first, end


def rows_stood(back: ReadBack, batch: Batch, read: SheetRead, pre: tuple[tuple[Raw, ...], ...]) -> bool:
    """Did every row of which only cells were written stand where it was read? Then those below it did, too."""
    planned = [one for one in batch.operations if isinstance(one, TouchRow | DeleteRow)]
    for number, one in enumerate(planned):
        if one.role not in back.rows:
            continue
        row = pre[number] if number < len(pre) else ()
        columns = own_columns(read.tabs[one.role])
        for name, wanted in zip(LAYOUTS[one.role].names[: LAYOUTS[one.role].key_width], one.planned, strict=False):
            at = columns[name]
            if not raw_same(row[at] if at < len(row) else "", wanted):
                return False
    return True


def merged(back: ReadBack, read: SheetRead, answer: JSON) -> SheetRead | None:
    """The read as it is after the batch: tabs and rows that came back, the rest as read; None if columns moved."""
    found = parse_read(answer, read.spreadsheet_id, known={role: tab.columns for role, tab in read.tabs.items()})
    tabs = dict(read.tabs)
    for role, indexes in back.rows.items():
        fresh = found.tabs.get(role)
        if fresh is None or fresh.columns != tabs[role].columns:
            return None
        tabs[role] = _with_rows(tabs[role], {row.index: row for row in fresh.rows}, set(indexes))
    tabs |= {
        role: _with_protections(tab, read.tabs.get(role)) for role, tab in found.tabs.items() if role in back.whole
    }
    return replace(found, tabs=tabs, doubled=read.doubled, mark=read.mark)


def without_drift(read: SheetRead) -> SheetRead:
    """Validations do not come back: what was astray is set again by the batch; what still is, the next run finds."""
    return replace(read, tabs={role: _without_drift(tab) for role, tab in read.tabs.items()})


def _without_drift(tab: TabRead) -> TabRead:
    if not any(row.astray for row in tab.rows):
        return tab
    return replace(tab, rows=[replace(row, astray=()) if row.astray else row for row in tab.rows])


def _with_protections(tab: TabRead, before: TabRead | None) -> TabRead:
    """What a protection covers does not come back: it is as it was read."""
    known = {one.id: one for one in before.protected} if before else {}
    return replace(tab, protected=tuple(known.get(one.id, one) for one in tab.protected))


def _with_rows(tab: TabRead, fresh: dict[int, RowRead], touched: set[int]) -> TabRead:
    rows = [fresh.get(row.index) if row.index in touched else row for row in tab.rows]
    return replace(tab, rows=[row for row in rows if row is not None])


def quoted(title: str) -> str:
    """A tab's title as A1 wants it."""
    return "'" + title.replace("'", "''") + "'"
