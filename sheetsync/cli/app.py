"""The root of the command line: the table of commands, and `run`, which turns whatever happens into an exit code."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

import click

from sheetsync import __version__
from sheetsync.cli.options import LazyGroup, Section

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

SECTIONS: Final[Sequence[Section]] = (
    ("Start", {
        "demo": ("demo:demo", "Play the whole loop on made-up connectors, without an account."),
        "init": ("setup:init", "Make a workspace: configuration and store."),
        "config": ("setup:config", "Show the configuration in use."),
        "doctor": ("setup:doctor", "Check configuration, store, access and spreadsheet."),
    }),
    ("Connectors", {
        "import": ("transfer:import_", "Import providers and selections as drafts."),
        "export": ("transfer:export", "Write the three TSVs, or a provider or selection of the island."),
        "card": ("records:card", "Show one connector: version, scopes, firearms, KPIs, validation."),
        "retire": ("publishing:retire", "Make a draft that takes a connector out of service."),
        "grade": ("upkeep:grade", "Approve or veto a grade of the island."),
        "index": ("upkeep:index", "Rebuild the derived index files."),
    }),
    ("Drafts", {
        "draft": ("drafts:draft", "Make, show, edit, resolve, approve and discard drafts."),
        "verify": ("publishing:verify", "Run the sandbox over drafts."),
        "publish": ("publishing:publish", "Make drafts live, in one transaction."),
        "restore": ("records:restore", "Make a draft from an older state."),
        "diff": ("records:diff", "Show what open drafts would change."),
    }),
    ("Spreadsheet", {
        "sync": ("syncing:sync", "Pull, then push: what a cron job runs."),
        "pull": ("syncing:pull", "Bring owners' edits back as new drafts."),
        "push": ("syncing:push", "Write the tables into the spreadsheet."),
        "plan": ("syncing:plan", "Write down what a push would do."),
        "apply": ("syncing:apply", "Do exactly what a plan says."),
        "undo": ("syncing:undo", "Take the last push back; 'push --resume' goes on."),
        "why": ("syncing:why", "Say where the value of a cell comes from."),
    }),
    ("State", {
        "status": ("records:status", "Connectors, open drafts, pending edits, last sync."),
        "log": ("records:log", "Commits, newest first, of all or of one name."),
        "fsck": ("upkeep:fsck", "Prove every hash of the store."),
        "store": ("upkeep:store", "Copy or compact a store."),
        "lock": ("upkeep:lock", "Show or break the locks of runs."),
    }),
    ("Servers", {
        "serve": ("servers:serve", "Serve the Workbench page."),
        "sheets": ("servers:sheets", "Run the local Sheets server."),
    }),
)  # fmt: skip

EPILOG: Final = "Exit codes: 0 fine, 2 usage or configuration, 3 done but with problems, 4 refused, 5 not allowed, \
7 safety stop, 8 locked, 9 store damaged, 75 try again later."


@click.command("sheetsync", cls=LazyGroup, sections=SECTIONS, epilog=EPILOG, no_args_is_help=True)
@click.version_option(__version__, prog_name="sheetsync", message="%(prog)s %(version)s")
def cli() -> None:
    """Keep governed connector policies in step with Google Sheets."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code; no exception leaves it."""
    from sheetsync.cli.session import Session

    args = list(sys.argv[1:] if arguments is None else arguments)
    session = Session(as_json="--json" in args, debug="--debug" in args)
    _have_streams()
    _never_fail_on_encoding()
    return _invoke(args, session)


def _invoke(args: list[str], session: Session) -> int:
    result: object = 0
    try:
        with session.closing:
            result = cli.main(args, prog_name="sheetsync", standalone_mode=False, obj=session)
        sys.stdout.flush()
    except (BrokenPipeError, SystemExit):  # click ends so when the reader went away, and after completing words
        from sheetsync.cli.output import to_nowhere

        to_nowhere(sys.__stdout__)
    except BaseException as error:  # noqa: BLE001  # the one place where every failure becomes an exit code
        return _report(error, session)
    return result if isinstance(result, int) else 0


def _report(error: BaseException, session: Session) -> int:
    from sheetsync.cli.failures import exit_code_of, report_failure
    from sheetsync.cli.output import to_nowhere

    try:
        report_failure(error, session)
        sys.stdout.flush()
        sys.stderr.flush()
    except (OSError, ValueError):  # a full disk, a closed pipe: what went wrong is still told by the exit code
        to_nowhere(sys.__stdout__)
        to_nowhere(sys.__stderr__)
    return exit_code_of(error)


def _have_streams() -> None:
    """Started with a closed stdin, stdout or stderr (`>&-`): else the next file opened would stand in its place."""
    import os

    for number, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest that is free
        if getattr(sys, name) is None:
            setattr(sys, name, os.fdopen(number, "w" if number else "r", closefd=False))


def _never_fail_on_encoding() -> None:
    """A terminal that cannot show an arrow or a name gets a question mark, not a traceback."""
    from io import TextIOWrapper

    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="replace")
