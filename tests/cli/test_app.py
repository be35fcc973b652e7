"""The root of the command line: the table of commands, lazy loading, global options in both places, exit codes."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING

import click
import pytest

import sheetsync as package
from sheetsync.cli.app import SECTIONS, cli
from sheetsync.cli.options import HOME

if TYPE_CHECKING:
    from tests.cli.conftest import Ran

HEAVY = ("pydantic", "gspread", "requests", "google.auth", "rich", "orjson", "starlette", "tree_sitter", "jsonschema")
NAMES = [(name, home) for _, commands in SECTIONS for name, (home, _) in commands.items()]


def python(code: str, *args: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code, *args], capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize(("name", "home"), NAMES)
def test_every_command_of_the_table_exists_under_its_name(name: str, home: str) -> None:
    module, _, attribute = home.partition(":")
    command = getattr(import_module(HOME + module), attribute)
    assert isinstance(command, click.Command)
    assert command.name == name
    assert command.help


def test_the_design_s_commands_are_all_there() -> None:
    wanted = {
        "demo", "init", "import", "export", "push", "pull", "sync", "status", "diff", "plan", "apply", "undo", "draft",
        "verify", "publish", "retire", "card", "log", "why", "restore", "fsck", "store", "index", "grade", "lock",
        "doctor", "serve", "sheets", "config",
    }  # fmt: skip
    assert wanted == {name for name, _ in NAMES}


@pytest.mark.parametrize(
    ("group", "wanted"),
    [
        ("draft", {"new", "list", "show", "diff", "edit", "advance", "resolve", "approve", "discard"}),
        ("store", {"copy", "compact"}),
        ("index", {"rebuild"}),
        ("grade", {"approve", "veto"}),
        ("lock", {"show", "break"}),
        ("sheets", {"serve"}),
        ("config", {"show"}),
    ],
)
def test_groups_have_the_design_s_commands(group: str, wanted: set[str]) -> None:
    found = cli.get_command(click.Context(cli), group)
    assert isinstance(found, click.Group)
    assert set(found.commands) == wanted


def test_help_imports_nothing_heavy() -> None:
    code = f"""
import sys
from sheetsync.cli.app import run
run(["--help"])
print([name for name in {HEAVY!r} if name in sys.modules], file=sys.stderr)
print([name for name in sys.modules if name.startswith("sheetsync.cli.") and name.split(".")[2] not in
       ("app", "options", "session", "output")], file=sys.stderr)
"""
    found = python(code)
    assert found.returncode == 0
    assert "Usage: sheetsync" in found.stdout
    assert found.stderr.split("\n")[:2] == ["[]", "[]"]


@pytest.mark.parametrize(
    "name",
    [
        "RequestContext", "ScopeConfig", "VersionedStore", "SheetSyncError", "UsageError", "InvalidIdError",
        "InvalidContentError", "NotFoundError", "StaleSnapshotError", "StoreDamagedError", "UnknownOutcomeError",
    ],
)  # fmt: skip
def test_the_package_gives_the_store_and_what_it_raises(name: str) -> None:
    assert getattr(package, name).__name__ == name
    assert name in package.__all__
    assert name in dir(package)


def test_the_package_names_nothing_that_it_has_not() -> None:
    assert all(hasattr(package, name) for name in package.__all__)
    assert not hasattr(package, "NoSuchName")


def test_the_package_loads_nothing_before_it_is_asked() -> None:
    code = "import sys, sheetsync; print([name for name in sys.modules if name.startswith('sheetsync.')])"
    assert python(code).stdout.strip() == "[]"
    assert python(code.replace("; print", "; sheetsync.StaleSnapshotError; print")).stdout.strip() == (
        "['sheetsync.errors']"
    )


def test_every_command_has_its_help(sheetsync: Callable[..., Ran]) -> None:
    for name, _ in NAMES:
        ran = sheetsync(name, "--help")
        assert ran.code == 0
        assert f"Usage: sheetsync {name}" in ran.out


def test_python_m_runs_it() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "sheetsync", "--version"], capture_output=True, text=True, timeout=60, check=True
    )
    assert found.stdout.startswith("sheetsync ")
