"""The doctor names what is odd or broken, with the next step, and changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync import bootstrap, settings
from sheetsync.errors import NetworkError
from sheetsync.localsheets import LocalSheets
from sheetsync.services.doctor import DoctorReport, Line
from sheetsync.services.syncing import push

Run = Callable[..., DoctorReport]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    bootstrap.init_workspace(tmp_path / "space")
    return tmp_path / "space"


@pytest.fixture
def run(folder: Path) -> Run:
    def run_it(**environ: str) -> DoctorReport:
        return bootstrap.run_doctor_from(None, {}, environ={"HOME": str(folder), **environ}, cwd=folder)

    return run_it


def load(folder: Path, **environ: str) -> settings.Settings:
    return settings.load(cwd=folder, environ={"HOME": str(folder), **environ})


def found(report: DoctorReport) -> dict[str, list[str]]:
    names: dict[str, list[str]] = {}
    for line in report.lines:
        names.setdefault(line.name, []).append(line.status)
    return names


def do_push(folder: Path, **environ: str) -> None:
    found = load(folder, **environ)
    ws = bootstrap.open_workspace(found)
    with bootstrap.open_gateway(found, ws) as gateway:
        push(ws, gateway)
    ws.store.close()


def test_a_fresh_workspace_is_well_and_is_told_to_push(run: Run, folder: Path) -> None:
    before = sorted(folder.rglob("*"))
    report = run()
    assert report.exit_code == 0
    assert report.lines[-1] == Line(
        "warn", "spreadsheet", "the workspace's own spreadsheet is not there yet", "sheetsync push"
    )
    assert sorted(folder.rglob("*")) == before


def test_after_a_push_all_is_well(run: Run, folder: Path) -> None:
    do_push(folder)
    report = run()
    assert {status for line in report.lines for status in [line.status]} == {"ok"}
    assert set(found(report)) >= {
        "configuration",
        "credentials",
        "store",
        "spreadsheet",
        "owner",
        "tabs",
        "protection",
        "drift",
    }
    assert report.to_json()["ok"] is True
    assert "error" not in report.to_json()


def test_every_mistake_of_the_configuration_is_a_line(run: Run, folder: Path) -> None:
    (folder / "config" / "sheetsync.toml").write_text("a = 1\nb = 2\n")
    report = run()
    assert [(line.status, line.name) for line in report.lines] == [("fail", "configuration")] * 2
    assert report.exit_code == 2
    error = report.to_json()["error"]
    assert (error["code"], error["exit_code"], error["message"]) == ("config", 2, report.lines[0].message)


def test_a_key_file_that_others_can_read_is_a_failure_of_its_own(run: Run, folder: Path) -> None:
    key = folder / "key.json"
    key.write_text("{}")
    key.chmod(0o644)
    report = run(SHEETSYNC_CREDENTIALS_FILE=str(key), SHEETSYNC_SPREADSHEET="x")
    assert found(report)["credentials"] == ["fail"]
    assert found(report)["store"] == ["ok"]
    assert report.exit_code == 5


def test_damage_of_the_store_is_a_failure_and_nothing_is_opened_then(run: Run, folder: Path) -> None:
    do_push(folder)
    (segment,) = (folder / "store" / "default" / "journal").glob("*.jsonl")
    data = bytearray(segment.read_bytes())
    data[len(data) // 3] ^= 0x20
    segment.write_bytes(data)
    report = run()
    assert report.exit_code == 9
    assert report.to_json()["error"]["code"] == "store_damaged"
    assert "spreadsheet" not in found(report)
    assert segment.read_bytes() == bytes(data)


def test_a_spreadsheet_of_another_store_is_told(run: Run, folder: Path, tmp_path: Path) -> None:
    with LocalSheets() as server:
        environ = {"SHEETSYNC_SHEETS_ENDPOINT": server.url}
        do_push(folder, **environ)
        assert run(**environ).exit_code == 0
        report = run(**environ, SHEETSYNC_STORE=str(tmp_path / "other"))
    assert found(report)["owner"] == ["fail"]
    assert report.exit_code == 7
    assert report.to_json()["error"]["code"] == "foreign_spreadsheet"


def test_no_server_and_an_unknown_variable_are_told(run: Run) -> None:
    with LocalSheets() as server:
        url = server.url
    report = run(SHEETSYNC_SHEETS_ENDPOINT=url, SHEETSYNC_SPREADSHEET="x", SHEETSYNC_STOR="y")
    assert found(report)["configuration"] == ["ok", "warn"]
    assert found(report)["spreadsheet"] == ["fail"]
    assert report.exit_code == NetworkError.exit_code


def test_who_changed_the_file_last_is_told_where_that_scope_is_asked_for(run: Run, folder: Path) -> None:
    with LocalSheets() as server:
        environ = {"SHEETSYNC_SHEETS_ENDPOINT": server.url, "SHEETSYNC_CREDENTIALS_DRIVE_METADATA": "true"}
        do_push(folder, **environ)
        lines = [line for line in run(**environ).lines if line.name == "drive"]
    assert [line.status for line in lines] == ["ok"]
    assert lines[0].message.startswith("last changed 20")


def test_a_run_that_failed_and_a_lock_that_is_held_are_told(run: Run, folder: Path) -> None:
    with LocalSheets() as server:
        environ = {"SHEETSYNC_SHEETS_ENDPOINT": server.url}
        do_push(folder, **environ)
    with pytest.raises(NetworkError):
        do_push(folder, **environ)
    ws = bootstrap.open_workspace(load(folder))
    with ws.store.lease("sync-x", who="ana@example.com"):
        report = run(**environ)
    ws.store.close()
    assert found(report)["lock"] == ["warn"]
    assert found(report)["last sync"] == ["warn"]
    assert found(report)["spreadsheet"] == ["fail"]
