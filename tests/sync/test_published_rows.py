"""KPI rows that operators publish, or drop, while owners propose the same ones, or an operator does in their draft."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.domain.firearms import FirearmBinding
from sheetsync.errors import RegistryMovedError, UnresolvedConflictError
from sheetsync.services import drafts
from sheetsync.services.syncing import pull, sync
from tests.sync.conftest import binding

K1, K2, S1, S2 = ("alpha", "k1"), ("alpha", "k2"), ("alpha", "s1"), ("alpha", "s2")
PUBLISHED = {"k2": {"impact_type": "count", "formula": "usage.cost * 9", "target": 42, "unit": "EUR"}}


def propose(desk: Any) -> None:
    desk.tab("KPIs").update([[*K2, "cost", "usage.cost * 7", 7]], "A3")
    desk.sync()


def the_draft(desk: Any) -> Any:
    (found,) = desk.open_drafts()
    return found


def target(value: int) -> dict[str, Any]:
    return {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": value}}


def live(desk: Any) -> Any:
    return desk.ws.catalogue().published("alpha").policy()


@pytest.fixture
def alpha(empty: Any) -> Any:
    """One connector with a scope and a KPI."""
    kpis = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
    empty.publish(empty.draft("alpha", ["s1", "s2"], {"s1": "NONE"}, kpis=kpis))
    empty.sync()
    return empty


@pytest.mark.parametrize("run", [pull, sync])
@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_spreadsheet_without_the_row_makes_the_draft_anew_in_conflict_with_what_was_published(
    alpha: Any, run: Any, side: Any
) -> None:
    gateway = alpha.gateway_for(alpha.api.create_spreadsheet("second"))
    alpha.clock.advance(1)
    sync(alpha.ws, gateway)
    propose(alpha)
    alpha.set_kpi("alpha", PUBLISHED)
    alpha.book = alpha.open(gateway.spreadsheet_id)
    alpha.edit(K1, "target", 6, "KPIs")
    alpha.clock.advance(1)
    run(alpha.ws, gateway)
    found = {one.column: (one.base, one.yours, one.theirs) for one in the_draft(alpha).open_conflicts()}
    assert found == {
        "impact_type": (None, "cost", "count"),
        "formula": (None, "usage.cost * 7", "usage.cost * 9"),
        "target": (None, 7, 42),
    }
    with pytest.raises(UnresolvedConflictError):
        alpha.publish(the_draft(alpha).id)
    alpha.clock.advance(1)
    assert sync(alpha.ws, gateway).exit_code == 3
    for column in found:
        drafts.resolve_conflict(alpha.ws, the_draft(alpha).id, K2, column, side)
    alpha.publish(the_draft(alpha).id)
    k2 = live(alpha).kpis["k2"]
    assert (k2.impact_type, k2.target, k2.unit) == (("cost", 7, "EUR") if side == "yours" else ("count", 42, "EUR"))
    assert live(alpha).kpis["k1"].target == 6


@pytest.mark.parametrize("moves_on", [False, True])
def test_a_row_that_an_operator_took_out_takes_nothing_with_it_that_was_published_since(
    alpha: Any, moves_on: bool
) -> None:
    alpha.edit(S1, "firearm_id", "firearm.read")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, kpis={"k1": None})
    alpha.set_kpi("alpha", {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5, "unit": "EUR"}})
    if moves_on:  # the draft is made anew
        alpha.edit(S1, "firearm_id", "firearm.external_write")
        alpha.sync()
    with pytest.raises(RegistryMovedError, match="KPI k1"):
        alpha.publish(the_draft(alpha).id)


@pytest.mark.parametrize("moves_on", [False, True])
def test_a_decision_that_an_operator_took_back_takes_no_lock_with_it_that_was_published_since(
    alpha: Any, moves_on: bool
) -> None:
    alpha.set("alpha", "s1", "firearm.read")
    alpha.sync()
    alpha.edit(K1, "target", 700, "KPIs")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, undecide=["s1"])
    alpha.set("alpha", "s1", "firearm.read+lock")
    if moves_on:
        alpha.edit(K1, "target", 701, "KPIs")
        alpha.sync()
    with pytest.raises(RegistryMovedError, match="scope s1"):
        alpha.publish(the_draft(alpha).id)


@pytest.mark.parametrize("way", ["as published", "published first"])
def test_the_hint_names_what_helps_where_an_operators_change_in_the_owners_draft_was_overtaken(
    alpha: Any, way: str
) -> None:
    alpha.edit(S1, "firearm_id", "firearm.read")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, kpis=target(650))
    alpha.set_kpi("alpha", target(42))
    alpha.edit(S1, "firearm_id", "firearm.external_write")
    (told,) = alpha.sync().problems
    mine = the_draft(alpha).id  # it has the operator's change, too
    assert (told.code, told.row_key) == ("overtaken_change", ("alpha",))
    assert "KPI k1 target" in told.message
    assert mine in told.hint
    assert alpha.sync().calls["write"] == 0
    with pytest.raises(RegistryMovedError, match="KPI k1 target") as refused:
        alpha.publish(mine)
    if way == "as published":
        assert f"set it in {mine} to what is published, with 'sheetsync draft edit {mine}'" in str(refused.value.hint)
        drafts.edit_draft(alpha.ws, mine, kpis=target(42))
    else:
        assert "first publish that change from a draft of its own" in str(refused.value.hint)
        alpha.set_kpi("alpha", target(650))
    assert alpha.sync().problems == []
    alpha.publish(mine)
    assert live(alpha).kpis["k1"].target == (42 if way == "as published" else 650)
    assert live(alpha).firearms["s1"].firearm_id == "firearm.external_write"


OVERRULED = [
    # what its owner edits, what an operator makes of that in the draft, what is published then, what publish names
    ((S1, "firearm_id", "firearm.read"), {"firearms": {"s1": binding("NONE")}},
     {"firearms": {"s1": binding("firearm.money+lock")}}, "scope s1 firearm_id"),
    ((K1, "target", 700, "KPIs"), {"kpis": {"k1": None}},
     {"kpis": {"k1": {**target(5)["k1"], "unit": "CHF"}}}, "KPI k1"),
]  # fmt: skip


@pytest.mark.parametrize(("edit", "overruled", "published", "what"), OVERRULED)
def test_so_it_is_told_where_he_changed_what_an_owner_edited(
    alpha: Any, edit: Any, overruled: Any, published: Any, what: str
) -> None:
    """Nobody is asked about that: what the owner edited is published as it was."""
    alpha.set("alpha", "s1", "firearm.money")
    alpha.sync()
    alpha.edit(*edit)
    alpha.sync()
    mine = the_draft(alpha).id
    drafts.edit_draft(alpha.ws, mine, **overruled)
    assert alpha.sync().problems == []
    made = drafts.new_draft(alpha.ws, "alpha").draft.id
    drafts.edit_draft(alpha.ws, made, **published)
    alpha.publish(made)
    for _ in range(2):
        report = alpha.sync()
        assert [(one.code, what in one.message) for one in report.problems] == [("overtaken_change", True)]
        assert report.conflicts == []
    with pytest.raises(RegistryMovedError, match=what):
        alpha.publish(mine)
    drafts.edit_draft(alpha.ws, mine, **published)
    assert alpha.sync().problems == []
    alpha.publish(mine)


def test_it_is_not_told_where_the_owner_is_asked(alpha: Any) -> None:
    alpha.edit(S1, "firearm_id", "firearm.read")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, firearms={"s1": binding("NONE")})
    alpha.set("alpha", "s1", "firearm.external_write")
    report = alpha.sync()
    assert (report.problems, len(report.conflicts)) == ([], 1)
    drafts.resolve_conflict(alpha.ws, the_draft(alpha).id, S1, "firearm_id", "yours")
    assert alpha.sync().problems == []
    alpha.publish(the_draft(alpha).id)


REMOVED = {"kpis": {"k1": None}}, {"kpis": target(5)}, (K1, "target", 700, "KPIs")
NONE = (
    {"firearms": {"s1": FirearmBinding(firearm_id=None)}},
    {"firearms": {"s1": FirearmBinding(firearm_id="firearm.read")}},
    (S1, "strategy_lock", True),
)
UNDECIDED = {"undecide": ["s1"]}, NONE[1], NONE[2]
LOCKED = (
    {"firearms": {"s1": FirearmBinding(firearm_id="firearm.read", strategy_lock=True)}},
    NONE[1],
    (S1, "firearm_id", "NONE"),
)


@pytest.mark.parametrize("discards", [False, True])
@pytest.mark.parametrize(
    ("change", "back", "edit", "says"),
    [
        (*REMOVED, "in {}, an operator removed this row"),
        (*NONE, "in {}, an operator changed this row, and the edit does not fit that"),
        (*UNDECIDED, "in {}, an operator changed this row, and the edit does not fit that"),
        (*LOCKED, "in {}, an operator changed this row, and the edit does not fit that"),
    ],
)
def test_an_owner_is_not_blamed_for_what_an_operator_changed_in_the_draft(
    alpha: Any, discards: bool, change: Any, back: Any, edit: Any, says: str
) -> None:
    alpha.set("alpha", "s1", "firearm.read")
    alpha.sync()
    alpha.edit(S2, "firearm_id", "NONE")
    alpha.sync()
    old = the_draft(alpha).id
    drafts.edit_draft(alpha.ws, old, **change)
    alpha.edit(*edit)
    report = alpha.sync()
    (found,) = report.problems
    assert found.message == says.format(old)
    assert found.hint.startswith("ask an operator to ")
    assert found.hint.endswith(" back there, or to discard that draft")
    if discards:
        drafts.discard_draft(alpha.ws, old)
    else:
        drafts.edit_draft(alpha.ws, old, **back)
    report = alpha.sync()
    assert (report.problems, report.conflicts) == ([], [])
    assert (edit[0], edit[1], edit[2]) in [
        (one.row_key, one.column, one.value) for one in the_draft(alpha).origin.edits
    ]
