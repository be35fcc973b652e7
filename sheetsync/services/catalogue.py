"""Use cases of looking: card, log, and what all open drafts change; `status` is in its own, light module."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING

from sheetsync.domain.firearms import closest
from sheetsync.domain.identifiers import check_connector_id, check_draft_id, parse_id
from sheetsync.errors import NotFoundError
from sheetsync.services.status import StatusReport, status

if TYPE_CHECKING:  # heavy to import; `status` does without them
    from sheetsync.domain.canonical import JSONValue
    from sheetsync.domain.card import Card
    from sheetsync.registry.catalogue import Catalogue
    from sheetsync.services.differences import DraftDiff
    from sheetsync.services.workspace import Workspace
    from sheetsync.store import Commit, RecordId

__all__ = ["CardReport", "DiffReport", "LogReport", "StatusReport", "card", "check_connector", "diff", "log", "status"]


@dataclass(frozen=True)
class CardReport:
    """The card of one connector, as JSON values."""

    card: Card

    @property
    def exit_code(self) -> int:
        """Looking is always fine."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"card": …}`."""
        return {"card": self.card.to_json()}


@dataclass(frozen=True)
class LogReport:
    """Commits, newest first."""

    commits: tuple[Commit, ...]

    @property
    def exit_code(self) -> int:
        """Looking is always fine."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"log": [{"commit", "at", "who", "why", "snapshots": [{"folder", "name", "version", "filename"}]}]}`."""
        return {"log": [_commit_json(commit) for commit in self.commits]}


@dataclass(frozen=True)
class DiffReport:
    """What all open drafts change."""

    drafts: tuple[DraftDiff, ...]

    @property
    def exit_code(self) -> int:
        """Looking is always fine."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"drafts": [{"draft", "connector_id", "changes", …}]}`."""
        return {"drafts": [one.to_json() for one in self.drafts]}


def card(ws: Workspace, connector_id: str) -> CardReport:
    """The card of a connector: published, retired, or (never published) of its newest open draft.

    Raises:
        NotFoundError: there is no such connector; the hint names a close one.
    """
    from sheetsync.services.cards import make_card

    name = parse_id(check_connector_id, connector_id)
    catalogue = ws.catalogue()
    found = make_card(catalogue, name)
    if found is None:
        raise NotFoundError(f"there is no connector {name!r}", hint=_suggest(catalogue, name))
    return CardReport(found)


def log(ws: Workspace, name: str | None = None, limit: int | None = None) -> LogReport:
    """The journal, newest first: all of it, or what touched a connector or a draft.

    Raises:
        NotFoundError: there is no record of this name.
    """
    if name is None:
        return LogReport(_newest(ws.store.log(), limit))
    records = _records_named(ws, name)
    if not records:
        raise NotFoundError(f"nothing was ever saved of {name!r}", hint=_suggest(ws.catalogue(), name))
    commits = {commit.number: commit for record in records for commit in ws.store.log(record=record)}
    return LogReport(_newest((commits[number] for number in sorted(commits)), limit))


def _newest(commits: Iterable[Commit], limit: int | None) -> tuple[Commit, ...]:
    newest = reversed(list(commits))
    return tuple(newest if limit is None else islice(newest, min(limit, sys.maxsize)))


def _records_named(ws: Workspace, name: str) -> list[RecordId]:
    from sheetsync.registry.records import REGISTRIES, registry_record

    catalogue = ws.catalogue()
    if name.startswith("draft_"):
        return [catalogue.draft(parse_id(check_draft_id, name)).snapshot.record]
    parse_id(check_connector_id, name)
    records = [registry_record(ws.ctx.tenant, kind, name) for kind in REGISTRIES]
    found = [record for record in records if ws.store.latest(record) is not None]
    return found + [line.snapshot.record for line in catalogue.lines(None, name)]


def diff(ws: Workspace, connector_id: str | None = None) -> DiffReport:
    """What the open drafts (of one connector) change against what is published.

    Raises:
        NotFoundError: no connector and no draft of that name.
    """
    from sheetsync.services.differences import diff_of

    catalogue = ws.catalogue()
    if connector_id is not None:
        check_connector(catalogue, connector_id)
    return DiffReport(tuple(diff_of(catalogue, one.draft) for one in catalogue.drafts("open", connector_id)))


def check_connector(catalogue: Catalogue, connector_id: str) -> None:
    """Refuse a connector that was never published and is in no draft, open or closed.

    Raises:
        NotFoundError: it is unknown; the hint names a close one.
        InvalidIdError: it is no connector's id.
    """
    name = parse_id(check_connector_id, connector_id)
    if not catalogue.lines(None, name) and catalogue.records_of(name) is None:
        raise NotFoundError(f"there is no connector {name!r}", hint=_suggest(catalogue, name))


def _suggest(catalogue: Catalogue, name: str) -> str:
    known = {*catalogue.published_ids(), *(line.connector_id for line in catalogue.lines("open"))}
    close = closest(name, known - {name})
    return f"did you mean {close!r}?" if close else "see 'sheetsync status' and 'sheetsync draft list'"


def _commit_json(commit: Commit) -> dict[str, JSONValue]:
    from sheetsync.domain.draft import format_utc

    return {
        "commit": commit.number,
        "at": format_utc(commit.at),
        "who": commit.who,
        "why": commit.why,
        "snapshots": [
            {
                "folder": "/".join(one.record.folder),
                "name": one.name,
                "version": one.version,
                "filename": one.filename,
            }
            for one in commit.snapshots
        ],
    }
