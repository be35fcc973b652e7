"""What the sheet is told: `sync_status` of each row, cell notes, and the `Sync Status` tab. Texts are a contract.

Run after drafts have their ids. Which rows are concerned was found in `compare`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Set
from dataclasses import replace
from typing import Final

from sheetsync.domain.draft import CellValue
from sheetsync.domain.problems import Problem
from sheetsync.sync.baseline import SyncState
from sheetsync.sync.cells import plain
from sheetsync.sync.decide import Nothing
from sheetsync.sync.gateway import AddRow, Operation, Raw, SheetRead, TouchRow
from sheetsync.sync.normalize import format_value
from sheetsync.sync.outcome import LEVELS, PUT_BACK, Found, FoundConflict, Plan, RowResult
from sheetsync.sync.policy_rows import NOT_PUBLISHED
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, PRESENCE, SYNC_STATUS, Cell, Role, RowKey, a1, title_of
from sheetsync.sync.view import View

DraftIds = Mapping[str, str]  # connector → the draft that now holds its pending edits
NOTE_MARK: Final = "sheetsync: "
LONGEST: Final = 2000  # characters of an answer: nobody reads more in a cell, and Google takes 50,000
ABSENT: Final = "no row"
EMPTY_SHOWN: Final = "empty"
FIXED: Final = re.compile(rf"|published|settling|{NOT_PUBLISHED}|pending in draft_[0-9a-f]+")
FREE: Final = ("problem: ", "conflict: ", "rejected: ")
StatusRow = tuple[CellValue, ...]
Reasons = tuple[list[Problem], list[FoundConflict]]  # what is wrong with a row, and what its conflicts are
NO_REASONS: Final[Reasons] = ([], [])


def shown_value(value: CellValue | Nothing) -> str:
    """A value as people read it in an answer."""
    if value is None:
        return ABSENT
    if isinstance(value, Nothing):
        return "?"
    return format_value(value) or EMPTY_SHOWN


def shortened(text: str) -> str:
    """An answer as a cell may show it: reasons are people's words, and values are as long as cells are."""
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def conflict_text(one: FoundConflict) -> str:
    """One conflict in a line: base / yours / theirs."""
    column, base = one.cell[2], shown_value(one.base)
    return f"{column}: base {base} / yours {shown_value(one.yours)} / theirs {shown_value(one.theirs)}"


def row_status(result: RowResult, conflicts: Mapping[Cell, FoundConflict], ids: DraftIds) -> str:
    """The text of `sync_status`: the gravest of what is to be said about the row's cells."""
    said = sorted(result.says, key=lambda one: LEVELS.index(one[0]))
    if not said:
        return ""
    level = said[0][0]
    same = [one for one in said if one[0] == level]
    if level == "problem":
        return "problem: " + "; ".join(dict.fromkeys(text for _, _, text in same))
    if level == "conflict":
        cells = [(result.role, result.key, column) for _, column, _ in same]
        return "conflict: " + "; ".join(conflict_text(conflicts[cell]) for cell in cells if cell in conflicts)
    if level == "settling":
        return "settling"
    if level == "pending":
        return f"pending in {ids.get(result.key[0]) or same[0][2]}"
    return same[0][2]


def is_fixed(status: Raw) -> bool:
    """A status that nobody else would have typed: it need not be remembered, nor kept when it goes."""
    return isinstance(status, str) and FIXED.fullmatch(status) is not None


