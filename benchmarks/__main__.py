"""`python -m benchmarks [NAME…]`: run all measures, or those named, and print one line each.

`python -m benchmarks NAME --option…` runs one that has options of its own.
"""

from __future__ import annotations

import sys
import tempfile
from importlib import import_module
from pathlib import Path

HERE = Path(__file__).parent
NAMES = ("startup", "whole_path", "quiet_sync", "store", "web", "localsheets")
LONG = ("sync", "peers", "store_compared")  # only when they are named


def main(names: list[str]) -> int:
    """Print the results; 1 if something was not reached."""
    if len(names) > 1 and names[0] in LONG and names[1].startswith("-"):
        sys.argv[:] = names  # what comes after the name is for it
        return int(import_module(f"benchmarks.{names[0]}").main() or 0)
    unknown = [name for name in names if not name.isidentifier() or not (HERE / f"{name}.py").exists()]
    if unknown:
        print(f"usage: python -m benchmarks [NAME…]   names: {', '.join((*NAMES, *LONG))}")
        return 2
    good = True
    for name in names or [name for name in NAMES if (HERE / f"{name}.py").exists()]:
        with tempfile.TemporaryDirectory(prefix=f"sheetsync-{name}-") as folder:
            for result in import_module(f"benchmarks.{name}").run(Path(folder)):
                print(result.line(), flush=True)
                good = good and result.good
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
