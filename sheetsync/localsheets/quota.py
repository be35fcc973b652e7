"""Google's quotas: 60 reads and 60 writes a minute for each user, 300 of each for the project.

Off unless asked for.  Counters are refilled when a minute of the server's clock is over.  The answer above a limit is
the recorded one: a 429 without `Retry-After`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from sheetsync.localsheets.errors import ApiError
from sheetsync.localsheets.pipeline import Caller, refused
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response

PROJECT: Final = "project_number:123456789012"
MINUTE_S: Final = 60


def exceeded(kind: str, limit: int, *, per_user: bool) -> ApiError:
    """The refusal of a call above a limit, word for word (`kind` is `read` or `write`)."""
    name = f"{kind.capitalize()} requests"
    scope = " per user" if per_user else ""
    limit_name = f"{kind.capitalize()}RequestsPerMinutePer" + ("User" if per_user else "Project")
    message = (
        f"Quota exceeded for quota metric '{name}' and limit '{name} per minute{scope}' of service"
        f" 'sheets.googleapis.com' for consumer '{PROJECT}'."
    )
    information = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "domain": "googleapis.com",
        "metadata": {
            "quota_limit_value": str(limit),
            "service": "sheets.googleapis.com",
            "consumer": PROJECT.replace("project_number:", "projects/"),
            "quota_unit": "1/min/{project}/{user}" if per_user else "1/min/{project}",
            "quota_location": "global",
            "quota_metric": f"sheets.googleapis.com/{kind}_requests",
            "quota_limit": limit_name,
        },
    }
    link = {
        "description": "Request a higher quota limit.",
        "url": "https://cloud.google.com/docs/quotas/help/request_increase",
    }
    details: list[dict[str, Any]] = [information, {"@type": "type.googleapis.com/google.rpc.Help", "links": [link]}]
    return ApiError(message, http_status=429, details=details)


class QuotaCounter:
    """Counts calls by minute; fits `Pipeline.quota`."""

    def __init__(self, clock: Callable[[], float], *, per_user: int = 60, per_project: int = 300) -> None:
        """Args: `clock` in seconds, and the two limits, the same for reads and writes."""
        self._clock = clock
        self._per_user = per_user
        self._per_project = per_project
        self._minute = -1
        self._used: dict[tuple[str, str], int] = {}

    def refuse(self, request: Request, caller: Caller) -> Response | None:
        """The 429 answer, or None if the call may go on; refused calls count, too."""
        kind = kind_of(request)
        if kind not in ("read", "write"):
            return None
        minute = int(self._clock() // MINUTE_S)
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        for who, limit in ((caller.user, self._per_user), ("", self._per_project)):
            used = self._used.get((kind, who), 0) + 1
            self._used[kind, who] = used
            if used > limit:
                return refused(exceeded(kind, limit, per_user=bool(who)))
        return None
