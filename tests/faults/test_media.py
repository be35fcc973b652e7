"""Media that fail: a full disk, a failing fsync, no descriptors, no permission. What was said must be true."""

from __future__ import annotations

import errno
import os
import random
import resource
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import DestinationError, SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import RecordId, Store, VersionedStore, fsck
from tests.faults.crash_explorer import CTX, Explorer, open_store, record
from tests.faults.simulated_disk import SimulatedDisk

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
FULL = {"mkdir", "create", "write", "append", "append rest", "link"}
SYNCS = {"sync", "sync folder"}
JOURNAL = "default/journal/0000000001.jsonl"


class Fault:
    """Fails the operation number `at` (and all of its kind after it, until it is lifted)."""

    def __init__(self, kinds: set[str], at: int, code: int, *, lasting: bool) -> None:
        self.kinds, self.left, self.code, self.lasting, self.hits = kinds, at, code, lasting, 0

    def __call__(self, operation: str, path: str) -> None:
        if operation not in self.kinds:
            return
        self.left -= 1
        if self.left == 0 or (self.lasting and self.left < 0):
            self.hits += 1
            raise OSError(self.code, os.strerror(self.code), path)


def try_saves(disk: SimulatedDisk, explorer: Explorer, fault: Fault) -> tuple[list[dict[str, int]], bool]:
    """Some transactions; those that failed for sure, and whether an outcome was unknown."""
    failed: list[dict[str, int]] = []
    store = open_store(disk)
    disk.before = fault
    for value in range(1, 6):
        contents = {"a": value, "b": value} if value % 2 else {"a": value}
        try:
            explorer.attempt(store, contents)
        except UnknownOutcomeError:
            return failed, True
        except TryLaterError:
            failed.append(contents)
    return failed, False


@pytest.mark.parametrize("lasting", [True, False], ids=["stays", "once"])
@pytest.mark.parametrize("at", range(1, 28))
def test_a_disk_that_fills_up_loses_nothing_and_lies_about_nothing(at: int, lasting: bool) -> None:
    disk = SimulatedDisk()
    explorer = Explorer(random.Random(at))
    fault = Fault(FULL, at, errno.ENOSPC, lasting=lasting)
    failed, unknown = try_saves(disk, explorer, fault)
    assert not unknown
    disk.before = lambda *_: None
    for cut in [disk.after_kill(), *(disk.after_cut(o) for o in disk.outcomes(4, random.Random(at)))]:
        explorer.check(cut, 0)
        commits = list(open_store(cut).log())
        told = [{s.name: s.content["value"] for s in c.snapshots if isinstance(s.content, dict)} for c in commits]
        assert not [contents for contents in failed if contents in told], "a save was reported as failed, and is there"


@pytest.mark.parametrize("at", range(1, 14))
def test_a_failed_fsync_is_an_unknown_outcome_and_ends_the_handle(at: int) -> None:
    disk = SimulatedDisk()
    explorer = Explorer(random.Random(at))
    store = open_store(disk)
    disk.before = Fault(SYNCS, at, errno.EIO, lasting=False)
    unknown = False
    for value in range(1, 12):
        try:
            explorer.attempt(store, {"a": value})
        except UnknownOutcomeError:
            unknown = True
            with pytest.raises(UnknownOutcomeError):
                explorer.attempt(store, {"a": 99})
            with pytest.raises(UnknownOutcomeError):
                store.latest(record("a"))
            break
    assert unknown
    disk.before = lambda *_: None
    for cut in [disk.after_kill(), *(disk.after_cut(o) for o in disk.outcomes(6, random.Random(at)))]:
        explorer.check(cut, 0)


class ForgetfulDisk(SimulatedDisk):
    """As Linux: pages whose fsync failed count as clean, and no later fsync writes them, or says so."""

    def __init__(self) -> None:
        super().__init__(nameless=True)
        self.failing = ""
        self.lost: dict[int, tuple[int, int]] = {}

    def sync(self, path: str) -> None:
        node = self._file(path)
        if self.failing and self.failing in path:
            self.failing = ""
            self.lost[id(node)] = (len(node.safe_data), len(node.data))
            error = OSError(errno.EIO, os.strerror(errno.EIO), path)
            error.failed_sync = True  # type: ignore[attr-defined]
            raise error
        super().sync(path)
        if (lost := self.lost.get(id(node))) is not None:
            node.safe_data = node.data[: lost[0]] + bytes(lost[1] - lost[0]) + node.data[lost[1] :]

    def after_reboot(self) -> SimulatedDisk:
        """All that was synced, and nothing else."""
        disk = SimulatedDisk(nameless=True)
        disk.nodes = {inode: node.copy_safe() for inode, node in self.nodes.items()}
        for node in disk.nodes.values():
            node.names = dict(node.safe_names)
        disk._next = self._next
        return disk


