"""Safety stops: states in which a run writes nothing and a person must decide (exit 7). Pure checks.

Which version of the spreadsheet is known is `epoch`; here is everything else of design.md section 7, "Safety stops".
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from typing import Final

from sheetsync.errors import SafetyStopError
from sheetsync.sync.baseline import SyncState, Tables
from sheetsync.sync.cells import matches
from sheetsync.sync.decide import Answer
from sheetsync.sync.gateway import AddRow, DeleteRow, Mark, Operation, SheetRead, TabRead, TouchRow, Written
from sheetsync.sync.headers import is_made_again, places_again
from sheetsync.sync.normalize import text_key
from sheetsync.sync.outcome import Plan
from sheetsync.sync.protected import HINT, MESSAGE, describe, shutting_header
from sheetsync.sync.tabs import (
    KPIS,
    LAYOUTS,
    OWNER_ROLES,
    POLICY,
    SYNC_ROLES,
    SYNC_STATUS,
    Role,
    RowKey,
    a1,
    role_of,
    title_of,
)

FOREIGN: Final = "foreign_spreadsheet"
UNDO_HOLDS: Final = "undo_holds"
LOST_SHARE: Final = 0.2
LOST_LEAST: Final = 10
EDIT_SHARE: Final = 0.5
EDIT_LEAST: Final = 20
NAMES_LOST: Final = "lost the column that names its rows"
NAMELESS: Final[Mapping[Role, str]] = {  # what a forced run makes of rows without names
    POLICY: ", which adds all its rows again below those that stand there without a name; "
    "'sheetsync undo' takes these out, and does not bring the column back",
    KPIS: ", which proposes to delete all its KPIs, and drops the edits pending in them; "
    "'sheetsync undo' takes back neither that draft nor the column's deletion",
}
MAX_CELLS: Final = 10_000_000
MAX_CHARACTERS: Final = 50_000


@dataclass(frozen=True)
class Forces:
    """What a person said with `--force-…`, `--adopt` or `--restore-from-store`. Tabs by their titles."""

    lost_rows: frozenset[str] = field(default_factory=frozenset)
    mass_edit: frozenset[str] = field(default_factory=frozenset)
    headers: frozenset[str] = field(default_factory=frozenset)
    adopt: bool = False
    restore_from_store: bool = False

    @property
    def answer(self) -> Answer | None:
        """The answer to exit 7 over the spreadsheet's version."""
        if self.restore_from_store:
            return "store"
        return "adopt" if self.adopt else None


def forced(tabs: frozenset[str], role: Role) -> bool:
    """Was this tab named?"""
    return any(role_of(title) == role for title in tabs)


def check_held(state: SyncState) -> None:
    """Stop where an undo holds the spreadsheet."""
    if state.held:
        raise SafetyStopError(
            f"an undo holds the spreadsheet since commit {state.held}; nothing was written",
            hint="run 'sheetsync push --resume' to go on", code=UNDO_HOLDS, flag="--resume",
        )  # fmt: skip


def check_mark(read: SheetRead, expected: Mark, answer: Answer | None) -> None:
    """Does the spreadsheet belong to this store, tenant and id?

    Raises:
        SafetyStopError: it is a copy, or another store's or tenant's, and nobody answered for it.
    """
    if read.mark is None or read.mark == expected or answer is not None:
        return
    if read.mark.spreadsheet != expected.spreadsheet and read.mark.store == expected.store:
        what, code = "this spreadsheet is a copy of another one that sheetsync keeps", "copied_spreadsheet"
    elif read.mark.store != expected.store:
        what, code = "this spreadsheet belongs to another store", FOREIGN
    else:
        what, code = f"this spreadsheet belongs to the tenant '{read.mark.tenant}'", FOREIGN
    raise _version_stop(what, code)


def version_stop(read: SheetRead, state: SyncState) -> SafetyStopError:
    """The stop for a version that the baseline does not know."""
    if not read.scratch:
        return _version_stop("the hidden tab that says which write was the last one is gone", "epoch_missing")
    if any(not tab.readable for tab in read.scratch):
        return _version_stop("the hidden tab of sheetsync was changed by hand", "epoch_changed")
    found = max(tab.epoch for tab in read.scratch)
    known = state.token.epoch if state.token else 0
    if found < known:
        return _version_stop("the spreadsheet was restored to an older version", "epoch_older")
    return _version_stop("the spreadsheet is at a version that this store did not write", "epoch_unknown")


def _version_stop(what: str, code: str) -> SafetyStopError:
    hint = (
        "look at it, then run 'sheetsync push --adopt' (what differs is read as owners' edits) "
        "or 'sheetsync push --restore-from-store' (what differs is reported, then overwritten)"
    )
    return SafetyStopError(f"{what}; nothing was written", hint=hint, code=code, flag="--adopt")


