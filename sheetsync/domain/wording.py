"""The owners' words for changes and loosening: one wording for `draft diff`, the command line, notes and the page."""

from __future__ import annotations

from collections.abc import Iterable

from sheetsync.domain.cells import PolicyCell, firearm_value, read_cell
from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.gate import Loosening, binding_loosens
from sheetsync.domain.policy import PolicySnapshot


def show_value(value: CellValue) -> str:
    """A cell's value for people: `TRUE`, `FALSE`, `(empty)`, `(no row)`, a number without `.0`, or the text."""
    if value is None:
        return "(no row)"
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer() and abs(value) < 1e15:
        return str(int(value))
    return str(value) or "(empty)"


def describe_loosening(loosening: Loosening) -> str:
    """`looser: scope 'write': its firearm changes from … to …`."""
    where = f"scope {loosening.scope!r}" if loosening.scope else f"KPI {loosening.kpi_name!r}"
    return f"looser: {where}: {loosening.why}"


def describe_loosenings(found: Iterable[Loosening]) -> str:
    """All of them on one line; empty if there is none."""
    return "; ".join(describe_loosening(loosening) for loosening in found)


def describe_change(cell: PolicyCell, old: CellValue, new: CellValue) -> str:
    """`write: firearm_id firearm.a → NONE`, or that a KPI is added or dropped."""
    if cell.column == "kpi_name":
        return f"KPI {cell.name} is {'dropped' if new is None else 'added'}"
    return f"{cell.name}: {cell.column} {show_value(old)} → {show_value(new)}"


def cell_loosening(published: PolicySnapshot | None, new: PolicySnapshot, cell: PolicyCell) -> str | None:
    """Why the change of this one cell is a loosening against published, in the owners' words; None if it is not.

    A scope's two cells count together; the cell that loosens by itself is the one marked. `published` is None for a
    connector never published, where nothing is a loosening.
    """
    if published is None or read_cell(published, cell) == read_cell(new, cell):
        return None
    if cell.column == "kpi_name" and cell.name not in new.kpis:
        return describe_loosening(Loosening(kpi_name=cell.name, why="the KPI is dropped"))
    if cell.column not in ("firearm_id", "strategy_lock"):
        return None
    old, now = published.firearms.get(cell.name), new.firearms.get(cell.name)
    together = binding_loosens(old, now)
    if together is None:
        return None
    other = "strategy_lock" if cell.column == "firearm_id" else "firearm_id"
    alone = _loosens_alone(old, now, cell.column)
    if alone is None and _loosens_alone(old, now, other) is not None:
        return None
    return describe_loosening(Loosening(scope=cell.name, why=together))


def _loosens_alone(old: FirearmBinding | None, new: FirearmBinding | None, column: str) -> str | None:
    """Why `new`'s value in this column alone would loosen `old`; a lock alone with NONE stands for no lock."""
    moved = {name: firearm_value(new if name == column else old, name) for name in ("firearm_id", "strategy_lock")}
    if not moved["firearm_id"]:
        return None
    firearm_id = None if moved["firearm_id"] == "NONE" else str(moved["firearm_id"])
    lock = bool(moved["strategy_lock"]) and firearm_id is not None
    return binding_loosens(old, FirearmBinding(firearm_id=firearm_id, strategy_lock=lock))
