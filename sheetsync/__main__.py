"""The entry of the command `sheetsync` and of `python -m sheetsync`. Everything else is in `sheetsync.cli`."""

from __future__ import annotations

import gc
import sys

from sheetsync.cli.app import run


def main() -> None:
    """Run the command line and end the process with its exit code."""
    collect_garbage_seldom()
    sys.exit(run())


def collect_garbage_seldom() -> None:
    """Bulk runs make 100,000s of small values that live on; looking through them all the time took half of the run."""
    gc.set_threshold(200_000, 20, 100)


if __name__ == "__main__":
    main()
