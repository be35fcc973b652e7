"""The store on local disk: a durable save, a transaction, and opening a large store cold."""

from __future__ import annotations

import os
import sqlite3
import statistics
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.disks import fresh_ext4, slow_fsync
from benchmarks.measure import Result, seconds_of, timed
from sheetsync import RequestContext
from sheetsync.store import RecordId, Store
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import FIRST_PREV, encode_line

SAVES = 300
ROUNDS = 6
BULK_ROUNDS = 5
SLOW_FSYNC_S = 0.002  # an ordinary SSD's
RECORDS = 1_000
LARGE_RECORDS = 10_000
VERSIONS = 10
CONTENT = {"connector_id": "github", "firearms": {f"scope{n}": {"firearm_id": None} for n in range(12)}, "n": 0}
INSERT = "INSERT INTO entries (line) VALUES (?)"
CTX = RequestContext(user="bench")
LIST = """
import sys
from sheetsync.store import Store
store = Store.open(sys.argv[1], create=False)
assert len(store.records("default", ())) == int(sys.argv[2])
assert sum(1 for _ in store.latest_all("default", ())) == int(sys.argv[2])
"""


def run(folder: Path) -> Iterator[Result]:
    """Rates as ratios on this disk and on an ordinary one, then one cold open."""
    yield from _on_disk(folder / "here", "")
    with fresh_ext4(folder) as ordinary:
        if ordinary is not None:
            yield from _on_disk(ordinary / "here", ", on a fresh ext4")
    if ordinary is None:  # not root: the next best is to pretend
        with slow_fsync(SLOW_FSYNC_S):
            yield from _ratios(folder / "slow", f", were an fsync {SLOW_FSYNC_S * 1000:.0f} ms")
    large = folder / "large"
    with Store.open(large) as store:
        for version in range(VERSIONS):
            for start in range(0, LARGE_RECORDS, RECORDS):
                _transaction(store, f"large{start}", version, RECORDS)
        store.compact()
    cold = seconds_of([sys.executable, "-c", LIST, str(large), str(LARGE_RECORDS)], runs=3)
    what = f"open {LARGE_RECORDS * VERSIONS} snapshots, list the latest of {LARGE_RECORDS}, cold"
    yield Result(what, f"{cold:.2f} s", "1 s", cold <= 1)


def _on_disk(folder: Path, where: str) -> Iterator[Result]:
    folder.mkdir()
    cost = timed(lambda: _appends(folder / "appends")) / SAVES
    yield Result(f"an append and its fdatasync{where}", f"{cost * 1000:.2f} ms", "told only", True)
    yield from _ratios(folder / "ratios", where)
    alone, note, later = _journal_to_sqlite(folder / "journal")
    yield Result(f"the journal alone against SQLite (WAL, FULL){where}", f"{alone:.2f} ×", "1 ×", alone >= 1)
    what = f"a note, its entry made, checked and hashed, against SQLite's row that is at hand{where}"
    yield Result(what, f"{note:.2f} ×", "told only", True)
    what = f"the same once SQLite writes over the blocks of its log{where}"
    yield Result(what, f"{later:.2f} ×", "told only", True)


def _ratios(folder: Path, where: str) -> Iterator[Result]:
    folder.mkdir()
    with Store.open(folder / "single") as store:
        for found in (_single(store, folder), *_bulk(store, folder)):
            yield Result(found.what + where, found.value, found.reach, found.good)


def _single(store: Store, folder: Path) -> Result:
    """Saves of records that are there against the bare loop, taking turns; medians of the rates."""
    ours, bares = [], []
    for turn in range(ROUNDS):
        bares.append(SAVES / timed(lambda at=turn: _bare_saves(folder / f"bare{at}")))
        ours.append(SAVES / timed(lambda at=turn: _single_saves(store, at)))
    bare, single = map(statistics.median, (bares, ours))
    value = f"{single / bare:.2f} × bare ({single:.0f}/s)"
    return Result("durable single save", value, "1.3 ×", single >= 1.3 * bare)


def _bulk(store: Store, folder: Path) -> Iterator[Result]:
    yield from _new(store, folder)
    yield _next_versions(store)


def _next_versions(store: Store) -> Result:
    """New versions of records that are there, one by one and in one transaction, taking turns; medians of the rates."""
    singles, bulks = [], []
    for turn in range(BULK_ROUNDS + 1):
        single = RECORDS / timed(lambda at=turn: _saves(store, "one", at))
        bulk = RECORDS / timed(lambda at=turn: _transaction(store, "all", at, RECORDS))
        if turn:  # the first ones make the records
            singles.append(single)
            bulks.append(bulk)
    single, bulk = map(statistics.median, (singles, bulks))
    value = f"{bulk / single:.1f} × single saves of them ({bulk:.0f}/s, {1e6 / bulk:.0f} µs a record)"
    return Result(f"one transaction of {RECORDS} records that are there", value, "10 ×", bulk >= 10 * single)


