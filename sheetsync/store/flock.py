"""Locks on local disk (`flock`): they belong to an open file, so the kernel gives them back when the process dies.

An open file outlives a fork: parent and child share it and its lock, which would then outlive the parent. So a forked
child closes its copies at once, and opens anew what it needs.
"""

from __future__ import annotations

import fcntl
import os
import random
import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Final

import orjson

from sheetsync.errors import LockHeldError
from sheetsync.store.backend import Holder
from sheetsync.store.entry_form import EARLIEST_MICROS, LATEST_MICROS
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.forks import IN_CHILDREN
from sheetsync.store.mutex import is_running, release_all

LOCK_WAIT_S: Final = 60.0  # a commit takes milliseconds; a writer that is stopped for longer is an operator's case
LOCK_POLL_S: Final = (0.0002, 0.005)
HOLDER_LOOKS: Final = 10
READ_CHUNK: Final = 1 << 20
MOST_TAKES: Final = 100  # of a folder in whose place another one stands each time


class FolderLock:
    """The lock of one folder, among the threads of this process and among processes. A context manager.

    Args:
        path: the folder's path, for messages.
        open_it: opens the folder.
        stands: is the open folder the one at the path?
    """

    def __init__(self, path: str, open_it: Callable[[], int], stands: Callable[[int], bool]) -> None:
        self._path, self._open_it, self._stands = path, open_it, stands
        self._among_threads = threading.RLock()
        self._fd, self._owner, self._closing = -1, 0, False
        self._frame: FrameType | None = None  # what took it

    def __enter__(self) -> None:
        try:  # an interrupt may come behind each call: what was taken until then is given back
            self._among_threads.acquire()
            self._owner, self._frame = threading.get_ident(), sys._getframe(1)  # noqa: SLF001 (documented)
            self._take()
        except BaseException:
            self._give_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _take(self) -> None:
        """Lock the folder; opened anew if another one stands there now, for others lock that one.

        Raises:
            LockHeldError: others take too long, or the folder never is the one at its path.
        """
        for _ in range(MOST_TAKES):
            if self._fd < 0:
                self._fd = self._open_it()
            wait_for(self._fd, self._path)
            if self._stands(self._fd):
                return
            self._close()
        raise LockHeldError(
            f"'{self._path}' could not be locked: {MOST_TAKES} times in a row another folder stood in its place",
            hint="see what replaces that folder; is it mounted twice?",
        )

    def _give_back(self) -> None:
        """Unlock, if it is this thread's: an interrupt may have come before it was.

        One that comes at this very call leaves it locked, until this thread takes it again: nobody locks it twice.
        """
        if self._owner == threading.get_ident():
            self._owner, self._frame = 0, None
            if self._fd >= 0:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            if self._closing:
                self._closing = False
                self._close()
        release_all(self._among_threads)

    def close(self) -> None:
        """Give back the descriptor; where a thread waits for it or holds it, that one does, be it this one."""
        held = self._frame is not None and is_running(self._frame)
        if held or not self._among_threads.acquire(blocking=False):
            self._closing = True
            return
        self._close()
        self._among_threads.release()

    def forked(self) -> bool:
        """In a child: it has no part in its parent's lock, and does not keep it from ending with the parent.

        Returns:
            was it held by what goes on here? A signal handler, or a callback, forked.
        """
        ours = self._frame is not None and self._owner == threading.get_ident() and is_running(self._frame)
        self._close()
        self._among_threads, self._owner, self._frame, self._closing = threading.RLock(), 0, None, False
        return ours

    def _close(self) -> None:
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            os.close(fd)


class FlockHeld:
    """A lock for long: open for as long as it is held, so that the kernel gives it back when the process dies.

    Args:
        fd: the open file, locked.
        stands: is the open file the one under its name?
    """

    def __init__(self, fd: int, stands: Callable[[int], bool]) -> None:
        self._fd, self._stands, self._told = fd, stands, False
        IN_CHILDREN.add(self)

    def tell(self, holder: Holder) -> None:
        """Say in the file who has it; who had it before may have been killed."""
        self._told = True
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, holder_bytes(holder), 0)

    def is_ours(self) -> bool:
        """Is the file we locked still the one under that name?"""
        return self._fd >= 0 and self._stands(self._fd)

    def release(self) -> None:
        """Let it go; its file says no more who has it, or the next one would be taken for us until it has written."""
        if self._fd >= 0:
            try:
                if self._told:  # else it may be another's
                    with suppress(OSError):
                        os.ftruncate(self._fd, 0)
            finally:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
                self.forked()

    def forked(self) -> None:
        """In a child: the lock is its parent's, and ends with it."""
        if self._fd >= 0:
            fd, self._fd = self._fd, -1
            with suppress(OSError):  # it is given back all the same, and what its file says is not needed
                os.close(fd)


def wait_for(fd: int, path: str) -> None:
    """Lock an open file, waiting for others up to a minute.

    Raises:
        LockHeldError: they take longer.
    """
    pause, deadline = LOCK_POLL_S[0], 0.0
    while True:
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError as exc:
            deadline = deadline or time.monotonic() + LOCK_WAIT_S
            if time.monotonic() > deadline:
                raise LockHeldError(
                    f"another writer has held '{path}' for more than {LOCK_WAIT_S:.0f} s",
                    hint="a stopped process may hold it: see 'fuser' on that folder",
                ) from exc
        time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (spreads waiting writers; no secret)
        pause = min(pause * 1.5, LOCK_POLL_S[1])


def holder_bytes(holder: Holder) -> bytes:
    """What a lock's file says."""
    return orjson.dumps({"who": holder.who, "host": holder.host, "pid": holder.pid, "since": holder.since})


def parse_holder(data: bytes) -> Holder | None:
    """What a lock's file says, None if it is not written yet, or not by us."""
    try:
        value = orjson.loads(data)
        since = float(value["since"])
        if not EARLIEST_MICROS <= since * 1e6 <= LATEST_MICROS:
            return None
        return Holder(str(value["who"]), str(value["host"]), int(value["pid"]), since)
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


def lock_held(name: str, holder: Holder | None, *, now: float) -> LockHeldError:
    """The error of a lock that another has; `now` in seconds since 1970."""
    hint = "wait for it; 'sheetsync lock show' and 'lock break' help"
    if holder is None:
        return LockHeldError(f"another run holds the lock '{name}', since just now", hint=hint)
    who = f"{holder.who} on {holder.host}, pid {holder.pid}, for {max(0.0, now - holder.since):.0f} s"
    return LockHeldError(f"another run holds the lock '{name}': {who}", hint=hint)


def look_for_holder(open_it: Callable[[], int]) -> Holder | None:
    """Who holds the lock of this file; a holder who took it a moment ago has not said so yet, and is waited for.

    Args:
        open_it: opens the file.
    """
    for _ in range(HOLDER_LOOKS):
        try:
            fd = open_it()
        except FileNotFoundError:
            return None
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            return Holder("somebody (its file cannot be read)", "this host", 0, time.time())  # or nobody
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = parse_holder(os.pread(fd, READ_CHUNK, 0))
        else:
            return None
        finally:
            os.close(fd)
        if holder is not None:
            return holder
        time.sleep(LOCK_POLL_S[1])
    return Holder("somebody", "this host", 0, time.time())
