"""Publish interrupted at any of its steps leaves all registries old or all new: by an error, and by kill -9."""

from __future__ import annotations

import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmBinding, FirearmCatalogue
from sheetsync.registry.catalogue import Catalogue
from sheetsync.registry.publish import PublishRules, apply_publication, plan_publication
from sheetsync.services.drafts import edit_draft, new_draft
from sheetsync.services.publishing import verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.store import RecordId, Store, Transaction

CONNECTORS = ("alpha", "beta", "gamma")
NEVER = 10**9
KILLS = 8


class BoomError(Exception):
    """What interrupts."""


def prepare(ws: Workspace) -> list[str]:
    """Three connectors published once; three verified drafts that tighten each."""
    first = [new_draft(ws, name, {"scopes": [{"name": "write"}]}).draft.id for name in CONNECTORS]
    verify_drafts(ws, first)
    _publish(ws, first)
    drafts = [new_draft(ws, name).draft.id for name in CONNECTORS]
    for draft_id in drafts:
        kpi = {"calls": {"impact_type": "count", "formula": "usage.count"}}
        edit_draft(ws, draft_id, kpis=kpi)
    verify_drafts(ws, drafts)
    return drafts


def _publish(ws: Workspace, ids: list[str], *, before_step: Callable[[int], None] = lambda step: None) -> None:
    catalogue = ws.catalogue()
    plan = plan_publication(catalogue, ids, firearms=ws.firearms, rules=PublishRules(), clock=ws.clock)
    with ws.store.transaction(ws.ctx, why="publish") as tx:
        apply_publication(catalogue, plan, _Steps(tx, before_step))  # type: ignore[arg-type]
        before_step(-1)


class _Steps:
    """A transaction that calls out before each save."""

    def __init__(self, tx: Transaction, before_step: Callable[[int], None]) -> None:
        self._tx, self._before, self._step = tx, before_step, 0

    def save(self, record: RecordId, content: Any, **options: Any) -> None:
        self._before(self._step)
        self._step += 1
        self._tx.save(record, content, **options)


def state(catalogue: Catalogue) -> set[str]:
    """`old` or `new`, for each record of each registry and for each draft."""
    found = set()
    for name in CONNECTORS:
        published = catalogue.published(name)
        assert published is not None
        stamps = {published.component.draft_id, published.firearms.draft_id, published.kpis.draft_id}
        assert len(stamps) == 1, "the three records of a connector are of different publications"
        found.add("new" if "calls" in published.kpis.kpis else "old")
    found |= {"old" if line.status == "open" else "new" for line in catalogue.lines() if line.id in _newest(catalogue)}
    return found


def _newest(catalogue: Catalogue) -> set[str]:
    return {catalogue.lines(None, name)[-1].id for name in CONNECTORS}


@pytest.mark.parametrize("step", [*range(12), -1])
def test_an_error_at_any_step_leaves_all_old(ws: Workspace, step: int) -> None:
    drafts = prepare(ws)
    head = ws.store.head()

    def boom(now: int) -> None:
        if now == step:
            raise BoomError

    with pytest.raises(BoomError):
        _publish(ws, drafts, before_step=boom)
    assert ws.store.head() == head
    assert state(ws.catalogue()) == {"old"}
    _publish(ws, drafts)
    assert state(ws.catalogue()) == {"new"}


CHILD = textwrap.dedent(
    """
    import os, signal, sys
    from pathlib import Path
    from sheetsync.domain.context import RequestContext
    from sheetsync.services.publishing import publish_drafts
    from sheetsync.services.workspace import Workspace
    from sheetsync.store import Store

    folder, kill_at, *drafts = sys.argv[1:]
    store = Store.open(Path(folder))
    steps = 0
    CALLS = {"open", "write", "writev", "pwrite", "fsync", "fdatasync", "link", "rename", "replace", "mkdir", "close"}

    def trace(frame, event, function):
        # counts each system call before it is made, and again after it
        global steps
        if event in ("c_call", "c_return") and function.__name__ in CALLS:
            steps += 1
            if steps == int(kill_at):
                os.kill(os.getpid(), signal.SIGKILL)

    sys.setprofile(trace)
    publish_drafts(Workspace(store, RequestContext(user="ben")), drafts)
    sys.setprofile(None)
    print(steps)
    """
)


@pytest.fixture
def folder(tmp_path: Path, clock: FakeClock) -> tuple[Path, list[str]]:
    """A store with three drafts that wait to be published."""
    path = tmp_path / "store"
    firearms = FirearmCatalogue(firearms=(Firearm(id="firearm.a"),))
    with Store.open(path, clock=clock) as store:
        drafts = prepare(Workspace(store, RequestContext(user="ana"), firearms, clock=clock))
    return path, drafts


def run_child(path: Path, kill_at: int, drafts: list[str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", CHILD, str(path), str(kill_at), *drafts]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_kill_9_during_publish_leaves_all_old_or_all_new(folder: tuple[Path, list[str]], tmp_path: Path) -> None:
    path, drafts = folder
    whole = run_child(Path(shutil.copytree(path, tmp_path / "whole")), NEVER, drafts)
    assert whole.returncode == 0, whole.stderr
    steps = int(whole.stdout)
    seen = set()
    for number in range(KILLS):
        copy = Path(shutil.copytree(path, tmp_path / f"copy-{number}"))
        done = run_child(copy, 1 + number * (steps - 1) // (KILLS - 1), drafts)
        assert done.returncode == -signal.SIGKILL, "the publication ended before it was killed"
        with Store.open(copy) as store:
            found = state(Catalogue(store, RequestContext(user="ana")))
        assert len(found) == 1, f"torn: {found}"
        seen |= found
        assert run_child(copy, NEVER, drafts).returncode == 0
        with Store.open(copy) as store:
            assert state(Catalogue(store, RequestContext(user="ana"))) == {"new"}
    assert seen == {"old", "new"}, "the kills fell on one side of the commit only"


def test_readers_never_see_half_a_publication(ws: Workspace) -> None:
    """A second store on the same folder sees all of it or nothing, at every commit."""
    drafts = prepare(ws)
    head = ws.store.head()
    _publish(ws, drafts)
    with Store.open(Path(ws.store.url.removeprefix("file://"))) as other:
        catalogue = Catalogue(other, ws.ctx)
        assert state(catalogue.at(head)) == {"old"}
        assert state(catalogue.at(head + 1)) == {"new"}


def test_a_draft_saved_in_between_stops_the_publication(ws: Workspace) -> None:
    drafts = prepare(ws)

    def meddle(step: int) -> None:
        if step == 0:
            edit_draft(ws.acting("ben"), drafts[0], firearms={"write": FirearmBinding(firearm_id=None)})

    with pytest.raises(Exception, match="somebody else"):
        _publish(ws, drafts, before_step=meddle)
    assert state(ws.catalogue()) == {"old"}
