"""What the island holds of a provider or selection now, read through its manifest: schemas, skills, documents.

One reader is one look at the store: what it has read once it does not read again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from sheetsync.domain.canonical import JSONValue, canonical_json
from sheetsync.errors import InvalidIdError, StoreDamagedError
from sheetsync.island.gate import tools_of
from sheetsync.island.layout import PROVIDERS, SELECTIONS
from sheetsync.island.manifest import Entry, Manifest, find_manifest, source_of
from sheetsync.island.provider import Unit
from sheetsync.island.scan import SourceFile
from sheetsync.island.sources import Source, read_source
from sheetsync.store import Snapshot, SourceBytes, Store

COMING: Final = ""  # the file name of what a run is about to write


@dataclass(frozen=True, slots=True)
class SchemaContent:
    """A schema of the island: its newest snapshot's file name and hash, and its tools as they came."""

    name: str
    filename: str
    hash: str
    tools: Mapping[str, JSONValue]
    author: str = ""


@dataclass(frozen=True, slots=True)
class PartContent:
    """A skill or document: its place below its owner, and its newest snapshot."""

    kind: str
    folder: tuple[str, ...]
    name: str
    filename: str
    hash: str


@dataclass(frozen=True, slots=True)
class OwnerContent:
    """A provider or selection as it is now. `newest_at` is the newest time among its records."""

    kind: str
    owner: str
    schemas: Mapping[str, SchemaContent]
    parts: tuple[PartContent, ...]
    manifest: Manifest | None
    newest_at: datetime | None
    selection: PartContent | None = None
    selection_value: JSONValue = None
    authors: frozenset[str] = frozenset()


class IslandReader:
    """Reads providers and selections of one tenant."""

    def __init__(self, store: Store, tenant: str) -> None:
        self.store = store
        self.tenant = tenant
        self._read: dict[tuple[str, str], OwnerContent | None] = {}

    def provider(self, namespace: str) -> OwnerContent | None:
        """A provider, None if the island does not have it."""
        return self._owner(PROVIDERS, namespace)

    def selection(self, selection: str) -> OwnerContent | None:
        """A selection, None if the island does not have it."""
        return self._owner(SELECTIONS, selection)

    def expect(self, unit: Unit) -> None:
        """Take a unit that is not written (`import --check`) for what the island will hold."""
        schemas = {
            source.name: SchemaContent(source.name, COMING, source.hash, tools_of(source.value))
            for source in unit.schemas
        }
        parts = tuple(PartContent(part.kind, part.folder, part.name, COMING, part.hash) for part in unit.parts)
        self._read[unit.kind, unit.owner] = OwnerContent(unit.kind, unit.owner, schemas, parts, None, None)

    def _owner(self, kind: str, owner: str) -> OwnerContent | None:
        key = (kind, owner)
        if key not in self._read:
            try:
                manifest = find_manifest(self.store, self.tenant, kind, owner)
            except InvalidIdError:  # no name of the island, so nothing of it
                manifest = None
            self._read[key] = None if manifest is None else self._content(manifest)
        return self._read[key]

    def _content(self, manifest: Manifest) -> OwnerContent:
        found = [(entry, source_of(self.store, self.tenant, manifest, entry)) for entry in manifest.entries]
        schemas = {entry.name: _schema(entry, snapshot) for entry, snapshot in found if entry.kind == "schema"}
        parts = tuple(_part(entry, snapshot) for entry, snapshot in found if entry.kind not in ("schema", "selection"))
        times = [snapshot.saved_at for _, snapshot in found]
        times += [manifest.snapshot.saved_at] if manifest.snapshot is not None else []
        chosen = next(((entry, snapshot) for entry, snapshot in found if entry.kind == "selection"), None)
        return OwnerContent(
            kind=manifest.kind,
            owner=manifest.owner,
            schemas=schemas,
            parts=parts,
            manifest=manifest,
            newest_at=max(times, default=None),
            selection=_part(*chosen) if chosen is not None else None,
            selection_value=_value(*chosen) if chosen is not None else None,
            authors=frozenset(snapshot.author for entry, snapshot in found if entry.kind in ("schema", "selection")),
        )


def _schema(entry: Entry, snapshot: Snapshot) -> SchemaContent:
    tools = tools_of(_value(entry, snapshot))
    return SchemaContent(entry.name, snapshot.filename, snapshot.hash, tools, snapshot.author)


def _part(entry: Entry, snapshot: Snapshot) -> PartContent:
    return PartContent(entry.kind, entry.folder, entry.name, snapshot.filename, snapshot.hash)


def _value(entry: Entry, snapshot: Snapshot) -> JSONValue:
    """A stored source, read again.

    Raises:
        StoreDamagedError: it passed the gate once, and does not now.
    """
    data = snapshot.content.data if isinstance(snapshot.content, SourceBytes) else b""
    path = "selection.json" if entry.kind == "selection" and entry.suffix == ".json" else f"{entry.name}{entry.suffix}"
    source = read_source(entry.name, SourceFile(path, data))
    if not isinstance(source, Source):
        raise StoreDamagedError(f"'{snapshot.filename}' of the island cannot be read: {source.message}")
    return source.value


def tool_hash(tool: JSONValue) -> str:
    """SHA-256 over a tool's canonical JSON: what an approval or veto of one tool is bound to."""
    return hashlib.sha256(canonical_json(tool)).hexdigest()
