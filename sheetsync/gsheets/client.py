"""The HTTP client: gspread's `HTTPClient` with finite timeouts, our retries, the quota limiter and the call ledger.

One exchange is made here and its failures are told apart; what an answer means is in `error_table`, when to send again
in `retry`. The calls that sheetsync makes are in `api`. gspread's own calls work through this client too, and raise
our errors instead of `APIError`.
"""

from __future__ import annotations

import io
import logging
import ssl
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

import orjson
import requests
import requests.exceptions as broken
import urllib3.exceptions as raw_broken
from google.auth import exceptions as auth_broken
from google.auth.transport.requests import AuthorizedSession
from gspread.http_client import HTTPClient

from sheetsync.domain.clock import Clock
from sheetsync.errors import AuthError, ConfigError, NetworkError
from sheetsync.gsheets.auth import Identity, is_loopback
from sheetsync.gsheets.error_table import Failure, Target, parse_failure
from sheetsync.gsheets.options import RetryPolicy, Timeouts
from sheetsync.gsheets.quota import Limiter
from sheetsync.gsheets.retry import (
    AttemptFailedError,
    Retrier,
    judge_answer,
    judge_silence,
)
from sheetsync.observability.ledger import Call, CallKind, CallLedger

LOG: Final = logging.getLogger(__name__)
GOOGLE_HOSTS: Final = ("https://sheets.googleapis.com", "https://www.googleapis.com")
USER_AGENT: Final = "sheetsync (gzip)"  # Google compresses only for clients that say gzip here, too
BLOCK_BYTES: Final = 1 << 18
PARSED_BYTES: Final = 1 << 16
_READS: Final = (":getByDataFilter", ":batchGetByDataFilter", "/developerMetadata:search")
_NEVER_SENT: Final = (raw_broken.NewConnectionError, raw_broken.ConnectTimeoutError, raw_broken.NameResolutionError)

Params = Mapping[str, str | list[str]]


@dataclass(frozen=True, slots=True)
class Answer:
    """A successful answer: its status, headers and whole body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Endpoint:
    """Where Google's hosts are: themselves (`base` None), or another base URL for both."""

    base: str | None = None

    def url(self, url: str) -> str:
        """The URL to call instead of one of Google's."""
        if self.base is not None:
            for host in GOOGLE_HOSTS:
                if url.startswith(host + "/"):
                    return self.base.rstrip("/") + url.removeprefix(host)
        return url

    @property
    def is_loopback(self) -> bool:
        """Is it on this machine?"""
        return self.base is not None and is_loopback(urlsplit(self.base).hostname or "")


