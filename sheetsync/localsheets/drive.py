"""Drive's calls on files: make, show, list, change, copy, delete, export.

What a file is, is in `files.py`, who may do what in `access.py`; permissions, changes, revisions and comments are in
`drive_more.py`, the search language in `drive_query.py`.  Drive's refusals look different (`errors.DriveError`).
"""

from __future__ import annotations

import re
from typing import Any, Final
from urllib.parse import unquote

from sheetsync.localsheets import access, drive_query, fields
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import FOLDER, ROOT, SPREADSHEET, FileRecord, rfc3339
from sheetsync.localsheets.pipeline import answer, json_body
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

_FILE: Final = re.compile(r"/drive/v3/files/([^/]+)(/.*)?")
_UPLOAD: Final = re.compile(r"/upload/drive/v2/files/([^/]+)")
PAGE_SIZE: Final = 100
SETTABLE: Final = ("description", "starred", "properties", "appProperties", "writersCanShare")


def file_not_found(file_id: str) -> DriveError:
    """The answer for a file that is not there, or not shared."""
    return DriveError(
        f"File not found: {file_id}.", http_status=404, reason="notFound", location=("parameter", "fileId")
    )


def user_json(name: str, me: str = "") -> Json:
    """A user as Drive writes one."""
    return {
        "kind": "drive#user",
        "displayName": name.partition("@")[0],
        "me": name == me,
        "permissionId": access.permission_id(name),
        "emailAddress": name,
    }


def select(value: Json, text: str | None, default: str) -> Json:
    """An answer as the `fields` parameter shows it.

    Raises:
        DriveError: 400, the mask cannot be read.
    """
    wanted = (text or default).replace(" ", "")
    if wanted == "*":
        return value
    try:
        return fields.select(value, fields.parse(wanted))  # type: ignore[no-any-return]
    except fields.MaskSyntaxError:
        raise DriveError(
            f"Invalid field selection {text}", reason="invalidParameter", location=("parameter", "fields")
        ) from None


