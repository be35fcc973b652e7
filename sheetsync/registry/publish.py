"""Publish: one transaction over the three registries and the drafts, or nothing (design.md section 4).

`plan_publication` decides (pure reading), `apply_publication` writes. The three-way merge is `merge`, the rule of the
second person `second_person`, the checks of the content `verify`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sheetsync.domain.clock import Clock
from sheetsync.domain.draft import SheetOrigin, Validation, WorkbenchDraft
from sheetsync.domain.firearms import FirearmCatalogue
from sheetsync.domain.gate import Loosening, loosenings
from sheetsync.domain.identifiers import version_rises
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.published import PublishedComponent, PublishedConnector, PublishedFirearms, PublishedKpis
from sheetsync.errors import (
    NotOpenError,
    NotVerifiedError,
    RefusedError,
    RegistryMovedError,
    UnresolvedConflictError,
    VersionNotRaisedError,
)
from sheetsync.registry.catalogue import Catalogue, Records, StoredDraft, published_in
from sheetsync.registry.conflicts import describe_conflict
from sheetsync.registry.merge import Merged, State, merge
from sheetsync.registry.records import COMPONENTS, FIREARMS, KPIS, registry_record
from sheetsync.registry.second_person import check_second_person
from sheetsync.registry.verify import failures, run_sandbox
from sheetsync.store import Transaction

RETIRED: str = "connector retired"


@dataclass(frozen=True)
class PublishRules:
    """What the configuration says about publishing."""

    second_person: bool = True
    unattended_users: frozenset[str] = frozenset()


@dataclass(frozen=True)
class PlannedPublication:
    """One draft that may be published: its new snapshot, and what it replaces."""

    stored: StoredDraft
    draft: WorkbenchDraft
    records: Records | None
    loosenings: tuple[Loosening, ...]
    closes: tuple[StoredDraft, ...] = ()


@dataclass(frozen=True)
class Publication:
    """All drafts of one transaction, and those that were published already."""

    planned: tuple[PlannedPublication, ...]
    already: tuple[StoredDraft, ...]
    published_at: datetime
    user: str
    merged: tuple[str, ...] = field(default=())


def plan_publication(
    catalogue: Catalogue,
    draft_ids: Sequence[str],
    *,
    firearms: FirearmCatalogue,
    rules: PublishRules,
    clock: Clock,
) -> Publication:
    """Check everything that may refuse a publication.

    Raises:
        NotFoundError, NotOpenError, UnresolvedConflictError, NotVerifiedError, VersionNotRaisedError,
        RegistryMovedError, SecondPersonError, RefusedError: as their names say; nothing was written.
    """
    stored = [catalogue.draft(draft_id) for draft_id in dict.fromkeys(draft_ids)]
    for one in stored:
        if one.draft.status not in ("open", "published"):
            raise NotOpenError(
                f"{one.draft.id} is {one.draft.status}, not open", hint="see 'sheetsync draft list' for open drafts"
            )
    todo = [one for one in stored if one.draft.status == "open"]
    _refuse_twice(todo)
    # whole seconds, so that records, answers and exports all say the same; the journal has microseconds
    now = clock.now().replace(microsecond=0)
    planner = _Planner(catalogue, firearms, rules, clock)
    planned = tuple(planner.plan(one) for one in todo)
    already = tuple(one for one in stored if one.draft.status == "published")
    return Publication(planned, already, now, catalogue.ctx.user)


def _refuse_twice(stored: Sequence[StoredDraft]) -> None:
    seen: dict[str, str] = {}
    for one in stored:
        name = one.draft.connector_id
        if name in seen:
            raise RefusedError(
                f"{seen[name]} and {one.draft.id} are both of connector {name}",
                hint="publish one, discard the other",
                code="two_drafts_of_one_connector",
            )
        seen[name] = one.draft.id


@dataclass(frozen=True)
class _Planner:
    catalogue: Catalogue
    firearms: FirearmCatalogue
    rules: PublishRules
    clock: Clock

    def plan(self, stored: StoredDraft) -> PlannedPublication:
        draft = stored.draft
        _refuse_conflicts(draft)
        _refuse_unverified(draft)
        records = self.catalogue.records_of(draft.connector_id)
        live = published_in(records) if records else None
        found: tuple[Loosening, ...] = ()
        if draft.retires:
            _refuse_retirement(draft, records, live)
            new = draft
        else:
            new = self._with_live(draft, records, live)
            _refuse_version(new, live)
            found = loosenings(live.policy() if live else None, new.policy_snapshot)
        if self.rules.second_person and found:
            check_second_person(
                draft,
                found,
                writers=self.catalogue.writers(draft),
                user=self.catalogue.ctx.user,
                unattended=self.rules.unattended_users,
            )
        published = new.model_copy(update={"status": "published"})
        return PlannedPublication(stored, published, records, found, self._closed_by(draft))

    def _with_live(
        self, draft: WorkbenchDraft, records: Records | None, live: PublishedConnector | None
    ) -> WorkbenchDraft:
        """The draft merged with what is published; itself where nothing moved since its base.

        What counts is the base's content, not its names: owners' edits may have started before what the names name.
        """
        if live is None or (live.retired and _stands_on(draft, records)):
            return draft
        merged = merge_with_live(draft, live)
        if merged.moved:
            raise RegistryMovedError(
                f"{draft.id}: {draft.connector_id} was published since, in the same fields: {', '.join(merged.moved)}",
                hint=f"see 'sheetsync draft diff {draft.id}'; {_way_out(draft)}",
            )
        new = draft.model_copy(update={"spec_snapshot": merged.spec, "policy_snapshot": merged.policy})
        if new.content_hash() == draft.content_hash():
            return draft
        return new.model_copy(update={"validation": self._verify_merge(new)})

    def _verify_merge(self, draft: WorkbenchDraft) -> Validation:
        validation = run_sandbox(draft, self.firearms, clock=self.clock, user=self.catalogue.ctx.user)
        if not validation.ok:
            raise NotVerifiedError(
                f"{draft.id}, merged with what was published since, fails verification: {failures(validation)}",
                hint=f"see 'sheetsync draft diff {draft.id}', edit it, then 'sheetsync verify {draft.id}'",
            )
        return validation

    def _closed_by(self, draft: WorkbenchDraft) -> tuple[StoredDraft, ...]:
        """A retirement closes every other open draft of its connector."""
        if not draft.retires:
            return ()
        return tuple(one for one in self.catalogue.drafts("open", draft.connector_id) if one.draft.id != draft.id)


def _way_out(draft: WorkbenchDraft) -> str:
    """How to go on after the registries moved. The owners' next draft has all that operators changed in this one."""
    if not isinstance(draft.origin, SheetOrigin):
        return "make the change again in a new draft"
    return f"'sheetsync sync' asks about owners' edits; what an operator changed: {mend_overtaken(draft.id)}"


