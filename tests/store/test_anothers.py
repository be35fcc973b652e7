"""What another user made, and this one may not write or list, keeps nobody from reading."""

from __future__ import annotations

import errno
import os

import pytest

from sheetsync.errors import DestinationError
from sheetsync.store.filesystem import UNREADABLE
from tests.faults.crash_explorer import open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.store.rules import JOURNAL, save

TORN = b'{"sum":"12'
ASIDE = "default/.store/aside"


class SharedDisk(SimulatedDisk):
    """A disk on which some paths are another user's."""

    code = errno.EACCES
    others: tuple[str, ...] = ()
    unlisted = "nothing"

    def _refuse(self, path: str) -> None:
        raise OSError(self.code, os.strerror(self.code), path)

    def listdir(self, path: str) -> list[str]:
        if path == self.unlisted:
            self._refuse(path)
        return super().listdir(path)

    def refuse(self, operation: str, path: str) -> None:
        if operation not in ("mkdir", "sync") and path.startswith(self.others):
            self._refuse(path)


@pytest.mark.parametrize("others", [JOURNAL, ASIDE, "default/.store/temp"])
@pytest.mark.parametrize("code", [errno.EACCES, errno.EPERM])
def test_a_torn_line_that_this_user_may_not_cut_is_told_and_closes_nothing(others: str, code: int) -> None:
    disk = SharedDisk()
    save(open_store(disk), "a", 1)
    disk.append(JOURNAL, disk.size(JOURNAL) or 0, TORN)
    disk.code, disk.others, disk.before = code, (others,), disk.refuse
    for _ in range(3):
        said: list[str] = []
        store = open_store(disk, said=said)
        assert store.writable
        assert [line for line in said if "next opening tries again (a torn line" in line]
        latest = store.latest(record("a"))
        assert latest is not None
        assert latest.content == {"value": 1}
        with pytest.raises(DestinationError, match=r"no permission|not permitted"):
            save(store, "a", 2)
    assert disk.read(JOURNAL).endswith(TORN)
    kept = [path for path in disk.tree() if path.startswith(f"{ASIDE}/")]
    assert len(kept) <= 1, "each opening kept the same bytes once more"
    disk.before = lambda *_: None
    save(open_store(disk), "a", 2)
    assert TORN in [data for path, data in disk.tree().items() if path.startswith(f"{ASIDE}/")]


@pytest.mark.parametrize("code", UNREADABLE)
def test_temporary_files_that_cannot_be_listed_close_nothing(code: int) -> None:
    disk = SharedDisk()
    save(open_store(disk), "a", 1)
    disk.code, disk.unlisted = code, "default/.store/temp"
    store = open_store(disk)
    save(store, "a", 2)
    assert store.head() == 2
