"""Formulas: what they give, what they show when they fail, and how their references follow."""

from __future__ import annotations

from typing import Any

import pytest

RESULTS: list[tuple[str, Any]] = [
    ("=1+2*3", 7),
    ("=-2^2", 4),
    ("=(1+2)*3%", 0.09),
    ('="a"&"b"&1', "ab1"),
    ("=1=1", True),
    ('="A"="a"', True),
    ("=A1+B1", 3),
    ("=SUM(A1:B2)", 10),
    ("=SUM(A:A)", 4),
    ("=AVERAGE(A1:B2)", 2.5),
    ("=MIN(A1:B2)&MAX(A1:B2)", "14"),
    ("=COUNT(A1:C3)", 4),
    ("=COUNTA(A1:C3)", 6),
    ('=COUNTIF(A1:B2,">2")', 2),
    ('=SUMIF(A1:A2,">1",B1:B2)', 4),
    ('=SUMIFS(B1:B2,A1:A2,">0",B1:B2,"<4")', 2),
    ('=COUNTIF(C1:C3,"x*")', 1),
    ("=ROUND(2.345,2)", 2.35),
    ("=MOD(-1,3)", 2),
    ("=INT(-1.5)", -2),
    ('=IF(A1>0,"yes","no")', "yes"),
    ("=IF(FALSE,1)", False),
    ('=IFS(A1>1,"a",TRUE,"b")', "b"),
    ('=IFERROR(1/0,"none")', "none"),
    ('=IFNA(VLOOKUP(9,A1:B2,2,FALSE),"gone")', "gone"),
    ("=AND(TRUE,1,A1)", True),
    ("=OR(FALSE,0)", False),
    ("=NOT(TRUE)", False),
    ("=VLOOKUP(3,A1:B2,2,FALSE)", 4),
    ("=INDEX(A1:B2,2,1)", 3),
    ("=MATCH(3,A1:A2,0)", 2),
    ("=XLOOKUP(1,A1:A2,B1:B2)", 2),
    ('=LEFT("hello",2)&RIGHT("hello",1)&MID("hello",2,2)', "heoel"),
    ('=UPPER("a")&LOWER("B")&PROPER("john doe")', "AbJohn Doe"),
    ('=LEN("héllo")', 5),
    ('=TRIM("  a   b ")', "a b"),
    ('=SUBSTITUTE("a-b-c","-","+",2)', "a-b+c"),
    ('=FIND("l","hello")', 3),
    ('=REGEXMATCH("abc","b.")', True),
    ('=REGEXEXTRACT("abc123","[0-9]+")', "123"),
    ('=TEXT(0.5,"0%")', "50%"),
    ('=TEXTJOIN(",",TRUE,A1:B2)', "1,2,3,4"),
    ("=YEAR(DATE(2020,2,29))", 2020),
    ("=EOMONTH(DATE(2020,1,15),1)", 43890),
    ('=DATEDIF(DATE(2020,1,1),DATE(2021,3,2),"M")', 14),
    ("=WEEKDAY(DATE(2020,1,2))", 5),
    ("=SUMPRODUCT(A1:A2,B1:B2)", 14),
    ("=MEDIAN(1,9,2)", 2),
    ("=LARGE(A1:B2,2)", 3),
    ("=ISBLANK(Z9)", True),
    ("=ISNUMBER(A1)", True),
    ('=VALUE("1,000")', 1000),
    ("=ROW(B7)&COLUMN(B7)", "72"),
    ('=INDIRECT("A"&2)', 3),
    ("=OFFSET(A1,1,1)", 4),
    ("=SUM({1,2;3,4})", 10),
    ("=CHOOSE(2,5,6)", 6),
    ("=SWITCH(A1,1,10,20)", 10),
    ("=C1", "x"),
    ("=Z9+0", 0),
    ("=Sheet1!A1+'Sheet1'!B1", 3),
]


@pytest.fixture
def filled(book: Any) -> Any:
    book.put("A1:C3", [[1, 2, "x"], [3, 4, ""], ["", "", True]])
    return book


@pytest.mark.parametrize(("formula", "result"), RESULTS)
def test_results(filled: Any, formula: str, result: Any) -> None:
    filled.type("E1", formula)
    assert filled.values("E1") == [[result]]
    assert filled.values("E1", "FORMULA") == [[formula]]


