"""What tests of several rules need: a disk's backend, a bucket, a save, and a line whose sum holds."""

from __future__ import annotations

import hashlib
from contextlib import suppress
from pathlib import Path

from sheetsync.domain.clock import FakeClock
from sheetsync.store import Store
from sheetsync.store.local import LocalBackend
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from tests.faults.crash_explorer import CTX, TestedBackend, record
from tests.faults.simulated_disk import SimulatedDisk

JOURNAL = "default/journal/0000000001.jsonl"


def backend_on(disk: SimulatedDisk) -> LocalBackend:
    """A backend whose journal changes its file often."""
    return TestedBackend(disk, LocalTenant)


def in_memory() -> tuple[MemoryObjects, Store]:
    """A store in a bucket, and the bucket."""
    objects = MemoryObjects()
    return objects, Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock())


def save(store: Store, name: str, value: int) -> None:
    """One commit of one record."""
    with store.transaction(CTX) as tx:
        tx.save(record(name), {"value": value})


def signed(body: bytes) -> bytes:
    """A journal line with a sum that holds."""
    return b'{"sum":"' + hashlib.sha256(body).hexdigest().encode() + b'",' + body


def open_below(folder: Path) -> int:
    """How many descriptors of this process lead to the folder or below; what other tests left open is not counted."""
    count = 0
    for descriptor in list(Path("/proc/self/fd").iterdir()):
        with suppress(FileNotFoundError):  # it was the listing's own
            count += descriptor.readlink().is_relative_to(folder)
    return count
