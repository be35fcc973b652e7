"""Drafts: all of them by stage, and one of them with its diff, gate table, conflicts, history, and small decisions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Literal

from starlette.responses import Response

from sheetsync.domain.cells import cell_at, read_cell
from sheetsync.domain.draft import STAGES, SheetOrigin, Stage, WorkbenchDraft
from sheetsync.domain.gate import Loosening, loosenings
from sheetsync.domain.identifiers import check_draft_id, parse_id
from sheetsync.errors import InvalidContentError, SecondPersonError
from sheetsync.registry.catalogue import Catalogue, StoredDraft
from sheetsync.registry.conflicts import is_newest
from sheetsync.registry.draft_lines import DraftLine
from sheetsync.registry.second_person import approvers_of, check_second_person, needs_approval
from sheetsync.services.drafts import advance_draft, approve_draft, discard_draft, resolve_conflict, restore_draft
from sheetsync.services.publishing import verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.web.overview import OpenDraft, validation_state
from sheetsync.web.rendering import counted
from sheetsync.web.sheet_health import cell_links
from sheetsync.web.visit import Visit
from sheetsync.web.words import GATE_HEADS, describe_change, gate_rows

CLOSED_SHOWN: Final = 30
REASON_MOST: Final = 500


def show_drafts(visit: Visit) -> Response:
    """Open drafts by stage, and the last closed ones."""
    ws = visit.workspace
    catalogue = ws.catalogue()
    told = visit.site.overview.open_drafts(ws)
    by_stage: dict[str, list[tuple[DraftLine, OpenDraft]]] = {stage: [] for stage in STAGES}
    closed: list[DraftLine] = []
    for line in reversed(catalogue.lines()):
        if line.id in told:
            by_stage[line.stage].append((line, told[line.id]))
        elif line.status != "open":
            closed.append(line)
    return visit.show("drafts.html", by_stage=by_stage, open_count=len(told), closed=closed[:CLOSED_SHOWN],
                      closed_count=len(closed))  # fmt: skip


def show_draft(visit: Visit) -> Response:
    """One draft."""
    ws = visit.workspace
    catalogue = ws.catalogue()
    stored = load_draft(visit, catalogue)
    draft = stored.draft
    published = catalogue.published(draft.connector_id)
    live = published if published is not None and not published.retired else None
    old_spec, old_policy = (live.spec, live.policy()) if live else (None, None)
    gate = gate_rows(old_spec, old_policy, draft.spec_snapshot, draft.policy_snapshot)
    return visit.show(
        "draft.html", stored=stored, draft=draft, stages=STAGES, live=live,
        changes=describe_change(old_spec, old_policy, draft.spec_snapshot, draft.policy_snapshot),
        gate_changed=[row for row in gate if row.changes], gate_same=[row for row in gate if not row.changes],
        gate_heads=GATE_HEADS, state=validation_state(draft), edits=_edits(visit, draft),
        history=visit.site.histories.of(ws, stored.snapshot), expected=stored.snapshot.filename,
        verdict=judge(ws, catalogue, draft), row_keys=[json.dumps(conflict.row_key) for conflict in draft.conflicts],
        decidable=[is_newest(draft, conflict) for conflict in draft.conflicts],
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether this person may publish this draft, as far as the second-person rule goes; shown before the button."""

    looser: tuple[Loosening, ...]
    refusal: str = ""
    approval_missing: bool = False


def judge(ws: Workspace, catalogue: Catalogue, draft: WorkbenchDraft) -> Verdict:
    """Ask the rule that publish asks."""
    published = catalogue.published(draft.connector_id)
    looser = () if draft.retires else loosenings(published.policy() if published else None, draft.policy_snapshot)
    if not looser or not ws.rules.loosening_needs_second_person:
        return Verdict(looser)
    writers, unattended = catalogue.writers(draft), ws.rules.unattended_users
    missing = needs_approval(draft, writers=writers, unattended=unattended) and not approvers_of(
        draft, unattended=unattended
    )
    try:
        check_second_person(draft, looser, writers=writers, user=ws.ctx.user, unattended=unattended)
    except SecondPersonError:
        return Verdict(looser, _refusal(ws.ctx.user, writers, draft, missing=missing), approval_missing=missing)
    return Verdict(looser, approval_missing=missing)


def _refusal(user: str, writers: set[str], draft: WorkbenchDraft, *, missing: bool) -> str:
    if user in writers:
        return "You wrote this loosening, so somebody else must publish it."
    if missing:
        return "Its edits were pulled unattended: one person approves it, another publishes."
    if user in approvers_of(draft):
        return "You approved this loosening, so somebody else must publish it."
    return "You may not publish this loosening: it needs another person."


