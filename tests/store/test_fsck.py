"""Every kind of damage is found, named and explained; repair adds from the journal and throws nothing away."""

from __future__ import annotations

import errno
import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import NewerFormatError, NotFoundError, StoreDamagedError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.repair import check

FIXTURES = Path(__file__).resolve().parent / "fixtures"
JOURNAL = "default/journal/0000000001.jsonl"


@pytest.fixture
def built(named: VersionedStore, folder: Path, clock: FakeClock) -> Path:
    """Five versions of two records."""
    for number in range(5):
        for name in ("alpha", "beta"):
            named.save(name, {"n": number, "name": name})
        clock.advance(60)
    named.close()
    return folder


def snapshots(folder: Path, name: str = "alpha") -> list[Path]:
    return sorted((folder / f"default/workbench_drafts/ada@example.com/{name}").iterdir())


def cut(folder: Path) -> None:
    path = snapshots(folder)[1]
    path.write_bytes(path.read_bytes()[:5])


def flip(folder: Path) -> None:
    path = snapshots(folder)[2]
    data = bytearray(path.read_bytes())
    data[3] ^= 1
    path.write_bytes(bytes(data))


def remove(folder: Path) -> None:
    snapshots(folder)[0].unlink()


def swap(folder: Path) -> None:
    one, other = snapshots(folder)[:2]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)


def rename(folder: Path) -> None:
    path = snapshots(folder)[4]
    path.rename(path.with_name(path.name.replace("T12-04", "T12-09")))


def plant(folder: Path) -> None:
    (snapshots(folder)[0].parent / "notes.txt").write_text("mine")


def plant_snapshot(folder: Path) -> None:
    (snapshots(folder)[0].parent / "alpha--2027-01-01T00-00-00Z--01234567.json").write_text("{}")


def plant_link(folder: Path) -> None:
    (snapshots(folder)[0].parent / "link").symlink_to("/etc/hostname")


def tear(folder: Path) -> None:
    with (folder / JOURNAL).open("ab") as file:
        file.write(b'{"sum":"0123')


def break_line(folder: Path) -> None:
    lines = (folder / JOURNAL).read_bytes().split(b"\n")
    lines[3] = lines[3].replace(b"beta", b"bet4", 1)
    (folder / JOURNAL).write_bytes(b"\n".join(lines))


def wipe_line(folder: Path) -> None:
    lines = (folder / JOURNAL).read_bytes().split(b"\n")
    lines[3] = lines[3][:90] + bytes(100) + lines[3][190:]
    (folder / JOURNAL).write_bytes(b"\n".join(lines))


def drop_line(folder: Path) -> None:
    lines = (folder / JOURNAL).read_bytes().split(b"\n")
    (folder / JOURNAL).write_bytes(b"\n".join(lines[:4] + lines[5:]))


def lose_last_line(folder: Path) -> None:
    lines = (folder / JOURNAL).read_bytes().splitlines(keepends=True)
    (folder / JOURNAL).write_bytes(b"".join(lines[:-1]))


def break_last_line(folder: Path) -> None:
    (folder / JOURNAL).write_bytes((folder / JOURNAL).read_bytes()[:-40])


def lose_journal(folder: Path) -> None:
    (folder / JOURNAL).unlink()


def lose_journal_folder(folder: Path) -> None:
    shutil.rmtree(folder / "default/journal")


def plant_folder(folder: Path) -> None:
    (folder / "elsewhere").mkdir()
    (folder / "elsewhere/notes.txt").write_text("mine")


def lose_format(folder: Path) -> None:
    (folder / "FORMAT").unlink()


