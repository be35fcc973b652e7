"""The port between the store and what holds it: a small backend that adds, reads and lists.

The store's code is one; disks, buckets and memory differ only behind this protocol, and in the traits they declare.
Local disk: `local.py`, `local_tenant.py`. Buckets and memory: `objects.py`, `object_tenant.py`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Final, Protocol

FORMAT_FILE: Final = "FORMAT"
FORMAT_NAME: Final = "sheetsync-island"
FORMAT_VERSION: Final = 1
JOURNAL: Final = "journal"
BATCH_BYTES: Final = 16 << 20  # of a journal that is read from its beginning; a line may have more
WORK: Final = ".store"  # beside the record kinds: lock, checkpoint, index, temporary files, bytes kept aside


@dataclass(frozen=True, slots=True)
class Traits:
    """What a backend can do.

    Attributes:
        cheap_refresh: looking for other writers' entries costs microseconds, so that every read may do it.
        lasting_leases: a lease is a lock that dies with its holder; else it is journal entries and a time to live.
        torn_tails: entries are lines appended to files, so that a crash may leave part of one at the end. Else every
            entry is one object that is whole or absent: whatever else stands in the journal is damage.
    """

    cheap_refresh: bool
    lasting_leases: bool
    torn_tails: bool = False


@dataclass(frozen=True, slots=True)
class Holder:
    """Who holds a lock."""

    who: str
    host: str
    pid: int
    since: float  # seconds since 1970


class HeldLock(Protocol):
    """A lock that this process holds."""

    def release(self) -> None:
        """Let it go; a second call does nothing."""

    def is_ours(self) -> bool:
        """Do we still hold it? An operator may have broken it."""


class Backend(Protocol):
    """One store: all its tenants. Paths are `/`-separated and below the tenant's folder; bytes are whole files.

    Implementations raise `OSError` for what the medium did, and our errors for what they know better.
    """

    url: str
    traits: Traits

    def read_format(self) -> bytes | None:
        """The FORMAT file, or None."""

    def create_format(self, data: bytes) -> None:
        """Make the store: create FORMAT durably if it is absent."""

    def tenants(self) -> Iterator[str]:
        """The folders of tenants, in order: not hidden, with a journal that holds a journal file's name.

        Each is looked for when it is asked for: what the first ones cost does not grow with the store.
        """

    def folders(self) -> list[str]:
        """All that could be a tenant's folder, a journal in it or not."""

    def was_a_store(self) -> bool:
        """Is there what only a store has: a tenant's journal or work folder, or a snapshot? Then FORMAT is lost."""

    def names(self) -> list[str]:
        """All that stands at the top, hidden or not, of the store or not; where FORMAT is on its way is left out."""

    def strangers(self) -> list[tuple[str, str]]:
        """(name, kind) of what stands beside the tenants' folders and is no file of the store."""

    def open_tenant(self, folder: str) -> TenantBackend:
        """One tenant's part; `folder` is encoded. Makes nothing yet."""

    def close(self) -> None:
        """Give back what is open."""


