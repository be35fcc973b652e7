"""Drive v2's media upload: a CSV takes the place of a spreadsheet's content.  gspread's `import_csv` uses it."""

from __future__ import annotations

import csv
import io
from typing import Any, Final

from sheetsync.localsheets import append, values
from sheetsync.localsheets.drive import file_not_found
from sheetsync.localsheets.errors import DriveError
from sheetsync.localsheets.files import ROOT, SPREADSHEET, FileRecord, rfc3339
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.pipeline import answer
from sheetsync.localsheets.ranges import Area
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.spreadsheet import MAX_TITLE_CHARS, default_properties
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

TYPES: Final = {"text/csv": ",", "text/tab-separated-values": "\t"}
IMPORT_TIME_ZONE: Final = "America/Los_Angeles"  # recorded: an import takes this, not the file's own
FORMATS: Final = {
    "application/x-vnd.oasis.opendocument.spreadsheet": "ods",
    "text/tab-separated-values": "tsv",
    "application/pdf": "pdf",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
    "text/csv": "csv",
    "application/zip": "zip",
    "application/vnd.oasis.opendocument.spreadsheet": "ods",
}
API: Final = "https://www.googleapis.com/drive/v2/files"


def upload(request: Request, workspace: Workspace, file_id: str) -> Response:
    """Replace a spreadsheet by an uploaded CSV or TSV; its tabs are gone, one new tab holds the data.

    Raises:
        DriveError: the file is not there, or the upload is not delimited text.
    """
    record = workspace.file(file_id)
    if record is None or record.mime != SPREADSHEET:
        raise file_not_found(file_id)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in TYPES:
        raise DriveError("Bad Request. The uploaded type cannot be converted.", reason="badRequest")
    text = request.body.decode("utf-8-sig", "replace")
    rows = list(csv.reader(io.StringIO(text), delimiter=TYPES[kind]))
    content = workspace.spreadsheet(file_id)
    with workspace.transaction(content, request.caller.user) as journal:
        _replace(journal, request.caller.user, record.name, rows)
    return answer(file_v2(record, request.caller.user), request)


def _replace(journal: Journal, user: str, title: str, rows: list[list[str]]) -> None:
    content = journal.spreadsheet
    sheet = Sheet(content.new_sheet_id(), title[:MAX_TITLE_CHARS])
    old = list(content.sheets)
    journal.add_sheet(sheet, 0)
    for one in old:
        journal.remove_sheet(one)
    for name in ("named_ranges", "metadata"):
        for key in list(getattr(content, name)):
            journal.put_item(content, name, key, None)
    properties = default_properties(title, IMPORT_TIME_ZONE, content.locale)
    journal.assign(content, "properties", properties)
    append.grow(journal, sheet, len(rows), max((len(row) for row in rows), default=0))
    if rows:
        values.write(journal, user, Area(sheet, sheet.whole), rows, "USER_ENTERED")


def _user(name: str) -> dict[str, Any]:
    plain = name.partition("@")[0]
    return {
        "displayName": plain,
        "kind": "drive#user",
        "isAuthenticatedUser": True,
        "permissionId": str(sum(name.encode()) * 7919),
        "emailAddress": name,
        "picture": {"url": f"https://example.com/avatar/{plain}"},
    }


def file_v2(record: FileRecord, user: str) -> dict[str, Any]:
    """A spreadsheet file as Drive v2 writes it."""
    here = f"{API}/{record.id}"
    modified = rfc3339(record.modified_ms)
    return {
        "kind": "drive#file",
        "userPermission": {
            "id": "me",
            "type": "user",
            "role": "owner",
            "kind": "drive#permission",
            "selfLink": f"{here}/permissions/me",
            "etag": f'"{record.version}-me"',
            "pendingOwner": False,
        },
        "selfLink": here,
        "ownerNames": [record.owner],
        "lastModifyingUserName": user,
        "editable": True,
        "writersCanShare": True,
        "mimeType": record.mime,
        "exportLinks": {
            kind: f"https://docs.google.com/spreadsheets/export?id={record.id}&exportFormat={short}"
            for kind, short in FORMATS.items()
        },
        "parents": [
            {
                "selfLink": f"{here}/parents/{ROOT}",
                "id": ROOT,
                "isRoot": True,
                "kind": "drive#parentReference",
                "parentLink": f"{API}/{ROOT}",
            }
        ],
        "thumbnailLink": f"https://docs.google.com/feeds/vt?gd=true&id={record.id}&v={record.version}&s=AMedNnoAAAAA",
        "appDataContents": False,
        "iconLink": f"https://drive-thirdparty.googleusercontent.com/16/type/{record.mime}",
        "shared": False,
        "lastModifyingUser": _user(user),
        "owners": [_user(record.owner)],
        "copyable": True,
        "etag": f'"{record.modified_ms}"',
        "alternateLink": f"https://docs.google.com/spreadsheets/d/{record.id}/edit?usp=drivesdk",
        "embedLink": f"https://docs.google.com/spreadsheets/d/{record.id}/htmlembed?ouid=0",
        "fileSize": "1024",
        "copyRequiresWriterPermission": False,
        "spaces": ["drive"],
        "id": record.id,
        "title": record.name,
        "labels": {"viewed": True, "restricted": False, "starred": False, "hidden": False, "trashed": record.trashed},
        "explicitlyTrashed": record.trashed,
        "createdDate": rfc3339(record.created_ms),
        "modifiedDate": modified,
        "modifiedByMeDate": modified,
        "lastViewedByMeDate": modified,
        "markedViewedByMeDate": "1970-01-01T00:00:00.000Z",
        "quotaBytesUsed": "1024",
        "version": str(record.version),
        "capabilities": {"canEdit": True, "canCopy": True},
    }
