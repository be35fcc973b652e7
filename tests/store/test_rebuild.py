"""A damaged journal line is rebuilt to the bytes that a hash proves, or left; a flip is never taken for a tear."""

from __future__ import annotations

import hashlib
import random
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import RecordId, SourceBytes, Store, VersionedStore, fsck, rebuild
from sheetsync.store.entry import HEAD
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.rebuild import rebuild_file, was_written_whole
from sheetsync.store.repair import check

CTX = RequestContext(user="ada")
JOURNAL = "default/journal/0000000001.jsonl"


def fill(store: Store) -> None:
    """Contents of every form, a line with details, and a last line that no name proves."""
    for number in range(8):
        with store.transaction(CTX, why=f"wörk {number}") as tx:
            for name in "ab"[: 1 + number % 2]:
                tx.save(RecordId("default", ("things", name), name), {"n": number, "text": "é" * 20, "big": 2**70})
            source = RecordId("default", ("providers", "x", "y", "schema"), "y")
            tx.save(source, SourceBytes(bytes([number, 255]) if number % 2 else b"text %d\n" % number, ".mjs"))
            tx.details = {"seen": number} if number == 5 else {}
    store.note(CTX, "looked", {"seen": 1})


@pytest.fixture
def built(folder: Path) -> Path:
    """A store with such a journal."""
    with Store.open(folder) as store:
        fill(store)
    return folder


def flipped(data: bytes, position: int, change: int) -> bytes:
    return data[:position] + bytes([data[position] ^ change]) + data[position + 1 :]


def read_from(folder: Path) -> Callable[[str], bytes | None]:
    def read(path: str) -> bytes | None:
        file = folder / "default" / path
        return file.read_bytes() if "\0" not in path and file.is_file() else None

    return read


def test_one_flipped_byte_anywhere_is_put_right_to_the_byte(built: Path) -> None:
    data, rng = (built / JOURNAL).read_bytes(), random.Random(1)
    for position in rng.sample(range(len(data) - 1), 40):
        damaged = flipped(data, position, rng.choice([1 << rng.randrange(8), rng.randrange(1, 256)]))
        assert rebuild_file(damaged, 1, None, read_from(built)) == data


