"""A client whose clock is turned by hand and whose jitter is the middle of its range; Google's bodies by name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import responses

from sheetsync.domain.clock import FakeClock
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.auth import Identity
from sheetsync.gsheets.options import RetryPolicy
from sheetsync.gsheets.retry import Retrier

SHEET = "1AbCdEfGhIjKlMnOpQrStUvWxYz0123456789-_abcd"


def middle(low: float, high: float) -> float:
    return (low + high) / 2


@pytest.fixture
def sheet_id() -> str:
    return SHEET


@pytest.fixture
def google() -> Iterator[responses.RequestsMock]:
    """Google's hosts, answered by what a test registers; in the order registered, the last one for ever."""
    with responses.RequestsMock(
        assert_all_requests_are_fired=False, registry=responses.registries.OrderedRegistry
    ) as mock:
        yield mock


@pytest.fixture
def make_api(clock: FakeClock) -> Callable[..., SheetsApi]:
    def make(**options: Any) -> SheetsApi:
        identity = options.pop("identity", Identity(label="robot@project.iam.gserviceaccount.com", key="robot"))
        policy = options.pop("policy", RetryPolicy())
        return SheetsApi(identity, clock=clock, retrier=Retrier(policy, clock, uniform=middle), **options)

    return make


@pytest.fixture
def api(make_api: Callable[..., SheetsApi]) -> SheetsApi:
    return make_api()


@pytest.fixture
def body() -> Callable[..., str]:
    """An error body in Sheets' shape."""

    def make(code: int, message: str, status: str = "", details: list[Any] | None = None) -> str:
        error: dict[str, Any] = {"code": code, "message": message}
        if status:
            error["status"] = status
        if details is not None:
            error["details"] = details
        return json.dumps({"error": error}, indent=2)

    return make
