"""Google's grid JSON into what the engine reads: our tabs, their columns by header, rows as plain tuples.

Typed values only (`userEnteredValue`): what a cell shows depends on the language of the spreadsheet.
Source: sheets_api.md sections 3 and 5.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sheetsync.gsheets.layout import RuleCheck, rule_checks
from sheetsync.sync.gateway import (
    Area,
    ErrorValue,
    Formula,
    Mark,
    Protection,
    Raw,
    RowRead,
    ScratchTab,
    SheetRead,
    TabRead,
)  # fmt: skip
from sheetsync.sync.headers import FoundColumns, Places, find_columns
from sheetsync.sync.tabs import LAYOUTS, ROLES, SCRATCH, STAGING, Role

NO_COLUMNS: Mapping[Role, dict[str, int]] = {}
NOT_KNOWN: Mapping[Role, Places] = {}
JSON = Any  # Google's JSON, parsed here and trusted nowhere else
TAB_KEY: Final = "sheetsync.tab"
MARK_KEY: Final = "sheetsync.mark"
VALUES: Final = "userEnteredValue,effectiveValue(errorValue(type)),note"
CELL: Final = f"{VALUES},dataValidation(condition(type),strict)"  # the list of a dropdown would be most of the answer
WHOLE: Final = f"{VALUES},userEnteredFormat"
TAB_FIELDS: Final = (
    "properties(sheetId,title,index,hidden,gridProperties),developerMetadata(metadataKey,metadataValue),"
    "protectedRanges(protectedRangeId,description),merges,tables(range)"
)
PROTECTION: Final = "protectedRangeId,description,range,warningOnly,requestingUserCanEdit,unprotectedRanges"
NOWHERE: Final[Area] = (-1, -1, -1, -1)  # of a protection whose range was not asked for


def _fields(cell: str) -> str:
    return (
        "spreadsheetId,properties(title),developerMetadata(metadataKey,metadataValue),"
        f"sheets({TAB_FIELDS},data(startRow,startColumn,rowData(values({cell}))))"
    )


READ_FIELDS: Final = _fields(CELL).replace("protectedRangeId,description", PROTECTION)
BACK_FIELDS: Final = _fields(VALUES)
WHOLE_FIELDS: Final = _fields(WHOLE)
LIST_FIELDS: Final = (
    "spreadsheetId,properties(title),developerMetadata(metadataKey,metadataValue),"
    "sheets(properties(sheetId,title,index,hidden,gridProperties),developerMetadata(metadataKey,metadataValue))"
)
ERROR_NAMES: Final = {
    "ERROR": "#ERROR!", "NULL_VALUE": "#NULL!", "DIVIDE_BY_ZERO": "#DIV/0!", "VALUE": "#VALUE!", "REF": "#REF!",
    "NAME": "#NAME?", "NUM": "#NUM!", "N_A": "#N/A", "LOADING": "Loading...",
}  # fmt: skip

ERROR_TEXTS: Final = frozenset(ERROR_NAMES.values()) - {"Loading..."}
EXACT: Final = 1e15  # below this a double that is whole is shown, and meant, as an integer


def parse_cell(cell: JSON) -> Raw:
    """What stands in a cell; "" is an empty one."""
    entered = cell.get("userEnteredValue")
    if not entered:
        return ""
    text = entered.get("stringValue")
    if text is not None:
        return ErrorValue(text) if text in ERROR_TEXTS else text
    for kind, value in entered.items():
        if kind == "numberValue":
            return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < EXACT else value
        if kind == "boolValue":
            return bool(value)
        if kind == "formulaValue":
            error = cell.get("effectiveValue", {}).get("errorValue")
            return Formula(str(value), ERROR_NAMES.get(error.get("type", ""), "#ERROR!") if error else "")
        if kind == "errorValue":
            return ErrorValue(ERROR_NAMES.get(value.get("type", ""), "#ERROR!"))
    return ""


def role_of_sheet(sheet: JSON) -> Role | None:
    """The role that a tab's metadata name, or None."""
    for one in sheet.get("developerMetadata", ()):
        if one.get("metadataKey") == TAB_KEY:
            return str(one.get("metadataValue", ""))
    return None


