"""Every deliberate mistake that the checked model knows, made in the real engine, breaks a promise in a replay.

The mistakes are in `mutants_of_batches` and `mutants_of_edits`, the histories in `caught`; docs/sync-mistakes.md says
the same in a table. The search for other histories that show a mistake is `test_every_mistake_is_found` (torture).
"""

from __future__ import annotations

import random
import sys
from pathlib import Path
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets
from tests.stateful import mutants_of_batches, mutants_of_edits
from tests.stateful.caught import CAUGHT, PROMISES

MUTANTS = mutants_of_batches.MUTANTS | mutants_of_edits.MUTANTS | mutants_of_edits.OWN_MUTANTS
TABLE = Path(__file__).parents[2] / "docs" / "sync-mistakes.md"


@pytest.mark.shared
def test_every_mistake_of_the_model_is_made(model: Any) -> None:
    assert set(MUTANTS) - set(mutants_of_edits.OWN_MUTANTS) == set(model.MUTATIONS)


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


@pytest.mark.torture
@pytest.mark.shared
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_mistake_is_found(
    replay: Any, model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    """A search without knowing: the model's own histories that catch the mistake there, then random ones."""
    known = model.explore(20_000, 1, name, False, 5)[2] if name in model.MUTATIONS else []
    rng = random.Random(1)
    drawn = ([model.draw(rng) for _ in range(rng.randrange(3, 26))] for _ in range(2000))
    tried = [(history, setup) for _, _, history, setup in known]
    tried += [(history, (at % 3 != 0, at % 2 == 0)) for at, history in enumerate(drawn)]
    MUTANTS[name](monkeypatch)
    for at, (history, setup) in enumerate(tried):
        with LocalSheets() as server:
            broken = replay(history, server, tmp_path / str(at), setup)
        if broken is not None:
            print(f"{name}: {broken}\n{setup}\n{history}", file=sys.stderr)
            return
    pytest.fail(f"{name} was not found in {len(tried)} histories")
