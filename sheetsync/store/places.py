"""What belongs where below a tenant's folder, so that `fsck` sees what stands in the place of something else."""

from __future__ import annotations

from typing import Final

from sheetsync.store.backend import JOURNAL, WORK
from sheetsync.store.names import parse_snapshot_name
from sheetsync.store.segments import parse_segment_name

LONGEST_ASIDE: Final = 180  # with a number behind it within any medium's names
WORK_FOLDERS: Final = ("temp", "leases", "aside", "derived", "packs")
NO_RECORDS: Final = (JOURNAL, WORK, "lost+found")  # the last one is the file system's
RECORDS: Final = ("components", "firearms", "kpis", "workbench_drafts", "sync_baselines", "providers", "selections")
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


def tells_of_a_store(path: str) -> bool:
    """Is this file, from an address on, one that only a tenant of a store has? Other folders have files, too.

    That is a journal's file, what stands in a work folder, or a snapshot in a folder of records.
    """
    parts = path.split("/")
    if len(parts) < 3:
        return False
    _, folder, *below = parts
    if folder == JOURNAL:
        return len(below) == 1 and parse_segment_name(below[0]) is not None
    if folder == WORK:
        return below[0] in (*WORK_FOLDERS, *WORK_FILES)
    return folder in RECORDS and parse_snapshot_name(below[-1]) is not None
