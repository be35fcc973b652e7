"""The form of a journal entry: the type and the range of every member, checked before anything believes it.

A checksum proves that nobody changed a line, not that whoever wrote it was one of ours. What is refused here is named
with its member; what the members mean together (numbers in a row, versions that rise) is in `state.py`.
Unknown members are left alone: later versions may add some.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from operator import itemgetter
from typing import Any, Final, NoReturn, TypeVar

from sheetsync.domain.canonical import JSONValue
from sheetsync.store.names import EPOCH

T = TypeVar("T")
LAST_NUMBER: Final = 9_999_999_999  # ten digits: the name of a journal file
LARGEST: Final = (1 << 63) - 1  # the derived index holds no larger number
LATEST_MICROS: Final = (datetime.max.replace(tzinfo=UTC) - EPOCH).total_seconds() * 1e6 - 1e6
EARLIEST_MICROS: Final = (datetime.min.replace(tzinfo=UTC) - EPOCH).total_seconds() * 1e6
SHOWN: Final = 40  # of a value that is refused
FEW: Final = 2  # snapshots up to which a look at each is faster than a look at all
CONTENT_MEMBERS: Final = ("content", "text", "base64")

_HEX: Final = b"0123456789abcdef"
_MEMBERS: Final = itemgetter("path", "version", "hash", "before")
_PLAIN_MEMBERS: Final = 5  # those four, and the content
_IN_PATHS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_@+-%"  # and dots and slashes
# A path as a look at it needs it: every part begins after a slash, what no path holds is NUL. `names` encodes the rest.
_SHAPE: Final = bytes(
    47 if char in b"/ " else 46 if char == 46 else 97 if char in _IN_PATHS else 0 for char in range(256)
)


def refuse(member: str, value: object, should: str) -> NoReturn:
    """Refuse a member of an entry.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"'{member}' is {ascii(value)[:SHOWN]}, not {should}")


def check_int(member: str, value: Any, low: float, high: float) -> int:
    """A whole number (and no bool) within bounds."""
    if type(value) is not int or not low <= value <= high:
        refuse(member, value, f"a whole number from {low:.0f} to {high:.0f}")
    return value


def check_text(member: str, value: Any) -> str:
    """A text."""
    if type(value) is not str:
        refuse(member, value, "a text")
    return value


def check_object(member: str, value: Any) -> dict[str, JSONValue]:
    """A JSON object."""
    if type(value) is not dict:
        refuse(member, value, "an object")
    return value


def check_time(member: str, value: Any) -> datetime:
    """An aware time, as one of UTC."""
    if type(value) is not str:
        refuse(member, value, "a time")
    try:
        moment = datetime.fromisoformat(value)
        aware = moment if moment.tzinfo is UTC else moment.astimezone(UTC)
    except (ValueError, OverflowError):
        refuse(member, value, "a time")
    if moment.tzinfo is None:
        refuse(member, value, "a time with its zone")
    return aware


def check_lease(value: Any) -> dict[str, JSONValue]:
    """The lease that an entry takes, frees or breaks: what we know of it, and nothing else."""
    lease = check_object("lease", value)
    known: dict[str, JSONValue] = {
        "name": check_text("lease.name", lease.get("name")),
        "epoch": check_int("lease.epoch", lease.get("epoch"), 0, LARGEST),
    }
    if lease.get("holder") is not None:
        holder = check_object("lease.holder", lease["holder"])
        known["holder"] = {
            "who": check_text("lease.holder.who", holder.get("who")),
            "host": check_text("lease.holder.host", holder.get("host")),
            "pid": check_int("lease.holder.pid", holder.get("pid"), 0, LARGEST),
            "since": check_int("lease.holder.since", holder.get("since"), EARLIEST_MICROS, LATEST_MICROS),
            "until": check_int("lease.holder.until", holder.get("until"), EARLIEST_MICROS, LATEST_MICROS),
        }
    return known


