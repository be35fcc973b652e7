"""The doctor: what is well, what is odd and what is broken, a line each, with what to do about it.

Here are the checks of store and spreadsheet, through their ports; those of configuration and credentials, and the order
of all of them, are in `bootstrap`. Nothing is changed by a check.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import NotFoundError, SheetSyncError, StoreDamagedError
from sheetsync.observability.redaction import redact
from sheetsync.services.health import read_health
from sheetsync.services.sync_state import load_state
from sheetsync.services.syncing import sync
from sheetsync.services.workspace import Workspace
from sheetsync.sync.drift import unprotected, validations_astray
from sheetsync.sync.gateway import SheetGateway, SheetRead, TabSize
from sheetsync.sync.headers import check_doubled, copied_header_problems
from sheetsync.sync.protected import HINT, describe, shut_out
from sheetsync.sync.safety import FOREIGN
from sheetsync.sync.tabs import LAYOUTS

State = Literal["ok", "warn", "fail"]
STALE: Final = timedelta(hours=24)  # cron runs every few minutes; a day without a good run is worth a line
CELL_LIMIT: Final = 10_000_000
CELLS_WARNED: Final = 8_000_000
FINDINGS_SHOWN: Final = 5
PROBLEMS: Final = 3


@dataclass(frozen=True, slots=True)
class Line:
    """One finding. `exit_code` and `code` are those of the error behind a failure."""

    status: State
    name: str
    message: str
    hint: str = ""
    exit_code: int = 0
    code: str = ""

    def to_json(self) -> dict[str, JSONValue]:
        """`{"status", "name", "message", "hint"}`."""
        return {"status": self.status, "name": self.name, "message": self.message, "hint": self.hint}


@dataclass(frozen=True, slots=True)
class DoctorReport:
    """All findings, in the order in which they were made."""

    lines: tuple[Line, ...]

    @property
    def exit_code(self) -> int:
        """That of the first failure; 0 where there is none, warnings or not."""
        return (self._failure.exit_code or 1) if self._failure else 0

    @property
    def _failure(self) -> Line | None:
        return next((line for line in self.lines if line.status == "fail"), None)

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "checks": [{"status", "name", "message", "hint"}]}`, and `error` as every command has it."""
        told: dict[str, JSONValue] = {"ok": self.exit_code == 0, "checks": [line.to_json() for line in self.lines]}
        if self._failure and self.exit_code != PROBLEMS:
            first = self._failure
            told["error"] = {
                "code": first.code, "message": first.message, "hint": first.hint, "exit_code": self.exit_code,
            }  # fmt: skip
        return told


def failed(name: str, error: SheetSyncError) -> Line:
    """A check that ended in an error."""
    return Line("fail", name, redact(error.message), redact(error.hint), error.exit_code, error.code)


def checked(name: str, check: Callable[[], Iterator[Line]]) -> Iterator[Line]:
    """The lines of a check; an error ends it with a line of its own."""
    try:
        yield from check()
    except SheetSyncError as error:
        yield failed(name, error)


def check_store(url: str) -> Iterator[Line]:
    """Prove every hash of the store, before recovery touches anything."""
    from sheetsync.store import fsck

    try:
        report = fsck(url)
    except NotFoundError:
        yield Line("warn", "store", f"there is no store at {url} yet", "the first command that writes makes it")
        return
    for finding in report.findings[:FINDINGS_SHOWN]:
        state: State = "fail" if finding.damage else "warn"
        code, exit_code = (StoreDamagedError.code, StoreDamagedError.exit_code) if finding.damage else ("", 0)
        yield Line(state, "store", f"{finding.path}: {finding.message}", finding.hint, exit_code, code)
    if not report.findings:
        yield Line(
            "ok", "store", f"{report.commits} commits and {report.snapshots} snapshots at {url}, all hashes right"
        )


def check_workspace(ws: Workspace) -> Iterator[Line]:
    """What runs now, and how the last run ended."""
    for lease in ws.store.held():
        held = f"'{lease.name}' is held by {lease.who} on {lease.host} (pid {lease.pid}) since {lease.since:%H:%M} UTC"
        yield Line("warn", "lock", held, "wait for it; 'sheetsync lock break' only if that process is gone")
    record = read_health(ws)
    if record is None:
        yield Line("ok", "last sync", "there was none yet")
    elif record.error is not None:
        error = record.error
        yield Line("warn", "last sync", f"failed at {record.at:%Y-%m-%d %H:%M} UTC: {error.get('message', '')}",
                   str(error.get("hint", "")))  # fmt: skip
    elif record.age(ws.clock.now()) > STALE:
        yield Line("warn", "last sync", f"the last good one was at {record.ok_at or record.at:%Y-%m-%d %H:%M} UTC",
                   "is the cron job still running?")  # fmt: skip
    else:
        yield Line("ok", "last sync", f"ended well at {record.at:%Y-%m-%d %H:%M} UTC")


