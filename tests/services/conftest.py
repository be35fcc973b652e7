"""A workspace in memory or on disk, with a few connectors and people."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.services.drafts import edit_draft, new_draft
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store

GITHUB: dict[str, Any] = {
    "id": "github",
    "version": "1.2.0",
    "name": "GitHub",
    "scopes": [{"name": "admin_write"}, {"name": "read_public"}],
    "engine_routes": ["/chat/completions"],
}
POLICY: dict[str, Any] = {
    "firearms": {
        "admin_write": {"firearm_id": "firearm.external_write", "strategy_lock": True},
        "read_public": {"firearm_id": None},
    },
    "kpis": {"spend": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5, "unit": "EUR"}},
}


@pytest.fixture
def github() -> dict[str, Any]:
    """A connector's spec with two scopes."""
    return {**GITHUB}


@pytest.fixture
def policy() -> dict[str, Any]:
    """A policy that decides both scopes and has one KPI."""
    return {"firearms": {**POLICY["firearms"]}, "kpis": {**POLICY["kpis"]}}


@pytest.fixture
def ws(tmp_path: Path, clock: FakeClock) -> Iterator[Workspace]:
    """A workspace of `ana`; `cron` is an unattended user."""
    firearms = FirearmCatalogue(
        firearms=(
            Firearm(id="firearm.external_write", title="External write"),
            Firearm(id="firearm.read_secret", title="Read secrets"),
        )
    )
    routes = (EngineRoute(pattern="/chat/*"), EngineRoute(pattern="/video/*"))
    with Store.open(tmp_path / "store", clock=clock) as store:
        rules = Rules(unattended_users=frozenset({"cron"}))
        yield Workspace(store, RequestContext(user="ana"), firearms, routes, rules, clock)


@pytest.fixture
def live(ws: Workspace, github: dict[str, Any], policy: dict[str, Any]) -> Callable[..., str]:
    """Publishes `github` as ana; returns the draft's id. A changed policy may be given."""

    def publish(policy: dict[str, Any] = policy, spec: dict[str, Any] = github) -> str:
        draft_id = new_draft(ws, "github", spec).draft.id
        edit_draft(ws, draft_id, policy=policy)
        assert verify_drafts(ws, [draft_id]).exit_code == 0
        publish_drafts(ws, [draft_id])
        return draft_id

    return publish


@pytest.fixture
def schema() -> Callable[..., dict[str, Any]]:
    """Makes a small, good schema of a provider: `schema(namespace, *tools, **more)`."""

    def make(namespace: str, *tools: str, **more: Any) -> dict[str, Any]:
        made = {
            tool: {"method": "GET", "path": f"/{tool}", "description": f"does {tool}", "tests": [{}]} for tool in tools
        }
        start = {"namespace": namespace, "name": namespace.title(), "version": "4.0.0", "docs": ["d"], "tags": ["t"]}
        return {**start, "tools": made, **more}

    return make


@pytest.fixture
def library(tmp_path: Path) -> Callable[[dict[str, Any]], Path]:
    """Writes a library of providers anew: folder → file → a JSON value, text or bytes."""

    def write(tree: dict[str, Any]) -> Path:
        root = tmp_path / "library"
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir()
        for folder, files in tree.items():
            (root / folder).mkdir(parents=True)
            for name, content in files.items():
                text = content if isinstance(content, str | bytes) else json.dumps(content)
                (root / folder / name).parent.mkdir(parents=True, exist_ok=True)
                (root / folder / name).write_bytes(text if isinstance(text, bytes) else text.encode())
        return root

    return write
