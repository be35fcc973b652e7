"""A bad sector, a file that this user may not read, an archived object: the rest goes on, and nothing is lost."""

from __future__ import annotations

import errno
import os
import tempfile
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import AuthError, DestinationError, StoreDamagedError
from sheetsync.store import FsckReport, RecordId, Store, VersionedStore, compaction, fsck
from sheetsync.store.copying import copy_between
from sheetsync.store.filesystem import FAILING
from sheetsync.store.fsck import scan
from sheetsync.store.local import LocalBackend
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check
from sheetsync.store.segments import Rotation
from tests.conformance.object_fakes import ArchivedObjects
from tests.faults.test_media import ordinary_user

CTX = RequestContext(user="ada")
A_RECORD = RecordId("default", ("things", "a"), "a")


class BadSectors(PosixFileSystem):
    """A disk that cannot read some files."""

    bad: frozenset[str] = frozenset()
    code = errno.EIO

    def read(self, path: str) -> bytes:
        if path in self.bad:
            raise OSError(self.code, os.strerror(self.code), path)
        return super().read(path)


@pytest.fixture(params=FAILING, ids=errno.errorcode.get)
def disk(request: pytest.FixtureRequest, folder: Path) -> BadSectors:
    """The disk of a store with two records."""
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.save("beta", {"n": 1})
    failing = BadSectors(folder)
    failing.code = request.param
    return failing


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


def test_snapshots_whose_journal_file_cannot_be_read_are_lost_commits_and_no_strangers(
    folder: Path, disk: BadSectors
) -> None:
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=2))) as store:
        VersionedStore(CTX, store=store).save("gamma", {"n": 3})
    disk.bad = frozenset({"default/journal/0000000003.jsonl"})
    findings = [f for tenant in scan(LocalBackend(disk, str(folder)))[1] for f in tenant.findings]
    assert {f.code for f in findings if f.path.endswith(".json")} == {"lost_commit"}


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


def test_an_opening_leaves_a_snapshot_alone_that_this_user_may_not_read() -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        folder = Path(name) / "store"
        with VersionedStore(CTX, url=folder) as named:
            named.save("alpha", {"n": 1})
        (path,) = folder.rglob("alpha--*.json")
        path.chmod(0)
        inode, said = path.stat().st_ino, list[str]()
        with Store.open(folder, tell=said.append) as store:
            assert store.writable
            assert store.head() == 1
        assert said == []
        assert path.stat().st_ino == inode
        path.chmod(0o644)


def test_a_doubt_that_cannot_be_read_doubts_every_journal_file(folder: Path, disk: BadSectors) -> None:
    doubt, journal = folder / "default/.store/doubt", folder / "default/journal/0000000001.jsonl"
    doubt.write_text("0000000001.jsonl")
    bad = frozenset({"default/.store/doubt", "default/.store/doubt.settled"})  # the sector goes with the file
    inode, disk.bad = journal.stat().st_ino, bad
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


@pytest.mark.parametrize("repair", [False, True])
def test_what_a_repair_may_not_read_is_not_called_repaired(repair: bool) -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        folder = Path(name) / "store"
        with VersionedStore(CTX, url=folder) as named:
            named.save("alpha", {"n": 1})
        (path,) = folder.rglob("alpha--*.json")
        path.chmod(0)
        try:
            report = fsck(folder, repair=repair)
        finally:
            path.chmod(0o644)
        assert report.exit_code == 9
        assert [(finding.code, finding.repaired) for finding in report.findings] == [("unreadable", False)]
        assert report.findings[0].hint.startswith("not repaired: ") == repair


def test_a_derived_file_that_cannot_be_read_is_as_good_as_none(folder: Path, disk: BadSectors) -> None:
    with Store.on(LocalBackend(disk, str(folder))) as store:
        store.write_derived("default", ("health.json",), b"{}")
        disk.bad = paths(folder, "health.json")
        assert len(disk.bad) == 1
        assert store.read_derived("default", ("health.json",)) is None


# --- in a bucket --------------------------------------------------------------------------------------------------
@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> ArchivedObjects:
    """A bucket with a pack, a checkpoint, an index, and saves after them."""
    monkeypatch.setattr(compaction, "PACK_ENTRIES", 4)
    objects = ArchivedObjects()
    with VersionedStore(CTX, store=on(objects)) as named:
        for number in range(5):
            named.save(f"r{number % 2}", {"n": number})
        named.store.compact()
        named.save("r1", {"n": 5})
        named.save("alpha", {"n": 6})
    return objects


def on(objects: MemoryObjects) -> Store:
    return Store.on(ObjectBackend(objects, "x", cheap=True))


def checked(objects: MemoryObjects, *, repair: bool = False) -> FsckReport:
    return check(ObjectBackend(objects, "x", cheap=True), "x", repair=repair)


def archive(objects: ArchivedObjects, part: str) -> str:
    key = next(key for key in objects.list("") if part in key)
    objects.archived.add(key)
    return key.removeprefix("default/")


