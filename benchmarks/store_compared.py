"""The store's numbers, as ratios measured in one run: against a bare durable loop, SQLite and a git commit per save.

    python -m benchmarks.store_compared                     # about a minute
    python -m benchmarks.store_compared --largest 1000000   # flat cost up to a million snapshots (minutes)
    python -m benchmarks.store_compared --plot docs/store-benchmark.png

Rounds of all contestants alternate, and medians are taken, since a machine's disk changes its speed from second to
second. `benchmarks/store.py` has the goals' own rows for `python -m benchmarks`. `dulwich` and `matplotlib` (the extra
`bench`) are needed for the git row and the plot only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from sheetsync.domain.context import RequestContext
from sheetsync.store import RecordId, Store, VersionedStore

CTX = RequestContext(user="ada")
PAD = "x" * 400
COLD = """
import sys, time
began = time.perf_counter()
from sheetsync.store import Store
store = Store.open(sys.argv[1])
count = sum(1 for _ in store.latest_all("default", ("components",)))
took = time.perf_counter() - began
peak = next(line for line in open("/proc/self/status") if line.startswith("VmHWM"))  # not the parent's, as ru_maxrss is
print(count, took, int(peak.split()[1]) // 1024)
"""


def content(number: int) -> dict[str, object]:
    """What every contestant saves."""
    return {"number": number, "pad": PAD}


def a_record(name: str) -> RecordId:
    return RecordId("default", ("components", name), name)


# --- contestants: each yields a function that saves once ----------------------------------------------------------
def bare_loop(folder: Path) -> Iterator[Callable[[int], None]]:
    """write, fsync, link, fsync the folder."""
    folder.mkdir()
    descriptor = os.open(folder, os.O_RDONLY)

    def save(number: int) -> None:
        temp, name = str(folder / ".temp"), str(folder / f"s{number}.json")
        file = os.open(temp, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
        os.write(file, json.dumps(content(number)).encode())
        os.fsync(file)
        os.close(file)
        os.link(temp, name)
        os.fsync(descriptor)
        os.unlink(temp)  # noqa: PTH108 (bare)

    yield save
    os.close(descriptor)


def our_save(folder: Path) -> Iterator[Callable[[int], None]]:
    """`VersionedStore.save` of one record, its name in the folder included."""
    with VersionedStore(CTX, url=folder) as named:
        yield lambda number: named.save("draft_a1b2c3", content(number)) and None


def our_new_record(folder: Path) -> Iterator[Callable[[int], None]]:
    """`VersionedStore.save` of a new record each time, its folder included."""
    with VersionedStore(CTX, url=folder) as named:
        yield lambda number: named.save(f"draft_{number:012d}", content(number)) and None


def our_journal(folder: Path) -> Iterator[Callable[[int], None]]:
    """The journal alone, with its entry made, checked and hashed: a note. `benchmarks/store.py` has lines at hand."""
    with Store.open(folder) as store:
        yield lambda number: store.note(CTX, "bench", content(number)) and None


def sqlite_full(folder: Path) -> Iterator[Callable[[int], None]]:
    """An insert and a commit, write-ahead log, synchronous=FULL."""
    folder.mkdir()
    base = sqlite3.connect(folder / "base.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE saved (id INTEGER PRIMARY KEY, content TEXT)")
    yield lambda number: base.execute("INSERT INTO saved (content) VALUES (?)", (json.dumps(content(number)),)) and None
    base.close()


def git_commit(folder: Path) -> Iterator[Callable[[int], None]]:
    """A git commit per save (dulwich; it fsyncs nothing)."""
    from dulwich import porcelain

    folder.mkdir()
    repo = porcelain.init(str(folder))

    def save(number: int) -> None:
        (folder / "draft.json").write_text(json.dumps(content(number)))
        porcelain.add(repo, [str(folder / "draft.json")])
        porcelain.commit(repo, message=b"save", author=b"a <a@b>", committer=b"a <a@b>")

    yield save
    repo.close()


CONTESTANTS: dict[str, Callable[[Path], Iterator[Callable[[int], None]]]] = {
    "bare loop": bare_loop,
    "store: save": our_save,
    "store: save of a new record": our_new_record,
    "store: journal alone": our_journal,
    "SQLite WAL FULL": sqlite_full,
    "git commit (dulwich)": git_commit,
}


def race(base: Path, *, rounds: int, saves: int) -> dict[str, list[float]]:
    """Saves per second of each contestant, by round."""
    running: dict[str, tuple[Iterator[Callable[[int], None]], Callable[[int], None]]] = {}
    for number, (name, contestant) in enumerate(CONTESTANTS.items()):
        try:
            generator = contestant(base / f"c{number}")
            running[name] = (generator, next(generator))
        except ImportError:
            print(f"{name}: left out, not installed")
    rates: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(rounds):
        for name, (_, save) in running.items():
            count = saves // 10 if "git" in name else saves
            began = time.perf_counter()
            for number in range(count):
                save(turn * saves + number)
            rates[name].append(count / (time.perf_counter() - began))
    for generator, _ in running.values():
        next(generator, None)
    return rates


def transaction_rates(base: Path, *, rounds: int) -> tuple[float, float]:
    """New records per second of 1,000 single saves, and of one transaction of 1,000: the medians."""
    singles, transactions = [], []
    with Store.open(base / "transactions") as store:
        for turn in range(rounds):
            began = time.perf_counter()
            for number in range(1000):
                with store.transaction(CTX) as tx:
                    tx.save(a_record(f"single{turn}-{number}"), content(turn))
            singles.append(1000 / (time.perf_counter() - began))
            began = time.perf_counter()
            with store.transaction(CTX) as tx:
                for number in range(1000):
                    tx.save(a_record(f"many{turn}-{number}"), content(turn))
            transactions.append(1000 / (time.perf_counter() - began))
    return statistics.median(singles), statistics.median(transactions)


def growth(base: Path, largest: int) -> list[tuple[int, float, float]]:
    """(snapshots in the store, seconds a save, seconds of a bare loop's save next to it) as the store grows."""
    points = []
    bare = bare_loop(base / "growth-bare")
    save_bare = next(bare)
    with Store.open(base / "growth") as store:
        total, step = 0, 0
        for size in [size for size in (1, 1_000, 10_000, 100_000, 1_000_000) if size <= largest]:
            while total < size:
                count, step = min(10_000, size - total), step + 1
                with store.transaction(CTX) as tx:
                    for number in range(count):
                        tx.save(a_record(f"c{number:05d}"), content(step))
                total += count
            ours, theirs = [], []
            for _ in range(400):
                total += 1
                began = time.perf_counter()
                with store.transaction(CTX) as tx:
                    tx.save(a_record("saved"), content(total))
                between = time.perf_counter()
                save_bare(total)
                ours.append(between - began)
                theirs.append(time.perf_counter() - between)
            points.append((size, statistics.median(ours), statistics.median(theirs)))
    next(bare, None)
    return points


def cold_listing(base: Path, *, records: int, versions: int) -> tuple[float, int]:
    """(seconds, MB) of a new process that opens a store and lists the newest of its records; best of three."""
    folder = base / f"cold{records}"
    with Store.open(folder) as store:
        for version in range(versions):
            with store.transaction(CTX) as tx:
                for number in range(records):
                    tx.save(a_record(f"c{number:06d}"), content(version))
    best = (float("inf"), 0)
    for _ in range(3):
        done = subprocess.run([sys.executable, "-c", COLD, str(folder)], capture_output=True, text=True, check=True)
        count, seconds, megabytes = done.stdout.split()
        assert int(count) == records
        best = min(best, (float(seconds), int(megabytes)))
    shutil.rmtree(folder)
    return best


def report(rates: dict[str, list[float]], singles: float, transactions: float) -> list[tuple[str, float, str]]:
    """(row, ratio, goal)."""

    def ratio(name: str, other: str) -> float:
        return statistics.median(a / b for a, b in zip(rates[name], rates[other], strict=True))

    return [
        ("save : bare loop", ratio("store: save", "bare loop"), "≥ 1.3"),
        (
            "a note : SQLite WAL FULL, old blocks too",
            ratio("store: journal alone", "SQLite WAL FULL"),
            "told only",
        ),
        ("transaction of 1,000 : 1,000 single saves", transactions / singles, "≥ 10"),
    ]


def plot(path: Path, rates: dict[str, list[float]], points: list[tuple[int, float, float]]) -> None:
    """Two panels: saves a second by contestant, and the cost of a save by the store's size."""
    import matplotlib as mpl

    mpl.use("Agg")
    import matplotlib.pyplot as plt

    figure, (left, right) = plt.subplots(1, 2, figsize=(11, 4))
    names = list(rates)
    left.barh(names, [statistics.median(rates[name]) for name in names], color="#4472a8")
    left.invert_yaxis()
    left.set_xlabel("saves a second (median)")
    left.set_title("One durable save at a time")
    sizes = [size for size, _, _ in points]
    right.plot(sizes, [ours * 1e3 for _, ours, _ in points], marker="o", color="#4472a8", label="store: save")
    right.plot(sizes, [bare * 1e3 for *_, bare in points], marker="s", color="#999999", label="bare loop beside it")
    right.legend()
    right.set_xscale("log")
    right.set_ylim(bottom=0)
    right.set_xlabel("snapshots in the store")
    right.set_ylabel("ms a save (median)")
    right.set_title("Cost of a save as the store grows")
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--saves", type=int, default=300, help="in a round")
    parser.add_argument("--largest", type=int, default=10_000, help="snapshots for the flat-cost row")
    parser.add_argument("--folder", type=Path, help="on the disk to measure; default: the temporary folder")
    parser.add_argument("--plot", type=Path, help="write a PNG")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as name:
        base = Path(name)
        rates = race(base, rounds=args.rounds, saves=args.saves)
        for contestant, found in rates.items():
            print(f"{contestant:32} {statistics.median(found):8.0f} saves/s")
        for row, ratio, goal in report(rates, *transaction_rates(base, rounds=3)):
            print(f"{row:44} {ratio:6.2f}   goal {goal}")
        seconds, megabytes = cold_listing(base, records=10_000, versions=10)
        print(f"open 100,000 snapshots, list 10,000, cold    {seconds:6.2f} s goal ≤ 1 s ({megabytes} MB)")
        seconds, megabytes = cold_listing(base, records=100_000, versions=1)
        print(f"memory of a listing of 100,000 records       {megabytes:6} MB goal < 200 MB ({seconds:.2f} s)")
        points = growth(base, args.largest)
        for size, ours, bare in points:
            print(
                f"a save in a store of {size:>9,} snapshots      {ours * 1e3:6.2f} ms  (bare loop {bare * 1e3:.2f} ms)"
            )
        if args.plot:
            plot(args.plot, rates, points)


if __name__ == "__main__":
    main()
