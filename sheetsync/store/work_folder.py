"""A tenant's work folder on local disk: temporary files on their way to their names, and bytes that are kept aside."""

from __future__ import annotations

import errno
import itertools
from contextlib import suppress
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store.filesystem import FileSystem
from sheetsync.store.places import aside_name

TEMP: Final = "temp"
NO_LINKS: Final = (errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK)


def parent(path: str) -> str:
    """The folder of a path."""
    return path.rpartition("/")[0]


def make_folders(files: FileSystem, path: str) -> None:
    """Make a folder and all above it that are missing."""
    try:
        files.mkdir(path)
    except FileExistsError:
        if files.kind(path) != "folder":
            raise StoreDamagedError(f"'{path}' in the store is no folder") from None
    except FileNotFoundError:
        if not path:  # the store itself is gone
            raise
        make_folders(files, parent(path))
        with suppress(FileExistsError):
            files.mkdir(path)


def link_or_move(files: FileSystem, temp: str, target: str) -> None:
    """Link; on a file system without links move, which replaces nothing while the writers' lock is held."""
    try:
        files.link(temp, target)
    except OSError as exc:
        if exc.errno not in NO_LINKS:
            raise
        if files.kind(target) is not None:
            raise FileExistsError(target) from exc
        files.rename(temp, target)


class WorkFolder:
    """Temporary files, and what is kept aside. Only under the writers' lock.

    Args:
        files: the disk.
        path: the work folder.
        nonce: makes the names of temporary files this process's own.
    """

    def __init__(self, files: FileSystem, path: str, nonce: str) -> None:
        self._files, self._work, self._nonce = files, path, nonce
        self._serial = 0

    def temp(self, data: bytes) -> str:
        """A new temporary file; its path."""
        self._serial += 1
        path = f"{self._work}/{TEMP}/{self._nonce}.{self._serial}"
        try:
            self._files.create(path, data)
        except FileExistsError:  # made by whom we were forked from
            return self.temp(data)
        except FileNotFoundError:  # somebody removed the folder: all in it can be made again
            make_folders(self._files, parent(path))
            self._files.create(path, data)
        except OSError:  # half of it, on a full disk
            self.remove(path)
            raise
        return path

    def remove(self, path: str) -> bool:
        """Remove a temporary file; False if it cannot be removed, which stops nothing."""
        try:
            self._files.unlink(path)
        except OSError:
            return False
        return True

    def replace(self, target: str, data: bytes, *, durable: bool) -> None:
        """Put a whole file in the place of whatever file stands there."""
        temp = self.temp(data)
        try:
            if durable:
                self._files.sync(temp)
            self._files.rename(temp, target)
        except OSError:
            self.remove(temp)
            raise

    def keep(self, name: str, data: bytes) -> None:
        """A durable copy, under the next free name; there is one already where what follows failed the last time."""
        if self._is_kept(name, data):
            return
        temp = self.temp(data)
        try:
            self._files.sync(temp)
            self._into_aside(temp, name)
        finally:
            self.remove(temp)

    def _is_kept(self, name: str, data: bytes) -> bool:
        """Are these very bytes kept already? Where that cannot be told, one more copy does no harm."""
        with suppress(OSError):  # most likely there is no file of the next number
            for serial in itertools.count():
                path = f"{self._work}/aside/{name}.{serial}"
                with suppress(StoreDamagedError):  # a link
                    if self._files.read(path) == data:
                        self._files.sync(path)
                        self._files.sync_folder(f"{self._work}/aside")
                        return True
        return False

    def keep_name(self, target: str) -> None:
        """The damaged file gets a second name; replacing the first one then loses nothing."""
        self._into_aside(target, aside_name(target))

    def _into_aside(self, source: str, name: str) -> None:
        with suppress(FileExistsError):
            self._files.mkdir(f"{self._work}/aside")
            self._files.sync_folder(self._work)
        for serial in itertools.count():
            try:
                self._second_name(source, f"{self._work}/aside/{name}.{serial}")
            except FileExistsError:
                continue
            break
        self._files.sync_folder(f"{self._work}/aside")

    def _second_name(self, source: str, target: str) -> None:
        try:
            self._files.link(source, target)
        except OSError as exc:
            if exc.errno not in NO_LINKS:
                raise
            self._files.create(target, self._files.read(source))
            self._files.sync(target)
