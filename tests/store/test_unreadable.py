"""A bad sector, or a file that this user may not read: the rest of the store goes on, and nothing is lost."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.fsck import scan
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check
from tests.faults.test_media import ordinary_user

CTX = RequestContext(user="ada")


class BadSectors(PosixFileSystem):
    """A disk that cannot read some files."""

    bad: frozenset[str] = frozenset()

    def read(self, path: str) -> bytes:
        if path in self.bad:
            raise OSError(errno.EIO, os.strerror(errno.EIO), path)
        return super().read(path)


@pytest.fixture
def disk(folder: Path) -> BadSectors:
    """The disk of a store with two records."""
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.save("beta", {"n": 1})
    return BadSectors(folder)


def paths(folder: Path, name: str) -> frozenset[str]:
    return frozenset(str(path.relative_to(folder)) for path in folder.rglob(name))


def test_a_snapshot_that_cannot_be_read_is_read_from_the_journal(folder: Path, disk: BadSectors) -> None:
    with Store.on(LocalBackend(disk, str(folder))) as store:
        disk.bad = paths(folder, "alpha--*.json")
        latest = VersionedStore(CTX, store=store).latest("alpha")
        assert latest is not None
        assert latest.content == {"n": 1}
        assert len(list(store.latest_all("default"))) == 2


def test_opening_puts_a_snapshot_that_cannot_be_read_on_other_sectors(folder: Path, disk: BadSectors) -> None:
    disk.bad = paths(folder, "alpha--*.json")
    (path,) = disk.bad
    data, inode = (folder / path).read_bytes(), (folder / path).stat().st_ino
    codes = {finding.code for tenant in scan(LocalBackend(disk, str(folder)))[1] for finding in tenant.findings}
    assert codes == {"unreadable"}
    Store.on(LocalBackend(disk, str(folder))).close()
    assert (folder / path).read_bytes() == data
    assert (folder / path).stat().st_ino != inode
    assert [file.stat().st_ino for file in (folder / "default/.store/aside").iterdir()] == [inode]


@pytest.mark.parametrize("name", ["index.json", "checkpoint.json"])
def test_what_is_derived_and_cannot_be_read_is_done_without(name: str, folder: Path, disk: BadSectors) -> None:
    with Store.open(folder) as store:
        store.compact()
    disk.bad = frozenset({f"default/.store/{name}"})
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, str(folder)))) as named:
        assert named.save("alpha", {"n": 2}).version == 2


@pytest.mark.parametrize("what", ["alpha--*.json", "index.json", "checkpoint.json", "aside", "leases"])
def test_what_this_user_may_not_read_closes_nothing_else(what: str) -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        folder = Path(name) / "store"
        with VersionedStore(CTX, url=folder) as named:
            named.save("alpha", {"n": 1})
            named.save("beta", {"n": 1})
            named.store.compact()
            named.store.lease("sync", who="ada").release()
            (folder / "default/.store/aside").mkdir()
        (path,) = folder.rglob(what)
        path.chmod(0)
        try:
            with VersionedStore(CTX, url=folder) as named:
                latest = named.latest("alpha")
                assert latest is not None
                assert latest.content == {"n": 1}
                assert named.save("beta", {"n": 2}).version == 2
            findings = fsck(folder).findings
            assert {finding.code for finding in findings} <= {"unreadable"}
            assert bool(findings) == ("alpha" in what or path.is_dir())
        finally:
            path.chmod(0o755)


def test_a_doubt_that_cannot_be_read_doubts_every_journal_file(folder: Path, disk: BadSectors) -> None:
    doubt, journal = folder / "default/.store/doubt", folder / "default/journal/0000000001.jsonl"
    doubt.write_text("0000000001.jsonl")
    inode, disk.bad = journal.stat().st_ino, frozenset({"default/.store/doubt"})
    with Store.on(LocalBackend(disk, str(folder))) as store:
        assert store.head() == 2
    assert journal.stat().st_ino != inode
    assert not doubt.exists()


def test_a_repair_puts_an_old_snapshot_that_cannot_be_read_on_other_sectors(folder: Path, disk: BadSectors) -> None:
    with Store.open(folder) as store:
        store.compact()  # openings look at nothing before it
    disk.bad = paths(folder, "alpha--*.json")
    (path,) = disk.bad
    inode = (folder / path).stat().st_ino
    check(LocalBackend(disk, str(folder)), str(folder), repair=True)
    assert (folder / path).stat().st_ino != inode
    assert fsck(folder).findings == ()
