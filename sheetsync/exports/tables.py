"""The rows of the three exports and of the KPI table, as typed values; pure, cheap for 100,000 rows.

Values: text, booleans, counts as int, percents as float (1.0 is 100 %, floored to whole percents), and "" for an empty
cell. What is published is read in `registry`; order is by Unicode code point, which is Python's order of `str`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from sheetsync.domain.connector import EngineRoute
from sheetsync.domain.firearms import NO_FIREARM
from sheetsync.domain.published import PublishedConnector
from sheetsync.exports.coverage import cover
from sheetsync.exports.schema import CONNECTOR_REGISTRY, COVERAGE_REPORT, KPI_MATRIX, POLICY_MATRIX, TableSchema
from sheetsync.registry.live import LiveConnector, live_from_published

Value = bool | int | float | str
RowKey = tuple[str, ...]
Row = tuple[Value, ...]
Published = Mapping[str, LiveConnector] | Mapping[str, PublishedConnector]
NO_UNPUBLISHED: tuple[LiveConnector, ...] = ()
PERCENT = 100


@dataclass(frozen=True)
class Table:
    """Rows of one schema: row key → row, in the order they are shown. A row has all columns, the key's too."""

    schema: TableSchema
    rows: dict[RowKey, Row]


def as_live(published: Published) -> list[LiveConnector]:
    """The connectors that are live (no tombstones), by id."""
    plain = [one if isinstance(one, LiveConnector) else live_from_published(one) for one in published.values()]
    return sorted((one for one in plain if not one.retired), key=lambda one: one.connector_id)


def connector_registry(published: Published) -> Table:
    """Export A: one row a published connector, by id."""
    rows: dict[RowKey, Row] = {}
    for one in as_live(published):
        guarded = any(one.firearms[scope][0] is not None for scope in one.scopes if scope in one.firearms)
        rows[(one.connector_id,)] = (one.connector_id, one.version, len(one.scopes), guarded, one.published_at)
    return Table(CONNECTOR_REGISTRY, rows)


def policy_matrix(published: Published, *, unpublished_drafts: Iterable[LiveConnector] = NO_UNPUBLISHED) -> Table:
    """Export B: every scope of every published connector, by (id, scope).

    `unpublished_drafts` are the newest open drafts of connectors never published: the sheet shows their scopes too;
    the export does not.
    """
    shown = sorted([*as_live(published), *unpublished_drafts], key=lambda one: one.connector_id)
    rows: dict[RowKey, Row] = {}
    for one in shown:
        name, firearms = one.connector_id, one.firearms
        for scope in sorted(one.scopes):
            binding = firearms.get(scope)
            if binding is None:
                rows[(name, scope)] = (name, scope, "", False)
            else:
                firearm_id = binding[0]
                rows[(name, scope)] = (name, scope, NO_FIREARM if firearm_id is None else firearm_id, binding[1])
    return Table(POLICY_MATRIX, rows)


def coverage_report(published: Published, drafts: Iterable[LiveConnector], routes: Iterable[EngineRoute]) -> Table:
    """Export C: one row a route of the configuration, in its order. `drafts` are what open drafts propose."""
    found = cover(routes, as_live(published), drafts)
    rows: dict[RowKey, Row] = {(one.pattern,): (one.pattern, one.status, one.percent / PERCENT) for one in found}
    return Table(COVERAGE_REPORT, rows)


def kpi_matrix(published: Published, *, unpublished_drafts: Iterable[LiveConnector] = NO_UNPUBLISHED) -> Table:
    """The KPI table: every KPI of every published connector (and of the given drafts), by (id, KPI name)."""
    shown = sorted([*as_live(published), *unpublished_drafts], key=lambda one: one.connector_id)
    rows: dict[RowKey, Row] = {}
    for one in shown:
        for name in sorted(one.kpis):
            kpi = one.kpis[name]
            target, unit = kpi.get("target"), kpi.get("unit")
            shown_target = "" if target is None else target
            rows[(one.connector_id, name)] = (
                one.connector_id, name, kpi["impact_type"], kpi["formula"], shown_target, unit or "",
            )  # fmt: skip
    return Table(KPI_MATRIX, rows)
