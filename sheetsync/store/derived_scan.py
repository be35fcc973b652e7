"""The work folder's derived files looked at: the checkpoint, the index, and on a bucket the packs.

All can be made again from the journal. What a reader would believe of them must be right, though: an index that says
something else than the journal is damage. A pack is never believed without proof, so that a wrong one is a note.
"""

from __future__ import annotations

import hashlib
import itertools
from typing import Final

from sheetsync.errors import StoreDamagedError
from sheetsync.store import compaction
from sheetsync.store.backend import JOURNAL, WORK, TenantBackend
from sheetsync.store.compaction import pack_name
from sheetsync.store.entry import is_whole
from sheetsync.store.index import FOREIGN_INDEX, INDEX, load_index, parse_remembered
from sheetsync.store.recovery import CHECKPOINT, parse_checkpoint
from sheetsync.store.segments import parse_segment_name, segment_name
from sheetsync.store.state import JournalState
from sheetsync.store.tenant_scan import LOST, TenantScan

MOST_SETTLED: Final = 8
INDEX_PATH: Final = f"{WORK}/{INDEX}"
LOST_OR_FOREIGN: Final = (
    "if nobody put another store's files here, or an older copy back, the journal lost commits: compare it with a copy"
)


def read_upto(part: TenantBackend) -> int:
    """The entry that the checkpoint tells of, 0 if there is none."""
    return parse_checkpoint(part.read_work(CHECKPOINT))


def read_index(tenant: str, part: TenantBackend) -> JournalState | None:
    """The state that the index remembers; None where no reader would believe it."""
    state = JournalState(tenant)
    try:
        believed = load_index(part, state)
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        believed = False  # forged, and not in a form that any reader gets through
    except (StoreDamagedError, OSError):
        believed = False  # the journal cannot be read, or something else stands there: a finding of its own
    finally:
        part.seek(0, [], b"")
    return state if believed else None


def scan_derived(found: TenantScan) -> None:
    """What derived files say that the journal does not. After the journal's scan."""
    unreadable = (parse_segment_name(path.rpartition("/")[2]) or 0 for path in found.unreadable)
    upto, last = found.checkpoint, max([*found.lines, *unreadable], default=0)
    if upto > last:
        found.broken = True
        found.find("journal_gap", JOURNAL, f"the journal ends at entry {last}, but entry {upto} was there", hint=LOST)
    elif found.remembered > last and not found.index_misleads:
        message = f"{INDEX_PATH} tells of entry {found.remembered}, but the journal ends at entry {last}"
        found.find("index", INDEX_PATH, message, damage=False, hint=LOST_OR_FOREIGN)
    _scan_foreign(found)
    if found.index_misleads:
        message = f"{INDEX_PATH} does not say what the journal says, and would be believed"
        found.find("index", INDEX_PATH, message, hint="run 'sheetsync fsck --repair': it can be made from the journal")
    if found.part.in_doubt():
        message = f"{WORK}/doubt tells of a failed fsync: what is shown of the journal may not be on the disk"
        hint = (
            "check the disk; the next command that may write settles it, and 'sheetsync store copy' takes a copy away"
        )
        found.find("doubt", f"{WORK}/doubt", message, damage=False, hint=hint)
    if not found.torn_tails and not found.broken:
        _scan_packs(found)


def _scan_foreign(found: TenantScan) -> None:
    """The indexes that openings kept aside: they told of more than the journal did."""
    gap = 0  # some were settled, and moved away
    for serial in itertools.count():
        name = f"aside/{FOREIGN_INDEX}.{serial}"
        data = found.part.read_work(name)
        gap = gap + 1 if data is None else 0
        if gap > MOST_SETTLED:
            return
        if data is None:
            continue
        message = f"{WORK}/{name} told of entry {parse_remembered(data)}, which the journal had not: an opening kept it"
        hint = f"{LOST_OR_FOREIGN}; move that file elsewhere once it is settled"
        found.find("index", f"{WORK}/{name}", message, damage=False, hint=hint)


def _scan_packs(found: TenantScan) -> None:
    """Every pack that a reader could ask for, the one behind the last entry too, against the entries' own objects."""
    size = compaction.PACK_ENTRIES
    for serial in range(found.state.number // size + 1):
        last = (serial + 1) * size
        name = pack_name(last - size + 1, last)
        data = found.part.read_work(name)
        known = found.sums.get(serial)
        if data is None or (known is not None and hashlib.sha256(data).digest() == known.digest()):
            continue
        if last > found.state.number and found.read(f"{JOURNAL}/{segment_name(last)}"):
            continue  # its entries and it came while we looked
        message = f"{WORK}/{name} does not hold what its entries say; it is not believed"
        found.find("pack", f"{WORK}/{name}", message, damage=False, hint="'sheetsync store compact' writes it anew")


def lines_of_pack(part: TenantBackend, number: int) -> dict[int, bytes]:
    """The lines of the pack that would hold this entry, by number; none of them is proved."""
    size = compaction.PACK_ENTRIES
    first = (number - 1) // size * size + 1
    lines = (part.read_work(pack_name(first, first + size - 1)) or b"").split(b"\n")[:-1]
    return {first + index: line for index, line in enumerate(lines) if is_whole(line)}
