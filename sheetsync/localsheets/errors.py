"""Google's error envelopes: what a refused call answers.

Every refusal inside the server is an `ApiError`; the HTTP layer turns it into the JSON that Google sends.
The wordings are those of recorded answers where there is one (see the brief's section 9).  Drive's envelopes,
which look different, are made by `drive_error`.
"""

from __future__ import annotations

from typing import Any, Final

from sheetsync.errors import SheetSyncError

BAD_REQUEST: Final = "type.googleapis.com/google.rpc.BadRequest"

STATUS_NAMES: Final = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class ApiError(SheetSyncError):
    """A call that Google would refuse.

    Attributes:
        http_status: the HTTP status of the answer.
        body: the JSON of the answer, ready to be sent.
    """

    code = "api_error"

    def __init__(
        self,
        message: str,
        *,
        http_status: int = 400,
        status: str | None = None,
        details: list[dict[str, Any]] | None = None,
    ) -> None:
        super().__init__(message)
        self.http_status = http_status
        self.status = status or STATUS_NAMES.get(http_status, "UNKNOWN")
        self.details = details

    @property
    def body(self) -> dict[str, Any]:
        """The envelope that Sheets sends."""
        inner: dict[str, Any] = {"code": self.http_status, "message": self.message, "status": self.status}
        if self.details:
            inner["details"] = self.details
        return {"error": inner}

    def prefixed(self, prefix: str) -> ApiError:
        """The same refusal, told as the fault of one part of a batch (``Invalid requests[0].addSheet: …``)."""
        return ApiError(prefix + self.message, http_status=self.http_status, status=self.status, details=self.details)


class DriveError(ApiError):
    """A refusal in Drive's own shape: an `errors` array, and no `status`."""

    def __init__(
        self,
        message: str,
        *,
        http_status: int = 400,
        reason: str = "invalid",
        domain: str = "global",
        location: tuple[str, str] | None = None,
    ) -> None:
        super().__init__(message, http_status=http_status)
        self.reason = reason
        self.domain = domain
        self.location = location

    @property
    def body(self) -> dict[str, Any]:
        """The envelope that Drive sends."""
        first: dict[str, Any] = {"domain": self.domain, "reason": self.reason, "message": self.message}
        if self.location:
            first["locationType"], first["location"] = self.location
        return {"error": {"errors": [first], "code": self.http_status, "message": self.message}}


def not_found() -> ApiError:
    """The answer for a spreadsheet that does not exist, or is not a spreadsheet."""
    return ApiError("Requested entity was not found.", http_status=404)


def no_permission() -> ApiError:
    """The answer for a spreadsheet that the caller may not open."""
    return ApiError("The caller does not have permission", http_status=403)


def protected() -> ApiError:
    """The answer for a write into a protected range (400, not 403)."""
    return ApiError(
        "You are trying to edit a protected cell or object. Please contact the spreadsheet owner to remove"
        " protection if you need to edit."
    )


def bad_range(text: str) -> ApiError:
    """The answer for a range that cannot be read as A1, R1C1, a named range or a tab."""
    return ApiError(f"Unable to parse range: {text}")


def bad_fields(violations: list[tuple[str, str]]) -> ApiError:
    """The answer for a body that breaks the schema; each violation is (field, description)."""
    listed = [{"field": field, "description": text} if field else {"description": text} for field, text in violations]
    message = "\n".join(text for _, text in violations)
    return ApiError(message, details=[{"@type": BAD_REQUEST, "fieldViolations": listed}])


def bad_mask(paths: list[str]) -> ApiError:
    """The answer for a `fields` parameter that names what does not exist."""
    listed = [
        {
            "field": path,
            "description": f"Error expanding 'fields' parameter. Cannot find matching fields for path '{path}'.",
        }
        for path in paths
    ]
    return ApiError(
        "Request contains an invalid argument.", details=[{"@type": BAD_REQUEST, "fieldViolations": listed}]
    )
