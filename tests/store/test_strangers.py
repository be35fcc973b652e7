"""Entries of another store, put here from the wrong copy: whole, but not ours. What the index spared us is proved."""

from __future__ import annotations

import errno
import json
import os
import random
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError, TryLaterError
from sheetsync.store import RecordId, Store, chain, fsck
from sheetsync.store.backend import Backend
from sheetsync.store.content import hash_bytes
from sheetsync.store.local import LocalBackend
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from tests.conformance.object_fakes import ArchivedObjects
from tests.store.rules import signed

ADA, EVE = RequestContext(user="ada"), RequestContext(user="eve")
ENTRIES = 12
Reopen = Callable[[], Backend]
Put = Callable[[int, int], None]


def a_record(name: str) -> RecordId:
    return RecordId("default", ("things", name), name)


def fill(store: Store, ctx: RequestContext, names: str) -> None:
    """Entries that touch the names in turn; the fifth one alone touches the last name until the newest."""
    for number in range(1, ENTRIES + 1):
        name = names[-1] if number in (5, ENTRIES) else names[number % (len(names) - 1)]
        with store.transaction(ctx) as tx:
            tx.save(a_record(name), {"n": number, "of": ctx.user})


def line_paths(folder: Path) -> list[Path]:
    return sorted((folder / "default/journal").iterdir())


@pytest.fixture(params=["disk", "bucket"])
def swapped(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Reopen, Put, Callable[[], set[str]]]:
    """A store with an index and no checkpoint; what puts another store's entries there; and all names in it."""
    if request.param == "bucket":
        ours, theirs = MemoryObjects(), MemoryObjects()
        for objects, ctx, names in ((ours, ADA, "abc"), (theirs, EVE, "azc")):
            with Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock()) as store:
                fill(store, ctx, names)
                store.rebuild_index()

        def put(first: int, last: int) -> None:
            for number in range(first, last + 1):
                key = f"default/journal/{number:010d}.jsonl"
                ours._objects[key] = theirs._objects[key]

        return lambda: ObjectBackend(ours, "x", cheap=True), put, lambda: set(ours._objects)
    one_each = Rotation(entries=1)
    for name, ctx, names in (("ours", ADA, "abc"), ("theirs", EVE, "azc")):
        (tmp_path / name).mkdir()
        backend = LocalBackend(PosixFileSystem(tmp_path / name), name, rotation=one_each)
        with Store.on(backend, clock=FakeClock()) as store:
            fill(store, ctx, names)
            store.rebuild_index()

    def put_file(first: int, last: int) -> None:
        for old, new in list(zip(line_paths(tmp_path / "ours"), line_paths(tmp_path / "theirs"), strict=True))[
            first - 1 : last
        ]:
            shutil.copy(new, old)

    def names_now() -> set[str]:
        return {str(path.relative_to(tmp_path)) for path in (tmp_path / "ours/default/things").rglob("*")}

    return lambda: LocalBackend(PosixFileSystem(tmp_path / "ours"), "ours", rotation=one_each), put_file, names_now


Swapped = tuple[Reopen, Put, Callable[[], set[str]]]
RUNS = [(5, 5), (4, 5), (3, 8), (1, 3), (1, 11), (11, 11)]


@pytest.mark.parametrize(("first", "last"), RUNS)
@pytest.mark.parametrize("kept", [0, 600, 1 << 20])
def test_no_run_of_anothers_entries_puts_a_name_in_place(
    first: int, last: int, kept: int, swapped: Swapped, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "KEPT_BYTES", kept)
    reopen, put, names = swapped
    before = names()
    put(first, last)
    said: list[str] = []
    with Store.on(reopen(), tell=said.append) as store:
        worst = first if isinstance(reopen(), LocalBackend) else 1  # there each entry has a file, which is proved alone
        assert said == [
            f"the journal's line of entry {worst} is damaged, or cannot be read: run 'sheetsync fsck --repair'"
        ]
        with pytest.raises(StoreDamagedError):
            store.compact()
    assert names() == before


