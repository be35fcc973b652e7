"""The decision table, a row each, and the laws of merging as properties."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sheetsync.sync.decide import NO_CONFLICT, UNKNOWN, CellState, Decision, Mode, PendingEdit, decide_cell, same

SYNC = Mode(takes=True, writes=True)
PUSH = Mode(takes=False, writes=True)
PULL = Mode(takes=True, writes=False)
STORE = Mode(takes=True, writes=True, answer="store")
values = st.sampled_from(["x", "y", "z", True, False, 1, 0, 2.5, "", None])
edits = st.none() | st.builds(PendingEdit, base=values, value=values, draft_id=st.just("draft_1"))
cells = st.builds(
    CellState, base=values | st.just(UNKNOWN), remote=values, published=values, edit=edits, withdrawn=st.booleans()
)


def test_same_and_same_is_nothing() -> None:
    assert decide_cell(CellState("x", "x", "x"), SYNC) == Decision("x", "x", None)


def test_same_and_changed_is_written_by_push_only() -> None:
    cell = CellState("x", "x", "y")
    assert decide_cell(cell, PUSH).target == "y"
    assert decide_cell(cell, PULL).target == "x"


def test_changed_and_same_is_taken_into_a_draft() -> None:
    found = decide_cell(CellState("x", "y", "x"), SYNC)
    assert found == Decision("y", "y", PendingEdit("x", "y"), "edit")


def test_push_takes_nothing_and_overwrites_nothing() -> None:
    assert decide_cell(CellState("x", "y", "z"), PUSH) == Decision("y", "x", None, "unpulled")


def test_both_changed_equally_is_agreed() -> None:
    assert decide_cell(CellState("x", "y", "y"), SYNC) == Decision("y", "y", None, "agreed")


def test_both_changed_differently_is_a_conflict() -> None:
    found = decide_cell(CellState("x", "y", "z"), SYNC)
    assert found.edit == PendingEdit("x", "y", "", "z")
    assert found.target == "y"


def test_set_back_to_published_withdraws() -> None:
    edit = PendingEdit("x", "y", "draft_1")
    assert decide_cell(CellState("y", "x", "x", edit), SYNC) == Decision("x", "x", None, "withdraw")


def test_a_third_value_under_a_pending_edit_is_marked_and_unmarked() -> None:
    moved = decide_cell(CellState("y", "y", "z", PendingEdit("x", "y", "draft_1")), SYNC)
    assert (moved.marked, moved.edit) == (True, PendingEdit("x", "y", "draft_1", "z"))
    back = decide_cell(CellState("y", "y", "x", PendingEdit("x", "y", "draft_1", "z")), SYNC)
    assert (back.marked, back.edit) == (True, PendingEdit("x", "y", "draft_1"))


def test_after_a_withdrawn_overlay_an_edit_starts_from_published() -> None:
    found = decide_cell(CellState("y", "z", "x", withdrawn=True), SYNC)
    assert found.edit == PendingEdit("x", "z")


def test_an_edit_on_a_lost_baseline_is_a_conflict() -> None:
    found = decide_cell(CellState(UNKNOWN, "y", "x"), SYNC)
    assert found.edit == PendingEdit(None, "y", "", "x")


def test_restore_from_store_overwrites_and_reports() -> None:
    assert decide_cell(CellState("x", "y", "x"), STORE).event == "overwritten"
    assert decide_cell(CellState("x", "y", "x"), STORE).target == "x"


@given(cells)
def test_no_run_ever_writes_over_an_edit_it_did_not_take(cell: CellState) -> None:
    for mode in (SYNC, PUSH, PULL):
        found = decide_cell(cell, mode)
        if not same(cell.remote, cell.base):
            assert same(found.target, cell.remote)


@given(cells)
def test_a_second_decision_on_the_outcome_does_nothing(cell: CellState) -> None:
    first = decide_cell(cell, SYNC)
    after = CellState(
        first.target if first.event == "" else first.base, first.target, cell.published, first.edit, cell.withdrawn
    )
    second = decide_cell(after, SYNC)
    assert second.event == ""
    assert same(second.target, first.target)
    assert second.edit == first.edit


@given(values, values)
def test_what_both_sides_have_wins_whatever_the_base(base: object, value: str) -> None:
    assert decide_cell(CellState(base, value, value), SYNC).target == value  # type: ignore[arg-type]


@given(values, values)
def test_a_side_that_did_not_change_gives_way(base: str, other: str) -> None:
    assert same(decide_cell(CellState(base, base, other), SYNC).target, other)
    assert same(decide_cell(CellState(base, other, base), SYNC).target, other)


@given(cells)
def test_an_edit_conflicts_exactly_when_published_is_a_third_value(cell: CellState) -> None:
    edit = decide_cell(cell, SYNC).edit
    if edit is not None and decide_cell(cell, SYNC).event != "agreed":
        third = not same(cell.published, edit.base) and not same(cell.published, edit.value)
        assert (edit.theirs is not NO_CONFLICT) == (third or edit.rival)


@given(cells)
def test_an_edit_is_in_conflict_with_a_pending_one_exactly_when_its_owner_never_saw_that(cell: CellState) -> None:
    found = decide_cell(cell, SYNC)
    if cell.edit is not None and found.event in ("edit", "withdraw") and cell.base is not UNKNOWN:
        unseen = not same(cell.base, cell.edit.value)
        assert (found.edit is not None and found.edit.rival) == unseen
        if found.edit is not None and unseen:
            assert found.edit.theirs == cell.edit.value


def test_a_conflict_of_two_owners_stays_until_the_others_value_is_typed() -> None:
    edit = PendingEdit("x", "y", "draft_1", "z", rival=True)
    assert decide_cell(CellState("y", "y", "x", edit), SYNC) == Decision("y", "y", edit)
    assert decide_cell(CellState("y", "w", "x", edit), SYNC).edit == PendingEdit("x", "w", "", "z", rival=True)
    assert decide_cell(CellState("y", "x", "x", edit), SYNC).edit == PendingEdit("x", "x", "", "z", rival=True)
    assert decide_cell(CellState("y", "z", "x", edit), SYNC).edit == PendingEdit("x", "z")
