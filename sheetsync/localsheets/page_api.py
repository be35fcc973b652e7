"""The grid page's own paths: its files, the list of spreadsheets, and what a person does there.

The page reads through the ordinary REST API.  What an act means is in `person.py`.  Requests whose Host is not ours are
refused (DNS rebinding), and acts must be JSON, which other sites cannot send without being asked first (CSRF).
"""

from __future__ import annotations

import html
import re
from datetime import UTC, datetime
from importlib import resources
from typing import Any, Final, TypeGuard
from urllib.parse import quote, unquote

from sheetsync.localsheets import errors
from sheetsync.localsheets.files import SPREADSHEET
from sheetsync.localsheets.person import Person
from sheetsync.localsheets.pipeline import answer, json_body
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

FILES: Final = {
    "grid.js": "text/javascript; charset=UTF-8",
    "grid.css": "text/css; charset=UTF-8",
    "icon.svg": "image/svg+xml",
}
HTML: Final = "text/html; charset=UTF-8"
HEADERS: Final = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_GRID: Final = re.compile(r"/spreadsheets/d/([^/]+)(?:/edit)?/?")
_API: Final = re.compile(r"/page/api/([^/]+)")
_HOME_LINK: Final = '<p><a href="/">All spreadsheets</a></p>'
_EMPTY: Final = "<p>There is no spreadsheet yet. <code>sheetsync push</code> makes one.</p>"
_LIST_HEAD: Final = (
    '<!doctype html><html lang="en"><head><meta charset="utf-8">'
    '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Spreadsheets – local Sheets</title>'
    '<link rel="stylesheet" href="/page/grid.css"><link rel="icon" href="/page/icon.svg" type="image/svg+xml"></head>'
    '<body><main class="list"><h1>Spreadsheets</h1>'
)


class PageApi:
    """Answers `/`, `/spreadsheets/d/{id}/edit` and `/page/…`.

    Args:
        hosts: host names, beside the loopback ones, under which the page may be asked for.
    """

    def __init__(self, hosts: frozenset[str] = frozenset()) -> None:
        self._hosts = LOOPBACK | hosts
        self._people: dict[str, Person] = {}

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        """The answer, or None for a path of another API."""
        path = request.path
        if path != "/" and not path.startswith(("/page/", "/spreadsheets/d/")):
            return None
        host = request.headers.get("host", "").rsplit(":", 1)[0] if not _bare_ipv6(request) else "[::1]"
        if host.lower() not in self._hosts:
            raise errors.ApiError("This page is not served under that host name.", http_status=403)
        if path == "/":
            return _page(_listing(workspace))
        if match := _GRID.fullmatch(path):
            return self._grid(unquote(match[1]), workspace)
        if match := _API.fullmatch(path):
            return self._api(request, unquote(match[1]), workspace)
        name = path.removeprefix("/page/")
        if name not in FILES:
            return None
        return Response(200, _file(name), FILES[name], dict(HEADERS))

    def _grid(self, spreadsheet_id: str, workspace: Workspace) -> Response:
        with workspace.lock:
            known = spreadsheet_id in workspace.files
        if not known:
            body = (
                f"{_LIST_HEAD}<p>There is no such spreadsheet here.</p><p><a href='/'>All spreadsheets</a></p></main>"
            )
            return _page(body, status=404)
        return _page(_file("grid.html").decode())

    def _api(self, request: Request, spreadsheet_id: str, workspace: Workspace) -> Response:
        person = self._people.get(spreadsheet_id)
        if person is None:
            person = Person(workspace, spreadsheet_id)
            person.version  # noqa: B018 -- refuses an id that does not exist, before it is remembered
            self._people[spreadsheet_id] = person
        if request.method == "GET":
            return answer({"version": person.version}, request)
        if request.method != "POST":
            raise errors.ApiError("GET or POST.", http_status=405)
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise errors.ApiError("Acts are sent as application/json.", http_status=415)
        return answer({"message": _act(person, json_body(request))}, request)


def _act(person: Person, body: Any) -> str:
    if not isinstance(body, dict):
        raise errors.ApiError("An act is a JSON object.")
    confirmed = body.get("confirmed") is True
    kind = body.get("act")
    if kind == "type":
        rows = body.get("rows")
        if not _is_block(rows):
            raise errors.ApiError("'rows' are lists of texts.")
        sheet_id, row, column = _numbers(body, "sheetId", "row", "column")
        return person.type_rows(sheet_id, row, column, rows, confirmed=confirmed)
    if kind == "note":
        note = body.get("note")
        if not isinstance(note, str):
            raise errors.ApiError("'note' is a text.")
        sheet_id, row, column = _numbers(body, "sheetId", "row", "column")
        return person.set_note(sheet_id, row, column, note, confirmed=confirmed)
    if kind == "insert_rows":
        sheet_id, start, count = _numbers(body, "sheetId", "start", "count")
        return person.insert_rows(sheet_id, start, count)
    if kind == "delete_rows":
        sheet_id, start, count = _numbers(body, "sheetId", "start", "count")
        return person.delete_rows(sheet_id, start, count)
    if kind == "sort":
        sheet_id, column = _numbers(body, "sheetId", "column")
        return person.sort(sheet_id, column, descending=body.get("descending") is True)
    if kind == "rename_tab":
        return person.rename_tab(_numbers(body, "sheetId")[0], str(body.get("title", "")))
    if kind == "undo":
        return person.undo()
    if kind == "redo":
        return person.redo()
    raise errors.ApiError("'act' is one of type, note, insert_rows, delete_rows, sort, rename_tab, undo, redo.")


def _is_block(rows: Any) -> TypeGuard[list[list[str]]]:
    return isinstance(rows, list) and all(
        isinstance(line, list) and all(isinstance(text, str) for text in line) for line in rows
    )


def _numbers(body: dict[str, Any], *names: str) -> list[int]:
    found = [body.get(name) for name in names]
    for name, value in zip(names, found, strict=True):
        if type(value) is not int or value < 0:
            raise errors.ApiError(f"'{name}' is a whole number from 0.")
    return [int(value) for value in found if value is not None]


def _bare_ipv6(request: Request) -> bool:
    return request.headers.get("host", "").startswith("[::1]")


def _file(name: str) -> bytes:
    return resources.files("sheetsync.localsheets").joinpath("page", name).read_bytes()


def _page(text: str, *, status: int = 200) -> Response:
    return Response(status, text.encode(), HTML, dict(HEADERS))


def _listing(workspace: Workspace) -> str:
    with workspace.lock:
        files = [file for file in workspace.files.values() if file.mime == SPREADSHEET]
    files.sort(key=lambda file: -file.modified_ms)
    if not files:
        return f"{_LIST_HEAD}{_EMPTY}</main></body></html>"
    items = "".join(
        f'<li><a href="/spreadsheets/d/{quote(file.id, safe="")}/edit">{html.escape(file.name)}</a>'
        f"<small>changed {_when(file.modified_ms)} · {html.escape(file.id)}</small></li>"
        for file in files
    )
    return f"{_LIST_HEAD}<ul>{items}</ul></main></body></html>"


def _when(time_ms: int) -> str:
    return datetime.fromtimestamp(time_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
