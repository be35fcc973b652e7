"""Whole files, written before they have a name (Linux `O_TMPFILE`; most file systems of Linux know it)."""

from __future__ import annotations

import os
from typing import Final

from sheetsync.store.descriptors import write_all

FLAGS: Final = os.O_WRONLY | os.O_TMPFILE | os.O_CLOEXEC if hasattr(os, "O_TMPFILE") else 0


def place_nameless(folder: int, name: str, data: bytes) -> bool:
    """A whole file in an open folder; False if that cannot be done here.

    Args:
        folder: where.
        name: its name; FileExistsError if something has it.
        data: its content.
    """
    try:
        fd = os.open(".", FLAGS, 0o666, dir_fd=folder)
    except OSError:  # it cannot, or the folder is gone: the longer way tells
        return False
    try:
        write_all(fd, data)
        os.link(f"/proc/self/fd/{fd}", name, dst_dir_fd=folder, follow_symlinks=True)
    except FileExistsError:
        raise
    except OSError:
        return False
    finally:
        os.close(fd)
    return True
