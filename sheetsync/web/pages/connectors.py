"""The connectors: all cards with search, filters and coverage; one connector with its history; making and retiring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

from markupsafe import Markup
from starlette.responses import Response

from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.identifiers import check_connector_id, parse_id
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotFoundError, SheetSyncError
from sheetsync.services.drafts import new_draft, restore_draft
from sheetsync.services.publishing import retire_connector
from sheetsync.services.workspace import Workspace
from sheetsync.web.overview import FILTERS, Card, Filter, select_cards
from sheetsync.web.picture import draw_coverage
from sheetsync.web.sheet_health import problems_by_connector
from sheetsync.web.visit import Visit

CARDS_PER_PAGE: Final = 60
VERSIONS_SHOWN: Final = 50
NEW_FIELDS: Final = ("id", "name", "description", "scopes", "engine_routes")


def show_connectors(visit: Visit) -> Response:
    """All cards; `q`, `only` and `page` select. `page=0` shows all on one page."""
    ws = visit.workspace
    words = visit.query.one("q")[:200]
    wanted: list[Filter] = [key for key in FILTERS if key in visit.query.all("only")]
    cards = visit.site.overview.cards(ws, problems_by_connector(ws))
    found = select_cards(cards, words=words, wanted=wanted)
    page, pages = _page(visit.query.one("page"), len(found))
    first = (page - 1) * CARDS_PER_PAGE if page else 0
    shown = found[first : first + CARDS_PER_PAGE] if page else found
    bars = visit.site.overview.bars(ws)
    return visit.show(
        "connectors.html",
        cards=Markup("").join(visit.site.card_html(card) for card in shown),
        total=len(cards), live=sum(1 for card in cards if card.published_at),
        open_drafts=sum(len(card.drafts) for card in cards),
        words=words, wanted=wanted, filters=FILTERS,
        counts={key: sum(1 for card in cards if card.passes(key)) for key in FILTERS},
        matching=len(found), shown=len(shown), first=first + 1, page=page, pages=pages,
        page_url=lambda number: _page_url(words, wanted, number),
        bars=bars, picture=draw_coverage(bars), wrapped=sum(bar.status == "DONE" for bar in bars),
    )  # fmt: skip


def show_connector(visit: Visit) -> Response:
    """One connector: its card in full, its open drafts, and what was live when."""
    ws, name = visit.workspace, _connector_id(visit)
    catalogue = ws.catalogue()
    card = _card_of(visit, ws, name)
    published, records = catalogue.published(name), catalogue.records_of(name)
    if published is None and card is None:
        raise NotFoundError(f"there is no connector {name!r}", hint="see the list of all connectors")
    live = published is not None and not published.retired
    shown = _Shown(published.spec, published.policy()) if published is not None and live else None
    newest = catalogue.newest_open(name) if shown is None else None
    if newest is not None:
        shown = _Shown(newest.draft.spec_snapshot, newest.draft.policy_snapshot)
    return visit.show(
        "connector.html", name=name, card=card, published=published, live=live,
        spec=shown.spec if shown else None, policy=shown.policy if shown else None,
        drafts=card.drafts if card else (),
        versions=visit.site.histories.of(ws, records[0])[:VERSIONS_SHOWN] if records else (),
    )  # fmt: skip


class _Shown(NamedTuple):
    """What the page shows of a connector: what is live, or what its newest draft says."""

    spec: ConnectorSpec
    policy: PolicySnapshot


def show_new(visit: Visit) -> Response:
    """The form for a new connector."""
    return visit.show("new_connector.html", values=dict.fromkeys(NEW_FIELDS, ""), problem="")


def make_connector(visit: Visit) -> Response:
    """A first draft of a connector that does not exist yet."""
    ws, form = visit.workspace, visit.form
    values = {name: form.one(name).strip() for name in NEW_FIELDS}
    try:
        name = parse_id(check_connector_id, values["id"], hint="lower-case letters, digits and single dashes")
        catalogue = ws.catalogue()
        if catalogue.published(name) is not None or catalogue.newest_open(name) is not None:
            return visit.show("new_connector.html", 409, values=values, problem=f"There is a connector {name} already.")
        scopes = [{"name": line.strip()} for line in values["scopes"].splitlines() if line.strip()]
        routes = [line.strip() for line in values["engine_routes"].splitlines() if line.strip()]
        spec = {
            "name": values["name"], "description": values["description"], "scopes": scopes, "engine_routes": routes,
        }  # fmt: skip
        stored = new_draft(ws, name, spec)
    except SheetSyncError as error:
        return visit.show("new_connector.html", 422, values=values, problem=f"{error.message}. {error.hint}".strip())
    visit.tell("good", f"{stored.draft.id} is saved. Decide its scopes next.")
    return visit.go(f"/drafts/{stored.draft.id}/edit")


def make_draft(visit: Visit) -> Response:
    """A new draft of a connector that exists, from what is published."""
    stored = new_draft(visit.workspace, _connector_id(visit))
    visit.tell("good", f"{stored.draft.id} starts from what is there now. Nothing is live before you publish it.")
    return visit.go(f"/drafts/{stored.draft.id}/edit")


def make_retirement(visit: Visit) -> Response:
    """A draft that retires the connector; publishing it is another step."""
    stored = retire_connector(visit.workspace, _connector_id(visit))
    visit.tell("plain", f"{stored.draft.id} retires {stored.draft.connector_id} once it is published.")
    return visit.go(f"/drafts/{stored.draft.id}")


def restore_connector(visit: Visit) -> Response:
    """Undo: an earlier published state as a new draft."""
    stored = restore_draft(visit.workspace, _connector_id(visit), visit.form.one("at"))
    visit.tell("good", f"{stored.draft.id} holds the earlier state. Nothing is live before you publish it.")
    return visit.go(f"/drafts/{stored.draft.id}")


def _connector_id(visit: Visit) -> str:
    return parse_id(check_connector_id, visit.params["connector"], hint="see the list of all connectors")


def _card_of(visit: Visit, ws: Workspace, name: str) -> Card | None:
    cards = visit.site.overview.cards(ws, problems_by_connector(ws))
    return next((card for card in cards if card.id == name), None)


def _page(asked: str, found: int) -> tuple[int, int]:
    pages = max(1, -(-found // CARDS_PER_PAGE))
    number = int(asked) if asked.isascii() and asked.isdigit() and len(asked) < 8 else 1
    return (0, 1) if number == 0 else (min(number, pages), pages)


def _page_url(words: str, wanted: Sequence[str], number: int) -> str:
    pairs = [("q", words)] if words else []
    return "/?" + urlencode([*pairs, *(("only", key) for key in wanted), ("page", str(number))])
