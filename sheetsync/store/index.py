"""The derived index: the state after one entry, so that opening reads the journal's tail only.

It is believed only if its checksum holds and the journal still has that entry at that place. Deleting it costs time,
nothing else. Written now and then, in a number of bytes that grows with the records, after that many new entries.
"""

from __future__ import annotations

import re
import sys
from typing import Final

import orjson

from sheetsync.store.backend import TenantBackend
from sheetsync.store.entry import BODY_AT, is_whole, with_sum
from sheetsync.store.state import Head, JournalState, LeaseState

INDEX: Final = "index.json"
FOREIGN_INDEX: Final = f"foreign-{INDEX}"  # one that told of later entries, kept aside
INDEX_VERSION: Final = 3
REMEMBERED: Final = re.compile(rb'\{"sum":"[0-9a-f]{64}","index":\d+,"number":(\d{1,19}),')
LEAST_LAG: Final = 256  # entries behind which an index is not worth writing
LEAST_LAG_BYTES: Final = 1 << 20
LAG_BYTES_A_RECORD: Final = 128  # an opening reads them in about the time in which it loads one record of an index


def write_index(backend: TenantBackend, state: JournalState) -> None:
    """Replace the index by one of this state. Only under `exclusive`."""
    if state.number == 0:
        return
    heads = [(key, *head) for key, head in state.heads.items()]
    leases = {name: [lease.epoch, lease.holder] for name, lease in state.leases.items()}
    value = {
        "index": INDEX_VERSION,
        "number": state.number,
        "line": state.line_hash,
        "mark": backend.mark().decode(),
        "place": backend.place(),
        "heads": heads,
        "leases": leases,
        "anchors": list(state.anchors.items()),
    }
    backend.write_work(INDEX, with_sum(value), durable=False)


def load_index(backend: TenantBackend, state: JournalState) -> bool:
    """Bring a fresh state to where the index is; False (and nothing changed) if it cannot be believed."""
    data = backend.read_work(INDEX)
    if data is None or not is_whole(data):
        return False
    try:
        value = orjson.loads(data)
        del data
        number, line_hash, place = int(value["number"]), str(value["line"]), list(value["place"])
        mark = str(value["mark"]).encode()
        if value["index"] != INDEX_VERSION or len(mark) != BODY_AT or not backend.seek(number, place, mark):
            return False
        intern = sys.intern
        heads = {}
        for key, version, commit, stamp, hash_hex, suffix, flags, at, who in value["heads"]:
            heads[key] = Head(version, commit, stamp, hash_hex, intern(suffix), flags, at, intern(who))
        leases = {name: LeaseState(epoch, holder) for name, (epoch, holder) in value["leases"].items()}
        anchors = {int(first): str(prev) for first, prev in value["anchors"]}
        if any(not 1 <= first <= number for first in anchors):
            raise ValueError("an anchor beyond the index")
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):  # its sum holds: somebody forged it
        backend.seek(0, [], b"")
        return False
    state.start_at(number, line_hash, heads, leases, anchors)
    return True


def read_remembered(backend: TenantBackend) -> int:
    """The entry that the index tells of, whether the journal still has it or not; 0 if there is none."""
    return parse_remembered(backend.read_work(INDEX))


def parse_remembered(data: bytes | None) -> int:
    """The entry that an index with a right checksum tells of; else 0."""
    found = REMEMBERED.match(data or b"")
    return int(found[1]) if data is not None and found is not None and is_whole(data) else 0


def is_worth_writing(state: JournalState, lag: int, lag_bytes: int) -> bool:
    """Is the index so far behind that the next opening would feel it, and writing it is paid by what came since?"""
    if lag == 0 or (lag < LEAST_LAG and lag_bytes < LEAST_LAG_BYTES):  # most saves
        return False
    entries, size = max(LEAST_LAG, len(state.heads) // 8), max(LEAST_LAG_BYTES, LAG_BYTES_A_RECORD * len(state.heads))
    return lag >= entries or lag_bytes >= size
