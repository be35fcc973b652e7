"""The journeys of operators and reviewers in real headless Chromium, each with script and without."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, expect

from sheetsync.domain.firearms import FirearmBinding
from sheetsync.services.drafts import edit_draft, new_draft
from sheetsync.services.publishing import verify_drafts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.workbench.conftest import Office

pytestmark = pytest.mark.browser
ANA, ROB = "ana@example.com", "rob@example.com"
DELETE, MERGE = "admin.deleteRepository", "admin.mergePullRequest"


def choose(page: Page, scope: str, firearm: str) -> None:
    """Choose a scope's firearm on the edit page."""
    page.get_by_label(f"Firearm of {scope}").select_option(firearm)


def save(page: Page) -> None:
    page.get_by_role("button", name="Save a new version").click()


def button(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


def live(office: Office, connector: str = "github") -> Any:
    """What is live, read by another process's store."""
    ws = office.open()
    with ws.store:
        found = ws.catalogue().published(connector)
        assert found is not None
        return found


def test_from_an_import_through_editing_and_verifying_to_publish_and_undo(office: Office, script: bool) -> None:
    visitor = office.visitor(java_script_enabled=script)
    page = visitor.page
    page.get_by_role("link", name="draft in definition").click()
    expect(page.get_by_text("imported from")).to_be_visible()
    page.get_by_role("link", name="Edit", exact=True).click()
    for select in page.get_by_label(re.compile("^Firearm of ")).all()[:-1]:
        select.select_option("firearm.external_write")
    page.get_by_label("New KPI", exact=True).fill("messages_sent")
    page.get_by_label("Impact of the new KPI").select_option("count")
    page.get_by_label("Formula of the new KPI").fill("usage.count")
    save(page)
    expect(page.get_by_role("status").first).to_contain_text("Saved as version 2")
    button(page, "Verify")
    expect(page.get_by_role("status").first).to_contain_text("found no mistakes")
    page.get_by_role("link", name="Look at publishing").click()
    button(page, "Publish now")
    expect(page.get_by_role("heading", name="Published: slack")).to_be_visible()
    written = page.locator("table code").all_inner_texts()
    assert {path.partition("/")[0] for path in written} == {"components", "firearms", "kpis", "workbench_drafts"}
    for path in written:
        assert (office.folder / "store" / "default" / path).is_file()
    assert live(office, "slack").kpis.kpis["messages_sent"].formula == "usage.count"

    page.get_by_role("list").get_by_role("link", name="slack").click()
    button(page, "New draft")
    page.get_by_label("Version").fill("1.1.0")
    save(page)
    button(page, "Verify")
    page.get_by_role("link", name="Look at publishing").click()
    button(page, "Publish now")
    page.get_by_role("list").get_by_role("link", name="slack").click()
    page.get_by_role("button", name="Restore as a new draft").click()
    expect(page.get_by_text("holds the earlier state")).to_be_visible()
    expect(page.get_by_text("made here (restored)")).to_be_visible()
    assert visitor.complaints == []


def test_a_mistake_is_told_where_it_is_and_what_was_typed_stays(office: Office, script: bool) -> None:
    visitor = office.visitor(java_script_enabled=script)
    page = visitor.go("/connectors/github")
    button(page, "New draft")
    page.get_by_label("Formula of api_cost").fill("usage.costs * 2")
    choose(page, MERGE, "NONE")
    if script:
        expect(page.locator("[data-mistake='kpi.0.formula']")).to_contain_text("usage.costs is unknown")
        expect(page.get_by_label("Formula of api_cost")).to_have_attribute("aria-invalid", "true")
    save(page)
    expect(page.get_by_role("alert")).to_contain_text("Not saved: 1 mistake.")
    expect(page.get_by_label("Formula of api_cost")).to_have_value("usage.costs * 2")
    expect(page.get_by_label(f"Firearm of {MERGE}")).to_have_value("NONE")
    page.get_by_label("Formula of api_cost").fill("usage.cost * 2")
    if script:
        expect(page.locator("[data-preview]")).to_contain_text("looser")
        expect(page.locator("[data-preview]")).to_contain_text(MERGE)
    save(page)
    expect(page.get_by_role("status").first).to_contain_text("Saved as version 2")
    assert [text for text in visitor.complaints if "422" not in text] == []


def test_a_loosening_is_refused_to_its_author_and_published_by_a_second_person(
    make_office: Callable[..., Office], script: bool
) -> None:
    office = make_office(ana="owner publisher", rob="publisher")
    ana = office.visitor(ANA, java_script_enabled=script).go("/connectors/github")
    button(ana, "New draft")
    choose(ana, DELETE, "NONE")
    ana.get_by_label(f"Lock of {DELETE}").uncheck()
    save(ana)
    expect(ana.locator("li.looser")).to_contain_text(DELETE)
    button(ana, "Verify")
    expect(ana.get_by_text("You wrote this loosening, so somebody else must publish it.")).to_be_visible()
    draft = ana.url.rpartition("/")[2]
    ana.get_by_role("link", name="Look at publishing").click()
    expect(ana.get_by_role("button", name="Publish now")).to_be_disabled()
    assert live(office).firearms.firearms[DELETE].strategy_lock

    rob = office.visitor(ROB, java_script_enabled=script).go(f"/drafts/{draft}")
    assert rob.get_by_role("link", name="Edit", exact=True).count() == 0
    rob.get_by_role("link", name="Look at publishing").click()
    rob.get_by_label("I have seen that 1 change loosens what is live").check()
    button(rob, "Publish now")
    expect(rob.get_by_role("heading", name="Published: github")).to_be_visible()
    expect(rob.get_by_role("definition").filter(has_text=ROB)).to_be_visible()
    assert live(office).firearms.firearms[DELETE].firearm_id is None
    assert live(office).component.published_by == ROB


def test_two_people_save_the_same_draft_and_nothing_is_lost(make_office: Callable[..., Office], script: bool) -> None:
    office = make_office(ana="owner", rob="owner")
    ana = office.visitor(ANA, java_script_enabled=script).go("/connectors/github")
    button(ana, "New draft")
    rob = office.visitor(ROB, java_script_enabled=script)
    rob.page.goto(ana.url)
    choose(ana, MERGE, "firearm.destructive")
    ana.get_by_label("Target of api_cost").fill("30")
    save(ana)
    choose(rob.page, MERGE, "firearm.payment")
    rob.page.get_by_label("Display name").fill("GitHub Cloud")
    save(rob.page)

    expect(rob.page.get_by_role("heading", name="Two versions")).to_be_visible()
    expect(rob.page.get_by_role("alert")).to_contain_text(f"{ANA} saved this draft while you edited it")
    row = rob.page.get_by_role("row").filter(has_text=f"firearm of {MERGE}")
    expect(row).to_contain_text("both changed it")
    expect(row).to_contain_text("firearm.destructive")
    expect(row).to_contain_text("firearm.payment")
    expect(rob.page.get_by_label("theirs, for KPI api_cost")).to_be_checked()
    expect(rob.page.get_by_label("yours, for name")).to_be_checked()
    rob.page.get_by_label(f"yours, for firearm of {MERGE}").check()
    button(rob.page, "Save together")
    expect(rob.page.get_by_role("status").first).to_contain_text("Saved as version 3")
    ws = office.open()
    with ws.store:
        draft = ws.catalogue().draft(rob.page.url.rpartition("/")[2]).draft
    assert draft.policy_snapshot.firearms[MERGE].firearm_id == "firearm.payment"
    assert draft.policy_snapshot.kpis["api_cost"].target == 30
    assert draft.spec_snapshot.name == "GitHub Cloud"


class Sheet:
    """The workspace's own spreadsheet, seen and edited by an owner on the grid page."""

    def __init__(self, office: Office) -> None:
        self.office = office
        self.server = office.start("sheets", "serve", "--port", "0", "--data", str(office.folder / "local-sheets.db"))
        office.run("push")
        self.page = office.browser().page
        self.page.goto(self.server["url"])
        self.page.locator("a[href*='/spreadsheets/d/']").first.click()
        self.page.wait_for_selector("body[data-ready]")

    def choose(self, row_text: str, value: str) -> None:
        """An owner chooses the firearm of the row with that text, in the tab `Policy Matrix`."""
        self.page.get_by_role("tab", name="Policy Matrix").click()
        row = self.page.get_by_role("row").filter(has_text=row_text)
        row.locator('.cell[data-column="2"]').click()
        self.page.keyboard.press("Enter")
        self.page.locator("select.edit").select_option(value)
        expect(self.page.locator("#status")).to_contain_text("Done: typing")


def test_an_edit_made_in_the_sheet_s_page_arrives_as_a_draft(office: Office, script: bool) -> None:
    sheet = Sheet(office)
    sheet.choose(MERGE, "firearm.destructive")
    pulled = office.run("pull", user="cron")
    assert [draft["connector_id"] for draft in pulled["drafts"]] == ["github"]
    visitor = office.visitor(java_script_enabled=script)
    page = visitor.go("/drafts")
    policy = page.get_by_role("region", name="Drafts in policy")
    expect(policy).to_contain_text("sheet, 1 edit")
    policy.get_by_role("link", name="github").click()
    expect(page.get_by_text("from the sheet, 1 edit, pulled")).to_be_visible()
    cell = pulled["drafts"][0]["edits"][0]["cell"]
    edits = page.get_by_role("region", name="Owners' edits", exact=True)
    expect(edits).to_contain_text(f"Policy Matrix!{cell}")
    expect(edits).to_contain_text("firearm.destructive")
    expect(page.locator("li.looser")).to_contain_text("its firearm changes")
    link = edits.get_by_role("link", name=f"Policy Matrix!{cell}")
    assert (link.get_attribute("href") or "").startswith(sheet.server["url"])
    assert (link.get_attribute("href") or "").endswith(f"&range={cell}")
    visitor.go("/health")
    expect(page.get_by_text("1 owners' edit", exact=True)).to_be_visible()


@pytest.mark.parametrize(("side", "script"), [("yours", True), ("theirs", False)])
def test_a_conflict_between_sheet_and_store_is_resolved_by_a_click(office: Office, script: bool, side: str) -> None:
    sheet = Sheet(office)
    sheet.choose(MERGE, "firearm.destructive")
    ws = office.open(user=ROB)
    with ws.store:
        draft = new_draft(ws, "github").draft
        edit_draft(ws, draft.id, firearms={MERGE: FirearmBinding(firearm_id="firearm.payment")})
        verify_drafts(ws, [draft.id])
    office.run("publish", draft.id)
    pulled = office.run("pull", user="cron", code=3)
    assert len(pulled["conflicts"]) == 1
    visitor = office.visitor(java_script_enabled=script)
    page = visitor.go("/?only=problems")
    page.get_by_role("link", name="draft in policy").click()
    expect(page.locator(".conflict")).to_contain_text("Base: both started from")
    expect(page.locator(".sides")).to_contain_text("firearm.payment")
    button(page, "Take yours" if side == "yours" else "Keep theirs")
    expect(page.get_by_role("heading", name="Conflicts, all resolved")).to_be_visible()
    expect(page.get_by_text(f"Resolved as {side}.")).to_be_visible()
    ws = office.open()
    with ws.store:
        kept = ws.catalogue().draft(page.url.rpartition("/")[2]).draft.policy_snapshot.firearms[MERGE].firearm_id
    assert kept == ("firearm.destructive" if side == "yours" else "firearm.payment")


def test_what_another_process_does_is_there_at_the_next_click(office: Office) -> None:
    visitor = office.visitor()
    office.run("draft", "new", "github")
    expect(visitor.go("/").get_by_text("2 open drafts")).to_be_visible()


def test_every_change_is_in_the_journal_with_who(make_office: Callable[..., Office], script: bool) -> None:
    office = make_office(ana="owner reviewer")
    page = office.visitor(ANA, java_script_enabled=script).go("/connectors/github")
    button(page, "New draft")
    page.get_by_label("Version").fill("1.1.0")
    save(page)
    page.get_by_text("Discard this draft…").click()
    page.get_by_label("Why? The owners read it in the sheet.").fill("not now")
    button(page, "Discard")
    expect(page.get_by_text("This draft is discarded: not now.")).to_be_visible()
    log = office.run("log", page.url.rpartition("/")[2])["log"]
    assert [entry["who"] for entry in log] == [ANA] * 3
    assert json.dumps(log)


def test_what_was_typed_survives_that_the_session_ended(make_office: Callable[..., Office], script: bool) -> None:
    office = make_office(ana="owner")
    ana = office.visitor(ANA, java_script_enabled=script).go("/connectors/github")
    button(ana, "New draft")
    draft = ana.url.split("/")[-2]
    ana.get_by_label("Description", exact=True).first.fill("A long text, typed over lunch.")
    ana.context.clear_cookies()
    save(ana)
    expect(ana.get_by_role("heading", name="You are signed out")).to_be_visible()
    with ana.context.expect_page() as opened:
        ana.get_by_role("link", name="Sign in in a new tab").click()
    other = opened.value
    other.get_by_label("Your name").fill(ANA)
    other.get_by_label("Your token").fill(office.tokens[ANA])
    button(other, "Sign in")
    other.get_by_role("heading", name="Connectors").wait_for()
    button(ana, "Send it again")
    expect(ana.get_by_text(f"You are signed in as {ANA} now.")).to_be_visible()
    button(ana, "Send it again")
    expect(ana.get_by_role("status").first).to_contain_text("Saved as version 2")
    ws = office.open()
    with ws.store:
        assert ws.catalogue().draft(draft).draft.spec_snapshot.description == "A long text, typed over lunch."
