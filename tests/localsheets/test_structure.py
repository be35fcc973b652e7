"""Rows, columns, protections, metadata, filters and validation: what binds whom, and what follows whom."""

from __future__ import annotations

from typing import Any

import pytest

OTHER = "policy-owner@example.com"


def rows(start: int, end: int) -> dict[str, Any]:
    return {"sheetId": 0, "dimension": "ROWS", "startIndex": start, "endIndex": end}


def attach(row: int, key: str = "k", **more: Any) -> dict[str, Any]:
    location = {"dimensionRange": rows(row, row + 1)}
    record = {"metadataKey": key, "visibility": "DOCUMENT", "location": location, **more}
    return {"createDeveloperMetadata": {"developerMetadata": record}}


def places(book: Any) -> list[int]:
    body = {"dataFilters": [{"developerMetadataLookup": {"metadataKey": "k"}}]}
    found = book.http.post(f"{book.path}/developerMetadata:search", json=body).json()
    records = [one["developerMetadata"] for one in found.get("matchedDeveloperMetadata", [])]
    return [record["location"]["dimensionRange"]["startIndex"] for record in records]


# Rows and columns.


def test_rows_that_do_not_exist_cannot_be_deleted(book: Any) -> None:
    assert book.refused({"deleteDimension": {"range": rows(1000, 1001)}}) == (
        "Invalid requests[0].deleteDimension: Cannot delete a row that doesn't exist."
        " Tried to delete row index 1000 but there are only 1000 rows."
    )
    assert "can't delete all the rows" in book.refused({"deleteDimension": {"range": rows(0, 1000)}})


def test_inserting_at_the_end_needs_a_neighbour_to_inherit_from(book: Any) -> None:
    at_end = {"range": rows(1000, 1001)}
    assert "must be less than the grid size (1000) if inheritFromBefore is false" in book.refused(
        {"insertDimension": at_end}
    )
    book.batch({"insertDimension": {**at_end, "inheritFromBefore": True}})
    assert book.sheet()["properties"]["gridProperties"]["rowCount"] == 1001


def test_inserted_rows_take_on_looks_and_dropdowns_but_no_values(book: Any, box: Any) -> None:
    rule = {"condition": {"type": "BOOLEAN"}}
    bold = {"userEnteredFormat": {"textFormat": {"bold": True}}, "note": "n", "dataValidation": rule}
    book.put("A1", [["x"]])
    book.batch(
        {"repeatCell": {"range": box(0, 1, 0, 1), "cell": bold, "fields": "userEnteredFormat,note,dataValidation"}}
    )
    book.batch({"insertDimension": {"range": rows(1, 2), "inheritFromBefore": True}})
    cell = book.cell("A2")
    assert cell["userEnteredFormat"] == {"textFormat": {"bold": True}}
    assert cell["dataValidation"] == rule
    assert not {"note", "userEnteredValue"} & set(cell)


def test_everything_that_names_rows_follows_an_insertion(book: Any, box: Any) -> None:
    area = box(2, 4, 0, 2)
    book.batch(
        {"mergeCells": {"range": area, "mergeType": "MERGE_ALL"}},
        {"addNamedRange": {"namedRange": {"name": "name_", "range": area}}},
        {"addProtectedRange": {"protectedRange": {"range": area}}},
        {"setBasicFilter": {"filter": {"range": area}}},
        attach(2),
        {"insertDimension": {"range": rows(0, 3)}},
    )
    found, sheet = book.get(), book.sheet()
    expected = {"startRowIndex": 5, "endRowIndex": 7, "startColumnIndex": 0, "endColumnIndex": 2}
    assert sheet["merges"] == [expected]
    assert found["namedRanges"][0]["range"] == expected
    assert sheet["protectedRanges"][0]["range"] == expected
    assert sheet["basicFilter"]["range"] == expected
    assert places(book) == [5]


def test_what_lies_wholly_in_deleted_rows_goes_and_the_rest_shrinks(book: Any, box: Any) -> None:
    book.batch(
        {"addNamedRange": {"namedRange": {"name": "gone_", "range": box(2, 4, 0, 2)}}},
        {"addNamedRange": {"namedRange": {"name": "less_", "range": box(1, 6, 0, 2)}}},
        attach(2),
        attach(5),
        {"deleteDimension": {"range": rows(2, 4)}},
    )
    names = book.get()["namedRanges"]
    assert [(one["name"], one["range"]["endRowIndex"]) for one in names] == [("less_", 4)]
    assert places(book) == [3]


