"""Compaction: on a bucket, old entries gathered in packs, so that opening and looking back ask for fewer objects.

What a pack is called, and what compaction did. How a pack is proved, read and written is `packs.py`. On local disk the
journal's files are large already; there compaction is a checkpoint and an index.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from sheetsync.domain.canonical import JSONValue

PACK_ENTRIES: Final = 1024
PACKS: Final = "packs"


@dataclass(frozen=True, slots=True)
class CompactReport:
    """What compaction did.

    Attributes:
        commit: the newest commit that it covers.
        packs_written: packs that were missing or wrong.
        proved: entries that have a pack which is proved.
    """

    commit: int
    packs_written: int
    proved: int

    def to_json(self) -> dict[str, JSONValue]:
        """As `store compact --json` prints it."""
        return {"ok": True, "commit": self.commit, "packs_written": self.packs_written, "proved": self.proved}


def pack_name(first: int, last: int) -> str:
    """The name of a pack in the work folder."""
    return f"{PACKS}/{first:010d}-{last:010d}.jsonl"


def parse_pack_name(name: str) -> int | None:
    """The first entry of the pack that is called so in the work folder, None if none is."""
    first = name.removeprefix(f"{PACKS}/").partition("-")[0]
    number = int(first) if first.isascii() and first.isdigit() else 0
    is_start = number > 0 and (number - 1) % PACK_ENTRIES == 0
    return number if is_start and name == pack_name(number, number + PACK_ENTRIES - 1) else None


def pack_ranges(upto: int) -> Iterator[tuple[int, int]]:
    """The runs of entries that are packed once `upto` entries are there: whole packs only."""
    for first in range(1, upto - PACK_ENTRIES + 2, PACK_ENTRIES):
        yield first, first + PACK_ENTRIES - 1
