"""Reading by number and going back in time: odd numbers, other stores, other hosts, and a network that goes away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext, ScopeConfig
from sheetsync.errors import NetworkError, NotFoundError, UsageError
from sheetsync.store import RecordId, Store, VersionedStore
from sheetsync.store.creation import Pace
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend

QUICK: Final = Pace(sleep=lambda wait_s: None)
CTX: Final = RequestContext(user="ada")
A: Final = RecordId("default", ("things", "a"), "a")
HUGE: Final = [10**9, 10**19, 10**5000, -(10**5000), -1]
NO_NUMBERS: Final[list[Any]] = [True, False, 1.0, "3", None, b"1"]


class Cloud(MemoryObjects):
    """A bucket that can be out of reach."""

    def __init__(self) -> None:
        super().__init__()
        self.away: Exception | None = None
        self.left = 0  # requests that are still answered

    def _ask(self) -> None:
        if self.away is not None:
            self.left -= 1
            if self.left < 0:
                raise self.away

    def get(self, key: str) -> bytes | None:
        self._ask()
        return super().get(key)

    def put(self, key: str, data: bytes) -> None:
        self._ask()
        super().put(key, data)

    def put_new(self, key: str, data: bytes) -> None:
        self._ask()
        super().put_new(key, data)

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        self._ask()
        return super().list(prefix, after)


@pytest.fixture
def cloud() -> Cloud:
    return Cloud()


def host(cloud: Cloud, **options: Any) -> Store:
    """The store as one more host opens it."""
    return Store.on(ObjectBackend(cloud, "s3://bucket/x", pace=QUICK), clock=FakeClock(), **options)


def save(store: Store, number: int) -> None:
    with store.transaction(CTX) as tx:
        tx.save(A, {"n": number})


def things(store: Store) -> VersionedStore:
    return VersionedStore(CTX, "things", ScopeConfig(tenant=True, user=False), store=store)


BY_NUMBER: Final[dict[str, Callable[[Store, Any], Any]]] = {
    "at": lambda store, number: store.at(number),
    "commit": lambda store, number: store.commit(number),
    "diff from": lambda store, number: list(store.diff(number, 1)),
    "diff to": lambda store, number: list(store.diff(1, number)),
    "versioned at": lambda store, number: things(store).at(number),
    "version": lambda store, number: things(store).version("a", number),
}


@pytest.mark.parametrize("way", BY_NUMBER)
def test_a_number_that_no_commit_can_have_is_not_found(cloud: Cloud, way: str) -> None:
    store = host(cloud)
    save(store, 1)
    for number in HUGE:
        with pytest.raises(NotFoundError):
            BY_NUMBER[way](store, number)


@pytest.mark.parametrize("way", [*BY_NUMBER, "log"])
def test_what_is_no_number_is_refused(cloud: Cloud, way: str) -> None:
    store = host(cloud)
    save(store, 1)
    for number in NO_NUMBERS:
        with pytest.raises(UsageError, match="number"):
            (BY_NUMBER | {"log": lambda one, since: list(one.log(since=since))})[way](store, number)


def test_a_snapshot_of_another_store_is_not_one_of_this_store(cloud: Cloud) -> None:
    ours, theirs = things(host(cloud)), things(host(Cloud()))
    for number in range(3):
        ours.save("a", {"n": number})
        theirs.save("a", {"n": number * 100})
    foreign = theirs.latest("a")
    assert foreign is not None
    with pytest.raises(NotFoundError, match="not one of this store"):
        ours.at(foreign)
    own = list(ours.history("a"))
    assert [ours.at(one).latest("a") for one in own] == own


def test_the_same_content_in_another_store_was_saved_at_another_time(cloud: Cloud) -> None:
    ours = things(host(cloud))
    ours.save("a", {"n": 1})
    clock = FakeClock()
    clock.sleep(3600)
    theirs = VersionedStore(CTX, "things", ScopeConfig(tenant=True, user=False), url="memory://", clock=clock)
    with pytest.raises(NotFoundError, match="not one of this store"):
        ours.at(theirs.save("a", {"n": 1}))


def test_a_commit_of_another_host_is_found_by_its_number(cloud: Cloud) -> None:
    one, other = host(cloud), host(cloud)
    for number in (1, 2, 3):
        save(one, number)
    assert other.commit(3).number == 3
    with pytest.raises(NotFoundError, match="the newest is 3"):
        other.commit(4)


@pytest.mark.parametrize("answered", range(8))
def test_rebuilding_the_index_over_a_bad_network_leaves_the_handle_as_it_was(cloud: Cloud, answered: int) -> None:
    store = host(cloud)
    for number in range(3):
        save(store, number)
    before = [(snapshot.version, snapshot.content) for snapshot in store.history(A)]
    cloud.away, cloud.left = NetworkError("no answer"), answered
    try:
        store.rebuild_index()
    except NetworkError:
        assert answered < 7
    cloud.away = None
    assert [(snapshot.version, snapshot.content) for snapshot in store.history(A)] == before
    assert store.records("default") == [A]
    save(store, 9)
    assert store.rebuild_index() == 1
    assert host(cloud).head() == 4


@pytest.mark.parametrize("failure", [NetworkError("no answer"), TimeoutError("no answer")])
def test_a_lock_that_cannot_be_given_back_does_not_spoil_what_was_done(cloud: Cloud, failure: Exception) -> None:
    told: list[str] = []
    store = host(cloud, tell=told.append)
    with store.lease("sync", who="ada") as lease, store.transaction(CTX, fence=lease) as tx:
        tx.save(A, {"n": 1})
    with store.lease("sync", who="ada") as lease:
        with store.transaction(CTX, fence=lease) as tx:
            tx.save(A, {"n": 2})
        cloud.away = failure
    assert len(told) == 1
    assert told[0].startswith("warning: the lock 'sync' could not be given back, and ends by its time: ")
    cloud.away = None
    again = host(cloud)
    assert [snapshot.content for snapshot in again.history(A)] == [{"n": 1}, {"n": 2}]
    assert [one.name for one in again.held()] == ["sync"]


def test_what_fails_under_a_lock_is_told_as_it_is_even_if_the_lock_cannot_be_given_back(cloud: Cloud) -> None:
    store = host(cloud)

    def run() -> None:
        with store.lease("sync", who="ada") as lease:
            cloud.away = NetworkError("no answer to the save")
            with store.transaction(CTX, fence=lease) as tx:
                tx.save(A, {"n": 1})

    with pytest.raises(NetworkError, match="save"):
        run()
