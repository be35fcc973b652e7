"""The journal's lines: one entry a line, with its own checksum and the hash of the line before.

    {"sum":"<SHA-256 of all after this member's comma>","n":7,"id":…,"at":…,"who":…,"why":…,"prev":…,"snapshots":[…]}

A line that was torn, zero-filled or flipped fails its checksum, so it is never taken for an entry.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

import orjson

from sheetsync.domain.canonical import JSONValue, canonical_json
from sheetsync.errors import DefectError, StoreDamagedError
from sheetsync.store.content import Encoded, LazyContent, encode_json, hash_bytes
from sheetsync.store.entry_form import (
    LAST_NUMBER,
    check_changes,
    check_int,
    check_lease,
    check_object,
    check_text,
    check_time,
)
from sheetsync.store.names import EPOCH, SnapshotName, parse_snapshot_name

HEAD: Final = b'{"sum":"'
BODY_AT: Final = len(HEAD) + 64 + 2  # the checksum's hex digits, `",`
WIDE_MARK: Final = (
    b'"wide":true'  # in the line at all: parse it with arbitrary precision; a false alarm only costs time
)
FIRST_PREV: Final = ""
MICROSECOND: Final = timedelta(microseconds=1)
LARGE_LINE: Final = 1 << 20  # a smaller line is decoded with its contents, whoever asks
PATH_MEMBER: Final = b'{"path":"'
CHANGE: Final = re.compile(rb'\{"path":"[^"]*","version":\d+,"hash":"[0-9a-f]{64}","before":\d+,"content":')


@dataclass(frozen=True, slots=True)
class Change:
    """One snapshot of an entry: `path` is its file below the tenant, `before` the entry of the version before, or 0."""

    path: str
    version: int
    hash: str
    before: int
    body: JSONValue = field(compare=False, repr=False)  # the parsed snapshot object, for its content

    @property
    def filename(self) -> str:
        """The base name of the file."""
        return self.path.rpartition("/")[2]

    @property
    def key(self) -> str:
        """The record's key (`names.encode_record`)."""
        folder = self.path.rpartition("/")[0]
        if not folder:
            raise StoreDamagedError(f"the journal names '{self.path[:120]}', which is in no record's folder")
        return f"{folder}/{self.parsed_name.name}"

    @property
    def parsed_name(self) -> SnapshotName:
        """The parts of the file name."""
        parsed = parse_snapshot_name(self.filename)
        if parsed is None:
            raise StoreDamagedError(f"the journal names '{self.path[:120]}', which is no snapshot's name")
        return parsed

    @property
    def source(self) -> bool:
        """Was it a file kept as it is?"""
        return "content" not in self.body

    @property
    def wide(self) -> bool:
        """Does its content need an arbitrary-precision parser?"""
        return bool(self.body.get("wide"))

    def data(self) -> bytes:
        """The bytes of the snapshot's file."""
        if "content" in self.body:
            if self.body["content"] is None:
                raise DefectError("an entry was decoded without its contents, and is asked for one")
            try:
                return canonical_json(self.body["content"])
            except (ValueError, TypeError, RecursionError) as exc:  # none of ours: the writer would have refused it
                raise StoreDamagedError(f"the journal's content of '{self.path}' has no JSON form: {exc}") from exc
        if "text" in self.body:
            return str(self.body["text"]).encode("utf-8")
        return base64.b64decode(self.body["base64"], validate=True)

    def content(self) -> LazyContent:
        """The content, parsed anew: callers may change what they get."""
        return LazyContent(self.data(), self.parsed_name.suffix, source=self.source, wide=self.wide)


@dataclass(frozen=True, slots=True)
class Entry:
    """One committed entry. `line` is its bytes without the line feed; `line_hash` their SHA-256."""

    number: int
    id: str
    at: datetime
    who: str
    why: str
    prev: str
    changes: tuple[Change, ...]
    details: Mapping[str, JSONValue]
    lease: Mapping[str, JSONValue] | None
    line_hash: str


class NewChange(NamedTuple):
    """A snapshot that is about to be committed: the record's key, and what `Change` has."""

    key: str
    stamp: int
    version: int
    before: int
    encoded: Encoded
    path: str


def format_time(moment: datetime) -> str:
    """`2026-01-07T12:00:00.000000Z`."""
    utc = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    return utc.isoformat(timespec="microseconds")[:26] + "Z"


def to_micros(moment: datetime) -> int:
    """Microseconds since 1970."""
    return (moment - EPOCH) // MICROSECOND


