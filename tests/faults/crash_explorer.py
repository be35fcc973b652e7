"""Cuts the power at every operation of a script on a simulated disk, reopens in every outcome, and checks the promises.

What lives here: the oracle (what was acknowledged, what was shown, what was attempted) and the checks of S2 to S6.
What does not: the disk (`simulated_disk.py`) and the scripts (`test_power_cuts.py`).
"""

from __future__ import annotations

import itertools
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.store import Commit, RecordId, Store
from sheetsync.store.content import hash_bytes
from sheetsync.store.fsck import scan
from sheetsync.store.local import LocalBackend
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.segments import Rotation
from tests.faults.simulated_disk import SimulatedDisk

TENANT = "default"
CTX = RequestContext(tenant=TENANT, user="ada")
TOKENS = itertools.count(1)
SMALL = Rotation(entries=3, size_bytes=1 << 20)  # so that files of the journal change often


class ViolationError(AssertionError):
    """A promise was broken."""


def record(name: str) -> RecordId:
    return RecordId(TENANT, ("things", name), name)


@dataclass
class Oracle:
    """What the world was promised."""

    acknowledged: dict[int, str] = field(default_factory=dict)  # commit → the hash of its line
    shown: dict[int, str] = field(default_factory=dict)
    attempted: set[frozenset[tuple[str, str]]] = field(default_factory=set)  # whole transactions: (record, content)

    def copy(self) -> Oracle:
        return Oracle(dict(self.acknowledged), dict(self.shown), set(self.attempted))


class TestedBackend(LocalBackend):
    """The local backend, with a part that a test may have spoilt."""

    def __init__(self, disk: SimulatedDisk, make_tenant: type[LocalTenant]) -> None:
        super().__init__(disk, "simulated", rotation=SMALL, token=lambda size: f"{next(TOKENS):0{2 * size}x}")
        self._disk, self._make_tenant = disk, make_tenant

    def open_tenant(self, folder: str) -> LocalTenant:
        return self._make_tenant(self._disk, folder, SMALL, f"{next(TOKENS):012x}")


def open_store(
    disk: SimulatedDisk,
    *,
    said: list[str] | None = None,
    clock: FakeClock | None = None,
    make_tenant: type[LocalTenant] = LocalTenant,
) -> Store:
    backend = TestedBackend(disk, make_tenant)
    tell = said.append if said is not None else lambda message: None
    return Store.on(backend, tenant=TENANT, clock=clock or FakeClock(), tell=tell)


