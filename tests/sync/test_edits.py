"""The life of an owner's edit, through the real server and plain gspread: pending, superseded, conflicted, answered."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from sheetsync.services import drafts

ADMIN = ("github", "admin_write")
PUBLIC = ("github", "read_public")
POST = ("slack", "post")
READ = ("slack", "read")
COST = ("github", "cost_per_call")


def edits_of(report: Any) -> list[tuple[Any, ...]]:
    return [
        (draft["connector_id"], edit["tab"], tuple(edit["row_key"]), edit["column"], edit["base"], edit["value"])
        for draft in report.to_json()["drafts"]
        for edit in draft["edits"]
    ]


def test_first_push_shows_the_tables_typed(desk: Any) -> None:
    assert desk.values() == [
        ["connector_id", "scope", "firearm_id", "strategy_lock", "sync_status"],
        ["github", "admin_write", "firearm.external_write", True, ""],
        ["github", "read_public", "NONE", False, ""],
        ["slack", "post", "firearm.external_write", False, ""],
        ["slack", "read", "", False, ""],
    ]
    assert desk.values("Coverage Report")[1:] == [["/chat/*", "DONE", 1], ["/video/*", "MISSING", 0]]
    assert desk.values("Connector Registry")[1] == ["github", "1.2.0", 2, True, "2026-01-07T12:00:00Z"]
    assert desk.values("KPIs")[1] == ["github", "cost_per_call", "cost", "usage.cost * 1.0", 5, "EUR", ""]


@pytest.mark.parametrize("run", ["push", "pull", "sync"])
def test_a_second_run_reads_once_and_does_nothing(desk: Any, run: str) -> None:
    head, before = desk.snapshots(), desk.values("Sync Status")
    report = getattr(desk, run)()
    assert report.calls == {"read": 1, "write": 0, "drive": 0}
    assert not report.changed
    assert desk.snapshots() == head
    assert desk.values("Sync Status") == before


def test_first_push_is_one_read_an_opening_and_one_write(empty: Any) -> None:
    empty.publish(empty.draft("github", ["a"], {"a": "NONE"}))
    assert empty.push().calls == {"read": 1, "write": 2, "drive": 0}


def test_a_small_change_is_one_read_and_one_write(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    report = desk.push()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    assert report.to_json()["tabs"]["Policy Matrix"] == {"cells_written": 1, "rows_added": 0, "rows_removed": 0}


def test_pull_makes_one_draft_a_connector_and_answers_in_the_same_write(desk: Any) -> None:
    where = desk.edit(PUBLIC, "firearm_id", "firearm.read")
    desk.edit(COST, "formula", "usage.cost * 2", "KPIs")
    desk.edit(READ, "firearm_id", "none")
    report = desk.pull()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    assert edits_of(report) == [
        ("github", "Policy Matrix", PUBLIC, "firearm_id", "NONE", "firearm.read"),
        ("github", "KPIs", COST, "formula", "usage.cost * 1.0", "usage.cost * 2"),
        ("slack", "Policy Matrix", READ, "firearm_id", "", "NONE"),
    ]
    github, slack = report.to_json()["drafts"]
    assert github["edits"][0]["cell"] == where
    assert desk.status(*PUBLIC) == f"pending in {github['id']}"
    assert desk.status(*COST, title="KPIs") == f"pending in {github['id']}"
    assert desk.status(*READ) == f"pending in {slack['id']}"
    assert report.exit_code == 0


def test_loosening_is_told(desk: Any) -> None:
    desk.edit(ADMIN, "strategy_lock", False)
    assert [edit["loosening"] for edit in desk.pull().to_json()["drafts"][0]["edits"]] == [True]


def test_a_push_between_pull_and_publish_leaves_pending_values_standing(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    draft = desk.pull().drafts[0].id
    desk.push()
    desk.sync()
    assert desk.cell(PUBLIC, "firearm_id") == "firearm.read"
    assert desk.status(*PUBLIC) == f"pending in {draft}"


def test_push_leaves_an_edit_that_is_in_no_draft_and_reports_it(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    report = desk.push()
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    assert [(one["column"], one["value"]) for one in report.to_json()["pending"]] == [("firearm_id", "firearm.read")]


def test_published_is_answered_until_the_row_changes_again(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    desk.publish(desk.pull().drafts[0].id)
    desk.sync()
    assert desk.status(*PUBLIC) == "published"
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}
    desk.set("github", "read_public", "firearm.money")
    desk.sync()
    assert desk.status(*PUBLIC) == ""
    assert desk.cell(PUBLIC, "firearm_id") == "firearm.money"


def test_discarding_rejects_and_shows_published_again(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    drafts.discard_draft(desk.ws, desk.pull().drafts[0].id, "not now")
    desk.sync()
    assert desk.cell(PUBLIC, "firearm_id") == "NONE"
    assert desk.status(*PUBLIC) == "rejected: not now"
    desk.sync()
    assert desk.status(*PUBLIC) == "rejected: not now"
    desk.edit(PUBLIC, "firearm_id", "firearm.money")
    report = desk.sync()
    assert edits_of(report)[0][-2:] == ("NONE", "firearm.money")
    assert desk.status(*PUBLIC).startswith("pending in ")


def test_a_second_pull_carries_pending_edits_and_supersedes(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    first = desk.pull().drafts[0].id
    desk.edit(ADMIN, "strategy_lock", False)
    second = desk.pull().drafts[0].id
    assert [one.id for one in desk.open_drafts()] == [second]
    old = desk.ws.catalogue().draft(first).draft
    assert (old.status, old.superseded_by) == ("superseded", second)
    assert len(desk.open_drafts()[0].origin.edits) == 2
    assert desk.status(*PUBLIC) == f"pending in {second}"


def test_setting_the_value_back_withdraws_the_edit(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    first = desk.pull().drafts[0].id
    desk.edit(PUBLIC, "firearm_id", "NONE")
    report = desk.pull()
    assert report.drafts == []
    assert desk.open_drafts() == []
    assert desk.ws.catalogue().draft(first).draft.status == "superseded"
    assert desk.status(*PUBLIC) == ""


def test_both_changed_differently_is_a_conflict_with_three_values(desk: Any) -> None:
    where = desk.edit(POST, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    report = desk.sync()
    assert report.exit_code == 3
    assert report.to_json()["conflicts"] == [
        {
            "tab": "Policy Matrix", "cell": where, "row_key": ["slack", "post"], "column": "firearm_id",
            "base": "firearm.external_write", "yours": "firearm.read", "theirs": "firearm.money",
        }
    ]  # fmt: skip
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    assert desk.status(*POST).startswith("conflict: ")
    shown = next(row for row in desk.values("Sync Status") if row[1] == "conflict")
    assert shown[5:8] == ["firearm.external_write", "firearm.read", "firearm.money"]


def test_published_moving_under_a_pending_edit_is_a_conflict(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    desk.set("slack", "post", "firearm.money")
    assert desk.sync().exit_code == 3
    assert desk.status(*POST).startswith("conflict: ")
    assert [one.theirs for one in desk.ws.catalogue().draft(draft).draft.open_conflicts()] == ["firearm.money"]
    assert desk.sync().calls["write"] == 0


@pytest.mark.parametrize(("side", "value"), [("yours", "firearm.read"), ("theirs", "firearm.money")])
def test_a_resolved_conflict_does_not_come_back(desk: Any, side: Any, value: str) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", side)
    report = desk.sync()
    assert report.conflicts == []
    assert desk.cell(POST, "firearm_id") == value
    assert desk.status(*POST).startswith("pending in " if side == "yours" else "rejected: ")
    assert desk.sync().calls["write"] == 0
    assert desk.note(desk.at(POST, "firearm_id")) == ""


def test_scopes_of_a_connector_never_published_are_shown_and_can_be_decided(desk: Any) -> None:
    desk.draft("jira", ["close", "open"], {"open": "NONE"})
    desk.sync()
    assert desk.row("jira", "close") == ["jira", "close", "", False, "not published yet"]
    desk.edit(("jira", "close"), "firearm_id", "firearm.read")
    made = desk.sync().drafts[0].id
    assert desk.status("jira", "close") == f"pending in {made}"
    assert desk.ws.catalogue().published("jira") is None
    drafts.discard_draft(desk.ws, made, "wait")
    desk.sync()
    assert desk.row("jira", "close")[2] == ""
    assert desk.status("jira", "close") == "rejected: wait"
    assert desk.row("jira", "open")[2] == "NONE"


def test_clearing_a_pending_decision_on_an_undecided_scope_withdraws_it(desk: Any) -> None:
    desk.edit(READ, "firearm_id", "firearm.read")
    desk.sync()
    desk.edit(READ, "firearm_id", "")
    report = desk.sync()
    assert report.problems == []
    assert desk.open_drafts() == []
    assert desk.status(*READ) == ""


def test_settling_edits_are_neither_drafted_nor_overwritten(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    first = desk.sync(settle_seconds=120)
    assert first.drafts == []
    assert [one["value"] for one in first.to_json()["settling"]] == ["firearm.read"]
    assert desk.status(*POST) == "settling"
    desk.clock.advance(60)
    desk.edit(POST, "firearm_id", "firearm.money")
    desk.clock.advance(100)
    assert desk.sync(settle_seconds=120).drafts == []
    desk.clock.advance(121)
    assert edits_of(desk.sync(settle_seconds=120))[0][-1] == "firearm.money"


def test_a_retired_connector_leaves_and_its_edits_are_rejected(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.sync()
    desk.retire("slack")
    desk.sync()
    assert {row[0] for row in desk.values()[1:]} == {"github"}
    said = [row for row in desk.values("Sync Status") if row[1] == "rejected"]
    assert said[0][8] == "rejected: connector retired"
    assert desk.sync().calls["write"] == 0


def test_an_unlocked_undecided_row_and_an_empty_lock_are_the_same(desk: Any) -> None:
    desk.edit(POST, "strategy_lock", "")
    assert desk.sync().drafts == []


def test_an_operators_change_of_a_pending_cell_is_shown_at_publish_and_said(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    binding = desk.ws.catalogue().draft(draft).draft.policy_snapshot.firearms["post"]
    changed = binding.model_copy(update={"firearm_id": "firearm.money"})
    drafts.edit_draft(desk.ws, draft, firearms={"post": changed})
    desk.sync()
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    desk.publish(draft)
    desk.sync()
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    assert desk.status(*POST) == "rejected: published as firearm.money"
    desk.edit(POST, "firearm_id", "firearm.read")
    edits = edits_of(desk.sync())
    assert edits[0][-2:] == ("firearm.money", "firearm.read")


def test_one_round_under_a_clock_that_was_ahead_holds_no_edit_up(desk: Any) -> None:
    desk.edit(("github", "read_public"), "firearm_id", "firearm.read")
    desk.clock.advance(365 * 86_400)
    assert len(desk.sync(settle_seconds=120).settling) == 1
    desk.clock._now -= timedelta(days=365)
    assert len(desk.sync(settle_seconds=120).settling) == 1
    desk.clock.advance(120)
    assert len(desk.sync(settle_seconds=120).drafts) == 1


@pytest.mark.parametrize("bad", ["a lock with no firearm", "a KPI without its formula"])
def test_a_push_leaves_the_answer_to_a_bad_row_as_a_pull_gave_it(bad: str, desk: Any) -> None:
    if bad == "a lock with no firearm":
        key, title = ("github", "read_public"), "Policy Matrix"
        desk.edit(key, "strategy_lock", True)
    else:
        key, title = ("github", "cost_per_call"), "KPIs"
        desk.edit(key, "formula", "", title)
    desk.pull()
    said = desk.status(*key, title=title)
    assert said.startswith("problem:")
    for run in (desk.push, desk.pull, desk.push, desk.sync):
        report = run()
        assert report.exit_code == 3
        assert desk.status(*key, title=title) == said
        assert report.calls["write"] == 0 or run == desk.push
    before = desk.snapshots()
    assert desk.push().calls == {"read": 1, "write": 0, "drive": 0}
    assert desk.pull().calls == {"read": 1, "write": 0, "drive": 0}
    assert desk.snapshots() == before
    assert desk.open_drafts() == []


@pytest.mark.parametrize("first", ["removed", "published"])
@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_proposed_kpi_that_operators_removed_in_the_draft_drops_none_that_was_published_since(
    desk: Any, side: Any, first: str
) -> None:
    key, row = ("github", "another"), {"impact_type": "cost", "formula": "usage.count", "target": 9}
    desk.tab("KPIs").update([[*key, "cost", "usage.count", 7]], f"A{len(desk.values('KPIs')) + 1}")
    draft = desk.sync().drafts[0].id
    if first == "published":
        desk.set_kpi("github", {"another": row})
        desk.sync()
    drafts.edit_draft(desk.ws, draft, kpis={"another": None})
    if first == "removed":
        desk.set_kpi("github", {"another": row})
        desk.sync()
    drafts.resolve_conflict(desk.ws, draft, key, "target", side)
    report, target = desk.sync(), 7 if side == "yours" else 9
    assert (report.conflicts, report.problems) == ([], [])
    assert desk.cell(key, "target", "KPIs") == target
    if desk.open_drafts():
        desk.publish(draft)
        desk.sync()
    assert desk.ws.catalogue().published("github").policy().kpis["another"].target == target
    assert desk.sync().calls["write"] == 0


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_cell_of_a_kpi_that_operators_removed_in_the_draft_is_decided(desk: Any, side: Any) -> None:
    desk.edit(COST, "target", 7, "KPIs")
    draft = desk.sync().drafts[0].id
    row = {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 6, "unit": "EUR"}
    desk.set_kpi("github", {"cost_per_call": row})
    desk.sync()
    drafts.edit_draft(desk.ws, draft, kpis={"cost_per_call": None})
    drafts.resolve_conflict(desk.ws, draft, COST, "target", side)
    now = desk.ws.catalogue().draft(draft).draft
    assert [edit.value for edit in now.origin.edits] == ([7] if side == "yours" else [])
    assert (now.open_conflicts(), "cost_per_call" in now.policy_snapshot.kpis) == ((), False)
    report = desk.sync()
    assert (report.conflicts, report.problems) == ([], [])
    assert desk.cell(COST, "target", "KPIs") == (7 if side == "yours" else 6)
    desk.publish(draft)
    desk.sync()
    assert "cost_per_call" not in desk.ws.catalogue().published("github").policy().kpis
    assert desk.sync().calls["write"] == 0