def check_unmarked(read: SheetRead, answer: Answer | None) -> list[tuple[Role, int]]:
    """Unmarked tabs that have a name of ours: (role, sheetId), to be adopted.

    Raises:
        SafetyStopError: there are some, and nobody answered for them.
    """
    found = []
    for sheet_id, title in read.listed or ():
        role = role_of(title)
        if role is not None and role not in read.tabs and all(tab.sheet_id != sheet_id for tab in read.tabs.values()):
            found.append((role, sheet_id))
    if found and answer is None:
        names = ", ".join(f"'{title_of(role)}'" for role, _ in found)
        raise _version_stop(
            f"the spreadsheet already has a tab named {names} that sheetsync did not make", "unmarked_tab"
        )
    return found


def lacks_headers(read: SheetRead) -> bool:
    """Is a header of an owners' tab gone or renamed?"""
    tabs = (tab for role, tab in read.tabs.items() if role in OWNER_ROLES)
    return any(name not in tab.columns for tab in tabs for name in LAYOUTS[tab.role].names)


def check_headers(read: SheetRead, state: SyncState, forces: Forces) -> dict[Role, dict[str, int]]:
    """Columns to be written again where a header is gone or renamed: role → column → index.

    Raises:
        SafetyStopError: a required header is gone, and nobody forced it; where the rows went with it, nor those.
    """
    repairs: dict[Role, dict[str, int]] = {}
    for role, tab in read.tabs.items():
        missing = [name for name in LAYOUTS[role].names if name not in tab.columns]
        if not missing:
            _check_open(tab, tab.columns)
            continue
        known = state.tabs[role].columns if role in state.tabs else None
        places = places_again(tab, missing, known)
        if role in OWNER_ROLES:
            _check_forced(tab, missing, _rows_lost(tab, places, state), forces)
        repairs[role] = places
        if role in OWNER_ROLES:
            _check_open(tab, repairs[role])
    return repairs


def _check_forced(tab: TabRead, missing: list[str], lost: str, forces: Forces) -> None:
    """Did somebody answer for the header? Where the rows went with it, who answers for them answers for it."""
    if lost and not forced(forces.lost_rows, tab.role):
        raise _lost_rows(tab.role, lost, NAMELESS[tab.role] if lost == NAMES_LOST else "")
    if not lost and not forced(forces.headers, tab.role):
        raise _lacks_header(tab.role, missing)


def _rows_lost(tab: TabRead, places: Mapping[str, int], state: SyncState) -> str:
    """What took all rows of an owners' tab together with its header; "" if they are there.

    Rows whose key column is made again have no names: none would be found, and their cells would be nobody's.
    """
    if not tab.in_use:
        return "came back empty, without its header"
    keys = LAYOUTS[tab.role].names[: LAYOUTS[tab.role].key_width]
    again = any(name not in tab.columns and is_made_again(tab, name, places[name]) for name in keys)
    return NAMES_LOST if again and state.keys(tab.role) else ""


def _check_open(tab: TabRead, places: Mapping[str, int]) -> None:
    """May we write the headers that do not stand in their places yet, and fill columns that are made again?

    What could not be filled would be read as emptied by its owners.
    """
    for name, at in places.items():
        if tab.headers[at : at + 1] == (name,):
            continue
        filled = name != SYNC_STATUS and is_made_again(tab, name, at)
        one = shutting_header(tab, at, tab.row_count if filled else 1)
        if one is not None:
            raise SafetyStopError(
                f"'{title_of(tab.role)}' lacks the header {name}, and {a1(0, at)} is "
                f"{MESSAGE.format(describe(one))}; nothing was written", hint=HINT, code="protected_header",
            )  # fmt: skip


def _lacks_header(role: Role, missing: list[str]) -> SafetyStopError:
    return SafetyStopError(
        f"'{title_of(role)}' lacks the header {', '.join(missing)}: it was renamed or removed; nothing was written",
        hint=f"put it back, or run 'sheetsync push --force-headers \"{title_of(role)}\"' to write it again",
        code="header_missing", flag="--force-headers",
    )  # fmt: skip


def _lost_rows(role: Role, what: str, then: str = "") -> SafetyStopError:
    """`then`: what becomes of the rows if somebody forces it."""
    return SafetyStopError(
        f"'{title_of(role)}' {what}; nothing was written",
        hint="undo it in the sheet, or restore the version before ('File > Version history'); "
        f"or run again with '--force-lost-rows \"{title_of(role)}\"'{then}",
        code="lost_rows", flag="--force-lost-rows",
    )  # fmt: skip


