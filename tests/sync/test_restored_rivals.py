"""Never published: an earlier state is restored under the edits of two owners who did not see each other's."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import UnresolvedConflictError
from sheetsync.services import drafts
from tests.sync.test_restored_drafts import K1, Gamma, kpi
from tests.sync.test_unseen_edits import Offices


@pytest.fixture
def offices(empty: Any) -> Offices:
    return Offices(empty)


@pytest.fixture
def gamma(offices: Offices) -> Gamma:
    """The first owner deletes k1, whose target is 5, the second one types 9, and operators restore it with 7."""
    gamma = Gamma(offices.desk, kpis=kpi(7))
    offices.run(1)
    offices.at(0)
    gamma.delete()
    offices.run(0)
    offices.at(1).edit(K1, "target", 9, "KPIs")
    offices.run(1)
    gamma.restore()
    offices.rest()
    return gamma


def decide(gamma: Gamma, side: Any, column: str = "target") -> None:
    drafts.resolve_conflict(gamma.desk.ws, gamma.draft.id, K1, column, side)


def test_the_sheet_shows_the_conflict_that_is_decided_next(offices: Offices, gamma: Gamma) -> None:
    assert offices.conflicts() == [("target", 9, 7), ("target", 9, None)]
    assert offices.at(1).status(*K1, title="KPIs") == "conflict: target: base 5 / yours 9 / theirs no row"
    decide(gamma, "yours")
    offices.run(1)
    assert offices.conflicts() == [("target", 9, 7)]
    assert offices.at(1).status(*K1, title="KPIs") == "conflict: target: base 5 / yours 9 / theirs 7"


@pytest.mark.parametrize(("side", "stands"), [("yours", None), ("theirs", (7, "EUR"))])
def test_a_deletion_that_stands_is_in_conflict_with_the_row_that_was_restored(
    offices: Offices, gamma: Gamma, side: str, stands: Any
) -> None:
    decide(gamma, "theirs")
    offices.rest()
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost | 7 | EUR")]
    with pytest.raises(UnresolvedConflictError):
        gamma.desk.publish(gamma.draft.id)
    decide(gamma, side, "kpi_name")
    offices.rest()
    assert offices.conflicts() == []
    gamma.desk.publish(gamma.draft.id)
    offices.rest()
    assert gamma.live()[1] == stands


def test_a_deletion_that_stands_after_the_restored_row_was_chosen_is_in_conflict_with_it(
    offices: Offices, gamma: Gamma
) -> None:
    """Whatever the order in which a draft has the two."""
    draft = gamma.draft
    turned = draft.model_copy(update={"conflicts": tuple(reversed(draft.conflicts))})
    with gamma.desk.ws.store.transaction(gamma.desk.ws.ctx, why="test") as tx:
        gamma.desk.ws.catalogue().save_draft(tx, turned, expected=gamma.desk.ws.catalogue().draft(draft.id).snapshot)
    decide(gamma, "theirs")
    assert offices.conflicts() == [("kpi_name", None, "cost | usage.cost | 7 | EUR")]


def test_what_is_restored_next_leaves_the_conflict_with_the_other_owner(offices: Offices, gamma: Gamma) -> None:
    gamma.at = gamma.snapshot()
    gamma.restore()
    assert offices.conflicts() == [("target", 9, None)]
    decide(gamma, "theirs")
    assert offices.conflicts() == []


def test_a_deletion_of_the_row_as_it_is_stands_unasked(offices: Offices) -> None:
    gamma = Gamma(offices.desk, kpis=kpi(7))
    offices.run(1)
    offices.at(0)
    gamma.delete()
    offices.run(0)
    offices.at(1).edit(K1, "target", 9, "KPIs")
    offices.run(1)
    decide(gamma, "theirs")
    offices.rest()
    assert offices.conflicts() == []
    gamma.desk.publish(gamma.draft.id)
    offices.rest()
    assert gamma.live()[1] is None
