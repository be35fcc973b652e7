"""A small HTTP/1.1 server: kept-alive connections, one thread each, bodies with a length or in chunks.

Written by hand because the standard library's handler spends most of a small call on parsing headers, and the server
must come up in a few milliseconds inside other programs.  What a request means is decided by the function it calls.
"""

from __future__ import annotations

import contextlib
import gzip
import selectors
import socket
import threading
import time
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qs

MAX_HEADER_BYTES: Final = 64 * 1024
MAX_BODY_BYTES: Final = 512 * 2**20
JSON_TYPE: Final = "application/json; charset=UTF-8"
GZIP_FROM: Final = 1024

_REASONS: Final = {
    200: "OK",
    201: "Created",
    204: "No Content",
    302: "Found",
    303: "See Other",
    304: "Not Modified",
    400: "Bad Request",
    401: "Unauthorized",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    409: "Conflict",
    429: "Too Many Requests",
    500: "Internal Server Error",
    501: "Not Implemented",
    502: "Bad Gateway",
    503: "Service Unavailable",
}
_DAYS: Final = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def http_date(moment_s: float) -> str:
    """A time as HTTP writes it, whatever the locale."""
    t = time.gmtime(moment_s)
    day, month = _DAYS[t.tm_wday], _MONTHS[t.tm_mon - 1]
    return f"{day}, {t.tm_mday:02d} {month} {t.tm_year} {t.tm_hour:02d}:{t.tm_min:02d}:{t.tm_sec:02d} GMT"


class BadRequestError(Exception):
    """Bytes that are not an HTTP request."""


@dataclass(slots=True)
class Request:
    """One request.

    Attributes:
        path: as sent, still percent-encoded, without the query.
        headers: names in lower case.
        peer: the other end's address.
        caller: who asks; set by the pipeline's authentication.
    """

    method: str
    path: str
    query_text: str
    headers: dict[str, str]
    body: bytes
    peer: str = ""
    caller: Any = None
    _query: dict[str, list[str]] | None = field(default=None, repr=False)

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's parameters, decoded."""
        if self._query is None:
            self._query = parse_qs(self.query_text, keep_blank_values=True) if self.query_text else {}
        return self._query

    def param(self, name: str) -> str | None:
        """The last value of a query parameter."""
        values = self.query.get(name)
        return values[-1] if values else None

    def flag(self, name: str) -> bool:
        """A boolean query parameter: `true`, `True` and `1` are true."""
        return (self.param(name) or "").lower() in ("true", "1")


@dataclass(slots=True)
class Response:
    """One answer.

    Attributes:
        truncate: send only so many bytes of the body, then drop the connection (a fault).
        drop: drop the connection without an answer (a fault).
    """

    status: int = 200
    body: bytes = b""
    content_type: str = JSON_TYPE
    headers: dict[str, str] = field(default_factory=dict)
    truncate: int | None = None
    drop: bool = False


Handler = Callable[[Request], Response]


