"""Copying a whole store, history and all, to a new folder or bucket, and proving the copy.

The journal's lines are copied byte for byte and the snapshots put from them, so a copy of a copy is identical to the
first, journal files included: where a file ends follows from its lines alone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from sheetsync.domain.model import JSONValue
from sheetsync.errors import DefectError, DestinationError, StoreDamagedError
from sheetsync.store.backend import Backend, TenantBackend
from sheetsync.store.entry import decode_line
from sheetsync.store.fsck import scan
from sheetsync.store.media import folder_of, media_errors, open_backend
from sheetsync.store.recovery import checkpoint
from sheetsync.store.state import JournalState


@dataclass(frozen=True, slots=True)
class CopyReport:
    """What was copied."""

    source: str
    destination: str
    tenants: tuple[str, ...]
    commits: int
    snapshots: int

    def to_json(self) -> dict[str, JSONValue]:
        """As `store copy --json` prints it."""
        return {
            "ok": True,
            "source": self.source,
            "destination": self.destination,
            "tenants": list(self.tenants),
            "commits": self.commits,
            "snapshots": self.snapshots,
        }


def copy_store(source: str | Path, destination: str | Path) -> CopyReport:
    """Copy a sound store to where none is.

    Raises:
        StoreDamagedError: the source is damaged; nothing was copied.
        DestinationError: there is a store (or part of one) at the destination.
    """
    old = open_backend(source, create=False, tell=lambda _: None)
    try:
        with media_errors("copy the store"):
            _check_apart(source, destination)
            _check_sound(old)
        new = open_backend(destination, tell=lambda _: None)
        try:
            return copy_between(old, new)
        finally:
            new.close()
    finally:
        old.close()


def _check_apart(source: str | Path, destination: str | Path) -> None:
    """A copy within the store would be a stranger in it."""
    old, new = folder_of(source), folder_of(destination)
    if old is None or new is None or "\0" in str(new):
        return
    if new.expanduser().resolve().is_relative_to(old.expanduser().resolve()):
        raise DestinationError(f"'{destination}' lies in the store itself", hint="choose a folder elsewhere")


def copy_between(old: Backend, new: Backend) -> CopyReport:
    """`copy_store` between two backends that are open."""
    with media_errors("copy the store"):
        _check_sound(old)
        return _copy(old, new)


def _check_sound(backend: Backend) -> None:
    _, scans = scan(backend)
    found = [finding for tenant in scans for finding in tenant.findings if finding.damage]
    if found:
        messages = tuple(finding.message for finding in found[:5])
        raise StoreDamagedError(f"the store is damaged and was not copied: {messages[0]}", findings=messages)


def _copy(old: Backend, new: Backend) -> CopyReport:
    if new.read_format() is not None or new.tenants():
        raise DestinationError(f"there is a store at '{new.url}' already", hint="choose a fresh folder or prefix")
    commits = snapshots = 0
    tenants = old.tenants()
    for tenant in tenants:
        part = new.open_tenant(tenant)
        part.prepare()
        state = JournalState(tenant)
        with part.exclusive():
            for line in _all_lines(old.open_tenant(tenant)):
                snapshots += _copy_entry(part, state, line)
            checkpoint(part, state, frozenset(range(1, state.number + 1)))
        commits += state.number
    new.create_format(old.read_format() or b"")  # last: a copy that was interrupted is no store
    if new.read_format() != old.read_format():
        raise DestinationError(f"another store was made at '{new.url}' meanwhile")
    return CopyReport(old.url, new.url, tuple(tenants), commits, snapshots)


def _all_lines(part: TenantBackend) -> Iterator[bytes]:
    yield from part.new_lines()


def _copy_entry(part: TenantBackend, state: JournalState, line: bytes) -> int:
    """One entry and its snapshots; how many."""
    entry = decode_line(line)
    state.believe(entry)
    if not part.add(entry.number, line):
        raise DestinationError(f"entry {entry.number} could not be added: somebody writes at the destination")
    for change in entry.changes:
        if not part.put_snapshot(change.path, change.data(), verify=False):
            raise DefectError(f"'{change.path}' was at the destination already")
    return len(entry.changes)
