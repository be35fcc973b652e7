"""The real file system: POSIX calls that never follow a symbolic link below the store's root.

Every path is walked folder by folder with `O_NOFOLLOW` (`folders.py`), so that a link planted in the store leads
nowhere. Locks are in `flock.py`.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import threading
from collections.abc import Collection
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Final

from sheetsync.store.backend import Holder
from sheetsync.store.descriptors import (
    CANNOT_BE_ASKED,
    NO_FILE,
    Tail,
    lies_on,
    read_from,
    stands_there,
    sync_file_system,
    sync_marked,
    write_all,
)
from sheetsync.store.filesystem import AnotherEnd
from sheetsync.store.flock import FlockHeld, FolderLock, look_for_holder
from sheetsync.store.folders import OpenFolders, open_folder
from sheetsync.store.forks import IN_CHILDREN, orphaned
from sheetsync.store.nameless import FLAGS, place_nameless

FILE_FLAGS: Final = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK  # a FIFO that was planted must not block us
READ_CHUNK: Final = 1 << 20
SHORT: Final = 4096


class PosixFileSystem:
    """Local disk below `root`."""

    def __init__(self, root: Path) -> None:
        self.root, self._below = root, f"{root}/"
        self._folders = OpenFolders(root)
        self._tails: dict[str, Tail] = {}  # by path; one in each folder
        self._locks: dict[str, FolderLock] = {}
        self._mutex = threading.RLock()  # guards the descriptors that are kept open
        self._orphan = False  # a fork took the lock from what goes on here: asked right before a call, not in another
        IN_CHILDREN.add(self)

    def limits(self) -> tuple[int, int]:
        """As the file system has them; a path is told by its whole length where a folder is proved."""
        try:
            longest = [os.pathconf(self.root, what) for what in ("PC_NAME_MAX", "PC_PATH_MAX")]
        except OSError:
            longest = [255, 4096]
        return longest[0], longest[1] - len(os.fsencode(self.root)) - 2

    # --- reading ------------------------------------------------------------------------------------------------
    def listdir(self, path: str) -> list[str]:
        """The names in a folder."""
        with self._mutex:
            self._folders.doubt()  # one that was removed is listed as empty
            self._folders.prove(path)
            folder = open_folder(self._folders.fd(path), ".", path)  # a fork shares how far ours was read
        try:
            return os.listdir(folder)  # noqa: PTH208 (of a descriptor)
        finally:
            os.close(folder)

    def kind(self, path: str) -> str | None:
        """What stands there."""
        try:
            with self._mutex:
                self._folders.prove(path.rpartition("/")[0])  # a doubt that is noted where we do not look is none
                fd, name = self._folders.at(path)
                mode = os.stat(name, dir_fd=fd, follow_symlinks=False).st_mode
        except (FileNotFoundError, NotADirectoryError):
            return None
        for kind, test in (("file", stat.S_ISREG), ("folder", stat.S_ISDIR), ("link", stat.S_ISLNK)):
            if test(mode):
                return kind
        return "other"

    def exists(self, path: str) -> bool:
        """By the path's name alone, one call: nothing that is open is asked, nor read."""
        return os.path.lexists(self._below + path)

    def stamp(self, path: str) -> tuple[int, ...] | None:
        """By the path's name alone. Who restores a copy may set the times back, but for that of the change itself."""
        there = self._standing(path)
        return None if there is None else (there.st_ino, there.st_ctime_ns)

    def size(self, path: str) -> int | None:
        """The file's size, None if there is none."""
        with self._mutex:
            if (tail := self._tails.get(path)) is not None:
                there = self._standing(path)  # while we have a file open its inode is no other's
                if there is not None and os.path.samestat(there, tail.inode):
                    return there.st_size
                self._tails.pop(path).close()  # somebody put another file in its place, or took it away
                self._folders.forget()
            try:
                self._folders.prove(path.rpartition("/")[0])  # what is not open for appending is not proved by itself
                fd, name = self._folders.at(path)
                return os.stat(name, dir_fd=fd, follow_symlinks=False).st_size
            except FileNotFoundError:
                return None

    def version(self, path: str) -> tuple[int, ...]:
        """As its inode tells."""
        with self._mutex:
            self._folders.prove(path.rpartition("/")[0])
            fd, name = self._folders.at(path)
            there = os.stat(name, dir_fd=fd, follow_symlinks=False)
            tail = self._tails.get(path)
            if tail is not None and not os.path.samestat(there, tail.inode):
                self._tails.pop(path).close()  # what is read next is what stands there now
        return there.st_ino, there.st_size, there.st_mtime_ns

    def _standing(self, path: str) -> os.stat_result | None:
        """What the path names now, asked by nothing that is open."""
        try:
            return os.lstat(self._below + path)
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _stands_at(self, path: str, fd: int) -> bool:
        """Is what we have open what the path names now?"""
        there = self._standing(path)
        return there is not None and os.path.samestat(there, os.fstat(fd))

    def read(self, path: str) -> bytes:
        """All of a file."""
        fd = self._open(path, os.O_RDONLY)
        try:
            parts = []
            while part := os.read(fd, READ_CHUNK):  # less is no end: before a bad sector there may be less, too
                parts.append(part)
            return b"".join(parts)
        finally:
            os.close(fd)

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        """Up to `length` bytes from `offset`."""
        if length <= SHORT:
            with self._mutex:
                if (tail := self._tails.get(path)) is not None:
                    return read_from(tail.fd, offset, length)
        fd = self._open(path, os.O_RDONLY)
        try:
            return read_from(fd, offset, length)
        finally:
            os.close(fd)

    def _open(self, path: str, flags: int) -> int:
        with self._mutex:
            try:
                folder, name = self._folders.to_write(path) if flags & os.O_CREAT else self._folders.at(path)
                fd = os.open(name, flags | FILE_FLAGS, 0o666, dir_fd=folder)
            except FileNotFoundError:
                if not self._folders.forget_removed(path):
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
                fd, name = self._folders.to_write(path)
                os.mkdir(name, dir_fd=fd)
            except FileNotFoundError:
                if not self._folders.forget_removed(path):
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
        """A whole file, written before it has a name."""
        if not FLAGS:
            return False
        with self._mutex:
            folder, name = self._folders.to_write(path)
            return place_nameless(folder, name, data)

    def place_first(self, path: str, data: bytes) -> bool:
        """A new folder, and a whole file in it. The folder is not kept open: most records are not saved again soon."""
        if not FLAGS:
            return False
        above, _, name = path.rpartition("/")
        with self._mutex:
            try:
                among, part = self._folders.to_write(above)
                os.mkdir(part, dir_fd=among)
                folder = open_folder(among, part, above)
            except OSError:  # it is there, or the folder above it is not: the longer way tells
                return False
            try:
                return place_nameless(folder, name, data)
            except FileExistsError:  # somebody was quicker in our own folder: the longer way looks at it
                return False
            finally:
                os.close(folder)

    def append(self, path: str, offset: int, data: bytes) -> None:
        """Write at the end, as the open file has it now."""
        view = memoryview(data)
        with self._mutex:
            fd = self._tail_fd(path, create=offset == 0)
            if os.fstat(fd).st_size != offset:
                raise AnotherEnd(errno.EEXIST, "the file does not end there", path)
            while view:
                if self._orphan:
                    raise orphaned()
                written = os.pwrite(fd, view, offset)
                view, offset = view[written:], offset + written
            self._folders.doubt()  # the line will take a while to be durable

    def _tail_fd(self, path: str, *, create: bool) -> int:
        tail = self._tails.get(path)
        if tail is None:
            fd = self._open(path, os.O_RDWR | (os.O_CREAT if create else 0))
            tail = Tail(path, fd, os.fstat(fd))
            folder = path.rpartition("/")[0]
            for other in [other for other in self._tails if other.rpartition("/")[0] == folder]:
                self._tails.pop(other).close()
            self._tails[path] = tail
        return tail.fd

    def truncate(self, path: str, size: int) -> None:
        """Cut a file."""
        with self._mutex:
            fd = self._tail_fd(path, create=False)
            if self._orphan:
                raise orphaned()
            os.ftruncate(fd, size)

    def link(self, source: str, target: str) -> None:
        """A second name."""
        with self._mutex:
            try:
                old, new = self._folders.two(source, target)
                os.link(source.rpartition("/")[2], target.rpartition("/")[2], src_dir_fd=old, dst_dir_fd=new)
            except FileNotFoundError:
                if not self._folders.forget_removed(target):
                    raise
                self.link(source, target)

    def rename(self, source: str, target: str) -> None:
        """Move a name."""
        with self._mutex:
            if (tail := self._tails.pop(target, None)) is not None:
                tail.close()
            old, new = self._folders.two(source, target)
            if self._orphan:
                raise orphaned()
            os.rename(source.rpartition("/")[2], target.rpartition("/")[2], src_dir_fd=old, dst_dir_fd=new)

    def unlink(self, path: str) -> None:
        """Remove a name."""
        with self._mutex:
            fd, name = self._folders.to_write(path)
            if self._orphan:
                raise orphaned()
            os.unlink(name, dir_fd=fd)

    # --- durability ---------------------------------------------------------------------------------------------
    def sync(self, path: str) -> None:
        """The content survives power loss."""
        with self._mutex:
            tail = self._tails.get(path)
        if tail is not None and tail.sync():
            return
        fd = self._open(path, os.O_RDONLY)
        try:
            sync_marked(os.fsync, fd)
        finally:
            os.close(fd)

    def sync_folder(self, path: str) -> None:
        """The names survive power loss."""
        with self._mutex:
            try:
                sync_marked(os.fsync, self._folders.fd(path))
            except OSError as exc:
                if exc.errno not in CANNOT_BE_ASKED:
                    raise

    def sync_all(self, path: str, folders: Collection[str]) -> bool:
        """The folder's whole file system survives power loss, where the others are on it."""
        with self._mutex:
            fd = self._folders.fd(path)
            own = os.fstat(fd).st_dev
            return all(lies_on(own, self._below + folder) for folder in folders) and sync_file_system(fd)

    # --- locks --------------------------------------------------------------------------------------------------
    def lock(self, path: str) -> FolderLock:
        """The lock of this folder, waited for up to a minute."""
        with self._mutex:
            lock = self._locks.get(path)
            if lock is None:
                lock = FolderLock(path, partial(self._folder_anew, path), partial(self._is_locked_now, path))
                self._locks[path] = lock
            return lock

    def _folder_anew(self, path: str) -> int:
        with self._mutex:
            return open_folder(*self._folders.to_write(path), path)

    def _is_locked_now(self, path: str, fd: int) -> bool:
        """Is it the folder that stands there now? From here on the folders below are proved anew, too."""
        with self._mutex:
            self._folders.doubt()
            self._folders.refuse_links_above(path)
        return self._stands_at(path, fd)

    def is_writable(self, path: str) -> bool:
        """May names be made in this folder?"""
        with self._mutex:
            above, name = self._folders.at(path)
            return os.access(name, os.W_OK | os.X_OK, dir_fd=above, effective_ids=True)

    def try_lock(self, path: str, holder: Holder) -> FlockHeld | None:
        """The lock for long, None if another has it."""
        with self._mutex:
            self._folders.doubt()
            fd = self._open(path, os.O_RDWR | os.O_CREAT)
        held = FlockHeld(fd, lambda fd: self._stands_at(path, fd))
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if held.is_ours():
                held.tell(holder)
                return held
        except BlockingIOError:
            held.release()
            return None
        except BaseException:  # a full disk, an interrupt: nobody would ever give it back
            held.release()
            raise
        held.release()  # broken (replaced) between our open and our lock
        return self.try_lock(path, holder)

    def lock_holder(self, path: str) -> Holder | None:
        """Who holds it; a holder who took it a moment ago has not said so yet, and is waited for."""
        return look_for_holder(lambda: self._open(path, os.O_RDONLY))

    def rest(self, path: str) -> None:
        """Give back what is kept open of a folder, for appending to its files and for its lock."""
        with self._mutex:
            for kept in [kept for kept in self._tails if kept.rpartition("/")[0] == path]:
                self._tails.pop(kept).close()
            if (lock := self._locks.get(path)) is not None:
                lock.close()

    def forked(self) -> None:
        """In a child: what other threads of the parent had locked is free."""
        self._mutex = threading.RLock()
        for tail in self._tails.values():
            tail.forked()
        for lock in self._locks.values():
            self._orphan = lock.forked() or self._orphan

    def __del__(self) -> None:
        """A store that nobody closed and nobody has any more gives its descriptors back, as an open file does."""
        with suppress(AttributeError):  # it was never whole
            self.close()

    def close(self) -> None:
        """Give back all descriptors."""
        with self._mutex:
            for tail in self._tails.values():
                tail.close()
            self._tails.clear()
            for lock in self._locks.values():
                lock.close()
            self._locks.clear()
            self._folders.close()