def parse_mark(answer: JSON) -> Mark | None:
    """What the spreadsheet says it belongs to."""
    for one in answer.get("developerMetadata", ()):
        if one.get("metadataKey") == MARK_KEY:
            try:
                value = json.loads(one.get("metadataValue", ""))
                return Mark(str(value["store"]), str(value["tenant"]), str(value["spreadsheet"]))
            except (ValueError, KeyError, TypeError):
                return Mark("", "", "")
    return None


def parse_read(
    answer: JSON, spreadsheet_id: str, *, columns: Mapping[Role, dict[str, int]] = NO_COLUMNS,
    known: Mapping[Role, Places] = NOT_KNOWN,
) -> SheetRead:  # fmt: skip
    """A whole read: our tabs by role, scratch and staging tabs.

    `columns`: where the columns of some tabs are, whatever their headers say. `known`: where they were last seen.
    """
    tabs: dict[Role, TabRead] = {}
    scratch, staging, doubled = [], [], []
    for sheet in answer.get("sheets", ()):
        role = role_of_sheet(sheet)
        if role == SCRATCH:
            scratch.append(parse_scratch(sheet))
        elif role == STAGING:
            staging.append(int(sheet["properties"].get("sheetId", 0)))
        elif role in ROLES:
            tab = parse_tab(role, sheet, columns.get(role), known.get(role))
            if role in tabs:
                doubled.append(tab)
            else:
                tabs[role] = tab
    title = answer.get("properties", {}).get("title", "")
    return SheetRead(
        spreadsheet_id, parse_mark(answer), tabs, tuple(scratch), tuple(staging), tuple(doubled), title=title
    )


def parse_listing(answer: JSON, spreadsheet_id: str) -> SheetRead:
    """All tabs by name, without cells."""
    listed, cells = [], 0
    marked: dict[Role, TabRead] = {}
    for sheet in answer.get("sheets", ()):
        properties = sheet["properties"]
        grid = properties.get("gridProperties", {})
        cells += int(grid.get("rowCount", 0)) * int(grid.get("columnCount", 0))
        sheet_id, title = int(properties.get("sheetId", 0)), str(properties.get("title", ""))
        listed.append((sheet_id, title))
        role = role_of_sheet(sheet)
        if role is not None:
            size = int(grid.get("rowCount", 0)), int(grid.get("columnCount", 0))
            marked[role] = TabRead(role, sheet_id, title, {}, [], *size)
    title = answer.get("properties", {}).get("title", "")
    return SheetRead(spreadsheet_id, parse_mark(answer), marked, listed=tuple(listed), foreign_cells=cells, title=title)


def parse_tab(role: Role, sheet: JSON, given: dict[str, int] | None = None, known: Places | None = None) -> TabRead:
    """One tab of ours: columns by header (or as `given`), rows that hold anything of ours."""
    properties, layout = sheet["properties"], LAYOUTS[role]
    grid = properties.get("gridProperties", {})
    rows = _grid_rows(sheet)
    first = next(rows, (1, []))
    head = tuple(map(parse_cell, first[1])) if first[0] == 0 else ()
    headers = tuple(map(_text, head))
    protections = _protections(sheet, grid)
    found = FoundColumns(given) if given else find_columns(role, headers, protections, known)
    columns = found.columns
    places = tuple(columns.get(name, -1) for name in layout.names)
    checks = rule_checks(role, columns)
    lacking, in_use = min(places) < 0, set[int]()
    body, last = [], 1
    for at, cells in itertools.chain((first,), rows):  # a large answer is decoded as it is gone through
        if cells:
            last = max(last, at + 1)
            if lacking:
                in_use.update(place for place, cell in enumerate(cells) if cell.get("userEnteredValue"))
            row = _parse_row(at, cells, places, layout.names, checks) if at > 0 else None
            if row is not None:
                body.append(row)
    merges = tuple(_box(one) for one in sheet.get("merges", ()))
    tables = tuple(_box(one.get("range", {})) for one in sheet.get("tables", ()))
    return TabRead(
        role, int(properties.get("sheetId", 0)), str(properties.get("title", "")), columns, body,
        int(grid.get("rowCount", 0)), int(grid.get("columnCount", 0)), headers, merges,
        protections, int(grid.get("frozenRowCount", 0)), last, tables, frozenset(in_use), found.copies,
        found.unclear, head,
    )  # fmt: skip


