"""The chain of hashes: what proves the entries that an opening did not read, because the index spared it to.

Each entry holds the hash of the line before, so the entry that the index tells of proves all before it. A sum only
says that a line is whole: an entry of another store, put here from the wrong copy, is whole too.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store.backend import TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Entry, decode_line, is_whole
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.state import JournalState

KEPT_BYTES: Final = 8 << 20  # of lines that are at hand for the second look
LOOK: Final = "run 'sheetsync fsck'"
PREV: Final = re.compile(rb'"prev":"([0-9a-f]*)"')


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


def prove(part: TenantBackend, state: JournalState, number: int) -> None:
    """Prove an entry that the index spared us, by the hashes of all lines from it to those that are proved already.

    Behind a broken line, or one that cannot be read, nothing is proved, and sums must do.

    Raises:
        StoreDamagedError: it is another store's, or one after it is.
    """
    if number >= state.proved_from:
        return
    before, first_prev = b"", ""
    try:
        for at, line in part.lines(number, state.proved_from - 1):
            prev = _prev(line)
            if before and prev != hash_bytes(before) and is_whole(before) and is_whole(line):
                raise StoreDamagedError(f"journal: entry {at} does not follow on entry {at - 1}", hint=LOOK)
            before, first_prev = line, first_prev if at > number else prev
    except OSError as exc:
        if exc.errno not in UNREADABLE:
            raise
    else:
        if before and hash_bytes(before) != state.proved_prev and is_whole(before):
            told = state.proved_from
            raise StoreDamagedError(f"journal: entry {told} does not follow on entry {told - 1}", hint=LOOK)
    state.proved_from, state.proved_prev = number, first_prev


def _prev(line: bytes) -> str:
    """The hash that a line holds of the one before; found without decoding, for quotes in texts are escaped."""
    found = PREV.search(line)
    return found[1].decode() if found else ""


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
        yield number, decode_line(line) if number not in strangers and is_whole(line) else None, len(line)


def _strangers(part: TenantBackend, state: JournalState, first: int) -> tuple[list[tuple[int, bytes]], set[int]]:
    """The first lines, and the entries that the chain does not prove, from the one that the index tells of backwards.

    Once one is another store's, nothing proves what is before it. Behind a broken line nothing is proved either, but
    then it is this journal that was damaged: sums must do.
    """
    links: list[tuple[int, int, str, str] | None] = []
    kept: list[tuple[int, bytes]] = []
    size = 0
    for number, line in part.lines(first, state.spared):
        entry = decode_line(line, contents=False) if is_whole(line) else None
        links.append(None if entry is None else (number, entry.number, entry.line_hash, entry.prev))
        size += len(line)
        if size <= KEPT_BYTES:
            kept.append((number, line))
    wanted: str | None = state.spared_hash
    strangers: set[int] = set()
    for link in reversed(links):
        if link is None:
            wanted = None
            continue
        number, told, line_hash, prev = link
        if strangers or told != number or wanted not in (None, line_hash):
            strangers.add(number)
        wanted = prev
    return kept, strangers
