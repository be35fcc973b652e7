"""An undo right after a batch that healed: what it put back in people's own columns is nothing to undo."""

from __future__ import annotations

from typing import Any

from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services.sync_plans import undo

POST = ("slack", "post")


def test_what_was_put_back_in_peoples_columns_stays(desk: Any) -> None:
    where = {"sheetId": desk.tab().id, "dimension": "COLUMNS", "startIndex": 2, "endIndex": 3}

    def act(workspace: Any) -> None:
        owner = Collaborator(workspace, desk.spreadsheet_id)
        owner.request("insertDimension", {"range": where, "inheritFromBefore": True})
        for at, text in enumerate(("mine", "a", "b", "c", "d"), 1):
            owner.type(f"Policy Matrix!C{at}", text)

    desk.set("slack", "post", "firearm.read")
    desk.server.script.act(act, "before", "write")
    assert ("mine", "c") in [(one["column"], one["value"]) for one in desk.sync().to_json()["healed"]]
    undo(desk.ws, desk.gateway)
    assert [row[2:4] for row in desk.values()][1:4] == [
        ["a", "firearm.external_write"], ["b", "NONE"], ["c", "firearm.external_write"],
    ]  # fmt: skip
