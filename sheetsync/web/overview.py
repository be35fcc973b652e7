"""The cards of all connectors, kept between requests and rebuilt only where a record changed.

A card is what the contract says: Name/ID, Version, Scopes, Firearms, KPIs, Validation. Cards are made from the stored
JSON; only connectors with an open draft are parsed in full, to see whether the draft loosens.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from markupsafe import Markup

from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.domain.gate import loosenings
from sheetsync.exports.tables import coverage_report
from sheetsync.registry.catalogue import Catalogue
from sheetsync.registry.draft_lines import DraftLine, content
from sheetsync.registry.live import LiveConnector, live_from_draft_json
from sheetsync.registry.records import COMPONENTS
from sheetsync.services.workspace import Workspace
from sheetsync.web.picture import RouteBar

Filter = Literal["undecided", "loosening", "problems", "drafts"]
FILTERS: Final[dict[Filter, str]] = {
    "undecided": "undecided scopes",
    "loosening": "loosening pending",
    "problems": "problems",
    "drafts": "open drafts",
}
ValidationState = Literal["passed", "failed", "not run", "out of date"]


@dataclass(frozen=True, slots=True)
class OpenDraft:
    """An open draft, as a card tells it."""

    id: str
    stage: str
    origin: str
    created_at: str
    pending_edits: int
    loosens: bool
    conflicts: int
    validation: ValidationState


@dataclass(frozen=True, slots=True)
class Card:
    """One connector at a glance. Without `published_at` it was never published and the card shows its newest draft."""

    id: str
    name: str
    version: str
    published_at: str
    scopes: tuple[str, ...]
    undecided: int
    firearms: tuple[tuple[str, int], ...]
    locked: int
    kpis: tuple[str, ...]
    validation: ValidationState
    drafts: tuple[OpenDraft, ...]
    problems: tuple[str, ...] = ()
    search: str = ""

    @property
    def loosening(self) -> bool:
        """Would an open draft loosen what is live?"""
        return any(draft.loosens for draft in self.drafts)

    @property
    def troubled(self) -> bool:
        """Is there something to see to: a problem in the sheet, a conflict, a failed validation?"""
        return bool(self.problems) or any(draft.conflicts or draft.validation == "failed" for draft in self.drafts)

    def passes(self, wanted: Filter) -> bool:
        """Does the card belong under this filter?"""
        if wanted == "undecided":
            return self.undecided > 0
        if wanted == "loosening":
            return self.loosening
        return self.troubled if wanted == "problems" else bool(self.drafts)


class Overview:
    """The cards, open drafts and coverage of one tenant, as of the store's newest commit. Thread-safe."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = -1
        self._marks: dict[str, tuple[object, ...]] = {}
        self._cards: dict[str, Card] = {}
        self._drafts: dict[str, tuple[str, OpenDraft]] = {}
        self._bars: tuple[RouteBar, ...] = ()

    def cards(self, ws: Workspace, problems: Mapping[str, tuple[str, ...]]) -> list[Card]:
        """All cards by id. `problems`: connector id → what the last sync found wrong in its rows."""
        with self._lock:
            self._follow(ws)
            cards = list(self._cards.values())
        if not problems:
            return cards
        return [replace(card, problems=problems[card.id]) if card.id in problems else card for card in cards]

    def open_drafts(self, ws: Workspace) -> dict[str, OpenDraft]:
        """All open drafts by id."""
        with self._lock:
            self._follow(ws)
            return {name: told for name, (_mark, told) in self._drafts.items()}

    def bars(self, ws: Workspace) -> tuple[RouteBar, ...]:
        """The coverage of the engine routes: the figures that export C has."""
        with self._lock:
            self._follow(ws)
            return self._bars

    def _follow(self, ws: Workspace) -> None:
        head = ws.store.head()
        if head != self._head:
            self._rebuild(ws)
            self._head = head

    def _rebuild(self, ws: Workspace) -> None:
        catalogue = ws.catalogue()
        lines_of: dict[str, list[DraftLine]] = {}
        for line in catalogue.lines("open"):
            lines_of.setdefault(line.connector_id, []).append(line)
        live = catalogue.live_all()
        titles = {
            one.record.name: content(one)["spec"]["name"] for one in ws.store.latest_all(ws.ctx.tenant, COMPONENTS)
        }
        cards: dict[str, Card] = {}
        marks: dict[str, tuple[object, ...]] = {}
        drafts: dict[str, tuple[str, OpenDraft]] = {}
        for name in sorted({*live, *lines_of}):
            lines = lines_of.get(name, [])
            mark = (live.get(name), titles.get(name), *(line.filename for line in lines))
            if self._marks.get(name) == mark:
                cards[name] = self._cards[name]
                drafts |= {line.id: self._drafts[line.id] for line in lines}
            else:
                told = {line.id: (line.filename, _open_draft(line, catalogue)) for line in lines}
                drafts |= told
                opened = tuple(one for _mark, one in told.values())
                cards[name] = _card(name, titles.get(name, ""), live.get(name), lines, opened)
            marks[name] = mark
        table = coverage_report(live, catalogue.proposals().values(), ws.routes)
        bars = (RouteBar(str(row[0]), str(row[1]), float(row[2] or 0)) for row in table.rows.values())
        self._cards, self._marks, self._drafts, self._bars = cards, marks, drafts, tuple(bars)


