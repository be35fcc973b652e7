"""Drive's calls besides those on files themselves: permissions, comments, revisions, changes, about.

What is kept of them lies in the file's record (`extra`) and in the workspace's log of changes.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

from sheetsync.localsheets import access
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import FileRecord, rfc3339
from sheetsync.localsheets.pipeline import answer, json_body
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

if TYPE_CHECKING:
    from sheetsync.localsheets.drive import DriveApi

_PERMISSION: Final = re.compile(r"/permissions(?:/([^/]+))?")
_COMMENT: Final = re.compile(r"/comments(?:/([^/]+))?(/replies)?")
_REVISION: Final = re.compile(r"/revisions(?:/([^/]+))?")
SHOWN: Final = "kind,id,type,role"


def file_call(api: DriveApi, request: Request, workspace: Workspace, file_id: str, rest: str) -> Response | None:
    """A call on what hangs on a file; None if there is no such path."""
    if match := _PERMISSION.fullmatch(rest):
        least = 1 if request.method == "GET" else 3
        record = api.open(request, workspace, file_id, least=least)
        return _permissions(request, workspace, record, unquote(match[1] or ""))
    if match := _COMMENT.fullmatch(rest):
        record = api.open(request, workspace, file_id, least=1 if request.method == "GET" else 2)
        return _comments(request, workspace, record, unquote(match[1] or ""), replies=bool(match[2]))
    if match := _REVISION.fullmatch(rest):
        record = api.open(request, workspace, file_id, least=3)
        return _revisions(request, workspace, record, unquote(match[1] or ""))
    return None


def account_call(api: DriveApi, request: Request, workspace: Workspace) -> Response | None:
    """A call that is on no file: about, changes, generated ids; None if there is no such path."""
    from sheetsync.localsheets.drive import select, user_json

    path, user = request.path, request.caller.user
    if request.method != "GET":
        return None
    if path == "/drive/v3/about":
        if not request.param("fields"):
            raise DriveError(
                "The 'fields' parameter is required for this method.",
                reason="required",
                location=("parameter", "fields"),
            )
        about = {"kind": "drive#about", "user": user_json(user, user), "storageQuota": {"usage": "0"}}
        return answer(select(about, request.param("fields"), "*"), request)
    if path == "/drive/v3/changes/startPageToken":
        newest = workspace.changes[-1][0] if workspace.changes else 0
        return answer({"kind": "drive#startPageToken", "startPageToken": str(newest + 1)}, request)
    if path == "/drive/v3/changes":
        return answer(_changes(api, request, workspace), request)
    return None


def _changes(api: DriveApi, request: Request, workspace: Workspace) -> Json:
    from sheetsync.localsheets.drive import select

    token = request.param("pageToken") or ""
    if not token.isdigit():
        raise DriveError("Invalid Value", reason="invalid", location=("parameter", "pageToken"))
    size = int(request.param("pageSize") or 100)
    user = request.caller.user
    late = [change for change in workspace.changes if change[0] >= int(token)][:size]
    newest = workspace.changes[-1][0] if workspace.changes else 0
    listed: dict[str, Json] = {}
    for _sequence, file_id, time_ms, _user in late:
        record = workspace.file(file_id)
        listed.pop(file_id, None)  # a file is listed once, at its newest change
        listed[file_id] = {
            "kind": "drive#change",
            "changeType": "file",
            "type": "file",
            "time": rfc3339(time_ms),
            "removed": record is None,
            "fileId": file_id,
        }
        if record is not None:
            listed[file_id]["file"] = api.json(record, workspace, user)
    body: Json = {"kind": "drive#changeList", "changes": list(listed.values())}
    if late and late[-1][0] < newest:
        body["nextPageToken"] = str(late[-1][0] + 1)
    else:
        body["newStartPageToken"] = str(newest + 1)
    default = (
        "kind,nextPageToken,newStartPageToken,"
        "changes(kind,changeType,type,time,removed,fileId,file(kind,id,name,mimeType))"
    )
    return select(body, request.param("fields"), default)


# Permissions.


def _permissions(request: Request, workspace: Workspace, record: FileRecord, key: str) -> Response | None:
    from sheetsync.localsheets.drive import select

    text = request.param("fields")
    kept: list[Json] = record.extra.get("permissions", [])
    if request.method == "GET" and not key:
        body = {"kind": "drive#permissionList", "permissions": access.permissions_of(record)}
        return answer(select(body, text, f"kind,permissions({SHOWN})"), request)
    if request.method == "POST" and not key:
        new = _new_permission(request)
        kept = [one for one in kept if one["id"] != new["id"]] + [new]
        _keep(request, workspace, record, kept)
        return answer(select(new, text, SHOWN), request)
    found = next((one for one in access.permissions_of(record) if one["id"] == key), None)
    if found is None:
        raise DriveError(
            f"Permission not found: {key}.", http_status=404, reason="notFound", location=("parameter", "permissionId")
        )
    if request.method == "GET":
        return answer(select(found, text, SHOWN), request)
    if found["role"] == "owner":
        raise DriveError(
            "The owner of a file cannot be removed.", http_status=403, reason="insufficientFilePermissions"
        )
    if request.method == "DELETE":
        _keep(request, workspace, record, [one for one in kept if one["id"] != key])
        return Response(204)
    if request.method == "PATCH":
        role = (json_body(request) or {}).get("role", found["role"])
        _check_role(role)
        _keep(request, workspace, record, [{**one, "role": role} if one["id"] == key else one for one in kept])
        return answer(select({**found, "role": role}, text, SHOWN), request)
    return None


def _new_permission(request: Request) -> Json:
    given: Any = json_body(request) or {}
    kind, role = given.get("type"), given.get("role", "")
    _check_role(role)
    if kind not in ("user", "group", "domain", "anyone"):
        raise DriveError("The permission type field is required.", reason="required")
    who = given.get("emailAddress") or given.get("domain") or ""
    if kind != "anyone" and not who:
        raise DriveError("The emailAddress field is required for this permission type.", reason="required")
    return access.permission(who, role, kind)


def _check_role(role: str) -> None:
    if role not in access.RANKS or role == "owner":
        raise DriveError(f"The specified role is invalid or not supported: {role}.", reason="invalid")


def _keep(request: Request, workspace: Workspace, record: FileRecord, permissions: list[Json]) -> None:
    record.extra = {**record.extra, "permissions": permissions}
    workspace.save_file(record, request.caller.user)


# Comments: unanchored, as Drive's are.


def _comments(
    request: Request, workspace: Workspace, record: FileRecord, key: str, *, replies: bool
) -> Response | None:
    from sheetsync.localsheets.drive import select, user_json

    kept: list[Json] = record.extra.get("comments", [])
    user = request.caller.user
    if not key and request.method == "GET":
        with_deleted = request.flag("includeDeleted")
        listed = [one for one in kept if with_deleted or not one.get("deleted")]
        body = {"kind": "drive#commentList", "comments": listed}
        return answer(select(body, request.param("fields"), "comments"), request)
    if not key and request.method == "POST":
        _need_fields(request)
        new = _remark(request, workspace, user_json(user, user)) | {"replies": [], "resolved": False}
        _keep_comments(request, workspace, record, [*kept, new])
        return answer(select(new, request.param("fields"), "*"), request)
    found = next((one for one in kept if one["id"] == key), None)
    if found is None:
        raise DriveError(
            f"Comment not found: {key}.", http_status=404, reason="notFound", location=("parameter", "commentId")
        )
    if replies and request.method == "POST":
        given: Any = json_body(request) or {}
        new = _remark(request, workspace, user_json(user, user))
        action = given.get("action")
        changed = {**found, "replies": [*found["replies"], new], "resolved": action == "resolve" or found["resolved"]}
        _keep_comments(request, workspace, record, [changed if one is found else one for one in kept])
        return answer(select(new, request.param("fields"), "*"), request)
    if request.method == "GET":
        _need_fields(request)
        return answer(select(found, request.param("fields"), "*"), request)
    if request.method == "DELETE":
        gone = {"kind": found["kind"], "id": key, "deleted": True, "createdTime": found["createdTime"]}
        _keep_comments(request, workspace, record, [gone if one is found else one for one in kept])
        return Response(204)
    return None


def _need_fields(request: Request) -> None:
    if not request.param("fields"):
        raise DriveError(
            "The 'fields' parameter is required for this method.", reason="required", location=("parameter", "fields")
        )


def _remark(request: Request, workspace: Workspace, author: Json) -> Json:
    given: Any = json_body(request) or {}
    now = rfc3339(workspace.now_ms())
    found = {"kind": "drive#comment", "id": workspace.new_file_id()[:11], "author": author, "deleted": False}
    found |= {"createdTime": now, "modifiedTime": now, "content": given.get("content", "")}
    return found | ({"anchor": given["anchor"]} if "anchor" in given else {})


def _keep_comments(request: Request, workspace: Workspace, record: FileRecord, comments: list[Json]) -> None:
    record.extra = {**record.extra, "comments": comments}
    workspace.save_file(record, request.caller.user, touch=False)


# Revisions: one for each run of changes by one user within five minutes, as Drive coalesces them.

REVISION_MS: Final = 300_000


def _revisions(request: Request, workspace: Workspace, record: FileRecord, key: str) -> Response | None:
    from sheetsync.localsheets.drive import select, user_json

    if request.method != "GET":
        return None
    listed: list[Json] = []
    last: tuple[int, str] | None = None
    for _sequence, file_id, time_ms, user in workspace.changes:
        if file_id != record.id:
            continue
        one = {
            "kind": "drive#revision",
            "id": str(len(listed) + 1),
            "mimeType": record.mime,
            "modifiedTime": rfc3339(time_ms),
            "lastModifyingUser": user_json(user, request.caller.user),
        }
        if last is not None and last[1] == user and time_ms - last[0] < REVISION_MS:
            listed[-1] = {**one, "id": listed[-1]["id"]}
        else:
            listed.append(one)
        last = (time_ms, user)
    if not key:
        body = {"kind": "drive#revisionList", "revisions": listed}
        return answer(select(body, request.param("fields"), "kind,revisions(kind,id,mimeType,modifiedTime)"), request)
    found = next((one for one in listed if one["id"] == key), None)
    if found is None:
        raise DriveError(
            f"Revision not found: {key}.", http_status=404, reason="notFound", location=("parameter", "revisionId")
        )
    return answer(select(found, request.param("fields"), "kind,id,mimeType,modifiedTime"), request)
