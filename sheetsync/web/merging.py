"""Two people saved the same draft: both versions field by field, and the one they make together. Pure.

Nothing is decided for people where both changed a field; where only one did, theirs stands ready to be chosen.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.web.words import describe_binding, describe_kpi

Side = Literal["yours", "theirs"]
FieldKey = tuple[str, str]  # ("firearm", "github.read"), ("spec", "version"), …
FieldValue = str | tuple[str, ...] | Scope | FirearmBinding | KpiBinding | None
SPEC_FIELDS: Final = ("version", "name", "description", "engine_routes")
ABSENT: Final = "not there"


@dataclass(frozen=True, slots=True)
class State:
    """A spec and policy, as content of a draft."""

    spec: ConnectorSpec
    policy: PolicySnapshot

    def fields(self) -> dict[FieldKey, FieldValue]:
        """Every field that can differ on its own; a scope without a binding has None there."""
        found: dict[FieldKey, FieldValue] = {("spec", name): getattr(self.spec, name) for name in SPEC_FIELDS}
        for scope in self.spec.scopes:
            found["scope", scope.name] = scope
            found["firearm", scope.name] = self.policy.firearms.get(scope.name)
        return found | {("kpi", name): kpi for name, kpi in self.policy.kpis.items()}


@dataclass(frozen=True, slots=True)
class Difference:
    """One field in which the two versions differ. `ready` is the side that stands to reason, None if both changed."""

    key: FieldKey
    base: str
    yours: str
    theirs: str
    ready: Side | None

    @property
    def name(self) -> str:
        """The name of its choice in the form."""
        return f"pick.{self.key[0]}.{self.key[1]}"


def find_differences(base: State, yours: State, theirs: State) -> tuple[Difference, ...]:
    """The fields in which yours and theirs differ."""
    was, mine, other = base.fields(), yours.fields(), theirs.fields()
    found = []
    for key in dict.fromkeys((*other, *mine)):
        if mine.get(key) == other.get(key) and (key in mine) == (key in other):
            continue
        ready: Side | None = None
        if _same(key, other, was):
            ready = "yours"
        elif _same(key, mine, was):
            ready = "theirs"
        found.append(Difference(key, _shown(key, was), _shown(key, mine), _shown(key, other), ready))
    return tuple(found)


def _same(key: FieldKey, one: Mapping[FieldKey, FieldValue], two: Mapping[FieldKey, FieldValue]) -> bool:
    return (key in one) == (key in two) and one.get(key) == two.get(key)


def _shown(key: FieldKey, fields: Mapping[FieldKey, FieldValue]) -> str:
    if key not in fields:
        return ABSENT
    value = fields[key]
    if key[0] == "firearm":
        return describe_binding(value if isinstance(value, FirearmBinding) else None)
    if isinstance(value, KpiBinding):
        return describe_kpi(value)
    if isinstance(value, Scope):
        return value.title or value.description or value.name
    if isinstance(value, tuple):
        return ", ".join(value) or "none"
    return str(value) or "empty"


def merge(yours: State, theirs: State, sides: Callable[[FieldKey], Side]) -> State:
    """Theirs, with the fields in which `sides` says *yours* taken from yours."""
    mine, other = yours.fields(), theirs.fields()
    merged: dict[FieldKey, FieldValue] = {}
    for key in dict.fromkeys((*other, *mine)):
        source = other if _same(key, mine, other) or sides(key) == "theirs" else mine
        if key in source:
            merged[key] = source[key]
    return _assemble(merged, yours.spec, theirs.spec)


def _assemble(fields: Mapping[FieldKey, FieldValue], yours: ConnectorSpec, theirs: ConnectorSpec) -> State:
    scopes = [value for value in fields.values() if isinstance(value, Scope)]
    names = {scope.name for scope in scopes}
    tools = {name: tool for name, tool in (yours.tools | theirs.tools).items() if name in names}
    plain = {name: fields["spec", name] for name in SPEC_FIELDS}
    spec = ConnectorSpec.model_validate({**plain, "id": theirs.id, "scopes": tuple(scopes), "tools": tools})
    firearms = {
        name: value
        for (kind, name), value in fields.items()
        if kind == "firearm" and name in names and isinstance(value, FirearmBinding)
    }
    kpis = {name: value for (kind, name), value in fields.items() if kind == "kpi" and isinstance(value, KpiBinding)}
    return State(spec, PolicySnapshot(firearms=firearms, kpis=kpis))
