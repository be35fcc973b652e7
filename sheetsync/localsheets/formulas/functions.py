"""Calling functions by name; and those that decide themselves which of their arguments to evaluate.

The others get their arguments evaluated: `functions_math.py`, `functions_text.py`, `functions_lookup.py`,
`functions_dates.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from sheetsync.localsheets.cell import CellError, Value
from sheetsync.localsheets.formulas.operands import FormulaError, Operand, Range, compare, scalar, truth
from sheetsync.localsheets.formulas.parser import Name, Node, Reference

if TYPE_CHECKING:
    from sheetsync.localsheets.formulas.calculator import _Place as Place

Eager = Callable[..., Operand]
Lazy = Callable[..., Operand]


@cache
def eager() -> dict[str, Eager]:
    """All functions whose arguments are evaluated first."""
    from sheetsync.localsheets.formulas import functions_dates, functions_lookup, functions_math, functions_text

    return {
        **functions_math.FUNCTIONS,
        **functions_text.FUNCTIONS,
        **functions_lookup.FUNCTIONS,
        **functions_dates.FUNCTIONS,
    }


def names() -> list[str]:
    """The names of all functions, for the documentation."""
    return sorted({*eager(), *LAZY})


def call(place: Place, name: str, arguments: tuple[Node, ...]) -> Operand:
    """The result of a function.

    Raises:
        FormulaError: it is unknown, called with the wrong number of arguments, or refuses their values.
    """
    if name in LAZY:
        return _counted(name, arguments, LAZY[name], place, *arguments)
    function = eager().get(name)
    if function is None:
        raise FormulaError("NAME", f"Unknown function: '{name}'.")
    operands = tuple(place.evaluate(argument) for argument in arguments)
    if name in NEEDS_PLACE:
        return _counted(name, arguments, function, place, *operands)
    return _counted(name, arguments, function, *operands)


def _counted(name: str, arguments: tuple[Node, ...], function: Callable[..., Operand], *given: Any) -> Operand:
    try:
        return function(*given)
    except TypeError as exc:
        if "positional argument" in str(exc):
            raise FormulaError("N_A", f"Wrong number of arguments to {name}. Got {len(arguments)} arguments.") from None
        raise


NEEDS_PLACE: Final = frozenset({"TODAY", "NOW"})


def _if(place: Place, condition: Node, then: Node, other: Node | None = None) -> Operand:
    if truth(place.evaluate(condition)):
        return place.evaluate(then)
    return False if other is None else place.evaluate(other)


def _ifs(place: Place, *parts: Node) -> Operand:
    for condition, result in zip(parts[::2], parts[1::2], strict=True):
        if truth(place.evaluate(condition), "IFS"):
            return place.evaluate(result)
    raise FormulaError("N_A", "No match.")


def _if_error(place: Place, value: Node, other: Node | None = None) -> Operand:
    try:
        found = place.evaluate(value)
        return found if isinstance(found, Range) and len(found.rows) > 1 else scalar(found)
    except FormulaError:
        return None if other is None else place.evaluate(other)


def _if_na(place: Place, value: Node, other: Node | None = None) -> Operand:
    try:
        return scalar(place.evaluate(value))
    except FormulaError as exc:
        if exc.error.kind != "N_A":
            raise
        return None if other is None else place.evaluate(other)


def _switch(place: Place, expression: Node, *cases: Node) -> Operand:
    value = place.evaluate(expression)
    for index in range(0, len(cases) - 1, 2):
        if compare(value, place.evaluate(cases[index])) == 0:
            return place.evaluate(cases[index + 1])
    if len(cases) % 2:
        return place.evaluate(cases[-1])
    raise FormulaError("N_A", "No match.")


def _choose(place: Place, index: Node, *choices: Node) -> Operand:
    from sheetsync.localsheets.formulas.operands import number

    at = int(number(place.evaluate(index), "CHOOSE"))
    if not 1 <= at <= len(choices):
        raise FormulaError(
            "NUM", f"Function CHOOSE parameter 1 value is {at}. Valid values are between 1 and {len(choices)}."
        )
    return place.evaluate(choices[at - 1])


def _error_of(place: Place, node: Node) -> CellError | None:
    try:
        scalar(place.evaluate(node))
    except FormulaError as exc:
        return exc.error
    return None


def _is_error(place: Place, value: Node) -> Operand:
    return _error_of(place, value) is not None


def _is_err(place: Place, value: Node) -> Operand:
    error = _error_of(place, value)
    return error is not None and error.kind != "N_A"


def _is_na(place: Place, value: Node) -> Operand:
    error = _error_of(place, value)
    return error is not None and error.kind == "N_A"


def _checked(test: Callable[[Value], bool]) -> Lazy:
    def check(place: Place, value: Node) -> Operand:
        try:
            return test(scalar(place.evaluate(value)))
        except FormulaError:
            return False

    return check


def _is_blank(place: Place, value: Node) -> Operand:
    """A cell with a formula is not blank, even if it shows nothing."""
    found = place.box(value)
    if found is not None:
        cell = found[0].cell(found[1].row, found[1].col)
        return cell is None or cell.value is None
    return scalar(place.evaluate(value)) is None


def _row(place: Place, reference: Node | None = None) -> Operand:
    found = place.box(reference) if reference is not None else None
    if reference is not None and found is None:
        raise FormulaError("VALUE", "Argument must be a range.")
    return (found[1].row if found else place.row) + 1


def _column(place: Place, reference: Node | None = None) -> Operand:
    found = place.box(reference) if reference is not None else None
    if reference is not None and found is None:
        raise FormulaError("VALUE", "Argument must be a range.")
    return (found[1].col if found else place.col) + 1


def _is_formula(place: Place, reference: Node) -> Operand:
    from sheetsync.localsheets.cell import Formula

    found = place.box(reference)
    if found is None:
        return False
    cell = found[0].cell(found[1].row, found[1].col)
    return cell is not None and type(cell.value) is Formula


def _is_reference(_place: Place, reference: Node) -> Operand:
    return isinstance(reference, (Reference, Name))


def _indirect(place: Place, reference: Node, *_style: Node) -> Operand:
    from sheetsync.localsheets.formulas.operands import text
    from sheetsync.localsheets.formulas.parser import parse
    from sheetsync.localsheets.formulas.tokens import FormulaSyntaxError

    wanted = text(place.evaluate(reference))
    try:
        node = parse("=" + wanted)
    except FormulaSyntaxError:
        node = Name(wanted)
    if not isinstance(node, (Reference, Name)):
        raise FormulaError(
            "REF", f"Function INDIRECT parameter 1 value is '{wanted}'. It is not a valid cell/range reference."
        )
    return place.cells(node) if place.box(node) else place.evaluate(node)


def _offset(
    place: Place, reference: Node, rows: Node, cols: Node, height: Node | None = None, width: Node | None = None
) -> Operand:
    from sheetsync.localsheets import a1
    from sheetsync.localsheets.formulas.operands import number

    found = place.box(reference)
    if found is None:
        raise FormulaError("VALUE", "Argument must be a range.")
    sheet, box = found
    row = box.row + int(number(place.evaluate(rows)))
    col = box.col + int(number(place.evaluate(cols)))
    tall = int(number(place.evaluate(height))) if height else box.row_end - box.row
    wide = int(number(place.evaluate(width))) if width else box.col_end - box.col
    if row < 0 or col < 0 or tall < 1 or wide < 1:
        raise FormulaError("REF", "Function OFFSET evaluates to an out of bounds range.")
    return place.cells(Reference(sheet.title, a1.Span(row, row + tall, col, col + wide)))


def _array_formula(place: Place, inner: Node) -> Operand:
    return place.evaluate(inner)


LAZY: Final[dict[str, Lazy]] = {
    "IF": _if,
    "IFS": _ifs,
    "IFERROR": _if_error,
    "IFNA": _if_na,
    "SWITCH": _switch,
    "CHOOSE": _choose,
    "ISERROR": _is_error,
    "ISERR": _is_err,
    "ISNA": _is_na,
    "ISBLANK": _is_blank,
    "ISNUMBER": _checked(lambda value: isinstance(value, (int, float)) and not isinstance(value, bool)),
    "ISTEXT": _checked(lambda value: isinstance(value, str)),
    "ISNONTEXT": _checked(lambda value: not isinstance(value, str)),
    "ISLOGICAL": _checked(lambda value: isinstance(value, bool)),
    "ISFORMULA": _is_formula,
    "ISREF": _is_reference,
    "ROW": _row,
    "COLUMN": _column,
    "INDIRECT": _indirect,
    "OFFSET": _offset,
    "ARRAYFORMULA": _array_formula,
}
