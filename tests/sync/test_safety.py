"""Safety stops: exit 7, nothing written, and a named way to go on."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from sheetsync.errors import LockHeldError, PlanMovedError, SafetyStopError, UsageError
from sheetsync.services import sync_plans
from sheetsync.services.sync_state import baseline_record
from sheetsync.services.syncing import lease_name, sync

POST = ("slack", "post")
MATRIX = frozenset({"Policy Matrix"})


@pytest.fixture
def wide(empty: Any) -> Any:
    """A connector with forty decided scopes, pushed."""
    names = [f"scope{number:02}" for number in range(40)]
    empty.publish(empty.draft("big", names, dict.fromkeys(names, "firearm.read")))
    empty.push()
    return empty


def stop(desk: Any, **options: Any) -> SafetyStopError:
    before = desk.api.ledger.counts()["write"]
    with pytest.raises(SafetyStopError) as caught:
        desk.sync(**options)
    assert desk.api.ledger.counts()["write"] == before
    assert caught.value.exit_code == 7
    assert caught.value.hint
    return caught.value


def test_a_tab_that_came_back_empty(desk: Any) -> None:
    desk.tab().batch_clear(["A2:E5"])
    assert stop(desk).flag == "--force-lost-rows"
    desk.sync(forces=desk.force(lost_rows=frozenset({"Policy Matrix"})))
    assert desk.row(*POST)


def test_a_tab_that_was_cleared_header_and_all(desk: Any) -> None:
    before = desk.values()
    desk.tab().clear()
    stopped = stop(desk)
    assert (stopped.code, stopped.flag) == ("lost_rows", "--force-lost-rows")
    assert "--force-lost-rows" in stopped.hint
    assert "--force-headers" not in stopped.hint
    assert stop(desk, forces=desk.force(headers=MATRIX)).code == "lost_rows"
    report = desk.sync(forces=desk.force(lost_rows=MATRIX))
    assert (report.exit_code, report.drafts) == (0, [])
    assert desk.values() == before
    assert desk.sync().calls["write"] == 0


def test_a_kpi_tab_that_was_cleared(desk: Any) -> None:
    head = desk.values("KPIs")[0]
    desk.tab("KPIs").clear()
    assert stop(desk, forces=desk.force(lost_rows=MATRIX)).code == "lost_rows"
    report = desk.sync(forces=desk.force(lost_rows=frozenset({"KPIs"})))
    assert [(one.column, one.value) for one in report.drafts[0].edits] == [("kpi_name", None)]
    assert desk.values("KPIs")[0] == head


@pytest.mark.parametrize(
    ("cleared", "typed", "at"),
    [
        ("A1:E1", [], "A1"),
        ("A1:E5", [["remarks"], ["Cem"]], "G1"),
        ("A1:E5", [["Cem"]], "G5"),
        ("A1:E5", [["do not use"]], "A1"),
        ("A1:E5", [["moved to another tab"]], "B4"),
        ("A1:E5", [["=1+1"]], "C1"),
    ],
)
def test_a_tab_in_which_anything_stands_is_not_cleared(desk: Any, cleared: str, typed: list[Any], at: str) -> None:
    """Lost rows may be forced; the headers are a question of their own."""
    desk.tab().add_cols(3)
    desk.tab().batch_clear([cleared])
    if typed:
        desk.tab().update(typed, at, value_input_option="USER_ENTERED")
    shown = desk.values()
    for forces in (desk.force(), desk.force(lost_rows=MATRIX)):
        assert stop(desk, forces=forces).flag == "--force-headers"
    assert desk.values() == shown


def test_many_lost_rows(wide: Any) -> None:
    wide.tab().delete_rows(2, 11)
    assert stop(wide).code == "lost_rows"
    wide.sync(forces=wide.force(lost_rows=frozenset({"policy matrix"})))
    assert len(wide.values()) == 41


def test_a_few_lost_rows_are_put_back(wide: Any) -> None:
    wide.tab().delete_rows(2, 6)
    wide.sync()
    assert len(wide.values()) == 41


def test_a_mass_edit(wide: Any) -> None:
    wide.tab().update([["firearm.money", True]] * 40, "C2:D41")
    assert stop(wide).flag == "--force-mass-edit"
    report = wide.sync(forces=wide.force(mass_edit=frozenset({"Policy Matrix"})))
    assert len(report.drafts[0].edits) == 80


def test_filling_empty_cells_is_no_mass_edit(empty: Any) -> None:
    empty.publish(empty.draft("big", [f"scope{number:02}" for number in range(40)]))
    empty.push()
    empty.tab().update([["firearm.money"]] * 40, "C2:C41")
    assert len(empty.sync().drafts[0].edits) == 40


def test_a_renamed_header(desk: Any) -> None:
    desk.tab().update([["guard"]], "C1")
    assert stop(desk).flag == "--force-headers"
    desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    assert desk.values()[0][2] == "firearm_id"
    assert desk.sync().calls["write"] == 0


def test_an_unmarked_tab_of_our_name(empty: Any) -> None:
    empty.publish(empty.draft("slack", ["post", "read"], {"post": "firearm.read"}))
    tab = empty.book.add_worksheet("Policy Matrix", 10, 6)
    tab.update(
        [["connector_id", "scope", "firearm_id", "strategy_lock", "sync_status"], [*POST, "firearm.money", False]]
    )
    assert stop(empty).code == "unmarked_tab"
    report = empty.sync(forces=empty.force(adopt=True))
    assert [(one.base, one.value) for one in report.drafts[0].edits] == [("firearm.read", "firearm.money")]
    assert empty.status(*POST).startswith("pending in ")
    assert report.healed == []
    assert empty.row("slack", "read")
    assert empty.sync().calls["write"] == 0


def test_a_copied_spreadsheet(desk: Any) -> None:
    copy = desk.clients[0].copy(desk.spreadsheet_id, title="copy", copy_permissions=False)
    desk.gateway = desk.gateway_for(copy.id)
    assert stop(desk).code == "copied_spreadsheet"
    desk.book = desk.open(copy.id)
    desk.edit(POST, "firearm_id", "firearm.read")
    report = desk.sync(forces=desk.force(adopt=True))
    assert [(one.base, one.value) for one in report.drafts[0].edits] == [("firearm.external_write", "firearm.read")]
    again = desk.sync()
    assert again.calls == {"read": 1, "write": 0, "drive": 0}
    assert not again.changed


def test_restore_from_store_reports_and_overwrites(desk: Any) -> None:
    scratch = next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch"))
    desk.book.del_worksheet(scratch)
    desk.edit(POST, "firearm_id", "firearm.read")
    assert stop(desk).code == "epoch_missing"
    report = desk.sync(forces=desk.force(restore_from_store=True))
    assert report.drafts == []
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert "firearm.read" in [one["value"] for one in report.to_json()["healed"]]
    assert desk.sync().calls["write"] == 0


def test_adopt_reads_differences_as_edits(desk: Any) -> None:
    scratch = next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch"))
    desk.book.del_worksheet(scratch)
    desk.edit(POST, "firearm_id", "firearm.read")
    stop(desk)
    report = desk.sync(forces=desk.force(adopt=True))
    assert [one.value for one in report.drafts[0].edits] == ["firearm.read"]


def test_another_stores_spreadsheet(desk: Any, tmp_path: Any, server: Any) -> None:
    other = type(desk)(server, tmp_path / "other")
    other.gateway = other.gateway_for(desk.spreadsheet_id)
    assert stop(other).code == "foreign_spreadsheet"
    other.close()


def test_a_lost_baseline_overwrites_nothing(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    with desk.ws.store.transaction(desk.ws.ctx, why="lost") as tx:
        record = baseline_record(desk.ws, desk.spreadsheet_id)
        tx.save(record, {"format": 1, "spreadsheet_id": desk.spreadsheet_id, "commit": 0, "known": False})
    report = desk.sync()
    assert [(one.base, one.value) for one in report.drafts[0].edits] == [(None, "firearm.read")]
    assert [one.theirs for one in report.conflicts] == ["firearm.external_write"]
    assert desk.cell(POST, "firearm_id") == "firearm.read"


def test_a_second_run_exits_8(desk: Any) -> None:
    with desk.ws.store.lease(lease_name(desk.spreadsheet_id), who="cron"), pytest.raises(LockHeldError) as caught:
        desk.sync()
    assert caught.value.exit_code == 8


def test_a_plan_is_applied_or_refused(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    head = desk.snapshots()
    assert plan["would"]["drafts"][0]["connector_id"] == "slack"
    assert desk.snapshots() == head
    desk.edit(POST, "firearm_id", "firearm.money")
    with pytest.raises(PlanMovedError):
        sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    assert sync_plans.apply_plan(desk.ws, desk.gateway, plan).drafts[0].edits[0].value == "firearm.money"


def test_undo_puts_back_and_holds_until_resumed(desk: Any) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.retire("github")
    desk.push()
    sync_plans.undo(desk.ws, desk.gateway)
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert desk.row("github", "admin_write")[2:4] == ["firearm.external_write", True]
    assert stop(desk).code == "undo_holds"
    sync_plans.resume(desk.ws, desk.gateway)
    assert desk.cell(POST, "firearm_id") == "firearm.money"
    assert {row[0] for row in desk.values()[1:]} == {"slack"}
    assert desk.sync().calls["write"] == 0


def test_what_set_the_tabs_up_is_not_undone(desk: Any) -> None:
    with pytest.raises(UsageError, match="the last push was the first: it set the tabs up") as caught:
        sync_plans.undo(desk.ws, desk.gateway)
    assert caught.value.exit_code == 2
    desk.book.del_worksheet(desk.tab("KPIs"))
    desk.push()
    with pytest.raises(UsageError, match="the last push made 'KPIs' again"):
        sync_plans.undo(desk.ws, desk.gateway)
    desk.sync()


def test_there_is_no_push_to_undo(empty: Any) -> None:
    with pytest.raises(UsageError, match="there is no push to undo"):
        sync_plans.undo(empty.ws, empty.gateway)


@pytest.mark.parametrize(("title", "cell", "column"), [
    ("Policy Matrix", "A1", "connector_id"), ("KPIs", "$d$1", "formula"), ("Connector Registry", "B1", "version"),
])  # fmt: skip
def test_why_a_header_stands_there(desk: Any, title: str, cell: str, column: str) -> None:
    told = sync_plans.why(desk.ws, desk.gateway, title, cell).to_json()
    assert (told["column"], told["sheet"], told["row_key"]) == (column, column, [])
    assert told["owner"] == f"sheetsync: the header of its column {column}"


def test_why_a_cell_beside_ours_is_not_ours(desk: Any) -> None:
    desk.tab().add_cols(2)
    desk.tab().update([["remarks"], ["Cem"]], "G1")
    for cell in ("G1", "G2", "F1", "A40"):
        told = sync_plans.why(desk.ws, desk.gateway, "Policy Matrix", cell).to_json()
        assert str(told["owner"]).startswith("not sheetsync's")


@pytest.mark.parametrize("cell", ["A0", "A", "7", "A01", "A1:B2", "AAAA1", "A-1", "Ä1", "A1 B"])
def test_why_a_cell_that_is_none_is_refused(desk: Any, cell: str) -> None:
    with pytest.raises(UsageError) as caught:
        sync_plans.why(desk.ws, desk.gateway, "Policy Matrix", cell)
    assert (caught.value.exit_code, cell in caught.value.message) == (2, True)


def test_why_a_cell_shows_what_it_shows(desk: Any) -> None:
    where = desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    told = sync_plans.why(desk.ws, desk.gateway, "Policy Matrix", where).to_json()
    assert told["published"] == "firearm.external_write"
    assert told["pending"] == {"draft": draft, "base": "firearm.external_write", "value": "firearm.read"}
    assert told["row_key"] == [*POST]


def test_a_dry_run_writes_nothing(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    head = desk.snapshots()
    report = sync(desk.ws, desk.gateway, dry_run=True)
    assert report.changed
    assert report.drafts
    assert report.calls["write"] == 0
    assert desk.snapshots() == head


def test_a_deleted_column_of_ours_comes_back_with_what_the_store_says(desk: Any) -> None:
    desk.edit(POST, "strategy_lock", True)
    desk.tab().delete_columns(3)
    assert stop(desk).code == "header_missing"
    report = desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    assert report.problems == []
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
    assert [edit.column for edit in report.drafts[0].edits] == ["strategy_lock"]
    assert desk.sync().calls["write"] == 0


def test_an_answer_is_for_the_version_it_was_asked_about(desk: Any) -> None:
    loaded = desk.server.workspace._loaded
    old = copy.deepcopy(loaded[desk.spreadsheet_id])
    desk.set("slack", "post", "firearm.money")
    desk.push()
    loaded[desk.spreadsheet_id] = old  # a person restored an older version
    assert stop(desk).code == "epoch_older"
    desk.book.del_worksheet(next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch")))
    assert stop(desk, forces=desk.force(adopt=True)).code == "epoch_missing"
    desk.sync(forces=desk.force(adopt=True))
    assert desk.sync().calls["write"] == 0


def test_pull_before_any_push_does_nothing(empty: Any) -> None:
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    report = empty.pull()
    assert (report.drafts, report.exit_code, report.calls["write"]) == ([], 0, 0)
    assert len(empty.book.worksheets()) == 1


def test_restore_from_store_takes_a_kpi_row_that_the_store_lacks_away_whole(desk: Any) -> None:
    desk.tab("KPIs").update([["slack", "later", "cost", "usage.cost", 1, "EUR"]], "A3:F3")
    desk.book.del_worksheet(next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync epoch")))
    with pytest.raises(SafetyStopError):
        desk.sync()
    report = desk.push(forces=desk.force(restore_from_store=True))
    assert [row[:2] for row in desk.values("KPIs")[1:]] == [["github", "cost_per_call"]]
    told = {one["column"]: one["value"] for one in report.to_json()["healed"]}
    assert told == {"kpi_name": "later", "impact_type": "cost", "formula": "usage.cost", "target": 1, "unit": "EUR"}
    removed = [one for entry in desk.ws.store.log() for one in entry.details.get("removed_rows", [])]
    assert [one["row_key"] for one in removed] == [["slack", "later"]]
    assert desk.sync().problems == []
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}