class HttpServer:
    """Listens on one port and answers through a handler."""

    def __init__(self, handler: Handler, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self._handler = handler
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, port), family=family, backlog=128)
        self.host = host
        self.port: int = self._listener.getsockname()[1]
        self._connections: set[socket.socket] = set()
        self._guard = threading.Lock()
        self._closing = False
        self._thread = threading.Thread(target=self._accept, name=f"localsheets-{self.port}", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop listening, finish nothing more, drop all connections."""
        self._closing = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        with self._guard:
            connections = list(self._connections)
        for connection in connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self._thread.join(timeout=5)

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            with contextlib.suppress(OSError, ValueError):
                selector.register(self._listener, selectors.EVENT_READ)
            while not self._closing:
                try:
                    connection, address = self._listener.accept()
                except OSError:
                    return
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                with self._guard:
                    self._connections.add(connection)
                threading.Thread(target=self._serve, args=(connection, str(address[0])), daemon=True).start()

    def _serve(self, connection: socket.socket, peer: str) -> None:
        try:
            _Connection(connection, peer, self._handler).run()
        except OSError:
            pass  # the other end went away
        finally:
            with self._guard:
                self._connections.discard(connection)
            connection.close()


class _Connection:
    """One connection: reads requests and writes answers until either side ends it."""

    def __init__(self, connection: socket.socket, peer: str, handler: Handler) -> None:
        self._socket = connection
        self._peer = peer
        self._handler = handler
        self._buffer = bytearray()

    def run(self) -> None:
        while True:
            try:
                request = self._read()
            except (BadRequestError, ValueError, zlib.error) as exc:
                self._write(Response(400, str(exc).encode(), "text/plain"), keep=False, head=False, packed=False)
                return
            if request is None:
                return
            response = self._handler(request)
            keep = request.headers.get("connection", "").lower() != "close"
            packed = "gzip" in request.headers.get("accept-encoding", "")
            if not self._write(response, keep=keep, head=request.method == "HEAD", packed=packed) or not keep:
                return

    def _more(self) -> bool:
        data = self._socket.recv(262_144)
        self._buffer += data
        return bool(data)

    def _read(self) -> Request | None:
        while (end := self._buffer.find(b"\r\n\r\n")) < 0:
            if len(self._buffer) > MAX_HEADER_BYTES:
                raise BadRequestError("request headers are too long")
            if not self._more():
                return None
        lines = self._buffer[:end].decode("latin-1").split("\r\n")
        del self._buffer[: end + 4]
        parts = lines[0].split(" ")
        if len(parts) != 3 or not parts[2].startswith("HTTP/1."):
            raise BadRequestError("not an HTTP/1.1 request")
        headers: dict[str, str] = {}
        for line in lines[1:]:
            name, _, value = line.partition(":")
            headers[name.strip().lower()] = value.strip()
        if headers.get("expect", "").lower() == "100-continue":
            self._socket.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        body = self._body(headers)
        if headers.get("content-encoding") == "gzip":
            body = gzip.decompress(body)
        target = parts[1]
        if target.startswith("http://"):  # a proxy's form
            target = "/" + target[7:].partition("/")[2]
        path, _, query = target.partition("?")
        return Request(parts[0], path, query, headers, body, self._peer)

    def _body(self, headers: dict[str, str]) -> bytes:
        if "chunked" in headers.get("transfer-encoding", "").lower():
            return self._chunks()
        length = int(headers.get("content-length") or 0)
        if not 0 <= length <= MAX_BODY_BYTES:
            raise BadRequestError("the body is too long")
        return self._take(length)

    def _take(self, length: int) -> bytes:
        while len(self._buffer) < length:
            if not self._more():
                raise BadRequestError("the body ended early")
        taken = bytes(self._buffer[:length])
        del self._buffer[:length]
        return taken

    def _line(self) -> bytes:
        while (end := self._buffer.find(b"\r\n")) < 0:
            if not self._more():
                raise BadRequestError("the body ended early")
        line = bytes(self._buffer[:end])
        del self._buffer[: end + 2]
        return line

    def _chunks(self) -> bytes:
        parts: list[bytes] = []
        while size := int(self._line().split(b";")[0], 16):
            parts.append(self._take(size))
            self._line()
        while self._line():
            pass
        return b"".join(parts)

    def _write(self, response: Response, *, keep: bool, head: bool, packed: bool) -> bool:
        """Send an answer; False if the connection is to be dropped."""
        if response.drop:
            return False
        body = response.body
        lines = [f"HTTP/1.1 {response.status} {_REASONS.get(response.status, 'Unknown')}"]
        if response.status != 204:
            lines.append(f"Content-Type: {response.content_type}")
        if (
            packed
            and len(body) > GZIP_FROM
            and "Content-Encoding" not in response.headers
            and self._peer != "127.0.0.1"
        ):
            body = gzip.compress(body, 1)
            lines.append("Content-Encoding: gzip")
        lines.append(f"Date: {http_date(time.time())}")
        lines.append(f"Content-Length: {len(body)}")
        lines += [f"{name}: {value}" for name, value in response.headers.items()]
        if not keep:
            lines.append("Connection: close")
        header = ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1", "replace")
        if head:
            body = b""
        if response.truncate is not None:
            self._socket.sendall(header + body[: response.truncate])
            return False
        if len(body) < 65_536:
            self._socket.sendall(header + body)
        else:
            self._socket.sendall(header)
            self._socket.sendall(body)
        return True
