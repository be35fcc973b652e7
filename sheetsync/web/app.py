"""The application: the routes behind the door, the guard around everything."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from sheetsync.web.door import enter
from sheetsync.web.guard import Guard
from sheetsync.web.routes import PAGES
from sheetsync.web.site import Site
from sheetsync.web.visit import Page


def create_app(site: Site) -> ASGIApp:
    """The Workbench as an ASGI application, ready to be served."""
    routes = [Route(page.path, _endpoint(site, page), methods=[page.method]) for page in PAGES]
    inner = Starlette(routes=routes, exception_handlers={HTTPException: _plain, Exception: _broken})
    inner.router.redirect_slashes = False  # an address has one form
    return Guard(inner, hosts=site.hosts, https=site.cookies.https)


def _endpoint(site: Site, page: Page) -> Callable[[Request], Awaitable[Response]]:
    async def endpoint(request: Request) -> Response:
        return await enter(request, site, page)

    return endpoint


async def _plain(_request: Request, exc: Exception) -> Response:
    """Unknown paths and methods: said in a line, and nothing else is told to strangers."""
    status = exc.status_code if isinstance(exc, HTTPException) else 500
    words = {404: "There is no such page.", 405: "This page is not used that way."}.get(status, "Not understood.")
    return PlainTextResponse(words + "\n", status_code=status)


async def _broken(_request: Request, _exc: Exception) -> Response:
    """A defect of ours: the log has the traceback, the visitor does not."""
    return PlainTextResponse(
        "A defect of ours. Nothing was changed by this page; the log says more.\n", status_code=500
    )
