"""The baseline: what both sides last agreed on, and what is known about batches that may still land.

A snapshot is the store's commit plus only the cells that differ from it, so that it stays small. What a state means is
here; how it is written as JSON is in `baseline_json`; the rules that change it are in `compare`, `settle` and `epoch`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final, Self

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import CellValue
from sheetsync.sync.decide import UNKNOWN, Answer, Nothing
from sheetsync.sync.gateway import AddRow, DeleteRow, Raw, Token, TouchRow
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, Cell, Role, RowKey

Row = tuple[CellValue, ...]
Tables = Mapping[Role, Mapping[RowKey, Row]]
NO_TABLES: Final[Tables] = {}


@dataclass(frozen=True, slots=True)
class Debt:
    """A cell that a batch of ours damaged: what we left in it, and what an owner's value it covered."""

    cell: Cell
    left: Raw
    covered: Raw


@dataclass(frozen=True, slots=True)
class LostRow:
    """A row that a batch of ours deleted by mistake, kept whole."""

    id: str
    role: Role
    key: RowKey
    cells: tuple[Raw, ...]
    whole: tuple[JSONValue, ...] = ()


@dataclass(frozen=True, slots=True)
class PutBack:
    """A row that we added: if its owner brings it back at the same time, ours is taken away again."""

    role: Role
    key: RowKey
    cells: tuple[Raw, ...]
    own: tuple[Raw, ...] = ()
    lost_id: str = ""


@dataclass(frozen=True, slots=True)
class Intended:
    """A batch that was sent, or was about to be: it may have landed, or may land as long as its parent stands.

    `all_of`: tables of which every row was added, as the store had them at `commit`: those rows are not listed.
    `columns`: where our columns stood, for reading the pre-images. `rules`: the hash of the validations that all our
    tabs have after it. `said`: the statuses of rows that `all_of` stands for. `holds`: it is an undo,
    which holds the spreadsheet once it landed.
    """

    token: Token
    parent: Token | None
    commit: int
    touches: tuple[TouchRow, ...] = ()
    deletes: tuple[DeleteRow, ...] = ()
    adds: tuple[AddRow, ...] = ()
    all_of: tuple[Role, ...] = ()
    columns: dict[Role, dict[str, int]] = field(default_factory=dict)
    rules: str = ""
    said: tuple[tuple[Role, RowKey, str], ...] = ()
    holds: bool = False

    @property
    def planned(self) -> tuple[TouchRow | DeleteRow, ...]:
        """The rows that it takes pre-images of, in their order."""
        return (*self.touches, *self.deletes)


@dataclass(frozen=True, slots=True)
class TabMark:
    """Where a tab of ours was last seen: its sheetId, its columns, how many rows it had."""

    sheet_id: int
    columns: dict[str, int]
    rows: int


