"""What `fsck --repair` puts back below a checkpoint outlives a power cut: no opening looks at it again."""

from __future__ import annotations

import random
from contextlib import suppress

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import RecordId, Store
from sheetsync.store.local import LocalBackend
from sheetsync.store.recovery import parse_checkpoint
from sheetsync.store.repair import check
from tests.faults.simulated_disk import SimulatedDisk

CTX = RequestContext(user="ada")
RECORD = RecordId("default", ("components", "github"), "a")


def save_and_compact(disk: SimulatedDisk, versions: int) -> None:
    """So many entries, all of them below a checkpoint."""
    with Store.on(LocalBackend(disk, "x")) as store:
        for number in range(versions):
            with store.transaction(CTX) as tx:
                tx.save(RECORD, {"n": number})
        store.compact()


def damage(disk: SimulatedDisk) -> list[str]:
    return [finding.code for finding in check(LocalBackend(disk, "x"), "x").findings if finding.damage]


@pytest.mark.parametrize("harsh", [True, False])
@pytest.mark.parametrize("torn", [True, False])
def test_what_repair_put_below_a_checkpoint_is_durable(*, harsh: bool, torn: bool) -> None:
    disk = SimulatedDisk(harsh=harsh, nameless=True)
    save_and_compact(disk, 3)
    path = sorted(path for path in disk.tree() if "components/" in path)[0]
    disk.unlink(path)
    if torn:
        disk.create(path, b"torn")
        disk.sync(path)
    disk.sync_folder(path.rpartition("/")[0])
    assert damage(disk) == ["changed" if torn else "missing"]
    assert [f.repaired for f in check(LocalBackend(disk, "x"), "x", repair=True).findings if f.damage] == [True]
    seen = 0
    for outcome in disk.outcomes(50, random.Random(1)):
        after = disk.after_cut(outcome)
        Store.on(LocalBackend(after, "x")).close()
        assert damage(after) == []
        seen += 1
    assert seen


