"""The health record tells how the last run ended and when one last ended well; torn, it is as good as absent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.errors import NetworkError
from sheetsync.observability.health import ENTRIES_KEPT, HealthRecord, next_record

NOON = datetime(2026, 1, 7, 12, tzinfo=UTC)
LATER = NOON + timedelta(hours=1)


def test_a_good_run_after_a_good_run_moves_both_times() -> None:
    record = next_record(next_record(None, at=NOON, report={"pending": []}), at=LATER, report={"pending": [1]})
    assert (record.ok, record.at, record.ok_at) == (True, LATER, LATER)
    assert record.report == {"pending": [1]}


def test_problems_of_the_data_are_no_fault_of_the_run() -> None:
    assert next_record(None, at=NOON, report={}, exit_code=3).ok


def test_a_failed_run_leaves_the_last_report_and_the_last_good_time_standing() -> None:
    good = next_record(None, at=NOON, report={"problems": [{"cell": "C7"}]}, url="https://sheet", tab_ids={"KPIs": 5})
    bad = next_record(good, at=LATER, error=NetworkError("no server", hint="try later"))
    assert (bad.ok, bad.ok_at, bad.at, bad.exit_code) == (False, NOON, LATER, 75)
    assert bad.report == good.report
    assert bad.error == {"code": "network", "message": "no server", "hint": "try later"}
    assert (bad.url, bad.tab_ids) == ("https://sheet", {"KPIs": 5})
    assert bad.age(LATER + timedelta(minutes=1)) == timedelta(minutes=61)


def test_a_safety_stop_is_not_healthy() -> None:
    assert not next_record(None, at=NOON, report={}, exit_code=7).ok


def test_it_round_trips() -> None:
    record = next_record(None, at=NOON, report={"calls": {"read": 1}}, spreadsheet_id="x", tab_ids={"KPIs": 1})
    assert HealthRecord.from_bytes(record.to_bytes()) == record


def test_long_lists_are_cut_so_that_every_status_stays_fast() -> None:
    record = next_record(None, at=NOON, report={"problems": list(range(50_000))})
    assert len(record.report["problems"]) == ENTRIES_KEPT


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"at": 7}', b'{"at": "yesterday"}', b"\xff"])
def test_a_torn_record_is_as_good_as_absent(data: bytes) -> None:
    assert HealthRecord.from_bytes(data) is None


@given(st.binary(max_size=200))
def test_no_bytes_whatever_make_reading_fail(data: bytes) -> None:
    HealthRecord.from_bytes(data)
