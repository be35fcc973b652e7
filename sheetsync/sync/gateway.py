"""The port to the spreadsheet: what a read brings, what a batch does, and who must implement it.

All values are plain and typed. Google's JSON is not here: `gsheets` translates. Rows and columns are 0-based indexes of
the grid; a *batch* is atomic, and lands on the version of the spreadsheet it was planned against, or nowhere.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Protocol, TypeGuard

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import CellValue
from sheetsync.sync.tabs import Role, RowKey


@dataclass(frozen=True, slots=True)
class Formula:
    """A spreadsheet formula in a cell; `error` names what it shows (`#REF!`), "" if it shows a value."""

    text: str
    error: str = ""


@dataclass(frozen=True, slots=True)
class ErrorValue:
    """An error that stands in a cell as its value."""

    text: str


Raw = str | float | int | bool | Formula | ErrorValue  # what stands in a cell; "" is an empty one
Written = CellValue | Formula | ErrorValue  # what is written into one: ours, or what people had there; None clears it


def is_value(written: Written) -> TypeGuard[CellValue]:
    """Is it a value that a base can hold? A formula and an error never are: nobody agrees on them."""
    return not isinstance(written, Formula | ErrorValue)


class Token(NamedTuple):
    """A version of the spreadsheet: the epoch of its scratch tab, and the nonce of the batch that made it."""

    epoch: int
    nonce: str


@dataclass(slots=True)
class RowRead:  # not frozen: 100,000 are made a run, and a frozen one takes three times as long
    """One row that is not blank in our columns. `cells`: our columns, in the layout's order; a missing column is "".

    `own` holds what people put beside: (column index, value); `notes` the notes of our columns; `astray` those of our
    columns whose cell here does not have the validation (checkbox, dropdown) that we set, or has one where we set none.
    """

    index: int
    cells: tuple[Raw, ...]
    own: tuple[tuple[int, Raw], ...] = ()
    notes: dict[str, str] | None = None
    astray: tuple[str, ...] = ()


PROTECTION_MARK: Final = "sheetsync: "  # how the description of a protection of ours begins


Area = tuple[int, int, int, int]  # first row, end row, first column, end column of the grid


@dataclass(frozen=True, slots=True)
class Protection:
    """What protects a part of a tab. `text`: its description; `open`: the parts that it leaves open.

    `stops`: it keeps us, who read this, from writing there. `grows`: it has no right edge; columns that are added on
    the right are in it, too.
    """

    id: int
    text: str
    area: Area
    stops: bool = False
    open: tuple[Area, ...] = ()
    grows: bool = False


@dataclass(frozen=True, slots=True)
class TabRead:
    """One tab of ours as it was read. `columns`: column → index in the grid, for those whose header was found.

    `head` is the header row as it stands, `headers` the texts in it, without spaces around them.
    """

    role: Role
    sheet_id: int
    title: str
    columns: dict[str, int]
    rows: list[RowRead]
    row_count: int
    column_count: int
    headers: tuple[str, ...] = ()
    merges: tuple[tuple[int, int, int, int], ...] = ()  # (first row, end row, first column, end column)
    protected: tuple[Protection, ...] = ()
    frozen: int = 0
    last_row: int = 0  # the index after the last row that holds anything
    tables: tuple[tuple[int, int, int, int], ...] = ()  # people's tables: they keep validations of their own
    in_use: frozenset[int] = frozenset()  # the columns that hold a value; told only where a header of ours is missing
    copies: tuple[tuple[str, int], ...] = ()  # headers of ours that stand a second time: (column, index)
    unclear: tuple[tuple[str, int], ...] = ()  # and those of which nothing tells which is ours; not in `columns`
    head: tuple[Raw, ...] = ()


@dataclass(frozen=True, slots=True)
class ScratchTab:
    """A scratch tab as it was read. `pre`: the pre-images, one row of raw values each, as wide as they were copied.

    `notes`: (row of `pre`, column) → the note that was copied with the cell. `readable` is false where its header is
    not one of ours: somebody wrote into it.
    """

    sheet_id: int
    epoch: int
    nonce: str
    pre: tuple[tuple[Raw, ...], ...]
    readable: bool = True
    notes: Mapping[tuple[int, int], str] = field(default_factory=dict)

    @property
    def is_opening(self) -> bool:
        """Did its batch only open an epoch? Such a tab is harmless wherever it lands."""
        return self.nonce.startswith("open-")


@dataclass(frozen=True, slots=True)
class Mark:
    """What the spreadsheet's metadata say it belongs to."""

    store: str
    tenant: str
    spreadsheet: str


@dataclass(frozen=True, slots=True)
class SheetRead:
    """The spreadsheet, or the part of it that is ours. `listed`: the titles of all tabs, where they were asked for."""

    spreadsheet_id: str
    mark: Mark | None
    tabs: dict[Role, TabRead]
    scratch: tuple[ScratchTab, ...] = ()
    staging: tuple[int, ...] = ()
    doubled: tuple[TabRead, ...] = ()  # tabs that carry the mark of one of ours a second time
    listed: tuple[tuple[int, str], ...] | None = None
    foreign_cells: int = 0
    title: str = ""

    @property
    def tokens(self) -> tuple[Token, ...]:
        """The versions that the scratch tabs stand for; normally one."""
        return tuple(sorted(Token(tab.epoch, tab.nonce) for tab in self.scratch))


