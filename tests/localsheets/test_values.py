"""Reading and writing values: ranges, echoes, trimming, growth, and what typed text becomes."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import pytest


def refusal(book: Any, method: str, path: str, **json: Any) -> str:
    answer = book.http.request(method, book.path + path, json=json or None)
    assert answer.status_code == 400, answer.text
    message: str = answer.json()["error"]["message"]
    return message


def echo(book: Any, text: str) -> str:
    answer = book.http.get(f"{book.path}/values/{quote(text, safe='')}")
    assert answer.status_code == 200, answer.text
    found: str = answer.json()["range"]
    return found


@pytest.mark.parametrize(
    ("asked", "echoed"),
    [
        ("A1", "Sheet1!A1"),
        ("A1:A1", "Sheet1!A1"),
        ("B2:A1", "Sheet1!A1:B2"),
        ("Sheet1", "Sheet1!A1:Z1000"),
        ("sheet1!A1", "Sheet1!A1"),
        ("'Sheet1'!A:B", "Sheet1!A1:B1000"),
        ("2:3", "Sheet1!A2:Z3"),
        ("C2:C", "Sheet1!C2:C1000"),
        ("A1:ZZ5", "Sheet1!A1:Z5"),
        ("$A$1:B$2", "Sheet1!A1:B2"),
        ("R2C3", "Sheet1!C2"),
        ("Sheet1!R1C1:R2C2", "Sheet1!A1:B2"),
        ("D3", "Sheet1!D3"),
        ("'D3'", "'D3'!A1:E10"),
        ("'it''s !'!A1", "'it''s !'!A1"),
        ("named", "'D3'!B2:C3"),
        ("Sheet1!named", "'D3'!B2:C3"),
    ],
)
def test_ranges_are_read_and_echoed(book: Any, box: Any, asked: str, echoed: str) -> None:
    small = {"gridProperties": {"rowCount": 10, "columnCount": 5}}
    book.batch(
        {"addSheet": {"properties": {"sheetId": 1, "title": "D3", **small}}},
        {"addSheet": {"properties": {"title": "it's !", **small}}},
        {"addNamedRange": {"namedRange": {"name": "named", "range": box(1, 3, 1, 3, 1)}}},
    )
    assert echo(book, asked) == echoed


@pytest.mark.parametrize("text", ["", "No such tab!A1", "A0", "A1:", "A1 :B2", "1A", "Sheet1!", "A1:B2:C3", "AAAA1"])
def test_what_is_no_range_is_refused(book: Any, text: str) -> None:
    if text:
        message = refusal(book, "GET", f"/values/{quote(text, safe='')}")
        assert message == f"Unable to parse range: {text}"


def test_a_range_that_starts_off_the_grid_is_refused_with_its_size(book: Any) -> None:
    message = refusal(book, "GET", "/values/AB5")
    assert message == "Range (Sheet1!AB5) exceeds grid limits. Max rows: 1000, max columns: 26"


def test_blank_ends_are_trimmed_and_gaps_stay(book: Any) -> None:
    book.put("A1:D4", [["", "b", "", ""], ["", "", "", ""], ["", "", "c", ""], ["", "", "", ""]])
    assert book.values("A1:D4") == [["", "b"], [], ["", "", "c"]]
    assert book.values("A1:D4", majorDimension="COLUMNS") == [[], ["b"], ["", "", "c"]]
    answer = book.http.get(f"{book.path}/values/F1:G2").json()
    assert answer == {"range": "Sheet1!F1:G2", "majorDimension": "ROWS"}


def test_a_write_must_fit_its_range_and_the_grid(book: Any) -> None:
    option = "?valueInputOption=RAW"
    assert refusal(book, "PUT", f"/values/A1:B1{option}", values=[["a", "b", "c"]]) == (
        "Requested writing within range [Sheet1!A1:B1], but tried writing to column [C]"
    )
    assert refusal(book, "PUT", f"/values/A1:B1{option}", values=[["a"], ["b"]]).endswith("to row [2]")
    assert "exceeds grid limits" in refusal(book, "PUT", f"/values/Z1000{option}", values=[["a", "b"]])
    assert "does not match value's range" in refusal(book, "PUT", f"/values/A1{option}", range="B1", values=[["a"]])
    assert "valueInputOption" in refusal(book, "PUT", "/values/A1", values=[["a"]])
    assert book.values("A1:Z1000") == []


def test_null_leaves_a_cell_alone_and_an_empty_text_clears_it(book: Any) -> None:
    book.put("A1:B1", [["a", "b"]])
    found = book.put("A1:C1", [[None, "", None]])
    assert (found["updatedCells"], found["updatedColumns"], found["updatedRows"]) == (1, 1, 1)
    assert book.values("A1:B1") == [["a"]]


def test_a_batch_of_values_is_all_or_nothing(book: Any) -> None:
    data = [{"range": "A1", "values": [["x"]]}, {"range": "ZZ1", "values": [["y"]]}]
    message = refusal(book, "POST", "/values:batchUpdate", valueInputOption="RAW", data=data)
    assert message.startswith("Invalid data[1]: Range (Sheet1!ZZ1)")
    assert book.values("A1") == []


def test_values_that_are_no_rows_are_refused_as_google_does(book: Any) -> None:
    answer = book.http.put(f"{book.path}/values/A1?valueInputOption=RAW", json={"values": ["x"]})
    text = "Invalid value at 'data.values' (type.googleapis.com/google.protobuf.ListValue), \"x\""
    error = answer.json()["error"]
    assert (error["code"], error["message"], error["status"]) == (400, text, "INVALID_ARGUMENT")
    assert error["details"][0]["fieldViolations"] == [{"field": "data.values", "description": text}]
    assert "struct_value" in refusal(book, "PUT", "/values/A1?valueInputOption=RAW", values=[[{"a": 1}]])


def test_a_cell_holds_fifty_thousand_characters_and_no_more(book: Any) -> None:
    book.put("A1", [["x" * 50_000]])
    message = refusal(book, "PUT", "/values/A1?valueInputOption=RAW", values=[["x" * 50_001]])
    assert message == "Your input contains more than the maximum of 50000 characters in a single cell."


def append(book: Any, where: str, rows: list[list[Any]], **query: str) -> dict[str, Any]:
    url = f"{book.path}/values/{quote(where, safe='')}:append"
    answer = book.http.post(url, params={"valueInputOption": "RAW", **query}, json={"values": rows})
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


def test_append_finds_the_table_of_googles_guide(book: Any) -> None:
    book.put("A1:C2", [["x", "x", "x"], ["x", "x", "x"]])
    book.put("B4:D6", [["y", "y", "y"]] * 3)
    for where in ("Sheet1", "B4", "C5:D5", "B2:D4", "A3:G10"):
        found = append(book, where, [["z"]])
        assert (where, found["tableRange"], found["updates"]["updatedRange"]) == (where, "Sheet1!B4:D6", "Sheet1!B7")
        book.put("B7", [[""]])
    assert append(book, "A1", [["z"]])["updates"]["updatedRange"] == "Sheet1!A3"
    book.put("A3", [[""]])
    outside = append(book, "F4", [["z"]])
    assert "tableRange" not in outside
    assert outside["updates"]["updatedRange"] == "Sheet1!F4"


def test_append_grows_the_grid_or_inserts_rows(book: Any) -> None:
    book.put("A1", [["head"]])
    book.put("A3", [["below"]])
    inserted = append(book, "A1", [["one"], ["two"]], insertDataOption="INSERT_ROWS")
    assert inserted["updates"]["updatedRange"] == "Sheet1!A2:A3"
    assert book.values("A1:A5") == [["head"], ["one"], ["two"], [], ["below"]]
    small = {"gridProperties": {"rowCount": 1, "columnCount": 1}}
    book.batch({"addSheet": {"properties": {"title": "small", **small}}})
    append(book, "small", [["a"]])
    append(book, "small", [["b", "c"]])
    assert book.values("small!A1:B2") == [["a"], ["b", "c"]]


def test_values_are_given_back_with_the_answer_when_asked(book: Any) -> None:
    url = f"{book.path}/values/A1:B1?valueInputOption=USER_ENTERED&includeValuesInResponse=true"
    answer = book.http.put(url, json={"values": [["=1+1", "50%"]]}).json()
    assert answer["updatedData"] == {"range": "Sheet1!A1:B1", "majorDimension": "ROWS", "values": [["2", "50%"]]}


def test_values_go_by_data_filter(book: Any, box: Any) -> None:
    book.put("A1:A3", [["a"], ["b"], ["c"]])
    metadata = {
        "metadataKey": "row",
        "visibility": "DOCUMENT",
        "location": {"dimensionRange": {"dimension": "ROWS", "startIndex": 1, "endIndex": 2}},
    }
    book.batch({"createDeveloperMetadata": {"developerMetadata": metadata}})
    lookup = {"developerMetadataLookup": {"metadataKey": "row"}}
    book.batch({"insertDimension": {"range": {"dimension": "ROWS", "startIndex": 0, "endIndex": 1}}})
    body = {"valueInputOption": "RAW", "data": [{"dataFilter": lookup, "values": [["B!"]]}]}
    book.http.post(f"{book.path}/values:batchUpdateByDataFilter", json=body).raise_for_status()
    assert book.values("A2:A4") == [["a"], ["B!"], ["c"]]
    filters = [{"gridRange": box(3, 4, 0, 1)}, lookup, {"a1Range": "A2"}]
    found = book.http.post(f"{book.path}/values:batchGetByDataFilter", json={"dataFilters": filters}).json()
    assert [one["valueRange"]["range"] for one in found["valueRanges"]] == ["Sheet1!A2", "Sheet1!A3:Z3", "Sheet1!A4"]
    cleared = book.http.post(f"{book.path}/values:batchClearByDataFilter", json={"dataFilters": [lookup]}).json()
    assert cleared["clearedRanges"] == ["Sheet1!A3:Z3"]
    message = refusal(book, "POST", "/values:batchGetByDataFilter", dataFilters=[])
    assert message == "Must specify at least one dataFilter."


TYPED: list[tuple[str, str, Any, str, str]] = [
    # locale, typed, value, shown, number format's type
    ("en_US", "12", 12, "12", ""),
    ("en_US", "007", 7, "7", ""),
    ("en_US", "'007", "007", "007", ""),
    ("en_US", "1,234.5", 1234.5, "1,234.50", "NUMBER"),
    ("en_US", "12.5%", 0.125, "12.50%", "PERCENT"),
    ("en_US", "$3", 3, "$3", "CURRENCY"),
    ("en_US", "-$1,234.50", -1234.5, "-$1,234.50", "CURRENCY"),
    ("en_US", "(5)", -5, "-5", ""),
    ("en_US", "1e3", 1000, "1.00E+03", "SCIENTIFIC"),
    ("en_US", "true", True, "TRUE", ""),
    ("en_US", "2020-01-02", 43832, "2020-01-02", "DATE"),
    ("en_US", "1/2/2020", 43832, "1/2/2020", "DATE"),
    ("en_US", "Jan 2, 2020", 43832, "Jan 2, 2020", "DATE"),
    ("en_US", "10:30 PM", 0.9375, "10:30 PM", "TIME"),
    ("en_US", "2020-01-02 12:00", 43832.5, "2020-01-02 12:00", "DATE_TIME"),
    ("en_US", "3_1_0", "3_1_0", "3_1_0", ""),
    ("en_US", "13/13/2020", "13/13/2020", "13/13/2020", ""),
    ("en_US", "1,23", "1,23", "1,23", ""),
    ("en_US", "#REF!", "#REF!", "#REF!", ""),
    ("en_US", "+1", 1, "1", ""),
    ("en_US", " 5 ", 5, "5", ""),
    ("de_DE", "1,5", 1.5, "1,5", ""),
    ("de_DE", "1.234,5", 1234.5, "1.234,50", "NUMBER"),
    ("de_DE", "WAHR", True, "WAHR", ""),
    ("de_DE", "2.1.2020", 43832, "02.01.2020", "DATE"),
    ("fr_FR", "vrai", True, "VRAI", ""),
    ("fr_FR", "2/1/2020", 43832, "02/01/2020", "DATE"),
    ("it_IT", "true", True, "VERO", ""),
]


@pytest.mark.parametrize(("locale", "typed", "value", "shown", "kind"), TYPED)
def test_typed_text_becomes_what_google_makes_of_it(
    book: Any, locale: str, typed: str, value: Any, shown: str, kind: str
) -> None:
    book.batch({"updateSpreadsheetProperties": {"properties": {"locale": locale}, "fields": "locale"}})
    book.type("A1", typed)
    assert book.values("A1") == [[value]]
    assert book.shown("A1") == shown
    assert book.cell("A1").get("userEnteredFormat", {}).get("numberFormat", {}).get("type", "") == kind


def test_under_a_text_format_everything_stays_text(book: Any, box: Any) -> None:
    form = {"userEnteredFormat": {"numberFormat": {"type": "TEXT", "pattern": "@"}}}
    book.batch({"repeatCell": {"range": box(0, 1, 0, 3), "cell": form, "fields": "userEnteredFormat.numberFormat"}})
    book.type("A1", "007", "TRUE", "=1+1")
    assert book.values("A1:C1") == [["007", "TRUE", "=1+1"]]


def test_raw_values_are_never_parsed(book: Any) -> None:
    book.put("A1:D1", [["=1+1", "1", "TRUE", 3.0]])
    assert book.values("A1:D1") == [["=1+1", "1", "TRUE", 3]]
    assert book.cell("A1")["userEnteredValue"] == {"stringValue": "=1+1"}


FORMATS: list[tuple[float, str, str]] = [
    (1234.567, "#,##0.00", "1,234.57"),
    (1234.5, "0", "1235"),
    (-0.5, "0.0%", "-50.0%"),
    (0.25, "# ?/?", "1/4"),
    (1234567, "0.0,,\"M\"", "1.2M"),
    (5, "00000", "00005"),
    (-3, "0;(0)", "(3)"),
    (0, "0;-0;\"none\"", "none"),
    (43832.75, "yyyy-mm-dd hh:mm:ss", "2020-01-02 18:00:00"),
    (43832.75, "dddd, d mmmm yy h:mm am/pm", "Thursday, 2 January 20 6:00 PM"),
    (1.5, "[h]:mm", "36:00"),
    (12345, "0.00E+00", "1.23E+04"),
    (3, "\"€\"#,##0", "€3"),
    (7, "#.##", "7."),
]  # fmt: skip


@pytest.mark.parametrize(("number", "pattern", "shown"), FORMATS)
def test_number_formats(book: Any, number: float, pattern: str, shown: str) -> None:
    form = {"numberFormat": {"type": "NUMBER", "pattern": pattern}}
    cell = {"userEnteredValue": {"numberValue": number}, "userEnteredFormat": form}
    book.batch({"updateCells": {"start": {}, "rows": [{"values": [cell]}], "fields": "*"}})
    assert book.shown("A1") == shown


@pytest.mark.parametrize(
    ("number", "shown"),
    [
        (1 / 3, "0.3333333333"),
        (1 / 1024, "0.0009765625"),
        (12345.678901234, "12345.6789"),
        (1e15, "1E+15"),
        (1.5e-10, "1.5E-10"),
        (123456789012, "123456789012"),
        (0.1 + 0.2, "0.3"),
        (-0.0, "0"),
    ],
)
def test_numbers_without_a_format_have_ten_digits(book: Any, number: float, shown: str) -> None:
    book.put("A1", [[number]])
    assert book.shown("A1") == shown
