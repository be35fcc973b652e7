"""Use case: import provider folders, selections and libraries of them; one transaction for each, one draft a connector.

Steps, in order: scan, validate, one namespace = the folder's name, compare with the island, convert, index, draft. The
steps themselves are in `island`; here is what is read from the store and written to it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.problems import Problem
from sheetsync.errors import InvalidIdError, StaleSnapshotError
from sheetsync.island.index import IndexBuilder
from sheetsync.island.layout import PROVIDERS, SELECTIONS, manifest_record
from sheetsync.island.lock import read_lock, save_lock
from sheetsync.island.manifest import Manifest, all_manifests, find_manifest, manifest_of
from sheetsync.island.parts import Part
from sheetsync.island.proposal import FIRST_VERSION, Known, Proposal, build_spec, propose
from sheetsync.island.provider import Unit, read_units
from sheetsync.island.reader import IslandReader
from sheetsync.island.scan import Candidate, find_candidates, problem, read_folder, shown
from sheetsync.island.selection import Member, resolve_members
from sheetsync.island.validator import Validator
from sheetsync.registry.catalogue import StoredDraft
from sheetsync.services.indexing import IndexReport, refresh_index
from sheetsync.services.workspace import Workspace
from sheetsync.store import Snapshot, SourceBytes, Transaction

PARTLY: Final = 3
KINDS: Final = (PROVIDERS, SELECTIONS)
NOTED: Final = ("added", "removed", "dropped_bindings", "rejected_edits")  # in the journal, for those who ask why
ATTEMPTS: Final = 10  # when another writer comes between
Progress = Callable[[int, int, str], None]


@dataclass
class ImportReport:
    """What an import did, or (`check`) would do. Names are namespaces and selections, in order of import."""

    created: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    skipped: list[str] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    findings: list[Problem] = field(default_factory=list)
    proposals: list[Proposal] = field(default_factory=list)
    vanished: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """3 when a provider was refused or a member could not be resolved; findings change nothing."""
        return PARTLY if self.problems else 0

    def to_json(self) -> dict[str, JSONValue]:
        """The contract's object, with the findings and the vanished providers beside."""
        return {
            "created": self.created,
            "changed": self.changed,
            "skipped": self.skipped,
            "problems": [one.to_json() for one in self.problems],
            "drafts": [proposal.to_json() for proposal in self.proposals],
            "findings": [one.to_json() for one in self.findings],
            "vanished": self.vanished,
        }


def import_paths(
    ws: Workspace,
    paths: Sequence[Path],
    *,
    check: bool = False,
    progress: Progress | None = None,
    validator: Validator | None = None,
) -> ImportReport:
    """Import what lies under the paths; with `check` only say what would be done.

    It goes on past a provider that is refused: nothing of that one is written, and a problem says why.

    Raises:
        NotFoundError: a path does not exist.
        ConfigError: the validator cannot be started.
    """
    return _Import(ws, check=check, validator=validator).run(tuple(paths), progress)


def rebuild_index(ws: Workspace) -> IndexReport:
    """Write every `index.json` of the island anew."""
    return refresh_index(ws, None)


