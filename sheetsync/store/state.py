"""What the journal says, kept in memory: the newest snapshot of every record, and who holds which lease.

It grows by `believe`, one entry after the other, and checks what every entry must keep: numbers and hashes in a row,
versions and stamps that rise. No I/O.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import InvalidIdError, StoreDamagedError
from sheetsync.store.entry import FIRST_PREV, Entry, from_micros, to_micros
from sheetsync.store.names import decode_record, encode_folder, snapshot_filename
from sheetsync.store.snapshot import LeaseInfo

SOURCE: Final = 1
WIDE: Final = 2


class Head(NamedTuple):
    """The newest snapshot of a record, in the fewest bytes. `at` in µs since 1970, `flags` of SOURCE and WIDE."""

    version: int
    commit: int
    stamp: int
    hash: str
    suffix: str
    flags: int
    at: int
    who: str

    def filename(self, key: str) -> str:
        """The base name of its file."""
        return snapshot_filename(key.rpartition("/")[2], self.stamp, self.hash, self.suffix)

    def path(self, key: str) -> str:
        """Its file below the tenant's folder."""
        return f"{key.rpartition('/')[0]}/{self.filename(key)}"


@dataclass(frozen=True, slots=True)
class LeaseState:
    """A lease as the journal tells it; `epoch` rises with every taking and breaking. `holder` None: it is free."""

    epoch: int
    holder: dict[str, JSONValue] | None


class JournalState:
    """The state after entry `number`."""

    def __init__(self, tenant: str) -> None:
        self.tenant = tenant
        self.number = 0
        self.line_hash = FIRST_PREV
        self.spared = 0  # a derived index spared us to read the entries up to this one
        self.anchors: dict[int, str] = {}  # by a journal file's first entry: the hash of the line before it
        self._firsts: list[int] = []  # the same entries, in order
        self.strangers: dict[int, int] = {}  # by first entry, of files that were proved: another store's newest, or 0
        self.heads: dict[str, Head] = {}
        self.leases: dict[str, LeaseState] = {}
        self._capitals: bool | None = None  # has any record's key a capital? None: nobody asked yet
        self._folded: dict[str, str] | None = None

    def believe(self, entry: Entry) -> None:
        """Take the next entry.

        Raises:
            StoreDamagedError: it is not the next one, or breaks a rule that every entry keeps.
        """
        if entry.number != self.number + 1 or entry.prev != self.line_hash:
            raise StoreDamagedError(f"journal: entry {entry.number} does not follow entry {self.number}")
        fresh = heads_of(entry)
        if len(fresh) != len(entry.changes):
            raise StoreDamagedError(f"journal: entry {entry.number} holds a record twice")
        for key, change in zip(fresh, entry.changes, strict=True):
            last, head = self.heads.get(key), fresh[key]
            before = (last.version, last.commit) if last is not None else (0, 0)
            rises = last is None or last.stamp < head.stamp
            if not rises or (change.version - 1, change.before) != before:
                raise StoreDamagedError(f"journal: entry {entry.number} does not follow the history of '{key}'")
        self.take(entry.number, entry.line_hash, fresh, entry.lease)

    def take(
        self, number: int, line_hash: str, fresh: Mapping[str, Head], lease: Mapping[str, JSONValue] | None
    ) -> None:
        """Take an entry that was made upon this very state."""
        self.heads.update(fresh)
        if lease:
            self.leases[lease["name"]] = LeaseState(lease["epoch"], lease.get("holder"))
        if self._capitals is not None:
            new = [key for key, head in fresh.items() if head.version == 1]
            self._capitals = self._capitals or has_capitals(new)
            if self._folded is not None:
                self._fold(self._folded, new)
        self.number, self.line_hash = number, line_hash

    def start_at(
        self,
        number: int,
        line_hash: str,
        heads: dict[str, Head],
        leases: dict[str, LeaseState],
        anchors: dict[int, str],
    ) -> None:
        """Begin at the state that a derived index remembers."""
        self.number, self.line_hash, self.heads, self.leases = number, line_hash, heads, leases
        self.spared, self.anchors, self._firsts, self.strangers = number, anchors, sorted(anchors), {}
        self._capitals, self._folded = None, None

    def anchor(self, first: int, prev: str) -> None:
        """A journal file begins with this entry, whose line follows on the one that has this hash."""
        self.anchors[first] = prev
        self._firsts.append(first)

    def stretch(self, number: int) -> tuple[int, int, str]:
        """The first and the last entry of the journal file that holds this one, and the hash of its last line."""
        at = bisect_right(self._firsts, number)
        start = self._firsts[at - 1] if at else 1
        if at == len(self._firsts):
            return start, self.number, self.line_hash
        return start, self._firsts[at] - 1, self.anchors[self._firsts[at]]

    def known_hash(self, number: int) -> str | None:
        """The hash of this entry's line, if it is the newest, or the last one of its journal file."""
        return self.line_hash if number == self.number else self.anchors.get(number + 1)

    def check_collisions(self, new: list[str]) -> None:
        """New records must not be called like others but for the case of letters, in any part of their paths.

        Where nothing has a capital, as in most stores, there is nothing to compare.

        Args:
            new: the keys of one transaction's new records.

        Raises:
            InvalidIdError: names the one that is there.
        """
        if self._capitals is None:
            self._capitals = has_capitals(self.heads)
        if not self._capitals and not has_capitals(new):
            return
        if self._folded is None:
            self._folded = {}
            self._fold(self._folded, self.heads)
        fresh: dict[str, str] = {}
        for prefix in (prefix for key in new for prefix in _prefixes(key)):
            folded = prefix.lower()
            there = self._folded.get(folded) or fresh.setdefault(folded, prefix)
            if there != prefix:
                raise InvalidIdError(
                    f"'{prefix}' differs only in case from '{there}', which is there already",
                    hint="on some disks the two would be one file: choose another name",
                )

    @staticmethod
    def _fold(folded: dict[str, str], keys: Iterable[str]) -> None:
        for key in keys:
            for prefix in _prefixes(key):
                folded.setdefault(prefix.lower(), prefix)

    def lease_infos(self) -> list[LeaseInfo]:
        """Leases that the journal says are held."""
        infos = []
        for name, lease in sorted(self.leases.items()):
            if holder := lease.holder:
                since, until = from_micros(holder["since"]), from_micros(holder["until"])
                infos.append(LeaseInfo(name, holder["who"], holder["host"], holder["pid"], since, until))
        return infos


