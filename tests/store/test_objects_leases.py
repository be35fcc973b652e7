"""Leases in a bucket between hosts whose clocks differ."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError
from sheetsync.store import RecordId, Store
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend

CTX = RequestContext(user="ada")
RECORD = RecordId("default", ("things", "alpha"), "alpha")


def two_hosts(ahead_s: float) -> tuple[Store, Store]:
    """One store on two hosts; the second one's clock is ahead of the first one's."""
    objects, clock = MemoryObjects(), FakeClock()
    clock.advance(ahead_s)
    first = Store.on(ObjectBackend(objects, "x", cheap=True), clock=FakeClock())
    return first, Store.on(ObjectBackend(objects, "x", cheap=True), clock=clock)


def test_a_lease_of_a_host_whose_clock_is_ahead_has_no_age_below_nothing() -> None:
    first, second = two_hosts(1200.0)
    second.lease("sync", who="eve")
    with pytest.raises(LockHeldError, match="for 0 s"):
        first.lease("sync", who="ada")


def test_a_lease_at_the_end_of_time_is_taken_and_given_back() -> None:
    clock = FakeClock()
    clock.advance((datetime(9999, 12, 31, 23, 59, tzinfo=UTC) - clock.now()).total_seconds())
    store = Store.on(ObjectBackend(MemoryObjects(), "x", cheap=True), clock=clock)
    with store.lease("sync", who="ada", ttl_s=300.0):
        assert [info.alive for info in store.held()] == [True]
    assert store.held() == []


def test_between_clocks_that_differ_by_more_than_the_time_to_live_the_fence_holds() -> None:
    first, second = two_hosts(1200.0)
    lost = first.lease("sync", who="ada", ttl_s=300.0)
    held = second.lease("sync", who="eve", ttl_s=300.0)
    with pytest.raises(LockHeldError), first.transaction(CTX, fence=lost) as tx:
        tx.save(RECORD, {"n": 1})
    with second.transaction(CTX, fence=held) as tx:
        tx.save(RECORD, {"n": 2})
    assert [snapshot.content for snapshot in first.history(RECORD)] == [{"n": 2}]
