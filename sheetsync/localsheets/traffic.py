"""What kind of call a request is: a read or a write of Sheets, a call of Drive, or none of these.

Used by the quota counters and by scripts, which act on kinds of calls.
"""

from __future__ import annotations

from typing import Final, Literal

from sheetsync.localsheets.transport import Request

Kind = Literal["read", "write", "drive", "other"]

# Calls that are sent as POST, but read: Google counts them as reads.
_READS: Final = (":getByDataFilter", "/values:batchGetByDataFilter", "/developerMetadata:search")


def kind_of(request: Request) -> Kind:
    """The kind of a call, as Google's quotas count it."""
    path = request.path
    if path.startswith("/v4/"):
        return "read" if request.method == "GET" or path.endswith(_READS) else "write"
    if path.startswith(("/drive/", "/upload/drive/")):
        return "drive"
    return "other"
