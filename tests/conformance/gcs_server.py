"""A small Google Cloud Storage that speaks the part of the XML API that obstore's client speaks.

No emulator of it can be had from a package registry (the one on PyPI ignores the precondition, which is what a commit
is), so this one is written from Google's pages, and strict: what they do not promise, it does not do. What it cannot
prove is said in docs/store-evidence.md.

Sources, all below https://cloud.google.com/storage/docs/: `request-preconditions` and `xml-api/put-object-upload` (the
generation 0 means "no live object"; else 412), `xml-api/get-object-download` (ranges, headers),
`xml-api/get-bucket-list` (version 2, pages of at most 1,000, names in the order of their bytes),
`xml-api/delete-object`, `xml-api/reference-status` (status and error codes), `quotas` (429: one write a second to an
object), `consistency` (lists and reads see every write that was answered). Tokens: aip.dev/auth/4111.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, unquote
from xml.sax.saxutils import escape

import pytest

XML = "application/xml; charset=UTF-8"
PAGE = 1000
TOKEN_PATH = "/computeMetadata/v1/instance/service-accounts/default/token"
NAMESPACE = "http://doc.s3.amazonaws.com/2006-03-01"


@dataclass(frozen=True)
class Stored:
    """A live object."""

    data: bytes
    generation: int
    at: datetime

    @property
    def etag(self) -> str:
        """Quoted, and opaque: clients must not take it for a hash."""
        return f'"{self.generation:x}"'


class GoogleError(Exception):
    """An error answer, as `reference-status` has them."""

    def __init__(self, status: str, code: str, message: str) -> None:
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Answer:
    """What goes back."""

    status: str
    body: bytes = b""
    headers: list[tuple[str, str]] = field(default_factory=list)


class FakeGoogleStorage:
    """A WSGI application: one project, its buckets, its metadata server.

    Attributes:
        tokens: bearer tokens that are good; `key` proves those that service accounts sign themselves.
        readers: tokens that may read, but not write.
        address: where it is served, for those who ask it raw.
        anonymous: look at no token, as emulators do.
        busy: that many writes are refused as too many (429) from now on.
    """

    def __init__(self, *buckets: str) -> None:
        self.buckets: dict[str, dict[str, Stored]] = {name: {} for name in buckets}
        self.tokens: set[str] = {"test-token"}
        self.readers: set[str] = {"read-token"}
        self.key: Any = None
        self.address = ""
        self.anonymous = False
        self.busy = 0
        self.asked: list[tuple[str, str]] = []
        self._generation = int(time.time() * 1_000_000)
        self._mutex = threading.Lock()  # the precondition and the write are one step

    def __call__(self, environ: dict[str, Any], start_response: Callable[..., object]) -> Iterable[bytes]:
        method = environ["REQUEST_METHOD"]
        length = int(environ.get("CONTENT_LENGTH") or 0)
        body = environ["wsgi.input"].read(length)
        try:
            with self._mutex:
                answer = self._answer(method, environ, body)
        except GoogleError as error:
            text = f"<?xml version='1.0' encoding='UTF-8'?><Error><Code>{error.code}</Code>"
            text += f"<Message>{escape(error.message)}</Message></Error>"
            answer = Answer(error.status, text.encode(), [("Content-Type", XML)])
        size = [] if any(name == "Content-Length" for name, _ in answer.headers) else [len(answer.body)]
        start_response(answer.status, [*answer.headers, *(("Content-Length", str(n)) for n in size)])
        return [b"" if method == "HEAD" else answer.body]

    def _answer(self, method: str, environ: dict[str, Any], body: bytes) -> Answer:
        path = str(environ.get("REQUEST_URI") or environ["RAW_URI"]).partition("?")[0]
        self.asked.append((method, unquote(path)))
        if path == TOKEN_PATH:
            return self._metadata_token(environ)
        bucket, _, encoded = path.lstrip("/").partition("/")
        self._authorize(method, str(environ.get("HTTP_AUTHORIZATION", "")))
        objects = self.buckets.get(unquote(bucket))
        if objects is None:
            raise GoogleError("404 Not Found", "NoSuchBucket", "The specified bucket does not exist.")
        name = unquote(encoded)
        if not name:
            if method != "GET":
                raise GoogleError("405 Method Not Allowed", "MethodNotAllowed", method)
            return self._list(unquote(bucket), objects, parse_qs(environ.get("QUERY_STRING", "")))
        if method == "PUT":
            return self._put(objects, name, body, environ)
        stored = objects.get(name)
        if stored is None:
            raise GoogleError("404 Not Found", "NoSuchKey", "The specified key does not exist.")
        if method == "DELETE":
            del objects[name]
            return Answer("204 No Content")
        if method in ("GET", "HEAD"):
            return self._get(stored, str(environ.get("HTTP_RANGE", "")))
        raise GoogleError("405 Method Not Allowed", "MethodNotAllowed", method)

    # --- who asks -----------------------------------------------------------------------------------------------
    def _authorize(self, method: str, header: str) -> None:
        token = header.removeprefix("Bearer ")
        if self.anonymous:
            return
        if not token:
            raise GoogleError("401 Unauthorized", "AuthenticationRequired", "Authentication required.")
        if token in self.readers and method in ("GET", "HEAD"):
            return
        if token in self.readers:
            raise GoogleError("403 Forbidden", "AccessDenied", "Access denied.")
        if token not in self.tokens and not self._is_signed(token):
            raise GoogleError("401 Unauthorized", "AuthenticationRequired", "Authentication required.")

    def _is_signed(self, token: str) -> bool:
        """A service account's own JWT (RS256), in time, for Google's storage."""
        if self.key is None or token.count(".") != 2:
            return False
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        head, claims, signature = token.split(".")
        try:
            self.key.verify(unpadded(signature), f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
        except InvalidSignature:
            return False
        told = json.loads(unpadded(claims))
        return bool(told["iat"] - 60 <= time.time() < told["exp"] and "auth/" in told["scope"])

    def _metadata_token(self, environ: dict[str, Any]) -> Answer:
        if environ.get("HTTP_METADATA_FLAVOR") != "Google":
            raise GoogleError("403 Forbidden", "Forbidden", "Missing Metadata-Flavor:Google header.")
        token = {"access_token": "metadata-token", "expires_in": 3599, "token_type": "Bearer"}
        self.tokens.add("metadata-token")
        return Answer("200 OK", json.dumps(token).encode(), [("Content-Type", "application/json")])

    # --- objects ------------------------------------------------------------------------------------------------
    def _put(self, objects: dict[str, Stored], name: str, body: bytes, environ: dict[str, Any]) -> Answer:
        if "CONTENT_LENGTH" not in environ:
            raise GoogleError("411 Length Required", "MissingContentLength", "Content-Length is missing.")
        if len(name.encode()) > 1024:
            raise GoogleError("400 Bad Request", "KeyTooLong", "Your key is too long.")
        there, wanted = objects.get(name), environ.get("HTTP_X_GOOG_IF_GENERATION_MATCH")
        if wanted is not None and int(wanted) != (there.generation if there else 0):
            message = "At least one of the pre-conditions you specified did not hold."
            raise GoogleError("412 Precondition Failed", "PreconditionFailed", message)
        if self.busy:
            self.busy -= 1
            message = "The object exceeded the rate limit for object mutation operations (create, update, and delete)."
            raise GoogleError("429 Too Many Requests", "SlowDown", message)
        self._generation += 1
        stored = objects[name] = Stored(body, self._generation, datetime.now(UTC))
        return Answer("200 OK", b"", [("ETag", stored.etag), *generation_headers(stored), *hash_headers(body)])

    def _get(self, stored: Stored, asked: str) -> Answer:
        headers = [
            ("Content-Type", "application/octet-stream"),
            ("ETag", stored.etag),
            ("Last-Modified", format_datetime(stored.at, usegmt=True)),
            *generation_headers(stored),
            *hash_headers(stored.data),
        ]
        if not asked.startswith("bytes="):
            return Answer("200 OK", stored.data, headers)
        first, last = byte_range(asked, len(stored.data))
        headers.append(("Content-Range", f"bytes {first}-{last}/{len(stored.data)}"))
        return Answer("206 Partial Content", stored.data[first : last + 1], headers)

    def _list(self, bucket: str, objects: dict[str, Stored], query: dict[str, list[str]]) -> Answer:
        """Version 2: names in the order of their UTF-8 bytes, in pages; with a delimiter those of a folder as one."""
        told = {name: values[0] for name, values in query.items()}
        if told.get("list-type") != "2":
            raise GoogleError("400 Bad Request", "InvalidArgument", "this server lists with list-type=2")
        prefix, limit = told.get("prefix", ""), min(PAGE, int(told.get("max-keys", PAGE)))
        after = told.get("start-after", "").encode()
        if token := told.get("continuation-token"):
            after = base64.b64decode(token)
        names = {
            folded(name, prefix, told.get("delimiter", "")).encode() for name in objects if name.startswith(prefix)
        }
        left = [name for name in sorted(names) if name > after]
        items = "".join(
            list_item(name, objects[name])
            if name in objects
            else f"<CommonPrefixes><Prefix>{escape(name)}</Prefix></CommonPrefixes>"
            for name in map(bytes.decode, left[:limit])
        )
        more = len(left) > limit
        next_token = base64.b64encode(left[limit - 1]).decode() if more else ""
        text = (
            f"<?xml version='1.0' encoding='UTF-8'?><ListBucketResult xmlns='{NAMESPACE}'><Name>{escape(bucket)}</Name>"
            f"<Prefix>{escape(prefix)}</Prefix><IsTruncated>{str(more).lower()}</IsTruncated>"
            + (f"<NextContinuationToken>{next_token}</NextContinuationToken>" if more else "")
            + f"<KeyCount>{len(left[:limit])}</KeyCount>{items}</ListBucketResult>"
        )
        return Answer("200 OK", text.encode(), [("Content-Type", XML)])


def folded(name: str, prefix: str, delimiter: str) -> str:
    """The name, or all of it up to the first delimiter behind the prefix."""
    head, found, _ = name[len(prefix) :].partition(delimiter) if delimiter else (name, "", "")
    return prefix + head + found if found else name


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def generation_headers(stored: Stored) -> list[tuple[str, str]]:
    return [("x-goog-generation", str(stored.generation)), ("x-goog-metageneration", "1")]


def hash_headers(data: bytes) -> list[tuple[str, str]]:
    md5 = hashlib.md5(data, usedforsecurity=False).digest()
    return [("x-goog-hash", f"md5={base64.b64encode(md5).decode()}")]


def byte_range(asked: str, size: int) -> tuple[int, int]:
    """(first, last) of `bytes=a-b`, `bytes=a-` or `bytes=-n`."""
    first, _, last = asked.removeprefix("bytes=").partition("-")
    begin, end = (int(first), int(last or size - 1)) if first else (max(0, size - int(last)), size - 1)
    if begin >= size:
        raise GoogleError("416 Requested Range Not Satisfiable", "InvalidRange", "The range cannot be satisfied.")
    return begin, min(end, size - 1)


def list_item(name: str, stored: Stored) -> str:
    at = stored.at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return (
        f"<Contents><Key>{escape(name)}</Key><Generation>{stored.generation}</Generation>"
        f"<MetaGeneration>1</MetaGeneration><LastModified>{at}</LastModified>"
        f"<ETag>{escape(stored.etag)}</ETag><Size>{len(stored.data)}</Size></Contents>"
    )


@contextlib.contextmanager
def serve(app: Callable[..., Any]) -> Iterator[str]:
    """The address of a running server, one thread a request."""
    serving = pytest.importorskip("werkzeug.serving", reason="werkzeug (with moto[server]) is not installed")
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = serving.make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join(timeout=20)
        server.server_close()
