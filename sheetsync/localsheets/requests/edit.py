"""What every kind of request gets: the journal, who asks, and checks that they share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sheetsync.localsheets import a1, errors, protection, ranges
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet

Body = dict[str, Any]
Reply = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Edit:
    """One batch being applied."""

    journal: Journal
    user: str
    options: Options

    @property
    def spreadsheet(self) -> Spreadsheet:
        """The spreadsheet that is changed."""
        return self.journal.spreadsheet

    def area(self, grid_range: Body | None, *, name: str = "range") -> Area:
        """The area of a GridRange.

        Raises:
            ApiError: 400, it is wrong.
        """
        return ranges.requested(self.spreadsheet, grid_range, name=name)

    def writable(self, grid_range: Body | None, *, name: str = "range") -> Area:
        """The area of a GridRange that the caller may write to.

        Raises:
            ApiError: 400, it is wrong, or protected.
        """
        area = self.area(grid_range, name=name)
        protection.check_cells(self.spreadsheet, area.sheet, area.box, self.user)
        return area

    def start(self, coordinate: Body) -> tuple[Sheet, int, int]:
        """The tab, row and column of a GridCoordinate.

        Raises:
            ApiError: 400, it is off the grid.
        """
        sheet = self.spreadsheet.grid(coordinate.get("sheetId", 0))
        row, col = coordinate.get("rowIndex", 0), coordinate.get("columnIndex", 0)
        if not (0 <= row < sheet.row_count and 0 <= col < sheet.col_count):
            raise ranges.off_grid(sheet, f"{a1.column_letters(max(col, 0))}{row + 1}")
        return sheet, row, col


def required(body: Body, name: str) -> Any:
    """A field that a request must have.

    Raises:
        ApiError: 400, it is missing.
    """
    if name not in body:
        raise errors.ApiError(f"{name} is required.")  # Google's wording is not recorded
    return body[name]
