"""Every body of Google's that is known (sheets_api.md section 9) becomes one error of ours, whatever its language."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import responses
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.errors import (
    AuthError,
    NetworkError,
    NotAllowedError,
    NotFoundError,
    QuotaError,
    RequestRefusedError,
    SharingError,
    SheetSyncError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.error_table import SHOWN_CHARS, Target, parse_failure, translate
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.gsheets.options import RetryPolicy

TARGET = Target("1AbCsheet", "robot@project.iam.gserviceaccount.com", "sheets.googleapis.com")


def sheets(code: int, message: str, status: str = "", details: list[Any] | None = None) -> bytes:
    error: dict[str, Any] = {"code": code, "message": message, "status": status}
    if details is not None:
        error["details"] = details
    return json.dumps({"error": error}).encode()


def drive(code: int, reason: str, message: str, domain: str = "global") -> bytes:
    errors = [{"domain": domain, "reason": reason, "message": message}]
    return json.dumps({"error": {"errors": errors, "code": code, "message": message}}).encode()


def info(reason: str, **metadata: str) -> dict[str, Any]:
    return {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": reason,
        "domain": "googleapis.com",
        "metadata": metadata,
    }


READ_QUOTA = info(
    "RATE_LIMIT_EXCEEDED",
    quota_limit_value="60",
    service="sheets.googleapis.com",
    consumer="projects/1234567",
    quota_unit="1/min/{project}/{user}",
    quota_location="global",
    quota_metric="sheets.googleapis.com/read_requests",
    quota_limit="ReadRequestsPerMinutePerUser",
)
PROTECTED = (
    "Invalid requests[3].updateCells: You are trying to edit a protected cell or object."
    " Please contact the spreadsheet owner to remove protection if you need to edit."
)
PROTECTED_ES = "Invalid requests[3].updateCells: Estás intentando editar una celda o un objeto protegidos."
HTML_502 = (
    b"<!DOCTYPE html><html lang=en><title>Error 502 (Server Error)!!1</title><style>*{margin:0}</style>"
    b"<p><b>502.</b> <ins>That's an error.</ins></html>"
)
AUTOMATED = (
    b"<html><head><title>Sorry...</title></head><body>... but your computer or network may be sending"
    b" automated queries.</body></html>"
)


@dataclass(frozen=True)
class Case:
    name: str
    code: int
    body: bytes
    error: type[SheetSyncError]
    exit_code: int
    says: tuple[str, ...] = ()
    error_code: str = ""
    fields: dict[str, object] = field(default_factory=dict)


CASES = [
    Case(
        "no such spreadsheet",
        404,
        sheets(404, "Requested entity was not found.", "NOT_FOUND"),
        NotFoundError,
        2,
        ("1AbCsheet", "/d/"),
        "spreadsheet_not_found",
    ),
    Case(
        "drive: no such file",
        404,
        drive(404, "notFound", "File not found: 1AbCsheet."),
        NotFoundError,
        2,
        ("1AbCsheet",),
    ),
    Case(
        "an office file",
        400,
        sheets(
            400,
            "This operation is not supported for this document. The document must not be an Office file.",
            "FAILED_PRECONDITION",
        ),
        UsageError,
        2,
        ("Save as Google Sheets",),
        "not_a_spreadsheet",
    ),
    Case(
        "not shared",
        403,
        sheets(403, "The caller does not have permission", "PERMISSION_DENIED"),
        SharingError,
        5,
        ("robot@project.iam.gserviceaccount.com", "Editor"),
    ),
    Case(
        "not shared, in another language",
        403,
        sheets(403, "呼び出し元に権限がありません", "PERMISSION_DENIED"),
        SharingError,
        5,
    ),
    Case(
        "api disabled",
        403,
        sheets(
            403,
            "Google Sheets API has not been used in project 1234567 before or it is disabled.",
            "PERMISSION_DENIED",
            [
                {"@type": "type.googleapis.com/google.rpc.Help", "links": []},
                info("SERVICE_DISABLED", service="sheets.googleapis.com", consumer="projects/1234567"),
            ],
        ),
        AuthError,
        5,
        ("1234567", "gcloud services enable sheets.googleapis.com"),
        "api_disabled",
    ),
    Case(
        "drive: api disabled",
        403,
        drive(403, "accessNotConfigured", "Access Not Configured.", "usageLimits"),
        AuthError,
        5,
        error_code="api_disabled",
    ),
    Case(
        "scope missing",
        403,
        sheets(
            403,
            "Request had insufficient authentication scopes.",
            "PERMISSION_DENIED",
            [info("ACCESS_TOKEN_SCOPE_INSUFFICIENT", service="sheets.googleapis.com")],
        ),
        AuthError,
        5,
        ("scope",),
        "scope_missing",
    ),
    Case(
        "drive: scope missing",
        403,
        drive(403, "insufficientPermissions", "Insufficient Permission"),
        AuthError,
        5,
        error_code="scope_missing",
    ),
    Case(
        "service accounts own no files",
        403,
        drive(403, "storageQuotaExceeded", "The user's Drive storage quota has been exceeded.", "usageLimits"),
        NotAllowedError,
        5,
        ("share",),
        "no_storage",
    ),
    Case(
        "drive: user rate limit",
        403,
        drive(403, "userRateLimitExceeded", "User Rate Limit Exceeded", "usageLimits"),
        QuotaError,
        75,
    ),
    Case(
        "drive: daily limit",
        403,
        drive(403, "dailyLimitExceeded", "Daily Limit Exceeded", "usageLimits"),
        QuotaError,
        75,
        ("tomorrow",),
    ),
    Case("unauthorised", 401, sheets(401, "Request had invalid credentials.", "UNAUTHENTICATED"), AuthError, 5),
    Case("token endpoint", 401, b'{"error": "invalid_client", "error_description": "x"}', AuthError, 5),
    Case(
        "a range that cannot be read",
        400,
        sheets(400, "Unable to parse range: NOPE!A5:F15", "INVALID_ARGUMENT"),
        RequestRefusedError,
        4,
        ("NOPE!A5:F15",),
        fields={"status": "INVALID_ARGUMENT", "request_index": None},
    ),
    Case(
        "a mask that cannot be read",
        400,
        sheets(
            400,
            "Request contains an invalid argument.",
            "INVALID_ARGUMENT",
            [{"@type": "type.googleapis.com/google.rpc.BadRequest", "fieldViolations": [{"field": "sheets.x"}]}],
        ),
        RequestRefusedError,
        4,
    ),
    Case(
        "past the grid",
        400,
        sheets(
            400,
            "Invalid data[7]: Range (Solar!Y1) exceeds grid limits. Max rows: 981, max columns: 24",
            "INVALID_ARGUMENT",
        ),
        RequestRefusedError,
        4,
        fields={"request_index": 7, "request_kind": ""},
    ),
    Case(
        "protected",
        400,
        sheets(400, PROTECTED, "INVALID_ARGUMENT"),
        RequestRefusedError,
        4,
        fields={"request_index": 3, "request_kind": "updateCells"},
    ),
    Case(
        "protected, in Spanish",
        400,
        sheets(400, PROTECTED_ES, "INVALID_ARGUMENT"),
        RequestRefusedError,
        4,
        fields={"request_index": 3, "request_kind": "updateCells"},
    ),
    Case(
        "a tab of that name",
        400,
        sheets(
            400,
            'Invalid requests[0].addSheet: A sheet with the name "Sheet1" already exists. Please enter another name.',
            "INVALID_ARGUMENT",
        ),
        RequestRefusedError,
        4,
        fields={"request_index": 0, "request_kind": "addSheet"},
    ),
    Case("no such tab", 400, sheets(400, "No grid with id: 7", "INVALID_ARGUMENT"), RequestRefusedError, 4),
    Case(
        "read quota",
        429,
        sheets(
            429,
            "Quota exceeded for quota metric 'Read requests' and limit 'Read requests per minute per user'.",
            "RESOURCE_EXHAUSTED",
            [READ_QUOTA, {"@type": "type.googleapis.com/google.rpc.Help", "links": []}],
        ),
        QuotaError,
        75,
        ("ReadRequestsPerMinutePerUser", "60", "minute"),
    ),
    Case("quota without details", 429, sheets(429, "Quota", "RESOURCE_EXHAUSTED"), QuotaError, 75),
    Case("automated queries, in HTML", 429, AUTOMATED, QuotaError, 75),
    Case(
        "unavailable",
        503,
        sheets(503, "The service is currently unavailable.", "UNAVAILABLE"),
        NetworkError,
        75,
        ("503",),
    ),
    Case("internal", 500, sheets(500, "Internal error encountered.", "INTERNAL"), NetworkError, 75),
    Case("bad gateway, in HTML", 502, HTML_502, NetworkError, 75, ("502", "Error 502 (Server Error)!!1")),
    Case("cut off JSON", 503, b'{"error": {"code": 503, "mess', NetworkError, 75),
    Case("empty body", 504, b"", NetworkError, 75),
    Case("request timeout", 408, b"", NetworkError, 75),
    Case("aborted", 409, sheets(409, "The operation was aborted.", "ABORTED"), NetworkError, 75),
    Case("too large", 413, b"<html>413</html>", RequestRefusedError, 4),
    Case("a redirect", 302, b"", NetworkError, 75, ("proxy",)),
    Case("a list for a body", 400, b"[1, 2]", RequestRefusedError, 4),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_known_body_becomes_its_error_with_a_hint(case: Case) -> None:
    error = translate(parse_failure(case.code, case.body), TARGET)
    assert type(error) is case.error
    assert error.exit_code == case.exit_code
    assert error.hint
    assert "\n" not in error.message
    for words in case.says:
        assert words in f"{error.message} {error.hint}"
    if case.error_code:
        assert error.code == case.error_code
    for name, value in case.fields.items():
        assert getattr(error, name) == value


URL = "https://sheets.googleapis.com/v4/spreadsheets/1AbCsheet"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_each_known_body_comes_through_gateway_and_client_as_its_error(
    google: responses.RequestsMock, make_api: Callable[..., SheetsApi], case: Case
) -> None:
    google.get(URL, body=case.body, status=case.code)
    google.post(f"{URL}:getByDataFilter", body=case.body, status=case.code)
    google.post(f"{URL}:batchUpdate", body=case.body, status=case.code)
    api = make_api(policy=RetryPolicy(attempts=1))
    gateway = GoogleSheetsGateway(api, "1AbCsheet", store_id="s")
    with pytest.raises(case.error):
        gateway.list_tabs()
    with pytest.raises(case.error):
        gateway.read({})
    may_have_landed = case.error is NetworkError and case.code >= 400
    with pytest.raises(UnknownOutcomeError if may_have_landed else case.error):
        api.batch_update("1AbCsheet", [{"addSheet": {}}])
    assert api.ledger.counts() == {"read": 2, "write": 1, "drive": 0}


@pytest.mark.parametrize("case", [c for c in CASES if b'"message"' in c.body], ids=lambda case: case.name)
def test_the_prose_never_decides(case: Case) -> None:
    value = json.loads(case.body)
    value["error"]["message"] = "протокол Quota SERVICE_DISABLED not found permission"
    error = translate(parse_failure(case.code, json.dumps(value).encode()), TARGET)
    assert type(error) is case.error
    if case.error_code:
        assert error.code == case.error_code


def test_the_page_on_access_names_every_code_with_its_exit_code() -> None:
    page = (Path(__file__).resolve().parents[2] / "docs" / "access.md").read_text(encoding="utf-8")
    written = dict(re.findall(r"(?m)^\| `(\w+)` \| (\d+) \|", page))
    errors = [translate(parse_failure(case.code, case.body), TARGET) for case in CASES]
    made = {error.code: str(error.exit_code) for error in errors} | {"unknown_outcome": "75"}
    assert written == made


def test_a_spreadsheet_on_another_server_is_looked_for_there() -> None:
    failure = parse_failure(404, sheets(404, "x", "NOT_FOUND"))
    error = translate(failure, Target("abc", "", "127.0.0.1:8090"))
    assert "127.0.0.1:8090" in error.message


def test_googles_prose_is_shortened_and_holds_no_secret() -> None:
    prose = "Bearer ya29.planted-secret-token " + "x" * 5000
    error = translate(parse_failure(400, sheets(400, prose, "INVALID_ARGUMENT")), TARGET)
    assert "planted-secret" not in error.message
    assert len(error.message) < SHOWN_CHARS + 100


@pytest.mark.parametrize(
    ("body", "per_minute"),
    [
        (sheets(429, "", "RESOURCE_EXHAUSTED", [READ_QUOTA]), True),
        (sheets(429, "", "RESOURCE_EXHAUSTED"), True),
        (sheets(429, "", "RESOURCE_EXHAUSTED", [info("X", quota_unit="1/d/{project}")]), False),
        (AUTOMATED, False),
    ],
)
def test_only_a_quota_that_is_refilled_each_minute_is_worth_a_minutes_wait(body: bytes, per_minute: bool) -> None:
    assert parse_failure(429, body).is_per_minute is per_minute


@given(st.integers(100, 599), st.binary(max_size=300))
def test_no_answer_whatever_makes_the_table_fail(code: int, body: bytes) -> None:
    error = translate(parse_failure(code, body), TARGET)
    assert error.hint
    assert error.exit_code in (2, 4, 5, 75)


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=20),
        lambda inner: (
            st.lists(inner, max_size=4)
            | st.dictionaries(
                st.sampled_from(["error", "code", "message", "status", "details", "errors", "reason", "metadata"]),
                inner,
                max_size=6,
            )
        ),
        max_leaves=20,
    )
)
def test_no_json_whatever_makes_the_parser_fail(value: object) -> None:
    for code in (400, 403, 429, 503):
        translate(parse_failure(code, json.dumps({"error": value}).encode()), TARGET)
