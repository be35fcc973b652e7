"""What people do to a spreadsheet besides editing cells: sort, filter, insert, delete, rename, add."""

from __future__ import annotations

from typing import Any

POST = ("slack", "post")
ADMIN = ("github", "admin_write")


def test_rows_may_stand_in_any_order(desk: Any) -> None:
    desk.tab().sort((2, "des"), range="A2:E5")
    order = [row[:2] for row in desk.values()[1:]]
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    assert [row[:2] for row in desk.values()[1:]] == order
    assert desk.cell(POST, "firearm_id") == "firearm.money"


def test_peoples_columns_notes_and_blank_rows_survive_attached_to_their_row(desk: Any) -> None:
    tab = desk.tab()
    tab.add_cols(2)
    tab.update([["reviewed by"], ["Ana"], ["Bea"], ["Cem"], ["Dan"]], "F1:F5")
    tab.insert_note("A4", "ask in May")
    tab.insert_rows([[]], row=3)
    desk.publish(desk.draft("asana", ["list"], {"list": "NONE"}))
    desk.retire("github")
    desk.sync()
    rows = desk.values()
    assert [row[:2] for row in rows[1:] if row[0]] == [["asana", "list"], ["slack", "post"], ["slack", "read"]]
    assert next(row for row in rows if row[:2] == [*POST])[5] == "Cem"
    assert desk.note(desk.at(POST, "connector_id")) == "ask in May"
    assert desk.sync().calls["write"] == 0


def test_columns_may_be_moved_and_inserted(desk: Any) -> None:
    tab = desk.tab()
    tab.insert_cols([["owner", "x", "y", "z", "w"]], col=1)
    tab.insert_cols([["why", "1", "2", "3", "4"]], col=4)
    desk.edit(POST, "firearm_id", "firearm.read")
    report = desk.sync()
    assert [edit.value for edit in report.drafts[0].edits] == ["firearm.read"]
    assert report.drafts[0].edits[0].cell == "E4"
    assert [row[0] for row in desk.values()] == ["owner", "x", "y", "z", "w"]
    assert desk.status(*POST).startswith("pending in ")


def test_a_deleted_policy_row_is_put_back(desk: Any) -> None:
    desk.tab().delete_rows(4)
    report = desk.sync()
    assert report.problems == []
    assert desk.row(*POST)[2:4] == ["firearm.external_write", False]
    assert desk.sync().calls["write"] == 0


