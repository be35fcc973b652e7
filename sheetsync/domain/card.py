"""The card of a connector: what people see of it at a glance. A value; it is put together in `services.catalogue`."""

from __future__ import annotations

from typing import Literal

from sheetsync.domain.connector import Scope
from sheetsync.domain.draft import Stage, UtcTime, Validation
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import ConnectorId, DraftId
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.model import Model

CardState = Literal["published", "draft", "retired"]


class CardDraft(Model):
    """An open draft of the connector."""

    id: DraftId
    stage: Stage
    origin: str
    pending_edits: int
    conflicts: int


class CardScope(Model):
    """One scope with its decision; `firearm` None is an undecided scope."""

    scope: Scope
    firearm: FirearmBinding | None


class Card(Model):
    """One connector.

    `state` says where the values are from: what is published, the newest open draft of one never published, or the
    tombstone of one retired. `validation` is the sandbox's result of what is shown, where there is one.
    """

    id: ConnectorId
    state: CardState
    version: str
    name: str
    description: str
    scopes: tuple[CardScope, ...]
    kpis: dict[str, KpiBinding]
    engine_routes: tuple[str, ...]
    validation: Validation | None
    published_at: UtcTime | None = None
    published_by: str | None = None
    drafts: tuple[CardDraft, ...] = ()
