"""The store: one tenant's records, read through the journal and saved in transactions. The room's facade.

What lives here: opening, reading, and the commit loop's order of steps. What does not: what is written upon which state
(`transaction.py`), what recovery does (`recovery.py`), and how a medium adds an entry (`local.py`, `objects.py`).
"""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.domain.context import DEFAULT_TENANT, RequestContext
from sheetsync.domain.model import JSONValue
from sheetsync.errors import (
    DestinationError,
    InvalidIdError,
    LockHeldError,
    NotFoundError,
    StaleSnapshotError,
    StoreDamagedError,
    UnknownOutcomeError,
)
from sheetsync.store.backend import Backend
from sheetsync.store.content import decode_content, hash_bytes
from sheetsync.store.entry import Change, Entry, decode_line, encode_line, from_micros
from sheetsync.store.lease import Lease, lease_member, this_holder
from sheetsync.store.media import media_errors, open_backend, open_format
from sheetsync.store.names import (
    RecordId,
    check_tenant,
    decode_part,
    decode_record,
    encode_part,
    encode_record,
    encode_tenant,
)
from sheetsync.store.recovery import cut_torn_line, recover
from sheetsync.store.snapshot import Commit, LeaseInfo, Snapshot
from sheetsync.store.state import SOURCE, WIDE, Head, JournalState, heads_of, sorted_keys
from sheetsync.store.transaction import Request, Transaction, check_same_tenant, is_stale, plan_changes
from sheetsync.store.view import StoreView

DEFAULT_LEASE_S: Final = 300.0


def _say_nothing(message: str) -> None:
    """The default for `tell`."""


