"""What must hold whatever happens, checked without the engine's own ideas of it.

`Ledger` follows every value that a person types, cell by physical cell (rows by their tag), through every act and every
batch: a value that a batch of ours takes from its cell must be in a draft, or in the journal. `Promises` compares the
sheet with the store: what is published, overlaid with the owners' edits of the open sheet drafts.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, NamedTuple

from sheetsync.domain.draft import SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.exports.tables import connector_registry, coverage_report
from sheetsync.services.workspace import Workspace
from tests.stateful.book import EDITABLE, KEYS, KPIS, POLICY, TAG, Book, Line, RowKey, Value

TABS = (POLICY, KPIS)
PRESENCE = "kpi_name"  # the column in which a KPI's row is proposed to go, or to come
IMPACTS = ("cost", "count", "duration", "revenue", "quality")


class Violation(Exception):  # noqa: N818 - a promise was broken; args: which, and what was seen
    pass


class Cell(NamedTuple):
    """A cell by its key, as drafts and the journal name it."""

    tab: str
    key: RowKey
    column: str


@dataclass(frozen=True)
class Typed:
    """A value that a person put into a cell, not yet known to be taken in."""

    cell: Cell
    value: Value
    at: datetime


Look = dict[tuple[str, str], Line]  # (tab, tag) → the row
Spot = tuple[str, str, str]  # (tab, tag, column)


@dataclass
class Ledger:
    """Who put what where, and what our batches took away."""

    book: Book
    now: Any  # () → datetime
    typed: dict[tuple[str, str, str], Typed] = field(default_factory=dict)  # (tab, tag, column)
    known: dict[tuple[str, str, str], Value] = field(default_factory=dict)  # what a cell held when last read or written
    base: dict[Cell, Value] = field(default_factory=dict)  # the same, by key
    covered: list[Typed] = field(default_factory=list)
    healing: dict[Spot, list[Typed]] = field(default_factory=dict)  # what was covered where, and may come back
    stood: set[tuple[Cell, Value]] = field(default_factory=set)
    touched: list[tuple[str, RowKey, datetime]] = field(default_factory=list)
    removed: dict[tuple[str, str], Line] = field(default_factory=dict)  # rows with own cells that a batch deleted
    deleted: dict[RowKey, Typed] = field(default_factory=dict)  # KPIs whose rows people took away
    doubled: set[tuple[str, RowKey]] = field(default_factory=set)
    last_read: Look = field(default_factory=dict)
    read_headers: dict[str, dict[str, int]] = field(default_factory=dict)
    theirs: dict[tuple[str, str], Line] = field(default_factory=dict)  # each row as people left it: keys and own cells
    batches: int = 0

    def look(self) -> Look:
        return {(tab, line.tag): line for tab in TABS for line in self.book.lines(tab) if line.tag}

    @contextmanager
    def people(self, *, back: bool = False) -> Iterator[None]:
        """An act of people: what changes in it is theirs. `back`: what appears was there before (an undo)."""
        before = self.look()
        try:
            yield
        finally:
            self.book.tag_rows()
            self._note_people(before, self.look())

    def _note_people(self, before: Look, after: Look) -> None:
        now = self.now()
        for place, line in after.items():
            was = before.get(place)
            if place in self.theirs or was is None or replace(was, index=line.index) != line:
                self.theirs[place] = merged(self.theirs.get(place), was, line)
        for place, line in before.items():
            if place not in after:
                self.theirs.pop(place, None)
                self._touch(line)
                for column in EDITABLE[place[0]]:
                    self.typed.pop((*place, column), None)
        for place, line in after.items():
            was = before.get(place)
            moved = was is None or was.key != line.key
            if moved:
                self._touch(line)
                if was is not None:
                    self._touch(was)
            for column in EDITABLE[place[0]]:
                if column not in line.cells:
                    continue
                value, old = line.cells[column], (was.cells.get(column) if was else None)
                self.stood.add((Cell(place[0], line.key, column), value))
                if was is not None and same(value, old) and not moved:
                    continue
                self._touch(line)
                self._put(place, line, column, value, now, fresh=was is None)
        self._note_deleted(before, after, now)
        for tab in TABS:
            keys = Counter(line.key for (its, _), line in after.items() if its == tab)
            self.doubled |= {(tab, key) for key, count in keys.items() if count > 1}

    def _note_deleted(self, before: Look, after: Look, now: datetime) -> None:
        """A KPI row that the engine knew, and that people took away: a proposal."""
        stand = {line.key for (tab, _), line in after.items() if tab == KPIS}
        for place, line in before.items():
            compared = all((*place, column) in self.known for column in EDITABLE[KPIS])
            if place[0] == KPIS and line.key not in stand and compared and all(line.key):
                self.deleted[line.key] = Typed(Cell(KPIS, line.key, PRESENCE), "", now)
        for key in stand:
            self.deleted.pop(key, None)

    def _put(
        self, place: tuple[str, str], line: Line, column: str, value: Value, now: datetime, *, fresh: bool
    ) -> None:
        spot, cell = (*place, column), Cell(place[0], line.key, column)
        if not any(line.key) or (fresh and value == ""):
            self.typed.pop(spot, None)
        elif spot in self.known and alike(self.known[spot], value):
            self.typed.pop(spot, None)  # changed and changed back before anybody read it: nothing to see
        elif fresh and cell in self.base and alike(self.base[cell], value):
            self.typed.pop(
                spot, None
            )  # a copy of a row, or one that came back: if it is the one that stays, nothing changed
        else:
            self.typed[spot] = Typed(cell, value, now)

    def _know(self, place: tuple[str, str], line: Line, column: str, *, alone: bool) -> None:
        self.known[*place, column] = line.cells.get(column, "")
        if alone:  # a key that stands twice is frozen: what is known of it stays
            self.base[Cell(place[0], line.key, column)] = line.cells.get(column, "")

    def _touch(self, line: Line) -> None:
        tab = next(tab for tab in TABS if KEYS[tab][1] in line.cells)
        self.touched.append((tab, line.key, self.now()))

    def decided(self, tab: str, key: RowKey) -> None:
        """An operator decided about the owners' edits of this row."""
        self.touched.append((tab, key, self.now()))

    def noted_read(self) -> None:
        """The engine read the sheet: values typed back to what it saw are no edits."""
        self.last_read = self.look()
        self.read_headers = {tab: self.book.headers(tab) for tab in TABS}

    def know_read(self, taken: Callable[[Cell, Value], bool], *, ended: bool = True) -> None:
        """A run came to its end: what it read was compared. What it did not take in leaves no trace in the baseline.

        `ended`: else it died, and what it had taken in is known all the same.
        """
        keys = Counter((tab, line.key) for (tab, _), line in self.last_read.items())
        for place, line in self.last_read.items():
            for column in EDITABLE[place[0]]:
                spot = (*place, column)
                if column in line.cells and (
                    (ended and spot not in self.typed) or taken(Cell(place[0], line.key, column), line.cells[column])
                ):
                    self._know(place, line, column, alone=keys[place[0], line.key] == 1)
        stood = {line.key for (tab, _), line in self.last_read.items() if tab == KPIS}
        for key, one in list(self.deleted.items()) if ended else ():
            if key not in stood and taken(one.cell, ""):
                del self.deleted[key]

    def delivered(self, before: Look) -> None:
        """A batch landed, and nothing else happened meanwhile: whatever changed in owners' cells was our doing."""
        after = self.look()
        for place, line in before.items():
            there = after.get(place)
            if there is None:
                self._gone(place, line)
                continue
            if self.read_headers.get(place[0]) == self.book.headers(place[0]):  # else it is healed, and checked at rest
                self.check_row(place, there)
            for column in EDITABLE[place[0]]:
                value, old = there.cells.get(column, ""), line.cells.get(column, "")
                if not same(value, old):
                    self._cover((*place, column))
                    self._restore((*place, column), value)
                    self._know(place, there, column, alone=True)
        for place in after.keys() - before.keys():
            self.removed.pop(place, None)
            for column in EDITABLE[place[0]]:
                self._restore((*place, column), after[place].cells.get(column, ""))
                self._know(place, after[place], column, alone=True)
            if place[0] == KPIS and after[place].key in self.deleted:
                self.covered.append(self.deleted.pop(after[place].key))
        self.batches += after != before

    def _gone(self, place: tuple[str, str], line: Line) -> None:
        self.removed[place] = line
        for column in EDITABLE[place[0]]:
            self._cover((*place, column))

    def _cover(self, spot: Spot) -> None:
        one = self.typed.pop(spot, None)
        if one is not None:
            self.covered.append(one)
            self.healing.setdefault(spot, []).append(one)

    def _restore(self, spot: Spot, value: Value) -> None:
        """A value that was covered stands in its cell again: as if it had just been typed there."""
        back = (
            one
            for one in self.healing.get(spot, [])
            if same(one.value, value) or (is_formula(one.value) and is_formula(value))
        )
        for one in list(back):
            self.healing[spot].remove(one)
            self.covered.remove(one)
            self.typed[spot] = one

    def check_row(self, place: tuple[str, str], line: Line) -> None:
        """A row is where people left it, with their own cells and colours."""
        left = self.theirs.get(place)
        if left is None:
            return
        if left.key != line.key:
            raise Violation("people's columns", f"{place} stood on {left.key}, and stands on {line.key}")
        for name, value in left.own.items():
            if not same(line.own.get(name, ""), value):
                raise Violation("people's columns", f"{name!r} of {left.key}: {value!r} became {line.own.get(name)!r}")
        for name, colour in left.colours.items():
            if line.colours.get(name) != colour:
                raise Violation("people's formats", f"{place} {name!r}: {colour} became {line.colours.get(name)}")


