"""The quota limiter: processes of one machine that share an identity share its reads and writes a minute.

A slot is granted by writing its time into a small file under a lock. Nobody waits under the lock: who comes to a full
window books the next free moment and sleeps until then, so that waiters go in the order they came.
Source: design.md section 7 (Quota); sheets_api.md section 1 (60 reads and 60 writes a minute and identity, apart).
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from sheetsync.domain.clock import Clock
from sheetsync.errors import QuotaError
from sheetsync.gsheets.options import QuotaPolicy
from sheetsync.observability.ledger import CallKind

LOG: Final = logging.getLogger(__name__)
WINDOW_S: Final = 60.0
TOLD_WAIT_S: Final = 2.0  # shorter waits are not worth a line


class Limiter(Protocol):
    """Waits until a call may be made."""

    def acquire(self, kind: CallKind) -> None:
        """Wait for a slot, and take it.

        Raises:
            QuotaError: the wait would be too long.
        """

    def exhausted(self, kind: CallKind, wait_s: float) -> None:
        """The server says the quota is used up: nobody on this machine gets a slot for so long."""


class NoLimiter:
    """No limit: hosts that are not Google's."""

    def acquire(self, kind: CallKind) -> None:
        """Nothing to wait for."""

    def exhausted(self, kind: CallKind, wait_s: float) -> None:
        """Nothing to remember."""


@dataclass(slots=True)
class _Window:
    """The slots of one identity and kind: times granted or booked, and until when nothing is granted."""

    slots: list[float]
    blocked_until: float = 0.0

    def tidy(self, now: float, horizon: float) -> None:
        """Drop what is past, and what lies so far ahead that the clock must have been set back."""
        self.slots = sorted(slot for slot in self.slots if now - WINDOW_S < slot <= now + horizon)
        if self.blocked_until > now + horizon:
            self.blocked_until = 0.0

    def next_free(self, now: float, limit: int) -> float:
        """The first moment at which one more call keeps every minute within the limit."""
        at = max(now, self.blocked_until)
        if len(self.slots) >= limit:
            at = max(at, self.slots[-limit] + WINDOW_S)
        return at


class FileLimiter:
    """The limiter for one identity, shared through files in a folder."""

    def __init__(self, folder: Path, identity_key: str, policy: QuotaPolicy, clock: Clock) -> None:
        self._folder = folder
        self._name = hashlib.sha256(identity_key.encode()).hexdigest()[:24]  # an e-mail is not written to disk
        self._policy = policy
        self._clock = clock

    def acquire(self, kind: CallKind) -> None:
        """Wait for a slot, and take it; see `Limiter`."""
        limit = self._policy.limit(kind)
        if limit is None:
            return
        with self._window(kind) as window:
            now = self._clock.now().timestamp()
            window.tidy(now, self._policy.max_wait_s + WINDOW_S)
            at = window.next_free(now, limit)
            if at - now > self._policy.max_wait_s:
                raise QuotaError(
                    f"the {kind} quota of this identity is booked for {at - now:.0f} s",
                    hint="try again later; run fewer processes with this identity",
                )
            window.slots.append(at)
        if at - now > TOLD_WAIT_S:
            LOG.info("waiting %.1f s for the %s quota", at - now, kind)
        if at > now:
            self._clock.sleep(at - now)

    def exhausted(self, kind: CallKind, wait_s: float) -> None:
        """Remember a refusal for all processes of this machine; see `Limiter`."""
        if self._policy.limit(kind) is not None:
            with self._window(kind) as window:
                window.blocked_until = max(window.blocked_until, self._clock.now().timestamp() + wait_s)

    @contextmanager
    def _window(self, kind: CallKind) -> Iterator[_Window]:
        """The window, read and written back under a lock that dies with its holder."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = self._folder / f"{self._name}.{kind}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "r+", encoding="utf-8") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            window = _parse_window(file.read())
            yield window
            file.seek(0)
            file.truncate()
            file.write(json.dumps({"slots": window.slots, "blocked_until": window.blocked_until}))


def _parse_window(text: str) -> _Window:
    """What the file says; a torn or foreign file counts as an empty window."""
    try:
        value = json.loads(text)
        return _Window([float(slot) for slot in value["slots"]], float(value["blocked_until"]))
    except (ValueError, TypeError, KeyError):
        return _Window([])
