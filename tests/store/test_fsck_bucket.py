"""fsck where every entry is one object: nothing is torn there, packs are derived, and no lock keeps writers out."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import AuthError, NetworkError, SheetSyncError, StoreDamagedError
from sheetsync.store import FsckReport, RecordId, Store, compaction
from sheetsync.store.copying import copy_between
from sheetsync.store.entry import with_sum
from sheetsync.store.findings import Finding
from sheetsync.store.fsck import scan
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.repair import check
from tests.conformance.object_fakes import BusyObjects, CountedObjects

LATER = datetime(2026, 2, 1, tzinfo=UTC)  # no writer is at work any more
CTX = RequestContext(user="ada")
ASIDE = "default/.store/aside/"


def a_record(name: str = "alpha") -> RecordId:
    return RecordId("default", ("things", name), name)


def save(store: Store, value: int, *names: str) -> None:
    with store.transaction(CTX) as tx:
        for name in names or ("alpha",):
            tx.save(a_record(name), {"n": value})


def entry(number: int) -> str:
    return f"default/journal/{number:010d}.jsonl"


def pack(first: int, last: int) -> str:
    return f"default/.store/packs/{first:010d}-{last:010d}.jsonl"


def get(objects: MemoryObjects, key: str) -> bytes:
    return objects.get(key) or b""


def opened(objects: MemoryObjects) -> Store:
    return Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock())


def made(number: int = 5, value: int = 0) -> MemoryObjects:
    """A bucket with entries of a time long past."""
    objects = MemoryObjects()
    store = opened(objects)
    for serial in range(number):
        save(store, value + serial)
    return objects


def checked(objects: MemoryObjects, *, repair: bool = False) -> FsckReport:
    return check(ObjectBackend(objects, "x", cheap=True), "x", repair=repair, clock=FakeClock(LATER))


def codes(report: FsckReport) -> set[str]:
    return {finding.code for finding in report.findings}


def everything(objects: MemoryObjects) -> dict[str, bytes]:
    return {key: get(objects, key) for key in objects.list("")}


class Deletable(MemoryObjects):
    """Objects that somebody may delete, who is no program of ours."""

    def delete(self, key: str) -> None:
        self._objects.pop(key)


def without(objects: MemoryObjects, *keys: str) -> MemoryObjects:
    left = Deletable()
    for key, data in everything(objects).items():
        if key not in keys:
            left.put(key, data)
    return left


# --- what is no entry ---------------------------------------------------------------------------------------------
@pytest.mark.parametrize("junk", [b"\n", b"junk\n", b"junk", b"{}\n", b"x" * 300])
def test_an_object_in_the_next_entrys_place_is_damage_and_is_filled_by_an_entry_that_says_so(junk: bytes) -> None:
    objects = made()
    objects.put(entry(6), junk)
    with pytest.raises(StoreDamagedError):
        opened(objects)
    report = checked(objects)
    assert report.exit_code == 9
    assert [(finding.code, finding.recoverable) for finding in report.findings] == [("broken_line", True)]
    assert "nothing tells that it was ever a commit" in report.findings[0].hint
    repaired = checked(objects, repair=True)
    assert repaired.exit_code == 0
    assert [finding.repaired for finding in repaired.findings] == [True]
    assert junk in [get(objects, key) for key in objects.list(ASIDE)]
    store = opened(objects)
    assert [snapshot.content for snapshot in store.history(a_record())] == [{"n": number} for number in range(5)]
    assert [commit.snapshots for commit in store.log(since=5)] == [()]
    save(store, 99)
    assert checked(objects).findings == ()


def test_what_is_filled_is_always_the_same_so_that_two_who_repair_do_no_harm() -> None:
    first, second = made(), MemoryObjects()
    first.put(entry(6), b"junk")
    first.put(entry(7), b"\n")
    for key, data in everything(first).items():
        second.put(key, data)
    for objects in (first, second):
        assert checked(objects, repair=True).exit_code == 0
    assert everything(first) == everything(second)
    assert opened(first).head() == 7


def test_an_empty_store_whose_first_entry_is_junk_opens_again_after_a_repair() -> None:
    objects = made(0)
    objects.put(entry(1), b"junk")
    assert checked(objects).exit_code == 9
    assert checked(objects, repair=True).exit_code == 0
    assert opened(objects).head() == 1


def emptied(objects: MemoryObjects) -> None:
    objects.put(entry(5), b"")


def cut(objects: MemoryObjects) -> None:
    objects.put(entry(5), get(objects, entry(5))[:100])


def with_a_checkpoint_beyond(objects: MemoryObjects) -> None:
    objects.put(entry(6), b"")
    objects.put("default/.store/checkpoint.json", with_sum({"upto": 6}))


def with_an_entry_beyond(objects: MemoryObjects) -> None:
    objects.put(entry(6), b"")
    objects.put(entry(7), get(objects, entry(5)))


def with_an_index_beyond(objects: MemoryObjects) -> None:
    store = opened(objects)
    store.note(CTX, "a note has no snapshots", {})
    store.rebuild_index()
    objects.put(entry(6), b"")


def a_note_that_was_cut(objects: MemoryObjects) -> None:
    opened(objects).note(CTX, "a note has no snapshots", {})
    objects.put(entry(6), get(objects, entry(6))[:-20])


def a_note_of_which_only_the_sum_is_left(objects: MemoryObjects) -> None:
    opened(objects).note(CTX, "a note has no snapshots", {})
    objects.put(entry(6), get(objects, entry(6))[:80])


def a_note_with_flipped_bytes(objects: MemoryObjects) -> None:
    """It does not even begin like an entry any more, but holds what only an entry does."""
    opened(objects).note(CTX, "a note has no snapshots", {"precious": 1})
    data = bytearray(get(objects, entry(6)))
    for at in (0, -10, -20):
        data[at] ^= 1
    objects.put(entry(6), bytes(data))


@pytest.mark.parametrize(
    "damage",
    [
        emptied,
        cut,
        with_a_checkpoint_beyond,
        with_an_entry_beyond,
        with_an_index_beyond,
        a_note_that_was_cut,
        a_note_of_which_only_the_sum_is_left,
        a_note_with_flipped_bytes,
    ],
    ids=lambda damage: damage.__name__,
)
def test_what_may_have_been_a_commit_is_explained_and_left_alone(damage: Callable[[MemoryObjects], None]) -> None:
    objects = made()
    damage(objects)
    before = everything(objects)
    report = checked(objects, repair=True)
    assert report.exit_code == 9
    (broken,) = [finding for finding in report.findings if finding.code == "broken_line"]
    assert broken.hint.startswith("restore default/journal/000000000")
    assert "delete" not in broken.hint
    assert everything(objects) == before


@pytest.mark.parametrize("left", [b"", bytes(400), b'{"su', b"junk" + bytes(9)], ids=["none", "zeros", "cut", "both"])
def test_what_a_lost_write_leaves_may_have_been_a_commit_without_snapshots_and_is_not_filled(left: bytes) -> None:
    """A note and a broken lock were called "never a commit", and the lock's old holder could save again."""
    objects = made()
    opened(objects).note(CTX, "a note has no snapshots", {"precious": 1})
    opened(objects).note(CTX, "another", {})
    whole = everything(objects)
    for number in (6, 7):
        objects.put(entry(number), left)
    before = everything(objects)
    report = checked(objects, repair=True)
    assert report.exit_code == 9
    assert everything(objects) == before
    for finding, number in zip(report.findings, (6, 7), strict=True):
        assert (finding.code, finding.recoverable) == ("broken_line", False)
        assert finding.hint.startswith(f"restore {entry(number)} from a copy")
        assert "older version" in finding.hint
        assert finding.hint.endswith("only if you know that nothing was committed there, delete it")
    for number in (6, 7):
        objects.put(entry(number), whole[entry(number)])
    assert checked(objects).findings == ()
    assert opened(without(objects, entry(6), entry(7))).head() == 5


