"""Publish: all or nothing, and every refusal by its name."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.errors import (
    NotOpenError,
    NotVerifiedError,
    RefusedError,
    RegistryMovedError,
    SecondPersonError,
    StaleSnapshotError,
    VersionNotRaisedError,
)
from sheetsync.exports.schema import CONNECTOR_REGISTRY
from sheetsync.exports.tables import connector_registry
from sheetsync.exports.tsv import write_tsv
from sheetsync.services.catalogue import status
from sheetsync.services.drafts import approve_draft, discard_draft, edit_draft, new_draft, show_draft
from sheetsync.services.importing import import_paths
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Rules, Workspace

WRITE = {"admin_write": FirearmBinding(firearm_id="firearm.external_write", strategy_lock=False)}
READ = {"read_public": FirearmBinding(firearm_id="firearm.read_secret")}
Live = Callable[..., str]


def verified(ws: Workspace, **edit: Any) -> str:
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws, draft_id, **edit)
    assert verify_drafts(ws, [draft_id]).exit_code == 0
    return draft_id


def test_publish_writes_all_three_records_at_one_time(ws: Workspace, live: Live) -> None:
    draft_id = live()
    published = ws.catalogue().published("github")
    assert published is not None
    stamps = {
        (one.published_at, one.published_by, one.draft_id)
        for one in (published.component, published.firearms, published.kpis)
    }
    assert stamps == {(ws.clock.now(), "ana", draft_id)}
    assert show_draft(ws, draft_id).draft.status == "published"
    assert len({one.commit for one in ws.catalogue().records_of("github") or ()}) == 1


def test_published_at_is_the_same_in_the_answer_and_in_the_export(
    ws: Workspace, clock: FakeClock, github: dict[str, Any]
) -> None:
    clock.advance(0.123456)
    draft_id = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [draft_id])
    answer = publish_drafts(ws, [draft_id]).to_json()["published"][0]
    row = connector_registry(ws.catalogue().live_all()).rows[("github",)]
    assert answer["published_at"] == row[CONNECTOR_REGISTRY.place("published_at")] == "2026-01-07T12:00:00Z"


def test_the_answer_names_draft_connector_commit_and_time(ws: Workspace, live: Live) -> None:
    live()
    draft_id = verified(ws, firearms=READ)
    answer = publish_drafts(ws, [draft_id]).to_json()
    assert answer == {
        "ok": True,
        "published": [
            {
                "draft_id": draft_id,
                "connector_id": "github",
                "commit": ws.store.head(),
                "published_at": "2026-01-07T12:00:00Z",
            }
        ],
        "already_published": [],
    }


def test_publishing_a_published_draft_does_nothing_and_says_so(ws: Workspace, live: Live) -> None:
    draft_id = live()
    head = ws.store.head()
    report = publish_drafts(ws, [draft_id])
    assert (report.exit_code, report.already, ws.store.head()) == (0, (draft_id,), head)
    assert report.to_json()["published"] == []


def test_a_closed_draft_is_refused(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [draft_id])
    discard_draft(ws, draft_id, "no")
    with pytest.raises(NotOpenError):
        publish_drafts(ws, [draft_id])


def test_a_draft_never_verified_is_refused(ws: Workspace, github: dict[str, Any]) -> None:
    with pytest.raises(NotVerifiedError, match="never verified"):
        publish_drafts(ws, [new_draft(ws, "github", github).draft.id])


def test_a_validation_of_other_content_is_refused(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [draft_id])
    edit_draft(ws, draft_id, firearms=READ)
    with pytest.raises(NotVerifiedError, match="changed after"):
        publish_drafts(ws, [draft_id])


def test_a_failed_verification_is_refused(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws, draft_id, firearms={"read_public": FirearmBinding(firearm_id="firearm.nope")})
    assert verify_drafts(ws, [draft_id]).exit_code == 3
    with pytest.raises(NotVerifiedError, match="failed verification"):
        publish_drafts(ws, [draft_id])


def test_two_drafts_of_one_connector_are_refused(ws: Workspace, github: dict[str, Any]) -> None:
    ids = [new_draft(ws, "github", github).draft.id for _ in range(2)]
    verify_drafts(ws, ids)
    with pytest.raises(RefusedError, match="both of connector github"):
        publish_drafts(ws, ids)


def test_one_refusal_holds_back_the_whole_transaction(ws: Workspace, github: dict[str, Any]) -> None:
    good = new_draft(ws, "github", github).draft.id
    bad = new_draft(ws, "gitlab", {"scopes": [{"name": "x"}]}).draft.id
    verify_drafts(ws, [good])
    with pytest.raises(NotVerifiedError):
        publish_drafts(ws, [good, bad])
    assert ws.catalogue().published_all() == {}


def test_a_changed_spec_needs_a_higher_version(ws: Workspace, live: Live, github: dict[str, Any]) -> None:
    live()
    draft_id = new_draft(ws, "github", {**github, "description": "other"}).draft.id
    edit_draft(ws, draft_id, policy=show_draft(ws, draft_id).draft.policy_snapshot)
    verify_drafts(ws, [draft_id])
    with pytest.raises(VersionNotRaisedError):
        publish_drafts(ws, [draft_id])
    edit_draft(ws, draft_id, version="1.2.1")
    verify_drafts(ws, [draft_id])
    publish_drafts(ws, [draft_id])


def test_a_version_is_never_edited_downwards(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    with pytest.raises(VersionNotRaisedError):
        edit_draft(ws, draft_id, version="1.1.9")


def test_the_same_field_moved_meanwhile_is_refused(ws: Workspace, live: Live) -> None:
    live()
    first = verified(ws, firearms=READ)
    lock = {"read_public": FirearmBinding(firearm_id="firearm.external_write")}
    second = verified(ws, firearms=lock)
    publish_drafts(ws, [first])
    with pytest.raises(RegistryMovedError, match="scope read_public firearm_id"):
        publish_drafts(ws, [second])


def test_another_field_moved_meanwhile_is_merged_verified_and_saved(ws: Workspace, live: Live) -> None:
    live()
    first = verified(ws, firearms=READ)
    second = verified(ws, kpis={"calls": {"impact_type": "count", "formula": "usage.count"}})
    publish_drafts(ws, [first])
    publish_drafts(ws, [second])
    published = ws.catalogue().published("github")
    assert published is not None
    assert published.policy().firearms["read_public"].firearm_id == "firearm.read_secret"
    assert set(published.policy().kpis) == {"spend", "calls"}
    draft = show_draft(ws, second).draft
    assert draft.policy_snapshot == published.policy()
    assert draft.validation is not None
    assert draft.validation.content_hash == draft.content_hash()


def test_a_base_that_is_of_before_is_merged_though_its_names_are_of_now(ws: Workspace, live: Live) -> None:
    """As of a sheet draft, in the rows in which its owners' edits started from what was published before."""
    live()
    before = new_draft(ws, "github").draft
    publish_drafts(ws, [verified(ws, firearms=READ)])
    second = verified(ws, kpis={"calls": {"impact_type": "count", "formula": "usage.count"}})
    stored = show_draft(ws, second)
    mine = before.policy_snapshot.model_copy(update={"kpis": stored.draft.policy_snapshot.kpis})
    base = stored.draft.base.model_copy(update={"policy": before.policy_snapshot})
    older = stored.draft.model_copy(update={"policy_snapshot": mine, "base": base})
    with ws.store.transaction(ws.ctx, why="as a pull saves it") as tx:
        ws.catalogue().save_draft(tx, older, expected=stored.snapshot)
    verify_drafts(ws, [second])
    publish_drafts(ws, [second])
    published = ws.catalogue().published("github")
    assert published is not None
    assert published.policy().firearms["read_public"].firearm_id == "firearm.read_secret"
    assert set(published.policy().kpis) == {"spend", "calls"}


