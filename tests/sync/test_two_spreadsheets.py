"""Two spreadsheets on one tenant: what an owner of one edits, and an owner of the other never saw."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from sheetsync.services import drafts
from sheetsync.services.syncing import pull, push, sync

PUBLIC, COST, NEW = ("github", "read_public"), ("github", "cost_per_call"), ("github", "k")
MODES = {"sync": sync, "pull": pull, "push": push}


class Two:
    """The desk's spreadsheet is `a`; `b` is the other. Each has its owner."""

    def __init__(self, desk: Any) -> None:
        self.desk = desk
        other = desk.api.create_spreadsheet("second")
        self.books = {"a": desk.book, "b": desk.open(other)}
        self.gateways = {"a": desk.gateway, "b": desk.gateway_for(other)}
        self.run("b", "push")

    @contextmanager
    def at(self, name: str) -> Iterator[Any]:
        before, self.desk.book = self.desk.book, self.books[name]
        yield self.desk
        self.desk.book = before

    def run(self, name: str, mode: str = "sync") -> Any:
        self.desk.clock.advance(1)
        return MODES[mode](self.desk.ws, self.gateways[name])

    def rest(self) -> list[Any]:
        """Both are synchronised until nothing is written any more; the conflicts that both then report."""
        for _ in range(4):
            head = self.desk.snapshots()
            reports = [self.run("a"), self.run("b")]
            if [one.calls["write"] for one in reports] == [0, 0] and self.desk.snapshots() == head:
                break
        else:
            raise AssertionError("it does not come to rest")
        shown = [[(one.cell[1], one.cell[2], one.yours, one.theirs) for one in report.conflicts] for report in reports]
        assert shown[0] == shown[1]
        return shown[0]

    def cells(self, key: tuple[str, str], column: str, title: str = "Policy Matrix") -> list[Any]:
        found = []
        for name in self.books:
            with self.at(name) as desk:
                found.append(desk.cell(key, column, title))
        return found

    def edit(self, name: str, key: tuple[str, str], column: str, value: Any, title: str = "Policy Matrix") -> None:
        with self.at(name) as desk:
            desk.edit(key, column, value, title)

    def delete(self, name: str, key: tuple[str, str] = COST) -> None:
        with self.at(name) as desk:
            rows = desk.values("KPIs")
            desk.tab("KPIs").delete_rows(next(at for at, row in enumerate(rows, 1) if tuple(row[:2]) == key))

    def add(self, name: str, *values: Any) -> None:
        with self.at(name) as desk:
            at = len(desk.values("KPIs")) + 1
            desk.tab("KPIs").update([[*NEW, *values]], f"A{at}:F{at}")

    def rows(self, key: tuple[str, str] = COST) -> list[int]:
        """How often the KPI's row stands in each."""
        found = []
        for name in self.books:
            with self.at(name) as desk:
                found.append(sum(tuple(row[:2]) == key for row in desk.values("KPIs")))
        return found

    def told(self, name: str) -> list[str]:
        """The answers in `Sync Status` that say why an edit was rejected."""
        with self.at(name) as desk:
            return [row[8] for row in desk.values("Sync Status") if row[1] == "rejected"]

    def draft(self) -> Any:
        found = self.desk.open_drafts()
        assert len(found) == 1
        return found[0]

    def resolve(self, key: tuple[str, str], column: str, side: Any) -> None:
        drafts.resolve_conflict(self.desk.ws, self.draft().id, key, column, side)

    def publish(self) -> None:
        self.desk.publish(self.draft().id)
        assert self.rest() == []

    def kpis(self) -> Any:
        return self.desk.ws.catalogue().published("github").policy().kpis


@pytest.fixture
def two(desk: Any) -> Two:
    return Two(desk)


# -- one cell, edited in both


def both_edit(two: Two) -> None:
    two.edit("a", PUBLIC, "firearm_id", "firearm.read")
    two.edit("b", PUBLIC, "firearm_id", "firearm.money")


def test_one_cell_edited_in_both_is_a_conflict_that_names_both_values(two: Two) -> None:
    both_edit(two)
    assert two.rest() == [(PUBLIC, "firearm_id", "firearm.money", "firearm.read")]
    answer = "conflict: firearm_id: base NONE / yours firearm.money / theirs firearm.read"
    assert two.cells(PUBLIC, "sync_status") == [answer, answer]
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.money", "firearm.money"]


