"""push, pull, sync, plan, apply, undo, why: options to a service call to print. Repeated rounds are in `rounds`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import command
from sheetsync.cli.sync_text import run_lines, trouble_lines

if TYPE_CHECKING:
    from sheetsync.cli.session import Session
    from sheetsync.services.syncing import Forces, SyncReport


def force_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """The answers to safety stops; each names what it goes on about, none is a general force."""
    options = [
        click.option("--force-lost-rows", "lost_rows", metavar="TAB", multiple=True,
                     help="Go on though TAB lost many of its rows."),
        click.option("--force-mass-edit", "mass_edit", metavar="TAB", multiple=True,
                     help="Go on though most cells of TAB changed."),
        click.option("--force-headers", "headers", metavar="TAB", multiple=True,
                     help="Write the missing or renamed headers of TAB again."),
        click.option("--adopt", is_flag=True, help="Take this spreadsheet; differences are owners' edits."),
        click.option("--restore-from-store", "restore", is_flag=True,
                     help="Take this spreadsheet; differences are reported, then overwritten."),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def forces_of(options: dict[str, Any]) -> Forces:
    """Take the force options out of a command's options."""
    from sheetsync.services.syncing import Forces

    adopt, restore = options.pop("adopt"), options.pop("restore")
    if adopt and restore:
        raise click.UsageError("choose one of --adopt and --restore-from-store")
    return Forces(
        lost_rows=_tabs(options.pop("lost_rows")),
        mass_edit=_tabs(options.pop("mass_edit")),
        headers=_tabs(options.pop("headers")),
        adopt=adopt,
        restore_from_store=restore,
    )


def _tabs(titles: Iterable[str]) -> frozenset[str]:
    from sheetsync.sync.tabs import LAYOUTS, role_of, title_of

    for title in titles:
        if role_of(title) is None:
            known = ", ".join(title_of(role) for role in LAYOUTS)
            raise click.UsageError(f"there is no tab {title!r} of sheetsync; tabs are: {known}")
    return frozenset(titles)


def answer_run(session: Session, report: SyncReport, *, dry_run: bool = False) -> int:
    """Print the report of a run and return its exit code."""
    value = report.to_json()
    session.output.answer(value, run_lines(value, session.output, dry_run=dry_run))
    tell_trouble(session, value, report.exit_code)
    return report.exit_code


def tell_trouble(session: Session, value: dict[str, Any], exit_code: int) -> None:
    """With -q, what a person must know still goes to stderr: that is what makes cron send its mail."""
    if session.quiet and not session.as_json and exit_code:
        session.output.tell_person(trouble_lines(value, session.output))


@command("push")
@click.option("--dry-run", is_flag=True, help="Say what would be written; write nothing.")
@click.option("--resume", is_flag=True, help="Go on after an undo.")
@force_options
def push(session: Session, *, dry_run: bool, resume: bool, **options: Any) -> int:
    """Write the tables into the spreadsheet; an owner's edit that is in no draft is left alone and reported."""
    from sheetsync.services import syncing

    forces = forces_of(options)
    with session.gateway(make=not dry_run) as gateway:
        if resume:
            from sheetsync.services import sync_plans

            report = sync_plans.resume(session.workspace, gateway, dry_run=dry_run, forces=forces)
        else:
            report = syncing.push(session.workspace, gateway, dry_run=dry_run, forces=forces)
    return answer_run(session, report, dry_run=dry_run)


@command("pull")
@click.option("--dry-run", is_flag=True, help="Say what would be drafted; change nothing.")
@force_options
def pull(session: Session, *, dry_run: bool, **options: Any) -> int:
    """Bring owners' edits back as new drafts, and answer each of them in the sheet."""
    from sheetsync.services import syncing

    forces = forces_of(options)
    with session.gateway(make=not dry_run) as gateway:
        report = syncing.pull(session.workspace, gateway, dry_run=dry_run, forces=forces)
    return answer_run(session, report, dry_run=dry_run)


@command("sync")
@click.option("--every", metavar="SECONDS", type=click.FloatRange(min=1), help="Go on, a round every so often.")
@click.option("--all", "everything", is_flag=True, help="All configured spreadsheets and tenants.")
@click.option("--quiet-known", is_flag=True, help="Exit 3 only for problems the last run did not have.")
@force_options
def sync(session: Session, *, every: float | None, everything: bool, quiet_known: bool, **options: Any) -> int:
    """Pull, then push: one read, at most one write. This is what a cron job runs."""
    from sheetsync.cli import rounds

    forces = forces_of(options)
    plan = rounds.Rounds(forces=forces, quiet_known=quiet_known, everything=everything)
    if every is None:
        return rounds.one_round(session, plan)
    return rounds.repeat(session, plan, every_s=every)


@command("plan")
@click.option("--out", required=True, metavar="FILE", type=click.Path(path_type=Path), help="Where the plan goes.")
def plan(session: Session, *, out: Path) -> int:
    """Write down exactly what a sync would do now; 'apply' does that or nothing."""
    from sheetsync.cli.files import write_new
    from sheetsync.domain.canonical import canonical_json
    from sheetsync.services import sync_plans

    with session.gateway() as gateway:
        found = sync_plans.make_plan(session.workspace, gateway)
    write_new(out, canonical_json(found.to_json()) + b"\n")
    value = {"ok": True, "plan": str(out), "changed": found.changed}
    text = f"plan written to {out}: 'sheetsync apply {out}' does it" if found.changed else f"{out}: nothing to do"
    session.output.answer(value, [text])
    return 0


@command("apply")
@click.argument("file", type=click.Path(path_type=Path))
def apply(session: Session, *, file: Path) -> int:
    """Do exactly what the plan says; refused if the store or the sheet moved since."""
    from sheetsync.cli.files import read_json
    from sheetsync.services import sync_plans

    content = read_json(file)
    with session.gateway() as gateway:
        report = sync_plans.apply_plan(session.workspace, gateway, content)
    return answer_run(session, report)


@command("undo")
def undo(session: Session) -> int:
    """Put back what the last push wrote over; runs then stop until 'push --resume'."""
    from sheetsync.services import sync_plans

    with session.gateway() as gateway:
        report = sync_plans.undo(session.workspace, gateway)
    return answer_run(session, report)


@command("why")
@click.argument("cell", metavar="TAB!CELL")
def why(session: Session, *, cell: str) -> int:
    """Say where the value of a cell comes from: published, pending, conflict, or a person's own."""
    from sheetsync.services import sync_plans

    tab, found, address = cell.rpartition("!")
    if not found or not tab or not address:
        raise click.UsageError(f"'{cell}' is not of the form TAB!CELL, as in 'Policy Matrix!C7'")
    with session.gateway() as gateway:
        report = sync_plans.why(session.workspace, gateway, tab.strip("'"), address)
    session.output.answer(report.to_json(), report.lines())
    return 0