@pytest.mark.parametrize(("first", "last"), RUNS)
def test_no_state_of_the_past_shows_what_was_never_here(first: int, last: int, swapped: Swapped) -> None:
    reopen, put, _ = swapped
    put(first, last)
    refused = 0
    with Store.on(reopen()) as store:
        for commit in range(ENTRIES + 1):
            try:
                view = store.at(commit)
                seen = list(view.latest_all("default"))
                changed = list(store.diff(commit, ENTRIES))
            except StoreDamagedError:
                refused += 1
                continue
            shown = [*seen, *(snapshot for _, *pair in changed for snapshot in pair if snapshot is not None)]
            assert {snapshot.content["of"] for snapshot in shown if isinstance(snapshot.content, dict)} <= {"ada"}
        assert refused
        assert {one.author for one in store.latest_all("default")} == {"ada"}


@pytest.mark.parametrize(("first", "last"), RUNS)
@pytest.mark.parametrize("name", ["a", "b", "c"])
def test_a_history_that_leads_through_anothers_entries_is_damage_and_no_defect(
    first: int, last: int, name: str, swapped: Swapped
) -> None:
    reopen, put, _ = swapped
    put(first, last)
    for act in ("history", "log", "commit"):
        with Store.on(reopen()) as store:
            seen: list[str] = []
            with suppress(StoreDamagedError):
                if act == "history":
                    seen = [snapshot.author for snapshot in store.history(a_record(name))]
                elif act == "log":
                    seen = [commit.who for commit in store.log(record=a_record(name))]
                else:
                    seen = [store.commit(first).who]
            if isinstance(reopen(), LocalBackend):  # a bucket has no cheap proof of one entry alone
                assert set(seen) <= {"ada"}
            for number in range(last + 1, ENTRIES + 1):
                assert store.commit(number).who == "ada"


@pytest.mark.parametrize("broken", [2, 6, 11])
def test_a_broken_line_closes_no_history_that_goes_on_before_it(broken: int, tmp_path: Path) -> None:
    with Store.open(tmp_path / "ours", clock=FakeClock()) as store:
        fill(store, ADA, "abc")
        store.compact()
    (path,) = line_paths(tmp_path / "ours")
    lines = path.read_bytes().split(b"\n")
    lines[broken - 1] = lines[broken - 1].replace(b'"who":"ada"', b'"who":"eve"', 1)
    path.write_bytes(b"\n".join(lines))
    with Store.open(tmp_path / "ours") as store:
        for number in (number for number in range(1, ENTRIES + 1) if number != broken):
            assert store.commit(number).number == number
        with pytest.raises(StoreDamagedError, match="broken"):
            store.commit(broken)


def test_a_broken_line_does_not_make_the_others_strangers(tmp_path: Path) -> None:
    def reopen() -> Backend:
        return LocalBackend(PosixFileSystem(tmp_path), "ours", rotation=Rotation(entries=1))

    with Store.on(reopen(), clock=FakeClock()) as store:
        fill(store, ADA, "abc")
        store.rebuild_index()
    path = line_paths(tmp_path)[6]
    path.write_bytes(path.read_bytes().replace(b'"n":7', b'"n":8', 1))
    missing = sorted((tmp_path / "default/things/a").iterdir())[0]
    missing.unlink()
    said: list[str] = []
    Store.on(reopen(), tell=said.append).close()
    assert said[0] == "the journal's line of entry 7 is damaged, or cannot be read: run 'sheetsync fsck --repair'"
    assert missing.exists()


