"""The store: opening and closing, leases, and derived files, over what `reader.py` and `writer.py` do.

`Store` is the room's facade. It is bound to one tenant; `for_tenant` gives the same store for another.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.domain.tenants import DEFAULT_TENANT
from sheetsync.errors import AuthError, InvalidIdError, LockHeldError, SheetSyncError, TryLaterError, UsageError
from sheetsync.store.backend import WORK, Backend, Holder
from sheetsync.store.chain import believe
from sheetsync.store.entry import from_micros
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.index import is_worth_writing, load_index
from sheetsync.store.lease import Lease, lease_member, refuse_held, this_holder
from sheetsync.store.media import media_errors, open_backend, open_format
from sheetsync.store.mutex import Mutex, under
from sheetsync.store.names import (
    DERIVED_NAME,
    VERBATIM_CAPITALS,
    RecordId,
    check_lease_name,
    check_tenant,
    decode_part,
    encode_part,
    encode_tenant,
)
from sheetsync.store.recovery import check_by_reading, recover
from sheetsync.store.snapshot import LeaseInfo
from sheetsync.store.state import JournalState
from sheetsync.store.writer import StoreWriter

DEFAULT_LEASE_S: Final = 300.0
MOST_NAMED: Final = 5  # tenants in a warning


def is_other(name: str, tenant: str) -> bool:
    """Is it another tenant's name? A folder that somebody put there may be called anything."""
    try:
        return check_tenant(name) != tenant
    except InvalidIdError:
        return False


def say_nothing(message: str) -> None:
    """The default for `tell`."""


