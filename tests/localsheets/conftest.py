"""A running server, and a spreadsheet on it with short names for the calls that tests make."""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from sheetsync.localsheets import LocalSheets

NO_TLS = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # all is plain HTTP: loading certificates takes longer than a test
SPREADSHEET = "application/vnd.google-apps.spreadsheet"


class Book:
    """A spreadsheet, spoken to over HTTP as one user."""

    def __init__(self, server: LocalSheets, user: str = "") -> None:
        headers = {"Authorization": f"Bearer {user}"} if user else {}
        self.server = server
        self.http = httpx.Client(base_url=server.url, headers=headers, timeout=30, verify=NO_TLS)
        self.id = ""
        self.others: list[Book] = []

    def close(self) -> None:
        for client in (self, *self.others):
            client.http.close()

    def make(self, title: str = "Book") -> Book:
        made = self.http.post("/drive/v3/files", json={"name": title, "mimeType": SPREADSHEET})
        self.id = made.json()["id"]
        return self

    def seen_by(self, user: str) -> Book:
        other = Book(self.server, user)
        other.id = self.id
        self.others.append(other)
        return other

    @property
    def path(self) -> str:
        return f"/v4/spreadsheets/{self.id}"

    def get(self, **query: Any) -> dict[str, Any]:
        found: dict[str, Any] = self.http.get(self.path, params=query).raise_for_status().json()
        return found

    def batch(self, *requests: dict[str, Any], query: str = "", **body: Any) -> dict[str, Any]:
        answer = self.http.post(f"{self.path}:batchUpdate{query}", json={"requests": list(requests), **body})
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def refused(self, *requests: dict[str, Any], status: int = 400) -> str:
        answer = self.http.post(f"{self.path}:batchUpdate", json={"requests": list(requests)})
        assert answer.status_code == status, answer.text
        message: str = answer.json()["error"]["message"]
        return message

    def put(self, where: str, rows: list[list[Any]], option: str = "RAW") -> dict[str, Any]:
        url = f"{self.path}/values/{quote(where, safe='')}?valueInputOption={option}"
        found: dict[str, Any] = self.http.put(url, json={"values": rows}).raise_for_status().json()
        return found

    def type(self, where: str, *texts: Any) -> None:
        self.put(where, [list(texts)], "USER_ENTERED")

    def values(self, where: str, render: str = "UNFORMATTED_VALUE", **query: Any) -> list[list[Any]]:
        url = f"{self.path}/values/{quote(where, safe='')}"
        answer = self.http.get(url, params={"valueRenderOption": render, **query}).raise_for_status()
        found: list[list[Any]] = answer.json().get("values", [])
        return found

    def shown(self, where: str) -> Any:
        """What one cell shows."""
        rows = self.values(where, "FORMATTED_VALUE")
        return rows[0][0] if rows else ""

    def cell(self, where: str) -> dict[str, Any]:
        """One cell as CellData."""
        found = self.get(ranges=where, fields="sheets.data.rowData.values")
        rows = found["sheets"][0]["data"][0].get("rowData", [])
        cell: dict[str, Any] = rows[0]["values"][0] if rows and rows[0] else {}
        return cell

    def sheet(self, index: int = 0) -> dict[str, Any]:
        found: dict[str, Any] = self.get()["sheets"][index]
        return found

    def state(self) -> str:
        """Everything there is, as text, to see that nothing changed."""
        content = self.server.workspace.spreadsheet(self.id)
        state = content.to_json()
        for sheet in state["sheets"]:  # blank cells at the end of a row or grid are no content
            for row in sheet["rows"]:
                while row and row[-1] is None:
                    row.pop()
            for name in ("rows", "row_properties", "column_properties"):
                while sheet[name] and not sheet[name][-1]:
                    sheet[name].pop()
        return json.dumps(state, sort_keys=True)


@pytest.fixture
def server() -> Iterator[LocalSheets]:
    with LocalSheets(seed=1) as running:
        yield running


@pytest.fixture
def book(server: LocalSheets) -> Iterator[Book]:
    """A new spreadsheet with one blank tab."""
    made = Book(server).make()
    yield made
    made.close()


@pytest.fixture
def box() -> Any:
    """Makes a GridRange of rows `r0:r1` and columns `c0:c1`."""

    def make(r0: int, r1: int, c0: int, c1: int, sheet: int = 0) -> dict[str, int]:
        return {
            "sheetId": sheet,
            "startRowIndex": r0,
            "endRowIndex": r1,
            "startColumnIndex": c0,
            "endColumnIndex": c1,
        }

    return make
