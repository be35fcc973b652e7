"""Use cases that make drafts: a new one, and one with an earlier state.

Changing and closing them is in `drafts`; those from the sheet are made in `syncing`, those from imports in `importing`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import DraftBase, Stage, WorkbenchDraft, WorkbenchOrigin
from sheetsync.domain.firearms import closest
from sheetsync.domain.identifiers import bump_minor, check_connector_id, new_draft_id, parse_id, version_rises
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import DefectError, NotFoundError, StaleSnapshotError
from sheetsync.registry.carry import carry_edits
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.registry.rivals import Rivals
from sheetsync.registry.withdraw import without_pending
from sheetsync.services.draft_content import FIRST_VERSION, keep_policy, parse_spec
from sheetsync.services.workspace import Workspace
from sheetsync.store import Snapshot
from sheetsync.store.reader import check_number

NUMBER_FORM: Final = re.compile(r"[0-9]{1,18}")  # other digits, and more of them, are no commit's number
SHOWN: Final = 60
ATTEMPTS: Final = 10  # when another writer comes between


def new_draft(ws: Workspace, connector_id: str, spec_json: JSONValue = None) -> StoredDraft:
    """A new draft: from what is published, else from the newest open draft, else from `spec_json` alone.

    With `spec_json` the spec is that; the policy of the scopes that remain is kept. Of a connector never published it
    carries the owners' pending edits, and supersedes the draft that held them.

    Raises:
        NotFoundError: there is no such connector, and no spec was given.
        InvalidContentError: the spec breaks a rule of the model, or is of another connector.
    """
    name = parse_id(check_connector_id, connector_id, hint="like 'github'")

    def make(catalogue: Catalogue) -> WorkbenchDraft:
        base = catalogue.base_of(name)
        spec, policy = _start(catalogue, name, base)
        if spec_json is not None:
            spec = parse_spec(name, spec_json, version=spec.version if spec else FIRST_VERSION)
            policy = keep_policy(policy, spec)
        if spec is None:
            raise NotFoundError(f"there is no connector {name!r}", hint=_suggest_connector(catalogue, name))
        stage: Stage = "definition" if spec_json is not None else "policy"
        return _build(ws, spec, policy, base, stage=stage, why="new")

    return _save_made(ws, name, make, why=f"draft new {name}")


def _start(catalogue: Catalogue, name: str, base: DraftBase) -> tuple[ConnectorSpec | None, PolicySnapshot]:
    if base.spec is not None:
        live = catalogue.published(name)
        spec = base.spec
        if live is not None and live.retired:  # it comes back above the version it was retired at
            spec = spec.model_copy(update={"version": bump_minor(spec.version)})
        return spec, base.policy or PolicySnapshot()
    newest = catalogue.proposed(name)
    return (newest.draft.spec_snapshot, without_pending(newest.draft)) if newest else (None, PolicySnapshot())


def restore_draft(ws: Workspace, name: str, at: int | str | None = None) -> StoredDraft:
    """A new draft with an earlier state: of a connector's published state, or of a draft.

    Of a connector never published the owners' pending edits lie over that state, and the draft that held them is
    superseded; those of the earlier state itself are left out then.

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
        connector_id = state.connector_id
    else:
        connector_id = parse_id(check_connector_id, name)
        state = None

    def make(catalogue: Catalogue) -> WorkbenchDraft:
        if state is None:
            spec, policy = _published_at(ws, catalogue, connector_id, at)
        else:
            held = pending_holder(catalogue, connector_id) is not None
            spec, policy = state.spec_snapshot, without_pending(state) if held else state.policy_snapshot
        live = catalogue.published(connector_id)
        if (
            live is not None
            and (spec != live.spec or live.retired)
            and not version_rises(live.spec.version, spec.version)
        ):
            spec = spec.model_copy(update={"version": bump_minor(live.spec.version)})
        return _build(ws, spec, policy, catalogue.base_of(connector_id), stage="policy", why="restore")

    return _save_made(ws, connector_id, make, why=f"restore {name}")


def _published_at(
    ws: Workspace, catalogue: Catalogue, connector_id: str, at: int | str | None
) -> tuple[ConnectorSpec, PolicySnapshot]:
    records = catalogue.records_of(connector_id)
    if records is None:
        raise NotFoundError(f"{connector_id!r} was never published", hint=_suggest_connector(catalogue, connector_id))
    commit = _state_at(ws, records, at).commit
    then = catalogue.at(commit).published(connector_id)
    if then is None:
        raise NotFoundError(
            f"{connector_id!r} was not yet published at commit {commit}", hint=f"see 'sheetsync log {connector_id}'"
        )
    return then.spec, then.policy()


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


def pending_holder(catalogue: Catalogue, connector_id: str) -> StoredDraft | None:
    """Of a connector never published: its open sheet draft, which a new draft supersedes. None where there is none."""
    if catalogue.records_of(connector_id) is not None:
        return None  # beside what is published, a sheet draft stands whatever drafts are made
    return catalogue.newest_open(connector_id, sheet=True)


def _build(
    ws: Workspace, spec: ConnectorSpec, policy: PolicySnapshot, base: DraftBase, *, stage: Stage, why: str
) -> WorkbenchDraft:
    return WorkbenchDraft(
        id=new_draft_id(),
        connector_id=spec.id,
        stage=stage,
        spec_snapshot=spec,
        policy_snapshot=policy,
        origin=WorkbenchOrigin.model_validate({"why": why}),
        base=base,
        created_by=ws.ctx.user,
        created_at=ws.clock.now(),
    )


def _save_made(
    ws: Workspace, connector_id: str, make: Callable[[Catalogue], WorkbenchDraft], *, why: str
) -> StoredDraft:
    """Save the draft that `make` makes, with the owners' pending edits where it is to carry them.

    Of a connector never published it is made again if the store moved meanwhile: a pull may have taken edits in.
    """
    for attempt in range(1, ATTEMPTS + 1):
        head = ws.store.refresh()
        catalogue = ws.catalogue()
        never = catalogue.records_of(connector_id) is None
        draft, old = make(catalogue), pending_holder(catalogue, connector_id)
        if old is not None:
            rivals = Rivals(catalogue, old.draft)
            owned = [one for one in old.draft.open_conflicts() if rivals.owned(one)]
            draft = carry_edits(draft, old.draft, owned)
        try:
            with ws.store.transaction(ws.ctx, why=why, expect_head=head if never else None) as tx:
                if old is not None:
                    closed = {"status": "superseded", "superseded_by": draft.id}
                    catalogue.save_draft(tx, old.draft.model_copy(update=closed), expected=old.snapshot)
                catalogue.save_draft(tx, draft, expected=None)
        except StaleSnapshotError:
            if attempt == ATTEMPTS:
                raise
        else:
            return read_back(catalogue, draft)
    raise DefectError("a loop that returns or raises ended")


def save_new(ws: Workspace, catalogue: Catalogue, draft: WorkbenchDraft, *, why: str) -> StoredDraft:
    """Save a draft that does not exist yet."""
    with ws.store.transaction(ws.ctx, why=why) as tx:
        catalogue.save_draft(tx, draft, expected=None)
    return read_back(catalogue, draft)


def read_back(catalogue: Catalogue, draft: WorkbenchDraft) -> StoredDraft:
    """A draft that was just saved, with its snapshot."""
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
