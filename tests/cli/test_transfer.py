"""import and export on the command line: the contract's keys, folders that must be new, sources to the byte."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from sheetsync.cli.demo import DATA

if TYPE_CHECKING:
    from tests.cli.conftest import Ran


@pytest.fixture
def workspace(tmp_path: Path, sheetsync: Callable[..., Ran], monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh workspace, and the working directory in it."""
    folder = tmp_path / "work"
    assert sheetsync("init", str(folder)).code == 0
    monkeypatch.chdir(folder)
    return folder


def test_import_names_what_it_created_and_what_it_skipped(workspace: Path, sheetsync: Callable[..., Ran]) -> None:
    first = sheetsync("--json", "import", str(DATA / "providers"))
    assert first.code == 0
    value = first.json()
    assert value["created"] == ["github", "imagegen", "jira", "openmeteo", "slack", "stripe", "websearch"]
    assert (value["changed"], value["skipped"], value["problems"]) == ([], [], [])
    second = sheetsync("import", str(DATA / "providers"), "--json").json()
    assert (second["created"], second["skipped"], second["drafts"]) == ([], value["created"], [])


def test_check_changes_nothing(workspace: Path, sheetsync: Callable[..., Ran]) -> None:
    before = sorted(path for path in workspace.rglob("*") if path.is_file())
    assert len(sheetsync("--json", "import", "--check", str(DATA / "providers")).json()["created"]) == 7
    assert sorted(path for path in workspace.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize("option", [[], ["--check"]])
def test_a_path_that_is_not_there_makes_no_store(
    option: list[str], tmp_path: Path, sheetsync: Callable[..., Ran]
) -> None:
    ran = sheetsync("--json", "--store", str(tmp_path / "store"), "import", *option, str(tmp_path / "nowhere"))
    assert (ran.code, ran.json()["error"]["code"]) == (2, "not_found")
    assert not (tmp_path / "store").exists()


def test_export_with_sources_gives_the_sources_to_the_byte(workspace: Path, sheetsync: Callable[..., Ran]) -> None:
    sheetsync("import", str(DATA / "providers"))
    out = workspace / "out"
    ran = sheetsync("--json", "export", "github", "--sources", "--out", str(out))
    assert ran.code == 0
    for name in ("core.json", "admin.json"):
        assert (out / "github" / name).read_bytes() == (DATA / "providers" / "github" / name).read_bytes()
    assert (out / "github" / "index.json").exists()
    again = sheetsync("--json", "export", "github", "--out", str(out))
    assert (again.code, again.json()["error"]["code"]) == (2, "destination")


def test_tsv_and_a_namespace_exclude_each_other(workspace: Path, sheetsync: Callable[..., Ran]) -> None:
    assert sheetsync("export", "github", "--tsv", "--out", "out").code == 2


def test_the_commands_of_drafts_work_on_what_was_imported(workspace: Path, sheetsync: Callable[..., Ran]) -> None:
    sheetsync("import", str(DATA / "providers"))
    line = sheetsync("draft", "list", "--connector", "github", "--json").json()["drafts"][0]
    assert set(line) == {"id", "connector_id", "stage", "status", "origin", "created_at"}
    draft = line["id"]
    edited = sheetsync(
        "draft", "edit", draft, "--firearm", "admin.deleteRepository=firearm.destructive+lock",
        "--no-firearm", "core.getRepository", "--json",
    )  # fmt: skip
    firearms = edited.json()["draft"]["policy_snapshot"]["firearms"]
    assert firearms["admin.deleteRepository"] == {"firearm_id": "firearm.destructive", "strategy_lock": True}
    assert firearms["core.getRepository"] == {"firearm_id": None, "strategy_lock": False}
    undone = sheetsync("draft", "edit", draft, "--undecide", "core.getRepository", "--json").json()
    assert "core.getRepository" not in undone["draft"]["policy_snapshot"]["firearms"]
    assert sheetsync("draft", "advance", draft, "--json").json()["draft"]["stage"] == "scoping"
    verified = sheetsync("verify", draft, "--json")
    assert set(verified.json()["results"][0]) >= {"draft_id", "ok", "checks", "gate"}
    assert sheetsync("draft", "edit", draft).code == 2
    gone = sheetsync("draft", "discard", draft, "--reason", "a test", "--json").json()
    assert gone["draft"]["status"] == "discarded"


@pytest.mark.parametrize(
    "words",
    [
        ("draft", "list"), ("draft", "list", "--all"), ("status",), ("card", "github"), ("log",), ("log", "github"),
        ("diff",), ("diff", "github"), ("lock", "show"), ("fsck",), ("index", "rebuild"), ("store", "compact"),
        ("config", "show"),
    ],
)  # fmt: skip
def test_every_reading_command_answers_people_and_machines(
    workspace: Path, sheetsync: Callable[..., Ran], words: tuple[str, ...]
) -> None:
    sheetsync("import", str(DATA / "providers"))
    for_people = sheetsync(*words)
    assert (for_people.code, for_people.err) == (0, "")
    assert for_people.out.strip()
    assert isinstance(sheetsync("--json", *words).json(), dict)


def test_a_store_is_copied_and_sound(workspace: Path, sheetsync: Callable[..., Ran], tmp_path: Path) -> None:
    sheetsync("import", str(DATA / "providers"))
    copy = tmp_path / "copy"
    assert sheetsync("store", "copy", str(copy), "--json").json()["ok"] is True
    assert sheetsync("--store", str(copy), "fsck", "--json").json()["ok"] is True
    assert len(sheetsync("--store", str(copy), "draft", "list", "--json").json()["drafts"]) == 7


@pytest.mark.parametrize("at", ["²", "٣", "9" * 5000, "0", "-1", "1.0", "true", "../x", ""])
def test_an_odd_state_to_restore_is_a_usage_error(workspace: Path, sheetsync: Callable[..., Ran], at: str) -> None:
    sheetsync("import", str(DATA / "providers" / "github"))
    draft = sheetsync("draft", "list", "--json").json()["drafts"][0]["id"]
    ran = sheetsync("--json", "restore", draft, f"--at={at}")
    assert (ran.code, ran.json()["error"]["code"]) == (2, "not_found")
    assert len(ran.json()["error"]["message"]) < 200
