"""Skills, documents and lists get one place each: with the schema that names them, else with their provider."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sheetsync.domain.problems import Problem
from sheetsync.island.parts import Conversion, convert_parts
from sheetsync.island.scan import SourceFile
from sheetsync.island.sources import Source, read_source


def source(path: str, data: str) -> Source:
    found = read_source("tides", SourceFile(path, data.encode()))
    assert isinstance(found, Source)
    return found


def convert(value: dict[str, Any], *files: Source) -> Conversion:
    return convert_parts("tides", [(("core",), "core.json", value)], list(files))


def places(found: Conversion) -> dict[str, str | None]:
    return {"/".join(part.folder): part.path for part in found.parts}


SKILL = source("skills/audit.mjs", "export const skill = { name: 'audit', content: 'look' }")
LIST = source("harbours.mjs", "export const list = { meta: {}, entries: [] }")
ABOUT = source("resources/tides-about.md", "# about")
GUIDE = source("resources/guide.md", "# guide")


@pytest.mark.parametrize(
    "skills", [{"audit": {"file": "./skills/audit.mjs"}}, {"audit": "skills/audit.mjs"}, [{"file": "skills/audit.mjs"}]]
)
def test_a_skill_that_a_schema_names_is_kept_with_it(skills: Any) -> None:
    assert places(convert({"skills": skills}, SKILL)) == {"core/skills/audit": "skills/audit.mjs"}


def test_what_no_schema_names_is_kept_with_the_provider() -> None:
    found = convert({}, SKILL, LIST, ABOUT, GUIDE)
    assert places(found) == {
        "skills/audit": "skills/audit.mjs",
        "lists/harbours": "harbours.mjs",
        "resources/about": "resources/tides-about.md",
        "resources/guide": "resources/guide.md",
    }


def test_an_inline_skill_becomes_a_file_that_came_from_no_path() -> None:
    found = convert({"skills": {"quick": {"name": "quick", "content": "do"}}})
    (part,) = found.parts
    assert (part.folder, part.path, part.suffix) == (("core", "skills", "quick"), None, ".json")
    assert json.loads(part.data) == {"name": "quick", "content": "do"}


def test_documents_are_found_under_the_names_that_schemas_give_them() -> None:
    resources = {
        "about": {"source": "markdown", "name": "tides-about.md"},
        "help": {"source": "markdown", "name": "guide.md"},
        "inline": {"source": "markdown", "name": "note.md", "content": "# note"},
        "data": {"source": "sqlite", "name": "data.db"},
    }
    found = convert({"resources": resources}, ABOUT, GUIDE)
    assert places(found) == {
        "core/resources/about": "resources/tides-about.md",
        "core/resources/guide": "resources/guide.md",
        "core/resources/note": None,
    }


def test_a_file_that_is_not_there_is_a_finding() -> None:
    found = convert(
        {"skills": {"x": {"file": "skills/x.mjs"}}, "resources": {"about": {"source": "markdown", "name": "a.md"}}}
    )
    assert [one.code for one in found.findings] == ["missing_file", "missing_file"]
    assert found.problems == []


@pytest.mark.parametrize("file", ["../x.mjs", "/etc/passwd", "skills/../../x", "..\\x"])
def test_a_file_outside_is_a_problem(file: str) -> None:
    assert [one.code for one in convert({"skills": {"x": {"file": file}}}).problems] == ["outside"]


@pytest.mark.parametrize(
    "value",
    [
        {"skills": {"a--b": {"content": "x"}}},
        {"skills": {"../b": {"content": "x"}}},
        {"skills": [{"content": "x"}]},
        {"resources": {"x": {"source": "markdown", "name": "a--b.md", "content": "x"}}},
    ],
)
def test_an_inline_thing_needs_a_name_that_can_be_kept(value: dict[str, Any]) -> None:
    assert [one.code for one in convert(value).problems] == ["bad_name"]


def test_two_of_one_name_are_a_problem() -> None:
    skills = {"audit": {"file": "skills/audit.mjs"}, "Audit": {"content": "x"}}
    assert [one.code for one in convert({"skills": skills}, SKILL).problems] == ["same_name"]


def test_a_second_about_is_kept_under_its_own_name() -> None:
    other = source("resources/about/more.md", "# more")
    assert set(places(convert({}, ABOUT, other))) == {"resources/about", "resources/more"}


@pytest.mark.parametrize(
    ("path", "data", "code"),
    [
        ("skills/x.md", b"\xff", "not_utf8"),
        ("resources/a--b.md", b"x", "bad_name"),
        ("skills/x.mjs", b"export const skill = run()", "not_constant"),
        ("x.mjs", b"export const other = 1", "no_export"),
    ],
)
def test_a_file_that_cannot_be_understood_is_a_problem(path: str, data: bytes, code: str) -> None:
    found = read_source("tides", SourceFile(path, data))
    assert isinstance(found, Problem)
    assert (found.code, found.tab) == (code, f"tides/{path}")


@pytest.mark.parametrize(
    ("path", "value", "kind"),
    [
        ("selection.json", {}, "selection"),
        ("a.json", {"selectionId": "a"}, "selection"),
        ("a.json", {"members": []}, "selection"),
        ("a.json", {"meta": {}, "entries": []}, "list"),
        ("a.json", {"namespace": "x", "root": "", "tools": {}, "members": []}, "schema"),
        ("a.json", {"anything": 1}, "schema"),
        ("a.json", [1], "schema"),
        ("skills/a.json", {"anything": 1}, "skill"),
    ],
)
def test_json_says_by_its_keys_what_it_is(path: str, value: Any, kind: str) -> None:
    assert source(path, json.dumps(value)).kind == kind
