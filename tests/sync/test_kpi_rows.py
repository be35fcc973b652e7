"""KPI rows that owners add, change, delete and add again."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts

COST = ("github", "cost_per_call")
KPI = {"impact_type": "cost", "formula": "usage.cost * 3", "target": 5, "unit": "EUR"}


def test_an_added_row_starts_from_nothing_in_every_column(desk: Any) -> None:
    desk.tab("KPIs").append_row(["slack", "messages", "count", "usage.count * 2", 0.5, "msg"])
    edits = desk.pull().to_json()["drafts"][0]["edits"]
    assert [(one["column"], one["base"], one["value"]) for one in edits] == [
        ("impact_type", None, "count"), ("formula", None, "usage.count * 2"), ("target", None, 0.5),
        ("unit", None, "msg"),
    ]  # fmt: skip
    policy = desk.open_drafts()[0].policy_snapshot
    assert policy.kpis["messages"].target == 0.5
    assert desk.sync().calls["write"] == 0


def test_a_deleted_row_is_proposed_and_answered_in_sync_status(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    report = desk.sync()
    edit = report.to_json()["drafts"][0]["edits"][0]
    assert (edit["column"], edit["base"], edit["value"], edit["loosening"]) == ("kpi_name", "cost_per_call", None, True)
    assert "deletion proposed" in [row[1] for row in desk.values("Sync Status")]
    assert len(desk.values("KPIs")) == 1
    assert desk.sync().calls["write"] == 0
    desk.publish(report.drafts[0].id)
    desk.sync()
    assert desk.ws.catalogue().published("github").kpis.kpis == {}
    assert "deletion proposed" not in [row[1] for row in desk.values("Sync Status")]


def test_adding_it_again_withdraws_the_deletion(desk: Any) -> None:
    row = desk.row(*COST, title="KPIs")[:6]
    desk.tab("KPIs").delete_rows(2)
    desk.sync()
    desk.tab("KPIs").append_row(row)
    report = desk.sync()
    assert report.drafts == []
    assert desk.open_drafts() == []


def test_adding_it_again_with_another_formula_is_an_edit(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    desk.sync()
    desk.tab("KPIs").append_row([*COST, "cost", "usage.cost * 9", 5, "EUR"])
    edits = desk.sync().to_json()["drafts"][0]["edits"]
    assert [(one["column"], one["base"], one["value"]) for one in edits] == [
        ("formula", "usage.cost * 1.0", "usage.cost * 9")
    ]


def test_a_deletion_against_a_published_change_is_a_conflict(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    desk.set_kpi("github", {"cost_per_call": KPI})
    report = desk.sync()
    assert report.exit_code == 3
    assert [(one["column"], one["yours"]) for one in report.to_json()["conflicts"]] == [("kpi_name", None)]
    assert desk.sync().to_json()["conflicts"] != []
    drafts.resolve_conflict(desk.ws, report.drafts[0].id, COST, "kpi_name", "yours")
    assert desk.sync().conflicts == []
    assert desk.sync().calls["write"] == 0


def test_a_rejected_deletion_brings_the_row_back(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    drafts.discard_draft(desk.ws, desk.sync().drafts[0].id, "keep it")
    desk.sync()
    assert desk.row(*COST, title="KPIs")[:6] == [*COST, "cost", "usage.cost * 1.0", 5, "EUR"]
    assert desk.status(*COST, title="KPIs") == "rejected: keep it"


def test_a_kpi_dropped_by_publish_leaves_unless_its_owner_changed_it(desk: Any) -> None:
    desk.set_kpi("github", {"cost_per_call": None})
    desk.sync()
    assert len(desk.values("KPIs")) == 1


def test_an_owners_change_against_a_dropped_kpi_is_a_conflict(desk: Any) -> None:
    desk.edit(COST, "target", 7, "KPIs")
    desk.set_kpi("github", {"cost_per_call": None})
    report = desk.sync()
    assert report.exit_code == 3
    assert {one["theirs"] for one in report.to_json()["conflicts"]} == {None}
    assert desk.cell(COST, "target", "KPIs") == 7
    assert desk.sync().calls["write"] == 0


def test_taking_back_an_added_row_withdraws_it(desk: Any) -> None:
    desk.tab("KPIs").append_row(["slack", "messages", "count", "usage.count * 2"])
    desk.sync()
    desk.tab("KPIs").delete_rows(3)
    assert desk.sync().drafts == []
    assert desk.open_drafts() == []
    assert desk.sync().calls["write"] == 0


def test_bad_rows_are_problems_and_make_no_drafts(desk: Any) -> None:
    tab = desk.tab("KPIs")
    tab.append_row(["slck", "messages", "count", "usage.count"])
    tab.append_row(["slack", "Bad Name", "count", "usage.count"])
    tab.append_row(["slack", "no_formula", "count"])
    tab.append_row(["slack", "wrong_type", "costs", "usage.count"])
    tab.append_row(["slack", "wrong_formula", "count", "usage.kost * 2"])
    tab.append_row(["slack", "text_target", "count", "usage.count", "many"])
    report = desk.sync()
    assert report.drafts == []
    assert [one.code for one in report.problems] == [
        "unknown_connector", "bad_kpi_name", "incomplete_kpi", "unknown_impact_type", "kpi_formula", "not_number",
    ]  # fmt: skip
    assert desk.status("slck", "messages", title="KPIs").startswith(
        "problem: unknown connector 'slck' (did you mean slack)"
    )
    assert desk.sync().calls["write"] == 0


def propose(desk: Any, key: tuple[str, str] = ("github", "k")) -> str:
    """An owner adds a KPI; it is pending."""
    at = len(desk.values("KPIs")) + 1
    desk.tab("KPIs").update([[*key, "cost", "usage.cost * 2", 1, "EUR"]], f"A{at}:F{at}")
    return str(desk.sync().drafts[0].id)


def edits_in(draft: Any) -> list[tuple[str, Any]]:
    return [(one.column, one.value) for one in draft.origin.edits]


@pytest.mark.parametrize("mode", ["sync", "push", "pull"])
@pytest.mark.parametrize("how", ["discarded", "published without it"])
def test_a_proposed_row_that_was_changed_before_its_rejection_was_seen_is_proposed_anew(
    desk: Any, how: str, mode: str
) -> None:
    draft = propose(desk)
    if how == "discarded":
        drafts.discard_draft(desk.ws, draft, "wrong factor")
    else:
        drafts.edit_draft(desk.ws, draft, kpis={"k": None, "other": {"impact_type": "cost", "formula": "usage.cost"}})
        desk.publish(draft)
    desk.edit(("github", "k"), "formula", "usage.cost * 3", "KPIs")
    getattr(desk, mode)()
    assert desk.cell(("github", "k"), "formula", "KPIs") == "usage.cost * 3"
    report = desk.sync()
    assert report.conflicts == []
    assert edits_in(desk.open_drafts()[-1]) == [
        ("impact_type", "cost"), ("formula", "usage.cost * 3"), ("target", 1), ("unit", "EUR"),
    ]  # fmt: skip
    assert desk.status("github", "k", title="KPIs") == f"pending in {desk.open_drafts()[-1].id}"
    assert desk.sync().calls["write"] == 0


def test_a_proposed_row_that_nobody_changed_goes_with_its_rejection(desk: Any) -> None:
    drafts.discard_draft(desk.ws, propose(desk), "wrong factor")
    desk.sync()
    assert len(desk.values("KPIs")) == 2
    assert "rejected: wrong factor" in [row[8] for row in desk.values("Sync Status")]
    head = desk.snapshots()
    assert desk.sync().calls["write"] == 0
    assert desk.snapshots() == head


def test_a_cell_of_a_proposed_row_filled_in_later_is_in_no_conflict(desk: Any) -> None:
    desk.tab("KPIs").update([["github", "k", "cost", "usage.cost * 2"]], "A3:D3")
    desk.sync()
    desk.edit(("github", "k"), "target", 7, "KPIs")
    desk.sync()
    assert desk.sync().conflicts == []
    desk.edit(("github", "k"), "target", "", "KPIs")
    desk.sync()
    assert desk.sync().conflicts == []
    desk.publish(desk.open_drafts()[0].id)
    desk.sync()
    assert desk.row("github", "k", title="KPIs")[2:] == ["cost", "usage.cost * 2", "", "", "published"]


def test_a_row_published_then_dropped_and_changed_meanwhile_is_a_conflict(desk: Any) -> None:
    desk.publish(propose(desk))
    desk.set_kpi("github", {"k": None})
    desk.edit(("github", "k"), "target", 42, "KPIs")
    conflicts = desk.sync().to_json()["conflicts"]
    assert ("target", 1, 42, None) in [(one["column"], one["base"], one["yours"], one["theirs"]) for one in conflicts]


def pending_then_dropped(desk: Any) -> str:
    """An owner's target is pending when an operator's publish drops the KPI."""
    desk.edit(COST, "target", 7, "KPIs")
    draft = str(desk.sync().drafts[0].id)
    desk.set_kpi("github", {"cost_per_call": None})
    return draft


def test_a_row_dropped_under_a_pending_edit_stays_whole_until_the_conflict_is_decided(desk: Any) -> None:
    pending_then_dropped(desk)
    report = desk.sync()
    assert report.exit_code == 3
    assert [(one["column"], one["yours"], one["theirs"]) for one in report.to_json()["conflicts"]] == [
        ("target", 7, None)
    ]
    assert desk.row(*COST, title="KPIs")[:6] == [*COST, "cost", "usage.cost * 1.0", 7, "EUR"]
    assert desk.status(*COST, title="KPIs").startswith("conflict: target")
    assert desk.sync().calls["write"] == 0


def test_its_owners_next_edit_of_another_cell_is_in_the_same_conflict(desk: Any) -> None:
    pending_then_dropped(desk)
    desk.sync()
    desk.edit(COST, "unit", "USD", "KPIs")
    report = desk.sync()
    assert {one["column"] for one in report.to_json()["conflicts"]} == {"target", "unit"}
    (draft,) = desk.open_drafts()
    assert {one.column for one in draft.open_conflicts()} == {"target", "unit"}
    assert desk.row(*COST, title="KPIs")[:6] == [*COST, "cost", "usage.cost * 1.0", 7, "USD"]
    assert desk.sync().calls["write"] == 0


def test_decided_as_yours_it_is_proposed_whole_and_published_whole(desk: Any) -> None:
    draft = pending_then_dropped(desk)
    desk.sync()
    drafts.resolve_conflict(desk.ws, draft, COST, "target", "yours")
    assert desk.sync().conflicts == []
    whole = [*COST, "cost", "usage.cost * 1.0", 7, "EUR"]
    assert desk.row(*COST, title="KPIs")[:6] == whole
    assert desk.status(*COST, title="KPIs") == f"pending in {draft}"
    assert desk.sync().calls["write"] == 0
    desk.publish(draft)
    desk.sync()
    assert desk.row(*COST, title="KPIs") == [*whole, "published"]
    assert desk.sync().calls["write"] == 0


def test_decided_as_theirs_or_discarded_it_goes(desk: Any) -> None:
    draft = pending_then_dropped(desk)
    desk.sync()
    drafts.resolve_conflict(desk.ws, draft, COST, "target", "theirs")
    desk.sync()
    assert len(desk.values("KPIs")) == 1
    assert desk.open_drafts() == []
    assert desk.sync().calls["write"] == 0


@pytest.mark.parametrize("mode", ["push", "pull"])
def test_a_dropped_row_that_was_discarded_goes_whole_in_whatever_run_saw_it_first(desk: Any, mode: str) -> None:
    draft = pending_then_dropped(desk)
    getattr(desk, mode)()
    assert desk.row(*COST, title="KPIs")[:6] == [*COST, "cost", "usage.cost * 1.0", 7, "EUR"]
    drafts.discard_draft(desk.ws, draft, "not any more")
    desk.sync()
    assert len(desk.values("KPIs")) == 1
    assert desk.sync().calls["write"] == 0


def test_deleting_a_dropped_row_withdraws_what_was_pending_in_it(desk: Any) -> None:
    pending_then_dropped(desk)
    desk.sync()
    desk.tab("KPIs").delete_rows(2)
    report = desk.sync()
    assert (report.conflicts, report.drafts) == ([], [])
    assert desk.open_drafts() == []
    assert desk.sync().calls["write"] == 0


def test_cells_of_a_proposed_row_that_are_published_as_typed_are_not_told_to_be_withdrawn(desk: Any) -> None:
    """The owner's row is published meanwhile with another target, and the target is decided for that."""
    key = ("github", "latency")
    desk.tab("KPIs").update([[*key, "cost", "usage.cost", 7]], f"A{len(desk.values('KPIs')) + 1}")
    desk.sync()
    desk.set_kpi("github", {"latency": {"impact_type": "cost", "formula": "usage.cost", "target": 9}})
    desk.sync()
    drafts.resolve_conflict(desk.ws, desk.open_drafts()[0].id, key, "target", "theirs")
    desk.sync()
    rejected = {line[4]: line[8] for line in desk.values("Sync Status") if line[1] == "rejected"}
    assert rejected == {"target": "rejected: the published value was kept"}
    assert desk.status(*key, title="KPIs") == "rejected: the published value was kept"
    assert desk.sync().calls["write"] == 0
