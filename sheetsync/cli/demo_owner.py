"""A policy owner at the sheet, for the demo: reads and types cells over the REST API, as a browser would.

Knows nothing of sheetsync's own way to the sheet; only addresses, headers and what stands in the cells.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, urlencode
from urllib.request import Request, urlopen

MATRIX: Final = "Policy Matrix"
TIMEOUT_S: Final = 10.0


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the Policy Matrix: its number, and its cells as the sheet shows them."""

    number: int
    cells: dict[str, str]


class Owner:
    """A person with the spreadsheet open."""

    def __init__(self, url: str) -> None:
        self.url = url
        files = self._call("GET", "/drive/v3/files")["files"]
        self.spreadsheet_id: str = files[0]["id"]

    @property
    def page(self) -> str:
        """Where the Policy Matrix can be seen and edited in a browser."""
        tabs = self._call("GET", f"/v4/spreadsheets/{self.spreadsheet_id}?fields=sheets.properties(sheetId,title)")
        ids = {tab["properties"]["title"]: tab["properties"]["sheetId"] for tab in tabs["sheets"]}
        return f"{self.url}/spreadsheets/d/{self.spreadsheet_id}/edit#gid={ids[MATRIX]}"

    def rows(self) -> dict[tuple[str, str], Row]:
        """The Policy Matrix by connector and scope."""
        values = self._call("GET", f"{self._values()}/{quote(MATRIX)}").get("values", [])
        header = values[0]
        found = {}
        for number, line in enumerate(values[1:], start=2):
            cells = dict(zip(header, [*line, *([""] * len(header))], strict=False))
            found[(cells["connector_id"], cells["scope"])] = Row(number, cells)
        self.columns = {name: chr(ord("A") + place) for place, name in enumerate(header)}
        return found

    def type_into(self, connector_id: str, scope: str, column: str, text: object) -> str:
        """Type into one cell; returns its address."""
        row = self.rows()[(connector_id, scope)]
        cell = f"{self.columns[column]}{row.number}"
        where = quote(f"'{MATRIX}'!{cell}")
        query = urlencode({"valueInputOption": "USER_ENTERED"})
        self._call("PUT", f"{self._values()}/{where}?{query}", {"values": [[text]]})
        return cell

    def answer(self, connector_id: str, scope: str) -> str:
        """What the sheet answers to this row."""
        return self.rows()[(connector_id, scope)].cells.get("sync_status", "")

    def _values(self) -> str:
        return f"/v4/spreadsheets/{self.spreadsheet_id}/values"

    def _call(self, method: str, path: str, body: Any = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = Request(  # noqa: S310  # the address is our own server's
            f"{self.url}{path}", data=data, method=method, headers={"Content-Type": "application/json"}
        )
        with urlopen(request, timeout=TIMEOUT_S) as response:  # noqa: S310  # the same
            return json.loads(response.read())
