"""Owners, operators, faults and kills in any order, chosen by Hypothesis; when the dust settles the invariants hold."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, rule, run_state_machine_as_test

from sheetsync.localsheets import LocalSheets

ROWS = st.integers(0, 3)
VALUES = st.sampled_from(["x", "y", "z"])
KEYS = st.sampled_from(["A1", "A2", "B1"])
CONNECTORS = st.sampled_from(["A", "B"])
NONSENSE = st.sampled_from(["firearm.q", "maybe", "=1/0", " firearm.x", "firearm.х", "12", "#REF!"])
FAULTS = st.sampled_from(
    [
        f"{what} {when}"
        for what in ("503", "html", "drop", "truncate")
        for when in ("before write", "after write", "before read")
    ]
)
STEPS = settings(
    max_examples=10, stateful_step_count=12, deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)  # fmt: skip


def machine(world_class: Any) -> type[RuleBasedStateMachine]:
    class OwnersAndOperators(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            self.folder = Path(tempfile.mkdtemp(prefix="sheetsync-"))
            self.server = LocalSheets()
            self.world = world_class(self.server, self.folder, True)

        @rule(row=ROWS, value=VALUES)
        def owner_edits(self, row: int, value: str) -> None:
            self.world.act(("edit", row, value))

        @rule(row=ROWS, text=NONSENSE)
        def owner_types_nonsense(self, row: int, text: str) -> None:
            self.world.act(("nonsense", row, text))

        @rule(row=ROWS, values=st.lists(VALUES, min_size=2, max_size=3))
        def owner_pastes_a_block(self, row: int, values: list[str]) -> None:
            self.world.act(("paste", row, values))

        @rule(row=ROWS)
        def owner_undoes(self, row: int) -> None:
            self.world.act(("undo", row))

        @rule(kind=st.integers(0, 2))
        def owner_sorts(self, kind: int) -> None:
            self.world.act(("sort", kind))

        @rule(what=st.sampled_from(["blank", "delrow", "duprow", "own"]), row=ROWS)
        def owner_works_on_a_row(self, what: str, row: int) -> None:
            self.world.act((what, row))

        @rule()
        def owner_filters(self) -> None:
            self.world.act(("filter",))

        @rule(key=KEYS, value=VALUES)
        def somebody_publishes(self, key: str, value: str) -> None:
            self.world.act(("direct", key, value))

        @rule(what=st.sampled_from(["publish", "discard"]), connector=CONNECTORS)
        def operator_decides(self, what: str, connector: str) -> None:
            self.world.act((what, connector))

        @rule(key=KEYS, side=st.sampled_from(["yours", "theirs"]))
        def operator_resolves(self, key: str, side: str) -> None:
            self.world.act(("resolve", key, side))

        @rule(line=FAULTS)
        def the_network_fails(self, line: str) -> None:
            self.world.act(("fault", line))

        @rule()
        def cron_runs(self) -> None:
            self.world.act(("run", 1))

        @rule(me=st.sampled_from([1, 2]))
        def a_run_goes_a_step(self, me: int) -> None:
            self.world.act(("step", me))

        @rule(me=st.sampled_from([1, 2]))
        def a_run_is_killed(self, me: int) -> None:
            self.world.act(("kill", me))

        def teardown(self) -> None:
            try:
                self.world.check(land=True)
            finally:
                self.world.close()
                self.server.close()
                shutil.rmtree(self.folder, ignore_errors=True)

    return OwnersAndOperators


def test_nothing_is_lost_whatever_people_and_networks_do(world_class: Any) -> None:
    run_state_machine_as_test(machine(world_class), settings=STEPS)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_nothing_is_lost_in_a_long_search(world_class: Any) -> None:
    long = settings(STEPS, max_examples=2000, stateful_step_count=40)
    run_state_machine_as_test(machine(world_class), settings=long)
