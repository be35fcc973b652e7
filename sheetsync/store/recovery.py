"""Recovery: what opening a store repairs by itself, and the checkpoint that spares it the older entries.

A torn last line is cut, its bytes kept aside, but only after proof that no record folder holds a name that the journal
lacks; names that a crash kept from appearing are put in place from the journal. Nothing here removes a snapshot.
"""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

import orjson

from sheetsync.errors import AuthError, DestinationError, StoreDamagedError, TryLaterError
from sheetsync.store.backend import JOURNAL, WORK, TenantBackend
from sheetsync.store.chain import damaged_line, proved_entries, proved_entry
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Change, Entry, decode_line, is_whole, with_sum
from sheetsync.store.entry_form import LAST_NUMBER, check_int
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.index import INDEX, read_remembered
from sheetsync.store.media import passes_by_itself
from sheetsync.store.names import parse_snapshot_name
from sheetsync.store.rebuild import was_written_whole
from sheetsync.store.segments import segment_name
from sheetsync.store.state import JournalState

CHECKPOINT: Final = "checkpoint.json"
CHECKPOINT_SEEN: Final = 4096  # entries and snapshots after which a writer makes a checkpoint
OPENING_SEEN: Final = 256  # an opening that had to look at more makes one, so that the next need not
OPENING_BYTES: Final = 1 << 20
SHOWN: Final = 5
LOOKS: Final = 8  # at a journal that moves each time: those who write it proved it when they opened it
NOT_OURS_TO_WRITE: Final = (errno.EACCES, errno.EPERM, errno.ENAMETOOLONG)
REFUSALS: Final = (AuthError, DestinationError, TryLaterError)  # of a bucket


def recover(backend: TenantBackend, state: JournalState, tell: Callable[[str], None]) -> int:
    """Make the folders say what the journal says. Only under `exclusive`, with the journal read to its end.

    A full disk, and what else takes no writes, keeps nobody from reading: what is left undone is told, and the next
    opening does it.

    Returns:
        the number of entries and snapshots since the checkpoint.

    Raises:
        StoreDamagedError: what looks like a torn line was a commit, or the journal lost commits.
    """
    undone = Undone()
    try:
        cut_torn_line(backend, state, tell)
    except OSError as exc:
        if not may_be_left(exc):
            raise
        undone.note("a torn line", exc)
    proved, upto = read_checkpoint(backend, state), parse_checkpoint(backend.read_work(CHECKPOINT))
    if state.number == 0:
        check_no_journal(backend)
    put, seen, seen_bytes = 0, 0, 0
    broken: list[int] = []
    for number, entry, size in proved_entries(backend, state, proved + 1):
        if entry is None:  # the index spared us to believe it: what it says moves nothing
            broken.append(number)
            continue
        for change in entry.changes:
            put += undone.attempt(backend, number, change, must=number > upto)
        seen += 1 + len(entry.changes)
        seen_bytes += size
    if broken:
        tell(f"the journal's line of entry {broken[0]} is damaged, or cannot be read: run 'sheetsync fsck --repair'")
    if put:
        tell(f"recovered: {put} snapshot{'s' * (put != 1)} of committed saves put in place")
    swept = backend.sweep()
    if swept:
        tell(f"recovered: {swept} temporary file{'s' * (swept != 1)} of interrupted saves removed")
    if undone.first:
        tell(f"what a crash left is not all put right yet: the next opening tries again ({undone.first})")
    if broken or undone.first or (seen < OPENING_SEEN and seen_bytes < OPENING_BYTES):
        return seen
    try:
        checkpoint(backend, state, dict.fromkeys(range(proved + 1, state.number + 1)))
    except (OSError, *REFUSALS) as exc:
        tell(f"the checkpoint could not be written ({exc})")
        return seen
    return 0


def may_be_left(exc: OSError) -> bool:
    """Does it pass by itself, or is it another user's to put right? Else something stands in the way."""
    return passes_by_itself(exc) or exc.errno in NOT_OURS_TO_WRITE


class Undone:
    """What an opening could not put right: what keeps us from writing keeps nobody from reading.

    That is a full disk or bucket, rights, or a name of this length. Once a bucket gives no answer, no more is tried.
    """

    def __init__(self) -> None:
        self.first = ""
        self._is_silent = False

    def note(self, what: str, exc: Exception) -> None:
        """One more thing that could not be put right."""
        self.first = self.first or f"{what}: {exc}"
        self._is_silent = self._is_silent or isinstance(exc, TryLaterError)

    def attempt(self, backend: TenantBackend, number: int, change: Change, *, must: bool) -> bool:
        """Put a snapshot in its place; False if it is there, or cannot be put.

        With `must` what stands in the way is an error; else a repair was cut off, and what it did not come to waits.
        """
        if self._is_silent:
            return False
        try:
            return complete_name(backend, number, change)
        except (OSError, StoreDamagedError, *REFUSALS) as exc:
            passes = may_be_left(exc) if isinstance(exc, OSError) else isinstance(exc, REFUSALS)
            if must and not passes:
                raise
            self.note(change.path, exc)
            return False


