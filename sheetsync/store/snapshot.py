"""What the store gives back: snapshots, commits, and who holds a lease. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.store.content import Content, LazyContent
from sheetsync.store.names import RecordId


class Unset(Enum):
    """The type of `UNSET`."""

    UNSET = "unset"

    def __repr__(self) -> str:
        return "UNSET"


UNSET: Final = Unset.UNSET  # "not given", where None means "there is none"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One committed version of one record.

    Attributes:
        version: 1, 2, … within the record.
        filename: the base name of its file.
        hash: SHA-256 of the file's bytes, in hex.
        saved_at: the true time of the commit; the stamp in the file name may be later.
        commit: the number of the journal entry.
        author: who saved it (the acting user).
        path: the file's path below the tenant's folder.
    """

    record: RecordId
    version: int
    filename: str
    hash: str
    saved_at: datetime
    commit: int
    author: str
    path: str = field(repr=False)
    _content: LazyContent = field(repr=False, compare=False)  # the hash is compared

    @property
    def content(self) -> Content:
        """The caller's own copy; parsed when it is first asked for."""
        return self._content.get()

    @property
    def name(self) -> str:
        """The record's name."""
        return self.record.name


@dataclass(frozen=True, slots=True)
class Commit:
    """One entry of the journal: who did what, when and why. `details` is what the writer noted beside."""

    number: int
    at: datetime
    who: str
    why: str
    snapshots: tuple[Snapshot, ...]
    details: Mapping[str, JSONValue]
    hash: str


@dataclass(frozen=True, slots=True)
class LeaseInfo:
    """A lease that is held.

    Attributes:
        since: aware UTC.
        until: only where a lease ends by time (buckets).
        age_s: for how long it has been held.
        alive: False where its time is over, but it was not given back.
    """

    name: str
    who: str
    host: str
    pid: int
    since: datetime
    until: datetime | None
    age_s: float = 0.0
    alive: bool = True

    def is_held_as(self, other: LeaseInfo) -> bool:
        """Is it the same taking of the lease, as far as `other` was told who took it?"""
        mine = (self.who, self.host, self.pid, self.since)
        return not other.pid or mine == (other.who, other.host, other.pid, other.since)

    def to_json(self) -> dict[str, JSONValue]:
        """As `lock show --json` prints it."""
        until = self.until.isoformat() if self.until else None
        return {
            "name": self.name,
            "who": self.who,
            "host": self.host,
            "pid": self.pid,
            "since": self.since.isoformat(),
            "until": until,
            "age_s": round(self.age_s, 1),
            "alive": self.alive,
        }
