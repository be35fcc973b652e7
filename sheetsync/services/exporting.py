"""Use cases: export the three tables of the contract, or a part of the island, into a fresh folder.

Nothing outside is ever overwritten: the folder must not exist, and it appears whole or not at all.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sheetsync.domain.canonical import JSONValue
from sheetsync.errors import NotFoundError, UsageError
from sheetsync.exports import tsv
from sheetsync.exports.tables import connector_registry, coverage_report, policy_matrix
from sheetsync.island.address import resolve_address
from sheetsync.island.export import ExportFile, owner_files, write_fresh
from sheetsync.island.layout import PROVIDERS, SELECTIONS
from sheetsync.island.manifest import all_manifests
from sheetsync.services.indexing import builder_of
from sheetsync.services.workspace import Workspace


@dataclass(frozen=True)
class ExportReport:
    """What was written: paths of files, by code point."""

    files: tuple[str, ...]

    @property
    def exit_code(self) -> int:
        """Always 0."""
        return 0

    def to_json(self) -> dict[str, JSONValue]:
        """`{"ok", "files": […]}`."""
        return {"ok": True, "files": list(self.files)}


def export_tsv(ws: Workspace, out_dir: Path) -> ExportReport:
    """Write `connector_registry.tsv`, `policy_matrix.tsv` and `coverage_report.tsv` into a fresh folder.

    Raises:
        DestinationError: the folder exists, or cannot be made.
    """
    catalogue = ws.catalogue()
    live = catalogue.live_all()
    tables = (
        connector_registry(live),
        policy_matrix(live),
        coverage_report(live, list(catalogue.proposals().values()), ws.routes),
    )
    tsv.export_tsv(out_dir, tables)
    return ExportReport(tuple(sorted(str(path) for path in out_dir.iterdir())))


def export_island(ws: Workspace, address: str | None, out_dir: Path, *, sources: bool = False) -> ExportReport:
    """Write the `index.json` of a namespace or selection (None: of all), and with `sources` its newest sources.

    Raises:
        NotFoundError, AmbiguousIdError: the id leads to nothing, or to more than one thing.
        UsageError: it leads to a part of a namespace.
        DestinationError: the folder exists, or cannot be made.
    """
    builder, reader = builder_of(ws)
    if address is not None:
        found = resolve_address(reader, address)
        if found.kind not in ("namespace", "selection"):
            hint = f"sheetsync export {found.owner} --out {out_dir}"
            message = f"'{address}' is a part of '{found.owner}': a namespace or selection is exported whole"
            raise UsageError(message, hint=hint)
        owners = [(SELECTIONS if found.kind == "selection" else PROVIDERS, found.owner)]
    else:
        tenant = ws.ctx.tenant
        owners = [(kind, name) for kind in (PROVIDERS, SELECTIONS) for name in all_manifests(ws.store, tenant, kind)]
        if not owners:
            raise NotFoundError("the island is empty", hint="import providers first: sheetsync import PATH")
    files: list[ExportFile] = []
    for kind, owner in owners:
        below = "" if address is not None else kind
        files += owner_files(builder, reader, kind, owner, below=below, sources=sources)
    written = write_fresh(out_dir, files)
    return ExportReport(tuple(str(path) for path in written))
