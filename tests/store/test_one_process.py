"""What one process can do to its own store: fork, threads of several tenants, an interrupt at any moment."""

from __future__ import annotations

import errno
import fcntl
import gc
import os
import signal
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path
from types import FrameType

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError, SheetSyncError, StaleSnapshotError, UnknownOutcomeError
from sheetsync.store import RecordId, Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from tests.store.rules import open_below

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
CTX = RequestContext(user="ada")
CHILDREN = 4
RAISES = 25


def raise_counter(named: VersionedStore) -> None:
    base = named.latest("counter")
    count = base.content["n"] if base is not None and isinstance(base.content, dict) else 0
    named.save("counter", {"n": count + 1}, base)


def test_forked_children_exclude_each_other(folder: Path) -> None:
    """Parent and children share one open file, and so its lock: each must take a lock of its own."""
    named = VersionedStore(CTX, url=folder)
    named.save("counter", {"n": 0})
    pids = []
    for _ in range(CHILDREN):
        if (pid := os.fork()) == 0:
            status = 1
            try:
                done = 0
                while done < RAISES:
                    try:
                        raise_counter(named)
                    except StaleSnapshotError:
                        continue
                    done += 1
                status = 0
            finally:
                os._exit(status)
        pids.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in pids] == [0] * CHILDREN
    latest = named.latest("counter")
    assert latest is not None
    assert latest.content == {"n": CHILDREN * RAISES}
    assert fsck(folder).findings == ()
    named.close()


def test_a_childs_copy_of_a_lease_is_not_its_own(folder: Path) -> None:
    with Store.open(folder) as store:
        lease = store.lease("sync", who="ada")
        if (pid := os.fork()) == 0:
            lease.release()
            os._exit(0)
        os.waitpid(pid, 0)
        assert [info.name for info in store.held()] == ["sync"]
        with store.transaction(CTX, fence=lease) as tx:
            tx.save(RecordId("default", ("components", "a"), "a"), {"n": 1})
        lease.release()
        assert store.held() == []


def test_a_forked_child_commits_nothing_under_its_parents_lease(folder: Path) -> None:
    with Store.open(folder) as store, store.lease("sync", who="ada") as lease:
        if (pid := os.fork()) == 0:
            status = 1
            try:
                with store.transaction(CTX, fence=lease) as tx:
                    tx.save(RecordId("default", ("components", "a"), "a"), {"n": 1})
            except LockHeldError:
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        assert store.head() == 0


def test_a_child_that_was_forked_while_a_thread_held_the_lock_takes_it_after_that_thread(folder: Path) -> None:
    Store.open(folder).close()
    files, entered, done = PosixFileSystem(folder), threading.Event(), threading.Event()
    lock = files.lock("default/journal")

    def hold() -> None:
        with lock:
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    if (pid := os.fork()) == 0:
        signal.alarm(10)  # that thread is not in the child, and gives back nothing there
        with lock:
            os._exit(0)
    done.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0
    files.close()


@pytest.mark.parametrize("at", ["sync", "place", "read"])
def test_a_child_that_was_forked_while_a_thread_was_at_work_is_told_so_and_does_not_hang(at: str, folder: Path) -> None:
    entered, done = threading.Event(), threading.Event()

    class Slow(PosixFileSystem):
        slow = False

        def _wait(self) -> None:
            if self.slow:
                entered.set()
                done.wait(10)

        def _tail_fd(self, path: str, *, create: bool) -> int:
            fd = super()._tail_fd(path, create=create)
            if at == "sync" and self.slow:  # as a disk that takes its time: the file is in use
                with self._tails[path]._used:
                    self._wait()
            return fd

        def place(self, path: str, data: bytes) -> bool:
            with self._mutex:
                if at == "place":
                    self._wait()
                return super().place(path, data)

        def read(self, path: str) -> bytes:
            with self._mutex:
                if at == "read":
                    self._wait()
                return super().read(path)

    folder.mkdir()
    files = Slow(folder)
    store = Store.on(LocalBackend(files, "test"))
    named = VersionedStore(CTX, store=store)
    named.save("alpha", {"n": 1})
    files.slow = True
    thread = threading.Thread(target=lambda: named.latest("alpha") if at == "read" else named.save("alpha", {"n": 2}))
    thread.start()
    assert entered.wait(10)
    if (pid := os.fork()) == 0:
        status = 1
        try:
            signal.alarm(20)
            for act in (store.head, lambda: named.save("alpha", {"n": 3}), lambda: named.latest("alpha")):
                with pytest.raises(UnknownOutcomeError, match="forked while the store was at work"):
                    act()
            store.close()
            with VersionedStore(CTX, url=folder) as anew:
                anew.save("beta", {"n": 1})
            status = 0
        finally:
            os._exit(status)
    time.sleep(0.2)
    done.set()
    thread.join()
    assert os.waitpid(pid, 0)[1] == 0
    files.slow = False
    assert [named.save("alpha", {"n": 4}).content, named.names()] == [{"n": 4}, ["alpha", "beta"]]
    store.close()
    assert fsck(folder).findings == ()


