"""What belongs where below a tenant's folder, so that `fsck` sees what stands in the place of something else."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import accumulate
from typing import Final

from sheetsync.store.backend import FORMAT_FILE, JOURNAL, WORK
from sheetsync.store.names import parse_snapshot_name
from sheetsync.store.segments import parse_segment_name, segment_name

LONGEST_ASIDE: Final = 180  # with a number behind it within any medium's names
WORK_FOLDERS: Final = ("temp", "leases", "aside", "derived", "packs")
NO_RECORDS: Final = (JOURNAL, WORK, "lost+found")  # the last one is the file system's
WORK_FILES: Final = ("doubt", "doubt.settled", "doubt-names", "checkpoint.json", "index.json")


def aside_name(path: str) -> str:
    """What a file that is kept aside is called: its path in one part, or the end of it."""
    return path.replace("/", "%2f")[-LONGEST_ASIDE:]


def may_hold_records(folder: str) -> bool:
    """Could a snapshot's name be in this folder below the tenant?"""
    return folder.partition("/")[0] not in NO_RECORDS


def is_worth_a_look(path: str, kind: str) -> bool:
    """Is it a file, or does it stand where something else should? What is sound in the work folder is no reader's."""
    if path == WORK:
        return kind != "folder"
    if path.startswith(f"{WORK}/"):
        name = path[len(WORK) + 1 :]
        misplaced = (
            name in WORK_FOLDERS if kind == "file" else name in WORK_FILES or name.startswith(("leases/", "temp/"))
        )
        return kind in ("link", "other") or misplaced
    return (
        kind != "folder" or path.startswith(f"{JOURNAL}/") or parse_snapshot_name(path.rpartition("/")[2]) is not None
    )


def was_a_store(paths: Iterable[str], stands: Callable[[str], bool]) -> bool:
    """Is one of these of a store that lost its FORMAT? Other folders have files, too, and stores further down.

    Args:
        paths: of files, from the address on.
        stands: is there such a file?
    """
    if stands(f"{JOURNAL}/{segment_name(1)}"):  # the address leads to a tenant's folder: the store is above it
        return False
    others: set[str] = set()
    for path in paths:
        _, *below = path.split("/")
        if below[:1] == [WORK] or (below[:-1] == [JOURNAL] and parse_segment_name(below[-1]) is not None):
            return True
        if len(below) > 1 and parse_snapshot_name(below[-1]) is not None:
            above = list(accumulate(path.split("/")[:-1], "{}/{}".format))
            if others.isdisjoint(above):
                others.update(one for one in above if stands(f"{one}/{FORMAT_FILE}"))
                if others.isdisjoint(above):
                    return True
    return False
