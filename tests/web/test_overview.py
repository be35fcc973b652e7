"""The cards that are followed commit by commit are those that a fresh look gives."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.errors import SheetSyncError
from sheetsync.services.drafts import discard_draft, edit_draft, new_draft
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.store import Store
from sheetsync.web.overview import Overview, select_cards

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.web.conftest import Bench

STEPS = st.lists(
    st.tuples(
        st.sampled_from(("new", "edit", "publish", "discard", "retire", "look")), st.sampled_from(("a", "b", "c"))
    ),
    max_size=25,
)


def step(bench: Bench, what: str, name: str) -> None:
    ws = bench.workspace
    newest = ws.catalogue().newest_open(name)
    if what == "new":
        known = newest is not None or ws.catalogue().published(name) is not None
        new_draft(ws, name, None if known else {"name": name.upper(), "scopes": [{"name": "s"}]})
    elif what == "retire":
        retire_connector(ws, name)
    elif newest is not None and what == "edit":
        binding = FirearmBinding(firearm_id="firearm.money", strategy_lock=ws.store.head() % 2 == 0)
        edit_draft(ws, newest.draft.id, firearms={"s": binding})
    elif newest is not None and what == "publish":
        verify_drafts(ws, [newest.draft.id])
        publish_drafts(ws.acting("rob"), [newest.draft.id])
    elif newest is not None and what == "discard":
        discard_draft(ws, newest.draft.id, "no")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(STEPS)
def test_following_commits_ends_where_a_fresh_look_does(
    make: Callable[..., Bench], steps: list[tuple[str, str]]
) -> None:
    clock = FakeClock()
    bench = make(store=Store.open("memory://", clock=clock), clock=clock)
    followed = Overview()
    for what, name in steps:
        clock.advance(1)
        if what == "look":
            followed.cards(bench.workspace, {})
            continue
        try:
            step(bench, what, name)
        except SheetSyncError:
            continue
    fresh = Overview()
    assert followed.cards(bench.workspace, {}) == fresh.cards(bench.workspace, {})
    assert followed.open_drafts(bench.workspace) == fresh.open_drafts(bench.workspace)
    assert followed.bars(bench.workspace) == fresh.bars(bench.workspace)


def test_words_and_filters_are_all_to_be_met(bench: Bench) -> None:
    bench.publish()
    cards = Overview().cards(bench.workspace, {"github": ("a problem",)})
    assert select_cards(cards, words="git admin", wanted=["undecided", "problems"]) == cards
    assert select_cards(cards, words="git nothing") == []
    assert select_cards(cards, wanted=["drafts"]) == []
