"""The Workbench's pages on 10,000 connectors, against a bare Starlette page of the same bytes, both over loopback."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from benchmarks.connectors import open_new, policy_of
from benchmarks.measure import Result, timed
from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.draft import WorkbenchDraft, WorkbenchOrigin
from sheetsync.services.drafts import new_draft
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.settings.model import ServeSettings
from sheetsync.web.app import create_app
from sheetsync.web.people import People
from sheetsync.web.server import make_site

CONNECTORS = 10_000
SCOPES = 5
REACH_S = 0.3
RUNS = 7
PAGES = (
    ("first page", "/"),
    ("search", "/?q=tool3+c00777"),
    ("filter", "/?only=undecided"),
    ("all on one", "/?page=0"),
    ("one connector's", "/connectors/c00777"),
)


def run(folder: Path) -> Iterator[Result]:
    """A row for each kind of page."""
    ws = open_new(folder / "work")
    fill(ws)
    with listening() as port:
        site = make_site(ws, ServeSettings(), People.of([]), host="127.0.0.1", port=port, tell=lambda _: None)
        key, _session = site.sessions.begin(site.lone_person())
        cookie = f"{site.cookies.session}={key}"
        with serving(create_app(site), port):
            first = timed(lambda: get(port, "/", cookie))
            new_draft(ws, "c00042")
            changed = timed(lambda: get(port, "/", cookie))
            found = {path: (best(port, path, cookie), get(port, path, cookie)) for _, path in PAGES}
    for name, path in PAGES:
        seconds, body = found[path]
        with listening() as port, serving(bare(body), port):
            plain = best(port, "/", "")
        said = f"{seconds * 1000:.0f} ms, {seconds / plain:.1f} × a bare page of {len(body) / 1e6:.2f} MB"
        yield Result(f"web: {name}, {CONNECTORS:,} connectors", said, "300 ms", seconds <= REACH_S)
    yield Result("web: the very first request", f"{first * 1000:.0f} ms", "10 s", first <= 10)
    yield Result("web: first page after a change", f"{changed * 1000:.0f} ms", "300 ms", changed <= REACH_S)
    ws.store.close()


def fill(ws: Workspace) -> None:
    """10,000 published connectors, in three transactions."""
    catalogue = ws.catalogue()
    ids = []
    with ws.store.transaction(ws.ctx, why="made up") as tx:
        for number in range(CONNECTORS):
            name = f"c{number:05d}"
            scopes = tuple(Scope(name=f"{name}.tool{index}") for index in range(SCOPES))
            spec = ConnectorSpec(id=name, version="1.0.0", name=f"Connector {number}", scopes=scopes)
            decided = spec.scope_names()[: SCOPES - number % 2]
            draft = WorkbenchDraft(
                id=f"draft_{number:012x}", connector_id=name, spec_snapshot=spec, policy_snapshot=policy_of(decided),
                origin=WorkbenchOrigin(), created_by=ws.ctx.user, created_at=ws.clock.now(),
            )  # fmt: skip
            catalogue.save_draft(tx, draft, expected=None)
            ids.append(draft.id)
    verify_drafts(ws, ids)
    publish_drafts(ws, ids)


def bare(body: bytes) -> ASGIApp:
    """A page of the same bytes, made by nothing."""

    async def page(_request: Request) -> HTMLResponse:
        return HTMLResponse(body)

    return Starlette(routes=[Route("/", page)])


@contextmanager
def listening() -> Iterator[int]:
    """A free port."""
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    yield port


@contextmanager
def serving(app: ASGIApp, port: int) -> Iterator[None]:
    """The application, served by uvicorn in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, port=port, log_level="warning", lifespan="off", ws="none", http="h11"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield
    server.should_exit = True
    thread.join()


def get(port: int, path: str, cookie: str) -> bytes:
    """The body of one page, over a new connection."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)
    connection.request("GET", path, headers={"Cookie": cookie} if cookie else {})
    answer = connection.getresponse()
    body = answer.read()
    connection.close()
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return body


def best(port: int, path: str, cookie: str) -> float:
    """The best of several requests in seconds."""
    get(port, path, cookie)
    return min(timed(lambda: get(port, path, cookie)) for _ in range(RUNS))
