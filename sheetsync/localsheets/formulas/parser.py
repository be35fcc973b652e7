"""From a formula's tokens to a tree.  The tree is evaluated in `calculator.py`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from sheetsync.localsheets import a1
from sheetsync.localsheets.cell import ERROR_KINDS, CellError
from sheetsync.localsheets.formulas.tokens import FormulaSyntaxError, Token, tokenize


@dataclass(frozen=True, slots=True)
class Literal:
    """A number, text, boolean or error."""

    value: float | int | str | bool | CellError | None


@dataclass(frozen=True, slots=True)
class Reference:
    """Cells; ends may be open.  `title` is None for the formula's own tab."""

    title: str | None
    span: a1.Span


@dataclass(frozen=True, slots=True)
class Name:
    """A named range."""

    name: str


@dataclass(frozen=True, slots=True)
class Function:
    """A function with its arguments; operators are functions, too (`ADD`, `EQ`, …)."""

    name: str
    arguments: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Array:
    """A literal array."""

    rows: tuple[tuple[Node, ...], ...]


Node = Literal | Reference | Name | Function | Array

_BINARY: Final = {
    "=": (1, "EQ"), "<>": (1, "NE"), "<": (1, "LT"), ">": (1, "GT"), "<=": (1, "LTE"), ">=": (1, "GTE"),
    "&": (2, "CONCAT"), "+": (3, "ADD"), "-": (3, "MINUS"), "*": (4, "MULTIPLY"), "/": (4, "DIVIDE"),
    "^": (5, "POW"),
}  # fmt: skip
_UNARY_BINDS: Final = 6  # -2^2 is 4 in spreadsheets: the sign binds tighter than the power
MAX_DEPTH: Final = 60


class _Parser:
    def __init__(self, tokens: list[Token], decimal: str) -> None:
        self.tokens = tokens
        self.decimal = decimal
        self.at = 0
        self.depth = 0

    def peek(self) -> str:
        return self.tokens[self.at].text if self.at < len(self.tokens) else ""

    def take(self, text: str = "") -> Token:
        if self.at >= len(self.tokens) or (text and self.peek() != text):
            raise FormulaSyntaxError(text)
        self.at += 1
        return self.tokens[self.at - 1]

    def expression(self, least: int = 0) -> Node:
        self.depth += 1
        if self.depth > MAX_DEPTH:
            raise FormulaSyntaxError("too deep")
        left = self.unary()
        while (operator := _BINARY.get(self.peek())) and operator[0] > least and self._is_operator():
            self.take()
            left = Function(operator[1], (left, self.expression(operator[0])))
        self.depth -= 1
        return left

    def _is_operator(self) -> bool:
        return self.tokens[self.at].kind == "op"

    def unary(self) -> Node:
        if self.peek() in ("+", "-") and self._is_operator():
            sign = self.take().text
            inner = self.unary()
            return Function("UMINUS", (inner,)) if sign == "-" else Function("UPLUS", (inner,))
        node = self.primary()
        while self.peek() == "%":
            self.take()
            node = Function("UNARY_PERCENT", (node,))
        return node

    def primary(self) -> Node:
        token = self.take()
        if token.kind == "number":
            number = float(token.text.replace(self.decimal, "."))
            return Literal(int(number) if number.is_integer() and abs(number) < 1e15 else number)
        if token.kind == "string":
            return Literal(token.text[1:-1].replace('""', '"'))
        if token.kind == "error":
            return Literal(
                CellError(ERROR_KINDS[token.text], "Reference does not exist." if "REF" in token.text else "")
            )
        if token.kind == "ref":
            return _reference(token.text)
        if token.kind == "name":
            return self.named(token.text)
        if token.text == "(":
            inner = self.expression()
            self.take(")")
            return inner
        if token.text == "{":
            return self.array()
        raise FormulaSyntaxError(token.text)

    def named(self, text: str) -> Node:
        if self.peek() == "(":
            self.take("(")
            arguments: list[Node] = []
            while self.peek() != ")":
                if self.peek() in (",", ";"):
                    arguments.append(Literal(None))
                else:
                    arguments.append(self.expression())
                if self.peek() in (",", ";"):
                    self.take()
                    if self.peek() == ")":
                        arguments.append(Literal(None))
                elif self.peek() != ")":
                    raise FormulaSyntaxError(text)
            self.take(")")
            return Function(text.upper(), tuple(arguments))
        if text.upper() in ("TRUE", "FALSE"):
            return Literal(text.upper() == "TRUE")
        return Name(text)

    def array(self) -> Node:
        rows: list[tuple[Node, ...]] = []
        row: list[Node] = []
        while self.peek() != "}":
            row.append(self.expression())
            if self.peek() in (",", "\\"):
                self.take()
            elif self.peek() == ";":
                self.take()
                rows.append(tuple(row))
                row = []
        self.take("}")
        return Array((*rows, tuple(row)))


def _reference(text: str) -> Node:
    title, _, rest = text.rpartition("!")
    if text.endswith("#REF!"):
        return Literal(CellError("REF", "Reference does not exist."))
    span = a1.parse_cells(rest)
    if span is None:
        raise FormulaSyntaxError(text)
    if title.startswith("'"):
        title = title[1:-1].replace("''", "'")
    return Reference(title or None, span)


@lru_cache(maxsize=8192)
def parse(text: str, decimal: str = ".") -> Node:
    """The tree of a formula.

    Raises:
        FormulaSyntaxError: it is none.
    """
    tokens = [token for token in tokenize(text, decimal) if token.kind != "space"]
    parser = _Parser(tokens, decimal)
    node = parser.expression()
    if parser.at != len(tokens):
        raise FormulaSyntaxError(text)
    return node
