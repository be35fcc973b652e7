"""Base and policy of a new sheet draft, told cell by cell. Pure; what else is in a draft is in `drafting`.

L is what is published (of a connector never published its stand-in: the superseded draft without owners' edits), B and
P are base and policy of the draft that is superseded. An operator changed a cell there if P differs from B, or lacks a
row that B has, and no owner edited it.

| the cell                             | base  | policy |
| ------------------------------------ | ----- | ------ |
| an owner's edit, new in this draft   | start | value  |
| an owner's edit, carried over        | start | P      |
| changed by an operator               | B     | P      |
| any other; an edit that was withdrawn | L     | L      |

Base and policy are thus the same wherever nobody changed anything, and publish takes there what is published by then.
Where an edit started from nothing known, or from no row, its base is that of "any other" cell: what is published is
then what the edit says, or in conflict with it. Of a connector never published every edit's base is L,
and so is that of a row that an operator added, once an owner edits it: the sheet shows the row.

That a KPI is there at all follows from its cells: without impact_type and formula there is no row, and its deletion is
an edit of them all. Where a row is not valid so (a lock with no firearm to lock; a KPI that was dropped under edits),
its other cells are B in base and policy, else a lock is off; the row then is as its edits found it. But a lock that its
owner put back is not off: the row is refused.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

from sheetsync.domain.cells import (
    EMPTY,
    FIREARM_COLUMNS,
    KPI_COLUMNS,
    KPI_NAME,
    KPI_TAB,
    POLICY_TAB,
    UNDECIDED,
    PolicyCell,
    cell_at,
    is_kpi_column,
    policy_cells,
    read_cell,
    with_cells,
)
from sheetsync.domain.draft import CellValue, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.errors import InvalidContentError
from sheetsync.sync.normalize import Bad
from sheetsync.sync.outcome import EditEvent
from sheetsync.sync.tabs import FIREARM, LOCK, Role, RowKey, role_of

NOTHING = PolicySnapshot()
NEEDED = ("impact_type", "formula")  # of a KPI
NO_FIREARM_AT_ALL = "a strategy lock without a firearm locks nothing"
Refused = dict[tuple[Role, RowKey], Bad]
_Row = tuple[str, str]  # tab, and scope or KPI name


class RowRefusedError(InvalidContentError):
    """An owner's row does not fit the policy's rules as a whole: no draft can have it. `bad` is what its cells say."""

    def __init__(self, row: tuple[Role, RowKey], message: str, hint: str) -> None:
        super().__init__(message, hint=hint)
        self.row = row
        self.bad = Bad("no_valid_row", message, hint)


@dataclass
class DraftRows:
    """The cells that a new draft does not simply have from `live`: what they start from, and what they are to be.

    Attributes:
        live: what is published, or its stand-in.
        under: the superseded draft's base.
        mine: its policy.
        never: was the connector never published?
        old_id: the superseded draft's id.
        typed: what owners typed, without what operators made of it.
    """

    live: PolicySnapshot
    under: PolicySnapshot
    mine: PolicySnapshot
    never: bool
    old_id: str = ""
    starts: dict[PolicyCell, CellValue] = field(default_factory=dict)
    values: dict[PolicyCell, CellValue] = field(default_factory=dict)
    typed: dict[PolicyCell, CellValue] = field(default_factory=dict)
    asked: dict[_Row, RowKey] = field(default_factory=dict)  # rows with new edits, which must not be left out
    taken_back: set[_Row] = field(default_factory=set)  # scopes where an edit was: no lock of theirs is left out

    def take_operators(self, edits: Iterable[SheetEdit]) -> None:
        """Every cell that the old draft changed, but for those of its `edits`; of a row that it lacks, every cell.

        A row that stands there although its owner deleted it was put back by operators: its cells are theirs.
        """
        owned = {
            cell for edit in edits
            for cell in cells_of(edit) if edit.column != KPI_NAME or not _has_row(self.mine, cell)
        }  # fmt: skip
        for cell in dict.fromkeys((*policy_cells(self.mine), *policy_cells(self.under))):
            before, now = _shown(self.under, cell), _shown(self.mine, cell)
            gone = _has_row(self.under, cell) and not _has_row(self.mine, cell)
            if cell.column != KPI_NAME and cell not in owned and (gone or before != now):
                self.starts[cell], self.values[cell] = before, now

    def take_carried(self, edits: Iterable[SheetEdit]) -> None:
        """The edits that go on, with what operators made of them in the old draft."""
        for edit in edits:
            for cell in cells_of(edit):
                self._start(cell, edit.base if len(cells_of(edit)) == 1 else _shown(self.under, cell))
                self.values[cell] = _shown(self.mine, cell)
                self.typed[cell] = EMPTY if edit.value is None else edit.value

    def take_new(self, events: Iterable[EditEvent]) -> None:
        """The edits of this run. A deletion, or an edit of a dropped KPI, starts from the row that its owner saw."""
        for event in events:
            cell = cell_at(event.cell[1], event.cell[2])
            if event.edit is None:
                if cell.tab == POLICY_TAB:  # an operator's lock may stand on the firearm that is taken back
                    self.asked[cell[:2]] = event.cell[1]
                    self.taken_back.add(cell[:2])
                continue
            if cell.column == KPI_NAME:
                for column, start in zip(KPI_COLUMNS, event.start_row, strict=True):
                    one = cell._replace(column=column)
                    self.starts[one] = _shown(self.live, one) if start is None or self.never else start
                    self.values[one] = EMPTY
                continue
            if event.start_row and cell[:2] not in self.asked:
                row = {
                    cell._replace(column=one): value for one, value in zip(KPI_COLUMNS, event.start_row, strict=True)
                }
                self.starts |= row
                self.values |= row | self._operators(row)
            if self.never and not _has_row(self.under, cell):  # it may be an operator's row, which the sheet shows
                self.starts = {one: start for one, start in self.starts.items() if one[:2] != cell[:2]}
            self._start(cell, event.edit.base)
            self.values[cell] = self.typed[cell] = event.value
            self.asked[cell[:2]] = event.cell[1]

    def _operators(self, row: Iterable[PolicyCell]) -> dict[PolicyCell, CellValue]:
        """Those cells of a KPI that operators changed in the old draft; of one that they proposed there, all."""
        changed = [cell for cell in row if cell in self.values or not _has_row(self.under, cell)]
        return {cell: _shown(self.mine, cell) for cell in changed if _has_row(self.mine, cell)}

    def _start(self, cell: PolicyCell, start: CellValue) -> None:
        self.starts.pop(cell, None)
        if start is not None and not self.never:
            self.starts[cell] = start

    def lay(self, scopes: Iterable[str]) -> tuple[PolicySnapshot, PolicySnapshot]:
        """Base and policy; the policy decides nothing about other than these scopes.

        Raises:
            RowRefusedError: a row with new edits fits no policy.
        """
        base = policy = self.live
        for row in dict.fromkeys(cell[:2] for cell in self.values):
            base_row, policy_row = self.rows_of(row)
            base, policy = _with_row(base, base_row, row), _with_row(policy, policy_row, row)
        known = set(scopes)
        firearms = {scope: binding for scope, binding in policy.firearms.items() if scope in known}
        return base, PolicySnapshot(firearms=firearms, kpis=policy.kpis)

    def rows_of(self, row: _Row) -> tuple[PolicySnapshot, PolicySnapshot]:
        """One row of base and policy, each as a policy that has no other."""
        fits: PolicySnapshot | None = None
        why: InvalidContentError | None = None
        rests = (self.live, self.under) if row in self.taken_back else (self.live, self.under, NOTHING)
        for rest in rests:
            try:
                policy = _build(row, self.values, rest, whole=True)
                fits = fits or policy
                return _build(row, self.starts, rest), policy
            except InvalidContentError as exc:
                why = why or exc
        if row in self.asked and fits is None and why is not None:
            raise self._refusal(row, why) from why
        if row in self.asked:
            return self.live, fits or NOTHING
        try:
            gone = _build(row, self.values, NOTHING)  # by a deletion, or with the edits that proposed it
        except InvalidContentError:
            return self.under, self.mine
        for rest in (self.live, self.under):
            with suppress(InvalidContentError):
                return _build(row, self.starts, rest), gone
        return self.live, gone

    def _refusal(self, row: _Row, why: InvalidContentError) -> RowRefusedError:
        """What to tell the owner: what does not fit may be an operator's change, which the sheet does not show."""
        message, hint = why.message, "correct the row, or undo the change"
        if any(_fits(row, self.typed, rest) for rest in (self.live, self.under)):
            removed = row[0] == KPI_TAB and not _has_row(self.mine, PolicyCell(*row, KPI_NAME))
            did = "removed this row" if removed else "changed this row, and the edit does not fit that"
            message = f"in {self.old_id}, an operator {did}"
            hint = (
                f"ask an operator to {'put it back' if removed else 'take that back'} there, or to discard that draft"
            )
        return RowRefusedError((role_of(row[0]) or row[0], self.asked[row]), message, hint)


