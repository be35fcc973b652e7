"""`fsck`: looks at a store's raw files, before any recovery, and says what is wrong with each and what can be done.

It reads only. `repair.py` adds what is missing and replaces what is damaged, from the journal; nothing is ever deleted.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from typing import Final

import orjson

from sheetsync.errors import NotFoundError, SheetSyncError, StoreDamagedError
from sheetsync.store.backend import JOURNAL, Backend, TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import FIRST_PREV, Change, Entry, decode_line, is_whole
from sheetsync.store.findings import Finding
from sheetsync.store.media import parse_format
from sheetsync.store.names import VERBATIM_CAPITALS, parse_snapshot_name
from sheetsync.store.rebuild import rebuild_file, was_written_whole
from sheetsync.store.recovery import CHECKPOINT, is_snapshot_path
from sheetsync.store.segments import parse_segment_name
from sheetsync.store.state import JournalState

DERIVED_NAME: Final = "index.json"
REBUILT: Final = (
    "recoverable from the snapshots' files and proved by the journal's hashes: run 'sheetsync fsck --repair'"
)
UNSETTLED: Final = frozenset({"missing", "torn_line", "broken_line", "journal_gap", "journal_order", "lost_commit"})
LOOKS: Final = 4  # where writers cannot be kept out for a moment
LOOK_AGAIN_S: Final = 0.2
FROM_JOURNAL: Final = "run 'sheetsync fsck --repair': the journal has its content"


@dataclass(slots=True)
class TenantScan:
    """What one tenant's raw files say."""

    tenant: str
    part: TenantBackend
    findings: list[Finding] = field(default_factory=list)
    wanted: dict[str, tuple[str, int]] = field(default_factory=dict)  # path → (hash, entry's number)
    lines: dict[int, tuple[str, int]] = field(default_factory=dict)  # entry's number → (journal file, line in it)
    names: list[str] = field(default_factory=list)  # files outside the journal
    checkpoint: int = 0
    broken: bool = False
    rebuilt: dict[str, bytes] = field(default_factory=dict)  # journal files as they were written, where that is proved

    def read(self, path: str) -> bytes:
        """A file's bytes, none if it cannot be read."""
        return self.rebuilt[path] if path in self.rebuilt else self.part.read(path) or b""

    def find(self, code: str, path: str, message: str, *, damage: bool = True, hint: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(code, self.tenant, path, message, damage=damage, hint=hint))


def scan(backend: Backend) -> tuple[str, list[TenantScan]]:
    """(store id, the tenants' scans). The store's own findings stand in a scan of tenant "".

    Raises:
        NotFoundError: there is no store.
        NewerFormatError: a newer version wrote the store: nothing more is known about it.
    """
    store, store_id = TenantScan("", backend.open_tenant("")), ""
    data = backend.read_format()
    if data is None and not backend.folders():
        raise NotFoundError(f"there is no store at '{backend.url}'", hint="run 'sheetsync init'")
    try:
        store_id = parse_format(data or b"")
    except StoreDamagedError as exc:
        what = "FORMAT is missing" if data is None else exc.message
        store.find("format", "FORMAT", what, hint="restore the file from a copy of the store")
    for name, kind in backend.strangers():
        store.find(*_stranger(name, kind), hint="move it elsewhere")
    looks = 1 if backend.traits.lasting_leases else LOOKS
    parts = ((name, backend.open_tenant(name)) for name in backend.folders())
    return store_id, [store, *(scan_tenant(name, part, looks=looks) for name, part in parts)]


def scan_tenant(tenant: str, part: TenantBackend, *, looks: int = 1) -> TenantScan:
    """All findings of one tenant, beside writers who are at work: what they were about to finish is no finding.

    Where no lock keeps them out for a moment, what is missing is looked for several times.
    """
    found = _scan(tenant, part, {})
    codes = {finding.code for finding in found.findings}
    if codes & UNSETTLED:
        with _no_writers(part):
            if codes & (UNSETTLED - {"missing"}):
                found = _scan(tenant, part, {})
            for look in range(looks):
                if look and any(finding.code == "missing" for finding in found.findings):
                    time.sleep(LOOK_AGAIN_S)
                found.findings = [finding for finding in found.findings if not _is_placed_now(found, finding)]
    return _with_rebuilt(found)


def scan_alone(tenant: str, part: TenantBackend) -> TenantScan:
    """The same under `exclusive`, where nobody else writes."""
    return _with_rebuilt(_scan(tenant, part, {}))


@contextmanager
def _no_writers(part: TenantBackend) -> Iterator[None]:
    """The writers' lock, if it can be had."""
    with ExitStack() as stack:
        with suppress(OSError, SheetSyncError):  # there is no journal, or a writer was stopped
            stack.enter_context(part.exclusive())
        yield


def _is_placed_now(found: TenantScan, finding: Finding) -> bool:
    """Was it missing only because its writer had not come to it?"""
    return finding.code == "missing" and hash_bytes(found.read(finding.path)) == found.wanted[finding.path][0]


