"""`--dry-run` makes nothing, in a workspace in which nothing was pushed yet: no data file, no spreadsheet."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.localsheets import LocalSheets
from tests.cli.conftest import Ran

Run = Callable[..., Ran]
SPEC = {"id": "github", "version": "1.0.0", "name": "github", "scopes": [{"name": "read"}, {"name": "write"}]}


@pytest.fixture
def workspace(tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with one connector published, nothing pushed."""
    folder = tmp_path / "work"
    assert sheetsync("init", str(folder)).code == 0
    monkeypatch.chdir(folder)
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(SPEC))
    draft = sheetsync("draft", "new", "github", "--spec", str(spec), "--json").json()["draft"]["id"]
    assert sheetsync("draft", "edit", draft, "--no-firearm", "read").code == 0
    assert sheetsync("verify", draft).code == 0
    assert sheetsync("publish", draft).code == 0
    return folder


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [("push",), ("pull",), ("push", "--resume")], ids=" ".join)
def test_a_dry_run_in_a_fresh_workspace_makes_nothing(workspace: Path, sheetsync: Run, words: tuple[str, ...]) -> None:
    sheetsync("status")
    before = files_of(workspace)
    ran = sheetsync(*words, "--dry-run")
    assert (ran.code, "made the spreadsheet" in ran.err) == (0, False)
    after = files_of(workspace)
    assert {name for name in after if not name.startswith("store/")} == {
        name for name in before if not name.startswith("store/")
    }
    assert [name for name in before if before[name] != after[name]] == []


def test_it_says_what_the_first_push_then_does(workspace: Path, sheetsync: Run) -> None:
    told = sheetsync("push", "--dry-run", "--json").json()
    done = sheetsync("push", "--json").json()
    assert told["changed"]
    assert told["tabs"] == done["tabs"]
    assert told["calls"] == {"read": 1, "write": 0, "drive": 0}
    assert not sheetsync("push", "--dry-run", "--json").json()["changed"]


def test_a_removed_data_file_is_not_made_again(workspace: Path, sheetsync: Run) -> None:
    sheetsync("push")
    (workspace / "local-sheets.db").unlink()
    before = files_of(workspace)
    assert sheetsync("push", "--dry-run", "--json").json()["changed"]
    after = files_of(workspace)
    assert "local-sheets.db" not in after
    assert after["local-sheets.json"] == before["local-sheets.json"]


def test_a_dry_run_makes_no_spreadsheet_on_a_configured_server(
    workspace: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    with LocalSheets() as server:
        monkeypatch.setenv("SHEETSYNC_SHEETS_ENDPOINT", server.url)
        assert sheetsync("push", "--dry-run", "--json").json()["changed"]
        assert not server.workspace.files
        assert not (workspace / "local-sheets.json").exists()
        sheetsync("push")
        assert len(server.workspace.files) == 1
        assert not sheetsync("push", "--dry-run", "--json").json()["changed"]
