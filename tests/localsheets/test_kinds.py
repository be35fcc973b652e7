"""Each of the 74 kinds of request: does what it says, or is refused in Google's shape."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.localsheets import requests
from sheetsync.localsheets.schema import messages


def test_all_kinds_of_the_discovery_document_are_either_implemented_or_refused() -> None:
    assert set(messages()["Request"]) == set(requests.KINDS) | set(requests.REFUSED)
    assert len(requests.KINDS) == 69


@pytest.mark.parametrize("kind", sorted(requests.KINDS))
def test_every_implemented_kind_has_its_function(kind: str) -> None:
    assert requests.handler(kind).__doc__


@pytest.mark.parametrize("kind", sorted(requests.REFUSED))
def test_a_refused_kind_says_why_and_changes_nothing(book: Any, kind: str) -> None:
    before = book.state()
    message = book.refused({kind: {}})
    assert message.startswith(f"Invalid requests[0].{kind}: Not supported by the local Sheets server")
    assert book.state() == before


def test_update_cells_clears_the_rest_of_its_range(book: Any, box: Any) -> None:
    book.put("A1:C2", [["a", "b", "c"], ["d", "e", "f"]])
    rows = [{"values": [{"userEnteredValue": {"stringValue": "new"}}]}]
    book.batch({"updateCells": {"range": box(0, 2, 0, 2), "rows": rows, "fields": "userEnteredValue"}})
    assert book.values("A1:C2") == [["new", "", "c"], ["", "", "f"]]


def test_update_cells_at_a_start_writes_ragged_rows(book: Any) -> None:
    book.put("A1:C2", [["a", "b", "c"], ["d", "e", "f"]])
    one = {"values": [{"userEnteredValue": {"numberValue": 1}}, {"userEnteredValue": {"boolValue": True}}]}
    two = {"values": [{"userEnteredValue": {"formulaValue": "=A1+1"}}]}
    book.batch({"updateCells": {"start": {"sheetId": 0}, "rows": [one, two], "fields": "userEnteredValue"}})
    assert book.values("A1:C2") == [[1, True, "c"], [2, "e", "f"]]


def test_a_string_value_that_begins_with_an_equals_sign_stays_text(book: Any) -> None:
    cell = {"userEnteredValue": {"stringValue": "=1+2"}}
    book.batch({"updateCells": {"start": {}, "rows": [{"values": [cell]}], "fields": "userEnteredValue"}})
    assert book.cell("A1")["userEnteredValue"] == {"stringValue": "=1+2"}


def test_update_cells_refuses_what_goes_beyond_the_grid(book: Any) -> None:
    rows = [{"values": [{"note": "x"}, {"note": "y"}]}]
    start = {"sheetId": 0, "rowIndex": 0, "columnIndex": 25}
    message = book.refused({"updateCells": {"start": start, "rows": rows, "fields": "note"}})
    assert message == (
        "Invalid requests[0].updateCells: Attempting to write column: 26, beyond the last requested column of: 25"
    )


def test_a_mask_must_name_something(book: Any) -> None:
    message = book.refused({"updateCells": {"start": {}, "rows": [], "fields": ""}})
    assert "At least one field must be listed in 'fields'" in message


def test_repeat_cell_fills_a_range_and_moves_formulas_along(book: Any, box: Any) -> None:
    book.put("A1:A3", [[1], [2], [3]])
    cell = {"userEnteredValue": {"formulaValue": "=A1*10"}}
    book.batch({"repeatCell": {"range": box(0, 3, 1, 2), "cell": cell, "fields": "userEnteredValue"}})
    assert book.values("B1:B3") == [[10], [20], [30]]


def test_append_cells_goes_below_the_last_row_and_grows_the_grid(book: Any) -> None:
    book.batch(
        {
            "updateSheetProperties": {
                "properties": {"sheetId": 0, "gridProperties": {"rowCount": 2}},
                "fields": "gridProperties.rowCount",
            }
        }
    )
    book.put("A1:A2", [["a"], ["b"]])
    rows = [{"values": [{"userEnteredValue": {"stringValue": "c"}}]}]
    book.batch({"appendCells": {"sheetId": 0, "rows": rows, "fields": "*"}})
    assert book.values("A1:A3") == [["a"], ["b"], ["c"]]
    assert book.sheet()["properties"]["gridProperties"]["rowCount"] == 3


def test_add_sheet_refuses_taken_ids_and_titles(book: Any) -> None:
    assert 'A sheet with the name "sheet1" already exists. Please enter another name.' in book.refused(
        {"addSheet": {"properties": {"title": "sheet1"}}}
    )
    book.batch({"addSheet": {"properties": {"sheetId": 7, "title": "seven"}}})
    assert "already exists" in book.refused({"addSheet": {"properties": {"sheetId": 7}}})
    assert "100 characters" in book.refused({"addSheet": {"properties": {"title": "x" * 101}}})


def test_sheets_are_moved_hidden_duplicated_and_deleted(book: Any) -> None:
    book.put("A1", [["here"]])
    book.batch(
        {"addSheet": {"properties": {"sheetId": 1, "title": "one"}}},
        {"addSheet": {"properties": {"sheetId": 2, "title": "two"}}},
        {"updateSheetProperties": {"properties": {"sheetId": 2, "index": 0}, "fields": "index"}},
        {"duplicateSheet": {"sourceSheetId": 0, "newSheetId": 3, "newSheetName": "copy", "insertSheetIndex": 1}},
        {"deleteSheet": {"sheetId": 1}},
    )
    assert [sheet["properties"]["title"] for sheet in book.get()["sheets"]] == ["two", "copy", "Sheet1"]
    assert book.values("copy!A1") == [["here"]]
    assert "No sheet with id: 1" in book.refused({"deleteSheet": {"sheetId": 1}})


def test_the_last_visible_sheet_is_neither_hidden_nor_deleted(book: Any) -> None:
    hide = {"updateSheetProperties": {"properties": {"sheetId": 0, "hidden": True}, "fields": "hidden"}}
    assert "You can't hide all the sheets in a document." in book.refused(hide)
    assert "You can't remove all the sheets in a document." in book.refused({"deleteSheet": {"sheetId": 0}})


def test_merge_keeps_the_first_value_only(book: Any, box: Any) -> None:
    book.put("A1:B2", [["", "b"], ["c", "d"]])
    book.batch({"mergeCells": {"range": box(0, 2, 0, 2), "mergeType": "MERGE_ALL"}})
    assert book.values("A1:B2") == [["b"]]
    assert "You must select all cells" in book.refused({"unmergeCells": {"range": box(0, 1, 0, 1)}})
    book.batch({"unmergeCells": {"range": box(0, 2, 0, 2)}})
    assert "merges" not in book.sheet()


def test_copy_paste_repeats_the_source_and_moves_references(book: Any, box: Any) -> None:
    book.type("A1", "1", "=A1+$A$1")
    book.batch({"copyPaste": {"source": box(0, 1, 0, 2), "destination": box(1, 3, 0, 2), "pasteType": "PASTE_NORMAL"}})
    assert book.values("A1:B3", "FORMULA") == [[1, "=A1+$A$1"], [1, "=A2+$A$1"], [1, "=A3+$A$1"]]


def test_copy_paste_of_values_goes_to_another_tab_and_leaves_formulas_behind(book: Any, box: Any) -> None:
    book.batch({"addSheet": {"properties": {"sheetId": 5, "title": "scratch"}}})
    book.type("A1", "=1+1", "50%")
    paste = {"source": box(0, 1, 0, 2), "destination": box(4, 5, 1, 3, 5), "pasteType": "PASTE_VALUES"}
    book.batch({"copyPaste": paste})
    assert book.values("scratch!B5:C5", "FORMULA") == [[2, 0.5]]
    assert "userEnteredFormat" not in book.cell("scratch!C5")


def test_transposed_paste_turns_rows_into_columns(book: Any, box: Any) -> None:
    book.put("A1:C1", [[1, 2, 3]])
    paste = {"source": box(0, 1, 0, 3), "destination": box(1, 4, 0, 1), "pasteOrientation": "TRANSPOSE"}
    book.batch({"copyPaste": paste})
    assert book.values("A2:A4") == [[1], [2], [3]]


def test_cut_paste_moves_cells_and_formulas_follow_them(book: Any, box: Any) -> None:
    book.type("A1", "5", "=A1*2")
    book.batch(
        {"cutPaste": {"source": box(0, 1, 0, 1), "destination": {"sheetId": 0, "rowIndex": 4, "columnIndex": 3}}}
    )
    assert book.values("A1:D5", "FORMULA")[0] == ["", "=D5*2"]
    assert book.values("B1") == [[10]]


def test_auto_fill_goes_on_in_steps(book: Any, box: Any) -> None:
    book.put("A1:B2", [[1, "x"], [3, "y"]])
    fill = {"source": box(0, 2, 0, 2), "dimension": "ROWS", "fillLength": 3}
    book.batch({"autoFill": {"sourceAndDestination": fill}})
    assert book.values("A1:B5") == [[1, "x"], [3, "y"], [5, "x"], [7, "y"], [9, "x"]]


def test_find_replace_counts_what_it_changed(book: Any) -> None:
    book.put("A1:B2", [["cat", "dog"], ["catcat", "=no"]])
    reply = book.batch({"findReplace": {"find": "CAT", "replacement": "cow", "allSheets": True}})["replies"][0]
    changed = {"valuesChanged": 2, "rowsChanged": 2, "sheetsChanged": 1, "occurrencesChanged": 3}
    assert reply == {"findReplace": changed}
    assert book.values("A1:A2") == [["cow"], ["cowcow"]]
    whole = {"find": "cow", "replacement": "x", "sheetId": 0, "matchEntireCell": True, "matchCase": True}
    assert book.batch({"findReplace": whole})["replies"][0]["findReplace"]["occurrencesChanged"] == 1
    regex = {"find": "(d)(o)g", "replacement": "$2$1", "sheetId": 0, "searchByRegex": True}
    book.batch({"findReplace": regex})
    assert book.values("B1") == [["od"]]


def test_text_to_columns_trim_and_duplicates(book: Any, box: Any) -> None:
    book.put("A1:A3", [["a;1"], ["b;2"], ["a;1"]])
    book.batch({"textToColumns": {"source": box(0, 3, 0, 1), "delimiterType": "AUTODETECT"}})
    assert book.values("A1:B3") == [["a", 1], ["b", 2], ["a", 1]]
    reply = book.batch({"deleteDuplicates": {"range": box(0, 3, 0, 2)}})["replies"][0]
    assert reply == {"deleteDuplicates": {"duplicatesRemovedCount": 1}}
    assert book.values("A1:B3") == [["a", 1], ["b", 2]]
    book.put("A1", [["  much   space "]])
    book.batch({"trimWhitespace": {"range": box(0, 1, 0, 1)}})
    assert book.values("A1") == [["much space"]]


def test_paste_data_is_typed_and_grows_the_grid(book: Any) -> None:
    at = {"sheetId": 0, "rowIndex": 999, "columnIndex": 25}
    book.batch({"pasteData": {"coordinate": at, "data": "1,50%\n=1+1,x", "delimiter": ",", "type": "PASTE_NORMAL"}})
    assert book.values("Z1000:AA1001") == [[1, 0.5], [2, "x"]]
    book.batch({"pasteData": {"coordinate": {}, "data": "<table><tr><td>a<td>2</tr></table>", "html": True}})
    assert book.values("A1:B1") == [["a", 2]]


def test_range_insertions_shift_cells(book: Any, box: Any) -> None:
    book.put("A1:B3", [[1, 2], [3, 4], [5, 6]])
    book.batch({"insertRange": {"range": box(0, 1, 0, 1), "shiftDimension": "ROWS"}})
    assert book.values("A1:B4") == [["", 2], [1, 4], [3, 6], [5]]
    book.batch({"deleteRange": {"range": box(0, 1, 0, 1), "shiftDimension": "ROWS"}})
    assert book.values("A1:B4") == [[1, 2], [3, 4], [5, 6]]
    book.batch({"insertRange": {"range": box(1, 2, 0, 1), "shiftDimension": "COLUMNS"}})
    assert book.values("A1:C3") == [[1, 2], ["", 3, 4], [5, 6]]
    book.batch({"deleteRange": {"range": box(1, 2, 0, 1), "shiftDimension": "COLUMNS"}})
    assert book.values("A1:C3") == [[1, 2], [3, 4], [5, 6]]


def test_conditional_formats_are_named_by_index(book: Any, box: Any) -> None:
    def rule(text: str) -> dict[str, Any]:
        condition = {"type": "TEXT_EQ", "values": [{"userEnteredValue": text}]}
        form = {"backgroundColor": {"red": 1}}
        return {"ranges": [box(0, 2, 0, 1)], "booleanRule": {"condition": condition, "format": form}}

    book.batch(
        {"addConditionalFormatRule": {"rule": rule("a"), "index": 0}},
        {"addConditionalFormatRule": {"rule": rule("b"), "index": 1}},
        {"updateConditionalFormatRule": {"sheetId": 0, "index": 0, "newIndex": 1}},
        {"updateConditionalFormatRule": {"index": 0, "rule": rule("c")}},
    )
    texts = [one["booleanRule"]["condition"]["values"][0] for one in book.sheet()["conditionalFormats"]]
    assert texts == [{"userEnteredValue": "c"}, {"userEnteredValue": "a"}]
    deleted = book.batch({"deleteConditionalFormatRule": {"sheetId": 0, "index": 1}})["replies"][0]
    assert deleted["deleteConditionalFormatRule"]["rule"]["booleanRule"]["format"]["backgroundColorStyle"]
    assert "No conditional format" in book.refused({"deleteConditionalFormatRule": {"sheetId": 0, "index": 1}})


def test_banding_views_charts_and_slicers_keep_what_they_were_given(book: Any, box: Any) -> None:
    colours = {"firstBandColor": {"red": 1}, "secondBandColor": {"blue": 1}}
    replies = book.batch(
        {"addBanding": {"bandedRange": {"range": box(0, 4, 0, 2), "rowProperties": colours}}},
        {"addFilterView": {"filter": {"title": "mine", "range": box(0, 4, 0, 2)}}},
        {"addChart": {"chart": {"spec": {"title": "c"}, "position": {"overlayPosition": {"anchorCell": {}}}}}},
        {
            "addSlicer": {
                "slicer": {
                    "spec": {"title": "s", "dataRange": box(0, 4, 0, 2)},
                    "position": {"overlayPosition": {"anchorCell": {"sheetId": 0}}},
                }
            }
        },
    )["replies"]
    band = replies[0]["addBanding"]["bandedRange"]
    view = replies[1]["addFilterView"]["filter"]
    chart = replies[2]["addChart"]["chart"]
    slicer = replies[3]["addSlicer"]["slicer"]
    assert band["bandedRangeReference"] == str(band["bandedRangeId"])
    move = {"overlayPosition": {"anchorCell": {"rowIndex": 3}, "widthPixels": 10}}
    book.batch(
        {"updateBanding": {"bandedRange": {**band, "range": box(0, 2, 0, 2)}, "fields": "range"}},
        {"updateFilterView": {"filter": {**view, "title": "ours"}, "fields": "title"}},
        {"duplicateFilterView": {"filterId": view["filterViewId"]}},
        {"updateChartSpec": {"chartId": chart["chartId"], "spec": {"title": "d"}}},
        {"updateEmbeddedObjectPosition": {"objectId": chart["chartId"], "newPosition": move, "fields": "*"}},
        {"updateEmbeddedObjectBorder": {"objectId": chart["chartId"], "border": {"color": {"red": 1}}, "fields": "*"}},
        {"updateSlicerSpec": {"slicerId": slicer["slicerId"], "spec": {"title": "t"}, "fields": "title"}},
    )
    sheet = book.sheet()
    assert sheet["bandedRanges"][0]["range"]["endRowIndex"] == 2
    assert [one["title"] for one in sheet["filterViews"]] == ["ours", "Copy of ours"]
    assert sheet["charts"][0]["spec"] == {"title": "d"}
    assert sheet["charts"][0]["position"]["overlayPosition"]["anchorCell"] == {"rowIndex": 3}
    assert sheet["slicers"][0]["spec"]["title"] == "t"
    book.batch(
        {"deleteBanding": {"bandedRangeId": band["bandedRangeId"]}},
        {"deleteFilterView": {"filterId": view["filterViewId"]}},
        {"deleteEmbeddedObject": {"objectId": chart["chartId"]}},
        {"deleteEmbeddedObject": {"objectId": slicer["slicerId"]}},
    )
    assert set(book.sheet()) == {"properties", "filterViews"}


def test_borders_are_drawn_around_and_inside(book: Any, box: Any) -> None:
    line = {"style": "SOLID", "color": {"red": 1}}
    book.batch({"updateBorders": {"range": box(0, 2, 0, 1), "top": line, "innerHorizontal": line}})
    assert set(book.cell("A1")["userEnteredFormat"]["borders"]) == {"top", "bottom"}
    assert set(book.cell("A2")["userEnteredFormat"]["borders"]) == {"top"}
    book.batch({"updateBorders": {"range": box(0, 1, 0, 1), "top": {"style": "NONE"}}})
    assert set(book.cell("A1")["userEnteredFormat"]["borders"]) == {"bottom"}


def test_a_table_has_names_types_and_its_own_colours_and_deleting_it_clears_its_cells(book: Any, box: Any) -> None:
    book.put("A1:B2", [["id", ""], ["x", ""]])
    columns = [{"columnIndex": 1, "columnType": "BOOLEAN"}]
    reply = book.batch({"addTable": {"table": {"name": "T", "range": box(0, 3, 0, 2), "columnProperties": columns}}})
    table = reply["replies"][0]["addTable"]["table"]
    assert [column["columnName"] for column in table["columnProperties"]] == ["id", "Column 2"]
    assert book.values("A1:B3") == [["id", "Column 2"], ["x", False], ["", False]]
    assert book.sheet()["bandedRanges"][0]["bandedRangeReference"] == table["tableId"]
    rows = [{"values": [{"userEnteredValue": {"stringValue": "y"}}]}] * 2
    book.batch({"appendCells": {"tableId": table["tableId"], "rows": rows, "fields": "userEnteredValue"}})
    assert book.sheet()["tables"][0]["range"]["endRowIndex"] == 5
    book.batch({"updateTable": {"table": {"tableId": table["tableId"], "name": "U"}, "fields": "name"}})
    assert "overlaps" in book.refused({"addTable": {"table": {"name": "V", "range": box(0, 2, 0, 2)}}})
    book.batch({"deleteTable": {"tableId": table["tableId"]}})
    assert book.values("A1:B9") == []


def test_comments_are_threads_that_only_their_authors_change(book: Any) -> None:
    book.put("A1", [["quoted"]])
    reply = book.batch({"insertComment": {"coordinate": {"sheetId": 0}, "content": "why?"}})
    assert reply["commentUpdateState"] == "ALL_SAVED"
    thread = reply["replies"][0]["insertComment"]["commentThread"]
    key = thread["commentId"]
    answer = {"commentId": key, "post": {"content": "so", "commentAction": "RESOLVE"}}
    post = book.batch({"addCommentReply": answer})["replies"][0]["addCommentReply"]["post"]
    update = {"updateCommentPost": {"commentId": key, "postId": post["postId"], "content": "thus"}}
    assert "not the author" in book.seen_by("else@example.com").refused(update)
    book.batch(update)
    found = book.get(commentsViewMode="COMMENTS_VIEW_MODE_INCLUDED")
    assert found["comments"][0]["status"] == "RESOLVED"
    assert found["comments"][0]["replies"][0]["content"] == "thus"
    assert found["sheets"][0]["commentAnchors"][0]["anchorId"] == thread["anchorId"]
    assert "comments" not in book.get()
    book.batch(
        {"deleteCommentReply": {"commentId": key, "postId": post["postId"]}}, {"deleteComment": {"commentId": key}}
    )
    assert "comments" not in book.get(commentsViewMode="COMMENTS_VIEW_MODE_INCLUDED")


def test_groups_nest_and_fold(book: Any) -> None:
    outer = {"sheetId": 0, "dimension": "ROWS", "startIndex": 1, "endIndex": 6}
    inner = {"sheetId": 0, "dimension": "ROWS", "startIndex": 2, "endIndex": 4}
    book.batch({"addDimensionGroup": {"range": outer}}, {"addDimensionGroup": {"range": inner}})
    assert [group["depth"] for group in book.sheet()["rowGroups"]] == [1, 2]
    fold = {"range": inner, "depth": 2, "collapsed": True}
    book.batch({"updateDimensionGroup": {"dimensionGroup": fold, "fields": "collapsed"}})
    assert book.sheet()["rowGroups"][1]["collapsed"] is True
    reply = book.batch({"deleteDimensionGroup": {"range": inner}})["replies"][0]
    assert [group["depth"] for group in reply["deleteDimensionGroup"]["dimensionGroups"]] == [1]


def test_randomizing_keeps_the_rows(book: Any, box: Any) -> None:
    book.put("A1:A5", [[1], [2], [3], [4], [5]])
    book.batch({"randomizeRange": {"range": box(0, 5, 0, 1)}})
    assert sorted(book.values("A1:A5")) == [[1], [2], [3], [4], [5]]


def test_spreadsheet_properties_are_checked(book: Any) -> None:
    def update(**properties: str) -> dict[str, Any]:
        return {"updateSpreadsheetProperties": {"properties": properties, "fields": ",".join(properties)}}

    book.batch(update(title="New", locale="de_DE", timeZone="Europe/Berlin"))
    assert book.get()["properties"]["title"] == "New"
    assert book.http.get(f"/drive/v3/files/{book.id}").json()["name"] == "New"
    assert "Unsupported locale" in book.refused(update(locale="klingon"))
    assert "Invalid time zone" in book.refused(update(timeZone="Mars/Phobos"))
