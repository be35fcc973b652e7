"""Everything of one tenant, read: what is published, and the drafts of all authors.

Writing is in `publish` and in the services; this module only knows where a draft is saved. Reads that must be fast for
10,000s of records go over the stored JSON (`live`, `DraftLine`) and validate nothing; the checked values are made when
asked for.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.context import RequestContext
from sheetsync.domain.draft import DraftBase, SheetOrigin, Status, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.published import PublishedComponent, PublishedConnector, PublishedFirearms, PublishedKpis
from sheetsync.errors import NotFoundError
from sheetsync.registry.draft_lines import DraftLine, StateReader, content, live_ids, made, read_lines, reading
from sheetsync.registry.live import LiveConnector, live_from_draft_json
from sheetsync.registry.live_rows import read_live
from sheetsync.registry.records import COMPONENTS, DRAFTS, FIREARMS, KPIS, REGISTRIES, draft_record, registry_record
from sheetsync.store import RecordId, Snapshot, Store, Transaction

__all__ = [
    "Catalogue", "DraftLine", "Records", "StateReader", "StoredDraft", "content", "pending_edits_of", "published_in",
]  # fmt: skip
SUGGESTIONS = 3
FEW = 8  # so many drafts' histories are read one by one; for more, the journal is read through once
Records = tuple[Snapshot, Snapshot, Snapshot]  # component, firearms, KPIs


@dataclass(frozen=True)
class StoredDraft:
    """A draft, and the snapshot it was read from (what a change of it must still find there)."""

    draft: WorkbenchDraft
    snapshot: Snapshot

    def to_json(self) -> dict[str, JSONValue]:
        """`{"draft": …}`, as `draft show` prints it."""
        return {"draft": self.draft.to_json()}


@dataclass
class _Index:
    """The drafts of one state of the store, oldest first."""

    head: int
    lines: dict[str, DraftLine] = field(default_factory=dict)
    by_connector: dict[str, list[DraftLine]] = field(default_factory=dict)


class Catalogue:
    """The connectors and drafts of `ctx.tenant` in a store, now or `at` a commit."""

    def __init__(self, store: Store, ctx: RequestContext, *, state: StateReader | None = None) -> None:
        self.store = store
        self.ctx = ctx
        self._state: StateReader = store if state is None else state
        self._frozen = state is not None
        self._index: _Index | None = None
        self._asked = 0
        self._told: tuple[int, dict[RecordId, list[tuple[str, dict[str, JSONValue]]]]] | None = None

    def at(self, commit: int) -> Catalogue:
        """The same tenant as it was right after a commit."""
        return Catalogue(self.store, self.ctx, state=self.store.at(commit))

    # -- published

    def records_of(self, connector_id: str) -> Records | None:
        """The newest snapshots of a connector's three registry records, tombstones too; None if never published."""
        found = [self._state.latest(registry_record(self.ctx.tenant, kind, connector_id)) for kind in REGISTRIES]
        component, firearms, kpis = found
        if component is None or firearms is None or kpis is None:
            return None
        return component, firearms, kpis

    def published(self, connector_id: str) -> PublishedConnector | None:
        """What is live of a connector, or its tombstone (`.retired`); None if it was never published."""
        records = self.records_of(connector_id)
        return None if records is None else published_in(records)

    def published_all(self, *, retired: bool = False) -> dict[str, PublishedConnector]:
        """All published connectors by id, in code-point order; tombstones only if asked for."""
        found: dict[str, PublishedConnector] = {}
        for name, parts in self._published_json().items():
            with reading(*(registry_record(self.ctx.tenant, kind, name) for kind in REGISTRIES)):
                found[name] = _published(*parts)
        return {name: one for name, one in found.items() if retired or not one.retired}

    def live_all(self, *, retired: bool = False) -> dict[str, LiveConnector]:
        """As `published_all`, as plain values: what tables are made of."""
        found = read_live(self.store, self._state)
        return {name: one for name, one in found.items() if retired or not one.retired}

    def published_ids(self) -> list[str]:
        """The ids of the connectors that are live, in code-point order."""
        return live_ids(self.store, self._state)

    def _published_json(self) -> dict[str, tuple[JSONValue, JSONValue, JSONValue]]:
        tenant, latest_all = self.ctx.tenant, self._state.latest_all
        firearms = {one.record.name: content(one) for one in latest_all(tenant, FIREARMS)}
        kpis = {one.record.name: content(one) for one in latest_all(tenant, KPIS)}
        components = {one.record.name: content(one) for one in latest_all(tenant, COMPONENTS)}
        both = sorted(name for name in components if name in firearms and name in kpis)
        return {name: (components[name], firearms[name], kpis[name]) for name in both}

    def policies_before(self, connector_id: str, commits: Iterable[int]) -> dict[int, PolicySnapshot | None]:
        """The policy that was published right before each of these commits; None if nothing was."""
        firearms, kpis = (
            list(self.store.history(registry_record(self.ctx.tenant, kind, connector_id))) for kind in (FIREARMS, KPIS)
        )
        read: dict[tuple[int, int], PolicySnapshot | None] = {}
        found: dict[int, PolicySnapshot | None] = {}
        for commit in commits:
            at = sum(one.commit < commit for one in firearms), sum(one.commit < commit for one in kpis)
            if at not in read:
                read[at] = _policy(content(firearms[at[0] - 1]), content(kpis[at[1] - 1])) if all(at) else None
            found[commit] = read[at]
        return found

    def policies_since(self, connector_id: str, commit: int) -> Iterator[PolicySnapshot]:
        """What was published right after a commit, and since, newest first."""
        history = list(self.store.history(registry_record(self.ctx.tenant, KPIS, connector_id)))
        since = [one.commit + 1 for one in history if one.commit > commit]
        policies = self.policies_before(connector_id, (commit + 1, *since))
        return (policy for _, policy in sorted(policies.items(), reverse=True) if policy is not None)

    def base_of(self, connector_id: str) -> DraftBase:
        """The base for a draft that is made now: names and content of what is published, or an empty one.

        After a retirement it is the tombstone: its spec, and a policy that decides nothing.
        """
        records = self.records_of(connector_id)
        if records is None:
            return DraftBase()
        published = published_in(records)
        components, firearms, kpis = (one.filename for one in records)
        policy = published.policy() if not published.retired else PolicySnapshot()
        return DraftBase(components=components, firearms=firearms, kpis=kpis, spec=published.spec, policy=policy)

    # -- drafts

    def lines(self, status: Status | None = None, connector_id: str | None = None) -> list[DraftLine]:
        """The drafts of all authors, newest last, without validating them."""
        index = self._drafts()
        found = index.by_connector.get(connector_id, []) if connector_id is not None else list(index.lines.values())
        return [line for line in found if status is None or line.status == status]

    def draft(self, draft_id: str) -> StoredDraft:
        """One draft.

        Raises:
            NotFoundError: there is none of this id; the hint names close ones.
        """
        lines = self._drafts().lines
        if draft_id not in lines:
            close = difflib.get_close_matches(draft_id, list(lines), n=SUGGESTIONS, cutoff=0.75)
            did = f"did you mean {' or '.join(close)}? " if close else ""
            raise NotFoundError(f"there is no draft {draft_id[:80]!r}", hint=f"{did}see 'sheetsync draft list'")
        return _stored(lines[draft_id])

    def drafts(self, status: Status | None = "open", connector_id: str | None = None) -> list[StoredDraft]:
        """The drafts of all authors, newest last (by creation, then by the journal)."""
        return [_stored(line) for line in self.lines(status, connector_id)]

    def newest_open(self, connector_id: str, *, sheet: bool = False) -> StoredDraft | None:
        """The newest open draft of a connector; with `sheet`, the newest that holds owners' edits."""
        found = [line for line in self.lines("open", connector_id) if not sheet or line.origin == "sheet"]
        return _stored(found[-1]) if found else None

    def proposed(self, connector_id: str) -> StoredDraft | None:
        """The draft that stands for a connector never published: its open sheet draft, else its newest open draft.

        Pending edits are shown whatever draft was made beside theirs.
        """
        return self.newest_open(connector_id, sheet=True) or self.newest_open(connector_id)

    def proposals(self) -> dict[str, LiveConnector]:
        """What the newest open draft of each connector proposes, as plain values, by id."""
        newest = {line.connector_id: line for line in self.lines("open")}
        return {name: _proposal(newest[name]) for name in sorted(newest)}

    def unpublished_proposals(self) -> dict[str, LiveConnector]:
        """The proposals of connectors that were never published: what the sheet shows of them."""
        known = {record.name for record, _ in self._state.newest(self.ctx.tenant, COMPONENTS)}
        lines = [line for line in self.lines("open") if line.connector_id not in known]
        shown = {line.connector_id: line for line in lines}
        shown |= {line.connector_id: line for line in lines if line.origin == "sheet"}  # as in `proposed`
        return {name: _proposal(shown[name]) for name in sorted(shown)}

    def successor(self, draft_id: str) -> StoredDraft:
        """The end of the chain of drafts that superseded this one (itself, if none did)."""
        seen: set[str] = set()
        stored = self.draft(draft_id)
        while stored.draft.superseded_by is not None and stored.draft.id not in seen:
            seen.add(stored.draft.id)
            stored = self.draft(stored.draft.superseded_by)
        return stored

    def writers(self, draft: WorkbenchDraft) -> set[str]:
        """Who saved spec or policy of this draft or of one it supersedes; a known editor of the sheet counts too.

        Saving a validation, an approval, a stage or a status writes no content.
        """
        found: set[str] = set()
        todo, seen = [draft.id], set[str]()
        while todo:
            draft_id = todo.pop()
            if draft_id in seen or draft_id not in self._drafts().lines:
                continue
            seen.add(draft_id)
            before: JSONValue = None
            for author, state in self._history(draft_id):
                now = (state["spec_snapshot"], state["policy_snapshot"])
                if now != before:
                    found.add(author)
                before = now
                hint = state["origin"].get("editor_hint")
                found |= {hint} if hint else set()
                todo += [state["supersedes"]] if state["supersedes"] else []
        return found

    def _history(self, draft_id: str) -> list[tuple[str, dict[str, JSONValue]]]:
        """A draft's snapshots: who saved them, and what they hold. Asked for many drafts, the journal is read once."""
        record = self._drafts().lines[draft_id].record
        self._asked += 1
        if self._asked <= FEW:
            return [(one.author, content(one)) for one in self.store.history(record)]
        if self._told is None or self._told[0] != self.store.head():
            told: dict[RecordId, list[tuple[str, dict[str, JSONValue]]]] = {}
            for commit in self.store.log():
                for one in commit.snapshots:
                    if one.record.folder[0] == DRAFTS[0]:
                        told.setdefault(one.record, []).append((one.author, content(one)))
            self._told = (self.store.head(), told)
        return self._told[1].get(record, [])

    def history_of(self, draft: WorkbenchDraft) -> list[tuple[int, WorkbenchDraft]]:
        """All that was saved of a draft, oldest first, with the commits that saved it."""
        history = self.store.history(self.record_of(draft))
        return [(one.commit, WorkbenchDraft.from_json(content(one), where=draft.id)) for one in history]

    def record_of(self, draft: WorkbenchDraft) -> RecordId:
        """Where a draft is saved: in its author's folder."""
        return draft_record(self.ctx.tenant, draft.created_by, draft.id)

    def save_draft(self, tx: Transaction, draft: WorkbenchDraft, *, expected: Snapshot | None) -> None:
        """Add a draft's new snapshot to a transaction; the journal notes the acting user.

        `expected`: the snapshot it was read from; None for a new draft.
        """
        tx.save(self.record_of(draft), draft.to_json(), expected=expected)

    def _drafts(self) -> _Index:
        head = 0 if self._frozen else self.store.head()
        if self._index is None or self._index.head != head:
            self._index = self._read_drafts(head)
        return self._index

    def _read_drafts(self, head: int) -> _Index:
        lines = sorted(read_lines(self.store, self._state), key=lambda line: (made(line), line.connector_id))
        index = _Index(head)
        for line in self._settle_ties(lines):
            index.lines[line.id] = line
            index.by_connector.setdefault(line.connector_id, []).append(line)
        return index

    def _settle_ties(self, lines: list[DraftLine]) -> list[DraftLine]:
        """Drafts of one connector made at the same microsecond stand in the journal's order."""
        seen: dict[tuple[str, str], int] = {}
        for line in lines:
            key = (line.connector_id, line.created_at)
            seen[key] = seen.get(key, 0) + 1
        if all(count == 1 for count in seen.values()):
            return lines
        tied = {
            line.id: self._first_commit(line) if seen[line.connector_id, line.created_at] > 1 else 0 for line in lines
        }
        return sorted(lines, key=lambda line: (made(line), line.connector_id, tied[line.id]))

    def _first_commit(self, line: DraftLine) -> int:
        return next(iter(self.store.history(line.record))).commit


def published_in(records: Records) -> PublishedConnector:
    """The published state that three records hold."""
    with reading(*(one.record for one in records)):
        return _published(*(content(one) for one in records))


def _published(component: JSONValue, firearms: JSONValue, kpis: JSONValue) -> PublishedConnector:
    return PublishedConnector.of(
        PublishedComponent.from_json(component), PublishedFirearms.from_json(firearms), PublishedKpis.from_json(kpis)
    )


def _policy(firearms: JSONValue, kpis: JSONValue) -> PolicySnapshot:
    return PolicySnapshot(
        firearms=PublishedFirearms.from_json(firearms).firearms, kpis=PublishedKpis.from_json(kpis).kpis
    )


def _proposal(line: DraftLine) -> LiveConnector:
    with reading(line.record):
        return live_from_draft_json(content(line.snapshot))


def _stored(line: DraftLine) -> StoredDraft:
    snapshot = line.snapshot
    return StoredDraft(WorkbenchDraft.from_json(content(snapshot), where=line.id), snapshot)


def pending_edits_of(draft: WorkbenchDraft) -> int:
    """How many owners' edits a draft holds."""
    return len(draft.origin.edits) if isinstance(draft.origin, SheetOrigin) else 0
