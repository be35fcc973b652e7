"""Columns that people insert, move or delete between our read and our write: what we wrote astray goes, all of it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services.sync_state import load_state
from sheetsync.sync.baseline import Intended
from sheetsync.sync.gateway import Token, TouchRow
from sheetsync.sync.shifted import by_place, moved_headers
from sheetsync.sync.tabs import LAYOUTS, POLICY, role_of

if TYPE_CHECKING:
    from sheetsync.localsheets.workspace import Workspace
    from tests.sync.conftest import Desk

MATRIX, KPIS = "Policy Matrix", "KPIs"
KPI = {"impact_type": "cost", "formula": "usage.cost", "target": 1, "unit": "EUR"}
NAMES = LAYOUTS[POLICY].names
Range = dict[str, Any]


def columns(desk: Desk, title: str, start: int, count: int = 1) -> Range:
    return {"sheetId": desk.tab(title).id, "dimension": "COLUMNS", "startIndex": start, "endIndex": start + count}


def own_column(desk: Desk, title: str, at: int, cells: list[str]) -> None:
    """A column of people's own, where they want it."""
    if at == desk.tab(title).col_count:
        more = {"sheetId": desk.tab(title).id, "dimension": "COLUMNS", "length": 1}
        desk.book.batch_update({"requests": [{"appendDimension": more}]})
    else:
        desk.book.batch_update({"requests": [{"insertDimension": {"range": columns(desk, title, at)}}]})
    desk.tab(title).update([[cell] for cell in cells], f"{chr(65 + at)}1:{chr(65 + at)}{len(cells)}")


def meanwhile(desk: Desk, kind: str, body: dict[str, Any]) -> None:
    """What somebody does to columns exactly between our read and our write."""

    def act(space: Workspace) -> None:
        Collaborator(space, desk.spreadsheet_id).request(kind, body)

    desk.server.script.act(act, "before", "write")


def test_a_column_deleted_left_of_ours_makes_no_edit_of_our_value(desk: Desk) -> None:
    own_column(desk, KPIS, 0, ["todo"])
    own_column(desk, KPIS, 8, ["risk"])
    own_column(desk, KPIS, 9, ["more"])
    desk.sync()
    desk.set_kpi("github", {"cost_per_call": KPI | {"target": 7, "formula": "usage.cost * 1.0"}})
    desk.edit(("github", "cost_per_call"), "unit", "USD", KPIS)
    meanwhile(desk, "deleteDimension", {"range": columns(desk, KPIS, 0)})
    desk.sync()
    desk.sync()
    assert desk.row("github", "cost_per_call", title=KPIS)[4:6] == [7, "USD"]
    assert [(e.column, e.value) for one in desk.open_drafts() for e in one.origin.edits] == [("unit", "USD")]
    assert load_state(desk.ws, desk.spreadsheet_id)[0].debts == ()


@pytest.mark.parametrize("count", [1, 2, 8])
@pytest.mark.parametrize("at", [0, 1, 2, 4])
def test_what_fell_into_columns_inserted_meanwhile_is_taken_away(desk: Desk, at: int, count: int) -> None:
    desk.set("github", "admin_write", "firearm.money")
    before = desk.values()
    meanwhile(desk, "insertDimension", {"range": columns(desk, MATRIX, at, count)})
    desk.sync()
    desk.sync()
    for row, was in zip(desk.values(), before, strict=True):
        rest = row[:at] + row[at + count :]
        assert not any(row[at : at + count])
        assert rest[:2] == was[:2]
    headers, first = desk.values()[:2]
    found = {name: first[headers.index(name)] for name in NAMES}
    assert found == dict(zip(NAMES, ("github", "admin_write", "firearm.money", False, ""), strict=True))
    assert desk.open_drafts() == []
    assert load_state(desk.ws, desk.spreadsheet_id)[0].debts == ()


def test_what_people_had_in_a_column_without_a_header_comes_back(desk: Desk) -> None:
    own_column(desk, MATRIX, 5, ["", "ask Bea", "ask Cem"])
    own_column(desk, MATRIX, 0, ["todo"])
    desk.sync()
    desk.edit(("github", "admin_write"), "firearm_id", "firearm.read")  # answered in sync_status
    meanwhile(desk, "moveDimension", {"source": columns(desk, MATRIX, 0), "destinationIndex": 7})
    desk.sync()
    desk.sync()
    assert [row[5] for row in desk.values()[:3]] == ["", "ask Bea", "ask Cem"]


