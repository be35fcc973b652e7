"""Bulk: chunks through a hidden staging tab, reads in blocks of rows; and what a viewer sees meanwhile."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import TryLaterError
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.localsheets.faults import Step

NAMES = [f"tools.scope{number:03}" for number in range(300)]
ROW = ["firearm.read", False, ""]


@pytest.fixture
def bulky(empty: Any) -> Any:
    """300 scopes to push in chunks of 8 kB, to be read in blocks of 100 rows."""
    empty.gateway = GoogleSheetsGateway(
        empty.api, empty.spreadsheet_id, store_id=empty.ws.store.store_id, firearms=empty.ws.firearms.ids(),
        chunk_bytes=8_000, block_rows=100,
    )  # fmt: skip
    empty.publish(empty.draft("big", NAMES, dict.fromkeys(NAMES, "firearm.read")))
    return empty


def titles(desk: Any) -> list[str]:
    return [tab.title for tab in desk.book.worksheets()]


def test_bulk_arrives_whole_typed_and_in_order(bulky: Any) -> None:
    report = bulky.push()
    assert report.calls["read"] == 1
    assert report.calls["write"] > 4
    assert bulky.values()[1:] == [["big", name, *ROW] for name in NAMES]
    assert not [title for title in titles(bulky) if "staging" in title]


def test_a_viewer_never_sees_a_half_table(bulky: Any) -> None:
    seen = []

    def look(workspace: Any) -> None:
        content = workspace.spreadsheet(bulky.spreadsheet_id)
        seen.append([sheet.title for sheet in content.sheets if not sheet.hidden])

    for number in range(12):
        bulky.server.script.add(Step("act", calls="write", skip=0, times=1, act=look, after=bool(number % 2)))
    bulky.push()
    assert seen
    assert all("Policy Matrix" not in shown or len(shown) == 6 for shown in seen)


def test_blocks_read_the_same_as_one_read(bulky: Any) -> None:
    bulky.push()
    report = bulky.sync()
    assert (report.calls["read"], report.calls["write"], report.changed) == (3, 0, False)
    bulky.edit(("big", "tools.scope250"), "firearm_id", "firearm.money")
    bulky.edit(("big", "tools.scope099"), "strategy_lock", True)
    report = bulky.sync()
    assert [edit.row_key[1] for edit in report.drafts[0].edits] == ["tools.scope099", "tools.scope250"]
    assert report.calls["write"] == 1


def test_rows_that_move_between_two_blocks_are_read_again(bulky: Any) -> None:
    bulky.push()
    tab = bulky.tab().id
    bulky.server.script.act(
        lambda workspace: Collaborator(workspace, bulky.spreadsheet_id).person.insert_rows(tab, 3, 2), "after", "read"
    )
    report = bulky.sync()
    assert (report.drafts, report.problems, report.calls["write"]) == ([], [], 0)
    assert len([row for row in bulky.values()[1:] if row[0]]) == 300


def test_staging_that_was_left_behind_is_removed_by_the_next_run(bulky: Any) -> None:
    bulky.server.script.add(Step.parse("503 before write skip 3 always"))
    with pytest.raises(TryLaterError):
        bulky.push()
    bulky.server.script.steps.clear()
    assert [title for title in titles(bulky) if "staging" in title]
    bulky.push()
    assert not [title for title in titles(bulky) if "staging" in title]
    assert bulky.values()[1:] == [["big", name, *ROW] for name in NAMES]
