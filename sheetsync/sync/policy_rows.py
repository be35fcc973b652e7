"""Rows of the owners' tabs that the store knows: from their cells' outcomes to one row's result.

Here is what both tabs share, and `Policy Matrix`; KPI rows, which owners add and delete, are in `kpi_rows`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from sheetsync.domain.cells import locks_nothing
from sheetsync.domain.draft import CellValue
from sheetsync.domain.problems import Problem
from sheetsync.sync.cells import CellOutcome, Comparison, base_of, cell_name, compare_cell, matches
from sheetsync.sync.decide import UNKNOWN, CellState, Decision, PendingEdit, left_alone, mark_third_value, same
from sheetsync.sync.gateway import RowRead, TabRead, Written
from sheetsync.sync.normalize import Bad
from sheetsync.sync.outcome import ConflictMark, EditEvent, Found, FoundConflict, RowResult
from sheetsync.sync.tabs import FIREARM, LAYOUTS, LOCK, POLICY, Cell, Role, RowKey, title_of

NO_FIREARM_TO_LOCK = Bad(
    "lock_without_firearm", "a lock with no firearm locks nothing", "choose a firearm, or untick strategy_lock"
)

NOT_PUBLISHED = "not published yet"
GOES = "a newer edit of the cell took its place"
OWNED = tuple((column, LAYOUTS[POLICY].position(column.name)) for column in LAYOUTS[POLICY].owned)


def compare_policy_row(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """One row of `Policy Matrix` that the store knows."""
    published = c.view.tables[POLICY][key]
    edits = c.view.edited_rows.get((POLICY, key), {})
    if not edits and _stands_as_shown(c, row, key):
        _show_published(c, row, key, published)
        return
    outcomes = []
    for column, at in OWNED:
        outcomes.append(
            compare_cell(
                c, tab, row, key, column, base=base_of(c, (POLICY, key, column.name)), published=published[at],
                edit=edits.get(column.name),
            )
        )  # fmt: skip
    _check_lock(outcomes)
    _mark_unfit(c, outcomes)
    _let_go(c, outcomes)
    finish_row(c, tab, row, key, outcomes)


def _stands_as_shown(c: Comparison, row: RowRead, key: RowKey) -> bool:
    """Do the owners' cells hold exactly their base, and is nothing else known about the row's cells?

    Then only the store may have changed, the decision is the table's second row for each cell, and it is made at once:
    a bulk push has 100,000 such rows.
    """
    base = c.state.row(POLICY, key)
    if base is None or c.state.debts or c.gone or c.mode.answer is not None:
        return False
    cells = [(POLICY, key, column.name) for column, _ in OWNED] if c.fates or c.state.untaken else ()
    if any(cell in c.fates or cell in c.state.untaken for cell in cells):
        return False
    return all(type(row.cells[at]) is type(base[at]) and row.cells[at] == base[at] for _, at in OWNED)


def _show_published(c: Comparison, row: RowRead, key: RowKey, published: tuple[CellValue, ...]) -> None:
    """A row whose cells no owner changed is to show what is published."""
    result = RowResult(POLICY, key, row.index, row.cells, note_cells=dict(row.notes or {}))
    for column, at in OWNED:
        c.state.pending.pop((POLICY, key, column.name), None)
        if c.mode.writes and not matches(row.cells[at], published[at], column.kind):
            result.sets[column.name] = published[at]
    _say_rest(c, POLICY, key, result)
    c.plan.rows.append(result)


def _check_lock(outcomes: list[CellOutcome]) -> None:
    """A lock with NONE, or with no firearm, is a problem; the row's new edits are held back, not guessed at."""
    firearm, lock = outcomes
    new = [one for one in outcomes if is_new(one)]
    if not new or not _locks_nothing({one.column.name: _drafted(one) for one in outcomes}):
        return
    for one in new:
        hold_back(one)
    (lock if lock in new else firearm).bad = NO_FIREARM_TO_LOCK


def _locks_nothing(values: Mapping[str, CellValue]) -> bool:
    """Is there a lock, but no firearm?"""
    return values[LOCK] is True and locks_nothing(values[FIREARM], lock=True)


def _mark_unfit(c: Comparison, outcomes: list[CellOutcome]) -> None:
    """A pending edit is in conflict with what is published beside it, where both together make a lock of nothing."""
    if not _locks_nothing({one.column.name: _drafted(one) for one in outcomes}):
        return
    for one in outcomes:
        if one.before is not None and not is_new(one) and _stands_in_draft(c, one.cell, one.before):
            state = CellState(one.base, one.remote, one.published, one.before, unfit=True)
            one.decision = mark_third_value(state, replace(one.decision, edit=one.before, marked=False))


