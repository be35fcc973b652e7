"""The real file system is asked as the store needs it: every fsync, every lock, every name in its own place."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import os
import random
import threading
from pathlib import Path

import pytest

from sheetsync.errors import LockHeldError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, folders, fsck, repair
from sheetsync.store.backend import Holder
from sheetsync.store.local import LocalBackend, LocalTenant
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.work_folder import link_or_move
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import Fault, NoLinks
from tests.store.rules import JOURNAL, backend_on, save

LOCK = "default/journal"


# --- what the kernel is asked ------------------------------------------------------------------------------------
def test_the_kernel_is_asked_for_durability_and_its_refusal_is_told(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    refused: list[OSError] = []

    def ask(fd: int) -> None:
        asked.append(Path(f"/proc/self/fd/{fd}").readlink().name)
        if refused:
            raise refused[0]

    folder.mkdir()
    files = PosixFileSystem(folder)
    files.mkdir("sub")
    files.create("sub/one", b"x")
    files.append("sub/tail", 0, b"x")
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, ask)
    for sync, path in ((files.sync, "sub/one"), (files.sync, "sub/tail"), (files.sync_folder, "sub")):
        sync(path)
    assert asked == ["one", "tail", "sub"]
    refused.append(OSError(errno.EIO, "the disk fails"))
    for sync, path in ((files.sync, "sub/one"), (files.sync, "sub/tail"), (files.sync_folder, "sub")):
        with pytest.raises(OSError, match="the disk fails"):
            sync(path)
    files.close()


def test_a_failed_syncfs_is_told(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Libc:
        @staticmethod
        def syncfs(fd: int) -> int:
            ctypes.set_errno(errno.EIO)
            return -1

    folder.mkdir()
    files = PosixFileSystem(folder)
    monkeypatch.setattr(ctypes, "CDLL", lambda *_, **__: Libc)
    with pytest.raises(OSError, match=os.strerror(errno.EIO)):
        files.sync_all()
    files.close()


def test_a_name_goes_where_it_belongs_though_many_folders_are_in_use(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(folders, "FOLDERS_KEPT", 5)
    folder.mkdir()
    files = PosixFileSystem(folder)
    for path in ("a", "a/b", "c", "d", "e", "f", "f/g"):
        files.mkdir(path)
    files.create("a/b/one", b"x")
    files._folders.forget()
    for path in ("a/b", "c", "d", "e"):  # the oldest is the first to be closed
        files.listdir(path)
    files.link("a/b/one", "f/g/two")
    assert (folder / "f/g/two").read_bytes() == b"x"
    assert [path.name for path in folder.rglob("two")] == ["two"]
    files.close()


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:7], at))
    folder.mkdir()
    files = PosixFileSystem(folder)
    files.append("journal", 0, b"0123456789" * 3)
    files.append("journal", 30, b"abc" * 10)
    assert files.read("journal") == b"0123456789" * 3 + b"abc" * 10
    files.close()


def test_a_move_on_a_disk_without_links_replaces_nothing() -> None:
    disk = NoLinks()
    disk.create("temp", b"new")
    disk.create("there", b"old")
    with pytest.raises(FileExistsError):
        link_or_move(disk, "temp", "there")
    assert disk.read("there") == b"old"


@pytest.mark.parametrize("name", ["temp/one", "checkpoint.json", "other"])
def test_a_link_in_the_work_folder_is_found(name: str, folder: Path, tmp_path: Path) -> None:
    Store.open(folder).close()
    path = folder / "default/.store" / name
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path)
    assert [(f.code, f.path) for f in fsck(folder).findings] == [("link", f".store/{name}")]


# --- locks -------------------------------------------------------------------------------------------------------
def test_threads_that_share_a_disk_wait_for_each_other(folder: Path) -> None:
    (folder / "lock").mkdir(parents=True)
    files, inside = PosixFileSystem(folder), threading.Event()

    def enter() -> None:
        with files.lock("lock"):
            inside.set()

    thread = threading.Thread(target=enter)
    with files.lock("lock"):
        thread.start()
        assert not inside.wait(0.2)
    thread.join()
    assert inside.is_set()
    files.close()


def test_a_lock_file_that_was_removed_excludes_nobody_any_more(folder: Path) -> None:
    (folder / "lock").mkdir(parents=True)
    one, other = PosixFileSystem(folder), PosixFileSystem(folder)
    with one.lock("lock"):
        pass
    (folder / "lock").rmdir()
    (folder / "lock").mkdir()
    with one.lock("lock"):
        fd = os.open(folder / "lock", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(fd)
    one.close()
    other.close()


def test_a_lock_that_is_broken_while_it_is_taken_is_taken_anew(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder.mkdir()
    files, flock = PosixFileSystem(folder), fcntl.flock

    def broken(fd: int, how: int) -> None:
        monkeypatch.setattr(fcntl, "flock", flock)
        (folder / "lock").unlink()
        flock(fd, how)

    monkeypatch.setattr(fcntl, "flock", broken)
    held = files.try_lock("lock", Holder("ada", "here", 7, 1.0))
    assert held is not None
    assert held.is_ours()
    assert files.lock_holder("lock") == Holder("ada", "here", 7, 1.0)
    held.release()
    files.close()


def test_a_lock_whose_file_was_removed_is_not_ours(folder: Path) -> None:
    with Store.open(folder) as store:
        lease = store.lease("sync", who="ada")
        (folder / "default/.store/leases/sync.lock").unlink()  # the journal says nothing of it
        with pytest.raises(LockHeldError, match="no longer ours"), store.transaction(CTX, fence=lease) as tx:
            tx.save(record("a"), {"value": 1})
        assert store.head() == 0


@pytest.mark.parametrize(
    "act", ["open", "compact", "rebuild_index", "write_derived", "repair", "repair_journal", "doubt"]
)
def test_nothing_is_written_without_the_writers_lock(act: str, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(2):
        save(store, "a", value)
    disk.create("default/.store/temp/dead", b"of a writer that died")
    path = f"default/{next(store.history(record('a'))).path}"
    if act == "repair":
        disk.unlink(path)
    if act == "repair_journal":
        data = disk.read(JOURNAL)
        disk.truncate(JOURNAL, 0)
        disk.append(JOURNAL, 0, data[:100] + bytes([data[100] ^ 1]) + data[101:])
    if act == "doubt":
        disk.create("default/.store/doubt", b"0000000001.jsonl")
    alone: list[str] = []

    def look(operation: str, path: str) -> None:
        if operation in ("create", "write", "append", "rename", "unlink", "link", "truncate") and path != LOCK:
            alone.extend([f"{operation} {path}"] if LOCK not in disk.locked else [])

    monkeypatch.setattr(repair, "open_backend", lambda *_, **__: backend_on(disk))
    disk.before = look
    if act in ("repair", "repair_journal"):
        assert fsck("x", repair=True).exit_code == 0
    elif act in ("open", "doubt"):
        open_store(disk)
    elif act == "write_derived":
        store.write_derived("default", ("health", "x.json"), b"")
    else:
        getattr(store, act)()
    assert alone == []


# --- making a store ----------------------------------------------------------------------------------------------
def test_the_second_of_two_that_make_a_store_changes_nothing(folder: Path) -> None:
    folder.mkdir()
    backend = LocalBackend(PosixFileSystem(folder), "x")
    backend.create_format(b"first")
    backend.create_format(b"second")
    assert backend.read_format() == b"first"
    backend.close()


def test_folders_that_another_process_just_made_are_durable_before_a_save_is() -> None:
    disk = SimulatedDisk()
    backend_on(disk).create_format(b'{"format":"sheetsync-island","version":1,"store_id":"x"}')
    for path in ("default", "default/journal", "default/.store"):
        disk.mkdir(path)
    save(open_store(disk), "a", 1)
    for outcome in disk.outcomes(200, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 1


def test_a_short_read_is_no_end(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before a bad sector Linux gives what is there, and says so only with the next read."""
    folder.mkdir()
    files = PosixFileSystem(folder)
    data = b"0123456789" * 10
    files.create("whole", data)
    files.append("tail", 0, data)
    read, pread = os.read, os.pread
    monkeypatch.setattr(os, "read", lambda fd, length: read(fd, min(length, 7)))
    monkeypatch.setattr(os, "pread", lambda fd, length, offset: pread(fd, min(length, 7), offset))
    assert (
        files.read("whole") == files.read_at("tail", 0, 1000) == files.read_at("whole", 0, 1000) == b"0123456789" * 10
    )

    def bad_sector(fd: int, length: int) -> bytes:
        if os.lseek(fd, 0, os.SEEK_CUR) >= 50:
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(fd, min(length, 50))

    monkeypatch.setattr(os, "read", bad_sector)
    with pytest.raises(OSError, match="Input/output"):
        files.read("whole")
    files.close()


