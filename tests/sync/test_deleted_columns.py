"""A column of ours that a person deleted: `--force-headers` makes it again beside people's own, and invents no edit."""

from __future__ import annotations

from typing import Any

import pytest

MATRIX, KPIS = "Policy Matrix", "KPIs"
FORCE = {"headers": frozenset({MATRIX, KPIS})}
QUIET = {"read": 1, "write": 0, "drive": 0}
REVIEWED = ["reviewed", False, True, True, False]


def columns(desk: Any, kind: str, start: int, end: int, title: str = MATRIX, **more: Any) -> None:
    """`kind`: deleteDimension, appendDimension, moveDimension."""
    where = {"sheetId": desk.tab(title).id, "dimension": "COLUMNS"}
    place = {"startIndex": start, "endIndex": end}
    body = {
        "deleteDimension": {"range": where | place},
        "appendDimension": where | {"length": 1},
        "moveDimension": {"source": where | place, **more},
    }
    desk.book.batch_update({"requests": [{kind: body[kind]}]})


def delete(desk: Any, start: int, count: int = 1, title: str = MATRIX) -> None:
    columns(desk, "deleteDimension", start, start + count, title)


def people_write(desk: Any, at: str, values: list[Any], title: str = MATRIX) -> None:
    columns(desk, "appendDimension", 0, 0, title)
    desk.tab(title).update([[value] for value in values], at)


def column(desk: Any, name: str, title: str = MATRIX) -> list[Any]:
    rows = desk.values(title)
    return [row[rows[0].index(name)] for row in rows]


def is_calm(desk: Any) -> None:
    report = desk.sync()
    assert (report.calls, report.exit_code) == (QUIET, 0)


@pytest.mark.parametrize("run", ["push", "sync"])
def test_peoples_column_that_slid_into_its_place_stays_theirs(desk: Any, run: str) -> None:
    columns(desk, "moveDimension", 3, 4, destinationIndex=5)  # strategy_lock comes after sync_status
    people_write(desk, "F1", REVIEWED)
    desk.set("slack", "post", "firearm.read")
    desk.sync()  # it writes, and knows where the columns are from now on
    delete(desk, 4)
    getattr(desk, run)(forces=desk.force(**FORCE))
    is_calm(desk)
    assert column(desk, "reviewed") == REVIEWED
    assert column(desk, "strategy_lock")[1] is True
    assert desk.open_drafts() == []


@pytest.mark.parametrize(("start", "count"), [(3, 2), (4, 1), (2, 1)])
def test_so_it_does_wherever_the_deleted_columns_stood(desk: Any, start: int, count: int) -> None:
    people_write(desk, "F1", REVIEWED)
    desk.sync()
    delete(desk, start, count)
    desk.push(forces=desk.force(**FORCE))
    is_calm(desk)
    assert column(desk, "reviewed") == REVIEWED
    assert column(desk, "firearm_id")[1:4] == ["firearm.external_write", "NONE", "firearm.external_write"]
    assert column(desk, "strategy_lock")[1] is True
    assert desk.open_drafts() == []


def test_a_column_of_people_without_a_header_stays_theirs_too(desk: Any) -> None:
    people_write(desk, "F1", ["", *REVIEWED[1:]])
    desk.sync()
    delete(desk, 4)
    desk.sync(forces=desk.force(**FORCE))
    is_calm(desk)
    assert [row[4] for row in desk.values()] == ["", *REVIEWED[1:]]
    assert desk.values()[0][5] == "sync_status"


def test_a_blank_column_in_its_place_is_not_read_as_emptied(desk: Any) -> None:
    delete(desk, 3)
    where = {"sheetId": desk.tab().id, "dimension": "COLUMNS", "startIndex": 3, "endIndex": 4}
    desk.book.batch_update({"requests": [{"insertDimension": {"range": where}}]})
    desk.sync(forces=desk.force(**FORCE))
    is_calm(desk)
    assert column(desk, "strategy_lock")[1] is True
    assert desk.open_drafts() == []


def test_a_renamed_header_keeps_its_place_though_another_column_was_deleted_before_it(desk: Any) -> None:
    delete(desk, 3)
    desk.tab().update([["answer"]], "D1")  # sync_status: its protection is still there
    desk.sync(forces=desk.force(**FORCE))
    is_calm(desk)
    assert desk.values()[0] == ["connector_id", "scope", "firearm_id", "sync_status", "strategy_lock"]
    assert column(desk, "strategy_lock")[1] is True
    assert desk.open_drafts() == []


def test_an_edit_under_the_last_header_is_taken_though_the_header_was_cleared(desk: Any) -> None:
    columns(desk, "moveDimension", 3, 4, destinationIndex=5)
    desk.set("slack", "read", "firearm.read")
    desk.sync()
    desk.tab().update([[""]], "E1")
    desk.tab().update([[True]], "E4")
    desk.sync(forces=desk.force(**FORCE))
    is_calm(desk)
    (draft,) = desk.open_drafts()
    assert [(edit.row_key, edit.column, edit.value) for edit in draft.origin.edits] == [
        (("slack", "post"), "strategy_lock", True)
    ]
    assert desk.values()[0][4] == "strategy_lock"


@pytest.mark.parametrize("run", ["push", "sync"])
def test_a_dropped_kpi_is_no_edit_though_a_column_of_its_row_was_deleted(desk: Any, run: str) -> None:
    desk.set_kpi("github", {"cost_per_call": None})
    desk.set_kpi("slack", {"other": {"impact_type": "cost", "formula": "usage.cost"}})
    delete(desk, 4, title=KPIS)
    getattr(desk, run)(forces=desk.force(**FORCE))
    is_calm(desk)
    assert desk.open_drafts() == []
    assert column(desk, "kpi_name", KPIS)[1:] == ["other"]


def test_a_dropped_kpi_that_its_owner_changed_is_in_conflict_no_less(desk: Any) -> None:
    desk.set_kpi("github", {"cost_per_call": None})
    desk.edit(("github", "cost_per_call"), "formula", "usage.cost * 7", KPIS)
    delete(desk, 4, title=KPIS)
    desk.sync(forces=desk.force(**FORCE))
    (draft,) = desk.open_drafts()
    found = {edit.column: edit.value for edit in draft.origin.edits}
    assert found == {"formula": "usage.cost * 7"}
    assert draft.open_conflicts()
    kept = draft.base.policy.kpis["cost_per_call"]
    assert (kept.impact_type, kept.target, kept.unit) == ("cost", 5, "EUR")
