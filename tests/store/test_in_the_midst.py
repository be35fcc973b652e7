"""What comes in the midst of a call: a signal handler that saves, an interrupt, a killed parent, a full log."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import stat
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    DefectError,
    DestinationError,
    LockHeldError,
    NotPlacedError,
    SheetSyncError,
    StoreDamagedError,
    TryLaterError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
from sheetsync.store.local_journal import LocalJournal
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.mutex import Mutex
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from tests.faults.crash_explorer import open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import ForgetfulDisk
from tests.store.rules import save

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
CTX = RequestContext(user="ada")


def at_line(wanted: int, act: Callable[[], None]) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that acts at one line of the store's code, as a signal handler would."""
    count = 0

    def trace(frame: FrameType, event: str, arg: Any) -> Any:
        nonlocal count
        if "/sheetsync/store/" not in frame.f_code.co_filename:
            return None
        if event == "line":
            count += 1
            if count == wanted:
                sys.settrace(None)
                act()
        return trace

    return trace


@pytest.mark.parametrize("first", range(6))
def test_a_handler_that_uses_the_store_in_the_midst_of_a_save_is_refused_and_harms_nothing(
    first: int, folder: Path
) -> None:
    refused = 0
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": -1})
        for number in range(first, 450, 18):
            outcome: list[str] = []

            def handle(number: int = number, outcome: list[str] = outcome) -> None:
                try:
                    named.save("beta", {"n": number})
                    outcome.append("saved")
                except DefectError:
                    outcome.append("refused")

            sys.settrace(at_line(number, handle))
            try:
                named.save("alpha", {"n": number})
            finally:
                sys.settrace(None)
            latest = {name: named.latest(name) for name in ("alpha", "beta")}
            assert latest["alpha"] is not None
            assert latest["alpha"].content == {"n": number}
            if "saved" in outcome:
                assert latest["beta"] is not None
                assert latest["beta"].content == {"n": number}
            refused += outcome.count("refused")
    assert refused > 5
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("first", range(6))
def test_an_interrupted_read_never_leaves_a_handle_that_shows_an_old_state(first: int, folder: Path) -> None:
    class Stop(BaseException):
        pass

    def stop() -> None:
        raise Stop

    ended = 0
    with VersionedStore(CTX, url=folder) as writer:
        writer.save("alpha", {"n": -1})
        for number in range(first, 240, 6):
            with VersionedStore(CTX, url=folder) as reader:
                writer.save("alpha", {"n": number})
                sys.settrace(at_line(number, stop))
                try:
                    reader.latest("alpha")
                except Stop:
                    pass
                finally:
                    sys.settrace(None)
                try:
                    latest = reader.latest("alpha")
                    assert latest is not None
                    assert latest.content == {"n": number}
                except UnknownOutcomeError:
                    ended += 1
    assert ended


def seen_too_early() -> tuple[ForgetfulDisk, Store]:
    """A handle that looked between another's failed fsync and its doubt, and believed entry 2."""
    disk = ForgetfulDisk()
    first, second = open_store(disk), open_store(disk)
    save(first, "a", 1)
    second.refresh()

    def look(operation: str, path: str) -> None:
        if operation == "create" and "doubt" in path:
            disk.before = lambda *_: None
            assert second.refresh() == 2  # the doubt is noted a moment later

    disk.before, disk.failing = look, ".jsonl"
    with pytest.raises(UnknownOutcomeError):
        save(first, "a", 2)
    return disk, second


def test_a_look_between_a_failed_fsync_and_its_doubt_lets_nobody_save_upon_it() -> None:
    disk, second = seen_too_early()
    with pytest.raises(UnknownOutcomeError):
        save(second, "b", 1)
    save(open_store(disk), "b", 1)
    assert open_store(disk.after_reboot()).head() == 3  # the opening wrote anew what was in doubt


@pytest.mark.parametrize("act", ["the same save", "compact", "read"])
def test_a_doubt_that_is_noted_after_a_look_lets_nobody_rely_on_what_was_seen(act: str) -> None:
    disk, second = seen_too_early()
    acts: dict[str, Callable[[], object]] = {
        "the same save": lambda: save(second, "a", 2),
        "compact": second.compact,
        "read": lambda: second.latest(record("a")),
    }
    with pytest.raises(UnknownOutcomeError):
        acts[act]()
    assert open_store(disk.after_reboot()).head() == 1