def test_moved_rows_take_their_metadata_along(book: Any) -> None:
    book.put("A1:A4", [["a"], ["b"], ["c"], ["d"]])
    book.batch(attach(0), {"moveDimension": {"source": rows(0, 1), "destinationIndex": 3}})
    assert book.values("A1:A4") == [["b"], ["c"], ["a"], ["d"]]
    assert places(book) == [2]
    book.batch({"moveDimension": {"source": rows(2, 3), "destinationIndex": 0}})
    assert book.values("A1:A4") == [["a"], ["b"], ["c"], ["d"]]
    assert places(book) == [0]


def test_sizes_and_hidden_rows_are_shown_as_metadata(book: Any) -> None:
    size = {"properties": {"pixelSize": 40, "hiddenByUser": True}, "fields": "pixelSize,hiddenByUser"}
    book.batch({"updateDimensionProperties": {"range": rows(1, 2), **size}})
    found = book.get(ranges="A1:A3", fields="sheets.data.rowMetadata")
    assert found["sheets"][0]["data"][0]["rowMetadata"] == [
        {"pixelSize": 21},
        {"pixelSize": 40, "hiddenByUser": True},
        {"pixelSize": 21},
    ]


def test_ten_million_cells_are_the_limit(book: Any) -> None:
    grow = {"appendDimension": {"sheetId": 0, "dimension": "ROWS", "length": 400_000}}
    message = book.refused(grow)
    assert message.endswith("increase the number of cells in the workbook above the limit of 10000000 cells.")


# Sorting and filters.


