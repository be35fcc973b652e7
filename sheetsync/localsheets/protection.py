"""Who may edit what: protected ranges and sheets, per caller.

The owner of the file may edit everything, a `warningOnly` range stops nobody, and all others need to be among the
editors.  Source: the brief's sections 2 and 9 (a refusal is a 400, its text localised by Google).
"""

from __future__ import annotations

from sheetsync.localsheets import errors, ranges
from sheetsync.localsheets.cell import Json
from sheetsync.localsheets.sheet import Box, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet


def may_edit(spreadsheet: Spreadsheet, protected: Json, user: str) -> bool:
    """Whether a user may edit what a protected range covers."""
    if protected.get("warningOnly") or user == spreadsheet.owner:
        return True
    editors = protected.get("editors", {})
    if user in editors.get("users", ()):
        return True
    return bool(editors.get("domainUsersCanEdit")) and user.partition("@")[2] == spreadsheet.owner.partition("@")[2]


def boxes_of(spreadsheet: Spreadsheet, sheet: Sheet, protected: Json) -> tuple[list[Box], list[Box]]:
    """What a protected range covers on a tab, and what it leaves open there."""
    grid_range = protected.get("range")
    if name_id := protected.get("namedRangeId"):
        grid_range = spreadsheet.named_ranges.get(name_id, {}).get("range", grid_range)
    if grid_range is None or grid_range.get("sheetId", 0) != sheet.sheet_id:
        return [], []
    left_open = [ranges.box_of(sheet, hole) for hole in protected.get("unprotectedRanges", ())]
    return [ranges.box_of(sheet, grid_range)], left_open


def check_cells(spreadsheet: Spreadsheet, sheet: Sheet, box: Box, user: str) -> None:
    """Refuse a write into protected cells.

    Raises:
        ApiError: 400.
    """
    for protected in sheet.protected_ranges.values():
        if may_edit(spreadsheet, protected, user):
            continue
        covered, left_open = boxes_of(spreadsheet, sheet, protected)
        if any(area.meets(box) for area in covered) and not any(hole.holds(box) for hole in left_open):
            raise errors.protected()


def check_sheet(spreadsheet: Spreadsheet, sheet: Sheet, user: str) -> None:
    """Refuse a change of a tab as a whole (delete, rename) while any part of it is protected.

    Raises:
        ApiError: 400.
    """
    for protected in sheet.protected_ranges.values():
        if not may_edit(spreadsheet, protected, user):
            raise errors.protected()


def check_protection(spreadsheet: Spreadsheet, protected: Json, user: str) -> None:
    """Refuse a change of a protected range by somebody whom it keeps out.

    Raises:
        ApiError: 400.
    """
    if not may_edit(spreadsheet, protected, user):
        raise errors.protected()
