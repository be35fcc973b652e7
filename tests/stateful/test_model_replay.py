"""The checked model's histories, replayed against the real engine, store and server; each action has its counterpart.

CI plays the model's known hard histories and a few hundred random ones; the full run is `pytest -m torture`.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets

pytestmark = pytest.mark.shared
SEEDS = range(20)
PER_SEED = 10


def histories(model: Any, seed: int, count: int) -> list[tuple[list[Any], Any]]:
    rng = random.Random(seed)
    drawn = [[model.draw(rng) for _ in range(rng.randrange(3, 26))] for _ in range(count)]
    return list(zip(drawn, islice(model.setups(), seed % 10, None), strict=False))


def check(replay: Any, history: Any, tmp_path: Path, setup: Any) -> None:
    with LocalSheets() as server:
        broken = replay(history, server, tmp_path, setup)
    assert broken is None, f"{broken}\n{setup}\n{history}"


@pytest.mark.parametrize("number", range(5))
@pytest.mark.parametrize("setup", range(0, 10, 3))
def test_known_hard_histories(model: Any, replay: Any, tmp_path: Path, number: int, setup: int) -> None:
    check(replay, model.HARD[number], tmp_path, list(islice(model.setups(), 10))[setup])


@pytest.mark.parametrize("seed", SEEDS)
def test_random_histories(model: Any, replay: Any, tmp_path: Path, seed: int) -> None:
    for at, (history, setup) in enumerate(histories(model, seed, PER_SEED)):
        check(replay, history, tmp_path / str(at), setup)


@pytest.mark.torture
@pytest.mark.timeout(0)
@pytest.mark.parametrize("seed", range(1000, 1200))
def test_ten_thousand_random_histories(model: Any, replay: Any, tmp_path: Path, seed: int) -> None:
    for at, (history, setup) in enumerate(histories(model, seed, 50)):
        check(replay, history, tmp_path / str(at), setup)
