"""A workspace and a Sheets server for whole ways through the command line, and plain gspread as the owner's hand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import gspread
import pytest
import requests
from requests.adapters import HTTPAdapter

from sheetsync.cli.app import run
from sheetsync.localsheets import LocalSheets

GOOGLE = ("https://sheets.googleapis.com", "https://www.googleapis.com")


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, (self.out, self.err)
        return json.loads(lines[0])


class ToLocal(HTTPAdapter):
    """Sends what is meant for Google to another base URL."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self.url = url

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        assert request.url is not None
        for host in GOOGLE:
            request.url = request.url.replace(host, self.url, 1)
        return super().send(request, *args, **options)


def plain_gspread(url: str) -> gspread.Client:
    """A gspread client as anybody makes one, its hosts answered by the local server."""
    session = requests.Session()
    for host in GOOGLE:
        session.mount(host, ToLocal(url))
    client = gspread.Client(auth=None, session=session)  # type: ignore[arg-type]  # a local server asks for none
    client.set_timeout((5.0, 60.0))
    return client


@dataclass
class Work:
    """A workspace, the server its spreadsheet is on, and the commands."""

    folder: Path
    server: LocalSheets
    capture: pytest.CaptureFixture[str]
    spreadsheet_id: str = ""
    environ: dict[str, str] = field(default_factory=dict)

    def run(self, *words: str, user: str = "ana@example.com") -> Ran:
        """A command in this process."""
        self.capture.readouterr()
        code = run(["--config", str(self.folder / "config" / "sheetsync.toml"), "--user", user, *words])
        captured = self.capture.readouterr()
        return Ran(code, captured.out, captured.err)

    def ok(self, *words: str, user: str = "ana@example.com", code: int = 0) -> Any:
        """A command with --json that must end with `code`; its object."""
        ran = self.run("--json", *words, user=user)
        assert ran.code == code, (words, ran)
        return ran.json()

    def start(self, *words: str, stdout: int | IO[str] = subprocess.PIPE) -> subprocess.Popen[str]:
        """A command in a process of its own, as cron starts one: a bare environment and no terminal."""
        config = str(self.folder / "config" / "sheetsync.toml")
        return subprocess.Popen(
            [sys.executable, "-m", "sheetsync", "--config", config, "--user", "cron", *words],
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            text=True,
            cwd="/",
            env={"PATH": os.defpath, "PYTHONPATH": str(Path(__file__).resolve().parents[2])},
        )

    def sheet(self) -> gspread.Spreadsheet:
        """The spreadsheet, by plain gspread."""
        return plain_gspread(self.server.url).open_by_key(self.spreadsheet_id)

    def rows(self, tab: str) -> dict[tuple[str, ...], dict[str, Any]]:
        """A tab by its key: two columns for the owners' tabs, one for the others. Values are typed."""
        worksheet = self.sheet().worksheet(tab)
        values = worksheet.get_values(value_render_option=gspread.utils.ValueRenderOption.unformatted)
        header, width = values[0], 2 if tab in ("Policy Matrix", "KPIs") else 1
        lines = [dict(zip(header, [*line, *([""] * len(header))], strict=False)) for line in values[1:]]
        return {tuple(str(line[name]) for name in header[:width]): line for line in lines}

    def type_into(self, tab: str, key: tuple[str, ...], column: str, value: Any) -> str:
        """Type into a cell as a person does; its address."""
        worksheet = self.sheet().worksheet(tab)
        values = worksheet.get_values()
        header = values[0]
        row = next(i for i, line in enumerate(values, start=1) if tuple(line[: len(key)]) == key)
        cell = gspread.utils.rowcol_to_a1(row, header.index(column) + 1)
        worksheet.update([[value]], cell, value_input_option=gspread.utils.ValueInputOption.user_entered)
        return str(cell)

    def snapshots(self) -> dict[str, bytes]:
        """Every record file of the store, without journal and derived files."""
        found = (self.folder / "store").rglob("*--*--*.*")
        return {str(path.relative_to(self.folder)): path.read_bytes() for path in found}


@pytest.fixture
def server() -> Iterator[LocalSheets]:
    """A local Sheets server in memory."""
    with LocalSheets() as running:
        yield running


@pytest.fixture
def work(
    tmp_path: Path, server: LocalSheets, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Work:
    """A workspace whose spreadsheet is a fresh one on the server."""
    for name in [name for name in os.environ if name.startswith("SHEETSYNC_")]:  # the test's own
        monkeypatch.delenv(name)
    folder = tmp_path / "work"
    assert run(["init", str(folder), "--quiet"]) == 0
    made = plain_gspread(server.url).create("Policies")
    config = folder / "config" / "sheetsync.toml"
    text = config.read_text()
    text = text.replace('spreadsheet = "local"', f'spreadsheet = "{made.id}"')
    text = text.replace("[sheets]\n", f'[sheets]\nendpoint = "{server.url}"\n')
    config.write_text(text)
    return Work(folder, server, capsys, made.id)


@pytest.fixture
def github(work: Work) -> Callable[[], str]:
    """Make, decide, verify and publish the design's `github`; the draft's id."""

    def publish() -> str:
        spec = {
            "id": "github",
            "version": "1.2.0",
            "name": "GitHub",
            "scopes": [{"name": "admin_write"}, {"name": "read_public"}],
            "engine_routes": ["/chat/completions"],
        }
        path = work.folder / "github.json"
        path.write_text(json.dumps(spec))
        draft = str(work.ok("draft", "new", "github", "--spec", str(path))["draft"]["id"])
        lock, none = "admin_write=firearm.external_write+lock", "read_public"
        work.ok("draft", "edit", draft, "--firearm", lock, "--no-firearm", none)
        assert work.ok("verify", draft)["ok"] is True
        work.ok("publish", draft)
        return draft

    return publish


@pytest.fixture
def pushed(work: Work, github: Callable[[], str]) -> Work:
    """The workspace with `github` published and pushed."""
    github()
    work.ok("push")
    return work
