"""Whole files, written before they have a name (Linux `O_TMPFILE`; most file systems of Linux know it).

One of them is written ahead of its time: while the disk is at work on a journal's line, the snapshot that will be named
once that line is durable. Until then it has no name, so that nobody sees it and a crash leaves nothing of it.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store.descriptors import write_all

FLAGS: Final = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC if hasattr(os, "O_TMPFILE") else 0
LESS_THAN_A_PAGE: Final = 4095  # `POSIX_FADV_DONTNEED` drops whole pages from the cache, and these are read again


def write_nameless(folder: int, data: bytes) -> int:
    """A file without a name in an open folder, open.

    Raises:
        OSError: it cannot be had here.
    """
    fd = os.open(".", FLAGS, 0o666, dir_fd=folder)
    try:
        write_all(fd, data)
    except BaseException:
        os.close(fd)
        raise
    return fd


def name_file(fd: int, folder: int, name: str) -> None:
    """Give it a name; FileExistsError if something has it."""
    os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)


def place_nameless(folder: int, name: str, data: bytes, *, ready: int = -1) -> bool:
    """A whole file in an open folder; False if that cannot be done here.

    Args:
        folder: where.
        name: its name; FileExistsError if something has it.
        data: its content.
        ready: the same content as a file without a name, -1 if there is none.
    """
    fd = ready
    try:
        if fd < 0:
            fd = write_nameless(folder, data)
        name_file(fd, folder, name)
    except FileExistsError:
        raise
    except OSError:  # it cannot, or the folder is gone: the longer way tells
        return False
    finally:
        if fd != ready:
            os.close(fd)
    return True


def start_writing(fd: int, offset: int, length: int) -> None:
    """Have the disk begin with these bytes; nothing waits for them, and an fsync tells of their errors all the same."""
    if hasattr(os, "posix_fadvise"):
        with suppress(OSError):
            os.posix_fadvise(fd, offset, min(length, LESS_THAN_A_PAGE), os.POSIX_FADV_DONTNEED)


class FileAhead:
    """The one file that is written ahead. Not safe between threads by itself."""

    def __init__(self) -> None:
        self._path, self._data, self._fd = "", b"", -1

    def announce(self, path: str, data: bytes) -> None:
        """It will be wanted under this path, with these bytes; `""` takes back what was announced."""
        self.close()
        if FLAGS:
            self._path, self._data = path, data

    def write(self, line: tuple[int, int, int], folder_above: Callable[[str], tuple[int, str]]) -> None:
        """Write what was announced, if anything, while the disk begins with a line; what fails is done later.

        Args:
            line: the line's open file, its offset and its length.
            folder_above: the open folder above a path. It need not stand there: the name is given in one that does.
        """
        if self._path and self._fd < 0:
            start_writing(*line)
            with suppress(OSError, StoreDamagedError):
                self._fd = write_nameless(folder_above(self._path)[0], self._data)

    def ready(self, path: str, data: bytes) -> int:
        """The open file, if it was announced with this path and these very bytes and is written; else -1."""
        return self._fd if path == self._path and data is self._data else -1

    def done(self, path: str) -> None:
        """It has its name, or will not get it from here."""
        if path == self._path:
            self.close()

    def close(self) -> None:
        """Forget what was announced."""
        fd, self._fd, self._path, self._data = self._fd, -1, "", b""
        if fd >= 0:
            os.close(fd)