def check_plan(plan: Plan, read: SheetRead, state: SyncState, forces: Forces) -> None:
    """Did a tab lose too many rows, or change too much at once?

    Raises:
        SafetyStopError: it did, and nobody forced it.
    """
    for role in OWNER_ROLES:
        title = title_of(role)
        before = len(state.keys(role)) if state.known else 0
        lost = len(plan.lost_keys.get(role, ()))
        empty = role in read.tabs and not read.tabs[role].rows and lost > 0 and before > 1
        if (empty or (lost > before * LOST_SHARE and lost >= LOST_LEAST)) and not forced(forces.lost_rows, role):
            raise _lost_rows(role, "came back empty" if empty else f"lost {lost} of its {before} rows")
        cells = before * len(LAYOUTS[role].owned)
        changed = plan.changed_cells.get(role, 0)
        if changed > cells * EDIT_SHARE and changed >= EDIT_LEAST and not forced(forces.mass_edit, role):
            raise SafetyStopError(
                f"{changed} of the {cells} editable cells of '{title}' changed at once; nothing was written",
                hint=f"undo it in the sheet, or run again with '--force-mass-edit \"{title}\"'",
                code="mass_edit", flag="--force-mass-edit",
            )  # fmt: skip


def _check_length(one: Operation) -> None:
    if isinstance(one, DeleteRow):
        return
    columns: Iterable[tuple[str, Written]] = (
        one.sets.items() if isinstance(one, TouchRow) else zip(LAYOUTS[one.role].names, one.values, strict=False)
    )
    for column, value in columns:
        if isinstance(value, str) and len(value) > MAX_CHARACTERS:
            raise SafetyStopError(
                f"{column} of the row {'/'.join(one.key)} of '{title_of(one.role)}' has {len(value)} characters; "
                f"a cell holds {MAX_CHARACTERS}", hint="shorten it", code="cell_too_long",
            )  # fmt: skip


def check_batch(plan: Plan, read: SheetRead, shown: Tables, again: Set[tuple[Role, str]]) -> None:
    """May what is left of the plan be written? `shown`: what the store shows; `again`: columns that are made again.

    Raises:
        SafetyStopError: it is too large, or such a column would be left with holes.
    """
    _check_size(plan, read)
    _check_filled(plan, read, shown, again)


def _check_filled(plan: Plan, read: SheetRead, shown: Tables, again: Set[tuple[Role, str]]) -> None:
    """Is each column that is made again filled in every row that stays?

    A cell left empty there would be read as emptied by its owner.

    Raises:
        SafetyStopError: a row is frozen, merged or held by a protection: it names the row, and what to do.
    """
    goes = {(one.role, one.index) for one in plan.operations if isinstance(one, DeleteRow)}
    sets = [(one.role, one.index, one.sets) for one in plan.operations if isinstance(one, TouchRow)]
    for role, name in sorted(again):
        column = LAYOUTS[role].columns[LAYOUTS[role].position(name)]
        if role not in OWNER_ROLES or name not in LAYOUTS[role].owned_names:
            continue
        filled = goes | {(its, index) for its, index, values in sets if its == role and name in values}
        for row in read.tabs[role].rows:
            key = text_key(row.cells[: LAYOUTS[role].key_width])
            known = shown[role].get(key) or plan.state.row(role, key)
            value = None if known is None else known[LAYOUTS[role].position(name)]
            if value is not None and not matches("", value, column.kind) and (role, row.index) not in filled:
                raise _not_filled(plan, role, name, row.index, key)


def _not_filled(plan: Plan, role: Role, name: str, index: int, key: RowKey) -> SafetyStopError:
    found = [one for one in plan.problems if one.tab == title_of(role)]
    why = [one for one in found if one.row_key == key] or [one for one in found if one.code == "protected_cells"]
    what = f": {why[0].message}" if why else ""
    return SafetyStopError(
        f"'{title_of(role)}' lacks the column {name}, and row {index + 1} ({'/'.join(key)}) cannot be filled in it"
        f"{what}; nothing was written",
        hint=why[0].hint if why else "put the column back ('Edit > Undo'), then run it again",
        code="column_not_filled",
    )  # fmt: skip


def _check_size(plan: Plan, read: SheetRead) -> None:
    """Google's limits: cells of a spreadsheet, characters of a cell.

    Raises:
        SafetyStopError: names the table or the cell that is too large.
    """
    rows = dict.fromkeys((*OWNER_ROLES, *SYNC_ROLES), 0)
    for one in plan.operations:
        if isinstance(one, AddRow):
            rows[one.role] += 1
        _check_length(one)
    total = read.foreign_cells + sum(tab.row_count * tab.column_count for tab in read.tabs.values())
    widths = {role: read.tabs[role].column_count if role in read.tabs else len(LAYOUTS[role].columns) for role in rows}
    total += sum(count * widths[role] for role, count in rows.items())
    if total > MAX_CELLS:
        largest = max(rows, key=lambda role: rows[role])
        raise SafetyStopError(
            f"'{title_of(largest)}' would bring the spreadsheet to {total} cells; Google allows {MAX_CELLS}",
            hint="remove unused tabs or columns, or split the connectors over several spreadsheets",
            code="too_many_cells",
        )  # fmt: skip