def _let_go(c: Comparison, outcomes: list[CellOutcome]) -> None:
    """What was laid beside an edit goes when the edit needs it no more, or nothing conflicts with it.

    A lock needs its firearm, `NONE` an open lock.
    """
    firearm, lock = outcomes
    locks, unarmed = _drafted(lock) is True, locks_nothing(_drafted(firearm), lock=True)
    for one, needed in ((firearm, locks), (lock, unarmed)):
        edit = one.decision.edit
        if edit is None or not edit.beside or one.decision.event or one.bad or not c.takes(POLICY, one.cell[1]):
            continue
        if not needed or (not edit.conflicted and _stands_in_draft(c, one.cell, edit)):
            target = one.published if c.mode.writes else one.remote
            one.decision = Decision(target, one.base, None, "withdraw")


def _stands_in_draft(c: Comparison, cell: Cell, edit: PendingEdit) -> bool:
    """Does the draft have the edit as its owner made it, unchanged by operators?"""
    value = c.view.drafted(cell)
    return value is None or same(value, edit.value)


def is_new(one: CellOutcome) -> bool:
    """Is it an edit that this run takes, or (a push takes none) leaves to the next pull? Both get the same answer."""
    return one.decision.event in ("edit", "withdraw") or (one.decision.event == "unpulled" and not one.settling)


def _drafted(one: CellOutcome) -> CellValue:
    """What a draft made now holds there: a cell that is not taken keeps its pending value, or what is published."""
    if one.bad is None and is_new(one):
        return one.decision.target
    return one.before.value if one.before else one.published


def hold_back(one: CellOutcome) -> None:
    """Leave an edit in its cell: it is not taken, and nothing is written over it."""
    one.decision = left_alone(CellState(one.base, one.remote, one.published, one.before))


def finish_row(c: Comparison, tab: TabRead, row: RowRead, key: RowKey, outcomes: list[CellOutcome]) -> RowResult:
    """Take the outcomes into the plan: events, problems, reports, the base, and what the row is to show."""
    result = RowResult(tab.role, key, row.index, row.cells, note_cells=dict(row.notes or {}))
    for one in outcomes:
        _take(c, result, one)
        if one.bad is None or one.healed or one.decision.event == "overwritten":
            _write(c, result, one)
        untaken = one.bad is not None or one.decision.event == "unpulled"
        if untaken and one.cell[2] in result.sets and one.decision.event != "overwritten":
            result.standing.add(one.cell[2])
    _say_rest(c, tab.role, key, result)
    c.plan.rows.append(result)
    return result


def _take(c: Comparison, result: RowResult, one: CellOutcome) -> None:
    plan, state, decision, cell = c.plan, c.state, one.decision, one.cell
    edit = decision.edit
    _remember_untaken(c, one)
    typed = edit is None or decision.event != "edit" or not edit.untyped
    if one.bad is not None and decision.event != "overwritten":
        plan.problems.append(problem(cell, one.a1, one.bad))
        result.says.append(("problem", cell[2], one.bad.message))
        plan.changed_cells[cell[0]] = plan.changed_cells.get(cell[0], 0) + (one.bad is not NO_FIREARM_TO_LOCK)
        _keep_pending(c, result, one)
        return
    if decision.event in ("edit", "withdraw"):
        plan.events.append(
            EditEvent(
                cell, one.a1 if typed else "", edit, one.remote if edit is None else edit.value, one.start_row
            )
        )  # fmt: skip
        say_replaced(c, one.cell, one.a1, one.remote)
    elif decision.event == "unpulled":
        found = Found(cell, one.a1, one.remote)
        (plan.settling if one.settling else plan.unpulled).append(found)
        if one.settling:
            result.says.append(("settling", cell[2], ""))
    elif decision.event == "overwritten":
        plan.overwritten.append(Found(cell, one.a1, one.remote, "the store's value was restored over it"))
    if typed and decision.event in ("edit", "withdraw", "unpulled") and base_of(c, cell) != "":
        plan.changed_cells[cell[0]] = plan.changed_cells.get(cell[0], 0) + 1
    if decision.event in ("edit", "withdraw", "agreed"):
        state.set_value(cell, one.remote)
        if typed:
            state.answers.pop(cell, None)
    _keep_pending(c, result, one)


def _remember_untaken(c: Comparison, one: CellOutcome) -> None:
    """What settles is not known to be meant: it changes nothing."""
    if one.bad is not None and one.decision.event != "overwritten":
        c.state.untaken.add(one.cell)
    elif one.decision.event != "unpulled":
        c.state.untaken.discard(one.cell)
    elif not one.settling:
        c.state.untaken.add(one.cell)


def say_replaced(c: Comparison, cell: Cell, a1: str, remote: CellValue, why: str = GOES) -> None:
    """An operator had changed the cell in the owners' draft: that goes with the edit that takes its place."""
    value = c.view.by_operators(cell)
    if value not in (None, remote):
        draft_id = c.view.drafts[cell[1][0]].draft.id
        c.plan.overwritten.append(Found(cell, a1, value, f"an operator's value in {draft_id}: {why}"))


