"""Google's grid JSON into plain rows."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.gsheets.reading import MARK_KEY, TAB_KEY, parse_cell, parse_mark, parse_read
from sheetsync.sync.gateway import ErrorValue, Formula, Mark


@pytest.mark.parametrize(
    ("cell", "raw"),
    [
        ({}, ""),
        ({"userEnteredValue": {}}, ""),
        ({"userEnteredValue": {"stringValue": "007"}}, "007"),
        ({"userEnteredValue": {"stringValue": "=1+2"}}, "=1+2"),
        ({"userEnteredValue": {"stringValue": "#REF!"}}, ErrorValue("#REF!")),
        ({"userEnteredValue": {"numberValue": 3.0}}, 3),
        ({"userEnteredValue": {"numberValue": 0.5}}, 0.5),
        ({"userEnteredValue": {"boolValue": False}}, False),
        ({"userEnteredValue": {"formulaValue": "=A1"}}, Formula("=A1")),
        (
            {"userEnteredValue": {"formulaValue": "=A1"}, "effectiveValue": {"errorValue": {"type": "REF"}}},
            Formula("=A1", "#REF!"),
        ),
        ({"userEnteredValue": {"errorValue": {"type": "N_A"}}}, ErrorValue("#N/A")),
    ],
)
def test_cells_keep_their_types(cell: Any, raw: Any) -> None:
    found = parse_cell(cell)
    assert (found, type(found)) == (raw, type(raw))


def sheet(role: str, rows: list[list[Any]], *, sheet_id: int = 7, **more: Any) -> Any:
    data = [{"values": [{"userEnteredValue": {"stringValue": text}} if text else {} for text in row]} for row in rows]
    return {
        "properties": {"sheetId": sheet_id, "title": "Any title", "gridProperties": {"rowCount": 9, "columnCount": 9}},
        "developerMetadata": [{"metadataKey": TAB_KEY, "metadataValue": role}],
        "data": [{"rowData": data}],
    } | more


def test_columns_are_found_by_header_and_people_keep_theirs() -> None:
    rows = [["why", "scope", "connector_id", "strategy_lock", "firearm_id"], ["because", "post", "slack", "", "NONE"]]
    tab = parse_read({"sheets": [sheet("policy", rows)]}, "id").tabs["policy"]
    assert tab.columns == {"scope": 1, "connector_id": 2, "strategy_lock": 3, "firearm_id": 4}
    (row,) = tab.rows
    assert row.cells == ("slack", "post", "NONE", "", "")
    assert row.own == ((0, "because"),)


def test_rows_in_which_nothing_of_ours_stands_are_not_rows() -> None:
    header = ["connector_id", "scope", "firearm_id", "strategy_lock", "sync_status", "mine"]
    rows = [header, [], ["", "", "", "", "", "a note of mine"], ["slack", "post"]]
    tab = parse_read({"sheets": [sheet("policy", rows)]}, "id").tabs["policy"]
    assert [row.index for row in tab.rows] == [3]
    assert tab.last_row == 4


def test_tabs_without_our_mark_are_not_read() -> None:
    strange = sheet("policy", [["connector_id"]]) | {"developerMetadata": []}
    assert parse_read({"sheets": [strange]}, "id").tabs == {}


def test_a_role_that_occurs_twice_is_told() -> None:
    both = [sheet("policy", [["scope"]], sheet_id=1), sheet("policy", [["scope"]], sheet_id=2)]
    read = parse_read({"sheets": both}, "id")
    assert read.tabs["policy"].sheet_id == 1
    assert [tab.sheet_id for tab in read.doubled] == [2]


def test_a_scratch_tab_that_somebody_wrote_into_is_unreadable() -> None:
    good = sheet("scratch", [['{"epoch": 3, "nonce": "write-1", "hash": ""}'], ["slack", "post"]])
    bad = sheet("scratch", [["hello"]], sheet_id=8)
    first, second = parse_read({"sheets": [good, bad]}, "id").scratch
    assert (first.epoch, first.nonce, first.pre, first.readable) == (3, "write-1", (("slack", "post"),), True)
    assert not second.readable


@pytest.mark.parametrize(
    ("value", "mark"),
    [
        ('{"store": "s", "tenant": "t", "spreadsheet": "x"}', Mark("s", "t", "x")),
        ("{}", Mark("", "", "")),
        ("nonsense", Mark("", "", "")),
    ],
)
def test_a_mark_that_cannot_be_read_is_nobodys(value: str, mark: Mark) -> None:
    assert parse_mark({"developerMetadata": [{"metadataKey": MARK_KEY, "metadataValue": value}]}) == mark
    assert parse_mark({}) is None
