"""The real file system is asked as the store needs it: every fsync, every lock, every name in its own place."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import gc
import itertools
import os
import random
import shutil
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sheetsync.errors import LockHeldError, StoreDamagedError, TryLaterError, UnknownOutcomeError, UsageError
from sheetsync.store import Store, VersionedStore, folders, fsck, nameless, posix, repair
from sheetsync.store.backend import Holder
from sheetsync.store.entry import BODY_AT
from sheetsync.store.flock import FolderLock
from sheetsync.store.local import LocalBackend
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from sheetsync.store.work_folder import WorkFolder, link_or_move
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import Fault, NoLinks
from tests.store.rules import JOURNAL, backend_on, open_below, save, signed

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


def test_a_file_that_is_closed_just_before_its_sync_is_synced_all_the_same(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another thread's append began the next journal file, and closed this one."""
    asked: list[str] = []
    folder.mkdir()
    files = PosixFileSystem(folder)
    files.append("tail", 0, b"x")
    files._tails["tail"].close()
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, lambda fd: asked.append(Path(f"/proc/self/fd/{fd}").readlink().name))
    files.sync("tail")
    assert asked == ["tail"]
    files._tails.clear()
    files.close()


def test_journal_files_that_are_full_do_not_stay_open(folder: Path) -> None:
    folder.mkdir()
    counts = []
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=2))) as store:
        for value in range(12):
            save(store, "a", value)
            counts.append(open_below(folder))
        assert len(list((folder / "default/journal").iterdir())) == 6
    assert counts[-1] == counts[0]


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
        files.sync_all("", ())
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


def test_a_forked_child_gives_its_temporary_files_names_of_their_own() -> None:
    disk = SimulatedDisk()
    disk.mkdir("work")
    disk.mkdir("work/temp")
    parent, child = WorkFolder(disk, "work", "nonce"), WorkFolder(disk, "work", "nonce")
    paths = [parent.temp(b"parent's"), child.temp(b"child's"), child.temp(b"another")]
    assert [disk.read(path) for path in paths] == [b"parent's", b"child's", b"another"]
    parent.keep("damaged", b"x")
    assert sorted(f"work/temp/{name}" for name in disk.listdir("work/temp")) == sorted(paths)


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


def test_a_folder_that_never_is_the_one_at_its_path_is_not_waited_for_for_ever(folder: Path) -> None:
    looks, moves = itertools.count(), True

    def stands(fd: int) -> bool:
        assert next(looks) < 1000
        return not moves

    folder.mkdir()
    lock = FolderLock("default/journal", lambda: os.open(folder, os.O_RDONLY), stands)
    opened = open_below(folder)
    with pytest.raises(LockHeldError, match="'default/journal' could not be locked"), lock:
        pass
    assert open_below(folder) == opened
    moves = False
    with ThreadPoolExecutor(1) as other:  # the thread that failed to take it keeps nobody out
        other.submit(lock.__enter__).result(10)
        other.submit(lock.__exit__, None, None, None).result(10)
    lock.close()


def test_who_holds_a_lease_is_told_though_one_of_a_longer_name_held_it_before(folder: Path) -> None:
    with Store.open(folder) as store:
        store.lease("sync", who="a-very-long-name@example.com").release()
        with store.lease("sync", who="bob"):
            assert [(info.who, info.pid) for info in store.held()] == [("bob", os.getpid())]


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize("gone", [".store", ".store/leases"])
def test_a_lease_is_seen_in_a_folder_that_was_removed_and_made_again(gone: str, looked: bool, folder: Path) -> None:
    with Store.open(folder) as looking, Store.open(folder) as store:
        store.lease("sync", who="ada").release()
        if looked:
            assert looking.held() == []
        shutil.rmtree(folder / "default" / gone)
        (folder / "default" / gone).mkdir()
        with store.lease("sync", who="ada"):
            assert [info.name for info in looking.held()] == ["sync"]


def test_what_is_read_or_made_in_a_folder_that_was_removed_and_made_again_is_in_the_new_one(folder: Path) -> None:
    (folder / "sub").mkdir(parents=True)
    files = PosixFileSystem(folder)
    files.create("old", b"x")
    acts: list[Callable[[], object]] = [
        lambda: files.listdir("sub"),
        lambda: files.read("sub/there"),
        lambda: files.create("sub/new", b"x"),
        lambda: files.mkdir("sub/new"),
        lambda: files.link("old", "sub/new"),
    ]
    for act in acts:
        files.create("sub/kept open", b"x")  # and proved to stand at its path
        shutil.rmtree(folder / "sub")
        (folder / "sub").mkdir()
        (folder / "sub/there").write_bytes(b"there")
        assert act() in (None, ["there"], b"there")
        (folder / "sub/there").unlink()
        assert len(list((folder / "sub").iterdir())) == (acts.index(act) > 1)
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


