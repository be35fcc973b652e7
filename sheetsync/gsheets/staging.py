"""Bulk writes: what is over 2 MB goes in chunks to a hidden staging tab, and one atomic batch moves it into place.

A viewer never sees a blank or half table. Staging tabs carry our metadata; the next batch removes any that was left.
"""

from __future__ import annotations

import hashlib
from typing import Any, Final

import orjson

from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.reading import TAB_KEY
from sheetsync.sync.gateway import Token
from sheetsync.sync.tabs import STAGING

JSON = Any
CHUNK_BYTES: Final = 2_000_000
WORTH_STAGING: Final = 100  # a request of a hundredth of a chunk is moved out of the atomic batch
FILLED: Final = 0.95  # of a chunk: the rest is for what stands around the rows
TOGETHER: Final = 512  # rows that are encoded at once: the bytes of each by itself would take far more memory
INT31: Final = 0x7FFFFFFF


def stage(
    api: SheetsApi, spreadsheet_id: str, requests: list[JSON], token: Token, *, chunk_bytes: int = CHUNK_BYTES
) -> list[JSON]:
    """The requests themselves, where they are small; else they read their bulk from staging tabs written before."""
    sizes = [len(orjson.dumps(one)) for one in requests]
    if sum(sizes) <= chunk_bytes:
        return requests
    staged: list[JSON] = []
    chunks = _Chunks(api, spreadsheet_id, chunk_bytes * FILLED)
    for at, (one, size) in enumerate(zip(requests, sizes, strict=True)):
        bulk = one.get("updateCells", {})
        if size < chunk_bytes / WORTH_STAGING or bulk.get("fields") != "userEnteredValue":
            staged.append(one)
            continue
        sheet_id = int.from_bytes(hashlib.sha256(f"{spreadsheet_id}/{token}/{at}".encode()).digest()[:4], "big") & INT31
        staged += _staged(chunks, bulk, sheet_id, f"sheetsync staging {token.epoch}.{at}")
    chunks.send()
    return staged


class _Chunks:
    """Calls to staging tabs, each as full as it may be: the end of one tab goes with the beginning of the next."""

    def __init__(self, api: SheetsApi, spreadsheet_id: str, limit: float) -> None:
        self.limit = limit
        self._api = api
        self._id = spreadsheet_id
        self._waiting: list[JSON] = []
        self.size = 0

    @property
    def room(self) -> float:
        """How many bytes the next call still takes."""
        return self.limit - self.size

    def add(self, requests: list[JSON], size: int) -> None:
        """Put requests into the next call."""
        self._waiting += requests
        self.size += size

    def send(self) -> None:
        """Send what waits."""
        if self._waiting:
            self._api.batch_update(self._id, self._waiting, fields="spreadsheetId", retry="safe")
        self._waiting, self.size = [], 0


def _staged(chunks: _Chunks, bulk: JSON, sheet_id: int, title: str) -> list[JSON]:
    """Write the rows of one request to a staging tab of their own; return the requests that move them."""
    rows = bulk["rows"]
    width = max(len(row["values"]) for row in rows)
    chunks.add(_open_staging(sheet_id, title, len(rows), width), 0)
    at = 0
    while at < len(rows):
        data, end, size = _encoded(rows, at, chunks.room)
        if not data and chunks.size:
            chunks.send()
            continue
        if not data:  # one row fills more than a call by itself
            piece = orjson.dumps(rows[at])
            data, end, size = [orjson.Fragment(piece)], at + 1, len(piece) + 1
        start = {"sheetId": sheet_id, "rowIndex": at, "columnIndex": 0}
        chunks.add([{"updateCells": {"rows": data, "fields": "userEnteredValue", "start": start}}], size)
        at = end
    source = {
        "sheetId": sheet_id,
        "startRowIndex": 0,
        "endRowIndex": len(rows),
        "startColumnIndex": 0,
        "endColumnIndex": width,
    }
    to = bulk["start"]
    target = {
        "sheetId": to["sheetId"], "startRowIndex": to["rowIndex"], "endRowIndex": to["rowIndex"] + len(rows),
        "startColumnIndex": to["columnIndex"], "endColumnIndex": to["columnIndex"] + width,
    }  # fmt: skip
    move = {"copyPaste": {"source": source, "destination": target, "pasteType": "PASTE_VALUES"}}
    return [move, {"deleteSheet": {"sheetId": sheet_id}}]


def _encoded(rows: list[JSON], at: int, room: float) -> tuple[list[orjson.Fragment], int, int]:
    """As many rows from `at` on as there is room for, several in each piece; the end of them, and their bytes."""
    found: list[orjson.Fragment] = []
    size, count = 0, TOGETHER
    while at < len(rows) and count:
        piece = orjson.dumps(rows[at : at + count])[1:-1]
        if size + len(piece) + 1 > room:
            count //= 2
            continue
        found.append(orjson.Fragment(piece))
        size += len(piece) + 1
        at += count
    return found, min(at, len(rows)), size


def _open_staging(sheet_id: int, title: str, rows: int, width: int) -> list[JSON]:
    grid = {"rowCount": rows, "columnCount": width}
    one = {
        "metadataKey": TAB_KEY,
        "metadataValue": STAGING,
        "location": {"sheetId": sheet_id},
        "visibility": "DOCUMENT",
    }
    return [
        {"addSheet": {"properties": {"sheetId": sheet_id, "title": title, "hidden": True, "gridProperties": grid}}},
        {"createDeveloperMetadata": {"developerMetadata": one}},
    ]