def test_a_merge_that_fails_verification_is_refused(ws: Workspace, live: Live) -> None:
    live()
    first = verified(ws, firearms=READ)
    second = verified(ws, kpis={"calls": {"impact_type": "count", "formula": "usage.count"}})
    publish_drafts(ws, [first])
    smaller = ws.firearms.model_copy(update={"firearms": ws.firearms.firearms[:1]})
    with pytest.raises(NotVerifiedError, match="merged with what was published since"):
        publish_drafts(replace(ws, firearms=smaller), [second])


def test_two_first_publications_of_one_connector_meet(ws: Workspace, github: dict[str, Any]) -> None:
    first = new_draft(ws, "github", github).draft.id
    second = new_draft(ws, "github", {**github, "name": "Other"}).draft.id
    verify_drafts(ws, [first, second])
    publish_drafts(ws, [first])
    with pytest.raises(RegistryMovedError):
        publish_drafts(ws, [second])


# -- the second person


def test_a_first_publication_is_never_loosening(ws: Workspace, live: Live) -> None:
    live()
    assert ws.catalogue().published("github") is not None


def test_who_wrote_a_loosening_may_not_publish_it(ws: Workspace, live: Live) -> None:
    live()
    draft_id = verified(ws, firearms=WRITE)
    with pytest.raises(SecondPersonError, match="ana wrote it"):
        publish_drafts(ws, [draft_id])
    publish_drafts(ws.acting("ben"), [draft_id])


