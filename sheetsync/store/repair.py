"""`fsck` and `fsck --repair` as functions: scan, then put right from the journal what can be put right.

A repair adds a missing snapshot, or replaces a damaged one or a journal line that hashes prove, keeping the damaged
bytes under `.store/aside`. It deletes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sheetsync.errors import StoreDamagedError
from sheetsync.store.backend import TenantBackend
from sheetsync.store.entry import Change
from sheetsync.store.findings import Finding, FsckReport
from sheetsync.store.fsck import TenantScan, read_entry, repairable, scan, scan_alone, scan_tenant
from sheetsync.store.media import media_errors, open_backend, passes_by_itself


def fsck(url: str | Path, *, repair: bool = False) -> FsckReport:
    """Look at the raw files of a store; with `repair` put right what the journal can put right.

    Raises:
        NotFoundError: there is no store.
        NewerFormatError: a newer version wrote it.
    """
    backend = open_backend(url, create=False, tell=lambda _: None)
    try:
        with media_errors("check the store"):
            store_id, scans = scan(backend)
            findings = [finding for found in scans for finding in found.findings]
            if repair:
                scans = [_with_journal_repaired(found) for found in scans]
                findings = _marked(findings, [finding for found in scans for finding in _repair(found)])
    finally:
        backend.close()
    return FsckReport(
        url=str(url),
        store_id=store_id,
        tenants=tuple(found.tenant for found in scans if found.tenant),
        commits=sum(len(found.lines) for found in scans),
        snapshots=sum(len(found.wanted) for found in scans),
        findings=tuple(findings),
    )


def _with_journal_repaired(found: TenantScan) -> TenantScan:
    """The scan after journal lines that can be rebuilt were."""
    if not found.rebuilt or not found.part.prepare():
        return found
    repair_journal(found.tenant, found.part)
    return scan_tenant(found.tenant, found.part)


def repair_journal(tenant: str, part: TenantBackend) -> None:
    """Put the journal's lines right that hashes prove."""
    with part.exclusive():  # looked at again under the lock: writers may have added lines meanwhile
        for path, data in scan_alone(tenant, part).rebuilt.items():
            part.replace_journal(path.rpartition("/")[2], data)


def _put(part: TenantBackend, change: Change) -> bool:
    """Put the snapshot in its place; False where something stands in the way, which is a finding of its own."""
    try:
        part.put_snapshot(change.path, change.data(), verify=True)
    except StoreDamagedError:
        return False
    except OSError as exc:
        if passes_by_itself(exc):
            raise
        return False
    return True


def _marked(before: list[Finding], after: list[Finding]) -> list[Finding]:
    """The findings of before and after a repair, once each; those that are gone were repaired."""
    left = {(finding.tenant, finding.code, finding.path, finding.message) for finding in after}
    gone = [f for f in before if (f.tenant, f.code, f.path, f.message) not in left]
    return [*(replace(finding, repaired=True) for finding in gone), *after]


def _repair(found: TenantScan) -> list[Finding]:
    """The findings, with those marked that are put right now."""
    todo = dict(repairable(found))
    if not todo or not found.part.prepare():
        return found.findings
    done: set[Finding] = set()
    with found.part.exclusive():
        for finding, number in sorted(todo.items(), key=lambda item: item[1]):
            for change in read_entry(found, number).changes:
                if change.path == finding.path and _put(found.part, change):
                    done.add(finding)
    return [replace(finding, repaired=finding in done) for finding in found.findings]