@pytest.mark.parametrize(("side", "value"), [("yours", "firearm.money"), ("theirs", "firearm.read")])
def test_decided_either_way_it_does_not_come_back_and_can_be_published(two: Two, side: str, value: str) -> None:
    both_edit(two)
    two.rest()
    two.resolve(PUBLIC, "firearm_id", side)
    assert two.rest() == []
    assert two.cells(PUBLIC, "firearm_id") == [value, value]
    assert two.cells(PUBLIC, "sync_status") == [f"pending in {two.draft().id}"] * 2
    two.publish()
    assert two.cells(PUBLIC, "sync_status") == ["published", "published"]
    assert two.cells(PUBLIC, "firearm_id") == [value, value]


def test_decided_before_the_other_sheet_was_told_it_is_decided_no_less(two: Two) -> None:
    both_edit(two)
    two.run("a")
    two.run("b")
    two.resolve(PUBLIC, "firearm_id", "theirs")
    assert two.rest() == []
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.read", "firearm.read"]


def test_the_same_value_in_both_is_agreed(two: Two) -> None:
    for name in ("a", "b"):
        two.edit(name, PUBLIC, "firearm_id", "firearm.read")
    assert two.rest() == []
    assert len(two.draft().origin.edits) == 1


def test_who_saw_the_others_edit_may_replace_it_or_take_it_back(two: Two) -> None:
    two.edit("a", PUBLIC, "firearm_id", "firearm.read")
    two.rest()
    two.edit("b", PUBLIC, "firearm_id", "firearm.money")
    assert two.rest() == []
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.money", "firearm.money"]
    two.edit("a", PUBLIC, "firearm_id", "NONE")
    assert two.rest() == []
    assert two.desk.open_drafts() == []


def test_typing_the_others_value_decides_the_conflict(two: Two) -> None:
    both_edit(two)
    two.rest()
    two.edit("b", PUBLIC, "firearm_id", "firearm.read")
    assert two.rest() == []
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.read", "firearm.read"]


@pytest.mark.parametrize("value", ["firearm.external_write", "NONE"])
def test_typing_anything_else_leaves_the_others_value_in_conflict(two: Two, value: str) -> None:
    both_edit(two)
    two.rest()
    two.edit("b", PUBLIC, "firearm_id", value)
    assert two.rest() == [(PUBLIC, "firearm_id", value, "firearm.read")]
    two.resolve(PUBLIC, "firearm_id", "theirs")
    assert two.rest() == []
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.read", "firearm.read"]


def test_what_is_published_typed_over_an_edit_that_was_not_seen_takes_nothing_back(two: Two) -> None:
    two.edit("a", PUBLIC, "firearm_id", "firearm.read")
    two.run("a")
    two.desk.set("github", "read_public", "firearm.money")
    two.edit("b", PUBLIC, "firearm_id", "firearm.money")
    two.rest()
    held = [(one.yours, one.theirs) for one in two.draft().open_conflicts()]
    assert held == [("firearm.money", "firearm.read")]


def test_a_conflict_of_two_owners_outlives_what_is_published_meanwhile(two: Two) -> None:
    both_edit(two)
    two.rest()
    two.desk.set("github", "read_public", "firearm.external_write")
    assert two.rest() == [(PUBLIC, "firearm_id", "firearm.money", "firearm.read")]
    two.resolve(PUBLIC, "firearm_id", "theirs")
    assert two.rest() == [(PUBLIC, "firearm_id", "firearm.read", "firearm.external_write")]
    two.resolve(PUBLIC, "firearm_id", "yours")
    assert two.rest() == []
    two.publish()
    assert two.cells(PUBLIC, "firearm_id") == ["firearm.read", "firearm.read"]


# -- KPI rows


def test_a_deleted_row_goes_from_the_other_sheet_and_stays_proposed(two: Two) -> None:
    two.delete("a")
    assert two.rest() == []
    assert two.rows() == [0, 0]
    assert [(one.column, one.value) for one in two.draft().origin.edits] == [("kpi_name", None)]
    assert [two.told("a"), two.told("b")] == [[], []]
    two.publish()
    assert "cost_per_call" not in two.kpis()


