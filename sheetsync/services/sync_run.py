"""One run of push, pull or sync: the checked protocol, step by step (design.md section 7, the fourteen rules).

The decisions are pure and live in `sync`; here they are put in order, made durable and sent. Public use cases are in
`syncing`.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Final

from sheetsync.domain.identifiers import new_draft_id
from sheetsync.errors import SheetSyncError, StaleSnapshotError, TryLaterError
from sheetsync.services.sending import MOVED, Sender, VersionMovedError
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.sync_state import (
    FirstSeen,
    baseline_record,
    current_view,
    forget_asked,
    load_asked,
    load_state,
    save_asked,
    tables_at,
)  # fmt: skip
from sheetsync.services.sync_tell import count_batch, journal_details, settled_details, tell_plan, tell_race
from sheetsync.services.workspace import Workspace
from sheetsync.store import Lease, Transaction
from sheetsync.sync.adopting import forget_other_tab, missing_columns, with_our_columns
from sheetsync.sync.answers import answer_rows
from sheetsync.sync.baseline import Intended, SyncState
from sheetsync.sync.baseline_json import state_to_json
from sheetsync.sync.compare import compare
from sheetsync.sync.decide import Mode
from sheetsync.sync.draft_rows import Refused, RowRefusedError
from sheetsync.sync.drafting import DraftChanges, Pulled, close_spent, make_drafts, name_drafts, overtaken
from sheetsync.sync.drift import doubled_problems, mend_drift, pick_known_tabs, rules_once_set, without_tabs
from sheetsync.sync.epoch import go_on_from, is_foreign, landed, next_token, step_over
from sheetsync.sync.gateway import Batch, Landed, Mark, SheetGateway, SheetRead, TabSize
from sheetsync.sync.headers import check_doubled, copied_header_problems, gone_columns
from sheetsync.sync.outcome import Plan
from sheetsync.sync.planning import Structure, digest_of, intend, marks_after, plan_batch, refused_before
from sheetsync.sync.protected import Guard, held_header_problems, held_headers
from sheetsync.sync.safety import (
    Forces,
    check_batch,
    check_headers,
    check_held,
    check_mark,
    check_plan,
    check_unmarked,
    lacks_headers,
    version_stop,
)
from sheetsync.sync.settle import Settled, count_keys, settle
from sheetsync.sync.sync_tabs import plan_sync_tabs
from sheetsync.sync.tabs import OWNER_ROLES, ROLES, Role
from sheetsync.sync.view import View, fate_of

COMPARISONS: Final = 20  # how often a run compares again because the store moved
ATTEMPTS: Final = 2  # the batch, and one that heals
RESTARTS: Final = 2  # how often a run reads again after a refused or unanswered batch


class SyncRun:
    """One run against one spreadsheet, under one lease."""

    attempts = ATTEMPTS

    def __init__(
        self, ws: Workspace, gateway: SheetGateway, mode: Mode, forces: Forces, *, settle_s: float = 0.0,
        dry_run: bool = False, random_hex: Callable[[int], str] = secrets.token_hex,
    ) -> None:  # fmt: skip
        self.ws = ws
        self.gateway = gateway
        self.mode = mode
        self.forces = forces
        self.dry_run = dry_run
        self.random_hex = random_hex
        self.report = SyncReport(dry_run=dry_run)
        self.seen = FirstSeen(ws, gateway.spreadsheet_id, settle_s)
        self.sender = Sender(ws, gateway)
        self.mark = Mark(ws.store.store_id, ws.ctx.tenant, gateway.spreadsheet_id)
        self.read: SheetRead | None = None
        self.plan: Plan | None = None
        self.state = SyncState(gateway.spreadsheet_id)
        self.unmarked: list[tuple[Role, int]] = []
        self.headers: dict[Role, dict[str, int]] = {}
        self.held: dict[Role, dict[str, int]] = {}
        self.gone: set[tuple[Role, str]] = set()

    # -- the run

    def run(self, lease: Lease) -> SyncReport:
        """Read, take in, write, check; once more from the read if the version moved under it."""
        for attempt in range(RESTARTS + 1):
            try:
                self._run_once(lease)
            except VersionMovedError as moved:
                if attempt == RESTARTS and isinstance(moved.__cause__, SheetSyncError):
                    raise moved.__cause__ from None
                if attempt == RESTARTS:
                    raise VersionMovedError(MOVED, hint="run the same command again") from moved.__cause__
                continue
            break
        self.seen.save()
        return self.report

    def _run_once(self, lease: Lease) -> None:
        self.state, known = load_state(self.ws, self.gateway.spreadsheet_id)
        self._made()
        read = self._read()
        view = current_view(self.ws)
        state, newest = load_state(self.ws, self.gateway.spreadsheet_id)
        if newest != known:
            # a run that was taken for dead went on meanwhile: what was read is compared with its baseline
            self.state = state
        self.state.tables = tables_at(self.ws, self.state.commit, view)
        if self.sender.moved_at == read.tokens:
            step_over(self.state, read, self.mark, self.gateway.list_tabs().listed or ())
        self._settle_landed(lease, read, view)
        if self._is_over():
            return
        self._check_version(lease, read)
        check_doubled(read)
        read = self._with_headers(read)
        for role, _ in self.unmarked:
            forget_other_tab(self.state, read.tabs[role])
        if self.state.token is None and not self.dry_run and self.mode.writes:
            read = self._open(lease, read)
        for attempt in range(self.attempts):
            again = self._compare_and_write(lease, read, last=attempt == self.attempts - 1)
            if again is None:
                return
            if lacks_headers(again) or is_foreign(self.state, again):
                break  # somebody renamed a header meanwhile, or restored a version: the next run stops and says so
            self._made()
            read = self._with_headers(again)
        if self.state.debts or self.state.lost_rows:
            tell_race(self.report, self.state)

    def _is_over(self) -> bool:
        """Is there nothing left to do, once it is known what landed? An undo that did stops every other run."""
        check_held(self.state)
        return False

    # -- reading

    def _read(self) -> SheetRead:
        """One read of what is ours; the list of all tabs where the spreadsheet is not set up, or a tab is missing."""
        sizes = {role: TabSize(mark.sheet_id, mark.rows, mark.columns) for role, mark in self.state.tabs.items()}
        if not self.state.known:
            listing = self.gateway.list_tabs()
            if not listing.tabs and listing.mark is None:
                return self._with_unmarked(listing)
            read = self.gateway.read(sizes)
            return self._with_unmarked(replace(read, listed=listing.listed, foreign_cells=0))
        read = pick_known_tabs(self.gateway.read(sizes), self.state.tabs)
        if any(role not in read.tabs for role in ROLES):
            listing = self.gateway.list_tabs()
            return self._with_unmarked(replace(read, listed=listing.listed))
        return read

    def _places(self) -> dict[Role, TabSize]:
        """Where our columns stood: for a read in one piece."""
        return {role: TabSize(mark.sheet_id, 0, mark.columns) for role, mark in self.state.tabs.items()}

    def _with_unmarked(self, read: SheetRead) -> SheetRead:
        """Tabs of our name without our mark are adopted, if a person says so."""
        self.unmarked = check_unmarked(read, self.forces.answer)
        tabs = dict(read.tabs)
        for role, sheet_id in self.unmarked:
            found = self.gateway.read_unmarked(role, sheet_id).tabs[role]
            self.gone |= {(role, name) for name in missing_columns(found)}
            tabs[role] = with_our_columns(found, writes=self.mode.writes)
        return replace(read, tabs=tabs)

    def _made(self) -> None:
        """Nothing is to be taken or written again any more: tabs, headers and columns are as they are read now."""
        self.unmarked, self.headers, self.held, self.gone = [], {}, {}, set()

    # -- which version is this?

    def _settle_landed(self, lease: Lease, read: SheetRead, view: View) -> None:
        """An intended batch that landed without our knowing is checked exactly as its answer would have been."""
        found = landed(self.state, read)
        if found is None or self.dry_run:
            return
        batch, scratch = found
        whole = self.gateway.whole_rows(scratch, len(batch.planned)) if batch.deletes else {}
        tables = tables_at(self.ws, batch.commit, view) if batch.all_of else view.shown
        counts = count_keys(read)
        done = settle(self.state, batch, scratch.pre, whole=whole, tables=tables, counts=counts, notes=scratch.notes)
        self._commit_settled(lease, done, "a batch had landed")

    def _check_version(self, lease: Lease, read: SheetRead) -> None:
        state, answer = self.state, self.forces.answer
        asked = load_asked(self.ws, self.gateway.spreadsheet_id)
        if state.accept is not None and state.asked == read.tokens:
            answer = state.accept
        elif answer is not None and asked is not None and asked != read.tokens and is_foreign(state, read):
            answer = None  # the answer is for the version it was asked about
        strange = is_foreign(state, read)
        try:
            check_mark(read, self.mark, answer)
            if strange and answer is None:
                raise version_stop(read, state)
        except Exception:
            save_asked(self.ws, read)
            raise
        copied = read.mark is not None and read.mark != self.mark
        lost = state.token is None and bool(read.scratch)
        self.mode = replace(self.mode, answer=answer if strange or copied or self.unmarked or state.accept else None)
        if not (strange or lost or copied) or self.dry_run:
            return
        self.state, found = go_on_from(state, read)
        self.state.accept, self.state.asked = self.mode.answer, read.tokens
        self._commit_state(lease, "goes on from the version found", {"pre_images_found": found} if found else {})
        forget_asked(self.ws, self.gateway.spreadsheet_id)

    def _with_headers(self, read: SheetRead) -> SheetRead:
        """Where headers are to be written again, or cannot be, the columns are read as those headers will say."""
        headers = check_headers(read, self.state, self.forces)
        self.held = held_headers(read, headers)
        self.headers = {role: places for role, places in headers.items() if role not in self.held}
        if not self.held and not any(role in OWNER_ROLES for role in headers):
            return read
        self.gone |= gone_columns(read, headers)
        again = self.gateway.read(self._places(), columns=headers | self.held)
        taken = {role: read.tabs[role] for role, _ in self.unmarked}  # they carry no mark yet, by which to read them
        return replace(again, tabs=again.tabs | taken, listed=read.listed)

    # -- opening an epoch

    def _open(self, lease: Lease, read: SheetRead) -> SheetRead:
        """Without a scratch tab: first a batch that adds the tab and nothing else."""
        token = next_token(self.state, read.scratch, self.random_hex(8), opening=True)
        intended = Intended(token, self.state.token, self.state.commit)
        refused = self.sender.refused()
        known = refused_before(self.state, intended, refused)
        if known is None:
            self.state = self.state.copy()
            intend(self.state, intended, refused)
            self._commit_state(lease, "push: opens an epoch")
        intended = known or intended
        answer = self._land(Batch(intended.token, read.scratch), read, again=known is not None)
        done = settle(self.state, intended, answer.pre, whole=answer.whole, tables={}, counts={}, notes={})
        self._commit_settled(lease, done, "push: opens an epoch, landed")
        if answer.read is not None and read.tabs:
            tabs = read.tabs | answer.read.tabs
            return self._with_headers(replace(answer.read, tabs=tabs, listed=read.listed, mark=read.mark))
        return replace(read, scratch=(answer.scratch,) if answer.scratch else self.gateway.read({}).scratch)

    # -- comparing and writing

    def _compare_and_write(self, lease: Lease, read: SheetRead, *, last: bool) -> SheetRead | None:
        """Compare, make drafts and baseline durable, send the batch, check it. What is to be compared again, if any."""
        self.read = read
        for _ in range(COMPARISONS):
            view = current_view(self.ws)
            plan, changes = self._compare(read, view)
            rules = rules_once_set(read, self.state, self.ws.firearms.ids())
            structure = Structure(self.mark, tuple(role for role, _ in self.unmarked), self.headers, rules)
            supposed, writes = self.dry_run and self.mode.writes and self.state.token is None, self.mode.writes
            planned = plan_batch(read, plan, structure, self.random_hex(8), writes=writes, supposed=supposed)
            batch, intended = planned or (None, None)
            if self.dry_run:
                self._note(plan, changes, batch)
                return None
            try:
                intended = self._take_in(lease, view, plan, changes, intended)
            except StaleSnapshotError:
                continue  # the store moved since the comparison: compare again
            break
        else:
            raise TryLaterError("the store keeps changing", hint="run the same command again")
        self._note(plan, changes, batch)
        if batch is None or intended is None:
            return None
        again = intended.token != batch.token
        batch = replace(batch, token=intended.token, digest=digest_of(intended))
        answer = self._land(batch, read, again=again)
        self._check(lease, batch, intended, answer, view)
        if last or not (self.state.debts or self.state.lost_rows or self.state.put_back):
            return None
        return answer.read if answer.read is not None else self.gateway.read(self._places())

    def _compare(self, read: SheetRead, view: View) -> tuple[Plan, DraftChanges]:
        """The plan, and its drafts. A row that fits no draft holds up no other: it is left out, as a problem."""
        refused: Refused = {}
        while True:
            try:
                return self._compare_but(refused, read, view)
            except RowRefusedError as exc:
                if exc.row in refused:
                    raise
                refused[exc.row] = exc.bad

    def _compare_but(self, refused: Refused, read: SheetRead, view: View) -> tuple[Plan, DraftChanges]:
        catalogue = self.ws.catalogue()
        self.state.tables = self.state.tables or tables_at(self.ws, self.state.commit, view)
        plan = compare(
            read, view, self.state, self.mode, firearms=self.ws.firearms.ids(), settled=self.seen.settled,
            fate=partial(fate_of, catalogue, self.gateway.spreadsheet_id), gone=self.gone, refused=refused,
        )  # fmt: skip
        check_plan(plan, read, self.state, self.forces)
        pulled = Pulled(self.gateway.spreadsheet_id, self.ws.ctx.user, self.ws.clock.now(), new_draft_id)
        changes = make_drafts(catalogue, plan.events, plan.marks, pulled)
        if self.mode.takes:
            close_spent(view.drafts, view.live, changes)
        name_drafts(plan, changes)
        plan.problems += [*doubled_problems(read), *copied_header_problems(read)]
        plan.problems += [*held_header_problems(read, self.held), *overtaken(catalogue, view.drafts, changes)]
        guard = Guard(read, self.held)
        guard.hold_cells(plan)
        plan.operations = answer_rows(plan, changes.ids, read, sure=self.state.known and self.mode.answer is None)
        plan.rows = []  # they are operations now; of a bulk both would be held until it landed
        if self.mode.writes:
            known = without_tabs(read, {role for role, _ in self.unmarked})
            mend_drift(known, view, plan, self.headers, self.ws.firearms.ids())
        guard.hold(plan)
        plan_sync_tabs(
            read, view, plan, self.state, changes.ids, writes=self.mode.writes,
            drafts=bool(changes.new or changes.changed), adopted={role for role, _ in self.unmarked},
        )  # fmt: skip
        guard.hold(plan)
        check_batch(plan, read, view.shown, self.gone if self.mode.writes else set())
        return plan, changes

    def _take_in(
        self, lease: Lease, view: View, plan: Plan, changes: DraftChanges, intended: Intended | None
    ) -> Intended | None:
        """Drafts, baseline and the intended batch, durable together before the sheet is told. What is to be sent.

        Where nothing is new but that the batch was refused, it is durable already.
        """
        state = plan.state
        state.known = True
        quiet = not plan.takes and not changes.changed and replace(state, tabs=self.state.tabs) == self.state
        refused = self.sender.refused()
        known = refused_before(self.state, intended, refused) if quiet and intended else None
        if quiet and (intended is None or known is not None):
            return known
        state.mending = plan.mending or state.mending
        if intended is not None:
            intend(state, intended, refused)
        state.rebase(view.commit, view.shown)
        catalogue = self.ws.catalogue()
        feedback = "push: intended" if self.mode.writes else "pull: feedback intended"
        why = "pull: owners' edits" if plan.takes else feedback
        with self.ws.store.transaction(self.ws.ctx, why=why, fence=lease, expect_head=view.commit) as tx:
            for draft, stored in changes.changed:
                catalogue.save_draft(tx, draft, expected=stored.snapshot)
            for draft in changes.new:
                catalogue.save_draft(tx, draft, expected=None)
            self._save(tx, state)
            tx.details.update(journal_details(plan))
        self.state = state
        self.report.changed = True
        return intended

    # -- sending and checking

    def _land(self, batch: Batch, read: SheetRead, *, again: bool = False) -> Landed:
        answer = self.sender.land(batch, read, {one.token for one in self.state.intended}, again=again)
        self.report.changed = True
        return answer

    def _check(self, lease: Lease, batch: Batch, intended: Intended, answer: Landed, view: View) -> None:
        notes = answer.scratch.notes if answer.scratch is not None else {}
        counts, whole = count_keys(answer.read), answer.whole
        done = settle(self.state, intended, answer.pre, whole=whole, tables=view.shown, counts=counts, notes=notes)
        done.state.rebase(view.commit, view.shown)
        done.state.tabs = marks_after(batch, answer, done.state.tabs)
        count_batch(self.report, batch)
        self._commit_settled(lease, done, "push: landed" if self.mode.writes else "pull: feedback landed")

    def _commit_settled(self, lease: Lease, done: Settled, why: str) -> None:
        self.state = done.state
        self.report.healed += done.overwritten
        self._commit_state(lease, why, settled_details(done))

    def _commit_state(self, lease: Lease, why: str, details: dict[str, object] | None = None) -> None:
        with self.ws.store.transaction(self.ws.ctx, why=why, fence=lease) as tx:
            self._save(tx, self.state)
            tx.details.update(details or {})

    def _save(self, tx: Transaction, state: SyncState) -> None:
        tx.save(baseline_record(self.ws, self.gateway.spreadsheet_id), state_to_json(state))

    def _note(self, plan: Plan, changes: DraftChanges, batch: Batch | None) -> None:
        self.plan = plan
        tell_plan(self.report, plan, changes, self.ws.catalogue())
        if self.dry_run:
            self.report.changed = bool(batch or plan.takes or changes.changed)
            if batch is not None:
                count_batch(self.report, batch)
