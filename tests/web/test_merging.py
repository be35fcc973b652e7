"""Two versions of a draft made into one: laws of the merge, and what people are shown."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.web.merging import State, find_differences, merge

NAMES = ("a", "b", "c")
BINDINGS = (None, FirearmBinding(firearm_id=None), FirearmBinding(firearm_id="firearm.x", strategy_lock=True))
KPIS = (KpiBinding(impact_type="cost", formula="1"), KpiBinding(impact_type="count", formula="2", target=3, unit="x"))


@st.composite
def states(draw: st.DrawFn) -> State:
    names = draw(st.lists(st.sampled_from(NAMES), unique=True))
    scopes = tuple(Scope(name=name, title=draw(st.sampled_from(("", "T")))) for name in names)
    drawn = {name: draw(st.sampled_from(BINDINGS)) for name in names}
    kpis = draw(st.dictionaries(st.sampled_from(NAMES), st.sampled_from(KPIS)))
    spec = ConnectorSpec(id="x", version=draw(st.sampled_from(("1.0.0", "2.0.0"))), scopes=scopes)
    firearms = {name: binding for name, binding in drawn.items() if binding is not None}
    return State(spec, PolicySnapshot(firearms=firearms, kpis=kpis))


def same(one: State, two: State) -> bool:
    """Equal but for the order of scopes."""
    return one.fields() == two.fields()


@given(states(), states())
def test_choosing_one_side_everywhere_gives_that_side(yours: State, theirs: State) -> None:
    assert same(merge(yours, theirs, lambda _: "theirs"), theirs)
    assert same(merge(yours, theirs, lambda _: "yours"), yours)


@given(states(), states())
def test_equal_versions_have_nothing_to_choose(base: State, state: State) -> None:
    assert find_differences(base, state, state) == ()


@given(states(), states())
def test_where_only_one_side_changed_that_side_stands_ready(base: State, changed: State) -> None:
    assert {one.ready for one in find_differences(base, changed, base)} <= {"yours"}
    assert {one.ready for one in find_differences(base, base, changed)} <= {"theirs"}


@given(states(), states(), states())
def test_every_field_comes_from_the_chosen_side_and_none_is_invented(base: State, yours: State, theirs: State) -> None:
    sides = {one.key: one.ready or "yours" for one in find_differences(base, yours, theirs)}
    merged = merge(yours, theirs, lambda key: sides.get(key, "theirs")).fields()
    for key, value in merged.items():
        assert value in (yours.fields().get(key), theirs.fields().get(key))
    for key, side in sides.items():
        source = (yours if side == "yours" else theirs).fields()
        gone_with_its_scope = key[0] == "firearm" and ("scope", key[1]) not in merged
        if key in source and not gone_with_its_scope:
            assert merged[key] == source[key]
