"""The entry of the command `sheetsync` and of `python -m sheetsync`. Everything else is in `sheetsync.cli`."""

from __future__ import annotations

import sys

from sheetsync.cli.app import run


def main() -> None:
    """Run the command line and end the process with its exit code."""
    sys.exit(run())


if __name__ == "__main__":
    main()
