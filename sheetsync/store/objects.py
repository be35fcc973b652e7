"""Buckets and memory: every entry is one object, and the commit is create-if-absent of the next numbered one.

Two hosts are safe without a lock server, as in Delta Lake. Objects come from a small port; `buckets.py` puts obstore
behind it, and `MemoryObjects` a dict.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, nullcontext
from typing import Final, Protocol

from sheetsync.errors import DefectError, SheetSyncError, StoreDamagedError, UnknownOutcomeError
from sheetsync.store.backend import JOURNAL, WORK, HeldLock, Holder, Traits
from sheetsync.store.compaction import PACK_ENTRIES, pack_name, pack_ranges
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import BODY_AT, is_whole
from sheetsync.store.segments import parse_segment_name, segment_name

FORMAT_KEY: Final = "FORMAT"
ATTEMPTS: Final = 8


class Objects(Protocol):
    """A strongly consistent bucket. Keys are `/`-separated."""

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent.

        Raises:
            FileExistsError: there is such an object.
            TimeoutError: no answer; it may have been made, or may be made later.
        """

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""

    def get(self, key: str) -> bytes | None:
        """The bytes, None if there is no such object."""

    def list(self, prefix: str) -> Iterator[str]:
        """All keys that start with `prefix`, in order."""

    def close(self) -> None:
        """Give back what is open."""


class MemoryObjects:
    """Objects in a dict, for tests and for `memory://`."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent."""
        with self._mutex:
            if key in self._objects:
                raise FileExistsError(key)
            self._objects[key] = bytes(data)

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""
        with self._mutex:
            self._objects[key] = bytes(data)

    def get(self, key: str) -> bytes | None:
        """The bytes."""
        return self._objects.get(key)

    def list(self, prefix: str) -> Iterator[str]:
        """Keys in order."""
        with self._mutex:
            keys = sorted(key for key in self._objects if key.startswith(prefix))
        yield from keys

    def close(self) -> None:
        """Nothing is open."""


class ObjectBackend:
    """A store in a bucket."""

    def __init__(self, objects: Objects, url: str, *, cheap: bool = False) -> None:
        self.url = url
        self.traits = Traits(cheap_refresh=cheap, lasting_leases=False)
        self._objects = objects

    def read_format(self) -> bytes | None:
        """The FORMAT object."""
        return self._objects.get(FORMAT_KEY)

    def create_format(self, data: bytes) -> None:
        """Make it, unless another host did."""
        put_surely(self._objects, FORMAT_KEY, data)

    def tenants(self) -> list[str]:
        """Prefixes whose journal holds an entry's name; hidden ones are none of ours."""
        parts = (key.split("/") for key in self._objects.list("") if not key.startswith("."))
        return sorted({p[0] for p in parts if len(p) == 3 and p[1] == JOURNAL and parse_segment_name(p[2]) is not None})

    def names(self) -> list[str]:
        """First parts of all keys."""
        return sorted({key.split("/")[0] for key in self._objects.list("")})

    def folders(self) -> list[str]:
        """First parts of keys."""
        return sorted({key.split("/")[0] for key in self._objects.list("") if "/" in key and not key.startswith(".")})

    def strangers(self) -> list[tuple[str, str]]:
        """Objects of the top level."""
        return [(key, "file") for key in self._objects.list("") if "/" not in key and key != FORMAT_KEY]

    def open_tenant(self, folder: str) -> ObjectTenant:
        """One tenant's part."""
        return ObjectTenant(self._objects, folder)

    def close(self) -> None:
        """Give back connections."""
        self._objects.close()