class Store(StoreWriter):
    """One open store, bound to one tenant. Safe to share between threads; make it with `Store.open`."""

    def __init__(
        self,
        backend: Backend,
        store_id: str,
        tenant: str,
        *,
        clock: Clock,
        mutex: Mutex | None = None,
        tell: Callable[[str], None] = say_nothing,
    ) -> None:
        part = backend.open_tenant(encode_tenant(tenant))
        super().__init__(part, backend.traits, tenant, mutex or Mutex(), clock=clock, tell=tell)
        self.url = backend.url
        self.store_id = store_id
        self._backend = backend
        self._owns_backend = self._closed = False

    # --- opening and closing ------------------------------------------------------------------------------------
    @classmethod
    def open(
        cls,
        url: str | Path,
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
        create: bool = True,
        tell: Callable[[str], None] = say_nothing,
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
        backend = open_backend(url, create=create, tell=tell)
        return cls.on(backend, tenant=tenant, clock=clock, create=create, tell=tell)

    @classmethod
    def on(
        cls,
        backend: Backend,
        *,
        tenant: str = DEFAULT_TENANT,
        clock: Clock | None = None,
        create: bool = True,
        tell: Callable[[str], None] = say_nothing,
    ) -> Store:
        """Open the store on a backend, which it then owns."""
        try:
            with media_errors("open the store"):
                store_id = open_format(backend, create=create)
                store = cls(backend, store_id, tenant, clock=clock or SystemClock(), tell=tell)
                store._owns_backend = True
                store._recover()
                if not create:
                    store._tell_empty()
        except BaseException:
            backend.close()
            raise
        return store

    def _tell_empty(self) -> None:
        """Who expects a store expects a tenant in it, and may have mistyped its name."""
        if self._state.number:
            return
        with suppress(OSError, SheetSyncError):  # a hint: nothing hangs on it
            names = (name for name in map(decode_part, self._backend.tenants()) if is_other(name, self.tenant))
            others = list(islice(names, MOST_NAMED + 1))  # each costs a look
            if others:
                there = ", ".join(f"'{name}'" for name in others[:MOST_NAMED])
                there += " and more" if len(others) > MOST_NAMED else ""
                self._tell(f"warning: tenant '{self.tenant}' has nothing in this store yet; there is {there}")

    def for_tenant(self, tenant: str) -> Store:
        """The same store for another tenant; closing it closes nothing of ours."""
        with media_errors("open the store"):
            other = Store(
                self._backend, self.store_id, tenant, clock=self._clock, mutex=self._mutex, tell=self._listener
            )
            other._recover()
        return other

    def _recover(self) -> None:
        """Learn the journal and complete what a crash left undone."""
        with self._mutex:
            self.writable = self._part.prepare()
            self._witnesses.begin(is_believed=load_index(self._part, self._state))
            if self.writable:
                under(self._part.exclusive(), self._recover_locked)
            else:
                self._look_only()
            self._tell_foreign()

    def _look_only(self) -> None:
        """Where nothing can be written: learn the journal, and look whether it is all of it."""
        self._tell("the store cannot be written: opened for reading, without recovery")
        if self._part.in_doubt():
            self._tell("a disk failed under the journal: what is shown may be nowhere else; copy it away")
        self._catch_up()
        self._tell_unseen()
        check_by_reading(self._part, self._state, self._catch_up, self._tell)

    def _tell_unseen(self) -> bool:
        if self._unseen is not None:
            self._tell(f"whether the journal lost entries behind {self._state.number} cannot be told ({self._unseen})")
        return self._unseen is not None

    def _recover_locked(self) -> None:
        self._kept_house = self._catch_up()
        if self._tell_unseen():  # and nothing is saved
            return
        try:
            self._since_checkpoint = recover(self._part, self._state, self._tell)
        except AuthError as exc:
            self._tell(f"recovery is left to the next opening ({exc})")
            return
        with suppress(OSError, SheetSyncError):  # derived: the next opening is slower
            if self._witnesses.foreign or is_worth_writing(self._state, self._lag, self._lag_bytes):
                self._write_index()

    def rebuild_index(self) -> int:
        """Forget the derived index, read the whole journal again, and write the index anew; the number of records."""
        self._check_alive()
        self._check_writable()
        with self._mutex, media_errors("rebuild the index"):
            return under(self._part.exclusive(), self._rebuild_index_locked)

    def _rebuild_index_locked(self) -> int:
        last, fresh = self._catch_up_to_write(), JournalState(self.tenant)
        for entry in self._entries(1, last, contents=False):
            believe(self._part, fresh, entry)
        self._state = fresh  # only now: a journal that was read half way leaves the handle as it was
        self._write_index()
        return len(self._state.heads)

    def close(self) -> None:
        """Give back descriptors and connections."""
        with self._mutex:
            closed, self._closed = self._closed, True
            self._dead = self._dead or "the store was closed"
            if self._owns_backend:  # once; a handle that died of something gives back what it holds, too
                self._owns_backend = False
                self._backend.close()
            elif not closed:
                self._part.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # --- leases -------------------------------------------------------------------------------------------------
    def lease(self, name: str, *, who: str, ttl_s: float = DEFAULT_LEASE_S) -> Lease:
        """Take the lease `name`.

        Args:
            name: what is exclusive, for instance `sync`.
            who: shown to others.
            ttl_s: on buckets, after this time another may take it.

        Raises:
            LockHeldError: another run holds it; the message names host, pid and age.
            UsageError: the name or the holder is no text, or the time no number of seconds.
            InvalidIdError: the name has a character that no file name can bring back.
        """
        is_time = isinstance(ttl_s, int | float) and ttl_s == ttl_s
        if not is_time or not isinstance(name, str) or not isinstance(who, str):
            raise UsageError(f"a lease of {ascii(name)[:40]} for {ascii(ttl_s)[:40]} s: a text and a number are needed")
        check_lease_name(name)
        try:
            who.encode("utf-8")
        except UnicodeEncodeError as exc:
            raise UsageError(f"{ascii(who)[:80]} is no name of a holder: half a character is no text") from exc
        self._now()  # a clock that gives none is refused before anything is taken
        if not self._traits.lasting_leases:
            return self._journal_lease(name, who, ttl_s)
        with self._mutex, media_errors("take the lock"):
            self._check_alive()
            lock = self._part.lock(name, this_holder(who, self._clock))
            try:
                self._catch_up()
            except BaseException:
                lock.release()
                raise
            known = self._state.leases.get(name)
        return Lease(name, who, known.epoch if known else 0, lock.release, lock)

    def _journal_lease(self, name: str, who: str, ttl_s: float) -> Lease:
        holder = this_holder(who, self._clock)
        epoch = 0

        def take(state: JournalState) -> dict[str, JSONValue]:
            nonlocal epoch
            refuse_held(name, state.lease_infos(), self._clock)
            epoch = next_epoch(name, state)
            return lease_member(name, epoch, holder, self._clock, ttl_s)

        self._run_lease(who, f"lock {name}", take)
        return Lease(name, who, epoch, lambda: self._give_back(name, who, epoch))

    def _give_back(self, name: str, who: str, epoch: int) -> None:
        def free(state: JournalState) -> dict[str, JSONValue]:
            if state.leases[name].epoch != epoch:
                raise LockHeldError(f"the lock '{name}' is no longer ours")
            return lease_member(name, epoch + 1, None, self._clock, 0.0)

        try:
            self._run_lease(who, f"unlock {name}", free)
        except LockHeldError:
            pass  # broken, or taken over: there is nothing to give back
        except (TryLaterError, AuthError) as exc:  # what was done under the lease is done
            self._tell(f"warning: the lock '{name}' could not be given back, and ends by its time: {exc.message}")

    def held(self) -> list[LeaseInfo]:
        """The leases that are held now, and on a bucket those left behind."""
        now = self._now()
        with self._mutex, media_errors("read the locks"):
            self._check_alive()
            if not self._traits.lasting_leases:
                self._catch_up()
            infos = self._held(self._state)
        return [
            replace(
                info,
                age_s=max(0.0, (now - info.since).total_seconds()),
                alive=info.until is None or info.until > now,
            )
            for info in infos
        ]

    def _held(self, state: JournalState) -> list[LeaseInfo]:
        """The leases that are held: on disk as the locks say, in a bucket as the journal does."""
        if not self._traits.lasting_leases:
            return state.lease_infos()
        return [lease_info(decode_part(name), holder) for name, holder in self._part.held()]

    def check_free(self, name: str) -> None:
        """Does nobody hold the lease? It is not taken, and nothing is written.

        Raises:
            LockHeldError: another run holds it; the message names host, pid and age.
        """
        refuse_held(name, self.held(), self._clock)

    def break_lease(self, name: str, *, who: str = "operator") -> LeaseInfo | None:
        """Take a lease away from its holder: nothing that it commits under the lease lands any more.

        Returns:
            the lease that was held, None if it was free.

        Raises:
            LockHeldError: another run has taken it meanwhile; that one keeps it.
        """
        shown = now = next((info for info in self.held() if info.name == name), None)
        if shown is None:
            return None

        def free(state: JournalState) -> dict[str, JSONValue]:
            nonlocal now
            now = next((info for info in self._held(state) if info.name == name), None)
            if now is None or not now.is_held_as(shown):
                raise LockHeldError(
                    f"the lock '{name}' was given back, and another run has it by now: nothing was broken",
                    hint="'sheetsync lock show' tells who has it",
                )
            return lease_member(name, next_epoch(name, state), None, self._clock, 0.0)

        try:
            self._run_lease(who, f"lock break {name}", free)
        except LockHeldError:
            if now is None:
                return None
            raise
        broken = now or shown
        with self._mutex, media_errors("break the lock"):
            self._part.break_lock(name, lambda holder: lease_info(name, holder).is_held_as(broken))
        return shown if shown.pid else broken

    # --- derived files ------------------------------------------------------------------------------------------
    def read_derived(self, tenant: str, path: tuple[str, ...]) -> bytes | None:
        """A derived file's bytes, None if there is none, or if it cannot be read."""
        self._check_tenant(tenant)
        with self._mutex, media_errors("read the store"):
            try:
                return self._part.read(derived_path(path))
            except OSError as exc:
                if exc.errno not in UNREADABLE:
                    raise
                return None

    def write_derived(self, tenant: str, path: tuple[str, ...], data: bytes, *, durable: bool = False) -> None:
        """Replace a derived file at once. Not in the journal: it can always be built again, or be done without.

        `durable`: what stood there before does not come back, not even with a power cut.
        """
        self._check_tenant(tenant)
        self._check_alive()
        target = derived_path(path)
        with self._mutex, media_errors("write a derived file"):
            under(self._part.exclusive(), lambda: self._part.write_derived(target, data, durable=durable))


def lease_info(name: str, holder: Holder) -> LeaseInfo:
    """A lease on local disk, which has no end."""
    return LeaseInfo(name, holder.who, holder.host, holder.pid, from_micros(int(holder.since * 1e6)), None)


def next_epoch(name: str, state: JournalState) -> int:
    """One above the lease's epoch."""
    known = state.leases.get(name)
    return (known.epoch if known else 0) + 1


def derived_path(path: tuple[str, ...]) -> str:
    """A derived file's path; never that of a snapshot."""
    RecordId(DEFAULT_TENANT, path[:-1] or ("x",), path[-1])  # refuses what leads elsewhere
    encoded = "/".join(encode_part(part, capitals=True) for part in path)
    if path[0] not in VERBATIM_CAPITALS:  # only the island's layout has derived files among its records
        return f"{WORK}/derived/{encoded}"
    if path[-1] != DERIVED_NAME:
        raise InvalidIdError(f"'{encoded}' stands among records, where the only derived file is {DERIVED_NAME}")
    return encoded
