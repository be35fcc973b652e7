"""The local Sheets server on 100,000 rows x 5, with a data file, against a bare echo server of the same bytes."""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.measure import Result, timed

ROWS = 100_000
CHUNK = 10_000
EDITS = 1_000
RUNS = 3
SPREADSHEET = "application/vnd.google-apps.spreadsheet"
TYPED = "sheets(data(rowData(values(userEnteredValue,effectiveValue,formattedValue,note))))"

SERVE = """
import sys, time
from sheetsync.localsheets import LocalSheets
server = LocalSheets(data=sys.argv[1])
print(server.port, flush=True)
time.sleep(3600)
"""

# Reads each request whole and answers it with so many bytes as its path names; nothing else.
ECHO = """
import re, socket
listener = socket.create_server(("127.0.0.1", 0))
print(listener.getsockname()[1], flush=True)
bodies = {}
while True:
    connection, _ = listener.accept()
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    buffer = b""
    while True:
        while b"\\r\\n\\r\\n" not in buffer and (data := connection.recv(262144)):
            buffer += data
        if not buffer:
            break
        head, _, rest = buffer.partition(b"\\r\\n\\r\\n")
        length = re.search(rb"content-length: (\\d+)", head, re.IGNORECASE)
        need = int(length[1]) if length else 0
        while len(rest) < need:
            rest += connection.recv(262144)
        buffer = rest[need:]
        size = int(head.split(b" ")[1][1:])
        body = bodies.setdefault(size, b"x" * size)
        connection.sendall(b"HTTP/1.1 200 OK\\r\\nContent-Length: %d\\r\\n\\r\\n" % size)
        connection.sendall(body)
"""


class Client:
    """One kept-alive connection."""

    def __init__(self, port: int) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", port)

    def call(self, method: str, path: str, body: bytes | None = None) -> bytes:
        self.connection.request(method, path, body, {"Content-Type": "application/json"})
        answer = self.connection.getresponse()
        content = answer.read()
        if answer.status != 200:
            raise SystemExit(f"{method} {path}: {answer.status} {content[:300]!r}")
        return content


@contextmanager
def process(code: str, *words: str) -> Iterator[Client]:
    """A server in a process of its own, and a connection to it."""
    running = subprocess.Popen([sys.executable, "-c", code, *words], stdout=subprocess.PIPE, text=True)
    try:
        assert running.stdout is not None
        yield Client(int(running.stdout.readline()))
    finally:
        running.kill()
        running.wait()


def cell_rows(first: int) -> list[dict[str, Any]]:
    return [
        {
            "values": [
                {"userEnteredValue": {"stringValue": f"connector-{row}"}},
                {"userEnteredValue": {"stringValue": "core.admin_write"}},
                {"userEnteredValue": {"stringValue": "firearm.external_write"}},
                {"userEnteredValue": {"boolValue": row % 2 == 0}},
                {"userEnteredValue": {"numberValue": row}},
            ]
        }
        for row in range(first, first + CHUNK)
    ]


def batch(*requests: dict[str, Any]) -> bytes:
    return json.dumps({"requests": list(requests)}).encode()


def fill(client: Client) -> str:
    """A spreadsheet with the rows; returns its path."""
    made = json.loads(
        client.call("POST", "/drive/v3/files", json.dumps({"name": "Large", "mimeType": SPREADSHEET}).encode())
    )
    path = f"/v4/spreadsheets/{made['id']}"
    grid = {"properties": {"gridProperties": {"rowCount": ROWS, "columnCount": 5}}}
    grid["fields"] = "gridProperties.rowCount,gridProperties.columnCount"  # type: ignore[assignment]
    client.call("POST", f"{path}:batchUpdate", batch({"updateSheetProperties": grid}))
    for first in range(0, ROWS, CHUNK):
        write = {"rows": cell_rows(first), "fields": "userEnteredValue", "start": {"rowIndex": first}}
        client.call("POST", f"{path}:batchUpdate", batch({"updateCells": write}))
    return path


def read_row(server: Client, echo: Client, what: str, path: str, reach_s: float) -> Result:
    size = len(server.call("GET", path))
    took = min(timed(lambda: server.call("GET", path)) for _ in range(RUNS))
    bare = min(timed(lambda: echo.call("GET", f"/{size}")) for _ in range(RUNS))
    value = f"{took:.2f} s for {size / 1e6:.0f} MB, {took / bare:.0f} x an echo server"
    return Result(what, value, f"{reach_s:.0f} s", took < reach_s)


def edit_row(server: Client, echo: Client, path: str) -> Result:
    bodies = []
    for number in range(EDITS):
        cells = [{"values": [{"userEnteredValue": {"stringValue": f"value {number}"}}]}]
        start = {"rowIndex": number * 97 % ROWS, "columnIndex": 2}
        bodies.append(batch({"updateCells": {"rows": cells, "fields": "userEnteredValue", "start": start}}))
    size = len(server.call("POST", f"{path}:batchUpdate", bodies[0]))
    took = timed(lambda: [server.call("POST", f"{path}:batchUpdate", body) for body in bodies])
    bare = timed(lambda: [echo.call("POST", f"/{size}", body) for body in bodies])
    rate = EDITS / took
    value = f"{rate:.0f} a second, {took / bare:.1f} x the time of an echo server"
    return Result(f"one-cell batch updates on {ROWS:,} x 5", value, "500 a second", rate > 500)


def run(folder: Path) -> Iterator[Result]:
    """A row for each kind of call."""
    with process(SERVE, str(folder / "sheets.db")) as server, process(ECHO) as echo:
        path = fill(server)
        values = f"{path}/values:batchGet?ranges=Sheet1"
        yield read_row(server, echo, f"values:batchGet of {ROWS:,} x 5", values, 1)
        yield read_row(server, echo, f"typed grid data of {ROWS:,} x 5", f"{path}?fields={TYPED}", 3)
        yield read_row(server, echo, f"all grid data of {ROWS:,} x 5", f"{path}?includeGridData=true", 10)
        yield edit_row(server, echo, path)
