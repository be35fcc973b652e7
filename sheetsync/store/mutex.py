"""One call at a time into a handle: other threads wait, and the same thread is refused.

A signal handler runs in the midst of whatever its thread was doing. If that was a save, a second one would find the
first one's half-made state: so it is told, before it touches anything.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from types import TracebackType

from sheetsync.errors import UsageError


class Mutex:
    """A lock among threads, for `with`; an interrupt at any moment leaves it free."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._owner = 0

    def __enter__(self) -> None:
        if self._owner == threading.get_ident():
            raise UsageError(
                "the store is at work for this very thread, and cannot be used by a signal handler or a callback of it",
                hint="let the handler set a flag, and use the store after the call that it interrupted",
            )
        try:
            self._lock.acquire()
            self._owner = threading.get_ident()
        except BaseException:
            self._give_back()
            raise

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._give_back()

    def _give_back(self) -> None:
        if self._owner == threading.get_ident():
            self._owner = 0
        with suppress(RuntimeError):  # until it is not ours any more: an interrupt may have come before it was
            while True:
                self._lock.release()
