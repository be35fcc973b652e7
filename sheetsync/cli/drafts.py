"""`draft new|list|show|diff|edit|advance|resolve|approve|discard`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from sheetsync.cli.draft_text import diff_lines, draft_lines, saved_line
from sheetsync.cli.options import Group, command

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sheetsync.cli.session import Session
    from sheetsync.domain.draft import Conflict, Stage
    from sheetsync.domain.firearms import FirearmBinding
    from sheetsync.registry.catalogue import StoredDraft
    from sheetsync.registry.conflicts import Side

FILE = click.Path(path_type=Path)
TAKES: Final = {
    "spec": '--spec takes a ConnectorSpec: {"name": …, "scopes": [{"name": …}]}',
    "policy": '--policy takes a PolicySnapshot: {"firearms": {scope: …}, "kpis": {kpi_name: …}}',
    "kpi": '--kpi takes {kpi_name: {"impact_type": …, "formula": …}}',
}


@click.group("draft", cls=Group)
def draft() -> None:
    """Make, show, edit, resolve, approve and discard drafts."""


def _answer_draft(session: Session, stored: StoredDraft, did: str) -> int:
    value = {"draft": stored.draft.to_json()}
    session.output.answer(value, [saved_line(value["draft"], did)])
    return 0


@command("new")
@click.argument("connector")
@click.option("--spec", type=FILE, metavar="FILE", help="A ConnectorSpec as JSON; else from what is published.")
def new(session: Session, *, connector: str, spec: Path | None) -> int:
    """Make a draft of CONNECTOR, from published if it exists."""
    from sheetsync.cli.files import read_object
    from sheetsync.services import drafts

    content = read_object(spec, TAKES["spec"]) if spec else None
    return _answer_draft(session, drafts.new_draft(session.workspace_to_fill, connector, content), "made")


@command("list")
@click.option("--all", "everything", is_flag=True, help="Also published, superseded and discarded ones.")
@click.option("--connector", metavar="ID", help="Only drafts of this connector.")
def list_(session: Session, *, everything: bool, connector: str | None) -> int:
    """List the open drafts, newest last."""
    from sheetsync.services import drafts

    found = drafts.list_drafts(session.workspace, status=None if everything else "open", connector_id=connector)
    value = found.to_json()
    keys = ("id", "connector_id", "stage", "status", "origin", "created_at")
    rows = [[line[key] for key in keys] for line in value["drafts"]]
    header = ("draft", "connector", "stage", "status", "origin", "created")
    session.output.answer(value, session.output.table(header, rows, empty="no open drafts"))
    return 0


@command("show")
@click.argument("draft_id", metavar="DRAFT")
def show(session: Session, *, draft_id: str) -> int:
    """Show one draft: where it came from, its policy, its edits and conflicts."""
    from sheetsync.services import drafts

    value = drafts.show_draft(session.workspace, draft_id).draft.to_json()
    session.output.answer({"draft": value}, draft_lines(value, session.output))
    return 0


@command("diff")
@click.argument("draft_id", metavar="DRAFT")
def diff(session: Session, *, draft_id: str) -> int:
    """Show what the draft changes of published, loosening marked."""
    from sheetsync.services import drafts

    value = drafts.diff_draft(session.workspace, draft_id).to_json()
    session.output.answer(value, diff_lines(value, session.output))
    return 0


@command("edit")
@click.argument("draft_id", metavar="DRAFT")
@click.option("--policy", type=FILE, metavar="FILE", help="The whole policy, a PolicySnapshot as JSON.")
@click.option("--firearm", "firearms", multiple=True, metavar="SCOPE=ID[+lock]", help="Set a scope's firearm.")
@click.option("--no-firearm", "none", multiple=True, metavar="SCOPE", help="Decide that the scope needs none.")
@click.option("--undecide", multiple=True, metavar="SCOPE", help="Take a scope's decision away.")
@click.option(
    "--kpi",
    "kpis",
    type=FILE,
    multiple=True,
    metavar="FILE",
    help="KPIs to set, {kpi_name: KpiBinding} as JSON; null takes one away.",
)
@click.option("--spec", type=FILE, metavar="FILE", help="The whole spec, a ConnectorSpec as JSON.")
@click.option("--version", metavar="SEMVER", help="Raise the connector's version.")
def edit(session: Session, *, draft_id: str, **options: Any) -> int:
    """Change a draft; every change saves a new snapshot of it."""
    from sheetsync.cli.files import read_object
    from sheetsync.services import drafts

    if not any(options.values()):
        raise click.UsageError(
            "say what to change: --policy, --firearm, --no-firearm, --undecide, --kpi, --spec, --version"
        )
    files = {name: read_object(options[name], TAKES[name]) for name in ("policy", "spec") if options[name]}
    stored = drafts.edit_draft(
        session.workspace,
        draft_id,
        policy=files.get("policy"),
        firearms=_bindings(options["firearms"], options["none"], options["undecide"]),
        undecide=options["undecide"],
        kpis=_kpis(options["kpis"]),
        version=options["version"],
        spec=files.get("spec"),
    )
    return _answer_draft(session, stored, "saved")


def _kpis(paths: tuple[Path, ...]) -> dict[str, Any]:
    """The KPIs of all `--kpi` files; one that two of them name is refused."""
    from sheetsync.cli.files import read_object

    found: dict[str, Any] = {}
    for path in paths:
        given = read_object(path, TAKES["kpi"])
        twice = [name for name in given if name in found]
        if twice:
            raise click.UsageError(f"the KPI {twice[0][:80]!r} is given twice: choose one")
        found |= given
    return found


def _bindings(firearms: tuple[str, ...], none: tuple[str, ...], undecide: tuple[str, ...]) -> dict[str, FirearmBinding]:
    """`--firearm` and `--no-firearm` as bindings; a scope about which two things are said is refused."""
    from sheetsync.domain.firearms import FirearmBinding
    from sheetsync.services.drafts import parse_firearm_option

    said: list[tuple[str, FirearmBinding | None]] = [parse_firearm_option(given) for given in firearms]
    said += [(scope, FirearmBinding(firearm_id=None)) for scope in none]
    said += [(scope, None) for scope in undecide]
    found: dict[str, FirearmBinding | None] = {}
    for scope, decision in said:
        if found.setdefault(scope, decision) != decision:
            raise click.UsageError(f"two different decisions are given for scope {scope[:80]!r}: choose one")
    return {scope: decision for scope, decision in found.items() if decision is not None}


@command("advance")
@click.argument("draft_id", metavar="DRAFT")
@click.option("--to", "stage", type=click.Choice(["definition", "scoping", "policy", "verification"]))
def advance(session: Session, *, draft_id: str, stage: Stage | None) -> int:
    """Move a draft to its next stage, or to the one named. The stage guides people; it never gates."""
    from sheetsync.services import drafts

    return _answer_draft(session, drafts.advance_draft(session.workspace, draft_id, stage), "saved")


@command("resolve")
@click.argument("draft_id", metavar="DRAFT")
@click.option("--yours", is_flag=True, help="Keep the owner's value.")
@click.option("--theirs", is_flag=True, help="Keep what is published, or take the other owner's edit.")
@click.option("--row", metavar="KEY", help="Only this row: its scope or KPI name.")
@click.option("--column", metavar="NAME", help="Only this column.")
def resolve(session: Session, *, draft_id: str, yours: bool, theirs: bool, row: str | None, column: str | None) -> int:
    """Decide the draft's open conflicts, all or those of one row or column.

    What nobody was shown yet stays open, and is listed: what was published under the edit that stands now, the firearm
    that an owner's lock needs and operators took off, and other owners' edits that are in conflict with that one.
    """
    from sheetsync.registry.conflicts import choose_conflicts, is_newest
    from sheetsync.services import drafts

    if yours == theirs:
        raise click.UsageError("say which side stands: --yours (the owner's value) or --theirs (what is published)")
    side: Side = "yours" if yours else "theirs"
    stored = drafts.open_draft(session.workspace, draft_id)
    chosen = choose_conflicts(stored.draft, row, column)
    if not chosen:
        session.output.answer({"draft": stored.draft.to_json()}, ["no open conflicts"])
        return 0
    before = stored.draft.open_conflicts()
    for conflict in reversed(chosen):  # of one cell, the newest is decided first: it is the one that is shown
        if is_newest(stored.draft, conflict):  # a KPI row that comes or goes was decided as a whole
            stored = drafts.resolve_conflict(session.workspace, draft_id, conflict.row_key, conflict.column, side)
    left = [one for one in stored.draft.open_conflicts() if one in chosen or one not in before]
    _tell_left(session, stored, left)
    return _answer_draft(session, stored, "saved")


def _tell_left(session: Session, stored: StoredDraft, left: Sequence[Conflict]) -> None:
    """Which conflicts the decision left open, and whom they are with."""
    from sheetsync.registry.conflicts import describe_conflict
    from sheetsync.services import drafts

    owners = drafts.owners_conflicts(session.workspace, stored) if left else ()
    for one in left:
        why = "what another owner typed" if one in owners else "what is published"
        session.output.say(f"still open: {describe_conflict(one)}: {why} is in conflict with the edit that stands now")
    if left:
        session.output.say(f"decide again: 'sheetsync draft resolve {stored.draft.id}', yours or theirs")


@command("approve")
@click.argument("draft_id", metavar="DRAFT")
def approve(session: Session, *, draft_id: str) -> int:
    """Approve a draft's content as it stands; another person then publishes it."""
    from sheetsync.services import drafts

    return _answer_draft(session, drafts.approve_draft(session.workspace, draft_id), "approved")


@command("discard")
@click.argument("draft_id", metavar="DRAFT")
@click.option("--reason", default="", help="Why; owners read it in the sheet.")
def discard(session: Session, *, draft_id: str, reason: str) -> int:
    """Close a draft without publishing it; its edits are answered 'rejected'."""
    from sheetsync.services import drafts

    report = drafts.discard_draft(session.workspace, draft_id, reason)
    value = report.to_json()
    left = [f"its connector was never published: {report.left} keeps what was not pending"] if report.left else []
    session.output.answer(value, [saved_line(report.draft.to_json(), "discarded"), *left])
    return 0


for _command in (new, list_, show, diff, edit, advance, resolve, approve, discard):
    draft.add_command(_command)
