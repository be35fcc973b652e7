"""What fsck found, as values: each finding with its stable code, and the report of a whole store."""

from __future__ import annotations

from dataclasses import dataclass

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import StoreDamagedError


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that fsck found.

    Attributes:
        code: what it is, stable: torn_line, broken_line, journal_gap, journal_order, missing, truncated, changed,
            swapped, link, misnamed, foreign, lost_commit, wrong_hash, format, unreadable, index, pack.
        tenant: the tenant's folder, "" for the whole store.
        path: the file, below the tenant.
        message: what is wrong.
        damage: does it break a promise? A torn last line does not: it was never acknowledged. Nor does a wrong pack,
            which nobody believes, or a name that its writer on a bucket may still be putting.
        hint: what can be done; after a repair, first why it was not.
        repaired: `--repair` put it right.
    """

    code: str
    tenant: str
    path: str
    message: str
    damage: bool = True
    recoverable: bool = False
    hint: str = ""
    repaired: bool = False

    def to_json(self) -> dict[str, JSONValue]:
        """As `fsck --json` prints it."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class FsckReport:
    """What fsck found, and how much it looked at."""

    url: str
    store_id: str
    tenants: tuple[str, ...]
    commits: int
    snapshots: int
    findings: tuple[Finding, ...]

    @property
    def damaged(self) -> bool:
        """Is there damage that was not repaired?"""
        return any(finding.damage and not finding.repaired for finding in self.findings)

    @property
    def exit_code(self) -> int:
        """0, or 9 for damage."""
        return StoreDamagedError.exit_code if self.damaged else 0

    def to_json(self) -> dict[str, JSONValue]:
        """As `fsck --json` prints it."""
        return {
            "ok": not self.damaged,
            "url": self.url,
            "store_id": self.store_id,
            "tenants": list(self.tenants),
            "commits": self.commits,
            "snapshots": self.snapshots,
            "findings": [finding.to_json() for finding in self.findings],
            "repaired": sum(finding.repaired for finding in self.findings),
        }
