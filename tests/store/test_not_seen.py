"""What could not be listed, or went while it was looked at, proves nothing: no line is cut, no copy called whole."""

from __future__ import annotations

import errno
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import InvalidIdError, SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import RecordId, Store, VersionedStore, copy_store, fsck
from sheetsync.store.copying import copy_between
from sheetsync.store.filesystem import FAILING
from sheetsync.store.local import LocalBackend
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.reader import UNSEEN_S
from sheetsync.store.repair import check

CTX = RequestContext(user="ada")
JOURNAL = "default/journal"
FIRST = f"{JOURNAL}/0000000001.jsonl"
NAMES = ("alpha", "beta", "gamma")


class Unlisted(PosixFileSystem):
    """A disk that cannot list some folders, from some look at them on."""

    folders: frozenset[str] = frozenset()
    code = errno.EIO
    looks = asked = 0

    def listdir(self, path: str) -> list[str]:
        if path in self.folders:
            self.looks -= 1
            self.asked += 1
            if self.looks < 0:
                raise OSError(self.code, os.strerror(self.code), 7)
        return super().listdir(path)


@pytest.fixture
def built(folder: Path) -> Path:
    """A store of two tenants with three records each, an entry each."""
    for tenant in ("acme", "default"):
        with VersionedStore(RequestContext(user="ada", tenant=tenant), url=folder) as named:
            for name in NAMES:
                named.save(name, {"text": name * 40})
    return folder


def lose_the_end(folder: Path) -> None:
    """Of the last line, which was acknowledged: zeros, as a lost sector leaves them."""
    file = folder / FIRST
    file.write_bytes(file.read_bytes()[:-120] + b"\0" * 100)


def put_back(file: Path, older: bytes) -> None:
    """In its place, as a restored copy is written over a file that is open."""
    with file.open("r+b") as there:
        there.write(older)
        there.truncate(len(older))


def of(folder: Path, name: str) -> str:
    """The record's folder, as the disk is asked for it."""
    return str(next(folder.glob(f"default/workbench_drafts/**/{name}")).relative_to(folder))


@pytest.mark.parametrize("code", [*FAILING, errno.EACCES], ids=errno.errorcode.get)
def test_no_line_is_cut_while_the_name_that_proves_it_may_be_where_nothing_can_be_listed(
    code: int, built: Path
) -> None:
    lose_the_end(built)
    journal, told, gamma = (built / FIRST).read_bytes(), list[str](), of(built, "gamma")
    disk = Unlisted(built)
    disk.folders, disk.code = frozenset({gamma}), code
    with Store.on(LocalBackend(disk, str(built)), tell=told.append) as store:
        named = VersionedStore(CTX, store=store)
        assert named.names() == ["alpha", "beta"]  # what can be read is
        assert any(gamma in message for message in told), told
        for _ in range(2):
            with pytest.raises(SheetSyncError, match=gamma):
                named.save("delta", {"n": 1})
    assert (built / FIRST).read_bytes() == journal
    with pytest.raises(StoreDamagedError, match="snapshots of it are in the folders"):
        Store.open(built)


def test_a_line_that_was_never_acknowledged_is_cut_once_all_can_be_listed(built: Path) -> None:
    with (built / FIRST).open("ab") as file:
        file.write(b'{"sum":"0123')
    disk = Unlisted(built)
    disk.folders = frozenset({of(built, "beta")})
    with Store.on(LocalBackend(disk, str(built))) as store:
        named = VersionedStore(CTX, store=store)
        with pytest.raises(TryLaterError, match="the disk fails"):
            named.save("delta", {"n": 1})
        disk.folders = frozenset()
        assert named.save("delta", {"n": 1}).commit == 4
    assert fsck(built).findings == ()


def test_fsck_does_not_call_it_harmless(built: Path) -> None:
    lose_the_end(built)
    shutil.rmtree(built / of(built, "gamma"))
    assert [(found.code, found.damage) for found in fsck(built).findings] == [("torn_line", False)]
    disk = Unlisted(built)
    disk.folders = frozenset({of(built, "beta")})
    found = {one.code: one for one in check(LocalBackend(disk, str(built)), str(built)).findings}
    assert found["broken_line"].damage
    assert "readable, then look again" in found["broken_line"].hint
    assert "torn_line" not in found


