"""Rounds of sync: one, one for every configured spreadsheet and tenant, or one every so often until stopped.

A round that fails does not end `--every`: it prints its error and the next round tries again. What ends it at once is
what no later round can mend: usage, configuration, a defect, a damaged store.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sheetsync.cli.sync_text import run_lines
from sheetsync.cli.syncing import tell_trouble
from sheetsync.errors import SheetSyncError

if TYPE_CHECKING:
    from sheetsync.cli.session import Session
    from sheetsync.services.syncing import Forces

FINAL_CODES: Final = frozenset({1, 2, 9})


@dataclass(frozen=True, slots=True)
class Rounds:
    """What every round does."""

    forces: Forces
    quiet_known: bool
    everything: bool
    repeated: bool = False


def one_round(session: Session, rounds: Rounds) -> int:
    """One round; its exit code. With `--all` one after the other, and the worst code of them."""
    if not rounds.everything:
        value, code = _sync(session, rounds)
        session.output.answer(value, run_lines(value, session.output))
        tell_trouble(session, value, code)
        return code
    results = [(target, *_guarded(target, rounds)) for target in session.targets()]
    value = {"ok": all(code in (0, 3) for _, _, code in results), "runs": []}
    lines: list[str] = []
    for target, found, _ in results:
        value["runs"].append({"tenant": target.settings.tenant, "spreadsheet": target.settings.spreadsheet, **found})
        lines += [f"{target.settings.tenant} {target.settings.spreadsheet}:", *_round_lines(found, target)]
    session.output.answer(value, lines)
    return max((code for _, _, code in results), default=0)


def _sync(session: Session, rounds: Rounds) -> tuple[dict[str, Any], int]:
    from sheetsync.services import syncing

    with session.gateway() as gateway:
        report = syncing.sync(
            session.workspace,
            gateway,
            forces=rounds.forces,
            quiet_known=rounds.quiet_known,
            settle_seconds=session.settings.pull.settle_s(every=rounds.repeated),
        )
    return report.to_json(), report.exit_code


def _guarded(session: Session, rounds: Rounds) -> tuple[dict[str, Any], int]:
    try:
        return _sync(session, rounds)
    except SheetSyncError as error:
        return error.to_json(), error.exit_code


def _round_lines(found: dict[str, Any], session: Session) -> Iterator[str]:
    if "error" in found:
        yield f"error: {found['error']['message']}"
        if found["error"]["hint"]:
            yield f"hint: {found['error']['hint']}"
    else:
        yield from run_lines(found, session.output)


def repeat(session: Session, rounds: Rounds, *, every_s: float) -> int:
    """A round every `every_s` seconds until SIGTERM or SIGINT; then the round under way is finished."""
    from sheetsync.cli.servers import until_stopped

    repeated = replace(rounds, repeated=True)
    with until_stopped() as stopped:
        return _loop(session, repeated, wait=lambda: stopped.wait(every_s) or False)


def _loop(session: Session, rounds: Rounds, *, wait: Callable[[], bool]) -> int:
    while True:
        code = _try_round(session, rounds)
        if code in FINAL_CODES:
            return code
        if wait():
            return 0


def _try_round(session: Session, rounds: Rounds) -> int:
    try:
        return one_round(session, rounds)
    except SheetSyncError as error:
        if session.as_json:
            print(json.dumps(error.to_json(), ensure_ascii=False), flush=True)
        else:
            print(f"error: {error.message}", file=sys.stderr)
            if error.hint:
                print(f"hint: {error.hint}", file=sys.stderr)
        return error.exit_code
