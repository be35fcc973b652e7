"""A policy as the cells that owners see: addresses, values, and the way back.

The columns, their order and their kinds as a table are in `exports.schema`; who may edit what is in `sync`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final, NamedTuple, TypeVar

from pydantic import ValidationError

from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import NO_FIREARM, FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.model import describe_validation
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError

POLICY_TAB: Final = "Policy Matrix"
KPI_TAB: Final = "KPIs"
FIREARM_COLUMNS: Final = ("firearm_id", "strategy_lock")
KPI_NAME: Final = "kpi_name"  # the column whose value says that the row is there
KPI_COLUMNS: Final = ("impact_type", "formula", "target", "unit")
UNDECIDED: Final = ""  # what `firearm_id` shows for a scope without a binding
EMPTY: Final = ""  # what an absent target or unit shows
_T = TypeVar("_T")


class PolicyCell(NamedTuple):
    """One cell of a connector's policy; `name` is the scope or the KPI's name."""

    tab: str
    name: str
    column: str


def is_kpi_column(column: str) -> bool:
    """Does this column belong to the KPI table?"""
    return column == KPI_NAME or column in KPI_COLUMNS


def cell_at(row_key: Iterable[str], column: str) -> PolicyCell:
    """The address of a cell of the owners' tabs, from its row key (connector id, scope or KPI name)."""
    *_, name = row_key
    return PolicyCell(KPI_TAB if is_kpi_column(column) else POLICY_TAB, name, column)


def firearm_value(binding: FirearmBinding | None, column: str) -> CellValue:
    """What a scope's cell shows; an undecided scope shows an empty firearm and no lock."""
    if column == "strategy_lock":
        return binding.strategy_lock if binding else False
    return binding.shown() if binding else UNDECIDED


def locks_nothing(firearm: CellValue, lock: CellValue) -> bool:
    """Is there a strategy lock, but no firearm that it could lock? No valid row is so."""
    return bool(lock) and firearm in (UNDECIDED, NO_FIREARM)


def kpi_value(name: str, binding: KpiBinding | None, column: str) -> CellValue:
    """What a KPI's cell shows; None where there is no such row."""
    if binding is None:
        return None
    if column == KPI_NAME:
        return name
    value: CellValue = getattr(binding, column)
    return EMPTY if value is None else value


def read_cell(policy: PolicySnapshot, cell: PolicyCell) -> CellValue:
    """The value that this policy has in `cell`."""
    if cell.tab == KPI_TAB:
        return kpi_value(cell.name, policy.kpis.get(cell.name), cell.column)
    return firearm_value(policy.firearms.get(cell.name), cell.column)


def policy_cells(policy: PolicySnapshot) -> dict[PolicyCell, CellValue]:
    """All cells of a policy, in code-point order of scope and KPI name; undecided scopes have none."""
    cells: dict[PolicyCell, CellValue] = {}
    for scope in sorted(policy.firearms):
        for column in FIREARM_COLUMNS:
            cells[PolicyCell(POLICY_TAB, scope, column)] = firearm_value(policy.firearms[scope], column)
    for name in sorted(policy.kpis):
        for column in (KPI_NAME, *KPI_COLUMNS):
            cells[PolicyCell(KPI_TAB, name, column)] = kpi_value(name, policy.kpis[name], column)
    return cells


def with_cells(policy: PolicySnapshot, changes: Mapping[PolicyCell, CellValue]) -> PolicySnapshot:
    """The policy with these cells changed, all at once.

    A `kpi_name` of None removes the KPI; an empty `firearm_id` makes the scope undecided, whatever its lock was.

    Raises:
        InvalidContentError: the outcome breaks a rule of the model, e.g. a lock with `NONE`, a KPI without formula.
    """
    firearms, kpis = dict(policy.firearms), dict(policy.kpis)
    for tab, name in dict.fromkeys((cell.tab, cell.name) for cell in changes):
        row = {cell.column: value for cell, value in changes.items() if (cell.tab, cell.name) == (tab, name)}
        try:
            if tab == KPI_TAB:
                _put(kpis, name, _kpi(name, kpis.get(name), row))
            else:
                _put(firearms, name, _binding(firearms.get(name), row))
        except ValidationError as exc:
            raise InvalidContentError(describe_validation(exc, f"{tab}: {name}")) from exc
    return PolicySnapshot(firearms=firearms, kpis=kpis)


def _put(into: dict[str, _T], name: str, value: _T | None) -> None:
    if value is None:
        into.pop(name, None)
    else:
        into[name] = value


def _binding(old: FirearmBinding | None, row: Mapping[str, CellValue]) -> FirearmBinding | None:
    firearm = row.get("firearm_id", firearm_value(old, "firearm_id"))
    if firearm in (UNDECIDED, None):
        return None
    shown = None if firearm == NO_FIREARM else firearm
    lock = row.get("strategy_lock", firearm_value(old, "strategy_lock"))
    return FirearmBinding.model_validate({"firearm_id": shown, "strategy_lock": bool(lock)})


def _kpi(name: str, old: KpiBinding | None, row: Mapping[str, CellValue]) -> KpiBinding | None:
    if KPI_NAME in row and row[KPI_NAME] is None:
        return None
    values = {column: row.get(column, kpi_value(name, old, column)) for column in KPI_COLUMNS}
    if KPI_NAME not in row and all(value is None for value in values.values()):
        return None
    return KpiBinding.model_validate({column: None if value == EMPTY else value for column, value in values.items()})
