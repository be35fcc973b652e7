"""A lock needs a firearm: an owner's edit of one of them does not fit what operators published in the other one."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import UnresolvedConflictError
from sheetsync.services import drafts
from tests.sync.conftest import binding
from tests.sync.test_unseen_edits import Offices

S1, KPI = ("alpha", "s1"), ("alpha", "k1")
READ, MONEY = "firearm.read", "firearm.money"
QUIET = {"read": 1, "write": 0, "drive": 0}
LOCKS = "strategy_lock"
FIREARM = "firearm_id"

# what the owner edits over firearm.read, what operators publish then, and what stands if the owner's row does
CASES = [
    (LOCKS, True, "NONE", (READ, True)),
    (LOCKS, True, "", (READ, True)),
    (FIREARM, "NONE", f"{READ}+lock", ("NONE", False)),
    (FIREARM, "NONE", f"{MONEY}+lock", ("NONE", False)),
]
each = pytest.mark.parametrize(("column", "value", "published", "yours"), CASES)


@pytest.fixture
def desk(empty: Any) -> Any:
    kpis = {"k1": {"impact_type": "cost", "formula": "usage.cost", "target": 5}}
    empty.publish(empty.draft("alpha", ["s1"], {"s1": READ}, kpis=kpis))
    empty.push()
    return empty


def publish(desk: Any, text: str) -> None:
    made = drafts.new_draft(desk.ws, "alpha").draft.id
    if text:
        drafts.edit_draft(desk.ws, made, firearms={"s1": binding(text)})
    else:
        drafts.edit_draft(desk.ws, made, undecide=["s1"])
    desk.publish(made)


def live(desk: Any) -> tuple[Any, bool]:
    found = desk.ws.catalogue().published("alpha").policy().firearms.get("s1")
    return ("", False) if found is None else (found.shown(), found.strategy_lock)


def row(desk: Any) -> tuple[Any, Any, str]:
    found = [*desk.row(*S1)[2:], ""]
    return found[0], found[1], found[2]


def decide(desk: Any, column: str, side: Any) -> None:
    drafts.resolve_conflict(desk.ws, desk.open_drafts()[-1].id, S1, column, side)


def decide_row(desk: Any, column: str, side: Any) -> None:
    """Where the owner's lock stands, its firearm is asked about, too."""
    decide(desk, column, side)
    if (column, side) == (LOCKS, "yours"):
        decide(desk, FIREARM, side)


def conflicts(desk: Any) -> list[tuple[str, Any, Any, Any]]:
    return [(one.column, one.base, one.yours, one.theirs) for one in desk.open_drafts()[-1].open_conflicts()]


def edit_both(desk: Any, column: str, value: Any) -> None:
    """And a KPI, so that a draft is left to be published whatever is decided about the scope."""
    desk.edit(S1, column, value)
    desk.edit(KPI, "target", 9, "KPIs")
    desk.sync()


@each
def test_it_is_a_conflict_in_the_sheet_and_in_the_draft(
    desk: Any, column: str, value: Any, published: str, yours: Any
) -> None:
    edit_both(desk, column, value)
    publish(desk, published)
    report = desk.sync()
    theirs = live(desk)[column == LOCKS]
    base = READ if column == FIREARM else False
    assert report.exit_code == 3
    assert [(one.cell[2], one.base, one.yours, one.theirs) for one in report.conflicts] == [
        (column, base, value, theirs)
    ]
    assert conflicts(desk) == [(column, base, value, theirs)]
    assert row(desk)[2].startswith(f"conflict: {column}: base ")
    assert row(desk)[column == LOCKS] == value
    with pytest.raises(UnresolvedConflictError):
        desk.publish(desk.open_drafts()[-1].id)
    assert desk.sync().calls == QUIET


@each
@pytest.mark.parametrize("side", ["yours", "theirs"])
def test_either_decision_leads_to_a_draft_that_publish_takes(
    desk: Any, side: str, column: str, value: Any, published: str, yours: Any
) -> None:
    edit_both(desk, column, value)
    publish(desk, published)
    before = live(desk)
    desk.sync()
    decide_row(desk, column, side)
    report = desk.sync()
    assert report.conflicts == []
    assert row(desk)[:2] == (yours if side == "yours" else before)
    assert row(desk)[2].startswith("pending" if side == "yours" else "rejected: the published value was kept")
    assert desk.sync().calls == QUIET
    desk.publish(desk.open_drafts()[-1].id)
    desk.sync()
    assert live(desk) == (yours if side == "yours" else before)
    assert row(desk)[:2] == live(desk)
    assert desk.open_drafts() == []
    assert desk.sync().calls == QUIET


@each
def test_a_decision_may_be_published_before_a_run_sees_it(
    desk: Any, column: str, value: Any, published: str, yours: Any
) -> None:
    edit_both(desk, column, value)
    publish(desk, published)
    desk.sync()
    decide_row(desk, column, "yours")
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == yours


