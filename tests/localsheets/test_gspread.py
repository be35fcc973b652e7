"""gspread's public methods, unchanged, against the local server: what they send is understood and does what it says."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import gspread
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from gspread.utils import ExportFormat, MergeType, PasteType, ValueInputOption, ValueRenderOption
from requests.adapters import HTTPAdapter

from sheetsync.localsheets import LocalSheets


class ToLocal(HTTPAdapter):
    """Sends what is meant for Google to the local server."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.target = urlsplit(url)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        parts = urlsplit(request.url or "")
        request.headers["X-Forwarded-Host"] = str(parts.netloc)
        request.url = urlunsplit(parts._replace(scheme="http", netloc=self.target.netloc))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def client(server: LocalSheets) -> Iterator[gspread.Client]:
    made = gspread.authorize(AnonymousCredentials())  # type: ignore[no-untyped-call]
    made.set_timeout(20)
    session = made.http_client.session
    for host in ("https://sheets.googleapis.com/", "https://www.googleapis.com/"):
        session.mount(host, ToLocal(server.url))
    yield made
    session.close()


@pytest.fixture
def sheet(client: gspread.Client) -> Any:
    return client.create("Book").sheet1


def test_files_are_made_listed_copied_renamed_and_deleted(client: gspread.Client) -> None:
    made = client.create("One")
    made.sheet1.update([["kept"]], "A1")
    copied = client.copy(made.id, title="Two", copy_comments=False)
    assert copied.sheet1.acell("A1").value == "kept"
    assert {one["name"] for one in client.list_spreadsheet_files()} == {"One", "Two"}
    assert client.open("Two").id == copied.id
    assert {one.id for one in client.openall()} == {made.id, copied.id}
    made.update_title("Three")
    assert client.open("Three").id == made.id
    client.del_spreadsheet(copied.id)
    with pytest.raises(gspread.exceptions.SpreadsheetNotFound):
        client.open_by_key(copied.id)


def test_csv_goes_in_and_comes_out(client: gspread.Client) -> None:
    made = client.create("CSV")
    client.import_csv(made.id, 'name,number\n"a, b",1\n')
    assert client.open_by_key(made.id).sheet1.get_all_values() == [["name", "number"], ["a, b", "1"]]
    assert client.export(made.id, ExportFormat.CSV) == b'name,number\r\n"a, b",1'
    assert client.export(made.id, ExportFormat.TSV) == b"name\tnumber\r\na, b\t1"


def test_spreadsheet_settings(client: gspread.Client) -> None:
    made = client.create("Settings")
    assert (made.locale, made.timezone) == ("en_US", "Etc/GMT")
    made.update_locale("fr_FR")
    made.update_timezone("Europe/Paris")
    again = client.open_by_key(made.id)
    assert (again.locale, again.timezone) == ("fr_FR", "Europe/Paris")
    assert again.get_lastUpdateTime() >= made.creationTime


def test_worksheets_are_added_found_reordered_duplicated_and_deleted(client: gspread.Client) -> None:
    made = client.create("Tabs")
    first = made.sheet1
    second = made.add_worksheet("second", rows=5, cols=4)
    third = made.add_worksheet("third", rows=5, cols=4, index=0)
    assert [one.title for one in made.worksheets()] == ["third", "Sheet1", "second"]
    made.reorder_worksheets([first, second, third])
    assert [one.title for one in made.worksheets()] == ["Sheet1", "second", "third"]
    assert made.worksheet("second").id == second.id
    assert made.get_worksheet_by_id(third.id).title == "third"
    second.update([["x"]], "A1")
    assert second.duplicate(new_sheet_name="copy").acell("A1").value == "x"
    second.hide()
    assert [one.title for one in made.worksheets(exclude_hidden=True)] == ["copy", "Sheet1", "third"]
    second.show()
    other = client.create("Other")
    copied = second.copy_to(other.id)
    assert copied["title"] == "Copy of second"
    made.del_worksheet(second)
    with pytest.raises(gspread.exceptions.WorksheetNotFound):
        made.worksheet("second")
    assert third.update_index(0)["replies"] == [{}]


def test_cells_are_written_and_read_in_every_way(sheet: Any) -> None:
    sheet.update_acell("A1", "=1/4")
    sheet.update_cell(1, 2, "1,000")
    sheet.update([["x", 2.5, True]], "A2", value_input_option=ValueInputOption.raw)
    assert sheet.acell("A1").numeric_value == 0.25
    assert sheet.acell("A1", value_render_option=ValueRenderOption.formula).value == "=1/4"
    assert sheet.cell(1, 2).value == "1,000"
    assert sheet.row_values(2) == ["x", "2.5", "TRUE"]
    assert sheet.col_values(1) == ["0.25", "x"]
    assert sheet.get("A2:C2", value_render_option=ValueRenderOption.unformatted) == [["x", 2.5, True]]
    assert sheet.batch_get(["A1", "B1:B2"]) == [[["0.25"]], [["1,000"], ["2.5"]]]
    cells = sheet.range("A4:B5")
    for number, cell in enumerate(cells):
        cell.value = number
    sheet.update_cells(cells)
    assert sheet.get("A4:B5") == [["0", "1"], ["2", "3"]]
    sheet.batch_update([{"range": "A6", "values": [["b1"]]}, {"range": "C6", "values": [["b2"]]}])
    assert sheet.row_values(6) == ["b1", "", "b2"]
    sheet.batch_clear(["A6", "C6"])
    assert sheet.row_values(6) == []
    sheet.clear()
    assert sheet.get_all_values() == [[]]


