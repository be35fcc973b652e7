"""What the journal lost is damage, what is cut from it is kept, and what is believed of it is durable first."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError, StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store import RecordId, Store, VersionedStore, fsck, local_journal, reader
from sheetsync.store import object_tenant as bucket
from sheetsync.store.backend import Backend
from sheetsync.store.fsck import scan
from sheetsync.store.local import LocalBackend
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import Fault, NoLinks
from tests.store.rules import JOURNAL, backend_on, save


# --- what is durable, and when -----------------------------------------------------------------------------------
def test_what_is_cut_from_the_journal_is_durable_elsewhere_first() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    whole, torn = disk.read(JOURNAL), b'{"sum":"0123456789abcdef'
    disk.append(JOURNAL, len(whole), torn)
    disk.sync(JOURNAL)
    disk.mkdir("default/.store/aside")
    disk.sync_folder("default/.store")

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            assert any(data.endswith(torn) for data in disk.after_cut(outcome).tree().values()), f"{operation} {path}"

    disk.before = look
    assert open_store(disk).head() == 1
    look("end", "")
    assert disk.read(JOURNAL) == whole


@pytest.mark.parametrize("kind", [SimulatedDisk, NoLinks])
def test_the_folder_of_what_is_kept_aside_is_durable_too(kind: type[SimulatedDisk]) -> None:
    disk = kind()
    save(open_store(disk), "a", 1)
    whole, torn = disk.read(JOURNAL), b'{"sum":"0123456789abcdef'
    disk.append(JOURNAL, len(whole), torn)
    disk.sync(JOURNAL)
    assert open_store(disk).head() == 1
    for outcome in disk.outcomes(60, random.Random(1)):
        assert any(data.endswith(torn) for data in disk.after_cut(outcome).tree().values())


def test_a_repaired_journal_is_durable_before_it_replaces_the_damaged_one() -> None:
    disk = SimulatedDisk()
    save(open_store(disk), "a", 1)
    right = disk.read(JOURNAL)
    damaged = right[:100] + bytes([right[100] ^ 1]) + right[101:]
    disk.truncate(JOURNAL, 0)
    disk.append(JOURNAL, 0, damaged)
    disk.sync(JOURNAL)
    disk.mkdir("default/.store/aside")
    disk.sync_folder("default/.store")
    part = backend_on(disk).open_tenant("default")

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            tree = disk.after_cut(outcome).tree()
            assert tree.get(JOURNAL) in ((right,) if operation == "end" else (right, damaged))
            assert damaged in tree.values()

    disk.before = look
    part.replace_journal("0000000001.jsonl", right, damaged=damaged)
    look("end", "")


def test_a_journal_file_that_was_changed_since_it_was_looked_at_is_not_replaced(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    before = (folder / JOURNAL).read_bytes()
    part = LocalBackend(PosixFileSystem(folder), "x").open_tenant("default")
    with pytest.raises(TryLaterError, match="left alone"):
        part.replace_journal("0000000001.jsonl", b"repaired", damaged=b"damaged")
    assert (folder / JOURNAL).read_bytes() == before


def test_another_writers_new_journal_file_is_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)
    for value in range(3):
        save(store, "a", value)
    other.compact()
    disk.before = Fault({"sync folder"}, 1, errno.EIO, lasting=True)  # the writer dies before its folder is durable
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 3)
    disk.before = lambda *_: None
    disk.unlink("default/.store/doubt")
    for looking in (other, open_store(disk.after_kill())):
        assert looking.head() == 4
    assert other.head() == 4
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 4


def test_a_journal_file_is_written_anew_after_a_failed_fsync_and_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    store.compact()
    disk.before = Fault({"sync"}, 1, errno.EIO, lasting=False)
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 2)
    inode = disk._place(JOURNAL)[2]

    def look(operation: str, path: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            assert disk.after_cut(outcome).read(JOURNAL).count(b"\n") >= 1, f"commit 1 is lost by {operation} {path}"

    disk.before = look
    assert open_store(disk).head() == 2
    disk.before = lambda *_: None
    assert disk._place(JOURNAL)[2] != inode, "a page that was marked clean is never written by another fsync"
    assert "default/.store/doubt" not in disk.tree()
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 2


# --- what is cut, and what is damage -----------------------------------------------------------------------------
def test_a_broken_end_of_one_journal_file_before_the_next_is_damage() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(5):
        store.note(CTX, "looked", {"seen": 1})
    disk.truncate(JOURNAL, disk.size(JOURNAL) - 20)  # type: ignore[operator]
    before = disk.tree()
    with pytest.raises(StoreDamagedError, match="goes on after it"):
        open_store(disk)
    assert disk.read(JOURNAL) == before[JOURNAL]


def test_a_torn_end_before_another_journal_file_is_damage_to_fsck() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(5):
        store.note(CTX, "looked", {"seen": 1})
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 20)
    _, scans = scan(backend_on(disk))
    assert [f.code for found in scans for f in found.findings if f.damage]


def test_a_torn_line_is_not_cut_where_a_folder_holds_its_name() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(2):
        save(store, "a", value)
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 30)
    kept = disk.read(JOURNAL)
    with pytest.raises(StoreDamagedError, match="snapshots of it are in the folders"):
        open_store(disk)
    assert disk.read(JOURNAL) == kept


def test_where_a_torn_line_ended_is_forgotten_when_it_is_cut(folder: Path) -> None:
    folder.mkdir()  # with all four in one journal file
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x"))
    for value in (0, 1):
        save(store, "a", value)
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"sum":"' + bytes(99) + b"\n")  # its middle never came
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x"))
    for value in (2, 3):
        save(store, "a", value)
    assert [snapshot.version for snapshot in store.history(record("a"))] == [1, 2, 3, 4]


def test_a_lost_middle_journal_file_without_names_is_damage() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for _ in range(8):
        store.note(CTX, "looked", {"seen": 1})
    disk.unlink("default/journal/0000000004.jsonl")
    with pytest.raises(StoreDamagedError, match="entry 4 is missing"):
        open_store(disk)


def test_a_journal_that_is_cut_under_an_open_store_is_damage(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        os.truncate(folder / JOURNAL, 200)
        with pytest.raises(StoreDamagedError, match="was cut"):
            named.latest("alpha")
        with pytest.raises(SheetSyncError):
            named.save("alpha", {"n": 9})
    assert (folder / JOURNAL).stat().st_size == 200


def test_a_journal_line_that_was_changed_under_an_open_store_is_not_read(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(1, 5):
            named.save("alpha", {"n": number})
        data = (folder / JOURNAL).read_bytes()
        (folder / JOURNAL).write_bytes(data.replace(b'"n":2', b'"n":7'))
        with pytest.raises(StoreDamagedError, match="entry 2 is broken"):
            list(named.history("alpha"))
        lines = data.splitlines(keepends=True)
        assert len(lines[1]) == len(lines[2])
        (folder / JOURNAL).write_bytes(b"".join([lines[0], lines[2], lines[1], lines[3]]))
        for read in (lambda: named.history("alpha"), named.store.log):
            with pytest.raises(StoreDamagedError, match="stands where"):
                list(read())


def test_a_writer_at_work_is_no_damage(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk()
    store, other = open_store(disk), open_store(disk)
    save(store, "a", 1)
    other.refresh()
    save(store, "a", 2)
    save(store, "a", 3)
    read, data = disk.read_at, disk.read(JOURNAL)
    looks: list[int] = []

    def in_between(path: str, offset: int, length: int) -> bytes:
        there = read(path, offset, length)
        looks.append(offset)
        return there[:9] + b"?" + there[10:] if len(looks) == 1 else there  # the first line's pages come last

    monkeypatch.setattr(disk, "read_at", in_between)
    assert other.refresh() == 3
    assert disk.read(JOURNAL) == data


def test_a_garbled_note_of_doubt_closes_nothing(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    (folder / "default/.store/doubt").write_bytes(b"\xff\xfe")
    with VersionedStore(CTX, url=folder) as named:
        assert named.names() == ["alpha"]


# --- which files are of the journal ------------------------------------------------------------------------------
def test_a_journal_file_is_full_by_its_size_too(folder: Path) -> None:
    folder.mkdir()
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=99, size_bytes=600))) as store:
        for value in range(5):
            save(store, "a", value)
        assert len(list((folder / "default/journal").iterdir())) > 1
        assert [s.version for s in store.history(record("a"))] == [1, 2, 3, 4, 5]


@pytest.mark.parametrize("name", ["00000000001.jsonl", "0000000000.jsonl"])
def test_a_file_that_is_called_almost_like_a_journal_file_is_foreign(name: str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
    (folder / "default/journal" / name).write_bytes(b"")
    assert [(f.code, f.path) for f in fsck(folder).findings] == [("foreign", f"journal/{name}")]


def test_journal_files_that_overlap_are_found() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(5):
        save(store, "a", value)
    disk.create("default/journal/0000000003.jsonl", disk.read(JOURNAL).splitlines(keepends=True)[2])
    _, scans = scan(backend_on(disk))
    assert {f.code for found in scans for f in found.findings} & {"journal_gap", "journal_order"}


def test_a_tenant_whose_journal_folder_is_gone_is_looked_at_too(folder: Path, tmp_path: Path) -> None:
    with Store.open(folder, tenant="acme") as store, store.transaction(RequestContext(tenant="acme", user="eve")) as tx:
        tx.save(RecordId("acme", ("things", "a"), "a"), {"n": 1})
    (folder / "acme/journal").rename(tmp_path / "elsewhere")
    assert fsck(folder).exit_code == 9


@pytest.mark.parametrize("medium", ["disk", "bucket"])
def test_a_journal_of_any_length_is_read_in_parts(medium: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    objects = MemoryObjects()

    def opened() -> Backend:
        if medium == "bucket":
            return ObjectBackend(objects, "x")
        return LocalBackend(PosixFileSystem(folder), "x", rotation=Rotation(entries=4))

    folder.mkdir(exist_ok=True)
    store = Store.on(opened())
    for value in range(30):
        save(store, "a", value)
    for module in (local_journal, reader, bucket):
        monkeypatch.setattr(module, "BATCH_BYTES", 2000)
    part = opened().open_tenant("default")
    counts = []
    while lines := part.new_lines():
        counts.append(len(lines))
    assert sum(counts) == 30
    assert len(counts) > 3
    store = Store.on(opened())
    assert store.head() == 30
    assert [commit.number for commit in store.log()] == list(range(1, 31))
    save(store, "a", 30)
    assert Store.on(opened()).head() == 31


@pytest.mark.parametrize("more", range(-3, 4))
@pytest.mark.parametrize("files", [1, 2])
def test_a_part_that_ends_with_a_file_is_not_the_journals_end(
    files: int, more: int, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By whatever count a part is full: a handle that slept goes on behind it, and so does one without an index."""
    rotation = Rotation(entries=4)
    folder.mkdir()
    slept = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    other = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    for value in range(20):
        save(other, "a", value)
    other.compact()
    (folder / "default/.store/index.json").unlink()
    size = sum(file.stat().st_size for file in sorted((folder / "default/journal").iterdir())[:files])
    for module in (local_journal, reader):
        monkeypatch.setattr(module, "BATCH_BYTES", size + more)
    save(slept, "b", 1)
    assert slept.head() == 21
    opened = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    assert [commit.number for commit in opened.log()] == list(range(1, 22))
    assert fsck(folder).findings == ()


