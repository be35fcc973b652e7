"""The journal's files looked at raw: every line whole, in order, chained; what is torn, and what is damage.

On disk the last line may be torn by a crash. Where every entry is one object, nothing is ever torn: an object that is
not exactly one whole line is damage, an empty one too.
"""

from __future__ import annotations

import hashlib
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store import compaction
from sheetsync.store.backend import JOURNAL
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Change, Entry, decode_line, is_whole
from sheetsync.store.names import parse_snapshot_name
from sheetsync.store.rebuild import was_written_whole
from sheetsync.store.segments import parse_segment_name
from sheetsync.store.tenant_scan import LOST, TenantScan

LOOK_AGAIN: Final = (
    "make what cannot be read readable, then look again: a name there, the checkpoint or the index may prove that this "
    "line was a commit"
)
GIVE_UP: Final = (
    "; without a copy: move the files called lost_commit out of the store, delete that tenant's .store/checkpoint.json "
    "and .store/index.json, run any command (it cuts the line and keeps its bytes), and save again what the files hold"
)


def first_entry(path: str) -> int | None:
    """The number that a journal file's path begins with, None if it is no journal file's (a copy in a folder there)."""
    folder, _, name = path.rpartition("/")
    return parse_segment_name(name) if folder == JOURNAL else None


def scan_journal(found: TenantScan) -> None:
    """Every journal file, in the order of its first entry."""
    segments = sorted((first, path) for path in found.journal if (first := first_entry(path)) is not None)
    for path in found.journal:
        if first_entry(path) is None:
            found.find("foreign", path, f"{path} is no journal file", hint="move it elsewhere")
    expected, prev = 1, None
    for first, path in segments:
        data = found.read(path)
        if not data and not found.torn_tails and _is_only_listed(found, path):
            message = f"{path} is listed, but there is no such object: is a slash at the end of its name?"
            found.find("foreign", path, message, hint="move it elsewhere, with a tool of the bucket's provider")
            continue
        if first != expected:
            found.broken = True
            message = f"{path} begins with entry {first}, but entry {expected} is missing"
            found.find("journal_gap", path, message, hint=LOST)
            prev = None
        before = len(found.findings)
        if found.torn_tails:
            expected, prev = _scan_lines(found, path, data, first, prev, last=path == segments[-1][1])
        else:
            expected, prev = _scan_object(found, path, data, first, prev)
        if len(found.findings) > before:
            found.damaged[path] = data


def _is_only_listed(found: TenantScan, path: str) -> bool:
    """Is nothing there? A client lists an object `…/` as one without the slash, and then cannot ask for it."""
    return path not in found.unreadable and found.part.read(path) is None


def is_one_line(data: bytes) -> bool:
    """Is it exactly one whole line and its line feed?"""
    return data[-1:] == b"\n" and b"\n" not in data[:-1] and is_whole(data[:-1])


def _scan_object(found: TenantScan, path: str, data: bytes, number: int, prev: str | None) -> tuple[int, str | None]:
    """An entry that is an object of its own; as `_scan_entry`."""
    if is_one_line(data):
        return _scan_entry(found, path, 0, data[:-1], number, prev)
    found.broken = True
    if path in found.unreadable:
        return number + 1, None
    what = "is empty" if not data else f"is not one whole line, but {len(data):,} bytes of something else"
    hint = f"restore {found.tenant}/{path} from a copy of the store that has entry {number}; the rest is there"
    found.find("broken_line", path, f"{path}: the object of entry {number} {what}", hint=hint)
    return number + 1, None


