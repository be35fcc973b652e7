"""The demo plays the whole loop to its end, and leaves a workspace to go on with."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import requests

from sheetsync.cli.app import run


def test_the_demo_reaches_its_end_in_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    started = time.monotonic()
    assert run(["demo", str(folder)]) == 0
    took = time.monotonic() - started
    said = capsys.readouterr()
    assert said.err == ""
    assert "/spreadsheets/d/" in said.out
    assert "ben@example.com" in said.out
    for name in ("connector_registry.tsv", "policy_matrix.tsv", "coverage_report.tsv"):
        assert name in said.out
    assert took < 60, f"{took:.1f} s; the reach is 20 s on a quiet machine"


def test_the_demo_s_steps_tell_the_whole_story(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "demo"
    assert run(["--json", "demo", str(folder)]) == 0
    value: dict[str, Any] = json.loads(capsys.readouterr().out)
    assert value["dir"] == str(folder)
    codes = [(step["command"].split()[1], step["exit_code"]) for step in value["steps"] if "command" in step]
    assert ("pull", 3) in codes
    assert codes.index(("publish", 5)) < len(codes) - codes[::-1].index(("publish", 0))
    matrix = value["tables"]["policy_matrix.tsv"]
    assert "github\tcore.createIssue\tfirearm.external_write\tFALSE\n" in matrix
    assert "stripe\tpayments.createRefund\tfirearm.payment\tFALSE\n" in matrix
    assert "slack\tmessages.listChannels\tNONE\tFALSE\n" in matrix
    assert "jira\ttickets.searchTickets\tfirearm.external_write\tFALSE\n" in matrix
    coverage = value["tables"]["coverage_report.tsv"]
    assert "/image/*\tIN_PROGRESS\t0%\n" in coverage
    assert "/video/*\tMISSING\t0%\n" in coverage
    config = str(folder / "config" / "sheetsync.toml")
    assert run(["--config", config, "--json", "status"]) == 0
    status = json.loads(capsys.readouterr().out)
    assert (status["connectors"], status["pending_edits"]) == (6, 0)


def test_quiet_is_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--quiet", "demo", str(tmp_path / "demo")]) == 0
    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "")


def test_a_folder_with_something_in_it_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "mine").write_text("x")
    assert run(["demo", str(tmp_path)]) == 2
    assert "is not empty" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


def test_the_demo_never_looks_at_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else SHEETSYNC_SPREADSHEET in somebody's shell would turn it to a real sheet."""
    elsewhere = tmp_path / "elsewhere"
    monkeypatch.setenv("SHEETSYNC_STORE", str(elsewhere))
    monkeypatch.setenv("SHEETSYNC_SPREADSHEET", "1-somebody-s-real-spreadsheet-000000000000")
    assert run(["--quiet", "demo", str(tmp_path / "demo")]) == 0
    assert not elsewhere.exists()


def test_keep_leaves_the_sheet_to_look_at_until_it_is_stopped(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "sheetsync", "--json", "demo", str(tmp_path / "demo"), "--keep"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        value = json.loads(process.stdout.readline())
        page = requests.get(value["url"], timeout=30)
        assert page.ok
        assert "<html" in page.text
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
