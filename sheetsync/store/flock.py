"""Locks on local disk (`flock`): they belong to an open file, so the kernel gives them back when the process dies."""

from __future__ import annotations

import os
import threading
from dataclasses import dataclass, field

import orjson

from sheetsync.errors import LockHeldError
from sheetsync.store.backend import Holder


@dataclass(slots=True)
class LockFile:
    """A lock's open file, and what excludes the threads of this process from each other."""

    fd: int = -1
    mutex: threading.Lock = field(default_factory=threading.Lock)


class FlockHeld:
    """A lock for long: open for as long as it is held, so that the kernel gives it back when the process dies."""

    def __init__(self, fd: int) -> None:
        self._fd = fd

    def is_ours(self) -> bool:
        """Is the file we locked still the one under that name?"""
        if self._fd < 0:
            return False
        there = os.fstat(self._fd)
        return there.st_nlink > 0

    def release(self) -> None:
        """Let it go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def parse_holder(data: bytes) -> Holder | None:
    """What a lock's file says, None if it is not written yet."""
    try:
        value = orjson.loads(data)
        return Holder(str(value["who"]), str(value["host"]), int(value["pid"]), float(value["since"]))
    except (ValueError, KeyError, TypeError):
        return None


def lock_held(name: str, holder: Holder | None, *, now: float) -> LockHeldError:
    """The error of a lock that another has; `now` in seconds since 1970."""
    hint = "wait for it; 'sheetsync lock show' and 'lock break' help"
    if holder is None:
        return LockHeldError(f"another run holds the lock '{name}', since just now", hint=hint)
    who = f"{holder.who} on {holder.host}, pid {holder.pid}, for {max(0.0, now - holder.since):.0f} s"
    return LockHeldError(f"another run holds the lock '{name}': {who}", hint=hint)
