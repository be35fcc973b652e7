"""`fsck` and `fsck --repair` as functions: scan, then put right from the journal what can be put right.

A repair adds a missing snapshot, or replaces a damaged one or a journal line that hashes prove, keeping the damaged
bytes under `.store/aside`. It deletes nothing. What it may not write is said with the finding; the report comes anyway.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

import orjson

from sheetsync.domain.clock import Clock
from sheetsync.errors import DestinationError, SheetSyncError, StoreDamagedError, TryLaterError
from sheetsync.store.backend import Backend
from sheetsync.store.derived_scan import INDEX_PATH
from sheetsync.store.entry import Change, with_sum
from sheetsync.store.findings import Finding, FsckReport
from sheetsync.store.fsck import scan, scan_raw, scan_tenant, with_salvage
from sheetsync.store.index import INDEX
from sheetsync.store.media import media_errors, open_backend, passes_by_itself
from sheetsync.store.recovery import CHECKPOINT, NOT_OURS_TO_WRITE, parse_checkpoint, parse_proved
from sheetsync.store.tenant_scan import EntryReader, TenantScan

FROM_ENTRIES: Final = ("missing", "truncated", "changed", "swapped", "unreadable")


def fsck(url: str | Path, *, repair: bool = False) -> FsckReport:
    """Look at the raw files of a store; with `repair` put right what the journal can put right.

    Raises:
        NotFoundError: there is no store.
        NewerFormatError: a newer version wrote it.
    """
    backend = open_backend(url, create=False, tell=lambda _: None)
    try:
        return check(backend, str(url), repair=repair)
    finally:
        backend.close()


def check(backend: Backend, url: str, *, repair: bool = False, clock: Clock | None = None) -> FsckReport:
    """`fsck` on a backend that is open; `clock` as in `scan`."""
    with media_errors("check the store"):
        store_id, scans = scan(backend, clock=clock)
        findings = [finding for found in scans for finding in found.findings]
    if repair:
        findings = []
        for index, found in enumerate(scans):
            scans[index], told = _repair_tenant(found, backend, clock)
            findings += told
    return FsckReport(
        url=url,
        store_id=store_id,
        tenants=tuple(found.tenant for found in scans if found.tenant),
        commits=sum(len(found.lines) for found in scans),
        snapshots=sum(len(found.wanted) for found in scans),
        findings=tuple(findings),
    )


def _repair_tenant(found: TenantScan, backend: Backend, clock: Clock | None) -> tuple[TenantScan, list[Finding]]:
    """Put right what can be; the last scan, and all findings, those marked that are gone."""
    before = found.findings
    done: set[Finding] = set()
    failed: dict[str, str] = {}  # path → why; "" for all that is not told by itself
    try:
        with media_errors("repair the store"):
            if found.rebuilt and _may_write(found):
                _repair_journal(found)
                found = scan_tenant(found.tenant, found.part, backend, clock=clock)
            if _repairable(found) and _may_write(found):
                _put_right(found, done, failed)
    except SheetSyncError as exc:
        failed[""] = exc.message
    after = [replace(finding, repaired=finding in done) for finding in found.findings]
    return found, [_explained(finding, failed) for finding in _marked(before, after)]


def _may_write(found: TenantScan) -> bool:
    """True.

    Raises:
        DestinationError: nothing can be written here.
    """
    if not found.part.prepare():
        raise DestinationError("the store cannot be written: see its mode")
    return True


def _repair_journal(found: TenantScan) -> None:
    """Put the journal's lines right that hashes prove, and fill what holds up every reader."""
    with found.part.exclusive():  # looked at again under the lock: writers may have added lines meanwhile
        again = with_salvage(scan_raw(found.tenant, found.part, torn_tails=found.torn_tails))
        changed: TryLaterError | None = None
        for path, data in again.rebuilt.items():
            try:
                found.part.replace_journal(path.rpartition("/")[2], data, damaged=again.damaged.get(path))
            except TryLaterError as exc:  # of this one file; the others are put right
                changed = exc
        if changed is not None:
            raise changed


def _repairable(found: TenantScan) -> list[Finding]:
    """Findings that the journal can put right."""
    return [
        finding
        for finding in found.findings
        if (finding.code in FROM_ENTRIES and finding.path in found.wanted and not found.disordered)
        or (finding.code == "index" and finding.damage)
    ]


