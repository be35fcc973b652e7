"""The one byte form of a JSON value. Apart from the models, which are heavy to import: the store does without them."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson

JSONValue = Any  # JSON as the outside gave it: only ever carried, compared and written, never interpreted

_CANONICAL: Final = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False, check_circular=False
)
_PLAIN: Final = (
    orjson.OPT_SORT_KEYS
    | orjson.OPT_PASSTHROUGH_SUBCLASS
    | orjson.OPT_PASSTHROUGH_DATACLASS
    | orjson.OPT_PASSTHROUGH_DATETIME
)
_DIGITS_AND_POINTS: Final = bytes.maketrans(b"123456789e", b"000000000.")
_FRACTION: Final = re.compile(rb"(?:\A|[:,\[])-?[0-9]+[.e]")


def canonical_json(value: JSONValue) -> bytes:
    """The one byte form of a JSON value: sorted keys, no spaces, UTF-8 (design.md section 3).

    Raises:
        ValueError: for NaN, infinities and lone surrogates, which have no JSON form.
        RecursionError: it is nested too deeply, or holds itself.
    """
    data = plain_json(value)
    return _CANONICAL.encode(value).encode("utf-8") if data is None else data


def plain_json(value: JSONValue) -> bytes | None:
    """The canonical form the fast way; None where only the slow way is sure to be right.

    orjson writes the same bytes, but for fractions (1e16 where Python has 1e+16), and it writes null for NaN and text
    for a few things that have no JSON form. So what may hold a fraction, or does not read back equal, is not believed.
    """
    try:
        data = orjson.dumps(value, option=_PLAIN)
    except TypeError:
        return None
    if b"0." in data.translate(_DIGITS_AND_POINTS) and _FRACTION.search(data):
        return None
    return data if orjson.loads(data) == value else None