def _edits(visit: Visit, draft: WorkbenchDraft) -> list[dict[str, object]]:
    """The owners' edits, each with a link to its cell, and what an operator made of it in the draft meanwhile."""
    if not isinstance(draft.origin, SheetOrigin):
        return []
    link = cell_links(visit.workspace, visit.site.sheet_address, draft.origin.spreadsheet_id)
    return [
        {"edit": edit, "link": link(edit.tab, edit.cell), "differs": now != edit.value, "now": now}
        for edit in draft.origin.edits
        for now in [read_cell(draft.policy_snapshot, cell_at(edit.row_key, edit.column))]
    ]


def advance(visit: Visit) -> Response:
    """To another stage. Stages guide people; they never gate."""
    wanted = visit.form.one("stage")
    stage: Stage | None = next((one for one in STAGES if one == wanted), None)
    draft_id = _draft_id(visit)
    stored = advance_draft(visit.workspace, draft_id, stage)
    visit.tell("good", f"The draft is in the stage {stored.draft.stage} now.")
    return visit.go(f"/drafts/{draft_id}")


def verify(visit: Visit) -> Response:
    """Run the sandbox over one draft, or over those ticked in the list."""
    ids = _chosen(visit)
    report = verify_drafts(visit.workspace, ids)
    failed = [draft for draft, validation in report.results if not validation.ok]
    if failed:
        visit.tell("bad", f"The sandbox found mistakes in {', '.join(draft.connector_id for draft in failed[:5])}.",
                   "Each draft's page lists them; edit it, then verify again.")  # fmt: skip
    else:
        visit.tell("good", f"Verified: the sandbox found no mistakes in {counted(len(ids), 'draft')}.")
    return visit.go(f"/drafts/{ids[0]}" if len(ids) == 1 else "/drafts")


def approve(visit: Visit) -> Response:
    """One person's word for exactly this content."""
    draft_id = _draft_id(visit)
    approve_draft(visit.workspace, draft_id, expected=visit.form.one("expected"))
    visit.tell("good", "You approved this draft. Somebody else may publish it now.")
    return visit.go(f"/drafts/{draft_id}")


def discard(visit: Visit) -> Response:
    """Close the draft, with a reason that the owners will read in the sheet."""
    draft_id, reason = _draft_id(visit), " ".join(visit.form.one("reason").split())
    if not reason or len(reason) > REASON_MOST:
        raise InvalidContentError(f"say why, in up to {REASON_MOST} characters: the owners read it in the sheet")
    report = discard_draft(visit.workspace, draft_id, reason)
    left = f" What operators had made of it goes on in {report.left}." if report.left else ""
    visit.tell("good", f"{draft_id} is discarded.{left}")
    return visit.go(f"/drafts/{report.left or draft_id}")


def resolve(visit: Visit) -> Response:
    """Decide one conflict."""
    draft_id, form = _draft_id(visit), visit.form
    wanted = form.one("side")
    side: Literal["yours", "theirs"] | None = "yours" if wanted == "yours" else "theirs" if wanted == "theirs" else None
    if side is None:
        raise InvalidContentError("choose yours or theirs")
    resolve_conflict(
        visit.workspace,
        draft_id,
        _row_key(form.one("row_key")),
        form.one("column"),
        side,
        expected=form.one("expected"),
    )
    kept = (
        "The owner's value stands in the draft."
        if side == "yours"
        else "What is published stays; the edit is withdrawn."
    )
    visit.tell("good", kept)
    return visit.go(f"/drafts/{draft_id}")


def restore(visit: Visit) -> Response:
    """An earlier version of this draft, as a new draft."""
    stored = restore_draft(visit.workspace, _draft_id(visit), visit.form.one("at"))
    visit.tell("good", f"{stored.draft.id} holds the earlier version; the other draft is as it was.")
    return visit.go(f"/drafts/{stored.draft.id}")


def load_draft(visit: Visit, catalogue: Catalogue) -> StoredDraft:
    """The draft that the path names."""
    return catalogue.draft(_draft_id(visit))


def _draft_id(visit: Visit) -> str:
    return parse_id(check_draft_id, visit.params["draft"], hint="see the list of all drafts")


def _chosen(visit: Visit) -> list[str]:
    ids = [visit.params["draft"]] if "draft" in visit.params else list(dict.fromkeys(visit.form.all("draft")))
    if not ids:
        raise InvalidContentError("tick at least one draft")
    return [parse_id(check_draft_id, draft_id, hint="see the list of all drafts") for draft_id in ids]


def _row_key(text: str) -> tuple[str, ...]:
    try:
        value = json.loads(text)
    except ValueError as exc:
        raise InvalidContentError("the row of the conflict is not understood") from exc
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise InvalidContentError("the row of the conflict is not understood")
    return tuple(value)
