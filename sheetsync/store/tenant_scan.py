"""What one tenant's raw files say: the scan as a value, and each file outside the journal looked at.

The journal's lines are `journal_scan.py`, the work folder's derived files `derived_scan.py`. All of it reads only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from sheetsync.errors import TryLaterError
from sheetsync.store.backend import JOURNAL, TenantBackend
from sheetsync.store.content import hash_bytes
from sheetsync.store.entry import Change, Entry, decode_line
from sheetsync.store.filesystem import UNREADABLE
from sheetsync.store.findings import Finding
from sheetsync.store.names import DERIVED_NAME, VERBATIM_CAPITALS, parse_snapshot_name
from sheetsync.store.recovery import is_snapshot_path
from sheetsync.store.state import JournalState

if TYPE_CHECKING:
    import hashlib

FROM_JOURNAL: Final = "run 'sheetsync fsck --repair': the journal has its content"
AFTER_ORDER: Final = (
    "first put the journal in order, then run 'sheetsync fsck --repair': lines that do not follow on each other may be "
    "another store's"
)
MAY_BE_READ: Final = "check the disk, and the file's mode; in a bucket, whether the object was archived, and its rights"
LOST: Final = "restore the journal's files from a copy of the store ('sheetsync store copy'); the snapshots are there"


@dataclass(slots=True)
class TenantScan:
    """What one tenant's raw files say.

    Attributes:
        torn_tails: as in `Traits`: may the journal end in a torn line?
        wanted: a snapshot's path → (its hash, its entry's number).
        lines: an entry's number → (its journal file, the line's index in it).
        names: the files outside the journal.
        unlisted: is it not known what is in some folder, or what the checkpoint or the index tells?
        journal: the journal's files.
        state: the journal's state as far as it is sound.
        checkpoint: the entry that the checkpoint tells of, 0 if there is none.
        remembered: the entry that an index with a right checksum tells of, at its place or not.
        index: the state that the derived index remembers, None where no reader would believe it.
        index_agrees: it is the state that the journal had then.
        broken: is the journal damaged?
        disordered: does a whole line not follow on a whole one? Then either may be another store's, and no name is put
            from the journal.
        rebuilt: journal files as they were written, where that is proved.
        damaged: journal files with findings, as they were when those were found.
        sums: a pack's number, from 0 → the hash over the entries it should hold, as far as they were read.
    """

    tenant: str
    part: TenantBackend
    torn_tails: bool
    findings: list[Finding] = field(default_factory=list)
    wanted: dict[str, tuple[str, int]] = field(default_factory=dict)
    lines: dict[int, tuple[str, int]] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    unlisted: bool = False
    journal: list[str] = field(default_factory=list)
    state: JournalState = field(default_factory=lambda: JournalState(""))
    checkpoint: int = 0
    remembered: int = 0
    index: JournalState | None = None
    index_agrees: bool = False
    index_lies: bool = False
    unreadable: set[str] = field(default_factory=set)
    broken: bool = False
    disordered: bool = False
    rebuilt: dict[str, bytes] = field(default_factory=dict)
    damaged: dict[str, bytes] = field(default_factory=dict)
    sums: dict[int, hashlib._Hash] = field(default_factory=dict)

    def read(self, path: str) -> bytes:
        """A file's bytes, none if it cannot be read."""
        if path in self.rebuilt:
            return self.rebuilt[path]
        try:
            return self.part.read(path) or b""
        except OSError as exc:
            if exc.errno not in UNREADABLE:
                raise
            self.broken = self.broken or path.startswith(f"{JOURNAL}/")
            if path not in self.unreadable:
                message = f"{path} cannot be read: {exc.strerror}"
                self.find("unreadable", path, message, hint=MAY_BE_READ)
            self.unreadable.add(path)
            return b""

    @property
    def index_misleads(self) -> bool:
        """Would a reader believe the index, though the journal says something else?"""
        known = self.index is not None and (not self.broken or self.index.number <= self.state.number)
        return known and not self.index_agrees

    @property
    def from_journal(self) -> str:
        """What helps a snapshot whose content the journal has."""
        return AFTER_ORDER if self.disordered else FROM_JOURNAL

    def find(self, code: str, path: str, message: str, *, damage: bool = True, hint: str = "") -> None:
        """Note a finding."""
        self.findings.append(Finding(code, self.tenant, path, message, damage=damage, hint=hint))


class EntryReader:
    """Reads entries of whole lines that the scan saw. The file and the entry that were read last are kept."""

    def __init__(self, found: TenantScan) -> None:
        self._found = found
        self._file: tuple[str, list[bytes]] = ("", [])
        self._entry: tuple[Entry, dict[str, Change]] | None = None

    def entry(self, number: int) -> Entry:
        """The entry of this number."""
        return self._read(number)[0]

    def change(self, number: int, path: str) -> Change | None:
        """The entry's snapshot of this path, None if it holds none."""
        return self._read(number)[1].get(path)

    def _read(self, number: int) -> tuple[Entry, dict[str, Change]]:
        if self._entry is None or self._entry[0].number != number:
            path, index = self._found.lines[number]
            entry = decode_line(self._lines(path)[index])
            self._entry = (entry, {change.path: change for change in reversed(entry.changes)})
        return self._entry

    def _lines(self, path: str) -> list[bytes]:
        if self._file[0] != path:
            data = self._found.read(path)
            if path in self._found.unreadable:
                raise TryLaterError(f"{path} could be read a moment ago, and cannot any more", hint=MAY_BE_READ)
            self._file = (path, data.split(b"\n"))
        return self._file[1]


