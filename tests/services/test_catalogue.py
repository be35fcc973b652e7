"""Looking: status, card, log, diff, and what a catalogue says of the past and of many drafts."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.draft import SheetEdit, SheetOrigin
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.errors import InvalidContentError, InvalidIdError, NotFoundError
from sheetsync.registry.live import live_from_published
from sheetsync.services.cards import make_cards
from sheetsync.services.catalogue import card, diff, log, status
from sheetsync.services.drafts import discard_draft, edit_draft, new_draft, save_new
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.store import RecordId

Live = Callable[..., str]


def test_the_status_of_nothing(ws: Workspace) -> None:
    assert status(ws).to_json() == {
        "connectors": 0,
        "open_drafts": 0,
        "pending_edits": 0,
        "last_sync": None,
        "healthy": True,
    }


def test_the_status_counts_connectors_drafts_and_pending_edits(ws: Workspace, live: Live) -> None:
    live()
    stored = new_draft(ws, "github")
    edits = tuple(
        SheetEdit(tab="KPIs", cell="", row_key=("github", "spend"), column=column, base="", value="x")
        for column in ("formula", "unit")
    )
    origin = SheetOrigin(spreadsheet_id="s", edits=edits, pulled_at=ws.clock.now())
    sheet = stored.draft.model_copy(update={"id": new_draft_id(), "origin": origin})
    save_new(ws, ws.catalogue(), sheet, why="pull")
    found = status(ws)
    assert (found.connectors, found.open_drafts, found.pending_edits) == (1, 2, 2)
    discard_draft(ws, sheet.id)
    assert (status(ws).open_drafts, status(ws).pending_edits) == (1, 0)


@pytest.mark.parametrize(
    ("record", "last_sync", "healthy"),
    [
        ({"at": "2026-01-07T12:00:00Z", "ok_at": "2026-01-07T12:00:00Z"}, "2026-01-07T12:00:00Z", True),
        ({"at": "2026-01-07T12:00:00Z", "ok_at": None}, "2026-01-07T12:00:00Z", False),
        ([], None, True),
        ("{", None, True),
    ],
)
def test_the_status_tells_the_last_sync(ws: Workspace, record: Any, last_sync: str | None, healthy: bool) -> None:
    data = record if isinstance(record, str) else json.dumps(record)
    ws.store.write_derived("default", ("health", "last_sync.json"), data.encode())
    assert (status(ws).last_sync, status(ws).healthy) == (last_sync, healthy)


def test_status_imports_no_models_of_drafts() -> None:
    """What `status` costs is mostly imports."""
    code = (
        "import sys, sheetsync.services.catalogue, sheetsync.services.workspace\n"
        "heavy = {'sheetsync.domain.draft', 'sheetsync.registry.catalogue', 'jsonschema'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_card_of_a_published_connector(ws: Workspace, live: Live) -> None:
    draft_id = live()
    new_draft(ws, "github")
    found = card(ws, "github").card
    assert (found.state, found.version, found.published_by) == ("published", "1.2.0", "ana")
    assert [(one.scope.name, one.firearm is not None) for one in found.scopes] == [
        ("admin_write", True), ("read_public", True),
    ]  # fmt: skip
    assert found.validation == ws.catalogue().draft(draft_id).draft.validation
    assert [one.stage for one in found.drafts] == ["policy"]
    assert card(ws, "github").to_json()["card"]["published_at"] == "2026-01-07T12:00:00Z"


def test_the_card_of_a_connector_never_published_shows_its_newest_draft(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id
    edit_draft(ws, draft_id, firearms={"read_public": FirearmBinding(firearm_id=None)})
    found = card(ws, "github").card
    assert (found.state, found.published_at) == ("draft", None)
    assert found.scopes[1].firearm == FirearmBinding(firearm_id=None)


def test_the_card_of_a_retired_connector_shows_the_tombstone(ws: Workspace, live: Live) -> None:
    live()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])
    assert card(ws, "github").card.state == "retired"
    assert make_cards(ws.catalogue()) == []


def test_an_unknown_card_is_an_error_with_a_guess(ws: Workspace, live: Live) -> None:
    live()
    with pytest.raises(NotFoundError) as caught:
        card(ws, "githob")
    assert (caught.value.exit_code, caught.value.hint) == (2, "did you mean 'github'?")
    with pytest.raises(InvalidIdError):
        card(ws, "../x")


def test_the_log_is_newest_first_and_of_one_name(ws: Workspace, live: Live) -> None:
    draft_id = live()
    other = new_draft(ws.acting("ben"), "gitlab", {"scopes": []}).draft.id
    whole = log(ws).to_json()["log"]
    assert [entry["commit"] for entry in whole] == list(range(ws.store.head(), 0, -1))
    assert (whole[0]["who"], whole[0]["why"]) == ("ben", "draft new gitlab")
    assert [entry["why"] for entry in log(ws, draft_id).to_json()["log"]] == [
        "publish github", f"verify {draft_id}", f"draft edit {draft_id}", "draft new github",
    ]  # fmt: skip
    assert len(log(ws, "github").commits) == 4
    assert [one.number for one in log(ws, "gitlab").commits] == [one.number for one in log(ws, other).commits]
    assert len(log(ws, limit=2).commits) == 2
    snapshots = log(ws, "github", 1).to_json()["log"][0]["snapshots"]
    assert {one["folder"] for one in snapshots} >= {"components/github", "firearms/github", "kpis/github"}


@pytest.mark.parametrize("name", ["nobody", "draft_000000"])
def test_the_log_of_an_unknown_name_is_an_error(ws: Workspace, name: str) -> None:
    with pytest.raises(NotFoundError):
        log(ws, name)


def test_the_diff_is_of_all_open_drafts(ws: Workspace, live: Live) -> None:
    live()
    for name in ("github", "gitlab"):
        new_draft(ws, name, {"version": "2.0.0", "scopes": [{"name": "x"}]})
    assert [one["connector_id"] for one in diff(ws).to_json()["drafts"]] == ["github", "gitlab"]
    assert len(diff(ws, "gitlab").drafts) == 1


def test_the_diff_of_an_unknown_connector_is_an_error(ws: Workspace) -> None:
    draft_id = new_draft(ws, "github", {"version": "1.0.0", "scopes": [{"name": "x"}]}).draft.id
    with pytest.raises(NotFoundError, match="githup"):
        diff(ws, "githup")
    discard_draft(ws, draft_id)
    assert diff(ws, "github").drafts == ()


def test_the_past_is_as_it_was(ws: Workspace, live: Live) -> None:
    live()
    then = ws.store.head()
    publish_drafts(ws, [retire_connector(ws, "github").draft.id])
    catalogue = ws.catalogue()
    past = catalogue.at(then)
    assert list(past.published_all()) == ["github"]
    assert list(past.live_all()) == ["github"]
    assert past.published_ids() == ["github"]
    assert len(past.lines()) == 1
    assert catalogue.published_ids() == []


def test_a_catalogue_sees_what_others_save(ws: Workspace, github: dict[str, Any]) -> None:
    catalogue = ws.catalogue()
    assert catalogue.lines() == []
    new_draft(ws.acting("ben"), "github", github)
    assert len(catalogue.lines("open")) == 1


def test_successors_are_followed_to_the_end(ws: Workspace, github: dict[str, Any]) -> None:
    catalogue = ws.catalogue()
    first, second, third = (new_draft(ws, "github", github) for _ in range(3))
    for old, new in ((first, second), (second, third)):
        with ws.store.transaction(ws.ctx, why="supersede") as tx:
            closed = old.draft.model_copy(update={"status": "superseded", "superseded_by": new.draft.id})
            catalogue.save_draft(tx, closed, expected=old.snapshot)
    assert catalogue.successor(first.draft.id).draft.id == third.draft.id


def test_writers_are_those_of_content_in_the_draft_and_in_what_it_supersedes(
    ws: Workspace, clock: FakeClock, github: dict[str, Any]
) -> None:
    first = new_draft(ws.acting("cron"), "github", github).draft
    verify_drafts(ws.acting("eve"), [first.id])
    second = first.model_copy(update={"id": new_draft_id(), "supersedes": first.id, "created_by": "ana"})
    save_new(ws, ws.catalogue(), second, why="pull")
    catalogue = ws.catalogue()
    assert catalogue.writers(second) == {"cron", "ana"}
    assert [catalogue.writers(second) for _ in range(12)] == [{"cron", "ana"}] * 12
    edit_draft(ws.acting("ben"), second.id, firearms={"read_public": FirearmBinding(firearm_id=None)})
    assert catalogue.writers(second) == {"cron", "ana", "ben"}


def test_live_connectors_are_the_same_read_twice_damaged_or_changed(ws: Workspace, clock: FakeClock) -> None:
    def check() -> None:
        plain = ws.catalogue().live_all(retired=True)
        assert plain == {
            name: live_from_published(one) for name, one in ws.catalogue().published_all(retired=True).items()
        }
        assert list(plain) == sorted(plain)

    drafts = []
    for number in range(20):
        spec = {"scopes": [{"name": "b"}, {"name": "a"}, {"name": "c"}], "engine_routes": ["/x"]}
        drafts.append(new_draft(ws, f"c{number}", spec).draft.id)
        firearm = FirearmBinding(firearm_id="firearm.read_secret", strategy_lock=True)
        kpis = {"spend": {"impact_type": "cost", "formula": "usage.cost", "target": 1.5}}
        edit_draft(ws, drafts[-1], firearms={"a": firearm, "c": FirearmBinding(firearm_id=None)}, kpis=kpis)
    verify_drafts(ws, drafts)
    publish_drafts(ws, drafts)
    path = ("catalogue", "live.json")
    assert ws.store.read_derived("default", path) is None
    then = ws.store.head()
    for damage in (None, b"{", b'{"format": 1, "rows": 5}', b"{}"):
        if damage is not None:
            ws.store.write_derived("default", path, damage)
        check()
        assert ws.store.read_derived("default", path) not in (None, damage)
    clock.advance(5)
    publish_drafts(ws, [retire_connector(ws, "c3").draft.id])
    check()
    assert ws.catalogue().live_all(retired=True)["c3"].retired
    assert "c3" not in ws.catalogue().live_all()
    assert ws.catalogue().at(then).live_all()["c3"].firearms["a"] == ("firearm.read_secret", True)


ALONE: dict[str, Callable[[Workspace], object]] = {"status": status, "card": lambda ws: card(ws, "odd")}
WITH_POLICY: dict[str, Callable[[Workspace], object]] = ALONE | {
    "a draft of it": lambda ws: new_draft(ws, "odd"),
    "what tables are made of": lambda ws: ws.catalogue().live_all(),
    "all that is published": lambda ws: ws.catalogue().published_all(),
}


@pytest.mark.parametrize(
    ("kinds", "look"),
    [
        *((("components",), look) for look in ALONE.values()),
        *((("components", "firearms", "kpis"), look) for look in WITH_POLICY.values()),
    ],
)
def test_what_another_program_saved_among_the_records_is_named_and_is_no_defect(
    ws: Workspace, live: Live, kinds: tuple[str, ...], look: Callable[[Workspace], object]
) -> None:
    live()
    with ws.store.transaction(ws.ctx, why="not ours") as tx:
        for kind in kinds:
            tx.save(RecordId(ws.ctx.tenant, (kind, "odd"), "odd"), {"x": 1})
    with pytest.raises(InvalidContentError, match=r"^'components/odd'.* in the store is not what") as caught:
        look(ws)
    assert "sheetsync log odd" in caught.value.hint
    assert caught.value.exit_code == 2


def test_a_draft_of_another_program_that_lacks_its_parts_is_named(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    record = RecordId(ws.ctx.tenant, ("workbench_drafts", ws.ctx.user, draft_id), draft_id)
    with ws.store.transaction(ws.ctx, why="not ours") as tx:
        tx.save(record, {"id": draft_id, "spec": "?"})
    with pytest.raises(InvalidContentError, match=f"{draft_id}' in the store is not what.*is missing"):
        status(ws)
