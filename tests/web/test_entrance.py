"""Signing in: the one-time link, names and tokens, the trusted proxy, and the limit on tries."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.web.people import People, Person

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx2

    from tests.web.conftest import Bench, Browser

TOKEN = "ana's own secret token"


def try_link(bench: Bench, browser: Browser, link: str, **fields: str) -> httpx2.Response:
    browser.get("/sign-in")
    token = bench.site.form_seal.token(browser.client.cookies[bench.site.cookies.seal])
    return browser.post("/sign-in", {"link": link, **fields}, csrf=token)


def new_link(bench: Bench) -> str:
    return bench.site.new_link().partition("link=")[2]


def test_the_link_works_once(bench: Bench) -> None:
    link = new_link(bench)
    browser = bench.stranger()
    assert try_link(bench, browser, link).headers["location"] == "/"
    assert browser.get("/").status_code == 200
    assert try_link(bench, bench.stranger(), link).status_code == 403


def test_opening_the_link_does_not_use_it_up(bench: Bench) -> None:
    link = new_link(bench)
    for _ in range(3):
        assert "signs you in on this machine" in bench.stranger().get(f"/sign-in?link={link}").text
    assert try_link(bench, bench.stranger(), link).status_code == 303


def test_an_old_link_is_refused(bench: Bench, clock: FakeClock) -> None:
    link = new_link(bench)
    clock.advance(15 * 60 + 1)
    assert "too old" in bench.stranger().get(f"/sign-in?link={link}").text
    assert try_link(bench, bench.stranger(), link).status_code == 403


def test_a_new_link_replaces_the_old_and_is_told_only_in_the_terminal(bench: Bench) -> None:
    said: list[str] = []
    object.__setattr__(bench.site, "tell", said.append)
    old = new_link(bench)
    browser = bench.stranger()
    browser.get("/sign-in")
    token = bench.site.form_seal.token(browser.client.cookies[bench.site.cookies.seal])
    page = browser.post("/sign-in/link", csrf=token)
    assert len(said) == 1
    new = said[0].partition("link=")[2]
    assert new not in page.text
    assert try_link(bench, bench.stranger(), old).status_code == 403
    assert try_link(bench, bench.stranger(), new).status_code == 303


def test_where_people_are_configured_no_link_signs_in(named_bench: Bench) -> None:
    link = new_link(named_bench)
    assert try_link(named_bench, named_bench.stranger(), link, user="ana", token=link).status_code == 403
    assert "Your token" in named_bench.stranger().get("/sign-in").text


def test_a_name_with_its_token_signs_in(named_bench: Bench) -> None:
    browser = named_bench.stranger()
    assert try_link(named_bench, browser, "", user="ana", token=TOKEN).status_code == 303
    assert "ana" in browser.get("/").text


@pytest.mark.parametrize(
    ("user", "token"), [("ana", "wrong"), ("ana", ""), ("nobody", TOKEN), ("rob", TOKEN), ("", "")]
)
def test_a_wrong_token_an_unknown_name_and_a_person_without_token_are_refused_alike(
    named_bench: Bench, user: str, token: str
) -> None:
    response = try_link(named_bench, named_bench.stranger(), "", user=user, token=token)
    assert response.status_code == 403
    assert "This name and token do not match." in response.text
    assert TOKEN not in response.text


def test_tries_are_limited_and_the_wait_is_told(named_bench: Bench, clock: FakeClock) -> None:
    for _ in range(5):
        assert try_link(named_bench, named_bench.stranger(), "", user="ana", token="no").status_code == 403
    response = try_link(named_bench, named_bench.stranger(), "", user="ana", token=TOKEN)
    assert response.status_code == 429
    assert int(response.headers["retry-after"]) <= 61
    clock.advance(61)
    assert try_link(named_bench, named_bench.stranger(), "", user="ana", token=TOKEN).status_code == 303


def test_a_good_sign_in_forgets_the_bad_tries(named_bench: Bench) -> None:
    for _ in range(2):
        for _ in range(4):
            try_link(named_bench, named_bench.stranger(), "", user="ana", token="no")
        assert try_link(named_bench, named_bench.stranger(), "", user="ana", token=TOKEN).status_code == 303


def test_the_sign_in_form_needs_its_own_cookie_and_token(bench: Bench) -> None:
    link = new_link(bench)
    stranger = bench.stranger()
    assert stranger.post("/sign-in", {"link": link}, csrf=bench.site.form_seal.token("x")).status_code == 403
    stranger.get("/sign-in")
    assert stranger.post("/sign-in", {"link": link}, csrf="").status_code == 403
    assert try_link(bench, bench.stranger(), link).status_code == 303


@pytest.mark.parametrize(
    ("given", "goes"),
    [
        ("/drafts?x=1", "/drafts?x=1"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("/\r\nSet-Cookie: a=b", "/"),
        ("", "/"),
    ],
)
def test_after_the_sign_in_one_stays_here(bench: Bench, given: str, goes: str) -> None:
    response = try_link(bench, bench.stranger(), new_link(bench), next=given)
    assert response.headers["location"] == goes


class TestProxy:
    """An identity header is believed from a named proxy only, and only if it is named."""

    HEADER = "X-Remote-User"

    def bench(self, make: Callable[..., Bench], *, header: str = HEADER) -> Bench:
        people = People.of([Person("ana", frozenset({"owner"})), Person("rob", frozenset({"publisher"}))])
        return make(people=people, identity_header=header, trusted_proxies=("10.0.0.7",))

    def browser(self, bench: Bench, peer: str = "10.0.0.7") -> Browser:
        return bench.stranger(client=(peer, 5000))

    def test_it_is_off_unless_named(self, make: Callable[..., Bench]) -> None:
        browser = self.browser(self.bench(make, header=""))
        assert browser.get("/", **{self.HEADER: "ana"}).status_code == 303

    def test_a_trusted_proxy_vouches(self, make: Callable[..., Bench]) -> None:
        browser = self.browser(self.bench(make))
        assert browser.get("/", **{self.HEADER: "ana"}).status_code == 200

    def test_another_peer_does_not(self, make: Callable[..., Bench]) -> None:
        browser = self.browser(self.bench(make), "10.0.0.8")
        assert browser.get("/", **{self.HEADER: "ana"}).status_code == 303

    def test_somebody_unknown_has_no_role(self, make: Callable[..., Bench]) -> None:
        assert self.browser(self.bench(make)).get("/", **{self.HEADER: "mallory"}).status_code == 303

    def test_its_session_is_worth_nothing_without_the_header(self, make: Callable[..., Bench]) -> None:
        bench = self.bench(make)
        browser = self.browser(bench)
        browser.get("/", **{self.HEADER: "ana"})
        assert browser.get("/").status_code == 303
        thief = self.browser(bench, "10.0.0.8")
        thief.client.cookies.update(browser.client.cookies)
        assert thief.get("/", **{self.HEADER: "ana"}).status_code == 303

    def test_another_identity_gets_another_session(self, make: Callable[..., Bench]) -> None:
        bench = self.bench(make)
        browser = self.browser(bench)
        browser.get("/", **{self.HEADER: "ana"})
        key = browser.client.cookies[bench.site.cookies.session]
        page = browser.get("/", **{self.HEADER: "rob"})
        assert browser.client.cookies[bench.site.cookies.session] != key
        assert ">rob<" in page.text

    def test_forms_still_need_their_token(self, make: Callable[..., Bench]) -> None:
        browser = self.browser(self.bench(make))
        browser.get("/", **{self.HEADER: "ana"})
        assert browser.post("/new", {"id": "x"}, csrf="", **{self.HEADER: "ana"}).status_code == 403


def test_tries_made_at_once_cannot_slip_through_the_limit(clock: FakeClock) -> None:
    from concurrent.futures import ThreadPoolExecutor

    from sheetsync.web.signin import TRIES_IN_ALL, TRIES_PER_PLACE, TryLimit

    limit = TryLimit(clock)
    with ThreadPoolExecutor(16) as pool:
        waits = list(pool.map(lambda _: limit.take("10.0.0.1"), range(200)))
    assert waits.count(0) == TRIES_PER_PLACE
    elsewhere = [limit.take(f"10.0.{number}.1") for number in range(200)]
    assert elsewhere.count(0) == TRIES_IN_ALL - TRIES_PER_PLACE
