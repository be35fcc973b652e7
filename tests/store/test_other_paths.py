"""What leads to a store, or out of it, by another path; and what passes between processes."""

from __future__ import annotations

import pickle
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path

import pytest

from sheetsync.domain.clock import SystemClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    DestinationError,
    NotPlacedError,
    SheetSyncError,
    StaleSnapshotError,
    StoreDamagedError,
    TryLaterError,
    UsageError,
)
from sheetsync.store import Snapshot, Store, VersionedStore, copy_store, fsck
from sheetsync.store.mounts import Mount, Origin, origin, origins, read_mounts
from sheetsync.store.posix import PosixFileSystem

CTX = RequestContext(user="ada")


def opened(folder: Path) -> VersionedStore:
    return VersionedStore(CTX, url=folder)


@pytest.mark.parametrize("above", ["default", "kind", "record"])
def test_an_open_handle_writes_nothing_through_a_link_that_took_a_folders_place(
    above: str, folder: Path, tmp_path: Path
) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
        found = named.latest("alpha")
        assert found is not None
        kind, *_ = found.path.split("/")
        path = {"default": folder / "default", "kind": folder / "default" / kind}.get(
            above, (folder / "default" / found.path).parent
        )
        moved = tmp_path / "elsewhere"
        path.rename(moved)
        path.symlink_to(moved)
        before = {one: one.read_bytes() for one in moved.rglob("*") if one.is_file()}
        with pytest.raises(StoreDamagedError, match="symbolic link"):
            named.save("alpha", {"n": 2})
        with suppress(SheetSyncError):
            named.store.compact()
        after = {one: one.read_bytes() for one in moved.rglob("*") if one.is_file()}
        assert after == before
        path.unlink()
        moved.rename(path)
        named.save("alpha", {"n": 3})
    with closing(opened(folder)) as named:
        found = named.latest("alpha")
        assert found is not None
        assert found.content == {"n": 3}
    assert fsck(folder).exit_code == 0


