"""What a draft changes against what is published, in the words of policy owners, with loosening marked.

Values only come out; how they are printed is in `cli`, how they look on the page in `web`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.cells import KPI_TAB, PolicyCell, cell_at, policy_cells, read_cell
from sheetsync.domain.connector import ConnectorSpec
from sheetsync.domain.draft import CellValue, SheetOrigin, WorkbenchDraft
from sheetsync.domain.gate import loosenings
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.domain.wording import cell_loosening, describe_change, describe_loosening
from sheetsync.registry.catalogue import Catalogue
from sheetsync.registry.publish import merge_with_live
from sheetsync.services.workspace import Workspace

NOTHING = PolicySnapshot()


@dataclass(frozen=True)
class CellChange:
    """One cell of the policy that differs; `owner` is the owner's pending value where the draft has another one."""

    cell: PolicyCell
    row_key: tuple[str, str]
    published: CellValue
    draft: CellValue
    text: str
    loosening: str | None
    pending: bool
    owner: CellValue = None
    overruled: bool = False

    def to_json(self) -> dict[str, JSONValue]:
        """With `owner` only where an operator overruled the owner's pending value."""
        plain: dict[str, JSONValue] = {
            "tab": self.cell.tab,
            "row_key": list(self.row_key),
            "column": self.cell.column,
            "published": self.published,
            "draft": self.draft,
            "text": self.text,
            "loosening": self.loosening,
            "pending": self.pending,
        }
        return plain | ({"owner": self.owner} if self.overruled else {})


@dataclass(frozen=True)
class SpecChange:
    """One field of the spec that differs."""

    field: str
    published: JSONValue
    draft: JSONValue

    def to_json(self) -> dict[str, JSONValue]:
        """`{"field", "published", "draft"}`."""
        return {"field": self.field, "published": self.published, "draft": self.draft}


@dataclass(frozen=True)
class DraftDiff:
    """A draft against what is published now.

    `loosening`: all ways in which it is looser. `moved`: fields that were published differently since its base, which
    publish would refuse. `first` says that nothing was published before, `retires` that it takes the connector away.
    """

    draft: WorkbenchDraft
    changes: tuple[CellChange, ...]
    spec: tuple[SpecChange, ...]
    loosening: tuple[str, ...]
    moved: tuple[str, ...]
    first: bool
    retires: bool

    @property
    def exit_code(self) -> int:
        """Looking is always fine."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """The draft's id and connector, and the lists of this value."""
        return {
            "draft": self.draft.id,
            "connector_id": self.draft.connector_id,
            "changes": [change.to_json() for change in self.changes],
            "spec": [change.to_json() for change in self.spec],
            "loosening": list(self.loosening),
            "moved": list(self.moved),
            "conflicts": [one.to_json() for one in self.draft.open_conflicts()],
            "first_publication": self.first,
            "retires": self.retires,
        }


def diff_draft(ws: Workspace, draft_id: str) -> DraftDiff:
    """What a draft changes.

    Raises:
        NotFoundError: there is no such draft.
    """
    catalogue = ws.catalogue()
    return diff_of(catalogue, catalogue.draft(draft_id).draft)


def diff_of(catalogue: Catalogue, draft: WorkbenchDraft) -> DraftDiff:
    """What a draft changes; for a closed draft against its base, for an open one against what is published now."""
    live = catalogue.published(draft.connector_id)
    if draft.status != "open":
        return _compare(draft, draft.base.spec, draft.base.policy if draft.base.spec else None, ())
    if live is None:
        return _compare(draft, None, None, ())
    merged = merge_with_live(draft, live)
    shown = draft
    if not merged.moved:
        shown = draft.model_copy(update={"spec_snapshot": merged.spec, "policy_snapshot": merged.policy})
    return _compare(shown, live.spec, live.policy(), merged.moved)


def _compare(
    draft: WorkbenchDraft, spec: ConnectorSpec | None, policy: PolicySnapshot | None, moved: tuple[str, ...]
) -> DraftDiff:
    new = NOTHING if draft.retires else draft.policy_snapshot
    found = () if draft.retires else loosenings(policy, new)
    return DraftDiff(
        draft=draft,
        changes=tuple(_cell_changes(draft, policy, new)),
        spec=() if draft.retires else tuple(_spec_changes(spec, draft.spec_snapshot)),
        loosening=tuple(describe_loosening(one) for one in found),
        moved=moved,
        first=policy is None,
        retires=draft.retires,
    )


def _cell_changes(draft: WorkbenchDraft, policy: PolicySnapshot | None, new: PolicySnapshot) -> list[CellChange]:
    old = policy or NOTHING
    pending = _pending(draft)
    found = []
    for cell in dict.fromkeys((*policy_cells(old), *policy_cells(new), *pending)):
        was, now = read_cell(old, cell), read_cell(new, cell)
        if was == now and cell not in pending:
            continue
        if cell.tab == KPI_TAB and cell.column != "kpi_name" and now is None:
            continue  # the row's own change says that it is dropped
        overruled = cell in pending and pending[cell] != now
        found.append(
            CellChange(
                cell=cell,
                row_key=(draft.connector_id, cell.name),
                published=was,
                draft=now,
                text=describe_change(cell, was, now),
                loosening=cell_loosening(None if draft.retires else policy, new, cell),
                pending=cell in pending,
                owner=pending.get(cell),
                overruled=overruled,
            )
        )
    return found


def _pending(draft: WorkbenchDraft) -> dict[PolicyCell, CellValue]:
    if not isinstance(draft.origin, SheetOrigin):
        return {}
    return {cell_at(edit.row_key, edit.column): edit.value for edit in draft.origin.edits}


def _spec_changes(old: ConnectorSpec | None, new: ConnectorSpec) -> list[SpecChange]:
    was: dict[str, Any] = old.to_json() if old else {}
    now = new.to_json()
    found = [
        SpecChange(field, was.get(field), now[field])
        for field in ("version", "name", "description", "engine_routes")
        if was.get(field) != now[field] and (old or now[field])
    ]
    for field in ("scopes", "tools"):
        before, after = _by_name(was.get(field, {})), _by_name(now[field])
        found += [
            SpecChange(f"{field.removesuffix('s')} {name}", before.get(name), after.get(name))
            for name in sorted({*before, *after})
            if before.get(name) != after.get(name)
        ]
    return found


def _by_name(part: JSONValue) -> dict[str, JSONValue]:
    return {one["name"]: one for one in part} if isinstance(part, list) else dict(part)
