"""A dry run says what a push would do, and does none of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync.errors import LockHeldError
from sheetsync.services.sync_plans import make_plan
from sheetsync.services.syncing import lease_name
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


def test_a_dry_run_leaves_no_file_in_the_store(empty: Desk, tmp_path: Path) -> None:
    empty.publish(empty.draft("github", ["read", "write"], {"read": "NONE"}))
    before = sorted(tmp_path.rglob("*"))
    empty.push(dry_run=True)
    empty.pull(dry_run=True)
    make_plan(empty.ws, empty.gateway)
    assert sorted(tmp_path.rglob("*")) == before


def test_a_dry_run_does_not_look_over_the_shoulder_of_another_run(desk: Desk) -> None:
    with (
        desk.ws.store.lease(lease_name(desk.spreadsheet_id), who="cron"),
        pytest.raises(LockHeldError, match="cron") as held,
    ):
        desk.push(dry_run=True)
    assert held.value.exit_code == 8
    assert desk.push(dry_run=True).exit_code == 0
