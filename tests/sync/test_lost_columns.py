"""A column of ours that was deleted where it cannot come back whole: the run stops, and nobody's edit is invented."""

from __future__ import annotations

from typing import Any

import pytest

from sheetsync.errors import SafetyStopError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.sync.headers import HEADER_MARK

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
        assert "restore the version before" in stopped.hint
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
    assert "does not bring the column back" in stop(owned).hint
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


# -- a column that cannot be filled in each row


def type_row(desk: Any, title: str, values: list[Any]) -> int:
    """A row typed below the last one; its number."""
    number = len(desk.values(title)) + 1
    request(desk, "appendDimension", sheetId=desk.tab(title).id, dimension="ROWS", length=2)
    desk.tab(title).update([values], f"A{number}")
    return number


def merge(desk: Any, kind: str) -> None:
    where = {"sheetId": desk.tab(KPIS).id, "startRowIndex": 1, "endRowIndex": 2}
    request(desk, kind, range=where | {"startColumnIndex": 4, "endColumnIndex": 6}, **MERGED.get(kind, {}))


MERGED: dict[str, dict[str, str]] = {"mergeCells": {"mergeType": "MERGE_ALL"}}


@pytest.mark.parametrize("run", ["push", "sync"])
@pytest.mark.parametrize(
    ("title", "key", "column", "at"), [(KPIS, KPI, "target", 4), (MATRIX, ADMIN, "strategy_lock", 3)]
)
def test_a_column_is_not_made_again_while_a_key_of_the_tab_occurs_twice(
    owned: Any, run: str, title: str, key: tuple[str, str], column: str, at: int
) -> None:
    number = type_row(owned, title, owned.row(*key, title=title)[:-1])
    before = owned.cell(key, column, title)
    owned.sync()
    delete(owned, title, at)
    stopped = stop(owned, run, headers=BOTH)
    assert stopped.code == "column_not_filled"
    assert f"'{title}' lacks the column {column}, and row 2 ({'/'.join(key)}) " in stopped.message
    assert "this key occurs twice" in stopped.message
    assert "delete one of the rows" in stopped.hint
    owned.tab(title).delete_rows(number)
    getattr(owned, run)(forces=owned.force(headers=BOTH))
    assert owned.cell(key, column, title) == before
    assert owned.sync().calls == QUIET
    assert owned.open_drafts() == []


def test_nor_while_cells_of_a_row_are_merged(owned: Any) -> None:
    merge(owned, "mergeCells")
    owned.sync()
    delete(owned, KPIS, 2)
    stopped = stop(owned, headers=BOTH)
    assert "lacks the column impact_type, and row 2 (github/cost_per_call) cannot be filled in it" in stopped.message
    assert (stopped.code, stopped.hint) == ("column_not_filled", "unmerge the cells of this row")
    assert stop(owned, "push", headers=BOTH).code == "column_not_filled"


def test_nor_while_a_row_that_is_to_go_is_held_by_a_protection(owned: Any) -> None:
    where = {"sheetId": owned.tab(KPIS).id, "startRowIndex": 1, "endRowIndex": 2}
    where |= {"startColumnIndex": 2, "endColumnIndex": 3}
    protection = {"range": where, "description": "ask", "editors": {"users": [HEAD]}}
    request(owned, "addProtectedRange", protectedRange=protection)
    owned.set_kpi("github", {"cost_per_call": None})
    delete(owned, KPIS, 4)
    stopped = stop(owned, headers=BOTH)
    assert stopped.code == "column_not_filled"
    assert "protected by 'ask' (C2)" in stopped.message
    assert owned.open_drafts() == []


def test_a_pull_makes_no_column_and_takes_the_edits_beside_it(owned: Any) -> None:
    type_row(owned, KPIS, owned.row(*KPI, title=KPIS)[:-1])
    owned.edit(ADMIN, "firearm_id", "firearm.money")
    delete(owned, KPIS, 4)
    owned.pull(forces=owned.force(headers=BOTH))
    assert edits(owned) == [(ADMIN, "firearm_id", "firearm.money")]


