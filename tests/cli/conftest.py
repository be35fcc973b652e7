"""Running the command line in this process."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from sheetsync.cli.app import run


@dataclass(frozen=True)
class Ran:
    """What a command printed, and its exit code."""

    code: int
    out: str
    err: str

    def json(self) -> Any:
        """The one object on stdout."""
        lines = self.out.splitlines()
        assert len(lines) == 1, self.out
        return json.loads(lines[0])


@pytest.fixture
def sheetsync(capsys: pytest.CaptureFixture[str]) -> Callable[..., Ran]:
    """Call it with the command's words."""

    def call(*words: str) -> Ran:
        capsys.readouterr()
        code = run(words)
        captured = capsys.readouterr()
        return Ran(code, captured.out, captured.err)

    return call


@pytest.fixture
def work(tmp_path: Path, sheetsync: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh workspace, and the working directory in it."""
    folder = tmp_path / "work"
    assert sheetsync("init", str(folder)).code == 0
    monkeypatch.chdir(folder)
    return folder