class TenantBackend(Protocol):
    """One tenant's journal and files.

    Attributes:
        wrote: has `add` written anything that was not taken back? Its caller sets it back.
    """

    wrote: bool

    def prepare(self) -> bool:
        """Make the folders that are missing, durably; False if nothing can be written here."""

    def exclusive(self) -> AbstractContextManager[None]:
        """Held around a commit, where the backend has a lock; elsewhere nothing."""

    def close(self) -> None:
        """Give back what is open of this tenant."""

    def check_room(self, keys: Iterable[str]) -> None:
        """New records' keys must have room in the names and paths of this medium.

        Raises:
            InvalidIdError: the first one that has none.
        """

    def new_lines(self) -> list[bytes]:
        """The whole lines after the position, durable; moves the position behind them.

        Lines of half of `BATCH_BYTES` or more may not be all: ask again.

        Raises:
            StoreDamagedError: a broken line with a whole one after it.
        """

    def seek(self, number: int, place: list[int], mark: bytes) -> bool:
        """Set the position behind entry `number`, as a derived index remembers it.

        False, and nothing changed, if no line with this mark stands there. Number 0 is the beginning.
        """

    def place(self) -> list[int]:
        """What `seek` needs to come back to the present position."""

    def mark(self) -> bytes:
        """The beginning of the last line before the position, with its checksum."""

    def add(self, number: int, line: bytes) -> bool:
        """Add the entry if `number` is next. True: it is ours, and durable. The commit point.

        Raises:
            UnknownOutcomeError: it may or may not be there.
        """

    def lines(self, first: int, last: int) -> Iterator[tuple[int, bytes]]:
        """The lines of entries `first` to `last`, with their numbers; both must be behind the position."""

    def surviving(self, first: int, last: int) -> Iterator[tuple[int, bytes | None]]:
        """Lines of known entries; None where an entry has an object of its own that is lost, or cannot be read."""

    def first_of(self, number: int) -> int:
        """The first entry of the journal file that holds this one; in a bucket, of its pack, be there one or not."""

    def pack(self, upto: int) -> tuple[int, int]:
        """Gather entries up to `upto` into larger immutable objects, where that helps; (written, lines proved)."""

    def torn_bytes(self) -> bytes:
        """What stands behind the last whole line; it was never acknowledged."""

    def cut_torn(self, torn: bytes) -> None:
        """Remove it, keeping the bytes aside. Only under `exclusive`.

        Args:
            torn: what stood there when it was proved to be torn.

        Raises:
            TryLaterError: something else stands there by now, and was left alone.
        """

    def replace_journal(self, name: str, data: bytes, *, damaged: bytes | None) -> None:
        """Replace a damaged journal file by what is proved to be right, keeping its bytes. Only under `exclusive`.

        Args:
            name: the file's.
            data: what is right.
            damaged: what stood there when that was found out; None where nothing did.

        Raises:
            TryLaterError: something else stands there by now, and was left alone.
        """

    def keep_aside(self, name: str, data: bytes) -> None:
        """Keep a copy of bytes that are about to be replaced, durably; what is kept already is never replaced."""

    def put_snapshot(self, path: str, data: bytes, *, verify: bool, is_new: bool = False) -> bool:
        """Put a committed snapshot under its name; True if something was written.

        A new name replaces nothing. With `verify` content that differs is replaced, by content that is durable.
        `is_new` says that it is a record's first, whose folder is most likely not there yet.
        """

    def read(self, path: str) -> bytes | None:
        """A file's bytes, or None if there is none (or a symbolic link stands in the way)."""

    def walk(self, below: str = "", *, whole: bool = False) -> Iterator[tuple[str, str]]:
        """(path, kind) of all files below the tenant but those of the work folder, or of all in one folder of it.

        Kind is file, link or other. Also of what stands where something else should, which may be a folder. A folder
        that cannot be listed is "unreadable"; with `whole` it is an error, if what is asked for may be in it.
        """

    def read_work(self, name: str) -> bytes | None:
        """A file of the work folder."""

    def work_stamp(self, name: str) -> tuple[int, ...] | None:
        """Another one once somebody replaced this file of the work folder; None where asking would take a request."""

    def write_work(self, name: str, data: bytes, *, durable: bool) -> None:
        """Replace a file of the work folder at once."""

    def write_derived(self, path: str, data: bytes, *, durable: bool = False) -> None:
        """Replace a derived file at once (never a snapshot). `durable`: what stood there before never comes back."""

    def make_durable(self, paths: Iterable[str]) -> None:
        """Snapshots' files and names survive power loss from here on."""

    def in_doubt(self) -> bool:
        """Did an fsync of the journal fail, so that what the cache shows of it may not be on the disk?"""

    def names_in_doubt(self) -> bool:
        """Did `make_durable` fail since the last checkpoint, here or in another process?"""

    def rewrite_snapshot(self, path: str, data: bytes) -> None:
        """Replace a snapshot's file by a durable copy of what it should hold. Only under `exclusive`."""

    def settle_names(self) -> None:
        """Nothing is in doubt any more."""

    def sweep(self) -> int:
        """Remove temporary files of dead writers. Only under `exclusive`."""

    def lock(self, name: str, holder: Holder) -> HeldLock:
        """Take a lock that dies with this process.

        Raises:
            LockHeldError: another holds it.
        """

    def held(self) -> list[tuple[str, Holder]]:
        """The locks that are held."""

    def break_lock(self, name: str, is_it: Callable[[Holder], bool]) -> None:
        """Take a lock away from its holder, if that `is_it`."""
