"""A Workbench that runs for months: its store is opened anew where the handle ended, and nothing old is shown."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import NotFoundError, StoreDamagedError, UnknownOutcomeError
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import Store
from sheetsync.web.live import LiveWorkspace
from tests.web.conftest import FIREARMS, Bench, make_bench

CTX = RequestContext(user="ana")


def workspace(folder: Path, clock: FakeClock) -> Workspace:
    return Workspace(Store.open(folder, clock=clock), CTX, FIREARMS, (), Rules(), clock)


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def on_disk(tmp_path: Path, clock: FakeClock, told: list[str]) -> Bench:
    """A Workbench whose store is a folder."""
    folder = tmp_path / "store"
    bench = make_bench(Store.open(folder, clock=clock), clock)
    live = LiveWorkspace(bench.workspace, lambda: workspace(folder, clock), told.append)
    object.__setattr__(bench.site, "live", live)
    return bench


def test_after_an_unknown_outcome_the_page_goes_on(on_disk: Bench, told: list[str]) -> None:
    on_disk.publish("github")
    browser = on_disk.browser()
    ended = on_disk.site.live.opened.store
    ended._dead = "an earlier save has an unknown outcome"
    assert "github" in browser.get("/").text
    assert told == ["the store was opened again: an earlier save has an unknown outcome"]
    assert on_disk.site.live.opened.store is not ended
    assert "github" in browser.get("/").text
    assert len(told) == 1


def test_after_an_older_copy_was_put_back_the_page_shows_what_is_there(
    on_disk: Bench, tmp_path: Path, clock: FakeClock, told: list[str]
) -> None:
    on_disk.publish("github")
    shutil.copytree(tmp_path / "store", tmp_path / "older")
    on_disk.publish("slack")
    browser = on_disk.browser()
    assert "slack" in browser.get("/").text
    head = on_disk.workspace.store.head()
    shutil.rmtree(tmp_path / "store")
    (tmp_path / "older").rename(tmp_path / "store")
    with Store.open(tmp_path / "store", clock=clock) as other:
        while other.head() < head:  # as many commits as there were, so that numbers tell nothing
            other.note(CTX, "another history", {"n": 1})
    page = browser.get("/").text
    assert "github" in page
    assert "slack" not in page
    assert len(told) == 1


def test_a_store_that_is_gone_is_said_to_be_and_found_again(on_disk: Bench, tmp_path: Path) -> None:
    on_disk.publish("github")
    browser = on_disk.browser()
    on_disk.site.live.opened.store._dead = "an earlier save has an unknown outcome"
    (tmp_path / "store/FORMAT").rename(tmp_path / "FORMAT")
    assert "FORMAT is missing" in browser.client.get("/").text
    (tmp_path / "FORMAT").rename(tmp_path / "store/FORMAT")
    assert "github" in browser.get("/").text


def test_a_store_that_only_its_handle_has_is_not_replaced_by_an_empty_one(bench: Bench) -> None:
    bench.workspace.store._dead = "an earlier save has an unknown outcome"
    with pytest.raises(UnknownOutcomeError):
        bench.site.live.current()


def test_what_keeps_it_from_being_opened_is_raised_and_tried_again(tmp_path: Path, clock: FakeClock) -> None:
    first = workspace(tmp_path / "store", clock)
    errors: list[Exception] = [NotFoundError("no store"), StoreDamagedError("damaged")]

    def reopen() -> Workspace:
        if errors:
            raise errors.pop()
        return workspace(tmp_path / "store", clock)

    live = LiveWorkspace(first, reopen, lambda _: None)
    first.store._dead = "interrupted"
    for kind in (StoreDamagedError, NotFoundError):
        with pytest.raises(kind):
            live.current()
    assert live.current() is live.opened
    assert live.opened is not first
    live.close()
    with pytest.raises(UnknownOutcomeError, match="closed"):
        live.opened.store.head()
