"""Who may publish what, merges of drafts that moved in other fields, and KPI rows that come and go."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

MATRIX = "Policy Matrix"
KPIS = "KPIs"
ADMIN = ("github", "admin_write")
READ = ("github", "read_public")
ANA, BEN, CRON = "ana@example.com", "ben@example.com", "cron"


@pytest.fixture
def pushed(work: Work, github: Callable[[], str]) -> Work:
    """A workspace with `github` published and pushed, and `cron` a user without a person."""
    config = work.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text().replace("[pull]\n", '[pull]\nunattended_users = ["cron"]\n'))
    github()
    work.ok("push")
    return work


def publish(work: Work, draft: str, user: str = ANA) -> Any:
    work.ok("verify", draft, user=user)
    return work.ok("publish", draft, user=user)


def test_what_a_program_pulled_needs_one_to_approve_and_another_to_publish(pushed: Work) -> None:
    pushed.type_into(MATRIX, ADMIN, "strategy_lock", False)
    draft = pushed.ok("pull", user=CRON)["drafts"][0]["id"]
    pushed.ok("verify", draft, user=CRON)
    assert pushed.ok("publish", draft, user=ANA, code=5)["error"]["code"] == "second_person"
    pushed.ok("draft", "approve", draft, user=ANA)
    assert pushed.ok("publish", draft, user=ANA, code=5)["error"]["code"] == "second_person"
    assert pushed.ok("publish", draft, user=BEN)["ok"]


def test_an_approval_is_for_exactly_that_content(pushed: Work) -> None:
    pushed.type_into(MATRIX, ADMIN, "strategy_lock", False)
    draft = pushed.ok("pull", user=CRON)["drafts"][0]["id"]
    pushed.ok("draft", "approve", draft, user=ANA)
    pushed.ok("draft", "edit", draft, "--no-firearm", "admin_write", user=CRON)
    pushed.ok("verify", draft, user=CRON)
    assert pushed.ok("publish", draft, user=BEN, code=5)["error"]["code"] == "second_person"


def test_drafts_that_moved_in_other_fields_are_merged(pushed: Work) -> None:
    first = pushed.ok("draft", "new", "github")["draft"]["id"]
    second = pushed.ok("draft", "new", "github")["draft"]["id"]
    pushed.ok("draft", "edit", first, "--firearm", "read_public=firearm.payment")
    pushed.ok("draft", "edit", second, "--firearm", "admin_write=firearm.external_write+lock", "--version", "1.3.0")
    publish(pushed, first)
    publish(pushed, second)
    card = pushed.ok("card", "github")["card"]
    assert card["version"] == "1.3.0"
    firearms = {scope["scope"]["name"]: scope["firearm"]["firearm_id"] for scope in card["scopes"]}
    assert firearms == {"admin_write": "firearm.external_write", "read_public": "firearm.payment"}


def test_drafts_that_moved_in_the_same_field_are_refused(pushed: Work) -> None:
    drafts = [pushed.ok("draft", "new", "github")["draft"]["id"] for _ in range(2)]
    for draft, firearm in zip(drafts, ("firearm.payment", "firearm.destructive"), strict=True):
        pushed.ok("draft", "edit", draft, "--firearm", f"read_public={firearm}")
        pushed.ok("verify", draft)
    pushed.ok("publish", drafts[0])
    assert pushed.ok("publish", drafts[1], code=4)["error"]["code"] == "registry_moved"


def test_several_drafts_are_published_all_or_none(pushed: Work) -> None:
    good = pushed.ok("draft", "new", "github")["draft"]["id"]
    pushed.ok("draft", "edit", good, "--firearm", "read_public=firearm.payment")
    pushed.ok("verify", good)
    spec = pushed.folder / "one.json"
    spec.write_text('{"id": "one", "version": "1.0.0", "scopes": [{"name": "go"}]}')
    unverified = pushed.ok("draft", "new", "one", "--spec", str(spec))["draft"]["id"]
    before = pushed.snapshots()
    assert pushed.ok("publish", good, unverified, code=4)["error"]["code"] == "not_verified"
    assert pushed.snapshots() == before


def test_a_deleted_kpi_row_is_a_proposal_that_re_adding_withdraws(pushed: Work) -> None:
    sheet = pushed.sheet().worksheet(KPIS)
    row: list[str | int | float] = ["github", "api_cost", "cost", "usage.cost", 10, "USD"]
    sheet.append_row(row)
    publish(pushed, pushed.ok("pull")["drafts"][0]["id"])
    pushed.ok("push")
    number = sheet.get_values().index(next(line for line in sheet.get_values() if line[1] == "api_cost")) + 1
    sheet.delete_rows(number)
    (draft,) = pushed.ok("pull")["drafts"]
    assert draft["edits"][0]["loosening"]
    assert "api_cost" in pushed.ok("card", "github")["card"]["kpis"]
    pushed.ok("push")
    assert ("github", "api_cost") not in pushed.rows(KPIS)
    sheet.append_row(row)
    pushed.ok("sync")
    assert pushed.ok("status")["open_drafts"] == 0
    assert pushed.rows(KPIS)[("github", "api_cost")]["formula"] == "usage.cost"


def test_a_bad_kpi_formula_is_a_problem_of_its_cell(pushed: Work) -> None:
    pushed.sheet().worksheet(KPIS).append_row(["github", "api_cost", "cost", "__import__('os')", "", ""])
    report = pushed.ok("pull", code=3)
    (problem,) = report["problems"]
    assert (problem["tab"], problem["row_key"]) == (KPIS, ["github", "api_cost"])
    assert problem["cell"].startswith("D")
