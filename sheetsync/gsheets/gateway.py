"""The spreadsheet behind the engine's port: one read by metadata, one atomic write with its read-back.

Requests are made in `batches`, answers read in `reading`; retries, quota and errors are in `api` and below.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

import orjson

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import DefectError, RequestRefusedError, UnknownOutcomeError
from sheetsync.gsheets.api import SheetsApi, not_whole
from sheetsync.gsheets.batches import render
from sheetsync.gsheets.blocks import BLOCK_ROWS, read_blocks
from sheetsync.gsheets.pieces import parse_answer
from sheetsync.gsheets.read_back import ReadBack, merged, plan_read_back, quoted, rows_stood, without_drift
from sheetsync.gsheets.reading import (
    BACK_FIELDS,
    LIST_FIELDS,
    READ_FIELDS,
    TAB_FIELDS,
    TAB_KEY,
    WHOLE,
    WHOLE_FIELDS,
    parse_listing,
    parse_read,
    parse_scratch,
)
from sheetsync.gsheets.staging import CHUNK_BYTES, stage
from sheetsync.sync.epoch import scratch_sheet_id
from sheetsync.sync.gateway import Batch, DeleteRow, Landed, ScratchTab, SheetRead, TabSize
from sheetsync.sync.tabs import Role

JSON = Any
OUR_TABS: Final = [{"developerMetadataLookup": {"metadataKey": TAB_KEY}}]


class GoogleSheetsGateway:
    """One spreadsheet on Google's API, or on a server that speaks it."""

    def __init__(
        self,
        api: SheetsApi,
        spreadsheet_id: str,
        *,
        store_id: str,
        firearms: tuple[str, ...] = (),
        chunk_bytes: int = CHUNK_BYTES,
        block_rows: int = BLOCK_ROWS,
    ) -> None:
        self._api = api
        self._id = spreadsheet_id
        self._store_id = store_id
        self._firearms = firearms
        self._chunk_bytes = chunk_bytes
        self._block_rows = block_rows

    @property
    def spreadsheet_id(self) -> str:
        """The id of the spreadsheet."""
        return self._id

    @property
    def url(self) -> str:
        """Where people see the spreadsheet; "" if that address does not last."""
        return self._api.spreadsheet_url(self._id)

    def counts(self) -> Mapping[str, int]:
        """The calls made so far: read, write, drive."""
        return self._api.ledger.counts()

    def read(self, sizes: Mapping[Role, TabSize], *, columns: Mapping[Role, dict[str, int]] | None = None) -> SheetRead:
        """All tabs that carry our metadata: one read; a large tab whose sheetId is known comes in blocks of rows."""
        known = {role: size.columns for role, size in sizes.items()}
        large = {role: size for role, size in sizes.items() if size.rows > self._block_rows}
        try:
            if large and not columns:
                found = read_blocks(self._api, self._id, large, block_rows=self._block_rows, known=known)
                if found is not None:
                    return found
            body = self._api.get_by_filter_bytes(self._id, filters=OUR_TABS, fields=READ_FIELDS)
            return parse_read(parse_answer(body), self._id, columns=columns or {}, known=known)
        except orjson.JSONDecodeError:
            raise not_whole() from None

    def list_tabs(self) -> SheetRead:
        """All tabs by name: one read, no cells."""
        return parse_listing(self._api.get(self._id, fields=LIST_FIELDS), self._id)

    def read_unmarked(self, role: Role, sheet_id: int) -> SheetRead:
        """A tab that is not marked as ours, read as if it were: before it is adopted."""
        filters = [{"gridRange": {"sheetId": sheet_id}}]
        answer = self._api.get_by_filter(self._id, filters=filters, fields=READ_FIELDS)
        for sheet in answer.get("sheets", ()):
            sheet["developerMetadata"] = [{"metadataKey": TAB_KEY, "metadataValue": role}]
        return parse_read(answer, self._id)

    def land(self, batch: Batch, read: SheetRead) -> Landed | None:
        """Send one atomic batch; bulk goes to a hidden staging tab first."""
        scratch_id = scratch_sheet_id(self._store_id, self._id, batch.token.epoch)
        ids = {role: scratch_sheet_id(f"{self._store_id}/{role}", self._id, batch.token.epoch) for role in batch.create}
        done = render(batch, read, sheet_ids=ids, scratch_id=scratch_id, firearms=self._firearms)
        title = done.scratch_title
        requests = stage(self._api, self._id, done.requests, batch.token, chunk_bytes=self._chunk_bytes)
        del done  # what was staged is held no longer
        whole = any(isinstance(one, DeleteRow) for one in batch.operations)
        back = plan_read_back(batch, read)
        ranges = [quoted(title), *back.ranges(read)]
        cells = READ_FIELDS if batch.is_opening else WHOLE_FIELDS if whole else BACK_FIELDS
        try:
            body = self._api.batch_update_bytes(
                self._id, requests, fields=f"updatedSpreadsheet({cells})", response_ranges=ranges, retry="safe"
            )
        except RequestRefusedError as refused:
            if _is_version(refused, read):
                return None
            raise
        return self._landed(body, batch, read, ids, scratch_id, back=back, whole=whole)

    def _landed(
        self,
        body: bytes,
        batch: Batch,
        read: SheetRead,
        ids: dict[Role, int],
        scratch_id: int,
        *,
        back: ReadBack,
        whole: bool,
    ) -> Landed:
        try:
            answer = parse_answer(body).get("updatedSpreadsheet", {})
            sheets = answer.get("sheets", ())
            mine = next((sheet for sheet in sheets if int(sheet["properties"].get("sheetId", 0)) == scratch_id), None)
            scratch = None if mine is None else parse_scratch(mine)
            found = None
            if scratch is not None and not back.none and rows_stood(back, batch, read, scratch.pre):
                found = merged(back, read, answer)
        except orjson.JSONDecodeError:
            raise UnknownOutcomeError(
                "the answer to the write cannot be read", hint="run the same command again"
            ) from None
        if scratch is None:
            raise UnknownOutcomeError("the answer lacks the scratch tab", hint="run the same command again")
        planned = sum(1 for one in batch.operations if not hasattr(one, "at"))
        if found is not None:
            found = replace(found if batch.is_opening else without_drift(found), mark=batch.mark or read.mark)
        return Landed(_padded(scratch.pre, planned), found, _whole(mine, planned) if whole else {}, scratch, ids)

    def whole_rows(self, scratch: ScratchTab, count: int) -> dict[int, tuple[JSONValue, ...]]:
        """The full cells of a scratch tab's pre-images: one read."""
        filters = [{"gridRange": {"sheetId": scratch.sheet_id}}]
        fields = f"sheets({TAB_FIELDS},data(startRow,startColumn,rowData(values({WHOLE}))))"
        answer = self._api.get_by_filter(self._id, filters=filters, fields=fields)
        sheets = answer.get("sheets", ())
        if not sheets:
            raise DefectError("the scratch tab is gone while it is being checked")
        return _whole(sheets[0], count)


def _padded(pre: tuple[tuple[Any, ...], ...], count: int) -> tuple[tuple[Any, ...], ...]:
    return tuple(pre[at] if at < len(pre) else () for at in range(count))


def _whole(sheet: JSON, count: int) -> dict[int, tuple[JSONValue, ...]]:
    found: dict[int, tuple[JSONValue, ...]] = {}
    for block in sheet.get("data", ()):
        start = int(block.get("startRow", 0))
        for offset, row in enumerate(block.get("rowData", ())):
            at = start + offset - 1
            if 0 <= at < count:
                kept = ("userEnteredValue", "userEnteredFormat", "note")
                cells = [{name: cell[name] for name in kept if name in cell} for cell in row.get("values", ())]
                found[at] = tuple(cells)
    return found


def _is_version(refused: RequestRefusedError, read: SheetRead) -> bool:
    """Was the batch refused because its version is gone: a scratch tab is not there, or the next one is already?

    Anything else that is refused (a row or tab that vanished meanwhile, a range renamed) is told from a defect of ours
    by reading again: a refused batch was not applied.
    """
    first = len(read.scratch) + len(read.staging)
    return refused.request_kind in ("deleteSheet", "addSheet") and (refused.request_index or 0) <= first
