"""What tells of the journal's end beside the journal: the checkpoint, and the index.

An older journal may be put back under an open store, or before it is opened. What they tell of must be in the journal.
On disk each look asks whether they are what they were; in a bucket that would take a request, and only openings ask.
"""

from __future__ import annotations

from collections.abc import Callable

from sheetsync.store.backend import TenantBackend
from sheetsync.store.entry import BODY_AT
from sheetsync.store.index import INDEX, parse_remembered
from sheetsync.store.recovery import CHECKPOINT, check_names, journal_ends, parse_checkpoint
from sheetsync.store.state import JournalState

Seen = tuple[tuple[int, ...] | None, int]  # a file as it was, and the entry it told of


class Witnesses:
    """The checkpoint and the index of one tenant.

    Attributes:
        foreign: the entry that another store's index tells of; 0 if there is none.
        ended: where the journal ended when that was seen.
        untold: was nobody told of it yet?
    """

    def __init__(self, part: TenantBackend) -> None:
        self._part = part
        self._checkpoint: Seen = (None, 0)
        self._index: Seen = (None, 0)
        self._index_sum = self._foreign_sum = b""  # the beginning of an index, with its checksum
        self.foreign = self.ended = 0
        self.untold = False

    def begin(self, *, is_believed: bool) -> None:
        """The store was opened, or the index written: does the state hold all that the index tells of?"""
        stamp = self._part.work_stamp(INDEX)
        self._index = (stamp, 0) if is_believed else self._read(INDEX, stamp, parse_remembered)

    def newest(self) -> tuple[int, int]:
        """The entries that the checkpoint and the index tell of. Asked before the lines, which must then hold them."""
        stamp = self._part.work_stamp(CHECKPOINT)
        if stamp != self._checkpoint[0]:
            self._checkpoint = self._read(CHECKPOINT, stamp, parse_checkpoint)
        stamp = self._part.work_stamp(INDEX)
        if stamp != self._index[0]:
            self._index = self._read(INDEX, stamp, parse_remembered)
        return self._checkpoint[1], self._index[1]

    def _read(self, name: str, stamp: tuple[int, ...] | None, parse: Callable[[bytes | None], int]) -> Seen:
        """What it tells. One that cannot be read just now tells of nothing, and is asked again at the next look."""
        data = self._part.read_work(name)
        if name == INDEX:
            self._index_sum = (data or b"")[:BODY_AT]
        return (None if data is None else stamp), parse(data)

    def check(self, state: JournalState, upto: int, remembered: int, names: list[str]) -> None:
        """Compare what was asked before the lines were read with the journal's end.

        An index that tells of later entries may be another store's, which is remembered. Where names of them are in
        the folders, the journal lost commits.

        Args:
            state: the journal's.
            upto: the entry that the checkpoint told of.
            remembered: the one that the index told of.
            names: the snapshots that were in the folders before the lines were read.

        Raises:
            StoreDamagedError: the journal is older.
        """
        if upto > state.number:
            raise journal_ends(state.number, upto)
        if remembered > state.number:
            what = (
                f"it ends at entry {state.number}, the index tells of entry {remembered}, and snapshots that it lacks"
            )
            check_names(self._part, state, names, what)
            self._index, self.foreign, self.ended = (self._index[0], 0), remembered, state.number
            self._foreign_sum, self.untold = self._index_sum, True

    def is_foreign(self, data: bytes) -> bool:
        """Are these the bytes of the index that was seen to be another store's?"""
        return self.foreign > 0 and data[:BODY_AT] == self._foreign_sum
