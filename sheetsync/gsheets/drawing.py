"""A tab that stands already and is drawn again: it becomes ours, or its headers and protections are mended. Pure.

Google refuses a whole batch for one cell that people protect from us: such cells are left as they are. How a tab looks
is in `layout`; when one is drawn again is in `batches`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sheetsync.gsheets.layout import color_rows, draw_tab, format_rows, protect_tab
from sheetsync.sync.gateway import PROTECTION_MARK, TabRead
from sheetsync.sync.protected import open_runs, shut_out, shutting

JSON = Any


def format_again(tab: TabRead, columns: dict[str, int], rows: int, firearms: tuple[str, ...]) -> list[JSON]:
    """Number formats and validations of all rows below the header, by the rows of the read."""
    return [
        request
        for name, at in columns.items()
        for first, end in open_runs(tab, at, 1, rows)
        for request in format_rows(tab.role, tab.sheet_id, {name: at}, first, end, firearms)
    ]


def draw_again(tab: TabRead, columns: dict[str, int]) -> list[JSON]:
    """Headers, their look, colours and our protections."""
    found, protections = _protect_again(tab, columns)
    mine = {name: at for name, at in columns.items() if shutting(tab, 0, at) is None}
    for name, index in mine.items():
        start = {"sheetId": tab.sheet_id, "rowIndex": 0, "columnIndex": index}
        rows = [{"values": [{"userEnteredValue": {"stringValue": name}}]}]
        found.append({"updateCells": {"rows": rows, "fields": "userEnteredValue", "start": start}})
    found += draw_tab(tab.role, tab.sheet_id, mine)
    if not shut_out(replace(tab, columns=columns)):
        found += color_rows(tab.role, tab.sheet_id, columns)
    return found + protections


def _protect_again(tab: TabRead, columns: dict[str, int]) -> tuple[list[JSON], list[JSON]]:
    """What is left of our protections goes, and they are set again; but where people's keep us out, ours stay."""
    wanted = protect_tab(tab.role, tab.sheet_id, columns)
    again = [one for one in wanted if _may_protect(tab, one["addProtectedRange"]["protectedRange"]["range"])]
    kept = {_text(one) for one in wanted if one not in again}
    ours = [one for one in tab.protected if one.text.startswith(PROTECTION_MARK)]
    gone = [one.id for one in ours if one.text not in kept and not one.stops]
    return [{"deleteProtectedRange": {"protectedRangeId": number}} for number in gone], again


def _may_protect(tab: TabRead, where: JSON) -> bool:
    if "startColumnIndex" not in where:
        return True
    end = where.get("endRowIndex", tab.row_count)
    return shutting(tab, where["startRowIndex"], where["startColumnIndex"], end=end) is None


def _text(request: JSON) -> str:
    return str(request["addProtectedRange"]["protectedRange"]["description"])
