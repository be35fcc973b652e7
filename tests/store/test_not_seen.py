"""What could not be listed, or went while it was looked at, proves nothing: no line is cut, no copy called whole."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, copy_store, fsck
from sheetsync.store.copying import copy_between
from sheetsync.store.filesystem import FAILING
from sheetsync.store.local import LocalBackend
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check

CTX = RequestContext(user="ada")
JOURNAL = "default/journal"
FIRST = f"{JOURNAL}/0000000001.jsonl"
NAMES = ("alpha", "beta", "gamma")


class Unlisted(PosixFileSystem):
    """A disk that cannot list some folders, from some look at them on."""

    folders: frozenset[str] = frozenset()
    code = errno.EIO
    looks = 0

    def listdir(self, path: str) -> list[str]:
        if path in self.folders:
            self.looks -= 1
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
