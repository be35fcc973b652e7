"""The journal of one transaction: how to undo it, and how to do it again.

Every change of a spreadsheet goes through one of the primitives here, and nothing else changes one.  Each notes its
inverse (so that a refused batch leaves no trace, without ever copying the spreadsheet) and its record (so that the
data file can repeat it).  Which request makes which changes is in `requests/`; where records are kept, in `storage.py`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

from sheetsync.localsheets.cell import Cell, decode, encode

if TYPE_CHECKING:
    from sheetsync.localsheets.sheet import Dimension, Sheet
    from sheetsync.localsheets.spreadsheet import Spreadsheet

Record = list[Any]


class Journal:
    """Changes of one spreadsheet that become real, or are undone, together."""

    def __init__(self, spreadsheet: Spreadsheet) -> None:
        self.spreadsheet = spreadsheet
        self._undo: list[Callable[[], None]] = []
        self._records: list[Record] = []

    @property
    def changed(self) -> bool:
        """Whether anything was changed."""
        return bool(self._records)

    def rollback(self) -> None:
        """Take all changes back, newest first."""
        for step in reversed(self._undo):
            step()
        self._undo.clear()
        self._records.clear()
        self.spreadsheet.version += 1

    def mark(self) -> int:
        """A point to come back to with `rollback_to`."""
        return len(self._undo)

    def records(self) -> list[Record]:
        """The changes as JSON, for the data file."""
        return [
            [*record[:4], [encode(cell) for cell in record[4]]] if record[0] == "c" else record
            for record in self._records
        ]

    def _note(self, record: Record, undo: Callable[[], None]) -> None:
        self._records.append(record)
        self._undo.append(undo)
        self.spreadsheet.version += 1

    # The primitives.

    def put_cells(self, sheet: Sheet, row: int, col: int, cells: list[Cell | None]) -> None:
        """Put cells side by side into one row."""
        old = sheet.swap_cells(row, col, cells)
        number = len(cells)
        self._note(["c", sheet.sheet_id, row, col, cells], lambda: sheet.restore_cells(row, col, number, old))

    def put_cell(self, sheet: Sheet, row: int, col: int, cell: Cell | None) -> None:
        """Put one cell."""
        self.put_cells(sheet, row, col, [cell])

    def insert(self, sheet: Sheet, dimension: Dimension, at: int, number: int) -> None:
        """Open a gap of blank rows or columns; the grid grows."""
        sheet.open_gap(dimension, at, number)
        self._note(["i", sheet.sheet_id, dimension, at, number], lambda: _drop(sheet, dimension, at, at + number))

    def delete(self, sheet: Sheet, dimension: Dimension, start: int, end: int) -> None:
        """Take rows or columns out of the grid, which shrinks."""
        kept = sheet.cut(dimension, start, end)
        self._note(["d", sheet.sheet_id, dimension, start, end], lambda: sheet.paste_back(dimension, start, end, kept))

    def move(self, sheet: Sheet, dimension: Dimension, start: int, end: int, destination: int) -> None:
        """Move rows or columns; `destination` counts as before the move."""
        sheet.shift(dimension, start, end, destination)
        number = end - start
        if destination > start:
            back = (destination - number, destination, start)
        else:
            back = (destination, destination + number, end)
        self._note(["m", sheet.sheet_id, dimension, start, end, destination], lambda: sheet.shift(dimension, *back))

    def assign(self, owner: Sheet | Spreadsheet, name: str, value: Any) -> None:
        """Replace an attribute by a new value, which nobody changes in place."""
        old = getattr(owner, name)
        if old == value and type(old) is type(value):
            return
        setattr(owner, name, value)
        self._note(["a", owner.journal_key, name, value], lambda: setattr(owner, name, old))

    def put_item(self, owner: Sheet | Spreadsheet, name: str, key: Any, value: Any) -> None:
        """Set an entry of a dictionary attribute; None deletes it."""
        items: dict[Any, Any] = getattr(owner, name)
        undo: Callable[[], None]
        if value is None:
            undo = partial(_restore_items, items, dict(items))
            del items[key]
        else:
            undo = partial(items.__setitem__, key, items[key]) if key in items else partial(items.__delitem__, key)
            items[key] = value
        self._note(["k", owner.journal_key, name, key, value], undo)

    def put_dimension(self, sheet: Sheet, dimension: Dimension, index: int, properties: dict[str, Any] | None) -> None:
        """Set the properties (size, hidden) of one row or column."""
        old = sheet.swap_dimension(dimension, index, properties)
        self._note(
            ["z", sheet.sheet_id, dimension, index, properties],
            lambda: _restore_dimension(sheet, dimension, index, old),
        )

    def add_sheet(self, sheet: Sheet, index: int) -> None:
        """Put a new tab at an index."""
        sheets = self.spreadsheet.sheets
        sheets.insert(index, sheet)
        self._note(["+", index, sheet.to_json()], lambda: sheets.remove(sheet))

    def remove_sheet(self, sheet: Sheet) -> None:
        """Take a tab away."""
        sheets = self.spreadsheet.sheets
        index = sheets.index(sheet)
        del sheets[index]
        self._note(["-", sheet.sheet_id], lambda: sheets.insert(index, sheet))

    def order_sheets(self, order: list[int]) -> None:
        """Put the tabs into another order, given by their ids."""
        spreadsheet = self.spreadsheet
        old = list(spreadsheet.sheets)
        spreadsheet.sheets.sort(key=lambda sheet: order.index(sheet.sheet_id))
        self._note(["o", order], lambda: spreadsheet.sheets.__setitem__(slice(None), old))


def _restore_items(items: dict[Any, Any], before: dict[Any, Any]) -> None:
    """Put a dictionary back as a whole, so that its order is the old one, too."""
    items.clear()
    items.update(before)


def _drop(sheet: Sheet, dimension: Dimension, start: int, end: int) -> None:
    sheet.cut(dimension, start, end)


def _restore_dimension(sheet: Sheet, dimension: Dimension, index: int, old: dict[str, Any] | None) -> None:
    sheet.swap_dimension(dimension, index, old)


def repeat(spreadsheet: Spreadsheet, records: list[Record]) -> None:
    """Do a transaction again from its records, as when the data file is opened."""
    for record in records:
        _repeat_one(spreadsheet, record)
    spreadsheet.version += 1


def _repeat_one(spreadsheet: Spreadsheet, record: Record) -> None:
    from sheetsync.localsheets.sheet import Sheet, thaw

    kind, *rest = record
    if kind == "+":
        spreadsheet.sheets.insert(rest[0], Sheet.from_json(rest[1]))
        return
    if kind == "o":
        order = rest[0]
        spreadsheet.sheets.sort(key=lambda sheet: order.index(sheet.sheet_id))
        return
    owner: Any = spreadsheet if rest[0] is None else spreadsheet.sheet_by_id(rest[0])
    if kind == "c":
        owner.swap_cells(rest[1], rest[2], [decode(cell) for cell in rest[3]])
    elif kind == "i":
        owner.open_gap(rest[1], rest[2], rest[3])
    elif kind == "d":
        owner.cut(rest[1], rest[2], rest[3])
    elif kind == "m":
        owner.shift(rest[1], rest[2], rest[3], rest[4])
    elif kind == "a":
        setattr(owner, rest[1], thaw(rest[1], rest[2]))
    elif kind == "k":
        items = getattr(owner, rest[1])
        if rest[3] is None:
            items.pop(rest[2], None)
        else:
            items[rest[2]] = rest[3]
    elif kind == "z":
        owner.swap_dimension(rest[1], rest[2], rest[3])
    elif kind == "-":
        spreadsheet.sheets.remove(owner)
