"""Baselines: small, and the same after a trip through JSON."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.canonical import canonical_json
from sheetsync.errors import NewerFormatError
from sheetsync.services.sync_state import baseline_record
from sheetsync.sync.baseline import Debt, Intended, LostRow, PutBack, SyncState, TabMark
from sheetsync.sync.baseline_json import state_from_json, state_to_json
from sheetsync.sync.epoch import seal_of
from sheetsync.sync.gateway import AddRow, DeleteRow, ErrorValue, Formula, Token, TouchRow

raws = (
    st.text(max_size=5)
    | st.booleans()
    | st.integers(-9, 9)
    | st.builds(Formula, st.text(max_size=3))
    | st.builds(ErrorValue, st.just("#REF!"))
)
keys = st.tuples(st.sampled_from(["a", "b"]), st.sampled_from(["x", "y"]))
cells = st.tuples(st.just("policy"), keys, st.sampled_from(["firearm_id", "strategy_lock"]))
rows = st.tuples(st.just("a"), st.just("x"), st.text(max_size=3), st.booleans())
tokens = st.builds(Token, st.integers(1, 99), st.text(max_size=4))
planned = st.tuples(raws, raws, raws, raws, raws)
one_set, one_start = st.just({"firearm_id": "x"}), st.just({"firearm_id": None})
touches = st.builds(TouchRow, st.just("policy"), st.integers(1, 9), keys, planned, one_set, one_start)
lost = st.builds(LostRow, st.text(max_size=3), st.just("policy"), keys, planned)
intended = st.builds(
    Intended, tokens, st.none() | tokens, st.integers(0, 9),
    st.tuples(touches),
    st.tuples(st.builds(DeleteRow, st.just("policy"), st.integers(1, 9), keys, planned)),
    st.tuples(st.builds(AddRow, st.just("policy"), keys, rows, st.integers(1, 9))),
    st.just(("kpis",)), st.just({"policy": {"firearm_id": 2}}),
)  # fmt: skip
states = st.builds(
    SyncState, st.just("1AbC--x"), known=st.just(True), commit=st.integers(0, 9),
    differs=st.dictionaries(st.tuples(st.just("policy"), keys), st.none() | rows, max_size=3),
    pending=st.dictionaries(cells, st.just("draft_abcdef"), max_size=2),
    answers=st.dictionaries(cells, st.text(max_size=4), max_size=2),
    token=st.none() | tokens, seal=st.text(max_size=4), top=st.integers(0, 9), planned=st.integers(0, 9),
    intended=st.lists(intended, max_size=2).map(tuple),
    debts=st.lists(st.builds(Debt, cells, raws, raws), max_size=2).map(tuple),
    lost_rows=st.lists(lost, max_size=1).map(tuple),
    put_back=st.lists(st.builds(PutBack, st.just("policy"), keys, planned), max_size=1).map(tuple),
    accept=st.sampled_from([None, "adopt", "store"]), asked=st.lists(tokens, max_size=1).map(tuple),
    tabs=st.just({"policy": TabMark(7, {"scope": 1}, 3)}),
)  # fmt: skip


@given(states)
def test_a_state_survives_json(state: SyncState) -> None:
    assert state_from_json(state_to_json(state)) == state
    assert canonical_json(state_to_json(state_from_json(state_to_json(state)))) == canonical_json(state_to_json(state))


def test_a_newer_format_is_a_safety_stop() -> None:
    with pytest.raises(NewerFormatError):
        state_from_json({"format": 2, "spreadsheet_id": "x", "commit": 1})


@given(states, rows)
def test_a_rebased_state_tells_the_same_base(state: SyncState, row: tuple[Any, ...]) -> None:
    state.tables = {"policy": {("a", "x"): row}}
    before = {key: state.row("policy", key) for key in state.keys("policy")}
    state.rebase(99, {"policy": {("a", "x"): row, ("b", "y"): ("b", "y", "z", True)}})
    state.rebase(100, {"policy": {}})
    assert {key: state.row("policy", key) for key in state.keys("policy")} == before


def test_trailing_empty_cells_do_not_change_a_seal() -> None:
    assert seal_of((("a", ""), ())) == seal_of((("a",),))
    assert seal_of((("a",), ("b",))) != seal_of((("b",), ("a",)))


def test_a_baseline_keeps_only_what_differs(desk: Any) -> None:
    content = desk.ws.store.latest(baseline_record(desk.ws, desk.spreadsheet_id)).content
    assert len(canonical_json(content)) < 2_000
    assert "differs" not in content
    desk.edit(("slack", "post"), "firearm_id", "firearm.read")
    desk.sync()
    content = desk.ws.store.latest(baseline_record(desk.ws, desk.spreadsheet_id)).content
    assert content["differs"] == [["policy", ["slack", "post"], ["slack", "post", "firearm.read", False]]]
