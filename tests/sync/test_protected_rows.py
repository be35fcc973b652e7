"""What stands because people protect it is not reported as removed or written over."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.localsheets.collaborator import Collaborator

HEAD = "head@example.com"
MATRIX, KPIS = "Policy Matrix", "KPIs"
POST, COST = ("slack", "post"), ("github", "cost_per_call")
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.fixture
def owned(desk: Any) -> Any:
    """As on Google: a person owns the file, the service account edits it."""
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = HEAD
    return desk


def as_head(desk: Any) -> Collaborator:
    return Collaborator(desk.server.workspace, desk.spreadsheet_id, HEAD)


def protect(desk: Any, title: str, row: int) -> None:
    where = {"sheetId": desk.tab(title).id, "startRowIndex": row, "endRowIndex": row + 1}
    as_head(desk).request("addProtectedRange", {"protectedRange": {"range": where, "editors": {"users": [HEAD]}}})


def healed(desk: Any, **options: Any) -> list[tuple[Any, ...]]:
    return [(tuple(one["row_key"]), one["column"], one["value"]) for one in desk.sync(**options).to_json()["healed"]]


def journaled(desk: Any) -> list[Any]:
    return [one for commit in desk.ws.store.log() for one in dict(commit.details).get("overwritten", [])]


def test_a_retired_row_that_stays_is_removed_only_when_it_goes(owned: Any) -> None:
    protect(owned, MATRIX, 3)
    as_head(owned).type(f"{MATRIX}!C4", "firearm.money")
    owned.retire("slack")
    assert [healed(owned) for _ in range(3)] == [[], [], []]
    assert owned.row(*POST)[2] == "firearm.money"
    assert journaled(owned) == []
    sheets = owned.server.workspace.spreadsheet(owned.spreadsheet_id).sheets
    found = next(sheet.protected_ranges for sheet in sheets if sheet.title == MATRIX)
    number = next(key for key, one in found.items() if not one.get("description"))
    as_head(owned).request("deleteProtectedRange", {"protectedRangeId": number})
    assert healed(owned) == [(POST, "firearm_id", "firearm.money")]
    assert [one["value"] for one in journaled(owned)] == ["firearm.money"]
    assert owned.sync().calls == QUIET


def test_a_protected_status_that_somebody_typed_over_is_not_put_back_on_every_run(owned: Any) -> None:
    protect(owned, MATRIX, 3)
    as_head(owned).type(f"{MATRIX}!E4", "mine")
    assert [healed(owned) for _ in range(2)] == [[], []]
    assert owned.status(*POST) == "mine"
    assert owned.sync().calls == QUIET
