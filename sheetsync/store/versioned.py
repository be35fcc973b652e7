"""`VersionedStore`: names and their versions, for one kind of resource in the scope of one context."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self, cast, overload

from sheetsync.domain.clock import Clock
from sheetsync.domain.tenants import DEFAULT_TENANT
from sheetsync.errors import NotFoundError, UsageError
from sheetsync.store.content import Content
from sheetsync.store.entry_form import LAST_NUMBER
from sheetsync.store.names import RecordId, check_record_name
from sheetsync.store.snapshot import UNSET, Commit, Snapshot, Unset
from sheetsync.store.store import Store
from sheetsync.store.transaction import Transaction
from sheetsync.store.view import StoreView

if TYPE_CHECKING:  # heavy to import
    from sheetsync.domain.context import RequestContext, ScopeConfig

DEFAULT_KIND = "workbench_drafts"
DEFAULT_URL = "store"
SHOWN: Final = 200  # more than a snapshot's file name has


class VersionedStore:
    """Named JSON objects, every version kept.

    A user-scoped store (`ScopeConfig(user=True)`) holds its own user's records only. Stores that share a folder may be
    used from any number of threads and processes.

    Args:
        ctx: the tenant and the user.
        resource_kind: the folder below the tenant.
        scope_config: which parts of `ctx` belong to the path.
        url: a folder or a store's URL; default `store` in the working directory.
        store: an open store to use instead of `url`; it is not closed by us.
        clock: the time for stamps; default the machine's.
    """

    def __init__(
        self,
        ctx: RequestContext,
        resource_kind: str = DEFAULT_KIND,
        scope_config: ScopeConfig | None = None,
        url: str | Path | None = None,
        *,
        store: Store | None = None,
        clock: Clock | None = None,
    ) -> None:
        tenant = ctx.tenant if scope_config is None or scope_config.tenant else DEFAULT_TENANT
        check_record_name(resource_kind)
        if store is not None and url is not None:
            raise UsageError("give either 'url' or 'store', not both")
        self._ctx = ctx.model_copy(update={"tenant": tenant})
        self._folder = (resource_kind, ctx.user) if scope_config is None or scope_config.user else (resource_kind,)
        self._owned = store is None
        self._store = store if store is not None else Store.open(url or DEFAULT_URL, tenant=tenant, clock=clock)

    @property
    def store(self) -> Store:
        """The store below."""
        return self._store

    def record(self, name: str) -> RecordId:
        """The record of a name.

        Raises:
            InvalidIdError: the name is not of the form.
        """
        check_record_name(name)
        return RecordId(self._ctx.tenant, (*self._folder, name), name)

    def save(
        self, name: str, content: Content, expected: Snapshot | Unset | None = UNSET, *, why: str = ""
    ) -> Snapshot:
        """Save a new version; durable when it returns. Content equal to the latest writes nothing.

        Args:
            name: `[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}` without `--`.
            content: any JSON object.
            expected: a snapshot that `save` or `latest` returned: fail if another came after it.
                None: there must be none yet.
            why: noted in the journal.

        Raises:
            StaleSnapshotError: another writer came between.
            InvalidIdError: the name is refused.
            InvalidContentError: the content is refused.
        """
        record = self.record(name)
        with self._store.transaction(self._ctx, why=why) as tx:
            tx.save(record, content, expected=expected)
        return tx.snapshots[record]

    def latest(self, name: str) -> Snapshot | None:
        """The newest snapshot, None if there is none."""
        self._store.refresh()
        return self._store.latest(self.record(name))

    def history(self, name: str) -> Iterator[Snapshot]:
        """All snapshots, oldest first."""
        self._store.refresh()
        return self._store.history(self.record(name))

    def names(self) -> list[str]:
        """The names in this scope, by code point."""
        self._store.refresh()
        return self.names_in(self._store)

    def names_in(self, source: StoreView | Store) -> list[str]:
        """The names that a store or a view of it has in this scope."""
        records = source.records(self._ctx.tenant, self._folder)
        return sorted(record.name for record in records if record.folder == (*self._folder, record.name))

    @overload
    def at(self, when: int | Snapshot | Commit, /) -> VersionView: ...

    @overload
    def at(self, *, when: int | Snapshot | Commit) -> VersionView: ...

    @overload
    def at(self, name: str, when: int | str | Snapshot) -> Snapshot: ...

    def at(
        self,
        name: str | int | Snapshot | Commit | Unset = UNSET,
        when: int | str | Snapshot | Commit | Unset = UNSET,
    ) -> VersionView | Snapshot:
        """Look back: at one version of a name, or at all names as they were right after a commit.

        | call | gives |
        |---|---|
        | `at(name, 2)` | the `Snapshot` that is version 2 of the name (1, 2, …) |
        | `at(name, filename)` | the `Snapshot` with this file name (the base name) |
        | `at(name, snapshot)` | that `Snapshot`, as this store has it |
        | `at(snapshot)` | a `VersionView`: `.latest(name)`, `.names()`, `.history(name)` right after its commit |
        | `at(7)`, `at(commit)` | the same for the commit with that number in the journal, or a `Commit` |

        Raises:
            NotFoundError: the name has no such version, or this store no such commit.
            UsageError: it is nothing that a version or a commit is known by.
            InvalidIdError: the name is not of the form, or the snapshot is another tenant's.
        """
        if isinstance(when, Unset):
            return self._view_at(name)
        if isinstance(name, Unset):
            return self._view_at(when)
        if not isinstance(name, str):
            raise UsageError(f"{ascii(name)[:40]} is no name", hint="a version is at(name, version)")
        return self._snapshot_at(name, when)

    def _view_at(self, when: object) -> VersionView:
        if isinstance(when, Snapshot):
            view = self._store.at(when.commit)
            ours = view.holds(when)
        elif isinstance(when, Commit):
            view = self._store.at(when.number)
            ours = when.number == 0 or self._store.commit(when.number).hash == when.hash
        else:
            return VersionView(self, self._store.at(cast("int", when)))  # which refuses what is none
        if not ours:
            raise NotFoundError("that commit is not one of this store", hint="'sheetsync log' lists the commits")
        return VersionView(self, view)

    def _snapshot_at(self, name: str, when: object) -> Snapshot:
        if not isinstance(when, str | Snapshot):
            return self.version(name, cast("int", when))  # which refuses what is none
        for snapshot in self.history(name):
            if when in (snapshot, snapshot.filename):
                return snapshot
        filename = when.filename if isinstance(when, Snapshot) else when
        raise NotFoundError(f"'{name}' has no snapshot {ascii(filename)[:SHOWN]}", hint="'history' gives those it has")

    def version(self, name: str, version: int) -> Snapshot:
        """One version of a name.

        Raises:
            NotFoundError: there is none of that number.
            UsageError: it is no number of a version.
        """
        if not isinstance(version, int) or isinstance(version, bool):
            raise UsageError(f"{ascii(version)[:40]} is no version's number", hint="versions are 1, 2, …")
        for snapshot in self.history(name):
            if snapshot.version == version:
                return snapshot
        shown = version if abs(version) <= LAST_NUMBER else "of so large a number"
        raise NotFoundError(f"'{name}' has no version {shown}")

    def transaction(self, *, why: str = "") -> NamedTransaction:
        """Several saves, all or none."""
        return NamedTransaction(self, self._store.transaction(self._ctx, why=why))

    def close(self) -> None:
        """Close the store, if it is ours."""
        if self._owned:
            self._store.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class VersionView:
    """A `VersionedStore` as it was right after one commit."""

    def __init__(self, named: VersionedStore, view: StoreView) -> None:
        self._named, self._view = named, view
        self.commit = view.commit

    def latest(self, name: str) -> Snapshot | None:
        """The newest snapshot at that commit."""
        return self._view.latest(self._named.record(name))

    def history(self, name: str) -> Iterator[Snapshot]:
        """The snapshots up to that commit, oldest first."""
        return (snapshot for snapshot in self._named.history(name) if snapshot.commit <= self.commit)

    def names(self) -> list[str]:
        """The names at that commit, by code point."""
        return self._named.names_in(self._view)


class NamedTransaction:
    """A transaction over names. After the `with` block `commit` is the commit (None: nothing changed)."""

    def __init__(self, named: VersionedStore, inner: Transaction) -> None:
        self._named, self._inner = named, inner

    def save(self, name: str, content: Content, expected: Snapshot | Unset | None = UNSET) -> None:
        """Save with the others."""
        self._inner.save(self._named.record(name), content, expected=expected)

    @property
    def commit(self) -> Commit | None:
        """The commit, after the end."""
        return self._inner.commit

    @property
    def snapshots(self) -> dict[str, Snapshot]:
        """After the end: the newest snapshot of each name that was saved."""
        return {record.name: snapshot for record, snapshot in self._inner.snapshots.items()}

    def __enter__(self) -> Self:
        self._inner.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._inner.__exit__(kind, error, trace)
