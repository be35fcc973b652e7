"""What is sent again, after which waits, and what is never sent twice; on Google's real bodies, by a clock in hand."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from typing import Any

import gspread
import pytest
import requests
import responses
from google.auth import exceptions as auth_broken
from urllib3.exceptions import NewConnectionError, ProtocolError

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import (
    AuthError,
    NetworkError,
    NotFoundError,
    QuotaError,
    RequestRefusedError,
    SharingError,
    SheetSyncError,
    UnknownOutcomeError,
)
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.auth import Identity
from sheetsync.gsheets.client import Endpoint, classify, judge_exception
from sheetsync.gsheets.error_table import Target
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.gsheets.options import RetryPolicy, Timeouts

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcd"
URL = f"https://sheets.googleapis.com/v4/spreadsheets/{SHEET}"
FIELDS = "spreadsheetId"
make_refresh_error: Callable[..., Exception] = auth_broken.RefreshError  # google-auth has no types
make_transport_error: Callable[..., Exception] = auth_broken.TransportError
Body = Callable[..., str]
MakeApi = Callable[..., SheetsApi]


def per_minute(body: Body, what: str = "Read") -> str:
    metadata = {"quota_unit": "1/min/{project}/{user}", "quota_limit": f"{what}RequestsPerMinutePerUser"}
    detail = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "RATE_LIMIT_EXCEEDED",
        "metadata": metadata,
    }
    return body(429, "Quota exceeded", "RESOURCE_EXHAUSTED", [detail])


def read(api: SheetsApi) -> Any:
    return api.get(SHEET, fields=FIELDS)


def write(api: SheetsApi) -> Any:
    return api.batch_update(SHEET, [{"addSheet": {}}])


def test_a_read_that_works_is_one_call(google: responses.RequestsMock, api: SheetsApi, clock: FakeClock) -> None:
    google.get(URL, json={"spreadsheetId": SHEET})
    assert read(api) == {"spreadsheetId": SHEET}
    assert api.ledger.counts() == {"read": 1, "write": 0, "drive": 0}
    assert clock.slept == []


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_a_read_is_sent_again_after_a_server_error(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, body: Body, code: int
) -> None:
    google.get(URL, body=body(code, "unwell"), status=code)
    google.get(URL, body="<html>502</html>", status=502)
    google.get(URL, json={"spreadsheetId": SHEET})
    assert read(api) == {"spreadsheetId": SHEET}
    assert clock.slept == [0.5, 1.0]  # the middle of 0..1 and of 0..2
    assert api.ledger.counts()["read"] == 3


def test_a_read_gives_up_after_the_attempts_allowed(
    google: responses.RequestsMock, make_api: MakeApi, body: Body
) -> None:
    for _ in range(3):
        google.get(URL, body=body(503, "The service is currently unavailable.", "UNAVAILABLE"), status=503)
    with pytest.raises(NetworkError, match="503"):
        read(make_api(policy=RetryPolicy(attempts=3)))


def test_waits_grow_to_the_cap_and_no_further(
    google: responses.RequestsMock, make_api: MakeApi, clock: FakeClock, body: Body
) -> None:
    for _ in range(6):
        google.get(URL, body=body(500, "x", "INTERNAL"), status=500)
    with pytest.raises(NetworkError):
        read(make_api(policy=RetryPolicy(attempts=6, base_s=1, cap_s=4)))
    assert clock.slept == [0.5, 1.0, 2.0, 2.0, 2.0]


def test_no_wait_is_begun_that_would_end_after_the_deadline(
    google: responses.RequestsMock, make_api: MakeApi, clock: FakeClock, body: Body
) -> None:
    google.get(URL, body=per_minute(body), status=429)
    with pytest.raises(QuotaError):
        read(make_api(policy=RetryPolicy(deadline_s=60)))
    assert clock.slept == []


@pytest.mark.parametrize(("act", "method"), [(read, "GET"), (write, "POST")])
def test_the_first_wait_on_a_minute_quota_is_about_61_seconds_for_reads_and_writes(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, body: Body, act: Any, method: str
) -> None:
    url = URL if method == "GET" else f"{URL}:batchUpdate"
    google.add(method, url, body=per_minute(body), status=429)
    google.add(method, url, body=per_minute(body), status=429)
    google.add(method, url, json={"replies": []})
    act(api)
    assert clock.slept == [63.5, 1.0]  # 61 and the middle of 0..5; then full jitter


def test_the_servers_own_wish_to_wait_is_kept(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, body: Body
) -> None:
    google.get(URL, body=body(503, "x", "UNAVAILABLE"), status=503, headers={"Retry-After": "20"})
    google.get(URL, json={})
    read(api)
    assert clock.slept == [20.5]


@pytest.mark.parametrize("code", [408, 500, 502, 503, 504])
def test_a_write_is_never_sent_again_after_a_server_error(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, body: Body, code: int
) -> None:
    google.post(f"{URL}:batchUpdate", body=body(code, "x"), status=code)
    with pytest.raises(UnknownOutcomeError) as caught:
        write(api)
    assert "reads the sheet first" in caught.value.hint
    assert len(google.calls) == 1
    assert clock.slept == []


@pytest.mark.parametrize(
    "broken",
    [
        requests.exceptions.ReadTimeout("slow"),
        requests.exceptions.ConnectionError(ProtocolError("Connection aborted.", ConnectionResetError())),
        requests.exceptions.ChunkedEncodingError("torn"),
    ],
)
def test_a_write_without_an_answer_has_an_unknown_outcome_and_a_read_is_sent_again(
    google: responses.RequestsMock, api: SheetsApi, broken: Exception
) -> None:
    google.post(f"{URL}:batchUpdate", body=broken)
    with pytest.raises(UnknownOutcomeError):
        write(api)
    assert len(google.calls) == 1
    google.get(URL, body=broken)
    google.get(URL, json={})
    read(api)
    assert len(google.calls) == 3


@pytest.mark.parametrize(
    "broken",
    [
        requests.exceptions.ConnectTimeout(NewConnectionError(None, "x")),  # type: ignore[arg-type]
        requests.exceptions.ConnectionError(NewConnectionError(None, "refused")),  # type: ignore[arg-type]
    ],
)
def test_a_write_is_sent_again_where_no_connection_was_ever_made(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, broken: Exception
) -> None:
    google.post(f"{URL}:batchUpdate", body=broken)
    google.post(f"{URL}:batchUpdate", json={"replies": []})
    write(api)
    assert clock.slept == [0.5]


@pytest.mark.parametrize("torn", ['{"replies": [{}', "<html>sign in</html>", ""])
def test_a_torn_answer_is_no_answer(
    google: responses.RequestsMock, api: SheetsApi, torn: str, clock: FakeClock
) -> None:
    google.get(URL, body=torn)
    google.get(URL, json={"spreadsheetId": SHEET})
    assert read(api) == {"spreadsheetId": SHEET}
    google.post(f"{URL}:batchUpdate", body=torn)
    with pytest.raises(UnknownOutcomeError):
        write(api)
    assert len(clock.slept) == 1


def test_a_big_answer_that_only_looks_whole_is_refused_too(google: responses.RequestsMock, api: SheetsApi) -> None:
    google.post(f"{URL}:batchUpdate", body='{"replies": [' + "{}," * 50_000 + "}")
    google.get(URL, body='{"a": [' + "1," * 50_000 + "}")
    with pytest.raises(UnknownOutcomeError):
        write(api)
    with pytest.raises(NetworkError):
        read(api)


@pytest.mark.parametrize("rows", [5_000, 100_000])  # decoded as a whole, and in pieces
def test_a_sheet_whose_answer_was_torn_within_is_not_read(
    google: responses.RequestsMock, api: SheetsApi, rows: int
) -> None:
    row = '{"values":[{"userEnteredValue":{"stringValue":"x"}}]},'
    torn = '{"sheets":[{"properties":{"sheetId":1},"data":[{"rowData":[' + row * rows + '{"values":[{}]}'
    google.post(f"{URL}:getByDataFilter", body=torn)
    with pytest.raises(NetworkError, match="not whole"):
        GoogleSheetsGateway(api, SHEET, store_id="s").read({})


@pytest.mark.parametrize(
    ("code", "status", "error"),
    [
        (400, "INVALID_ARGUMENT", RequestRefusedError),
        (403, "PERMISSION_DENIED", SharingError),
        (404, "NOT_FOUND", NotFoundError),
    ],
)
def test_what_waiting_cannot_mend_is_not_sent_again(
    google: responses.RequestsMock, api: SheetsApi, body: Body, code: int, status: str, error: type[SheetSyncError]
) -> None:
    google.get(URL, body=body(code, "x", status), status=code)
    google.post(f"{URL}:batchUpdate", body=body(code, "x", status), status=code)
    with pytest.raises(error):
        read(api)
    with pytest.raises(error):
        write(api)
    assert len(google.calls) == 2


def test_a_write_that_may_never_be_sent_again_is_not_even_after_a_quota(
    google: responses.RequestsMock, api: SheetsApi, body: Body, clock: FakeClock
) -> None:
    google.post(f"{URL}:batchUpdate", body=per_minute(body, "Write"), status=429)
    with pytest.raises(QuotaError):
        api.batch_update(SHEET, [], retry="never")
    assert clock.slept == []


def test_a_daily_quota_is_not_waited_for(google: responses.RequestsMock, api: SheetsApi, clock: FakeClock) -> None:
    errors = [{"domain": "usageLimits", "reason": "dailyLimitExceeded"}]
    google.get(URL, json={"error": {"errors": errors, "code": 403, "message": "x"}}, status=403)
    with pytest.raises(QuotaError, match="used up"):
        read(api)
    assert clock.slept == []


def test_redirects_are_not_followed(google: responses.RequestsMock, make_api: MakeApi) -> None:
    google.get(URL, status=302, headers={"Location": "https://login.example.com/"})
    with pytest.raises(NetworkError, match="redirect"):
        read(make_api(policy=RetryPolicy(attempts=1)))


def test_every_call_has_finite_timeouts_for_connecting_and_for_reading(
    google: responses.RequestsMock, make_api: MakeApi
) -> None:
    google.get(URL, json={})
    api = make_api(timeouts=Timeouts(connect_s=3, read_s=7))
    read(api)
    assert google.calls[0].request.req_kwargs["timeout"] == (3, 7)  # type: ignore[attr-defined]


class _Trickle(io.RawIOBase):
    """A body that comes byte by byte, each well within the read timeout, and never ends."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._clock.advance(30)
        buffer[:1] = b" "
        return 1


