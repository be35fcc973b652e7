"""What every call goes through: admit, authenticate, count against quotas, faults, handle, faults.

The steps are plain attributes, so that others can be put in their place: `auth.py`, `quota.py` and `faults.py` do.
The pipeline turns refusals into Google's envelopes and never lets a traceback out.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import unquote

import orjson

from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import ANONYMOUS, Workspace

log = logging.getLogger(__name__)

PRETTY_BELOW: Final = 64 * 1024  # small answers are indented as Google's are; large ones are not, for speed


@dataclass(frozen=True, slots=True)
class Caller:
    """Who calls.

    Attributes:
        user: an e-mail address; callers without a token share one.
        scopes: the OAuth scopes of the token, None if unknown (all are allowed).
    """

    user: str = ANONYMOUS
    anonymous: bool = True
    scopes: frozenset[str] | None = None


class Quota(Protocol):
    """Counts calls; may refuse one."""

    def refuse(self, request: Request, caller: Caller) -> Response | None:
        """The 429 answer, or None if the call may go on."""


class Faults(Protocol):
    """Breaks calls on purpose, and lets others act between them."""

    def before(self, request: Request, workspace: Workspace) -> Response | None:
        """An answer in place of the call (it has no effect), or None."""

    def after(self, request: Request, response: Response, workspace: Workspace) -> Response:
        """The answer to send in place of the real one (the call had its effect)."""


Route = Callable[[Request, Workspace], Response | None]
"""Answers a request, or returns None if it is not its own."""


def bearer_user(request: Request) -> Caller:
    """The simplest authentication: a bearer token is the user's name; without one the caller is anonymous."""
    kind, _, token = request.headers.get("authorization", "").partition(" ")
    if kind.lower() != "bearer" or not token:
        return Caller()
    user = token if "@" in token else f"{token.strip()}@example.com"
    return Caller(user=user, anonymous=False)


@dataclass
class Pipeline:
    """The steps of a call, in order."""

    workspace: Workspace
    routes: list[Route]
    admit: Callable[[Request], None] | None = None
    authenticate: Callable[[Request], Caller] = bearer_user
    quota: Quota | None = None
    faults: Faults | None = None
    observers: list[Callable[[Request, Response], None]] = field(default_factory=list)

    def __call__(self, request: Request) -> Response:
        """Answer one request."""
        try:
            response = self._steps(request)
        except ApiError as refusal:
            response = refused(refusal)
        except RecursionError:
            response = refused(ApiError("Invalid JSON payload received. Message too deep."))
        except Exception:
            log.exception("the local Sheets server failed on %s %s", request.method, request.path)
            response = refused(ApiError("Internal error encountered.", http_status=500))
        for observe in self.observers:
            observe(request, response)
        return response

    def _steps(self, request: Request) -> Response:
        if self.admit is not None:
            self.admit(request)
        caller = self.authenticate(request)
        request.caller = caller
        if self.quota is not None and (refusal := self.quota.refuse(request, caller)) is not None:
            return refusal
        if self.faults is not None and (instead := self.faults.before(request, self.workspace)) is not None:
            return instead
        try:
            response = self._route(request)
        except ApiError as refusal:
            response = refused(refusal)
        if self.faults is not None:
            response = self.faults.after(request, response, self.workspace)
        return response

    def _route(self, request: Request) -> Response:
        for route in self.routes:
            if (response := route(request, self.workspace)) is not None:
                return response
        return html_not_found(request.path)


def refused(refusal: ApiError) -> Response:
    """The answer of a refusal."""
    return Response(refusal.http_status, orjson.dumps(refusal.body, option=orjson.OPT_INDENT_2) + b"\n")


def answer(value: Any, request: Request, *, status: int = 200) -> Response:
    """A JSON answer, indented as Google's if it is small and the caller does not ask otherwise."""
    body = orjson.dumps(value, option=orjson.OPT_NON_STR_KEYS)
    if len(body) < PRETTY_BELOW and request.param("prettyPrint") != "false":
        body = orjson.dumps(value, option=orjson.OPT_INDENT_2 | orjson.OPT_NON_STR_KEYS) + b"\n"
    return Response(status, body)


def html_not_found(path: str) -> Response:
    """Google's page for a URL that no API has."""
    page = (
        "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 404 (Not Found)!!1</title>\n"
        "  <p><b>404.</b> <ins>That’s an error.</ins>\n"
        f"  <p>The requested URL <code>{_escape(unquote(path))}</code> was not found on this server."
        "  <ins>That’s all we know.</ins>\n"
    )
    return Response(404, page.encode(), "text/html; charset=UTF-8")


def _escape(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def json_body(request: Request) -> Any:
    """The parsed JSON body; None if there is none.

    Raises:
        ApiError: 400, it is not JSON.
    """
    if not request.body.strip():
        return None
    try:
        return orjson.loads(request.body)
    except orjson.JSONDecodeError as exc:
        raise ApiError(
            f"Invalid JSON payload received. {str(exc).capitalize()}",
            details=[
                {
                    "@type": "type.googleapis.com/google.rpc.BadRequest",
                    "fieldViolations": [{"description": f"Invalid JSON payload received. {str(exc).capitalize()}"}],
                }
            ],
        ) from exc
