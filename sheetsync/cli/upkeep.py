"""fsck, store copy|compact, index rebuild, grade approve|veto, lock show|break."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import Group, command
from sheetsync.cli.output import count

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

Json = Mapping[str, Any]


@command("fsck")
@click.option("--repair", is_flag=True, help="Add what is missing, replace what is damaged, from the journal.")
def fsck(session: Session, *, repair: bool) -> int:
    """Prove every hash of the store. It looks before recovery runs and never deletes."""
    from sheetsync.store import fsck as check_store

    report = check_store(session.lenient_settings.store, repair=repair)
    value = report.to_json()
    session.output.answer(value | _damage(report.exit_code, value), _fsck_lines(value, session))
    return report.exit_code


def _damage(exit_code: int, report: Json) -> dict[str, Any]:
    """The error object of a damaged store, beside the report: programs find it where every error stands."""
    from sheetsync.errors import StoreDamagedError

    found = sum(finding["damage"] and not finding["repaired"] for finding in report["findings"])
    return dict(StoreDamagedError(f"the store is damaged: {count(found, 'finding')}").to_json()) if exit_code else {}


def _fsck_lines(report: Json, session: Session) -> Iterator[str]:
    for finding in report["findings"]:
        state = "repaired" if finding["repaired"] else "damage" if finding["damage"] else "note"
        colour = "red" if state == "damage" else "yellow"
        where = "/".join(part for part in (finding["tenant"], finding["path"]) if part)
        yield f"{session.output.style(state, colour)}  {finding['code']}  {where}: {finding['message']}"
        if finding["hint"] and not finding["repaired"]:
            yield f"  hint: {finding['hint']}"
    place = session.lenient_settings.store
    yield f"checked {count(report['snapshots'], 'snapshot')} in {count(report['commits'], 'commit')} of '{place}'"
    yield "the store is sound" if report["ok"] else "the store is damaged"


@click.group("store", cls=Group)
def store() -> None:
    """Copy or compact a store."""


@command("copy")
@click.argument("destination", metavar="URL")
def store_copy(session: Session, *, destination: str) -> int:
    """Copy the store, history and all, to a new folder or bucket, and prove the copy."""
    from sheetsync.store import copy_store

    report = copy_store(session.lenient_settings.store, destination, tell=session.output.say)
    value = report.to_json()
    session.output.answer(value, [f"copied {value['commits']} commits to {destination}"])
    return 0


@command("compact")
def store_compact(session: Session) -> int:
    """Write a checkpoint, so that opening the store reads less. No snapshot is changed or removed."""
    with session.open_store() as opened:
        report = opened.compact()
    value = report.to_json()
    session.output.answer(value, [f"compacted up to commit {value['commit']}"])
    return 0


@click.group("index", cls=Group)
def index() -> None:
    """Rebuild the derived index files."""


@command("rebuild")
def index_rebuild(session: Session) -> int:
    """Write every index.json anew from the snapshots; the bytes are the same if nothing changed."""
    from sheetsync.services import importing

    value = importing.rebuild_index(session.workspace).to_json()
    differed = f", {len(value['written'])} of them differed" if value["written"] else ", none differed"
    session.output.answer(value, [f"rebuilt {count(value['indexes'], 'index', 'indexes')}{differed}"])
    return 0


@click.group("grade", cls=Group)
def grade() -> None:
    """Approve or veto a grade of the island."""


@command("approve")
@click.argument("node", metavar="ID")
@click.option("--reason", required=True, help="Why.")
def grade_approve(session: Session, *, node: str, reason: str) -> int:
    """Approve a node for grade A; it needs a second person."""
    return _grade(session, node, reason, approve=True)


@command("veto")
@click.argument("node", metavar="ID")
@click.option("--reason", required=True, help="Why.")
def grade_veto(session: Session, *, node: str, reason: str) -> int:
    """Reject a node, finally, until a wholly new version."""
    return _grade(session, node, reason, approve=False)


def _grade(session: Session, node: str, reason: str, *, approve: bool) -> int:
    from sheetsync.services import grading

    report = grading.grade(session.workspace, node, approve=approve, reason=reason)
    value = report.to_json()
    session.output.answer(value, [f"{node}: {value['status']}, grade {value['node_grade'] or 'none'}"])
    return 0


@click.group("lock", cls=Group)
def lock() -> None:
    """Show or break the locks of runs."""


@command("show")
def lock_show(session: Session) -> int:
    """Show who holds a lock, where and since when."""
    with session.open_store() as opened:
        held = [lease.to_json() for lease in opened.held()]
    rows = [(h["name"], h["who"], h["host"], h["pid"], h["age_s"], "" if h["alive"] else "left behind") for h in held]
    header = ("lock", "who", "host", "pid", "age (s)", "state")
    empty = f"no locks in '{session.lenient_settings.store}'"
    session.output.answer({"locks": held}, session.output.table(header, rows, empty=empty))
    return 0


@command("break")
@click.argument("name")
def lock_break(session: Session, *, name: str) -> int:
    """Break a lock; a run that still holds it can commit nothing any more."""
    with session.open_store() as opened:
        broken = opened.break_lease(name, who=session.lenient_settings.user)
        others = [] if broken else [lease.name for lease in opened.held()]
    text = f"broke {name}, held by {broken.who} on {broken.host}" if broken else f"nobody holds {name}"
    text += f"; held are: {', '.join(others)}" if others else ""
    session.output.answer({"ok": True, "broken": broken.to_json() if broken else None}, [text])
    return 0


store.add_command(store_copy)
store.add_command(store_compact)
index.add_command(index_rebuild)
grade.add_command(grade_approve)
grade.add_command(grade_veto)
lock.add_command(lock_show)
lock.add_command(lock_break)
