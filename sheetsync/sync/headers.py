"""Our columns, found by their headers, and which one is ours where a header stands twice. Pure.

People copy columns, header and all, and lay them beside ours. What tells them apart: the protection of our header,
which moves with its column and is not copied; else the place where the column was last seen, if all others of ours
still stand where they were. Where neither tells, nothing is read or written. A header that is gone is in `safety`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.errors import SafetyStopError
from sheetsync.sync.gateway import PROTECTION_MARK, Protection, SheetRead, TabRead
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, Role, a1, column_letters, title_of

HEADER_MARK: Final = f"{PROTECTION_MARK}header "  # a header's protection: its description, but for the column's name
Places = Mapping[str, int]


@dataclass(frozen=True)
class FoundColumns:
    """Our columns by name. `copies`: where a header of ours stands besides; `unclear`: which is ours cannot be told."""

    columns: dict[str, int]
    copies: tuple[tuple[str, int], ...] = ()
    unclear: tuple[tuple[str, int], ...] = ()


def find_columns(
    role: Role, headers: Sequence[str], protections: Sequence[Protection], known: Places | None = None
) -> FoundColumns:
    """Where our columns stand. `known`: where they were last seen."""
    places: dict[str, list[int]] = {}
    for at, text in enumerate(headers):
        if text in LAYOUTS[role].names:
            places.setdefault(text, []).append(at)
    columns = {name: found[0] for name, found in places.items() if len(found) == 1}
    doubled = {name: found for name, found in places.items() if len(found) > 1}
    if not doubled:
        return FoundColumns(columns)
    stood = known if known and all(known.get(name) == at for name, at in columns.items()) else {}
    copies: list[tuple[str, int]] = []
    unclear: list[tuple[str, int]] = []
    for name, found in doubled.items():
        ours = _marked(name, found, protections)
        if ours is None and stood.get(name) in found:
            ours = stood[name]
        if ours is None and role not in OWNER_ROLES:  # nothing of people's is in it: it need not stop anything
            ours = found[0]
        if ours is None:
            unclear += [(name, at) for at in found]
            continue
        columns[name] = ours
        copies += [(name, at) for at in found if at != ours]
    return FoundColumns(columns, tuple(copies), tuple(unclear))


def _marked(name: str, found: Sequence[int], protections: Sequence[Protection]) -> int | None:
    """The place that carries our protection of this header; None if that is not exactly one."""
    marked = {one.area[2] for one in protections if one.text == f"{HEADER_MARK}{name}"} & set(found)
    return marked.pop() if len(marked) == 1 else None


def check_doubled(read: SheetRead) -> None:
    """Is it clear which columns are ours?

    Raises:
        SafetyStopError: a header of ours stands twice, and nothing tells which of the columns is ours.
    """
    for role, tab in read.tabs.items():
        for name in dict(tab.unclear):
            where = " and ".join(a1(0, at) for text, at in tab.unclear if text == name)
            raise SafetyStopError(
                f"'{title_of(role)}' has the header {name} in {where}, and which of them is sheetsync's cannot be "
                "told; nothing was written",
                hint="rename or remove the header that is not; then run it again", code="header_doubled",
            )  # fmt: skip


def places_again(tab: TabRead, missing: Sequence[str], known: Places | None) -> dict[str, int]:
    """Where our columns are once the missing headers are written again, over no column of people's own.

    A header that was renamed is still under our protection of it. Where others of ours are protected, one without its
    protection was deleted with its column; where none is left, it stands where it was last seen (`known`), if all
    others of ours do: in a tab that only we write, which nobody is asked about, only if nothing stands there now. A
    tab that we never saw has our columns where nothing stands yet. All else goes to the end.
    """
    places = dict(tab.columns)
    for name in missing:
        at = _marked(name, range(tab.column_count), tab.protected)
        if at is not None and at not in places.values():
            places[name] = at
    protected = any(one.text.startswith(HEADER_MARK) for one in tab.protected)
    for name in missing:
        if name in places:
            continue
        at = None if protected else _last_seen(tab, name, known)
        unasked = tab.role not in OWNER_ROLES and at in tab.in_use
        if at is None or at in places.values() or unasked:
            at = max([len(tab.headers) - 1, *tab.in_use, *places.values()]) + 1
        places[name] = at
    return places


def _last_seen(tab: TabRead, name: str, known: Places | None) -> int | None:
    if known is None:
        at = LAYOUTS[tab.role].position(name)
        return None if at in tab.in_use else at
    stood = all(known.get(one) == at for one, at in tab.columns.items())
    return known.get(name) if stood else None


def gone_columns(read: SheetRead, repairs: Mapping[Role, Places]) -> set[tuple[Role, str]]:
    """Of the columns whose headers are written again, those that were deleted: nothing stands where they come."""
    return {
        (role, name)
        for role, columns in repairs.items()
        for name, at in columns.items()
        if name not in read.tabs[role].columns and is_made_again(read.tabs[role], name, at)
    }  # fmt: skip


def is_made_again(tab: TabRead, name: str, at: int) -> bool:
    """Does the column come where nothing stands? A header that was cleared is still under its protection."""
    return at not in tab.in_use and _marked(name, [at], tab.protected) is None


def copied_header_problems(read: SheetRead) -> list[Problem]:
    """Headers of ours that stand a second time: what people write under them is not read."""
    return list(_copied(read))


def _copied(read: SheetRead) -> Iterator[Problem]:
    for role, tab in read.tabs.items():
        for name, at in tab.copies:
            ours, other = column_letters(tab.columns[name]), column_letters(at)
            yield Problem(
                code="doubled_header", tab=title_of(role), cell=a1(0, at),
                message=f"the header {name} stands twice: column {ours} is read and written, column {other} is not",
                hint=f"edit column {ours}, and rename or remove the header in column {other}",
            )  # fmt: skip
