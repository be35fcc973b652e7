"""`VersionedStore`: a version of a name, by each thing that it is known by; and what a transaction may note."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import InvalidIdError, NotFoundError, UsageError
from sheetsync.store import Snapshot, VersionedStore

CTX = RequestContext(user="ada@example.com")


@pytest.fixture
def saved(named: VersionedStore) -> list[Snapshot]:
    """Three versions of `alpha`, and one of `beta` between them."""
    first = named.save("alpha", {"n": 1})
    named.save("beta", {"n": 1})
    return [first, named.save("alpha", {"n": 2}), named.save("alpha", {"n": 1})]


def test_a_version_is_had_by_its_number_its_snapshot_and_its_file_name(
    named: VersionedStore, saved: list[Snapshot]
) -> None:
    for number, snapshot in enumerate(saved, start=1):
        assert named.at("alpha", number) == named.at("alpha", snapshot) == snapshot
        assert named.at("alpha", snapshot.filename) == snapshot
        assert named.at(name="alpha", when=number).content == snapshot.content


def test_the_state_after_a_commit_is_had_as_ever(named: VersionedStore, saved: list[Snapshot]) -> None:
    for when in (saved[1], saved[1].commit, named.store.commit(saved[1].commit)):
        assert named.at(when).latest("alpha") == saved[1]
        assert named.at(when=when).names() == ["alpha", "beta"]


@pytest.mark.parametrize("when", [0, -1, 4, 10**30, "", "alpha", "alpha--2026-01-07T12-00-00Z--00000000.json"])
def test_a_version_that_is_not_there_is_not_found(
    named: VersionedStore, saved: list[Snapshot], when: int | str
) -> None:
    with pytest.raises(NotFoundError, match="'alpha' has no"):
        named.at("alpha", when)


def test_neither_is_a_name_nor_what_is_another_names(named: VersionedStore, saved: list[Snapshot]) -> None:
    for when in (1, saved[0], saved[0].filename):
        with pytest.raises(NotFoundError, match="'gamma' has no"):
            named.at("gamma", when)
    with pytest.raises(NotFoundError, match="'beta' has no"):
        named.at("beta", saved[0])
    with pytest.raises(InvalidIdError):
        named.at("../alpha", 1)


def test_nor_is_a_snapshot_of_another_store(named: VersionedStore, saved: list[Snapshot], tmp_path: Path) -> None:
    with VersionedStore(CTX, url=tmp_path / "other") as other:
        theirs = other.save("alpha", {"n": 1})
    with pytest.raises(NotFoundError, match="'alpha' has no"):
        named.at("alpha", theirs)


@pytest.mark.parametrize("when", [None, True, 1.0, b"1", [1]])
def test_what_names_no_version_is_a_usage_error(named: VersionedStore, saved: list[Snapshot], when: Any) -> None:
    with pytest.raises(UsageError, match="version"):
        named.at("alpha", when)


@pytest.mark.parametrize("name", [1, None])
def test_a_version_is_asked_for_by_name(named: VersionedStore, saved: list[Snapshot], name: Any) -> None:
    with pytest.raises(UsageError, match="name"):
        named.at(name, 1)
    with pytest.raises(UsageError):
        named.at("alpha")  # type: ignore[call-overload]
    with pytest.raises(UsageError):
        named.at()  # type: ignore[call-overload]


@pytest.mark.parametrize("details", [None, 5, "x", ["x"], [("x", 1)], {("x", 1)}])
def test_details_that_are_no_mapping_end_the_transaction_before_it_writes(named: VersionedStore, details: Any) -> None:
    store, tx = named.store, named.store.transaction(CTX)
    tx.save(named.record("alpha"), {"n": 1})
    tx.details = details
    with pytest.raises(UsageError, match=rf"details is a {type(details).__name__}"):
        tx.__exit__(None, None, None)
    assert (store.head(), named.latest("alpha"), tx.commit) == (0, None, None)
    with pytest.raises(UsageError, match="over"):
        tx.save(named.record("alpha"), {"n": 1})


def test_what_failed_inside_is_told_whatever_the_details_are(named: VersionedStore) -> None:
    def fail() -> None:
        with named.store.transaction(CTX) as tx:
            tx.details = None  # type: ignore[assignment]
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
