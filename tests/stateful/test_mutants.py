"""Deliberate mistakes in the engine, one rule of the model switched off each: the replayed histories must find them.

`CAUGHT` holds, for each mistake, a history that shows it: with the mistake it breaks an invariant, without it none.
The search for such histories is `test_every_mistake_is_found` (torture).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sheetsync.gsheets import batches
from sheetsync.gsheets import gateway as gsheets_gateway
from sheetsync.localsheets import LocalSheets
from sheetsync.services import sync_run
from sheetsync.sync import compare, decide, drafting, epoch, planning, repairs, settle, view
from sheetsync.sync.gateway import Token

Patch = Callable[[pytest.MonkeyPatch], None]


def no_preimages(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle, "raw_same", lambda one, other: True)


def adopt_unchecked(patch: pytest.MonkeyPatch) -> None:
    real = sync_run.SyncRun._settle_landed

    def unchecked(self: Any, *args: Any) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(settle, "raw_same", lambda one, other: True)
            real(self, *args)

    patch.setattr(sync_run.SyncRun, "_settle_landed", unchecked)


def restore_goes_on(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sync_run, "is_foreign", lambda state, read: False)


def print_not_compared(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(epoch, "seal_of", lambda pre: "same")
    patch.setattr(settle, "seal_of", lambda pre: "same")


def no_intended(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sync_run, "landed", lambda state, read: None)


def counts_back(patch: pytest.MonkeyPatch) -> None:
    def back(state: Any, tabs: Any, random_hex: str, *, opening: bool = False) -> Token:
        last = max((tab.epoch for tab in tabs), default=0)
        return Token(last + 1, f"{'open' if opening else 'write'}-{random_hex}")

    patch.setattr(planning, "next_token", back)
    patch.setattr(sync_run, "next_token", back)


def no_token(patch: pytest.MonkeyPatch) -> None:
    real = batches.render

    def anywhere(batch: Any, read: Any, **options: Any) -> Any:
        done = real(batch, read, **options)
        done.requests = [one for one in done.requests if "deleteSheet" not in one]
        return done

    patch.setattr(gsheets_gateway, "render", anywhere)


def debts_dropped(patch: pytest.MonkeyPatch) -> None:
    real = settle.settle

    def forgetful(*args: Any, **options: Any) -> Any:
        done = real(*args, **options)
        done.state.debts, done.state.lost_rows = (), ()
        return done

    patch.setattr(sync_run, "settle", forgetful)


def no_chain(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(settle, "_chain", lambda new, cell, was: was)


def own_duplicate(patch: pytest.MonkeyPatch) -> None:
    real = repairs.take_away_doubles

    def keep(c: Any, tab: Any, rows: Any, width: int) -> Any:
        c.state.put_back = ()
        return real(c, tab, rows, width)

    patch.setattr(compare, "take_away_doubles", keep)


def no_overlay(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide.CellState, "local", property(lambda self: self.published))
    patch.setattr(view.View, "shown", property(lambda self: self.tables))


def third_value_silent(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(decide, "mark_third_value", lambda cell, decision: decision)


def withdrawn_is_change(patch: pytest.MonkeyPatch) -> None:
    real = view.fate_of
    patch.setattr(sync_run, "fate_of", lambda *args: real(*args).replace("rejected", "gone"))


def carry_forgotten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(drafting, "_carried", lambda old, events: {})


def delete_keys_only(patch: pytest.MonkeyPatch) -> None:
    real = sync_run.SyncRun._land

    def keys_only(self: Any, *args: Any) -> Any:
        return replace(real(self, *args), whole={})

    patch.setattr(sync_run.SyncRun, "_land", keys_only)


def agrees_with_anything(patch: pytest.MonkeyPatch) -> None:
    real = decide.decide_cell

    def overwrite(cell: Any, mode: Any) -> Any:
        return real(replace(cell, base=cell.remote), mode)

    patch.setattr("sheetsync.sync.cells.decide_cell", overwrite)


MUTANTS: dict[str, Patch] = {
    one.__name__: one
    for one in (
        no_preimages, adopt_unchecked, restore_goes_on, print_not_compared, no_intended, counts_back, no_token,
        debts_dropped, no_chain, own_duplicate, no_overlay, third_value_silent, withdrawn_is_change, carry_forgotten,
        delete_keys_only, agrees_with_anything,
    )
}  # fmt: skip
# mistake → history, with B published, late batches landing at the end
TO_THE_BATCH: list[tuple[Any, ...]] = [("step", 1), ("step", 1), ("step", 1)]  # lease, read, commit: the batch is next
CAUGHT: dict[str, list[tuple[Any, ...]]] = {
    "no_preimages": [("direct", "A1", "y"), *TO_THE_BATCH, ("edit", 0, "z"), ("run", 1)],
    "adopt_unchecked": [("direct", "A1", "y"), *TO_THE_BATCH, ("edit", 0, "z"), ("run", 1, "after")],
    "no_intended": [("direct", "A1", "y"), ("run", 1, "after")],
    "no_overlay": [("edit", 0, "z"), ("run", 1)],
    "third_value_silent": [("edit", 0, "z"), ("run", 1), ("direct", "A1", "y")],
    "withdrawn_is_change": [("edit", 0, "z"), ("run", 1), ("discard", "A"), ("edit", 0, "y")],
    "carry_forgotten": [("edit", 0, "z"), ("run", 1), ("edit", 1, "z")],
    "delete_keys_only": [("retire", "B"), *TO_THE_BATCH, ("sort", 1), ("run", 1)],
    "agrees_with_anything": [("edit", 0, "z"), ("run", 1)],
    "restore_goes_on": [("direct", "A1", "y"), ("run", 1), ("unscratch",), ("direct", "A1", "z")],
    "no_token": [("direct", "A1", "y")],
    "debts_dropped": [("retire", "B"), *TO_THE_BATCH, ("sort", 1), ("run", 1)],
}


@pytest.mark.parametrize("name", sorted(CAUGHT))
def test_a_mistake_is_caught(replay: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str) -> None:
    setup, history = (True, True), CAUGHT[name]
    with LocalSheets() as server:
        assert replay(history, server, tmp_path / "right", setup) is None
        MUTANTS[name](monkeypatch)
        broken = None
        try:
            broken = replay(history, server, tmp_path / "wrong", setup)
        except Exception as exc:  # noqa: BLE001 - a mistake may also show as a crash
            broken = exc
    assert broken is not None


@pytest.mark.torture
@pytest.mark.shared
@pytest.mark.timeout(0)
@pytest.mark.parametrize("name", sorted(MUTANTS))
def test_every_mistake_is_found(
    replay: Any, model: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, name: str
) -> None:
    MUTANTS[name](monkeypatch)
    rng = random.Random(1)
    for at in range(2000):
        history = [model.draw(rng) for _ in range(rng.randrange(3, 26))]
        with LocalSheets() as server:
            if replay(history, server, tmp_path / str(at), (at % 3 != 0, at % 2 == 0)) is not None:
                return
    pytest.fail(f"{name} was not found in 2000 histories")
