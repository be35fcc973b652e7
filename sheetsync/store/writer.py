"""Writing a store: the commit's steps in their order. The whole protocol is `StoreWriter._locked` and `_commit_loop`.

What lives here: catch up, check, stamp, add, place, and now and then a checkpoint and an index. What does not: what is
written upon which state (`transaction.py`), and how a medium adds an entry (`local_tenant.py`, `object_tenant.py`).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.clock import Clock
from sheetsync.errors import (
    DefectError,
    DestinationError,
    InvalidContentError,
    NotPlacedError,
    SheetSyncError,
    StaleSnapshotError,
    StoreDamagedError,
    TryLaterError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store.backend import TenantBackend, Traits
from sheetsync.store.compaction import CompactReport
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import NewChange, encode_line, to_micros
from sheetsync.store.forks import FORKED
from sheetsync.store.index import FOREIGN_INDEX, INDEX, is_worth_writing, write_index
from sheetsync.store.lease import Lease
from sheetsync.store.media import media_errors, passes_by_itself
from sheetsync.store.mutex import Mutex, under
from sheetsync.store.names import RecordId
from sheetsync.store.reader import StoreReader
from sheetsync.store.recovery import CHECKPOINT_SEEN, checkpoint, cut_torn_line
from sheetsync.store.snapshot import Commit, Snapshot
from sheetsync.store.state import SOURCE, WIDE, Head, JournalState
from sheetsync.store.transaction import Added, Outcome, Request, Transaction, is_stale, plan_changes

if TYPE_CHECKING:  # heavy to import
    from sheetsync.domain.context import RequestContext

MOST_UNPLACED: Final = 16  # entries whose names each save tries again; older ones are left to the next checkpoint
INTERRUPTED: Final = "an earlier save was interrupted: it has an unknown outcome"
BUCKET_SEEN: Final = 128  # entries, others' too, and snapshots after which a writer in a bucket makes a checkpoint
MOST_FAILED: Final = 20  # times that the number above doubles, at most
MOST_RACES: Final = 1000  # on a bucket; far beyond what writers do to each other


def new_heads(added: Added, who: str) -> dict[str, Head]:
    """The heads that an entry of ours makes."""
    at, who = to_micros(added.at), sys.intern(who)
    return {change.key: new_head(change, added.number, at, who) for change in added.changes}


def new_head(change: NewChange, number: int, at: int, who: str) -> Head:
    """The head that one snapshot makes."""
    encoded = change.encoded
    flags = (SOURCE if encoded.source else 0) | (WIDE if encoded.wide else 0)
    return Head(change.version, number, change.stamp, encoded.hash, encoded.suffix, flags, at, who)


def stands_in_the_way(exc: OSError | SheetSyncError) -> bool:
    """Is it more than a full disk, a lost answer, or another thing that passes?"""
    return not passes_by_itself(exc) if isinstance(exc, OSError) else not isinstance(exc, TryLaterError)


def not_placed(entry: Added, exc: OSError | SheetSyncError) -> NotPlacedError:
    """The error of a save whose entry is committed, and whose name has no place."""
    names = ", ".join(f"'{change.path}'" for change in entry.changes[:3])
    error = NotPlacedError(
        f"saved as commit {entry.number}, and nothing is lost, but {names} could not be put in place: {exc}",
        commit=entry.number,
        hint="move what stands there elsewhere; the next command then puts the names in place",
    )
    error.__cause__ = exc
    return error


class StoreWriter(StoreReader):
    """A store that can be saved to."""

    def __init__(
        self,
        part: TenantBackend,
        traits: Traits,
        tenant: str,
        mutex: Mutex,
        *,
        clock: Clock,
        tell: Callable[[str], None],
    ) -> None:
        super().__init__(part, traits, tenant, mutex)
        self._clock, self._listener = clock, tell
        self._unplaced: list[Added] = []
        self._placed: dict[int, list[str]] = {}  # by entry, the names that this process put since the last checkpoint
        self._since_checkpoint = self._kept_house = self._failed = 0
        self._dropped = False  # names that nobody tries to place any more: a checkpoint does
        self.writable = False

    def _tell(self, message: str) -> None:
        """Say it to whoever listens. What is committed stays so, though nobody can hear of it (a full log, a pipe)."""
        with suppress(Exception):
            self._listener(message)

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
        outcome = self._run(Request(who=ctx.user, why=why, details=dict(details), fence=fence, always=True))
        if outcome.commit is None:
            raise DefectError("a note was not written")
        return outcome.commit

    def _run(self, request: Request) -> Outcome:
        """Commit the request. What is raised once it may be there is no failure: signal handlers may raise anything."""
        wrote = False
        try:
            with self._mutex:
                self._check_alive()
                self._check_writable()
                self._part.wrote = False
                wrote = True  # until the part says that it did not: an interrupt may keep it from saying so
                try:
                    with media_errors("save to the store"):
                        added = under(self._part.exclusive(), lambda: self._locked(request))
                    return Outcome(request, added, self._unchanged(request, added))
                finally:
                    wrote = self._part.wrote
        except (NotPlacedError, UnknownOutcomeError):
            raise
        except (OSError, SheetSyncError) as exc:
            if self._mutex.torn:
                raise UnknownOutcomeError(FORKED, hint="open the store again") from exc
            if not wrote:
                raise
            self._dead = INTERRUPTED
            raise UnknownOutcomeError(
                f"the save was interrupted ({exc}): it may or may not be there", hint="open the store again and look"
            ) from exc

    def _locked(self, request: Request) -> Added | None:
        """The protocol, under the writers' lock."""
        added = self._commit_loop(request)
        if self._unplaced:
            self._place(request)
        if added is not None:
            self._keep_house(added)
        return added

    def _check_writable(self) -> None:
        if not self.writable:
            raise DestinationError("the store cannot be written: it was opened for reading", hint="see its mode")

    def _unchanged(self, request: Request, added: Added | None) -> dict[RecordId, Snapshot]:
        """The newest snapshots of the records that did not change. They hold what was to be saved: nothing is read."""
        changed = {change.key for change in added.changes} if added is not None else set()
        return {
            wanted.record: self._of_head(wanted.record, key, self._state.heads[key], wanted.encoded.data)
            for key, wanted in request.wanted.items()
            if key not in changed
        }

    def _commit_loop(self, request: Request) -> Added | None:
        """Until an entry is ours: catch up, check, stamp, add. None if there is nothing to add."""
        for _ in range(MOST_RACES):
            self._catch_up_to_write()
            cut_torn_line(self._part, self._state, self._tell)
            self._check_expected(request)
            planned = self._plan(request)
            if planned is None:
                return None
            if self._add(request, *planned):
                return planned[0]
        raise TryLaterError(f"other writers won {MOST_RACES} times in a row: nothing was saved", hint="try again")

    def _catch_up_to_write(self) -> int:
        """As `_catch_up`; an OSError where it cannot be told whether entries were lost."""
        number = self._catch_up(anew=True)
        if self._unseen is not None:
            raise self._unseen
        return number

    def _add(self, request: Request, added: Added, line: bytes) -> bool:
        """Add the entry; True if it is ours, and then the state knows it."""
        try:
            ours = self._part.add(added.number, line)
            if ours:
                if self._part.first_of(added.number) == added.number:
                    self._state.anchor(added.number, self._state.line_hash)
                self._state.take(added.number, added.line_hash, new_heads(added, request.who), added.lease)
                self._unplaced.append(added)
                self._lag += 1
                self._lag_bytes += len(line)
        except StoreDamagedError as exc:
            self._dead = exc.message
            raise
        except UnknownOutcomeError as exc:
            self._dead = f"an earlier save has an unknown outcome: {exc.message}"
            raise
        except BaseException as exc:
            if self._part.wrote or not isinstance(exc, OSError | SheetSyncError):  # else nothing was added
                self._dead = INTERRUPTED
            raise
        return ours

    def _plan(self, request: Request) -> tuple[Added, bytes] | None:
        """The entry upon the present state and its line, None if it would say nothing."""
        now = self._now()
        changes = plan_changes(request, self._state, now)
        if not changes and not request.always and not request.details:
            return None
        self._part.check_room(change.key for change in changes if change.version == 1)
        number, lease = self._state.number + 1, request.lease(self._state) if request.lease else None
        try:
            line = encode_line(
                number=number,
                entry_id=os.urandom(8).hex(),
                at=now,
                who=request.who,
                why=request.why,
                prev=self._state.line_hash,
                changes=changes,
                details=request.details,
                lease=lease,
            )
        except (ValueError, TypeError, RecursionError) as exc:
            raise InvalidContentError(f"the commit cannot be written so that it is read again: {exc}") from exc
        return Added(number, now, hash_bytes(line), changes, lease), line

    def _now(self) -> datetime:
        now = self._clock.now()
        if now.utcoffset() is None:
            raise UsageError("the store's clock gives a time without a zone", hint="give it one that is aware of UTC")
        return now

    def _check_expected(self, request: Request) -> None:
        for key, wanted in request.wanted.items():
            if is_stale(wanted, key, self._state):
                head = self._state.heads.get(key)
                theirs = None if head is None else self._snapshot(wanted.record, key, head)
                base = wanted.expected if isinstance(wanted.expected, Snapshot) else None
                raise StaleSnapshotError(base, theirs, wanted.content, name=wanted.record.name)

    def _place(self, request: Request) -> None:
        """Names appear: those of the new entry, and those that earlier saves could not place or were interrupted at.

        All are committed, so that a full disk is no failure: recovery or the next save completes them.

        Raises:
            NotPlacedError: something that will not go away by itself stands where a name of this request belongs.
        """
        ours: NotPlacedError | None = None
        for entry in list(self._unplaced):
            try:
                for change in entry.changes:
                    self._put(change)
            except DefectError:
                raise
            except (OSError, SheetSyncError) as exc:
                if stands_in_the_way(exc) and self._is_about(request, entry):
                    ours = not_placed(entry, exc)
                else:
                    self._tell(f"saved, but a name is not in its folder yet ({exc}); the next save or opening does it")
            else:
                self._placed[entry.number] = [change.path for change in entry.changes]
                self._unplaced.remove(entry)
        if len(self._unplaced) > MOST_UNPLACED:
            del self._unplaced[:-MOST_UNPLACED]
            self._dropped = True
        if ours is not None:
            raise ours

    def _is_about(self, request: Request, entry: Added) -> bool:
        """Does the entry hold what the request saved, or found to be saved already?"""
        keys = [change.key for change in entry.changes if change.key in request.wanted]
        return any(self._state.heads[key].commit == entry.number for key in keys)

    def _put(self, change: NewChange) -> None:
        """One snapshot under its name. What stands there already is looked at, as recovery does."""
        path, data = change.path, change.encoded.data
        if not self._part.put_snapshot(path, data, verify=False, is_new=change.version == 1) and (
            self._part.put_snapshot(path, data, verify=True)
        ):
            self._tell(f"something else stood at '{path}': it is kept aside")

    def _keep_house(self, added: Added) -> None:
        """A checkpoint and an index, once what came since pays for them. Neither is needed: failing is no failure."""
        self._tell_foreign()
        alone = self._traits.lasting_leases  # in a bucket each entry of others costs a checkpoint requests
        self._since_checkpoint += (1 if alone else added.number - self._kept_house) + len(added.changes)
        self._kept_house = added.number
        try:
            enough = (CHECKPOINT_SEEN if alone else BUCKET_SEEN) << self._failed
            if (self._dropped or self._since_checkpoint >= enough) and not self._unplaced:
                self._checkpoint()
        except (OSError, SheetSyncError) as exc:
            self._since_checkpoint, self._dropped = 0, False  # not again with each save
            self._failed = min(self._failed + 1, MOST_FAILED)  # and each time it has more to look at
            self._tell(f"saved, but the checkpoint could not be written ({exc})")
        try:
            if is_worth_writing(self._state, self._lag, self._lag_bytes):
                self._write_index()
        except (OSError, SheetSyncError) as exc:
            self._lag = self._lag_bytes = 0
            self._tell(f"saved, but the index could not be written ({exc})")

    def compact(self) -> CompactReport:
        """Make a checkpoint and an index, and on a bucket gather old entries; nothing that was committed changes."""
        self._check_alive()
        self._check_writable()
        with self._mutex, media_errors("compact the store"):
            return under(self._part.exclusive(), self._compact_locked)

    def _compact_locked(self) -> CompactReport:
        self._catch_up_to_write()
        written, proved = self._part.pack(self._state.number)
        self._checkpoint()
        self._write_index()
        return CompactReport(self._state.number, written, proved)

    def _checkpoint(self) -> None:
        checkpoint(self._part, self._state, self._placed)
        self._placed.clear()
        self._since_checkpoint, self._failed, self._dropped = 0, 0, False

    def _write_index(self) -> None:
        if self._witnesses.foreign:
            self._keep_foreign_index()
        write_index(self._part, self._state)
        self._witnesses.begin(is_believed=True)
        self._lag, self._lag_bytes = 0, 0

    def _keep_foreign_index(self) -> None:
        """Aside, before ours is in its place: beside a torn line it would read as if that had been a commit."""
        data = self._part.read_work(INDEX)
        if data is not None and self._witnesses.is_foreign(data):  # else another was quicker
            self._part.keep_aside(FOREIGN_INDEX, data)
            if self._state.number == 0:  # an index of nothing is none
                self._part.write_work(INDEX, b"", durable=False)
        self._tell_foreign()
        self._witnesses.foreign = 0

    def _tell_foreign(self) -> None:
        if self._witnesses.untold:
            self._witnesses.untold = False
            told = f"it ends at entry {self._witnesses.ended}, the index tells of entry {self._witnesses.foreign}"
            self._tell(f"the journal: {told}: run 'sheetsync fsck'")

    def _run_lease(self, who: str, why: str, lease: Callable[[JournalState], dict[str, JSONValue]]) -> None:
        """An entry that takes, frees or breaks a lease."""
        self._run(Request(who=who, why=why, always=True, lease=lease))