def check_changes(items: Any, number: int, make: Callable[..., T], *, left_out: bool) -> tuple[T, ...]:
    """The snapshots of entry `number`.

    Args:
        items: what stands there.
        number: the entry's number; no version and no entry before is above it.
        make: makes a snapshot's value of its path, version, hash, entry before, and object.
        left_out: are the contents of all but the last one left out (null)?
    """
    if type(items) is not list:
        refuse("snapshots", items, "a list")
    if len(items) > FEW:
        try:
            columns = tuple(zip(*map(_MEMBERS, items), strict=True))
            if _are_plain(columns, items, number, left_out=left_out):
                return tuple(map(make, *columns, items))
        except (KeyError, TypeError, ValueError):  # told below, with its place
            pass
    for index, item in enumerate(items):
        _check_change(index, item, number, left_out=left_out and index < len(items) - 1)
    return tuple([make(*_MEMBERS(item), item) for item in items])


def _are_plain(columns: Sequence[Sequence[Any]], items: Sequence[Any], number: int, *, left_out: bool) -> bool:
    """Are all sure to be sound? A few looks at all of them at once; False only means that each must be looked at."""
    paths, versions, hashes, befores = columns
    joined = f" {' '.join(paths)}".encode("ascii")
    contents = [item["content"] for item in items]
    if left_out:
        contents = [content for content in contents[:-1] if content is not None] + contents[-1:]
    return (
        set(map(len, items)) == {_PLAIN_MEMBERS}
        and set(map(type, contents)) == {dict}
        and set(map(type, versions)) == set(map(type, befores)) == {int}
        and 1 <= min(versions) <= max(versions) <= number
        and 0 <= min(befores) <= max(befores) < number
        and set(map(len, hashes)) == {64}
        and not "".join(hashes).encode("ascii").translate(None, _HEX)
        and joined.count(b" ") == len(items)
        and not _leads_elsewhere(joined)
    )


def _leads_elsewhere(paths: bytes) -> bool:
    """Is any of the paths, each with a space before it, none for a snapshot?

    Whoever can write a journal can make its sums hold, and still leads nowhere else (S7).
    """
    shape = paths.translate(_SHAPE)
    return b"\0" in shape or b"//" in shape or b"/." in shape or b" journal/" in paths


def _check_change(index: int, item: Any, number: int, *, left_out: bool) -> None:
    """One snapshot's object."""
    if type(item) is not dict:
        _refuse_in(index, "", item, "an object")
    get = item.get
    path, version, digest, before = get("path"), get("version"), get("hash"), get("before")
    if type(path) is not str or not path.isascii() or " " in path or _leads_elsewhere(f" {path}".encode()):
        _refuse_in(index, ".path", path, "a place for a snapshot")
    if type(version) is not int or not 1 <= version <= number:
        _refuse_in(index, ".version", version, f"a whole number from 1 to {number}")
    if type(before) is not int or not 0 <= before < number:
        _refuse_in(index, ".before", before, f"the number of an entry before {number}, or 0")
    if type(digest) is not str or len(digest) != 64 or digest.encode("utf-8", "replace").translate(None, _HEX):
        _refuse_in(index, ".hash", digest, "64 lower-case hex digits")
    if len(item) != _PLAIN_MEMBERS or type(get("content")) is not dict:
        _check_content(f"snapshots[{index}]", item, left_out=left_out)


def _refuse_in(index: int, member: str, value: object, should: str) -> NoReturn:
    refuse(f"snapshots[{index}]{member}", value, should)


def _check_content(where: str, item: Mapping[str, Any], *, left_out: bool) -> None:
    """Exactly one content, of its type."""
    if type(item.get("wide", False)) is not bool:
        refuse(f"{where}.wide", item["wide"], "true or false")
    there = [name for name in CONTENT_MEMBERS if name in item]
    if len(there) != 1:
        what = " and ".join(there) or "no content"
        raise ValueError(f"'{where}' has {what}, not one of {', '.join(CONTENT_MEMBERS)}")
    name, value = there[0], item[there[0]]
    if name == "content":
        if not (left_out and value is None):
            check_object(f"{where}.content", value)
    elif name == "text":
        check_text(f"{where}.text", value)
    else:
        try:
            base64.b64decode(check_text(f"{where}.base64", value), validate=True)
        except ValueError as exc:
            raise ValueError(f"'{where}.base64' is no base64") from exc
