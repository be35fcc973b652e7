"""One tab: its grid, and what is attached to it.  State only; the rules of each request are in `requests/`.

Rows are lists of cells, shorter than the grid where the rest is blank, so that 100,000 rows are cheap to hold and to
read.  All changes come from `journal.Journal`, which calls the methods here and keeps their inverse.
"""

from __future__ import annotations

from typing import Any, Final, Literal, NamedTuple

from sheetsync.localsheets.cell import Cell, Json, Shapes, decode, encode, shared

Dimension = Literal["ROWS", "COLUMNS"]
Row = list["Cell | None"]

DEFAULT_ROWS: Final = 1000
DEFAULT_COLUMNS: Final = 26
ROW_PIXELS: Final = 21
COLUMN_PIXELS: Final = 100


class Box(NamedTuple):
    """A closed rectangle: rows `row:row_end`, columns `col:col_end`, 0-based and half-open."""

    row: int
    row_end: int
    col: int
    col_end: int

    def meets(self, other: Box) -> bool:
        """Whether the two share a cell."""
        return (
            self.row < other.row_end
            and other.row < self.row_end
            and self.col < other.col_end
            and other.col < self.col_end
        )

    def holds(self, other: Box) -> bool:
        """Whether the other lies wholly inside."""
        return (
            self.row <= other.row
            and other.row_end <= self.row_end
            and self.col <= other.col
            and other.col_end <= self.col_end
        )


# What a tab has besides its grid: attribute -> its empty value.  Dictionaries are keyed by Google's id.
PLAIN: Final = {
    "title": "",
    "sheet_type": "GRID",
    "hidden": False,
    "row_count": 0,
    "col_count": 0,
    "options": {},  # tabColorStyle, rightToLeft, and gridProperties but for the two counts
    "merges": (),
    "basic_filter": None,
    "conditional_formats": [],
    "row_groups": [],
    "column_groups": [],
    "object_sheet": None,
}
KEYED: Final = ("protected_ranges", "filter_views", "banded_ranges", "charts", "slicers", "tables")


def thaw(name: str, value: Any) -> Any:
    """An attribute's value as it was before it became JSON."""
    return tuple(Box(*box) for box in value) if name == "merges" else value


