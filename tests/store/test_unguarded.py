"""Rules that no other test guards."""

from __future__ import annotations

import ctypes
import errno
import fcntl
import hashlib
import os
import random
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    DestinationError,
    InvalidIdError,
    LockHeldError,
    SheetSyncError,
    StaleSnapshotError,
    StoreDamagedError,
    UnknownOutcomeError,
)
from sheetsync.store import RecordId, SourceBytes, Store, VersionedStore, folders, fsck, repair
from sheetsync.store.backend import Holder
from sheetsync.store.copying import copy_between
from sheetsync.store.fsck import scan
from sheetsync.store.index import INDEX, load_index
from sheetsync.store.local import LocalBackend, LocalTenant, link_or_move
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.rebuild import rebuild_file
from sheetsync.store.segments import Rotation
from sheetsync.store.state import JournalState
from tests.faults import crash_explorer
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import Fault, NoLinks

JOURNAL = "default/journal/0000000001.jsonl"
LOCK = "default/journal"


def backend_on(disk: SimulatedDisk) -> LocalBackend:
    return crash_explorer.TestedBackend(disk, LocalTenant)


def save(store: Store, name: str, value: int, **options: Any) -> None:
    with store.transaction(CTX) as tx:
        tx.save(record(name), {"value": value}, **options)


def signed(body: bytes) -> bytes:
    """A journal line with a sum that holds."""
    return b'{"sum":"' + hashlib.sha256(body).hexdigest().encode() + b'",' + body


# --- posix -------------------------------------------------------------------------------------------------------
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


def test_a_disk_that_takes_a_few_bytes_at_a_time_gets_them_all(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pwrite = os.pwrite
    monkeypatch.setattr(os, "pwrite", lambda fd, data, at: pwrite(fd, bytes(data)[:7], at))
    folder.mkdir()
    files = PosixFileSystem(folder)
    files.append("journal", 0, b"0123456789" * 3)
    files.append("journal", 30, b"abc" * 10)
    assert files.read("journal") == b"0123456789" * 3 + b"abc" * 10
    files.close()


# --- local -------------------------------------------------------------------------------------------------------
def test_a_move_on_a_disk_without_links_replaces_nothing() -> None:
    disk = NoLinks()
    disk.create("temp", b"new")
    disk.create("there", b"old")
    with pytest.raises(FileExistsError):
        link_or_move(disk, "temp", "there")
    assert disk.read("there") == b"old"


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


def test_what_is_cut_from_the_journal_is_durable_elsewhere_first() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    whole, torn = disk.read(JOURNAL), b'{"sum":"0123456789abcdef'
    disk.append(JOURNAL, len(whole), torn)
    disk.sync(JOURNAL)
    disk.mkdir("default/.store/aside")
    disk.sync_folder("default/.store")

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            assert any(data.endswith(torn) for data in disk.after_cut(outcome).tree().values()), f"{operation} {path}"

    disk.before = look
    assert open_store(disk).head() == 1
    look("end", "")
    assert disk.read(JOURNAL) == whole


def test_a_repaired_journal_is_durable_before_it_replaces_the_damaged_one() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    right = disk.read(JOURNAL)
    damaged = right[:100] + bytes([right[100] ^ 1]) + right[101:]
    disk.append(JOURNAL, 0, damaged)
    disk.sync(JOURNAL)
    disk.mkdir("default/.store/aside")
    disk.sync_folder("default/.store")
    part = backend_on(disk).open_tenant("default")

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            tree = disk.after_cut(outcome).tree()
            assert tree.get(JOURNAL) in ((right,) if operation == "end" else (right, damaged))
            assert damaged in tree.values()

    disk.before = look
    part.replace_journal("0000000001.jsonl", right)
    look("end", "")


def test_every_damage_of_one_file_is_kept_aside(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"n": 1}).path
    for damaged in (b"first", b"second"):
        path.write_bytes(damaged)
        assert fsck(folder, repair=True).exit_code == 0
    kept = {file.read_bytes() for file in (folder / "default/.store/aside").iterdir()}
    assert {b"first", b"second"} <= kept


