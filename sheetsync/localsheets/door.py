"""Who may knock: a server on this machine answers names of this machine, and no page of another site.

A web page anywhere can make its reader's browser call 127.0.0.1, under a name of its own (DNS rebinding) or as a plain
form post.  Both are told by the headers that every browser sends.  A server that was asked to listen on another address
takes every name.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.transport import Request

LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]", "::1"})
# Clients that are only routed here go on naming the host that they meant.
GOOGLE: Final = frozenset(
    {"sheets.googleapis.com", "www.googleapis.com", "drive.googleapis.com", "oauth2.googleapis.com"}
)


def name_of(host: str) -> str:
    """The name in a Host header, without its port."""
    name, colon, port = host.rpartition(":")
    return (name if colon and port.isdigit() else host).lower()


class Door:
    """Checks the Host and the Origin of requests.

    Args:
        listening: the address that the server listens on.
    """

    def __init__(self, listening: str) -> None:
        self._open = listening not in LOOPBACK

    def check(self, request: Request) -> None:
        """Let a request in.

        Raises:
            ApiError: 403, it names a strange host, or comes from another site's page.
        """
        host = request.headers.get("host", "")
        if not self._open and host and name_of(host) not in LOOPBACK | GOOGLE:
            raise ApiError(f"This server does not answer to the name {host}.", http_status=403)
        origin = request.headers.get("origin")
        if origin and origin != "null" and urlsplit(origin).netloc.lower() == host.lower():
            return
        if origin:
            raise ApiError(f"Pages of {origin} may not call this server.", http_status=403)