@each
def test_it_is_over_when_operators_take_theirs_back(
    desk: Any, column: str, value: Any, published: str, yours: Any
) -> None:
    edit_both(desk, column, value)
    publish(desk, published)
    desk.sync()
    publish(desk, READ)
    assert desk.sync().conflicts == []
    assert row(desk)[2].startswith("pending")
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == yours


def test_it_is_none_where_the_owner_mends_it_meanwhile(desk: Any) -> None:
    edit_both(desk, LOCKS, True)
    publish(desk, "NONE")
    desk.sync()
    desk.edit(S1, FIREARM, MONEY)
    assert desk.sync().conflicts == []
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, True)


def test_it_is_none_where_an_operator_took_the_edit_out_of_the_draft(desk: Any) -> None:
    edit_both(desk, LOCKS, True)
    drafts.edit_draft(desk.ws, desk.open_drafts()[-1].id, firearms={"s1": binding("NONE")})
    publish(desk, "NONE")
    assert desk.sync().conflicts == []
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == ("NONE", False)


def test_it_is_marked_in_a_row_that_is_frozen_too(desk: Any) -> None:
    edit_both(desk, LOCKS, True)
    desk.tab().append_row([*S1, READ, True])
    publish(desk, "NONE")
    desk.sync()
    assert conflicts(desk) == [(LOCKS, False, True, False)]


def test_an_edit_that_another_owner_gave_way_to_is_in_conflict_with_it(empty: Any) -> None:
    empty.publish(empty.draft("alpha", ["s1"], {"s1": READ}))
    offices = Offices(empty, 2)
    for at in (0, 1):
        offices.run(at)
    offices.at(0).edit(S1, FIREARM, "NONE")
    offices.at(1).edit(S1, FIREARM, MONEY)
    for at in (0, 1):
        offices.run(at)
    publish(empty, f"{READ}+lock")
    decide(empty, FIREARM, "theirs")
    assert conflicts(empty) == [(FIREARM, READ, "NONE", READ)]
    decide(empty, FIREARM, "yours")
    empty.publish(empty.open_drafts()[-1].id)
    assert live(empty) == ("NONE", False)


@pytest.mark.parametrize(("side", "stands"), [("yours", (READ, True)), ("theirs", ("NONE", False))])
def test_in_the_same_run_as_another_edit_it_is_a_conflict_too(desk: Any, side: Any, stands: Any) -> None:
    edit_both(desk, LOCKS, True)
    publish(desk, "NONE")
    desk.edit(KPI, "target", 10, "KPIs")
    desk.sync()
    assert conflicts(desk) == [(LOCKS, False, True, False)]
    decide_row(desk, LOCKS, side)
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == stands


# -- the firearm that a lock brings back


def lock_stands(desk: Any, published: str = "NONE") -> None:
    edit_both(desk, LOCKS, True)
    publish(desk, published)
    desk.sync()
    decide(desk, LOCKS, "yours")


@pytest.mark.parametrize("published", ["NONE", ""])
def test_a_firearm_that_operators_took_off_is_asked_about_before_a_lock_brings_it_back(
    desk: Any, published: str
) -> None:
    lock_stands(desk, published)
    asked = [(FIREARM, READ, READ, published)]
    assert conflicts(desk) == asked
    with pytest.raises(UnresolvedConflictError):
        desk.publish(desk.open_drafts()[-1].id)
    for _ in range(2):
        assert desk.sync().exit_code == 3
        assert conflicts(desk) == asked
    assert row(desk)[:2] == (READ, True)
    assert row(desk)[2].startswith("conflict: firearm_id: base ")
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize("published", ["NONE", ""])
@pytest.mark.parametrize("seen", [True, False])
def test_the_lock_goes_with_it_when_what_is_published_stands(desk: Any, published: str, seen: bool) -> None:
    lock_stands(desk, published)
    if seen:
        desk.sync()
    decide(desk, FIREARM, "theirs")
    assert conflicts(desk) == []
    desk.sync()
    assert row(desk) == (published, False, "rejected: the published value was kept")
    assert desk.sync().calls == QUIET
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (published, False)


def test_it_is_asked_about_against_what_is_published_by_then(desk: Any) -> None:
    lock_stands(desk)
    publish(desk, MONEY)
    desk.sync()
    assert conflicts(desk) == [(FIREARM, READ, READ, MONEY)]
    decide(desk, FIREARM, "theirs")
    desk.sync()
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, True)


def test_nothing_is_asked_when_operators_put_it_back(desk: Any) -> None:
    lock_stands(desk)
    publish(desk, READ)
    assert desk.sync().conflicts == []
    assert desk.sync().calls == QUIET
    desk.publish(desk.open_drafts()[-1].id)
    desk.sync()
    assert live(desk) == (READ, True)
    assert desk.open_drafts() == []