def answer_rows(plan: Plan, ids: DraftIds, read: SheetRead, *, sure: bool) -> list[Operation]:
    """The operations on owners' tabs: cells, statuses and notes that differ from what stands there.

    A status that somebody typed over ours is put back, and reported. `sure`: the baseline knows what ours said.
    """
    conflicts = {one.cell: one for one in plan.conflicts}
    reasons = _reasons(plan)
    known = set(plan.state.said.values())
    added = {(one.role, one.key): at for at, one in enumerate(plan.operations) if isinstance(one, AddRow)}
    operations = list(plan.operations)
    for result in plan.rows:
        status = shortened(row_status(result, conflicts, ids))
        if result.index is None:
            at = added.get((result.role, result.key))
            if at is not None:
                one = operations[at]
                assert isinstance(one, AddRow)  # noqa: S101 - told apart above
                own = {} if any(one.whole) else _notes(plan, result, reasons.get((result.role, result.key), NO_REASONS))
                texts = {column: text for column, text in own.items() if text}
                operations[at] = replace(one, status=status, notes=texts)
            continue
        notes = _notes(plan, result, reasons.get((result.role, result.key), NO_REASONS))
        stands = result.planned[LAYOUTS[result.role].position(SYNC_STATUS)]
        if stands == status:
            plan.state.say(result.role, result.key, "" if is_fixed(status) else status)
            known.add(status)
        elif _is_foreign(known, stands, sure=sure):
            cell, tab = (result.role, result.key, SYNC_STATUS), read.tabs[result.role]
            plan.overwritten.append(Found(cell, a1(result.index, tab.columns[SYNC_STATUS]), plain(stands), PUT_BACK))
        if result.sets or notes or stands != status:
            operations.append(_touch(plan, result, status if stands != status else None, notes))
    told = {(result.role, result.key) for result in plan.rows}
    plan.state.said = {row: text for row, text in plan.state.said.items() if row in told}
    return merge_touches(operations)


def _is_foreign(known: Set[str], stands: Raw, *, sure: bool) -> bool:
    """Did somebody type this? Ours are known, also where a row was pasted elsewhere; an empty status is no value."""
    if is_fixed(stands) or stands in known:
        return False
    return sure or not (isinstance(stands, str) and stands.startswith(FREE))


def _touch(plan: Plan, result: RowResult, status: str | None, notes: dict[str, str | None]) -> TouchRow:
    started: dict[str, CellValue] = {}
    for column in result.sets.keys() - result.standing:
        value = plan.state.value((result.role, result.key, column))
        started[column] = None if isinstance(value, Nothing) else value
    return TouchRow(
        result.role, int(result.index or 0), result.key, result.planned, dict(result.sets), started, status, notes
    )


def merge_touches(operations: list[Operation]) -> list[Operation]:
    """One `TouchRow` a row: healing and answers of one row go together."""
    found: list[Operation] = []
    places: dict[tuple[str, int], int] = {}
    for one in operations:
        if isinstance(one, TouchRow):
            at = places.get((one.role, one.index))
            if at is not None:
                first = found[at]
                assert isinstance(first, TouchRow)  # noqa: S101 - only touches have places
                found[at] = TouchRow(
                    one.role, one.index, one.key, one.planned, {**first.sets, **one.sets}, first.started | one.started,
                    one.status if one.status is not None else first.status, first.notes | one.notes,
                )  # fmt: skip
                continue
            places[one.role, one.index] = len(found)
        found.append(one)
    return found


def _reasons(plan: Plan) -> dict[tuple[Role, RowKey], Reasons]:
    """What notes are about, by row."""
    roles = {title_of(role): role for role in OWNER_ROLES}
    found: dict[tuple[Role, RowKey], Reasons] = {}
    for problem in plan.problems:
        if problem.tab in roles:
            found.setdefault((roles[problem.tab], problem.row_key), ([], []))[0].append(problem)
    for conflict in {one.cell: one for one in plan.conflicts}.values():
        found.setdefault(conflict.cell[:2], ([], []))[1].append(conflict)
    return found


