"""Quotas: sixty a minute, counted apart, refilled by the minute, refused in Google's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def server(clock: Clock) -> Iterator[LocalSheets]:
    with LocalSheets(quota=True, clock=clock) as running:
        yield running


def read(book: Any) -> int:
    return int(book.http.get(f"{book.path}/values/A1").status_code)


def write(book: Any) -> int:
    return int(book.http.post(f"{book.path}/values/A1:clear").status_code)


def test_a_user_has_sixty_reads_and_sixty_writes_a_minute(book: Any, clock: Clock) -> None:
    assert {read(book) for _ in range(60)} == {200}
    assert read(book) == 429
    assert {write(book) for _ in range(60)} == {200}
    assert write(book) == 429
    assert book.http.get("/drive/v3/files").status_code == 200
    assert read(book.seen_by("other@example.com")) == 200
    clock.now_s += 60
    assert read(book) == 200


def test_the_project_has_three_hundred(book: Any) -> None:
    codes = [read(book.seen_by(f"user{number}@example.com")) for number in range(6) for _ in range(50)]
    assert set(codes) == {200}
    error = book.seen_by("last@example.com").http.get(book.path).json()["error"]
    assert "'Read requests per minute'" in error["message"]


def test_the_refusal_is_the_recorded_one(book: Any) -> None:
    for _ in range(60):
        write(book)
    answer = book.http.post(f"{book.path}/values/A1:clear")
    error = answer.json()["error"]
    assert "retry-after" not in answer.headers
    assert (error["code"], error["status"]) == (429, "RESOURCE_EXHAUSTED")
    assert error["message"].startswith(
        "Quota exceeded for quota metric 'Write requests' and limit 'Write requests per minute per user' of service"
        " 'sheets.googleapis.com' for consumer 'project_number:"
    )
    information = error["details"][0]
    assert information["reason"] == "RATE_LIMIT_EXCEEDED"
    assert information["metadata"]["quota_limit"] == "WriteRequestsPerMinutePerUser"
    assert information["metadata"]["quota_limit_value"] == "60"


def test_searches_sent_by_post_count_as_reads(book: Any) -> None:
    for _ in range(60):
        read(book)
    body = {"dataFilters": [{"a1Range": "A1"}]}
    assert book.http.post(f"{book.path}/values:batchGetByDataFilter", json=body).status_code == 429
    assert book.http.post(f"{book.path}:getByDataFilter", json=body).status_code == 429
    assert write(book) == 200
