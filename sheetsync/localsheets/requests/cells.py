"""updateCells, repeatCell, appendCells: writing cells by a field mask."""

from __future__ import annotations

from typing import Any

import orjson

from sheetsync.localsheets import append as appending
from sheetsync.localsheets import errors, fields, formats, protection, schema, validation_rules
from sheetsync.localsheets.cell import MAX_CELL_CHARS, Cell, Entered, Json, settle, shared, whole
from sheetsync.localsheets.requests.edit import Body, Edit, Reply, required
from sheetsync.localsheets.sheet import Box, Row, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.values import too_long

OWN_FIELDS = ("userEnteredValue", "userEnteredFormat", "note", "dataValidation")
READ_ONLY = ("effectiveValue", "effectiveFormat", "formattedValue", "hyperlink", "dataSourceFormula")


class Patch:
    """A field mask on CellData, made ready to be applied to many cells."""

    def __init__(self, spreadsheet: Spreadsheet, text: str | None) -> None:
        mask = fields.update_mask(text, "CellData")
        self.spreadsheet = spreadsheet
        self.value = "userEnteredValue" in mask
        self.form = mask.get("userEnteredFormat", {}) if "userEnteredFormat" in mask else {}
        self.has_form = "userEnteredFormat" in mask
        self.note = "note" in mask
        self.rule = "dataValidation" in mask
        self.others = [key for key in mask if key not in OWN_FIELDS and key not in READ_ONLY]
        self._forms: dict[tuple[int, bytes], tuple[Json | None, Json | None]] = {}
        self._rules: dict[bytes, Json] = {}

    def apply(self, old: Cell | None, data: Json) -> Cell | None:
        """The cell after the masked fields of CellData were put into it."""
        cell = old or Cell()
        value, form, note, rule, extra = cell.value, cell.form, cell.note, cell.rule, cell.extra
        if self.value:
            value = entered_value(self.spreadsheet, data.get("userEnteredValue"))
            if extra:
                extra = {key: item for key, item in extra.items() if key not in ("textFormatRuns", "chipRuns")}
        if self.has_form:
            form = self._merged(form, data.get("userEnteredFormat"))
        if self.note:
            note = data.get("note", "")
        if self.rule:
            rule = self._ruled(data.get("dataValidation"))
        if self.others:
            extra = self._extra(extra or {}, data)
        return settle(Cell(value, form, note, rule, extra or None))

    def _merged(self, old: Json | None, new: Json | None) -> Json | None:
        """A format after the masked part of another; worked out once for all cells that are alike."""
        key = (id(old), orjson.dumps(new) if new else b"")
        if key not in self._forms:
            found = formats.merged(old, new, self.form)
            self._forms[key] = (old, shared(found) if found else None)  # `old` is kept, so that its id stays its own
        return self._forms[key][1]

    def _ruled(self, rule: Json | None) -> Json | None:
        if not rule:
            return None
        key = orjson.dumps(rule)
        if key not in self._rules:
            self._rules[key] = shared(schema.tidy("DataValidationRule", rule))
        return self._rules[key]

    def _extra(self, extra: Json, data: Json) -> Json:
        result = dict(extra)
        for key in self.others:
            result.pop(key, None)
            if data.get(key):
                result[key] = schema.tidy("CellData", {key: data[key]})[key]
        return result


def entered_value(spreadsheet: Spreadsheet, value: Json | None) -> Entered:
    """What an ExtendedValue puts into a cell; texts are taken as they are, only `formulaValue` is a formula.

    Raises:
        ApiError: 400, the text is too long or the value is an error.
    """
    if not value:
        return None
    if "stringValue" in value:
        text = value["stringValue"]
        if len(text) > MAX_CELL_CHARS:
            raise too_long()
        return text or None
    if "numberValue" in value:
        return whole(float(value["numberValue"]))
    if "boolValue" in value:
        return bool(value["boolValue"])
    if "formulaValue" in value:
        text = value["formulaValue"]
        if len(text) > MAX_CELL_CHARS:
            raise too_long()
        return spreadsheet.formula(text) if text.startswith("=") else text or None
    raise errors.ApiError("errorValue is read-only.")  # Google's wording is not recorded