def _put_right(found: TenantScan, done: set[Finding], failed: dict[str, str]) -> None:
    """Snapshots from their entries, entry by entry, and the index. What was done stays told if a later one fails."""
    by_entry: defaultdict[int, list[Finding]] = defaultdict(list)
    put: dict[str, Finding | None] = {}
    with found.part.exclusive():
        for finding in _repairable(found):
            if finding.path == INDEX_PATH:
                _forget_index(found)
                done.add(finding)
            else:
                by_entry[found.wanted[finding.path][1]].append(finding)
        if by_entry:
            was = _unproved_from(found, min(by_entry))
            try:
                _put_all(found, by_entry, put, failed)
            except Exception:  # an interrupt is not kept waiting
                _settle(found, put, done)  # the next opening proves what had come further than we know
                raise
            _settle(found, put, done)
            if was is not None:
                found.part.write_work(CHECKPOINT, was, durable=True)


def _unproved_from(found: TenantScan, number: int) -> bytes | None:
    """Let the checkpoint prove no name from this entry on; what it was, None where that is not needed, or not ours.

    If we are cut off, the next opening looks at them. It tells all the same of every entry that was there.
    """
    was = found.part.read_work(CHECKPOINT)
    if was is None or parse_proved(was) < number or not found.torn_tails:  # in a bucket each put is durable
        return None
    line = orjson.loads(was).get("line")
    value = {"upto": parse_checkpoint(was), "line": line if isinstance(line, str) else "", "proved": number - 1}
    try:
        found.part.write_work(CHECKPOINT, with_sum(value), durable=True)
    except OSError as exc:
        if exc.errno not in NOT_OURS_TO_WRITE:
            raise
        return None
    return was


def _settle(found: TenantScan, put: Mapping[str, Finding | None], done: set[Finding]) -> None:
    """What was put is done once it is durable."""
    if put:
        found.part.make_durable(put)
        done.update(finding for finding in put.values() if finding is not None)


def _put_all(
    found: TenantScan,
    by_entry: Mapping[int, list[Finding]],
    put: dict[str, Finding | None],
    failed: dict[str, str],
) -> None:
    """Fill `put`: what stands in its place by path, with its finding once it was read there."""
    entries = EntryReader(found)
    for number, findings in sorted(by_entry.items()):
        for finding in findings:
            if why := _put(found, finding, entries.change(number, finding.path), put):
                failed[finding.path] = why


def _put(found: TenantScan, finding: Finding, change: Change | None, put: dict[str, Finding | None]) -> str:
    """Put the snapshot in its place; why not, where something stands in the way, which is a finding of its own."""
    if change is None:
        return "its entry does not hold it"
    try:
        if found.part.put_snapshot(change.path, change.data(), verify=True):
            put[change.path] = None
        found.part.read(change.path)  # one that is refused to us was left as it is
        put[change.path] = finding
    except StoreDamagedError as exc:
        return exc.message
    except OSError as exc:
        if passes_by_itself(exc):
            raise
        return f"{exc.strerror} ({exc.filename2 or exc.filename or change.path})"
    return ""


def _forget_index(found: TenantScan) -> None:
    """Keep the wrong index aside, and leave one that nobody believes: the next opening reads the journal."""
    found.part.keep_aside(f"damaged-{INDEX}", found.part.read_work(INDEX) or b"")
    found.part.write_work(INDEX, b"{}\n", durable=True)


def _marked(before: list[Finding], after: list[Finding]) -> list[Finding]:
    """The findings of before and after a repair, once each; those that are gone were repaired."""
    left = {(finding.code, finding.path, finding.message) for finding in after}
    gone = [finding for finding in before if (finding.code, finding.path, finding.message) not in left]
    return [*(replace(finding, repaired=True) for finding in gone), *after]


def _explained(finding: Finding, failed: dict[str, str]) -> Finding:
    """A finding that could have been put right, and was not, tells why."""
    why = failed.get(finding.path) or failed.get("")
    if finding.repaired or not why or not finding.recoverable or not finding.damage:
        return finding
    return replace(finding, hint=f"not repaired: {why}; {finding.hint}" if finding.hint else f"not repaired: {why}")
