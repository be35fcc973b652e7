"""A transaction: what is to be saved, gathered, and the loop that commits it all as one entry, or nothing.

The loser of a race checks `expected` and the fence again and takes new stamps. The loop is the store's protocol;
how an entry is added is the backend's.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from types import TracebackType
from typing import Final, NamedTuple, Self

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import InvalidIdError, StaleSnapshotError, UsageError
from sheetsync.store.content import Content, Encoded, LazyContent, encode_content
from sheetsync.store.entry import NewChange
from sheetsync.store.lease import Lease
from sheetsync.store.names import RecordId, encode_record, format_stamp
from sheetsync.store.snapshot import UNSET, Commit, Snapshot, Unset
from sheetsync.store.state import SOURCE, JournalState

EXPECTED: Final = (Snapshot, Unset, type(None))


@dataclass(slots=True)
class Wanted:
    """A record that is to be saved."""

    record: RecordId
    content: Content
    encoded: Encoded
    expected: Snapshot | Unset | None


@dataclass(slots=True)
class Request:
    """What a transaction asks to be committed. Lease entries are `lease`, by the state they are written upon."""

    who: str
    why: str
    wanted: dict[str, Wanted] = field(default_factory=dict)
    details: Mapping[str, JSONValue] = field(default_factory=dict)
    fence: Lease | None = None
    expect_head: int | None = None
    always: bool = False  # an entry even if no snapshot changes
    lease: Callable[[JournalState], dict[str, JSONValue]] | None = None


class Added(NamedTuple):
    """An entry that we add, or added."""

    number: int
    at: datetime
    line_hash: str
    changes: list[NewChange]
    lease: dict[str, JSONValue] | None


class Outcome:
    """What became of a request. Told in full only when it is asked for: who saves many records seldom asks.

    Args:
        request: what was asked.
        added: the entry, None if nothing changed.
        unchanged: the newest snapshots of the request's records that did not change.
    """

    def __init__(self, request: Request, added: Added | None, unchanged: dict[RecordId, Snapshot]) -> None:
        self._request, self._added, self._unchanged = request, added, unchanged
        self._commit: Commit | None = None  # no `cached_property`: its lock would stay locked in a forked child
        self._snapshots: dict[RecordId, Snapshot] | None = None

    @property
    def commit(self) -> Commit | None:
        """The commit as a reader would be told it."""
        if self._commit is None and self._added is not None:
            self._commit = self._tell(self._added)
        return self._commit

    def _tell(self, added: Added) -> Commit:
        request = self._request
        snapshots = []
        for change in added.changes:
            encoded, record = change.encoded, request.wanted[change.key].record
            content = LazyContent(encoded.data, encoded.suffix, source=encoded.source, wide=encoded.wide)
            path, filename = change.path, change.path.rpartition("/")[2]
            given = (added.at, added.number, request.who, path, content)
            snapshots.append(Snapshot(record, change.version, filename, encoded.hash, *given))
        details = dict(request.details)
        return Commit(added.number, added.at, request.who, request.why, tuple(snapshots), details, added.line_hash)

    @property
    def snapshots(self) -> dict[RecordId, Snapshot]:
        """The newest snapshot of each record of the request."""
        if self._snapshots is None:
            changed = self.commit.snapshots if self.commit is not None else ()
            self._snapshots = {snapshot.record: snapshot for snapshot in changed} | self._unchanged
        return self._snapshots


def plan_changes(request: Request, state: JournalState, now: datetime) -> list[NewChange]:
    """The snapshots to be written upon this state; content equal to the newest makes none (S4).

    Raises:
        StaleSnapshotError: `expected` or `expect_head` does not hold here.
        LockHeldError: the fence does not hold here.
        InvalidIdError: a new record's name differs only in case from another's.
    """
    if request.fence is not None:
        request.fence.check(state)
    if request.expect_head is not None and state.number != request.expect_head:
        raise StaleSnapshotError(request.expect_head, state.number, None, name="the store")
    seconds = int(now.timestamp())
    changes: list[NewChange] = []
    for key, wanted in request.wanted.items():
        head, encoded = state.heads.get(key), wanted.encoded
        if head is None:
            changes.append(NewChange(key, seconds, 1, 0, encoded, _path(key, seconds, encoded)))
        elif (head.hash, head.suffix, bool(head.flags & SOURCE)) != (encoded.hash, encoded.suffix, encoded.source):
            stamp = max(seconds, head.stamp + 1)
            path = _path(key, stamp, encoded)
            changes.append(NewChange(key, stamp, head.version + 1, head.commit, encoded, path))
    state.check_collisions([change.key for change in changes if change.version == 1])
    return changes


def _path(key: str, stamp: int, encoded: Encoded) -> str:
    try:
        return f"{key}--{format_stamp(stamp)}--{encoded.hash[:8]}{encoded.suffix}"
    except OverflowError as exc:
        raise UsageError(
            f"'{key}' has the last stamp there is, of the year 9999: a clock was wrong once",
            hint="set this machine's clock, and save under another name",
        ) from exc


def is_stale(wanted: Wanted, key: str, state: JournalState) -> bool:
    """Did another writer come between `expected` and this state?"""
    head, expected = state.heads.get(key), wanted.expected
    if isinstance(expected, Unset):
        return False
    if expected is None or head is None:
        return expected is not None or head is not None
    return (expected.version, expected.commit, expected.hash) != (head.version, head.commit, head.hash)


class Transaction:
    """Saves that become one commit when the `with` block ends well, and nothing when it does not.

    Attributes:
        details: noted in the entry; set what belongs to the commit but is no record.
    """

    def __init__(self, run: Callable[[Request], Outcome], request: Request, tenant: str) -> None:
        self._run = run
        self._request = request
        self._tenant = tenant
        self._done = False
        self._outcome: Outcome | None = None
        self.details: dict[str, JSONValue] = {}

    @property
    def commit(self) -> Commit | None:
        """The commit, None before the end and where nothing changed."""
        return None if self._outcome is None else self._outcome.commit

    @property
    def snapshots(self) -> dict[RecordId, Snapshot]:
        """After the end, the newest snapshot of each record that was saved, changed or not."""
        return {} if self._outcome is None else self._outcome.snapshots

    def save(self, record: RecordId, content: Content, *, expected: Snapshot | Unset | None = UNSET) -> None:
        """Save `content` with the others; a second save of one record replaces the first one's content.

        Args:
            record: where.
            content: a JSON object, or a file's bytes.
            expected: the snapshot this is built on; None if there must be none yet.

        Raises:
            InvalidContentError: the content has no JSON form or is too large.
            InvalidIdError: the record is of another tenant, or cannot be a file's name.
        """
        if self._done:
            raise UsageError("the transaction is over: nothing can be saved in it any more")
        if record.tenant != self._tenant:
            raise InvalidIdError(f"'{record.name}' belongs to tenant '{record.tenant}', not to '{self._tenant}'")
        if not isinstance(expected, EXPECTED):
            raise UsageError(f"expected is a {type(expected).__name__}, not a snapshot that 'save' or 'latest' gave")
        if isinstance(expected, Snapshot) and expected.record != record:
            places = [f"{r.tenant}/{'/'.join(r.folder)}" for r in (expected.record, record)]
            raise UsageError(f"the expected snapshot is one of '{places[0]}', not of '{places[1]}'")
        key = encode_record(record)
        earlier = self._request.wanted.get(key)
        if earlier is not None and isinstance(expected, Unset):
            expected = earlier.expected
        encoded = encode_content(content, name=record.name)
        self._request.wanted[key] = Wanted(record, content, encoded, expected)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._done:
            return
        self._done = True
        if kind is None:
            details: object = self.details  # whoever wrote this attribute may have written anything
            if not isinstance(details, Mapping):
                raise UsageError(f"details is a {type(details).__name__}, not a mapping", hint="{} notes nothing")
            self._request.details = dict(details)
            self._outcome = self._run(self._request)
