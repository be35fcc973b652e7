"""addTable, updateTable, deleteTable.

A table brings alternating colours and typed columns; deleting it clears its cells, as Google's does.
"""

from __future__ import annotations

from sheetsync.localsheets import errors, fields, ranges, schema
from sheetsync.localsheets.cell import Cell, Json
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.rendering import effective, shown
from sheetsync.localsheets.requests.edit import Body, Edit, Reply
from sheetsync.localsheets.sheet import Box, Sheet

# The colours of a table whose maker chose none: recorded nowhere; those of Google's page.
BANDS = {
    "headerColorStyle": {"red": 0.20784314, "green": 0.40784314, "blue": 0.32941177},
    "firstBandColorStyle": {"red": 1, "green": 1, "blue": 1},
    "secondBandColorStyle": {"red": 0.9647059, "green": 0.972549, "blue": 0.9764706},
}


def _found(edit: Edit, key: str) -> tuple[Sheet, Json]:
    for sheet in edit.spreadsheet.sheets:
        if key in sheet.tables:
            return sheet, sheet.tables[key]
    raise errors.ApiError(f"No table with id: {key}")


def _header(edit: Edit, area: Area, index: int) -> str:
    sheet, box = area
    cell = sheet.cell(box.row, box.col + index)
    value = effective(edit.spreadsheet, sheet, box.row, box.col + index, cell) if cell else None
    return shown(value, (cell.form or {}).get("numberFormat") if cell else None, edit.spreadsheet.locale)


def _columns(edit: Edit, area: Area, given: list[Json]) -> list[Json]:
    """The columns of a table: named as asked, else by the header row, else `Column 1` and so on.

    Raises:
        ApiError: 400, a column lies outside, is named twice, or has a rule that its type may not have.
    """
    width = area.box.col_end - area.box.col
    by_index = {column.get("columnIndex", 0): column for column in given}
    if by_index and max(by_index) >= width:
        raise errors.ApiError(f"columnIndex {max(by_index)} is outside of the table's range.")
    found: list[Json] = []
    for index in range(width):
        column = dict(by_index.get(index, {}))
        column["columnIndex"] = index
        column["columnName"] = column.get("columnName") or _header(edit, area, index) or f"Column {index + 1}"
        rule = column.get("dataValidationRule", {}).get("condition", {})
        if column.get("columnType") == "DROPDOWN":
            if rule.get("type") != "ONE_OF_LIST":
                raise errors.ApiError("A dropdown column must have a data validation rule of type ONE_OF_LIST.")
        elif rule:
            raise errors.ApiError("A data validation rule can only be set on a dropdown column.")
        found.append(schema.tidy("TableColumnProperties", column))
    names = [column["columnName"].casefold() for column in found]
    if len(set(names)) < len(names):
        raise errors.ApiError("Column names in a table must be unique.")
    return found


def _write_header(edit: Edit, area: Area, columns: list[Json]) -> None:
    sheet, box = area
    for index, column in enumerate(columns):
        cell = sheet.cell(box.row, box.col + index) or Cell()
        if cell.value is None or _header(edit, area, index) != column["columnName"]:
            edit.journal.put_cell(sheet, box.row, box.col + index, cell.with_value(column["columnName"]))


def _type_columns(edit: Edit, area: Area, columns: list[Json]) -> None:
    """What typed columns bring: dropdowns and checkboxes for every row of the body; checkboxes start unticked."""
    sheet, box = area
    for index, column in enumerate(columns):
        kind = column.get("columnType")
        rule: Json | None = None
        if kind == "DROPDOWN":
            condition = column["dataValidationRule"]["condition"]
            rule = {"condition": condition, "showCustomUi": True}
        elif kind == "BOOLEAN":
            rule = {"condition": {"type": "BOOLEAN"}, "strict": True}
        if rule is None:
            continue
        for row in range(box.row + 1, box.row_end):
            cell = sheet.cell(row, box.col + index) or Cell()
            value = False if kind == "BOOLEAN" and cell.value is None else cell.value
            edit.journal.put_cell(sheet, row, box.col + index, Cell(value, cell.form, cell.note, rule, cell.extra))


def _check_place(area: Area, key: str) -> None:
    for other in area.sheet.tables.values():
        if other["tableId"] != key and ranges.box_of(area.sheet, other["range"]).meets(area.box):
            raise errors.ApiError("You can't create a table that overlaps with another table.")
    if any(merge.meets(area.box) for merge in area.sheet.merges):
        raise errors.ApiError("You can't create a table over merged cells.")


