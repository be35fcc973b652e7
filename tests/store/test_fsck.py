"""Every kind of damage is found, named and explained; repair adds from the journal and throws nothing away."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import NewerFormatError, NotFoundError, StoreDamagedError
from sheetsync.store import Store, VersionedStore, fsck

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
