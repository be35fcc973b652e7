"""The journal as the page tells it: who saved what, when and why, and where it is on disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sheetsync.errors import NotFoundError
from sheetsync.services.workspace import Workspace
from sheetsync.store import Commit, RecordId


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one record."""

    version: int
    commit: int
    at: datetime
    who: str
    why: str
    filename: str


def commits_of(ws: Workspace, record: RecordId) -> tuple[Entry, ...]:
    """A record's versions, newest first."""
    entries = [
        Entry(snapshot.version, commit.number, commit.at, commit.who, commit.why, snapshot.filename)
        for commit in ws.store.log(record=record)
        for snapshot in commit.snapshots
        if snapshot.record == record
    ]
    return tuple(sorted(entries, key=lambda entry: -entry.version))


def find_commit(ws: Workspace, number: int) -> Commit:
    """One entry of the journal of this tenant.

    Raises:
        NotFoundError: there is none of that number, or it is another tenant's.
    """
    found = next(iter(ws.store.log(since=number - 1)), None) if number > 0 else None
    if found is None or found.number != number or any(one.record.tenant != ws.ctx.tenant for one in found.snapshots):
        raise NotFoundError(f"there is no commit {number}", hint="see 'sheetsync log'")
    return found