@pytest.mark.parametrize("what", ["index.json", "checkpoint.json", "/packs/", "/alpha--", "/r0--"])
def test_an_archived_object_closes_nothing_else(what: str, bucket: ArchivedObjects) -> None:
    path = archive(bucket, what)
    is_snapshot = not path.startswith(".store/")
    assert [(f.code, f.path) for f in checked(bucket).findings] == [("unreadable", path)] * is_snapshot
    if is_snapshot:
        with pytest.raises(StoreDamagedError, match="cannot be read"):
            copy_between(ObjectBackend(bucket, "x"), ObjectBackend(MemoryObjects(), "copy"))
    else:
        copy_between(ObjectBackend(bucket, "x"), ObjectBackend(MemoryObjects(), "copy"))
    with VersionedStore(CTX, store=on(bucket)) as named:
        assert named.store.writable
        contents = {name: snapshot.content for name in named.names() if (snapshot := named.latest(name))}
        assert contents == {"r0": {"n": 4}, "r1": {"n": 5}, "alpha": {"n": 6}}
        named.save("alpha", {"n": 7})
        named.store.compact()
    assert bool(bucket.archived) == is_snapshot


def test_an_archived_snapshot_is_left_alone_by_a_repair_for_its_bytes_cannot_be_kept(bucket: ArchivedObjects) -> None:
    archive(bucket, "/alpha--")
    report = checked(bucket, repair=True)
    assert report.exit_code == 9
    (finding,) = report.findings
    assert (finding.code, finding.repaired) == ("unreadable", False)
    assert "it was archived" in finding.hint
    bucket.archived.clear()
    assert checked(bucket).findings == ()


@pytest.mark.parametrize("number", [1, 3, 4, 7])
def test_an_archived_entry_is_an_error_and_fsck_goes_on_behind_it(number: int, bucket: ArchivedObjects) -> None:
    path = archive(bucket, f"journal/{number:010d}")
    before = dict(bucket._objects)
    for name in ("index.json", "0000000001-"):
        archive(bucket, name)
    with pytest.raises(AuthError, match="archived"):
        on(bucket)
    for repair in (False, True):
        report = checked(bucket, repair=repair)
        assert report.exit_code == 9
        assert [f.path for f in report.findings if f.code != "lost_commit"] == [path]
        assert bucket._objects == before
    bucket.archived.clear()
    assert checked(bucket).findings == ()


def test_an_archived_entry_is_not_written_over_where_others_are_taken_from_a_pack(bucket: ArchivedObjects) -> None:
    right = dict(bucket._objects)
    archive(bucket, "journal/0000000003")
    bucket.put("default/journal/0000000002.jsonl", b"")
    report = checked(bucket, repair=True)
    left = [(f.code, f.path) for f in report.findings if not f.repaired and f.code != "lost_commit"]
    assert left == [("unreadable", "journal/0000000003.jsonl")]
    bucket.archived.clear()
    assert right.items() <= bucket._objects.items()
    assert checked(bucket).findings == ()


def test_a_bucket_that_is_refused_as_a_whole_is_no_damage(bucket: ArchivedObjects) -> None:
    store = on(bucket)
    bucket.archived.update(bucket.list(""))
    with pytest.raises(AuthError):
        checked(bucket)
    with pytest.raises(AuthError):
        VersionedStore(CTX, store=store).latest("alpha")


def test_a_pack_that_may_be_written_and_not_be_read_is_no_damage(bucket: ArchivedObjects) -> None:
    class Refused(ArchivedObjects):
        def put(self, key: str, data: bytes) -> None:
            self._objects[key] = data

    refused = Refused()
    refused._objects = bucket._objects
    archive(refused, "/packs/")
    with pytest.raises(AuthError):
        on(refused).compact()


def test_a_format_and_a_journal_that_may_not_be_read_are_findings(folder: Path, disk: BadSectors) -> None:
    with Store.open(folder) as store:
        store.compact()

    class Forbidden(BadSectors):
        def read_at(self, path: str, offset: int, length: int) -> bytes:
            if path in self.bad:
                raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)
            return super().read_at(path, offset, length)

    forbidden = Forbidden(folder)
    forbidden.bad = frozenset({"FORMAT", "default/journal/0000000001.jsonl"})
    _, scans = scan(LocalBackend(forbidden, str(folder)))
    found = {(finding.code, finding.path) for tenant in scans for finding in tenant.findings}
    assert {("format", "FORMAT"), ("unreadable", "journal/0000000001.jsonl")} <= found


def test_a_handle_that_was_opened_for_reading_writes_nothing(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    VersionedStore(CTX, url=folder).save("alpha", {"n": 1})
    monkeypatch.setattr(PosixFileSystem, "is_writable", lambda files, path: "journal" not in path)
    with Store.open(folder) as store, pytest.raises(DestinationError, match="opened for reading"):
        store.compact()
    assert not (folder / "default/.store/checkpoint.json").exists()


def test_a_name_in_a_folder_that_nobody_may_enter_is_not_taken_for_there() -> None:
    with tempfile.TemporaryDirectory() as name, ordinary_user(Path(name)):
        folder = Path(name) / "store"
        with Store.open(folder) as store:
            with store.transaction(CTX) as tx:
                tx.save(A_RECORD, {"n": 1})
            own = folder / "default/things/a"
            own.chmod(0)
            try:
                with pytest.raises(StoreDamagedError), store.transaction(CTX) as tx:
                    tx.save(A_RECORD, {"n": 2})
                said: list[str] = []
                with Store.open(folder, tell=said.append) as other, pytest.raises(DestinationError):
                    other.compact()
                assert [line for line in said if "not all put right" in line]
            finally:
                own.chmod(0o755)
        Store.open(folder).close()
        assert len(list(own.iterdir())) == 2
