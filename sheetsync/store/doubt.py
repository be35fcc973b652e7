"""When an fsync failed, the next one says nothing of it: no line of that file is believed until it is written anew.

Told from what else may come out of a sync: a file that cannot be opened for it, and what a signal handler raises.
"""

from __future__ import annotations

import errno
from contextlib import suppress
from typing import Final, Protocol

from sheetsync.store.filesystem import UNREADABLE, FileSystem
from sheetsync.store.segments import parse_segment_name

NO_SYNC: Final = (errno.EMFILE, errno.ENFILE, errno.ENOENT, errno.EACCES, errno.EPERM, errno.EPIPE, errno.EINTR)


def is_failed_sync(exc: BaseException | None) -> bool:
    """Did an fsync fail, and not the opening of the file for it?"""
    return isinstance(exc, OSError) and exc.errno is not None and exc.errno not in NO_SYNC


def hides_failed_sync(exc: BaseException, outside: BaseException | None) -> bool:
    """Did an fsync fail, though a signal handler raised something else then? `outside` was being handled before."""
    todo: list[BaseException | None] = [exc]
    seen = {id(outside)}
    while todo:
        one = todo.pop()
        if one is not None and id(one) not in seen:
            if getattr(one, "failed_sync", False):
                return True
            seen.add(id(one))
            todo += [one.__cause__, one.__context__]
    return False


class Replace(Protocol):
    """Puts a whole file in the place of another; nothing is left behind where that fails."""

    def __call__(self, target: str, data: bytes, *, durable: bool) -> None:
        """Replace `target`."""


def settle_doubt(files: FileSystem, journal: str, doubt: str, replace: Replace) -> None:
    """After a failed fsync what the cache shows may not be on the disk, and no later fsync would say so.

    So those files are written anew and made durable before any line of them is believed. Only under the lock, without
    which others note more meanwhile: what was settled is moved aside, and removed only if it is what was settled. Else
    it goes back to where everybody looks, and is settled then.

    Args:
        files: the disk.
        journal: the journal's folder.
        doubt: the file that names the journal files; where it does not, all of them are meant.
        replace: puts a new file in the place of one in doubt.
    """
    aside, settled = f"{doubt}.settled", None
    while True:
        moved, noted = _read_doubt(files, aside), _read_doubt(files, doubt)  # moved from here, or by one that died here
        if moved is not None and moved != settled and noted is None:
            files.rename(aside, doubt)
            noted = moved
        elif moved is not None:
            if moved != settled:
                note_doubt(files, doubt, _names(moved))
            files.unlink(aside)
            continue
        if noted is None:
            return
        _write_anew(files, journal, noted, replace)
        settled = noted
        files.rename(doubt, aside)


def note_doubt(files: FileSystem, doubt: str, names: set[str]) -> None:
    """Note that these journal files are in doubt, beside those that are; without names, all are."""
    there = _read_doubt(files, doubt)
    if there is not None:
        known = _names(there)
        names = names | known if names and known else set()
    new = f"{doubt}.new"
    with suppress(FileNotFoundError):
        files.unlink(new)
    files.create(new, "\n".join(sorted(names)).encode())
    files.rename(new, doubt)


def _names(noted: bytes) -> set[str]:
    """The journal files that it names."""
    return {name for name in noted.decode("utf-8", "replace").split() if parse_segment_name(name) is not None}


def _read_doubt(files: FileSystem, path: str) -> bytes | None:
    try:
        return files.read(path)
    except FileNotFoundError:
        return None
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
        return b"" if files.exists(path) else None


def _write_anew(files: FileSystem, journal: str, noted: bytes, replace: Replace) -> None:
    for path in (f"{journal}/{name}" for name in sorted(_names(noted) or files.listdir(journal))):
        if files.kind(path) == "file":
            replace(path, files.read(path), durable=True)
    files.sync_folder(journal)