def test_an_answer_that_trickles_for_ever_is_cut_off(
    google: responses.RequestsMock, make_api: MakeApi, clock: FakeClock
) -> None:
    google.get(URL, body=io.BufferedReader(_Trickle(clock), buffer_size=1))
    with pytest.raises(NetworkError, match="in time"):
        read(make_api(policy=RetryPolicy(attempts=1), timeouts=Timeouts(body_s=120)))
    assert clock.monotonic() < 300


def test_both_of_googles_hosts_are_replaced_by_an_endpoint(google: responses.RequestsMock, make_api: MakeApi) -> None:
    google.get(f"http://sheets.internal:9/base/v4/spreadsheets/{SHEET}", json={})
    google.post("http://sheets.internal:9/base/drive/v3/files", json={"id": "new"})
    api = make_api(endpoint="http://sheets.internal:9/base/", identity=Identity.anonymous())
    read(api)
    assert api.create_spreadsheet("a title") == "new"
    assert "Authorization" not in google.calls[0].request.headers
    assert api.ledger.counts() == {"read": 1, "write": 0, "drive": 1}


def test_netrc_and_proxies_of_the_environment_do_not_reach_this_machines_servers(make_api: MakeApi) -> None:
    assert make_api(endpoint="http://127.0.0.1:9").client.session.trust_env is False
    assert make_api().client.session.trust_env is True
    assert Endpoint("http://[::1]:80").is_loopback
    assert not Endpoint("http://127.evil.example").is_loopback


