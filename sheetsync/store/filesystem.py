"""The file system as a port: the few operations that the store makes on a disk, and nothing else.

Tests put a simulated disk behind it that loses what was not fsynced. The real one is in `posix.py`.
"""

from __future__ import annotations

import errno
from collections.abc import Collection
from contextlib import AbstractContextManager
from typing import Final, Protocol

from sheetsync.store.backend import HeldLock, Holder

# A bad sector; a file system that found its own structures damaged (ext4 and XFS: EFSBADCRC and EFSCORRUPTED).
FAILING: Final = (errno.EIO, *(getattr(errno, name) for name in ("EBADMSG", "EUCLEAN") if hasattr(errno, name)))
UNREADABLE: Final = (*FAILING, errno.EACCES, errno.EPERM)  # of one file; the others may be read


def is_read_only(exc: OSError) -> bool:
    """Does the error say that nothing can be written here?"""
    return exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM)


class AnotherEnd(FileExistsError):  # noqa: N818 (no failure: it is looked at anew)
    """Nothing was appended: the file ends elsewhere. Of its own class, for a signal handler may raise any other."""


class FileSystem(Protocol):
    """Paths are `/`-separated and relative to the store's root; no operation follows a symbolic link below it.

    All raise `OSError`, as the `os` module does. One of an fsync itself has a true `failed_sync`: it is told from what
    a signal handler raises on top of it.
    """

    def rest(self, path: str) -> None:
        """Give back what is kept open of a folder; it is opened anew when it is needed."""

    def limits(self) -> tuple[int, int]:
        """The longest name, and the longest path below the store's root, in bytes."""

    def mkdir(self, path: str) -> None:
        """Make a folder; FileExistsError if there is something."""

    def listdir(self, path: str) -> list[str]:
        """The names in a folder."""

    def kind(self, path: str) -> str | None:
        """`file`, `folder`, `link`, `other`, or None."""

    def exists(self, path: str) -> bool:
        """Does anything stand at this path now?"""

    def stamp(self, path: str) -> tuple[int, ...] | None:
        """Another one once something else stands at this path, or its content, or a folder's names, changed."""

    def size(self, path: str) -> int | None:
        """The size of a file in bytes, None if there is none."""

    def version(self, path: str) -> tuple[int, ...]:
        """Another one once the file was written to, or (its first part) once another file was put in its place."""

    def read(self, path: str) -> bytes:
        """All of a file."""

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""

    def create(self, path: str, data: bytes) -> None:
        """A new file with this content, not durable; FileExistsError if there is something."""

    def place(self, path: str, data: bytes) -> bool:
        """A new file that appears whole, not durable; FileExistsError if there is something.

        Returns:
            False if this file system has no files without a name: make one under another name, and link it.
        """

    def place_first(self, path: str, data: bytes) -> bool:
        """A folder that is not there yet, and a new file in it that appears whole; neither is durable.

        Returns:
            False if the file is not there: the folder was there already, or what holds it was not, or the file system
            has no files without a name. The folder may have been made.
        """

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at the end, which is at `offset`; makes the file if `offset` is 0.

        AnotherEnd if the end is elsewhere: nothing is written.
        """

    def truncate(self, path: str, size: int) -> None:
        """Cut a file."""

    def link(self, source: str, target: str) -> None:
        """A second name; FileExistsError if there is something."""

    def rename(self, source: str, target: str) -> None:
        """Move a name, replacing what is there."""

    def unlink(self, path: str) -> None:
        """Remove a name."""

    def sync(self, path: str) -> None:
        """A file's content survives power loss from here on."""

    def sync_folder(self, path: str) -> None:
        """The names in a folder survive power loss from here on; `""` is the root."""

    def sync_all(self, path: str, folders: Collection[str]) -> bool:
        """Everything on this folder's file system survives power loss from here on.

        Returns:
            False if that cannot be asked for, or if one of the `folders` below is not known to be on it.
        """

    def is_writable(self, path: str) -> bool:
        """May names be made in this folder, as far as modes and mounts tell?"""

    def lock(self, path: str) -> AbstractContextManager[None]:
        """The lock of this folder, waited for; it dies with its holder."""

    def try_lock(self, path: str, holder: Holder) -> HeldLock | None:
        """The lock of this file for long, None if another has it; the file tells the holder."""

    def lock_holder(self, path: str) -> Holder | None:
        """Who holds the lock of this file, if anybody."""

    def close(self) -> None:
        """Give back what is open."""
