"""plan and apply, undo and resume, why, doctor: through the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

MATRIX = "Policy Matrix"
READ = ("github", "read_public")


def publish_change(work: Work, firearm: str) -> None:
    """Publish another firearm for the reading scope."""
    draft = work.ok("draft", "new", "github")["draft"]["id"]
    work.ok("draft", "edit", draft, "--firearm", f"read_public={firearm}")
    work.ok("verify", draft)
    work.ok("publish", draft, user="ben@example.com")


def test_a_plan_is_done_as_it_was_written(pushed: Work) -> None:
    publish_change(pushed, "firearm.payment")
    plan = pushed.folder / "plan.json"
    assert pushed.ok("plan", "--out", str(plan))["changed"] is True
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "NONE"
    assert pushed.ok("apply", str(plan))["changed"] is True
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "firearm.payment"


def test_a_plan_is_refused_when_the_sheet_moved(pushed: Work) -> None:
    publish_change(pushed, "firearm.payment")
    plan = pushed.folder / "plan.json"
    pushed.ok("plan", "--out", str(plan))
    pushed.type_into(MATRIX, ("github", "admin_write"), "strategy_lock", False)
    assert pushed.ok("apply", str(plan), code=4)["error"]["code"] == "plan_moved"


def test_a_plan_is_refused_when_the_store_moved(pushed: Work) -> None:
    publish_change(pushed, "firearm.payment")
    plan = pushed.folder / "plan.json"
    pushed.ok("plan", "--out", str(plan))
    publish_change(pushed, "firearm.destructive")
    assert pushed.ok("apply", str(plan), code=4)["error"]["code"] == "plan_moved"


def test_a_plan_never_writes_over_a_file(pushed: Work) -> None:
    plan = pushed.folder / "plan.json"
    plan.write_text("mine")
    assert pushed.ok("plan", "--out", str(plan), code=2)["error"]["code"] == "destination"
    assert plan.read_text() == "mine"


def test_an_undo_holds_the_spreadsheet_until_it_is_resumed(pushed: Work) -> None:
    publish_change(pushed, "firearm.payment")
    pushed.ok("push")
    pushed.ok("undo")
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "NONE"
    assert pushed.ok("sync", code=7)["error"]["exit_code"] == 7
    pushed.ok("push", "--resume")
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "firearm.payment"


def test_why_says_where_a_value_comes_from(pushed: Work) -> None:
    cell = pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    draft = pushed.ok("pull")["drafts"][0]["id"]
    ran = pushed.run("why", f"{MATRIX}!{cell}")
    assert ran.code == 0
    assert draft in ran.out
    assert isinstance(pushed.ok("why", f"{MATRIX}!{cell}"), dict)
    assert pushed.run("why", "nonsense").code == 2


def test_doctor_finds_nothing_wrong_and_says_what_it_looked_at(pushed: Work) -> None:
    ran = pushed.run("doctor")
    assert ran.code == 0, ran
    assert "ok" in ran.out
    assert "FAIL" not in ran.out
    assert isinstance(pushed.ok("doctor"), dict)


def test_doctor_reports_a_broken_configuration_instead_of_ending_with_it(work: Work) -> None:
    (work.folder / "config" / "sheetsync.toml").write_text("nonsense = 1\n")
    ran = work.run("doctor")
    assert ran.code == 2
    assert "nonsense" in ran.out + ran.err
