"""Local disk: the commit is one line appended under a lock that dies with its holder, and one fdatasync.

The journal's files are read and appended here; what their lines mean is not known here. Records' files are put by a
link of a whole file, which replaces nothing. The model behind each step: design.md section 3, "Rules on disk".
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Final

from sheetsync.errors import LockHeldError, StoreDamagedError, UnknownOutcomeError
from sheetsync.store.backend import JOURNAL, WORK, HeldLock, Holder, Traits
from sheetsync.store.filesystem import FileSystem
from sheetsync.store.names import encode_part
from sheetsync.store.segments import Rotation, parse_segment_name, segment_name, split_lines

FORMAT_FILE: Final = "FORMAT"
ROOT_TEMP: Final = ".tmp"
TEMP: Final = "temp"


def parent(path: str) -> str:
    """The folder of a path."""
    return path.rpartition("/")[0]


def make_folders(files: FileSystem, path: str) -> None:
    """Make a folder and all above it that are missing."""
    try:
        files.mkdir(path)
    except FileExistsError:
        if files.kind(path) != "folder":
            raise StoreDamagedError(f"'{path}' in the store is no folder") from None
    except FileNotFoundError:
        make_folders(files, parent(path))
        with suppress(FileExistsError):
            files.mkdir(path)


class LocalBackend:
    """A store in a folder."""

    traits = Traits(cheap_refresh=True, lasting_leases=True)

    def __init__(
        self,
        files: FileSystem,
        url: str,
        *,
        rotation: Rotation | None = None,
        token: Callable[[int], str] = secrets.token_hex,
    ) -> None:
        self.url = url
        self._files = files
        self._rotation = rotation or Rotation()
        self._token = token

    def read_format(self) -> bytes | None:
        """The FORMAT file."""
        try:
            return self._files.read(FORMAT_FILE)
        except FileNotFoundError:
            return None

    def create_format(self, data: bytes) -> None:
        """Make FORMAT durably, unless another process did a moment ago."""
        with suppress(FileExistsError):
            self._files.mkdir(ROOT_TEMP)
        temp = f"{ROOT_TEMP}/{self._token(8)}"
        self._files.create(temp, data)
        self._files.sync(temp)
        with suppress(FileExistsError):
            self._files.link(temp, FORMAT_FILE)
        self._files.unlink(temp)
        self._files.sync_folder("")

    def tenants(self) -> list[str]:
        """Folders that have a journal, or at least a work folder."""
        names = (name for name in self._files.listdir("") if not name.startswith("."))
        return sorted(name for name in names if self._files.kind(f"{name}/{JOURNAL}") == "folder")

    def open_tenant(self, folder: str) -> LocalTenant:
        """One tenant's part."""
        return LocalTenant(self._files, folder, self._rotation, self._token(6))

    def close(self) -> None:
        """Give back descriptors."""
        self._files.close()


