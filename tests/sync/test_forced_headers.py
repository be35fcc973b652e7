"""Headers written again where people protect cells of the tab, and where the epoch must be opened first."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.errors import SafetyStopError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services.sync_plans import resume, undo
from sheetsync.sync.drift import expected_protections
from sheetsync.sync.gateway import PROTECTION_MARK
from sheetsync.sync.tabs import POLICY

HEAD = "head@example.com"
MATRIX, KPIS = "Policy Matrix", "KPIs"
HEADERS = ["connector_id", "scope", "firearm_id", "strategy_lock", "sync_status"]
FORCE = {"headers": frozenset({MATRIX, KPIS})}
QUIET = {"read": 1, "write": 0, "drive": 0}
POST = ("slack", "post")


@pytest.fixture
def owned(desk: Any) -> Any:
    """As on Google: a person owns the file, the service account edits it."""
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = HEAD
    return desk


def head(desk: Any) -> Collaborator:
    return Collaborator(desk.server.workspace, desk.spreadsheet_id, HEAD)


def protect(desk: Any, rows: tuple[int, int] | None, columns: tuple[int, int] | None, title: str = MATRIX) -> None:
    where = {"sheetId": desk.tab(title).id}
    if rows is not None:
        where |= {"startRowIndex": rows[0], "endRowIndex": rows[1]}
    if columns is not None:
        where |= {"startColumnIndex": columns[0], "endColumnIndex": columns[1]}
    one = {"range": where, "description": "ask the head", "editors": {"users": [HEAD]}}
    head(desk).request("addProtectedRange", {"protectedRange": one})


def delete_column(desk: Any, title: str, at: int) -> None:
    where = {"sheetId": desk.tab(title).id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    head(desk).request("deleteDimension", {"range": where})


def ours(desk: Any) -> list[str]:
    sheets = desk.server.workspace.spreadsheet(desk.spreadsheet_id).sheets
    found = next(sheet.protected_ranges for sheet in sheets if sheet.title == MATRIX).values()
    return sorted(one["description"] for one in found if one["description"].startswith(PROTECTION_MARK))


def offered(desk: Any, row: int) -> list[str]:
    """The dropdown of a row's firearm, in whatever column it stands."""
    sheets = desk.server.workspace.spreadsheet(desk.spreadsheet_id).sheets
    cell = next(sheet for sheet in sheets if sheet.title == MATRIX).cell(row, desk.values()[0].index("firearm_id"))
    return (
        [] if cell is None or cell.rule is None else [v["userEnteredValue"] for v in cell.rule["condition"]["values"]]
    )


def grow_catalogue(desk: Any) -> None:
    firearms = (*desk.ws.firearms.firearms, Firearm(id="firearm.new"))
    desk.ws = replace(desk.ws, firearms=FirearmCatalogue(firearms=firearms))
    desk.gateway = desk.gateway_for(desk.spreadsheet_id)


# -- protected cells


@pytest.mark.parametrize(
    ("rows", "columns"),
    [((3, 4), (2, 3)), ((1, 3), (0, 5)), ((1, 2), None), ((0, 1), (3, 4)), (None, (3, 4)), (None, (0, 1))],
)
@pytest.mark.parametrize("run", ["push", "sync"])
def test_a_header_is_written_again_around_what_people_protect(
    owned: Any, run: str, rows: tuple[int, int] | None, columns: tuple[int, int] | None
) -> None:
    protect(owned, rows, columns)
    before = ours(owned)
    owned.tab().update([["renamed"]], "E1")
    owned.set("slack", "read", "firearm.read")
    report = getattr(owned, run)(forces=owned.force(**FORCE))
    assert report.calls["write"] == 1
    assert owned.values()[0] == HEADERS
    assert owned.cell(("slack", "read"), "firearm_id") == "firearm.read"
    assert ours(owned) == before
    assert len(before) == expected_protections(POLICY)
    assert owned.sync().calls == QUIET


def test_a_deleted_column_comes_back_with_its_lists_around_what_people_protect(owned: Any) -> None:
    protect(owned, (3, 4), (3, 4))
    delete_column(owned, MATRIX, 2)
    owned.push(forces=owned.force(**FORCE))
    assert owned.cell(POST, "firearm_id") == "firearm.external_write"
    assert "firearm.money" in offered(owned, 1)
    assert owned.sync().calls == QUIET


