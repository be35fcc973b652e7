"""An operator's change in the owners' draft, which no sheet shows, goes with an owner's edit: the run says so."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from tests.sync.conftest import binding

K1, S1 = ("alpha", "k1"), ("alpha", "s1")
WAS: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
TYPED = "a newer edit of the cell took its place"
DELETED = "an owner deleted the row"


@pytest.fixture
def alpha(empty: Any) -> Any:
    """A published connector; its owner's edit of a KPI's unit is in a draft."""
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS}))
    empty.sync()
    empty.edit(K1, "unit", "EUR", "KPIs")
    empty.sync()
    return empty


def change(desk: Any, **kpi: Any) -> str:
    draft = desk.open_drafts()[0].id
    drafts.edit_draft(desk.ws, draft, kpis={"k1": WAS | {"unit": "EUR"} | kpi})
    return str(draft)


def told(report: Any) -> list[tuple[str, Any, str]]:
    return [(one.cell[2], one.value, one.note) for one in report.healed]


def test_the_row_is_deleted(alpha: Any) -> None:
    draft = change(alpha, target=98765, unit="USD")
    alpha.tab("KPIs").delete_rows(2)
    said = f"an operator's value in {draft}: {DELETED}"
    assert told(alpha.sync()) == [("target", 98765, said), ("unit", "USD", said)]
    assert told(alpha.sync()) == []


def test_the_cell_is_typed(alpha: Any) -> None:
    draft = change(alpha, target=98765)
    alpha.edit(K1, "target", 7, "KPIs")
    assert told(alpha.sync()) == [("target", 98765, f"an operator's value in {draft}: {TYPED}")]
    assert told(alpha.sync()) == []


def test_so_it_is_with_a_firearm(alpha: Any) -> None:
    draft = alpha.open_drafts()[0].id
    drafts.edit_draft(alpha.ws, draft, firearms={"s1": binding("firearm.money")})
    alpha.edit(S1, "firearm_id", "NONE")
    assert told(alpha.sync()) == [("firearm_id", "firearm.money", f"an operator's value in {draft}: {TYPED}")]


def test_a_row_that_operators_put_back_is_added_again(alpha: Any) -> None:
    alpha.tab("KPIs").delete_rows(2)
    alpha.sync()
    draft = change(alpha, target=98765, unit=None)
    alpha.tab("KPIs").update([[*K1, "cost", "usage.cost", 8]], "A2")
    assert told(alpha.sync()) == [("target", 98765, f"an operator's value in {draft}: {TYPED}")]


def test_a_kpi_that_operators_added_in_the_draft_is_proposed_too(alpha: Any) -> None:
    draft, key = alpha.open_drafts()[0].id, ("alpha", "k2")
    drafts.edit_draft(alpha.ws, draft, kpis={"k2": WAS | {"target": 98765}})
    alpha.tab("KPIs").update([[*key, "cost", "usage.cost", 8]], "A3")
    assert told(alpha.sync()) == [("target", 98765, f"an operator's value in {draft}: {TYPED}")]


@pytest.mark.parametrize("how", ["typed", "deleted"])
def test_what_goes_on_or_was_published_since_is_not_told(alpha: Any, how: str) -> None:
    alpha.set_kpi("alpha", {"k1": WAS | {"target": 6}})
    alpha.sync()
    if how == "typed":
        alpha.edit(K1, "target", 7, "KPIs")
        alpha.edit(S1, "firearm_id", "firearm.money")
    else:
        alpha.tab("KPIs").delete_rows(2)
    assert told(alpha.sync()) == []


@pytest.mark.parametrize("how", ["typed", "deleted"])
def test_nor_is_what_the_sheet_showed(empty: Any, how: str) -> None:
    """Of a connector never published the sheet shows what operators made of it."""
    empty.draft("beta", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS})
    empty.sync()
    key = ("beta", "k1")
    empty.edit(key, "unit", "EUR", "KPIs")
    empty.sync()
    change(empty, target=98765)
    empty.sync()
    assert empty.cell(key, "target", "KPIs") == 98765
    if how == "typed":
        empty.edit(key, "target", 7, "KPIs")
    else:
        empty.tab("KPIs").delete_rows(2)
    assert told(empty.sync()) == []
