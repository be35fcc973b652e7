"""The files of leases on local disk: who is told to have one, and whose lock `lock break` takes."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError
from sheetsync.store import RecordId, Store
from sheetsync.store.backend import Holder
from sheetsync.store.lease import Lease
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.posix import PosixFileSystem

CTX = RequestContext(user="bob")
LOCK = "default/.store/leases/sync.lock"


@pytest.fixture
def stores(folder: Path) -> tuple[Store, Store]:
    return Store.open(folder), Store.open(folder)


def save(store: Store, fence: Lease) -> None:
    with store.transaction(CTX, fence=fence) as tx:
        tx.save(RecordId("default", ("things", "a"), "a"), {"n": 1})


@pytest.mark.parametrize("left", ["", '{"who":"carl","host":"h","pid":7,"since":1767787200.0}'])
def test_who_had_it_is_not_taken_for_who_has_it_now(
    left: str, stores: tuple[Store, Store], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one has locked the file, and has not written yet who it is. One who was killed left his own name."""
    first, second = stores
    first.lease("sync", who="ada").release()
    assert (folder / LOCK).read_bytes() == b""
    (folder / LOCK).write_text(left)
    told: list[str] = []
    write = os.pwrite

    def looked_at_before(fd: int, data: bytes, offset: int) -> int:
        if b'"who":"bob"' in data:
            told.extend(info.who for info in first.held())
        return write(fd, data, offset)

    monkeypatch.setattr(os, "pwrite", looked_at_before)
    second.lease("sync", who="bob")
    assert told == ["somebody"]
    assert [info.who for info in first.held()] == ["bob"]


def test_who_takes_it_behind_a_break_keeps_it(stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch) -> None:
    """The entry is written, the file not taken away yet: the old holder gives back, and the next one takes."""
    first, operator = stores
    lease = first.lease("sync", who="ada")
    taken: list[Lease] = []
    break_lock = LocalTenant.break_lock

    def behind(part: LocalTenant, name: str, is_it: Callable[[Holder], bool]) -> None:
        lease.release()
        taken.append(first.lease("sync", who="bob"))
        break_lock(part, name, is_it)

    monkeypatch.setattr(LocalTenant, "break_lock", behind)
    broken = operator.break_lease("sync")
    assert broken is not None
    assert broken.who == "ada"
    save(first, taken[0])
    assert [info.who for info in operator.held()] == ["bob"]
    with pytest.raises(LockHeldError):
        save(first, lease)


def test_a_holder_that_had_not_told_yet_is_the_same_once_it_has(
    stores: tuple[Store, Store], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, operator = stores
    first.lease("sync", who="ada")
    told = (folder / LOCK).read_bytes()
    (folder / LOCK).write_bytes(b"")
    held = operator._part.held

    def then_tells() -> object:
        found = held()
        (folder / LOCK).write_bytes(told)
        return found

    monkeypatch.setattr(operator._part, "held", then_tells)
    broken = operator.break_lease("sync")
    assert broken is not None
    assert operator.held() == []


def test_one_that_cannot_be_read_hides_no_other(
    stores: tuple[Store, Store], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, operator = stores
    first.lease("other", who="carl").release()
    first.lease("sync", who="ada")
    asked = PosixFileSystem._open

    def refused(disk: PosixFileSystem, path: str, flags: int) -> int:
        if path.endswith("/other.lock"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return asked(disk, path, flags)

    monkeypatch.setattr(PosixFileSystem, "_open", refused)
    assert [(info.name, info.who) for info in operator.held()] == [
        ("other", "somebody (its file cannot be read)"),
        ("sync", "ada"),
    ]
    operator.check_free("third")
    for name in ("sync", "other"):
        assert operator.break_lease(name) is not None
    assert operator.held() == []


def test_who_does_not_get_it_leaves_its_file_alone(stores: tuple[Store, Store], folder: Path) -> None:
    first, second = stores
    first.lease("sync", who="ada")
    told = (folder / LOCK).read_bytes()
    for _ in range(2):
        with pytest.raises(LockHeldError, match="ada on"):
            second.lease("sync", who="bob")
        assert (folder / LOCK).read_bytes() == told


def test_one_that_had_not_told_yet_when_it_was_shown_is_named_when_it_is_broken(
    stores: tuple[Store, Store], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, operator = stores
    lease = first.lease("sync", who="ada")
    (folder / LOCK).write_bytes(b"")
    held = operator._part.held

    def then_changes_hands() -> object:
        found = held()
        if found[0][1].pid == 0:
            lease.release()
            first.lease("sync", who="bob")
        return found

    monkeypatch.setattr(operator._part, "held", then_changes_hands)
    broken = operator.break_lease("sync")
    assert broken is not None
    assert broken.who == "bob"


def test_an_interrupt_in_the_midst_of_giving_back_gives_back(
    stores: tuple[Store, Store], monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = stores
    lease = first.lease("sync", who="ada")

    def interrupted(fd: int, length: int) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(os, "ftruncate", interrupted)
        with pytest.raises(KeyboardInterrupt):
            lease.release()
    second.lease("sync", who="bob").release()