def test_a_doubled_row_that_nobody_knows_holds_up_no_column(owned: Any) -> None:
    for _ in range(2):
        type_row(owned, MATRIX, ["nobody", "knows", "firearm.read"])
    delete(owned, MATRIX, 3)
    owned.sync(forces=owned.force(headers=BOTH))
    assert owned.values()[1][4] is True
    assert owned.open_drafts() == []


def test_a_tab_of_peoples_is_given_no_column_with_holes_either(empty: Any) -> None:
    empty.publish(empty.draft("alpha", ["a", "b"], {"a": "firearm.read+lock", "b": "NONE"}))
    rows = [["alpha", "a", "firearm.read"], ["alpha", "b", "NONE"], ["alpha", "a", "firearm.read"]]
    tab = empty.book.add_worksheet(MATRIX, 12, 8)
    tab.update([["connector_id", "scope", "firearm_id"], *rows], "A1")
    with pytest.raises(SafetyStopError) as stopped:
        empty.sync(forces=empty.force(adopt=True))
    assert (stopped.value.code, stopped.value.hint[:19]) == ("column_not_filled", "delete one of the r")
    tab.delete_rows(4)
    empty.sync(forces=empty.force(adopt=True))
    assert empty.cell(("alpha", "a"), "strategy_lock") is True
    empty.sync()
    assert empty.open_drafts() == []


# -- the last column of a tab that only sheetsync writes

COVERAGE, REGISTRY, STATUS = "Coverage Report", "Connector Registry", "Sync Status"