def test_another_spelling_of_a_name_is_no_second_person(ws: Workspace, live: Live) -> None:
    live()
    draft_id = verified(ws.acting("Ana@Example.com"), firearms=WRITE)
    with pytest.raises(SecondPersonError):
        publish_drafts(ws.acting("ana@example.COM"), [draft_id])
    with pytest.raises(SecondPersonError, match="unattended"):
        publish_drafts(ws.acting("CRON"), [draft_id])


def test_who_only_verified_a_loosening_may_publish_it(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws, draft_id, firearms=WRITE)
    verify_drafts(ws.acting("ben"), [draft_id])
    publish_drafts(ws.acting("ben"), [draft_id])


def test_who_edited_somebody_elses_draft_wrote_it_too(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws.acting("ben"), draft_id, firearms=WRITE)
    verify_drafts(ws, [draft_id])
    for user in ("ana", "ben"):
        with pytest.raises(SecondPersonError):
            publish_drafts(ws.acting(user), [draft_id])
    assert ws.catalogue().writers(show_draft(ws, draft_id).draft) == {"ana", "ben"}


def test_tightening_needs_nobody_else(ws: Workspace, live: Live) -> None:
    live()
    publish_drafts(ws, [verified(ws, firearms=READ)])


@pytest.mark.parametrize(
    "edit",
    [
        {"kpis": {"spend": None}},
        {"firearms": {"admin_write": FirearmBinding(firearm_id="firearm.read_secret", strategy_lock=True)}},
        {"firearms": {"admin_write": FirearmBinding(firearm_id=None)}},
    ],
)
def test_every_kind_of_loosening_needs_a_second_person(ws: Workspace, live: Live, edit: dict[str, Any]) -> None:
    live()
    draft_id = verified(ws, **edit)
    with pytest.raises(SecondPersonError):
        publish_drafts(ws, [draft_id])


def test_deciding_an_undecided_scope_of_a_published_connector_is_loosening(
    ws: Workspace, live: Live, policy: dict[str, Any]
) -> None:
    del policy["firearms"]["read_public"]
    live(policy)
    with pytest.raises(SecondPersonError):
        publish_drafts(ws, [verified(ws, firearms={"read_public": FirearmBinding(firearm_id=None)})])


def test_the_rule_can_be_switched_off(ws: Workspace, live: Live) -> None:
    live()
    draft_id = verified(ws, firearms=WRITE)
    publish_drafts(replace(ws, rules=Rules(loosening_needs_second_person=False)), [draft_id])


def test_an_unattended_pull_needs_an_approval_and_another_person(ws: Workspace, live: Live) -> None:
    live()
    cron = ws.acting("cron")
    draft_id = verified(cron, firearms=WRITE)
    with pytest.raises(SecondPersonError, match="unattended user"):
        publish_drafts(cron, [draft_id])
    with pytest.raises(SecondPersonError, match="nobody approved"):
        publish_drafts(ws.acting("ben"), [draft_id])
    with pytest.raises(SecondPersonError):
        approve_draft(cron, draft_id)
    approve_draft(ws.acting("ben"), draft_id)
    with pytest.raises(SecondPersonError, match="ben approved it"):
        publish_drafts(ws.acting("ben"), [draft_id])
    publish_drafts(ws.acting("eve"), [draft_id])


def test_an_approval_is_of_one_content_only(ws: Workspace, live: Live) -> None:
    live()
    draft_id = verified(ws.acting("cron"), firearms=WRITE)
    approve_draft(ws.acting("ben"), draft_id)
    edit_draft(ws.acting("cron"), draft_id, kpis={"spend": None})
    verify_drafts(ws, [draft_id])
    with pytest.raises(SecondPersonError, match="nobody approved"):
        publish_drafts(ws.acting("eve"), [draft_id])


# -- retiring