def test_a_first_journal_file_from_the_wrong_copy_is_found_before_it_harms(tmp_path: Path) -> None:
    for name, ctx, names in (("ours", ADA, "abc"), ("theirs", EVE, "azc")):
        with Store.open(tmp_path / name, clock=FakeClock()) as store:
            for _ in range(90):
                fill(store, ctx, names)
            store.rebuild_index()
    shutil.copy(line_paths(tmp_path / "theirs")[0], line_paths(tmp_path / "ours")[0])
    before = set((tmp_path / "ours/default/things").rglob("*"))
    said: list[str] = []
    with Store.open(tmp_path / "ours", tell=said.append) as store:
        assert said == ["the journal's line of entry 1 is damaged, or cannot be read: run 'sheetsync fsck --repair'"]
        with pytest.raises(StoreDamagedError):
            list(store.at(1000).latest_all("default"))
    assert set((tmp_path / "ours/default/things").rglob("*")) == before
    assert fsck(tmp_path / "ours").exit_code == 9


def lose_line_feed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4] + lines[5], *lines[6:]]


def add_line_feed(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:90], lines[4][90:], *lines[5:]]


def cut_file(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], lines[4][:90]]


def wipe_line(lines: list[bytes]) -> list[bytes]:
    return [*lines[:4], bytes(len(lines[4])), *lines[5:]]


def change_prev(lines: list[bytes]) -> list[bytes]:
    at = lines[4].index(b'"prev":"') + 12
    return [*lines[:4], lines[4][:at] + b"x" + lines[4][at + 1 :], *lines[5:]]


SHARED: dict[Callable[[list[bytes]], list[bytes]], set[int]] = {  # damage of entry 25: what else of its file is hit
    lose_line_feed: {21, 22, 23, 24, 26, 27, 28, 29, 30},  # a file that lacks lines may be another store's
    add_line_feed: {26, 27, 28, 29, 30},
    cut_file: {21, 22, 23, 24, 26, 27, 28, 29, 30},
    wipe_line: set(),
    change_prev: set(),
}


@pytest.mark.parametrize("damage", SHARED, ids=lambda damage: damage.__name__)
def test_a_damaged_journal_file_closes_no_other_one(
    damage: Callable[[list[bytes]], list[bytes]], tmp_path: Path
) -> None:
    def reopen() -> Backend:
        return LocalBackend(PosixFileSystem(tmp_path), "ours", rotation=Rotation(entries=10))

    with Store.on(reopen(), clock=FakeClock()) as store:
        for number in range(60):
            with store.transaction(ADA) as tx:
                tx.save(a_record("abc"[number % 3]), {"n": number})
        store.compact()
    path = line_paths(tmp_path)[2]
    before = path.read_bytes()
    path.write_bytes(b"\n".join(damage(before.split(b"\n"))))
    hit = SHARED[damage] | {25}
    with Store.on(reopen()) as store:
        with pytest.raises(StoreDamagedError):
            store.commit(25)
        for number in sorted(set(range(1, 61)) - hit, reverse=True):
            assert store.commit(number).number == number
        path.write_bytes(before)
        for number in range(1, 61):
            assert store.commit(number).number == number
        assert len(list(store.history(a_record("a")))) == 20


@pytest.mark.parametrize("how", ["reader", "rebuilt"])
def test_anothers_entries_under_an_open_handle_get_no_name_and_no_checkpoint(how: str, swapped: Swapped) -> None:
    reopen, put, names = swapped
    with Store.on(reopen()) as store:
        if how == "rebuilt":
            store.rebuild_index()
        store._placed.clear()  # as a handle that only reads along
        before = names()
        put(4, 8)
        with pytest.raises(StoreDamagedError):
            store.compact()
        assert names() == before


def as_another_program(body: bytes, form: str) -> bytes:
    value = json.loads(body)
    value.pop("sum")
    if form == "added member":
        value = {"n": value.pop("n"), "origin": {"prev": "abc"}, **value}
    text = json.dumps(value, separators=(",", ": " if form == "blanks" else ":"), ensure_ascii=False)
    return signed(text[1:].encode())


