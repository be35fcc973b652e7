"""The base of every value of the domain: frozen, closed, and byte-stable as JSON."""

from __future__ import annotations

import json
import re
from typing import Any, Final, Self

import orjson
from pydantic import BaseModel, ConfigDict, ValidationError

from sheetsync.errors import InvalidContentError

MISTAKES_SHOWN: Final = 5

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


class Model(BaseModel):
    """A frozen value; unknown keys are refused; the same value always gives the same JSON."""

    model_config = ConfigDict(frozen=True, extra="forbid", ser_json_inf_nan="strings")

    def to_json(self) -> dict[str, JSONValue]:
        """As plain JSON values, ready for `canonical_json`."""
        return self.model_dump(mode="json")

    @classmethod
    def from_json(cls, value: JSONValue, *, where: str = "") -> Self:
        """Parse a JSON value.

        Raises:
            InvalidContentError: names up to five places that are wrong.
        """
        try:
            return cls.model_validate(value)
        except ValidationError as exc:
            raise InvalidContentError(describe_validation(exc, where or cls.__name__)) from exc


def describe_validation(exc: ValidationError, where: str) -> str:
    """One line that names what is wrong and where, without echoing whole inputs."""
    parts = []
    for error in exc.errors(include_url=False, include_input=False)[:MISTAKES_SHOWN]:
        place = ".".join(str(step) for step in error["loc"])
        parts.append(f"{place}: {error['msg']}" if place else error["msg"])
    more = len(exc.errors()) - len(parts)
    return f"{where}: " + "; ".join(parts) + (f"; and {more} more" if more > 0 else "")