def test_a_lock_that_is_closed_while_a_thread_holds_it_is_closed_by_that_one(folder: Path) -> None:
    Store.open(folder).close()
    files = PosixFileSystem(folder)
    lock = files.lock("default/journal")
    with lock:
        opened = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        closing = threading.Thread(target=lock.close)
        closing.start()
        closing.join()
        assert len(os.listdir("/proc/self/fd")) == opened  # noqa: PTH208
    assert len(os.listdir("/proc/self/fd")) == opened - 1  # noqa: PTH208
    files.close()


@pytest.mark.parametrize("fails", ["the holder's name", "the look at the journal"])
def test_a_lease_that_could_not_be_taken_is_nobodys(fails: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store.open(folder) as store, Store.open(folder) as other:
        with monkeypatch.context() as broken:
            if fails == "the holder's name":
                broken.setattr(os, "pwrite", fail)
            else:
                broken.setattr(LocalTenant, "new_lines", fail)
            with pytest.raises(TryLaterError):
                store.lease("sync", who="ada")
        other.lease("sync", who="bob").release()


@pytest.mark.parametrize("doubt", [b"", b"\xff\xfe", b"../../x", b"0000000009.jsonl.x"])
def test_a_doubt_that_names_no_journal_file_doubts_them_all(doubt: bytes, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    inode = (folder / JOURNAL).stat().st_ino
    (folder / "default/.store/doubt").write_bytes(doubt)
    with VersionedStore(CTX, url=folder) as named:
        assert named.names() == ["alpha"]
    assert (folder / JOURNAL).stat().st_ino != inode
    assert not (folder / "default/.store/doubt").exists()


def test_a_doubted_snapshot_is_not_replaced_by_a_damaged_journals_content(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"x": "sound content"}).path
        sound = path.read_bytes()
        data = (folder / JOURNAL).read_bytes()
        (folder / JOURNAL).write_bytes(data.replace(b"sound", b"rouod"))
        (folder / "default/.store/doubt-names").write_bytes(b"")
        with pytest.raises(StoreDamagedError):
            named.store.compact()
    assert path.read_bytes() == sound


def test_a_cut_whose_fsync_fails_is_a_doubt() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    disk.append(JOURNAL, disk.size(JOURNAL) or 0, b'{"sum":"12')
    disk.before = Fault({"truncate"}, 1, errno.EIO, lasting=False)
    with pytest.raises(UnknownOutcomeError):
        open_store(disk)
    disk.before = lambda *_: None
    assert "default/.store/doubt" in disk.tree()
    assert open_store(disk).head() == 1


def test_a_line_that_did_not_fit_and_could_not_be_cut_for_good_is_a_doubt() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    full = Fault({"append rest"}, 1, errno.ENOSPC, lasting=False)
    broken = Fault({"sync"}, 1, errno.EIO, lasting=False)

    def fail(operation: str, path: str) -> None:
        full(operation, path)
        broken(operation, path)

    disk.before = fail
    with pytest.raises(TryLaterError):
        save(store, "a", 2)
    disk.before = lambda *_: None
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 3)
    assert "default/.store/doubt" in disk.tree()
    save(open_store(disk), "a", 3)
    assert open_store(disk).head() == 2
