"""What `sync.py` measures: a published workspace with its spreadsheet on the local server, people's acts, and one run.

A case starts from a copy of a folder in which store and spreadsheet agree. First somebody acts (an owner types, an
operator publishes), then one cold command runs; the server counts its calls and bytes. Then a bare program sends the
identical requests to a copy of the spreadsheet as it was before, and parses the answers with orjson.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.connectors import import_and_publish, make_providers, open_new, publish_policies
from benchmarks.measure import ROOT, sheetsync
from benchmarks.peer_scene import column_of, grid, make_spreadsheet, spreadsheet_of, text_at
from sheetsync import settings
from sheetsync.bootstrap import open_workspace
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.person import Person
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace as Grids
from sheetsync.services.workspace import Workspace

DATA = "sheets.db"
OTHER = {  # what a row's firearm becomes; every lock turns, too
    "firearm.external_write": "firearm.personal_data",
    "firearm.personal_data": "firearm.external_write",
    "NONE": "firearm.external_write",
}
# The launcher is small, so that the memory is the command's own and not what a fork of this process would begin with.
LAUNCH = """
import json, resource, subprocess, sys, time
began = time.perf_counter()
done = subprocess.run(sys.argv[1:], capture_output=True, text=True)
took = time.perf_counter() - began
used = resource.getrusage(resource.RUSAGE_CHILDREN)
found = [took, used.ru_utime + used.ru_stime, used.ru_maxrss / 1024]
print(json.dumps([done.returncode, found, done.stdout, done.stderr]))
"""
BARE = """
import http.client, sys, orjson
host, path = sys.argv[1], sys.argv[2]
connection = http.client.HTTPConnection(host, timeout=600)
for method, target, kind, body in orjson.loads(open(path, "rb").read()):
    connection.request(method, target, body.encode() or None, {"Content-Type": kind, "Accept-Encoding": "identity"})
    answer = connection.getresponse()
    parsed = orjson.loads(answer.read())
    if answer.status != 200:
        raise SystemExit(f"{target}: {answer.status} {parsed}")
"""


@dataclass
class Watch:
    """The calls that reached the server, and their bodies."""

    read: int = 0
    write: int = 0
    sent: int = 0
    received: int = 0
    requests: list[tuple[str, str, str, str]] = field(default_factory=list)

    def __call__(self, request: Request, response: Response) -> None:
        kind = kind_of(request)
        self.read += kind == "read"
        self.write += kind == "write"
        self.sent += len(request.body)
        self.received += len(response.body)
        type_ = request.headers.get("content-type", "application/json")
        target = f"{request.path}?{request.query_text}" if request.query_text else request.path
        self.requests.append((request.method, target, type_, request.body.decode()))


@dataclass(frozen=True)
class Ran:
    """One cold process: its time, what of it was spent computing, its largest resident set, and its answer."""

    seconds: float
    cpu_seconds: float
    megabytes: float
    answer: dict[str, Any]


def run_cold(command: list[str], **environment: str) -> Ran:
    """Run a command in a new process; it must end well (0, or 3: some rows have problems)."""
    bare = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
    launched = subprocess.run(
        [sys.executable, "-c", LAUNCH, *command], capture_output=True, cwd=ROOT, env=bare | environment, check=True
    )
    code, found, out, err = json.loads(launched.stdout)
    if code not in (0, 3):
        raise SystemExit(f"{command}: exit {code}\n{out[-2000:]}{err[-2000:]}")
    return Ran(*found, json.loads(out) if out.strip() else {})


class Scene:
    """One workspace and its spreadsheet in a folder, which can be copied."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.config = folder / "config" / "sheetsync.toml"

    @classmethod
    def make(cls, folder: Path, rows: int) -> Scene:
        """Connectors with so many scopes, published; a spreadsheet that nobody pushed to yet."""
        ws = open_new(folder)
        import_and_publish(ws, make_providers(folder.with_name(folder.name + "-providers"), rows))
        ws.store.close()
        shutil.rmtree(folder.with_name(folder.name + "-providers"))
        scene = cls(folder)
        text = scene.config.read_text()  # one person plays all parts here
        scene.config.write_text(text.replace("needs_second_person = true", "needs_second_person = false"))
        with scene.server() as server:
            make_spreadsheet(server)
        return scene

    def copy(self, folder: Path) -> Scene:
        """The same scene in another folder."""
        shutil.copytree(self.folder, folder)
        return Scene(folder)

    @contextmanager
    def server(self) -> Iterator[LocalSheets]:
        """The local server on the folder's spreadsheet, loaded."""
        with LocalSheets(data=self.folder / DATA, pages=False) as server:
            for key in list(server.workspace.files):
                with server.workspace.lock:
                    server.workspace.spreadsheet(key)
            yield server

    def workspace(self) -> Workspace:
        """The workspace, opened."""
        return open_workspace(settings.load(config=self.config, environ={}))

    def checkpoint(self) -> None:
        """Let a command open the store, so that its index is present when another one is measured."""
        run_cold(sheetsync("--json", "--config", str(self.config), "status"))

    def command(self, server: LocalSheets, name: str) -> Ran:
        """A cold run of push, pull or sync."""
        spreadsheet = spreadsheet_of(server.workspace)
        words = sheetsync("--json", "--config", str(self.config), name)
        return run_cold(words, SHEETSYNC_SHEETS_ENDPOINT=server.url, SHEETSYNC_SPREADSHEET=spreadsheet)

    def replay(self, server: LocalSheets, watch: Watch) -> Ran:
        """The bare program with the requests that were seen."""
        path = self.folder / "requests.json"
        path.write_text(json.dumps(watch.requests))
        return run_cold([sys.executable, "-c", BARE, server.url.removeprefix("http://"), str(path)])


# What people do before, or in the middle of, a run.


def type_firearms(grids: Grids, rows: list[int], firearm: str = "") -> None:
    """An owner chooses another firearm in these rows (indexes of the grid), or this one."""
    sheet = grid(grids)
    column = column_of(sheet, "firearm_id") or 0
    person = Person(grids, spreadsheet_of(grids))
    for row in rows:
        text = firearm or OTHER[text_at(sheet, row, column)]
        person.type_rows(sheet.sheet_id, row, column, [[text]], confirmed=True)


def publish_others(ws: Workspace, connectors: list[str], *, only: int | None = None) -> None:
    """An operator publishes another firearm and the other lock for all scopes, or for `only` that many of each."""
    policies, live = {}, ws.catalogue().published_all()
    for connector in connectors:
        bindings = live[connector].policy().to_json()["firearms"]
        for scope in list(bindings)[:only]:
            old = bindings[scope]
            new = OTHER[old["firearm_id"] or "NONE"]
            bindings[scope] = {"firearm_id": new, "strategy_lock": not old["strategy_lock"]}
        policies[connector] = PolicySnapshot.from_json({"firearms": bindings, "kpis": {}})
    publish_policies(ws, policies)
