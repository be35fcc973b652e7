"""Time as a parameter: the clock port, the real one, and one that tests turn by hand."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import Final, Protocol

FAKE_START: Final = datetime(2026, 1, 7, 12, 0, 0, tzinfo=UTC)


class Clock(Protocol):
    """Wall time, time that never goes back, and waiting."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC; it may be set back."""

    def monotonic(self) -> float:
        """Seconds since some moment; it never goes back."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The wall time, aware, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(max(0.0, seconds))


class FakeClock:
    """A clock that stands still until it is advanced; sleeping advances it. `slept` lists the waits in seconds."""

    def __init__(self, start: datetime = FAKE_START) -> None:
        self._now = start
        self._monotonic = 0.0
        self.slept: list[float] = []

    def now(self) -> datetime:
        """The time it was turned to."""
        return self._now

    def monotonic(self) -> float:
        """Seconds advanced so far; `set` does not change it."""
        return self._monotonic

    def sleep(self, seconds: float) -> None:
        """Advance instead of waiting."""
        self.slept.append(seconds)
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time go by."""
        self._now += timedelta(seconds=seconds)
        self._monotonic += max(0.0, seconds)

    def set(self, now: datetime) -> None:
        """Set the wall time, also back."""
        self._now = now
