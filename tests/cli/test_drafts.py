"""`sheetsync draft`: what a person gives it that cannot be meant is refused, and nothing is saved then."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin
from sheetsync.registry.catalogue import Catalogue
from sheetsync.store import Store

if TYPE_CHECKING:
    from tests.cli.conftest import Ran

Run = Callable[..., "Ran"]
NO_OBJECTS = ["null", "[]", "[1]", '"x"', "3", "true"]


@pytest.fixture
def github(work: Path, sheetsync: Run) -> str:
    """An open draft of the connector `github` with two scopes; its id."""
    spec = {"id": "github", "name": "GitHub", "scopes": [{"name": "admin_write"}, {"name": "read_public"}]}
    (work / "github.json").write_text(json.dumps(spec))
    return str(sheetsync("--json", "draft", "new", "github", "--spec", "github.json").json()["draft"]["id"])


def test_drafts_are_listed(github: str, sheetsync: Run) -> None:
    assert [line["id"] for line in sheetsync("--json", "draft", "list").json()["drafts"]] == [github]


@pytest.mark.parametrize("text", NO_OBJECTS)
@pytest.mark.parametrize("option", ["--kpi", "--policy", "--spec"])
def test_a_file_that_is_no_json_object_is_refused_by_name(
    work: Path, github: str, sheetsync: Run, option: str, text: str
) -> None:
    (work / "given.json").write_text(text)
    ran = sheetsync("--json", "draft", "edit", github, option, "given.json")
    error = ran.json()["error"]
    assert (ran.code, error["code"], error["exit_code"]) == (2, "invalid_content", 2)
    assert "given.json" in error["message"]
    assert option in error["hint"]
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_a_new_draft_takes_no_spec_file_that_is_no_json_object(work: Path, sheetsync: Run, text: str) -> None:
    (work / "given.json").write_text(text)
    ran = sheetsync("--json", "draft", "new", "github", "--spec", "given.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "invalid_content")
    assert "given.json" in ran.json()["error"]["message"]
    assert sheetsync("--json", "draft", "list").json()["drafts"] == []


def test_a_number_of_too_many_digits_is_no_defect(work: Path, github: str, sheetsync: Run) -> None:
    (work / "big.json").write_text('{"k": ' + "1" * 5000 + "}")
    ran = sheetsync("--json", "draft", "edit", github, "--kpi", "big.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "invalid_content")
    assert "big.json" in ran.json()["error"]["message"]


@pytest.mark.parametrize(
    "options",
    [
        ("--firearm", "admin_write=firearm.payment", "--no-firearm", "admin_write"),
        ("--firearm", "admin_write=firearm.payment", "--undecide", "admin_write"),
        ("--no-firearm", "admin_write", "--undecide", "admin_write"),
        ("--firearm", "admin_write=firearm.payment", "--firearm", "admin_write=firearm.payment+lock"),
    ],
)
def test_a_scope_is_not_decided_in_two_ways_at_once(github: str, sheetsync: Run, options: tuple[str, ...]) -> None:
    ran = sheetsync("--json", "draft", "edit", github, *options)
    assert (ran.code, ran.json()["error"]["code"]) == (2, "usage")
    assert "'admin_write'" in ran.json()["error"]["message"]
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1


def test_saying_the_same_twice_is_no_contradiction(github: str, sheetsync: Run) -> None:
    same = ("--firearm", "admin_write=NONE", "--no-firearm", "admin_write")
    assert sheetsync("draft", "edit", github, *same, "--undecide", "read_public", "--undecide", "read_public").code == 0


@pytest.mark.parametrize(
    "words", [("draft", "list", "--connector"), ("draft", "list", "--all", "--connector"), ("diff",)]
)
@pytest.mark.parametrize(("name", "code"), [("githup", "not_found"), ("", "invalid_id"), ("../x", "invalid_id")])
def test_an_unknown_connector_is_no_empty_list(
    github: str, sheetsync: Run, words: tuple[str, ...], name: str, code: str
) -> None:
    ran = sheetsync("--json", *words, name)
    assert (ran.code, ran.json()["error"]["code"]) == (2, code)
    if code == "not_found":
        assert ran.json()["error"]["hint"] == "did you mean 'github'?"


def test_a_connector_whose_drafts_are_all_closed_is_known(github: str, sheetsync: Run) -> None:
    sheetsync("draft", "discard", github)
    listed = sheetsync("--json", "draft", "list", "--connector", "github")
    assert (listed.code, listed.json()) == (0, {"drafts": []})
    listed = sheetsync("--json", "draft", "list", "--all", "--connector", "github")
    assert [line["id"] for line in listed.json()["drafts"]] == [github]


# -- resolve


def conflict(tab: str, name: str, column: str, yours: str | float) -> Conflict:
    return Conflict(tab=tab, row_key=("github", name), column=column, base=None, yours=yours, theirs=None)


@pytest.fixture
def conflicted(work: Path, github: str) -> str:
    """The draft with conflicts over both scopes' firearms."""
    return with_conflicts(
        work,
        github,
        conflict("Policy Matrix", "admin_write", "firearm_id", "firearm.payment"),
        conflict("Policy Matrix", "read_public", "firearm_id", "firearm.payment"),
    )


