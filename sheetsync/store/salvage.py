"""What of a damaged journal can be put right, and by what proof. It reads only; `repair.py` writes.

Three sources, in this order: a pack whose line the chain of hashes proves; the damaged bytes and the snapshots' files
(`rebuild.py`); and, for an object in the place of the next entry that never was one, an entry that says so.
"""

from __future__ import annotations

from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store import compaction
from sheetsync.store.backend import JOURNAL, WORK, TenantBackend
from sheetsync.store.compaction import PACKS, parse_pack_name
from sheetsync.store.content import hash_bytes
from sheetsync.store.derived_scan import lines_of_pack
from sheetsync.store.entry import BODY_AT, HEAD, Entry, decode_line, encode_line
from sheetsync.store.journal_scan import first_entry, has_names_beyond, is_one_line
from sheetsync.store.names import EPOCH
from sheetsync.store.rebuild import rebuild_file
from sheetsync.store.segments import segment_name
from sheetsync.store.tenant_scan import TenantScan, read_entry

BROKEN: Final = frozenset({"broken_line", "journal_gap"})
LIKE_AN_ENTRY: Final = (b'"prev":"', b'"snapshots":[')
FILLED_BY: Final = "sheetsync fsck"


def rebuild_lines(found: TenantScan) -> dict[str, bytes]:
    """The journal files with broken lines, with those lines put right that hashes prove."""
    files, torn = set(found.names), {finding.path for finding in found.findings if finding.code == "torn_line"}
    broken = [finding.path for finding in found.findings if finding.code == "broken_line"]
    rebuilt: dict[str, bytes] = {}
    journal = [(first, path) for path in found.journal if (first := first_entry(path)) is not None]
    for (first, path), (_, after) in zip(journal, [*journal, (0, "")][1:], strict=True):
        if path in broken:
            data = rebuild_file(
                found.read(path),
                first,
                found.read(after).split(b"\n", 1)[0] if after else None,
                lambda name: found.read(name) if name in files else None,
                torn=path in torn,
                sharers=len(broken),
            )
            if data is not None:
                rebuilt[path] = data
    return rebuilt


def take_from_packs(found: TenantScan) -> dict[str, bytes]:
    """Objects of entries that are damaged or gone, from packs, where the chain of hashes proves the line.

    Proof is the `prev` of the entry after it. At the journal's end it is that the line goes on upon the entry before,
    and has the sum that the damaged object still tells.
    """
    if found.torn_tails or not BROKEN & {finding.code for finding in found.findings}:
        return {}
    sound = {number for number, (path, _) in found.lines.items() if path == object_path(number)}
    lines = _packed_lines(found.part, sound)
    taken: dict[int, bytes] = {}
    for number in sound:
        taken |= _proved_backwards(found, number, lines)
    if sound:  # at the journal's start nothing of ours is left that could prove a pack
        taken |= _proved_onwards(found, max(sound), lines)
    lost = {object_path(number): line + b"\n" for number, line in taken.items()}
    return {path: line for path, line in lost.items() if path not in found.unreadable}


def object_path(number: int) -> str:
    """Where an entry that is an object of its own stands."""
    return f"{JOURNAL}/{segment_name(number)}"


def _packed_lines(part: TenantBackend, sound: set[int]) -> dict[int, bytes]:
    """The lines of entries that are damaged or gone, by number, as far as the packs that are there have them."""
    lines: dict[int, bytes] = {}
    for path, _ in part.walk(f"{WORK}/{PACKS}"):
        first = parse_pack_name(path.removeprefix(f"{WORK}/"))
        if first is not None and not sound.issuperset(range(first, first + compaction.PACK_ENTRIES)):
            lines |= {number: line for number, line in lines_of_pack(part, first).items() if number not in sound}
    return lines


