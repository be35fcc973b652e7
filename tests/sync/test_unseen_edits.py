"""An edit that is pending in one spreadsheet, and what stands in another that never showed it."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from sheetsync.services.syncing import Forces, push, sync

SCOPE, KPI = ("alpha", "s1"), ("alpha", "k1")
START, MINE, YOURS = "firearm.external_write", "firearm.money", "firearm.read"
HEADERS = ["connector_id", "scope", "firearm_id", "strategy_lock"]


class Offices:
    """Several spreadsheets on one tenant; the first is the desk's."""

    def __init__(self, desk: Any, count: int = 2) -> None:
        self.desk = desk
        ids = [desk.spreadsheet_id, *(desk.api.create_spreadsheet(f"office {at}") for at in range(1, count))]
        self.books = [desk.book, *(desk.open(one) for one in ids[1:])]
        self.gateways = [desk.gateway, *(desk.gateway_for(one) for one in ids[1:])]

    def at(self, number: int) -> Any:
        self.desk.book = self.books[number]
        return self.desk

    def run(self, number: int, mode: Any = sync, **options: Any) -> Any:
        self.desk.clock.advance(1)
        return mode(self.desk.ws, self.gateways[number], **options)

    def rest(self) -> None:
        """All are synchronised until nothing is written any more."""
        for _ in range(5):
            head = self.desk.snapshots()
            writes = [self.run(at).calls["write"] for at in range(len(self.books))]
            if not any(writes) and self.desk.snapshots() == head:
                return
        raise AssertionError("it does not come to rest")

    def draft(self) -> Any:
        (found,) = self.desk.open_drafts()
        return found

    def conflicts(self) -> list[tuple[Any, ...]]:
        """Of the one open draft: column, yours, theirs."""
        return [(one.column, one.yours, one.theirs) for one in self.draft().open_conflicts()]


def add_kpi(desk: Any, *values: Any) -> None:
    at = len(desk.values("KPIs")) + 1
    desk.tab("KPIs").update([list(values)], f"A{at}")


@pytest.fixture
def offices(empty: Any) -> Offices:
    kpis = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
    empty.publish(empty.draft("alpha", ["s1"], {"s1": START}, kpis=kpis))
    both = Offices(empty)
    both.run(0)
    both.run(1)
    return both


@pytest.mark.parametrize("first", [sync, push])
def test_a_kpi_added_where_another_owner_had_edited_it_is_a_conflict(offices: Offices, first: Any) -> None:
    """It was published meanwhile; the second spreadsheet had not shown it yet."""
    offices.desk.set_kpi("alpha", {"k2": {"impact_type": "cost", "formula": "usage.cost * 9"}})
    offices.run(0)
    offices.at(0).edit(("alpha", "k2"), "formula", "usage.cost * 7", "KPIs")
    offices.run(0)
    add_kpi(offices.at(1), "alpha", "k2", "cost", "usage.cost * 2")
    offices.run(1, first)
    offices.rest()
    assert offices.conflicts() == [("formula", "usage.cost * 2", "usage.cost * 7")]


@pytest.mark.parametrize("formula", ["usage.cost", "usage.cost * 2"])
def test_a_kpi_added_again_where_another_owner_edited_it_meanwhile_is_a_conflict(
    offices: Offices, formula: str
) -> None:
    offices.at(1).tab("KPIs").delete_rows(2)
    offices.run(1)
    offices.at(0).edit(KPI, "target", 777, "KPIs")
    offices.run(0)
    add_kpi(offices.at(1), *KPI, "cost", formula, 5)
    offices.run(1)
    offices.rest()
    assert ("target", 5, 777) in offices.conflicts()