def _notes(plan: Plan, result: RowResult, reasons: Reasons) -> dict[str, str | None]:
    """Notes to write or clear: only where there is none, or where ours still stands unchanged."""
    wanted = {column: shortened(text) for column, text in _wanted_notes(result, reasons)}
    if not (wanted or result.note_cells or plan.state.notes):
        return {}
    changes: dict[str, str | None] = {}
    for column in LAYOUTS[result.role].names:
        cell = (result.role, result.key, column)
        stands, ours = result.note_cells.get(column, ""), plan.state.notes.get(cell, "")
        want = wanted.get(column, "")
        if stands == want:
            if want:
                plan.state.notes[cell] = want
            else:
                plan.state.notes.pop(cell, None)
        elif stands in ("", ours):
            if not want and not stands:
                plan.state.notes.pop(cell, None)
                continue
            changes[column] = want or None
            if want:
                plan.state.notes[cell] = want
            else:
                plan.state.notes.pop(cell, None)
        else:
            plan.state.notes.pop(cell, None)  # an owner's own note stands there: it is theirs
    return changes


def _wanted_notes(result: RowResult, reasons: Reasons) -> list[tuple[str, str]]:
    problems, conflicts = reasons
    found = []
    for one in problems:
        if any(say[0] == "problem" for say in result.says):
            columns = [say[1] for say in result.says if say[0] == "problem"]
            column = next((c for c in columns if one.message in [s[2] for s in result.says if s[1] == c]), columns[0])
            found.append((column, f"{NOTE_MARK}{one.message}. What to do: {one.hint}."))
    for conflict in conflicts:
        text = f"{NOTE_MARK}conflict. {conflict_text(conflict)}. It is not published until somebody decides."
        found.append((conflict.cell[2], text))
    return found


def forget_gone(plan: Plan, view: View, before: SyncState) -> None:
    """Answers for rows that are gone on both sides stand in `Sync Status` until it is next written."""
    for cell, text in list(plan.state.answers.items()):
        gone = cell[1] not in view.shown[cell[0]] and plan.state.row(*cell[:2]) is None
        if gone and before.answers.get(cell) == text:
            del plan.state.answers[cell]


def status_rows(plan: Plan, ids: DraftIds, *, commit: int) -> list[StatusRow]:
    """The rows of `Sync Status`, without their numbers."""
    rows: list[StatusRow] = [("commit", "", "", "", "", "", "", str(commit))]
    drafts: dict[str, int] = {}
    deletions = []
    by_cell = {one.cell: one for one in plan.pending}
    for cell, found in by_cell.items():
        role, key, column = cell
        if role not in OWNER_ROLES:
            continue
        draft = ids.get(key[0]) or plan.state.pending.get(cell, "")
        drafts[draft] = drafts.get(draft, 0) + 1
        if column == PRESENCE and found.value is None:
            deletions.append((title_of(role), key, draft))
    rows += [("pending draft", "", _count(number), "", "", "", "", draft) for draft, number in drafts.items() if number]
    rows += [
        ("deletion proposed", tab, _key(key), PRESENCE, "", "", "", f"pending in {draft}")
        for tab, key, draft in deletions
    ]
    rows += [
        ("problem", one.tab, _key(one.row_key), "", "", "", "", f"{one.message}: {one.hint}") for one in plan.problems
    ]
    for one in plan.conflicts:
        role, key, column = one.cell
        values = (shown_value(one.base), shown_value(one.yours), shown_value(one.theirs))
        rows.append(
            ("conflict", title_of(role), _key(key), column, *values, "resolve it with 'sheetsync draft resolve'")
        )
    for cell, text in sorted(plan.state.answers.items()):
        role, key, column = cell
        if text.startswith("rejected"):
            rows.append(("rejected", title_of(role), _key(key), column, "", "", "", text))
    return rows


def _count(number: int) -> str:
    return "1 edit" if number == 1 else f"{number} edits"


def _key(key: RowKey) -> str:
    return " / ".join(key)


def numbered(rows: list[StatusRow]) -> dict[RowKey, StatusRow]:
    """The rows with their numbers, as a table of the role `status`."""
    short = ((shortened(value) if isinstance(value, str) else value for value in row) for row in rows)
    return {(str(at),): (at, *row) for at, row in enumerate(short, 1)}
