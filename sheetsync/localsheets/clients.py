"""Pointing other people's clients at a local server, without touching their code.

Imports none of them: `route_session` works on whatever `requests` session it is given.  Recipes for each client are in
`docs/localsheets.md`.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

HOSTS: Final = (
    "https://sheets.googleapis.com/",
    "https://www.googleapis.com/",
    "https://oauth2.googleapis.com/",
    "https://drive.googleapis.com/",
)


def route_session(session: Any, url: str) -> Any:
    """Let a `requests` session (also google-auth's) send to a local server what is meant for Google.

    Args:
        session: a `requests.Session`; adapters are mounted on it for Google's hosts only.
        url: the server's `.url`.

    Returns:
        The session.
    """
    target = urlsplit(url)
    base: Any = type(session.get_adapter("https://sheets.googleapis.com/"))

    class LocalAdapter(base):  # type: ignore[misc]
        """Sends to the local server; the host that was meant goes along as `X-Forwarded-Host`."""

        def send(self, request: Any, *args: Any, **kwargs: Any) -> Any:
            parts = urlsplit(request.url)
            request.headers["X-Forwarded-Host"] = parts.netloc
            request.url = urlunsplit(parts._replace(scheme=target.scheme, netloc=target.netloc))
            return super().send(request, *args, **kwargs)

    for host in HOSTS:
        session.mount(host, LocalAdapter())
    return session
