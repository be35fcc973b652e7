"""A store in a fresh folder, opened as often as a test likes."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.store import VersionedStore


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Where the test's store is."""
    return tmp_path / "store"


@pytest.fixture
def named(folder: Path, clock: FakeClock) -> VersionedStore:
    """A store of drafts for one user."""
    return VersionedStore(RequestContext(user="ada@example.com"), url=folder, clock=clock)
