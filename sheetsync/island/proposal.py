"""From sources to a connector: the spec they make, and the draft that an import proposes. Pure: nothing is saved here.

The draft starts from the connector's open draft, else from published, and carries the policy of the scopes that remain.
New scopes are undecided; what vanishes is listed. What a draft, a spec and a policy are is in `domain`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.cells import POLICY_TAB
from sheetsync.domain.connector import CONTROL, ConnectorSpec, Scope
from sheetsync.domain.draft import DraftBase, ImportedOrigin, Origin, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.gate import binding_loosens
from sheetsync.domain.identifiers import bump_major, bump_minor, version_rises
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.published import PublishedConnector
from sheetsync.island.gate import tools_of

FIRST_VERSION = "1.0.0"


@dataclass(frozen=True)
class Known:
    """What the store knows of a connector: published (a tombstone too), the base for a new draft, its open drafts."""

    published: PublishedConnector | None = None
    base: DraftBase = field(default_factory=DraftBase)
    open_drafts: tuple[WorkbenchDraft, ...] = ()  # newest last

    def live(self) -> PublishedConnector | None:
        """What is published and not retired."""
        return self.published if self.published is not None and not self.published.retired else None

    def start(self) -> WorkbenchDraft | None:
        """The open draft that a new one starts from: the newest; one that retires the connector is not touched."""
        return next((draft for draft in reversed(self.open_drafts) if not draft.retires), None)


@dataclass(frozen=True)
class Proposal:
    """A draft to be saved, the draft it supersedes as it is to be saved, and what the import took away."""

    draft: WorkbenchDraft
    superseded: WorkbenchDraft | None
    added: tuple[str, ...]
    removed: tuple[str, ...]
    dropped_bindings: tuple[tuple[str, FirearmBinding], ...]
    rejected_edits: tuple[SheetEdit, ...]

    def to_json(self) -> dict[str, JSONValue]:
        """One object of the report's `drafts`."""
        return {
            "id": self.draft.id,
            "connector_id": self.draft.connector_id,
            "version": self.draft.spec_snapshot.version,
            "supersedes": self.draft.supersedes,
            "added": list(self.added),
            "removed": [{"scope": scope, "effect": self._effect(scope)} for scope in self.removed],
            "dropped_bindings": [{"scope": scope, **binding.to_json()} for scope, binding in self.dropped_bindings],
            "rejected_edits": [{**edit.to_json(), "message": gone(edit.row_key[1])} for edit in self.rejected_edits],
        }

    def _effect(self, scope: str) -> str:
        """A scope that vanishes can only be fired less: said, so that nobody has to work it out."""
        binding = dict(self.dropped_bindings).get(scope)
        if binding_loosens(binding, None) is not None:
            return "loosening"
        return "none" if binding is None else "tightening"


def gone(scope: str) -> str:
    """How an owner's edit of a vanished scope is answered."""
    return f"rejected: scope {scope} no longer exists"


def build_spec(namespace: str, schemas: Sequence[tuple[str, Mapping[str, JSONValue]]], version: str) -> ConnectorSpec:
    """The spec of a namespace's schemas (name, value): a scope `<schema>.<tool>` for each tool, by code point."""
    tools = {f"{name}.{tool}": value for name, schema in schemas for tool, value in tools_of(schema).items()}
    routes = [route for _, schema in schemas for route in _routes(schema)]
    one = schemas[0][1] if len(schemas) == 1 else None
    texts = [f"{schema['name']}: {schema.get('description') or ''}".strip() for _, schema in schemas]
    return ConnectorSpec(
        id=namespace,
        version=version,
        name=one["name"] if one else namespace,
        description=_text(one.get("description")) if one else "\n".join(texts),
        scopes=tuple(Scope(name=scope, description=_text(tools[scope].get("description"))) for scope in sorted(tools)),
        engine_routes=tuple(dict.fromkeys(routes)),
        tools=dict(sorted(tools.items())),
    )


def _text(value: JSONValue) -> str:
    return value if isinstance(value, str) else ""


def _routes(schema: Mapping[str, JSONValue]) -> Iterable[str]:
    """Engine routes that a schema names; FlowMCP has no such key, so most name none."""
    routes = schema.get("engine_routes")
    listed = routes if isinstance(routes, list) else []
    return (route for route in listed if isinstance(route, str) and route and not set(route) & CONTROL)


def same_but_version(left: ConnectorSpec, right: ConnectorSpec) -> bool:
    """Do two specs say the same, whatever their versions?"""
    return left.model_copy(update={"version": right.version}) == right