def _with_rebuilt(found: TenantScan) -> TenantScan:
    """Where journal lines can be rebuilt, what that would put right is recoverable."""
    if found.broken and (rebuilt := _rebuild(found)):
        left = set(_scan(found.tenant, found.part, rebuilt).findings)
        found.findings = [
            finding if finding in left else replace(finding, recoverable=True, hint=REBUILT)
            for finding in found.findings
        ]
        found.rebuilt = rebuilt
    return found


def _rebuild(found: TenantScan) -> dict[str, bytes]:
    """The journal files with broken lines, with those lines put right that hashes prove."""
    files, paths = set(found.names), sorted(path for path, kind in found.part.walk(JOURNAL) if kind == "file")
    broken = {finding.path for finding in found.findings if finding.code == "broken_line"}
    torn = {finding.path for finding in found.findings if finding.code == "torn_line"}
    rebuilt: dict[str, bytes] = {}
    for path, after in zip(paths, [*paths, ""][1:], strict=True):
        first = parse_segment_name(path.rpartition("/")[2])
        if path in broken and first is not None:
            following = found.read(after).split(b"\n", 1)[0] if after else None
            data = rebuild_file(
                found.read(path),
                first,
                following,
                lambda name: found.read(name) if name in files else None,
                torn=path in torn,
            )
            if data is not None:
                rebuilt[path] = data
    return rebuilt


def _scan(tenant: str, part: TenantBackend, rebuilt: dict[str, bytes]) -> TenantScan:
    """Files first, then the journal, which had their names before: a name it lacks was never committed."""
    found = TenantScan(tenant, part, rebuilt=rebuilt)
    found.checkpoint = _read_checkpoint(part)
    files = sorted(item for item in part.walk() if not item[0].startswith(f"{JOURNAL}/"))
    journal = sorted(part.walk(JOURNAL))
    found.names = [path for path, kind in files if kind == "file"]
    _scan_journal(found, [path for path, kind in journal if kind == "file"])
    if not found.lines and any(is_snapshot_path(path) for path, _ in files):
        found.broken = True
        found.find("journal_gap", JOURNAL, "the journal is gone, but snapshots are there", hint=_LOST)
    for path, kind in [*journal, *files]:
        if kind != "file":
            hint = f"move it elsewhere, then {FROM_JOURNAL}" if path in found.wanted else "move it elsewhere"
            found.find(*_stranger(path, kind), hint=hint)
        elif not path.startswith(f"{JOURNAL}/"):
            _scan_file(found, path)
    there = {path for path, _ in files}
    for path, (_, number) in found.wanted.items():
        if path not in there:
            found.find("missing", path, f"{path} of entry {number} is missing", hint=FROM_JOURNAL)
    _scan_checkpoint(found)
    found.findings = [
        replace(finding, recoverable=finding.path in found.wanted or finding.code == "torn_line")
        for finding in found.findings
    ]
    return found


def _scan_journal(found: TenantScan, paths: list[str]) -> None:
    """Every line of every journal file: whole, in order, chained."""
    state, expected = JournalState(found.tenant), 1
    for index, path in enumerate(paths):
        first = parse_segment_name(path.rpartition("/")[2])
        if first is None:
            found.find("foreign", path, f"{path} is no journal file")
            continue
        if first != expected:
            found.broken = True
            found.find(
                "journal_gap", path, f"{path} begins with entry {first}, but entry {expected} is missing", hint=_LOST
            )
        expected = _scan_lines(found, path, first, state, last=index == len(paths) - 1)


def _stranger(path: str, kind: str) -> tuple[str, str, str]:
    """(code, path, message) of what stands where a file or a folder of the store should."""
    if kind == "link":
        return "link", path, f"{path} is a symbolic link; it is not followed"
    if kind == "other":
        return "link", path, f"{path} is a special file; it is not read"
    return "foreign", path, f"{path} is a {kind} that is not of the store"


_LOST: Final = "restore the journal's files from a copy of the store ('sheetsync store copy'); the snapshots are there"


def _scan_lines(found: TenantScan, path: str, first: int, state: JournalState, *, last: bool) -> int:
    """One journal file; the number of the entry that should come after it."""
    pieces = found.read(path).split(b"\n")
    whole = [is_whole(piece) for piece in pieces[:-1]] + [False]
    number, prev = first, None
    for index, piece in enumerate(pieces):
        if whole[index]:
            number, prev = _scan_entry(found, path, index, piece, number, prev, state)
        elif piece or index < len(pieces) - 1:
            rest = b"\n".join(pieces[index:])
            torn = last and not any(whole[index:]) and not _names_beyond(found, number)
            if torn and not was_written_whole(rest):
                message = f"{path}: a line after entry {number - 1} is torn; it was never acknowledged"
                found.find("torn_line", path, message, damage=False, hint="the next save cuts it and keeps its bytes")
                break
            found.broken, prev = True, None
            hint = f"restore {found.tenant}/{path} from a copy of the store that has entry {number}; the rest is there"
            found.find("broken_line", path, f"{path}: the line of entry {number} is broken", hint=hint)
            if not any(whole[index:]):
                break
            number += 1
    return number