# damage → (what fsck calls it, can the journal put it right?)
DAMAGES: dict[Callable[[Path], None], tuple[set[str], bool]] = {
    cut: ({"truncated"}, True),
    flip: ({"changed"}, True),
    remove: ({"missing"}, True),
    swap: ({"swapped"}, True),
    rename: ({"misnamed", "missing"}, False),
    plant: ({"foreign"}, False),
    plant_snapshot: ({"foreign"}, False),
    plant_link: ({"link"}, False),
    break_line: ({"broken_line", "lost_commit"}, True),
    wipe_line: ({"broken_line", "lost_commit"}, False),
    drop_line: ({"journal_order", "lost_commit"}, False),
    lose_last_line: ({"foreign"}, False),
    break_last_line: ({"broken_line", "lost_commit"}, False),
    lose_journal: ({"journal_gap", "lost_commit"}, False),
    lose_journal_folder: ({"journal_gap", "lost_commit"}, False),
    plant_folder: ({"foreign"}, False),
    lose_format: ({"format"}, False),
}


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_damage_is_found_named_and_explained(damage: Callable[[Path], None], built: Path) -> None:
    damage(built)
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    report = fsck(built)
    codes, repairable = DAMAGES[damage]
    assert {finding.code for finding in report.findings} == codes
    assert report.exit_code == 9
    assert all(finding.message and finding.hint for finding in report.findings)
    assert {path: path.read_bytes() for path in built.rglob("*") if path.is_file()} == before
    assert all(finding.recoverable for finding in report.findings) == repairable
    json.dumps(report.to_json())


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_repair_puts_right_what_is_proved_and_deletes_nothing(damage: Callable[[Path], None], built: Path) -> None:
    damage(built)
    before = {path.read_bytes() for path in built.rglob("*") if path.is_file()}
    report = fsck(built, repair=True)
    after = {path.read_bytes() for path in built.rglob("*") if path.is_file()}
    assert before <= after
    left = fsck(built)
    repaired = {finding.path for finding in report.findings if finding.repaired}
    assert {finding.path for finding in left.findings}.isdisjoint(repaired)
    assert (report.exit_code == 0) == DAMAGES[damage][1]
    assert report.exit_code == left.exit_code


def test_a_torn_last_line_is_no_damage_and_is_kept_aside(built: Path) -> None:
    tear(built)
    report = fsck(built)
    assert [(finding.code, finding.damage) for finding in report.findings] == [("torn_line", False)]
    assert report.exit_code == 0
    said: list[str] = []
    with Store.open(built, tell=said.append) as store:
        assert store.head() == 10
    assert "never acknowledged" in said[0]
    assert [path.read_bytes() for path in (built / "default/.store/aside").iterdir()] == [b'{"sum":"0123']
    assert fsck(built).findings == ()


@pytest.mark.parametrize(
    "damage", [break_line, wipe_line, drop_line, break_last_line, lose_journal], ids=lambda d: d.__name__
)
def test_a_damaged_journal_is_never_cut_by_opening(damage: Callable[[Path], None], built: Path) -> None:
    damage(built)
    before = {path: path.read_bytes() for path in built.rglob("*.jsonl")}
    with pytest.raises(StoreDamagedError) as caught:
        Store.open(built)
    assert caught.value.exit_code == 9
    assert {path: path.read_bytes() for path in built.rglob("*.jsonl")} == before


def test_a_journal_gap_is_found(built: Path) -> None:
    named = VersionedStore(RequestContext(user="ada@example.com"), url=built)
    for number in range(1100):
        named.save("gamma", {"n": number})
    named.close()
    (built / "default/.store/index.json").unlink()
    (built / JOURNAL).rename(built / "elsewhere.jsonl")
    assert "journal_gap" in {finding.code for finding in fsck(built).findings}
    with pytest.raises(StoreDamagedError, match="missing"):
        Store.open(built)


def test_a_newer_store_and_no_store_are_said_to_be_so(built: Path, tmp_path: Path) -> None:
    value = json.loads((built / "FORMAT").read_text())
    (built / "FORMAT").write_text(json.dumps({**value, "version": 9}))
    with pytest.raises(NewerFormatError):
        fsck(built)
    (tmp_path / "empty").mkdir()
    for nothing in (tmp_path / "nothing", tmp_path / "empty", "memory://no-store-here"):
        with pytest.raises(NotFoundError):
            fsck(nothing)


def test_fsck_looks_before_recovery_runs(built: Path) -> None:
    remove(built)
    flip(built)
    assert {finding.code for finding in fsck(built).findings} == {"missing", "changed"}
    said: list[str] = []
    Store.open(built, tell=said.append).close()
    assert said == ["recovered: 2 snapshots of committed saves put in place"]
    assert fsck(built).findings == ()


EXPECTED = {
    "sound": (0, set()),
    "truncated": (9, {"truncated"}),
    "flipped": (9, {"changed"}),
    "swapped": (9, {"swapped"}),
    "missing": (9, {"missing"}),
    "foreign": (9, {"foreign"}),
    "torn": (0, {"torn_line"}),
    "broken_line": (9, {"broken_line", "lost_commit"}),
}


