"""A spreadsheet as `spreadsheets.get` answers it: properties, tabs, grid data, what is attached.

Only what the mask shows is built, so that a typed read of 100,000 rows stays cheap.  The mask's grammar is in
`fields.py`, single values in `rendering.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

from sheetsync.localsheets import defaults, fields, metadata, protection
from sheetsync.localsheets.cell import Cell, CellError, Formula, Json
from sheetsync.localsheets.fields import Mask
from sheetsync.localsheets.ranges import Area, json_of
from sheetsync.localsheets.rendering import effective, number_format, shown, union
from sheetsync.localsheets.sheet import COLUMN_PIXELS, ROW_PIXELS, Box, Dimension, Row, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet

if TYPE_CHECKING:
    from sheetsync.localsheets.conditional import ConditionalFormats

Wants = Callable[[str], bool]


class GridView:
    """One answer being built: which spreadsheet, for whom, and what of it."""

    def __init__(self, spreadsheet: Spreadsheet, user: str, mask: Mask | None, *, with_grid: bool) -> None:
        self.spreadsheet = spreadsheet
        self.user = user
        self.mask = mask
        self.with_grid = with_grid if mask is None else reaches_grid(mask)
        self.without_tables = False  # tables' own colours are listed among the banded ranges unless asked otherwise
        self.with_comments = False

    def build(self, areas: list[Area] | None = None) -> Json:
        """The whole answer.

        Args:
            areas: show only these tabs, and of their grids only these parts; None for everything.
        """
        spreadsheet, wants = self.spreadsheet, wanting(self.mask)
        found: Json = {}
        if wants("spreadsheetId"):
            found["spreadsheetId"] = spreadsheet.spreadsheet_id
        if wants("properties"):
            found["properties"] = properties_json(spreadsheet)
        if wants("namedRanges") and spreadsheet.named_ranges:
            found["namedRanges"] = list(spreadsheet.named_ranges.values())
        if wants("spreadsheetUrl"):
            found["spreadsheetUrl"] = url_of(spreadsheet)
        if wants("developerMetadata") and (own := metadata.of_spreadsheet(spreadsheet)):
            found["developerMetadata"] = own
        if self.with_comments and spreadsheet.comments:
            found["comments"] = [one["thread"] for one in spreadsheet.comments.values()]
        if self.mask is not None:
            found = fields.select(found, self.mask)
        if wants("sheets"):
            found["sheets"] = self._sheets(areas, below(self.mask, "sheets"))
        return found

    def _sheets(self, areas: list[Area] | None, mask: Mask | None) -> list[Json]:
        sheets: list[Json] = []
        for index, sheet in enumerate(self.spreadsheet.sheets):
            boxes = None if areas is None else [area.box for area in areas if area.sheet is sheet]
            if boxes != []:
                sheets.append(self._sheet(sheet, index, boxes, mask))
        return sheets

    def _sheet(self, sheet: Sheet, index: int, boxes: list[Box] | None, mask: Mask | None) -> Json:
        wants = wanting(mask)
        found: Json = {}
        if wants("properties"):
            found["properties"] = sheet_properties(sheet, index)
        merges = [box for box in sheet.merges if boxes is None or any(box.meets(one) for one in boxes)]
        if merges:
            found["merges"] = [json_of(sheet, box) for box in merges]
        attached: dict[str, Iterable[Json]] = {
            "conditionalFormats": sheet.conditional_formats,
            "filterViews": sheet.filter_views.values(),
            "protectedRanges": (self.protected_json(one) for one in sheet.protected_ranges.values()),
            "charts": sheet.charts.values(),
            "bandedRanges": self._bands(sheet),
            "rowGroups": sheet.row_groups,
            "columnGroups": sheet.column_groups,
            "slicers": sheet.slicers.values(),
            "tables": sheet.tables.values(),
        }
        for name, items in attached.items():
            if wants(name) and (listed := list(items)):
                found[name] = listed
        if sheet.basic_filter is not None:
            found["basicFilter"] = sheet.basic_filter
        if wants("developerMetadata") and (own := metadata.of_sheet(self.spreadsheet, sheet)):
            found["developerMetadata"] = own
        if self.with_comments and (anchors := self._anchors(sheet)):
            found["commentAnchors"] = anchors
        if mask is not None:
            found = fields.select(found, mask)
        if self.with_grid and sheet.sheet_type == "GRID" and wants("data"):
            found["data"] = [self._data(sheet, box, below(mask, "data")) for box in boxes or [sheet.whole]]
        return found

    def _anchors(self, sheet: Sheet) -> list[Json]:
        anchors = [one["anchor"] for one in self.spreadsheet.comments.values()]
        return [anchor for anchor in anchors if anchor["range"].get("sheetId", 0) == sheet.sheet_id]

    def _bands(self, sheet: Sheet) -> list[Json]:
        bands = list(sheet.banded_ranges.values())
        if sheet.tables and not self.without_tables:
            from sheetsync.localsheets.requests.tables import band_of

            bands += [band_of(table) for table in sheet.tables.values()]
        return bands

    def protected_json(self, protected: Json) -> Json:
        """A protected range as its caller sees it: only who may edit it is told the editors."""
        found = dict(protected)
        if protection.may_edit(self.spreadsheet, protected, self.user):
            found["requestingUserCanEdit"] = True
        else:
            found.pop("editors", None)
        return found

    def _data(self, sheet: Sheet, box: Box, mask: Mask | None) -> Json:
        wants = wanting(mask)
        found: Json = {}
        if box.row:
            found["startRow"] = box.row
        if box.col:
            found["startColumn"] = box.col
        if mask is not None:
            found = fields.select(found, mask)
        if wants("rowData") and (rows := self._row_data(sheet, box, below(mask, "rowData"))):
            found["rowData"] = rows
        if wants("rowMetadata"):
            listed = self._dimension_data(sheet, "ROWS", box.row, box.row_end)
            found["rowMetadata"] = fields.select(listed, below(mask, "rowMetadata"))
        if wants("columnMetadata"):
            listed = self._dimension_data(sheet, "COLUMNS", box.col, box.col_end)
            found["columnMetadata"] = fields.select(listed, below(mask, "columnMetadata"))
        return found

    def _dimension_data(self, sheet: Sheet, dimension: Dimension, start: int, end: int) -> list[Json]:
        pixels = ROW_PIXELS if dimension == "ROWS" else COLUMN_PIXELS
        attached = metadata.by_index(self.spreadsheet, sheet, dimension)
        listed = sheet.row_properties if dimension == "ROWS" else sheet.column_properties
        plain: Json = {"pixelSize": pixels}
        if not attached and not any(listed):
            return [plain] * (end - start)
        result: list[Json] = []
        for index in range(start, end):
            own = sheet.properties_of(dimension, index)
            item = {**plain, **own} if own else plain
            if index in attached:
                item = {**item, "developerMetadata": attached[index]}
            result.append(item)
        return result

    def _row_data(self, sheet: Sheet, box: Box, mask: Mask | None) -> list[Json]:
        """The rows, trimmed: blank cells at their ends and blank rows below are left out."""
        build = CellBuilder(self.spreadsheet, sheet, below(mask, "values"))
        shows_values = wanting(mask)("values")
        rows: list[Json] = []
        filled = 0
        for row in range(box.row, min(box.row_end, len(sheet.rows))):
            line = sheet.rows[row][box.col : box.col_end]
            while line and line[-1] is None:
                line.pop()
            if line:
                filled = len(rows) + 1
            rows.append({"values": build.row(row, box.col, line)} if line and shows_values else {})
        del rows[filled:]
        return rows


SIMPLE: Final[dict[type, str]] = {str: "stringValue", bool: "boolValue", int: "numberValue"}


BLANK: Final = Cell()


class CellBuilder:
    """Builds CellData as a mask shows it; which fields is decided once."""

    def __init__(self, spreadsheet: Spreadsheet, sheet: Sheet, mask: Mask | None) -> None:
        wants = wanting(mask)
        self.spreadsheet = spreadsheet
        self.sheet = sheet
        self.locale = spreadsheet.locale
        self.entered = wants("userEnteredValue")
        self.effective = wants("effectiveValue")
        self.formatted = wants("formattedValue")
        self.form = wants("userEnteredFormat")
        self.effective_format = wants("effectiveFormat")
        self.note = wants("note")
        self.rule = wants("dataValidation")
        self.hyperlink = wants("hyperlink")
        self.wants = wants
        self.plain = not self.effective_format
        self.conditions = conditions_of(spreadsheet, sheet) if self.effective_format else None
        # Without a mask nothing looks into the formats again, so the common ones need to be written only once.
        self.format_of = ready_format if mask is None else effective_format
        # Parts of fields, such as `userEnteredValue.stringValue`, are cut out afterwards.
        self.cut = mask if mask is not None and any(inner is not None for inner in mask.values()) else None

    def row(self, row: int, col: int, line: Row) -> list[Json]:
        """The cells of one row, from a column on."""
        cells: list[Json] = []
        entered, effective_, formatted, plain = self.entered, self.effective, self.formatted, self.plain
        for offset, cell in enumerate(line):
            if cell is None:
                cells.append(self.cell(row, col + offset, BLANK) if self.conditions else {})
                continue
            value = cell.value
            kind = type(value)
            bare = cell.form is None and not cell.note and cell.rule is None and not cell.extra
            # By far the most common cells; a number format matters only where the formatted value is asked for.
            if plain and kind in SIMPLE and (bare or not formatted):
                both = {SIMPLE[kind]: value}
                found: Json = {}
                if entered:
                    found["userEnteredValue"] = both
                if effective_:
                    found["effectiveValue"] = both
                if formatted:
                    found["formattedValue"] = value if kind is str else shown(value, None, self.locale)
                if not bare:
                    self._attach(found, cell)
                    if self.hyperlink and (link := self._link(row, col + offset, cell)):
                        found["hyperlink"] = link
                cells.append(found)
            else:
                cells.append(self.cell(row, col + offset, cell))
        return fields.select(cells, self.cut) if self.cut is not None else cells

    def cell(self, row: int, col: int, cell: Cell) -> Json:
        """One cell of any kind."""
        found: Json = {}
        if cell.value is not None:
            self._value(found, row, col, cell)
        elif self.effective_format and (form := self._form(row, col, cell)) is not None:
            found["effectiveFormat"] = effective_format(form, None, None)
        self._attach(found, cell)
        return found

    def _attach(self, found: Json, cell: Cell) -> None:
        """Add what hangs on a cell besides its value."""
        if self.form and cell.form is not None:
            found["userEnteredFormat"] = cell.form
        if self.note and cell.note:
            found["note"] = cell.note
        if self.rule and cell.rule is not None:
            found["dataValidation"] = cell.rule
        if cell.extra:
            found.update((name, item) for name, item in cell.extra.items() if self.wants(name))

    def _value(self, found: Json, row: int, col: int, cell: Cell) -> None:
        spreadsheet, sheet = self.spreadsheet, self.sheet
        entered = union(cell.value)
        if self.entered:
            found["userEnteredValue"] = entered
        is_formula = type(cell.value) is Formula
        value = effective(spreadsheet, sheet, row, col, cell)
        if value is None:
            return
        if self.effective:
            found["effectiveValue"] = union(value) if is_formula else entered
        if self.formatted or self.effective_format:
            form = number_format(spreadsheet, sheet, row, col, cell)
            if self.formatted:
                found["formattedValue"] = shown(value, form, self.locale)
            if self.effective_format:
                found["effectiveFormat"] = self.format_of(self._form(row, col, cell), form, value)
        if self.hyperlink and (link := self._link(row, col, cell)):
            found["hyperlink"] = link

    def _form(self, row: int, col: int, cell: Cell) -> Json | None:
        """A cell's own format, with what a conditional format lends it."""
        if not self.conditions:
            return cell.form
        from sheetsync.localsheets.conditional import overlaid

        return overlaid(cell.form, self.conditions.format_of(row, col, cell))

    def _link(self, row: int, col: int, cell: Cell) -> str | None:
        """Where a cell leads as a whole: by its formula, or by its text format."""
        if type(cell.value) is Formula:
            return self.spreadsheet.calculator.hyperlink(self.sheet, row, col)
        link = (cell.form or {}).get("textFormat", {}).get("link", {})
        return link.get("uri") or None


