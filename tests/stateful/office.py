"""A whole office around the real engine: owners at the sheet, operators at the store, cron's process between them.

Cron's process is a new one for every run: its own handle of the store, its own connections, and an end that may come at
any step. While it runs, `Happening`s take place at its calls and at its steps on the disk.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import requests

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.errors import InvalidContentError, RefusedError, SheetSyncError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.cell import Cell as SheetCell
from sheetsync.services import drafts, publishing
from sheetsync.services.syncing import Forces, SyncReport, pull, push, sync
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from tests.stateful.book import KPIS, POLICY, TAG, Book
from tests.stateful.faults import DyingFiles, Happen, Killed, Life, Wire
from tests.stateful.people import Act, Owners
from tests.stateful.promises import Ledger, Promises, Violation, alike

FIREARMS = FirearmCatalogue(
    firearms=tuple(Firearm(id=f"firearm.{who}{n}") for who in ("own", "op") for n in range(1, 260))
)
ROUTES = (EngineRoute(pattern="/chat/*", connectors=("alpha",)), EngineRoute(pattern="/video/*"))
RULES = Rules(loosening_needs_second_person=False)
BOTH = frozenset({POLICY, KPIS})
ANYWAY = Forces(lost_rows=BOTH, mass_edit=BOTH)
START = {"alpha": ("s1", "s2"), "beta": ("s1",), "gamma": ("s1",)}
ROUNDS = 10


class Happening(NamedTuple):
    """What takes place while cron's process runs.

    `before` or `after` its n-th call; at its n-th `step` on disk (kills only); when it waits for its n-th `lock`.
    """

    where: str
    number: int
    what: Act


@dataclass
class Outcome:
    """How a run ended: done, stop (exit 7), later (exit 75), busy (exit 8), or killed."""

    name: str
    report: SyncReport | None = None
    error: SheetSyncError | None = None
    life: Life = field(default_factory=Life)


class Office:
    """One spreadsheet, one store, and everybody who acts on them."""

    def __init__(self, server: LocalSheets, folder: Path, *, opened: bool = True) -> None:
        self.server, self.folder = server, folder
        self.clock = FakeClock()
        self.store = Store.open(folder, clock=self.clock)
        self.ws = Workspace(self.store, RequestContext(user="op"), FIREARMS, ROUTES, RULES, self.clock)
        with SheetsApi(endpoint=server.url, clock=self.clock) as api:
            self.id = api.create_spreadsheet("office")
        self.book = Book(server, self.id)
        self.ledger = Ledger(self.book, self.clock.now)
        self.owners = Owners(self.book, self.ledger)
        self.promises = Promises(self.ws, self.book, self.ledger)
        self.flight: list[tuple[requests.PreparedRequest, dict[str, Any]]] = []
        self.numbers = 0
        self.set_up = False
        self.history: list[Act] = []
        self.running = False
        self._first_drafts()
        if opened:
            self.open_sheet()

    def close(self) -> None:
        self.store.close()

    def _first_drafts(self) -> None:
        kpi = {"k1": {"impact_type": "cost", "formula": "usage.cost * 1000", "target": 5, "unit": "EUR"}}
        kpi |= {"k2": {"impact_type": "count", "formula": "usage.cost * 2000"}}
        for name, scopes in START.items():
            spec = {"id": name, "version": "1.0.0", "name": name, "scopes": [{"name": scope} for scope in scopes]}
            made = drafts.new_draft(self.ws, name, spec).draft.id
            bindings = {scope: self._binding() for scope in scopes if (name, scope) != ("gamma", "s1")}
            drafts.edit_draft(self.ws, made, firearms=bindings, kpis=kpi if name == "alpha" else {})
            if name != "gamma":  # gamma was never published
                self._publish(made)
        self.promises.note_published()

    def open_sheet(self) -> None:
        """The first push, and the columns that people keep beside ours."""
        self.cron("sync")
        self.history.clear()
        self.settle_in()

    def settle_in(self) -> None:
        """People get to know the sheet: they make columns of their own, and a tab."""
        self.book.learn_tabs()
        self.set_up = True
        for tab, width in ((POLICY, 5), (KPIS, 7)):
            sheet = self.book.sheet(tab)
            missing = width + 6 - sheet.col_count
            if missing > 0:
                grow = {"sheetId": sheet.sheet_id, "dimension": "COLUMNS", "length": missing}
                self.book.do({"appendDimension": grow})
            self.book.put_lines(tab, 0, width, [[SheetCell("remark"), SheetCell(TAG)]])
        self.book.tag_rows()
        for tab in (POLICY, KPIS):
            for row in range(len(self.book.lines(tab))):
                self.owners.do_remark(tab, row)
        self.owners.do_own_tab()
        self.ledger.noted_read()
        self.ledger.know_read(self.promises.taken)
        self.ledger.theirs = self.ledger.look()

    # -- anybody's act

    def act(self, act: Act) -> None:
        """An owner's act (`("owner", …)`, `("aim", …)`), an operator's (`("operator", …)`), or a late batch lands."""
        self.clock.advance(1)
        kind, *rest = act
        if not self.running:
            self.history.append(act)
        if kind == "owner":
            self.owners.act(tuple(rest))
        elif kind == "aim":
            self.aim(*rest)
        elif kind == "operator":
            name, *args = rest
            with suppress(RefusedError, InvalidContentError):
                getattr(self, "op_" + name)(*args)
            self.promises.note_published()
        else:
            self.land_late()

    def aim(self, number: int) -> None:
        """An owner types into a cell that sheetsync is about to write."""
        expected = self.promises.expected()
        targets = [
            (tab, line.tag, name)
            for tab in (POLICY, KPIS) for line in self.book.lines(tab)
            for name, value in expected[tab].get(line.key, {}).items()
            if line.tag and name in line.cells and not alike(line.cells[name], value)
        ]  # fmt: skip
        if targets:
            self.owners.type_at(*targets[number % len(targets)])

    def land_late(self) -> None:
        """A batch whose sender has long given up arrives."""
        if self.flight:
            request, options = self.flight.pop(0)
            with requests.Session() as session:
                self._landing(lambda: session.send(request, timeout=20))
            del options

    # -- operators

    def _fresh(self) -> str:
        self.numbers += 1
        return f"firearm.op{self.numbers}"

    def _binding(self, *, lock: bool = False) -> FirearmBinding:
        return FirearmBinding(firearm_id=self._fresh(), strategy_lock=lock)

    def _publish(self, draft_id: str) -> None:
        publishing.verify_drafts(self.ws, [draft_id])
        publishing.publish_drafts(self.ws, [draft_id])

    def _decided(self, connector: str) -> None:
        for tab in (POLICY, KPIS):
            keys = {line.key for line in self.book.lines(tab) if line.key[0] == connector} if self.set_up else set()
            for draft in self.ws.catalogue().drafts(None, connector):
                keys |= {edit.row_key for edit in getattr(draft.draft.origin, "edits", ())}
            for key in keys:
                self.ledger.decided(tab, key)

    def op_publish(self, connector: str) -> None:
        """The newest draft becomes live."""
        catalogue = self.ws.catalogue()
        found = catalogue.newest_open(connector, sheet=True) or catalogue.newest_open(connector)
        if found is not None:
            self._publish(found.draft.id)
            self._decided(connector)

    def op_set(self, connector: str, scope: str, lock: bool = False) -> None:
        """Another firearm is published, past the owners' pending edits."""
        live = self.ws.catalogue().published(connector)
        if live is None or live.retired or scope not in live.spec.scope_names():
            return
        made = drafts.new_draft(self.ws, connector).draft.id
        drafts.edit_draft(self.ws, made, firearms={scope: self._binding(lock=lock)})
        self._publish(made)

    def op_kpi(self, connector: str, name: str, drop: bool = False) -> None:
        """Another KPI is published, or one dropped."""
        live = self.ws.catalogue().published(connector)
        if live is None or live.retired or (drop and name not in live.policy().kpis):
            return
        self.numbers += 1
        kpi = {
            "impact_type": "revenue",
            "formula": f"usage.cost * {90000 + self.numbers}",
            "target": self.numbers + 0.5,
        }
        made = drafts.new_draft(self.ws, connector).draft.id
        drafts.edit_draft(self.ws, made, kpis={name: None if drop else kpi})
        self._publish(made)

    def op_edit(self, connector: str, scope: str) -> None:
        """An operator changes the open draft, the owners' edit in it too."""
        found = self.ws.catalogue().newest_open(connector)
        if found is not None and scope in found.draft.spec_snapshot.scope_names():
            drafts.edit_draft(self.ws, found.draft.id, firearms={scope: self._binding()})

    def op_discard(self, connector: str) -> None:
        found = self.ws.catalogue().newest_open(connector, sheet=True)
        if found is not None:
            drafts.discard_draft(self.ws, found.draft.id, "no")
            self._decided(connector)

    def op_resolve(self, connector: str, side: Any) -> None:
        """The first open conflict is decided."""
        found = self.ws.catalogue().newest_open(connector, sheet=True)
        if found is not None and found.draft.open_conflicts():
            one = found.draft.open_conflicts()[0]
            self.ledger.decided(one.tab, one.row_key)
            drafts.resolve_conflict(self.ws, found.draft.id, one.row_key, one.column, side)

    def op_retire(self, connector: str) -> None:
        live = self.ws.catalogue().published(connector)
        if live is not None and not live.retired and len(self.ws.catalogue().published_all()) > 1:
            publishing.publish_drafts(self.ws, [publishing.retire_connector(self.ws, connector).draft.id])
            self._decided(connector)

    # -- cron's process

    def cron(
        self, mode: str = "sync", happenings: Sequence[Happening] = (), *, settle_s: float = 0.0,
        forces: Forces = ANYWAY, chunk_bytes: int = 1_900_000,
    ) -> Outcome:  # fmt: skip
        """One run in a new process; the promises that hold at any moment are checked after it."""
        self.clock.advance(1)
        self.history.append(("cron", mode, tuple(happenings), settle_s))
        before, life = self.book.as_text(), Life()
        self.running = True
        try:
            outcome = self._run(mode, self._happen(life, list(happenings)), life, settle_s, forces, chunk_bytes)
        finally:
            self.running = False
        if self.set_up:
            ended = outcome.name in ("done", "dry")
            self.ledger.know_read(self.promises.taken if ended else self.promises.drafted, ended=ended)
        if outcome.name == "dry" and not happenings and self.book.as_text() != before:
            raise Violation("dry run", "it wrote")
        if outcome.name == "stop" and not happenings and self.set_up and self.book.as_text() != before:
            raise Violation("exit 7", "it wrote")
        self.promises.check_published()
        return outcome

    def _happen(self, life: Life, happenings: list[Happening]) -> Happen:
        def happen(where: str, number: int, what: str) -> str:
            if where == "after" and what == "read" and self.set_up:
                self.ledger.noted_read()
            fault = ""
            for one in [one for one in happenings if (one.where, one.number) == (where, number)]:
                kind, *rest = one.what
                if kind in ("kill", "torn"):
                    if where == "step":
                        fault = kind
                    else:
                        life.die()
                elif kind == "fault":
                    fault = rest[0]
                elif where != "step" and self.set_up:
                    self.act(one.what)
            return fault

        return happen

    def _run(self, mode: str, happen: Happen, life: Life, settle_s: float, forces: Forces, chunk_bytes: int) -> Outcome:
        files = PosixFileSystem(self.folder)
        api = SheetsApi(endpoint=self.server.url, clock=self.clock)
        api.client.session.mount("http://", Wire(self.server, life, happen, self._landing, self.flight))
        dying: Any = DyingFiles(files, life, happen)
        try:
            store = Store.on(LocalBackend(dying, str(self.folder)), clock=self.clock)
            ws = Workspace(store, RequestContext(user="cron"), FIREARMS, ROUTES, RULES, self.clock)
            gateway = GoogleSheetsGateway(
                api, self.id, store_id=store.store_id, firearms=FIREARMS.ids(), chunk_bytes=chunk_bytes
            )
            report = run_mode(mode, ws, gateway, settle_s, forces)
            return Outcome("dry" if mode == "dry" else "done", report, life=life)
        except Killed:
            return Outcome("killed", life=life)
        except SheetSyncError as error:
            names = {7: "stop", 8: "busy", 75: "later"}
            if error.exit_code not in names:
                raise
            return Outcome(names[error.exit_code], error=error, life=life)
        finally:
            life.alive = False
            files.close()
            api.close()

    def _landing(self, land: Callable[[], Any]) -> Any:
        """A batch lands, and nothing else happens meanwhile."""
        if not self.set_up:
            return land()
        before, strangers = self.ledger.look(), self.book.strangers()
        try:
            return land()
        finally:
            self.book.tag_rows()
            self.ledger.delivered(before)
            if self.book.strangers() != strangers:
                raise Violation("people's tabs", "a tab of theirs changed")

    # -- the dust settles

    def settle(self, *, land: bool = True) -> None:
        """Nobody acts any more: runs come to rest, and every promise holds."""
        while self.flight and land:
            self.act(("late",))
        with self.ledger.people():
            self.owners.put_headers_back()
        idle = 0
        for _ in range(ROUNDS):
            before = (self.store.refresh(), self.ledger.batches, self.book.as_text())
            outcome = self.cron("sync")
            if outcome.name != "done":
                raise Violation("rest", f"{outcome.name}: {outcome.error}")
            idle = idle + 1 if before == (self.store.refresh(), self.ledger.batches, self.book.as_text()) else 0
            if idle == 2:
                break
        if idle < 2:
            raise Violation("rest", "runs do not come to rest")
        self.check()

    def check(self) -> None:
        """Every promise, at rest."""
        self.promises.check_published()
        self.promises.check_covered()
        self.promises.check_carried()
        self.promises.check_typed()
        self.promises.check_sheet()
        self.promises.check_people()

    def play(self, history: Iterable[Act]) -> None:
        """A history again, as `told` prints it."""
        for step in history:
            if step[0] == "cron":
                _, mode, happenings, settle_s = step
                self.cron(mode, [Happening(*one) for one in happenings], settle_s=settle_s)
            else:
                self.act(step)

    def told(self) -> str:
        """The history so far, as Python for `play`."""
        return "[\n" + "".join(f"    {step!r},\n" for step in self.history) + "]"


def run_mode(mode: str, ws: Workspace, gateway: Any, settle_s: float, forces: Forces) -> SyncReport:
    """sync, pull, push, or a sync that writes nothing."""
    if mode == "pull":
        return pull(ws, gateway, forces=forces, settle_seconds=settle_s)
    if mode == "push":
        return push(ws, gateway, forces=forces)
    return sync(ws, gateway, forces=forces, settle_seconds=settle_s, dry_run=mode == "dry")
