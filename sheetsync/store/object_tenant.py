"""A tenant in a bucket: every entry is one object, and the commit is create-if-absent of the next numbered one.

Two hosts are safe without a lock server, as in Delta Lake. Objects come from a small port (`object_port.py`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Final

from sheetsync.errors import (
    AuthError,
    DefectError,
    DestinationError,
    SheetSyncError,
    StoreDamagedError,
    TryLaterError,
    UnknownOutcomeError,
)
from sheetsync.store.backend import BATCH_BYTES, FORMAT_FILE, JOURNAL, WORK, HeldLock, Holder
from sheetsync.store.compaction import pack_ranges
from sheetsync.store.creation import PACE, Pace, put_surely
from sheetsync.store.entry import BODY_AT, is_whole
from sheetsync.store.names import SNAPSHOT_TAIL, check_new_key
from sheetsync.store.object_port import Objects, read_if_allowed, read_one
from sheetsync.store.packs import PACK_BYTES, Packs, entry_key
from sheetsync.store.places import aside_name
from sheetsync.store.segments import parse_segment_name, segment_name

FRESH_BYTES: Final = 8 << 20  # of lines that are held because recovery reads them once more
KEY_BYTES: Final = 1024  # of an object, as S3, Google and Azure have it
LIST_AGAIN_S: Final = 60.0  # entries that came and went meanwhile would not be missed
MOST_ASIDE: Final = 10_000  # of one name


class ObjectTenant:
    """One tenant in a bucket."""

    def __init__(self, objects: Objects, folder: str, *, above: int = 0, pace: Pace = PACE) -> None:
        self._objects, self._folder, self._above, self._pace = objects, folder, above, pace
        self._packs = Packs(objects, folder)
        self._number, self._mark = 0, b""  # of the last entry that was believed, and the beginning of its line
        self.wrote = False
        self._listed_s: float | None = None  # when the keys behind the position were known to have no gap
        self._fresh: dict[int, bytes] = {}  # what the last look brought: recovery reads it again at once

    def prepare(self) -> bool:
        """A bucket has no folders to make."""
        return True

    def close(self) -> None:
        """Nothing is open."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Nothing: create-if-absent decides."""
        return nullcontext()

    def check_room(self, keys: Iterable[str]) -> None:
        """The bucket's key has the store's folder in it too."""
        room = KEY_BYTES - self._above - len(self._folder) - 2 - SNAPSHOT_TAIL
        for key in keys:
            check_new_key(key, room)

    def _line(self, number: int) -> bytes | None:
        data = self._objects.get(entry_key(self._folder, number))
        if data is None:
            return None
        line = data[:-1]
        if data[-1:] != b"\n" or not is_whole(line):
            raise StoreDamagedError(f"journal: {segment_name(number)} is broken")
        return line

    def new_lines(self) -> list[bytes]:
        """Entries behind the position, until there is none.

        The last one that was believed must be there still: else the bucket was put back to an older state, or emptied.
        The first time, and once a minute, the keys behind the position are listed, and every entry up to the newest
        must be there: each is made only upon the one before, and asked for after the list was. One that is missing in
        their midst was lost.
        Keys that cannot be asked for count as none: a client lists an object `…/` as one without the slash.
        """
        self._prove_last()
        now_s, listed_s = self._pace.monotonic(), self._listed_s
        self._listed_s = None  # until all of this look went well
        if listed_s is not None and now_s - listed_s >= LIST_AGAIN_S:
            listed_s = None
        newest = self._newest() if listed_s is None else None
        fresh: list[bytes] = []
        size = 0
        while newest is None or self._number + len(fresh) < newest:
            number = self._number + len(fresh) + 1
            found = self._next(number, newest)
            if not found and (newest is None or not self._is_any_there(number)):
                break
            if not found:
                message = f"journal: entry {number} is missing, but later ones, up to entry {newest}, are there"
                raise StoreDamagedError(message)
            fresh += found
            size += sum(map(len, found))
            if size >= BATCH_BYTES:
                break
        if newest is None or self._number + len(fresh) >= newest:
            self._listed_s = now_s if listed_s is None else listed_s
        small = size <= FRESH_BYTES
        self._fresh = dict(enumerate(fresh, self._number + 1)) if small else {}
        self._number += len(fresh)
        if fresh:
            self._mark = fresh[-1][:BODY_AT]
        return fresh

    def _prove_last(self) -> None:
        """The last entry that was believed, as the bucket has it now."""
        if self._number and self._objects.begin(entry_key(self._folder, self._number), BODY_AT) != self._mark:
            raise StoreDamagedError(
                f"journal: entry {self._number} is not there any more as it was read: the store was replaced",
                hint="open the store again",
            )

    def _newest(self) -> int:
        """The highest number behind the position that has a key; the position if there is none."""
        return max(self._numbers_behind(self._number), default=self._number)

    def _is_any_there(self, number: int) -> bool:
        """Is there an entry behind this number, and not its key alone?"""
        keys = (entry_key(self._folder, later) for later in self._numbers_behind(number))
        return any(self._objects.get(key) is not None for key in keys)

    def _numbers_behind(self, number: int) -> Iterator[int]:
        """The numbers behind this one that have a key."""
        prefix = f"{self._folder}/{JOURNAL}/"
        for key in self._objects.list(prefix, entry_key(self._folder, number)):
            later = parse_segment_name(key[len(prefix) :])
            if later is not None:
                yield later

    def _next(self, number: int, newest: int | None) -> list[bytes]:
        """The line of this entry, or all of the pack that begins with it; none if it is not there."""
        if newest is not None and self._packs.is_start(number) and newest >= number + self._packs.size - 1:
            return self._packs.proved(number) or self._own(number)
        line = self._own(number)
        if line and newest is None and self._packs.is_start(number):  # we may be far behind
            return self._packs.proved(number) or line
        return line

    def _own(self, number: int) -> list[bytes]:
        line = self._line(number)
        return [] if line is None else [line]

    def pack(self, upto: int) -> tuple[int, int]:
        """Write the packs that are missing or wrong, from the entries' own objects; those that are right are proved."""
        self._packs.forget()  # one that was proved may have been deleted or damaged since
        written = proved = 0
        for first, _ in pack_ranges(upto):
            if self._packs.proved(first) is None:
                lines = self._gather(first)
                if not lines:
                    continue
                self._packs.write(first, lines)
                written += 1
            proved += self._packs.size
        return written, proved

    def _gather(self, first: int) -> list[bytes]:
        """The lines of a run from the entries' own objects; none if they are too large for a pack."""
        lines: list[bytes] = []
        size_bytes = 0
        for number in range(first, first + self._packs.size):
            line = self._line(number)
            if line is None:
                raise StoreDamagedError(f"journal: entry {number} is missing")
            size_bytes += len(line)
            if size_bytes > PACK_BYTES:
                return []
            lines.append(line)
        return lines

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Go on after `number`."""
        if number == 0:
            self._packs.forget()
            self._fresh, mark = {}, b""
        elif place != [number] or len(mark) != BODY_AT or not self._begins_with(number, mark):
            return False
        self._number, self._mark, self._listed_s = number, mark, None
        return True

    def _begins_with(self, number: int, mark: bytes) -> bool:
        """An entry that cannot be read is no place to go on from: reading the journal then says so."""
        return (read_if_allowed(self._objects, entry_key(self._folder, number)) or b"").startswith(mark)

    def mark(self) -> bytes:
        """The beginning of the last entry, with its checksum."""
        return self._mark

    def place(self) -> list[int]:
        """The number is the place."""
        return [self._number]

    def add(self, number: int, line: bytes) -> bool:
        """Create the object of the next entry. An attempt is over only when something stands at this number."""
        self.wrote = False
        if number != self._number + 1:
            return False
        self.wrote = True
        try:
            ours = put_surely(self._objects, entry_key(self._folder, number), line + b"\n", self._pace)
        except SheetSyncError as exc:  # refused at once, or a signal handler's
            self.wrote = isinstance(exc, UnknownOutcomeError) or self._may_hold(number, line, exc)
            raise
        self.wrote = ours
        if ours:
            self._number, self._mark = number, line[:BODY_AT]
        return ours

    def _may_hold(self, number: int, line: bytes, refusal: SheetSyncError) -> bool:
        """Does the bucket have the line? True also where it does not answer, but for who has no rights at all."""
        try:
            return self._objects.get(entry_key(self._folder, number)) == line + b"\n"
        except AuthError:  # a token that ran out
            return not isinstance(refusal, AuthError)
        except (OSError, SheetSyncError):
            return True

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries, from proved packs where that takes fewer requests."""
        for number in range(first, last + 1):
            yield number, self._known_line(number, last)

    def _known_line(self, number: int, last: int) -> bytes:
        line = self._fresh.get(number) or self._packs.line(number, last=last, newest=self._number)
        return line or self._own_or_packed(number)

    def surviving(self, first: int, last: int) -> Iterator[tuple[int, bytes | None]]:
        """Lines of known entries; None for one that is lost, broken or archived."""
        for number in range(first, last + 1):
            line: bytes | None = None
            try:
                line = self._known_line(number, last)
            except AuthError:
                self._objects.get(FORMAT_FILE)  # else all of it is refused, and nothing is known of this one
            except StoreDamagedError:
                pass
            yield number, line

    def first_of(self, number: int) -> int:
        """The first entry of its pack, be there one or not."""
        return number - (number - 1) % self._packs.size

    def _own_or_packed(self, number: int) -> bytes:
        """The line from the entry's own object; where that is lost, from a pack, worth it or not."""
        why = f"journal: entry {number} is missing"
        try:
            line = self._line(number)
        except StoreDamagedError as exc:
            line, why = None, exc.message
        line = line or self._packs.line(number, last=number, newest=self._number, worth=1)
        if line is None:
            raise StoreDamagedError(why)
        return line

    def torn_bytes(self) -> bytes:
        """Objects are whole or absent."""
        return b""

    def cut_torn(self, torn: bytes) -> None:
        """Nothing is ever torn."""

    def replace_journal(self, name: str, data: bytes, *, damaged: bytes | None) -> None:
        """Replace a damaged entry's object, keeping its bytes aside; or make it, where it was gone."""
        key = f"{self._folder}/{JOURNAL}/{name}"
        if damaged is None:
            done = put_surely(self._objects, key, data, self._pace)
        else:
            self.keep_aside(f"damaged-{name}", damaged)
            done = self._objects.replace(key, damaged, data)
        if not done:
            raise TryLaterError(f"{name} was changed by somebody else meanwhile: it was left alone", hint="look again")

    def keep_aside(self, name: str, data: bytes) -> None:
        """A copy in the work folder, under the first number that is free, or that has these very bytes."""
        for serial in range(MOST_ASIDE):
            key = f"{self._folder}/{WORK}/aside/{name}.{serial}"
            with suppress(PermissionError):  # an earlier copy that was archived: its number is taken
                there = read_one(self._objects, key)
                if there == data or (there is None and put_surely(self._objects, key, data, self._pace)):
                    return
        raise DestinationError(f"{MOST_ASIDE} objects called '{name}' are kept aside", hint="move some elsewhere")

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:  # noqa: ARG002
        """Create the object; with `verify` replace content that differs, keeping it aside.

        False without `verify`: other bytes stand there, and were left alone.
        """
        key = f"{self._folder}/{path}"
        try:
            there = read_one(self._objects, key) if verify else None
        except PermissionError:
            if key in self._objects.list(key):  # it could not be kept aside, and the journal has its content
                return False
            there = None
        if there is None:
            if put_surely(self._objects, key, data, self._pace):
                return True
            if not verify:
                return False
            there = self._objects.get(key) or b""
        if there == data:
            return False
        self.keep_aside(aside_name(path), there)
        self._objects.put(key, data)
        return True

    def read(self, path: str) -> bytes | None:
        """An object's bytes. PermissionError: it is refused by itself."""
        return read_one(self._objects, f"{self._folder}/{path}")

    def walk(self, below: str = "", *, whole: bool = False) -> Iterator[tuple[str, str]]:  # noqa: ARG002 (it always is)
        """All objects but those of the work folder, or those of one folder."""
        prefix = f"{self._folder}/"
        for key in self._objects.list(prefix + (f"{below}/" if below else "")):
            path = key[len(prefix) :]
            if below or not path.startswith(f"{WORK}/"):
                yield path, "file"

    def read_work(self, name: str) -> bytes | None:
        """An object of the work folder; all of them can be done without."""
        return read_if_allowed(self._objects, f"{self._folder}/{WORK}/{name}")

    def work_stamp(self, name: str) -> tuple[int, ...] | None:  # noqa: ARG002 (nothing is free)
        """A request each time would be too dear: a checkpoint is looked at when one is made."""
        return None

    def write_work(self, name: str, data: bytes, *, durable: bool) -> None:  # noqa: ARG002 (every put is durable)
        """Replace an object of the work folder."""
        self._objects.put(f"{self._folder}/{WORK}/{name}", data)

    def write_derived(self, path: str, data: bytes, *, durable: bool = False) -> None:  # noqa: ARG002 - every put is
        """Replace a derived object."""
        self._objects.put(f"{self._folder}/{path}", data)

    def make_durable(self, paths: Iterable[str]) -> None:
        """Every put is durable."""

    def in_doubt(self) -> bool:
        """No object is."""
        return False

    def names_in_doubt(self) -> bool:
        """Every put is durable, or fails."""
        return False

    def rewrite_snapshot(self, path: str, data: bytes) -> None:
        """Replace the object."""
        self._objects.put(f"{self._folder}/{path}", data)

    def settle_names(self) -> None:
        """There is no doubt."""

    def sweep(self) -> int:
        """There are no temporary objects."""
        return 0

    def lock(self, name: str, holder: Holder) -> HeldLock:  # noqa: ARG002 (refused)
        """A bucket has no lock that dies with its holder."""
        raise DefectError("a bucket has no locks; leases are journal entries there")

    def held(self) -> list[tuple[str, Holder]]:
        """None: see the journal."""
        return []

    def break_lock(self, name: str, is_it: Callable[[Holder], bool]) -> None:
        """There is none: see the journal."""
