"""Drive: searching, copying, exporting, sharing, comments, changes, revisions, and times that lag."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from sheetsync.localsheets import LocalSheets

SPREADSHEET = "application/vnd.google-apps.spreadsheet"
FOLDER = "application/vnd.google-apps.folder"


@pytest.fixture
def drive(server: LocalSheets) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=f"{server.url}/drive/v3") as http:
        yield http


def make(drive: httpx.Client, name: str, mime: str = SPREADSHEET, **more: Any) -> str:
    return str(drive.post("/files", json={"name": name, "mimeType": mime, **more}).raise_for_status().json()["id"])


def names(drive: httpx.Client, query: str, **more: Any) -> list[str]:
    answer = drive.get("/files", params={"q": query, "orderBy": "name", **more}).raise_for_status()
    return [one["name"] for one in answer.json()["files"]]


def test_files_are_found_by_query(drive: httpx.Client) -> None:
    folder = make(drive, "Folder", FOLDER)
    make(drive, "Alpha report", parents=[folder])
    make(drive, "Beta's", starred=True)
    gone = make(drive, "Gone")
    drive.patch(f"/files/{gone}", json={"trashed": True})
    assert names(drive, "") == ["Alpha report", "Beta's", "Folder", "Gone"]
    assert names(drive, f"mimeType='{SPREADSHEET}' and trashed = false") == ["Alpha report", "Beta's"]
    assert names(drive, r"name = 'Beta\'s'") == ["Beta's"]
    assert names(drive, 'name = "Folder"') == ["Folder"]
    assert names(drive, "name contains 'rep'") == ["Alpha report"]
    assert names(drive, "name contains 'eport'") == []
    assert names(drive, f"'{folder}' in parents") == ["Alpha report"]
    assert names(drive, "not trashed = true and (starred = true or name = 'Folder')") == ["Beta's", "Folder"]
    assert names(drive, "modifiedTime > '2012-06-04T12:00:00' and 'me' in owners and trashed=true") == ["Gone"]


def test_everything_lies_in_my_drive(drive: httpx.Client) -> None:
    make(drive, "here")
    make(drive, "there", parents=["root"])
    root = drive.get("/files/root", params={"fields": "id,name"}).json()
    assert root["name"] == "My Drive"
    assert drive.get("/files", params={"fields": "files(parents)"}).json()["files"] == [{"parents": [root["id"]]}] * 2
    assert names(drive, "'root' in parents") == names(drive, f"'{root['id']}' in parents") == ["here", "there"]


@pytest.mark.parametrize(
    "query", ["name", "name =", "name = 'x", "colour = 'red'", "name = 'x' or", "(name = 'x'", "trashed = 'x'"]
)
def test_queries_that_cannot_be_read_are_refused(drive: httpx.Client, query: str) -> None:
    answer = drive.get("/files", params={"q": query})
    error = answer.json()["error"]
    assert (answer.status_code, error["errors"][0]["location"]) == (400, "q")


def test_listings_come_in_pages(drive: httpx.Client) -> None:
    for number in range(5):
        make(drive, f"f{number}")
    first = drive.get("/files", params={"pageSize": 2, "orderBy": "name desc"}).json()
    assert [one["name"] for one in first["files"]] == ["f4", "f3"]
    rest = drive.get("/files", params={"pageSize": 9, "orderBy": "name desc", "pageToken": first["nextPageToken"]})
    assert [one["name"] for one in rest.json()["files"]] == ["f2", "f1", "f0"]
    assert "nextPageToken" not in rest.json()
    assert drive.get("/files", params={"pageSize": 0}).status_code == 400


def test_what_is_not_there_is_told_in_drives_own_shape(drive: httpx.Client) -> None:
    answer = drive.get("/files/nosuch")
    assert answer.status_code == 404
    assert answer.json() == {
        "error": {
            "errors": [
                {
                    "domain": "global",
                    "reason": "notFound",
                    "message": "File not found: nosuch.",
                    "locationType": "parameter",
                    "location": "fileId",
                }
            ],
            "code": 404,
            "message": "File not found: nosuch.",
        }
    }


def test_a_renamed_file_has_a_renamed_title_and_a_copy_stands_alone(book: Any, drive: httpx.Client) -> None:
    book.put("A1", [["here"]])
    drive.patch(f"/files/{book.id}", json={"name": "Renamed"})
    assert book.get()["properties"]["title"] == "Renamed"
    copy = drive.post(f"/files/{book.id}/copy", json={}).json()
    assert copy["name"] == "Copy of Renamed"
    book.put("A1", [["changed"]])
    book.id = copy["id"]
    assert book.values("A1") == [["here"]]
    assert book.get()["properties"]["title"] == "Copy of Renamed"


def test_spreadsheets_are_exported(book: Any, drive: httpx.Client) -> None:
    book.type("A1", "a,b", "50%", "=1/0", "TRUE", "line\nbreak")
    csv = drive.get(f"/files/{book.id}/export", params={"mimeType": "text/csv"})
    assert csv.content == b'"a,b",50%,#DIV/0!,TRUE,"line\nbreak"'
    xlsx = drive.get(
        f"/files/{book.id}/export",
        params={"mimeType": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"},
    )
    with zipfile.ZipFile(io.BytesIO(xlsx.content)) as archive:
        sheet = archive.read("xl/worksheets/sheet1.xml").decode()
        assert archive.testzip() is None
    assert ">a,b</t>" in sheet
    assert '<c r="B1" s="1"><v>0.5</v></c>' in sheet
    assert '<c r="D1" t="b"><v>1</v></c>' in sheet
    pdf = drive.get(f"/files/{book.id}/export", params={"mimeType": "application/pdf"})
    assert (pdf.status_code, pdf.json()["error"]["errors"][0]["reason"]) == (400, "badRequest")


def test_comments_are_kept_answered_and_deleted(book: Any, drive: httpx.Client) -> None:
    path = f"/files/{book.id}/comments"
    assert drive.post(path, json={"content": "x"}).status_code == 400  # fields are required
    made = drive.post(path, params={"fields": "id,content"}, json={"content": "why?"}).json()
    drive.post(f"{path}/{made['id']}/replies", params={"fields": "*"}, json={"content": "so", "action": "resolve"})
    found = drive.get(path, params={"fields": "comments(content,resolved,replies(content))"}).json()["comments"]
    assert found == [{"content": "why?", "resolved": True, "replies": [{"content": "so"}]}]
    assert drive.delete(f"{path}/{made['id']}").status_code == 204
    assert drive.get(path, params={"fields": "comments"}).json() == {"comments": []}


def test_changes_are_told_from_a_token_on(book: Any, drive: httpx.Client) -> None:
    token = drive.get("/changes/startPageToken").json()["startPageToken"]
    assert drive.get("/changes", params={"pageToken": token}).json()["changes"] == []
    book.put("A1", [["x"]])
    book.put("A1", [["y"]])
    other = make(drive, "other")
    drive.delete(f"/files/{other}")
    found = drive.get("/changes", params={"pageToken": token}).json()
    assert [(one["fileId"], one["removed"]) for one in found["changes"]] == [(book.id, False), (other, True)]
    assert drive.get("/changes", params={"pageToken": found["newStartPageToken"]}).json()["changes"] == []


def test_revisions_tell_who_and_when_not_what(book: Any, drive: httpx.Client) -> None:
    book.put("A1", [["x"]])
    book.seen_by("ann@example.com").put("A1", [["y"]])
    found = drive.get(f"/files/{book.id}/revisions", params={"fields": "revisions(id,lastModifyingUser)"}).json()
    users = [one["lastModifyingUser"]["emailAddress"] for one in found["revisions"]]
    assert users == ["anonymous@example.com", "ann@example.com"]
    assert drive.get(f"/files/{book.id}/revisions/99").status_code == 404


def test_versions_rise_with_each_change_and_lag_if_they_are_to() -> None:
    now = [1_700_000_000.0]
    with LocalSheets(clock=lambda: now[0], drive_lag_s=180) as server, httpx.Client(base_url=server.url) as http:
        key = http.post("/drive/v3/files", json={"name": "n", "mimeType": SPREADSHEET}).json()["id"]
        now[0] += 1000

        def told() -> tuple[str, str]:
            found = http.get(f"/drive/v3/files/{key}?fields=version,modifiedTime").json()
            return found["version"], found["modifiedTime"]

        before = told()
        http.put(f"/v4/spreadsheets/{key}/values/A1?valueInputOption=RAW", json={"values": [["x"]]})
        assert told() == before
        now[0] += 181
        after = told()
        assert int(after[0]) == int(before[0]) + 1
        assert after[1] > before[1]
