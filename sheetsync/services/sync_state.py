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
from sheetsync.registry.draft_lines import reading
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
REGISTRY_FOLDERS: Final = ("components", "firearms", "kpis")
SHOWN_FOLDERS: Final = (*REGISTRY_FOLDERS, "workbench_drafts")
OF_EDITS: Final = ("status", "origin", "conflicts", "closed_reason")  # what the sheet shows of a sheet draft
OF_PROPOSALS: Final = ("status", "spec_snapshot", "policy_snapshot")  # and of a connector that is not published


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
    view = build_view(ws.catalogue(), ws.routes, commit=head, changed=changed)
    view.changed_since = lambda known: newest_change(ws, view, known)
    return view


def newest_change(ws: Workspace, view: View, known: int) -> int:
    """The newest commit that changed something that the sheet shows. `known`: one that did; what is older is not read.

    A draft that no tab shows is no such change, nor is what a sheet never says of one: its stage, that it was verified.
    """
    published = max(ws.store.last_commit(ws.ctx.tenant, (folder,)) for folder in REGISTRY_FOLDERS)
    oldest = max(min(known, view.commit), published)
    for number in range(view.changed, oldest, -1):
        if any(_is_shown(ws, view, snapshot) for snapshot in ws.store.commit(number).snapshots):
            return number
    return oldest


def _is_shown(ws: Workspace, view: View, snapshot: Snapshot) -> bool:
    """Does a draft's snapshot change something that the sheet shows?"""
    record = snapshot.record
    if record.tenant != ws.ctx.tenant or record.folder[0] != SHOWN_FOLDERS[-1]:
        return False
    history = ws.store.history(record) if snapshot.version > 1 else ()
    before = next((one for one in history if one.version == snapshot.version - 1), None)
    with reading(record):
        now, then = _shown_of(view, snapshot.content), None if before is None else _shown_of(view, before.content)
    return bool(now != then)


def _shown_of(view: View, draft: JSON) -> JSON:
    """What the sheet shows of a draft; None if nothing."""
    live = view.live.get(draft["connector_id"])
    names = OF_EDITS if draft["origin"]["kind"] == "sheet" else ()
    if live is None:
        return [draft[name] for name in dict.fromkeys((*names, *OF_PROPOSALS))]
    routes = draft["spec_snapshot"]["engine_routes"] if draft["status"] == "open" else []
    coming = sorted(set(routes) - set(live.engine_routes))  # 'Coverage Report' says of them that they are in progress
    return [*(draft[name] for name in names), coming] if names or coming else None


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
