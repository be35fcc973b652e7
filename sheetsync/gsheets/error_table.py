"""Google's error answers, parsed and translated into our errors: one table, read by code, status and reason.

The prose of an answer is localised and changes; it is shown (shortened, without secrets) but never decides anything.
Whether a failed call may be sent again is decided in `retry`, from the `Failure` made here.

Source: sheets_api.md section 9 (envelopes), section 1 (quota), section 6 (scopes, service accounts).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from sheetsync.errors import (
    AuthError,
    NetworkError,
    NotAllowedError,
    NotFoundError,
    QuotaError,
    RequestRefusedError,
    SharingError,
    SheetSyncError,
    UsageError,
)
from sheetsync.observability.redaction import redact

SHOWN_CHARS: Final = 300  # of Google's prose in our messages
TRANSIENT_CODES: Final = frozenset({408, 500, 502, 503, 504})
_PLACE: Final = re.compile(r"(?:requests|data|dataFilter)\[(\d+)\](?:\.([A-Za-z]+))?")
_RATE_REASONS: Final = frozenset(
    {"RATE_LIMIT_EXCEEDED", "rateLimitExceeded", "userRateLimitExceeded", "sharingRateLimitExceeded"}
)
_SPENT_REASONS: Final = frozenset({"dailyLimitExceeded", "quotaExceeded"})
_STORAGE_REASONS: Final = frozenset({"storageQuotaExceeded", "teamDriveFileLimitExceeded"})
_DISABLED_REASONS: Final = frozenset({"SERVICE_DISABLED", "accessNotConfigured"})
_SCOPE_REASONS: Final = frozenset({"ACCESS_TOKEN_SCOPE_INSUFFICIENT", "insufficientPermissions", "insufficientScopes"})


@dataclass(frozen=True, slots=True)
class Target:
    """What a call was about, for messages: the spreadsheet's id ("" if none) and the identity's e-mail or label."""

    spreadsheet_id: str = ""
    identity: str = ""
    host: str = "sheets.googleapis.com"


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is not a success, as fields.

    `code` is the HTTP status, `status` the canonical word ("" in Drive's shape and in HTML), `reasons` the reasons of
    both shapes, `metadata` that of the ErrorInfo detail, `message` Google's prose, for people only.
    """

    code: int
    status: str = ""
    reasons: frozenset[str] = frozenset()
    metadata: Mapping[str, str] = field(default_factory=dict)
    message: str = ""
    retry_after_s: float | None = None
    structured: bool = True

    @property
    def is_quota(self) -> bool:
        """Is a rate or quota used up? Such a call was not carried out."""
        return self.code == 429 or (self.code == 403 and bool(self.reasons & (_RATE_REASONS | _SPENT_REASONS)))

    @property
    def is_rate(self) -> bool:
        """Will waiting help within minutes?"""
        return self.is_quota and not self.reasons & _SPENT_REASONS and "/d/" not in self.metadata.get("quota_unit", "")

    @property
    def is_per_minute(self) -> bool:
        """Is it a quota that is refilled each minute? Recorded answers carry no Retry-After (section 1)."""
        unit = self.metadata.get("quota_unit", "")
        return self.is_rate and (
            unit.startswith("1/min")
            or "RATE_LIMIT_EXCEEDED" in self.reasons
            or (self.status == "RESOURCE_EXHAUSTED" and not unit)
        )

    @property
    def is_transient(self) -> bool:
        """May the server be well again soon? Says nothing on whether the call was carried out."""
        return self.code in TRANSIENT_CODES or self.code >= 500 or self.status == "ABORTED"


def parse_failure(code: int, body: bytes, *, retry_after: str | None = None) -> Failure:
    """Read an error answer of any shape: Sheets', Drive's, HTML, cut off, or empty."""
    wait = float(retry_after) if retry_after is not None and retry_after.strip().isdigit() else None
    error = _error_object(body)
    if error is None:
        return Failure(code, message=_plain(body), retry_after_s=wait, structured=False)
    reasons, metadata = _details(error.get("details"))
    status = error.get("status")
    message = error.get("message")
    return Failure(
        code,
        status=status if isinstance(status, str) else "",
        reasons=frozenset(reasons | _drive_reasons(error.get("errors"))),
        metadata=metadata,
        message=message if isinstance(message, str) else "",
        retry_after_s=wait,
    )


def _error_object(body: bytes) -> dict[str, object] | None:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    error = value.get("error") if isinstance(value, dict) else None
    if isinstance(error, str):  # the token endpoint's shape
        return {"status": error, "message": error}
    return error if isinstance(error, dict) else None


def _details(details: object) -> tuple[set[str], dict[str, str]]:
    reasons: set[str] = set()
    metadata: dict[str, str] = {}
    for detail in details if isinstance(details, list) else ():
        if not isinstance(detail, dict):
            continue
        if isinstance(detail.get("reason"), str):
            reasons.add(detail["reason"])
        known = detail.get("metadata")
        if isinstance(known, dict):
            metadata.update({str(k): v for k, v in known.items() if isinstance(v, str)})
    return reasons, metadata


def _drive_reasons(errors: object) -> set[str]:
    listed = errors if isinstance(errors, list) else []
    return {item["reason"] for item in listed if isinstance(item, dict) and isinstance(item.get("reason"), str)}


def _plain(body: bytes) -> str:
    """The words of an HTML or text body: tags, styles and scripts dropped."""
    text = body[:20_000].decode("utf-8", errors="replace")
    text = re.sub(r"(?is)<(script|style)\b.*?(</\1>|\Z)", " ", text)
    return " ".join(re.sub(r"<[^>]*>", " ", text).split())


