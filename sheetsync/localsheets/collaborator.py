"""Somebody who edits the spreadsheet while a program works on it, told in lines of text.

`type TAB!CELL TEXT…` · `clear TAB!CELL` · `note TAB!CELL TEXT` · `insert-rows TAB START COUNT` ·
`delete-rows TAB START COUNT` · `move-rows TAB START COUNT TO` · `sort TAB COLUMN [desc]` · `rename TAB TITLE` ·
`delete-tab TAB` · `locale NAME` · `undo`, each followed by when it happens (as for faults; `before write` if not said).
Rows are counted from 1, columns are letters.  What an act means is in `person.py`: dropdowns and protections bind.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable
from typing import Any, Final

from sheetsync.errors import UsageError
from sheetsync.localsheets import a1, ranges
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.faults import CALLS, Step, trigger_of
from sheetsync.localsheets.files import SPREADSHEET
from sheetsync.localsheets.person import PAGE_USER, Person
from sheetsync.localsheets.requests import handler
from sheetsync.localsheets.requests.edit import Edit
from sheetsync.localsheets.workspace import Workspace

HINT: Final = "write e.g. \"type 'Policy Matrix!C5' NONE before write skip 1\""
_TRIGGERS: Final = ("before", "after", "skip", "times", "always", "path", *CALLS)


class Collaborator:
    """A person who acts on one spreadsheet of a workspace (the newest, if none is named)."""

    def __init__(self, workspace: Workspace, spreadsheet_id: str = "", user: str = PAGE_USER) -> None:
        found = [key for key, record in workspace.files.items() if record.mime == SPREADSHEET]
        self.workspace = workspace
        self.id = spreadsheet_id or (found[-1] if found else "")
        self.user = user
        self.person = Person(workspace, self.id, user)

    def _place(self, text: str) -> tuple[int, int, int]:
        sheet, box = ranges.resolve(self.workspace.spreadsheet(self.id), text)
        return sheet.sheet_id, box.row, box.col

    def _tab(self, title: str) -> int:
        sheet = self.workspace.spreadsheet(self.id).sheet_by_title(title)
        if sheet is None:
            raise UsageError(f"there is no tab {title!r}", hint=HINT)
        return sheet.sheet_id

    def request(self, kind: str, body: dict[str, Any]) -> None:
        """Send one request of a batch as this person."""
        content = self.workspace.spreadsheet(self.id)
        with self.workspace.transaction(content, self.user) as journal:
            handler(kind)(Edit(journal, self.user, Options(strict_rest=True)), body)

    def type(self, cell: str, *texts: str) -> None:
        """Type texts side by side, from a cell on."""
        self.person.type_rows(*self._place(cell), [list(texts)], confirmed=True)

    def note(self, cell: str, text: str) -> None:
        """Write a note."""
        self.person.set_note(*self._place(cell), text, confirmed=True)

    def insert_rows(self, tab: str, start: int, count: int) -> None:
        """Insert blank rows before a row, counted from 1."""
        self.person.insert_rows(self._tab(tab), start - 1, count)

    def delete_rows(self, tab: str, start: int, count: int) -> None:
        """Delete rows, counted from 1."""
        self.person.delete_rows(self._tab(tab), start - 1, count)

    def move_rows(self, tab: str, start: int, count: int, to: int) -> None:
        """Drag rows to before another row, counted from 1."""
        span = {"sheetId": self._tab(tab), "dimension": "ROWS", "startIndex": start - 1, "endIndex": start - 1 + count}
        self.request("moveDimension", {"source": span, "destinationIndex": to - 1})

    def sort(self, tab: str, column: str, order: str = "asc") -> None:
        """Sort the rows below the frozen ones by a column."""
        self.person.sort(self._tab(tab), a1.column_index(column), descending=order.startswith("desc"))

    def rename(self, tab: str, title: str) -> None:
        """Rename a tab."""
        self.person.rename_tab(self._tab(tab), title)

    def delete_tab(self, tab: str) -> None:
        """Delete a tab."""
        self.request("deleteSheet", {"sheetId": self._tab(tab)})

    def set_locale(self, name: str) -> None:
        """Change the spreadsheet's locale."""
        self.request("updateSpreadsheetProperties", {"properties": {"locale": name}, "fields": "locale"})


# What a line's first word does with the words that follow.
ACTS: Final[dict[str, Callable[[Collaborator, list[str]], object]]] = {
    "type": lambda who, words: who.type(words[0], *words[1:]),
    "clear": lambda who, words: who.type(words[0], ""),
    "note": lambda who, words: who.note(words[0], words[1]),
    "insert-rows": lambda who, words: who.insert_rows(words[0], int(words[1]), int(words[2])),
    "delete-rows": lambda who, words: who.delete_rows(words[0], int(words[1]), int(words[2])),
    "move-rows": lambda who, words: who.move_rows(words[0], int(words[1]), int(words[2]), int(words[3])),
    "sort": lambda who, words: who.sort(words[0], *words[1:]),
    "rename": lambda who, words: who.rename(words[0], words[1]),
    "delete-tab": lambda who, words: who.delete_tab(words[0]),
    "locale": lambda who, words: who.set_locale(words[0]),
    "undo": lambda who, _words: who.person.undo(),
}


def act_of(line: str, *, spreadsheet_id: str = "") -> Step:
    """The step of a line of text; it happens before the next write, if the line does not say when.

    Raises:
        UsageError: the line begins with no known act.
    """
    words = shlex.split(line)
    if not words or words[0] not in ACTS:
        raise UsageError(f"no such act: {line!r}", hint=HINT)
    cut = next((i for i, word in enumerate(words) if i > 1 and word in _TRIGGERS), len(words))
    act, given = ACTS[words[0]], words[1:cut]
    trigger = {"calls": "write", **trigger_of(words[cut:])}

    def run(workspace: Workspace) -> None:
        act(Collaborator(workspace, spreadsheet_id), given)

    return Step("act", act=run, label=line, **trigger)