def test_no_journal_is_begun_where_nothing_can_be_listed(built: Path) -> None:
    shutil.rmtree(built / JOURNAL)
    disk = Unlisted(built)
    disk.folders = frozenset({"default", *(f"default/{path.name}" for path in (built / "default").iterdir())})
    with pytest.raises(TryLaterError, match="the disk fails"):
        Store.on(LocalBackend(disk, str(built)))
    assert not (built / JOURNAL).exists()


@pytest.mark.parametrize("name", ["lost+found", ".store/derived", ".store/aside"])
def test_a_folder_that_can_hold_no_snapshot_proves_nothing_and_holds_up_nothing(name: str, folder: Path) -> None:
    Store.open(folder).close()
    disk = Unlisted(folder)
    disk.folders, disk.code = frozenset({f"default/{name}"}), errno.EACCES
    (folder / "default" / name).mkdir(exist_ok=True)
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, str(folder)))) as named:
        named.save("alpha", {"n": 1})
    with (folder / FIRST).open("ab") as file:
        file.write(b'{"sum":"0123')
    (torn,) = (one for one in check(LocalBackend(disk, str(folder)), str(folder)).findings if one.code != "unreadable")
    assert (torn.code, torn.damage) == ("torn_line", False)
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, str(folder)))) as named:
        assert named.save("alpha", {"n": 2}).commit == 2


def test_what_a_file_system_has_at_its_root_is_no_tenant(folder: Path, tmp_path: Path) -> None:
    class Closed(Unlisted):
        def kind(self, path: str) -> str | None:
            if path.startswith("lost+found/"):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return super().kind(path)

    for place in (folder, tmp_path / "copy"):
        (place / "lost+found").mkdir(parents=True)
    disk, target = Closed(folder), Closed(tmp_path / "copy")
    disk.folders = target.folders = frozenset({"lost+found"})
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, str(folder)))) as named:
        named.save("alpha", {"n": 1})
    assert check(LocalBackend(disk, str(folder)), str(folder)).findings == ()
    copy_between(LocalBackend(disk, "x"), LocalBackend(target, "y"))
    assert names(tmp_path / "copy", "default") == ["alpha"]


def test_a_tenant_that_may_not_be_entered_keeps_no_other_from_fsck(built: Path) -> None:
    class Closed(Unlisted):
        def kind(self, path: str) -> str | None:
            if path.startswith("acme/"):
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return super().kind(path)

    disk = Closed(built)
    disk.folders = frozenset({"acme"})
    next(built.glob(f"{of(built, 'beta')}/*.json")).unlink()
    found = {(one.tenant, one.code) for one in check(LocalBackend(disk, str(built)), str(built)).findings}
    assert found == {("acme", "unreadable"), ("default", "missing")}


def test_what_is_in_a_folder_that_cannot_be_listed_is_not_called_missing(built: Path) -> None:
    disk = Unlisted(built)
    disk.folders = frozenset({of(built, "beta")})
    assert [one.code for one in check(LocalBackend(disk, str(built)), str(built)).findings] == ["unreadable"]


def test_one_name_that_cannot_be_looked_at_hides_none_of_the_others(built: Path) -> None:
    class Unseen(PosixFileSystem):
        bad = frozenset({f"{of(built, 'alpha')}/odd", "default/lost+found"})

        def kind(self, path: str) -> str | None:
            if path in self.bad:
                raise OSError(errno.EUCLEAN, "Structure needs cleaning", path)
            return super().kind(path)

    for path in Unseen.bad:
        (built / path).write_text("")
    next(built.glob(f"{of(built, 'beta')}/*.json")).unlink()
    next(built.glob(f"{of(built, 'alpha')}/*.json")).write_text("{}")
    found = {(one.code, one.path) for one in check(LocalBackend(Unseen(built), str(built)), str(built)).findings}
    assert {code for code, _ in found} == {"unreadable", "missing", "changed"}
    assert {path for code, path in found if code == "unreadable"} == {path.partition("/")[2] for path in Unseen.bad}
    with (built / FIRST).open("ab") as file:
        file.write(b'{"sum":"0123')
    store = Store.on(LocalBackend(Unseen(built), str(built)))
    with VersionedStore(CTX, store=store) as named, pytest.raises(TryLaterError, match="alpha/odd"):
        named.save("delta", {"n": 1})


