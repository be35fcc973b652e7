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
@pytest.mark.parametrize(("side", "value"), [("yours", 700), ("theirs", 800)])
def test_taking_the_published_value_leaves_the_third_owners_to_be_decided(
    offices: Offices, side: str, value: int
) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    publish_target(offices, 800)
    offices.rest()
    decide(offices, "theirs")
    assert offices.conflicts() == [("target", 700, 800)]
    offices.rest()
    assert offices.conflicts() == [("target", 700, 800)]
    assert [row[2] for row in rows(offices)] == [700] * 3
    decide(offices, side)
    offices.rest()
    assert [row[2] for row in rows(offices)] == [value] * 3
    if side == "theirs":
        assert offices.desk.open_drafts() == []
        return
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 800, 700)])
    offices.desk.publish(offices.draft().id)
    assert kpi(offices).target == 700


@three
def test_what_is_published_next_stands_against_the_edit_that_is_left(offices: Offices) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    publish_target(offices, 800)
    offices.rest()
    decide(offices, "theirs")
    offices.rest()
    publish_target(offices, 42)
    offices.rest()
    assert offices.conflicts() == [("target", 700, 42)]
    publish_target(offices, 700)
    offices.rest()
    assert offices.conflicts() == []


@three
def test_an_edit_of_what_is_published_that_stands_against_all_is_none(offices: Offices) -> None:
    type_each(offices, 700, 800, 900)
    offices.rest()
    offices.at(0).edit(KPI, "target", 5, "KPIs")
    offices.rest()
    assert [theirs for _, _, theirs in offices.conflicts()] == [700, 800]
    decide(offices, "yours")
    offices.rest()
    assert offices.desk.open_drafts() == []
    assert [row[2] for row in rows(offices)] == [5] * 3


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


# -- what is published, and what an owner typed


def test_a_published_value_that_its_owner_once_typed_is_no_other_owners_edit(offices: Offices) -> None:
    """Operators publish what he typed first, then take it back: nothing is in conflict, and nothing goes live of it."""
    for value in (700, 800):
        offices.at(0).edit(KPI, "target", value, "KPIs")
        offices.run(0)
    publish_target(offices, 700)
    offices.rest()
    assert offices.conflicts() == [("target", 800, 700)]
    publish_target(offices, 42)
    offices.rest()
    assert offices.conflicts() == [("target", 800, 42)]
    publish_target(offices, 5)
    offices.rest()
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 5, 800)])


def test_nor_where_it_was_published_while_he_typed_the_next(offices: Offices) -> None:
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    publish_target(offices, 700)
    offices.at(0).edit(KPI, "target", 800, "KPIs")
    offices.run(0)
    assert offices.conflicts() == [("target", 800, 700)]
    publish_target(offices, 5)
    decide(offices, "theirs")
    assert (offices.conflicts(), edits(offices)) == ([], [])


def test_a_kpi_that_was_dropped_and_published_again_was_deleted_by_no_owner(offices: Offices) -> None:
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    publish_target(offices, None)
    offices.run(0)
    assert offices.conflicts() == [("target", 700, None)]
    publish_target(offices, 5)
    offices.rest()
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 5, 700)])


def test_a_conflict_of_two_owners_stays_one_in_the_next_drafts(offices: Offices) -> None:
    type_each(offices, 700, 900)
    offices.rest()
    for firearm in (A, B):
        offices.at(0).edit(SCOPE, "firearm_id", firearm)
        offices.rest()
        assert offices.conflicts() == [("target", 900, 700)]
    decide(offices, "theirs")
    assert edits(offices) == [("target", 5, 700), ("firearm_id", START, B)]


def test_a_deletion_that_stands_drops_nothing_that_was_published_before_an_edit_elsewhere(offices: Offices) -> None:
    unseen_deletion(offices)
    offices.desk.set_kpi("alpha", {"k1": K1 | {"unit": "EUR", "formula": "usage.cost * 99"}})
    offices.at(0).edit(SCOPE, "firearm_id", A)
    offices.run(0)
    decide(offices, "theirs")
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost * 99 | 5 | EUR")]
    offices.rest()
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost * 99 | 5 | EUR")]
    decide(offices, "theirs", column="kpi_name")
    offices.rest()
    assert [row[1:] for row in rows(offices)] == [["usage.cost * 99", 5, "EUR"]] * 2


