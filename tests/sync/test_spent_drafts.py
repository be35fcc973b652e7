"""A sheet draft in which nothing is left, for its conflicts were decided for what is published, is closed by a run."""

from __future__ import annotations

from typing import Any

from sheetsync.domain.firearms import FirearmBinding
from sheetsync.services import drafts, publishing

POST = ("slack", "post")
READ = ("slack", "read")
COST = ("github", "cost_per_call")
QUIET = {"read": 1, "write": 0, "drive": 0}


def in_conflict(desk: Any) -> str:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    return str(desk.sync().drafts[0].id)


def status_of(desk: Any, draft: str) -> str:
    return str(desk.ws.catalogue().draft(draft).draft.status)


def test_it_is_closed_and_the_answer_stands(desk: Any) -> None:
    draft = in_conflict(desk)
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    assert desk.sync().calls == {"read": 1, "write": 1, "drive": 0}
    assert desk.open_drafts() == []
    closed = desk.ws.catalogue().draft(draft).draft
    assert (closed.status, closed.superseded_by) == ("superseded", None)
    assert closed.closed_reason == "its edits were decided for what is published, and nothing was left"
    for _ in range(2):
        assert desk.status(*POST) == "rejected: the published value was kept"
        assert desk.cell(POST, "firearm_id") == "firearm.money"
        head = desk.snapshots()
        assert desk.sync().calls == QUIET
        assert desk.snapshots() == head


def test_until_then_it_may_be_published(desk: Any) -> None:
    draft = in_conflict(desk)
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    publishing.verify_drafts(desk.ws, [draft])
    publishing.publish_drafts(desk.ws, [draft])
    desk.sync()
    assert status_of(desk, draft) == "published"
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    assert desk.sync().calls == QUIET


def test_a_dry_run_and_a_push_leave_it(desk: Any) -> None:
    draft = in_conflict(desk)
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    assert desk.sync(dry_run=True).changed
    desk.push()
    assert status_of(desk, draft) == "open"
    desk.pull()
    assert status_of(desk, draft) == "superseded"


def test_other_edits_keep_it_open(desk: Any) -> None:
    desk.edit(READ, "firearm_id", "firearm.read")
    draft = in_conflict(desk)
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    desk.sync()
    (left,) = desk.open_drafts()
    assert [edit.row_key for edit in left.origin.edits] == [READ]


def test_an_operators_change_keeps_it_open(desk: Any) -> None:
    draft = in_conflict(desk)
    drafts.edit_draft(
        desk.ws, draft, firearms={"read": FirearmBinding(firearm_id="firearm.money", strategy_lock=False)}
    )
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    desk.sync()
    assert [one.id for one in desk.open_drafts()] == [draft]
    desk.publish(draft)
    desk.sync()
    assert desk.cell(READ, "firearm_id") == "firearm.money"


def test_a_draft_of_a_connector_never_published_stays_with_its_rows(desk: Any) -> None:
    desk.draft("jira", ["open"])
    desk.sync()
    desk.edit(("jira", "open"), "firearm_id", "firearm.read")
    desk.sync()
    desk.edit(("jira", "open"), "firearm_id", "")
    desk.sync()
    assert [one.connector_id for one in desk.open_drafts()] == ["jira"]
    assert desk.row("jira", "open")[:2] == ["jira", "open"]


def test_the_owners_next_edit_makes_a_new_draft(desk: Any) -> None:
    draft = in_conflict(desk)
    drafts.resolve_conflict(desk.ws, draft, POST, "firearm_id", "theirs")
    desk.sync()
    desk.edit(POST, "firearm_id", "firearm.read")
    (made,) = desk.sync().drafts
    assert [(edit.base, edit.value) for edit in made.edits] == [("firearm.money", "firearm.read")]
    assert desk.open_drafts()[0].conflicts == ()


def test_a_kpi_decided_for_what_is_published(desk: Any) -> None:
    desk.edit(COST, "target", 9, "KPIs")
    draft = desk.sync().drafts[0].id
    kpi = {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 7, "unit": "EUR"}
    desk.set_kpi("github", {"cost_per_call": kpi})
    desk.sync()
    drafts.resolve_conflict(desk.ws, draft, COST, "target", "theirs")
    desk.sync()
    assert desk.open_drafts() == []
    assert desk.cell(COST, "target", "KPIs") == 7
    assert desk.status(*COST, title="KPIs") == "rejected: the published value was kept"
    assert desk.sync().calls == QUIET