def test_gspreads_own_calls_go_by_our_rules(
    google: responses.RequestsMock, api: SheetsApi, clock: FakeClock, body: Body
) -> None:
    google.get(f"{URL}/values/A1", body=body(503, "x"), status=503)
    google.get(f"{URL}/values/A1", json={"values": [["1"]]})
    assert api.client.values_get(SHEET, "A1") == {"values": [["1"]]}
    google.put(f"{URL}/values/A1", body=body(503, "x"), status=503)
    with pytest.raises(UnknownOutcomeError):
        api.client.values_update(SHEET, "A1", body={"values": [["1"]]})
    google.get(URL, body=body(404, "x", "NOT_FOUND"), status=404)
    with pytest.raises(NotFoundError, match=SHEET):
        api.client.fetch_sheet_metadata(SHEET)
    assert isinstance(api.client, gspread.http_client.HTTPClient)
    assert len(clock.slept) == 1


@pytest.mark.parametrize(
    ("method", "path", "expected"),
    [
        ("GET", "/v4/spreadsheets/x", ("read", False)),
        ("POST", "/v4/spreadsheets/x:getByDataFilter", ("read", False)),
        ("POST", "/v4/spreadsheets/x/developerMetadata:search", ("read", False)),
        ("POST", "/v4/spreadsheets/x/values:batchGetByDataFilter", ("read", False)),
        ("POST", "/v4/spreadsheets/x:batchUpdate", ("write", True)),
        ("POST", "/v4/spreadsheets/x/values:batchUpdateByDataFilter", ("write", True)),
        ("PUT", "/v4/spreadsheets/x/values/A1", ("write", True)),
        ("POST", "/v4/spreadsheets", ("write", True)),
        ("GET", "/drive/v3/files/x", ("drive", False)),
        ("POST", "/drive/v3/files", ("drive", True)),
        ("DELETE", "/drive/v3/files/x", ("drive", True)),
    ],
)
def test_each_call_counts_against_its_quota(method: str, path: str, expected: tuple[str, bool]) -> None:
    assert classify(method, f"https://sheets.googleapis.com{path}") == expected


