"""Typed batches into requests: order, minimal runs, and typed values only."""

from __future__ import annotations

import json
from typing import Any

from sheetsync.gsheets.batches import cell_data, extended_value, render
from sheetsync.sync.gateway import AddRow, Batch, DeleteRow, ScratchTab, SheetRead, TabRead, Token, TouchRow

COLUMNS = {"connector_id": 0, "scope": 1, "firearm_id": 2, "strategy_lock": 3, "sync_status": 4}
TAB = TabRead("policy", 7, "Policy Matrix", COLUMNS, [], 10, 5)
OLD = ScratchTab(99, 4, "write-4", ())
READ = SheetRead("id", None, {"policy": TAB}, (OLD,))


def touch(index: int, **sets: Any) -> TouchRow:
    return TouchRow("policy", index, ("slack", f"s{index}"), ("slack", f"s{index}", "", "", ""), sets)


def kinds(*operations: Any) -> list[Any]:
    batch = Batch(Token(5, "write-5"), (OLD,), operations)
    return render(batch, READ, sheet_ids={}, scratch_id=100, firearms=("firearm.read",)).requests


def test_the_version_it_was_planned_against_goes_first() -> None:
    requests = kinds(touch(1, firearm_id="firearm.read"))
    assert requests[0] == {"deleteSheet": {"sheetId": 99}}
    assert requests[1]["addSheet"]["properties"]["sheetId"] == 100
    assert requests[1]["addSheet"]["properties"]["hidden"] is True


def test_pre_images_are_copied_before_anything_is_written() -> None:
    requests = kinds(
        touch(1, firearm_id="firearm.read"), DeleteRow("policy", 3, ("slack", "s3"), ("slack", "s3", "", "", ""))
    )
    names = [next(iter(request)) for request in requests]
    last_copy = max(at for at, name in enumerate(names) if name == "copyPaste")
    header = json.loads(requests[3]["updateCells"]["rows"][0]["values"][0]["userEnteredValue"]["stringValue"])
    assert (header["epoch"], header["nonce"]) == (5, "write-5")
    assert last_copy < names.index("deleteDimension")
    assert all(at < 4 or at > last_copy for at, name in enumerate(names) if name == "updateCells")


def test_neighbours_of_one_column_are_one_request() -> None:
    requests = kinds(*(touch(index, firearm_id="firearm.read") for index in (1, 2, 3, 6)))
    writes = [request["updateCells"] for request in requests if "updateCells" in request][1:]
    assert [(write["start"]["rowIndex"], len(write["rows"])) for write in writes] == [(1, 3), (6, 1)]
    copies = [request["copyPaste"]["source"] for request in requests if "copyPaste" in request]
    assert [(copied["startRowIndex"], copied["endRowIndex"]) for copied in copies] == [(1, 4), (6, 7)]


def test_rows_are_removed_and_inserted_from_the_bottom_up() -> None:
    gone = [DeleteRow("policy", index, ("slack", f"s{index}"), ("slack", f"s{index}", "", "", "")) for index in (2, 5)]
    added = AddRow("policy", ("slack", "new"), ("slack", "new", "NONE", False), 4)
    requests = kinds(*gone, added)
    moved = [
        (name, request[name]["range"]["startIndex"])
        for request in requests
        for name in request
        if name in ("deleteDimension", "insertDimension")
    ]
    assert moved == [("deleteDimension", 5), ("insertDimension", 4), ("deleteDimension", 2)]


def test_values_are_typed_and_never_parsed() -> None:
    assert extended_value(True) == {"boolValue": True}
    assert extended_value(3) == {"numberValue": 3}
    assert extended_value("=1+2") == {"stringValue": "=1+2"}
    assert extended_value("") is None
    assert extended_value(None) is None


def test_cells_that_are_equal_to_python_only_are_told_apart() -> None:
    assert [cell_data(one) for one in (True, 1, "1", 1.5, "x" * 200, "", None)] == [
        {"userEnteredValue": {"boolValue": True}},
        {"userEnteredValue": {"numberValue": 1}},
        {"userEnteredValue": {"stringValue": "1"}},
        {"userEnteredValue": {"numberValue": 1.5}},
        {"userEnteredValue": {"stringValue": "x" * 200}},
        {},
        {},
    ]
    assert cell_data("firearm.payment") is cell_data("firearm.payment")
    assert "formulaValue" not in json.dumps(kinds(touch(1, firearm_id="=IMPORTXML(1)")))
