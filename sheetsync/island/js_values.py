"""Values as a JavaScript engine has them, and their JSON form: numbers, UTF-16 strings, key order, `undefined`.

Here live the conversions of the language (ToString, ToNumber, ToBoolean) for values that a constant can have. What an
expression is worth is in `evaluator`; what a module exports is in `modules`. Source: ECMA-262, sections 6.1 and 7.1.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

from sheetsync.domain.canonical import JSONValue


class Undefined(Enum):
    """The type of the one value `undefined`."""

    UNDEFINED = "undefined"


UNDEFINED: Final = Undefined.UNDEFINED
JSValue: TypeAlias = "float | str | bool | Undefined | list[JSValue] | dict[str, JSValue] | None"  # every number: float

INDEX_LIMIT: Final = 2**32 - 1  # an array index is below it; such keys come first, in numeric order
PLAIN_LIMIT: Final = 1e21  # numbers below it are written without an exponent
SMALL_EXPONENT: Final = -6
_INDEX: Final = re.compile(r"0|[1-9][0-9]{0,9}")
_DECIMAL: Final = re.compile(r"[+-]?(?:Infinity|(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?)", re.ASCII)
_RADIX: Final = {"0x": 16, "0o": 8, "0b": 2}
_WHITE: Final = "\t\n\v\f\r \u00a0\u1680\u2028\u2029\u202f\u205f\u3000\ufeff" + "".join(map(chr, range(0x2000, 0x200B)))


class NoJSONFormError(ValueError):
    """A value that has no JSON form: NaN, an infinity, half of a surrogate pair."""


def number_text(value: float) -> str:
    """Number::toString with radix 10 (ECMA-262, 6.1.6.1.20)."""
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0:
        return "0"
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    text = "".join(str(digit) for digit in digits)
    assert isinstance(exponent, int)  # noqa: S101 - it is a letter only for NaN and infinities
    point = len(text) + exponent  # where the decimal point stands in `text`
    if len(text) <= point <= 21:
        body = text + "0" * (point - len(text))
    elif 0 < point <= 21:
        body = f"{text[:point]}.{text[point:]}"
    elif SMALL_EXPONENT < point <= 0:
        body = f"0.{'0' * -point}{text}"
    else:
        mantissa = f"{text[0]}.{text[1:]}" if len(text) > 1 else text
        body = f"{mantissa}e{'+' if point > 0 else '-'}{abs(point - 1)}"
    return f"-{body}" if sign else body


def text_number(text: str) -> float:
    """StringToNumber: what a string is as a number; NaN if it is none."""
    stripped = text.strip(_WHITE)
    if not stripped:
        return 0.0
    radix = _RADIX.get(stripped[:2].lower())
    if radix is not None:
        try:
            return float(int(stripped[2:], radix)) if stripped[2:].isalnum() else math.nan
        except ValueError:
            return math.nan
        except OverflowError:
            return math.inf
    if not _DECIMAL.fullmatch(stripped):
        return math.nan
    return float(stripped.replace("Infinity", "inf"))


def to_text(value: JSValue) -> str:
    """ToString. An array is its elements joined by commas, an object `[object Object]`."""
    if isinstance(value, str):
        return value
    if value is None:
        return "null"
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    if isinstance(value, list):
        return ",".join("" if item is None or item is UNDEFINED else to_text(item) for item in value)
    return "[object Object]"


def to_number(value: JSValue) -> float:
    """ToNumber."""
    if isinstance(value, bool):
        return 1.0 if value else 0.0
    if isinstance(value, float):
        return value
    if value is None:
        return 0.0
    if value is UNDEFINED:
        return math.nan
    return text_number(to_text(value))


def is_truthy(value: JSValue) -> bool:
    """ToBoolean."""
    if value is None or value is UNDEFINED:
        return False
    if isinstance(value, float):
        return value != 0 and not math.isnan(value)
    if isinstance(value, (str, bool)):
        return bool(value)
    return True


def type_name(value: JSValue) -> str:
    """What `typeof` gives."""
    if value is UNDEFINED:
        return "undefined"
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "number"
    return "string" if isinstance(value, str) else "object"


def code_units(text: str) -> bytes:
    """The UTF-16 code units, two bytes each, big-endian: their order is the order of JavaScript's strings."""
    return text.encode("utf-16-be", "surrogatepass")


def ordered_keys(value: dict[str, JSValue]) -> list[str]:
    """The own keys in JavaScript's order: array indices ascending, then the others as they were added."""
    indices = [key for key in value if _INDEX.fullmatch(key) and int(key) < INDEX_LIMIT]
    if not indices:
        return list(value)
    first = sorted(indices, key=int)
    return first + [key for key in value if key not in set(indices)]


def to_json(value: JSValue) -> JSONValue:
    """As `JSON.stringify` gives it: `undefined` leaves an object and is null in an array.

    Raises:
        NoJSONFormError: NaN and infinities (which `JSON.stringify` would silently make null), and lone surrogates.
    """
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, str):
        return paired(value)
    if isinstance(value, float):
        return plain_number(value)
    if isinstance(value, list):
        return [None if item is UNDEFINED else to_json(item) for item in value]
    if value is UNDEFINED:
        raise NoJSONFormError("undefined has no JSON form")
    return {paired(key): to_json(value[key]) for key in ordered_keys(value) if value[key] is not UNDEFINED}


def paired(text: str) -> str:
    """The string with its surrogate pairs joined.

    Raises:
        NoJSONFormError: half of a pair stands alone.
    """
    if text.isascii():
        return text
    try:
        return code_units(text).decode("utf-16-be")
    except UnicodeDecodeError as exc:
        raise NoJSONFormError("half of a surrogate pair has no UTF-8 form") from exc


def plain_number(value: float) -> int | float:
    """The number as JSON readers take it: whole numbers that are written without an exponent are integers."""
    if not math.isfinite(value):
        raise NoJSONFormError(f"{number_text(value)} has no JSON form")
    if value == int(value) and abs(value) < PLAIN_LIMIT:
        return int(number_text(value))
    return value
