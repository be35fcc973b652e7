"""Cells that only sheetsync writes: what others put there is put back, kept in the journal, and reported once."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services import drafts

POST = ("slack", "post")
READ = ("slack", "read")
PUBLIC = ("github", "read_public")
QUIET = {"read": 1, "write": 0, "drive": 0}


def told(report: Any) -> list[tuple[Any, ...]]:
    return [(one["tab"], tuple(one["row_key"]), one["column"], one["value"]) for one in report.to_json()["healed"]]


def journaled(desk: Any) -> list[Any]:
    return [one["value"] for entry in desk.ws.store.log() for one in entry.details.get("overwritten", [])]


@pytest.mark.parametrize("run", ["push", "pull", "sync"])
def test_a_typed_status_is_put_back_kept_and_reported(desk: Any, run: str) -> None:
    where = desk.edit(POST, "sync_status", "Bea: done in May")
    report = getattr(desk, run)()
    assert desk.status(*POST) == ""
    assert told(report) == [("Policy Matrix", POST, "sync_status", "Bea: done in May")]
    assert report.to_json()["healed"][0]["cell"] == where
    assert journaled(desk) == ["Bea: done in May"]
    assert report.exit_code == 0
    again = desk.sync()
    assert (again.calls, told(again), again.changed) == (QUIET, [], False)


@pytest.mark.parametrize("typed", ["pending?", 7, True, "=1+1"])
def test_whatever_stands_there_is_reported_as_it_stands(desk: Any, typed: Any) -> None:
    desk.edit(POST, "sync_status", typed, raw=False)
    assert [one[3] for one in told(desk.sync())] == [typed]
    assert desk.status(*POST) == ""


def test_a_comment_typed_behind_our_answer_is_reported_and_the_answer_stands(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.raed")
    assert desk.sync().exit_code == 3
    said = desk.status(*POST)
    desk.edit(POST, "sync_status", said + " -- ask Cem")
    assert told(desk.sync()) == [("Policy Matrix", POST, "sync_status", said + " -- ask Cem")]
    assert desk.status(*POST) == said
    assert desk.sync().calls == QUIET


def test_our_own_answers_are_never_reported_when_they_change(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.raed")
    desk.edit(READ, "firearm_id", "firearm.read")
    desk.sync()
    desk.edit(POST, "firearm_id", "firearm.money")
    assert told(desk.sync()) == []
    drafts.discard_draft(desk.ws, desk.open_drafts()[0].id, "not now")
    assert told(desk.sync()) == []
    desk.edit(POST, "firearm_id", "firearm.read")
    assert told(desk.sync()) == []
    desk.edit(READ, "sync_status", "")  # cleared: nothing that could be kept
    assert told(desk.sync()) == []
    assert desk.status(*READ) == "rejected: not now"
    assert desk.sync().calls == QUIET


def test_a_status_typed_while_we_write_is_reported(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.server.script.act(
        lambda workspace: Collaborator(workspace, desk.spreadsheet_id).type("Policy Matrix!E4", "typed"),
        "before",
        "write",
    )
    report = desk.sync()
    assert told(report) == [("Policy Matrix", POST, "sync_status", "typed")]
    assert journaled(desk) == ["typed"]
    assert desk.status(*POST).startswith("pending in ")
    assert desk.sync().calls == QUIET


def test_a_kpi_rows_status_too(desk: Any) -> None:
    desk.edit(("github", "cost_per_call"), "sync_status", "why?", "KPIs")
    assert told(desk.sync()) == [("KPIs", ("github", "cost_per_call"), "sync_status", "why?")]


@pytest.mark.parametrize("column", ["connector_id", "scope"])
def test_a_changed_key_is_put_back_and_the_retyped_row_is_a_problem(desk: Any, column: str) -> None:
    desk.edit(POST, column, "other")
    report = desk.sync()
    retyped = ("other", "post") if column == "connector_id" else ("slack", "other")
    assert [one.row_key for one in report.problems] == [retyped]
    assert desk.row(*POST)[2] == "firearm.external_write"
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize(("title", "column"), [
    ("Connector Registry", "connector_id"), ("Connector Registry", "version"), ("Connector Registry", "published_at"),
    ("Connector Registry", "scope_count"), ("Connector Registry", "firearms_required"),
    ("Coverage Report", "engine_route"), ("Coverage Report", "mcp_wrapper_status"),
    ("Coverage Report", "policy_coverage"),
])  # fmt: skip
def test_every_column_of_the_tabs_for_reading(desk: Any, title: str, column: str) -> None:
    before = desk.values(title)
    at = before[0].index(column)
    desk.tab(title).update([["typed"]], f"{chr(65 + at)}2")
    report = desk.push()
    assert [(one[0], one[2], one[3]) for one in told(report)] == [(title, column, "typed")]
    assert desk.values(title) == before
    assert journaled(desk) == ["typed"]
    assert desk.push().calls == QUIET


def test_a_row_typed_below_a_tab_for_reading_goes_and_is_reported(desk: Any) -> None:
    before = desk.values("Connector Registry")
    desk.tab("Connector Registry").append_row(["jira", "7.7.7"])
    assert [one[1:] for one in told(desk.sync())] == [
        (("jira",), "connector_id", "jira"), (("jira",), "version", "7.7.7")
    ]  # fmt: skip
    assert desk.values("Connector Registry") == before


def test_sync_status_tab_is_put_back_and_reported(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.raed")
    desk.sync()
    before = desk.values("Sync Status")
    desk.tab("Sync Status").update([["mine"]], "I2")
    desk.tab("Sync Status").append_row([99, "todo"])
    report = desk.sync()
    assert [(one[0], one[3]) for one in told(report)] == [
        ("Sync Status", "mine"),
        ("Sync Status", 99),
        ("Sync Status", "todo"),
    ]
    assert desk.values("Sync Status") == before
    assert desk.sync().calls == QUIET


def test_sync_status_that_we_rewrite_is_not_reported(desk: Any) -> None:
    for value in ("firearm.raed", "firearm.x", "firearm.read", "firearm.external_write"):
        desk.edit(POST, "firearm_id", value)
        desk.edit(PUBLIC, "firearm_id", "firearm.nothing" if value == "firearm.x" else "NONE")
        assert told(desk.sync()) == []
    assert desk.sync().calls == QUIET