# --- the journal -------------------------------------------------------------------------------------------------
def test_another_writers_new_journal_file_is_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)
    for value in range(3):
        save(store, "a", value)
    other.compact()
    disk.before = Fault({"sync folder"}, 1, errno.EIO, lasting=True)  # the writer dies before its folder is durable
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 3)
    disk.before = lambda *_: None
    disk.unlink("default/.store/doubt")
    for reader in (other, open_store(disk.after_kill())):
        assert reader.head() == 4
    assert other.head() == 4
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 4


def test_a_new_journal_file_behind_the_index_is_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)
    store.compact()
    disk.before = Fault({"sync folder"}, 1, errno.EIO, lasting=True)
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 3)
    disk.before = lambda *_: None
    disk.unlink("default/.store/doubt")
    assert open_store(disk).head() == 4
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 4


@pytest.mark.parametrize("lost", [1])
def test_a_lost_journal_file_is_damage_though_there_is_an_index(lost: int, folder: Path) -> None:
    folder.mkdir()
    rotation = Rotation(entries=3, size_bytes=1 << 20)
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation)) as store:
        for value in range(8):
            save(store, "a", value)
        store.compact()
    (folder / f"default/journal/{lost:010d}.jsonl").unlink()
    with pytest.raises(StoreDamagedError, match="journal"):
        Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))


def test_a_broken_end_of_one_journal_file_before_the_next_is_damage() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(5):
        store.note(CTX, "looked", {"seen": 1})
    disk.truncate(JOURNAL, disk.size(JOURNAL) - 20)  # type: ignore[operator]
    before = disk.tree()
    with pytest.raises(StoreDamagedError, match="goes on after it"):
        open_store(disk)
    assert disk.read(JOURNAL) == before[JOURNAL]


def test_a_lost_middle_journal_file_without_names_is_damage() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(8):
        store.note(CTX, "looked", {"seen": 1})
    disk.unlink("default/journal/0000000004.jsonl")
    with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
        open_store(disk)


def test_a_journal_that_is_cut_under_an_open_store_is_damage(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        os.truncate(folder / JOURNAL, 200)
        with pytest.raises(StoreDamagedError, match="was cut"):
            named.latest("alpha")
        with pytest.raises(SheetSyncError):
            named.save("alpha", {"n": 9})
    assert (folder / JOURNAL).stat().st_size == 200


def test_a_writer_at_work_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)
    save(store, "a", 1)
    other.refresh()
    save(store, "a", 2)
    save(store, "a", 3)
    read, data = disk.read_at, disk.read(JOURNAL)
    looks: list[int] = []

    def in_between(path: str, offset: int, length: int) -> bytes:
        there = read(path, offset, length)
        looks.append(offset)
        return there[:9] + b"?" + there[10:] if len(looks) == 1 else there  # the first line's pages come last

    monkeypatch.setattr(disk, "read_at", in_between)
    assert other.refresh() == 3
    assert disk.read(JOURNAL) == data


def test_a_journal_file_is_written_anew_after_a_failed_fsync_and_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    store.compact()
    disk.before = Fault({"sync"}, 1, errno.EIO, lasting=False)
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 2)
    inode = disk._place(JOURNAL)[2]

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            assert disk.after_cut(outcome).read(JOURNAL).count(b"\n") >= 1, f"commit 1 is lost by {operation} {path}"

    disk.before = look
    assert open_store(disk).head() == 2
    disk.before = lambda *_: None
    assert disk._place(JOURNAL)[2] != inode, "a page that was marked clean is never written by another fsync"
    assert "default/.store/doubt" not in disk.tree()
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 2


def forged(index: bytes, /, **changes: Any) -> bytes:
    """An index that says something else, with a checksum that holds."""
    value = orjson.loads(index) | changes
    del value["sum"]
    return signed(orjson.dumps(value)[1:])


def loaded(folder: Path) -> int:
    state = JournalState("default")
    part = LocalBackend(PosixFileSystem(folder), "x").open_tenant("default")
    return state.number if load_index(part, state) else 0


