"""The door: from a raw request to a `Visit`, or to a refusal.

Every page goes through `enter`: it finds the session (or the identity a trusted proxy vouches for), refuses what the
roles do not allow, checks the CSRF token and the origin of everything that changes something, bounds the form's size,
runs the page in a thread, and turns errors into pages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final
from urllib.parse import quote, urlsplit

from anyio import to_thread
from starlette.requests import ClientDisconnect, Request
from starlette.responses import RedirectResponse, Response

from sheetsync.errors import (
    InvalidIdError,
    LockHeldError,
    NotAllowedError,
    NotFoundError,
    RefusedError,
    SheetSyncError,
    TryLaterError,
    UsageError,
)
from sheetsync.observability.redaction import redact
from sheetsync.web.sessions import Session
from sheetsync.web.site import Site
from sheetsync.web.visit import Fields, Page, Visit

FORM_BYTES_MOST: Final = 4 * 1024 * 1024
FORM_TYPE: Final = "application/x-www-form-urlencoded"
CSRF_FIELD: Final = "csrf"
STATUS: Final[tuple[tuple[type[SheetSyncError], int], ...]] = (
    (NotFoundError, 404),
    (InvalidIdError, 404),  # an id that cannot exist is one that does not exist
    (UsageError, 422),
    (RefusedError, 409),
    (NotAllowedError, 403),
    (LockHeldError, 503),
    (TryLaterError, 503),
)
TITLES: Final = {404: "Not found", 409: "Not done", 403: "Not allowed", 422: "Not understood"}


class Refusal(Exception):  # noqa: N818  a refusal is an answer, not an error
    """An answer instead of the page."""

    def __init__(self, status: int, title: str, text: str) -> None:
        super().__init__(text)
        self.status = status
        self.title = title
        self.text = text


async def enter(request: Request, site: Site, page: Page) -> Response:
    """Answer one request for `page`."""
    key, session = _who(request, site)
    visit = Visit(
        site=site,
        path=request.url.path,
        params={name: str(value) for name, value in request.path_params.items()},
        session=session,
        place=request.client.host if request.client else "",
        seal=request.cookies.get(site.cookies.seal, ""),
    )
    try:
        visit = replace(visit, query=Fields.parse(request.url.query))
        if page.method == "POST":
            visit = replace(visit, form=await _read_form(request))
            _check_origin(request, site)
        refusal = _refuse_stranger(request, visit, page)
        if refusal is not None:
            return refusal
        if page.method == "POST":
            _check_csrf(visit, page)
        response = await to_thread.run_sync(_answer, visit, page)
    except Refusal as refused:
        response = _show_refusal(visit, refused, page, request)
    except SheetSyncError as error:
        response = await to_thread.run_sync(show_error, visit, error)
    if key is not None:
        site.cookies.set_session(response, key)
    return response


def show_error(visit: Visit, error: SheetSyncError) -> Response:
    """The page of an error that a use case raised."""
    status = next((status for kind, status in STATUS if isinstance(error, kind)), 500)
    title = TITLES.get(status, "It did not work")
    text, hint = redact(error.message), redact(error.hint)
    return visit.show("error.html", status, title=title, text=text, hint=hint, code=error.code)


def _answer(visit: Visit, page: Page) -> Response:
    try:
        return page.answer(visit)
    except SheetSyncError as error:
        return show_error(visit, error)


def _show_refusal(visit: Visit, refused: Refusal, page: Page, request: Request) -> Response:
    """Say no. A form of ours that came too late for its session is kept, to be sent again after signing in."""
    ours = urlsplit(request.headers.get("origin", "")).netloc.lower() in visit.site.hosts
    if (
        ours
        and refused.status in (401, 403)
        and page.needs is not None
        and (visit.session is None or visit.may(page.needs))
    ):
        fields = [(name, value) for name, value in visit.form.items() if name != CSRF_FIELD]
        return visit.show("resend.html", refused.status, title=refused.title, text=refused.text, fields=fields)
    return visit.show("error.html", refused.status, title=refused.title, text=refused.text, hint="", code="")


def _who(request: Request, site: Site) -> tuple[str | None, Session | None]:
    """The session of this request, and the key of a new one to be set as a cookie."""
    key = request.cookies.get(site.cookies.session)
    session = site.sessions.find(key) if key else None
    vouched = _vouched_user(request, site)
    if vouched is None:
        # A session that a proxy opened is worth nothing without the proxy's word on every single request.
        return None, None if session is not None and session.by_proxy else session
    if session is not None and session.by_proxy and session.person.user == vouched:
        return None, session
    person = site.people.find(vouched)
    if person is None:
        return None, None
    return site.sessions.begin(person, by_proxy=True)


def _vouched_user(request: Request, site: Site) -> str | None:
    if not site.identity_header or request.client is None or request.client.host not in site.trusted_proxies:
        return None
    given = request.headers.getlist(site.identity_header)
    return given[0] if len(given) == 1 and given[0] else None


async def _read_form(request: Request) -> Fields:
    kind = request.headers.get("content-type", "").split(";")[0].strip().lower()
    if kind != FORM_TYPE:
        raise Refusal(415, "Not understood", "Only forms of this site are accepted.")
    body = bytearray()
    try:
        async for chunk in request.stream():
            body += chunk
            if len(body) > FORM_BYTES_MOST:
                raise Refusal(413, "Too large", "The form is larger than 4 MB. Nothing was saved.")
    except ClientDisconnect as exc:
        raise Refusal(400, "Cut off", "The form did not arrive whole. Nothing was saved.") from exc
    return Fields.parse(bytes(body).decode("utf-8", "replace"))


def _check_origin(request: Request, site: Site) -> None:
    """Browsers say where a form comes from; what is not ours is refused before any token is looked at."""
    if request.headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none"):
        raise Refusal(403, "Refused", "This form was sent by another site. Nothing was done.")
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc.lower() not in site.hosts:
        raise Refusal(403, "Refused", "This form was sent by another site. Nothing was done.")


def _refuse_stranger(request: Request, visit: Visit, page: Page) -> Response | None:
    if page.needs is None:
        return None
    if visit.session is None:
        if page.method == "GET":
            target = request.url.path + (f"?{request.url.query}" if request.url.query else "")
            return RedirectResponse("/sign-in?next=" + quote(target, safe=""), status_code=303)
        raise Refusal(401, "You are signed out", "Nothing was saved.")
    if not visit.may(page.needs):
        roles = ", ".join(sorted(visit.person.roles)) or "none"
        raise Refusal(403, "Not allowed", f"Your roles ({roles}) do not allow this. Nothing was done.")
    return None


def _check_csrf(visit: Visit, page: Page) -> None:
    token = visit.form.one(CSRF_FIELD)
    sealed = page.needs is None and visit.site.form_seal.matches(visit.seal, token)
    good = sealed or (visit.session is not None and visit.session.csrf_matches(token))
    if not good:
        raise Refusal(403, "Not from this sign-in", "The form is not from your present sign-in, so nothing was done.")
