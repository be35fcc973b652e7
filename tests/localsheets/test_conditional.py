"""Conditional formats show in the effective format, row by row, and the first rule that holds wins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sheetsync.localsheets import LocalSheets

RED, GREEN = {"red": 1.0}, {"green": 1.0}


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with LocalSheets() as server, httpx.Client(base_url=server.url) as client:
        yield client


def make(http: httpx.Client, rows: list[list[Any]], *rules: dict[str, Any]) -> str:
    kind = "application/vnd.google-apps.spreadsheet"
    made: str = http.post("/drive/v3/files", json={"name": "Book", "mimeType": kind}).json()["id"]
    http.put(f"/v4/spreadsheets/{made}/values/A1?valueInputOption=RAW", json={"values": rows}).raise_for_status()
    requests = [{"addConditionalFormatRule": {"index": at, "rule": rule}} for at, rule in enumerate(rules)]
    http.post(f"/v4/spreadsheets/{made}:batchUpdate", json={"requests": requests}).raise_for_status()
    return made


def rule(condition: dict[str, Any], colour: dict[str, float], columns: tuple[int, int] = (0, 3)) -> dict[str, Any]:
    where = {"sheetId": 0, "startRowIndex": 1, "startColumnIndex": columns[0], "endColumnIndex": columns[1]}
    return {"ranges": [where], "booleanRule": {"condition": condition, "format": {"backgroundColor": colour}}}


def formula(text: str) -> dict[str, Any]:
    return {"type": "CUSTOM_FORMULA", "values": [{"userEnteredValue": text}]}


def colours(http: httpx.Client, spreadsheet_id: str, where: str = "A1:C3") -> list[list[Any]]:
    mask = "sheets.data.rowData.values(userEnteredValue,effectiveFormat.backgroundColor)"
    answer = http.get(f"/v4/spreadsheets/{spreadsheet_id}", params={"ranges": where, "fields": mask}).json()
    rows = answer["sheets"][0]["data"][0]["rowData"]
    white = {"red": 1, "green": 1, "blue": 1}
    found = [[cell.get("effectiveFormat", {}).get("backgroundColor", white) for cell in row["values"]] for row in rows]
    return [[None if colour == white else colour for colour in row] for row in found]


def test_a_formula_is_read_relative_to_the_first_cell_of_its_range(http: httpx.Client) -> None:
    rows = [["k", "v", "s"], ["a", "x", "problem: no"], ["b", "y", "fine"]]
    made = make(http, rows, rule(formula('=LEFT($C2,7)="problem"'), RED))
    assert colours(http, made) == [[None] * 3, [RED] * 3, [None] * 3]


def test_the_first_rule_that_holds_wins_and_blank_cells_are_coloured_too(http: httpx.Client) -> None:
    made = make(
        http,
        [["k", "v", "s"], ["a", "", "z"], ["b", "y", "z"]],
        rule(formula('=AND($A2<>"",$B2="")'), RED),
        rule({"type": "TEXT_EQ", "values": [{"userEnteredValue": "z"}]}, GREEN),
    )
    assert colours(http, made) == [[None] * 3, [RED] * 3, [None, None, GREEN]]


def test_a_formula_that_fails_colours_nothing(http: httpx.Client) -> None:
    made = make(http, [["k"], ["a"]], rule(formula("=1/0"), RED), rule(formula("=("), RED))
    assert colours(http, made, "A1:A2") == [[None], [None]]


def test_a_formula_that_asks_for_its_column_is_worked_out_cell_by_cell(http: httpx.Client) -> None:
    made = make(http, [["k", "v", "s"], ["a", "b", "c"]], rule(formula("=COLUMN()=2"), RED))
    assert colours(http, made, "A1:C2") == [[None] * 3, [None, RED, None]]