class DriveApi:
    """Answers the paths of Drive v3 (and v2's upload)."""

    def __init__(self, options: Options) -> None:
        self._options = options

    def __call__(self, request: Request, workspace: Workspace) -> Response | None:
        """The answer, or None for a path of another API."""
        path = request.path
        with workspace.lock:
            if path == "/drive/v3/files":
                return self._files(request, workspace)
            if match := _FILE.fullmatch(path):
                return self._file(request, workspace, unquote(match[1]), match[2] or "")
            if (match := _UPLOAD.fullmatch(path)) and request.method == "PUT":
                from sheetsync.localsheets.drive_v2 import upload

                self.open(request, workspace, unquote(match[1]), least=3)
                return upload(request, workspace, unquote(match[1]))
            if path.startswith("/drive/v3/"):
                from sheetsync.localsheets.drive_more import account_call

                return account_call(self, request, workspace)
        return None

    def open(self, request: Request, workspace: Workspace, file_id: str, *, least: int) -> FileRecord:
        """A file that the caller may use so far (see `access.RANKS`).

        Raises:
            DriveError: 404, it is not there or not shared; 403, the caller may not do that.
        """
        record = workspace.file(file_id)
        if record is None:
            raise file_not_found(file_id)
        reach = access.rank(record, request.caller.user, private=self._options.private)
        if reach == 0:
            raise file_not_found(file_id)
        if reach < least:
            raise DriveError(
                "The user does not have sufficient permissions for this file.",
                http_status=403,
                reason="insufficientFilePermissions",
            )
        return record

    def json(self, record: FileRecord, workspace: Workspace, user: str) -> Json:
        """A file as Drive writes it; its version and time lag behind its content, if they are to."""
        version, modified_ms = record.version, record.modified_ms
        if self._options.drive_lag_ms:
            version, modified_ms = self._lagging(record, workspace)
        permissions = access.permissions_of(record)
        extra = {key: value for key, value in record.extra.items() if key in SETTABLE}
        found = {
            "kind": "drive#file",
            "id": record.id,
            "name": record.name,
            "mimeType": record.mime,
            "createdTime": rfc3339(record.created_ms),
            "modifiedTime": rfc3339(modified_ms),
            "version": str(version),
            "trashed": record.trashed,
            "starred": False,
            "parents": record.parents,
            "spaces": ["drive"],
            "ownedByMe": record.owner == user,
            "owners": [user_json(record.owner, user)],
            "lastModifyingUser": user_json(record.last_user or record.owner, user),
            "shared": len(permissions) > 1,
            "permissions": permissions,
            "permissionIds": [one["id"] for one in permissions],
            "capabilities": {"canEdit": access.rank(record, user, private=self._options.private) >= 3},
        }
        if record.mime == SPREADSHEET:
            found["webViewLink"] = f"https://docs.google.com/spreadsheets/d/{record.id}/edit?usp=drivesdk"
            found["size"] = "1024"
        return {**found, **extra}

    def _lagging(self, record: FileRecord, workspace: Workspace) -> tuple[int, int]:
        limit = workspace.now_ms() - self._options.drive_lag_ms
        late = [change for change in workspace.changes if change[1] == record.id and change[2] > limit]
        if not late:
            return record.version, record.modified_ms
        seen = [change[2] for change in workspace.changes if change[1] == record.id and change[2] <= limit]
        return max(record.version - len(late), 1), max([*seen, record.created_ms])

    def _files(self, request: Request, workspace: Workspace) -> Response | None:
        user = request.caller.user
        if request.method == "POST":
            given = _body(request)
            mime = given.get("mimeType", "application/octet-stream")
            name = given.get("name") or "Untitled"
            more: Json = (
                {"parents": [ROOT if one == "root" else one for one in given["parents"]]}
                if given.get("parents")
                else {}
            )
            more["extra"] = {key: given[key] for key in SETTABLE if key in given}
            if mime == SPREADSHEET:
                record = workspace.create(name, user, **more)
            else:
                record = workspace.create_other(name, mime, user, **more)
            return self._shown(request, workspace, record)
        if request.method == "GET":
            return answer(self._list(request, workspace), request)
        return None

    def _list(self, request: Request, workspace: Workspace) -> Json:
        user = request.caller.user
        test = drive_query.parse(request.param("q") or "", user)
        seen = [
            record
            for record in workspace.files.values()
            if access.rank(record, user, private=self._options.private) and test(record)
        ]
        found = drive_query.ordered(seen, request.param("orderBy") or "")
        size = _number(request, "pageSize", PAGE_SIZE)
        start = _number(request, "pageToken", 0)
        shown = found[start : start + size]
        body: Json = {"kind": "drive#fileList", "incompleteSearch": False}
        if start + size < len(found):
            body["nextPageToken"] = str(start + size)
        body["files"] = [self.json(record, workspace, user) for record in shown]
        default = "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)"
        return select(body, request.param("fields"), default)

    def _shown(self, request: Request, workspace: Workspace, record: FileRecord) -> Response:
        found = self.json(record, workspace, request.caller.user)
        return answer(select(found, request.param("fields"), "kind,id,name,mimeType"), request)

    def _file(self, request: Request, workspace: Workspace, file_id: str, rest: str) -> Response | None:
        method = request.method
        if rest == "" and method == "GET" and file_id in ("root", ROOT):
            root = FileRecord(ROOT, "My Drive", FOLDER, request.caller.user, 0, 0, parents=[])
            return self._shown(request, workspace, root)
        if rest == "" and method == "GET":
            return self._shown(request, workspace, self.open(request, workspace, file_id, least=1))
        if rest == "" and method == "PATCH":
            record = self.open(request, workspace, file_id, least=3)
            self._change(request, workspace, record)
            return self._shown(request, workspace, record)
        if rest == "" and method == "DELETE":
            self.open(request, workspace, file_id, least=4 if self._options.private else 3)
            workspace.delete(file_id, request.caller.user)
            return Response(204)
        if rest == "/copy" and method == "POST":
            record = self.open(request, workspace, file_id, least=1)
            return self._shown(request, workspace, self._copy(request, workspace, record))
        if rest == "/export" and method == "GET":
            from sheetsync.localsheets.export import exported

            record = self.open(request, workspace, file_id, least=1)
            mime = request.param("mimeType") or ""
            return Response(200, exported(workspace, record, mime), mime)
        from sheetsync.localsheets.drive_more import file_call

        return file_call(self, request, workspace, file_id, rest)

    def _change(self, request: Request, workspace: Workspace, record: FileRecord) -> None:
        given = _body(request)
        user = request.caller.user
        for key in SETTABLE:
            if key in given:
                record.extra[key] = given[key]
        if "trashed" in given:
            record.trashed = bool(given["trashed"])
        added = (request.param("addParents") or "").split(",")
        removed = (request.param("removeParents") or "").split(",")
        record.parents = [one for one in record.parents if one not in removed] + [one for one in added if one]
        if given.get("name"):
            workspace.rename(record, given["name"], user)
        else:
            workspace.save_file(record, user)

    def _copy(self, request: Request, workspace: Workspace, record: FileRecord) -> FileRecord:
        from sheetsync.localsheets.spreadsheets_api import schema_copy

        given = _body(request)
        name = given.get("name") or f"Copy of {record.name}"
        user = request.caller.user
        more: Json = {"parents": given.get("parents") or list(record.parents)}
        if record.mime != SPREADSHEET:
            return workspace.create_other(name, record.mime, user, **more)
        state = schema_copy(workspace.spreadsheet(record.id).to_json())
        content = Spreadsheet.from_json(state, rng=workspace.rng)
        content.spreadsheet_id = workspace.new_file_id()
        content.comments = {}
        content.properties = {**content.properties, "title": name}
        return workspace.create(name, user, spreadsheet=content, **more)


def _body(request: Request) -> Json:
    found: Any = json_body(request)
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise DriveError("Invalid JSON payload received.", reason="parseError")
    return found


def _number(request: Request, name: str, default: int) -> int:
    text = request.param(name)
    if not text:
        return default
    if not text.isdigit() or (name == "pageSize" and not 1 <= int(text) <= 1000):
        raise DriveError(f"Invalid value '{text}'.", reason="invalidParameter", location=("parameter", name))
    return int(text)
