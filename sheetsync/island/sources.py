"""What a file of a provider or selection is: schema, skill, document, list or selection; and its value.

Which kinds a folder may hold together, and what must be in a schema, is in `gate`; the reading itself is in
`strict_json` and `modules`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final, Literal

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.problems import Problem
from sheetsync.island.layout import name_fault, plain_name
from sheetsync.island.modules import Fault, read_module
from sheetsync.island.scan import SourceFile, problem
from sheetsync.island.strict_json import read_json

Kind = Literal["schema", "selection", "skill", "list", "resource"]
SELECTION_FILE: Final = "selection.json"
_KIND_OF_EXPORT: Final[dict[str, Kind]] = {
    "main": "schema", "schema": "schema", "selection": "selection", "skill": "skill", "list": "list",
}  # fmt: skip
HINTS: Final = {
    "not_constant": "write the value itself: only constants are read",
    "side_effect": "keep the module to declarations and exports",
    "computed_key": "write the key itself",
    "duplicate_key": "keep one of the two",
}


@dataclass(frozen=True, slots=True)
class Source:
    """One file, understood. `path`: where it stands outside, without leading dashes; `value`: None for documents."""

    kind: Kind
    name: str
    path: str
    data: bytes
    suffix: str
    value: JSONValue = None

    @property
    def hash(self) -> str:
        """SHA-256 over the file's bytes: what the store calls its hash."""
        return hashlib.sha256(self.data).hexdigest()


def read_source(folder: str, file: SourceFile) -> Source | Problem:
    """The file's kind, name and value, or the problem that keeps it from being read. `folder`: as problems show it."""
    where = f"{folder}/{file.path}"
    pure = PurePosixPath(file.path)
    name = plain_name(pure.stem)
    fault = name_fault(name)
    if fault is not None and pure.name != SELECTION_FILE:
        return problem("bad_name", where, fault, hint="rename the file")
    path = str(pure.with_name(f"{name}{pure.suffix}"))
    part = pure.parts[0] if len(pure.parts) > 1 else ""
    if part == "resources" or pure.suffix == ".md":
        kind_of_text: Kind = "skill" if part == "skills" else "resource"
        return _read_document(where, file, Source(kind_of_text, name, path, file.data, pure.suffix))
    value, kind, read_fault = _read_value(file, part)
    if read_fault is not None:
        return _as_problem(where, read_fault)
    if kind is None:
        known = "main, schema, selection, skill or list"
        return problem("no_export", where, f"exports none of {known}", hint="a schema is 'export const main = { … }'")
    return Source(kind, name, path, file.data, pure.suffix, value)


def _read_document(where: str, file: SourceFile, source: Source) -> Source | Problem:
    try:
        file.data.decode("utf-8")
    except UnicodeDecodeError as exc:
        line = file.data[: exc.start].count(b"\n") + 1
        return _as_problem(where, Fault("not_utf8", f"is not UTF-8: byte {exc.start}", line))
    return source


def _read_value(file: SourceFile, part: str) -> tuple[JSONValue, Kind | None, Fault | None]:
    if file.path.endswith(".mjs"):
        module = read_module(file.data)
        if module.faults:
            return None, None, module.faults[0]
        found = next((name for name in _KIND_OF_EXPORT if name in module.exports), None)
        return (None, None, None) if found is None else (module.exports[found], _KIND_OF_EXPORT[found], None)
    value, fault = read_json(file.data)
    if fault is not None:
        return None, None, fault
    return value, "skill" if part == "skills" else _kind_of_json(file.path, value), None


def _kind_of_json(path: str, value: JSONValue) -> Kind:
    """JSON has no export name: its keys tell. What looks like nothing else is meant, and checked, as a schema."""
    if path == SELECTION_FILE:
        return "selection"
    if isinstance(value, Mapping) and not ("root" in value and {"tools", "routes"} & value.keys()):
        if "selectionId" in value or {"members", "whenToUse"} & value.keys():
            return "selection"
        if {"meta", "entries"} <= value.keys():
            return "list"
    return "schema"


def _as_problem(where: str, fault: Fault) -> Problem:
    cell = f"{fault.line}:{fault.column}"
    return problem(fault.code, where, fault.message, cell=cell, hint=HINTS.get(fault.code, ""))
