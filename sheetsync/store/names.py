"""Where a record lives: record ids, how their parts become path parts, and the names of snapshots.

Everything here is pure text. A part is hostile until `RecordId` has checked it; what cannot be written as it is on
every file system is written with `%xx`, which no part can hold by itself, so that encoding and decoding are inverse.

Source: design.md section 3, S3 and S7; docs/store-format.md "Names".
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

from sheetsync.domain.tenants import TENANT_FORM
from sheetsync.errors import InvalidIdError

MAX_PART: Final = 128
MAX_KEY: Final = 700  # with a tenant, a snapshot's name and some folder: within the 1,024 bytes of a bucket's key
SNAPSHOT_TAIL: Final = 50  # at most: two dashes, a stamp, two dashes, eight digits of the hash, a suffix
MAX_ENCODED_PART: Final = 200  # leaves room for --<stamp>--<hash8><suffix> in the 255 bytes of a file name
LAST_ENCODED: Final = 0xFF  # `%` and two digits say no more; records' parts are ASCII
PLAIN: Final = re.compile(r"[a-z0-9_](?:-?[a-z0-9._@+])*-?", re.ASCII)
DEVICE: Final = re.compile(r"(?i)(con|prn|aux|nul|com[0-9]|lpt[0-9]|conin\$|conout\$|clock\$)(\..*)?", re.ASCII)
PRINTABLE: Final = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?", re.ASCII)
SUFFIX_FORM: Final = re.compile(r"(\.[A-Za-z0-9]{1,15})?", re.ASCII)
RECORD_NAME_FORM: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}", re.ASCII)
SNAPSHOT_NAME: Final = re.compile(
    r"(?P<name>.+)--(?P<stamp>\d{4}-\d\d-\d\dT\d\d-\d\d-\d\dZ)--(?P<hash8>[0-9a-f]{8})(?P<suffix>\.[A-Za-z0-9]{1,15}|)",
    re.ASCII,
)
EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
VERBATIM_CAPITALS: Final = frozenset({"providers", "selections"})  # the island's layout keeps its files' own names
DERIVED_NAME: Final = "index.json"  # in the island's folders, beside the records
TENANT_BESIDE: Final = "format"  # where case makes no difference, this tenant's folder would be the file FORMAT
RESERVED: Final = frozenset({"journal", "lost+found"})  # the latter is the file system's; `.store` starts with a dot


@lru_cache(maxsize=65536)
def _find_fault(part: str) -> str:
    """What is wrong with a part of a record's path; nothing in most cases."""
    if not part or len(part) > MAX_PART:
        return f"is empty or longer than {MAX_PART} characters"
    if not PRINTABLE.fullmatch(part) or "/" in part or "\\" in part:
        return "holds a character that is not allowed in a name"
    return "starts with a dot" if part.startswith(".") else ""


@lru_cache(maxsize=65536)
def encode_part(part: str, *, capitals: bool = False) -> str:
    """The part as a folder or file name; with `capitals` they stay as they are.

    Lower-case letters, digits and `._@+-` stay; anything else is `%` and two lower-case hex digits, and so are the
    second of two dashes, a dash in front, a dot at the end, and the last letter of a device's name (`co%6e`).
    """
    if PLAIN.fullmatch(part) and not part.endswith(".") and not DEVICE.fullmatch(part):
        return part
    out: list[str] = []
    for index, char in enumerate(part):
        plain = ("a" <= char <= "z") or ("0" <= char <= "9") or char in "._@+-" or (capitals and "A" <= char <= "Z")
        dash = char == "-" and (index == 0 or out[-1] == "-")
        dot_at_end = char == "." and index == len(part) - 1
        out.append(char if plain and not dash and not dot_at_end else f"%{ord(char):02x}")
    if device := DEVICE.fullmatch(part):
        last = len(device[1]) - 1
        out[last] = f"%{ord(part[last]):02x}"
    encoded = "".join(out)
    if len(encoded) > MAX_ENCODED_PART:
        raise InvalidIdError(f"{part[:60]!r} is too long to be written as a file name", hint="use a shorter name")
    return encoded


@lru_cache(maxsize=65536)
def decode_part(encoded: str) -> str:
    """The inverse of `encode_part`."""
    if "%" not in encoded:
        return encoded
    return re.sub(r"%([0-9a-f]{2})", lambda match: chr(int(match[1], 16)), encoded)


@dataclass(frozen=True, slots=True, order=True)
class RecordId:
    """A record: `<store>/<tenant>/<folder…>/<name>--<stamp>--<hash8><suffix>`, every part still as people write it.

    Raises:
        InvalidIdError: a part could lead outside its folder, look like another, or is no name at all.
    """

    tenant: str
    folder: tuple[str, ...]
    name: str

    def __post_init__(self) -> None:
        check_tenant(self.tenant)
        try:
            for part in self.folder:
                if fault := _find_fault(part):
                    raise InvalidIdError(f"folder {part[:60]!a} {fault}")
            if not self.folder or self.folder[0] in RESERVED:
                raise InvalidIdError(f"{'/'.join(self.folder)[:80]!r} is not a folder of records")
            if fault := _find_fault(self.name):
                raise InvalidIdError(f"name {self.name[:60]!a} {fault}")
        except TypeError as exc:
            raise InvalidIdError(f"{ascii((*self.folder, self.name))[:80]} holds a part that is no text") from exc


@lru_cache(maxsize=1024)
def _is_tenant(text: str) -> bool:
    return TENANT_FORM.fullmatch(text) is not None