def _box(one: JSON) -> tuple[int, int, int, int]:
    return (
        one.get("startRowIndex", 0), one.get("endRowIndex", 0), one.get("startColumnIndex", 0),
        one.get("endColumnIndex", 0),
    )  # fmt: skip


def _protections(sheet: JSON, grid: JSON) -> tuple[Protection, ...]:
    """What protects the tab. Google leaves `requestingUserCanEdit` out where it is false, ends where there is none."""
    return tuple(
        Protection(
            int(one.get("protectedRangeId", 0)), str(one.get("description", "")),
            _area(one["range"], grid) if "range" in one else NOWHERE,
            not one.get("warningOnly") and not one.get("requestingUserCanEdit"),
            tuple(_area(hole, grid) for hole in one.get("unprotectedRanges", ())),
            "endColumnIndex" not in one.get("range", {"endColumnIndex": 0}),
        )
        for one in sheet.get("protectedRanges", ())
    )  # fmt: skip


def _area(one: JSON, grid: JSON) -> Area:
    top, end, left, right = _box(one)
    return top, end or int(grid.get("rowCount", 0)), left, right or int(grid.get("columnCount", 0))


def _grid_rows(sheet: JSON) -> Iterator[tuple[int, list[JSON]]]:
    for block in sheet.get("data", ()):
        start = int(block.get("startRow", 0))
        for offset, row in enumerate(block.get("rowData", ())):
            yield start + offset, row.get("values", [])


def _text(raw: Raw) -> str:
    return raw.strip() if isinstance(raw, str) else ""


def _parse_row(
    index: int, cells: list[JSON], places: tuple[int, ...], names: tuple[str, ...], checks: tuple[RuleCheck, ...]
) -> RowRead | None:
    count, width = len(cells), len(places)
    values = tuple([parse_cell(cells[at]) if 0 <= at < count else "" for at in places])
    notes: dict[str, str] | None = None
    own: tuple[tuple[int, Raw], ...] = ()
    for cell in cells:
        if "note" in cell:
            notes = {
                name: cells[at]["note"]
                for name, at in zip(names, places, strict=True)
                if 0 <= at < count and "note" in cells[at]
            }
            break
    if count > width or max(places) >= width or min(places) < 0:
        ours = set(places)
        own = tuple(
            (at, parse_cell(cell)) for at, cell in enumerate(cells) if at not in ours and cell.get("userEnteredValue")
        )
    if not notes and values == ("",) * width:
        return None
    astray: tuple[str, ...] = ()
    for at, name, want, is_right in checks:
        rule = cells[at].get("dataValidation") if at < count else None
        if rule != want and not is_right(rule):
            astray = (*astray, name)
    return RowRead(index, values, own, notes or None, astray)


def parse_scratch(sheet: JSON) -> ScratchTab:
    """A scratch tab: its header cell tells epoch and nonce; below stand the pre-images."""
    sheet_id = int(sheet["properties"].get("sheetId", 0))
    rows: list[tuple[Raw, ...]] = []
    notes: dict[tuple[int, int], str] = {}
    for at, cells in _grid_rows(sheet):
        rows += [()] * (at + 1 - len(rows))
        rows[at] = tuple([parse_cell(cell) for cell in cells])
        for place, cell in enumerate(cells):
            if "note" in cell:
                notes[at - 1, place] = cell["note"]
    pre = tuple(rows[1:])
    try:
        header = json.loads(str(rows[0][0]))
        return ScratchTab(sheet_id, int(header["epoch"]), str(header["nonce"]), pre, notes=notes)
    except (ValueError, KeyError, IndexError, TypeError):
        return ScratchTab(sheet_id, 0, f"unreadable-{sheet_id}", pre, readable=False)
