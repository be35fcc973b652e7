"""The drafts of a tenant as lines: what lists and counts need, kept in a derived file so that no draft is read twice.

A line belongs to one snapshot's file name, which never changes its content; a damaged or deleted file costs time only.
The checked drafts are read in `catalogue`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final, Protocol, cast

from sheetsync.errors import InvalidContentError
from sheetsync.registry.derived import WORTH_KEEPING, read_rows, write_rows
from sheetsync.registry.records import COMPONENTS, DRAFTS
from sheetsync.store import RecordId, Snapshot, Store

DRAFTS_FILE: Final = ("catalogue", "drafts.json")
RETIRED_FILE: Final = ("catalogue", "components.json")


class StateReader(Protocol):
    """The state of a store: now, or at a commit."""

    def latest(self, record: RecordId) -> Snapshot | None:
        """The newest snapshot of a record."""

    def latest_all(self, tenant: str, folder: tuple[str, ...]) -> Iterable[Snapshot]:
        """The newest snapshots of all records below a folder."""

    def newest(self, tenant: str, folder: tuple[str, ...]) -> list[tuple[RecordId, str]]:
        """The records below a folder with the newest snapshot's file name; no content is read."""


@dataclass(frozen=True, slots=True)
class DraftLine:
    """What lists and counts need of a draft. `filename` is that of the snapshot the line was made of."""

    id: str
    connector_id: str
    stage: str
    status: str
    origin: str
    created_at: str
    pending_edits: int
    record: RecordId = field(repr=False)
    filename: str
    state: StateReader = field(repr=False, compare=False)

    @property
    def snapshot(self) -> Snapshot:
        """The draft's newest snapshot, read now."""
        found = self.state.latest(self.record)
        assert found is not None, "a record that had a snapshot has one"  # noqa: S101 - nothing is ever removed
        return found


def content(snapshot: Snapshot) -> dict[str, Any]:
    """The JSON object of one of our records."""
    return cast("dict[str, Any]", snapshot.content)


@contextmanager
def reading(*records: RecordId) -> Iterator[None]:
    """Where contents become values: say which record holds what sheetsync never saves there.

    Raises:
        InvalidContentError: names the records that are read, and what is missing or wrong.
    """
    try:
        yield
    except (InvalidContentError, KeyError, TypeError, AttributeError, ValueError) as exc:
        what = exc.message if isinstance(exc, InvalidContentError) else str(exc)
        names = " or ".join(f"'{'/'.join(record.folder)}'" for record in records)
        raise InvalidContentError(
            f"{names} in the store is not what sheetsync saves: {what}{' is missing' * isinstance(exc, KeyError)}",
            hint=f"'sheetsync log {records[0].name}' tells which program did; have it save what belongs there",
        ) from exc


def read_lines(store: Store, state: StateReader) -> list[DraftLine]:
    """A line for each draft of the tenant, in no particular order."""
    names = state.newest(store.tenant, DRAFTS)
    known = read_rows(store, DRAFTS_FILE)
    lines, fresh = [], {}
    for record, filename in names:
        row: list[Any] | None = known.get(filename)
        if row is None:
            snapshot = state.latest(record)
            with reading(record):
                row = fresh[filename] = _row(content(cast("Snapshot", snapshot)))
        lines.append(_line(row, record, filename, state))
    if len(fresh) >= WORTH_KEEPING and state is store:
        kept = {filename: known.get(filename) or fresh[filename] for _, filename in names}
        write_rows(store, DRAFTS_FILE, kept)
    return lines


def live_ids(store: Store, state: StateReader) -> list[str]:
    """The ids of the connectors that are live (published, and not retired), in code-point order."""
    names = state.newest(store.tenant, COMPONENTS)
    known = read_rows(store, RETIRED_FILE)
    fresh = {}
    found = []
    for record, filename in names:
        retired = known.get(filename)
        if retired is None:
            snapshot = state.latest(record)
            with reading(record):
                retired = fresh[filename] = bool(content(cast("Snapshot", snapshot))["retired"])
        if not retired:
            found.append(record.name)
    if len(fresh) >= WORTH_KEEPING and state is store:
        kept = {filename: known.get(filename, fresh.get(filename)) for _, filename in names}
        write_rows(store, RETIRED_FILE, kept)
    return sorted(found)


def _line(row: list[Any], record: RecordId, filename: str, state: StateReader) -> DraftLine:
    draft_id, connector_id, stage, status, origin, created_at, edits = row
    return DraftLine(draft_id, connector_id, stage, status, origin, created_at, edits, record, filename, state)


def _row(draft: dict[str, Any]) -> list[Any]:
    origin = draft["origin"]
    edits = len(origin["edits"]) if origin["kind"] == "sheet" else 0
    names = ("id", "connector_id", "stage", "status")
    return [*(draft[name] for name in names), origin["kind"], draft["created_at"], edits]


def made(line: DraftLine) -> str:
    """Creation as text that sorts by time: without the `Z`, a fraction of a second comes after none."""
    return line.created_at.removesuffix("Z")
