"""Operators, arithmetic, statistics, logic, counting by criteria."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable
from decimal import ROUND_DOWN, ROUND_HALF_UP, ROUND_UP, Decimal
from typing import Final

from sheetsync.localsheets import entry
from sheetsync.localsheets.cell import CellError, Value
from sheetsync.localsheets.formulas.operands import (
    FormulaError,
    Operand,
    Range,
    compare,
    grid,
    number,
    numbers,
    scalar,
    text,
    truth,
    values,
)


def _each(name: str, left: Operand, right: Operand, work: Callable[[Operand, Operand], Value]) -> Operand:
    """Apply an operator to two operands, item by item where one is a range of several values."""
    rows_a, rows_b = grid(left), grid(right)
    height, width = max(len(rows_a), len(rows_b)), max(len(rows_a[0] or [0]), len(rows_b[0] or [0]))
    if height == 1 and width == 1:
        return work(left, right)
    del name

    def pick(rows: list[list[Value]], row: int, col: int) -> Value:
        line = rows[row if len(rows) > 1 else 0]
        return line[col if len(line) > 1 else 0]

    result: list[list[Value]] = []
    for row in range(height):
        line: list[Value] = []
        for col in range(width):
            try:
                line.append(work(pick(rows_a, row, col), pick(rows_b, row, col)))
            except FormulaError as exc:
                line.append(exc.error)
            except IndexError:
                line.append(CellError("N_A"))
        result.append(line)
    return Range(result)


def _arithmetic(name: str, work: Callable[[float, float], float]) -> Callable[[Operand, Operand], Operand]:
    def function(left: Operand, right: Operand) -> Operand:
        return _each(name, left, right, lambda a, b: work(number(a, name, 1), number(b, name, 2)))

    return function


def _divide(left: float, right: float) -> float:
    if right == 0:
        raise FormulaError("DIVIDE_BY_ZERO", "Function DIVIDE parameter 2 cannot be zero.")
    return left / right


def _power(base: float, exponent: float) -> float:
    try:
        found = base**exponent
    except ZeroDivisionError:
        raise FormulaError("DIVIDE_BY_ZERO", "Function POWER evaluates to a division by zero.") from None
    if isinstance(found, complex):
        raise FormulaError("NUM", f"Function POWER parameter values {base} and {exponent} have no real result.")
    return float(found)


def _comparison(test: Callable[[int], bool]) -> Callable[[Operand, Operand], Operand]:
    return lambda left, right: _each("", left, right, lambda a, b: test(compare(a, b)))


def _mod(left: Operand, right: Operand) -> Operand:
    divisor = number(right, "MOD", 2)
    if divisor == 0:
        raise FormulaError("DIVIDE_BY_ZERO", "Function MOD parameter 2 cannot be zero.")
    return number(left, "MOD") % divisor


def _rounding(mode: str) -> Callable[..., Operand]:
    def function(value: Operand, places: Operand = 0) -> Operand:
        digits = int(number(places, "ROUND", 2))
        exact = Decimal(repr(float(number(value, "ROUND"))))
        return float(exact.quantize(Decimal(1).scaleb(-digits), mode))

    return function


def _average(*operands: Operand) -> Operand:
    found = list(numbers(operands, "AVERAGE"))
    if not found:
        raise FormulaError("DIVIDE_BY_ZERO", "Evaluation of function AVERAGE caused a divide by zero error.")
    return math.fsum(found) / len(found)


def _total(found: list[float]) -> float:
    return sum(found) if all(isinstance(one, int) for one in found) else math.fsum(found)


def _count(*operands: Operand) -> Operand:
    total = 0
    for operand in operands:
        for value in operand.flat() if isinstance(operand, Range) else (operand,):
            total += isinstance(value, (int, float)) and not isinstance(value, bool)
    return total


def _count_all(*operands: Operand) -> Operand:
    return sum(
        value is not None
        for operand in operands
        for value in (operand.flat() if isinstance(operand, Range) else (operand,))
    )


def _count_blank(*operands: Operand) -> Operand:
    return sum(
        value in (None, "")
        for operand in operands
        for value in (operand.flat() if isinstance(operand, Range) else (operand,))
    )


def _count_unique(*operands: Operand) -> Operand:
    return len({(type(value) is bool, value) for value in values(operands) if value is not None})


def _root(value: Operand) -> Operand:
    found = number(value, "SQRT")
    if found < 0:
        raise FormulaError(
            "NUM", f"Function SQRT parameter 1 value is {found:g}. It should be greater than or equal to 0."
        )
    return math.sqrt(found)


def _logarithm(value: Operand, base: Operand = 10) -> Operand:
    found = number(value, "LOG")
    if found <= 0:
        raise FormulaError("NUM", f"Function LOG parameter 1 value is {found:g}. It should be greater than 0.")
    return math.log(found) / math.log(number(base, "LOG", 2))


def _multiple(up: bool) -> Callable[..., Operand]:
    def function(value: Operand, factor: Operand = 1) -> Operand:
        step = number(factor)
        if step == 0:
            return 0
        quotient = Decimal(repr(float(number(value)))) / Decimal(repr(float(step)))
        return float((math.ceil(quotient) if up else math.floor(quotient)) * Decimal(repr(float(step))))

    return function


def _statistic(name: str, work: Callable[[list[float]], float], least: int) -> Callable[..., Operand]:
    def function(*operands: Operand) -> Operand:
        found = list(numbers(operands, name))
        if len(found) < least:
            raise FormulaError("DIVIDE_BY_ZERO", f"Evaluation of function {name} caused a divide by zero error.")
        return float(work(found))

    return function


def _nth(largest: bool) -> Callable[[Operand, Operand], Operand]:
    def function(data: Operand, place: Operand) -> Operand:
        found = sorted(numbers((data,)), reverse=largest)
        at = int(number(place))
        if not 1 <= at <= len(found):
            raise FormulaError("NUM", f"Function parameter 2 value {at} is out of range.")
        return found[at - 1]

    return function


def _rank(value: Operand, data: Operand, ascending: Operand = 0) -> Operand:
    found = sorted(numbers((data,)), reverse=not number(ascending))
    wanted = number(value)
    if wanted not in found:
        raise FormulaError("N_A", "Did not find the value in RANK evaluation.")
    return found.index(wanted) + 1


def _factor(item: Value, *, alone: bool) -> float:
    """What an item counts in SUMPRODUCT: texts nothing, booleans only in a single array."""
    if isinstance(item, bool):
        return int(item) if alone else 0
    return item if isinstance(item, (int, float)) else 0


def _sum_product(*operands: Operand) -> Operand:
    grids = [grid(operand) for operand in operands]
    if len({(len(rows), len(rows[0])) for rows in grids}) > 1:
        raise FormulaError("VALUE", "Function SUMPRODUCT has mismatched range sizes.")
    total: float = 0
    for lines in zip(*grids, strict=True):
        for items in zip(*lines, strict=True):
            total += math.prod(_factor(item, alone=len(grids) == 1) for item in items)
    return total


# Criteria, as COUNTIF and its family take them.

Test = Callable[[Value], bool]
_CRITERION: Final = re.compile(r"(<=|>=|<>|=|<|>)?(.*)", re.DOTALL)


def criterion(wanted: Operand) -> Test:
    """Whether a value meets a criterion such as `">5"`, `"a*"` or `3`."""
    value = scalar(wanted)
    if not isinstance(value, str):
        return lambda one: type(one) is not str and one is not None and compare(one, value) == 0
    match = _CRITERION.fullmatch(value)
    operator, rest = (match[1] or "=", match[2]) if match else ("=", value)
    typed = entry.read(rest, "en_US").value if rest else None
    if isinstance(typed, (int, float, bool)):
        return _number_test(operator, typed)
    if operator in ("=", "<>"):
        pattern = re.compile(_wildcards(rest), re.IGNORECASE | re.DOTALL)
        if not rest:
            return lambda one: (one in (None, "")) == (operator == "=")
        return lambda one: bool(isinstance(one, str) and pattern.fullmatch(one)) == (operator == "=")
    return lambda one: isinstance(one, str) and _holds(operator, compare(one, rest))


def _number_test(operator: str, wanted: float | bool) -> Test:
    def test(one: Value) -> bool:
        same_kind = isinstance(one, (int, float)) and isinstance(one, bool) == isinstance(wanted, bool)
        if not same_kind:
            return operator == "<>"
        return _holds(operator, compare(one, wanted))

    return test


def _holds(operator: str, order: int) -> bool:
    return {"=": order == 0, "<>": order != 0, "<": order < 0, ">": order > 0, "<=": order <= 0, ">=": order >= 0}[
        operator
    ]


def _wildcards(pattern: str) -> str:
    parts = re.split(r"(~[*?~]|[*?])", pattern)
    signs = {"*": ".*", "?": "."}
    return "".join(
        signs.get(part, re.escape(part[1:] if part[:1] == "~" and len(part) == 2 else part)) for part in parts
    )


def _matching(pairs: tuple[Operand, ...]) -> list[bool]:
    """For each place of some ranges of one size, whether all criteria hold there."""
    kept: list[bool] | None = None
    for data, wanted in zip(pairs[::2], pairs[1::2], strict=True):
        test = criterion(wanted)
        hits = [test(value) for row in grid(data) for value in row]
        if kept is not None and len(kept) != len(hits):
            raise FormulaError("VALUE", "Array arguments are of different size.")
        kept = hits if kept is None else [a and b for a, b in zip(kept, hits, strict=True)]
    return kept or []


def _count_if(*pairs: Operand) -> Operand:
    return sum(_matching(pairs))


def _picked(data: Operand, hits: list[bool]) -> list[float]:
    flat = [value for row in grid(data) for value in row]
    return [
        value
        for value, hit in zip(flat, hits, strict=False)
        if hit and isinstance(value, (int, float)) and not isinstance(value, bool)
    ]


def _sum_if(data: Operand, wanted: Operand, total: Operand = None) -> Operand:
    return _total(_picked(data if total is None else total, _matching((data, wanted))))


def _sum_ifs(total: Operand, *pairs: Operand) -> Operand:
    return _total(_picked(total, _matching(pairs)))


def _mean(found: list[float], name: str) -> Operand:
    if not found:
        raise FormulaError("DIVIDE_BY_ZERO", f"Evaluation of function {name} caused a divide by zero error.")
    return math.fsum(found) / len(found)


def _average_if(data: Operand, wanted: Operand, total: Operand = None) -> Operand:
    return _mean(_picked(data if total is None else total, _matching((data, wanted))), "AVERAGEIF")


def _average_ifs(total: Operand, *pairs: Operand) -> Operand:
    return _mean(_picked(total, _matching(pairs)), "AVERAGEIFS")


def _best(pick: Callable[[list[float]], float]) -> Callable[..., Operand]:
    def function(total: Operand, *pairs: Operand) -> Operand:
        found = _picked(total, _matching(pairs))
        return pick(found) if found else 0

    return function


def _truths(operands: tuple[Operand, ...], name: str) -> list[bool]:
    return [truth(value, name) for value in values(operands) if value is not None]


def _xor(*operands: Operand) -> Operand:
    return sum(_truths(operands, "XOR")) % 2 == 1


def _not_available() -> Operand:
    raise FormulaError("N_A", "")


FUNCTIONS: Final[dict[str, Callable[..., Operand]]] = {
    "ADD": _arithmetic("ADD", lambda a, b: a + b),
    "MINUS": _arithmetic("MINUS", lambda a, b: a - b),
    "MULTIPLY": _arithmetic("MULTIPLY", lambda a, b: a * b),
    "DIVIDE": _arithmetic("DIVIDE", _divide),
    "POW": _arithmetic("POW", _power),
    "POWER": _arithmetic("POWER", _power),
    "UMINUS": lambda value: _each("", value, 0, lambda a, _b: -number(a, "UMINUS")),
    "UPLUS": lambda value: value,
    "UNARY_PERCENT": lambda value: number(value, "UNARY_PERCENT") / 100,
    "EQ": _comparison(lambda order: order == 0),
    "NE": _comparison(lambda order: order != 0),
    "LT": _comparison(lambda order: order < 0),
    "GT": _comparison(lambda order: order > 0),
    "LTE": _comparison(lambda order: order <= 0),
    "GTE": _comparison(lambda order: order >= 0),
    "CONCAT": lambda left, right: _each("", left, right, lambda a, b: text(a) + text(b)),
    "SUM": lambda *operands: _total(list(numbers(operands))),
    "AVERAGE": _average,
    "MIN": lambda *operands: min(numbers(operands, "MIN"), default=0),
    "MAX": lambda *operands: max(numbers(operands, "MAX"), default=0),
    "COUNT": _count,
    "COUNTA": _count_all,
    "COUNTBLANK": _count_blank,
    "COUNTUNIQUE": _count_unique,
    "COUNTIF": lambda data, wanted: _count_if(data, wanted),
    "COUNTIFS": _count_if,
    "SUMIF": _sum_if,
    "SUMIFS": _sum_ifs,
    "AVERAGEIF": _average_if,
    "AVERAGEIFS": _average_ifs,
    "MINIFS": _best(min),
    "MAXIFS": _best(max),
    "PRODUCT": lambda *operands: math.prod(numbers(operands, "PRODUCT")),
    "SUMPRODUCT": _sum_product,
    "SUMSQ": lambda *operands: math.fsum(one * one for one in numbers(operands, "SUMSQ")),
    "ROUND": _rounding(ROUND_HALF_UP),
    "ROUNDUP": _rounding(ROUND_UP),
    "ROUNDDOWN": _rounding(ROUND_DOWN),
    "TRUNC": _rounding(ROUND_DOWN),
    "INT": lambda value: math.floor(number(value, "INT")),
    "ABS": lambda value: abs(number(value, "ABS")),
    "SIGN": lambda value: (number(value, "SIGN") > 0) - (number(value, "SIGN") < 0),
    "MOD": _mod,
    "QUOTIENT": lambda left, right: int(_divide(number(left), number(right))),
    "SQRT": _root,
    "EXP": lambda value: math.exp(number(value, "EXP")),
    "LN": lambda value: _logarithm(value, math.e),
    "LOG": _logarithm,
    "LOG10": _logarithm,
    "PI": lambda: math.pi,
    "CEILING": _multiple(up=True),
    "FLOOR": _multiple(up=False),
    "MEDIAN": _statistic("MEDIAN", statistics.median, 1),
    "MODE": _statistic("MODE", statistics.mode, 1),
    "STDEV": _statistic("STDEV", statistics.stdev, 2),
    "STDEVP": _statistic("STDEVP", statistics.pstdev, 1),
    "VAR": _statistic("VAR", statistics.variance, 2),
    "VARP": _statistic("VARP", statistics.pvariance, 1),
    "LARGE": _nth(largest=True),
    "SMALL": _nth(largest=False),
    "RANK": _rank,
    "AND": lambda *operands: all(_truths(operands, "AND")),
    "OR": lambda *operands: any(_truths(operands, "OR")),
    "XOR": _xor,
    "NOT": lambda value: not truth(value, "NOT"),
    "TRUE": lambda: True,
    "FALSE": lambda: False,
    "NA": _not_available,
    "N": lambda value: number(value) if not isinstance(scalar(value), str) else 0,
}