def test_an_fsync_that_fails_while_anothers_line_is_read_is_never_tried_again() -> None:
    disk = ForgetfulDisk()
    first, second = open_store(disk), open_store(disk)
    with first.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})

    def die(operation: str, path: str) -> None:
        if operation == "sync":
            raise KeyboardInterrupt

    disk.before = die
    with pytest.raises(KeyboardInterrupt), first.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 2, "pad": ""})
    disk.before = lambda *_: None
    disk.failing = ".jsonl"
    for value in (3, 4):
        with pytest.raises(UnknownOutcomeError), second.transaction(CTX) as tx:
            tx.save(record("b"), {"value": value, "pad": ""})
    third = open_store(disk)
    with third.transaction(CTX) as tx:
        tx.save(record("b"), {"value": 5, "pad": ""})
    assert tx.commit is not None
    assert open_store(disk.after_reboot()).head() == tx.commit.number


@pytest.mark.parametrize("again", ["same handle", "another", "same handle, which could not note it"])
def test_after_a_failed_sync_of_snapshots_a_checkpoint_writes_them_anew(again: str) -> None:
    disk = ForgetfulDisk()
    store = open_store(disk)
    with store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": "p" * 40})
    (path,) = (f"default/{snapshot.path}" for snapshot in tx.snapshots.values())
    data = disk.read(path)
    disk.failing = path

    def full(operation: str, path: str) -> None:
        if operation == "create" and path.endswith("doubt-names"):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    if again.endswith("could not note it"):
        disk.before = full
    with pytest.raises(TryLaterError, match="disk fails"):
        store.compact()
    disk.before = lambda *_: None
    (open_store(disk) if again == "another" else store).compact()
    assert "default/.store/doubt-names" not in disk.tree()
    booted = disk.after_reboot()
    open_store(booted)
    assert booted.read(path) == data


def test_after_a_failed_fsync_the_journal_is_written_anew_before_it_is_believed() -> None:
    """A kernel may mark pages clean though they never reached the disk: a later fsync then says nothing."""
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)
    disk.before = Fault({"sync"}, 1, errno.EIO, lasting=False)
    with pytest.raises(UnknownOutcomeError), store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": "a" * 20})
    disk.before = lambda *_: None
    with pytest.raises(UnknownOutcomeError):
        other.refresh()
    before = disk.nodes.keys()
    reopened = open_store(disk)
    assert reopened.head() == 1
    assert len(disk.nodes.keys()) >= len(before)
    assert "default/.store/doubt" not in disk.tree()
    assert open_store(disk.after_cut(disk.outcomes(1, random.Random(1))[0])).head() == 1


@contextmanager
def ordinary_user(folder: Path) -> Iterator[None]:
    """Root may write anything: for a while this process is nobody, in a folder of its own."""
    VersionedStore(CTX, url=folder / "first").save("alpha", {"x": 1})  # imports what root alone may read
    Store.open(folder / "first").compact()
    if os.geteuid() != 0:
        yield
        return
    folder.chmod(0o777)
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.mark.parametrize("part", ["", "default", "default/journal", "default/.store"])
def test_a_store_that_cannot_be_written_is_read(part: str) -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        folder = Path(name) / "store"
        with VersionedStore(RequestContext(user="ada"), url=folder) as named:
            named.save("alpha", {"x": 1})
        folders = [path for path in (folder / part, *(folder / part).rglob("*")) if path.is_dir()]
        for path in folders:
            path.chmod(0o555)
        try:
            said: list[str] = []
            with Store.open(folder, tell=said.append) as store:
                assert not store.writable
                assert said == ["the store cannot be written: opened for reading, without recovery"]
                reading = VersionedStore(RequestContext(user="ada"), store=store)
                latest = reading.latest("alpha")
                assert latest is not None
                assert latest.content == {"x": 1}
                with pytest.raises(DestinationError):
                    reading.save("alpha", {"x": 2})
            assert fsck(folder).findings == ()
        finally:
            for path in folders:
                path.chmod(0o755)


def test_a_store_is_made_below_a_folder_that_this_user_may_not_list() -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        above = Path(name) / "above"
        above.mkdir()
        above.chmod(0o311)
        with VersionedStore(RequestContext(user="ada"), url=above / "store") as named:
            assert named.save("alpha", {"x": 1}).commit == 1
        above.chmod(0o755)


def test_a_read_only_disk_is_read_and_refuses_saves() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    with store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    everything = FULL | {"rename", "unlink", "truncate"}  # fsync works on a read-only file system
    disk.before = Fault(everything, 1, errno.EROFS, lasting=True)
    said: list[str] = []
    reading = open_store(disk, said=said)
    assert not reading.writable
    assert said == ["the store cannot be written: opened for reading, without recovery"]
    latest = reading.latest(record("a"))
    assert latest is not None
    with pytest.raises(DestinationError), reading.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 2})