def test_rows_come_and_go_as_the_header_is_written_again(owned: Any) -> None:
    """The formats are set by the rows of the read, before any row is removed or inserted."""
    protect(owned, (4, 5), (2, 3))
    owned.tab().update([["renamed"]], "E1")
    owned.retire("github")
    owned.publish(owned.draft("alpha", ["a", "b", "c"], {"a": "NONE"}))
    owned.sync(forces=owned.force(**FORCE))
    keys = [tuple(row[:2]) for row in owned.values()[1:]]
    assert keys == [("alpha", "a"), ("alpha", "b"), ("alpha", "c"), POST, ("slack", "read")]
    assert all("firearm.money" in offered(owned, at) for at in range(1, 6))
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize(("rows", "columns"), [((0, 1), (4, 5)), (None, (4, 5)), (None, None)])
def test_a_header_that_is_protected_itself_stops_with_the_name_of_its_protection(
    owned: Any, rows: tuple[int, int] | None, columns: tuple[int, int] | None
) -> None:
    owned.tab().update([["renamed"]], "E1")
    protect(owned, rows, columns)
    before = owned.snapshots()
    with pytest.raises(SafetyStopError) as stop:
        owned.sync(forces=owned.force(**FORCE))
    assert stop.value.code == "protected_header"
    assert "lacks the header sync_status" in stop.value.message
    assert "'ask the head'" in stop.value.message
    assert (owned.snapshots(), owned.values()[0][4]) == (before, "renamed")


def test_a_column_that_cannot_be_added_stops_with_the_name_of_the_protection(owned: Any) -> None:
    delete_column(owned, MATRIX, 3)
    protect(owned, None, None)
    with pytest.raises(SafetyStopError, match="lacks the header strategy_lock, and E1 is protected by 'ask the head'"):
        owned.sync(forces=owned.force(**FORCE))


def test_whole_rows_that_are_protected_are_so_in_an_added_column_too(owned: Any) -> None:
    delete_column(owned, MATRIX, 3)
    protect(owned, (0, 1), None)
    with pytest.raises(SafetyStopError, match="lacks the header strategy_lock, and E1 is protected by 'ask the head'"):
        owned.sync(forces=owned.force(**FORCE))


@pytest.mark.parametrize("column", [2, 3])
def test_a_column_that_cannot_be_filled_is_not_made_again_and_read_as_emptied(owned: Any, column: int) -> None:
    delete_column(owned, MATRIX, column)
    protect(owned, (1, 3), None)
    with pytest.raises(SafetyStopError, match=f"lacks the header {HEADERS[column]}, and E1 is protected by 'ask the"):
        owned.sync(forces=owned.force(**FORCE))
    assert owned.open_drafts() == []


def test_a_column_of_answers_is_made_again_though_some_of_them_wait(owned: Any) -> None:
    delete_column(owned, MATRIX, 4)
    protect(owned, (1, 3), None)
    assert owned.sync(forces=owned.force(**FORCE)).calls["write"] == 1
    assert owned.values()[0] == HEADERS
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize("answer", ["adopt", "restore_from_store"])
def test_a_tab_of_peoples_is_adopted_around_what_they_protect(empty: Any, answer: str) -> None:
    empty.publish(empty.draft("alpha", ["a", "b"], {"a": "firearm.read", "b": "NONE"}))
    empty.server.workspace.spreadsheet(empty.spreadsheet_id).owner = HEAD
    rows = [["alpha", "a", "firearm.read", False], ["alpha", "b", "NONE", False]]
    empty.book.add_worksheet(MATRIX, 12, 8).update([HEADERS[:4], *rows], "A1")
    protect(empty, (1, 2), (2, 3))
    empty.sync(forces=empty.force(**{answer: True}))
    assert empty.values()[0] == HEADERS
    assert (offered(empty, 1), len(offered(empty, 2))) == ([], 4)
    assert empty.sync().calls == QUIET


# -- an epoch to be opened first


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize(("title", "column"), [(KPIS, 3), (MATRIX, 2), (MATRIX, 4)])
def test_an_epoch_is_opened_and_a_header_written_again_in_one_run(
    owned: Any, protected: bool, title: str, column: int
) -> None:
    owned.tab(KPIS).update([["renamed_kpi"]], "B2")
    delete_column(owned, title, column)
    if protected:
        protect(owned, (3, 4), (1, 2))
    scratch = next(one for one in owned.book.worksheets() if one.title.startswith("sheetsync epoch"))
    head(owned).request("deleteSheet", {"sheetId": scratch.id})
    with pytest.raises(SafetyStopError):
        owned.sync()
    owned.sync(forces=owned.force(adopt=True, **FORCE))
    assert owned.cell(POST, "firearm_id") == "firearm.external_write"
    assert set(HEADERS) <= set(owned.values()[0])
    for _ in range(2):
        report = owned.sync()
    assert report.calls == QUIET


# -- an undo, which sets no validations


def test_an_undo_leaves_the_lists_to_the_run_that_goes_on(desk: Any) -> None:
    desk.set("slack", "post", "firearm.read")
    desk.push()
    grow_catalogue(desk)
    undo(desk.ws, desk.gateway)
    assert "firearm.new" not in offered(desk, 3)
    resume(desk.ws, desk.gateway)
    assert "firearm.new" in offered(desk, 3)
    assert desk.sync().calls == QUIET
