"""Where a path is on its file system, whatever it is mounted as: one folder may be seen at several places (Linux)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

MOUNTINFO: Final = Path("/proc/self/mountinfo")
ESCAPE: Final = re.compile(r"\\([0-7]{3})")


class Mount(NamedTuple):
    """A file system's folder `root`, as it is seen at `point`."""

    device: str
    root: Path
    point: Path


class Origin(NamedTuple):
    """A path on its file system."""

    device: str
    path: Path

    def is_within(self, other: Origin) -> bool:
        """Is it the other one, or below it?"""
        return self.device == other.device and self.path.is_relative_to(other.path)


def read_mounts(source: Path = MOUNTINFO) -> list[Mount]:
    """What is mounted, a later one over an earlier one; nothing where that cannot be told."""
    try:
        lines = source.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return []
    fields = (line.split(" ") for line in lines)
    return [Mount(parts[2], Path(_plain(parts[3])), Path(_plain(parts[4]))) for parts in fields if len(parts) > 4]


def _plain(text: str) -> str:
    return ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def origin(path: Path, mounts: list[Mount]) -> Origin | None:
    """Where this path, which has no links in it, is on its file system; None if no mount tells."""
    over = [mount for mount in mounts if path.is_relative_to(mount.point)]
    if not over:
        return None
    longest = max(len(mount.point.parts) for mount in over)
    mount = [mount for mount in over if len(mount.point.parts) == longest][-1]
    return Origin(mount.device, mount.root / path.relative_to(mount.point))


def origins(folder: Path, mounts: list[Mount]) -> Iterator[Origin]:
    """Where a folder and what is mounted in it are on their file systems."""
    own = origin(folder, mounts)
    if own is not None:
        yield own
    for mount in mounts:
        if mount.point.is_relative_to(folder):
            yield Origin(mount.device, mount.root)