def people_write_beside(desk: Any, title: str, header: str) -> int:
    """A column of people's own right of ours; where it begins."""
    at = len(desk.values(title)[0])
    sheet_id, rows = desk.tab(title).id, len(desk.values(title))
    request(desk, "appendDimension", sheetId=sheet_id, dimension="COLUMNS", length=1)
    texts = [header, *(f"MINE-{number}" for number in range(1, rows))]
    cells = [{"values": [{"userEnteredValue": {"stringValue": text}}]} for text in texts]
    start = {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": at}
    request(desk, "updateCells", start=start, fields="userEnteredValue", rows=cells)
    return at


@pytest.mark.parametrize("header", ["note", ""])
@pytest.mark.parametrize("title", [COVERAGE, REGISTRY, STATUS])
def test_a_column_of_people_that_slid_into_its_place_is_not_written_over(owned: Any, title: str, header: str) -> None:
    at = people_write_beside(owned, title, header)
    owned.sync()
    before = owned.values(title)
    delete(owned, title, at - 1)
    owned.sync()
    after = owned.values(title)
    assert [row[at - 1] for row in after] == [row[at] for row in before]
    assert [row[at] for row in after] == [row[at - 1] for row in before]
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize(("title", "at"), [(COVERAGE, 2), (COVERAGE, 0), (REGISTRY, 4), (STATUS, 1)])
def test_a_header_of_ours_that_was_renamed_there_is_written_again_in_its_place(owned: Any, title: str, at: int) -> None:
    before = owned.values(title)
    text = [{"values": [{"userEnteredValue": {"stringValue": "renamed"}}]}]
    start = {"sheetId": owned.tab(title).id, "rowIndex": 0, "columnIndex": at}
    request(owned, "updateCells", start=start, fields="userEnteredValue", rows=text)
    owned.sync()
    assert owned.values(title) == before
    assert owned.sync().calls == QUIET


def people_write_left_of(desk: Any, title: str, at: int, cells: list[Any]) -> None:
    """A column of people's own before one of ours, header first."""
    where = {"sheetId": desk.tab(title).id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1}
    request(desk, "insertDimension", range=where, inheritFromBefore=True)
    write_column(desk, title, at, cells)


def write_column(desk: Any, title: str, at: int, cells: list[Any]) -> None:
    rows = [{"values": [{"userEnteredValue": {kind_of(one): one}}]} for one in cells]
    start = {"sheetId": desk.tab(title).id, "rowIndex": 0, "columnIndex": at}
    request(desk, "updateCells", start=start, fields="userEnteredValue", rows=rows)


def kind_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolValue"
    return "stringValue" if isinstance(value, str) else "numberValue"


def overwritten(desk: Any) -> list[Any]:
    found = [commit.details.get("overwritten", []) for commit in desk.ws.store.log() if commit.details]
    return [one["value"] for some in found for one in some]


def remove_header_protections(desk: Any, title: str) -> None:
    """As in a spreadsheet that was set up before such headers were protected."""
    sheets = desk.server.workspace.spreadsheet(desk.spreadsheet_id).sheets
    found = next(one.protected_ranges for one in sheets if one.sheet_id == desk.tab(title).id)
    for number, one in list(found.items()):
        if one["description"].startswith(HEADER_MARK):
            request(desk, "deleteProtectedRange", protectedRangeId=number)


SLID = [  # the column of ours, and what people wrote right of it: alike by chance, or a copy
    (COVERAGE, 2, ["our goal", 1, 0.75]),
    (REGISTRY, 3, ["reviewed", True, False]),
    (REGISTRY, 3, ["reviewed", True, True]),
    (REGISTRY, 1, ["old version", "1.2.0", "0.0.1"]),
    (REGISTRY, 1, ["old version", "1.2.0", "1.0.0"]),
    (STATUS, 1, ["my", "commit"]),
]


@pytest.mark.parametrize("protected", [True, False])
@pytest.mark.parametrize(("title", "at", "own"), SLID)
def test_what_people_wrote_beside_is_theirs_though_it_is_as_ours_was(
    owned: Any, title: str, at: int, own: list[Any], protected: bool
) -> None:
    people_write_left_of(owned, title, at + 1, own)
    owned.sync()
    before = [row[at + 1] for row in owned.values(title)]
    ours = [row[at] for row in owned.values(title)]
    if not protected:
        remove_header_protections(owned, title)
    delete(owned, title, at)
    owned.sync()
    assert [row[at] for row in owned.values(title)] == before
    assert [row[-1] for row in owned.values(title)] == ours
    assert overwritten(owned) == []
    assert owned.sync().calls == QUIET


@pytest.mark.parametrize(("title", "at"), [(COVERAGE, 2), (COVERAGE, 0), (REGISTRY, 4), (STATUS, 1)])
@pytest.mark.parametrize("text", ["renamed", 2026])
def test_a_renamed_header_is_kept_in_the_journal(owned: Any, title: str, at: int, text: Any) -> None:
    before = owned.values(title)
    write_column(owned, title, at, [text])
    report = owned.sync()
    assert owned.values(title) == before
    assert overwritten(owned) == [text]
    assert [one.value for one in report.healed if one.cell[1] == ()] == [text]


@pytest.mark.parametrize("title", [MATRIX, KPIS])
def test_a_renamed_header_of_an_owners_tab_is_kept_in_the_journal_too(owned: Any, title: str) -> None:
    write_column(owned, title, 2, ["renamed"])
    owned.sync(forces=owned.force(headers=BOTH))
    assert overwritten(owned) == ["renamed"]


@pytest.mark.parametrize("title", [COVERAGE, REGISTRY, STATUS])
def test_a_key_column_that_is_deleted_takes_nothing_of_peoples_with_it(owned: Any, title: str) -> None:
    at = people_write_beside(owned, title, "note")
    owned.sync()
    own = [row[at] for row in owned.values(title)[1:]]
    delete(owned, title, 0)
    owned.sync()
    left = [row[at - 1] for row in owned.values(title)[1:] if len(row) >= at]
    assert [one for one in left if one] == own
    assert owned.sync().calls == QUIET
