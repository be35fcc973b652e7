"""Histories that once broke a promise: found by replays, kept here, each with the mend that it needs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets
from sheetsync.sync import settle
from tests.stateful.witness import Violation

# a row that we had deleted by mistake is put back with its owner's columns while its owner pastes it back himself
PUT_BACK_TWICE: list[tuple[Any, ...]] = [
    ("retire", "B"), ("until", 1, "batch"), ("sort", 1), ("step", 1), ("until", 1, "take"),
    ("restore", 2, False), ("run", 1),
]  # fmt: skip


def play(replay: Any, history: list[tuple[Any, ...]], folder: Path) -> Violation | None:
    with LocalSheets() as server:
        broken: Violation | None = replay(history, server, folder, (True, True))
        return broken


def test_a_row_put_back_with_its_owners_columns_is_told_by_them(
    replay: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert play(replay, PUT_BACK_TWICE, tmp_path / "now") is None
    monkeypatch.setattr(settle, "own_cells", lambda whole, columns: ())  # as it was before
    broken = play(replay, PUT_BACK_TWICE, tmp_path / "then")
    assert broken is not None
    assert broken.args[0] == "I9"