def test_sorting_puts_numbers_before_text_and_blanks_last_either_way(book: Any, box: Any) -> None:
    book.put("A1:A5", [["b"], [2], [""], ["A"], [10]])
    sort = {"range": box(0, 5, 0, 1), "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "ASCENDING"}]}
    book.batch({"sortRange": sort})
    assert book.values("A1:A5") == [[2], [10], ["A"], ["b"]]
    book.batch({"sortRange": {**sort, "sortSpecs": [{"dimensionIndex": 0, "sortOrder": "DESCENDING"}]}})
    assert book.values("A1:A5") == [["b"], ["A"], [10], [2]]


def test_hidden_rows_stay_when_others_are_sorted(book: Any, box: Any) -> None:
    book.put("A1:A3", [[3], [2], [1]])
    hide = {"range": rows(1, 2), "properties": {"hiddenByUser": True}, "fields": "hiddenByUser"}
    sort = {"range": box(0, 3, 0, 1), "sortSpecs": [{"dimensionIndex": 0}]}
    book.batch({"updateDimensionProperties": hide}, {"sortRange": sort})
    assert book.values("A1:A3") == [[1], [2], [3]]


def test_vertical_merges_refuse_a_sort(book: Any, box: Any) -> None:
    book.batch({"mergeCells": {"range": box(0, 2, 0, 1), "mergeType": "MERGE_ALL"}})
    sort = {"range": box(0, 3, 0, 1), "sortSpecs": [{"dimensionIndex": 0}]}
    assert "You can't sort a range containing vertical merges." in book.refused({"sortRange": sort})


def test_row_metadata_stays_when_cells_are_sorted_unless_the_server_is_told_otherwise(book: Any, box: Any) -> None:
    from sheetsync.localsheets import LocalSheets

    sort = {"range": box(0, 2, 0, 1), "sortSpecs": [{"dimensionIndex": 0}]}
    book.put("A1:A2", [[2], [1]])
    book.batch(attach(0), {"sortRange": sort})
    assert places(book) == [0]
    with LocalSheets(metadata_follows_sort=True) as server:
        other = type(book)(server).make()
        other.put("A1:A2", [[2], [1]])
        other.batch(attach(0), {"sortRange": sort})
        assert places(other) == [1]
        other.close()


def test_a_filter_hides_rows_and_clearing_it_shows_them(book: Any, box: Any) -> None:
    book.put("A1:A4", [["h"], ["x"], ["y"], ["x"]])
    book.batch({"setBasicFilter": {"filter": {"range": box(0, 4, 0, 1), "criteria": {"0": {"hiddenValues": ["x"]}}}}})

    def hidden() -> list[bool]:
        found = book.get(ranges="A1:A4", fields="sheets.data.rowMetadata.hiddenByFilter")
        return ["hiddenByFilter" in one for one in found["sheets"][0]["data"][0]["rowMetadata"]]

    assert hidden() == [False, True, False, True]
    assert book.sheet()["basicFilter"]["filterSpecs"] == [{"filterCriteria": {"hiddenValues": ["x"]}}]
    book.batch({"clearBasicFilter": {"sheetId": 0}})
    assert hidden() == [False] * 4


# Protections.


def protect(book: Any, area: dict[str, int], **more: Any) -> int:
    reply = book.batch({"addProtectedRange": {"protectedRange": {"range": area, **more}}})["replies"][0]
    return int(reply["addProtectedRange"]["protectedRange"]["protectedRangeId"])


def test_hard_protection_stops_everybody_but_editors_and_the_owner(book: Any, box: Any) -> None:
    protect(book, box(0, 2, 0, 2), editors={"users": ["friend@example.com"]})
    book.put("A1", [["owner"]])
    book.seen_by("friend@example.com").put("A1", [["friend"]])
    other = book.seen_by(OTHER)
    answer = other.http.put(f"{book.path}/values/A1?valueInputOption=RAW", json={"values": [["x"]]})
    assert answer.json()["error"] == {
        "code": 400,
        "message": "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to"
        " remove protection if you need to edit.",
        "status": "INVALID_ARGUMENT",
    }
    for request in (
        {"deleteDimension": {"range": rows(1, 2)}},
        {"insertDimension": {"range": rows(1, 2)}},
        {"sortRange": {"range": box(0, 5, 0, 3), "sortSpecs": [{"dimensionIndex": 0}]}},
        {"mergeCells": {"range": box(1, 3, 1, 3)}},
        {"cutPaste": {"source": box(0, 1, 0, 1), "destination": {"rowIndex": 5}}},
        {"deleteSheet": {"sheetId": 0}},
    ):
        if "deleteSheet" in request:
            book.batch({"addSheet": {"properties": {"title": "other"}}})
        assert "protected cell or object" in other.refused(request), request
    other.batch({"insertDimension": {"range": rows(2, 3)}})
    assert book.values("A1") == [["friend"]]


def test_a_warning_stops_nobody(book: Any, box: Any) -> None:
    protect(book, box(0, 1, 0, 1), warningOnly=True)
    book.seen_by(OTHER).put("A1", [["went on"]])
    assert book.values("A1") == [["went on"]]
    editors = {"range": box(1, 2, 0, 1), "warningOnly": True, "editors": {"users": ["a@example.com"]}}
    assert "warningOnly. Editors cannot be set" in book.refused({"addProtectedRange": {"protectedRange": editors}})


def test_a_protected_sheet_may_leave_holes_and_is_protected_once(book: Any, box: Any) -> None:
    protect(book, {"sheetId": 0}, unprotectedRanges=[box(0, 1, 0, 1)])
    book.seen_by(OTHER).put("A1", [["hole"]])
    assert "protected cell or object" in book.seen_by(OTHER).refused({"deleteDimension": {"range": rows(3, 4)}})
    again = {"addProtectedRange": {"protectedRange": {"range": {"sheetId": 0}}}}
    assert book.refused(again).endswith('Sheet "Sheet1" already has sheet protection.')


def test_only_editors_see_editors_and_lift_protections(book: Any, box: Any) -> None:
    key = protect(book, box(0, 1, 0, 1))
    other = book.seen_by(OTHER)
    assert not {"editors", "requestingUserCanEdit"} & set(other.sheet()["protectedRanges"][0])
    assert "protected" in other.refused({"deleteProtectedRange": {"protectedRangeId": key}})
    change = {"protectedRangeId": key, "description": "mine", "range": box(0, 3, 0, 1)}
    book.batch({"updateProtectedRange": {"protectedRange": change, "fields": "description,range"}})
    assert book.sheet()["protectedRanges"][0]["description"] == "mine"
    book.batch({"deleteProtectedRange": {"protectedRangeId": key}})
    assert f"No protected range with id: {key}" in book.refused({"deleteProtectedRange": {"protectedRangeId": key}})


# Validation.


def test_rules_do_not_bind_rest_writes_unless_the_server_is_strict(book: Any, box: Any) -> None:
    from sheetsync.localsheets import LocalSheets

    listed = [{"userEnteredValue": "NONE"}, {"userEnteredValue": "firearm.x"}]
    rule = {"condition": {"type": "ONE_OF_LIST", "values": listed}, "strict": True, "showCustomUi": True}
    set_rule = {"setDataValidation": {"range": box(0, 2, 0, 1), "rule": rule}}
    bad = [{"values": [{"userEnteredValue": {"stringValue": "bad"}}]}]
    write = {"updateCells": {"start": {}, "rows": bad, "fields": "userEnteredValue"}}
    book.batch(set_rule, write)
    assert book.cell("A1")["dataValidation"] == rule
    with LocalSheets(strict_rest=True) as server:
        strict = type(book)(server).make()
        strict.batch(set_rule)
        assert "violates the data validation rules set on this cell" in strict.refused(write)
        strict.close()
    book.batch({"setDataValidation": {"range": box(0, 2, 0, 1)}})
    assert "dataValidation" not in book.cell("A1")


# Developer metadata.


def test_metadata_is_found_by_id_place_and_filter(book: Any) -> None:
    book.batch(attach(4, metadataId=11, metadataValue="v"), attach(6, "other", metadataId=12))
    assert book.http.get(f"{book.path}/developerMetadata/11").json()["metadataValue"] == "v"
    missing = book.http.get(f"{book.path}/developerMetadata/99")
    assert (missing.status_code, missing.json()["error"]["message"]) == (404, "No developer metadata with ID 99.")
    body = {"dataFilters": [{"gridRange": {"sheetId": 0, "startRowIndex": 5, "endRowIndex": 8}}]}
    found = book.http.post(f"{book.path}/developerMetadata:search", json=body).json()["matchedDeveloperMetadata"]
    assert [one["developerMetadata"]["metadataId"] for one in found] == [12]
    lookup = {"dataFilters": [{"developerMetadataLookup": {"metadataId": 11}}]}
    mask = "sheets(data(startRow,rowMetadata(developerMetadata(metadataId))))"
    answer = book.http.post(f"{book.path}:getByDataFilter?fields={mask}", json=lookup).json()
    assert answer["sheets"][0]["data"][0]["startRow"] == 4
    assert answer["sheets"][0]["data"][0]["rowMetadata"] == [{"developerMetadata": [{"metadataId": 11}]}]


def test_metadata_is_changed_and_deleted_by_filter(book: Any) -> None:
    book.batch(attach(1, metadataId=1), attach(2, metadataId=2))
    chosen = {"developerMetadataLookup": {"metadataKey": "k"}}
    change = {"dataFilters": [chosen], "developerMetadata": {"metadataValue": "w"}, "fields": "metadataValue"}
    replies = book.batch({"updateDeveloperMetadata": change}, {"deleteDeveloperMetadata": {"dataFilter": chosen}})
    updated, deleted = replies["replies"]
    assert [one["metadataValue"] for one in updated["updateDeveloperMetadata"]["developerMetadata"]] == ["w", "w"]
    assert len(deleted["deleteDeveloperMetadata"]["deletedDeveloperMetadata"]) == 2
    assert places(book) == []


@pytest.mark.parametrize(
    "record",
    [
        {"visibility": "DOCUMENT", "location": {"spreadsheet": True}},
        {"metadataKey": "k", "location": {"spreadsheet": True}},
        {"metadataKey": "k", "visibility": "DOCUMENT"},
        {"metadataKey": "k", "visibility": "DOCUMENT", "location": {"sheetId": 77}},
        {"metadataKey": "k", "visibility": "DOCUMENT", "location": {"dimensionRange": rows(0, 2)}},
        {"metadataKey": "k" * 30_001, "visibility": "DOCUMENT", "location": {"spreadsheet": True}},
    ],
)
def test_metadata_needs_key_visibility_and_one_place_and_is_limited(book: Any, record: dict[str, Any]) -> None:
    message = book.refused({"createDeveloperMetadata": {"developerMetadata": record}})
    assert message.startswith("Invalid requests[0].createDeveloperMetadata: ")


def test_a_tab_takes_its_metadata_and_names_with_it(book: Any, box: Any) -> None:
    book.batch({"addSheet": {"properties": {"sheetId": 9, "title": "t"}}})
    record = {"metadataKey": "k", "metadataId": 3, "visibility": "DOCUMENT", "location": {"sheetId": 9}}
    book.batch(
        {"createDeveloperMetadata": {"developerMetadata": record}},
        {"addNamedRange": {"namedRange": {"name": "there_", "range": box(0, 1, 0, 1, 9)}}},
    )
    assert book.sheet(1)["developerMetadata"][0]["metadataId"] == 3
    book.batch({"deleteSheet": {"sheetId": 9}})
    assert book.http.get(f"{book.path}/developerMetadata/3").status_code == 404
    assert "namedRanges" not in book.get()
