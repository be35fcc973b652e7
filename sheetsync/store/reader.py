"""Reading a store: newest snapshots, histories, the log, and any earlier state. The journal decides, never `ls`.

What lives here: the state in memory, kept up with other writers' entries, and every read of it. What does not: writing
(`writer.py`), opening and leases (`store.py`).
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from sheetsync.errors import (
    InvalidIdError,
    NotFoundError,
    SheetSyncError,
    StoreDamagedError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store.backend import BATCH_BYTES, TenantBackend, Traits
from sheetsync.store.chain import LOOK, believe, check_follows, check_known, prove
from sheetsync.store.content import LazyContent, hash_bytes
from sheetsync.store.entry import Change, Entry, decode_line, from_micros, is_whole
from sheetsync.store.entry_form import LAST_NUMBER
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.forks import FORKED
from sheetsync.store.media import media_errors
from sheetsync.store.mutex import Mutex
from sheetsync.store.names import RecordId, check_tenant, decode_record, encode_record
from sheetsync.store.recovery import check_no_journal, snapshot_names
from sheetsync.store.snapshot import Commit, Snapshot
from sheetsync.store.state import SOURCE, WIDE, Head, JournalState, heads_of, sorted_keys
from sheetsync.store.view import StoreView
from sheetsync.store.witnesses import Witnesses

UNSEEN_S: Final = 10.0  # after this time a read looks again at what could not be listed


def check_number(commit: int) -> None:
    """Refuse what is no commit's number.

    Raises:
        UsageError: it is no whole number (True is none).
        NotFoundError: it is beyond every number that a commit can have.
    """
    if not isinstance(commit, int) or isinstance(commit, bool):
        raise UsageError(f"{ascii(commit)[:40]} is no commit's number", hint="'sheetsync log' lists the commits")
    if abs(commit) > LAST_NUMBER:  # not told in digits: there may be thousands
        raise NotFoundError("there is no commit of so large a number", hint="'sheetsync log' lists the commits")


class StoreReader:
    """One tenant's records. Safe to share between threads: one mutex guards the state and the backend's position."""

    def __init__(self, part: TenantBackend, traits: Traits, tenant: str, mutex: Mutex) -> None:
        self.tenant = check_tenant(tenant)
        self._part, self._traits = part, traits
        self._mutex = mutex
        self._state = JournalState(tenant)
        self._lag, self._lag_bytes = 0, 0  # what came since the index
        self._dead = ""
        self._unseen_at, self._unseen_until = (0, 0, 0), 0.0
        self._unseen: OSError | None = None  # why it cannot be told whether the index tells of entries that were lost
        self._witnesses = Witnesses(part)

    def _check_alive(self) -> None:
        """A handle that was closed, or whose last write has an unknown outcome, does nothing more."""
        if self._mutex.torn:
            self._dead = self._dead or FORKED
        if self._dead:
            raise UnknownOutcomeError(self._dead, hint="open the store again")

    def _catch_up(self, *, anew: bool = False) -> int:
        """Believe the entries that others added; the number of the newest.

        Args:
            anew: look again whether entries were lost, though it could not be told before.
        """
        self._check_alive()
        upto, remembered = self._witnesses.newest()
        self._take_lines()
        if remembered == self._state.number + 1 and self._part.torn_bytes():  # it may tell of that very line
            remembered = 0
        beyond = (upto, remembered, self._state.number)
        if max(upto, remembered) <= self._state.number:
            self._unseen = None
        elif anew or upto > self._state.number or not self._is_unknown(beyond):
            self._unseen, self._unseen_at = None, beyond
            names: list[str] = []
            try:
                names = snapshot_names(self._part)
            except OSError as exc:
                if exc.errno not in UNREADABLE:
                    raise
                self._unseen, self._unseen_until = exc, time.monotonic() + UNSEEN_S
            self._take_lines()  # a writer may have made some of them
            self._witnesses.check(self._state, upto, 0 if self._unseen else remembered, names)
        if self._state.number == 0 and not self._part.torn_bytes():
            check_no_journal(self._part)
        return self._state.number

    def _is_unknown(self, beyond: tuple[int, int, int]) -> bool:
        """Could it not be told a moment ago either? Else each read would list all folders."""
        return self._unseen is not None and beyond == self._unseen_at and time.monotonic() < self._unseen_until

    def _take_lines(self) -> None:
        """Take the journal's new lines into the state."""
        more = True
        while more:
            moved, place = False, self._part.place()
            try:
                lines = self._part.new_lines()
                moved = True
                for line in lines:
                    believe(self._part, self._state, decode_line(line, contents=False))
            except BaseException as exc:
                moved = moved or self._part.place() != place  # a signal handler may raise any error
                if moved or not isinstance(exc, OSError | SheetSyncError):  # the position may be beyond the state
                    self._dead = "the journal was not read to its end"
                raise
            size = sum(map(len, lines))
            self._lag, self._lag_bytes, more = self._lag + len(lines), self._lag_bytes + size, size >= BATCH_BYTES // 2

    def refresh(self) -> int:
        """Look for other writers' commits; the number of the newest."""
        with self._mutex, media_errors("read the store"):
            return self._catch_up()

    def head(self) -> int:
        """The number of the newest commit, 0 if there is none. Asks the backend."""
        return self.refresh()

    def _look(self) -> None:
        """Before a read: look for others' commits where that costs nothing."""
        if self._traits.cheap_refresh or self._dead:
            self._catch_up()

    # --- newest snapshots ---------------------------------------------------------------------------------------
    def latest(self, record: RecordId) -> Snapshot | None:
        """The newest snapshot of a record, None if there is none."""
        self._check_tenant(record.tenant)
        key = encode_record(record)
        with self._mutex, media_errors("read the store"):
            self._look()
            head = self._state.heads.get(key)
            return None if head is None else self._snapshot(record, key, head)

    def records(self, tenant: str, folder: tuple[str, ...] = ()) -> list[RecordId]:
        """All records whose folder starts with `folder`, by code point."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            return [decode_record(tenant, key) for key in sorted_keys(self._state.heads, tenant, folder)]

    def newest(self, tenant: str, folder: tuple[str, ...] = ()) -> list[tuple[RecordId, str]]:
        """The records of `records(tenant, folder)` with their newest snapshot's file name; no content is read."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            heads = self._state.heads
            keys = sorted_keys(heads, tenant, folder)
            return [(decode_record(tenant, key), heads[key].filename(key)) for key in keys]

    def last_commit(self, tenant: str, folder: tuple[str, ...] = ()) -> int:
        """The number of the newest commit that holds a snapshot of `records(tenant, folder)`, 0 if there is none."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            heads = self._state.heads
            return max((heads[key].commit for key in sorted_keys(heads, tenant, folder)), default=0)

    def latest_all(self, tenant: str, folder: tuple[str, ...] = ()) -> Iterator[Snapshot]:
        """The newest snapshots of `records(tenant, folder)`, in that order, as of the moment of the call."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            keys = sorted_keys(self._state.heads, tenant, folder)
            heads = [(key, self._state.heads[key]) for key in keys]
        return self.read_heads(heads)

    def read_heads(self, heads: Iterable[tuple[str, Head]], *, old: bool = False) -> Iterator[Snapshot]:
        """Heads with their content. In a bucket nothing has proved yet the entries of `old` ones, which views have."""
        for key, head in heads:
            with self._mutex, media_errors("read the store"):
                snapshot = self._snapshot(decode_record(self.tenant, key), key, head, old=old)
            yield snapshot

    def _snapshot(self, record: RecordId, key: str, head: Head, *, old: bool = False) -> Snapshot:
        """The head with its content: from its file if that is whole, else from the journal."""
        path = head.path(key)
        data = None
        with suppress(OSError):  # a bad sector, or a mode: the journal has it too
            data = self._part.read(path)
        if data is None or hash_bytes(data) != head.hash:
            if old:  # another store's entry tells of a file that is not here
                prove(self._part, self._state, head.commit)
            data = self._change(head.commit, path).data()
            if hash_bytes(data) != head.hash:
                raise StoreDamagedError(f"journal: entry {head.commit} holds another content of '{path}'", hint=LOOK)
        return self._of_head(record, key, head, data)

    @staticmethod
    def _of_head(record: RecordId, key: str, head: Head, data: bytes) -> Snapshot:
        """The head with these bytes, which its hash proves."""
        filename = head.filename(key)
        path = f"{key.rpartition('/')[0]}/{filename}"
        content = LazyContent(data, head.suffix, source=bool(head.flags & SOURCE), wide=bool(head.flags & WIDE))
        saved_at = from_micros(head.at)
        return Snapshot(record, head.version, filename, head.hash, saved_at, head.commit, head.who, path, content)

    # --- the journal --------------------------------------------------------------------------------------------
    def _entries(self, first: int, last: int, *, contents: bool = True) -> Iterator[Entry]:
        """Entries as they stand: the index spared us to read them, so each must follow on the one before."""
        before: Entry | None = None
        for number, line in self._part.lines(first, last):
            if not is_whole(line):
                raise StoreDamagedError(f"journal: the line of entry {number} is broken")
            entry = decode_line(line, contents=contents)
            if entry.number != number:
                raise StoreDamagedError(f"journal: entry {entry.number} stands where {number} should be")
            check_follows(before, entry)
            check_known(entry, self._state)
            yield entry
            before = entry

    def _entry(self, number: int, *, contents: bool = True) -> Entry:
        """One entry alone. On disk its file proves it; in a bucket that would take a request for each one behind it."""
        if self._traits.torn_tails:
            prove(self._part, self._state, number)
        return next(self._entries(number, number, contents=contents))

    def _change(self, number: int, path: str) -> Change:
        for change in self._entry(number).changes:
            if change.path == path:
                return change
        raise StoreDamagedError(f"journal: entry {number} does not hold '{path}'", hint=LOOK)

    def history(self, record: RecordId) -> Iterator[Snapshot]:
        """All snapshots of a record, oldest first, as of the moment of the call."""
        self._check_tenant(record.tenant)
        key = encode_record(record)
        with self._mutex, media_errors("read the store"):
            self._look()
            numbers = self._commits_of(key)
        return self._history(key, numbers)

    def _history(self, key: str, numbers: list[int]) -> Iterator[Snapshot]:
        for number in reversed(numbers):
            with self._mutex, media_errors("read the store"):
                entry = self._entry(number)
            yield from (self._told(entry, change) for change in entry.changes if change.key == key)

    def _commits_of(self, key: str, *, after: int = 0) -> list[int]:
        """Numbers of the commits that hold a snapshot of the record, newest first."""
        head = self._state.heads.get(key)
        numbers: list[int] = []
        number = head.commit if head else 0
        while number > after:
            numbers.append(number)
            changes = self._entry(number, contents=False).changes
            before = next((change.before for change in changes if change.key == key), number)
            if before >= number:
                raise StoreDamagedError(f"journal: entry {number} does not hold '{key}'", hint=LOOK)
            number = before
        return numbers

    def _told(self, entry: Entry, change: Change) -> Snapshot:
        record, path = decode_record(self.tenant, change.key), change.path
        filename, content = change.filename, change.content()
        return Snapshot(record, change.version, filename, change.hash, entry.at, entry.number, entry.who, path, content)

    def _commit(self, entry: Entry) -> Commit:
        snapshots = tuple(self._told(entry, change) for change in entry.changes)
        return Commit(entry.number, entry.at, entry.who, entry.why, snapshots, dict(entry.details), entry.line_hash)

    def commit(self, number: int) -> Commit:
        """One commit.

        Raises:
            NotFoundError: there is none of that number.
        """
        check_number(number)
        with self._mutex, media_errors("read the store"):
            self._look()
            if number > self._state.number:  # on a bucket nobody has looked yet
                self._catch_up()
            if not 1 <= number <= self._state.number:
                raise NotFoundError(f"there is no commit {number}; the newest is {self._state.number}")
            return self._commit(self._entry(number))

    def log(self, *, since: int = 0, record: RecordId | None = None) -> Iterator[Commit]:
        """The commits after number `since`, oldest first; with `record` only those that hold a snapshot of it."""
        check_number(since)
        with self._mutex, media_errors("read the store"):
            last = self._catch_up()
            numbers: Iterable[int] = range(max(0, since) + 1, last + 1)
            if record is not None:
                self._check_tenant(record.tenant)
                numbers = reversed(self._commits_of(encode_record(record), after=since))
        return self._log(numbers)

    def _log(self, numbers: Iterable[int]) -> Iterator[Commit]:
        before: Entry | None = None
        for number in numbers:
            with self._mutex, media_errors("read the store"):
                entry = self._entry(number)
            check_follows(before, entry)
            yield self._commit(entry)
            before = entry

    # --- time travel --------------------------------------------------------------------------------------------
    def at(self, commit: int) -> StoreView:
        """The state of all records right after a commit; 0 is the empty state.

        Raises:
            NotFoundError: there is no such commit.
        """
        check_number(commit)
        with self._mutex, media_errors("read the store"):
            if commit > self._state.number:
                self._catch_up()
            if not 0 <= commit <= self._state.number:
                raise NotFoundError(f"there is no commit {commit}; the newest is {self._state.number}")
            return StoreView(self, commit, self._heads_at(commit))

    def diff(self, old: int, new: int) -> Iterator[tuple[RecordId, Snapshot | None, Snapshot | None]]:
        """The records that differ between two commits, by code point, with their snapshots there and here.

        Raises:
            NotFoundError: there is no such commit.
        """
        before, after = self.at(old), self.at(new)
        for record in sorted({*before.records(self.tenant), *after.records(self.tenant)}):
            if before.version(record) != after.version(record):
                yield record, before.latest(record), after.latest(record)

    def _heads_at(self, commit: int) -> dict[str, Head]:
        """Heads right after `commit`: today's, each record that was touched later set back."""
        heads = dict(self._state.heads)
        back: dict[str, tuple[int, int]] = {}  # the entry and the version before
        for entry in self._entries(max(commit, 1), self._state.number, contents=False):
            if entry.number > commit:
                for change in entry.changes:
                    back.setdefault(change.key, (change.before, change.version - 1))
        wanted: dict[int, list[str]] = {}
        for key, (before, _) in back.items():
            heads.pop(key, None)
            if before:
                wanted.setdefault(before, []).append(key)
        for number, keys in wanted.items():
            old = heads_of(self._entry(number, contents=False))
            for key in keys:
                if key not in old or old[key].version != back[key][1]:
                    raise StoreDamagedError(f"journal: entry {number} does not hold what '{key}' was", hint=LOOK)
                heads[key] = old[key]
        return heads

    def _check_tenant(self, tenant: str) -> None:
        """No call crosses a tenant (S8)."""
        if tenant != self.tenant:
            raise InvalidIdError(f"this store is open for tenant '{self.tenant}', not '{tenant}'")
