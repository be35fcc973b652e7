"""An owner takes back the firearm that an operator's lock in the draft stands on: he is told."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from tests.sync.conftest import binding

S2 = ("alpha", "s2")
QUIET = {"read": 1, "write": 0, "drive": 0}


def draft(desk: Any) -> Any:
    return desk.open_drafts()[-1]


@pytest.mark.parametrize("published", [True, False])
@pytest.mark.parametrize("firearm", ["firearm.money", "firearm.read"])
@pytest.mark.parametrize("start", ["", "NONE"])
def test_a_firearm_is_not_taken_back_from_under_an_operators_lock(
    empty: Any, start: str, firearm: str, published: bool
) -> None:
    first = empty.draft("alpha", ["s1", "s2"], {"s1": "firearm.read"} | ({"s2": start} if start else {}))
    if published:
        empty.publish(first)
    empty.sync()
    empty.edit(S2, "firearm_id", "firearm.money")
    empty.sync()
    locked = {"s2": binding(firearm).model_copy(update={"strategy_lock": True})}
    drafts.edit_draft(empty.ws, draft(empty).id, firearms=locked)
    if published:
        empty.sync()  # of a connector never published this shows the lock
    empty.edit(S2, "firearm_id", start)
    report = empty.sync()
    assert (report.exit_code, report.healed) == (3, [])
    assert [(one.code, one.cell) for one in report.problems] == [("no_valid_row", "C3")]
    assert f"in {draft(empty).id}, an operator changed this row" in report.problems[0].message
    assert empty.row(*S2)[2] == start
    assert empty.sync().calls == QUIET
    drafts.edit_draft(empty.ws, draft(empty).id, firearms={"s2": binding("firearm.money")})
    report = empty.sync()
    assert report.problems == []
    assert empty.row(*S2)[2] == start
    for one in empty.open_drafts():
        now = one.policy_snapshot.firearms.get("s2")
        assert (now is not None, now and now.firearm_id) == (start == "NONE", None)


def test_a_deletion_of_a_dropped_row_is_not_told_to_take_what_stays(empty: Any) -> None:
    kpi: dict[str, Any] = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "firearm.read"}, kpis=kpi))
    empty.sync()
    empty.edit(("alpha", "k1"), "unit", "EUR", "KPIs")
    empty.sync()
    empty.set_kpi("alpha", {"k1": None})
    empty.sync()
    drafts.edit_draft(empty.ws, draft(empty).id, kpis={"k1": kpi["k1"] | {"target": 98765, "unit": "EUR"}})
    empty.sync()
    empty.tab("KPIs").delete_rows(2)
    assert empty.sync().healed == []
    assert draft(empty).policy_snapshot.kpis["k1"].target == 98765


def test_a_lock_is_not_put_back_under_an_operators_none(empty: Any) -> None:
    s1 = ("alpha", "s1")
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "firearm.read+lock"}))
    empty.sync()
    empty.edit(s1, "strategy_lock", False)
    empty.sync()
    drafts.edit_draft(empty.ws, draft(empty).id, firearms={"s1": binding("NONE")})
    empty.edit(s1, "strategy_lock", True)
    report = empty.sync()
    assert (report.exit_code, report.healed) == (3, [])
    assert [one.code for one in report.problems] == ["no_valid_row"]
    assert f"in {draft(empty).id}, an operator changed this row" in report.problems[0].message
    assert empty.sync().calls == QUIET
    drafts.edit_draft(empty.ws, draft(empty).id, firearms={"s1": binding("firearm.money")})
    assert empty.sync().problems == []
    assert empty.row(*s1)[2:4] == ["firearm.read", True]
    now = draft(empty).policy_snapshot.firearms["s1"]
    assert (now.firearm_id, now.strategy_lock) == ("firearm.money", True)
