"""KPI rows, which owners add, change, delete and add again: each row is a whole, its cells are merged one by one.

That a row is there at all is the value of its `kpi_name` cell: None is "no such cell". Added rows start from None in
every column; a deleted one is a single edit, `kpi_name` → None.
"""

from __future__ import annotations

from dataclasses import replace

from sheetsync.domain.cells import EMPTY
from sheetsync.domain.draft import CellValue
from sheetsync.domain.firearms import closest
from sheetsync.domain.identifiers import KPI_FORM
from sheetsync.sync.cells import CellOutcome, Comparison, cell_name, compare_cell, plain
from sheetsync.sync.decide import NO_CONFLICT, UNKNOWN, CellState, Decision, Nothing, PendingEdit, new_edit, same
from sheetsync.sync.gateway import DeleteRow, RowRead, TabRead
from sheetsync.sync.normalize import Bad
from sheetsync.sync.outcome import ConflictMark, EditEvent, Found, FoundConflict
from sheetsync.sync.policy_rows import finish_row, hold_back, is_new, row_problem, say_replaced
from sheetsync.sync.repairs import heal_owned
from sheetsync.sync.tabs import KPIS, LAYOUTS, PRESENCE, RowKey
from sheetsync.sync.view import Row, describe_kpi

LAYOUT = LAYOUTS[KPIS]
DELETED = "an owner deleted the row"
GONE = "the row was removed: the store has no such KPI"
INCOMPLETE = Bad("incomplete_kpi", "a KPI needs an impact_type and a formula", "fill in impact_type and formula")


