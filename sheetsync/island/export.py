"""OUT: the files of an export, under plain names, and writing them into a folder that did not exist.

Hash bindings are in `index.json` alone; sources go out byte for byte, without stamp or hash in them or their names.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from sheetsync.errors import DestinationError, NotFoundError, StoreDamagedError
from sheetsync.island.index import IndexBuilder, index_bytes
from sheetsync.island.layout import INDEX_NAME, PROVIDERS
from sheetsync.island.manifest import source_of
from sheetsync.island.reader import IslandReader, OwnerContent
from sheetsync.store import SourceBytes


@dataclass(frozen=True, slots=True)
class ExportFile:
    """A file to be written; `path` is relative to the export's folder."""

    path: PurePosixPath
    data: bytes


def owner_files(
    builder: IndexBuilder, reader: IslandReader, kind: str, owner: str, *, below: str, sources: bool
) -> Iterator[ExportFile]:
    """The files of one provider or selection: `<below>/<owner>/index.json`, and its sources if asked for.

    Raises:
        NotFoundError: the island does not have it.
    """
    content = reader.provider(owner) if kind == PROVIDERS else reader.selection(owner)
    if content is None:
        raise NotFoundError(f"the island has no '{owner}'", hint="import it first: sheetsync import PATH")
    home = PurePosixPath(below, owner)
    index = builder.namespace_index(content) if kind == PROVIDERS else builder.selection_index(content)
    yield ExportFile(home / INDEX_NAME, index_bytes(index))
    if sources:
        yield from _source_files(reader, home, content)


def _source_files(reader: IslandReader, home: PurePosixPath, content: OwnerContent) -> Iterator[ExportFile]:
    manifest = content.manifest
    for entry in manifest.entries if manifest is not None else ():
        if entry.path is None:
            continue  # made of something inline: it is in the source that holds it
        path = PurePosixPath(entry.path)
        if path.is_absolute() or ".." in path.parts:
            raise StoreDamagedError(f"the manifest of '{content.owner}' names a file outside: {entry.path[:80]!r}")
        assert manifest is not None  # noqa: S101 - it has this entry
        snapshot = source_of(reader.store, reader.tenant, manifest, entry)
        assert isinstance(snapshot.content, SourceBytes)  # noqa: S101 - `source_of` gives nothing else
        yield ExportFile(home / path, snapshot.content.data)


def write_fresh(out_dir: Path, files: Iterable[ExportFile]) -> list[Path]:
    """Write the files into a folder that is new: first beside it, then named in one step.

    Raises:
        DestinationError: it exists, or cannot be made.
    """
    if os.path.lexists(out_dir):
        raise DestinationError(
            f"'{out_dir}' exists already", hint="an export goes into a fresh folder: choose another name"
        )
    draft = out_dir.parent / f".{out_dir.name}.{secrets.token_hex(4)}"
    written = []
    try:
        out_dir.parent.mkdir(parents=True, exist_ok=True)
        draft.mkdir()
        for file in files:
            target = draft / file.path
            target.parent.mkdir(parents=True, exist_ok=True)
            with target.open("xb") as stream:
                stream.write(file.data)
            written.append(out_dir / file.path)
        draft.rename(out_dir)  # a folder of that name made meanwhile is refused, unless it is empty
    except OSError as exc:
        shutil.rmtree(draft, ignore_errors=True)
        hint = "choose a folder that you may write, and that does not exist"
        raise DestinationError(f"'{out_dir}' cannot be written: {exc.strerror}", hint=hint) from exc
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    return sorted(written)
