"""From a URL to a backend, the FORMAT file, and the table from what a medium says to our errors."""

from __future__ import annotations

import errno
import os
import re
import secrets
from collections.abc import Callable
from contextlib import suppress
from itertools import takewhile
from pathlib import Path
from types import TracebackType
from typing import Final

import orjson

from sheetsync.errors import (
    DestinationError,
    NewerFormatError,
    NotFoundError,
    SheetSyncError,
    StoreDamagedError,
    TryLaterError,
    UsageError,
)
from sheetsync.store.address import expanded, parse_address
from sheetsync.store.backend import FORMAT_FILE, FORMAT_NAME, FORMAT_VERSION, Backend
from sheetsync.store.filesystem import FAILING
from sheetsync.store.local import LocalBackend
from sheetsync.store.mounts import NETWORK_FILE_SYSTEMS
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem

STORE_ID: Final = re.compile(r"[0-9A-Za-z-]{1,64}")
MOUNTS: Final = Path("/proc/self/mounts")
NO_STORE: Final = "check the address; 'sheetsync init' makes a store in a folder, 'sheetsync import' anywhere"
NO_FORMAT: Final = (
    "restore FORMAT from a copy of the store; a copy that was interrupted has none: run 'store copy' again"
)
_MEMORY: dict[str, MemoryObjects] = {}

# errno → (error class, what to say, what to do)
MEDIA: Final[dict[int, tuple[type[SheetSyncError], str, str]]] = {
    errno.ENOSPC: (TryLaterError, "the disk is full", "free some space and run the command again"),
    errno.EDQUOT: (TryLaterError, "the disk quota is used up", "free some space and run the command again"),
    errno.EFBIG: (TryLaterError, "a file may not grow further", "raise 'ulimit -f', or use another file system"),
    errno.EMFILE: (TryLaterError, "too many files are open", "raise 'ulimit -n', or run less at once"),
    errno.ENFILE: (TryLaterError, "too many files are open on this machine", "run less at once"),
    errno.EROFS: (DestinationError, "the file system is read-only", "remount it, or choose another store"),
    errno.EACCES: (DestinationError, "there is no permission", "check the owner and mode of the store's folder"),
    errno.EPERM: (DestinationError, "it is not permitted", "check the owner and mode of the store's folder"),
    errno.ENOENT: (TryLaterError, "a file or folder of the store went away meanwhile", "try again; 'fsck' tells more"),
    errno.ENOTDIR: (DestinationError, "a file stands where a folder should be", "move it elsewhere"),
    errno.EISDIR: (DestinationError, "a folder stands where a file should be", "move it elsewhere"),
    errno.ELOOP: (DestinationError, "a symbolic link stands there, and is not followed", "move it elsewhere"),
    errno.ENAMETOOLONG: (UsageError, "a name is too long for this file system", "use shorter names"),
    errno.EBADF: (UsageError, "the store was closed", "open it again"),
    **dict.fromkeys(FAILING, (TryLaterError, "the disk fails", "check the disk before anything else")),
}


class media_errors:  # noqa: N801 (used as `contextlib.suppress` is)
    """Say what the medium did in our words. A context manager."""

    __slots__ = ("_doing",)

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, OSError):
            told, what, hint = MEDIA.get(error.errno or 0, (TryLaterError, "", "look at the disk, and try again"))
            where = error.filename2 or error.filename or error.strerror or error
            said = f"{what} ({where})" if what else str(error)
            raise told(f"cannot {self._doing}: {said}", hint=hint) from error


def passes_by_itself(exc: OSError) -> bool:
    """Will the same call work once the disk has space, descriptors, or luck? Else something stands in the way."""
    kind, _, _ = MEDIA.get(exc.errno or 0, (TryLaterError, "", ""))
    return issubclass(kind, TryLaterError)


def open_backend(url: str | Path, *, create: bool = True, tell: Callable[[str], None]) -> Backend:
    """The backend for a folder or a URL.

    Raises:
        UsageError: it is no store's address.
        DestinationError: the folder is a file, or cannot be made.
        MissingExtraError: a bucket, and the extra `buckets` is not installed.
    """
    found = parse_address(url)
    if found.folder is not None:
        return _open_folder(found.folder, create, tell)
    if found.scheme == "memory":
        objects = _MEMORY.setdefault(found.rest, MemoryObjects()) if found.rest else MemoryObjects()
        return ObjectBackend(objects, found.text, cheap=True)
    from sheetsync.store.buckets import open_bucket

    return open_bucket(found.text)


def folder_of(url: str | Path) -> Path | None:
    """The folder of a store on local disk, None for other addresses."""
    return parse_address(url).folder


