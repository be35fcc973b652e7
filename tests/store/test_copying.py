"""A copy goes to an empty place, is proved before it counts as a store, and goes on where it was interrupted."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import DestinationError, NetworkError, SheetSyncError
from sheetsync.store import RecordId, Store, copy_store, fsck
from sheetsync.store.copying import copy_between
from sheetsync.store.destination import check_apart
from sheetsync.store.local import LocalBackend
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check
from sheetsync.store.segments import Rotation

CTX = RequestContext(user="ada")


def fill(store: Store) -> Store:
    """Four commits of a tenant, one of another."""
    for number in range(4):
        with store.transaction(CTX) as tx:
            for name in "ab"[: 1 + number % 2]:
                tx.save(RecordId("default", ("things", name), name), {"n": number})
    acme = store.for_tenant("acme")
    with acme.transaction(RequestContext(tenant="acme", user="eve")) as tx:
        tx.save(RecordId("acme", ("things", "x"), "x"), {"n": 1})
    return store


@pytest.fixture
def objects() -> MemoryObjects:
    """A filled store in memory."""
    filled = MemoryObjects()
    fill(on(filled))
    return filled


@pytest.fixture
def built(folder: Path) -> Path:
    """A filled store on disk."""
    fill(Store.open(folder, clock=FakeClock())).close()
    return folder


def on(objects: MemoryObjects) -> Store:
    return Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock())


def everything(objects: MemoryObjects) -> dict[str, bytes]:
    return {key: objects.get(key) or b"" for key in objects.list("")}


def tree(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def published(folder: Path) -> dict[str, bytes]:
    return {path: data for path, data in tree(folder).items() if not {".store", ".tmp"} & set(Path(path).parts)}


# --- where a copy may go ------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("s3://store/own", "s3://store/own"),
        ("s3://store/own/", "s3://store/own"),
        ("s3://store/own", "s3://store/own/copy"),
        ("s3://store", "s3://store/copy"),
        ("s3://store/own", "s3a://store/own/copy/"),
        ("s3://store/own", "s3://Store/own/copy"),
        ("az://box/own", "abfss://box@account.dfs.core.windows.net/own/copy"),
        ("s3://store/own/x", "s3://store/own"),
        ("az://box/own", "azure://box/own/copy"),
        ("gs://store/x", "gs://store"),
        ("memory://own", "memory://own"),
        ("memory://own", "memory://own/copy"),
        ("memory://own/copy", "memory://own"),
        ("/stores/own", "/stores/own/copy"),
        ("/stores/own", "file:///stores/own/copy"),
        ("/stores/own", "/stores"),
    ],
)
def test_a_copy_into_the_store_or_above_it_is_refused(source: str, destination: str) -> None:
    with pytest.raises(DestinationError) as caught:
        check_apart(source, destination)
    assert caught.value.exit_code == 2
    assert caught.value.hint


@pytest.mark.parametrize(
    ("source", "destination"),
    [
        ("s3://store/own", "s3://store/own2"),
        ("s3://store/own", "s3://other/own"),
        ("s3://store/own", "gs://store/own"),
        ("memory://own", "memory://"),
        ("memory://own", "memory://own2"),
        ("/stores/own", "/stores/own2"),
        ("/stores/own", "s3://stores/own"),
    ],
)
def test_a_copy_beside_the_store_is_not_refused(source: str, destination: str) -> None:
    check_apart(source, destination)


def test_a_store_in_memory_is_not_copied_into_itself() -> None:
    fill(Store.open("memory://copy-own", clock=FakeClock()))
    for destination in ("memory://copy-own", "memory://copy-own/copy"):
        with pytest.raises(DestinationError):
            copy_store("memory://copy-own", destination)
    assert fsck("memory://copy-own").findings == ()


def a_readme(folder: Path) -> None:
    (folder / "README").write_text("hi")


def a_hidden_file(folder: Path) -> None:
    (folder / ".gitignore").write_text("*")


def a_workspace(folder: Path) -> None:
    (folder / "config").mkdir()
    (folder / "config/sheetsync.toml").write_text("")
    Store.open(folder / "store").close()


def a_tenants_file(folder: Path) -> None:
    (folder / "default").write_text("mine")


def a_tenants_link(folder: Path) -> None:
    (folder / "default").symlink_to("/etc")


def a_tenants_folder_of_others(folder: Path) -> None:
    (folder / "default/notes").mkdir(parents=True)
    (folder / "default/notes/todo.txt").write_text("mine")


def another_store(folder: Path) -> None:
    Store.open(folder).close()


def another_store_without_format(folder: Path) -> None:
    fill(Store.open(folder)).close()
    (folder / "FORMAT").unlink()


@pytest.mark.parametrize(
    "plant",
    [
        a_readme,
        a_hidden_file,
        a_workspace,
        a_tenants_file,
        a_tenants_link,
        a_tenants_folder_of_others,
        another_store,
        another_store_without_format,
    ],
    ids=lambda plant: plant.__name__,
)
def test_a_folder_that_is_not_empty_is_refused_and_left_as_it_is(
    plant: Callable[[Path], None], built: Path, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    target.mkdir()
    plant(target)
    before = tree(target)
    with pytest.raises(DestinationError) as caught:
        copy_store(built, target)
    assert caught.value.exit_code == 2
    assert "empty" in caught.value.message + caught.value.hint
    assert tree(target) == before


@pytest.mark.parametrize(
    "key",
    ["notes.txt", ".backup/journal/0000000001.jsonl", "accounting/2026/jan.csv", "default/notes.txt", ".tmp/x"],
)
def test_a_prefix_with_objects_of_others_is_refused(key: str, objects: MemoryObjects) -> None:
    target = MemoryObjects()
    target.put(key, b"mine")
    with pytest.raises(DestinationError, match="not empty"):
        copy_between(ObjectBackend(objects, "x"), ObjectBackend(target, "copy"))
    assert everything(target) == {key: b"mine"}


def test_leftovers_under_the_very_names_of_snapshots_are_refused(objects: MemoryObjects, tmp_path: Path) -> None:
    name = next(key for key in objects.list("default/things/"))
    target = MemoryObjects()
    target.put(name, b"junk")
    with pytest.raises(DestinationError, match="no unfinished copy"):
        copy_between(ObjectBackend(objects, "x"), ObjectBackend(target, "copy"))
    (tmp_path / "left" / name).parent.mkdir(parents=True)
    (tmp_path / "left" / name).write_bytes(b"junk")
    with pytest.raises(DestinationError, match="no unfinished copy"):
        copy_between(ObjectBackend(objects, "x"), LocalBackend(PosixFileSystem(tmp_path / "left"), "left"))


# --- what is a tenant ---------------------------------------------------------------------------------------------
def test_only_a_folder_with_a_journal_file_is_a_tenant_and_hidden_ones_are_none(objects: MemoryObjects) -> None:
    for key, data in everything(objects).items():
        if key.startswith("default/"):
            objects.put(f".backup/{key[8:]}", data)
    backend = ObjectBackend(objects, "x")
    assert list(backend.tenants()) == ["acme", "default"]
    copy = MemoryObjects()
    assert copy_between(backend, ObjectBackend(copy, "copy")).tenants == ("acme", "default")
    assert [key for key in copy.list("") if key.startswith(".backup")] == []
    others = MemoryObjects()
    others.put("accounting/2026/journal/0000000001.jsonl", b"x")
    others.put("accounting/journal/jan.csv", b"x")
    assert list(ObjectBackend(others, "x").tenants()) == []
    assert on(others).head() == 0


def test_a_folder_whose_journal_holds_no_journal_file_is_no_tenant(built: Path) -> None:
    (built / "empty/journal").mkdir(parents=True)
    (built / "notes/journal").mkdir(parents=True)
    (built / "notes/journal/today.txt").write_text("mine")
    assert list(LocalBackend(PosixFileSystem(built), "x").tenants()) == ["acme", "default"]


# --- proof --------------------------------------------------------------------------------------------------------
class Lossy(MemoryObjects):
    """A bucket that keeps something else than it was given under one name, or nothing."""

    def __init__(self, part_of_key: str, change: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._part_of_key, self._change = part_of_key, change

    def put_new(self, key: str, data: bytes) -> None:
        super().put_new(key, self._change(data) if self._part_of_key in key else data)


@pytest.mark.parametrize("key", ["default/journal/0000000002", "default/things/b/", "acme/journal/", "acme/things/"])
@pytest.mark.parametrize("how", ["emptied", "flipped", "line feed"])
def test_a_copy_that_is_not_what_was_copied_is_no_store(key: str, how: str, objects: MemoryObjects) -> None:
    changes: dict[str, Callable[[bytes], bytes]] = {
        "emptied": lambda data: b"",
        "flipped": lambda data: data[:-3] + bytes([data[-3] ^ 1]) + data[-2:],
        "line feed": lambda data: data + b"\n",
    }
    target = Lossy(key, changes[how])
    with pytest.raises(DestinationError) as caught:
        copy_between(ObjectBackend(objects, "x"), ObjectBackend(target, "copy"), clock=FakeClock())
    assert "is not what was copied" in caught.value.message
    assert target.get("FORMAT") is None


class Busy(MemoryObjects):
    """Somebody else makes objects at the destination meanwhile."""

    def put_new(self, key: str, data: bytes) -> None:
        super().put_new(key, data)
        if key.startswith("default/things/b/"):
            super().put("default/things/b/notes.txt", b"mine")


def test_a_stranger_that_appears_in_the_copy_meanwhile_is_found(objects: MemoryObjects) -> None:
    target = Busy()
    with pytest.raises(DestinationError, match=r"notes\.txt is not a file of the store"):
        copy_between(ObjectBackend(objects, "x"), ObjectBackend(target, "copy"))
    assert target.get("FORMAT") is None


# --- going on -----------------------------------------------------------------------------------------------------
class KilledError(Exception):
    """The process of a copy dies."""


class Failing(MemoryObjects):
    """The request of this number fails, before or after it did its work."""

    def __init__(self, at: int, error: Exception, *, after: bool) -> None:
        super().__init__()
        self.requests, self._at, self._error, self._after = 0, at, error, after

    def _count(self, act: Callable[[], object]) -> None:
        self.requests += 1
        if self.requests != self._at:
            act()
            return
        if self._after:
            act()
        raise self._error

    def put_new(self, key: str, data: bytes) -> None:
        self._count(lambda: MemoryObjects.put_new(self, key, data))

    def put(self, key: str, data: bytes) -> None:
        self._count(lambda: MemoryObjects.put(self, key, data))


def copied(objects: MemoryObjects, target: MemoryObjects, said: list[str]) -> dict[str, bytes]:
    """The destination after a copy there."""
    copy_between(ObjectBackend(objects, "x"), ObjectBackend(target, "copy"), tell=said.append)
    assert check(ObjectBackend(target, "copy"), "copy").findings == ()
    return everything(target)


@pytest.mark.parametrize("after", [False, True])
@pytest.mark.parametrize("error", [KilledError(), NetworkError("no answer")])
def test_a_copy_that_was_interrupted_anywhere_goes_on(error: Exception, after: bool, objects: MemoryObjects) -> None:
    fresh = Failing(0, error, after=after)
    whole = copied(objects, fresh, [])
    went_on = 0
    for at in range(1, fresh.requests + 1):
        target = Failing(at, error, after=after)
        with suppress(KilledError, SheetSyncError):
            copied(objects, target, [])
        if target.get("FORMAT") is not None:
            continue  # its last request: all is there
        said: list[str] = []
        assert copied(objects, target, said) == whole
        assert said == [] or said[0].startswith("going on with an unfinished copy")
        went_on += bool(said)
    assert went_on >= 10


def cut_journal(target: Path) -> None:
    path = target / "default/journal/0000000001.jsonl"
    path.write_bytes(path.read_bytes()[:-40])


def drop_lines(target: Path) -> None:
    path = target / "default/journal/0000000001.jsonl"
    path.write_bytes(path.read_bytes().splitlines(keepends=True)[0])
    names = sorted((target / "default/things").rglob("*.json"))
    for name in names[1:]:
        name.unlink()


def empty_journal(target: Path) -> None:
    shutil.rmtree(target / "default/things")
    (target / "default/journal/0000000001.jsonl").write_bytes(b"")


def drop_a_tenant(target: Path) -> None:
    shutil.rmtree(target / "acme")


def tear_a_snapshot(target: Path) -> None:
    next((target / "acme/things/x").iterdir()).write_bytes(b"")


def zero_a_snapshot(target: Path) -> None:
    path = next((target / "acme/things/x").iterdir())
    path.write_bytes(bytes(path.stat().st_size))


def zero_the_end_of_a_snapshot(target: Path) -> None:
    path = next((target / "acme/things/x").iterdir())
    path.write_bytes(path.read_bytes()[:3] + bytes(path.stat().st_size - 3))


def leave_temporary_files(target: Path) -> None:
    (target / "default/.store/temp/0123.1").write_bytes(b"{}")
    (target / ".tmp").mkdir(exist_ok=True)
    (target / ".tmp/0123").write_bytes(b"{}")


@pytest.mark.parametrize(
    "interrupt",
    [
        drop_lines,
        empty_journal,
        drop_a_tenant,
        tear_a_snapshot,
        zero_a_snapshot,
        zero_the_end_of_a_snapshot,
        leave_temporary_files,
    ],
    ids=lambda interrupt: interrupt.__name__,
)
def test_a_copy_on_disk_goes_on_and_is_the_same_in_the_end(
    interrupt: Callable[[Path], None], built: Path, tmp_path: Path
) -> None:
    target, said = tmp_path / "target", list[str]()
    copy_store(built, target)
    (target / "FORMAT").unlink()
    for checkpoint in target.rglob("checkpoint.json"):
        checkpoint.unlink()
    interrupt(target)
    report = copy_store(built, target, tell=said.append)
    assert said[0].startswith("going on with an unfinished copy")
    assert (report.commits, report.snapshots) == (5, 7)
    assert report.resumed < 5 or interrupt not in (drop_lines, empty_journal, drop_a_tenant)
    assert published(target) == published(built)
    assert fsck(target).findings == ()


def test_a_torn_line_of_an_unfinished_copy_is_cut_and_kept(built: Path, tmp_path: Path) -> None:
    target = tmp_path / "target"
    copy_store(built, target)
    (target / "FORMAT").unlink()
    shutil.rmtree(target / "default/.store")
    shutil.rmtree(target / "default/things/b")
    path = target / "default/journal/0000000001.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(lines[0] + lines[1][:50])
    for name in sorted((target / "default/things/a").iterdir())[1:]:
        name.unlink()
    report = copy_store(built, target)
    assert report.resumed == 2  # one of each tenant
    assert published(target) == published(built)
    assert [kept.read_bytes() for kept in (target / "default/.store/aside").iterdir()] == [lines[1][:50]]


def test_an_unfinished_copy_of_another_store_is_refused(objects: MemoryObjects) -> None:
    other = MemoryObjects()
    fill(on(other))
    target = Failing(6, NetworkError("no answer"), after=False)
    with pytest.raises(SheetSyncError):
        copied(other, target, [])
    before = everything(target)
    with pytest.raises(DestinationError, match="not those of the store"):
        copied(objects, target, [])
    assert everything(target) == before


def test_a_copy_that_has_more_than_the_store_is_refused(objects: MemoryObjects) -> None:
    target = MemoryObjects()
    copied(objects, target, [])
    with on(target).transaction(CTX) as tx:
        tx.save(RecordId("default", ("things", "a"), "a"), {"n": 99})
    left = MemoryObjects()
    for key, data in everything(target).items():
        if key != "FORMAT":
            left.put(key, data)
    with pytest.raises(DestinationError, match="5 entries, the store has 4"):
        copied(objects, left, [])


def test_a_journal_of_many_files_is_copied_to_the_byte(objects: MemoryObjects, tmp_path: Path) -> None:
    def small(folder: Path) -> LocalBackend:
        folder.mkdir(exist_ok=True)
        return LocalBackend(PosixFileSystem(folder), str(folder), rotation=Rotation(entries=3))

    store = on(objects)
    for number in range(10):
        with store.transaction(CTX) as tx:
            tx.save(RecordId("default", ("things", "c"), "c"), {"n": number})
    copy_between(ObjectBackend(objects, "x"), small(tmp_path / "one"))
    copy_between(small(tmp_path / "one"), small(tmp_path / "two"))
    assert published(tmp_path / "one") == published(tmp_path / "two")
    assert len(list((tmp_path / "two/default/journal").iterdir())) == 5
    back = MemoryObjects()
    copy_between(small(tmp_path / "two"), ObjectBackend(back, "back"))
    lines: Iterator[str] = objects.list("default/journal/")
    assert all(back.get(key) == objects.get(key) for key in lines)
