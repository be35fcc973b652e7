"""A connector's policy: who may fire it (a firearm per scope), and the KPIs it moves."""

from __future__ import annotations

from pydantic import Field

from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import KpiName, ScopeName
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.model import Model


class PolicySnapshot(Model):
    """`firearms`: scope → binding (a scope that is absent is undecided); `kpis`: KPI name → binding."""

    firearms: dict[ScopeName, FirearmBinding] = Field(default_factory=dict)
    kpis: dict[KpiName, KpiBinding] = Field(default_factory=dict)
