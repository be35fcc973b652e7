"""The journal is replaced while a save is at work: between its lock, its look and its append. Whatever was acknowledged
by then stays, and nothing is acknowledged that a new opening would refuse."""

from __future__ import annotations

import errno
import fcntl
import os
import shutil
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck, recovery
from sheetsync.store.entry import BODY_AT
from sheetsync.store.local import LocalBackend
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation

CTX = RequestContext(user="ada")
FIVE = Rotation(entries=5)
Act = Callable[[], object]


class Hooked(PosixFileSystem):
    """Acts once before the next look at a size, or before the next append, or in its place."""

    before_size: Act | None = None
    before_append: Act | None = None
    full = False

    def size(self, path: str) -> int | None:
        act, self.before_size = self.before_size, None
        if act is not None:
            act()
        return super().size(path)

    def append(self, path: str, offset: int, data: bytes) -> None:
        act, self.before_append = self.before_append, None
        if act is not None:
            act()
        if self.full:
            raise OSError(errno.ENOSPC, "full", path)
        super().append(path, offset, data)


def opened(folder: Path, files: PosixFileSystem | None = None, rotation: Rotation | None = None) -> VersionedStore:
    folder.mkdir(exist_ok=True)
    backend = LocalBackend(files or PosixFileSystem(folder), "test", rotation=rotation or Rotation())
    return VersionedStore(CTX, store=Store.on(backend))


def save(named: VersionedStore, first: int, last: int, name: str = "alpha") -> None:
    for number in range(first, last + 1):
        named.save(name, {"n": number})


def swap_folder(folder: Path, other: Path) -> None:
    shutil.rmtree(folder)
    shutil.copytree(other, folder)


