"""The store's conformance suite: the same promises on local disk, in memory, and in real buckets."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import InvalidIdError, LockHeldError, NotFoundError, StaleSnapshotError
from sheetsync.store import RecordId, SourceBytes, Store, VersionedStore
from sheetsync.store.backend import Backend
from sheetsync.store.fsck import scan
from sheetsync.store.names import parse_snapshot_name

Reopen = Callable[[], Backend]
CTX = RequestContext(user="ada@example.com")
BOB = RequestContext(user="bob")


def a_record(name: str = "alpha") -> RecordId:
    return RecordId("default", ("things", name), name)


def opened(reopen: Reopen, clock: FakeClock | None = None) -> Store:
    return Store.on(reopen(), clock=clock or FakeClock())


def put(store: Store, name: str, value: object, **options: object) -> None:
    with store.transaction(CTX) as tx:
        tx.save(a_record(name), {"value": value}, **options)  # type: ignore[arg-type]


def test_a_saved_snapshot_is_read_back_by_everybody(reopen: Reopen) -> None:
    store = opened(reopen)
    with store.transaction(CTX, why="first") as tx:
        tx.save(a_record(), {"value": 1, "text": "grüße\t✓", "big": 2**70, "list": [1.5, None, True]})
    there = opened(reopen).latest(a_record())
    assert there is not None
    assert there == tx.snapshots[a_record()]
    assert there.content == {"value": 1, "text": "grüße\t✓", "big": 2**70, "list": [1.5, None, True]}
    assert (there.version, there.author, there.commit) == (1, CTX.user, 1)


def test_equal_content_makes_no_snapshot_and_a_b_a_makes_three(reopen: Reopen) -> None:
    store = opened(reopen)
    for value in (1, 1, 2, 2, 1):
        put(store, "alpha", value)
    history = list(store.history(a_record()))
    assert [snapshot.content for snapshot in history] == [{"value": 1}, {"value": 2}, {"value": 1}]
    assert [snapshot.version for snapshot in history] == [1, 2, 3]
    assert store.head() == 3


def test_the_newest_name_is_the_newest_snapshot_though_the_clock_is_set_back(reopen: Reopen) -> None:
    clock = FakeClock()
    store = opened(reopen, clock)
    for value in range(4):
        put(store, "alpha", value)
        clock.advance(-1800)
    backend = reopen()
    paths = [path for path, _ in backend.open_tenant("default").walk() if path.startswith("things/alpha/")]
    names = sorted(path.rpartition("/")[2] for path in paths)
    assert names == [snapshot.filename for snapshot in store.history(a_record())]
    stamps = [parsed.stamp for name in names if (parsed := parse_snapshot_name(name))]
    assert stamps == sorted(set(stamps))
    assert len(stamps) == 4
    assert next(iter(store.history(a_record()))).saved_at == FakeClock().now()


def test_expected_refuses_when_another_writer_came_between(reopen: Reopen) -> None:
    ours, theirs = opened(reopen), opened(reopen)
    put(ours, "alpha", 1)
    ours.refresh()
    base = ours.latest(a_record())
    put(theirs, "alpha", 2)
    with pytest.raises(StaleSnapshotError) as caught:
        put(ours, "alpha", 3, expected=base)
    theirs.refresh()
    assert caught.value.base == base
    assert caught.value.theirs == theirs.latest(a_record())
    assert caught.value.ours == {"value": 3}
    put(ours, "alpha", 3, expected=caught.value.theirs)
    with pytest.raises(StaleSnapshotError):
        put(ours, "alpha", 4, expected=None)
    put(ours, "fresh", 4, expected=None)


def test_a_transaction_is_all_or_nothing(reopen: Reopen) -> None:
    store = opened(reopen)

    def breaks_off() -> None:
        with store.transaction(CTX) as tx:
            tx.save(a_record("a"), {"value": 1})
            raise RuntimeError("no")

    def is_stale() -> None:
        with store.transaction(CTX) as tx:
            tx.save(a_record("b"), {"value": 1})
            tx.save(a_record("taken"), {"value": 2}, expected=None)

    with pytest.raises(RuntimeError, match="no"):
        breaks_off()
    put(store, "taken", 1)
    with pytest.raises(StaleSnapshotError):
        is_stale()
    with store.transaction(CTX, why="three") as tx:
        for name in "cde":
            tx.save(a_record(name), {"value": name})
    assert tx.commit is not None
    assert [snapshot.name for snapshot in tx.commit.snapshots] == ["c", "d", "e"]
    other = opened(reopen)
    assert [record.name for record in other.records("default", ("things",))] == ["c", "d", "e", "taken"]
    assert {snapshot.commit for snapshot in other.latest_all("default", ("things",))} == {1, 2}


def test_expect_head_refuses_after_any_commit(reopen: Reopen) -> None:
    store = opened(reopen)
    put(store, "a", 1)
    head = store.head()
    put(opened(reopen), "b", 1)
    with pytest.raises(StaleSnapshotError), store.transaction(CTX, expect_head=head) as tx:
        tx.save(a_record("a"), {"value": 2})


def test_threads_lose_no_update_and_share_no_place(reopen: Reopen) -> None:
    stores = [opened(reopen) for _ in range(3)]
    wins: list[int] = []

    def work(store: Store, who: int) -> None:
        done = 0
        while done < 4:
            store.refresh()
            base = store.latest(a_record())
            count = base.content["count"] if base is not None and isinstance(base.content, dict) else 0
            try:
                with store.transaction(RequestContext(user=f"w{who}")) as tx:
                    tx.save(a_record(), {"count": count + 1, "by": who}, expected=base)
            except StaleSnapshotError:
                continue
            done += 1
            wins.append(who)

    threads = [threading.Thread(target=work, args=(store, who)) for who, store in enumerate(stores)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    history = list(opened(reopen).history(a_record()))
    assert [s.content["count"] for s in history if isinstance(s.content, dict)] == list(range(1, 13))
    assert sorted(wins) == [0] * 4 + [1] * 4 + [2] * 4


def test_a_lease_excludes_and_fences(reopen: Reopen) -> None:
    clock = FakeClock()
    ours, theirs = opened(reopen, clock), opened(reopen, clock)
    lease = ours.lease("sync", who="ada")
    clock.advance(7)
    with pytest.raises(LockHeldError, match=r"ada on .*pid \d+"):
        theirs.lease("sync", who="bob")
    with ours.transaction(CTX, fence=lease) as tx:
        tx.save(a_record(), {"value": 1})
    assert [info.who for info in theirs.held()] == ["ada"]
    broken = theirs.break_lease("sync")
    assert broken is not None
    assert broken.who == "ada"
    with pytest.raises(LockHeldError, match="no longer ours"), ours.transaction(CTX, fence=lease) as tx:
        tx.save(a_record(), {"value": 2})
    with theirs.lease("sync", who="bob") as second, theirs.transaction(BOB, fence=second) as tx:
        tx.save(a_record(), {"value": 3})
    lease.release()
    theirs.lease("sync", who="carl").release()
    assert theirs.held() == []


def test_whether_a_lease_is_free_is_looked_up_and_nothing_is_written(reopen: Reopen) -> None:
    clock = FakeClock()
    ours, theirs = opened(reopen, clock), opened(reopen, clock)
    head = theirs.refresh()
    theirs.check_free("sync")
    assert (theirs.refresh(), theirs.held()) == (head, [])
    lease = ours.lease("sync", who="ada")
    with pytest.raises(LockHeldError, match=r"ada on .*pid \d+"):
        theirs.check_free("sync")
    theirs.check_free("other")
    lease.release()
    theirs.check_free("sync")


def test_a_lease_of_a_bucket_ends_with_its_time(reopen: Reopen) -> None:
    clock = FakeClock()
    store = opened(reopen, clock)
    if reopen().traits.lasting_leases:
        pytest.skip("on local disk a lease dies with its holder, not by time")
    lease = store.lease("sync", who="ada", ttl_s=60)
    clock.advance(61)
    opened(reopen, clock).lease("sync", who="bob")
    with pytest.raises(LockHeldError), store.transaction(CTX, fence=lease) as tx:
        tx.save(a_record(), {"value": 1})


def test_any_earlier_state_can_be_read(reopen: Reopen) -> None:
    store = opened(reopen)
    put(store, "a", 1)
    put(store, "b", 1)
    put(store, "a", 2)
    store.note(CTX, "looked", {"seen": ["x"]})
    view = store.at(2)
    seen = {snapshot.name: snapshot.content for snapshot in view.latest_all("default", ("things",))}
    assert seen == {"a": {"value": 1}, "b": {"value": 1}}
    assert store.at(0).records("default") == []
    put(store, "c", 1)
    changed = [(record.name, old and old.content, new and new.content) for record, old, new in store.diff(2, 5)]
    assert changed == [("a", {"value": 1}, {"value": 2}), ("c", None, {"value": 1})]
    assert list(store.diff(4, 4)) == []
    assert [commit.why for commit in store.log(since=3)] == ["looked", ""]
    assert store.commit(4).details == {"seen": ["x"]}
    assert [commit.number for commit in store.log(record=a_record("a"))] == [1, 3]
    with pytest.raises(NotFoundError):
        store.at(99)


def test_files_are_kept_byte_for_byte(reopen: Reopen) -> None:
    store = opened(reopen)
    record = RecordId("default", ("providers", "solscan", "getChainInfo", "schema"), "getChainInfo")
    for data in (b"export const a = '\xc3\xa9'\r\n", b"\xff\x00\xfe", b""):
        with store.transaction(CTX) as tx:
            tx.save(record, SourceBytes(data, ".mjs"))
    history = list(opened(reopen).history(record))
    assert [s.content.data for s in history if isinstance(s.content, SourceBytes)] == [
        b"export const a = '\xc3\xa9'\r\n",
        b"\xff\x00\xfe",
        b"",
    ]
    assert all(snapshot.filename.endswith(".mjs") for snapshot in history)
    assert history[1].path.startswith("providers/solscan/getChainInfo/schema/getChainInfo--")


def test_no_call_crosses_a_tenant(reopen: Reopen) -> None:
    store = opened(reopen)
    put(store, "a", 1)
    acme = store.for_tenant("acme")
    record = RecordId("acme", ("things", "a"), "a")
    with acme.transaction(RequestContext(tenant="acme", user="eve")) as tx:
        tx.save(record, {"value": 9})
    assert acme.head() == 1
    assert [r.tenant for r in acme.records("acme")] == ["acme"]
    for crossing in (
        lambda: store.latest(record),
        lambda: store.records("acme"),
        lambda: acme.transaction(CTX),
        lambda: acme.latest(a_record("a")),
    ):
        with pytest.raises(InvalidIdError):
            crossing()


def test_damage_is_found_and_repaired_from_the_journal(reopen: Reopen) -> None:
    store = opened(reopen)
    for value in range(3):
        put(store, "alpha", value)
    path = next(iter(store.history(a_record()))).path
    backend = reopen()
    part = backend.open_tenant("default")
    part.prepare()
    part.write_derived(path, b'{"value":7}')
    _, scans = scan(reopen())
    assert [finding.code for found in scans for finding in found.findings] == ["changed"]
    assert next(iter(store.history(a_record()))).content == {"value": 0}
    opened(reopen)
    _, scans = scan(reopen())
    assert [finding.code for found in scans for finding in found.findings] == []


def test_compaction_and_a_new_index_change_nothing(reopen: Reopen) -> None:
    store = opened(reopen)
    for value in range(5):
        put(store, "ab"[value % 2], value)
    before = [(commit.number, commit.hash) for commit in store.log()]
    store.compact()
    store.rebuild_index()
    fresh = opened(reopen)
    assert [(commit.number, commit.hash) for commit in fresh.log()] == before
    assert fresh.latest(a_record("a")) == store.latest(a_record("a"))
    put(fresh, "c", 1)
    assert opened(reopen).head() == 6


def test_derived_files_can_be_replaced_and_are_not_journaled(reopen: Reopen) -> None:
    store = opened(reopen)
    for data in (b"{}", b'{"a":1}'):
        store.write_derived("default", ("providers", "solscan", "index.json"), data)
    store.write_derived("default", ("health", "last_sync.json"), b"x")
    assert store.read_derived("default", ("providers", "solscan", "index.json")) == b'{"a":1}'
    assert store.read_derived("default", ("health", "last_sync.json")) == b"x"
    assert store.read_derived("default", ("health", "other.json")) is None
    assert store.head() == 0
    _, scans = scan(reopen())
    assert [finding for found in scans for finding in found.findings] == []


def test_names_and_versions_for_people(reopen: Reopen) -> None:
    clock = FakeClock()
    named = VersionedStore(CTX, "notes", store=opened(reopen, clock))
    first = named.save("alpha", {"x": 1})
    clock.advance(timedelta(days=1).total_seconds())
    second = named.save("alpha", {"x": 2}, first)
    with named.transaction() as tx:
        tx.save("beta", {"x": 1})
        tx.save("Gamma", {"x": 1})
    assert named.names() == ["Gamma", "alpha", "beta"]
    assert [s.version for s in named.history("alpha")] == [1, 2]
    at_first = named.at(first).latest("alpha")
    assert at_first == first
    assert named.at(second.commit).latest("beta") is None
    assert named.at(second).names() == ["alpha"]
    assert [s.version for s in named.at(first).history("alpha")] == [1]
    assert tx.commit is not None
    assert named.at(tx.commit).latest("beta") == tx.snapshots["beta"]
    other = VersionedStore(BOB, "notes", store=opened(reopen, clock))
    assert other.names() == []
