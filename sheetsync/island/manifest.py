"""The manifest: which files a provider (or selection) has now, and where each stands in the island. A snapshot too.

It is what "the newest sources" means: a file that left the provider stays in the island, but not in the manifest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, cast

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import StoreDamagedError
from sheetsync.island.layout import manifest_record
from sheetsync.island.parts import Part
from sheetsync.store import RecordId, Snapshot, SourceBytes, Store


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a manifest."""

    kind: str
    folder: tuple[str, ...]
    name: str
    path: str | None
    hash: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Manifest:
    """The files of one provider or selection, in order of their places."""

    kind: str
    owner: str
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None = None

    def to_json(self) -> dict[str, JSONValue]:
        """As it is stored."""
        files = [
            {
                "kind": entry.kind,
                "folder": list(entry.folder),
                "name": entry.name,
                "path": entry.path,
                "hash": entry.hash,
                "suffix": entry.suffix,
            }
            for entry in self.entries
        ]
        return {"of": self.kind, "id": self.owner, "files": files}

    def record(self, tenant: str, entry: Entry | Part) -> RecordId:
        """Where a file of it stands."""
        return RecordId(tenant, (self.kind, self.owner, *entry.folder), entry.name)

    def of_kind(self, kind: str) -> Iterator[Entry]:
        """Its files of one kind."""
        return (entry for entry in self.entries if entry.kind == kind)


def manifest_of(kind: str, owner: str, parts: tuple[Part, ...]) -> Manifest:
    """The manifest of parts that are to be written."""
    entries = tuple(Entry(part.kind, part.folder, part.name, part.path, part.hash, part.suffix) for part in parts)
    return Manifest(kind, owner, entries)


def read_manifest(snapshot: Snapshot) -> Manifest:
    """A stored manifest."""
    content = cast("dict[str, Any]", snapshot.content)
    entries = tuple(
        Entry(one["kind"], tuple(one["folder"]), one["name"], one["path"], one["hash"], one["suffix"])
        for one in content["files"]
    )
    return Manifest(content["of"], content["id"], entries, snapshot)


def find_manifest(store: Store, tenant: str, kind: str, owner: str) -> Manifest | None:
    """The newest manifest of a provider or selection, None if the island does not have it."""
    snapshot = store.latest(manifest_record(tenant, kind, owner))
    return None if snapshot is None else read_manifest(snapshot)


def all_manifests(store: Store, tenant: str, kind: str) -> dict[str, Manifest]:
    """The manifests of all providers (or selections), by their ids in code-point order."""
    records = [record for record in store.records(tenant, (kind,)) if record.name == "manifest" == record.folder[-1]]
    found = {}
    for record in records:
        snapshot = store.latest(record)
        if snapshot is not None:
            found[record.folder[1]] = read_manifest(snapshot)
    return dict(sorted(found.items()))


def source_of(store: Store, tenant: str, manifest: Manifest, entry: Entry) -> Snapshot:
    """The newest snapshot of one of its files (`resolve_latest` over the record's folder).

    Raises:
        StoreDamagedError: it is not the one that the manifest names.
    """
    snapshot = store.latest(manifest.record(tenant, entry))
    if snapshot is None or snapshot.hash != entry.hash or not isinstance(snapshot.content, SourceBytes):
        raise StoreDamagedError(f"{manifest.owner}/{entry.name} in the island is not what its manifest names")
    return snapshot


def resolve_latest(filenames: list[str], name: str) -> str | None:
    """The newest snapshot among the names in a record's folder: filter on the prefix, sort, last."""
    found = sorted(filename for filename in filenames if filename.startswith(f"{name}--"))
    return found[-1] if found else None
