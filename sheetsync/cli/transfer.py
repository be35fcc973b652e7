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
    from sheetsync.island.validator import Validator

NAMES_SHOWN = 12


@command("import")
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--check", is_flag=True, help="Only say what an import would do; change nothing.")
def import_(session: Session, *, paths: Sequence[Path], check: bool) -> int:
    """Import provider folders, selections, or folders of providers; each changed connector gets a draft."""
    from sheetsync.cli.progress import progress_bar
    from sheetsync.island.scan import check_there
    from sheetsync.services import importing

    check_there(tuple(paths))
    validator = _validator(session)
    with progress_bar(session.output, "importing") as progress:
        ws = session.workspace_to_check if check else session.workspace_to_fill
        report = importing.import_paths(ws, paths, check=check, progress=progress, validator=validator)
    value = report.to_json()
    session.output.answer(value, import_lines(value, session.output, check=check))
    return report.exit_code


def _validator(session: Session) -> Validator | None:
    """The external check of the configuration, if there is one."""
    from sheetsync.island.validator import Validator

    importing = session.settings.importing
    return Validator(importing.validator, importing.validator_limit_s) if importing.validator else None


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
    for draft in drafts:
        yield from _taken_away(draft)
    if report.get("findings"):
        yield f"{count(len(report['findings']), 'finding')} that refuse nothing (tests, docs, tags): --json lists them"
    if report.get("vanished"):
        yield f"no longer there, and not retired by that: {', '.join(report['vanished'])}"
    if not any(report[word] for word in ("created", "changed", "problems")):
        yield "nothing new"


def _taken_away(draft: Mapping[str, Any]) -> Iterator[str]:
    """What a draft no longer has: scopes, with the decision that goes with each, and owners' edits."""
    dropped = {one["scope"]: one for one in draft["dropped_bindings"]}
    for one in draft["removed"]:
        binding = dropped.pop(one["scope"], None)
        decision = f"; its {_decision(binding)} goes with it" if binding is not None else ""
        yield f"  {draft['connector_id']} {draft['version']}: scope {one['scope']} is gone (tightening){decision}"
    for scope, binding in dropped.items():
        yield f"  {draft['connector_id']} {draft['version']}: the {_decision(binding)} of {scope} goes"
    for edit in draft["rejected_edits"]:
        yield f"  {draft['connector_id']} {edit['tab']}!{edit['cell']}: {edit['message']}"


def _decision(binding: Mapping[str, Any]) -> str:
    lock = ", locked" if binding["strategy_lock"] else ""
    return f"decision ({binding['firearm_id'] or 'NONE'}{lock})"


@command("export")
@click.argument("address", metavar="[NAMESPACE|SELECTION]", required=False)
@click.option("--tsv", is_flag=True, help="The three tables of the contract, as TSV.")
@click.option("--out", required=True, metavar="DIR", type=click.Path(path_type=Path), help="A folder that is new.")
@click.option("--sources", is_flag=True, help="Also the newest sources, byte for byte.")
def export(session: Session, *, address: str | None, tsv: bool, out: Path, sources: bool) -> int:
    """Write the three TSVs (--tsv), or a NAMESPACE or SELECTION of the island, or all of it, into a fresh folder."""
    from sheetsync.services import exporting

    if tsv and (address is not None or sources):
        raise click.UsageError("--tsv exports the three tables; a namespace, a selection and --sources go without it")
    if tsv:
        report = exporting.export_tsv(session.workspace, out)
    else:
        report = exporting.export_island(session.workspace, address, out, sources=sources)
    value = report.to_json()
    session.output.answer(value, [f"wrote {path}" for path in value["files"]])
    return 0
