"""Drafts: making, editing, advancing, approving, restoring; each change a snapshot in the author's folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.errors import (
    InvalidContentError,
    InvalidIdError,
    NotFoundError,
    NotOpenError,
    StaleSnapshotError,
    UsageError,
)
from sheetsync.services.drafts import (
    advance_draft,
    approve_draft,
    discard_draft,
    edit_draft,
    list_drafts,
    new_draft,
    parse_firearm_option,
    restore_draft,
    show_draft,
)
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store
from sheetsync.store.object_port import MemoryObjects
from sheetsync.store.objects import ObjectBackend

Live = Callable[..., str]
READ = {"read_public": FirearmBinding(firearm_id="firearm.read_secret")}


def test_a_new_draft_starts_from_published(ws: Workspace, live: Live) -> None:
    live()
    draft = new_draft(ws, "github").draft
    published = ws.catalogue().published("github")
    assert published is not None
    assert (draft.spec_snapshot, draft.policy_snapshot) == (published.spec, published.policy())
    names = tuple(one.filename for one in ws.catalogue().records_of("github") or ())
    assert (draft.base.components, draft.base.firearms, draft.base.kpis) == names


def test_a_new_draft_of_a_connector_never_published_starts_from_its_newest_draft(
    ws: Workspace, github: dict[str, Any]
) -> None:
    first = new_draft(ws, "github", github).draft
    again = new_draft(ws, "github").draft
    assert again.spec_snapshot == first.spec_snapshot
    assert again.base.components is None


def test_an_unknown_connector_without_a_spec_is_unknown(ws: Workspace, live: Live) -> None:
    live()
    with pytest.raises(NotFoundError) as caught:
        new_draft(ws, "githob")
    assert caught.value.exit_code == 2
    assert caught.value.hint == "did you mean 'github'?"


@pytest.mark.parametrize("name", ["", "GitHub", "a--b", "../x", "con/x", "x" * 64])
def test_a_connector_id_that_is_none_is_refused(ws: Workspace, name: str) -> None:
    with pytest.raises(InvalidIdError):
        new_draft(ws, name, {"scopes": []})


def test_a_spec_may_leave_out_id_and_version(ws: Workspace) -> None:
    spec = new_draft(ws, "github", {"scopes": [{"name": "x"}]}).draft.spec_snapshot
    assert (spec.id, spec.version) == ("github", "1.0.0")


def test_a_spec_without_a_version_keeps_the_one_there_is(ws: Workspace, live: Live) -> None:
    live()
    draft = new_draft(ws, "github", {"scopes": [{"name": "x"}]}).draft
    assert draft.spec_snapshot.version == "1.2.0"
    edit_draft(ws, draft.id, version="7.0.0")
    assert edit_draft(ws, draft.id, spec={"scopes": []}).draft.spec_snapshot.version == "7.0.0"


@pytest.mark.parametrize("spec", [{}, {"name": "GitHub"}, {"id": "github", "version": "9.0.0"}])
def test_a_spec_that_says_nothing_of_scopes_is_refused_and_nothing_is_lost(
    ws: Workspace, live: Live, spec: dict[str, Any]
) -> None:
    live()
    draft = new_draft(ws, "github").draft
    head = ws.store.head()
    with pytest.raises(InvalidContentError) as caught:
        edit_draft(ws, draft.id, spec=spec)
    assert (caught.value.message, caught.value.exit_code) == ("the spec: 'scopes' is missing", 2)
    with pytest.raises(InvalidContentError, match="'scopes' is missing"):
        new_draft(ws, "github", spec)
    assert show_draft(ws, draft.id).draft == draft
    assert ws.store.head() == head


@pytest.mark.parametrize(
    "spec", [{"id": "gitlab"}, {"version": "1"}, {"scopes": [{"name": "/x"}]}, {"color": 1}, [], 7]
)
def test_a_spec_that_breaks_a_rule_is_refused(ws: Workspace, spec: Any) -> None:
    with pytest.raises(InvalidContentError):
        new_draft(ws, "github", spec)


def test_a_new_spec_keeps_the_policy_of_the_scopes_that_remain(ws: Workspace, live: Live) -> None:
    live()
    draft = new_draft(ws, "github", {"version": "2.0.0", "scopes": [{"name": "read_public"}, {"name": "new"}]}).draft
    assert list(draft.policy_snapshot.firearms) == ["read_public"]
    assert set(draft.policy_snapshot.kpis) == {"spend"}


def test_every_change_is_a_snapshot_in_the_authors_folder_by_who_made_it(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws.acting("ben@example.com"), draft_id, firearms=READ)
    advance_draft(ws, draft_id)
    record = show_draft(ws, draft_id).snapshot.record
    assert record.folder == ("workbench_drafts", "ana", draft_id)
    assert [one.author for one in ws.store.history(record)] == ["ana", "ben@example.com", "ana"]


def test_a_stale_edit_is_refused_with_what_stands_there(ws: Workspace, github: dict[str, Any]) -> None:
    seen = new_draft(ws, "github", github)
    theirs = edit_draft(ws.acting("ben"), seen.draft.id, firearms=READ)
    for expected in (seen.snapshot, seen.snapshot.filename):
        with pytest.raises(StaleSnapshotError) as caught:
            edit_draft(ws, seen.draft.id, kpis={}, expected=expected)
        assert caught.value.theirs == theirs.snapshot


def test_two_edits_of_what_both_read_first_do_not_lose_one(ws: Workspace, github: dict[str, Any]) -> None:
    """The store's own check: the second writer read before the first one saved."""
    stored = new_draft(ws, "github", github)
    catalogue = ws.catalogue()
    edit_draft(ws, stored.draft.id, firearms=READ)
    with pytest.raises(StaleSnapshotError), ws.store.transaction(ws.ctx, why="late") as tx:
        catalogue.save_draft(tx, stored.draft.model_copy(update={"stage": "policy"}), expected=stored.snapshot)


