"""The gate of an import: what a schema, skill and selection must have before anything of its provider is written.

A problem refuses the provider. A finding (no tests, docs or tags) is listed apart and changes nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.connector import CONTROL
from sheetsync.domain.identifiers import CONNECTOR_FORM, SCOPE_FORM
from sheetsync.domain.problems import Problem
from sheetsync.island.scan import problem
from sheetsync.island.sources import Source

FORMAT_VERSION: Final = re.compile(r"(?:flowmcp/)?([0-9]+)\.[0-9]+\.[0-9]+(?:[-+][0-9A-Za-z.+-]*)?", re.ASCII)
KNOWN_FORMATS: Final = frozenset({2, 3, 4})
METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})
DOCUMENTED: Final = ("docs", "tags")
MEMBER_LISTS: Final = ("members", "tools", "skills", "resources", "prompts")


def tools_of(schema: Mapping[str, JSONValue]) -> JSONValue:
    """A schema's tools; `routes` is their name before version 3."""
    return schema["tools"] if "tools" in schema else schema.get("routes")


def check_schema(where: str, source: Source) -> Iterator[Problem]:
    """What refuses a schema."""
    schema = source.value
    if not isinstance(schema, Mapping):
        yield problem("not_an_object", where, "the schema is not an object")
        return
    yield from _check_text(where, schema, "namespace")
    yield from _check_text(where, schema, "name")
    yield from _check_version(where, schema.get("version"))
    if "tools" in schema and "routes" in schema:
        yield problem(
            "bad_tools", where, "has both 'tools' and 'routes'", hint="'routes' is the old name: keep 'tools'"
        )
    tools = tools_of(schema)
    if not isinstance(tools, Mapping):
        yield problem("bad_tools", where, "'tools' is missing" if tools is None else "'tools' is not an object")
        return
    for name, tool in tools.items():
        yield from _check_tool(where, source.name, name, tool)
    yield from same_but_case(where, tools, "tools")


def _check_text(where: str, value: Mapping[str, JSONValue], key: str) -> Iterator[Problem]:
    text = value.get(key)
    if not isinstance(text, str) or not text.strip():
        what = "is missing" if key not in value else "is not a text" if not isinstance(text, str) else "is empty"
        yield problem(f"bad_{key}", where, f"'{key}' {what}")
    elif any(char in CONTROL for char in text):
        yield problem(f"bad_{key}", where, f"'{key}' holds a tab, line break or control character")
    elif key == "namespace" and (not CONNECTOR_FORM.fullmatch(text) or "--" in text):
        yield problem(
            "bad_namespace", where, f"namespace {text[:60]!r} is not of the form [a-z][a-z0-9-]{{0,62}}, without '--'"
        )


def _check_version(where: str, version: JSONValue) -> Iterator[Problem]:
    if not isinstance(version, str):
        yield problem("bad_version", where, "'version' is missing" if version is None else "'version' is not a text")
    elif not FORMAT_VERSION.fullmatch(version):
        yield problem(
            "bad_version", where, f"'version' {version[:40]!r} is not a version", hint="it is FlowMCP's, like 4.0.0"
        )


def _check_tool(where: str, schema: str, name: str, tool: JSONValue) -> Iterator[Problem]:
    scope = f"{schema}.{name}"
    if not name or "--" in name or not SCOPE_FORM.fullmatch(scope):
        what = "is not of the form [A-Za-z0-9][A-Za-z0-9._:/{}-]{0,127}, without '--'"
        yield problem("bad_tool_name", where, f"the scope {scope[:80]!r} of a tool {what}")
    if not isinstance(tool, Mapping):
        yield problem("bad_tool", where, f"tool {name[:60]!r} is not an object")
        return
    for key in ("method", "path", "description"):
        text = tool.get(key)
        if not isinstance(text, str) or (key != "path" and not text.strip()):
            what = "no" if key not in tool else "an empty" if text == "" else "an ill-typed"
            yield problem("bad_tool", where, f"tool {name[:60]!r} has {what} {key}")


def same_but_case(where: str, names: Iterable[str], what: str) -> Iterator[Problem]:
    """Names that a person (or a case-insensitive disk) takes for one."""
    seen: dict[str, str] = {}
    for name in names:
        other = seen.setdefault(name.casefold(), name)
        if other != name:
            yield problem("same_but_case", where, f"two {what} differ only in case: {other[:60]!r} and {name[:60]!r}")


def find_in_schema(where: str, source: Source) -> Iterator[Problem]:
    """What is missing in a schema without refusing it."""
    schema = source.value
    version = FORMAT_VERSION.fullmatch(schema["version"])
    if version is not None and int(version[1][:9]) not in KNOWN_FORMATS:
        yield problem("unknown_format", where, f"FlowMCP version {schema['version'][:40]} is not one that is known")
    if "routes" in schema:
        yield problem("old_routes", where, "'routes' is the old name of 'tools'")
    for key in DOCUMENTED:
        if not schema.get(key):
            yield problem(f"no_{key}", where, f"has no {key}")
    tools = tools_of(schema)
    if not tools:
        yield problem("no_tools", where, "has no tools")
    for name, tool in tools.items():
        if not tool.get("tests"):
            yield problem("no_tests", where, f"tool {name!r} has no tests")
        if tool["method"].upper() not in METHODS:
            yield problem("unknown_method", where, f"tool {name!r} has the unknown method {tool['method'][:20]!r}")


def check_skill(where: str, source: Source) -> Iterator[Problem]:
    """What refuses a skill: it must be an object (or a document) with its own instructions."""
    if source.suffix == ".md":
        return
    skill = source.value
    if not isinstance(skill, Mapping):
        yield problem("bad_skill", where, "the skill is not an object")
        return
    for key in ("name", "content"):
        if not isinstance(skill.get(key), str) or not skill[key].strip():
            yield problem("bad_skill", where, f"the skill has no {key}")


def check_selection(where: str, source: Source) -> Iterator[Problem]:
    """What refuses a selection; its members are resolved elsewhere (`selection`)."""
    selection = source.value
    if not isinstance(selection, Mapping):
        yield problem("not_an_object", where, "the selection is not an object")
        return
    for key in ("selectionId", "namespace", "name", "description", "whenToUse"):
        if key in selection and not isinstance(selection[key], str):
            yield problem("bad_selection", where, f"'{key}' is not a text")
    if "version" in selection:
        yield from _check_version(where, selection["version"])
    lists = {key: selection[key] for key in MEMBER_LISTS if key in selection}
    for key, value in lists.items():
        if not isinstance(value, list):
            yield problem("bad_selection", where, f"'{key}' is not a list")
    if not any(lists.values()):
        hint = "name schemas under 'members', or tools under 'tools'"
        yield problem("bad_selection", where, "has no members", hint=hint)


def find_in_selection(where: str, source: Source) -> Iterator[Problem]:
    """What is missing in a selection without refusing it."""
    for key in ("namespace", "name", "version", "description", "whenToUse"):
        if not source.value.get(key):
            yield problem(f"no_{key.lower()}", where, f"has no {key}")
