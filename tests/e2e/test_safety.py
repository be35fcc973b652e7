"""Safety stops: nothing is written until a person names what to go on about; the other way of each is tried too."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.e2e.conftest import Work

MATRIX = "Policy Matrix"
READ = ("github", "read_public")


def publish_large(work: Work, scopes: int) -> None:
    """Publish and push a connector of many scopes."""
    names = [f"scope{number:03d}" for number in range(scopes)]
    spec = work.folder / "large.json"
    spec.write_text(json.dumps({"id": "large", "version": "1.0.0", "scopes": [{"name": name} for name in names]}))
    policy = work.folder / "policy.json"
    firearm = {"firearm_id": "firearm.payment", "strategy_lock": False}
    policy.write_text(json.dumps({"firearms": dict.fromkeys(names, firearm), "kpis": {}}))
    draft = work.ok("draft", "new", "large", "--spec", str(spec))["draft"]["id"]
    work.ok("draft", "edit", draft, "--policy", str(policy))
    work.ok("verify", draft)
    work.ok("publish", draft)
    work.ok("push")


def stop_of(work: Work, *words: str) -> dict[str, str]:
    """The error of a run that stops; store and sheet are as before."""
    before, shown = work.snapshots(), work.sheet().worksheet(MATRIX).get_values()
    error: dict[str, str] = work.ok(*words, code=7)["error"]
    assert work.snapshots() == before
    assert work.sheet().worksheet(MATRIX).get_values() == shown
    return error


def test_a_renamed_header_stops_and_is_written_again_when_asked_for(pushed: Work) -> None:
    pushed.sheet().worksheet(MATRIX).update_acell("C1", "Firearm")
    assert "--force-headers" in stop_of(pushed, "sync")["hint"]
    assert pushed.ok("sync", "--force-headers", MATRIX)["ok"]
    assert "firearm_id" in pushed.rows(MATRIX)[READ]


def test_many_lost_rows_stop_and_are_put_back_when_asked_for(pushed: Work) -> None:
    publish_large(pushed, 60)
    pushed.sheet().worksheet(MATRIX).delete_rows(4, 40)
    assert "--force-lost-rows" in stop_of(pushed, "sync")["hint"]
    pushed.ok("sync", "--force-lost-rows", MATRIX)
    assert len(pushed.rows(MATRIX)) == 62


def test_a_force_for_one_tab_does_not_force_another(pushed: Work) -> None:
    publish_large(pushed, 60)
    pushed.sheet().worksheet(MATRIX).delete_rows(4, 40)
    stop_of(pushed, "sync", "--force-lost-rows", "KPIs")


def test_a_force_for_a_tab_that_is_none_of_ours_is_a_usage_error(pushed: Work) -> None:
    error = pushed.ok("sync", "--force-lost-rows", "Policies", code=2)["error"]
    assert MATRIX in error["message"]


def test_a_copy_stops_and_is_adopted_when_asked_for(pushed: Work) -> None:
    from tests.e2e.conftest import plain_gspread

    copy = plain_gspread(pushed.server.url).copy(pushed.spreadsheet_id, title="A copy")
    config = pushed.folder / "config" / "sheetsync.toml"
    config.write_text(config.read_text().replace(pushed.spreadsheet_id, copy.id))
    pushed.spreadsheet_id = copy.id
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    assert "--adopt" in stop_of(pushed, "sync")["hint"]
    report = pushed.ok("sync", "--adopt")
    assert [edit["value"] for draft in report["drafts"] for edit in draft["edits"]] == ["firearm.payment"]


def test_a_lost_scratch_tab_stops_and_the_store_wins_when_asked_for(pushed: Work) -> None:
    sheet = pushed.sheet()
    for tab in sheet.worksheets():
        if tab.title.startswith("sheetsync epoch"):
            sheet.del_worksheet(tab)
    pushed.type_into(MATRIX, READ, "firearm_id", "firearm.payment")
    assert "--restore-from-store" in stop_of(pushed, "sync")["hint"]
    pushed.ok("sync", "--restore-from-store")
    assert pushed.rows(MATRIX)[READ]["firearm_id"] == "NONE"
    assert pushed.ok("sync")["calls"]["write"] == 0


def test_another_tenant_s_spreadsheet_stops(pushed: Work) -> None:
    assert stop_of(pushed, "--tenant", "other", "sync")["code"] == "foreign_spreadsheet"


def test_both_answers_at_once_are_a_usage_error(pushed: Work) -> None:
    assert pushed.run("sync", "--adopt", "--restore-from-store").code == 2
