"""The store on local disk: a durable save, a transaction, and opening a large store cold."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Result, seconds_of, timed
from sheetsync import RequestContext
from sheetsync.store import RecordId, Store

SAVES = 300
RECORDS = 1_000
LARGE_RECORDS = 10_000
VERSIONS = 10
CONTENT = {"connector_id": "github", "firearms": {f"scope{n}": {"firearm_id": None} for n in range(12)}, "n": 0}
CTX = RequestContext(user="bench")
LIST = """
import sys
from sheetsync.store import Store
store = Store.open(sys.argv[1], create=False)
assert len(store.records("default", ())) == int(sys.argv[2])
assert sum(1 for _ in store.latest_all("default", ())) == int(sys.argv[2])
"""


def run(folder: Path) -> Iterator[Result]:
    """Rates as ratios, then one cold open."""
    bare = SAVES / timed(lambda: _bare_saves(folder / "bare"))
    with Store.open(folder / "single") as store:
        single = SAVES / timed(lambda: _single_saves(store))
        yield Result(
            "durable single save", f"{single / bare:.2f} × bare ({single:.0f}/s)", "1.3 ×", single >= 1.3 * bare
        )
        sqlite = SAVES / timed(lambda: _sqlite_saves(folder / "journal.db"))
        yield Result(
            "the same against SQLite (WAL, FULL)", f"{single / sqlite:.2f} ×", "told only: names included", True
        )
        one_by_one = RECORDS / timed(lambda: _new_records(store))
        many = RECORDS / timed(lambda: _transaction(store, "many", 0, RECORDS))
    what = f"one transaction of {RECORDS} records"
    value = f"{many / one_by_one:.1f} × single saves of new records ({many:.0f}/s)"
    yield Result(what, value, "10 ×", many >= 10 * one_by_one)
    names = RECORDS / timed(lambda: _bare_names(folder / "names"))
    what = f"the same against a bare loop of {RECORDS} folders and files, without any sync"
    yield Result(
        what, f"{many / names:.2f} × ({names:.0f}/s, {names / one_by_one:.1f} × single saves)", "told only", True
    )
    large = folder / "large"
    with Store.open(large) as store:
        for version in range(VERSIONS):
            for start in range(0, LARGE_RECORDS, RECORDS):
                _transaction(store, f"large{start}", version, RECORDS)
        store.compact()
    cold = seconds_of([sys.executable, "-c", LIST, str(large), str(LARGE_RECORDS)], runs=3)
    what = f"open {LARGE_RECORDS * VERSIONS} snapshots, list the latest of {LARGE_RECORDS}, cold"
    yield Result(what, f"{cold:.2f} s", "1 s", cold <= 1)


def _record(name: str) -> RecordId:
    return RecordId("default", ("components", name), name)


def _single_saves(store: Store) -> None:
    for number in range(SAVES):
        with store.transaction(CTX, why="bench") as tx:
            tx.save(_record(f"single{number % 10}"), CONTENT | {"n": number})


def _new_records(store: Store) -> None:
    for number in range(RECORDS):
        with store.transaction(CTX, why="bench") as tx:
            tx.save(_record(f"new-{number}"), CONTENT | {"n": number})


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


def _sqlite_saves(path: Path) -> None:
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("CREATE TABLE entries (number INTEGER PRIMARY KEY, line BLOB)")
    for number in range(SAVES):
        connection.execute("INSERT INTO entries VALUES (?, ?)", (number, b"x" * 700))
    connection.close()