def from_micros(micros: int) -> datetime:
    """The inverse of `to_micros`."""
    return EPOCH + timedelta(microseconds=micros)


def _change_bytes(change: NewChange) -> bytes:
    """The snapshot's object. Its path needs no escapes: `names` encodes whatever would."""
    _, _, version, before, encoded, path = change
    head = f'{{"path":"{path}","version":{version},"hash":"{encoded.hash}","before":{before},'
    return head.encode("ascii") + encoded.journal_member() + b"}"


def encode_line(
    *,
    number: int,
    entry_id: str,
    at: datetime,
    who: str,
    why: str,
    prev: str,
    changes: Sequence[NewChange],
    details: Mapping[str, JSONValue] | None = None,
    lease: Mapping[str, JSONValue] | None = None,
) -> bytes:
    """The entry's line, without its line feed.

    Raises:
        ValueError: a member has no JSON form, or not its type: who reads the line would refuse it.
        InvalidContentError: `details` have none that reads back as they are.
    """
    texts = {"who": check_text("who", who), "why": check_text("why", why)}
    head = {"n": check_int("n", number, 1, LAST_NUMBER), "id": entry_id, "at": format_time(at), **texts, "prev": prev}
    if lease:
        check_lease(lease)
    parts = [orjson.dumps(head)[1:-1], b',"snapshots":[', b",".join(map(_change_bytes, changes)), b"]"]
    for name, value in (("details", details), ("lease", lease)):
        if value:
            data, wide = encode_json(dict(value), name)
            parts += [b',"', name.encode(), b'":', data, b',"wide":true' if wide else b""]
    rest = b"".join([*parts, b"}"])
    return HEAD + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest


def with_sum(value: Mapping[str, JSONValue]) -> bytes:
    """A JSON object with its own checksum, as a line has it."""
    rest = orjson.dumps(value)[1:]
    return HEAD + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest


def is_whole(line: bytes) -> bool:
    """Is this the line of an entry, without its line feed, complete and unharmed?"""
    if not line.startswith(HEAD) or len(line) < BODY_AT:
        return False
    return line[len(HEAD) : BODY_AT] == hashlib.sha256(memoryview(line)[BODY_AT:]).hexdigest().encode() + b'",'


def _without_contents(line: bytes) -> bytes:
    """A large line with null for the contents of its JSON snapshots; the last one's stays, and details.

    Where a change begins is told without decoding: its members stand in no string, for there their quotes would be
    escaped, and in no content, for contents have their keys sorted. A line of which that is not sure is left as it is.
    """
    if len(line) < LARGE_LINE:
        return line
    heads = list(CHANGE.finditer(line))
    if not heads or len(heads) != line.count(PATH_MEMBER):
        return line
    parts = [line[: heads[0].start()], *(one[0] + b"null}," for one in heads[:-1]), line[heads[-1].start() :]]
    return b"".join(parts)


def decode_line(line: bytes, *, contents: bool = True) -> Entry:
    """The entry of a whole line. Without `contents`, those of a large line may be left out: for who asks for none.

    Raises:
        StoreDamagedError: the line is none of ours, though its checksum holds.
    """
    number: JSONValue = None
    try:
        wide = WIDE_MARK in line
        read = line if contents or wide else _without_contents(line)
        value = check_object("the line", _parse_wide(read) if wide else orjson.loads(read))
        get = value.get
        number = check_int("n", get("n"), 1, LAST_NUMBER)
        return Entry(
            number,
            check_text("id", get("id")),
            check_time("at", get("at")),
            check_text("who", get("who")),
            check_text("why", get("why")),
            check_text("prev", get("prev")),
            check_changes(get("snapshots"), number, Change, left_out=read is not line),
            check_object("details", get("details", {})),
            check_lease(value["lease"]) if "lease" in value else None,
            hash_bytes(line),
        )
    except (ValueError, RecursionError) as exc:
        what = "a journal line is" if number is None else f"the journal line of entry {number} is"
        raise StoreDamagedError(f"{what} not an entry: {exc}") from exc


def _parse_wide(line: bytes) -> JSONValue:
    """A line with numbers of any size; what canonical JSON cannot say (NaN, half a character) is refused."""
    value = json.loads(line.decode("utf-8"), parse_constant=_refuse_constant)
    if b"\\u" in line:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    return value


def _refuse_constant(name: str) -> JSONValue:
    raise ValueError(f"{name} is no JSON")
