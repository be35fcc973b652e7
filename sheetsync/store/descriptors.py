"""What `posix.py` asks of a descriptor: all bytes written, and a file of ours behind it and nothing else."""

from __future__ import annotations

import errno
import os
from typing import Final

from sheetsync.errors import StoreDamagedError

NO_FILE: Final = {
    errno.ELOOP: "a symbolic link; it is not followed",
    errno.EISDIR: "a folder, not a file",
    errno.ENXIO: "no file",
}


def stands_there(path: str, what: str) -> StoreDamagedError:
    """The error of a place where something stands that the store did not put there."""
    return StoreDamagedError(f"'{path}' in the store is {what}", hint="move it elsewhere, then run 'sheetsync fsck'")


def write_all(fd: int, data: bytes) -> None:
    """Write all of it, however often that takes."""
    view = data
    while written := os.write(fd, view):
        if written == len(view):
            break
        view = view[written:]
