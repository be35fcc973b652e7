"""Other disks to measure on: a fresh ext4 as its maker makes it, and one whose fsync is slower than ours."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

IMAGE_BYTES = 4 << 30  # sparse: it takes what is written


@contextmanager
def fresh_ext4(folder: Path) -> Iterator[Path | None]:
    """A new ext4 with mkfs's own defaults (a journal, for one), in a file on the disk of `folder`; None if not allowed.

    It is fresh each time: no inodes freed a moment ago, no directories of other programs.
    """
    image, place = folder / "ext4.image", folder / "ext4"
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    place.mkdir()
    made = _ran(["mkfs.ext4", "-q", "-F", str(image)]) and _ran(["mount", "-o", "loop", str(image), str(place)])
    try:
        yield place if made else None
    finally:
        if made:
            _ran(["umount", str(place)])
        image.unlink()


def _ran(command: list[str]) -> bool:
    path = f"{os.defpath}:/usr/sbin:/sbin"
    try:
        return subprocess.run(command, capture_output=True, env={"PATH": path}, check=False).returncode == 0
    except FileNotFoundError:
        return False


@contextmanager
def slow_fsync(seconds: float) -> Iterator[None]:
    """Every fsync of this process takes at least so long (SQLite's own are not ours to slow down)."""
    real = os.fsync, os.fdatasync

    def slowed(sync: Callable[[int], None]) -> Callable[[int], None]:
        def wait(descriptor: int) -> None:
            until = time.perf_counter() + seconds
            sync(descriptor)
            time.sleep(max(0.0, until - time.perf_counter()))

        return wait

    vars(os).update(fsync=slowed(real[0]), fdatasync=slowed(real[1]))
    try:
        yield
    finally:
        vars(os).update(fsync=real[0], fdatasync=real[1])
