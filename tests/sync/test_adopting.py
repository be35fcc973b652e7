"""A tab of our name that people made: `--adopt` and `--restore-from-store` take it, and what is theirs in it stays."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.sync.drift import expected_protections
from sheetsync.sync.tabs import LAYOUTS, POLICY, role_of

MATRIX = "Policy Matrix"
KPI = "KPIs"
TITLES = (MATRIX, KPI, "Connector Registry", "Coverage Report", "Sync Status")
ANSWERS = ("adopt", "restore_from_store")
POST = ("slack", "post")
READ = ("slack", "read")
ADMIN = ("github", "admin_write")
PUBLIC = ("github", "read_public")
COST = ("github", "cost_per_call")
EXPORT_B = ["connector_id", "scope", "firearm_id", "strategy_lock"]
DRAWN = "sheets(properties(title),developerMetadata,protectedRanges(protectedRangeId),conditionalFormats)"
QUIET = {"read": 1, "write": 0, "drive": 0}


@pytest.fixture
def ready(empty: Any) -> Any:
    """Two connectors published, nothing pushed."""
    kpi = {"cost_per_call": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5, "unit": "EUR"}}
    policy = {"admin_write": "firearm.external_write+lock", "read_public": "NONE"}
    github = empty.draft("github", ["admin_write", "read_public"], policy, version="1.2.0", kpis=kpi)
    slack = empty.draft("slack", ["post", "read"], {"post": "firearm.external_write"})
    empty.publish(github, slack)
    return empty


def make(desk: Any, title: str, rows: list[list[Any]], *, at: str = "A1", size: tuple[int, int] = (12, 8)) -> Any:
    """A tab as people make it: added by hand, typed into."""
    tab = desk.book.add_worksheet(title, *size)
    if rows:
        tab.update(rows, at)
    return tab


def taken(report: Any) -> list[tuple[Any, ...]]:
    return [(one.row_key, one.column, one.base, one.value) for draft in report.drafts for one in draft.edits]


def given(report: Any) -> list[Any]:
    return [one["value"] for one in report.to_json()["healed"]]


def names(title: str) -> list[str]:
    role = role_of(title)
    assert role is not None
    return list(LAYOUTS[role].names)


def named(sheet: Any, title: str) -> bool:
    return bool(sheet["properties"]["title"] == title)


def is_calm(desk: Any) -> None:
    head = desk.snapshots()
    report = desk.sync()
    assert (report.calls, report.changed, desk.snapshots()) == (QUIET, False, head)


def stopped(desk: Any, run: str = "sync", **forces: Any) -> SafetyStopError:
    before = desk.api.ledger.counts()["write"]
    with pytest.raises(SafetyStopError) as caught:
        getattr(desk, run)(forces=desk.force(**forces))
    assert desk.api.ledger.counts()["write"] == before
    return caught.value


@pytest.mark.parametrize("run", ["push", "sync"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("title", TITLES)
def test_an_empty_tab_is_taken_and_filled(ready: Any, title: str, answer: str, run: str) -> None:
    make(ready, title, [])
    assert stopped(ready, run).code == "unmarked_tab"
    report = getattr(ready, run)(forces=ready.force(**{answer: True}))
    assert (report.exit_code, taken(report), given(report)) == (0, [], [])
    rows = ready.values(title)
    assert rows[0][: len(names(title))] == names(title)
    assert len(rows) > 1
    is_calm(ready)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("title", [MATRIX, KPI])
def test_forcing_the_headers_as_well_does_no_harm(ready: Any, title: str, answer: str) -> None:
    make(ready, title, [])
    assert stopped(ready, headers=frozenset({title})).code == "unmarked_tab"
    ready.push(forces=ready.force(headers=frozenset({title}), **{answer: True}))
    assert ready.values(title)[0][: len(names(title))] == names(title)
    is_calm(ready)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("size", [(1, 1), (2, 4)])
def test_a_tab_that_is_too_small_grows(ready: Any, size: tuple[int, int], answer: str) -> None:
    make(ready, MATRIX, [["connector_id"]], size=size)
    ready.push(forces=ready.force(**{answer: True}))
    assert ready.values()[0] == names(MATRIX)
    assert ready.cell(POST, "firearm_id") == "firearm.external_write"
    is_calm(ready)


def test_an_export_with_changes_is_read_as_owners_edits(ready: Any) -> None:
    make(ready, MATRIX, [EXPORT_B, [*POST, "firearm.money", False], [*READ, "", False], [*ADMIN, "firearm.read", True]])
    report = ready.sync(forces=ready.force(adopt=True))
    assert sorted(taken(report)) == [
        (ADMIN, "firearm_id", "firearm.external_write", "firearm.read"),
        (POST, "firearm_id", "firearm.external_write", "firearm.money"),
    ]
    assert report.problems == []
    assert ready.status(*POST).startswith("pending in draft_")
    assert ready.status(*PUBLIC) == ""
    is_calm(ready)


def test_a_push_that_adopts_leaves_the_edits_and_the_next_sync_takes_them(ready: Any) -> None:
    make(ready, MATRIX, [EXPORT_B, [*POST, "firearm.money", False]])
    report = ready.push(forces=ready.force(adopt=True))
    assert [one["value"] for one in report.to_json()["pending"]] == ["firearm.money"]
    assert taken(ready.sync()) == [(POST, "firearm_id", "firearm.external_write", "firearm.money")]


def test_an_export_with_changes_is_reported_and_written_over_when_the_store_wins(ready: Any) -> None:
    make(ready, MATRIX, [EXPORT_B, [*POST, "firearm.money", False], ["slack", "tidy", "NONE", False]])
    report = ready.sync(forces=ready.force(restore_from_store=True))
    assert (taken(report), given(report)) == ([], ["firearm.money"])
    assert [one.code for one in report.problems] == ["unknown_scope"]
    assert ready.cell(POST, "firearm_id") == "firearm.external_write"
    assert ready.row("slack", "tidy")[2] == "NONE"


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_stands_where_ours_would_go_stays_where_it_is(ready: Any, answer: str) -> None:
    """Cem keeps remarks in the fifth column, some of them without a header over it."""
    make(ready, MATRIX, [[*EXPORT_B, "", "by"], [*POST, "firearm.external_write", False, "ask Bea", "Cem"]])
    make(ready, KPI, [names(KPI)[:-1], ["github", "cost_per_call", "cost", "usage.cost * 1.0", 5, "EUR", "since May"]])
    report = ready.sync(forces=ready.force(**{answer: True}))
    assert (report.exit_code, taken(report), given(report)) == (0, [], [])
    assert ready.values()[0] == [*EXPORT_B, "", "by", "sync_status"]
    assert ready.row(*POST)[4:] == ["ask Bea", "Cem", ""]
    assert ready.values(KPI)[0] == [*names(KPI)[:-1], "", "sync_status"]
    assert ready.row(*COST, title=KPI)[6] == "since May"
    is_calm(ready)


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("title", TITLES)
def test_a_foreign_table_keeps_every_cell(ready: Any, title: str, answer: str) -> None:
    foreign: list[list[Any]] = [["Who may do what", "", "asked"], ["slack", "=1+1", "Bea"], ["github", 7, "Cem"]]
    make(ready, title, foreign)
    report = ready.sync(forces=ready.force(**{answer: True}))
    assert (report.exit_code, taken(report), given(report)) == (0, [], [])
    rows = ready.values(title)
    assert rows[0][:3] == foreign[0]
    assert rows[0][3:] == names(title)
    kept = [row[:3] for row in rows if any(row[:3])]
    assert kept == [foreign[0], ["slack", "=1+1", "Bea"], foreign[2]]
    assert any(row[3] for row in rows[1:])
    is_calm(ready)


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_title_over_merged_cells_stays(ready: Any, answer: str) -> None:
    tab = make(ready, MATRIX, [["Policies of 2026"]])
    tab.merge_cells("A1:C1")
    ready.sync(forces=ready.force(**{answer: True}))
    assert ready.values()[0] == ["Policies of 2026", "", "", *names(MATRIX)]
    is_calm(ready)


def test_a_table_below_the_first_row_stays(ready: Any) -> None:
    make(ready, MATRIX, [EXPORT_B, [*POST, "firearm.money", False]], at="A3")
    report = ready.sync(forces=ready.force(adopt=True))
    assert taken(report) == []
    rows = ready.values()
    assert rows[0][4:] == names(MATRIX)
    assert [row[:4] for row in rows if any(row[:4])] == [EXPORT_B, [*POST, "firearm.money", False]]


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_column_that_is_new_was_emptied_by_nobody(ready: Any, answer: str) -> None:
    make(ready, MATRIX, [["scope", "connector_id", "guard"], ["post", "slack", "the red one"]])
    make(ready, KPI, [["connector_id", "kpi_name", "target"], [*COST, 9]])
    report = ready.sync(forces=ready.force(**{answer: True}))
    assert report.problems == []
    assert taken(report) == ([(COST, "target", 5, 9)] if answer == "adopt" else [])
    assert given(report) == ([] if answer == "adopt" else [9])
    assert ready.values()[0] == ["scope", "connector_id", "guard", "firearm_id", "strategy_lock", "sync_status"]
    row = next(row for row in ready.values() if row[0] == "post")
    assert row[:5] == ["post", "slack", "the red one", "firearm.external_write", ""]  # an empty lock is FALSE
    assert ready.cell(COST, "formula", KPI) == "usage.cost * 1.0"
    is_calm(ready)


def test_rows_without_a_key_are_problems_and_stand(ready: Any) -> None:
    make(ready, MATRIX, [["firearm_id", "strategy_lock"], ["firearm.money", True]])
    report = ready.sync(forces=ready.force(adopt=True))
    assert [one.code for one in report.problems] == ["missing_key"]
    assert ["firearm.money", True] in [row[:2] for row in ready.values()]
    assert len([row for row in ready.values() if "slack" in row]) == 2


@pytest.mark.parametrize("answer", ANSWERS)
def test_what_stood_in_a_tab_that_only_sheetsync_writes_is_reported(ready: Any, answer: str) -> None:
    head = [*names("Connector Registry"), "owner"]
    make(
        ready, "Connector Registry", [head, ["slack", "9.9", 1, True, "once", "Bea"], ["jira", "1", 1, True, "", "Cem"]]
    )
    make(ready, "Sync Status", [["number", "what"], [1, "all is well"]])
    report = ready.sync(forces=ready.force(**{answer: True}))
    assert {"9.9", "once", "jira", "all is well"} <= set(given(report))
    rows = ready.values("Connector Registry")
    assert rows[0] == head
    assert [(row[0], row[5]) for row in rows[1:]] == [("github", ""), ("slack", "Bea"), ("", "Cem")]
    is_calm(ready)


@pytest.mark.parametrize("run", ["push", "sync"])
@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("title", [MATRIX, KPI])
def test_an_empty_tab_in_the_place_of_ours_takes_nothing_away(desk: Any, title: str, answer: str, run: str) -> None:
    """Somebody deleted our tab and made a new one: no row of it was deleted there, for none ever stood there."""
    desk.set_kpi("github", {"speed": {"impact_type": "duration", "formula": "usage.duration_s"}})
    desk.sync()
    before = [row[:4] for row in desk.values(title)]
    desk.book.del_worksheet(desk.tab(title))
    make(desk, title, [])
    assert stopped(desk, run).code == "unmarked_tab"
    report = getattr(desk, run)(forces=desk.force(**{answer: True}))
    assert (report.exit_code, report.drafts, given(report)) == (0, [], [])
    assert [row[:4] for row in desk.values(title)] == before
    is_calm(desk)


def test_another_tab_s_header_may_be_forced_in_the_same_run(desk: Any) -> None:
    desk.book.del_worksheet(desk.tab(KPI))
    make(desk, KPI, [["remarks"]])
    desk.tab().update([["guard"]], "C1")
    assert stopped(desk, adopt=True).code == "header_missing"
    desk.sync(forces=desk.force(adopt=True, headers=frozenset({MATRIX})))
    assert desk.values()[0] == names(MATRIX)
    assert desk.values(KPI)[0] == ["remarks", *names(KPI)]
    is_calm(desk)


def test_a_pull_makes_no_columns(desk: Any) -> None:
    desk.book.del_worksheet(desk.tab(MATRIX))
    tab = make(desk, MATRIX, [EXPORT_B, [*POST, "firearm.money", False]])
    stop = stopped(desk, "pull", adopt=True)
    assert (stop.code, "push --adopt" in stop.hint) == ("header_missing", True)
    assert tab.get_all_values()[0] == EXPORT_B
    assert taken(desk.sync(forces=desk.force(adopt=True)))


@pytest.mark.parametrize("answer", ANSWERS)
def test_a_value_typed_into_a_new_column_while_we_take_the_tab_is_kept(desk: Any, answer: str) -> None:
    desk.book.del_worksheet(desk.tab(MATRIX))
    make(desk, MATRIX, [["connector_id", "scope", "strategy_lock"], [*POST, False]])
    desk.server.script.act(
        lambda workspace: Collaborator(workspace, desk.spreadsheet_id).type("Policy Matrix!D2", "firearm.read"),
        "before",
        "write",
    )
    report = desk.sync(forces=desk.force(**{answer: True}))
    assert "firearm.read" in given(report)
    if answer == "adopt":
        assert desk.cell(POST, "firearm_id") == "firearm.read"
        assert taken(report) == [(POST, "firearm_id", "firearm.external_write", "firearm.read")]
        is_calm(desk)
    sheet = next(one for one in desk.api.get(desk.spreadsheet_id, fields=DRAWN)["sheets"] if named(one, MATRIX))
    assert len(sheet["developerMetadata"]) == 1
    assert len(sheet["protectedRanges"]) == expected_protections(POLICY)
    assert len(sheet["conditionalFormats"]) == 4


def test_a_tab_of_one_row_is_taken_though_nothing_is_published(empty: Any) -> None:
    make(empty, MATRIX, [], size=(1, 1))
    empty.push(forces=empty.force(adopt=True))
    assert empty.values()[0] == names(MATRIX)
    is_calm(empty)
