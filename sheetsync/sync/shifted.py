"""Columns that moved between our read and our write: what the batch then wrote beside its cells, cell by cell. Pure.

Google addresses cells by index, so a column that somebody inserts in that moment makes a batch write into the wrong
ones. The header row of each owners' tab that a batch writes to is among its pre-images: it tells where the columns
stood when the batch landed. What was covered becomes debts, named by the header it stood under, ours or people's own;
`repairs` puts it back. Rows that were added astray are emptied again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace

from sheetsync.sync.baseline import Debt, Intended
from sheetsync.sync.gateway import AddRow, DeleteRow, Operation, Raw, SheetRead, TabRead, TouchRow
from sheetsync.sync.normalize import text_key
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Role, RowKey, column_letters

HEADER_INDEX = 0
Headers = dict[int, str]  # index in the grid → header
Pre = tuple[tuple[Raw, ...], ...]  # pre-images, copied from column 0 on


def header_touches(read: SheetRead, operations: Iterable[Operation], *, but: Collection[Role] = ()) -> list[TouchRow]:
    """The header rows whose pre-images a batch takes: those of the owners' tabs that it writes cells of.

    `but`: the tabs whose headers it writes itself.
    """
    roles = {one.role for one in operations} - set(but)
    found = []
    for role in OWNER_ROLES:
        tab = read.tabs.get(role)
        if role in roles and tab is not None and all(name in tab.columns for name in LAYOUTS[role].names):
            names = LAYOUTS[role].names
            found.append(TouchRow(role, HEADER_INDEX, names[: LAYOUTS[role].key_width], names, {}))
    return found


def is_header(one: object) -> bool:
    """Is this the pre-image of a header row, in which nothing is written?"""
    return isinstance(one, TouchRow) and one.index == HEADER_INDEX


def moved_headers(batch: Intended, pre: Pre) -> dict[Role, Headers]:
    """The headers as they stood when the batch landed, of the tabs in which a column of ours was not where it wrote."""
    found: dict[Role, Headers] = {}
    for at, one in enumerate(batch.planned):
        if is_header(one) and at < len(pre):
            headers = {place: raw.strip() if isinstance(raw, str) else "" for place, raw in enumerate(pre[at])}
            if _have_moved(batch, pre, one.role, headers):
                found[one.role] = headers
    return found


def _have_moved(batch: Intended, pre: Pre, role: Role, headers: Headers) -> bool:
    """Is a header of ours at another place, or nowhere, with nothing where it was?

    Then so many columns were inserted before it that it went out of sight. A header that was renamed has a text at its
    place, and is where it was. A row without any of our headers is none: rows moved, unless there is nothing in any
    row, for then all of our columns are out of sight.
    """
    columns, then = batch.columns.get(role, {}), columns_then(role, headers)
    if not then:
        rows = [row for one, row in zip(batch.planned, pre, strict=False) if one.role == role]
        return not any(row[place : place + 1] not in ((), ("",)) for row in rows for place in columns.values())
    return any(
        headers.get(place) != name and (name in then or not headers.get(place)) for name, place in columns.items()
    )


def columns_then(role: Role, headers: Headers) -> dict[str, int]:
    """Where our columns stood then, as far as they were in sight."""
    found: dict[str, int] = {}
    for place in sorted(headers):
        if headers[place] in LAYOUTS[role].names:
            found.setdefault(headers[place], place)
    return found


def cells_then(one: TouchRow | DeleteRow, row: tuple[Raw, ...], headers: Headers) -> tuple[Raw, ...]:
    """A pre-image in the layout's order, by the headers as they stood; what was out of sight is as it was planned."""
    then = columns_then(one.role, headers)
    places = [then.get(name) for name in LAYOUTS[one.role].names]
    return tuple(
        planned if place is None else row[place] if place < len(row) else ""
        for place, planned in zip(places, one.planned, strict=True)
    )


def split_touch(batch: Intended, one: TouchRow, headers: Headers) -> tuple[TouchRow, TouchRow]:
    """What a touched row got in columns that stood where they were, and what fell beside them.

    Of a header that stands twice, a copy beside it, nobody can tell which was ours: it is taken to have moved.
    """
    columns, texts = batch.columns.get(one.role, {}), list(headers.values())
    stood = {name for name, place in columns.items() if headers.get(place) == name and texts.count(name) == 1}
    right = {name: value for name, value in one.sets.items() if name in stood}
    astray = {name: value for name, value in one.sets.items() if name not in stood}
    first, second = (one.status, None) if SYNC_STATUS in stood else (None, one.status)
    return replace(one, sets=right, status=first), replace(one, sets=astray, status=second)


def debts_of_touch(batch: Intended, one: TouchRow, row: tuple[Raw, ...], headers: Headers) -> list[Debt]:
    """What a touched row lost where its columns had moved."""
    columns = batch.columns.get(one.role, {})
    written: dict[str, Raw] = {name: "" if value is None else value for name, value in one.sets.items()}
    if one.status is not None:
        written[SYNC_STATUS] = one.status
    places = {columns[name]: value for name, value in written.items() if name in columns}
    before = dict(enumerate(row))
    cells, then = before | places, columns_then(one.role, headers)
    key = []
    for name, planned in zip(LAYOUTS[one.role].names, one.planned[: LAYOUTS[one.role].key_width], strict=False):
        place = then.get(name)
        seen = place is not None and (place in cells or place <= max(columns.values()))
        key.append(cells.get(place, "") if place is not None and seen else planned)
    return _debts(one.role, text_key(key), headers, before, places)


def debts_of_add(batch: Intended, one: AddRow, headers: Headers) -> list[Debt]:
    """What stands astray in a row that was added under the wrong headers: all of it goes again."""
    columns, then = batch.columns.get(one.role, {}), columns_then(one.role, headers)
    values = dict(zip(LAYOUTS[one.role].names, (*one.values, one.status), strict=False))
    places: dict[int, Raw] = {
        columns[name]: value for name, value in values.items() if name in columns and value not in (None, "")
    }
    names = LAYOUTS[one.role].names[: LAYOUTS[one.role].key_width]
    return _debts(one.role, text_key([places.get(then.get(name, -1), "") for name in names]), headers, {}, places)


def _debts(
    role: Role, key: RowKey, headers: Headers, before: Mapping[int, Raw], written: Mapping[int, Raw]
) -> list[Debt]:
    texts = [text for text in headers.values() if text not in LAYOUTS[role].names]
    return [
        Debt((role, key, text if text and texts.count(text) < 2 else by_place(place)), left, before.get(place, ""))
        for place, left in written.items()
        for text in [headers.get(place, "")]
    ]


def by_place(place: int) -> str:
    """The name of a column that has no header, or one that others have, too."""
    return f"(column {column_letters(place)})"


def own_places(tab: TabRead) -> dict[str, int]:
    """People's own columns by their headers, and by their places."""
    ours = set(tab.columns.values())
    width = max(tab.column_count, len(tab.headers))
    found = {by_place(at): at for at in range(width) if at not in ours}
    named = {text: at for at, text in reversed(list(enumerate(tab.headers))) if text and text not in tab.columns}
    return found | named
