"""The network and people at the worst moments: faults at every call, edits between our read and our write."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import TryLaterError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.localsheets.faults import Step

POST = ("slack", "post")
READ = ("slack", "read")
ADMIN = ("github", "admin_write")
FAULTS = [
    f"{what} {when} {calls} skip {skip}"
    for what in ("503", "500", "429", "html", "drop", "truncate")
    for when, calls in (("before", "write"), ("after", "write"), ("before", "read"))
    for skip in (0, 1)
    if not (what == "429" and when == "after")
]


def until_calm(desk: Any) -> list[Any]:
    """Runs until one does nothing; a run may end with exit 75, as cron would see it."""
    reports = []
    for _ in range(8):
        try:
            reports.append(desk.sync())
        except TryLaterError:
            continue
        if not reports[-1].changed:
            return reports
    pytest.fail("the runs do not come to rest")


@pytest.mark.parametrize("fault", FAULTS)
def test_no_fault_loses_doubles_or_repeats_anything(desk: Any, fault: str) -> None:
    desk.edit(READ, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    desk.server.script.add(Step.parse(fault))
    until_calm(desk)
    assert desk.cell(READ, "firearm_id") == "firearm.read"
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    (draft,) = desk.open_drafts()
    assert [(edit.base, edit.value) for edit in draft.origin.edits] == [("", "firearm.read")]
    assert desk.status(*READ) == f"pending in {draft.id}"
    keys = [tuple(row[:2]) for row in desk.values()[1:]]
    assert sorted(keys) == sorted(set(keys))
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}


@pytest.mark.parametrize("fault", ["503 after write", "drop after write", "truncate after write skip 1"])
def test_a_first_push_whose_answer_is_lost_is_not_done_twice(empty: Any, fault: str) -> None:
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    empty.server.script.add(Step.parse(fault))
    until_calm(empty)
    assert empty.values()[1:] == [["slack", "post", "firearm.read", False, ""]]
    titles = [tab.title for tab in empty.book.worksheets()]
    assert len([title for title in titles if title.startswith("sheetsync")]) == 1
    assert len(titles) == 7


def between_read_and_write(desk: Any, act: Any, *, when: str = "before") -> None:
    """Somebody acts exactly between our read and our write (or between our write and its answer)."""
    desk.server.script.act(lambda workspace: act(Collaborator(workspace, desk.spreadsheet_id)), when, "write")


def test_an_edit_under_our_write_is_restored_and_taken(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    between_read_and_write(desk, lambda owner: owner.type("Policy Matrix!C4", "firearm.read"))
    report = desk.sync()
    assert report.calls == {"read": 1, "write": 2, "drive": 0}
    assert [(one["column"], one["value"]) for one in report.to_json()["healed"]] == [("firearm_id", "firearm.read")]
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    (edit,) = desk.open_drafts()[0].origin.edits
    assert edit.value == "firearm.read"
    until_calm(desk)
    assert desk.cell(POST, "firearm_id") == "firearm.read"


def test_a_sort_under_our_write_leaves_every_row_whole(desk: Any) -> None:
    before = {tuple(row[:2]): row[2:4] for row in desk.values()[1:]}
    desk.set("slack", "post", "firearm.money")
    tab = desk.tab().id
    between_read_and_write(desk, lambda owner: owner.person.sort(tab, 1, descending=True))
    until_calm(desk)
    after = {tuple(row[:2]): row[2:4] for row in desk.values()[1:]}
    assert after == before | {POST: ["firearm.money", False]}
    assert desk.open_drafts() == []


def test_a_row_inserted_above_under_our_deletion_loses_no_row(desk: Any) -> None:
    tab = desk.tab()
    tab.add_cols(1)
    tab.update([["note"], ["one"], ["two"], ["three"], ["four"]], "F1:F5")
    desk.retire("github")
    between_read_and_write(desk, lambda owner: owner.person.insert_rows(tab.id, 1, 1))
    until_calm(desk)
    rows = {tuple(row[:2]): row[5] for row in desk.values()[1:] if row[0]}
    assert rows == {POST: "three", READ: "four"}


def test_a_rename_under_our_write_is_no_error(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    tab = desk.tab().id
    between_read_and_write(desk, lambda owner: owner.person.rename_tab(tab, "Ours"))
    until_calm(desk)
    assert desk.cell(POST, "firearm_id", "Ours") == "firearm.money"


def test_an_edit_after_our_write_and_before_its_answer_is_taken_by_the_next_run(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    between_read_and_write(desk, lambda owner: owner.type("Policy Matrix!C4", "firearm.read"), when="after")
    until_calm(desk)
    (edit,) = desk.open_drafts()[0].origin.edits
    assert (edit.base, edit.value) == ("firearm.money", "firearm.read")


def test_a_second_race_is_healed_by_the_next_run(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    tab = desk.tab().id
    between_read_and_write(desk, lambda owner: owner.type("Policy Matrix!C4", "firearm.read"))
    between_read_and_write(desk, lambda owner: owner.person.sort(tab, 1, descending=True))
    until_calm(desk)
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    assert desk.cell(ADMIN, "firearm_id") == "firearm.external_write"


@pytest.mark.parametrize("run", ["push", "sync"])
def test_an_edit_in_a_row_that_we_deleted_by_mistake_is_still_an_edit(desk: Any, run: str) -> None:
    """The row comes back with the edit in it, and no later push takes that for the value agreed on."""
    desk.retire("slack")
    desk.edit(("github", "read_public"), "firearm_id", "firearm.read")
    between_read_and_write(desk, lambda owner: owner.sort("Policy Matrix", "A", "desc"))
    desk.push()
    assert desk.cell(("github", "read_public"), "firearm_id") == "firearm.read"
    getattr(desk, run)()
    assert desk.cell(("github", "read_public"), "firearm_id") == "firearm.read"
    desk.sync()
    edits = [(e.row_key, e.value) for one in desk.open_drafts() for e in one.origin.edits]
    assert edits == [(("github", "read_public"), "firearm.read")]
