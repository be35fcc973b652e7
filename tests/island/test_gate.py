"""The gate: what refuses a selection or a skill, and what is only found."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sheetsync.island.gate import check_schema, check_selection, check_skill, find_in_schema, find_in_selection
from sheetsync.island.scan import SourceFile
from sheetsync.island.sources import Source, read_source

GOOD: dict[str, Any] = {"namespace": "tides", "name": "T", "version": "4.0.0", "tools": {}}


def source(value: Any, path: str = "core.json") -> Source:
    found = read_source("tides", SourceFile(path, json.dumps(value).encode()))
    assert isinstance(found, Source)
    return found


@pytest.mark.parametrize(
    ("value", "code"),
    [
        ([], "not_an_object"),
        ({"selectionId": "x"}, "bad_selection"),
        ({"members": []}, "bad_selection"),
        ({"members": {}}, "bad_selection"),
        ({"members": ["a"], "name": 1}, "bad_selection"),
        ({"members": ["a"], "version": 4}, "bad_version"),
    ],
)
def test_a_selection_needs_members_and_texts(value: Any, code: str) -> None:
    assert code in [one.code for one in check_selection("x", source(value, "selection.json"))]


def test_what_a_selection_lacks_besides_is_found() -> None:
    chosen = source({"members": ["a"]}, "selection.json")
    assert list(check_selection("x", chosen)) == []
    codes = [one.code for one in find_in_selection("x", chosen)]
    assert codes == ["no_namespace", "no_name", "no_version", "no_description", "no_whentouse"]


@pytest.mark.parametrize("value", [[], {}, {"name": "x"}, {"name": "x", "content": " "}, {"content": "x"}])
def test_a_skill_needs_a_name_and_content(value: Any) -> None:
    assert {one.code for one in check_skill("x", source(value, "skills/x.json"))} == {"bad_skill"}


@pytest.mark.parametrize(
    ("more", "code"),
    [
        ({"namespace": ""}, "bad_namespace"),
        ({"namespace": "Tides"}, "bad_namespace"),
        ({"namespace": "ti--des"}, "bad_namespace"),
        ({"name": "a\tb"}, "bad_name"),
        ({"name": "a\u2028b"}, "bad_name"),
        ({"version": 4}, "bad_version"),
        ({"version": "latest"}, "bad_version"),
        ({"tools": None}, "bad_tools"),
        ({"routes": {}}, "bad_tools"),
        ({"tools": {"": {"method": "GET", "path": "/", "description": "d"}}}, "bad_tool_name"),
    ],
)
def test_a_schema_with_something_ill_typed_is_refused(more: dict[str, Any], code: str) -> None:
    assert [one.code for one in check_schema("x", source({**GOOD, **more}))] == [code]


def test_the_old_name_of_tools_and_other_oddities_are_found() -> None:
    old = {key: value for key, value in GOOD.items() if key != "tools"}
    tool = {"method": "FETCH", "path": "", "description": "d"}
    odd = source({**old, "version": "flowmcp/1.0.0", "routes": {"a": tool}})
    assert list(check_schema("x", odd)) == []
    codes = [one.code for one in find_in_schema("x", odd)]
    assert codes == ["unknown_format", "old_routes", "no_docs", "no_tags", "no_tests", "unknown_method"]
