"""Use cases of drafts: list, edit, decide, close. Each change is a new snapshot, in one transaction.

They are made in `making`, by `syncing` and by `importing`. Reading what a draft changes is in `differences`, verifying
and publishing in `publishing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import STAGES, Approval, Conflict, Stage, Status, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotOpenError, SecondPersonError, StaleSnapshotError, UsageError
from sheetsync.registry.catalogue import Catalogue, DraftLine, StoredDraft, pending_edits_of
from sheetsync.registry.conflicts import Side, find_conflict, resolve
from sheetsync.registry.lone_locks import fit_row
from sheetsync.registry.rivals import Rivals, find_rivals
from sheetsync.registry.withdraw import withdrawn_draft
from sheetsync.services.catalogue import check_connector
from sheetsync.services.differences import DraftDiff, diff_draft
from sheetsync.services.draft_content import (
    check_scopes,
    edit_policy,
    parse_firearm_option,
    parse_spec,
    raise_version,
)
from sheetsync.services.making import new_draft, read_back, restore_draft, save_new
from sheetsync.services.workspace import Workspace
from sheetsync.store import Snapshot

__all__ = [
    "DiscardReport", "DraftDiff", "DraftList", "advance_draft", "approve_draft", "diff_draft", "discard_draft",
    "edit_draft", "list_drafts", "new_draft", "open_draft", "owners_conflicts", "parse_firearm_option",
    "resolve_conflict", "restore_draft", "save_new", "show_draft",
]  # fmt: skip
NO_FIREARMS: Mapping[str, FirearmBinding] = {}
DISCARDED = "discarded"
Expected = Snapshot | str | None


@dataclass(frozen=True)
class DraftList:
    """Drafts as lists show them, newest last."""

    lines: tuple[DraftLine, ...]

    def to_json(self) -> dict[str, JSONValue]:
        """`{"drafts": [{"id", "connector_id", "stage", "status", "origin", "created_at"}]}`."""
        names = ("id", "connector_id", "stage", "status", "origin", "created_at")
        return {"drafts": [{name: getattr(line, name) for name in names} for line in self.lines]}


@dataclass(frozen=True)
class DiscardReport:
    """A discarded draft; `left` is the open draft that stays without owners' edits, where there is one."""

    draft: WorkbenchDraft
    snapshot: Snapshot
    left: str | None

    def to_json(self) -> dict[str, JSONValue]:
        """`{"draft": …, "left": id or null}`."""
        return {"draft": self.draft.to_json(), "left": self.left}


def list_drafts(ws: Workspace, *, status: Status | None = None, connector_id: str | None = None) -> DraftList:
    """The drafts of all authors, newest last; `NotFoundError` for a connector that nothing is known of."""
    catalogue = ws.catalogue()
    if connector_id is not None:
        check_connector(catalogue, connector_id)
    return DraftList(tuple(catalogue.lines(status, connector_id)))


def show_draft(ws: Workspace, draft_id: str) -> StoredDraft:
    """One draft, with everything in it."""
    return ws.catalogue().draft(draft_id)


def open_draft(ws: Workspace, draft_id: str) -> StoredDraft:
    """One draft that can still be changed; `NotOpenError` for a closed one."""
    return _open(ws.catalogue(), draft_id, None)


# -- changing drafts


def edit_draft(
    ws: Workspace,
    draft_id: str,
    *,
    policy: JSONValue = None,
    firearms: Mapping[str, FirearmBinding] = NO_FIREARMS,
    undecide: Iterable[str] = (),
    kpis: Mapping[str, JSONValue] | None = None,
    version: str | None = None,
    spec: JSONValue = None,
    expected: Expected = None,
) -> StoredDraft:
    """Change an open draft's content.

    Args:
        ws: the workspace.
        draft_id: the draft.
        policy: a whole policy (JSON or a `PolicySnapshot`) that replaces the draft's; the others are applied after it.
        firearms: scope → binding.
        undecide: scopes whose decision is taken back.
        kpis: KPI name → binding (JSON), or None to drop it; others stay.
        version: the spec's new version; it must rise above the one the draft is based on.
        spec: a whole spec (JSON); bindings of scopes it does not have go. Without a version it keeps the draft's.
        expected: the snapshot (or its file name) that the editor saw.

    Raises:
        StaleSnapshotError: somebody else saved the draft since.
        NotOpenError: the draft is closed.
        NotFoundError: no such scope or KPI.
        VersionNotRaisedError: the version does not rise.
        InvalidContentError: the outcome breaks a rule of the model.
    """
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    draft = stored.draft
    if draft.retires:
        raise UsageError(
            f"{draft_id} retires {draft.connector_id}: there is nothing to edit", hint="discard it instead"
        )
    new_spec = draft.spec_snapshot
    if spec is not None:
        new_spec = parse_spec(draft.connector_id, spec, version=new_spec.version)
    if version is not None:
        new_spec = raise_version(draft, new_spec, version)
    new_policy = draft.policy_snapshot
    if policy is not None:
        new_policy = policy if isinstance(policy, PolicySnapshot) else PolicySnapshot.from_json(policy, where="policy")
        check_scopes(new_spec, new_policy.firearms)
    new_policy = edit_policy(new_spec, new_policy, firearms, tuple(undecide), kpis or {})
    changed = draft.model_copy(update={"spec_snapshot": new_spec, "policy_snapshot": new_policy})
    return _save(ws, catalogue, stored, changed, why=f"draft edit {draft_id}")


