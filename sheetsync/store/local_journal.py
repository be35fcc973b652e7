"""The journal's files on local disk: reading their tail, appending a line, making it durable.

Two rules decide: a line is believed only after it is durable, whoever wrote it; and a torn last line is cut only by a
writer who holds the lock. What the lines mean is not known here.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from sheetsync.errors import StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store.backend import BATCH_BYTES
from sheetsync.store.doubt import hides_failed_sync, is_failed_sync, note_doubt
from sheetsync.store.entry import BODY_AT
from sheetsync.store.filesystem import AnotherEnd, FileSystem
from sheetsync.store.line_ends import LineEnds
from sheetsync.store.rebuild import was_written_whole
from sheetsync.store.segments import Rotation, parse_segment_name, segment_name, split_lines


@lru_cache(maxsize=64)  # the last one is asked for again and again
def journal_path(folder: str, first: int) -> str:
    """The journal file that begins with this entry."""
    return f"{folder}/{segment_name(first)}"


@dataclass(slots=True)
class Tail:
    """What stands behind a position: where it ends, the lines by journal file, and the torn bytes after the last one.

    The last line begins at `tip` of the file of `tip_first`, which is not the last file where that holds no whole line.
    Of a long journal it is the first part: `more` stands behind these `size` bytes.
    """

    number: int
    first: int
    offset: int
    entries: int
    tip: int
    tip_first: int
    behind: bytes = b""
    size: int = 0
    more: bool = False
    files: list[tuple[int, list[bytes]]] = field(default_factory=list)


class LocalJournal:
    """One tenant's journal; it remembers a position, the end of the last line that was believed.

    Args:
        files: the disk.
        folder: the journal's folder.
        doubt: the file that tells of a failed fsync.
        rotation: when a file is full.
    """

    def __init__(self, files: FileSystem, folder: str, doubt: str, rotation: Rotation) -> None:
        self._files, self._journal, self._doubt, self._rotation = files, folder, doubt, rotation
        self._number, self._first, self._offset, self._entries = 0, 1, 0, 0
        self._firsts: list[int] = []
        self._torn, self._tip, self._tip_first = 0, 0, 1
        self._mark, self._failed = b"", False
        self._proved: tuple[int, ...] | None = None  # the folder as it was when no file was beyond the last line
        self.read_only = False  # nobody can settle a doubt here
        self._ends = LineEnds(files)
        self.wrote = False

    def _path(self, first: int) -> str:
        return journal_path(self._journal, first)

    def new_lines(self) -> list[bytes]:
        """Whole lines behind the position, made durable: their writer may have died before its fsync.

        Of a long journal they are the first part, of `BATCH_BYTES` or more.
        """
        if self._failed:
            raise self._doubtful()
        found = self._look_twice()
        # Also where nothing is new: a save that changes nothing says what is there.
        if not self.read_only and self._files.exists(self._doubt):
            raise self._doubtful()
        if found.files:
            self._make_durable([start for start, _ in found.files])
        self._number, self._first, self._offset, self._entries = found.number, found.first, found.offset, found.entries
        self._torn, self._tip, self._tip_first = len(found.behind), found.tip, found.tip_first
        if not found.files:
            return []
        self._mark = found.files[-1][1][-1][:BODY_AT]
        return [line for _, lines in found.files for line in lines]

    def _make_durable(self, firsts: Sequence[int]) -> None:
        """Files in which lines of others were found, and their names where they are new to us."""
        try:
            self._sync(firsts, folder=any(start not in self._firsts for start in firsts))
        except OSError as exc:
            if not self._failed:
                raise
            raise self._doubtful() from exc
        self._firsts = sorted({*self._firsts, *firsts})

    @staticmethod
    def _doubtful() -> UnknownOutcomeError:
        return UnknownOutcomeError("a disk failed under the journal: open the store again", hint="check the disk")

    def _sync(self, firsts: Sequence[int], *, folder: bool) -> None:
        """Make these files durable, and with `folder` their names. One that fails is noted as a doubt.

        A disk that fails hangs first, and then people press Ctrl-C: what a signal handler raises comes at the first
        call after the fsync, so that the doubt is noted at the second one.
        """
        outside = sys.exception()
        try:
            for first in firsts:
                self._files.sync(self._path(first))
            if folder:
                self._files.sync_folder(self._journal)
        except BaseException as exc:
            try:
                self._doubt_if_failed(exc, outside, firsts)
            except BaseException:
                self._doubt_if_failed(exc, outside, firsts)
                raise
            raise

    def _doubt_if_failed(self, exc: BaseException, outside: BaseException | None, firsts: Iterable[int]) -> None:
        if is_failed_sync(exc) or hides_failed_sync(exc, outside):
            self._note_doubt(firsts)

    def _note_doubt(self, firsts: Iterable[int]) -> None:
        """An fsync failed: the next one would say nothing of it, whoever calls it. So these files are written anew."""
        self._failed = True
        with suppress(OSError):
            note_doubt(self._files, self._doubt, {segment_name(first) for first in firsts})
            return
        with suppress(OSError):  # a full disk may have place for a name: an empty file doubts all
            self._files.create(self._doubt, b"")

    def _look_twice(self) -> Tail:
        """The tail. What looks like damage may be a writer at work: it is damage if it still stands a moment later."""
        for attempt in (1, 2):
            try:
                found = self._look_whole()
            except (StoreDamagedError, FileNotFoundError):  # a file may go while it is looked at
                if attempt == 2:
                    raise
            else:
                break
        return found

    def _look_whole(self) -> Tail:
        """The tail; no file may be beyond it, which is asked once the folder changed, and no acknowledged line broken.

        The names are read before the lines: those that lead to what stands in the folder then are seen.
        """
        folder = self._files.stamp(self._journal)
        names = self._there() if folder is not None and folder != self._proved else []
        found = self._look()
        if found.behind:
            names = self._there()
            found = self._look()
        if found.behind and was_written_whole(found.behind):
            raise StoreDamagedError(
                f"journal: the line after entry {found.number} was whole; bytes of it were flipped or lost",
                hint="run 'sheetsync fsck'",
            )
        if not found.more:
            self._check_gap(names, found.number)
            self._proved = folder
        return found

    def _there(self) -> list[int]:
        """The first entries of the journal's files, as the folder names them."""
        try:
            names = self._files.listdir(self._journal)
        except FileNotFoundError:
            return []
        return [first for name in names if (first := parse_segment_name(name)) is not None]

    def _look(self) -> Tail:
        """What stands behind the position, as of now. The line before it must be the one that was read."""
        found = Tail(self._number, self._first, self._offset, self._entries, self._tip, self._tip_first)
        while True:
            first, offset, entries = found.first, found.offset, found.entries
            if self._rotation.is_full(entries, offset) and self._ends_there(first, offset, found.number + 1):
                first, offset, entries = found.number + 1, 0, 0  # the next file, if there is one yet
            path = self._path(first)
            size = self._files.size(path) or 0
            if size < offset:
                raise StoreDamagedError(f"{path} was cut: it has {size} bytes, it had {offset}")
            if found.number == self._number:
                self._check_same(path)
            if size == offset:
                return found
            found.first, found.offset, found.entries = first, offset, entries
            data = self._files.read_at(path, found.offset, size - found.offset)
            lines, used = split_lines(data, where=path)
            found.behind = data[used:]
            if lines:
                found.files.append((found.first, lines))
                found.tip, found.tip_first = found.offset + used - len(lines[-1]) - 1, found.first
            found.number, found.offset = found.number + len(lines), found.offset + used
            found.entries, found.size = found.entries + len(lines), found.size + used
            if not lines or found.behind:
                return found
            if found.size >= BATCH_BYTES:
                found.more = True
                return found

    def _ends_there(self, first: int, offset: int, following: int) -> bool:
        """Does this full file end where its last line did? Else what is torn behind it is for a writer to cut.

        Raises:
            StoreDamagedError: it was cut, or the next one stands though something is behind that line.
        """
        path = self._path(first)
        size = self._files.size(path) or 0
        if size < offset or (size > offset and self._files.size(self._path(following)) is not None):
            how = "cut" if size < offset else "written to"
            raise StoreDamagedError(f"{path} was {how}: it has {size} bytes, it had {offset}")
        return size == offset

    @staticmethod
    def _check_gap(there: Iterable[int], number: int) -> None:
        """No journal file may begin after the last whole line."""
        beyond = [first for first in there if first > number + 1]
        if beyond:
            raise StoreDamagedError(
                f"journal: entry {number + 1} is missing or broken, but {segment_name(min(beyond))} goes on after it"
            )

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Go to a position that a derived index remembers."""
        if number == 0:
            self._number, self._first, self._offset, self._entries, self._firsts = 0, 1, 0, 0, []
            self._mark, self._proved = b"", None
            return True
        if len(place) != 4 or number < 1 or len(mark) != BODY_AT:
            return False
        first, offset, entries, tip = place
        path = self._path(first)
        if (self._files.size(path) or 0) < offset or first + entries - 1 != number or not 0 <= tip < offset:
            return False
        if self._files.read_at(path, tip, len(mark)) != mark or self._files.read_at(path, offset - 1, 1) != b"\n":
            return False
        firsts = sorted(self._there())
        if firsts[:1] != [1] or first not in firsts:
            return False
        self._number, self._first, self._offset, self._entries, self._tip = number, first, offset, entries, tip
        self._tip_first = first
        self._firsts, self._mark, self._proved = [start for start in firsts if start <= first], mark, None
        return True

    def mark(self) -> bytes:
        """The beginning of the last line, with its checksum."""
        return self._mark

    def place(self) -> list[int]:
        """First entry of the present file, the end of its last whole line, its number of entries, that line's start."""
        return [self._first, self._offset, self._entries, self._tip]

    def add(self, number: int, line: bytes) -> bool:
        """Append the line and make it durable. Only under `exclusive`, with nothing torn."""
        self.wrote = False
        if number != self._number + 1 or self._torn:
            return False
        if self._files.exists(self._doubt):  # noted since we looked
            raise self._doubtful()
        if self._rotation.is_full(self._entries, self._offset):
            self._check_gap(
                self._there(), self._number
            )  # a file beyond would be another's entries, which we did not see
            self._first, self._offset, self._entries = number, 0, 0
        path, data = self._path(self._first), line + b"\n"
        self.wrote = True
        try:
            self._files.append(path, self._offset, data)
        except AnotherEnd:
            self.wrote = False
            return False
        except (OSError, StoreDamagedError):
            self.wrote = (self._size_of(path) or 0) >= self._offset + len(data)  # others may have seen it already
            if not self.wrote:
                with suppress(OSError):  # else the next writer cuts it
                    self._cut_ours(path, data)
            raise
        try:
            self._sync([self._first], folder=self._offset == 0)  # a name that is new, or a dead writer's
        except OSError as exc:
            raise UnknownOutcomeError(
                f"the disk failed to make entry {number} durable ({exc}); it may or may not be there",
                hint="check the disk, then open the store again and look",
            ) from exc
        if not self._stands(path, data):  # another file was put there between our look and our line
            self._failed = True
            raise UnknownOutcomeError(
                f"the journal's file was replaced while entry {number} was added: it may or may not be there",
                hint="open the store again and look",
            )
        if self._first not in self._firsts:
            self._firsts.append(self._first)
        self._number, self._tip, self._tip_first, self._entries = number, self._offset, self._first, self._entries + 1
        self._offset, self._mark = self._offset + len(data), line[:BODY_AT]
        return True

    def _size_of(self, path: str) -> int | None:
        """The file's size; None also where that cannot be told any more."""
        try:
            return self._files.size(path)
        except OSError:
            return None

    def _stands(self, path: str, data: bytes) -> bool:
        """Are these the last bytes of the file that the path names now, and stand they upon the line before?"""
        if self._size_of(path) != self._offset + len(data):
            return False
        try:
            self._check_same(path)
        except StoreDamagedError:
            return False
        return self._files.read_at(path, self._offset, BODY_AT) == data[:BODY_AT]

    def _check_same(self, looked_at: str) -> None:
        """The last line must be the one that we read: somebody may have put another journal in its place."""
        path = self._path(self._tip_first)
        if path != looked_at and self._files.size(path) is None:  # and is it still the file that we have open?
            raise StoreDamagedError(f"{path} is gone", hint="put it back, then open the store again")
        if self._mark and self._files.read_at(path, self._tip, BODY_AT) != self._mark:
            raise StoreDamagedError(
                f"journal: entry {self._number} is not the one that was read before: the file was replaced",
                hint="open the store again",
            )

    def _cut_ours(self, path: str, data: bytes) -> None:
        """Cut the beginning of this line, where that is what stands there."""
        if data.startswith(self._files.read_at(path, self._offset, len(data))):
            self._cut(path)

    def _cut(self, path: str) -> None:
        """Cut what stands behind the last line, for good: else it could come back behind the beginning of the next."""
        self._files.truncate(path, self._offset)
        self._sync([self._first], folder=False)

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries."""
        number = first
        if first == last == self._number and self._first == self._tip_first and self._offset > self._tip:
            path = self._path(self._first)
            self._files.size(path)  # is it still the file that we have open?
            yield number, self._files.read_at(path, self._tip, self._offset - self._tip)[:-1]
            return
        while number <= last:
            start = self.first_of(number)
            limit = self._offset if start == self._first else None
            for line in self._ends.piece(self._path(start), start, number, last, limit=limit):
                yield number, line
                number += 1

    def first_of(self, number: int) -> int:
        """The first entry of the journal file that holds this one."""
        return self._firsts[bisect_right(self._firsts, number) - 1]

    def torn_bytes(self) -> bytes:
        """What stands behind the last whole line."""
        if not self._torn:
            return b""
        path = self._path(self._first)
        return self._files.read_at(path, self._offset, max((self._files.size(path) or 0) - self._offset, 0))

    def cut_torn(self, torn: bytes, keep_aside: Callable[[str, bytes], None]) -> None:
        """Cut these bytes, after they were kept aside. If others stand there by now, nothing is done."""
        if self.torn_bytes() != torn:
            raise TryLaterError("the journal was changed while it was looked at: nothing was cut", hint="look again")
        keep_aside(f"torn-{segment_name(self._first)}-{self._offset}", torn)
        try:
            self._cut(self._path(self._first))
        except OSError as exc:
            if not is_failed_sync(exc):
                raise
            self._note_doubt([self._first])
            raise self._doubtful() from exc
        self._torn = 0
