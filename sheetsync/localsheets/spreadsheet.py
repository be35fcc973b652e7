"""One spreadsheet: its tabs, named ranges and developer metadata.  State only, like `sheet.py`.

The file around it (owner, times, permissions) is a `files.FileRecord`; both are kept by `workspace.py`.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from sheetsync.localsheets import errors
from sheetsync.localsheets.cell import Formula, Json
from sheetsync.localsheets.sheet import Sheet

if TYPE_CHECKING:
    from sheetsync.localsheets.formulas.calculator import Calculator

MAX_CELLS: Final = 10_000_000
MAX_TITLE_CHARS: Final = 100
FIRST_TITLE: Final = "Sheet1"


def default_properties(title: str, time_zone: str = "Etc/GMT", locale: str = "en_US") -> Json:
    """The properties of a new spreadsheet."""
    return {"title": title, "locale": locale, "autoRecalc": "ON_CHANGE", "timeZone": time_zone}


class Spreadsheet:
    """A spreadsheet with its tabs.

    Attributes:
        owner: who owns the file; set by the workspace, as is `now_ms`, the clock that formulas see.
        version: rises with every change, so that calculated values know when they are stale.
        has_formulas: False proves that there is none; True may be left over.
    """

    def __init__(self, spreadsheet_id: str, properties: Json, *, rng: random.Random) -> None:
        self.spreadsheet_id = spreadsheet_id
        self.properties = properties
        self.rng = rng
        self.sheets: list[Sheet] = []
        self.named_ranges: dict[str, Json] = {}
        self.metadata: dict[int, Json] = {}
        self.comments: dict[str, Json] = {}
        self.owner = ""
        self.now_ms: Callable[[], int] = lambda: int(time.time() * 1000)
        self.version = 0
        self.has_formulas = False
        self._calculator: Calculator | None = None

    @property
    def journal_key(self) -> int | None:
        """How records name this owner."""
        return None

    @property
    def locale(self) -> str:
        """The locale, such as `en_US`."""
        return str(self.properties.get("locale", "en_US"))

    @property
    def calculator(self) -> Calculator:
        """What works out the formulas; made when the first one is met."""
        if self._calculator is None:
            from sheetsync.localsheets.formulas.calculator import Calculator

            self._calculator = Calculator(self)
        return self._calculator

    @property
    def cell_count(self) -> int:
        """The cells of all grids, filled or not: what Google's limit counts."""
        return sum(sheet.row_count * sheet.col_count for sheet in self.sheets)

    def formula(self, text: str) -> Formula:
        """A formula to be put into one of our cells."""
        self.has_formulas = True
        return Formula(text)

    def sheet_by_id(self, sheet_id: int) -> Sheet:
        """The tab with an id.

        Raises:
            ApiError: 400, there is none.
        """
        for sheet in self.sheets:
            if sheet.sheet_id == sheet_id:
                return sheet
        raise errors.ApiError(f"No sheet with id: {sheet_id}")

    def grid(self, sheet_id: int) -> Sheet:
        """The tab with an id, named as requests on its grid name it.

        Raises:
            ApiError: 400, there is none.
        """
        for sheet in self.sheets:
            if sheet.sheet_id == sheet_id:
                return sheet
        raise errors.ApiError(f"No grid with id: {sheet_id}")

    def sheet_by_title(self, title: str) -> Sheet | None:
        """The tab with a title, in any case."""
        wanted = title.casefold()
        for sheet in self.sheets:
            if sheet.title == title:
                return sheet
        for sheet in self.sheets:
            if sheet.title.casefold() == wanted:
                return sheet
        return None

    def new_id(self, taken: Any = ()) -> int:
        """A random id as Google makes them: a positive 31-bit number that is not taken."""
        while True:
            number = self.rng.randrange(1_000_000, 2**31 - 1)
            if number not in taken and str(number) not in taken:
                return number

    def new_sheet_id(self) -> int:
        """A random id that no tab has."""
        return self.new_id({sheet.sheet_id for sheet in self.sheets})

    def check_cell_limit(self, more: int) -> None:
        """Refuse growth beyond ten million cells.

        Raises:
            ApiError: 400, as Google words it.
        """
        if more > 0 and self.cell_count + more > MAX_CELLS:
            raise errors.ApiError(
                f"This action would increase the number of cells in the workbook above the limit of {MAX_CELLS} cells."
            )

    def to_json(self) -> Json:
        """The whole spreadsheet as JSON."""
        return {
            "id": self.spreadsheet_id,
            "properties": self.properties,
            "named_ranges": self.named_ranges,
            "metadata": list(self.metadata.items()),
            "comments": self.comments,
            "formulas": self.has_formulas,
            "sheets": [sheet.to_json() for sheet in self.sheets],
        }

    @classmethod
    def from_json(cls, state: Json, *, rng: random.Random) -> Spreadsheet:
        """The spreadsheet of `to_json`."""
        spreadsheet = cls(state["id"], state["properties"], rng=rng)
        spreadsheet.named_ranges = state["named_ranges"]
        spreadsheet.metadata = dict(state["metadata"])
        spreadsheet.comments = state.get("comments", {})
        spreadsheet.has_formulas = state["formulas"]
        spreadsheet.sheets = [Sheet.from_json(sheet) for sheet in state["sheets"]]
        return spreadsheet


def new_spreadsheet(spreadsheet_id: str, title: str, *, rng: random.Random) -> Spreadsheet:
    """A new spreadsheet with one tab, `Sheet1`, whose id is 0."""
    spreadsheet = Spreadsheet(spreadsheet_id, default_properties(title), rng=rng)
    spreadsheet.sheets.append(Sheet(0, FIRST_TITLE))
    return spreadsheet
