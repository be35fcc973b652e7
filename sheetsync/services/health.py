"""Keeping and reading the health record: a derived file of the store, one a tenant. Its form is in `observability`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sheetsync.errors import SheetSyncError
from sheetsync.observability.health import HealthRecord, next_record
from sheetsync.services.workspace import Workspace

HEALTH_PATH: Final = ("health", "last_sync.json")


def read_health(ws: Workspace) -> HealthRecord | None:
    """How the last run with the spreadsheet ended; None if there was none."""
    data = ws.store.read_derived(ws.ctx.tenant, HEALTH_PATH)
    return None if data is None else HealthRecord.from_bytes(data)


def record_run(
    ws: Workspace,
    *,
    report: Mapping[str, Any] | None = None,
    exit_code: int = 0,
    error: SheetSyncError | None = None,
    spreadsheet_id: str = "",
    url: str = "",
    tab_ids: Mapping[str, int] | None = None,
) -> HealthRecord:
    """Write down how a run ended: with a report, or with an error. Parts not given stay as they were."""
    record = next_record(
        read_health(ws),
        at=ws.clock.now(),
        report=report,
        exit_code=exit_code,
        error=error,
        spreadsheet_id=spreadsheet_id,
        url=url,
        tab_ids=tab_ids,
    )
    ws.store.write_derived(ws.ctx.tenant, HEALTH_PATH, record.to_bytes())
    return record