def test_a_deleted_row_with_a_pending_edit_comes_back_with_it(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.sync()
    desk.tab().delete_rows(4)
    report = desk.sync()
    assert desk.cell(POST, "firearm_id") == "firearm.read"
    assert desk.status(*POST).startswith("pending in ")
    assert [one["value"] for one in report.to_json()["pending"]] == ["firearm.read"]
    assert desk.sync().calls["write"] == 0


def test_a_deleted_row_in_conflict_comes_back_with_its_three_values(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    said = desk.status(*POST)
    desk.tab().delete_rows(4)
    assert desk.sync().exit_code == 3
    assert said.startswith("conflict: firearm_id: base ")
    assert desk.status(*POST) == said
    assert desk.sync().calls["write"] == 0


def test_a_renamed_tab_still_works(desk: Any) -> None:
    desk.tab().update_title("Our policies")
    desk.tab("Our policies").update([["firearm.read"]], "C4")
    report = desk.sync()
    assert report.drafts[0].edits[0].tab == "Policy Matrix"
    assert report.calls == {"read": 1, "write": 1, "drive": 0}


def test_a_deleted_sync_tab_is_made_again(desk: Any) -> None:
    desk.book.del_worksheet(desk.tab("Coverage Report"))
    desk.sync()
    assert desk.values("Coverage Report")[1:] == [["/chat/*", "DONE", 1], ["/video/*", "MISSING", 0]]
    assert desk.sync().calls == {"read": 1, "write": 0, "drive": 0}


def test_an_edit_of_a_sync_owned_cell_is_put_back_and_reported(desk: Any) -> None:
    desk.tab("Connector Registry").update([["9.9.9"]], "B2")
    report = desk.push()
    assert desk.values("Connector Registry")[1][1] == "1.2.0"
    assert [(one["tab"], one["column"], one["value"]) for one in report.to_json()["healed"]] == [
        ("Connector Registry", "version", "9.9.9")
    ]


def test_tabs_of_other_people_are_neither_read_nor_touched(desk: Any) -> None:
    for number in range(30):
        desk.book.add_worksheet(f"theirs {number}", 5, 5).update([["secret"]], "A1")
    before = desk.api.ledger.received_bytes()
    desk.sync()
    read = desk.api.ledger.received_bytes() - before
    assert read < 60_000
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.sync()
    assert desk.book.worksheet("theirs 7").get("A1") == [["secret"]]


def test_an_active_filter_is_kept(desk: Any) -> None:
    desk.tab().set_basic_filter("A1:E5")
    desk.publish(desk.draft("zulip", ["send"], {"send": "NONE"}))
    desk.sync()
    assert desk.row("zulip", "send")[2] == "NONE"
    properties = desk.book.fetch_sheet_metadata()["sheets"]
    assert any("basicFilter" in sheet for sheet in properties)


def test_new_rows_are_inserted_where_the_order_says(desk: Any) -> None:
    desk.publish(desk.draft("jira", ["open"], {"open": "NONE"}))
    desk.sync()
    assert [row[0] for row in desk.values()[1:]] == ["github", "github", "jira", "slack", "slack"]
    assert [row[0] for row in desk.values("Connector Registry")[1:]] == ["github", "jira", "slack"]


def test_checkbox_dropdown_formats_and_protections_are_set(desk: Any) -> None:
    cell = "dataValidation,userEnteredFormat.numberFormat"
    fields = f"sheets(properties,protectedRanges,conditionalFormats,data(rowData(values({cell}))))"
    answer = desk.api.get(
        desk.spreadsheet_id,
        fields=fields,
        ranges=["'Policy Matrix'!A1:E3", "'Connector Registry'!A1:E2", "'Coverage Report'!A1:C2"],
    )
    policy = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Policy Matrix")
    cells = policy["data"][0]["rowData"][1]["values"]
    assert cells[3]["dataValidation"]["condition"]["type"] == "BOOLEAN"
    words = [one["userEnteredValue"] for one in cells[2]["dataValidation"]["condition"]["values"]]
    assert words == ["firearm.external_write", "firearm.read", "firearm.money", "NONE"]
    assert cells[2]["dataValidation"]["strict"] is True
    assert cells[0]["userEnteredFormat"]["numberFormat"]["pattern"] == "@"
    hard = [one for one in policy["protectedRanges"] if not one.get("warningOnly")]
    soft = [one for one in policy["protectedRanges"] if one.get("warningOnly")]
    assert len(hard) == 5
    assert len(soft) == 3
    assert policy["properties"]["gridProperties"]["frozenRowCount"] == 1
    registry = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Connector Registry")
    assert registry["data"][0]["rowData"][1]["values"][3]["dataValidation"]["condition"]["type"] == "BOOLEAN"
    coverage = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Coverage Report")
    assert coverage["data"][0]["rowData"][1]["values"][2]["userEnteredFormat"]["numberFormat"]["pattern"] == "0%"
    assert not coverage["protectedRanges"][0].get("warningOnly")


def test_protections_that_were_taken_away_are_set_again_by_push(desk: Any) -> None:
    answer = desk.api.get(
        desk.spreadsheet_id, fields="sheets(properties(title),protectedRanges(protectedRangeId,description))"
    )
    policy = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Policy Matrix")
    theirs = {"range": {"sheetId": desk.tab().id, "startRowIndex": 3}, "description": "Bea's", "warningOnly": True}
    desk.api.batch_update(
        desk.spreadsheet_id,
        [
            {"deleteProtectedRange": {"protectedRangeId": policy["protectedRanges"][0]["protectedRangeId"]}},
            {"addProtectedRange": {"protectedRange": theirs}},
        ],
    )
    assert desk.pull().calls["write"] == 0
    assert desk.push().calls["write"] == 1
    answer = desk.api.get(desk.spreadsheet_id, fields="sheets(properties(title),protectedRanges(description))")
    policy = next(sheet for sheet in answer["sheets"] if sheet["properties"]["title"] == "Policy Matrix")
    said = [one["description"] for one in policy["protectedRanges"]]
    assert len(said) == 9
    assert "Bea's" in said
    assert desk.push().calls["write"] == 0


def test_a_copy_of_our_tab_is_told_and_not_read(desk: Any) -> None:
    copied = desk.tab().duplicate(insert_sheet_index=0, new_sheet_name="Copy of Policy Matrix")
    copied.update([["firearm.money"]], "C4")
    report = desk.sync()
    assert report.drafts == []
    assert {one.code for one in report.problems} <= {"doubled_tab"}
    assert desk.cell(POST, "firearm_id") == "firearm.external_write"
