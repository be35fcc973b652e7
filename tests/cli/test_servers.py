"""`sheets serve`: says its address once it accepts calls, keeps its file, and stops cleanly."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests


def start(*words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "sheetsync", "--json", "sheets", "serve", "--port", "0", *words]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def url_of(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return str(json.loads(process.stdout.readline())["url"])


def files_at(url: str) -> list[str]:
    answer = requests.get(f"{url}/drive/v3/files", timeout=10)
    return [file["name"] for file in answer.json()["files"]]


@pytest.mark.parametrize("signal_number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_its_url_and_stops_cleanly(signal_number: int) -> None:
    process = start("--data", ":memory:")
    try:
        assert files_at(url_of(process)) == []
        process.send_signal(signal_number)
        out, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert (process.returncode, out, err) == (0, "", "")


def test_its_file_outlives_it(tmp_path: Path) -> None:
    data = tmp_path / "sheets.db"
    for number in range(2):
        process = start("--data", str(data))
        try:
            url = url_of(process)
            assert files_at(url) == ["Policies"] * number
            body = {"name": "Policies", "mimeType": "application/vnd.google-apps.spreadsheet"}
            assert requests.post(f"{url}/drive/v3/files", json=body, timeout=10).ok
            process.send_signal(signal.SIGTERM)
            process.communicate(timeout=90)
        finally:
            process.kill()


def test_a_port_in_use_is_a_clear_error() -> None:
    first = start("--data", ":memory:")
    try:
        port = url_of(first).rsplit(":", 1)[1]
        second = subprocess.run(
            [sys.executable, "-m", "sheetsync", "--json", "sheets", "serve", "--port", port],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    finally:
        first.kill()
        first.communicate()
    assert second.returncode == 2
    assert json.loads(second.stdout)["error"]["hint"]


def test_the_workbench_says_where_it_is_and_stops_cleanly(tmp_path: Path) -> None:
    subprocess.run([sys.executable, "-m", "sheetsync", "-q", "init", str(tmp_path)], check=True, timeout=60)
    config = str(tmp_path / "config" / "sheetsync.toml")
    process = subprocess.Popen(
        [sys.executable, "-m", "sheetsync", "--config", config, "--json", "serve", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        value = json.loads(process.stdout.readline())
        assert requests.get(value["link"], timeout=30).ok
        process.send_signal(signal.SIGTERM)
        _, err = process.communicate(timeout=90)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "Traceback" not in err


def test_a_new_token_is_printed_once_with_its_hash(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "sheetsync", "--json", "serve", "--new-token"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True, cwd=tmp_path)
    value = json.loads(done.stdout)
    assert value["token_hash"].startswith("scrypt$")
    assert value["token"] not in value["token_hash"]
