"""Drift: what people changed in our tabs besides cells; found in the same read, mended by push in what we own. Pure.

A header that is gone is a safety stop (`safety`); a tab that is missing is made again (`planning`).
"""

from __future__ import annotations

from dataclasses import replace

from sheetsync.domain.problems import Problem
from sheetsync.sync.baseline import TabMark
from sheetsync.sync.gateway import PROTECTION_MARK, SheetRead, TabRead
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Role, title_of


def expected_protections(role: Role) -> int:
    """How many protections of ours a tab has: one, or (owners' tabs) one a header, key column and `sync_status`."""
    if role not in OWNER_ROLES:
        return 1
    columns = LAYOUTS[role].columns
    return len(columns) + sum(column.key or column.name == SYNC_STATUS for column in columns)


def unprotected(read: SheetRead) -> tuple[Role, ...]:
    """Tabs of which protections of ours were taken away."""
    return tuple(role for role, tab in read.tabs.items() if _ours(tab) < expected_protections(role))


def _ours(tab: TabRead) -> int:
    return sum(text.startswith(PROTECTION_MARK) for _, text in tab.protected)


def pick_known_tabs(read: SheetRead, marks: dict[Role, TabMark]) -> SheetRead:
    """Of two tabs with one mark (a person duplicated ours), the one that the baseline knows is ours."""
    if not read.doubled:
        return read
    tabs, doubled = dict(read.tabs), []
    for other in read.doubled:
        mark = marks.get(other.role)
        if mark is not None and other.sheet_id == mark.sheet_id:
            doubled.append(tabs[other.role])
            tabs[other.role] = other
        else:
            doubled.append(other)
    return replace(read, tabs=tabs, doubled=tuple(doubled))


def doubled_problems(read: SheetRead) -> list[Problem]:
    """A copy of a tab of ours in the same spreadsheet: what people write there is not read."""
    return [
        Problem(
            code="doubled_tab",
            tab=tab.title,
            message=f"the tab '{tab.title}' is a copy of '{title_of(tab.role)}': edits in it are not read",
            hint=f"edit '{read.tabs[tab.role].title}', and delete the copy",
        )
        for tab in read.doubled
    ]
