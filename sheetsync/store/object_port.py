"""The port to a bucket: create-if-absent, put, get and list; reading what may be archived; and a bucket in a dict.

What is built upon it: creating surely (`creation.py`), packs (`packs.py`), the backend (`objects.py`). What is behind
it: `buckets.py` puts obstore there.
"""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Protocol

from sheetsync.errors import AuthError
from sheetsync.store.backend import FORMAT_FILE


class Objects(Protocol):
    """A strongly consistent bucket. Keys are `/`-separated."""

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent, in one attempt: what a client repeats by itself hides what the first attempt did.

        Raises:
            FileExistsError: it is refused because there is such an object, or because another request is at work there.
            TimeoutError: it is not known what happened; it may have been made, or may be made later.
            SheetSyncError: it was refused, and nothing was made.
        """

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""

    def replace(self, key: str, old: bytes, new: bytes) -> bool:
        """Replace the object if it holds `old` still; False if it does not."""

    def get(self, key: str) -> bytes | None:
        """The bytes, None if there is no such object."""

    def begin(self, key: str, length: int) -> bytes | None:
        """The first `length` bytes, or all if there are fewer; None if there is no such object."""

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """All keys that start with `prefix`, in order; with `after` only those behind it.

        The empty objects under `…/` that consoles make for folders are no keys.

        Raises:
            StoreDamagedError: a key stands there that no program of ours could read.
        """

    def tops(self) -> Sequence[str]:
        """What stands before the first `/` of keys, each once, in order; a folder that a console made, too."""

    def close(self) -> None:
        """Give back what is open."""


def read_one(objects: Objects, key: str) -> bytes | None:
    """The bytes of an object that may be refused by itself: it was archived, or has rights or a key of its own.

    Raises:
        PermissionError: it is refused, though FORMAT is not.
        AuthError: we may not read the store.
    """
    try:
        return objects.get(key)
    except AuthError as exc:
        objects.get(FORMAT_FILE)
        raise PermissionError(errno.EACCES, exc.message, key) from exc


def read_if_allowed(objects: Objects, key: str) -> bytes | None:
    """The bytes of an object that can be done without: None also where it is refused by itself.

    Raises:
        AuthError: we may not read the store.
    """
    with suppress(PermissionError):
        return read_one(objects, key)
    return None


class MemoryObjects:
    """Objects in a dict, for tests and for `memory://`."""

    def __init__(self) -> None:
        self._objects: dict[str, bytes] = {}
        self._mutex = threading.Lock()

    def put_new(self, key: str, data: bytes) -> None:
        """Create if absent."""
        with self._mutex:
            if key in self._objects:
                raise FileExistsError(key)
            self._objects[key] = bytes(data)

    def put(self, key: str, data: bytes) -> None:
        """Create or replace."""
        with self._mutex:
            self._objects[key] = bytes(data)

    def replace(self, key: str, old: bytes, new: bytes) -> bool:
        """Replace it if it is as it was."""
        with self._mutex:
            if self._objects.get(key) != old:
                return False
            self._objects[key] = bytes(new)
            return True

    def get(self, key: str) -> bytes | None:
        """The bytes."""
        return self._objects.get(key)

    def begin(self, key: str, length: int) -> bytes | None:
        """The first bytes."""
        data = self.get(key)
        return None if data is None else data[:length]

    def list(self, prefix: str, after: str = "") -> Iterator[str]:
        """Keys in order."""
        with self._mutex:
            keys = sorted(key for key in self._objects if key.startswith(prefix) and key > after)
        yield from (key for key in keys if not key.endswith("/"))

    def tops(self) -> Sequence[str]:
        """First parts of keys."""
        with self._mutex:
            return sorted({key.partition("/")[0] for key in self._objects if "/" in key})

    def close(self) -> None:
        """Nothing is open."""