def test_retiring_writes_tombstones_and_closes_all_drafts(ws: Workspace, live: Live) -> None:
    live()
    other = new_draft(ws, "github").draft.id
    draft_id = retire_connector(ws, "github").draft.id
    verify_drafts(ws, [draft_id])
    publish_drafts(ws, [draft_id])
    tomb = ws.catalogue().published("github")
    assert tomb is not None
    assert tomb.retired
    assert tomb.spec.version == "1.2.0"
    assert tomb.policy().firearms == {}
    closed = show_draft(ws, other).draft
    assert (closed.status, closed.closed_reason) == ("discarded", "connector retired")
    assert ws.catalogue().published_all() == {}
    assert ws.catalogue().live_all() == {}
    assert write_tsv(connector_registry(ws.catalogue().published_all(retired=True))).count(b"\n") == 1
    assert status(ws).connectors == 0


def test_retiring_is_never_loosening_and_needs_no_extra_verification(ws: Workspace, live: Live) -> None:
    live()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])


def test_a_retired_connector_comes_back_above_its_last_version(
    ws: Workspace, live: Live, github: dict[str, Any]
) -> None:
    live()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])
    same = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [same])
    with pytest.raises(VersionNotRaisedError, match="retired at"):
        publish_drafts(ws, [same])
    again = new_draft(ws, "github").draft
    assert (again.spec_snapshot.version, again.policy_snapshot.firearms) == ("1.3.0", {})
    verify_drafts(ws, [again.id])
    publish_drafts(ws, [again.id])
    assert list(ws.catalogue().published_all()) == ["github"]


def test_coming_back_looser_is_no_first_publication(ws: Workspace, live: Live) -> None:
    live()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])
    with pytest.raises(SecondPersonError):
        publish_drafts(ws, [verified(ws, firearms={"admin_write": FirearmBinding(firearm_id=None)})])


def test_what_was_published_again_is_not_retired_by_an_older_decision(ws: Workspace, live: Live) -> None:
    live()
    draft_id = retire_connector(ws, "github").draft.id
    publish_drafts(ws, [verified(ws, firearms=READ)])
    with pytest.raises(RegistryMovedError, match="published again"):
        publish_drafts(ws, [draft_id])


def test_retiring_twice_is_refused(ws: Workspace, live: Live) -> None:
    live()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])
    with pytest.raises(RefusedError, match="retired already"):
        retire_connector(ws, "github")


# -- verify


def test_verify_answers_in_the_contracts_json(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws, draft_id, firearms={"read_public": FirearmBinding(firearm_id=None)})
    answer = verify_drafts(ws, [draft_id]).to_json()
    assert answer["ok"] is True
    (result,) = answer["results"]
    assert set(result) == {"draft_id", "ok", "checks", "gate"}
    assert {"scope": "read_public", "grant": False, "lock_released": False, "allowed": True} in result["gate"]
    assert next(one for one in result["checks"] if one["code"] == "undecided_scope")["ok"] is True


def test_a_verification_is_saved_once(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    verify_drafts(ws, [draft_id])
    head = ws.store.head()
    verify_drafts(ws.acting("ben"), [draft_id])
    assert ws.store.head() == head


def test_what_changed_since_the_person_looked_is_not_published(ws: Workspace, github: dict[str, Any]) -> None:
    seen = new_draft(ws, "github", github)
    edit_draft(ws.acting("ben"), seen.draft.id, firearms=READ)
    verify_drafts(ws, [seen.draft.id])
    with pytest.raises(StaleSnapshotError):
        publish_drafts(ws, [seen.draft.id], expected={seen.draft.id: seen.snapshot.filename})
    now = show_draft(ws, seen.draft.id).snapshot.filename
    publish_drafts(ws, [seen.draft.id], expected={seen.draft.id: now})


def test_the_index_of_an_imported_provider_tells_of_its_verification(ws: Workspace, tmp_path: Path) -> None:
    provider = tmp_path / "solscan"
    provider.mkdir()
    tool = {"method": "GET", "path": "/x", "description": "d", "parameters": []}
    schema = {"namespace": "solscan", "name": "S", "version": "4.0.0", "tools": {"info": tool}}
    (provider / "chain.json").write_text(json.dumps(schema))
    import_paths(ws, [provider])
    before = ws.store.read_derived("default", ("providers", "solscan", "index.json"))
    verify_drafts(ws, [ws.catalogue().lines("open")[0].id])
    after = ws.store.read_derived("default", ("providers", "solscan", "index.json"))
    assert before is not None
    assert after is not None
    assert (b'"pending"' in before, before != after) == (True, True)
