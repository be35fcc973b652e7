"""A copy replaces nothing and is whole when it is told; a bucket's entries and packs are believed once proved."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator

import pytest

from sheetsync.errors import AuthError, DestinationError, SheetSyncError, StoreDamagedError, TryLaterError
from sheetsync.store import Store, compaction
from sheetsync.store.copying import copy_between
from sheetsync.store.fsck import scan
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.repair import check
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.store.rules import backend_on, in_memory, save


# --- copies ------------------------------------------------------------------------------------------------------
def test_a_copy_into_what_is_left_of_a_store_is_refused() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    objects = MemoryObjects()
    objects.put("acme/journal/0000000001.jsonl", b"somebody's")
    with pytest.raises(DestinationError):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert list(objects.list("")) == ["acme/journal/0000000001.jsonl"]


def test_a_copy_is_durable_with_its_names_when_it_is_told() -> None:
    disk, copy = SimulatedDisk(), SimulatedDisk()
    store = open_store(disk)
    for value in range(4):
        save(store, "a", value)
    copy_between(backend_on(disk), backend_on(copy))
    for outcome in copy.outcomes(60, random.Random(1)):
        _, scans = scan(backend_on(copy.after_cut(outcome)))
        assert [f for found in scans for f in found.findings] == []


class Stops(MemoryObjects):
    """Another host is at work at the destination, or it stops taking objects."""

    def __init__(self, when: str, act: Callable[[MemoryObjects], None]) -> None:
        super().__init__()
        self.when, self.act = when, act

    def put_new(self, key: str, data: bytes) -> None:
        if self.when in key:
            self.when = "\0"
            self.act(self)
        super().put_new(key, data)


@pytest.mark.parametrize("when", ["journal/0000000002", "FORMAT"])
def test_a_destination_where_another_writes_meanwhile_is_no_copy(when: str) -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)
    theirs = {
        "journal/0000000002": ("default/journal/0000000002.jsonl", b"theirs"),
        "FORMAT": ("FORMAT", b'{"format":"sheetsync-island","version":1,"store_id":"theirs"}\n'),
    }[when]
    objects = Stops(when, lambda objects: objects.put(*theirs))
    with pytest.raises(SheetSyncError):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get(theirs[0]) == theirs[1]


def test_a_copy_whose_last_entry_is_lost_is_no_store() -> None:
    """What the bucket told us was written is gone when the copy is looked at, and nothing there tells of it."""

    class Forgetful(MemoryObjects):
        def put(self, key: str, data: bytes) -> None:
            if key.endswith("checkpoint.json"):
                del self._objects["default/journal/0000000003.jsonl"]
            else:
                super().put(key, data)

    disk, objects = SimulatedDisk(), Forgetful()
    store = open_store(disk)
    for number in range(3):
        store.note(CTX, "looked", {"seen": number})
    with pytest.raises(DestinationError, match="does not hold the store's entries"):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get("FORMAT") is None


def test_a_copy_beside_which_another_tenant_appears_is_no_store() -> None:
    disk, other = SimulatedDisk(), SimulatedDisk()
    save(open_store(disk), "a", 1)
    open_store(other).note(CTX, "looked", {})
    theirs = other.read("default/journal/0000000001.jsonl")
    objects = Stops("journal/0000000001", lambda objects: objects.put("acme/journal/0000000001.jsonl", theirs))
    with pytest.raises(DestinationError, match="'acme' appeared there"):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get("FORMAT") is None


def test_an_interrupted_copy_is_no_store() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)

    def stop(objects: MemoryObjects) -> None:
        raise KeyboardInterrupt

    objects = Stops("journal/0000000002", stop)
    with pytest.raises(KeyboardInterrupt):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get("FORMAT") is None


# --- buckets -----------------------------------------------------------------------------------------------------
def test_a_bucket_is_asked_for_commits_that_are_not_known_yet() -> None:
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=False)) for _ in range(2))
    for value in range(3):
        save(theirs, "a", value)
    assert ours.at(2).version(record("a")) == 2


def test_an_entry_of_a_bucket_is_not_believed_without_its_sum() -> None:
    objects, store = in_memory()
    save(store, "a", 1)
    key = "default/journal/0000000001.jsonl"
    objects.put(key, (objects.get(key) or b"").replace(b'"value":1', b'"value":7'))
    with pytest.raises(StoreDamagedError, match="is broken"):
        Store.on(ObjectBackend(objects, "x", cheap=True))


@pytest.mark.parametrize("how", ["short", "flipped", "other"])
def test_a_pack_that_is_not_whole_is_not_believed(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "PACK_ENTRIES", 4)
    objects, store = in_memory()
    for value in range(9):
        save(store, "a", value)
    store.compact()
    key, _ = objects.list("default/.store/packs/")
    good = objects.get(key) or b""
    bad = {
        "short": b"".join(good.splitlines(keepends=True)[:3]),
        "flipped": good.replace(b'"value":2', b'"value":7', 1),
        "other": good.replace(b"\n", b" \n", 1),
    }[how]
    objects.put(key, bad)
    objects.put("default/.store/index.json", b"")
    fresh = Store.on(ObjectBackend(objects, "x", cheap=True))
    assert [commit.hash for commit in fresh.log()] == [commit.hash for commit in store.log()]
    fresh.compact()
    assert objects.get(key) == good


@pytest.mark.parametrize("whose", ["the source's", "another store's"])
def test_a_format_that_appears_during_a_copy_is_fine_if_it_is_the_sources(whose: str) -> None:
    class Late(MemoryObjects):
        late: bytes | None = None

        def list(self, prefix: str, after: str = "") -> Iterator[str]:
            if self.late is not None and any("/journal/" in key for key in self._objects):
                self._objects.setdefault("FORMAT", self.late)
            return super().list(prefix, after)

    source, store = in_memory()
    save(store, "a", 1)
    copy = Late()
    copy.late = source._objects["FORMAT"] if whose == "the source's" else in_memory()[0]._objects["FORMAT"]
    if whose == "the source's":
        assert copy_between(ObjectBackend(source, "x"), ObjectBackend(copy, "y")).commits == 1
        assert Store.on(ObjectBackend(copy, "y")).head() == 1
    else:
        with pytest.raises(DestinationError, match="'FORMAT' appeared there"):
            copy_between(ObjectBackend(source, "x"), ObjectBackend(copy, "y"))


def test_an_entry_that_is_refused_at_a_second_look_is_to_be_tried_again() -> None:
    class Refusing(MemoryObjects):
        looks = -100

        def get(self, key: str) -> bytes | None:
            self.looks += key.endswith("/0000000001.jsonl")
            if self.looks == 2:
                self.looks = -100
                raise AuthError("403, this once")
            return super().get(key)

    objects = Refusing()
    store = Store.on(ObjectBackend(objects, "x", cheap=True))
    for value in (1, 2):
        save(store, "a", value)
    (path, *_) = sorted(key for key in objects._objects if key.endswith(".json") and "/.store/" not in key)
    objects._objects[path] = b"x" * len(objects._objects[path])
    objects.looks = 0
    with pytest.raises(TryLaterError, match="cannot any more"):
        check(ObjectBackend(objects, "x"), "x")
    assert {finding.code for finding in check(ObjectBackend(objects, "x"), "x").findings} == {"changed"}


def test_a_copy_of_a_store_whose_format_went_meanwhile_is_no_store() -> None:
    class Going(MemoryObjects):
        asked = 0

        def get(self, key: str) -> bytes | None:
            if key == "FORMAT":
                self.asked += 1
                if self.asked > 1:
                    return None
            return super().get(key)

    source, copy = Going(), MemoryObjects()
    sound, store = in_memory()
    save(store, "a", 1)
    source._objects = sound._objects
    with pytest.raises(StoreDamagedError, match="FORMAT is gone"):
        copy_between(ObjectBackend(source, "x"), ObjectBackend(copy, "y"))
    assert "FORMAT" not in copy._objects
