"""The command reference as Markdown, made from the commands themselves: `python -m sheetsync.cli.reference`.

`docs/cli.md` is its output; a test keeps the two equal.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Final

import click

HEAD: Final = """# Commands

This page is made by `python -m sheetsync.cli.reference > docs/cli.md`; a test checks it.

The global options stand before or after the command: `sheetsync --json push` and `sheetsync push --json` are the same.
With `--json` a command prints exactly one JSON object on stdout.
An error is one, too: `{"error": {"code", "message", "hint", "exit_code"}}`.
stdout is the answer, stderr the talk.

| exit code | meaning |
|---|---|
| 0 | fine, also when there was nothing to do |
| 1 | a defect of sheetsync |
| 2 | usage or configuration; also an unknown draft, connector or spreadsheet |
| 3 | done, but some rows have problems or conflicts, a provider was refused, or a verification failed |
| 4 | refused: stale, not open, not verified |
| 5 | not allowed: credentials, sharing, the second person |
| 7 | safety stop: nothing was written, a person must decide |
| 8 | another run holds the lock |
| 9 | the store is damaged |
| 75 | try again later: quota, network |
| 130 | stopped by Ctrl-C |
"""


def reference_text() -> str:
    """The whole page."""
    from sheetsync.cli.app import SECTIONS, cli

    lines = [HEAD, "## Global options", "", *_options(cli, hidden=False), ""]
    for title, commands in SECTIONS:
        lines += [f"## {title}", ""]
        for name in commands:
            found = cli.get_command(click.Context(cli), name)
            if found is not None:
                lines += _entry(f"sheetsync {name}", found)
    return "\n".join(lines).rstrip() + "\n"


def _entry(path: str, found: click.Command) -> Iterator[str]:
    if isinstance(found, click.Group):
        for name in found.commands:
            yield from _entry(f"{path} {name}", found.commands[name])
        return
    arguments = [parameter for parameter in found.params if isinstance(parameter, click.Argument)]
    words = " ".join(argument.make_metavar(click.Context(found)) for argument in arguments)
    yield f"### `{path}{' ' + words if words else ''}`"
    yield ""
    yield " ".join((found.help or "").split())
    yield ""
    options = list(_options(found, hidden=False))
    if options:
        yield from [*options, ""]


def _options(found: click.Command, *, hidden: bool) -> Iterator[str]:
    for parameter in found.params:
        if isinstance(parameter, click.Option) and parameter.hidden == hidden:
            record = parameter.get_help_record(click.Context(found))
            if record is not None:
                yield f"- `{record[0]}`: {record[1]}"


if __name__ == "__main__":
    sys.stdout.write(reference_text())