def test_what_could_not_be_made_durable_is_not_called_repaired(monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk(harsh=True, nameless=True)
    save_and_compact(disk, 1)
    path = next(path for path in disk.tree() if "components/" in path)
    disk.unlink(path)

    def failing(path: str, folders: object) -> bool:
        raise OSError(5, "Input/output error", path)

    monkeypatch.setattr(disk, "sync_all", failing)
    [finding] = check(LocalBackend(disk, "x"), "x", repair=True).findings
    assert (finding.code, finding.repaired) == ("missing", False)
    assert finding.hint.startswith("not repaired: cannot repair the store: the disk fails")


@pytest.mark.parametrize("harsh", [True, False])
@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(5, "Input/output error")], ids=["killed", "failed"])
def test_what_was_not_made_durable_is_proved_by_the_next_opening(
    stop: BaseException, harsh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = SimulatedDisk(harsh=harsh, nameless=True)
    save_and_compact(disk, 4)
    checkpoint = "default/.store/checkpoint.json"
    was = disk.read(checkpoint)
    lost = sorted(path for path in disk.tree() if "components/" in path)[1:3]
    for path in lost:
        disk.unlink(path)
    disk.sync_folder(lost[0].rpartition("/")[0])

    def stopped(path: str, folders: object) -> bool:
        raise stop

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(disk, "sync_all", stopped)
        check(LocalBackend(disk, "x"), "x", repair=True)
    with Store.on(LocalBackend(disk, "x")) as store:
        store.compact()
    assert parse_checkpoint(disk.read(checkpoint)) == parse_checkpoint(was) == 4
    for outcome in disk.outcomes(50, random.Random(1)):
        after = disk.after_cut(outcome)
        Store.on(LocalBackend(after, "x")).close()
        assert damage(after) == []


def test_a_repair_leaves_the_checkpoint_as_it_was() -> None:
    disk = SimulatedDisk(harsh=True, nameless=True)
    save_and_compact(disk, 3)
    was = disk.read("default/.store/checkpoint.json")
    disk.unlink(sorted(path for path in disk.tree() if "components/" in path)[1])
    assert check(LocalBackend(disk, "x"), "x", repair=True).exit_code == 0
    assert disk.read("default/.store/checkpoint.json") == was


def lost_behind(disk: SimulatedDisk) -> tuple[str, list[str]]:
    """Of five entries below a checkpoint the last one is gone with its name, and so are two older names."""
    save_and_compact(disk, 5)
    journal = "default/journal/0000000001.jsonl"
    lines = disk.read(journal).splitlines(keepends=True)
    disk.truncate(journal, sum(map(len, lines[:4])))
    paths = sorted(path for path in disk.tree() if "components/" in path)
    for path in (paths[1], paths[2], paths[4]):
        disk.unlink(path)
    return journal, paths


@pytest.mark.parametrize("stop", [KeyboardInterrupt(), OSError(28, "No space left on device")], ids=["killed", "full"])
def test_a_repair_that_is_cut_off_forgets_no_lost_commit(stop: BaseException, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = SimulatedDisk(harsh=True, nameless=True)
    _, paths = lost_behind(disk)
    place = disk.place

    def stopped(path: str, data: bytes) -> bool:
        if path == paths[2]:
            raise stop
        return place(path, data)

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(disk, "place", stopped)
        check(LocalBackend(disk, "x"), "x", repair=True)
    for repair in (False, True):
        with pytest.raises(StoreDamagedError, match="it ends at entry 4, but entry 5 was there"):
            Store.on(LocalBackend(disk, "x"))
        assert "journal_gap" in {one.code for one in check(LocalBackend(disk, "x"), "x", repair=repair).findings}


def test_what_stands_in_the_way_of_an_older_name_holds_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    disk, told = SimulatedDisk(harsh=True, nameless=True), list[str]()
    save_and_compact(disk, 5)
    paths = sorted(path for path in disk.tree() if "components/" in path)
    for path in paths[1:4]:
        disk.unlink(path)
    disk.mkdir(paths[2])

    def killed(path: str, data: bytes) -> bool:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, suppress(KeyboardInterrupt):
        patched.setattr(disk, "place", killed)
        check(LocalBackend(disk, "x"), "x", repair=True)
    with Store.on(LocalBackend(disk, "x"), tell=told.append) as store:
        assert any("not all put right yet" in message for message in told), told
        with store.transaction(CTX) as tx:
            tx.save(RECORD, {"n": 5})
    assert {one.path for one in check(LocalBackend(disk, "x"), "x").findings if one.damage} == {
        paths[2].removeprefix("default/")
    }


@pytest.mark.parametrize("harsh", [True, False])
@pytest.mark.parametrize("nameless", [True, False])
@pytest.mark.parametrize("error", [OSError(24, "Too many open files"), OSError(5, "Input/output error")], ids=str)
@pytest.mark.parametrize("only", [True, False])
def test_what_fails_once_its_name_stands_is_durable_or_proved_again(
    error: OSError, *, only: bool, nameless: bool, harsh: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The look at what was put fails, by which it is not known to be there; its name may be, and its bytes not yet."""
    disk = SimulatedDisk(harsh=harsh, nameless=nameless)
    save_and_compact(disk, 4)
    lost = sorted(path for path in disk.tree() if "components/" in path)[1 : 2 if only else 3]
    for path in lost:
        disk.unlink(path)
    disk.sync_folder(lost[0].rpartition("/")[0])
    read, failed = disk.read, list[str]()

    def fails(path: str) -> bytes:
        if path == lost[-1] and path in disk.tree() and not failed:
            failed.append(path)
            raise error
        return read(path)

    with monkeypatch.context() as patched:
        patched.setattr(disk, "read", fails)
        check(LocalBackend(disk, "x"), "x", repair=True)
    assert failed
    for outcome in disk.outcomes(50, random.Random(1)):
        after = disk.after_cut(outcome)
        Store.on(LocalBackend(after, "x")).close()
        assert damage(after) == []


@pytest.mark.parametrize("member", ["[" * 900 + "]" * 900, '"' + "x" * 100_000 + '"'], ids=["deep", "long"])
def test_what_others_wrote_into_a_checkpoint_keeps_no_repair_from_its_work(member: str) -> None:
    disk = SimulatedDisk(harsh=True, nameless=True)
    save_and_compact(disk, 3)
    disk.unlink(next(path for path in disk.tree() if "components/" in path))
    disk.unlink("default/.store/checkpoint.json")
    disk.create("default/.store/checkpoint.json", b'{"upto":3,"x":%s}' % member.encode())
    assert check(LocalBackend(disk, "x"), "x", repair=True).exit_code == 0
    assert damage(disk) == []
