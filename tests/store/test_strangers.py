"""Entries of another store, put here from the wrong copy: whole, but not ours. What the index spared us is proved."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import RecordId, Store, chain, fsck
from sheetsync.store.backend import Backend
from sheetsync.store.local import LocalBackend
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation

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
        assert said == ["the journal's line of entry 1 is damaged: run 'sheetsync fsck --repair'"]
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
    assert said[0] == "the journal's line of entry 7 is damaged: run 'sheetsync fsck --repair'"
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
        assert said == ["the journal's line of entry 1 is damaged: run 'sheetsync fsck --repair'"]
        with pytest.raises(StoreDamagedError):
            list(store.at(1000).latest_all("default"))
    assert set((tmp_path / "ours/default/things").rglob("*")) == before
    assert fsck(tmp_path / "ours").exit_code == 9
