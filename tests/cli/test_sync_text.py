"""What a run says to a person: places, values, what to do, and nothing where there is nothing."""

from __future__ import annotations

from typing import Any

from sheetsync.cli.output import Output
from sheetsync.cli.sync_text import run_lines
from sheetsync.services.sync_tell import NOT_PULLED
from sheetsync.sync.outcome import Found
from sheetsync.sync.tabs import POLICY

PLAIN = Output(as_json=False, quiet=False, verbose=0, no_color=True)
TAB = "Policy Matrix"


def report(**parts: Any) -> dict[str, Any]:
    nothing: dict[str, Any] = {
        "ok": True, "changed": False, "tabs": {}, "drafts": [], "pending": [], "settling": [], "problems": [],
        "conflicts": [], "healed": [], "calls": {"read": 1, "write": 0, "drive": 0}, "commit": 4,
    }  # fmt: skip
    return nothing | parts


def cell(**parts: Any) -> dict[str, Any]:
    return {"tab": TAB, "cell": "C7", "row_key": ["github", "go"], "column": "firearm_id"} | parts


def test_nothing_to_do_is_one_line() -> None:
    assert list(run_lines(report(), PLAIN)) == ["nothing to do (1 read, 0 writes)"]


def test_a_draft_names_its_edits_and_marks_a_loosening() -> None:
    edit = cell(base="firearm.payment", value="NONE", loosening=True)
    lines = list(run_lines(report(drafts=[{"id": "draft_abc123", "connector_id": "github", "edits": [edit]}]), PLAIN))
    assert lines[:2] == [
        "new draft draft_abc123 for github: 1 edit",
        "  Policy Matrix!C7  github / go  firearm_id: firearm.payment → NONE  (loosening)",
    ]


def test_an_empty_cell_is_spelled_out() -> None:
    edit = cell(base="", value="NONE", loosening=False)
    lines = run_lines(report(drafts=[{"id": "draft_abc123", "connector_id": "github", "edits": [edit]}]), PLAIN)
    assert any("firearm_id: (empty) → NONE" in line for line in lines)


def test_a_conflict_shows_three_values_and_the_command_that_decides() -> None:
    found = cell(base="NONE", yours="firearm.a", theirs="firearm.b")
    text = "\n".join(run_lines(report(conflicts=[found]), PLAIN))
    assert "base NONE, yours firearm.a, theirs firearm.b" in text
    assert "sheetsync draft resolve" in text


def test_a_problem_shows_its_place_and_its_hint() -> None:
    problem = {"code": "x", "tab": TAB, "cell": "C9", "row_key": [], "message": "wrong", "hint": "mend it"}
    lines = list(run_lines(report(problems=[problem]), PLAIN))
    assert lines[:3] == ["1 problem:", "  Policy Matrix!C9  wrong", "    hint: mend it"]


def test_long_lists_are_counted_not_printed() -> None:
    edits = [cell(base="NONE", value="firearm.a", loosening=False)] * 50
    lines = list(run_lines(report(drafts=[{"id": "draft_abc123", "connector_id": "a", "edits": edits}]), PLAIN))
    assert "  and 30 more (all with --json)" in lines
    assert len(lines) < 30


def test_a_dry_run_says_would() -> None:
    tabs = {TAB: {"cells_written": 3, "rows_added": 1, "rows_removed": 0}}
    lines = list(run_lines(report(tabs=tabs, changed=True), PLAIN, dry_run=True))
    assert lines[0] == "Policy Matrix: 3 cells would be written, 1 row would be added"


def said_of_edits(*notes: str) -> list[str]:
    found = [Found((POLICY, ("github", "go"), "firearm_id"), "C7", "firearm.read", note).to_json() for note in notes]
    return [line for line in run_lines(report(pending=found), PLAIN) if "edit" in line]


def test_an_edit_in_a_draft_waits_for_its_publish() -> None:
    assert said_of_edits("", "") == ["2 pending edits waiting for publish: see 'sheetsync draft list'"]


def test_an_edit_in_no_draft_is_not_said_to_wait_for_its_publish() -> None:
    assert said_of_edits(NOT_PULLED) == ["1 edit in no draft yet: 'sheetsync pull' takes what has no problem"]
    assert [line.partition(" ")[0] for line in said_of_edits("", NOT_PULLED, NOT_PULLED)] == ["1", "2"]
