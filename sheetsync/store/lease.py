"""Leases: one run at a time, fenced through the journal.

Where a lock dies with its holder (local disk) the lease is that lock, and the fence is the lease's epoch in the
journal, which only `lock break` raises: a run that changes nothing writes nothing. On a bucket, taking and giving back
are entries, and a lease whose time is over may be taken by another.

That time is told by each host's own clock. Between hosts whose clocks differ by more than a lease's time to live it
keeps nobody out; the fence, which is counted and not timed, holds all the same: of two that think they hold the lease
only the one who took it last can commit under it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Final, Self

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.clock import Clock
from sheetsync.errors import LockHeldError
from sheetsync.store.backend import HeldLock, Holder
from sheetsync.store.entry import to_micros
from sheetsync.store.entry_form import EARLIEST_MICROS, LATEST_MICROS
from sheetsync.store.snapshot import LeaseInfo
from sheetsync.store.state import JournalState

LONGEST_S: Final = 1e12  # beyond all years


@dataclass(slots=True)
class Lease:
    """A lease that was taken. Pass it as `fence` to a transaction: it then commits only while the lease is ours."""

    name: str
    who: str
    epoch: int
    _release: Callable[[], None] = field(repr=False)
    _lock: HeldLock | None = field(default=None, repr=False)
    released: bool = False

    def check(self, state: JournalState) -> None:
        """Is the lease still ours, at the state that is about to be written upon?

        Raises:
            LockHeldError: it was released, broken, or taken by another.
        """
        known = state.leases.get(self.name)
        lost = (known.epoch if known else 0) != self.epoch or (self._lock is not None and not self._lock.is_ours())
        if self.released or lost:
            raise LockHeldError(
                f"the lock '{self.name}' is no longer ours: nothing was saved",
                hint="run the command again; 'sheetsync log' tells who broke the lock",
            )

    def release(self) -> None:
        """Give it back; a second call does nothing."""
        if not self.released:
            self.released = True
            self._release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def this_holder(who: str, clock: Clock) -> Holder:
    """This process as a holder."""
    return Holder(who, socket.gethostname(), os.getpid(), clock.now().timestamp())


def refuse_held(name: str, infos: Iterable[LeaseInfo], clock: Clock) -> None:
    """Refuse a lease that one of these holds, and whose time is not over.

    Raises:
        LockHeldError: names the holder.
    """
    for info in infos:
        if info.name == name and (info.until is None or info.until > clock.now()):
            age_s = max(0.0, (clock.now() - info.since).total_seconds())  # its host's clock may be ahead of ours
            raise LockHeldError(
                f"another run holds the lock '{name}': {info.who} on {info.host}, pid {info.pid}, for {age_s:.0f} s",
                hint="wait for it; 'sheetsync lock show' and 'lock break' help",
            )


def lease_member(name: str, epoch: int, holder: Holder | None, clock: Clock, ttl_s: float) -> dict[str, JSONValue]:
    """The `lease` member of a journal entry; without a holder the lease is free."""
    member: dict[str, JSONValue] = {"name": name, "epoch": epoch}
    if holder is not None:
        since = to_micros(clock.now())
        member["holder"] = {
            "who": holder.who,
            "host": holder.host,
            "pid": holder.pid,
            "since": _readable(since),
            "until": _readable(since + max(-LONGEST_S, min(ttl_s, LONGEST_S)) * 1e6),
        }
    return member


def _readable(micros: float) -> int:
    """A time within the years that every reader knows; a clock at the end of time is no reason to fail."""
    return int(min(max(micros, EARLIEST_MICROS), LATEST_MICROS))
