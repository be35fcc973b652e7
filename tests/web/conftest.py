"""A Workbench over a store in memory, and browsers without a browser: clients that keep cookies and send the token."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import httpx2 as httpx
import pytest
from starlette.testclient import TestClient

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.services.drafts import edit_draft, new_draft
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.settings.model import ServeSettings
from sheetsync.store import Store
from sheetsync.web.app import create_app
from sheetsync.web.live import LiveWorkspace
from sheetsync.web.people import ROLES, People, Person, Role, hash_token
from sheetsync.web.server import make_site
from sheetsync.web.site import Site

PORT = 8642
BASE = f"http://127.0.0.1:{PORT}"
TOKEN = "ana's own secret token"
FIREARMS = FirearmCatalogue(
    firearms=(
        Firearm(id="firearm.external_write", title="Writes outside"),
        Firearm(id="firearm.money", title="Moves money"),
    )
)
SPEC: dict[str, Any] = {
    "version": "1.2.0",
    "name": "GitHub",
    "scopes": [{"name": "admin_write", "title": "Administer"}, {"name": "read_public"}],
    "engine_routes": ["/chat/*"],
}


@dataclass
class Browser:
    """A client signed in as somebody (or as nobody)."""

    site: Site
    client: TestClient
    csrf: str = ""

    def get(self, path: str, **headers: str) -> httpx.Response:
        return self.client.get(path, headers=headers, follow_redirects=False)

    def post(
        self, path: str, fields: dict[str, Any] | None = None, *, csrf: str | None = None, **headers: str
    ) -> httpx.Response:
        data = {"csrf": self.csrf if csrf is None else csrf, **(fields or {})}
        return self.client.post(path, data=data, headers=headers, follow_redirects=False)

    def follow(self, response: httpx.Response) -> str:
        assert response.status_code == 303, response.text
        return self.get(response.headers["location"]).text


@dataclass
class Bench:
    """A running Workbench without a server."""

    workspace: Workspace
    site: Site
    people: dict[str, Person] = field(default_factory=dict)

    def stranger(self, **client: Any) -> Browser:
        return Browser(self.site, TestClient(create_app(self.site), base_url=BASE, **client))

    def browser(self, user: str = "ana", *roles: Role) -> Browser:
        """A browser in which `user` is signed in, with these roles (all, if none are named)."""
        browser = self.stranger()
        key, session = self.site.sessions.begin(Person(user, frozenset(roles or ROLES)))
        browser.client.cookies.set(self.site.cookies.session, key, domain="127.0.0.1")
        browser.csrf = session.csrf
        return browser

    def publish(self, connector: str = "github", *, user: str = "ana", **edits: Any) -> str:
        """A published connector; returns the draft's id."""
        ws = self.workspace.acting(user)
        draft = new_draft(ws, connector, SPEC).draft
        if edits:
            edit_draft(ws, draft.id, **edits)
        verify_drafts(ws, [draft.id])
        publish_drafts(ws, [draft.id])
        return draft.id


def make_bench(store: Store, clock: FakeClock, *, people: People | None = None, **serve: Any) -> Bench:
    ws = Workspace(
        store, RequestContext(user="ana"), FIREARMS,
        (EngineRoute(pattern="/chat/*"), EngineRoute(pattern="/video/*")), Rules(), clock,
    )  # fmt: skip
    live, serving = LiveWorkspace(ws, None, lambda _: None), ServeSettings(**serve)
    site = make_site(live, serving, people or People.of([]), host="127.0.0.1", port=PORT, tell=lambda _: None)
    return Bench(ws, site)


@pytest.fixture
def store(clock: FakeClock) -> Store:
    return Store.open("memory://", clock=clock)


@pytest.fixture
def bench(store: Store, clock: FakeClock) -> Bench:
    """One person, the one-time link."""
    return make_bench(store, clock)


@pytest.fixture
def named_bench(store: Store, clock: FakeClock) -> Bench:
    """People with names, roles and tokens."""
    people = [Person("ana", frozenset({"owner"}), hash_token(TOKEN)), Person("rob", frozenset({"publisher"}))]
    return make_bench(store, clock, people=People.of(people))


@pytest.fixture
def make(store: Store, clock: FakeClock) -> Callable[..., Bench]:
    """Make a bench with other settings."""
    return lambda **settings: make_bench(**{"store": store, "clock": clock, **settings})
