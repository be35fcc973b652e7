"""A failed fsync leaves a doubt: on a disk that cannot settle it the store is read, and nothing piles up."""

from __future__ import annotations

import errno
import os

import pytest

from sheetsync.errors import DestinationError, UnknownOutcomeError
from sheetsync.store.doubt import note_doubt
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import FULL, Fault


class FailingDisk(SimulatedDisk):
    """A disk that writes no data any more: the fsync of each file with new data fails, once; the mount stays."""

    def __init__(self) -> None:
        super().__init__()
        self.failing = False
        self.told: set[int] = set()

    def sync(self, path: str) -> None:
        node = self._file(path)
        if not self.failing or node.data == node.safe_data:
            super().sync(path)
        elif id(node) not in self.told:
            self.told.add(id(node))
            error = OSError(errno.EIO, os.strerror(errno.EIO), path)
            error.failed_sync = True  # type: ignore[attr-defined]
            raise error


def test_a_doubt_on_a_failing_disk_keeps_nobody_from_reading() -> None:
    disk = FailingDisk()
    store = open_store(disk)
    with store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.failing = True
    with pytest.raises(UnknownOutcomeError), store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 2, "pad": ""})
    for _ in range(2):
        said: list[str] = []
        reading = open_store(disk, said=said)
        assert [snapshot.content for snapshot in reading.latest_all("default")] == [{"value": 2, "pad": ""}]
        assert any("a disk failed under the journal" in line for line in said)
        with pytest.raises(DestinationError), reading.transaction(CTX) as tx:
            tx.save(record("a"), {"value": 3, "pad": ""})
    assert "default/.store/doubt" in disk.tree()


@pytest.mark.parametrize(
    ("kind", "code"), [("sync", errno.EDQUOT), ("sync", errno.EIO), ("rename", errno.ENOSPC), ("write", errno.ENOSPC)]
)
def test_a_doubt_that_cannot_be_settled_leaves_no_copies_behind(kind: str, code: int) -> None:
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.create("default/.store/doubt", b"")

    def refuse(operation: str, path: str) -> None:
        if operation == kind and ("/temp/" in path or (kind == "rename" and path.endswith(".jsonl"))):
            raise OSError(code, os.strerror(code), path)

    disk.before = refuse
    assert not open_store(disk).writable
    assert not [path for path in disk.tree() if "/temp/" in path]


def test_no_index_is_written_of_a_journal_in_doubt() -> None:
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.create("default/.store/doubt", b"")
    disk.before = Fault(FULL - {"mkdir"}, 1, errno.ENOSPC, lasting=True)
    reading = open_store(disk)
    disk.before = lambda *_: None  # room comes back
    with pytest.raises(DestinationError, match="opened for reading"):
        reading.rebuild_index()
    assert "default/.store/index.json" not in disk.tree()


@pytest.mark.parametrize("when", ["rename", "unlink"])
def test_a_doubt_that_is_noted_while_another_is_settled_is_settled_too(when: str) -> None:
    """Who reads holds no lock, and its fsync may fail at that very moment."""
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.create("default/.store/doubt", b"0000000099.jsonl")  # another file's: ours is not written anew for it
    written: list[str] = []

    def note(operation: str, path: str) -> None:
        written.append(f"{operation} {path}")
        if operation == when and path.startswith("default/.store/doubt") and when not in noted:
            noted.append(when)
            disk.create("default/.store/doubt.new", b"0000000001.jsonl")
            disk.rename("default/.store/doubt.new", "default/.store/doubt")

    noted: list[str] = []
    disk.before = note
    assert open_store(disk).writable
    assert noted
    assert any(line.startswith("rename") and line.endswith("0000000001.jsonl") for line in written), written
    assert not [path for path in disk.tree() if "doubt" in path]


def test_what_was_noted_meanwhile_is_where_all_look_before_it_is_settled() -> None:
    """For that may fail, and others must not believe those lines then."""
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    other = open_store(disk)
    disk.create("default/.store/doubt", b"0000000099.jsonl")

    def note(operation: str, path: str) -> None:
        if operation == "rename" and path.startswith("default/.store/doubt") and not noted:
            noted.append(path)
            disk.create("default/.store/doubt.new", b"0000000001.jsonl")
            disk.rename("default/.store/doubt.new", "default/.store/doubt")
        if operation == "rename" and path.endswith(".jsonl"):
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    noted: list[str] = []
    disk.before = note
    assert not open_store(disk).writable
    assert noted
    disk.before = lambda *_: None
    with pytest.raises(UnknownOutcomeError, match="a disk failed under the journal"):
        other.head()
    assert [path for path in disk.tree() if "doubt" in path] == ["default/.store/doubt"]


def test_a_doubt_of_all_files_is_not_narrowed_to_one() -> None:
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    for there, added, wanted in ((b"", {"0000000001.jsonl"}, b""), (b"0000000002.jsonl", set[str](), b"")):
        disk.create("default/.store/d", there)
        note_doubt(disk, "default/.store/d", added)
        assert disk.read("default/.store/d") == wanted
        disk.unlink("default/.store/d")


@pytest.mark.parametrize("noted", [b"0000000001.jsonl", b""])
def test_a_doubt_that_one_who_died_had_moved_aside_is_settled(noted: bytes) -> None:
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.create("default/.store/doubt.settled", noted)
    written: list[str] = []
    disk.before = lambda operation, path: written.append(f"{operation} {path}")
    assert open_store(disk).writable
    assert any(line.startswith("rename") and line.endswith("0000000001.jsonl") for line in written), written
    assert not [path for path in disk.tree() if "doubt" in path]
