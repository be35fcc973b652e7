"""`fsck` and `fsck --repair` as functions: scan, then put right from the journal what can be put right.

A repair adds a missing snapshot, or replaces a damaged one, keeping its bytes under `.store/aside`. It deletes nothing.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from sheetsync.store.fsck import Finding, FsckReport, TenantScan, read_entry, repairable, scan
from sheetsync.store.media import media_errors, open_backend


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
            findings = [finding for found in scans for finding in (_repair(found) if repair else found.findings)]
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


def _repair(found: TenantScan) -> list[Finding]:
    """The findings, with those marked that are put right now."""
    todo = dict(repairable(found))
    if not todo or not found.part.prepare():
        return found.findings
    done: set[Finding] = set()
    with found.part.exclusive():
        for finding, number in sorted(todo.items(), key=lambda item: item[1]):
            for change in read_entry(found, number).changes:
                if change.path == finding.path:
                    found.part.put_snapshot(change.path, change.data(), verify=True)
                    done.add(finding)
    return [replace(finding, repaired=finding in done) for finding in found.findings]
