"""Large answers, decoded a piece at a time: 100,000 rows as dicts and lists take ten times the bytes they came in.

Everything but the rows is decoded at once; the rows wait as bytes until somebody goes through them. Where one row ends
and the next begins is told without decoding: `{"values":[` stands in no string, for there its quotes would be escaped.
Wherever an answer is of another form than that, it is decoded as a whole. What rows mean is in `reading`.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import orjson

JSON = Any
LARGE_BYTES: Final = 2_000_000  # smaller answers are decoded as a whole
PIECE_BYTES: Final = 1_000_000
ROW: Final = re.compile(rb'\{\s*"values"\s*:\s*\[')
ROW_DATA: Final = re.compile(rb'"rowData"\s*:\s*\[')
AFTER_ROW: Final = re.compile(r"\s*(,\s*|\])")
DECODER: Final = json.JSONDecoder()


class Rows:
    """The rows of one grid of an answer; each time they are gone through, they are decoded anew."""

    def __init__(self, body: bytes, start: int, end: int, *, piece_bytes: int = PIECE_BYTES) -> None:
        self._body, self._start, self._end, self._piece_bytes = body, start, end, piece_bytes

    def __iter__(self) -> Iterator[JSON]:
        at = self._start
        while at < self._end:
            found = ROW.search(self._body, at + self._piece_bytes, self._end)
            end = found.start() if found else self._end
            try:
                rows = _decode(self._body[at:end])
            except orjson.JSONDecodeError:  # no row began there, but something within one
                end = self._end
                rows = _decode(self._body[at:end])
            yield from rows
            at = end


def parse_answer(body: bytes, *, large_bytes: int = LARGE_BYTES, piece_bytes: int = PIECE_BYTES) -> JSON:
    """An answer of the API; in a large one, the `rowData` of grids are `Rows`.

    Raises:
        orjson.JSONDecodeError: it is no JSON. Of rows that are `Rows`, that is told when they are gone through.
    """
    grids = _grids(body) if len(body) >= large_bytes else None
    if grids:
        rows = [Rows(body, start, end, piece_bytes=piece_bytes) for start, end in grids]
        with contextlib.suppress(orjson.JSONDecodeError):
            answer = orjson.loads(_without_rows(body, grids))
            if _put_rows(answer, rows):
                return answer
    return orjson.loads(body)


def _decode(rows: bytes) -> list[JSON]:
    found: list[JSON] = orjson.loads(b"[" + rows.strip().removesuffix(b",") + b"]")
    return found


def _grids(body: bytes) -> list[tuple[int, int]] | None:
    """Where the rows of each grid stand in the answer; None where that cannot be told."""
    starts = [found.end() for found in ROW_DATA.finditer(body)]
    found: list[tuple[int, int]] = []
    for at, start in enumerate(starts):
        end = _end_of_rows(body, start, starts[at + 1] if at + 1 < len(starts) else len(body))
        if end is None:
            return None
        found.append((start, end))
    return found


def _end_of_rows(body: bytes, start: int, limit: int) -> int | None:
    """Where the list of rows that begins at `start` ends: it is gone through from its last row with values on."""
    last = _last_row(body, start, limit)
    tail = body[last:limit].decode("latin-1")  # a character a byte: only places are wanted
    at = len(tail) - len(tail.lstrip())
    if tail.startswith("]", at):
        return last + at
    while True:
        try:
            _, at = DECODER.raw_decode(tail, at)
        except ValueError:
            return None
        after = AFTER_ROW.match(tail, at)
        if after is None:
            return None
        if after[1] == "]":
            return last + after.start(1)
        at = after.end()


def _last_row(body: bytes, start: int, limit: int) -> int:
    """Where the last row with values begins; `start`, if there is none."""
    at = limit
    while (at := body.rfind(b'"values"', start, at)) >= 0:
        brace = body.rfind(b"{", start, at)
        if brace >= 0 and ROW.match(body, brace, limit):
            return brace
    return start


def _without_rows(body: bytes, grids: list[tuple[int, int]]) -> bytes:
    """The answer with a number in place of each grid's rows."""
    parts, at = [], 0
    for number, (start, end) in enumerate(grids):
        parts += [body[at:start], str(number).encode()]
        at = end
    return b"".join([*parts, body[at:]])


def _put_rows(answer: JSON, rows: list[Rows]) -> bool:
    """Put the rows where their numbers stand; false if some have no place."""
    count = 0
    for sheet in answer.get("updatedSpreadsheet", answer).get("sheets", ()):
        for block in sheet.get("data", ()):
            if isinstance(block.get("rowData"), list):
                block["rowData"] = rows[block["rowData"][0]]
                count += 1
    return count == len(rows)
