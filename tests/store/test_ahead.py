"""The snapshot that is written while the disk is at work on its line: unseen before, and nobody's burden after."""

from __future__ import annotations

import errno
import gc
import os
import shutil
import stat
import sys
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck, nameless
from sheetsync.store.local import LocalBackend
from sheetsync.store.nameless import LESS_THAN_A_PAGE, FileAhead
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation

CTX = RequestContext(user="ada")
pytestmark = pytest.mark.skipif(not nameless.FLAGS, reason="there are no files without a name here")


class Watched(PosixFileSystem):
    """Looks at the disk when a line is about to be made durable."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.seen: list[list[str]] = []
        self.fails = False

    def sync(self, path: str) -> None:
        self.seen.append(sorted(one.name for one in self.root.rglob("*--*.json")))
        if self.fails:
            exc = OSError(errno.EIO, os.strerror(errno.EIO), path)
            exc.failed_sync = True  # type: ignore[attr-defined]
            raise exc
        super().sync(path)


def open_files() -> int:
    """Regular files without a name that this process has open."""
    found = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            there = link.stat()
        except OSError:
            continue
        found += stat.S_ISREG(there.st_mode) and there.st_nlink == 0
    return found


def opened(disk: PosixFileSystem) -> Store:
    return Store.on(LocalBackend(disk, "test"))


def test_a_snapshot_is_written_once_and_has_no_name_until_its_line_is_durable(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.mkdir()
    disk, begun, written = Watched(folder), list[int](), list[bytes]()
    advise, write = os.posix_fadvise, nameless.write_nameless

    def begin(fd: int, offset: int, length: int, advice: int) -> None:
        begun.append(length)
        advise(fd, offset, length, advice)

    def keep(above: int, data: bytes) -> int:
        written.append(data)
        return write(above, data)

    with opened(disk) as store:
        named = VersionedStore(CTX, store=store)
        first = named.save("alpha", {"n": 1})
        monkeypatch.setattr(os, "posix_fadvise", begin)
        monkeypatch.setattr(nameless, "write_nameless", keep)
        disk.seen.clear()
        second = named.save("alpha", {"n": 2})
        assert disk.seen == [[first.filename]]
        assert len(written) == len(begun) == 1
        large = named.save("alpha", {"n": "x" * 100_000})
        assert len(written) == len(begun) == 2
        assert begun[1] == LESS_THAN_A_PAGE  # a whole page would be dropped from the cache
        named.save("beta", {"n": 1})  # a new record's folder is not there yet
        assert len(begun) == 2
    found = sorted(path.name for path in (folder / "default" / first.path).parent.iterdir())
    assert found == [first.filename, second.filename, large.filename]
    assert (folder / "default" / second.path).read_bytes() == written[0]
    assert fsck(folder).exit_code == 0


def test_it_is_gone_where_its_line_did_not_become_durable(folder: Path) -> None:
    folder.mkdir()
    gc.collect()
    disk, before = Watched(folder), open_files()
    with opened(disk) as store:
        named = VersionedStore(CTX, store=store)
        first = named.save("alpha", {"n": 1})
        disk.fails = True
        with pytest.raises(UnknownOutcomeError):
            named.save("alpha", {"n": 2})
        assert [path.name for path in (folder / "default" / first.path).parent.iterdir()] == [first.filename]
    assert open_files() == before


@pytest.mark.parametrize("broken", ["posix_fadvise", "open", "write"])
def test_what_fails_ahead_is_done_after_the_commit(broken: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with closing(VersionedStore(CTX, url=folder)) as named:
        named.save("alpha", {"n": 1})

        def fail(*_: object, **__: object) -> int:
            monkeypatch.undo()
            raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

        if broken == "open":
            monkeypatch.setattr(nameless, "write_nameless", fail)
        elif broken == "write":
            monkeypatch.setattr(nameless, "write_all", fail)
        else:
            monkeypatch.setattr(os, "posix_fadvise", fail)
        before = open_files()
        found = named.save("alpha", {"n": 2})
        assert (folder / "default" / found.path).exists()
        assert open_files() == before
    assert fsck(folder).exit_code == 0


def test_without_that_advice_nothing_is_missing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise")
    with closing(VersionedStore(CTX, url=folder)) as named:
        named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
    assert fsck(folder).exit_code == 0


def test_only_what_was_announced_is_taken_and_one_at_a_time(tmp_path: Path) -> None:
    before = open_files()
    ahead, data = FileAhead(), b"same"
    with (tmp_path / "line").open("wb") as line, Path("/dev/null").open() as other:
        place = os.open(tmp_path, os.O_RDONLY | os.O_DIRECTORY)

        def above(path: str) -> tuple[int, str]:
            if path == "link":
                raise StoreDamagedError("a link")
            return (other.fileno() if path == "gone" else place), path

        for path in ("link", "gone"):
            ahead.announce(path, data)
            ahead.write((line.fileno(), 0, 4), above)
            assert ahead.ready(path, data) == -1
        ahead.announce("a", data)
        ahead.write((line.fileno(), 0, 4), above)
        assert ahead.ready("b", data) == -1
        assert ahead.ready("a", bytes(bytearray(data))) == -1
        ahead.announce("c", data)
        assert open_files() == before  # that of "a" was given back
        ahead.write((line.fileno(), 0, 4), above)
        ahead.write((line.fileno(), 0, 4), above)
        assert open_files() == before + 1
        nameless.name_file(ahead.ready("c", data), place, "c")
        ahead.done("b")
        assert ahead.ready("c", data) >= 0
        ahead.done("c")
        assert ahead.ready("c", data) == -1
        os.close(place)
    ahead.close()
    assert (tmp_path / "c").read_bytes() == data
    assert open_files() == before


@pytest.mark.parametrize("instead", ["nothing", "a copy", "a link"])
@pytest.mark.parametrize("which", ["record", "kind", "default"])
def test_what_is_moved_away_while_the_line_is_made_durable_gets_no_name(
    which: str, instead: str, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    away = tmp_path / "away"

    class Moving(PosixFileSystem):
        moved: Path | None = None

        def sync(self, path: str) -> None:
            super().sync(path)
            if self.moved is not None:
                self.moved.rename(away)
                if instead == "a copy":
                    shutil.copytree(away, self.moved)
                if instead == "a link":
                    self.moved.symlink_to(away)
                self.moved = None

    disk = Moving(folder)
    with Store.on(LocalBackend(disk, "test")) as store:
        named = VersionedStore(CTX, store=store)
        found = folder / "default" / named.save("alpha", {"n": 1}).path
        disk.moved = {"record": found.parent, "kind": found.parents[2]}.get(which, folder / "default")
        there = len(list(disk.moved.rglob("alpha--*")))
        with suppress(SheetSyncError):
            named.save("alpha", {"n": 2})
        assert len(list(away.rglob("alpha--*"))) == there
        if which != "default" and instead != "a link":
            second = folder / "default" / list(named.history("alpha"))[-1].path
            assert second.exists()
            store.compact()
    if which != "default" and instead != "a link":
        VersionedStore(CTX, url=folder).close()
        assert second.exists()


def test_a_save_that_failed_leaves_nothing_on_the_disk(folder: Path) -> None:
    folder.mkdir()

    class Full(PosixFileSystem):
        full = False

        def append(self, path: str, offset: int, data: bytes) -> None:
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            super().append(path, offset, data)

    disk, before = Full(folder), open_files()
    with Store.on(LocalBackend(disk, "test")) as store:
        named = VersionedStore(CTX, store=store)
        named.save("alpha", {"n": 1})
        disk.full = True
        with pytest.raises(TryLaterError):
            named.save("alpha", {"n": 2})
        disk.full = False
        store.note(CTX, "a note", {})
        assert open_files() == before
        named.save("alpha", {"n": 3})
        assert open_files() == before


def test_an_unknown_outcome_leaves_no_open_file(folder: Path) -> None:
    folder.mkdir()
    disk, before = Watched(folder), open_files()
    with opened(disk) as store:
        named = VersionedStore(CTX, store=store)
        named.save("alpha", {"n": 1})
        disk.fails = True
        with pytest.raises(UnknownOutcomeError):
            named.save("alpha", {"n": 2})
        assert open_files() == before


def test_nothing_is_written_ahead_of_a_new_journal_file(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    written: list[bytes] = []
    write = nameless.write_nameless

    def keep(above: int, data: bytes) -> int:
        if sys._getframe(1).f_code.co_name == "write":  # ahead, and not by `place_nameless`
            written.append(data)
        return write(above, data)

    monkeypatch.setattr(nameless, "write_nameless", keep)
    with Store.on(LocalBackend(PosixFileSystem(folder), "test", rotation=Rotation(entries=2))) as store:
        named = VersionedStore(CTX, store=store)
        for number in range(1, 7):
            named.save("alpha", {"n": number})
    assert len(written) == 3  # the second, fourth and sixth
