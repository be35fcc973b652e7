"""How our tabs are drawn: widths, colours, formats, checkboxes, dropdowns, protections, conditional formats.

Requests only; which tabs and rows are concerned is in `batches`. Colours are Google's own pale palette.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from sheetsync.domain.firearms import NO_FIREARM
from sheetsync.domain.kpi import IMPACT_TYPES
from sheetsync.sync.gateway import PROTECTION_MARK, TabRead
from sheetsync.sync.headers import HEADER_MARK
from sheetsync.sync.tabs import (
    COVERAGE,
    KPIS,
    LAYOUTS,
    OWNER_ROLES,
    POLICY,
    REGISTRY,
    STATUS,
    SYNC_STATUS,
    Role,
    TabColumn,
    column_letters,
)

JSON = Any
Color = dict[str, float]
TAB_COLORS: Final[dict[Role, Color]] = {
    POLICY: {"red": 0.26, "green": 0.52, "blue": 0.96},
    KPIS: {"red": 0.20, "green": 0.66, "blue": 0.33},
    REGISTRY: {"red": 0.6, "green": 0.6, "blue": 0.6},
    COVERAGE: {"red": 0.6, "green": 0.6, "blue": 0.6},
    STATUS: {"red": 0.98, "green": 0.74, "blue": 0.02},
}
HEADER_FILL: Final[Color] = {"red": 0.91, "green": 0.94, "blue": 0.996}
PROBLEM_FILL: Final[Color] = {"red": 0.957, "green": 0.8, "blue": 0.8}
CONFLICT_FILL: Final[Color] = {"red": 0.988, "green": 0.898, "blue": 0.804}
UNDECIDED_FILL: Final[Color] = {"red": 1.0, "green": 0.949, "blue": 0.8}
PENDING_FILL: Final[Color] = {"red": 0.851, "green": 0.918, "blue": 0.827}
WIDTHS: Final = {
    "connector_id": 170, "scope": 260, "firearm_id": 220, "strategy_lock": 110, "sync_status": 420, "kpi_name": 180,
    "impact_type": 110, "formula": 280, "target": 90, "unit": 90, "version": 90, "scope_count": 100,
    "firearms_required": 140, "published_at": 190, "engine_route": 240, "mcp_wrapper_status": 160,
    "policy_coverage": 130, "number": 60, "what": 130, "tab": 130, "row": 260, "column": 110, "base": 150, "yours": 150,
    "theirs": 150, "message": 460,
}  # fmt: skip
NUMBER_FORMATS: Final = {
    "count": {"type": "NUMBER", "pattern": "0"},
    "percent": {"type": "PERCENT", "pattern": "0%"},
}
TEXT_FORMAT: Final = {"type": "TEXT", "pattern": "@"}
PLAIN_KINDS: Final = ("bool", "number")
OURS: Final = PROTECTION_MARK


def column_range(sheet_id: int, index: int, first_row: int, end_row: int | None = None) -> JSON:
    """A part of one column as a GridRange."""
    found = {"sheetId": sheet_id, "startRowIndex": first_row, "startColumnIndex": index, "endColumnIndex": index + 1}
    return found if end_row is None else found | {"endRowIndex": end_row}


def number_format(column: TabColumn) -> JSON | None:
    """The number format of a column; None leaves Google's automatic one."""
    if column.kind in NUMBER_FORMATS:
        return NUMBER_FORMATS[column.kind]
    return None if column.kind in PLAIN_KINDS else TEXT_FORMAT


def validation_rule(column: TabColumn, firearms: tuple[str, ...]) -> JSON | None:
    """The checkbox of a boolean, the dropdown of an owners' column."""
    if column.kind == "bool":
        return {"condition": {"type": "BOOLEAN"}, "strict": True}
    words = {"firearm": (*firearms, NO_FIREARM), "impact": IMPACT_TYPES}.get(column.kind, ())
    if not words:
        return None
    values = [{"userEnteredValue": word} for word in words]
    return {"condition": {"type": "ONE_OF_LIST", "values": values}, "strict": True, "showCustomUi": True}


class RuleCheck(NamedTuple):
    """What a read must show of a column's validation: exactly `want`, or something that `is_right` too."""

    at: int
    column: str
    want: JSON | None
    is_right: Callable[[JSON | None], bool]


def rule_checks(role: Role, columns: dict[str, int]) -> tuple[RuleCheck, ...]:
    """The columns of a tab whose validation is ours: those we set one in, and those that only sheetsync writes.

    Where owners write and we set none (a KPI's `unit`), a validation of their own is theirs.
    """
    found = []
    for column in LAYOUTS[role].columns:
        rule = validation_rule(column, ())
        if column.name not in columns or (rule is None and column.owners):
            continue
        want = None if rule is None else {"condition": {"type": rule["condition"]["type"]}, "strict": True}
        found.append(RuleCheck(columns[column.name], column.name, want, _RIGHT.get(column.kind, _is_none)))
    return tuple(found)


def _is_none(rule: JSON | None) -> bool:
    return not rule


def _is_checkbox(rule: JSON | None) -> bool:
    return _type(rule) == "BOOLEAN"  # strict or not: there is nothing to type


def _is_strict_list(rule: JSON | None) -> bool:
    return _type(rule) == "ONE_OF_LIST" and (rule or {}).get("strict") is True