def _new(store: Store, folder: Path) -> Iterator[Result]:
    """New records one by one, in one transaction, and as bare folders and files, taking turns; medians of the rates."""
    singles, bulks, bares = [], [], []
    for turn in range(BULK_ROUNDS):
        singles.append(RECORDS / timed(lambda at=turn: _saves(store, f"new{at}", 0)))
        bulks.append(RECORDS / timed(lambda at=turn: _transaction(store, f"many{at}", 0, RECORDS)))
        bares.append(RECORDS / timed(lambda at=turn: _bare_names(folder / f"names{at}")))
    single, bulk, bare = map(statistics.median, (singles, bulks, bares))
    value = f"{bulk / single:.1f} × single saves of new records ({bulk:.0f}/s, {1e6 / bulk:.0f} µs a record)"
    yield Result(f"one transaction of {RECORDS} new records", value, "10 ×", bulk >= 10 * single)
    what = f"the same against a bare loop of {RECORDS} folders and files, without any sync"
    yield Result(what, f"{bulk / bare:.2f} × ({bare:.0f}/s, {bare / single:.1f} × single saves)", "told only", True)


def _appends(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for _ in range(SAVES):
        os.write(descriptor, b"x" * 700)
        os.fdatasync(descriptor)
    os.close(descriptor)


def _record(name: str) -> RecordId:
    return RecordId("default", ("components", name), name)


def _single_saves(store: Store, turn: int) -> None:
    for number in range(SAVES):
        with store.transaction(CTX, why="bench") as tx:
            tx.save(_record(f"single{number % 10}"), CONTENT | {"n": number, "turn": turn})


def _saves(store: Store, prefix: str, version: int) -> None:
    for number in range(RECORDS):
        with store.transaction(CTX, why="bench") as tx:
            tx.save(_record(f"{prefix}-{number}"), CONTENT | {"n": number, "version": version})


def _transaction(store: Store, prefix: str, version: int, records: int) -> None:
    with store.transaction(CTX, why="bench") as tx:
        for number in range(records):
            tx.save(_record(f"{prefix}-{number}"), CONTENT | {"n": number, "version": version})


def _bare_saves(folder: Path) -> None:
    """What a careful program does for one file: write, fsync, link, fsync the folder."""
    folder.mkdir()
    data = b"x" * 700
    directory = os.open(folder, os.O_RDONLY)
    for number in range(SAVES):
        temporary = folder / f"tmp{number}"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        os.write(descriptor, data)
        os.fsync(descriptor)
        os.close(descriptor)
        os.link(temporary, folder / f"{number}.json")
        temporary.unlink()
        os.fsync(directory)
    os.close(directory)


def _bare_names(folder: Path) -> None:
    """What no program that leaves the same folders and files can do without: nothing of it is durable."""
    folder.mkdir()
    data = b"x" * 700
    for number in range(RECORDS):
        record = folder / f"new-{number}"
        record.mkdir()
        descriptor = os.open(record / f"new-{number}--2026-01-07T12-00-00Z--0123abcd.json", os.O_WRONLY | os.O_CREAT)
        os.write(descriptor, data)
        os.close(descriptor)


def _journal_to_sqlite(folder: Path) -> tuple[float, float, float]:
    """The median ratios of the rates, taking turns: of the journal alone, of notes, of notes when SQLite's log is full.

    The journal alone is what a commit does with its line: lock, look, append, make it durable, look at it again. Both
    are given what they write ready-made: SQLite a row's bytes, the journal a line.
    """
    folder.mkdir()
    base = sqlite3.connect(folder / "journal.db", isolation_level=None)
    base.execute("PRAGMA journal_mode=WAL")
    base.execute("PRAGMA synchronous=FULL")
    base.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, line BLOB)")

    def rows(size: int) -> float:
        data = b"x" * size
        return timed(lambda: [base.execute(INSERT, (data,)) for _ in range(SAVES // ROUNDS)] and None)

    with Store.open(folder / "lines") as lines, Store.open(folder / "store") as store:
        made = _lines(SAVES)

        def alone(turn: int) -> float:
            own = made[turn * SAVES // ROUNDS : (turn + 1) * SAVES // ROUNDS]
            ours = timed(lambda: _add_lines(lines, own, turn * SAVES // ROUNDS + 1))
            return rows(len(own[0])) / ours

        def notes() -> float:
            ours = timed(lambda: [store.note(CTX, "bench", CONTENT) for _ in range(SAVES // ROUNDS)] and None)
            return rows(700) / ours

        turns = [(alone(turn), notes()) for turn in range(ROUNDS)]
        first, second = (statistics.median(ratios) for ratios in zip(*turns, strict=True))
        base.execute("PRAGMA wal_checkpoint(RESTART)")
        later = statistics.median([notes() for _ in range(ROUNDS)])
    base.close()
    with Store.open(folder / "lines") as lines:
        assert lines.head() == SAVES  # they are entries, each upon the one before
    return first, second, later


def _lines(count: int) -> list[bytes]:
    """Lines of a store's first entries, each upon the one before."""
    made: list[bytes] = []
    for number in range(1, count + 1):
        line = encode_line(
            number=number, entry_id=f"{number:016x}", at=datetime.now(UTC), who="bench", why="bench",
            prev=hash_bytes(made[-1]) if made else FIRST_PREV, changes=[], details=CONTENT,
        )  # fmt: skip
        made.append(line)
    return made


def _add_lines(store: Store, lines: list[bytes], first: int) -> None:
    """A commit's steps with its line, and nothing else."""
    part = store._part
    for number, line in enumerate(lines, first):
        with part.exclusive():
            part.new_lines()
            assert part.add(number, line)
