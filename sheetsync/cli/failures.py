"""Errors on the command line: one `error:` line and one `hint:` line, or one JSON object, and the exit code."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Final

import click

from sheetsync.cli.output import ANSWER_LOST, json_line
from sheetsync.errors import ConfigError, DefectError, SheetSyncError, StoreDamagedError, UsageError
from sheetsync.observability.redaction import redact
from sheetsync.observability.terminal import clean_line, clean_text

if TYPE_CHECKING:
    from sheetsync.cli.session import Session

INTERRUPTED: Final = 130  # 128 + SIGINT, as shells have it
NO_SPACE: Final = 28
HINTS: Final = {  # where an error has no hint of its own: the next thing to look at
    2: "correct what is named; 'sheetsync COMMAND --help' says what a command takes",
    3: "see what is listed, mend it, and run the command again",
    4: "look at the newest state with 'sheetsync draft list' and 'sheetsync status'",
    5: "see 'sheetsync doctor'",
    7: "look at the spreadsheet, then see 'sheetsync COMMAND --help' for the option that goes on",
    75: "run the same command again later",
}
FINDINGS_SHOWN: Final = 20


def exit_code_of(error: BaseException) -> int:
    """The exit code of a command that ended so."""
    return INTERRUPTED if isinstance(error, KeyboardInterrupt | click.Abort) else as_our_error(error).exit_code


def report_failure(error: BaseException, session: Session) -> int:
    """Print the failure as the contract says and return the exit code."""
    if isinstance(error, KeyboardInterrupt | click.Abort):
        if not session.as_json:
            print("stopped", file=sys.stderr)
        return INTERRUPTED
    ours = ready_to_show(as_our_error(error))
    if session.debug:
        import traceback

        print(clean_text(redact("".join(traceback.format_exception(error)))), file=sys.stderr, end="")
    if session.as_json and ours.code != ANSWER_LOST:  # that one is told where somebody may read it
        print(json_line(ours.to_json()), flush=True)
    else:
        print_error(ours, session)
    return ours.exit_code


def ready_to_show(error: SheetSyncError) -> SheetSyncError:
    """The same error with a hint, and without what looks like a secret."""
    error.hint = error.hint or HINTS.get(error.exit_code, "")
    error.message, error.hint = redact(error.message), redact(error.hint)  # the last net, not the first
    return error


def as_our_error(error: BaseException) -> SheetSyncError:
    """The error as one of the tree; a usage error of click keeps its exit code 2, anything unknown is a defect."""
    if isinstance(error, SheetSyncError):
        return error
    if isinstance(error, click.ClickException):
        where = error.ctx.command_path if isinstance(error, click.UsageError) and error.ctx else "sheetsync"
        return UsageError(error.format_message().rstrip("."), hint=f"see '{where} --help'")
    if isinstance(error, FileNotFoundError | IsADirectoryError | NotADirectoryError | PermissionError):
        return UsageError(f"{error.filename}: {error.strerror}", hint="check the path and its rights", code="file")
    if isinstance(error, OSError) and error.errno == NO_SPACE:
        from sheetsync.errors import TryLaterError

        return TryLaterError("the disk is full", hint="make room and run the command again", code="disk_full")
    return DefectError(
        f"unexpected {type(error).__name__}: {str(error)[:200]}",
        hint="run it again with --debug and report what it says",
    )


def print_error(error: SheetSyncError, session: Session) -> None:
    """`error: …` and `hint: …` on stderr, with the single mistakes or findings between them."""
    details: tuple[str, ...] = ()
    if isinstance(error, ConfigError):
        details = error.mistakes
    elif isinstance(error, StoreDamagedError):
        details = error.findings[:FINDINGS_SHOWN]
    style = session.output.error_style
    print(f"{style('error:')} {clean_text(error.message)}", file=sys.stderr)
    for line in details:
        if line not in error.message:
            print(f"  {clean_line(redact(line))}", file=sys.stderr)
    if error.hint:
        print(f"hint: {clean_line(error.hint)}", file=sys.stderr)