@pytest.mark.parametrize("value", [YOURS, START])
def test_a_row_typed_before_its_scope_was_known_does_not_replace_an_edit(offices: Offices, value: str) -> None:
    offices.at(1).tab().append_row(["beta", "s1", value, False])
    offices.run(1)
    offices.desk.publish(offices.desk.draft("beta", ["s1"], {"s1": START}))
    offices.run(0)
    offices.at(0).edit(("beta", "s1"), "firearm_id", MINE)
    offices.run(0)
    offices.run(1)
    offices.rest()
    assert offices.conflicts() == [("firearm_id", value, MINE)]
    assert {offices.at(at).cell(("beta", "s1"), "firearm_id") for at in (0, 1)} == {value}


@pytest.mark.parametrize("value", [YOURS, START])
def test_adopting_a_second_spreadsheets_own_tab_neither_replaces_nor_withdraws_an_edit(empty: Any, value: str) -> None:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": START}))
    offices = Offices(empty)
    offices.run(0)
    offices.at(0).edit(SCOPE, "firearm_id", MINE)
    offices.run(0)
    offices.at(1).book.add_worksheet("Policy Matrix", 20, 6).update([HEADERS, [*SCOPE, value, False]], "A1")
    offices.run(1, forces=Forces(adopt=True))
    offices.rest()
    assert offices.conflicts() == [("firearm_id", value, MINE)]


def test_adopting_a_tab_that_agrees_with_the_edit_is_no_conflict(empty: Any) -> None:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": START}))
    offices = Offices(empty)
    offices.run(0)
    offices.at(0).edit(SCOPE, "firearm_id", MINE)
    offices.run(0)
    offices.at(1).book.add_worksheet("Policy Matrix", 20, 6).update([HEADERS, [*SCOPE, MINE, False]], "A1")
    offices.run(1, forces=Forces(adopt=True))
    offices.rest()
    assert offices.conflicts() == []
    assert [edit.value for edit in offices.draft().origin.edits] == [MINE]


# -- three spreadsheets, one cell


@pytest.fixture
def three(empty: Any) -> Offices:
    """Three owners edit one cell, and none sees another's edit."""
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "NONE"}))
    offices = Offices(empty, 3)
    for at in range(3):
        offices.run(at)
    for at, value in enumerate((START, MINE, YOURS)):
        offices.at(at).edit(SCOPE, "firearm_id", value)
    offices.rest()
    return offices


def decide(offices: Offices, side: Any) -> None:
    drafts.resolve_conflict(offices.desk.ws, offices.draft().id, SCOPE, "firearm_id", side)
    offices.rest()


def shown(offices: Offices) -> set[Any]:
    return {offices.at(at).cell(SCOPE, "firearm_id") for at in range(3)}


def test_no_edit_of_three_disappears(three: Offices) -> None:
    assert three.conflicts() == [("firearm_id", YOURS, START), ("firearm_id", YOURS, MINE)]
    assert shown(three) == {YOURS}
    rows = [row for row in three.at(0).values("Sync Status") if row[1] == "conflict"]
    assert [(row[6], row[7]) for row in rows] == [(YOURS, START), (YOURS, MINE)]


def test_taking_one_of_the_others_leaves_the_third_to_be_decided(three: Offices) -> None:
    decide(three, "theirs")
    assert three.conflicts() == [("firearm_id", MINE, START)]
    assert shown(three) == {MINE}
    decide(three, "theirs")
    assert (three.conflicts(), shown(three)) == ([], {START})
    three.desk.publish(three.draft().id)
    three.rest()
    assert shown(three) == {START}


def test_keeping_ones_own_decides_against_all_others(three: Offices) -> None:
    decide(three, "yours")
    assert (three.conflicts(), shown(three)) == ([], {YOURS})
    assert [edit.value for edit in three.draft().origin.edits] == [YOURS]


def test_typing_anothers_value_decides_only_against_that_one(three: Offices) -> None:
    three.at(2).edit(SCOPE, "firearm_id", MINE)
    three.rest()
    assert three.conflicts() == [("firearm_id", MINE, START)]
    three.at(0).edit(SCOPE, "firearm_id", START)
    three.rest()
    assert (three.conflicts(), shown(three)) == ([], {START})


