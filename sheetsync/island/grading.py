"""Grades: what a person said of a thing of the island (approve, veto), bound to exactly what was there to be judged.

An approval holds while all that it was given for is unchanged; a veto holds until nothing of what it was given for is
left. Both are entries of one record, so that nothing is ever taken back silently. What they make of a status is in
`status`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal, cast

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import format_utc
from sheetsync.island.address import Address
from sheetsync.island.layout import PROVIDERS, SELECTIONS, grades_record
from sheetsync.island.reader import OwnerContent, tool_hash
from sheetsync.store import Snapshot, Store

Verdict = Literal["approve", "veto"]


@dataclass(frozen=True, slots=True)
class Grade:
    """One person's word."""

    verdict: Verdict
    target: str
    bound_to: frozenset[str]
    by: str
    at: str
    reason: str

    def says_again(self, entries: tuple[Grade, ...]) -> bool:
        """Is the newest entry the same word by the same person? Then saying it again tells nothing new."""
        return bool(entries) and replace(self, at="") == replace(entries[-1], at="")

    def to_json(self) -> dict[str, JSONValue]:
        """As it is stored."""
        return {
            "verdict": self.verdict,
            "target": self.target,
            "bound_to": sorted(self.bound_to),
            "by": self.by,
            "at": self.at,
            "reason": self.reason,
        }


@dataclass(frozen=True, slots=True)
class Grades:
    """All grades of one provider or selection, oldest first, and the snapshot they were read from."""

    entries: tuple[Grade, ...] = ()
    snapshot: Snapshot | None = None

    def vetoed(self, hashes: Iterable[str]) -> Grade | None:
        """The newest veto that was given for any of these."""
        wanted = frozenset(hashes)
        return next((one for one in reversed(self.entries) if one.verdict == "veto" and one.bound_to & wanted), None)

    def approved(self, hashes: Iterable[str]) -> Grade | None:
        """The newest approval that was given for all of these."""
        wanted = frozenset(hashes)
        found = (
            one for one in reversed(self.entries) if one.verdict == "approve" and wanted and wanted <= one.bound_to
        )
        return next(found, None)

    def saved_at(self) -> datetime | None:
        """When the newest one was given."""
        return self.snapshot.saved_at if self.snapshot is not None else None

    def vetoed_whole(self, target: str, hashes: Iterable[str]) -> bool:
        """Is there a veto of `target` as a whole, with anything left of what it was given for?"""
        wanted = frozenset(hashes)
        return any(one.verdict == "veto" and one.target == target and one.bound_to & wanted for one in self.entries)

    def to_json(self) -> dict[str, JSONValue]:
        """As it is stored."""
        return {"grades": [one.to_json() for one in self.entries]}


def read_grades(store: Store, tenant: str, kind: str, owner: str) -> Grades:
    """The grades of a provider or selection."""
    snapshot = store.latest(grades_record(tenant, kind, owner))
    if snapshot is None:
        return Grades()
    content = cast("dict[str, Any]", snapshot.content)
    entries = tuple(
        Grade(one["verdict"], one["target"], frozenset(one["bound_to"]), one["by"], one["at"], one["reason"])
        for one in content["grades"]
    )
    return Grades(entries, snapshot)


def make_grade(
    address: Address, content: OwnerContent, verdict: Verdict, *, by: str, at: datetime, reason: str
) -> Grade:
    """A grade of what an id leads to now: bound to the thing and all its parts, so that it reaches each of them."""
    return Grade(verdict, str(address), frozenset(hashes_of(address, content)), by, format_utc(at), reason)


def hashes_of(address: Address, content: OwnerContent) -> list[str]:
    """What a grade is bound to: a tool's own content; a schema's source; all sources of a namespace or selection."""
    if address.kind == "tool":
        return [tool_hash(content.schemas[address.schema].tools[address.tool])]
    if address.kind == "schema":
        return [content.schemas[address.schema].hash]
    if address.kind == "selection":
        return [content.selection.hash] if content.selection is not None else []
    return [schema.hash for schema in content.schemas.values()]


def owner_kind(address: Address) -> str:
    """Whose grades an address's grades are kept with."""
    return SELECTIONS if address.kind == "selection" else PROVIDERS
