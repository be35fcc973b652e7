"""Real processes killed with -9 at random moments: every acknowledged save is there, every transaction whole."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StaleSnapshotError
from sheetsync.store import RecordId, Store, fsck

pytestmark = pytest.mark.filterwarnings("ignore:.*use of fork:DeprecationWarning")  # Python 3.12 warns
CTX = RequestContext(user="ada")
PER_TRANSACTION = 3


def a_record(name: str) -> RecordId:
    return RecordId("default", ("things", name), name)


def write_forever(folder: Path, who: int, told: int) -> None:
    """Saves, transactions over three records, and lost races; every acknowledged commit is told through the pipe."""
    store = Store.open(folder)
    number = 0
    while True:
        number += 1
        names = [f"own{who}"] if number % 2 else ["x", "y", "z"]
        base = store.latest(a_record(names[0]))
        try:
            with store.transaction(CTX, why=f"{who}/{number}") as tx:
                for name in names:
                    expected = base if name == names[0] else store.latest(a_record(name))
                    tx.save(a_record(name), {"by": who, "n": number}, expected=expected)
        except StaleSnapshotError:
            continue
        if tx.commit is not None:
            os.write(told, f"{tx.commit.number} {tx.commit.hash}\n".encode())
        if number % 40 == 0:
            store.compact()
        if number % 25 == 0:
            store = Store.open(folder)


def start_writer(folder: Path, who: int) -> tuple[int, int]:
    """(pid, the reading end of its pipe)."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.close(reading)
            write_forever(folder, who, writing)
        finally:
            os._exit(1)
    os.close(writing)
    return pid, reading


def read_all(descriptor: int) -> bytes:
    parts = []
    while chunk := os.read(descriptor, 65536):
        parts.append(chunk)
    os.close(descriptor)
    return b"".join(parts)


def kill_round(folder: Path, rng: random.Random) -> int:
    """Two writers, each killed at a random moment; then everything that was promised is checked. Commits checked."""
    writers = [start_writer(folder, who) for who in range(2)]
    for pid, _ in writers:
        time.sleep(rng.uniform(0.0, 0.06))
        os.kill(pid, signal.SIGKILL)
    acknowledged: dict[int, str] = {}
    for pid, reading in writers:
        os.waitpid(pid, 0)
        for line in read_all(reading).decode().splitlines():
            number, hash_hex = line.split(" ")
            acknowledged[int(number)] = hash_hex
    store = Store.open(folder)
    commits = {commit.number: commit for commit in store.log()}
    assert list(commits) == list(range(1, len(commits) + 1))
    assert {number: commits[number].hash for number in acknowledged} == acknowledged
    for commit in commits.values():
        names = {snapshot.name for snapshot in commit.snapshots}
        assert names == {"x", "y", "z"} or len(names) == 1, f"commit {commit.number} is not whole: {names}"
    for record in store.records("default"):
        latest = store.latest(record)
        assert latest is not None
        assert max(path.name for path in (folder / "default/things" / record.name).iterdir()) == latest.filename
    store.close()
    report = fsck(folder)
    assert report.findings == ()
    return len(acknowledged)


def run_rounds(folder: Path, rounds: int, seed: int) -> None:
    rng, acknowledged = random.Random(seed), 0
    for number in range(rounds):
        acknowledged += kill_round(folder / f"store{number // 8}", rng)
    print(f"{2 * rounds} processes killed with -9, {acknowledged} acknowledged commits, violations: 0")
    assert acknowledged or rounds < 10


def test_kills_lose_nothing(tmp_path: Path) -> None:
    run_rounds(tmp_path, 12, seed=1)


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(4))
def test_hundreds_of_kills_lose_nothing(tmp_path: Path, seed: int) -> None:
    run_rounds(tmp_path, 100, seed=seed)


def test_a_killed_holder_of_the_locks_delays_nobody(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            held = Store.open(tmp_path / "store").lease("sync", who="ada")
            os.write(writing, held.name.encode())
            time.sleep(60)
        finally:
            os._exit(1)
    assert os.read(reading, 4) == b"sync"
    store = Store.open(tmp_path / "store")
    assert [(info.who, info.pid) for info in store.held()] == [("ada", pid)]
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    began = time.monotonic()
    store.lease("sync", who="bob").release()
    assert time.monotonic() - began < 1.0
    for descriptor in (reading, writing):
        os.close(descriptor)
