"""Every deliberate mistake that the checked model knows, made in the real engine, breaks a promise in a replay.

The mistakes are in `mutants_of_batches` and `mutants_of_edits`, the histories in `caught`; docs/sync-mistakes.md says
the same in a table. That a catch does not hang on one history alone is shown by `test_every_mistake_is_found_again`
(torture).
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets
from tests.stateful import mutants_of_batches, mutants_of_edits
from tests.stateful.caught import CAUGHT, PROMISES

OWN = mutants_of_batches.OWN_MUTANTS | mutants_of_edits.OWN_MUTANTS
MUTANTS = mutants_of_batches.MUTANTS | mutants_of_edits.MUTANTS | OWN
TABLE = Path(__file__).parents[2] / "docs" / "sync-mistakes.md"


@pytest.mark.shared
def test_every_mistake_of_the_model_is_made(model: Any) -> None:
    assert set(MUTANTS) - set(OWN) == set(model.MUTATIONS)


def test_every_mistake_has_a_history_that_shows_it() -> None:
    assert set(CAUGHT) == set(MUTANTS)


@pytest.mark.parametrize("name", sorted(CAUGHT))
def test_a_mistake_is_caught(replay: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    catch = CAUGHT[name]
    setup = (catch.published, catch.land)
    with LocalSheets() as server:
        assert replay(catch.history, server, tmp_path / "right", setup) is None
        MUTANTS[name](monkeypatch)
        broken = replay(catch.history, server, tmp_path / "wrong", setup)
    assert broken is not None, f"nothing shows {name}"
    assert broken.args[0] == catch.by, broken


def rows() -> list[str]:
    """The table of docs/sync-mistakes.md."""
    found = []
    for name, patch in MUTANTS.items():
        what = str(patch.__doc__).split("\n\n")[0].removesuffix(".").removeprefix("Not of the model: ")
        found.append(f"| `{name}` | {' '.join(what.split())} | {CAUGHT[name].by} | {CAUGHT[name].how} |")
    return [*found, *(f"| {name} | {promise} |" for name, promise in PROMISES.items())]


def test_the_documented_table_says_the_same() -> None:
    text = TABLE.read_text(encoding="utf-8").splitlines()
    missing = [row for row in rows() if row not in text]
    assert not missing, "\n".join(missing)


def variations(model: Any, name: str, count: int) -> Iterator[tuple[list[Any], tuple[bool, bool]]]:
    """The known history with one act dropped, put in or exchanged: none of them is the one of the test above."""
    rng, catch = random.Random(2), CAUGHT[name]
    for _ in range(count):
        history, at = list(catch.history), rng.randrange(len(catch.history) + 1)
        history[at : at + rng.randrange(2)] = [model.draw(rng)] if rng.random() < 0.8 else []
        if tuple(history) != catch.history:
            yield history, (catch.published, rng.random() < 0.5)


@pytest.mark.torture
@pytest.mark.shared
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_mistake_is_found_again(
    replay: Any, model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """Other histories show it too: those that catch it in the model, then others near the known one."""
    known = model.explore(20_000, 1, name, False, 5)[2] if name in model.MUTATIONS else []
    tried = [(history, setup) for _, _, history, setup in known] + list(variations(model, name, 100))
    found = []
    for at, (history, setup) in enumerate(tried):
        with LocalSheets() as server, pytest.MonkeyPatch.context() as patch:
            MUTANTS[name](patch)
            broken = replay(history, server, tmp_path / f"wrong{at}", setup)
        if broken is not None:
            with LocalSheets() as server:
                assert replay(history, server, tmp_path / f"right{at}", setup) is None, (history, setup)
            found.append((broken, setup, history))
        if len(found) == 3:
            break
    print(name, *found, sep="\n    ")
    assert len(found) == 3
