"""The pages' journeys without a browser: what each shows, and what its forms do to the store."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import pytest

from sheetsync.domain.draft import Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.services.drafts import discard_draft, edit_draft, new_draft, save_new, show_draft
from sheetsync.services.health import record_run
from sheetsync.services.publishing import publish_drafts, verify_drafts

if TYPE_CHECKING:
    import httpx2

    from tests.web.conftest import Bench, Browser

EXTERNAL = FirearmBinding(firearm_id="firearm.external_write", strategy_lock=True)
DECIDED: dict[str, Any] = {
    "firearms": {"admin_write": EXTERNAL, "read_public": FirearmBinding(firearm_id=None)},
    "kpis": {"spend": {"impact_type": "cost", "formula": "usage.cost * 1.0", "target": 5, "unit": "EUR"}},
}
INPUT = re.compile(r"<(input|textarea|select|option)\b([^>]*)>([^<]*)")
ATTRIBUTE = re.compile(r'([a-z-]+)(?:="([^"]*)")?')


def form_fields(page: str) -> dict[str, str]:
    """The fields of the draft form as a browser would send them."""
    fields: dict[str, str] = {}
    select = ""
    for tag, raw, text in INPUT.findall(page):
        attributes = dict(ATTRIBUTE.findall(raw))
        name = attributes.get("name", "")
        if tag == "select":
            select = name
        elif tag == "option":
            if "selected" in attributes or select not in fields:
                fields[select] = attributes["value"] if "value" in attributes else text.strip()
        elif tag == "textarea":
            fields[name] = text
        elif attributes.get("type") in ("checkbox", "radio"):
            if "checked" in attributes:
                fields[name] = attributes.get("value") or "on"
        elif name and name not in ("csrf", "q"):
            fields[name] = attributes.get("value", "")
    return {name: html.unescape(value) for name, value in fields.items()}


def edit(browser: Browser, draft: str, **changes: str) -> httpx2.Response:
    fields = form_fields(browser.get(f"/drafts/{draft}/edit").text)
    return browser.post(
        f"/drafts/{draft}/edit", {**fields, **{name.replace("__", "."): v for name, v in changes.items()}}
    )


def pulled(bench: Bench, policy: PolicySnapshot, *conflicts: Conflict) -> WorkbenchDraft:
    """A draft from the sheet, as pull makes it."""
    ws = bench.workspace.acting("cron")
    catalogue = ws.catalogue()
    published = catalogue.published("github")
    assert published is not None
    edits = (SheetEdit(tab="Policy Matrix", cell="C2", row_key=("github", "admin_write"), column="firearm_id",
                       base="firearm.external_write", value="NONE"),)  # fmt: skip
    draft = WorkbenchDraft(
        id=new_draft_id(), connector_id="github", stage="policy", spec_snapshot=published.spec, policy_snapshot=policy,
        origin=SheetOrigin(spreadsheet_id="sheet-1", edits=edits, pulled_at=ws.clock.now()), conflicts=conflicts,
        base=catalogue.base_of("github"), created_by="cron", created_at=ws.clock.now(),
    )  # fmt: skip
    save_new(ws, catalogue, draft, why="pull")
    return draft


class TestConnectors:
    def test_a_card_has_the_contract_s_six_fields_in_their_order(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        card = bench.browser().get("/").text.partition("<article")[2].partition("</article>")[0]
        assert re.findall(r"<dt>(.*?)</dt>", card) == ["Name/ID", "Version", "Scopes", "Firearms", "KPIs", "Validation"]
        for shown in ("github", "1.2.0", "firearm.external_write", "NONE", "1 locked", "spend", "passed"):
            assert shown in card

    def test_search_finds_ids_names_and_scopes(self, bench: Bench) -> None:
        bench.publish()
        browser = bench.browser()
        for words in ("git", "GITHUB", "admin_w", "github admin"):
            assert "1 connector found" in browser.get(f"/?q={words}").text
        assert "No connector fits" in browser.get("/?q=nothing").text

    def test_filters_and_their_counts(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        new_draft(bench.workspace, "undecided", {"scopes": [{"name": "a"}]})
        browser = bench.browser()
        assert "1 connector found" in browser.get("/?only=undecided").text
        assert "No connector fits" in browser.get("/?only=loosening").text
        draft = new_draft(bench.workspace, "github").draft
        edit_draft(bench.workspace, draft.id, firearms={"admin_write": FirearmBinding(firearm_id=None)})
        page = browser.get("/?only=loosening").text
        assert "loosening pending" in page
        assert "1 connector found" in page
        record_run(bench.workspace, report={"ok": True, "problems": [{"row_key": ["github", "x"], "message": "bad"}]})
        assert "1 connector found" in browser.get("/?only=problems").text
        assert "1 connector found" in browser.get("/?only=problems&only=loosening&only=bogus").text

    def test_many_connectors_come_in_pages_or_all_at_once(self, bench: Bench) -> None:
        for number in range(61):
            new_draft(bench.workspace, f"c{number:03}", {"scopes": []})
        browser = bench.browser()
        assert browser.get("/").text.count("<article") == 60
        assert browser.get("/?page=2").text.count("<article") == 1
        assert browser.get("/?page=0").text.count("<article") == 61
        assert browser.get("/?page=99").text.count("<article") == 1
        assert browser.get("/?page=nonsense").text.count("<article") == 60

    def test_coverage_is_a_picture_and_a_table(self, bench: Bench) -> None:
        bench.publish(firearms={"admin_write": EXTERNAL})
        page = bench.browser().get("/").text
        assert "1 of 2 wrapped" in page
        assert 'role="img"' in page
        assert '<td class="number">50%</td>' in page

    def test_a_card_follows_a_change_at_once(self, bench: Bench) -> None:
        bench.publish()
        browser = bench.browser()
        assert "2 undecided" in browser.get("/").text
        draft = new_draft(bench.workspace, "github").draft
        edit_draft(bench.workspace, draft.id, firearms={"admin_write": EXTERNAL})
        verify_drafts(bench.workspace, [draft.id])
        publish_drafts(bench.workspace.acting("rob"), [draft.id])
        assert "1 undecided" in browser.get("/").text

    def test_a_new_connector_starts_as_a_draft(self, bench: Bench) -> None:
        browser = bench.browser()
        made = browser.post(
            "/new", {"id": "my-crm", "name": "CRM", "scopes": "core.read\n\ncore.write", "engine_routes": "/c/*"}
        )
        assert made.headers["location"].endswith("/edit")
        assert "core.write" in browser.follow(made)
        assert browser.post("/new", {"id": "my-crm"}).status_code == 409
        wrong = browser.post("/new", {"id": "No Such", "name": "kept"})
        assert wrong.status_code == 422
        assert 'value="kept"' in wrong.text

    def test_an_earlier_state_is_restored_as_a_draft(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        browser = bench.browser()
        draft = new_draft(bench.workspace, "github").draft
        edit_draft(bench.workspace, draft.id, undecide=["admin_write"])
        verify_drafts(bench.workspace, [draft.id])
        publish_drafts(bench.workspace, [draft.id])
        page = browser.get("/connectors/github").text
        at = re.findall(r'name="at" value="([^"]+)"', page)
        assert len(at) == 1
        restored = browser.post("/connectors/github/restore", {"at": at[0]})
        shown = browser.follow(restored)
        assert "made here (restored)" in shown
        assert "looser" in shown
        live = bench.workspace.catalogue().published("github")
        assert live is not None
        assert "admin_write" not in live.firearms.firearms

    def test_retiring_makes_a_draft_that_says_so(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        browser = bench.browser()
        page = browser.follow(browser.post("/connectors/github/retire"))
        assert "This draft retires the connector" in page
        draft = re.findall(r"draft_[0-9a-f]{12}", page)[0]
        looked = browser.get(f"/publish?draft={draft}").text
        seen = re.findall(rf'name="seen.{draft}" value="([^"]+)"', looked)[0]
        done = browser.post("/publish", {"draft": draft, f"seen.{draft}": seen})
        assert "Published: github" in browser.follow(done)
        assert "retired" in browser.get("/connectors/github").text


class TestEditing:
    def test_a_form_sent_back_unchanged_saves_nothing(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        head = bench.workspace.store.head()
        browser = bench.browser()
        assert "nothing was saved" in browser.follow(edit(browser, draft.id))
        assert bench.workspace.store.head() == head

    def test_everything_on_the_form_is_saved_as_a_new_version(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        browser = bench.browser()
        saved = edit(
            browser, draft.id, version="1.3.0", name="GitHub Cloud", description="New",
            engine_routes="/chat/*\n/files/*",
            scope__0__firearm="firearm.money", scope__1__drop="on", scope__0__title="Rule",
            scope__2__name="issues.write", scope__2__firearm="NONE", scope__2__title="Issues",
            kpi__0__formula="usage.cost * 2", kpi__0__target="", kpi__1__name="calls", kpi__1__impact="count",
            kpi__1__formula="usage.count", kpi__1__target="7.5", kpi__1__unit="calls",
        )  # fmt: skip
        assert "version 2 of this draft" in browser.follow(saved)
        now = show_draft(bench.workspace, draft.id).draft
        spec, policy = now.spec_snapshot, now.policy_snapshot
        assert (spec.version, spec.name, spec.engine_routes) == ("1.3.0", "GitHub Cloud", ("/chat/*", "/files/*"))
        assert [(scope.name, scope.title) for scope in spec.scopes] == [
            ("admin_write", "Rule"),
            ("issues.write", "Issues"),
        ]
        assert policy.firearms["admin_write"] == FirearmBinding(firearm_id="firearm.money", strategy_lock=True)
        assert policy.firearms["issues.write"] == FirearmBinding(firearm_id=None)
        assert policy.kpis["calls"].target == 7.5
        assert (policy.kpis["spend"].formula, policy.kpis["spend"].target) == ("usage.cost * 2", None)

    @pytest.mark.parametrize(
        ("changes", "says"),
        [
            ({"version": "one"}, "not a version"),
            ({"version": "1.1.0"}, "does not rise"),
            ({"scope__0__firearm": "firearm.extrnal_write"}, "did you mean firearm.external_write?"),
            ({"scope__1__lock": "on"}, "a lock with NONE locks nothing"),
            ({"scope__1__firearm": "", "scope__1__lock": "on"}, "a lock needs a firearm"),
            ({"scope__2__name": "no spaces please"}, "is not a scope"),
            ({"scope__2__name": "admin_write"}, "is there already"),
            ({"kpi__0__formula": "usage.costs"}, "usage.costs is unknown"),
            ({"kpi__0__formula": "__import__('os')"}, "only the functions"),
            ({"kpi__0__target": "many"}, "is not a number"),
            ({"kpi__0__target": "nan"}, "is not a number"),
            ({"kpi__1__name": "Bad Name", "kpi__1__formula": "1"}, "is not a KPI name"),
        ],
    )
    def test_a_mistake_is_told_at_its_field_and_nothing_is_saved(
        self, bench: Bench, changes: dict[str, str], says: str
    ) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        head = bench.workspace.store.head()
        page = edit(bench.browser(), draft.id, **{**changes, "description": "typed and kept"})
        assert page.status_code == 422
        assert says in html.unescape(page.text)
        assert 'aria-invalid="true"' in page.text
        assert "typed and kept" in page.text
        assert bench.workspace.store.head() == head

    def test_more_rows_keep_what_was_typed(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        page = edit(bench.browser(), draft.id, more="kpi", kpi__0__formula="usage.cos", version="x")
        assert page.status_code == 200
        assert 'value="usage.cos"' in page.text
        assert 'name="kpi.3.name"' in page.text

    def test_the_check_while_typing_says_what_saving_would(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        browser = bench.browser()
        fields = form_fields(browser.get(f"/drafts/{draft.id}/edit").text)
        head = bench.workspace.store.head()
        said = browser.post(
            f"/drafts/{draft.id}/check", {**fields, "scope.0.firearm": "NONE", "scope.0.lock": "on"}
        ).json()
        assert list(said["errors"]) == ["scope.0.lock"]
        del fields["scope.0.lock"]
        said = browser.post(f"/drafts/{draft.id}/check", {**fields, "scope.0.firearm": "NONE"}).json()
        assert said["errors"] == {}
        assert "looser" in said["preview"]
        assert bench.workspace.store.head() == head

    def test_a_closed_draft_is_not_edited(self, bench: Bench) -> None:
        draft = bench.publish()
        assert bench.browser().get(f"/drafts/{draft}/edit").headers["location"] == f"/drafts/{draft}"


class TestTwoPeople:
    """Two people save the same draft: the second sees both versions, and nothing is lost."""

    def start(self, bench: Bench) -> tuple[str, Browser, Browser, dict[str, str]]:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        ana, rob = bench.browser("ana"), bench.browser("rob")
        return draft.id, ana, rob, form_fields(rob.get(f"/drafts/{draft.id}/edit").text)

    def test_both_are_kept_where_they_changed_different_fields(self, bench: Bench) -> None:
        draft, ana, rob, fields = self.start(bench)
        edit(ana, draft, scope__1__firearm="firearm.money")
        page = rob.post(f"/drafts/{draft}/edit", {**fields, "kpi.0.formula": "usage.cost * 3"})
        assert page.status_code == 409
        assert "ana saved this draft while you edited it" in page.text
        merged = rob.post(f"/drafts/{draft}/merge", form_fields(page.text))
        assert merged.status_code == 303, merged.text
        policy = show_draft(bench.workspace, draft).draft.policy_snapshot
        assert policy.firearms["read_public"].firearm_id == "firearm.money"
        assert policy.kpis["spend"].formula == "usage.cost * 3"

    @pytest.mark.parametrize(("side", "wins"), [("yours", None), ("theirs", "firearm.money")])
    def test_where_both_changed_a_field_a_person_decides(self, bench: Bench, side: str, wins: str | None) -> None:
        draft, ana, rob, fields = self.start(bench)
        edit(ana, draft, scope__0__firearm="firearm.money")
        without_lock = {name: value for name, value in fields.items() if name != "scope.0.lock"}
        page = rob.post(f"/drafts/{draft}/edit", {**without_lock, "scope.0.firearm": "NONE"})
        assert "both changed it" in page.text
        undecided = rob.post(f"/drafts/{draft}/merge", form_fields(page.text))
        assert undecided.status_code == 422
        assert "Choose a side" in undecided.text
        decided = {**form_fields(undecided.text), "pick.firearm.admin_write": side}
        assert rob.post(f"/drafts/{draft}/merge", decided).status_code == 303
        binding = show_draft(bench.workspace, draft).draft.policy_snapshot.firearms["admin_write"]
        assert binding.firearm_id == wins

    def test_a_third_save_in_between_is_seen_too(self, bench: Bench) -> None:
        draft, ana, rob, fields = self.start(bench)
        edit(ana, draft, scope__1__firearm="firearm.money")
        page = rob.post(f"/drafts/{draft}/edit", {**fields, "version": "1.4.0"})
        edit(ana, draft, description="third")
        again = rob.post(f"/drafts/{draft}/merge", form_fields(page.text))
        assert again.status_code == 409
        assert "third" in again.text
        assert rob.post(f"/drafts/{draft}/merge", form_fields(again.text)).status_code == 303
        spec = show_draft(bench.workspace, draft).draft.spec_snapshot
        assert (spec.description, spec.version) == ("third", "1.4.0")

    def test_what_was_typed_survives_that_the_draft_was_closed(self, bench: Bench) -> None:
        draft, _ana, rob, fields = self.start(bench)
        discard_draft(bench.workspace, draft, "no longer needed")
        page = rob.post(f"/drafts/{draft}/edit", {**fields, "description": "my long text"})
        assert page.status_code == 409
        assert "my long text" in page.text
        assert "closed (discarded)" in page.text


class TestDrafts:
    def test_all_drafts_stand_under_their_stage(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        browser = bench.browser()
        browser.post(f"/drafts/{draft.id}/advance", {"stage": "scoping"})
        page = browser.get("/drafts").text
        assert draft.id in page.partition('id="stage-scoping"')[2].partition("</section>")[0]
        assert "Closed drafts" in page

    def test_a_sheet_draft_shows_cells_times_and_conflicts(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        conflict = Conflict(tab="Policy Matrix", row_key=("github", "admin_write"), column="firearm_id",
                            base="firearm.external_write", yours="NONE", theirs="firearm.money")  # fmt: skip
        policy = PolicySnapshot(firearms={"admin_write": FirearmBinding(firearm_id=None)})
        draft = pulled(bench, policy, conflict)
        record_run(bench.workspace, report={"ok": True}, spreadsheet_id="sheet-1",
                   url="https://docs.example/d/sheet-1/edit", tab_ids={"Policy Matrix": 42})  # fmt: skip
        browser = bench.browser()
        page = browser.get(f"/drafts/{draft.id}").text
        assert 'href="https://docs.example/d/sheet-1/edit#gid=42&amp;range=C2"' in page
        assert "Policy Matrix!C2" in page
        assert "Take yours" in page
        assert "pulled" in page
        fields = form_fields(page.partition('class="conflict"')[2].partition("</form>")[0])
        done = browser.post(f"/drafts/{draft.id}/resolve", {**fields, "side": "theirs"})
        assert "What is published stays" in browser.follow(done)
        assert not show_draft(bench.workspace, draft.id).draft.open_conflicts()
        assert browser.post(f"/drafts/{draft.id}/resolve", {**fields, "side": "theirs"}).status_code == 409

    @pytest.mark.parametrize(
        "fields", [{}, {"side": "both"}, {"side": "yours", "row_key": "{"}, {"side": "yours", "row_key": "[1]"}]
    )
    def test_an_odd_decision_is_refused(self, bench: Bench, fields: dict[str, str]) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": []}).draft
        assert bench.browser().post(f"/drafts/{draft.id}/resolve", fields).status_code == 422

    def test_discarding_needs_a_reason(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": []}).draft
        browser = bench.browser()
        assert browser.post(f"/drafts/{draft.id}/discard", {"reason": "  "}).status_code == 422
        assert "is discarded" in browser.follow(browser.post(f"/drafts/{draft.id}/discard", {"reason": "not ours"}))
        assert show_draft(bench.workspace, draft.id).draft.closed_reason == "not ours"

    def test_an_earlier_version_comes_back_as_a_new_draft(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        edit_draft(bench.workspace, draft.id, firearms={"a": EXTERNAL})
        browser = bench.browser()
        at = re.findall(r'name="at" value="([^"]+)"', browser.get(f"/drafts/{draft.id}").text)
        assert "holds the earlier version" in browser.follow(browser.post(f"/drafts/{draft.id}/restore", {"at": at[0]}))
        newest = bench.workspace.catalogue().newest_open("crm")
        assert newest is not None
        assert newest.draft.id != draft.id
        assert newest.draft.policy_snapshot == PolicySnapshot()

    def test_the_gate_table_shows_before_and_after(self, bench: Bench) -> None:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace, "github").draft
        edit_draft(bench.workspace, draft.id, firearms={"admin_write": FirearmBinding(firearm_id=None)})
        page = bench.browser().get(f"/drafts/{draft.id}").text
        assert page.count('class="gate allowed differs"') == 3
        assert "1 scope stays as it is" in page

    def test_verify_tells_its_mistakes(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        edit_draft(bench.workspace, draft.id, kpis={"k": {"impact_type": "cost", "formula": "usage.nothing"}})
        browser = bench.browser()
        page = browser.follow(browser.post(f"/drafts/{draft.id}/verify"))
        assert "The sandbox found mistakes" in page
        assert "usage.nothing is unknown" in page
        edit_draft(bench.workspace, draft.id, kpis={"k": None})
        assert "out of date" in browser.get(f"/drafts/{draft.id}").text


def publish(browser: Browser, *drafts: str, **fields: str) -> httpx2.Response:
    """Look at the publish page, then press its button."""
    page = browser.get("/publish?" + "&".join(f"draft={draft}" for draft in drafts)).text
    seen = dict(re.findall(r'name="(seen\.draft_[0-9a-f]+)" value="([^"]+)"', page))
    return browser.post("/publish", {"draft": list(drafts), **seen, **fields})


class TestPublishing:
    def looser(self, bench: Bench, *, user: str = "ana") -> str:
        bench.publish(**DECIDED)
        draft = new_draft(bench.workspace.acting(user), "github").draft
        edit_draft(bench.workspace.acting(user), draft.id, firearms={"admin_write": FirearmBinding(firearm_id=None)})
        verify_drafts(bench.workspace, [draft.id])
        return draft.id

    def test_the_page_after_it_says_what_was_written(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        browser = bench.browser()
        browser.post(f"/drafts/{draft.id}/verify")
        done = publish(browser, draft.id)
        assert done.headers["location"] == f"/commits/{bench.workspace.store.head()}"
        page = browser.follow(done)
        for folder in ("components/crm/", "firearms/crm/", "kpis/crm/", "workbench_drafts/"):
            assert folder in page
        assert "ana" in page

    def test_several_are_one_commit(self, bench: Bench) -> None:
        ids = [new_draft(bench.workspace, f"crm{n}", {"scopes": [{"name": "a"}]}).draft.id for n in range(3)]
        browser = bench.browser()
        assert browser.post("/drafts/verify", {"draft": ids}).headers["location"] == "/drafts"
        head = bench.workspace.store.head()
        assert publish(browser, *ids).status_code == 303
        assert bench.workspace.store.head() == head + 1

    def test_a_loosening_is_refused_to_its_author_and_published_by_another(self, bench: Bench) -> None:
        draft = self.looser(bench)
        ana, rob = bench.browser("ana"), bench.browser("rob")
        assert "You wrote this loosening" in ana.get(f"/drafts/{draft}").text
        assert "disabled" in ana.get(f"/publish?draft={draft}").text
        refused = publish(ana, draft, loosening_seen="on")
        assert refused.status_code == 403
        assert "wrote it" in refused.text
        assert publish(rob, draft, loosening_seen="on").status_code == 303

    def test_a_loosening_is_published_only_by_who_says_to_have_seen_it(self, bench: Bench) -> None:
        draft = self.looser(bench)
        rob = bench.browser("rob")
        assert "I have seen that 1 change loosens what is live" in rob.get(f"/publish?draft={draft}").text
        assert publish(rob, draft).status_code == 422

    def test_what_was_not_looked_at_is_not_published(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        rob = bench.browser("rob")
        page = rob.get(f"/publish?draft={draft.id}").text
        seen = dict(re.findall(r'name="(seen\.[^"]+)" value="([^"]+)"', page))
        edit_draft(bench.workspace, draft.id, firearms={"a": EXTERNAL})
        verify_drafts(bench.workspace, [draft.id])
        assert rob.post("/publish", {"draft": draft.id, **seen}).status_code == 409

    def test_obstacles_are_told_before_the_button(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "crm", {"scopes": [{"name": "a"}]}).draft
        page = bench.browser().get(f"/publish?draft={draft.id}").text
        assert "It is not verified yet." in page
        assert publish(bench.browser(), draft.id).status_code == 409

    def test_publishing_twice_says_so(self, bench: Bench) -> None:
        draft = bench.publish()
        browser = bench.browser()
        assert "Published already" in browser.follow(publish(browser, draft))

    def test_nothing_ticked_is_said(self, bench: Bench) -> None:
        assert bench.browser().post("/publish").status_code == 422
        assert bench.browser().get("/publish").status_code == 422
        assert bench.browser().post("/drafts/verify").status_code == 422

    def test_unattended_edits_need_an_approval_and_another_publisher(self, bench: Bench) -> None:
        from dataclasses import replace

        from sheetsync.services.workspace import Rules
        from sheetsync.web.live import LiveWorkspace

        rules = Rules(unattended_users=frozenset({"cron"}))
        live = LiveWorkspace(replace(bench.workspace, rules=rules), None, lambda _: None)
        object.__setattr__(bench.site, "live", live)
        bench.publish(**DECIDED)
        policy = PolicySnapshot(firearms={"admin_write": FirearmBinding(firearm_id=None)})
        draft = pulled(bench, policy)
        ana, rob = bench.browser("ana"), bench.browser("rob")
        page = ana.follow(ana.post(f"/drafts/{draft.id}/verify"))
        assert "one person approves it, another publishes" in page
        assert "Approve this content" in page
        expected = re.findall(r'name="expected" value="([^"]+)"', page)[-1]
        assert publish(rob, draft.id, loosening_seen="on").status_code == 403
        assert ana.post(f"/drafts/{draft.id}/approve", {"expected": expected}).status_code == 303
        assert publish(ana, draft.id, loosening_seen="on").status_code == 403
        assert publish(rob, draft.id, loosening_seen="on").status_code == 303


class TestHealth:
    def test_never_synced_is_said(self, bench: Bench) -> None:
        assert "never" in bench.browser().get("/health").text

    def test_the_last_run_its_calls_and_its_cells(self, bench: Bench) -> None:
        problem = {"code": "unknown_firearm", "tab": "Policy Matrix", "cell": "C7", "row_key": ["github", "x"],
                   "message": "unknown firearm 'firearm.y'", "hint": "choose one"}  # fmt: skip
        record_run(
            bench.workspace, report={"ok": True, "calls": {"read": 1, "write": 1}, "problems": [problem]}, exit_code=3,
            url="http://127.0.0.1:8700/spreadsheets/d/s/edit", spreadsheet_id="s", tab_ids={"Policy Matrix": 5},
        )  # fmt: skip
        page = bench.browser().get("/health").text
        assert 'href="http://127.0.0.1:8700/spreadsheets/d/s/edit#gid=5&amp;range=C7"' in page
        assert "1 read, 1 write" in page

    def test_who_holds_a_lock_is_told(self, bench: Bench) -> None:
        with bench.workspace.store.lease("sync", who="cron"):
            assert "<b>sync</b>: cron on" in bench.browser().get("/health").text
        assert "Nobody holds a lock" in bench.browser().get("/health").text


def test_an_empty_workbench_says_what_to_do_first(bench: Bench) -> None:
    browser = bench.browser()
    assert "There are no connectors yet" in browser.get("/").text
    assert "0 open drafts" in browser.get("/drafts").text
    assert browser.get("/health").status_code == 200


def test_a_connector_of_a_thousand_scopes_is_shown_edited_and_saved(bench: Bench) -> None:
    scopes = [{"name": f"core.scope{number}"} for number in range(1000)]
    draft = new_draft(bench.workspace, "large", {"scopes": scopes}).draft
    browser = bench.browser()
    saved = edit(browser, draft.id, scope__999__firearm="firearm.money")
    assert saved.status_code == 303, saved.text[:500]
    assert browser.get(f"/drafts/{draft.id}").text.count("<tbody") >= 1000
    assert list(show_draft(bench.workspace, draft.id).draft.policy_snapshot.firearms) == ["core.scope999"]