def _scan_entry(
    found: TenantScan, path: str, index: int, line: bytes, number: int, prev: str | None, state: JournalState
) -> tuple[int, str]:
    """One whole line; (the next number, its hash)."""
    try:
        entry = decode_line(line)
    except StoreDamagedError as exc:
        found.broken = True
        found.find("journal_order", path, f"{path}: entry {number}: {exc.message}", hint=_LOST)
        return number + 1, hash_bytes(line)
    chained = entry.prev == (prev if prev is not None else state.line_hash or FIRST_PREV)
    if entry.number != number or (not chained and not found.broken):
        found.broken = True
        message = f"{path}: entry {entry.number} stands where {number} should follow, or not upon the one before"
        found.find("journal_order", path, message, hint=_LOST)
    elif not found.broken:
        _believe(found, path, entry, state)
    found.lines[entry.number] = (path, index)
    for change in entry.changes:
        if _has_its_hash(change):
            found.wanted[change.path] = (change.hash, entry.number)
        else:
            message = f"{path}: entry {number} holds a content of {change.path} that has not the hash it says"
            found.find("wrong_hash", path, message, hint=_LOST)
    return entry.number + 1, entry.line_hash


def _has_its_hash(change: Change) -> bool:
    try:
        return hash_bytes(change.data()) == change.hash
    except (ValueError, KeyError, TypeError):
        return False


def _believe(found: TenantScan, path: str, entry: Entry, state: JournalState) -> None:
    try:
        state.believe(entry)
    except StoreDamagedError as exc:
        found.broken = True
        found.find("journal_order", path, exc.message, hint=_LOST)


def _names_beyond(found: TenantScan, number: int) -> bool:
    """Is there proof that entry `number` was acknowledged: a name that the journal lacks, or a checkpoint beyond it?"""
    if found.checkpoint >= number:
        return True
    return any(parse_snapshot_name(path.rpartition("/")[2]) and path not in found.wanted for path in found.names)


def _scan_file(found: TenantScan, path: str) -> None:
    """One file outside the journal: a snapshot with its right bytes, a derived file, or something foreign."""
    filename = path.rpartition("/")[2]
    known = found.wanted.get(path)
    if known is None:
        if filename == DERIVED_NAME and path.split("/", maxsplit=1)[0] in VERBATIM_CAPITALS:
            return
        if parse_snapshot_name(filename) is None:
            found.find("foreign", path, f"{path} is not a file of the store", hint="move it elsewhere")
            return
        hash_hex = hash_bytes(found.read(path))
        _explain_unknown(found, path, hash_hex)
        return
    data = found.read(path)
    if hash_bytes(data) != known[0]:
        code, what = _explain_changed(found, path, data)
        found.find(code, path, f"{path} {what}", hint=FROM_JOURNAL)


def _explain_unknown(found: TenantScan, path: str, hash_hex: str) -> None:
    twins = [other for other, (wanted, _) in found.wanted.items() if wanted == hash_hex]
    if twins:
        message = f"{path} has the content of {twins[0]}: it is misnamed, or a copy"
        found.find("misnamed", path, message, hint="move it elsewhere; 'fsck --repair' puts the right name in place")
        return
    message = f"{path} is called like a snapshot, but no journal entry holds it"
    hint = "if it was saved here, the journal lost its entry: restore the journal from a copy"
    found.find("lost_commit" if found.broken else "foreign", path, message, hint=hint)


def _explain_changed(found: TenantScan, path: str, data: bytes) -> tuple[str, str]:
    number = found.wanted[path][1]
    right = next((change.data() for change in read_entry(found, number).changes if change.path == path), b"")
    if len(data) < len(right) and right.startswith(data):
        return "truncated", f"is cut: {len(data)} of {len(right)} bytes"
    hash_hex = hash_bytes(data)
    for other, (wanted, _) in found.wanted.items():
        if wanted == hash_hex and other != path:
            return "swapped", f"has the content of {other}"
    flipped = sum(a != b for a, b in zip(data, right, strict=False)) + abs(len(data) - len(right))
    return "changed", f"was changed: {flipped} byte{'s' * (flipped != 1)} differ from what was saved"


def _read_checkpoint(part: TenantBackend) -> int:
    try:
        return int(orjson.loads(part.read_work(CHECKPOINT) or b'{"upto":0}')["upto"])
    except (ValueError, KeyError, TypeError):
        return 0


def _scan_checkpoint(found: TenantScan) -> None:
    """The checkpoint knows how far the journal went at least."""
    upto, last = found.checkpoint, max(found.lines, default=0)
    if upto > last:
        found.broken = True
        found.find("journal_gap", JOURNAL, f"the journal ends at entry {last}, but entry {upto} was there", hint=_LOST)


def read_entry(found: TenantScan, number: int) -> Entry:
    """The entry of a whole line that the scan saw."""
    path, index = found.lines[number]
    return decode_line(found.read(path).split(b"\n")[index])


def repairable(found: TenantScan) -> Iterator[tuple[Finding, int]]:
    """Findings that the journal can put right, with their entry's number."""
    for finding in found.findings:
        if finding.path in found.wanted and finding.code in ("missing", "truncated", "changed", "swapped"):
            yield finding, found.wanted[finding.path][1]
