"""The chain of hashes: what proves entries that are read again, or for the first time where an index spared it.

Each entry holds the hash of the line before, so the entry that the index tells of proves all before it. A sum only
says that a line is whole: an entry of another store, put here from the wrong copy, is whole too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from sheetsync.errors import AuthError, StoreDamagedError
from sheetsync.store.backend import TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Entry, decode_line, is_whole
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.state import JournalState

KEPT_BYTES: Final = 8 << 20  # of lines that are at hand for the second look
MOST_REQUESTS: Final = 1024  # in a bucket, where each entry costs one
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
    """Refuse an entry that is not the one which the index tells of, or not the newest one that was believed.

    Raises:
        StoreDamagedError: it is another one.
    """
    known = {state.spared: state.spared_hash, state.number: state.line_hash}
    if entry.line_hash != known.get(entry.number, entry.line_hash):
        raise StoreDamagedError(f"journal: entry {entry.number} is not the one that was read before", hint=LOOK)


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
    """Prove an entry that the index spared us, by the hashes of all lines from it to those that are proved already.

    One journal file after the other is read for it, each once. Behind a line that is broken, and in a file that cannot
    be read, nothing is proved, and sums must do; a file that lacks lines may be another store's, and is refused.

    Raises:
        StoreDamagedError: it is another store's, or one after it is, or its file lacks lines.
    """
    while number < state.proved_from:
        last, wanted = state.proved_from - 1, state.proved_prev
        start = part.first_of(last)
        walk = _walk(part, start, last, wanted)
        if walk.stranger:
            if number <= walk.stranger:
                raise _does_not_follow(walk.stranger)
            return
        if walk.missing is not None:
            if number >= start:
                raise walk.missing
            state.holes[start] = (last, wanted)
        state.proved_from, state.proved_prev = start, walk.prev
    for start, (last, wanted) in list(state.holes.items()):
        if start <= number <= last:
            walk = _walk(part, start, last, wanted)  # it may have been repaired since
            if walk.missing is not None or number <= walk.stranger:
                raise walk.missing or _does_not_follow(walk.stranger)
            del state.holes[start]


class Walk(NamedTuple):
    """What was seen of one journal file: the last entry of another store, or 0; lines that it lacks; the first `prev`.

    `prev` is None where the first line is broken or cannot be read.
    """

    stranger: int
    missing: StoreDamagedError | None
    prev: str | None


def _walk(part: TenantBackend, start: int, last: int, wanted: str | None) -> Walk:
    """Entries `start` to `last`; the last one's hash must be `wanted`, if that is known."""
    links: list[Link | None] = []
    missing: StoreDamagedError | None = None
    is_read = False
    try:
        links.extend(link_of(line, number) for number, line in part.lines(start, last))
        is_read = True
    except StoreDamagedError as exc:
        missing = exc
    except AuthError:  # archived
        pass
    except FileNotFoundError:
        missing = StoreDamagedError(f"journal: the file that begins with entry {start} is gone", hint=LOOK)
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
    for number, link in zip(range(last, start - 1, -1), reversed(links), strict=False) if is_read else ():
        if link is not None and wanted not in (None, link.hash):
            return Walk(number, None, None)
        wanted = None if link is None else link.prev
    return Walk(0, missing, links[0].prev if links and links[0] is not None else None)


def _does_not_follow(number: int) -> StoreDamagedError:
    return StoreDamagedError(f"journal: entry {number + 1} does not follow on entry {number}", hint=LOOK)


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
    """Entries from `first` to the newest, and the sizes of their lines; None where one is broken or another store's."""
    kept, strangers = _strangers(part, state, first)
    for number, line in itertools.chain(kept, part.lines(first + len(kept), state.number)):
        yield number, None if number in strangers else decode_line(line), len(line)


def _strangers(part: TenantBackend, state: JournalState, first: int) -> tuple[list[tuple[int, bytes]], set[int]]:
    """The first lines, and the entries that the chain does not prove, from the newest one backwards.

    Once one is another store's, nothing proves what is before it. Behind a broken line, or one out of its place,
    nothing is proved either, but then it is this journal that was damaged: sums must do.
    """
    links: list[tuple[int, Link | None]] = []
    kept: list[tuple[int, bytes]] = []
    size = 0
    for number, line in part.lines(first, state.number):
        links.append((number, link_of(line, number)))
        size += len(line)
        if size <= KEPT_BYTES:
            kept.append((number, line))
    wanted: str | None = state.line_hash
    strangers: set[int] = set()
    is_lost = False
    for number, link in reversed(links):
        if link is None:
            strangers.add(number)
            wanted = None
            continue
        is_lost = is_lost or wanted not in (None, link.hash)
        if is_lost:
            strangers.add(number)
        wanted = link.prev
    return kept, strangers
