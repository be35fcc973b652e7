"""A signal handler, or a callback, forks in the midst of a save, and returns in the child, too: there the save goes on
without the lock. Whatever the parent acknowledges meanwhile stays."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
CTX = RequestContext(user="ada")
STEPS = ("stamp", "size", "exists", "read_at", "append", "truncate", "sync", "place", "place_first")


class Forking(PosixFileSystem):
    """Forks at the start of one call; the child waits there until its parent says that it has saved more."""

    at = ""
    pid = -1

    def arm(self, at: str) -> None:
        self.at = at
        self.read_end, self.write_end = os.pipe()

    def __getattribute__(self, name: str) -> Any:
        if name in STEPS and name == object.__getattribute__(self, "at"):
            self.at = ""
            self.pid = os.fork()
            if self.pid == 0:
                signal.alarm(20)
                os.read(self.read_end, 1)
        return object.__getattribute__(self, name)


@pytest.mark.parametrize("torn", [False, True], ids=["", "torn"])
@pytest.mark.parametrize("name", ["alpha", "new"])
@pytest.mark.parametrize("at", STEPS)
def test_a_child_that_goes_on_with_its_parents_save_takes_nothing_from_it(
    at: str, name: str, torn: bool, folder: Path
) -> None:
    folder.mkdir()
    files = Forking(folder)
    with VersionedStore(CTX, store=Store.on(LocalBackend(files, "test"))) as named:
        named.save("alpha", {"n": 0})
        if torn:
            with (folder / "default/journal/0000000001.jsonl").open("ab") as file:
                file.write(b'{"sum":"0123')
        files.arm(at)
        told = ""
        try:
            saved = named.save(name, {"n": 1})
            told = f"commit {saved.commit}"
        except UnknownOutcomeError as error:
            told = error.message
        finally:
            if files.pid == 0:
                refused = False
                try:
                    named.save("beta", {"n": 1})
                except UnknownOutcomeError:
                    refused = True
                os._exit(0 if refused and (told == "commit 2" or "forked" in told or "replaced" in told) else 1)
        if files.pid < 0:
            assert at in ("truncate", "place", "place_first")  # it is not every save that comes there
            return
        assert told == "commit 2"
        for number in range(2, 5):
            named.save("alpha", {"n": number, "long": "x" * 500 * number})
        os.write(files.write_end, b"!")
        assert os.waitpid(files.pid, 0)[1] == 0
        for end in (files.read_end, files.write_end):
            os.close(end)
        assert named.save("alpha", {"n": 5}).version >= 5
    assert fsck(folder).findings == ()
    with VersionedStore(CTX, url=folder) as anew:
        assert [saved.content["n"] for saved in anew.history("alpha")][-4:] == [2, 3, 4, 5]  # type: ignore[index]


class ForkingAtEach(PosixFileSystem):
    """Forks at the start of the n-th call of some, below one folder; the child waits there."""

    calls = ("read", "create", "rename", "unlink", "mkdir", "sync", "sync_folder", "listdir", "kind", "truncate")
    left = -1
    pid = -1

    def arm(self, left: int) -> None:
        self.left = left
        self.read_end, self.write_end = os.pipe()

    def fork(self) -> None:
        self.pid = os.fork()
        if self.pid == 0:
            signal.alarm(30)
            os.read(self.read_end, 1)

    def __getattribute__(self, name: str) -> Any:
        if name in object.__getattribute__(self, "calls"):
            self.left -= 1
            if self.left == 0:
                self.fork()
        return object.__getattribute__(self, name)


def settle_a_doubt(files: ForkingAtEach, at: int) -> None:
    files.arm(at)
    Store.on(LocalBackend(files, "test")).close()


def repair(files: ForkingAtEach, at: int) -> None:
    files.arm(at)
    check(LocalBackend(files, "test"), "test", repair=True)


def write_derived(files: ForkingAtEach, at: int) -> None:
    with Store.on(LocalBackend(files, "test")) as store:
        files.arm(at)  # before, the child would have its own turn
        store.write_derived("default", ("services", "token"), b"new", durable=True)


def compact(files: ForkingAtEach, at: int) -> None:
    files.arm(at)
    with Store.on(LocalBackend(files, "test")) as store:
        store.compact()


@pytest.mark.parametrize("at", range(1, 50))
@pytest.mark.parametrize("act", [settle_a_doubt, repair, write_derived, compact])
def test_nor_does_one_that_goes_on_with_an_opening_a_repair_or_a_derived_file(
    act: Callable[[ForkingAtEach, int], None], at: int, folder: Path
) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        named.store.write_derived("default", ("services", "token"), b"old")
    journal = folder / "default/journal/0000000001.jsonl"
    if act is settle_a_doubt:
        (folder / "default/.store/doubt").write_text(journal.name)
    if act is repair:
        data = journal.read_bytes()
        journal.write_bytes(data[:200] + bytes([data[200] ^ 1]) + data[201:])
    files = ForkingAtEach(folder)
    try:
        act(files, at)
    except SheetSyncError:
        if files.pid != 0:
            raise
    finally:
        if files.pid == 0:
            os._exit(0)
    files.left = -1
    files.close()
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3, 6):
            assert named.save("alpha", {"n": number}).commit == number + 1
        if act is write_derived:
            named.store.write_derived("default", ("services", "token"), b"newer", durable=True)
    if files.pid > 0:
        os.write(files.write_end, b"!")
        assert os.waitpid(files.pid, 0)[1] == 0
    for end in (files.read_end, files.write_end):
        os.close(end)
    with VersionedStore(CTX, url=folder) as anew:
        assert [saved.content["n"] for saved in anew.history("alpha")] == list(range(6))  # type: ignore[index]
        if act is write_derived:
            assert anew.store.read_derived("default", ("services", "token")) == b"newer"
    assert fsck(folder).findings == ()
