"""An owner sets a pending cell back to what is published, or operators publish what he typed: he stays to be asked."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import UnresolvedConflictError
from tests.sync.test_decided_rivals import decide, edits, kpi, offices, publish_target, rows, three
from tests.sync.test_unseen_edits import KPI, SCOPE, START, Offices

__all__ = ["offices"]

A, B = "firearm.money", "firearm.read"


def type_target(offices: Offices, at: int, value: Any) -> None:
    """In one spreadsheet, which is then synchronised."""
    offices.at(at).edit(KPI, "target", value, "KPIs")
    offices.run(at)


def shown_700(offices: Offices) -> None:
    type_target(offices, 0, 700)
    offices.rest()


@three
def test_choosing_the_value_set_back_leaves_the_third_owners_to_be_decided(offices: Offices) -> None:
    shown_700(offices)
    for at, value in ((0, 701), (2, 5), (1, 800)):
        type_target(offices, at, value)
    offices.rest()
    assert offices.conflicts() == [("target", 800, 701), ("target", 800, 5)]
    decide(offices, "theirs")
    assert (offices.conflicts(), edits(offices)) == ([("target", 5, 701)], [("target", 5, 5)])
    offices.rest()
    assert offices.conflicts() == [("target", 5, 701)]
    with pytest.raises(UnresolvedConflictError):
        offices.desk.publish(offices.draft().id)
    decide(offices, "yours")
    offices.rest()
    assert offices.desk.open_drafts() == []
    assert [row[2] for row in rows(offices)] == [5] * 3


def set_back_unseen(offices: Offices) -> None:
    """The second owner sets the cell back, not seeing 701; the first goes on, not seeing that."""
    shown_700(offices)
    for at, value in ((0, 701), (1, 5), (0, 702)):
        type_target(offices, at, value)
    assert offices.conflicts() == [("target", 702, 5)]


def test_what_was_set_back_stays_in_conflict_with_what_another_types_on(offices: Offices) -> None:
    set_back_unseen(offices)
    offices.rest()
    assert offices.conflicts() == [("target", 702, 5)]
    with pytest.raises(UnresolvedConflictError):
        offices.desk.publish(offices.draft().id)


@pytest.mark.parametrize(("side", "value"), [("yours", 702), ("theirs", 5)])
def test_it_is_decided_as_any_other(offices: Offices, side: str, value: int) -> None:
    set_back_unseen(offices)
    decide(offices, side)
    assert offices.conflicts() == []
    offices.rest()
    assert [row[2] for row in rows(offices)] == [value] * 2
    for draft in offices.desk.open_drafts():
        offices.desk.publish(draft.id)
    assert kpi(offices).target == value


def test_it_stays_one_whatever_is_published_meanwhile(offices: Offices) -> None:
    set_back_unseen(offices)
    for published in (42, 5):
        publish_target(offices, published)
        offices.rest()
        assert offices.conflicts() == [("target", 702, 5)]


def test_the_same_holds_for_a_firearm(offices: Offices) -> None:
    def pick(at: int, firearm: str) -> None:
        offices.at(at).edit(SCOPE, "firearm_id", firearm)
        offices.run(at)

    pick(0, A)
    offices.rest()
    for at, firearm in ((0, "NONE"), (1, START), (0, B)):
        pick(at, firearm)
    offices.rest()
    assert offices.conflicts() == [("firearm_id", B, START)]


# -- the other owner's value is published, too


def published_while_typed(offices: Offices) -> None:
    type_target(offices, 0, 700)
    publish_target(offices, 700)
    type_target(offices, 1, 800)
    assert offices.conflicts() == [("target", 800, 700)]


@pytest.mark.parametrize("published", [42, 5])
def test_a_value_that_was_published_too_is_still_its_owners_when_published_moves_on(
    offices: Offices, published: int
) -> None:
    published_while_typed(offices)
    publish_target(offices, published)
    offices.rest()
    assert offices.conflicts() == [("target", 800, 700)]
    decide(offices, "theirs")
    assert offices.conflicts() == ([] if published == 5 else [("target", 700, 42)])
    assert edits(offices) == [("target", 5, 700)]


@pytest.mark.parametrize(("side", "value"), [("yours", 800), ("theirs", 700)])
def test_while_it_is_published_one_decision_is_enough(offices: Offices, side: str, value: int) -> None:
    published_while_typed(offices)
    offices.rest()
    decide(offices, side)
    offices.rest()
    assert [row[2] for row in rows(offices)] == [value] * 2
    for draft in offices.desk.open_drafts():
        offices.desk.publish(draft.id)
    assert kpi(offices).target == value


def test_a_value_that_was_shown_there_is_no_other_owners_when_it_is_published_under_the_next(offices: Offices) -> None:
    shown_700(offices)
    type_target(offices, 1, 800)
    publish_target(offices, 700)
    offices.rest()
    assert offices.conflicts() == [("target", 800, 700)]
    publish_target(offices, 5)
    offices.rest()
    assert (offices.conflicts(), edits(offices)) == ([], [("target", 5, 800)])


@three
@pytest.mark.parametrize("early", [True, False])
def test_nor_is_it_forgotten_when_a_third_owner_types_while_it_is_published(offices: Offices, early: bool) -> None:
    type_target(offices, 0, 700)
    if early:
        publish_target(offices, 700)
    type_target(offices, 1, 800)
    publish_target(offices, 700)
    type_target(offices, 2, 900)
    publish_target(offices, 42)
    offices.rest()
    assert offices.conflicts() == [("target", 900, 700), ("target", 900, 800)]
    decide(offices, "theirs")
    assert ("target", 800, 700) in offices.conflicts()
