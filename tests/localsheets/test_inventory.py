"""The documented list of what the server does is the code's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from sheetsync.localsheets.inventory import document

ROOT = Path(__file__).resolve().parent.parent.parent
HEAVY = ("gspread", "requests", "google", "pydantic", "starlette", "cryptography", "sheetsync.gsheets")


def test_the_coverage_page_is_up_to_date() -> None:
    assert (ROOT / "docs" / "localsheets-coverage.md").read_text() == document()


def test_starting_a_server_loads_nothing_heavy() -> None:
    code = (
        "import sys; from sheetsync.localsheets import LocalSheets; LocalSheets().close();"
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.strip() == "[]"


def test_the_fixture_for_other_peoples_tests_works(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text('pytest_plugins = ["sheetsync.localsheets.pytest_plugin"]\n')
    (tmp_path / "test_one.py").write_text(
        "def test_one(local_sheets, local_spreadsheet):\n"
        "    key = local_spreadsheet('mine')\n"
        "    assert local_sheets.url.startswith('http://127.0.0.1:')\n"
        "    assert local_sheets.workspace.spreadsheet(key).properties['title'] == 'mine'\n"
    )
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path, env=_env())
    assert done.returncode == 0, done.stdout


def _env() -> dict[str, Any]:
    return {"PYTHONPATH": str(ROOT), "PATH": "/usr/bin:/bin"}
