"""The bytes of a journal file: which lines are whole, what is torn, what is damage, and when a new file begins.

Pure functions over bytes; reading and cutting files is `local_journal.py`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store.entry import is_whole

SEGMENT_ENTRIES: Final = 1024
SEGMENT_BYTES: Final = 4 << 20
SEGMENT_DIGITS: Final = 10
SEGMENT_SUFFIX: Final = ".jsonl"


@dataclass(frozen=True, slots=True)
class Rotation:
    """When a journal file is full: the next entry then begins a new one. Tests use small ones."""

    entries: int = SEGMENT_ENTRIES
    size_bytes: int = SEGMENT_BYTES

    def is_full(self, entries: int, size_bytes: int) -> bool:
        """Does the next entry begin a new file?"""
        return entries >= self.entries or size_bytes >= self.size_bytes


def segment_name(first: int) -> str:
    """The name of the journal file whose first entry is `first`."""
    return f"{first:0{SEGMENT_DIGITS}d}{SEGMENT_SUFFIX}"


def parse_segment_name(name: str) -> int | None:
    """The first entry's number, or None if this is no journal file's name."""
    stem = name.removesuffix(SEGMENT_SUFFIX)
    if stem == name or len(stem) < SEGMENT_DIGITS or not stem.isascii() or not stem.isdigit():
        return None
    first = int(stem)
    return first if first > 0 and segment_name(first) == name else None


def split_lines(data: bytes, *, where: str) -> tuple[list[bytes], int]:
    """(the whole lines from the start, where they end). What follows is torn.

    Raises:
        StoreDamagedError: a whole line stands after a broken one, so that the broken one was acknowledged.
    """
    lines, at = [], 0
    while (end := data.find(b"\n", at)) >= 0:
        line = data[at:end]
        if not is_whole(line):
            break
        lines.append(line)
        at = end + 1
    if any(is_whole(piece) for piece in data[at:].split(b"\n")[1:]):
        raise StoreDamagedError(f"{where}: a broken line at byte {at} is followed by a whole one")
    return lines, at
