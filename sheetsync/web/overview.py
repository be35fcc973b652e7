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
from sheetsync.registry.live import LiveConnector, live_from_draft_json, live_from_json
from sheetsync.registry.records import REGISTRIES, registry_record
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


@dataclass(frozen=True, slots=True)
class _Entry:
    """One connector as it was read. `mark`: the file names of all snapshots it was read from."""

    mark: tuple[str, ...]
    live: LiveConnector | None
    proposal: LiveConnector | None
    card: Card | None  # None: retired, and no draft is open
    drafts: tuple[OpenDraft, ...]


class Overview:
    """The cards, open drafts and coverage of one tenant, as of the store's newest commit. Thread-safe.

    After a commit only the connectors whose snapshots are others than before are read again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = -1
        self._entries: dict[str, _Entry] = {}
        self._cards: list[Card] = []
        self._bars: tuple[RouteBar, ...] = ()

    def cards(self, ws: Workspace, problems: Mapping[str, tuple[str, ...]]) -> list[Card]:
        """All cards by id. `problems`: connector id → what the last sync found wrong in its rows."""
        with self._lock:
            self._follow(ws)
            cards = self._cards
        if not problems:
            return cards
        return [replace(card, problems=problems[card.id]) if card.id in problems else card for card in cards]

    def open_drafts(self, ws: Workspace) -> dict[str, OpenDraft]:
        """All open drafts by id."""
        with self._lock:
            self._follow(ws)
            return {draft.id: draft for entry in self._entries.values() for draft in entry.drafts}

    def bars(self, ws: Workspace) -> tuple[RouteBar, ...]:
        """The coverage of the engine routes: the figures that export C has."""
        with self._lock:
            self._follow(ws)
            return self._bars

    def _follow(self, ws: Workspace) -> None:
        head = ws.store.head()
        if head == self._head:
            return
        catalogue = ws.catalogue()
        lines_of: dict[str, list[DraftLine]] = {}
        for line in catalogue.lines("open"):
            lines_of.setdefault(line.connector_id, []).append(line)
        marks = _marks(ws, lines_of)
        entries = {}
        for name in sorted(marks):
            known = self._entries.get(name)
            if known is None or known.mark != marks[name]:
                known = _read_entry(ws, catalogue, name, marks[name], lines_of.get(name, []))
            entries[name] = known
        self._entries, self._head = entries, head
        self._cards = [entry.card for entry in entries.values() if entry.card is not None]
        self._bars = _bars(ws, entries)


def _marks(ws: Workspace, lines_of: Mapping[str, list[DraftLine]]) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for registry in REGISTRIES:
        for record, filename in ws.store.newest(ws.ctx.tenant, registry):
            names.setdefault(record.name, []).append(filename)
    for connector, lines in lines_of.items():
        names.setdefault(connector, []).extend(line.filename for line in lines)
    return {name: tuple(filenames) for name, filenames in names.items()}


def _read_entry(
    ws: Workspace, catalogue: Catalogue, name: str, mark: tuple[str, ...], lines: list[DraftLine]
) -> _Entry:
    found = [ws.store.latest(registry_record(ws.ctx.tenant, registry, name)) for registry in REGISTRIES]
    component, firearms, kpis = (None if one is None else content(one) for one in found)
    live, title = None, ""
    if component is not None and firearms is not None and kpis is not None and not component["retired"]:
        live, title = live_from_json(component, firearms, kpis), str(component["spec"]["name"])
    newest = content(lines[-1].snapshot) if lines else None
    proposal = live_from_draft_json(newest) if newest is not None else None
    if live is None and newest is not None:
        title = str(newest["spec_snapshot"]["name"])
    drafts = tuple(_open_draft(line, catalogue) for line in lines)
    shown = live or proposal
    card = _card(name, title, shown, drafts, is_live=live is not None) if shown is not None else None
    return _Entry(mark, live, proposal, card, drafts)


def _bars(ws: Workspace, entries: Mapping[str, _Entry]) -> tuple[RouteBar, ...]:
    live = {name: entry.live for name, entry in entries.items() if entry.live is not None}
    proposals = [entry.proposal for entry in entries.values() if entry.proposal is not None]
    table = coverage_report(live, proposals, ws.routes)
    return tuple(RouteBar(str(row[0]), str(row[1]), float(row[2] or 0)) for row in table.rows.values())


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


def _card(name: str, title: str, shown: LiveConnector, drafts: tuple[OpenDraft, ...], *, is_live: bool) -> Card:
    counts: dict[str, int] = {}
    for scope in shown.scopes:
        if scope in shown.firearms:
            firearm = shown.firearms[scope][0] or "NONE"
            counts[firearm] = counts.get(firearm, 0) + 1
    return Card(
        id=name, name=title, version=shown.version, published_at=shown.published_at,
        scopes=shown.scopes, undecided=len(shown.scopes) - shown.decided(),
        firearms=tuple(sorted(counts.items())), locked=sum(1 for _id, lock in shown.firearms.values() if lock),
        kpis=tuple(sorted(shown.kpis)), drafts=drafts,
        validation="passed" if is_live else drafts[-1].validation,
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
