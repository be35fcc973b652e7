"""The chain of hashes: what proves entries that are read again, or for the first time where an index spared it.

Each entry holds the hash of the line before, and of each journal file's last line the hash is known (`anchors` of the
state): so each file is proved by itself. A sum only says that a line is whole: an entry of another store, put here from
the wrong copy, is whole too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from sheetsync.errors import StoreDamagedError
from sheetsync.store.backend import TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Entry, decode_line, is_whole
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.state import JournalState

KEPT_BYTES: Final = 8 << 20  # of lines that are at hand for the second look
LOOK: Final = "run 'sheetsync fsck'"
FORM: Final = re.compile(  # the beginning of a line as we write it; texts may hold escaped quotes
    rb'\{"sum":"[0-9a-f]{64}","n":(\d{1,10}),"id":"[0-9a-f]*","at":"[^"\\]*",'
    rb'"who":"(?:[^"\\]++|\\.)*+","why":"(?:[^"\\]++|\\.)*+","prev":"([0-9a-f]*)"'
)


class Link(NamedTuple):
    """What a line is in the chain: the entry's number, the line's hash, and that of the line before."""

    number: int
    hash: str
    prev: str


def check_follows(before: Entry | None, entry: Entry) -> None:
    """Refuse an entry that does not follow on the one that was read just before it, if that has the number before.

    Raises:
        StoreDamagedError: one of the two is another store's.
    """
    if before is not None and before.number == entry.number - 1 and before.line_hash != entry.prev:
        raise StoreDamagedError(f"journal: entry {entry.number} does not follow on entry {before.number}", hint=LOOK)


def check_known(entry: Entry, state: JournalState) -> None:
    """Refuse an entry that has another hash than the one which the index, or this process, knows of its number.

    Raises:
        StoreDamagedError: it is another one.
    """
    if state.known_hash(entry.number) not in (None, entry.line_hash):
        raise StoreDamagedError(f"journal: entry {entry.number} is not the one that was read before", hint=LOOK)


def believe(part: TenantBackend, state: JournalState, entry: Entry) -> None:
    """Take the next entry into the state, and remember what proves the journal file before it.

    Raises:
        StoreDamagedError: it does not follow.
    """
    state.believe(entry)
    if part.first_of(entry.number) == entry.number:
        state.anchor(entry.number, entry.prev)


def link_of(line: bytes, number: int) -> Link | None:
    """What a line is in the chain, if it is whole and has this number."""
    if not is_whole(line):
        return None
    told = FORM.match(line)
    if told is not None:
        link = Link(int(told[1]), hash_bytes(line), told[2].decode())
    else:  # not as we write it
        try:
            entry = decode_line(line, contents=False)
        except StoreDamagedError:
            return None
        link = Link(entry.number, entry.line_hash, entry.prev)
    return link if link.number == number else None


def prove(part: TenantBackend, state: JournalState, number: int) -> None:
    """Prove an entry that the index spared us, by the lines behind it in its journal file (in a bucket, in its run).

    Each file is read once, and the hash that its last line must have is known. Behind a line that is broken nothing is
    proved, and sums must do, as in a file that cannot be read; one that lacks lines may be another store's, and is
    refused.

    Raises:
        StoreDamagedError: it is another store's, or one behind it is, or its file lacks lines.
    """
    if number > state.spared:
        return
    start, last, wanted = state.stretch(number)
    if number > state.strangers.get(start, last):
        return
    try:
        links = [link_of(line, at) if line else None for at, line in part.surviving(start, last)]
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
        return
    stranger = state.strangers[start] = newest_stranger(links, last, wanted)
    if number <= stranger:  # asked anew each time: it may have been repaired since
        raise StoreDamagedError(f"journal: entry {stranger + 1} does not follow on entry {stranger}", hint=LOOK)


def newest_stranger(links: list[Link | None], last: int, wanted: str) -> int:
    """The newest entry of another store, 0 if there is none; what is before it is not proved by anything.

    Args:
        links: lines that follow on each other; None where one is broken, or out of its place.
        last: the number of the last one.
        wanted: the hash that it must have.
    """
    known: str | None = wanted
    for number, link in zip(range(last, 0, -1), reversed(links), strict=False):
        if link is not None and known not in (None, link.hash):
            return number
        known = None if link is None else link.prev
    return 0


def damaged_line() -> StoreDamagedError:
    """The error of a line that nothing is believed of."""
    return StoreDamagedError("journal: a line of it is damaged", hint="run 'sheetsync fsck --repair'")


def proved_entry(line: bytes) -> Entry:
    """The entry of a line whose sum holds.

    Raises:
        StoreDamagedError: it does not hold.
    """
    if not is_whole(line):
        raise damaged_line()
    return decode_line(line)


def proved_entries(part: TenantBackend, state: JournalState, first: int) -> Iterator[tuple[int, Entry | None, int]]:
    """Entries from `first` to the newest, and the sizes of their lines; None where one is broken or another store's.

    None is a lost or archived object, too, and all of a file that cannot be read.
    """
    while first <= state.number:
        _, last, wanted = state.stretch(first)
        links: list[Link | None] = []
        kept: list[tuple[int, bytes | None]] = []
        size = 0
        try:
            for number, line in part.surviving(first, last):
                links.append(link_of(line, number) if line else None)
                size += len(line or b"")
                if size <= KEPT_BYTES:
                    kept.append((number, line))
        except (StoreDamagedError, OSError) as exc:  # another store's may lack lines: nothing of it is believed
            if isinstance(exc, OSError) and exc.errno not in UNREADABLE:
                raise
            yield from ((number, None, 0) for number in range(first, last + 1))
            first = last + 1
            continue
        stranger = newest_stranger(links, last, wanted)
        rest = part.surviving(first + len(kept), last)
        for (number, line), link in zip(itertools.chain(kept, rest), links, strict=True):
            entry = None if line is None or link is None or number <= stranger else decode_line(line)
            yield number, entry, len(line or b"")
        first = last + 1
