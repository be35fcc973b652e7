"""push, pull and sync at 1,000, 10,000 and 100,000 policy rows: calls, bytes, seconds and memory, and how they grow.

    python -m benchmarks sync                          # all sizes: a quarter of an hour
    python -m benchmarks sync --largest 1000           # a quick look
    python -m benchmarks sync --rows 100000 --runs 1 --json large.json      # one size by itself
    python -m benchmarks sync --join small.json large.json --plot docs/images/sync.png

Each run is a cold process. Beside it a bare program sends the identical requests to the same state of the spreadsheet
and parses the answers with orjson; nothing else. `sync_scene.py` has the workspace and what people do in it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

from benchmarks.measure import Result
from benchmarks.sync_scene import DATA, Ran, Scene, Watch, publish_others, type_firearms
from sheetsync.localsheets import LocalSheets

SIZES = (1_000, 10_000, 100_000)
BLOCKS_ABOVE = 20_000  # rows; larger tabs are read in blocks
HEADER = "| case | rows | reads | writes | sent | received | seconds | bare | × | CPU | bare | CPU/1,000 | MB | bare |"
JSON = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """What happens before and during a run, and what its answer must say.

    Attributes:
        command: what is measured.
        act: what people do before it, given the scene and the number of rows.
        arm: what the server's script is to do during it.
        holds: whether the answer is the one that was meant, given the number of rows.
        new: whether it starts from a spreadsheet that nobody pushed to.
        after: whether it starts where the case before it ended.
    """

    name: str
    command: str
    act: Callable[[Scene, int], None]
    holds: Callable[[JSON, int], bool]
    arm: Callable[[LocalSheets, int], None] = lambda _server, _rows: None
    new: bool = False
    after: bool = False


@dataclass(frozen=True)
class Measured:
    """One row of the table."""

    rows: int
    case: str
    read: int
    write: int
    sent: int
    received: int
    seconds: float
    bare_seconds: float
    cpu_seconds: float
    bare_cpu_seconds: float
    megabytes: int
    bare_megabytes: int

    @property
    def ratio(self) -> float:
        """Our time as a multiple of the bare program's; both wait for the same server."""
        return self.seconds / self.bare_seconds


def nothing(_scene: Scene, _rows: int) -> None:
    """Nobody does anything."""


