"""The power is cut at every operation of every script, in every (or a sample of) outcome; the promises must hold."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from tests.faults.crash_explorer import Explorer, open_store
from tests.faults.crash_scripts import SCRIPTS
from tests.faults.simulated_disk import SimulatedDisk

DISKS = {"harsh": (True, False), "harsh, nameless files": (True, True), "ordered, nameless files": (False, True)}


@pytest.mark.parametrize("script", SCRIPTS)
@pytest.mark.parametrize("kind", DISKS)
def test_no_promise_breaks_wherever_the_power_is_cut(
    script: str, kind: str, record_property: Callable[[str, object], None]
) -> None:
    harsh, nameless = DISKS[kind]
    disk = SimulatedDisk(harsh=harsh, nameless=nameless)
    open_store(disk).close()
    explorer = Explorer(random.Random(f"{script}{kind}"), outcomes=4)
    explorer.reader = open_store(disk)
    explorer.run(disk, SCRIPTS[script])
    print(f"{script}, {kind}: {dict(explorer.counts)}, violations: 0")
    record_property("crash_counts", dict(explorer.counts))


@pytest.mark.parametrize("harsh", [True, False], ids=["harsh", "ordered"])
def test_making_a_store_can_be_cut_anywhere(harsh: bool) -> None:
    explorer = Explorer(random.Random(1), outcomes=8)
    explorer.run(SimulatedDisk(harsh=harsh), lambda disk, told: told.attempt(told.open(disk), {"a": 1}))
    print(f"making, harsh={harsh}: {dict(explorer.counts)}, violations: 0")


@pytest.mark.parametrize("harsh", [True, False], ids=["harsh", "ordered"])
def test_no_promise_breaks_where_checkpoints_make_all_durable_at_once(harsh: bool) -> None:
    disk = SimulatedDisk(harsh=harsh, can_sync_all=True, nameless=True)
    open_store(disk).close()
    explorer = Explorer(random.Random(2), outcomes=4)
    explorer.reader = open_store(disk)
    explorer.run(disk, SCRIPTS["checkpoints"])
    print(f"checkpoints, all at once, harsh={harsh}: {dict(explorer.counts)}, violations: 0")


@pytest.mark.torture
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("seed", range(20))
def test_no_promise_breaks_in_long_random_scripts(seed: int) -> None:
    rng = random.Random(seed)

    def script(disk: SimulatedDisk, explorer: Explorer) -> None:
        for value in range(12):
            store = explorer.open(disk)
            names = rng.sample("abcd", rng.randrange(1, 4))
            explorer.attempt(store, dict.fromkeys(names, rng.randrange(3) * 10 + value % 2))
            if rng.random() < 0.3:
                store.compact()

    disk = SimulatedDisk(harsh=seed % 2 == 0, can_sync_all=seed % 3 == 0, nameless=seed % 4 < 2)
    open_store(disk).close()
    explorer = Explorer(rng, outcomes=8, recovery_rate=0.1)
    explorer.reader = open_store(disk)
    explorer.run(disk, script)
    print(f"seed {seed}: {dict(explorer.counts)}, violations: 0")
