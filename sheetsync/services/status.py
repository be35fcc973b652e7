"""The state of a workspace at a glance. It imports and reads as little as can be: no draft is validated."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sheetsync.registry.draft_lines import live_ids, read_lines

if TYPE_CHECKING:
    from sheetsync.domain.canonical import JSONValue
    from sheetsync.services.workspace import Workspace

HEALTH = ("health", "last_sync.json")  # written after each run of sync


@dataclass(frozen=True)
class StatusReport:
    """The state at a glance. `last_sync` is a time in JSON form, or None."""

    connectors: int
    open_drafts: int
    pending_edits: int
    last_sync: str | None
    healthy: bool

    @property
    def exit_code(self) -> int:
        """Looking is always fine."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"connectors", "open_drafts", "pending_edits", "last_sync", "healthy"}`."""
        return {
            "connectors": self.connectors,
            "open_drafts": self.open_drafts,
            "pending_edits": self.pending_edits,
            "last_sync": self.last_sync,
            "healthy": self.healthy,
        }


def status(ws: Workspace) -> StatusReport:
    """Counts of published connectors, open drafts and pending edits, and how the last sync went.

    Healthy: the last sync, if there was one, ended well. Nothing is validated here: it must be fast for 1,000s.
    """
    lines = [line for line in read_lines(ws.store, ws.store) if line.status == "open"]
    last_sync, healthy = _last_sync(ws)
    return StatusReport(
        connectors=len(live_ids(ws.store, ws.store)),
        open_drafts=len(lines),
        pending_edits=sum(line.pending_edits for line in lines),
        last_sync=last_sync,
        healthy=healthy,
    )


def _last_sync(ws: Workspace) -> tuple[str | None, bool]:
    data = ws.store.read_derived(ws.ctx.tenant, HEALTH)
    if data is None:
        return None, True
    try:
        record = json.loads(data)
        at = record.get("at")
        good = record.get("ok_at")
    except (ValueError, AttributeError):
        return None, True  # a derived file: damaged is as good as deleted
    return (at if isinstance(at, str) else None), at is None or at == good
