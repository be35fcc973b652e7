"""The live state of connectors as plain values: cheap to read for 100,000 scopes, enough for tables and comparisons.

The full, checked values are `domain.published.PublishedConnector`; they cost a pydantic validation each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import WorkbenchDraft, format_utc
from sheetsync.domain.published import PublishedConnector

SECOND: Final = len("2026-01-07T12:00:00")

Binding = tuple[str | None, bool]  # firearm id (None: none is needed), strategy lock


class LiveConnector(NamedTuple):
    """What tables show of one connector.

    `published_at` is whole seconds, `2026-01-07T12:00:00Z`, and "" for a draft. `kpis`: name → the binding's JSON.
    """

    connector_id: str
    version: str
    published_at: str
    scopes: tuple[str, ...]
    engine_routes: tuple[str, ...]
    firearms: Mapping[str, Binding]
    kpis: Mapping[str, Mapping[str, Any]]
    retired: bool = False

    def decided(self) -> int:
        """How many scopes have a binding."""
        return sum(1 for scope in self.scopes if scope in self.firearms)


def whole_seconds(stamp: str) -> str:
    """A UTC time in our JSON form without its fraction of a second."""
    return stamp if len(stamp) == SECOND + 1 else stamp[:SECOND] + "Z"


def live_from_json(component: JSONValue, firearms: JSONValue, kpis: JSONValue) -> LiveConnector:
    """From the content of the three records, as stored."""
    stamp = whole_seconds(component["published_at"])
    return _live(component["spec"], firearms["firearms"], kpis["kpis"], stamp, retired=component["retired"])


def live_from_draft_json(draft: JSONValue) -> LiveConnector:
    """What a draft proposes, as if it were live, from its stored content."""
    policy = draft["policy_snapshot"]
    return _live(draft["spec_snapshot"], policy["firearms"], policy["kpis"], "", retired=False)


def live_from_draft(draft: WorkbenchDraft) -> LiveConnector:
    """What a draft proposes, as if it were live."""
    return live_from_draft_json(draft.to_json())


def live_from_published(published: PublishedConnector) -> LiveConnector:
    """From the checked value."""
    spec, firearms = published.spec, published.firearms.firearms
    return LiveConnector(
        connector_id=spec.id,
        version=spec.version,
        published_at=whole_seconds(format_utc(published.component.published_at)),
        scopes=spec.scope_names(),
        engine_routes=spec.engine_routes,
        firearms={scope: (binding.firearm_id, binding.strategy_lock) for scope, binding in firearms.items()},
        kpis={name: binding.to_json() for name, binding in published.kpis.kpis.items()},
        retired=published.retired,
    )


def _live(spec: JSONValue, firearms: JSONValue, kpis: JSONValue, stamp: str, *, retired: bool) -> LiveConnector:
    return LiveConnector(
        connector_id=spec["id"],
        version=spec["version"],
        published_at=stamp,
        scopes=tuple(scope["name"] for scope in spec["scopes"]),
        engine_routes=tuple(spec["engine_routes"]),
        firearms={scope: (binding["firearm_id"], binding["strategy_lock"]) for scope, binding in firearms.items()},
        kpis=kpis,
        retired=retired,
    )
