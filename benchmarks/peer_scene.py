"""What every program of `peers.py` meets: the same table, the same server, and the same person who edits meanwhile.

The programs are in `peer_programs.py`; the runs, the table and the plot in `peers.py`.  Nothing here knows which
program is at work: calls and bytes are counted at the server, and what became of an edit is looked up in its grid.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from urllib.request import Request as UrlRequest
from urllib.request import urlopen

import orjson

from sheetsync.localsheets import LocalSheets
from sheetsync.localsheets.files import SPREADSHEET
from sheetsync.localsheets.person import Person
from sheetsync.localsheets.sheet import Sheet
from sheetsync.localsheets.traffic import kind_of
from sheetsync.localsheets.transport import Request, Response
from sheetsync.localsheets.workspace import Workspace

TAB = "Policy Matrix"
HEADER = ("connector_id", "scope", "firearm_id", "strategy_lock")
VALUE, REMARK = "firearm_id", "remark"  # what the person edits: a value of the table, and a column of her own
SCOPES = 50
# What the program shows at first, after the change that is measured, and after the one during which she edits.
BEFORE, AFTER, LATER = "firearm.before", "firearm.after", "firearm.later"
SORTED = "1 % of rows, and she sorts"
CASES = ("no-op", "one cell", "1 % of rows", "all rows", SORTED)
# When the person edits; each moment has its own rows.
MOMENTS = ("before the run", "after its read", "before its last write", "after its last write, unanswered")

Key = tuple[str, str]
Rows = dict[Key, tuple[str, bool]]  # firearm and lock of each row


def table(count: int) -> Rows:
    """The table in its first state."""
    size = min(SCOPES, max(1, count // 4))
    keys = ((f"connector-{index // size:05d}", f"tools.tool_{index % size:02d}") for index in range(count))
    return dict.fromkeys(keys, (BEFORE, False))


def changed_keys(rows: Rows, case: str) -> list[Key]:
    """The rows that a case changes, spread over the table."""
    keys = list(rows)
    if case == "no-op":
        return []
    if case == "one cell":
        return [keys[len(keys) // 2]]
    return keys if case == "all rows" else keys[50::100] or [keys[len(keys) // 2]]


def change(rows: Rows, case: str, firearm: str) -> Rows:
    """The table after a case's change of the firearm."""
    return rows | {key: (firearm, rows[key][1]) for key in changed_keys(rows, case)}


@dataclass(frozen=True)
class Edit:
    """One thing the person types; its text occurs nowhere else."""

    moment: str
    key: Key
    column: str
    text: str