class ObjectTenant:
    """One tenant in a bucket."""

    def __init__(self, objects: Objects, folder: str) -> None:
        self._objects, self._folder = objects, folder
        self._number = 0

    def prepare(self) -> bool:
        """A bucket has no folders to make."""
        return True

    def exclusive(self) -> AbstractContextManager[None]:
        """Nothing: create-if-absent decides."""
        return nullcontext()

    def _key(self, number: int) -> str:
        return f"{self._folder}/{JOURNAL}/{segment_name(number)}"

    def _line(self, number: int) -> bytes | None:
        data = self._objects.get(self._key(number))
        if data is None:
            return None
        line = data[:-1]
        if data[-1:] != b"\n" or not is_whole(line):
            raise StoreDamagedError(f"journal: {segment_name(number)} is broken")
        return line

    def new_lines(self) -> list[bytes]:
        """Entries behind the position, until there is none."""
        fresh: list[bytes] = []
        while True:
            number = self._number + len(fresh) + 1
            if packed := self._packed(number):
                fresh += packed
            elif (line := self._line(number)) is not None:
                fresh.append(line)
            else:
                break
        if not fresh and self._number == 0:
            self._check_gap()
        self._number += len(fresh)
        return fresh

    def _packed(self, first: int) -> list[bytes]:
        """The lines of the pack that begins with this entry; none if there is no such pack, or a line is not whole."""
        if (first - 1) % PACK_ENTRIES:
            return []
        data = self._objects.get(f"{self._folder}/{WORK}/{pack_name(first, first + PACK_ENTRIES - 1)}")
        lines = (data or b"").split(b"\n")[:-1]
        return lines if len(lines) == PACK_ENTRIES and all(map(is_whole, lines)) else []

    def pack(self, upto: int) -> tuple[int, int]:
        """Write the packs that are missing, and prove every pack against the entries' own objects."""
        written = proved = 0
        for first, last in pack_ranges(upto):
            lines = b"".join(line + b"\n" for _, line in self.lines(first, last))
            key = f"{self._folder}/{WORK}/{pack_name(first, last)}"
            if self._objects.get(key) is None:
                put_surely(self._objects, key, lines)
                written += 1
            if self._objects.get(key) != lines:
                raise StoreDamagedError(f"the pack {pack_name(first, last)} is not what its entries are")
            proved += PACK_ENTRIES
        return written, proved

    def _check_gap(self) -> None:
        prefix = f"{self._folder}/{JOURNAL}/"
        later = [key for key in self._objects.list(prefix) if parse_segment_name(key[len(prefix) :]) is not None]
        if later and self._objects.get(self._key(1)) is None:  # asked last: another host may write its first just now
            raise StoreDamagedError("journal: entry 1 is missing, but later ones are there")

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Go on after `number`."""
        if number == 0:
            self._number = 0
            return True
        if place != [number] or not (self._objects.get(self._key(number)) or b"").startswith(mark):
            return False
        self._number = number
        return True

    def mark(self) -> bytes:
        """The beginning of the last entry, with its checksum."""
        return (self._line(self._number) or b"")[:BODY_AT] if self._number else b""

    def place(self) -> list[int]:
        """The number is the place."""
        return [self._number]

    def add(self, number: int, line: bytes) -> bool:
        """Create the object of the next entry. An attempt is over only when something stands at this number."""
        if number != self._number + 1:
            return False
        ours = put_surely(self._objects, self._key(number), line + b"\n")
        if ours:
            self._number = number
        return ours

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """Lines of known entries."""
        for number in range(first, last + 1):
            line = self._line(number)
            if line is None:
                raise StoreDamagedError(f"journal: entry {number} is missing")
            yield number, line

    def torn_bytes(self) -> bytes:
        """Objects are whole or absent."""
        return b""

    def cut_torn(self) -> None:
        """Nothing is ever torn."""

    def replace_journal(self, name: str, data: bytes) -> None:
        """Replace a damaged entry's object, keeping its bytes aside."""
        key = f"{self._folder}/{JOURNAL}/{name}"
        put_surely(self._objects, f"{self._folder}/{WORK}/aside/damaged-{name}", self._objects.get(key) or b"")
        self._objects.put(key, data)

    def keep_aside(self, name: str, data: bytes) -> None:
        """A copy in the work folder, under a name that tells its bytes."""
        put_surely(self._objects, f"{self._folder}/{WORK}/aside/{name}.{hash_bytes(data)[:16]}", data)

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:  # noqa: ARG002
        """Create the object; with `verify` replace content that differs, keeping it aside."""
        key = f"{self._folder}/{path}"
        there = self._objects.get(key) if verify else None
        if there == data:
            return False
        if there is not None:
            put_surely(self._objects, f"{self._folder}/{WORK}/aside/{path.replace('/', '%2f')}", there)
            self._objects.put(key, data)
            return True
        put_surely(self._objects, key, data)
        return True

    def read(self, path: str) -> bytes | None:
        """An object's bytes."""
        return self._objects.get(f"{self._folder}/{path}")

    def walk(self, below: str = "") -> Iterator[tuple[str, str]]:
        """All objects but those of the work folder."""
        prefix = f"{self._folder}/"
        for key in self._objects.list(prefix + (f"{below}/" if below else "")):
            path = key[len(prefix) :]
            if not path.startswith(f"{WORK}/"):
                yield path, "file"

    def read_work(self, name: str) -> bytes | None:
        """An object of the work folder."""
        return self.read(f"{WORK}/{name}")

    def write_work(self, name: str, data: bytes, *, durable: bool) -> None:  # noqa: ARG002 (every put is durable)
        """Replace an object of the work folder."""
        self._objects.put(f"{self._folder}/{WORK}/{name}", data)

    def write_derived(self, path: str, data: bytes) -> None:
        """Replace a derived object."""
        self._objects.put(f"{self._folder}/{path}", data)

    def make_durable(self, paths: Iterable[str]) -> None:
        """Every put is durable."""

    def sweep(self) -> int:
        """There are no temporary objects."""
        return 0

    def lock(self, name: str, holder: Holder) -> HeldLock:  # noqa: ARG002 (refused)
        """A bucket has no lock that dies with its holder."""
        raise DefectError("a bucket has no locks; leases are journal entries there")

    def held(self) -> list[tuple[str, Holder]]:
        """None: see the journal."""
        return []

    def break_lock(self, name: str) -> Holder | None:  # noqa: ARG002 (there is none)
        """None: see the journal."""
        return None


def put_surely(objects: Objects, key: str, data: bytes) -> bool:
    """Create if absent, through time-outs: True if what stands there is ours.

    After a time-out the object may be there, ours or another's, or may still come: only what stands there counts, and
    not even a refusal of a later attempt says that the first one did nothing.
    """
    doubt: Exception | None = None
    for _ in range(ATTEMPTS):
        try:
            objects.put_new(key, data)
        except FileExistsError:
            return _is_ours(objects, key, data)
        except TimeoutError as exc:
            doubt = exc
        except SheetSyncError as exc:
            if doubt is None:
                raise
            doubt = exc
            break
        else:
            return True
    raise _unknown(key) from doubt


def _is_ours(objects: Objects, key: str, data: bytes) -> bool:
    """Is what stands there ours? A first attempt, which the client repeated by itself, may have made it."""
    try:
        return objects.get(key) == data
    except SheetSyncError as exc:
        raise _unknown(key) from exc


def _unknown(key: str) -> UnknownOutcomeError:
    return UnknownOutcomeError(
        f"no answer from the bucket about '{key}'; it may or may not have been written",
        hint="open the store again and look",
    )
