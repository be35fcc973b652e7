"""Random histories of two spreadsheets, their owners, and operators who make, restore, discard and publish drafts."""

from __future__ import annotations

from pathlib import Path
from random import Random

import pytest

from sheetsync.localsheets import LocalSheets
from tests.stateful.two_sheets import Act, TwoSheets, draw

LENGTH = 14
FOUND: dict[str, list[Act]] = {
    "a new draft over the owners' edits": [
        ("type_in", "a", "Policy Matrix", 3, "firearm_id"), ("run", "a", "sync"), ("new", "gamma", False),
        ("run", "a", "sync"),
    ],
    "a restored draft over the owners' edits": [
        ("type_in", "a", "Policy Matrix", 3, "firearm_id"), ("run", "a", "sync"), ("restore", "gamma", 0),
        ("run", "a", "sync"),
    ],
    "a rejected row that was changed": [
        ("add", "a", "alpha", "k2"), ("run", "a", "sync"), ("discard", "alpha", 0),
        ("type_in", "a", "KPIs", 2, "target"),
    ],
    "one cell edited in both": [
        ("type_in", "a", "Policy Matrix", 0, "firearm_id"), ("type_in", "b", "Policy Matrix", 0, "firearm_id"),
    ],
    "one KPI added in both, and pushed before it was taken": [
        ("add", "b", "alpha", "k3"), ("add", "a", "alpha", "k3"), ("run", "a", "sync"), ("run", "b", "push"),
    ],
    "a row deleted in one": [("delete", "a", 0)],
}  # fmt: skip


def play(folder: Path, history: list[Act]) -> None:
    with LocalSheets(pages=False) as server:
        world = TwoSheets(server, folder)
        try:
            for act in history:
                world.act(act)
            world.settle()
        except AssertionError as broken:
            raise AssertionError(f"{broken}\n{world.told()}") from broken
        finally:
            world.close()


def drawn(seed: int) -> list[Act]:
    rng = Random(seed)
    return [draw(rng) for _ in range(LENGTH)]


@pytest.mark.parametrize("name", FOUND)
def test_histories_that_once_lost_an_edit_lose_none(tmp_path: Path, name: str) -> None:
    play(tmp_path, FOUND[name])


@pytest.mark.parametrize("seed", range(20))
def test_no_random_history_loses_an_edit(tmp_path: Path, seed: int) -> None:
    play(tmp_path, drawn(seed))


@pytest.mark.torture
@pytest.mark.parametrize("seed", range(100, 600))
def test_no_long_search_loses_an_edit(tmp_path: Path, seed: int) -> None:
    play(tmp_path, drawn(seed))