def _keep_pending(c: Comparison, result: RowResult, one: CellOutcome) -> None:
    """What stands in the cell's draft stays pending, bad as the cell may be now; a third value is marked there."""
    plan, decision, edit = c.plan, one.decision, one.decision.edit
    if decision.marked and edit is not None:
        plan.marks.append(ConflictMark(edit.draft_id, one.cell, edit, edit.theirs))
    if edit is None:
        if decision.event != "unpulled" and one.bad is None and not _still_shows_withdrawn(c, one):
            c.state.pending.pop(one.cell, None)
        return
    if decision.event != "edit" and not edit.untyped:  # what nobody typed is answered to nobody
        c.state.pending[one.cell] = edit.draft_id
    _say_edit(c, result, one)


def _still_shows_withdrawn(c: Comparison, one: CellOutcome) -> bool:
    """Does the cell show an overlay that was rejected, since nothing was written yet?

    It is remembered as such until the published value stands there, or an edit: an edit made meanwhile is compared with
    published, in whatever run it is found.
    """
    rejected = c.fates.get(one.cell, "").startswith("rejected")
    return rejected and one.decision.event == "" and not same(one.base, one.published)


def _say_edit(c: Comparison, result: RowResult, one: CellOutcome) -> None:
    edit = one.decision.edit
    if edit is None:
        return
    if not edit.untyped:
        c.plan.pending.append(Found(one.cell, one.a1, edit.value))
    c.plan.conflicts += [FoundConflict(one.cell, one.a1, edit.base, edit.value, theirs) for theirs in edit.all_theirs]
    if edit.conflicted:
        result.says.append(("conflict", one.cell[2], ""))
    else:
        result.says.append(("pending", one.cell[2], edit.draft_id))


def _write(c: Comparison, result: RowResult, one: CellOutcome) -> None:
    bad = one.bad is not None and one.decision.event != "overwritten"
    target: Written = one.raw if bad else one.decision.target  # a bad cell stands just as it is, a formula too
    if matches(one.actual, target, one.column.kind):
        return
    if c.mode.writes or one.healed:
        result.sets[one.cell[2]] = target


def _say_rest(c: Comparison, role: Role, key: RowKey, result: RowResult) -> None:
    """Answers that stand: `rejected` until the owner's next edit, `published` until the row changes again."""
    changed = bool(result.sets) or any(
        event.cell[:2] == (role, key) for event in c.plan.events[-len(LAYOUTS[role].columns) :]
    )
    for column in LAYOUTS[role].names:
        answer = c.state.answers.get((role, key, column))
        if answer is None:
            continue
        if answer == "published" and changed:
            del c.state.answers[role, key, column]
        else:
            result.says.append(("published" if answer == "published" else "rejected", column, answer))
    if key[0] in c.view.unpublished:
        result.says.append(("note", "", NOT_PUBLISHED))


def problem(cell: tuple[str, RowKey, str], name: str, bad: Bad) -> Problem:
    """A bad cell, as it is reported."""
    return Problem(code=bad.code, tab=title_of(cell[0]), cell=name, row_key=cell[1], message=bad.message, hint=bad.hint)


def row_problem(c: Comparison, tab: TabRead, row: RowRead, key: RowKey, bad: Bad, column: str) -> RowResult:
    """A row that cannot be taken: it stands, with its problem; what is pending in it is no less in conflict."""
    _mark_pending(c, tab.role, key)
    c.plan.problems.append(problem((tab.role, key, column), cell_name(tab, row, column), bad))
    result = RowResult(tab.role, key, row.index, row.cells, note_cells=dict(row.notes or {}))
    result.says.append(("problem", column, bad.message))
    c.plan.rows.append(result)
    return result


def _mark_pending(c: Comparison, role: Role, key: RowKey) -> None:
    """Mark third values under the pending edits of a row whose cells are not compared."""
    published, shown = c.view.tables[role].get(key), c.view.shown[role].get(key)
    unfit = role == POLICY and shown is not None and _locks_nothing(dict(zip(LAYOUTS[role].names, shown, strict=False)))
    for column, edit in c.view.edited_rows.get((role, key), {}).items():
        if column not in LAYOUTS[role].owned_names:  # a KPI's row that is to go
            continue
        value = published[LAYOUTS[role].position(column)] if published else None
        clash = unfit and _stands_in_draft(c, (role, key, column), edit)
        left = left_alone(CellState(UNKNOWN, "", value, edit, unfit=clash))
        if left.marked and left.edit is not None:
            c.plan.marks.append(ConflictMark(edit.draft_id, (role, key, column), left.edit, left.edit.theirs))
