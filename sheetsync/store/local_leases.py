"""Leases on local disk: a file for each, locked for as long as its holder lives."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sheetsync.store.backend import HeldLock, Holder
from sheetsync.store.filesystem import FileSystem
from sheetsync.store.flock import lock_held
from sheetsync.store.names import encode_part
from sheetsync.store.work_folder import parent

TRIES: Final = 5


class LocalLeases:
    """A tenant's leases.

    Args:
        files: the disk.
        folder: where their files are; made with the first one.
    """

    def __init__(self, files: FileSystem, folder: str) -> None:
        self._files, self._folder = files, folder

    def lock(self, name: str, holder: Holder) -> HeldLock:
        """A lease's lock."""
        path = self._path(name)
        for _ in range(TRIES):
            try:
                held = self._files.try_lock(path, holder)
            except FileNotFoundError:  # now it is known where the folder belongs
                for folder in (parent(self._folder), self._folder):  # no higher: no tenant that is gone is made anew
                    with suppress(FileExistsError):
                        self._files.mkdir(folder)
                held = self._files.try_lock(path, holder)
            if held is not None:
                return held
            other = self._files.lock_holder(path)
            if other is not None:  # else somebody only looked who has it
                break
        raise lock_held(name, other, now=holder.since)

    def held(self) -> list[tuple[str, Holder]]:
        """The leases that are held."""
        try:
            names = sorted(self._files.listdir(self._folder))
        except FileNotFoundError:
            return []
        paths = {name.removesuffix(".lock"): f"{self._folder}/{name}" for name in names}
        found = (
            (name, self._files.lock_holder(path)) for name, path in paths.items() if self._files.kind(path) == "file"
        )
        return [(name, holder) for name, holder in found if holder is not None]

    def break_lock(self, name: str, is_it: Callable[[Holder], bool]) -> None:
        """Take the lease's lock away from this holder, not from one that came after: its file gets a new identity."""
        path = self._path(name)
        holder = self._files.lock_holder(path)
        if holder is not None and is_it(holder):
            with suppress(FileNotFoundError):
                self._files.unlink(path)

    def _path(self, name: str) -> str:
        return f"{self._folder}/{encode_part(name)}.lock"
