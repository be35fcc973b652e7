"""Settling: a batch landed, and its pre-images say which of its writes fell on what was planned. Pure.

Rules 6 to 10 of design.md section 7: the baseline moves cell by cell; everything else becomes a debt, or a lost row.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from sheetsync.domain.canonical import JSONValue
from sheetsync.sync.answers import NOTE_MARK, is_fixed
from sheetsync.sync.baseline import Debt, Intended, LostRow, PutBack, SyncState, Tables
from sheetsync.sync.baseline_json import raw_to_json
from sheetsync.sync.cells import plain, raw_same
from sheetsync.sync.decide import Nothing
from sheetsync.sync.epoch import OPEN, seal_of
from sheetsync.sync.formulas import moved_row
from sheetsync.sync.gateway import AddRow, DeleteRow, Raw, SheetRead, TouchRow, is_value
from sheetsync.sync.normalize import text_key
from sheetsync.sync.outcome import PUT_BACK, Found
from sheetsync.sync.repairs import own_cells, removed_row
from sheetsync.sync.shifted import Pre, cells_then, debts_of_add, debts_of_touch, is_header, moved_headers, split_touch
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Role, RowKey, a1

NOTE_COVERED: Final = "the note that somebody left here was covered by ours"
Whole = Mapping[int, tuple[JSONValue, ...]]


@dataclass
class Settled:
    """The state after a batch landed, and what goes into the journal."""

    state: SyncState
    removed_rows: list[JSONValue] = field(default_factory=list)
    covered: list[JSONValue] = field(default_factory=list)  # what stood where columns had moved
    overwritten: list[Found] = field(default_factory=list)  # what others had put into cells of ours meanwhile
    damaged: int = 0


def count_keys(read: SheetRead | None) -> Counter[tuple[Role, RowKey]]:
    """How often each key stands in the owners' tabs, where they were read."""
    tabs = {role: read.tabs[role] for role in OWNER_ROLES if role in read.tabs} if read is not None else {}
    return Counter(
        (role, cast("RowKey", row.cells[: LAYOUTS[role].key_width])) for role in tabs for row in tabs[role].rows
    )


def settle(
    state: SyncState,
    batch: Intended,
    pre: Pre,
    *,
    whole: Whole,
    tables: Tables,
    counts: Mapping[tuple[Role, RowKey], int],
    notes: Mapping[tuple[int, int], str],
) -> Settled:
    """The state after `batch` landed with these pre-images, and their notes.

    `tables`: what the store shows now. `counts`: how often each added key stands after the batch, where that was read
    back.
    """
    new = state.copy()
    new.token, new.seal, new.top = batch.token, seal_of(pre), max(state.top, batch.token.epoch)
    done = Settled(new)
    moved = moved_headers(batch, pre)
    noted: dict[int, dict[int, str]] = {}
    for (at, place), note in notes.items():
        noted.setdefault(at, {})[place] = note
    for at, one in enumerate(batch.planned):
        row = moved_row(pre[at] if at < len(pre) else (), copied_from(one, at))
        if is_header(one):
            continue
        got = cells_then(one, row, moved[one.role]) if one.role in moved else pre_image_cells(batch, one, row)
        if isinstance(one, TouchRow) and at in noted:
            _tell_notes(done, batch, one, got, noted[at])
        if isinstance(one, DeleteRow):
            _settle_delete(done, batch, one, got, whole.get(at, ()), tables, at)
        elif one.role in moved:
            right, astray = split_touch(batch, one, moved[one.role])
            _owe(done, debts_of_touch(batch, astray, row, moved[one.role]))
            _settle_touch(done, state, batch, right, got)
        else:
            _settle_touch(done, state, batch, one, got)
    for role in batch.all_of:
        for key, values in tables.get(role, {}).items():
            new.set_row(role, key, values)
    for role, key, text in batch.said:
        new.say(role, key, text)
    for add in batch.adds:
        if add.role in moved:
            _owe(done, debts_of_add(batch, add, moved[add.role]))
            continue
        _settle_add(done, state, add, counts, batch.columns.get(add.role, {}))
    new.intended = ()
    new.held = str(batch.commit + 1) if batch.holds else new.held
    new.rules = batch.rules or new.rules
    if not batch.token.nonce.startswith(OPEN):
        new.accept, new.asked = None, ()
    return done


