"""verify, publish, retire."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import command
from sheetsync.cli.output import Output, count

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

Json = Mapping[str, Any]


@command("verify")
@click.argument("draft_ids", metavar="DRAFT...", nargs=-1, required=True)
def verify(session: Session, *, draft_ids: Sequence[str]) -> int:
    """Run the sandbox over drafts and store its result; it never runs a connector's code."""
    from sheetsync.services import publishing

    report = publishing.verify_drafts(session.workspace, draft_ids)
    value = report.to_json()
    session.output.answer(value, verify_lines(value, session.output))
    return report.exit_code


def verify_lines(report: Json, output: Output) -> Iterator[str]:
    """Each draft with its failed checks and warnings; the gate table where one draft was asked for, or with -v."""
    from sheetsync.cli.draft_text import gate_lines

    results = report["results"]
    for result in results:
        word = output.style("passed", "green") if result["ok"] else output.style("failed", "red")
        yield f"{result['draft_id']}  {word}  {count(len(result['checks']), 'check')}"
        for check in result["checks"]:
            if not check["ok"] or check["code"].startswith("undecided"):
                message = check["message"].removeprefix("warning: ")
                yield f"  {'warning' if check['ok'] else 'failed'}: {message}"
        if len(results) == 1 or output.verbose:
            yield from gate_lines(result["gate"], output)


@command("publish")
@click.argument("draft_ids", metavar="DRAFT...", nargs=-1, required=True)
def publish(session: Session, *, draft_ids: Sequence[str]) -> int:
    """Make drafts live: every registry in one transaction, or nothing."""
    from sheetsync.services import publishing

    report = publishing.publish_drafts(session.workspace, draft_ids)
    value = report.to_json()
    session.output.answer(value, _published_lines(value))
    return report.exit_code


def _published_lines(report: Json) -> Iterator[str]:
    for done in report["published"]:
        when = f"at {done['published_at']}, commit {done['commit']}"
        yield f"published {done['connector_id']} ({done['draft_id']}) {when}"
    for draft_id in report.get("already_published", ()):
        yield f"{draft_id} is published already"


@command("retire")
@click.argument("connector")
def retire(session: Session, *, connector: str) -> int:
    """Make a draft whose publish takes CONNECTOR out of service."""
    from sheetsync.services import publishing

    stored = publishing.retire_connector(session.workspace, connector)
    value = stored.draft.to_json()
    session.output.answer(
        {"draft": value},
        [f"made: {value['id']} retires {connector}: 'sheetsync publish {value['id']}' does it"],
    )
    return 0
