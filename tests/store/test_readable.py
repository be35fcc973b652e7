"""What is saved can be read by every process, whatever this one's parsers would take."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import InvalidContentError
from sheetsync.store import Store, VersionedStore, fsck
from sheetsync.store.content import MAX_DEPTH

CTX = RequestContext(user="ada")


@contextmanager
def without_limits() -> Iterator[None]:
    """A process whose limits were raised, as programs of much data do."""
    depth, digits = sys.getrecursionlimit(), sys.get_int_max_str_digits()
    sys.setrecursionlimit(50_000)
    sys.set_int_max_str_digits(0)
    try:
        yield
    finally:
        sys.setrecursionlimit(depth)
        sys.set_int_max_str_digits(digits)


def nested(levels: int) -> dict[str, object]:
    value: dict[str, object] = {"end": 1}
    for _ in range(levels - 1):
        value = {"in": value}
    return value


@pytest.mark.parametrize(
    ("value", "what"),
    [
        (nested(MAX_DEPTH + 1), "nested"),
        (nested(1500), "nested"),
        ({"n": 10**5000}, "digits"),
        ({"n": [-(10**5000)]}, "digits"),
    ],
)
def test_what_another_process_could_not_read_is_refused(value: dict[str, object], what: str, folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", {"x": 1})
        with without_limits(), pytest.raises(InvalidContentError, match=what):
            named.save("alpha", value)
        with without_limits(), pytest.raises(InvalidContentError, match=what):
            named.store.note(CTX, "why", value)
        assert named.store.head() == 1
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("value", [nested(MAX_DEPTH), {"n": 2**70}, {"n": 10**400}, {"n": 10**3999, "f": 1e22, "m": 0}])
def test_what_is_taken_reads_back_everywhere(value: dict[str, object], folder: Path) -> None:
    with VersionedStore(CTX, url=folder) as named:
        named.save("alpha", value)
        named.store.note(CTX, "why", value)
    with Store.open(folder) as store:
        (first, second) = store.log()
        assert first.snapshots[0].content == value
        assert second.details == value
    assert fsck(folder).findings == ()