def test_an_edit_that_changes_nothing_makes_no_snapshot(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws, draft_id, firearms=READ)
    head = ws.store.head()
    edit_draft(ws, draft_id, firearms=READ)
    assert ws.store.head() == head


def test_editing_sets_undecides_and_drops(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    calls = {"impact_type": "count", "formula": "usage.count"}
    draft = edit_draft(
        ws, draft_id, firearms=READ, undecide=["admin_write"], kpis={"calls": calls, "spend": None}
    ).draft
    assert draft.policy_snapshot.firearms == READ
    assert list(draft.policy_snapshot.kpis) == ["calls"]


@pytest.mark.parametrize(
    ("edit", "error"),
    [
        ({"firearms": {"read_publik": FirearmBinding(firearm_id=None)}}, NotFoundError),
        ({"undecide": ["nope"]}, NotFoundError),
        ({"policy": {"firearms": {"nope": {"firearm_id": None}}}}, NotFoundError),
        ({"policy": {"firearms": {"read_public": {"firearm_id": None, "strategy_lock": True}}}}, InvalidContentError),
        ({"policy": {"fire": {}}}, InvalidContentError),
        ({"kpis": {"Spend": {"impact_type": "cost", "formula": "1"}}}, InvalidContentError),
        ({"kpis": {"spend": {"impact_type": "joy", "formula": "1"}}}, InvalidContentError),
        ({"kpis": {"calls": None}}, NotFoundError),
        ({"version": "one"}, InvalidContentError),
        ({"spec": {"id": "gitlab"}}, InvalidContentError),
    ],
)
def test_an_edit_that_breaks_a_rule_is_refused(
    ws: Workspace, live: Live, edit: dict[str, Any], error: type[Exception]
) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    head = ws.store.head()
    with pytest.raises(error):
        edit_draft(ws, draft_id, **edit)
    assert ws.store.head() == head


def test_a_closed_draft_cannot_be_changed(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    assert discard_draft(ws, draft_id, "not now").draft.closed_reason == "not now"
    for change in (edit_draft, advance_draft, approve_draft, discard_draft):
        with pytest.raises(NotOpenError):
            change(ws, draft_id)


def test_stages_guide_forward_and_back(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    assert [advance_draft(ws, draft_id).draft.stage for _ in range(4)] == [
        "scoping", "policy", "verification", "verification",
    ]  # fmt: skip
    assert advance_draft(ws, draft_id, "scoping").draft.stage == "scoping"
    with pytest.raises(UsageError):
        advance_draft(ws, draft_id, "done")  # type: ignore[arg-type]


def test_the_stage_never_gates(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [draft_id])
    advance_draft(ws, draft_id)
    publish_drafts(ws, [draft_id])


def test_approving_twice_is_one_approval(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    approve_draft(ws, draft_id)
    assert len(approve_draft(ws, draft_id).draft.approvals) == 1
    assert len(approve_draft(ws.acting("ben"), draft_id).draft.approvals) == 2


def test_lists_are_newest_last_even_at_the_same_microsecond(
    ws: Workspace, clock: FakeClock, github: dict[str, Any]
) -> None:
    made = [new_draft(ws, "github", github).draft.id for _ in range(3)]
    clock.advance(0.5)
    made.append(new_draft(ws, "github", github).draft.id)
    clock.set(clock.now().replace(microsecond=0, second=1))
    made.append(new_draft(ws, "github", github).draft.id)
    assert [line.id for line in list_drafts(ws).lines] == made
    assert ws.catalogue().newest_open("github") == show_draft(ws, made[-1])


def test_the_list_in_json_has_the_contracts_keys(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    assert list_drafts(ws, status="open").to_json() == {
        "drafts": [
            {
                "id": draft_id,
                "connector_id": "github",
                "stage": "definition",
                "status": "open",
                "origin": "workbench",
                "created_at": "2026-01-07T12:00:00Z",
            }
        ]
    }
    assert list_drafts(ws, status="published").lines == ()


def test_the_derived_lines_are_rebuilt_when_damaged_or_deleted(ws: Workspace, clock: FakeClock) -> None:
    ids = []
    for number in range(20):
        clock.advance(1)
        ids.append(new_draft(ws, f"c{number}", {"scopes": []}).draft.id)
    assert [line.id for line in list_drafts(ws).lines] == ids
    assert ws.store.read_derived("default", ("catalogue", "drafts.json")) is not None
    for damage in (b"{", b"[]", b'{"format": 2}'):
        ws.store.write_derived("default", ("catalogue", "drafts.json"), damage)
        assert [line.id for line in list_drafts(ws).lines] == ids
    advance_draft(ws, ids[3])
    assert list_drafts(ws).lines[3].stage == "scoping"


def test_an_unknown_draft_names_close_ones(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    wrong = draft_id[:-1] + ("0" if draft_id[-1] != "0" else "1")
    with pytest.raises(NotFoundError, match="there is no draft") as caught:
        show_draft(ws, wrong)
    assert draft_id in caught.value.hint


def test_restoring_a_connector_makes_a_draft_of_an_earlier_state(ws: Workspace, live: Live) -> None:
    live()
    before = ws.catalogue().published("github")
    at = ws.store.head()
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws, draft_id, firearms=READ)
    verify_drafts(ws, [draft_id])
    publish_drafts(ws, [draft_id])
    assert before is not None
    records = ws.catalogue().at(at).records_of("github")
    assert records is not None
    for when in (at, None, records[0].filename):
        draft = restore_draft(ws, "github", when).draft
        assert draft.policy_snapshot == before.policy()
        assert draft.spec_snapshot == before.spec
        assert draft.base == ws.catalogue().base_of("github")


def test_restoring_an_older_spec_raises_the_version(ws: Workspace, live: Live, github: dict[str, Any]) -> None:
    live()
    at = ws.store.head()
    draft_id = new_draft(ws, "github", {**github, "version": "1.3.0", "description": "new"}).draft.id
    verify_drafts(ws, [draft_id])
    publish_drafts(ws, [draft_id])
    draft = restore_draft(ws, "github", at).draft
    assert (draft.spec_snapshot.version, draft.spec_snapshot.description) == ("1.4.0", "")


def test_restoring_a_draft_brings_back_its_earlier_content(ws: Workspace, github: dict[str, Any]) -> None:
    first = new_draft(ws, "github", github)
    edit_draft(ws, first.draft.id, firearms=READ)
    draft = restore_draft(ws, first.draft.id).draft
    assert draft.policy_snapshot.firearms == {}
    assert draft.id != first.draft.id


def test_every_snapshot_of_a_connector_that_the_log_lists_tells_its_state(
    ws: Workspace, live: Live, policy: dict[str, Any]
) -> None:
    live()
    before = ws.catalogue().published("github")
    first = ws.store.commit(ws.store.head())
    live({**policy, "kpis": {"spend": {**policy["kpis"]["spend"], "target": 6}}})
    assert before is not None
    assert {one.record.folder[0] for one in first.snapshots} >= {"components", "firearms", "kpis"}
    for snapshot in first.snapshots:
        if snapshot.record.folder[0] != "workbench_drafts":
            assert restore_draft(ws, "github", snapshot.filename).draft.policy_snapshot == before.policy()


@pytest.mark.parametrize("make", [lambda ws: new_draft(ws, "github").draft.id, lambda ws: "github"])
def test_numbers_of_no_commit_are_refused_in_one_sentence(
    ws: Workspace, live: Live, make: Callable[[Workspace], str]
) -> None:
    live()
    name = make(ws)
    for at in ("²", "٣", "-1", "9" * 5000, "9" * 18, "1.0", "true", "", "\x1b[2J", -1, 10**5000):
        with pytest.raises(NotFoundError) as caught:
            restore_draft(ws, name, at)
        assert caught.value.message.isprintable()
        assert len(caught.value.message) < 200
    with pytest.raises(UsageError, match="no commit's number"):
        restore_draft(ws, name, True)


def test_a_state_is_restored_from_what_another_host_published(
    ws: Workspace, github: dict[str, Any], policy: dict[str, Any]
) -> None:
    bucket = MemoryObjects()

    def on_a_host() -> Workspace:
        return replace(ws, store=Store.on(ObjectBackend(bucket, "s3://bucket/x"), clock=ws.clock))

    def publish(here: Workspace, target: float) -> None:
        kpis = {"spend": {**policy["kpis"]["spend"], "target": target}}
        draft_id = new_draft(here, "github", github).draft.id
        edit_draft(here, draft_id, policy={**policy, "kpis": kpis})
        verify_drafts(here, [draft_id])
        publish_drafts(here, [draft_id])

    def restored(here: Workspace, at: int | None = None) -> float | None:
        return restore_draft(here, "github", at).draft.policy_snapshot.kpis["spend"].target

    one = on_a_host()
    publish(one, 5)
    other = on_a_host()
    for target in (6, 7):
        publish(one, target)
        assert restored(other) == target - 1  # the state before the newest one
    publish(one, 8)
    assert restored(other, one.store.head()) == 8


@pytest.mark.parametrize("at", [0, "0", 99999, "99999", "nope.json"])
def test_a_state_that_never_was_cannot_be_restored(ws: Workspace, live: Live, at: int | str) -> None:
    live()
    with pytest.raises(NotFoundError):
        restore_draft(ws, "github", at)


@pytest.mark.parametrize(
    ("text", "scope", "binding"),
    [
        ("a=firearm.x", "a", FirearmBinding(firearm_id="firearm.x")),
        ("a=firearm.x+lock", "a", FirearmBinding(firearm_id="firearm.x", strategy_lock=True)),
        ("a=none", "a", FirearmBinding(firearm_id=None)),
        ("core.get:{id}=firearm.x", "core.get:{id}", FirearmBinding(firearm_id="firearm.x")),
    ],
)
def test_the_firearm_option_is_read(text: str, scope: str, binding: FirearmBinding) -> None:
    assert parse_firearm_option(text) == (scope, binding)


@pytest.mark.parametrize("text", ["a", "=firearm.x", "a=", "a=firearm.x+key", "a=NONE+lock", "a=writer"])
def test_a_wrong_firearm_option_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_firearm_option(text)