@pytest.mark.parametrize("name", EXPECTED)
def test_kept_damaged_stores_are_understood_as_before(name: str, tmp_path: Path) -> None:
    """Old stores, made once by the first version of the format and never edited since."""
    shutil.copytree(FIXTURES / name, tmp_path / name)
    report = fsck(tmp_path / name)
    assert (report.exit_code, {finding.code for finding in report.findings}) == EXPECTED[name]


def test_a_broken_last_line_without_a_copy_is_given_up_as_its_finding_says(built: Path, tmp_path: Path) -> None:
    break_last_line(built)
    report = fsck(built)
    (broken,) = [finding for finding in report.findings if finding.code == "broken_line"]
    lost = [built / "default" / finding.path for finding in report.findings if finding.code == "lost_commit"]
    assert "move the files called lost_commit out of the store" in broken.hint
    for path in lost:
        path.rename(tmp_path / path.name)
    for name in ("checkpoint.json", "index.json"):
        (built / "default/.store" / name).unlink(missing_ok=True)
    before = (built / JOURNAL).read_bytes()
    with Store.open(built) as store:
        assert store.head() == broken_at(before) - 1
    kept = b"".join(path.read_bytes() for path in (built / "default/.store/aside").iterdir())
    assert kept == before[before.rfind(b"\n") + 1 :]
    assert lost
    assert fsck(built).findings == ()


def broken_at(journal: bytes) -> int:
    """The number of the entry whose line is the last, and has no end."""
    return journal.count(b"\n") + 1


def test_other_bytes_under_a_snapshots_name_are_kept_aside_each_time(built: Path) -> None:
    path = snapshots(built)[2]
    right = path.read_bytes()
    for damage in (b"first damage", b"second damage", b"first damage"):
        path.write_bytes(damage)
        assert [finding.code for finding in fsck(built).findings] == ["changed"]
        assert fsck(built, repair=True).exit_code == 0
        assert path.read_bytes() == right
        assert fsck(built).findings == ()
    kept = [file.read_bytes() for file in (built / "default/.store/aside").iterdir()]
    assert sorted(kept) == [b"first damage", b"first damage", b"second damage"]


