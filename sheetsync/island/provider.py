"""A provider folder, through scan, gate and conversion: its namespace and all its parts, or why it is refused.

Nothing is written here, and nothing is compared with what the island has: that is `manifest` and the import service.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.island.gate import (
    check_schema,
    check_selection,
    check_skill,
    find_in_schema,
    find_in_selection,
    same_but_case,
    tools_of,
)
from sheetsync.island.layout import PROVIDERS, SELECTIONS, name_fault
from sheetsync.island.parts import Part, convert_parts, schema_part, selection_part
from sheetsync.island.scan import Candidate, FolderContent, problem
from sheetsync.island.sources import Source, read_source

LISTS_ONLY: Final = "shared_lists"


@dataclass(frozen=True, slots=True)
class Unit:
    """What one transaction writes: a provider or a selection, with its parts in order of their places."""

    kind: str  # PROVIDERS or SELECTIONS
    owner: str  # the namespace or the selection's id
    where: str
    parts: tuple[Part, ...]
    schemas: tuple[Source, ...] = ()
    selection: Source | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A folder, read: the units to write (none if it is refused), problems and findings."""

    units: tuple[Unit, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Problem, ...]


def read_units(candidate: Candidate, content: FolderContent) -> Reading:
    """Understand a folder's files: a provider, one or more selections, or nothing but lists."""
    problems, findings = list(content.problems), list(content.findings)
    sources: list[Source] = []
    for file in content.files:
        source = read_source(content.name, file)
        if isinstance(source, Problem):
            problems.append(source)
        else:
            sources.append(source)
    schemas = [source for source in sources if source.kind == "schema"]
    selections = [source for source in sources if source.kind == "selection"]
    others = [source for source in sources if source.kind not in ("schema", "selection")]
    for source in others:
        if source.kind == "skill":
            problems += check_skill(f"{content.name}/{source.path}", source)
    if schemas and selections:
        problems.append(
            problem("mixed_folder", content.name, "holds both schemas and selections", hint="keep them in two folders")
        )
    elif selections:
        return _read_selections(candidate, content.name, selections, others, problems, findings)
    elif schemas and candidate.path.is_file():
        hint = f"sheetsync import {candidate.path.parent}"
        problems.append(
            problem("not_a_folder", content.name, "a schema is imported with its provider's folder", hint=hint)
        )
        return Reading((), tuple(problems), tuple(findings))
    elif not schemas and not problems:
        return _read_rest(content.name, others, findings)
    return _read_provider(candidate, content.name, schemas, others, problems, findings)


def _read_rest(where: str, others: list[Source], findings: list[Problem]) -> Reading:
    if others and all(source.kind == "list" for source in others):
        findings.append(problem(LISTS_ONLY, where, "holds shared lists only: nothing of it is imported"))
        return Reading((), (), tuple(findings))
    refused = problem("no_schema", where, "holds no schema", hint="a schema is a .json file, or exports 'main'")
    return Reading((), (refused,), tuple(findings))


def _read_provider(
    candidate: Candidate,
    where: str,
    schemas: list[Source],
    others: list[Source],
    problems: list[Problem],
    findings: list[Problem],
) -> Reading:
    good = []
    for source in schemas:
        wrong = list(check_schema(f"{where}/{source.path}", source))
        problems += wrong
        if not wrong:
            good.append(source)
            findings += find_in_schema(f"{where}/{source.path}", source)
    problems += _check_names(where, schemas, good)
    problems += _check_namespace(where, candidate.path.name, good)
    if problems:
        return Reading((), tuple(problems), tuple(findings))
    owners = [((source.name,), source.path, source.value) for source in good]
    converted = convert_parts(where, owners, others)
    problems += converted.problems
    findings += converted.findings
    if problems:
        return Reading((), tuple(problems), tuple(findings))
    parts = sorted([*map(schema_part, good), *converted.parts], key=lambda part: (part.folder, part.name))
    good.sort(key=lambda source: source.name)
    unit = Unit(PROVIDERS, good[0].value["namespace"], where, tuple(parts), tuple(good))
    return Reading((unit,), (), tuple(findings))


def _check_names(where: str, schemas: list[Source], good: list[Source]) -> Iterator[Problem]:
    """Two files that would be one schema, or two tools that would be one scope."""
    paths: dict[str, str] = {}
    for source in schemas:
        other = paths.setdefault(source.name, source.path)
        if other != source.path:
            yield problem("same_name", where, f"{other!r} and {source.path!r} are both the schema {source.name!r}")
    yield from same_but_case(where, paths, "files")
    if len({path.casefold() for path in paths}) < len(paths) or len(paths) < len(schemas):
        return
    owners: dict[str, tuple[str, str]] = {}
    for source in good:
        for tool in tools_of(source.value):
            scope = f"{source.name}.{tool}"
            first, same = owners.setdefault(scope.casefold(), (source.name, scope))
            if first != source.name:
                message = f"tools of two schemas would be one scope: {same!r} and {scope!r}"
                yield problem("same_name", where, message)


def _check_namespace(where: str, folder: str, good: list[Source]) -> Iterator[Problem]:
    namespaces = sorted({source.value["namespace"] for source in good})
    if len(namespaces) > 1:
        listed = ", ".join(namespaces)
        message, hint = f"holds more than one namespace: {listed}", "one folder is one namespace"
        yield problem("two_namespaces", where, message, hint=hint, about=tuple(namespaces))
    elif namespaces and namespaces[0] != folder:
        message = f"the namespace is {namespaces[0]!r}, but the folder is called {folder[:60]!r}"
        hint = f"rename the folder to '{namespaces[0]}', or the namespace"
        yield problem("folder_name", where, message, hint=hint, about=tuple(namespaces))


def _read_selections(
    candidate: Candidate,
    where: str,
    selections: list[Source],
    others: list[Source],
    problems: list[Problem],
    findings: list[Problem],
) -> Reading:
    units = []
    for source in selections:
        place = where if candidate.path.is_file() else f"{where}/{source.path}"
        wrong = list(check_selection(place, source))
        if not wrong:
            chosen = selection_id(candidate, source)
            fault = name_fault(chosen)
            wrong += [problem("bad_name", place, f"selection {chosen[:60]!r}: {fault}")] if fault else []
        problems += wrong
        if wrong:
            continue
        findings += find_in_selection(place, source)
        converted = convert_parts(where, [((), source.path, source.value)], others)
        problems += converted.problems
        findings += converted.findings
        parts = sorted([selection_part(source, chosen), *converted.parts], key=lambda part: (part.folder, part.name))
        units.append(Unit(SELECTIONS, chosen, place, tuple(parts), selection=source))
    problems += same_but_case(where, [unit.owner for unit in units], "selections")
    if len({unit.owner for unit in units}) < len(units):
        problems.append(problem("same_name", where, "two selections have the same id"))
    return Reading(() if problems else tuple(units), tuple(problems), tuple(findings))


def selection_id(candidate: Candidate, source: Source) -> str:
    """What a selection is called: its `selectionId`, else its name if that can be one, else its file's or folder's."""
    value = source.value
    chosen = value.get("selectionId")
    if isinstance(chosen, str):
        return chosen
    name = value.get("name")
    if isinstance(name, str) and name_fault(name) is None:
        return name
    return source.name if source.name != "selection" else candidate.path.name
