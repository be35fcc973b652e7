"""The journal as the page tells it: who saved what, when and why, and where it is on disk."""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sheetsync.errors import NotFoundError
from sheetsync.services.workspace import Workspace
from sheetsync.store import Commit, RecordId, Snapshot

HISTORIES_KEPT: Final = 512


@dataclass(frozen=True, slots=True)
class Entry:
    """One version of one record."""

    version: int
    commit: int
    at: datetime
    who: str
    why: str
    filename: str


class Histories:
    """The histories of records that were looked at last. Thread-safe.

    A commit of 10,000 connectors takes seconds to read again; what is committed never changes, so it is read once.
    """

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[RecordId, str, int], tuple[Entry, ...]] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, ws: Workspace, newest: Snapshot) -> tuple[Entry, ...]:
        """A record's versions up to its newest snapshot, newest first."""
        key = (newest.record, newest.filename, newest.commit)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        entries = _read(ws, newest)
        with self._lock:
            self._kept[key] = entries
            while len(self._kept) > HISTORIES_KEPT:
                self._kept.popitem(last=False)
        return entries


def _read(ws: Workspace, newest: Snapshot) -> tuple[Entry, ...]:
    entries = [
        Entry(snapshot.version, commit.number, commit.at, commit.who, commit.why, snapshot.filename)
        for commit in ws.store.log(record=newest.record)
        for snapshot in commit.snapshots
        if snapshot.record == newest.record and snapshot.version <= newest.version
    ]
    return tuple(sorted(entries, key=lambda entry: -entry.version))


def find_commit(ws: Workspace, number: int) -> Commit:
    """One entry of the journal of this tenant.

    Raises:
        NotFoundError: there is none of that number, or it is another tenant's.
    """
    found = ws.store.commit(number)
    if any(one.record.tenant != ws.ctx.tenant for one in found.snapshots):
        raise NotFoundError(f"there is no commit {number}", hint="see 'sheetsync log'")
    return found
