"""Something stands where a folder of the store belongs: said with its place, nothing written outside, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import NotPlacedError, SheetSyncError
from sheetsync.store import Store, VersionedStore, fsck
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk

ADA = RequestContext(user="ada")
KIND = "default/workbench_drafts"
RECORD_FOLDERS = [KIND, f"{KIND}/ada", f"{KIND}/ada/alpha"]
STORE_FOLDERS = ["default", "default/journal", "default/.store", "default/.store/temp"]


def plant(path: Path, how: str, outside: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if how == "link":
        path.symlink_to(outside)
    elif how == "dangling link":
        path.symlink_to(outside / "nowhere")
    elif how == "file":
        path.write_text("mine")
    else:
        os.mkfifo(path)


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """A folder that no store may touch."""
    folder = tmp_path / "outside"
    folder.mkdir()
    return folder


@pytest.mark.parametrize("how", ["link", "dangling link", "file", "fifo"])
@pytest.mark.parametrize("place", RECORD_FOLDERS)
def test_a_save_whose_name_has_no_place_says_so_and_loses_nothing(
    place: str, how: str, folder: Path, outside: Path
) -> None:
    with Store.open(folder) as store:
        named = VersionedStore(ADA, store=store)
        plant(folder / place, how, outside)
        for _ in range(2):  # the second time the content is unchanged, and its name is still not there
            with pytest.raises(NotPlacedError) as caught:
                named.save("alpha", {"x": 1})
            assert caught.value.commit == 1
            assert "saved as commit 1" in caught.value.message
            assert place.rpartition("/")[2] in caught.value.message
            assert "move what stands there" in caught.value.hint
            assert caught.value.exit_code == 9
        latest = named.latest("alpha")
        assert latest is not None
        assert latest.content == {"x": 1}
    assert list(outside.iterdir()) == []
    assert {finding.code for finding in fsck(folder).findings} & {"link", "missing"}
    with pytest.raises(SheetSyncError, match=place.rpartition("/")[2]):
        Store.open(folder)
    (folder / place).unlink()
    with VersionedStore(ADA, url=folder) as again:
        assert [snapshot.content for snapshot in again.history("alpha")] == [{"x": 1}]
    assert len(list((folder / KIND / "ada/alpha").iterdir())) == 1
    assert fsck(folder).findings == ()


def test_records_elsewhere_are_saved_and_placed_meanwhile_and_the_name_follows(folder: Path, outside: Path) -> None:
    said: list[str] = []
    with Store.open(folder, tell=said.append) as store:
        drafts, notes = VersionedStore(ADA, store=store), VersionedStore(ADA, "notes", store=store)
        plant(folder / KIND, "link", outside)
        with pytest.raises(NotPlacedError):
            drafts.save("alpha", {"x": 1})
        notes.save("beta", {"x": 1})
        assert len(list((folder / "default/notes/ada/beta").iterdir())) == 1
        assert "not in its folder yet" in said[0]
        (folder / KIND).unlink()
        notes.save("beta", {"x": 2})
        assert len(list((folder / KIND / "ada/alpha").iterdir())) == 1
    assert fsck(folder).findings == ()


def test_a_folder_without_permission_is_an_obstacle_and_a_full_disk_is_none() -> None:
    for code, refused in ((errno.EACCES, True), (errno.ENOSPC, False)):
        disk = SimulatedDisk()
        said: list[str] = []
        store = open_store(disk, said=said)

        def cannot_link(operation: str, path: str, code: int = code) -> None:
            if operation == "link":
                raise OSError(code, os.strerror(code), path)

        disk.before = cannot_link
        refusal = pytest.raises(NotPlacedError, match="saved as commit 1") if refused else contextlib.nullcontext()
        with refusal, store.transaction(CTX) as tx:
            tx.save(record("a"), {"value": 1})
        assert [message for message in said if "not in its folder yet" in message] == said[:1]
        disk.before = lambda *_: None
        again = open_store(disk)
        assert again.head() == 1
        assert disk.listdir("default/things/a") != []


@pytest.mark.parametrize("how", ["link", "dangling link", "file", "fifo"])
@pytest.mark.parametrize("place", STORE_FOLDERS)
def test_a_store_whose_own_folders_are_planted_is_not_opened(place: str, how: str, folder: Path, outside: Path) -> None:
    Store.open(folder, tenant="other").close()
    plant(folder / place, how, outside)
    with pytest.raises(SheetSyncError) as caught:
        VersionedStore(ADA, url=folder).save("alpha", {"x": 1})
    assert place.rpartition("/")[2] in caught.value.message
    assert caught.value.hint
    assert list(outside.iterdir()) == []
