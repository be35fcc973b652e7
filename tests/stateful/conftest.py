"""The model's world around the real engine: store on disk, local Sheets server over HTTP, owners, operators, faults.

Every action of `shared/model/sync_world.py` has its counterpart here, by the same name. A process is a thread that
stops before every API call and every commit: people can act between any two, and it can be killed there.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.draft import SheetOrigin
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.errors import (
    LockHeldError,
    RefusedError,
    SafetyStopError,
    SheetSyncError,
    TryLaterError,
    UnknownOutcomeError,
)
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.localsheets import LocalSheets
from sheetsync.services import drafts, publishing
from sheetsync.services.sync_state import baseline_record, current_view, load_asked, load_state
from sheetsync.services.syncing import Forces, lease_name, sync
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store
from sheetsync.sync.epoch import is_foreign
from sheetsync.sync.tabs import POLICY
from tests.stateful.witness import Said, Violation, Witness, key_of, shown, what_the_store_says

KEYS = ("A1", "A2", "B1")
VALUES = ("x", "y", "z")
CONNECTORS = {"A": "alpha", "B": "beta"}
TITLE = "Policy Matrix"
OWN, RID = 5, 6  # columns that people keep beside ours
# the model knows no safety stops over lost rows and mass edits
ANYWAY = Forces(lost_rows=frozenset({TITLE}), mass_edit=frozenset({TITLE}))


class Killed(BaseException):
    """kill -9, at the point where the process stands."""


def cell_key(key: str) -> tuple[str, str]:
    return CONNECTORS[key[0]], "s" + key[1:]


@dataclass
class GridRow:
    index: int
    key: str | None
    val: str
    own: str
    rid: str
    status: str


class Process(threading.Thread):
    """One run of sync that stops before each step."""

    def __init__(self, world: World, forces: Forces) -> None:
        super().__init__(daemon=True)
        self.world, self.forces = world, forces
        self.parked, self.go = threading.Event(), threading.Event()
        self.fault, self.killed, self.at, self.outcome = "ok", False, "start", ""
        self.broken: BaseException | None = None

    def run(self) -> None:
        try:
            sync(self.world.gated, self.world.gateway, forces=self.forces)
            self.outcome = "done"
        except SafetyStopError:
            self.outcome = "stop"
        except LockHeldError:
            self.outcome = "busy"
        except TryLaterError:
            self.outcome = "later"
        except Killed:
            self.outcome = "killed"
        except BaseException as exc:  # noqa: BLE001 - reported by the world
            self.broken = exc
        self.at = "end"
        self.parked.set()

    def gate(self, kind: str) -> str:
        self.at = kind
        self.parked.set()
        if not self.go.wait(20):
            raise Killed
        self.go.clear()
        if self.killed:
            raise Killed
        return self.fault

    def step(self, fault: str = "ok") -> None:
        """Go on to the next step, or to the end."""
        self.fault = fault
        self.parked.clear()
        if self.at == "start":
            self.at = "running"
            self.start()
        else:
            self.go.set()
        if not self.parked.wait(20):
            raise Violation("hang", f"a step takes too long: {self.at}")


def gate(kind: str) -> str:
    here = threading.current_thread()
    return here.gate(kind) if isinstance(here, Process) else "ok"


class GatedStore:
    """The store, with a stop before leases and commits."""

    def __init__(self, world: World, store: Store) -> None:
        self._world, self._store = world, store

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    def lease(self, name: str, **options: Any) -> Any:
        gate("lease")
        return self._store.lease(name, **options)

    def transaction(self, ctx: RequestContext, **options: Any) -> Any:
        gate("tx")
        return self._store.transaction(ctx, **options)


class GatedApi:
    """The calls, with a stop before each, and a network that loses, delays or doubles batches."""

    def __init__(self, world: World, api: SheetsApi) -> None:
        self._world, self._api = world, api

    def __getattr__(self, name: str) -> Any:
        return getattr(self._api, name)

    def get_by_filter_bytes(self, *args: Any, **options: Any) -> bytes:
        gate("read")
        with self._world.failing():
            return self._api.get_by_filter_bytes(*args, **options)

    def batch_update_bytes(self, *args: Any, **options: Any) -> bytes:
        fault, world = gate("batch"), self._world
        sent = (args, options)
        world.witness.sending(args[1])
        if fault == "before":
            raise UnknownOutcomeError("no answer")
        if fault == "late":
            world.flight.append(sent)
            raise UnknownOutcomeError("no answer")
        answer = world.deliver(sent)
        if fault == "twice" and not world.flight:
            world.flight.append(sent)
        if fault == "after":
            raise UnknownOutcomeError("no answer")
        return answer


@dataclass
class World:
    """A sheet, a store, two processes, and the checker's own record of who did what."""

    server: LocalSheets
    folder: Path
    b_published: bool | None = True
    flight: list[Any] = field(default_factory=list)
    procs: dict[int, Process] = field(default_factory=dict)
    last: dict[int, str] = field(default_factory=dict)
    covered: list[tuple[str, str, int]] = field(default_factory=list)
    typed: set[tuple[str | None, str]] = field(default_factory=set)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    toks: dict[str, int] = field(default_factory=dict)
    shown_before: dict[str, str] = field(default_factory=dict)
    undo_to: dict[str, str] = field(default_factory=dict)
    owned: dict[str, tuple[str, str]] = field(default_factory=dict)
    doubled: set[str] = field(default_factory=set)
    versions: list[Any] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    forces: Forces = field(default_factory=lambda: ANYWAY)
    retired: set[str] = field(default_factory=set)
    decided: list[tuple[str | None, int]] = field(default_factory=list)  # (key, when) a person changed his mind
    once: set[tuple[str, str]] = field(default_factory=set)  # values that were published, or an operator's
    cause: bool = False
    batches: int = 0
    rids: int = 0
    now: int = 0

    def __post_init__(self) -> None:
        self.clock = FakeClock()
        self.witness = Witness(self)
        self.api = SheetsApi(endpoint=self.server.url, clock=self.clock)
        self.store = Store.open(self.folder, clock=self.clock)
        firearms = FirearmCatalogue(firearms=tuple(Firearm(id="firearm." + one) for one in VALUES))
        rules = Rules(loosening_needs_second_person=False)
        self.ws = Workspace(self.store, RequestContext(user="op"), firearms, (), rules, self.clock)
        gated: Any = GatedStore(self, self.store)
        self.gated = Workspace(gated, RequestContext(user="cron"), firearms, (), rules, self.clock)
        self.sid = self.api.create_spreadsheet("model")
        api: Any = GatedApi(self, self.api)
        self.gateway = GoogleSheetsGateway(api, self.sid, store_id=self.store.store_id, firearms=firearms.ids())
        self.make("A", {"s1": "x", "s2": "y"}, publish=True)
        self.make("B", {"s1": "x"}, publish=bool(self.b_published))
        if self.b_published is not None:
            self.do_run(1)
            for row in self.grid():
                self.do_own(row.index - 1)
        self.typed.clear()  # no owner typed anything yet
        self.toks.clear()
        self.batches = 0
        self.witness.ever_retired.clear()

    def close(self) -> None:
        for process in self.procs.values():
            self.kill(process)
        self.store.close()
        self.api.close()

    # -- the sheet

    def tab_id(self) -> int | None:
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,title))")
        found = [one["properties"] for one in answer["sheets"] if one["properties"]["title"] == TITLE]
        return int(found[0]["sheetId"]) if found else None

    def grid_cells(self) -> list[list[dict[str, Any]]]:
        """The rows under the header as Google has them: one typed value, or {}, a cell."""
        fields = "sheets(data(rowData(values(userEnteredValue))))"
        if self.tab_id() is None:
            return []
        answer = self.api.get(self.sid, fields=fields, ranges=[f"'{TITLE}'!A2:G"])
        data = answer["sheets"][0].get("data", [{}])[0].get("rowData", [])
        return [[cell.get("userEnteredValue", {}) for cell in row.get("values", [])] for row in data]

    def scratch_tabs(self) -> int:
        answer = self.api.get(self.sid, fields="sheets(properties(title))")
        return sum(one["properties"]["title"].startswith("sheetsync epoch") for one in answer["sheets"])

    def grid(self) -> list[GridRow]:
        """The rows under the header, blank ones too, up to the last that holds anything."""
        rows = []
        for at, values in enumerate(self.grid_cells(), 1):
            cells = [next(iter(value.values()), "") for value in values]
            cells += [""] * (7 - len(cells))
            key = key_of(cells[0], cells[1]) or None
            rows.append(GridRow(at, key, shown(cells[2]), str(cells[OWN]), str(cells[RID]), str(cells[4])))
        return rows

    def batch(self, *requests: Any) -> None:
        self.api.batch_update(self.sid, list(requests))

    def put_cell(self, row: int, column: int, value: str) -> Any:
        cell = {"userEnteredValue": {"stringValue": value}} if value else {}
        start = {"sheetId": self.tab_id(), "rowIndex": row, "columnIndex": column}
        return {"updateCells": {"rows": [{"values": [cell]}], "fields": "userEnteredValue", "start": start}}

    def tag(self) -> None:
        """Give every row that holds something a name of its own, so that the checker can follow it."""
        tab = self.tab_id()
        if tab is None:
            return
        requests = []
        for row in self.grid():
            if not row.rid and (row.key or row.val):
                self.rids += 1
                requests.append(self.put_cell(row.index, RID, f"r{self.rids}"))
                self.shown_before[f"r{self.rids}"] = row.val
        if requests:
            answer = self.api.get(self.sid, fields="sheets(properties(sheetId,gridProperties))")
            width = next(
                s["properties"]["gridProperties"]["columnCount"]
                for s in answer["sheets"]
                if s["properties"]["sheetId"] == tab
            )
            if width < RID + 1:
                grow = {"sheetId": tab, "dimension": "COLUMNS", "length": RID + 1 - width}
                requests.insert(0, {"appendDimension": grow})
            self.batch(*requests)

    def deliver(self, sent: Any) -> bytes:
        """A batch arrives. What it covers is noted: only the checker can know."""
        before = {row.rid: row for row in self.grid() if row.rid}
        args, options = sent
        answer, lost = b"", None
        explained = self.witness.landing(args[1])
        try:
            with self.failing():
                answer = self.api.batch_update_bytes(*args, **options)
        except UnknownOutcomeError as exc:
            lost = exc
        self.batches += 1
        after = {row.rid: row for row in self.grid() if row.rid}
        self.witness.landed(*explained, before, after)
        for rid, row in before.items():
            now = after.get(rid)
            if now is None or (now.val != row.val and now.key == row.key):
                if rid in self.toks and row.val and row.key:
                    self.covered.append((row.key, row.val, self.toks[rid]))
                self.toks.pop(rid, None)
            if now is not None and now.val != row.val:
                self.shown_before[rid] = self.undo_to[rid] = now.val
        for rid, row in after.items():
            self.owned[rid] = (row.key or "", row.own)
        self.tag()
        self.changed()
        if lost is not None:
            raise lost
        return answer

    def changed(self) -> None:
        self.versions.append(copy.deepcopy(self.server.workspace._loaded[self.sid]))
        del self.versions[:-6]

    # -- the checker's notes

    def note_base(self) -> None:
        """What the baseline holds was taken in: it is in a draft, or it is what the store says."""
        state, _ = load_state(self.ws, self.sid)
        view = current_view(self.ws)
        from sheetsync.services.sync_state import tables_at

        state.tables = tables_at(self.ws, state.commit, view)
        for row in self.grid():
            if row.key in KEYS and row.rid in self.toks:
                base = state.value((POLICY, cell_key(row.key), "firearm_id"))
                if shown(base) == row.val and isinstance(base, str):
                    self.seen.append((row.key, row.val, self.now))
                    del self.toks[row.rid]
                    self.shown_before[row.rid] = row.val

    def accounted(self, key: str, value: str, at: int) -> bool:
        cell = cell_key(key)
        for stored in self.ws.catalogue().drafts(None):
            draft = stored.draft
            if isinstance(draft.origin, SheetOrigin):
                edits = [e for e in draft.origin.edits if e.row_key == cell and shown(e.value) == value]
                late = (draft.created_at - FakeClock().now()).total_seconds() >= at
                if edits and (late or draft.status == "discarded"):
                    return True
        if any(k == key and v == value and t >= at for k, v, t in self.seen):
            return True
        for commit in self.store.log():
            text = json.dumps(dict(commit.details))
            if f'"{cell[1]}"' in text and f'"firearm.{value}"' in text:
                return True
        return False

    # -- people

    def act(self, action: tuple[Any, ...]) -> None:
        name, *args = action
        self.now += 1
        self.clock.advance(1)
        getattr(self, "do_" + name)(*args)
        self.note_base()

    def row(self, i: int) -> GridRow | None:
        rows = self.grid()
        return rows[i % len(rows)] if rows else None

    def put(self, row: GridRow, value: str) -> None:
        if value == row.val:
            return
        if not row.rid:
            self.tag()
            row = next(one for one in self.grid() if one.index == row.index)
        self.covered = [c for c in self.covered if c[:2] != (row.key, row.val)]
        if sum(one.key == row.key for one in self.grid()) > 1 and row.key:
            self.doubled.add(row.key)
        self.toks[row.rid or "?"] = self.now
        self.undo_to[row.rid] = self.shown_before.get(row.rid, "")
        self.decided.append((row.key, self.now))
        state, _ = load_state(self.ws, self.sid)
        from sheetsync.services.sync_state import tables_at

        state.tables = tables_at(self.ws, state.commit, current_view(self.ws))
        base = state.value((POLICY, cell_key(row.key), "firearm_id")) if row.key in KEYS and row.key else None
        left = {(debt.cell[1], shown(debt.left)) for debt in state.debts}
        if value in (self.shown_before.get(row.rid), shown(base)) or (
            row.key in KEYS and (cell_key(row.key), value) in left
        ):
            self.toks.pop(row.rid, None)
        self.typed.add((row.key, value))

    def do_edit(self, i: int, value: str) -> None:
        row = self.row(i)
        if row:
            self.put(row, value)
            self.batch(self.put_cell(row.index, 2, "firearm." + value if value else ""))
            self.changed()

    def do_nonsense(self, i: int, text: str) -> None:
        """What is no firearm stands as a problem, and nothing else comes of it."""
        row = self.row(i)
        if row:
            self.put(row, text)
            self.toks.pop(row.rid, None)
            self.batch(self.put_cell(row.index, 2, text))
            self.changed()

    def do_paste(self, i: int, values: list[str]) -> None:
        """A block pasted over several rows at once."""
        for offset, value in enumerate(values):
            if i + offset < len(self.grid()):
                self.do_edit(i + offset, value)

    def do_filter(self) -> None:
        tab = self.tab_id()
        if tab is not None:
            where = {"sheetId": tab, "startRowIndex": 0, "endRowIndex": len(self.grid()) + 1, "endColumnIndex": 7}
            self.batch({"setBasicFilter": {"filter": {"range": where | {"startColumnIndex": 0}}}})
            self.changed()

    def do_fault(self, line: str) -> None:
        """The network fails at one of the next calls, as the server's own script says."""
        self.faults.append(line)

    @contextmanager
    def failing(self) -> Iterator[None]:
        """The network's next fault, if any, hits this call of the engine, and no other."""
        if self.faults:
            self.server.script.add(self.faults.pop(0))
        try:
            yield
        finally:
            self.server.script.clear()

    def do_undo(self, i: int) -> None:
        row = self.row(i)
        if row:
            self.do_edit(i, self.undo_to.get(row.rid, self.shown_before.get(row.rid, "")))

    def do_sort(self, kind: int) -> None:
        rows, tab = self.grid(), self.tab_id()
        if len(rows) < 2:
            return
        if kind == 0:
            ends = {"sheetId": tab, "dimension": "ROWS", "startIndex": len(rows), "endIndex": len(rows) + 1}
            self.batch(
                *({"moveDimension": {"source": ends, "destinationIndex": at + 1}} for at in range(len(rows) - 1))
            )
        elif kind == 1:
            source = {"sheetId": tab, "dimension": "ROWS", "startIndex": 1, "endIndex": 2}
            self.batch({"moveDimension": {"source": source, "destinationIndex": len(rows) + 1}})
        else:
            where = {
                "sheetId": tab,
                "startRowIndex": 1,
                "endRowIndex": len(rows) + 1,
                "startColumnIndex": 0,
                "endColumnIndex": 7,
            }
            specs = [{"dimensionIndex": 2, "sortOrder": "ASCENDING"}]
            self.batch({"sortRange": {"range": where, "sortSpecs": specs}})
        self.changed()

    def do_blank(self, i: int) -> None:
        tab, rows = self.tab_id(), self.grid()
        if tab is not None:
            at = 1 + min(i, len(rows))
            where = {"sheetId": tab, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1}
            self.batch({"insertDimension": {"range": where, "inheritFromBefore": True}})
            self.changed()

    def do_delrow(self, i: int) -> None:
        row, rows = self.row(i), self.grid()
        if row is None or len(rows) < 2:
            return
        where = {"sheetId": self.tab_id(), "dimension": "ROWS", "startIndex": row.index, "endIndex": row.index + 1}
        self.batch({"deleteDimension": {"range": where}})
        self.owned.pop(row.rid, None)
        self.toks.pop(row.rid, None)
        self.covered = [c for c in self.covered if c[:2] != (row.key, row.val)]
        self.changed()

    def do_duprow(self, i: int) -> None:
        row, tab = self.row(i), self.tab_id()
        if row is None:
            return
        at = row.index
        where = {"sheetId": tab, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1}
        span = {"sheetId": tab, "startColumnIndex": 0, "endColumnIndex": OWN + 1}
        source = span | {"startRowIndex": at + 1, "endRowIndex": at + 2}
        target = span | {"startRowIndex": at, "endRowIndex": at + 1}
        self.batch(
            {"insertDimension": {"range": where, "inheritFromBefore": True}},
            {"copyPaste": {"source": source, "destination": target, "pasteType": "PASTE_NORMAL"}},
        )
        self.doubled.add(row.key or "")
        self.typed.add((row.key, row.val))
        self.tag()
        self.changed()

    def do_own(self, i: int) -> None:
        row = self.row(i)
        if row is None:
            return
        self.tag()
        self.batch(self.put_cell(row.index, OWN, f"own {self.now}.{i}"))
        if sum(one.key == row.key for one in self.grid()) > 1 and row.key:
            self.doubled.add(row.key)
        now = next(one for one in self.grid() if one.index == row.index)
        if now.rid:
            self.owned[now.rid] = (now.key or "", now.own)
        self.changed()

    def do_restore(self, back: int, whole: bool) -> None:
        """Version history: everything, the scratch tab too; or only the rows, pasted from an old version."""
        if not self.versions:
            return
        old = copy.deepcopy(self.versions[max(0, len(self.versions) - 1 - back)])
        if not whole:
            self.paste_rows(old)
            return
        if self.flight or load_state(self.ws, self.sid)[0].intended:
            self.doubled |= set(KEYS)
        self.server.workspace._loaded[self.sid] = old
        self.cause = True
        rows = self.grid()
        self.owned = {row.rid: (row.key or "", row.own) for row in rows if row.rid}
        self.typed |= {(row.key, row.val) for row in rows}
        self.doubled |= {key for key, n in Counter(row.key for row in rows).items() if n > 1 and key}
        self.toks.clear()
        self.covered.clear()
        self.decided += [(key, self.now) for key in KEYS]
        self.changed()

    def paste_rows(self, old: Any) -> None:
        loaded = self.server.workspace._loaded
        now, loaded[self.sid] = loaded[self.sid], old
        rows = self.grid_cells()
        loaded[self.sid] = now
        if self.tab_id() is None or not rows:
            return
        if self.flight or self.witness.state().intended:
            self.doubled |= set(KEYS)
        here = {row.rid: row for row in self.grid() if row.rid}
        blank: list[Any] = [{"values": [{} for _ in range(RID + 1)]} for _ in range(len(self.grid()))]
        body = [{"values": [{"userEnteredValue": one} if one else {} for one in row]} for row in rows]
        self.grow(len(rows) + 1)
        start = {"sheetId": self.tab_id(), "rowIndex": 1, "columnIndex": 0}
        for one in (blank, body):
            if one:
                self.batch({"updateCells": {"rows": one, "fields": "userEnteredValue", "start": start}})
        pasted = self.grid()
        self.owned = {row.rid: (row.key or "", row.own) for row in pasted if row.rid}
        for row in pasted:
            if row.rid in here and here[row.rid].val != row.val:
                self.put(replace(here[row.rid], key=row.key), row.val)
            self.typed.add((row.key, row.val))
            self.decided.append((row.key, self.now))
        self.doubled |= {key for key, n in Counter(row.key for row in pasted).items() if n > 1 and key}
        self.covered.clear()
        self.tag()
        self.changed()

    def grow(self, rows: int) -> None:
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,gridProperties))")
        tab = self.tab_id()
        have = next(
            one["properties"]["gridProperties"]["rowCount"]
            for one in answer["sheets"]
            if one["properties"]["sheetId"] == tab
        )
        if have < rows:
            self.batch({"appendDimension": {"sheetId": tab, "dimension": "ROWS", "length": rows - have}})

    def do_unscratch(self) -> None:
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,title))")
        tabs = [
            one["properties"] for one in answer["sheets"] if one["properties"]["title"].startswith("sheetsync epoch")
        ]
        if not tabs:
            return
        state, _ = load_state(self.ws, self.sid)
        found = {f"sheetsync epoch {state.token.epoch}"} if state.token else set()
        if not {one["title"] for one in tabs} <= found:
            self.forgive()
            self.covered.clear()
        self.batch(*({"deleteSheet": {"sheetId": one["sheetId"]}} for one in tabs))
        self.cause = True
        self.changed()

    def forgive(self) -> None:
        self.typed |= {(row.key, row.val) for row in self.grid()}
        self.doubled |= set(KEYS)
        self.witness.forgive()

    # -- operators

    def make(self, conn: str, values: dict[str, str], *, publish: bool) -> None:
        name = CONNECTORS[conn]
        spec = {"id": name, "version": "1.0.0", "name": name, "scopes": [{"name": scope} for scope in values]}
        made = drafts.new_draft(self.ws, name, spec).draft.id
        bindings = {scope: FirearmBinding(firearm_id="firearm." + value) for scope, value in values.items()}
        self.once |= {(conn + scope[1:], value) for scope, value in values.items()}
        drafts.edit_draft(self.ws, made, firearms=bindings)
        if publish:
            self.publish(made)

    def publish(self, draft_id: str) -> None:
        draft = self.ws.catalogue().draft(draft_id).draft
        for scope, one in draft.policy_snapshot.firearms.items():
            self.once.add((key_of(draft.connector_id, scope), shown(one.firearm_id)))
        publishing.verify_drafts(self.ws, [draft_id])
        publishing.publish_drafts(self.ws, [draft_id])

    def do_publish(self, conn: str) -> None:
        catalogue = self.ws.catalogue()
        found = catalogue.newest_open(CONNECTORS[conn], sheet=True) or catalogue.newest_open(CONNECTORS[conn])
        if found is not None and not found.draft.open_conflicts():
            try:
                self.publish(found.draft.id)
            except RefusedError:
                return

    def do_direct(self, key: str, value: str) -> None:
        name, scope = cell_key(key)
        if self.ws.catalogue().published(name) is None:
            return
        made = drafts.new_draft(self.ws, name).draft.id
        binding = {scope: FirearmBinding(firearm_id="firearm." + value)}
        stored = drafts.edit_draft(self.ws, made, firearms=binding)
        undecided = set(stored.draft.spec_snapshot.scope_names()) - set(stored.draft.policy_snapshot.firearms)
        if undecided:
            drafts.edit_draft(
                self.ws, made, firearms={one: FirearmBinding(firearm_id="firearm.x") for one in undecided}
            )
        self.publish(made)
        self.retired.discard(name)

    def do_discard(self, conn: str) -> None:
        found = self.ws.catalogue().newest_open(CONNECTORS[conn], sheet=True)
        if found is not None and isinstance(found.draft.origin, SheetOrigin) and found.draft.origin.edits:
            drafts.discard_draft(self.ws, found.draft.id, "no")
            for edit in found.draft.origin.edits:
                self.witness.discarded[key_of(*edit.row_key)] = (shown(edit.value), self.now)

    def do_opedit(self, key: str, value: str) -> None:
        name, scope = cell_key(key)
        found = self.ws.catalogue().newest_open(name)
        if found is not None:
            self.once.add((key, value))
            drafts.edit_draft(self.ws, found.draft.id, firearms={scope: FirearmBinding(firearm_id="firearm." + value)})

    def do_resolve(self, key: str, side: Any) -> None:
        name, scope = cell_key(key)
        found = self.ws.catalogue().newest_open(name, sheet=True)
        if found is None:
            return
        mine = [one for one in found.draft.open_conflicts() if one.row_key == (name, scope)]
        for one in mine:
            self.seen.append((key, shown(one.yours), self.now))
            self.decided.append((key, self.now))
            drafts.resolve_conflict(self.ws, found.draft.id, one.row_key, one.column, side)
            return

    def do_retire(self, conn: str) -> None:
        name = CONNECTORS[conn]
        live = self.ws.catalogue().published(name)
        if live is not None and not live.retired:
            publishing.publish_drafts(self.ws, [publishing.retire_connector(self.ws, name).draft.id])
            self.retired.add(name)
            self.witness.ever_retired.add(conn)

    def do_lose(self) -> None:
        state, _ = load_state(self.ws, self.sid)
        if state.debts or state.lost_rows or self.procs:
            return
        self.cause = self.cause or bool(state.intended)
        with self.store.transaction(self.ws.ctx, why="the baseline is lost") as tx:
            lost = {"format": 1, "spreadsheet_id": self.sid, "commit": 0, "known": False, "planned": state.planned}
            tx.save(baseline_record(self.ws, self.sid), lost)
        self.forgive()

    def do_accept(self, mode: str) -> None:
        state, _ = load_state(self.ws, self.sid)
        read = GoogleSheetsGateway(self.api, self.sid, store_id=self.store.store_id).read({})
        if is_foreign(state, read) and load_asked(self.ws, self.sid) in (None, read.tokens):
            self.witness.forgive()
            self.forces = replace(ANYWAY, adopt=mode == "adopt", restore_from_store=mode == "store")
            self.typed |= {(row.key, row.val) for row in self.grid()}

    # -- processes

    def do_step(self, me: int, fault: str = "ok") -> None:
        if me not in self.procs:
            self.procs[me] = Process(self, self.forces)
            self.forces = ANYWAY
            self.procs[me].step()
        process = self.procs[me]
        if process.at != "end":
            before, answered = self.witness.state(), process.forces.adopt or process.forces.restore_from_store
            process.step(fault if process.at == "batch" else "ok")
            self.witness.stepped(before, answered)
        if process.at == "end":
            process.join(20)
            del self.procs[me]
            if process.broken is not None:
                raise process.broken
            self.last[me] = process.outcome
            if process.outcome == "stop" and not self.cause:
                raise Violation("I10", "exit 7, and nobody touched the epoch")

    def do_until(self, me: int, kind: str) -> None:
        """A run goes on to its next call or commit of a kind; at least one step."""
        for _ in range(80):
            self.do_step(me)
            if me not in self.procs or self.procs[me].at == kind:
                return
        raise Violation("I7", "a run does not end")

    def do_run(self, me: int, fault: str = "ok") -> None:
        for _ in range(80):
            at_batch = me in self.procs and self.procs[me].at == "batch"
            self.do_step(me, fault if at_batch else "ok")
            fault = "ok" if at_batch else fault
            if me not in self.procs:
                return
        raise Violation("I7", "a run does not end")

    def kill(self, process: Process) -> None:
        if process.at not in ("end", "start"):
            process.killed = True
            process.go.set()
            process.join(20)

    def do_kill(self, me: int) -> None:
        process = self.procs.pop(me, None)
        if process is not None:
            self.kill(process)

    def do_expire(self) -> None:
        self.store.break_lease(lease_name(self.sid))

    def do_land(self) -> None:
        if self.flight:
            try:
                self.deliver(self.flight.pop(0))
            except SheetSyncError:
                return

    # -- the checker

    def check(self, *, land: bool) -> None:
        """Quiescence, then the invariants I1 to I10 of the model."""
        for process in list(self.procs.values()):
            self.kill(process)
        self.procs.clear()
        self.faults.clear()
        while self.flight and land:
            self.act(("land",))
        idle, writes, pub = 0, self.batches, self.published()
        for _ in range(9):
            before = (self.batches, self.store.head())
            self.act(("run", 1))
            if self.last[1] == "stop":
                self.act(("accept", "adopt" if land else "store"))
                continue
            idle = idle + 1 if before == (self.batches, self.store.head()) else 0
            if idle == 2:
                break
        if idle < 2:
            raise Violation("I5", f"syncs do not come to rest: {self.last}")
        if self.batches - writes > 6:
            raise Violation("I7", f"{self.batches - writes} batches to come to rest")
        if self.published() != pub:
            raise Violation("I2", "published changed without publish")
        self.check_sheet()

    def published(self) -> dict[str, Any]:
        return {name: one.policy().to_json() for name, one in self.ws.catalogue().published_all().items()}

    def check_sheet(self) -> None:
        rows, said = self.grid(), what_the_store_says(self.ws)
        for key, value, at in self.covered:
            if (
                key in KEYS
                and not self.accounted(key, value, at)
                and not any((r.key, r.val) == (key, value) for r in rows)
            ):
                raise Violation("I1", f"the owner's {value!r} in {key} was overwritten and is nowhere")
        for key, one in said.items():
            here = [row for row in rows if row.key == key]
            if not here:
                raise Violation("I3", f"the row of {key} is missing")
            for row in here:
                self.check_row(row, one, twice=len(here) > 1)
            if one.pending is not None and len(here) == 1 and one.published not in (one.base, one.pending, one.theirs):
                raise Violation("I3", f"{key}: published is a third value, and there is no conflict: {one}")
        for row in rows:
            if row.key not in said and (row.val or row.status or row.key) and not row.status.startswith("problem"):
                raise Violation("I3", f"a row {row.key} is left with {row.val!r} ({row.status!r})")
            if row.key is None and row.val and row.rid not in self.toks and (None, row.val) not in self.typed:
                raise Violation("I3", f"our {row.val!r} is left in a blank row")
        self.check_people(rows)
        self.check_carried()
        self.witness.check_drafts()

    def check_carried(self) -> None:
        """A draft that supersedes a sheet draft has all its edits, but those that owners or operators decided about."""
        catalogue = self.ws.catalogue()
        for stored in catalogue.drafts("superseded"):
            draft = stored.draft
            if draft.superseded_by is None or not isinstance(draft.origin, SheetOrigin):
                continue
            after = catalogue.draft(draft.superseded_by).draft.origin
            kept = {edit.row_key for edit in after.edits} if isinstance(after, SheetOrigin) else set()
            at = (draft.created_at - FakeClock().now()).total_seconds()
            for edit in draft.origin.edits:
                key = key_of(*edit.row_key)
                if edit.row_key not in kept and not any(k == key and t >= at for k, t in self.decided):
                    raise Violation("I1", f"the pending edit of {key} was not carried into {draft.superseded_by}")

    def check_row(self, row: GridRow, said: Said, *, twice: bool) -> None:
        if twice or row.val not in VALUES:
            good = row.status.startswith("problem")
        else:
            good = row.val == said.wanted and not row.status.startswith("problem")
            level = row.status.split(" ")[0].rstrip(":")
            good = good and (
                level == ("pending" if said.theirs is None else "conflict")
                if said.pending is not None
                else level not in ("pending", "conflict")
            )
        if not good:
            raise Violation("I3", f"{row.key} shows {row.val!r} ({row.status!r}), the store says {said}")

    def check_people(self, rows: list[GridRow]) -> None:
        here = Counter((row.key or "", row.own) for row in rows)
        journal = json.dumps([dict(commit.details) for commit in self.store.log()])
        for key, own in set(self.owned.values()):
            if own and key and not here[key, own] and key not in self.doubled and f'"{own}"' not in journal:
                raise Violation("I4", f"{own!r} of {key} is lost or on another row")
        for stored in self.ws.catalogue().drafts(None):
            origin = stored.draft.origin
            for edit in origin.edits if isinstance(origin, SheetOrigin) else ():
                if (key_of(*edit.row_key), shown(edit.value)) not in self.typed:
                    raise Violation("I8", f"a draft says an owner typed {edit.value!r} in {edit.row_key}; nobody did")
                if edit.base not in (None, "") and (key_of(*edit.row_key), shown(edit.base)) not in self.once:
                    raise Violation(
                        "I7", f"an edit of {edit.row_key} starts from {edit.base!r}, which never was published"
                    )
        for key, count in Counter(row.key for row in rows if row.key).items():
            if count > 1 and key not in self.doubled:
                raise Violation("I9", f"sheetsync itself made {key} occur twice")


def play(
    history: list[tuple[Any, ...]], server: LocalSheets, folder: Path, setup: tuple[bool | None, bool]
) -> Violation | None:
    """Play one history; the violation it shows, or None."""
    world = None
    try:
        world = World(server, folder, setup[0])
        for action in history:
            world.act(tuple(action))
        world.check(land=setup[1])
    except Violation as broken:
        return broken
    finally:
        if world is not None:
            world.close()
    return None


@pytest.fixture(scope="session")
def replay() -> Any:
    """`play`: one history against the real engine."""
    return play


@pytest.fixture(scope="session")
def model(shared: Path) -> Any:
    """The model's own generator of histories."""
    folder = str(shared / "model")
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location("sync_model", f"{folder}/sync_model.py")
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    finally:
        sys.path.remove(folder)
    return module


@pytest.fixture(scope="session")
def world_class() -> type[World]:
    """The world itself, for tests that act by hand."""
    return World
