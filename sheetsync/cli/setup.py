"""init, config show, doctor."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from sheetsync.cli.options import Group, command

if TYPE_CHECKING:
    from sheetsync.cli.session import Session
    from sheetsync.services.doctor import Line

DOCTOR_COLOURS = {"ok": "green", "warn": "yellow", "fail": "red"}


@command("init")
@click.argument("directory", metavar="[DIR]", default=".", type=click.Path(path_type=Path))
def init(session: Session, *, directory: Path) -> int:
    """Make a workspace in DIR (default: here): config/ with its three files, and store/."""
    from sheetsync.bootstrap import init_workspace

    made = [str(path) for path in init_workspace(directory)]
    session.output.answer(
        {"ok": True, "dir": str(directory), "files": made},
        [*(f"made {path}" for path in made), "next: 'sheetsync import PATH' in that folder, or 'sheetsync demo'"],
    )
    return 0


@click.group("config", cls=Group)
def config() -> None:
    """Show the configuration in use."""


@command("show")
def show(session: Session) -> int:
    """Show every setting in use, without secrets."""
    value = session.settings.to_public_json()
    session.output.answer(value, _flat(value))
    return 0


config.add_command(show)


def _flat(value: Mapping[str, Any], prefix: str = "") -> Iterator[str]:
    for key, inner in value.items():
        if isinstance(inner, Mapping):
            yield from _flat(inner, f"{prefix}{key}.")
        else:
            from json import dumps

            yield f"{prefix}{key} = {dumps(inner, ensure_ascii=False)}"


@command("doctor")
def doctor(session: Session) -> int:
    """Check configuration, store, access and spreadsheet, and say what to do about each finding."""
    from sheetsync.bootstrap import run_doctor_from

    report = run_doctor_from(session.config_path, session.overrides, interactive=session.interactive)
    session.output.answer(report.to_json(), _doctor_lines(report.lines, session))
    return report.exit_code


def _doctor_lines(lines: Iterable[Line], session: Session) -> Iterator[str]:
    for line in lines:
        status = session.output.style(f"{line.status:<4}", DOCTOR_COLOURS.get(line.status))
        yield f"{status}  {line.name}: {line.message}"
        if line.hint and line.status != "ok":
            yield f"      hint: {line.hint}"
