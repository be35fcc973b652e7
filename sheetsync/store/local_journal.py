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
from typing import Final

from sheetsync.errors import StoreDamagedError, TryLaterError, UnknownOutcomeError
from sheetsync.store.backend import BATCH_BYTES
from sheetsync.store.chain import LOOK
from sheetsync.store.doubt import hides_failed_sync, is_failed_sync
from sheetsync.store.entry import BODY_AT
from sheetsync.store.filesystem import FileSystem
from sheetsync.store.segments import Rotation, parse_segment_name, segment_name, split_lines

PIECE_BYTES: Final = 4 << 20
BEGIN: Final = b'{"sum":"'


@lru_cache(maxsize=64)  # the last one is asked for again and again
def journal_path(folder: str, first: int) -> str:
    """The journal file that begins with this entry."""
    return f"{folder}/{segment_name(first)}"


@dataclass(slots=True)
class Tail:
    """What stands behind a position: where it ends, the lines by journal file, and the bytes after the last one.

    The last line begins at `tip` of the file of `tip_first`, which is not the last file where that holds no whole line.
    Of a long journal it is the first part: `more` stands behind these `size` bytes.
    """

    number: int
    first: int
    offset: int
    entries: int
    tip: int
    tip_first: int
    torn: int = 0
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
        self._mark, self._failed, self._at_end = b"", False, False
        self.read_only = False  # nobody can settle a doubt here
        self._cached: tuple[tuple[int, ...], list[int]] = ((), [])  # of one file, as it was: where its lines end
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
        touched = [start for start, _ in found.files]
        try:
            self._sync(touched, folder=any(start not in self._firsts for start in touched))
        except OSError as exc:
            if not self._failed:
                raise
            raise self._doubtful() from exc
        if touched:
            self._firsts = sorted({*self._firsts, *touched})
        self._number, self._first, self._offset, self._entries = found.number, found.first, found.offset, found.entries
        self._torn, self._tip, self._tip_first = found.torn, found.tip, found.tip_first
        self._at_end = self._at_end or bool(self._firsts and not found.more)
        if touched:
            self._mark = found.files[-1][1][-1][:BODY_AT]
        return [line for _, lines in found.files for line in lines]

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
        names = {segment_name(first) for first in firsts}
        new = f"{self._doubt}.new"
        with suppress(OSError):
            with suppress(FileNotFoundError):
                names.update(self._files.read(self._doubt).decode("utf-8", "replace").split())
            with suppress(FileNotFoundError):
                self._files.unlink(new)
            self._files.create(new, "\n".join(sorted(names)).encode())
            self._files.rename(new, self._doubt)
            return
        with suppress(OSError):  # a full disk may have place for a name: an empty file doubts all
            self._files.create(self._doubt, b"")

    def _look_twice(self) -> Tail:
        """The tail. What looks like damage may be a writer at work: it is damage if it still stands a moment later."""
        for attempt in (1, 2):
            try:
                found = self._look()
                if found.torn or not (found.more or self._at_end):
                    self._check_gap(found.number)
            except StoreDamagedError:
                if attempt == 2:
                    raise
            else:
                break
        return found

    def _look(self) -> Tail:
        """What stands behind the position, as of now. The line before it must be the one that was read."""
        found = Tail(self._number, self._first, self._offset, self._entries, self._tip, self._tip_first)
        while True:
            first, offset, entries = found.first, found.offset, found.entries
            if self._rotation.is_full(entries, offset):  # the next file, if there is one yet
                first, offset, entries = found.number + 1, 0, 0
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
            found.torn = len(data) - used
            if lines:
                found.files.append((found.first, lines))
                found.tip, found.tip_first = found.offset + used - len(lines[-1]) - 1, found.first
            found.number, found.offset = found.number + len(lines), found.offset + used
            found.entries, found.size = found.entries + len(lines), found.size + used
            if not lines or found.torn:
                return found
            if found.size >= BATCH_BYTES:
                found.more = True
                return found

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

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Go to a position that a derived index remembers."""
        if number == 0:
            self._number, self._first, self._offset, self._entries, self._firsts = 0, 1, 0, 0, []
            self._mark, self._at_end = b"", False
            return True
        if len(place) != 4 or number < 1 or len(mark) != BODY_AT:
            return False
        first, offset, entries, tip = place
        path = self._path(first)
        if (self._files.size(path) or 0) < offset or first + entries - 1 != number or not 0 <= tip < offset:
            return False
        if self._files.read_at(path, tip, len(mark)) != mark or self._files.read_at(path, offset - 1, 1) != b"\n":
            return False
        names = self._files.listdir(self._journal)
        firsts = sorted(start for name in names if (start := parse_segment_name(name)) is not None)
        if firsts[:1] != [1] or first not in firsts:
            return False
        self._number, self._first, self._offset, self._entries, self._tip = number, first, offset, entries, tip
        self._tip_first = first
        self._firsts, self._mark, self._at_end = [start for start in firsts if start <= first], mark, False
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
            self._check_gap(self._number)  # a file beyond would be another's entries, which we did not see
            self._first, self._offset, self._entries = number, 0, 0
        path, data = self._path(self._first), line + b"\n"
        if self._has_more(path):
            return False
        self.wrote = True
        try:
            self._files.append(path, self._offset, data)
        except (OSError, StoreDamagedError):
            self.wrote = (self._size_of(path) or 0) >= self._offset + len(data)  # others may have seen it already
            if not self.wrote:
                with suppress(OSError):  # else the next writer cuts it
                    self._cut(path)
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

    def _has_more(self, path: str) -> bool:
        """Does anything stand where the next line belongs?"""
        return bool(self._files.read_at(path, self._offset, 1) if self._offset else self._files.size(path))

    def _size_of(self, path: str) -> int | None:
        """The file's size; None also where that cannot be told any more."""
        try:
            return self._files.size(path)
        except OSError:
            return None

    def _stands(self, path: str, data: bytes) -> bool:
        """Are these the last bytes of the file that the path names now?"""
        if self._size_of(path) != self._offset + len(data):
            return False
        return self._files.read_at(path, self._offset, BODY_AT) == data[:BODY_AT]

    def _check_same(self, looked_at: str) -> None:
        """The last line must be the one that we read: somebody may have put another journal in its place."""
        path = self._path(self._tip_first)
        if path != looked_at:
            self._files.size(path)  # is it still the file that we have open?
        if self._mark and self._files.read_at(path, self._tip, BODY_AT) != self._mark:
            raise StoreDamagedError(
                f"journal: entry {self._number} is not the one that was read before: the file was replaced",
                hint="open the store again",
            )

    def _cut(self, path: str) -> None:
        """Cut what stands behind the last line, for good: else it could come back behind the beginning of the next."""
        self._files.truncate(path, self._offset)
        self._sync([self._first], folder=False)

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries."""
        number = first
        if first == last == self._number and self._first == self._tip_first and self._offset > self._tip:
            data = self._files.read_at(self._path(self._first), self._tip, self._offset - self._tip)
            yield number, data[:-1]
            return
        while number <= last:
            known = self._cached
            lines = self._piece(number, last)
            if self._cached is known and not all(line.startswith(BEGIN) and line.endswith(b"}") for line in lines):
                self._cached = ((), [])  # where lines end may be known of bytes that were damaged then
                lines = self._piece(number, last)
            for line in lines:
                yield number, line
                number += 1

    def _piece(self, number: int, last: int) -> list[bytes]:
        """The line of this entry, and those behind it in its file up to the last, as far as they are not large."""
        start, ends = self._segment_of(number)
        at = number - start
        begin, stop = (ends[at - 1] + 1 if at else 0), at + 1
        while stop <= last - start and stop < len(ends) and ends[stop] - begin <= PIECE_BYTES:
            stop += 1
        data = self._files.read_at(self._path(start), begin, ends[stop - 1] - begin)
        return data.split(b"\n") if stop > at + 1 else [data]  # of a large line there is no second copy

    def first_of(self, number: int) -> int:
        """The first entry of the journal file that holds this one."""
        return self._firsts[bisect_right(self._firsts, number) - 1]

    def _segment_of(self, number: int) -> tuple[int, list[int]]:
        """The first entry of the journal file that holds the entry, and where each of its lines ends."""
        start = self.first_of(number)
        try:
            found = self._files.version(self._path(start))
        except FileNotFoundError as exc:
            raise StoreDamagedError(f"journal: the file that begins with entry {start} is gone", hint=LOOK) from exc
        version = (start, *(found[:1] if start == self._first else found))  # the newest file grows
        if self._cached[0] != version or number - start >= len(self._cached[1]):
            self._cached = (version, self._ends(start))
        ends = self._cached[1]
        if number - start >= len(ends):
            raise StoreDamagedError(f"journal: entry {number} is missing from {segment_name(start)}")
        return start, ends

    def _ends(self, start: int) -> list[int]:
        """Where the known lines of a journal file end; read in pieces, for one line may have 100 MB."""
        path, limit = self._path(start), self._offset if start == self._first else sys.maxsize
        ends: list[int] = []
        at = 0
        while piece := self._files.read_at(path, at, min(PIECE_BYTES, limit - at)):
            found = piece.find(b"\n")
            while found >= 0:
                ends.append(at + found)
                found = piece.find(b"\n", found + 1)
            at += len(piece)
        return ends

    def torn_bytes(self) -> bytes:
        """What stands behind the last whole line."""
        if not self._torn:
            return b""
        size = self._files.size(self._path(self._first)) or 0
        return self._files.read_at(self._path(self._first), self._offset, size - self._offset)

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
