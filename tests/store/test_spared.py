"""What the index spares an opening to read, and cannot be read: the names of all other entries are put all the same."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, TryLaterError
from sheetsync.store import Store, VersionedStore, chain
from sheetsync.store.backend import Backend
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.local import LocalBackend
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from tests.conformance.object_fakes import ArchivedObjects

CTX = RequestContext(user="ada")
ENTRIES, BAD = 30, 15
TOLD = "the journal's line of entry {} is damaged, or cannot be read: run 'sheetsync fsck --repair'"


class BadSectors(PosixFileSystem):
    """A disk that cannot read one file."""

    bad, code = "", errno.EIO

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        if path == self.bad:
            raise OSError(self.code, os.strerror(self.code), path)
        return super().read_at(path, offset, length)


def fill(backend: Backend) -> None:
    """Records of one version each, and an index, but no checkpoint."""
    with Store.on(backend) as store:
        named = VersionedStore(CTX, store=store)
        for number in range(1, ENTRIES + 1):
            named.save(f"r{number:02}", {"n": number})
        store.rebuild_index()


def ten_a_file(disk: PosixFileSystem) -> LocalBackend:
    return LocalBackend(disk, "x", rotation=Rotation(entries=10))


@pytest.mark.parametrize("code", UNREADABLE)
def test_a_journal_file_that_cannot_be_read_closes_no_opening(code: int, tmp_path: Path) -> None:
    fill(ten_a_file(PosixFileSystem(tmp_path)))
    missing = [next(tmp_path.rglob(f"r{number:02}--*")) for number in (3, BAD, 23)]
    for path in missing:
        path.unlink()
    disk = BadSectors(tmp_path)
    disk.bad, disk.code = "default/journal/0000000011.jsonl", code
    said: list[str] = []
    with Store.on(ten_a_file(disk), tell=said.append) as store:
        assert said[0] == TOLD.format(11)
        VersionedStore(CTX, store=store).save("r01", {"n": 0})
        with pytest.raises(SheetSyncError):
            store.compact()
    assert [path.exists() for path in missing] == [True, False, True]
    Store.on(ten_a_file(PosixFileSystem(tmp_path))).close()
    assert all(path.exists() for path in missing)


def test_another_error_than_that_of_one_file_is_told(tmp_path: Path) -> None:
    fill(ten_a_file(PosixFileSystem(tmp_path)))
    disk = BadSectors(tmp_path)
    disk.bad, disk.code = "default/journal/0000000011.jsonl", errno.EMFILE
    with pytest.raises(TryLaterError):
        Store.on(ten_a_file(disk))


def lose(objects: ArchivedObjects, key: str) -> None:
    del objects._objects[key]


def break_it(objects: ArchivedObjects, key: str) -> None:
    objects._objects[key] = objects._objects[key].replace(b"ada", b"eve", 1)


def archive(objects: ArchivedObjects, key: str) -> None:
    objects.archived.add(key)


@pytest.mark.parametrize("harm", [lose, break_it, archive])
@pytest.mark.parametrize("kept", [0, 2000, 1 << 20])
def test_one_bad_entry_of_a_bucket_keeps_no_other_names_from_their_places(
    harm: Callable[[ArchivedObjects, str], None], kept: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain, "KEPT_BYTES", kept)
    objects = ArchivedObjects()
    fill(ObjectBackend(objects, "x", cheap=True))
    keys = [next(key for key in objects.list("") if f"/r{number:02}--" in key) for number in (3, BAD, 23)]
    for key in keys:
        del objects._objects[key]
    harm(objects, f"default/journal/{BAD:010d}.jsonl")
    said: list[str] = []
    with Store.on(ObjectBackend(objects, "x", cheap=True), tell=said.append) as store:
        assert said == [TOLD.format(BAD), "recovered: 2 snapshots of committed saves put in place"]
        with pytest.raises(SheetSyncError):
            store.compact()
    assert [key in objects._objects for key in keys] == [True, False, True]
    assert "default/.store/checkpoint.json" not in objects._objects