def mend_overtaken(draft_id: str) -> str:
    """What helps where an operator's change in an owners' draft was overtaken by another one that was published."""
    return (
        f"set it in {draft_id} to what is published, with 'sheetsync draft edit {draft_id}', "
        "or first publish that change from a draft of its own"
    )


def merge_with_live(draft: WorkbenchDraft, live: PublishedConnector) -> Merged:
    """The three-way merge of a draft with what is published now."""
    if live.retired:
        return Merged(draft.spec_snapshot, draft.policy_snapshot, ("the connector was retired",))
    base = State(draft.base.spec, draft.base.policy or PolicySnapshot())
    now = State(live.spec, live.policy())
    return merge(base, now, State(draft.spec_snapshot, draft.policy_snapshot))


def _refuse_conflicts(draft: WorkbenchDraft) -> None:
    found = draft.open_conflicts()
    if found:
        raise UnresolvedConflictError(
            f"{draft.id} has {len(found)} unresolved conflict(s): {'; '.join(describe_conflict(one) for one in found)}",
            hint=f"decide with 'sheetsync draft resolve {draft.id}', yours or theirs",
        )


def _refuse_unverified(draft: WorkbenchDraft) -> None:
    hint = f"run 'sheetsync verify {draft.id}'"
    validation = draft.validation
    if validation is None:
        raise NotVerifiedError(f"{draft.id} was never verified", hint=hint)
    if validation.content_hash != draft.content_hash():
        raise NotVerifiedError(f"{draft.id} changed after it was verified", hint=hint)
    if not validation.ok:
        raise NotVerifiedError(
            f"{draft.id} failed verification: {failures(validation)}",
            hint=f"mend it with 'sheetsync draft edit', {hint}",
        )


