"""The three-way merge of a connector's spec and policy: pure, field by field.

It is made when the registries moved since a draft's base. Fields that both sides changed differently are reported, not
decided; what publish does about them is in `publish`. The cells of the sheet are merged in `sync`, not here.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, TypeVar

from pydantic import ValidationError

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.cells import locks_nothing
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.firearms import NO_FIREARM, FirearmBinding
from sheetsync.domain.identifiers import version_rises
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot

ABSENT: Final = object()  # a key that is not there, told from any value
_K = TypeVar("_K", bound=Hashable)


class State(NamedTuple):
    """One side of a merge; `spec` is None where there was nothing yet."""

    spec: ConnectorSpec | None
    policy: PolicySnapshot


@dataclass(frozen=True)
class Merged:
    """The outcome; it stands only where `moved`, the fields that both sides changed differently, is empty."""

    spec: ConnectorSpec
    policy: PolicySnapshot
    moved: tuple[str, ...]


def merge(base: State, live: State, ours: State) -> Merged:
    """Merge what `live` and `ours` made of `base`. `ours.spec` must be there.

    Laws: `merge(b, x, x) == x`, `merge(b, b, x) == x`, `merge(b, x, b) == x`; the sides may be exchanged.
    """
    assert ours.spec is not None, "a draft has a spec"  # noqa: S101 - for mypy; a draft's model requires it
    spec, moved = _merge_spec(base.spec, live.spec, ours.spec)
    policy, clashes = _merge_policy(base.policy, live.policy, ours.policy)
    return Merged(spec, policy, (*moved, *clashes))


def merge_maps(
    base: Mapping[_K, Any], live: Mapping[_K, Any], ours: Mapping[_K, Any]
) -> tuple[dict[_K, Any], list[_K]]:
    """Three-way per key; a key may be absent on any side. Returns the merged map (ours where both moved), and those."""
    merged: dict[_K, Any] = {}
    clashes = []
    for key in dict.fromkeys([*live, *ours, *base]):
        was, now, mine = base.get(key, ABSENT), live.get(key, ABSENT), ours.get(key, ABSENT)
        if now != was and mine not in (was, now):
            clashes.append(key)
        value = now if mine == was else mine
        if value is not ABSENT:
            merged[key] = value
    return merged, clashes


# -- spec


def _merge_spec(
    base: ConnectorSpec | None, live: ConnectorSpec | None, ours: ConnectorSpec
) -> tuple[ConnectorSpec, tuple[str, ...]]:
    if live is None or live in (base, ours):
        return ours, ()
    if ours == base:
        return live, ()
    if base is None:
        return ours, ("spec",)
    merged, clashes = merge_maps(_spec_fields(base), _spec_fields(live), _spec_fields(ours))
    moved = [" ".join(key) for key in clashes if key != ("version",)]
    if ("version",) in clashes:  # both rose it: the higher one; whether it rises above the live one is publish's rule
        merged[("version",)] = live.version if version_rises(ours.version, live.version) else ours.version
    if moved:
        return ours, tuple(moved)
    names = [key[1] for key in merged if key[0] == "scope"]
    order = _merge_order(base.scope_names(), live.scope_names(), ours.scope_names(), set(names))
    plain = {field: merged[(field,)] for field in ("version", "name", "description", "engine_routes")}
    try:
        spec = ConnectorSpec(
            id=ours.id,
            scopes=tuple(merged["scope", name] for name in order),
            tools={key[1]: tool for key, tool in merged.items() if key[0] == "tool"},
            **plain,
        )
    except ValidationError:  # a tool was added to a scope that the other side removed
        return ours, ("scopes",)
    return spec, ()


def _spec_fields(spec: ConnectorSpec) -> dict[tuple[str, ...], JSONValue]:
    fields: dict[tuple[str, ...], JSONValue] = {
        ("version",): spec.version,
        ("name",): spec.name,
        ("description",): spec.description,
        ("engine_routes",): spec.engine_routes,
    }
    fields |= {("scope", scope.name): scope for scope in spec.scopes}
    return fields | {("tool", name): tool for name, tool in spec.tools.items()}


def _merge_order(base: Iterable[str], live: Iterable[str], ours: Iterable[str], names: set[str]) -> list[str]:
    """The scopes' order: of the side that changed it, else live's; the other side's new scopes follow."""
    was, now, mine = tuple(base), tuple(live), tuple(ours)
    first, then = (mine, now) if now == was else (now, mine)
    return [name for name in dict.fromkeys((*first, *then)) if name in names]


# -- policy


def _merge_policy(
    base: PolicySnapshot, live: PolicySnapshot, ours: PolicySnapshot
) -> tuple[PolicySnapshot, tuple[str, ...]]:
    if live in (base, ours):
        return ours, ()
    if ours == base:
        return live, ()
    firearms, moved = _merge_firearms(base.firearms, live.firearms, ours.firearms)
    kpis, moved_kpis = _merge_kpis(base.kpis, live.kpis, ours.kpis)
    return PolicySnapshot(firearms=firearms, kpis=kpis), (*moved, *moved_kpis)


Firearms = Mapping[str, FirearmBinding]


def _merge_firearms(base: Firearms, live: Firearms, ours: Firearms) -> tuple[dict[str, FirearmBinding], list[str]]:
    """Firearm and lock of a scope are fields of their own, unless together they break a rule."""
    merged, moved = {}, []
    for scope in sorted({*base, *live, *ours}):
        sides = [_cells(side.get(scope)) for side in (base, live, ours)]
        row, clashes = merge_maps(*sides)
        moved += [f"scope {scope} {column}" for column in clashes]
        firearm, lock = row["firearm_id"], row["strategy_lock"]
        if not clashes and locks_nothing(firearm, lock):
            moved.append(f"scope {scope} firearm_id")
        elif not clashes and firearm:
            merged[scope] = FirearmBinding(firearm_id=None if firearm == NO_FIREARM else firearm, strategy_lock=lock)
    return merged, moved


def _cells(binding: FirearmBinding | None) -> dict[str, Any]:
    if binding is None:
        return {"firearm_id": "", "strategy_lock": False}
    return {"firearm_id": binding.shown(), "strategy_lock": binding.strategy_lock}


Kpis = Mapping[str, KpiBinding]


def _merge_kpis(base: Kpis, live: Kpis, ours: Kpis) -> tuple[dict[str, KpiBinding], list[str]]:
    """A KPI that is on all sides is merged column by column; adding and dropping are decided as a whole."""
    merged, moved = {}, []
    for name in sorted({*base, *live, *ours}):
        sides = [side.get(name) for side in (base, live, ours)]
        if all(sides):
            row, clashes = merge_maps(*[side.to_json() for side in sides if side])
            moved += [f"KPI {name} {column}" for column in clashes]
            merged[name] = KpiBinding.model_validate(row)
            continue
        whole, clash = merge_maps(*[{} if side is None else {name: side} for side in sides])
        moved += [f"KPI {name}" for _ in clash]
        merged.update(whole)
    return merged, moved
