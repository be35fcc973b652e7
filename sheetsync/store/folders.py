"""The store's folders on a POSIX disk: walked to one by one without following links, and some of them kept open.

A save then walks nothing twice. What is kept open may have been moved away meanwhile, and another folder put in its
place: so before something is written into a folder, it is proved to be the one that its path names.
"""

from __future__ import annotations

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path
from typing import Final

from sheetsync.store.descriptors import stands_there

FOLDER_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
ROOT_FLAGS: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
FOLDERS_KEPT: Final = 64
LINK: Final = "a symbolic link; it is not followed"


class OpenFolders:
    """Open folders below `root`, by path; `""` is the root. Not safe between threads by itself."""

    def __init__(self, root: Path) -> None:
        self.root, self._below = root, f"{root}/"
        self._root_fd = os.open(root, ROOT_FLAGS)
        self._open: dict[str, int] = {}  # the oldest first
        self._proved: set[str] = set()
        self._no_links: set[str] = set()  # where no link stands, as far as was looked since the last doubt

    def fd(self, path: str) -> int:
        """The open folder. It stays open, until others need the place."""
        fd = self._open.get(path)
        if fd is not None:
            return fd
        if not path:
            return self._root_fd
        above, _, part = path.rpartition("/")
        fd = open_folder(self.fd(above), part, path)
        if len(self._open) >= FOLDERS_KEPT:
            self._drop(next(iter(self._open)))
        self._open[path] = fd
        return fd

    def at(self, path: str) -> tuple[int, str]:
        """The open folder above a path, and the path's last part."""
        above, _, name = path.rpartition("/")
        return self.fd(above), name

    def to_write(self, path: str) -> tuple[int, str]:
        """The same, where something is to be written: the folder is proved to stand at its path."""
        above, _, name = path.rpartition("/")
        if above not in self._proved:
            self.prove(above)
        return self.fd(above), name

    def prove(self, path: str) -> None:
        """Make sure that what is open is what stands at the path now."""
        self.refuse_links_above(path)
        if path and path not in self._open:  # then it is opened now, in a folder that is proved
            self.to_write(path)
            self.fd(path)
            self._proved.add(path)
            return
        try:
            proved = os.path.samestat(os.lstat(self._below + path), os.fstat(self.fd(path)))
        except FileNotFoundError:
            proved = False
        if not proved:  # somebody moved it, or one above it
            self.forget()
            self.fd(path)
        self._proved.add(path)

    def refuse_links_above(self, path: str) -> None:
        """What is open stands at its path also where a folder above it was moved away and a link to it put there."""
        above, looked = path.rpartition("/")[0], []
        while above and above not in self._no_links:
            try:
                is_link = stat.S_ISLNK(os.lstat(self._below + above).st_mode)
            except FileNotFoundError:
                is_link = False
            if is_link:
                raise stands_there(above, LINK)
            looked.append(above)
            above = above.rpartition("/")[0]
        self._no_links.update(looked)  # not before: a link above one of them makes it none

    def doubt(self) -> None:
        """From here on each folder is proved anew before something is written into it."""
        self._proved.clear()
        self._no_links.clear()

    def forget(self) -> None:
        """Look for all folders anew."""
        root = os.open(self.root, ROOT_FLAGS)
        old, self._root_fd = self._root_fd, root  # an interrupt may come behind the next call
        os.close(old)
        for path in list(self._open):
            self._drop(path)

    def forget_removed(self, path: str) -> bool:
        """After FileNotFoundError: was a folder that we kept open removed meanwhile? It is then looked for anew."""
        above = [path]
        while above[-1]:
            above.append(above[-1].rpartition("/")[0])
        stale = [kept for kept in above if kept in self._open and os.fstat(self._open[kept]).st_nlink == 0]
        for kept in stale:
            self._drop(kept)
        return bool(stale)

    def two(self, source: str, target: str) -> tuple[int, int]:
        """The folders above two paths, open at the same time: opening one may close another."""
        above, new_above = source.rpartition("/")[0], target.rpartition("/")[0]
        old = new = -1
        while self._open.get(above) != old or self._open.get(new_above) != new:
            old, new = self.to_write(source)[0], self.to_write(target)[0]
            if not above or not new_above:  # the root is always open
                break
        return self.fd(above), self.fd(new_above)  # both are open, and neither was looked for anew since

    def close(self) -> None:
        """Give back all descriptors."""
        for path in list(self._open):
            self._drop(path)
        if self._root_fd >= 0:
            root, self._root_fd = self._root_fd, -1
            os.close(root)

    def _drop(self, path: str) -> None:
        self._proved.discard(path)
        os.close(self._open.pop(path))


def open_folder(above: int, part: str, path: str) -> int:
    """Open a folder in another; a link is named, and not followed."""
    try:
        return os.open(part, FOLDER_FLAGS, dir_fd=above)
    except OSError as exc:
        if exc.errno in (errno.ELOOP, errno.ENOTDIR):
            with suppress(OSError):
                is_link = stat.S_ISLNK(os.stat(part, dir_fd=above, follow_symlinks=False).st_mode)
                raise stands_there(path, LINK if is_link else "no folder") from exc
        raise
