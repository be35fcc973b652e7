"""Something stood in a cell that no run took, what is shown there moved, and its owner then typed the old value again.

Had it been taken, that would be a conflict; so it is one.
"""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts

KPI: dict[str, Any] = {"impact_type": "cost", "formula": "usage.cost", "target": 5}
S1 = ("alpha", "s1")
K1 = ("alpha", "k1")
QUIET = {"read": 1, "write": 0, "drive": 0}
Place = tuple[str, tuple[str, str], str]
FIREARM: Place = ("Policy Matrix", S1, "firearm_id")
LOCK: Place = ("Policy Matrix", S1, "strategy_lock")
TARGET: Place = ("KPIs", K1, "target")
FORMULA: Place = ("KPIs", K1, "formula")

CASES = [
    pytest.param(FIREARM, "firearm.read", bad, "firearm.money", id=f"firearm-{bad}") for bad in ("zzz", "", "=1+1")
] + [
    pytest.param(LOCK, False, "maybe", True, id="lock"),
    pytest.param(TARGET, 5, "1,000", 6, id="target"),
    pytest.param(FORMULA, "usage.cost", "", "usage.count", id="formula"),
]


def first(desk: Any) -> None:
    desk.publish(desk.draft("alpha", ["s1", "s2"], {"s1": "firearm.read", "s2": "firearm.read"}, kpis={"k1": KPI}))
    desk.sync()


def type_in(desk: Any, place: Place, value: Any) -> None:
    title, key, column = place
    desk.edit(key, column, value, title, raw=not str(value).startswith("="))


def shown(desk: Any, place: Place) -> Any:
    title, key, column = place
    return desk.cell(key, column, title)


def status(desk: Any, place: Place) -> str:
    return str(desk.status(*place[1], title=place[0]))


def publish_value(desk: Any, place: Place, value: Any) -> None:
    """Operators publish another value of the cell."""
    if place is FIREARM:
        desk.set("alpha", "s1", value)
    elif place is LOCK:
        desk.set("alpha", "s1", "firearm.read+lock")
    else:
        desk.set_kpi("alpha", {"k1": KPI | {place[2]: value}})


@pytest.mark.parametrize(("place", "base", "bad", "theirs"), CASES)
@pytest.mark.parametrize("seen", [False, True], ids=["moved-unseen", "moved-in-a-run"])
def test_it_is_a_conflict(empty: Any, place: Place, base: Any, bad: Any, theirs: Any, seen: bool) -> None:
    first(empty)
    type_in(empty, place, bad)
    assert empty.sync().problems
    publish_value(empty, place, theirs)
    if seen:
        assert empty.sync().problems
    type_in(empty, place, base)
    [found] = empty.sync().conflicts
    assert (found.base, found.yours, found.theirs) == (base, base, theirs)
    assert shown(empty, place) == base
    assert status(empty, place).startswith(f"conflict: {place[2]}: base ")
    assert empty.sync().calls == QUIET


@pytest.mark.parametrize(("place", "base", "bad", "theirs"), CASES)
@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_either_side_can_be_decided(empty: Any, place: Place, base: Any, bad: Any, theirs: Any, side: Any) -> None:
    first(empty)
    type_in(empty, place, bad)
    empty.sync()
    publish_value(empty, place, theirs)
    type_in(empty, place, base)
    empty.sync()
    [draft] = empty.open_drafts()
    drafts.resolve_conflict(empty.ws, draft.id, place[1], place[2], side)
    if side == "yours":
        empty.sync()
        empty.publish(empty.open_drafts()[-1].id)
    empty.sync()
    assert shown(empty, place) == (base if side == "yours" else theirs)
    assert not status(empty, place).startswith(("conflict", "problem", "pending"))
    assert empty.sync().calls == QUIET


@pytest.mark.parametrize(("place", "base", "bad", "theirs"), CASES)
def test_where_nothing_moved_nothing_is_said(empty: Any, place: Place, base: Any, bad: Any, theirs: Any) -> None:
    """And what was forgotten stays forgotten: what is published later is shown."""
    first(empty)
    type_in(empty, place, bad)
    empty.sync()
    type_in(empty, place, base)
    report = empty.sync()
    assert (report.conflicts, report.problems, status(empty, place)) == ([], [], "")
    assert not empty.open_drafts()
    assert empty.sync().calls == QUIET
    publish_value(empty, place, theirs)
    assert empty.sync().conflicts == []
    assert shown(empty, place) == theirs


