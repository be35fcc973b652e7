"""A typed batch → the requests of one atomic `batchUpdate`. Pure.

Order matters: the scratch tabs of the version it was planned against go first (without them the batch is refused), then
pre-images are copied, then everything is written: cells by the rows as they were read, then rows removed and inserted
from the bottom up, so that no index moves under a later request.
Source: sheets_api.md section 2.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, TypeGuard

from sheetsync.domain.draft import CellValue
from sheetsync.gsheets.drawing import draw_again, format_again
from sheetsync.gsheets.layout import color_rows, column_range, draw_tab, format_rows, own_columns, protect_tab, set_rule
from sheetsync.gsheets.reading import ERROR_NAMES, MARK_KEY, TAB_KEY
from sheetsync.sync.epoch import scratch_title
from sheetsync.sync.formulas import moved_raw, moved_whole
from sheetsync.sync.gateway import (
    AddRow,
    Batch,
    DeleteRow,
    ErrorValue,
    Formula,
    SheetRead,
    TouchRow,
    Written,
)
from sheetsync.sync.shifted import is_header, own_places
from sheetsync.sync.tabs import KPIS, LAYOUTS, SCRATCH, SYNC_STATUS, Role

JSON = Any
SPARE_ROWS: Final[dict[Role, int]] = {KPIS: 50}  # where owners add rows
MIN_ROWS: Final = 2
SHARED_CELLS: Final = 4096  # of a bulk's cells most are alike: firearms, locks, connectors
SHARED_LENGTH: Final = 100
INT31: Final = 0x7FFFFFFF


@dataclass
class Place:
    """Where a tab of ours is, or will be: its sheetId, its columns, its rows and columns in the grid.

    `own`: people's columns by header and by place; written only to put back what a write of ours covered there.
    """

    sheet_id: int
    columns: dict[str, int]
    rows: int
    width: int
    created: bool = False
    own: Mapping[str, int] = field(default_factory=dict)


@dataclass
class Rendered:
    """The requests of a batch, and the titles whose ranges tell what it did."""

    requests: list[JSON] = field(default_factory=list)
    scratch_title: str = ""
    places: dict[Role, Place] = field(default_factory=dict)


def extended_value(value: Written) -> JSON:
    """A typed value, never parsed by Google; None where the cell is cleared. A formula is one that people had there."""
    if isinstance(value, Formula):
        return {"formulaValue": value.text}
    if isinstance(value, ErrorValue):
        return {"stringValue": value.text}
    if value is None or value == "":
        return None
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int | float):
        return {"numberValue": value}
    return {"stringValue": value}


def cell_data(value: Written) -> JSON:
    """A cell with a value, or an empty one; equal short texts share theirs, so nobody may change what comes back."""
    if _is_short(value):
        return _shared_cell(value)
    found = extended_value(value)
    return {} if found is None else {"userEnteredValue": found}


def _row_of_one(value: Written) -> JSON:
    """A row of one cell, by the same rule."""
    return _shared_row(value) if _is_short(value) else {"values": [cell_data(value)]}


def _is_short(value: Written) -> TypeGuard[CellValue]:
    return isinstance(value, bool) or (isinstance(value, str) and len(value) <= SHARED_LENGTH)


@lru_cache(maxsize=SHARED_CELLS, typed=True)
def _shared_cell(value: CellValue) -> JSON:
    found = extended_value(value)
    return {} if found is None else {"userEnteredValue": found}


@lru_cache(maxsize=SHARED_CELLS, typed=True)
def _shared_row(value: CellValue) -> JSON:
    return {"values": [_shared_cell(value)]}


def render(
    batch: Batch, read: SheetRead, *, sheet_ids: dict[Role, int], scratch_id: int, firearms: tuple[str, ...]
) -> Rendered:
    """All requests of a batch. `sheet_ids`: the ids that tabs to be created get."""
    done = Rendered(scratch_title=scratch_title(batch.token.epoch))
    places = _places(batch, read, sheet_ids)
    done.places = places
    planned = [one for one in batch.operations if isinstance(one, TouchRow | DeleteRow)]
    requests = done.requests
    requests += [{"deleteSheet": {"sheetId": tab.sheet_id}} for tab in batch.deletes]
    requests += [{"deleteSheet": {"sheetId": sheet_id}} for sheet_id in read.staging]
    requests += _scratch_tab(batch, scratch_id, done.scratch_title, planned, places)
    requests += [one for role in (*batch.adopt, *batch.repair) for one in _widen(places[role])]
    requests += _pre_images(scratch_id, planned, places)
    requests += _mark(batch, read)
    for role in batch.create:
        requests += _create_tab(role, places[role], batch, firearms)
    requests += _sets([one for one in batch.operations if isinstance(one, TouchRow)], places)
    requests += _rules(batch, places, firearms)
    for role in (*batch.adopt, *batch.repair):
        requests += format_again(read.tabs[role], places[role].columns, places[role].rows, firearms)
    requests += _structure(batch, places, firearms)
    requests += [_metadata(places[role].sheet_id, role) for role in batch.adopt]
    for role in (*batch.adopt, *batch.repair):
        requests += draw_again(read.tabs[role], places[role].columns)
    return done


def _places(batch: Batch, read: SheetRead, sheet_ids: dict[Role, int]) -> dict[Role, Place]:
    places = {}
    for role in LAYOUTS:
        tab = read.tabs.get(role)
        if role in batch.create:
            columns = {name: at for at, name in enumerate(LAYOUTS[role].names)}
            count = sum(isinstance(one, AddRow) and one.role == role for one in batch.operations)
            rows = max(MIN_ROWS, 1 + count + SPARE_ROWS.get(role, 0))
            places[role] = Place(sheet_ids[role], columns, rows, len(columns), created=True)
        elif tab is not None:
            columns = batch.headers.get(role) or own_columns(tab)
            places[role] = Place(tab.sheet_id, columns, tab.row_count, tab.column_count, own=own_places(tab))
    return places


def _scratch_tab(
    batch: Batch, sheet_id: int, title: str, planned: list[TouchRow | DeleteRow], places: dict[Role, Place]
) -> list[JSON]:
    width = max([1, *(_copied_width(one, places[one.role]) for one in planned)])
    grid = {"rowCount": len(planned) + 1, "columnCount": width}
    header = {"epoch": batch.token.epoch, "nonce": batch.token.nonce, "hash": batch.digest}
    cell = {"userEnteredValue": {"stringValue": json.dumps(header, sort_keys=True)}}
    start = {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": 0}
    warning = "sheetsync: this hidden tab says which write was the last one; do not change it"
    return [
        {"addSheet": {"properties": {"sheetId": sheet_id, "title": title, "hidden": True, "gridProperties": grid}}},
        _metadata(sheet_id, SCRATCH),
        {"updateCells": {"rows": [{"values": [cell]}], "fields": "userEnteredValue", "start": start}},
        {
            "addProtectedRange": {
                "protectedRange": {"range": {"sheetId": sheet_id}, "description": warning, "warningOnly": False}
            }
        },
    ]


def _metadata(sheet_id: int, role: Role) -> JSON:
    one = {"metadataKey": TAB_KEY, "metadataValue": role, "location": {"sheetId": sheet_id}, "visibility": "DOCUMENT"}
    return {"createDeveloperMetadata": {"developerMetadata": one}}


def _copied_width(one: TouchRow | DeleteRow, place: Place) -> int:
    """From the first column of the tab on: our headers and keys may have moved to the left, too."""
    if isinstance(one, DeleteRow) or is_header(one):
        return place.width
    end = max(place.columns.values()) + 2  # one more: where our last column stands if somebody inserts one before it
    return min(end, place.width)


def _pre_images(scratch_id: int, planned: list[TouchRow | DeleteRow], places: dict[Role, Place]) -> list[JSON]:
    """Copies of the rows as they are when the batch lands, one scratch row each; neighbours in one request."""
    found: list[JSON] = []
    at = 0
    while at < len(planned):
        first = planned[at]
        end = at + 1
        while (
            end < len(planned) and type(planned[end]) is type(first) and planned[end].role == first.role
            and not is_header(first) and planned[end].index == planned[end - 1].index + 1
        ):  # fmt: skip
            end += 1
        place = places[first.role]
        width = _copied_width(first, place)
        source = {
            "sheetId": place.sheet_id, "startRowIndex": first.index, "endRowIndex": first.index + end - at,
            "startColumnIndex": 0, "endColumnIndex": width,
        }  # fmt: skip
        target = {
            "sheetId": scratch_id, "startRowIndex": at + 1, "endRowIndex": end + 1,
            "startColumnIndex": 0, "endColumnIndex": width,
        }  # fmt: skip
        found.append({"copyPaste": {"source": source, "destination": target, "pasteType": "PASTE_NORMAL"}})
        at = end
    return found


def _mark(batch: Batch, read: SheetRead) -> list[JSON]:
    if batch.mark is None or batch.mark == read.mark:
        return []
    value = json.dumps({"store": batch.mark.store, "tenant": batch.mark.tenant, "spreadsheet": batch.mark.spreadsheet})
    one = {"metadataKey": MARK_KEY, "metadataValue": value, "location": {"spreadsheet": True}, "visibility": "DOCUMENT"}
    found: list[JSON] = []
    if read.mark is not None:
        found.append(
            {"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": {"metadataKey": MARK_KEY}}}}
        )
    return [*found, {"createDeveloperMetadata": {"developerMetadata": one}}]


def _create_tab(role: Role, place: Place, batch: Batch, firearms: tuple[str, ...]) -> list[JSON]:
    layout = LAYOUTS[role]
    grid = {"rowCount": place.rows, "columnCount": place.width, "frozenRowCount": 1}
    properties = {"sheetId": place.sheet_id, "title": layout.title, "gridProperties": grid}
    rows = [one for one in batch.operations if isinstance(one, AddRow) and one.role == role]
    body = [{"values": [cell_data(name) for name in layout.names]}, *(_row_data(role, one) for one in rows)]
    start = {"sheetId": place.sheet_id, "rowIndex": 0, "columnIndex": 0}
    return [
        {"addSheet": {"properties": properties}},
        _metadata(place.sheet_id, role),
        *format_rows(role, place.sheet_id, place.columns, 1, place.rows, firearms),
        {"updateCells": {"rows": body, "fields": "userEnteredValue", "start": start}},
        *(request for at, one in enumerate(rows, 1) for request in _notes(place, at, one.notes)),
        *draw_tab(role, place.sheet_id, place.columns),
        *color_rows(role, place.sheet_id, place.columns),
        *protect_tab(role, place.sheet_id, place.columns),
    ]


def _row_data(role: Role, one: AddRow, offset: int = 0) -> JSON:
    """`offset`: how far below `at` it comes to stand."""
    values = [cell_data(moved_raw(value, offset) if isinstance(value, Formula) else value) for value in one.values]
    return {"values": [*values, cell_data(one.status)] if LAYOUTS[role].answers else values}


def _widen(place: Place) -> list[JSON]:
    """Columns for headers that are written beyond the grid; before pre-images, which are that wide. And a second row.

    People's tabs may have one row; all that we set begins in the second.
    """
    more = {"COLUMNS": max(place.columns.values()) + 1 - place.width, "ROWS": MIN_ROWS - place.rows}
    place.rows = max(MIN_ROWS, place.rows)
    return [
        {"appendDimension": {"sheetId": place.sheet_id, "dimension": dimension, "length": length}}
        for dimension, length in more.items()
        if length > 0
    ]


def _sets(touches: list[TouchRow], places: dict[Role, Place]) -> list[JSON]:
    """Cells to write, in runs of neighbours of one column; then notes."""
    cells: list[tuple[Role, int, int, JSON]] = []
    notes: list[JSON] = []
    for one in touches:
        place = places[one.role]
        values: dict[str, Written] = dict(one.sets)
        if one.status is not None and SYNC_STATUS in place.columns:
            values[SYNC_STATUS] = one.status
        cells += [
            (one.role, at, one.index, _row_of_one(value))
            for name, value in values.items()
            if (at := place.columns.get(name, place.own.get(name))) is not None
        ]
        notes += _notes(place, one.index, one.notes)
    cells.sort(key=lambda cell: cell[:3])
    found: list[JSON] = []
    run: list[JSON] = []
    before: tuple[Role, int, int] | None = None
    for role, column, row, data in cells:
        if before != (role, column, row - 1):
            run = []
            start = {"sheetId": places[role].sheet_id, "rowIndex": row, "columnIndex": column}
            found.append({"updateCells": {"rows": run, "fields": "userEnteredValue", "start": start}})
        run.append(data)
        before = (role, column, row)
    return found + notes


def _notes(place: Place, row_index: int, notes: Mapping[str, str | None]) -> list[JSON]:
    """Notes to write, or to clear where the text is None."""
    found: list[JSON] = []
    for name, text in notes.items():
        if name in place.columns:
            start = {"sheetId": place.sheet_id, "rowIndex": row_index, "columnIndex": place.columns[name]}
            rows = [{"values": [{"note": text} if text else {}]}]
            found.append({"updateCells": {"rows": rows, "fields": "note", "start": start}})
    return found


def _rules(batch: Batch, places: dict[Role, Place], firearms: tuple[str, ...]) -> list[JSON]:
    """Validations set again, by the rows of the read: before rows are removed and inserted.

    They take no pre-images: in a row that moved meanwhile they belong just as well. (A column that somebody inserts
    in that moment would get them, as it would get the format of inserted rows: they are no values.)
    """
    found = []
    for one in batch.rules:
        place, layout = places[one.role], LAYOUTS[one.role]
        where = column_range(place.sheet_id, place.columns[one.column], one.first, one.end)
        found.append(set_rule(layout.columns[layout.position(one.column)], where, firearms))
    return found


def _structure(batch: Batch, places: dict[Role, Place], firearms: tuple[str, ...]) -> list[JSON]:
    """Rows removed and inserted, from the bottom up; all indexes are those of the read."""
    found: list[JSON] = []
    for role, place in places.items():
        if place.created:
            continue
        deletes = {one.index for one in batch.operations if isinstance(one, DeleteRow) and one.role == role}
        inserts: dict[int, list[AddRow]] = {}
        for one in batch.operations:
            if isinstance(one, AddRow) and one.role == role:
                inserts.setdefault(one.at, []).append(one)
        if deletes and place.rows - len(deletes) < MIN_ROWS:  # Google refuses to delete all rows that are not frozen
            found.append({"appendDimension": {"sheetId": place.sheet_id, "dimension": "ROWS", "length": 1}})
        for index in sorted(deletes | set(inserts), reverse=True):
            if index in deletes:
                where = {"sheetId": place.sheet_id, "dimension": "ROWS", "startIndex": index, "endIndex": index + 1}
                found.append({"deleteDimension": {"range": where}})
            if index in inserts:
                found += _insert(role, place, index, inserts[index], firearms)
    return found


def _writable(cell: JSON) -> JSON:
    """A cell of a row that is put back; an error that people typed is written as its text: Google takes no other."""
    error = cell.get("userEnteredValue", {}).get("errorValue")
    if error is None:
        return cell
    return {**cell, "userEnteredValue": {"stringValue": ERROR_NAMES.get(error.get("type", ""), "#ERROR!")}}


def _insert(role: Role, place: Place, index: int, rows: list[AddRow], firearms: tuple[str, ...]) -> list[JSON]:
    where = {"sheetId": place.sheet_id, "dimension": "ROWS", "startIndex": index, "endIndex": index + len(rows)}
    inherit = index > 1 or index >= place.rows
    found: list[JSON] = [{"insertDimension": {"range": where, "inheritFromBefore": inherit}}]
    for offset, one in enumerate(rows):
        if any(one.whole):
            start = {"sheetId": place.sheet_id, "rowIndex": index + offset, "columnIndex": 0}
            fields = "userEnteredValue,userEnteredFormat,note"
            values = [_writable(cell) for cell in moved_whole(one.whole, offset)]
            found.append({"updateCells": {"rows": [{"values": values}], "fields": fields, "start": start}})
    found += format_rows(role, place.sheet_id, place.columns, index, index + len(rows), firearms)
    names = [name for name in LAYOUTS[role].names if name in place.columns]
    together = [place.columns[name] for name in names] == list(
        range(place.columns[names[0]], place.columns[names[0]] + len(names))
    )
    body = [
        dict(zip(LAYOUTS[role].names, _row_data(role, one, offset)["values"], strict=True))
        for offset, one in enumerate(rows)
    ]
    groups = [names] if together else [[name] for name in names]
    for group in groups:
        start = {"sheetId": place.sheet_id, "rowIndex": index, "columnIndex": place.columns[group[0]]}
        data = [{"values": [row[name] for name in group]} for row in body]
        found.append({"updateCells": {"rows": data, "fields": "userEnteredValue", "start": start}})
    for offset, one in enumerate(rows):
        found += _notes(place, index + offset, one.notes)
    return found
