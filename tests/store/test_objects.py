"""A store in a bucket: gaps in its journal, what stands under a snapshot's name, and what is kept aside."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import DestinationError, NetworkError, StoreDamagedError, TryLaterError
from sheetsync.store import RecordId, Store
from sheetsync.store import objects as module
from sheetsync.store.creation import Pace
from sheetsync.store.index import INDEX
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from tests.conformance.object_fakes import QUICK, BusyObjects, CountedObjects, FailingObjects

CTX = RequestContext(user="ada")
ASIDE = "default/.store/aside/"


def opened(objects: MemoryObjects, clock: FakeClock | None = None) -> Store:
    return Store.on(ObjectBackend(objects, "x", cheap=True, pace=QUICK), clock=clock)


def a_record(name: str = "alpha") -> RecordId:
    return RecordId("default", ("things", name), name)


def save(store: Store, value: int) -> str:
    with store.transaction(CTX) as tx:
        tx.save(a_record(), {"n": value})
    return tx.snapshots[a_record()].path


def entry(number: int) -> str:
    return f"default/journal/{number:010d}.jsonl"


def filled(entries: int) -> MemoryObjects:
    objects = MemoryObjects()
    store = opened(objects)
    for value in range(entries):
        save(store, value)
    return objects


@pytest.mark.parametrize("lost", [1, 2, 3, 4])
def test_an_entry_that_is_missing_in_the_midst_is_damage_and_not_the_journals_end(lost: int) -> None:
    objects = filled(5)
    del objects._objects[entry(lost)]
    before = dict(objects._objects)
    with pytest.raises(StoreDamagedError, match=f"entry {lost} is missing"):
        opened(objects)
    assert objects._objects == before


def test_an_entry_that_is_missing_after_the_index_is_damage_too() -> None:
    objects = filled(3)
    opened(objects).compact()
    assert objects.get(f"default/.store/{INDEX}") is not None
    store = opened(objects)
    for value in range(3):
        save(store, 10 + value)
    del objects._objects[entry(4)]
    with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
        opened(objects)


def test_a_rebuilt_index_looks_for_gaps_again() -> None:
    objects = filled(5)
    store = opened(objects)
    del objects._objects[entry(3)]
    with pytest.raises(StoreDamagedError, match="entry 3 is missing"):
        store.rebuild_index()


@pytest.mark.parametrize("saved_before", [0, 3])
def test_entries_that_another_host_adds_while_keys_are_listed_are_read_on(saved_before: int) -> None:
    objects = BusyObjects()
    other = opened(objects)
    for value in range(saved_before):
        save(other, value)
    objects.awaited = "list default/journal/"

    def work() -> None:
        for value in range(3):
            save(other, 100 + value)

    objects.work = work
    assert opened(objects).head() == saved_before + 3


@pytest.mark.parametrize(
    ("awaited", "saved_before"),
    [("get default/.store/checkpoint.json", 0), ("get default/.store/checkpoint.json", 3), ("list default/", 0)],
)
def test_what_another_host_adds_behind_the_end_that_an_opening_saw_is_no_damage(
    awaited: str, saved_before: int
) -> None:
    objects = BusyObjects()
    other = opened(objects)
    for value in range(saved_before):
        save(other, value)

    def work() -> None:
        save(other, 100)
        other.compact()

    objects.awaited, objects.work = awaited, work
    assert opened(objects).head() == saved_before + 1


def test_an_opening_asks_for_each_entry_and_lists_once() -> None:
    objects = CountedObjects(filled(10))
    part = ObjectBackend(objects, "x").open_tenant("default")
    assert len(part.new_lines()) == 10
    assert objects.requests == {"list": 1, "get": 10}
    assert [number for number, _ in part.lines(1, 10)] == list(range(1, 11))
    assert objects.requests == {"list": 1, "get": 10}  # recovery reads them once more
    assert part.new_lines() == []
    assert [number for number, _ in part.lines(9, 10)] == [9, 10]
    assert objects.requests == {"list": 1, "get": 13}


def test_what_the_last_look_brought_is_kept_only_where_it_is_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "FRESH_BYTES", 1000)
    objects = CountedObjects(filled(10))
    part = ObjectBackend(objects, "x").open_tenant("default")
    part.new_lines()
    list(part.lines(1, 10))
    assert objects.requests == {"list": 1, "get": 20}


def test_other_bytes_under_a_snapshots_name_are_no_snapshot() -> None:
    path = save(opened(MemoryObjects(), FakeClock()), 1)
    objects = MemoryObjects()
    objects.put(f"default/{path}", b"other")
    part = ObjectBackend(objects, "x").open_tenant("default")
    assert not part.put_snapshot(path, b'{"n":1}', verify=False)
    assert objects.get(f"default/{path}") == b"other"
    del objects._objects[f"default/{path}"]
    said: list[str] = []
    store = Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock(), tell=said.append)
    objects.put(f"default/{path}", b"other")
    assert save(store, 1) == path
    assert objects.get(f"default/{path}") == b'{"n":1}'
    assert [objects.get(key) for key in objects.list(ASIDE)] == [b"other"]
    assert path in said[0]


def test_every_damage_of_one_file_is_kept_aside_and_equal_bytes_once() -> None:
    objects = filled(1)
    path = next(key for key in objects.list("default/things/"))
    for damage in (b"first", b"second", b"first", b""):
        objects.put(path, damage)
        opened(objects)
        assert objects.get(path) == b'{"n":0}'
    kept = {key: objects.get(key) for key in objects.list(ASIDE)}
    name = ASIDE + path.removeprefix("default/").replace("/", "%2f")
    assert kept == {f"{name}.0": b"first", f"{name}.1": b"second", f"{name}.2": b""}


def test_every_damage_of_one_entry_is_kept_aside() -> None:
    objects = filled(2)
    right = objects.get(entry(1)) or b""
    part = ObjectBackend(objects, "x").open_tenant("default")
    for damage in (b"first", b"second"):
        objects.put(entry(1), damage)
        part.replace_journal("0000000001.jsonl", right, damaged=damage)
    del objects._objects[entry(1)]
    part.replace_journal("0000000001.jsonl", right, damaged=None)  # nothing stood there: nothing to keep
    assert objects.get(entry(1)) == right
    assert [objects.get(key) for key in objects.list(ASIDE)] == [b"first", b"second"]


@pytest.mark.parametrize(("there", "damaged"), [(b"theirs", b"first"), (b"theirs", None), (None, b"first")])
def test_what_somebody_else_put_right_meanwhile_is_left_alone(there: bytes | None, damaged: bytes | None) -> None:
    objects = filled(2)
    right = objects.get(entry(1)) or b""
    del objects._objects[entry(1)]
    if there is not None:
        objects.put(entry(1), there)
    with pytest.raises(TryLaterError, match="left alone"):
        ObjectBackend(objects, "x").open_tenant("default").replace_journal("0000000001.jsonl", right, damaged=damaged)
    assert objects.get(entry(1)) == there


def test_a_transaction_whose_unchanged_record_cannot_be_read_is_committed_all_the_same() -> None:
    objects = FailingObjects(lambda what, key: None)
    store = opened(objects)
    save(store, 1)
    objects.fate = lambda what, key: NetworkError("503") if what == "get" and "/things/alpha/" in key else None
    with store.transaction(CTX) as tx:
        tx.save(a_record(), {"n": 1})
        tx.save(a_record("other"), {"n": 2})
    assert tx.commit is not None
    assert tx.commit.number == 2
    assert {record.name: (s.commit, s.content) for record, s in tx.snapshots.items()} == {
        "alpha": (1, {"n": 1}),
        "other": (2, {"n": 2}),
    }


@pytest.mark.parametrize("ttl_s", [1e12, float("inf"), -1e12])
def test_a_lease_that_ends_beyond_all_time_closes_nothing(ttl_s: float) -> None:
    objects = MemoryObjects()
    lease = opened(objects).lease("sync", who="ada", ttl_s=ttl_s)
    assert opened(objects).head() == 1
    lease.release()
    assert opened(objects).head() == 2


def test_a_lease_at_the_end_of_time_closes_nothing() -> None:
    objects = MemoryObjects()
    opened(objects, FakeClock(datetime(9999, 12, 31, 23, 59, 59, 999_999, tzinfo=UTC))).lease("sync", who="ada")
    assert opened(objects).head() == 1


def test_kept_aside_has_an_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MOST_ASIDE", 2)
    part = ObjectBackend(MemoryObjects(), "x").open_tenant("default")
    part.keep_aside("a", b"1")
    part.keep_aside("a", b"2")
    with pytest.raises(DestinationError, match="kept aside"):
        part.keep_aside("a", b"3")


def test_folder_markers_are_no_files_in_memory_either() -> None:
    objects = filled(1)
    for key in ("", "default/", "default/things/", "other/"):
        objects._objects[f"{key}" or "/"] = b""
    backend = ObjectBackend(objects, "x")
    assert backend.folders() == ["default"]
    assert backend.strangers() == []
    assert all(path and not path.endswith("/") for path, _ in backend.open_tenant("default").walk())


def test_an_entry_that_was_lost_while_a_handle_slept_is_damage_and_not_the_journals_end() -> None:
    class Turned:
        now_s = 1000.0

        def monotonic(self) -> float:
            return self.now_s

    clock, objects = Turned(), filled(3)
    pace = Pace(sleep=lambda wait_s: None, monotonic=clock.monotonic)
    slept = Store.on(ObjectBackend(objects, "x", pace=pace))
    other = opened(objects)
    for value in range(3, 8):
        save(other, value)
    del objects._objects[entry(4)]
    clock.now_s += 61
    with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
        save(slept, 99)