def _stands_on(draft: WorkbenchDraft, records: Records | None) -> bool:
    """Is the draft's base what the registries hold now?"""
    names = (None, None, None) if records is None else tuple(one.filename for one in records)
    return (draft.base.components, draft.base.firearms, draft.base.kpis) == names


def _refuse_retirement(draft: WorkbenchDraft, records: Records | None, live: PublishedConnector | None) -> None:
    """Only what is live, and as it was when somebody decided to retire it."""
    name = draft.connector_id
    if live is None or live.retired:
        state = "retired already" if live else "not published"
        raise RefusedError(f"{draft.id}: {name} is {state}", hint=f"discard {draft.id}", code="not_published")
    if not _stands_on(draft, records):
        raise RegistryMovedError(
            f"{draft.id}: {name} was published again since it was to be retired",
            hint=f"if it shall still go: 'sheetsync retire {name}'",
        )


def _refuse_version(draft: WorkbenchDraft, live: PublishedConnector | None) -> None:
    """The version rises with every change of the spec, and above a tombstone's always."""
    spec = draft.spec_snapshot
    if live is None or (spec == live.spec and not live.retired):
        return
    if not version_rises(live.spec.version, spec.version):
        why = "was retired at" if live.retired else "is published at"
        raise VersionNotRaisedError(
            f"{draft.id}: {draft.connector_id} {why} {live.spec.version}; {spec.version} does not rise above it",
            hint=f"raise it: 'sheetsync draft edit {draft.id} --version X.Y.Z'",
        )


def apply_publication(catalogue: Catalogue, publication: Publication, tx: Transaction) -> None:
    """Write all of it into one transaction, each record only over the snapshot it was decided on."""
    for one in publication.planned:
        component, firearms, kpis = one.records or (None, None, None)
        for kind, content, expected in zip(
            (COMPONENTS, FIREARMS, KPIS), _contents(one.draft, publication), (component, firearms, kpis), strict=True
        ):
            record = registry_record(catalogue.ctx.tenant, kind, one.draft.connector_id)
            tx.save(record, content.to_json(), expected=expected)
        catalogue.save_draft(tx, one.draft, expected=one.stored.snapshot)
        for closed in one.closes:
            discarded = closed.draft.model_copy(update={"status": "discarded", "closed_reason": RETIRED})
            catalogue.save_draft(tx, discarded, expected=closed.snapshot)


def _contents(
    draft: WorkbenchDraft, publication: Publication
) -> tuple[PublishedComponent, PublishedFirearms, PublishedKpis]:
    """The three records; a tombstone keeps the last spec, and no policy."""
    head = {
        "connector_id": draft.connector_id,
        "published_at": publication.published_at,
        "published_by": publication.user,
        "draft_id": draft.id,
        "retired": draft.retires,
    }
    policy = PolicySnapshot() if draft.retires else draft.policy_snapshot
    return (
        PublishedComponent.model_validate({**head, "spec": draft.spec_snapshot}),
        PublishedFirearms.model_validate({**head, "firearms": policy.firearms}),
        PublishedKpis.model_validate({**head, "kpis": policy.kpis}),
    )
