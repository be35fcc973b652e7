"""Logging: set up once by the command line, to stderr, without secrets. The answer of a command is not logged: stdout.

Levels: warnings always (unless `--quiet`), `-v` what a run does, `-vv` each call. Libraries never get below INFO: what
urllib3 and google-auth say at DEBUG is for their authors.
"""

from __future__ import annotations

import logging
import sys
from typing import Final, TextIO

from sheetsync.observability.redaction import redact
from sheetsync.observability.terminal import clean_text

OURS: Final = "sheetsync"
LINE: Final = "%(levelname)s %(name)s: %(message)s"


class RedactingFormatter(logging.Formatter):
    """Formats a record, traceback included, and takes out what looks like a secret, or steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        """The finished line."""
        return clean_text(redact(super().format(record)))


class CurrentStderr(logging.Handler):
    """Writes to whatever stderr is at the moment: it may have been redirected since, and the old one closed."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # nobody reads it any more; a log line is no reason to fail
            return


def configure(verbose: int = 0, *, quiet: bool = False, stream: TextIO | None = None) -> None:
    """Send our log to a stream (stderr). Calling it again replaces what was set."""
    handler = CurrentStderr() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(RedactingFormatter(LINE))
    logger = logging.getLogger(OURS)
    for old in list(logger.handlers):
        logger.removeHandler(old)
    logger.addHandler(handler)
    logger.setLevel(_level(verbose, quiet=quiet))
    logger.propagate = False


def _level(verbose: int, *, quiet: bool) -> int:
    if quiet:
        return logging.ERROR
    return {0: logging.WARNING, 1: logging.INFO}.get(verbose, logging.DEBUG)
