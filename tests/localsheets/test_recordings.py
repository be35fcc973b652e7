"""Every recorded exchange with Google is answered as Google answered it; the shared tool is the judge."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from sheetsync.localsheets import LocalSheets


@pytest.mark.shared
def test_all_recorded_exchanges_are_answered_as_google_did(server: LocalSheets, shared: Path, tmp_path: Path) -> None:
    report = tmp_path / "report.json"
    tool, recordings = shared / "tools" / "replay_recordings.py", shared / "google-recordings"
    done = subprocess.run(
        [sys.executable, str(tool), server.url, str(recordings), "--json", str(report)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(report.read_text())
    assert found["failures"] == []
    assert found["passed"] > 1500
    assert server.workspace.files == {}
