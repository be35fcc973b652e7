"""Where a path is on its file system, whatever it is mounted as: one folder may be seen at several places (Linux)."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

MOUNTINFO: Final = Path("/proc/self/mountinfo")
ESCAPE: Final = re.compile(r"\\([0-7]{3})")
MOUNT_ID: Final = re.compile(r"^mnt_id:\s*(\d+)$", re.MULTILINE)
NETWORK_FILE_SYSTEMS: Final = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "smbfs",
    "fuse.sshfs",
    "9p",
    "afs",
    "ceph",
    "glusterfs",
    "fuse.s3fs",
)


class Origin(NamedTuple):
    """A path on its file system."""

    device: str
    path: Path

    def is_within(self, other: Origin) -> bool:
        """Is it the other one, or below it?"""
        return self.device == other.device and self.path.is_relative_to(other.path)


class Mount(NamedTuple):
    """A file system's folder `root`, as it is seen at `point`."""

    device: str
    root: Path
    point: Path

    def origin(self, path: Path) -> Origin:
        """Where a path below the point is on the file system."""
        return Origin(self.device, self.root / path.relative_to(self.point))


def read_mounts(source: Path = MOUNTINFO) -> dict[int, Mount]:
    """What is mounted, by its number; nothing where that cannot be told.

    Network file systems are left out: an NFS mount does not tell which folder of its server it shows.
    """
    try:
        lines = source.read_bytes().decode("utf-8", "surrogateescape").split("\n")
    except OSError:
        return {}
    mounts = {}
    for line in lines:
        head, _, tail = line.partition(" - ")
        fields = head.split(" ")
        if len(fields) > 4 and tail.split(" ")[0] not in NETWORK_FILE_SYSTEMS:
            mounts[int(fields[0])] = Mount(fields[2], Path(_plain(fields[3])), Path(_plain(fields[4])))
    return mounts


def _plain(text: str) -> str:
    return ESCAPE.sub(lambda found: chr(int(found[1], 8)), text)


def mount_at(path: Path) -> int:
    """The number of the mount that is seen at this path, or at the nearest folder above; -1 if it cannot be told."""
    there = next((one for one in (path, *path.parents) if one.exists()), None)
    with suppress(OSError, TypeError):
        fd = os.open(there, os.O_PATH | os.O_CLOEXEC)  # type: ignore[arg-type]
        try:
            told = MOUNT_ID.search(Path(f"/proc/self/fdinfo/{fd}").read_text(encoding="ascii"))
        finally:
            os.close(fd)
        return int(told[1]) if told is not None else -1
    return -1


def origin(path: Path, mounts: Mapping[int, Mount]) -> Origin | None:
    """Where this path, which has no links in it, is on its file system; None if no mount tells."""
    if not mounts:
        return None
    mount = mounts.get(mount_at(path))
    return mount.origin(path) if mount is not None and path.is_relative_to(mount.point) else None


def origins(folder: Path, mounts: Mapping[int, Mount]) -> Iterator[Origin]:
    """Where a folder and what is seen mounted in it are on their file systems."""
    own = origin(folder, mounts)
    if own is not None:
        yield own
    for number, mount in mounts.items():
        if mount.point.is_relative_to(folder) and mount_at(mount.point) == number:
            yield Origin(mount.device, mount.root)