def update(edit: Edit, body: Body) -> Reply:
    """Write rows of cells at a start, or into a range whose rest is cleared."""
    patch = Patch(edit.spreadsheet, body.get("fields"))
    rows = body.get("rows", [])
    if "range" in body:
        sheet, box = edit.writable(body["range"])
        _write(edit, sheet, box, rows, patch, fill=True)
        return {}
    sheet, row, col = edit.start(required(body, "start"))
    width = max((len(line.get("values", ())) for line in rows), default=0)
    box = Box(row, row + max(len(rows), 1), col, col + max(width, 1))
    _check_inside(sheet, box)
    protection.check_cells(edit.spreadsheet, sheet, box, edit.user)
    _write(edit, sheet, box, rows, patch, fill=False)
    return {}


def _check_inside(sheet: Sheet, box: Box) -> None:
    if box.col_end > sheet.col_count:
        raise _beyond("column", sheet.col_count)
    if box.row_end > sheet.row_count:
        raise _beyond("row", sheet.row_count)


def _beyond(what: str, count: int) -> errors.ApiError:
    return errors.ApiError(f"Attempting to write {what}: {count}, beyond the last requested {what} of: {count - 1}")


def _write(edit: Edit, sheet: Sheet, box: Box, rows: list[Any], patch: Patch, *, fill: bool) -> None:
    if len(rows) > box.row_end - box.row:
        raise _beyond("row", box.row_end)
    width = box.col_end - box.col
    for index in range(box.row_end - box.row if fill else len(rows)):
        cells = rows[index].get("values", []) if index < len(rows) else []
        if len(cells) > width:
            raise _beyond("column", box.col_end)
        row = box.row + index
        count = width if fill else len(cells)
        line: Row = [
            patch.apply(sheet.cell(row, box.col + offset), cells[offset] if offset < len(cells) else {})
            for offset in range(count)
        ]
        if edit.options.strict_rest and patch.value:
            validation_rules.check_row(edit.spreadsheet, sheet, row, box.col, line)
        if line:
            edit.journal.put_cells(sheet, row, box.col, line)


def repeat(edit: Edit, body: Body) -> Reply:
    """Put the masked fields of one cell into every cell of a range; formulas move along."""
    patch = Patch(edit.spreadsheet, body.get("fields"))
    sheet, box = edit.writable(body.get("range"))
    data = body.get("cell", {})
    formula = patch.value and "formulaValue" in data.get("userEnteredValue", {})
    rows = range(box.row, box.row_end)
    if not any(data.get(name) for name in data):  # clearing: rows that were never filled stay as they are
        rows = range(box.row, min(box.row_end, len(sheet.rows)))
    for row in rows:
        line: Row = []
        for col in range(box.col, box.col_end):
            own = _moved(data, row - box.row, col - box.col) if formula else data
            line.append(patch.apply(sheet.cell(row, col), own))
        if edit.options.strict_rest and patch.value:
            validation_rules.check_row(edit.spreadsheet, sheet, row, box.col, line)
        edit.journal.put_cells(sheet, row, box.col, line)
    return {}


def _moved(data: Json, rows: int, cols: int) -> Json:
    from sheetsync.localsheets.formulas.rewrite import moved

    value = data["userEnteredValue"]
    return {**data, "userEnteredValue": {"formulaValue": moved(value["formulaValue"], rows, cols)}}


def append(edit: Edit, body: Body) -> Reply:
    """Write rows of cells after the last row that holds anything; the grid grows."""
    patch = Patch(edit.spreadsheet, body.get("fields"))
    rows = body.get("rows", [])
    if "tableId" in body:
        from sheetsync.localsheets.requests import tables

        sheet, at, left = tables.append_place(edit, body["tableId"], len(rows))
    else:
        sheet, left = edit.spreadsheet.grid(body.get("sheetId", 0)), 0
        last = appending.last_filled(sheet, sheet.whole)
        at = 0 if last is None else last[0] + 1
    width = max((len(line.get("values", ())) for line in rows), default=0)
    if left + width > sheet.col_count:
        raise _beyond("column", sheet.col_count)
    box = Box(at, at + len(rows), left, left + max(width, 1))
    protection.check_cells(edit.spreadsheet, sheet, box, edit.user)
    appending.grow(edit.journal, sheet, at + len(rows), 0)
    _write(edit, sheet, box, rows, patch, fill=False)
    return {}
