"""kill -9 of a real process at every call boundary of a sync; the next runs find out what landed, and lose nothing."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sheetsync.localsheets import LocalSheets

ROOT = Path(__file__).resolve().parents[2]
RUN = """
import sys
from pathlib import Path
from sheetsync.domain.context import RequestContext
from sheetsync.domain.firearms import Firearm, FirearmCatalogue
from sheetsync.gsheets.api import SheetsApi
from sheetsync.gsheets.gateway import GoogleSheetsGateway
from sheetsync.services.syncing import sync
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store
url, sheet, folder = sys.argv[1:4]
firearms = FirearmCatalogue(firearms=tuple(Firearm(id="firearm." + one) for one in "xyz"))
with Store.open(Path(folder)) as store:
    ws = Workspace(store, RequestContext(user="cron"), firearms)
    sync(ws, GoogleSheetsGateway(SheetsApi(endpoint=url), sheet, store_id=store.store_id, firearms=firearms.ids()))
"""
MOMENTS = [(when, calls) for when in ("before", "after") for calls in ("read", "write")]


@pytest.mark.parametrize(("when", "calls"), MOMENTS)
def test_a_killed_sync_is_finished_by_the_next(world_class: Any, tmp_path: Path, when: str, calls: str) -> None:
    with LocalSheets() as server:
        world = world_class(server, tmp_path / "store", True)
        try:
            world.act(("edit", 0, "z"))
            world.act(("direct", "B1", "y"))
            command = [sys.executable, "-c", RUN, server.url, world.sid, str(tmp_path / "store")]
            with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as killed:
                server.script.act(lambda workspace: killed.send_signal(signal.SIGKILL), when, calls)
                assert killed.wait(60) == -signal.SIGKILL
            world.check(land=True)
            rows = {row.key: (row.val, row.status.split(" ")[0]) for row in world.grid()}
            assert rows["A1"] == ("z", "pending")
            assert rows["B1"][0] == "y"
            (draft,) = world.ws.catalogue().drafts("open")
            assert [edit.value for edit in draft.draft.origin.edits] == ["firearm.z"]
        finally:
            world.close()