def test_a_line_is_never_written_over_what_stands_there(folder: Path) -> None:
    """Whatever a handle believes of the journal's end."""
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        lines = named.store._part._lines  # type: ignore[attr-defined]
        named.save("alpha", {"n": 2})
        data = (folder / JOURNAL).read_bytes()
        begun = data.index(b"\n") + 1
        lines._number, lines._offset, lines._entries, lines._tip = 1, begun, 1, 0
        lines._mark = data[:74]
        with named.store._part.exclusive():
            assert lines.add(2, b"x" * 100) is False
    assert (folder / JOURNAL).read_bytes() == data


def test_a_new_file_is_not_begun_where_one_stands_or_goes_on_beyond(folder: Path) -> None:
    rotation = Rotation(entries=4)
    folder.mkdir()
    slept = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    other = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    for value in range(4):
        save(slept, "a", value)
    for value in range(4, 10):
        save(other, "a", value)
    away = folder / "0000000005.jsonl"
    (folder / "default/journal" / away.name).rename(away)
    with pytest.raises(StoreDamagedError, match=r"0000000009\.jsonl goes on"):
        save(slept, "b", 1)
    away.rename(folder / "default/journal" / away.name)
    slept = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    save(slept, "b", 1)
    assert slept.head() == 11
    assert fsck(folder).findings == ()