def test_a_second_name_goes_through_such_a_link_as_little_as_the_first(folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as named:
        found = named.save("alpha", {"n": 1})
        place, moved = folder / "default" / found.path.split("/")[0], tmp_path / "elsewhere"
        place.rename(moved)
        place.symlink_to(moved)
        before = sorted(moved.rglob("*"))
        for number in (2, 3, 4):  # each save tries the names of those before, too
            with pytest.raises(StoreDamagedError, match="symbolic link"):
                named.save("alpha", {"n": number})
            with pytest.raises(StoreDamagedError, match="symbolic link"):
                named.save("beta", {"n": number})
        assert sorted(moved.rglob("*")) == before
        place.unlink()
        moved.rename(place)
        named.save("alpha", {"n": 5})
    assert fsck(folder).exit_code == 0


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A second file system; skipped where none can be mounted."""
    place = tmp_path / "mounted"
    place.mkdir()
    tool = shutil.which("mount")
    if tool is None or subprocess.run([tool, "-t", "tmpfs", "none", place], capture_output=True).returncode != 0:
        pytest.skip("no file system can be mounted here")
    try:
        yield place
    finally:
        subprocess.run(["umount", "-l", place], capture_output=True, check=False)  # a test may have taken it away


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_what_is_mounted_in_a_tenants_folder_is_made_durable_by_itself(
    depth: int, folder: Path, mounted: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
    subprocess.run(["umount", mounted], check=True)
    found = next(iter((folder / "default").glob("[!.j]*/**/*.json"))).parent
    place = [found, *found.parents][[*found.parents].index(folder / "default") + 1 - depth]
    synced: list[str] = []
    sync = PosixFileSystem.sync

    def told(files: PosixFileSystem, path: str) -> None:
        synced.append(path)
        sync(files, path)

    monkeypatch.setattr(PosixFileSystem, "sync", told)
    subprocess.run(["mount", "-t", "tmpfs", "none", place], check=True)
    try:
        with closing(opened(folder)) as named:
            path = named.save("alpha", {"n": 2}).path
            named.store.compact()
    finally:
        subprocess.run(["umount", "-l", place], check=True)
    assert f"default/{path}" in synced


def test_a_name_that_goes_while_all_is_made_durable_is_no_doubt(folder: Path) -> None:
    with closing(opened(folder)) as named:
        found = named.save("alpha", {"n": 1})
        files = PosixFileSystem(folder)
        assert not files.sync_all("default", ["default/gone", f"default/{found.path}"])
        files.close()
        named.store.compact()
    assert not (folder / "default/.store/doubt-names").exists()


def test_a_records_folder_that_went_is_said_so_and_comes_back(folder: Path) -> None:
    with closing(opened(folder)) as named:
        found = folder / "default" / named.save("alpha", {"n": 1}).path
        shutil.rmtree(found.parent)
        with suppress(TryLaterError):
            named.store.compact()
        named.store.compact()
        assert found.exists()
        shutil.rmtree(found.parent)
        (folder / "default/.store/checkpoint.json").unlink()
    with closing(opened(folder)) as named:
        shutil.rmtree(folder)
        with pytest.raises(SheetSyncError) as caught:
            named.store.compact()
    assert "Errno" not in str(caught.value)


@pytest.mark.parametrize("which", ["default", "default/.store"])
def test_a_lease_of_an_open_handle_makes_nothing_through_a_link(which: str, folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
        named.store.compact()
        place, moved = folder / which, tmp_path / "elsewhere"
        place.rename(moved)
        place.symlink_to(moved)
        before = sorted(moved.rglob("*"))
        with pytest.raises(StoreDamagedError, match="symbolic link"):
            named.store.lease("sync", who="ada")
        assert sorted(moved.rglob("*")) == before
        place.unlink()
        moved.rename(place)
        named.store.lease("sync", who="ada").release()


def test_a_copy_into_the_store_is_refused_by_whatever_path(folder: Path, mounted: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
    subprocess.run(["umount", mounted], check=True)
    subprocess.run(["mount", "--bind", folder, mounted], check=True)
    with pytest.raises(DestinationError, match="by another path"):
        copy_store(folder, mounted / "copy")
    with pytest.raises(DestinationError):
        copy_store(folder, mounted)
    subprocess.run(["umount", mounted], check=True)
    subprocess.run(["mount", "--bind", folder / "default", mounted], check=True)
    with pytest.raises(DestinationError, match="by another path"):
        copy_store(folder, mounted / "copy")
    assert fsck(folder).exit_code == 0


@pytest.mark.parametrize("where", ["", "default", "default/journal", "default/.store", "kind", "user", "record"])
def test_however_deep_in_the_store_that_path_leads(where: str, folder: Path, mounted: Path) -> None:
    with closing(opened(folder)) as named:
        found = folder / "default" / named.save("alpha", {"n": 1}).path
    place = {"kind": found.parents[2], "user": found.parents[1], "record": found.parent}.get(where, folder / where)
    subprocess.run(["umount", mounted], check=True)
    subprocess.run(["mount", "--bind", place, mounted], check=True)
    before = sorted(folder.rglob("*"))
    for inside in ("copy", "a/b"):
        with pytest.raises(DestinationError, match="by another path"):
            copy_store(folder, mounted / inside)
    assert sorted(folder.rglob("*")) == before


def test_a_copy_into_what_is_mounted_in_the_store_is_refused_by_its_other_path(folder: Path, mounted: Path) -> None:
    with closing(opened(folder)) as named:
        found = folder / "default" / named.save("alpha", {"n": 1}).path
    (mounted / "part").mkdir()
    other = found.parents[1] / "beta"
    other.mkdir()
    subprocess.run(["mount", "--bind", mounted / "part", other], check=True)
    try:
        with pytest.raises(DestinationError, match="by another path"):
            copy_store(folder, mounted / "part" / "copy")
        assert not list((mounted / "part").iterdir())
        copy_store(folder, mounted / "copy")
    finally:
        subprocess.run(["umount", "-l", other], check=True)


def test_a_link_in_the_store_is_no_other_path_to_it(folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
    (tmp_path / "backups").mkdir()
    (folder / "latest").symlink_to(tmp_path / "backups")
    with pytest.raises(StoreDamagedError, match="latest"):  # a link is a link, and is named
        copy_store(folder, tmp_path / "backups/monday")
    (folder / "latest").unlink()
    copy_store(folder, tmp_path / "backups/monday")


def test_mounts_are_read_as_the_kernel_writes_them(tmp_path: Path) -> None:
    told = tmp_path / "mountinfo"
    told.write_bytes(
        b"22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"
        b"30 22 8:1 /a\\040b/c /mnt/two\\134x rw - ext4 /dev/sda1 rw\n"
        b"31 22 0:40 / /mnt/over rw - tmpfs none rw\n"
        b"32 22 8:2 /deep /mnt/over rw - ext4 /dev/sda2 rw\n"
        b"short line\n\n"
    )
    mounts = read_mounts(told)
    assert mounts == {
        22: Mount("8:1", Path("/"), Path("/")),
        30: Mount("8:1", Path("/a b/c"), Path("/mnt/two\\x")),
        31: Mount("0:40", Path("/"), Path("/mnt/over")),
        32: Mount("8:2", Path("/deep"), Path("/mnt/over")),
    }
    assert mounts[30].origin(Path("/mnt/two\\x/d")) == Origin("8:1", Path("/a b/c/d"))
    assert read_mounts(tmp_path / "none") == {}
    assert origin(Path("/x"), {}) is None
    assert not list(origins(Path("/x"), {}))


def test_a_network_file_system_does_not_tell_which_folder_it_shows(tmp_path: Path) -> None:
    told = tmp_path / "mountinfo"
    told.write_text(
        "40 1 0:50 / /mnt/live rw shared:7 - nfs4 nas:/vol/live rw\n"
        "41 1 0:50 / /mnt/backup rw - nfs4 nas:/vol/backup rw\n"
        "42 1 8:2 / /mnt/own rw - xfs /dev/sdb rw\n"
    )
    assert set(read_mounts(told)) == {42}


def test_what_another_mount_hides_is_not_taken_for_what_is_seen(folder: Path, mounted: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
    (mounted / "ada").mkdir()
    inner, kind = mounted / "ada", next(folder.glob("default/[!.j]*"))
    subprocess.run(["mount", "-t", "tmpfs", "none", inner], check=True)
    subprocess.run(["mount", "--bind", kind, mounted], check=True)  # over both
    try:
        before = sorted(folder.rglob("*"))
        with pytest.raises(DestinationError, match="by another path"):
            copy_store(folder, inner / "copy")
        assert sorted(folder.rglob("*")) == before
    finally:
        for place in (mounted, inner, mounted):
            subprocess.run(["umount", place], check=True)


def test_a_copy_below_a_link_that_leads_nowhere_is_refused_for_good(folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
    (tmp_path / "nowhere").symlink_to(tmp_path / "gone")
    (tmp_path / "file").write_text("")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for above in ("nowhere", "file", "loop"):
        with pytest.raises(DestinationError):
            copy_store(folder, tmp_path / above / "copy")


def test_errors_pass_between_processes(folder: Path) -> None:
    with closing(opened(folder)) as named:
        first = named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
        with pytest.raises(StaleSnapshotError) as caught:
            named.save("alpha", {"n": 3}, expected=first)
    again = pickle.loads(pickle.dumps(caught.value))  # noqa: S301 (our own bytes)
    assert type(again) is StaleSnapshotError
    assert (str(again), again.hint, again.name, again.ours) == (
        str(caught.value), caught.value.hint, "alpha", {"n": 3},
    )  # fmt: skip
    assert isinstance(again.theirs, Snapshot)
    assert again.theirs.content == {"n": 2}
    placed = pickle.loads(pickle.dumps(NotPlacedError("saved", commit=7, hint="move it")))  # noqa: S301
    assert (placed.commit, placed.message, placed.hint, placed.exit_code) == (7, "saved", "move it", 9)


def test_a_clock_without_a_zone_is_refused_before_anything_is_written(folder: Path) -> None:
    class Naive(SystemClock):
        def now(self) -> datetime:
            return datetime(2026, 1, 7, 12)  # noqa: DTZ001 (that is the point)

    with Store.open(folder, clock=Naive()) as store:
        for act in (
            lambda: store.note(CTX, "why", {}),
            lambda: store.lease("sync", who="ada"),
            store.held,
            lambda: store.check_free("sync"),
            lambda: store.break_lease("sync"),
        ):
            with pytest.raises(UsageError, match="without a zone"):
                act()
    with Store.open(folder) as store:
        assert store.head() == 0
        assert store.held() == []


@pytest.mark.parametrize("since", ["1e300", "-1e14", "253402300799.5", '"now"', "null", "1e999"])
def test_a_lock_that_tells_no_time_is_somebodys(since: str, folder: Path) -> None:
    with Store.open(folder) as store, store.lease("sync", who="ada"):
        (path,) = folder.rglob("sync.lock")
        path.write_text(f'{{"who":"ada","host":"here","pid":7,"since":{since}}}')
        with Store.open(folder) as other:
            (info,) = other.held()
            assert (info.name, info.who) == ("sync", "somebody")
            assert other.break_lease("sync") is not None
            other.lease("sync", who="bob").release()


@pytest.mark.parametrize("gone", ["default", ""])
def test_a_lease_makes_no_tenant_anew(gone: str, folder: Path, tmp_path: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
        (folder / gone).rename(tmp_path / "away")
        if not gone:
            folder.mkdir()  # the mount point of a disk that was taken away
        with pytest.raises(SheetSyncError, match="went away"):
            named.store.lease("sync", who="ada")
        assert not list(folder.glob("default"))


def test_a_lease_is_taken_though_the_work_folder_was_deleted(folder: Path) -> None:
    with closing(opened(folder)) as named:
        named.save("alpha", {"n": 1})
        shutil.rmtree(folder / "default/.store")
        with named.store.lease("sync", who="ada"):
            assert [info.name for info in named.store.held()] == ["sync"]
        named.save("alpha", {"n": 2})


def test_a_lease_of_half_a_character_is_refused(folder: Path) -> None:
    with Store.open(folder) as store:
        with pytest.raises(UsageError, match="half a character"):
            store.lease("sync", who="\ud800")
        assert not store.held()