def propose(
    spec: ConnectorSpec, known: Known, *, draft_id: str, user: str, now: datetime, sources_changed: bool = True
) -> Proposal | None:
    """The draft for a connector whose sources make `spec`, or None if it is published or proposed already.

    Where no source changed, an open draft stands as operators left it, though its spec may differ from the sources.
    """
    live, start = known.live(), known.start()
    if live is not None and same_but_version(spec, live.spec):
        return None
    if any(same_but_version(spec, draft.spec_snapshot) for draft in known.open_drafts if not draft.retires):
        return None
    if start is not None and not sources_changed:
        return None
    return _build(spec, known, start, draft_id, user, now)


def _build(
    spec: ConnectorSpec, known: Known, start: WorkbenchDraft | None, draft_id: str, user: str, now: datetime
) -> Proposal:
    live = known.live()
    before = start.spec_snapshot if start is not None else live.spec if live is not None else None
    policy = start.policy_snapshot if start is not None else live.policy() if live is not None else PolicySnapshot()
    scopes = set(spec.scope_names())
    gone_scopes = sorted(set(before.scope_names() if before else ()) - scopes)
    dropped = tuple((scope, policy.firearms[scope]) for scope in sorted(set(policy.firearms) - scopes))
    origin, rejected = _carry_origin(start, spec.id, scopes)
    draft = WorkbenchDraft(
        id=draft_id,
        connector_id=spec.id,
        spec_snapshot=spec.model_copy(update={"version": _next_version(spec, known, start)}),
        policy_snapshot=_without(policy, scopes),
        origin=origin,
        base=_carry_base(start, known.base, scopes),
        conflicts=tuple(
            conflict
            for conflict in (start.conflicts if start is not None else ())
            if conflict.tab != POLICY_TAB or conflict.row_key[1] in scopes
        ),
        supersedes=start.id if start is not None else None,
        created_by=user,
        created_at=now,
    )
    answers = sorted({gone(edit.row_key[1]) for edit in rejected})
    reason = "; ".join([f"a newer import of {spec.id}", *answers])
    superseded = start and start.model_copy(
        update={"status": "superseded", "superseded_by": draft.id, "closed_reason": reason}
    )
    added = sorted(scopes - set(before.scope_names() if before else ()))
    return Proposal(draft, superseded, tuple(added), tuple(gone_scopes), dropped, rejected)


def _without(policy: PolicySnapshot, scopes: set[str]) -> PolicySnapshot:
    firearms = {scope: binding for scope, binding in policy.firearms.items() if scope in scopes}
    return policy.model_copy(update={"firearms": firearms})


def _carry_origin(
    start: WorkbenchDraft | None, namespace: str, scopes: set[str]
) -> tuple[Origin, tuple[SheetEdit, ...]]:
    """Owners' pending edits stay pending, but for those of vanished scopes."""
    if start is None or not isinstance(start.origin, SheetOrigin):
        return ImportedOrigin(namespace=namespace), ()
    rejected = tuple(edit for edit in start.origin.edits if edit.tab == POLICY_TAB and edit.row_key[1] not in scopes)
    remaining = tuple(edit for edit in start.origin.edits if edit not in rejected)
    if not remaining:
        return ImportedOrigin(namespace=namespace), rejected
    return start.origin.model_copy(update={"edits": remaining}), rejected


def _carry_base(start: WorkbenchDraft | None, base: DraftBase, scopes: set[str]) -> DraftBase:
    """The base of the draft it starts from, so that what it holds is still merged against that."""
    if start is None:
        return base
    if start.base.components is None and start.base.policy is not None:  # never published: the state without edits
        return start.base.model_copy(update={"policy": _without(start.base.policy, scopes)})
    return start.base


def _next_version(spec: ConnectorSpec, known: Known, start: WorkbenchDraft | None) -> str:
    """1.0.0 for a new connector; else above all that is known: the next major where a tool went, or minor."""
    published = known.published.spec if known.published is not None else None
    before = start.spec_snapshot if start is not None else published
    if before is None:
        return FIRST_VERSION
    highest = before.version
    if published is not None and version_rises(highest, published.version):
        highest = published.version
    live = known.live()
    reference = live.spec if live is not None else before
    removed = set(reference.scope_names()) - set(spec.scope_names())
    if known.published is not None and known.published.retired and start is None:
        removed = set()
    already = live is not None and start is not None and _major(highest) > _major(live.spec.version)
    return bump_major(highest) if removed and not already else bump_minor(highest)


def _major(version: str) -> int:
    return int(version.partition(".")[0])
