"""A problem: wrong data, reported with its place. A failed run is not here: that is `errors`."""

from __future__ import annotations

from sheetsync.domain.model import Model


class Problem(Model):
    """Wrong data in one place, with what to do about it.

    `tab` is a tab's title, or a file or folder for imports; `cell` is A1 ("C7"), or `line:column` for files, or "";
    `row_key` is the list of key values, empty where there is none.
    """

    code: str
    tab: str = ""
    cell: str = ""
    row_key: tuple[str, ...] = ()
    message: str
    hint: str = ""
