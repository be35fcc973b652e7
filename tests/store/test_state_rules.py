"""What is saved stays apart by content, expectation, case, tenant and lease, and no forged entry is believed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import InvalidIdError, LockHeldError, StaleSnapshotError, StoreDamagedError, UnknownOutcomeError
from sheetsync.store import RecordId, SourceBytes, Store, VersionedStore, fsck
from sheetsync.store.entry import decode_line
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.rebuild import rebuild_file
from tests.faults.crash_explorer import CTX, record
from tests.store.rules import JOURNAL, in_memory, save, signed


# --- saves -------------------------------------------------------------------------------------------------------
def test_an_interrupted_commit_ends_the_handle(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store.open(folder) as store:
        add = store._part.add

        def interrupted(number: int, line: bytes) -> bool:
            add(number, line)
            raise KeyboardInterrupt

        monkeypatch.setattr(store._part, "add", interrupted)
        with pytest.raises(KeyboardInterrupt):
            save(store, "a", 1)
        monkeypatch.undo()
        calls: tuple[Callable[[], object], ...] = (lambda: save(store, "a", 2), lambda: store.latest(record("a")))
        for call in calls:
            with pytest.raises(UnknownOutcomeError, match="interrupted"):
                call()
    with Store.open(folder) as store:
        assert store.head() == 1


def test_the_same_bytes_as_a_file_or_of_another_kind_are_another_content(folder: Path) -> None:
    with Store.open(folder) as store:
        for content in ({"a": 1}, SourceBytes(b'{"a":1}', ".json"), SourceBytes(b'{"a":1}', ".mjs"), {"a": 1}):
            with store.transaction(CTX) as tx:
                tx.save(record("a"), content)
        assert [snapshot.content for snapshot in store.history(record("a"))] == [
            {"a": 1},
            SourceBytes(b'{"a":1}', ".json"),
            SourceBytes(b'{"a":1}', ".mjs"),
            {"a": 1},
        ]
    assert fsck(folder).findings == ()


def test_contents_whose_hashes_begin_alike_are_two(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        one, two = named.save("alpha", {"n": 7335}), named.save("alpha", {"n": 13654})
        assert one.hash[:8] == two.hash[:8] == "8e3265b9"
        assert (one.version, two.version) == (1, 2)
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 1}, one)
    assert fsck(folder).findings == ()


def test_folders_that_differ_only_in_case_are_one_too_many(folder: Path) -> None:
    with Store.open(folder) as store:
        for again in (False, True):
            with store.transaction(CTX) as tx:
                tx.save(RecordId("default", ("providers", "Foo", "a", "schema"), "a"), {"n": again})
            with pytest.raises(InvalidIdError, match="differs only in case"), store.transaction(CTX) as tx:
                tx.save(RecordId("default", ("providers", "foo", "b", "schema"), "b"), {"n": 1})


def test_expected_is_one_snapshot_and_not_one_that_looks_like_it(folder: Path, tmp_path: Path) -> None:
    with VersionedStore(CTX, url=folder) as named, VersionedStore(CTX, url=tmp_path / "other") as other:
        first = named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
        named.save("alpha", {"n": 1})
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 3}, first)
        for number in (7, 8, 9):
            theirs = other.save("alpha", {"n": number})
        with pytest.raises(StaleSnapshotError):
            named.save("alpha", {"n": 3}, theirs)


def test_a_second_save_in_a_transaction_keeps_what_the_first_expected(folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        first = named.save("alpha", {"n": 1})
        named.save("alpha", {"n": 2})
        tx = named.transaction()
        tx.save("alpha", {"n": 3}, first)
        tx.save("alpha", {"n": 4})
        with pytest.raises(StaleSnapshotError), tx:
            pass


# --- reading and tenants -----------------------------------------------------------------------------------------
@pytest.mark.parametrize("damaged", [b'{"n":7}', b"", b"{"])
def test_a_damaged_file_is_read_through_the_journal(damaged: bytes, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        path = folder / "default" / named.save("alpha", {"n": 1}).path
        path.write_bytes(damaged)
        latest, then = named.latest("alpha"), named.at(1).latest("alpha")
        assert latest is not None
        assert then is not None
        assert latest.content == then.content == {"n": 1}


def test_the_log_of_a_record_begins_after_a_commit(folder: Path) -> None:
    with Store.open(folder) as store:
        for value in range(4):
            save(store, "a", value)
        assert [commit.number for commit in store.log(since=2, record=record("a"))] == [3, 4]


def test_no_call_at_all_crosses_a_tenant(folder: Path) -> None:
    with Store.open(folder) as store:
        save(store, "a", 1)
        there = RecordId("acme", ("things", "a"), "a")
        path = ("health", "x.json")
        for crossing in (
            lambda: store.latest(there),
            lambda: store.records("acme"),
            lambda: store.newest("acme"),
            lambda: store.last_commit("acme"),
            lambda: store.latest_all("acme"),
            lambda: store.history(there),
            lambda: store.log(record=there),
            lambda: store.read_derived("acme", path),
            lambda: store.write_derived("acme", path, b""),
            lambda: store.note(RequestContext(tenant="acme", user="eve"), "x", {}),
            lambda: store.transaction(CTX).save(there, {}),
        ):
            with pytest.raises(InvalidIdError):
                crossing()


def test_another_tenants_names_are_completed_when_it_is_opened(folder: Path) -> None:
    with Store.open(folder) as store:
        acme = store.for_tenant("acme")
        with acme.transaction(RequestContext(tenant="acme", user="eve")) as tx:
            tx.save(RecordId("acme", ("things", "a"), "a"), {"n": 1})
        assert tx.commit is not None
        path = folder / "acme" / tx.commit.snapshots[0].path
        path.unlink()
        store.for_tenant("acme")
        assert path.read_bytes() == b'{"n":1}'


# --- leases ------------------------------------------------------------------------------------------------------
def test_giving_back_a_lease_that_another_took_over_leaves_it_to_him() -> None:
    clock = FakeClock()
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=True), clock=clock) for _ in range(2))
    lease = ours.lease("sync", who="ada", ttl_s=60)
    clock.advance(61)
    second = theirs.lease("sync", who="bob", ttl_s=60)
    lease.release()
    assert [info.who for info in theirs.held()] == ["bob"]
    with theirs.transaction(CTX, fence=second) as tx:
        tx.save(record("a"), {"value": 1})


def test_a_lease_is_over_when_its_time_is() -> None:
    clock = FakeClock()
    objects = MemoryObjects()
    ours, theirs = (Store.on(ObjectBackend(objects, "x", cheap=True), clock=clock) for _ in range(2))
    ours.lease("sync", who="ada", ttl_s=60)
    clock.advance(59)
    with pytest.raises(LockHeldError):
        theirs.lease("sync", who="bob")
    clock.advance(1)
    assert [info.alive for info in theirs.held()] == [False]
    theirs.lease("sync", who="bob")


def test_a_lease_that_was_given_back_fences_nothing() -> None:
    _, store = in_memory()
    lease = store.lease("sync", who="ada")
    lease.release()
    with pytest.raises(LockHeldError), store.transaction(CTX, fence=lease) as tx:
        tx.save(record("a"), {"value": 1})


def test_a_lease_is_taken_upon_what_others_did_to_it(folder: Path) -> None:
    with Store.open(folder) as ours, Store.open(folder) as theirs:
        with theirs.lease("sync", who="bob"):
            assert ours.break_lease("sync") is not None
        with theirs.lease("sync", who="bob") as lease, theirs.transaction(CTX, fence=lease) as tx:
            tx.save(record("a"), {"value": 1})


# --- forged and flipped entries ----------------------------------------------------------------------------------
@pytest.fixture
def three(folder: Path) -> Path:
    with Store.open(folder, clock=FakeClock()) as store:
        for value in range(3):
            with store.transaction(CTX, why=f"round {value}") as tx:
                tx.save(record("a"), {"value": value})
                tx.save(record("b"), {"value": value})
    return folder


def relined(data: bytes, number: int, old: bytes, new: bytes, *, chain: bool = True) -> bytes:
    """The journal with a line changed by somebody who can make sums hold (and, with `chain`, the later hashes too)."""
    lines, before, after = data.splitlines(), b"", b""
    for index in range(number - 1, len(lines)):
        body = lines[index][74:]
        if index == number - 1:
            assert old in body
            body = body.replace(old, new)
        elif chain:
            body = body.replace(before, after)
        before = hashlib.sha256(lines[index]).hexdigest().encode()
        lines[index] = signed(body)
        after = hashlib.sha256(lines[index]).hexdigest().encode()
    return b"\n".join(lines) + b"\n"


RULES: dict[str, tuple[int, bytes, bytes, bool]] = {
    "chain": (2, b'"why":"round 1"', b'"why":"round X"', False),
    "twice": (3, b"things/b/b--", b"things/a/a--", True),
    "before": (3, b'"before":2', b'"before":1', True),
    "version": (3, b'"version":3', b'"version":4', True),
    "stamp": (3, b"--2026-01-01T00-00-02Z", b"--2026-01-01T00-00-01Z", True),
}


@pytest.mark.parametrize("rule", RULES)
def test_an_entry_that_breaks_a_rule_is_damage_though_its_sum_holds(rule: str, three: Path) -> None:
    number, old, new, chain = RULES[rule]
    data = (three / JOURNAL).read_bytes()
    if rule == "stamp":
        stamps = sorted({part[:20] for part in data.split(b"things/a/a--")[1:]})
        old, new = b"--" + stamps[2], b"--" + stamps[1]
    (three / JOURNAL).write_bytes(relined(data, number, old, new, chain=chain))
    assert "journal_order" in {finding.code for finding in fsck(three).findings}
    with pytest.raises(StoreDamagedError, match=r"does not follow|twice|is not an entry"):
        Store.open(three)


def test_a_content_that_has_not_the_hash_it_says_is_found(three: Path) -> None:
    data = (three / JOURNAL).read_bytes()
    (three / JOURNAL).write_bytes(relined(data, 2, b'"content":{"value":1}', b'"content":{"value":7}'))
    assert {finding.code for finding in fsck(three).findings} >= {"wrong_hash"}
    assert fsck(three).exit_code == 9


def test_a_flip_in_the_first_bytes_of_the_last_line_is_put_right(three: Path) -> None:
    data = (three / JOURNAL).read_bytes()
    begin = data[:-1].rindex(b"\n") + 1
    for position in range(begin, begin + 8):
        damaged = data[:position] + bytes([data[position] ^ 1]) + data[position + 1 :]
        assert rebuild_file(damaged, 1, None, lambda path: None) == data
    assert rebuild_file(data[:begin] + b"??" + data[begin + 2 :], 1, None, lambda path: None) == data


PLACES = (
    "/etc",
    "../x",
    "journal",
    ".store/aside",
    "things/../../x",
    "things/.hidden",
    "things//a",
    "things\\\\a",
    "things\\u0000a",
)


@pytest.mark.parametrize("place", PLACES)
def test_no_line_makes_a_place_outside_the_records_folders(place: str, three: Path) -> None:
    line = (three / JOURNAL).read_bytes().splitlines()[0]
    planted = signed(line.replace(b'"path":"things/a/', b'"path":"' + place.encode() + b"/")[74:])
    with pytest.raises(StoreDamagedError, match=r"a place for a snapshot|is no snapshot"):
        decode_line(planted)
