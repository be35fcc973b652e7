"""Bad input: Google's error where it has one, never a traceback, and nothing is changed."""

from __future__ import annotations

import socket
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheetsync.localsheets import requests
from sheetsync.localsheets.schema import PACKAGE, messages


def post(book: Any, path: str, content: bytes) -> Any:
    return book.http.post(f"{book.path}{path}", content=content, headers={"Content-Type": "application/json"})


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"not json",
        b"[]",
        b'"text"',
        b"\xff\xfe",
        b'{"requests": 5}',
        b'{"requests": [5]}',
        b'{"requests": [{}]}',
        b'{"requests": [{"addSheet": 1}]}',
        b'{"requests": [{"addSheet": {}, "deleteSheet": {}}]}',
        b'{"requests": [{"updateCells": {"rows": {}, "fields": "note", "start": {}}}]}',
        b'{"requests": [{"updateCells": {"start": {"rowIndex": "x"}, "fields": "note"}}]}',
        b'{"requests": [{"updateCells": {"start": {"rowIndex": 1.5}, "fields": "note"}}]}',
        b'{"requests": [{"updateCells": {"start": {"rowIndex": -1}, "fields": "note"}}]}',
        b'{"requests": [{"updateCells": {"start": {"rowIndex": 99999999999}, "fields": "note"}}]}',
        b'{"requests": [{"updateCells": {"start": {}, "fields": "nope"}}]}',
        b'{"requests": [{"updateCells": {"start": {}, "fields": "note,"}}]}',
        b'{"requests": [{"mergeCells": {"mergeType": "SIDEWAYS", "range": {}}}]}',
        b'{"requests": [{"mergeCells": {"range": {"sheetId": 5}}}]}',
        b'{"requests": [{"mergeCells": {"range": {"startRowIndex": 5, "endRowIndex": 5}}}]}',
        b'{"requests": [{"sortRange": {"range": {}}}]}',
        b'{"requests": [{"updateCells": {}}]}',
        b"[" * 5000,
        b'{"requests": ' + b'[{"a": ' * 600 + b"1" + b"}]" * 600 + b"}",
    ],
)
def test_bodies_that_are_no_batch_are_refused_as_400(book: Any, content: bytes) -> None:
    before = book.state()
    answer = post(book, ":batchUpdate", content)
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["status"] == "INVALID_ARGUMENT"
    assert book.state() == before


def test_wrong_types_are_named_with_their_path(book: Any) -> None:
    body = b'{"requests": [{"updateCells": {"start": {"rowIndex": "x"}, "rows": [{"values": [7]}], "fields": "note"}}]}'
    error = post(book, ":batchUpdate", body).json()["error"]
    assert error["message"].splitlines() == [
        "Invalid value at 'requests[0].update_cells.start.row_index' (TYPE_INT32), \"x\"",
        f"Invalid value at 'requests[0].update_cells.rows[0].values[0]' ({PACKAGE}CellData), 7",
    ]
    assert len(error["details"][0]["fieldViolations"]) == 2


def test_numbers_as_text_enums_as_numbers_and_snake_case_are_taken(book: Any) -> None:
    body = b'{"requests": [{"merge_cells": {"merge_type": 0, "range": {"endRowIndex": "2", "endColumnIndex": 2.0}}}]}'
    assert post(book, ":batchUpdate", body).status_code == 200
    assert book.sheet()["merges"][0]["endRowIndex"] == 2


def test_unknown_query_parameters_are_refused(book: Any) -> None:
    answer = book.http.get(f"{book.path}/values/A1?valueRender=X")
    assert answer.status_code == 400
    assert 'Unknown name "valueRender": Cannot bind query parameter.' in answer.json()["error"]["message"]
    wrong = book.http.get(f"{book.path}/values/A1?valueRenderOption=PRETTY").json()["error"]["message"]
    assert wrong.startswith("Invalid value at 'value_render_option'")
    assert book.http.get(f"{book.path}?includeGridData=perhaps").status_code == 400
    assert book.http.get(f"{book.path}/values/A1?alt=json&key=k&prettyPrint=false").status_code == 200


def test_masks_that_name_nothing_known_are_refused(book: Any) -> None:
    answer = book.http.get(f"{book.path}?fields=sheets.sheetProperties")
    assert answer.json()["error"] == {
        "code": 400,
        "message": "Request contains an invalid argument.",
        "status": "INVALID_ARGUMENT",
        "details": [
            {
                "@type": "type.googleapis.com/google.rpc.BadRequest",
                "fieldViolations": [
                    {
                        "field": "sheets.sheetProperties",
                        "description": "Error expanding 'fields' parameter. Cannot find matching fields for path"
                        " 'sheets.sheetProperties'.",
                    }
                ],
            }
        ],
    }
    assert book.http.get(f"{book.path}?fields=sheets(properties").status_code == 400
    assert book.http.get(f"{book.path}?fields=sheets, properties").status_code == 400