def edit_one(scene: Scene, rows: int) -> None:
    """An owner changes one firearm in the middle."""
    with scene.server() as server:
        type_firearms(server.workspace, [rows // 2])


def edit_some(scene: Scene, rows: int) -> None:
    """Owners change every hundredth row."""
    with scene.server() as server:
        type_firearms(server.workspace, list(range(50, rows + 1, 100)))


def publish_all(scene: Scene, _rows: int) -> None:
    """An operator publishes another firearm and another lock for every scope."""
    ws = scene.workspace()
    publish_others(ws, sorted(ws.catalogue().published_all()))
    ws.store.close()


def publish_one(scene: Scene, _rows: int) -> None:
    """An operator publishes another firearm and lock for one scope."""
    ws = scene.workspace()
    publish_others(ws, sorted(ws.catalogue().published_all())[:1], only=1)
    ws.store.close()


def cover(server: LocalSheets, _rows: int) -> None:
    """An owner types into the row that is about to be written, between our read and our write."""
    server.script.act(lambda grids: type_firearms(grids, [1], "firearm.payment"), "before write")


def edits(answer: JSON) -> int:
    return sum(len(draft["edits"]) for draft in answer["drafts"])


def written(answer: JSON) -> int:
    return int(answer["tabs"]["Policy Matrix"]["cells_written"])


CASES = (
    Case("first push", "push", nothing, lambda a, n: a["tabs"]["Policy Matrix"]["rows_added"] == n, new=True),
    Case("no-op sync", "sync", nothing, lambda a, _: not a["changed"] and a["calls"]["write"] == 0),
    Case("one cell edited: sync", "sync", edit_one, lambda a, _: edits(a) == 1),
    Case("one cell edited: pull with feedback", "pull", edit_one, lambda a, _: edits(a) == 1),
    Case("1 % of rows edited: sync", "sync", edit_some, lambda a, n: edits(a) == n // 100),
    Case("all cells published: push", "push", publish_all, lambda a, n: written(a) == 2 * n),
    Case("no-op sync after that push", "sync", nothing, lambda a, _: not a["changed"], after=True),
    Case("one row published, a race healed: sync", "sync", publish_one, lambda a, _: bool(a["healed"]), cover),
)


def measure(case: Case, fresh: Scene, folder: Path, rows: int, *, runs: int, keep: bool = False) -> Measured:
    """A case on copies of a scene, ours and the bare program by turns; the best of each.

    With `keep`, the scene as it is after the run stays in the folder, as `after`.
    """
    ours: list[Ran] = []
    bares: list[Ran] = []
    watch = Watch()
    acted = fresh.copy(folder / "acted")
    case.act(acted, rows)
    acted.checkpoint()
    for _ in range(runs):
        used = acted.copy(folder / "used")
        with used.server() as server:
            case.arm(server, rows)
            watch = Watch()
            server.pipeline.observers.append(watch)
            ours.append(used.command(server, case.command))
        if keep and not (folder / "after").exists():
            used.copy(folder / "after")
        if not case.holds(ours[-1].answer, rows):
            raise SystemExit(f"{case.name} at {rows} rows: not what was meant: {str(ours[-1].answer)[:2000]}")
        shutil.copy(acted.folder / DATA, used.folder / DATA)
        with used.server() as server:
            bares.append(used.replay(server, watch))
        shutil.rmtree(used.folder)
    shutil.rmtree(acted.folder)
    times = [round(min(one.seconds for one in found), 3) for found in (ours, bares)]
    cpus = [round(min(one.cpu_seconds for one in found), 3) for found in (ours, bares)]
    peaks = [round(max(one.megabytes for one in found)) for found in (ours, bares)]
    counts = watch.read, watch.write, watch.sent, watch.received
    return Measured(rows, case.name, *counts, *times, *cpus, *peaks)


def compare(
    folder: Path, sizes: Sequence[int], *, runs: int, only: str = "", kept: Path | None = None
) -> Iterator[Measured]:
    """All sizes and cases; `kept` is where the published workspaces are, or are to be, for another time."""
    for rows in sizes:
        home = (kept or folder) / f"new-{rows}"
        unpushed = Scene(home) if home.exists() else Scene.make(home, rows)
        pushed = unpushed.copy(folder / f"quiet-{rows}")
        with pushed.server() as server:
            pushed.command(server, "push")
        for case, following in zip(CASES, (*CASES[1:], CASES[0]), strict=True):
            start = Scene(folder / "after") if case.after else unpushed if case.new else pushed
            if only in case.name and start.folder.exists():
                yield measure(case, start, folder, rows, runs=runs, keep=following.after)
            if case.after:
                shutil.rmtree(start.folder, ignore_errors=True)
        shutil.rmtree(pushed.folder)
        if kept is None:
            shutil.rmtree(unpushed.folder)


def goal_of(one: Measured) -> tuple[str, bool]:
    """What section 12 of the design asks of a row, and whether it was reached."""
    reads = 1 if one.rows <= BLOCKS_ABOVE else -(-one.rows // BLOCKS_ABOVE)  # blocks
    if one.case == "first push":
        chunks = -(-one.sent // 2_000_000)
        return f"chunks of 2 MB ({chunks}) + 3 calls", one.read + one.write <= chunks + 3
    if one.case.startswith("no-op") and one.rows == SIZES[-1]:
        good = (one.read, one.write) == (reads, 0) and one.ratio <= 2 and one.megabytes <= 400
        return f"{reads} reads, 0 writes, 2 × bare, 400 MB", good
    if one.case.startswith("no-op"):
        return f"{reads} read, 0 writes", (one.read, one.write) == (reads, 0)
    if "healed" in one.case:
        return "1 write more", one.write == 2
    if "published" in one.case:
        return f"{reads} read, writes in chunks", one.read == reads
    return f"{reads} read, 1 write", (one.read, one.write) == (reads, 1)


def run(folder: Path) -> Iterator[Result]:
    """The rows of `python -m benchmarks sync`."""
    for one in compare(folder, SIZES, runs=1):
        yield result_of(one)


def result_of(one: Measured) -> Result:
    goal, good = goal_of(one)
    value = (
        f"{one.read} + {one.write} calls, {one.sent / 1000:,.0f} kB sent, {one.received / 1000:,.0f} kB received,"
        f" {one.seconds:.2f} s = {one.ratio:.2f} × bare, {one.megabytes:.0f} MB"
    )
    return Result(f"{one.rows:,} rows, {one.case}", value, goal, good)


def markdown(results: Sequence[Measured]) -> str:
    """One table: a case's sizes one under the other, so that its growth is seen."""
    lines = [HEADER, "|---" + 13 * "|--:" + "|"]
    for case in dict.fromkeys(one.case for one in results):
        for one in (one for one in results if one.case == case):
            each = f"{one.cpu_seconds / one.rows * 1000:.3f}"
            size = f"{one.sent / 1000:,.0f} kB | {one.received / 1000:,.0f} kB"
            lines.append(
                f"| {case} | {one.rows:,} | {one.read} | {one.write} | {size} |"
                f" {one.seconds:.2f} | {one.bare_seconds:.2f} | {one.ratio:.2f} |"
                f" {one.cpu_seconds:.2f} | {one.bare_cpu_seconds:.2f} | {each} |"
                f" {one.megabytes} | {one.bare_megabytes} |"
            )
    return "\n".join(lines)


def plot(results: Sequence[Measured], path: Path) -> None:
    """CPU seconds per 1,000 rows, the multiple of the bare program, and memory, over the number of rows."""
    matplotlib: Any = import_module("matplotlib")
    matplotlib.use("Agg")
    pyplot: Any = import_module("matplotlib.pyplot")
    panels: tuple[tuple[str, Callable[[Measured], float]], ...] = (
        ("CPU seconds per 1,000 rows", lambda one: one.cpu_seconds / one.rows * 1000),
        ("times the bare program", lambda one: one.ratio),
        ("peak memory, MB", lambda one: one.megabytes),
    )
    figure, axes = pyplot.subplots(1, len(panels), figsize=(15, 5.5))
    for chart, (title, value) in zip(axes, panels, strict=True):
        for case in dict.fromkeys(one.case for one in results):
            mine = [one for one in results if one.case == case]
            chart.plot([one.rows for one in mine], [value(one) for one in mine], marker="o", label=case)
        chart.set_xscale("log")
        chart.set_yscale("log") if "CPU" in title else chart.set_ylim(bottom=0)
        chart.set_xlabel("policy rows")
        chart.set_title(title, fontsize=11)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="lower center", ncols=4, fontsize=9)
    figure.tight_layout(rect=(0, 0.1, 1, 1))
    figure.savefig(path, dpi=90)
    pyplot.close(figure)


def main(words: Sequence[str] | None = None) -> int:
    """Run, print each row as it comes and the table, and write it where asked; 1 if something was not reached."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks sync", description="Measure push, pull and sync.")
    parser.add_argument("--largest", type=int, default=SIZES[-1], help="leave larger sizes out")
    parser.add_argument("--rows", type=int, nargs="+", help="these sizes instead")
    parser.add_argument("--join", type=Path, nargs="+", default=[], help="run nothing: show figures that --json wrote")
    parser.add_argument("--runs", type=int, default=3, help="of each case; the fastest counts")
    parser.add_argument("--keep", type=Path, help="make the published workspaces in this folder, or use those there")
    parser.add_argument("--only", default="", help="only cases whose name holds this text")
    parser.add_argument("--json", type=Path, help="write the figures here")
    parser.add_argument("--plot", type=Path, help="write the plot here (needs matplotlib)")
    options = parser.parse_args(words)
    results = [Measured(**one) for path in options.join for one in json.loads(path.read_text())]
    sizes = options.rows or [size for size in SIZES if size <= options.largest] or [options.largest]
    sizes = [] if options.join else sizes
    with tempfile.TemporaryDirectory(prefix="sheetsync-sync-") as folder:
        for one in compare(Path(folder), sizes, runs=options.runs, only=options.only, kept=options.keep):
            print(result_of(one).line(), file=sys.stderr, flush=True)
            results.append(one)
            if options.json:
                options.json.write_text(json.dumps([asdict(one) for one in results], indent=1))
    print(markdown(results))
    if options.plot:
        plot(results, options.plot)
    return 0 if all(goal_of(one)[1] for one in results) else 1


if __name__ == "__main__":
    sys.exit(main())