def _scan_lines(
    found: TenantScan, path: str, data: bytes, first: int, prev: str | None, *, last: bool
) -> tuple[int, str | None]:
    """One journal file; as `_scan_entry`, of its last line."""
    pieces = data.split(b"\n")
    whole = [is_whole(piece) for piece in pieces[:-1]] + [False]
    number = first
    for index, piece in enumerate(pieces):
        if whole[index]:
            number, prev = _scan_entry(found, path, index, piece, number, prev)
        elif piece or index < len(pieces) - 1:
            rest = b"\n".join(pieces[index:])
            torn = last and not any(whole[index:]) and not has_names_beyond(found, number)
            if torn and not was_written_whole(rest):
                message = f"{path}: a line after entry {number - 1} is torn; it was never acknowledged"
                found.find("torn_line", path, message, damage=False, hint="the next save cuts it and keeps its bytes")
                break
            found.broken, prev = True, None
            hint = f"restore {found.tenant}/{path} from a copy of the store that has entry {number}; the rest is there"
            if last and not any(whole[index:]):
                hint = LOOK_AGAIN if found.unlisted else hint + GIVE_UP
            found.find("broken_line", path, f"{path}: the line of entry {number} is broken", hint=hint)
            if not any(whole[index:]):
                break
            number += 1
    return number, prev


def _scan_entry(
    found: TenantScan, path: str, index: int, line: bytes, number: int, prev: str | None
) -> tuple[int, str]:
    """One whole line; (the next number, its hash).

    Args:
        found: the scan so far.
        path: the journal file.
        index: the line's in it.
        line: without its line feed.
        number: the entry's that should stand here.
        prev: the hash of the line before, None if that is broken, or there is none.
    """
    try:
        entry = decode_line(line)
    except StoreDamagedError as exc:
        found.broken = True
        found.find("journal_order", path, f"{path}: entry {number}: {exc.message}", hint=LOST)
        return number + 1, hash_bytes(line)
    before = found.state.line_hash if prev is None else prev
    in_order = entry.number == number and (entry.prev == before or (found.broken and prev is None))
    if not in_order:
        found.disordered = found.disordered or prev is not None or not found.broken  # not behind a broken line
        found.broken = True
        message = f"{path}: entry {entry.number} stands where {number} should follow, or not upon the one before"
        found.find("journal_order", path, message, hint=LOST)
    elif not found.broken:
        _believe(found, path, entry, line)
    _note_changes(found, path, entry, in_order=in_order, ahead=entry.number > number)
    found.lines.setdefault(entry.number, (path, index))
    return entry.number + 1, entry.line_hash


def _note_changes(found: TenantScan, path: str, entry: Entry, *, in_order: bool, ahead: bool) -> None:
    """What files the entry asks for. A line out of order may be of another store: it overrides nothing."""
    for change in entry.changes:
        if not _has_its_hash(change):
            message = f"{path}: entry {entry.number} holds a content of {change.path} that has not the hash it says"
            found.find("wrong_hash", path, message, hint=LOST)
        elif in_order:
            found.wanted[change.path] = (change.hash, entry.number)
        elif ahead:  # entries before it were lost
            found.wanted.setdefault(change.path, (change.hash, entry.number))


def _has_its_hash(change: Change) -> bool:
    try:
        return hash_bytes(change.data()) == change.hash
    except (StoreDamagedError, ValueError, KeyError, TypeError):
        return False


def _believe(found: TenantScan, path: str, entry: Entry, line: bytes) -> None:
    """Take the entry into the state, and into what derived files are compared with."""
    state, index = found.state, found.index
    try:
        state.believe(entry)
    except StoreDamagedError as exc:
        found.broken = True
        found.find("journal_order", path, exc.message, hint=LOST)
        return
    if index is not None and index.anchors.get(entry.number) not in (None, entry.prev):
        found.index_lies = True
    if index is not None and index.number == state.number:
        known = (state.line_hash, state.heads, state.leases)
        found.index_agrees = not found.index_lies and known == (index.line_hash, index.heads, index.leases)
    if not found.torn_tails:
        total = found.sums.setdefault((entry.number - 1) // compaction.PACK_ENTRIES, hashlib.sha256())
        total.update(line + b"\n")


def has_names_beyond(found: TenantScan, number: int) -> bool:
    """May entry `number` have been acknowledged?

    A name that the journal lacks proves it, or a checkpoint or an index that tells of it. Where one of them cannot be
    read, that is not known.
    """
    if found.unlisted or max(found.checkpoint, found.remembered) >= number:
        return True
    return any(parse_snapshot_name(path.rpartition("/")[2]) and path not in found.wanted for path in found.names)
