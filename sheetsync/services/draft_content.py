"""Changing a draft's content, as pure functions: spec, policy, and the options of `draft edit`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.domain.firearms import NO_FIREARM, FirearmBinding, closest
from sheetsync.domain.identifiers import bump_minor, check_firearm_id, parse_id, version_rises
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError, NotFoundError, UsageError, VersionNotRaisedError

FIRST_VERSION = "1.0.0"


def parse_spec(connector_id: str, spec_json: JSONValue, *, version: str = FIRST_VERSION) -> ConnectorSpec:
    """A connector's spec from JSON; `id` and `version` may be left out, the version is then the one given here.

    A spec is a whole: one that says nothing of scopes would take them all away, and their decisions with them.

    Raises:
        InvalidContentError: it breaks a rule of the model, lacks its scopes, or is of another connector.
    """
    if not isinstance(spec_json, Mapping):
        raise InvalidContentError("a spec is a JSON object")
    spec = ConnectorSpec.from_json({"id": connector_id, "version": version, **spec_json}, where="the spec")
    if "scopes" not in spec_json:
        raise InvalidContentError(
            "the spec: 'scopes' is missing",
            hint='give the whole spec, {"name": …, "scopes": [{"name": …}]}; for a connector without any, "scopes": []',
        )
    if spec.id != connector_id:
        raise InvalidContentError(
            f"the spec is of {spec.id!r}, the draft of {connector_id!r}", hint="a connector's id is never edited"
        )
    return spec


def keep_policy(policy: PolicySnapshot, spec: ConnectorSpec) -> PolicySnapshot:
    """The policy of the scopes that the spec still has."""
    names = set(spec.scope_names())
    firearms = {scope: binding for scope, binding in policy.firearms.items() if scope in names}
    return PolicySnapshot(firearms=firearms, kpis=policy.kpis)


def parse_firearm_option(text: str) -> tuple[str, FirearmBinding]:
    """`SCOPE=ID[+lock]` of `draft edit --firearm`; an id of `NONE` is the decision that none is needed.

    Raises:
        UsageError: it is not of that form.
    """
    scope, equals, value = text.rpartition("=")
    firearm, plus, lock = value.partition("+")
    if not equals or not scope or not firearm or (plus and lock != "lock"):
        raise UsageError(f"{text[:80]!r} is not SCOPE=ID or SCOPE=ID+lock")
    if firearm.upper() == NO_FIREARM:
        if plus:
            raise UsageError(f"{text[:80]!r}: a lock with NONE locks nothing")
        return scope, FirearmBinding(firearm_id=None)
    firearm_id = parse_id(check_firearm_id, firearm, hint="see config/firearms.toml")
    return scope, FirearmBinding(firearm_id=firearm_id, strategy_lock=bool(plus))


def edit_policy(
    spec: ConnectorSpec,
    policy: PolicySnapshot,
    firearms: Mapping[str, FirearmBinding],
    undecide: Sequence[str],
    kpis: Mapping[str, JSONValue],
) -> PolicySnapshot:
    """The policy with bindings set, decisions taken back, and KPIs set or (None) dropped.

    What it decides for scopes that the spec lost goes; such a decision may be named among those taken back.

    Raises:
        NotFoundError: no such scope, or no such KPI to drop.
        InvalidContentError: the outcome breaks a rule of the model.
    """
    check_scopes(spec, [*firearms, *(scope for scope in undecide if scope not in policy.firearms)])
    kept = keep_policy(policy, spec).firearms
    bindings = {scope: one for scope, one in {**kept, **firearms}.items() if scope not in undecide}
    merged: dict[str, Any] = {**policy.kpis, **kpis}
    gone = [name for name, binding in kpis.items() if binding is None and name not in policy.kpis]
    if gone:
        raise NotFoundError(
            f"there is no KPI {gone[0]!r} to drop", hint=f"there are: {', '.join(policy.kpis) or 'none'}"
        )
    left = {name: one for name, one in merged.items() if one is not None}
    return PolicySnapshot.from_json({"firearms": bindings, "kpis": left}, where="the policy")


def check_scopes(spec: ConnectorSpec, scopes: Iterable[str]) -> None:
    """Refuse scopes that the spec does not have.

    Raises:
        NotFoundError: names the first one; the hint names a close one.
    """
    known = spec.scope_names()
    for scope in scopes:
        if scope not in known:
            close = closest(scope, known)
            guess = f"did you mean {close!r}?" if close else f"see 'sheetsync card {spec.id}'"
            raise NotFoundError(f"{spec.id} has no scope {scope[:80]!r}", hint=guess, code="unknown_scope")


def raise_version(draft: WorkbenchDraft, spec: ConnectorSpec, version: str) -> ConnectorSpec:
    """The spec with another version: it only ever rises above the one the draft is based on.

    Raises:
        VersionNotRaisedError: it does not.
    """
    changed = ConnectorSpec.from_json({**spec.to_json(), "version": version}, where="the version")
    live = draft.base.spec
    if live is not None and version != live.version and not version_rises(live.version, version):
        raise VersionNotRaisedError(
            f"{version} does not rise above {live.version}", hint=f"the next minor is {bump_minor(live.version)}"
        )
    return changed