class SheetsHTTPClient(HTTPClient):
    """gspread's client with finite timeouts and our rules for failures."""

    def __init__(
        self,
        identity: Identity,
        *,
        endpoint: str | None,
        clock: Clock,
        limiter: Limiter,
        ledger: CallLedger,
        retrier: Retrier,
        timeouts: Timeouts | None = None,
        relocate: Callable[[], str] | None = None,
    ) -> None:
        self.identity = identity
        self._relocate = relocate
        self.endpoint = Endpoint(endpoint)
        super().__init__(identity.credentials, session=_open_session(identity, self.endpoint))  # type: ignore[arg-type]
        self._timeouts = timeouts or Timeouts()
        self.set_timeout((self._timeouts.connect_s, self._timeouts.read_s))
        self._clock = clock
        self.limiter = limiter
        self._ledger = ledger
        self._retrier = retrier

    @property
    def is_passing(self) -> bool:
        """Is the server one that may be somewhere else the next time?"""
        return self._relocate is not None

    def request(  # the signature is gspread's
        self,
        method: str,
        endpoint: str,
        params: Any = None,
        data: Any = None,
        json: Any = None,
        files: Any = None,
        headers: Any = None,
    ) -> requests.Response:
        """One call of gspread's, by our rules; raises our errors."""
        extra = {"json": json, "files": files}
        answer = self.exchange(method, endpoint, params=params, data=data, headers=headers, extra=extra)
        response = requests.Response()
        response.status_code = answer.status
        response.headers.update(answer.headers)
        response.encoding = "utf-8"
        response.raw = io.BytesIO(answer.body)
        return response

    def exchange(
        self,
        method: str,
        url: str,
        *,
        params: Params | None = None,
        data: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        target: Target | None = None,
        policy: RetryPolicy | None = None,
        expect_json: bool = False,
        extra: Mapping[str, Any] | None = None,
    ) -> Answer:
        """One call with all its attempts. `expect_json`: a body that is no JSON object counts as no answer.

        Raises:
            SheetSyncError: what `error_table` makes of the answer; NetworkError or UnknownOutcomeError without one.
        """
        method = method.upper()
        kind, is_write = classify(method, url)
        about = target or Target(_spreadsheet_id(url), self.identity.label, self.host_of(url))
        arguments = {"params": params, "data": data, "headers": headers, **(extra or {})}
        call = _PreparedCall(method, url, kind, is_write, about, arguments, expect_json)
        return self._retrier.run(partial(self._attempt, call), policy=policy)

    def host_of(self, url: str) -> str:
        """The host that a call of Google's API really goes to, with its port."""
        return urlsplit(self.endpoint.url(url)).netloc

    def _attempt(self, call: _PreparedCall) -> Answer:
        self.limiter.acquire(call.kind)
        started = self._clock.monotonic()
        status, received = 0, 0
        try:
            status, headers, body = self._send(call)
            received = len(body)
        except (broken.RequestException, raw_broken.HTTPError, auth_broken.GoogleAuthError) as exc:
            failed = judge_exception(exc, call.target, is_write=call.is_write)
            if failed.unreachable and self.endpoint.is_loopback:
                failed.again = self._find_again()  # nothing on the way can be at fault: there is no server
            raise failed from exc
        finally:
            seconds = self._clock.monotonic() - started
            self._ledger.record(Call(call.kind, status, seconds, len(call.arguments.get("data") or b""), received))
            LOG.debug("%s %s: %s, %.0f ms, %d bytes", call.method, call.path, status, seconds * 1000, received)
        if 200 <= status < 300:
            if call.expect_json and not looks_whole(body):
                what = f"{call.target.host} sent something that is not a whole JSON object"
                raise judge_silence(what, hint=_HINT_PROXY, is_write=call.is_write, was_sent=True)
            return Answer(status, headers, body)
        failure = parse_failure(status, body, retry_after=headers.get("Retry-After"))
        self._tell_limiter(call, failure)
        raise judge_answer(failure, call.target, is_write=call.is_write)

    def _find_again(self) -> bool:
        """Look where the server is now, if anybody knows: one that another process ran may have stopped with it."""
        if self._relocate is None:
            return False
        self.endpoint = Endpoint(self._relocate())
        return True

    def _send(self, call: _PreparedCall) -> tuple[int, Mapping[str, str], bytes]:
        with self.session.request(
            method=call.method,
            url=self.endpoint.url(call.url),
            timeout=self.timeout,
            stream=True,
            allow_redirects=False,  # Google's API gives none; a followed one would turn a POST into a GET
            **call.arguments,
        ) as response:
            body = io.BytesIO()  # its value is no copy: of a large answer there is never a second one
            for block in self._blocks(response):
                body.write(block)
            return response.status_code, response.headers, body.getvalue()

    def _blocks(self, response: requests.Response) -> Iterator[bytes]:
        """The body, with an end to its time: a read timeout alone never ends a trickle."""
        ends_at = self._clock.monotonic() + self._timeouts.body_s
        while block := response.raw.read1(BLOCK_BYTES, decode_content=True):
            yield block
            if self._clock.monotonic() > ends_at:
                raise broken.ReadTimeout(f"the answer took longer than {self._timeouts.body_s:.0f} s")

    def _tell_limiter(self, call: _PreparedCall, failure: Failure) -> None:
        if failure.is_per_minute:
            self.limiter.exhausted(call.kind, failure.retry_after_s or 60.0)


@dataclass(frozen=True, slots=True)
class _PreparedCall:
    """One call as it goes out, the same at every attempt."""

    method: str
    url: str
    kind: CallKind
    is_write: bool
    target: Target
    arguments: Mapping[str, Any]
    expect_json: bool

    @property
    def path(self) -> str:
        return urlsplit(self.url).path


def looks_whole(body: bytes) -> bool:
    """Is the body a whole JSON object? A sign-in page or a torn answer is not.

    Only the ends of a big body are looked at: its caller parses it anyway, and once is enough.
    """
    if len(body) > PARSED_BYTES:
        return body[:64].lstrip().startswith(b"{") and body[-64:].rstrip().endswith(b"}")
    try:
        return isinstance(orjson.loads(body), dict)
    except orjson.JSONDecodeError:
        return False


