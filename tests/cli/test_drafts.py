"""`sheetsync draft`: what a person gives it that cannot be meant is refused, and nothing is saved then."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ran

Run = Callable[..., "Ran"]
NO_OBJECTS = ["null", "[]", "[1]", '"x"', "3", "true"]


@pytest.fixture
def work(tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh workspace, and the working directory in it."""
    folder = tmp_path / "work"
    assert sheetsync("init", str(folder)).code == 0
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture
def github(work: Path, sheetsync: Run) -> str:
    """An open draft of the connector `github` with two scopes; its id."""
    spec = {"id": "github", "name": "GitHub", "scopes": [{"name": "admin_write"}, {"name": "read_public"}]}
    (work / "github.json").write_text(json.dumps(spec))
    return str(sheetsync("--json", "draft", "new", "github", "--spec", "github.json").json()["draft"]["id"])


def test_drafts_are_listed(github: str, sheetsync: Run) -> None:
    assert [line["id"] for line in sheetsync("--json", "draft", "list").json()["drafts"]] == [github]


@pytest.mark.parametrize("text", NO_OBJECTS)
@pytest.mark.parametrize("option", ["--kpi", "--policy", "--spec"])
def test_a_file_that_is_no_json_object_is_refused_by_name(
    work: Path, github: str, sheetsync: Run, option: str, text: str
) -> None:
    (work / "given.json").write_text(text)
    ran = sheetsync("--json", "draft", "edit", github, option, "given.json")
    error = ran.json()["error"]
    assert (ran.code, error["code"], error["exit_code"]) == (2, "invalid_content", 2)
    assert "given.json" in error["message"]
    assert option in error["hint"]
    assert len(sheetsync("--json", "log", github).json()["log"]) == 1


@pytest.mark.parametrize("text", NO_OBJECTS)
def test_a_new_draft_takes_no_spec_file_that_is_no_json_object(work: Path, sheetsync: Run, text: str) -> None:
    (work / "given.json").write_text(text)
    ran = sheetsync("--json", "draft", "new", "github", "--spec", "given.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "invalid_content")
    assert "given.json" in ran.json()["error"]["message"]
    assert sheetsync("--json", "draft", "list").json()["drafts"] == []


def test_a_number_of_too_many_digits_is_no_defect(work: Path, github: str, sheetsync: Run) -> None:
    (work / "big.json").write_text('{"k": ' + "1" * 5000 + "}")
    ran = sheetsync("--json", "draft", "edit", github, "--kpi", "big.json")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "invalid_content")
    assert "big.json" in ran.json()["error"]["message"]
