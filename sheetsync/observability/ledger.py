"""The call ledger: what one run spent on calls. Rates across processes are not here: that is `gsheets.quota`."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from typing import Final, Literal

CallKind = Literal["read", "write", "drive"]
CALL_KINDS: Final[tuple[CallKind, ...]] = ("read", "write", "drive")


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP exchange as it happened, retries included; `status` is 0 where no answer came."""

    kind: CallKind
    status: int
    seconds: float
    sent_bytes: int
    received_bytes: int


@dataclass
class CallLedger:
    """All calls of one run, in order. Safe to use from several threads."""

    calls: list[Call] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)

    def record(self, call: Call) -> None:
        """Add one exchange."""
        with self._lock:
            self.calls.append(call)

    def counts(self) -> dict[str, int]:
        """Calls by kind, as in every report: `{"read", "write", "drive"}`."""
        with self._lock:
            return {kind: sum(1 for call in self.calls if call.kind == kind) for kind in CALL_KINDS}

    def seconds(self) -> float:
        """Time spent waiting for answers."""
        with self._lock:
            return sum(call.seconds for call in self.calls)

    def sent_bytes(self) -> int:
        """Size of the bodies sent."""
        with self._lock:
            return sum(call.sent_bytes for call in self.calls)

    def received_bytes(self) -> int:
        """Size of the bodies received, decompressed."""
        with self._lock:
            return sum(call.received_bytes for call in self.calls)