@pytest.mark.parametrize(("place", "base", "bad", "theirs"), CASES)
def test_what_is_published_is_agreed(empty: Any, place: Place, base: Any, bad: Any, theirs: Any) -> None:
    first(empty)
    type_in(empty, place, bad)
    empty.sync()
    publish_value(empty, place, theirs)
    type_in(empty, place, theirs)
    report = empty.sync()
    assert (report.conflicts, report.problems, shown(empty, place)) == ([], [], theirs)
    assert not empty.open_drafts()
    assert empty.sync().calls == QUIET


def test_an_emptied_cell_chooses_no_firearm(empty: Any) -> None:
    """Who only clears what was bad, where no firearm was chosen yet, is shown the one that was published."""
    empty.publish(empty.draft("alpha", ["s1"]))
    empty.sync()
    type_in(empty, FIREARM, "zzz")
    empty.sync()
    empty.set("alpha", "s1", "firearm.money")
    type_in(empty, FIREARM, "")
    assert empty.sync().conflicts == []
    assert shown(empty, FIREARM) == "firearm.money"


def test_a_push_leaves_it_and_the_next_pull_takes_it(empty: Any) -> None:
    first(empty)
    type_in(empty, FIREARM, "zzz")
    empty.push()
    empty.set("alpha", "s1", "firearm.money")
    type_in(empty, FIREARM, "firearm.read")
    for _ in range(2):
        assert [one.value for one in empty.push().pending] == ["firearm.read"]
        assert shown(empty, FIREARM) == "firearm.read"
    [found] = empty.pull().conflicts
    assert (found.yours, found.theirs) == ("firearm.read", "firearm.money")


def test_it_settles_first(empty: Any) -> None:
    first(empty)
    type_in(empty, FIREARM, "zzz")
    empty.sync(settle_seconds=60)
    empty.set("alpha", "s1", "firearm.money")
    type_in(empty, FIREARM, "firearm.read")
    assert len(empty.sync(settle_seconds=60).settling) == 1
    assert shown(empty, FIREARM) == "firearm.read"
    empty.clock.advance(60)
    assert len(empty.sync(settle_seconds=60).conflicts) == 1


def test_an_edit_that_settles_is_not_yet_meant(empty: Any) -> None:
    first(empty)
    type_in(empty, FIREARM, "firearm.external_write")
    assert len(empty.sync(settle_seconds=60).settling) == 1
    empty.set("alpha", "s1", "firearm.money")
    type_in(empty, FIREARM, "firearm.read")
    assert empty.sync(settle_seconds=60).conflicts == []
    assert shown(empty, FIREARM) == "firearm.money"


def test_the_store_wins_and_says_over_what(empty: Any) -> None:
    first(empty)
    type_in(empty, FIREARM, "zzz")
    empty.sync()
    empty.set("alpha", "s1", "firearm.money")
    type_in(empty, FIREARM, "firearm.read")
    empty.book.del_worksheet(next(tab for tab in empty.book.worksheets() if tab.title.startswith("sheetsync epoch")))
    report = empty.sync(forces=empty.force(restore_from_store=True))
    assert [one.value for one in report.healed] == ["firearm.read"]
    assert shown(empty, FIREARM) == "firearm.money"


def test_a_row_that_was_dropped_is_not_deleted_over_it(empty: Any) -> None:
    first(empty)
    type_in(empty, FORMULA, "")
    empty.sync()
    empty.set_kpi("alpha", {"k1": None})
    assert empty.sync().problems
    type_in(empty, FORMULA, "usage.cost")
    [found] = empty.sync().conflicts
    assert (found.cell[2], found.yours, found.theirs) == ("formula", "usage.cost", None)
    assert empty.row(*K1, title="KPIs")[3] == "usage.cost"
    assert empty.sync().calls == QUIET
