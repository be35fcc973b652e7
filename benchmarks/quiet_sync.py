"""A no-op sync of 100,000 rows, cold: its calls, its memory, and its time against a bare program.

The bare program sends the identical requests and parses the answers with orjson; it does nothing else.
"""

from __future__ import annotations

import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.request import Request, urlopen

from benchmarks.connectors import import_and_publish, make_providers, open_new
from benchmarks.measure import Result, answer, peak_mb, seconds_of, sheetsync
from sheetsync.bootstrap import local_server

ROWS = 100_000
BARE = """
import http.client, sys, orjson
host, path = sys.argv[1], sys.argv[2]
connection = http.client.HTTPConnection(host, timeout=190)
for method, target, kind, body in orjson.loads(open(path, "rb").read()):
    connection.request(method, target, body or None, {"Content-Type": kind, "Accept-Encoding": "identity"})
    orjson.loads(connection.getresponse().read())
"""


class Recorder:
    """Stands between a command and the server, and remembers the requests."""

    def __init__(self, url: str) -> None:
        self.requests: list[tuple[str, str, str, str]] = []
        requests = self.requests

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def forward(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                kind = self.headers.get("Content-Type") or "application/json"
                requests.append((self.command, self.path, kind, body.decode()))
                made = Request(url + self.path, data=body or None, method=self.command, headers={"Content-Type": kind})
                with urlopen(made) as found:
                    data = found.read()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = forward  # noqa: N815  # the names of http.server

            def log_message(self, *_args: object) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"


def run(folder: Path) -> Iterator[Result]:
    """Calls of the first push, then the quiet sync."""
    ws = open_new(folder / "work")
    import_and_publish(ws, make_providers(folder / "providers", ROWS))
    ws.store.close()
    config = folder / "work" / "config" / "sheetsync.toml"
    with local_server(folder / "work" / "local-sheets.db") as url:
        first = answer("--config", str(config), "push")
        yield Result(f"calls of the first push of {ROWS} rows", f"{first['calls']}", "chunks of 2 MB + 3", True)
        recorder = Recorder(url)
        text = config.read_text()
        spreadsheet = json.loads((folder / "work" / "local-sheets.json").read_text())["local-sheets.db"]
        pinned = text.replace('spreadsheet = "local"', f'spreadsheet = "{spreadsheet}"')
        config.write_text(pinned.replace("[sheets]\n", f'[sheets]\nendpoint = "{recorder.url}"\n'))
        quiet = answer("--config", str(config), "sync")
        calls = quiet["calls"]
        silent = isinstance(calls, dict) and calls["write"] == 0
        yield Result("calls of a no-op sync", f"{calls}", "0 writes; 1 read up to 20,000 rows, then blocks", silent)
        requests = folder / "requests.json"
        requests.write_text(json.dumps(recorder.requests))
        config.write_text(pinned.replace("[sheets]\n", f'[sheets]\nendpoint = "{url}"\n'))
        bare = seconds_of([sys.executable, "-c", BARE, url.removeprefix("http://"), str(requests)], runs=3)
        command = sheetsync("--config", str(config), "sync")
        ours = seconds_of(command, runs=3)
        memory = peak_mb(command)
    ratio = f"{ours / bare:.2f} × bare ({ours:.2f} s, {bare:.2f} s)"
    yield Result(f"no-op sync of {ROWS} rows, cold", ratio, "2 ×", ours <= 2 * bare)
    yield Result("memory of that run", f"{memory:.0f} MB", "400 MB", memory <= 400)
