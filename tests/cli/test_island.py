"""The island on the command line: modules, checks, what an import takes away, grades, everything out and in again."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.cli.conftest import Ran

Run = Callable[..., "Ran"]


def write(root: Path, *tools: str) -> Path:
    """A library with one provider, written as a module, and a selection of it."""
    (root / "tides").mkdir(parents=True, exist_ok=True)
    (root / "trip").mkdir(exist_ok=True)
    entries = ", ".join(f"{tool}: {{ ...get, path: '/{tool}', description: `does ${{ '{tool}' }}` }}" for tool in tools)
    names = "namespace: 'tides', name: 'Tides', version: '4.0.0'"
    module = f"const get = {{ method: 'GET', tests: [] }}\nexport const main = {{ {names}, tools: {{ {entries} }} }}\n"
    (root / "tides" / "core.mjs").write_text(module)
    (root / "trip" / "selection.json").write_text(json.dumps({"selectionId": "trip", "members": ["tides/core"]}))
    return root


def test_a_module_becomes_a_connector_that_can_be_published(work: Path, sheetsync: Run, tmp_path: Path) -> None:
    made = sheetsync("--json", "import", str(write(tmp_path / "lib", "list", "at"))).json()
    assert made["created"] == ["tides", "trip"]
    draft = made["drafts"][0]["id"]
    assert sheetsync("draft", "edit", draft, "--no-firearm", "core.list", "--no-firearm", "core.at").code == 0
    assert sheetsync("verify", draft).code == 0
    assert sheetsync("publish", draft).code == 0
    assert sheetsync("export", "--tsv", "--out", "out").code == 0
    rows = (work / "out" / "policy_matrix.tsv").read_text().splitlines()
    assert rows[1:] == ["tides\tcore.at\tNONE\tFALSE", "tides\tcore.list\tNONE\tFALSE"]
    gone = sheetsync("import", str(write(tmp_path / "lib", "list")))
    assert "tides 2.0.0: scope core.at is gone (tightening); its decision (NONE) goes with it" in gone.out


def test_check_answers_with_its_exit_code(work: Path, sheetsync: Run, tmp_path: Path) -> None:
    library = write(tmp_path / "lib", "list")
    assert sheetsync("import", "--check", str(library)).code == 0
    (library / "tides" / "bad.mjs").write_text("export const main = { tools: load() }\n")
    ran = sheetsync("--json", "import", "--check", str(library))
    assert ran.code == 3
    problem = next(one for one in ran.json()["problems"] if one["code"] == "not_constant")
    assert (problem["tab"], problem["cell"]) == ("tides/bad.mjs", "1:30")
    assert sheetsync("draft", "list", "--json").json()["drafts"] == []


def test_a_grade_is_given_by_a_second_person(work: Path, sheetsync: Run, tmp_path: Path) -> None:
    draft = sheetsync("--json", "import", str(write(tmp_path / "lib", "list"))).json()["drafts"][0]["id"]
    sheetsync("draft", "edit", draft, "--no-firearm", "core.list")
    approve = ("grade", "approve", "tides", "--reason", "read it all")
    assert sheetsync("--json", *approve).json()["error"]["exit_code"] == 4
    sheetsync("verify", draft)
    assert sheetsync("--json", *approve).json()["error"]["code"] == "second_person"
    assert sheetsync("--user", "ben@example.com", *approve).code == 0
    index = json.loads((work / "store" / "default" / "providers" / "tides" / "index.json").read_text())
    assert (index["status"], index["grade"]) == ("operational", "A")


def test_everything_goes_out_and_comes_in_elsewhere(
    work: Path, sheetsync: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = write(tmp_path / "lib", "list")
    sheetsync("import", str(library))
    assert sheetsync("export", "--sources", "--out", str(tmp_path / "one")).code == 0
    other = tmp_path / "other"
    sheetsync("init", str(other))
    monkeypatch.chdir(other)
    assert sheetsync("--json", "import", str(tmp_path / "one")).json()["created"] == ["tides", "trip"]
    assert sheetsync("export", "trip", "--sources", "--out", str(tmp_path / "two")).code == 0
    assert (tmp_path / "two" / "trip" / "selection.json").read_bytes() == (
        library / "trip" / "selection.json"
    ).read_bytes()
    lock = json.loads((tmp_path / "two" / "trip" / "index.json").read_text())["lockSnapshot"]
    assert [one["schemaId"] for one in lock["members"]] == ["tides/core"]