def test_records_find_and_append(sheet: Any) -> None:
    sheet.update([["name", "size"], ["apple", 3], ["pear", 4]], "A1")
    assert sheet.get_all_records() == [{"name": "apple", "size": 3}, {"name": "pear", "size": 4}]
    assert sheet.find("pear").address == "A3"
    assert [cell.value for cell in sheet.findall("apple")] == ["apple"]
    sheet.append_row(["plum", 5])
    sheet.append_rows([["fig", 6], ["kiwi", 7]], table_range="A1:B4")
    assert sheet.col_values(1) == ["name", "apple", "pear", "plum", "fig", "kiwi"]


def test_rows_and_columns_come_move_and_go(sheet: Any) -> None:
    sheet.update([["a", "b"], ["c", "d"]], "A1")
    sheet.insert_row(["new"], index=2)
    sheet.insert_cols([["x", "y"]], col=2)
    assert sheet.get_all_values() == [["a", "x", "b"], ["new", "y", ""], ["c", "", "d"]]
    sheet.delete_rows(2)
    sheet.delete_columns(2)
    assert sheet.get_all_values() == [["a", "b"], ["c", "d"]]
    sheet.add_rows(3)
    sheet.add_cols(2)
    assert (sheet.row_count, sheet.col_count) == (1003, 28)
    sheet.resize(rows=4, cols=3)
    assert (sheet.row_count, sheet.col_count) == (4, 3)
    sheet.hide_rows(0, 1)
    sheet.unhide_rows(0, 1)
    sheet.hide_columns(0, 1)
    sheet.unhide_columns(0, 1)
    sheet.freeze(rows=1, cols=1)
    assert (sheet.frozen_row_count, sheet.frozen_col_count) == (1, 1)
    sheet.rows_auto_resize(0, 1)
    sheet.columns_auto_resize(0, 1)
    sheet.add_dimension_group_rows(1, 3)
    assert sheet.list_dimension_group_rows()[0]["depth"] == 1
    sheet.delete_dimension_group_rows(1, 3)
    sheet.update_tab_color("#ff007f")
    assert sheet.get_tab_color() == "#FF007F"
    sheet.clear_tab_color()
    sheet.update_title("renamed")
    sheet.hide_gridlines()
    sheet.show_gridlines()
    assert sheet.is_gridlines_hidden is False


def test_sorting_and_filters(sheet: Any) -> None:
    sheet.update([["b", 2], ["a", 3], ["c", 1]], "A1")
    sheet.sort((1, "asc"), range="A1:B3")
    assert sheet.col_values(1) == ["a", "b", "c"]
    sheet.sort((2, "des"), range="A1:B3")
    assert sheet.col_values(1) == ["a", "b", "c"]
    sheet.set_basic_filter("A1:B3")
    sheet.clear_basic_filter()


def test_formats_merges_notes_and_copies(sheet: Any) -> None:
    sheet.update([[1, 2], [3, 4]], "A1")
    sheet.format("A1:B1", {"textFormat": {"bold": True}})
    sheet.batch_format([{"range": "A2", "format": {"backgroundColor": {"red": 1}}}])
    sheet.update_note("A1", "hello")
    assert sheet.get_note("A1") == "hello"
    sheet.update_notes({"A2": "two", "B2": "three"})
    assert sheet.get_notes() == [["hello", ""], ["two", "three"]]
    sheet.clear_notes(["A2", "B2"])
    sheet.clear_note("A1")
    assert sheet.get_note("A1") == ""
    sheet.copy_range("A1:B1", "D1", paste_type=PasteType.values)
    sheet.cut_range("A2:B2", "D2")
    assert sheet.get("D1:E2") == [["1", "2"], ["3", "4"]]
    sheet.merge_cells("A4:B5", merge_type=MergeType.merge_all)
    sheet.unmerge_cells("A4:B5")


def test_names_protections_and_validation(sheet: Any) -> None:
    sheet.define_named_range("A1:B2", "corner")
    sheet.update([["in"]], "corner")
    names = sheet.spreadsheet.list_named_ranges()
    assert names[0]["name"] == "corner"
    sheet.delete_named_range(names[0]["namedRangeId"])
    sheet.add_protected_range("A1:B2", editor_users_emails=["a@example.com"])
    kept = sheet.spreadsheet.list_protected_ranges(sheet.id)
    assert "a@example.com" in kept[0]["editors"]["users"]
    sheet.delete_protected_range(kept[0]["protectedRangeId"])
    sheet.add_validation("C1", gspread.utils.ValidationConditionType.one_of_list, ["x", "y"], strict=True)


def test_errors_are_what_gspread_knows(sheet: Any) -> None:
    with pytest.raises(gspread.exceptions.APIError) as caught:
        sheet.update([["a", "b"]], "A1:A1000000")
    assert caught.value.code == 400
    with pytest.raises(gspread.exceptions.APIError, match="exceeds grid limits"):
        sheet.get("ZZ1")
    sheet.update([["same", "same"]], "A1")
    with pytest.raises(gspread.exceptions.GSpreadException):
        sheet.get_all_records()
