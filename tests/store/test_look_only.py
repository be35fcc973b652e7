"""A store that cannot be written is opened for reading: what it shows as the newest is the newest, or it is refused."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable

import pytest

from sheetsync.errors import StoreDamagedError
from sheetsync.store import Store
from sheetsync.store.index import INDEX
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.store.rules import JOURNAL, save

CHECKPOINT, INDEX_PATH = "default/.store/checkpoint.json", f"default/.store/{INDEX}"


class WatchedDisk(SimulatedDisk):
    """A disk that this process may not write to, once `closed`; somebody else works at it while it is read."""

    closed = has_worked = False
    unreadable: frozenset[str] = frozenset()
    meanwhile: tuple[str, Callable[[], None]] | None = None  # once, before this path is read

    def is_writable(self, path: str) -> bool:
        return not self.closed and super().is_writable(path)

    def _read_by_us(self, path: str) -> None:
        if self.meanwhile is not None and self.meanwhile[0] == path:
            (_, work), self.meanwhile = self.meanwhile, None
            work()
            self.has_worked = True

    def read(self, path: str) -> bytes:
        self._read_by_us(path)
        return super().read(path)

    def listdir(self, path: str) -> list[str]:
        if path in self.unreadable:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        self._read_by_us(path)
        return super().listdir(path)

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        if path in self.unreadable and offset == 0:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
        return super().read_at(path, offset, length)


def filled() -> tuple[WatchedDisk, Store]:
    """A store with two saves of one record."""
    disk = WatchedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    save(store, "a", 2)
    return disk, store


def overwrite(disk: SimulatedDisk, data: bytes) -> None:
    disk.unlink(JOURNAL)
    disk.create(JOURNAL, data)


def flip_last_line(disk: SimulatedDisk, _: Store) -> None:
    data = bytearray(disk.read(JOURNAL))
    data[data.rindex(b'"why"') + 1] ^= 1
    overwrite(disk, bytes(data))


def cut_behind_a_checkpoint(disk: SimulatedDisk, store: Store) -> None:
    store.compact()
    disk.unlink(INDEX_PATH)
    disk.truncate(JOURNAL, disk.read(JOURNAL).index(b"\n") + 1)


def tear_behind_an_index(disk: SimulatedDisk, store: Store) -> None:
    store.rebuild_index()
    for path in [path for path in disk.tree() if "/a--" in path]:
        disk.unlink(path)
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 20)


def flip_the_last_line_feed(disk: SimulatedDisk, store: Store) -> None:
    store.note(CTX, "nothing in the folders tells of it", {})
    overwrite(disk, disk.read(JOURNAL)[:-1] + b"\x8a")


def lose_the_journal(disk: SimulatedDisk, _: Store) -> None:
    disk.unlink(JOURNAL)


Harm = Callable[[SimulatedDisk, Store], None]


@pytest.mark.parametrize(
    "harm",
    [flip_last_line, cut_behind_a_checkpoint, tear_behind_an_index, flip_the_last_line_feed, lose_the_journal],
)
def test_a_journal_that_lost_commits_is_refused_by_who_cannot_write_too(harm: Harm) -> None:
    disk, store = filled()
    harm(disk, store)
    with pytest.raises(StoreDamagedError) as of_writer:
        open_store(disk.after_kill())
    disk.closed = True
    before = disk.tree()
    with pytest.raises(StoreDamagedError) as of_reader:
        open_store(disk)
    assert of_reader.value.message == of_writer.value.message
    assert disk.tree() == before


def test_a_torn_line_and_an_index_beyond_the_end_are_no_damage_to_a_reader() -> None:
    disk, store = filled()
    store.rebuild_index()
    for path in [path for path in disk.tree() if "/a--" in path]:
        disk.unlink(path)
    disk.truncate(JOURNAL, disk.read(JOURNAL).index(b"\n") + 1)  # an older copy, or another store's index
    disk.closed = True
    said: list[str] = []
    assert open_store(disk, said=said).head() == 1
    assert said[1:] == ["the journal: it ends at entry 1, the index tells of entry 2: run 'sheetsync fsck'"]
    disk.unlink(INDEX_PATH)
    disk.append(JOURNAL, disk.size(JOURNAL) or 0, b'{"sum":"12')
    assert open_store(disk, said=said).head() == 1
    assert len(said) == 3


def test_what_a_reader_may_not_look_at_closes_nothing() -> None:
    disk, store = filled()
    store.rebuild_index()
    disk.append(JOURNAL, disk.size(JOURNAL) or 0, b'{"sum":"12')
    disk.closed, disk.unreadable = True, frozenset({JOURNAL})  # but for its end
    said: list[str] = []
    store = open_store(disk, said=said)
    latest = store.latest(record("a"))
    assert latest is not None
    assert latest.content == {"value": 2}
    assert [line for line in said if "cannot be told" in line]


# --- beside a writer ----------------------------------------------------------------------------------------------
def saved_twice(store: Store) -> Callable[[], None]:
    def work() -> None:
        save(store, "b", 1)
        save(store, "b", 2)
        store.compact()

    return work


@pytest.mark.parametrize(
    ("path", "torn"),
    [(CHECKPOINT, False), (CHECKPOINT, True), (INDEX_PATH, True), ("default/things/a", True), ("default/things", True)],
)
def test_commits_and_checkpoints_that_come_while_it_is_looked_are_no_damage(path: str, torn: bool) -> None:
    disk, store = filled()
    if torn:  # the writer at work cuts it
        disk.append(JOURNAL, disk.size(JOURNAL) or 0, b'{"sum":"12')
    disk.meanwhile = (path, saved_twice(store))
    disk.closed = True
    said: list[str] = []
    assert open_store(disk, said=said).head() == 4
    assert disk.has_worked
    assert len(said) == 1


def test_a_first_commit_that_comes_while_it_is_looked_is_no_damage() -> None:
    disk = WatchedDisk()
    store = open_store(disk)
    disk.meanwhile = ("default", lambda: save(store, "b", 1))
    disk.closed = True
    assert open_store(disk).head() == 1


@pytest.mark.parametrize("at", ["default", "default/things/a", CHECKPOINT, INDEX_PATH])
def test_a_line_that_is_just_being_written_is_no_damage(at: str) -> None:
    disk, store = filled()
    size = disk.size(JOURNAL) or 0
    save(store, "b", 1)
    line = disk.read(JOURNAL)[size:]
    (name,) = (path for path in disk.tree() if "/b--" in path)
    data = disk.read(name)
    disk.unlink(name)
    disk.truncate(JOURNAL, size + len(line) // 2)

    def finish() -> None:
        disk.append(JOURNAL, size + len(line) // 2, line[len(line) // 2 :])
        disk.create(name, data)

    disk.meanwhile = (at, finish)
    disk.closed = True
    assert open_store(disk).head() == 3
