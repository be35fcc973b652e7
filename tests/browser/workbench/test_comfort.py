"""Reaching everybody: WCAG AA by axe-core, light and dark, keyboard, narrow screens, a content policy that holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Dialog, Page, expect

from sheetsync.domain.draft import Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.services.drafts import discard_draft, edit_draft, new_draft, save_new
from sheetsync.services.health import record_run
from sheetsync.services.publishing import verify_drafts

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.browser.workbench.conftest import Office, Visitor

pytestmark = pytest.mark.browser
MERGE = "admin.mergePullRequest"
RULES = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

SPILLS = """() => {
  if (document.documentElement.scrollWidth <= innerWidth) return [];
  const wide = (one) => one.getBoundingClientRect().right > innerWidth + 1 && !one.closest(".wide, .hidden");
  return [...document.querySelectorAll("main *, header *")].filter(wide).map((one) => one.outerHTML.slice(0, 150));
}"""
INJECT = """() => {
  const script = document.createElement("script");
  script.textContent = "document.title = 'hacked'";
  document.body.append(script);
  document.body.insertAdjacentHTML("beforeend", "<img src=x onerror=\\"document.title='hacked'\\">");
}"""


def fill(office: Office) -> dict[str, str]:
    """Something of everything on the pages; the paths of pages by what they show."""
    ws = office.open()
    with ws.store:
        catalogue = ws.catalogue()
        live = catalogue.published("github")
        assert live is not None
        edit = SheetEdit(tab="Policy Matrix", cell="C3", row_key=("github", MERGE), column="firearm_id",
                         base="firearm.external_write", value="NONE")  # fmt: skip
        firearms = {**live.firearms.firearms, MERGE: FirearmBinding(firearm_id=None)}
        pulled = WorkbenchDraft(
            id=new_draft_id(), connector_id="github", stage="policy", spec_snapshot=live.spec, created_by="cron",
            policy_snapshot=live.policy().model_copy(update={"firearms": firearms}), created_at=ws.clock.now(),
            origin=SheetOrigin(spreadsheet_id="s", edits=(edit,), pulled_at=ws.clock.now()),
            base=catalogue.base_of("github"),
            conflicts=(Conflict(tab="Policy Matrix", row_key=("github", "core.createIssue"), column="firearm_id",
                                base="NONE", yours="firearm.payment", theirs="firearm.destructive"),),
        )  # fmt: skip
        save_new(ws, catalogue, pulled, why="pull")
        looser = new_draft(ws, "github").draft
        edit_draft(ws, looser.id, firearms={MERGE: FirearmBinding(firearm_id=None)}, undecide=["core.createIssue"])
        verify_drafts(ws, [looser.id])
        closed = new_draft(ws, "github").draft
        discard_draft(ws, closed.id, "not now")
        problem = {"code": "unknown_firearm", "tab": "Policy Matrix", "cell": "C7", "row_key": ["github", "x"],
                   "message": "unknown firearm 'firearm.y'", "hint": "choose one"}  # fmt: skip
        report = {"ok": True, "problems": [problem], "calls": {"read": 1, "write": 1}}
        record_run(ws, report=report, exit_code=3, spreadsheet_id="s", url="http://127.0.0.1:9/spreadsheets/d/s/edit",
                   tab_ids={"Policy Matrix": 1})  # fmt: skip
        head = ws.store.head()
    return {
        "connectors": "/",
        "connector": "/connectors/github",
        "new": "/new",
        "drafts": "/drafts",
        "sheet draft": f"/drafts/{pulled.id}",
        "verified draft": f"/drafts/{looser.id}",
        "edit": f"/drafts/{looser.id}/edit",
        "closed draft": f"/drafts/{closed.id}",
        "publish": f"/publish?draft={looser.id}",
        "commit": f"/commits/{head}",
        "health": "/health",
        "not found": "/drafts/draft_0123456789ab",
    }


def judge(page: Page, axe: str) -> list[str]:
    """What axe-core finds wrong; evaluated by the test, so the page's content policy stands."""
    page.evaluate(axe)
    found: dict[str, Any] = page.evaluate("rules => axe.run(document, {runOnly: rules})", RULES)
    return [f"{one['id']}: {one['help']}: {node['html'][:200]}" for one in found["violations"] for node in one["nodes"]]


@pytest.mark.parametrize("look", ["light", "dark"])
def test_every_page_passes_axe(office: Office, axe: str, look: str) -> None:
    paths = fill(office)
    stranger = office.browser(color_scheme=look)
    assert judge(stranger.go("/sign-in"), axe) == []
    visitor = office.visitor(color_scheme=look)
    for name, path in paths.items():
        page = visitor.go(path)
        page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")
        assert judge(page, axe) == [], name
    page = visitor.go(paths["edit"])
    page.get_by_label("Version").fill("nonsense")
    page.get_by_role("button", name="Save a new version").click()
    assert judge(page, axe) == [], "the form with a mistake"
    allowed = ("404", "422")  # the two pages that are errors on purpose
    assert [text for text in visitor.complaints if not any(status in text for status in allowed)] == []


