"""Deliberate mistakes: a disk that lies about one fsync, or a step left out. The power-cut tests must notice each.

This tests the tests: a promise that no mistake can break is not being checked. One rule of the checked model is not
here: recovery may replace torn content by content that is not durable yet, since it holds the writers' lock until then.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable

import pytest

from sheetsync.errors import StoreDamagedError
from sheetsync.store import writer
from sheetsync.store.entry import NewChange, decode_line
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.state import JournalState
from sheetsync.store.transaction import Request, _path, plan_changes
from sheetsync.store.work_folder import make_folders, parent
from tests.faults.crash_explorer import Explorer, ViolationError, open_store
from tests.faults.crash_scripts import SCRIPTS
from tests.faults.simulated_disk import SimulatedDisk


class LyingDisk(SimulatedDisk):
    """Says that something is durable which is not."""

    lies: Callable[[str, str], bool] = staticmethod(lambda operation, path: False)

    def sync(self, path: str) -> None:
        if not self.lies("sync", path):
            super().sync(path)

    def sync_folder(self, path: str) -> None:
        if not self.lies("sync folder", path):
            super().sync_folder(path)


class NamesBeforeCommit(LocalTenant):
    """Names appear in record folders before the commit."""

    def add(self, number: int, line: bytes) -> bool:
        for change in decode_line(line).changes:
            self.put_snapshot(change.path, change.data(), verify=False)
        return super().add(number, line)


class WrittenInPlace(LocalTenant):
    """A snapshot is created and written under its final name."""

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:
        target = f"{self._folder}/{path}"
        if self._files.kind(target) is not None:
            return False
        make_folders(self._files, parent(target))
        self._files.create(target, data)
        return True


class TrustedNames(LocalTenant):
    """Recovery skips a name that exists without looking at its content."""

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:
        return False if self._files.kind(f"{self._folder}/{path}") else super().put_snapshot(path, data, verify=False)


class NeverCut(LocalTenant):
    """A torn tail is appended to."""

    def torn_bytes(self) -> bytes:
        self._lines._torn = 0
        return b""


class NoCompletion(LocalTenant):
    """Recovery completes no names."""

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:
        return False if verify else super().put_snapshot(path, data, verify=verify, is_new=is_new)


class CheckpointWithoutNames(LocalTenant):
    """The checkpoint is written before names are durable."""

    def make_durable(self, paths: Iterable[str]) -> None:
        pass


class BelievedUnsynced(LocalTenant):
    """Another writer's entry is believed before it is durable (this process syncs no journal file that it reads)."""

    def new_lines(self) -> list[bytes]:
        files = self._lines._files
        assert isinstance(files, LyingDisk)
        files.lies = lambda operation, path: True
        try:
            return super().new_lines()
        finally:
            files.lies = lambda operation, path: False


DISKS: dict[str, Callable[[str, str], bool]] = {
    "no_entry_fsync": lambda operation, path: operation == "sync" and "/journal/" in path,
    "segment_folder_unsynced": lambda operation, path: operation == "sync folder" and path.endswith("/journal"),
    "tenant_folder_unsynced": lambda operation, path: operation == "sync folder" and path in ("", "default"),
}
TENANTS: dict[str, type[LocalTenant]] = {
    kind.__name__: kind
    for kind in (
        NamesBeforeCommit,
        WrittenInPlace,
        TrustedNames,
        NeverCut,
        NoCompletion,
        CheckpointWithoutNames,
        BelievedUnsynced,
    )
}


def is_caught(make_tenant: type[LocalTenant], lies: Callable[[str, str], bool] | None, seeds: range) -> bool:
    """Does any script under any seed show the mistake?"""
    for seed in seeds:
        for script in ("checkpoints", "transactions", "saves"):
            disk = LyingDisk(harsh=seed % 2 == 0)
            open_store(disk).close()
            if lies is not None:
                disk.lies = lies
            explorer = Explorer(
                random.Random(seed), outcomes=6, recovery_rate=0.15, kill_rate=0.3, make_tenant=make_tenant
            )
            try:
                explorer.reader = explorer.open(disk)
                explorer.run(disk, SCRIPTS[script])
            except (ViolationError, StoreDamagedError):
                return True
    return False


@pytest.mark.parametrize("mistake", TENANTS)
def test_a_step_left_out_is_caught(mistake: str) -> None:
    assert is_caught(TENANTS[mistake], None, range(4)), f"{mistake} went unnoticed"


@pytest.mark.parametrize("mistake", DISKS)
def test_a_lying_fsync_is_caught(mistake: str) -> None:
    assert is_caught(LocalTenant, DISKS[mistake], range(4)), f"{mistake} went unnoticed"


def test_a_stamp_of_the_wall_clock_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    def by_the_clock(request: Request, state: JournalState, now: object) -> list[NewChange]:
        from datetime import datetime

        assert isinstance(now, datetime)
        planned = plan_changes(request, state, now)
        seconds = int(now.timestamp())
        return [
            NewChange(c.key, seconds, c.version, c.before, c.encoded, _path(c.key, seconds, c.encoded)) for c in planned
        ]

    monkeypatch.setattr(writer, "plan_changes", by_the_clock)
    with pytest.raises((ViolationError, StoreDamagedError)):
        Explorer(random.Random(1)).run(SimulatedDisk(), SCRIPTS["clock_set_back"])