def compare_kpi_row(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """A KPI row that stands in the sheet."""
    published = c.view.tables[KPIS].get(key)
    edits = c.view.edited_rows.get((KPIS, key), {})
    base = c.state.row(KPIS, key)
    deletion = edits.get(PRESENCE)
    if published is None and not edits:
        if base is not None:
            _dropped(c, tab, row, key, base)
            return
        if c.mode.answer == "store" and c.mode.writes and check_new_key(c, key) is None:
            _removed(c, tab, row, key)
            return
        bad = check_new_key(c, key)
        if bad is not None:
            heal_owned(c, tab, row, key, [row])
            row_problem(c, tab, row, key, *bad)
            return
    deleted = deletion is not None and deletion.value is None
    if deletion is not None and deleted and base is not None:
        if published is None:  # dropped as well
            _dropped(c, tab, row, key, base, deletion)
        else:
            _deleted_elsewhere(c, tab, row, key, base, deletion, published)
        return
    if deleted and published is None:  # a new row: there is nothing that it could be compared with
        edits = {}
    outcomes = [_cell(c, tab, row, key, name, base, published, edits) for name in LAYOUT.owned_names]
    _check_whole(outcomes, new=published is None and not edits)
    taken = published is not None or any(one.decision.event == "edit" for one in outcomes)
    if deleted and taken and c.takes(KPIS, key):
        _added_again(c, row, key, outcomes)
    finish_row(c, tab, row, key, outcomes)
    _know_whole_row(c, key, outcomes)


def _cell(
    c: Comparison, tab: TabRead, row: RowRead, key: RowKey, name: str, base: Row | None, published: Row | None,
    edits: dict[str, PendingEdit],
) -> CellOutcome:  # fmt: skip
    at = LAYOUT.position(name)
    value: CellValue = None if published is None else published[at]
    edit = edits.get(name)
    dropped = c.view.dropped.get(key) if published is None and edits else None
    if published is None and edit is None and edits:
        value = EMPTY if dropped is None else dropped[at]  # an empty cell of a row that is only proposed
    start: CellValue | Nothing
    if base is not None and base[at] is not None:
        start = base[at]
    elif published is not None and PRESENCE in edits:
        start = value  # added again after a proposed deletion: compared with what is published
    elif base is None and published is None and edits and (edit is None or row.cells[at] == EMPTY) and c.state.known:
        start = EMPTY  # of a row that was proposed in another spreadsheet, too: nobody typed an empty cell
    else:
        start = UNKNOWN if not c.state.known or published is not None else None
    one = compare_cell(c, tab, row, key, LAYOUT.columns[at], base=start, published=value, edit=edit)
    new = one.decision.edit
    if published is None and dropped is None and one.decision.event == "edit" and new is not None and new.base == EMPTY:
        # filled in later, it started from nothing no less than the row's other cells
        one.decision = replace(one.decision, edit=replace(new, base=None))
    elif dropped is not None and edit is not None and one.decision.event == "edit" and _set_back(one, edit):
        one.decision = Decision(one.remote, one.remote, None, "withdraw")
    elif dropped is not None and one.decision.event == "edit" and new is not None and not new.conflicted:
        one.decision = replace(one.decision, edit=replace(new, theirs=None))  # no less than the edits before it
    return one


def _set_back(one: CellOutcome, edit: PendingEdit) -> bool:
    """Did its owner type what his edit of a dropped row started from? Then it is taken back, as in any other row."""
    return same(one.remote, edit.base) and same(one.base, edit.value) and not edit.rivals


def _check_whole(outcomes: list[CellOutcome], *, new: bool) -> None:
    """A row that is proposed must be complete; a new row with a bad or unsettled cell is held back as a whole."""
    values = {one.column.name: one.decision.target for one in outcomes}
    if new:
        for one in outcomes:  # an empty cell of a new row is nothing that anybody typed
            if one.remote == EMPTY and one.bad is None:
                one.decision = Decision(EMPTY, EMPTY, None)
    news = [one for one in outcomes if one.decision.event in ("edit", "withdraw")]
    missing = _missing(outcomes, values)
    if missing and (new or any(is_new(one) for one in outcomes)):
        missing[0].bad = INCOMPLETE
    waits = new and any(one.settling for one in outcomes)  # a row that comes is taken whole, once all of it settled
    if missing or waits or (new and any(one.bad for one in outcomes)):
        for one in news:
            hold_back(one)
            one.settling = one.settling or waits


def _missing(outcomes: list[CellOutcome], values: dict[str, CellValue]) -> list[CellOutcome]:
    """The cells without which a row is no KPI, and which would be empty."""
    needed = [one for one in outcomes if one.column.name in ("impact_type", "formula") and one.bad is None]
    return [one for one in needed if values[one.column.name] in (EMPTY, None)]


def _know_whole_row(c: Comparison, key: RowKey, outcomes: list[CellOutcome]) -> None:
    """The base of a row that was just proposed, or added again, is known in all its cells."""
    base = c.state.row(KPIS, key)
    if base is None and any(one.decision.event in ("edit", "withdraw", "agreed") for one in outcomes):
        c.state.set_row(KPIS, key, (*key, *([None] * len(outcomes))))
        base = c.state.row(KPIS, key)
    if base is None:
        return
    whole = list(base)
    for one in outcomes:
        at = LAYOUT.position(one.column.name)
        if whole[at] is None and one.bad is None and one.decision.event != "unpulled":
            whole[at] = one.remote
    c.state.set_row(KPIS, key, tuple(whole))


def _added_again(c: Comparison, row: RowRead, key: RowKey, outcomes: list[CellOutcome]) -> None:
    """The row stands again: its proposed deletion is withdrawn; what differs from published is an edit."""
    _withdraw_deletion(c, row, key)
    c.state.set_row(KPIS, key, (*key, *(one.published for one in outcomes)))


def _withdraw_deletion(c: Comparison, row: RowRead, key: RowKey) -> None:
    cell = (KPIS, key, PRESENCE)
    name = row.cells[LAYOUT.position(PRESENCE)]
    c.plan.events.append(EditEvent(cell, "", None, str(name)))
    c.state.answers.pop(cell, None)
    c.state.pending.pop(cell, None)


def _deleted_elsewhere(
    c: Comparison, tab: TabRead, row: RowRead, key: RowKey, base: Row, deletion: PendingEdit, published: Row
) -> None:
    """The row's deletion was proposed in another spreadsheet: it goes here, too.

    Where its owner changed it here, not knowing that, the changes are in conflict with the deletion.
    """
    outcomes = [
        compare_cell(
            c, tab, row, key, column, base=base[LAYOUT.position(column.name)],
            published=published[LAYOUT.position(column.name)], edit=None,
        ) for column in LAYOUT.owned
    ]  # fmt: skip
    changed = [one for one in outcomes if one.bad or one.decision.event in ("edit", "unpulled")]
    _check_whole(outcomes, new=False)
    if changed and c.takes(KPIS, key) and not any(one.bad or one.settling for one in outcomes):
        for one in changed:
            edit = replace(new_edit(CellState(one.base, one.remote, one.published)), theirs=None, rival=True)
            one.decision = replace(one.decision, edit=edit)
        _withdraw_deletion(c, row, key)
        finish_row(c, tab, row, key, outcomes)
        return
    _standing_deletion(c, key, deletion, published)
    if not changed and c.mode.writes:
        c.plan.operations.append(DeleteRow(KPIS, row.index, key, row.cells))
        return
    _leave_row(outcomes)
    result = finish_row(c, tab, row, key, outcomes)
    result.says.append(("pending", PRESENCE, deletion.draft_id))


def _dropped(
    c: Comparison, tab: TabRead, row: RowRead, key: RowKey, base: Row, deletion: PendingEdit | None = None
) -> None:
    """The KPI is not published, nor proposed any more: the row goes, unless its owner changed it meanwhile.

    A changed row is a conflict with the drop; where its proposal was only rejected, it is a new proposal. A `deletion`
    that another spreadsheet proposed before stands, or is taken back by that. What was decided against does not come
    back with it, where nobody typed it anew.
    """
    changed = []
    outcomes = []
    for column in LAYOUT.owned:
        at = LAYOUT.position(column.name)
        one = compare_cell(c, tab, row, key, column, base=base[at], published=None, edit=None)
        outcomes.append(one)
        if one.bad or one.decision.event in ("edit", "unpulled"):
            changed.append(one)
    changed = [one for one in changed if not _taken_back(c, one)]
    for one in _missing(outcomes, {one.column.name: one.remote for one in outcomes})[:1]:
        one.bad = INCOMPLETE
    if not changed or c.mode.answer == "store":
        if deletion is not None:
            _standing_deletion(c, key, deletion, None)
        if c.mode.writes and changed:
            _removed(c, tab, row, key)
        elif c.mode.writes:
            c.plan.operations.append(DeleteRow(KPIS, row.index, key, row.cells))
        return
    if c.takes(KPIS, key) and not any(one.bad or one.settling for one in changed):
        _oppose_drop(c, key, outcomes, changed)
        if deletion is not None:
            _withdraw_deletion(c, row, key)
    else:  # not taken now, for one of its cells is bad or settling, or this run takes nothing: the row stays as it is
        _leave_row(outcomes)
        if deletion is not None:
            _standing_deletion(c, key, deletion, None)
    finish_row(c, tab, row, key, outcomes)


def _taken_back(c: Comparison, one: CellOutcome) -> bool:
    """Did its owner type what his edit started from that was decided against? Then there is none to answer any more."""
    if one.bad or one.settling or not c.fates.get(one.cell, "").startswith("rejected"):
        return False
    if not same(one.remote, c.view.started(c.state.pending[one.cell], one.cell)):
        return False
    one.decision = Decision(one.remote, one.remote, None, "agreed")
    c.state.set_value(one.cell, one.remote)
    c.state.answers.pop(one.cell, None)
    return True


def _oppose_drop(c: Comparison, key: RowKey, outcomes: list[CellOutcome], changed: list[CellOutcome]) -> None:
    """The cells that were `changed` are edits: of the row as it was when it was dropped, or of a new proposal.

    Of a connector never published the row is proposed anew: no base of a draft could keep it.
    """
    rejected = [one.cell for one in outcomes if c.fates.get(one.cell, "").startswith("rejected")]
    starts = {cell: c.view.started(c.state.pending[cell], cell) for cell in rejected}
    if starts and all(start is None for start in starts.values()):
        for one in outcomes:
            one.decision = Decision(one.remote, one.remote, PendingEdit(None, one.remote), "edit")
        return
    was: list[CellValue] = []
    for one in outcomes:
        start = starts.get(one.cell)
        known = EMPTY if isinstance(one.base, Nothing) or one.base is None else one.base
        was.append(known if start is None else start)
    never = key[0] in c.view.unpublished
    for one, start in zip(outcomes, was, strict=True):
        if one in changed:
            one.start_row = () if never else tuple(was)
            one.decision = Decision(one.remote, one.remote, PendingEdit(start, one.remote, "", None), "edit")
        elif never and start != EMPTY:
            one.decision = Decision(start, one.remote, PendingEdit(None, start, untyped=True), "edit")
        elif one.decision.event != "agreed":
            one.decision = Decision(start if c.mode.writes else one.remote, one.base, None)


def _removed(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """A person said that the store wins, and it has no such KPI: the row goes; report and journal keep it."""
    c.plan.operations.append(DeleteRow(KPIS, row.index, key, row.cells))
    for name in (PRESENCE, *LAYOUT.owned_names):
        raw = row.cells[LAYOUT.position(name)]
        if raw != "":
            c.plan.overwritten.append(Found((KPIS, key, name), cell_name(tab, row, name), plain(raw), GONE))


def _leave_row(outcomes: list[CellOutcome]) -> None:
    """Nothing of a row is taken, and nothing is written over it."""
    for one in outcomes:
        if one.bad is None and one.decision.event == "":
            one.decision = Decision(one.remote, one.base, None)
        elif one.bad is None and one.decision.event != "agreed":
            hold_back(one)


def missing_kpi_row(c: Comparison, key: RowKey, *, lost: bool) -> bool:
    """A KPI row that should stand in the sheet, or once did, and does not. Returns whether push is to add it.

    `lost`: a batch of ours deleted it by mistake; then nobody proposed anything.
    """
    published, base = c.view.tables[KPIS].get(key), c.state.row(KPIS, key)
    edits = c.view.edited_rows.get((KPIS, key), {})
    deletion = edits.get(PRESENCE)
    cell = (KPIS, key, PRESENCE)
    if deletion is not None and deletion.value is None:
        _standing_deletion(c, key, deletion, published)
        c.state.set_row(KPIS, key, None)
        return False
    shown_now = published is not None or bool(edits)
    if not shown_now:
        c.state.set_row(KPIS, key, None)
        return False
    if base is None or lost or c.mode.answer == "store":
        return True
    found = Found(cell, "", None, "the row was deleted")
    if not c.takes(KPIS, key):
        c.plan.unpulled.append(found)
        return False
    if not c.settled(cell, ""):
        c.plan.settling.append(found)
        return False
    if _deletes_unseen_edits(c, key, base, edits):
        return True
    c.plan.lost_keys.setdefault(KPIS, []).append(key)
    for column in edits:
        c.plan.events.append(EditEvent((KPIS, key, column), "", None, None))
        c.state.pending.pop((KPIS, key, column), None)
    for column in LAYOUT.owned_names:
        if column in edits or key not in c.view.dropped:  # what else operators made of a dropped row stays in the draft
            say_replaced(c, (KPIS, key, column), "", None, DELETED)
    for column in LAYOUT.names:
        c.state.answers.pop((KPIS, key, column), None)
    if published is not None:
        _propose_deletion(c, key, base, published, edits)
    c.state.set_row(KPIS, key, None)
    return False


def _deletes_unseen_edits(c: Comparison, key: RowKey, base: Row, edits: dict[str, PendingEdit]) -> bool:
    """Had the row pending edits of another spreadsheet, which its owner never saw? They are in conflict then.

    The row comes back with them, and the owner is told what the conflict is.
    """
    unseen = {column: edit for column, edit in edits.items() if _is_unseen(base[LAYOUT.position(column)], edit)}
    for column, edit in unseen.items():
        others = tuple(one for one in edit.rivals if one is not None)
        marked = replace(edit, theirs=None, rival=True, others=others)
        c.plan.marks.append(ConflictMark(edit.draft_id, (KPIS, key, column), marked, None))
    if unseen:
        c.state.set_row(KPIS, key, None)
    return bool(unseen)


def _is_unseen(base: CellValue, edit: PendingEdit) -> bool:
    """Did its spreadsheet not show the edit, or one that it is in conflict with?"""
    return any(not same(base, one) for one in (edit.value, *edit.rivals) if one is not None)


def _propose_deletion(c: Comparison, key: RowKey, base: Row, published: Row, edits: dict[str, PendingEdit]) -> None:
    start = list(base)
    for column, edit in edits.items():
        start[LAYOUT.position(column)] = EMPTY if edit.base is None else edit.base
    moved = any(one is not None and one != now for one, now in zip(start, published, strict=True))
    theirs: CellValue | Nothing = describe_kpi(published) if moved else NO_CONFLICT
    edit = PendingEdit(key[1], None, "", theirs)
    cell = (KPIS, key, PRESENCE)
    c.plan.events.append(EditEvent(cell, "", edit, None, tuple(start[LAYOUT.key_width :])))
    _report_deletion(c, key, edit)


def _report_deletion(c: Comparison, key: RowKey, edit: PendingEdit) -> None:
    cell = (KPIS, key, PRESENCE)
    c.plan.pending.append(Found(cell, "", None))
    if not isinstance(edit.theirs, Nothing):
        c.plan.conflicts.append(FoundConflict(cell, "", edit.base, None, edit.theirs))


def _standing_deletion(c: Comparison, key: RowKey, edit: PendingEdit, published: Row | None) -> None:
    """A proposed deletion that nobody took back; published changing under it is a conflict.

    A connector never published has the changed row in the draft's base: there it stays one until it is decided.
    """
    cell = (KPIS, key, PRESENCE)
    c.state.pending[cell] = edit.draft_id
    c.state.answers.pop(cell, None)
    now = describe_kpi(published)
    seen = c.view.deleted_from.get(cell, now)
    fine = published is None or now == edit.base or (now == seen and now != edit.theirs)
    theirs: CellValue | Nothing = NO_CONFLICT if fine else now
    if theirs != edit.theirs:
        edit = PendingEdit(edit.base, edit.value, edit.draft_id, theirs)
        c.plan.marks.append(ConflictMark(edit.draft_id, cell, edit, theirs))
    _report_deletion(c, key, edit)


def check_new_key(c: Comparison, key: RowKey) -> tuple[Bad, str] | None:
    """What is wrong with the key of a row that an owner added, and in which column."""
    connector, name = key
    if connector not in c.view.connectors():
        guess = closest(connector, c.view.connectors())
        did = f" (did you mean {guess})" if guess else ""
        text = f"unknown connector '{connector}'{did}"
        return Bad(
            "unknown_connector", text, f"type {guess}" if guess else "type the id of a connector"
        ), "connector_id"
    if not KPI_FORM.fullmatch(name):
        text = f"'{name}' is not a KPI name" if name else "the KPI has no name"
        return Bad("bad_kpi_name", text, "use lower-case letters, digits and _, like cost_per_call"), PRESENCE
    return None
