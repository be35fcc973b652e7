"""The real file system: POSIX calls that never follow a symbolic link below the store's root.

Every path is walked folder by folder with `O_NOFOLLOW`, so that a link planted in the store leads nowhere. Some
folders stay open: a save then walks nothing twice.
"""

from __future__ import annotations

import errno
import fcntl
import os
import random
import stat
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import orjson

from sheetsync.errors import LockHeldError
from sheetsync.store.backend import Holder
from sheetsync.store.descriptors import NO_FILE, stands_there, write_all
from sheetsync.store.flock import FlockHeld, LockFile, parse_holder

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
FILE_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO that was planted must not block us
NAMELESS: Final = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC if hasattr(os, "O_TMPFILE") else 0
LOCK_WAIT_S: Final = 60.0  # a commit takes milliseconds; a writer that is stopped for longer is an operator's case
LOCK_POLL_S: Final = (0.0002, 0.005)
READ_CHUNK: Final = 1 << 20
FOLDERS_KEPT: Final = 64
HOLDER_LOOKS: Final = 10


def place_nameless(folder: int, name: str, data: bytes) -> bool:
    """A whole file in an open folder, written before it has a name; False if that cannot be done here."""
    try:
        fd = os.open(".", NAMELESS, 0o666, dir_fd=folder)
    except OSError:  # it cannot, or the folder is gone: the longer way tells
        return False
    try:
        write_all(fd, data)
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    finally:
        os.close(fd)
    return True