def copied_from(one: TouchRow | DeleteRow, at: int) -> int:
    """How far below its pre-image a touched row stood. A deleted one is kept as it is there, until it comes back."""
    return one.index - at - 1 if isinstance(one, TouchRow) else 0


def pre_image_cells(batch: Intended, one: TouchRow | DeleteRow, row: tuple[Raw, ...]) -> tuple[Raw, ...]:
    """A pre-image in the layout's order."""
    columns = batch.columns.get(one.role, {})
    places = [columns.get(name, -1) for name in LAYOUTS[one.role].names]
    return tuple(row[at] if 0 <= at < len(row) else "" for at in places)


def _owe(done: Settled, debts: list[Debt]) -> None:
    """Columns had moved: what was written fell on other cells; the base moves nowhere, so that it is written again."""
    done.covered += [
        {"tab": LAYOUTS[one.cell[0]].title, "row_key": list(one.cell[1]), "column": one.cell[2],
         "covered": raw_to_json(one.covered)} for one in debts if one.covered != ""
    ]  # fmt: skip
    done.state.debts = (*done.state.debts, *(one for one in debts if not raw_same(one.left, one.covered)))
    done.damaged += len(debts)


def _key(role: Role, cells: tuple[Raw, ...]) -> RowKey:
    return text_key(cells[: LAYOUTS[role].key_width])


def _settle_ours(done: Settled, batch: Intended, one: TouchRow, got: tuple[Raw, ...], *, same_row: bool) -> None:
    """Cells that only sheetsync writes: what somebody put there between read and write is told, for it is gone."""
    layout = LAYOUTS[one.role]
    if one.role in OWNER_ROLES and one.status is not None:
        done.state.say(one.role, _key(one.role, got), "" if is_fixed(one.status) else one.status)
    written = {SYNC_STATUS: one.status} if one.role in OWNER_ROLES else dict(one.sets)
    for column, value in written.items():
        at = layout.position(column)
        covered = got[at]
        if not same_row or value is None or raw_same(covered, one.planned[at]) or raw_same(covered, value):
            continue
        if column != SYNC_STATUS or not is_fixed(covered):
            name = a1(one.index, batch.columns[one.role][column])
            done.overwritten.append(Found((one.role, one.key, column), name, plain(covered), PUT_BACK))


def _tell_notes(done: Settled, batch: Intended, one: TouchRow, got: tuple[Raw, ...], notes: Mapping[int, str]) -> None:
    """A note that somebody left on a cell while ours was on its way there is told, for ours stands there now."""
    columns = batch.columns.get(one.role, {})
    for column, text in one.notes.items():
        was = notes.get(columns[column], "") if column in columns else ""
        if was and was != text and not was.startswith(NOTE_MARK):
            cell = (one.role, _key(one.role, got), column)
            done.overwritten.append(Found(cell, a1(one.index, columns[column]), was, NOTE_COVERED))


