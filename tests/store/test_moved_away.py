"""Something of an open store is moved away, and another thing put in its place: no save goes where nobody looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError, SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck, recovery
from sheetsync.store.folders import OpenFolders
from sheetsync.store.local import LocalBackend
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation

CTX = RequestContext(user="ada")
SEGMENT = "default/journal/0000000001.jsonl"
PARTS = [SEGMENT, "default/journal", "default", ""]


@pytest.fixture
def named(folder: Path) -> Iterator[VersionedStore]:
    """A store that stays open, with two commits."""
    with VersionedStore(CTX, url=folder) as opened:
        opened.save("alpha", {"n": 1})
        opened.save("alpha", {"n": 2})
        yield opened


def folders_of(named: VersionedStore) -> OpenFolders:
    """The folders that it holds open."""
    backend = named.store._backend
    assert isinstance(backend, LocalBackend)
    assert isinstance(backend._files, PosixFileSystem)
    return backend._files._folders


def replace_by_copy(folder: Path, part: str) -> Path:
    """Move it away and put a copy in its place; where it is now."""
    place, away = folder / part, folder.parent / "away"
    place.rename(away)
    if away.is_dir():
        shutil.copytree(away, place)
    else:
        shutil.copy(away, place)
    return away


@pytest.mark.parametrize("part", PARTS)
def test_a_save_goes_into_what_stands_there_now(part: str, folder: Path, named: VersionedStore) -> None:
    away = replace_by_copy(folder, part)
    before = {path: path.read_bytes() for path in [away, *away.rglob("*")] if path.is_file()}
    assert named.save("alpha", {"n": 3}).version == 3
    with VersionedStore(CTX, url=folder) as other:
        assert other.save("beta", {"n": 1}).commit == 4
        assert named.save("alpha", {"n": 4}).commit == 5
        assert [snapshot.version for snapshot in other.history("alpha")] == [1, 2, 3, 4]
    assert {path: path.read_bytes() for path in [away, *away.rglob("*")] if path.is_file()} == before
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("part", PARTS)
def test_an_older_copy_with_other_commits_is_not_written_upon(part: str, folder: Path, named: VersionedStore) -> None:
    shutil.copytree(folder, folder.parent / "older")
    named.save("alpha", {"n": 3})
    with VersionedStore(CTX, url=folder.parent / "older") as older:
        older.save("alpha", {"n": 9})  # of the same length, so that sizes tell nothing
    (folder / part).rename(folder.parent / "away")
    (folder.parent / "older" / part).rename(folder / part)
    with pytest.raises(StoreDamagedError, match="entry 3 is not the one that was read"):
        named.save("alpha", {"n": 4})
    with VersionedStore(CTX, url=folder) as again:
        latest = again.latest("alpha")
        assert latest is not None
        assert latest.content == {"n": 9}


def test_a_file_that_was_overwritten_in_place_is_not_written_upon(folder: Path, named: VersionedStore) -> None:
    shutil.copytree(folder, folder.parent / "older")
    named.save("alpha", {"n": 3})
    with VersionedStore(CTX, url=folder.parent / "older") as older:
        older.save("alpha", {"n": 9})
    (folder / SEGMENT).write_bytes((folder.parent / "older" / SEGMENT).read_bytes())
    with pytest.raises(StoreDamagedError, match="entry 3 is not the one that was read"):
        named.save("alpha", {"n": 4})


def test_a_journal_of_hard_links_to_a_backup_is_written_where_it_stands(folder: Path, named: VersionedStore) -> None:
    """`cp -al` as a backup; then a repair writes the journal's file anew."""
    backup = folder.parent / "backup.jsonl"
    os.link(folder / SEGMENT, backup)
    data = (folder / SEGMENT).read_bytes()
    (folder / "new").write_bytes(data)
    (folder / "new").rename(folder / SEGMENT)
    named.save("alpha", {"n": 3})
    assert backup.read_bytes() == data
    assert fsck(folder).findings == ()


def test_a_records_folder_that_was_moved_away_gets_nothing_more(folder: Path, named: VersionedStore) -> None:
    place = folder / "default/workbench_drafts/ada/alpha"
    place.rename(folder.parent / "away")
    snapshot = named.save("alpha", {"n": 3})
    assert [file.name for file in place.iterdir()] == [snapshot.filename]
    assert not (folder.parent / "away" / snapshot.filename).exists()


@pytest.mark.parametrize("how", ["moved", "removed"])
def test_a_lease_whose_file_is_gone_commits_nothing_more(how: str, folder: Path, named: VersionedStore) -> None:
    lease = named.store.lease("sync", who="ada")
    if how == "moved":
        (folder / "default/.store").rename(folder.parent / "away")
    else:
        shutil.rmtree(folder / "default/.store")
    with VersionedStore(CTX, url=folder) as other, other.store.lease("sync", who="bob") as second:
        with (
            pytest.raises(LockHeldError, match="no longer ours"),
            named.store.transaction(CTX, fence=lease) as tx,
        ):
            tx.save(named.record("alpha"), {"n": 3})
        with other.store.transaction(CTX, fence=second) as tx:
            tx.save(other.record("alpha"), {"n": 4})
        assert tx.commit is not None
        assert tx.commit.number == 3