class Sheet:
    """A tab with its cells."""

    def __init__(
        self, sheet_id: int, title: str, row_count: int = DEFAULT_ROWS, col_count: int = DEFAULT_COLUMNS
    ) -> None:
        self.sheet_id = sheet_id
        self.title = title
        self.sheet_type = "GRID"
        self.hidden = False
        self.row_count = row_count
        self.col_count = col_count
        self.options: Json = {}
        self.rows: list[Row] = []
        self.row_properties: list[Json | None] = []
        self.column_properties: list[Json | None] = []
        self.merges: tuple[Box, ...] = ()
        self.basic_filter: Json | None = None
        self.conditional_formats: list[Json] = []
        self.row_groups: list[Json] = []
        self.column_groups: list[Json] = []
        self.object_sheet: Json | None = None
        self.protected_ranges: dict[int, Json] = {}
        self.filter_views: dict[int, Json] = {}
        self.banded_ranges: dict[int, Json] = {}
        self.charts: dict[int, Json] = {}
        self.slicers: dict[int, Json] = {}
        self.tables: dict[str, Json] = {}

    @property
    def journal_key(self) -> int | None:
        """How records name this owner."""
        return self.sheet_id

    @property
    def whole(self) -> Box:
        """The whole grid."""
        return Box(0, self.row_count, 0, self.col_count)

    # Reading.

    def cell(self, row: int, col: int) -> Cell | None:
        """The cell at a place; None where it is blank."""
        if row < len(self.rows):
            line = self.rows[row]
            if col < len(line):
                return line[col]
        return None

    def row(self, index: int) -> Row:
        """The stored part of a row: blank cells at its end may be missing.  Not to be changed."""
        return self.rows[index] if index < len(self.rows) else []

    def count(self, dimension: Dimension) -> int:
        """The number of rows or columns of the grid."""
        return self.row_count if dimension == "ROWS" else self.col_count

    def properties_of(self, dimension: Dimension, index: int) -> Json:
        """What is set for a row or column (size, hidden); empty for none."""
        found = self.row_properties if dimension == "ROWS" else self.column_properties
        return (found[index] or {}) if index < len(found) else {}

    def is_hidden_row(self, index: int) -> bool:
        """Whether a person does not see the row."""
        properties = self.properties_of("ROWS", index)
        return bool(properties.get("hiddenByUser") or properties.get("hiddenByFilter"))

    # Changing: called by the journal only.

    def swap_cells(self, row: int, col: int, cells: Row) -> Row:
        """Put cells into a row and return what was there."""
        rows = self.rows
        if row >= len(rows):
            rows.extend([] for _ in range(row + 1 - len(rows)))
        line = rows[row]
        end = col + len(cells)
        old = line[col:end]
        if len(line) < col:
            line.extend([None] * (col - len(line)))
        line[col:end] = cells
        return old

    def restore_cells(self, row: int, col: int, number: int, old: Row) -> None:
        """Undo `swap_cells` of `number` cells: `old` is shorter where the stored row ended before them."""
        self.rows[row][col : col + number] = old

    def swap_dimension(self, dimension: Dimension, index: int, properties: Json | None) -> Json | None:
        """Set the properties of a row or column and return the old ones."""
        found = self.row_properties if dimension == "ROWS" else self.column_properties
        if index >= len(found):
            found.extend([None] * (index + 1 - len(found)))
        old = found[index]
        found[index] = properties
        return old

    def open_gap(self, dimension: Dimension, at: int, number: int) -> None:
        """Insert blank rows or columns."""
        if dimension == "ROWS":
            self.row_count += number
            if at < len(self.rows):
                self.rows[at:at] = [[] for _ in range(number)]
            if at < len(self.row_properties):
                self.row_properties[at:at] = [None] * number
            return
        self.col_count += number
        blank: Row = [None] * number
        for line in self.rows:
            if at < len(line):
                line[at:at] = blank
        if at < len(self.column_properties):
            self.column_properties[at:at] = [None] * number

    def cut(self, dimension: Dimension, start: int, end: int) -> tuple[list[Row], list[Json | None]]:
        """Delete rows or columns; returns their cells (row by row) and properties."""
        if dimension == "ROWS":
            self.row_count -= end - start
            lines, properties = self.rows[start:end], self.row_properties[start:end]
            del self.rows[start:end]
            del self.row_properties[start:end]
            return lines, properties
        self.col_count -= end - start
        pieces: list[Row] = []
        for line in self.rows:
            pieces.append(line[start:end])
            del line[start:end]
        properties = self.column_properties[start:end]
        del self.column_properties[start:end]
        return pieces, properties

    def paste_back(self, dimension: Dimension, start: int, end: int, kept: tuple[list[Row], list[Json | None]]) -> None:
        """Undo `cut`."""
        lines, properties = kept
        if dimension == "ROWS":
            self.row_count += end - start
            self.rows[start:start] = lines
            self.row_properties[start:start] = properties
            return
        self.col_count += end - start
        for line, piece in zip(self.rows, lines, strict=False):  # rows that came since are blank again
            line[start:start] = piece
        self.column_properties[start:start] = properties

    def shift(self, dimension: Dimension, start: int, end: int, destination: int) -> None:
        """Move rows or columns to before `destination`, counted as before the move."""
        target = destination - (end - start) if destination > start else destination
        reach = max(end, destination)
        if dimension == "ROWS":
            if len(self.rows) < reach:
                self.rows.extend([] for _ in range(reach - len(self.rows)))
            _move(self.rows, start, end, target)
            _pad(self.row_properties, reach)
            _move(self.row_properties, start, end, target)
            return
        for line in self.rows:
            _pad(line, reach)
            _move(line, start, end, target)
        _pad(self.column_properties, reach)
        _move(self.column_properties, start, end, target)

    # The data file.

    def to_json(self) -> Json:
        """The whole tab as JSON."""
        state: Json = {"id": self.sheet_id}
        for name, empty in PLAIN.items():
            value = getattr(self, name)
            if value != empty or name in ("row_count", "col_count"):
                state[name] = value
        for name in KEYED:
            if items := getattr(self, name):
                state[name] = list(items.items())
        shapes = Shapes()
        state["rows"] = [[encode(cell, shapes) for cell in line] for line in self.rows]
        state["shapes"] = shapes.listed
        state["row_properties"] = list(self.row_properties)
        state["column_properties"] = list(self.column_properties)
        return state

    @classmethod
    def from_json(cls, state: Json) -> Sheet:
        """The tab of `to_json`."""
        sheet = cls(state["id"], state.get("title", ""))
        for name in PLAIN:
            if name in state:
                setattr(sheet, name, thaw(name, state[name]))
        for name in KEYED:
            setattr(sheet, name, dict(state.get(name, ())))
        listed = state.get("shapes")  # files of the first days have formats and rules in the cells themselves
        shapes = None if listed is None else [shared(shape) for shape in listed]
        sheet.rows = [[decode(cell, shapes) for cell in line] for line in state["rows"]]
        sheet.row_properties = state["row_properties"]
        sheet.column_properties = state["column_properties"]
        return sheet


def _pad(items: list[Any], length: int) -> None:
    if len(items) < length:
        items.extend([None] * (length - len(items)))


def _move(items: list[Any], start: int, end: int, target: int) -> None:
    block = items[start:end]
    del items[start:end]
    items[target:target] = block