class CardShelf:
    """The HTML of cards, by connector; a card's HTML stands until the card is another. Thread-safe."""

    def __init__(self) -> None:
        self._made: dict[str, tuple[Card, Markup]] = {}

    def of(self, card: Card, make: Callable[[], Markup]) -> Markup:
        """The card's HTML, made if need be."""
        known = self._made.get(card.id)
        if known is not None and (known[0] is card or known[0] == card):
            return known[1]
        html = make()
        self._made[card.id] = (card, html)
        return html


def _open_draft(line: DraftLine, catalogue: Catalogue) -> OpenDraft:
    draft = WorkbenchDraft.from_json(content(line.snapshot))
    published = catalogue.published(line.connector_id)
    looser = () if draft.retires else loosenings(published.policy() if published else None, draft.policy_snapshot)
    return OpenDraft(
        id=line.id, stage=line.stage, origin=line.origin, created_at=line.created_at, pending_edits=line.pending_edits,
        loosens=bool(looser), conflicts=len(draft.open_conflicts()), validation=validation_state(draft),
    )  # fmt: skip


def validation_state(draft: WorkbenchDraft) -> ValidationState:
    """What the sandbox said, and whether it was about this content."""
    if draft.validation is None:
        return "not run"
    if draft.validation.content_hash != draft.content_hash():
        return "out of date"
    return "passed" if draft.validation.ok else "failed"


def _card(
    name: str, title: str, live: LiveConnector | None, lines: list[DraftLine], drafts: tuple[OpenDraft, ...]
) -> Card:
    shown = live if live is not None else live_from_draft_json(content(lines[-1].snapshot))
    counts: dict[str, int] = {}
    for scope in shown.scopes:
        if scope in shown.firearms:
            firearm = shown.firearms[scope][0] or "NONE"
            counts[firearm] = counts.get(firearm, 0) + 1
    if live is None:
        title = str(content(lines[-1].snapshot)["spec_snapshot"].get("name", ""))
    return Card(
        id=name, name=title, version=shown.version, published_at=shown.published_at if live else "",
        scopes=shown.scopes, undecided=len(shown.scopes) - shown.decided(),
        firearms=tuple(sorted(counts.items())), locked=sum(1 for _id, lock in shown.firearms.values() if lock),
        kpis=tuple(sorted(shown.kpis)), drafts=drafts,
        validation="passed" if live is not None else drafts[-1].validation,
        search=" ".join((name, title, *shown.scopes)).casefold(),
    )  # fmt: skip


def select_cards(cards: Iterable[Card], *, words: str = "", wanted: Iterable[Filter] = ()) -> list[Card]:
    """The cards that hold all the words and pass all the filters."""
    parts, filters = words.casefold().split(), list(wanted)
    return [
        card
        for card in cards
        if all(part in card.search for part in parts) and all(card.passes(one) for one in filters)
    ]
