"""The scripts whose every operation is a place to cut the power: what writers do in their lives."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import LockHeldError
from tests.faults.crash_explorer import CTX, Explorer, record
from tests.faults.simulated_disk import SimulatedDisk

Script = Callable[[SimulatedDisk, Explorer], None]


def saves(disk: SimulatedDisk, explorer: Explorer) -> None:
    """Single saves of two records, the same content again, and back: A→B→A."""
    store = explorer.open(disk)
    for value in (1, 2, 2, 1, 3):
        explorer.attempt(store, {"a": value})
    explorer.attempt(store, {"b": 1})


def transactions(disk: SimulatedDisk, explorer: Explorer) -> None:
    """Transactions of three records, some of which do not change."""
    store = explorer.open(disk)
    for value in (1, 2, 3, 4):
        explorer.attempt(store, {"a": value, "b": value // 2, "c": value})


def checkpoints(disk: SimulatedDisk, explorer: Explorer) -> None:
    """Checkpoints and indexes between saves, by two processes."""
    first, second = explorer.open(disk), explorer.open(disk)
    explorer.attempt(first, {"a": 1, "b": 1})
    first.compact()
    explorer.attempt(second, {"a": 2})
    explorer.attempt(first, {"b": 2})
    second.compact()
    explorer.attempt(second, {"a": 3, "b": 3})
    first.rebuild_index()
    explorer.attempt(explorer.open(disk), {"c": 1})


def clock_set_back(disk: SimulatedDisk, explorer: Explorer) -> None:
    """The clock is set back by an hour between saves; several saves in one second."""
    clock = FakeClock()
    store = explorer.open(disk, clock=clock)
    explorer.attempt(store, {"a": 1})
    clock.advance(-3600)
    explorer.attempt(store, {"a": 2})
    explorer.attempt(explorer.open(disk, clock=clock), {"a": 3, "b": 1})
    clock.advance(1)
    explorer.attempt(store, {"a": 4})


def leases(disk: SimulatedDisk, explorer: Explorer) -> None:
    """Fenced commits, a lease that is broken, and a note."""
    store, other = explorer.open(disk), explorer.open(disk)
    lease = store.lease("sync", who="ada")
    explorer.oracle.attempted.add(frozenset({("a", "1")}))
    with store.transaction(CTX, fence=lease) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    explorer.acknowledge(tx.commit)
    other.break_lease("sync")
    with pytest.raises(LockHeldError), store.transaction(CTX, fence=lease) as tx:
        tx.save(record("a"), {"value": 2, "pad": ""})
    explorer.acknowledge(other.note(CTX, "looked", {"seen": 1}))
    explorer.attempt(other, {"a": 3})


SCRIPTS: dict[str, Script] = {
    "saves": saves,
    "transactions": transactions,
    "checkpoints": checkpoints,
    "clock_set_back": clock_set_back,
    "leases": leases,
}
