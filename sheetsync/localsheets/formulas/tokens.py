"""Cutting a formula into tokens.  What they mean is in `parser.py`; rewriting references works on tokens alone."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

_TITLE: Final = r"(?:'(?:[^']|'')+'|[A-Za-z_][\w.]*)!"
_PLACE: Final = r"\$?[A-Za-z]{1,3}\$?[1-9][0-9]*"
_ROWS: Final = r"\$?[1-9][0-9]*:\$?[1-9][0-9]*"
_COLUMNS: Final = r"\$?[A-Za-z]{1,3}:\$?[A-Za-z]{1,3}"
_HALF: Final = rf"{_PLACE}:\$?[A-Za-z]{{1,3}}"
_END: Final = r"(?![\w.(!])"


def _pattern(decimal: str) -> re.Pattern[str]:
    point = re.escape(decimal)
    return re.compile(
        rf"""(?P<space>\s+)
        |(?P<string>"(?:[^"]|"")*")
        |(?P<error>\#(?:REF!|N/A|NAME\?|DIV/0!|VALUE!|NUM!|NULL!|ERROR!))
        |(?P<ref>(?:{_TITLE})?(?:{_PLACE}:{_PLACE}{_END}|{_HALF}{_END}|{_COLUMNS}{_END}|{_ROWS}{_END}|{_PLACE}{_END}|\#REF!))
        |(?P<number>(?:\d+(?:{point}\d*)?|{point}\d+)(?:[eE][+-]?\d+)?)
        |(?P<name>(?:{_TITLE})?[A-Za-z_\\][\w.]*)
        |(?P<op><=|>=|<>|[-+*/^&=<>%])
        |(?P<punct>[(){{}},;\\|])""",
        re.VERBOSE,
    )


_PATTERNS: Final = {decimal: _pattern(decimal) for decimal in ".,"}


class Token(NamedTuple):
    """A piece of a formula."""

    kind: str
    text: str


class FormulaSyntaxError(ValueError):
    """A text that is no formula."""


@lru_cache(maxsize=8192)
def tokenize(text: str, decimal: str = ".") -> tuple[Token, ...]:
    """The tokens of a formula after its `=`, spaces included.

    Raises:
        FormulaSyntaxError: some of it is no token.
    """
    pattern = _PATTERNS[decimal]
    found = []
    at = 1 if text.startswith("=") else 0
    while at < len(text):
        match = pattern.match(text, at)
        if not match:
            raise FormulaSyntaxError(text)
        found.append(Token(str(match.lastgroup), match[0]))
        at = match.end()
    return tuple(found)
