"""import and export."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import command
from sheetsync.cli.output import Output, count
from sheetsync.cli.sync_text import problem_lines

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

NAMES_SHOWN = 12


@command("import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only say what an import would do; change nothing.")
def import_(session: Session, *, paths: Sequence[Path], check: bool) -> int:
    """Import provider folders, selections, or folders of providers; each changed connector gets a draft."""
    from sheetsync.cli.progress import progress_bar
    from sheetsync.services import importing

    with progress_bar(session.output, "importing") as progress:
        report = importing.import_paths(session.workspace, paths, check=check, progress=progress)
    value = report.to_json()
    session.output.answer(value, import_lines(value, session.output, check=check))
    return report.exit_code


def import_lines(report: Mapping[str, Any], output: Output, *, check: bool = False) -> Iterator[str]:
    """What was created, changed and skipped, the problems, and the drafts."""
    would = "would be " if check else ""
    for word in ("created", "changed", "skipped"):
        names = report[word]
        if names:
            more = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
            yield f"{would}{word} {len(names)}: {', '.join(names[:NAMES_SHOWN])}{more}"
    yield from problem_lines(report["problems"], output)
    drafts = report["drafts"]
    if drafts:
        yield f"{count(len(drafts), 'draft')} {would}made: 'sheetsync draft list' shows them"
    if not any(report[word] for word in ("created", "changed", "problems")):
        yield "nothing new"


@command("export")
@click.argument("address", metavar="[NAMESPACE|SELECTION]", required=False)
@click.option("--tsv", is_flag=True, help="The three tables of the contract, as TSV.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="A folder that is new.")
@click.option("--sources", is_flag=True, help="Also the newest sources, byte for byte.")
def export(session: Session, *, address: str | None, tsv: bool, out: Path, sources: bool) -> int:
    """Write the three TSVs (--tsv), or one NAMESPACE or SELECTION of the island, into a fresh folder."""
    from sheetsync.services import exporting

    if tsv == (address is not None):
        raise click.UsageError("say either --tsv, or which namespace or selection to export")
    if tsv:
        if sources:
            raise click.UsageError("--sources goes with a namespace or selection, not with --tsv")
        report = exporting.export_tsv(session.workspace, out)
    else:
        report = exporting.export_island(session.workspace, str(address), out, sources=sources)
    value = report.to_json()
    session.output.answer(value, [f"wrote {path}" for path in value["files"]])
    return 0
