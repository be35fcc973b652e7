"""Two or three owners' edits of one cell are decided, while operators publish: nothing is decided that nobody saw."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import UnresolvedConflictError
from sheetsync.services import drafts
from tests.sync.test_unseen_edits import KPI, SCOPE, START, Offices, add_kpi

A, B = "firearm.money", "firearm.read"
K1 = {"impact_type": "cost", "formula": "usage.cost", "target": 5}


@pytest.fixture
def offices(empty: Any, request: pytest.FixtureRequest) -> Offices:
    """Two spreadsheets, or as many as the test's `param` says, that show what is published."""
    empty.publish(empty.draft("alpha", ["s1"], {"s1": START}, kpis={"k1": K1}))
    found = Offices(empty, getattr(request, "param", 2))
    for at in range(len(found.books)):
        found.run(at)
    return found


three = pytest.mark.parametrize("offices", [3], indirect=True)


def type_each(offices: Offices, *values: Any, key: Any = KPI, column: str = "target", tab: str = "KPIs") -> None:
    for at, value in enumerate(values):
        offices.at(at).edit(key, column, value, tab)


def decide(offices: Offices, side: Any, key: Any = KPI, column: str = "target") -> None:
    drafts.resolve_conflict(offices.desk.ws, offices.draft().id, key, column, side)


def publish_target(offices: Offices, target: Any) -> None:
    offices.desk.set_kpi("alpha", {"k1": None if target is None else K1 | {"target": target}})


def kpi(offices: Offices, name: str = "k1") -> Any:
    return offices.desk.ws.catalogue().published("alpha").policy().kpis.get(name)


def edits(offices: Offices) -> list[tuple[str, Any, Any]]:
    return [(one.column, one.base, one.value) for one in offices.draft().origin.edits]


def rows(offices: Offices) -> list[list[Any]]:
    return [offices.at(at).row(*KPI, title="KPIs")[2:6] for at in range(len(offices.books))]


@pytest.mark.parametrize("published", [42, None])
@pytest.mark.parametrize(("side", "chosen"), [("yours", 900), ("theirs", 700)])
def test_what_operators_published_meanwhile_is_in_conflict_with_the_edit_that_stands(
    offices: Offices, side: str, chosen: int, published: int | None
) -> None:
    type_each(offices, 700, 900)
    offices.run(0)
    publish_target(offices, published)
    offices.run(1)
    decide(offices, side)
    assert offices.conflicts() == [("target", chosen, published)]
    with pytest.raises(UnresolvedConflictError):
        offices.desk.publish(offices.draft().id)
    offices.rest()
    assert offices.conflicts() == [("target", chosen, published)]
    decide(offices, "yours")
    offices.rest()
    assert offices.conflicts() == []
    offices.desk.publish(offices.draft().id)
    assert kpi(offices).target == chosen


def test_the_same_holds_for_a_firearm(offices: Offices) -> None:
    type_each(offices, A, B, key=SCOPE, column="firearm_id", tab="Policy Matrix")
    offices.run(0)
    offices.desk.set("alpha", "s1", "NONE")
    offices.run(1)
    decide(offices, "yours", SCOPE, "firearm_id")
    assert offices.conflicts() == [("firearm_id", B, "NONE")]


def test_nothing_published_meanwhile_leaves_nothing_in_conflict(offices: Offices) -> None:
    type_each(offices, 700, 900)
    offices.rest()
    decide(offices, "theirs")
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 5, 700)])


def unseen_deletion(offices: Offices) -> None:
    """The second owner deletes the row, in which the first has an edit pending."""
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    offices.at(1).tab("KPIs").delete_rows(2)
    offices.run(1)
    assert offices.conflicts() == [("target", 700, None)]


def test_a_deletion_that_stands_is_in_conflict_with_what_was_published_in_the_row(offices: Offices) -> None:
    unseen_deletion(offices)
    offices.desk.set_kpi("alpha", {"k1": K1 | {"unit": "EUR"}})
    decide(offices, "theirs")
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost | 5 | EUR")]
    head = offices.conflicts()
    offices.rest()
    assert offices.conflicts() == head


def test_an_edit_that_stands_against_a_deletion_is_in_conflict_with_what_was_published(offices: Offices) -> None:
    unseen_deletion(offices)
    publish_target(offices, 42)
    decide(offices, "yours")
    assert offices.conflicts() == [("target", 700, 42)]


# -- published is one of the owners' values


@three
@pytest.mark.parametrize(("side", "value"), [("theirs", 700), ("yours", 800)])
def test_taking_the_published_value_leaves_the_third_owners_to_be_decided(
    offices: Offices, side: str, value: int
) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    publish_target(offices, 800)
    offices.rest()
    decide(offices, "theirs")
    offices.rest()
    assert offices.conflicts() == [("target", 800, 700)]
    assert [row[2] for row in rows(offices)] == [800] * 3
    decide(offices, side)
    offices.rest()
    assert [row[2] for row in rows(offices)] == [value] * 3
    if side == "yours":
        assert offices.desk.open_drafts() == []
        return
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 800, 700)])
    offices.desk.publish(offices.draft().id)
    assert kpi(offices).target == 700


@three
def test_what_was_decided_against_all_does_not_come_back_where_one_is_published(offices: Offices) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    publish_target(offices, 700)
    offices.rest()
    decide(offices, "yours")
    offices.rest()
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 700, 900)])
    offices.desk.publish(offices.draft().id)
    assert kpi(offices).target == 900