def has_capitals(keys: Iterable[str]) -> bool:
    """Has any of them a capital? Keys are ASCII."""
    text = "".join(keys)
    return text != text.lower()


def _prefixes(key: str) -> list[str]:
    """All prefixes of a path at its slashes, and the path."""
    found, at = [], key.find("/")
    while at >= 0:
        found.append(key[:at])
        at = key.find("/", at + 1)
    return [*found, key]


def heads_of(entry: Entry) -> dict[str, Head]:
    """The heads that an entry makes, by key, in its order."""
    at, who = to_micros(entry.at), sys.intern(entry.who)
    fresh = {}
    for change in entry.changes:
        name = change.parsed_name
        flags = (SOURCE if change.source else 0) | (WIDE if change.wide else 0)
        fresh[change.key] = Head(
            change.version, entry.number, name.stamp, change.hash, sys.intern(name.suffix), flags, at, who
        )
    return fresh


def sorted_keys(heads: Mapping[str, Head], tenant: str, folder: tuple[str, ...]) -> list[str]:
    """Keys of the records below a folder, by code point of the records' own names."""
    found: Iterable[str] = heads
    if folder:
        starts = (f"{encode_folder(folder)}/", f"{encode_folder(folder, folder[-1])}/")
        found = [key for key in heads if key.startswith(starts)]
    if any("%" in key for key in found):
        return sorted(found, key=lambda key: decode_record(tenant, key))
    return sorted(found, key=lambda key: key.split("/"))
