"""The owners' words agree with the gate's rule of what loosens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.gate import loosenings
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.web.words import describe_change, gate_rows

SPEC = ConnectorSpec(id="x", version="1.0.0", scopes=(Scope(name="a"), Scope(name="b")))
KPI = KpiBinding(impact_type="cost", formula="usage.cost", target=2, unit="EUR")
BINDINGS = st.one_of(
    st.none(),
    st.just(FirearmBinding(firearm_id=None)),
    st.builds(FirearmBinding, firearm_id=st.sampled_from(("firearm.x", "firearm.y")), strategy_lock=st.booleans()),
)


@st.composite
def policies(draw: st.DrawFn) -> PolicySnapshot:
    drawn = {name: draw(BINDINGS) for name in ("a", "b")}
    kpis = draw(st.dictionaries(st.sampled_from(("k", "l")), st.just(KPI)))
    return PolicySnapshot(firearms={name: one for name, one in drawn.items() if one is not None}, kpis=kpis)


@given(policies(), policies())
def test_exactly_what_the_gate_calls_loosening_is_called_looser(old: PolicySnapshot, new: PolicySnapshot) -> None:
    looser = {one.subject for one in describe_change(SPEC, old, SPEC, new) if one.direction == "looser"}
    assert looser == {one.scope or one.kpi_name for one in loosenings(old, new)}


@given(policies(), policies())
def test_dangerous_changes_come_first(old: PolicySnapshot, new: PolicySnapshot) -> None:
    directions = [one.direction for one in describe_change(SPEC, old, SPEC, new)]
    assert directions == sorted(directions, key=["looser", "tighter", "new", "gone", "changed"].index)


@given(policies())
def test_nothing_is_looser_in_a_first_publication(new: PolicySnapshot) -> None:
    assert all(one.direction == "new" for one in describe_change(None, None, SPEC, new))


@given(policies())
def test_equal_states_have_no_words(policy: PolicySnapshot) -> None:
    assert describe_change(SPEC, policy, SPEC, policy) == ()
    assert not any(row.changes for row in gate_rows(SPEC, policy, SPEC, policy))


def test_scopes_that_come_and_go_are_told() -> None:
    other = ConnectorSpec(id="x", version="2.0.0", scopes=(Scope(name="b"), Scope(name="c")))
    words = {(one.direction, one.subject) for one in describe_change(SPEC, PolicySnapshot(), other, PolicySnapshot())}
    assert {("gone", "a"), ("new", "c"), ("changed", "version")} <= words
    rows = {row.scope: row for row in gate_rows(SPEC, PolicySnapshot(), other, PolicySnapshot())}
    assert rows["a"].after is None
    assert rows["c"].before is None
