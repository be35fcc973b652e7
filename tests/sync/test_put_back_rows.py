"""An owner deletes a KPI, and operators put it back in the draft: what they made of it there is theirs, and stays."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from tests.sync.test_two_spreadsheets import Two

K1 = ("alpha", "k1")
WAS: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
NINE = WAS | {"formula": "usage.cost * 9"}


@pytest.fixture(params=["published", "never published"])
def two(empty: Any, request: pytest.FixtureRequest) -> Two:
    """One owner's sheet has the KPI no more; the other's does, and so has the draft, with another formula."""
    first = empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS})
    if request.param == "published":
        empty.publish(first)
    empty.push()
    two = Two(empty)
    two.delete("a", K1)
    two.run("a")
    drafts.edit_draft(empty.ws, two.draft().id, kpis={"k1": NINE})
    return two


def kpi(two: Two) -> tuple[Any, ...]:
    row = two.draft().policy_snapshot.kpis["k1"]
    return row.formula, row.target


def test_another_owner_types_in_its_row(two: Two) -> None:
    two.edit("b", K1, "target", 7, "KPIs")
    assert two.rest() == [(K1, "target", 7, None)]
    assert kpi(two) == ("usage.cost * 9", 7)
    two.resolve(K1, "target", "yours")
    assert two.rest() == []
    assert kpi(two) == ("usage.cost * 9", 7)
    two.publish()
    assert two.cells(K1, "formula", "KPIs") == ["usage.cost * 9"] * 2


def test_its_owner_adds_it_again(two: Two) -> None:
    with two.at("a") as desk:
        desk.tab("KPIs").update([[*K1, "cost", "usage.cost", 8]], "A2")
    assert two.rest() == []
    assert kpi(two) == ("usage.cost * 9", 8)


def test_the_deletion_is_discarded(two: Two) -> None:
    left = drafts.discard_draft(two.desk.ws, two.draft().id, "no").left
    assert two.rest() == []
    if left is not None:  # of a connector never published a draft stays
        assert kpi(two) == ("usage.cost * 9", 5)
    assert two.rows(K1) == [1, 1]