def test_two_versions_side_by_side_pass_axe(office: Office, axe: str) -> None:
    path = fill(office)["edit"]
    one = office.visitor()
    two = office.browser(storage_state=one.page.context.storage_state())
    one.go(path)
    two.go(path)
    for visitor, name in ((one, "first"), (two, "second")):
        visitor.page.get_by_label("Display name").fill(name)
        visitor.page.get_by_role("button", name="Save a new version").click()
    expect(two.page.get_by_role("heading", name="Two versions")).to_be_visible()
    assert judge(two.page, axe) == []


def test_the_sign_in_by_name_passes_axe(make_office: Callable[..., Office], axe: str) -> None:
    office = make_office(ana="owner")
    page = office.browser().go("/sign-in")
    assert judge(page, axe) == []
    page.get_by_label("Your name").fill("ana@example.com")
    page.get_by_label("Your token").fill("wrong")
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("alert")).to_contain_text("do not match")
    assert judge(page, axe) == []


@pytest.mark.parametrize("width", [320, 768])
def test_no_page_scrolls_sideways_on_a_narrow_screen(office: Office, width: int) -> None:
    paths = fill(office)
    visitor = office.visitor(viewport={"width": width, "height": 640})
    for name, path in paths.items():
        page = visitor.go(path)
        spills = page.evaluate(SPILLS)
        assert spills == [], name


def test_the_main_way_works_by_keyboard_alone(office: Office) -> None:
    visitor = office.visitor()
    page = visitor.go("/")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.locator("#main")).to_be_focused()
    page.keyboard.press("/")
    expect(page.get_by_label("Find by id, name or scope")).to_be_focused()
    page.keyboard.type("slack")
    page.keyboard.press("Enter")
    expect(page.get_by_text("1 connector found")).to_be_visible()
    page.get_by_role("link", name="draft in definition").focus()
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Edit", exact=True).focus()
    page.keyboard.press("Enter")
    page.get_by_label("Version").fill("1.0.1")
    page.keyboard.press("Enter")  # saves, though "More rows" stands before the save button
    expect(page.get_by_role("status").first).to_contain_text("Saved as version 2")
    focus = [page.evaluate("getComputedStyle(document.activeElement).outlineStyle")]
    page.keyboard.press("Tab")
    focus.append(page.evaluate("getComputedStyle(document.activeElement).outlineStyle"))
    assert "solid" in focus


def test_unsaved_edits_are_not_left_without_a_word(office: Office) -> None:
    visitor = office.visitor()
    page = visitor.go(fill(office)["edit"])
    asked: list[str] = []

    def stay(dialog: Dialog) -> None:
        asked.append(dialog.type)
        dialog.dismiss()

    page.on("dialog", stay)
    page.get_by_label("Version").fill("9.9.9")
    page.get_by_role("link", name="Leave without saving").click(no_wait_after=True)
    page.wait_for_timeout(300)
    assert asked == ["beforeunload"]
    assert page.url.endswith("/edit")


def test_a_double_click_publishes_once(office: Office) -> None:
    ws = office.open()
    with ws.store:
        stored = ws.catalogue().newest_open("slack")
        assert stored is not None
        verify_drafts(ws, [stored.draft.id])
        head = ws.store.head()
    page = office.visitor().go(f"/publish?draft={stored.draft.id}")
    page.get_by_role("button", name="Publish now").dblclick()
    expect(page.get_by_role("heading", name="Published: slack")).to_be_visible()
    ws = office.open()
    with ws.store:
        assert ws.store.head() == head + 1


def test_an_injected_script_is_stopped_by_the_content_policy(office: Office) -> None:
    visitor: Visitor = office.visitor()
    page = visitor.go("/")
    page.evaluate(INJECT)
    page.wait_for_timeout(200)
    assert page.title() != "hacked"
    assert any("Content Security Policy" in text for text in visitor.complaints)


def test_another_site_can_neither_frame_the_page_nor_send_its_forms(office: Office) -> None:
    visitor = office.visitor()
    ws = office.open()
    with ws.store:
        draft = ws.catalogue().lines("open")[0].id
        head = ws.store.head()
    page = visitor.page
    frame = f'<iframe name=inside src="{office.url}/"></iframe>'
    form = f'<form id=f method=post action="{office.url}/drafts/{draft}/discard"><input name=reason value=evil></form>'
    page.route("http://evil.example/**", lambda route: route.fulfill(content_type="text/html", body=frame + form))
    page.goto("http://evil.example/")
    page.wait_for_timeout(300)
    framed = page.frame("inside")
    assert framed is None or "Connectors" not in framed.content()
    page.evaluate("document.getElementById('f').submit()")
    page.wait_for_url(f"{office.url}/**")
    assert "Connectors" not in page.title()
    ws = office.open()
    with ws.store:
        assert ws.store.head() == head
