"""The fast way to canonical JSON gives the bytes of the slow one, or steps aside."""

from __future__ import annotations

import enum
import json
import math
import uuid
from collections import OrderedDict
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.canonical import canonical_json, plain_json

NUMBERS = st.integers() | st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text() | st.from_regex(r'[:,\["\\]*-?[0-9]{1,3}[.e]?[0-9]*', fullmatch=True)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=12,
)


def by_the_book(value: object) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


@given(JSON)
def test_the_fast_way_gives_the_same_bytes(value: object) -> None:
    assert plain_json(value) in (None, by_the_book(value))
    assert canonical_json(value) == by_the_book(value)


def test_every_character_is_written_alike() -> None:
    text = "".join(chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000)
    assert plain_json({text: text}) == by_the_book({text: text})


@pytest.mark.parametrize(
    "number", [0.5, -0.0, 1e16, -1e16, 1e-5, 5e-324, 1.7976931348623157e308, 1e22, 123456789012345680.0, 0.0001]
)
def test_fractions_keep_the_form_that_stores_have(number: float) -> None:
    for value in (number, [number], [1, number], {"a": number}, {"1.5": number}):
        assert plain_json(value) is None
        assert canonical_json(value) == by_the_book(value)


def test_what_looks_like_a_fraction_only_in_a_text_is_no_reason_to_step_aside() -> None:
    value = {"version": "1.2.0", "hash": "3e8a", "url": "https://a.example/v1.5?x=1.5", "n": 10, "none": None}
    assert plain_json(value) == by_the_book(value)


class Colour(enum.Enum):
    RED = "red"


@dataclass
class Point:
    x: int


class Pair(NamedTuple):
    a: int
    b: int


@pytest.mark.parametrize(
    "value",
    [
        math.nan,
        math.inf,
        -math.inf,
        Colour.RED,
        uuid.UUID(int=7),
        datetime(2026, 1, 7, tzinfo=UTC),
        datetime(2026, 1, 7, tzinfo=UTC).date(),
        Point(1),
        b"bytes",
        {1, 2},
        object(),
        {None: 1},
        "\ud800",
    ],
)
def test_what_has_no_json_form_of_its_own_is_never_guessed_at(value: object) -> None:
    assert plain_json({"x": value}) is None
    assert plain_json({"x": [value, None]}) is None


@pytest.mark.parametrize("value", [Pair(1, 2), (1, 2), OrderedDict(b=1, a=2), 2**64, -(2**63) - 1, {1: "a"}])
def test_what_only_the_slow_way_knows_is_left_to_it(value: object) -> None:
    assert plain_json({"x": value}) is None
    assert canonical_json({"x": value}) == by_the_book({"x": value})
