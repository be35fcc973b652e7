"""Functions that look something up, or tell the size of a range."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from sheetsync.localsheets.cell import Value
from sheetsync.localsheets.formulas.functions_math import criterion
from sheetsync.localsheets.formulas.operands import FormulaError, Operand, Range, compare, grid, number, scalar, truth


def _found(name: str, wanted: Value) -> FormulaError:
    return FormulaError("N_A", f"Did not find value '{wanted}' in {name} evaluation.")


def _place_of(name: str, wanted: Operand, line: list[Value], *, exact: bool, descending: bool = False) -> int:
    value = scalar(wanted)
    if exact:
        test = (
            criterion(value)
            if isinstance(value, str) and value[:1] not in "<>="
            else (lambda one: one is not None and compare(one, value) == 0)
        )
        for index, one in enumerate(line):
            if one is not None and test(one):
                return index
        raise _found(name, value)
    best = -1
    for index, one in enumerate(line):
        if one is None:
            continue
        order = compare(one, value)
        if order == 0 or (order < 0) != descending:
            best = index
        else:
            break
    if best < 0:
        raise _found(name, value)
    return best


def _vertical(wanted: Operand, table: Operand, index: Operand, is_sorted: Operand = True) -> Operand:
    rows = grid(table)
    at = int(number(index, "VLOOKUP", 3))
    if not 1 <= at <= len(rows[0]):
        raise FormulaError("REF", "VLOOKUP evaluates to an out of bounds range.")
    return rows[_place_of("VLOOKUP", wanted, [row[0] for row in rows], exact=not truth(is_sorted))][at - 1]


def _horizontal(wanted: Operand, table: Operand, index: Operand, is_sorted: Operand = True) -> Operand:
    rows = grid(table)
    at = int(number(index, "HLOOKUP", 3))
    if not 1 <= at <= len(rows):
        raise FormulaError("REF", "HLOOKUP evaluates to an out of bounds range.")
    return rows[at - 1][_place_of("HLOOKUP", wanted, rows[0], exact=not truth(is_sorted))]


def _line(operand: Operand) -> list[Value]:
    rows = grid(operand)
    return rows[0] if len(rows) == 1 else [row[0] for row in rows]


def _match(wanted: Operand, data: Operand, kind: Operand = 1) -> Operand:
    how = number(kind)
    return _place_of("MATCH", wanted, _line(data), exact=how == 0, descending=how < 0) + 1


def _x_lookup(wanted: Operand, keys: Operand, results: Operand, missing: Operand = None, *_more: Operand) -> Operand:
    try:
        return _line(results)[_place_of("XLOOKUP", wanted, _line(keys), exact=True)]
    except FormulaError:
        if missing is None:
            raise
        return missing


def _lookup(wanted: Operand, keys: Operand, results: Operand = None) -> Operand:
    return _line(keys if results is None else results)[_place_of("LOOKUP", wanted, _line(keys), exact=False)]


def _index(data: Operand, row: Operand = 0, column: Operand = 0) -> Operand:
    rows = grid(data)
    down, right = int(number(row)), int(number(column))
    if len(rows) == 1 and down > 1 and not right:  # a single row is indexed by column
        down, right = 1, down
    if down > len(rows) or right > len(rows[0]) or down < 0 or right < 0:
        raise FormulaError("REF", "Function INDEX evaluates to an out of bounds range.")
    chosen = rows if not down else [rows[down - 1]]
    return Range([line if not right else [line[right - 1]] for line in chosen])


def _unique(data: Operand) -> Operand:
    return Range([list(row) for row in dict.fromkeys(tuple(row) for row in grid(data))])


def _filter(data: Operand, *conditions: Operand) -> Operand:
    kept = list(grid(data))
    for condition in conditions:
        kept = [row for row, hit in zip(kept, _line(condition), strict=True) if hit]
    if not kept:
        raise FormulaError("N_A", "No matches are found in FILTER evaluation.")
    return Range(kept)


FUNCTIONS: Final[dict[str, Callable[..., Operand]]] = {
    "VLOOKUP": _vertical,
    "HLOOKUP": _horizontal,
    "XLOOKUP": _x_lookup,
    "LOOKUP": _lookup,
    "MATCH": _match,
    "INDEX": _index,
    "ROWS": lambda data: len(grid(data)),
    "COLUMNS": lambda data: len(grid(data)[0]),
    "TRANSPOSE": lambda data: Range([list(column) for column in zip(*grid(data), strict=True)]),
    "UNIQUE": _unique,
    "FILTER": _filter,
}
