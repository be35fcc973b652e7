"""Columns that moved between our read and our write: what the batch then wrote beside its cells, cell by cell. Pure.

Google addresses cells by index, so a column that somebody inserts in that moment makes a batch write into the wrong
ones. The header row of each owners' tab that a batch writes to is among its pre-images: it tells where the columns
stood when the batch landed. What was covered becomes debts, named by the header it stood under, ours or people's own;
`repairs` puts it back. Rows that were added astray are emptied again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from sheetsync.sync.baseline import Debt, Intended
from sheetsync.sync.gateway import AddRow, Operation, Raw, SheetRead, TouchRow
from sheetsync.sync.normalize import text_key
from sheetsync.sync.tabs import LAYOUTS, OWNER_ROLES, SYNC_STATUS, Role, RowKey

HEADER_INDEX = 0
Headers = dict[int, str]  # index in the grid → header


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


def moved_headers(batch: Intended, pre: tuple[tuple[Raw, ...], ...]) -> dict[Role, Headers]:
    """The headers as they stood when the batch landed, of the tabs in which a column of ours was not where it wrote.

    A header that was renamed, or taken away, stands nowhere else: its column is where it was.
    """
    found: dict[Role, Headers] = {}
    for at, one in enumerate(batch.planned):
        if not is_header(one) or at >= len(pre):
            continue
        columns = batch.columns.get(one.role, {})
        start = min(columns.values(), default=0)
        headers = {start + i: raw.strip() if isinstance(raw, str) else "" for i, raw in enumerate(pre[at])}
        then = columns_then(one.role, headers)
        if any(headers.get(at) != name and then.get(name, at) != at for name, at in columns.items()):
            found[one.role] = headers
    return found


def columns_then(role: Role, headers: Headers) -> dict[str, int]:
    """Where our columns stood then, as far as the pre-image goes."""
    found: dict[str, int] = {}
    for place in sorted(headers):
        if headers[place] in LAYOUTS[role].names:
            found.setdefault(headers[place], place)
    return found


def debts_of_touch(batch: Intended, one: TouchRow, row: tuple[Raw, ...], headers: Headers) -> list[Debt]:
    """What a touched row lost where its columns had moved."""
    columns = batch.columns.get(one.role, {})
    start = min(columns.values(), default=0)
    before = {start + i: raw for i, raw in enumerate(row)}
    written: dict[str, Raw] = {name: "" if value is None else value for name, value in one.sets.items()}
    if one.status is not None:
        written[SYNC_STATUS] = one.status
    places = {columns[name]: value for name, value in written.items() if name in columns}
    return _debts(one.role, headers, before, places)


def debts_of_add(batch: Intended, one: AddRow, headers: Headers) -> list[Debt]:
    """What stands astray in a row that was added under the wrong headers: all of it goes again."""
    columns = batch.columns.get(one.role, {})
    values = dict(zip(LAYOUTS[one.role].names, (*one.values, one.status), strict=False))
    places: dict[int, Raw] = {
        columns[name]: "" if value is None else value for name, value in values.items() if name in columns
    }
    return _debts(one.role, headers, {}, {place: value for place, value in places.items() if value != ""})


def _debts(role: Role, headers: Headers, before: Mapping[int, Raw], written: Mapping[int, Raw]) -> list[Debt]:
    key = key_then(role, headers, {**before, **written})
    return [
        Debt((role, key, headers[place]), left, before.get(place, ""))
        for place, left in written.items()
        if headers.get(place)
    ]


def key_then(role: Role, headers: Headers, cells: Mapping[int, Raw]) -> RowKey:
    """The key that stood in a row, once the batch had written into it."""
    places = columns_then(role, headers)
    raws = [cells.get(places.get(name, -1), "") for name in LAYOUTS[role].names[: LAYOUTS[role].key_width]]
    return text_key(raws)
