"""Made-up providers for large runs, and the way from them to published connectors."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from sheetsync import settings
from sheetsync.bootstrap import init_workspace, open_workspace
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.services import drafts, importing, publishing
from sheetsync.services.workspace import Workspace

SCOPES = 50
NO_SPECS: Mapping[str, ConnectorSpec] = {}
FIREARMS = ("firearm.external_write", "firearm.personal_data", None)


def make_providers(folder: Path, rows: int) -> Path:
    """Providers with `rows` tools altogether, 50 each."""
    for number in range(rows // SCOPES):
        namespace = f"provider{number:05d}"
        tools = {
            f"tool{index:03d}": {
                "method": "GET",
                "path": f"/v1/things/{index}",
                "description": f"Reads thing {index}.",
                "parameters": [],
                "tests": [{"_description": "a test"}],
            }
            for index in range(SCOPES)
        }
        content = {
            "namespace": namespace, "name": namespace, "description": "Made up.", "version": "4.0.0", "docs": [],
            "tags": ["made-up"], "root": "https://example.com", "tools": tools,
        }  # fmt: skip
        path = folder / namespace / "things.json"
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(content))
    return folder


def open_new(folder: Path) -> Workspace:
    """A fresh workspace, on the local server."""
    init_workspace(folder)
    return open_workspace(settings.load(config=folder / "config" / "sheetsync.toml", environ={}))


def import_and_publish(ws: Workspace, providers: Path) -> int:
    """Import, give every scope a decision, verify and publish all; how many connectors."""
    importing.import_paths(ws, [providers])
    ids = []
    for line in drafts.list_drafts(ws, status="open").lines:
        spec = drafts.show_draft(ws, line.id).draft.spec_snapshot
        drafts.edit_draft(ws, line.id, policy=policy_of(spec.scope_names()).to_json())
        ids.append(line.id)
    publishing.verify_drafts(ws, ids)
    publishing.publish_drafts(ws, ids)
    return len(ids)


def publish_policies(
    ws: Workspace, policies: Mapping[str, PolicySnapshot], specs: Mapping[str, ConnectorSpec] = NO_SPECS
) -> None:
    """New drafts with these policies (and specs), saved in one transaction, verified, and published in another one."""
    catalogue, made = ws.catalogue(), []
    for connector, policy in policies.items():
        base = catalogue.base_of(connector)
        made.append(
            WorkbenchDraft(
                id=new_draft_id(), connector_id=connector, stage="policy", policy_snapshot=policy, base=base,
                spec_snapshot=specs.get(connector) or base.spec, origin=WorkbenchOrigin.model_validate({"why": "new"}),
                created_by=ws.ctx.user, created_at=ws.clock.now(),
            )
        )  # fmt: skip
    with ws.store.transaction(ws.ctx, why="benchmark: drafts") as tx:
        for draft in made:
            catalogue.save_draft(tx, draft, expected=None)
    publishing.verify_drafts(ws, [draft.id for draft in made])
    publishing.publish_drafts(ws, [draft.id for draft in made])


def policy_of(scopes: tuple[str, ...]) -> PolicySnapshot:
    """A decision for every scope."""
    firearms = {
        scope: {"firearm_id": FIREARMS[i % 3], "strategy_lock": i % 3 == 0 and i % 2 == 0}
        for i, scope in enumerate(scopes)
    }
    return PolicySnapshot.from_json({"firearms": firearms, "kpis": {}})
