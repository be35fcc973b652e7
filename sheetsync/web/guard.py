"""What every request passes before any page sees it: the Host check, and the headers that every answer carries.

A plain ASGI wrapper, outermost, so that no page and no error answer can forget it. Who the visitor is: `door`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

CONTENT_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
# `same-origin`, not `no-referrer`: with the latter a browser sends `Origin: null` with our own forms.
HEADERS: Final = {
    "Content-Security-Policy": CONTENT_POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
ONE_YEAR_S: Final = 31_536_000


class Guard:
    """Refuses hosts that are not ours (DNS rebinding, forged Host) and sets the security headers.

    Args:
        app: the application inside.
        hosts: the values of `Host` that are ours, lower-case, with the port where it is not the default one.
        https: whether browsers reach us through https; then they are told to stay there.
    """

    def __init__(self, app: ASGIApp, *, hosts: Iterable[str], https: bool) -> None:
        self._app = app
        self._hosts = frozenset(hosts)
        self._https = https

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request; anything but HTTP (and the server's own start and stop) is closed unanswered."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                self._set_headers(MutableHeaders(scope=message))
            await send(message)

        if not self._is_ours(scope):
            refusal = PlainTextResponse("This address is not served here.\n", status_code=421)
            await refusal(scope, receive, send_guarded)
            return
        await self._app(scope, receive, send_guarded)

    def _is_ours(self, scope: Scope) -> bool:
        given = [value for name, value in scope["headers"] if name == b"host"]
        return len(given) == 1 and given[0].decode("latin-1").lower() in self._hosts

    def _set_headers(self, headers: MutableHeaders) -> None:
        for name, value in HEADERS.items():
            headers[name] = value
        headers.setdefault("Cache-Control", "no-store")
        if self._https:
            headers["Strict-Transport-Security"] = f"max-age={ONE_YEAR_S}"
