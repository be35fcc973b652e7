"""`--help`, and `status` on 1,000 connectors, against a bare import of click."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from benchmarks.connectors import import_and_publish, make_providers, open_new
from benchmarks.measure import Result, seconds_of, sheetsync


def run(folder: Path) -> Iterator[Result]:
    """Two ratios."""
    click = seconds_of([sys.executable, "-c", "import click"], runs=9)
    helps = seconds_of(sheetsync("--help"), runs=9)
    yield Result("--help", f"{helps / click:.2f} × import click ({helps * 1000:.0f} ms)", "2.5 ×", helps <= 2.5 * click)
    ws = open_new(folder / "work")
    count = import_and_publish(ws, make_providers(folder / "providers", 50_000))
    ws.store.close()
    config = str(folder / "work" / "config" / "sheetsync.toml")
    status = seconds_of(sheetsync("--config", config, "status"), runs=5)
    what = f"status on {count} connectors"
    yield Result(what, f"{status / click:.2f} × import click ({status * 1000:.0f} ms)", "6 ×", status <= 6 * click)