def test_an_index_is_believed_only_where_all_it_says_agrees_with_the_journal(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        named.store.compact()
    file = folder / "default/.store" / INDEX
    good = file.read_bytes()
    value = orjson.loads(good)
    first, offset, entries, tip = value["place"]
    file.write_bytes(forged(good))
    assert loaded(folder) == 3
    for changes in (
        {"index": value["index"] + 1},
        {"mark": value["mark"].swapcase()},
        {"mark": ""},
        {"number": 2},
        {"place": [first, offset, entries - 1, tip]},
        {"place": [first, offset + 1000, entries, tip]},
        {"place": [first, offset - 1, entries, tip]},
    ):
        file.write_bytes(forged(good, **changes))
        assert loaded(folder) == 0, changes
        with VersionedStore(CTX, url=folder) as named:
            assert [s.version for s in named.history("alpha")] == [1, 2, 3]


def test_an_index_is_not_believed_without_its_checksum(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.store.compact()
    file = folder / "default/.store" / INDEX
    file.write_bytes(file.read_bytes().replace(b'"who"', b'"who"').replace(b"/alpha/alpha", b"/alphb/alphb", 1))
    assert loaded(folder) == 0


def test_where_a_torn_line_ended_is_forgotten_when_it_is_cut(folder: Path) -> None:
    folder.mkdir()  # with all four in one journal file
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x"))
    for value in (0, 1):
        save(store, "a", value)
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"sum":"' + bytes(99) + b"\n")  # its middle never came
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x"))
    for value in (2, 3):
        save(store, "a", value)
    assert [snapshot.version for snapshot in store.history(record("a"))] == [1, 2, 3, 4]


def test_a_broken_line_behind_the_index_is_not_cut_where_a_journal_file_goes_on_after_it() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for number in range(4):  # three in the first file
        store.note(CTX, "looked", {"seen": number})
        if number == 1:
            store.compact()
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 20)
    kept = disk.read(JOURNAL)
    with pytest.raises(StoreDamagedError, match="goes on after it"):
        open_store(disk)
    assert disk.read(JOURNAL) == kept


def test_a_journal_file_is_full_by_its_size_too(folder: Path) -> None:
    folder.mkdir()
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=99, size_bytes=600))) as store:
        for value in range(5):
            save(store, "a", value)
        assert len(list((folder / "default/journal").iterdir())) > 1
        assert [s.version for s in store.history(record("a"))] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["00000000001.jsonl", "0000000000.jsonl"])
def test_a_file_that_is_called_almost_like_a_journal_file_is_foreign(name: str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    (folder / "default/journal" / name).write_bytes(b"")
    assert [(f.code, f.path) for f in fsck(folder).findings] == [("foreign", f"journal/{name}")]


# --- the writer --------------------------------------------------------------------------------------------------
def test_an_interrupted_commit_ends_the_handle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(folder) as store:
        add = store._part.add

        def interrupted(number: int, line: bytes) -> bool:
            add(number, line)
            raise KeyboardInterrupt

        monkeypatch.setattr(store._part, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(store, "a", 1)
        monkeypatch.undo()
        calls: tuple[Callable[[], object], ...] = (lambda: save(store, "a", 2), lambda: store.latest(record("a")))
        for call in calls:
            with pytest.raises(UnknownOutcomeError, match="interrupted"):
                call()
    with Store.open(folder) as store:
        assert store.head() == 1


def test_a_checkpoint_puts_the_names_that_a_full_disk_left_out() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    disk.before = Fault({"link"}, 1, errno.ENOSPC, lasting=True)
    save(store, "a", 1)
    assert "default/things" not in disk.tree()
    disk.before = lambda *_: None
    store.compact()
    assert [path for path in disk.tree() if path.startswith("default/things/a/")]
    for outcome in disk.outcomes(60, random.Random(1)):
        cut = disk.after_cut(outcome)
        open_store(cut)
        assert [path for path in cut.tree() if path.startswith("default/things/a/")]


def test_compaction_covers_what_others_committed(folder: Path) -> None:
    with Store.open(folder) as ours, Store.open(folder) as theirs:
        save(ours, "a", 1)
        save(theirs, "a", 2)
        theirs.compact()
        assert ours.compact().commit == 2


# --- the reader --------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("damaged", [b'{"n":7}', b"", b"{"])
def test_a_damaged_file_is_read_through_the_journal(damaged: bytes, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"n": 1}).path
        path.write_bytes(damaged)
        latest, then = named.latest("alpha"), named.at(1).latest("alpha")
        assert latest is not None
        assert then is not None
        assert latest.content == then.content == {"n": 1}


def test_a_journal_line_that_was_changed_under_an_open_store_is_not_read(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(1, 5):
            named.save("alpha", {"n": number})
        data = (folder / JOURNAL).read_bytes()
        (folder / JOURNAL).write_bytes(data.replace(b'"n":2', b'"n":7'))
        with pytest.raises(StoreDamagedError, match="entry 2 is broken"):
            list(named.history("alpha"))
        lines = data.splitlines(keepends=True)
        assert len(lines[1]) == len(lines[2])
        (folder / JOURNAL).write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))
        for read in (lambda: named.history("alpha"), named.store.log):
            with pytest.raises(StoreDamagedError, match="stands where"):
                list(read())


