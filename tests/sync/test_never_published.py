"""A connector never published: its owners decide before publish, and no operator's draft takes their edits away."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.services import drafts
from sheetsync.services.syncing import sync
from tests.sync.conftest import binding

A, B = ("jira", "a"), ("jira", "b")
ROW = ["jira", "k", "cost", "usage.cost * 2", 1, "EUR"]
ONLY_B = {"id": "jira", "version": "1.1.0", "name": "jira", "scopes": [{"name": "b"}]}


@dataclass
class Pending:
    """jira was never published; its owners chose a firearm for `a`, NONE for `b`, and added a KPI."""

    desk: Any
    first: str  # the operator's draft, before anybody edited
    sheet: str  # the draft that holds the edits


@pytest.fixture
def pending(desk: Any) -> Pending:
    first = desk.draft("jira", ["a", "b"], {})
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.read")
    desk.edit(B, "firearm_id", "NONE")
    desk.tab("KPIs").update([ROW], "A3:F3")
    return Pending(desk, first, desk.sync().drafts[0].id)


def jira(desk: Any) -> list[Any]:
    return [one for one in desk.open_drafts() if one.connector_id == "jira"]


def still_pending(desk: Any, draft_id: str) -> None:
    """All edits stand in the sheet, pending in this draft, which is the only one; nothing is written any more."""
    desk.sync()
    assert [desk.cell(one, "firearm_id") for one in (A, B)] == ["firearm.read", "NONE"]
    assert desk.row("jira", "k", title="KPIs")[:6] == ROW
    statuses = {desk.status(*A), desk.status(*B), desk.status("jira", "k", title="KPIs")}
    assert statuses == {f"pending in {draft_id}"}
    assert [one.id for one in jira(desk)] == [draft_id]
    assert "rejected" not in [row[1] for row in desk.values("Sync Status")]
    assert desk.sync().calls["write"] == 0


def test_a_new_draft_carries_the_owners_edits_and_supersedes_theirs(pending: Pending) -> None:
    desk = pending.desk
    new = drafts.new_draft(desk.ws, "jira").draft
    assert new.supersedes == pending.sheet
    assert drafts.show_draft(desk.ws, pending.sheet).draft.superseded_by == new.id
    still_pending(desk, new.id)
    desk.edit(A, "firearm_id", "firearm.money")
    report = desk.sync()
    assert report.conflicts == []
    assert [one.id for one in jira(desk)] == [report.drafts[0].id]
    assert len(jira(desk)[0].origin.edits) == 6
    desk.publish(report.drafts[0].id)
    desk.sync()
    assert desk.status(*A) == "published"
    assert [desk.cell(one, "firearm_id") for one in (A, B)] == ["firearm.money", "NONE"]


def test_what_operators_did_in_the_sheet_draft_is_in_the_new_one(pending: Pending) -> None:
    desk = pending.desk
    kpi = {"impact_type": "count", "formula": "usage.count"}
    drafts.edit_draft(desk.ws, pending.sheet, firearms={"b": binding("firearm.money")}, kpis={"calls": kpi})
    policy = drafts.new_draft(desk.ws, "jira").draft.policy_snapshot
    assert policy == drafts.show_draft(desk.ws, pending.sheet).draft.policy_snapshot


def test_a_restored_draft_carries_them_too(pending: Pending) -> None:
    new = drafts.restore_draft(pending.desk.ws, pending.first).draft
    assert new.conflicts == ()
    still_pending(pending.desk, new.id)


def test_the_sheet_draft_itself_restored_carries_them_too(pending: Pending) -> None:
    still_pending(pending.desk, drafts.restore_draft(pending.desk.ws, pending.sheet).draft.id)


def test_a_restored_value_under_a_pending_edit_is_a_conflict_until_decided(desk: Any) -> None:
    first = desk.draft("jira", ["a", "b"], {"a": "firearm.money"})
    undecided = next(iter(desk.ws.store.history(drafts.show_draft(desk.ws, first).snapshot.record)))
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.read")
    desk.sync()
    new = drafts.restore_draft(desk.ws, first, undecided.filename).draft
    mark = [(A, "firearm.money", "firearm.read", "")]
    assert [(one.row_key, one.base, one.yours, one.theirs) for one in new.conflicts] == mark
    report = desk.sync()
    assert [one.to_json()["theirs"] for one in report.conflicts] == [""]
    assert desk.status(*A).startswith("conflict: ")
    new = drafts.new_draft(desk.ws, "jira").draft  # it carries the conflict, too
    assert [(one.row_key, one.base, one.yours, one.theirs) for one in new.conflicts] == mark
    drafts.resolve_conflict(desk.ws, new.id, A, "firearm_id", "yours")
    assert desk.sync().conflicts == []
    assert desk.status(*A) == f"pending in {new.id}"
    assert desk.sync().calls["write"] == 0


def test_edits_of_a_scope_that_the_new_draft_lacks_are_rejected_for_that_reason(pending: Pending) -> None:
    desk = pending.desk
    new: Any = drafts.new_draft(desk.ws, "jira", ONLY_B).draft
    desk.sync()
    assert [one.row_key[1] for one in new.origin.edits] == ["b", "k", "k", "k", "k"]
    assert "rejected: scope a no longer exists" in [row[8] for row in desk.values("Sync Status")]
    assert desk.status(*B) == f"pending in {new.id}"
    assert desk.sync().calls["write"] == 0


def test_a_new_draft_without_any_of_the_edits_supersedes_theirs_no_less(desk: Any) -> None:
    desk.draft("jira", ["a", "b"], {})
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.read")
    desk.sync()
    new: Any = drafts.new_draft(desk.ws, "jira", ONLY_B).draft
    assert new.origin.kind == "workbench"
    assert [one.id for one in jira(desk)] == [new.id]


def test_edits_that_came_while_the_new_draft_was_made_are_in_it(desk: Any) -> None:
    desk.draft("jira", ["a", "b"], {})
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.read")

    class Meanwhile(FakeClock):  # the draft is built, and cron's pull comes between
        pulled = False

        def now(self) -> datetime:
            if not self.pulled:
                self.pulled = True
                sync(desk.ws, desk.gateway)
            return super().now()

    clock = Meanwhile()
    new: Any = drafts.new_draft(replace(desk.ws, clock=clock), "jira").draft
    assert clock.pulled
    assert [one.value for one in new.origin.edits] == ["firearm.read"]
    assert [one.id for one in jira(desk)] == [new.id]
    desk.sync()
    assert desk.cell(A, "firearm_id") == "firearm.read"


def test_of_a_published_connector_a_new_draft_and_the_sheet_draft_stand_side_by_side(desk: Any) -> None:
    desk.edit(("github", "read_public"), "firearm_id", "firearm.read")
    sheet = desk.sync().drafts[0].id
    new = drafts.new_draft(desk.ws, "github").draft
    assert new.supersedes is None
    desk.sync()
    assert desk.status("github", "read_public") == f"pending in {sheet}"


def test_a_newer_draft_beside_the_sheet_draft_hides_no_edit(pending: Pending) -> None:
    """As a store may have it from before: nothing superseded the sheet draft."""
    desk = pending.desk
    beside = drafts.show_draft(desk.ws, pending.first).draft.model_copy(
        update={"id": "draft_0123456789ab", "status": "open", "superseded_by": None, "created_at": desk.clock.now()}
    )
    drafts.save_new(desk.ws, desk.ws.catalogue(), beside, why="beside it")
    desk.sync()
    assert desk.cell(A, "firearm_id") == "firearm.read"
    assert desk.status(*A) == f"pending in {pending.sheet}"
    desk.edit(A, "firearm_id", "firearm.money")
    report = desk.sync()
    assert drafts.show_draft(desk.ws, report.drafts[0].id).draft.supersedes == pending.sheet


def test_an_edit_of_a_scope_that_another_draft_was_published_without_is_not_said_to_be_withdrawn(desk: Any) -> None:
    other = desk.draft("jira", ["b"], {"b": "NONE"})
    desk.draft("jira", ["a", "b"], {})
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.read")
    sheet = desk.sync().drafts[0].id
    desk.publish(other)
    desk.sync()
    told = [row[8] for row in desk.values("Sync Status") if row[1] == "rejected"]
    assert told == [f"rejected: scope a is not in what was published; {sheet} still has the edit"]


def test_an_edit_of_what_an_operator_changed_in_the_draft_starts_from_what_the_sheet_showed(desk: Any) -> None:
    kpi = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
    desk.draft("jira", ["a", "b"], {"a": "firearm.read"}, kpis={"k": kpi})
    desk.sync()
    desk.edit(("jira", "k"), "unit", "EUR", "KPIs")
    sheet = desk.sync().drafts[0].id
    changed = {"k": kpi | {"target": 650, "unit": "EUR"}, "m": kpi}  # the sheet shows them: 650, money, and m
    drafts.edit_draft(desk.ws, sheet, firearms={"a": binding("firearm.money")}, kpis=changed)
    desk.sync()
    desk.edit(A, "firearm_id", "firearm.external_write")
    desk.edit(("jira", "k"), "target", 700, "KPIs")
    desk.edit(("jira", "m"), "target", 6, "KPIs")
    desk.sync()
    report = desk.sync()
    assert (report.conflicts, report.problems) == ([], [])
    assert report.calls["write"] == 0
    (draft,) = [one for one in jira(desk) if one.origin.kind == "sheet"]
    assert draft.policy_snapshot.kpis["m"].target == 6
    desk.edit(A, "firearm_id", "firearm.money")  # back to what was shown: withdrawn
    desk.sync()
    report = desk.sync()
    assert (report.conflicts, report.problems) == ([], [])
    (draft,) = [one for one in jira(desk) if one.origin.kind == "sheet"]
    edits = [(one.column, one.base, one.value) for one in draft.origin.edits]
    assert edits == [("unit", "", "EUR"), ("target", 650, 700), ("target", 5, 6)]
    desk.publish(draft.id)
    policy = desk.ws.catalogue().published("jira").policy()
    assert policy.firearms["a"].firearm_id == "firearm.money"
    assert [(one.target, one.unit) for one in policy.kpis.values()] == [(700, "EUR"), (6, None)]


@pytest.mark.parametrize("how", ["yours", "theirs", "discarded"])
def test_a_deletion_that_did_not_see_an_operators_change_is_in_conflict_until_it_is_decided(
    empty: Any, how: Any
) -> None:
    row = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
    first = empty.draft("jira", ["a"], {}, kpis={"k": row})
    empty.sync()
    empty.tab("KPIs").delete_rows(2)
    drafts.edit_draft(empty.ws, first, kpis={"k": row | {"target": 9}})
    for _ in range(2):
        report = empty.sync()
        assert [(one.base, one.yours, one.theirs) for one in report.conflicts] == [("k", None, "cost | usage.cost | 9")]
    assert report.calls["write"] == 0
    deletion = jira(empty)[-1].id
    if how == "discarded":
        drafts.discard_draft(empty.ws, deletion, "no")
    else:
        drafts.resolve_conflict(empty.ws, deletion, ("jira", "k"), "kpi_name", how)
    assert empty.sync().conflicts == []
    kpis = {name: kpi.target for name, kpi in jira(empty)[-1].policy_snapshot.kpis.items()}
    assert kpis == ({} if how == "yours" else {"k": 9})
    assert [line[4] for line in empty.values("KPIs")[1:]] == ([] if how == "yours" else [9])
    assert empty.sync().calls["write"] == 0
