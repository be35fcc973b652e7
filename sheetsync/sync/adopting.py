"""A tab that people made under a name of ours, and that becomes ours: where our columns go in it. Pure.

That somebody must say so first is `safety.check_unmarked`. Headers of ours that stand in the first row name our
columns, as in any tab; those that are missing were never there, so nobody took them away and nobody need force them.
They go where no value stands: what is in the tab and is not ours stays in its cells.
"""

from __future__ import annotations

from dataclasses import replace

from sheetsync.errors import SafetyStopError
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.gateway import DeleteRow, RowRead, TabRead, TouchRow
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, RowKey, title_of


def missing_columns(tab: TabRead) -> list[str]:
    """Our columns of which the tab has no header, in the layout's order."""
    return [name for name in LAYOUTS[tab.role].names if name not in tab.columns]


def with_our_columns(tab: TabRead, *, writes: bool) -> TabRead:
    """The tab with a place for every column of ours; its rows are as they were read, for the new ones are empty.

    The missing ones take their own places if all of these are free; else all of them go to the right of everything.

    Raises:
        SafetyStopError: some are missing, and this run makes none (not `writes`): a pull only answers.
    """
    missing = missing_columns(tab)
    if not missing:
        return tab
    if not writes:
        raise SafetyStopError(
            f"'{title_of(tab.role)}' lacks the header {', '.join(missing)}, which a pull does not write; "
            "nothing was written", hint="run 'sheetsync push --adopt', which adds what is missing",
            code="header_missing", flag="--adopt",
        )  # fmt: skip
    taken = _taken(tab)
    places = {name: LAYOUTS[tab.role].position(name) for name in missing}
    if taken.intersection(places.values()):
        places = {name: at for at, name in enumerate(missing, max(taken) + 1)}
    columns = tab.columns | places
    return replace(tab, columns={name: columns[name] for name in LAYOUTS[tab.role].names})


def _taken(tab: TabRead) -> set[int]:
    """The columns in which anything stands; merged cells and people's tables are held together by what is in them."""
    boxes = (*tab.merges, *tab.tables)
    return {*tab.in_use, *tab.columns.values()}.union(*(range(left, end) for _, _, left, end in boxes))


def forget_other_tab(state: SyncState, tab: TabRead) -> None:
    """Forget where the tab of this role was before, and the rows that do not stand in this one.

    They were not deleted here, for it is another tab: they are put in.
    """
    state.tabs.pop(tab.role, None)
    if tab.role not in OWNER_ROLES:
        return
    standing = {row.cells[: LAYOUTS[tab.role].key_width] for row in tab.rows}
    for key in state.keys(tab.role):
        if key not in standing:
            state.set_row(tab.role, key, None)


def leave_row(tab: TabRead, row: RowRead, key: RowKey) -> TouchRow | DeleteRow:
    """A row that goes from a tab which only sheetsync writes: only our cells of it, where people wrote beside them."""
    if not row.own:
        return DeleteRow(tab.role, row.index, key, row.cells)
    return TouchRow(tab.role, row.index, key, row.cells, dict.fromkeys(LAYOUTS[tab.role].names, None))
