"""The lock of a selection: its members as they were when it was locked. Written once for each version, then frozen.

Every rebuild of `index.json` repeats it as it stands here; nothing computes it again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, cast

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import format_utc
from sheetsync.island.layout import lock_record
from sheetsync.island.selection import Member
from sheetsync.island.status import NodeState
from sheetsync.store import Snapshot, Store, Transaction

STAMP_PARTS = 3  # name, stamp, hash


def read_lock(store: Store, tenant: str, selection: str) -> Snapshot | None:
    """The newest lock of a selection."""
    return store.latest(lock_record(tenant, selection))


def lock_content(snapshot: Snapshot) -> dict[str, JSONValue]:
    """The `lockSnapshot` as it was written."""
    return cast("dict[str, Any]", snapshot.content)


def save_lock(
    tx: Transaction,
    old: Snapshot | None,
    *,
    tenant: str,
    selection: str,
    selection_hash: str,
    members: Sequence[Member],
    states: Mapping[str, NodeState],
    at: datetime,
) -> None:
    """Lock this version of a selection, unless it is locked already."""
    if old is not None and lock_content(old).get("selectionHash") == selection_hash:
        return
    content = {
        "selectionId": selection,
        "selectionHash": selection_hash,
        "generatedAt": format_utc(at),
        "members": [_pin(member, states.get(member.id)) for member in members],
    }
    tx.save(lock_record(tenant, selection), content, expected=old)


def _pin(member: Member, state: NodeState | None) -> dict[str, JSONValue]:
    parts = member.filename.rsplit("--", STAMP_PARTS - 1)
    return {
        "schemaId": member.id,
        "schemaVersion": parts[1] if len(parts) == STAMP_PARTS else None,
        "schemaHash": member.hash or None,
        "gradingStatus": state.status if state is not None else "blocked",
        "override": None,
    }
