"""Drafts that hold owners' edits: resolving conflicts, discarding, and what the diff says of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sheetsync.domain.draft import Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import NotFoundError, UnresolvedConflictError
from sheetsync.services.drafts import (
    diff_draft,
    discard_draft,
    edit_draft,
    new_draft,
    resolve_conflict,
    save_new,
    show_draft,
)
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Workspace

Live = Callable[..., str]
WRITE = ("github", "admin_write")
READ = ("github", "read_public")
SPEND = ("github", "spend")
PolicyOf = dict[str, Any]


def pulled(
    ws: Workspace,
    edits: list[tuple[tuple[str, str], str, Any, Any]],
    policy: PolicySnapshot,
    *,
    start: str | None = None,
    conflicts: tuple[Conflict, ...] = (),
) -> WorkbenchDraft:
    """A sheet draft as pull makes it: `edits` are (row key, column, base, value)."""
    catalogue = ws.catalogue()
    newest = catalogue.newest_open("github") if start is None else catalogue.draft(start)
    published = catalogue.published("github")
    base = catalogue.base_of("github")
    if published is None:
        assert newest is not None
        base = base.model_copy(update={"policy": newest.draft.policy_snapshot})
    tabs = {"firearm_id": "Policy Matrix", "strategy_lock": "Policy Matrix"}
    origin = SheetOrigin(
        spreadsheet_id="sheet-1",
        edits=tuple(
            SheetEdit(tab=tabs.get(column, "KPIs"), cell="C2", row_key=key, column=column, base=was, value=value)
            for key, column, was, value in edits
        ),
        pulled_at=ws.clock.now(),
    )
    spec = published.spec if published else newest.draft.spec_snapshot if newest else None
    assert spec is not None
    draft = WorkbenchDraft(
        id=new_draft_id(), connector_id="github", stage="policy", spec_snapshot=spec, policy_snapshot=policy,
        origin=origin, base=base, conflicts=conflicts, created_by=ws.ctx.user, created_at=ws.clock.now(),
    )  # fmt: skip
    return save_new(ws, catalogue, draft, why="pull").draft


def with_write(policy: PolicySnapshot, firearm: str | None, *, lock: bool = True) -> PolicySnapshot:
    binding = FirearmBinding(firearm_id=firearm, strategy_lock=lock and firearm is not None)
    return policy.model_copy(update={"firearms": {**policy.firearms, "admin_write": binding}})


def conflict(key: tuple[str, str], column: str, base: Any, yours: Any, theirs: Any) -> Conflict:
    tab = "Policy Matrix" if column in ("firearm_id", "strategy_lock") else "KPIs"
    return Conflict(tab=tab, row_key=key, column=column, base=base, yours=yours, theirs=theirs)


@pytest.fixture
def conflicted(ws: Workspace, live: Live, policy: PolicyOf) -> WorkbenchDraft:
    """An owner chose `firearm.read_secret`, while operators published the lock's and the firearm's change to NONE."""
    live()
    was = PolicySnapshot.from_json(policy)
    edit = (WRITE, "firearm_id", "firearm.external_write", "firearm.read_secret")
    found = conflict(WRITE, "firearm_id", "firearm.external_write", "firearm.read_secret", "NONE")
    draft = pulled(ws, [edit], with_write(was, "firearm.read_secret"), conflicts=(found,))
    other = new_draft(ws, "github").draft.id
    edit_draft(ws, other, firearms={"admin_write": FirearmBinding(firearm_id=None)})
    verify_drafts(ws, [other])
    publish_drafts(ws.acting("ben"), [other])
    return draft


def test_an_unresolved_conflict_is_not_published(ws: Workspace, conflicted: WorkbenchDraft) -> None:
    verify_drafts(ws, [conflicted.id])
    with pytest.raises(UnresolvedConflictError, match=r"yours firearm\.read_secret, theirs NONE"):
        publish_drafts(ws.acting("eve"), [conflicted.id])


def test_resolved_as_yours_the_edit_stands_on_theirs_and_is_published(
    ws: Workspace, conflicted: WorkbenchDraft
) -> None:
    draft = resolve_conflict(ws, conflicted.id, WRITE, "firearm_id", "yours").draft
    assert draft.open_conflicts() == ()
    assert draft.conflicts[0].resolution == "yours"
    assert isinstance(draft.origin, SheetOrigin)
    assert (draft.origin.edits[0].base, draft.origin.edits[0].value) == ("NONE", "firearm.read_secret")
    assert draft.base.policy is not None
    assert draft.base.policy.firearms["admin_write"].firearm_id is None
    edit_draft(ws, draft.id, firearms={"admin_write": FirearmBinding(firearm_id="firearm.read_secret")})
    verify_drafts(ws, [draft.id])
    publish_drafts(ws.acting("eve"), [draft.id])
    published = ws.catalogue().published("github")
    assert published is not None
    assert published.policy().firearms["admin_write"].firearm_id == "firearm.read_secret"


def test_resolved_as_theirs_the_edit_is_withdrawn(ws: Workspace, conflicted: WorkbenchDraft) -> None:
    draft = resolve_conflict(ws, conflicted.id, WRITE, "firearm_id", "theirs").draft
    assert isinstance(draft.origin, SheetOrigin)
    assert draft.origin.edits == ()
    assert draft.conflicts[0].resolution == "theirs"
    assert draft.policy_snapshot.firearms["admin_write"] == FirearmBinding(firearm_id=None)
    verify_drafts(ws, [draft.id])
    publish_drafts(ws, [draft.id])


def test_a_conflict_that_is_not_there_lists_those_that_are(ws: Workspace, conflicted: WorkbenchDraft) -> None:
    with pytest.raises(NotFoundError) as caught:
        resolve_conflict(ws, conflicted.id, READ, "firearm_id", "yours")
    assert caught.value.hint == "open conflicts: github/admin_write firearm_id"
    assert resolve_conflict(ws, conflicted.id, WRITE, None, "yours").draft.open_conflicts() == ()


def test_a_dropped_kpi_against_a_published_change_is_decided_as_a_row(
    ws: Workspace, live: Live, policy: PolicyOf
) -> None:
    live()
    was = PolicySnapshot.from_json(policy)
    gone = was.model_copy(update={"kpis": {}})
    found = conflict(SPEND, "kpi_name", "spend", None, "spend")
    for side in ("yours", "theirs"):
        draft = pulled(ws, [(SPEND, "kpi_name", "spend", None)], gone, conflicts=(found,))
        done = resolve_conflict(ws, draft.id, SPEND, "kpi_name", side).draft
        assert set(done.policy_snapshot.kpis) == (set() if side == "yours" else {"spend"})
        assert done.base.policy is not None
        assert set(done.base.policy.kpis) == {"spend"}
        discard_draft(ws, draft.id)


def test_a_kpi_published_away_under_an_edit_is_decided_as_a_row(ws: Workspace, live: Live, policy: PolicyOf) -> None:
    live()
    was = PolicySnapshot.from_json(policy)
    other = new_draft(ws, "github").draft.id
    edit_draft(ws, other, kpis={"spend": None})
    verify_drafts(ws, [other])
    mine = was.model_copy(update={"kpis": {"spend": KpiBinding(impact_type="cost", formula="usage.cost * 2")}})
    edit = (SPEND, "formula", "usage.cost * 1.0", "usage.cost * 2")
    found = conflict(SPEND, "formula", "usage.cost * 1.0", "usage.cost * 2", None)
    drafts = [pulled(ws, [edit], mine, conflicts=(found,)).id for _ in range(2)]
    publish_drafts(ws.acting("ben"), [other])
    theirs = resolve_conflict(ws, drafts[0], SPEND, "formula", "theirs").draft
    assert theirs.policy_snapshot.kpis == {}
    yours = resolve_conflict(ws, drafts[1], SPEND, "formula", "yours").draft
    assert set(yours.policy_snapshot.kpis) == {"spend"}
    verify_drafts(ws, drafts)
    publish_drafts(ws.acting("ben"), [drafts[1]])


# -- discarding


def test_discarding_a_sheet_draft_of_a_published_connector_leaves_nothing_open(
    ws: Workspace, live: Live, policy: PolicyOf
) -> None:
    live()
    was = PolicySnapshot.from_json(policy)
    draft = pulled(ws, [(WRITE, "strategy_lock", True, False)], with_write(was, "firearm.external_write", lock=False))
    report = discard_draft(ws, draft.id, "not this quarter")
    assert (report.left, report.draft.superseded_by) == (None, None)
    assert report.draft.closed_reason == "not this quarter"
    assert isinstance(report.draft.origin, SheetOrigin)
    assert len(report.draft.origin.edits) == 1
    assert ws.catalogue().lines("open") == []


def test_discarding_a_sheet_draft_of_a_connector_never_published_leaves_all_else(
    ws: Workspace, github: PolicyOf, policy: PolicyOf
) -> None:
    new_draft(ws, "github", github)
    decided = PolicySnapshot.from_json({"firearms": {"admin_write": policy["firearms"]["admin_write"]}})
    draft = pulled(
        ws,
        [(WRITE, "firearm_id", "", "firearm.external_write"), (WRITE, "strategy_lock", False, True)],
        decided,
    )
    edit_draft(ws, draft.id, firearms={"read_public": FirearmBinding(firearm_id=None)})
    report = discard_draft(ws, draft.id, "")
    assert report.draft.closed_reason == "discarded"
    assert report.left is not None
    left = show_draft(ws, report.left).draft
    assert (left.status, left.supersedes, left.origin.kind) == ("open", draft.id, "workbench")
    assert left.policy_snapshot.firearms == {"read_public": FirearmBinding(firearm_id=None)}
    assert ws.catalogue().unpublished_proposals()["github"].firearms == {"read_public": (None, False)}
    assert report.draft.superseded_by is None


def test_a_kpi_that_owners_added_goes_with_the_discarded_draft(ws: Workspace, github: PolicyOf) -> None:
    new_draft(ws, "github", github)
    added = PolicySnapshot(kpis={"spend": KpiBinding(impact_type="cost", formula="1", target=2.0)})
    columns = [("kpi_name", "spend"), ("impact_type", "cost"), ("formula", "1"), ("target", 2.0)]
    draft = pulled(ws, [(SPEND, column, None, value) for column, value in columns], added)
    left = discard_draft(ws, draft.id).left
    assert left is not None
    assert show_draft(ws, left).draft.policy_snapshot.kpis == {}


# -- the diff


def test_the_diff_speaks_of_cells_and_marks_loosening(ws: Workspace, live: Live, policy: PolicyOf) -> None:
    live()
    was = PolicySnapshot.from_json(policy)
    edits = [(WRITE, "strategy_lock", True, False)]
    draft = pulled(ws, edits, with_write(was, "firearm.external_write", lock=False))
    diff = diff_draft(ws, draft.id)
    (change,) = diff.changes
    assert change.text == "admin_write: strategy_lock TRUE → FALSE"
    assert change.pending
    assert change.loosening is not None
    assert diff.loosening == (change.loosening,)
    assert change.loosening == "looser: scope 'admin_write': its strategy lock comes off"
    assert "owner" not in change.to_json()


def test_the_diff_names_both_where_an_operator_overruled_an_owner(ws: Workspace, live: Live, policy: PolicyOf) -> None:
    live()
    was = PolicySnapshot.from_json(policy)
    edits = [(WRITE, "firearm_id", "firearm.external_write", "firearm.read_secret")]
    draft = pulled(ws, edits, with_write(was, "firearm.read_secret"))
    edit_draft(ws, draft.id, firearms={"admin_write": was.firearms["admin_write"]})
    (change,) = diff_draft(ws, draft.id).changes
    plain = change.to_json()
    assert (plain["published"], plain["draft"]) == ("firearm.external_write", "firearm.external_write")
    assert plain["owner"] == "firearm.read_secret"


def test_the_diff_of_a_first_publication_is_all_new_and_never_looser(ws: Workspace, github: PolicyOf) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws, draft_id, firearms={"read_public": FirearmBinding(firearm_id=None)})
    diff = diff_draft(ws, draft_id)
    assert diff.first
    assert diff.loosening == ()
    assert {change.field for change in diff.spec} >= {"version", "scope admin_write", "scope read_public"}


def test_the_diff_shows_what_publish_would_make_not_what_others_published_since(ws: Workspace, live: Live) -> None:
    live()
    mine = new_draft(ws, "github").draft.id
    edit_draft(ws, mine, firearms={"read_public": FirearmBinding(firearm_id="firearm.read_secret")})
    other = new_draft(ws, "github").draft.id
    edit_draft(ws, other, kpis={"calls": {"impact_type": "count", "formula": "usage.count"}})
    verify_drafts(ws, [other])
    publish_drafts(ws, [other])
    assert [change.cell.column for change in diff_draft(ws, mine).changes] == ["firearm_id"]


def test_a_dropped_kpi_is_one_change_and_looser(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws, draft_id, kpis={"spend": None})
    (change,) = diff_draft(ws, draft_id).changes
    assert change.text == "KPI spend is dropped"
    assert change.loosening == "looser: KPI 'spend': the KPI is dropped"