class PosixFileSystem:
    """Local disk below `root`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._root_fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        self._tail: tuple[str, int] | None = None  # the file that is appended to stays open
        self._locks: dict[str, LockFile] = {}
        self._folders: dict[str, int] = {}  # open folders, the oldest first
        self._mutex = threading.RLock()  # guards the descriptors that are kept open

    # --- walking ------------------------------------------------------------------------------------------------
    def _folder(self, path: str) -> int:
        """The open folder, walked to without following links. It stays open, until others need the place."""
        fd = self._folders.get(path)
        if fd is not None:
            return fd
        if not path:
            return self._root_fd
        above, _, part = path.rpartition("/")
        fd = self._open_folder(self._folder(above), part, path)
        if len(self._folders) >= FOLDERS_KEPT:
            os.close(self._folders.pop(next(iter(self._folders))))
        self._folders[path] = fd
        return fd

    def _open_folder(self, above: int, part: str, path: str) -> int:
        try:
            return os.open(part, FOLDER_FLAGS, dir_fd=above)
        except OSError as exc:
            if exc.errno in (errno.ELOOP, errno.ENOTDIR):
                with suppress(OSError):
                    is_link = stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode)
                    what = "a symbolic link; it is not followed" if is_link else "no folder"
                    raise stands_there(path, what) from exc
            raise

    def _at(self, path: str) -> tuple[int, str]:
        """The open folder above a path, and the path's last part."""
        above, _, name = path.rpartition("/")
        return self._folder(above), name

    def _again(self, path: str) -> bool:
        """After FileNotFoundError: was a folder that we kept open removed meanwhile? It is then looked for anew."""
        above = [path]
        while above[-1]:
            above.append(above[-1].rpartition("/")[0])
        stale = [kept for kept in above if kept in self._folders and os.fstat(self._folders[kept]).st_nlink == 0]
        for kept in stale:
            os.close(self._folders.pop(kept))
        return bool(stale)

    # --- reading ------------------------------------------------------------------------------------------------
    def listdir(self, path: str) -> list[str]:
        """The names in a folder."""
        with self._mutex:
            try:
                return os.listdir(self._folder(path))  # noqa: PTH208 (of a descriptor)
            except FileNotFoundError:
                if self._again(path):
                    return self.listdir(path)
                raise

    def kind(self, path: str) -> str | None:
        """What stands there."""
        try:
            with self._mutex:
                fd, name = self._at(path)
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        for kind, test in (("file", stat.S_ISREG), ("folder", stat.S_ISDIR), ("link", stat.S_ISLNK)):
            if test(mode):
                return kind
        return "other"

    def size(self, path: str) -> int | None:
        """The file's size, None if there is none."""
        with self._mutex:
            if self._tail is not None and self._tail[0] == path:
                there = os.fstat(self._tail[1])
                if there.st_nlink > 0:
                    return there.st_size
                self._drop_tail()  # another process wrote the file anew
            try:
                fd, name = self._at(path)
                return os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
            except FileNotFoundError:
                return self.size(path) if self._again(path) else None

    def read(self, path: str) -> bytes:
        """All of a file."""
        fd = self._open(path, os.O_RDONLY)
        try:
            parts = [os.read(fd, READ_CHUNK)]
            while len(parts[-1]) == READ_CHUNK:  # a regular file gives less at its end only
                parts.append(os.read(fd, READ_CHUNK))
            return b"".join(parts)
        finally:
            os.close(fd)

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        fd = self._open(path, os.O_RDONLY)
        try:
            parts = []
            while length > 0 and (chunk := os.pread(fd, length, offset)):
                parts.append(chunk)
                offset, length = offset + len(chunk), length - len(chunk)
            return b"".join(parts)
        finally:
            os.close(fd)

    def _open(self, path: str, flags: int) -> int:
        with self._mutex:
            try:
                folder, name = self._at(path)
                fd = os.open(name, flags | FILE_FLAGS, 0o666, dir_fd=folder)
            except FileNotFoundError:
                if not self._again(path):
                    raise
                return self._open(path, flags)
            except OSError as exc:
                if exc.errno not in NO_FILE:
                    raise
                raise stands_there(path, NO_FILE[exc.errno]) from exc
        if not flags & os.O_EXCL and not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise stands_there(path, "no file")
        return fd

    # --- writing ------------------------------------------------------------------------------------------------
    def mkdir(self, path: str) -> None:
        """Make a folder."""
        with self._mutex:
            try:
                fd, name = self._at(path)
                os.mkdir(name, dir_fd=fd)
            except FileNotFoundError:
                if not self._again(path):
                    raise
                self.mkdir(path)

    def create(self, path: str, data: bytes) -> None:
        """A new file."""
        fd = self._open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL)
        try:
            write_all(fd, data)
        finally:
            os.close(fd)

    def place(self, path: str, data: bytes) -> bool:
        """A whole file, written before it has a name (Linux `O_TMPFILE`; most file systems of Linux know it)."""
        if not NAMELESS:
            return False
        with self._mutex:
            folder, name = self._at(path)
            return place_nameless(folder, name, data)

    def place_first(self, path: str, data: bytes) -> bool:
        """A new folder, and a whole file in it. The folder is not kept open: most records are not saved again soon."""
        if not NAMELESS:
            return False
        above, _, name = path.rpartition("/")
        with self._mutex:
            try:
                among, part = self._at(above)
                os.mkdir(part, dir_fd=among)
                folder = os.open(part, FOLDER_FLAGS, dir_fd=among)
            except OSError:  # it is there, or the folder above it is not: the longer way tells
                return False
            try:
                return place_nameless(folder, name, data)
            except FileExistsError:  # somebody was quicker in our own folder: the longer way looks at it
                return False
            finally:
                os.close(folder)

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at the end."""
        with self._mutex:
            fd = self._tail_fd(path, create=offset == 0)
        view = memoryview(data)
        while view:
            written = os.pwrite(fd, view, offset)
            view, offset = view[written:], offset + written

    def _tail_fd(self, path: str, *, create: bool) -> int:
        if self._tail is None or self._tail[0] != path:
            fd = self._open(path, os.O_RDWR | (os.O_CREAT if create else 0))
            self._drop_tail()
            self._tail = (path, fd)
        return self._tail[1]

    def _drop_tail(self) -> None:
        if self._tail is not None:
            os.close(self._tail[1])
            self._tail = None

    def truncate(self, path: str, size: int) -> None:
        """Cut a file."""
        with self._mutex:
            os.ftruncate(self._tail_fd(path, create=False), size)

    def link(self, source: str, target: str) -> None:
        """A second name."""
        with self._mutex:
            try:
                self._two(os.link, source, target)
            except FileNotFoundError:
                if not self._again(target):
                    raise
                self._two(os.link, source, target)

    def _two(self, act: Callable[..., None], source: str, target: str) -> None:
        """Act on two names, whose folders must be open at the same time: opening one may close another."""
        above, _, name = source.rpartition("/")
        new_above, _, new_name = target.rpartition("/")
        old = new = -1
        while self._folders.get(above) != old or self._folders.get(new_above) != new:
            old, new = self._folder(above), self._folder(new_above)
            if not above or not new_above:  # the root is always open
                break
        act(name, new_name, src_dir_fd=old, dst_dir_fd=new)

    def rename(self, source: str, target: str) -> None:
        """Move a name."""
        with self._mutex:
            if self._tail is not None and self._tail[0] == target:
                self._drop_tail()
            self._two(os.rename, source, target)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        with self._mutex:
            fd, name = self._at(path)
            os.unlink(name, dir_fd=fd)

    # --- durability ---------------------------------------------------------------------------------------------
    def sync(self, path: str) -> None:
        """The content survives power loss."""
        if self._tail is not None and self._tail[0] == path:
            os.fdatasync(self._tail[1])
            return
        fd = self._open(path, os.O_RDONLY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def sync_folder(self, path: str) -> None:
        """The names survive power loss."""
        with self._mutex:
            try:
                os.fsync(self._folder(path))
            except OSError as exc:
                if exc.errno not in (errno.EINVAL, errno.EOPNOTSUPP):  # a file system that cannot be asked
                    raise

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
        """The lock of this folder, waited for up to a minute."""
        with self._mutex:
            among_threads = self._locks.setdefault(path, LockFile())
        with among_threads.mutex:
            fd = self._locked(path, among_threads)
            try:
                yield
            finally:
                fcntl.flock(fd, fcntl.LOCK_UN)

    def _locked(self, path: str, lock: LockFile) -> int:
        """The lock's descriptor, locked; opened anew if another folder stands there now, for others lock that one."""
        while True:
            with self._mutex:
                if lock.fd < 0:
                    above, name = self._at(path)
                    lock.fd = self._open_folder(above, name, path)
            self._wait(lock.fd, path)
            if self._stands_at(path, lock.fd):
                return lock.fd
            os.close(lock.fd)
            lock.fd = -1

    def _stands_at(self, path: str, fd: int) -> bool:
        """Is the open folder the one at this path?"""
        with self._mutex:
            try:
                above, name = self._at(path)
                there = os.stat(name, dir_fd=above, follow_symlinks=False)
            except FileNotFoundError:
                if not self._again(path):
                    raise
                return False
        return os.path.samestat(there, os.fstat(fd))

    def is_writable(self, path: str) -> bool:
        """May names be made in this folder?"""
        with self._mutex:
            above, name = self._at(path)
            return os.access(name, os.W_OK | os.X_OK, dir_fd=above, effective_ids=True)

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
        fd = self._open(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(fd)
            return None
        held = FlockHeld(fd)
        if not held.is_ours():  # broken (replaced) between our open and our lock
            held.release()
            return self.try_lock(path, holder)
        told = orjson.dumps({"who": holder.who, "host": holder.host, "pid": holder.pid, "since": holder.since})
        os.pwrite(fd, told, 0)
        os.ftruncate(fd, len(told))
        return held

    def lock_holder(self, path: str) -> Holder | None:
        """Who holds it; a holder who took it a moment ago has not said so yet, and is waited for."""
        for _ in range(HOLDER_LOOKS):
            try:
                fd = self._open(path, os.O_RDWR)
            except FileNotFoundError:
                return None
            try:
                fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = parse_holder(os.pread(fd, READ_CHUNK, 0))
            else:
                return None
            finally:
                os.close(fd)
            if holder is not None:
                return holder
            time.sleep(LOCK_POLL_S[1])
        return Holder("somebody", "this host", 0, time.time())

    def close(self) -> None:
        """Give back all descriptors."""
        self._drop_tail()
        for fd in [*self._folders.values(), *(lock.fd for lock in self._locks.values() if lock.fd >= 0)]:
            os.close(fd)
        self._locks.clear()
        self._folders.clear()
        if self._root_fd >= 0:
            os.close(self._root_fd)
            self._root_fd = -1