class LocalTenant:
    """One tenant on local disk."""

    def __init__(self, files: FileSystem, folder: str, rotation: Rotation, nonce: str) -> None:
        self._files, self._folder, self._rotation, self._nonce = files, folder, rotation, nonce
        self._journal, self._work = f"{folder}/{JOURNAL}", f"{folder}/{WORK}"
        self._number, self._first, self._offset, self._entries = 0, 1, 0, 0
        self._firsts: list[int] = []
        self._torn = 0
        self._serial = 0
        self._cached: tuple[int, list[bytes]] = (0, [])

    # --- folders and locks --------------------------------------------------------------------------------------
    def prepare(self) -> bool:
        """Make what is missing and make it durable, even what another process may have made a moment ago."""
        try:
            for path in (self._folder, self._journal, self._work, f"{self._work}/{TEMP}"):
                with suppress(FileExistsError):
                    self._files.mkdir(path)
                self._files.sync_folder(parent(path))
            with self._files.lock(f"{self._work}/lock"):
                return True
        except OSError as exc:
            if is_read_only(exc) and self._files.kind(self._journal) == "folder":
                return False
            raise

    def exclusive(self) -> AbstractContextManager[None]:
        """The writers' lock."""
        return self._files.lock(f"{self._work}/lock")

    def lock(self, name: str, holder: Holder) -> HeldLock:
        """A lease's lock."""
        with suppress(FileExistsError):
            self._files.mkdir(f"{self._work}/leases")
        path = self._lease_path(name)
        held = self._files.try_lock(path, holder)
        if held is None:
            raise lock_held(name, self._files.lock_holder(path))
        return held

    def held(self) -> list[tuple[str, Holder]]:
        """The leases that are held."""
        try:
            names = sorted(self._files.listdir(f"{self._work}/leases"))
        except FileNotFoundError:
            return []
        found = ((name.removesuffix(".lock"), self._files.lock_holder(f"{self._work}/leases/{name}")) for name in names)
        return [(name, holder) for name, holder in found if holder is not None]

    def break_lock(self, name: str) -> Holder | None:
        """Take the lease's lock away: its file gets a new identity."""
        path = self._lease_path(name)
        holder = self._files.lock_holder(path)
        with suppress(FileNotFoundError):
            self._files.unlink(path)
        return holder

    def _lease_path(self, name: str) -> str:
        return f"{self._work}/leases/{encode_part(name)}.lock"

    # --- the journal --------------------------------------------------------------------------------------------
    def _path(self, first: int) -> str:
        return f"{self._journal}/{segment_name(first)}"

    def new_lines(self) -> list[bytes]:
        """Whole lines behind the position, made durable: their writer may have died before its fsync."""
        number, first, offset, entries = self._number, self._first, self._offset, self._entries
        fresh: list[bytes] = []
        touched: list[int] = []
        torn = 0
        while True:
            if self._rotation.is_full(entries, offset):
                first, offset, entries = number + 1, 0, 0
            size = self._files.size(self._path(first))
            if size is None or size <= offset:
                self._check_shrunk(first, size, offset)
                break
            data = self._files.read_at(self._path(first), offset, size - offset)
            lines, used = split_lines(data, where=segment_name(first))
            torn = len(data) - used
            if lines:
                fresh += lines
                touched.append(first)
            number, offset, entries = number + len(lines), offset + used, entries + len(lines)
            if not lines or torn:
                break
        if torn or not self._firsts:
            self._check_gap(number)
        for start in touched:
            self._files.sync(self._path(start))
        if any(start not in self._firsts for start in touched):
            self._files.sync_folder(self._journal)
            self._firsts = sorted({*self._firsts, *touched})
        self._number, self._first, self._offset, self._entries, self._torn = number, first, offset, entries, torn
        return fresh

    def _check_shrunk(self, first: int, size: int | None, offset: int) -> None:
        if (size or 0) < offset:
            raise StoreDamagedError(f"{segment_name(first)} was cut: it has {size or 0} bytes, it had {offset}")

    def _check_gap(self, number: int) -> None:
        """No journal file may begin after the last whole line."""
        try:
            names = self._files.listdir(self._journal)
        except FileNotFoundError:
            return
        firsts = [first for name in names if (first := parse_segment_name(name)) is not None]
        beyond = [first for first in firsts if first > number + 1]
        if beyond:
            raise StoreDamagedError(
                f"journal: entry {number + 1} is missing or broken, but {segment_name(min(beyond))} goes on after it"
            )

    def seek(self, number: int, place: list[int]) -> bool:
        """Go to a position that a derived index remembers."""
        if len(place) != 3 or number < 1:
            return False
        first, offset, entries = place
        size = self._files.size(self._path(first))
        if size is None or size < offset or first + entries - 1 != number:
            return False
        names = self._files.listdir(self._journal)
        firsts = sorted(start for name in names if (start := parse_segment_name(name)) is not None)
        if firsts[:1] != [1] or first not in firsts:
            return False
        self._number, self._first, self._offset, self._entries = number, first, offset, entries
        self._firsts = [start for start in firsts if start <= first]
        return True

    def place(self) -> list[int]:
        """First entry of the present file, the end of its last whole line, its number of entries."""
        return [self._first, self._offset, self._entries]

    def add(self, number: int, line: bytes) -> bool:
        """Append the line and make it durable. Only under `exclusive`, with nothing torn."""
        if number != self._number + 1 or self._torn:
            return False
        if self._rotation.is_full(self._entries, self._offset):
            self._first, self._offset, self._entries = number, 0, 0
        path, data = self._path(self._first), line + b"\n"
        try:
            self._files.append(path, self._offset, data)
        except OSError:
            with suppress(OSError):  # else the next writer cuts it
                self._files.truncate(path, self._offset)
            raise
        try:
            self._files.sync(path)
            if self._offset == 0:  # the name may be new, or a dead writer's
                self._files.sync_folder(self._journal)
        except OSError as exc:
            raise UnknownOutcomeError(
                f"the disk failed to make entry {number} durable ({exc}); it may or may not be there",
                hint="check the disk, then open the store again and look",
            ) from exc
        if self._first not in self._firsts:
            self._firsts.append(self._first)
        self._number, self._offset, self._entries = number, self._offset + len(data), self._entries + 1
        return True

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries."""
        number = first
        while number <= last:
            start, lines = self._segment_of(number)
            for line in lines[number - start : last - start + 1]:
                yield number, line
                number += 1

    def _segment_of(self, number: int) -> tuple[int, list[bytes]]:
        """(first entry, lines) of the journal file that holds the entry."""
        start = self._firsts[bisect_right(self._firsts, number) - 1]
        cached_start, cached = self._cached
        if cached_start != start or number - start >= len(cached):
            data = self._files.read(self._path(start))
            cached = (data[: self._offset] if start == self._first else data).split(b"\n")[:-1]
            if number - start >= len(cached):
                raise StoreDamagedError(f"journal: entry {number} is missing from {segment_name(start)}")
            self._cached = (start, cached)
        return start, cached

    def torn_bytes(self) -> bytes:
        """What stands behind the last whole line."""
        size = self._files.size(self._path(self._first)) or 0
        if not self._torn or size <= self._offset:
            return b""
        return self._files.read_at(self._path(self._first), self._offset, size - self._offset)

    def cut_torn(self) -> None:
        """Cut it, and keep the bytes aside."""
        data = self.torn_bytes()
        if data:
            self._keep_aside(f"torn-{segment_name(self._first)}-{self._offset}", data)
            self._files.truncate(self._path(self._first), self._offset)
        self._torn = 0

    # --- files --------------------------------------------------------------------------------------------------
    def put_snapshot(self, path: str, data: bytes, *, verify: bool) -> bool:
        """Link a whole file under its name; with `verify` replace what is torn, by what is durable."""
        target = f"{self._folder}/{path}"
        there = self._read_own(target) if verify else None
        if there == data:
            return False
        temp = self._temp(data)
        if there is None:
            try:
                self._link(temp, target)
            except FileExistsError:
                self._files.unlink(temp)
                return False
            self._files.unlink(temp)
            return True
        self._files.sync(temp)
        if there:
            self._keep_name_aside(target)
        self._files.rename(temp, target)
        return True

    def _read_own(self, target: str) -> bytes | None:
        try:
            return self._files.read(target)
        except FileNotFoundError:
            return None

    def _link(self, temp: str, target: str) -> None:
        try:
            self._files.link(temp, target)
        except FileNotFoundError:
            make_folders(self._files, parent(target))
            self._files.link(temp, target)

    def _temp(self, data: bytes) -> str:
        self._serial += 1
        path = f"{self._work}/{TEMP}/{self._nonce}.{self._serial}"
        self._files.create(path, data)
        return path

    def _keep_aside(self, name: str, data: bytes) -> None:
        temp = self._temp(data)
        self._files.sync(temp)
        self._into_aside(temp, name)
        self._files.unlink(temp)

    def _keep_name_aside(self, target: str) -> None:
        """The damaged file gets a second name; replacing the first one then loses nothing."""
        self._into_aside(target, target.replace("/", "%2f")[-180:])

    def _into_aside(self, source: str, name: str) -> None:
        with suppress(FileExistsError):
            self._files.mkdir(f"{self._work}/aside")
        for serial in range(1000):
            try:
                self._files.link(source, f"{self._work}/aside/{name}.{serial}")
            except FileExistsError:
                continue
            break
        self._files.sync_folder(f"{self._work}/aside")

    def read(self, path: str) -> bytes | None:
        """A file below the tenant; None also where a link stands in the way."""
        try:
            return self._files.read(f"{self._folder}/{path}")
        except (FileNotFoundError, NotADirectoryError, IsADirectoryError, StoreDamagedError):
            return None
        except OSError as exc:
            if is_link_error(exc):
                return None
            raise

    def walk(self) -> Iterator[tuple[str, str]]:
        """All below the tenant but the work folder."""
        todo = [""]
        while todo:
            folder = todo.pop()
            for name in sorted(self._files.listdir(f"{self._folder}/{folder}".rstrip("/"))):
                path = f"{folder}/{name}".lstrip("/")
                if path == WORK:
                    continue
                kind = self._files.kind(f"{self._folder}/{path}")
                if kind == "folder":
                    todo.append(path)
                elif kind is not None:
                    yield path, kind

    def read_work(self, name: str) -> bytes | None:
        """A file of the work folder."""
        return self.read(f"{WORK}/{name}")

    def write_work(self, name: str, data: bytes, *, durable: bool) -> None:
        """Replace a file of the work folder."""
        temp = self._temp(data)
        if durable:
            self._files.sync(temp)
        self._files.rename(temp, f"{self._work}/{name}")
        if durable:
            self._files.sync_folder(self._work)

    def write_derived(self, path: str, data: bytes) -> None:
        """Replace a derived file."""
        temp = self._temp(data)
        target = f"{self._folder}/{path}"
        try:
            self._files.rename(temp, target)
        except FileNotFoundError:
            make_folders(self._files, parent(target))
            self._files.rename(temp, target)

    def make_durable(self, paths: list[str]) -> None:
        """Files, their names, and the names of the folders above them."""
        if self._files.sync_all():
            return
        folders: set[str] = {self._folder}
        for path in paths:
            target = f"{self._folder}/{path}"
            self._files.sync(target)
            folder = parent(target)
            while folder not in folders:
                folders.add(folder)
                folder = parent(folder)
        for folder in sorted(folders):
            self._files.sync_folder(folder)

    def sweep(self) -> int:
        """Temporary files are made under the lock only, so those that are there have no writer."""
        names = self._files.listdir(f"{self._work}/{TEMP}")
        for name in names:
            with suppress(FileNotFoundError):
                self._files.unlink(f"{self._work}/{TEMP}/{name}")
        return len(names)


def is_read_only(exc: OSError) -> bool:
    """Does the error say that nothing can be written here?"""
    import errno

    return exc.errno in (errno.EROFS, errno.EACCES, errno.EPERM)


def is_link_error(exc: OSError) -> bool:
    """Was a symbolic link not followed?"""
    import errno

    return exc.errno in (errno.ELOOP, errno.EMLINK)


def lock_held(name: str, holder: Holder | None) -> LockHeldError:
    """The error of a lock that another has."""
    import time

    if holder is None:
        return LockHeldError(f"another run holds the lock '{name}'", hint="run 'sheetsync lock show'")
    age = max(0.0, time.time() - holder.since)
    who = f"{holder.who} on {holder.host}, pid {holder.pid}, for {age:.0f} s"
    return LockHeldError(
        f"another run holds the lock '{name}': {who}", hint="wait for it; 'sheetsync lock show' and 'lock break' help"
    )
