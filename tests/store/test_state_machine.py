"""Hypothesis drives saves, transactions, crashes, reopenings and the clock against a plain dict of histories."""

from __future__ import annotations

import random

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from sheetsync.domain.clock import FakeClock
from sheetsync.errors import StaleSnapshotError
from sheetsync.store import UNSET, Snapshot, Store
from tests.faults.crash_explorer import CTX, open_store, record
from tests.faults.simulated_disk import SimulatedDisk

NAMES = st.sampled_from(["a", "b", "c"])
VALUES = st.integers(min_value=0, max_value=3)


class StoreMachine(RuleBasedStateMachine):
    """Two processes share a store; `model` is what a perfect one would hold."""

    snapshots: Bundle[Snapshot | None] = Bundle("snapshots")

    @initialize(harsh=st.booleans(), nameless=st.booleans(), seed=st.integers(0, 2**16))
    def begin(self, harsh: bool, nameless: bool, seed: int) -> None:
        self.disk, self.clock = SimulatedDisk(harsh=harsh, nameless=nameless), FakeClock()
        self.rng = random.Random(seed)
        self.model: dict[str, list[int]] = {}
        self.commits = 0
        self.stores: list[Store] = [self.reopen(), self.reopen()]

    def reopen(self) -> Store:
        return open_store(self.disk, clock=self.clock)

    def would_be_stale(self, name: str, expected: Snapshot | None) -> bool:
        return (expected.version if expected else 0) != len(self.model.get(name, []))

    @rule(target=snapshots, who=st.sampled_from([0, 1]), name=NAMES, value=VALUES)
    def save(self, who: int, name: str, value: int) -> Snapshot | None:
        with self.stores[who].transaction(CTX) as tx:
            tx.save(record(name), {"value": value}, expected=UNSET)
        history = self.model.setdefault(name, [])
        assert (tx.commit is None) == (history[-1:] == [value])
        if tx.commit is not None:
            history.append(value)
            self.commits += 1
        return tx.snapshots[record(name)]

    @rule(target=snapshots, who=st.sampled_from([0, 1]), base=snapshots, value=VALUES)
    def save_upon(self, who: int, base: Snapshot | None, value: int) -> Snapshot | None:
        if base is None:
            return None
        stale = self.would_be_stale(base.name, base)
        try:
            with self.stores[who].transaction(CTX) as tx:
                tx.save(base.record, {"value": value}, expected=base)
        except StaleSnapshotError:
            assert stale
            return self.stores[who].latest(base.record)
        assert not stale
        if tx.commit is not None:
            self.model[base.name].append(value)
            self.commits += 1
        return tx.snapshots[base.record]

    @rule(who=st.sampled_from([0, 1]), names=st.sets(NAMES, min_size=2), value=VALUES)
    def transaction(self, who: int, names: set[str], value: int) -> None:
        with self.stores[who].transaction(CTX) as tx:
            for name in sorted(names):
                tx.save(record(name), {"value": value})
        changed = [name for name in sorted(names) if self.model.get(name, [])[-1:] != [value]]
        assert [s.name for s in tx.commit.snapshots] == changed if tx.commit else not changed
        for name in changed:
            self.model.setdefault(name, []).append(value)
        self.commits += bool(changed)

    @rule(seconds=st.integers(min_value=-3600, max_value=3600))
    def turn_the_clock(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def power_cut(self) -> None:
        self.disk = self.disk.after_cut(self.rng.choice(self.disk.outcomes(8, self.rng)))
        self.stores = [self.reopen(), self.reopen()]

    @rule(who=st.sampled_from([0, 1]))
    def kill_and_reopen(self, who: int) -> None:
        self.stores[who] = self.reopen()

    @rule(who=st.sampled_from([0, 1]))
    def compact(self, who: int) -> None:
        self.stores[who].compact()

    @invariant()
    def both_processes_see_the_model(self) -> None:
        for store in getattr(self, "stores", []):
            assert store.head() == self.commits
            for name, values in self.model.items():
                history = list(store.history(record(name)))
                assert [s.content["value"] for s in history if isinstance(s.content, dict)] == values
                names = [s.filename for s in history]
                assert sorted(names) == names
                assert sorted(self.disk.listdir(f"default/things/{name}"))[-1:] == names[-1:]


TestStoreMachine = StoreMachine.TestCase
TestStoreMachine.settings = settings(max_examples=40, stateful_step_count=25, deadline=None, print_blob=True)