# --- scopes ------------------------------------------------------------------------------------------------------
def test_no_call_at_all_crosses_a_tenant(folder: Path) -> None:
    with Store.open(folder) as store:
        save(store, "a", 1)
        there = RecordId("acme", ("things", "a"), "a")
        path = ("health", "x.json")
        for crossing in (
            lambda: store.latest(there),
            lambda: store.records("acme"),
            lambda: store.newest("acme"),
            lambda: store.last_commit("acme"),
            lambda: store.latest_all("acme"),
            lambda: store.history(there),
            lambda: store.log(record=there),
            lambda: store.read_derived("acme", path),
            lambda: store.write_derived("acme", path, b""),
            lambda: store.note(RequestContext(tenant="acme", user="eve"), "x", {}),
            lambda: store.transaction(CTX).save(there, {}),
        ):
            with pytest.raises(InvalidIdError):
                crossing()


def test_a_bucket_is_asked_for_commits_that_are_not_known_yet() -> None:
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=False)) for _ in range(2))
    for value in range(3):
        save(theirs, "a", value)
    assert ours.at(2).version(record("a")) == 2


def test_the_log_of_a_record_begins_after_a_commit(folder: Path) -> None:
    with Store.open(folder) as store:
        for value in range(4):
            save(store, "a", value)
        assert [commit.number for commit in store.log(since=2, record=record("a"))] == [3, 4]


# --- transactions ------------------------------------------------------------------------------------------------
def test_the_same_bytes_as_a_file_or_of_another_kind_are_another_content(folder: Path) -> None:
    with Store.open(folder) as store:
        for content in ({"a": 1}, SourceBytes(b'{"a":1}', ".json"), SourceBytes(b'{"a":1}', ".mjs"), {"a": 1}):
            with store.transaction(CTX) as tx:
                tx.save(record("a"), content)
        assert [snapshot.content for snapshot in store.history(record("a"))] == [
            {"a": 1},
            SourceBytes(b'{"a":1}', ".json"),
            SourceBytes(b'{"a":1}', ".mjs"),
            {"a": 1},
        ]
    assert fsck(folder).findings == ()


def test_contents_whose_hashes_begin_alike_are_two(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        one, two = named.save("alpha", {"n": 7335}), named.save("alpha", {"n": 13654})
        assert one.hash[:8] == two.hash[:8] == "8e3265b9"
        assert (one.version, two.version) == (1, 2)
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 1}, one)
    assert fsck(folder).findings == ()


