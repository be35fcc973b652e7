"""What only the checker can know about batches and runs, as the checked model notes it: which version a batch was
planned against, on whose word a run went on, whose row was deleted.

The world that it watches is in `conftest`; invariants over the sheet at rest are there too.
"""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, NamedTuple

from sheetsync.domain.draft import SheetOrigin, WorkbenchDraft
from sheetsync.services.sync_state import current_view, load_state
from sheetsync.sync.baseline import Intended, SyncState
from sheetsync.sync.gateway import DeleteRow, Token
from sheetsync.sync.tabs import POLICY


class Violation(Exception):  # noqa: N818 - the model's word
    """An invariant broken; args: its name, and what was seen."""


LETTERS = {"alpha": "A", "beta": "B"}


def key_of(connector: str, scope: str) -> str:
    """A row's key in the model's words: `alpha`, `s1` → `A1`."""
    return LETTERS.get(connector, connector[:1].upper()) + scope.removeprefix("s") if scope else ""


def shown(value: Any) -> str:
    """A firearm in the model's words: `firearm.x` → `x`."""
    return str(value).removeprefix("firearm.")


class Said(NamedTuple):
    """What the store says of one cell: published (never published: without pending edits), and the pending edit."""

    published: str
    pending: str | None = None
    base: str | None = None
    theirs: str | None = None  # of an open conflict

    @property
    def wanted(self) -> str:
        """What the sheet is to show."""
        return self.published if self.pending is None else self.pending


def what_the_store_says(ws: Any) -> dict[str, Said]:
    """The cells by key, told from published records and drafts alone: not with the engine's own view of them."""
    catalogue, found = ws.catalogue(), {}
    live = catalogue.published_all(retired=True)
    for name, one in live.items():
        stored = None if one.retired else catalogue.newest_open(name, sheet=True)
        if not one.retired:
            found.update(_cells(name, one.spec, one.policy(), None, stored.draft if stored else None))
    for name in {line.connector_id for line in catalogue.lines("open")} - set(live):
        draft = catalogue.newest_open(name).draft
        found.update(_cells(name, draft.spec_snapshot, draft.policy_snapshot, draft.base.policy, draft))
    return found


def _cells(name: str, spec: Any, policy: Any, under: Any, draft: Any) -> dict[str, Said]:
    """`under`: where edited cells start from, in a connector never published."""
    edits = draft.origin.edits if draft is not None and isinstance(draft.origin, SheetOrigin) else ()
    mine = {one.row_key[1]: one for one in edits}
    theirs = {one.row_key[1]: one.theirs for one in draft.open_conflicts()} if draft is not None else {}
    found = {}
    for scope in spec.scope_names():
        edit = mine.get(scope)
        binding = (under or policy if edit else policy).firearms.get(scope)
        value = shown(binding.firearm_id) if binding is not None else ""
        found[key_of(name, scope)] = (
            Said(value, shown(edit.value), shown(edit.base), _or_none(theirs.get(scope))) if edit else Said(value)
        )
    return found


def _or_none(value: Any) -> str | None:
    return None if value is None else shown(value)


class Sent(NamedTuple):
    """A batch as it was sent: its version, what was planned, and the store's head at that time."""

    token: Token
    batch: Intended | None
    head: int


