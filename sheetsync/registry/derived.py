"""Derived files of the registry: what was read from snapshots, kept by their file names so that it is read once.

A snapshot's file name never changes its content, so that a row cannot be out of date; a damaged or deleted file costs
time only. What the rows are is in `draft_lines` and `live_rows`.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

from sheetsync.errors import SheetSyncError
from sheetsync.store import Store

FORMAT: Final = 1
WORTH_KEEPING: Final = 16  # so many rows must be new before a derived file is written again


def read_rows(store: Store, path: tuple[str, ...]) -> dict[str, Any]:
    """The rows of a derived file; none where it is missing, damaged, or of another format."""
    data = store.read_derived(store.tenant, path)
    if data is None:
        return {}
    try:
        found = orjson.loads(data)
    except orjson.JSONDecodeError:
        return {}
    rows = found.get("rows") if isinstance(found, dict) and found.get("format") == FORMAT else None
    return rows if isinstance(rows, dict) else {}


def write_rows(store: Store, path: tuple[str, ...], rows: dict[str, Any]) -> None:
    """Keep rows. Not being able to (a store that is read only, a full disk) costs time, nothing else."""
    if not store.writable:
        return
    try:
        store.write_derived(store.tenant, path, orjson.dumps({"format": FORMAT, "rows": rows}))
    except SheetSyncError:
        return
