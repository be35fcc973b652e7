"""After a person answered exit 7: one run goes on from there, and the next one has nothing left to do."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sheetsync.errors import SafetyStopError

POST = ("slack", "post")
READ = ("slack", "read")
ADMIN = ("github", "admin_write")
COST = ("github", "cost_per_call")
QUIET = {"read": 1, "write": 0, "drive": 0}


def busy(desk: Any) -> None:
    """A spreadsheet with something of everything: a pending edit, a problem, a conflict, an undecided draft."""
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.edit(ADMIN, "firearm_id", "firearm.raed")
    desk.edit(COST, "formula", "usage.cost * 2", "KPIs")
    desk.draft("jira", ["open"])
    desk.sync()
    desk.set("slack", "post", "firearm.money")
    desk.sync()


def stopped(desk: Any) -> str:
    with pytest.raises(SafetyStopError) as caught:
        desk.sync()
    return str(caught.value.code)


def move_to_copy(desk: Any) -> None:
    made = desk.clients[0].copy(desk.spreadsheet_id, title="copy", copy_permissions=False)
    desk.spreadsheet_id = made.id
    desk.gateway = desk.gateway_for(made.id)
    desk.book = desk.open(made.id)


def is_calm(desk: Any) -> None:
    """Nothing read twice, nothing written, nothing remembered."""
    for _ in range(2):
        head = desk.snapshots()
        report = desk.sync()
        assert report.calls == QUIET
        assert not report.changed
        assert desk.snapshots() == head


@pytest.mark.parametrize("answer", ["adopt", "restore_from_store"])
@pytest.mark.parametrize("state", ["plain", "busy", "edited"])
def test_a_copied_spreadsheet_is_calm_after_the_answer(desk: Any, answer: str, state: str) -> None:
    if state == "busy":
        busy(desk)
    move_to_copy(desk)
    assert stopped(desk) == "copied_spreadsheet"
    if state == "edited":
        desk.edit(READ, "firearm_id", "firearm.read")
        desk.edit(COST, "target", 7, "KPIs")
    report = desk.sync(forces=desk.force(**{answer: True}))
    assert report.changed
    if state == "edited":
        taken = [edit.value for draft in report.drafts for edit in draft.edits]
        given = [one["value"] for one in report.to_json()["healed"]]
        assert sorted(map(str, taken if answer == "adopt" else given)) == ["7", "firearm.read"]
    is_calm(desk)


@pytest.mark.parametrize("answer", ["adopt", "restore_from_store"])
@pytest.mark.parametrize("state", ["plain", "busy", "edited"])
def test_an_older_version_is_calm_after_the_answer(desk: Any, answer: str, state: str) -> None:
    if state == "busy":
        busy(desk)
    loaded = desk.server.workspace._loaded
    old = copy.deepcopy(loaded[desk.spreadsheet_id])
    desk.set("github", "read_public", "firearm.money")
    desk.sync()
    loaded[desk.spreadsheet_id] = old  # a person restored an older version
    assert stopped(desk) == "epoch_older"
    if state == "edited":
        desk.edit(READ, "firearm_id", "firearm.read")
    desk.sync(forces=desk.force(**{answer: True}))
    is_calm(desk)


@pytest.mark.parametrize("answer", ["adopt", "restore_from_store"])
@pytest.mark.parametrize("state", ["plain", "busy", "edited"])
def test_a_lost_scratch_tab_is_calm_after_the_answer(desk: Any, answer: str, state: str) -> None:
    if state == "busy":
        busy(desk)
    desk.book.del_worksheet(next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch")))
    assert stopped(desk) == "epoch_missing"
    if state == "edited":
        desk.edit(READ, "firearm_id", "firearm.read")
    desk.sync(forces=desk.force(**{answer: True}))
    is_calm(desk)


@pytest.mark.parametrize("answer", ["adopt", "restore_from_store"])
@pytest.mark.parametrize("state", ["plain", "busy"])
@pytest.mark.parametrize("how", ["copied", "lost"])
def test_a_push_may_bring_the_answer(desk: Any, answer: str, state: str, how: str) -> None:
    if state == "busy":
        busy(desk)
    if how == "copied":
        move_to_copy(desk)
    else:
        desk.book.del_worksheet(next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch")))
    with pytest.raises(SafetyStopError):
        desk.push()
    desk.push(forces=desk.force(**{answer: True}))
    is_calm(desk)


def test_the_copied_from_spreadsheet_goes_on_as_before(desk: Any) -> None:
    first = desk.spreadsheet_id
    move_to_copy(desk)
    assert stopped(desk) == "copied_spreadsheet"
    desk.sync(forces=desk.force(adopt=True))
    desk.spreadsheet_id, desk.gateway, desk.book = first, desk.gateway_for(first), desk.open(first)
    is_calm(desk)