def test_another_edit_of_the_sheet_leaves_it_to_be_decided(desk: Any) -> None:
    lock_stands(desk)
    desk.edit(KPI, "target", 10, "KPIs")
    desk.sync()
    assert conflicts(desk) == [(FIREARM, READ, READ, "NONE")]


def test_the_owner_may_pick_another_one(desk: Any) -> None:
    lock_stands(desk)
    desk.sync()
    desk.edit(S1, FIREARM, MONEY)
    desk.sync()
    assert conflicts(desk) == [(FIREARM, READ, MONEY, "NONE")]
    decide(desk, FIREARM, "yours")
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, True)


# -- that firearm is nobody's edit


def edits(desk: Any) -> list[tuple[str, Any, Any]]:
    return [(one.column, one.base, one.value) for one in desk.open_drafts()[-1].origin.edits if one.tab != "KPIs"]


def rejections(desk: Any) -> list[Any]:
    return [line[1:] for line in desk.values("Sync Status")[1:] if line[1] == "rejected"]


@pytest.mark.parametrize("back", [False, True])
def test_a_lock_that_is_published_is_answered_so_whatever_was_decided_about_its_firearm(desk: Any, back: bool) -> None:
    lock_stands(desk)
    desk.sync()
    publish(desk, READ if back else MONEY)
    desk.sync()
    if not back:
        decide(desk, FIREARM, "theirs")
        desk.sync()
    assert (edits(desk), rejections(desk)) == ([(LOCKS, False, True)], [])
    assert row(desk)[2].startswith("pending")
    desk.publish(desk.open_drafts()[-1].id)
    desk.sync()
    assert row(desk) == (READ if back else MONEY, True, "published")
    assert rejections(desk) == []
    assert desk.sync().calls == QUIET


@pytest.mark.parametrize("seen", [True, False])
def test_it_goes_when_the_owner_takes_the_lock_back(desk: Any, seen: bool) -> None:
    lock_stands(desk)
    if seen:
        desk.sync()
    desk.edit(S1, LOCKS, False)
    assert desk.sync().conflicts == []
    assert row(desk) == ("NONE", False, "")
    assert (edits(desk), conflicts(desk)) == ([], [])
    assert desk.sync().calls == QUIET
    publish(desk, MONEY)
    assert desk.sync().conflicts == []
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, False)


def test_no_draft_is_left_that_nobody_needs(desk: Any) -> None:
    desk.edit(S1, LOCKS, True)
    desk.sync()
    publish(desk, "NONE")
    desk.sync()
    decide(desk, LOCKS, "yours")
    desk.sync()
    desk.edit(S1, LOCKS, False)
    desk.sync()
    assert desk.open_drafts() == []


def test_put_back_and_then_replaced_it_is_not_asked_about_again(desk: Any) -> None:
    lock_stands(desk)
    publish(desk, READ)
    desk.sync()
    publish(desk, MONEY)
    assert desk.sync().conflicts == []
    assert row(desk)[:2] == (MONEY, True)
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, True)


@pytest.mark.parametrize("typed", [MONEY, READ])
def test_where_it_was_not_shown_yet_the_owners_firearm_is_in_conflict_with_nothing(desk: Any, typed: str) -> None:
    lock_stands(desk)
    assert desk.cell(S1, FIREARM) == "NONE"
    desk.edit(S1, FIREARM, typed)
    assert desk.sync().conflicts == []
    assert edits(desk) == [(LOCKS, False, True), (FIREARM, "NONE", typed)]
    desk.publish(desk.open_drafts()[-1].id)
    desk.sync()
    assert (live(desk), row(desk)) == ((typed, True), (typed, True, "published"))


def test_discarded_with_its_lock_only_the_lock_is_answered(desk: Any) -> None:
    lock_stands(desk)
    desk.sync()
    drafts.discard_draft(desk.ws, desk.open_drafts()[-1].id, "no locks")
    desk.sync()
    assert row(desk) == ("NONE", False, "rejected: no locks")
    assert [line[3] for line in rejections(desk) if line[1] == "Policy Matrix"] == [LOCKS]


def test_brought_back_by_a_decision_it_is_answered_like_an_edit(desk: Any) -> None:
    lock_stands(desk)
    decide(desk, FIREARM, "yours")
    desk.sync()
    desk.edit(S1, LOCKS, False)
    assert desk.sync().conflicts == []
    assert edits(desk) == [(FIREARM, "NONE", READ)]
    drafts.discard_draft(desk.ws, desk.open_drafts()[-1].id, "not that one")
    desk.sync()
    assert row(desk) == ("NONE", False, "rejected: not that one")


def test_what_an_operator_made_of_it_in_the_draft_stays(desk: Any) -> None:
    lock_stands(desk)
    drafts.edit_draft(desk.ws, desk.open_drafts()[-1].id, firearms={"s1": binding(f"{MONEY}+lock")})
    desk.sync()
    publish(desk, READ)
    assert desk.sync().conflicts == []
    desk.publish(desk.open_drafts()[-1].id)
    assert live(desk) == (MONEY, True)