def without_dropped(draft: WorkbenchDraft, live_kpis: Collection[str]) -> WorkbenchDraft:
    """The draft where publish had a KPI that owners propose, too, and dropped it again: it is a proposal as before."""
    edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
    under = draft.base.policy or NOTHING
    kpis = [edit for edit in edits if is_kpi_column(edit.column)]
    started = {edit.row_key[-1] for edit in kpis if edit.base is not None}
    names = [name for name in dict.fromkeys(edit.row_key[-1] for edit in kpis) if name in under.kpis]
    names = [name for name in names if name not in live_kpis and name not in started]
    if not names:
        return draft
    rows = DraftRows(NOTHING, under, draft.policy_snapshot, never=False)
    rows.take_operators(edits)
    rows.take_carried(edits)
    base, policy = under, draft.policy_snapshot
    for name in names:
        base_row, policy_row = rows.rows_of((KPI_TAB, name))
        base, policy = (_with_row(one, its, (KPI_TAB, name)) for one, its in ((base, base_row), (policy, policy_row)))
    moved = draft.base.model_copy(update={"policy": base})
    return draft if base == under else draft.model_copy(update={"base": moved, "policy_snapshot": policy})


def cells_of(edit: SheetEdit) -> list[PolicyCell]:
    """The cell of an edit; of a deletion all cells of its row."""
    cell = cell_at(edit.row_key, edit.column)
    return [cell._replace(column=column) for column in KPI_COLUMNS] if cell.column == KPI_NAME else [cell]