@pytest.mark.parametrize(
    "at", ["Outcome.snapshots", "Outcome.commit", "release_all", "Mutex._give_back", "encode_line"]
)
@pytest.mark.parametrize("handle", ["same", "another", "anew"])
def test_wherever_that_thread_was_a_child_does_not_hang(at: str, handle: str, tmp_path: Path) -> None:
    ours, other = (VersionedStore(CTX, url=tmp_path / name) for name in ("ours", "other"))
    for named in (ours, other):
        named.save("alpha", {"n": 1})
    there, go = threading.Event(), threading.Event()

    def trace(frame: FrameType, event: str, _: object) -> None:
        if event == "call" and frame.f_code.co_qualname == at and "sheetsync" in frame.f_code.co_filename:
            sys.settrace(None)
            there.set()
            go.wait(20)

    def work() -> None:
        sys.settrace(trace)
        ours.save("alpha", {"n": 2})

    thread = threading.Thread(target=work)
    thread.start()
    assert there.wait(10)
    if (pid := os.fork()) == 0:
        status = 1
        try:
            signal.alarm(10)
            named = {"same": ours, "another": other}.get(handle) or VersionedStore(CTX, url=tmp_path / "other")
            with suppress(UnknownOutcomeError):
                named.save("beta", {"n": 1})
            named.close()
            status = 0
        finally:
            os._exit(status)
    assert os.waitpid(pid, 0)[1] == 0
    go.set()
    thread.join()
    assert ours.save("alpha", {"n": 3}).version == 3
    ours.close()
    other.close()


