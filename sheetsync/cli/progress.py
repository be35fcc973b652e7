"""A progress bar on stderr: on a terminal only, and only when the work takes long enough to wonder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sheetsync.cli.output import Output

Progress = Callable[[int, int, str], None]  # done, total, what


@contextmanager
def progress_bar(output: Output, title: str) -> Iterator[Progress]:
    """A callback that draws the bar; elsewhere than on a terminal it does nothing."""
    if output.quiet or output.as_json or not sys.stderr.isatty():
        yield _silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True, no_color=output.no_color)
    columns = (TextColumn(title), BarColumn(), MofNCompleteColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("", total=None)

        def draw(done: int, total: int, what: str) -> None:
            bar.update(task, completed=done, total=total, description=what)

        yield draw


def _silent(done: int, total: int, what: str) -> None:
    """No terminal, no bar."""
