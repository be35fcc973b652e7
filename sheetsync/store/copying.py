"""Copying a whole store, history and all, to a new folder or bucket, and proving the copy.

The journal's lines are copied byte for byte and the snapshots put from them, so a copy of a copy is identical to the
first, journal files included: where a file ends follows from its lines alone. FORMAT is written last, once the copy is
proved: what was interrupted is no store, and the same command goes on with it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.clock import Clock
from sheetsync.errors import DestinationError, StoreDamagedError
from sheetsync.store.backend import JOURNAL, Backend, TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.destination import Unfinished, check_apart, check_copy, look_at_destination
from sheetsync.store.entry import Entry, decode_line
from sheetsync.store.fsck import no_writers, scan, scan_tenants
from sheetsync.store.journal_scan import first_entry
from sheetsync.store.media import media_errors, open_backend
from sheetsync.store.recovery import checkpoint
from sheetsync.store.segments import split_lines
from sheetsync.store.state import JournalState
from sheetsync.store.tenant_scan import TenantScan


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied.

    Attributes:
        resumed: commits that an interrupted copy had brought there before.
    """

    source: str
    destination: str
    tenants: tuple[str, ...]
    commits: int
    snapshots: int
    resumed: int = 0

    def to_json(self) -> dict[str, JSONValue]:
        """As `store copy --json` prints it."""
        return {
            "ok": True,
            "source": self.source,
            "destination": self.destination,
            "tenants": list(self.tenants),
            "commits": self.commits,
            "snapshots": self.snapshots,
            "resumed": self.resumed,
        }


def say_nothing(message: str) -> None:
    """The default for `tell`."""


def copy_store(source: str | Path, destination: str | Path, *, tell: Callable[[str], None] = say_nothing) -> CopyReport:
    """Copy a sound store to where nothing is, or go on with a copy of it that was interrupted.

    Args:
        source: the store's address.
        destination: an empty folder or prefix, or one that is not there.
        tell: called with a sentence where it goes on with an unfinished copy.

    Raises:
        StoreDamagedError: the source is damaged; nothing was copied.
        DestinationError: something stands at the destination, or the copy there is not what was copied.
    """
    old = open_backend(source, create=False, tell=lambda _: None)
    try:
        with media_errors("copy the store"):
            check_apart(source, destination)
            sources = _scan_source(old, None)
        new = open_backend(destination, tell=lambda _: None)
        try:
            with media_errors("copy the store"):
                return _copy(old, new, sources, None, tell)
        finally:
            new.close()
    finally:
        old.close()


def copy_between(
    old: Backend, new: Backend, *, clock: Clock | None = None, tell: Callable[[str], None] = say_nothing
) -> CopyReport:
    """`copy_store` between two backends that are open; `clock` as in `scan`."""
    with media_errors("copy the store"):
        return _copy(old, new, _scan_source(old, clock), clock, tell)


def _scan_source(backend: Backend, clock: Clock | None) -> dict[str, TenantScan]:
    """The scans of a sound store's tenants."""
    _, scans = scan(backend, clock=clock)
    found = [finding for tenant in scans for finding in tenant.findings if finding.damage]
    if found:
        messages = tuple(finding.message for finding in found[:5])
        raise StoreDamagedError(f"the store is damaged and was not copied: {messages[0]}", findings=messages)
    tenants = set(backend.tenants())  # one that went since is copied, too, and found to be gone
    return {tenant.tenant: tenant for tenant in scans if tenant.state.number or tenant.tenant in tenants}


def _copy(
    old: Backend, new: Backend, sources: dict[str, TenantScan], clock: Clock | None, tell: Callable[[str], None]
) -> CopyReport:
    unfinished = look_at_destination(new, sources)
    resumed = sum(there.number for there in unfinished.values())
    if unfinished:
        whole = sum(source.state.number for source in sources.values())
        tell(f"going on with an unfinished copy: {resumed} of {whole} commits are at '{new.url}' already")
    copied: dict[str, Unfinished] = {}
    snapshots = 0
    for tenant, source in sources.items():
        there = unfinished.get(tenant, Unfinished(0, ""))
        state, count = _copy_tenant(old.open_tenant(tenant), new.open_tenant(tenant), source, there)
        copied[tenant] = Unfinished(state.number, state.line_hash)
        snapshots += count
    data = old.read_format()
    if data is None:
        raise StoreDamagedError("FORMAT is gone since the copy began: is this the whole store?")
    check_copy(new, copied, list(scan_tenants(new, clock=clock)), data)
    new.create_format(data)  # last: a copy that was interrupted is no store
    if new.read_format() != data:
        raise DestinationError(f"another store was made at '{new.url}' meanwhile")
    commits = sum(one.number for one in copied.values())
    return CopyReport(old.url, new.url, tuple(sources), commits, snapshots, resumed)


def _copy_tenant(
    old: TenantBackend, new: TenantBackend, source: TenantScan, there: Unfinished
) -> tuple[JournalState, int]:
    """All entries of a tenant that are not there yet, and all snapshots; the state at its end, and their number."""
    if not new.prepare():
        raise DestinationError("the destination cannot be written", hint="see its mode")
    state, snapshots = JournalState(source.tenant), 0
    with new.exclusive():
        new.sweep()
        _go_to(new, there)
        for line in journal_lines(old):
            entry = decode_line(line)
            state.believe(entry)
            if entry.number == source.state.number and entry.line_hash != source.state.line_hash:
                raise _changed(source, f"entry {entry.number} is another one")
            if entry.number > there.number and not new.add(entry.number, line):
                raise DestinationError(
                    f"entry {entry.number} could not be added: somebody else writes at the destination"
                )
            _put_snapshots(new, entry, is_new=entry.number > there.number)
            snapshots += len(entry.changes)
        if state.number < source.state.number:
            raise _changed(source, f"it ends at entry {state.number}, entry {source.state.number} was there")
        checkpoint(new, state, dict.fromkeys(range(1, state.number + 1)))
    return state, snapshots


def _changed(source: TenantScan, how: str) -> StoreDamagedError:
    return StoreDamagedError(
        f"the journal of '{source.tenant}' is not what it was when the copy began: {how}; the copy is not finished",
        hint="run 'sheetsync fsck' on the store, then copy again",
    )


def _go_to(new: TenantBackend, there: Unfinished) -> None:
    """Go behind the entries that an interrupted copy brought; what it left of a line is cut, and kept aside."""
    number, last = 0, b""
    while lines := new.new_lines():
        number, last = number + len(lines), lines[-1]
    if Unfinished(number, hash_bytes(last) if last else "") != there:
        raise DestinationError("somebody else writes at the destination")
    if torn := new.torn_bytes():
        new.cut_torn(torn)


def _put_snapshots(new: TenantBackend, entry: Entry, *, is_new: bool) -> None:
    for change in entry.changes:
        if not new.put_snapshot(change.path, change.data(), verify=not is_new) and is_new:
            raise DestinationError(
                f"'{change.path}' stands at the destination already", hint="empty it, and copy again"
            )


def journal_lines(part: TenantBackend) -> Iterator[bytes]:
    """All entries of a sound journal from its own files, each durable: never from packs, which are derived."""
    found = part.walk(JOURNAL, whole=True)
    paths = sorted((first, path) for path, _ in found if (first := first_entry(path)) is not None)
    for _, path in paths:
        with no_writers(part):
            data = part.read(path) or b""  # one that is gone by now is a gap, or the end comes too early
            if path == paths[-1][1]:  # its last line's writer may have died before its fsync
                part.make_durable([path])
        yield from split_lines(data, where=path)[0]