def test_folders_that_differ_only_in_case_are_one_too_many(folder: Path) -> None:
    with Store.open(folder) as store:
        for again in (False, True):
            with store.transaction(CTX) as tx:
                tx.save(RecordId("default", ("providers", "Foo", "a", "schema"), "a"), {"n": again})
            with pytest.raises(InvalidIdError, match="differs only in case"), store.transaction(CTX) as tx:
                tx.save(RecordId("default", ("providers", "foo", "b", "schema"), "b"), {"n": 1})


def test_expected_is_one_snapshot_and_not_one_that_looks_like_it(folder: Path, tmp_path: Path) -> None:
    with VersionedStore(CTX, url=folder) as named, VersionedStore(CTX, url=tmp_path / "other") as other:
        first = named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
        named.save("alpha", {"n": 1})
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 3}, first)
        for number in (7, 8, 9):
            theirs = other.save("alpha", {"n": number})
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 3}, theirs)


def test_a_second_save_in_a_transaction_keeps_what_the_first_expected(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        first = named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
        tx = named.transaction()
        tx.save("alpha", {"n": 3}, first)
        tx.save("alpha", {"n": 4})
        with pytest.raises(StaleSnapshotError), tx:
            pass


# --- recovery ----------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lost", [1, 30, "all"])
def test_what_a_checkpoint_knows_is_never_cut_nor_given_up(lost: int | str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.store.note(CTX, "looked", {"seen": 1})  # no name proves it
        named.store.compact()
    data = (folder / JOURNAL).read_bytes()
    kept = data[: data.index(b"\n") + 1] if lost == "all" else data[: -int(lost) - 5]
    (folder / JOURNAL).write_bytes(kept)
    with pytest.raises(StoreDamagedError):
        Store.open(folder)
    assert (folder / JOURNAL).read_bytes() == kept
    assert fsck(folder).exit_code == 9


def test_a_torn_line_is_not_cut_where_a_folder_holds_its_name() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(2):
        save(store, "a", value)
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 30)
    kept = disk.read(JOURNAL)
    with pytest.raises(StoreDamagedError, match="snapshots of it are in the folders"):
        open_store(disk)
    assert disk.read(JOURNAL) == kept


def relined(data: bytes, number: int, old: bytes, new: bytes, *, chain: bool = True) -> bytes:
    """The journal with a line changed by somebody who can make sums hold (and, with `chain`, the later hashes too)."""
    lines, before, after = data.splitlines(), b"", b""
    for index in range(number - 1, len(lines)):
        body = lines[index][74:]
        if index == number - 1:
            assert old in body
            body = body.replace(old, new)
        elif chain:
            body = body.replace(before, after)
        before = hashlib.sha256(lines[index]).hexdigest().encode()
        lines[index] = signed(body)
        after = hashlib.sha256(lines[index]).hexdigest().encode()
    return b"\n".join(lines) + b"\n"


@pytest.fixture
def three(folder: Path) -> Path:
    with Store.open(folder, clock=FakeClock()) as store:
        for value in range(3):
            with store.transaction(CTX, why=f"round {value}") as tx:
                tx.save(record("a"), {"value": value})
                tx.save(record("b"), {"value": value})
    return folder


RULES: dict[str, tuple[int, bytes, bytes, bool]] = {
    "chain": (2, b'"why":"round 1"', b'"why":"round X"', False),
    "twice": (3, b"things/b/b--", b"things/a/a--", True),
    "before": (3, b'"before":2', b'"before":1', True),
    "version": (3, b'"version":3', b'"version":4', True),
    "stamp": (3, b"--2026-01-01T00-00-02Z", b"--2026-01-01T00-00-01Z", True),
}


@pytest.mark.parametrize("rule", RULES)
def test_an_entry_that_breaks_a_rule_is_damage_though_its_sum_holds(rule: str, three: Path) -> None:
    number, old, new, chain = RULES[rule]
    data = (three / JOURNAL).read_bytes()
    if rule == "stamp":
        stamps = sorted({part[:20] for part in data.split(b"things/a/a--")[1:]})
        old, new = b"--" + stamps[2], b"--" + stamps[1]
    (three / JOURNAL).write_bytes(relined(data, number, old, new, chain=chain))
    assert "journal_order" in {finding.code for finding in fsck(three).findings}
    with pytest.raises(StoreDamagedError, match=r"does not follow|twice|is not an entry"):
        Store.open(three)


def test_a_content_that_has_not_the_hash_it_says_is_found(three: Path) -> None:
    data = (three / JOURNAL).read_bytes()
    (three / JOURNAL).write_bytes(relined(data, 2, b'"content":{"value":1}', b'"content":{"value":7}'))
    assert {finding.code for finding in fsck(three).findings} >= {"wrong_hash"}
    assert fsck(three).exit_code == 9


def test_journal_files_that_overlap_are_found() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(5):
        save(store, "a", value)
    disk.create("default/journal/0000000003.jsonl", disk.read(JOURNAL).splitlines(keepends=True)[2])
    _, scans = scan(backend_on(disk))
    assert {f.code for found in scans for f in found.findings} & {"journal_gap", "journal_order"}


def test_a_torn_end_before_another_journal_file_is_damage_to_fsck() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(5):
        store.note(CTX, "looked", {"seen": 1})
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 20)
    _, scans = scan(backend_on(disk))
    assert [f.code for found in scans for f in found.findings if f.damage]


