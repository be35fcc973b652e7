"""sheetsync and other ways to keep a table in a Google Sheet, side by side in one run on the local server.

    pip install -e '.[bench]'                      # the peers; one that is absent is named and left out
    python -m benchmarks.peers                     # 100 and 10,000 rows, 150 ms a call: about ten minutes
    python -m benchmarks.peers --rows 100 --latency 0
    python -m benchmarks.peers --rows 100000 --json large.json        # one size by itself: about an hour
    python -m benchmarks.peers --join small.json large.json --plot docs/images/peers.png

Each case is run twice: alone, for calls, bytes and seconds, and with a person who edits at four moments, followed by
one more round, as the next cron job would.  Then it is counted which of the person's edits are neither in their row of
the sheet nor in the program's own records.  `peer_scene.py` has the table and the person, `peer_programs.py` the
programs.  Each set-up and each case has a process of its own, which is ended after `--cut-off` seconds; what was not
finished or was refused stands in the table with the reason.
"""

from __future__ import annotations

import argparse
import gc
import json
import multiprocessing
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.measure import Result
from benchmarks.peer_programs import PROGRAMS, Maker, Program, Sheetsync, load_modules, version_of
from benchmarks.peer_scene import (
    AFTER,
    CASES,
    HEADER,
    LATER,
    MOMENTS,
    SORTED,
    Owner,
    Rows,
    change,
    edits_for,
    make_spreadsheet,
    spreadsheet_of,
    table,
    watch,
    wrong_rows,
)
from sheetsync.localsheets import LocalSheets

LATENCY_S = 0.15
CUT_OFF_S = 900.0
FOLLOW_UPS = 1
T = TypeVar("T")


@dataclass(frozen=True)
class Measured:
    """One line of the table."""

    program: str
    rows: int
    case: str
    read: int
    write: int
    drive: int
    sent: int
    received: int
    seconds: float
    edits: int
    lost: int
    lost_at: tuple[str, ...]
    standing: int
    wrong: int
    largest: int = 0

    @property
    def size(self) -> int:
        """Bytes sent and received."""
        return self.sent + self.received


@dataclass(frozen=True)
class Unfinished:
    """A case without figures, and why: it was refused, or took too long."""

    program: str
    rows: int
    case: str
    why: str


@contextmanager
def running(maker: Maker, folder: Path) -> Iterator[tuple[LocalSheets, Program]]:
    """The server on a folder's data file, and the program on its spreadsheet."""
    with LocalSheets(data=folder / "sheets.db", pages=False) as server:
        program = maker(server.url, folder, spreadsheet_of(server.workspace))
        try:
            yield server, program
        finally:
            program.close()


def set_up(maker: Maker, folder: Path, rows: Rows) -> None:
    """A spreadsheet with the table in its first state, and a column of the owner's beside it."""
    folder.mkdir(parents=True)
    with LocalSheets(data=folder / "sheets.db", pages=False) as server:
        make_spreadsheet(server)
    with running(maker, folder) as (server, program):
        program.set_up(rows)
        own = 5 if program.name == "sheetsync" else len(HEADER)  # sheetsync has sync_status there
        Owner(server, []).head(own)
        program.round()


def measure(maker: Maker, folder: Path, rows: Rows, case: str, *, latency_s: float) -> Measured:
    """A case alone, then once more with a person who edits; the folder is used up."""
    with running(maker, folder) as (server, program):
        if latency_s:
            server.script.add(f"slow:{latency_s:g} before any always")
        after, later = change(rows, case, AFTER), change(rows, case, LATER)
        program.change(after)
        traffic = watch(server)
        gc.collect()
        gc.freeze()  # the server's cells are no garbage of any program's
        started = time.perf_counter()
        program.round()
        seconds = time.perf_counter() - started
        gc.unfreeze()
        server.pipeline.observers.clear()
        if wrong_rows(server, after):
            raise SystemExit(f"{program.name}: '{case}' on {len(rows)} rows did not reach the sheet")
        owner = disturbed(server, program, later, case, writes=traffic.write, latency_s=latency_s)
        lost = owner.lost(program.knows)
        return Measured(
            program.name, len(rows), case, traffic.read, traffic.write, traffic.drive, traffic.sent, traffic.received,
            round(seconds, 2), len(owner.edits), len(lost), tuple(f"{edit.moment}: {edit.column}" for edit in lost),
            len(owner.standing()), wrong_rows(server, later, owner.edits), traffic.largest,
        )  # fmt: skip


