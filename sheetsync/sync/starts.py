"""What an owner's edit started from, told by the drafts that had it, closed ones too."""

from __future__ import annotations

from collections.abc import Iterator

from sheetsync.domain.cells import cell_at, read_cell
from sheetsync.domain.draft import CellValue, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.registry.catalogue import Catalogue
from sheetsync.registry.rivals import Rivals
from sheetsync.sync.tabs import LAYOUTS, Cell, RowKey

Where = tuple[str, RowKey, str]  # a cell, as drafts name it


def started_from(
    catalogue: Catalogue, live: dict[tuple[str, RowKey], PolicySnapshot], draft_id: str, cell: Cell
) -> CellValue:
    """What an edit started from, in the draft that had it: one that was decided against is among its conflicts.

    Where that is no row, but the KPI was live under its edits or since, the value that it had there last; where it
    never was, but operators had it in a draft, what the first of the cell's edits started from that is known.
    """
    draft, where = catalogue.draft(draft_id).draft, (LAYOUTS[cell[0]].title, cell[1], cell[2])
    start = next(_starts_in(draft, where), None)
    if start is not None:
        return start
    row, rivals = (draft_id, cell[1]), Rivals(catalogue, draft)
    if row not in live:  # it reads what was published since: once for all cells of a row
        live[row] = rivals.was_live(cell[1])
    last = read_cell(live[row], cell_at(cell[1], cell[2]))
    if last is not None:
        return last
    starts = (start for one in rivals.followed(where[0], cell[1]) for start in _starts_in(one, where))
    return next((start for start in starts if start is not None), None)


def _starts_in(draft: WorkbenchDraft, where: Where) -> Iterator[CellValue]:
    """What the edits of a cell started from, as its edit and its conflicts say, the newest first; None: from no row.

    A cell that nobody typed stood so in the row that was dropped.
    """
    edit = edit_in(draft, where)
    if edit is not None:
        yield edit.base
    yield from (one.base for one in reversed(draft.conflicts) if (one.tab, one.row_key, one.column) == where)
    if edit is not None and edit.base is None and edit.cell == "":
        yield edit.value


def edit_in(draft: WorkbenchDraft, where: Where) -> SheetEdit | None:
    """A draft's edit of a cell."""
    edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
    return next((one for one in edits if (one.tab, one.row_key, one.column) == where), None)