HANDLERS = [KeyboardInterrupt(), TimeoutError("an alarm")]


class Chained(KeyboardInterrupt):
    """What a handler raises from an error that was never raised: the failed fsync is its context only."""

    def __init__(self) -> None:
        super().__init__()
        self.__cause__ = ValueError("never raised")


HANDLERS.append(Chained())


def full_log() -> None:
    """What a handler does whose log is full."""
    try:
        raise OSError(errno.ENOSPC, "the log is full")
    except OSError:
        sys.exit(1)


def test_a_handler_with_troubles_of_its_own_makes_no_doubt_of_a_sound_fsync(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = PosixFileSystem.sync

    def interrupted(files: PosixFileSystem, path: str) -> None:
        sync(files, path)
        full_log()

    with VersionedStore(CTX, url=folder) as other, VersionedStore(CTX, url=folder) as named:
        with monkeypatch.context() as signalled:
            signalled.setattr(PosixFileSystem, "sync", interrupted)
            with pytest.raises(SystemExit):
                named.save("alpha", {"n": 1})
        assert not (folder / "default/.store/doubt").exists()
        assert other.latest("alpha") is not None


def test_a_failed_fsync_that_is_being_handled_makes_no_doubt_of_a_sound_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sync = PosixFileSystem.sync

    def interrupted(files: PosixFileSystem, path: str) -> None:
        sync(files, path)
        raise KeyboardInterrupt

    failed = OSError(errno.EIO, "of another store")
    failed.failed_sync = True  # type: ignore[attr-defined]
    with VersionedStore(CTX, url=folder) as named, monkeypatch.context() as signalled:
        signalled.setattr(PosixFileSystem, "sync", interrupted)
        try:
            raise failed
        except OSError:
            with pytest.raises(KeyboardInterrupt):
                named.save("alpha", {"n": 1})
    assert not (folder / "default/.store/doubt").exists()


@pytest.mark.parametrize("name", ["fsync", "fdatasync"])
def test_the_real_disk_marks_an_fsync_that_fails(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a signal that is pending then raises at the next call, as Python does."""
    failed, close = list[int](), os.close

    def fails(descriptor: int) -> None:
        failed.append(descriptor)
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    def closing(descriptor: int) -> None:
        close(descriptor)
        if failed:
            failed.clear()
            raise KeyboardInterrupt

    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        with Store.open(folder) as reader:
            named.save("alpha", {"n": 2})
            monkeypatch.setattr(os, name, fails)
            if name == "fsync":  # of another's line, through a descriptor that is closed at once
                with monkeypatch.context() as pending:
                    pending.setattr(os, "close", closing)
                    with pytest.raises(KeyboardInterrupt):
                        reader.refresh()
            else:
                with pytest.raises(UnknownOutcomeError):
                    named.save("alpha", {"n": 3})
    assert (folder / "default/.store/doubt").exists()


def test_an_interrupt_while_syncfs_fails_hides_no_doubt(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(files: PosixFileSystem, path: str, folders: object) -> bool:
        raise KeyboardInterrupt  # between the call that failed and what it raises

    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"n": 1}).path
        with monkeypatch.context() as failing:
            failing.setattr(PosixFileSystem, "sync_all", interrupted)
            with pytest.raises(KeyboardInterrupt):
                named.store.compact()
        assert (folder / "default/.store/doubt-names").exists()
        before = path.stat().st_ino
        named.store.compact()
        assert path.stat().st_ino != before
        assert not (folder / "default/.store/doubt-names").exists()


def test_a_file_system_without_fsync_is_read_where_it_is_read_only(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def cannot(descriptor: int) -> None:
        raise OSError(errno.EINVAL, os.strerror(errno.EINVAL))

    class Mounted:
        f_flag = os.ST_RDONLY

    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    for name in ("fsync", "fdatasync"):
        monkeypatch.setattr(os, name, cannot)
    with pytest.raises(UnknownOutcomeError):
        Store.open(folder)
    (folder / "default/.store/doubt").unlink()
    monkeypatch.setattr(os, "fstatvfs", lambda descriptor: Mounted)
    with VersionedStore(CTX, url=folder) as again:
        assert again.latest("alpha") is not None


def test_a_doubt_on_a_disk_that_became_read_only_is_said_and_the_store_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    (folder / "default/.store/doubt").write_bytes(b"0000000001.jsonl")
    report = fsck(folder)
    assert (report.exit_code, [finding.code for finding in report.findings]) == (0, ["doubt"])
    said: list[str] = []
    with monkeypatch.context() as mounted:
        mounted.setattr(PosixFileSystem, "is_writable", lambda files, path: False)
        with Store.open(folder, tell=said.append) as store:
            assert store.head() == 1
            assert not store.writable
    assert any("a disk failed under the journal" in message for message in said)
    with Store.open(folder) as store:
        assert store.head() == 1
    assert fsck(folder).findings == ()


def test_an_interrupt_while_a_lease_is_taken_leaves_it_free(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    flock = fcntl.flock

    def interrupted(descriptor: int, how: int) -> None:
        flock(descriptor, how)
        if how == fcntl.LOCK_EX | fcntl.LOCK_NB and stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise KeyboardInterrupt

    with Store.open(folder) as store:
        with monkeypatch.context() as taking:
            taking.setattr(fcntl, "flock", interrupted)
            with pytest.raises(KeyboardInterrupt):
                store.lease("sync", who="ada")
        store.lease("sync", who="bob").release()


class InterruptedDisk(ForgetfulDisk):
    """A signal comes while an fsync fails: its handler raises before anybody sees why."""

    what: BaseException | None = None

    def sync(self, path: str) -> None:
        try:
            super().sync(path)
        except OSError:
            if self.what is not None:
                raise self.what  # noqa: B904 (a handler knows nothing of it)
            raise


@pytest.mark.parametrize("what", HANDLERS)
@pytest.mark.parametrize("act", ["save", "read"])
def test_an_interrupt_while_an_fsync_fails_hides_no_doubt(act: str, what: BaseException) -> None:
    disk = InterruptedDisk()
    first, reader = open_store(disk), open_store(disk)
    save(first, "a", 1)
    if act == "read":
        save(first, "a", 2)
    disk.failing, disk.what = ".jsonl", what
    acts: dict[str, Callable[[], object]] = {"save": lambda: save(first, "a", 2), "read": reader.refresh}
    with pytest.raises((KeyboardInterrupt, UnknownOutcomeError, TryLaterError)):
        acts[act]()
    disk.what = None
    save(open_store(disk), "b", 1)
    assert open_store(disk.after_reboot()).head() == 3


@pytest.mark.parametrize("what", HANDLERS)
def test_an_interrupt_at_the_very_call_that_notes_a_doubt_hides_it_neither(
    what: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = ForgetfulDisk()
    store = open_store(disk)
    save(store, "a", 1)
    note, calls = LocalJournal._doubt_if_failed, list[int]()

    def interrupted(*given: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            raise what
        note(*given)

    monkeypatch.setattr(LocalJournal, "_doubt_if_failed", interrupted)
    disk.failing = ".jsonl"
    with pytest.raises((KeyboardInterrupt, UnknownOutcomeError)):
        save(store, "a", 2)
    save(open_store(disk), "b", 1)
    assert open_store(disk.after_reboot()).head() == 3


def test_an_interrupt_while_nothing_fails_is_no_doubt() -> None:
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)

    def stop(operation: str, path: str) -> None:
        if operation == "sync":
            disk.before = lambda *_: None
            raise KeyboardInterrupt

    disk.before = stop
    try:
        raise OSError(errno.EIO, "of the application's own")
    except OSError:
        with pytest.raises(KeyboardInterrupt):
            save(store, "a", 1)
    assert other.refresh() == 1


@pytest.mark.parametrize("what", HANDLERS)
def test_an_interrupt_while_a_sync_of_snapshots_fails_hides_no_doubt(what: BaseException) -> None:
    disk = InterruptedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    (path,) = (f"default/{snapshot.path}" for snapshot in store.history(record("a")))
    disk.failing, disk.what = path, what
    with pytest.raises((KeyboardInterrupt, TryLaterError)):
        store.compact()
    assert "default/.store/doubt-names" in disk.tree()


def at_exit(act: Callable[[], None]) -> Callable[[FrameType, str, Any], Any]:
    """A trace function that acts when the writers' lock begins to be given back, once."""

    def trace(frame: FrameType, event: str, arg: Any) -> None:
        code = frame.f_code
        if event == "call" and code.co_name == "__exit__" and code.co_filename.endswith("flock.py"):
            sys.settrace(None)
            act()

    return trace


@pytest.mark.parametrize("act", ["open", "save", "compact", "rebuild_index", "write_derived", "for_tenant"])
def test_an_interrupt_at_the_very_call_that_gives_the_lock_back_locks_out_nobody(act: str, folder: Path) -> None:
    def stop() -> None:
        raise KeyboardInterrupt

    with VersionedStore(CTX, url=folder) as named:
        store = named.store
        named.save("alpha", {"n": 1})
        acts: dict[str, Callable[[], object]] = {
            "open": lambda: Store.open(folder),
            "save": lambda: named.save("alpha", {"n": 2}),
            "compact": store.compact,
            "rebuild_index": store.rebuild_index,
            "write_derived": lambda: store.write_derived("default", ("health", "x.json"), b""),
            "for_tenant": lambda: store.for_tenant("default"),
        }
        sys.settrace(at_exit(stop))
        try:
            with pytest.raises(KeyboardInterrupt):
                acts[act]()
        finally:
            sys.settrace(None)
        journal = os.open(folder / "default/journal", os.O_RDONLY)
        fcntl.flock(journal, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.close(journal)


def test_an_interrupt_while_it_is_asked_what_was_written_calls_no_save_failed(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(part: LocalTenant) -> bool:
        raise StoreDamagedError("what a handler raised")

    with VersionedStore(CTX, url=folder) as named:
        monkeypatch.setattr(LocalTenant, "wrote", property(interrupted, lambda part, value: None))
        with pytest.raises(UnknownOutcomeError, match="may or may not be there"):
            named.save("alpha", {"n": 1})
    with Store.open(folder) as store:
        assert store.head() == 1


def test_what_cannot_be_told_does_not_undo_a_save(folder: Path) -> None:
    def full(message: str) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store.open(folder):
        kind = folder / "default/workbench_drafts"
        kind.mkdir()
    with Store.open(folder, tell=full) as store:
        named = VersionedStore(CTX, store=store)
        before = PosixFileSystem.place_first
        PosixFileSystem.place_first = lambda *_: no_space()  # type: ignore[assignment, method-assign]
        try:
            assert named.save("alpha", {"n": 1}).commit == 1
        finally:
            PosixFileSystem.place_first = before  # type: ignore[method-assign]
    assert fsck(folder, repair=True).exit_code == 0


def no_space() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_root_that_is_moved_away_under_an_append_is_an_unknown_outcome(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        sync = PosixFileSystem.sync

        def move_away(files: PosixFileSystem, path: str) -> None:
            sync(files, path)
            if folder.exists():
                folder.rename(folder.with_name("elsewhere"))

        monkeypatch.setattr(PosixFileSystem, "sync", move_away)
        with pytest.raises(UnknownOutcomeError):
            named.save("alpha", {"n": 2})
        with pytest.raises(UnknownOutcomeError):
            named.latest("alpha")


@pytest.mark.parametrize("held", ["lock", "lease"])
def test_a_killed_process_holds_nothing_though_a_child_that_it_forked_lives(held: str, folder: Path) -> None:
    Store.open(folder).close()
    ready, told = os.pipe()
    if (parent := os.fork()) == 0:
        store = Store.open(folder)
        taken = store._part.exclusive() if held == "lock" else store.lease("sync", who="ada")
        with taken:
            if os.fork() == 0:
                os.write(told, f"{os.getpid()}\n".encode())  # it has closed its copies by now
            time.sleep(60)
        os._exit(0)
    child = int(os.read(ready, 20))
    try:
        if held == "lease":
            with Store.open(folder) as store, pytest.raises(LockHeldError):
                store.lease("sync", who="bob")
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        began = time.monotonic()
        with Store.open(folder) as store:
            store.lease("sync", who="bob").release()
            VersionedStore(CTX, store=store).save("alpha", {"n": 1})
        assert time.monotonic() - began < 30  # the lock is waited for up to 60 s
    finally:
        os.kill(child, signal.SIGKILL)
        os.close(ready)
        os.close(told)


def test_a_forked_child_does_not_free_its_parents_lease(folder: Path) -> None:
    with Store.open(folder) as store, store.lease("sync", who="ada") as lease:
        if (child := os.fork()) == 0:
            lease.release()
            os._exit(0)
        os.waitpid(child, 0)
        with Store.open(folder) as other, pytest.raises(LockHeldError):
            other.lease("sync", who="bob")


def test_a_line_whose_sum_does_not_hold_puts_no_name_in_place(folder: Path) -> None:
    """The index spares an opening to believe old lines again; what they say is proved before it moves anything."""
    with VersionedStore(CTX, url=folder) as named:
        for number in range(300):
            named.save("alpha", {"n": number})
    journal = folder / "default/journal/0000000001.jsonl"
    data = journal.read_bytes()
    at = data.index(b"alpha--", data.index(b'"n":10,')) + len(b"alpha--")
    names = sorted(path.name for path in folder.rglob("alpha--*"))
    for position in (at, data.index(b'"n":9', at)):  # of a stamp, and of a content
        journal.write_bytes(data[:position] + bytes([data[position] ^ 4]) + data[position + 1 :])
        said: list[str] = []
        with Store.open(folder, tell=said.append) as store:
            latest = VersionedStore(CTX, store=store).latest("alpha")
            assert latest is not None
            assert latest.content == {"n": 299}
        assert any("entry 10 is damaged" in message for message in said)
        assert sorted(path.name for path in folder.rglob("alpha--*")) == names
        assert not (folder / "default/.store/checkpoint.json").exists()
        assert fsck(folder, repair=True).exit_code == 0
        assert journal.read_bytes() == data


@pytest.mark.parametrize("zeros", [1, 8, 9, 60])
def test_zeros_between_two_lines_are_no_tear(zeros: int, folder: Path) -> None:
    with Store.open(folder) as store:
        for number in range(3):
            store.note(CTX, "looked", {"n": number})
    journal = folder / "default/journal/0000000001.jsonl"
    data = journal.read_bytes()
    at = data.index(b"\n", data.index(b"\n") + 1)
    journal.write_bytes(data[:at] + bytes(zeros) + data[at + zeros :])
    assert fsck(folder).exit_code == 9
    with pytest.raises(StoreDamagedError):
        Store.open(folder)
    assert journal.stat().st_size == len(data)


def test_a_whole_last_line_without_its_line_feed_and_zeros_behind_it_is_still_a_tear(folder: Path) -> None:
    with Store.open(folder) as store:
        store.note(CTX, "looked", {"n": 1})
    journal = folder / "default/journal/0000000001.jsonl"
    journal.write_bytes(journal.read_bytes()[:-1] + bytes(100))
    with Store.open(folder) as store:
        assert store.head() == 0


def test_a_disk_that_fills_up_and_names_that_have_no_place_leave_no_temporary_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    temp, create = folder / "default/.store/temp", PosixFileSystem.create
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 0})
        monkeypatch.setattr(PosixFileSystem, "place", lambda *_: False)
        monkeypatch.setattr(PosixFileSystem, "place_first", lambda *_: False)
        monkeypatch.setattr(PosixFileSystem, "link", lambda *_: no_space())
        for number in range(3):
            named.save("alpha", {"n": number + 1})
        assert list(temp.iterdir()) == []
        monkeypatch.setattr(PosixFileSystem, "rename", lambda *_: no_space())
        with pytest.raises(Exception, match="full"):
            named.store.rebuild_index()
        assert list(temp.iterdir()) == []

        def half(files: PosixFileSystem, path: str, data: bytes) -> None:
            create(files, path, data[:5])
            no_space()

        monkeypatch.setattr(PosixFileSystem, "create", half)
        named.save("alpha", {"n": 9})
        assert list(temp.iterdir()) == []


@pytest.mark.parametrize("what", ["folder", "full folder"])
def test_what_stands_among_temporary_files_and_cannot_be_removed_is_named_and_stops_nothing(
    what: str, folder: Path
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    odd = folder / "default/.store/temp/odd"
    odd.mkdir()
    if what == "full folder":
        (odd / "x").write_text("mine")
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 2})
    assert odd.exists()
    assert [finding.path for finding in fsck(folder).findings] == [".store/temp/odd"]


def test_an_index_that_cannot_be_written_is_not_tried_with_each_save(folder: Path) -> None:
    said: list[str] = []
    with Store.open(folder, tell=said.append) as store:
        named = VersionedStore(CTX, store=store)
        (folder / "default/.store/index.json").mkdir()
        for number in range(600):
            named.save("alpha", {"n": number})
    assert 1 <= len(said) <= 4
    assert list((folder / "default/.store/temp").iterdir()) == []


@pytest.mark.parametrize(("longest_name", "longest_path"), [(100, 4000), (255, 120)])
def test_a_name_without_room_on_this_disk_is_refused_before_it_is_committed(
    longest_name: int, longest_path: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(PosixFileSystem, "limits", lambda files: (longest_name, longest_path))
    with VersionedStore(CTX, url=folder) as named:
        with pytest.raises(UsageError, match="too long for this file system"):
            named.save("n" * 80, {"n": 1})
        assert named.save("alpha", {"n": 1}).commit == 1


def test_a_name_that_a_disk_cannot_hold_any_more_keeps_nobody_from_opening(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The store was copied to another file system."""
    with VersionedStore(CTX, url=folder) as named:
        name = named.save("alpha", {"n": 1}).path
    (folder / "default" / name).unlink()

    def too_long(files: PosixFileSystem, path: str, data: bytes) -> bool:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG), path)

    monkeypatch.setattr(PosixFileSystem, "place", too_long)
    said: list[str] = []
    with Store.open(folder, tell=said.append) as store:
        latest = VersionedStore(CTX, store=store).latest("alpha")
        assert latest is not None
        assert latest.content == {"n": 1}
    assert any("not all put right" in message for message in said)


@pytest.mark.parametrize(
    "error", [TimeoutError("an alarm"), BrokenPipeError(errno.EPIPE, "stdout"), UsageError("mine")]
)
@pytest.mark.parametrize("first", range(3))
# Raised in a callback of the garbage collector, which may run at any line, it goes nowhere.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_whatever_a_handler_raises_a_save_that_may_be_there_is_not_called_failed(
    error: Exception, first: int, folder: Path
) -> None:
    def stop() -> None:
        raise error

    outcomes: dict[str, int] = {}
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": -1})
    for number in range(first, 700, 9):
        with VersionedStore(CTX, url=folder) as named:
            before = named.store.head()
            sys.settrace(at_line(number, stop))
            try:
                named.save("alpha", {"n": number})
                told = "saved"
            except UnknownOutcomeError:
                told = "unknown"
            except NotPlacedError as exc:
                told = "saved" if exc.commit == before + 1 else "wrong"
            except (SheetSyncError, OSError) as exc:
                told = "interrupted" if exc is error else "failed"
            finally:
                sys.settrace(None)
        with Store.open(folder) as store:
            there = store.head() == before + 1
        assert there or told != "saved"
        assert not there or told != "failed", f"line {number}"
        outcomes[told] = outcomes.get(told, 0) + 1
    assert {"saved", "unknown"} <= outcomes.keys() <= {"saved", "failed", "unknown", "interrupted"}
    assert fsck(folder).exit_code == 0


@pytest.mark.parametrize("how", ["save", "close", "close the owner"])
def test_a_callback_that_uses_a_sister_handle_is_refused(how: str, folder: Path) -> None:
    refused: list[str] = []
    with Store.open(folder) as store:
        save(store, "a", 1)
        journal = folder / "default/journal/0000000001.jsonl"
        sister = store.for_tenant("default")

        def tell(message: str) -> None:
            try:
                if how == "save":
                    sister.note(CTX, message, {})
                else:
                    (sister if how == "close" else store).close()
            except DefectError:
                refused.append(message)

        store._listener = tell
        with journal.open("ab") as file:
            file.write(b'{"sum":"0123456789abcdef')
        save(store, "a", 2)
        assert len(refused) == 1
        assert store.head() == 2
    assert fsck(folder).findings == ()


def test_a_handle_that_an_interrupt_left_taken_can_be_used_and_closed(folder: Path) -> None:
    """It came at the very call that gives the handle back."""
    store = Store.open(folder)

    def interrupted() -> None:
        store._mutex.__enter__()

    interrupted()
    assert store.head() == 0
    interrupted()
    store.close()
    with pytest.raises(UnknownOutcomeError, match="closed"):
        store.head()


def test_a_lock_that_is_closed_by_its_own_thread_is_held_to_its_end(folder: Path) -> None:
    Store.open(folder).close()
    files, others = PosixFileSystem(folder), PosixFileSystem(folder)
    with files.lock("default/journal"):
        files.rest("default/journal")
        assert others._locks == {}
        descriptor = os.open(folder / "default/journal", os.O_RDONLY)
        with pytest.raises(BlockingIOError):
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    files.close()
    others.close()


@pytest.mark.parametrize(
    "error", [OSError(errno.EMFILE, "too many"), BrokenPipeError("stdout"), TimeoutError("an alarm")]
)
@pytest.mark.parametrize("who", ["reader", "writer"])
def test_what_is_no_failed_fsync_puts_nobody_in_doubt(
    error: OSError, who: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder) as store, Store.open(folder) as other:
        save(store, "a", 1)
        sync, failing = PosixFileSystem.sync, [True]

        def fail(files: PosixFileSystem, path: str) -> None:
            if failing.pop() if failing else False:
                raise error
            sync(files, path)

        monkeypatch.setattr(PosixFileSystem, "sync", fail)
        if who == "reader":
            with pytest.raises(TryLaterError):
                other.head()
            assert other.head() == 1
        else:
            with pytest.raises(UnknownOutcomeError):
                save(store, "a", 2)
            assert other.head() == 2
        save(other, "a", 3)
        assert not (folder / "default/.store/doubt").exists()
    Store.open(folder).close()  # which puts the name of the save whose outcome was unknown
    assert fsck(folder).findings == ()


def test_a_line_that_was_written_in_full_is_not_cut_for_what_a_handler_raises(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may have shown it already."""
    with Store.open(folder) as store, Store.open(folder) as other:
        save(store, "a", 1)
        append = PosixFileSystem.append

        def interrupted(files: PosixFileSystem, path: str, offset: int, data: bytes) -> None:
            append(files, path, offset, data)
            assert other.head() == 2
            raise BrokenPipeError("stdout")

        monkeypatch.setattr(PosixFileSystem, "append", interrupted)
        with pytest.raises(UnknownOutcomeError):
            save(store, "a", 2)
        monkeypatch.setattr(PosixFileSystem, "append", append)
        assert other.head() == 2
    with Store.open(folder) as store:
        assert store.head() == 2


@pytest.mark.parametrize("error", [BrokenPipeError("stdout"), TryLaterError("a handler's")])
def test_what_is_raised_while_the_handle_is_given_back_calls_no_save_failed(
    error: Exception, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder) as store:
        give_back = Mutex._give_back

        def interrupted(mutex: Mutex) -> None:
            give_back(mutex)
            if store._state.number:
                raise error

        with monkeypatch.context() as patched:
            patched.setattr(Mutex, "_give_back", interrupted)
            with pytest.raises(UnknownOutcomeError):
                save(store, "a", 1)
    with Store.open(folder) as store:
        assert store.head() == 1


def test_a_handler_in_the_midst_of_a_request_to_a_bucket_calls_no_save_failed() -> None:
    class Interrupted(MemoryObjects):
        error: Exception | None = None

        def put_new(self, key: str, data: bytes) -> None:
            super().put_new(key, data)
            if self.error is not None and "/journal/" in key:
                raise self.error

    for error in (DestinationError("a handler's"), StoreDamagedError("a handler's"), TryLaterError("a handler's")):
        objects = Interrupted()
        store = Store.on(ObjectBackend(objects, "x", cheap=True))
        objects.error = error
        with pytest.raises((UnknownOutcomeError, StoreDamagedError)) as caught:
            save(store, "a", 1)
        assert isinstance(caught.value, UnknownOutcomeError)
        objects.error = None
        assert Store.on(ObjectBackend(objects, "x")).head() == 1


def test_what_stands_at_the_next_journal_files_name_is_told_and_nothing_was_saved(folder: Path) -> None:
    folder.mkdir()
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=3)))
    for value in range(3):
        save(store, "a", value)
    planted = folder / "default/journal/0000000004.jsonl"
    os.mkfifo(planted)
    with pytest.raises(StoreDamagedError, match="is no file"):
        save(store, "a", 3)
    planted.unlink()
    assert Store.open(folder).head() == 3


def test_a_journal_that_another_process_makes_while_we_look_is_not_gone(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Store.open(folder):
        pass
    (folder / "default/journal").rmdir()
    walk = LocalTenant.walk

    def meanwhile(part: LocalTenant, below: str = "", *, whole: bool = False) -> Iterator[tuple[str, str]]:
        monkeypatch.setattr(LocalTenant, "walk", walk)
        with Store.open(folder) as other:
            save(other, "a", 1)
        return walk(part, below, whole=whole)

    monkeypatch.setattr(LocalTenant, "walk", meanwhile)
    with Store.open(folder) as store:
        assert store.head() == 1