def test_no_record_is_made_where_a_file_system_has_its_own(folder: Path) -> None:
    with pytest.raises(InvalidIdError, match="not a folder of records"):
        RecordId("default", ("lost+found", "alpha"), "alpha")


@pytest.mark.parametrize("read_only", [False, True])
def test_whether_entries_were_lost_is_told_to_be_unknown_and_reading_goes_on(read_only: bool, built: Path) -> None:
    """The index tells of more than the journal, and a folder in which a name would prove that cannot be listed."""

    class Looking(Unlisted):
        def is_writable(self, path: str) -> bool:
            return not read_only and super().is_writable(path)

    with Store.open(built) as store:
        store.rebuild_index()
    index = (built / "default/.store/index.json").read_bytes()
    lines = (built / FIRST).read_bytes().splitlines(keepends=True)
    (built / FIRST).write_bytes(b"".join(lines[:2]))
    disk, told = Looking(built), list[str]()
    disk.folders, disk.code = frozenset({of(built, "gamma")}), errno.EACCES
    with Store.on(LocalBackend(disk, str(built)), tell=told.append) as store:
        named = VersionedStore(CTX, store=store)
        assert named.names() == ["alpha", "beta"]
        assert any("cannot be told" in message for message in told), told
        before = disk.asked
        assert named.latest("alpha")
        assert disk.asked == before  # no read lists all folders again
        if not read_only:
            for act in (lambda: named.save("delta", {"n": 1}), store.compact, store.rebuild_index):
                with pytest.raises(SheetSyncError, match=of(built, "gamma")):
                    act()
    assert (built / "default/.store/index.json").read_bytes() == index
    with pytest.raises(StoreDamagedError, match="the index tells of entry 3"):
        Store.open(built)


@pytest.mark.parametrize("name", ["checkpoint.json", "index.json"])
def test_a_note_is_not_cut_while_what_tells_of_it_cannot_be_read(name: str, built: Path) -> None:
    class Unread(PosixFileSystem):
        bad = f"default/.store/{name}"

        def read(self, path: str) -> bytes:
            if path == self.bad:
                raise PermissionError(errno.EACCES, "Permission denied", path)
            return super().read(path)

    with Store.open(built) as store:
        store.note(CTX, "which no snapshot proves", {"n": 1})
        store.compact()
    for other in {"checkpoint.json", "index.json"} - {name}:
        (built / "default/.store" / other).unlink()
    file = built / FIRST
    file.write_bytes(file.read_bytes()[:-30])
    journal, disk = file.read_bytes(), Unread(built)
    found = {one.code for one in check(LocalBackend(disk, str(built)), str(built)).findings}
    assert found == {"broken_line"}
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, str(built)))) as named:
        assert named.names() == list(NAMES)
        with pytest.raises(SheetSyncError, match=name):
            named.save("delta", {"n": 1})
    assert file.read_bytes() == journal
    with pytest.raises(StoreDamagedError, match="entry 4"):
        Store.open(built)


def test_a_copy_lacks_no_tenant_that_went_meanwhile(built: Path, tmp_path: Path) -> None:
    """Its file system was unmounted, say, after it had been looked at."""

    class Going(LocalBackend):
        def tenants(self) -> Iterator[str]:
            (built / "acme").rename(tmp_path / "acme")
            return super().tenants()

    target = tmp_path / "copy"
    target.mkdir()
    with pytest.raises(StoreDamagedError, match="journal of 'acme' is not what it was"):
        copy_between(Going(PosixFileSystem(built), "x"), LocalBackend(PosixFileSystem(target), "y"))
    assert not (target / "FORMAT").exists()


def copied(built: Path, disk: PosixFileSystem, target: Path) -> None:
    target.mkdir(exist_ok=True)
    copy_between(LocalBackend(disk, str(built)), LocalBackend(PosixFileSystem(target), str(target)))


@pytest.mark.parametrize("looks", range(1, 12))
def test_a_copy_of_a_journal_that_could_not_be_listed_is_no_store(looks: int, built: Path, tmp_path: Path) -> None:
    disk, target = Unlisted(built), tmp_path / "copy"
    disk.folders, disk.looks = frozenset({JOURNAL}), looks
    try:
        copied(built, disk, target)
    except (TryLaterError, StoreDamagedError):
        assert not (target / "FORMAT").exists()
        copied(built, PosixFileSystem(built), target)  # it goes on
    else:
        assert disk.looks >= 0  # it never failed
    with VersionedStore(CTX, url=target) as named:
        assert named.names() == list(NAMES)


