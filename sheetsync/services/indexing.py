"""Use case: every `index.json`, built anew and written where it differs. What is in it: `island.index`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sheetsync.domain.canonical import JSONValue
from sheetsync.island.index import IndexBuilder, index_bytes
from sheetsync.island.layout import PROVIDERS, SELECTIONS, index_path
from sheetsync.island.manifest import all_manifests
from sheetsync.island.reader import IslandReader
from sheetsync.services.workspace import Workspace


@dataclass(frozen=True)
class IndexReport:
    """Which indexes there are, and which were written because they differed."""

    indexes: tuple[str, ...]
    written: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Always 0."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "indexes": count, "written": […]}`."""
        return {"ok": True, "indexes": len(self.indexes), "written": list(self.written)}


def builder_of(ws: Workspace) -> tuple[IndexBuilder, IslandReader]:
    """An index builder over the store as it is now."""
    reader = IslandReader(ws.store, ws.ctx.tenant)
    return IndexBuilder(reader, ws.catalogue().at(ws.store.head())), reader


def refresh_index(ws: Workspace, names: Mapping[str, set[str]] | None) -> IndexReport:
    """Write the indexes of these providers and selections (None: of all) where they differ from what is there.

    With providers come all selections: what a member is, is told in theirs too.
    """
    builder, reader = builder_of(ws)
    store, tenant = ws.store, ws.ctx.tenant
    seen, written = [], []
    for kind in (PROVIDERS, SELECTIONS):
        for owner in _owners(ws, names, kind):
            content = reader.provider(owner) if kind == PROVIDERS else reader.selection(owner)
            if content is None:
                continue
            index = builder.namespace_index(content) if kind == PROVIDERS else builder.selection_index(content)
            data, path = index_bytes(index), index_path(kind, owner)
            seen.append(f"{kind}/{owner}")
            if store.read_derived(tenant, path) != data:
                store.write_derived(tenant, path, data)
                written.append(f"{kind}/{owner}")
    return IndexReport(tuple(seen), tuple(written))


def _owners(ws: Workspace, names: Mapping[str, set[str]] | None, kind: str) -> list[str]:
    if names is None or (kind == SELECTIONS and names[PROVIDERS]):
        return list(all_manifests(ws.store, ws.ctx.tenant, kind))
    return sorted(names[kind])