@pytest.mark.parametrize("part", PARTS)
def test_a_handle_that_has_only_read_sees_and_writes_what_stands_there_now(part: str, folder: Path) -> None:
    """It has no file open for appending yet, which would be proved by itself."""
    with VersionedStore(CTX, url=folder) as first:
        first.save("alpha", {"n": 1})
    with VersionedStore(CTX, url=folder) as reader, VersionedStore(CTX, url=folder) as writer:
        away = replace_by_copy(folder, part)
        before = {path: path.read_bytes() for path in [away, *away.rglob("*")] if path.is_file()}
        assert writer.save("alpha", {"n": 2}).commit == 2
        latest = reader.latest("alpha")
        assert latest is not None
        assert latest.version == 2
        assert {path: path.read_bytes() for path in [away, *away.rglob("*")] if path.is_file()} == before
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("how", ["replaced", "removed"])
def test_a_full_journal_file_is_looked_at_before_the_next_one_begins(how: str, tmp_path: Path) -> None:
    def opened(name: str) -> Store:
        (tmp_path / name).mkdir(exist_ok=True)
        files = PosixFileSystem(tmp_path / name)
        return Store.on(LocalBackend(files, name, rotation=Rotation(entries=2, size_bytes=1 << 20)))

    store, other = opened("one"), opened("other")
    for number in range(2):
        store.note(CTX, "noted", {"n": number})
        other.note(CTX, "noted", {"n": number + 5})
    (tmp_path / "one" / SEGMENT).unlink()
    if how == "replaced":
        shutil.copy(tmp_path / "other" / SEGMENT, tmp_path / "one" / SEGMENT)
    with pytest.raises((StoreDamagedError, TryLaterError)):
        store.note(CTX, "noted", {"n": 2})
    assert not (tmp_path / "one/default/journal/0000000003.jsonl").exists()
    store.close()
    other.close()


