"""Conflicts of two owners, who edited one cell in two spreadsheets: told from those with what is published.

*Theirs* is then the edit that was pending before. How such conflicts are found is in `sync`, how they are decided in
`conflicts`.
"""

from __future__ import annotations

from sheetsync.domain.cells import KPI_NAME, is_kpi_column
from sheetsync.domain.draft import CellValue, Conflict, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.registry.catalogue import Catalogue


def find_rival(catalogue: Catalogue, draft: WorkbenchDraft, conflict: Conflict, now: CellValue) -> SheetEdit | None:
    """The other owner's edit that an open conflict is with; None where it is with what is published.

    `now`: what is published in the cell, None for no such row. A superseded draft holds the other edit, but for the
    deletion of a KPI row: what is published never is a conflict as "no row" where there is one, or never was.
    """
    where = (conflict.tab, conflict.row_key)
    if conflict.column == KPI_NAME:
        return None
    if conflict.theirs is None and is_kpi_column(conflict.column):
        if now is None and conflict.base is not None:
            return None
        name = conflict.row_key[-1]
        return SheetEdit(tab=conflict.tab, cell="", row_key=conflict.row_key, column=KPI_NAME, base=name, value=None)
    if conflict.theirs == now:
        return None
    seen = {draft.id}
    while draft.supersedes is not None and draft.supersedes not in seen:
        seen.add(draft.supersedes)
        draft = catalogue.draft(draft.supersedes).draft
        edits = draft.origin.edits if isinstance(draft.origin, SheetOrigin) else ()
        for edit in edits:
            if (edit.tab, edit.row_key) == where and (edit.column, edit.value) == (conflict.column, conflict.theirs):
                return edit
    return None
