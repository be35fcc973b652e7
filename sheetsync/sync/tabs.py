"""The tabs that sheetsync keeps, and their columns: who owns which, and of what kind.

How a tab is drawn (widths, colours, protections) is not here: that is `gsheets.layout`. What its rows are is in `view`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from sheetsync.domain.cells import KPI_NAME, KPI_TAB, POLICY_TAB

Role = str  # "policy" | "kpis" | "registry" | "coverage" | "status": names a tab of ours whatever its title is
RowKey = tuple[str, ...]
Cell = tuple[str, RowKey, str]  # (role, row key, column)
Kind = Literal["text", "firearm", "bool", "count", "percent", "number", "impact", "formula"]

POLICY: Final[Role] = "policy"
KPIS: Final[Role] = "kpis"
REGISTRY: Final[Role] = "registry"
COVERAGE: Final[Role] = "coverage"
STATUS: Final[Role] = "status"
SCRATCH: Final[Role] = "scratch"
STAGING: Final[Role] = "staging"

FIREARM: Final = "firearm_id"
LOCK: Final = "strategy_lock"
PRESENCE: Final = KPI_NAME  # the column whose edit says that a KPI row was added or deleted
SYNC_STATUS: Final = "sync_status"


@dataclass(frozen=True, slots=True)
class TabColumn:
    """One column: `owners` says that policy owners write it."""

    name: str
    kind: Kind = "text"
    owners: bool = False
    key: bool = False


@dataclass(frozen=True)
class TabLayout:
    """A tab's canonical title and its columns, in the order in which they are created.

    What follows from the columns is worked out once: it is asked for at every cell.
    """

    role: Role
    title: str
    columns: tuple[TabColumn, ...]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The columns' names, in order."""
        return tuple(column.name for column in self.columns)

    @cached_property
    def key_width(self) -> int:
        """How many leading columns are the row's key."""
        return sum(column.key for column in self.columns)

    @cached_property
    def width(self) -> int:
        """How many columns hold data: all but `sync_status`."""
        return len(self.columns) - (self.columns[-1].name == SYNC_STATUS)

    @cached_property
    def owned(self) -> tuple[TabColumn, ...]:
        """The columns that owners write, without keys."""
        return tuple(column for column in self.columns if column.owners and not column.key)

    @cached_property
    def owned_names(self) -> tuple[str, ...]:
        """The names of `owned`."""
        return tuple(column.name for column in self.owned)

    @cached_property
    def answers(self) -> bool:
        """Has the tab a `sync_status` column?"""
        return self.columns[-1].name == SYNC_STATUS

    @cached_property
    def places(self) -> dict[str, int]:
        """Column → its index among ours."""
        return {name: at for at, name in enumerate(self.names)}

    def position(self, name: str) -> int:
        """The index of a column among ours."""
        return self.places[name]


LAYOUTS: Final[dict[Role, TabLayout]] = {
    layout.role: layout
    for layout in (
        TabLayout(
            POLICY,
            POLICY_TAB,
            (
                TabColumn("connector_id", key=True),
                TabColumn("scope", key=True),
                TabColumn(FIREARM, "firearm", owners=True),
                TabColumn(LOCK, "bool", owners=True),
                TabColumn(SYNC_STATUS),
            ),
        ),
        TabLayout(
            KPIS,
            KPI_TAB,
            (
                TabColumn("connector_id", owners=True, key=True),
                TabColumn(PRESENCE, owners=True, key=True),
                TabColumn("impact_type", "impact", owners=True),
                TabColumn("formula", "formula", owners=True),
                TabColumn("target", "number", owners=True),
                TabColumn("unit", owners=True),
                TabColumn(SYNC_STATUS),
            ),
        ),
        TabLayout(
            REGISTRY,
            "Connector Registry",
            (
                TabColumn("connector_id", key=True),
                TabColumn("version"),
                TabColumn("scope_count", "count"),
                TabColumn("firearms_required", "bool"),
                TabColumn("published_at"),
            ),
        ),
        TabLayout(
            COVERAGE,
            "Coverage Report",
            (
                TabColumn("engine_route", key=True),
                TabColumn("mcp_wrapper_status"),
                TabColumn("policy_coverage", "percent"),
            ),
        ),
        TabLayout(
            STATUS,
            "Sync Status",
            (
                TabColumn("number", "count", key=True),
                TabColumn("what"),
                TabColumn("tab"),
                TabColumn("row"),
                TabColumn("column"),
                TabColumn("base"),
                TabColumn("yours"),
                TabColumn("theirs"),
                TabColumn("message"),
            ),
        ),
    )
}
OWNER_ROLES: Final = (POLICY, KPIS)
SYNC_ROLES: Final = (REGISTRY, COVERAGE, STATUS)
ROLES: Final = (POLICY, KPIS, REGISTRY, COVERAGE, STATUS)


def title_of(role: Role) -> str:
    """The canonical title of a tab, as reports name it."""
    return LAYOUTS[role].title


def role_of(title: str) -> Role | None:
    """The role whose canonical title this is (in any case)."""
    return next((role for role, layout in LAYOUTS.items() if layout.title.casefold() == title.strip().casefold()), None)


def column_letters(index: int) -> str:
    """0 → A, 25 → Z, 26 → AA."""
    letters = ""
    index += 1
    while index:
        index, rest = divmod(index - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return letters


def a1(row_index: int, column_index: int) -> str:
    """The A1 name of a cell, without the tab: (1, 2) → C2."""
    return f"{column_letters(column_index)}{row_index + 1}"
