"""Everything that breaks between our process and its two worlds: the wire to the sheet, and the disk under the store.

`Wire` stands at every call, before it leaves and when its answer is there; `DyingFiles` at every operation of the
store's file system. Both ask `happen` what goes wrong just there. A process that was killed does nothing any more.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any, NoReturn

import requests
from requests.adapters import HTTPAdapter
from urllib3 import HTTPResponse
from urllib3.exceptions import ProtocolError

from sheetsync.localsheets import LocalSheets

# Faults that the server plays by its own script, at one call: (name, line of the script, calls it makes sense for)
SERVER_FAULTS: dict[str, str] = {
    "429": "429 before any",
    "500": "500 before any",
    "500 after": "500 after any",
    "503": "503 before any",
    "503 after": "503 after any",
    "502 html": "html before any",
    "502 html after": "html after any",
    "truncated": "truncate after any",
    "dropped": "drop before any",
    "dropped after": "drop after any",
    "slow": "slow:0.002 before any",
}
# Faults on the way: nothing arrives, or nothing comes back
WIRE_FAULTS = ("timeout", "timeout after", "reset", "reset after", "cut json", "late")
FAULTS = (*SERVER_FAULTS, *WIRE_FAULTS)
DISK_STEPS = frozenset(
    ["mkdir", "create", "place", "append", "truncate", "link", "rename", "unlink", "sync", "sync_folder", "sync_all",
     "lock", "try_lock"]
)  # fmt: skip
TORN = frozenset(["create", "append"])  # what a killed process can leave half done


class Killed(BaseException):
    """kill -9, at the point where the process stands."""


class Life:
    """Whether a process still lives, and where it stands: the calls and the disk steps it has made."""

    def __init__(self) -> None:
        self.alive = True
        self.calls = 0
        self.steps = 0
        self.locks = 0

    def die(self) -> NoReturn:
        self.alive = False
        raise Killed

    def check(self) -> None:
        if not self.alive:
            raise Killed


Happen = Callable[[str, int, str], str]  # (where, number, what stands there) → a fault, or ""


class Wire(HTTPAdapter):
    """The way to the server, with people, faults and kills at both ends of every call."""

    def __init__(
        self, server: LocalSheets, life: Life, happen: Happen, land: Callable[[Callable[[], Any]], Any],
        flight: list[tuple[requests.PreparedRequest, dict[str, Any]]],
    ) -> None:  # fmt: skip
        super().__init__()
        self.server, self.life, self.happen, self.land, self.flight = server, life, happen, land, flight

    def send(self, request: requests.PreparedRequest, *args: Any, **options: Any) -> requests.Response:
        self.life.check()
        number, self.life.calls = self.life.calls, self.life.calls + 1
        kind = "write" if ":batchUpdate" in str(request.url) else "read"
        fault = self.happen("before", number, kind)
        if fault == "timeout":
            raise requests.exceptions.ConnectTimeout("no answer", request=request)
        if fault == "late" and kind == "write":
            self.flight.append((request, options))
            raise requests.exceptions.ReadTimeout("no answer", request=request)
        if fault == "reset":
            raise torn_connection()
        if fault in SERVER_FAULTS:
            self.server.script.add(SERVER_FAULTS[fault])
        try:
            if kind == "write":
                response = self.land(lambda: super(Wire, self).send(request, *args, **options))
            else:
                response = super().send(request, *args, **options)
        finally:
            self.server.script.clear()
        fault = self.happen("after", number, kind) or fault
        if fault in ("timeout after", "late"):
            response.close()
            raise requests.exceptions.ReadTimeout("no answer", request=request)
        if fault == "reset after":
            response.close()
            raise torn_connection()
        return cut_short(response) if fault == "cut json" else response


def cut_short(response: requests.Response) -> requests.Response:
    """The same answer with half its body, whole as far as HTTP can tell."""
    body = response.raw.read(decode_content=True)
    response.close()
    response.raw = HTTPResponse(io.BytesIO(body[: len(body) // 2]), status=response.status_code, preload_content=False)
    response.headers.pop("Content-Length", None)
    return response


def torn_connection() -> requests.exceptions.ConnectionError:
    """What `requests` says of a connection that the other side reset."""
    reset = ConnectionResetError(104, "Connection reset by peer")
    return requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", reset))


class DyingFiles:
    """A store's file system on which the process can be killed before every operation, or in the middle of a write."""

    def __init__(self, files: Any, life: Life, happen: Happen) -> None:
        self._files, self._life, self._happen = files, life, happen

    def __getattr__(self, name: str) -> Any:
        act = getattr(self._files, name)
        if name == "close" or not callable(act):
            return act

        def step(*args: Any, **options: Any) -> Any:
            self._life.check()
            if name in DISK_STEPS:
                number, self._life.steps = self._life.steps, self._life.steps + 1
                fault = self._happen("step", number, name)
                if fault == "torn" and name in TORN:
                    *before, data = args
                    act(*before, data[: len(data) // 2])
                if fault in ("kill", "torn"):
                    self._life.die()
                if name == "lock":  # others are at the store before we are
                    number, self._life.locks = self._life.locks, self._life.locks + 1
                    self._happen("lock", number, name)
            return act(*args, **options)

        return step
