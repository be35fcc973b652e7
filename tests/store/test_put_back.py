"""A copy is put back over a live store, or its journal is harmed, while a process has it open and stands before that.

A new opening refuses such a store; who has it open must too: what it saved would be a fork, and lost.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.entry import BODY_AT
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation

CTX = RequestContext(user="ada")
FIVE = Rotation(entries=5)


def opened(folder: Path) -> VersionedStore:
    """The store, of which each journal file holds five entries."""
    folder.mkdir(exist_ok=True)
    store = Store.on(LocalBackend(PosixFileSystem(folder), "test", rotation=FIVE))
    return VersionedStore(CTX, store=store)


def save(named: VersionedStore, first: int, last: int) -> None:
    for number in range(first, last + 1):
        named.save("alpha", {"n": number})


def newest(named: VersionedStore) -> object:
    found = named.latest("alpha")
    return None if found is None else found.content


@pytest.fixture
def journal(folder: Path) -> Path:
    return folder / "default/journal"


@pytest.fixture
def writer(folder: Path) -> Iterator[VersionedStore]:
    """One with three entries, in the first journal file."""
    with closing(opened(folder)) as named:
        save(named, 1, 3)
        yield named


USES: dict[str, Callable[[VersionedStore], object]] = {
    "head": lambda named: named.store.head(),
    "latest": lambda named: named.latest("alpha"),
    "a save that changes nothing": lambda named: named.save("alpha", {"n": 3}),
    "a save": lambda named: named.save("beta", {"n": 1}),
}


@pytest.mark.parametrize("use", USES)
def test_later_journal_files_stay_when_an_older_copy_is_put_over_them(
    use: str, folder: Path, journal: Path, writer: VersionedStore, tmp_path: Path
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 3
        copy = tmp_path / "copy"
        shutil.copytree(folder, copy)
        save(writer, 4, 12)
        writer.close()
        whole = {path: path.read_bytes() for path in journal.iterdir()}
        shutil.copytree(copy, folder, dirs_exist_ok=True)  # in place, and the times as they were, as 'cp -a' does
        with pytest.raises(StoreDamagedError, match=r"entry 4 is missing or broken, but 0000000006.jsonl goes on"):
            USES[use](idle)
        with pytest.raises(StoreDamagedError):  # and it stays so
            idle.save("beta", {"n": 2})
        for path, data in whole.items():
            path.write_bytes(data)
        assert newest(idle) == {"n": 12}
        assert idle.save("beta", {"n": 3}).commit == 13
    assert fsck(folder).exit_code == 0


@pytest.mark.parametrize(
    ("tell", "told"),
    [
        (Store.compact, "it ends at entry 3, but entry 5 was there"),
        (Store.rebuild_index, "the index tells of entry 5, and snapshots that it lacks"),
    ],
    ids=["checkpoint", "index"],
)
@pytest.mark.parametrize("use", USES)
def test_the_journal_alone_is_put_back_and_the_work_folder_tells_of_more(
    use: str, tell: Callable[[Store], object], told: str, folder: Path, journal: Path, writer: VersionedStore
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 3
        file = journal / "0000000001.jsonl"
        older = file.read_bytes()
        save(writer, 4, 5)
        tell(writer.store)
        writer.close()
        newer = file.read_bytes()
        file.write_bytes(older)
        with pytest.raises(StoreDamagedError, match=told):
            USES[use](idle)
        with pytest.raises(StoreDamagedError):
            idle.save("beta", {"n": 2})
        file.write_bytes(newer)
        assert idle.save("beta", {"n": 3}).commit == 6
    assert fsck(folder).exit_code == 0


@pytest.mark.parametrize("use", USES)
def test_the_next_journal_file_is_lost_under_a_reader_at_the_end_of_a_full_one(
    use: str, folder: Path, journal: Path, writer: VersionedStore, tmp_path: Path
) -> None:
    save(writer, 4, 5)
    with closing(opened(folder)) as idle:
        assert newest(idle) == {"n": 5}
        save(writer, 6, 16)
        (journal / "0000000006.jsonl").rename(tmp_path / "away")
        with pytest.raises(StoreDamagedError, match=r"entry 6 is missing or broken, but 0000000011.jsonl goes on"):
            USES[use](idle)
        (tmp_path / "away").rename(journal / "0000000006.jsonl")
        assert newest(idle) == {"n": 16}


def test_an_open_reader_takes_a_flipped_last_line_for_no_tear(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 3
        save(writer, 4, 4)
        file = journal / "0000000001.jsonl"
        right = file.read_bytes()
        at = right.rindex(b'"why"') + 1
        file.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
        with pytest.raises(StoreDamagedError, match="the line after entry 3 was whole"):
            idle.latest("alpha")
        file.write_bytes(right)
        assert newest(idle) == {"n": 4}


@pytest.mark.parametrize("damage", ["lost", "added"])
def test_what_was_read_of_damaged_lines_is_not_believed_once_they_are_put_right(
    damage: str, folder: Path, journal: Path
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        save(named, 1, 12)
        named.store.compact()
    file = journal / "0000000001.jsonl"
    right = file.read_bytes()
    feeds = [at for at, byte in enumerate(right) if byte == 0x0A]
    at, byte = (feeds[1], b"*") if damage == "lost" else (feeds[1] - 30, b"\n")
    file.write_bytes(right[:at] + byte + right[at + 1 :])
    with VersionedStore(CTX, url=folder) as idle:  # the index spares it to read them
        for number in (5, 6, 7, 9):
            with suppress(StoreDamagedError):
                idle.store.commit(number)
        file.write_bytes(right)
        assert [idle.store.commit(number).number for number in (5, 6, 7, 9)] == [5, 6, 7, 9]
        assert [commit.number for commit in idle.store.log()] == list(range(1, 13))


def test_who_appended_to_a_journal_file_reads_the_one_that_was_put_in_its_place(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    with closing(opened(folder)) as other:
        save(other, 4, 12)
    assert newest(writer) == {"n": 12}
    file = journal / "0000000001.jsonl"
    right = file.read_bytes()
    at = right.index(b'"n":2,"id":"') + 15
    file.write_bytes(right[:at] + b"*" + right[at + 1 :])
    with pytest.raises(StoreDamagedError):
        writer.store.commit(2)
    repaired = journal / "repaired"
    repaired.write_bytes(right)
    repaired.rename(file)
    assert writer.store.commit(2).number == 2


@pytest.mark.parametrize("use", USES)
def test_a_journal_that_was_lost_is_not_begun_anew_by_who_opened_the_empty_store(
    use: str, folder: Path, journal: Path
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 0
        with closing(opened(folder)) as writer:
            save(writer, 1, 3)
        file = journal / "0000000001.jsonl"
        data = file.read_bytes()
        file.unlink()
        with pytest.raises(StoreDamagedError, match="the journal is gone, but snapshots are in the folders"):
            USES[use](idle)
        file.write_bytes(data)
        assert newest(idle) == {"n": 3}


@pytest.mark.parametrize(
    ("harm", "told"),
    [
        (lambda data: data[:-40], "was cut: it has"),
        (lambda data: None, "is gone|was cut: it has 0 bytes"),
    ],
)
@pytest.mark.parametrize("use", USES)
def test_a_full_journal_file_stays_what_it_was_under_who_stands_at_its_end(
    use: str, harm: Callable[[bytes], bytes | None], told: str, folder: Path, journal: Path, writer: VersionedStore
) -> None:
    save(writer, 4, 5)
    file = journal / "0000000001.jsonl"
    right = file.read_bytes()
    harmed = harm(right)
    file.unlink()
    if harmed is not None:
        file.write_bytes(harmed)
    with pytest.raises(StoreDamagedError, match=told):
        USES[use](writer)
    file.write_bytes(right)
    assert newest(writer) == {"n": 5}


def test_what_was_flipped_in_the_newest_line_is_read_anew_once_the_file_was_replaced(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    file = journal / "0000000001.jsonl"
    right = file.read_bytes()
    at = right.rindex(b'"why"') + 1
    file.write_bytes(right[:at] + bytes([right[at] ^ 1]) + right[at + 1 :])
    with pytest.raises(StoreDamagedError):
        writer.store.at(3)
    repaired = journal / "repaired"
    repaired.write_bytes(right)
    repaired.rename(file)
    assert writer.store.at(3).commit == 3


def test_an_opening_that_may_write_refuses_an_older_journal_beside_names_that_it_lacks(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    file = journal / "0000000001.jsonl"
    older = file.read_bytes()
    save(writer, 4, 5)
    writer.store.rebuild_index()
    writer.close()
    file.write_bytes(older)
    with pytest.raises(StoreDamagedError, match="ends at entry 3, the index tells of entry 5, and snapshots"):
        opened(folder)
    assert fsck(folder).exit_code == 9
    for path in (folder / "default/workbench_drafts/ada/alpha").iterdir():
        if int(path.read_bytes().split(b":")[1].rstrip(b"}")) > 3:
            path.unlink()
    said: list[str] = []  # the whole store was put back, or it is another store's index
    with Store.open(folder, tell=said.append) as store:
        assert store.head() == 3
    assert said == ["the journal: it ends at entry 3, the index tells of entry 5: run 'sheetsync fsck'"]


class Busy(PosixFileSystem):
    """A disk at which a writer goes on between one read of a reader and the next."""

    steps: tuple[bytes, ...] = ()

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        data = super().read_at(path, offset, length)
        if length > BODY_AT and self.steps:
            more, *rest = self.steps
            self.steps = tuple(rest)
            with (self.root / path).open("ab") as file:
                file.write(more)
        return data


def test_a_line_that_a_writer_is_at_is_no_damage_to_a_reader(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    disk = Busy(folder)
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, "test", rotation=FIVE))) as reader:
        assert reader.store.head() == 3
        save(writer, 4, 5)
        file = journal / "0000000001.jsonl"
        right = file.read_bytes()
        ends = [at + 1 for at, byte in enumerate(right) if byte == 0x0A]
        half, next_half = ends[2] + 300, ends[3] + 300
        os.truncate(file, half)
        disk.steps = (right[half : ends[3]], right[ends[3] : next_half], right[next_half:])
        assert [reader.store.head() in (3, 4, 5) for _ in range(4)] == [True] * 4
        assert newest(reader) == {"n": 5}
    assert file.read_bytes() == right


def test_a_work_folder_that_is_not_open_to_a_reader_closes_nothing(
    folder: Path, writer: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stamp(files: PosixFileSystem, path: str) -> tuple[int, ...] | None:
        if "/.store/" in path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return real(files, path)

    real = PosixFileSystem.stamp
    monkeypatch.setattr(PosixFileSystem, "stamp", stamp)
    assert newest(writer) == {"n": 3}
    with closing(opened(folder)) as other:
        assert newest(other) == {"n": 3}


def test_what_stands_behind_a_full_file_is_torn_until_the_next_one_is_begun(
    folder: Path, journal: Path, writer: VersionedStore
) -> None:
    save(writer, 4, 5)
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 5
        save(writer, 6, 6)
        writer.close()
        full, following = journal / "0000000001.jsonl", journal / "0000000006.jsonl"
        right = full.read_bytes()
        full.write_bytes(right + b'{"sum":"')
        with pytest.raises(StoreDamagedError, match="was written to: it has"):
            idle.store.head()
        full.write_bytes(right)
        assert newest(idle) == {"n": 6}
        following.unlink()
    for path in (folder / "default/workbench_drafts/ada/alpha").iterdir():
        if b'"n":6' in path.read_bytes():
            path.unlink()
    with closing(opened(folder)) as idle:
        full.write_bytes(right + b'{"sum":"')
        assert newest(idle) == {"n": 5}
        assert idle.save("alpha", {"n": 7}).commit == 6
    assert full.read_bytes() == right
    assert fsck(folder).exit_code == 0


@pytest.mark.parametrize("part", ["default/.store", "default", ""])
def test_a_checkpoint_is_read_where_it_stands_now(
    part: str, folder: Path, journal: Path, writer: VersionedStore, tmp_path: Path
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 3
        away = tmp_path / "away"
        (folder / part).rename(away)
        shutil.copytree(away, folder / part)
        writer.close()
        file = journal / "0000000001.jsonl"
        older = file.read_bytes()
        with closing(opened(folder)) as other:
            save(other, 4, 5)
            other.store.compact()
        newer = file.read_bytes()
        file.write_bytes(older)
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="it ends at entry 3, but entry 5 was there"):
                newest(idle)
        file.write_bytes(newer)
        assert newest(idle) == {"n": 5}


class Meanwhile(PosixFileSystem):
    """A disk at which a writer saves while a reader lists the folders."""

    saves: Callable[[], object] | None = None

    def listdir(self, path: str) -> list[str]:
        if self.saves is not None and path == "default":
            act, self.saves = self.saves, None
            act()
        return super().listdir(path)

    def is_writable(self, path: str) -> bool:
        return False


def test_another_stores_index_beside_a_writer_is_no_damage(
    folder: Path, writer: VersionedStore, tmp_path: Path
) -> None:
    with closing(opened(tmp_path / "other")) as other:
        save(other, 1, 9)
        other.store.rebuild_index()
    shutil.copy(tmp_path / "other/default/.store/index.json", folder / "default/.store/index.json")
    disk = Meanwhile(folder)
    disk.saves = lambda: writer.save("beta", {"n": 1})
    said: list[str] = []
    with Store.on(LocalBackend(disk, "test", rotation=FIVE), tell=said.append) as store:
        assert store.head() == 4
    assert said[1:] == ["the journal: it ends at entry 4, the index tells of entry 9: run 'sheetsync fsck'"]
