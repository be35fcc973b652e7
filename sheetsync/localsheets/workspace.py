"""All files of the server: finding them, changing them in transactions, keeping them in the data file.

One lock guards everything: a call holds it from its first read to its last write, so calls are serial, as Google's
are per spreadsheet.  Spreadsheets are read from the data file when they are first asked for.
"""

from __future__ import annotations

import logging
import random
import string
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import orjson

from sheetsync.localsheets import errors, journal
from sheetsync.localsheets.files import SPREADSHEET, FileRecord
from sheetsync.localsheets.spreadsheet import Spreadsheet, new_spreadsheet
from sheetsync.localsheets.storage import COMPACT_BYTES, DataFile, Entry, MemoryStorage

log = logging.getLogger(__name__)

_ID_CHARS: Final = string.ascii_letters + string.digits + "-_"
ANONYMOUS: Final = "anonymous@example.com"
KEPT_CHANGES: Final = 100_000


class Workspace:
    """The server's state.

    Attributes:
        lock: held for the length of each call.
        changes: (sequence, file id, time_ms, user) of the newest changes, oldest first; what Drive's change log tells.
        on_commit: called after each acknowledged change with (file id, user), under the lock.
    """

    def __init__(self, storage: DataFile | MemoryStorage, *, now_ms: Callable[[], int], rng: random.Random) -> None:
        self.lock = threading.RLock()
        self.storage = storage
        self.now_ms = now_ms
        self.rng = rng
        self.files: dict[str, FileRecord] = {}
        self.notes: dict[str, Any] = {}
        self.changes: list[tuple[int, str, int, str]] = []
        self.on_commit: list[Callable[[str, str], None]] = []
        self.is_closed = False
        self._loaded: dict[str, Spreadsheet] = {}
        self._stored: dict[str, list[Entry]] = {}  # what is in the data file but not yet in `_loaded`
        self._compact_at = COMPACT_BYTES
        if isinstance(storage, DataFile):
            try:
                self._open(storage)
            except BaseException:
                storage.close()  # or its lock would outlive the refusal
                raise

    # Opening and closing.

    def _open(self, storage: DataFile) -> None:
        for entry in storage.read():
            if entry.kind == "file":
                self.files[entry.key] = FileRecord.from_json(entry.json())
            elif entry.kind == "snap":
                self._stored[entry.key] = [entry]
            elif entry.kind == "tx":
                self._stored[entry.key].append(entry)
                self._touch(entry.key, entry.time_ms, entry.user)
            elif entry.kind == "gone":
                self.files.pop(entry.key, None)
                self._stored.pop(entry.key, None)
            elif entry.kind == "note":
                self.notes[entry.key] = entry.json()
        live = sum(len(entry.data) for entries in self._stored.values() for entry in entries[:1])
        if storage.size > COMPACT_BYTES and storage.size > 4 * live:
            self.compact()
        self._compact_at = max(COMPACT_BYTES, 4 * storage.size)

    def compact(self) -> None:
        """Rewrite the data file without its history."""
        if not isinstance(self.storage, DataFile):
            return
        now = self.now_ms()
        self.storage.compact(self._everything(now))
        self._compact_at = max(COMPACT_BYTES, 4 * self.storage.size)

    def _everything(self, now: int) -> Iterator[Entry]:
        for key, value in self.notes.items():
            yield Entry("note", key, now, "", orjson.dumps(value))
        for file_id, record in list(self.files.items()):
            if record.mime == SPREADSHEET:
                yield Entry("snap", file_id, now, "", dump(self._content(file_id).to_json()))
            yield Entry("file", file_id, now, "", orjson.dumps(record.to_json()))

    def close(self) -> None:
        """Let go of the data file."""
        with self.lock:
            self.is_closed = True
            self.storage.close()

    # Files.

    def new_file_id(self) -> str:
        """An id as Drive makes them."""
        return "1" + "".join(self.rng.choices(_ID_CHARS, k=43))

    def file(self, file_id: str) -> FileRecord | None:
        """The record of a file, or None."""
        return self.files.get(file_id)

    def create(self, title: str, user: str, *, spreadsheet: Spreadsheet | None = None, **more: Any) -> FileRecord:
        """Make a spreadsheet file; `spreadsheet` is its content, if it is not to be a blank one."""
        file_id = spreadsheet.spreadsheet_id if spreadsheet else self.new_file_id()
        content = spreadsheet or new_spreadsheet(file_id, title, rng=self.rng)
        content.owner = user
        content.now_ms = self.now_ms
        record = self._new_record(file_id, title, SPREADSHEET, user, more)
        if self.storage.keeps:
            snap = Entry("snap", file_id, record.created_ms, user, dump(content.to_json()))
            self.storage.append([snap, self._file_entry(record, user)])
        self._loaded[file_id] = content
        self._remember(record, user)
        return record

    def create_other(self, name: str, mime: str, user: str, **more: Any) -> FileRecord:
        """Make a file that is no spreadsheet, such as a folder."""
        record = self._new_record(self.new_file_id(), name, mime, user, more)
        self.storage.append([self._file_entry(record, user)])
        self._remember(record, user)
        return record

    def _new_record(self, file_id: str, name: str, mime: str, user: str, more: dict[str, Any]) -> FileRecord:
        now = self.now_ms()
        return FileRecord(file_id, name, mime, user, now, now, last_user=user, **more)

    def _remember(self, record: FileRecord, user: str) -> None:
        self.files[record.id] = record
        self._log_change(record.id, record.modified_ms, user)

    def save_file(self, record: FileRecord, user: str, *, touch: bool = True) -> None:
        """Keep a changed record."""
        if touch:
            record.version += 1
            record.modified_ms = max(self.now_ms(), record.modified_ms)
            record.last_user = user
        self.storage.append([self._file_entry(record, user)])
        self._log_change(record.id, record.modified_ms, user)

    def rename(self, record: FileRecord, name: str, user: str) -> None:
        """Give a file another name; a spreadsheet's title follows."""
        record.name = name
        if record.mime == SPREADSHEET:
            content = self._content(record.id)
            with self.transaction(content, user) as changes:
                changes.assign(content, "properties", {**content.properties, "title": name})
        self.save_file(record, user)

    def delete(self, file_id: str, user: str) -> None:
        """Delete a file for good."""
        now = self.now_ms()
        self.storage.append([Entry("gone", file_id, now, user, b"null")])
        self.files.pop(file_id, None)
        self._loaded.pop(file_id, None)
        self._stored.pop(file_id, None)
        self._log_change(file_id, now, user)

    def put_note(self, key: str, value: Any) -> None:
        """Keep any JSON under a key (no spaces): permissions, revisions, what a hook needs to outlive a restart."""
        self.storage.append([Entry("note", key, self.now_ms(), "", orjson.dumps(value))])
        self.notes[key] = value

    def _file_entry(self, record: FileRecord, user: str) -> Entry:
        return Entry("file", record.id, record.modified_ms, user, orjson.dumps(record.to_json()))

    def _log_change(self, file_id: str, time_ms: int, user: str) -> None:
        sequence = self.changes[-1][0] + 1 if self.changes else 1
        self.changes.append((sequence, file_id, time_ms, user))
        if len(self.changes) > 2 * KEPT_CHANGES:
            del self.changes[:KEPT_CHANGES]

    def _touch(self, file_id: str, time_ms: int, user: str) -> None:
        record = self.files.get(file_id)
        if record:
            record.version += 1
            record.modified_ms = max(time_ms, record.modified_ms)
            record.last_user = user or record.last_user

    # Spreadsheets.

    def spreadsheet(self, spreadsheet_id: str) -> Spreadsheet:
        """A spreadsheet by its id.

        Raises:
            ApiError: 404, there is none.
        """
        record = self.files.get(spreadsheet_id)
        if record is None or record.mime != SPREADSHEET:
            raise errors.not_found()
        return self._content(spreadsheet_id)

    def _content(self, file_id: str) -> Spreadsheet:
        if (loaded := self._loaded.get(file_id)) is not None:
            return loaded
        entries = self._stored[file_id]
        content = Spreadsheet.from_json(entries[0].json(), rng=self.rng)
        for entry in entries[1:]:
            journal.repeat(content, entry.json())
        if any(b'"="' in entry.data for entry in entries[1:]):
            content.has_formulas = True
        content.owner = self.files[file_id].owner
        content.now_ms = self.now_ms
        self._loaded[file_id] = content
        del self._stored[file_id]
        return content

    @contextmanager
    def transaction(self, spreadsheet: Spreadsheet, user: str) -> Iterator[journal.Journal]:
        """Changes of one spreadsheet: all are kept when the block ends well, none when it raises."""
        changes = journal.Journal(spreadsheet)
        now = self.now_ms()
        try:
            yield changes
            if not changes.changed:
                return
            self._keep(changes, user, now)
        except BaseException:
            changes.rollback()
            raise
        self._acknowledge(changes.spreadsheet, user, now)

    def _keep(self, changes: journal.Journal, user: str, now: int) -> None:
        """Hand the changes to the data file; when this returns they are durable."""
        if not self.storage.keeps:
            return
        content = changes.spreadsheet
        file_id, title = content.spreadsheet_id, content.properties["title"]
        entries = [Entry("tx", file_id, now, user, dump(changes.records()))]
        record = self.files.get(file_id)
        if record and record.name != title:
            renamed = FileRecord.from_json({**record.to_json(), "name": title})
            entries.insert(0, self._file_entry(renamed, user))
        self.storage.append(entries)

    def _acknowledge(self, content: Spreadsheet, user: str, now: int) -> None:
        """What follows a change that is durable: nothing here may take it back."""
        file_id = content.spreadsheet_id
        if record := self.files.get(file_id):
            record.name = content.properties["title"]
        self._touch(file_id, now, user)
        self._log_change(file_id, now, user)
        if isinstance(self.storage, DataFile) and self.storage.size > self._compact_at:
            try:
                self.compact()
            except OSError:
                log.warning("the data file could not be rewritten; it goes on growing", exc_info=True)
                self._compact_at = 2 * self.storage.size
        for listener in self.on_commit:
            listener(file_id, user)


def dump(value: Any) -> bytes:
    """JSON for the data file; rectangles become lists."""
    return orjson.dumps(value, default=list, option=orjson.OPT_NON_STR_KEYS)
