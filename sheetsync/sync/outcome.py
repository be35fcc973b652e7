"""What a comparison yields: events, problems, reports and the operations of the next batch. Values only.

How they are found is in `compare` and its parts; how events become drafts is in `drafting`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import CellValue
from sheetsync.domain.problems import Problem
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.decide import Nothing, PendingEdit
from sheetsync.sync.gateway import Operation, Raw, SetRules, Written
from sheetsync.sync.tabs import Cell, Role, RowKey, title_of


@dataclass(frozen=True, slots=True)
class EditEvent:
    """An owner's edit that goes into a draft; with `edit` None, a pending edit that the owner took back.

    `start_row`: for a deleted KPI, the values of its row as the owner saw it, without the key; for a cell of one that
    was dropped, the values that it had.
    """

    cell: Cell
    a1: str
    edit: PendingEdit | None
    value: CellValue
    start_row: tuple[CellValue, ...] = ()

    @property
    def connector_id(self) -> str:
        """The connector it belongs to."""
        return self.cell[1][0]


@dataclass(frozen=True, slots=True)
class ConflictMark:
    """Published moved under a pending edit whose cell did not change: the draft's conflict changes."""

    draft_id: str
    cell: Cell
    edit: PendingEdit
    theirs: CellValue | Nothing


PUT_BACK: Final = "put back: the column is sheetsync's"


@dataclass(frozen=True, slots=True)
class Found:
    """One cell in a report's list: pending, settling, healed, overwritten."""

    cell: Cell
    a1: str
    value: CellValue
    note: str = ""

    def to_json(self) -> dict[str, object]:
        """As the contract names it."""
        role, key, column = self.cell
        found: dict[str, object] = {
            "tab": title_of(role),
            "cell": self.a1,
            "row_key": list(key),
            "column": column,
            "value": self.value,
        }
        return found | ({"message": self.note} if self.note else {})


@dataclass(frozen=True, slots=True)
class FoundConflict:
    """An open conflict, as base / yours / theirs."""

    cell: Cell
    a1: str
    base: CellValue
    yours: CellValue
    theirs: CellValue

    def to_json(self) -> dict[str, object]:
        """As the contract names it."""
        role, key, column = self.cell
        return {
            "tab": title_of(role),
            "cell": self.a1,
            "row_key": list(key),
            "column": column,
            "base": self.base,
            "yours": self.yours,
            "theirs": self.theirs,
        }


Level = Literal["problem", "conflict", "settling", "pending", "rejected", "published", "note"]
LEVELS: tuple[Level, ...] = ("problem", "conflict", "settling", "pending", "rejected", "published", "note")


@dataclass
class RowResult:
    """What one row is to become, before drafts have ids: the status is told by `answers`.

    `index` is the row in the grid, None for a row to be added at `at`. `sets`: column → value where the cell differs.
    `standing`: columns that get a value back which our write had covered, and which is in no draft (it is bad, or this
    run takes none); their base does not move.
    """

    role: Role
    key: RowKey
    index: int | None
    planned: tuple[Raw, ...] = ()
    sets: dict[str, Written] = field(default_factory=dict)
    says: list[tuple[Level, str, str]] = field(default_factory=list)  # (level, column, text)
    standing: set[str] = field(default_factory=set)
    note_cells: dict[str, str] = field(default_factory=dict)  # column → what stands there as a note


@dataclass
class Plan:
    """The outcome of one comparison. `state`: the baseline after the pull transaction, before the batch lands."""

    state: SyncState
    commit: int
    rows: list[RowResult] = field(default_factory=list)
    events: list[EditEvent] = field(default_factory=list)
    marks: list[ConflictMark] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    conflicts: list[FoundConflict] = field(default_factory=list)
    pending: list[Found] = field(default_factory=list)
    settling: list[Found] = field(default_factory=list)
    unpulled: list[Found] = field(default_factory=list)
    healed: list[Found] = field(default_factory=list)
    overwritten: list[Found] = field(default_factory=list)
    removed_rows: list[dict[str, JSONValue]] = field(default_factory=list)  # deleted by mistake, and not put back
    operations: list[Operation] = field(default_factory=list)
    changed_cells: dict[Role, int] = field(default_factory=dict)
    lost_keys: dict[Role, list[RowKey]] = field(default_factory=dict)
    mended: list[Found] = field(default_factory=list)  # what is set up again: validations, protections, headers, tabs
    rules: tuple[SetRules, ...] = ()
    holds: bool = False  # is the batch an undo, which holds the spreadsheet once it landed?
    mending: tuple[str, int] | None = None  # as the baseline keeps it; None where this run mends nothing

    @property
    def takes(self) -> bool:
        """Are there edits for drafts, or marks for them?"""
        return bool(self.events or self.marks)