def classify(method: str, url: str) -> tuple[CallKind, bool]:
    """Which quota a call of Google's API counts against, and whether it changes anything."""
    path = urlsplit(url).path
    is_drive = "/drive/" in path
    is_read = method in ("GET", "HEAD") or (method == "POST" and path.endswith(_READS))
    if is_drive:
        return "drive", not is_read
    return ("read", False) if is_read else ("write", True)


def judge_exception(exc: Exception, target: Target, *, is_write: bool) -> AttemptFailedError:
    """What a failure without an answer means."""
    if isinstance(exc, auth_broken.GoogleAuthError):
        return _judge_auth(exc, target)
    chain = list(_chain(exc))
    if any(isinstance(link, ssl.SSLCertVerificationError) for link in chain):
        what = f"the certificate of {target.host} is not trusted"
        return AttemptFailedError(NetworkError(what, hint="check the machine's clock and its CA bundle"), again=False)
    if isinstance(exc, broken.InvalidURL | broken.InvalidSchema | broken.MissingSchema):
        error = ConfigError(f"{target.host or 'the endpoint'} is not an address that can be called", hint=_HINT_URL)
        return AttemptFailedError(error, again=False)
    never_sent = any(isinstance(link, _NEVER_SENT) for link in chain)
    if never_sent:
        what = f"no server answers at {target.host}"
    elif any(isinstance(link, broken.Timeout | raw_broken.TimeoutError) for link in chain):
        what = f"{target.host} did not answer in time"
    else:
        what = f"the connection to {target.host} broke off"
    hint = "check the network and try again" if target.host.endswith(".googleapis.com") else _HINT_SERVER
    return judge_silence(what, hint=hint, is_write=is_write, was_sent=not never_sent)


_HINT_PROXY: Final = "a proxy or a sign-in page may stand between: open a web page, then try again"
_HINT_URL: Final = "give SHEETSYNC_SHEETS_ENDPOINT like http://127.0.0.1:8090"
_HINT_SERVER: Final = "start it ('sheetsync sheets serve'), or check SHEETSYNC_SHEETS_ENDPOINT, then try again"


def _judge_auth(exc: auth_broken.GoogleAuthError, target: Target) -> AttemptFailedError:
    """A token could not be had: nothing was sent. The exception's text may hold secrets, so it is not repeated."""
    who = target.identity or "the identity in use"
    if isinstance(exc, auth_broken.TransportError):
        what = f"no access token for {who}: the token server could not be reached"
        error = NetworkError(what, hint="check the network and try again")
        return AttemptFailedError(error, again=True, unreachable=True)
    refused = AuthError(
        f"no access token for {who}: the credentials were refused",
        hint="check [credentials] in sheetsync.toml and the machine's clock, then run 'sheetsync doctor'",
    )
    return AttemptFailedError(refused, again=bool(getattr(exc, "retryable", False)), unreachable=True)


def _chain(exc: BaseException) -> Iterator[BaseException]:
    """An exception and what is behind it, through `__cause__`, `__context__`, `reason` and wrapped arguments."""
    waiting: list[BaseException] = [exc]
    seen: set[int] = set()
    while waiting:
        link = waiting.pop()
        if id(link) in seen:
            continue
        seen.add(id(link))
        yield link
        behind = (link.__cause__, link.__context__, getattr(link, "reason", None), *link.args)
        waiting.extend(other for other in behind if isinstance(other, BaseException))


def _spreadsheet_id(url: str) -> str:
    """The spreadsheet that a call of Google's API is about; "" if none."""
    parts = urlsplit(url).path.split("/")
    for before in ("spreadsheets", "files"):
        if before in parts[:-1]:
            return parts[parts.index(before) + 1].split(":")[0]
    return ""


def _open_session(identity: Identity, endpoint: Endpoint) -> requests.Session:
    session = requests.Session()
    if identity.credentials is not None:
        # It refreshes the token, and sends a call again after a 401, which proves that it was not carried out.
        session = AuthorizedSession(identity.credentials)  # type: ignore[no-untyped-call]
    session.headers["User-Agent"] = USER_AGENT
    if endpoint.is_loopback:
        session.trust_env = False  # a proxy of the environment knows nothing of this machine's servers
        session.headers["Accept-Encoding"] = "identity"
    else:
        session.auth = _leave_alone  # else requests would send what ~/.netrc has for the host
    return session


def _leave_alone(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request