def disturbed(server: LocalSheets, program: Program, rows: Rows, case: str, *, writes: int, latency_s: float) -> Owner:
    """A round while a person edits, and the next one."""
    program.change(rows)
    owner = Owner(server, edits_for(rows, case))
    owner.act(MOMENTS[0])
    owner.wait_for(writes, sorts=case == SORTED)
    program.round()
    server.script.clear()
    owner.finish()
    if latency_s:
        server.script.add(f"slow:{latency_s:g} before any always")
    for _ in range(FOLLOW_UPS):
        program.round()
    return owner


def within(cut_off_s: float | None, work: Callable[[], T]) -> T | str:
    """What the work returns, or why it does not: done in a process of its own, which is ended after so many seconds."""
    if cut_off_s is None:
        return work()
    here, there = multiprocessing.get_context("fork").Pipe(duplex=False)

    def tell() -> None:
        try:
            there.send((True, work()))
        finally:
            error = sys.exception()
            if error is not None:
                there.send((False, f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0][:200]}"))

    process = multiprocessing.get_context("fork").Process(target=tell)
    process.start()
    there.close()
    try:
        done, found = here.recv() if here.poll(cut_off_s) else (False, f"not finished after {cut_off_s:.0f} s")
    except EOFError:
        done, found = False, "it ended without a result (out of memory?)"
    if process.is_alive() and not done:
        process.kill()
    process.join()
    result: T | str = found
    return result


def compare(
    makers: Sequence[Maker], counts: Sequence[int], base: Path, *, latency_s: float, cases: Sequence[str] = CASES,
    cut_off_s: float | None = None,
) -> Iterator[Measured | Unfinished]:  # fmt: skip
    """All programs, sizes and cases, one after the other."""
    load_modules(makers)
    for count in counts:
        rows = table(count)
        for number, maker in enumerate(makers):
            fresh, used = base / f"{count}-{number}", base / "used"
            name = str(getattr(maker, "name", maker))
            failed = within(cut_off_s, partial(set_up, maker, fresh, rows))
            for case in cases:
                if isinstance(failed, str):
                    yield Unfinished(name, count, case, f"set-up: {failed}")
                    continue
                shutil.copytree(fresh, used)
                one = within(cut_off_s, partial(measure, maker, used, rows, case, latency_s=latency_s))
                yield Unfinished(name, count, case, one) if isinstance(one, str) else one
                shutil.rmtree(used)
            shutil.rmtree(fresh)


def run(folder: Path) -> Iterator[Result]:
    """The row of `python -m benchmarks peers`: 100 rows, no latency, and what is installed."""
    makers = [program for program in PROGRAMS if version_of(program)]
    results = [one for one in compare(makers, [100], folder, latency_s=0) if isinstance(one, Measured)]
    for program in dict.fromkeys(one.program for one in results):
        ours = [one for one in results if one.program == program]
        lost, edits, wrong = (sum(getattr(one, name) for one in ours) for name in ("lost", "edits", "wrong"))
        is_ours = program == Sheetsync.name
        good = not is_ours or lost == wrong == 0
        yield Result(f"edits lost by {program}", f"{lost} of {edits}", "0" if is_ours else "told only", good)


def kilobytes(size: int) -> str:
    return f"{size / 1000:,.0f} kB" if size >= 10_000 else f"{size / 1000:,.1f} kB"