@dataclass
class SyncState:
    """Everything one spreadsheet's runs remember.

    Attributes:
        known: false where the baseline is new or was lost.
        commit: the store's commit that `shown` is told from.
        differs: rows whose base differs from that commit's tables; None: no such row.
        pending: cell → draft whose edit was shown there.
        answers: cell → `published` or `rejected: …`, until the owner's next edit.
        untaken: cells where something stood at the last look that was not taken: a problem, or no run took edits.
        token, seal, top: the version of the spreadsheet it stands for, the hash of the pre-images that were checked,
            and the highest epoch ever used.
        planned: how many batches were ever planned.
        said: owners' row → what we last made its `sync_status` say, where that is free text (`answers.is_fixed`).
        digests: hashes of what the tabs that only sheetsync writes were last made to show.
        rules: a hash of the validations that our tabs were last given: the catalogue of firearms may change.
        mending: the cells whose validations were last set again (a hash), and how often in a row it was these.
        accept, asked: a person's answer to exit 7, and the versions it was asked about.
        held: the commit of an undo that landed; until somebody resumes, no run goes on.
    """

    spreadsheet_id: str
    known: bool = False
    commit: int = 0
    differs: dict[tuple[Role, RowKey], Row | None] = field(default_factory=dict)
    pending: dict[Cell, str] = field(default_factory=dict)
    answers: dict[Cell, str] = field(default_factory=dict)
    untaken: set[Cell] = field(default_factory=set)
    token: Token | None = None
    seal: str = ""
    top: int = 0
    planned: int = 0
    intended: tuple[Intended, ...] = ()
    debts: tuple[Debt, ...] = ()
    lost_rows: tuple[LostRow, ...] = ()
    put_back: tuple[PutBack, ...] = ()
    accept: Answer | None = None
    asked: tuple[Token, ...] = ()
    notes: dict[Cell, str] = field(default_factory=dict)
    tabs: dict[Role, TabMark] = field(default_factory=dict)
    shown_commit: int = 0
    digests: dict[Role, str] = field(default_factory=dict)
    said: dict[tuple[Role, RowKey], str] = field(default_factory=dict)
    rules: str = ""
    mending: tuple[str, int] = ("", 0)
    held: str = ""
    tables: Tables = field(default_factory=dict, compare=False)  # the tables at `commit`, not stored

    def copy(self) -> Self:
        """A state that can be changed without changing this one."""
        return replace(
            self,
            differs=dict(self.differs),
            pending=dict(self.pending),
            answers=dict(self.answers),
            untaken=set(self.untaken),
            notes=dict(self.notes),
            tabs=dict(self.tabs),
            digests=dict(self.digests),
            said=dict(self.said),
        )

    def row(self, role: Role, key: RowKey) -> Row | None:
        """The base of a row; None if there was none."""
        if (role, key) in self.differs:
            return self.differs[role, key]
        return self.tables.get(role, {}).get(key)

    def keys(self, role: Role) -> set[RowKey]:
        """The keys of a tab's base rows."""
        keys = set(self.tables.get(role, {}))
        for (its, key), row in self.differs.items():
            if its == role:
                (keys.discard if row is None else keys.add)(key)
        return keys

    def value(self, cell: Cell) -> CellValue | Nothing:
        """The base of a cell; UNKNOWN if it has none."""
        role, key, column = cell
        row = self.row(role, key)
        value = None if row is None else row[LAYOUTS[role].position(column)]
        return UNKNOWN if value is None else value

    def set_row(self, role: Role, key: RowKey, row: Row | None) -> None:
        """Move the base of a row."""
        if row is None and self.untaken:
            self.untaken = {cell for cell in self.untaken if cell[:2] != (role, key)}
        if self.tables.get(role, {}).get(key) == row:
            self.differs.pop((role, key), None)
        else:
            self.differs[role, key] = row

    def set_value(self, cell: Cell, value: CellValue) -> None:
        """Move the base of one cell; the other cells of a row that had no base stay unknown, written None."""
        role, key, column = cell
        layout = LAYOUTS[role]
        row = list(self.row(role, key) or (*key, *([None] * (layout.width - layout.key_width))))
        row[layout.position(column)] = value
        self.set_row(role, key, tuple(row))

    def say(self, role: Role, key: RowKey, text: str) -> None:
        """Remember what a row's `sync_status` says; `text` is empty where it need not be remembered."""
        if text:
            self.said[role, key] = text
        else:
            self.said.pop((role, key), None)

    def rebase(self, commit: int, tables: Tables) -> None:
        """Tell the same base from another commit's tables, where that takes fewer differing rows."""
        if commit == self.commit and tables is self.tables:
            return
        differs: dict[tuple[Role, RowKey], Row | None] = {}
        for role in OWNER_ROLES:
            now = tables.get(role, {})
            for key in self.keys(role):
                row = self.row(role, key)
                if now.get(key) != row:
                    differs[role, key] = row
            for key in now:
                if self.row(role, key) is None:
                    differs[role, key] = None
        if len(differs) <= len(self.differs) or self.commit == 0 or not self.tables:
            self.commit, self.tables, self.differs = commit, tables, differs
