"""An owner deletes a KPI row that is not live, in whose draft operators worked: what goes of theirs is told, once."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts

K1 = ("alpha", "k1")
WAS: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
OWNERS = {"unit": "EUR", "target": 6, "formula": "usage.cost * 2", "impact_type": "revenue"}
OPERATORS: list[dict[str, Any]] = [
    {"unit": "USD"}, {"target": 777}, {"formula": "usage.cost * 9"},
    {"unit": "USD", "target": 777}, {"unit": "USD", "formula": "usage.cost * 9", "target": 777},
]  # fmt: skip
QUIET = {"read": 1, "write": 0, "drive": 0}


def in_drafts(desk: Any) -> dict[str, Any]:
    """What open drafts say of the KPI."""
    found = [one.policy_snapshot.kpis.get("k1") for one in desk.open_drafts()]
    return next((one.model_dump(mode="json") for one in found if one is not None), {})


def delete_and_compare(desk: Any, operators: dict[str, Any]) -> None:
    """Delete the row: each value of `operators` is in an open draft still, or told."""
    number = next(at for at, row in enumerate(desk.values("KPIs"), 1) if tuple(row[:2]) == K1)
    desk.tab("KPIs").delete_rows(number)
    report = desk.sync()
    left = in_drafts(desk)
    lost = {column: value for column, value in operators.items() if left.get(column) != value}
    assert {one.cell[2]: one.value for one in report.healed} == lost
    assert all("an owner deleted the row" in one.note for one in report.healed)
    again = desk.sync()
    assert (again.healed, again.calls) == ([], QUIET)


@pytest.mark.parametrize("operators", OPERATORS, ids=" ".join)
@pytest.mark.parametrize(
    "owners", ["unit", "target", "formula", "impact_type", "formula impact_type", " ".join(OWNERS)]
)
def test_a_dropped_one(empty: Any, owners: str, operators: dict[str, Any]) -> None:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis={"k1": WAS}))
    empty.sync()
    typed = {column: OWNERS[column] for column in owners.split()}
    for column, value in typed.items():
        empty.edit(K1, column, value, "KPIs")
    empty.sync()
    empty.set_kpi("alpha", {"k1": None})
    empty.sync()
    kpi = WAS | typed | operators
    drafts.edit_draft(empty.ws, empty.open_drafts()[-1].id, kpis={"k1": kpi})
    empty.sync()
    delete_and_compare(empty, operators)


@pytest.mark.parametrize("operators", OPERATORS, ids=" ".join)
@pytest.mark.parametrize("published", [True, False])
def test_a_proposed_one(empty: Any, published: bool, operators: dict[str, Any]) -> None:
    first = empty.draft("alpha", ["s1"], {"s1": "firearm.read"})
    if published:
        empty.publish(first)
    empty.sync()
    empty.tab("KPIs").update([[*K1, *WAS.values()]], f"A{len(empty.values('KPIs')) + 1}")
    empty.sync()
    drafts.edit_draft(empty.ws, empty.open_drafts()[-1].id, kpis={"k1": WAS | operators})
    empty.sync()
    delete_and_compare(empty, operators)