def _proved_backwards(found: TenantScan, number: int, lines: dict[int, bytes]) -> dict[int, bytes]:
    """The packed lines right before a sound entry, as far as the chain of hashes proves them."""
    taken: dict[int, bytes] = {}
    wanted = read_entry(found, number).prev if number - 1 in lines else ""
    while (entry := _entry_of(lines.get(number - 1), number - 1)) is not None and entry.line_hash == wanted:
        number, wanted = number - 1, entry.prev
        taken[number] = lines[number]
    return taken


def _proved_onwards(found: TenantScan, number: int, lines: dict[int, bytes]) -> dict[int, bytes]:
    """The packed lines right after the last sound entry, as far as they follow on it and damaged objects tell them."""
    taken: dict[int, bytes] = {}
    tip = read_entry(found, number).line_hash
    while (entry := _entry_of(lines.get(number + 1), number + 1)) is not None and entry.prev == tip:
        number, tip = number + 1, entry.line_hash
        if not _has_sum_of(lines[number], found.read(object_path(number))):
            break
        taken[number] = lines[number]
    return taken


def _entry_of(line: bytes | None, number: int) -> Entry | None:
    try:
        entry = decode_line(line or b"")
    except StoreDamagedError:
        return None
    return entry if entry.number == number else None


def _has_sum_of(line: bytes, damaged: bytes) -> bool:
    """Does the damaged object tell the line's sum, as far as it tells any, or have its body?"""
    told = damaged[len(HEAD) : BODY_AT]
    return not damaged.startswith(HEAD) or line[len(HEAD) : BODY_AT] == told or damaged[BODY_AT:-1] == line[BODY_AT:]


def fill_vacant(found: TenantScan) -> dict[str, bytes]:
    """For objects at the journal's end that never were an entry: entries that say so, always the same bytes.

    An object that is no entry holds up every reader and writer. It is not taken away, for a writer could then add the
    entry while we do; an entry without snapshots in its place has the same effect, whoever puts it, and how often.
    Nothing is filled where an entry's object may have been damaged to these bytes, or something else tells of one.
    """
    vacant = _vacant(found)
    if any(map(_tells_of_an_entry, vacant.values())) or any(map(_may_be_left_of_an_entry, vacant.values())):
        return {}
    last = found.state.number
    at = read_entry(found, last).at if last else EPOCH
    prev, filled = found.state.line_hash, {}
    for number, (path, data) in enumerate(vacant.items(), last + 1):
        line = encode_line(
            number=number,
            entry_id=hash_bytes(data)[:16],
            at=at,
            who=FILLED_BY,
            why=f"no entry could be read here: {len(data)} bytes of something else are kept aside",
            prev=prev,
            changes=[],
        )
        filled[path], prev = line + b"\n", hash_bytes(line)
    return filled


def in_doubt(found: TenantScan) -> set[str]:
    """Objects at the journal's end of which nothing tells whether they were entries: one is empty, or holds zeros."""
    vacant = _vacant(found)
    if any(map(_tells_of_an_entry, vacant.values())) or not any(map(_may_be_left_of_an_entry, vacant.values())):
        return set()
    return set(vacant)


def _vacant(found: TenantScan) -> dict[str, bytes]:
    """What stands in the places of the next entries, by path; none of it where something else tells of a commit there.

    That is an entry, a checkpoint or an index beyond it, or a name that only it could have made.
    """
    if found.torn_tails:
        return {}
    last = found.state.number
    paths = [path for path in found.journal if (first_entry(path) or 0) > last]
    if [first_entry(path) for path in paths] != list(range(last + 1, last + 1 + len(paths))):
        return {}
    vacant = {path: found.read(path) for path in paths}
    if any(map(is_one_line, vacant.values())) or max(found.lines, default=0) != last:
        return {}
    return {} if has_names_beyond(found, last + 1) else vacant


def _tells_of_an_entry(data: bytes) -> bool:
    return data.startswith(HEAD) or any(sign in data for sign in LIKE_AN_ENTRY)


def _may_be_left_of_an_entry(data: bytes) -> bool:
    """Is it what a lost write leaves of any bytes: nothing, the first few, or zeros in their place?"""
    return HEAD.startswith(data[: len(HEAD)]) or b"\0" in data
