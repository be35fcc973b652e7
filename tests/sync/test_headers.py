"""A header of ours that stands twice: the column that was ours stays ours, and the other one is told."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services.doctor import check_spreadsheet

POST = ("slack", "post")


def requests(desk: Any, *found: dict[str, Any]) -> None:
    desk.book.batch_update({"requests": list(found)})


def insert_column(desk: Any, at: int) -> dict[str, Any]:
    where = {"sheetId": desk.tab().id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    return {"insertDimension": {"range": where}}


def copy_column(desk: Any, source: int, target: int) -> dict[str, Any]:
    rows = {"sheetId": desk.tab().id, "startRowIndex": 0, "endRowIndex": 5}
    return {
        "copyPaste": {
            "source": rows | {"startColumnIndex": source, "endColumnIndex": source + 1},
            "destination": rows | {"startColumnIndex": target, "endColumnIndex": target + 1},
        }
    }


def lay_a_copy_before(desk: Any) -> None:
    """As an owner does who keeps the old values beside the column: insert one at C, paste the whole of D into it."""
    requests(desk, insert_column(desk, 2), copy_column(desk, 3, 2))


def unprotect_headers(desk: Any) -> None:
    answer = desk.api.get(desk.spreadsheet_id, fields="sheets(properties(sheetId),protectedRanges)")
    sheet = next(one for one in answer["sheets"] if one["properties"]["sheetId"] == desk.tab().id)
    headers = [one for one in sheet["protectedRanges"] if "header" in one.get("description", "")]
    requests(desk, *({"deleteProtectedRange": {"protectedRangeId": one["protectedRangeId"]}} for one in headers))


def test_edits_in_the_column_that_was_ours_are_taken_and_publications_go_there(desk: Any) -> None:
    lay_a_copy_before(desk)
    desk.tab().update([["firearm.money"]], "D3")
    report = desk.sync()
    assert [edit.value for edit in desk.open_drafts()[0].origin.edits] == ["firearm.money"]
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    desk.set("slack", "post", "firearm.read")
    desk.sync()
    row = desk.row(*POST)
    assert row[2:4] == ["firearm.external_write", "firearm.read"]
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}


def test_the_copy_is_told_as_a_problem_and_by_the_doctor(desk: Any) -> None:
    lay_a_copy_before(desk)
    report = desk.sync()
    assert report.exit_code == 3
    (problem,) = report.problems
    assert (problem.code, problem.tab, problem.cell) == ("doubled_header", "Policy Matrix", "C1")
    assert "column D is read and written, column C is not" in problem.message
    lines = [line for line in check_spreadsheet(desk.ws, desk.gateway) if line.name == "headers"]
    assert [line.status for line in lines] == ["warn"]
    desk.tab().update([["old values"]], "C1")
    assert desk.sync().problems == []


def test_what_is_typed_into_the_copy_is_nobodys_edit(desk: Any) -> None:
    requests(desk, insert_column(desk, 2))
    desk.tab().update([["firearm_id"], ["firearm.read"]], "C1")
    desk.sync()
    assert desk.open_drafts() == []
    assert desk.row("github", "admin_write")[2:4] == ["firearm.read", "firearm.external_write"]


def test_without_the_protections_the_place_tells_if_nothing_moved(desk: Any) -> None:
    unprotect_headers(desk)
    desk.tab().add_cols(1)
    desk.tab().update([["firearm_id"]], "F1")
    (problem,) = desk.sync().problems
    assert problem.cell == "F1"
    assert desk.sync().problems == [problem]


@pytest.mark.parametrize("answer", [{}, {"headers": frozenset({"Policy Matrix"})}, {"adopt": True}])
def test_where_nothing_tells_nothing_is_read_or_written(desk: Any, answer: dict[str, Any]) -> None:
    unprotect_headers(desk)
    lay_a_copy_before(desk)
    desk.tab().update([["firearm.money"]], "D3")
    before, values = desk.snapshots(), desk.values()
    with pytest.raises(SafetyStopError) as stop:
        desk.sync(forces=desk.force(**answer))
    assert stop.value.code == "header_doubled"
    assert "firearm_id in C1 and D1" in stop.value.message
    assert (desk.snapshots(), desk.values()) == (before, values)
    desk.tab().update([["old values"]], "C1")
    desk.sync()
    assert [edit.value for edit in desk.open_drafts()[0].origin.edits] == ["firearm.money"]


def test_a_copy_laid_beside_while_we_write_leaves_ours_right_and_what_we_covered_is_told(desk: Any) -> None:
    desk.set("slack", "post", "firearm.read")
    inserted, copied = insert_column(desk, 2), copy_column(desk, 3, 2)

    def act(workspace: Any) -> None:
        owner = Collaborator(workspace, desk.spreadsheet_id)
        for request in (inserted, copied):
            owner.request(*next(iter(request.items())))

    desk.server.script.act(act, "before", "write")
    told = [one for _ in range(3) for one in desk.sync().to_json()["healed"]]
    headers = desk.values()[0]
    assert headers == ["connector_id", "scope", "firearm_id", "firearm_id", "strategy_lock", "sync_status"]
    assert desk.row(*POST)[3:] == ["firearm.read", False, ""]
    assert ("firearm_id", "firearm.external_write") in [(one["column"], one["value"]) for one in told]
    assert desk.row("github", "admin_write")[3:5] == ["firearm.external_write", True]
    assert desk.open_drafts() == []


def test_a_renamed_header_is_written_again_over_no_header_of_people(desk: Any) -> None:
    """Renamed, and a column of people's own inserted at its old place."""
    requests(desk, insert_column(desk, 2))
    desk.tab().update([["our notes"], ["a"], ["b"], ["c"], ["d"]], "C1")
    desk.tab().update([["Firearm"]], "D1")
    desk.tab().update([["firearm.money"]], "D3")
    desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    assert [row[2] for row in desk.values()] == ["our notes", "a", "b", "c", "d"]
    assert desk.values()[0][3] == "firearm_id"
    assert [edit.value for edit in desk.open_drafts()[0].origin.edits] == ["firearm.money"]


