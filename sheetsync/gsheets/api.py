"""The calls that sheetsync makes to Sheets v4 and Drive v3, a method each. What they mean for tabs is in `gateway`.

Bodies go out through orjson; big answers come back as bytes, for the caller to parse as it likes. Values are always
typed: nothing here knows USER_ENTERED or values.append.
Source: sheets_api.md sections 2 and 3.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Final, Literal, Self
from urllib.parse import quote

import orjson

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.clock import Clock, SystemClock
from sheetsync.errors import NetworkError
from sheetsync.gsheets.auth import Identity
from sheetsync.gsheets.client import Params, SheetsHTTPClient
from sheetsync.gsheets.error_table import Target
from sheetsync.gsheets.options import RetryPolicy, Timeouts
from sheetsync.gsheets.quota import Limiter, NoLimiter
from sheetsync.gsheets.retry import NO_RETRIES, Retrier, unknown_outcome
from sheetsync.observability.ledger import CallLedger

SPREADSHEETS: Final = "https://sheets.googleapis.com/v4/spreadsheets"
DRIVE_FILES: Final = "https://www.googleapis.com/drive/v3/files"
SPREADSHEET_MIME: Final = "application/vnd.google-apps.spreadsheet"
JSON_HEADERS: Final = {"Content-Type": "application/json; charset=UTF-8"}
WriteRetry = Literal["never", "safe"]


class SheetsApi:
    """The Sheets and Drive calls of one identity against one endpoint.

    Every method raises `SheetSyncError`s only; see `client` and `error_table`. `identity` None is anonymous. `relocate`
    is asked for the base URL when a server on this machine is gone.
    """

    def __init__(
        self,
        identity: Identity | None = None,
        *,
        endpoint: str | None = None,
        clock: Clock | None = None,
        limiter: Limiter | None = None,
        ledger: CallLedger | None = None,
        retrier: Retrier | None = None,
        timeouts: Timeouts | None = None,
        relocate: Callable[[], str] | None = None,
    ) -> None:
        clock = clock or SystemClock()
        self.ledger = ledger or CallLedger()
        self.client = SheetsHTTPClient(
            identity or Identity.anonymous(),
            endpoint=endpoint,
            clock=clock,
            limiter=limiter or NoLimiter(),
            ledger=self.ledger,
            retrier=retrier or Retrier(RetryPolicy(), clock),
            timeouts=timeouts,
            relocate=relocate,
        )

    @property
    def identity(self) -> Identity:
        """Who calls; `.label` is the e-mail to share with, or "" for anonymous."""
        return self.client.identity

    def spreadsheet_url(self, spreadsheet_id: str) -> str:
        """Where people see the spreadsheet; "" where it is on a server that ends with this process."""
        if self.client.is_passing:
            return ""
        base = self.client.endpoint.base or "https://docs.google.com"
        return f"{base.rstrip('/')}/spreadsheets/d/{quote(spreadsheet_id, safe='')}/edit"

    def get(self, spreadsheet_id: str, *, fields: str, ranges: Sequence[str] = ()) -> JSONValue:
        """One read: `spreadsheets.get` with a field mask; ranges are A1, by title."""
        return _parse_read(self.get_bytes(spreadsheet_id, fields=fields, ranges=ranges))

    def get_bytes(self, spreadsheet_id: str, *, fields: str, ranges: Sequence[str] = ()) -> bytes:
        """`get`, its body unparsed."""
        params: dict[str, str | list[str]] = {"fields": fields}
        if ranges:
            params["ranges"] = list(ranges)
        return self._call("GET", _spreadsheet_url(spreadsheet_id), spreadsheet_id, params=params)

    def get_by_filter(self, spreadsheet_id: str, *, filters: Sequence[JSONValue], fields: str) -> JSONValue:
        """One read: `getByDataFilter`; filters are `{"gridRange": …}` or `{"developerMetadataLookup": …}`."""
        return _parse_read(self.get_by_filter_bytes(spreadsheet_id, filters=filters, fields=fields))

    def get_by_filter_bytes(self, spreadsheet_id: str, *, filters: Sequence[JSONValue], fields: str) -> bytes:
        """`get_by_filter`, its body unparsed."""
        url = _spreadsheet_url(spreadsheet_id) + ":getByDataFilter"
        body = orjson.dumps({"dataFilters": list(filters)})
        return self._call("POST", url, spreadsheet_id, params={"fields": fields}, data=body)

    def batch_update(
        self,
        spreadsheet_id: str,
        requests: Sequence[JSONValue],
        *,
        fields: str = "spreadsheetId,replies",
        response_ranges: Sequence[str] = (),
        retry: WriteRetry = "safe",
    ) -> JSONValue:
        """One write, all of it or nothing; with `updatedSpreadsheet(…)` in `fields` the answer has the read-back.

        `retry="safe"` sends again only what was certainly not applied; "never" sends once.

        Raises:
            RequestRefusedError: refused as invalid; nothing was applied.
            UnknownOutcomeError: no answer that can be read; it may have been applied.
        """
        body = self.batch_update_bytes(
            spreadsheet_id, requests, fields=fields, response_ranges=response_ranges, retry=retry
        )
        return _parse_write(body)

    def batch_update_bytes(
        self,
        spreadsheet_id: str,
        requests: Sequence[JSONValue],
        *,
        fields: str = "spreadsheetId,replies",
        response_ranges: Sequence[str] = (),
        retry: WriteRetry = "safe",
    ) -> bytes:
        """`batch_update`, its body unparsed; an unreadable body means an unknown outcome. Requests may be Fragments."""
        body: dict[str, JSONValue] = {"requests": list(requests)}
        if "updatedSpreadsheet" in fields:
            body["includeSpreadsheetInResponse"] = True
            if response_ranges:
                body["responseRanges"] = list(response_ranges)
        url = _spreadsheet_url(spreadsheet_id) + ":batchUpdate"
        policy = NO_RETRIES if retry == "never" else None
        data = orjson.dumps(body)
        return self._call("POST", url, spreadsheet_id, params={"fields": fields}, data=data, policy=policy)

    def create_spreadsheet(self, title: str) -> str:
        """A new spreadsheet, as gspread makes one; its id. Service accounts cannot on Google: they own no files."""
        body = orjson.dumps({"name": title, "mimeType": SPREADSHEET_MIME})
        answer = _parse_write(self._call("POST", DRIVE_FILES, "", params={"supportsAllDrives": "true"}, data=body))
        return str(answer["id"])

    def drive_metadata(self, spreadsheet_id: str, *, fields: str = "id,name,version,modifiedTime") -> JSONValue:
        """Drive's view of the file; needs the scope drive.metadata.readonly."""
        params: Params = {"fields": fields, "supportsAllDrives": "true"}
        return _parse_read(
            self._call("GET", f"{DRIVE_FILES}/{quote(spreadsheet_id, safe='')}", spreadsheet_id, params=params)
        )

    def close(self) -> None:
        """Close the connections."""
        self.client.session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _call(
        self,
        method: str,
        url: str,
        spreadsheet_id: str,
        *,
        params: Params,
        data: bytes | None = None,
        policy: RetryPolicy | None = None,
    ) -> bytes:
        target = Target(spreadsheet_id, self.identity.label, self.client.host_of(url))
        headers = JSON_HEADERS if data is not None else None
        return self.client.exchange(
            method, url, params=params, data=data, headers=headers, target=target, policy=policy, expect_json=True
        ).body


def _spreadsheet_url(spreadsheet_id: str) -> str:
    return f"{SPREADSHEETS}/{quote(spreadsheet_id, safe='')}"


def not_whole() -> NetworkError:
    """The error of an answer to a read that is no JSON, or was torn."""
    return NetworkError(
        "the server's answer is not whole JSON",
        hint="a proxy or a sign-in page may stand between: open a web page, then try again",
    )


def _parse_read(body: bytes) -> JSONValue:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise not_whole() from None


def _parse_write(body: bytes) -> JSONValue:
    try:
        return orjson.loads(body)
    except orjson.JSONDecodeError:
        raise unknown_outcome("the answer is not whole JSON") from None
