"""Putting a connector's card together from the registries and its open drafts."""

from __future__ import annotations

from sheetsync.domain.card import Card, CardDraft, CardScope, CardState
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import Validation
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotFoundError
from sheetsync.registry.catalogue import Catalogue, StoredDraft, pending_edits_of


def make_card(catalogue: Catalogue, connector_id: str) -> Card | None:
    """The card of a connector, or None if there is neither a record nor an open draft of it."""
    live = catalogue.published(connector_id)
    drafts = catalogue.drafts("open", connector_id)
    if live is None and not drafts:
        return None
    if live is None:
        newest = drafts[-1].draft
        return _card("draft", newest.spec_snapshot, newest.policy_snapshot, newest.validation, drafts)
    state: CardState = "retired" if live.retired else "published"
    validation = _validation_of(catalogue, live.component.draft_id)
    made = _card(state, live.spec, live.policy(), validation, drafts)
    stamp = {"published_at": live.component.published_at, "published_by": live.component.published_by}
    return made.model_copy(update=stamp)


def make_cards(catalogue: Catalogue) -> list[Card]:
    """The cards of all connectors that are live or have an open draft, by id."""
    names = sorted({*catalogue.published_ids(), *(line.connector_id for line in catalogue.lines("open"))})
    cards = (make_card(catalogue, name) for name in names)
    return [card for card in cards if card is not None]


def _card(
    state: CardState,
    spec: ConnectorSpec,
    policy: PolicySnapshot,
    validation: Validation | None,
    drafts: list[StoredDraft],
) -> Card:
    return Card(
        id=spec.id,
        state=state,
        version=spec.version,
        name=spec.name,
        description=spec.description,
        scopes=tuple(CardScope(scope=scope, firearm=policy.firearms.get(scope.name)) for scope in spec.scopes),
        kpis=policy.kpis,
        engine_routes=spec.engine_routes,
        validation=validation,
        drafts=tuple(_card_draft(one) for one in drafts),
    )


def _card_draft(stored: StoredDraft) -> CardDraft:
    draft = stored.draft
    return CardDraft(
        id=draft.id,
        stage=draft.stage,
        origin=draft.origin.kind,
        pending_edits=pending_edits_of(draft),
        conflicts=len(draft.open_conflicts()),
    )


def _validation_of(catalogue: Catalogue, draft_id: str) -> Validation | None:
    """The validation of the draft that was published."""
    try:
        return catalogue.draft(draft_id).draft.validation
    except NotFoundError:
        return None
