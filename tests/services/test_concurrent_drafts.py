"""Several people at once: no edit is lost, and a draft is published once."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

from sheetsync.errors import RefusedError, StaleSnapshotError
from sheetsync.services.drafts import edit_draft, new_draft, show_draft
from sheetsync.services.publishing import publish_drafts, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store

PEOPLE = 6
Live = Callable[..., str]


def own_store(ws: Workspace, user: str) -> Workspace:
    """The same folder, opened as another process would."""
    return replace(ws, store=Store.open(Path(ws.store.url.removeprefix("file://")), clock=ws.clock)).acting(user)


def test_concurrent_edits_are_stale_or_kept_never_lost(ws: Workspace, github: dict[str, Any]) -> None:
    draft_id = new_draft(ws, "github", github).draft.id

    def work(number: int) -> int:
        mine, stale = own_store(ws, f"user{number}"), 0
        while True:
            kpi = {f"kpi{number}": {"impact_type": "count", "formula": "usage.count"}}
            try:
                edit_draft(mine, draft_id, kpis=kpi)
            except StaleSnapshotError:
                stale += 1
                continue
            mine.store.close()
            return stale

    with ThreadPoolExecutor(PEOPLE) as pool:
        list(pool.map(work, range(PEOPLE)))
    assert set(show_draft(ws, draft_id).draft.policy_snapshot.kpis) == {f"kpi{number}" for number in range(PEOPLE)}
    assert ws.catalogue().writers(show_draft(ws, draft_id).draft) == {"ana", *(f"user{n}" for n in range(PEOPLE))}


def test_a_draft_is_published_once_however_many_try(ws: Workspace, live: Live) -> None:
    live()
    draft_id = new_draft(ws, "github").draft.id
    edit_draft(ws, draft_id, kpis={"calls": {"impact_type": "count", "formula": "usage.count"}})
    verify_drafts(ws, [draft_id])
    before = len(list(ws.store.log()))

    def work(number: int) -> int:
        mine = own_store(ws, f"user{number}")
        try:
            return len(publish_drafts(mine, [draft_id]).publication.planned)
        except RefusedError:
            return 0
        finally:
            mine.store.close()

    with ThreadPoolExecutor(PEOPLE) as pool:
        assert sum(pool.map(work, range(PEOPLE))) == 1
    assert len(list(ws.store.log())) == before + 1


def test_two_drafts_of_one_connector_published_at_once_are_both_in_or_one_is_refused(ws: Workspace, live: Live) -> None:
    live()
    drafts = []
    for name in ("calls", "tokens"):
        drafts.append(new_draft(ws, "github").draft.id)
        edit_draft(ws, drafts[-1], kpis={name: {"impact_type": "count", "formula": "1"}})
    verify_drafts(ws, drafts)

    def work(draft_id: str) -> str:
        mine = own_store(ws, "eve")
        try:
            publish_drafts(mine, [draft_id])
        except StaleSnapshotError:
            return ""
        finally:
            mine.store.close()
        return draft_id

    with ThreadPoolExecutor(2) as pool:
        done = [draft_id for draft_id in pool.map(work, drafts) if draft_id]
    published = ws.catalogue().published("github")
    assert published is not None
    assert done
    for draft_id, name in zip(drafts, ("calls", "tokens"), strict=True):
        assert (name in published.policy().kpis) == (draft_id in done)
