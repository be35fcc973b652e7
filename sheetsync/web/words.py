"""A draft's change in the words of policy owners: what becomes tighter, what looser, what is new, what goes.

Pure: two states in, sentences out. Whether something loosens is decided by `domain.gate`, the same rule publish uses.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import product
from typing import Literal

from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.gate import binding_loosens, is_allowed
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot

Direction = Literal["looser", "tighter", "new", "gone", "changed"]
ORDER: tuple[Direction, ...] = ("looser", "tighter", "new", "gone", "changed")
PUBLISHED_NOWHERE = "not published yet"


@dataclass(frozen=True, slots=True)
class Change:
    """One change, as a sentence: `subject` is a scope, KPI or field; `before` and `after` are what stands there."""

    direction: Direction
    about: Literal["scope", "firearm", "kpi", "spec"]
    subject: str
    before: str
    after: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class GateRow:
    """One scope's row of the gate table; `before` and `after` are the four cells, in the order of `GATE_HEADS`."""

    scope: str
    before: tuple[bool, ...] | None
    after: tuple[bool, ...] | None
    now: str
    then: str

    @property
    def changes(self) -> bool:
        """Does any cell change?"""
        return self.before != self.after or self.now != self.then


GATE_CELLS: tuple[tuple[bool, bool], ...] = tuple(product((False, True), (False, True)))
GATE_HEADS = ("no grant, locked", "no grant, lock released", "granted, locked", "granted, lock released")


def describe_binding(binding: FirearmBinding | None) -> str:
    """`undecided`, `NONE`, or `firearm.external_write, locked`."""
    if binding is None:
        return "undecided"
    return f"{binding.shown()}, locked" if binding.strategy_lock else binding.shown()


def describe_kpi(kpi: KpiBinding) -> str:
    """`cost: usage.cost * 1.0, target 5 USD`."""
    target = "" if kpi.target is None else f", target {kpi.target:g}"
    unit = f" {kpi.unit}" if kpi.unit else ""
    return f"{kpi.impact_type}: {kpi.formula}{target}{unit}"


def describe_change(
    old_spec: ConnectorSpec | None, old: PolicySnapshot | None, spec: ConnectorSpec, policy: PolicySnapshot
) -> tuple[Change, ...]:
    """All changes from published (None: never published) to the draft, the dangerous ones first."""
    found = [
        *_spec_changes(old_spec, spec),
        *_firearm_changes(old_spec, old, spec, policy),
        *_kpi_changes(old, policy),
    ]
    return tuple(sorted(found, key=lambda change: ORDER.index(change.direction)))


def _spec_changes(old: ConnectorSpec | None, new: ConnectorSpec) -> Iterator[Change]:
    if old is None:
        yield Change("new", "spec", "connector", PUBLISHED_NOWHERE, f"version {new.version}")
    elif old.version != new.version:
        yield Change("changed", "spec", "version", old.version, new.version)
    if old is None:
        return
    for field in ("name", "description"):
        before, after = getattr(old, field), getattr(new, field)
        if before != after:
            yield Change("changed", "spec", field, before or "empty", after or "empty")
    if old.engine_routes != new.engine_routes:
        yield Change("changed", "spec", "engine routes", _listed(old.engine_routes), _listed(new.engine_routes))
    was, now = {scope.name: scope for scope in old.scopes}, {scope.name: scope for scope in new.scopes}
    for name, scope in now.items():
        before_scope = was.get(name)
        if before_scope is not None and before_scope != scope:
            why = "its title or description changes"
            yield Change("changed", "scope", name, before_scope.title or "no title", scope.title or "no title", why)
        elif before_scope is not None and old.tools.get(name) != new.tools.get(name):
            yield Change("changed", "scope", name, "its tool as published", "its tool as imported", "the tool changes")


def _listed(values: Iterable[str]) -> str:
    return ", ".join(values) or "none"


def _firearm_changes(
    old_spec: ConnectorSpec | None, old: PolicySnapshot | None, spec: ConnectorSpec, policy: PolicySnapshot
) -> Iterator[Change]:
    was_names = old_spec.scope_names() if old_spec is not None else ()
    names = spec.scope_names()
    was_set, now_set = set(was_names), set(names)
    for name in (*names, *(name for name in was_names if name not in now_set)):
        before = old.firearms.get(name) if old is not None else None
        after = policy.firearms.get(name)
        if name not in now_set:
            yield Change(
                "gone", "scope", name, describe_binding(before), "the scope goes", "agents can no longer use it"
            )
        elif name not in was_set:
            why = _judge(None, after)[1] if old is not None else ""
            direction: Direction = "looser" if old is not None and binding_loosens(None, after) else "new"
            yield Change(direction, "scope", name, "no such scope", describe_binding(after), why)
        elif before != after:
            if old is None:
                yield Change("new", "firearm", name, describe_binding(before), describe_binding(after))
            else:
                direction, why = _judge(before, after)
                yield Change(direction, "firearm", name, describe_binding(before), describe_binding(after), why)


def _judge(old: FirearmBinding | None, new: FirearmBinding | None) -> tuple[Direction, str]:
    loosens = binding_loosens(old, new)
    if loosens:
        return "looser", loosens
    if any(_cell(old, cell) and not _cell(new, cell) for cell in GATE_CELLS):
        return "tighter", _tighter_words(old, new)
    return "changed", "what may fire stays the same"


def _tighter_words(old: FirearmBinding | None, new: FirearmBinding | None) -> str:
    if new is None:
        return "undecided again: it cannot fire at all"
    if old is not None and old.firearm_id is None:
        return f"needs a grant of {new.shown()} from now on"
    return "stays locked until the lock is released"


def _cell(binding: FirearmBinding | None, cell: tuple[bool, bool]) -> bool:
    return is_allowed(binding, grant=cell[0], lock_released=cell[1])


def _kpi_changes(old: PolicySnapshot | None, policy: PolicySnapshot) -> Iterator[Change]:
    was = old.kpis if old is not None else {}
    for name in sorted({*was, *policy.kpis}):
        before, after = was.get(name), policy.kpis.get(name)
        if before is None and after is not None:
            yield Change("new", "kpi", name, "no such KPI", describe_kpi(after))
        elif before is not None and after is None:
            yield Change("looser", "kpi", name, describe_kpi(before), "dropped", "the KPI is dropped")
        elif before is not None and after is not None and before != after:
            yield Change("changed", "kpi", name, describe_kpi(before), describe_kpi(after))


def gate_rows(
    old_spec: ConnectorSpec | None, old: PolicySnapshot | None, spec: ConnectorSpec, policy: PolicySnapshot
) -> tuple[GateRow, ...]:
    """The gate table before and after: the rows that change first, each group in the spec's order."""
    was_names = old_spec.scope_names() if old_spec is not None else ()
    was, now = set(was_names), set(spec.scope_names())
    rows = []
    for name in (*spec.scope_names(), *(name for name in was_names if name not in now)):
        before = old.firearms.get(name) if old is not None else None
        after = policy.firearms.get(name)
        rows.append(
            GateRow(
                scope=name,
                before=tuple(_cell(before, cell) for cell in GATE_CELLS) if name in was else None,
                after=tuple(_cell(after, cell) for cell in GATE_CELLS) if name in now else None,
                now=describe_binding(before) if name in was else "no such scope",
                then=describe_binding(after) if name in now else "the scope goes",
            )
        )
    return tuple(sorted(rows, key=lambda row: not row.changes))