def test_junk_behind_what_may_have_been_a_commit_is_not_filled_either() -> None:
    objects = made()
    objects.put(entry(6), b"")
    objects.put(entry(7), b"junk")
    before = everything(objects)
    report = checked(objects, repair=True)
    assert ["delete it" in finding.hint for finding in report.findings] == [True, True]
    assert everything(objects) == before


@pytest.mark.parametrize("what", ["no line feed", "two lines", "another entry"])
def test_an_object_that_is_not_exactly_its_entrys_line_is_damage(what: str) -> None:
    objects = made()
    line = get(objects, entry(3))
    objects.put(entry(3), {"no line feed": line[:-1], "two lines": line * 2, "another entry": line[:0]}[what])
    if what == "another entry":
        objects.put(entry(3), get(objects, entry(4)))
    assert checked(objects).exit_code == 9
    with pytest.raises(StoreDamagedError):
        opened(objects)


# --- packs --------------------------------------------------------------------------------------------------------
@pytest.fixture
def small_packs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Packs of four entries."""
    monkeypatch.setattr(compaction, "PACK_ENTRIES", 4)


def packed(number: int = 6, value: int = 0) -> MemoryObjects:
    objects = made(number, value)
    opened(objects).compact()
    return objects


@pytest.mark.usefixtures("small_packs")
def test_a_wrong_pack_is_a_note_and_compaction_writes_it_anew() -> None:
    objects, other = packed(), packed(value=70)
    right = get(objects, pack(1, 4))
    assert checked(objects).findings == ()
    for wrong in (right[:50] + b"X" + right[51:], get(other, pack(1, 4)), b"", right[:-1]):
        objects.put(pack(1, 4), wrong)
        report = checked(objects)
        assert [(finding.code, finding.damage) for finding in report.findings] == [("pack", False)]
        assert "store compact" in report.findings[0].hint
        assert report.exit_code == 0
        opened(objects).compact()
        assert get(objects, pack(1, 4)) == right
        assert checked(objects).findings == ()


@pytest.mark.usefixtures("small_packs")
def test_a_pack_beyond_the_last_entry_is_a_note() -> None:
    objects = made(3)
    objects.put(pack(1, 4), get(packed(value=70), pack(1, 4)))
    assert [(finding.code, finding.damage) for finding in checked(objects).findings] == [("pack", False)]


@pytest.mark.usefixtures("small_packs")
def test_a_pack_that_is_written_while_fsck_looks_is_not_called_wrong() -> None:
    objects = BusyObjects()
    store = opened(objects)
    save(store, 0)

    def work() -> None:
        for value in range(1, 5):
            save(store, value)
        store.compact()

    objects.awaited, objects.work = f"get {pack(1, 4)}", work
    assert checked(objects).findings == ()
    assert objects.awaited == ""
    assert get(objects, pack(1, 4))


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("numbers", [(1,), (2,), (2, 3), (1, 2, 3, 4), (3, 4), (4,)])
@pytest.mark.parametrize("how", ["emptied", "torn apart", "deleted"])
def test_a_damaged_entry_is_restored_from_a_pack_that_hashes_prove(how: str, numbers: tuple[int, ...]) -> None:
    whole = packed()
    before = everything(whole)
    objects = without(whole, *(entry(number) for number in numbers if how == "deleted"))
    for number in numbers if how != "deleted" else ():
        data = get(whole, entry(number))
        objects.put(entry(number), b"" if how == "emptied" else data[:90] + bytes(50) + data[140:])
    report = checked(objects)
    assert report.exit_code == 9
    assert all(finding.recoverable for finding in report.findings if finding.damage)
    assert any("from a pack" in finding.hint for finding in report.findings)
    assert checked(objects, repair=True).exit_code == 0
    assert before.items() <= everything(objects).items()
    assert checked(objects).findings == ()
    assert opened(objects).head() == 6


@pytest.mark.usefixtures("small_packs")
def test_the_newest_entry_is_restored_from_a_pack_that_goes_on_upon_the_one_before() -> None:
    for damaged in (b"", None):
        whole = packed(4)
        objects = without(whole, entry(4))
        if damaged is not None:
            objects.put(entry(4), damaged)
        assert checked(objects).exit_code == 9
        assert checked(objects, repair=True).exit_code == 0
        assert get(objects, entry(4)) == get(whole, entry(4))
        assert checked(objects).findings == ()


@pytest.mark.usefixtures("small_packs")
def test_a_pack_restores_only_those_of_its_lines_that_the_chain_proves() -> None:
    objects, other = packed(), packed(value=70)
    right = get(objects, entry(3))
    lines = get(objects, pack(1, 4)).splitlines(keepends=True)
    objects.put(pack(1, 4), b"".join([lines[0], get(other, entry(2)), *lines[2:]]))
    for number in (2, 3):
        objects.put(entry(number), b"")
    assert checked(objects, repair=True).exit_code == 9
    assert [get(objects, entry(number)) for number in (2, 3)] == [b"", right]


@pytest.mark.usefixtures("small_packs")
def test_a_pack_does_not_restore_the_newest_entry_where_the_damaged_object_tells_another_sum() -> None:
    """The pack is of a copy of the store that went its own way."""
    objects, other = made(3), MemoryObjects()
    for key, data in everything(objects).items():
        other.put(key, data)
    for bucket in (objects, other):
        save(opened(bucket), 3)
    opened(other).compact()
    objects.put(pack(1, 4), get(other, pack(1, 4)))
    right = get(objects, entry(4))
    objects.put(entry(4), right[:90] + bytes(50) + right[140:])
    before = everything(objects)
    assert checked(objects, repair=True).exit_code == 9
    assert everything(objects) == before


@pytest.mark.usefixtures("small_packs")
@pytest.mark.parametrize("numbers", [(2,), (3, 4, 5, 6), (4, 5, 6), (1, 2, 3, 4, 5, 6)])
def test_a_pack_of_another_store_restores_nothing(numbers: tuple[int, ...]) -> None:
    objects = packed()
    for number in numbers:
        objects.put(entry(number), b"")
    objects.put(pack(1, 4), get(packed(value=70), pack(1, 4)))
    before = everything(objects)
    assert checked(objects, repair=True).exit_code == 9
    assert before.items() <= everything(objects).items()


@pytest.mark.usefixtures("small_packs")
def test_a_stray_object_of_a_large_number_costs_no_request_for_each_number_below_it() -> None:
    whole = packed()
    objects = CountedObjects(without(whole, entry(2)))
    objects.put(entry(20_000), b"not ours")
    report = checked(objects)
    assert {finding.recoverable for finding in report.findings if finding.path == entry(3)[len("default/") :]} == {True}
    assert objects.requests["get"] < 100
    checked(objects, repair=True)
    assert get(objects, entry(2)) == get(whole, entry(2))


@pytest.mark.usefixtures("small_packs")
def test_a_copy_never_reads_a_pack() -> None:
    """A foreign pack, all of whose lines are whole and chained, was laundered into a copy."""
    objects = made(4)
    objects.put(pack(1, 4), get(packed(4, value=70), pack(1, 4)))
    copy = MemoryObjects()
    copy_between(ObjectBackend(objects, "x"), ObjectBackend(copy, "copy"))
    assert [get(copy, entry(number)) for number in range(1, 5)] == [get(objects, entry(n)) for n in range(1, 5)]
    assert list(copy.list("default/.store/packs")) == []
    assert checked(copy).findings == ()


# --- beside writers -----------------------------------------------------------------------------------------------
class StoppingObjects(MemoryObjects):
    """The writer of the transaction that is under way puts `left` names more, and then stands still."""

    def __init__(self) -> None:
        super().__init__()
        self.left: int | None = None
        self.waiting: list[tuple[str, bytes]] = []

    def put_new(self, key: str, data: bytes) -> None:
        if self.left is None or "/things/" not in key or self.left > 0:
            super().put_new(key, data)
            self.left = self.left and self.left - ("/things/" in key)
        else:
            self.waiting.append((key, data))

    def go_on(self, names: int) -> None:
        """It puts some of the names that are left."""
        self.left = None
        for key, data in self.waiting[:names]:
            self.put_new(key, data)
        del self.waiting[:names]


class BusyClock(FakeClock):
    """Other hosts work while we wait."""

    def __init__(self, work: Callable[[], None]) -> None:
        super().__init__()
        self._work = work

    def sleep(self, seconds: float) -> None:
        super().sleep(seconds)
        self._work()


def a_large_transaction_stops(after: int) -> StoppingObjects:
    objects = StoppingObjects()
    store = opened(objects)
    save(store, 0)
    objects.left = after
    save(store, 1, *(f"r{number}" for number in range(100)))
    return objects


def found_beside(objects: MemoryObjects, clock: FakeClock) -> list[Finding]:
    _, scans = scan(ObjectBackend(objects, "x", cheap=True), clock=clock)
    return [finding for found in scans for finding in found.findings]


def test_names_that_a_writer_is_just_putting_are_waited_for() -> None:
    objects = a_large_transaction_stops(20)
    clock = BusyClock(lambda: objects.go_on(3))
    assert found_beside(objects, clock) == []
    assert len(clock.slept) == 28  # the first look came before the writer went on


def test_names_of_the_newest_entry_are_a_note_while_its_writer_may_still_be_at_work() -> None:
    objects = a_large_transaction_stops(20)
    clock = FakeClock()
    findings = found_beside(objects, clock)
    assert {(finding.code, finding.damage) for finding in findings} == {("missing", False)}
    assert len(findings) == 80
    assert len(clock.slept) < 5
    copy_between(ObjectBackend(objects, "x"), ObjectBackend(MemoryObjects(), "copy"), clock=FakeClock())
    late = FakeClock(FakeClock().now() + timedelta(minutes=11))
    assert {(finding.code, finding.damage) for finding in found_beside(objects, late)} == {("missing", True)}
    objects.put("default/.store/checkpoint.json", with_sum({"upto": 2}))  # all names were there once
    assert {(finding.code, finding.damage) for finding in found_beside(objects, FakeClock())} == {("missing", True)}


def test_a_name_in_the_midst_of_what_its_writer_put_is_missing_for_good() -> None:
    objects = a_large_transaction_stops(100)
    names = [key for key in objects.list("default/things/r5") if "/things/r5/" in key]
    findings = found_beside(without(objects, *names), FakeClock())
    assert [(finding.code, finding.damage) for finding in findings] == [("missing", True)]


# --- writing what is right ----------------------------------------------------------------------------------------
def test_other_bytes_under_a_snapshots_name_are_kept_aside_each_time() -> None:
    objects = made()
    (name,) = objects.list("default/things/alpha/alpha--2026-01-07T12-00-02Z")
    right = get(objects, name)
    for damage in (b"first damage", b"second damage", b"first damage"):
        objects.put(name, damage)
        assert codes(checked(objects)) == {"changed"}
        assert checked(objects, repair=True).exit_code == 0
        assert get(objects, name) == right
        assert checked(objects).findings == ()
    assert {b"first damage", b"second damage"} <= {get(objects, key) for key in objects.list(ASIDE)}


def test_an_entry_that_is_damaged_twice_is_kept_aside_twice() -> None:
    objects = made()
    right = get(objects, entry(2))
    damages = [right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :] for at in (100, 120)]
    for damage in damages:
        objects.put(entry(2), damage)
        assert checked(objects, repair=True).exit_code == 0
        assert get(objects, entry(2)) == right
    assert set(damages) <= {get(objects, key) for key in objects.list(ASIDE)}


class Refusing(MemoryObjects):
    """Objects that nobody may write."""

    def __init__(self, of: MemoryObjects, error: SheetSyncError) -> None:
        super().__init__()
        for key, data in everything(of).items():
            super().put(key, data)
        self._error = error

    def put(self, key: str, data: bytes) -> None:
        raise self._error

    def put_new(self, key: str, data: bytes) -> None:
        raise self._error


@pytest.mark.parametrize("error", [AuthError("the bucket refuses us"), NetworkError("no answer")])
@pytest.mark.parametrize("what", ["snapshot", "line"])
def test_a_repair_that_may_not_write_tells_what_it_found_and_why_it_is_not_repaired(
    what: str, error: SheetSyncError
) -> None:
    objects = made()
    if what == "line":
        line = get(objects, entry(2))
        objects.put(entry(2), line[:100] + bytes([line[100] ^ 1]) + line[101:])
    else:
        names = [key for key in objects.list("default/things/") if "12-00-02Z" in key]
        objects = without(objects, *names)
    report = checked(Refusing(objects, error), repair=True)
    assert report.exit_code == 9
    assert report.findings
    assert not any(finding.repaired for finding in report.findings)
    assert any(finding.hint.startswith(f"not repaired: {error.message}") for finding in report.findings)


@pytest.mark.parametrize("number", [3, 5, 6])
@pytest.mark.parametrize("data", [b"", b"junk", b"cut"])
def test_an_object_in_a_folder_below_the_journal_is_foreign_and_never_repaired_from(number: int, data: bytes) -> None:
    objects = made()
    other = get(made(5, 10), entry(min(number, 5)))
    objects.put(entry(number).replace("journal/", "journal/old/"), other[:200] if data == b"cut" else data)
    before = {key: get(objects, key) for key in objects.list("default/journal/0")}
    report = checked(objects, repair=True)
    assert {finding.code for finding in report.findings} == {"foreign"}
    assert {key: get(objects, key) for key in objects.list("default/journal/0")} == before
    assert opened(objects).head() == 5


class Meddled(MemoryObjects):
    """Something is done while a repair keeps bytes aside."""

    work: Callable[[], None] | None = None

    def put_new(self, key: str, data: bytes) -> None:
        if key.startswith(ASIDE) and self.work is not None:
            work, self.work = self.work, None
            work()
        super().put_new(key, data)


def test_a_commit_that_came_while_a_repair_was_looking_is_not_replaced() -> None:
    """Somebody takes away what holds up every reader, and a writer goes on, between a repair's look and its put."""
    objects = Meddled()
    writer = opened(objects)
    for value in range(5):
        save(writer, value)
    objects.put(entry(6), b"garbage")

    def take_away_and_go_on() -> None:
        del objects._objects[entry(6)]
        save(writer, 77)

    objects.work = take_away_and_go_on
    report = checked(objects, repair=True)
    assert any("left alone" in finding.hint for finding in report.findings)
    assert opened(objects).head() == 6
    latest = opened(objects).latest(a_record())
    assert latest is not None
    assert latest.content == {"n": 77}
    assert checked(objects).findings == ()