@pytest.mark.parametrize("form", ["as it is", "added member", "blanks"])
def test_a_line_of_another_form_is_in_the_chain_too(form: str, tmp_path: Path) -> None:
    with Store.open(tmp_path / "ours", clock=FakeClock()) as store:
        fill(store, RequestContext(user="ada"), "abc")
        store.note(ADA, 'a "prev":"text" \\', {"n": 1})
    (path,) = line_paths(tmp_path / "ours")
    lines, prev = [], ""
    for line in path.read_bytes().splitlines():
        value = json.loads(line)
        changed = as_another_program(json.dumps(value | {"prev": prev}).encode(), form)
        lines.append(changed)
        prev = hash_bytes(changed)
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    for name in ("index.json", "checkpoint.json"):
        (tmp_path / "ours/default/.store" / name).unlink(missing_ok=True)
    with Store.open(tmp_path / "ours") as store:
        store.compact()
    with Store.open(tmp_path / "ours") as store:
        assert [store.commit(number).number for number in range(1, ENTRIES + 2)] == list(range(1, ENTRIES + 2))
    assert fsck(tmp_path / "ours").findings == ()


def test_a_lost_snapshot_of_a_bucket_is_shown_of_the_past_though_something_is_archived_on_the_way() -> None:
    objects = ArchivedObjects()
    with Store.on(ObjectBackend(objects, "x"), clock=FakeClock()) as store:
        fill(store, ADA, "abc")
        (path,) = (snapshot.path for snapshot in store.history(a_record("c")) if snapshot.commit == 5)
        store.compact()
    del objects._objects[f"default/{path}"]
    objects.archived.add("default/journal/0000000008.jsonl")
    with Store.on(ObjectBackend(objects, "x")) as store:
        shown = store.at(ENTRIES - 1).latest(a_record("c"))
        assert shown is not None
        assert shown.content == {"n": 5, "of": "ada"}


@pytest.mark.parametrize("when", ["before", "under an open handle"])
def test_a_lost_journal_file_does_not_close_all_before_it(when: str, tmp_path: Path) -> None:
    save_on(tmp_path / "ours", ADA, range(45))
    path, away = line_paths(tmp_path / "ours")[2], tmp_path / "away"
    if when == "before":
        path.rename(away)
    with Store.on(ten_a_file(tmp_path / "ours")) as store:
        if when != "before":
            path.rename(away)
        for number in [*range(45, 30, -1), *range(20, 0, -1)]:
            assert store.commit(number).number == number
        for number in (21, 25, 30):
            with pytest.raises(StoreDamagedError, match=r"missing from 0000000011|begins with entry 21 is gone"):
                store.commit(number)
    away.rename(path)
    with Store.on(ten_a_file(tmp_path / "ours")) as store:
        assert [store.commit(number).number for number in range(1, 46)] == list(range(1, 46))


def ten_a_file(folder: Path) -> Backend:
    return LocalBackend(PosixFileSystem(folder), "ours", rotation=Rotation(entries=10))


def save_on(folder: Path, ctx: RequestContext, numbers: range, *, pad: int = 0) -> None:
    folder.mkdir(exist_ok=True)
    with Store.on(ten_a_file(folder), clock=FakeClock()) as store:
        for number in numbers:
            with store.transaction(ctx) as tx:
                tx.save(a_record("abc"[number % 3]), {"n": number, "pad": "y" * (pad if number % 10 > 7 else 0)})
        store.compact()


