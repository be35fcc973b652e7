"""What our own batches damaged or doubled, undone: debts in frozen and unknown rows, lost rows, rows put back twice.

How damage is found is in `settle`; cells of known rows are healed in `cells`.
"""

from __future__ import annotations

from collections.abc import Mapping

from sheetsync.domain.canonical import JSONValue
from sheetsync.sync.baseline import Debt, LostRow
from sheetsync.sync.baseline_json import raw_to_json
from sheetsync.sync.cells import Comparison, cell_name, debts_of, plain, raw_same
from sheetsync.sync.formulas import moved_row, moved_whole
from sheetsync.sync.gateway import AddRow, DeleteRow, Formula, Raw, RowRead, TabRead, TouchRow, Written
from sheetsync.sync.normalize import text_key
from sheetsync.sync.outcome import Found
from sheetsync.sync.shifted import own_places
from sheetsync.sync.tabs import LAYOUTS, SYNC_STATUS, Role, RowKey

Where = dict[RowKey, list[RowRead]]


def take_away_doubles(c: Comparison, tab: TabRead, rows: list[RowRead], width: int) -> tuple[list[RowRead], Where]:
    """The rows by key; a row that we put back beside the one its owner brought back goes again.

    Which of them is ours is told by its content.
    """
    where: Where = {row.cells[:width]: [row] for row in rows}  # type: ignore[misc]
    if len(where) < len(rows):
        where = {}
        for row in rows:
            where.setdefault(row.cells[:width], []).append(row)  # type: ignore[arg-type]
    for row in rows if c.state.debts else ():
        key = _key_before(c, tab, row, width)
        if key is not None:
            where.setdefault(key, []).append(row)
    if not c.state.put_back:
        return rows, where
    gone: set[int] = set()
    data = LAYOUTS[tab.role].width
    for back in [one for one in c.state.put_back if one.role == tab.role]:
        here = where.get(back.key, [])
        own = [row for row in here if row.cells[:data] == back.cells[:data] and _same_own(row, back.own)]
        pending = not back.lost_id and any(one.role == tab.role and one.key == back.key for one in c.state.lost_rows)
        if own and len(here) + pending == 2:
            row = own[-1]
            c.plan.operations.append(DeleteRow(tab.role, row.index, back.key, row.cells))
            here.remove(row)
            gone.add(row.index)
        elif len(here) == 1:
            c.state.put_back = tuple(one for one in c.state.put_back if one != back)
    return ([row for row in rows if row.index not in gone] if gone else rows), where


def _same_own(row: RowRead, own: tuple[Raw, ...]) -> bool:
    """Do people's columns of this row hold just this?"""
    return len(row.own) == len(own) and all(raw_same(one, other) for (_, one), other in zip(row.own, own, strict=True))


def _key_before(c: Comparison, tab: TabRead, row: RowRead, width: int) -> RowKey | None:
    """The key of a row before a write of ours fell on it, as columns had moved; None if none did."""
    names, key = LAYOUTS[tab.role].names, row.cells[:width]
    owed = {debt.cell[2]: debt for debt in debts_of(c.state, tab.role, text_key(key)) if debt.cell[2] in names[:width]}
    parts = [owed[name].covered if name in owed and raw_same(owed[name].left, raw) else raw
             for name, raw in zip(names, key, strict=False)]  # fmt: skip
    before = text_key(tuple(parts))
    return before if before != text_key(key) else None


def owes_its_key(c: Comparison, role: Role, key: RowKey) -> bool:
    """Did a write of ours fall on the key of this row?"""
    names = LAYOUTS[role].names[: LAYOUTS[role].key_width]
    return any(debt.cell[2] in names for debt in debts_of(c.state, role, key))


