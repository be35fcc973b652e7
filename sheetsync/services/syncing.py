"""Use cases of the spreadsheet: push, pull, sync. Each is one run under one lease; a second run exits 8.

The steps of a run are in `sync_run`, what it remembers in `sync_state`, its report in `sync_report`; plans, undo and
`why` are in `sync_plans`.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sheetsync.errors import PlanMovedError, SheetSyncError, UsageError
from sheetsync.services.health import record_run
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.sync_run import SyncRun
from sheetsync.services.sync_state import load_complaints, load_state, save_health
from sheetsync.services.workspace import Workspace
from sheetsync.store import Lease
from sheetsync.sync.decide import Mode
from sheetsync.sync.gateway import SheetGateway
from sheetsync.sync.safety import Forces, check_held
from sheetsync.sync.tabs import title_of

__all__ = ["Forces", "SyncReport", "execute", "lease_name", "pull", "push", "run_once", "sync"]
PUSH = Mode(takes=False, writes=True)
PULL = Mode(takes=True, writes=False)
SYNC = Mode(takes=True, writes=True)
NO_FORCES = Forces()
LOCK_EXIT = 8  # another run is at work: nothing failed
REFUSED = (UsageError.code, PlanMovedError.code)  # the command was no good; about the spreadsheet that says nothing


def push(ws: Workspace, gateway: SheetGateway, *, dry_run: bool = False, forces: Forces = NO_FORCES) -> SyncReport:
    """Write what the store says into the sheet; an owner's edit that is not in a draft stays, and is reported."""
    return run_once(ws, gateway, PUSH, forces, dry_run=dry_run)


def pull(
    ws: Workspace, gateway: SheetGateway, *, dry_run: bool = False, forces: Forces = NO_FORCES,
    settle_seconds: float | None = None,
) -> SyncReport:  # fmt: skip
    """Take owners' edits into new drafts, and answer them in the sheet."""
    return run_once(ws, gateway, PULL, forces, dry_run=dry_run, settle_s=_settle(ws, settle_seconds))


def sync(
    ws: Workspace, gateway: SheetGateway, *, forces: Forces = NO_FORCES, quiet_known: bool = False,
    settle_seconds: float | None = None, dry_run: bool = False,
) -> SyncReport:  # fmt: skip
    """Pull, then push, in one read and at most one write.

    With `quiet_known` the exit code is 3 only for problems and conflicts that the last run did not have.
    """
    settle_s = _settle(ws, settle_seconds)
    return run_once(ws, gateway, SYNC, forces, dry_run=dry_run, settle_s=settle_s, quiet_known=quiet_known)


def lease_name(spreadsheet_id: str) -> str:
    """The lease that excludes other runs on this spreadsheet."""
    from hashlib import sha256

    return f"sync-{sha256(spreadsheet_id.encode()).hexdigest()[:12]}"


def run_once(
    ws: Workspace, gateway: SheetGateway, mode: Mode, forces: Forces, *, dry_run: bool = False, settle_s: float = 0.0,
    quiet_known: bool = False,
) -> SyncReport:  # fmt: skip
    """One run in one mode.

    Raises:
        LockHeldError: another run is at it.
        SafetyStopError: a person must decide; nothing was written.
    """
    return execute(SyncRun(ws, gateway, mode, forces, settle_s=settle_s, dry_run=dry_run), quiet_known=quiet_known)


def execute(run: SyncRun, *, quiet_known: bool = False, past_undo: bool = False) -> SyncReport:
    """Take the lease, run, and note how it went. `past_undo`: also where an undo holds the spreadsheet."""
    ws, gateway = run.ws, run.gateway
    before = dict(gateway.counts())
    collecting = gc.isenabled()
    gc.disable()  # a run makes no cycles; going over 500,000 cells again and again costs a third of its time
    try:
        with _turn(run) as lease:
            if not past_undo:
                check_held(load_state(ws, gateway.spreadsheet_id)[0])
            report = run.run(lease)
    except SheetSyncError as error:
        if not run.dry_run and error.exit_code != LOCK_EXIT and error.code not in REFUSED:
            record_run(ws, error=error)
        raise
    finally:
        if collecting:
            gc.enable()
    report.calls = _since(before, gateway.counts())
    report.commit = ws.store.head() or None
    if quiet_known:
        report.quiet = report.complaints() <= load_complaints(ws)
    if not run.dry_run:
        save_health(ws, report, gateway.spreadsheet_id, _tab_ids(run), gateway.url)
    return report


@contextmanager
def _turn(run: SyncRun) -> Iterator[Lease]:
    """The lease that excludes other runs. A dry run only looks whether one is at work: it takes and leaves nothing."""
    store, name, who = run.ws.store, lease_name(run.gateway.spreadsheet_id), run.ws.ctx.user
    if run.dry_run:
        store.check_free(name)
        yield Lease(name, who, 0, lambda: None, released=True)  # nothing can be committed under it
        return
    with store.lease(name, who=who) as lease:
        yield lease


def _tab_ids(run: SyncRun) -> dict[str, int]:
    """Our tabs by the titles that people gave them, those that this run made among them."""
    titles = {role: tab.title for role, tab in run.read.tabs.items()} if run.read else {}
    return {titles.get(role) or title_of(role): mark.sheet_id for role, mark in run.state.tabs.items()}


def _since(before: Mapping[str, int], after: Mapping[str, int]) -> dict[str, int]:
    return {name: after[name] - before.get(name, 0) for name in ("read", "write", "drive")}


def _settle(ws: Workspace, settle_seconds: float | None) -> float:
    return ws.rules.settle_seconds if settle_seconds is None else settle_seconds
