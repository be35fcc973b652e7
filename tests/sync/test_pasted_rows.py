"""A block of old rows, taken from the version history, pasted over the newer ones: keys, values and statuses at once.

No edit is lost: what stood in a pasted cell is in a draft that was superseded, what was pasted is an edit like another.
"""

from __future__ import annotations

from typing import Any

import pytest

ADMIN = ("github", "admin_write")
PUBLIC = ("github", "read_public")
POST = ("slack", "post")
READ = ("slack", "read")
QUIET = {"read": 1, "write": 0, "drive": 0}


def block(desk: Any, where: str) -> list[list[Any]]:
    """The cells as they are now, to be pasted later."""
    option: Any = "UNFORMATTED_VALUE"
    values: list[list[Any]] = desk.tab().get(where, value_render_option=option, pad_values=True)
    return values


def paste(desk: Any, where: str, rows: list[list[Any]]) -> None:
    option: Any = "RAW"
    desk.tab().update(rows, where, value_input_option=option)


def edits(report: Any) -> dict[tuple[str, ...], tuple[Any, Any]]:
    return {
        (*edit["row_key"], edit["column"]): (edit["base"], edit["value"])
        for draft in report.to_json()["drafts"] for edit in draft["edits"]
    }  # fmt: skip


def is_calm(desk: Any) -> None:
    head = desk.snapshots()
    assert desk.sync().calls == QUIET
    assert desk.snapshots() == head


def test_old_rows_over_newer_published_ones_are_edits(desk: Any) -> None:
    old = block(desk, "A2:E5")
    desk.set("slack", "post", "firearm.money")
    desk.set("github", "read_public", "firearm.read+lock")
    desk.sync()
    paste(desk, "A2:E5", old)
    report = desk.sync()
    assert edits(report) == {
        (*POST, "firearm_id"): ("firearm.money", "firearm.external_write"),
        (*PUBLIC, "firearm_id"): ("firearm.read", "NONE"),
        (*PUBLIC, "strategy_lock"): (True, False),
    }
    assert report.exit_code == 0
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert desk.status(*POST).startswith("pending in ")
    is_calm(desk)


def test_old_rows_over_pending_edits_withdraw_them_and_nothing_else(desk: Any) -> None:
    old = block(desk, "A2:E3")
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    desk.edit(READ, "firearm_id", "firearm.money")
    first = {draft.connector_id: draft.id for draft in desk.sync().drafts}
    paste(desk, "A2:E3", old)
    report = desk.sync()
    assert report.problems == []
    assert edits(report) == {}
    superseded = desk.ws.catalogue().draft(first["github"]).draft
    assert superseded.status == "superseded"
    assert [edit.value for edit in superseded.origin.edits] == ["firearm.read"]  # kept, for who wants it back
    assert [draft.id for draft in desk.open_drafts()] == [first["slack"]]
    assert desk.status(*PUBLIC) == ""
    is_calm(desk)


def test_an_old_status_in_the_block_is_ours_and_says_nothing(desk: Any) -> None:
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    old = block(desk, "A2:E5")
    desk.publish(draft)
    desk.set("github", "read_public", "firearm.money")
    desk.sync()
    paste(desk, "A2:E5", old)
    report = desk.sync()
    assert edits(report) == {(*PUBLIC, "firearm_id"): ("firearm.money", "firearm.read")}
    assert report.healed == []
    assert desk.status(*PUBLIC) == f"pending in {report.drafts[0].id}"
    is_calm(desk)


def test_old_rows_pasted_one_row_too_low(desk: Any) -> None:
    """github's two rows over read_public and slack's post: one key twice, one row gone from under its pending edit."""
    old = block(desk, "A2:E3")
    desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    paste(desk, "A3:E4", old)
    report = desk.sync()
    assert [(one.code, one.row_key) for one in report.problems] == [("duplicate_key", ADMIN), ("duplicate_key", ADMIN)]
    assert edits(report) == {}
    assert desk.cell(POST, "firearm_id") == "firearm.read"  # put back, with its pending edit
    assert desk.status(*POST) == f"pending in {draft}"
    assert desk.cell(PUBLIC, "firearm_id") == "NONE"
    is_calm(desk)
    desk.tab().delete_rows(3)
    assert desk.sync().problems == []
    assert sorted(tuple(row[:2]) for row in desk.values()[1:]) == [ADMIN, PUBLIC, POST, READ]
    assert desk.row(*ADMIN)[2:4] == ["firearm.external_write", True]
    is_calm(desk)


def test_a_frozen_row_takes_no_edit_and_loses_none(desk: Any) -> None:
    old = block(desk, "A2:E2")
    desk.edit(ADMIN, "firearm_id", "firearm.read")
    paste(desk, "A5:E5", old)  # over slack's read, while admin_write has an edit that nobody pulled yet
    report = desk.sync()
    assert {one.code for one in report.problems} == {"duplicate_key"}
    assert edits(report) == {}
    assert desk.row(*READ)[2] == ""
    desk.tab().delete_rows(5)  # the pasted copy: the edit in the other one is taken now
    report = desk.sync()
    assert edits(report) == {(*ADMIN, "firearm_id"): ("firearm.external_write", "firearm.read")}
    is_calm(desk)


def test_rows_of_a_retired_connector_come_back_as_problems(desk: Any) -> None:
    old = block(desk, "A2:E3")
    desk.retire("github")
    desk.edit(READ, "firearm_id", "firearm.read")
    desk.sync()
    assert {row[0] for row in desk.values()[1:]} == {"slack"}
    paste(desk, "A2:E3", old)
    report = desk.sync()
    assert {one.code for one in report.problems} == {"unknown_connector"}
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert desk.cell(READ, "firearm_id") == "firearm.read"  # put back with its pending edit
    assert desk.status(*READ).startswith("pending in ")
    assert len(desk.open_drafts()) == 1
    is_calm(desk)


@pytest.mark.parametrize("width", ["A2:D5", "C2:D5"])
def test_without_keys_or_statuses_it_is_the_same(desk: Any, width: str) -> None:
    old = block(desk, width)
    desk.edit(READ, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    paste(desk, width, old)
    report = desk.sync()
    assert edits(report) == {(*POST, "firearm_id"): ("firearm.money", "firearm.external_write")}
    assert desk.cell(READ, "firearm_id") == ""
    assert report.problems == []
    is_calm(desk)


def test_kpi_rows_pasted_over_others(desk: Any) -> None:
    kpi = {"impact_type": "count", "formula": "usage.count * 1.0"}
    desk.set_kpi("slack", {"sent": kpi})
    desk.sync()
    tab = desk.tab("KPIs")
    option: Any = "UNFORMATTED_VALUE"
    old = tab.get("A2:G2", value_render_option=option, pad_values=True)
    assert old[0][:2] == ["github", "cost_per_call"]
    tab.update(old, "A3:G3", value_input_option="RAW")  # github's KPI over slack's: a deletion, and a key twice
    report = desk.sync()
    assert {one.code for one in report.problems} == {"duplicate_key"}
    assert edits(report) == {("slack", "sent", "kpi_name"): ("sent", None)}
    is_calm(desk)