def complete_names(backend: TenantBackend, entry: Entry) -> int:
    """Put every snapshot of the entry in its place; the number of those that were not.

    Raises:
        StoreDamagedError: a content is not what the entry's hash says: no sound file is replaced by it.
    """
    return sum(complete_name(backend, entry.number, change) for change in entry.changes)


def complete_name(backend: TenantBackend, number: int, change: Change) -> bool:
    """Put one snapshot of entry `number` in its place; False if it is there."""
    data = change.data()
    if hash_bytes(data) != change.hash:
        raise StoreDamagedError(f"journal: entry {number} holds another content of '{change.path}' than it says")
    return backend.put_snapshot(change.path, data, verify=True)


def cut_torn_line(backend: TenantBackend, state: JournalState, tell: Callable[[str], None]) -> None:
    """Cut what stands behind the last whole line, if it was never acknowledged."""
    torn = backend.torn_bytes()
    if not torn:
        return
    _check_torn(backend, state, torn)
    backend.cut_torn(torn)
    tell(f"recovered: {len(torn)} bytes of a save that was never acknowledged cut from the journal, kept aside")


def check_by_reading(
    backend: TenantBackend, state: JournalState, catch_up: Callable[[], int], tell: Callable[[str], None]
) -> None:
    """What an opening that cannot write looks at: else it would show an older state, or none, as the newest.

    No lock is held, so that what looks like damage may be a writer at work: it is damage if the journal did not move.

    Raises:
        StoreDamagedError: as `recover`.
    """
    for _ in range(LOOKS):
        before = (state.number, backend.torn_bytes())
        try:
            _check_end(backend, state, before[1])
        except StoreDamagedError:
            catch_up()
            if (state.number, backend.torn_bytes()) == before:
                raise
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            tell(f"whether the journal is whole behind entry {state.number} cannot be told ({exc})")
            return
        else:
            return


def _check_end(backend: TenantBackend, state: JournalState, torn: bytes) -> None:
    """Does the journal end where it did, as far as reading tells?"""
    if torn:
        _check_torn(backend, state, torn)
    read_checkpoint(backend, state)
    if state.number == 0:
        check_no_journal(backend)


def _check_torn(backend: TenantBackend, state: JournalState, torn: bytes) -> None:
    """What stands behind the last whole line must be a torn one."""
    _check_unacknowledged(backend, state)
    if was_written_whole(torn):
        raise StoreDamagedError(
            f"journal: the line after entry {state.number} was whole; bytes of it were flipped or lost: it is not cut",
            hint="run 'sheetsync fsck'",
        )


def _check_unacknowledged(backend: TenantBackend, state: JournalState) -> None:
    """A name that the journal lacks, or a checkpoint or an index beyond it, proves that a broken line was a commit.

    An OSError where one of them cannot be read.
    """
    if (unread := unread_witness(backend)) is not None:
        raise unread
    read_checkpoint(backend, state)
    if (known_once := read_remembered(backend)) > state.number:
        raise StoreDamagedError(
            f"journal: the line after entry {state.number} is broken, but the index tells of entry {known_once}",
            hint="run 'sheetsync fsck'",
        )
    what = f"the line after entry {state.number} is broken, and snapshots of it"
    check_names(backend, state, snapshot_names(backend), what)


def unread_witness(backend: TenantBackend) -> OSError | None:
    """Why the checkpoint or the index cannot be read, though it is there."""
    for name in (CHECKPOINT, INDEX):
        try:
            backend.read(f"{WORK}/{name}")
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            return exc
    return None


def snapshot_names(backend: TenantBackend) -> list[str]:
    """The paths of all that is called like a snapshot, in records' folders. An OSError where one cannot be listed."""
    return [path for path, _ in backend.walk(whole=True) if is_snapshot_path(path)]