def test_without_the_protection_either_it_comes_as_a_new_column(desk: Any) -> None:
    unprotect_headers(desk)
    requests(desk, insert_column(desk, 2))
    desk.tab().update([["our notes"], ["a"], ["b"], ["c"], ["d"]], "C1")
    desk.tab().update([["Firearm"]], "D1")
    desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    headers = ["connector_id", "scope", "our notes", "Firearm", "strategy_lock", "sync_status", "firearm_id"]
    assert desk.values()[0] == headers
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert desk.open_drafts() == []


def test_a_header_renamed_in_its_place_is_written_again_there(desk: Any) -> None:
    unprotect_headers(desk)
    desk.tab().update([["Firearm"]], "C1")
    desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    assert desk.values()[0] == ["connector_id", "scope", "firearm_id", "strategy_lock", "sync_status"]


def test_a_copied_header_in_a_tab_that_only_sheetsync_writes_holds_up_nobodys_edit(desk: Any) -> None:
    tab = desk.tab("Coverage Report")
    end = {"sheetId": tab.id, "dimension": "COLUMNS", "startIndex": 0, "endIndex": 1}
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = "head@example.com"
    owner = Collaborator(desk.server.workspace, desk.spreadsheet_id, "head@example.com")
    owner.request("insertDimension", {"range": end})
    owner.request("updateCells", {
        "start": {"sheetId": tab.id, "rowIndex": 0, "columnIndex": 0}, "fields": "userEnteredValue",
        "rows": [{"values": [{"userEnteredValue": {"stringValue": "engine_route"}}]}],
    })  # fmt: skip
    desk.tab().update([["firearm.money"]], desk.at(POST, "firearm_id"))
    report = desk.sync()
    assert [problem.code for problem in report.problems] == ["doubled_header"]
    assert [edit.value for edit in desk.open_drafts()[0].origin.edits] == ["firearm.money"]
    desk.sync()
    before = desk.snapshots()
    assert not desk.sync().changed
    assert desk.snapshots() == before
