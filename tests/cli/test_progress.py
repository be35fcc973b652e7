"""Progress bars and colours: on a terminal only, and not under NO_COLOR, --quiet or --json."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from sheetsync.cli.demo import DATA

ESCAPE = b"\x1b["


def on_a_terminal(folder: Path, *words: str, **environ: str) -> bytes:
    """What a command shows on a terminal of its own, stdout and stderr."""
    mine, its = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "sheetsync", *words],
        stdin=its, stdout=its, stderr=its, cwd=folder,
        env={"TERM": "xterm", "PYTHONPATH": str(Path(__file__).resolve().parents[2]), **environ},
    )  # fmt: skip
    os.close(its)
    shown = b""
    try:
        while data := os.read(mine, 65536):
            shown += data
    except OSError:  # the other side was closed
        pass
    finally:
        os.close(mine)
    assert process.wait(60) == 0, shown
    return shown


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A fresh workspace."""
    on_a_terminal(tmp_path, "init")
    return tmp_path


def test_a_terminal_gets_a_bar_and_colours(folder: Path) -> None:
    assert b"importing" in on_a_terminal(folder, "import", str(DATA / "providers"))
    assert ESCAPE in on_a_terminal(folder, "draft", "list")


def test_no_color_is_respected(folder: Path) -> None:
    on_a_terminal(folder, "import", str(DATA / "providers"))
    assert ESCAPE not in on_a_terminal(folder, "draft", "list", NO_COLOR="1")


@pytest.mark.parametrize("option", ["--json", "--quiet"])
def test_machines_get_no_bar(folder: Path, option: str) -> None:
    assert ESCAPE not in on_a_terminal(folder, option, "import", str(DATA / "providers"))