def check_spreadsheet(ws: Workspace, gateway: SheetGateway) -> Iterator[Line]:
    """Can it be reached, is it ours, are our tabs and protections there."""
    listed = gateway.list_tabs()
    yield Line("ok", "spreadsheet", f"'{listed.title}' can be read: {len(listed.listed or ())} tabs")
    if listed.foreign_cells > CELLS_WARNED:
        yield Line("warn", "spreadsheet", f"{listed.foreign_cells:,} of at most {CELL_LIMIT:,} cells are used",
                   "delete empty rows and columns of other tabs")  # fmt: skip
    if listed.mark is None:
        yield Line("warn", "tabs", "no push has set it up yet", "sheetsync push")
        return
    yield from _check_mark(ws, listed)
    missing = [layout.title for role, layout in LAYOUTS.items() if role not in listed.tabs]
    if missing:
        yield Line("fail", "tabs", f"missing: {', '.join(missing)}", "sheetsync push makes them again", PROBLEMS)
        return
    marks = load_state(ws, gateway.spreadsheet_id)[0].tabs.items()
    read = gateway.read({role: TabSize(mark.sheet_id, 0, mark.columns) for role, mark in marks})
    yield Line("ok", "tabs", ", ".join(tab.title for tab in read.tabs.values()))
    yield from _check_tabs(read)


def _check_mark(ws: Workspace, listed: SheetRead) -> Iterator[Line]:
    mark = listed.mark
    ours = (ws.store.store_id, ws.ctx.tenant, listed.spreadsheet_id)
    if mark is not None and (mark.store, mark.tenant, mark.spreadsheet) != ours:
        yield Line("fail", "owner", "the spreadsheet belongs to another store or tenant, or is a copy",
                   "sheetsync push --adopt takes it over, --restore-from-store overwrites it",
                   7, FOREIGN)  # fmt: skip
    else:
        yield Line("ok", "owner", "the spreadsheet belongs to this store and tenant")


def _check_tabs(read: SheetRead) -> Iterator[Line]:
    for copied in read.doubled:
        yield Line("fail", "tabs", f"there are two tabs that count as '{copied.role}', one of them is '{copied.title}'",
                   "delete the copy", PROBLEMS)  # fmt: skip
    check_doubled(read)
    for problem in copied_header_problems(read):
        yield Line("warn", "headers", f"{problem.message}, in {problem.tab}", problem.hint)
    shut = [(tab, one) for tab in read.tabs.values() for one in shut_out(tab)]
    for tab, one in shut:
        yield Line(
            "warn", "protection", f"{tab.title} is protected by {describe(one)}: sheetsync may not write there", HINT
        )
    bare = [read.tabs[role].title for role in unprotected(read)]
    if bare:
        yield Line("warn", "protection", f"protections are gone in {', '.join(bare)}", "sheetsync push sets them again")
    elif not shut:
        yield Line("ok", "protection", "all tabs are protected")
    astray = [f"{count} in {title}" for title, count in validations_astray(read).items()]
    if astray:
        yield Line("warn", "validation", f"cells without our checkbox or dropdown: {', '.join(astray)}",
                   "sheetsync push sets them again")  # fmt: skip
    else:
        yield Line("ok", "validation", "checkboxes and dropdowns are as they were set")
    merged = [tab.title for tab in read.tabs.values() if tab.merges]
    if merged:
        yield Line("warn", "merged cells", f"in {', '.join(merged)}: edits there cannot be read", "unmerge them")


def check_drift(ws: Workspace, gateway: SheetGateway) -> Iterator[Line]:
    """What a sync would do now."""
    report = sync(ws, gateway, dry_run=True)
    cells = sum(counts.cells_written for counts in report.tabs.values())
    edits = sum(len(draft.edits) for draft in report.drafts)
    if report.changed or cells or edits:
        mended = f", and put back or set again {len(report.healed)} places" if report.healed else ""
        yield Line("ok", "drift", f"a sync would write {cells} cells and take {edits} edits{mended}", "sheetsync sync")
    else:
        yield Line("ok", "drift", "store and sheet agree")
    if report.problems or report.conflicts:
        found = f"{len(report.problems)} problems and {len(report.conflicts)} conflicts in the rows"
        yield Line("warn", "sheet", found, "sheetsync pull lists them")
