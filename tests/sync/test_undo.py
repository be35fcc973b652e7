"""Undo puts back what the last push wrote, and nothing else: owners' edits stay, and none is invented."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sheetsync.errors import SafetyStopError, SharingError, SheetSyncError, UsageError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.localsheets.faults import Step
from sheetsync.services.status import status
from sheetsync.services.sync_plans import resume, undo
from sheetsync.services.sync_state import load_state

if TYPE_CHECKING:
    from sheetsync.services.syncing import SyncReport
    from tests.sync.conftest import Desk

KPI = {"cost_per_call": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5, "unit": "EUR"}}
READ, POST = ("github", "read_public"), ("slack", "post")
JIRA, JIRA_KPI = ("jira", "b"), ("jira", "k")


def undone(desk: Desk) -> SyncReport:
    return undo(desk.ws, desk.gateway)


def resumed(desk: Desk) -> SyncReport:
    return resume(desk.ws, desk.gateway)


def edits(desk: Desk) -> list[tuple[Any, ...]]:
    return [(e.row_key, e.column, e.value) for draft in desk.open_drafts() for e in draft.origin.edits]


def add_jira(desk: Desk) -> None:
    kpis = {"k": {"impact_type": "cost", "formula": "usage.cost"}}
    desk.publish(desk.draft("jira", ["a", "b"], {"a": "NONE"}, kpis=kpis))
    desk.push()


def types(desk: Desk, cell: str, text: str, when: str = "before") -> None:
    """An owner types between our read and our write."""
    desk.server.script.act(lambda space: Collaborator(space, desk.spreadsheet_id).type(cell, text), when, "write")


def test_rows_that_owners_changed_since_they_were_added_stay_and_are_told(desk: Desk) -> None:
    add_jira(desk)
    desk.edit(JIRA, "firearm_id", "firearm.money")
    desk.edit(JIRA_KPI, "formula", "usage.cost * 3", "KPIs")
    report = undone(desk)
    assert {(one.cell[1], one.value) for one in report.pending} == {
        (JIRA, "firearm.money"),
        (JIRA_KPI, "usage.cost * 3"),
    }
    assert {one.row_key for one in report.problems if one.code == "undo_left"} == {JIRA, JIRA_KPI}
    assert ["jira", "a"] not in [row[:2] for row in desk.values()]  # nobody changed that one: it went
    resumed(desk)
    desk.sync()
    assert edits(desk) == [(JIRA, "firearm_id", "firearm.money"), (JIRA_KPI, "formula", "usage.cost * 3")]


def test_an_added_row_with_something_in_peoples_own_columns_stays(desk: Desk) -> None:
    tab = desk.tab()
    desk.book.batch_update(
        {"requests": [{"appendDimension": {"sheetId": tab.id, "dimension": "COLUMNS", "length": 1}}]}
    )
    tab.update([["risk"]], "F1")
    add_jira(desk)
    tab.update([["ask Bea"]], f"F{desk.find(JIRA, 'Policy Matrix')[1] + 1}")
    undone(desk)
    assert desk.row(*JIRA)[5] == "ask Bea"
    assert ["jira", "a"] not in [row[:2] for row in desk.values()]


def test_an_undone_addition_comes_back_and_is_nobodys_deletion(desk: Desk) -> None:
    desk.set_kpi("github", KPI | {"new_kpi": {"impact_type": "count", "formula": "usage.count"}})
    desk.push()
    undone(desk)
    assert len(desk.values("KPIs")) == 2
    assert resumed(desk).pending == []
    assert desk.row("github", "new_kpi", title="KPIs")[2:4] == ["count", "usage.count"]
    desk.sync()
    assert desk.open_drafts() == []


def test_an_edit_under_the_undo_is_told_and_comes_back(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    types(desk, "Policy Matrix!C4", "firearm.read")
    report = undone(desk)
    assert report.calls == {"read": 1, "write": 1, "drive": 0}  # a second look would undo the undo
    assert [(one.cell[1], one.value) for one in report.pending] == [(POST, "firearm.read")]
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    resumed(desk)
    desk.sync()
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    assert edits(desk) == [(POST, "firearm_id", "firearm.read")]


def test_an_edit_that_was_healed_is_not_undone(desk: Desk) -> None:
    desk.set("github", "read_public", "firearm.read")
    types(desk, "Policy Matrix!C3", "firearm.money")
    desk.push()
    with pytest.raises(UsageError, match="left to undo"):
        undone(desk)
    assert desk.cell(READ, "firearm_id") == "firearm.money"
    desk.sync()
    assert edits(desk) == [(READ, "firearm_id", "firearm.money")]


def test_an_edit_made_since_the_push_stays_and_is_told(desk: Desk) -> None:
    desk.set("github", "read_public", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    desk.push()
    desk.edit(READ, "firearm_id", "firearm.money")
    report = undone(desk)
    assert [(one.cell[1], one.value) for one in report.pending] == [(READ, "firearm.money")]
    assert [one.row_key for one in report.problems] == [READ]
    assert desk.cell(READ, "firearm_id") == "firearm.money"
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"


def test_an_undo_that_was_refused_holds_nothing(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    desk.server.script.add(Step.parse("403 before write times 1"))
    with pytest.raises(SharingError):
        undone(desk)
    assert load_state(desk.ws, desk.spreadsheet_id)[0].held == ""
    undone(desk)
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"


def test_an_undo_whose_answer_is_lost_is_done_once_and_holds(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    desk.server.script.add(Step.parse("drop after write times 1"))
    assert undone(desk).changed
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    with pytest.raises(SafetyStopError, match="an undo holds"):
        desk.sync()


@pytest.mark.parametrize("follows", ["sync", "undo", "resume"])
def test_an_undo_that_nobody_knows_to_have_landed_is_found_by_the_next_run(desk: Desk, follows: str) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    desk.server.script.add(Step.parse("drop after write times 1"))
    desk.server.script.add(Step.parse("403 before read skip 1 times 1"))
    with pytest.raises(SheetSyncError):
        undone(desk)
    assert load_state(desk.ws, desk.spreadsheet_id)[0].held == ""
    if follows == "sync":
        with pytest.raises(SafetyStopError, match="an undo holds"):
            desk.sync()
    elif follows == "undo":
        undone(desk)
    if follows != "resume":
        assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    resumed(desk)
    assert desk.cell(POST, "firearm_id") == "firearm.money"


def test_rows_removed_by_the_push_come_back_once(desk: Desk) -> None:
    before = desk.values()
    desk.retire("github")
    desk.push()
    desk.tab().append_row(["github", "admin_write", "firearm.read", False])  # its owner typed it again
    report = undone(desk)
    assert [one.row_key for one in report.problems] == [("github", "admin_write")]
    rows = sorted(desk.values()[1:])
    assert [row[:2] for row in rows] == sorted(row[:2] for row in before[1:])
    assert desk.cell(("github", "admin_write"), "firearm_id") == "firearm.read"


def test_a_second_undo_is_refused_and_says_nothing_of_how_runs_go(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    undone(desk)
    assert status(desk.ws).healthy
    for _ in range(2):
        desk.clock.advance(60)
        with pytest.raises(SafetyStopError, match="an undo holds") as stop:
            undone(desk)
        assert stop.value.exit_code == 7
        assert status(desk.ws).healthy
    with pytest.raises(SafetyStopError):
        desk.sync()  # what cron runs is stopped, and that is told
    assert not status(desk.ws).healthy


def test_a_dry_run_of_a_resume_says_what_the_resume_then_does(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.push()
    undone(desk)
    before, values = desk.snapshots(), desk.values()
    told = resume(desk.ws, desk.gateway, dry_run=True).to_json()
    assert (desk.snapshots(), desk.values()) == (before, values)
    assert load_state(desk.ws, desk.spreadsheet_id)[0].held
    done = resumed(desk).to_json()
    assert told["changed"]
    assert told["tabs"] == done["tabs"]
    assert told["tabs"]["Policy Matrix"]["cells_written"] > 0
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    assert not resume(desk.ws, desk.gateway, dry_run=True).changed