def edits_for(rows: Rows, case: str) -> list[Edit]:
    """At each moment a firearm in a row that changes, one in a row that does not (if there is one), and a remark."""
    changed = changed_keys(rows, case)
    busy = changed[:: max(1, len(changed) // 4)]
    moving, taken = set(changed), set(busy)
    rest = [key for key in rows if key not in moving] or [key for key in changed if key not in taken]
    quiet = rest[:: max(1, len(rest) // 12)]
    made = []
    order = (MOMENTS[1], MOMENTS[2], MOMENTS[3], MOMENTS[0])  # few changed rows: the races get them
    for number, moment in enumerate(order):
        first = busy.pop(0) if busy else quiet.pop(0)
        keys = (first, quiet.pop(0), quiet.pop(0))
        made += [Edit(moment, key, VALUE, owner_firearm(2 * number + index)) for index, key in enumerate(keys[:2])]
        made.append(Edit(moment, keys[2], REMARK, f"remark {number} of the owner"))
    return made


def owner_firearm(number: int) -> str:
    """The firearms that only the person chooses."""
    return f"firearm.owner_{number}"


FIREARMS = (BEFORE, AFTER, LATER, *(owner_firearm(number) for number in range(2 * len(MOMENTS))))


@dataclass
class Traffic:
    """The calls of a run and their bodies' bytes, as the server saw them (before compression)."""

    read: int = 0
    write: int = 0
    drive: int = 0
    sent: int = 0
    received: int = 0
    largest: int = 0  # the body of one call

    def __call__(self, request: Request, response: Response) -> None:
        kind = kind_of(request)
        if kind != "other":
            setattr(self, kind, getattr(self, kind) + 1)
            self.sent += len(request.body)
            self.largest = max(self.largest, len(request.body))
            self.received += len(response.body)


def watch(server: LocalSheets) -> Traffic:
    """Count from now on."""
    traffic = Traffic()
    server.pipeline.observers[:] = [traffic]
    return traffic


def make_spreadsheet(server: LocalSheets) -> None:
    """An empty spreadsheet, made as gspread makes one."""
    body = orjson.dumps({"name": "policies", "mimeType": SPREADSHEET})
    request = UrlRequest(f"{server.url}/drive/v3/files", data=body, headers={"Content-Type": "application/json"})
    urlopen(request).close()


def spreadsheet_of(workspace: Workspace) -> str:
    """The id of the only spreadsheet."""
    (found,) = (key for key, record in workspace.files.items() if record.mime == SPREADSHEET)
    return found


def grid(workspace: Workspace) -> Sheet:
    """The tab as the server holds it."""
    sheet = workspace.spreadsheet(spreadsheet_of(workspace)).sheet_by_title(TAB)
    assert sheet is not None
    return sheet


def text_at(sheet: Sheet, row: int, column: int) -> str:
    cell = sheet.cell(row, column)
    return "" if cell is None or cell.value is None else str(cell.value)


def column_of(sheet: Sheet, name: str) -> int | None:
    width = sheet.count("COLUMNS")
    return next((column for column in range(width) if text_at(sheet, 0, column) == name), None)


def places(sheet: Sheet, keys: set[Key]) -> dict[Key, int]:
    """The row index of each of these keys that is in the tab (the last, if it is there twice)."""
    id_column, scope_column = column_of(sheet, HEADER[0]), column_of(sheet, HEADER[1])
    if id_column is None or scope_column is None:
        return {}
    found = {}
    for row in range(1, sheet.count("ROWS")):
        key = (text_at(sheet, row, id_column), text_at(sheet, row, scope_column))
        if key in keys:
            found[key] = row
    return found


@dataclass
class Owner:
    """The person: she knows where her rows stand, and types there even while they are blank for a moment."""

    server: LocalSheets
    edits: list[Edit]
    rows: dict[Key, int] = field(default_factory=dict)
    columns: dict[str, int] = field(default_factory=dict)
    done: list[Edit] = field(default_factory=list)

    def look(self) -> None:
        """See where rows and columns stand; what is not there now is remembered as last seen."""
        sheet = grid(self.server.workspace)
        self.rows |= places(sheet, {edit.key for edit in self.edits})
        for name in (VALUE, REMARK):
            if (column := column_of(sheet, name)) is not None:
                self.columns[name] = column

    def act(self, moment: str) -> None:
        """Do the edits of a moment, once."""
        with self.server.workspace.lock:
            self.look()
            for edit in self.edits:
                if edit.moment == moment and edit not in self.done:
                    self._type(self.rows[edit.key], self.columns[edit.column], edit.text)
                    self.done.append(edit)

    def sort(self) -> None:
        """Sort the rows by scope, the last first: all rows stand elsewhere now."""
        with self.server.workspace.lock:
            sheet = grid(self.server.workspace)
            person = Person(self.server.workspace, spreadsheet_of(self.server.workspace))
            person.sort(sheet.sheet_id, column_of(sheet, HEADER[1]) or 0, descending=True)

    def head(self, column: int) -> None:
        """Begin a column of her own."""
        with self.server.workspace.lock:
            self._type(0, column, REMARK)

    def _type(self, row: int, column: int, text: str) -> None:
        person = Person(self.server.workspace, spreadsheet_of(self.server.workspace))
        person.type_rows(grid(self.server.workspace).sheet_id, row, column, [[text]], confirmed=True)

    def wait_for(self, writes: int, *, sorts: bool = False) -> None:
        """Edit at the moments of a run that is known to make so many writes; before the first one sort the tab."""

        def at(moment: str) -> Callable[[Workspace], None]:
            return lambda _workspace: self.act(moment)

        last = max(0, writes - 1)
        if sorts:
            self.server.script.act(lambda _workspace: self.sort(), "before write")
        self.server.script.act(at(MOMENTS[1]), "before write")
        self.server.script.act(at(MOMENTS[2]), f"before write skip {last}")
        self.server.script.act(at(MOMENTS[3]), f"after write skip {last}")

    def finish(self) -> None:
        """Do now what found no call to happen at."""
        for moment in MOMENTS:
            self.act(moment)

    def standing(self) -> list[Edit]:
        """The edits that the sheet shows in their rows."""
        sheet = grid(self.server.workspace)
        rows = places(sheet, {edit.key for edit in self.edits})
        columns = {name: column_of(sheet, name) for name in (VALUE, REMARK)}

        def stands(edit: Edit) -> bool:
            row, column = rows.get(edit.key), columns[edit.column]
            return row is not None and column is not None and text_at(sheet, row, column) == edit.text

        return [edit for edit in self.edits if stands(edit)]

    def lost(self, known: Callable[[Edit], bool]) -> list[Edit]:
        """The edits that are neither in their row of the sheet, nor known to the program.

        Args:
            known: whether the program's own records hold an edit.
        """
        standing = self.standing()
        return [edit for edit in self.edits if edit not in standing and not known(edit)]


def shown(server: LocalSheets) -> list[tuple[Key, str]]:
    """The rows of the sheet as they stand, with the firearm that each shows."""
    sheet = grid(server.workspace)
    id_column, scope_column, column = (column_of(sheet, name) or 0 for name in (HEADER[0], HEADER[1], VALUE))
    rows = range(1, sheet.count("ROWS"))
    lines = [((text_at(sheet, r, id_column), text_at(sheet, r, scope_column)), text_at(sheet, r, column)) for r in rows]
    return [(key, value) for key, value in lines if any(key)]


def wrong_rows(server: LocalSheets, rows: Rows, edits: Sequence[Edit] = ()) -> int:
    """Rows that are missing, there twice, strange, or show what neither the program nor the person meant for them."""
    meant = {key: {firearm} for key, (firearm, _) in rows.items()}
    for edit in edits:
        meant[edit.key].add(edit.text)
    lines = shown(server)
    bad = sum(1 for key, value in lines if value not in meant.get(key, ()))
    seen = Counter(key for key, _ in lines)
    return bad + sum(1 for key in rows if seen[key] != 1)
