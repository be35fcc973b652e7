"""A plan is done as it was written, or not at all: whatever moves between the run's looks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sheetsync.errors import PlanMovedError, RequestRefusedError, SharingError
from sheetsync.localsheets.collaborator import Collaborator
from sheetsync.localsheets.faults import Step
from sheetsync.localsheets.workspace import Workspace
from sheetsync.services import sync_plans, sync_run
from sheetsync.services import workspace as desks
from sheetsync.services.health import read_health
from sheetsync.services.sync_state import current_view
from sheetsync.sync.view import View

if TYPE_CHECKING:
    from tests.sync.conftest import Desk

HEAD = "head@example.com"


def test_a_publish_between_the_check_and_the_comparison_refuses_the_plan(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk.set("slack", "post", "firearm.money")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    published: list[str] = []

    def view(ws: desks.Workspace) -> View:
        if not published:  # another process, after the plan's commit was compared
            published.append("github")
            desk.set("github", "read_public", "firearm.money")
        return current_view(ws)

    monkeypatch.setattr(sync_run, "current_view", view)
    with pytest.raises(PlanMovedError, match="the store moved"):
        sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    assert desk.cell(("slack", "post"), "firearm_id") == "firearm.external_write"
    assert desk.cell(("github", "read_public"), "firearm_id") == "NONE"


def test_a_plan_whose_batch_is_refused_is_not_made_anew(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()

    def act(workspace: Workspace) -> None:
        person = Collaborator(workspace, desk.spreadsheet_id)
        person.rename("Policy Matrix", "Ours")  # the read-back names the tab by its title: the batch is refused
        person.type("Ours!C3", "firearm.read")

    desk.server.script.act(act, "before", "write")
    with pytest.raises(PlanMovedError, match="the sheet moved"):
        sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    assert desk.cell(("slack", "post"), "firearm_id", "Ours") == "firearm.external_write"
    assert desk.sync().exit_code == 0  # the next run goes on, as ever


def test_a_plan_that_the_server_refuses_says_what_the_server_said(desk: Desk) -> None:
    desk.server.workspace.spreadsheet(desk.spreadsheet_id).owner = HEAD
    desk.set("slack", "post", "firearm.money")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    body = {"protectedRange": {"range": {"sheetId": desk.tab().id}, "editors": {"users": [HEAD]}}}

    def act(workspace: Workspace) -> None:
        Collaborator(workspace, desk.spreadsheet_id, HEAD).request("addProtectedRange", body)

    desk.server.script.act(act, "before", "write")
    with pytest.raises(RequestRefusedError, match="You are trying to edit a protected cell or object"):
        sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    assert desk.cell(("slack", "post"), "firearm_id") == "firearm.external_write"
    health = read_health(desk.ws)
    assert health is not None
    assert not health.ok


def test_a_plan_refused_for_want_of_rights_says_so(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    desk.server.script.add(Step("403", calls="write", path=":batchUpdate"))
    with pytest.raises(SharingError, match="may not use spreadsheet"):
        sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    desk.sync()
    assert desk.cell(("slack", "post"), "firearm_id") == "firearm.money"


def test_a_plan_that_takes_edits_and_heals_is_applied(desk: Desk) -> None:
    desk.set("slack", "post", "firearm.money")
    desk.edit(("github", "read_public"), "firearm_id", "firearm.read")
    plan = sync_plans.make_plan(desk.ws, desk.gateway).to_json()
    report = sync_plans.apply_plan(desk.ws, desk.gateway, plan)
    assert len(report.drafts) == 1
    assert desk.cell(("slack", "post"), "firearm_id") == "firearm.money"