ERRORS: list[tuple[str, str, str]] = [
    ("=1/0", "#DIV/0!", "DIVIDE_BY_ZERO"),
    ("=NOSUCH(1)", "#NAME?", "NAME"),
    ("=nosuchname", "#NAME?", "NAME"),
    ('="a"+1', "#VALUE!", "VALUE"),
    ("=VLOOKUP(9,A1:B2,2,FALSE)", "#N/A", "N_A"),
    ("=Nowhere!A1", "#REF!", "REF"),
    ("=SQRT(-1)", "#NUM!", "NUM"),
    ("=1+", "#ERROR!", "ERROR"),
    ("=E1", "#REF!", "REF"),
    ("=F1+1", "#DIV/0!", "DIVIDE_BY_ZERO"),
]


@pytest.mark.parametrize(("formula", "shown", "kind"), ERRORS)
def test_errors_have_googles_types(filled: Any, formula: str, shown: str, kind: str) -> None:
    filled.type("F1", "=1/0")
    filled.type("E1", formula)
    assert filled.shown("E1") == shown
    cell = filled.cell("E1")
    assert cell["effectiveValue"]["errorValue"]["type"] == kind
    assert cell["userEnteredValue"] == {"formulaValue": formula}
    assert filled.values("E1")[0][0].startswith(shown)


def test_a_reference_to_a_blank_cell_is_blank(book: Any) -> None:
    book.type("A1", "=B1", "", "=ISBLANK(A1)")
    assert book.values("A1:C1") == [["", "", False]]
    cell = book.cell("A1")
    assert cell["userEnteredValue"] == {"formulaValue": "=B1"}
    assert "effectiveValue" not in cell


def test_a_long_chain_of_cells_is_worked_out(book: Any) -> None:
    book.put("A1", [[1]])
    book.put("A2:A900", [[f"=A{row}+1"] for row in range(1, 900)], "USER_ENTERED")
    assert book.values("A900") == [[900]]


def test_references_follow_rows_and_columns(book: Any) -> None:
    book.put("A1:A3", [[1], [2], [3]])
    book.type("C1", "=SUM(A1:A3)", "=A$2+A3")
    rows = {"dimension": "ROWS", "startIndex": 1, "endIndex": 2}
    book.batch({"insertDimension": {"range": rows}})
    assert book.values("C1:D1", "FORMULA") == [["=SUM(A1:A4)", "=A$3+A4"]]
    book.batch({"deleteDimension": {"range": {**rows, "startIndex": 2, "endIndex": 3}}})
    assert book.values("C1:D1", "FORMULA") == [["=SUM(A1:A3)", "=#REF!+A3"]]
    assert book.shown("D1") == "#REF!"
    book.batch({"insertDimension": {"range": {"dimension": "COLUMNS", "startIndex": 0, "endIndex": 1}}})
    assert book.values("D1", "FORMULA") == [["=SUM(B1:B3)"]]


def test_references_follow_a_renamed_tab(book: Any) -> None:
    book.batch({"addSheet": {"properties": {"sheetId": 3, "title": "data"}}})
    book.put("data!A1", [[5]])
    book.type("A1", "=data!A1*2")
    book.batch({"updateSheetProperties": {"properties": {"sheetId": 3, "title": "my data"}, "fields": "title"}})
    assert book.values("A1", "FORMULA") == [["='my data'!A1*2"]]
    assert book.values("A1") == [[10]]
    book.batch({"deleteSheet": {"sheetId": 3}})
    assert book.shown("A1") == "#REF!"


def test_dates_and_links_come_with_their_look(book: Any) -> None:
    book.type("A1", "=DATE(2020,1,2)", "=A1+1", '=HYPERLINK("https://example.com","there")')
    assert book.values("A1:C1", "FORMATTED_VALUE") == [["1/2/2020", "1/3/2020", "there"]]
    assert book.cell("C1")["hyperlink"] == "https://example.com"


def test_formulas_of_a_locale_use_its_separators(book: Any) -> None:
    book.batch({"updateSpreadsheetProperties": {"properties": {"locale": "de_DE"}, "fields": "locale"}})
    book.type("A1", "=SUM(1,5;2)")
    assert book.values("A1") == [[3.5]]


def test_today_is_told_by_the_servers_clock(server: Any, book: Any) -> None:
    server.clock = lambda: 1_577_966_400.0  # 2020-01-02T12:00:00Z
    book.type("A1", "=TODAY()", "=NOW()")
    assert book.values("A1:B1") == [[43832, 43832.5]]
