"""Many processes write one store: nobody is starved, nothing is lost, and a stopped writer delays others boundedly."""

from __future__ import annotations

import os
import shutil
import threading
import time
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError, SheetSyncError, StaleSnapshotError
from sheetsync.store import Store, VersionedStore, copy_store, flock, fsck
from sheetsync.store.backend import Holder
from sheetsync.store.fsck import scan
from sheetsync.store.media import open_format
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
WRITERS = 4
CTX = RequestContext(user="ada")


def count_up(folder: Path, until: float) -> int:
    """Raise a shared counter as often as there is time, each time upon the newest snapshot."""
    named = VersionedStore(CTX, url=folder)
    done = 0
    while time.monotonic() < until or not done:
        base = named.latest("counter")
        count = base.content["count"] if base is not None and isinstance(base.content, dict) else 0
        try:
            named.save("counter", {"count": count + 1}, base)
        except StaleSnapshotError:
            continue
        done += 1
    return done


def test_processes_that_raise_one_counter_lose_no_update_and_all_get_on(folder: Path) -> None:
    Store.open(folder).close()
    until = time.monotonic() + 1.5
    children = []
    for _ in range(WRITERS):
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            try:
                os.write(writing, str(count_up(folder, until)).encode())
            finally:
                os._exit(0)
        os.close(writing)
        children.append((pid, reading))
    done = []
    for pid, reading in children:
        done.append(int(os.read(reading, 20)))
        os.close(reading)
        os.waitpid(pid, 0)
    named = VersionedStore(CTX, url=folder)
    counts = [s.content["count"] for s in named.history("counter") if isinstance(s.content, dict)]
    assert counts == list(range(1, sum(done) + 1))
    assert min(done) > 0
    assert fsck(folder).findings == ()


def first_save(folder: Path, who: int) -> str:
    """Open a store that others make at this moment, and save; the store's id and the commit's number."""
    with VersionedStore(RequestContext(user=f"user{who}"), url=folder) as named:
        return f"{named.store.store_id} {named.save('alpha', {'by': who}).commit}"


def test_processes_that_make_one_store_at_once_make_one(tmp_path: Path) -> None:
    for number in range(8):
        folder = tmp_path / f"store{number}"
        children = []
        for who in range(WRITERS):
            reading, writing = os.pipe()
            pid = os.fork()
            if pid == 0:
                try:
                    os.write(writing, first_save(folder, who).encode())
                finally:
                    os._exit(0)
            os.close(writing)
            children.append((pid, reading))
        told = []
        for pid, reading in children:
            told.append(os.read(reading, 200).decode().split(" "))
            os.close(reading)
            os.waitpid(pid, 0)
        assert len({words[0] for words in told}) == 1
        assert sorted(int(words[1]) for words in told) == [1, 2, 3, 4]
        assert fsck(folder).findings == ()


def test_a_store_that_appears_while_it_is_looked_for_is_opened() -> None:
    objects = MemoryObjects()

    class Slow(ObjectBackend):
        def was_a_store(self) -> bool:
            objects.put("FORMAT", b'{"format":"sheetsync-island","version":1,"store_id":"theirs"}')
            objects.put("default/journal/0000000001.jsonl", b"not looked at")
            return super().was_a_store()

    assert open_format(Slow(objects, "x"), create=True) == "theirs"


