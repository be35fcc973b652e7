"""Scripts: what goes wrong, whether the call took effect, and who edits in between."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from sheetsync.errors import UsageError
from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.control import step_of

WRITE = {"range": "A1", "values": [["x"]]}


def put(book: Any) -> httpx.Response:
    answer: httpx.Response = book.http.put(f"{book.path}/values/A1?valueInputOption=RAW", json=WRITE)
    return answer


@pytest.mark.parametrize("status", [400, 401, 403, 404, 429, 500, 503])
@pytest.mark.parametrize("when", ["before", "after"])
def test_a_status_comes_before_or_after_the_effect(book: Any, status: int, when: str) -> None:
    book.server.script.add(f"{status} {when} write")
    answer = put(book)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, status)
    assert book.values("A1") == ([["x"]] if when == "after" else [])
    assert put(book).status_code == 200


@pytest.mark.parametrize("when", ["before", "after"])
def test_answers_are_dropped_truncated_or_html(book: Any, when: str) -> None:
    for what in ("drop", "truncate"):
        book.server.script.add(f"{what} {when} write")
        with pytest.raises(httpx.TransportError):
            put(book)
    book.server.script.add(f"html {when} write")
    answer = put(book)
    assert (answer.status_code, answer.headers["content-type"]) == (502, "text/html; charset=UTF-8")
    assert book.values("A1") == ([["x"]] if when == "after" else [])


def test_calls_are_delayed_by_the_sleep_that_is_given(book: Any) -> None:
    slept: list[float] = []
    book.server.script._sleep = slept.append
    book.server.script.add("slow:1.5 read always")
    book.values("A1")
    put(book)
    book.values("A1")
    assert slept == [1.5, 1.5]


def test_steps_wait_for_their_kind_and_count(book: Any) -> None:
    book.server.script.add("503 before read skip 1 times 2")
    codes = [book.http.get(book.path).status_code for _ in range(5)]
    assert codes == [200, 503, 503, 200, 200]
    book.server.script.add("503 drive always")
    assert book.http.get("/drive/v3/files").status_code == 503
    assert book.http.get(book.path).status_code == 200
    book.server.script.clear()
    assert book.http.get("/drive/v3/files").status_code == 200


def test_a_collaborator_edits_right_before_a_write_lands(book: Any) -> None:
    book.put("A1:B3", [["k", "v"], ["b", "1"], ["a", "2"]])
    book.server.script.add(step_of("type Sheet1!B2 TRUE before write"))
    book.batch({"addSheet": {"properties": {"title": "other"}}})
    assert book.values("B2") == [[True]]
    for line in ("sort Sheet1 A", "insert-rows Sheet1 1 1", "note Sheet1!A1 hello", "rename other renamed"):
        book.server.script.add(step_of(line + " before read"))
    assert book.values("Sheet1!A1:A4") == [[], ["a"], ["b"], ["k"]]
    assert book.cell("Sheet1!A1") == {"note": "hello"}
    for line in ("delete-rows Sheet1 1 1", "move-rows Sheet1 3 1 1", "delete-tab renamed", "locale de_DE", "clear A2"):
        book.server.script.add(step_of(line + " before read"))
    assert book.values("A1:A3") == [["k"], [], ["b"]]
    assert len(book.get()["sheets"]) == 1


def test_an_act_that_is_refused_does_not_fail_the_call(book: Any, box: Any) -> None:
    book.batch({"addProtectedRange": {"protectedRange": {"range": box(0, 1, 0, 1)}}})
    step = book.server.script.add(step_of("type Sheet1!A1 mine before write"))
    assert put(book).status_code == 200
    assert step.hits == 1
    assert "protected" in step.refusals[0]


def test_scripts_come_over_http_and_from_the_start(book: Any) -> None:
    lines = {"lines": ["503 after write", "type Sheet1!C1 there before write"]}
    answer = book.http.post("/_local/script", json=lines)
    assert [step["what"] for step in answer.json()["steps"]] == ["503", "type Sheet1!C1 there before write"]
    assert put(book).status_code == 503
    assert book.values("A1:C1") == [["x", "", "there"]]
    assert book.http.delete("/_local/script").json() == {"steps": []}
    assert book.http.post("/_local/script", json={"lines": ["explode"]}).status_code == 400
    assert book.http.post("/_local/script", json={"lines": 5}).status_code == 400
    assert book.http.post("/_local/script", content=b"{}", headers={"content-type": "text/plain"}).status_code == 415
    with LocalSheets(script=["503 any"]) as server, httpx.Client(base_url=server.url) as http:
        assert [http.get("/drive/v3/files").status_code for _ in range(2)] == [503, 200]


@pytest.mark.parametrize("line", ["", "explode", "503 sometimes", "503 skip many", "slow", "200", "slow:x", "act"])
def test_lines_that_mean_nothing_are_refused_with_a_hint(line: str) -> None:
    with pytest.raises(UsageError) as caught:
        step_of(line)
    assert caught.value.hint


def test_an_act_that_means_nothing_is_refused() -> None:
    from sheetsync.localsheets.collaborator import act_of

    with pytest.raises(UsageError):
        act_of("dance Sheet1")
