"""Data validation: whether a value keeps a rule.  Binds what people type; REST writes only if `strict_rest` is on.

Setting rules is a request (`requests/validation.py`).
"""

from __future__ import annotations

import re
from typing import Any

from sheetsync.localsheets import a1, entry, errors, ranges
from sheetsync.localsheets.cell import Cell, CellError, Formula, Json, Value
from sheetsync.localsheets.rendering import effective, shown
from sheetsync.localsheets.sheet import Row, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet


def check_row(spreadsheet: Spreadsheet, sheet: Sheet, row: int, col: int, cells: Row) -> None:
    """Refuse cells that break a strict rule of theirs.

    Raises:
        ApiError: 400.
    """
    for offset, cell in enumerate(cells):
        if cell is not None and cell.rule is not None:
            check(spreadsheet, sheet, row, col + offset, cell)


def check(spreadsheet: Spreadsheet, sheet: Sheet, row: int, col: int, cell: Cell) -> None:
    """Refuse a cell that breaks its own strict rule.

    Raises:
        ApiError: 400.
    """
    if cell.rule is None or not cell.rule.get("strict") or cell.value is None:
        return
    value = cell.value if type(cell.value) is not Formula else effective(spreadsheet, sheet, row, col, cell)
    if not keeps(spreadsheet, sheet, cell.rule, value):
        where = a1.format_cells(row, row + 1, col, col + 1)
        raise errors.ApiError(
            f"The data you entered in cell {where} violates the data validation rules set on this cell."
            + (f" {cell.rule['inputMessage']}" if cell.rule.get("inputMessage") else "")
        )


def options_of(spreadsheet: Spreadsheet, sheet: Sheet, rule: Json) -> list[str] | None:
    """What a dropdown offers; None for rules that are no list."""
    condition = rule.get("condition", {})
    if condition.get("type") == "ONE_OF_LIST":
        return [value.get("userEnteredValue", "") for value in condition.get("values", [])]
    if condition.get("type") == "ONE_OF_RANGE":
        text = (condition.get("values") or [{}])[0].get("userEnteredValue", "").lstrip("=").replace("$", "")
        try:
            area = ranges.resolve(spreadsheet, text if "!" in text else f"{a1.quote_title(sheet.title)}!{text}")
        except errors.ApiError:
            return []
        found = []
        for row in range(area.box.row, area.box.row_end):
            for col in range(area.box.col, area.box.col_end):
                cell = area.sheet.cell(row, col)
                if cell is not None and cell.value is not None:
                    value = effective(spreadsheet, area.sheet, row, col, cell)
                    found.append(shown(value, (cell.form or {}).get("numberFormat"), spreadsheet.locale))
        return found
    return None


def keeps(spreadsheet: Spreadsheet, sheet: Sheet, rule: Json, value: Value) -> bool:
    """Whether a value keeps a rule; blanks always do, and kinds of rule that are not known here."""
    if value is None:
        return True
    if isinstance(value, CellError):
        return False
    condition = rule.get("condition", {})
    kind: str = condition.get("type", "")
    texts = [item.get("userEnteredValue", "") for item in condition.get("values", [])]
    if (offered := options_of(spreadsheet, sheet, rule)) is not None:
        return shown(value, None, spreadsheet.locale) in offered
    if kind == "BOOLEAN":
        return str(value).upper() in {text.upper() for text in texts} if texts else isinstance(value, bool)
    if kind.startswith("TEXT_"):
        return _text_keeps(kind, shown(value, None, spreadsheet.locale), texts)
    if kind.startswith(("NUMBER_", "DATE_")):
        if isinstance(value, (bool, str)):
            return False
        bounds = [entry.read(text, spreadsheet.locale).value for text in texts]
        return _number_keeps(kind.partition("_")[2], value, bounds)
    return True


def _text_keeps(kind: str, text: str, wanted: list[str]) -> bool:
    first = wanted[0].lower() if wanted else ""
    low = text.lower()
    checks: dict[str, Any] = {
        "TEXT_CONTAINS": first in low,
        "TEXT_NOT_CONTAINS": first not in low,
        "TEXT_STARTS_WITH": low.startswith(first),
        "TEXT_ENDS_WITH": low.endswith(first),
        "TEXT_EQ": low == first,
        "TEXT_IS_EMAIL": re.fullmatch(r"[^@\s]+@[^@\s]+\.[^@\s]+", text),
        "TEXT_IS_URL": re.fullmatch(r"(https?://)?[^\s/]+\.[^\s/]+(/\S*)?", text),
    }
    return bool(checks.get(kind, True))


def _number_keeps(kind: str, value: float, bounds: list[Any]) -> bool:
    if kind == "IS_VALID":
        return True
    if not bounds or any(isinstance(bound, (str, bool)) or bound is None for bound in bounds):
        return True
    low, high = bounds[0], bounds[-1]
    checks: dict[str, bool] = {
        "GREATER": value > low,
        "AFTER": value > low,
        "GREATER_THAN_EQ": value >= low,
        "ON_OR_AFTER": value >= low,
        "LESS": value < low,
        "BEFORE": value < low,
        "LESS_THAN_EQ": value <= low,
        "ON_OR_BEFORE": value <= low,
        "EQ": value == low,
        "NOT_EQ": value != low,
        "BETWEEN": low <= value <= high,
        "NOT_BETWEEN": not low <= value <= high,
    }
    return checks.get(kind, True)
