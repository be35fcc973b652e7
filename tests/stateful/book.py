"""One spreadsheet on the local server as people have it before them: hands and eyes, without HTTP and without our code.

What people do with these hands is in `people.py`; what must hold afterwards in `promises.py`.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.cell import Cell, CellError
from sheetsync.localsheets.requests import handler
from sheetsync.localsheets.requests.edit import Edit
from sheetsync.localsheets.sheet import Sheet

POLICY, KPIS = "Policy Matrix", "KPIs"
KEYS = {POLICY: ("connector_id", "scope"), KPIS: ("connector_id", "kpi_name")}
EDITABLE = {POLICY: ("firearm_id", "strategy_lock"), KPIS: ("impact_type", "formula", "target", "unit")}
COLUMNS = {tab: (*KEYS[tab], *EDITABLE[tab], "sync_status") for tab in (POLICY, KPIS)}
SYNC_TABS = ("Connector Registry", "Coverage Report", "Sync Status")
TAG = "tag"  # an own column in which every row has a name, so that it can be followed
RENAMED = " (ours)"
OWNER = "policy-owner@example.com"
Value = str | int | float | bool
RowKey = tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """A row of an owners' tab: our columns, people's columns, their notes and colours, each by header."""

    index: int
    cells: dict[str, Value]
    own: dict[str, Value]
    notes: dict[str, str] = field(default_factory=dict)
    colours: dict[str, str] = field(default_factory=dict)
    key: RowKey = ()

    @property
    def tag(self) -> str:
        return str(self.own.get(TAG, ""))

    @property
    def status(self) -> str:
        return str(self.cells.get("sync_status", ""))


class Book:
    """The spreadsheet. Our tabs are known by the sheetId they were made with, columns by their headers."""

    def __init__(self, server: LocalSheets, spreadsheet_id: str) -> None:
        self.server, self.id = server, spreadsheet_id
        self.tab_ids: dict[str, int] = {}
        self.tags = 0

    def learn_tabs(self) -> None:
        self.tab_ids = {sheet.title: sheet.sheet_id for sheet in self.content().sheets}

    def content(self) -> Any:
        return self.server.workspace.spreadsheet(self.id)

    def sheet(self, tab: str) -> Sheet:
        found: Sheet = self.content().grid(self.tab_ids[tab])
        return found

    def do(self, *requests: dict[str, Any]) -> None:
        """Requests as one act of a person."""
        workspace = self.server.workspace
        with workspace.lock, workspace.transaction(self.content(), OWNER) as journal:
            for one in requests:
                for kind, body in one.items():
                    handler(kind)(Edit(journal, OWNER, Options()), body)

    def put_lines(self, tab: str, row: int, column: int, cells: list[list[Cell | None]]) -> None:
        """Whole cells, with notes and formats, as Google's undo puts them back."""
        workspace = self.server.workspace
        with workspace.lock, workspace.transaction(self.content(), OWNER) as journal:
            for offset, line in enumerate(cells):
                journal.put_cells(self.sheet(tab), row + offset, column, line)

    # -- eyes

    def headers(self, tab: str) -> dict[str, int]:
        """Column by header; a header of ours that people renamed (see `RENAMED`) still tells its column."""
        row = self.sheet(tab).row(0)
        named = {str(cell.value): at for at, cell in enumerate(row) if cell is not None and cell.value}
        return {name.removesuffix(RENAMED): at for name, at in named.items()}

    def lines(self, tab: str) -> list[Line]:
        """The rows below the header, blank ones too, up to the last that holds anything."""
        with self.server.workspace.lock:
            sheet, headers = self.sheet(tab), self.headers(tab)
            found = [_line(sheet, tab, headers, index) for index in range(1, len(sheet.rows))]
        while found and not any(value != "" for value in (*found[-1].cells.values(), *found[-1].own.values())):
            found.pop()
        return found

    def rows_of(self, tab: str) -> list[tuple[Value, ...]]:
        """A tab of sheetsync's own, below its header, without blank rows."""
        with self.server.workspace.lock:
            sheet = self.sheet(tab)
            rows = [tuple(_shown(cell) for cell in sheet.row(at)) for at in range(1, len(sheet.rows))]
        trimmed = [_trim(row) for row in rows]
        return [row for row in trimmed if row]

    def strangers(self) -> dict[int, str]:
        """Tabs that are not ours, each as text."""
        ours = {self.tab_ids[name] for name in (POLICY, KPIS, *SYNC_TABS)}
        with self.server.workspace.lock:
            sheets = [one for one in self.content().sheets if one.sheet_id not in ours]
            return {
                one.sheet_id: json.dumps(one.to_json(), sort_keys=True, default=str)
                for one in sheets
                if not one.title.startswith("sheetsync")
            }

    def as_text(self) -> str:
        """Everything in it, for telling whether anything changed."""
        with self.server.workspace.lock:
            return "\n".join(json.dumps(one.to_json(), sort_keys=True, default=str) for one in self.content().sheets)

    def tag_rows(self) -> None:
        """Give every row that holds something a tag of its own: part of the test, not an act of anybody."""
        for tab in (POLICY, KPIS):
            at = self.headers(tab).get(TAG)
            if at is None:
                continue
            seen: set[str] = set()
            for line in self.lines(tab):
                holds = any(value != "" for value in (*line.cells.values(), *line.own.values()))
                if holds and (not line.tag or line.tag in seen):
                    self.tags += 1
                    self.put_lines(tab, line.index, at, [[Cell(f"tag{self.tags}")]])
                seen.add(line.tag)


def _line(sheet: Sheet, tab: str, headers: dict[str, int], index: int) -> Line:
    cells: dict[str, Value] = {}
    own: dict[str, Value] = {}
    notes: dict[str, str] = {}
    colours: dict[str, str] = {}
    for name, at in headers.items():
        cell = sheet.cell(index, at)
        (cells if name in COLUMNS[tab] else own)[name] = _shown(cell)
        if cell is not None and cell.note:
            notes[name] = cell.note
        if cell is not None and cell.form and "backgroundColor" in cell.form:
            colours[name] = json.dumps(cell.form["backgroundColor"], sort_keys=True)
    key = tuple(str(cells.get(name, "")) for name in KEYS[tab])
    return Line(index, cells, own, notes, colours, key)


def _shown(cell: Cell | None) -> Value:
    if cell is None or cell.value is None:
        return ""
    return cell.value.kind if isinstance(cell.value, CellError) else cell.value


def _trim(row: tuple[Value, ...]) -> tuple[Value, ...]:
    end = len(row)
    while end and row[end - 1] == "":
        end -= 1
    return row[:end]