def _open_folder(path: Path, create: bool, tell: Callable[[str], None]) -> Backend:
    try:
        is_path = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:
        is_path = False
    if not is_path:
        raise UsageError(f"{ascii(str(path))[:80]} is no path", hint="use a folder's path, or a bucket's address")
    root = expanded(path)
    with media_errors(f"open the store '{path}'"):
        is_there = root.exists() or root.is_symlink()  # asked first: another process may make the folder meanwhile
        is_folder = root.is_dir()
    if is_there and not is_folder:
        what = "a file, not a folder" if root.exists() else "a link that leads nowhere"
        raise DestinationError(f"the store '{path}' is {what}", hint="choose a folder")
    if not create and not is_folder:
        raise NotFoundError(f"there is no store at '{path}'", hint=NO_STORE)
    if not is_folder:
        _make_folder(path, root)
    with media_errors(f"open the store '{path}'"):
        root = root.resolve()
        is_new = not (root / FORMAT_FILE).exists()
    if is_new:
        with media_errors(f"make the store's folder '{path}'"):
            _make_way_durable(root)
    if kind := network_file_system(root):
        tell(f"the store is on a network file system ({kind}), where locks and durability are not sure: use a bucket")
    with media_errors(f"open the store '{path}'"):
        return LocalBackend(PosixFileSystem(root), str(path))


def _make_folder(path: Path, root: Path) -> None:
    """The store's folder, and those above it that are missing, one by one: a path may have very many parts."""
    what = f"the store's folder '{path}' cannot be made"
    with media_errors(f"make the store's folder '{path}'"):
        missing = [root, *takewhile(lambda above: not above.exists(), root.parents)]
        try:
            for folder in reversed(missing):
                folder.mkdir(exist_ok=True)
        except FileExistsError:
            what = f"{what}: a file, or a link that leads nowhere, stands above it"
            raise DestinationError(what, hint="choose another folder") from None
        except FileNotFoundError as exc:  # no folder can be made in the one above, as in /proc
            raise DestinationError(f"{what} ({exc.filename})", hint="choose another folder") from exc


def _make_way_durable(root: Path) -> None:
    """The folders above a new store survive power loss, whoever made them a moment ago."""
    for above in root.parents:
        with suppress(PermissionError):  # not made by us, and not to be opened either
            descriptor = os.open(above, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            except OSError as exc:
                if exc.errno not in (errno.EINVAL, errno.EOPNOTSUPP, errno.EROFS):  # it cannot be asked
                    raise
            finally:
                os.close(descriptor)


def network_file_system(root: Path, mounts: Path = MOUNTS) -> str | None:
    """The kind of the network file system that holds `root`, None if it is none, or if that cannot be told."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    best, kind = "", ""
    for fields in (line.split(" ") for line in lines):
        if len(fields) < 3:
            continue
        point = fields[1].replace("\\040", " ")
        if (root == Path(point) or Path(point) in root.parents) and len(point) >= len(best):
            best, kind = point, fields[2]
    return kind if kind in NETWORK_FILE_SYSTEMS else None


def open_format(backend: Backend, *, create: bool) -> str:
    """The store's id; makes FORMAT if there is none.

    Raises:
        NotFoundError: there is no store, and none is to be made.
        StoreDamagedError: FORMAT is gone or unreadable, but a tenant's files are there.
        NewerFormatError: a newer version wrote it.
    """
    data = backend.read_format()
    if data is None:
        if not backend.was_a_store():
            _make_format(backend, create=create)
        data = backend.read_format()  # asked again: another process may have made the store meanwhile
        if data is None:
            raise StoreDamagedError(
                "FORMAT is missing, but a tenant's files are there: is this the whole store?", hint=NO_FORMAT
            )
    return parse_format(data)


def _make_format(backend: Backend, *, create: bool) -> None:
    if not create:
        raise NotFoundError(f"there is no store at '{backend.url}'", hint=NO_STORE)
    value = {"format": FORMAT_NAME, "version": FORMAT_VERSION, "store_id": secrets.token_hex(16)}
    backend.create_format(orjson.dumps(value) + b"\n")


def parse_format(data: bytes) -> str:
    """The store's id.

    Raises:
        StoreDamagedError: this is no FORMAT file.
        NewerFormatError: a newer version wrote it.
    """
    damaged = StoreDamagedError("FORMAT is damaged: it should be the one JSON object that init wrote")
    try:
        value = orjson.loads(data)
        name, version, store_id = value["format"], value["version"], value["store_id"]
    except (ValueError, KeyError, TypeError) as exc:
        raise damaged from exc
    if name != FORMAT_NAME:
        raise StoreDamagedError(f"FORMAT says '{str(name)[:40]}': this is no store of ours")
    if type(version) is not int or version < 1 or not isinstance(store_id, str) or not STORE_ID.fullmatch(store_id):
        raise damaged
    if version > FORMAT_VERSION:
        raise NewerFormatError(
            f"the store has format {version}; this sheetsync knows up to {FORMAT_VERSION}", hint="upgrade sheetsync"
        )
    return store_id