def _settle_touch(done: Settled, old: SyncState, batch: Intended, one: TouchRow, got: tuple[Raw, ...]) -> None:
    new, layout = done.state, LAYOUTS[one.role]
    width = layout.key_width
    same_row = all(raw_same(a, b) for a, b in zip(got[:width], one.planned[:width], strict=True))
    _settle_ours(done, batch, one, got, same_row=same_row)
    if one.role not in OWNER_ROLES:
        return
    for column, value in one.sets.items():
        cell = (one.role, one.key, column)
        if column not in layout.owned_names:  # put back, where columns had moved: no base speaks of it
            new.debts = tuple(debt for debt in new.debts if not (same_row and debt.cell == cell))
            continue
        at = layout.position(column)
        left: Raw = "" if value is None else value
        base = old.value(cell)
        started = one.started.get(column)
        still = column not in one.started or (started is None and isinstance(base, Nothing)) or base == started
        if same_row and raw_same(got[at], one.planned[at]) and still:
            new.debts = tuple(debt for debt in new.debts if not (debt.cell == cell and raw_same(debt.left, got[at])))
            if column in one.started and is_value(value):
                new.set_value(cell, value)
                if new.answers.get(cell, "").startswith("rejected"):
                    new.pending.pop(cell, None)  # the overlay that was rejected is not shown any more
            continue
        covered = _chain(new, (one.role, _key(one.role, got), column), got[at])
        if not raw_same(covered, left):
            new.debts = (*new.debts, Debt((one.role, _key(one.role, got), column), left, covered))
            done.damaged += 1
        elif same_row and column in one.started and is_value(value):
            new.set_value(cell, value)  # the same edit as ours: agreed


def _chain(new: SyncState, cell: tuple[Role, RowKey, str], was: Raw) -> Raw:
    """A second damage of one cell keeps the first covered value."""
    for debt in [one for one in new.debts if one.cell == cell and raw_same(one.left, was)]:
        if any(cell[1]):
            new.debts = tuple(one for one in new.debts if one is not debt)
        was = debt.covered
    return was


def _settle_delete(
    done: Settled,
    batch: Intended,
    one: DeleteRow,
    got: tuple[Raw, ...],
    whole: tuple[JSONValue, ...],
    tables: Tables,
    at: int,
) -> None:
    new, width = done.state, LAYOUTS[one.role].key_width
    if all(raw_same(a, b) for a, b in zip(got[:width], one.planned[:width], strict=True)):
        done.removed_rows.append(removed_row(one.role, one.key, got, whole))
        owed = [debt for debt in new.debts if debt.cell[:2] == (one.role, one.key)]
        done.removed_rows += [
            {"row_key": list(one.key), "column": d.cell[2], "covered": raw_to_json(d.covered)} for d in owed
        ]
        new.debts = tuple(debt for debt in new.debts if debt not in owed)
        new.put_back = tuple(back for back in new.put_back if (back.role, back.key) != (one.role, one.key))
        if (one.undoes or one.key not in tables.get(one.role, {})) and one.role in OWNER_ROLES:
            new.set_row(one.role, one.key, None)
        return
    if one.role not in OWNER_ROLES or not (any(raw != "" for raw in got) or any(whole)):
        return
    key = _key(one.role, got)
    values = list(got)
    for column in LAYOUTS[one.role].owned_names:
        place = LAYOUTS[one.role].position(column)
        owed_one = [d for d in new.debts if d.cell == (one.role, key, column) and raw_same(d.left, got[place])]
        if owed_one:
            values[place] = owed_one[0].covered
    lost = LostRow(f"{batch.token.epoch}.{at}", one.role, key, tuple(values), whole)
    new.lost_rows = (*new.lost_rows, lost)
    done.damaged += 1


def _settle_add(
    done: Settled, old: SyncState, add: AddRow, counts: Mapping[tuple[Role, RowKey], int], columns: Mapping[str, int]
) -> None:
    new = done.state
    if add.role not in OWNER_ROLES:
        return
    new.say(add.role, add.key, "" if is_fixed(add.status) else add.status)
    # a lost row comes back with what its owners had in it, which may be in no draft: its base is what it was
    if old.row(add.role, add.key) == add.started and add.known and not add.lost_id:
        new.set_row(add.role, add.key, tuple(value if is_value(value) else None for value in add.values))
    new.lost_rows = tuple(row for row in new.lost_rows if row.id != add.lost_id or not add.lost_id)
    if counts.get((add.role, add.key)) == 1:
        return
    cells = tuple("" if value is None else value for value in (*add.values, add.status))
    whole = next((row.whole for row in old.lost_rows if row.id == add.lost_id), ())
    new.put_back = (*new.put_back, PutBack(add.role, add.key, cells, own_cells(whole, columns), add.lost_id))
