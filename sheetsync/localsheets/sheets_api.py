"""The paths of Sheets v4: which call a request is.  Each call's work is in the module that is named here."""

from __future__ import annotations

import gc
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final
from urllib.parse import unquote

from sheetsync.localsheets import access, batch, errors, fields, metadata_api, spreadsheets_api, values_api
from sheetsync.localsheets.call import Call, Options
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.pipeline import answer, html_not_found, json_body
from sheetsync.localsheets.schema import camel, snake
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

PREFIX: Final = "/v4/spreadsheets"

# (method, pattern of what follows the id) -> the handler and the message that it answers with.
Handler = Callable[..., Json]
_CALLS: Final[list[tuple[str, re.Pattern[str], Handler, str]]] = [
    ("GET", re.compile(r"/?"), spreadsheets_api.get, "Spreadsheet"),
    ("POST", re.compile(r"/?:getByDataFilter"), spreadsheets_api.get_by_data_filter, "Spreadsheet"),
    ("POST", re.compile(r"/?:batchUpdate"), batch.batch_update, "BatchUpdateSpreadsheetResponse"),
    ("GET", re.compile(r"/values:batchGet"), values_api.batch_get, "BatchGetValuesResponse"),
    ("POST", re.compile(r"/values:batchUpdate"), values_api.batch_update, "BatchUpdateValuesResponse"),
    ("POST", re.compile(r"/values:batchClear"), values_api.batch_clear, "BatchClearValuesResponse"),
    *(
        ("POST", re.compile(rf"/values:batch{what}ByDataFilter"), handler, f"Batch{what}ValuesByDataFilterResponse")
        for what, handler in (
            ("Get", values_api.batch_get_by_data_filter),
            ("Update", values_api.batch_update_by_data_filter),
            ("Clear", values_api.batch_clear_by_data_filter),
        )
    ),
    ("POST", re.compile(r"/values/([^/]+):append"), values_api.append_values, "AppendValuesResponse"),
    ("POST", re.compile(r"/values/([^/]+):clear"), values_api.clear, "ClearValuesResponse"),
    ("GET", re.compile(r"/values/([^/]+)"), values_api.get, "ValueRange"),
    ("PUT", re.compile(r"/values/([^/]+)"), values_api.update, "UpdateValuesResponse"),
    ("GET", re.compile(r"/developerMetadata/([^/]+)"), metadata_api.get, "DeveloperMetadata"),
    ("POST", re.compile(r"/developerMetadata:search"), metadata_api.search, "SearchDeveloperMetadataResponse"),
    ("POST", re.compile(r"/sheets/([^/]+):copyTo"), spreadsheets_api.copy_to, "SheetProperties"),
]  # fmt: skip
# The query parameters of each handler; those that every call takes are in `_COMMON`.
_READ: Final = frozenset({"majorDimension", "valueRenderOption", "dateTimeRenderOption"})
_WRITE: Final = frozenset(
    {"valueInputOption", "includeValuesInResponse", "responseValueRenderOption", "responseDateTimeRenderOption"}
)
_GET: Final = frozenset({"ranges", "includeGridData", "excludeTablesInBandedRanges", "commentsViewMode"})
_QUERIES: Final[dict[Handler, frozenset[str]]] = {
    spreadsheets_api.get: _GET,
    values_api.get: _READ,
    values_api.batch_get: _READ | {"ranges"},
    values_api.update: _WRITE,
    values_api.append_values: _WRITE | {"insertDataOption"},
}
_COMMON: Final = frozenset(
    {"$.xgafv", "access_token", "alt", "callback", "fields", "key", "oauth_token", "prettyPrint", "quotaUser"}
    | {"uploadType", "upload_protocol"}
)
_BOOLEANS: Final = ("includeGridData", "excludeTablesInBandedRanges", "includeValuesInResponse")
_PATH: Final = re.compile(rf"{PREFIX}/([^/:]+)(.*)")
_COLON: Final = re.compile(r"%3A(?=(?:append|clear|batch\w+|getByDataFilter|search|copyTo)$)", re.IGNORECASE)


@contextmanager
def paused_gc() -> Iterator[None]:
    """Let Python's cycle collector rest: walking a million live cells for a call that makes no cycles is slow."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def paths() -> list[tuple[str, str]]:
    """The calls that are answered, as (method, path)."""
    found = [("POST", PREFIX)]
    for method, pattern, _handler, _message in _CALLS:
        rest = pattern.pattern.removeprefix("/?").replace("([^/]+)", "{…}")
        found.append((method, f"{PREFIX}/{{id}}{rest}"))
    return found


def check_query(request: Request, handler: Handler) -> None:
    """Refuse query parameters that the call does not have, and booleans that are none.

    Raises:
        ApiError: 400.
    """
    known = _QUERIES.get(handler, frozenset())
    violations: list[tuple[str, str]] = []
    for name, given in request.query.items():
        plain = camel(name) if "_" in name and name not in _COMMON else name
        if plain not in known and plain not in _COMMON:
            text = f"Cannot bind query parameter. Field '{name}' could not be found in request message."
            violations.append(("", f'Invalid JSON payload received. Unknown name "{name}": {text}'))
        elif plain in _BOOLEANS and given[-1].lower() not in ("true", "false", "1", "0", ""):
            path = snake(plain)
            violations.append((path, f"Invalid value at '{path}' (TYPE_BOOL), \"{given[-1]}\""))
    if violations:
        raise errors.bad_fields(violations)


class SheetsApi:
    """Answers the paths under `/v4/spreadsheets`."""

    def __init__(self, options: Options) -> None:
        self.options = options

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        """The answer, or None for a path of another API."""
        path = request.path
        if not path.startswith(PREFIX):
            return None
        if path.rstrip("/") == PREFIX:
            if request.method != "POST":
                return html_not_found(path)
            with workspace.lock:
                found = spreadsheets_api.create(workspace, request.caller.user, json_body(request))
            mask = fields.response_mask(request.param("fields"), "Spreadsheet")
            return answer(fields.select(found, mask), request)
        match = _PATH.fullmatch(_COLON.sub(":", path))
        if not match:
            return html_not_found(path)
        for method, pattern, handler, message in _CALLS:
            if method == request.method and (inner := pattern.fullmatch(match[2])):
                arguments = [unquote(part) for part in inner.groups()]
                return self._call(request, workspace, unquote(match[1]), handler, message, arguments)
        return html_not_found(path)

    def _call(
        self,
        request: Request,
        workspace: Workspace,
        spreadsheet_id: str,
        handler: Handler,
        message: str,
        arguments: list[str],
    ) -> Response:
        if request.query_text:
            check_query(request, handler)
        mask = fields.response_mask(request.param("fields"), message)
        user = request.caller.user
        with workspace.lock, paused_gc():
            content = workspace.spreadsheet(spreadsheet_id)
            write = kind_of(request) == "write"
            access.check(workspace.file(spreadsheet_id), user, private=self.options.private, write=write)
            call = Call(request, workspace, content, user, self.options)
            found: Any = handler(call, *arguments)
        if mask is not None and message != "Spreadsheet":
            found = fields.select(found, mask)
        return answer(found, request)