def test_what_is_not_there_is_a_404(book: Any) -> None:
    answer = book.http.get("/v4/spreadsheets/nosuch")
    error = {"code": 404, "message": "Requested entity was not found.", "status": "NOT_FOUND"}
    assert (answer.status_code, answer.json()) == (404, {"error": error})
    assert book.http.get("/v4/nothing").status_code == 404
    assert book.http.get(f"{book.path}:batchUpdate").status_code == 404
    assert book.http.delete(book.path).status_code == 404


def test_slashes_and_signs_in_a_tabs_title_do_no_harm(book: Any) -> None:
    title = "a/b: 100% ?#&"
    book.batch({"addSheet": {"properties": {"title": title}}})
    book.put(f"'{title}'!A1", [["there"]])
    assert book.values(f"'{title}'!A1") == [["there"]]


def test_large_bodies_pass(book: Any) -> None:
    book.put("A1:Z1000", [["x" * 100] * 26] * 1000)
    assert len(book.values("A1:Z1000")) == 1000


def test_batches_at_the_same_time_lose_nothing(book: Any) -> None:
    def append(number: int) -> int:
        rows = [{"values": [{"userEnteredValue": {"numberValue": number}}]}]
        body = {"requests": [{"appendCells": {"sheetId": 0, "rows": rows, "fields": "*"}}]}
        return int(book.http.post(f"{book.path}:batchUpdate", json=body).status_code)

    with ThreadPoolExecutor(8) as pool:
        assert set(pool.map(append, range(100))) == {200}
    assert sorted(row[0] for row in book.values("A1:A200")) == list(range(100))


@pytest.mark.parametrize("sent", [b"\r\n\r\n", b"GET\r\n\r\n", b"GET / HTTP/9\r\n\r\n", b"\x16\x03\x01" + b"\0" * 60])
def test_bytes_that_are_no_http_are_answered_or_dropped(server: Any, book: Any, sent: bytes) -> None:
    with socket.create_connection(("127.0.0.1", server.port), timeout=5) as connection:
        connection.sendall(sent)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1000)
    assert book.get()["spreadsheetId"] == book.id


SCALARS = st.one_of(
    st.none(), st.booleans(), st.integers(-5, 40), st.floats(-9, 9), st.sampled_from(["", "A1", "*", "ROWS"])
)


def body_of(name: str, depth: int = 0) -> st.SearchStrategy[dict[str, Any]]:
    """Bodies that have the shape of a message, with values that need not make sense."""

    def value(kind: str) -> st.SearchStrategy[Any]:
        if kind[0] == "M":
            return body_of(kind[1:], depth + 1) if depth < 4 else st.just({})
        if kind[0] == "[":
            return st.lists(value(kind[1:]), max_size=2)
        if kind[0] == "E":
            return st.sampled_from(kind[1:].split("|"))
        return {
            "s": st.sampled_from(["", "A1", "=A1", "x"]),
            "i": st.integers(-1, 30),
            "b": st.booleans(),
            "m": st.sampled_from(["*", "note", "title", "range", "userEnteredValue", ""]),
            "f": st.floats(0, 1),
            "d": st.floats(-10, 10),
        }.get(kind[0], SCALARS)

    fields = {key: value(kind) for key, kind in messages()[name].items()}
    return st.fixed_dictionaries({}, optional=fields)


@pytest.mark.parametrize("kind", sorted(requests.KINDS))
@settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
@given(data=st.data())
def test_no_body_of_the_right_shape_breaks_the_server(book: Any, kind: str, data: st.DataObject) -> None:
    body = data.draw(body_of(messages()["Request"][kind][1:]))
    if book.server.workspace.spreadsheet(book.id).sheets[0].row_count == 1000:  # a whole grid of it is work enough
        small = {"properties": {"gridProperties": {"rowCount": 40}}, "fields": "gridProperties.rowCount"}
        book.batch({"updateSheetProperties": small})
    before = book.state()
    answer = book.http.post(f"{book.path}:batchUpdate", json={"requests": [{kind: body}]})
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert book.state() == before
    assert book.http.get(f"{book.path}?includeGridData=true").status_code == 200
