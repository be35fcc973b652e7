"""A copy is put back over a live store, or its journal is harmed, while a process has it open and stands before that.

A new opening refuses such a store; who has it open must too: what it saved would be a fork, and lost.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import Store, VersionedStore, fsck
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


@pytest.mark.parametrize("use", USES)
def test_the_journal_alone_is_put_back_and_the_checkpoint_tells_of_more(
    use: str, folder: Path, journal: Path, writer: VersionedStore
) -> None:
    with closing(opened(folder)) as idle:
        assert idle.store.head() == 3
        file = journal / "0000000001.jsonl"
        older = file.read_bytes()
        save(writer, 4, 5)
        writer.store.compact()
        writer.close()
        newer = file.read_bytes()
        file.write_bytes(older)
        with pytest.raises(StoreDamagedError, match="it ends at entry 3, but entry 5 was there"):
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
