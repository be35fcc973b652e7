"""An index or a checkpoint is believed only where the journal agrees, and what it knows is never given up."""

from __future__ import annotations

import errno
import os
import random
from pathlib import Path
from typing import Any

import orjson
import pytest

from sheetsync.errors import DestinationError, StoreDamagedError, UnknownOutcomeError
from sheetsync.store import Store, VersionedStore, fsck, recovery
from sheetsync.store.entry import with_sum
from sheetsync.store.index import INDEX
from sheetsync.store.local import LocalBackend
from sheetsync.store.objects import ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.recovery import parse_checkpoint
from sheetsync.store.segments import Rotation
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk
from tests.faults.test_media import Fault
from tests.store.rules import JOURNAL, backend_on, in_memory, save, signed
from tests.store.test_index import loaded


# --- the index ---------------------------------------------------------------------------------------------------
def forged(index: bytes, /, **changes: Any) -> bytes:
    """An index that says something else, with a checksum that holds."""
    value = orjson.loads(index) | changes
    del value["sum"]
    return signed(orjson.dumps(value)[1:])


def test_an_index_is_believed_only_where_all_it_says_agrees_with_the_journal(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        named.store.compact()
    file = folder / "default/.store" / INDEX
    good = file.read_bytes()
    value = orjson.loads(good)
    first, offset, entries, tip = value["place"]
    file.write_bytes(forged(good))
    assert loaded(folder) == 3
    for changes in (
        {"index": value["index"] + 1},
        {"mark": value["mark"].swapcase()},
        {"mark": ""},
        {"number": 2},
        {"place": [first, offset, entries - 1, tip]},
        {"place": [first, offset + 1000, entries, tip]},
        {"place": [first, offset - 1, entries, tip]},
    ):
        file.write_bytes(forged(good, **changes))
        assert loaded(folder) == 0, changes
        with VersionedStore(CTX, url=folder) as named:
            assert [s.version for s in named.history("alpha")] == [1, 2, 3]


def test_an_index_is_not_believed_without_its_checksum(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.store.compact()
    file = folder / "default/.store" / INDEX
    file.write_bytes(file.read_bytes().replace(b"/alpha/alpha", b"/alphb/alphb", 1))
    assert loaded(folder) == 0


def test_an_index_of_a_buckets_other_past_is_not_believed() -> None:
    (one, store), (two, other) = in_memory(), in_memory()
    for value in range(3):
        save(store, "a", value)
        save(other, "b", value)
    other.compact()
    one.put("default/.store/index.json", two.get("default/.store/index.json") or b"")
    fresh = Store.on(ObjectBackend(one, "x", cheap=True))
    assert fresh.latest(record("b")) is None
    assert fresh.latest(record("a")) is not None


# --- the journal behind the index --------------------------------------------------------------------------------
def test_a_new_journal_file_behind_the_index_is_durable_before_it_is_believed() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in range(3):
        save(store, "a", value)
    store.compact()
    disk.before = Fault({"sync folder"}, 1, errno.EIO, lasting=True)
    with pytest.raises(UnknownOutcomeError):
        save(store, "a", 3)
    disk.before = lambda *_: None
    disk.unlink("default/.store/doubt")
    assert open_store(disk).head() == 4
    for outcome in disk.outcomes(60, random.Random(1)):
        assert open_store(disk.after_cut(outcome)).head() == 4


def test_a_broken_line_behind_the_index_is_not_cut_where_a_journal_file_goes_on_after_it() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for number in range(4):  # three in the first file
        store.note(CTX, "looked", {"seen": number})
        if number == 1:
            store.compact()
    disk.truncate(JOURNAL, (disk.size(JOURNAL) or 0) - 20)
    kept = disk.read(JOURNAL)
    with pytest.raises(StoreDamagedError, match="goes on after it"):
        open_store(disk)
    assert disk.read(JOURNAL) == kept


@pytest.mark.parametrize("lost", [1])
def test_a_lost_journal_file_is_damage_though_there_is_an_index(lost: int, folder: Path) -> None:
    folder.mkdir()
    rotation = Rotation(entries=3, size_bytes=1 << 20)
    with Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation)) as store:
        for value in range(8):
            save(store, "a", value)
        store.compact()
    (folder / f"default/journal/{lost:010d}.jsonl").unlink()
    with pytest.raises(StoreDamagedError, match="journal"):
        Store.on(LocalBackend(PosixFileSystem(folder), "x", rotation=rotation))


# --- the checkpoint ----------------------------------------------------------------------------------------------
@pytest.mark.parametrize("lost", [1, 30, "all"])
def test_what_a_checkpoint_knows_is_never_cut_nor_given_up(lost: int | str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"n": 1})
        named.store.note(CTX, "looked", {"seen": 1})  # no name proves it
        named.store.compact()
    data = (folder / JOURNAL).read_bytes()
    kept = data[: data.index(b"\n") + 1] if lost == "all" else data[: -int(lost) - 5]
    (folder / JOURNAL).write_bytes(kept)
    with pytest.raises(StoreDamagedError):
        Store.open(folder)
    assert (folder / JOURNAL).read_bytes() == kept
    assert fsck(folder).exit_code == 9


