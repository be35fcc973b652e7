"""The command reference is what the commands say, and the docs' links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from sheetsync.cli.reference import reference_text

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").glob("*.md"))]


def test_the_reference_is_made_from_the_commands() -> None:
    written = (ROOT / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == reference_text(), "run: python -m sheetsync.cli.reference > docs/cli.md"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_between_pages_lead_to_files(page: Path) -> None:
    links = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    assert [link for link in links if not (page.parent / link).exists()] == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_commands_that_the_pages_name_exist(page: Path) -> None:
    known = set(re.findall(r"^### `sheetsync ([a-z]+)", reference_text(), re.MULTILINE))
    text = page.read_text(encoding="utf-8")
    code = "\n".join(code_of(text))
    named = re.findall(r"(?:^|[/& ])sheetsync (?:--[a-z]+ \S+ |--[a-z]+ )*([a-z]+)", code, re.MULTILINE)
    assert set(named) <= known


def code_of(text: str) -> list[str]:
    fenced = re.findall(r"```(?:sh|crontab)\n(.*?)```", text, re.DOTALL)
    return [*fenced, *re.findall(r"`(sheetsync [^`\n]+)`", text)]


def test_the_readme_has_two_set_up_commands_of_one_line_each() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = [block for block in re.findall(r"```sh\n(.*?)```", text, re.DOTALL) if "venv" in block]
    assert [block.count("\n") for block in blocks] == [1, 1]
    assert "sheetsync demo" in blocks[0]
    assert f"<!-- ci:test -->\n```sh\n{blocks[1]}```" in text
    assert "python -m pytest" in blocks[1]
