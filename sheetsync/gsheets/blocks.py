"""Large tabs, read in blocks of rows: a tenth of the memory that one answer of 100,000 rows would take.

Blocks overlap by one row: if somebody inserts or removes rows between two of them, the overlap tells, and all is read
again in one piece.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from sheetsync.errors import RequestRefusedError
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.pieces import parse_answer
from sheetsync.gsheets.reading import NOT_KNOWN, READ_FIELDS, TAB_KEY, parse_read, parse_tab
from sheetsync.sync.gateway import RowRead, SheetRead, TabRead, TabSize
from sheetsync.sync.headers import Places
from sheetsync.sync.tabs import ROLES, SCRATCH, STAGING, Role

JSON = Any
BLOCK_ROWS: Final = 20_000


def read_blocks(
    api: SheetsApi, spreadsheet_id: str, large: Mapping[Role, TabSize], *, block_rows: int = BLOCK_ROWS,
    known: Mapping[Role, Places] = NOT_KNOWN,
) -> SheetRead | None:  # fmt: skip
    """A whole read, the `large` tabs in blocks; None if they moved meanwhile, or are gone.

    `known`: where the columns of all tabs were last seen.
    """
    try:
        first = _read(
            api, spreadsheet_id, [*_small(large), *(_rows(size.sheet_id, 0, block_rows) for size in large.values())]
        )
    except RequestRefusedError:
        return None  # a tab is gone: one read by metadata tells which
    found = parse_read(first, spreadsheet_id, known=known)
    del first
    tabs = dict(found.tabs)
    for role, size in large.items():
        if role not in tabs or tabs[role].sheet_id != size.sheet_id:
            return None
        whole = _rest(api, spreadsheet_id, tabs[role], block_rows)
        if whole is None:
            return None
        tabs[role] = whole
    return replace(found, tabs=tabs)


def _small(large: Mapping[Role, TabSize]) -> list[JSON]:
    roles = [role for role in (*ROLES, SCRATCH, STAGING) if role not in large]
    return [{"developerMetadataLookup": {"metadataKey": TAB_KEY, "metadataValue": role}} for role in roles]


def _rows(sheet_id: int, start: int, count: int) -> JSON:
    return {"gridRange": {"sheetId": sheet_id, "startRowIndex": start, "endRowIndex": start + count + 1}}


def _read(api: SheetsApi, spreadsheet_id: str, filters: list[JSON]) -> JSON:
    return parse_answer(api.get_by_filter_bytes(spreadsheet_id, filters=filters, fields=READ_FIELDS))


def _rest(api: SheetsApi, spreadsheet_id: str, tab: TabRead, block_rows: int) -> TabRead | None:
    rows, merges, last, in_use, start = tab.rows, tab.merges, tab.last_row, tab.in_use, block_rows
    while start < tab.row_count - 1:  # the row at `start` is known: it is where the blocks overlap
        answer = _read(api, spreadsheet_id, [_rows(tab.sheet_id, start, block_rows)])
        sheets = answer.get("sheets", ())
        if not sheets:
            return None
        block = parse_tab(tab.role, sheets[0], tab.columns)
        if block.row_count != tab.row_count or _at(rows, start) != _at(block.rows, start):
            return None  # rows moved between the blocks
        rows += [row for row in block.rows if row.index > start]
        merges += tuple(merge for merge in block.merges if merge not in merges)
        last, in_use = max(last, block.last_row), in_use | block.in_use
        start += block_rows
    return replace(tab, rows=rows, merges=merges, last_row=last, in_use=in_use)


def _at(rows: list[RowRead], index: int) -> RowRead | None:
    """The row at a grid index, near the end or the beginning of a block."""
    near = [*rows[:2], *rows[-2:]]
    return next((row for row in near if row.index == index), None)
