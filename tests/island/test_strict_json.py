"""JSON sources are read strictly, and exactly."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.island.strict_json import read_json

TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-(2**62), 2**62) | st.floats(allow_nan=False, allow_infinity=False)
KEYS = TEXTS.filter(lambda key: key != "__proto__")
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEYS, inner, max_size=4),
)


@given(VALUES, st.booleans())
def test_any_json_value_reads_back(value: Any, ascii_only: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=ascii_only).encode("utf-8")) == (value, None)


@pytest.mark.parametrize(
    ("text", "code", "place"),
    [
        (b'{"a": 1, "a": 2}', "duplicate_key", (1, 1)),
        (b'{"x": {"__proto__": {}}}', "proto_key", (1, 1)),
        (b"[" * 10_000 + b"]" * 10_000, "too_deep", (1, 201)),
        (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "too_deep", (1, 1001)),
        (b'{"a": \xff}', "not_utf8", (1, 1)),
        (b'{\n"a": NaN}', "syntax", (1, 1)),
        (b"[1e999]", "no_json_form", (1, 1)),
        (b'["\\ud800"]', "no_json_form", (1, 1)),
        (b'{"a":\n  [1 2]}', "syntax", (2, 6)),
        (b"", "syntax", (1, 1)),
        (b'{"a": 1} x', "syntax", (1, 10)),
    ],
)
def test_what_another_reader_could_take_differently_is_a_fault(text: bytes, code: str, place: tuple[int, int]) -> None:
    value, fault = read_json(text)
    assert value is None
    assert fault is not None
    assert (fault.code, (fault.line, fault.column)) == (code, place)


def test_brackets_in_strings_are_no_nesting() -> None:
    text = json.dumps(["[{" * 200 + '\\"[', {"a": "\\"}] * 3)
    assert read_json(text.encode())[0] == json.loads(text)


def test_a_number_beyond_64_bits_is_the_double_that_javascript_reads() -> None:
    assert read_json(b"[12345678901234567890123]")[0] == [1.2345678901234568e22]


def test_a_byte_order_mark_is_no_part_of_the_value() -> None:
    assert read_json(b'\xef\xbb\xbf{"a": 1}') == ({"a": 1}, None)


@pytest.mark.parametrize("runs", [3_000, pytest.param(200_000, marks=pytest.mark.torture)])
def test_no_bytes_make_the_reader_crash(runs: int) -> None:
    rng = random.Random(17)
    base = json.dumps({"a": [1, -2.5e3, {"b": "\u00e9\\ \n"}], "c": None}, ensure_ascii=False).encode()
    for _ in range(runs):
        data = bytearray(base)
        for _ in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        read_json(bytes(data))


@pytest.mark.shared
def test_every_shared_connector_is_read_as_json_gives_it(shared: Path) -> None:
    files = sorted((shared / "connectors").glob("*/*.json"))
    assert len(files) == 245
    for file in files:
        assert read_json(file.read_bytes()) == (json.loads(file.read_bytes()), None)