@pytest.mark.parametrize("other", ["a fork", "another store"])
def test_a_shorter_journal_file_of_a_fork_is_not_shown(other: str, tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    save_on(ours, ADA, range(30))
    if other == "a fork":
        shutil.copytree(ours, theirs)
    else:
        save_on(theirs, EVE, range(30))
    save_on(ours, ADA, range(100, 115))
    save_on(theirs, EVE, range(200, 207))
    shutil.copy(line_paths(theirs)[3], line_paths(ours)[3])
    with Store.on(ten_a_file(ours)) as store:
        for number in range(31, 41):
            with pytest.raises(StoreDamagedError):
                store.commit(number)
        for number in range(41, 46):
            assert store.commit(number).who == "ada"
        for record in "abc":
            with pytest.raises(StoreDamagedError):
                list(store.history(a_record(record)))
        if other == "a fork":
            assert [store.commit(number).who for number in range(1, 31)] == ["ada"] * 30


def test_a_journal_file_that_is_replaced_under_an_open_handle_gives_no_name(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    save_on(theirs, EVE, range(45), pad=5)
    ours.mkdir()
    with (
        Store.on(ten_a_file(ours), clock=FakeClock()) as writer,
        Store.on(ten_a_file(ours), clock=FakeClock()) as reader,
    ):
        for number in range(45):
            with writer.transaction(ADA) as tx:
                tx.save(a_record("abc"[number % 3]), {"n": number, "pad": ""})
        reader.refresh()
        reader.commit(20)  # it knows now where the lines of that file end
        before = set((ours / "default/things").rglob("*"))
        shutil.copy(line_paths(theirs)[1], line_paths(ours)[1])
        with pytest.raises(StoreDamagedError):
            reader.compact()
        assert set((ours / "default/things").rglob("*")) == before


def test_a_bad_sector_in_an_old_journal_file_is_asked_few_times(tmp_path: Path) -> None:
    class BadSector(PosixFileSystem):
        bad = ""
        asked = 0

        def read_at(self, path: str, offset: int, length: int) -> bytes:
            if self.bad and path.endswith(self.bad):
                self.asked += 1
                raise OSError(errno.EIO, os.strerror(errno.EIO), path)
            return super().read_at(path, offset, length)

    save_on(tmp_path / "ours", ADA, range(100))
    disk = BadSector(tmp_path / "ours")
    with Store.on(LocalBackend(disk, "ours", rotation=Rotation(entries=10))) as store:
        disk.bad = "0000000061.jsonl"
        assert [store.commit(number).number for number in range(1, 61)] == list(range(1, 61))
        assert disk.asked <= 2
        with pytest.raises(TryLaterError, match="the disk fails"):
            store.commit(65)
        disk.bad = ""
        assert store.commit(65).number == 65


def test_a_number_of_thousands_of_digits_is_no_defect(tmp_path: Path) -> None:
    save_on(tmp_path / "ours", ADA, range(25))
    path = line_paths(tmp_path / "ours")[1]
    lines = path.read_bytes().split(b"\n")
    body = lines[3].split(b",", 1)[1].replace(b'"n":14', b'"n":' + b"9" * 5000, 1)
    path.write_bytes(b"\n".join([*lines[:3], signed(body), *lines[4:]]))
    with Store.on(ten_a_file(tmp_path / "ours")) as store:
        with pytest.raises(StoreDamagedError):
            store.commit(14)
        assert store.commit(13).number == 13


def test_another_stores_entry_costs_its_journal_file_one_reading(tmp_path: Path) -> None:
    class Counting(PosixFileSystem):
        read_bytes = 0

        def read_at(self, path: str, offset: int, length: int) -> bytes:
            self.read_bytes += length
            return super().read_at(path, offset, length)

    for name, ctx in (("ours", ADA), ("theirs", EVE)):
        with Store.open(tmp_path / name, clock=FakeClock()) as store:
            for _ in range(20):
                fill(store, ctx, "abc")
            store.rebuild_index()
    (path,), (other,) = line_paths(tmp_path / "ours"), line_paths(tmp_path / "theirs")
    lines, others = path.read_bytes().split(b"\n"), other.read_bytes().split(b"\n")
    path.write_bytes(b"\n".join([*lines[:4], others[4], *lines[5:]]))
    disk = Counting(tmp_path / "ours")
    with Store.on(LocalBackend(disk, "ours")) as store:
        disk.read_bytes = 0
        for number in range(6, 20 * ENTRIES + 1):
            assert store.commit(number).number == number
        assert disk.read_bytes < 6 * path.stat().st_size  # twice to prove it, then each line, and what a look reads
        with pytest.raises(StoreDamagedError, match="entry 6 does not follow on entry 5"):
            store.commit(3)


def test_an_open_handle_reads_a_journal_file_that_was_repaired(tmp_path: Path) -> None:
    with Store.open(tmp_path / "ours", clock=FakeClock()) as store:
        for _ in range(5):
            fill(store, ADA, "abc")
    (path,) = line_paths(tmp_path / "ours")
    right = path.read_bytes()
    at = [index for index, byte in enumerate(right) if byte == ord("\n")][20]
    with Store.open(tmp_path / "ours") as store:
        path.write_bytes(right[:at] + b"*" + right[at + 1 :])
        for number in (10, 22, 23, 40):
            with suppress(StoreDamagedError):
                assert store.commit(number).number == number
        assert fsck(tmp_path / "ours", repair=True).exit_code == 0
        assert path.read_bytes() == right
        for number in (10, 40, 22, 23, *range(1, 61)):
            assert store.commit(number).number == number
        assert len(list(store.history(a_record("a")))) == 25


@pytest.mark.parametrize("damage", ["a line feed", "cut"])
def test_a_journal_file_that_lacks_lines_closes_no_opening(damage: str, tmp_path: Path) -> None:
    with Store.on(ten_a_file(a_folder(tmp_path / "ours")), clock=FakeClock()) as store:
        for number in range(45):
            with store.transaction(ADA) as tx:
                tx.save(a_record("abc"[number % 3]), {"n": number})
        store.rebuild_index()  # and no checkpoint
    path = line_paths(tmp_path / "ours")[1]
    right = path.read_bytes()
    at = right.index(b"\n", 500)
    path.write_bytes(right[:at] + b"*" + right[at + 1 :] if damage == "a line feed" else right[:at])
    said: list[str] = []
    with Store.on(ten_a_file(tmp_path / "ours"), tell=said.append) as store:
        assert said == ["the journal's line of entry 11 is damaged, or cannot be read: run 'sheetsync fsck --repair'"]
        assert [snapshot.content for snapshot in store.latest_all("default")] == [{"n": 42}, {"n": 43}, {"n": 44}]
        with store.transaction(ADA) as tx:
            tx.save(a_record("a"), {"n": 45})
        with pytest.raises(StoreDamagedError):
            store.compact()


def a_folder(path: Path) -> Path:
    path.mkdir()
    return path


def test_an_index_with_an_anchor_beyond_its_number_is_not_believed(tmp_path: Path) -> None:
    save_on(tmp_path / "ours", ADA, range(25))
    path = tmp_path / "ours/default/.store/index.json"
    value = json.loads(path.read_bytes())
    value.pop("sum")
    value["anchors"].append([99, "ab" * 32])
    path.write_bytes(signed(json.dumps(value, separators=(",", ":"))[1:].encode()))
    with Store.on(ten_a_file(tmp_path / "ours")) as store:
        assert [store.commit(number).number for number in range(1, 26)] == list(range(1, 26))


def test_a_restored_journal_file_is_read_as_it_is_now(tmp_path: Path) -> None:
    with Store.open(tmp_path / "ours", clock=FakeClock()) as store:
        fill(store, ADA, "abc")
    (path,) = line_paths(tmp_path / "ours")
    right = path.read_bytes()
    at = right.index(b"ada", 1500)
    with Store.open(tmp_path / "ours") as store:
        path.write_bytes(right[:at] + b"\n" + right[at + 1 :])
        with suppress(StoreDamagedError):
            store._part._lines._ends._known = ((), [])  # type: ignore[attr-defined]
            list(store.log())
        path.write_bytes(right)
        assert [commit.number for commit in store.log()] == list(range(1, ENTRIES + 1))


def test_a_journal_file_that_is_lost_under_an_open_handle_is_damage(tmp_path: Path) -> None:
    save_on(tmp_path / "ours", ADA, range(45))
    with Store.on(ten_a_file(tmp_path / "ours")) as store:
        line_paths(tmp_path / "ours")[2].unlink()
        for look in (lambda: store.commit(25), lambda: store.at(22), lambda: list(store.log())):
            with pytest.raises(StoreDamagedError):
                look()


@pytest.mark.parametrize("how", ["a file of a fork", "lines of a fork in the midst of a file"])
def test_a_repair_puts_no_name_while_lines_do_not_follow_on_each_other(how: str, tmp_path: Path) -> None:
    ours, fork = tmp_path / "ours", tmp_path / "fork"
    rotation = Rotation(entries=10)

    def save_more(folder: Path, who: str, numbers: range) -> None:
        with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation)) as store:
            for number in numbers:
                with store.transaction(ADA) as tx:
                    tx.save(a_record("a"), {"n": number, "of": who})

    ours.mkdir()
    save_more(ours, "both", range(10))
    shutil.copytree(ours, fork)
    save_more(ours, "ours", range(10, 35))
    save_more(fork, "fork", range(10, 35))
    names = sorted((ours / "default/things").rglob("*.json"))
    names[15].unlink()  # one of ours is missing, too
    right, strange = (line_paths(folder)[1] for folder in (ours, fork))
    kept = right.read_bytes()
    if how == "a file of a fork":
        shutil.copy(strange, right)
    else:
        lines, others = kept.splitlines(True), strange.read_bytes().splitlines(True)
        right.write_bytes(b"".join([*lines[:4], *others[4:]]))
    for repair in (False, True, False):
        report = fsck(ours, repair=repair)
        assert report.exit_code == 9
        assert any(found.code == "journal_order" for found in report.findings)
        missing = [found for found in report.findings if found.code == "missing"]
        assert missing
        assert not any(found.recoverable or found.repaired for found in missing)
        assert all("first put the journal in order" in found.hint for found in missing)
        assert sorted((ours / "default/things").rglob("*.json")) == names[:15] + names[16:]
    right.write_bytes(kept)
    assert [found.code for found in fsck(ours, repair=True).findings if not found.repaired] == []
    assert sorted((ours / "default/things").rglob("*.json")) == names
    assert fsck(ours).findings == ()


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("size", [64, 512, 4096])
def test_a_damaged_block_keeps_no_other_snapshot_from_its_repair(size: int, seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    with Store.on(LocalBackend(PosixFileSystem(tmp_path), "x")) as store:
        for number in range(30):
            with store.transaction(ADA) as tx:
                tx.save(a_record("abcd"[number % 4]), {"n": number, "pad": "z" * 600})
    names = {json.loads(one.read_bytes())["n"]: one for one in (tmp_path / "default/things").rglob("*.json")}
    (path,) = line_paths(tmp_path)
    data = bytearray(path.read_bytes())
    at = rng.randrange(3000, len(data) - 8000)
    data[at : at + size] = bytes(size) if seed % 2 else rng.randbytes(size)
    path.write_bytes(data)
    early, late = names[1].read_bytes(), names[28].read_bytes()
    names[1].unlink()
    names[28].write_bytes(late[:20] + bytes([late[20] ^ 1]) + late[21:])
    fsck(tmp_path, repair=True)
    assert [names[1].read_bytes(), names[28].read_bytes()] == [early, late]


def test_a_broken_line_elsewhere_lets_no_stranger_in(tmp_path: Path) -> None:
    for name in ("ours", "theirs"):
        (tmp_path / name).mkdir()
        with Store.on(LocalBackend(PosixFileSystem(tmp_path / name), "x", rotation=Rotation(entries=6))) as store:
            for number in range(18):
                with store.transaction(ADA) as tx:
                    tx.save(a_record("abcd"[number % 4]), {"n": number, "of": name})
    ours = line_paths(tmp_path / "ours")
    lines = ours[0].read_bytes().splitlines(keepends=True)
    lines[3] = lines[3][:60] + b"#" * 30 + lines[3][90:]
    ours[0].write_bytes(b"".join(lines))
    shutil.copy(line_paths(tmp_path / "theirs")[2], ours[2])
    before = sorted((tmp_path / "ours/default/things").rglob("*.json"))
    report = fsck(tmp_path / "ours", repair=True)
    assert report.exit_code == 9
    assert "journal_order" in {found.code for found in report.findings}
    assert sorted((tmp_path / "ours/default/things").rglob("*.json")) == before
