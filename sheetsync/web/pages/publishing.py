"""Publishing: a page to look before one leaps, the publication itself, and what exactly it wrote."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from starlette.responses import Response

from sheetsync.domain.draft import WorkbenchDraft
from sheetsync.domain.identifiers import check_draft_id, parse_id
from sheetsync.errors import InvalidContentError, NotFoundError
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.registry.records import DRAFTS
from sheetsync.services.publishing import publish_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.web.history import find_commit
from sheetsync.web.overview import ValidationState, validation_state
from sheetsync.web.pages.drafts import Verdict, judge
from sheetsync.web.visit import Visit
from sheetsync.web.words import Change, describe_change

ROWS_SHOWN: Final = 500
UNVERIFIED: Final = {
    "failed": "The sandbox found mistakes.",
    "out of date": "It changed since it was verified.",
    "not run": "It is not verified yet.",
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """A draft somebody is about to publish, and all that speaks for or against it."""

    draft: WorkbenchDraft
    filename: str
    changes: tuple[Change, ...]
    validation: ValidationState
    verdict: Verdict

    @property
    def obstacles(self) -> tuple[str, ...]:
        """Why it cannot be published now, in plain words."""
        found = []
        if self.draft.status not in ("open", "published"):
            found.append(f"It is {self.draft.status}, not open.")
        if self.validation != "passed":
            found.append(UNVERIFIED[self.validation])
        if self.draft.open_conflicts():
            found.append(f"Unresolved conflicts: {len(self.draft.open_conflicts())}.")
        return (*found, self.verdict.refusal) if self.verdict.refusal else tuple(found)


def show_publish(visit: Visit) -> Response:
    """What publishing the drafts named in the query would do, before it is done."""
    ws = visit.workspace
    candidates = _candidates(ws, _ids(visit.query.all("draft")))
    return visit.show(
        "publish.html", candidates=candidates, blocked=any(one.obstacles for one in candidates),
        looser=sum(len(one.verdict.looser) for one in candidates),
    )  # fmt: skip


def publish(visit: Visit) -> Response:
    """Publish, all or nothing; then show the commit."""
    ws, form = visit.workspace, visit.form
    ids = _ids(form.all("draft"))
    catalogue = ws.catalogue()
    stored = [catalogue.draft(draft_id) for draft_id in ids]
    seen = {one.draft.id: form.one(f"seen.{one.draft.id}") for one in stored if one.draft.status == "open"}
    if any(judge(ws, catalogue, one.draft).looser for one in stored) and "loosening_seen" not in form:
        raise InvalidContentError(
            "this loosens what is live: tick that you have seen it", hint="go back, and look again"
        )
    report = publish_drafts(ws, ids, expected=seen)
    if report.commit is None:
        visit.tell("plain", "Published already; nothing was written.")
        return visit.go(f"/drafts/{ids[0]}" if len(ids) == 1 else "/drafts")
    return visit.go(f"/commits/{report.commit}")


def show_commit(visit: Visit) -> Response:
    """One commit: what was written where, by whom, why."""
    ws, asked = visit.workspace, visit.params["commit"]
    if not (asked.isascii() and asked.isdigit() and len(asked) < 16):
        raise NotFoundError(f"there is no commit {asked[:40]!r}")
    commit = find_commit(ws, int(asked))
    drafts = [one for one in commit.snapshots if one.record.folder[0] == DRAFTS[0]]
    registries = [one for one in commit.snapshots if one.record.folder[0] != DRAFTS[0]]
    connectors = sorted({one.record.name for one in registries if one.record.folder[0] == "components"})
    snapshots = [*registries, *drafts]
    return visit.show(
        "commit.html", commit=commit, snapshots=snapshots[:ROWS_SHOWN], count=len(snapshots), connectors=connectors
    )


def _ids(given: list[str]) -> list[str]:
    if not given:
        raise InvalidContentError("tick at least one draft")
    return [parse_id(check_draft_id, draft_id, hint="see the list of all drafts") for draft_id in dict.fromkeys(given)]


def _candidates(ws: Workspace, ids: list[str]) -> tuple[Candidate, ...]:
    catalogue = ws.catalogue()
    return tuple(_candidate(ws, catalogue, catalogue.draft(draft_id)) for draft_id in ids)


def _candidate(ws: Workspace, catalogue: Catalogue, stored: StoredDraft) -> Candidate:
    draft = stored.draft
    published = catalogue.published(draft.connector_id)
    live = published if published is not None and not published.retired else None
    changes = describe_change(
        live.spec if live else None, live.policy() if live else None, draft.spec_snapshot, draft.policy_snapshot
    )
    return Candidate(draft, stored.snapshot.filename, changes, validation_state(draft), judge(ws, catalogue, draft))
