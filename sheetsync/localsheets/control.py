"""Scripts over HTTP: `POST /_local/script` adds lines, `GET` lists them, `DELETE` forgets them.

Lines are those of `faults.py` and `collaborator.py`:
`{"lines": ["503 after write", "type 'Sheet1!A1' x before write"]}`.
For tests that run a server in another process; inside one, `LocalSheets.script` is shorter.
"""

from __future__ import annotations

from typing import Any, Final

from sheetsync.errors import UsageError
from sheetsync.localsheets.collaborator import ACTS, act_of
from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.faults import Script, Step
from sheetsync.localsheets.pipeline import answer, json_body
from sheetsync.localsheets.transport import Request, Response

PATH: Final = "/_local/script"


def step_of(line: str) -> Step:
    """The step of a line: an act of a collaborator, or a fault.

    Raises:
        UsageError: it is neither.
    """
    return act_of(line) if line.split(" ", 1)[0] in ACTS else Step.parse(line)


def control(request: Request, script: Script) -> Response:
    """Answer a call of the control path.

    Raises:
        ApiError: 400, a line cannot be read; 415, the body is not sent as JSON (so other sites cannot send it).
    """
    if request.method == "DELETE":
        script.clear()
    elif request.method == "POST":
        if not request.headers.get("content-type", "").startswith("application/json"):
            raise ApiError("Content-Type must be application/json.", http_status=415)
        body: Any = json_body(request)
        lines = body.get("lines") if isinstance(body, dict) else None
        if not isinstance(lines, list) or not all(isinstance(line, str) for line in lines):
            raise ApiError('The body must be {"lines": [TEXT, …]}.')
        try:
            steps = [step_of(line) for line in lines]
        except (UsageError, ValueError) as exc:
            raise ApiError(str(exc)) from exc
        for step in steps:
            script.add(step)
    elif request.method != "GET":
        raise ApiError("Method not allowed.", http_status=405)
    listed = [
        {"what": one.label or one.what, "after": one.after, "calls": one.calls, "skip": one.skip}
        | {"times": one.times, "hits": one.hits, "refusals": one.refusals}
        for one in script.steps
    ]
    return answer({"steps": listed}, request)
