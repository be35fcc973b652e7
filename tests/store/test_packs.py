"""Packs: proved before they are believed, replaced where they are wrong, and worth their requests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import AuthError, StoreDamagedError
from sheetsync.store import RecordId, Store, compaction, packs
from sheetsync.store.entry import with_sum
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.packs import Packs, is_chain
from tests.conformance.object_fakes import ArchivedObjects, CountedObjects

CTX = RequestContext(user="ada")
FIRST = "default/.store/packs/0000000001-0000000004.jsonl"
SECOND = "default/.store/packs/0000000005-0000000008.jsonl"
INDEX = "default/.store/index.json"


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compaction, "PACK_ENTRIES", 4)
    monkeypatch.setattr(packs, "WORTH", 2)


def opened(objects: MemoryObjects) -> Store:
    return Store.on(ObjectBackend(objects, "x", cheap=True))


def a_record(name: str = "alpha") -> RecordId:
    return RecordId("default", ("things", name), name)


def filled(entries: int = 11, *, factor: int = 1) -> MemoryObjects:
    """A compacted store of so many entries."""
    objects = MemoryObjects()
    store = opened(objects)
    for number in range(entries):
        with store.transaction(CTX) as tx:
            tx.save(a_record(), {"n": number * factor})
    store.compact()
    return objects


def lines_of(objects: MemoryObjects, key: str) -> list[bytes]:
    return (objects.get(key) or b"").splitlines(keepends=True)


def test_compaction_changes_nothing_that_was_committed_and_writes_each_pack_once() -> None:
    objects = MemoryObjects()
    store = opened(objects)
    for number in range(11):
        with store.transaction(CTX) as tx:
            tx.save(a_record(), {"n": number})
    before = {key: objects.get(key) for key in objects.list("")}
    report = store.compact()
    assert (report.commit, report.packs_written, report.proved) == (11, 2, 8)
    assert store.compact().packs_written == 0
    assert opened(objects).compact().packs_written == 0
    assert {key: objects.get(key) for key in before} == before
    assert b"".join(lines_of(objects, FIRST)[:1]) == objects.get("default/journal/0000000001.jsonl")


def test_an_opening_reads_packs_and_proves_each_with_one_entry() -> None:
    objects = CountedObjects(filled())
    part = ObjectBackend(objects, "x").open_tenant("default")
    assert len(part.new_lines()) == 11
    numbers = [int(what[-16:-6]) for what in objects.asked if what.startswith("get default/journal/")]
    assert numbers == [4, 8, 9, 10, 11]
    assert objects.requests == {"list": 1, "get": 7}


def test_an_old_reader_catches_up_through_packs() -> None:
    objects = filled(1)
    counted = CountedObjects(objects)
    part = ObjectBackend(counted, "x").open_tenant("default")
    part.new_lines()
    store = opened(objects)
    for number in range(12):
        with store.transaction(CTX) as tx:
            tx.save(a_record(), {"n": 100 + number})
    store.compact()
    assert len(part.new_lines()) == 12
    entries = [what for what in counted.asked if what.startswith("get default/journal/")]
    # 1, twice; 2 to 4; 5 and 8, 9 and 12 with their packs; 13, and what is not there
    assert len(entries) == 2 + 3 + 2 + 2 + 2


def flipped(data: bytes) -> bytes:
    return data[:300] + bytes([data[300] ^ 1]) + data[301:]


def swapped(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join([lines[1], lines[0], *lines[2:]])


def of_another_store(data: bytes) -> bytes:
    return filled(factor=10).get(FIRST) or b""


def with_anothers_beginning(data: bytes) -> bytes:
    """Whole lines, the right last one, and no chain."""
    return b"".join([*of_another_store(data).splitlines(keepends=True)[:3], data.splitlines(keepends=True)[3]])


def forged(data: bytes) -> bytes:
    """A whole line that is no entry."""
    lines = data.splitlines(keepends=True)
    return b"".join([with_sum({"n": "x", "who": "eve"}) + b"\n", *lines[1:]])


WRONG: list[Callable[[bytes], bytes]] = [
    flipped,
    swapped,
    of_another_store,
    with_anothers_beginning,
    forged,
    lambda data: b"",
    lambda data: data[:-1],
    lambda data: data + b"x",
    lambda data: b"".join(data.splitlines(keepends=True)[:3]),
    lambda data: data + data.splitlines(keepends=True)[-1],
]


@pytest.mark.parametrize("wrong", WRONG)
@pytest.mark.parametrize("key", [FIRST, SECOND])
def test_a_wrong_pack_is_none_and_compaction_puts_it_right(key: str, wrong: Callable[[bytes], bytes]) -> None:
    objects = filled()
    right = objects.get(key) or b""
    objects.put(key, wrong(right))
    for index in (True, False):
        if not index:
            del objects._objects[INDEX]
        store = opened(objects)
        assert store.head() == 11
        assert [commit.snapshots[0].content for commit in store.log()] == [{"n": number} for number in range(11)]
        assert [snapshot.content for snapshot in store.at(3).latest_all("default")] == [{"n": 2}]
    assert opened(objects).compact().packs_written == 1
    assert objects.get(key) == right
    assert opened(objects).compact().packs_written == 0


def test_packs_can_be_deleted_at_any_time() -> None:
    objects = filled()
    store = opened(objects)
    before = [commit.hash for commit in store.log()]
    del objects._objects[FIRST], objects._objects[SECOND], objects._objects[INDEX]
    assert [commit.hash for commit in store.log()] == before
    assert [commit.hash for commit in opened(objects).log()] == before
    assert (store.compact().packs_written, store.compact().packs_written) == (2, 0)
    assert objects.get(FIRST) is not None


def test_an_entry_that_is_missing_is_not_packed() -> None:
    objects = filled()
    store = opened(objects)
    del objects._objects["default/journal/0000000002.jsonl"], objects._objects[FIRST]
    with pytest.raises(StoreDamagedError, match="entry 2 is missing"):
        store.compact()


def test_entries_that_do_not_follow_on_each_other_are_not_packed() -> None:
    objects, other = filled(), filled(factor=10)
    store = opened(objects)
    objects.put("default/journal/0000000002.jsonl", other.get("default/journal/0000000002.jsonl") or b"")
    del objects._objects[FIRST]
    with pytest.raises(StoreDamagedError, match="do not follow"):
        store.compact()
    assert objects.get(FIRST) is None


def test_a_bucket_that_gives_back_another_pack_than_was_written_is_said_to() -> None:
    class Forgetful(MemoryObjects):
        def get(self, key: str) -> bytes | None:
            return None if "/packs/" in key else super().get(key)

    objects = Forgetful()
    objects._objects = filled()._objects
    with pytest.raises(StoreDamagedError, match="not what was written"):
        opened(objects).compact()


def test_an_archived_entry_closes_only_itself_though_it_proves_a_pack() -> None:
    objects = ArchivedObjects()
    objects._objects = filled()._objects
    objects.archived.add("default/journal/0000000004.jsonl")
    with opened(objects) as store:
        assert [store.commit(number).number for number in (3, 2, 1)] == [3, 2, 1]  # a pack is worth it
        with pytest.raises(AuthError):
            store.commit(4)


def test_a_run_that_is_too_large_is_not_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = filled()
    del objects._objects[FIRST], objects._objects[SECOND]
    monkeypatch.setattr("sheetsync.store.object_tenant.PACK_BYTES", 500)
    report = opened(objects).compact()
    assert (report.packs_written, report.proved) == (0, 0)
    assert opened(objects).head() == 11


def test_looking_back_asks_for_packs_once_they_are_worth_it() -> None:
    objects = CountedObjects(filled())
    store = opened(objects)
    objects.requests.clear()
    list(store.log())
    # 1 alone; the pack of 2 to 4 with its proof; 5; the pack of 6 to 8 with its proof; 9, 10, 11; 11 once more, and 12
    assert objects.requests["get"] == 1 + 2 + 1 + 2 + 3 + 2
    objects.requests.clear()
    list(store.log())
    assert objects.requests["get"] == 3 + 2
    again = opened(objects)
    objects.requests.clear()
    again.commit(2)
    assert objects.requests["get"] == 1 + 2  # the entry itself, 11 and 12: one is not worth a pack


@pytest.mark.parametrize("how", ["deleted", "damaged"])
def test_an_entry_whose_own_object_is_lost_is_read_from_its_pack_at_once(how: str) -> None:
    objects = filled()
    if how == "deleted":
        del objects._objects["default/journal/0000000002.jsonl"]
    else:
        objects.put("default/journal/0000000002.jsonl", b"junk")
    assert opened(objects).commit(2).snapshots[0].content == {"n": 1}
    objects.put(FIRST, b"")
    with pytest.raises(StoreDamagedError, match="entry 2 is missing" if how == "deleted" else "is broken"):
        opened(objects).commit(2)


def test_what_is_at_hand_is_bounded_and_used_last_first_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = CountedObjects(filled())
    shelf = Packs(objects, "default")
    monkeypatch.setattr(packs, "KEPT_BYTES", 1)
    for first in (1, 5, 5, 1):
        assert len(shelf.proved(first) or ()) == 4
    assert objects.requests["get"] == 6
    shelf.forget()
    monkeypatch.setattr(packs, "KEPT_BYTES", 1 << 20)
    for first in (1, 5, 1, 5):
        shelf.proved(first)
    assert objects.requests["get"] == 10


def test_a_run_that_had_no_pack_is_read_from_the_one_that_was_written_since() -> None:
    objects = filled()
    lines = [line[:-1] for line in lines_of(objects, FIRST)]
    objects.put(FIRST, b"")
    shelf = Packs(objects, "default")
    assert shelf.line(1, last=4, newest=11) is None
    shelf.write(1, lines)
    assert shelf.line(1, last=4, newest=11) == lines[0]


def test_a_chain_begins_anywhere_but_its_first_entry_follows_on_nothing() -> None:
    lines = [line[:-1] for line in lines_of(filled(), FIRST)]
    assert is_chain(lines, 1)
    assert is_chain(lines[1:], 2)
    assert not is_chain(lines, 2)
    assert not is_chain(lines[1:], 1)
    assert not is_chain([*lines[:2], lines[3]], 1)
    assert is_chain([], 1)


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("packs/0000000001-0000000004.jsonl", 1),
        ("packs/0000000005-0000000008.jsonl", 5),
        ("packs/0000000002-0000000005.jsonl", None),
        ("packs/0000000001-0000000003.jsonl", None),
        ("packs/0000000000-0000000003.jsonl", None),
        ("packs/1-4.jsonl", None),
        ("packs/²-4.jsonl", None),
        ("packs/deeper/0000000001-0000000004.jsonl", None),
        ("0000000001-0000000004.jsonl", None),
    ],
)
def test_a_packs_name_tells_its_first_entry(name: str, first: int | None) -> None:
    assert compaction.parse_pack_name(name) == first
