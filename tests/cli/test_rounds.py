"""Rounds of `sync --every`: what ends them, and what does not."""

from __future__ import annotations

import errno
import json
import os

import pytest

from sheetsync.cli import rounds
from sheetsync.cli.session import Session
from sheetsync.errors import ConfigError, DefectError, NotFoundError, StoreDamagedError, TryLaterError
from sheetsync.services.syncing import NO_FORCES

FULL = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
GONE = FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), "quota")
PLAIN = rounds.Rounds(NO_FORCES, quiet_known=False, everything=False)


def play(monkeypatch: pytest.MonkeyPatch, *outcomes: int | Exception) -> tuple[int, int]:
    """The exit code, and how many of the rounds were left undone."""
    left = list(outcomes)

    def one_round(_session: Session, _rounds: rounds.Rounds) -> int:
        outcome = left.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(rounds, "one_round", one_round)
    return rounds.repeat(Session(as_json=True), PLAIN, every_s=0), len(left)


@pytest.mark.parametrize("end", [StoreDamagedError("flipped"), DefectError("odd"), OSError(errno.EBADMSG, "odd")])
def test_damage_and_defects_end_them(end: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    code, left = play(monkeypatch, 0, end, 0)
    assert (code, left) == (9 if isinstance(end, StoreDamagedError) else 1, 1)


@pytest.mark.parametrize("first", [ConfigError("no"), NotFoundError("no store"), GONE])
def test_what_is_wrong_from_the_beginning_ends_them(first: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    assert play(monkeypatch, TryLaterError("later"), first, 0) == (2, 1)


def test_what_may_pass_does_not(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    away = (FULL, NotFoundError("no store"), ConfigError("no"), GONE, TryLaterError("later"))
    assert play(monkeypatch, FULL, 3, *away, 0, *away, StoreDamagedError("the end"), 0) == (9, 1)
    said = [json.loads(line)["error"]["code"] for line in capsys.readouterr().out.splitlines()]
    assert said == ["disk_full", *["disk_full", "not_found", "config", "file", "try_later"] * 2, "store_damaged"]


def test_a_log_that_takes_nothing_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_error: BaseException, _session: Session) -> int:
        raise FULL

    monkeypatch.setattr(rounds, "report_failure", full)
    assert play(monkeypatch, 0, TryLaterError("later"), 0, StoreDamagedError("the end"), 0) == (9, 1)