def with_conflicts(work: Path, draft_id: str, *conflicts: Conflict, **changes: Any) -> str:
    """Save the draft with these conflicts, as a pull would."""
    ctx = RequestContext(user="ana")
    with Store.open(work / "store") as store:
        catalogue = Catalogue(store, ctx)
        stored = catalogue.draft(draft_id)
        with store.transaction(ctx) as tx:
            changed = stored.draft.model_copy(update={"conflicts": conflicts} | changes)
            catalogue.save_draft(tx, changed, expected=stored.snapshot)
    return draft_id


def open_conflicts(sheetsync: Run, draft_id: str) -> list[str]:
    draft = sheetsync("--json", "draft", "show", draft_id).json()["draft"]
    return [one["row_key"][-1] for one in draft["conflicts"] if one["resolution"] is None]


@pytest.mark.parametrize("options", [(), ("--row", "admin_write")])
def test_only_an_open_draft_has_something_to_resolve(conflicted: str, sheetsync: Run, options: tuple[str, ...]) -> None:
    sheetsync("draft", "discard", conflicted)
    ran = sheetsync("--json", "draft", "resolve", conflicted, "--yours", *options)
    assert (ran.code, ran.json()["error"]["code"]) == (4, "not_open")


def test_a_discarded_draft_without_conflicts_is_not_open_either(github: str, sheetsync: Run) -> None:
    sheetsync("draft", "discard", github)
    assert sheetsync("--json", "draft", "resolve", github, "--theirs").json()["error"]["code"] == "not_open"


@pytest.mark.parametrize("sides", [("--yours", "--theirs"), ("--theirs", "--yours"), ()])
def test_exactly_one_side_stands(conflicted: str, sheetsync: Run, sides: tuple[str, ...]) -> None:
    ran = sheetsync("--json", "draft", "resolve", conflicted, *sides)
    assert (ran.code, ran.json()["error"]["code"]) == (2, "usage")
    assert len(open_conflicts(sheetsync, conflicted)) == 2


@pytest.mark.parametrize(
    "options",
    [("--row", "nosuch"), ("--column", "formula"), ("--row", ""), ("--row", "admin_write", "--column", "target")],
)
def test_a_choice_that_meets_no_conflict_names_those_there_are(
    conflicted: str, sheetsync: Run, options: tuple[str, ...]
) -> None:
    ran = sheetsync("--json", "draft", "resolve", conflicted, "--yours", *options)
    error = ran.json()["error"]
    assert (ran.code, error["code"]) == (2, "not_found")
    assert error["hint"] == "open conflicts: github/admin_write firearm_id, github/read_public firearm_id"
    assert len(open_conflicts(sheetsync, conflicted)) == 2


def test_a_choice_in_a_draft_without_conflicts_meets_none(github: str, sheetsync: Run) -> None:
    ran = sheetsync("--json", "draft", "resolve", github, "--yours", "--row", "admin_write")
    assert (ran.code, ran.json()["error"]["hint"]) == (2, "open conflicts: none")
    plain = sheetsync("--json", "draft", "resolve", github, "--yours")
    assert (plain.code, plain.json()["draft"]["id"]) == (0, github)


@pytest.mark.parametrize("row", ["admin_write", "github/admin_write"])
def test_one_row_is_resolved_and_the_other_waits(conflicted: str, sheetsync: Run, row: str) -> None:
    assert sheetsync("draft", "resolve", conflicted, "--theirs", "--row", row).code == 0
    assert open_conflicts(sheetsync, conflicted) == ["read_public"]


def test_a_kpi_row_that_comes_is_resolved_as_a_whole(work: Path, github: str, sheetsync: Run) -> None:
    spend = [conflict("KPIs", "spend", "formula", "usage.cost"), conflict("KPIs", "spend", "target", 5.0)]
    with_conflicts(work, github, *spend)
    assert sheetsync("draft", "resolve", github, "--theirs").code == 0
    assert open_conflicts(sheetsync, github) == []


