"""A tenant on local disk: the commit is one line appended under a lock that dies with its holder, and one fdatasync.

The journal's files are `local_journal.py`, temporary ones and what is kept aside `work_folder.py`. Records' files are
put here by a link of a whole file, which replaces nothing. The model behind each step: design.md section 3, "Rules on
disk".
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, suppress
from typing import Final

from sheetsync.errors import InvalidIdError, StoreDamagedError, TryLaterError
from sheetsync.store.backend import JOURNAL, WORK, HeldLock, Holder
from sheetsync.store.doubt import settle_doubt
from sheetsync.store.filesystem import FAILING, UNREADABLE, FileSystem, is_read_only
from sheetsync.store.local_journal import LocalJournal
from sheetsync.store.local_leases import LocalLeases
from sheetsync.store.mutex import under
from sheetsync.store.names import SNAPSHOT_TAIL, check_new_key, parse_snapshot_name
from sheetsync.store.places import is_worth_a_look, may_hold_records
from sheetsync.store.segments import Rotation
from sheetsync.store.work_folder import TEMP, WorkFolder, link_or_move, make_folders, parent

DOUBT: Final = "doubt"
NAMES_DOUBT: Final = "doubt-names"
NO_WRITES: Final = (errno.ENOSPC, errno.EDQUOT, *FAILING)


class LocalTenant:
    """One tenant on local disk."""

    def __init__(self, files: FileSystem, folder: str, rotation: Rotation, nonce: str) -> None:
        self._files, self._folder = files, folder
        self._journal, self._work = f"{folder}/{JOURNAL}", f"{folder}/{WORK}"
        self._lines = LocalJournal(files, self._journal, f"{self._work}/{DOUBT}", rotation)
        self._work_folder = WorkFolder(files, self._work, nonce)
        self._leases = LocalLeases(files, f"{self._work}/leases")
        self._names_failed = False
        self._limits: tuple[int, int] | None = None

    # --- folders and locks --------------------------------------------------------------------------------------
    def prepare(self) -> bool:
        """Make what is missing and make it durable, even what another process may have made a moment ago."""
        folders = (self._folder, self._journal, self._work)
        try:
            for path in (*folders, f"{self._work}/{TEMP}"):
                if path == self._journal:
                    self._check_not_lost()
                with suppress(FileExistsError):
                    self._files.mkdir(path)
                self._files.sync_folder(parent(path))
            if not all(map(self._files.is_writable, folders)):
                self._lines.read_only = True
                return False
            self._lines.read_only = not self._settle_doubt()
            return not self._lines.read_only
        except OSError as exc:
            if is_read_only(exc) and self._files.kind(self._journal) == "folder":
                self._lines.read_only = True
                return False
            raise

    def _settle_doubt(self) -> bool:
        """False on a full or failing disk: what is in doubt can be read, as on one that takes no writes."""
        try:
            doubt, replace = f"{self._work}/{DOUBT}", self._work_folder.replace
            under(self.exclusive(), lambda: settle_doubt(self._files, self._journal, doubt, replace))
        except OSError as exc:
            if exc.errno not in NO_WRITES:
                raise
            return False
        return True

    @property
    def wrote(self) -> bool:
        """Has the last `add` written anything that was not taken back?"""
        return self._lines.wrote

    @wrote.setter
    def wrote(self, value: bool) -> None:
        self._lines.wrote = value

    def close(self) -> None:
        """Give back what is open of the journal."""
        self._files.rest(self._journal)

    def _check_not_lost(self) -> None:
        """Where snapshots are, a journal was: none is made in its place."""
        if self._files.kind(self._journal) is None:
            paths = (path for path, _ in self.walk(whole=True))
            path = next((path for path in paths if parse_snapshot_name(path.rpartition("/")[2]) is not None), None)
            if path is not None and self._files.kind(self._journal) is None:  # nor was it made while we looked
                raise StoreDamagedError("the journal is gone, but snapshots are in the folders", findings=(path,))

    def exclusive(self) -> AbstractContextManager[None]:
        """The writers' lock: the journal's folder, which nobody takes away without taking the journal away."""
        return self._files.lock(self._journal)

    def lock(self, name: str, holder: Holder) -> HeldLock:
        """A lease's lock."""
        return self._leases.lock(name, holder)

    def held(self) -> list[tuple[str, Holder]]:
        """The leases that are held."""
        return self._leases.held()

    def break_lock(self, name: str, is_it: Callable[[Holder], bool]) -> None:
        """Take the lease's lock away from this holder."""
        self._leases.break_lock(name, is_it)

    def check_room(self, keys: Iterable[str]) -> None:
        """The file's name has its stamp, hash and suffix yet to come."""
        if self._limits is None:
            self._limits = self._files.limits()
        longest_name, longest_path = self._limits
        for key in keys:
            check_new_key(key)
            *folders, name = key.split("/")
            if (
                max(len(name) + SNAPSHOT_TAIL, *map(len, folders)) > longest_name
                or len(self._folder) + 1 + len(key) + SNAPSHOT_TAIL > longest_path
            ):
                raise InvalidIdError(f"'{key[:60]}…' is too long for this file system", hint="use shorter names")

    # --- the journal --------------------------------------------------------------------------------------------
    def new_lines(self) -> list[bytes]:
        """Whole lines behind the position, durable."""
        return self._lines.new_lines()

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Go to a position."""
        return self._lines.seek(number, place, mark)

    def mark(self) -> bytes:
        """The beginning of the last line."""
        return self._lines.mark()

    def place(self) -> list[int]:
        """The position."""
        return self._lines.place()

    def add(self, number: int, line: bytes) -> bool:
        """Append the line durably."""
        return self._lines.add(number, line)

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries."""
        return self._lines.lines(first, last)

    def surviving(self, first: int, last: int) -> Iterator[tuple[int, bytes | None]]:
        """The same: a file that lacks lines may be another store's."""
        return self._lines.lines(first, last)

    def first_of(self, number: int) -> int:
        """The first entry of its journal file."""
        return self._lines.first_of(number)

    def pack(self, upto: int) -> tuple[int, int]:  # noqa: ARG002 (nothing to do)
        """Journal files are large already."""
        return 0, 0

    def torn_bytes(self) -> bytes:
        """What stands behind the last whole line."""
        return self._lines.torn_bytes()

    def cut_torn(self, torn: bytes) -> None:
        """Cut it, keeping the bytes aside."""
        self._lines.cut_torn(torn, self.keep_aside)

    def replace_journal(self, name: str, data: bytes, *, damaged: bytes | None) -> None:
        """Replace a damaged journal file by what is proved to be right, keeping its bytes. Only under `exclusive`.

        They are kept as a copy: a writer who has the old file open must see that it lost its name.
        """
        path = f"{self._journal}/{name}"
        if self._files.read(path) != damaged:
            raise TryLaterError(f"{name} was changed by somebody else meanwhile: it was left alone", hint="look again")
        self.keep_aside(f"damaged-{name}", damaged)
        self._work_folder.replace(path, data, durable=True)
        self._files.sync_folder(self._journal)

    # --- files --------------------------------------------------------------------------------------------------
    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:
        """Link a whole file under its name; with `verify` replace what is torn, by what is durable."""
        target = f"{self._folder}/{path}"
        if is_new and self._files.place_first(target, data):
            return True
        if not verify:
            return self._placed(target, data)
        try:
            if self._files.read(target) == data:
                return False
        except FileNotFoundError:
            return self._placed(target, data)
        except OSError as exc:
            if exc.errno == errno.EACCES and self._files.kind(target) == "file":
                return False  # another user's: not ours to judge, and the journal has its content
            if exc.errno not in FAILING:
                raise
        self._work_folder.keep_name(target)
        self.rewrite_snapshot(path, data)
        return True

    def rewrite_snapshot(self, path: str, data: bytes) -> None:
        """Put a durable copy in the place of whatever file stands there."""
        target = f"{self._folder}/{path}"
        make_folders(self._files, parent(target))
        self._work_folder.replace(target, data, durable=True)

    def _placed(self, target: str, data: bytes) -> bool:
        """Place the file; False if something stands there."""
        try:
            self._place(target, data)
        except FileExistsError:
            return False
        return True

    def _place(self, target: str, data: bytes) -> None:
        """The whole file under its name. Where a file cannot be without a name, it gets a temporary one first."""
        try:
            placed = self._files.place(target, data)
        except FileNotFoundError:
            make_folders(self._files, parent(target))
            placed = self._files.place(target, data)
        if placed:
            return
        temp = self._work_folder.temp(data)
        try:
            self._link(temp, target)
        except OSError:
            self._work_folder.remove(temp)
            raise
        with suppress(OSError):  # it was moved, or the next opening removes it: the name stands
            self._files.unlink(temp)

    def _link(self, temp: str, target: str) -> None:
        try:
            link_or_move(self._files, temp, target)
        except FileNotFoundError:
            make_folders(self._files, parent(target))
            link_or_move(self._files, temp, target)

    def keep_aside(self, name: str, data: bytes) -> None:
        """A copy in the work folder, under the next free name."""
        self._work_folder.keep(name, data)

    def read(self, path: str) -> bytes | None:
        """A file below the tenant; None also where a link stands in the way."""
        try:
            return self._files.read(f"{self._folder}/{path}")
        except (FileNotFoundError, NotADirectoryError, StoreDamagedError):
            return None

    def walk(self, below: str = "", *, whole: bool = False) -> Iterator[tuple[str, str]]:
        """All files below the tenant but those of the work folder, and whatever is neither file nor folder."""
        todo = [below]
        while todo:
            folder = todo.pop()
            place = f"{self._folder}/{folder}".rstrip("/")
            try:
                if folder == below and below and self._files.kind(place) != "folder":
                    return
                names = sorted(self._files.listdir(place))
            except FileNotFoundError:  # it went while we looked
                continue
            except OSError as exc:
                if exc.errno not in UNREADABLE:
                    raise
                if whole and (below or may_hold_records(folder)):
                    raise OSError(exc.errno, exc.strerror, place) from exc
                yield folder, "unreadable"
                continue
            for path in (f"{folder}/{name}".lstrip("/") for name in names):
                try:
                    kind = self._files.kind(f"{self._folder}/{path}")
                except OSError as exc:
                    if exc.errno not in UNREADABLE:
                        raise
                    if whole and (below or may_hold_records(path)):
                        raise OSError(exc.errno, exc.strerror, f"{self._folder}/{path}") from exc
                    kind = "unreadable"
                if kind == "folder":
                    todo.append(path)
                if kind is not None and is_worth_a_look(path, kind):
                    yield path, kind

    def read_work(self, name: str) -> bytes | None:
        """A file of the work folder; all of them can be done without."""
        try:
            with suppress(StoreDamagedError):
                self._files.kind(f"{self._work}/{name}")  # it proves the folder: `work_stamp` goes by its name
            return self.read(f"{WORK}/{name}")
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            return None

    def work_stamp(self, name: str) -> tuple[int, ...] | None:
        """One look at its name; of a folder that is not open to us it cannot be told."""
        try:
            return self._files.stamp(f"{self._work}/{name}")
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            return None

    def write_work(self, name: str, data: bytes, *, durable: bool) -> None:
        """Replace a file of the work folder."""
        self._work_folder.replace(f"{self._work}/{name}", data, durable=durable)
        if durable:
            self._files.sync_folder(self._work)

    def write_derived(self, path: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a derived file."""
        target = f"{self._folder}/{path}"
        try:
            self._work_folder.replace(target, data, durable=durable)
        except FileNotFoundError:
            make_folders(self._files, parent(target))
            self._work_folder.replace(target, data, durable=durable)
        if durable:
            self._files.sync_folder(parent(target))

    def make_durable(self, paths: Iterable[str]) -> None:
        """Files, their names, and the names of the folders above them."""
        paths = list(paths)
        before, self._names_failed = self._names_failed, True  # until it is known that it did not
        try:
            if not self._files.sync_all(self._folder, {parent(f"{self._folder}/{path}") for path in paths}):
                self._sync_one_by_one(paths)
        except BaseException:  # an interrupt may hide that it failed: then they are only written once more
            try:
                self._doubt_names()
            except BaseException:  # one that comes at that very call
                self._doubt_names()
                raise
            raise
        self._names_failed = before

    def _doubt_names(self) -> None:
        """After a failed sync the next one would say nothing of it, whoever calls it."""
        with suppress(OSError):
            self._files.create(f"{self._work}/{NAMES_DOUBT}", b"")

    def _sync_one_by_one(self, paths: Iterable[str]) -> None:
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

    def in_doubt(self) -> bool:
        """Is it noted that an fsync of the journal failed?"""
        return self._files.exists(f"{self._work}/{DOUBT}")

    def names_in_doubt(self) -> bool:
        """Did a sync of snapshots fail? What the cache shows of them may not be on the disk."""
        return self._names_failed or self._files.kind(f"{self._work}/{NAMES_DOUBT}") is not None

    def settle_names(self) -> None:
        """All snapshots that were in doubt were rewritten."""
        self._names_failed = False
        with suppress(FileNotFoundError):
            self._files.unlink(f"{self._work}/{NAMES_DOUBT}")

    def sweep(self) -> int:
        """Temporary files are made under the lock only, so those that are there have no writer."""
        try:
            names = self._files.listdir(f"{self._work}/{TEMP}")
        except FileNotFoundError:  # somebody removed it a moment ago
            return 0
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            return 0
        return sum(self._work_folder.remove(f"{self._work}/{TEMP}/{name}") for name in names)
