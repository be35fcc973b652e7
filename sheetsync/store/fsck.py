"""`fsck`: looks at a store's raw files, before any recovery, and says what is wrong with each and what can be done.

It reads only. `repair.py` adds what is missing and replaces what is damaged, from the journal; nothing is ever deleted.
What lives here: all tenants in a row, and telling damage from what a writer who is at work has not come to yet. What a
tenant's files say is `tenant_scan.py` and `journal_scan.py`, what can be put right `salvage.py`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import Final

from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.errors import NotFoundError, SheetSyncError, StoreDamagedError
from sheetsync.store.backend import JOURNAL, Backend, TenantBackend
from sheetsync.store.derived_scan import read_index, read_upto, scan_derived
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.findings import Finding
from sheetsync.store.index import read_remembered
from sheetsync.store.journal_scan import scan_journal
from sheetsync.store.media import NO_STORE, parse_format
from sheetsync.store.places import may_hold_records
from sheetsync.store.recovery import unread_witness
from sheetsync.store.salvage import fill_vacant, in_doubt, rebuild_lines, take_from_packs
from sheetsync.store.state import JournalState
from sheetsync.store.tenant_scan import (
    EntryReader,
    FileScan,
    TenantScan,
    explain_stranger,
    mark_recoverable,
    scan_files,
)

UNSETTLED: Final = frozenset({"missing", "torn_line", "broken_line", "journal_gap", "journal_order", "lost_commit"})
LOOKS: Final = 4  # in a row without a change, where writers cannot be kept out for a moment
LOOK_AGAIN_S: Final = 0.2
WRITER_WORKS: Final = timedelta(minutes=10)  # longer than a bucket's client goes on trying to put one name
SOURCES: Final = {
    take_from_packs: "recoverable from a pack and proved by the journal's hashes: run 'sheetsync fsck --repair'",
    rebuild_lines: (
        "recoverable from the snapshots' files and proved by the journal's hashes: run 'sheetsync fsck --repair'"
    ),
    fill_vacant: (
        "nothing tells that it was ever a commit (see older versions of the object first, if the bucket keeps any), "
        "but it holds up every reader: 'sheetsync fsck --repair' keeps its bytes aside, and puts an entry in its place "
        "that says so"
    ),
}
IN_DOUBT: Final = (
    "; or bring back an older version of the object, if the bucket keeps versions; "
    "only if you know that nothing was committed there, delete it"
)


def scan(backend: Backend, *, clock: Clock | None = None) -> tuple[str, list[TenantScan]]:
    """(store id, the tenants' scans). The store's own findings stand in a scan of tenant "".

    Args:
        backend: the store.
        clock: by which it waits for writers who are at work, where no lock keeps them out.

    Raises:
        NotFoundError: there is no store.
        NewerFormatError: a newer version wrote the store: nothing more is known about it.
    """
    store, store_id = TenantScan("", backend.open_tenant(""), backend.traits.torn_tails), ""
    data, unread = None, ""
    try:
        data = backend.read_format()
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
        unread = f"FORMAT cannot be read: {exc.strerror}"
    if data is None and not unread and not _was_a_store(backend):
        raise NotFoundError(f"there is no store at '{backend.url}'", hint=NO_STORE)
    try:
        store_id = parse_format(data or b"")
    except StoreDamagedError as exc:
        what = unread or ("FORMAT is missing" if data is None else exc.message)
        store.find("format", "FORMAT", what, hint="restore the file from a copy of the store")
    for name, kind in backend.strangers():
        store.find(*explain_stranger(name, kind), hint="move it elsewhere")
    return store_id, [store, *scan_tenants(backend, clock=clock)]


def _was_a_store(backend: Backend) -> bool:
    """Where that cannot be told, it is one: what cannot be read is named."""
    try:
        return backend.was_a_store()
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
        return True


def scan_tenants(backend: Backend, *, clock: Clock | None = None) -> Iterator[TenantScan]:
    """The scans of all that could be a tenant's folder."""
    for name in backend.folders():
        yield scan_tenant(name, backend.open_tenant(name), backend, clock=clock)


def scan_tenant(tenant: str, part: TenantBackend, backend: Backend, *, clock: Clock | None = None) -> TenantScan:
    """All findings of one tenant, beside writers who are at work: what they were about to finish is no damage."""
    torn_tails = backend.traits.torn_tails
    found = scan_raw(tenant, part, torn_tails=torn_tails)
    codes = {finding.code for finding in found.findings}
    if codes & UNSETTLED:
        with no_writers(part):
            if codes & (UNSETTLED - {"missing"}):
                found = scan_raw(tenant, part, torn_tails=torn_tails)
            if backend.traits.lasting_leases:
                _look_again(found)
            else:
                _wait_for_writers(found, clock or SystemClock())
    return with_salvage(found)


def scan_raw(
    tenant: str, part: TenantBackend, *, torn_tails: bool, rebuilt: dict[str, bytes] | None = None
) -> TenantScan:
    """One look. Files first, then the journal, which had their names before: a name it lacks was never committed.

    Args:
        tenant: the tenant's folder.
        part: its files.
        torn_tails: as in `Traits`.
        rebuilt: journal files to be read instead of what stands there.
    """
    found = TenantScan(tenant, part, torn_tails, state=JournalState(tenant), rebuilt=rebuilt or {})
    found.checkpoint = read_upto(part)
    found.remembered, found.index = read_remembered(part), read_index(tenant, part)
    files = sorted(item for item in part.walk() if not item[0].startswith(f"{JOURNAL}/"))
    journal = sorted(part.walk(JOURNAL))
    found.names = [path for path, kind in files if kind == "file"]
    unlisted = any(kind == "unreadable" and may_hold_records(path) for path, kind in files)
    found.unlisted = unlisted or (torn_tails and unread_witness(part) is not None)
    found.journal = sorted({*(path for path, kind in journal if kind == "file"), *found.rebuilt})
    scan_journal(found)
    for path, kind in journal:
        if kind != "file":
            found.find(*explain_stranger(path, kind), hint="move it elsewhere")
    scan_files(found, files)
    scan_derived(found)
    mark_recoverable(found)
    return found


@contextmanager
def no_writers(part: TenantBackend) -> Iterator[None]:
    """The writers' lock, if it can be had."""
    with ExitStack() as stack:
        with suppress(OSError, SheetSyncError):  # there is no journal, or a writer was stopped
            stack.enter_context(part.exclusive())
        yield


def _look_again(found: TenantScan) -> bool:
    """Look once more for names that were missing; True if one came."""
    missing = {finding.path for finding in found.findings if finding.code == "missing"}
    come = missing & {path for path, kind in found.part.walk() if kind == "file"} if missing else set()
    found.findings = [f for f in found.findings if f.code != "missing" or f.path not in come]
    looked = FileScan(found)
    for path in sorted(come):
        looked.scan_file(path)
    mark_recoverable(found)
    return bool(come)


def _wait_for_writers(found: TenantScan, clock: Clock) -> None:
    """Look for missing names for as long as they come. What is then still missing of the newest entries is a note.

    A writer on a bucket puts a transaction's names one by one after its commit, in their order, and no lock tells that
    it is at work.
    """
    still = 0
    while still < LOOKS and any(finding.code == "missing" for finding in found.findings):
        still = 0 if _look_again(found) else still + 1
        if still < LOOKS:
            clock.sleep(LOOK_AGAIN_S)
    missing = {finding.path for finding in found.findings if finding.code == "missing"}
    awaited: set[str] = set()
    entries = EntryReader(found)
    for number in sorted({found.wanted[path][1] for path in missing}, reverse=True):
        entry = entries.entry(number)
        if number <= found.checkpoint or clock.now() - entry.at >= WRITER_WORKS:
            break
        came = [change.path not in missing for change in entry.changes]
        if came == sorted(came, reverse=True):
            awaited.update(change.path for change in entry.changes)
    found.findings = [_awaited(f) if f.code == "missing" and f.path in awaited else f for f in found.findings]


def _awaited(finding: Finding) -> Finding:
    """The note about a name whose writer may still be at work."""
    hint = "its writer may still be putting it there; look again in some minutes"
    return replace(finding, damage=False, hint=hint)


def with_salvage(found: TenantScan) -> TenantScan:
    """Where the journal's damage can be put right, all that this would mend is recoverable; else it says what helps."""
    seen = found
    for source, hint in SOURCES.items():
        more = source(seen) if seen.broken else {}
        if not more:
            continue
        found.rebuilt = {**found.rebuilt, **more}
        seen = scan_raw(found.tenant, found.part, torn_tails=found.torn_tails, rebuilt=found.rebuilt)
        left = {(finding.code, finding.path, finding.message) for finding in seen.findings}
        found.findings = [
            finding
            if finding.recoverable or (finding.code, finding.path, finding.message) in left
            else replace(finding, recoverable=True, hint=hint)
            for finding in found.findings
        ]
    doubtful = in_doubt(seen)
    found.findings = [
        replace(finding, hint=finding.hint + IN_DOUBT)
        if finding.code == "broken_line" and finding.path in doubtful
        else finding
        for finding in found.findings
    ]
    return found