def test_a_writer_that_is_stopped_delays_others_for_a_bounded_time(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = VersionedStore(CTX, url=folder)
    named.save("alpha", {"n": 1})
    monkeypatch.setattr(flock, "LOCK_WAIT_S", 0.2)
    stopped = PosixFileSystem(folder)
    with stopped.lock("default/journal"):
        began = time.monotonic()
        with pytest.raises(LockHeldError, match="another writer has held"):
            named.save("alpha", {"n": 2})
        assert 0.1 < time.monotonic() - began < 5
    assert named.save("alpha", {"n": 2}).version == 2
    stopped.close()


def test_a_holder_who_has_not_said_so_yet_is_still_somebody(folder: Path) -> None:
    Store.open(folder).close()
    (folder / "default/.store/leases").mkdir()
    one, other = PosixFileSystem(folder), PosixFileSystem(folder)
    path = "default/.store/leases/sync.lock"
    lock = one.try_lock(path, Holder("ada", "here", 7, 1.0))
    assert lock is not None
    assert other.lock_holder(path) == Holder("ada", "here", 7, 1.0)
    (folder / path).write_bytes(b"")
    holder = other.lock_holder(path)
    assert holder is not None
    assert holder.who == "somebody"
    lock.release()
    assert other.lock_holder(path) is None
    one.close()
    other.close()


def test_removing_the_work_folder_under_running_writers_loses_nothing(folder: Path) -> None:
    one, other = VersionedStore(CTX, url=folder), VersionedStore(CTX, url=folder)
    one.save("alpha", {"n": 1})
    other.save("alpha", {"n": 2})
    shutil.rmtree(folder / "default/.store")
    other.save("alpha", {"n": 3})
    one.save("alpha", {"n": 4})
    fresh = VersionedStore(CTX, url=folder)
    assert fresh.save("alpha", {"n": 5}).version == 5
    assert one.save("alpha", {"n": 6}).version == 6
    assert [s.version for s in other.history("alpha")] == [1, 2, 3, 4, 5, 6]
    assert fsck(folder).findings == ()


def test_fsck_and_copies_beside_busy_writers_find_nothing(folder: Path, tmp_path: Path) -> None:
    Store.open(folder).close()
    until = time.monotonic() + 4.0
    pids = []
    for who in range(2):
        pid = os.fork()
        if pid == 0:
            try:
                named = VersionedStore(RequestContext(user=f"user{who}"), url=folder)
                number = 0
                while time.monotonic() < until:
                    number += 1
                    named.save(f"r{number % 7}", {"n": number, "pad": "x" * 3000})
            finally:
                os._exit(0)
        pids.append(pid)
    looks = 0
    while time.monotonic() < until - 0.5:
        looks += 1
        assert fsck(folder, repair=looks % 3 == 0).findings == ()
        copied = copy_store(folder, tmp_path / f"copy{looks}")
        assert copied.commits == copied.snapshots
    for pid in pids:
        os.waitpid(pid, 0)
    assert looks > 1
    assert fsck(folder).findings == ()


def test_fsck_of_a_bucket_beside_a_writer_finds_nothing() -> None:
    objects = MemoryObjects()
    store = Store.on(ObjectBackend(objects, "x", cheap=True))
    done = threading.Event()

    def write() -> None:
        named = VersionedStore(CTX, store=store)
        for number in range(400):
            named.save(f"r{number % 7}", {"n": number})
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    while not done.is_set():
        _, scans = scan(ObjectBackend(objects, "x", cheap=True))
        assert [finding for found in scans for finding in found.findings] == []
    writer.join()


def test_fsck_waits_for_nobody_who_was_stopped(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    named = VersionedStore(CTX, url=folder)
    path = folder / "default" / named.save("alpha", {"n": 1}).path
    path.unlink()
    monkeypatch.setattr(flock, "LOCK_WAIT_S", 0.2)
    stopped = PosixFileSystem(folder)
    with stopped.lock("default/journal"):
        assert [finding.code for finding in fsck(folder).findings] == ["missing"]
    stopped.close()


@pytest.mark.parametrize("gone", [".store", ".store/temp", ".store/leases"])
def test_the_work_folder_deleted_in_the_middle_of_a_commit_lets_no_second_writer_in(
    gone: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(flock, "LOCK_WAIT_S", 0.2)
    one = VersionedStore(CTX, url=folder)
    one.save("alpha", {"n": 0})
    (folder / "default/.store/leases").mkdir(exist_ok=True)
    append = PosixFileSystem.append
    refused = []

    def interrupted(files: PosixFileSystem, path: str, offset: int, data: bytes) -> None:
        monkeypatch.setattr(PosixFileSystem, "append", append)
        shutil.rmtree(folder / "default" / gone)
        with pytest.raises(LockHeldError) as caught:
            VersionedStore(CTX, url=folder).save("beta", {"n": 1})
        refused.append(caught.value)
        append(files, path, offset, data)

    monkeypatch.setattr(PosixFileSystem, "append", interrupted)
    one.save("alpha", {"n": 1})
    assert len(refused) == 1
    with VersionedStore(CTX, url=folder) as other:
        other.save("beta", {"n": 1})
        one.save("gamma", {"n": 1})
        assert [commit.number for commit in other.store.log()] == [1, 2, 3, 4]
    one.close()
    assert fsck(folder).findings == ()


def test_a_writer_goes_on_in_the_journal_that_stands_there_now(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        journal = folder / "default/journal"
        shutil.copytree(journal, folder / "copy")
        shutil.rmtree(journal)
        (folder / "copy").rename(journal)
        assert named.save("alpha", {"n": 2}).version == 2
        shutil.rmtree(journal)
        with pytest.raises(SheetSyncError, match="journal"):
            named.save("alpha", {"n": 3})