class _Import:
    """One run: what it has read of the store, and its report so far."""

    def __init__(self, ws: Workspace, *, check: bool, validator: Validator | None) -> None:
        self._ws = ws
        self._check = check
        self._validator = validator
        self._report = ImportReport()
        self._seen: dict[tuple[str, str], str] = {}
        self._units: dict[str, Unit] = {}
        self._libraries: dict[str, str] = {}  # provider: the library's folder, as the journal notes it
        self._look_again()
        self._reader = IslandReader(ws.store, ws.ctx.tenant)

    def _look_again(self) -> None:
        """The catalogue as of now: a run looks up hundreds, and each of its own commits would make it read anew.

        Nobody else's commit may come between this look and ours, or there would be two drafts of one connector.
        """
        self._head = self._ws.store.head()
        self._catalogue = self._ws.catalogue().at(self._head)

    def run(self, paths: tuple[Path, ...], progress: Progress | None) -> ImportReport:
        report = self._report
        found = find_candidates(paths)
        report.problems += found.problems
        report.findings += found.findings
        if self._validator is not None:
            self._validator.check_startable()
        before = all_manifests(self._ws.store, self._ws.ctx.tenant, PROVIDERS)
        selections: list[Unit] = []
        for done, candidate in enumerate(found.candidates):
            if progress is not None:
                progress(done, len(found.candidates), candidate.name)
            selections += self._read_and_write(candidate)
        self._reader = IslandReader(self._ws.store, self._ws.ctx.tenant)
        if self._check:
            for unit in self._units.values():
                self._reader.expect(unit)
        for unit in selections:  # after all providers: members may come in the same run
            self._write(unit)
        if progress is not None and found.candidates:
            progress(len(found.candidates), len(found.candidates), found.candidates[-1].name)
        if any(candidate.from_library for candidate in found.candidates):
            self._report_vanished(before, found.candidates)
        if not self._check:
            held = {*report.created, *report.changed, *report.skipped}
            names = {kind: {name for of, name in self._seen if of == kind and name in held} for kind in KINDS}
            refresh_index(self._ws, names)
        return report

    def _read_and_write(self, candidate: Candidate) -> list[Unit]:
        """Import a provider; selections are given back, for later."""
        reading = read_units(candidate, read_folder(candidate))
        self._report.findings += reading.findings
        self._report.problems += reading.problems
        units = [unit for unit in reading.units if self._is_first(unit)]
        if units and self._validator is not None:
            refused = self._validator.check(candidate.path, candidate.name)
            if refused is not None:
                self._report.problems.append(refused)
                return []
        for unit in units:
            if unit.kind == PROVIDERS:
                self._libraries[unit.owner] = shown(str(candidate.library))
                self._write(unit)
        return [unit for unit in units if unit.kind == SELECTIONS]

    def _is_first(self, unit: Unit) -> bool:
        other = self._seen.setdefault((unit.kind, unit.owner), unit.where)
        if other != unit.where:
            message = f"'{unit.owner}' was already imported from '{other}' in this run"
            self._report.problems.append(problem("imported_twice", unit.where, message))
            return False
        return True

    # -- one unit

    def _write(self, unit: Unit) -> None:
        """Save what is new of one provider or selection, in one transaction; again if another writer came between."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                self._try_write(unit)
            except StaleSnapshotError:
                if attempt == ATTEMPTS:
                    raise
                self._look_again()
            except InvalidIdError as exc:
                self._report.problems.append(problem("bad_name", unit.where, exc.message, hint=exc.hint))
                return
            else:
                return

    def _try_write(self, unit: Unit) -> None:
        store, ctx = self._ws.store, self._ws.ctx
        old = find_manifest(store, ctx.tenant, unit.kind, unit.owner)
        manifest = manifest_of(unit.kind, unit.owner, unit.parts)
        latest = {part: store.latest(manifest.record(ctx.tenant, part)) for part in unit.parts}
        news = [part for part, snapshot in latest.items() if _differs(part, snapshot)]
        same = not news and old is not None and old.to_json() == manifest.to_json()
        proposal = self._propose(unit, sources_changed=not same) if unit.kind == PROVIDERS else None
        self._units[unit.owner] = unit
        members = self._members(unit)
        if not self._check and (not same or proposal is not None):
            why = f"import {unit.kind.removesuffix('s')} {unit.owner}"
            with store.transaction(ctx, why=why, expect_head=self._head) as tx:
                tx.details = self._details(unit, proposal)
                self._save_parts(tx, manifest, old, {part: latest[part] for part in news})
                if unit.selection is not None:
                    self._save_lock(tx, unit, unit.selection.hash, members)
                if proposal is not None:
                    self._save_drafts(tx, proposal)
            if tx.commit is not None:
                self._head = tx.commit.number  # our own: of this connector, which the run is done with
        report = self._report
        (report.created if old is None else report.skipped if same else report.changed).append(unit.owner)
        report.problems += [
            problem("unresolved_member", unit.where, one.message()) for one in members if not one.resolved
        ]
        if proposal is not None:
            report.proposals.append(proposal)

    def _details(self, unit: Unit, proposal: Proposal | None) -> dict[str, JSONValue]:
        """What the journal notes beside: the library a provider came from, and what its draft takes away."""
        if unit.kind != PROVIDERS:
            return {}
        said = proposal.to_json() if proposal is not None else {}
        noted = {key: said[key] for key in NOTED if said.get(key)}
        return {"import": {"library": self._libraries[unit.owner], **noted}}

    def _save_parts(
        self, tx: Transaction, manifest: Manifest, old: Manifest | None, news: dict[Part, Snapshot | None]
    ) -> None:
        tenant = self._ws.ctx.tenant
        for part, snapshot in news.items():
            tx.save(manifest.record(tenant, part), SourceBytes(part.data, part.suffix), expected=snapshot)
        expected = old.snapshot if old is not None else None
        tx.save(manifest_record(tenant, manifest.kind, manifest.owner), manifest.to_json(), expected=expected)

    # -- the draft

    def _propose(self, unit: Unit, *, sources_changed: bool) -> Proposal | None:
        spec = _spec_of(unit)
        drafts = tuple(self._catalogue.drafts("open", unit.owner))
        known = Known(
            self._catalogue.published(unit.owner),
            self._catalogue.base_of(unit.owner),
            tuple(stored.draft for stored in drafts),
        )
        return propose(
            spec,
            known,
            draft_id=new_draft_id(),
            user=self._ws.ctx.user,
            now=self._ws.clock.now(),
            sources_changed=sources_changed,
        )

    def _save_drafts(self, tx: Transaction, proposal: Proposal) -> None:
        if proposal.superseded is not None:
            stored = self._stored(proposal.superseded.id)
            self._catalogue.save_draft(tx, proposal.superseded, expected=stored.snapshot)
        self._catalogue.save_draft(tx, proposal.draft, expected=None)

    def _stored(self, draft_id: str) -> StoredDraft:
        return self._catalogue.draft(draft_id)

    # -- selections and vanished providers

    def _members(self, unit: Unit) -> tuple[Member, ...]:
        return resolve_members(self._reader, unit.selection.value) if unit.selection is not None else ()

    def _save_lock(self, tx: Transaction, unit: Unit, selection_hash: str, members: tuple[Member, ...]) -> None:
        tenant = self._ws.ctx.tenant
        builder = IndexBuilder(self._reader, self._ws.catalogue().at(self._ws.store.head()))
        save_lock(
            tx,
            read_lock(self._ws.store, tenant, unit.owner),
            tenant=tenant,
            selection=unit.owner,
            selection_hash=selection_hash,
            members=members,
            states={member.id: builder.member_state(member) for member in members},
            at=self._ws.clock.now(),
        )

    def _report_vanished(self, before: dict[str, Manifest], found: Sequence[Candidate]) -> None:
        """Providers that a library brought and now has no more: reported, never retired."""
        here = {candidate.path.name for candidate in found}
        libraries = {candidate.library for candidate in found if candidate.from_library}
        refused = {part for one in self._report.problems for part in (*one.tab.split("/"), *one.row_key)}
        absent = sorted(set(before) - here - refused)
        theirs = {self._library_of(before[name]) for name in here & set(before)} if absent else set()
        for name in absent:
            brought_by = self._library_of(before[name])
            known = brought_by is None or brought_by in theirs  # a copy of it under another name brings the others
            if not known and not any(_is_same(str(brought_by), library) for library in libraries):
                continue
            self._report.vanished.append(name)
            like = self._renamed_to(before[name])
            by = f", brought by the library '{brought_by}'," if brought_by else ""
            message = f"'{name}' is in the island{by} and is not in this library any more" + (
                f"; perhaps it is now '{like}'" if like else ""
            )
            hint = f"if it is gone for good: sheetsync retire {name}"
            self._report.findings.append(problem("provider_vanished", name, message, hint=hint))

    def _library_of(self, manifest: Manifest) -> str | None:
        """The library that brought a provider's present files, as its commit notes it; None where none is noted."""
        if manifest.snapshot is None:
            return None
        noted = self._ws.store.commit(manifest.snapshot.commit).details.get("import")
        return noted.get("library") if isinstance(noted, dict) else None

    def _renamed_to(self, manifest: Manifest) -> str | None:
        """A provider created in this run with a schema of the same name: said, not guessed at."""
        names = {entry.name for entry in manifest.of_kind("schema")}
        for created in self._report.created:
            unit = self._units.get(created)
            if unit is not None and names & {source.name for source in unit.schemas}:
                return created
        return None


def _is_same(brought_by: str, library: Path) -> bool:
    """Is it this library, a part of it, or one of its name elsewhere, as another checkout is?"""
    noted, now = Path(brought_by), Path(shown(str(library)))
    return noted.is_relative_to(now) or noted.name == now.name


def _spec_of(unit: Unit) -> ConnectorSpec:
    return build_spec(unit.owner, [(source.name, source.value) for source in unit.schemas], FIRST_VERSION)


def _differs(part: Part, snapshot: Snapshot | None) -> bool:
    if snapshot is None or not isinstance(snapshot.content, SourceBytes):
        return True
    return (snapshot.hash, snapshot.content.suffix) != (part.hash, part.suffix)
