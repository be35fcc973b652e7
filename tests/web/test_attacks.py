"""What somebody hostile can try: every route is enumerated from the router, so that a new one cannot be forgotten."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from starlette.routing import Route

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.kpi import KpiBinding
from sheetsync.services.drafts import discard_draft, edit_draft, new_draft
from sheetsync.services.health import record_run
from sheetsync.store import Store
from sheetsync.web.app import create_app
from sheetsync.web.guard import HEADERS
from sheetsync.web.people import MAY, ROLES, Role
from sheetsync.web.routes import PAGES
from sheetsync.web.visit import Page

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.web.conftest import Bench, Browser

PUBLIC = {("GET", "/static/{name}"), ("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-in/link")}
CLOSED = [page for page in PAGES if page.needs is not None]
POSTS = [page for page in PAGES if page.method == "POST"]
EVIL = "<script>alert(1)</script>{{7*191}}{% raw %}${7*191}\"'><img src=x onerror=alert(1)>"


def name_of(page: Page) -> str:
    return f"{page.method} {page.path}"


def path_of(page: Page, draft: str = "draft_0123456789ab") -> str:
    return page.path.format(draft=draft, connector="github", commit="1", name="workbench.css")


def test_the_router_has_the_table_s_routes_and_no_others(bench: Bench) -> None:
    app: Any = create_app(bench.site)
    routes = [route for route in app._app.routes if isinstance(route, Route)]
    assert len(routes) == len(app._app.routes)
    served = {(method, route.path) for route in routes for method in route.methods or () if method != "HEAD"}
    assert served == {(page.method, page.path) for page in PAGES}
    assert {(page.method, page.path) for page in PAGES if page.needs is None} == PUBLIC


@pytest.mark.parametrize("page", CLOSED, ids=name_of)
def test_a_stranger_gets_nowhere(bench: Bench, page: Page) -> None:
    bench.publish()
    head = bench.workspace.store.head()
    stranger = bench.stranger()
    if page.method == "GET":
        response = stranger.get(path_of(page))
        assert response.status_code == 303
        assert response.headers["location"].startswith("/sign-in?next=")
        assert response.text == ""
    else:
        response = stranger.post(path_of(page), {"draft": "draft_0123456789ab"})
        assert response.status_code == 401
    assert "github" not in response.text.lower()
    assert bench.workspace.store.head() == head


@pytest.mark.parametrize("page", CLOSED, ids=name_of)
@pytest.mark.parametrize("role", ROLES)
def test_a_role_opens_only_its_own_routes(bench: Bench, page: Page, role: Role) -> None:
    browser = bench.browser("rob", role)
    path = path_of(page)
    response = browser.get(path) if page.method == "GET" else browser.post(path)
    refused = response.status_code == 403 and "do not allow this" in response.text
    assert refused == (page.needs not in MAY[role])


@pytest.mark.parametrize("page", POSTS, ids=name_of)
class TestForgedForms:
    """Cross-site request forgery, against everything that changes something."""

    def check(
        self,
        bench: Bench,
        page: Page,
        status: int = 403,
        *,
        csrf: str | None = None,
        header: tuple[str, str] = ("X", ""),
    ) -> None:
        bench.publish()
        head = bench.workspace.store.head()
        browser = bench.browser()
        form = {"csrf": browser.csrf if csrf is None else csrf}
        response = browser.client.post(path_of(page), data=form, headers=dict([header]), follow_redirects=False)
        assert response.status_code == status
        assert bench.workspace.store.head() == head

    def test_without_a_token(self, bench: Bench, page: Page) -> None:
        self.check(bench, page, csrf="")

    def test_with_the_token_of_another_session(self, bench: Bench, page: Page) -> None:
        self.check(bench, page, csrf=bench.browser("mallory").csrf)

    def test_with_an_odd_token(self, bench: Bench, page: Page) -> None:
        self.check(bench, page, csrf="\x00é\ufffd")

    @pytest.mark.parametrize(
        "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "http://127.0.0.1:8642.evil"]
    )
    def test_from_another_origin(self, bench: Bench, page: Page, origin: str) -> None:
        self.check(bench, page, header=("Origin", origin))

    @pytest.mark.parametrize("site", ["cross-site", "same-site"])
    def test_from_another_site(self, bench: Bench, page: Page, site: str) -> None:
        self.check(bench, page, header=("Sec-Fetch-Site", site))

    @pytest.mark.parametrize("kind", ["text/plain", "multipart/form-data; boundary=x", "application/json", ""])
    def test_as_another_kind_of_form(self, bench: Bench, page: Page, kind: str) -> None:
        self.check(bench, page, 415, header=("Content-Type", kind))


@pytest.mark.parametrize("page", PAGES, ids=name_of)
@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8642", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8642.evil.example", "[::1]:8642", ""],
)
def test_a_host_that_is_not_ours_is_refused_before_anything_else(bench: Bench, page: Page, host: str) -> None:
    bench.publish()
    head = bench.workspace.store.head()
    browser = bench.browser()
    path = path_of(page)
    response = browser.get(path, Host=host) if page.method == "GET" else browser.post(path, Host=host)
    assert response.status_code == 421
    assert "set-cookie" not in response.headers
    assert bench.workspace.store.head() == head


def test_localhost_is_ours(bench: Bench) -> None:
    assert bench.stranger().get("/sign-in", Host="LOCALHOST:8642").status_code == 200


@pytest.mark.parametrize(
    "path", ["/sign-in", "/", "/nowhere", "/static/nothing.js", "/drafts/draft_0123456789ab", "/commits/x"]
)
def test_every_answer_has_the_security_headers(bench: Bench, path: str) -> None:
    for browser in (bench.stranger(), bench.browser()):
        response = browser.get(path)
        for name, value in HEADERS.items():
            assert response.headers[name] == value
        assert response.headers["cache-control"] == "no-store"
        assert "unsafe" not in response.headers["content-security-policy"]


def test_a_defect_tells_nothing(bench: Bench) -> None:
    bench.workspace.store.close()
    browser = bench.browser()
    browser.client._transport.raise_server_exceptions = False  # type: ignore[attr-defined]
    response = browser.get("/")
    assert response.status_code >= 500
    assert "Traceback" not in response.text
    assert response.headers["content-security-policy"]


def test_a_form_kept_for_later_is_our_own_and_escaped(bench: Bench) -> None:
    """Only a form that this site's own page sent is shown again; another site's is refused and forgotten."""
    stranger = bench.stranger()
    for origin, kept in (("http://127.0.0.1:8642", True), ("http://evil.example", False), ("null", False)):
        page = stranger.client.post("/new", data={"name": EVIL, "csrf": "x"}, headers={"Origin": origin})
        assert page.status_code in (401, 403)
        assert ("Send it again" in page.text) == kept
        assert "<script>alert" not in page.text
        assert 'value="x"' not in page.text


class TestPaths:
    """Ids from the address never reach the disk, and never widen."""

    @pytest.mark.parametrize(
        "name", ["..%2f..%2fpyproject.toml", "%2e%2e", "workbench.css%00", "....//", "workbench.css", "C:%5cwindows"]
    )
    def test_static_names_are_looked_up_never_opened(self, bench: Bench, name: str) -> None:
        assert bench.stranger().get(f"/static/{name}").status_code == 404

    @pytest.mark.parametrize(
        "given",
        ["%2e%2e%2fsecret", "a--b", "UPPER", "con%00", "%7B%7B7*7%7D%7D", "x" * 300, "github%2f..%2fother"],
    )
    def test_connector_ids_are_parsed(self, bench: Bench, given: str) -> None:
        browser = bench.browser()
        assert browser.get(f"/connectors/{given}").status_code == 404
        assert browser.post(f"/connectors/{given}/retire").status_code == 404

    @pytest.mark.parametrize("given", ["draft_", "draft_xyz", "..%2f", "draft_0123456789ab%2f..", "DRAFT_0123456789ab"])
    def test_draft_ids_are_parsed(self, bench: Bench, given: str) -> None:
        assert bench.browser().get(f"/drafts/{given}").status_code == 404

    @pytest.mark.parametrize("given", ["0", "-1", "999", "٣", "1e3", "9" * 40])
    def test_commit_numbers_are_parsed(self, bench: Bench, given: str) -> None:
        bench.publish()
        assert bench.browser().get(f"/commits/{given}").status_code == 404


def test_names_formulas_and_cells_are_shown_never_run(bench: Bench) -> None:
    """Markup and templates in every text a user or an owner can set, on every page that shows it."""
    ws = bench.workspace
    spec = {"name": EVIL, "description": EVIL, "scopes": [{"name": "a", "title": EVIL, "description": EVIL}],
            "engine_routes": [EVIL]}  # fmt: skip
    draft = new_draft(ws, "evil", spec).draft
    kpi = KpiBinding(impact_type="cost", formula=EVIL, unit=EVIL)
    edit_draft(ws, draft.id, kpis={"spend": kpi.to_json()})
    record_run(
        ws, report={"ok": True, "problems": [{"tab": EVIL, "cell": EVIL, "row_key": ["evil", EVIL], "message": EVIL}]},
        url="javascript:alert(1)", spreadsheet_id="s", tab_ids={EVIL: 1},
    )  # fmt: skip
    closed = new_draft(ws, "evil").draft
    discard_draft(ws, closed.id, EVIL)
    browser = bench.browser()
    browser.post(f"/drafts/{draft.id}/verify")
    paths = ["/", f"/?q={EVIL}", "/connectors/evil", "/drafts", f"/drafts/{draft.id}", f"/drafts/{draft.id}/edit",
             f"/publish?draft={draft.id}", "/health", f"/drafts/{closed.id}", "/commits/1"]  # fmt: skip
    for path in paths:
        page = browser.get(path)
        assert page.status_code == 200, path
        assert "<script>alert" not in page.text, path
        assert "<img" not in page.text, path
        assert "1337" not in page.text, path
        assert "javascript:" not in page.text, path
    told = browser.post("/new", {"id": EVIL, "name": EVIL, "scopes": EVIL})
    assert told.status_code == 422
    assert "<script>alert" not in told.text


def test_the_preview_of_the_script_is_escaped(bench: Bench) -> None:
    draft = new_draft(bench.workspace, "evil", {"scopes": [{"name": "a"}]}).draft
    response = bench.browser().post(f"/drafts/{draft.id}/check", {"version": "1.0.0", "name": EVIL, "kpi_count": "1",
        "kpi.0.new": "1", "kpi.0.name": "spend", "kpi.0.impact": "cost", "kpi.0.formula": EVIL})  # fmt: skip
    assert response.headers["content-type"] == "application/json"
    assert "<script>" not in json.loads(response.text)["preview"]


class TestSessions:
    """Fixation, theft of old keys, and time."""

    def signed_in(self, bench: Bench, browser: Browser) -> str:
        link = bench.site.new_link().partition("link=")[2]
        page = browser.get(f"/sign-in?link={link}")
        token = page.text.partition('name="csrf" value="')[2].partition('"')[0]
        response = browser.post("/sign-in", {"link": link}, csrf=token)
        assert response.status_code == 303
        return str(browser.client.cookies[bench.site.cookies.session])

    def test_a_planted_key_is_never_adopted(self, bench: Bench) -> None:
        browser = bench.stranger()
        browser.client.cookies.set(bench.site.cookies.session, "planted", domain="127.0.0.1")
        assert browser.get("/").status_code == 303
        browser.client.cookies.delete(bench.site.cookies.session)
        assert self.signed_in(bench, browser) != "planted"

    def test_each_sign_in_has_its_own_key_and_token(self, bench: Bench) -> None:
        first, second = bench.stranger(), bench.stranger()
        keys = {self.signed_in(bench, first), self.signed_in(bench, second)}
        assert len(keys) == 2

    def test_signing_in_again_changes_the_key(self, bench: Bench) -> None:
        browser = bench.stranger()
        before = self.signed_in(bench, browser)
        link = bench.site.new_link().partition("link=")[2]
        token = bench.site.form_seal.token(browser.client.cookies[bench.site.cookies.seal])
        browser.post("/sign-in", {"link": link}, csrf=token)
        assert browser.client.cookies[bench.site.cookies.session] != before

    def test_after_sign_out_the_key_is_worth_nothing(self, bench: Bench) -> None:
        browser = bench.stranger()
        key = self.signed_in(bench, browser)
        session = bench.site.sessions.find(key)
        assert session is not None
        browser.post("/sign-out", csrf=session.csrf)
        thief = bench.stranger()
        thief.client.cookies.set(bench.site.cookies.session, key, domain="127.0.0.1")
        assert thief.get("/").status_code == 303

    def test_cookies_cannot_be_read_by_scripts_or_sent_by_other_sites(self, bench: Bench) -> None:
        browser = bench.stranger()
        link = bench.site.new_link().partition("link=")[2]
        seal = browser.get("/sign-in").headers["set-cookie"].lower()
        token = bench.site.form_seal.token(browser.client.cookies[bench.site.cookies.seal])
        given = browser.post("/sign-in", {"link": link}, csrf=token).headers["set-cookie"].lower()
        for cookie in (seal, given):
            assert "httponly" in cookie
            assert "samesite=lax" in cookie
            assert "domain" not in cookie

    def test_behind_https_cookies_are_bound_to_the_host(self, make: Callable[..., Bench]) -> None:
        bench = make(public_url="https://workbench.example")
        browser = bench.stranger()
        response = browser.get("/sign-in", Host="workbench.example")
        assert response.headers["set-cookie"].startswith("__Host-sheetsync")
        assert "secure" in response.headers["set-cookie"].lower()
        assert response.headers["strict-transport-security"]
        assert browser.get("/sign-in").status_code == 421

    def test_an_idle_session_ends(self, bench: Bench, clock: FakeClock) -> None:
        browser = bench.browser()
        clock.advance(3600)
        assert browser.get("/").status_code == 200
        clock.advance(2 * 3600 + 1)
        assert browser.get("/").status_code == 303

    def test_a_busy_session_ends_too(self, bench: Bench, clock: FakeClock) -> None:
        browser = bench.browser()
        for _ in range(12):
            clock.advance(3601)
            last = browser.get("/").status_code
        assert last == 303


def test_another_tenant_s_records_do_not_exist(store: Store, bench: Bench) -> None:
    """The same ids in another tenant of the same store: none of it can be seen or changed."""
    bench.publish()
    other = store.for_tenant("other")
    from dataclasses import replace

    from sheetsync.domain.context import RequestContext

    theirs = replace(bench.workspace, store=other, ctx=RequestContext(tenant="other", user="olga"))
    draft = new_draft(theirs, "secretive", {"scopes": [{"name": "hidden_scope"}]}).draft
    head = other.head()
    browser = bench.browser()
    assert browser.get(f"/drafts/{draft.id}").status_code == 404
    assert browser.get("/connectors/secretive").status_code == 404
    for page in POSTS:
        if "{draft}" in page.path or page.path in ("/publish", "/drafts/verify"):
            fields = {"draft": draft.id, "reason": "x", "side": "yours", "row_key": "[]", "at": "1"}
            assert browser.post(path_of(page, draft.id), fields).status_code in (404, 422), page
    for path in ("/", "/drafts", "/health", "/?q=secretive", "/?q=hidden_scope"):
        assert draft.id not in browser.get(path).text
        assert 'href="/connectors/secretive"' not in browser.get(path).text
    assert other.head() == head


class TestSize:
    """A form cannot eat the memory."""

    def test_a_form_over_the_limit_is_refused(self, bench: Bench) -> None:
        assert bench.browser().post("/new", {"id": "x" * (4 * 1024 * 1024)}).status_code == 413

    def test_too_many_fields_are_refused(self, bench: Bench) -> None:
        assert bench.browser().post("/new", {f"f{index}": "" for index in range(40_001)}).status_code == 422

    def test_a_claimed_row_count_is_bounded(self, bench: Bench) -> None:
        draft = new_draft(bench.workspace, "evil", {"scopes": [{"name": "a"}]}).draft
        fields = {"version": "1.0.0", "scope_count": "999999999999", "kpi_count": "-5"}
        assert bench.browser().post(f"/drafts/{draft.id}/check", fields).status_code == 200