WAYS: dict[str, Callable[[Path, Path], object]] = {
    "gone": lambda file, _: file.unlink(),
    "older": lambda file, older: (older / file.name).rename(file),
    "another folder": lambda file, older: swap_folder(file.parent, older),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_line_that_begins_a_file_is_not_acknowledged_where_those_before_it_went(
    way: str, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    files = Hooked(folder)
    with closing(opened(folder, files, FIVE)) as named:
        save(named, 1, 2)
        journal = folder / "default/journal"
        shutil.copytree(journal, tmp_path / "older")
        save(named, 3, 5)
        files.before_append = lambda: WAYS[way](journal / "0000000001.jsonl", tmp_path / "older")
        with pytest.raises(UnknownOutcomeError, match="was replaced"):
            named.save("alpha", {"n": 6})
        with pytest.raises(UnknownOutcomeError):
            named.save("alpha", {"n": 7})


@pytest.mark.parametrize("longer", [False, True])
def test_no_line_is_acknowledged_upon_another_that_was_copied_in_place(
    longer: bool, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    files, file = Hooked(folder), folder / "default/journal/0000000001.jsonl"
    with closing(opened(folder, files)) as named:
        save(named, 1, 3)
        shutil.copytree(folder, tmp_path / "copy")
        if longer:  # as long as ours, with another end
            with closing(opened(tmp_path / "copy")) as other:
                save(other, 9, 9)
        save(named, 4, 4)
        data = (tmp_path / "copy/default/journal/0000000001.jsonl").read_bytes()
        assert (len(data) == file.stat().st_size) is longer
        files.before_append = lambda: file.write_bytes(data)
        with pytest.raises(UnknownOutcomeError if longer else StoreDamagedError):
            named.save("alpha", {"n": 5})
        with pytest.raises(SheetSyncError):
            named.save("alpha", {"n": 6})
    if not longer:  # nothing was written behind the older end
        assert file.read_bytes() == data


@pytest.mark.parametrize("full", [False, True], ids=["", "the disk is full"])
@pytest.mark.parametrize("size", [1, 500])
@pytest.mark.parametrize("saved_before", [False, True])
@pytest.mark.parametrize("way", ["moved", "removed"])
def test_what_was_saved_in_a_folder_that_took_the_place_of_the_locked_one_stays(
    way: str, saved_before: bool, size: int, full: bool, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    files, journal = Hooked(folder), folder / "default/journal"
    with closing(opened(folder)) as first:
        save(first, 1, 4)
    acknowledged: list[int] = []

    def replace_folder() -> None:
        shutil.copytree(journal, tmp_path / "copy")
        if way == "removed":
            shutil.rmtree(journal)
        else:
            journal.rename(tmp_path / "away")
        shutil.copytree(tmp_path / "copy", journal)

    def save_elsewhere() -> None:
        with closing(opened(folder)) as other:
            acknowledged.append(other.save("beta", {"n": "b" * size}).commit)
        files.full = full

    with closing(opened(folder, files)) as named:
        if saved_before:
            save(named, 5, 5)
        files.before_size, files.before_append = replace_folder, save_elsewhere
        mine = 0
        with suppress(UnknownOutcomeError, TryLaterError, StoreDamagedError):
            mine = named.save("alpha", {"n": "a"}).commit
    assert acknowledged
    assert mine not in acknowledged
    with closing(opened(folder)) as named:
        found = named.latest("beta")
        assert found is not None
        assert found.content == {"n": "b" * size}
        assert found.commit == acknowledged[0]


@pytest.mark.parametrize("torn", [0, 100])
def test_a_torn_line_hides_no_index_that_tells_of_later_ones(torn: int, folder: Path) -> None:
    file = folder / "default/journal/0000000001.jsonl"
    with closing(opened(folder)) as writer:
        save(writer, 1, 2)
        with closing(opened(folder)) as idle:
            assert idle.store.head() == 2
            save(writer, 3, 3)
            older = file.read_bytes()
            save(writer, 4, 9)
            writer.store.rebuild_index()
            newer = file.read_bytes()
            file.write_bytes(newer[: len(older) + torn])
            with pytest.raises(StoreDamagedError, match="tells of entry 9"):
                idle.latest("alpha")
            file.write_bytes(newer)
            assert idle.store.head() == 9


def test_an_index_that_could_not_be_read_once_is_asked_again(folder: Path) -> None:
    class Failing(PosixFileSystem):
        fails = False

        def read(self, path: str) -> bytes:
            if self.fails and path.endswith("index.json"):
                raise OSError(errno.EIO, "bad sector", path)
            return super().read(path)

    folder.mkdir()
    files, file = Failing(folder), folder / "default/journal/0000000001.jsonl"
    with closing(opened(folder)) as writer:
        save(writer, 1, 2)
        with closing(opened(folder, files)) as idle:
            assert idle.store.head() == 2
            older = file.read_bytes()
            save(writer, 3, 9)
            writer.store.rebuild_index()
            newer = file.read_bytes()
            file.write_bytes(older)
            files.fails = True
            idle.latest("alpha")
            files.fails = False
            with pytest.raises(StoreDamagedError, match="tells of entry 9"):
                idle.save("beta", {"n": 1})
            file.write_bytes(newer)


@pytest.mark.parametrize("comes_back", [False, True])
def test_a_journal_file_that_goes_in_the_midst_of_a_look_is_said_to_be_gone(
    comes_back: bool, folder: Path, tmp_path: Path
) -> None:
    class Going(PosixFileSystem):
        goes = False

        def read_at(self, path: str, offset: int, length: int) -> bytes:
            file = folder / path
            if not self.goes or length <= BODY_AT:
                return super().read_at(path, offset, length)
            self.goes = False
            file.rename(tmp_path / "away")
            try:
                return super().read_at(path, offset, length)
            finally:
                if comes_back:
                    (tmp_path / "away").rename(file)

    folder.mkdir()
    files = Going(folder)
    with closing(opened(folder)) as writer, closing(opened(folder, files)) as idle:
        save(writer, 1, 60)  # more than what is read of an open file
        files.goes = True
        if comes_back:
            assert idle.store.head() == 60
        else:
            with pytest.raises(StoreDamagedError):
                idle.store.head()


def test_a_foreign_index_does_not_close_the_store_when_a_writer_dies_later(folder: Path, tmp_path: Path) -> None:
    file, index = folder / "default/journal/0000000001.jsonl", folder / "default/.store/index.json"
    with closing(opened(folder)) as named:
        save(named, 1, 4)
        shutil.copytree(folder, tmp_path / "copy")
        save(named, 5, 9)
        named.store.rebuild_index()
    newer = index.read_bytes()
    shutil.rmtree(folder)
    shutil.copytree(tmp_path / "copy", folder)
    index.parent.mkdir(exist_ok=True)
    index.write_bytes(newer)
    told: list[str] = []
    with Store.open(folder, tell=told.append) as store:
        assert store.head() == 4
    assert [line for line in told if "the index tells of entry 9" in line]
    kept = list((folder / "default/.store/aside").iterdir())
    assert [path.read_bytes() for path in kept if "index" in path.name] == [newer]
    notes = [(one.path, one.damage) for one in fsck(folder).findings]
    assert notes == [(".store/aside/foreign-index.json.0", False)]
    with closing(opened(folder)) as named:
        save(named, 10, 10)
    line = file.read_bytes().splitlines()[-1]
    with file.open("ab") as end:
        end.write(line[: len(line) // 2])  # a writer was killed in the midst of its append
        os.fsync(end.fileno())
    told.clear()
    with Store.open(folder, tell=told.append) as store:
        assert store.head() == 5
    assert not [line for line in told if "index" in line]


def test_a_foreign_index_beside_an_empty_journal_does_not_stay(folder: Path) -> None:
    with closing(opened(folder)) as named:
        save(named, 1, 9)
        named.store.rebuild_index()
    index = (folder / "default/.store/index.json").read_bytes()
    for path in (folder / "default").iterdir():
        shutil.rmtree(path)
    (folder / "default/.store").mkdir()
    (folder / "default/.store/index.json").write_bytes(index)
    told: list[str] = []
    with Store.open(folder, tell=told.append):
        assert [line for line in told if "tells of entry 9" in line]
    told.clear()
    with Store.open(folder, tell=told.append) as store:
        assert store.head() == 0
    assert not told
    assert [one.path for one in fsck(folder).findings] == [".store/aside/foreign-index.json.0"]


def test_an_index_that_another_opening_wrote_meanwhile_is_not_kept_aside(monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()
    key = "default/.store/index.json"
    with Store.on(ObjectBackend(objects, "x")) as store:
        for number in range(3):
            store.note(CTX, "", {"n": number})
        store.rebuild_index()
        foreign = objects.get(key)
        assert foreign is not None
    for kept in [kept for kept in objects.list("default/") if kept != key]:
        del objects._objects[kept]
    recovered = recovery.recover

    def slowly(*args: Any) -> int:
        seen = recovered(*args)
        with monkeypatch.context() as patch:
            patch.setattr("sheetsync.store.store.recover", recovered)
            with Store.on(ObjectBackend(objects, "x")) as quicker:
                quicker.note(CTX, "", {})
                quicker.rebuild_index()
        return seen

    monkeypatch.setattr("sheetsync.store.store.recover", slowly)
    with Store.on(ObjectBackend(objects, "x")):
        pass
    kept_aside = [objects.get(name) for name in objects.list("default/.store/aside/")]
    assert kept_aside == [foreign]


def test_an_error_of_a_signal_handler_is_not_taken_for_another_end(folder: Path) -> None:
    class Interrupted(PosixFileSystem):
        raises = False

        def append(self, path: str, offset: int, data: bytes) -> None:
            super().append(path, offset, data)
            if self.raises:
                self.raises = False
                raise FileExistsError("a handler's own file")

    folder.mkdir()
    files = Interrupted(folder)
    with closing(opened(folder, files)) as named:
        save(named, 1, 2)
        files.raises = True
        with pytest.raises(UnknownOutcomeError):
            named.store.note(CTX, "once", {})
    with closing(opened(folder)) as named:
        assert [commit.why for commit in named.store.log()].count("once") == 1


@pytest.mark.parametrize("which", ["journal", ".store", "record"])
def test_a_descriptor_that_something_else_closed_is_no_lock_and_no_folder(
    which: str, folder: Path, tmp_path: Path
) -> None:
    strange = tmp_path / "strange"
    strange.mkdir()
    other = os.open(strange, os.O_RDONLY | os.O_DIRECTORY)
    folder.mkdir()
    files, locked = Hooked(folder), list[bool]()

    def is_locked() -> None:
        journal = os.open(folder / "default/journal", os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
            locked.append(False)
        except BlockingIOError:
            locked.append(True)
        finally:
            os.close(journal)

    with closing(opened(folder, files)) as named:
        save(named, 1, 2)
        found = named.latest("alpha")
        assert found is not None
        path = folder / "default" / (which if which != "record" else found.path.rpartition("/")[0])
        taken = 0
        for link in list(Path("/proc/self/fd").iterdir()):
            with suppress(OSError):
                if link.readlink() == path:
                    os.dup2(other, int(link.name))  # as after a double close, in another library
                    taken += 1
        assert taken
        files.before_append = is_locked
        with suppress(SheetSyncError):
            save(named, 3, 4)
            named.store.compact()
    os.close(other)
    assert locked in ([], [True])
    assert not list(strange.iterdir())
    with closing(opened(folder)) as named:
        save(named, 5, 5)
    assert fsck(folder).exit_code == 0


def test_a_foreign_index_is_kept_aside_by_an_open_handle_too(folder: Path, tmp_path: Path) -> None:
    index = folder / "default/.store/index.json"
    with closing(opened(folder)) as named:
        save(named, 1, 1)
        shutil.copytree(folder, tmp_path / "copy")
    with closing(opened(tmp_path / "copy")) as other:
        save(other, 2, 9)
        other.store.rebuild_index()
    told: list[str] = []
    with Store.open(folder, tell=told.append) as store:
        index.parent.mkdir(exist_ok=True)
        newer = (tmp_path / "copy/default/.store/index.json").read_bytes()
        index.write_bytes(newer)
        store.compact()
        store.compact()
    assert len([line for line in told if "the index tells of entry 9" in line]) == 1
    assert (folder / "default/.store/aside/foreign-index.json.0").read_bytes() == newer
    (folder / "default/.store/aside/foreign-index.json.0").rename(tmp_path / "settled")
    (folder / "default/.store/aside/foreign-index.json.1").write_bytes(newer)
    assert [one.path for one in fsck(folder).findings] == [".store/aside/foreign-index.json.1"]


@pytest.mark.parametrize("how", ["untouched", "its mode changed", "another process wrote ours over it"])
def test_a_foreign_index_is_told_of_though_the_journal_grew_past_it(how: str, folder: Path, tmp_path: Path) -> None:
    index = folder / "default/.store/index.json"
    with closing(opened(folder)) as named:
        save(named, 1, 1)
        shutil.copytree(folder, tmp_path / "copy")
    with closing(opened(tmp_path / "copy")) as other:
        save(other, 2, 9)
        other.store.rebuild_index()
    told: list[str] = []
    with Store.open(folder, tell=told.append) as store:
        newer = (tmp_path / "copy/default/.store/index.json").read_bytes()
        index.write_bytes(newer)
        assert store.head() == 1
        save(VersionedStore(CTX, store=store), 2, 12)
        assert len([line for line in told if "the index tells of entry 9" in line]) == 1
        if how == "its mode changed":
            index.chmod(0o640)
        if how == "another process wrote ours over it":
            with closing(opened(folder)) as other:
                other.store.compact()
        store.compact()
        store.compact()
    assert len(told) == 1
    kept = list((folder / "default/.store").glob("aside/*"))
    assert [one.read_bytes() for one in kept] == ([] if how.startswith("another") else [newer])


def test_an_index_that_another_handle_wrote_since_is_not_taken_for_the_foreign_one(
    folder: Path, tmp_path: Path
) -> None:
    index = folder / "default/.store/index.json"
    with closing(opened(folder)) as named:
        save(named, 1, 1)
        shutil.copytree(folder, tmp_path / "copy")
    with closing(opened(tmp_path / "copy")) as other:
        save(other, 2, 9)
        other.store.rebuild_index()
    told: list[str] = []
    with Store.open(folder, tell=told.append) as store, closing(opened(folder)) as other:
        index.parent.mkdir(exist_ok=True)
        index.write_bytes((tmp_path / "copy/default/.store/index.json").read_bytes())
        assert store.head() == 1
        save(other, 2, 9)
        other.store.rebuild_index()  # it tells of entry 9, too
        store.compact()
    assert len(list((folder / "default/.store/aside").iterdir())) == 1
    assert len(told) == 1  # that it was there