def rivals(
    work: Path, draft_id: str, tab: str, name: str, column: str, base: CellValue, yours: CellValue, *theirs: CellValue
) -> str:
    """A draft with an owner's edit that is in conflict with those of others, who did not see it."""
    edit = SheetEdit(tab=tab, cell="C2", row_key=("github", name), column=column, base=base, value=yours)
    found = [
        Conflict(tab=tab, row_key=edit.row_key, column=column, base=base, yours=yours, theirs=one) for one in theirs
    ]
    at = datetime(2026, 1, 7, 12, tzinfo=UTC)
    return with_conflicts(work, draft_id, *found, origin=SheetOrigin(spreadsheet_id="one", edits=(edit,), pulled_at=at))


def test_what_stays_open_is_told_and_whom_it_is_with(work: Path, github: str, sheetsync: Run) -> None:
    firearm = ("Policy Matrix", "admin_write", "firearm_id")
    rivals(work, github, *firearm, "", "firearm.payment", "firearm.a", "firearm.b")
    ran = sheetsync("--json", "draft", "resolve", github, "--theirs")
    assert (ran.code, list(ran.json())) == (0, ["draft"])
    assert open_conflicts(sheetsync, github) == ["admin_write"]
    first, then = ran.err.splitlines()
    assert first == (
        "still open: github/admin_write firearm_id: base (empty), yours firearm.b, theirs firearm.a: "
        "what another owner typed is in conflict with the edit that stands now"
    )
    assert then == f"decide again: 'sheetsync draft resolve {github}', yours or theirs"


@pytest.mark.parametrize("theirs", [(6.0, 7.0), (6.0, None), (None, 6.0)])
def test_what_stands_against_all_leaves_nothing_open(
    work: Path, github: str, sheetsync: Run, theirs: tuple[float | None, ...]
) -> None:
    """A deletion that stands aside leaves the other owners' values, which were chosen, too."""
    rivals(work, github, "KPIs", "spend", "target", None, 5.0, *theirs)
    ran = sheetsync("draft", "resolve", github, "--yours")
    assert (ran.code, ran.err, open_conflicts(sheetsync, github)) == (0, "", [])


@pytest.mark.parametrize("text", ["{}", '{"name": "GitHub"}', '{"scopess": [{"name": "admin_write"}]}'])
def test_a_spec_file_without_scopes_empties_no_draft(work: Path, github: str, sheetsync: Run, text: str) -> None:
    (work / "given.json").write_text(text)
    ran = sheetsync("--json", "draft", "edit", github, "--spec", "given.json")
    error = ran.json()["error"]
    assert (ran.code, error["code"]) == (2, "invalid_content")
    assert "scopes" in error["message"]
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1


KPI = {"impact_type": "cost", "formula": "usage.cost"}


def kpis_of(draft: dict[str, Any]) -> list[str]:
    return sorted(draft["policy_snapshot"]["kpis"])


def test_kpis_of_several_files_are_all_set(work: Path, github: str, sheetsync: Run) -> None:
    (work / "one.json").write_text(json.dumps({"one": KPI}))
    (work / "two.json").write_text(json.dumps({"two": KPI}))
    ran = sheetsync("--json", "draft", "edit", github, "--kpi", "one.json", "--kpi", "two.json")
    assert kpis_of(ran.json()["draft"]) == ["one", "two"]


def test_a_kpi_that_two_files_name_is_refused_by_name(work: Path, github: str, sheetsync: Run) -> None:
    (work / "one.json").write_text(json.dumps({"cost_per_call": KPI, "one": KPI}))
    (work / "two.json").write_text(json.dumps({"cost_per_call": KPI | {"target": 3}}))
    ran = sheetsync("--json", "draft", "edit", github, "--kpi", "one.json", "--kpi", "two.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "usage")
    assert "'cost_per_call'" in ran.json()["error"]["message"]
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1


@pytest.mark.parametrize("option", ["--kpi", "--policy"])
def test_a_file_that_names_a_kpi_twice_is_refused_by_name(work: Path, github: str, sheetsync: Run, option: str) -> None:
    twice = f'{{"spend": {json.dumps(KPI)}, "spend": {json.dumps(KPI | {"target": 3})}}}'
    (work / "given.json").write_text(twice if option == "--kpi" else f'{{"kpis": {twice}}}')
    ran = sheetsync("--json", "draft", "edit", github, option, "given.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "invalid_content")
    assert ran.json()["error"]["message"] == "given.json: 'spend' is given twice"
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1
