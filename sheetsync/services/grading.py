"""Use case: a person's word on a thing of the island: `grade approve` and `grade veto`. The rules: `island.grading`."""

from __future__ import annotations

from dataclasses import dataclass

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import RefusedError, SecondPersonError, UsageError
from sheetsync.island.address import Address, resolve_address
from sheetsync.island.grading import Grade, Grades, Verdict, hashes_of, make_grade, owner_kind, read_grades
from sheetsync.island.index import IndexBuilder
from sheetsync.island.layout import PROVIDERS, SELECTIONS, grades_record
from sheetsync.island.reader import OwnerContent
from sheetsync.island.status import NodeState
from sheetsync.services.indexing import builder_of, refresh_index
from sheetsync.services.workspace import Workspace


@dataclass(frozen=True)
class GradeReport:
    """A grade that was given, and what the thing is now."""

    grade: Grade
    state: NodeState

    @property
    def exit_code(self) -> int:
        """Always 0."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "grade": {…}, "status", "node_grade"}`; the last two are what the thing is now."""
        return {
            "ok": True,
            "grade": self.grade.to_json(),
            "status": self.state.status,
            "node_grade": self.state.grade or None,
        }


def grade(ws: Workspace, address: str, *, approve: bool, reason: str) -> GradeReport:
    """Approve or veto what an id leads to, exactly as it is now.

    An approval needs a second person: nobody who imported it, and its verification must have run. A veto is final for
    this version; nothing but new content lifts it.

    Raises:
        UsageError: no reason is given.
        SecondPersonError: who approves imported it.
        RefusedError: there is nothing to approve yet, or it is vetoed.
    """
    if not reason.strip():
        raise UsageError("a grade needs a reason", hint="say why: --reason TEXT")
    builder, reader = builder_of(ws)
    found = resolve_address(reader, address)
    kind = owner_kind(found)
    content = reader.selection(found.owner) if kind == SELECTIONS else reader.provider(found.owner)
    assert content is not None  # noqa: S101 - the address was resolved against it
    grades = read_grades(ws.store, ws.ctx.tenant, kind, found.owner)
    if approve:
        _check_approval(ws, found, content, grades, _state(builder, found, content))
    verdict: Verdict = "approve" if approve else "veto"
    given = make_grade(found, content, verdict, by=ws.ctx.user, at=ws.clock.now(), reason=reason.strip())
    if given.says_again(grades.entries):
        return GradeReport(given, _state(builder, found, content))
    entries = Grades((*grades.entries, given))
    with ws.store.transaction(ws.ctx, why=f"{verdict} {found}") as tx:
        record = grades_record(ws.ctx.tenant, kind, found.owner)
        tx.save(record, entries.to_json(), expected=grades.snapshot)
    refresh_index(ws, {PROVIDERS: set(), SELECTIONS: set(), kind: {found.owner}})
    builder, reader = builder_of(ws)
    content = reader.selection(found.owner) if kind == SELECTIONS else reader.provider(found.owner)
    assert content is not None  # noqa: S101 - it was there a moment ago, and nothing leaves the island
    return GradeReport(given, _state(builder, found, content))


def _check_approval(ws: Workspace, address: Address, content: OwnerContent, grades: Grades, state: NodeState) -> None:
    if state.status == "rejected" or grades.vetoed(hashes_of(address, content)) is not None:
        raise RefusedError(f"'{address}' was vetoed: that is final for this version", hint="import a new version of it")
    if state.status in ("pending", "blocked"):
        hint = f"verify its draft first: sheetsync verify {state.ref or 'DRAFT'}"
        raise RefusedError(f"'{address}' is {state.status}: there is nothing to approve yet", hint=hint)
    if ws.ctx.user in _authors(address, content):
        message = f"'{address}' was imported by {ws.ctx.user}: an approval needs a second person"
        raise SecondPersonError(message, hint="ask somebody else to approve it")


def _authors(address: Address, content: OwnerContent) -> set[str]:
    """Who brought in what is to be approved."""
    if address.schema:
        return {content.schemas[address.schema].author}
    return set(content.authors)


def _state(builder: IndexBuilder, address: Address, content: OwnerContent) -> NodeState:
    if address.kind == "selection":
        return builder.selection_state(content)
    nodes = builder.nodes(content)
    if address.kind == "tool":
        return nodes.tools[address.schema, address.tool]
    return nodes.schemas[address.schema] if address.kind == "schema" else nodes.aggregate