def conditions_of(spreadsheet: Spreadsheet, sheet: Sheet) -> ConditionalFormats | None:
    """The tab's conditional formats; None where it has none, which spares loading the formulas."""
    if not sheet.conditional_formats:
        return None
    from sheetsync.localsheets.conditional import ConditionalFormats

    return ConditionalFormats(spreadsheet, sheet)


def effective_format(form: Json | None, number: Json | None, value: Any) -> Json:
    """The format that a cell is shown in: the default one, overlaid with its own."""
    result: Json = dict(defaults.DEFAULT_FORMAT)
    result["horizontalAlignment"] = side_of(value)
    result["hyperlinkDisplayType"] = "PLAIN_TEXT"
    result["textFormat"] = {**result["textFormat"], "fontFamily": defaults.THEME_FONT}
    if number:
        result["numberFormat"] = number
    for key, item in (form or {}).items():
        result[key] = {**result["textFormat"], **item} if key == "textFormat" else item
    return result


def side_of(value: Any) -> str:
    """The side to which a value is aligned if its format does not say."""
    if isinstance(value, (bool, CellError)):
        return "CENTER"
    return "RIGHT" if isinstance(value, (int, float)) else "LEFT"


@cache
def _written(side: str) -> orjson.Fragment:
    sample: dict[str, Any] = {"LEFT": "", "CENTER": True, "RIGHT": 0}
    return orjson.Fragment(orjson.dumps(effective_format(None, None, sample[side])))