def test_a_file_that_somebody_was_quicker_to_put_in_a_new_records_folder_is_kept_aside(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place, said = nameless.place_nameless, list[str]()

    def too_late(above: int, name: str, data: bytes) -> bool:
        monkeypatch.setattr(posix, "place_nameless", place)
        Path(f"/proc/self/fd/{above}", name).write_bytes(b"theirs")
        return place(above, name, data)

    with Store.open(folder, tell=said.append) as store:
        VersionedStore(CTX, store=store).save("beta", {"n": 1})
        monkeypatch.setattr(posix, "place_nameless", too_late)
        path = folder / "default" / VersionedStore(CTX, store=store).save("alpha", {"n": 1}).path
        assert b'"n":1' in path.read_bytes().replace(b" ", b"")
        assert any("kept aside" in message for message in said)
    assert [file.read_bytes() for file in (folder / "default/.store/aside").iterdir()] == [b"theirs"]


# --- making a store ----------------------------------------------------------------------------------------------
def test_the_folders_above_a_new_store_are_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Path] = []
    fsync = os.fsync

    def ask(fd: int) -> None:
        asked.append(Path(f"/proc/self/fd/{fd}").readlink())
        fsync(fd)

    monkeypatch.setattr(os, "fsync", ask)
    Store.open(tmp_path / "new/folder/store").close()
    assert {tmp_path, tmp_path / "new", tmp_path / "new/folder"} <= set(asked)


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
        opened = open_below(folder)
        closing = threading.Thread(target=lock.close)
        closing.start()
        closing.join()
        assert open_below(folder) == opened
    assert open_below(folder) == opened - 1
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


def test_a_name_gets_no_content_that_has_another_hash_than_its_entry_says(folder: Path) -> None:
    """The line's sum holds: it was made by somebody else."""
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"x": "sound content"}).path
    path.unlink()
    body = (folder / JOURNAL).read_bytes()[BODY_AT:-1]
    (folder / JOURNAL).write_bytes(signed(body.replace(b"sound", b"rouod")) + b"\n")
    with pytest.raises(StoreDamagedError, match="another content"):
        Store.open(folder)
    assert not path.exists()


@pytest.mark.parametrize(("what", "damaged"), [(b"sound", b"rouod"), (b"alpha--2", b"alpha--3")])
def test_a_doubted_snapshot_is_not_replaced_by_what_a_damaged_journal_says(
    what: bytes, damaged: bytes, folder: Path
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"x": "sound content"}).path
        sound = path.read_bytes()
        data = (folder / JOURNAL).read_bytes()
        (folder / JOURNAL).write_bytes(data.replace(what, damaged))
        (folder / "default/.store/doubt-names").write_bytes(b"")
        with pytest.raises(StoreDamagedError):
            named.store.compact()
    assert path.read_bytes() == sound
    assert list(path.parent.iterdir()) == [path]


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


class NoSpace(SimulatedDisk):
    """A disk with place for names, and for nothing else."""

    full = False

    def create(self, path: str, data: bytes) -> None:
        super().create(path, b"" if self.full else data)
        if self.full and data:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)


def test_a_doubt_outlives_the_process_on_a_full_disk_too() -> None:
    disk = NoSpace()
    store = open_store(disk)
    save(store, "a", 1)
    disk.full, disk.before = True, Fault({"sync"}, 1, errno.EIO, lasting=False)
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 2)
    assert disk.tree()["default/.store/doubt"] == b""
    inode = disk._place(JOURNAL)[2]
    disk.full = False
    assert open_store(disk).head() == 2
    assert disk._place(JOURNAL)[2] != inode


def test_a_second_failed_fsync_does_not_make_the_first_one_forgotten() -> None:
    disk = SimulatedDisk()
    writer, reader = open_store(disk), open_store(disk)
    for value in range(3):
        save(writer, "a", value)
    second = "default/journal/0000000004.jsonl"

    def fail(operation: str, path: str) -> None:
        if (operation, path) == ("create", second):  # the reader sees the first file only
            disk.before = Fault({"sync"}, 1, errno.EIO, lasting=True)
            with pytest.raises(UnknownOutcomeError):
                reader.refresh()

    disk.before = fail
    with pytest.raises(UnknownOutcomeError):
        save(writer, "a", 3)
    assert disk.read("default/.store/doubt").split() == [b"0000000001.jsonl", b"0000000004.jsonl"]


@pytest.mark.parametrize("how", ["removed", "moved away"])
def test_a_doubt_is_seen_in_a_work_folder_that_was_made_again(how: str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named, VersionedStore(CTX, url=folder) as other:
        named.save("alpha", {"n": 1})
        if how == "removed":
            shutil.rmtree(folder / "default/.store")
        else:
            (folder / "default/.store").rename(folder / "default/.before")
        (folder / "default/.store/temp").mkdir(parents=True)
        other.save("alpha", {"n": 2})
        (folder / "default/.store/doubt").write_bytes(b"0000000001.jsonl")  # its fsync failed
        with pytest.raises(UnknownOutcomeError):
            named.save("alpha", {"n": 3})


def test_a_folder_is_listed_by_a_descriptor_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Store.open(folder).close()
    disk, listed = PosixFileSystem(folder), os.listdir
    kept = disk._folders.fd("default")
    asked: list[object] = []

    def listdir(path: int) -> list[str]:
        asked.append(path)
        return listed(path)

    monkeypatch.setattr(os, "listdir", listdir)
    assert "journal" in disk.listdir("default")
    assert asked
    assert kept not in asked  # a forked child has it too, and the two would share how far it was read


def test_a_store_that_nobody_closed_gives_its_descriptors_back(folder: Path) -> None:
    gc.collect()
    before = open_below(folder)
    for _ in range(3):
        store = Store.open(folder)
        store.note(CTX, "seen", {})
        del store
    gc.collect()
    assert open_below(folder) == before


def test_a_path_that_is_no_text_of_this_machine_is_no_path() -> None:
    with pytest.raises(UsageError, match="is no path"):
        Store.open("somewhere/\ud800")


def test_a_folder_among_the_leases_hides_none(folder: Path) -> None:
    with Store.open(folder) as store:
        (folder / "default/.store/leases/old.lock").mkdir(parents=True)
        lease = store.lease("sync", who="ada")
        assert [info.name for info in store.held()] == ["sync"]
        lease.release()
