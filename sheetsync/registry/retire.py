"""Retiring a connector: the draft whose publication writes tombstones. The writing itself is in `publish`."""

from __future__ import annotations

from datetime import datetime

from sheetsync.domain.draft import DraftBase, WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.published import PublishedConnector


def retirement_of(
    published: PublishedConnector, base: DraftBase, *, draft_id: str, user: str, at: datetime
) -> WorkbenchDraft:
    """A draft that retires `published`. It holds what is live, so that people see what goes."""
    return WorkbenchDraft(
        id=draft_id,
        connector_id=published.connector_id,
        stage="verification",
        spec_snapshot=published.spec,
        policy_snapshot=published.policy(),
        origin=WorkbenchOrigin(why="retire"),
        base=base,
        created_by=user,
        created_at=at,
    )
