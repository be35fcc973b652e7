"""Packs: on a bucket, the lines of a run of entries once more in one object, so that reading many takes few requests.

A pack is derived, and may be deleted at any time. Nobody believes one unproved: its lines must follow on each other
(each holds the hash of the line before), and the last of them must be, byte for byte, the entry's own object. Then that
one object proves all of them. A pack that is not so is as good as none, and `store compact` writes it anew.

The entries' own objects stay: one that were removed could be created again by a writer who slept since.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final

from sheetsync.errors import StoreDamagedError, TryLaterError
from sheetsync.store import compaction
from sheetsync.store.backend import JOURNAL, WORK
from sheetsync.store.compaction import pack_name
from sheetsync.store.entry import FIRST_PREV, decode_line, is_whole
from sheetsync.store.object_port import Objects, read_if_allowed
from sheetsync.store.segments import segment_name

PACK_BYTES: Final = 64 << 20  # a run that is larger is not packed: a pack is read, and held, as a whole
KEPT_BYTES: Final = 32 << 20  # of packs at hand; the one that was used last is kept, however large
WORTH: Final = 8  # entries of one run that somebody asks for: their pack costs two requests


def entry_key(folder: str, number: int) -> str:
    """The key of an entry's own object."""
    return f"{folder}/{JOURNAL}/{segment_name(number)}"


def is_chain(lines: Sequence[bytes], first: int) -> bool:
    """Are these the whole lines of entries that follow on each other, the first of which has this number?"""
    prev = FIRST_PREV if first == 1 else None
    for number, line in enumerate(lines, first):
        if not is_whole(line):
            return False
        try:
            entry = decode_line(line, contents=False)
        except (StoreDamagedError, RecursionError):  # its sum holds, but it was made by somebody else
            return False
        if entry.number != number or prev not in (None, entry.prev):
            return False
        prev = entry.line_hash
    return True


class Packs:
    """One tenant's packs: found, proved, kept at hand, and written."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects, self._folder, self.size = objects, folder, compaction.PACK_ENTRIES
        self._kept: dict[int, list[bytes]] = {}  # by first entry; the one that was used last is at the end
        self._without: set[int] = set()  # runs that have no pack, or a wrong one
        self._asked: Counter[int] = Counter()

    def forget(self) -> None:
        """Look at everything anew."""
        self._kept.clear()
        self._without.clear()
        self._asked.clear()

    def is_start(self, number: int) -> bool:
        """Does a run begin with this entry?"""
        return (number - 1) % self.size == 0

    def line(self, number: int, *, last: int, newest: int, worth: int | None = None) -> bytes | None:
        """The line of an entry, if a pack has it and is worth reading; None: read the entry's own object.

        Args:
            number: the entry's.
            last: entries up to this one are asked for next.
            newest: entries up to this one are there.
            worth: a pack is read for so many of its entries; default `WORTH`.
        """
        first = number - (number - 1) % self.size
        end = first + self.size - 1
        if end > newest or first in self._without:
            return None
        if first not in self._kept:
            self._asked[first] += 1
            if max(self._asked[first], min(last, end) - number + 1) < (worth or WORTH):
                return None
        lines = self.proved(first)
        if lines is None:
            self._without.add(first)
            return None
        return lines[number - first]

    def proved(self, first: int) -> list[bytes] | None:
        """The lines of the run that begins with this entry, from its pack, if that is there and right."""
        if first in self._kept:
            lines = self._kept[first] = self._kept.pop(first)
            return lines
        data = read_if_allowed(self._objects, self._key(first))
        lines = (data or b"").split(b"\n")
        if data is None or lines.pop() or len(lines) != self.size or not is_chain(lines, first):
            return None
        if read_if_allowed(self._objects, entry_key(self._folder, first + self.size - 1)) != lines[-1] + b"\n":
            return None
        self._keep(first, lines)
        return lines

    def write(self, first: int, lines: list[bytes]) -> None:
        """Write the pack of a run, and prove it by reading it back.

        Raises:
            StoreDamagedError: these are no entries that follow on each other, or the bucket gives back other bytes.
            AuthError: it may be written, and not be read.
        """
        last = first + self.size - 1
        if not is_chain(lines, first):
            raise StoreDamagedError(f"journal: entries {first} to {last} do not follow on each other")
        data = b"".join(line + b"\n" for line in lines)
        self._objects.put(self._key(first), data)
        if self.proved(first) is None:
            if self._objects.get(self._key(first)) == data:  # we may be refused it, or were a moment ago
                raise TryLaterError(f"the pack of entries {first} to {last} could not be proved", hint="try again")
            raise StoreDamagedError(f"the pack of entries {first} to {last} is not what was written")
        self._without.discard(first)

    def _key(self, first: int) -> str:
        return f"{self._folder}/{WORK}/{pack_name(first, first + self.size - 1)}"

    def _keep(self, first: int, lines: list[bytes]) -> None:
        self._kept[first] = lines
        total = sum(len(line) for kept in self._kept.values() for line in kept)
        for oldest in list(self._kept)[:-1]:
            if total <= KEPT_BYTES:
                break
            total -= sum(map(len, self._kept.pop(oldest)))
            del self._asked[oldest]