def _check_name(edit: Edit, name: str, key: str) -> None:
    if not name:
        raise errors.ApiError("A table must have a name.")
    for sheet in edit.spreadsheet.sheets:
        for other in sheet.tables.values():
            if other["name"].casefold() == name.casefold() and other["tableId"] != key:
                raise errors.ApiError(f'A table with the name "{name}" already exists.')


def add(edit: Edit, body: Body) -> Reply:
    """Make a range a table; its first row is the header."""
    given = body.get("table", {})
    area = edit.writable(given.get("range"))
    taken = {key for sheet in edit.spreadsheet.sheets for key in sheet.tables}
    key = given.get("tableId") or str(edit.spreadsheet.new_id(taken))
    if key in taken:
        raise errors.ApiError(f"A table with ID {key} already exists.")
    name = given.get("name") or f"Table{len(taken) + 1}"
    _check_name(edit, name, key)
    _check_place(area, key)
    columns = _columns(edit, area, given.get("columnProperties", []))
    table: Json = {"tableId": key, "name": name, "range": ranges.json_of(*area)}
    if given.get("rowsProperties"):
        table["rowsProperties"] = schema.tidy("TableRowsProperties", given["rowsProperties"])
    table["columnProperties"] = columns
    edit.journal.put_item(area.sheet, "tables", key, table)
    _write_header(edit, area, columns)
    _type_columns(edit, area, columns)
    return {"addTable": {"table": table}}


def update(edit: Edit, body: Body) -> Reply:
    """Change a table's name, range, columns or colours."""
    given = body.get("table", {})
    mask = fields.update_mask(body.get("fields"), "Table")
    sheet, old = _found(edit, given.get("tableId", ""))
    key = old["tableId"]
    wanted = fields.merge(old, given, {name: below for name, below in mask.items() if name != "tableId"})
    area = edit.writable(wanted.get("range"))
    _check_name(edit, wanted.get("name", ""), key)
    _check_place(area, key)
    columns = _columns(edit, area, _still_there(wanted.get("columnProperties", []), area))
    table = {**wanted, "tableId": key, "range": ranges.json_of(*area), "columnProperties": columns}
    if area.sheet is not sheet:
        raise errors.ApiError("A table can't be moved to another sheet.")
    edit.journal.put_item(sheet, "tables", key, table)
    if "columnProperties" in mask or "range" in mask:
        _write_header(edit, area, columns)
        _type_columns(edit, area, columns)
    return {}


def _still_there(columns: list[Json], area: Area) -> list[Json]:
    width = area.box.col_end - area.box.col
    return [column for column in columns if column.get("columnIndex", 0) < width]


def delete(edit: Edit, body: Body) -> Reply:
    """Delete a table, with the content of its cells."""
    sheet, old = _found(edit, body.get("tableId", ""))
    _, box = edit.writable(old["range"])
    edit.journal.put_item(sheet, "tables", old["tableId"], None)
    for row in range(box.row, min(box.row_end, len(sheet.rows))):
        edit.journal.put_cells(sheet, row, box.col, [None] * (box.col_end - box.col))
    return {}


def append_place(edit: Edit, key: str, count: int) -> tuple[Sheet, int, int]:
    """Where rows are appended to a table's body; the table grows by what does not fit."""
    sheet, table = _found(edit, key)
    box = ranges.box_of(sheet, table["range"])
    last = box.row
    for row in range(box.row + 1, box.row_end):
        if any((cell := sheet.cell(row, col)) and cell.value is not None for col in range(box.col, box.col_end)):
            last = row
    end = last + 1 + count
    if end > box.row_end:
        from sheetsync.localsheets.append import grow

        grow(edit.journal, sheet, end, 0)
        grown = {**table, "range": ranges.json_of(sheet, Box(box.row, end, box.col, box.col_end))}
        edit.journal.put_item(sheet, "tables", key, grown)
    return sheet, last + 1, box.col


def band_of(table: Json) -> Json:
    """The alternating colours of a table, as they stand among the banded ranges."""
    colours = {name: {"rgbColor": colour} for name, colour in BANDS.items()} | table.get("rowsProperties", {})
    rows: Json = {}
    for name, style in colours.items():
        rows[name.removesuffix("Style")] = style.get("rgbColor", {})
        rows[name] = style
    number = table["tableId"]
    found: Json = {"bandedRangeId": int(number)} if number.isdigit() and int(number) < 2**31 else {}
    return found | {"range": table["range"], "rowProperties": rows, "bandedRangeReference": number}
