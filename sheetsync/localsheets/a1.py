"""A1 and R1C1 notation: reading ranges, and writing them as Google echoes them.

Pure text and numbers: which tab or named range a name means is decided in `ranges.py`.
Rows and columns are 0-based and half-open inside; `None` is an open end.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final, NamedTuple

MAX_COLUMNS: Final = 18_278  # ZZZ
_CELL = r"\$?([A-Za-z]{1,3})?\$?([1-9][0-9]{0,8})?"
_A1: Final = re.compile(rf"{_CELL}(?::{_CELL})?")
_R1C1: Final = re.compile(r"(?:[Rr]([0-9]+))?(?:[Cc]([0-9]+))?(?::(?:[Rr]([0-9]+))?(?:[Cc]([0-9]+))?)?")
_PLAIN_TITLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_CELL_LIKE: Final = re.compile(r"[A-Za-z]{1,3}[0-9]+|[Rr][0-9]*(?:[Cc][0-9]*)?|[Cc][0-9]*")


class Span(NamedTuple):
    """A rectangle whose ends may be open: rows `row:row_end`, columns `col:col_end`."""

    row: int | None
    row_end: int | None
    col: int | None
    col_end: int | None


class Reference(NamedTuple):
    """A range as written: a tab's title, if one is named, and what stands after the `!`."""

    title: str | None
    quoted: bool
    rest: str | None


@lru_cache(maxsize=4096)
def column_index(letters: str) -> int:
    """0 for A, 25 for Z, 26 for AA."""
    number = 0
    for char in letters.upper():
        number = number * 26 + ord(char) - 64
    return number - 1


@lru_cache(maxsize=4096)
def column_letters(index: int) -> str:
    """A for 0, Z for 25, AA for 26."""
    letters = ""
    number = index + 1
    while number:
        number, rest = divmod(number - 1, 26)
        letters = chr(65 + rest) + letters
    return letters


def split(text: str) -> Reference:
    """The tab and the rest of a range; the last `!` outside quotes separates them."""
    if text.startswith("'"):
        match = re.fullmatch(r"'((?:[^']|'')*)'(?:!(.*))?", text, re.DOTALL)
        if match:
            return Reference(match[1].replace("''", "'"), True, match[2])
    head, bang, tail = text.rpartition("!")
    if bang:
        return Reference(head, False, tail)
    return Reference(None, False, text)


def parse_cells(text: str) -> Span | None:
    """The rectangle of `A1`, `A1:B2`, `A:B`, `1:2`, `A2:B`; None if it is not A1 notation."""
    match = _A1.fullmatch(text)
    if not match or not text or text.endswith(":"):
        return None
    col1, row1, col2, row2 = match.groups()
    if ":" not in text:
        if not (col1 and row1):
            return None
        row, col = int(row1) - 1, column_index(col1)
        return Span(row, row + 1, col, col + 1)
    if not (col1 or row1) or not (col2 or row2):
        return None
    rows = _ends(int(row1) - 1 if row1 else None, int(row2) - 1 if row2 else None)
    cols = _ends(column_index(col1) if col1 else None, column_index(col2) if col2 else None)
    if rows is None or cols is None:
        return None
    return Span(*rows, *cols)


def _ends(first: int | None, last: int | None) -> tuple[int | None, int | None] | None:
    """Start and end of an axis from its two written ends; reversed ones are put in order."""
    if first is None and last is None:
        return (None, None)
    if first is None:  # `A:B2` is read as `A1:B2`'s open form: up to there
        return (last, None) if last is not None else (None, None)
    if last is None:
        return (first, None)
    return (min(first, last), max(first, last) + 1)


def parse_r1c1(text: str) -> Span | None:
    """The rectangle of `R1C1`, `R1C1:R2C2`, `R2`, `C3`; None if it is not R1C1 notation."""
    match = _R1C1.fullmatch(text)
    if not match or not text or text.endswith(":") or not any(match.groups()):
        return None
    row1, col1, row2, col2 = (int(part) - 1 if part else None for part in match.groups())
    if any(part is not None and part < 0 for part in (row1, col1, row2, col2)):
        return None
    if ":" not in text:
        row2, col2 = row1, col1
    rows, cols = _ends(row1, row2), _ends(col1, col2)
    return Span(*rows, *cols) if rows and cols else None


def quote_title(title: str) -> str:
    """A title as Google echoes it: quoted unless it is a plain word that no cell is called."""
    if _PLAIN_TITLE.fullmatch(title) and not _CELL_LIKE.fullmatch(title):
        return title
    return "'" + title.replace("'", "''") + "'"


def format_cells(row: int, row_end: int, col: int, col_end: int) -> str:
    """`A1:B2` for a closed rectangle; one cell is written bare."""
    first = f"{column_letters(col)}{row + 1}"
    if row_end - row == 1 and col_end - col == 1:
        return first
    return f"{first}:{column_letters(col_end - 1)}{row_end}"


def format_range(title: str, row: int, row_end: int, col: int, col_end: int) -> str:
    """`Sheet1!A1:B2`, as Google echoes a range."""
    return f"{quote_title(title)}!{format_cells(row, row_end, col, col_end)}"