def _type(rule: JSON | None) -> str:
    return str((rule or {}).get("condition", {}).get("type", ""))


_RIGHT: Final = {"bool": _is_checkbox, "firearm": _is_strict_list, "impact": _is_strict_list}


def set_rule(column: TabColumn, where: JSON, firearms: tuple[str, ...]) -> JSON:
    """Set a column's validation in a range, or clear it where the column has none; rows that a filter hides too."""
    rule = validation_rule(column, firearms)
    return {"setDataValidation": {"range": where, "filteredRowsIncluded": True} | ({"rule": rule} if rule else {})}


def format_rows(
    role: Role, sheet_id: int, columns: dict[str, int], first: int, end: int, firearms: tuple[str, ...]
) -> list[JSON]:
    """Number formats, checkboxes and dropdowns of the rows [first, end) of our columns."""
    found: list[JSON] = []
    for column in LAYOUTS[role].columns:
        if column.name not in columns:
            continue
        where = column_range(sheet_id, columns[column.name], first, end)
        form = number_format(column)
        if form is not None:
            cell = {"userEnteredFormat": {"numberFormat": form}}
            found.append({"repeatCell": {"range": where, "cell": cell, "fields": "userEnteredFormat.numberFormat"}})
        if validation_rule(column, firearms) is not None:
            found.append(set_rule(column, where, firearms))
    return found


def draw_tab(role: Role, sheet_id: int, columns: dict[str, int]) -> list[JSON]:
    """Header look, widths, tab colour and the frozen header."""
    header = {"userEnteredFormat": {"textFormat": {"bold": True}, "backgroundColor": HEADER_FILL}}
    found: list[JSON] = [
        {
            "updateSheetProperties": {
                "properties": {
                    "sheetId": sheet_id,
                    "gridProperties": {"frozenRowCount": 1},
                    "tabColorStyle": {"rgbColor": TAB_COLORS[role]},
                },
                "fields": "gridProperties.frozenRowCount,tabColorStyle",
            }
        }
    ]
    for name, index in columns.items():
        where = {"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": index, "endIndex": index + 1}
        size = {"range": where, "properties": {"pixelSize": WIDTHS.get(name, 120)}, "fields": "pixelSize"}
        found.append({"updateDimensionProperties": size})
        look = "userEnteredFormat(textFormat,backgroundColor)"
        found.append({"repeatCell": {"range": column_range(sheet_id, index, 0, 1), "cell": header, "fields": look}})
    return found


def color_rows(role: Role, sheet_id: int, columns: dict[str, int]) -> list[JSON]:
    """Colours by condition, in owners' tabs."""
    if role not in OWNER_ROLES:
        return []
    first, end = min(columns.values()), max(columns.values()) + 1
    where = {"sheetId": sheet_id, "startRowIndex": 1, "startColumnIndex": first, "endColumnIndex": end}
    status, key = column_letters(columns[SYNC_STATUS]), column_letters(columns[LAYOUTS[role].names[0]])
    rules = [
        (f'=LEFT(${status}2,7)="problem"', PROBLEM_FILL),
        (f'=LEFT(${status}2,8)="conflict"', CONFLICT_FILL),
        (f'=LEFT(${status}2,7)="pending"', PENDING_FILL),
    ]
    if role == POLICY:
        firearm = column_letters(columns["firearm_id"])
        rules.append((f'=AND(${key}2<>"",${firearm}2="")', UNDECIDED_FILL))
    return [
        {
            "addConditionalFormatRule": {
                "index": at,
                "rule": {
                    "ranges": [where],
                    "booleanRule": {
                        "condition": {"type": "CUSTOM_FORMULA", "values": [{"userEnteredValue": formula}]},
                        "format": {"backgroundColor": fill},
                    },
                },
            }
        }
        for at, (formula, fill) in enumerate(rules)
    ]


def protect_tab(role: Role, sheet_id: int, columns: dict[str, int]) -> list[JSON]:
    """Hard: tabs that only sheetsync writes, and our headers. Warning only: keys and `sync_status` in owners' tabs.

    A header's own protection tells its column from people's, within a protected tab, too (`sync.headers`).
    """
    owners = role in OWNER_ROLES
    found = [] if owners else [_protect({"sheetId": sheet_id}, f"{OURS}written by sheetsync only", hard=True)]
    for column in LAYOUTS[role].columns:
        if column.name not in columns:
            continue
        index = columns[column.name]
        found.append(_protect(column_range(sheet_id, index, 0, 1), f"{HEADER_MARK}{column.name}", hard=True))
        if owners and (column.key or column.name == SYNC_STATUS):
            text = f"{OURS}{column.name} is kept by sheetsync"
            found.append(_protect(column_range(sheet_id, index, 1), text, hard=False))
    return found


def _protect(where: JSON, text: str, *, hard: bool) -> JSON:
    one = {"range": where, "description": text, "warningOnly": not hard}
    return {"addProtectedRange": {"protectedRange": one}}


def own_columns(tab: TabRead) -> dict[str, int]:
    """Our columns of a tab as it was read, or as it will be created."""
    return tab.columns or {name: at for at, name in enumerate(LAYOUTS[tab.role].names)}