def test_a_file_that_was_lost_behind_the_index_is_damage_to_an_opening(folder: Path) -> None:
    rotation = Rotation(entries=4)
    folder.mkdir()
    store = Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))
    save(store, "a", 0)
    store.compact()
    for value in range(1, 10):
        save(store, "a", value)
    (folder / "default/journal/0000000005.jsonl").unlink()
    with pytest.raises(StoreDamagedError, match="entry 5 is missing"):
        Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))


def test_no_journal_is_made_where_one_was(folder: Path) -> None:
    VersionedStore(CTX, url=folder).save("alpha", {"n": 1})
    (folder / "default/journal").rename(folder / "away")
    with pytest.raises(StoreDamagedError, match="the journal is gone"):
        Store.open(folder)
    (folder / "away").rename(folder / "default/journal")
    assert VersionedStore(CTX, url=folder).latest("alpha") is not None


def test_a_temporary_folder_that_goes_while_it_is_swept_stops_nothing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Store.open(folder).close()
    listdir = PosixFileSystem.listdir

    def gone(files: PosixFileSystem, path: str) -> list[str]:
        if path.endswith("/temp"):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
        return listdir(files, path)

    monkeypatch.setattr(PosixFileSystem, "listdir", gone)
    assert Store.open(folder).head() == 0
