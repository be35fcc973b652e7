"""One cell of an owners' tab, from what was read to a decision: debts first, then typed reading, then the table.

Rules over a whole row are in `policy_rows` and `kpi_rows`; which rows there are is in `compare`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Set
from dataclasses import dataclass, field, replace

from sheetsync.domain.cells import UNDECIDED
from sheetsync.domain.draft import CellValue
from sheetsync.sync.baseline import Debt, SyncState
from sheetsync.sync.decide import (
    CellState,
    Decision,
    Mode,
    Nothing,
    PendingEdit,
    decide_cell,
    left_alone,
    mark_third_value,
    same,
)
from sheetsync.sync.gateway import ErrorValue, Formula, Raw, RowRead, SheetRead, TabRead, Written
from sheetsync.sync.normalize import Bad, read_cell
from sheetsync.sync.outcome import Found, Plan
from sheetsync.sync.tabs import FIREARM, LAYOUTS, Cell, Role, RowKey, TabColumn, a1
from sheetsync.sync.view import View

CLEARED = Bad("cleared_firearm", "the firearm was cleared: choose a firearm or NONE", "choose a firearm or NONE")


@dataclass
class Comparison:
    """What one comparison works on. `settled(cell, raw)`: was this edit seen unchanged for long enough?

    `fates`: what became of overlays that are not shown any more. `refused`: rows that fit no draft, and why.
    """

    read: SheetRead
    view: View
    mode: Mode
    firearms: tuple[str, ...]
    settled: Callable[[Cell, Raw], bool]
    fates: dict[Cell, str]
    plan: Plan
    gone: Set[tuple[Role, str]]
    refused: Mapping[tuple[Role, RowKey], Bad] = field(default_factory=dict)

    def takes(self, role: Role, key: RowKey) -> bool:
        """Are the owners' edits of this row taken into a draft in this run?"""
        return self.mode.takes and (role, key) not in self.refused

    @property
    def state(self) -> SyncState:
        """The baseline as it will stand after the pull transaction."""
        return self.plan.state


@dataclass
class CellOutcome:
    """What one cell came to. `bad`: why it cannot be taken; then `decision.target` is not written."""

    column: TabColumn
    cell: Cell
    a1: str
    actual: Raw
    raw: Raw  # what was there before a write of ours covered it
    remote: CellValue
    published: CellValue
    decision: Decision
    base: CellValue | Nothing
    bad: Bad | None = None
    healed: bool = False
    settling: bool = False
    before: PendingEdit | None = None
    start_row: tuple[CellValue, ...] = ()  # as `EditEvent` has it


def matches(raw: Raw, value: Written | Nothing, kind: str = "text") -> bool:
    """Does the cell hold exactly this value? An empty lock is FALSE."""
    if isinstance(raw, Formula | ErrorValue) or isinstance(value, Nothing | Formula | ErrorValue):
        return False
    if kind == "bool" and raw == "":
        return value is False
    return same(raw, "" if value is None else value)


def raw_same(one: Raw, other: Raw) -> bool:
    """Do two cells hold the same? Formulas are alike: copying them shifts their references."""
    if isinstance(one, Formula) and isinstance(other, Formula):
        return True
    return one == other and isinstance(one, bool) == isinstance(other, bool)


def cell_name(tab: TabRead, row: RowRead | None, column: str) -> str:
    """The A1 name of a cell of ours; "" where there is none."""
    if row is None or column not in tab.columns:
        return ""
    return a1(row.index, tab.columns[column])


def debts_of(state: SyncState, role: Role, key: RowKey) -> Iterable[Debt]:
    """The debts on one row."""
    return [debt for debt in state.debts if debt.cell[:2] == (role, key)] if state.debts else ()


