"""Rebuilding a damaged journal line to the very bytes that a hash proves, or not at all.

The entry after it holds the SHA-256 of the whole line; the last line has its own sum. What may be tried: the contents
from the snapshots' files, a new sum, one lost or flipped line feed, and any one byte put right. Nothing is believed
that the hash does not prove. What lives here: pure functions over bytes. What does not: files (`fsck.py`, `repair.py`).
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import orjson

from sheetsync.errors import StoreDamagedError
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import BODY_AT, HEAD, Entry, decode_line, is_whole

MOST_HASHED: Final = 4 << 30  # bytes, for each way of putting one byte right: seconds, on a slow machine a minute
SNAPSHOT: Final = re.compile(rb'"path":"([^"\\]+)","version":\d+,"hash":"([0-9a-f]{64})","before":\d+,')
MOST_HEADS: Final = 16  # of lines that may begin behind zeros; more were made by somebody
END: Final = b"}]}"
Read = Callable[[str], bytes | None]


@dataclass(frozen=True, slots=True)
class Proof:
    """What a line must hash to, from byte `start` on."""

    start: int
    hash_hex: str

    def holds(self, line: bytes) -> bool:
        """Is this the line that was written?"""
        return hash_bytes(line[self.start :]) == self.hash_hex and is_whole(line)


def rebuild_file(
    data: bytes, first: int, following: bytes | None, read: Read, *, torn: bool = False, sharers: int = 1
) -> bytes | None:
    """The file with its damaged lines rebuilt, as far as that is proved; None where none can be.

    Args:
        data: the damaged file.
        first: the number of its first entry.
        following: the first line of the next file, None if this is the last one.
        read: gives the bytes of a snapshot's file.
        torn: its last line was never acknowledged, and stays as it is.
        sharers: so many damaged lines share the time that one may take.
    """
    pieces = data.split(b"\n")
    tail = [] if pieces[-1] and not torn else [pieces.pop()]
    whole = [_entry_of(piece) is not None for piece in pieces]
    out: list[bytes] = []
    number, at, found = first, 0, not tail and whole[-1]  # of that one only the line feed is lost
    while at < len(pieces):
        end = at
        while end < len(pieces) and not whole[end]:
            end += 1
        after = pieces[end] if end < len(pieces) else following
        lines = _rebuild_run(b"\n".join(pieces[at:end]), number, after, read, sharers) if end > at else []
        out += lines or pieces[at:end]
        found = found or bool(lines)
        if end < len(pieces):
            out.append(pieces[end])
            entry = _entry_of(pieces[end])
            number = entry.number + 1 if entry is not None else number
        at = end + 1
    return b"\n".join([*out, *(tail or [b""])]) if found else None


def was_written_whole(torn: bytes) -> bool:
    """Was what looks like a torn last line written whole, and harmed since?

    A torn write lacks its end, or holds zeros where bytes never came. So what ends in a line feed and holds no zero
    was whole once, and so was one whose line feed was flipped. And it is one line: where the zeros stand between two,
    the first of them was acknowledged, for only then was the second written.
    """
    ended = torn[: torn.rfind(b"\n") + 1] or (torn if is_whole(torn[:-1]) else b"")
    return (bool(ended) and b"\0" not in ended) or _is_two_lines(torn)


def _is_two_lines(torn: bytes) -> bool:
    """Do zeros stand where the first of two lines ended?"""
    first, zero, rest = torn.partition(b"\0")
    if zero and rest.strip(b"\0") and is_whole(first):
        return True
    heads = islice(re.finditer(b"\0" + HEAD, torn), MOST_HEADS)
    return any(is_whole(torn[head.start() + 1 :].partition(b"\n")[0]) for head in heads)


def _rebuild_run(damaged: bytes, number: int | None, after: bytes | None, read: Read, sharers: int) -> list[bytes]:
    """The lines that were written where these bytes stand; none if that is not proved."""
    proof, expected = Proof(BODY_AT, damaged[len(HEAD) : BODY_AT - 2].decode("latin-1")), 1
    entry = _entry_of(after) if after is not None else None
    if entry is not None and number is not None:
        proof, expected = Proof(0, entry.prev), entry.number - number
    middle = damaged.find(HEAD, BODY_AT)
    if expected == 2 and middle > 0:  # a line feed was flipped
        lines = [damaged[: middle - 1], damaged[middle:]]
        second = _entry_of(lines[1]) if is_whole(lines[0]) and proof.holds(lines[1]) else None
        return lines if second is not None and second.prev == hash_bytes(lines[0]) else []
    if expected != 1:
        return []
    mended = _with_sum(damaged)
    line: bytes | None
    if proof.start and len(mended) == len(damaged) and sum(a != b for a, b in zip(mended, damaged, strict=True)) == 1:
        line = mended  # the last line: 63 of the sum's 64 digits (or all) prove the body
    else:
        candidates = _candidates(damaged, proof, read, MOST_HASHED // sharers)
        line = next((line for line in candidates if proof.holds(line)), None)
    entry = _entry_of(line) if line is not None else None
    return [line] if line is not None and entry is not None and number in (None, entry.number) else []


def _entry_of(line: bytes) -> Entry | None:
    """The entry of a whole line; a sum that holds may have been made by somebody else."""
    try:
        return decode_line(line, contents=False) if is_whole(line) else None
    except StoreDamagedError:
        return None


def _candidates(damaged: bytes, proof: Proof, read: Read, most_hashed: int) -> Iterator[bytes]:
    """Lines that may have been written, the likeliest first."""
    filled, right = _with_contents(damaged, read)
    for line in (damaged, damaged[:-1], filled, *_closed(filled, right)):
        yield line
        yield _with_sum(line)
    yield from _one_byte_put_right(filled, proof, right, most_hashed)
    yield from _one_byte_put_right(_with_sum(filled), proof, right, most_hashed)


def _with_sum(line: bytes) -> bytes:
    """The line with the sum that its body has."""
    body = line[BODY_AT:]
    return HEAD + hash_bytes(body).encode() + b'",' + body


def _closed(line: bytes, right: list[range]) -> Iterable[bytes]:
    """The line cut after its last content: what stood behind it may have been lost or moved."""
    return [line[: right[-1].stop] + END] if right else []


def _with_contents(line: bytes, read: Read) -> tuple[bytes, list[range]]:
    """The line with every content that a sound snapshot's file has, and where those stand now."""
    right: list[range] = []
    for match in SNAPSHOT.finditer(line):
        data = read(match[1].decode("utf-8", "replace"))
        if data is None or hash_bytes(data).encode() != match[2]:
            continue
        there = line[match.end() : match.end() + 10]
        member = min(_members(data), key=lambda form: sum(a != b for a, b in zip(form, there, strict=False)))
        stop = match.end() + len(member)
        line = line[: match.end()] + member + (line[stop:] or END)
        right.append(range(match.end(), stop))
    return line, right


