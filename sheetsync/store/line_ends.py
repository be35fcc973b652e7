"""Known lines of a journal file by number: where each one ends is remembered, as long as the file is what it was.

What is remembered may be of bytes that were damaged then and were put right since, so that a piece which is not what
it must be is looked for once more. What the lines mean is not known here.
"""

from __future__ import annotations

import sys
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store.chain import LOOK
from sheetsync.store.entry import BODY_AT
from sheetsync.store.filesystem import FileSystem

PIECE_BYTES: Final = 4 << 20
BEGIN: Final = b'{"sum":"'


class LineEnds:
    """Where the lines of one journal file end: that which was asked for last."""

    def __init__(self, files: FileSystem) -> None:
        self._files = files
        self._known: tuple[tuple[object, ...], list[int]] = ((), [])

    def piece(self, path: str, start: int, number: int, last: int, *, limit: int | None) -> list[bytes]:
        """The line of an entry, and those behind it in its file up to the last, as far as they are not large.

        Args:
            path: the journal file.
            start: its first entry.
            number: the entry.
            last: the last one that is asked for.
            limit: where the known lines end in the newest file, which grows; None for the others.

        Raises:
            StoreDamagedError: the file, or the entry in it, is gone.
        """
        known = self._known
        lines, has_end = self._piece(path, start, number, last, limit)
        if self._known is known and not (has_end and are_lines(lines, number)):
            self._known = ((), [])
            lines, _ = self._piece(path, start, number, last, limit)
        return lines

    def _piece(self, path: str, start: int, number: int, last: int, limit: int | None) -> tuple[list[bytes], bool]:
        """The lines, and whether a line ends where the last one does."""
        ends = self._ends_to(path, start, number, limit)
        at = number - start
        begin, stop = (ends[at - 1] + 1 if at else 0), at + 1
        while stop <= last - start and stop < len(ends) and ends[stop] - begin <= PIECE_BYTES:
            stop += 1
        data = self._files.read_at(path, begin, ends[stop - 1] - begin)
        has_end = self._files.read_at(path, ends[stop - 1], 1) == b"\n"
        if stop == at + 1:
            return [data], has_end  # of a large line there is no second copy
        lines = data.split(b"\n")
        return (lines, has_end) if len(lines) == stop - at else ([data], False)

    def _ends_to(self, path: str, start: int, number: int, limit: int | None) -> list[int]:
        """Where each line of the file ends, as far as the entry at least."""
        try:
            found = self._files.version(path)
        except FileNotFoundError as exc:
            raise StoreDamagedError(f"journal: the file that begins with entry {start} is gone", hint=LOOK) from exc
        version = (path, *(found if limit is None else found[:1]))
        if self._known[0] != version or number - start >= len(self._known[1]):
            self._known = (version, self._ends(path, sys.maxsize if limit is None else limit))
        ends = self._known[1]
        if number - start >= len(ends):
            raise StoreDamagedError(f"journal: entry {number} is missing from {path.rpartition('/')[2]}")
        return ends

    def _ends(self, path: str, limit: int) -> list[int]:
        """Read in pieces, for one line may have 100 MB."""
        ends: list[int] = []
        at = 0
        while piece := self._files.read_at(path, at, min(PIECE_BYTES, limit - at)):
            found = piece.find(b"\n")
            while found >= 0:
                ends.append(at + found)
                found = piece.find(b"\n", found + 1)
            at += len(piece)
        return ends


def are_lines(lines: list[bytes], number: int) -> bool:
    """Do they look like the lines of the entries from this number on?"""
    return all(
        line.startswith(BEGIN) and line.startswith(b'"n":%d,' % at, BODY_AT) and line.endswith(b"}")
        for at, line in enumerate(lines, number)
    ) and not any(b"\n" in line for line in lines)
