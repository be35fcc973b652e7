"""What a write brings back: little, and enough to heal a race with one more write."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.localsheets.collaborator import Collaborator

KEY = ("big", "scope050")
TITLE = "Policy Matrix"


@pytest.fixture
def hundred(empty: Any) -> Any:
    """A hundred decided scopes, pushed."""
    names = [f"scope{number:03}" for number in range(100)]
    empty.publish(empty.draft("big", names, dict.fromkeys(names, "firearm.read")))
    empty.push()
    return empty


def during_the_write(desk: Any, act: Any) -> None:
    desk.server.script.act(lambda workspace: act(Collaborator(workspace, desk.spreadsheet_id)), "before", "write")


def insert_column(owner: Any, tab: int, at: int) -> None:
    where = {"sheetId": tab, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    owner.request("insertDimension", {"range": where, "inheritFromBefore": at > 0})


def test_one_cell_brings_back_a_few_rows(hundred: Any) -> None:
    hundred.edit(KEY, "firearm_id", "firearm.money")
    hundred.sync()
    hundred.set("big", "scope050", "firearm.external_write")
    whole = hundred.api.ledger.received_bytes()
    hundred.gateway.read({})
    whole = hundred.api.ledger.received_bytes() - whole
    before = hundred.api.ledger.received_bytes()
    assert hundred.sync().calls == {"read": 1, "write": 1, "drive": 0}
    assert hundred.api.ledger.received_bytes() - before - whole < whole / 8


def test_a_race_on_the_written_row_takes_no_other_read(hundred: Any) -> None:
    hundred.set("big", "scope050", "firearm.money")
    during_the_write(hundred, lambda owner: owner.type(f"{TITLE}!C52", "NONE"))
    report = hundred.sync()
    assert report.calls == {"read": 1, "write": 2, "drive": 0}
    assert [one["value"] for one in report.to_json()["healed"]] == ["NONE"]
    assert hundred.cell(KEY, "firearm_id") == "NONE"
    hundred.sync()
    assert hundred.sync().calls == {"read": 1, "write": 0, "drive": 0}


@pytest.mark.parametrize("what", ["row above", "column between", "sorted", "row deleted"])
def test_rows_or_columns_that_moved_are_read_again(hundred: Any, what: str) -> None:
    """What is remembered of the rows would be wrong: nothing is healed by it."""
    tab = hundred.tab().id
    acts: dict[str, Any] = {
        "row above": lambda owner: owner.insert_rows(TITLE, 3, 1),
        "column between": lambda owner: insert_column(owner, tab, 2),
        "sorted": lambda owner: owner.sort(TITLE, "B", "desc"),
        "row deleted": lambda owner: owner.delete_rows(TITLE, 3, 1),
    }
    before = {row[1]: row[2:4] for row in hundred.values()[1:]}
    hundred.set("big", "scope050", "firearm.money")
    during_the_write(hundred, acts[what])
    for _ in range(4):
        report = hundred.sync()
    assert report.calls == {"read": 1, "write": 0, "drive": 0}
    headers = hundred.values()[0]
    at = [headers.index(name) for name in ("scope", "firearm_id", "strategy_lock")]
    after = {row[at[0]]: [row[at[1]], row[at[2]]] for row in hundred.values()[1:] if row[at[0]]}
    assert after == before | {"scope050": ["firearm.money", False]}
    assert hundred.open_drafts() == []


def test_an_edit_elsewhere_during_a_healed_race_is_taken_by_the_next_run(hundred: Any) -> None:
    hundred.set("big", "scope050", "firearm.money")

    def act(owner: Any) -> None:
        owner.type(f"{TITLE}!C52", "NONE")
        owner.type(f"{TITLE}!C90", "firearm.external_write")

    during_the_write(hundred, act)
    values = {edit.value for draft in hundred.sync().drafts for edit in draft.edits}
    values |= {edit.value for draft in hundred.sync().drafts for edit in draft.edits}
    assert values == {"NONE", "firearm.external_write"}
    assert hundred.values()[89][2] == "firearm.external_write"
    assert hundred.sync().calls == {"read": 1, "write": 0, "drive": 0}


def test_a_column_inserted_before_ours_during_the_write_loses_no_value(hundred: Any) -> None:
    """Our write falls one column short, into the key: what it fell on is put back, and it is written again."""
    tab = hundred.tab().id
    hundred.set("big", "scope050", "firearm.money")
    during_the_write(hundred, lambda owner: insert_column(owner, tab, 0))
    for _ in range(4):
        report = hundred.sync()
    assert report.calls == {"read": 1, "write": 0, "drive": 0}
    assert report.problems == []
    assert hundred.cell(KEY, "firearm_id") == "firearm.money"
    assert len(hundred.values()) == 101
    assert hundred.open_drafts() == []
