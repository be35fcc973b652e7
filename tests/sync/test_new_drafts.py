"""A new sheet draft after publishes, operators and other owners moved under the one before it."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SheetSyncError
from sheetsync.services import drafts

K1, K2, S1, S2 = ("alpha", "k1"), ("alpha", "k2"), ("alpha", "s1"), ("alpha", "s2")


def kpi(formula: str, **more: Any) -> dict[str, Any]:
    return {"impact_type": "cost", "formula": formula, **more}


def add_kpi(desk: Any, *values: Any) -> None:
    desk.tab("KPIs").update([list(values)], f"A{len(desk.values('KPIs')) + 1}")


def the_draft(desk: Any) -> Any:
    (found,) = desk.open_drafts()
    return found


def decide(desk: Any, side: Any) -> None:
    while desk.open_drafts() and (conflicts := the_draft(desk).open_conflicts()):
        drafts.resolve_conflict(desk.ws, the_draft(desk).id, conflicts[-1].row_key, conflicts[-1].column, side)


def live(desk: Any) -> Any:
    return desk.ws.catalogue().published("alpha").policy()


def set_scopes(desk: Any, version: str, *names: str) -> None:
    spec = {"id": "alpha", "version": version, "name": "alpha", "scopes": [{"name": name} for name in names]}
    desk.publish(drafts.new_draft(desk.ws, "alpha", spec).draft.id)


@pytest.fixture
def alpha(empty: Any) -> Any:
    """One connector with a decided and an undecided scope, and a KPI."""
    kpis = {"k1": kpi("usage.cost", target=5)}
    empty.publish(empty.draft("alpha", ["s1", "s2"], {"s1": "NONE"}, kpis=kpis))
    empty.sync()
    return empty


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_what_operators_added_to_a_kpi_that_owners_propose_too_is_published_on(alpha: Any, side: str) -> None:
    add_kpi(alpha, *K2, "cost", "usage.cost * 7", 7)
    alpha.sync()
    alpha.edit(K2, "target", 8, "KPIs")
    alpha.set_kpi("alpha", {"k2": kpi("usage.cost * 9", target=42, unit="EUR")})
    alpha.sync()
    decide(alpha, side)
    alpha.sync()
    if alpha.open_drafts():
        alpha.publish(the_draft(alpha).id)
    wanted = ("usage.cost * 7", 8, "EUR") if side == "yours" else ("usage.cost * 9", 42, "EUR")
    assert (live(alpha).kpis["k2"].formula, live(alpha).kpis["k2"].target, live(alpha).kpis["k2"].unit) == wanted


def test_an_owner_who_gives_in_to_a_published_kpi_takes_nothing_of_it_away(alpha: Any) -> None:
    add_kpi(alpha, *K2, "cost", "usage.cost * 7")
    alpha.sync()
    alpha.set_kpi("alpha", {"k2": kpi("usage.cost * 9", unit="EUR")})
    alpha.sync()
    alpha.edit(K2, "formula", "usage.cost * 9", "KPIs")
    alpha.sync()
    assert the_draft(alpha).policy_snapshot.kpis["k2"] == live(alpha).kpis["k2"]
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).kpis["k2"].unit == "EUR"


def test_an_edit_back_to_where_it_started_is_no_less_an_edit_in_the_next_draft(alpha: Any) -> None:
    alpha.edit(K1, "target", 700, "KPIs")
    alpha.sync()
    alpha.edit(K1, "target", 5, "KPIs")
    alpha.set_kpi("alpha", {"k1": kpi("usage.cost", target=42)})
    alpha.sync()
    alpha.edit(K1, "unit", "EUR", "KPIs")
    alpha.sync()
    decide(alpha, "yours")
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).kpis["k1"].target == 5


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_lock_that_operators_took_off_again_does_not_come_back(alpha: Any, side: str) -> None:
    alpha.edit(S2, "firearm_id", "firearm.read")
    alpha.sync()
    alpha.set("alpha", "s2", "firearm.money+lock")
    alpha.edit(K1, "target", 8, "KPIs")
    alpha.sync()
    alpha.set("alpha", "s2", "firearm.external_write")
    alpha.sync()
    decide(alpha, side)
    alpha.sync()
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).firearms["s2"].strategy_lock is False


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_a_lock_that_operators_published_stays(alpha: Any, side: str) -> None:
    alpha.edit(S2, "firearm_id", "firearm.read")
    alpha.sync()
    alpha.set("alpha", "s2", "firearm.money+lock")
    alpha.edit(K1, "target", 8, "KPIs")
    alpha.sync()
    decide(alpha, side)
    alpha.sync()
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).firearms["s2"].strategy_lock is True


def test_none_does_not_take_off_a_lock_that_was_published_meanwhile(alpha: Any) -> None:
    """Nobody decided that: until somebody does, publish refuses."""
    alpha.set("alpha", "s1", "firearm.read")
    alpha.sync()
    alpha.edit(S1, "firearm_id", "NONE")
    alpha.sync()
    alpha.set("alpha", "s1", "firearm.read+lock")
    alpha.edit(K1, "target", 8, "KPIs")
    alpha.sync()
    with pytest.raises(SheetSyncError):
        alpha.publish(the_draft(alpha).id)
    assert live(alpha).firearms["s1"].strategy_lock is True


def test_a_lock_does_not_bring_back_the_firearm_that_it_was_for(alpha: Any) -> None:
    alpha.set("alpha", "s1", "firearm.read")
    alpha.sync()
    alpha.edit(S1, "strategy_lock", True)
    alpha.sync()
    alpha.set("alpha", "s1", "NONE")
    alpha.edit(K1, "target", 8, "KPIs")
    alpha.sync()
    with pytest.raises(SheetSyncError):
        alpha.publish(the_draft(alpha).id)
    assert live(alpha).firearms["s1"].shown() == "NONE"


@pytest.mark.parametrize("values", [("cost", "usage.cost", 5), ("count", "usage.count * 3", 77, "EUR")])
def test_a_kpi_that_operators_dropped_as_proposed_can_be_added_again(alpha: Any, values: tuple[Any, ...]) -> None:
    alpha.tab("KPIs").delete_rows(2)
    alpha.sync()
    alpha.set_kpi("alpha", {"k1": None})
    alpha.sync()
    add_kpi(alpha, *K1, *values)
    alpha.sync()
    alpha.sync()
    assert alpha.row(*K1, title="KPIs")[2 : 2 + len(values)] == list(values)
    assert not the_draft(alpha).open_conflicts()
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).kpis["k1"].formula == values[1]


def test_added_again_without_a_formula_its_deletion_stands(alpha: Any) -> None:
    alpha.tab("KPIs").delete_rows(2)
    alpha.sync()
    alpha.set_kpi("alpha", {"k1": None})
    alpha.sync()
    add_kpi(alpha, *K1, "cost")
    report = alpha.sync()
    assert [one.code for one in report.problems] == ["incomplete_kpi"]
    assert [edit.column for edit in the_draft(alpha).origin.edits] == ["kpi_name"]
    alpha.edit(K1, "formula", "usage.cost", "KPIs")
    alpha.sync()
    assert "kpi_name" not in [edit.column for edit in the_draft(alpha).origin.edits]


def test_an_edit_of_a_kpi_that_others_deleted_and_operators_dropped_is_in_conflict_with_that(alpha: Any) -> None:
    """One changed cell is enough: the row has all that a KPI needs."""
    other_id = alpha.api.create_spreadsheet("other")
    other, book, own = alpha.gateway_for(other_id), alpha.open(other_id), alpha.gateway
    alpha.gateway = other
    alpha.sync()
    book.worksheet("KPIs").delete_rows(2)
    alpha.sync()
    alpha.gateway = own
    alpha.set_kpi("alpha", {"k1": None})
    alpha.edit(K1, "target", 77, "KPIs")
    report = alpha.sync()
    assert not report.problems
    assert ("target", 77, None) in [(one.column, one.yours, one.theirs) for one in the_draft(alpha).open_conflicts()]
    decide(alpha, "yours")
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).kpis["k1"].target == 77


def test_nobody_changed_a_kpi_that_others_deleted_and_operators_dropped(alpha: Any) -> None:
    other_id = alpha.api.create_spreadsheet("other")
    other, book, own = alpha.gateway_for(other_id), alpha.open(other_id), alpha.gateway
    alpha.gateway = other
    alpha.sync()
    book.worksheet("KPIs").delete_rows(2)
    alpha.sync()
    alpha.gateway = own
    alpha.set_kpi("alpha", {"k1": None})
    alpha.sync()
    assert len(alpha.values("KPIs")) == 1
    assert not the_draft(alpha).open_conflicts()


@pytest.mark.parametrize("formula", ["usage.cost * 9", "usage.cost * 7"])
def test_a_kpi_that_operators_published_and_dropped_is_proposed_as_before(alpha: Any, formula: str) -> None:
    add_kpi(alpha, *K2, "cost", "usage.cost * 7", 7)
    alpha.sync()
    alpha.set_kpi("alpha", {"k2": kpi(formula, target=42, unit="EUR")})
    alpha.edit(K2, "target", 8, "KPIs")
    alpha.sync()
    alpha.set_kpi("alpha", {"k2": None})
    alpha.sync()
    alpha.sync()
    assert alpha.row(*K2, title="KPIs")[2:6] == ["cost", "usage.cost * 7", 8, ""]
    alpha.publish(the_draft(alpha).id)
    found = live(alpha).kpis["k2"]
    assert (found.formula, found.target, found.unit) == ("usage.cost * 7", 8, None)


def test_a_scope_that_publish_removed_goes_from_the_next_draft(alpha: Any) -> None:
    alpha.edit(S2, "firearm_id", "firearm.read")
    alpha.sync()
    set_scopes(alpha, "2.0.0", "s1")
    alpha.edit(S1, "firearm_id", "firearm.money")
    alpha.sync()
    assert [edit.row_key for edit in the_draft(alpha).origin.edits] == [S1]
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).firearms["s1"].firearm_id == "firearm.money"


def test_a_conflict_over_a_scope_that_publish_removed_goes_with_it(alpha: Any) -> None:
    alpha.edit(S2, "firearm_id", "firearm.read")
    alpha.sync()
    alpha.set("alpha", "s2", "firearm.money")
    alpha.sync()
    assert the_draft(alpha).open_conflicts()
    set_scopes(alpha, "2.0.0", "s1")
    alpha.edit(S1, "firearm_id", "firearm.money")
    alpha.sync()
    assert not the_draft(alpha).open_conflicts()
    alpha.publish(the_draft(alpha).id)


def test_an_operators_change_of_a_pending_cell_is_carried_over(alpha: Any) -> None:
    alpha.edit(K1, "target", 700, "KPIs")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, kpis={"k1": kpi("usage.cost * 2", target=650)})
    alpha.set_kpi("alpha", {"k1": kpi("usage.cost", target=5, unit="EUR")})
    alpha.edit(S1, "firearm_id", "firearm.money")
    alpha.sync()
    found = the_draft(alpha).policy_snapshot.kpis["k1"]
    assert (found.formula, found.target, found.unit) == ("usage.cost * 2", 650, "EUR")
    assert alpha.cell(K1, "target", "KPIs") == 700


def test_a_row_that_an_operator_dropped_in_the_draft_stays_dropped_there(alpha: Any) -> None:
    alpha.edit(K1, "target", 700, "KPIs")
    alpha.sync()
    drafts.edit_draft(alpha.ws, the_draft(alpha).id, kpis={"k1": None})
    alpha.edit(S1, "firearm_id", "firearm.money")
    alpha.sync()
    assert "k1" not in the_draft(alpha).policy_snapshot.kpis
    assert "k1" in the_draft(alpha).base.policy.kpis


def test_a_row_that_was_dropped_under_an_edit_is_in_the_next_draft_as_the_edit_found_it(alpha: Any) -> None:
    alpha.edit(K1, "target", 700, "KPIs")
    alpha.sync()
    alpha.set_kpi("alpha", {"k1": None})
    alpha.edit(S1, "firearm_id", "firearm.money")
    alpha.sync()
    found = the_draft(alpha).policy_snapshot.kpis["k1"]
    assert (found.formula, found.target) == ("usage.cost", 700)
    decide(alpha, "yours")
    alpha.publish(the_draft(alpha).id)
    assert live(alpha).kpis["k1"].target == 700


def test_a_kpi_that_was_proposed_and_published_is_deleted_as_a_whole(alpha: Any) -> None:
    add_kpi(alpha, *K2, "cost", "usage.cost * 7")
    alpha.set_kpi("alpha", {"k2": kpi("usage.cost * 9")})
    alpha.sync()
    alpha.tab("KPIs").delete_rows(3)
    alpha.sync()
    found = the_draft(alpha)
    assert [edit.column for edit in found.origin.edits] == ["kpi_name"]
    assert "k2" not in found.policy_snapshot.kpis
    assert found.base.policy.kpis["k2"] == live(alpha).kpis["k2"]
