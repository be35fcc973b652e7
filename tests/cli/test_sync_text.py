"""What a run says of edits that it drafted, and of those that are in no draft."""

from __future__ import annotations

from typing import Any

from sheetsync.cli.output import Output
from sheetsync.cli.sync_text import run_lines
from sheetsync.services.sync_report import SyncReport
from sheetsync.services.sync_tell import NOT_PULLED
from sheetsync.sync.outcome import Found
from sheetsync.sync.tabs import POLICY


def said(*notes: str) -> list[str]:
    report = SyncReport()
    report.pending = [
        Found((POLICY, ("github", f"scope{at}"), "firearm_id"), f"C{at + 2}", "firearm.read", note)
        for at, note in enumerate(notes)
    ]
    value: dict[str, Any] = report.to_json()
    return [
        line
        for line in run_lines(value, Output(as_json=False, quiet=False, verbose=0, no_color=True))
        if "edit" in line
    ]


def test_an_edit_in_a_draft_waits_for_its_publish() -> None:
    assert said("", "") == ["2 pending edits waiting for publish: see 'sheetsync draft list'"]


def test_an_edit_in_no_draft_is_not_said_to_wait_for_its_publish() -> None:
    assert said(NOT_PULLED) == ["1 edit in no draft yet: 'sheetsync pull' takes what has no problem"]


def test_both_are_counted_apart() -> None:
    assert [line.partition(" ")[0] for line in said("", NOT_PULLED, NOT_PULLED)] == ["1", "2"]
