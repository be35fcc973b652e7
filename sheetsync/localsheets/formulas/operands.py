"""What functions work on: ranges, and values turned into numbers, texts and booleans as spreadsheets do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from sheetsync.localsheets import entry
from sheetsync.localsheets.cell import CellError, Value
from sheetsync.localsheets.locales import locale_of
from sheetsync.localsheets.numberformat import general


class Range(NamedTuple):
    """A rectangle of values, with where it lies (None for a literal array)."""

    rows: list[list[Value]]
    row: int | None = None
    col: int | None = None

    def flat(self) -> Iterator[Value]:
        """All values, row by row."""
        for row in self.rows:
            yield from row


Operand = Value | Range


class FormulaError(Exception):
    """An error value on its way up."""

    def __init__(self, kind: str, message: str = "") -> None:
        super().__init__(message)
        self.error = CellError(kind, message)


def scalar(value: Operand) -> Value:
    """One value: of a range, its first."""
    if isinstance(value, Range):
        value = value.rows[0][0] if value.rows and value.rows[0] else None
    if isinstance(value, CellError):
        raise FormulaError(*value)
    return value


def number(value: Operand, name: str = "VALUE", place: int = 1) -> float:
    """A number; booleans count 1 and 0, blanks 0, texts what they would be if typed.

    Raises:
        FormulaError: it is none.
    """
    one = scalar(value)
    if one is None:
        return 0
    if isinstance(one, (bool, int, float)):
        return one if not isinstance(one, bool) else int(one)
    typed = entry.read(str(one), "en_US").value if one != "" else None
    if isinstance(typed, (int, float)) and not isinstance(typed, bool):
        return typed
    raise FormulaError(
        "VALUE",
        f"Function {name} parameter {place} expects number values. But '{one}' is a text and cannot be coerced to a"
        " number.",
    )


def text(value: Operand) -> str:
    """A text, as the value would be shown."""
    one = scalar(value)
    if one is None:
        return ""
    if isinstance(one, bool):
        return "TRUE" if one else "FALSE"
    if isinstance(one, (int, float)):
        return general(one, locale_of("en_US"))
    return str(one)


def truth(value: Operand, name: str = "IF") -> bool:
    """A boolean; numbers but 0 are true.

    Raises:
        FormulaError: a text that is neither TRUE nor FALSE.
    """
    one = scalar(value)
    if isinstance(one, str):
        if one.upper() in ("TRUE", "FALSE"):
            return one.upper() == "TRUE"
        raise FormulaError(
            "VALUE",
            f"Function {name} parameter 1 expects boolean values. But '{one}' is a text and cannot be coerced to a"
            " boolean.",
        )
    return bool(one)


def values(operands: tuple[Operand, ...]) -> Iterator[Value]:
    """All values of some arguments, ranges flattened; errors surface."""
    for operand in operands:
        for value in operand.flat() if isinstance(operand, Range) else (operand,):
            if isinstance(value, CellError):
                raise FormulaError(*value)
            yield value


def numbers(operands: tuple[Operand, ...], name: str = "SUM") -> Iterator[float]:
    """The numbers among some arguments: in ranges only true numbers count, given directly anything that is one."""
    for place, operand in enumerate(operands, 1):
        if isinstance(operand, Range):
            for value in operand.flat():
                if isinstance(value, CellError):
                    raise FormulaError(*value)
                if isinstance(value, (int, float)) and not isinstance(value, bool):
                    yield value
        elif operand is not None:
            yield number(operand, name, place)


def grid(value: Operand) -> list[list[Value]]:
    """A rectangle of values; one value is a rectangle of itself."""
    return value.rows if isinstance(value, Range) else [[value]]


def compare(left: Operand, right: Operand) -> int:
    """-1, 0 or 1: numbers before texts before booleans; texts in any case; blanks equal what is empty."""
    a, b = scalar(left), scalar(right)
    if a is None or b is None:
        a, b = _like(a, b), _like(b, a)
    rank_a, rank_b = _rank(a), _rank(b)
    if rank_a != rank_b:
        return -1 if rank_a < rank_b else 1
    key_a: Any = a.casefold() if isinstance(a, str) else a
    key_b: Any = b.casefold() if isinstance(b, str) else b
    return int(key_a > key_b) - int(key_a < key_b)


def _rank(value: Value) -> int:
    return 2 if isinstance(value, bool) else 0 if isinstance(value, (int, float)) else 1


def _like(value: Value, other: Value) -> Value:
    if value is not None:
        return value
    if isinstance(other, bool):
        return False
    return "" if isinstance(other, str) else 0
