"""The tables as values: which columns there are, of which kind, who owns them, and what makes a row's key.

Their rows are computed in `tables`; how they are written as TSV is in `tsv`, and as a spreadsheet in `gsheets`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from sheetsync.domain.cells import KPI_TAB, POLICY_TAB

Kind = Literal["text", "bool", "count", "percent", "number"]
Owner = Literal["owners", "sync"]


@dataclass(frozen=True)
class Column:
    """One column: `kind` says how its values are typed, `owner` who may write it, `key` whether it is of the key."""

    name: str
    kind: Kind = "text"
    owner: Owner = "sync"
    key: bool = False


@dataclass(frozen=True)
class TableSchema:
    """One table: `title` is the tab's, `name` the file's (without `.tsv`)."""

    title: str
    name: str
    columns: tuple[Column, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def key(self) -> tuple[int, ...]:
        """The places of the key columns."""
        return tuple(place for place, column in enumerate(self.columns) if column.key)

    def place(self, column: str) -> int:
        """Where a column stands, from 0; ValueError if there is none of this name."""
        return self.names.index(column)


CONNECTOR_REGISTRY: Final = TableSchema(
    title="Connector Registry",
    name="connector_registry",
    columns=(
        Column("connector_id", key=True),
        Column("version"),
        Column("scope_count", "count"),
        Column("firearms_required", "bool"),
        Column("published_at"),
    ),
)
POLICY_MATRIX: Final = TableSchema(
    title=POLICY_TAB,
    name="policy_matrix",
    columns=(
        Column("connector_id", key=True),
        Column("scope", key=True),
        Column("firearm_id", owner="owners"),
        Column("strategy_lock", "bool", owner="owners"),
    ),
)
COVERAGE_REPORT: Final = TableSchema(
    title="Coverage Report",
    name="coverage_report",
    columns=(
        Column("engine_route", key=True),
        Column("mcp_wrapper_status"),
        Column("policy_coverage", "percent"),
    ),
)
KPI_MATRIX: Final = TableSchema(
    title=KPI_TAB,
    name="kpi_matrix",
    columns=(
        Column("connector_id", owner="owners", key=True),
        Column("kpi_name", owner="owners", key=True),
        Column("impact_type", owner="owners"),
        Column("formula", owner="owners"),
        Column("target", "number", owner="owners"),
        Column("unit", owner="owners"),
    ),
)
EXPORTS: Final = (CONNECTOR_REGISTRY, POLICY_MATRIX, COVERAGE_REPORT)
TABLES: Final = (*EXPORTS, KPI_MATRIX)
