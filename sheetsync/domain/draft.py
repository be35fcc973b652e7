"""The draft: a proposed state of one connector, with where it came from and what speaks against it."""

from __future__ import annotations

import hashlib
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer

from sheetsync.domain.canonical import canonical_json
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.gate import GateCell
from sheetsync.domain.identifiers import ConnectorId, DraftId
from sheetsync.domain.model import Model
from sheetsync.domain.policy import PolicySnapshot

Stage = Literal["definition", "scoping", "policy", "verification"]
STAGES: tuple[Stage, ...] = ("definition", "scoping", "policy", "verification")
Status = Literal["open", "published", "superseded", "discarded"]
CellValue = bool | int | float | str | None  # what a cell of a table holds; None: nothing


def format_utc(value: datetime) -> str:
    """`2026-01-07T12:00:00Z`; microseconds only where there are any."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")


def check_aware(value: datetime) -> datetime:
    """The time itself; ValueError if it has no zone."""
    if value.tzinfo is None:
        raise ValueError("a time without a zone")
    return value


UtcTime = Annotated[datetime, AfterValidator(check_aware), PlainSerializer(format_utc, return_type=str)]


class SheetEdit(Model):
    """One cell that an owner edited: `base` is the published value it started from, `value` the owner's.

    Values are the columns' typed values: text, a boolean, a number, or None for "no such cell" (a KPI row that is
    added has base None in every column; one deleted has column `kpi_name` and value None).
    """

    tab: str
    cell: str
    row_key: tuple[str, ...]
    column: str
    base: CellValue
    value: CellValue


class SheetOrigin(Model):
    """The draft holds owners' pending edits: all of them, those carried over from superseded drafts too."""

    kind: Literal["sheet"] = "sheet"
    spreadsheet_id: str
    edits: tuple[SheetEdit, ...]
    pulled_at: UtcTime
    editor_hint: str | None = None


class ImportedOrigin(Model):
    """The draft came from an import of `namespace`."""

    kind: Literal["imported"] = "imported"
    namespace: str


class WorkbenchOrigin(Model):
    """The draft was made here: by a command, or on the Workbench page. `why` says how."""

    kind: Literal["workbench"] = "workbench"
    why: Literal["new", "restore", "retire", "withdrawn"] = "new"


Origin = Annotated[SheetOrigin | ImportedOrigin | WorkbenchOrigin, Field(discriminator="kind")]


class DraftBase(Model):
    """The published state the draft was made from: the snapshots' file names, and their content.

    For a connector never published the names are None; `policy` is then the state without pending edits, where there
    are any. A conflict resolved as *yours* moves its cell in `policy` to *theirs*.
    """

    components: str | None = None
    firearms: str | None = None
    kpis: str | None = None
    spec: ConnectorSpec | None = None
    policy: PolicySnapshot | None = None


class Check(Model):
    """One check of the sandbox. A warning has `ok` true and says so in its code (`undecided_scope`)."""

    code: str
    ok: bool
    message: str


class Validation(Model):
    """The sandbox's result, bound by `content_hash` to the spec and policy it was made of."""

    ok: bool
    content_hash: str
    checks: tuple[Check, ...]
    gate: tuple[GateCell, ...]
    verified_at: UtcTime
    verified_by: str


class Conflict(Model):
    """Owner and store changed one cell differently; `resolution` is None while it is open."""

    tab: str
    row_key: tuple[str, ...]
    column: str
    base: CellValue
    yours: CellValue
    theirs: CellValue
    resolution: Literal["yours", "theirs"] | None = None


class Approval(Model):
    """A person's word for exactly this content."""

    user: str
    at: UtcTime
    content_hash: str


class WorkbenchDraft(Model):
    """A proposed connector state. A change makes a new snapshot of the draft's record, never a change in place."""

    id: DraftId
    connector_id: ConnectorId
    stage: Stage = "definition"
    status: Status = "open"
    spec_snapshot: ConnectorSpec
    policy_snapshot: PolicySnapshot = PolicySnapshot()
    origin: Origin
    base: DraftBase = DraftBase()
    validation: Validation | None = None
    conflicts: tuple[Conflict, ...] = ()
    approvals: tuple[Approval, ...] = ()
    supersedes: DraftId | None = None
    superseded_by: DraftId | None = None
    closed_reason: str | None = None
    created_by: str
    created_at: UtcTime

    def content_hash(self) -> str:
        """SHA-256 of the canonical JSON of spec and policy (and whether it retires): what validation is bound to."""
        spec, policy = self.spec_snapshot.to_json(), self.policy_snapshot.to_json()
        content = {"spec": spec, "policy": policy} | ({"retires": True} if self.retires else {})
        return hashlib.sha256(canonical_json(content)).hexdigest()

    @property
    def retires(self) -> bool:
        """Does publishing this draft retire the connector?"""
        return isinstance(self.origin, WorkbenchOrigin) and self.origin.why == "retire"

    def open_conflicts(self) -> tuple[Conflict, ...]:
        """The conflicts that nobody has resolved."""
        return tuple(conflict for conflict in self.conflicts if conflict.resolution is None)
