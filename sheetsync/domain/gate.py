"""The gate: when a scope may fire, and whether a change of policy loosens it. Pure rules, no I/O."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import product

from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.model import Model
from sheetsync.domain.policy import PolicySnapshot


class GateCell(Model):
    """One cell of the gate table: may the scope fire with (or without) the grant and the lock released?"""

    scope: str
    grant: bool
    lock_released: bool
    allowed: bool


class Loosening(Model):
    """One way in which a new policy is looser; `scope` or `kpi_name` says where, `why` in the owners' words."""

    scope: str = ""
    kpi_name: str = ""
    why: str


def is_allowed(binding: FirearmBinding | None, *, grant: bool, lock_released: bool) -> bool:
    """Decided, and the firearm is `NONE` or granted, and there is no lock or it is released (design.md section 4)."""
    if binding is None:
        return False
    return (binding.firearm_id is None or grant) and (not binding.strategy_lock or lock_released)


def gate_table(scopes: Iterable[str], policy: PolicySnapshot) -> tuple[GateCell, ...]:
    """Four cells a scope: without and with the grant, without and with the lock released."""
    return tuple(
        GateCell(
            scope=scope,
            grant=grant,
            lock_released=released,
            allowed=is_allowed(policy.firearms.get(scope), grant=grant, lock_released=released),
        )
        for scope in scopes
        for grant, released in product((False, True), repeat=2)
    )


def binding_loosens(old: FirearmBinding | None, new: FirearmBinding | None) -> str | None:
    """Why `new` is looser than `old`, in the owners' words, or None.

    A gate cell turns from denied to allowed, or one firearm becomes another (they have no order).
    """
    opens = any(
        is_allowed(new, grant=grant, lock_released=released)
        and not is_allowed(old, grant=grant, lock_released=released)
        for grant, released in product((False, True), repeat=2)
    )
    changes = bool(old and new and old.firearm_id and new.firearm_id and old.firearm_id != new.firearm_id)
    return _why_looser(old, new) if opens or changes else None


def _why_looser(old: FirearmBinding | None, new: FirearmBinding | None) -> str:
    """The words for a change that is known to be looser."""
    after = "no firearm" if new is None or new.firearm_id is None else new.firearm_id
    if old is None or new is None:
        return f"it could never fire, and now may with {after}"
    reasons = []
    if old.firearm_id is not None and new.firearm_id is None:
        reasons.append(f"it needs {old.firearm_id} no longer")
    elif old.firearm_id != new.firearm_id and old.firearm_id is not None:
        reasons.append(f"its firearm changes from {old.firearm_id} to {after}")
    if old.strategy_lock and not new.strategy_lock:
        reasons.append("its strategy lock comes off")
    return " and ".join(reasons)


def loosenings(published: PolicySnapshot | None, new: PolicySnapshot) -> tuple[Loosening, ...]:
    """All ways in which `new` is looser than `published`; none for a first publication (`published` is None)."""
    if published is None:
        return ()
    found = []
    for scope in sorted(set(published.firearms) | set(new.firearms)):
        why = binding_loosens(published.firearms.get(scope), new.firearms.get(scope))
        if why:
            found.append(Loosening(scope=scope, why=why))
    dropped = sorted(set(published.kpis) - set(new.kpis))
    found += [Loosening(kpi_name=name, why="the KPI is dropped") for name in dropped]
    return tuple(found)