def check_names(backend: TenantBackend, state: JournalState, names: list[str], what: str) -> None:
    """No record folder may hold a name that the journal lacks.

    Raises:
        StoreDamagedError: `what` are in the folders.
    """
    known = {change.path for _, line in backend.lines(1, state.number) for change in proved_entry(line).changes}
    foreign = [path for path in names if path not in known]
    if foreign:
        raise StoreDamagedError(
            f"journal: {what} are in the folders",
            findings=tuple(foreign[:SHOWN]),
            hint="run 'sheetsync fsck'; is this a copy, made while somebody saved? docs/operators.md tells what to do",
        )


def is_snapshot_path(path: str) -> bool:
    """Is it called like a snapshot, in a record's folder?"""
    return not path.startswith((f"{JOURNAL}/", f"{WORK}/")) and parse_snapshot_name(path.rpartition("/")[2]) is not None


def check_no_journal(backend: TenantBackend) -> None:
    """Where snapshots are a journal was, and its first entry.

    Raises:
        StoreDamagedError: it is gone.
    """
    for path, _ in backend.walk(whole=True):
        if is_snapshot_path(path):
            if _stands_alone(backend, 1):
                return
            raise StoreDamagedError("the journal is gone, but snapshots are in the folders", findings=(path,))


def _stands_alone(backend: TenantBackend, number: int) -> bool:
    """Has a bucket this entry by now? Another host may have added it since we read the journal to its end."""
    line = (backend.read(f"{JOURNAL}/{segment_name(number)}") or b"").split(b"\n", 1)[0]
    return is_whole(line) and decode_line(line).number == number


def parse_checkpoint(data: bytes | None) -> int:
    """The entry that a checkpoint tells of. One that is damaged tells of none, which only costs time.

    The first ones had no sum.
    """
    try:
        value = orjson.loads(data or b"{}")
        return check_int("upto", value["upto"], 0, LAST_NUMBER) if "sum" not in value or is_whole(data or b"") else 0
    except (ValueError, LookupError, TypeError):
        return 0


def parse_proved(data: bytes | None) -> int:
    """The entry up to which all names are durable: that of the checkpoint, but while a repair puts older ones."""
    upto = parse_checkpoint(data)
    try:
        return check_int("proved", orjson.loads(data or b"{}").get("proved", upto), 0, upto)
    except (ValueError, TypeError, AttributeError):
        return 0


def read_checkpoint(backend: TenantBackend, state: JournalState) -> int:
    """The entry up to which all names are durable; 0 if there is no checkpoint.

    Raises:
        StoreDamagedError: the checkpoint knows entries that the journal lacks.
    """
    data = backend.read_work(CHECKPOINT)
    upto = parse_checkpoint(data)
    if upto > state.number and not _stands_alone(backend, upto):
        raise journal_ends(state.number, upto)
    return max(0, min(parse_proved(data), state.number))


def journal_ends(number: int, upto: int) -> StoreDamagedError:
    """The error of a journal that is older than its checkpoint."""
    return StoreDamagedError(f"journal: it ends at entry {number}, but entry {upto} was there")


def checkpoint(backend: TenantBackend, state: JournalState, placed: Mapping[int, Sequence[str] | None]) -> None:
    """Make the names of all entries durable, and only then say so. Only under `exclusive`.

    Args:
        backend: the tenant's part.
        state: the journal's state; the checkpoint covers all of it.
        placed: entries whose names this process saw or put itself, with those (None: to be read again); those of
            others are looked at first, for their writers may have died before.
    """
    first, last = read_checkpoint(backend, state) + 1, state.number
    in_doubt = backend.names_in_doubt()
    if in_doubt or not all(number in placed for number in range(first, last + 1)):
        for number, entry, _ in proved_entries(backend, state, first):
            if in_doubt or number not in placed:
                if entry is None:
                    list(backend.lines(number, number))  # one that is missing or refused says so
                    raise damaged_line()
                complete_names(backend, entry)  # proves the contents, and keeps aside what is damaged
                if in_doubt:
                    for change in entry.changes:
                        backend.rewrite_snapshot(change.path, change.data())
    backend.make_durable(_paths(backend, first, last, placed))
    backend.write_work(CHECKPOINT, with_sum({"upto": state.number, "line": state.line_hash}), durable=True)
    if in_doubt:
        backend.settle_names()


def _paths(backend: TenantBackend, first: int, last: int, placed: Mapping[int, Sequence[str] | None]) -> Iterator[str]:
    """The paths of all snapshots of these entries; read from the journal where one entry's are not remembered."""
    remembered = [placed.get(number) for number in range(first, last + 1)]
    if None not in remembered:
        return (path for paths in remembered if paths for path in paths)
    entries = (decode_line(line, contents=False) for _, line in backend.lines(first, last))
    return (change.path for entry in entries for change in entry.changes)
