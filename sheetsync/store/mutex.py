"""One call at a time into a store: other threads wait, and the same thread is refused. And locks given back surely.

A signal handler runs in the midst of whatever its thread was doing. If that was a save, a second one would find the
first one's half-made state: so it is told, before it touches anything.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from types import FrameType, TracebackType
from typing import TypeVar

from sheetsync.errors import DefectError
from sheetsync.store.forks import IN_CHILDREN

T = TypeVar("T")


class Mutex:
    """A lock among threads, for `with`.

    Attributes:
        torn: this process was forked while a thread was at work here; what that one changed is half changed, or goes on
            in the parent.

    An interrupt at the very call that gives it back leaves it taken until this thread comes again: the frame that took
    it tells whether that call still runs.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._inside: dict[int, FrameType] = {}  # by thread: what runs in it, or is on its way
        self.torn = False
        IN_CHILDREN.add(self)

    def __enter__(self) -> None:
        there = self._inside.get(threading.get_ident())
        if there is not None and is_running(there):
            raise DefectError(
                "the store is at work for this very thread, and cannot be used by a signal handler or a callback of it",
                hint="let the handler set a flag, and use the store after the call that it interrupted",
            )
        try:
            self._inside[threading.get_ident()] = sys._getframe(1)  # noqa: SLF001 (documented)
            self._lock.acquire()
        except BaseException:
            self._give_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def forked(self) -> None:
        """In a child: the threads that were at work, or waited, are not in it.

        The one that forked may be at work, too: a signal handler, or a callback, forked.
        """
        ident = threading.get_ident()
        self._inside = {thread: frame for thread, frame in self._inside.items() if thread == ident}
        self.torn = self.torn or any(map(is_running, self._inside.values()))
        if self._lock.acquire(blocking=False):  # nobody's, or ours
            self._lock.release()
        else:
            self._lock, self.torn = threading.RLock(), True

    def _give_back(self) -> None:
        try:
            self._inside.pop(threading.get_ident(), None)
        finally:
            release_all(self._lock)


def under(lock: AbstractContextManager[None], act: Callable[[], T]) -> T:
    """Do it with the lock, and give that back though an interrupt comes at the very call that does."""
    try:
        with lock:
            return act()
    except BaseException:
        lock.__exit__(None, None, None)
        raise


def release_all(lock: threading.RLock) -> None:
    """Until it is not this thread's any more: an interrupt may have come before it was, or when it was already."""
    while lock._is_owned():  # type: ignore[attr-defined]  # noqa: SLF001 (as `threading.Condition` asks)
        lock.release()


def is_running(wanted: FrameType) -> bool:
    """Is it below us on this thread's stack?"""
    frame: FrameType | None = sys._getframe(1)  # noqa: SLF001
    while frame is not None and frame is not wanted:
        frame = frame.f_back
    return frame is not None
