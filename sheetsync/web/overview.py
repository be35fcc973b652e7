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

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.domain.gate import loosenings
from sheetsync.exports.tables import coverage_report
from sheetsync.registry.catalogue import Catalogue, pending_edits_of
from sheetsync.registry.draft_lines import DraftLine, content
from sheetsync.registry.live import LiveConnector, live_from_draft_json, live_from_json
from sheetsync.registry.records import DRAFTS, REGISTRIES, registry_record
from sheetsync.services.workspace import Workspace
from sheetsync.store import RecordId, Snapshot, Store
from sheetsync.web.picture import RouteBar

Filter = Literal["undecided", "loosening", "problems", "drafts"]
FILTERS: Final[dict[Filter, str]] = {
    "undecided": "undecided scopes",
    "loosening": "loosening pending",
    "problems": "problems",
    "drafts": "open drafts",
}
COMMITS_FOLLOWED: Final = 50  # after more commits, or larger ones, everything is looked at again
SNAPSHOTS_FOLLOWED: Final = 500
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
    records: tuple[RecordId, ...]  # of the open drafts


class Overview:
    """The cards, open drafts and coverage of one tenant, as of the store's newest commit. Thread-safe.

    After a commit only the connectors whose snapshots are others than before are read again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._head = -1
        self._store: Store | None = None
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
        if ws.store is not self._store:  # it was opened anew, and may be an older copy
            self._store, self._head, self._entries = ws.store, -1, {}
        if head == self._head:
            return
        touched = _touched(ws, self._head, head)
        entries = self._read_all(ws) if touched is None else self._read_touched(ws, touched)
        self._entries, self._head = entries, head
        self._cards = [entry.card for entry in entries.values() if entry.card is not None]
        self._bars = _bars(ws, entries)

    def _read_touched(self, ws: Workspace, touched: Mapping[str, set[RecordId]]) -> dict[str, _Entry]:
        entries, catalogue = dict(self._entries), ws.catalogue()
        for name, records in touched.items():
            known = entries.get(name)
            read = (ws.store.latest(record) for record in {*records, *(known.records if known else ())})
            drafts = [one for one in read if one is not None and content(one)["status"] == "open"]
            entries[name] = _read_entry(ws, catalogue, name, sorted(drafts, key=_made))
        return dict(sorted(entries.items()))

    def _read_all(self, ws: Workspace) -> dict[str, _Entry]:
        catalogue = ws.catalogue()
        lines_of: dict[str, list[DraftLine]] = {}
        for line in catalogue.lines("open"):
            lines_of.setdefault(line.connector_id, []).append(line)
        marks, entries = _marks(ws, lines_of), {}
        for name in sorted(marks):
            known = self._entries.get(name)
            if known is None or known.mark != marks[name]:
                known = _read_entry(ws, catalogue, name, [line.snapshot for line in lines_of.get(name, [])])
            entries[name] = known
        return entries


def _touched(ws: Workspace, since: int, head: int) -> dict[str, set[RecordId]] | None:
    """Connectors that commits after `since` touched, with the records of their drafts; None: too many, read all."""
    if since < 0 or head - since > COMMITS_FOLLOWED:
        return None
    touched: dict[str, set[RecordId]] = {}
    for commit in ws.store.log(since=since):
        if len(commit.snapshots) > SNAPSHOTS_FOLLOWED:
            return None
        for one in commit.snapshots:
            folder = one.record.folder[:1]
            if folder == DRAFTS:
                touched.setdefault(content(one)["connector_id"], set()).add(one.record)
            elif folder in REGISTRIES:
                touched.setdefault(one.record.name, set())
    return touched


def _marks(ws: Workspace, lines_of: Mapping[str, list[DraftLine]]) -> dict[str, tuple[str, ...]]:
    names: dict[str, list[str]] = {}
    for registry in REGISTRIES:
        for record, filename in ws.store.newest(ws.ctx.tenant, registry):
            names.setdefault(record.name, []).append(filename)
    for connector, lines in lines_of.items():
        names.setdefault(connector, []).extend(line.filename for line in lines)
    return {name: tuple(filenames) for name, filenames in names.items()}


def _made(draft: Snapshot) -> str:
    """When a draft was made, as text that sorts by time: without the `Z`, a fraction comes after none."""
    return str(content(draft)["created_at"]).removesuffix("Z")


def _read_entry(ws: Workspace, catalogue: Catalogue, name: str, opened: list[Snapshot]) -> _Entry:
    """Read one connector; `opened` are its open drafts, newest last."""
    found = [ws.store.latest(registry_record(ws.ctx.tenant, registry, name)) for registry in REGISTRIES]
    component, firearms, kpis = (None if one is None else content(one) for one in found)
    live, title = None, ""
    if component is not None and firearms is not None and kpis is not None and not component["retired"]:
        live, title = live_from_json(component, firearms, kpis), str(component["spec"]["name"])
    newest = content(opened[-1]) if opened else None
    proposal = live_from_draft_json(newest) if newest is not None else None
    if live is None and newest is not None:
        title = str(newest["spec_snapshot"]["name"])
    drafts = tuple(_open_draft(content(one), catalogue) for one in opened)
    shown = live or proposal
    card = _card(name, title, shown, drafts, is_live=live is not None) if shown is not None else None
    mark = tuple(one.filename for one in (*found, *opened) if one is not None)
    return _Entry(mark, live, proposal, card, drafts, tuple(one.record for one in opened))


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


def _open_draft(state: JSONValue, catalogue: Catalogue) -> OpenDraft:
    draft = WorkbenchDraft.from_json(state)
    published = catalogue.published(draft.connector_id)
    looser = () if draft.retires else loosenings(published.policy() if published else None, draft.policy_snapshot)
    return OpenDraft(
        id=draft.id, stage=draft.stage, origin=draft.origin.kind, created_at=str(state["created_at"]),
        pending_edits=pending_edits_of(draft), loosens=bool(looser), conflicts=len(draft.open_conflicts()),
        validation=validation_state(draft),
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
