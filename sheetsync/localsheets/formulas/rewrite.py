"""Changing the references in formulas: when a formula is copied, when rows move, when a tab is renamed.

Works on tokens, so everything that is no reference stays as it was typed.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache

from sheetsync.localsheets import a1
from sheetsync.localsheets.cell import Cell, Formula
from sheetsync.localsheets.formulas.tokens import FormulaSyntaxError, tokenize
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.moving import Change
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.sheet import Box, Sheet

Rewrite = Callable[[str], str]


def rewritten(text: str, decimal: str, change: Rewrite) -> str:
    """A formula with each reference changed."""
    try:
        tokens = tokenize(text, decimal)
    except FormulaSyntaxError:
        return text
    return "=" + "".join(change(token.text) if token.kind == "ref" else token.text for token in tokens)


class Corner:
    """One corner of a reference: `$A$1`, `A`, `1`."""

    def __init__(self, text: str) -> None:
        rest = text
        self.fixed_col = rest.startswith("$") and rest[1:2].isalpha()
        if self.fixed_col:
            rest = rest[1:]
        letters = ""
        while rest[:1].isalpha():
            letters, rest = letters + rest[0], rest[1:]
        self.fixed_row = rest.startswith("$")
        digits = rest.lstrip("$")
        self.col = a1.column_index(letters) if letters else None
        self.row = int(digits) - 1 if digits else None

    def shifted(self, rows: int, cols: int) -> bool:
        """Move what is not fixed; False if that leads off the grid."""
        if self.row is not None and not self.fixed_row:
            self.row += rows
        if self.col is not None and not self.fixed_col:
            self.col += cols
        return (self.row is None or self.row >= 0) and (self.col is None or 0 <= self.col < a1.MAX_COLUMNS)

    def __str__(self) -> str:
        col = "" if self.col is None else ("$" if self.fixed_col else "") + a1.column_letters(self.col)
        row = "" if self.row is None else ("$" if self.fixed_row else "") + str(self.row + 1)
        return col + row


def split_title(text: str) -> tuple[str, str]:
    """A reference's tab with its `!` ("" for none), and its cells."""
    head, bang, tail = text.rpartition("!")
    if tail == "" and head.endswith("#REF"):
        return "", text
    return head + bang, tail


@lru_cache(maxsize=8192)
def moved(formula: str, rows: int, cols: int) -> str:
    """A formula as it reads after being copied so many rows down and columns right."""

    def change(text: str) -> str:
        title, cells = split_title(text)
        if cells.endswith("#REF!"):
            return text
        corners = [Corner(part) for part in cells.split(":")]
        if not all(corner.shifted(rows, cols) for corner in corners):
            return title + "#REF!"
        return title + ":".join(map(str, corners))

    return rewritten(formula, ".", change)


def _each_formula(journal: Journal, change: Callable[[Sheet, str], str]) -> None:
    for sheet in journal.spreadsheet.sheets:
        for row, line in enumerate(sheet.rows):
            for col, cell in enumerate(line):
                if cell is not None and type(cell.value) is Formula:
                    text = change(sheet, cell.value)
                    if text != cell.value:
                        new = Cell(Formula(text), cell.form, cell.note, cell.rule, cell.extra)
                        journal.put_cell(sheet, row, col, new)


def _title_of(prefix: str) -> str:
    title = prefix[:-1]
    return title[1:-1].replace("''", "'") if title.startswith("'") else title


def _points_to(own: Sheet, prefix: str, sheet: Sheet) -> bool:
    return own is sheet if not prefix else _title_of(prefix).casefold() == sheet.title.casefold()


def follow_in_formulas(journal: Journal, sheet: Sheet, change: Change) -> None:
    """Let all references into a tab follow an insertion, deletion or move of rows or columns."""

    def one(own: Sheet, formula: str) -> str:
        def reference(text: str) -> str:
            prefix, cells = split_title(text)
            if cells.endswith("#REF!") or not _points_to(own, prefix, sheet):
                return text
            return prefix + followed(cells, change)

        return rewritten(formula, ".", reference)

    _each_formula(journal, one)


def followed(cells: str, change: Change) -> str:
    """A reference's cells after a change of the grid; `#REF!` if they are gone."""
    corners = [Corner(part) for part in cells.split(":")]
    first, last = corners[0], corners[-1]
    name = "row" if change.dimension == "ROWS" else "col"
    start, end = getattr(first, name), getattr(last, name)
    if start is None or end is None:
        if start is not None and (at := change.span(start, 2**30)):
            setattr(first, name, at[0])
        return ":".join(map(str, corners))
    span = change.span(min(start, end), max(start, end) + 1)
    if span is None:
        return "#REF!"
    low, high = span[0], span[1] - 1
    setattr(first, name, low if start <= end else high)
    setattr(last, name, high if start <= end else low)
    return ":".join(map(str, corners))


def rename_in_formulas(journal: Journal, old: str, new: str) -> None:
    """Let references to a tab follow its new title."""

    def one(_own: Sheet, formula: str) -> str:
        def reference(text: str) -> str:
            prefix, cells = split_title(text)
            if prefix and _title_of(prefix).casefold() == old.casefold():
                return f"{a1.quote_title(new)}!{cells}"
            return text

        return rewritten(formula, ".", reference)

    _each_formula(journal, one)


def follow_cut(journal: Journal, source: Area, target: Area) -> None:
    """Let references into a cut range point to where it was pasted."""
    rows, cols = target.box.row - source.box.row, target.box.col - source.box.col

    def one(own: Sheet, formula: str) -> str:
        def reference(text: str) -> str:
            prefix, cells = split_title(text)
            span = a1.parse_cells(cells)
            if span is None or None in span or not _points_to(own, prefix, source.sheet):
                return text
            if not source.box.holds(Box(*span)):  # type: ignore[arg-type]
                return text
            corners = [Corner(part) for part in cells.split(":")]
            for corner in corners:
                corner.row, corner.col = (corner.row or 0) + rows, (corner.col or 0) + cols
            if target.sheet is not source.sheet:
                prefix = a1.quote_title(target.sheet.title) + "!"
            return prefix + ":".join(map(str, corners))

        return rewritten(formula, ".", reference)

    _each_formula(journal, one)
