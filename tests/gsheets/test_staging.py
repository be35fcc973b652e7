"""Bulk goes to staging tabs in chunks: each row once and in order, no chunk over its size, and as few as may be."""

from __future__ import annotations

from typing import Any

import orjson
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.gsheets.staging import FILLED, stage
from sheetsync.sync.gateway import Token

LIMIT = 5_000
AROUND = 1_500  # bytes of requests that open tabs


class FakeApi:
    """Remembers the bodies of its calls."""

    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def batch_update(self, _id: str, requests: list[Any], **_options: Any) -> None:
        self.bodies.append(orjson.dumps(requests))


def bulk(texts: list[str], column: int) -> Any:
    rows = [{"values": [{"userEnteredValue": {"stringValue": text}}]} for text in texts]
    start = {"sheetId": 1, "rowIndex": 1, "columnIndex": column}
    return {"updateCells": {"rows": rows, "fields": "userEnteredValue", "start": start}}


@given(
    lengths=st.lists(
        st.lists(st.one_of(st.integers(0, 40), st.integers(0, 8_000)), min_size=40, max_size=120),
        min_size=1,
        max_size=3,
    )
)
def test_every_row_is_staged_once_and_in_order(lengths: list[list[int]]) -> None:
    api: Any = FakeApi()
    requests = [bulk([f"{at:05d}" + length * "x" for at, length in enumerate(one)], 2) for one in lengths]
    staged = stage(api, "x", requests, Token(3, "n"), chunk_bytes=LIMIT)
    if sum(len(orjson.dumps(one)) for one in requests) <= LIMIT:
        assert (staged, api.bodies) == (requests, [])  # no bulk: one atomic batch takes it all
        return
    tabs: dict[int, list[Any]] = {}
    for body in api.bodies:
        written = [one["updateCells"] for one in orjson.loads(body) if "updateCells" in one]
        rows = [row for one in written for row in one["rows"]]
        assert len(body) <= LIMIT + AROUND or len(rows) == 1  # a row that is larger than a chunk goes by itself
        for one in written:
            tab = tabs.setdefault(one["start"]["sheetId"], [])
            assert one["start"]["rowIndex"] == len(tab)
            tab += one["rows"]
    assert list(tabs.values()) == [one["updateCells"]["rows"] for one in requests]
    moved = [one["copyPaste"]["source"]["endRowIndex"] for one in staged if "copyPaste" in one]
    assert moved == [len(one) for one in lengths]


def test_chunks_are_filled() -> None:
    api: Any = FakeApi()
    request = bulk([f"row {at}" for at in range(3000)], 2)
    stage(api, "x", [request], Token(3, "n"), chunk_bytes=LIMIT)
    size = len(orjson.dumps(request["updateCells"]["rows"]))
    assert len(api.bodies) == -(-size // int(LIMIT * FILLED - 60))  # what a row is short of a full one
