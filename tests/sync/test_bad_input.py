"""Everything people write into cells: read where it means one thing, else a problem with cell and hint."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from sheetsync.domain.kpi import ERROR_TEXTS, KpiBinding
from sheetsync.errors import InvalidContentError
from sheetsync.gsheets import reading
from sheetsync.services import drafts

ADMIN = ("github", "admin_write")
PUBLIC = ("github", "read_public")
POST = ("slack", "post")


@pytest.mark.parametrize(
    ("value", "code", "says"),
    [
        ("firearm.reed", "unknown_firearm", "unknown firearm 'firearm.reed' (did you mean firearm.read)"),
        ("zzz", "unknown_firearm", "unknown firearm 'zzz'"),
        (" firearm.read", "stray_spaces", "stray spaces in ' firearm.read' (did you mean firearm.read)"),
        ("firearm.re\u200bad", "stray_spaces", "did you mean firearm.read"),
        (
            "firearm.rеad",
            "look_alike",
            "look-alike characters in the firearm 'firearm.rеad' (did you mean firearm.read)",
        ),
        ("Firearm.Read", "unknown_firearm", "did you mean firearm.read"),
        (12, "number_for_id", "12 is not a firearm id"),
        (True, "number_for_id", "TRUE is not a firearm id"),
        ("", "cleared_firearm", "choose a firearm or NONE"),
        ("   ", "stray_spaces", "only spaces"),
    ],
)
def test_a_bad_firearm_is_a_problem_where_it_stands(desk: Any, value: Any, code: str, says: str) -> None:
    where = desk.edit(POST, "firearm_id", value)
    report = desk.sync()
    assert report.exit_code == 3
    assert report.drafts == []
    (problem,) = report.to_json()["problems"]
    assert (problem["code"], problem["tab"], problem["cell"], problem["row_key"]) == (
        code,
        "Policy Matrix",
        where,
        [*POST],
    )
    assert says in problem["message"]
    assert problem["hint"]
    assert desk.status(*POST) == f"problem: {problem['message']}"
    assert problem["message"] in desk.note(where)
    assert desk.cell(POST, "firearm_id") == value
    assert desk.sync().calls["write"] == 0


def test_a_mended_cell_loses_its_problem_and_its_note(desk: Any) -> None:
    where = desk.edit(POST, "firearm_id", "firearm.reed")
    desk.sync()
    desk.edit(POST, "firearm_id", "firearm.read")
    report = desk.sync()
    assert report.problems == []
    assert desk.note(where) == ""
    assert desk.status(*POST).startswith("pending in ")


def test_an_owners_own_note_is_left_alone(desk: Any) -> None:
    where = desk.edit(POST, "firearm_id", "firearm.reed")
    desk.tab().insert_note(where, "ask Bea")
    desk.sync()
    assert desk.note(where) == "ask Bea"
    desk.edit(POST, "firearm_id", "firearm.external_write")
    desk.sync()
    assert desk.note(where) == "ask Bea"


@pytest.mark.parametrize("formula", ['="firearm."&"read"', "=1/0", '=IMPORTXML("x","y")'])
def test_a_formula_is_a_problem_not_an_edit(desk: Any, formula: str) -> None:
    desk.edit(POST, "firearm_id", formula, raw=False)
    report = desk.sync()
    assert report.drafts == []
    assert report.problems[0].code in ("formula", "error_value")
    assert desk.sync().calls["write"] == 0


@pytest.mark.parametrize("word", ["true", "TRUE", "yes", "1", 1, "VRAI", "WAHR", "VERO", "ja", "oui", " sí ", "☑"])
def test_true_in_any_language(desk: Any, word: Any) -> None:
    desk.edit(POST, "strategy_lock", word)
    edits = desk.sync().to_json()["drafts"][0]["edits"]
    assert [(one["column"], one["base"], one["value"]) for one in edits] == [("strategy_lock", False, True)]
    assert desk.cell(POST, "strategy_lock") is True


@pytest.mark.parametrize("word", ["false", "FALSCH", "no", "0", 0, "FALSO", "", "non"])
def test_false_in_any_language(desk: Any, word: Any) -> None:
    desk.edit(ADMIN, "strategy_lock", word)
    edits = desk.sync().to_json()["drafts"][0]["edits"]
    assert [(one["base"], one["value"]) for one in edits] == [(True, False)]


@pytest.mark.parametrize("word", ["maybe", 2, 0.5, "=TRUE()"])
def test_what_is_no_boolean_is_a_problem(desk: Any, word: Any) -> None:
    desk.edit(POST, "strategy_lock", word, raw=False)
    report = desk.sync()
    assert report.drafts == []
    assert report.problems[0].code in ("not_boolean", "formula")


def test_a_lock_with_none_is_a_problem(desk: Any) -> None:
    desk.edit(PUBLIC, "strategy_lock", True)
    report = desk.sync()
    assert [one.code for one in report.problems] == ["lock_without_firearm"]
    assert report.drafts == []
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    assert len(desk.sync().drafts[0].edits) == 2


@pytest.mark.parametrize("word", ["none", "None", "NONE", " none "])
def test_none_in_any_case(desk: Any, word: str) -> None:
    desk.edit(POST, "firearm_id", word)
    edit = desk.sync().to_json()["drafts"][0]["edits"][0]
    assert (edit["value"], edit["loosening"]) == ("NONE", True)
    assert desk.cell(POST, "firearm_id") == "NONE"


def test_one_bad_row_holds_back_no_good_one(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.reed")
    desk.edit(PUBLIC, "firearm_id", "firearm.read")
    report = desk.sync()
    assert [draft.connector_id for draft in report.drafts] == ["github"]
    assert len(report.problems) == 1


def test_a_doubled_key_is_frozen_and_each_row_says_so(desk: Any) -> None:
    desk.tab().append_row([*POST, "firearm.read", False])
    report = desk.sync()
    assert [one.code for one in report.problems] == ["duplicate_key", "duplicate_key"]
    assert report.drafts == []
    rows = [row for row in desk.values() if row[:2] == [*POST]]
    assert len(rows) == 2
    assert all(row[4].startswith("problem: ") for row in rows)
    desk.set("slack", "post", "firearm.money")
    desk.sync()
    assert {row[2] for row in desk.values() if row[:2] == [*POST]} == {"firearm.external_write", "firearm.read"}


def test_a_retyped_key_is_a_problem_and_the_old_row_is_put_back(desk: Any) -> None:
    desk.edit(POST, "scope", "pots")
    report = desk.sync()
    assert [(one.code, one.row_key) for one in report.problems] == [("unknown_scope", ("slack", "pots"))]
    assert "did you mean post" in report.problems[0].message
    assert desk.row(*POST)[2] == "firearm.external_write"
    assert desk.row("slack", "pots")[4].startswith("problem: unknown scope")
    assert desk.sync().calls["write"] == 0


def test_a_number_where_a_key_belongs_is_a_problem(desk: Any) -> None:
    desk.edit(POST, "scope", 7)
    report = desk.sync()
    assert report.problems[0].code == "number_for_id"
    assert desk.row(*POST)


def test_an_unknown_row_is_never_guessed_at(desk: Any) -> None:
    desk.tab().append_row(["gitlab", "read", "firearm.read", False])
    report = desk.sync()
    assert [one.code for one in report.problems] == ["unknown_connector"]
    assert desk.row("gitlab", "read")[2] == "firearm.read"


def test_merged_cells_are_a_problem(desk: Any) -> None:
    desk.tab().merge_cells("C4:D4")
    report = desk.sync()
    assert [one.code for one in report.problems] == ["merged_cells"]
    assert report.problems[0].row_key == POST


def test_known_problems_can_be_quiet(desk: Any) -> None:
    desk.edit(POST, "firearm_id", "firearm.reed")
    assert desk.sync(quiet_known=True).exit_code == 3
    assert desk.sync(quiet_known=True).exit_code == 0
    desk.edit(PUBLIC, "firearm_id", "firearm.reed")
    assert desk.sync(quiet_known=True).exit_code == 3


def test_published_records_are_untouched_by_any_of_it(desk: Any) -> None:
    before = [one.hash for one in desk.ws.catalogue().records_of("slack")]
    for value in ("firearm.reed", "firearm.read", "NONE"):
        desk.edit(POST, "firearm_id", value)
        desk.sync()
    assert [one.hash for one in desk.ws.catalogue().records_of("slack")] == before


def test_an_error_of_a_spreadsheet_is_no_unit(desk: Any) -> None:
    assert ERROR_TEXTS == reading.ERROR_TEXTS
    cost = {"impact_type": "cost", "formula": "usage.cost"}
    made = drafts.new_draft(desk.ws, "github").draft.id
    for text in sorted(ERROR_TEXTS):
        with pytest.raises(ValidationError, match="is an error in a spreadsheet"):
            KpiBinding(impact_type="cost", formula="usage.cost", unit=text)
        with pytest.raises(InvalidContentError):
            drafts.edit_draft(desk.ws, made, kpis={"cost_per_call": cost | {"unit": text}})
    KpiBinding(impact_type="cost", formula="usage.cost", unit="#N/A calls")
