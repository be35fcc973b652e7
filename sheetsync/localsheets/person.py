"""What a person does to a spreadsheet: typing, pasting, notes, rows, sorting, tab names, undo and redo.

Unlike REST writes these are bound by strict validation and by warnings, as on Google's page.  The HTTP around it is in
`page_api.py`; scripted people (tests, the demo, collaborators) may call `Person` directly.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from sheetsync.localsheets import a1, errors, protection, validation_rules, values
from sheetsync.localsheets.call import Options
from sheetsync.localsheets.cell import Cell, settle
from sheetsync.localsheets.journal import Journal
from sheetsync.localsheets.requests import handler
from sheetsync.localsheets.requests.edit import Edit
from sheetsync.localsheets.sheet import Box, Row, Sheet
from sheetsync.localsheets.spreadsheet import Spreadsheet
from sheetsync.localsheets.workspace import Workspace

PAGE_USER: Final = "policy-owner@example.com"
KEPT_STEPS: Final = 200

Step = Callable[[Journal, Spreadsheet], None]


@dataclass(frozen=True, slots=True)
class Undoable:
    """One act that can be taken back and done again; each raises `ApiError` where the sheet has moved on."""

    what: str
    undo: Step
    redo: Step


class Person:
    """A person at one spreadsheet, with an own undo history.

    Args:
        workspace: the server's state.
        spreadsheet_id: of the spreadsheet.
        user: an e-mail address, for protections; not the owner's, so that hard protections bind.
    """

    def __init__(self, workspace: Workspace, spreadsheet_id: str, user: str = PAGE_USER) -> None:
        self._workspace = workspace
        self._id = spreadsheet_id
        self.user = user
        self._done: list[Undoable] = []
        self._undone: list[Undoable] = []

    @property
    def version(self) -> int:
        """A number that changes with every change of the spreadsheet."""
        with self._workspace.lock:
            return self._workspace.spreadsheet(self._id).version

    # The acts.

    def type_rows(self, sheet_id: int, row: int, column: int, rows: list[list[str]], *, confirmed: bool = False) -> str:
        """Type (or paste) a block of texts, as one act. The grid grows where the block needs it.

        Raises:
            ApiError: 400, a cell is protected or a dropdown refuses the value; 409, a warning to be confirmed.
        """
        width = max((len(line) for line in rows), default=0)
        if not width:
            raise errors.ApiError("There is nothing to type.")
        box = Box(row, row + len(rows), column, column + width)

        def act(edit: Edit, sheet: Sheet) -> None:
            self._guard(edit, sheet, box, confirmed=confirmed)
            _grow(edit, sheet, box)
            locale = edit.spreadsheet.locale
            for index, texts in enumerate(rows):
                line = [sheet.cell(row + index, column + offset) for offset in range(len(texts))]
                new = [
                    values.entered(edit.spreadsheet, old, text, "USER_ENTERED", locale)
                    for old, text in zip(line, texts, strict=True)
                ]
                validation_rules.check_row(edit.spreadsheet, sheet, row + index, column, new)
                edit.journal.put_cells(sheet, row + index, column, new)

        where = a1.format_cells(*box)
        return self._change_cells(sheet_id, lambda _sheet: (box.row, box.row_end), act, f"typing in {where}")

    def set_note(self, sheet_id: int, row: int, column: int, note: str, *, confirmed: bool = False) -> str:
        """Put a note on a cell, or take it off with "".

        Raises:
            ApiError: 400, the cell is protected or off the grid.
        """
        box = Box(row, row + 1, column, column + 1)

        def act(edit: Edit, sheet: Sheet) -> None:
            edit.start({"sheetId": sheet_id, "rowIndex": row, "columnIndex": column})
            self._guard(edit, sheet, box, confirmed=confirmed)
            old = sheet.cell(row, column) or Cell()
            edit.journal.put_cell(sheet, row, column, settle(Cell(old.value, old.form, note, old.rule, old.extra)))

        return self._change_cells(sheet_id, lambda _sheet: (row, row + 1), act, f"the note on {a1.format_cells(*box)}")

    def sort(self, sheet_id: int, column: int, *, descending: bool = False) -> str:
        """Sort all rows below the frozen ones by a column.

        Raises:
            ApiError: 400, a hard protection or a vertical merge stands in the way.
        """

        def span(sheet: Sheet) -> tuple[int, int]:
            return _frozen_rows(sheet), len(sheet.rows)

        def act(edit: Edit, sheet: Sheet) -> None:
            start, end = span(sheet)
            spec = {"dimensionIndex": column, "sortOrder": "DESCENDING" if descending else "ASCENDING"}
            area = {"sheetId": sheet_id, "startRowIndex": start, "endRowIndex": max(end, start + 1)}
            area |= {"startColumnIndex": 0, "endColumnIndex": sheet.col_count}
            handler("sortRange")(edit, {"range": area, "sortSpecs": [spec]})

        return self._change_cells(sheet_id, span, act, f"sorting by column {a1.column_letters(column)}")

    def insert_rows(self, sheet_id: int, start: int, count: int) -> str:
        """Insert blank rows above `start` (0-based).

        Raises:
            ApiError: 400, beyond the grid.
        """

        def insert(journal: Journal, _spreadsheet: Spreadsheet) -> None:
            handler("insertDimension")(
                self._edit(journal), {"range": _rows(sheet_id, start, count), "inheritFromBefore": start > 0}
            )

        def take_out(journal: Journal, spreadsheet: Spreadsheet) -> None:
            sheet = spreadsheet.grid(sheet_id)
            if any(_holds_value(sheet.row(index)) for index in range(start, start + count)):
                raise _moved_on("inserting rows")
            handler("deleteDimension")(self._edit(journal), {"range": _rows(sheet_id, start, count)})

        return self._step(Undoable(f"inserting {_rows_text(start, count)}", take_out, insert))

    def delete_rows(self, sheet_id: int, start: int, count: int) -> str:
        """Delete rows. Undo brings back their cells.

        Raises:
            ApiError: 400, beyond the grid, or protected.
        """
        kept: list[Row] = []

        def delete(journal: Journal, spreadsheet: Spreadsheet) -> None:
            sheet = spreadsheet.grid(sheet_id)
            kept[:] = [list(sheet.row(index)) for index in range(start, start + count)]
            protection.check_cells(spreadsheet, sheet, Box(start, start + count, 0, sheet.col_count), self.user)
            handler("deleteDimension")(self._edit(journal), {"range": _rows(sheet_id, start, count)})

        def bring_back(journal: Journal, spreadsheet: Spreadsheet) -> None:
            sheet = spreadsheet.grid(sheet_id)
            body = {"range": _rows(sheet_id, start, count), "inheritFromBefore": start >= sheet.row_count}
            handler("insertDimension")(self._edit(journal), body)
            for index, line in enumerate(kept):
                if line:
                    journal.put_cells(sheet, start + index, 0, line)

        return self._step(Undoable(f"deleting {_rows_text(start, count)}", bring_back, delete))

    def rename_tab(self, sheet_id: int, title: str) -> str:
        """Give a tab another title.

        Raises:
            ApiError: 400, the title is taken, empty or too long.
        """
        with self._workspace.lock:
            before = self._workspace.spreadsheet(self._id).sheet_by_id(sheet_id).title

        def rename(to: str) -> Step:
            def step(journal: Journal, _spreadsheet: Spreadsheet) -> None:
                body = {"properties": {"sheetId": sheet_id, "title": to}, "fields": "title"}
                handler("updateSheetProperties")(self._edit(journal), body)

            return step

        return self._step(Undoable(f"renaming {before}", rename(before), rename(title)))

    def undo(self) -> str:
        """Take back the newest act of this person.

        Raises:
            ApiError: 400, there is none, or somebody changed the same cells since.
        """
        return self._turn(self._done, self._undone, "undo")

    def redo(self) -> str:
        """Do again what was undone last.

        Raises:
            ApiError: 400, there is nothing, or the sheet has moved on.
        """
        return self._turn(self._undone, self._done, "redo")

    # How.

    def _edit(self, journal: Journal) -> Edit:
        return Edit(journal, self.user, Options(strict_rest=True))

    @contextmanager
    def _transaction(self) -> Iterator[Journal]:
        with (
            self._workspace.lock,
            self._workspace.transaction(self._workspace.spreadsheet(self._id), self.user) as journal,
        ):
            yield journal

    def _step(self, step: Undoable) -> str:
        with self._transaction() as journal:
            step.redo(journal, journal.spreadsheet)
        self._remember(step)
        return f"Done: {step.what}."

    def _remember(self, step: Undoable) -> None:
        self._done.append(step)
        del self._done[:-KEPT_STEPS]
        self._undone.clear()

    def _change_cells(
        self, sheet_id: int, span: Callable[[Sheet], tuple[int, int]], act: Callable[[Edit, Sheet], None], what: str
    ) -> str:
        """Change cells within some rows; undo puts back those rows that still are as the act left them."""
        with self._transaction() as journal:
            sheet = journal.spreadsheet.grid(sheet_id)
            start, end = span(sheet)
            before = [list(sheet.row(index)) for index in range(start, end)]
            act(self._edit(journal), sheet)
            after = [list(sheet.row(index)) for index in range(start, end)]

        def put(old: list[Row], new: list[Row]) -> Step:
            def step(journal: Journal, spreadsheet: Spreadsheet) -> None:
                _replace_rows(journal, spreadsheet.grid(sheet_id), start, old, new, what)

            return step

        self._remember(Undoable(what, put(after, before), put(before, after)))
        return f"Done: {what}."

    def _turn(self, source: list[Undoable], target: list[Undoable], way: str) -> str:
        if not source:
            raise errors.ApiError(f"There is nothing to {way}.")
        step = source.pop()
        with self._transaction() as journal:
            (step.undo if way == "undo" else step.redo)(journal, journal.spreadsheet)
        target.append(step)
        return f"{'Undone' if way == 'undo' else 'Done again'}: {step.what}."

    def _guard(self, edit: Edit, sheet: Sheet, box: Box, *, confirmed: bool) -> None:
        protection.check_cells(edit.spreadsheet, sheet, box, self.user)
        if confirmed:
            return
        for protected in sheet.protected_ranges.values():
            if protected.get("warningOnly"):
                covered, left_open = protection.boxes_of(edit.spreadsheet, sheet, protected)
                if any(area.meets(box) for area in covered) and not any(hole.holds(box) for hole in left_open):
                    why = protected.get("description") or "This part of the sheet should not be changed by accident."
                    raise errors.ApiError(f"Heads up: {why} Edit anyway?", http_status=409, status="WARNING")


def _frozen_rows(sheet: Sheet) -> int:
    return int(sheet.options.get("gridProperties", sheet.options).get("frozenRowCount", 0))


def _grow(edit: Edit, sheet: Sheet, box: Box) -> None:
    for dimension, missing in (("ROWS", box.row_end - sheet.row_count), ("COLUMNS", box.col_end - sheet.col_count)):
        if missing > 0:
            body: dict[str, Any] = {"sheetId": sheet.sheet_id, "dimension": dimension, "length": missing}
            handler("appendDimension")(edit, body)


def _rows(sheet_id: int, start: int, count: int) -> dict[str, Any]:
    return {"sheetId": sheet_id, "dimension": "ROWS", "startIndex": start, "endIndex": start + count}


def _rows_text(start: int, count: int) -> str:
    return f"row {start + 1}" if count == 1 else f"rows {start + 1} to {start + count}"


def _holds_value(line: Row) -> bool:
    return any(cell is not None and cell.value is not None for cell in line)


def _trimmed(line: Row) -> Row:
    end = len(line)
    while end and line[end - 1] is None:
        end -= 1
    return line[:end]


def _replace_rows(journal: Journal, sheet: Sheet, start: int, old: list[Row], new: list[Row], what: str) -> None:
    for offset, (was, becomes) in enumerate(zip(old, new, strict=True)):
        if was == becomes:
            continue
        if _trimmed(sheet.row(start + offset)) != _trimmed(was):
            raise _moved_on(what)
        width = max(len(was), len(becomes))
        journal.put_cells(sheet, start + offset, 0, becomes + [None] * (width - len(becomes)))


def _moved_on(what: str) -> errors.ApiError:
    return errors.ApiError(f"Cannot undo {what}: somebody changed these rows since.")
