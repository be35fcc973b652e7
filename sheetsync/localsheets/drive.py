"""Drive's calls on files: make, show, list, rename, copy, delete, export; what gspread needs of them.

What a file is, is in `files.py`.  Drive's refusals look different from those of Sheets (`errors.DriveError`).
"""

from __future__ import annotations

import csv
import io
import re
from typing import Any, Final
from urllib.parse import unquote

from sheetsync.localsheets import fields
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import SPREADSHEET, FileRecord, rfc3339
from sheetsync.localsheets.pipeline import answer, json_body
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

_FILE: Final = re.compile(r"/drive/v3/files/([^/]+)(/copy|/export|/comments)?")
_UPLOAD: Final = re.compile(r"/upload/drive/v2/files/([^/]+)")
EXPORTS: Final = {"text/csv": ",", "text/tab-separated-values": "\t"}


def file_not_found(file_id: str) -> DriveError:
    """The answer for a file that is not there."""
    return DriveError(
        f"File not found: {file_id}.", http_status=404, reason="notFound", location=("parameter", "fileId")
    )


def file_json(record: FileRecord) -> dict[str, Any]:
    """A file as Drive writes it, with every field that is known here."""
    return {
        "kind": "drive#file",
        "id": record.id,
        "name": record.name,
        "mimeType": record.mime,
        "createdTime": rfc3339(record.created_ms),
        "modifiedTime": rfc3339(record.modified_ms),
        "version": str(record.version),
        "trashed": record.trashed,
        "parents": record.parents,
        "ownedByMe": True,
        "owners": [_user(record.owner)],
        "lastModifyingUser": _user(record.last_user),
        **record.extra,
    }


def _user(name: str) -> dict[str, Any]:
    return {"kind": "drive#user", "displayName": name.partition("@")[0], "emailAddress": name}


def shown(record: FileRecord, request: Request) -> dict[str, Any]:
    """A file as the `fields` parameter shows it; four fields if there is none."""
    text = request.param("fields")
    found = file_json(record)
    if not text:
        return {key: found[key] for key in ("kind", "id", "name", "mimeType")}
    if text == "*":
        return found
    return fields.select(found, fields.parse(text.replace(" ", "")))  # type: ignore[no-any-return]


class DriveApi:
    """Answers the paths of Drive v3 (and v2's upload) that gspread uses."""

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        """The answer, or None for a path of another API."""
        path = request.path
        if path == "/drive/v3/files":
            with workspace.lock:
                return self._files(request, workspace)
        if match := _FILE.fullmatch(path):
            with workspace.lock:
                return self._file(request, workspace, unquote(match[1]), match[2] or "")
        if (match := _UPLOAD.fullmatch(path)) and request.method == "PUT":
            from sheetsync.localsheets.drive_v2 import upload

            with workspace.lock:
                return upload(request, workspace, unquote(match[1]))
        return None

    def _files(self, request: Request, workspace: Workspace) -> Response | None:
        if request.method == "POST":
            given = json_body(request) or {}
            mime = given.get("mimeType", "application/octet-stream")
            name = given.get("name") or "Untitled"
            more = {"parents": given["parents"]} if given.get("parents") else {}
            make = workspace.create if mime == SPREADSHEET else None
            user = request.caller.user
            record = make(name, user, **more) if make else workspace.create_other(name, mime, user, **more)
            return answer(shown(record, request), request)
        if request.method == "GET":
            return answer(self._list(request, workspace), request)
        return None

    def _list(self, request: Request, workspace: Workspace) -> dict[str, Any]:
        query = request.param("q") or ""
        found = [
            record for record in reversed(workspace.files.values()) if not record.trashed and _matches(query, record)
        ]
        files = [file_json(record) for record in found]
        text = request.param("fields") or "files(kind,id,name,mimeType)"
        body = {"kind": "drive#fileList", "incompleteSearch": False, "files": files}
        return fields.select(body, fields.parse(text.replace(" ", "")))  # type: ignore[no-any-return]

    def _file(self, request: Request, workspace: Workspace, file_id: str, action: str) -> Response | None:
        record = workspace.file(file_id)
        if record is None:
            raise file_not_found(file_id)
        user = request.caller.user
        if action == "/copy" and request.method == "POST":
            return answer(shown(self._copy(request, workspace, record), request), request)
        if action == "/export" and request.method == "GET":
            return self._export(request, workspace, record)
        if action == "/comments" and request.method == "GET":
            return answer({"comments": []}, request)
        if action:
            return None
        if request.method == "GET":
            return answer(shown(record, request), request)
        if request.method == "PATCH":
            given = json_body(request) or {}
            if given.get("name"):
                workspace.rename(record, given["name"], user)
            return answer(shown(record, request), request)
        if request.method == "DELETE":
            workspace.delete(file_id, user)
            return Response(204)
        return None

    def _copy(self, request: Request, workspace: Workspace, record: FileRecord) -> FileRecord:
        from sheetsync.localsheets.spreadsheets_api import schema_copy

        given = json_body(request) or {}
        name = given.get("name") or f"Copy of {record.name}"
        user = request.caller.user
        if record.mime != SPREADSHEET:
            return workspace.create_other(name, record.mime, user)
        state = schema_copy(workspace.spreadsheet(record.id).to_json())
        content = Spreadsheet.from_json(state, rng=workspace.rng)
        content.spreadsheet_id = workspace.new_file_id()
        content.properties = {**content.properties, "title": name}
        return workspace.create(name, user, spreadsheet=content)

    def _export(self, request: Request, workspace: Workspace, record: FileRecord) -> Response:
        mime = request.param("mimeType") or ""
        if record.mime != SPREADSHEET or mime not in EXPORTS:
            raise DriveError("The requested conversion is not supported.", reason="badRequest")
        content = workspace.spreadsheet(record.id)
        return Response(200, delimited(content, content.sheets[0], EXPORTS[mime]).encode(), mime)


def delimited(spreadsheet: Spreadsheet, sheet: Sheet, separator: str) -> str:
    """A tab as CSV or TSV: formatted values, CRLF between rows, none at the end."""
    from sheetsync.localsheets.ranges import Area
    from sheetsync.localsheets.values import View, read

    rows = read(spreadsheet, Area(sheet, sheet.whole), View()).get("values", [])
    width = max((len(row) for row in rows), default=0)
    out = io.StringIO()
    if separator == "\t":
        clean = [[re.sub(r"[\t\r\n]", " ", text) for text in row] for row in rows]
        return "\r\n".join("\t".join(row + [""] * (width - len(row))) for row in clean)
    csv.writer(out, lineterminator="\r\n").writerows(row + [""] * (width - len(row)) for row in rows)
    return out.getvalue().removesuffix("\r\n")


_TERM: Final = re.compile(r"(name|mimeType|trashed)\s*(=|!=|contains)\s*(?:'((?:[^'\\]|\\.)*)'|(true|false))")


def _matches(query: str, record: FileRecord) -> bool:
    for part in re.split(r"\s+and\s+", query):
        if match := _TERM.fullmatch(part.strip()):
            field, operator, text, flag = match.groups()
            value = {"name": record.name, "mimeType": record.mime, "trashed": str(record.trashed).lower()}[field]
            wanted = flag or re.sub(r"\\(.)", r"\1", text or "")
            holds = wanted.casefold() in value.casefold() if operator == "contains" else value == wanted
            if holds == (operator == "!="):
                return False
    return True