def test_a_checkpoint_puts_the_names_that_a_full_disk_left_out() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    disk.before = Fault({"link"}, 1, errno.ENOSPC, lasting=True)
    save(store, "a", 1)
    assert "default/things" not in disk.tree()
    disk.before = lambda *_: None
    store.compact()
    assert [path for path in disk.tree() if path.startswith("default/things/a/")]
    for outcome in disk.outcomes(60, random.Random(1)):
        cut = disk.after_cut(outcome)
        open_store(cut)
        assert [path for path in cut.tree() if path.startswith("default/things/a/")]


def test_an_opening_that_left_names_out_makes_no_checkpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else they would lie below it, and no opening would ever look for them."""
    monkeypatch.setattr(recovery, "OPENING_SEEN", 4)
    disk = SimulatedDisk(can_sync_all=True)
    store = open_store(disk)
    disk.before = Fault({"link"}, 1, errno.ENOSPC, lasting=True)
    for value in range(4):
        save(store, "a", value)
    disk.before = Fault({"link"}, 2, errno.EMFILE, lasting=False)
    said: list[str] = []
    open_store(disk, said=said)
    assert any("not all put right" in message for message in said)
    disk.before = lambda *_: None
    open_store(disk)
    assert len([path for path in disk.tree() if path.startswith("default/things/a/")]) == 4


def test_an_opening_does_not_go_on_where_something_is_in_the_way_for_good() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    disk.before = Fault({"link"}, 1, errno.ENOSPC, lasting=True)
    save(store, "a", 1)
    disk.before = Fault({"link"}, 1, errno.ENOTDIR, lasting=True)
    with pytest.raises(DestinationError):
        open_store(disk)


def test_a_folder_of_another_user_keeps_nobody_from_the_other_records() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    disk.before = Fault({"link"}, 1, errno.ENOSPC, lasting=True)
    save(store, "a", 1)

    def refuse(operation: str, path: str) -> None:
        if operation == "link" and "/things/a/" in path:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), path)

    disk.before = refuse
    said: list[str] = []
    store = open_store(disk, said=said)
    (told,) = (message for message in said if "not all put right" in message)
    assert "things/a/a--" in told
    save(store, "b", 2)
    assert len(list(store.latest_all("default"))) == 2
    with pytest.raises(DestinationError):
        store.compact()  # no checkpoint spares the next opening a name that is missing
    disk.before = lambda *_: None
    open_store(disk)
    assert len([path for path in disk.tree() if path.startswith("default/things/")]) == 2


def test_a_torn_snapshot_is_replaced_only_by_what_is_durable() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    save(store, "a", 1)
    store.compact()
    (path,) = (path for path in disk.tree() if path.startswith("default/things/"))
    right = disk.read(path)
    torn = right[:10] + bytes(len(right) - 10)
    disk.truncate(path, 0)
    disk.append(path, 0, torn)
    disk.sync(path)

    def look(operation: str, _: str) -> None:
        for outcome in disk.outcomes(60, random.Random(1)):
            assert disk.after_cut(outcome).tree().get(path) in (right, torn), operation

    disk.before = look
    assert backend_on(disk).open_tenant("default").put_snapshot(path.partition("/")[2], right, verify=True)
    look("end", "")
    assert disk.read(path) == right


def test_a_checkpoint_that_was_told_of_survives_a_power_cut() -> None:
    disk = SimulatedDisk()
    store = open_store(disk)
    for value in (1, 2):
        save(store, "a", value)
        store.compact()
        for outcome in disk.outcomes(60, random.Random(1)):
            assert parse_checkpoint(disk.after_cut(outcome).tree().get("default/.store/checkpoint.json")) == value


def test_compaction_covers_what_others_committed(folder: Path) -> None:
    with Store.open(folder) as ours, Store.open(folder) as theirs:
        save(ours, "a", 1)
        save(theirs, "a", 2)
        theirs.compact()
        assert ours.compact().commit == 2


def test_one_flipped_bit_of_a_checkpoint_costs_nothing_but_time(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(5):
            named.save("alpha", {"n": number})
        named.store.compact()
    path = folder / "default/.store/checkpoint.json"
    data = path.read_bytes()
    for position in range(len(data)):
        for bit in range(8):
            path.write_bytes(data[:position] + bytes([data[position] ^ 1 << bit]) + data[position + 1 :])
            assert parse_checkpoint(path.read_bytes()) in (0, 5)
    path.write_bytes(data.replace(b'"upto":5', b'"upto":7'))
    assert fsck(folder).findings == ()
    with Store.open(folder) as store:
        assert store.head() == 5


@pytest.mark.parametrize(
    "data", [b"", b"[1]", b"{}", b'{"sum":"","upto":7}', with_sum({"upto": "7"}), with_sum({"upto": 1e40})]
)
def test_what_is_no_checkpoint_tells_of_no_entry(data: bytes) -> None:
    assert parse_checkpoint(data) == 0
    assert parse_checkpoint(with_sum({"upto": 7})) == 7
    assert parse_checkpoint(b'{"upto":7,"line":""}') == 7  # the first ones had no sum