def test_a_tenant_whose_journal_folder_is_gone_is_looked_at_too(folder: Path, tmp_path: Path) -> None:
    with Store.open(folder, tenant="acme") as store, store.transaction(RequestContext(tenant="acme", user="eve")) as tx:
        tx.save(RecordId("acme", ("things", "a"), "a"), {"n": 1})
    (folder / "acme/journal").rename(tmp_path / "elsewhere")
    assert fsck(folder).exit_code == 9


# --- copies ------------------------------------------------------------------------------------------------------
def test_a_copy_into_what_is_left_of_a_store_is_refused(folder: Path) -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    objects = MemoryObjects()
    objects.put("acme/journal/0000000001.jsonl", b"somebody's")
    with pytest.raises(DestinationError):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert list(objects.list("")) == ["acme/journal/0000000001.jsonl"]


def test_a_copy_is_durable_with_its_names_when_it_is_told() -> None:
    disk, copy = SimulatedDisk(), SimulatedDisk()
    store = open_store(disk)
    for value in range(4):
        save(store, "a", value)
    copy_between(backend_on(disk), backend_on(copy))
    for outcome in copy.outcomes(60, random.Random(1)):
        _, scans = scan(backend_on(copy.after_cut(outcome)))
        assert [f for found in scans for f in found.findings] == []


class Stops(MemoryObjects):
    """Another host is at work at the destination, or it stops taking objects."""

    def __init__(self, when: str, act: Callable[[MemoryObjects], None]) -> None:
        super().__init__()
        self.when, self.act = when, act

    def put_new(self, key: str, data: bytes) -> None:
        if self.when in key:
            self.when = "\0"
            self.act(self)
        super().put_new(key, data)


@pytest.mark.parametrize("when", ["journal/0000000002", "FORMAT"])
def test_a_destination_where_another_writes_meanwhile_is_no_copy(when: str) -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)
    name = next(store.history(record("a"))).path if when.startswith("things") else ""
    theirs = {
        "journal/0000000002": ("default/journal/0000000002.jsonl", b"theirs"),
        "things/a/": (f"default/{name}", b"theirs"),
        "FORMAT": ("FORMAT", b'{"format":"sheetsync-island","version":1,"store_id":"theirs"}\n'),
    }[when]
    objects = Stops(when, lambda objects: objects.put(*theirs))
    with pytest.raises(SheetSyncError):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get(theirs[0]) == theirs[1]


def test_a_copy_believes_no_file_that_was_at_the_destination() -> None:
    disk, copy = SimulatedDisk(), SimulatedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    for path in ("default", "default/things", "default/things/a"):
        copy.mkdir(path)
    copy.create(f"default/{next(store.history(record('a'))).path}", b"theirs")
    with pytest.raises(SheetSyncError):
        copy_between(backend_on(disk), backend_on(copy))
    assert "FORMAT" not in copy.tree()