def test_running_out_of_descriptors_is_said_and_loses_nothing(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        result = b"unknown"
        try:
            result = use_up_descriptors(tmp_path / "store")
        finally:
            os.write(writing, result)
            os._exit(0)
    os.close(writing)
    told = os.read(reading, 1000).decode()
    os.close(reading)
    os.waitpid(pid, 0)
    failed, saved = (int(part) for part in told.split(" "))
    assert failed + saved == 30  # journal and lock are open already: the commit needs no descriptor
    store = VersionedStore(RequestContext(user="ada"), url=tmp_path / "store")
    assert len(store.names()) == saved
    assert fsck(tmp_path / "store").findings == ()


def use_up_descriptors(folder: Path) -> bytes:
    """In a process of its own: saves while fewer and fewer descriptors are left."""
    named = VersionedStore(RequestContext(user="ada"), url=folder)
    soft = max(int(path.name) for path in Path("/proc/self/fd").iterdir()) + 12
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, soft))
    failed = saved = 0
    kept = []
    for number in range(30):
        try:
            named.save(f"r{number}", {"n": number})
            saved += 1
        except SheetSyncError as exc:
            failed += "too many files" in exc.message
        try:
            kept.append(os.open("/dev/null", os.O_RDONLY))
        except OSError:
            continue
    for descriptor in kept:
        os.close(descriptor)
    return f"{failed} {saved}".encode()


def test_a_clock_set_back_by_an_hour_keeps_the_order(tmp_path: Path) -> None:
    clock = FakeClock()
    named = VersionedStore(RequestContext(user="ada"), url=tmp_path / "store", clock=clock)
    for number in range(5):
        named.save("alpha", {"n": number})
        clock.advance(-3600)
    folder = tmp_path / "store/default/workbench_drafts/ada/alpha"
    latest = named.latest("alpha")
    assert latest is not None
    assert max(path.name for path in folder.iterdir()) == latest.filename
    record_id = RecordId("default", ("workbench_drafts", "ada", "alpha"), "alpha")
    assert [s.version for s in named.store.history(record_id)] == [1, 2, 3, 4, 5]


class NoLinks(SimulatedDisk):
    """A file system without hard links."""

    def link(self, source: str, target: str) -> None:
        raise OSError(errno.EOPNOTSUPP, "no links here", target)


def test_a_disk_without_links_keeps_its_promises_too() -> None:
    disk = NoLinks()
    explorer = Explorer(random.Random(1))
    store = open_store(disk)
    for value in (1, 2, 1):
        explorer.attempt(store, {"a": value, "b": 7})
    explorer.check(disk.after_kill(), 0)
    assert not [path for path in disk.tree() if "/temp/" in path]


def test_a_journal_that_another_process_damaged_ends_the_handle() -> None:
    disk = SimulatedDisk()
    explorer = Explorer(random.Random(1))
    store, other = open_store(disk), open_store(disk)
    explorer.attempt(store, {"a": 1})
    path = "default/journal/0000000001.jsonl"
    line = disk.read(path)
    disk.append(path, len(line), line)
    with pytest.raises(StoreDamagedError):
        other.refresh()
    for _ in range(2):
        with pytest.raises((UnknownOutcomeError, StoreDamagedError)):
            explorer.attempt(other, {"a": 2})


@pytest.mark.parametrize("left", ["names", "torn line"])
def test_a_full_disk_is_read_though_a_crash_left_something_to_do(left: str) -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    with store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    if left == "names":
        disk.before = Fault({"mkdir", "link", "write"}, 1, errno.ENOSPC, lasting=True)
        with store.transaction(CTX) as tx:
            tx.save(record("b"), {"value": 2, "pad": ""})
    else:
        disk.append(JOURNAL, disk.size(JOURNAL) or 0, b'{"sum":"12')
    disk.before = Fault(FULL - {"mkdir"}, 1, errno.ENOSPC, lasting=True)  # of a folder that is there it is not said
    said: list[str] = []
    reading = open_store(disk, said=said)
    assert [line for line in said if "the next opening tries again" in line]
    assert len(list(reading.latest_all("default"))) == (2 if left == "names" else 1)
    with pytest.raises(TryLaterError), reading.transaction(CTX) as tx:
        tx.save(record("c"), {"value": 3, "pad": ""})
    disk.before = lambda *_: None
    with reading.transaction(CTX) as tx:
        tx.save(record("c"), {"value": 3, "pad": ""})
    reading.compact()
    names = {f"default/{snapshot.path}" for snapshot in reading.latest_all("default")}
    assert names <= disk.tree().keys()


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_doubt_on_a_full_disk_keeps_nobody_from_reading(code: int) -> None:
    disk = SimulatedDisk()
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 1, "pad": ""})
    disk.create("default/.store/doubt", b"")
    disk.before = Fault(FULL - {"mkdir"}, 1, code, lasting=True)
    said: list[str] = []
    store = open_store(disk, said=said)
    assert [snapshot.content for snapshot in store.latest_all("default")] == [{"value": 1, "pad": ""}]
    assert any("a disk failed under the journal" in line for line in said)
    with pytest.raises(DestinationError), store.transaction(CTX) as tx:
        tx.save(record("a"), {"value": 2, "pad": ""})
    disk.before = lambda *_: None
    with open_store(disk).transaction(CTX) as tx:
        tx.save(record("a"), {"value": 2, "pad": ""})
    assert "default/.store/doubt" not in disk.tree()