def test_a_pull_says_in_the_other_sheet_that_the_row_is_to_go(two: Two) -> None:
    two.delete("a")
    two.run("a")
    two.run("b", "pull")
    with two.at("b") as desk:
        assert desk.status(*COST, title="KPIs") == f"pending in {two.draft().id}"
    two.run("b", "push")
    assert two.rows() == [0, 0]


def test_added_again_in_the_other_sheet_the_deletion_is_withdrawn(two: Two) -> None:
    two.delete("a")
    two.rest()
    with two.at("b") as desk:
        desk.tab("KPIs").update([[*COST, "cost", "usage.cost * 1.0", 5, "EUR"]], "A2:F2")
    assert two.rest() == []
    assert two.rows() == [1, 1]
    assert two.desk.open_drafts() == []


ORDERS = [("delete", "edit"), ("edit", "delete")]


@pytest.mark.parametrize("order", ORDERS)
def test_a_deletion_and_an_edit_that_did_not_know_of_each_other_are_in_conflict(two: Two, order: Any) -> None:
    first, second = ("a", "b") if order[0] == "delete" else ("b", "a")
    two.delete("a")
    two.edit("b", COST, "target", 42, "KPIs")
    two.run(first)
    two.run(second)
    assert two.rest() == [(COST, "target", 42, None)]
    assert two.rows() == [1, 1]
    assert two.cells(COST, "sync_status", "KPIs") == ["conflict: target: base 5 / yours 42 / theirs no row"] * 2
    if order[0] == "delete":
        assert two.told("a") == ["rejected: the row was changed in another spreadsheet"]


@pytest.mark.parametrize(("side", "order"), list(itertools.product(["yours", "theirs"], ORDERS)))
def test_such_a_conflict_can_be_decided_and_published(two: Two, side: str, order: Any) -> None:
    two.delete("a")
    two.edit("b", COST, "target", 42, "KPIs")
    two.edit("b", COST, "unit", "CHF", "KPIs")
    for name in ("a", "b") if order[0] == "delete" else ("b", "a"):
        two.run(name)
    two.rest()
    two.resolve(COST, "target", side)
    assert two.rest() == []
    assert two.rows() == ([1, 1] if side == "yours" else [0, 0])
    two.publish()
    assert ("cost_per_call" in two.kpis()) == (side == "yours")
    if side == "yours":
        assert (two.kpis()["cost_per_call"].target, two.kpis()["cost_per_call"].unit) == (42, "CHF")


def test_nonsense_in_a_row_that_is_to_go_holds_it_back(two: Two) -> None:
    two.delete("a")
    two.edit("b", COST, "target", "many", "KPIs")
    two.run("a")
    assert two.run("b").exit_code == 3
    assert two.rows() == [0, 1]
    with two.at("b") as desk:
        assert desk.cell(COST, "target", "KPIs") == "many"
        desk.edit(COST, "target", 5, "KPIs")
    assert two.rest() == []
    assert two.rows() == [0, 0]


def test_one_kpi_added_in_both_is_in_conflict_where_the_rows_differ(two: Two) -> None:
    two.add("a", "cost", "usage.cost * 2", "", "EUR")
    two.add("b", "cost", "usage.cost * 3", 7, "")
    assert two.rest() == [(NEW, "formula", "usage.cost * 3", "usage.cost * 2")]
    assert [two.cells(NEW, name, "KPIs") for name in ("target", "unit")] == [[7, 7], ["EUR", "EUR"]]
    two.resolve(NEW, "formula", "theirs")
    assert two.rest() == []
    two.publish()
    assert (two.kpis()["k"].formula, two.kpis()["k"].target) == ("usage.cost * 2", 7)


def test_a_proposed_row_deleted_in_one_and_changed_in_the_other_stays_proposed(two: Two) -> None:
    two.add("a", "cost", "usage.cost * 2", 1, "EUR")
    two.rest()
    two.edit("b", NEW, "target", 42, "KPIs")
    two.delete("a", NEW)
    two.run("b")
    two.run("a")
    assert two.rest() == [(NEW, "target", 42, None)]
    two.resolve(NEW, "target", "theirs")
    assert two.rest() == []
    assert two.rows(NEW) == [0, 0]