def test_a_child_goes_on_with_a_handle_in_which_nobody_was_at_work(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        idle = threading.Event()
        thread = threading.Thread(target=lambda: (named.latest("alpha"), idle.wait(10)))
        thread.start()
        time.sleep(0.2)
        if (pid := os.fork()) == 0:
            status = 1
            try:
                signal.alarm(20)
                named.save("alpha", {"n": 2})
                status = 0
            finally:
                os._exit(status)
        assert os.waitpid(pid, 0)[1] == 0
        idle.set()
        thread.join()
        assert named.save("alpha", {"n": 3}).version == 3


def test_an_interrupt_of_a_thread_that_waits_does_not_unlock_what_another_thread_holds(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Interrupted:
        """The lock among threads, to one that waits for it."""

        def acquire(self) -> None:
            raise KeyboardInterrupt

        def _is_owned(self) -> bool:
            return False

    Store.open(folder).close()
    files, entered, done = PosixFileSystem(folder), threading.Event(), threading.Event()
    lock = files.lock("default/journal")

    def hold() -> None:
        with lock:
            entered.set()
            done.wait(10)

    thread = threading.Thread(target=hold)
    thread.start()
    assert entered.wait(10)
    with monkeypatch.context() as waiting:
        waiting.setattr(lock, "_among_threads", Interrupted())
        with pytest.raises(KeyboardInterrupt), lock:
            pass
    descriptor = os.open(folder / "default/journal", os.O_RDONLY)
    with pytest.raises(BlockingIOError):  # another process
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    done.set()
    thread.join()
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    os.close(descriptor)
    files.close()


def test_tenants_of_one_backend_write_side_by_side(folder: Path) -> None:
    """Each has its own journal's file open for appending; a closed one's number may already be another file's."""
    store = Store.open(folder)
    other = store.for_tenant("acme")
    failed: list[Exception] = []

    def write(part: Store) -> None:
        who = RequestContext(tenant=part.tenant, user="ada")
        try:
            for number in range(150):
                with part.transaction(who) as tx:
                    tx.save(RecordId(part.tenant, ("components", "a"), "a"), {"n": number})
        except (OSError, SheetSyncError) as exc:
            failed.append(exc)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=write, args=(part,)) for part in (store, other)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failed == []
    assert [store.head(), other.head()] == [150, 150]
    store.close()
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("seed", range(3))
def test_an_interrupt_leaves_nothing_locked_and_nothing_unplaced(seed: int, folder: Path) -> None:
    """Ctrl-C at any moment of a save, again and again; the process, and others, then go on."""
    named = VersionedStore(CTX, url=folder)
    began = time.perf_counter()
    for number in range(10):
        named.save("alpha", {"first": number})
    usual_s = (time.perf_counter() - began) / 10
    interrupted = saved = 0
    kept: list[BaseException] = []
    before = signal.signal(signal.SIGUSR1, signal.default_int_handler)
    gc.disable()  # an interrupt in a callback of another's would be a failure of its own
    main = threading.main_thread().ident or 0
    try:
        for number in range(100):
            after_s = (number * 7 + seed) % 97 / 60 * usual_s
            timer = threading.Timer(after_s, signal.pthread_kill, (main, signal.SIGUSR1))
            try:
                timer.start()
                named.save("alpha", {"n": number})
                saved += 1
                timer.join()
            except KeyboardInterrupt as exc:
                kept.append(exc)  # a shell keeps the last one, with all its frames
                interrupted += 1
            timer.join()
            if named.store._dead:
                named.close()
                named = VersionedStore(CTX, url=folder)
            files = PosixFileSystem(folder)
            with files.lock("default/journal"):
                pass
            files.close()
    finally:
        gc.enable()
        signal.signal(signal.SIGUSR1, before)
    assert interrupted
    assert saved
    named.save("alpha", {"n": -1})
    assert fsck(folder).findings == ()
    named.close()


def test_a_lock_that_an_interrupt_left_is_given_back_with_the_next(folder: Path) -> None:
    """Nothing can be done about one that comes at the very call that gives it back, but to heal it."""
    Store.open(folder).close()
    files, others = PosixFileSystem(folder), PosixFileSystem(folder)
    lock = files.lock("default/journal")
    lock.__enter__()
    with lock:
        pass
    with others.lock("default/journal"):
        pass
    done = threading.Event()

    def take() -> None:
        with lock:
            done.set()

    thread = threading.Thread(target=take)
    thread.start()
    thread.join(10)
    assert done.is_set()
    files.close()
    others.close()


def test_a_tenants_handle_that_is_closed_gives_its_descriptors_back(folder: Path) -> None:
    with Store.open(folder) as store:
        counts = []
        for number in range(70):  # some folders are kept open in any case
            tenant = f"tenant{number}"
            with store.for_tenant(tenant) as other, other.for_tenant(tenant) as same:
                for part in (other, same):
                    named = VersionedStore(RequestContext(user="ada", tenant=tenant), store=part)
                    named.save("alpha", {"n": number, "same": part is same})
            same.close()
            counts.append(open_below(folder))
        assert counts[-1] <= counts[40]


def test_a_handle_that_died_gives_its_descriptors_back(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(files: PosixFileSystem, path: str) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO), path)

    Store.open(folder).close()
    before = open_below(folder)
    for number in range(5):
        named = VersionedStore(CTX, url=folder)
        with monkeypatch.context() as broken:
            broken.setattr(PosixFileSystem, "sync", fail)
            with pytest.raises(UnknownOutcomeError):
                named.save("alpha", {"n": number})
        named.close()
        named.close()
        (folder / "default/.store/doubt").unlink()
    assert open_below(folder) == before