def shown(message: str) -> str:
    """Google's prose as it may be shown: one line, short, no secrets."""
    text = " ".join(redact(message).split()).rstrip(".")
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def _with_prose(ours: str, failure: Failure) -> str:
    prose = shown(failure.message)
    return f"{ours}: {prose}" if prose else ours


def _unauthorised(_failure: Failure, target: Target) -> SheetSyncError:
    return AuthError(
        f"{target.host} refused the credentials{_of(target)}",
        hint="check [credentials] in sheetsync.toml and the machine's clock, then run 'sheetsync doctor'",
    )


def _of(target: Target) -> str:
    return f" of {target.identity}" if target.identity else ""


def _disabled(failure: Failure, target: Target) -> SheetSyncError:
    service = failure.metadata.get("service") or target.host
    consumer = failure.metadata.get("consumer", "").removeprefix("projects/")
    project = f" in project {consumer}" if consumer else ""
    return AuthError(
        f"the API {service} is not enabled{project}",
        hint=f"enable it: gcloud services enable {service}; it takes a few minutes to be known everywhere",
        code="api_disabled",
    )


def _scope(_failure: Failure, target: Target) -> SheetSyncError:
    return AuthError(
        f"the credentials{_of(target)} lack a scope that this call needs",
        hint="sign in again with the scope https://www.googleapis.com/auth/spreadsheets; see docs/access.md",
        code="scope_missing",
    )


def _storage(_failure: Failure, target: Target) -> SheetSyncError:
    return NotAllowedError(
        f"the identity{_of(target)} cannot own files: Google gives service accounts no storage",
        hint="make the spreadsheet as a person, share it with that address as Editor, and set 'spreadsheet' to its id",
        code="no_storage",
    )


def _quota(failure: Failure, target: Target) -> SheetSyncError:
    metric = failure.metadata.get("quota_limit") or failure.metadata.get("quota_metric") or "a quota"
    value = failure.metadata.get("quota_limit_value")
    limit = f" ({value})" if value else ""
    later = "in a minute" if failure.is_rate else "tomorrow"
    return QuotaError(
        f"{target.host}: {metric}{limit} is used up",
        hint=f"try again {later}; run fewer processes with this identity, or ask for a higher quota",
    )


def _not_shared(failure: Failure, target: Target) -> SheetSyncError:
    what = f"spreadsheet {target.spreadsheet_id}" if target.spreadsheet_id else "this"
    who = target.identity or "the identity in use"
    return SharingError(
        _with_prose(f"{who} may not use {what}", failure),
        hint=f"share the spreadsheet with {who} as Editor, then run the command again",
    )


def _missing(failure: Failure, target: Target) -> SheetSyncError:
    if not target.spreadsheet_id:
        return NotFoundError(_with_prose(f"{target.host} has no such thing", failure))
    return NotFoundError(
        f"there is no spreadsheet {target.spreadsheet_id} on {target.host}",
        hint="check 'spreadsheet' in sheetsync.toml: it is the part of the sheet's address between /d/ and /edit",
        code="spreadsheet_not_found",
    )


def _wrong_kind(failure: Failure, target: Target) -> SheetSyncError:
    return UsageError(
        _with_prose(f"{target.spreadsheet_id or 'the document'} is not a Google spreadsheet", failure),
        hint="open it in Google Sheets, choose File > Save as Google Sheets, and use the id of the new document",
        code="not_a_spreadsheet",
    )


def _invalid(failure: Failure, _target: Target) -> SheetSyncError:
    place = _PLACE.search(failure.message)
    return RequestRefusedError(
        _with_prose("the Sheets server refused the request", failure),
        hint="nothing was written; run the command again, and if it stays so, run 'sheetsync doctor'",
        status=failure.status,
        request_index=int(place[1]) if place else None,
        request_kind=(place[2] or "") if place else "",
    )


def _unwell(failure: Failure, target: Target) -> SheetSyncError:
    return NetworkError(
        _with_prose(f"{target.host} answered {failure.code}", failure),
        hint="try again later; it is the server's fault or the network's",
    )


def _diverted(failure: Failure, target: Target) -> SheetSyncError:
    return NetworkError(
        f"{target.host} answered {failure.code}, a redirect that its API never gives",
        hint="a proxy or a sign-in page of the network seems to stand between: open a web page, then try again",
    )


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table: the first whose `when` holds makes the error."""

    name: str
    when: Callable[[Failure], bool]
    make: Callable[[Failure, Target], SheetSyncError]


TABLE: Final[tuple[Row, ...]] = (
    Row("redirect", lambda f: 300 <= f.code < 400, _diverted),
    Row("unauthorised", lambda f: f.code == 401, _unauthorised),
    Row("quota", lambda f: f.is_quota, _quota),
    Row("disabled", lambda f: f.code == 403 and bool(f.reasons & _DISABLED_REASONS), _disabled),
    Row("scope", lambda f: f.code == 403 and bool(f.reasons & _SCOPE_REASONS), _scope),
    Row("storage", lambda f: f.code == 403 and bool(f.reasons & _STORAGE_REASONS), _storage),
    Row("not shared", lambda f: f.code == 403, _not_shared),
    Row("missing", lambda f: f.code in (404, 410), _missing),
    Row("transient", lambda f: f.is_transient, _unwell),
    Row("wrong kind", lambda f: f.code == 400 and f.status == "FAILED_PRECONDITION", _wrong_kind),
    Row("invalid", lambda f: 400 <= f.code < 500, _invalid),
    Row("anything else", lambda _: True, _unwell),
)


def translate(failure: Failure, target: Target) -> SheetSyncError:
    """The error of ours for an answer; nothing is raised here."""
    return next(row for row in TABLE if row.when(failure)).make(failure, target)
