"""Signing in and out, and the static files: the only pages open to strangers."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from starlette.responses import PlainTextResponse, Response

from sheetsync.web.guard import ONE_YEAR_S
from sheetsync.web.people import Person
from sheetsync.web.visit import Visit

HOME: Final = "/"


def show_sign_in(visit: Visit) -> Response:
    """The sign-in page. Opening the one-time link does not use it up; its button does."""
    if visit.session is not None:
        return visit.go(_own_path(visit.query.one("next")))
    return _sign_in_page(visit, link=visit.query.one("link"), next_path=visit.query.one("next"))


def sign_in(visit: Visit) -> Response:
    """Sign in, by the one-time link or by name and token, always into a new session."""
    wait_s = visit.site.tries.take(visit.place)
    if wait_s:
        response = _sign_in_page(visit, 429, problem=f"Too many tries. Wait {wait_s} seconds, then try again.")
        response.headers["Retry-After"] = str(wait_s)
        return response
    person = _person_by_link(visit) if visit.site.by_link else _person_by_token(visit)
    if person is None:
        problem = (
            "This link was used already, or is too old." if visit.site.by_link else "This name and token do not match."
        )
        return _sign_in_page(visit, 403, problem=problem)
    visit.site.tries.forget(visit.place)
    key, _session = visit.site.sessions.begin(person)
    response = visit.go(_own_path(visit.form.one("next")))
    visit.site.cookies.set_session(response, key)
    return response


def renew_link(visit: Visit) -> Response:
    """Print a new one-time link where the server was started: only who sees that terminal can use it."""
    if not visit.site.by_link or visit.site.tries.take(visit.place):
        return _sign_in_page(visit, 429, problem="Not now. Wait a minute, then try again.")
    visit.site.tell(f"a new sign-in link was asked for: {visit.site.new_link()}")
    return _sign_in_page(visit, told=True)


def sign_out(visit: Visit) -> Response:
    """End every session this key opened, and take the key away."""
    if visit.session is not None:
        visit.site.sessions.end_session(visit.session)
    response = visit.go("/sign-in")
    visit.site.cookies.clear(response)
    return response


def show_static(visit: Visit) -> Response:
    """One static file."""
    found = visit.site.assets.get(visit.params["name"])
    if found is None:
        return PlainTextResponse("not found\n", status_code=404)
    data, media_type = found
    headers = {"Cache-Control": f"public, max-age={ONE_YEAR_S}, immutable"}
    return Response(data, media_type=media_type, headers=headers)


def _sign_in_page(
    visit: Visit, status: int = 200, *, link: str = "", next_path: str = "", problem: str = "", told: bool = False
) -> Response:
    seal = visit.seal or visit.site.form_seal.new_cookie()
    response = visit.show(
        "sign_in.html",
        status,
        link=link,
        link_good=bool(link) and visit.site.link.holds(link),
        next_path=next_path or visit.form.one("next"),
        user=visit.form.one("user"),
        problem=problem,
        told=told,
        form_token=visit.site.form_seal.token(seal),
        by_proxy=bool(visit.site.identity_header),
    )
    if not visit.seal:
        visit.site.cookies.set_seal(response, seal)
    return response


def _person_by_link(visit: Visit) -> Person | None:
    return visit.site.lone_person() if visit.site.link.use(visit.form.one("link")) else None


def _person_by_token(visit: Visit) -> Person | None:
    with visit.site.scrypt_slots:
        return visit.site.people.sign_in(visit.form.one("user").strip(), visit.form.one("token").strip())


def _own_path(value: str) -> str:
    """A path of ours to go on to; anything that could lead elsewhere becomes the first page."""
    parts = urlsplit(value)
    plain = value.startswith("/") and not value.startswith("//") and "\\" not in value and value.isprintable()
    return value if plain and not parts.scheme and not parts.netloc else HOME
