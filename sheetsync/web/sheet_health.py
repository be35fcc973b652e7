"""What the last sync left for the page: when it ran, what it cost, and what is wrong in the sheet, with links to cells.

The record itself is `observability.health`; without one the page says "never". Only links to http(s) addresses are
made, whatever the record holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final
from urllib.parse import quote, urlsplit

from sheetsync.domain.canonical import JSONValue
from sheetsync.observability.health import HealthRecord
from sheetsync.services.health import read_health
from sheetsync.services.workspace import Workspace

CELL_FORM: Final = re.compile(r"[A-Z]{1,3}[0-9]{1,8}")
SheetAddress = Callable[[str], str]  # a spreadsheet's id → where people see it now; "" if nowhere
CALL_KINDS: Final = ("read", "write", "drive")
STALE_S: Final = 60 * 60  # a sync that has not been good for an hour is worth a look


@dataclass(frozen=True, slots=True)
class SheetPlace:
    """Something about one cell, as the page shows it. `link` is "" where the cell cannot be addressed."""

    code: str
    tab: str
    cell: str
    row_key: tuple[str, ...]
    column: str
    message: str
    hint: str
    link: str


@dataclass(frozen=True, slots=True)
class SheetHealth:
    """The last sync. `at` None: none was ever recorded."""

    at: datetime | None = None
    ok_at: datetime | None = None
    ok: bool = False
    error: str = ""
    calls: dict[str, int] = field(default_factory=dict)
    problems: tuple[SheetPlace, ...] = ()
    conflicts: tuple[SheetPlace, ...] = ()
    settling: int = 0
    healed: int = 0
    url: str = ""


def read_sheet_health(ws: Workspace, address: SheetAddress) -> SheetHealth:
    """The record of the last sync."""
    record = read_health(ws)
    if record is None:
        return SheetHealth()
    report, calls, url = record.report, record.report.get("calls"), _url_of(record, address)
    return SheetHealth(
        at=record.at, ok_at=record.ok_at, ok=record.ok, error=str(record.error["message"]) if record.error else "",
        calls={kind: calls.get(kind, 0) for kind in CALL_KINDS} if isinstance(calls, dict) else {},
        problems=_places(record, "problems", url),
        conflicts=_places(record, "conflicts", url),
        settling=len(_list(report, "settling")), healed=len(_list(report, "healed")), url=url,
    )  # fmt: skip


def problems_by_connector(ws: Workspace) -> dict[str, tuple[str, ...]]:
    """Connector id → what the last sync found wrong in its rows."""
    found: dict[str, tuple[str, ...]] = {}
    for place in read_sheet_health(ws, lambda _: "").problems:
        if place.row_key:
            found[place.row_key[0]] = (*found.get(place.row_key[0], ()), place.message)
    return found


def cell_links(ws: Workspace, address: SheetAddress, spreadsheet_id: str) -> Callable[[str, str], str]:
    """Tab and cell → its address in the spreadsheet that was synced last; "" if it is another one, or unknown."""
    record = read_health(ws)
    if record is None or record.spreadsheet_id != spreadsheet_id:
        return lambda _tab, _cell: ""
    url = _url_of(record, address)
    return lambda tab, cell: _link(record, url, tab, cell)


def _url_of(record: HealthRecord, address: SheetAddress) -> str:
    """Where the spreadsheet is seen now; else where it was seen at the last sync."""
    return _safe_url((address(record.spreadsheet_id) if record.spreadsheet_id else "") or record.url)


def _places(record: HealthRecord, kind: str, url: str) -> tuple[SheetPlace, ...]:
    return tuple(_place(record, one, url) for one in _list(record.report, kind) if isinstance(one, dict))


def _place(record: HealthRecord, one: dict[str, JSONValue], url: str) -> SheetPlace:
    tab, cell = str(one.get("tab") or ""), str(one.get("cell") or "")
    key = one.get("row_key")
    message = str(one.get("message") or "")
    if not message and "yours" in one:
        message = f"base {one.get('base')!s}, yours {one.get('yours')!s}, theirs {one.get('theirs')!s}"
    return SheetPlace(
        code=str(one.get("code") or ""), tab=tab, cell=cell, column=str(one.get("column") or ""), message=message,
        row_key=tuple(str(part) for part in key) if isinstance(key, list) else (), hint=str(one.get("hint") or ""),
        link=_link(record, url, tab, cell),
    )  # fmt: skip


def _link(record: HealthRecord, url: str, tab: str, cell: str) -> str:
    sheet_id = record.tab_ids.get(tab)
    if not url or not isinstance(sheet_id, int):
        return ""
    at = f"&range={quote(cell)}" if CELL_FORM.fullmatch(cell) else ""
    return f"{url.partition('#')[0]}#gid={sheet_id}{at}"


def _safe_url(url: str) -> str:
    parts = urlsplit(url)
    return url if parts.scheme in ("http", "https") and parts.netloc else ""


def _list(report: Mapping[str, JSONValue], kind: str) -> list[JSONValue]:
    value = report.get(kind)
    return value if isinstance(value, list) else []
