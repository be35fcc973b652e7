"""Every run with the spreadsheet leaves its health, for `status`, the page and `--quiet-known`."""

from __future__ import annotations

from pathlib import Path

import pytest

from sheetsync import bootstrap, settings
from sheetsync.errors import NetworkError, NotFoundError, PlanMovedError, UsageError
from sheetsync.localsheets import LocalSheets
from sheetsync.services.drafts import new_draft
from sheetsync.services.health import read_health
from sheetsync.services.status import status
from sheetsync.services.sync_plans import apply_plan, make_plan, undo
from sheetsync.services.syncing import push, sync


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bootstrap.init_workspace(tmp_path / "space")
    return tmp_path / "space"


def load(folder: Path, **environ: str) -> settings.Settings:
    return settings.load(cwd=folder, environ={"HOME": str(folder), **environ})


def test_a_run_leaves_its_report_and_a_failed_one_its_error_beside_it(folder: Path) -> None:
    with LocalSheets() as server:
        found = load(folder, SHEETSYNC_SHEETS_ENDPOINT=server.url)
        ws = bootstrap.open_workspace(found)
        assert read_health(ws) is None
        with bootstrap.open_gateway(found, ws) as gateway:
            push(ws, gateway)
            first = read_health(ws)
            push(ws, gateway)
            good = read_health(ws)
            assert first is not None
            assert good is not None
            assert first.tab_ids == good.tab_ids, "the run that makes the tabs knows them"
            assert good.ok
            assert good.ok_at == good.at
            assert good.url == f"{server.url}/spreadsheets/d/{gateway.spreadsheet_id}/edit"
            assert good.tab_ids.keys() >= {"Policy Matrix", "KPIs"}
            assert good.report["calls"] == {"read": 1, "write": 0, "drive": 0}
            assert status(ws).healthy
            server.close()
            with pytest.raises(NetworkError):
                sync(ws, gateway)
    bad = read_health(ws)
    assert bad is not None
    assert (bad.ok, bad.ok_at, bad.exit_code) == (False, good.ok_at, 75)
    assert bad.report == good.report
    assert status(ws).healthy is False
    ws.store.close()


def test_a_command_that_is_refused_says_nothing_about_the_sheet(folder: Path) -> None:
    found = load(folder)
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway:
        push(ws, gateway)
        good = read_health(ws)
        plan = make_plan(ws, gateway).to_json()
        with pytest.raises(UsageError):
            undo(ws, gateway)
        new_draft(ws, "jira", {"id": "jira", "version": "1.0.0", "name": "jira", "scopes": [{"name": "read"}]})
        with pytest.raises(PlanMovedError):
            apply_plan(ws, gateway, plan)
    assert read_health(ws) == good
    assert status(ws).healthy
    ws.store.close()


def test_a_spreadsheet_that_is_gone_is_a_failed_run(folder: Path) -> None:
    with LocalSheets() as server:
        found = load(folder, SHEETSYNC_SHEETS_ENDPOINT=server.url, SHEETSYNC_SPREADSHEET="a" * 44)
        ws = bootstrap.open_workspace(found)
        with bootstrap.open_gateway(found, ws) as gateway, pytest.raises(NotFoundError):
            push(ws, gateway)
    assert status(ws).healthy is False
    ws.store.close()


def test_a_dry_run_leaves_nothing(folder: Path) -> None:
    found = load(folder)
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway:
        push(ws, gateway, dry_run=True)
    assert read_health(ws) is None
    ws.store.close()


def test_the_address_of_a_server_that_ends_with_the_run_is_not_kept(folder: Path) -> None:
    found = load(folder)
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway:
        push(ws, gateway)
    record = read_health(ws)
    assert record is not None
    assert record.url == ""
    ws.store.close()