@three
def test_nor_where_it_was_decided_one_after_the_other(offices: Offices) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    publish_target(offices, 700)
    offices.rest()
    decide(offices, "theirs")
    assert offices.conflicts() == [("target", 800, 700)]
    decide(offices, "yours")
    offices.rest()
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 700, 800)])


# -- a KPI that operators published, too


def test_an_owners_new_kpi_stands_on_the_published_one_and_wipes_nothing(offices: Offices) -> None:
    add_kpi(offices.at(0), "alpha", "k2", "cost", "usage.cost * 7")
    offices.run(0)
    offices.desk.set_kpi(
        "alpha", {"k2": {"impact_type": "cost", "formula": "usage.cost * 9", "target": 42, "unit": "EUR"}}
    )
    offices.rest()
    decide(offices, "yours", ("alpha", "k2"), "formula")
    offices.rest()
    assert offices.conflicts() == []
    offices.desk.publish(offices.draft().id)
    found = kpi(offices, "k2")
    assert (found.formula, found.target, found.unit) == ("usage.cost * 7", 42, "EUR")


def test_what_an_operator_wrote_into_the_draft_stays_in_it(offices: Offices) -> None:
    add_kpi(offices.at(0), "alpha", "k2", "cost", "usage.cost * 7")
    offices.run(0)
    drafts.edit_draft(
        offices.desk.ws, offices.draft().id,
        kpis={"k2": {"impact_type": "cost", "formula": "usage.cost * 7", "unit": "USD"}},
    )  # fmt: skip
    offices.desk.set_kpi("alpha", {"k2": {"impact_type": "cost", "formula": "usage.cost * 9", "target": 42}})
    offices.rest()
    decide(offices, "yours", ("alpha", "k2"), "formula")
    found = offices.draft().policy_snapshot.kpis["k2"]
    assert (found.formula, found.target, found.unit) == ("usage.cost * 7", 42, "USD")


# -- a KPI that was dropped


@pytest.mark.parametrize("where", [0, 1])
def test_a_dropped_kpi_stays_whole_when_an_empty_cell_is_filled(offices: Offices, where: int) -> None:
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    if where == 0:
        publish_target(offices, None)
        offices.run(0)
        offices.at(0).edit(KPI, "unit", "USD", "KPIs")
    else:
        offices.at(1).edit(KPI, "unit", "USD", "KPIs")
        publish_target(offices, None)
    offices.run(where)
    offices.rest()
    assert offices.conflicts() == [("target", 700, None), ("unit", "USD", None)]
    assert rows(offices) == [["cost", "usage.cost", 700, "USD"]] * 2
    decide(offices, "yours")
    offices.rest()
    assert (offices.conflicts(), rows(offices)) == ([], [["cost", "usage.cost", 700, "USD"]] * 2)


# -- a row that is deleted under a conflict


@three
@pytest.mark.parametrize("who", [0, 2])
def test_deleting_a_row_drops_no_value_that_was_never_shown_there(offices: Offices, who: int) -> None:
    offices.at(1).edit(KPI, "target", 900, "KPIs")
    offices.run(1)
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    offices.run(2)
    for _ in range(2):  # however often it is deleted
        offices.at(who).tab("KPIs").delete_rows(2)
        offices.rest()
        assert offices.conflicts() == [("target", 700, 900), ("target", 700, None)]
        assert rows(offices) == [["cost", "usage.cost", 700, ""]] * 3
    decide(offices, "theirs")
    offices.rest()
    assert [edit[0] for edit in edits(offices)] == ["kpi_name"]


# -- a firearm and its lock


@pytest.mark.parametrize("published", [False, True])
def test_a_lock_goes_with_its_firearm_and_is_answered_at_once(offices: Offices, published: bool) -> None:
    offices.at(0).edit(SCOPE, "firearm_id", "NONE")
    offices.at(1).edit(SCOPE, "firearm_id", A)
    offices.at(1).edit(SCOPE, "strategy_lock", True)
    if published:  # theirs is what operators published
        offices.run(1)
        offices.desk.set("alpha", "s1", "NONE")
    else:
        offices.run(0)
    offices.run(1)
    decide(offices, "theirs", SCOPE, "firearm_id")
    offices.rest()
    for at in (0, 1):
        assert offices.at(at).row(*SCOPE)[2:4] == ["NONE", False]
    assert offices.desk.status(*SCOPE).startswith(("pending in", "rejected"))
    assert all(one.column != "strategy_lock" for draft in offices.desk.open_drafts() for one in draft.origin.edits)


def test_the_lock_that_stood_in_the_way_of_the_chosen_none_goes_with_it(offices: Offices) -> None:
    """The second owner put it back, and keeps neither it nor the firearm."""
    offices.desk.set("alpha", "s1", f"{START}+lock")
    offices.rest()
    offices.at(1).edit(SCOPE, "firearm_id", A)
    offices.at(0).edit(SCOPE, "firearm_id", "NONE")
    offices.at(0).edit(SCOPE, "strategy_lock", False)
    offices.run(0)
    offices.run(1)
    offices.at(1).edit(SCOPE, "strategy_lock", True)
    offices.run(1)
    decide(offices, "theirs", SCOPE, "firearm_id")
    offices.rest()
    assert {tuple(offices.at(at).row(*SCOPE)[2:4]) for at in (0, 1)} == {("NONE", False)}
    assert ("strategy_lock", True, False) in edits(offices)
    offices.desk.publish(offices.draft().id)
