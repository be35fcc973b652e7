"""What a push, pull or sync did: the report, its JSON (a contract, design.md section 9) and its exit code."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sheetsync.domain.canonical import JSONValue
from sheetsync.domain.draft import CellValue
from sheetsync.domain.problems import Problem
from sheetsync.sync.outcome import Found, FoundConflict
from sheetsync.sync.tabs import LAYOUTS, ROLES, Role

EXIT_FINE = 0
EXIT_PARTLY = 3


@dataclass
class TabCounts:
    """How much was written to one tab."""

    cells_written: int = 0
    rows_added: int = 0
    rows_removed: int = 0

    def to_json(self) -> dict[str, JSONValue]:
        """As the contract names them."""
        return {"cells_written": self.cells_written, "rows_added": self.rows_added, "rows_removed": self.rows_removed}


@dataclass(frozen=True)
class ReportedEdit:
    """One new edit of a draft."""

    tab: str
    cell: str
    row_key: tuple[str, ...]
    column: str
    base: CellValue
    value: CellValue
    loosening: bool

    def to_json(self) -> dict[str, JSONValue]:
        """As the contract names it."""
        return {
            "tab": self.tab, "cell": self.cell, "row_key": list(self.row_key), "column": self.column, "base": self.base,
            "value": self.value, "loosening": self.loosening,
        }  # fmt: skip


@dataclass(frozen=True)
class ReportedDraft:
    """A draft that the run made."""

    id: str
    connector_id: str
    edits: tuple[ReportedEdit, ...]

    def to_json(self) -> dict[str, JSONValue]:
        """As the contract names it."""
        return {"id": self.id, "connector_id": self.connector_id, "edits": [edit.to_json() for edit in self.edits]}


@dataclass
class SyncReport:
    """The outcome of one run. `quiet` makes the exit code 0 where all problems and conflicts were known before."""

    changed: bool = False
    tabs: dict[Role, TabCounts] = field(default_factory=lambda: {role: TabCounts() for role in ROLES})
    drafts: list[ReportedDraft] = field(default_factory=list)
    pending: list[Found] = field(default_factory=list)
    settling: list[Found] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    conflicts: list[FoundConflict] = field(default_factory=list)
    healed: list[Found] = field(default_factory=list)
    calls: Mapping[str, int] = field(default_factory=lambda: {"read": 0, "write": 0, "drive": 0})
    commit: int | None = None
    quiet: bool = False
    dry_run: bool = False

    def to_json(self) -> dict[str, JSONValue]:
        """The object that `--json` prints."""
        return {
            "ok": True,
            "changed": self.changed,
            "tabs": {LAYOUTS[role].title: counts.to_json() for role, counts in self.tabs.items()},
            "drafts": [draft.to_json() for draft in self.drafts],
            "pending": [found.to_json() for found in self.pending],
            "settling": [found.to_json() for found in self.settling],
            "problems": [problem.to_json() for problem in self.problems],
            "conflicts": [conflict.to_json() for conflict in self.conflicts],
            "healed": [found.to_json() for found in self.healed],
            "calls": dict(self.calls),
            "commit": self.commit,
        }

    @property
    def exit_code(self) -> int:
        """0, or 3 where rows have problems or conflicts."""
        bad = bool(self.problems or self.conflicts)
        return EXIT_PARTLY if bad and not self.quiet else EXIT_FINE

    def complaints(self) -> set[str]:
        """The problems and conflicts, as something that can be compared with those of an earlier run."""
        found = {f"{one.code} {one.tab} {'/'.join(one.row_key)} {one.message}" for one in self.problems}
        return found | {f"conflict {one.cell} {one.yours} {one.theirs}" for one in self.conflicts}
