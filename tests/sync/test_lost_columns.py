"""A column of ours that was deleted where it cannot come back whole: the run stops, and nobody's edit is invented."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.localsheets.collaborator import Collaborator

HEAD = "head@example.com"
MATRIX, KPIS = "Policy Matrix", "KPIs"
BOTH = frozenset({MATRIX, KPIS})
QUIET = {"read": 1, "write": 0, "drive": 0}
KPI, ADMIN = ("github", "cost_per_call"), ("github", "admin_write")


@pytest.fixture
def owned(desk: Any) -> Any:
    """As on Google: a person owns the file, the service account edits it."""
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = HEAD
    return desk


def request(desk: Any, kind: str, **body: Any) -> None:
    Collaborator(desk.server.workspace, desk.spreadsheet_id, HEAD).request(kind, body)


def delete(desk: Any, title: str, at: int) -> None:
    where = {"sheetId": desk.tab(title).id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    request(desk, "deleteDimension", range=where)


def stop(desk: Any, run: str = "sync", **forces: Any) -> SafetyStopError:
    """The stop of a run that writes nothing, neither into the sheet nor into the store."""
    before = desk.snapshots(), desk.values(), desk.values(KPIS)
    with pytest.raises(SafetyStopError) as caught:
        getattr(desk, run)(forces=desk.force(**forces))
    assert (desk.snapshots(), desk.values(), desk.values(KPIS)) == before
    return caught.value


def edits(desk: Any) -> list[tuple[tuple[str, ...], str, Any]]:
    return [
        (edit.row_key, edit.column, edit.value) for draft in desk.open_drafts() for edit in draft.origin.edits
    ]  # fmt: skip


# -- the column that names the rows


@pytest.mark.parametrize("run", ["push", "sync", "pull"])
@pytest.mark.parametrize(("title", "at"), [(KPIS, 0), (KPIS, 1), (MATRIX, 0), (MATRIX, 1)])
def test_a_deleted_key_column_took_the_rows_with_it(owned: Any, run: str, title: str, at: int) -> None:
    owned.edit(KPI, "target", 777, KPIS)
    owned.edit(ADMIN, "firearm_id", "firearm.money")
    owned.sync()
    pending = edits(owned)
    delete(owned, title, at)
    for forces in ({}, {"headers": BOTH}):
        stopped = stop(owned, run, **forces)
        assert (stopped.code, stopped.flag) == ("lost_rows", "--force-lost-rows")
        assert f"'{title}' lost the column that names its rows" in stopped.message
        assert f'--force-lost-rows "{title}"' in stopped.hint
    assert edits(owned) == pending


def test_forced_all_kpis_are_proposed_for_deletion_as_the_hint_says(owned: Any) -> None:
    delete(owned, KPIS, 1)
    assert "proposes to delete all its KPIs" in stop(owned).hint
    owned.sync(forces=owned.force(lost_rows=frozenset({KPIS})))
    assert edits(owned) == [(KPI, "kpi_name", None)]


@pytest.mark.parametrize("at", [0, 1])
def test_forced_all_policy_rows_are_added_again_and_no_edit_is_lost(owned: Any, at: int) -> None:
    owned.edit(ADMIN, "firearm_id", "firearm.money")
    owned.sync()
    pending = edits(owned)
    owned.edit(("slack", "read"), "firearm_id", "firearm.read")  # nobody took it yet
    stood = [row[2:4] for row in owned.values()[1:]]
    delete(owned, MATRIX, at)
    assert "adds all its rows again" in stop(owned).hint
    report = owned.sync(forces=owned.force(lost_rows=frozenset({MATRIX})))
    assert edits(owned) == pending
    head, *rows = owned.values()
    shown = {tuple(row[head.index(name)] for name in ("connector_id", "scope", "firearm_id")) for row in rows}
    assert (*ADMIN, "firearm.money") in shown
    nameless = [row for row in rows if not row[head.index(["connector_id", "scope"][at])]]
    places = head.index("firearm_id"), head.index("strategy_lock")
    assert [[row[place] for place in places] for row in nameless] == stood
    assert {problem.code for problem in report.problems} <= {"duplicate_key", "missing_key"}
    assert len(report.problems) == 4


def test_a_key_column_of_a_tab_without_rows_is_just_written_again(owned: Any) -> None:
    owned.set_kpi("github", {"cost_per_call": None})
    owned.sync()
    delete(owned, KPIS, 1)
    assert stop(owned).code == "header_missing"
    owned.sync(forces=owned.force(headers=BOTH))
    assert "kpi_name" in owned.values(KPIS)[0]
    assert owned.sync().calls == QUIET