@pytest.mark.parametrize("part", [SEGMENT, "default/journal", "default"])
def test_a_journal_that_is_moved_away_under_the_very_append_is_an_unknown_outcome(
    part: str, folder: Path, named: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    append = PosixFileSystem.append

    def moved(files: PosixFileSystem, path: str, offset: int, data: bytes) -> None:
        replace_by_copy(folder, part)
        append(files, path, offset, data)

    with monkeypatch.context() as moving:
        moving.setattr(PosixFileSystem, "append", moved)
        with pytest.raises(UnknownOutcomeError, match="replaced"):
            named.save("alpha", {"n": 3})
    with pytest.raises(UnknownOutcomeError):
        named.save("alpha", {"n": 4})
    with VersionedStore(CTX, url=folder) as again:
        assert [snapshot.version for snapshot in again.history("alpha")] == [1, 2]


LATER = [{"n": 9}, {"n": 9, "note": "longer"}]  # of the same length as what was lost, and of another


@pytest.mark.parametrize("later", LATER, ids=["same length", "longer"])
@pytest.mark.parametrize("how", ["journal", "file by file"])
def test_after_an_older_copy_was_put_back_an_open_handle_shows_and_says_nothing_old(
    how: str, later: dict[str, object], folder: Path, named: VersionedStore
) -> None:
    older = folder.parent / "older"
    shutil.copytree(folder, older)
    with VersionedStore(CTX, url=folder) as reader:
        named.save("alpha", {"n": 3})
        assert reader.store.head() == 3
        if how == "journal":
            (folder / "default/journal").rename(folder.parent / "away")
            shutil.copytree(older / "default/journal", folder / "default/journal")
        else:
            for path in (path for path in sorted(older.rglob("*")) if path.is_file()):
                shutil.copy2(path, folder / "copied")
                (folder / "copied").rename(folder / path.relative_to(older))
        with VersionedStore(CTX, url=folder) as other:
            assert other.save("alpha", later).commit == 3
        for handle in (named, reader):
            with pytest.raises(StoreDamagedError, match="entry 3 is not the one that was read"):
                handle.latest("alpha")
        with pytest.raises(StoreDamagedError, match="entry 3 is not the one that was read"):
            named.save("alpha", {"n": 3})  # which is what it holds, as far as this handle knows
    with VersionedStore(CTX, url=folder) as again:
        assert [snapshot.content for snapshot in again.history("alpha")] == [{"n": 1}, {"n": 2}, later]


def test_an_older_copy_with_anothers_save_of_the_same_length_under_our_fsync_is_an_unknown_outcome(
    folder: Path, named: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(folder / "default/journal", folder.parent / "older")
    sync = PosixFileSystem.sync

    def replaced(files: PosixFileSystem, path: str) -> None:
        sync(files, path)
        monkeypatch.setattr(PosixFileSystem, "sync", sync)
        (folder / "default/journal").rename(folder.parent / "away")
        shutil.copytree(folder.parent / "older", folder / "default/journal")
        with VersionedStore(CTX, url=folder) as other:
            other.save("alpha", {"n": 9})

    monkeypatch.setattr(PosixFileSystem, "sync", replaced)
    with pytest.raises(UnknownOutcomeError, match="replaced"):
        named.save("alpha", {"n": 3})
    with VersionedStore(CTX, url=folder) as again:
        assert [snapshot.content for snapshot in again.history("alpha")] == [{"n": 1}, {"n": 2}, {"n": 9}]


def test_a_torn_line_is_not_cut_where_a_mirror_was_put_back_since_it_was_looked_at(
    folder: Path, named: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = (folder / SEGMENT).read_bytes()
    last = folder / "default" / named.save("alpha", {"n": 3}).path
    mirror = (folder / SEGMENT).read_bytes()
    named.close()
    (folder / SEGMENT).write_bytes(mirror[: len(whole) + 100])
    last.unlink()
    check = recovery._check_unacknowledged

    def slowly(*given: Any) -> None:
        check(*given)
        (folder / "mirrored").write_bytes(mirror)
        (folder / "mirrored").rename(folder / SEGMENT)

    monkeypatch.setattr(recovery, "_check_unacknowledged", slowly)
    with pytest.raises(TryLaterError, match="nothing was cut"):
        Store.open(folder)
    assert (folder / SEGMENT).read_bytes() == mirror
    with VersionedStore(CTX, url=folder) as again:
        assert again.store.head() == 3
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("name", ["alpha", "beta"])
def test_a_store_that_is_moved_away_behind_a_commit_is_no_defect(
    name: str, folder: Path, named: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    add = LocalTenant.add

    def moved(part: LocalTenant, number: int, line: bytes) -> bool:
        ours = add(part, number, line)
        folder.rename(folder.parent / "away")
        return ours

    monkeypatch.setattr(LocalTenant, "add", moved)
    assert named.save(name, {"n": 9}).commit == 3
    with VersionedStore(CTX, url=folder.parent / "away") as again:
        latest = again.latest(name)
        assert latest is not None
        assert latest.content == {"n": 9}
    assert fsck(folder.parent / "away").findings == ()


def test_an_interrupt_while_folders_are_looked_for_anew_closes_no_strangers_descriptor(
    folder: Path, named: VersionedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    close, root = os.close, folders_of(named)._root_fd
    replace_by_copy(folder, "")

    def interrupted(descriptor: int) -> None:
        close(descriptor)
        if descriptor == root:
            raise KeyboardInterrupt

    with monkeypatch.context() as closing:
        closing.setattr(os, "close", interrupted)
        with pytest.raises(KeyboardInterrupt):
            named.save("alpha", {"n": 3})
    mine = os.open(folder.parent / "mine", os.O_WRONLY | os.O_CREAT)  # the lowest number that is free
    with suppress(UnknownOutcomeError):
        named.save("alpha", {"n": 4})
    named.close()
    assert os.write(mine, b"x") == 1
    os.close(mine)


@pytest.mark.parametrize("instead", ["nothing", "a copy", "a link"])
@pytest.mark.parametrize("which", ["record", "kind", "default"])
def test_what_is_moved_away_while_the_line_is_made_durable_gets_no_name(
    which: str, instead: str, folder: Path, tmp_path: Path
) -> None:
    folder.mkdir()
    away = tmp_path / "away"

    class Moving(PosixFileSystem):
        moved: Path | None = None

        def sync(self, path: str) -> None:
            super().sync(path)
            if self.moved is not None:
                self.moved.rename(away)
                if instead == "a copy":
                    shutil.copytree(away, self.moved)
                if instead == "a link":
                    self.moved.symlink_to(away)
                self.moved = None

    disk = Moving(folder)
    with Store.on(LocalBackend(disk, "test")) as store:
        named = VersionedStore(CTX, store=store)
        found = folder / "default" / named.save("alpha", {"n": 1}).path
        disk.moved = {"record": found.parent, "kind": found.parents[2]}.get(which, folder / "default")
        there = len(list(disk.moved.rglob("alpha--*")))
        with suppress(SheetSyncError):
            named.save("alpha", {"n": 2})
        assert len(list(away.rglob("alpha--*"))) == there
        if which != "default" and instead != "a link":
            second = folder / "default" / list(named.history("alpha"))[-1].path
            assert second.exists()
            store.compact()
    if which != "default" and instead != "a link":
        VersionedStore(CTX, url=folder).close()
        assert second.exists()