def merged(left: Line | None, before: Line | None, after: Line) -> Line:
    """A row as people left it, after one more act of theirs: what the act did not change is as they left it before."""
    if left is None or before is None:
        return after
    return replace(
        after,
        own=_changed(left.own, before.own, after.own),
        notes=_changed(left.notes, before.notes, after.notes),
        colours=_changed(left.colours, before.colours, after.colours),
        key=left.key if before.key == after.key else after.key,
    )


def _changed(left: dict[str, Any], before: dict[str, Any], after: dict[str, Any]) -> dict[str, Any]:
    names = dict.fromkeys((*left, *after))
    kept = {name: left.get(name) if before.get(name) == after.get(name) else after.get(name) for name in names}
    return {name: value for name, value in kept.items() if value is not None}


def is_formula(value: Any) -> bool:
    """Is it one, as a cell shows it to be typed?"""
    return isinstance(value, str) and value.startswith("=")


def same(one: Value | None, other: Value | None) -> bool:
    """Equal and of one kind."""
    return one == other and isinstance(one, bool) == isinstance(other, bool)


@dataclass
class Promises:
    """The checks. `ws`: the store, seen through an own handle."""

    ws: Workspace
    book: Book
    ledger: Ledger
    live: list[tuple[datetime, dict[Cell, Value]]] = field(default_factory=list)  # what was published, and when
    registries: str = ""

    # -- published changes only by publish

    def note_published(self) -> None:
        """An operator acted: what is published now is what it is to be."""
        self.live.append((self.ledger.now(), self.published_cells()))
        self.registries = self._registries()

    def check_published(self) -> None:
        if self._registries() != self.registries:
            raise Violation("published", "what is published changed, and nobody published")

    def _registries(self) -> str:
        store, tenant = self.ws.store, self.ws.ctx.tenant
        store.refresh()
        kinds = (("components",), ("firearms",), ("kpis",))
        names = [
            one.filename for record in store.records(tenant) if record.folder[:1] in kinds
            for one in store.history(record)
        ]  # fmt: skip
        return "\n".join(sorted(names))

    def published_cells(self) -> dict[Cell, Value]:
        found: dict[Cell, Value] = {}
        for name, one in self.ws.catalogue().published_all().items():
            found |= cells_of(name, one.spec.scope_names(), one.policy())
        return found

    # -- no owner's value is lost

    def check_covered(self) -> None:
        """Every value that a batch of ours took from its cell is in a draft, was published, or is in the journal."""
        drafts = self._every_draft()
        standing = {
            (Cell(tab, line.key, column), value)
            for tab in TABS for line in self.book.lines(tab) for column, value in line.cells.items()
        }  # fmt: skip
        formulas = {cell for cell, value in standing if is_formula(value)}
        for one in self.ledger.covered:
            if (one.cell, one.value) in standing or (is_formula(one.value) and one.cell in formulas):
                continue
            if not (self._in_draft(one, drafts) or self._was_published(one) or self._in_journal(one)):
                raise Violation("lost", f"{one.value!r}, typed into {one.cell} at {one.at:%X}, is nowhere")

    def _every_draft(self) -> list[WorkbenchDraft]:
        """Each draft as it is and as it was: what an operator decided against was in it."""
        records = [one.snapshot.record for one in self.ws.catalogue().drafts(None)]
        return [WorkbenchDraft.from_json(was.content) for record in records for was in self.ws.store.history(record)]

    def taken(self, cell: Cell, value: Value) -> bool:
        """Is this value in a draft, or what is published?"""
        if cell.column == PRESENCE:  # a row that was only proposed, and is proposed no more
            edits = [edit for draft in self.sheet_drafts().values() for edit in edits_of(draft)]
            return not any((one.tab, one.key) == (cell.tab, cell.key) for one in [*self._shown_cells(), *edits])
        if alike(self.published_cells().get(cell), value):
            return True
        return self.drafted(cell, value)

    def drafted(self, cell: Cell, value: Value) -> bool:
        """Is this value in a draft?"""
        drafts = self.ws.catalogue().drafts(None)
        return any(cell in edits and alike(edits[cell], value) for edits in (edits_of(one.draft) for one in drafts))

    def _in_draft(self, one: Typed, drafts: list[WorkbenchDraft]) -> bool:
        return any(
            cell == one.cell and alike(value, one.value)
            for draft in drafts if isinstance(draft.origin, SheetOrigin) and draft.created_at >= one.at
            for cell, value in edits_of(draft).items()
        )  # fmt: skip

    def _was_published(self, one: Typed) -> bool:
        """Was it what is published, at some time since it was typed? Then there was nothing to take in."""
        times = [*(at for at, _ in self.live[1:]), None]
        return any(
            one.cell in cells and alike(cells[one.cell], one.value) and (until is None or until >= one.at)
            for (_, cells), until in zip(self.live, times, strict=True)
        )

    def _in_journal(self, one: Typed) -> bool:
        for commit in self.ws.store.log():
            if commit.at < one.at:
                continue
            for name in ("healed", "overwritten", "removed_rows"):
                for entry in commit.details.get(name, []):
                    if not str(entry.get("message", "")).startswith("restored") and self._names(entry, one):
                        return True
        return False

    @staticmethod
    def _names(entry: Any, one: Typed) -> bool:
        if tuple(entry["row_key"]) != one.cell.key or entry.get("column", one.cell.column) != one.cell.column:
            return False
        values = entry.get("cells") or [entry.get("value", entry.get("covered"))]
        if is_formula(one.value):  # a copy of a formula has its references moved
            return any(is_formula(value) for value in values)
        return any(alike(value, one.value) for value in values) or str(one.value) in json.dumps(entry)

    def check_carried(self) -> None:
        """A draft that supersedes a sheet draft has all its edits, but those that people decided about meanwhile."""
        catalogue = self.ws.catalogue()
        for stored in catalogue.drafts("superseded"):
            draft = stored.draft
            if not isinstance(draft.origin, SheetOrigin):
                continue
            after = catalogue.draft(draft.superseded_by).draft if draft.superseded_by else None
            kept = edits_of(after) if after else {}
            for cell in edits_of(draft).keys() - kept.keys():
                if not any(
                    (tab, key) == (cell.tab, cell.key) and at >= draft.created_at
                    for tab, key, at in self.ledger.touched
                ):
                    raise Violation("lost", f"the pending edit of {cell} in {draft.id} was not carried on")

    def check_typed(self) -> None:
        """Drafts say nothing that nobody typed, and start from what was published."""
        once = [cells for _, cells in self.live] + [
            cells_of(one.connector_id, one.spec_snapshot.scope_names(), one.policy_snapshot)
            for one in self._every_draft()  # what the sheet showed before the connector was first published
        ]
        for stored in self.ws.catalogue().drafts(None):
            for cell, value, base in full_edits_of(stored.draft):
                if cell.column != PRESENCE and not any(
                    its == cell and alike(value, stood) for its, stood in self.ledger.stood
                ):
                    raise Violation("invented", f"{stored.draft.id}: {value!r} in {cell}, which nobody typed")
                known = base in (None, "") or cell.column == PRESENCE or stored.draft.base.components is None
                if not known and not any(same(cells.get(cell), base) for cells in once):
                    raise Violation("invented", f"{stored.draft.id}: {cell} starts from {base!r}, never shown")

    # -- the sheet equals what the store says

    def expected(self) -> dict[str, dict[RowKey, dict[str, Value]]]:
        """Tab → key → column → value: published (or the newest open draft), overlaid with pending edits."""
        rows: dict[str, dict[RowKey, dict[str, Value]]] = {POLICY: {}, KPIS: {}}
        for cell, value in self._shown_cells().items():
            rows[cell.tab].setdefault(cell.key, dict.fromkeys(EDITABLE[cell.tab], ""))[cell.column] = value
        for draft in self.sheet_drafts().values():
            for cell, edited in edits_of(draft).items():
                if cell.column == PRESENCE:
                    if edited is None:
                        rows[KPIS].pop(cell.key, None)
                    continue
                if cell.tab == POLICY and cell.key not in rows[POLICY]:
                    continue  # its scope is gone
                row = rows[cell.tab].setdefault(cell.key, _row_before(draft, cell))
                row[cell.column] = "" if edited is None else edited
        return rows

    def _shown_cells(self) -> dict[Cell, Value]:
        found = self.published_cells()
        for name, draft in self.proposed().items():
            found |= cells_of(name, draft.spec_snapshot.scope_names(), draft.policy_snapshot)
        return found

    def proposed(self) -> dict[str, WorkbenchDraft]:
        """Connectors never published: their newest open draft."""
        catalogue = self.ws.catalogue()
        ever = set(catalogue.published_all(retired=True))
        return {
            one.draft.connector_id: one.draft for one in catalogue.drafts("open") if one.draft.connector_id not in ever
        }

    def sheet_drafts(self) -> dict[str, WorkbenchDraft]:
        """Connector → the open draft whose owners' edits lie over it."""
        catalogue = self.ws.catalogue()
        live = catalogue.published_all()
        found = {
            one.draft.connector_id: one.draft for one in catalogue.drafts("open")
            if isinstance(one.draft.origin, SheetOrigin) and one.draft.connector_id in live
        }  # fmt: skip
        return found | {name: one for name, one in self.proposed().items() if isinstance(one.origin, SheetOrigin)}

    def check_sheet(self) -> None:
        """After the dust settled."""
        expected, drafts = self.expected(), self.sheet_drafts()
        known = {cell.key[0] for cell in self._shown_cells()} | set(self.ws.catalogue().published_all())
        for tab in TABS:
            lines = self.book.lines(tab)
            counts = Counter(line.key for line in lines if any(line.key))
            for key in expected[tab]:
                if not counts[key]:
                    raise Violation("sheet", f"the row of {key} is missing in {tab}")
            for line in lines:
                self._check_line(tab, line, expected[tab].get(line.key), counts, drafts, known)
            for key, count in counts.items():
                if count > 1 and (tab, key) not in self.ledger.doubled:
                    raise Violation("sheet", f"sheetsync itself made {key} stand twice in {tab}")
        self._check_third_values()
        self._check_sync_tabs()

    def _check_third_values(self) -> None:
        """Published is where each pending edit started or where it goes, or the edit is an open conflict."""
        live = self.published_cells()
        for draft in self.sheet_drafts().values():
            torn = {(one.tab, one.row_key, one.column): one.theirs for one in draft.open_conflicts()}
            for cell, value, base in full_edits_of(draft):
                if cell not in live or cell.column == PRESENCE or alike(live[cell], base) or alike(live[cell], value):
                    continue
                if not alike(torn.get(cell, base), live[cell]):
                    raise Violation(
                        "conflict", f"{cell}: {base!r} → {value!r}, published {live[cell]!r}, and no conflict"
                    )

    def _check_line(
        self, tab: str, line: Line, want: dict[str, Value] | None, counts: Counter[RowKey],
        drafts: dict[str, WorkbenchDraft], known: set[str],
    ) -> None:  # fmt: skip
        is_problem = line.status.startswith("problem: ")
        if not any(value != "" for value in line.cells.values()):
            return
        if want is None or counts[line.key] > 1:
            if not is_problem:
                raise Violation("sheet", f"{tab} {line.key}: neither known nor a problem: {line.cells}")
            if counts[line.key] < 2 and tab == KPIS and line.key[0] in known and self._is_whole_kpi(line):
                raise Violation("sheet", f"{line.key} is a good KPI, and was not taken: {line.status}")
            return
        bad = {name for name in EDITABLE[tab] if not self.is_good(tab, name, line.cells[name], line, want)}
        as_wanted = all(alike(line.cells[name], want[name]) for name in EDITABLE[tab])  # NONE, and a lock set since
        held = not as_wanted and _held_back(tab, line.cells | {name: want[name] for name in bad if tab == POLICY})
        if bool(bad or held) != is_problem:
            raise Violation("sheet", f"{tab} {line.key}: {line.status!r} for {line.cells}, bad: {bad or held}")
        if held:
            return
        for name in EDITABLE[tab]:
            if name not in bad and not alike(line.cells[name], want[name]):
                raise Violation(
                    "sheet", f"{tab} {line.key} {name} shows {line.cells[name]!r}, the store says {want[name]!r}"
                )
        if not is_problem:
            self._check_status(tab, line, drafts.get(line.key[0]))

    def _check_status(self, tab: str, line: Line, draft: WorkbenchDraft | None) -> None:
        mine = [cell for cell in edits_of(draft) if (cell.tab, cell.key) == (tab, line.key)] if draft else []
        torn = [one for one in (draft.open_conflicts() if draft else ()) if (one.tab, one.row_key) == (tab, line.key)]
        if torn and any(Cell(one.tab, one.row_key, one.column) in mine for one in torn):
            good = line.status.startswith("conflict: ")
        elif mine:
            good = draft is not None and line.status == f"pending in {draft.id}"
        else:
            good = line.status.split(" ")[0].rstrip(":") in ("", "published", "rejected", "not")
        if not good:
            raise Violation("sheet", f"{tab} {line.key} says {line.status!r}; edits {mine}, conflicts {torn}")

    def is_good(self, tab: str, column: str, value: Value, line: Line, want: dict[str, Value]) -> bool:
        """Can this value be taken? An own judgement, over what the tests let people type."""
        if isinstance(value, str) and value.startswith("="):
            return False
        if column == "firearm_id":
            return value in self.ids or value == "NONE" or (value == "" and want[column] == "")
        if column == "strategy_lock":
            return isinstance(value, bool) or value == ""
        if column == "impact_type":
            return value in IMPACTS or value == ""
        if column == "formula":
            return isinstance(value, str) and (value == "" or value.startswith("usage.cost * "))
        if column == "target":
            return (isinstance(value, int | float) and not isinstance(value, bool)) or value == ""
        return True

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.ws.firearms.ids())

    def _is_whole_kpi(self, line: Line) -> bool:
        empty: dict[str, Value] = dict.fromkeys(EDITABLE[KPIS], "")
        good = all(self.is_good(KPIS, name, line.cells[name], line, empty) for name in EDITABLE[KPIS])
        name = line.key[1]
        return good and line.cells["impact_type"] != "" and line.cells["formula"] != "" and name.isidentifier()

    def _check_sync_tabs(self) -> None:
        catalogue = self.ws.catalogue()
        live = catalogue.live_all()
        wanted = [tuple(row) for row in connector_registry(live).rows.values()]
        if sorted(map(str, self.book.rows_of("Connector Registry"))) != sorted(map(str, wanted)):
            raise Violation("sheet", f"Connector Registry: {self.book.rows_of('Connector Registry')} for {wanted}")
        report = coverage_report(live, catalogue.proposals().values(), self.ws.routes)
        shown = {row[0]: row[1:] for row in self.book.rows_of("Coverage Report")}
        if shown != {row[0]: tuple(row[1:]) for row in report.rows.values()}:
            raise Violation("sheet", f"Coverage Report: {shown}")
        told = " ".join(str(value) for row in self.book.rows_of("Sync Status") for value in row)
        for draft in self.sheet_drafts().values():
            gone = [cell for cell, value in edits_of(draft).items() if cell.column == PRESENCE and value is None]
            if gone and draft.id not in told:
                raise Violation("sheet", f"Sync Status says nothing of {gone} in {draft.id}: {told}")

    # -- people's own things

    def check_people(self) -> None:
        """Rows that a batch deleted came back with their own cells, or their content is in the journal."""
        journal = json.dumps([dict(commit.details) for commit in self.ws.store.log()])
        here = self.ledger.look()
        for place, line in here.items():
            self.ledger.check_row(place, line)
            left = self.ledger.theirs.get(place)
            for name, note in left.notes.items() if left is not None else ():
                ours = note.startswith("sheetsync: ") or line.notes.get(name) == note
                if not ours and json.dumps(note) not in journal:  # covered by ours in the moment it was left there
                    raise Violation(
                        "people's notes", f"{name!r} of {line.key}: {note!r} became {line.notes.get(name)!r}"
                    )
        for place, line in self.ledger.removed.items():
            own = {name: value for name, value in line.own.items() if value != ""}
            if place in here:
                continue
            if not all(json.dumps(value) in journal for value in own.values()):
                raise Violation("people's columns", f"{own} of {line.key} in {place[0]} is gone")


