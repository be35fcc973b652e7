"""A fresh folder becomes a workspace that speaks to its own Sheets server, one server a data file at a time."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync import bootstrap, settings
from sheetsync.errors import AuthError, ConfigError, DestinationError, NetworkError, NotFoundError
from sheetsync.gsheets.quota import FileLimiter, NoLimiter
from sheetsync.localsheets import LocalSheets

Load = Callable[..., settings.Settings]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bootstrap.init_workspace(tmp_path / "space")
    return tmp_path / "space"


@pytest.fixture
def load(folder: Path) -> Load:
    def load_it(**environ: str) -> settings.Settings:
        return settings.load(cwd=folder, environ={"HOME": str(folder / "home"), **environ})

    return load_it


def test_init_makes_the_configuration_and_an_empty_store(tmp_path: Path) -> None:
    made = bootstrap.init_workspace(tmp_path / "a" / "b")
    assert [path.name for path in made] == ["sheetsync.toml", "firearms.toml", "engine_routes.toml", "store"]
    assert all(path.exists() for path in made)
    assert json.loads((tmp_path / "a" / "b" / "store" / "FORMAT").read_text())["format"] == "sheetsync-island"


def test_init_overwrites_nothing(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "firearms.toml").write_text("mine")
    with pytest.raises(DestinationError, match=r"firearms\.toml exists already"):
        bootstrap.init_workspace(tmp_path)
    assert [path.name for path in (tmp_path / "config").iterdir()] == ["firearms.toml"]
    assert (tmp_path / "config" / "firearms.toml").read_text() == "mine"


def test_a_workspace_carries_the_configurations_catalogues_and_rules(load: Load) -> None:
    found = load(SHEETSYNC_PULL_UNATTENDED_USERS="cron", SHEETSYNC_USER="ana@example.com", SHEETSYNC_TENANT="europe")
    ws = bootstrap.open_workspace(found)
    assert ws.firearms == found.firearms
    assert ws.routes == found.routes
    assert (ws.ctx.user, ws.ctx.tenant, ws.store.tenant) == ("ana@example.com", "europe", "europe")
    assert ws.rules.unattended_users == {"cron"}
    ws.store.close()


def test_the_local_spreadsheet_is_made_once_and_remembered(load: Load) -> None:
    found = load()
    ws = bootstrap.open_workspace(found)
    told: list[str] = []
    with bootstrap.open_gateway(found, ws, tell=told.append) as gateway:
        first = gateway.spreadsheet_id
    with bootstrap.open_gateway(found, ws, tell=told.append) as gateway:
        assert gateway.spreadsheet_id == first
        assert gateway.list_tabs().spreadsheet_id == first
    assert len(told) == 1
    ws.store.close()


def test_a_removed_data_file_takes_its_spreadsheet_with_it(load: Load) -> None:
    found = load()
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway:
        first = gateway.spreadsheet_id
    found.local_data_file.unlink()
    with bootstrap.open_gateway(found, ws) as gateway:
        assert gateway.spreadsheet_id != first
        gateway.list_tabs()
    ws.store.close()


def test_a_server_that_runs_on_the_data_file_is_spoken_to(load: Load) -> None:
    data_file = load().local_data_file
    with LocalSheets(data=data_file) as server, bootstrap.local_server(data_file) as url:
        assert url == server.url
    with bootstrap.local_server(data_file) as url:
        assert url != server.url


def test_a_server_that_ends_with_its_process_is_replaced_by_one_of_our_own(load: Load) -> None:
    found = load()
    ws = bootstrap.open_workspace(found)
    with LocalSheets(data=found.local_data_file) as server, bootstrap.open_gateway(found, ws) as gateway:
        first = gateway.list_tabs()
        server.close()
        assert gateway.list_tabs() == first
        with bootstrap.open_gateway(found, ws) as other:
            assert other.list_tabs() == first
    ws.store.close()


def test_the_note_of_a_killed_server_misleads_nobody(load: Load) -> None:
    data_file = load().local_data_file
    with LocalSheets(data=data_file) as server:
        notes = [path for path in data_file.parent.iterdir() if path.name.startswith(data_file.name + ".")]
        kept = {path: path.read_bytes() for path in notes}
    for path, data in kept.items():
        path.write_bytes(data)
    with bootstrap.local_server(data_file) as url:
        assert url != server.url


def test_an_endpoint_has_its_own_spreadsheet_and_calls_go_anonymous(load: Load) -> None:
    with LocalSheets() as server:
        found = load(SHEETSYNC_SHEETS_ENDPOINT=server.url)
        ws = bootstrap.open_workspace(found)
        with bootstrap.open_gateway(found, ws) as gateway:
            first = gateway.spreadsheet_id
        again = load(SHEETSYNC_SHEETS_ENDPOINT=server.url, SHEETSYNC_SPREADSHEET=first)
        with bootstrap.open_gateway(again, ws) as gateway:
            assert gateway.list_tabs().spreadsheet_id == first
        missing = load(SHEETSYNC_SHEETS_ENDPOINT=server.url, SHEETSYNC_SPREADSHEET="nowhere")
        with bootstrap.open_gateway(missing, ws) as gateway, pytest.raises(NotFoundError, match="nowhere") as caught:
            gateway.list_tabs()
        assert caught.value.exit_code == 2
        ws.store.close()
    assert not found.local_data_file.exists()


def test_no_server_is_one_error_and_comes_at_once(load: Load) -> None:
    with LocalSheets() as server:
        url = server.url
    found = load(SHEETSYNC_SHEETS_ENDPOINT=url, SHEETSYNC_SPREADSHEET="x")
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway, pytest.raises(NetworkError, match="no server answers") as caught:
        gateway.list_tabs()
    assert "SHEETSYNC_SHEETS_ENDPOINT" in caught.value.hint
    ws.store.close()


def test_a_missing_key_file_is_an_error_before_any_call(load: Load) -> None:
    found = load(SHEETSYNC_CREDENTIALS_FILE="nowhere.json", SHEETSYNC_SPREADSHEET="x")
    with pytest.raises(AuthError, match=r"nowhere\.json"):
        bootstrap.open_api(found, endpoint=None)


def test_only_googles_hosts_are_limited_unless_configured(load: Load) -> None:
    local = bootstrap.open_api(load(), endpoint="http://127.0.0.1:9")
    everywhere = bootstrap.open_api(load(SHEETSYNC_SHEETS_QUOTA_EVERYWHERE="true"), endpoint="http://127.0.0.1:9")
    google = bootstrap.open_api(load(SHEETSYNC_CREDENTIALS_KIND="anonymous"), endpoint=None)
    kinds = [type(api.client.limiter) for api in (local, everywhere, google)]
    assert kinds == [NoLimiter, FileLimiter, FileLimiter]


def test_a_state_folder_that_cannot_be_made_is_a_mistake_of_the_configuration(load: Load, folder: Path) -> None:
    (folder / "file").write_text("in the way")
    found = load(SHEETSYNC_STATE_DIR=str(folder / "file"), SHEETSYNC_CREDENTIALS_KIND="anonymous")
    with pytest.raises(ConfigError, match="quota") as caught:
        bootstrap.open_api(found, endpoint=None)
    assert "state_dir" in caught.value.hint