def test_a_value_set_back_to_published_leaves_all_others_in_conflict(three: Offices) -> None:
    three.at(1).edit(SCOPE, "firearm_id", "NONE")
    three.rest()
    assert three.conflicts() == [("firearm_id", "NONE", START), ("firearm_id", "NONE", MINE)]


def test_who_goes_over_her_own_edit_is_not_in_conflict_with_it(empty: Any) -> None:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": "NONE"}))
    offices = Offices(empty)
    offices.run(0)
    offices.run(1)
    offices.at(0).edit(SCOPE, "firearm_id", START)
    offices.at(1).edit(SCOPE, "firearm_id", MINE)
    offices.run(0)
    offices.run(1)
    offices.at(0).edit(SCOPE, "firearm_id", YOURS)
    offices.rest()
    assert offices.conflicts() == [("firearm_id", YOURS, MINE)]


def test_a_deletion_that_saw_neither_of_two_edits_is_in_conflict_with_both(offices: Offices) -> None:
    desk = offices.desk
    third = desk.api.create_spreadsheet("third")
    offices.books.append(desk.open(third))
    offices.gateways.append(desk.gateway_for(third))
    offices.run(2)
    offices.at(0).edit(KPI, "target", 7, "KPIs")
    offices.at(1).edit(KPI, "target", 8, "KPIs")
    offices.at(2).tab("KPIs").delete_rows(2)
    offices.rest()
    assert offices.conflicts() == [("target", 8, 7), ("target", 8, None)]
    drafts.resolve_conflict(desk.ws, offices.draft().id, KPI, "target", "theirs")
    offices.rest()
    assert offices.conflicts() == []
    assert [edit.column for edit in offices.draft().origin.edits] == ["kpi_name"]


@pytest.mark.parametrize("value", [900, 5])
@pytest.mark.parametrize("at", [0, 1])
def test_an_operators_value_in_the_draft_that_an_edit_replaces_is_told_and_kept(
    offices: Offices, at: int, value: int
) -> None:
    offices.at(0).edit(KPI, "target", 700, "KPIs")
    offices.run(0)
    k1 = {"impact_type": "cost", "formula": "usage.cost", "target": 650}
    draft = offices.draft().id
    drafts.edit_draft(offices.desk.ws, draft, kpis={"k1": k1})
    if (at, value) == (1, 5):  # there it stands already
        offices.run(1)
    offices.at(at).edit(KPI, "target", value, "KPIs")
    told = [(one.cell[2], one.value) for one in offices.run(at).healed]
    assert told == [("target", 650)]
    kept = [one for commit in offices.desk.ws.store.log() for one in commit.details.get("overwritten", ())]
    assert [(one["value"], draft in one["message"]) for one in kept] == [(650, True)]


@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_two_owners_edits_of_a_kpi_that_operators_removed_in_the_draft_are_decided(offices: Offices, side: Any) -> None:
    desk = offices.desk
    offices.at(0).edit(KPI, "target", 7, "KPIs")
    offices.at(1).edit(KPI, "target", 8, "KPIs")
    offices.run(0)
    offices.run(1)
    drafts.edit_draft(desk.ws, offices.draft().id, kpis={"k1": None})
    assert offices.conflicts() == [("target", 8, 7)]
    drafts.resolve_conflict(desk.ws, offices.draft().id, KPI, "target", side)
    offices.rest()
    value = 8 if side == "yours" else 7
    assert (offices.conflicts(), offices.draft().policy_snapshot.kpis) == ([], {})
    assert [offices.at(at).cell(KPI, "target", "KPIs") for at in (0, 1)] == [value, value]
    desk.publish(offices.draft().id)
    offices.rest()
    assert [len(offices.at(at).values("KPIs")) for at in (0, 1)] == [1, 1]
    lost = {line[8] for line in offices.at(0 if value == 7 else 1).values("Sync Status") if line[1] == "rejected"}
    assert lost == {"rejected: published as empty"}
