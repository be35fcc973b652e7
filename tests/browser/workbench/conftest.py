"""A workspace on disk, the Workbench as a process of its own, and people at their browsers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from sheetsync import bootstrap, settings
from sheetsync.services.drafts import edit_draft
from sheetsync.services.importing import import_paths
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.web.people import new_token

ROOT = Path(__file__).resolve().parents[3]
PROVIDERS = ROOT / "sheetsync" / "cli" / "demo_data" / "providers"
POLICIES = ROOT / "sheetsync" / "cli" / "demo_data" / "policies"
ANA, ROB, OWEN = "ana@example.com", "rob@example.com", "owen@example.com"
START_S = 60


@dataclass
class Visitor:
    """Somebody at a browser; whatever the browser complains about is kept."""

    page: Page
    url: str
    complaints: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.page.on("console", lambda said: self.complaints.append(said.text) if said.type == "error" else None)
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def go(self, path: str) -> Page:
        self.page.goto(self.url + path)
        return self.page

    def sign_in(self, user: str, token: str) -> Visitor:
        self.go("/sign-in")
        self.page.get_by_label("Your name").fill(user)
        self.page.get_by_label("Your token").fill(token)
        self.page.get_by_role("button", name="Sign in").click()
        self.page.get_by_role("heading", name="Connectors").wait_for()
        return self


@dataclass
class Office:
    """A workspace, the Workbench served on it, and everybody who works there."""

    folder: Path
    chromium: Browser
    processes: list[subprocess.Popen[str]] = field(default_factory=list)
    contexts: list[BrowserContext] = field(default_factory=list)
    tokens: dict[str, str] = field(default_factory=dict)
    url: str = ""
    link: str = ""

    def open(self, user: str = ANA) -> Workspace:
        """The workspace in this process, as another process would open it: close the store afterwards."""
        loaded = settings.load(cwd=self.folder, environ={"HOME": str(self.folder)}, overrides={"user": user})
        return bootstrap.open_workspace(loaded)

    def command(self, *words: str, user: str = ANA) -> list[str]:
        config = str(self.folder / "config" / "sheetsync.toml")
        return [sys.executable, "-m", "sheetsync", "--json", "--config", config, "--user", user, *words]

    def environ(self) -> dict[str, str]:
        return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(self.folder)}

    def run(self, *words: str, user: str = ANA, code: int = 0) -> Any:
        """A command in a process of its own; its JSON."""
        done = subprocess.run(
            self.command(*words, user=user), capture_output=True, text=True, env=self.environ(), cwd="/"
        )
        assert done.returncode == code, (words, done.stdout, done.stderr)
        return json.loads(done.stdout)

    def start(self, *words: str) -> dict[str, Any]:
        """A server in a process of its own; the first line it prints."""
        process = subprocess.Popen(
            self.command(*words), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=self.environ(), cwd="/"
        )
        self.processes.append(process)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.stderr.read() if process.stderr else ""
        said: dict[str, Any] = json.loads(line)
        return said

    def serve(self) -> Office:
        said = self.start("serve", "--port", "0")
        self.url, self.link = said["url"], said["link"] or ""
        return self

    def employ(self, **roles: str) -> None:
        """People with tokens, in the configuration."""
        people = {"ana": ANA, "rob": ROB, "owen": OWEN}
        lines = []
        for name, given in roles.items():
            token, token_hash = new_token()
            self.tokens[people[name]] = token
            listed = ", ".join(f'"{role}"' for role in given.split())
            lines += [
                "",
                "[[serve.person]]",
                f'user = "{people[name]}"',
                f"roles = [{listed}]",
                f'token_hash = "{token_hash}"',
            ]
        with (self.folder / "config" / "sheetsync.toml").open("a", encoding="utf-8") as config:
            config.write("\n".join(lines) + "\n")

    def browser(self, **options: Any) -> Visitor:
        """A fresh browser, nobody signed in."""
        context = self.chromium.new_context(**options)
        context.set_default_timeout(15_000)
        self.contexts.append(context)
        return Visitor(context.new_page(), self.url)

    def visitor(self, user: str = "", **options: Any) -> Visitor:
        """A signed-in visitor: by name and token, or by the one-time link."""
        visitor = self.browser(**options)
        if user:
            return visitor.sign_in(user, self.tokens[user])
        visitor.page.goto(self.link)
        visitor.page.get_by_role("button", name="Sign in").click()
        visitor.page.get_by_role("heading", name="Connectors").wait_for()
        return visitor

    def close(self) -> None:
        for context in self.contexts:
            context.close()
        for process in self.processes:
            process.terminate()
        for process in self.processes:
            process.communicate(timeout=START_S)


def publish(ws: Workspace, connector: str) -> None:
    """Publish a connector's open draft with the demo's policy."""
    stored = ws.catalogue().newest_open(connector)
    assert stored is not None
    policy = json.loads((POLICIES / f"{connector}.json").read_text(encoding="utf-8"))
    edit_draft(ws, stored.draft.id, policy=policy)
    verify_drafts(ws, [stored.draft.id])
    publish_drafts(ws, [stored.draft.id])


@pytest.fixture
def make_office(tmp_path: Path, chromium: Browser) -> Iterator[Callable[..., Office]]:
    """Make a workspace with `github` published and `slack` imported, and serve it."""
    made: list[Office] = []

    def make(*, serve: bool = True, **roles: str) -> Office:
        office = Office(tmp_path / f"office{len(made)}", chromium)
        made.append(office)
        bootstrap.init_workspace(office.folder)
        data = PROVIDERS.parent
        for name in ("firearms.toml", "engine_routes.toml"):
            (office.folder / "config" / name).write_bytes((data / name).read_bytes())
        ws = office.open()
        with ws.store:
            import_paths(ws, [PROVIDERS / "github", PROVIDERS / "slack"])
            publish(ws, "github")
        office.employ(**roles)
        return office.serve() if serve else office

    yield make
    for office in made:
        office.close()


@pytest.fixture
def office(make_office: Callable[..., Office]) -> Office:
    """One person, the one-time link."""
    return make_office()


@pytest.fixture(params=[True, False], ids=["with script", "without script"])
def script(request: pytest.FixtureRequest) -> bool:
    """Every journey is made with JavaScript and without."""
    return bool(request.param)
