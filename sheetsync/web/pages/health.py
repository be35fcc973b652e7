"""Health: the last good sync, what it cost, what is wrong in the sheet, the store's checks, and who holds a lock."""

from __future__ import annotations

from starlette.responses import Response

from sheetsync.services.catalogue import status
from sheetsync.store import FsckReport, fsck
from sheetsync.web.rendering import counted
from sheetsync.web.sheet_health import STALE_S, read_sheet_health
from sheetsync.web.visit import Visit


def show_health(visit: Visit) -> Response:
    """The page; it reads, and changes nothing."""
    return _show(visit, None)


def check_store(visit: Visit) -> Response:
    """Prove every hash of the store now. It may take a while on a large store; it changes nothing."""
    return _show(visit, fsck(visit.workspace.store.url))


def _show(visit: Visit, report: FsckReport | None) -> Response:
    ws = visit.workspace
    sheet, now, counts = read_sheet_health(ws, visit.site.sheet_address), ws.clock.now(), status(ws)
    late = sheet.at is not None and (sheet.ok_at is None or (now - sheet.ok_at).total_seconds() > STALE_S)
    return visit.show(
        "health.html", sheet=sheet, late=late, store=ws.store, head=ws.store.head(), held=ws.store.held(),
        open_drafts=counts.open_drafts, pending=counts.pending_edits, fsck=report, fsck_words=_words(report),
        fsck_lines=_lines(report, ws.ctx.tenant),
    )  # fmt: skip


def _words(report: FsckReport | None) -> str:
    if report is None:
        return ""
    looked = f"{counted(report.snapshots, 'snapshot')} in {counted(report.commits, 'commit')}"
    return f"The store is damaged; {looked} were looked at." if report.damaged else f"All is well: {looked} proved."


def _lines(report: FsckReport | None, tenant: str) -> list[str]:
    """What was found, without naming files of other tenants."""
    if report is None:
        return []
    own = [one for one in report.findings if one.tenant in ("", tenant)]
    other = len(report.findings) - len(own)
    lines = [one.message + (f" ({one.hint})" if one.hint else "") for one in own]
    return [*lines, f"{counted(other, 'finding')} in other tenants"] if other else lines
