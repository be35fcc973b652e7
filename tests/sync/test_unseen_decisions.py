"""An owner's edit that was decided against, where another one is in the cell by the time his sheet is synchronised."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts
from tests.sync.conftest import binding
from tests.sync.test_unseen_edits import MINE, SCOPE, START, YOURS, Offices

FIREARM = "firearm_id"
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.fixture
def offices(empty: Any) -> Offices:
    """The first owner's edit is pending; nobody else saw it."""
    empty.publish(empty.draft("alpha", ["s1", "s2"], {"s1": START, "s2": START}))
    all_three = Offices(empty, 3)
    for at in range(3):
        all_three.run(at)
    edit(all_three, 0, MINE)
    return all_three


def edit(offices: Offices, at: int, value: str) -> None:
    offices.at(at).edit(SCOPE, FIREARM, value)
    offices.run(at)


def resolve(offices: Offices, side: Any) -> None:
    drafts.resolve_conflict(offices.desk.ws, offices.draft().id, SCOPE, FIREARM, side)


def told(offices: Offices, at: int) -> list[str]:
    return [row[8] for row in offices.at(at).values("Sync Status")[1:] if row[1] == "rejected"]


def rests_with(offices: Offices, answers: list[str]) -> None:
    """What the first owner reads, run after run, while the other edit is pending."""
    for _ in range(2):
        offices.run(0)
        assert told(offices, 0) == answers
        assert offices.at(0).row(*SCOPE)[2:] == [YOURS, False, f"pending in {offices.draft().id}"]
    head = offices.desk.snapshots()
    assert offices.run(0).calls == QUIET
    assert offices.desk.snapshots() == head


def test_discarded_before_another_owner_typed_it_is_answered_with_the_reason(offices: Offices) -> None:
    drafts.discard_draft(offices.desk.ws, offices.draft().id, "too risky")
    edit(offices, 1, YOURS)
    rests_with(offices, ["rejected: too risky"])
    assert told(offices, 1) == []


def test_decided_against_before_its_owner_saw_the_conflict_it_is_answered(offices: Offices) -> None:
    edit(offices, 1, YOURS)
    resolve(offices, "yours")
    rests_with(offices, ["rejected: another owner's value was kept"])
    assert told(offices, 1) == []


def test_so_it_is_where_a_third_owner_typed_over_what_stood(offices: Offices) -> None:
    edit(offices, 1, "NONE")
    resolve(offices, "yours")
    offices.run(2)
    edit(offices, 2, YOURS)
    rests_with(offices, ["rejected: another owner's value was kept"])


def test_so_it_is_where_what_is_published_was_kept_and_another_owner_typed_over_that(offices: Offices) -> None:
    offices.at(0).edit(("alpha", "s2"), FIREARM, MINE)  # so that the draft is not spent
    offices.run(0)
    offices.desk.set("alpha", "s1", "NONE")
    offices.run(1)
    resolve(offices, "theirs")
    offices.run(1)
    edit(offices, 1, YOURS)
    rests_with(offices, ["rejected: the published value was kept"])


def test_another_edit_of_the_draft_leaves_the_answer_and_what_is_pending(offices: Offices) -> None:
    drafts.discard_draft(offices.desk.ws, offices.draft().id, "too risky")
    edit(offices, 1, YOURS)
    offices.at(0).edit(("alpha", "s2"), FIREARM, MINE)
    rests_with(offices, ["rejected: too risky"])


def test_his_next_edit_is_answered_anew(offices: Offices) -> None:
    edit(offices, 1, YOURS)
    resolve(offices, "yours")
    offices.run(0)
    edit(offices, 0, MINE)
    assert told(offices, 0) == []
    offices.desk.publish(offices.draft().id)
    offices.run(0)
    assert offices.at(0).row(*SCOPE)[2:] == [MINE, False, "published"]


KEPT = "rejected: another owner's value was kept"


@pytest.mark.parametrize(("side", "answers"), [("yours", []), ("theirs", [KEPT])])
@pytest.mark.parametrize("published", [False, True])
@pytest.mark.parametrize("rests", [False, True])
def test_who_saw_the_conflict_reads_what_was_decided_about_his_edit(
    offices: Offices, side: Any, answers: list[str], published: bool, rests: bool
) -> None:
    """The first owner's sheet showed the second one's edit, as his own did: what is said of it is said to him alone."""
    edit(offices, 1, YOURS)
    offices.run(0)
    offices.at(0).edit(("alpha", "s2"), FIREARM, MINE)  # the next draft is of the first owner's spreadsheet
    offices.run(0)
    if rests:
        offices.rest()
    resolve(offices, side)
    if published:
        offices.desk.publish(offices.draft().id)
    offices.rest()
    assert [told(offices, at) for at in (0, 1)] == [[], answers]
    stands = MINE if side == "theirs" else YOURS
    assert [offices.at(at).row(*SCOPE)[2] for at in (0, 1)] == [stands, stands]


@pytest.mark.parametrize(("side", "loser"), [("yours", 0), ("theirs", 1)])
@pytest.mark.parametrize("published", [False, True])
def test_who_did_not_see_it_is_answered_whichever_was_chosen_and_published_or_not(
    offices: Offices, side: Any, loser: int, published: bool
) -> None:
    edit(offices, 1, YOURS)
    resolve(offices, side)
    if published:
        offices.desk.publish(offices.draft().id)
    offices.rest()
    assert (told(offices, loser), told(offices, 1 - loser)) == ([KEPT], [])
    status = offices.at(loser).status(*SCOPE)
    assert status == KEPT if published else status.startswith("pending in ")


def test_an_edit_that_another_owner_saw_and_replaced_was_not_decided_against(offices: Offices) -> None:
    offices.run(1)
    edit(offices, 1, YOURS)
    rests_with(offices, [])


def test_what_was_published_was_not_decided_against(offices: Offices) -> None:
    offices.desk.publish(offices.draft().id)
    offices.run(1)
    edit(offices, 1, YOURS)
    rests_with(offices, [])


def test_an_operators_value_in_the_draft_decides_nothing_until_it_is_published(offices: Offices) -> None:
    drafts.edit_draft(offices.desk.ws, offices.draft().id, firearms={"s1": binding("NONE")})
    offices.run(1)
    edit(offices, 1, YOURS)
    rests_with(offices, [])
