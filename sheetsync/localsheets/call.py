"""One call of the Sheets API: who asks what of which spreadsheet.  Handlers get this, not the bare HTTP request."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass

from sheetsync.localsheets import schema
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.pipeline import json_body
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.transport import Request
from sheetsync.localsheets.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Options:
    """How the server deviates from its defaults, for what is not known of the real one.

    Attributes:
        strict_rest: validation rules that reject input bind REST writes, too.
        metadata_follows_sort: row metadata goes along when rows are sorted.
        private: files are seen only by their owner and by those with whom they are shared.
        drive_lag_ms: how late Drive tells of changes in content (Google's: about three minutes).
    """

    strict_rest: bool = False
    metadata_follows_sort: bool = False
    private: bool = False
    drive_lag_ms: int = 0


@dataclass(frozen=True, slots=True)
class Call:
    """A call on one spreadsheet."""

    request: Request
    workspace: Workspace
    spreadsheet: Spreadsheet
    user: str
    options: Options

    def body(self, message: str, path: str = "") -> Json:
        """The checked body.

        Raises:
            ApiError: 400, it is not such a message.
        """
        return schema.check(message, json_body(self.request), path)

    def transaction(self) -> AbstractContextManager[Journal]:
        """Changes of the spreadsheet, kept if the block ends well."""
        return self.workspace.transaction(self.spreadsheet, self.user)