def compare_cell(
    c: Comparison, tab: TabRead, row: RowRead, key: RowKey, column: TabColumn, *, base: CellValue | Nothing,
    published: CellValue, edit: PendingEdit | None,
) -> CellOutcome:  # fmt: skip
    """The outcome of one owner's cell of a row that the store knows."""
    cell: Cell = (tab.role, key, column.name)
    actual = row.cells[LAYOUTS[tab.role].position(column.name)]
    name = cell_name(tab, row, column.name)
    raw, healed = _without_debt(c, cell, name, actual)
    if isinstance(base, Nothing) and c.mode.answer == "adopt" and edit is None:
        base = published  # differences are read as owners' edits; from what is pending elsewhere they are conflicts
        if base is not None:
            c.state.set_value(cell, base)
    state = CellState(base, "", published, edit, withdrawn=c.fates.get(cell, "").startswith("rejected"))
    value = _as_it_was(state) if (tab.role, column.name) in c.gone else _value(c, column, raw, state)
    value = "" if value is None else value
    if isinstance(value, Bad):
        return CellOutcome(
            column,
            cell,
            name,
            actual,
            raw,
            None,
            published,
            _bad(c, raw, state),
            base,
            value,
            healed,
            before=edit,
        )
    chosen = column.name != FIREARM or value != UNDECIDED  # an empty cell is no firearm that anybody chose
    state = replace(state, remote=value, untaken=chosen and cell in c.state.untaken)
    decision = decide_cell(state, c.mode if c.takes(tab.role, key) else replace(c.mode, takes=False))
    bad = c.refused.get((tab.role, key)) if decision.event == "unpulled" else None
    settling = decision.event in ("edit", "withdraw") and not c.settled(cell, raw)
    if settling:
        decision = left_alone(state)
    return CellOutcome(column, cell, name, actual, raw, value, published, decision, base, bad, healed, settling, edit)


def _without_debt(c: Comparison, cell: Cell, name: str, actual: Raw) -> tuple[Raw, bool]:
    """A cell that still holds what our misplaced write left is read as what it covered; reported either way."""
    raw, healed = actual, False
    for debt in debts_of(c.state, cell[0], cell[1]):
        if debt.cell != cell:
            continue
        if raw_same(debt.left, actual):
            raw, healed = debt.covered, True
            c.plan.healed.append(Found(cell, name, plain(debt.covered), "restored: our write had covered it"))
        else:  # an owner went over it since
            c.state.debts = tuple(one for one in c.state.debts if one != debt)
            c.plan.healed.append(Found(cell, name, plain(debt.covered), "covered by our write, then edited again"))
    return raw, healed


def _as_it_was(state: CellState) -> CellValue:
    """The value of a cell whose column was deleted: nobody emptied it. Of a row that is to go, what was agreed on."""
    return state.base if state.local is None and not isinstance(state.base, Nothing) else state.local


def _value(c: Comparison, column: TabColumn, raw: Raw, state: CellState) -> CellValue | Bad:
    for known in (state.local, state.base):
        if matches(raw, known, column.kind):
            return known if not isinstance(known, Nothing) and known is not None else ""
    value = read_cell(column, raw, c.firearms)
    if (
        column.name == FIREARM
        and value == UNDECIDED
        and state.published != UNDECIDED
        and not same(state.base, UNDECIDED)
    ):
        return CLEARED
    return value


def _bad(c: Comparison, raw: Raw, state: CellState) -> Decision:
    """A bad cell stands as it is, with its problem; where a person said that the store wins, it is overwritten."""
    if c.mode.answer == "store":
        return Decision(state.local, state.base, state.edit, "overwritten")
    return mark_third_value(state, Decision(plain(raw), state.base, state.edit))


def plain(raw: Raw) -> CellValue:
    """What stands in a cell, as a report's value, and all of it."""
    return raw.text if isinstance(raw, Formula | ErrorValue) else raw


def base_of(c: Comparison, cell: Cell) -> CellValue | Nothing:
    """The base of a cell; UNKNOWN where nothing was ever agreed."""
    return c.state.value(cell)
