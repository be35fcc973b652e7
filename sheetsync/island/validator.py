"""The external validator: a command of the configuration, run on each provider's folder as a further gate.

It is started without a shell, in its own process group, with a time limit; only the end of what it says is kept.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sheetsync.domain.problems import Problem
from sheetsync.errors import ConfigError
from sheetsync.island.scan import problem, shown

DEFAULT_LIMIT_S: Final = 60.0
KEPT_BYTES: Final = 2_000
SIGNALLED: Final = 128


@dataclass(frozen=True, slots=True)
class Validator:
    """A command and its arguments; the provider's folder is added as the last one."""

    command: tuple[str, ...]
    limit_s: float = DEFAULT_LIMIT_S

    def check_startable(self) -> None:
        """Before anything is written: is there such a command?

        Raises:
            ConfigError: there is none.
        """
        if shutil.which(self.command[0]) is None:
            raise self._not_started("there is no such command")

    def _not_started(self, why: str) -> ConfigError:
        hint = "correct 'validator' under [import] in the configuration"
        return ConfigError(f"the validator '{self.command[0]}' cannot be started: {why}", hint=hint)

    def check(self, folder: Path, where: str) -> Problem | None:
        """Run it; the problem if it does not end with 0 in time.

        Raises:
            ConfigError: the command cannot be started.
        """
        with tempfile.TemporaryFile() as said:
            try:
                process = subprocess.Popen(
                    [*self.command, str(folder)],
                    stdin=subprocess.DEVNULL,
                    stdout=said,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as exc:
                raise self._not_started(str(exc.strerror)) from exc
            try:
                code = process.wait(self.limit_s)
            except subprocess.TimeoutExpired:
                return problem("validator_timeout", where, f"the validator did not end within {self.limit_s:g} seconds")
            finally:
                _end_group(process)
            if code == 0:
                return None
            size = said.seek(0, os.SEEK_END)
            said.seek(max(0, size - KEPT_BYTES))
            text = " ".join(said.read().decode("utf-8", "replace").split())
            how = f"was ended by signal {-code}" if code < 0 else f"ended with {code}"
            return problem("validator_refused", where, f"the validator {how}: {shown(text) or 'it said nothing'}")


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """End the command and what it started, and wait for it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
