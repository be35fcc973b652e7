"""What a person does: dropdowns and protections bind, undo loses nobody else's work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.person import Person


@pytest.fixture
def server() -> Iterator[LocalSheets]:
    with LocalSheets() as running:
        yield running


class Book:
    """A spreadsheet with one person at it, and plain REST calls beside."""

    def __init__(self, server: LocalSheets) -> None:
        self.http = httpx.Client(base_url=server.url)
        made = self.http.post(
            "/drive/v3/files", json={"name": "Book", "mimeType": "application/vnd.google-apps.spreadsheet"}
        )
        self.id: str = made.json()["id"]
        self.person = Person(server.workspace, self.id)
        self.put("A1:C4", [["k", "v", "own"], ["b", 2, "mine b"], ["a", 1, "mine a"], ["c", 3, ""]])

    def put(self, where: str, rows: list[list[Any]]) -> None:
        path = f"/v4/spreadsheets/{self.id}/values/{where}?valueInputOption=RAW"
        self.http.put(path, json={"values": rows}).raise_for_status()

    def values(self, where: str = "A1:E10") -> list[list[Any]]:
        path = f"/v4/spreadsheets/{self.id}/values/{where}?valueRenderOption=UNFORMATTED_VALUE"
        found: list[list[Any]] = self.http.get(path).json().get("values", [])
        return found

    def batch(self, *requests: dict[str, Any]) -> None:
        self.http.post(f"/v4/spreadsheets/{self.id}:batchUpdate", json={"requests": requests}).raise_for_status()


@pytest.fixture
def book(server: LocalSheets) -> Iterator[Book]:
    made = Book(server)
    yield made
    made.http.close()


def area(rows: tuple[int, int], columns: tuple[int, int]) -> dict[str, int]:
    names = ("startRowIndex", "endRowIndex", "startColumnIndex", "endColumnIndex")
    return dict(zip(names, (*rows, *columns), strict=True))


def test_typed_text_becomes_what_a_person_means(book: Book) -> None:
    book.person.type_rows(0, 1, 1, [["12%", "TRUE"], ["=1+1", "'007"]])
    assert book.values("B2:C3") == [[0.12, True], [2, "007"]]


def test_a_paste_beyond_the_grid_grows_it(book: Book) -> None:
    book.person.type_rows(0, 1000, 25, [["x", "y"]])
    assert book.values("Z1001:AA1001") == [["x", "y"]]


def test_a_strict_dropdown_refuses_other_words_and_nothing_is_written(book: Book) -> None:
    rule = {"condition": {"type": "ONE_OF_LIST", "values": [{"userEnteredValue": "yes"}]}, "strict": True}
    book.batch({"setDataValidation": {"range": area((1, 3), (1, 2)), "rule": rule}})
    with pytest.raises(ApiError, match="B3 violates"):
        book.person.type_rows(0, 1, 1, [["yes"], ["no"]])
    assert book.values("B2:B3") == [[2], [1]]


def test_a_hard_protection_refuses_and_a_warning_asks_first(book: Book) -> None:
    book.batch(
        {"addProtectedRange": {"protectedRange": {"range": area((0, 1), (0, 3))}}},
        {"addProtectedRange": {"protectedRange": {"range": area((1, 4), (0, 1)), "warningOnly": True}}},
    )
    with pytest.raises(ApiError, match="protected"):
        book.person.type_rows(0, 0, 0, [["K"]])
    with pytest.raises(ApiError, match="Edit anyway") as warning:
        book.person.type_rows(0, 1, 0, [["B"]])
    assert warning.value.http_status == 409
    book.person.type_rows(0, 1, 0, [["B"]], confirmed=True)
    assert book.values("A1:A2") == [["k"], ["B"]]


def test_undo_and_redo_of_every_act_give_the_same_cells(book: Book) -> None:
    acts: list[Callable[[], str]] = [
        lambda: book.person.type_rows(0, 1, 1, [["9", "new"]]),
        lambda: book.person.sort(0, 0),
        lambda: book.person.insert_rows(0, 2, 2),
        lambda: book.person.delete_rows(0, 1, 1),
        lambda: book.person.sort(0, 1, descending=True),
    ]
    states = [book.values()]
    for act in acts:
        act()
        states.append(book.values())
    for state in reversed(states[:-1]):
        book.person.undo()
        assert book.values() == state
    for state in states[1:]:
        book.person.redo()
        assert book.values() == state


def test_undo_is_refused_where_somebody_else_wrote_since(book: Book) -> None:
    book.person.type_rows(0, 1, 1, [["9"]])
    book.put("B2", [[77]])
    with pytest.raises(ApiError, match="somebody changed"):
        book.person.undo()
    assert book.values("B2") == [[77]]


def test_sorting_leaves_the_frozen_header_and_moves_people_s_columns_along(book: Book) -> None:
    frozen = {"sheetId": 0, "gridProperties": {"frozenRowCount": 1}}
    book.batch({"updateSheetProperties": {"properties": frozen, "fields": "gridProperties.frozenRowCount"}})
    book.person.sort(0, 0)
    assert book.values("A1:C4") == [["k", "v", "own"], ["a", 1, "mine a"], ["b", 2, "mine b"], ["c", 3]]


def test_a_note_is_put_and_taken_back(book: Book) -> None:
    book.person.set_note(0, 1, 1, "why two?")
    fields = "sheets.data.rowData.values.note"
    asked = {"dataFilters": [{"a1Range": "B2"}]}

    def note() -> Any:
        answer = book.http.post(f"/v4/spreadsheets/{book.id}:getByDataFilter?fields={fields}", json=asked).json()
        row = answer["sheets"][0]["data"][0].get("rowData", [{}])[0]
        return (row.get("values") or [{}])[0].get("note")

    assert note() == "why two?"
    book.person.undo()
    assert note() is None


def test_the_page_is_refused_under_a_foreign_host_and_to_forms(book: Book) -> None:
    path = f"/page/api/{book.id}"
    act = {"act": "type", "sheetId": 0, "row": 1, "column": 1, "rows": [["evil"]]}
    assert book.http.post(path, json=act, headers={"Host": "evil.example"}).status_code == 403
    form = book.http.post(path, content=b'{"act": "undo"}', headers={"Content-Type": "text/plain"})
    assert form.status_code == 415
    assert book.http.get("/", headers={"Host": "evil.example:80"}).status_code == 403
    assert book.values("B2") == [[2]]


@pytest.mark.parametrize(
    "act",
    [
        [],
        {"act": "nothing"},
        {"act": "type", "sheetId": 0, "row": -1, "column": 0, "rows": [["x"]]},
        {"act": "type", "sheetId": 0, "row": 0, "column": 0, "rows": ["x"]},
        {"act": "type", "sheetId": 99, "row": 0, "column": 0, "rows": [["x"]]},
        {"act": "insert_rows", "sheetId": 0, "start": 0, "count": "1"},
        {"act": "undo"},
    ],
)
def test_a_wrong_act_is_refused_with_a_message(book: Book, act: Any) -> None:
    before = book.values()
    answer = book.http.post(f"/page/api/{book.id}", json=act)
    assert answer.status_code == 400
    assert answer.json()["error"]["message"]
    assert book.values() == before


def test_the_list_escapes_names_and_an_unknown_spreadsheet_is_said_to_be_one(server: LocalSheets, book: Book) -> None:
    kind = "application/vnd.google-apps.spreadsheet"
    book.http.post("/drive/v3/files", json={"name": "<script>alert(1)</script>", "mimeType": kind})
    listing = book.http.get("/")
    assert "<script>alert" not in listing.text
    assert "&lt;script&gt;alert" in listing.text
    assert "script-src 'self'" in listing.headers["content-security-policy"]
    assert book.http.get("/spreadsheets/d/nope/edit").status_code == 404
    assert book.http.get(f"/spreadsheets/d/{book.id}/edit").status_code == 200
    assert server.url
