"""Laws that hold after any history of imports, edits, publications and retirements; and imports that are killed."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import version_rises
from sheetsync.island.manifest import all_manifests, source_of
from sheetsync.island.reader import IslandReader
from sheetsync.services.drafts import discard_draft, edit_draft
from sheetsync.services.importing import import_paths
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Rules, Workspace
from sheetsync.store import SourceBytes, Store

TOOLS = ("a", "b", "c", "d")
FILES = ("one", "two")
DECIDED = FirearmBinding(firearm_id=None)


class ImportHistory(RuleBasedStateMachine):
    """One provider whose files people change, an operator who decides, publishes, discards and retires."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = FakeClock()
        self.store = Store.open("memory://", clock=self.clock)
        self.ws = Workspace(self.store, RequestContext(user="ana"), rules=Rules(False), clock=self.clock)
        self.published: list[str] = []  # versions, in order
        self.files: dict[str, frozenset[str]] = {}

    @initialize(folder=st.just(None), tools=st.sets(st.sampled_from(TOOLS), min_size=1))
    def start(self, folder: None, tools: set[str]) -> None:
        import tempfile

        self._kept = tempfile.TemporaryDirectory()
        self.folder = Path(self._kept.name) / "tides"
        self.folder.mkdir()
        self.write("one", tools)

    def write(self, name: str, tools: set[str]) -> None:
        made = {tool: {"method": "GET", "path": "/", "description": tool} for tool in sorted(tools)}
        value = {"namespace": "tides", "name": name, "version": "4.0.0", "tools": made}
        (self.folder / f"{name}.json").write_text(json.dumps(value))
        self.files[name] = frozenset(tools)

    @rule(name=st.sampled_from(FILES), tools=st.sets(st.sampled_from(TOOLS), min_size=1))
    def change_a_file(self, name: str, tools: set[str]) -> None:
        self.write(name, tools)

    @precondition(lambda self: len(self.files) > 1)
    @rule(name=st.sampled_from(FILES))
    def remove_a_file(self, name: str) -> None:
        (self.folder / f"{name}.json").unlink()
        del self.files[name]

    @rule()
    def import_it(self) -> None:
        self.clock.advance(1)
        newest_before = self.ws.catalogue().newest_open("tides")
        report = import_paths(self.ws, [self.folder])
        assert report.problems == []
        again = import_paths(self.ws, [self.folder])
        assert (again.created, again.changed, again.proposals) == ([], [], [])
        for proposal in report.proposals:
            draft = proposal.draft
            assert draft.spec_snapshot.scope_names() == self.scopes()
            assert set(draft.policy_snapshot.firearms) <= set(self.scopes())
            if newest_before is not None and not newest_before.draft.retires:
                kept = newest_before.draft.policy_snapshot.firearms
                assert draft.policy_snapshot.firearms == {k: v for k, v in kept.items() if k in self.scopes()}
                assert version_rises(newest_before.draft.spec_snapshot.version, draft.spec_snapshot.version)
            for version in self.published:
                assert version_rises(version, draft.spec_snapshot.version)

    def scopes(self) -> tuple[str, ...]:
        return tuple(sorted(f"{name}.{tool}" for name, tools in self.files.items() for tool in tools))

    @precondition(lambda self: self.ws.catalogue().newest_open("tides") is not None)
    @rule(publish=st.booleans())
    def decide_and_perhaps_publish(self, publish: bool) -> None:
        stored = self.ws.catalogue().newest_open("tides")
        assert stored is not None
        if not stored.draft.retires:
            scopes = stored.draft.spec_snapshot.scope_names()
            edit_draft(self.ws, stored.draft.id, firearms={scopes[0]: DECIDED} if scopes else {})
        if publish:
            verify_drafts(self.ws, [stored.draft.id])
            publish_drafts(self.ws, [stored.draft.id])
            live = self.ws.catalogue().published("tides")
            assert live is not None
            self.published.append(live.spec.version)

    @precondition(lambda self: self.ws.catalogue().newest_open("tides") is not None)
    @rule()
    def discard(self) -> None:
        stored = self.ws.catalogue().newest_open("tides")
        assert stored is not None
        discard_draft(self.ws, stored.draft.id, "no")

    @precondition(lambda self: self.ws.catalogue().published_ids() == ["tides"])
    @rule()
    def retire(self) -> None:
        publish_drafts(self.ws, [retire_connector(self.ws, "tides").draft.id])

    @invariant()
    def published_versions_rise(self) -> None:
        assert all(version_rises(a, b) for a, b in zip(self.published, self.published[1:], strict=False) if a != b)

    @invariant()
    def the_island_holds_whole_sources(self) -> None:
        for manifest in all_manifests(self.store, "default", "providers").values():
            for entry in manifest.entries:
                source_of(self.store, "default", manifest, entry)

    def teardown(self) -> None:
        self.store.close()
        if hasattr(self, "_kept"):
            self._kept.cleanup()


TestImportHistory = ImportHistory.TestCase
TestImportHistory.settings = settings(
    max_examples=15, stateful_step_count=12, deadline=None, suppress_health_check=list(HealthCheck)
)

RUN = """
import sys
from pathlib import Path
from sheetsync.domain.context import RequestContext
from sheetsync.services.importing import import_paths
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store
store = Store.open(sys.argv[1])
print("ready", flush=True)
import_paths(Workspace(store, RequestContext(user="ana")), [Path(sys.argv[2])])
"""


def library(root: Path, count: int) -> Path:
    for number in range(count):
        folder = root / f"p{number:03}"
        folder.mkdir(parents=True)
        for name in ("x", "y"):
            tools = {"t": {"method": "GET", "path": "/", "description": "t"}}
            value: dict[str, Any] = {"namespace": folder.name, "name": name, "version": "4.0.0", "tools": tools}
            (folder / f"{name}.json").write_text(json.dumps(value))
    return root


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_killed_import_leaves_each_provider_whole_or_absent(tmp_path: Path, seed: int) -> None:
    root = library(tmp_path / "library", 150)
    command = [sys.executable, "-c", RUN, str(tmp_path / "store"), str(root)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.Random(seed).uniform(0.02, 0.4))  # a moment in the run; any is good
        process.send_signal(signal.SIGKILL)
    with Store.open(tmp_path / "store") as store:
        ws = Workspace(store, RequestContext(user="ana"))
        reader = IslandReader(store, "default")
        there = list(all_manifests(store, "default", "providers"))
        for namespace in there:
            content = reader.provider(namespace)
            assert content is not None
            assert sorted(content.schemas) == ["x", "y"]
        folders = {record.folder[1] for record in store.records("default", ("providers",))}
        assert folders == set(there)
        assert sorted(line.connector_id for line in ws.catalogue().lines()) == there
        report = import_paths(ws, [root])
        assert (len(report.created) + len(report.skipped), report.problems) == (150, [])
        assert len(ws.catalogue().lines("open")) == 150
        snapshot = store.latest(next(iter(store.records("default", ("providers", "p000", "x")))))
        assert snapshot is not None
        assert isinstance(snapshot.content, SourceBytes)