def advance_draft(
    ws: Workspace, draft_id: str, stage: Stage | None = None, *, expected: Expected = None
) -> StoredDraft:
    """Move an open draft to the next stage, or to the given one. The stage guides people; it never gates."""
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    if stage is not None and stage not in STAGES:
        raise UsageError(f"{stage!r} is no stage", hint=f"stages are {', '.join(STAGES)}")
    there = STAGES.index(stored.draft.stage)
    new = stage or STAGES[min(there + 1, len(STAGES) - 1)]
    return _save(ws, catalogue, stored, stored.draft.model_copy(update={"stage": new}), why=f"draft advance {draft_id}")


def resolve_conflict(
    ws: Workspace,
    draft_id: str,
    row_key: Sequence[str],
    column: str | None,
    side: Side,
    *,
    expected: Expected = None,
) -> StoredDraft:
    """Decide a conflict as *yours* (the owner's value) or *theirs* (the store's, or the other owner's).

    Raises:
        NotFoundError: there is no such open conflict; the hint lists those there are.
    """
    if side not in ("yours", "theirs"):
        raise UsageError(f"{side!r} is neither yours nor theirs")
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    conflict = find_conflict(stored.draft, row_key, column)
    live = _live_policy(catalogue, stored.draft)
    rivals = find_rivals(catalogue, stored.draft, live)
    started = Rivals(catalogue, stored.draft).started(conflict)
    changed = resolve(stored.draft, conflict, side, live=live, rivals=rivals, started=started)
    changed = fit_row(changed, conflict, side, live)
    where = "/".join(conflict.row_key)
    return _save(ws, catalogue, stored, changed, why=f"draft resolve {draft_id}: {where} {conflict.column} as {side}")


def owners_conflicts(ws: Workspace, stored: StoredDraft) -> list[Conflict]:
    """A draft's open conflicts that are with other owners' edits, not with what is published."""
    catalogue = ws.catalogue()
    return find_rivals(catalogue, stored.draft, _live_policy(catalogue, stored.draft))


def _live_policy(catalogue: Catalogue, draft: WorkbenchDraft) -> PolicySnapshot | None:
    live = catalogue.published(draft.connector_id)
    return None if live is None else live.policy()


def approve_draft(ws: Workspace, draft_id: str, *, expected: Expected = None) -> StoredDraft:
    """A person's word for exactly the draft's present content.

    Raises:
        SecondPersonError: the acting user is an unattended one.
    """
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    user = ws.ctx.user
    if user.casefold() in {one.casefold() for one in ws.rules.unattended_users}:
        raise SecondPersonError(f"{user} is an unattended user", hint="a person approves: --user NAME")
    now = stored.draft.content_hash()
    if any((one.user, one.content_hash) == (user, now) for one in stored.draft.approvals):
        return stored
    approval = Approval(user=user, at=ws.clock.now(), content_hash=now)
    changed = stored.draft.model_copy(update={"approvals": (*stored.draft.approvals, approval)})
    return _save(ws, catalogue, stored, changed, why=f"draft approve {draft_id}")


def discard_draft(ws: Workspace, draft_id: str, reason: str = "", *, expected: Expected = None) -> DiscardReport:
    """Close an open draft. Owners see `rejected: reason` at their edits.

    Of a connector never published, a draft without the owners' edits stays open, with all else that was in it.
    """
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    draft = stored.draft
    closed = draft.model_copy(update={"status": "discarded", "closed_reason": reason.strip() or DISCARDED})
    left = None
    if pending_edits_of(draft) and catalogue.records_of(draft.connector_id) is None:
        left = withdrawn_draft(draft, draft_id=new_draft_id())
        left = left.model_copy(update={"created_by": ws.ctx.user, "created_at": ws.clock.now()})
    with ws.store.transaction(ws.ctx, why=f"draft discard {draft_id}") as tx:
        catalogue.save_draft(tx, closed, expected=stored.snapshot)
        if left is not None:
            catalogue.save_draft(tx, left, expected=None)
    done = read_back(catalogue, closed)
    return DiscardReport(done.draft, done.snapshot, left.id if left else None)


# -- the way in and out


def _open(catalogue: Catalogue, draft_id: str, expected: Expected) -> StoredDraft:
    stored = catalogue.draft(draft_id)
    seen = expected.filename if isinstance(expected, Snapshot) else expected
    if seen is not None and seen != stored.snapshot.filename:
        raise StaleSnapshotError(expected, stored.snapshot, None, name=draft_id)
    if stored.draft.status != "open":
        raise NotOpenError(f"{draft_id} is {stored.draft.status}, not open", hint="see 'sheetsync draft list'")
    return stored


def _save(ws: Workspace, catalogue: Catalogue, stored: StoredDraft, draft: WorkbenchDraft, *, why: str) -> StoredDraft:
    with ws.store.transaction(ws.ctx, why=why) as tx:
        catalogue.save_draft(tx, draft, expected=stored.snapshot)
    return read_back(catalogue, draft)