def forge_index(folder: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """An index with a right checksum that says something else."""
    path = folder / "default/.store/index.json"
    value = json.loads(path.read_bytes())
    value.pop("sum")
    change(value)
    rest = json.dumps(value).encode()[1:]
    path.write_bytes(b'{"sum":"' + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest)
    return path.read_bytes()


def drop_a_record(index: dict[str, Any]) -> None:
    del index["heads"][0]


def raise_a_version(index: dict[str, Any]) -> None:
    index["heads"][0][1] += 1


def begin_at_nothing(index: dict[str, Any]) -> None:
    index["number"], index["place"], index["anchors"] = 0, [], []


def hold_a_lease(index: dict[str, Any]) -> None:
    index["leases"] = {"sync": [7, None]}


@pytest.mark.parametrize(
    "change", [drop_a_record, raise_a_version, begin_at_nothing, hold_a_lease], ids=lambda change: change.__name__
)
def test_an_index_that_readers_would_believe_and_that_is_wrong_is_damage(
    change: Callable[[dict[str, Any]], None], built: Path
) -> None:
    with Store.open(built) as store:
        store.compact()
    forged = forge_index(built, change)
    (finding,) = fsck(built).findings
    assert (finding.code, finding.damage, finding.recoverable) == ("index", True, True)
    assert fsck(built, repair=True).exit_code == 0
    assert [file.read_bytes() for file in (built / "default/.store/aside").iterdir()] == [forged]
    assert fsck(built).findings == ()
    with Store.open(built) as store:
        assert (store.head(), len(store.records("default"))) == (10, 2)


def test_an_index_beyond_the_journals_end_is_a_note(built: Path) -> None:
    with Store.open(built) as store:
        store.note(RequestContext(user="ada"), "a note has no snapshots", {})
        store.rebuild_index()
    lose_last_line(built)
    (finding,) = fsck(built).findings
    assert (finding.code, finding.damage) == ("index", False)
    assert "tells of entry 11, but the journal ends at entry 10" in finding.message


def test_a_line_of_another_store_decides_nothing(built: Path, tmp_path: Path) -> None:
    """It is whole, and of the right number, but not upon the line before: its snapshots are not put in place."""
    shutil.copytree(built, tmp_path / "other")
    lose_last_line(tmp_path / "other")
    snapshots(tmp_path / "other", "beta")[-1].unlink()
    shutil.rmtree(tmp_path / "other/default/.store")
    with VersionedStore(RequestContext(user="eve"), url=tmp_path / "other") as other:
        other.save("gamma", {"n": 1})
        other.save("gamma", {"n": 2})
    last = (tmp_path / "other" / JOURNAL).read_bytes().splitlines(keepends=True)[-1]
    with (built / JOURNAL).open("ab") as file:
        file.write(last)  # entry 11, upon another entry 10
    assert {finding.code for finding in fsck(built).findings} == {"journal_order"}
    assert fsck(built, repair=True).exit_code == 9
    assert not (built / "default/workbench_drafts/eve").exists()


class UnreadableDisk(PosixFileSystem):
    """A disk that fails under one file, whatever it is called."""

    bad = 0

    def read(self, path: str) -> bytes:
        if (self.root / path).exists() and (self.root / path).stat().st_ino == self.bad:
            raise OSError(errno.EIO, "Input/output error", path)
        return super().read(path)


def test_a_file_that_cannot_be_read_is_a_finding_and_the_others_are_looked_at(built: Path) -> None:
    bad, gone = snapshots(built)[2:4]
    gone.unlink()
    disk = UnreadableDisk(built)
    disk.bad = bad.stat().st_ino
    for repair in (False, True):
        report = check(LocalBackend(disk, "x"), "x", repair=repair)
        told = {(finding.code, finding.path.rpartition("/")[2], finding.repaired) for finding in report.findings}
        assert told == {("unreadable", bad.name, repair), ("missing", gone.name, repair)}
        assert report.exit_code == (0 if repair else 9)
    assert gone.exists()
    assert bad.stat().st_ino != disk.bad


class ReadOnly(PosixFileSystem):
    """A disk on which nothing can be written, as its modes and mount tell."""

    def is_writable(self, path: str) -> bool:
        return False


@pytest.mark.parametrize("damage", [remove, break_line], ids=lambda damage: damage.__name__)
def test_a_repair_where_nothing_can_be_written_tells_what_it_found_and_why(
    damage: Callable[[Path], None], built: Path
) -> None:
    damage(built)
    before = fsck(built)
    report = check(LocalBackend(ReadOnly(built), "x"), "x", repair=True)
    assert report.exit_code == 9
    assert [finding.message for finding in report.findings] == [finding.message for finding in before.findings]
    assert all(finding.hint.startswith("not repaired: the store cannot be written") for finding in report.findings)


def test_a_repair_that_meets_a_full_disk_tells_what_it_did_until_then(built: Path) -> None:
    for path in snapshots(built)[:2]:
        path.unlink()

    class Filling(PosixFileSystem):
        placed = 0

        def place(self, path: str, data: bytes) -> bool:
            self.placed += 1
            if self.placed > 1:
                raise OSError(errno.ENOSPC, "No space left on device", path)
            return super().place(path, data)

    report = check(LocalBackend(Filling(built), "x"), "x", repair=True)
    assert [finding.repaired for finding in report.findings] == [True, False]
    assert "the disk is full" in report.findings[1].hint
    assert report.exit_code == 9


def test_a_copy_of_a_journal_file_in_a_folder_below_the_journal_is_foreign_and_never_repaired_from(built: Path) -> None:
    journal = built / "default/journal/0000000001.jsonl"
    data = journal.read_bytes()
    (journal.parent / "backup").mkdir()
    old = b"".join(data.splitlines(keepends=True)[:2])
    (journal.parent / "backup" / journal.name).write_bytes(old[:100] + bytes([old[100] ^ 1]) + old[101:])
    report = fsck(built, repair=True)
    assert {finding.code for finding in report.findings} == {"foreign"}
    assert journal.read_bytes() == data
    with Store.open(built) as store:
        assert store.head() == data.count(b"\n")


def test_a_file_beside_the_journal_is_no_neighbour_of_it(built: Path) -> None:
    """The line after a damaged one proves it, but not one of a copy that sorts behind it."""
    journal = built / "default/journal/0000000001.jsonl"
    data = journal.read_bytes()
    (journal.parent / f"{journal.name}.bak").write_bytes(data)
    at = data[:-1].rindex(b"\n") + 200
    journal.write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
    fsck(built, repair=True)
    assert journal.read_bytes() == data