@pytest.mark.parametrize("way", ["gone", "cut", "another's"])
@pytest.mark.parametrize("medium", ["disk", "bucket"])
def test_a_copy_of_a_journal_that_changed_meanwhile_is_no_store(
    way: str, medium: str, built: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = tmp_path / "other"
    with VersionedStore(CTX, url=other) as named:
        for name in NAMES:
            named.save(name, {"another": name})

    def change() -> None:
        file = built / FIRST
        if way == "gone":
            file.unlink()
        elif way == "cut":
            file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:2]))
        else:
            shutil.copy(other / FIRST, file)

    old = LocalBackend(PosixFileSystem(built), str(built))
    objects = MemoryObjects()
    target = tmp_path / "copy"
    target.mkdir()
    new = LocalBackend(PosixFileSystem(target), str(target)) if medium == "disk" else ObjectBackend(objects, "x")
    real = type(new).names

    def names(backend: LocalBackend | ObjectBackend) -> list[str]:
        change()  # between the look at the store and the copying
        return list(real(backend))  # type: ignore[arg-type]

    monkeypatch.setattr(type(new), "names", names)
    with pytest.raises(StoreDamagedError, match="is not what it was when the copy began"):
        copy_between(old, new)
    assert new.read_format() is None


def test_a_copy_goes_on_after_an_fsync_that_failed(built: Path, tmp_path: Path) -> None:
    class Failing(PosixFileSystem):
        syncs = 0

        def sync(self, path: str) -> None:
            self.syncs += 1
            if self.syncs == 3:
                error = OSError(errno.EIO, "I/O error", path)
                error.failed_sync = True  # type: ignore[attr-defined]
                raise error
            super().sync(path)

    target = tmp_path / "copy"
    target.mkdir()
    with pytest.raises(UnknownOutcomeError):
        copy_between(LocalBackend(PosixFileSystem(built), "x"), LocalBackend(Failing(target), "y"))
    assert list(target.rglob(".store/doubt"))
    copy_store(built, target)
    assert {tenant: names(target, tenant) for tenant in ("acme", "default")} == {
        "acme": list(NAMES), "default": list(NAMES),
    }  # fmt: skip
    assert fsck(target).findings == ()


def names(folder: Path, tenant: str) -> list[str]:
    with VersionedStore(RequestContext(user="ada", tenant=tenant), url=folder) as named:
        return named.names()


def test_a_checkpoint_tells_each_read_of_lost_entries_though_folders_cannot_be_listed(built: Path) -> None:
    disk, gamma, older = Unlisted(built), of(built, "gamma"), (built / FIRST).read_bytes()
    with Store.on(LocalBackend(disk, str(built))) as store, VersionedStore(CTX, url=built) as other:
        named = VersionedStore(CTX, store=store)
        assert named.names() == list(NAMES)
        other.save("delta", {"n": 1})
        other.store.compact()
        put_back(built / FIRST, older)
        disk.folders, disk.looks = frozenset({gamma}), 0
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="it ends at entry 3, but entry 4 was there"):
                named.names()
        disk.folders = frozenset()
        with pytest.raises(StoreDamagedError, match="entry 4 was there"):
            named.names()


def test_and_what_an_index_tells_once_they_can_be_listed_again(built: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk, gamma, older = Unlisted(built), of(built, "gamma"), (built / FIRST).read_bytes()
    with Store.on(LocalBackend(disk, str(built))) as store, VersionedStore(CTX, url=built) as other:
        named = VersionedStore(CTX, store=store)
        other.save("delta", {"n": 1})
        other.store.rebuild_index()
        put_back(built / FIRST, older)
        disk.folders, disk.looks = frozenset({gamma}), 0
        for _ in range(2):
            assert named.names() == list(NAMES)
        assert disk.asked == 1
        disk.folders = frozenset()
        moment = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: moment + UNSEEN_S)
        for _ in range(2):
            with pytest.raises(StoreDamagedError, match="the index tells of entry 4"):
                named.names()
