"""The measure of push, pull and sync counts rightly: 100 rows, real cold processes."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.sync import Measured, compare, goal_of, markdown

ROWS = 100


@pytest.mark.parametrize(
    ("case", "calls"), [("one cell edited: sync", (1, 1)), ("all cells published: push", (1, 1)), ("healed", (1, 2))]
)
def test_a_case_does_what_it_says_and_the_bare_program_sends_the_same(
    tmp_path: Path, case: str, calls: tuple[int, int]
) -> None:
    (one,) = compare(tmp_path, [ROWS], runs=1, only=case)
    assert (one.read, one.write) == calls
    assert goal_of(one)[1]
    assert one.received > 10_000
    assert min(one.bare_seconds, one.seconds) > 0
    assert one.bare_megabytes < one.megabytes


def test_the_table_has_seconds_per_1000_rows_so_that_growth_is_seen() -> None:
    one = Measured(10_000, "no-op sync", 1, 0, 77, 3_000_000, 1.0, 0.5, 0.8, 0.2, 100, 50)
    line = "| no-op sync | 10,000 | 1 | 0 | 0 kB | 3,000 kB | 1.00 | 0.50 | 2.00 | 0.80 | 0.20 | 0.080 | 100 | 50 |"
    assert line in markdown([one])


def test_a_no_op_sync_of_the_largest_size_must_be_quick_and_small() -> None:
    def noop(seconds: float, megabytes: int, writes: int = 0) -> Measured:
        return Measured(100_000, "no-op sync", 5, writes, 900, 40_000_000, seconds, 2.0, 3.0, 1.0, megabytes, 300)

    assert goal_of(noop(4.0, 400))[1]
    assert not goal_of(noop(4.1, 400))[1]
    assert not goal_of(noop(4.0, 401))[1]
    assert not goal_of(noop(4.0, 400, writes=1))[1]