def _has_row(policy: PolicySnapshot, cell: PolicyCell) -> bool:
    return cell.name in (policy.kpis if cell.tab == KPI_TAB else policy.firearms)


def _shown(policy: PolicySnapshot, cell: PolicyCell) -> CellValue:
    """The cell's value; of a KPI that is not there it is empty."""
    value = read_cell(policy, cell)
    return EMPTY if value is None else value


def _build(
    row: _Row, cells: Mapping[PolicyCell, CellValue], rest: PolicySnapshot, *, whole: bool = False
) -> PolicySnapshot:
    """The row with these cells, and its others as in `rest`.

    If it is not to be a `whole` one, a KPI without those that it needs is none; else a decision taken back takes back a
    lock with it.

    Raises:
        InvalidContentError: that is no valid row.
    """
    found = {}
    for column in KPI_COLUMNS if row[0] == KPI_TAB else FIREARM_COLUMNS:
        cell = PolicyCell(*row, column)
        found[cell] = cells[cell] if cell in cells else _shown(rest, cell)
    needed = [value for cell, value in found.items() if cell.column in NEEDED]
    if needed and not whole and all(value in (EMPTY, None) for value in needed):
        return NOTHING
    lock = PolicyCell(*row, LOCK)
    undecided = found.get(lock._replace(column=FIREARM)) in (UNDECIDED, None)
    if row[0] == POLICY_TAB and undecided and found[lock] and (lock in cells or not whole):
        raise InvalidContentError(NO_FIREARM_AT_ALL)
    return with_cells(NOTHING, found)


def _fits(row: _Row, cells: Mapping[PolicyCell, CellValue], rest: PolicySnapshot) -> bool:
    try:
        _build(row, cells, rest, whole=True)
    except InvalidContentError:
        return False
    return True


def _with_row(policy: PolicySnapshot, source: PolicySnapshot, row: _Row) -> PolicySnapshot:
    """The policy with this row as `source` has it, which may be not at all."""
    tab, name = row
    firearms, kpis = dict(policy.firearms), dict(policy.kpis)
    if tab == KPI_TAB:
        kpis.pop(name, None)
        kpis |= {name: source.kpis[name]} if name in source.kpis else {}
    else:
        firearms.pop(name, None)
        firearms |= {name: source.firearms[name]} if name in source.firearms else {}
    return PolicySnapshot(firearms=firearms, kpis=kpis)