class Store:
    """One open store, bound to one tenant. Safe to share between threads; make it with `Store.open`."""

    def __init__(
        self, backend: Backend, store_id: str, tenant: str, *, clock: Clock, tell: Callable[[str], None] = _say_nothing
    ) -> None:
        self.url = backend.url
        self.store_id = store_id
        self.tenant = check_tenant(tenant)
        self._backend = backend
        self._part = backend.open_tenant(encode_tenant(tenant))
        self._clock, self._tell = clock, tell
        self._mutex = threading.RLock()
        self._state = JournalState(tenant)
        self._dead = ""
        self._unplaced: list[Entry] = []
        self._owns_backend = False
        self.writable = False

    # --- opening ------------------------------------------------------------------------------------------------
    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
        create: bool = True,
        tell: Callable[[str], None] = _say_nothing,
    ) -> Store:
        """Open (or create) the store at a folder or a URL, and let recovery complete what a crash left.

        Args:
            url: a folder, `memory://`, `s3://…`, `gs://…` or `az://…`.
            tenant: whose records.
            clock: the time for stamps and entries.
            create: make the store if there is none.
            tell: called with a sentence for each thing that recovery repaired.

        Raises:
            NotFoundError: there is no store and `create` is off.
            NewerFormatError: a newer sheetsync wrote it.
            StoreDamagedError: it is damaged beyond what recovery may touch.
            DestinationError: the folder is a file, or cannot be written.
        """
        backend = open_backend(url, tell=tell)
        return cls.on(backend, tenant=tenant, clock=clock, create=create, tell=tell)

    @classmethod
    def on(
        cls,
        backend: Backend,
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
        create: bool = True,
        tell: Callable[[str], None] = _say_nothing,
    ) -> Store:
        """Open the store on a backend."""
        with media_errors("open the store"):
            store_id = open_format(backend, create=create)
            store = cls(backend, store_id, tenant, clock=clock or SystemClock(), tell=tell)
            store._owns_backend = True
            store._recover()
        return store

    def for_tenant(self, tenant: str) -> Store:
        """The same store for another tenant; closing it closes nothing of ours."""
        with media_errors("open the store"):
            other = Store(self._backend, self.store_id, tenant, clock=self._clock, tell=self._tell)
            other._recover()
        return other

    def _recover(self) -> None:
        with self._mutex:
            self.writable = self._part.prepare()
            if not self.writable:
                self._tell("the store cannot be written: opened for reading, without recovery")
                self._catch_up()
                return
            with self._part.exclusive():
                self._catch_up()
                recover(self._part, self._state, self._tell)

    def close(self) -> None:
        """Give back descriptors and connections."""
        with self._mutex:
            self._dead = self._dead or "the store was closed"
            if self._owns_backend:
                self._backend.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- reading ------------------------------------------------------------------------------------------------
    def _catch_up(self) -> int:
        """Believe the entries that others added; the number of the newest."""
        if self._dead:
            raise UnknownOutcomeError(self._dead, hint="open the store again")
        for line in self._part.new_lines():
            self._state.believe(decode_line(line))
        return self._state.number

    def refresh(self) -> int:
        """Look for other writers' commits; the number of the newest."""
        with self._mutex, media_errors("read the store"):
            return self._catch_up()

    def _look(self) -> None:
        """Before a read: look for others' commits where that costs nothing."""
        if self._backend.traits.cheap_refresh or self._dead:
            self._catch_up()

    def head(self) -> int:
        """The number of the newest commit, 0 if there is none. Asks the backend."""
        return self.refresh()

    def latest(self, record: RecordId) -> Snapshot | None:
        """The newest snapshot of a record, None if there is none."""
        check_same_tenant(record, self.tenant)
        key = encode_record(record)
        with self._mutex, media_errors("read the store"):
            self._look()
            head = self._state.heads.get(key)
            return None if head is None else self._snapshot(record, key, head)

    def _snapshot(self, record: RecordId, key: str, head: Head) -> Snapshot:
        """The head with its content: from its file if that is whole, else from the journal."""
        path = head.path(key)
        data = self._part.read(path)
        if data is None or hash_bytes(data) != head.hash:
            data = self._change(head.commit, path).data()
        content = decode_content(data, head.suffix, source=bool(head.flags & SOURCE), wide=bool(head.flags & WIDE))
        return Snapshot(
            record,
            head.version,
            path.rpartition("/")[2],
            head.hash,
            content,
            from_micros(head.at),
            head.commit,
            head.who,
            path,
        )

    def _change(self, number: int, path: str) -> Change:
        for change in self._entry(number).changes:
            if change.path == path:
                return change
        raise StoreDamagedError(f"journal: entry {number} does not hold '{path}'")

    def _entry(self, number: int) -> Entry:
        for _, line in self._part.lines(number, number):
            return decode_line(line)
        raise NotFoundError(f"there is no commit {number}")

    def records(self, tenant: str, folder: tuple[str, ...] = ()) -> list[RecordId]:
        """All records whose folder starts with `folder`, by code point."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            return [decode_record(tenant, key) for key in sorted_keys(self._state.heads, self.tenant, folder)]

    def newest(self, tenant: str, folder: tuple[str, ...] = ()) -> list[tuple[RecordId, str]]:
        """The records of `records(tenant, folder)` with their newest snapshot's file name; no content is read."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            heads = self._state.heads
            keys = sorted_keys(heads, self.tenant, folder)
            return [(decode_record(tenant, key), heads[key].filename(key)) for key in keys]

    def latest_all(self, tenant: str, folder: tuple[str, ...] = ()) -> Iterator[Snapshot]:
        """The newest snapshots of `records(tenant, folder)`, in that order, as of the moment of the call."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            self._look()
            heads = [(key, self._state.heads[key]) for key in sorted_keys(self._state.heads, self.tenant, folder)]
        return self.read_heads(heads)

    def read_heads(self, heads: Iterable[tuple[str, Head]]) -> Iterator[Snapshot]:
        """Heads with their content (for views)."""
        for key, head in heads:
            with self._mutex, media_errors("read the store"):
                yield self._snapshot(decode_record(self.tenant, key), key, head)

    def history(self, record: RecordId) -> Iterator[Snapshot]:
        """All snapshots of a record, oldest first."""
        check_same_tenant(record, self.tenant)
        key = encode_record(record)
        with self._mutex, media_errors("read the store"):
            self._look()
            numbers = self._commits_of(key)
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
            number = next(change.before for change in self._entry(number).changes if change.key == key)
        return numbers

    def _told(self, entry: Entry, change: Change) -> Snapshot:
        return Snapshot(
            decode_record(self.tenant, change.key),
            change.version,
            change.filename,
            change.hash,
            change.content(),
            entry.at,
            entry.number,
            entry.who,
            change.path,
        )

    def commit(self, number: int) -> Commit:
        """One commit.

        Raises:
            NotFoundError: there is none of that number.
        """
        with self._mutex, media_errors("read the store"):
            self._look()
            if not 1 <= number <= self._state.number:
                raise NotFoundError(f"there is no commit {number}; the newest is {self._state.number}")
            return self._commit(self._entry(number))

    def _commit(self, entry: Entry) -> Commit:
        snapshots = tuple(self._told(entry, change) for change in entry.changes)
        return Commit(entry.number, entry.at, entry.who, entry.why, snapshots, dict(entry.details), entry.line_hash)

    def log(self, *, since: int = 0, record: RecordId | None = None) -> Iterator[Commit]:
        """The commits after number `since`, oldest first; with `record` only those that hold a snapshot of it."""
        with self._mutex, media_errors("read the store"):
            last = self._catch_up()
            if record is not None:
                check_same_tenant(record, self.tenant)
                numbers: Iterable[int] = reversed(self._commits_of(encode_record(record), after=since))
            else:
                numbers = range(since + 1, last + 1)
        for number in numbers:
            with self._mutex, media_errors("read the store"):
                entry = self._entry(number)
            yield self._commit(entry)

    def at(self, commit: int) -> StoreView:
        """The state of all records right after a commit; 0 is the empty state.

        Raises:
            NotFoundError: there is no such commit.
        """
        with self._mutex, media_errors("read the store"):
            if commit > self._state.number:
                self._catch_up()
            if not 0 <= commit <= self._state.number:
                raise NotFoundError(f"there is no commit {commit}; the newest is {self._state.number}")
            return StoreView(self, commit, self._heads_at(commit))

    def _heads_at(self, commit: int) -> dict[str, Head]:
        """Heads right after `commit`: today's, each record that was touched later set back."""
        heads = dict(self._state.heads)
        back: dict[str, int] = {}
        for _, line in self._part.lines(commit + 1, self._state.number):
            for change in decode_line(line).changes:
                back.setdefault(change.key, change.before)
        wanted: dict[int, list[str]] = {}
        for key, before in back.items():
            del heads[key]
            if before:
                wanted.setdefault(before, []).append(key)
        for number, keys in wanted.items():
            old = heads_of(self._entry(number))
            heads.update({key: old[key] for key in keys})
        return heads

    def _check_tenant(self, tenant: str) -> None:
        if tenant != self.tenant:
            raise InvalidIdError(f"this store is open for tenant '{self.tenant}', not '{tenant}'")

    # --- writing ------------------------------------------------------------------------------------------------
    def transaction(
        self, ctx: RequestContext, *, why: str = "", fence: Lease | None = None, expect_head: int | None = None
    ) -> Transaction:
        """A transaction: saves in its `with` block become one commit at its end, or nothing.

        Args:
            ctx: who acts; the tenant must be this store's.
            why: noted in the journal.
            fence: a lease that must still be ours at the commit.
            expect_head: refuse if any commit came after this one.
        """
        self._check_tenant(ctx.tenant)
        request = Request(who=ctx.user, why=why, fence=fence, expect_head=expect_head)
        return Transaction(self._run, request, self.tenant)

    def note(
        self, ctx: RequestContext, why: str, details: Mapping[str, JSONValue], *, fence: Lease | None = None
    ) -> Commit:
        """An entry of the journal without snapshots."""
        self._check_tenant(ctx.tenant)
        commit, _ = self._run(Request(who=ctx.user, why=why, details=details, fence=fence, always=True))
        assert commit is not None  # noqa: S101 (`always`)
        return commit

    def _run(self, request: Request) -> tuple[Commit | None, dict[RecordId, Snapshot]]:
        """Commit the request; what its records hold now."""
        with self._mutex, media_errors("save to the store"):
            if not self.writable:
                raise DestinationError(f"the store '{self.url}' cannot be written", hint="check its permissions")
            with self._part.exclusive():
                entry = self._commit_loop(request)
                if entry is not None:
                    self._place([*self._unplaced, entry])
            snapshots = {
                wanted.record: self._snapshot(wanted.record, key, self._state.heads[key])
                for key, wanted in request.wanted.items()
            }
            return (None if entry is None else self._commit(entry)), snapshots

    def _commit_loop(self, request: Request) -> Entry | None:
        """Until an entry is ours: catch up, check, stamp, add. The store's protocol."""
        while True:
            self._catch_up()
            cut_torn_line(self._part, self._state, self._tell)
            self._check_expected(request)
            now = self._clock.now()
            changes = plan_changes(request, self._state, now)
            if not changes and not request.always and not request.details:
                return None
            line = encode_line(
                number=self._state.number + 1,
                entry_id=secrets.token_hex(8),
                at=now,
                who=request.who,
                why=request.why,
                prev=self._state.line_hash,
                changes=changes,
                details=request.details,
                lease=request.lease(self._state) if request.lease else None,
            )
            try:
                ours = self._part.add(self._state.number + 1, line)
            except UnknownOutcomeError as exc:
                self._dead = f"an earlier save has an unknown outcome: {exc.message}"
                raise
            if ours:
                entry = decode_line(line)
                self._state.believe(entry)
                return entry

    def _check_expected(self, request: Request) -> None:
        for key, wanted in request.wanted.items():
            if is_stale(wanted, key, self._state):
                head = self._state.heads.get(key)
                theirs = None if head is None else self._snapshot(wanted.record, key, head)
                base = None if not isinstance(wanted.expected, Snapshot) else wanted.expected
                raise StaleSnapshotError(base, theirs, wanted.content, name=wanted.record.name)

    def _place(self, entries: list[Entry]) -> None:
        """Names appear. They are committed: where a disk is full now, recovery or the next save completes them."""
        self._unplaced = []
        for index, entry in enumerate(entries):
            try:
                for change in entry.changes:
                    self._part.put_snapshot(change.path, change.data(), verify=False)
            except (OSError, UnknownOutcomeError) as exc:
                self._unplaced = entries[index:]
                self._tell(
                    f"saved, but not all names are in their folders yet ({exc}); the next save or open completes them"
                )
                return

    # --- leases -------------------------------------------------------------------------------------------------
    def lease(self, name: str, *, who: str, ttl_s: float = DEFAULT_LEASE_S) -> Lease:
        """Take the lease `name`.

        Args:
            name: what is exclusive, for instance `sync`.
            who: shown to others.
            ttl_s: on buckets, after this time another may take it.

        Raises:
            LockHeldError: another run holds it; the message names host, pid and age.
        """
        holder = this_holder(who, self._clock)
        if self._backend.traits.lasting_leases:
            with self._mutex, media_errors("take the lock"):
                lock = self._part.lock(name, holder)
                self._catch_up()
                known = self._state.leases.get(name)
            return Lease(name, who, known.epoch if known else 0, lock.release, lock)
        epoch = 0

        def take(state: JournalState) -> dict[str, JSONValue]:
            nonlocal epoch
            self._refuse_held(name, state)
            known = state.leases.get(name)
            epoch = (known.epoch if known else 0) + 1
            return lease_member(name, epoch, holder, self._clock, ttl_s)

        self._run(Request(who=who, why=f"lock {name}", always=True, lease=take))
        return Lease(name, who, epoch, lambda: self._give_back(name, who, epoch))

    def _refuse_held(self, name: str, state: JournalState) -> None:
        for info in state.lease_infos():
            if info.name == name and info.until is not None and info.until > self._clock.now():
                age = (self._clock.now() - info.since).total_seconds()
                raise LockHeldError(
                    f"another run holds the lock '{name}': {info.who} on {info.host}, pid {info.pid}, for {age:.0f} s",
                    hint="wait for it; 'sheetsync lock show' and 'lock break' help",
                )

    def _give_back(self, name: str, who: str, epoch: int) -> None:
        def free(state: JournalState) -> dict[str, JSONValue]:
            known = state.leases[name]
            if known.epoch != epoch:
                raise LockHeldError(f"the lock '{name}' is no longer ours")
            return lease_member(name, epoch + 1, None, self._clock, 0.0)

        try:
            self._run(Request(who=who, why=f"unlock {name}", always=True, lease=free))
        except LockHeldError:
            return  # it was broken or taken over; there is nothing to give back

    def held(self) -> list[LeaseInfo]:
        """The leases that are held now."""
        with self._mutex, media_errors("read the locks"):
            if self._backend.traits.lasting_leases:
                return [
                    LeaseInfo(
                        decode_part(name),
                        holder.who,
                        holder.host,
                        holder.pid,
                        from_micros(int(holder.since * 1e6)),
                        None,
                    )
                    for name, holder in self._part.held()
                ]
            self._catch_up()
            return [info for info in self._state.lease_infos() if info.until and info.until > self._clock.now()]

    def break_lease(self, name: str, *, who: str = "operator") -> LeaseInfo | None:
        """Take a lease away from its holder: nothing that it commits under the lease lands any more.

        Returns:
            the lease that was held, None if it was free.
        """
        there = next((info for info in self.held() if info.name == name), None)

        def free(state: JournalState) -> dict[str, JSONValue]:
            known = state.leases.get(name)
            return lease_member(name, (known.epoch if known else 0) + 1, None, self._clock, 0.0)

        if there is not None:
            self._run(Request(who=who, why=f"lock break {name}", always=True, lease=free))
            with self._mutex, media_errors("break the lock"):
                self._part.break_lock(name)
        return there

    # --- derived files ------------------------------------------------------------------------------------------
    def read_derived(self, tenant: str, path: tuple[str, ...]) -> bytes | None:
        """A derived file's bytes, None if there is none."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            return self._part.read(_derived_path(path))

    def write_derived(self, tenant: str, path: tuple[str, ...], data: bytes) -> None:
        """Replace a derived file at once. Not in the journal, not durable: it can always be built again."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("write a derived file"), self._part.exclusive():
            self._part.write_derived(_derived_path(path), data)


def _derived_path(path: tuple[str, ...]) -> str:
    """A derived file's path; never that of a snapshot."""
    RecordId(DEFAULT_TENANT, path[:-1] or ("x",), path[-1])  # refuses what leads elsewhere
    encoded = "/".join(encode_part(part, capitals=True) for part in path)
    if "--" in encoded:
        raise InvalidIdError(f"'{encoded}' could be a snapshot's name; a derived file needs another")
    return encoded
