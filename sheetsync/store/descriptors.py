"""What `posix.py` does with a descriptor: all bytes written and read, only files of ours."""

from __future__ import annotations

import errno
import os
import threading
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Final

from sheetsync.errors import StoreDamagedError

CANNOT_BE_ASKED: Final = (errno.EINVAL, errno.EOPNOTSUPP)
NO_FILE: Final = {
    errno.ELOOP: "a symbolic link; it is not followed",
    errno.EISDIR: "a folder, not a file",
    errno.ENXIO: "no file",
}


@dataclass(slots=True)
class Tail:
    """A file that is appended to, and stays open for it."""

    path: str
    fd: int
    inode: os.stat_result
    _used: AbstractContextManager[bool] = field(default_factory=threading.RLock)

    def sync(self) -> bool:
        """Make it durable; False if it was closed meanwhile."""
        with self._used:
            if self.fd >= 0:
                sync_marked(os.fdatasync, self.fd)
            return self.fd >= 0

    def forked(self) -> None:
        """In a child: no other thread uses it."""
        self._used = threading.RLock()

    def close(self) -> None:
        """Give back the descriptor, once nobody uses it."""
        with self._used:
            fd, self.fd = self.fd, -1
            if fd >= 0:  # an interrupt may have come behind the line above
                os.close(fd)


def stands_there(path: str, what: str) -> StoreDamagedError:
    """The error of a place where something stands that the store did not put there."""
    return StoreDamagedError(f"'{path}' in the store is {what}", hint="move it elsewhere, then run 'sheetsync fsck'")


def write_all(fd: int, data: bytes) -> None:
    """Write all of a new file, however often that takes.

    To where it belongs: a child that was forked in the midst of it shares its parent's place in the file.
    """
    view, offset = data, 0
    while written := os.pwrite(fd, view, offset):
        if written == len(view):
            break
        view, offset = view[written:], offset + written


def sync_marked(sync: Callable[[int], None], fd: int) -> None:
    """`os.fsync` or `os.fdatasync`; its error is marked, before any call at which a signal handler could come.

    A read-only file system that has no fsync (squashfs) has nothing to make durable.
    """
    try:
        sync(fd)
    except OSError as exc:
        exc.failed_sync = True  # type: ignore[attr-defined]
        if exc.errno not in CANNOT_BE_ASKED or not os.fstatvfs(fd).f_flag & os.ST_RDONLY:
            raise


def read_from(fd: int, offset: int, length: int) -> bytes:
    """Up to `length` bytes from `offset` of an open file."""
    data = os.pread(fd, length, offset)
    while 0 < len(data) < length and (more := os.pread(fd, length - len(data), offset + len(data))):
        data += more
    return data


def lies_on(device: int, path: str) -> bool:
    """Is what stands there known to be on this device?"""
    try:
        return os.lstat(path).st_dev == device
    except OSError:
        return False


def sync_file_system(fd: int) -> bool:
    """All of the file system of this folder survives power loss; False if it cannot be asked for.

    Linux has `syncfs`, which reports errors since 5.8.
    """
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    if not hasattr(libc, "syncfs"):
        return False
    if libc.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
    return True
