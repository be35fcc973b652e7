"""What Drive knows of a file: names, times, owner, parents.  The content is a `spreadsheet.Spreadsheet`.

Kept by `workspace.py`; Drive's own calls are in `drive.py`.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from datetime import UTC, datetime
from typing import Any, Final

SPREADSHEET: Final = "application/vnd.google-apps.spreadsheet"
FOLDER: Final = "application/vnd.google-apps.folder"
ROOT: Final = "0AGIJ7XFn4BojUk9PVA"  # the id of "My Drive", which is the same for everybody here


@dataclass
class FileRecord:
    """A file's metadata.

    Attributes:
        version: rises with every change of the file or its content.
        extra: anything else that Drive keeps (description, starred, appProperties, permissions …).
    """

    id: str
    name: str
    mime: str
    owner: str
    created_ms: int
    modified_ms: int
    version: int = 1
    last_user: str = ""
    trashed: bool = False
    parents: list[str] = field(default_factory=lambda: [ROOT])
    extra: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The record as JSON, for the data file."""
        return asdict(self)

    @classmethod
    def from_json(cls, state: dict[str, Any]) -> FileRecord:
        """The record of `to_json`; keys of a newer program are left out."""
        known = {one.name for one in fields(cls)}
        return cls(**{key: value for key, value in state.items() if key in known})


def rfc3339(milliseconds: int) -> str:
    """A time as Drive writes it: `2023-07-20T08:48:02.877Z`."""
    moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    return moment.strftime("%Y-%m-%dT%H:%M:%S.") + f"{milliseconds % 1000:03d}Z"
