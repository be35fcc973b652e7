"""The store alone is quick to import: who opens one from a script pays for no models, clouds or sheets."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = ("pydantic", "obstore", "gspread", "google.auth", "requests", "click", "jinja2")
LISTS = """
import sys
from sheetsync.store import Store, VersionedStore, copy_store, fsck
with Store.open(sys.argv[1], create=sys.argv[2] == "made") as store:
    assert store.records("default", ()) == []
print(*(name for name in sys.argv[3:] if name in sys.modules))
"""


@pytest.mark.parametrize("way", ["made", "found"])
def test_opening_a_store_imports_nothing_heavy(tmp_path: Path, way: str) -> None:
    def opened(how: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", LISTS, str(tmp_path / "store"), how, *HEAVY]
        return subprocess.run(command, check=True, capture_output=True, text=True)

    if way == "found":
        opened("made")
    assert opened(way).stdout.split() == []
