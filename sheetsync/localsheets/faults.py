"""Things that go wrong on purpose, before or after a call took effect, and people who act between two calls.

A `Script` is a list of steps, each waiting for its calls: faults (a status, HTML, a dropped or truncated answer, delay)
and acts of a collaborator (`collaborator.py`).  Steps come from Python, from lines of text (`Step.parse`), or over HTTP
(`control.py`).  The grammar of a line: `WHAT [before|after] [read|write|drive|any] [skip N] [times N|always]`.
"""

from __future__ import annotations

import shlex
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from sheetsync.errors import SheetSyncError, UsageError
from sheetsync.localsheets import quota
from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.pipeline import refused
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

CALLS: Final = ("read", "write", "drive", "any")
MESSAGES: Final = {
    400: "Request contains an invalid argument.",
    401: "Request had invalid authentication credentials.",
    403: "The caller does not have permission",
    404: "Requested entity was not found.",
    408: "The request timed out.",
    500: "Internal error encountered.",
    502: "Bad gateway.",
    503: "The service is currently unavailable.",
    504: "The deadline expired before the operation could complete.",
}
HTML: Final = (
    "<!DOCTYPE html>\n<html lang=en>\n  <meta charset=utf-8>\n  <title>Error 502 (Server Error)!!1</title>\n"
    "  <p><b>502.</b> <ins>That’s an error.</ins>\n  <p>The server encountered a temporary error and could not complete"
    " your request.<p>Please try again in 30 seconds.  <ins>That’s all we know.</ins>\n"
)
HINT: Final = "write e.g. '503 after write skip 1', 'slow:2 read always', 'drop before any'"

Act = Callable[[Workspace], object]


@dataclass
class Step:
    """One thing that happens at some calls.

    Attributes:
        what: a status such as `503`, or `html`, `drop`, `truncate`, `slow:SECONDS`, or `act`.
        after: the call takes effect first.
        calls: which calls: `read`, `write`, `drive` or `any`.
        skip: so many of them pass before.
        times: so many of them are hit; None for all that follow.
        act: what a collaborator does, for `act`.
        path: only calls whose path holds this text.
        refusals: what an act was refused with; the call it came with goes on.
    """

    what: str
    after: bool = False
    calls: str = "any"
    skip: int = 0
    times: int | None = 1
    act: Act | None = None
    path: str = ""
    label: str = ""
    hits: int = field(default=0, compare=False)
    refusals: list[str] = field(default_factory=list, compare=False)

    def __post_init__(self) -> None:
        head, _, number = self.what.partition(":")
        good = head in ("html", "drop", "truncate", "act") or (head.isdigit() and 400 <= int(head) <= 599)
        if head == "slow":
            good = number.replace(".", "", 1).isdigit()
        if not good or self.calls not in CALLS or (head == "act" and self.act is None):
            raise UsageError(f"no such fault: {self.what!r} on {self.calls!r} calls", hint=HINT)

    @classmethod
    def parse(cls, line: str) -> Step:
        """The step of a line of text.

        Raises:
            UsageError: the line does not follow the grammar.
        """
        words = shlex.split(line)
        if not words:
            raise UsageError("a fault must not be empty", hint=HINT)
        options = trigger_of(words[1:])
        return cls(words[0], **options)

    def matches(self, request: Request) -> bool:
        """Whether the step waits for such a call."""
        kind = kind_of(request)
        return kind != "other" and self.calls in ("any", kind) and self.path in request.path

    def due(self) -> bool:
        """Count a matching call; whether the step acts at it."""
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.times is not None:
            if self.times <= 0:
                return False
            self.times -= 1
        self.hits += 1
        return True


def trigger_of(words: list[str]) -> dict[str, Any]:
    """When a step acts, from the words behind it.

    Raises:
        UsageError: a word is unknown, or a number is missing.
    """
    options: dict[str, Any] = {}
    rest = iter(words)
    for word in rest:
        if word in ("before", "after"):
            options["after"] = word == "after"
        elif word in CALLS:
            options["calls"] = word
        elif word == "always":
            options["times"] = None
        elif word in ("skip", "times"):
            number = next(rest, "")
            if not number.isdigit():
                raise UsageError(f"'{word}' needs a number, not {number!r}", hint=HINT)
            options[word] = int(number)
        elif word == "path":
            options["path"] = next(rest, "")
        else:
            raise UsageError(f"unknown word {word!r}", hint=HINT)
    return options


class Script:
    """Steps that wait for their calls; fits `Pipeline.faults`."""

    def __init__(self, *, sleep: Callable[[float], None] = time.sleep) -> None:
        """Args: `sleep` is what delays a call, in seconds."""
        self.steps: list[Step] = []
        self._sleep = sleep
        self._guard = threading.Lock()

    def add(self, step: Step | str) -> Step:
        """Add a step, or a line that describes one."""
        new = Step.parse(step) if isinstance(step, str) else step
        with self._guard:
            self.steps.append(new)
        return new

    def act(self, act: Act, *trigger: str, label: str = "") -> Step:
        """Let somebody act at a call: `script.act(lambda workspace: …, "before", "write")`."""
        words = [part for words in trigger for part in words.split()]
        return self.add(Step("act", act=act, label=label, **trigger_of(words)))

    def clear(self) -> None:
        """Forget all steps."""
        with self._guard:
            self.steps.clear()

    def _due(self, request: Request, *, after: bool) -> list[Step]:
        with self._guard:
            return [step for step in self.steps if step.after == after and step.matches(request) and step.due()]

    def before(self, request: Request, workspace: Workspace) -> Response | None:
        """Act before a call takes effect; an answer in its place, or None."""
        for step in self._due(request, after=False):
            if step.act is not None:
                _run(step, step.act, workspace)
            elif (instead := self._answer(step, request, None)) is not None:
                return instead
        return None

    def after(self, request: Request, response: Response, workspace: Workspace) -> Response:
        """Act after a call took effect; the answer to be sent."""
        for step in self._due(request, after=True):
            if step.act is not None:
                _run(step, step.act, workspace)
            else:
                response = self._answer(step, request, response) or response
        return response

    def _answer(self, step: Step, request: Request, response: Response | None) -> Response | None:
        head, _, number = step.what.partition(":")
        if head == "slow":
            self._sleep(float(number))
            return None
        if head == "drop":
            return Response(drop=True)
        if head == "html":
            return Response(502, HTML.encode(), "text/html; charset=UTF-8")
        if head == "truncate":
            body = response.body if response is not None else b'{\n  "spreadsheetId": "'
            return Response(200, body, truncate=len(body) // 2)
        if head == "429":
            kind = kind_of(request)
            return refused(quota.exceeded("write" if kind == "write" else "read", 60, per_user=True))
        return refused(ApiError(MESSAGES.get(int(head), "Error."), http_status=int(head)))


def _run(step: Step, act: Act, workspace: Workspace) -> None:
    with workspace.lock:
        try:
            act(workspace)
        except SheetSyncError as refusal:
            step.refusals.append(refusal.message)
