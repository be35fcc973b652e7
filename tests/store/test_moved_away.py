"""Something of an open store is moved away, and another thing put in its place: no save goes where nobody looks."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
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