@dataclass
class Explorer:
    """Runs a script and cuts before every operation."""

    rng: random.Random
    outcomes: int = 5
    depth: int = 1  # power cuts within the recovery of a power cut
    recovery_rate: float = 0.03
    kill_rate: float = 0.05  # how often a killed process is followed by another, whose power is cut
    make_tenant: type[LocalTenant] = LocalTenant
    make_reader_disk: Callable[[SimulatedDisk], SimulatedDisk] = lambda disk: disk
    counts: Counter[str] = field(default_factory=Counter)
    oracle: Oracle = field(default_factory=Oracle)
    reader: Store | None = None

    def run(self, disk: SimulatedDisk, script: Callable[[SimulatedDisk, Explorer], None]) -> None:
        """The script, with the power cut at every operation and once at its end."""

        def cut(operation: str, path: str) -> None:
            disk.before = lambda *_: None
            self.counts["operations"] += 1
            self._show(disk)
            self.explore(disk, self.depth)
            disk.before = cut

        disk.before = cut
        script(disk, self)
        cut("end", "")

    def explore(self, disk: SimulatedDisk, depth: int) -> None:
        """Every outcome of a power cut now, and of a kill now."""
        for outcome in disk.outcomes(self.outcomes, self.rng):
            self.counts["power cuts"] += 1
            self.check(disk.after_cut(outcome), depth)
        self.counts["kills"] += 1
        self.check(disk.after_kill(), 0)
        if depth and self.rng.random() < self.kill_rate:
            self._go_on_after_kill(disk.after_kill())

    def _go_on_after_kill(self, disk: SimulatedDisk) -> None:
        """A process was killed; the next one opens and saves, and the power is cut at each of its steps."""
        oracle, self.oracle = self.oracle, self.oracle.copy()

        def cut(operation: str, path: str) -> None:
            disk.before = lambda *_: None
            for outcome in disk.outcomes(3, self.rng):
                self.counts["power cuts after a kill"] += 1
                self.check(disk.after_cut(outcome), 0)
            disk.before = cut

        disk.before = cut
        self.attempt(self.open(disk), {"a": 500_000 + self.counts["kills"]})
        cut("end", "")
        self.oracle = oracle

    def open(self, disk: SimulatedDisk, *, said: list[str] | None = None, clock: FakeClock | None = None) -> Store:
        """Open the store on the disk, as one process would."""
        return open_store(disk, said=said, clock=clock, make_tenant=self.make_tenant)

    def acknowledge(self, commit: Commit | None) -> None:
        """The script was told that this is saved."""
        if commit is not None:
            self.oracle.acknowledged[commit.number] = commit.hash

    def attempt(self, store: Store, contents: dict[str, int], why: str = "") -> None:
        """A transaction over these records."""
        self.oracle.attempted.add(frozenset((name, str(value)) for name, value in contents.items()))
        with store.transaction(CTX, why=why) as tx:
            for name, value in contents.items():
                tx.save(record(name), {"value": value, "pad": name * 20})
        self.acknowledge(tx.commit)

    def _show(self, disk: SimulatedDisk) -> None:
        """Another process looks: what it was shown must last."""
        if self.reader is not None and disk.kind("default/journal") == "folder":
            self.reader.refresh()
            for commit in self.reader.log(since=len(self.oracle.shown)):
                self.oracle.shown[commit.number] = commit.hash

    # --- checks -------------------------------------------------------------------------------------------------
    def check(self, disk: SimulatedDisk, depth: int) -> None:
        """What the next boot finds, its recovery, and what is there afterwards."""
        self._check_before_recovery(disk)
        if depth and self.rng.random() < self.recovery_rate:
            self._cut_recovery(disk, depth)
        said: list[str] = []
        store = self.open(disk, said=said)
        self._check_recovered(disk, store)
        before = disk.tree()
        said.clear()
        self._check_recovered(disk, self.open(disk, said=said))
        if said or disk.tree() != before:
            raise ViolationError(f"recovery is not idempotent: {said}")
        if self.rng.random() < 0.1:
            self._check_usable(disk)

    def _cut_recovery(self, disk: SimulatedDisk, depth: int) -> None:
        again = disk.after_kill()

        def cut(operation: str, path: str) -> None:
            again.before = lambda *_: None
            self.counts["operations in recovery"] += 1
            for outcome in again.outcomes(3, self.rng):
                self.counts["power cuts in recovery"] += 1
                self.check(again.after_cut(outcome), depth - 1)
            again.before = cut

        again.before = cut
        self.open(again)

    def _check_before_recovery(self, disk: SimulatedDisk) -> None:
        if "FORMAT" not in disk.tree():
            return
        _, scans = scan(LocalBackend(disk, "simulated"))
        codes = {finding.code for found in scans for finding in found.findings if finding.damage}
        if codes - {"missing", "changed", "truncated"}:  # names that recovery completes; anything else is damage
            raise ViolationError(f"fsck before recovery says {codes}")

    def _check_recovered(self, disk: SimulatedDisk, store: Store) -> None:
        commits = list(store.log())
        hashes = {commit.number: commit.hash for commit in commits}
        for promised in (self.oracle.acknowledged, self.oracle.shown):
            for number, line_hash in promised.items():
                if hashes.get(number) != line_hash:
                    raise ViolationError(f"S2: commit {number} was promised, and is lost")
        for commit in commits:
            whole = frozenset(
                (s.name, str(s.content["value"])) for s in commit.snapshots if isinstance(s.content, dict)
            )
            if whole and not any(whole <= attempted for attempted in self.oracle.attempted):
                raise ViolationError(f"S5: commit {commit.number} is none that was attempted")
        self._check_folders(disk, store)
        _, scans = scan(LocalBackend(disk, "simulated"))
        findings = [finding for found in scans for finding in found.findings]
        if findings:
            raise ViolationError(f"S9: fsck after recovery: {findings}")

    def _check_folders(self, disk: SimulatedDisk, store: Store) -> None:
        tree = disk.tree()
        expected: dict[str, str] = {}
        for rid in store.records(TENANT):
            history = list(store.history(rid))
            names = [snapshot.filename for snapshot in history]
            if names != sorted(names) or [s.version for s in history] != list(range(1, len(history) + 1)):
                raise ViolationError(f"S3: {names} do not rise")
            latest = store.latest(rid)
            if latest is None or latest != history[-1]:
                raise ViolationError("S3: the newest snapshot is not the last of the history")
            contents = [str(snapshot.content) for snapshot in history]
            if any(a == b for a, b in itertools.pairwise(contents)):
                raise ViolationError("S4: noise")
            expected |= {f"{TENANT}/{snapshot.path}": snapshot.hash for snapshot in history}
        there = {path: hash_bytes(data) for path, data in tree.items() if path.startswith(f"{TENANT}/things/")}
        if there != expected:
            raise ViolationError(f"S3: folders are not what the journal says: {set(there) ^ set(expected)}")

    def _check_usable(self, disk: SimulatedDisk) -> None:
        oracle, self.oracle = self.oracle, self.oracle.copy()
        store = self.open(disk)
        self.attempt(store, {"a": 1_000_000 + self.counts["power cuts"], "z": 7})
        self._check_recovered(disk, store)
        self._check_recovered(disk, self.open(disk.after_kill()))
        self.oracle = oracle
