"""Where a copy may go: somewhere that is not the store itself, and where nothing stands but an unfinished copy of it.

What lives here: looking at the destination, and refusing it. What does not: writing there (`copying.py`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from sheetsync.errors import DestinationError
from sheetsync.store.address import expanded, parse_address
from sheetsync.store.backend import FORMAT_FILE, Backend
from sheetsync.store.findings import Finding
from sheetsync.store.fsck import scan_raw
from sheetsync.store.mounts import origin, origins, read_mounts
from sheetsync.store.tenant_scan import TenantScan, read_entry

FRESH: Final = "choose an empty folder or prefix"
ELSEWHERE: Final = "choose a place that is neither in the store nor above it"
# What is left of a copy that was interrupted; a power cut may leave zeros in a file that was not durable yet, and a
# failed fsync its note.
INTERRUPTED: Final = frozenset({"missing", "torn_line", "truncated", "changed", "doubt"})
SHOWN: Final = 3
FAMILIES: Final = {"s3a": "s3", "azure": "az", "abfs": "az", "abfss": "az"}  # schemes of the same buckets


class Place(NamedTuple):
    """An address as far as it tells where things are: two are comparable if all but the parts are equal."""

    kind: str
    bucket: str
    parts: tuple[str, ...]

    def is_within(self, other: Place) -> bool:
        """Is it the other place, or below it?"""
        return self[:2] == other[:2] and self.parts[: len(other.parts)] == other.parts


def place_of(url: str | Path) -> Place | None:
    """Where an address leads; None for a nameless `memory://`, which is another place each time.

    Raises:
        UsageError: it is no store's address.
        DestinationError: it is a folder's path that leads nowhere.
    """
    found = parse_address(url)
    if found.folder is not None:
        try:
            return None if "\0" in str(found.folder) else Place("folder", "", expanded(found.folder).resolve().parts)
        except (OSError, RuntimeError) as exc:  # a loop of links; a relative path, and the present folder is gone
            raise DestinationError(
                f"'{found.folder}' leads nowhere ({exc})", hint="use a folder's whole path"
            ) from None
    if not found.rest:
        return None
    bucket, _, below = found.rest.partition("/")
    if found.scheme != "memory":
        bucket = bucket.partition("@")[0].lower()  # container@account: an account may also come from the environment
    return Place(FAMILIES.get(found.scheme, found.scheme), bucket, tuple(below.split("/")) if below else ())


def check_apart(source: str | Path, destination: str | Path) -> None:
    """Refuse a copy into the store, or to above it: it would be a stranger in it, or lie over it.

    Raises:
        DestinationError: one of the two places lies in the other.
    """
    old, new = place_of(source), place_of(destination)
    if old is None or new is None:
        return
    if new.is_within(old):
        raise DestinationError(f"'{destination}' lies in the store itself", hint=ELSEWHERE)
    if old.is_within(new):
        raise DestinationError(f"the store itself lies in '{destination}'", hint=ELSEWHERE)
    if old.kind == new.kind == "folder":
        store, there = Path(*old.parts), Path(*new.parts)
        above = there.exists() and _identity(there) in map(_identity, store.parents)
        if above or _is_within(there, store) or _is_mounted_within(there, store):
            raise DestinationError(f"'{destination}' leads to the store by another path", hint=ELSEWHERE)


def _is_within(inner: Path, outer: Path) -> bool:
    """Is it the other folder, one in it, or below these, whatever path leads there (another case, say)?"""
    if not outer.is_dir():
        return False
    folders = (path for path in outer.iterdir() if path.is_dir() and not path.is_symlink())
    places = {_identity(outer), *map(_identity, folders)}
    return not places.isdisjoint({_identity(path) for path in (inner, *inner.parents) if path.exists()})


def _is_mounted_within(inner: Path, outer: Path) -> bool:
    """Does any folder in the other one, however deep, stand under another path, too, and this one below that?"""
    mounts = read_mounts()
    own = origin(inner, mounts)
    return own is not None and any(own.is_within(one) for one in origins(outer, mounts))


def _identity(path: Path) -> tuple[int, int]:
    there = path.stat()
    return there.st_dev, there.st_ino


@dataclass(frozen=True, slots=True)
class Unfinished:
    """What an interrupted copy has already brought of a tenant: entries up to `number`, whose last has this hash."""

    number: int
    line_hash: str


def look_at_destination(new: Backend, sources: Mapping[str, TenantScan]) -> dict[str, Unfinished]:
    """What is at the destination already, by tenant: nothing, or an unfinished copy of this very store.

    Raises:
        DestinationError: anything else stands there.
    """
    names = [name for name in new.names() if name]
    if "FORMAT" in names:
        raise DestinationError(f"there is a store at '{new.url}' already", hint=FRESH)
    strangers = {name for name, _ in new.strangers()} | {name for name in names if name not in sources}
    if strangers:
        shown = sorted(strangers)
        what = ", ".join(f"'{name}'" for name in shown[:SHOWN]) + (" and more" if len(shown) > SHOWN else "")
        raise DestinationError(f"'{new.url}' is not empty, and no store: {what} stands there", hint=FRESH)
    return {name: _look_at_tenant(new, name, sources[name]) for name in names}


def _look_at_tenant(new: Backend, tenant: str, source: TenantScan) -> Unfinished:
    found = scan_raw(tenant, new.open_tenant(tenant), torn_tails=new.traits.torn_tails)
    for finding in found.findings:
        if finding.code not in INTERRUPTED:
            raise _not_ours(new, tenant, finding.message)
    there = Unfinished(found.state.number, found.state.line_hash)
    if there.number > source.state.number:
        raise _not_ours(new, tenant, f"it has {there.number} entries, the store has {source.state.number}")
    if there.number and read_entry(source, there.number).line_hash != there.line_hash:
        raise _not_ours(new, tenant, f"its first {there.number} entries are not those of the store")
    return there


def _not_ours(new: Backend, tenant: str, why: str) -> DestinationError:
    return DestinationError(
        f"'{new.url}' is not empty: '{tenant}' stands there, and is no unfinished copy of this store ({why})",
        hint=FRESH,
    )


def check_copy(new: Backend, copied: Mapping[str, Unfinished], scans: list[TenantScan], format_data: bytes) -> None:
    """Refuse to call a copy a store unless it is sound, and its entries are the source's.

    FORMAT may be there by now if it is the source's: another copy of it was quicker, or ours came late.

    Raises:
        DestinationError: it is not what was copied.
    """
    there = {found.tenant: Unfinished(found.state.number, found.state.line_hash) for found in scans}
    findings: list[Finding] = [finding for found in scans for finding in found.findings]
    wrong = [f"{finding.tenant}/{finding.path}: {finding.message}" for finding in findings]
    wrong += [
        f"'{tenant}' does not hold the store's entries" for tenant in copied if there.get(tenant) != copied[tenant]
    ]
    known = {"", *copied, *([FORMAT_FILE] if new.read_format() == format_data else ())}
    wrong += [f"'{name}' appeared there" for name in new.names() if name not in known]
    if wrong:
        raise DestinationError(
            f"the copy at '{new.url}' is not what was copied: {wrong[0]}",
            hint="it has no FORMAT, so that it is no store: see what else writes there, empty it, and copy again",
        )
