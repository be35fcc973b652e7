"""The health record: how the last run with the spreadsheet ended, and when one last ended well. A value; no I/O.

It is derived: the truth is the journal and the sheet. Reading and writing it is in `services.health`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sheetsync.errors import SheetSyncError
from sheetsync.observability.redaction import redact

ENTRIES_KEPT: Final = 1000  # of each list of a report: the record is read by every `status` and page
WHOLE: Final = ("complaints",)  # what `--quiet-known` compares with: short lines, and needed all
FINE: Final = (0, 3)


@dataclass(frozen=True, slots=True)
class HealthRecord:
    """How the last run ended.

    Attributes:
        at: when it ended.
        ok_at: when the last one that ended well did; None if none has.
        exit_code: of the last run.
        error: its error (`code`, `message`, `hint`); None if it ended well.
        report: the last report there was, of this run or an earlier one; {} if none.
        spreadsheet_id, url, tab_ids: the spreadsheet, where people see it, and its tabs by title.
    """

    at: datetime
    exit_code: int = 0
    ok_at: datetime | None = None
    error: Mapping[str, str] | None = None
    report: Mapping[str, Any] = field(default_factory=dict)
    spreadsheet_id: str = ""
    url: str = ""
    tab_ids: Mapping[str, int] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Did the last run end well? Problems of the data do not count: owners see those in the sheet."""
        return self.error is None and self.exit_code in FINE

    def age(self, now: datetime) -> timedelta:
        """How long ago a run last ended well; since the last run if none ever did."""
        return now - (self.ok_at or self.at)

    def to_bytes(self) -> bytes:
        """As JSON: the report's keys, and beside them how the run ended."""
        value = {
            **self.report,
            "ok": self.ok,
            "at": _text(self.at),
            "ok_at": _text(self.ok_at),
            "exit_code": self.exit_code,
            "error": dict(self.error) if self.error is not None else None,
            "spreadsheet_id": self.spreadsheet_id,
            "url": self.url,
            "tab_ids": dict(self.tab_ids),
        }
        return json.dumps(value, ensure_ascii=False, sort_keys=True).encode("utf-8")

    @classmethod
    def from_bytes(cls, data: bytes) -> HealthRecord | None:
        """Read it back; None where it is torn or of another form: it is only derived."""
        try:
            value = json.loads(data)
            own = {"ok", "at", "ok_at", "exit_code", "error", "spreadsheet_id", "url", "tab_ids"}
            return cls(
                at=datetime.fromisoformat(value["at"]),
                ok_at=datetime.fromisoformat(value["ok_at"]) if value.get("ok_at") else None,
                exit_code=int(value.get("exit_code", 0)),
                error=_error(value.get("error")),
                report={key: part for key, part in value.items() if key not in own},
                spreadsheet_id=str(value.get("spreadsheet_id", "")),
                url=str(value.get("url", "")),
                tab_ids=dict(value.get("tab_ids") or {}),
            )
        except (ValueError, TypeError, KeyError, AttributeError):
            return None


def next_record(
    before: HealthRecord | None,
    *,
    at: datetime,
    report: Mapping[str, Any] | None = None,
    exit_code: int = 0,
    error: SheetSyncError | None = None,
    spreadsheet_id: str = "",
    url: str = "",
    tab_ids: Mapping[str, int] | None = None,
) -> HealthRecord:
    """The record after a run, from the one before it."""
    if error is not None:
        exit_code = error.exit_code
    ok = error is None and exit_code in FINE
    old = before or HealthRecord(at=at)
    return HealthRecord(
        at=at,
        ok_at=at if ok else old.ok_at,
        exit_code=exit_code,
        error=None if error is None else _told(error),
        report=_shortened(report) if report is not None else old.report,
        spreadsheet_id=spreadsheet_id or old.spreadsheet_id,
        url=url or old.url,
        tab_ids=tab_ids if tab_ids is not None else old.tab_ids,
    )


def _shortened(report: Mapping[str, Any]) -> dict[str, Any]:
    cut = {key: part[:ENTRIES_KEPT] if isinstance(part, list) else part for key, part in report.items()}
    return cut | {key: report[key] for key in WHOLE if key in report}


def _told(error: SheetSyncError) -> dict[str, str]:
    """What the record says of an error; it is shown to everybody who may see the page."""
    return {"code": error.code, "message": redact(error.message), "hint": redact(error.hint)}


def _error(value: Any) -> dict[str, str] | None:
    return {str(name): str(part) for name, part in value.items()} if value else None


def _text(moment: datetime | None) -> str | None:
    return None if moment is None else moment.astimezone(UTC).isoformat().replace("+00:00", "Z")
