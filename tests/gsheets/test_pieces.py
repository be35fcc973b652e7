"""Large answers: decoded in pieces they say the same as decoded as a whole, whatever stands in their cells."""

from __future__ import annotations

import json
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheetsync.gsheets.pieces import Rows, parse_answer

TEXTS = st.one_of(
    st.sampled_from(['{"values":[', '"values"', "values", '"rowData":[', "rowData", "]", "}]},{", "ü✓🦊", "\\", ""]),
    st.text(max_size=8),
)
CELLS: st.SearchStrategy[Any] = st.one_of(
    st.just({}),
    TEXTS.map(lambda text: {"userEnteredValue": {"stringValue": text}}),
    TEXTS.map(lambda text: {"note": text, "dataValidation": {"condition": {"values": [{"userEnteredValue": text}]}}}),
)
ROWS = st.lists(st.one_of(st.just({}), st.fixed_dictionaries({"values": st.lists(CELLS, max_size=3)})), max_size=6)
GRIDS = st.lists(
    st.one_of(ROWS.map(lambda rows: {"startRow": 3, "rowData": rows}), st.just({"startRow": 1})), max_size=3
)
SHEETS = st.lists(
    st.fixed_dictionaries({"properties": st.fixed_dictionaries({"title": TEXTS}), "data": GRIDS, "after": TEXTS}),
    max_size=3,
)


def whole(value: Any) -> Any:
    """An answer with its rows decoded."""
    if isinstance(value, Rows):
        return list(value)
    if isinstance(value, dict):
        return {name: whole(one) for name, one in value.items()}
    return [whole(one) for one in value] if isinstance(value, list) else value


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)  # how busy the machine is says nothing
@given(sheets=SHEETS, piece=st.integers(1, 60), indent=st.sampled_from([None, 2]), of_a_write=st.booleans())
def test_pieces_say_what_the_whole_says(sheets: Any, piece: int, indent: int | None, of_a_write: bool) -> None:
    answer: Any = {"spreadsheetId": "x", "sheets": sheets, "title": '"rowData":[1]'}
    answer = {"updatedSpreadsheet": answer} if of_a_write else answer
    body = json.dumps(answer, indent=indent, ensure_ascii=False).encode()
    found = parse_answer(body, large_bytes=0, piece_bytes=piece)
    assert whole(found) == answer
    assert whole(found) == answer  # rows can be gone through again


def test_rows_of_a_large_answer_wait_as_bytes() -> None:
    row = b'{"values":[{"userEnteredValue":{"stringValue":"x"}}]}'
    body = b'{"sheets":[{"data":[{"rowData":[' + b",".join([row] * 1000) + b"]}]}]}"
    (block,) = parse_answer(body, large_bytes=0, piece_bytes=500)["sheets"][0]["data"]
    assert isinstance(block["rowData"], Rows)
    assert list(block["rowData"]) == [orjson.loads(row)] * 1000
    (block,) = parse_answer(body)["sheets"][0]["data"]  # a small answer is decoded as a whole
    assert isinstance(block["rowData"], list)


@pytest.mark.parametrize("rows", ["1,2", "[],[]", '{"values":[]} {"values":[]}', '{"values":[', "[{}]"])
def test_rows_of_another_form_are_decoded_as_a_whole_or_refused(rows: str) -> None:
    body = f'{{"sheets":[{{"data":[{{"rowData":[{rows}]}}]}}]}}'.encode()
    try:
        meant = orjson.loads(body)
    except orjson.JSONDecodeError:
        with pytest.raises(orjson.JSONDecodeError):
            whole(parse_answer(body, large_bytes=0))
    else:
        assert whole(parse_answer(body, large_bytes=0)) == meant


def test_rows_where_no_grid_is_are_left_where_they_stand() -> None:
    body = b'{"other":{"rowData":[{"values":[]}]},"sheets":[]}'
    assert parse_answer(body, large_bytes=0) == orjson.loads(body)
