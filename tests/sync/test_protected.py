"""Ranges that a person protects, in a spreadsheet that a person owns: they hold up nothing but themselves."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services import sync_plans
from sheetsync.services.doctor import check_spreadsheet

HEAD = "head@example.com"
ADMIN = ("github", "admin_write")
POST = ("slack", "post")
READ = ("slack", "read")
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.fixture
def owned(desk: Any) -> Any:
    """As on Google: a person owns the file, the service account edits it."""
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = HEAD
    return desk


def protect(
    desk: Any, rows: tuple[int, int] | None, columns: tuple[int, int] | None, *, title: str = "Policy Matrix",
    text: str = "", holes: tuple[dict[str, int], ...] = (),
) -> None:  # fmt: skip
    """`Data > Protect sheets and ranges`, for the head alone."""
    where = {"sheetId": desk.tab(title).id}
    if rows is not None:
        where |= {"startRowIndex": rows[0], "endRowIndex": rows[1]}
    if columns is not None:
        where |= {"startColumnIndex": columns[0], "endColumnIndex": columns[1]}
    one: dict[str, Any] = {"range": where, "description": text, "editors": {"users": [HEAD]}}
    if holes:
        one["unprotectedRanges"] = [{"sheetId": desk.tab(title).id} | hole for hole in holes]
    as_head(desk).request("addProtectedRange", {"protectedRange": one})


def protections(desk: Any, title: str) -> dict[int, Any]:
    """What the server knows of the protections of a tab."""
    sheets = desk.server.workspace.spreadsheet(desk.spreadsheet_id).sheets
    return next(sheet.protected_ranges for sheet in sheets if sheet.sheet_id == desk.tab(title).id)


def as_head(desk: Any) -> Collaborator:
    return Collaborator(desk.server.workspace, desk.spreadsheet_id, HEAD)


def test_a_protected_cell_waits_and_everything_else_goes_on(owned: Any) -> None:
    protect(owned, (1, 2), (2, 4), text="ask the head")
    owned.set("github", "admin_write", "firearm.read+lock")
    owned.set("slack", "post", "firearm.money")
    owned.edit(READ, "firearm_id", "firearm.read")
    report = owned.sync()
    assert report.exit_code == 3
    (problem,) = report.problems
    assert (problem.code, problem.tab, problem.cell) == ("protected_cells", "Policy Matrix", "C2")
    assert "protected by 'ask the head' (C2:D2)" in problem.message
    assert owned.cell(ADMIN, "firearm_id") == "firearm.external_write"
    assert "protected by 'ask the head'" in owned.status(*ADMIN)
    assert owned.cell(POST, "firearm_id") == "firearm.money"
    assert owned.status(*READ).startswith("pending in draft_")
    before = owned.snapshots()
    again = owned.sync()
    assert (again.calls, again.problems, owned.snapshots()) == (QUIET, [problem], before)


def test_it_is_written_once_the_protection_is_gone(owned: Any) -> None:
    protect(owned, (1, 2), (2, 4))
    owned.set("github", "admin_write", "firearm.read+lock")
    owned.sync()
    found = protections(owned, "Policy Matrix").items()
    number = next(key for key, one in found if not one.get("description"))
    as_head(owned).request("deleteProtectedRange", {"protectedRangeId": number})
    assert owned.sync().problems == []
    assert owned.cell(ADMIN, "firearm_id") == "firearm.read"
    assert owned.status(*ADMIN) == ""
    assert owned.sync().calls == QUIET


def test_what_the_head_types_into_her_protected_cell_is_an_edit_like_any_other(owned: Any) -> None:
    protect(owned, (1, 2), (0, 5))
    as_head(owned).type("Policy Matrix!C2", "firearm.read")
    report = owned.sync()
    assert [edit.value for edit in owned.open_drafts()[0].origin.edits] == ["firearm.read"]
    assert [problem.code for problem in report.problems] == ["protected_cells"]  # its answer cannot be written
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize("title", ["Policy Matrix", "KPIs", "Connector Registry", "Sync Status"])
def test_a_whole_tab_that_is_protected_holds_up_no_other(owned: Any, title: str) -> None:
    if title not in ("Policy Matrix", "KPIs"):
        for one in protections(owned, title).values():
            one["editors"] = {"users": [HEAD]}  # the account was taken off the editors of our own protection
    else:
        protect(owned, None, None, title=title)
    owned.set("slack", "post", "firearm.money")
    owned.set_kpi("github", {"other": {"impact_type": "cost", "formula": "usage.cost"}})
    owned.publish(owned.draft("jira", ["a"], {"a": "firearm.read"}, version="1.0.0"))
    report = owned.sync()
    assert {problem.tab for problem in report.problems} == {title}
    assert (owned.cell(POST, "firearm_id") == "firearm.money") is (title != "Policy Matrix")
    assert (["jira"] in [row[:1] for row in owned.values("Connector Registry")]) is (title != "Connector Registry")
    assert report.calls["write"] == 1
    assert owned.sync().calls == QUIET


def test_rows_are_added_beside_what_is_protected_and_retired_rows_in_it_wait(owned: Any) -> None:
    protect(owned, (1, 3), (2, 4))
    owned.publish(owned.draft("github", ["admin_write", "ask", "read_public"], {"ask": "NONE"}, version="2.0.0"))
    owned.sync()
    assert owned.cell(("github", "ask"), "firearm_id") == "NONE"
    owned.retire("github")
    owned.retire("slack")
    (problem,) = owned.sync().problems
    assert problem.code == "protected_cells"
    assert [tuple(row[:2]) for row in owned.values()[1:]] == [ADMIN, ("github", "read_public")]
    assert owned.sync().calls == QUIET


def test_holes_in_a_protected_tab_are_open(owned: Any) -> None:
    hole = {"startRowIndex": 1, "startColumnIndex": 2, "endColumnIndex": 5}
    protect(owned, None, None, holes=(hole,))
    owned.set("slack", "post", "firearm.money")
    assert owned.sync().problems == []
    assert owned.cell(POST, "firearm_id") == "firearm.money"


def test_validations_are_renewed_around_protected_cells(owned: Any) -> None:
    protect(owned, (2, 3), (2, 3))
    more = FirearmCatalogue(firearms=(*owned.ws.firearms.firearms, Firearm(id="firearm.new")))
    owned.ws = replace(owned.ws, firearms=more)
    owned.gateway = owned.gateway_for(owned.spreadsheet_id)
    report = owned.sync()
    assert (report.problems, report.calls["write"]) == ([], 1)
    assert owned.sync().calls == QUIET


def test_a_protection_made_between_read_and_write_is_seen_by_the_same_run(owned: Any) -> None:
    owned.set("github", "admin_write", "firearm.read+lock")
    owned.set("slack", "post", "firearm.money")
    where = {"sheetId": owned.tab().id, "startRowIndex": 1, "endRowIndex": 2}
    body = {"protectedRange": {"range": where, "editors": {"users": [HEAD]}}}

    def act(workspace: Any) -> None:
        Collaborator(workspace, owned.spreadsheet_id, HEAD).request("addProtectedRange", body)

    owned.server.script.act(act, "before", "write")
    report = owned.sync()
    assert [problem.code for problem in report.problems] == ["protected_cells"]
    assert owned.cell(POST, "firearm_id") == "firearm.money"


def test_the_doctor_names_it_and_warnings_only_stop_nobody(owned: Any) -> None:
    protect(owned, (1, 2), (2, 4), text="ask the head")
    lines = [line for line in check_spreadsheet(owned.ws, owned.gateway) if line.name == "protection"]
    assert [line.status for line in lines] == ["warn"]
    assert "Policy Matrix is protected by 'ask the head' (C2:D2)" in lines[0].message
    assert "let the account" in lines[0].hint


def test_an_undo_leaves_what_is_protected_and_undoes_the_rest(owned: Any) -> None:
    owned.set("github", "admin_write", "firearm.read+lock")
    owned.set("slack", "post", "firearm.money")
    owned.push()
    row = owned.find(ADMIN, "Policy Matrix")[1]
    protect(owned, (row, row + 1), (2, 4), text="ask the head")
    report = sync_plans.undo(owned.ws, owned.gateway)
    assert [problem.code for problem in report.problems] == ["protected_cells"]
    assert owned.cell(ADMIN, "firearm_id") == "firearm.read"
    assert owned.cell(POST, "firearm_id") == "firearm.external_write"


def test_a_list_that_was_left_out_is_set_once_the_protection_is_gone(owned: Any) -> None:
    row = owned.find(ADMIN, "Policy Matrix")[1]
    protect(owned, (row, row + 1), (2, 3), text="ask the head")
    more = FirearmCatalogue(firearms=(*owned.ws.firearms.firearms, Firearm(id="firearm.new")))
    owned.ws = replace(owned.ws, firearms=more)
    owned.gateway = owned.gateway_for(owned.spreadsheet_id)

    def offered(at: int) -> list[str]:
        asked = {"ranges": f"'Policy Matrix'!C{at + 1}", "fields": "sheets.data.rowData.values.dataValidation"}
        (sheet,) = owned.book.fetch_sheet_metadata(asked)["sheets"]
        rule = sheet["data"][0]["rowData"][0]["values"][0]["dataValidation"]
        return [value["userEnteredValue"] for value in rule["condition"]["values"]]

    owned.sync()
    assert "firearm.new" not in offered(row)
    before = owned.snapshots()
    assert not owned.sync().changed  # it rests while the protection stands
    assert owned.snapshots() == before
    (one,) = (
        key for key, value in protections(owned, "Policy Matrix").items() if value.get("description") == "ask the head"
    )
    as_head(owned).request("deleteProtectedRange", {"protectedRangeId": one})
    owned.sync()
    assert "firearm.new" in offered(row)
    assert not owned.sync().changed


def rename_and_protect(desk: Any, title: str, cell: str, text: str) -> None:
    """The head renames a header of a tab that only sheetsync writes, and protects what she wrote."""
    as_head(desk).type(f"{title}!{cell}", text)
    column = ord(cell[0]) - ord("A")
    protect(desk, (0, 1), (column, column + 1), title=title, text="mine")


@pytest.mark.parametrize(
    ("title", "cell", "header"),
    [
        ("Connector Registry", "B1", "version"), ("Connector Registry", "A1", "connector_id"),
        ("Coverage Report", "C1", "policy_coverage"), ("Sync Status", "A1", "number"), ("Sync Status", "I1", "message"),
    ],
)  # fmt: skip
def test_a_header_renamed_and_protected_in_a_tab_of_ours_holds_up_nothing_else(
    owned: Any, title: str, cell: str, header: str
) -> None:
    rename_and_protect(owned, title, cell, "My own name")
    owned.set("slack", "post", "firearm.money")
    owned.publish(owned.draft("jira", ["a"], {"a": "firearm.read"}, version="1.0.0"))
    report = owned.sync()
    (problem,) = report.problems
    assert any("protected by 'mine'" in line.message for line in check_spreadsheet(owned.ws, owned.gateway))
    assert (problem.code, problem.tab, problem.cell) == ("protected_cells", title, cell)
    assert f"the header {header} " in problem.message
    assert "protected by 'mine'" in problem.message
    assert owned.cell(POST, "firearm_id") == "firearm.money"
    assert ["jira", "1.0.0"] in [row[:2] for row in owned.values("Connector Registry")]
    assert owned.values(title)[0][ord(cell[0]) - ord("A")] == "My own name"
    before = owned.snapshots()
    again = owned.sync()
    assert (again.calls["write"], again.problems, owned.snapshots()) == (0, [problem], before)


def test_its_rows_are_kept_right_under_it_and_the_header_comes_back_with_the_protection_gone(owned: Any) -> None:
    rename_and_protect(owned, "Connector Registry", "B1", "My own name")
    owned.sync()
    owned.tab("Connector Registry").update([["9.9.9"]], "B2")
    report = owned.sync()
    assert [one["value"] for one in report.to_json()["healed"]] == ["9.9.9"]
    assert owned.values("Connector Registry")[1][:2] == ["github", "1.2.0"]
    owned.sync()
    number = next(key for key, one in protections(owned, "Connector Registry").items() if one["description"] == "mine")
    as_head(owned).request("deleteProtectedRange", {"protectedRangeId": number})
    assert owned.sync().problems == []
    assert owned.values("Connector Registry")[0][:2] == ["connector_id", "version"]
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize(("whole", "column"), [(True, 4), (False, 4), (False, 0)])
def test_a_header_deleted_with_its_column_in_a_protected_tab_waits(owned: Any, whole: bool, column: int) -> None:
    where = {"sheetId": owned.tab("Connector Registry").id, "dimension": "COLUMNS"}
    as_head(owned).request("deleteDimension", {"range": where | {"startIndex": column, "endIndex": column + 1}})
    for one in protections(owned, "Connector Registry").values() if whole else ():
        one["editors"] = {"users": [HEAD]}
    if not whole:
        protect(owned, (0, 1), (2, 3), title="Connector Registry", text="mine")
    owned.set("slack", "post", "firearm.money")
    owned.publish(owned.draft("jira", ["a"], {"a": "firearm.read"}, version="1.0.0"))
    report = owned.sync()
    assert {problem.tab for problem in report.problems} == {"Connector Registry"}
    assert owned.cell(POST, "firearm_id") == "firearm.money"
    assert owned.sync().calls["write"] == 0


def test_a_pull_answers_under_a_header_that_was_renamed_and_protected(owned: Any) -> None:
    rename_and_protect(owned, "Sync Status", "B1", "My own name")
    owned.edit(READ, "firearm_id", "firearm.read")
    report = owned.pull()
    assert [problem.code for problem in report.problems] == ["protected_cells"]
    assert owned.status(*READ).startswith("pending in draft_")
    assert "pending draft" in [row[1] for row in owned.values("Sync Status")]
    assert owned.sync().calls["write"] == 0
