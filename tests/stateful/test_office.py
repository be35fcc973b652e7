"""Owners, operators, networks and disks in any order, on both tabs, chosen by Hypothesis; no promise is ever broken.

A failing history is printed act by act, with the blob that plays it again (`@reproduce_failure`); put it into
`test_found.py` before mending anything. Faults, kills and acts at every single point are in `test_interruptions.py`.
"""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, note, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test

from sheetsync.localsheets import LocalSheets
from tests.stateful.book import KPIS, POLICY
from tests.stateful.faults import FAULTS
from tests.stateful.office import Happening, Office

ROW, COLUMN, TAB = st.integers(0, 6), st.integers(0, 6), st.sampled_from([POLICY, KPIS])
CONNECTOR = st.sampled_from(["alpha", "beta", "gamma"])
SCOPE, BOOL = st.sampled_from(["s1", "s2"]), st.booleans()


def acts(*parts: Any) -> Any:
    return st.tuples(*(part if isinstance(part, st.SearchStrategy) else st.just(part) for part in parts))


CELL_ACTS = st.one_of(
    acts("owner", "type", TAB, ROW, COLUMN), acts("owner", "type", TAB, ROW, COLUMN),
    acts("owner", "paste", TAB, ROW, st.integers(1, 3)), acts("owner", "nonsense", TAB, ROW, COLUMN, st.integers(0, 9)),
    acts("owner", "clear", TAB, ROW, COLUMN), acts("owner", "none", ROW), acts("owner", "undo"),
)  # fmt: skip
ROW_ACTS = st.one_of(
    acts("owner", "insert_above", TAB, ROW), acts("owner", "delete_row", TAB, ROW),
    acts("owner", "copy_row", TAB, ROW), acts("owner", "move", TAB, ROW, ROW), acts("owner", "add_kpi", ROW, BOOL),
    acts("owner", "sort", TAB, COLUMN, BOOL), acts("owner", "retype_key", TAB, ROW, COLUMN),
)  # fmt: skip
SHEET_ACTS = st.one_of(
    acts("owner", "add_column", TAB, COLUMN), acts("owner", "rename_header", TAB, COLUMN),
    acts("owner", "rename_tab", TAB), acts("owner", "filter", TAB), acts("owner", "remark", TAB, ROW),
    acts("owner", "note", TAB, ROW, COLUMN), acts("owner", "own_tab"), acts("owner", "scribble", TAB, ROW),
)  # fmt: skip
OWNER_ACTS = st.one_of(CELL_ACTS, CELL_ACTS, ROW_ACTS, SHEET_ACTS)
OPERATOR_ACTS = st.one_of(
    acts("operator", "publish", CONNECTOR), acts("operator", "publish", CONNECTOR),
    acts("operator", "set", CONNECTOR, SCOPE, BOOL), acts("operator", "set", st.just("alpha"), SCOPE, BOOL),
    acts("operator", "kpi", CONNECTOR, st.sampled_from(["k1", "k7"]), BOOL),
    acts("operator", "edit", CONNECTOR, SCOPE), acts("operator", "discard", CONNECTOR),
    acts("operator", "resolve", CONNECTOR, st.sampled_from(["yours", "theirs"])), acts("operator", "retire", CONNECTOR),
)  # fmt: skip
ANYBODY = st.one_of(OWNER_ACTS, OWNER_ACTS, OPERATOR_ACTS)
AIMED = acts("aim", st.integers(0, 3))
AT_A_CALL = st.one_of(ANYBODY, AIMED, AIMED)
FAULT = st.sampled_from(FAULTS).map(lambda fault: ("fault", fault))
KILL = st.sampled_from([("kill",), ("torn",)])
# between our read and our write, between our write and its acknowledgement, before and within the healing
RACE = st.builds(Happening, st.sampled_from(["before", "before", "after"]), st.sampled_from([1, 1, 1, 2, 0]), AT_A_CALL)
BROKEN = st.builds(Happening, st.sampled_from(["before", "after"]), st.sampled_from([0, 1, 1, 1, 2, 3]), FAULT)
DYING = st.one_of(
    st.builds(Happening, st.sampled_from(["before", "after"]), st.sampled_from([0, 1, 1, 2]), st.just(("kill",))),
    st.builds(Happening, st.just("step"), st.integers(0, 45), KILL),
)  # fmt: skip
RIVAL = st.builds(Happening, st.just("lock"), st.integers(0, 6), OPERATOR_ACTS)
HAPPENINGS = st.one_of(
    st.just([]), st.lists(RACE, min_size=1, max_size=2), st.lists(RACE, min_size=1, max_size=3),
    st.lists(st.one_of(RACE, BROKEN), min_size=1, max_size=3),
    st.lists(st.one_of(RACE, DYING), min_size=1, max_size=3), st.lists(RIVAL, min_size=1, max_size=2),
)  # fmt: skip
MODE = st.sampled_from(["sync", "sync", "sync", "pull", "push", "dry"])
SETTLE = st.sampled_from([0.0, 0.0, 0.0, 3.0])  # seconds; everybody's act takes one
COUNTS = {"examples": 0, "acts": 0, "runs": 0, "disturbed": 0, "killed": 0}


class OfficeLife(RuleBasedStateMachine):
    """A day in the office; in the evening the dust settles."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = Path(tempfile.mkdtemp(prefix="sheetsync-"))
        self.server = LocalSheets(pages=False)
        self.office = Office(self.server, self.folder / "store")
        COUNTS["examples"] += 1

    def do(self, act: tuple[Any, ...]) -> None:
        COUNTS["acts"] += 1
        self.office.act(act)

    @rule(day=st.lists(ANYBODY, min_size=1, max_size=4), mode=MODE, settle_s=SETTLE, happenings=HAPPENINGS)
    def people_act_and_cron_runs(self, day: list[Any], mode: str, settle_s: float, happenings: list[Happening]) -> None:
        for act in day:
            self.do(act)
        COUNTS["runs"] += 1
        COUNTS["disturbed"] += bool(happenings)
        COUNTS["killed"] += self.office.cron(mode, happenings, settle_s=settle_s).name == "killed"

    @precondition(lambda self: self.office.flight)
    @rule()
    def a_late_batch_arrives(self) -> None:
        self.do(("late",))

    def teardown(self) -> None:
        try:
            self.office.settle()
        finally:
            note("the history:\n" + self.office.told())
            self.office.close()
            self.server.close()
            shutil.rmtree(self.folder, ignore_errors=True)


STEPS = settings(
    max_examples=50, stateful_step_count=5, deadline=None, print_blob=True, derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large],
)  # fmt: skip


def test_no_promise_is_broken_whatever_people_and_machines_do() -> None:
    run_state_machine_as_test(OfficeLife, settings=STEPS)


@pytest.mark.torture
@pytest.mark.timeout(0)
def test_no_promise_is_broken_in_a_long_search() -> None:
    try:
        run_state_machine_as_test(
            OfficeLife, settings=settings(STEPS, max_examples=5000, stateful_step_count=15, derandomize=False)
        )
    finally:
        print(COUNTS)
