"""Answers that outlived what they were about, and answers and values that no cell could hold."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.services import drafts
from sheetsync.sync.answers import LONGEST

PUBLIC = ("github", "read_public")
KPI = ("github", "cost_per_call")
COST = {"cost_per_call": {"impact_type": "cost", "formula": "usage.cost"}}
QUIET = {"read": 1, "write": 0, "drive": 0}


def rejections(desk: Any) -> list[str]:
    return [row[8] for row in desk.values("Sync Status")[1:] if row[1] == "rejected"]


@pytest.fixture
def retired(desk: Any) -> Any:
    """Pending edits on a connector that was retired, and answered."""
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    desk.edit(KPI, "target", 7, "KPIs")
    desk.sync()
    desk.retire("github")
    desk.sync()
    return desk


def test_a_connector_that_comes_back_does_not_say_that_it_was_retired(retired: Any) -> None:
    assert rejections(retired) == ["rejected: connector retired"] * 2
    policy = {"admin_write": "firearm.read", "read_public": "NONE"}
    retired.publish(retired.draft("github", list(policy), policy, version="3.0.0", kpis=COST))
    retired.sync()
    assert (retired.status(*PUBLIC), retired.status(*KPI, title="KPIs"), rejections(retired)) == ("", "", [])
    assert retired.sync().calls == QUIET


def test_answers_for_rows_that_are_gone_stand_until_something_else_changes(retired: Any) -> None:
    assert retired.sync().calls == QUIET
    assert rejections(retired) == ["rejected: connector retired"] * 2
    retired.set("slack", "post", "firearm.money")
    retired.sync()
    assert rejections(retired) == []
    assert retired.sync().calls == QUIET


def test_a_kpi_that_an_operator_adds_anew_is_no_published_deletion(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    desk.publish(desk.sync().drafts[0].id)
    desk.sync()
    desk.set_kpi("github", COST)
    desk.sync()
    assert desk.status(*KPI, title="KPIs") == ""


def test_a_deletion_that_was_rejected_is_still_answered(desk: Any) -> None:
    desk.tab("KPIs").delete_rows(2)
    drafts.discard_draft(desk.ws, desk.sync().drafts[0].id, "we need it")
    desk.sync()
    assert desk.status(*KPI, title="KPIs") == "rejected: we need it"
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    assert desk.status(*KPI, title="KPIs") == "rejected: we need it"


def test_a_very_long_reason_is_shortened_where_it_is_shown(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    drafts.discard_draft(desk.ws, desk.pull().drafts[0].id, "no " * 20_000)
    desk.sync()
    for said in (desk.status(*PUBLIC), *rejections(desk)):
        assert said.startswith("rejected: no no")
        assert (len(said), said[-1]) == (LONGEST, "…")
    assert desk.sync().calls == QUIET


def test_a_value_that_no_cell_holds_is_the_stop_that_names_it(desk: Any) -> None:
    desk.set_kpi("github", {"cost_per_call": COST["cost_per_call"] | {"unit": "x" * 50_001}})
    before = desk.snapshots()
    for _ in range(2):
        with pytest.raises(SafetyStopError) as stop:
            desk.sync()
        assert stop.value.code == "cell_too_long"
        assert "unit of the row github/cost_per_call of 'KPIs' has 50001 characters" in stop.value.message
    assert desk.snapshots() == before
