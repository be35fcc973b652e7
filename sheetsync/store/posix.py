"""The real file system: POSIX calls that never follow a symbolic link below the store's root.

Every path is walked folder by folder with `O_NOFOLLOW`, so that a link planted in the store leads nowhere.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson

from sheetsync.errors import LockHeldError, StoreDamagedError
from sheetsync.store.backend import Holder

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC
LOCK_WAIT_S: Final = 60.0  # a commit takes milliseconds; a writer that is stopped for longer is an operator's case
LOCK_POLL_S: Final = (0.0002, 0.005)
READ_CHUNK: Final = 1 << 20


class PosixFileSystem:
    """Local disk below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._tail: tuple[str, int] | None = None  # the file that is appended to stays open
        self._locks: dict[str, int] = {}
        self._mutex = threading.RLock()

    # --- walking ------------------------------------------------------------------------------------------------
    @contextmanager
    def _folder(self, path: str) -> Iterator[tuple[int, str]]:
        """The open parent folder of `path`, and its last part."""
        *parents, name = path.split("/")
        fd = self._open_folder(parents)
        try:
            yield fd, name
        finally:
            if fd != self._root_fd:
                os.close(fd)

    def _open_folder(self, parts: list[str]) -> int:
        fd = self._root_fd
        for part in parts:
            if not part:
                continue
            try:
                inner = os.open(part, FOLDER_FLAGS, dir_fd=fd)
            except OSError as exc:
                if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                    self._refuse_link("/".join(parts), part, fd, exc)
                raise
            finally:
                if fd != self._root_fd:
                    os.close(fd)
            fd = inner
        return fd

    def _refuse_link(self, path: str, part: str, fd: int, exc: OSError) -> None:
        """A link or a file stands where a folder of the store should be."""
        with suppress(OSError):
            if stat.S_ISLNK(os.stat(part, dir_fd=fd, follow_symlinks=False).st_mode):
                raise StoreDamagedError(f"'{path}' in the store is a symbolic link; it is not followed") from exc

    # --- reading ------------------------------------------------------------------------------------------------
    def listdir(self, path: str) -> list[str]:
        """The names in a folder."""
        fd = self._open_folder(path.split("/"))
        try:
            return os.listdir(fd)  # noqa: PTH208 (of a descriptor)
        finally:
            if fd != self._root_fd:
                os.close(fd)

    def kind(self, path: str) -> str | None:
        """What stands there."""
        try:
            with self._folder(path) as (fd, name):
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        for kind, test in (("file", stat.S_ISREG), ("folder", stat.S_ISDIR), ("link", stat.S_ISLNK)):
            if test(mode):
                return kind
        return "other"

    def size(self, path: str) -> int | None:
        """The file's size, None if there is none."""
        if self._tail is not None and self._tail[0] == path:
            there = os.fstat(self._tail[1])
            if there.st_nlink > 0:
                return there.st_size
            self._drop_tail()  # another process wrote the file anew
        try:
            with self._folder(path) as (fd, name):
                return os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
        except FileNotFoundError:
            return None

    def read(self, path: str) -> bytes:
        """All of a file."""
        with self._open(path, os.O_RDONLY) as fd:
            parts = []
            while chunk := os.read(fd, READ_CHUNK):
                parts.append(chunk)
            return b"".join(parts)

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        with self._open(path, os.O_RDONLY) as fd:
            parts = []
            while length > 0 and (chunk := os.pread(fd, length, offset)):
                parts.append(chunk)
                offset, length = offset + len(chunk), length - len(chunk)
            return b"".join(parts)

    @contextmanager
    def _open(self, path: str, flags: int) -> Iterator[int]:
        with self._folder(path) as (folder, name):
            fd = os.open(name, flags | FILE_FLAGS, 0o666, dir_fd=folder)
        try:
            yield fd
        finally:
            os.close(fd)

    # --- writing ------------------------------------------------------------------------------------------------
    def mkdir(self, path: str) -> None:
        """Make a folder."""
        with self._folder(path) as (fd, name):
            os.mkdir(name, dir_fd=fd)

    def create(self, path: str, data: bytes) -> None:
        """A new file."""
        with self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL) as fd:
            write_all(fd, data)

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at the end."""
        fd = self._tail_fd(path, create=offset == 0)
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def _tail_fd(self, path: str, *, create: bool) -> int:
        if self._tail is None or self._tail[0] != path:
            with self._folder(path) as (folder, name):
                flags = os.O_RDWR | FILE_FLAGS | (os.O_CREAT if create else 0)
                fd = os.open(name, flags, 0o666, dir_fd=folder)
            self._drop_tail()
            self._tail = (path, fd)
        return self._tail[1]

    def _drop_tail(self) -> None:
        if self._tail is not None:
            os.close(self._tail[1])
            self._tail = None

    def truncate(self, path: str, size: int) -> None:
        """Cut a file."""
        os.ftruncate(self._tail_fd(path, create=False), size)

    def link(self, source: str, target: str) -> None:
        """A second name."""
        with self._folder(source) as (old, old_name), self._folder(target) as (new, new_name):
            os.link(old_name, new_name, src_dir_fd=old, dst_dir_fd=new, follow_symlinks=False)

    def rename(self, source: str, target: str) -> None:
        """Move a name."""
        if self._tail is not None and self._tail[0] == target:
            self._drop_tail()
        with self._folder(source) as (old, old_name), self._folder(target) as (new, new_name):
            os.rename(old_name, new_name, src_dir_fd=old, dst_dir_fd=new)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        with self._folder(path) as (fd, name):
            os.unlink(name, dir_fd=fd)

    # --- durability ---------------------------------------------------------------------------------------------
    def sync(self, path: str) -> None:
        """The content survives power loss."""
        if self._tail is not None and self._tail[0] == path:
            os.fdatasync(self._tail[1])
            return
        with self._open(path, os.O_RDONLY) as fd:
            os.fsync(fd)

    def sync_folder(self, path: str) -> None:
        """The names survive power loss."""
        fd = self._open_folder(path.split("/"))
        try:
            os.fsync(fd)
        finally:
            if fd != self._root_fd:
                os.close(fd)

    def sync_all(self) -> bool:
        """Everything survives power loss (Linux `syncfs`, which reports errors since 5.8)."""
        import ctypes

        libc = ctypes.CDLL(None, use_errno=True)
        if not hasattr(libc, "syncfs"):
            return False
        if libc.syncfs(self._root_fd) != 0:
            code = ctypes.get_errno()
            raise OSError(code, os.strerror(code))
        return True

    # --- locks --------------------------------------------------------------------------------------------------
    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        """The lock of this file, waited for up to a minute."""
        with self._mutex:
            fd = self._locks.get(path)
            if fd is None:
                with self._folder(path) as (folder, name):
                    fd = os.open(name, os.O_RDWR | os.O_CREAT | FILE_FLAGS, 0o666, dir_fd=folder)
                self._locks[path] = fd
            self._wait(fd, path)
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)

    @staticmethod
    def _wait(fd: int, path: str) -> None:
        pause, deadline = LOCK_POLL_S[0], time.monotonic() + LOCK_WAIT_S
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError as exc:
                if time.monotonic() > deadline:
                    raise LockHeldError(
                        f"another writer has held '{path}' for more than {LOCK_WAIT_S:.0f} s",
                        hint="a stopped process may hold it: see 'fuser' on that file",
                    ) from exc
            time.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311 (spreads waiting writers; no secret)
            pause = min(pause * 1.5, LOCK_POLL_S[1])

    def try_lock(self, path: str, holder: Holder) -> FlockHeld | None:
        """The lock for long, None if another has it."""
        with self._folder(path) as (folder, name):
            fd = os.open(name, os.O_RDWR | os.O_CREAT | FILE_FLAGS, 0o666, dir_fd=folder)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        held = FlockHeld(self, path, fd)
        if not held.is_ours():  # broken (replaced) between our open and our lock
            held.release()
            return self.try_lock(path, holder)
        told = {"who": holder.who, "host": holder.host, "pid": holder.pid, "since": holder.since}
        os.ftruncate(fd, 0)
        os.pwrite(fd, orjson.dumps(told), 0)
        return held

    def lock_holder(self, path: str) -> Holder | None:
        """Who holds it."""
        try:
            with self._open(path, os.O_RDWR) as fd:
                try:
                    fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _parse_holder(os.pread(fd, READ_CHUNK, 0))
        except FileNotFoundError:
            return None
        return None

    def close(self) -> None:
        """Give back all descriptors."""
        self._drop_tail()
        for fd in self._locks.values():
            os.close(fd)
        self._locks.clear()
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1


class FlockHeld:
    """A lock for long: open for as long as it is held, so that the kernel gives it back when the process dies."""

    def __init__(self, files: PosixFileSystem, path: str, fd: int) -> None:
        self._files, self._path, self._fd = files, path, fd

    def is_ours(self) -> bool:
        """Is the file we locked still the one under that name?"""
        if self._fd < 0:
            return False
        there = os.fstat(self._fd)
        return there.st_nlink > 0

    def release(self) -> None:
        """Let it go."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _parse_holder(data: bytes) -> Holder:
    with suppress(ValueError, KeyError, TypeError):
        value = orjson.loads(data)
        return Holder(str(value["who"]), str(value["host"]), int(value["pid"]), float(value["since"]))
    return Holder("?", "?", 0, 0.0)


def write_all(fd: int, data: bytes) -> None:
    """Write all of it; `os.write` may write less."""
    view = memoryview(data)
    while view:
        view = view[os.write(fd, view) :]
