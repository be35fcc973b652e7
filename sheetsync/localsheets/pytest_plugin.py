"""A pytest fixture: a fresh local Sheets server for each test.

In the root `conftest.py`: `pytest_plugins = ["sheetsync.localsheets.pytest_plugin"]`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from sheetsync.localsheets import LocalSheets


@pytest.fixture
def local_sheets() -> Iterator[LocalSheets]:
    """A running server with no files in it; closed after the test."""
    with LocalSheets() as server:
        yield server


@pytest.fixture
def local_spreadsheet(local_sheets: LocalSheets) -> Callable[[str], str]:
    """Makes a spreadsheet with a title and returns its id."""

    def make(title: str = "Test") -> str:
        with local_sheets.workspace.lock:
            return local_sheets.workspace.create(title, "anonymous@example.com").id

    return make
