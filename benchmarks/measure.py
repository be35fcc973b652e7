"""Measuring: cold processes, the best of several runs, and one line a result."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Result:
    """One row: what was measured, the value, and what is to be reached."""

    what: str
    value: str
    reach: str
    good: bool

    def line(self) -> str:
        return f"{'ok  ' if self.good else 'MISS'}  {self.what}: {self.value} (reach: {self.reach})"


def seconds_of(command: Sequence[str], *, runs: int = 5, cwd: Path | None = None) -> float:
    """The best wall time of a cold process in seconds; the first run only warms the page cache."""
    times = []
    for _ in range(runs + 1):
        started = time.perf_counter()
        done = subprocess.run(command, capture_output=True, cwd=cwd or ROOT, env=_bare(), check=False)
        times.append(time.perf_counter() - started)
        if done.returncode not in (0, 3):
            raise SystemExit(f"{command}: exit {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")
    return min(times[1:])


def peak_mb(command: Sequence[str]) -> float:
    """The largest resident set of a process in MB."""
    code = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL);"
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024)"
    )
    done = subprocess.run([sys.executable, "-c", code, *command], capture_output=True, env=_bare(), check=True)
    return float(done.stdout)


def sheetsync(*words: str) -> list[str]:
    """The command line of a command."""
    return [sys.executable, "-m", "sheetsync", *words]


def answer(*words: str) -> dict[str, object]:
    """The JSON object of a command that must end with 0."""
    done = subprocess.run(sheetsync("--json", *words), capture_output=True, cwd=ROOT, env=_bare(), check=False)
    if done.returncode:
        raise SystemExit(f"{words}: exit {done.returncode}\n{done.stdout.decode()}{done.stderr.decode()}")
    value: dict[str, object] = json.loads(done.stdout)
    return value


def timed(work: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def _bare() -> dict[str, str]:
    """An environment without settings of ours."""
    return {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(Path.home())}
