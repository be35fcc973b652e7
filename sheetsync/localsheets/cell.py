"""One cell: what was entered, how it is formatted, and what hangs on it.

Cells are immutable, so that undoing a batch is putting old ones back and copies share them.  A cell that holds
nothing at all is `None` in a row.  How values are shown is in `rendering.py`, how typed text is read in `entry.py`.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import orjson

MAX_CELL_CHARS: Final = 50_000


class Formula(str):
    """A spreadsheet formula as entered, with its `=`."""

    __slots__ = ()


class CellError(NamedTuple):
    """An error value, such as the result of `=1/0`."""

    kind: str  # Google's ErrorType: DIVIDE_BY_ZERO, REF, NAME, VALUE, N_A, NUM, NULL_VALUE, ERROR
    message: str = ""


Value = None | str | int | float | bool | CellError
"""What a cell shows: blank, text, number, boolean or error."""

Entered = Value | Formula
"""What a cell holds: a value, or a formula (a `str` of its own type)."""

ERROR_CODES: Final = {
    "NULL_VALUE": "#NULL!",
    "DIVIDE_BY_ZERO": "#DIV/0!",
    "VALUE": "#VALUE!",
    "REF": "#REF!",
    "NAME": "#NAME?",
    "NUM": "#NUM!",
    "N_A": "#N/A",
    "ERROR": "#ERROR!",
    "LOADING": "Loading...",
}
ERROR_KINDS: Final = {shown: kind for kind, shown in ERROR_CODES.items()}

Json = dict[str, Any]


class Cell:
    """An immutable cell.

    Attributes:
        value: what was entered.
        form: `userEnteredFormat`, tidied; never changed in place.
        note: the note, "" for none.
        rule: the data validation rule.
        extra: other fields of CellData that are kept as sent (textFormatRuns, chipRuns, pivotTable …).
    """

    __slots__ = ("extra", "form", "note", "rule", "value")

    def __init__(
        self,
        value: Entered = None,
        form: Json | None = None,
        note: str = "",
        rule: Json | None = None,
        extra: Json | None = None,
    ) -> None:
        self.value = value
        self.form = form
        self.note = note
        self.rule = rule
        self.extra = extra

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Cell) and encode(self) == encode(other)

    def __hash__(self) -> int:
        return hash((self.value, self.note))

    def __repr__(self) -> str:
        return f"Cell({encode(self)!r})"

    @property
    def is_bare(self) -> bool:
        """Whether there is nothing but a value."""
        return self.form is None and not self.note and self.rule is None and self.extra is None

    def with_value(self, value: Entered) -> Cell | None:
        """The cell with another value; text runs and chips belong to the old one and go. None if nothing is left."""
        extra = self.extra
        if extra:
            extra = {key: item for key, item in extra.items() if key not in ("textFormatRuns", "chipRuns")} or None
        return settle(Cell(value, self.form, self.note, self.rule, extra))

    def with_form(self, form: Json | None) -> Cell | None:
        """The cell with another format."""
        return settle(Cell(self.value, form or None, self.note, self.rule, self.extra))

    def with_note(self, note: str) -> Cell | None:
        """The cell with another note."""
        return settle(Cell(self.value, self.form, note, self.rule, self.extra))

    def with_rule(self, rule: Json | None) -> Cell | None:
        """The cell with another validation rule."""
        return settle(Cell(self.value, self.form, self.note, rule, self.extra))


EMPTY: Final = Cell()


def settle(cell: Cell) -> Cell | None:
    """The cell, or None where it holds nothing at all."""
    return None if cell.value is None and cell.is_bare else cell


def whole(number: float) -> int | float:
    """A number without a needless fraction: Google answers 3 for 3.0."""
    if type(number) is float and number.is_integer() and abs(number) < 1e16:
        return int(number)
    return number


_shared: dict[bytes, Json] = {}
MAX_SHARED: Final = 20_000


def shared(value: Json) -> Json:
    """One and the same object for equal formats and rules: a large sheet has thousands of cells, and few of these."""
    key = orjson.dumps(value, option=orjson.OPT_SORT_KEYS)
    found = _shared.get(key)
    if found is None:
        if len(_shared) >= MAX_SHARED:
            _shared.clear()
        found = _shared.setdefault(key, value)
    return found


class Shapes:
    """The formats and rules of a tab, each written once; cells name them by number."""

    def __init__(self) -> None:
        self.listed: list[Json] = []
        self._places: dict[int, int] = {}

    def place(self, value: Json) -> int:
        """The number of a format or rule."""
        number = self._places.get(id(value))
        if number is None:
            number = self._places[id(value)] = len(self.listed)
            self.listed.append(value)
        return number


def encode(cell: Cell | None, shapes: Shapes | None = None) -> Any:
    """A cell as compact JSON for the data file: plain values as themselves, others as an object."""
    if cell is None:
        return None
    value = cell.value
    if cell.is_bare and type(value) in (str, int, float, bool):
        return value
    parts: Json = {}
    if type(value) is Formula:
        parts["="] = str(value)
    elif type(value) is CellError:
        parts["!"] = list(value)
    elif value is not None:
        parts["v"] = value
    if cell.form is not None:
        parts["f"] = cell.form if shapes is None else shapes.place(cell.form)
    if cell.note:
        parts["n"] = cell.note
    if cell.rule is not None:
        parts["r"] = cell.rule if shapes is None else shapes.place(cell.rule)
    if cell.extra is not None:
        parts["x"] = cell.extra
    return parts


def decode(data: Any, shapes: list[Json] | None = None) -> Cell | None:
    """The cell of `encode`."""
    if data is None:
        return None
    if type(data) is not dict:
        return Cell(data)
    value: Entered = data.get("v")
    if "=" in data:
        value = Formula(data["="])
    elif "!" in data:
        value = CellError(*data["!"])
    form, rule = data.get("f"), data.get("r")
    if shapes is not None:
        form = shapes[form] if form is not None else None
        rule = shapes[rule] if rule is not None else None
    else:
        form = shared(form) if form is not None else None
        rule = shared(rule) if rule is not None else None
    return Cell(value, form, data.get("n", ""), rule, data.get("x"))
