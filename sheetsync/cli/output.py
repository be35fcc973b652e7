"""Printing: stdout is the answer, stderr the talk. Colours only on a terminal and without NO_COLOR.

Tables here are plain text that reads well in a pipe; a terminal gets bold headers. Nothing here knows a command.
Names, reasons and messages come from stores and sheets that others write: what could steer a terminal is taken out of
every line, and so is what looks like a secret out of the talk.
"""

from __future__ import annotations

import json
import os
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Final, TextIO

import click

from sheetsync.errors import TryLaterError
from sheetsync.observability.redaction import redact
from sheetsync.observability.terminal import REPLACED, clean_line, clean_text

Lines = Iterable[str]
GAP: Final = "  "
ANSWER_LOST: Final = "answer_lost"
WIDE: Final = frozenset("WF")
NUMERIC: Final = frozenset("0123456789.,%-+")
IN_JSON: Final = re.compile(r"[\x7f-\x9f\u2028\u2029]")  # JSON lets these stand, a terminal obeys some
OWN_STYLE: Final = re.compile(r"(\x1b\[(?:0|1|3[1-6])m)")  # what `style` makes


class Output:
    """Where and how this invocation prints."""

    def __init__(self, *, as_json: bool, quiet: bool, verbose: int, no_color: bool) -> None:
        self.as_json = as_json
        self.quiet = quiet
        self.verbose = verbose
        self.no_color = no_color

    def answer(self, value: object, lines: Lines = ()) -> None:
        """Print the answer: the JSON value on one line, or the lines.

        Whose reader went away (`| head`) ends as it would have: the exit code tells what was found.

        Raises:
            TryLaterError: stdout takes nothing (a full disk); what the command did is done.
        """
        texts = [json_line(value)] if self.as_json else () if self.quiet else map(self.clean, lines)
        if all(_printed(text) for text in texts):
            _printed("", end="", flush=True)

    def say(self, text: str, *, level: int = 0) -> None:
        """Tell something on stderr; `level` 1 only with -v."""
        if not self.quiet and self.verbose >= level:
            self._talk(clean_text(redact(text)))

    def tell_person(self, lines: Lines) -> None:
        """Lines for stderr although `--quiet` was given: what makes cron send its mail."""
        for line in lines:
            self._talk(self.clean(line))

    @staticmethod
    def _talk(line: str) -> None:
        """What cannot be told (a reader that went away, a full log) stops no command."""
        try:
            print(line, file=sys.stderr)
        except OSError:
            to_nowhere(sys.stderr)

    def clean(self, line: str) -> str:
        """One line, with our own colours where there are any, and nothing else that steers a terminal."""
        if not self.colours():
            return clean_line(line)
        return "".join(part if OWN_STYLE.fullmatch(part) else clean_line(part) for part in OWN_STYLE.split(line))

    def colours(self, stream: TextIO | None = None) -> bool:
        """May we colour this stream (default stdout)?"""
        return not self.no_color and not self.as_json and (stream or sys.stdout).isatty()

    def style(self, text: str, colour: str | None = None, *, bold: bool = False) -> str:
        """The text in a colour, where stdout takes colours."""
        return click.style(text, fg=colour, bold=bold) if self.colours() else text

    def error_style(self, text: str) -> str:
        """The text as an error's head on stderr."""
        return click.style(text, fg="red", bold=True) if self.colours(sys.stderr) else text

    def table(self, header: Sequence[str], rows: Iterable[Sequence[object]], *, empty: str = "none") -> list[str]:
        """A plain table: columns in line, numbers to the right, nothing cut."""
        return plain_table(header, rows, empty=empty, head=lambda text: self.style(text, bold=True))


def _printed(text: str, *, end: str = "\n", flush: bool = False) -> bool:
    """Print on stdout; False if its reader went away."""
    try:
        print(text, end=end, flush=flush)
    except BrokenPipeError:
        to_nowhere(sys.stdout)
        return False
    except OSError as exc:  # what it still holds is printed with what comes next, should there be room again
        raise TryLaterError(
            f"the answer could not be written ({exc.strerror}); what the command did stands",
            hint="mend where the output goes; 'sheetsync log' tells what was saved",
            code=ANSWER_LOST,
        ) from exc
    return True


def to_nowhere(stream: TextIO | None) -> None:
    """Nobody reads this stream any more: what is said from here on, and what it still holds, goes nowhere."""
    if stream is None:
        return
    with suppress(OSError, ValueError):  # a captured stream has no descriptor
        number = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, number)
        os.close(nowhere)


def json_line(value: object) -> str:
    """A JSON value on one line; with escapes where stdout is not UTF-8, so that nothing of it is lost."""
    utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json.dumps(value, ensure_ascii=not utf8)
    text = IN_JSON.sub(lambda match: f"\\u{ord(match[0]):04x}", text)
    return text.encode("utf-8", "replace").decode("utf-8")


def plain_table(
    header: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    empty: str = "none",
    head: Callable[[str], str] = str,
) -> list[str]:
    """The lines of a table; `empty` instead if it has no rows."""
    cells = [[shown(value) for value in row] for row in rows]
    if not cells:
        return [empty]
    widths = [max(text_width(row[i]) for row in [list(header), *cells]) for i in range(len(header))]
    right = [all(row[i] and set(row[i]) <= NUMERIC for row in cells) for i in range(len(header))]
    lines = [head(GAP.join(_pad(text, widths[i], right=right[i]) for i, text in enumerate(header)).rstrip())]
    lines += [GAP.join(_pad(text, widths[i], right=right[i]) for i, text in enumerate(row)).rstrip() for row in cells]
    return lines


def shown(value: object) -> str:
    """A value as text in a table or a sentence: TRUE and FALSE as in the sheet, nothing for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "TRUE" if value else "FALSE"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    if isinstance(value, list | tuple):
        return " / ".join(shown(part) for part in value)
    text = str(value).replace("\t", " ").replace("\n", " ")
    return "".join(char if char.isprintable() else REPLACED for char in text)


def text_width(text: str) -> int:
    """How many columns of a terminal the text takes."""
    return sum(2 if unicodedata.east_asian_width(char) in WIDE else 1 for char in text)


def _pad(text: str, width: int, *, right: bool) -> str:
    space = " " * (width - text_width(text))
    return space + text if right else text + space


def count(number: int, one: str, many: str | None = None) -> str:
    """`1 draft`, `2 drafts`."""
    return f"{number} {one if number == 1 else many or one + 's'}"