def _members(data: bytes) -> list[bytes]:
    """The forms in which the journal may hold a snapshot's bytes."""
    forms = [b'"content":' + data, b'"base64":"' + base64.b64encode(data) + b'"']
    try:
        return [*forms, b'"text":' + orjson.dumps(data.decode("utf-8"))]
    except UnicodeDecodeError:
        return forms


def _one_byte_put_right(line: bytes, proof: Proof, right: list[range], most_hashed: int) -> Iterator[bytes]:
    """The line with one byte changed to what the proof asks for.

    Flipped bits are tried before other bytes, and the longest stretches between sound contents first: the one whose
    snapshot was not found sound holds the damage, and its own content too.
    """
    starts = [proof.start, *(stretch.stop for stretch in right)]
    doubtful = sorted(map(range, starts, [*(stretch.start for stretch in right), len(line)]), key=len, reverse=True)
    for changes in ([1 << bit for bit in range(8)], [flip for flip in range(256) if flip.bit_count() > 1]):
        hashed = 0
        for stretch in doubtful:
            before = hashlib.sha256(line[proof.start : stretch.start])
            for position in stretch:
                rest = memoryview(line)[position + 1 :]
                hashed += len(changes) * (len(rest) + 64)
                if hashed > most_hashed:
                    return
                for change in changes:
                    trial = before.copy()
                    byte = bytes([line[position] ^ change])
                    trial.update(byte)
                    trial.update(rest)
                    if trial.hexdigest() == proof.hash_hex:
                        yield line[:position] + byte + line[position + 1 :]
                before.update(line[position : position + 1])
