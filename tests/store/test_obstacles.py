"""Something stands where a folder of the store belongs: said with its place, nothing written outside, nothing lost."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import NotPlacedError, StoreDamagedError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
from sheetsync.store.names import snapshot_filename
from sheetsync.store.posix import PosixFileSystem
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk

ADA = RequestContext(user="ada")
KIND = "default/workbench_drafts"
RECORD_FOLDERS = [KIND, f"{KIND}/ada", f"{KIND}/ada/alpha"]
HASH_OF_2 = hashlib.sha256(b'{"x":2}').hexdigest()
STORE_FILES = [
    "FORMAT",
    "default/journal/0000000001.jsonl",
    "default/.store/checkpoint.json",
    "default/.store/index.json",
    "default/.store/doubt",
    "default/.store/leases/sync.lock",
]
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
            assert place in caught.value.message
            assert "move what stands there" in caught.value.hint
            assert caught.value.exit_code == 9
        latest = named.latest("alpha")
        assert latest is not None
        assert latest.content == {"x": 1}
    assert list(outside.iterdir()) == []
    assert {finding.code for finding in fsck(folder).findings} & {"link", "missing"}
    with pytest.raises(StoreDamagedError, match=place):
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


def test_a_name_that_has_no_place_is_told_for_its_own_commit_only(folder: Path, outside: Path) -> None:
    said: list[str] = []
    clock = FakeClock()
    with Store.open(folder, tell=said.append, clock=clock) as store:
        named = VersionedStore(ADA, store=store)
        first = named.save("alpha", {"x": 1})
        clock.advance(1)
        taken = (
            folder / KIND / "ada/alpha" / snapshot_filename("alpha", int(clock.now().timestamp()), HASH_OF_2, ".json")
        )
        taken.symlink_to(outside)
        with pytest.raises(NotPlacedError) as caught:
            named.save("alpha", {"x": 2})
        assert (first.commit, caught.value.commit) == (1, 2)
        assert named.save("alpha", {"x": 3}).commit == 3
        assert named.save("alpha", {"x": 3}).commit == 3
        assert len([message for message in said if "not in its folder yet" in message]) == 2
        taken.unlink()
        named.save("alpha", {"x": 4})
    assert fsck(folder).findings == ()


def test_an_obstacle_that_stays_costs_each_save_the_same_and_all_names_follow(folder: Path, outside: Path) -> None:
    tried: list[str] = []

    class Counting(PosixFileSystem):
        def place(self, path: str, data: bytes) -> bool:
            tried.append(path)
            return super().place(path, data)

    with Store.open(folder):
        plant(folder / KIND, "link", outside)
    with Store.on(LocalBackend(Counting(folder), str(folder))) as store:
        drafts, notes = VersionedStore(ADA, store=store), VersionedStore(ADA, "notes", store=store)
        for number in range(40):
            with pytest.raises(NotPlacedError):
                drafts.save("alpha", {"x": number})
        tried.clear()
        notes.save("beta", {"x": 1})
        assert len(tried) < 20
        (folder / KIND).unlink()
        notes.save("beta", {"x": 2})
        assert len(list((folder / KIND / "ada/alpha").iterdir())) == 40
    assert fsck(folder).findings == ()


class Crowded(PosixFileSystem):
    """A disk that has no inode left for a while: the journal grows, and no file can be made."""

    crowded = False

    def _make(self, path: str) -> None:
        if self.crowded:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)

    def create(self, path: str, data: bytes) -> None:
        self._make(path)
        super().create(path, data)

    def place(self, path: str, data: bytes) -> bool:
        self._make(path)
        return super().place(path, data)


@pytest.mark.parametrize("saves", [10, 40, 600])
def test_the_names_of_a_crowded_disk_follow_with_the_first_save_that_finds_room(saves: int, folder: Path) -> None:
    folder.mkdir()
    disk = Crowded(folder)
    with VersionedStore(CTX, store=Store.on(LocalBackend(disk, "test"))) as named:
        named.save("alpha", {"n": 0})
        disk.crowded = True
        for number in range(1, saves + 1):  # of 600 the index is due, too, and fails
            named.save("alpha", {"n": number})
        disk.crowded = False
        found = named.save("alpha", {"n": saves + 1})
        assert len(list((folder / "default" / found.path).parent.iterdir())) == saves + 2
        assert fsck(folder).exit_code == 0


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
    with pytest.raises(StoreDamagedError) as caught:
        VersionedStore(ADA, url=folder).save("alpha", {"x": 1})
    assert f"'{place}' in the store" in caught.value.message
    assert caught.value.hint
    assert list(outside.iterdir()) == []
    told = {f"{finding.tenant}/{finding.path}".strip("/") for finding in fsck(folder).findings}
    assert any(place in (path, f"{path}/temp") for path in told)


@pytest.fixture
def built(folder: Path) -> Path:
    """A store with a checkpoint, an index, and a lease's file."""
    with VersionedStore(ADA, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        named.store.compact()
        named.store.lease("sync", who="ada").release()
    return folder


@pytest.mark.timeout(60)  # a FIFO or an endless device that is opened blocks for ever
@pytest.mark.parametrize("how", ["link", "dangling link", "fifo", "folder", "zero"])
@pytest.mark.parametrize("place", STORE_FILES)
def test_a_planted_file_of_the_store_is_neither_read_nor_written(
    place: str, how: str, built: Path, outside: Path
) -> None:
    (built / place).unlink(missing_ok=True)
    if how == "zero":
        try:
            os.mknod(built / place, 0o020666, os.makedev(1, 5))
        except PermissionError:
            pytest.skip("only root may make a device")
    elif how == "folder":
        (built / place).mkdir()
    else:
        plant(built / place, how, outside)
    assert fsck_codes(built) & {"link", "foreign", "StoreDamagedError"}
    told = use(built)
    assert told == "" or f"'{place}' in the store is" in told or "the journal" in told or "journal:" in told
    assert list(outside.iterdir()) == []


def use(folder: Path) -> str:
    """What a run says that reads, saves and locks; "" if all of it works."""
    try:
        with VersionedStore(ADA, url=folder) as named:
            values = [
                snapshot.content["n"] for snapshot in named.history("alpha") if isinstance(snapshot.content, dict)
            ]
            named.save("alpha", {"n": 3})
            named.store.lease("sync", who="ada").release()
    except StoreDamagedError as exc:
        return exc.message
    return "" if values == [0, 1, 2] else f"lost: {values}"


def fsck_codes(folder: Path) -> set[str]:
    try:
        return {finding.code for finding in fsck(folder).findings}
    except StoreDamagedError:
        return {"StoreDamagedError"}


@pytest.mark.timeout(60)
@pytest.mark.parametrize("how", ["link", "fifo", "folder", "hard link"])
def test_a_planted_snapshot_is_read_through_the_journal_and_found(how: str, built: Path, outside: Path) -> None:
    path = sorted((built / KIND / "ada/alpha").iterdir())[0]
    path.unlink()
    if how == "hard link":
        (outside / "other").write_bytes(b"{}")
        path.hardlink_to(outside / "other")
    elif how == "folder":
        path.mkdir()
    else:
        plant(path, how, outside)
    with VersionedStore(ADA, url=built) as named:
        assert [snapshot.content for snapshot in named.history("alpha")] == [{"n": 0}, {"n": 1}, {"n": 2}]
        named.save("alpha", {"n": 3})
    (finding,) = fsck(built).findings
    assert finding.recoverable
    assert "fsck --repair" in finding.hint
    if how == "hard link":
        assert fsck(built, repair=True).exit_code == 0
        assert (outside / "other").read_bytes() == b"{}"
        return
    assert fsck(built, repair=True).exit_code == 9
    path.rmdir() if how == "folder" else path.unlink()
    assert fsck(built, repair=True).exit_code == 0
    assert fsck(built).findings == ()


def test_what_lies_beside_the_tenants_is_found(built: Path, outside: Path) -> None:
    (built / "notes.txt").write_text("mine")
    (built / "acme").symlink_to(outside)
    (built / ".gitignore").write_text("*")
    assert {(finding.code, finding.path) for finding in fsck(built).findings} == {
        ("foreign", "notes.txt"),
        ("link", "acme"),
    }
    with pytest.raises(StoreDamagedError, match="'acme' in the store is a symbolic link"):
        Store.open(built, tenant="acme")
    assert list(outside.iterdir()) == []


def test_a_journal_that_leads_elsewhere_is_refused(built: Path, tmp_path: Path) -> None:
    """Whoever can write a journal can make its sums hold; its names still lead nowhere else."""
    journal = built / "default/journal/0000000001.jsonl"
    line = journal.read_bytes().splitlines()[0]
    snapshot = sorted((built / KIND / "ada/alpha").iterdir())[0]
    for planted in ("../../outside", "/etc", "workbench_drafts/../../../outside", ".store/aside", "journal"):
        body = line.replace(b"workbench_drafts/ada/alpha", planted.encode())[74:]
        head = b'{"sum":"' + hashlib.sha256(body).hexdigest().encode() + b'",'
        copy = tmp_path / "copy"
        (copy / "default/journal").mkdir(parents=True)
        (copy / "FORMAT").write_bytes((built / "FORMAT").read_bytes())
        (copy / "default/journal/0000000001.jsonl").write_bytes(head + body + b"\n")
        with pytest.raises(StoreDamagedError):
            Store.open(copy)
        assert fsck_codes(copy) - {"missing", "foreign"}
        fsck(copy, repair=True)
        assert [path for path in tmp_path.rglob(snapshot.name) if "copy" in path.parts] == []
        shutil.rmtree(copy)


def test_a_file_under_a_snapshots_very_name_is_kept_aside(folder: Path) -> None:
    said: list[str] = []
    store = Store.open(folder, clock=FakeClock(), tell=said.append)
    with VersionedStore(ADA, store=store) as named:
        path = folder / "default" / named.save("alpha", {"x": 1}).path
    content = path.read_bytes()
    shutil.rmtree(folder / "default")  # the clock stands still: the same content will get the same name
    store = Store.open(folder, clock=FakeClock(), tell=said.append)
    store.note(ADA, "begins the journal", {})
    path.parent.mkdir(parents=True)
    path.write_text("mine")
    with VersionedStore(ADA, store=store) as named:
        named.save("alpha", {"x": 1})
    assert path.read_bytes() == content
    assert said == [f"something else stood at '{path.relative_to(folder / 'default')}': it is kept aside"]
    assert [file.read_text() for file in (folder / "default/.store/aside").iterdir()] == ["mine"]
    assert fsck(folder).findings == ()
