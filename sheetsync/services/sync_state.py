"""What a spreadsheet's runs remember, in the store: the baseline's record, and derived files beside it.

What is in a baseline is `sync.baseline`. The derived files can be deleted at any time: when an unsettled edit was first
seen, which version exit 7 asked about, and how the last run went.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final

from sheetsync.domain.draft import format_utc
from sheetsync.services.health import HEALTH_PATH, record_run
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.workspace import Workspace
from sheetsync.store import RecordId, Snapshot
from sheetsync.sync.baseline import SyncState, Tables
from sheetsync.sync.baseline_json import raw_to_json, state_from_json
from sheetsync.sync.gateway import Raw, SheetRead, Token
from sheetsync.sync.tabs import Cell
from sheetsync.sync.view import View, build_view

JSON = Any
BASELINES: Final = "sync_baselines"
ASKED: Final = "asked.json"
SHOWN_FOLDERS: Final = ("components", "firearms", "kpis", "workbench_drafts")


def baseline_record(ws: Workspace, spreadsheet_id: str) -> RecordId:
    """Where the baseline of a spreadsheet is kept."""
    return RecordId(ws.ctx.tenant, (BASELINES, spreadsheet_id), spreadsheet_id)


def load_state(ws: Workspace, spreadsheet_id: str) -> tuple[SyncState, Snapshot | None]:
    """The newest baseline, and its snapshot; a new one where there is none."""
    snapshot = ws.store.latest(baseline_record(ws, spreadsheet_id))
    if snapshot is None:
        return SyncState(spreadsheet_id), None
    return state_from_json(snapshot.content), snapshot


def current_view(ws: Workspace) -> View:
    """What the store says now."""
    head = ws.store.refresh()
    changed = max(ws.store.last_commit(ws.ctx.tenant, (folder,)) for folder in SHOWN_FOLDERS)
    return build_view(ws.catalogue(), ws.routes, commit=head, changed=changed)


def tables_at(ws: Workspace, commit: int, view: View) -> Tables:
    """The tables as the store had them right after a commit; the view's own, where nothing shown changed since."""
    if commit == 0:
        return {}
    if commit >= view.changed:
        return view.shown
    return build_view(ws.catalogue().at(commit), ws.routes, commit=commit).shown


class FirstSeen:
    """When each edit that is not taken yet was first seen as it stands: the settle time's memory."""

    def __init__(self, ws: Workspace, spreadsheet_id: str, settle_s: float) -> None:
        self._ws = ws
        self._path = derived_place(spreadsheet_id, "first_seen.json")
        self._settle_s = settle_s
        self._before: dict[str, list[JSON]] = self._load() if settle_s > 0 else {}
        self._now: dict[str, list[JSON]] = {}

    def settled(self, cell: Cell, raw: Raw) -> bool:
        """Was this edit seen unchanged for long enough?"""
        if self._settle_s <= 0:
            return True
        name, value = json.dumps(cell), raw_to_json(raw)
        now = self._ws.clock.now()
        known = self._before.get(name)
        seen = datetime.fromisoformat(known[1]) if known is not None and known[0] == value else now
        first = min(seen, now)  # a clock that was ahead is no reason to wait until it is right
        self._now[name] = [value, format_utc(first)]
        return (now - first).total_seconds() >= self._settle_s

    def save(self) -> None:
        """Keep what was seen; edits that are gone are forgotten."""
        if self._settle_s > 0 and self._now != self._before:
            self._ws.store.write_derived(self._ws.ctx.tenant, self._path, json.dumps(self._now).encode())

    def _load(self) -> dict[str, list[JSON]]:
        found = _read_json(self._ws, self._path)
        return found if isinstance(found, dict) else {}


def load_asked(ws: Workspace, spreadsheet_id: str) -> tuple[Token, ...] | None:
    """The version that exit 7 last asked about; None if it never did."""
    return read_tokens(ws, derived_place(spreadsheet_id, ASKED))


def save_asked(ws: Workspace, read: SheetRead) -> None:
    """Remember the version that exit 7 asks about."""
    data = json.dumps([list(token) for token in read.tokens]).encode()
    ws.store.write_derived(ws.ctx.tenant, derived_place(read.spreadsheet_id, ASKED), data)


def forget_asked(ws: Workspace, spreadsheet_id: str) -> None:
    """The question was answered: the next one is asked anew."""
    ws.store.write_derived(ws.ctx.tenant, derived_place(spreadsheet_id, ASKED), b"null")


def load_complaints(ws: Workspace) -> set[str]:
    """The problems and conflicts of the last run."""
    found = _read_json(ws, HEALTH_PATH)
    return set(found.get("complaints", [])) if isinstance(found, dict) else set()


def save_health(
    ws: Workspace, report: SyncReport, spreadsheet_id: str, tab_ids: Mapping[str, int], url: str = ""
) -> None:
    """How the run went, for `status` and the page: derived, not journaled."""
    record_run(
        ws, report=report.to_json() | {"complaints": sorted(report.complaints())}, exit_code=report.exit_code, url=url,
        spreadsheet_id=spreadsheet_id, tab_ids=tab_ids or None,
    )  # fmt: skip


def _read_json(ws: Workspace, path: tuple[str, ...]) -> JSON:
    data = ws.store.read_derived(ws.ctx.tenant, path)
    try:
        return None if data is None else json.loads(data)
    except ValueError:
        return None  # a derived file: damaged is as good as deleted


def read_tokens(ws: Workspace, path: tuple[str, ...]) -> tuple[Token, ...] | None:
    """Versions of a spreadsheet in a derived file; None if there is none, or it is damaged."""
    found = _read_json(ws, path)
    try:
        return tuple(Token(int(epoch), str(nonce)) for epoch, nonce in found) if isinstance(found, list) else None
    except (TypeError, ValueError):
        return None


def derived_place(spreadsheet_id: str, name: str) -> tuple[str, ...]:
    """Where a derived file about a spreadsheet is."""
    from hashlib import sha256

    return "sync", sha256(spreadsheet_id.encode()).hexdigest()[:16], name