def read_entry(found: TenantScan, number: int) -> Entry:
    """One entry of a whole line that the scan saw."""
    return EntryReader(found).entry(number)


def explain_stranger(path: str, kind: str) -> tuple[str, str, str]:
    """(code, path, message) of what stands where a file or a folder of the store should."""
    if kind == "link":
        return "link", path, f"{path} is a symbolic link; it is not followed"
    if kind == "unreadable":
        return "unreadable", path, f"what is in {path or 'the folder'} cannot be listed"
    if kind == "other":
        return "link", path, f"{path} is a special file; it is not read"
    return "foreign", path, f"{path} is a {kind} that is not of the store"


def scan_files(found: TenantScan, files: list[tuple[str, str]]) -> None:
    """All that stands outside the journal, with its kind, and what should and does not. After the journal's scan."""
    if not found.lines and any(is_snapshot_path(path) for path, _ in files):
        found.broken = True
        found.find("journal_gap", JOURNAL, "the journal is gone, but snapshots are there", hint=LOST)
    before, looked = len(found.findings), FileScan(found)
    for path, kind in sorted(files, key=lambda item: found.wanted.get(item[0], ("", 0))[1]):  # each entry is read once
        if kind == "file":
            looked.scan_file(path)
            continue
        hint = f"move it elsewhere, then {found.from_journal}" if path in found.wanted else "move it elsewhere"
        found.find(*explain_stranger(path, kind), hint=hint)
    place = {path: index for index, (path, _) in enumerate(files)}
    found.findings[before:] = sorted(found.findings[before:], key=lambda finding: place[finding.path])
    unseen = tuple(f"{path}/".lstrip("/") for path, kind in files if kind == "unreadable")
    for path, (_, number) in found.wanted.items():
        if path not in place and not path.startswith(unseen):
            found.find("missing", path, f"{path} of entry {number} is missing", hint=found.from_journal)


def mark_recoverable(found: TenantScan) -> None:
    """What the journal has, or the next save puts right, is recoverable."""
    found.findings = [
        replace(finding, recoverable=True)
        if (finding.path in found.wanted and not found.disordered)
        or finding.code == "torn_line"
        or (finding.code == "index" and finding.damage)
        else finding
        for finding in found.findings
    ]


class FileScan:
    """Looks at files outside the journal, one after the other."""

    def __init__(self, found: TenantScan) -> None:
        self._found, self._entries = found, EntryReader(found)
        self._of_hash: dict[str, str] = {}  # the first path that should have it
        for path, (wanted, _) in found.wanted.items():
            self._of_hash.setdefault(wanted, path)

    def scan_file(self, path: str) -> None:
        """One file: a snapshot with its right bytes, a derived file, or something foreign."""
        found, filename = self._found, path.rpartition("/")[2]
        known = found.wanted.get(path)
        if known is None:
            if filename == DERIVED_NAME and path.split("/", maxsplit=1)[0] in VERBATIM_CAPITALS:
                return
            if parse_snapshot_name(filename) is None:
                found.find("foreign", path, f"{path} is not a file of the store", hint="move it elsewhere")
                return
            self._explain_unknown(path, hash_bytes(found.read(path)))
            return
        data = found.read(path)
        if path not in found.unreadable and hash_bytes(data) != known[0]:
            code, what = self._explain_changed(path, data)
            found.find(code, path, f"{path} {what}", hint=found.from_journal)

    def _explain_unknown(self, path: str, hash_hex: str) -> None:
        found, twin = self._found, self._of_hash.get(hash_hex)
        if twin is not None:
            hint = "move it elsewhere; 'fsck --repair' puts the right name in place"
            found.find("misnamed", path, f"{path} has the content of {twin}: it is misnamed, or a copy", hint=hint)
            return
        message = f"{path} is called like a snapshot, but no journal entry holds it"
        if found.broken:
            hint = "if it was saved here, the journal lost its entry: restore the journal from a copy"
            found.find("lost_commit", path, message, hint=hint)
            return
        hint = "in a copy that was made while somebody saved, move it elsewhere; "
        hint += "if it was saved here, the journal lost its entry: restore the journal from a copy"
        found.find("foreign", path, message, hint=hint)

    def _explain_changed(self, path: str, data: bytes) -> tuple[str, str]:
        change = self._entries.change(self._found.wanted[path][1], path)
        right = change.data() if change is not None else b""
        if len(data) < len(right) and right.startswith(data):
            return "truncated", f"is cut: {len(data)} of {len(right)} bytes"
        twin = self._of_hash.get(hash_bytes(data))
        if twin is not None:
            return "swapped", f"has the content of {twin}"
        flipped = sum(a != b for a, b in zip(data, right, strict=False)) + abs(len(data) - len(right))
        differ = "1 byte differs" if flipped == 1 else f"{flipped} bytes differ"
        return "changed", f"was changed: {differ} from what was saved"