def heal_astray(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """Put back what stood in keys, answers and people's own columns where our write fell, as columns had moved."""
    owed = list(debts_of(c.state, tab.role, key))
    if not owed:
        return
    layout = LAYOUTS[tab.role]
    sets: dict[str, Written] = {}
    width = layout.key_width
    twins = [one for one in tab.rows if text_key(one.cells[:width]) == key]
    for debt in owed:
        name = debt.cell[2]
        if name in layout.owned_names:
            continue
        alike = [one for one in owed if one.cell == debt.cell and raw_same(one.left, debt.left)]
        standing = [one for one in twins if raw_same(_standing(tab, one, name), debt.left)]
        if not standing:
            c.state.debts = drop_debts(c.state.debts, [debt])
        elif row in standing and alike[standing.index(row) % len(alike)] is debt:
            sets[name] = debt.covered  # rows of one key take what was theirs in their order
        else:
            continue
        if debt.covered != "" and name != SYNC_STATUS:
            c.plan.healed.append(
                Found(debt.cell, cell_name(tab, row, name), plain(debt.covered), "our write had covered it")
            )
    if sets:
        c.plan.operations.append(
            TouchRow(tab.role, row.index, text_key(row.cells[: layout.key_width]), row.cells, sets)
        )


def _standing(tab: TabRead, row: RowRead, name: str) -> Raw:
    """What stands under a header in this row; nothing, if there is no such column any more."""
    if name in LAYOUTS[tab.role].names:
        return row.cells[LAYOUTS[tab.role].position(name)]
    return dict(row.own).get(own_places(tab).get(name, -1), "")


def heal_frozen(c: Comparison, tab: TabRead, row: RowRead, twins: list[RowRead]) -> None:
    """A doubled key is frozen, but what we damaged in it is put back."""
    _heal(c, tab, row, twins[0].cells, twins)


def heal_unknown(c: Comparison, tab: TabRead, row: RowRead, key: RowKey) -> None:
    """Of a row the store does not know, only our own damage is undone."""
    width = LAYOUTS[tab.role].key_width
    _heal(c, tab, row, key, [one for one in tab.rows if one.cells[:width] == row.cells[:width]])


def _heal(c: Comparison, tab: TabRead, row: RowRead, key: tuple[Raw, ...], twins: list[RowRead]) -> None:
    heal_astray(c, tab, row, text_key(key[: LAYOUTS[tab.role].key_width]))
    heal_owned(c, tab, row, key, twins)


def heal_owned(c: Comparison, tab: TabRead, row: RowRead, key: tuple[Raw, ...], twins: list[RowRead]) -> None:
    """Put back the owners' values in a row whose cells are not compared. `twins`: the rows of its key, itself too."""
    layout = LAYOUTS[tab.role]
    owed = [debt for debt in c.state.debts if debt.cell[0] == tab.role and debt.cell[1] == key[: layout.key_width]]
    sets: dict[str, Written] = {}
    for column in layout.owned:
        at = layout.position(column.name)
        here = [debt for debt in owed if debt.cell[2] == column.name and raw_same(debt.left, row.cells[at])]
        same = [one for one in twins if raw_same(one.cells[at], row.cells[at])]
        for debt in here:  # which of the rows it was is not always known: reported either way
            c.plan.healed.append(
                Found(debt.cell, cell_name(tab, row, column.name), plain(debt.covered), "our write had covered it")
            )
        if len(same) <= len(here):
            sets[column.name] = here[same.index(row)].covered
    if sets:
        key_text = tuple(str(part) for part in row.cells[: layout.key_width])
        c.plan.operations.append(TouchRow(tab.role, row.index, key_text, row.cells, sets))


def settle_lost_rows(c: Comparison, role: Role, where: Where) -> set[RowKey]:
    """Lost rows of ours: those simply missing are added by their key; others are put back beside what stands there."""
    missing: set[RowKey] = set()
    for lost in [one for one in c.state.lost_rows if one.role == role]:
        here = where.get(lost.key, [])
        if lost.key in c.view.shown[role] and not here:
            missing.add(lost.key)
            continue
        data = LAYOUTS[role].width
        tab = c.read.tabs[role]
        alike = [row for row in here if row.cells[:data] == lost.cells[:data]]
        if alike:
            c.state.lost_rows = tuple(one for one in c.state.lost_rows if one.id != lost.id)
            own = own_cells(lost.whole, tab.columns)
            if not any(_same_own(row, own) for row in alike):
                c.plan.removed_rows.append(removed_row(role, lost.key, lost.cells, lost.whole))  # its twin stands
            continue
        at = max((row.index for row in tab.rows), default=0) + 1
        values, whole = lost_to(lost, at)
        # whoever put it there, its base is what it was: a key that nobody has stays one that the store never showed
        c.plan.operations.append(AddRow(role, lost.key, values[:data], at, lost_id=lost.id, whole=whole, known=False))
    return missing


def lost_to(lost: LostRow, index: int) -> tuple[tuple[Raw, ...], tuple[JSONValue, ...]]:
    """The cells of a lost row, and all of it, for the row `index`: it was kept in a row of the scratch tab."""
    rows = index - int(lost.id.partition(".")[2] or 0) - 1
    return moved_row(lost.cells, rows), moved_whole(lost.whole, rows)


def own_cells(whole: tuple[JSONValue, ...], columns: Mapping[str, int]) -> tuple[Raw, ...]:
    """What people had in their own columns of a lost row: a row put back is told by it."""
    ours = set(columns.values())
    entered = [
        cell.get("userEnteredValue") for at, cell in enumerate(whole) if at not in ours and isinstance(cell, dict)
    ]
    return tuple(_entered(value) for value in entered if isinstance(value, dict) and value)


def _entered(value: Mapping[str, JSONValue]) -> Raw:
    for kind, one in value.items():
        if kind == "formulaValue":
            return Formula(str(one))
        if isinstance(one, str | bool | int | float):
            return one
    return ""


def removed_row(role: Role, key: RowKey, cells: tuple[Raw, ...], whole: tuple[JSONValue, ...]) -> dict[str, JSONValue]:
    """A row that is gone, as the journal keeps it."""
    row = [raw_to_json(raw) for raw in cells]
    return {"tab": LAYOUTS[role].title, "row_key": list(key), "cells": row, "whole": list(whole)}


def drop_debts(debts: tuple[Debt, ...], gone: list[Debt]) -> tuple[Debt, ...]:
    """The debts without those that are paid; each pays one."""
    left = list(debts)
    for debt in gone:
        if debt in left:
            left.remove(debt)
    return tuple(left)
