"""The data file: nothing acknowledged is lost, nothing half-done is kept, damage is told from a torn end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import httpx
import pytest

from sheetsync.errors import LockHeldError, StoreDamagedError
from sheetsync.localsheets import LocalSheets, running_url

SERVE = """
import sys, time
from sheetsync.localsheets import LocalSheets
server = LocalSheets(data=sys.argv[1])
print(server.url, flush=True)
time.sleep(60)
"""
SPREADSHEET = "application/vnd.google-apps.spreadsheet"


def start(data: Path) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen([sys.executable, "-c", SERVE, str(data)], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    return process, process.stdout.readline().strip()


def stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert process.stdout is not None
    process.stdout.close()


def make(http: httpx.Client) -> str:
    made = http.post("/drive/v3/files", json={"name": "Kept", "mimeType": SPREADSHEET})
    return str(made.json()["id"])


def column(http: httpx.Client, key: str) -> list[Any]:
    answer = http.get(f"/v4/spreadsheets/{key}/values/A:A", params={"valueRenderOption": "UNFORMATTED_VALUE"})
    return [row[0] for row in answer.json().get("values", [])]


@pytest.mark.parametrize("moment", [3, 11, 40])
def test_kill_9_loses_no_acknowledged_write(tmp_path: Path, moment: int) -> None:
    data = tmp_path / "sheets.db"
    process, url = start(data)
    acknowledged: list[int] = []
    with httpx.Client(base_url=url, timeout=10) as http:
        key = make(http)
        killer = threading.Event()

        def write() -> None:
            for number in range(10_000):
                cell = {"userEnteredValue": {"numberValue": number}}
                start_ = {"sheetId": 0, "rowIndex": number % 900}
                body = {"requests": [{"updateCells": {"start": start_, "rows": [{"values": [cell]}], "fields": "*"}}]}
                try:
                    http.post(f"/v4/spreadsheets/{key}:batchUpdate", json=body).raise_for_status()
                except httpx.HTTPError:
                    return
                acknowledged.append(number)
                if number == moment:
                    killer.set()

        writer = threading.Thread(target=write)
        writer.start()
        assert killer.wait(30)
        stop(process)
        writer.join()
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        found = column(http, key)
    assert len(acknowledged) > moment
    assert found[: len(acknowledged)] == acknowledged
    assert len(found) <= len(acknowledged) + 1  # the last one may have landed unacknowledged


def test_everything_comes_back_as_it_was(book: Any, box: Any, tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data, seed=3) as server:
        kept = type(book)(server).make()
        kept.type("A1", "=B1*2", "21", "50%", "note")
        kept.batch(
            {"insertDimension": {"range": {"sheetId": 0, "dimension": "ROWS", "startIndex": 0, "endIndex": 2}}},
            {"addSheet": {"properties": {"sheetId": 9, "title": "second"}}},
            {"mergeCells": {"range": box(5, 7, 0, 2), "mergeType": "MERGE_ALL"}},
            {"addNamedRange": {"namedRange": {"name": "here", "range": box(0, 1, 0, 1)}}},
            {"addProtectedRange": {"protectedRange": {"range": box(0, 1, 0, 1)}}},
            {
                "createDeveloperMetadata": {
                    "developerMetadata": {
                        "metadataKey": "k",
                        "location": {"dimensionRange": {"dimension": "ROWS", "startIndex": 2, "endIndex": 3}},
                        "visibility": "DOCUMENT",
                    }
                }
            },
            {"moveDimension": {"source": {"dimension": "ROWS", "startIndex": 2, "endIndex": 3}, "destinationIndex": 0}},
        )
        kept.batch({"deleteDimension": {"range": {"dimension": "COLUMNS", "startIndex": 3, "endIndex": 4}}})
        before, shown = kept.state(), kept.get(includeGridData=True)
        kept.close()
        key = kept.id
    with LocalSheets(data=data) as server:
        again = type(book)(server)
        again.id = key
        assert again.get(includeGridData=True) == shown
        assert again.state() == before
        server.workspace.compact()
        again.close()
    with LocalSheets(data=data) as server:
        again = type(book)(server)
        again.id = key
        assert again.get(includeGridData=True) == shown
        again.close()


def test_deleted_files_stay_deleted_and_titles_follow(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        gone, kept = make(http), make(http)
        http.delete(f"/drive/v3/files/{gone}")
        title = {"properties": {"title": "Renamed"}, "fields": "title"}
        body = {"requests": [{"updateSpreadsheetProperties": title}]}
        http.post(f"/v4/spreadsheets/{kept}:batchUpdate", json=body)
        versions = http.get(f"/drive/v3/files/{kept}", params={"fields": "version,modifiedTime"}).json()
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        assert http.get(f"/v4/spreadsheets/{gone}").status_code == 404
        assert http.get(f"/drive/v3/files/{kept}").json()["name"] == "Renamed"
        assert http.get(f"/drive/v3/files/{kept}", params={"fields": "version,modifiedTime"}).json() == versions


def test_a_torn_end_is_cut_off(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        key = make(http)
        http.put(f"/v4/spreadsheets/{key}/values/A1?valueInputOption=RAW", json={"values": [["whole"]]})
    size = data.stat().st_size
    with data.open("ab") as file:
        file.write(b"\x40\x00\x00\x00torn")
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        assert column(http, key) == ["whole"]
    assert data.stat().st_size == size


def test_damage_in_the_middle_is_refused_not_cut(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        make(http)
        make(http)
    content = bytearray(data.read_bytes())
    content[60] ^= 0xFF
    data.write_bytes(content)
    for _ in range(2):  # the first refusal does not hold the lock
        with pytest.raises(StoreDamagedError):
            LocalSheets(data=data)
    assert data.read_bytes() == content


def test_a_file_that_is_not_ours_is_refused(tmp_path: Path) -> None:
    data = tmp_path / "letter.txt"
    data.write_text("Dear Sir or Madam, this is no data file of ours.")
    with pytest.raises(StoreDamagedError):
        LocalSheets(data=data)
    assert data.read_text().startswith("Dear")


def test_one_data_file_has_one_server_and_it_can_be_found(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    assert running_url(data) is None
    with LocalSheets(data=data) as server:
        with pytest.raises(LockHeldError):
            LocalSheets(data=data)
        assert running_url(data) == server.url
    assert running_url(data) is None
    process, url = start(data)
    assert running_url(data) == url
    stop(process)
    assert running_url(data) is None
    assert json.loads(data.with_name("sheets.db.server").read_bytes())["url"] == url


def test_a_write_that_the_disk_refuses_is_not_acknowledged_and_leaves_no_trace(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        key = make(http)

        class Full:
            keeps = True

            def append(self, _entries: object) -> None:
                raise OSError(28, "No space left on device")

            def close(self) -> None:
                """Nothing to close."""

        whole, server.workspace.storage = server.workspace.storage, Full()  # type: ignore[assignment]
        answer = http.put(f"/v4/spreadsheets/{key}/values/A1?valueInputOption=RAW", json={"values": [["x"]]})
        assert answer.status_code == 500
        assert answer.json()["error"]["status"] == "INTERNAL"
        server.workspace.storage = whole
        assert column(http, key) == []


def test_memory_keeps_no_file(tmp_path: Path) -> None:
    before = list(tmp_path.iterdir())
    with LocalSheets(data=":memory:"):
        assert list(tmp_path.iterdir()) == before


def test_a_rewrite_that_fails_takes_no_acknowledged_write_back(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        key = make(http)
        server.workspace._compact_at = 0
        blocker = data.with_name("sheets.db.new")
        blocker.mkdir()  # the new file cannot be made
        answer = http.put(f"/v4/spreadsheets/{key}/values/A1?valueInputOption=RAW", json={"values": [["kept"]]})
        assert answer.status_code == 200
        blocker.rmdir()
        server.workspace._compact_at = 0
        http.put(f"/v4/spreadsheets/{key}/values/A2?valueInputOption=RAW", json={"values": [["too"]]})
    with LocalSheets(data=data) as server, httpx.Client(base_url=server.url) as http:
        assert column(http, key) == ["kept", "too"]


def test_cells_that_hold_their_formats_themselves_are_read_too() -> None:
    from sheetsync.localsheets.sheet import Sheet

    cell = {"v": "x", "f": {"textFormat": {"bold": True}}, "r": {"condition": {"type": "BOOLEAN"}}}
    state = {"id": 1, "title": "old", "row_count": 5, "col_count": 5, "rows": [[None, cell]]}
    sheet = Sheet.from_json({**state, "row_properties": [], "column_properties": []})
    found = sheet.cell(0, 1)
    assert found is not None
    assert (found.form, found.rule) == (cell["f"], cell["r"])
    again = Sheet.from_json(sheet.to_json()).cell(0, 1)
    assert again is not None
    assert (again.form, again.rule) == (cell["f"], cell["r"])
