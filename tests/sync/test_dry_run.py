"""A dry run says what a push would do, and does none of it."""

from __future__ import annotations

from tests.sync.conftest import Desk


def test_a_dry_run_on_a_new_spreadsheet_counts_what_the_first_push_then_writes(empty: Desk) -> None:
    draft = empty.draft("github", ["read", "write"], {"read": "NONE"})
    empty.publish(draft)
    told = empty.push(dry_run=True).to_json()
    assert told["changed"] is True
    assert told["calls"] == {"read": 1, "write": 0, "drive": 0}
    done = empty.push().to_json()
    assert told["tabs"] == done["tabs"]
    assert empty.push(dry_run=True).to_json()["changed"] is False