def markdown(results: Sequence[Measured | Unfinished]) -> str:
    """The results as a table for each size."""
    parts = []
    for count in dict.fromkeys(one.rows for one in results):
        parts.append(f"### {count:,} rows\n")
        parts.append(
            "| case | program | reads | writes | other | bytes | largest call | seconds | edits lost | rows wrong |"
        )
        parts.append("|---|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        for case in dict.fromkeys(one.case for one in results):
            parts += [_line(one) for one in results if (one.rows, one.case) == (count, case)]
        parts.append("")
    return "\n".join(parts)


def _line(one: Measured | Unfinished) -> str:
    if isinstance(one, Unfinished):
        return f"| {one.case} | {one.program} | {one.why} | | | | | | | |"
    calls = f"{one.read} | {one.write} | {one.drive}"
    sizes = f"{kilobytes(one.size)} | {kilobytes(one.largest)}"
    ends = f"{one.lost} of {one.edits} | {one.wrong:,}"
    return f"| {one.case} | {one.program} | {calls} | {sizes} | {one.seconds:.2f} | {ends} |"


def plot(results: Sequence[Measured], path: Path) -> None:
    """Calls, bytes and edits lost, a column for each size and a group of bars for each case."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    counts = list(dict.fromkeys(one.rows for one in results))
    programs = list(dict.fromkeys(one.program for one in results))
    cases = list(dict.fromkeys(one.case for one in results))
    panels = (  # a program that loses nothing has no bar in the last one
        ("calls of a round", lambda one: one.read + one.write + one.drive),
        ("MB of a round", lambda one: one.size / 1e6),
        ("owner's edits lost, of 12", lambda one: one.lost),
    )
    size = (5.5 * len(counts), 3 * len(panels))
    figure, axes = pyplot.subplots(len(panels), len(counts), figsize=size, squeeze=False)
    for column, count in enumerate(counts):
        for row, (title, value) in enumerate(panels):
            chart = axes[row][column]
            for number, program in enumerate(programs):
                picked = {one.case: value(one) for one in results if (one.rows, one.program) == (count, program)}
                spots = [index + (number - len(programs) / 2) * 0.13 for index in range(len(cases))]
                chart.bar(spots, [picked.get(case, 0) for case in cases], 0.12, label=program)
            chart.set_xticks(range(len(cases)), [case.replace(", ", ",\n") for case in cases], fontsize=8)
            chart.set_title(f"{title}, {count:,} rows", fontsize=10)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncols=3, fontsize=8)
    figure.tight_layout(rect=(0, 0.06, 1, 1))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def main(words: Sequence[str] | None = None) -> int:
    """Run, print the tables, and write them where asked."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description="Compare with other programs.")
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 10_000])
    parser.add_argument("--latency", type=float, default=LATENCY_S, help="seconds that each call takes longer")
    parser.add_argument(
        "--cut-off", type=float, default=CUT_OFF_S, help="seconds for one case, its set-up or its rounds"
    )
    parser.add_argument("--cases", nargs="+", choices=CASES, default=CASES)
    parser.add_argument("--join", type=Path, nargs="+", default=[], help="run nothing: show figures that --json wrote")
    parser.add_argument("--only", default="", help="only programs whose name holds this text")
    parser.add_argument("--plot", type=Path, help="write the plot here (needs matplotlib)")
    parser.add_argument("--json", type=Path, help="write the figures here")
    options = parser.parse_args(words)
    makers: list[Maker] = []
    for program in PROGRAMS:
        version = version_of(program)
        print(f"{program.name}: {program.package} {version or 'is not installed; left out'}", file=sys.stderr)
        if version and options.only in program.name:
            makers.append(program)
    results: list[Measured | Unfinished] = [one for path in options.join for one in load(path)]
    with tempfile.TemporaryDirectory(prefix="sheetsync-peers-") as folder:
        counts = [] if options.join else options.rows
        for one in compare(
            makers, counts, Path(folder), latency_s=options.latency, cases=options.cases, cut_off_s=options.cut_off
        ):
            print(one, file=sys.stderr, flush=True)
            results.append(one)
            if options.json:
                options.json.write_text(json.dumps([asdict(one) for one in results], indent=1))
    print(markdown(results))
    if options.plot:
        plot([one for one in results if isinstance(one, Measured)], options.plot)
    return 0


def load(path: Path) -> list[Measured | Unfinished]:
    """The figures of an earlier run."""
    return [Unfinished(**one) if "why" in one else Measured(**one) for one in json.loads(path.read_text())]


if __name__ == "__main__":
    sys.exit(main())
