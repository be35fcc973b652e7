"""Takes out of text what would steer a terminal. Names, reasons and messages come from stores that others write too."""

from __future__ import annotations

import re
from typing import Final

REPLACED: Final = "�"
_STEERING: Final = re.compile(  # C0 but the line feed, C1, lone surrogates, and what turns the direction of text round
    r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]"
)


def clean_text(text: str) -> str:
    """Text of one or more lines, without what steers a terminal."""
    return _STEERING.sub(REPLACED, text.replace("\t", " "))


def clean_line(text: str) -> str:
    """One line of text, without what steers a terminal; a line break in it would make a line that nobody wrote."""
    return clean_text(text).replace("\n", " ")
