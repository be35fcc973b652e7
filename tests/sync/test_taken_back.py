"""An owner takes his edit back; what a sheet that had it pending, or never showed it, says then."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from tests.sync.test_two_spreadsheets import Two

K1 = ("alpha", "k1")
WAS: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
BACK = "rejected: the owners took back all their edits"
TARGET = ("KPIs", K1, "target", 9, 5, "abc")
FIREARM = ("Policy Matrix", ("alpha", "s1"), "firearm_id", "firearm.money", "firearm.read", "firearm.zzz")


@pytest.fixture
def two(empty: Any) -> Two:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS}))
    empty.push()
    return Two(empty)


def status(two: Two, key: tuple[str, str], title: str) -> str:
    with two.at("b") as desk:
        return str(desk.cell(key, "sync_status", title))


@pytest.mark.parametrize("hidden", ["by a pull", "by a bad value"])
@pytest.mark.parametrize("cell", [TARGET, FIREARM])
def test_what_a_sheet_never_showed_is_not_said_to_be_published(two: Two, cell: Any, hidden: str) -> None:
    title, key, column, new, old, bad = cell
    two.edit("a", key, column, new, title)
    two.run("a")
    if hidden == "by a bad value":
        two.edit("b", key, column, bad, title)
    two.run("b", "pull" if hidden == "by a pull" else "sync")
    two.edit("a", key, column, old, title)
    two.run("a")
    two.edit("b", key, column, old, title)
    two.run("b")
    assert status(two, key, title) == BACK
    assert two.rest() == []


def test_nor_is_a_deletion(two: Two) -> None:
    two.delete("a", K1)
    two.run("a")
    two.run("b", "pull")
    with two.at("a") as desk:
        desk.tab("KPIs").update([[*K1, "cost", "usage.cost", 5]], f"A{len(desk.values('KPIs')) + 1}")
    two.run("a")
    two.run("b")
    assert status(two, K1, "KPIs") == BACK


def test_nor_is_it_where_a_neighbour_was_decided_for_what_is_published(two: Two) -> None:
    two.edit("a", K1, "target", 9, "KPIs")
    two.edit("a", ("alpha", "s1"), "firearm_id", "firearm.money")
    two.run("a")
    two.desk.set_kpi("alpha", {"k1": WAS | {"target": 6}})
    two.rest()
    two.resolve(K1, "target", "theirs")
    two.rest()
    two.edit("a", K1, "formula", "usage.cost * 2", "KPIs")
    two.run("a")
    two.run("b", "pull")
    two.edit("a", K1, "formula", "usage.cost", "KPIs")
    two.run("a")
    two.run("b")
    assert status(two, K1, "KPIs") == "rejected: the edit was withdrawn"


def test_a_value_that_had_won_was_taken_back(two: Two) -> None:
    two.desk.set_kpi("alpha", {"k1": None})
    two.edit("a", K1, "unit", "EUR", "KPIs")
    two.edit("b", K1, "unit", "USD", "KPIs")
    two.rest()
    two.resolve(K1, "unit", "theirs")
    two.rest()
    two.edit("b", K1, "unit", "", "KPIs")
    assert two.rest() == []
    assert two.told("a") == [BACK]


@pytest.mark.parametrize("first", ["sync", "pull", "push"])
@pytest.mark.parametrize("how", ["discarded", "decided"])
@pytest.mark.parametrize("others", [False, True])
def test_in_a_dropped_row_what_was_decided_against_is_taken_back(two: Two, how: str, first: str, others: bool) -> None:
    desk = two.desk
    desk.set_kpi("alpha", {"k1": None})
    desk.edit(K1, "unit", "EUR", "KPIs")
    desk.sync()
    if how == "discarded":
        drafts.discard_draft(desk.ws, two.draft().id, "no")
    else:
        two.resolve(K1, "unit", "theirs")
    desk.edit(K1, "unit", "", "KPIs")
    if others:
        desk.edit(K1, "target", 7, "KPIs")
    two.run("a", first)
    two.run("a")
    if not others:
        assert (two.rest(), two.told("a"), desk.open_drafts(), two.rows(K1)) == ([], [], [], [0, 0])
        return
    assert two.rest() == [(K1, "target", 7, None)]
    assert two.told("a") == []
    assert [(one.column, one.base, one.yours) for one in two.draft().open_conflicts()] == [("target", 5, 7)]
    assert desk.row(*K1, title="KPIs")[2:6] == ["cost", "usage.cost", 7, ""]


def test_a_row_that_never_was_live_goes_with_what_is_taken_back(empty: Any) -> None:
    drafts.edit_draft(
        empty.ws, empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS}), kpis={"k2": WAS}
    )
    empty.sync()
    key = ("alpha", "k2")
    drafts.edit_draft(empty.ws, empty.open_drafts()[0].id, kpis={"k2": None})
    empty.edit(key, "target", 7, "KPIs")
    empty.sync()
    drafts.discard_draft(empty.ws, empty.open_drafts()[0].id, "no")
    empty.edit(key, "target", 5, "KPIs")
    report = empty.sync()
    assert (report.conflicts, report.drafts, len(empty.values("KPIs"))) == ([], [], 2)
    assert empty.sync().calls["write"] == 0
