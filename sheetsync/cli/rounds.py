"""Rounds of sync: one, one for every configured spreadsheet and tenant, or one every so often until stopped.

A round that fails does not end `--every`: it prints its error and the next round tries again. What ends it at once is
what no later round can mend: a defect, a damaged store; usage and configuration, until a round went well. After that it
is a store that is not mounted just now, or a configuration that somebody is editing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from sheetsync.cli.failures import as_our_error, ready_to_show, report_failure
from sheetsync.cli.sync_text import run_lines
from sheetsync.cli.syncing import tell_trouble
from sheetsync.errors import SheetSyncError

if TYPE_CHECKING:
    from sheetsync.cli.session import Session
    from sheetsync.services.syncing import Forces

FINAL_CODES: Final = frozenset({1, 9})
USAGE: Final = 2  # final, too, until a round went well
WORST_FIRST: Final = (1, 9, 7, 5, 4, 2, 8, 75, 3, 0)
GOOD: Final = frozenset({0, 3})


@dataclass(frozen=True, slots=True)
class Rounds:
    """What every round does."""

    forces: Forces
    quiet_known: bool
    everything: bool
    repeated: bool = False


def one_round(session: Session, rounds: Rounds) -> int:
    """One round; its exit code. With `--all` one target after the other, and the worst code of them."""
    if not rounds.everything:
        value, code = _sync(session, rounds)
        session.output.answer(value, run_lines(value, session.output))
        tell_trouble(session, value, code)
        return code
    runs, lines, codes = [], [], []
    for target in session.targets():
        found, code = _guarded(target, rounds)
        settings = target.settings
        runs.append({"tenant": settings.tenant, "spreadsheet": settings.spreadsheet, **found})
        lines += [f"{settings.tenant} {settings.spreadsheet}:", *_round_lines(found, target)]
        codes.append(code)
    worst = min(codes, key=WORST_FIRST.index)
    failed = {} if worst in GOOD else {"error": runs[codes.index(worst)]["error"]}
    session.output.answer({**_sum(runs), "ok": worst in GOOD, **failed, "runs": runs}, lines)
    if session.quiet and any(codes):
        session.output.tell_person(lines)
    return worst


def _sum(runs: list[dict[str, Any]]) -> dict[str, Any]:
    """What the runs did together, under the keys of one run; a failed run adds nothing.

    Commits are counted apart for each tenant: where there are several, `commit` is None, and each run names its own.
    """
    from sheetsync.services.syncing import SyncReport

    total: dict[str, Any] = SyncReport().to_json()
    done = [run for run in runs if "error" not in run]
    for run in done:
        total["changed"] = total["changed"] or run["changed"]
        for title, counts in run["tabs"].items():
            _add(total["tabs"][title], counts)
        _add(total["calls"], run["calls"])
        for name, value in total.items():
            if isinstance(value, list):
                value += run[name]
    commits = [run["commit"] for run in done if run["commit"] is not None]
    one_tenant = len({run["tenant"] for run in done}) == 1
    return total | {"commit": max(commits, default=None) if one_tenant else None}


def _add(sums: dict[str, int], counts: dict[str, int]) -> None:
    for name, number in counts.items():
        sums[name] = sums.get(name, 0) + number


def _sync(session: Session, rounds: Rounds) -> tuple[dict[str, Any], int]:
    from sheetsync.services import syncing

    with session.closing, session.gateway() as gateway:
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
    except (SheetSyncError, OSError) as error:
        ours = ready_to_show(as_our_error(error))
        return ours.to_json(), ours.exit_code


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

    repeated, went_well = replace(rounds, repeated=True), False
    with until_stopped() as stopped:
        while True:
            code = _try_round(session.again(), repeated)
            gc.collect()  # `__main__` has it done seldom; between rounds nobody waits
            went_well = went_well or code in GOOD
            if code in FINAL_CODES or (code == USAGE and not went_well):
                return code
            if stopped.wait(every_s):
                return 0


def _try_round(session: Session, rounds: Rounds) -> int:
    """A round of a session of its own: what an error left open or unsure is opened anew by the next."""
    try:
        return one_round(session, rounds)
    except (SheetSyncError, OSError) as error:
        with suppress(OSError):  # a full log: the next round may have room again
            report_failure(error, session)
        return as_our_error(error).exit_code
