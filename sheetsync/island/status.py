"""The status of a node and of a roll-up: two vocabularies that are never mixed, and the grade that goes with a status.

A node's status comes from verification: not run = pending; cannot run = blocked, with a reason; ran with findings =
graded; ran clean = stable; vetoed = rejected. Without a person a grade is at most B. Source: design.md section 8.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.registry.catalogue import Catalogue
from sheetsync.registry.verify import UNDECIDED

NodeStatus = Literal["pending", "blocked", "graded", "stable", "rejected"]
RollUpStatus = Literal["operational", "partial", "blocked", "pending", "rejected"]
NO_DRAFT: Final = "no-draft"  # neither an open draft nor published has the tool as it is now: nothing to verify
RETIRED: Final = "retired"
VETOED: Final = "vetoed"
BEST, CLEAN, WITH_FINDINGS = "A", "B", "C"  # grades: with a second person's word, without, and with findings
_WORST_FIRST: Final[tuple[NodeStatus, ...]] = ("blocked", "pending", "graded", "stable")


@dataclass(frozen=True, slots=True)
class Evidence:
    """What there is to judge a connector's tools by: drafts that propose them or made them live, newest first.

    `verified` are the ids of those whose content is what was verified: worked out once, not for each tool.
    """

    drafts: tuple[tuple[WorkbenchDraft, datetime], ...] = ()
    retired: bool = False
    verified: frozenset[str] = frozenset()

    def newest_at(self) -> datetime | None:
        """The newest time among the drafts' snapshots."""
        return max((at for _, at in self.drafts), default=None)


def gather_evidence(catalogue: Catalogue, namespace: str) -> Evidence:
    """The open drafts of a connector, newest first, and the one that was published last."""
    stored = [one for one in reversed(catalogue.drafts("open", namespace)) if not one.draft.retires]
    published = catalogue.published(namespace)
    if published is not None and not published.retired:
        stored.append(catalogue.draft(published.component.draft_id))
    drafts = tuple((one.draft, one.snapshot.saved_at) for one in stored)
    verified = frozenset(draft.id for draft, _ in drafts if _is_verified(draft))
    return Evidence(drafts, published is not None and published.retired and not stored, verified)


def _is_verified(draft: WorkbenchDraft) -> bool:
    return draft.validation is not None and draft.validation.content_hash == draft.content_hash()


@dataclass(frozen=True, slots=True)
class NodeState:
    """A node's status, with the grade or the reason that goes with it, and the draft it was judged by."""

    status: NodeStatus
    grade: str = ""
    reason: str = ""
    ref: str = ""

    def to_json(self) -> dict[str, JSONValue]:
        """The node's keys; those that say nothing are left out."""
        pairs = {"status": self.status, "grade": self.grade, "reason": self.reason, "ref": self.ref}
        return {key: value for key, value in pairs.items() if value}


def tool_state(scope: str, tool: JSONValue, evidence: Evidence) -> NodeState:
    """What verification says of one tool; grades by people are not in it yet."""
    having = [draft for draft, _ in evidence.drafts if draft.spec_snapshot.tools.get(scope) == tool]
    if not having:
        return NodeState("blocked", reason=RETIRED if evidence.retired else NO_DRAFT)
    for draft in having:
        if draft.id in evidence.verified:
            if _has_findings(scope, draft):
                return NodeState("graded", WITH_FINDINGS, ref=draft.id)
            return NodeState("stable", CLEAN, ref=draft.id)
    return NodeState("pending", ref=having[0].id)


def _has_findings(scope: str, draft: WorkbenchDraft) -> bool:
    """Did the sandbox find anything about this scope, or about the whole connector?"""
    scopes = draft.spec_snapshot.scope_names()
    for check in draft.validation.checks if draft.validation is not None else ():
        if check.ok and check.code != UNDECIDED:
            continue
        named = next((name for name in scopes if _names_scope(check.message, name)), None)
        if named is None or named == scope:
            return True
    return False


def _names_scope(message: str, scope: str) -> bool:
    return f"scope {scope}:" in message or f"scope {scope} " in message


def with_grades(state: NodeState, *, vetoed: bool, approved: bool) -> NodeState:
    """The state with what people said: a veto is final for this version; an approval lifts a clean grade to A."""
    if vetoed:
        return NodeState("rejected", reason=VETOED, ref=state.ref)
    if approved and state.status == "stable":
        return NodeState("stable", BEST, ref=state.ref)
    return state


def worst(states: Sequence[NodeState]) -> NodeState:
    """What a parent node is, from its children: as bad as the worst that is not rejected; rejected if all are."""
    alive = [state for state in states if state.status != "rejected"]
    if not states:
        return NodeState("pending")
    if not alive:
        return NodeState("rejected", reason=VETOED)
    status = next(status for status in _WORST_FIRST if any(state.status == status for state in alive))
    if status == "stable" and len(alive) < len(states):
        status = "graded"
    grades = [state.grade for state in alive]
    grade = max(grades) if all(grades) else ""
    reason = next((state.reason for state in alive if state.status == status and state.reason), "")
    return NodeState(status, grade, reason)


def roll_up(states: Iterable[NodeState], *, vetoed: bool = False) -> RollUpStatus:
    """What a namespace or selection is, from its nodes."""
    found = [state.status for state in states]
    if vetoed or (found and all(status == "rejected" for status in found)):
        return "rejected"
    if not found or all(status == "pending" for status in found):
        return "pending"
    good = [status for status in found if status in ("graded", "stable")]
    if good:
        return "operational" if len(good) == len(found) else "partial"
    return "blocked" if "blocked" in found else "pending"


def count_by_status(states: Iterable[NodeState]) -> dict[str, JSONValue]:
    """How many nodes have each status, for summaries."""
    found: dict[str, JSONValue] = {}
    for state in states:
        found[state.status] = found.get(state.status, 0) + 1
    return found
