"""Time travel: the state of all records right after one commit, read only."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from sheetsync.errors import InvalidIdError
from sheetsync.store.entry import from_micros
from sheetsync.store.names import RecordId, decode_record, encode_record
from sheetsync.store.snapshot import Snapshot
from sheetsync.store.state import Head, sorted_keys

if TYPE_CHECKING:
    from sheetsync.store.reader import StoreReader


class StoreView:
    """The store as it was right after commit `commit`; later commits do not change it."""

    def __init__(self, store: StoreReader, commit: int, heads: Mapping[str, Head]) -> None:
        self.commit = commit
        self.tenant = store.tenant
        self._store = store
        self._heads = heads

    def latest(self, record: RecordId) -> Snapshot | None:
        """The record's newest snapshot at that commit."""
        self._check_tenant(record.tenant)
        return (
            next(self._store.read_heads([(key, head)], old=True), None)
            if (head := self._heads.get(key := encode_record(record)))
            else None
        )

    def version(self, record: RecordId) -> int:
        """The record's version at that commit, 0 if there is none."""
        self._check_tenant(record.tenant)
        head = self._heads.get(encode_record(record))
        return head.version if head else 0

    def holds(self, snapshot: Snapshot) -> bool:
        """Is it the record's newest one at that commit, and of this very store?"""
        self._check_tenant(snapshot.record.tenant)
        key = encode_record(snapshot.record)
        head = self._heads.get(key)
        if head is None:
            return False
        ours = (head.commit, head.version, head.hash, head.filename(key), from_micros(head.at), head.who)
        theirs = (
            snapshot.commit, snapshot.version, snapshot.hash, snapshot.filename, snapshot.saved_at, snapshot.author,
        )  # fmt: skip
        return ours == theirs

    def records(self, tenant: str, folder: tuple[str, ...] = ()) -> list[RecordId]:
        """All records below a folder at that commit, by code point."""
        self._check_tenant(tenant)
        return [decode_record(self.tenant, key) for key in sorted_keys(self._heads, tenant, folder)]

    def newest(self, tenant: str, folder: tuple[str, ...] = ()) -> list[tuple[RecordId, str]]:
        """The records of `records` with their newest snapshot's file name at that commit."""
        self._check_tenant(tenant)
        keys = sorted_keys(self._heads, tenant, folder)
        return [(decode_record(self.tenant, key), self._heads[key].filename(key)) for key in keys]

    def latest_all(self, tenant: str, folder: tuple[str, ...] = ()) -> Iterator[Snapshot]:
        """The newest snapshots of `records` at that commit."""
        self._check_tenant(tenant)
        keys = sorted_keys(self._heads, tenant, folder)
        return self._store.read_heads([(key, self._heads[key]) for key in keys], old=True)

    def _check_tenant(self, tenant: str) -> None:
        """No call crosses a tenant (S8)."""
        if tenant != self.tenant:
            raise InvalidIdError(f"this state is one of tenant '{self.tenant}', not of '{tenant}'")
