"""Other people's clients, unchanged, against the local server, as the recipes in docs/localsheets.md point them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import gspread
import pytest
import requests
from google.auth.credentials import AnonymousCredentials
from google.oauth2.service_account import Credentials

from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.clients import route_session

HERE = Path(__file__).parent
SCOPES = ["https://www.googleapis.com/auth/spreadsheets", "https://www.googleapis.com/auth/drive"]


def test_gspread_goes_through_a_routed_session(server: LocalSheets) -> None:
    client = gspread.authorize(AnonymousCredentials())  # type: ignore[no-untyped-call]
    session = route_session(client.http_client.session, server.url)
    sheet = client.create("routed").sheet1
    sheet.update([["a", 1]], "A1")
    assert sheet.get_all_values() == [["a", "1"]]
    session.close()


def test_only_googles_hosts_are_routed(server: LocalSheets) -> None:
    session = route_session(requests.Session(), server.url)
    made = session.post("https://www.googleapis.com/drive/v3/files", json={"name": "folder"})
    assert made.json()["name"] == "folder"
    assert session.get(f"{server.url}/drive/v3/files").json()["files"][0]["name"] == "folder"
    session.close()


@pytest.mark.filterwarnings("ignore")
def test_google_api_python_client(server: LocalSheets) -> None:
    httplib2 = pytest.importorskip("httplib2")
    discovery = pytest.importorskip("googleapiclient.discovery")

    http = httplib2.Http()

    def build(name: str, version: str, endpoint: str) -> Any:
        options = {"api_endpoint": endpoint}
        return discovery.build(name, version, http=http, client_options=options, static_discovery=True)

    sheets = build("sheets", "v4", server.url).spreadsheets()
    key = sheets.create(body={"properties": {"title": "made"}, "sheets": [{"properties": {"title": "one"}}]}).execute()[
        "spreadsheetId"
    ]
    values = sheets.values()
    body = {"values": [["=1+1", "x"]]}
    values.update(spreadsheetId=key, range="one!A1", valueInputOption="USER_ENTERED", body=body).execute()
    assert values.get(spreadsheetId=key, range="one").execute()["values"] == [["2", "x"]]
    add = {"requests": [{"addSheet": {"properties": {"title": "two"}}}]}
    assert sheets.batchUpdate(spreadsheetId=key, body=add).execute()["replies"][0]["addSheet"]
    found = sheets.get(spreadsheetId=key, fields="sheets.properties.title").execute()
    assert [sheet["properties"]["title"] for sheet in found["sheets"]] == ["one", "two"]
    drive = build("drive", "v3", f"{server.url}/drive/v3/")
    assert drive.files().list(q="name = 'made'").execute()["files"][0]["id"] == key
    with pytest.raises(discovery.HttpError, match="Unable to parse range"):
        values.get(spreadsheetId=key, range="nowhere!A1").execute()
    http.close()


@pytest.mark.filterwarnings("ignore")
def test_pygsheets_with_a_service_account(server: LocalSheets) -> None:
    pygsheets = pytest.importorskip("pygsheets")
    information = server.service_account()
    signed = Credentials.from_service_account_info(information, scopes=SCOPES)  # type: ignore[no-untyped-call]
    client = pygsheets.authorize(custom_credentials=signed)
    client.sheet.service._baseUrl = f"{server.url}/"
    client.drive.service._baseUrl = f"{server.url}/drive/v3/"
    book = client.create("py")
    sheet = book.sheet1
    sheet.update_value("A1", "head")
    sheet.update_values("A2", [[1, 2], [3, 4]])
    assert sheet.get_values("A1", "B3") == [["head", ""], ["1", "2"], ["3", "4"]]
    cell = sheet.cell("A1")
    cell.set_text_format("bold", True)
    cell.note = "noted"
    assert sheet.cell("A1").note == "noted"
    sheet.insert_rows(1, 1, [["x", "y"]])
    sheet.sort_range("A2", "B4", basecolumnindex=0, sortorder="DESCENDING")
    assert sheet.get_values("A2", "B4") == [["x", "y"], ["3", "4"], ["1", "2"]]
    book.add_worksheet("two", rows=5, cols=5)
    assert [one.title for one in book.worksheets()] == ["Sheet1", "two"]
    book.share("a@example.com", role="reader", type="user")
    assert len(book.permissions) == 2
    sheet.append_table([["p", "q"]])
    sheet.set_data_validation("C1", "C2", condition_type="ONE_OF_LIST", condition_values=["a", "b"])
    sheet.frozen_rows = 1
    sheet.title = "renamed"
    sheet.resize(50, 10)
    assert (sheet.rows, sheet.cols) == (50, 10)
    sheet.clear()
    book.delete()
    assert client.spreadsheet_titles() == []
    client.sheet.service.close()
    client.drive.service.close()


def test_nodes_google_spreadsheet(server: LocalSheets) -> None:
    node = shutil.which("node")
    if node is None or not (HERE / "node_modules" / "google-spreadsheet").is_dir():
        pytest.skip("needs node and `npm ci` in tests/localsheets")
    done = subprocess.run(
        [node, str(HERE / "google_spreadsheet.mjs"), server.url],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == {
        "title": "node",
        "rows": [{"name": "Sergey", "email": "new@example.com"}, {"name": "Zoe", "email": ""}],
        "formula": 10,
        "note": "a note",
        "size": [51, 8],
        "sheets": 1,
    }