def ready_format(form: Json | None, number: Json | None, value: Any) -> Any:
    """`effective_format`, already written as JSON where the cell has no format of its own."""
    return effective_format(form, number, value) if form or number else _written(side_of(value))


def wanting(mask: Mask | None) -> Wants:
    """Whether a mask shows a field; without a mask everything is shown."""
    if mask is None or "*" in mask:
        return lambda _name: True
    return lambda name: name in mask


def below(mask: Mask | None, name: str) -> Mask | None:
    """The part of a mask below a field."""
    return mask.get(name, mask.get("*")) if mask else None


def reaches_grid(mask: Mask) -> bool:
    """Whether a mask asks for grid data: it must reach into `sheets`; a bare `*` does not."""
    if "sheets" not in mask:
        return False
    below = mask["sheets"]
    return below is None or "data" in below or "*" in below


def properties_json(spreadsheet: Spreadsheet) -> Json:
    """SpreadsheetProperties with the defaults that Google shows."""
    return {**spreadsheet.properties, "defaultFormat": defaults.DEFAULT_FORMAT, "spreadsheetTheme": theme(spreadsheet)}


def theme(spreadsheet: Spreadsheet) -> Json:
    """The theme that is set, or that of a new spreadsheet."""
    own: Json = spreadsheet.properties.get("spreadsheetTheme") or defaults.THEME
    return own


def url_of(spreadsheet: Spreadsheet) -> str:
    """Where a person would open it at Google's."""
    return f"https://docs.google.com/spreadsheets/d/{spreadsheet.spreadsheet_id}/edit"


def sheet_properties(sheet: Sheet, index: int) -> Json:
    """SheetProperties as Google writes them."""
    options = dict(sheet.options)
    grid = options.pop("gridProperties", {})
    found: Json = {"sheetId": sheet.sheet_id, "title": sheet.title, "index": index, "sheetType": sheet.sheet_type}
    if sheet.sheet_type == "GRID":
        found["gridProperties"] = {"rowCount": sheet.row_count, "columnCount": sheet.col_count, **grid}
    if sheet.hidden:
        found["hidden"] = True
    return found | options
