"""From a plan and a batch to a report: what a run tells people and the journal. Pure.

The report itself is `sync_report`; the run that fills it is `sync_run`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.registry.catalogue import Catalogue
from sheetsync.services.sync_report import ReportedDraft, ReportedEdit, SyncReport
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.drafting import DraftChanges, find_loosening
from sheetsync.sync.gateway import Batch, DeleteRow, TouchRow
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.settle import Settled
from sheetsync.sync.tabs import title_of

NOT_PULLED: Final = "not pulled yet"
RACE_NOTE: Final = "people edited while it was being healed; the next run goes on"


def tell_plan(report: SyncReport, plan: Plan, changes: DraftChanges, catalogue: Catalogue) -> None:
    """Drafts, pending edits, problems and conflicts of the newest comparison; what was healed adds up."""
    for draft, events in changes.reported:
        loosening = find_loosening(catalogue, draft, (event.cell for event in events))
        edits = tuple(
            ReportedEdit(
                title_of(event.cell[0]), event.a1, event.cell[1], event.cell[2], event.edit.base, event.edit.value,
                event.cell in loosening,
            ) for event in events if event.edit is not None
        )  # fmt: skip
        report.drafts.append(ReportedDraft(draft.id, draft.connector_id, edits))
    report.pending = [*plan.pending, *(replace(one, note=NOT_PULLED) for one in plan.unpulled)]
    report.settling = plan.settling
    report.problems = plan.problems
    report.conflicts = plan.conflicts
    report.healed += [*plan.healed, *plan.overwritten, *plan.mended]


def count_batch(report: SyncReport, batch: Batch) -> None:
    """How much a batch writes, a tab each."""
    for one in batch.operations:
        counts = report.tabs[one.role]
        if isinstance(one, TouchRow):
            counts.cells_written += len(one.sets) + (one.status is not None)
        elif isinstance(one, DeleteRow):
            counts.rows_removed += 1
        else:
            counts.rows_added += 1
            counts.cells_written += sum(value not in (None, "") for value in (*one.values, one.status))


def tell_race(report: SyncReport, state: SyncState) -> None:
    """Damage that raced with its own healing: a problem now, healed by the next run."""
    for debt in state.debts:
        role, key, column = debt.cell
        problem = Problem(
            code="race", tab=title_of(role), row_key=key, hint="run 'sheetsync sync' again",
            message=f"our write covered a value of {column}: {RACE_NOTE}",
        )  # fmt: skip
        report.problems = [*report.problems, problem]


def journal_details(plan: Plan) -> dict[str, object]:
    """What the journal keeps of a run beyond its snapshots."""
    found: dict[str, list[Found]] = {"healed": plan.healed, "overwritten": plan.overwritten, "mended": plan.mended}
    told: dict[str, object] = {name: [one.to_json() for one in values] for name, values in found.items() if values}
    return told | ({"removed_rows": plan.removed_rows} if plan.removed_rows else {})


def settled_details(done: Settled) -> dict[str, object]:
    """What the journal keeps of a batch that landed: rows it removed, and edits of ours that it covered."""
    found: dict[str, object] = {"removed_rows": done.removed_rows} if done.removed_rows else {}
    found |= {"covered": done.covered} if done.covered else {}
    return found | ({"overwritten": [one.to_json() for one in done.overwritten]} if done.overwritten else {})