@dataclass(frozen=True, slots=True)
class TouchRow:
    """Write some cells of a row that exists. `planned` is the row as it was read, in the layout's order.

    `sets`: column → value; `started`: column → the base each set cell started from; `notes`: column → note, None
    clears it.
    """

    role: Role
    index: int
    key: RowKey
    planned: tuple[Raw, ...]
    sets: Mapping[str, Written]
    started: dict[str, CellValue] = field(default_factory=dict)
    status: str | None = None
    notes: dict[str, str | None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DeleteRow:
    """Delete a whole row; its pre-image is the whole row, with people's columns.

    `undoes`: it takes back a row that the store still shows; nobody proposed that it goes.
    """

    role: Role
    index: int
    key: RowKey
    planned: tuple[Raw, ...]
    undoes: bool = False


@dataclass(frozen=True, slots=True)
class AddRow:
    """Insert a row before the row `at` of the read. `whole` is the full content of a lost row that is put back."""

    role: Role
    key: RowKey
    values: tuple[Written, ...]
    at: int
    status: str = ""
    started: tuple[CellValue, ...] | None = None
    lost_id: str = ""
    whole: tuple[JSONValue, ...] = ()
    known: bool = True  # is it a row that the store shows?
    notes: dict[str, str] = field(default_factory=dict)


Operation = TouchRow | DeleteRow | AddRow


@dataclass(frozen=True, slots=True)
class SetRules:
    """Set the validation of a column of ours again, in the rows [first, end) of the read."""

    role: Role
    column: str
    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One atomic write. `deletes`: the scratch tabs it was planned against; without one of them it is refused."""

    token: Token
    deletes: tuple[ScratchTab, ...]
    operations: tuple[Operation, ...] = ()
    create: tuple[Role, ...] = ()
    adopt: tuple[Role, ...] = ()  # unmarked tabs of our name that become ours
    repair: tuple[Role, ...] = ()  # tabs whose headers, protections and validations are set again
    rules: tuple[SetRules, ...] = ()  # cells whose validations are set again
    mark: Mark | None = None
    digest: str = ""
    headers: dict[Role, dict[str, int]] = field(default_factory=dict)  # headers to write again, and where

    @property
    def is_opening(self) -> bool:
        """Does it write nothing but the epoch?"""
        return self.token.nonce.startswith("open-")


@dataclass(frozen=True, slots=True)
class Landed:
    """A batch's answer: the pre-images as they stood, and the tabs after it where they are small enough to come along.

    `whole`: for rows deleted, index among the pre-images → the full cells, with notes and formats.
    """

    pre: tuple[tuple[Raw, ...], ...]
    read: SheetRead | None
    whole: dict[int, tuple[JSONValue, ...]] = field(default_factory=dict)
    scratch: ScratchTab | None = None
    sheet_ids: dict[Role, int] = field(default_factory=dict)  # of the tabs it created


class TabSize(NamedTuple):
    """Where a tab was last seen, how many rows it had, and where its columns stood."""

    sheet_id: int
    rows: int
    columns: Mapping[str, int] = {}


class SheetGateway(Protocol):
    """One spreadsheet. Every method is one call at most, but where it says otherwise."""

    @property
    def spreadsheet_id(self) -> str:
        """The id of the spreadsheet."""

    @property
    def url(self) -> str:
        """Where people see the spreadsheet; "" if that address does not last."""

    def read(self, sizes: Mapping[Role, TabSize], *, columns: Mapping[Role, dict[str, int]] | None = None) -> SheetRead:
        """All our tabs and the scratch tab: one read (row blocks above 20,000 rows, by the last known `sizes`).

        Where a header stands twice, `sizes` may tell which column is ours.

        `columns`: where the columns of some tabs are, whatever their headers say.
        """

    def list_tabs(self) -> SheetRead:
        """All tabs by name, without cells: for set-up, the doctor, and when one of ours is missing."""

    def read_unmarked(self, role: Role, sheet_id: int) -> SheetRead:
        """A tab that is not marked as ours, read as if it were: before a person's answer makes it ours (one read)."""

    def counts(self) -> Mapping[str, int]:
        """The calls made so far: read, write, drive."""

    def land(self, batch: Batch, read: SheetRead) -> Landed | None:
        """Send a batch planned against `read`. None: it was refused, because the version moved. Never resent.

        Raises:
            UnknownOutcomeError: no answer came; the next read tells.
        """

    def whole_rows(self, scratch: ScratchTab, count: int) -> dict[int, tuple[JSONValue, ...]]:
        """The full cells of the first `count` pre-images of a scratch tab, with notes and formats (one read)."""
