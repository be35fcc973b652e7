"""A lease's name is a file's name on disk, and in a bucket not; the same names are taken on both."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync.errors import InvalidIdError
from sheetsync.store import Store


@pytest.fixture(params=["disk", "memory"])
def store(request: pytest.FixtureRequest, folder: Path) -> Store:
    """A store on each medium."""
    return Store.open(folder if request.param == "disk" else "memory://")


@pytest.mark.parametrize("name", ["sync", "é", "ÿ", "a/b", "..", "", "x\0y", "Sync", "con"])
def test_a_lease_that_is_taken_can_be_broken(name: str, store: Store) -> None:
    lease = store.lease(name, who="ada")
    assert [info.name for info in store.held()] == [name]
    broken = store.break_lease(name)
    assert broken is not None
    assert broken.who == "ada"
    assert store.held() == []
    lease.release()


@pytest.mark.parametrize("name", ["\u0100", "ā", "sync ✓", "😀", "\ud800"])
def test_a_name_that_could_not_be_told_from_its_file_is_refused(name: str, store: Store) -> None:
    with pytest.raises(InvalidIdError, match="is not a lease's name"):
        store.lease(name, who="ada")
    assert store.held() == []
    assert store.head() == 0
