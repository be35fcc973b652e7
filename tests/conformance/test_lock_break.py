"""`lock break` takes the lease that its caller was shown, and no other run's, on every backend."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import LockHeldError
from sheetsync.store import RecordId, Store
from tests.conformance.conftest import Reopen

CTX = RequestContext(user="bob")


class Telling(FakeClock):
    """A clock that lets something happen once, when a commit asks for the time."""

    def __init__(self) -> None:
        super().__init__()
        self.looks = 0
        self.then: Callable[[], object] = list

    def at_the_commit(self, act: Callable[[], object]) -> None:
        """The first look is that of the listing."""
        self.looks, self.then = 0, act

    def now(self) -> datetime:
        self.looks += 1
        if self.looks == 2:
            self.then()
        return super().now()


@pytest.fixture
def clock() -> Telling:
    return Telling()


@pytest.fixture
def hosts(reopen: Reopen, clock: Telling) -> tuple[Store, Store, Store]:
    """Ada's, Bob's, and the operator's handle."""
    mine = FakeClock()
    return Store.on(reopen(), clock=mine), Store.on(reopen(), clock=mine), Store.on(reopen(), clock=clock)


@pytest.mark.parametrize("next_one", ["bob", "ada"])
def test_who_took_it_meanwhile_keeps_it(hosts: tuple[Store, Store, Store], clock: Telling, next_one: str) -> None:
    ours, bobs, operator = hosts
    lease = ours.lease("sync", who="ada")
    taken = []

    def change_hands() -> None:
        lease.release()
        bobs._clock.advance(1)  # type: ignore[attr-defined]
        taken.append(bobs.lease("sync", who=next_one))

    clock.at_the_commit(change_hands)
    with pytest.raises(LockHeldError, match="another run has it by now"):
        operator.break_lease("sync")
    with bobs.transaction(CTX, fence=taken[0]) as tx:
        tx.save(RecordId("default", ("things", "a"), "a"), {"n": 1})
    assert not [commit for commit in operator.log() if commit.why.startswith("lock break")]
    broken = operator.break_lease("sync")
    assert broken is not None
    assert broken.who == next_one
    assert operator.held() == []


def test_what_was_given_back_meanwhile_is_not_broken(hosts: tuple[Store, Store, Store], clock: Telling) -> None:
    ours, _, operator = hosts
    lease = ours.lease("sync", who="ada")
    clock.at_the_commit(lease.release)
    assert operator.break_lease("sync") is None
    assert not [commit for commit in operator.log() if commit.why.startswith("lock break")]
    ours.lease("sync", who="ada").release()
