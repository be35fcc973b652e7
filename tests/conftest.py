"""Fixtures for every room: where the shared reference material is, and a clock that tests turn by hand."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock

SHARED = Path(__file__).resolve().parent.parent.parent / "shared"


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of reference material beside the checkout; the test is skipped, and says so, where it is absent."""
    if not SHARED.is_dir():
        pytest.skip("the reference material (../shared) is absent: this test needs it")
    return SHARED


@pytest.fixture
def clock() -> FakeClock:
    """A clock that stands still at 2026-01-07T12:00:00Z."""
    return FakeClock()
