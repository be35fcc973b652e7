"""Around a sync: a plan made now and applied later, undoing the last push, and why a cell shows what it shows."""

from __future__ import annotations

import hashlib
import re
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from sheetsync.domain.canonical import JSONValue, canonical_json
from sheetsync.errors import (
    NotFoundError,
    PlanMovedError,
    RequestRefusedError,
    SafetyStopError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.services.sending import VersionMovedError
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.sync_run import SyncRun
from sheetsync.services.sync_state import baseline_record, current_view, load_state, tables_at
from sheetsync.services.syncing import NO_FORCES, PUSH, SYNC, execute, lease_name, push
from sheetsync.services.workspace import Workspace
from sheetsync.store import Lease
from sheetsync.sync.baseline import Intended, SyncState
from sheetsync.sync.baseline_json import raw_to_json, state_from_json, state_to_json
from sheetsync.sync.cells import plain
from sheetsync.sync.decide import Nothing
from sheetsync.sync.drafting import DraftChanges
from sheetsync.sync.drift import pick_known_tabs
from sheetsync.sync.gateway import Batch, Landed, RowRead, SheetGateway, SheetRead, TabRead
from sheetsync.sync.normalize import format_value, shown
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.protected import Guard
from sheetsync.sync.safety import UNDO_HOLDS, Forces, check_held
from sheetsync.sync.settle import Settled
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Role, RowKey, a1, role_of, title_of
from sheetsync.sync.undoing import Undo, undo_batch
from sheetsync.sync.view import View

PLAN_FORMAT: Final = 1
RECENT: Final = 50  # baselines that are looked through for the batch that made the present version
LOG_TELLS: Final = "'sheetsync log' shows what happened"
CELL: Final = re.compile(r"[A-Z]{1,3}[1-9][0-9]*")
ONLY_HEALED: Final = "nothing of the last write is left to undo"
COVERED: Final = "our write covered it: 'sheetsync push --resume' puts it back"


# -- plan and apply


@dataclass(frozen=True)
class SyncPlan:
    """What a sync would do now; bound to the store's commit and to what the sheet holds."""

    spreadsheet_id: str
    commit: int
    sheet: str
    report: SyncReport

    @property
    def changed(self) -> bool:
        """Would it do anything?"""
        return self.report.changed

    def to_json(self) -> dict[str, JSONValue]:
        """The plan's file."""
        head = {
            "format": PLAN_FORMAT,
            "spreadsheet_id": self.spreadsheet_id,
            "commit": self.commit,
            "sheet": self.sheet,
        }
        return head | {"would": self.report.to_json()}


def sheet_digest(read: SheetRead) -> str:
    """A hash over everything of ours that a read brought, and over the version it stands for."""
    tabs = {
        role: [[row.index, [raw_to_json(raw) for raw in row.cells], row.notes or {}] for row in tab.rows]
        for role, tab in read.tabs.items()
    }
    tokens = [list(token) for token in read.tokens]
    return hashlib.sha256(canonical_json([tokens, tabs])).hexdigest()


class PlannedRun(SyncRun):
    """A run that goes on only where store and sheet are as the plan saw them, until its batch is sent.

    `expected_commit` counts what the run itself commits.
    """

    expected_commit = 0
    expected_sheet = ""

    def _read(self) -> SheetRead:
        read = super()._read()
        if self.expected_sheet and sheet_digest(read) != self.expected_sheet:
            raise plan_moved("sheet")
        self._check_commit(self.ws.store.head())
        self.expected_sheet = ""  # once the run writes, it moves it itself
        return read

    def _compare(self, read: SheetRead, view: View) -> tuple[Plan, DraftChanges]:
        self._check_commit(view.commit)  # somebody may have published since the read
        return super()._compare(read, view)

    def _check_commit(self, commit: int) -> None:
        if self.expected_commit and commit != self.expected_commit:
            raise plan_moved("store")

    def _commit_state(self, lease: Lease, why: str, details: dict[str, object] | None = None) -> None:
        super()._commit_state(lease, why, details)
        self.expected_commit += bool(self.expected_commit)

    def _land(self, batch: Batch, read: SheetRead, *, again: bool = False) -> Landed:
        if not batch.is_opening:
            self.expected_commit = 0  # what follows is checking and healing
        try:
            return super()._land(batch, read, again=again)
        except VersionMovedError as moved:
            if isinstance(moved.__cause__, UnknownOutcomeError):
                raise  # it may have landed: what is read tells
            if isinstance(moved.__cause__, RequestRefusedError) and self._stands(read):
                raise moved.__cause__ from None  # nobody moved anything: the reason is the server's
            raise plan_moved("sheet") from moved

    def _stands(self, read: SheetRead) -> bool:
        """Does the sheet still hold what was read?"""
        again = self.gateway.read(self._places(), columns=self.headers | self.held)
        return sheet_digest(pick_known_tabs(again, self.state.tabs)) == sheet_digest(read)


def plan_moved(what: str) -> PlanMovedError:
    """The plan is not that of this store and this sheet any more."""
    return PlanMovedError(f"the {what} moved since the plan was made", hint="make a new one: 'sheetsync plan --out F'")


def make_plan(ws: Workspace, gateway: SheetGateway) -> SyncPlan:
    """What a sync would do now; nothing is written."""
    run = PlannedRun(ws, gateway, SYNC, NO_FORCES, dry_run=True)
    report = execute(run)
    if run.read is None:
        raise NotFoundError("the spreadsheet could not be read")
    return SyncPlan(gateway.spreadsheet_id, ws.store.head(), sheet_digest(run.read), report)


def apply_plan(ws: Workspace, gateway: SheetGateway, plan: Any) -> SyncReport:
    """Do what the plan says, or nothing.

    Raises:
        PlanMovedError: the store or the sheet moved since.
        RequestRefusedError: neither did, and the server refused the batch.
        UsageError: it is no plan, or one of another spreadsheet.
    """
    wanted = {"format": int, "spreadsheet_id": str, "commit": int, "sheet": str}
    if not isinstance(plan, dict) or any(not isinstance(plan.get(name), kind) for name, kind in wanted.items()):
        raise UsageError("the file is not a plan", hint="make one with 'sheetsync plan --out FILE'")
    if plan["format"] != PLAN_FORMAT or plan["spreadsheet_id"] != gateway.spreadsheet_id:
        raise UsageError("the plan is of another spreadsheet, or of another version", hint="make a new one")
    run = PlannedRun(ws, gateway, SYNC, NO_FORCES)
    run.expected_commit, run.expected_sheet = plan["commit"], plan["sheet"]
    return execute(run)


# -- undo and resume


class UndoRun(SyncRun):
    """A run whose batch puts back what the last one wrote over, and holds the spreadsheet once it landed.

    It writes once: a second look would find its own batch, and undo that. What it covers, the next run puts back.
    """

    attempts = 1

    def _is_over(self) -> bool:
        self.report.changed = self.report.changed or bool(self.state.held)
        return bool(self.state.held)  # its answer was lost, and it had landed

    def _compare(self, read: SheetRead, view: View) -> tuple[Plan, DraftChanges]:
        last = last_batch(self.ws, self.state)
        scratch = next((tab for tab in read.scratch if (tab.epoch, tab.nonce) == self.state.token), None)
        if last is not None and last.all_of:
            raise UsageError(_set_up(last), hint=LOG_TELLS)
        if last is None or scratch is None or not (last.touches or last.deletes or last.adds):
            raise UsageError("there is no push to undo", hint=LOG_TELLS)
        plan = Plan(self.state.copy(), view.commit, holds=True)
        whole = self.gateway.whole_rows(scratch, len(last.planned)) if last.deletes else {}
        undo_batch(Undo(plan, read, last, scratch.pre, whole))
        Guard(read).hold(plan)
        if not plan.operations and not plan.problems:
            raise UsageError(ONLY_HEALED, hint=LOG_TELLS)
        return plan, DraftChanges()

    def _commit_settled(self, lease: Lease, done: Settled, why: str) -> None:
        debts, lost = self.state.debts, self.state.lost_rows
        super()._commit_settled(lease, done, why)
        covered = [(one.cell, plain(one.covered)) for one in done.state.debts if one not in debts]
        covered += [
            ((row.role, row.key, name), plain(raw))
            for row in done.state.lost_rows
            if row not in lost
            for name, raw in zip(
                LAYOUTS[row.role].owned_names, row.cells[-len(LAYOUTS[row.role].owned_names) :], strict=False
            )
        ]
        self.report.pending += [Found(cell, "", value, COVERED) for cell, value in covered]


def _set_up(last: Intended) -> str:
    """Why the batch that made tabs is not undone."""
    if set(last.all_of) == set(OWNER_ROLES):
        return "the last push was the first: it set the tabs up, and that cannot be undone"
    names = ", ".join(f"'{title_of(role)}'" for role in last.all_of)
    return f"the last push made {names} again, and that cannot be undone"


def last_batch(ws: Workspace, state: SyncState) -> Intended | None:
    """The batch that made the version which the baseline stands for, from the baseline's history."""
    newest = deque(ws.store.history(baseline_record(ws, state.spreadsheet_id)), maxlen=RECENT)
    for snapshot in reversed(newest):
        for one in state_from_json(snapshot.content).intended:
            if one.token == state.token:
                return one
    return None


class ResumedLook(SyncRun):
    """A dry run that says what a push would do once nothing holds the spreadsheet any more."""

    def _is_over(self) -> bool:
        return False


def undo(ws: Workspace, gateway: SheetGateway) -> SyncReport:
    """Put back what the last push wrote over, from its pre-images; runs then stop until `resume`."""
    check_held(load_state(ws, gateway.spreadsheet_id)[0])  # refused, a second undo says nothing of how runs go
    return execute(UndoRun(ws, gateway, PUSH, NO_FORCES))


def resume(ws: Workspace, gateway: SheetGateway, *, dry_run: bool = False, forces: Forces = NO_FORCES) -> SyncReport:
    """Let go of a spreadsheet that an undo holds, and push."""
    if dry_run:
        return execute(ResumedLook(ws, gateway, PUSH, forces, dry_run=True), past_undo=True)
    _let_go(ws, gateway)
    try:
        return push(ws, gateway, forces=forces)
    except SafetyStopError as stop:
        if stop.code != UNDO_HOLDS:
            raise
    _let_go(ws, gateway)  # only this run found that the undo had landed
    return push(ws, gateway, forces=forces)


def _let_go(ws: Workspace, gateway: SheetGateway) -> None:
    if not load_state(ws, gateway.spreadsheet_id)[0].held:
        return
    with ws.store.lease(lease_name(gateway.spreadsheet_id), who=ws.ctx.user) as lease:
        state, _ = load_state(ws, gateway.spreadsheet_id)
        state.held = ""
        with ws.store.transaction(ws.ctx, why="push: goes on after an undo", fence=lease) as tx:
            tx.save(baseline_record(ws, gateway.spreadsheet_id), state_to_json(state))


# -- why


@dataclass(frozen=True)
class WhyReport:
    """Where the value of one cell comes from."""

    tab: str
    cell: str
    row_key: tuple[str, ...]
    column: str
    facts: dict[str, JSONValue] = field(default_factory=dict)

    def to_json(self) -> dict[str, JSONValue]:
        """The cell, and what is known about it."""
        head = {"tab": self.tab, "cell": self.cell, "row_key": list(self.row_key), "column": self.column}
        return head | self.facts

    def lines(self) -> Iterator[str]:
        """The same for people."""
        yield f"{self.tab}!{self.cell}  {' / '.join(self.row_key)}  {self.column}"
        for name, value in self.facts.items():
            if value not in (None, "", {}):
                yield f"  {name}: {format_value(value) if not isinstance(value, dict) else _pairs(value)}"


def _pairs(value: dict[str, JSONValue]) -> str:
    return ", ".join(f"{name} {format_value(one) or '(empty)'}" for name, one in value.items())


def why(ws: Workspace, gateway: SheetGateway, tab: str, cell: str) -> WhyReport:
    """Why a cell shows what it shows: what the sheet holds, published, pending edit, conflict, last agreed.

    Raises:
        NotFoundError: there is no such tab of ours.
        UsageError: that is not the name of a cell.
    """
    wanted = cell.replace("$", "").upper()
    if not CELL.fullmatch(wanted):
        raise UsageError(f"'{cell}' is not the name of a cell", hint="name it as in 'Policy Matrix!C7'")
    read = gateway.read({})
    role = role_of(tab) or next((role for role, one in read.tabs.items() if one.title == tab), None)
    if role is None or role not in read.tabs:
        known = ", ".join(one.title for one in read.tabs.values()) or "none; 'sheetsync push' sets them up"
        raise NotFoundError(f"there is no tab {tab!r} of sheetsync", hint=f"tabs are: {known}")
    found = read.tabs[role]
    header = next((name for name, at in found.columns.items() if a1(0, at) == wanted), None)
    if header is not None:
        owner = f"sheetsync: the header of its column {header}"
        return WhyReport(found.title, cell, (), header, {"sheet": header, "owner": owner})
    place = _place(found, wanted)
    if place is None:
        return WhyReport(found.title, cell, (), "", {"owner": "not sheetsync's: nothing of ours stands there"})
    row, column = place
    key = tuple(shown(raw) for raw in row.cells[: LAYOUTS[role].key_width])
    return WhyReport(found.title, cell, key, column, _facts(ws, gateway, role, row, key, column))


def _place(tab: TabRead, wanted: str) -> tuple[RowRead, str] | None:
    for row in tab.rows:
        for column, at in tab.columns.items():
            if a1(row.index, at) == wanted:
                return row, column
    return None


def _facts(
    ws: Workspace, gateway: SheetGateway, role: Role, row: RowRead, key: RowKey, column: str
) -> dict[str, JSONValue]:
    layout = LAYOUTS[role]
    at = layout.position(column)
    facts: dict[str, JSONValue] = {"sheet": plain(row.cells[at])}
    owned = column in layout.owned_names
    facts["owner"] = "policy owners" if owned else "sheetsync"
    if role not in OWNER_ROLES:
        return facts
    view = current_view(ws)
    state, _ = load_state(ws, gateway.spreadsheet_id)
    state.tables = tables_at(ws, state.commit, view)
    published = view.tables[role].get(key)
    if not owned or column == SYNC_STATUS:
        return facts
    source = "published" if key[0] in view.live else "newest_draft"
    facts[source] = None if published is None else published[at]
    base = state.value((role, key, column))
    facts["last_agreed"] = None if isinstance(base, Nothing) else base
    edit = view.edits.get((role, key, column))
    if edit is not None:
        facts["pending"] = {"draft": edit.draft_id, "base": edit.base, "value": edit.value}
        if not isinstance(edit.theirs, Nothing):
            facts["conflict"] = {"base": edit.base, "yours": edit.value, "theirs": edit.theirs}
    answer = state.answers.get((role, key, column))
    if answer:
        facts["answer"] = answer
    live = ws.catalogue().published(key[0]) if key[0] in view.live else None
    if live is not None:
        facts["published_by"] = {"draft": live.component.draft_id, "user": live.component.published_by}
    return facts


__all__ = ["SyncPlan", "WhyReport", "apply_plan", "make_plan", "resume", "undo", "why"]
