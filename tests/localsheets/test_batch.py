"""A batch is one act: ordered, all or nothing, answered one to one, read back in the same call."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheetsync.localsheets.call import Options
from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.journal import Journal, repeat
from sheetsync.localsheets.requests import handler
from sheetsync.localsheets.requests.edit import Edit
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.spreadsheets_api import schema_copy


def spot(row: int = 0, col: int = 0) -> dict[str, int]:
    return {"sheetId": 0, "rowIndex": row, "columnIndex": col}


def write(row: int, col: int, text: str) -> dict[str, Any]:
    rows = [{"values": [{"userEnteredValue": {"stringValue": text}}]}]
    return {"updateCells": {"start": spot(row, col), "rows": rows, "fields": "userEnteredValue"}}


FAILS = {"deleteSheet": {"sheetId": 404}}


def area(draw: Any, rows: int = 8, cols: int = 5) -> dict[str, int]:
    top, left = draw(st.integers(0, rows - 1)), draw(st.integers(0, cols - 1))
    return {
        "sheetId": 0,
        "startRowIndex": top,
        "endRowIndex": draw(st.integers(top + 1, rows)),
        "startColumnIndex": left,
        "endColumnIndex": draw(st.integers(left + 1, cols)),
    }


@st.composite
def a_request(draw: Any) -> dict[str, Any]:
    dimension = draw(st.sampled_from(["ROWS", "COLUMNS"]))
    start = draw(st.integers(0, 3))
    span = {"sheetId": 0, "dimension": dimension, "startIndex": start, "endIndex": start + draw(st.integers(1, 2))}
    note = {"cell": {"note": "n", "userEnteredFormat": {"textFormat": {"bold": True}}}, "fields": "*"}
    options: list[dict[str, Any]] = [
        write(draw(st.integers(0, 7)), draw(st.integers(0, 4)), draw(st.sampled_from(["a", "b", ""]))),
        {"insertDimension": {"range": span}},
        {"deleteDimension": {"range": span}},
        {"moveDimension": {"source": span, "destinationIndex": draw(st.sampled_from([0, 6]))}},
        {"mergeCells": {"range": area(draw), "mergeType": "MERGE_ALL"}},
        {"repeatCell": {"range": area(draw), **note}},
        {"sortRange": {"range": {**area(draw), "startColumnIndex": 0}, "sortSpecs": [{"dimensionIndex": 0}]}},
        {"copyPaste": {"source": area(draw, 3, 3), "destination": area(draw)}},
        {"cutPaste": {"source": area(draw, 3, 3), "destination": spot(draw(st.integers(0, 5)), 0)}},
        {"addSheet": {"properties": {"title": draw(st.sampled_from(["p", "q"]))}}},
        {"addNamedRange": {"namedRange": {"name": draw(st.sampled_from(["n1x_", "n2x_"])), "range": area(draw)}}},
        {"addProtectedRange": {"protectedRange": {"range": area(draw), "warningOnly": True}}},
        {"setBasicFilter": {"filter": {"range": area(draw), "criteria": {"0": {"hiddenValues": ["a"]}}}}},
        {"appendDimension": {"sheetId": 0, "dimension": dimension, "length": 2}},
        {"updateDimensionProperties": {"range": span, "properties": {"pixelSize": 7}, "fields": "pixelSize"}},
        {"addDimensionGroup": {"range": span}},
        {"insertRange": {"range": area(draw), "shiftDimension": dimension}},
        {"deleteRange": {"range": area(draw), "shiftDimension": dimension}},
        {
            "createDeveloperMetadata": {
                "developerMetadata": {
                    "metadataKey": "k",
                    "visibility": "DOCUMENT",
                    "location": {"dimensionRange": {**span, "endIndex": start + 1}},
                }
            }
        },
    ]
    chosen: dict[str, Any] = draw(st.sampled_from(options))
    return chosen


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(before=st.lists(a_request(), max_size=4), batch=st.lists(a_request(), min_size=1, max_size=6))
def test_a_refused_batch_leaves_no_trace(book: Any, before: list[dict[str, Any]], batch: list[dict[str, Any]]) -> None:
    for request in before:  # some of them may be refused: that is fine, the sheet is only to be varied
        book.http.post(f"{book.path}:batchUpdate", json={"requests": [request]})
    state = book.state()
    book.refused(*batch, FAILS)
    assert book.state() == state


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batch=st.lists(a_request(), min_size=1, max_size=6))
def test_the_records_of_a_batch_make_the_same_spreadsheet_again(book: Any, batch: list[dict[str, Any]]) -> None:
    content = book.server.workspace.spreadsheet(book.id)
    copy = Spreadsheet.from_json(schema_copy(content.to_json()), rng=content.rng)
    for request in batch:
        journal = Journal(content)
        ((kind, body),) = request.items()
        try:
            handler(kind)(Edit(journal, "u@example.com", Options()), schema_copy(body))
        except ApiError:
            journal.rollback()
            continue
        repeat(copy, schema_copy(journal.records()))  # type: ignore[arg-type]
    book.server.workspace._loaded[book.id] = copy
    repeated = book.state()
    book.server.workspace._loaded[book.id] = content
    assert repeated == book.state()


def test_requests_are_applied_in_order_and_answered_one_to_one(book: Any) -> None:
    found = book.batch(write(0, 0, "first"), write(0, 0, "second"), {"addSheet": {"properties": {"title": "t"}}})
    assert [list(reply) for reply in found["replies"]] == [[], [], ["addSheet"]]
    assert book.values("A1") == [["second"]]


def test_the_refusal_names_the_place_of_the_request(book: Any) -> None:
    assert book.refused(write(0, 0, "x"), FAILS) == "Invalid requests[1].deleteSheet: No sheet with id: 404"


def test_an_empty_batch_is_refused(book: Any) -> None:
    assert book.refused() == "Must specify at least one request."


def test_unknown_kinds_and_fields_are_refused_by_name(book: Any) -> None:
    assert book.refused({"sharpenPencil": {}}) == (
        "Invalid JSON payload received. Unknown name \"sharpenPencil\" at 'requests[0]': Cannot find field."
    )
    assert "Unknown name \"rangge\" at 'requests[0].update_cells'" in book.refused({"updateCells": {"rangge": {}}})


def test_the_answer_can_hold_the_sheet_as_it_is_after_the_batch(book: Any) -> None:
    mask = "?fields=replies,updatedSpreadsheet(sheets(properties(title),data(rowData(values(userEnteredValue)))))"
    found = book.batch(
        write(1, 1, "new"), query=mask, includeSpreadsheetInResponse=True, responseRanges=["Sheet1!B2:C3"]
    )
    cell = {"userEnteredValue": {"stringValue": "new"}}
    assert found["updatedSpreadsheet"] == {
        "sheets": [{"properties": {"title": "Sheet1"}, "data": [{"rowData": [{"values": [cell]}]}]}]
    }
    assert "spreadsheetId" not in found


def test_a_read_back_that_fails_undoes_the_batch(book: Any) -> None:
    body = {"requests": [write(0, 0, "x")], "includeSpreadsheetInResponse": True, "responseRanges": ["No!A1"]}
    answer = book.http.post(f"{book.path}:batchUpdate", json=body)
    assert answer.json()["error"]["message"] == "Unable to parse range: No!A1"
    assert book.values("A1") == []


def test_caller_chosen_ids_must_be_free(book: Any, box: Any) -> None:
    metadata = {"metadataId": 5, "metadataKey": "k", "visibility": "PROJECT", "location": {"spreadsheet": True}}
    book.batch(
        {"createDeveloperMetadata": {"developerMetadata": metadata}},
        {"addNamedRange": {"namedRange": {"namedRangeId": "n1", "name": "one_", "range": box(0, 1, 0, 1)}}},
        {"addProtectedRange": {"protectedRange": {"protectedRangeId": 6, "range": box(0, 1, 0, 1)}}},
    )
    assert book.refused({"createDeveloperMetadata": {"developerMetadata": metadata}}).endswith(
        "Cannot add developer metadata with ID [5] because developer metadata with that ID already exists."
    )
    two = {"name": "two_", "range": box(0, 1, 0, 1)}
    assert "already exists" in book.refused({"addNamedRange": {"namedRange": {"namedRangeId": "n1", **two}}})
    assert "already exists" in book.refused(
        {"addProtectedRange": {"protectedRange": {"protectedRangeId": 6, "range": box(1, 2, 0, 1)}}}
    )
    name = {"namedRange": {"name": "ONE_", "range": box(0, 1, 0, 1)}}
    assert "a named range with that name already exists" in book.refused({"addNamedRange": name})


def test_a_batch_that_moves_an_epoch_is_refused_when_another_moved_it(book: Any, box: Any) -> None:
    def move(old: int, new: int) -> list[dict[str, Any]]:
        return [{"deleteSheet": {"sheetId": old}}, {"addSheet": {"properties": {"sheetId": new, "hidden": True}}}]

    book.batch({"addSheet": {"properties": {"sheetId": 100, "hidden": True}}})
    book.batch(*move(100, 101), write(0, 0, "mine"))
    assert "No sheet with id: 100" in book.refused(*move(100, 101), write(0, 0, "late"))
    assert book.values("A1") == [["mine"]]
