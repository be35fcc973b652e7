"""`spreadsheets.batchUpdate`: many requests, in order, all or nothing, with an optional read-back.

The kinds of request are in `requests/`.
"""

from __future__ import annotations

from sheetsync.localsheets import errors, fields, metadata, ranges, requests
from sheetsync.localsheets.call import Call
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.grid import GridView
from sheetsync.localsheets.requests.edit import Edit

COMMENT_KINDS = frozenset(
    {"insertComment", "addCommentReply", "updateCommentPost", "deleteComment", "deleteCommentReply"}
)


def batch_update(call: Call) -> Json:
    """Apply a batch."""
    body = call.body("BatchUpdateSpreadsheetRequest")
    wanted = body.get("requests", [])
    if not wanted:
        raise errors.ApiError("Must specify at least one request.")
    kinds = [_kind(index, request) for index, request in enumerate(wanted)]
    spreadsheet = call.spreadsheet
    with call.transaction() as journal:
        edit = Edit(journal, call.user, call.options)
        replies = [apply_one(edit, index, kind, wanted[index][kind]) for index, kind in enumerate(kinds)]
        _check_metadata(call, kinds)
        found: Json = {"spreadsheetId": spreadsheet.spreadsheet_id, "replies": replies}
        if body.get("includeSpreadsheetInResponse"):
            found["updatedSpreadsheet"] = _read_back(call, body)
        if COMMENT_KINDS.intersection(kinds):
            found["commentUpdateState"] = "ALL_SAVED"
    return found


def _kind(index: int, request: Json) -> str:
    kinds = list(request)
    if len(kinds) != 1:
        if not kinds:
            raise errors.ApiError(f"Invalid requests[{index}]: No request set.")
        place = f"requests[{index}]"
        text = f"Invalid value at '{place}' (oneof), oneof field 'kind' is already set. Cannot set '{kinds[1]}'"
        raise errors.bad_fields([(place, text)])
    return kinds[0]


def apply_one(edit: Edit, index: int, kind: str, request: Json) -> Json:
    """Apply one request of a batch.

    Raises:
        ApiError: 400, with the place of the request in front.
    """
    prefix = f"Invalid requests[{index}].{kind}: "
    if kind in requests.REFUSED:
        raise errors.ApiError(f"{prefix}Not supported by the local Sheets server: {requests.REFUSED[kind]}.")
    try:
        return requests.handler(kind)(edit, request)
    except errors.ApiError as refusal:
        raise refusal.prefixed(prefix) from None


def _check_metadata(call: Call, kinds: list[str]) -> None:
    """Metadata may not grow above its limit; checked once, since a batch may add thousands."""
    for index in range(len(kinds) - 1, -1, -1):
        if kinds[index] in ("createDeveloperMetadata", "updateDeveloperMetadata"):
            try:
                metadata.check_limits(call.spreadsheet)
            except errors.ApiError as refusal:
                raise refusal.prefixed(f"Invalid requests[{index}].{kinds[index]}: ") from None
            return


def _read_back(call: Call, body: Json) -> Json:
    mask = fields.response_mask(call.request.param("fields"), "BatchUpdateSpreadsheetResponse")
    inner = (mask.get("updatedSpreadsheet", mask.get("*", {})) if mask else None) or None
    areas = [ranges.resolve(call.spreadsheet, text) for text in body.get("responseRanges", [])]
    with_grid = bool(body.get("responseIncludeGridData")) and mask is None
    view = GridView(call.spreadsheet, call.user, inner, with_grid=with_grid)
    if mask is not None and inner is None and "updatedSpreadsheet" in mask:
        view.with_grid = True  # the whole spreadsheet was named, its grids with it
    return view.build(areas or None)
