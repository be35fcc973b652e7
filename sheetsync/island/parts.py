"""Conversion: the skills and documents of a folder, each with its place in the island. Inline ones become files.

A skill or document belongs to the schema that names it, else to the provider (or selection) itself. References are
looked up among the files that were read; a path that leads out of the folder is a problem, a missing one a finding.
"""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sheetsync.domain.canonical import JSONValue, canonical_json
from sheetsync.domain.problems import Problem
from sheetsync.island.layout import name_fault, plain_name
from sheetsync.island.scan import problem
from sheetsync.island.sources import Source

ABOUT: Final = "about"


@dataclass(frozen=True, slots=True)
class Part:
    """A file in the island, below its provider or selection: `folder` and `name` of the record, and the bytes.

    `path` is where the file stands outside; None for one that was made of something inline.
    """

    kind: str
    folder: tuple[str, ...]
    name: str
    data: bytes
    suffix: str
    path: str | None
    hash: str


@dataclass
class Conversion:
    """The parts found so far, and what was wrong."""

    parts: list[Part] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    findings: list[Problem] = field(default_factory=list)


def schema_part(source: Source) -> Part:
    """A schema's own place."""
    return Part("schema", (source.name, "schema"), source.name, source.data, source.suffix, source.path, source.hash)


def selection_part(source: Source, selection: str) -> Part:
    """A selection's own place."""
    return Part("selection", ("selection",), selection, source.data, source.suffix, source.path, source.hash)


def convert_parts(
    where: str, owners: Sequence[tuple[tuple[str, ...], str, JSONValue]], files: list[Source]
) -> Conversion:
    """Give every skill, document and list its place.

    Args:
        where: the folder, as problems show it.
        owners: (place below the provider, path of the naming file, its value), one for each schema, or the selection.
        files: the skills, documents and lists that were read.
    """
    found = Conversion()
    left = {source.path: source for source in files}
    for place, path, value in owners:
        _convert_skills(found, f"{where}/{path}", place, value.get("skills"), left)
        _convert_resources(found, f"{where}/{path}", place, value.get("resources"), left)
    for source in left.values():
        folder = {"skill": ("skills", source.name), "list": ("lists", source.name)}.get(source.kind, _document(source))
        _add(found, f"{where}/{source.path}", (), folder, source)
    return found


def _document(source: Source) -> tuple[str, ...]:
    is_about = source.path.startswith("resources/about/") or source.name == ABOUT or source.name.endswith("-about")
    return ("resources", ABOUT) if is_about else ("resources", source.name)


def _lowered(folder: tuple[str, ...]) -> tuple[str, ...]:
    """As a disk that ignores case sees it."""
    return tuple(step.lower() for step in folder)


def _add(found: Conversion, where: str, place: tuple[str, ...], folder: tuple[str, ...], source: Source) -> None:
    full = (*place, *folder)
    taken = {_lowered(part.folder) for part in found.parts}
    if _lowered(full) in taken and folder == ("resources", ABOUT):
        full = (*place, "resources", source.name)  # one document is the about, another keeps its own name
    if _lowered(full) in taken:
        found.problems.append(problem("same_name", where, f"another {source.kind} is also called {source.name!r}"))
        return
    path = source.path or None
    found.parts.append(Part(source.kind, full, full[-1], source.data, source.suffix, path, source.hash))


def _entries(value: JSONValue) -> Iterator[tuple[str, JSONValue]]:
    """Named entries of an object or a list; a list's objects carry their own names."""
    if isinstance(value, Mapping):
        yield from value.items()
    elif isinstance(value, list):
        for entry in value:
            if isinstance(entry, Mapping):
                file = posixpath.basename(str(entry.get("file", "")))
                yield str(entry.get("name") or plain_name(file).split(".")[0]), entry


def _convert_skills(
    found: Conversion, where: str, place: tuple[str, ...], skills: JSONValue, left: dict[str, Source]
) -> None:
    for name, entry in _entries(skills):
        file = entry if isinstance(entry, str) else entry.get("file") if isinstance(entry, Mapping) else None
        if isinstance(file, str):
            source = _named_file(found, where, f"skill {name[:60]!r}", (file,), left)
            if source is not None:
                _add(found, where, place, ("skills", source.name), source)
        elif isinstance(entry, Mapping) and "content" in entry:
            fault = name_fault(name)
            if fault is not None:
                found.problems.append(problem("bad_name", where, f"skill {name[:60]!r}: {fault}"))
                continue
            inline = Source("skill", name, "", canonical_json(entry) + b"\n", ".json")
            _add(found, where, place, ("skills", name), inline)


def _convert_resources(
    found: Conversion, where: str, place: tuple[str, ...], resources: JSONValue, left: dict[str, Source]
) -> None:
    for key, entry in _entries(resources):
        if not isinstance(entry, Mapping) or entry.get("source") != "markdown":
            continue  # databases and remote files are not the island's
        name = str(entry.get("name", ""))
        stem = ABOUT if key == ABOUT else plain_name(posixpath.basename(name).removesuffix(".md")) or key
        folder = ("resources", ABOUT) if key == ABOUT else ("resources", stem)
        if isinstance(entry.get("content"), str):
            fault = name_fault(stem)
            if fault is not None:
                found.problems.append(problem("bad_name", where, f"resource {key[:60]!r}: {fault}"))
                continue
            _add(found, where, place, folder, Source("resource", stem, "", entry["content"].encode(), ".md"))
            continue
        options = (f"resources/{name}", f"resources/about/{name}", name)
        source = _named_file(found, where, f"resource {key[:60]!r}", options, left)
        if source is not None:
            _add(found, where, place, folder, source)


def _named_file(
    found: Conversion, where: str, what: str, options: tuple[str, ...], left: dict[str, Source]
) -> Source | None:
    """The file that a schema names, taken from those that are left."""
    for option in options:
        path = posixpath.normpath(option)
        if path.startswith(("/", "..")) or "\\" in path:
            found.problems.append(problem("outside", where, f"{what} names a file outside its folder: {option[:60]!r}"))
            return None
        if path in left:
            return left.pop(path)
    found.findings.append(problem("missing_file", where, f"{what} names a file that is not there: {options[0][:60]!r}"))
    return None