class Witness:
    """Follows batches from sending to landing, and the versions that runs stand on."""

    def __init__(self, world: Any) -> None:
        self.world = world
        self.sent: dict[Token, Sent] = {}
        self.parents: dict[Token, Token | None] = {}  # of every batch that landed
        self.planned: set[Token] = set()
        self.agreed: dict[str, tuple[str, int]] = {}  # key → what an owner typed and a batch wrote, and when
        self.ever_retired: set[str] = set()
        self.discarded: dict[str, tuple[str, int]] = {}  # key → the owner's value, and when an operator discarded it

    def state(self) -> SyncState:
        return load_state(self.world.ws, self.world.sid)[0]

    # -- batches

    def sending(self, requests: Any) -> None:
        """A batch is about to be sent: the store has what it intends."""
        token = token_of(requests)
        if token is None or token in self.sent:
            return
        catalogue = self.world.ws.catalogue()
        for draft_id in set(re.findall("draft_[0-9a-f]{12}", str(requests))):
            if not any(line.id == draft_id for line in catalogue.lines()):
                raise Violation("I1", f"the sheet is told of {draft_id}, which is nowhere in the store")
        found = [one for one in self.state().intended if one.token == token]
        self.sent[token] = Sent(token, found[0] if found else None, self.world.store.head())

    def landing(self, requests: Any) -> tuple[Sent | None, bool]:
        """A batch arrives: is it one that the baseline explains?"""
        token = token_of(requests)
        sent = self.sent.get(token) if token is not None else None
        if sent is None or token is None:
            return None, False
        state = self.state()
        known = any(one.token == token and one.parent == state.token for one in state.intended)
        return sent, known and token not in self.parents

    def landed(self, sent: Sent | None, known: bool, before: dict[str, Any], after: dict[str, Any]) -> None:
        """It was applied; `before` and `after` are the rows that hold anything, by their own names."""
        if sent is None:
            return
        again = sent.token in self.parents
        self.parents[sent.token] = sent.batch.parent if sent.batch else None
        if known and self.world.scratch_tabs() == 1:
            self.world.cause = False
        if sent.batch is None or again:
            return
        if known:
            self._agreed(sent.batch, before)
        self._flipped(sent, sent.batch, before, after)
        self._deleted(sent.batch, before, after)

    def _agreed(self, batch: Intended, before: dict[str, Any]) -> None:
        """An owner typed what our batch then wrote: both say the same, and no draft may come of it."""
        said = what_the_store_says(self.world.ws)
        planned = {one.index: one for one in batch.touches if one.role == POLICY and "firearm_id" in one.sets}
        for row in before.values():
            one = planned.get(row.index)
            if one is None or row.key != key_of(*one.key) or row.val != shown(one.sets["firearm_id"]):
                continue
            alone = sum(other.key == row.key for other in before.values()) == 1
            if alone and row.key in said and said[row.key].pending is None:
                self.agreed[row.key] = (row.val, self.world.now)

    def _flipped(self, sent: Sent, batch: Intended, before: dict[str, Any], after: dict[str, Any]) -> None:
        """I6: what is pending is not written over by a batch that knew of it."""
        if self.state().debts or self.world.store.head() != sent.head:
            return
        edits = current_view(self.world.ws).edits
        planned = {one.index: one for one in batch.touches if one.role == POLICY}
        for rid, row in before.items():
            one, now = planned.get(row.index), after.get(rid)
            if one is None or now is None or now.val == row.val or not row.key:
                continue
            edit = edits.get((POLICY, one.key, "firearm_id"))
            same = (row.key, row.val) == (key_of(*one.key), shown(one.planned[2]))
            if same and edit is not None and shown(edit.value) == row.val:
                raise Violation("I6", f"pending {row.val} in {row.key} flipped to {now.val}")

    def _deleted(self, batch: Intended, before: dict[str, Any], after: dict[str, Any]) -> None:
        """I4: only rows that were retired are taken away."""
        doomed = {one.index: one for one in batch.deletes if isinstance(one, DeleteRow) and one.role == POLICY}
        for rid, row in before.items():
            one = doomed.get(row.index)
            if rid in after or one is None or not row.key or row.key != key_of(*one.key) or not row.own:
                continue
            twins = [other for other in before.values() if other.key == row.key]
            if len(twins) == 1 and row.key[0] not in self.ever_retired:
                raise Violation("I4", f"the row of {row.key} was deleted, nobody retired it")

    # -- runs

    def stepped(self, before: SyncState, answered: bool) -> None:
        """I10: a run goes on only from a version that its own batch made, or that a person answered for."""
        after = self.state()
        now, known = after.token, {one.token for one in before.intended}
        self.planned |= {one.token for one in after.intended} - known
        for one in before.intended:
            if one.token not in self.planned:  # a process planned it that is not of this world: it may have landed
                self.parents.setdefault(one.token, one.parent)
        if before.token is None or now == before.token or answered or before.accept is not None:
            return
        if now is None or self.parents.get(now, now) != before.token:
            raise Violation("I10", f"went on from {before.token} to {now}, for which nobody answered")

    # -- drafts

    def check_drafts(self) -> None:
        """I7: what was resolved or closed does not come back. I1: operators' work is not superseded into nothing."""
        catalogue = self.world.ws.catalogue()
        for stored in catalogue.drafts(None):
            draft = stored.draft
            history = self.world.store.history(stored.snapshot.record)
            was = [WorkbenchDraft.from_json(one.content).status for one in history]
            if any(one not in ("open", other) for one, other in itertools.pairwise(was)):
                raise Violation("I7", f"{draft.id} was closed, and changed after that: {was}")
            decided = {(one.row_key, one.column): one.theirs for one in draft.conflicts if one.resolution == "yours"}
            for one in draft.open_conflicts():
                if decided.get((one.row_key, one.column)) == one.theirs:
                    raise Violation("I7", f"the conflict over {one.row_key} in {draft.id} was resolved and came back")
            for edit in draft.origin.edits if isinstance(draft.origin, SheetOrigin) and draft.status == "open" else ():
                key, value = key_of(*edit.row_key), shown(edit.value)
                self._not_again(key, value, self.discarded, "was discarded")
                self._not_again(key, value, self.agreed, "is what we wrote ourselves")
            if draft.status != "superseded" or draft.superseded_by is not None:
                continue
            edited = {one.row_key[1] for one in draft.origin.edits} if isinstance(draft.origin, SheetOrigin) else set()
            base = draft.base.policy
            for scope, binding in draft.policy_snapshot.firearms.items():
                if base is not None and scope not in edited and base.firearms.get(scope) != binding:
                    raise Violation("I1", f"operators' work on {scope} in {draft.id} was superseded into nothing")

    def _not_again(self, key: str, value: str, known: dict[str, tuple[str, int]], why: str) -> None:
        was, when = known.get(key, ("", 0))
        if value == was and not any(key == one and at > when for one, at in self.world.decided):
            raise Violation("I7", f"{value!r} in {key} {why}, and is pending; nobody typed it since")

    def forgive(self) -> None:
        """What was known of the sheet is lost, or a person said how it is to be read."""
        self.discarded.clear()
        self.agreed.clear()


def token_of(requests: Any) -> Token | None:
    """The version that a batch makes: it stands in the scratch tab's first cell."""
    for request in requests:
        if not isinstance(request, dict):
            continue
        rows = request.get("updateCells", {}).get("rows") or [{}]
        values = rows[0].get("values") or [{}]
        text = str(values[0].get("userEnteredValue", {}).get("stringValue", ""))
        if text.startswith("{") and '"nonce"' in text:
            header = json.loads(text)
            return Token(int(header["epoch"]), str(header["nonce"]))
    return None
