"""Import, publish and first push: the real connectors beside the checkout, and 10,000 rows."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.connectors import import_and_publish, make_providers, open_new
from benchmarks.measure import ROOT, Result, answer, timed
from sheetsync.__main__ import collect_garbage_seldom
from sheetsync.services.workspace import Workspace


def run(folder: Path) -> Iterator[Result]:
    """Seconds for both."""
    real = ROOT.parent / "shared" / "connectors"
    if real.is_dir():
        yield _path("import + publish + first push of the real connectors", 30, folder / "real", real)
    made = make_providers(folder / "providers", 10_000)
    yield _path("import + publish + first push of 10,000 rows", 60, folder / "made", made)


def _path(what: str, reach_s: float, folder: Path, providers: Path) -> Result:
    collect_garbage_seldom()  # as the command line does
    ws: Workspace = open_new(folder)
    first = timed(lambda: import_and_publish(ws, providers))
    ws.store.close()
    config = str(folder / "config" / "sheetsync.toml")
    push = timed(lambda: answer("--config", config, "push"))
    return Result(what, f"{first + push:.1f} s (push {push:.1f} s)", f"{reach_s:.0f} s", first + push <= reach_s)
