"""Use cases of drafts: make, list, edit, decide, close. Each change is a new snapshot, in one transaction.

Reading what a draft changes is in `differences`, verifying and publishing in `publishing`; drafts from the sheet are
made in `syncing`, those from imports in `importing`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import STAGES, Approval, DraftBase, Stage, Status, WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.firearms import FirearmBinding, closest
from sheetsync.domain.identifiers import bump_minor, check_connector_id, new_draft_id, parse_id, version_rises
from sheetsync.domain.model import JSONValue
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import DefectError, NotFoundError, NotOpenError, SecondPersonError, StaleSnapshotError, UsageError
from sheetsync.registry.catalogue import Catalogue, DraftLine, StoredDraft, pending_edits_of
from sheetsync.registry.conflicts import Side, find_conflict, resolve
from sheetsync.registry.withdraw import withdrawn_draft, without_pending
from sheetsync.services.catalogue import check_connector
from sheetsync.services.differences import DraftDiff, diff_draft
from sheetsync.services.draft_content import (
    check_scopes,
    edit_policy,
    keep_policy,
    parse_firearm_option,
    parse_spec,
    raise_version,
)
from sheetsync.services.workspace import Workspace
from sheetsync.store import Snapshot
from sheetsync.store.reader import check_number

__all__ = [
    "DiscardReport", "DraftDiff", "DraftList", "advance_draft", "approve_draft", "diff_draft", "discard_draft",
    "edit_draft", "list_drafts", "new_draft", "open_draft", "parse_firearm_option", "resolve_conflict", "restore_draft",
    "save_new", "show_draft",
]  # fmt: skip
NO_FIREARMS: Mapping[str, FirearmBinding] = {}
DISCARDED = "discarded"
NUMBER_FORM: Final = re.compile(r"[0-9]{1,18}")  # other digits, and more of them, are no commit's number
SHOWN: Final = 60
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


# -- making drafts


def new_draft(ws: Workspace, connector_id: str, spec_json: JSONValue = None) -> StoredDraft:
    """A new draft: from what is published, else from the newest open draft, else from `spec_json` alone.

    With `spec_json` the spec is that; the policy of the scopes that remain is kept.

    Raises:
        NotFoundError: there is no such connector, and no spec was given.
        InvalidContentError: the spec breaks a rule of the model, or is of another connector.
    """
    name = parse_id(check_connector_id, connector_id, hint="like 'github'")
    catalogue = ws.catalogue()
    base = catalogue.base_of(name)
    spec, policy = _start(catalogue, name, base)
    if spec_json is not None:
        spec = parse_spec(name, spec_json)
        policy = keep_policy(policy, spec)
    if spec is None:
        raise NotFoundError(f"there is no connector {name!r}", hint=_suggest_connector(catalogue, name))
    stage: Stage = "definition" if spec_json is not None else "policy"
    return _create(ws, catalogue, name, spec, policy, base, stage=stage, why=f"draft new {name}")


def _start(catalogue: Catalogue, name: str, base: DraftBase) -> tuple[ConnectorSpec | None, PolicySnapshot]:
    if base.spec is not None:
        live = catalogue.published(name)
        spec = base.spec
        if live is not None and live.retired:  # it comes back above the version it was retired at
            spec = spec.model_copy(update={"version": bump_minor(spec.version)})
        return spec, base.policy or PolicySnapshot()
    newest = catalogue.newest_open(name)
    return (newest.draft.spec_snapshot, without_pending(newest.draft)) if newest else (None, PolicySnapshot())


def restore_draft(ws: Workspace, name: str, at: int | str | None = None) -> StoredDraft:
    """A new draft with an earlier state: of a connector's published state, or of a draft.

    Args:
        ws: the workspace.
        name: a connector's id, or a draft's.
        at: a commit number, or a snapshot's file name; None: the state before the newest one.

    Raises:
        NotFoundError: there is no such connector, draft or state.
    """
    ws.store.refresh()  # what another host published is what "the state before the newest one" is counted from
    catalogue = ws.catalogue()
    if name.startswith("draft_"):
        old = catalogue.draft(name)
        state = WorkbenchDraft.from_json(_state_at(ws, (old.snapshot,), at).content)
        connector_id, spec, policy = state.connector_id, state.spec_snapshot, state.policy_snapshot
    else:
        connector_id = parse_id(check_connector_id, name)
        records = catalogue.records_of(connector_id)
        if records is None:
            raise NotFoundError(f"{name!r} was never published", hint=_suggest_connector(catalogue, name))
        commit = _state_at(ws, records, at).commit
        then = catalogue.at(commit).published(connector_id)
        if then is None:
            raise NotFoundError(
                f"{name!r} was not yet published at commit {commit}", hint=f"see 'sheetsync log {name}'"
            )
        spec, policy = then.spec, then.policy()
    live = catalogue.published(connector_id)
    if live is not None and (spec != live.spec or live.retired) and not version_rises(live.spec.version, spec.version):
        spec = spec.model_copy(update={"version": bump_minor(live.spec.version)})
    base = catalogue.base_of(connector_id)
    return _create(
        ws, catalogue, connector_id, spec, policy, base, stage="policy", why=f"restore {name}", origin="restore"
    )


def _state_at(ws: Workspace, newest: Sequence[Snapshot], at: int | str | None) -> Snapshot:
    """The snapshot that a state is told by: `newest` are those of its records, the first counts for numbers."""
    name = newest[0].name
    commit = _commit_number(at)
    if isinstance(at, str) and commit is None:  # any of the file names that `log` lists
        found = [one for record in newest for one in ws.store.history(record.record) if one.filename == at]
    else:
        history = list(ws.store.history(newest[0].record))
        if commit is None:
            found = history[-2:-1] or history[-1:]
        else:
            found = [one for one in history if one.commit <= commit <= ws.store.head()][-1:]
    if not found:
        raise NotFoundError(f"{name!r} has no state at {ascii(at)[:SHOWN]}", hint=f"see 'sheetsync log {name}'")
    return found[0]


def _commit_number(at: int | str | None) -> int | None:
    """The commit's number; None for a file name, or nothing.

    Raises:
        UsageError: it is neither a number nor a text.
    """
    if isinstance(at, str) and NUMBER_FORM.fullmatch(at):
        return int(at)
    if at is None or isinstance(at, str):
        return None
    check_number(at)
    return at


def _create(
    ws: Workspace,
    catalogue: Catalogue,
    connector_id: str,
    spec: ConnectorSpec,
    policy: PolicySnapshot,
    base: DraftBase,
    *,
    stage: Stage,
    why: str,
    origin: str = "new",
) -> StoredDraft:
    draft = WorkbenchDraft(
        id=new_draft_id(),
        connector_id=connector_id,
        stage=stage,
        spec_snapshot=spec,
        policy_snapshot=policy,
        origin=WorkbenchOrigin.model_validate({"why": origin}),
        base=base,
        created_by=ws.ctx.user,
        created_at=ws.clock.now(),
    )
    return save_new(ws, catalogue, draft, why=why)


def save_new(ws: Workspace, catalogue: Catalogue, draft: WorkbenchDraft, *, why: str) -> StoredDraft:
    """Save a draft that does not exist yet."""
    with ws.store.transaction(ws.ctx, why=why) as tx:
        catalogue.save_draft(tx, draft, expected=None)
    return _read_back(catalogue, draft)


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
        spec: a whole spec (JSON); bindings of scopes it does not have go.
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
    new_spec = draft.spec_snapshot if spec is None else parse_spec(draft.connector_id, spec)
    if version is not None:
        new_spec = raise_version(draft, new_spec, version)
    new_policy = draft.policy_snapshot
    if policy is not None:
        new_policy = policy if isinstance(policy, PolicySnapshot) else PolicySnapshot.from_json(policy, where="policy")
        check_scopes(new_spec, new_policy.firearms)
    new_policy = edit_policy(new_spec, keep_policy(new_policy, new_spec), firearms, tuple(undecide), kpis or {})
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
    """Decide a conflict as *yours* (the owner's value) or *theirs* (the store's).

    Raises:
        NotFoundError: there is no such open conflict; the hint lists those there are.
    """
    if side not in ("yours", "theirs"):
        raise UsageError(f"{side!r} is neither yours nor theirs")
    catalogue = ws.catalogue()
    stored = _open(catalogue, draft_id, expected)
    conflict = find_conflict(stored.draft, row_key, column)
    live = catalogue.published(stored.draft.connector_id)
    policy = live.policy() if live else stored.draft.base.policy or PolicySnapshot()
    changed = resolve(stored.draft, conflict, side, live=policy)
    where = "/".join(conflict.row_key)
    return _save(ws, catalogue, stored, changed, why=f"draft resolve {draft_id}: {where} {conflict.column} as {side}")


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
    done = _read_back(catalogue, closed)
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
    return _read_back(catalogue, draft)


def _read_back(catalogue: Catalogue, draft: WorkbenchDraft) -> StoredDraft:
    snapshot = catalogue.store.latest(catalogue.record_of(draft))
    if snapshot is None:
        raise DefectError(f"{draft.id} was saved, and is not there")
    return StoredDraft(draft, snapshot)


def _suggest_connector(catalogue: Catalogue, name: str) -> str:
    known = {*catalogue.published_ids(), *(line.connector_id for line in catalogue.lines("open"))}
    close = closest(name, known)
    return (
        f"did you mean {close!r}?" if close else "import it, or give its spec: 'sheetsync draft new NAME --spec FILE'"
    )
