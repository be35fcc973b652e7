"""People's own formulas where a write of ours fell: they come back as formulas, whole, and about their own row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.services.sync_plans import undo
from sheetsync.sync.formulas import moved_formula, moved_whole

if TYPE_CHECKING:
    from sheetsync.localsheets.workspace import Workspace
    from tests.sync.conftest import Desk

READ, POST = ("github", "read_public"), ("slack", "post")
LONG = '=IF({0}="firearm.read","cost centre 4711, approved by the board of Example Ltd","none at all")'


@pytest.mark.parametrize(
    ("text", "rows", "moved"),
    [
        ("=C3", 2, "=C5"),
        ("=$C$3+C$3+$C3", 2, "=$C$3+C$3+$C5"),
        ('="C3 is "&C3&" says ""C3"""', 1, '="C3 is "&C4&" says ""C3"""'),
        ("='Row 3'!C3+Tab3!C3", 1, "='Row 3'!C4+Tab3!C4"),
        ("=SUM(C3:C9)+SUM(3:$4)+SUM(C:C)", 1, "=SUM(C4:C10)+SUM(4:$4)+SUM(C:C)"),
        ("=LOG10(C3)+A_C3+C3.5+1E5", 1, "=LOG10(C4)+A_C3+C3.5+1E5"),
        ("=C2+#REF!", -5, "=C2+#REF!"),
    ],
)
def test_references_follow_the_row(text: str, rows: int, moved: str) -> None:
    assert moved_formula(text, rows) == moved


def test_only_the_formulas_of_a_row_change() -> None:
    row: tuple[Any, ...] = (
        {"userEnteredValue": {"formulaValue": "=C3"}, "note": "C3"},
        {"userEnteredValue": {"stringValue": "C3"}},
        {},
    )
    assert moved_whole(row, 1) == ({"userEnteredValue": {"formulaValue": "=C4"}, "note": "C3"}, row[1], {})


def entered(desk: Desk, column: int) -> list[Any]:
    """What was entered into a column, row by row."""
    fields = "sheets(properties(title),data(rowData(values(userEnteredValue))))"
    sheets = desk.api.get(desk.spreadsheet_id, fields=fields)["sheets"]
    rows = next(one for one in sheets if one["properties"]["title"] == "Policy Matrix")["data"][0]["rowData"]
    cells = [row.get("values", []) for row in rows]
    return [row[column].get("userEnteredValue") if len(row) > column else None for row in cells]


def add_formulas(desk: Desk, column: str, about: str) -> None:
    """A column of people's own, with a long formula about each row."""
    tab = desk.tab()
    more = {"sheetId": tab.id, "dimension": "COLUMNS", "length": 2}
    desk.book.batch_update({"requests": [{"appendDimension": more}]})
    tab.update([["risk"]], f"{column}1")
    option: Any = "USER_ENTERED"
    tab.update(
        [[LONG.format(f"{about}{row}")] for row in range(2, 6)], f"{column}2:{column}5", value_input_option=option
    )


def meanwhile(desk: Desk, kind: str, body: dict[str, Any]) -> None:
    def act(space: Workspace) -> None:
        Collaborator(space, desk.spreadsheet_id).request(kind, body)

    desk.server.script.act(act, "before", "write")


def formula(cell: str) -> dict[str, str]:
    return {"formulaValue": LONG.format(cell)}


@pytest.mark.parametrize(("key", "row"), [(READ, 2), (POST, 3)])
def test_a_formula_that_our_write_covered_comes_back_as_one(desk: Desk, key: tuple[str, str], row: int) -> None:
    columns = {"sheetId": desk.tab().id, "dimension": "COLUMNS"}
    desk.book.batch_update({"requests": [{"insertDimension": {"range": {**columns, "startIndex": 2, "endIndex": 3}}}]})
    desk.tab().update([["todo"]], "C1")
    add_formulas(desk, "G", "D")
    desk.sync()
    desk.edit(key, "firearm_id", "firearm.read")
    # 'todo' goes behind 'risk': the answer that we write into sync_status falls upon the formula
    meanwhile(desk, "moveDimension", {"source": {**columns, "startIndex": 2, "endIndex": 3}, "destinationIndex": 7})
    report = desk.sync()
    assert entered(desk, 5)[row] == formula(f"C{row + 1}")
    assert [one.value for one in report.healed] == [LONG.format(f"C{row + 1}")]  # told whole, too
    assert desk.status(*key).startswith("pending in")


def test_an_owners_formula_in_a_cell_of_ours_comes_back_as_one(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money+lock")
    cell = LONG.format("C4")

    def act(space: Workspace) -> None:
        Collaborator(space, desk.spreadsheet_id).type("Policy Matrix!D4", cell)

    desk.server.script.act(act, "before", "write")
    report = desk.sync()
    assert [one.code for one in report.problems] == ["formula"]
    assert entered(desk, 3)[3] == {"formulaValue": cell}


@pytest.mark.parametrize("column", ["F", "D"])
def test_the_formulas_of_a_row_deleted_by_mistake_come_back_about_that_row(desk: Desk, column: str) -> None:
    desk.publish(desk.draft("jira", ["a", "b"], {"a": "NONE", "b": "NONE"}))
    desk.sync()
    if column == "F":
        add_formulas(desk, "F", "C")
        desk.sync()
    else:
        desk.edit(READ, "strategy_lock", LONG.format("C3"), raw=False)  # bad input: it stands, with its problem
        desk.sync()
    desk.retire("jira")
    at = desk.find(("jira", "a"), "Policy Matrix")[1]

    def act(space: Workspace) -> None:  # rows of github come to stand where those of jira stood
        Collaborator(space, desk.spreadsheet_id).move_rows("Policy Matrix", at + 1, 2, 2)

    desk.server.script.act(act, "before", "write")
    desk.sync()
    desk.sync()
    rows, cells = desk.values(), entered(desk, ord(column) - 65)
    keys = [tuple(row[:2]) for row in rows]
    assert sorted(keys[1:]) == [("github", "admin_write"), READ, POST, ("slack", "read")]
    wanted = [("github", "admin_write"), READ] if column == "F" else [READ]
    for key in wanted:
        assert cells[keys.index(key)] == formula(f"C{keys.index(key) + 1}")


def test_a_formula_that_was_overwritten_at_a_persons_word_is_undone_as_one(desk: Desk) -> None:
    desk.sync()
    desk.edit(POST, "strategy_lock", LONG.format("C4"), raw=False)
    scratch = next(tab for tab in desk.book.worksheets() if tab.title.startswith("sheetsync"))
    desk.book.del_worksheet(scratch)
    desk.sync(forces=desk.force(restore_from_store=True))
    assert desk.cell(POST, "strategy_lock") is False
    undo(desk.ws, desk.gateway)
    assert entered(desk, 3)[3] == formula("C4")