def test_an_interrupted_copy_is_no_store() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)

    def stop(objects: MemoryObjects) -> None:
        raise KeyboardInterrupt

    objects = Stops("journal/0000000002", stop)
    with pytest.raises(KeyboardInterrupt):
        copy_between(backend_on(disk), ObjectBackend(objects, "x"))
    assert objects.get("FORMAT") is None


# --- rebuilding --------------------------------------------------------------------------------------------------
def test_a_flip_in_the_first_bytes_of_the_last_line_is_put_right(three: Path) -> None:
    data = (three / JOURNAL).read_bytes()
    begin = data[:-1].rindex(b"\n") + 1
    for position in range(begin, begin + 8):
        damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert rebuild_file(damaged, 1, None, lambda path: None) == data
    assert rebuild_file(data[:begin] + b"??" + data[begin + 2 :], 1, None, lambda path: None) == data


# --- buckets -----------------------------------------------------------------------------------------------------
def in_memory() -> tuple[MemoryObjects, Store]:
    objects = MemoryObjects()
    return objects, Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock())


def test_giving_back_a_lease_that_another_took_over_leaves_it_to_him() -> None:
    clock = FakeClock()
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=True), clock=clock) for _ in range(2))
    lease = ours.lease("sync", who="ada", ttl_s=60)
    clock.advance(61)
    second = theirs.lease("sync", who="bob", ttl_s=60)
    lease.release()
    assert [info.who for info in theirs.held()] == ["bob"]
    with theirs.transaction(CTX, fence=second) as tx:
        tx.save(record("a"), {"value": 1})


def test_a_lease_is_over_when_its_time_is() -> None:
    clock = FakeClock()
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=True), clock=clock) for _ in range(2))
    ours.lease("sync", who="ada", ttl_s=60)
    clock.advance(59)
    with pytest.raises(LockHeldError):
        theirs.lease("sync", who="bob")
    clock.advance(1)
    assert [info.alive for info in theirs.held()] == [False]
    theirs.lease("sync", who="bob")


def test_a_lease_that_was_given_back_fences_nothing() -> None:
    _, store = in_memory()
    lease = store.lease("sync", who="ada")
    lease.release()
    with pytest.raises(LockHeldError), store.transaction(CTX, fence=lease) as tx:
        tx.save(record("a"), {"value": 1})


def test_a_lease_is_taken_upon_what_others_did_to_it(folder: Path) -> None:
    with Store.open(folder) as ours, Store.open(folder) as theirs:
        with theirs.lease("sync", who="bob"):
            assert ours.break_lease("sync") is not None
        with theirs.lease("sync", who="bob") as lease, theirs.transaction(CTX, fence=lease) as tx:
            tx.save(record("a"), {"value": 1})


def test_another_tenants_names_are_completed_when_it_is_opened(folder: Path) -> None:
    with Store.open(folder) as store:
        acme = store.for_tenant("acme")
        with acme.transaction(RequestContext(tenant="acme", user="eve")) as tx:
            tx.save(RecordId("acme", ("things", "a"), "a"), {"n": 1})
        assert tx.commit is not None
        path = folder / "acme" / tx.commit.snapshots[0].path
        path.unlink()
        store.for_tenant("acme")
        assert path.read_bytes() == b'{"n":1}'