def case(seed: int) -> tuple[str, str, random.Random]:
    rnd = random.Random(seed)
    return rnd.choice([MATRIX, KPIS]), rnd.choice(["delete", "move", "insert", "write", "add"]), rnd


def check_columns(desk: Desk, seed: int) -> None:
    """Own columns anywhere; an operator publishes; somebody changes columns under the write: nothing is left astray."""
    title, kind, rnd = case(seed)
    kpis: dict[str, Any] = {f"k{at}": KPI | {"target": at} for at in range(3)}
    policy = {"a": "NONE", "b": "firearm.read+lock", "c": "firearm.read"}
    desk.publish(desk.draft("jira", ["a", "b", "c"], policy, kpis=kpis))
    desk.sync()
    rows = len(desk.values(title))
    for number in range(rnd.choice([1, 2, 3])):
        cells = [f"own{number}", *(f"v{number}.{row}" for row in range(1, rows))]
        own_column(desk, title, rnd.randint(0, LAYOUTS[role_of(title) or POLICY].width + 1 + number), cells)
    desk.sync()
    before = desk.values(title)
    headers = before[0]
    if kind == "add":
        kpis["k9"] = dict(KPI)
    firearm = rnd.choice(["firearm.money", "firearm.external_write+lock", "NONE"])
    kpis["k1"] = {
        "impact_type": rnd.choice(["cost", "count"]),
        "formula": "usage.count",
        "target": rnd.choice([7, None]),
    }
    desk.set("jira", "b", firearm) if title == MATRIX else desk.set_kpi("jira", kpis)
    own = [at for at, text in enumerate(headers) if text.startswith("own")]
    gone = ""
    if kind == "delete":
        at = rnd.choice(own)
        gone = headers[at]
        meanwhile(desk, "deleteDimension", {"range": columns(desk, title, at)})
    elif kind == "move":
        at = rnd.choice(own)
        to = rnd.choice([one for one in range(len(headers) + 1) if one not in (at, at + 1)])
        meanwhile(desk, "moveDimension", {"source": columns(desk, title, at), "destinationIndex": to})
    else:
        at, count = rnd.randrange(len(headers)), rnd.choice([1, 1, 2, 3, 8])
        if kind == "add":  # a limit: a row added wholly beside our columns, as all of them went further, is not found
            count = min(count, 3)
        where = columns(desk, title, at, count)
        meanwhile(desk, "insertDimension", {"range": where})
    for _ in range(3):
        report = desk.sync()
    after = desk.values(title)
    for number, name in enumerate(headers):
        if name.startswith("own") and name != gone:
            cells = [row[after[0].index(name)] for row in after]
            assert [one for one in cells if one] == [row[number] for row in before], (seed, name)
    assert not [(at, cell) for row in after for at, cell in enumerate(row) if not after[0][at] and cell != ""], seed
    assert desk.open_drafts() == [], seed
    assert report.problems == [], seed
    assert desk.sync(dry_run=True).changed is False, seed


@pytest.mark.parametrize("seed", range(12))
def test_columns_changed_under_a_write_leave_nothing_astray(desk: Desk, seed: int) -> None:
    check_columns(desk, seed)


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(12, 300))
def test_columns_changed_under_a_write_leave_nothing_astray_at_length(desk: Desk, seed: int) -> None:
    check_columns(desk, seed)


def header(*cells: str) -> tuple[Intended, tuple[tuple[str, ...], ...]]:
    touch = TouchRow(POLICY, 0, NAMES[:2], NAMES, {})
    places = {name: at for at, name in enumerate(NAMES)}
    return Intended(Token(1, "n"), None, 1, touches=(touch,), columns={POLICY: places}), (cells,)


@pytest.mark.parametrize(
    ("cells", "moved"),
    [
        (NAMES, False),
        (("connector_id", "scope", "weapon", "strategy_lock", "sync_status"), False),  # renamed: it is where it was
        (("connector_id", "scope", "firearm_id", "strategy_lock"), True),  # out of sight, and nothing in its place
        (("scope", "firearm_id", "strategy_lock", "sync_status"), True),
        (("", "", "", "", ""), True),  # all of them are out of sight
        (("github", "read", "NONE", "", ""), False),  # the header row went: rows moved, no columns
    ],
)
def test_which_headers_have_moved(cells: tuple[str, ...], moved: bool) -> None:
    batch, pre = header(*cells)
    assert (POLICY in moved_headers(batch, pre)) is moved


def test_a_column_without_a_header_is_named_by_its_place() -> None:
    assert by_place(27) == "(column AB)"
