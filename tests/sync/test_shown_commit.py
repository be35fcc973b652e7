"""The first row of `Sync Status`: the newest commit that changed something shown, and no note of a push."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.services import drafts, publishing
from sheetsync.store import RecordId

POST = ("slack", "post")
QUIET = {"read": 1, "write": 0, "drive": 0}


def shown(desk: Any) -> int:
    """The commit that the sheet names."""
    row = desk.values("Sync Status")[1]
    assert row[1] == "commit"
    return int(row[8])


def is_calm(desk: Any) -> None:
    before = shown(desk)
    assert desk.sync().calls == QUIET
    assert shown(desk) == before


def note(desk: Any) -> None:
    """A commit of something that no tab shows."""
    with desk.ws.store.transaction(desk.ws.ctx, why="import") as tx:
        tx.save(RecordId(desk.ws.ctx.tenant, ("selections", "mine"), "mine"), {"at": desk.snapshots()})


def test_the_first_push_names_the_publish_before_it(empty: Any) -> None:
    empty.publish(empty.draft("slack", ["post"], {"post": "firearm.read"}))
    published = empty.snapshots()
    empty.push()
    assert empty.snapshots() > published + 1
    assert shown(empty) == published
    is_calm(empty)


@pytest.mark.parametrize("run", ["push", "sync"])
def test_a_publish_is_named_whatever_the_journal_holds_besides(desk: Any, run: str) -> None:
    desk.set("slack", "post", "firearm.money")
    published = desk.snapshots()
    note(desk)
    getattr(desk, run)()
    assert shown(desk) == published
    is_calm(desk)


@pytest.mark.parametrize("run", ["pull", "sync"])
def test_a_run_that_drafts_names_its_own_commit(desk: Any, run: str) -> None:
    note(desk)
    desk.edit(POST, "firearm_id", "firearm.read")
    before = desk.snapshots()
    getattr(desk, run)()
    assert shown(desk) == before + 1
    assert desk.ws.store.commit(before + 1).why.startswith("pull: owners' edits")
    is_calm(desk)


def test_a_conflict_that_is_only_marked_names_the_commit_that_marks_it(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    desk.sync()
    desk.set("slack", "post", "firearm.money")
    before = desk.snapshots()
    desk.sync()
    assert desk.status(*POST).startswith("conflict")
    assert shown(desk) == before + 1
    is_calm(desk)


def test_commits_of_what_is_not_shown_change_nothing(desk: Any) -> None:
    before = shown(desk)
    note(desk)
    assert desk.sync().calls == QUIET
    desk.tab("Connector Registry").update([["7.7.7"]], "B2")
    desk.sync()
    assert desk.values("Connector Registry")[1][1] == "1.2.0"
    assert shown(desk) == before
    is_calm(desk)


def test_a_draft_that_no_tab_shows_is_no_reason_to_write(desk: Any) -> None:
    before = shown(desk)
    made = drafts.new_draft(desk.ws, "slack").draft.id
    publishing.verify_drafts(desk.ws, [made])
    is_calm(desk)
    assert shown(desk) == before


def test_a_discarded_draft_is_named(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    drafts.discard_draft(desk.ws, desk.sync().drafts[0].id, reason="no")
    discarded = desk.snapshots()
    note(desk)
    desk.sync()
    assert shown(desk) == discarded
    is_calm(desk)


@pytest.mark.parametrize("act", ["new", "edit", "verify", "discard"])
def test_a_draft_that_no_tab_shows_is_not_named_by_the_next_write(desk: Any, act: str) -> None:
    desk.set("slack", "post", "firearm.money")
    published = desk.snapshots()
    made = drafts.new_draft(desk.ws, "github").draft.id
    if act == "edit":
        drafts.edit_draft(desk.ws, made, version="9.0.0")
    elif act == "verify":
        publishing.verify_drafts(desk.ws, [made])
    elif act == "discard":
        drafts.discard_draft(desk.ws, made)
    desk.sync()
    assert shown(desk) == published
    is_calm(desk)


def test_verifying_and_approving_a_sheet_draft_changes_nothing_shown(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.read")
    draft = desk.sync().drafts[0].id
    before = shown(desk)
    publishing.verify_drafts(desk.ws, [draft])
    drafts.approve_draft(desk.ws, draft)
    desk.tab("Connector Registry").update([["7.7.7"]], "B2")
    desk.sync()
    assert desk.values("Connector Registry")[1][1] == "1.2.0"
    assert shown(desk) == before


def test_a_draft_of_a_connector_never_published_is_named(desk: Any) -> None:
    made = desk.draft("jira", ["a"], {"a": "NONE"})
    proposed = desk.snapshots()
    publishing.verify_drafts(desk.ws, [made])
    desk.sync()
    assert desk.cell(("jira", "a"), "firearm_id") == "NONE"
    assert shown(desk) == proposed
    drafts.discard_draft(desk.ws, made)
    gone = desk.snapshots()
    desk.sync()
    assert shown(desk) == gone


def test_a_draft_that_only_the_coverage_report_shows_is_named(desk: Any) -> None:
    made = drafts.new_draft(desk.ws, "slack").draft
    spec = made.spec_snapshot.to_json() | {"version": "1.1.0", "engine_routes": ["/video/*"]}
    drafts.edit_draft(desk.ws, made.id, spec=spec)
    proposed = desk.snapshots()
    note(desk)
    desk.sync()
    assert desk.values("Coverage Report")[2][1] == "IN_PROGRESS"
    assert shown(desk) == proposed
    drafts.discard_draft(desk.ws, made.id)
    gone = desk.snapshots()
    desk.sync()
    assert (desk.values("Coverage Report")[2][1], shown(desk)) == ("MISSING", gone)
