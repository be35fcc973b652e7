"""Use cases of going live: verify, publish, retire. The rules are in `registry`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import Validation, WorkbenchDraft, format_utc
from sheetsync.domain.identifiers import check_connector_id, new_draft_id, parse_id
from sheetsync.errors import NotFoundError, NotOpenError, RefusedError, StaleSnapshotError
from sheetsync.registry.catalogue import StoredDraft
from sheetsync.registry.publish import Publication, apply_publication, plan_publication
from sheetsync.registry.retire import retirement_of
from sheetsync.registry.verify import run_sandbox, same_result
from sheetsync.services.drafts import save_new
from sheetsync.services.workspace import Workspace

PARTLY = 3
INDEXED_AT_ONCE = 256


@dataclass(frozen=True)
class VerifyReport:
    """What the sandbox found, draft by draft."""

    results: tuple[tuple[WorkbenchDraft, Validation], ...]

    @property
    def exit_code(self) -> int:
        """3 when a verification failed."""
        return 0 if all(validation.ok for _, validation in self.results) else PARTLY

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "results": [{"draft_id", "ok", "checks", "gate"}]}`; the outer `ok` says that the run went well."""
        results = [
            {
                "draft_id": draft.id,
                "ok": validation.ok,
                "checks": [check.to_json() for check in validation.checks],
                "gate": [cell.to_json() for cell in validation.gate],
            }
            for draft, validation in self.results
        ]
        return {"ok": True, "results": results}


@dataclass(frozen=True)
class PublishReport:
    """What was published in one transaction, and what had been before."""

    publication: Publication
    commit: int | None

    @property
    def exit_code(self) -> int:
        """Always 0: what cannot be published is refused with an error."""
        return 0

    @property
    def already(self) -> tuple[str, ...]:
        """The drafts that were published before; nothing was done for them."""
        return tuple(one.draft.id for one in self.publication.already)

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "published": [{"draft_id", "connector_id", "commit", "published_at"}], "already_published"}`."""
        at = format_utc(self.publication.published_at)
        published = [
            {
                "draft_id": one.draft.id,
                "connector_id": one.draft.connector_id,
                "commit": self.commit,
                "published_at": at,
            }
            for one in self.publication.planned
        ]
        return {"ok": True, "published": published, "already_published": list(self.already)}


def verify_drafts(ws: Workspace, draft_ids: Sequence[str]) -> VerifyReport:
    """Run the sandbox over open drafts, and save each result with its draft, all in one transaction.

    A result that says the same of the same content is not saved again.

    Raises:
        NotOpenError: a draft is closed (for a published one its own result is reported).
    """
    catalogue = ws.catalogue()
    stored = [catalogue.draft(draft_id) for draft_id in dict.fromkeys(draft_ids)]
    results = []
    changed: list[tuple[StoredDraft, WorkbenchDraft]] = []
    for one in stored:
        old = one.draft.validation
        if one.draft.status != "open":
            if one.draft.status == "published" and old is not None:
                results.append((one.draft, old))
                continue
            raise NotOpenError(f"{one.draft.id} is {one.draft.status}, not open", hint="see 'sheetsync draft list'")
        new = run_sandbox(one.draft, ws.firearms, clock=ws.clock, user=ws.ctx.user)
        if old is not None and same_result(old, new):
            results.append((one.draft, old))
            continue
        draft = one.draft.model_copy(update={"validation": new})
        changed.append((one, draft))
        results.append((draft, new))
    if changed:
        what = changed[0][1].id if len(changed) == 1 else f"{len(changed)} drafts"
        with ws.store.transaction(ws.ctx, why=f"verify {what}") as tx:
            for one, draft in changed:
                catalogue.save_draft(tx, draft, expected=one.snapshot)
        _refresh_indexes(ws, {one.draft.connector_id for one, _ in changed})
    return VerifyReport(tuple(results))


def publish_drafts(
    ws: Workspace, draft_ids: Sequence[str], *, expected: Mapping[str, str] | None = None
) -> PublishReport:
    """Publish drafts: one transaction over all registries, or nothing.

    Args:
        ws: the workspace.
        draft_ids: the drafts.
        expected: draft id → file name of the snapshot that the person saw; what changed since is not published.

    Raises:
        RefusedError, NotAllowedError: one of their kinds, see `registry.publish.plan_publication`.
        StaleSnapshotError: a draft or a registry was saved by somebody else in between.
    """
    catalogue = ws.catalogue()
    head = ws.store.head()
    publication = plan_publication(
        catalogue, draft_ids, firearms=ws.firearms, rules=ws.rules.of_publishing(), clock=ws.clock
    )
    for one in publication.planned:
        _check_seen(one.stored, (expected or {}).get(one.draft.id))
    if not publication.planned:
        return PublishReport(publication, None)
    names = ", ".join(one.draft.connector_id for one in publication.planned[:3])
    more = len(publication.planned) - 3
    why = f"publish {names}" + (f" and {more} more" if more > 0 else "")
    retires = any(one.draft.retires for one in publication.planned)  # it closes all drafts, a newer one too
    with ws.store.transaction(ws.ctx, why=why, expect_head=head if retires else None) as tx:
        apply_publication(catalogue, publication, tx)
    _refresh_indexes(ws, {one.draft.connector_id for one in publication.planned})
    return PublishReport(publication, tx.commit.number if tx.commit else None)


def _refresh_indexes(ws: Workspace, connector_ids: set[str]) -> None:
    """Bring the providers' `index.json` up to date, whose status comes from verification.

    They are derived: after a bulk of connectors the next import, export or `index rebuild` does it.
    """
    if len(connector_ids) > INDEXED_AT_ONCE or not ws.store.writable:
        return
    from sheetsync.services.indexing import refresh_index

    refresh_index(ws, {"providers": connector_ids, "selections": set()})


def _check_seen(stored: StoredDraft, filename: str | None) -> None:
    if filename is not None and filename != stored.snapshot.filename:
        raise StaleSnapshotError(filename, stored.snapshot, None, name=stored.draft.id)


def retire_connector(ws: Workspace, connector_id: str) -> StoredDraft:
    """A draft that retires a connector, verified already; publishing it writes the tombstones.

    Raises:
        NotFoundError: there is no such published connector.
    """
    name = parse_id(check_connector_id, connector_id)
    catalogue = ws.catalogue()
    live = catalogue.published(name)
    if live is None:
        raise NotFoundError(f"{name!r} was never published", hint="a draft that was never published is discarded")
    if live.retired:
        raise RefusedError(f"{name!r} is retired already", hint=f"see 'sheetsync log {name}'", code="retired_already")
    draft = retirement_of(live, catalogue.base_of(name), draft_id=new_draft_id(), user=ws.ctx.user, at=ws.clock.now())
    validation = run_sandbox(draft, ws.firearms, clock=ws.clock, user=ws.ctx.user)
    return save_new(ws, catalogue, draft.model_copy(update={"validation": validation}), why=f"retire {name}")