@pytest.mark.parametrize("how", ["short", "flipped", "other"])
def test_a_pack_that_is_not_whole_is_not_believed(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sheetsync.store import compaction

    monkeypatch.setattr(compaction, "PACK_ENTRIES", 4)
    objects, store = in_memory()
    for value in range(9):
        save(store, "a", value)
    store.compact()
    key, _ = objects.list("default/.store/packs/")
    good = objects.get(key) or b""
    bad = {
        "short": b"".join(good.splitlines(keepends=True)[:3]),
        "flipped": good.replace(b'"value":2', b'"value":7', 1),
        "other": good.replace(b"\n", b" \n", 1),
    }[how]
    objects.put(key, bad)
    objects.put("default/.store/index.json", b"")
    fresh = Store.on(ObjectBackend(objects, "x", cheap=True))
    assert [commit.hash for commit in fresh.log()] == [commit.hash for commit in store.log()]
    fresh.compact()
    assert objects.get(key) == good


def test_a_lost_first_entry_of_a_bucket_is_damage() -> None:
    objects, store = in_memory()
    for _ in range(3):
        store.note(CTX, "looked", {"seen": 1})
    del objects._objects["default/journal/0000000001.jsonl"]
    with pytest.raises(StoreDamagedError, match="entry 1 is missing"):
        Store.on(ObjectBackend(objects, "x", cheap=True))


def test_an_index_of_a_buckets_other_past_is_not_believed() -> None:
    (one, store), (two, other) = in_memory(), in_memory()
    for value in range(3):
        save(store, "a", value)
        save(other, "b", value)
    other.compact()
    one.put("default/.store/index.json", two.get("default/.store/index.json") or b"")
    fresh = Store.on(ObjectBackend(one, "x", cheap=True))
    assert fresh.latest(record("b")) is None
    assert fresh.latest(record("a")) is not None


def test_an_entry_of_a_bucket_is_not_believed_without_its_sum() -> None:
    objects, store = in_memory()
    save(store, "a", 1)
    key = "default/journal/0000000001.jsonl"
    objects.put(key, (objects.get(key) or b"").replace(b'"value":1', b'"value":7'))
    with pytest.raises(StoreDamagedError, match="is broken"):
        Store.on(ObjectBackend(objects, "x", cheap=True))


def test_a_damaged_snapshot_of_a_bucket_is_kept_aside() -> None:
    objects, store = in_memory()
    save(store, "a", 1)
    latest = store.latest(record("a"))
    assert latest is not None
    for damaged in (b"first",):
        objects.put(f"default/{latest.path}", damaged)
        Store.on(ObjectBackend(objects, "x", cheap=True))
        assert objects.get(f"default/{latest.path}") == b'{"value":1}'
        assert damaged in [objects.get(key) for key in objects.list("default/.store/aside/")]


# --- places ------------------------------------------------------------------------------------------------------
PLACES = (
    "/etc",
    "../x",
    "journal",
    ".store/aside",
    "things/../../x",
    "things/.hidden",
    "things//a",
    "things\\\\a",
    "things\\u0000a",
)


@pytest.mark.parametrize("place", PLACES)
def test_no_line_makes_a_place_outside_the_records_folders(place: str, three: Path) -> None:
    from sheetsync.store.entry import decode_line

    line = (three / JOURNAL).read_bytes().splitlines()[0]
    planted = signed(line.replace(b'"path":"things/a/', b'"path":"' + place.encode() + b"/")[74:])
    with pytest.raises(StoreDamagedError, match=r"a place for a snapshot|is no snapshot"):
        decode_line(planted)


@pytest.mark.parametrize("name", ["temp/one", "checkpoint.json", "other"])
def test_a_link_in_the_work_folder_is_found(name: str, folder: Path, tmp_path: Path) -> None:
    Store.open(folder).close()
    path = folder / "default/.store" / name
    path.unlink(missing_ok=True)
    path.symlink_to(tmp_path)
    assert [(f.code, f.path) for f in fsck(folder).findings] == [("link", f".store/{name}")]


def test_the_folder_of_what_is_kept_aside_is_durable_too() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    whole, torn = disk.read(JOURNAL), b'{"sum":"0123456789abcdef'
    disk.append(JOURNAL, len(whole), torn)
    disk.sync(JOURNAL)
    assert open_store(disk).head() == 1
    for outcome in disk.outcomes(60, random.Random(1)):
        assert any(data.endswith(torn) for data in disk.after_cut(outcome).tree().values())


def test_a_garbled_note_of_doubt_closes_nothing(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    (folder / "default/.store/doubt").write_bytes(b"\xff\xfe")
    with VersionedStore(CTX, url=folder) as named:
        assert named.names() == ["alpha"]
