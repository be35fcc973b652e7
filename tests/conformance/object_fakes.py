"""Buckets in memory that answer late, fail, count, or have another host at work."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator

from sheetsync.errors import AuthError
from sheetsync.store.creation import Pace
from sheetsync.store.object_port import MemoryObjects

QUICK = Pace(sleep=lambda wait_s: None)  # tries again at once


class LateObjects(MemoryObjects):
    """A create may get no answer before it takes effect, after it, or long before it does, or be told to come again."""

    def __init__(self, rng: random.Random, rate: float) -> None:
        super().__init__()
        self.rng, self.rate = rng, rate
        self.late: list[tuple[str, bytes]] = []

    def put_new(self, key: str, data: bytes) -> None:
        if self.late and self.rng.random() < 0.3:
            self.deliver()
        if self.rng.random() < self.rate:
            fate = self.rng.choice(["lost", "landed", "late", "busy"])
            if fate == "busy":  # as S3's 409: another request is at work there, and nothing was done
                raise FileExistsError(key)
            if fate == "landed":
                self.force(key, data)
            if fate == "late":
                self.late.append((key, data))
            raise TimeoutError(key)
        super().put_new(key, data)

    def force(self, key: str, data: bytes) -> None:
        if self.get(key) is None:
            self.put(key, data)

    def deliver(self) -> None:
        """One late put takes effect, or finds that it is too late."""
        if self.late:
            self.force(*self.late.pop(self.rng.randrange(len(self.late))))


class FailingObjects(MemoryObjects):
    """Raises what `fate` says for an operation and a key, before it takes effect."""

    def __init__(self, fate: Callable[[str, str], Exception | None]) -> None:
        super().__init__()
        self.fate = fate

    def fail(self, what: str, key: str) -> None:
        if (error := self.fate(what, key)) is not None:
            raise error

    def put_new(self, key: str, data: bytes) -> None:
        self.fail("put_new", key)
        super().put_new(key, data)

    def put(self, key: str, data: bytes) -> None:
        self.fail("put", key)
        super().put(key, data)

    def get(self, key: str) -> bytes | None:
        self.fail("get", key)
        return super().get(key)


class ArchivedObjects(MemoryObjects):
    """Some objects were moved where they cannot be read: each is refused, and may be written anew."""

    def __init__(self) -> None:
        super().__init__()
        self.archived: set[str] = set()

    def put(self, key: str, data: bytes) -> None:
        super().put(key, data)
        self.archived.discard(key)

    def get(self, key: str) -> bytes | None:
        if key in self.archived:
            raise AuthError(f"the bucket did not give '{key}': it was archived (403 InvalidObjectState)")
        return super().get(key)


class BusyObjects(MemoryObjects):
    """Before one request another host is at work."""

    def __init__(self) -> None:
        super().__init__()
        self.awaited = ""
        self.work: Callable[[], None] = lambda: None

    def look(self, what: str) -> None:
        if what == self.awaited:
            self.awaited = ""
            self.work()

    def get(self, key: str) -> bytes | None:
        self.look(f"get {key}")
        return super().get(key)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        self.look(f"list {prefix}")
        return super().list(prefix, after)


class CountedObjects(MemoryObjects):
    """The same bucket as another one, its requests counted by kind, and noted."""

    def __init__(self, bucket: MemoryObjects) -> None:
        super().__init__()
        self._objects = bucket._objects
        self.requests: Counter[str] = Counter()
        self.asked: list[str] = []

    def note(self, kind: str, key: str) -> None:
        self.requests[kind] += 1
        self.asked.append(f"{kind} {key}")

    def put_new(self, key: str, data: bytes) -> None:
        self.note("create", key)
        super().put_new(key, data)

    def put(self, key: str, data: bytes) -> None:
        self.note("put", key)
        super().put(key, data)

    def get(self, key: str) -> bytes | None:
        self.note("get", key)
        return super().get(key)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        self.note("list", prefix)
        return super().list(prefix, after)
