"""KPIs: what a connector moves, and the KPI formula over the usage of a call.

The expression is parsed and evaluated by `simpleeval` (never `eval`); allowed are numbers, `usage.<name>`, arithmetic,
comparison, `if … else`, and a few plain functions.
"""

from __future__ import annotations

import ast
import math
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import AfterValidator, Field

from sheetsync.domain.connector import Line
from sheetsync.domain.model import Model

ImpactType = Literal["cost", "count", "duration", "revenue", "quality"]
IMPACT_TYPES: Final[tuple[str, ...]] = get_args(ImpactType)
USAGE_NAMES: Final = ("cost", "count", "duration_s", "tokens_in", "tokens_out", "bytes", "revenue", "quality")
FUNCTIONS: Final = {
    "min": min,
    "max": max,
    "abs": abs,
    "round": round,
    "sqrt": math.sqrt,
    "log10": math.log10,
}
ERROR_TEXTS: Final = frozenset({"#ERROR!", "#NULL!", "#DIV/0!", "#VALUE!", "#REF!", "#NAME?", "#NUM!", "#N/A"})
FORMULA_LENGTH: Final = 1000
DEPTH: Final = 40
SAMPLE_USAGE: Final = {
    "cost": 0.25, "count": 1.0, "duration_s": 1.5, "tokens_in": 1200.0,
    "tokens_out": 300.0, "bytes": 4096.0, "revenue": 2.0, "quality": 0.9,
}  # fmt: skip
_NODES: Final = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.Compare, ast.IfExp, ast.BoolOp, ast.Call, ast.Attribute, ast.Name,
    ast.Constant, ast.Load, ast.operator, ast.unaryop, ast.cmpop, ast.boolop,
)  # fmt: skip


def formula_error(formula: str) -> str | None:
    """What is wrong with a KPI formula, or None. It is parsed only, not evaluated."""
    if not formula.strip():
        return "the formula is empty"
    if len(formula) > FORMULA_LENGTH:
        return f"the formula is longer than {FORMULA_LENGTH} characters"
    try:
        tree = ast.parse(formula.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as exc:
        return f"the formula cannot be read: {getattr(exc, 'msg', None) or 'too deeply nested'}"
    return _tree_error(tree.body, 0)


def _tree_error(node: ast.AST, depth: int) -> str | None:
    if depth > DEPTH:
        return "the formula is too deeply nested"
    if not isinstance(node, _NODES):
        return f"{type(node).__name__} is not allowed in a formula"
    if isinstance(node, ast.Constant) and type(node.value) not in (int, float):
        return f"{node.value!r} is not a number"
    if isinstance(node, ast.Attribute):
        if not (isinstance(node.value, ast.Name) and node.value.id == "usage"):
            return "only usage.<name> is allowed"
        if node.attr not in USAGE_NAMES:
            return f"usage.{node.attr} is unknown; known are {', '.join(USAGE_NAMES)}"
        return None
    if isinstance(node, ast.Call):
        return _call_error(node, depth)
    if isinstance(node, ast.Name):
        return f"{node.id!r} is unknown; names are usage.<name>"
    found = (_tree_error(child, depth + 1) for child in ast.iter_child_nodes(node))
    return next((error for error in found if error), None)


def _call_error(node: ast.Call, depth: int) -> str | None:
    if not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS or node.keywords:
        return f"only the functions {', '.join(FUNCTIONS)} are allowed"
    found = (_tree_error(argument, depth + 1) for argument in node.args)
    return next((error for error in found if error), None)


def evaluate_formula(formula: str, usage: dict[str, float]) -> float:
    """The formula's value over one call's usage.

    Raises:
        ValueError: the formula is wrong, or has no finite value there.
    """
    problem = formula_error(formula)
    if problem:
        raise ValueError(problem)
    from types import SimpleNamespace

    from simpleeval import InvalidExpression, SimpleEval

    evaluator = SimpleEval(functions=dict(FUNCTIONS), names={"usage": SimpleNamespace(**usage)})
    try:
        result: Any = evaluator.eval(formula.strip())
        value = float(result)
    except (InvalidExpression, ArithmeticError, TypeError, ValueError, RecursionError) as exc:
        raise ValueError(f"the formula has no value on sample usage: {exc}") from exc
    if not math.isfinite(value):
        raise ValueError("the formula has no finite value on sample usage")
    return value


Number = Annotated[float, Field(strict=True, allow_inf_nan=False)]  # an int is one, true and "5" are not


def _check_unit(value: str) -> str:
    if value in ERROR_TEXTS:
        raise ValueError(f"{value} is an error in a spreadsheet, not a unit")
    return value


Unit = Annotated[Line, AfterValidator(_check_unit)]


class KpiBinding(Model):
    """One KPI that the connector moves. `target` is in `unit`.

    The formula is text here: pull reports a bad one as a problem, verify as a failed check (`formula_error`).
    """

    impact_type: ImpactType
    formula: Line
    target: Number | None = None
    unit: Unit | None = None
