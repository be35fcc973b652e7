"""What a cell shows: its effective value, formatted or not, and as the typed unions of grid data.

Which cells an answer holds, and how rows are trimmed, is in `values.py` and `grid.py`.
"""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets.cell import ERROR_CODES, Cell, CellError, Formula, Json, Value, whole
from sheetsync.localsheets.locales import Locale, locale_of
from sheetsync.localsheets.numberformat import compiled, general
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet

DATE_TYPES = ("DATE", "TIME", "DATE_TIME")


def default_pattern(kind: str, locale: Locale) -> str:
    """The pattern of a number format that names only its type."""
    return {
        "NUMBER": "#,##0.00",
        "PERCENT": "0.00%",
        "CURRENCY": locale.currency,
        "DATE": locale.date,
        "TIME": locale.time,
        "DATE_TIME": locale.date_time,
        "SCIENTIFIC": "0.00E+00",
    }.get(kind, "")


def effective(spreadsheet: Spreadsheet, sheet: Sheet, row: int, col: int, cell: Cell) -> Value:
    """The value that a cell has: what was entered, or the result of its formula."""
    value = cell.value
    if type(value) is Formula:
        return spreadsheet.calculator.value(sheet, row, col)
    return value


def number_format(spreadsheet: Spreadsheet, sheet: Sheet, row: int, col: int, cell: Cell) -> Json | None:
    """The number format that a cell shows its value in; a formula's may come from what it refers to."""
    if cell.form and (found := cell.form.get("numberFormat")):
        return found  # type: ignore[no-any-return]
    if type(cell.value) is Formula:
        return spreadsheet.calculator.number_format(sheet, row, col)
    return None


def shown(value: Value, form: Json | None, locale_name: str) -> str:
    """A value as text, under a number format."""
    kind = type(value)
    if kind is str:
        if form and "@" in (pattern := form.get("pattern", "")) and pattern != "@":
            return compiled(pattern, locale_name)[1].replace("\0", value)  # type: ignore[arg-type]
        return value  # type: ignore[return-value]
    if value is None:
        return ""
    locale = locale_of(locale_name)
    if kind is bool:
        return locale.true if value else locale.false
    if isinstance(value, CellError):
        return ERROR_CODES.get(value.kind, "#ERROR!")
    if form:
        pattern = form.get("pattern") or default_pattern(form.get("type", ""), locale)
        if pattern and form.get("type") != "TEXT" and pattern.lower() != "general":
            return compiled(pattern, locale_name)[0](value)  # type: ignore[arg-type]
    return general(value, locale)  # type: ignore[arg-type]


def raw(value: Value) -> Any:
    """A value as UNFORMATTED_VALUE answers it."""
    if value is None:
        return ""
    if isinstance(value, CellError):
        code = ERROR_CODES.get(value.kind, "#ERROR!")
        return f"{code} ({value.message})" if value.message else code
    return whole(value) if type(value) is float else value


def union(value: Value | Formula) -> Json:
    """A value as an ExtendedValue of grid data."""
    kind = type(value)
    if kind is str:
        return {"stringValue": value}
    if kind is bool:
        return {"boolValue": value}
    if kind is int:
        return {"numberValue": value}
    if kind is float:
        return {"numberValue": whole(value)}  # type: ignore[arg-type]
    if kind is Formula:
        return {"formulaValue": str(value)}
    if isinstance(value, CellError):
        error: Json = {"type": value.kind}
        if value.message:
            error["message"] = value.message
        return {"errorValue": error}
    return {}
