"""The store: append-only, versioned snapshots in a folder or a bucket. The journal decides (docs/store-format.md)."""

from __future__ import annotations

from sheetsync.store.content import Content, SourceBytes
from sheetsync.store.copying import CopyReport, copy_store
from sheetsync.store.findings import Finding, FsckReport
from sheetsync.store.lease import Lease
from sheetsync.store.names import RecordId
from sheetsync.store.repair import fsck
from sheetsync.store.snapshot import UNSET, Commit, LeaseInfo, Snapshot, Unset
from sheetsync.store.store import Store
from sheetsync.store.transaction import Transaction
from sheetsync.store.versioned import VersionedStore
from sheetsync.store.view import StoreView

__all__ = [
    "UNSET",
    "Commit",
    "Content",
    "CopyReport",
    "Finding",
    "FsckReport",
    "Lease",
    "LeaseInfo",
    "RecordId",
    "Snapshot",
    "SourceBytes",
    "Store",
    "StoreView",
    "Transaction",
    "Unset",
    "VersionedStore",
    "copy_store",
    "fsck",
]
