"""A store in a bucket: gaps in its journal, what stands under a snapshot's name, and what is kept aside."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    AuthError,
    DestinationError,
    InvalidContentError,
    InvalidIdError,
    LockHeldError,
    NetworkError,
    SheetSyncError,
    StoreDamagedError,
    TryLaterError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store import RecordId, Store, compaction
from sheetsync.store import object_tenant as module
from sheetsync.store.content import SourceBytes
from sheetsync.store.creation import Pace
from sheetsync.store.index import INDEX
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.repair import check
from tests.conformance.object_fakes import QUICK, ArchivedObjects, BusyObjects, CountedObjects, FailingObjects

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
    assert objects.requests == {"list": 1, "get": 10 + 2 + 2}  # is the last one there still, and one more


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
    store.note(CTX, "begins the journal", {})
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


class Hours:
    """A clock that a test turns on."""

    now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def pace(self) -> Pace:
        return Pace(sleep=lambda wait_s: None, monotonic=self.monotonic)


def test_an_entry_that_was_lost_while_a_handle_slept_is_damage_and_not_the_journals_end() -> None:
    hours, objects = Hours(), filled(3)
    slept = Store.on(ObjectBackend(objects, "x", pace=hours.pace()))
    other = opened(objects)
    for value in range(3, 8):
        save(other, value)
    del objects._objects[entry(4)]
    hours.now_s += 61
    with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
        save(slept, 99)


@pytest.mark.parametrize("first", ["damage", "no answer"])
def test_a_look_that_failed_spares_the_next_one_nothing(first: str) -> None:
    class Silent(CountedObjects):
        silent = False

        def list(self, prefix: str, after: str = "") -> Iterator[str]:
            if self.silent:
                self.silent = False
                raise NetworkError("no answer")
            return super().list(prefix, after)

    hours, objects = Hours(), Silent(filled(3))
    slept = Store.on(ObjectBackend(objects, "x", pace=hours.pace()))
    other = opened(objects)
    for value in range(3, 8):
        save(other, value)
    lost = objects._objects.pop(entry(4))
    hours.now_s += 3600
    objects.silent = first == "no answer"
    if objects.silent:
        with pytest.raises(NetworkError):
            save(slept, 99)
    for _ in range(3):
        hours.now_s += 5
        with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
            save(slept, 99)
    objects._objects[entry(4)] = lost
    save(slept, 99)
    assert opened(objects).head() == 9


def test_a_busy_handle_lists_once_a_minute_too() -> None:
    hours, objects = Hours(), filled(3)
    busy, other = Store.on(ObjectBackend(objects, "x", pace=hours.pace())), opened(objects)
    for value in range(4):
        hours.now_s += 25
        save(busy, 10 + value)
    for value in range(20, 23):
        save(other, value)
    hours.now_s += 25
    assert busy.head() == 10
    hours.now_s += 25
    save(other, 30)
    save(other, 31)
    del objects._objects[entry(11)]
    hours.now_s += 25
    with pytest.raises(StoreDamagedError, match="entry 11 is missing"):
        save(busy, 99)


@pytest.mark.parametrize("pause_s", [1, 3600])
@pytest.mark.parametrize("what", ["an older copy", "nothing", "an older copy with other commits", "all but its last"])
def test_a_bucket_that_was_put_back_under_an_open_handle_is_not_written_upon(what: str, pause_s: int) -> None:
    hours, objects = Hours(), filled(3)
    older = dict(objects._objects)
    handle = Store.on(ObjectBackend(objects, "x", pace=hours.pace()))
    for value in range(3, 6):
        save(handle, value)
    if what == "all but its last":
        del objects._objects[entry(6)]
    else:
        objects._objects.clear()
        objects._objects.update({} if what == "nothing" else older)
    if what.endswith("other commits"):
        for value in range(13, 16):
            save(opened(objects), value)
    before = dict(objects._objects)
    hours.now_s += pause_s
    for value in (99, 5):  # another content, and what is the newest as far as this handle knows
        with pytest.raises(StoreDamagedError, match="entry 6 is not there any more as it was read"):
            save(handle, value)
    assert objects._objects == before


def test_an_archived_copy_that_was_kept_aside_keeps_nobody_from_opening() -> None:
    objects = ArchivedObjects()
    path = f"default/{save(opened(objects), 1)}"
    for damage in (b"first", b"second", b"third"):
        objects.put(path, damage)
        opened(objects)
        assert objects.get(path) == b'{"n":1}'
        kept = {key for key in objects.list(ASIDE) if key not in objects.archived}
        assert [objects.get(key) for key in kept] == [damage]
        objects.archived |= kept


def test_a_name_is_not_left_out_because_a_look_was_refused_once() -> None:
    class Refusing(MemoryObjects):
        once = ""

        def get(self, key: str) -> bytes | None:
            if key == self.once:
                self.once = ""
                raise AuthError("refused, this once")
            return super().get(key)

    objects = Refusing()
    path = f"default/{save(opened(objects), 1)}"
    del objects._objects[path]  # as if its writer had died
    objects.once = path
    opened(objects)
    assert objects._objects[path] == b'{"n":1}'
    del objects._objects[path]
    store = opened(objects)
    del objects._objects[path]
    objects.once = path
    store.compact()
    assert objects.get(path) == b'{"n":1}'


@pytest.mark.parametrize("error", [TryLaterError("time is up"), LockHeldError("x"), NetworkError("stop")])
def test_a_save_that_is_there_is_not_called_failed_where_nobody_can_look(error: SheetSyncError) -> None:
    class Interrupted(MemoryObjects):
        what: SheetSyncError | None = None

        def put_new(self, key: str, data: bytes) -> None:
            super().put_new(key, data)
            if self.what is not None:
                raise self.what

        def get(self, key: str) -> bytes | None:
            if self.what is not None and key == entry(2):
                if key in self._objects:
                    raise NetworkError("no answer")
                return None
            return super().get(key)

    objects = Interrupted()
    store = opened(objects)
    save(store, 1)
    objects.what = error
    with pytest.raises(UnknownOutcomeError):
        save(store, 2)
    objects.what = None
    assert opened(objects).head() == 2


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_deaf_server_is_found_out_though_requests_are_lost(lost: int) -> None:
    class Deaf(MemoryObjects):
        def __init__(self) -> None:
            super().__init__()
            self.requests, self.silent = 0, 0

        def put_new(self, key: str, data: bytes) -> None:
            self.requests += 1
            if self.requests in (lost, self.silent):
                raise TimeoutError("503")
            self.put(key, data)

    for silent in range(1, 5):
        deaf = Deaf()
        deaf.silent = silent
        for _ in range(2):  # somebody tries again
            with pytest.raises(DestinationError, match="does not keep the condition"):
                opened(deaf)
        assert "FORMAT" not in deaf._objects


def test_a_server_that_answers_no_proof_gets_no_store() -> None:
    class Silent(MemoryObjects):
        def put_new(self, key: str, data: bytes) -> None:
            if key in self._objects:
                raise TimeoutError("503")
            super().put_new(key, data)

    silent = Silent()
    with pytest.raises(UnknownOutcomeError):
        opened(silent)
    assert "FORMAT" not in silent._objects


def with_a_strangers_entry(number: int) -> MemoryObjects:
    """An entry of another store was put in the place of one; the index spares an opening to read it."""
    objects, other = filled(5), MemoryObjects()
    for value in range(5):
        save(opened(other), 100 + value)
    opened(objects).rebuild_index()
    objects._objects[entry(number)] = other._objects[entry(number)]
    return objects


@pytest.mark.parametrize("number", [2, 3, 4])
def test_another_stores_entry_is_not_shown_and_puts_no_name_in_place(number: int) -> None:
    objects = with_a_strangers_entry(number)
    names = set(objects._objects)
    said: list[str] = []
    store = Store.on(ObjectBackend(objects, "x", cheap=True), tell=said.append)
    assert set(objects._objects) == names
    assert any("damaged" in message for message in said)
    for act in (lambda: list(store.log()), lambda: store.at(number), lambda: store.at(number - 1)):
        with pytest.raises(StoreDamagedError, match="does not follow"):
            act()
    with pytest.raises(StoreDamagedError):
        store.compact()
    assert set(objects._objects) == names


def test_a_derived_files_place_is_no_records_folder() -> None:
    store = opened(MemoryObjects())
    for name in ("index.json", "Index.JSON"):
        with pytest.raises(InvalidIdError, match=r"where index.json does"), store.transaction(CTX) as tx:
            tx.save(RecordId("default", ("providers", "ns", name), "x"), {"n": 1})
    with store.transaction(CTX) as tx:
        tx.save(RecordId("default", ("things", "index.json"), "index.json"), {"n": 1})
    assert store.head() == 1


@pytest.mark.parametrize(
    "given", [{"name": 5}, {"name": None}, {"who": b"ada"}, {"ttl_s": float("nan")}, {"ttl_s": "soon"}]
)
def test_a_lease_of_odd_arguments_is_refused_and_ends_no_handle(given: dict[str, Any]) -> None:
    store = opened(MemoryObjects())
    with pytest.raises(UsageError):
        store.lease(**({"name": "sync", "who": "ada"} | given))
    save(store, 1)


@pytest.mark.parametrize("source", [SourceBytes(5, ".txt"), SourceBytes("text", ".txt"), SourceBytes(b"", 5)])  # type: ignore[arg-type]
def test_source_bytes_of_what_is_no_bytes_are_refused(source: SourceBytes) -> None:
    store = opened(MemoryObjects())
    with pytest.raises(InvalidContentError), store.transaction(CTX) as tx:
        tx.save(a_record(), source)
    assert store.head() == 0


def test_an_archived_last_entry_is_unreadable_and_no_gap() -> None:
    objects = ArchivedObjects()
    objects._objects = filled(3)._objects
    opened(objects).compact()
    objects.archived.add(entry(3))
    report = check(ObjectBackend(objects, "x"), "x")
    assert {finding.code for finding in report.findings} == {"unreadable", "lost_commit"}  # and no gap


def test_a_sound_pack_whose_proof_was_refused_once_is_not_called_damaged(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing(MemoryObjects):
        refusals = 1

        def get(self, key: str) -> bytes | None:
            if "/packs/" in key and key in self._objects and self.refusals:
                self.refusals -= 1
                raise AuthError("refused, this once")
            return super().get(key)

    monkeypatch.setattr(compaction, "PACK_ENTRIES", 2)
    objects = Refusing()
    objects._objects = filled(3)._objects
    store = opened(objects)
    with pytest.raises(TryLaterError, match="could not be proved"):
        store.compact()
    assert store.compact().packs_written == 0


def test_a_token_that_ran_out_before_a_save_is_a_refusal_and_ends_no_handle() -> None:
    class Expiring(MemoryObjects):
        expired = False

        def put_new(self, key: str, data: bytes) -> None:
            if "/journal/" in key:
                self.expired = True
            self.refuse()
            super().put_new(key, data)

        def get(self, key: str) -> bytes | None:
            self.refuse()
            return super().get(key)

        def refuse(self) -> None:
            if self.expired:
                raise AuthError("403 ExpiredToken")

    objects = Expiring()
    store = opened(objects)
    with pytest.raises(AuthError):
        save(store, 1)
    objects.expired = False
    objects.put_new = MemoryObjects.put_new.__get__(objects)  # type: ignore[method-assign]
    save(store, 1)
    assert store.head() == 1


def test_an_endless_lease_is_no_overflow() -> None:
    objects = MemoryObjects()
    with opened(objects).lease("sync", who="ada", ttl_s=10**400):
        assert [info.name for info in opened(objects).held()] == ["sync"]


def test_a_journal_that_was_lost_is_not_begun_anew_by_who_opened_the_empty_bucket() -> None:
    objects = MemoryObjects()
    idle = opened(objects, FakeClock())
    assert idle.head() == 0
    save(opened(objects, FakeClock()), 1)
    entries = {key: objects.get(key) for key in list(objects.list("default/journal/"))}
    for key in entries:
        del objects._objects[key]
    with pytest.raises(StoreDamagedError, match="the journal is gone, but snapshots are in the folders"):
        save(idle, 2)
    for key, data in entries.items():
        objects.put(key, data or b"")
    save(idle, 2)
    assert idle.head() == 2
