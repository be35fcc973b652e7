"""The comparison with other programs counts rightly: 20 rows, no latency, only programs that are always installed."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from benchmarks.peer_programs import ClearUpdate, HandDiff, Maker, Sheetsync
from benchmarks.peer_scene import CASES, FIREARMS, MOMENTS, REMARK, SORTED, Key, Rows, change, edits_for, table
from benchmarks.peers import Measured, Unfinished, compare, markdown, within

ROWS = 20
DURING = (MOMENTS[1], MOMENTS[2])  # after the program's read, and before its last write


class Blind(ClearUpdate):
    """The idiom as most tutorials show it: what the sheet holds is not looked at."""

    name = "blind"

    def _line(self, key: Key, seen: Sequence[str]) -> list[str]:
        firearm, lock = self._wanted[key]
        return [*key, firearm, str(lock).upper()]


def run(folder: Path, *makers: Maker, cases: Sequence[str] = CASES) -> list[Measured]:
    results = compare(makers, [ROWS], folder, latency_s=0, cases=cases)
    return [one for one in results if isinstance(one, Measured)]


def test_sheetsync_loses_no_edit_in_any_case_with_one_read_and_at_most_one_write(tmp_path: Path) -> None:
    results = run(tmp_path, Sheetsync)
    assert [(one.case, one.lost, one.wrong) for one in results] == [(case, 0, 0) for case in CASES]
    assert [(one.read, one.write, one.drive) for one in results] == [(1, 0, 0), *[(1, 1, 0)] * 4]
    assert {one.edits for one in results} == {12}


def test_clear_and_update_loses_exactly_what_was_typed_between_its_read_and_its_last_write(tmp_path: Path) -> None:
    results = run(tmp_path, ClearUpdate)
    assert [(one.read, one.write) for one in results] == [(3, 2)] * 5
    for one in results:
        assert (one.edits, one.lost, one.standing) == (12, 6, 6)
        assert {line.partition(":")[0] for line in one.lost_at} == set(DURING)


def test_a_program_that_never_looks_loses_everything(tmp_path: Path) -> None:
    (one,) = run(tmp_path, Blind, cases=["no-op"])
    assert (one.lost, one.standing) == (12, 0)


def test_writing_by_row_number_while_the_person_sorts_leaves_wrong_rows(tmp_path: Path) -> None:
    quiet, sorted_ = run(tmp_path, HandDiff, cases=["no-op", SORTED])
    assert (quiet.write, quiet.lost, quiet.wrong) == (0, 0, 0)
    assert sorted_.wrong > 0


@pytest.mark.parametrize("case", CASES)
def test_every_edit_has_its_own_cell_and_its_own_text(case: str) -> None:
    for count in (ROWS, 100, 1000, 10_000):
        edits = edits_for(table(count), case)
        assert len({edit.key for edit in edits}) == len({edit.text for edit in edits}) == 12
        assert {edit.text for edit in edits if edit.column != REMARK} < set(FIREARMS)
        assert {edit.moment for edit in edits} == set(MOMENTS)


def test_a_case_changes_as_many_rows_as_it_says() -> None:
    rows: Rows = table(10_000)

    def changed(case: str) -> int:
        return sum(1 for key, value in change(rows, case, "firearm.x").items() if value != rows[key])

    assert [changed(case) for case in CASES] == [0, 1, 100, 10_000, 100]


def test_the_table_names_size_program_and_losses() -> None:
    one = Measured("a program", 1000, "no-op", 1, 2, 3, 400, 600, 0.5, 12, 6, (), 6, 7, 300)
    text = markdown([one])
    assert "### 1,000 rows" in text
    assert "| no-op | a program | 1 | 2 | 3 | 1.0 kB | 0.3 kB | 0.50 | 6 of 12 | 7 |" in text


def test_a_case_that_fails_or_takes_too_long_is_told_with_its_reason() -> None:
    assert within(60.0, lambda: 5) == 5
    assert within(0.2, lambda: time.sleep(60)) == "not finished after 0 s"
    assert within(60.0, lambda: int("x")) == "ValueError: invalid literal for int() with base 10: 'x'"


def test_an_unfinished_case_has_its_reason_in_the_table() -> None:
    text = markdown([Unfinished("a program", 1000, "no-op", "not finished after 900 s")])
    assert "| no-op | a program | not finished after 900 s |" in text
