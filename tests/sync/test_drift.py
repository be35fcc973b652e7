"""Drift: what people change in our tabs besides cells is found in the same read, and mended in what is ours only."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.services import sync_plans

POST = ("slack", "post")
READ = ("slack", "read")
QUIET = {"read": 1, "write": 0, "drive": 0}
FIELDS = "sheets(properties(title),data(rowData(values(dataValidation))))"


def rules(desk: Any, title: str = "Policy Matrix") -> list[list[Any]]:
    """The validation of every cell under the header: its kind, or None."""
    answer = desk.api.get(desk.spreadsheet_id, fields=FIELDS, ranges=[f"'{title}'!A2:Z100"])
    rows = answer["sheets"][0]["data"][0].get("rowData", [])
    return [[short(cell.get("dataValidation")) for cell in row.get("values", [])] for row in rows]


def short(rule: Any) -> Any:
    if not rule:
        return None
    words = [one["userEnteredValue"] for one in rule["condition"].get("values", [])]
    return (rule["condition"]["type"], len(words), bool(rule.get("strict")))


def paste(desk: Any, source: str, target: str, title: str = "Policy Matrix") -> None:
    """Copy and paste on the page: values, formats and validations."""
    desk.tab(title).copy_range(source, target)


def set_rule(
    desk: Any, rule: Any, *, rows: tuple[int, int], columns: tuple[int, int], title: str = "Policy Matrix"
) -> None:
    where = {
        "sheetId": desk.tab(title).id, "startRowIndex": rows[0], "endRowIndex": rows[1],
        "startColumnIndex": columns[0], "endColumnIndex": columns[1],
    }  # fmt: skip
    body = {"range": where, "filteredRowsIncluded": True} | ({"rule": rule} if rule else {})
    desk.book.batch_update({"requests": [{"setDataValidation": body}]})


def told(report: Any) -> list[tuple[Any, ...]]:
    return [(one["tab"], one["cell"], one["column"], one["value"]) for one in report.to_json()["healed"]]


def test_a_checkbox_lost_in_a_paste_is_set_again_and_the_pasted_value_taken(desk: Any) -> None:
    desk.tab().add_cols(1)
    desk.tab().update([[True]], "F2")
    before = rules(desk)
    paste(desk, "F2", "D4")
    assert rules(desk)[2][3] is None
    report = desk.sync()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    assert [(edit.column, edit.value) for edit in report.drafts[0].edits] == [("strategy_lock", True)]
    assert told(report) == [("Policy Matrix", "D4", "strategy_lock", True)]
    assert report.exit_code == 0
    assert rules(desk) == before
    assert desk.sync().calls == QUIET
    assert not desk.sync().changed


@pytest.mark.parametrize(("source", "target"), [("D4", "C5"), ("C4", "D5"), ("B4", "C5")])
def test_a_foreign_validation_from_another_cell_is_replaced(desk: Any, source: str, target: str) -> None:
    before = rules(desk)
    paste(desk, source, target)
    report = desk.sync()
    assert rules(desk) == before
    assert [one[1] for one in told(report)] == [target]
    assert desk.sync().calls == QUIET


def test_a_whole_column_is_one_request_and_one_line(desk: Any) -> None:
    before = rules(desk)
    set_rule(desk, None, rows=(1, 5), columns=(3, 4))
    report = desk.sync()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    assert [one[:3] for one in told(report)] == [("Policy Matrix", "D2:D5", "strategy_lock")]
    assert rules(desk) == before
    assert desk.sync().calls == QUIET


def test_a_dropdown_that_lets_anything_in_is_made_strict_again(desk: Any) -> None:
    loose = {"condition": {"type": "ONE_OF_LIST", "values": [{"userEnteredValue": "x"}]}, "strict": False}
    set_rule(desk, loose, rows=(1, 2), columns=(2, 3))
    report = desk.push()
    assert [one[1] for one in told(report)] == ["C2"]
    assert rules(desk)[0][2] == ("ONE_OF_LIST", 4, True)


def test_validations_in_columns_that_are_not_ours_are_left_alone(desk: Any) -> None:
    desk.tab().add_cols(1)
    words = {"condition": {"type": "ONE_OF_LIST", "values": [{"userEnteredValue": "ok"}]}, "showCustomUi": True}
    box = {"condition": {"type": "BOOLEAN"}}
    set_rule(desk, words, rows=(1, 5), columns=(5, 6))
    set_rule(desk, words, rows=(1, 2), columns=(5, 6), title="KPIs")  # `unit`: owners write it, and we set none
    assert desk.sync().calls == QUIET
    set_rule(desk, box, rows=(2, 3), columns=(4, 5))  # `sync_status` is ours
    desk.set("slack", "post", "firearm.money")
    report = desk.sync()
    assert [one[1:3] for one in told(report)] == [("E3", "sync_status")]
    assert [row[5] for row in rules(desk)] == [("ONE_OF_LIST", 1, False)] * 4
    assert rules(desk, "KPIs")[0][5] == ("ONE_OF_LIST", 1, False)
    assert desk.sync().calls == QUIET


def test_rows_that_a_filter_hides_are_mended_too(desk: Any) -> None:
    before = rules(desk)
    set_rule(desk, None, rows=(1, 5), columns=(2, 4))
    criteria = {"0": {"hiddenValues": ["github"]}}
    where = {"sheetId": desk.tab().id, "startRowIndex": 0, "endRowIndex": 5, "startColumnIndex": 0, "endColumnIndex": 5}
    desk.book.batch_update({"requests": [{"setBasicFilter": {"filter": {"range": where, "criteria": criteria}}}]})
    desk.sync()
    assert rules(desk) == before
    assert desk.sync().calls == QUIET


def test_a_dry_run_shows_it_and_a_pull_leaves_it(desk: Any) -> None:
    set_rule(desk, None, rows=(1, 2), columns=(3, 4))
    assert desk.pull().calls == QUIET
    dry = desk.push(dry_run=True)
    assert (dry.changed, dry.calls["write"]) == (True, 0)
    assert [one[1] for one in told(dry)] == ["D2"]
    plan = sync_plans.make_plan(desk.ws, desk.gateway)
    assert [one["cell"] for one in plan.to_json()["would"]["healed"]] == ["D2"]
    report = sync_plans.apply_plan(desk.ws, desk.gateway, plan.to_json())
    assert [one[1] for one in told(report)] == ["D2"]
    assert rules(desk)[0][3] == ("BOOLEAN", 0, True)


def test_the_journal_keeps_what_was_mended(desk: Any) -> None:
    set_rule(desk, None, rows=(1, 2), columns=(3, 4))
    desk.sync()
    kept = [entry.details["mended"] for entry in desk.ws.store.log() if "mended" in entry.details]
    assert [one["cell"] for one in kept[-1]] == ["D2"]


def test_a_kpi_row_added_where_there_was_no_dropdown_gets_one(desk: Any) -> None:
    tab = desk.tab("KPIs")
    set_rule(desk, None, rows=(2, 52), columns=(2, 3), title="KPIs")
    tab.update([["slack", "time_saved", "duration", "usage.duration_s"]], "A20:D20")
    report = desk.sync()
    assert [draft.connector_id for draft in report.drafts] == ["slack"]
    assert rules(desk, "KPIs")[18][2] == ("ONE_OF_LIST", 5, True)
    assert desk.sync().calls == QUIET


def test_frozen_unknown_and_merged_rows_are_left_alone(desk: Any) -> None:
    tab = desk.tab()
    tab.add_rows(3)
    tab.update([["slack", "post", "firearm.read", False], ["ghost", "scope", "NONE", False]], "A6:D7")
    report = desk.sync()
    assert {one.code for one in report.problems} == {"duplicate_key", "unknown_connector"}
    assert rules(desk)[2][3] is not None
    assert [one for row in rules(desk)[4:6] for one in row if one] == []
    assert told(report) == []
    assert desk.sync().calls == QUIET


def test_peoples_tables_keep_their_own_column_types(desk: Any) -> None:
    where = {"sheetId": desk.tab().id, "startRowIndex": 0, "endRowIndex": 5, "startColumnIndex": 0, "endColumnIndex": 5}
    desk.book.batch_update({"requests": [{"addTable": {"table": {"name": "Policies", "range": where}}}]})
    set_rule(desk, None, rows=(1, 5), columns=(2, 4))
    assert desk.sync().calls == QUIET


def test_what_keeps_being_undone_is_told_and_not_written_for_ever(desk: Any) -> None:
    for _ in range(3):
        set_rule(desk, None, rows=(1, 2), columns=(3, 4))
        assert desk.sync().calls["write"] == 1
    set_rule(desk, None, rows=(1, 2), columns=(3, 4))
    report = desk.sync()
    assert [one.code for one in report.problems] == ["validation_undone"]
    assert desk.sync().calls == QUIET
    set_rule(desk, None, rows=(1, 3), columns=(3, 4))  # something else was lost: tried anew
    assert desk.sync().problems == []
    assert desk.sync().calls == QUIET


def test_a_new_firearm_of_the_catalogue_reaches_the_dropdowns(desk: Any) -> None:
    ids = (*desk.ws.firearms.ids(), "firearm.new")
    desk.ws = replaced(desk.ws, FirearmCatalogue(firearms=tuple(Firearm(id=one) for one in ids)))
    desk.gateway = desk.gateway_for(desk.spreadsheet_id)
    report = desk.sync()
    assert report.calls == {"read": 1, "write": 1, "drive": 0}
    assert {row[2] for row in rules(desk)} == {("ONE_OF_LIST", 5, True)}
    assert desk.sync().calls == QUIET
    desk.edit(READ, "firearm_id", "firearm.new")
    assert desk.sync().problems == []


def replaced(ws: Any, firearms: FirearmCatalogue) -> Any:
    return type(ws)(ws.store, ws.ctx, firearms, ws.routes, ws.rules, ws.clock)


def test_a_missing_tab_headers_and_protections_are_reported(desk: Any) -> None:
    desk.book.del_worksheet(desk.tab("Coverage Report"))
    report = desk.sync()
    assert [(one["tab"], one["message"]) for one in report.to_json()["healed"]] == [
        ("Coverage Report", "the tab was missing; made again")
    ]
    answer = desk.api.get(desk.spreadsheet_id, fields="sheets(properties(title),protectedRanges(protectedRangeId))")
    policy = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Policy Matrix")
    number = policy["protectedRanges"][0]["protectedRangeId"]
    desk.book.batch_update({"requests": [{"deleteProtectedRange": {"protectedRangeId": number}}]})
    (found,) = desk.sync().to_json()["healed"]
    assert (found["tab"], found["message"]) == ("Policy Matrix", "protections of ours were missing; set again")
    desk.tab().update([["guard"]], "C1")
    report = desk.sync(forces=desk.force(headers=frozenset({"Policy Matrix"})))
    (found,) = report.to_json()["healed"]
    assert (found["cell"], found["column"]) == ("C1", "firearm_id")
    assert desk.sync().calls == QUIET