def check_tenant(tenant: str) -> str:
    """The tenant itself.

    Raises:
        InvalidIdError: it is not of the form.
    """
    if not isinstance(tenant, str) or not _is_tenant(tenant):
        raise InvalidIdError(f"tenant {ascii(tenant)[:80]} is not of the form [a-z0-9][a-z0-9-]{{0,62}}")
    return tenant


def check_record_name(name: str) -> str:
    """A name that people give a record through `VersionedStore`.

    Raises:
        InvalidIdError: it is not of the form, or holds `--`.
    """
    if not isinstance(name, str) or not RECORD_NAME_FORM.fullmatch(name) or "--" in name:
        raise InvalidIdError(
            f"{ascii(name)[:80]} is not a record's name",
            hint="use [A-Za-z0-9][A-Za-z0-9._@+-]{0,127}, without '--'",
        )
    return name


def check_lease_name(name: str) -> None:
    """Refuse what `encode_part` could not write so that it reads back: then no operator could break the lease.

    Raises:
        InvalidIdError: a character of it is beyond Latin-1.
    """
    if any(ord(char) > LAST_ENCODED for char in name):
        raise InvalidIdError(f"{ascii(name)[:80]} is not a lease's name", hint="use letters, digits, and '._@+-'")


@lru_cache(maxsize=4096)
def encode_folder(folder: tuple[str, ...], name: str | None = None) -> str:
    """The folder's path below the tenant.

    Capitals stay in the island's folders and in a record's own folder (its last part, if it is called like the record);
    two that differ only in case are refused when the second is saved. Elsewhere, and for spreadsheets, they are
    encoded.
    """
    keep_all = folder[0] in VERBATIM_CAPITALS
    last = len(folder) - 1
    own = name is not None and folder[0] != "sync_baselines"
    parts = [
        encode_part(part, capitals=keep_all or (own and index == last and part == name))
        for index, part in enumerate(folder)
    ]
    return "/".join(parts)


def encode_record(record: RecordId) -> str:
    """The record's key: its folder's path below the tenant, `/`, and its encoded name."""
    folder, own = record.folder, record.folder[0] != "sync_baselines"
    name = encode_part(record.name, capitals=own)
    if own and len(folder) > 1 and folder[-1] == record.name:  # most records: their own folder is called like them
        return f"{encode_folder(folder[:-1])}/{name}/{name}"
    return f"{encode_folder(folder, record.name)}/{name}"


def check_new_key(key: str, room: int = MAX_KEY) -> None:
    """A new record's key must have room on every medium: a store can be copied from each to each.

    Args:
        key: the record's.
        room: what this medium has.

    Raises:
        InvalidIdError: it is too long, or its folder would be the journal's where case makes no difference, or stand
            where the island's derived file does.
    """
    if len(key) > min(room, MAX_KEY):
        raise InvalidIdError(f"'{key[:60]}…' is too long: a record's path has at most {min(room, MAX_KEY)} characters")
    kind, *folders = key.lower().split("/")[:-1]
    if kind in VERBATIM_CAPITALS and DERIVED_NAME in folders:
        raise InvalidIdError(f"'{key[:60]}' would stand where {DERIVED_NAME} does", hint="choose another name")
    if kind in RESERVED:
        raise InvalidIdError(f"'{key[:60]}' differs only in case from the journal's folder", hint="choose another name")


def decode_record(tenant: str, key: str) -> RecordId:
    """The record of a key that `encode_record` made; its parts were checked then, and are not again."""
    *folder, name = (decode_part(part) for part in key.split("/")) if "%" in key else key.split("/")
    record = object.__new__(RecordId)
    for field, value in (("tenant", tenant), ("folder", tuple(folder)), ("name", name)):
        object.__setattr__(record, field, value)
    return record


def encode_tenant(tenant: str) -> str:
    """The tenant's folder; a name that some disks cannot have or tell apart is written as a device's (`co%6e`)."""
    encoded = encode_part(check_tenant(tenant))
    return f"{encoded[:-1]}%{ord(encoded[-1]):02x}" if encoded == TENANT_BESIDE else encoded


@lru_cache(maxsize=1024)  # a transaction gives most of its records the same one
def format_stamp(seconds: int) -> str:
    """Seconds since 1970 as `2026-01-07T12-00-00Z`."""
    return (EPOCH + timedelta(seconds=seconds)).isoformat()[:19].replace(":", "-") + "Z"


def parse_stamp(text: str) -> int:
    """The inverse of `format_stamp`; ValueError if there is no such time."""
    moment = datetime.fromisoformat(f"{text[:13]}:{text[14:16]}:{text[17:19]}+00:00")
    return (moment - EPOCH) // timedelta(seconds=1)


def snapshot_filename(encoded_name: str, stamp: int, hash_hex: str, suffix: str) -> str:
    """`<name>--<stamp>--<hash8><suffix>`."""
    return f"{encoded_name}--{format_stamp(stamp)}--{hash_hex[:8]}{suffix}"


@dataclass(frozen=True, slots=True)
class SnapshotName:
    """The parts of a snapshot's file name; `name` still encoded."""

    name: str
    stamp: int
    hash8: str
    suffix: str


def parse_snapshot_name(filename: str) -> SnapshotName | None:
    """The parts of a file name, or None if it is not one of a snapshot."""
    match = SNAPSHOT_NAME.fullmatch(filename)
    if match is None:
        return None
    try:
        return SnapshotName(match["name"], parse_stamp(match["stamp"]), match["hash8"], match["suffix"])
    except ValueError:
        return None
