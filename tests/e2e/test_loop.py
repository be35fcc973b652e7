"""The whole loop: owners edit with plain gspread, pull drafts, publish, push."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from gspread.utils import ValueInputOption

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

MATRIX = "Policy Matrix"
KPIS = "KPIs"
ADMIN = ("github", "admin_write")
READ = ("github", "read_public")


def published(work: Work) -> dict[str, bytes]:
    return {path: data for path, data in work.snapshots().items() if "/workbench_drafts/" not in path
            and "/sync_baselines/" not in path}  # fmt: skip


def test_a_second_sync_does_nothing(pushed: Work) -> None:
    before = pushed.snapshots()
    report = pushed.ok("sync")
    assert report["changed"] is False
    assert (report["calls"]["read"], report["calls"]["write"]) == (1, 0)
    assert pushed.snapshots() == before


def test_an_edit_becomes_one_draft_and_is_answered_in_its_row(pushed: Work) -> None:
    before = published(pushed)
    cell = pushed.type_into(MATRIX, READ, "firearm_id", "firearm.external_write")
    report = pushed.ok("pull")
    (draft,) = report["drafts"]
    (edit,) = draft["edits"]
    assert (draft["connector_id"], edit["tab"], edit["cell"], edit["row_key"]) == ("github", MATRIX, cell, list(READ))
    assert (edit["column"], edit["base"], edit["value"]) == ("firearm_id", "NONE", "firearm.external_write")
    assert not edit["loosening"]
    assert (report["calls"]["read"], report["calls"]["write"]) == (1, 1)
    assert pushed.rows(MATRIX)[READ]["sync_status"] == f"pending in {draft['id']}"
    assert published(pushed) == before
    assert pushed.ok("draft", "list")["drafts"][0]["origin"] == "sheet"


def test_a_push_between_pull_and_publish_leaves_the_pending_value(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.external_write")
    draft = pushed.ok("pull")["drafts"][0]["id"]
    pushed.ok("push")
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "firearm.external_write"
    pushed.ok("verify", draft)
    assert [done["draft_id"] for done in pushed.ok("publish", draft)["published"]] == [draft]
    pushed.ok("push")
    row = pushed.rows(MATRIX)[READ]
    assert (row["firearm_id"], row["sync_status"]) == ("firearm.external_write", "published")
    assert pushed.ok("sync")["calls"]["write"] == 0


def test_publishing_again_says_so_and_changes_nothing(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    draft = pushed.ok("pull")["drafts"][0]["id"]
    pushed.ok("verify", draft)
    pushed.ok("publish", draft)
    before = pushed.snapshots()
    assert pushed.ok("publish", draft)["published"] == []
    assert pushed.snapshots() == before


def test_a_loosening_needs_a_second_person(pushed: Work) -> None:
    pushed.type_into(MATRIX, ADMIN, "strategy_lock", False)
    report = pushed.ok("pull")
    (draft,) = report["drafts"]
    assert draft["edits"][0]["loosening"]
    pushed.ok("verify", draft["id"])
    assert pushed.ok("publish", draft["id"], code=5)["error"]["code"] == "second_person"
    assert pushed.ok("publish", draft["id"], user="ben@example.com")["ok"] is True


def test_a_typo_is_a_problem_with_cell_message_and_hint_and_holds_nobody_back(pushed: Work) -> None:
    cell = pushed.type_into(MATRIX, ADMIN, "firearm_id", "firearm.externl_write")
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    report = pushed.ok("pull", code=3)
    (problem,) = report["problems"]
    assert (problem["tab"], problem["cell"], problem["row_key"]) == (MATRIX, cell, list(ADMIN))
    assert "firearm.externl_write" in problem["message"]
    assert "firearm.external_write" in problem["message"] + problem["hint"]
    assert [edit["row_key"] for edit in report["drafts"][0]["edits"]] == [list(READ)]
    row = pushed.rows(MATRIX)[ADMIN]
    assert row["firearm_id"] == "firearm.externl_write"
    assert row["sync_status"].startswith("problem: unknown firearm 'firearm.externl_write'")


def test_a_known_problem_is_quiet_only_when_asked_for(pushed: Work) -> None:
    pushed.type_into(MATRIX, ADMIN, "firearm_id", "firearm.externl_write")
    pushed.ok("sync", code=3)
    assert pushed.run("sync").code == 3
    assert pushed.run("sync", "--quiet-known").code == 0


def test_a_doubled_key_is_frozen_and_every_row_says_so(pushed: Work) -> None:
    worksheet = pushed.sheet().worksheet(MATRIX)
    values = worksheet.get_values()
    number = next(i for i, line in enumerate(values, start=1) if tuple(line[:2]) == READ)
    worksheet.insert_row(["github", "read_public", "firearm.payment", False], number)
    report = pushed.ok("pull", code=3)
    assert report["drafts"] == []
    rows = [problem for problem in report["problems"] if problem["row_key"] == list(READ)]
    assert len(rows) == 2
    assert all(problem["cell"] and problem["message"] and problem["hint"] for problem in rows)


def test_kpis_are_added_and_their_formulas_edited(pushed: Work) -> None:
    worksheet = pushed.sheet().worksheet(KPIS)
    header = worksheet.get_values()[0]
    values = {"connector_id": "github", "kpi_name": "api_cost", "impact_type": "cost", "formula": "usage.cost * 1.0"}
    row = [values.get(name, "") for name in header[: header.index("sync_status")]]
    worksheet.update([row], "A2", value_input_option=ValueInputOption.raw)
    report = pushed.ok("pull")
    (draft,) = report["drafts"]
    shown = pushed.ok("draft", "show", draft["id"])["draft"]
    assert shown["policy_snapshot"]["kpis"]["api_cost"]["formula"] == "usage.cost * 1.0"
    pushed.ok("verify", draft["id"])
    pushed.ok("publish", draft["id"])
    pushed.ok("push")
    pushed.type_into(KPIS, ("github", "api_cost"), "formula", "usage.cost * 2.0")
    (second,) = pushed.ok("pull")["drafts"]
    assert [(e["column"], e["base"], e["value"]) for e in second["edits"]] == [
        ("formula", "usage.cost * 1.0", "usage.cost * 2.0")
    ]


def test_a_conflict_keeps_both_and_is_decided_by_a_person(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    mine = pushed.ok("draft", "new", "github")["draft"]["id"]
    pushed.ok("draft", "edit", mine, "--firearm", "read_public=firearm.personal_data")
    pushed.ok("verify", mine)
    pushed.ok("publish", mine)
    report = pushed.ok("pull", code=3)
    (conflict,) = report["conflicts"]
    assert (conflict["base"], conflict["yours"], conflict["theirs"]) == (
        "NONE",
        "firearm.payment",
        "firearm.personal_data",
    )
    draft = report["drafts"][0]["id"]
    row = pushed.rows(MATRIX)[READ]
    assert row["firearm_id"] == "firearm.payment"
    assert row["sync_status"].startswith("conflict: ")
    pushed.ok("verify", draft)
    assert pushed.ok("publish", draft, code=4)["error"]["code"] == "unresolved_conflicts"
    pushed.ok("draft", "resolve", draft, "--theirs")
    pushed.ok("push")
    row = pushed.rows(MATRIX)[READ]
    assert row["firearm_id"] == "firearm.personal_data"
    assert row["sync_status"].startswith("rejected: ")


def test_a_discarded_draft_puts_the_published_value_back_and_says_why(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    draft = pushed.ok("pull")["drafts"][0]["id"]
    pushed.ok("draft", "discard", draft, "--reason", "not needed")
    pushed.ok("push")
    row = pushed.rows(MATRIX)[READ]
    assert (row["firearm_id"], row["sync_status"]) == ("NONE", "rejected: not needed")


def test_a_set_back_edit_withdraws_its_draft(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    pushed.ok("pull")
    pushed.type_into(MATRIX, READ, "firearm_id", "NONE")
    assert pushed.ok("pull")["drafts"] == []
    assert pushed.ok("status")["open_drafts"] == 0


def test_people_s_own_columns_and_tabs_survive_every_push(pushed: Work) -> None:
    worksheet = pushed.sheet().worksheet(MATRIX)
    width = len(worksheet.get_values()[0])
    worksheet.add_cols(1)
    worksheet.update_cell(1, width + 1, "my notes")
    worksheet.update_cell(2, width + 1, "ask Ben")
    pushed.sheet().add_worksheet("Mine", 5, 5).update_acell("A1", "keep me")
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    pushed.ok("sync")
    assert worksheet.cell(1, width + 1).value == "my notes"
    assert worksheet.cell(2, width + 1).value == "ask Ben"
    assert pushed.sheet().worksheet("Mine").acell("A1").value == "keep me"


def test_a_retired_connector_leaves_the_sheet(pushed: Work) -> None:
    draft = pushed.ok("retire", "github")["draft"]["id"]
    pushed.ok("verify", draft)
    pushed.ok("publish", draft)
    pushed.ok("push")
    assert pushed.rows(MATRIX) == {}
    assert pushed.rows("Connector Registry") == {}


def test_scopes_of_a_draft_never_published_can_be_decided_before_publish(work: Work, tmp_path: Path) -> None:
    spec = tmp_path / "new.json"
    spec.write_text('{"id": "newone", "version": "1.0.0", "scopes": [{"name": "go"}]}')
    work.ok("draft", "new", "newone", "--spec", str(spec))
    work.ok("push")
    assert work.rows(MATRIX)[("newone", "go")]["firearm_id"] == ""
    work.type_into(MATRIX, ("newone", "go"), "firearm_id", "NONE")
    (draft,) = work.ok("pull")["drafts"]
    assert not draft["edits"][0]["loosening"]
    work.ok("verify", draft["id"])
    work.ok("publish", draft["id"])


def test_dry_runs_change_nothing(pushed: Work) -> None:
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    before = pushed.snapshots()
    assert len(pushed.ok("pull", "--dry-run")["drafts"]) == 1
    pushed.ok("push", "--dry-run")
    assert pushed.snapshots() == before
    assert pushed.rows(MATRIX)[READ]["sync_status"] in ("", "published")


def test_six_hands_at_once_make_one_draft_with_exactly_the_good_edits(pushed: Work) -> None:
    """A firearm, a lock, an added KPI, a typo, a doubled row and an own column, all between two runs."""
    spec = pushed.folder / "wiki.json"
    spec.write_text('{"id": "wiki", "version": "1.0.0", "scopes": [{"name": "read"}, {"name": "write"}]}')
    draft = pushed.ok("draft", "new", "wiki", "--spec", str(spec))["draft"]["id"]
    lock = "write=firearm.external_write+lock"
    pushed.ok("draft", "edit", draft, "--firearm", lock, "--no-firearm", "read")
    pushed.ok("verify", draft)
    pushed.ok("publish", draft)
    pushed.ok("push")
    before = published(pushed)
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.personal_data")
    pushed.type_into(MATRIX, ("wiki", "write"), "strategy_lock", False)
    pushed.type_into(MATRIX, ("wiki", "read"), "firearm_id", "firearm.persnal_data")
    pushed.sheet().worksheet(KPIS).append_row(["wiki", "visits", "count", "usage.count", 100, "pages"])
    matrix = pushed.sheet().worksheet(MATRIX)
    matrix.append_row(["github", "admin_write", "NONE", False])
    report = pushed.ok("pull", code=3)
    edits = {draft["connector_id"]: {(e["tab"], e["row_key"][1], e["column"]) for e in draft["edits"]}
             for draft in report["drafts"]}  # fmt: skip
    assert set(edits) == {"github", "wiki"}
    assert edits["github"] == {(MATRIX, "read_public", "firearm_id")}
    assert (MATRIX, "write", "strategy_lock") in edits["wiki"]
    assert {key for tab, key, _ in edits["wiki"] if tab == KPIS} == {"visits"}
    assert (MATRIX, "read", "firearm_id") not in edits["wiki"]
    assert {tuple(problem["row_key"]) for problem in report["problems"]} == {("wiki", "read"), ADMIN}
    assert all(problem["cell"] and problem["message"] and problem["hint"] for problem in report["problems"])
    assert published(pushed) == before
    kpis = pushed.ok("draft", "show", next(d["id"] for d in report["drafts"] if d["connector_id"] == "wiki"))
    visits = kpis["draft"]["policy_snapshot"]["kpis"]["visits"]
    assert visits == {"impact_type": "count", "formula": "usage.count", "target": 100.0, "unit": "pages"}
    pushed.ok("push", code=3)
    assert pushed.rows(MATRIX)[("wiki", "write")]["strategy_lock"] is False
