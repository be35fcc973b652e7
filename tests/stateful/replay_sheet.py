"""The model's world around the real engine, without its people: the store on disk, the local server's sheet over HTTP.

It delivers batches, and notes for the checker what nobody in the model can know: who typed which value, what was
written over. Acts of people are in `replay_owners` and `replay_operators`, the checker in `replay_world`.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.draft import SheetOrigin
from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.errors import UnknownOutcomeError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.localsheets import LocalSheets
from sheetsync.services.sync_state import current_view, load_state, tables_at
from sheetsync.services.syncing import Forces
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store
from sheetsync.sync.tabs import POLICY
from tests.stateful.replay_process import GatedApi, GatedStore, Process
from tests.stateful.witness import Witness, key_of, shown

KEYS = ("A1", "A2", "B1")
VALUES = ("x", "y", "z")
CONNECTORS = {"A": "alpha", "B": "beta"}
TITLE = "Policy Matrix"
OWN, RID = 5, 6  # columns that people keep beside ours
# the model knows no safety stops over lost rows and mass edits
ANYWAY = Forces(lost_rows=frozenset({TITLE}), mass_edit=frozenset({TITLE}))


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


@dataclass
class SheetWorld:
    """A sheet, a store, two processes, and the checker's own record of who did what; nobody acts yet."""

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
    read_for: dict[int, int] = field(default_factory=dict)  # when a run made its comparison → when it had read
    once: set[tuple[str, str]] = field(default_factory=set)  # values that were published, or an operator's
    cause: bool = False
    batches: int = 0
    rids: int = 0
    now: int = 0
    clock: FakeClock = field(init=False)
    witness: Witness = field(init=False)
    api: SheetsApi = field(init=False)
    store: Store = field(init=False)
    ws: Workspace = field(init=False)
    gated: Workspace = field(init=False)
    sid: str = field(init=False)
    gateway: GoogleSheetsGateway = field(init=False)

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

    def tag(self, index: int) -> None:
        """Give a row that holds something a name of its own, so that the checker can follow it.

        Only rows that people touch: a row that a batch put back is told by its content until it was checked.
        """
        row = next((one for one in self.grid() if one.index == index), None)
        if row is not None and not row.rid and (row.key or row.val):
            self.rids += 1
            self.batch(self.put_cell(index, RID, f"r{self.rids}"))
            self.shown_before[f"r{self.rids}"] = row.val

    def widen(self) -> None:
        """Columns for what people keep beside ours."""
        tab = self.tab_id()
        answer = self.api.get(self.sid, fields="sheets(properties(sheetId,gridProperties))")
        for one in answer["sheets"]:
            width = one["properties"]["gridProperties"]["columnCount"]
            if one["properties"]["sheetId"] == tab and width < RID + 1:
                grow = {"sheetId": tab, "dimension": "COLUMNS", "length": RID + 1 - width}
                self.batch({"appendDimension": grow})

    @contextmanager
    def failing(self) -> Iterator[None]:
        """The network's next fault, if any, hits this call of the engine, and no other."""
        if self.faults:
            self.server.script.add(self.faults.pop(0))
        try:
            yield
        finally:
            self.server.script.clear()

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
        self.widen()
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

    def act(self, action: tuple[Any, ...]) -> None:
        name, *args = action
        self.now += 1
        self.clock.advance(1)
        getattr(self, "do_" + name)(*args)
        self.note_base()