def _row_before(draft: WorkbenchDraft, cell: Cell) -> dict[str, Value]:
    """A row that is not published: empty, if it is only proposed; else, dropped under its edits, as they found it."""
    names, under = draft.spec_snapshot.scope_names(), draft.base.policy or PolicySnapshot()
    before = cells_of(draft.connector_id, names, under) if cell.tab == KPIS else {}
    return {name: before.get(cell._replace(column=name), "") for name in EDITABLE[cell.tab]}


def _held_back(tab: str, cells: dict[str, Value]) -> bool:
    """A row that cannot be taken as a whole: a lock with nothing to lock, a KPI without its two needed cells.

    Args:
        tab: the row's.
        cells: what a draft would hold: where a firearm or a lock cannot be read, the one that the store has.
    """
    if tab == POLICY:
        return cells["strategy_lock"] is True and cells["firearm_id"] in ("", "NONE")
    return cells["impact_type"] == "" or cells["formula"] == ""


def alike(one: Any, other: Any) -> bool:
    """Equal as owners see it: nothing, an empty cell and an empty lock are alike; an integer is its float."""
    if one in (None, "") or other in (None, ""):
        return {"" if x is None or x is False else x for x in (one, other)} == {""}
    return same(one, other)


def cells_of(connector: str, scopes: Any, policy: PolicySnapshot) -> dict[Cell, Value]:
    """A connector's policy as the cells it should show."""
    found: dict[Cell, Value] = {}
    for scope in scopes:
        key, one = (connector, scope), policy.firearms.get(scope)
        shown = "" if one is None else "NONE" if one.firearm_id is None else one.firearm_id
        found[Cell(POLICY, key, "firearm_id")] = shown
        found[Cell(POLICY, key, "strategy_lock")] = one.strategy_lock if one else False
    for name, kpi in policy.kpis.items():
        for column in EDITABLE[KPIS]:
            value = getattr(kpi, column)
            found[Cell(KPIS, (connector, name), column)] = "" if value is None else value
    return found


def full_edits_of(draft: WorkbenchDraft) -> list[tuple[Cell, Any, Any]]:
    if not isinstance(draft.origin, SheetOrigin):
        return []
    return [(Cell(one.tab, one.row_key, one.column), one.value, one.base) for one in draft.origin.edits]


def edits_of(draft: WorkbenchDraft) -> dict[Cell, Any]:
    """The owners' pending edits of a draft."""
    return {cell: value for cell, value, _ in full_edits_of(draft)}


def tag_of(line: Line) -> str:
    return str(line.own.get(TAG, ""))
