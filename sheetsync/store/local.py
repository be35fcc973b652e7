"""Local disk: a store in a folder. Its tenants are `local_tenant.py`."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from itertools import islice
from typing import Final

from sheetsync.store.backend import FORMAT_FILE, JOURNAL, WORK, Traits
from sheetsync.store.filesystem import UNREADABLE, FileSystem
from sheetsync.store.local_tenant import LocalTenant
from sheetsync.store.mutex import under
from sheetsync.store.places import RECORDS, tells_of_a_store
from sheetsync.store.segments import Rotation, parse_segment_name
from sheetsync.store.work_folder import link_or_move

ROOT_TEMP: Final = ".tmp"
FIRST_PATHS: Final = 1000  # a folder of records holds little else
NOT_OURS: Final = (ROOT_TEMP, "lost+found")  # the last one is the file system's, where a store is at its root


class LocalBackend:
    """A store in a folder."""

    traits = Traits(cheap_refresh=True, lasting_leases=True, torn_tails=True)

    def __init__(
        self,
        files: FileSystem,
        url: str,
        *,
        rotation: Rotation | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.url = url
        self._files = files
        self._rotation = rotation or Rotation()
        self._token = token

    def read_format(self) -> bytes | None:
        """The FORMAT file."""
        try:
            return self._files.read(FORMAT_FILE)
        except FileNotFoundError:
            return None

    def create_format(self, data: bytes) -> None:
        """Make FORMAT durably, unless another process did a moment ago."""
        with suppress(FileExistsError):
            self._files.mkdir(ROOT_TEMP)
        temp = f"{ROOT_TEMP}/{self._token(8)}"
        self._files.create(temp, data)
        self._files.sync(temp)
        with suppress(FileExistsError):  # where there are no links, a move replaces
            under(self._files.lock(ROOT_TEMP), lambda: link_or_move(self._files, temp, FORMAT_FILE))
        with suppress(FileNotFoundError):
            self._files.unlink(temp)
        self._files.sync_folder("")

    def tenants(self) -> Iterator[str]:
        """Folders whose journal holds a journal file's name."""
        for name in self.folders():
            journal = f"{name}/{JOURNAL}"
            if self._files.kind(journal) == "folder" and any(map(parse_segment_name, self._files.listdir(journal))):
                yield name

    def folders(self) -> list[str]:
        """Folders that do not start with a dot."""
        names = (name for name in self._files.listdir("") if not name.startswith(".") and name not in NOT_OURS)
        return sorted(name for name in names if self._files.kind(name) == "folder")

    def was_a_store(self) -> bool:
        """By a look at each folder; an OSError where none tells, and one could not be looked at."""
        unread: list[OSError] = []
        for name in self.folders():
            try:
                if any(map(tells_of_a_store, self._telling(name))):
                    return True
            except OSError as exc:
                if exc.errno not in UNREADABLE:
                    raise
                unread.append(exc)
        if unread:
            raise unread[0]
        return False

    def _telling(self, name: str) -> Iterator[str]:
        """What stands where a tenant has its journal, its work folder, and its first snapshots."""
        for place in (f"{name}/{JOURNAL}", f"{name}/{WORK}"):
            if self._files.kind(place) == "folder":
                yield from (f"{place}/{one}" for one in self._files.listdir(place))
        part = self.open_tenant(name)
        for folder in RECORDS:
            yield from (f"{name}/{path}" for path, _ in islice(part.walk(folder, whole=True), FIRST_PATHS))

    def names(self) -> list[str]:
        """All names in the store's folder, but of the one in which FORMAT is written, and what each file system has."""
        return sorted(name for name in self._files.listdir("") if name not in NOT_OURS)

    def strangers(self) -> list[tuple[str, str]]:
        """What is neither FORMAT nor a folder, hidden files aside."""
        names = (name for name in self._files.listdir("") if not name.startswith(".") or name == ROOT_TEMP)
        kinds = ((name, self._files.kind(name)) for name in sorted(names) if name != FORMAT_FILE)
        return [(name, kind) for name, kind in kinds if kind is not None and kind != "folder"]

    def open_tenant(self, folder: str) -> LocalTenant:
        """One tenant's part."""
        return LocalTenant(self._files, folder, self._rotation, self._token(6))

    def close(self) -> None:
        """Give back descriptors."""
        self._files.close()