def test_a_last_line_whose_frame_is_damaged_twice_is_put_right_by_its_own_sum(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    start = data.rindex(b"\n", 0, -1) + 1
    damaged = flipped(flipped(data, start, 1), start + len(HEAD) + 65, 1)
    assert rebuild_file(damaged, 1, None, read_from(built)) == data


@pytest.mark.parametrize("at", [9, 200], ids=["of its sum", "of its body"])
def test_a_damaged_copy_of_a_line_is_not_rebuilt_in_the_place_of_the_next(at: int, built: Path) -> None:
    line = (built / JOURNAL).read_bytes().split(b"\n")[0] + b"\n"
    assert rebuild_file(line + flipped(line, at, 1), 1, None, read_from(built)) is None


def test_a_line_feed_is_not_put_back_behind_a_line_that_the_next_one_does_not_follow(
    built: Path, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "other") as store:
        fill(store)
    ours, theirs = ((path / JOURNAL).read_bytes().split(b"\n") for path in (built, tmp_path / "other"))
    for second, rebuilt in ((ours[1], True), (theirs[1], False)):
        damaged = b"\n".join([ours[0], second + b"?" + ours[2], *ours[3:]])
        assert (rebuild_file(damaged, 1, None, read_from(built)) is not None) == rebuilt


def test_any_damage_within_contents_that_files_have_is_put_right(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    start = data.index(b'"text":"\xc3\xa9')
    for damage in (bytes(30), b"x" * 30, b""):
        damaged = data[:start] + damage + data[start + 30 :]
        assert rebuild_file(damaged, 1, None, read_from(built)) == (data if damage else None)


def test_what_is_not_proved_is_never_guessed(built: Path) -> None:
    data, rng = (built / JOURNAL).read_bytes(), random.Random(2)
    for position in rng.sample(range(74, len(data) - 400), 3):
        damaged = data[:position] + rng.randbytes(90) + data[position + 90 :]
        assert rebuild_file(damaged, 1, None, lambda path: None) in (None, data)
        assert rebuild_file(damaged, 1, None, lambda path: b"something else") in (None, data)


def test_the_last_line_of_a_file_is_proved_by_the_next_file(built: Path) -> None:
    lines = (built / JOURNAL).read_bytes().splitlines(keepends=True)
    data = b"".join(lines[:4])
    for position in (len(data) - 1, len(data) - 100, len(data) - len(lines[3]) + 20):
        assert rebuild_file(flipped(data, position, 4), 1, lines[4][:-1], read_from(built)) == data


def test_a_flipped_last_line_is_damage_and_not_cut_though_no_name_proves_it(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    begin = data[:-1].rindex(b"\n") + 1
    for position in (begin + 20, begin + 120, len(data) - 30, len(data) - 1):
        (built / JOURNAL).write_bytes(flipped(data, position, 2))
        with pytest.raises(StoreDamagedError, match="flipped"):
            Store.open(built)
        report = fsck(built)
        assert [(finding.code, finding.recoverable) for finding in report.findings] == [("broken_line", True)]
        assert fsck(built, repair=True).exit_code == 0
        assert (built / JOURNAL).read_bytes() == data


@pytest.mark.parametrize("kept", [1, 8, 40, 73, 75, 200, -2, -1])
def test_a_torn_last_line_is_still_torn(kept: int, built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    begin = data[:-1].rindex(b"\n") + 1
    line = data[begin:]
    assert not was_written_whole(line[:kept])
    assert not was_written_whole(line[:kept] + bytes(len(line[kept:])))
    assert not was_written_whole(line[:kept] + bytes(20) + line[kept:][20:])


@pytest.mark.parametrize("lost", [1, 2, 3, 20, 60])
def test_a_last_line_that_was_cut_is_put_right_where_the_snapshots_file_has_the_rest(lost: int, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number, "pad": "x" * 100})
    path = next((folder / "default/journal").iterdir())
    data = path.read_bytes()
    path.write_bytes(data[:-lost])
    assert fsck(folder).exit_code == 9
    assert fsck(folder, repair=True).exit_code == 0
    assert path.read_bytes() == data


def test_a_last_line_that_nothing_proves_is_given_up_by_hand_and_keeps_the_rest(folder: Path, tmp_path: Path) -> None:
    """As `docs/operators.md` tells it: no tool does this by itself, for it gives up a commit."""
    with VersionedStore(CTX, url=folder) as named:
        for number in range(3):
            named.save("alpha", {"n": number})
        named.store.compact()
    path = next((folder / "default/journal").iterdir())
    path.write_bytes(path.read_bytes()[:-250])
    lost = [finding.path for finding in fsck(folder, repair=True).findings if finding.code == "lost_commit"]
    assert [(folder / "default" / name).rename(tmp_path / "kept").read_bytes() for name in lost] == [b'{"n":2}']
    with pytest.raises(StoreDamagedError):
        Store.open(folder)
    for derived in ("checkpoint.json", "index.json"):
        (folder / "default/.store" / derived).unlink()
    with VersionedStore(CTX, url=folder) as named:
        assert [snapshot.content for snapshot in named.history("alpha")] == [{"n": 0}, {"n": 1}]
        named.save("alpha", {"n": 2})
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("lost", [1, 8, 40, 73, 75, 200])
def test_a_last_line_that_has_its_end_was_whole_and_is_never_cut(lost: int, built: Path) -> None:
    """Of a commit without snapshots no name tells; but no torn write has an end, and lacks what was before it."""
    with Store.open(built) as store:
        store.note(CTX, "noted", {"healed": ["x" * 200]})
    data = (built / JOURNAL).read_bytes()
    begin = data[:-1].rindex(b"\n") + 1
    line = data[begin:]
    harmed = [
        line[:lost] + line[lost + 1 :],
        line[:lost] + b"x" + line[lost:],
        line[:lost] + b"\x01\x02" + line[lost + 2 :],
        line[:lost] + b"\n",
        flipped(line, 80, 2) + b'{"sum":"012',
    ]
    for last in harmed:
        (built / JOURNAL).write_bytes(data[:begin] + last)
        assert was_written_whole(last)
        with pytest.raises(StoreDamagedError, match="flipped or lost"):
            Store.open(built)
        assert fsck(built).exit_code == 9
        assert (built / JOURNAL).read_bytes() == data[:begin] + last


@pytest.mark.parametrize("junk", [b"{}", b'{"sum":"', b"x", b'{"sum":0}'])
def test_what_is_shorter_than_a_sum_is_no_line_with_one_byte_flipped(junk: bytes) -> None:
    assert rebuild_file(junk + b"\n", 1, None, lambda path: None) is None
    assert was_written_whole(junk + b"\n")


def test_repair_keeps_the_damaged_bytes_and_says_what_it_did(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    damaged = flipped(flipped(data, 300, 1), len(data) // 2, 8)
    (built / JOURNAL).write_bytes(damaged)
    report = fsck(built)
    assert report.exit_code == 9
    assert all(finding.recoverable and "recoverable from" in finding.hint for finding in report.findings)
    repaired = fsck(built, repair=True)
    assert repaired.exit_code == 0
    assert all(finding.repaired for finding in repaired.findings)
    assert {finding.code for finding in repaired.findings} == {finding.code for finding in report.findings}
    assert (built / JOURNAL).read_bytes() == data
    assert damaged in [path.read_bytes() for path in (built / "default/.store/aside").iterdir()]
    assert fsck(built).findings == ()


def test_a_line_and_a_snapshot_that_are_both_damaged_are_repaired_together(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    first = sorted((built / "default/things/a").iterdir())[0]
    first.write_bytes(b"{}")
    (built / JOURNAL).write_bytes(flipped(data, 30, 1))
    assert fsck(built, repair=True).exit_code == 0
    assert fsck(built).findings == ()
    assert first.read_bytes() != b"{}"


def test_a_writer_who_has_the_damaged_file_open_goes_on_in_the_repaired_one(built: Path) -> None:
    named = VersionedStore(CTX, url=built)
    named.save("alpha", {"n": 1})
    data = (built / JOURNAL).read_bytes()
    (built / JOURNAL).write_bytes(flipped(data, 300, 1))  # in place: the same file
    assert fsck(built, repair=True).exit_code == 0
    named.save("alpha", {"n": 2})
    assert (built / JOURNAL).read_bytes().startswith(data)
    assert [snapshot.version for snapshot in VersionedStore(CTX, url=built).history("alpha")] == [1, 2]
    assert fsck(built).findings == ()


def test_what_cannot_be_rebuilt_says_what_to_restore(built: Path) -> None:
    data = (built / JOURNAL).read_bytes()
    (built / JOURNAL).write_bytes(data[:100] + bytes(60) + data[160:])
    (finding,) = [finding for finding in fsck(built).findings if finding.code == "broken_line"]
    assert finding.hint.startswith("restore default/journal/0000000001.jsonl from a copy of the store that has entry 1")
    before = {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}
    assert fsck(built, repair=True).exit_code == 9
    assert before.items() <= {path: path.read_bytes() for path in built.rglob("*") if path.is_file()}.items()


def test_a_damaged_line_cannot_make_fsck_read_elsewhere(built: Path, tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"{}")
    line = b'{"sum":"0","path":"../../secret","version":1,"hash":"%s","before":0,"content":{}}' % (b"0" * 64)
    asked: list[str] = []
    assert rebuild_file(line + b"\n", 1, None, lambda path: asked.append(path)) is None
    data = (built / JOURNAL).read_bytes()
    (built / JOURNAL).write_bytes(line + data)
    shutil.copytree(built, tmp_path / "copy")
    assert fsck(built).exit_code == 9


def test_a_damaged_entry_of_a_bucket_is_rebuilt_too() -> None:
    objects = MemoryObjects()
    backend = ObjectBackend(objects, "x", cheap=True)
    fill(Store.on(backend))
    key = "default/journal/0000000003.jsonl"
    right = objects.get(key) or b""
    objects.put(key, flipped(right, 200, 16))
    assert check(backend, "x", repair=True).exit_code == 0
    assert objects.get(key) == right
    assert flipped(right, 200, 16) in [objects.get(kept) for kept in objects.list("default/.store/aside/")]


def test_a_flip_in_a_long_line_is_found_where_a_snapshot_is_not_sound(folder: Path) -> None:
    with Store.open(folder) as store:
        for value in range(2):
            with store.transaction(CTX) as tx:
                for number in range(300):
                    record = RecordId("default", ("things", f"r{number}"), f"r{number}")
                    tx.save(record, {"value": value, "pad": "x" * 700})
    data = (folder / JOURNAL).read_bytes()
    head = data.index(b'"path":"things/r150/')
    for position in (head + 2, head + 15, data.index(b'"hash":"', head) + 20, data.index(b"xxx", head) + 5, 200):
        assert rebuild_file(flipped(data, position, 1), 1, None, read_from(folder)) == data


class CountedHash:
    """SHA-256 that counts how often it is begun from what was hashed before: once for each byte that is tried."""

    tried = 0

    def __init__(self, data: bytes) -> None:
        self._hash = hashlib.sha256(data)

    def copy(self) -> hashlib._Hash:
        CountedHash.tried += 1
        return self._hash.copy()

    def update(self, data: bytes) -> None:
        self._hash.update(data)


def test_many_broken_lines_share_the_time_that_one_may_take(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each had all of it, so that fsck took longer with each, without an end."""
    monkeypatch.setattr(rebuild, "hashlib", SimpleNamespace(sha256=CountedHash))
    monkeypatch.setattr(rebuild, "MOST_HASHED", 4 << 20)
    objects = MemoryObjects()
    store = Store.on(ObjectBackend(objects, "x", cheap=True))
    for number in range(14):
        store.note(CTX, "a note", {"n": number, "long": "x" * 1000})
    tried = []
    for many in (1, 6):
        for number in range(2, 2 * many + 1, 2):
            key = f"default/journal/{number:010d}.jsonl"
            line = objects.get(key) or b""
            objects.put(key, line[:200] + b"####" + line[204:])
        CountedHash.tried = 0
        report = check(ObjectBackend(objects, "x", cheap=True), "x")
        assert [finding.code for finding in report.findings] == ["broken_line"] * many
        tried.append(CountedHash.tried)
    assert 0 < tried[1] < 1.5 * tried[0]
