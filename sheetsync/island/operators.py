"""The operators of JavaScript over constants: arithmetic on doubles and 32-bit integers, and comparison.

`+` and the logical operators are in `evaluator`, since they depend on more than two numbers. Source: ECMA-262, 6.1.6.1.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

from sheetsync.island.js_values import UNDEFINED, JSValue, code_units


def compare(sign: str, left: JSValue, right: JSValue) -> bool | None:
    """What a comparison gives; None if it is none, or one that would convert its sides."""
    if sign in ("===", "!=="):
        return is_same(left, right) == (sign == "===")
    if sign in ("==", "!="):
        empty = [value is None or value is UNDEFINED for value in (left, right)]
        if any(empty):
            return all(empty) == (sign == "==")
        return is_same(left, right) == (sign == "==") if type(left) is type(right) else None
    if sign not in _ORDER:
        return None
    if isinstance(left, float) and isinstance(right, float):
        return _ORDER[sign](left, right)
    if isinstance(left, str) and isinstance(right, str):
        return _ORDER[sign](code_units(left), code_units(right))
    return None


def is_same(left: JSValue, right: JSValue) -> bool:
    """`===`: objects are the same only if they are one."""
    if type(left) is not type(right):
        return False
    if isinstance(left, (list, dict)):
        return left is right
    return left == right


def int32(number: float) -> int:
    """ToInt32."""
    if not math.isfinite(number):
        return 0
    return ((int(number) + 2**31) % 2**32) - 2**31


def _divide(left: float, right: float) -> float:
    if right != 0:
        return left / right
    if left == 0 or math.isnan(left):
        return math.nan
    return math.copysign(math.inf, left) * math.copysign(1.0, right)


def _remainder(left: float, right: float) -> float:
    if math.isinf(left) or right == 0:
        return math.nan
    return math.fmod(left, right)


def _power(left: float, right: float) -> float:
    if right == 0:
        return 1.0
    if math.isnan(right) or (abs(left) == 1 and math.isinf(right)):
        return math.nan
    try:
        return math.pow(left, right)
    except OverflowError:
        return -math.inf if left < 0 and right % 2 == 1 else math.inf
    except ValueError:  # a negative base with a fraction, or zero to a negative power
        return math.inf if left == 0 else math.nan


_ORDER: Final[dict[str, Callable[[float | bytes, float | bytes], bool]]] = {
    "<": lambda a, b: a < b,  # type: ignore[operator]  # both sides are of one type
    ">": lambda a, b: a > b,  # type: ignore[operator]
    "<=": lambda a, b: a <= b,  # type: ignore[operator]
    ">=": lambda a, b: a >= b,  # type: ignore[operator]
}
ARITHMETIC: Final[dict[str, Callable[[float, float], float]]] = {
    "-": lambda a, b: a - b,
    "*": lambda a, b: a * b,
    "/": _divide,
    "%": _remainder,
    "**": _power,
    "|": lambda a, b: float(int32(a) | int32(b)),
    "&": lambda a, b: float(int32(a) & int32(b)),
    "^": lambda a, b: float(int32(a) ^ int32(b)),
    "<<": lambda a, b: float(int32(float(int32(a) << (int32(b) & 31)))),
    ">>": lambda a, b: float(int32(a) >> (int32(b) & 31)),
    ">>>": lambda a, b: float((int32(a) % 2**32) >> (int32(b) & 31)),
}
