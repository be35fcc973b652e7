"""What is live: the records of the three registries, and the published state of one connector."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import Field

from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import UtcTime
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import ConnectorId, DraftId, KpiName, ScopeName
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.model import Model
from sheetsync.domain.policy import PolicySnapshot


class _Published(Model):
    connector_id: ConnectorId
    published_at: UtcTime
    published_by: str
    draft_id: DraftId
    retired: bool = False


class PublishedComponent(_Published):
    """A record of the ComponentRegistry. A tombstone (`retired`) keeps the last spec: versions go on above it."""

    kind: Literal["component"] = "component"
    spec: ConnectorSpec


class PublishedFirearms(_Published):
    """A record of the FirearmsPolicyStore."""

    kind: Literal["firearms"] = "firearms"
    firearms: dict[ScopeName, FirearmBinding] = Field(default_factory=dict)


class PublishedKpis(_Published):
    """A record of the KpiStore."""

    kind: Literal["kpis"] = "kpis"
    kpis: dict[KpiName, KpiBinding] = Field(default_factory=dict)


class PublishedConnector(Model):
    """The live state of one connector: its three records, written in one transaction."""

    component: PublishedComponent
    firearms: PublishedFirearms
    kpis: PublishedKpis

    @property
    def connector_id(self) -> str:
        """The connector's id."""
        return self.component.connector_id

    @property
    def spec(self) -> ConnectorSpec:
        """What is live of the spec."""
        return self.component.spec

    @property
    def retired(self) -> bool:
        """Are these tombstones?"""
        return self.component.retired

    def policy(self) -> PolicySnapshot:
        """What is live of the policy."""
        return PolicySnapshot(firearms=self.firearms.firearms, kpis=self.kpis.kpis)

    @classmethod
    def of(cls, component: PublishedComponent, firearms: PublishedFirearms, kpis: PublishedKpis) -> Self:
        """From the three records."""
        return cls(component=component, firearms=firearms, kpis=kpis)