# -- the cells of a row that are not decided


def both_add(offices: Offices) -> None:
    """Both owners add one KPI, and operators publish another one of its name."""
    add_kpi(offices.at(0), "alpha", "k2", "cost", "usage.cost * 11", "", "UA")
    add_kpi(offices.at(1), "alpha", "k2", "cost", "usage.cost * 22", 222, "UA")
    offices.run(0)
    offices.run(1)
    values = {"impact_type": "cost", "formula": "usage.cost * 33", "target": 333, "unit": "UO"}
    offices.desk.set_kpi("alpha", {"k2": values})
    offices.rest()


def test_the_published_row_takes_no_cell_that_is_in_conflict_with_another_owner(offices: Offices) -> None:
    both_add(offices)
    decide(offices, "theirs", ("alpha", "k2"), "target")
    assert offices.conflicts() == [("formula", "usage.cost * 22", "usage.cost * 11")]
    offices.rest()
    assert offices.conflicts() == [("formula", "usage.cost * 22", "usage.cost * 11")]
    decide(offices, "theirs", ("alpha", "k2"), "formula")
    assert offices.conflicts() == [("formula", "usage.cost * 11", "usage.cost * 33")]
    offices.rest()
    decide(offices, "yours", ("alpha", "k2"), "formula")
    offices.desk.publish(offices.draft().id)
    made = kpi(offices, "k2")
    assert (made.formula, made.target, made.unit) == ("usage.cost * 11", 333, "UO")


@three
def test_a_deletion_takes_the_place_of_the_edit_that_gave_way_to_what_is_published(offices: Offices) -> None:
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    offices.at(2).tab("KPIs").delete_rows(2)
    offices.run(2)
    offices.at(1).edit(KPI, "target", 900, "KPIs")
    offices.run(1)
    assert offices.conflicts() == [("target", 900, None), ("target", 900, 700)]
    publish_target(offices, 700)
    decide(offices, "theirs")
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost | 700")]
    decide(offices, "yours", column="kpi_name")
    offices.rest()
    offices.desk.publish(offices.draft().id)
    assert kpi(offices) is None


def test_a_kpi_proposed_anew_has_nothing_that_only_operators_put_into_it(offices: Offices) -> None:
    add_kpi(offices.at(0), "alpha", "k2", "cost", "usage.cost * 7", 7)
    offices.run(0)
    offices.desk.set_kpi("alpha", {"k2": {"impact_type": "cost", "formula": "usage.cost * 9", "unit": "EUR"}})
    offices.run(0)
    decide(offices, "yours", ("alpha", "k2"), "formula")
    offices.rest()
    offices.desk.set_kpi("alpha", {"k2": None})
    offices.rest()
    decide(offices, "yours", ("alpha", "k2"), "formula")
    assert [edit[0] for edit in edits(offices)] == ["impact_type", "formula", "target"]
    offices.rest()
    offices.desk.publish(offices.draft().id)
    assert (kpi(offices, "k2").target, kpi(offices, "k2").unit) == (7, None)


def test_a_kpi_proposed_anew_has_all_that_its_owner_saw_in_it(offices: Offices) -> None:
    offices.desk.set_kpi("alpha", {"k1": K1 | {"unit": "EUR"}})
    offices.rest()
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    publish_target(offices, None)
    offices.rest()
    decide(offices, "yours")
    offices.rest()
    offices.desk.publish(offices.draft().id)
    assert (kpi(offices).formula, kpi(offices).target, kpi(offices).unit) == ("usage.cost", 700, "EUR")


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_an_edit_that_was_discarded_is_answered_with_the_reason_whatever_was_decided(
    offices: Offices, side: str
) -> None:
    type_each(offices, 700, 900)
    offices.rest()
    decide(offices, side)
    offices.rest()
    drafts.discard_draft(offices.desk.ws, offices.draft().id, "not this year")
    offices.rest()
    assert [offices.at(at).row(*KPI, title="KPIs")[6] for at in (0, 1)] == ["rejected: not this year"] * 2