@pytest.mark.parametrize("is_write", [True, False])
def test_a_token_that_is_refused_says_so_without_repeating_what_the_server_said(is_write: bool) -> None:
    planted = make_refresh_error("invalid_grant: planted-secret", {"private_key": "planted-secret"})
    failed = judge_exception(planted, Target("x", "robot@p.iam"), is_write=is_write)
    assert isinstance(failed.error, AuthError)
    assert failed.again is False
    assert "planted-secret" not in f"{failed.error.message}{failed.error.hint}{failed}"


@pytest.mark.parametrize("is_write", [True, False])
def test_a_token_server_out_of_reach_is_the_networks_fault_and_nothing_was_sent(is_write: bool) -> None:
    failed = judge_exception(make_transport_error("x"), Target("x", ""), is_write=is_write)
    assert isinstance(failed.error, NetworkError)
    assert failed.again is True


def test_a_batch_asks_for_the_read_back_in_the_same_call(google: responses.RequestsMock, api: SheetsApi) -> None:
    google.post(f"{URL}:batchUpdate", json={"replies": [{}]})
    fields = "replies,updatedSpreadsheet(sheets(data(rowData)))"
    api.batch_update(SHEET, [{"x": {}}], fields=fields, response_ranges=["'A b'!A1:B2"])
    request = google.calls[0].request
    assert json.loads(request.body or "") == {
        "requests": [{"x": {}}],
        "includeSpreadsheetInResponse": True,
        "responseRanges": ["'A b'!A1:B2"],
    }
    assert request.params == {"fields": fields}  # type: ignore[attr-defined]


def test_ids_cannot_lead_to_another_path(google: responses.RequestsMock, api: SheetsApi) -> None:
    google.get("https://sheets.googleapis.com/v4/spreadsheets/..%2Fother%3Fx%3D1", json={})
    api.get("../other?x=1", fields="a")
    assert len(google.calls) == 1
