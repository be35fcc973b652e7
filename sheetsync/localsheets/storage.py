"""The data file: one append-only log that holds everything, and survives kill -9.

A record is `length:u32 crc:u32` and a payload: a header line `kind id time_ms user` and JSON.  A record that is
acknowledged has been handed to the kernel whole, so a killed process loses none; with `sync=True` it has reached the
disk, too.  A torn record at the end was never acknowledged and is cut off.  Rewriting (`compact`) makes a new file
beside it and renames.  What the records mean is decided in `workspace.py`.
"""

from __future__ import annotations

import fcntl
import os
import struct
import time
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, NamedTuple, Protocol

import orjson

from sheetsync.errors import LockHeldError, NewerFormatError, StoreDamagedError

MAGIC: Final = b"sheetsync local sheets 1\n"
_HEAD: Final = struct.Struct("<II")
LOCK_PAUSES_S: Final = (0.005, 0.01, 0.02, 0.05, 0.1, 0.1)  # somebody may just be looking, or on the way out
COMPACT_BYTES: Final = 32 * 2**20  # below this size a log is not worth rewriting


class Entry(NamedTuple):
    """One record of the log.

    Attributes:
        kind: `file` (metadata), `snap` (a whole spreadsheet), `tx` (changes of one), `gone`, `note` (anything).
        key: the file's id, or a note's key.
        time_ms: when it was written.
        user: who wrote it.
        data: the JSON, not yet parsed.
    """

    kind: str
    key: str
    time_ms: int
    user: str
    data: bytes

    def json(self) -> Any:
        """The parsed content."""
        return orjson.loads(self.data)


class Storage(Protocol):
    """Where acknowledged changes go."""

    def append(self, entries: Iterable[Entry]) -> None:
        """Keep entries, all or none; when it returns they survive a killed process."""

    def close(self) -> None:
        """Let go of the file."""


class MemoryStorage:
    """Keeps nothing: the server's state is all there is."""

    keeps = False

    def append(self, entries: Iterable[Entry]) -> None:
        """Forget the entries."""

    def close(self) -> None:
        """Do nothing."""


def pack(entries: Iterable[Entry]) -> bytes:
    """Entries as one record, so that they are whole or absent together."""
    parts = []
    for entry in entries:
        head = f"{entry.kind} {entry.key} {entry.time_ms} {len(entry.data)} {entry.user}\n".encode()
        parts.append(head + entry.data)
    payload = b"".join(parts)
    return _HEAD.pack(len(payload), zlib.crc32(payload)) + payload


def unpack(payload: bytes) -> Iterator[Entry]:
    """The entries of one record."""
    at = 0
    while at < len(payload):
        end = payload.index(b"\n", at)
        kind, key, time_ms, length, user = payload[at:end].decode().split(" ", 4)
        stop = end + 1 + int(length)
        yield Entry(kind, key, int(time_ms), user, payload[end + 1 : stop])
        at = stop


class DataFile:
    """The log on disk, locked for one server."""

    keeps = True

    def __init__(self, path: Path, *, sync: bool = False) -> None:
        """Open or make the file.

        Args:
            path: where it is; its folder is made.
            sync: wait for the disk at each write, so that power loss loses nothing either.

        Raises:
            LockHeldError: another server uses the file.
            StoreDamagedError: the file is not ours, or a whole record of it is damaged.
            NewerFormatError: a newer program wrote it.
        """
        self.path = path
        self.sync = sync
        path.parent.mkdir(parents=True, exist_ok=True)
        self._file = _open_locked(path)
        self.size = os.fstat(self._file).st_size
        if self.size < len(MAGIC) and MAGIC.startswith(os.pread(self._file, len(MAGIC), 0)):
            os.ftruncate(self._file, 0)
            os.pwrite(self._file, MAGIC, 0)
            self.size = len(MAGIC)
            self._sync_folder()

    def read(self) -> Iterator[Entry]:
        """All entries, oldest first; a torn end is cut off."""
        data = self.path.read_bytes()
        if not data.startswith(MAGIC):
            if data.startswith(MAGIC[:-2]):
                raise NewerFormatError(f"{self.path} was written by a newer sheetsync", hint="upgrade sheetsync")
            raise StoreDamagedError(
                f"{self.path} is not a data file of the local Sheets server", hint="name another file with --data"
            )
        at = len(MAGIC)
        while at < len(data):
            head = data[at : at + _HEAD.size]
            if len(head) < _HEAD.size:
                break
            length, crc = _HEAD.unpack(head)
            payload = data[at + _HEAD.size : at + _HEAD.size + length]
            if len(payload) < length:
                break
            if zlib.crc32(payload) != crc:
                if at + _HEAD.size + length >= len(data):
                    break
                raise StoreDamagedError(
                    f"{self.path} is damaged at byte {at}", hint="restore the file from a backup, or name another"
                )
            yield from unpack(payload)
            at += _HEAD.size + length
        if at < len(data):
            os.ftruncate(self._file, at)
        self.size = at

    def append(self, entries: Iterable[Entry]) -> None:
        """Write entries as one record; a failed write leaves the file as it was."""
        record = pack(entries)
        try:
            written = 0
            while written < len(record):
                written += os.pwrite(self._file, record[written:], self.size + written)
            if self.sync:
                os.fdatasync(self._file)
        except OSError:
            os.ftruncate(self._file, self.size)
            raise
        self.size += len(record)

    def compact(self, entries: Iterable[Entry]) -> None:
        """Replace the whole log by entries that say the same; a failure leaves the old one."""
        beside = self.path.with_name(self.path.name + ".new")
        beside.unlink(missing_ok=True)
        file = _open_locked(beside)
        try:
            size = os.pwrite(file, MAGIC, 0)
            for entry in entries:
                record = pack([entry])
                offset = 0
                while offset < len(record):
                    offset += os.pwrite(file, record[offset:], size + offset)
                size += len(record)
            os.fsync(file)
            beside.replace(self.path)
        except OSError:
            os.close(file)
            beside.unlink(missing_ok=True)
            raise
        os.close(self._file)
        self._file, self.size = file, size
        self._sync_folder()

    def _sync_folder(self) -> None:
        """Make the file's name survive power loss, where the disk is waited for."""
        if self.sync:
            folder = os.open(self.path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)

    def close(self) -> None:
        """Let go of the file and its lock."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def is_locked(path: Path) -> bool:
    """Whether a server uses the file; looking takes no part in who may."""
    with path.open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False


def _open_locked(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    for pause_s in LOCK_PAUSES_S:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            time.sleep(pause_s)
        else:
            return file
    os.close(file)
    raise LockHeldError(
        f"another local Sheets server uses {path}", hint="stop it, or speak to it with SHEETSYNC_SHEETS_ENDPOINT"
    )
