"""status, diff, card, log, restore: reading what there is, and going back to it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import command
from sheetsync.cli.output import Output, count

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

Json = Mapping[str, Any]


@command("status")
def status(session: Session) -> int:
    """Connectors, open drafts, pending edits, and how the last sync went."""
    from sheetsync.services.status import status as look

    value = look(session.workspace).to_json()
    session.output.answer(value, _status_lines(value, session.output))
    return 0


def _status_lines(value: Json, output: Output) -> Iterator[str]:
    yield f"connectors     {value['connectors']}"
    yield f"open drafts    {value['open_drafts']}"
    yield f"pending edits  {value['pending_edits']}"
    yield f"last sync      {value['last_sync'] or 'never'}"
    yield f"healthy        {output.style('yes', 'green') if value['healthy'] else output.style('no', 'red')}"


@command("card")
@click.argument("connector")
def card(session: Session, *, connector: str) -> int:
    """Show one connector: version, scopes, firearms, KPIs, validation."""
    from sheetsync.services import catalogue

    value = catalogue.card(session.workspace, connector).to_json()
    session.output.answer(value, _card_lines(value["card"], session.output))
    return 0


def _card_lines(value: Json, output: Output) -> Iterator[str]:
    from sheetsync.cli.draft_text import policy_lines, validation_text

    yield f"{output.style(value['id'], bold=True)} {value['version']}  {value['name']}".rstrip()
    published = f", {value['published_at']} by {value['published_by']}" if value.get("published_at") else ""
    yield f"state       {value['state']}{published}"
    yield f"validation  {validation_text(value['validation'])}"
    for draft in value["drafts"]:
        waiting = ", ".join(
            count(draft[key], word)
            for key, word in (("pending_edits", "pending edit"), ("conflicts", "conflict"))
            if draft[key]
        )
        yield f"draft       {draft['id']}  {draft['stage']}, {draft['origin']}{', ' + waiting if waiting else ''}"
    yield ""
    firearms = {scope["scope"]["name"]: scope["firearm"] for scope in value["scopes"]}
    decided = {name: firearm for name, firearm in firearms.items() if firearm is not None}
    yield from policy_lines(list(firearms), {"firearms": decided, "kpis": value["kpis"]}, output)


@command("diff")
@click.argument("connector", required=False)
def diff(session: Session, *, connector: str | None) -> int:
    """Show what the open drafts would change of published, loosening marked."""
    from sheetsync.cli.draft_text import diff_lines
    from sheetsync.services import catalogue

    value = catalogue.diff(session.workspace, connector).to_json()
    lines = (line for entry in value["drafts"] for line in diff_lines(entry, session.output))
    session.output.answer(value, lines if value["drafts"] else ["no open drafts"])
    return 0


@command("log")
@click.argument("name", required=False)
@click.option("-n", "--limit", type=click.IntRange(min=1), default=None, help="Only the newest ones.")
def log(session: Session, *, name: str | None, limit: int | None) -> int:
    """Commits, newest first: number, time, who, why, and the records."""
    from sheetsync.services import catalogue

    value = catalogue.log(session.workspace, name, limit=limit).to_json()
    rows = [(c["commit"], c["at"], c["who"], c["why"], count(len(c["snapshots"]), "snapshot")) for c in value["log"]]
    session.output.answer(value, session.output.table(("commit", "at", "who", "why", "snapshots"), rows))
    return 0


@command("restore")
@click.argument("name", metavar="CONNECTOR|DRAFT")
@click.option(
    "--at", "at", metavar="COMMIT", help="A commit number of 'sheetsync log', or a snapshot [the one before]."
)
def restore(session: Session, *, name: str, at: str | None) -> int:
    """Make a new draft from an older state; publishing it makes that state live."""
    from sheetsync.cli.draft_text import saved_line
    from sheetsync.services import drafts

    stored = drafts.restore_draft(session.workspace, name, at)
    value = stored.draft.to_json()
    session.output.answer({"draft": value}, [saved_line(value, "made")])
    return 0
