"""The text of JavaScript literals: numbers, escape sequences, string and template pieces.

Only what a module (always strict) may hold: legacy octal numbers and escapes are refused, as an engine refuses them.
"""

from __future__ import annotations

import re
from typing import Final

_DECIMAL: Final = re.compile(
    r"(?:(?:0|[1-9](?:_?[0-9])*)(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)(?:[eE][+-]?[0-9](?:_?[0-9])*)?",
    re.ASCII,
)
_RADIX: Final = re.compile(r"0(?:[xX][0-9a-fA-F](?:_?[0-9a-fA-F])*|[oO][0-7](?:_?[0-7])*|[bB][01](?:_?[01])*)")
_BIGINT: Final = re.compile(r"(?:0|[1-9](?:_?[0-9])*)n|0(?:[xX][0-9a-fA-F_]+|[oO][0-7_]+|[bB][01_]+)n", re.ASCII)
_SIMPLE: Final = {"n": "\n", "t": "\t", "r": "\r", "b": "\b", "f": "\f", "v": "\v"}
_LINE_ENDS: Final = ("\r\n", "\n", "\r", "\u2028", "\u2029")
_BMP: Final = 0xFFFF
_UNICODE_END: Final = 0x10FFFF
_HEX: Final = re.compile(r"[0-9a-fA-F]+")


class LiteralError(ValueError):
    """The literal is one that a module may not hold, or that has no JSON form."""


def number_value(text: str) -> float:
    """The value of a numeric literal.

    Raises:
        LiteralError: a BigInt (it has no JSON form), or no number of a module (`010`, `1__0`).
    """
    if _BIGINT.fullmatch(text):
        raise LiteralError("a BigInt has no JSON form")
    if _RADIX.fullmatch(text):
        digits = text.replace("_", "")
        try:
            return float(int(digits, 0))
        except OverflowError:
            return float("inf")
    if not _DECIMAL.fullmatch(text):
        raise LiteralError(f"{text[:40]} is not a number of a JavaScript module")
    return float(text.replace("_", ""))


def escape_value(text: str) -> str:
    """What one escape sequence, backslash included, stands for.

    Raises:
        LiteralError: an octal escape, or a malformed one.
    """
    body = text[1:]
    if body in _LINE_ENDS:
        return ""  # a line continuation
    if body in _SIMPLE:
        return _SIMPLE[body]
    if body == "0":
        return "\0"
    if body[:1].isdigit():
        raise LiteralError(f"the octal escape {text} is not allowed in a module")
    if body[:1] in ("x", "u"):
        return _code_point(text, body)
    return body  # any other character stands for itself


def _code_point(text: str, body: str) -> str:
    digits = body[2:-1] if body.startswith("u{") and body.endswith("}") else body[1:]
    lengths = {"x": (2,), "u": (4,)}[body[0]] if not body.startswith("u{") else tuple(range(1, 17))
    if not _HEX.fullmatch(digits) or len(digits) not in lengths or int(digits, 16) > _UNICODE_END:
        raise LiteralError(f"the escape {text[:20]} is malformed")
    return chr(int(digits, 16))


def template_piece(text: str) -> str:
    """The text of a template between escapes: its line ends are line feeds, however the file writes them."""
    return text.replace("\r\n", "\n").replace("\r", "\n")
