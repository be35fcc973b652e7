"""The laws of the three-way merge, and its decisions field by field."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.connector import ConnectorSpec, Scope
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.kpi import KpiBinding
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.merge import State, merge

NONE = FirearmBinding(firearm_id=None)
A = FirearmBinding(firearm_id="firearm.a")
A_LOCKED = FirearmBinding(firearm_id="firearm.a", strategy_lock=True)
B = FirearmBinding(firearm_id="firearm.b")

BINDINGS = st.sampled_from([NONE, A, A_LOCKED, B])
KPIS = st.builds(
    KpiBinding, impact_type=st.sampled_from(["cost", "count"]), formula=st.sampled_from(["1", "2"]),
    target=st.sampled_from([None, 1.0]),
)  # fmt: skip
POLICIES = st.builds(
    PolicySnapshot,
    firearms=st.dictionaries(st.sampled_from("xyz"), BINDINGS),
    kpis=st.dictionaries(st.sampled_from("pq"), KPIS),
)


@st.composite
def specs(draw: st.DrawFn) -> ConnectorSpec:
    names = draw(st.lists(st.sampled_from("xyz"), unique=True))
    return ConnectorSpec(
        id="c",
        version=draw(st.sampled_from(["1.0.0", "1.1.0", "2.0.0"])),
        name=draw(st.sampled_from(["", "n"])),
        scopes=tuple(Scope(name=name, title=draw(st.sampled_from(["", "t"]))) for name in names),
        tools={name: draw(st.sampled_from([1, 2])) for name in names if draw(st.booleans())},
    )


STATES = st.builds(State, specs(), POLICIES)


@given(STATES, STATES)
def test_one_sided_and_equal_changes_are_taken(base: State, one: State) -> None:
    for live, ours in ((one, one), (base, one), (one, base)):
        merged = merge(base, live, ours)
        assert (merged.spec, merged.policy, merged.moved) == (one.spec, one.policy, ())


@given(STATES, STATES, STATES)
def test_the_sides_may_be_exchanged(base: State, one: State, other: State) -> None:
    first, second = merge(base, one, other), merge(base, other, one)
    assert sorted(first.moved) == sorted(second.moved)
    if not first.moved:
        assert first.policy == second.policy
        assert first.spec.tools == second.spec.tools
        assert sorted(first.spec.scopes, key=lambda scope: scope.name) == sorted(
            second.spec.scopes, key=lambda scope: scope.name
        )


@given(STATES, STATES, STATES)
def test_every_change_of_either_side_is_in_the_outcome(base: State, live: State, ours: State) -> None:
    merged = merge(base, live, ours)
    if merged.moved:
        return
    for side in (live, ours):
        for scope in {*base.policy.firearms, *side.policy.firearms}:
            was, now = base.policy.firearms.get(scope), side.policy.firearms.get(scope)
            if was != now and now is not None and was is not None and was.firearm_id != now.firearm_id:
                assert merged.policy.firearms[scope].firearm_id == now.firearm_id


def policy(**firearms: FirearmBinding) -> PolicySnapshot:
    return PolicySnapshot(firearms=firearms)


def spec(version: str = "1.0.0", *scopes: str, name: str = "", description: str = "") -> ConnectorSpec:
    return ConnectorSpec(
        id="c", version=version, name=name, description=description, scopes=tuple(Scope(name=one) for one in scopes)
    )


def test_firearm_and_lock_of_one_scope_are_fields_of_their_own() -> None:
    b_locked = FirearmBinding(firearm_id="firearm.b", strategy_lock=True)
    merged = merge(State(spec(), policy(x=A)), State(spec(), policy(x=A_LOCKED)), State(spec(), policy(x=B)))
    assert (merged.policy.firearms, merged.moved) == ({"x": b_locked}, ())


def test_cells_that_together_break_a_rule_have_moved() -> None:
    merged = merge(State(spec(), policy(x=A)), State(spec(), policy(x=A_LOCKED)), State(spec(), policy(x=NONE)))
    assert merged.moved == ("scope x firearm_id",)


def test_the_same_cell_changed_differently_has_moved() -> None:
    merged = merge(State(spec(), policy(x=A)), State(spec(), policy(x=B)), State(spec(), policy(x=NONE)))
    assert merged.moved == ("scope x firearm_id",)


def test_dropping_a_kpi_that_the_other_side_changed_has_moved() -> None:
    cost, count = KpiBinding(impact_type="cost", formula="1"), KpiBinding(impact_type="count", formula="1")
    states = [PolicySnapshot(kpis=kpis) for kpis in ({"p": cost}, {"p": count}, {})]
    merged = merge(*(State(spec(), one) for one in states))
    assert merged.moved == ("KPI p",)


def test_two_columns_of_one_kpi_merge() -> None:
    def kpi(formula: str, target: float | None) -> State:
        one = KpiBinding(impact_type="cost", formula=formula, target=target)
        return State(spec(), PolicySnapshot(kpis={"p": one}))

    merged = merge(kpi("1", None), kpi("2", None), kpi("1", 5.0))
    assert merged.policy.kpis["p"] == KpiBinding(impact_type="cost", formula="2", target=5.0)


def test_two_risen_versions_merge_to_the_higher_one() -> None:
    base, live, ours = spec("1.0.0", "x"), spec("1.1.0", "x", name="n"), spec("1.2.0", "x", "y", description="d")
    merged = merge(State(base, policy()), State(live, policy()), State(ours, policy()))
    assert merged.moved == ()
    assert (merged.spec.version, merged.spec.name, merged.spec.description) == ("1.2.0", "n", "d")
    assert merged.spec.scope_names() == ("x", "y")


def test_a_tool_added_to_a_scope_that_went_away_has_moved() -> None:
    base = spec("1.0.0", "x")
    tool = base.model_copy(update={"tools": {"x": {}}})
    merged = merge(State(base, policy()), State(spec("1.0.0"), policy()), State(tool, policy()))
    assert merged.moved == ("scopes",)


def test_published_where_there_was_nothing_has_moved() -> None:
    merged = merge(State(None, policy()), State(spec("1.0.0", "x"), policy()), State(spec("1.0.0", "y"), policy()))
    assert merged.moved == ("spec",)
