"""A disk in memory that loses what was not fsynced: the store's `FileSystem`, with power cuts and failing calls.

What lives here: what a file system may do to a program that did not ask for durability. What does not: journals,
snapshots or leases. Two kinds of disk: *harsh* (any subset of un-fsynced names survives; un-fsynced data is kept, lost,
torn, or filled with zeros) and *ordered* (names survive in their order, as on ext4, where any fsync commits all names
before it; data is kept, torn or empty).
"""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Self

from sheetsync.store.backend import Holder
from sheetsync.store.filesystem import AnotherEnd

ROOT = 0


@dataclass
class Node:
    """A file or a folder: as programs see it, and as the platter has it."""

    folder: bool
    data: bytes = b""
    safe_data: bytes = b""
    names: dict[str, int] = field(default_factory=dict)
    safe_names: dict[str, int] = field(default_factory=dict)

    def copy_safe(self) -> Node:
        return Node(self.folder, self.safe_data, self.safe_data, dict(self.safe_names), dict(self.safe_names))


@dataclass(frozen=True)
class Edit:
    """A name that was set (or removed: `node` None), and is not durable yet."""

    folder: int
    name: str
    node: int | None


class SimulatedLock:
    """A lease's lock; it dies with the disk's world."""

    def __init__(self, disk: SimulatedDisk, path: str) -> None:
        self._disk, self._path = disk, path

    def is_ours(self) -> bool:
        return self._disk.leases.get(self._path, (None, None))[1] is self

    def release(self) -> None:
        if self.is_ours():
            del self._disk.leases[self._path]


class SimulatedDisk:
    """`before(operation, path)` is called before every operation that changes something, and may raise."""

    def __init__(self, *, harsh: bool = True, can_sync_all: bool = False, nameless: bool = False) -> None:
        self.harsh, self.can_sync_all, self.nameless = harsh, can_sync_all, nameless
        self.nodes: dict[int, Node] = {ROOT: Node(folder=True)}
        self.pending: list[Edit] = []
        self.leases: dict[str, tuple[Holder, SimulatedLock]] = {}
        self.locked: set[str] = set()
        self.before: Callable[[str, str], None] = lambda operation, path: None
        self.operations = 0
        self._next = 1

    # --- lookup -------------------------------------------------------------------------------------------------
    def _folder(self, path: str) -> int:
        node = ROOT
        for part in filter(None, path.split("/")):
            inner = self.nodes[node].names.get(part)
            if inner is None:
                raise FileNotFoundError(path)
            if not self.nodes[inner].folder:
                raise NotADirectoryError(path)
            node = inner
        return node

    def _place(self, path: str) -> tuple[int, str, int | None]:
        above, _, name = path.rpartition("/")
        folder = self._folder(above)
        return folder, name, self.nodes[folder].names.get(name)

    def _file(self, path: str) -> Node:
        _, _, inode = self._place(path)
        if inode is None:
            raise FileNotFoundError(path)
        if self.nodes[inode].folder:
            raise IsADirectoryError(path)
        return self.nodes[inode]

    def _act(self, operation: str, path: str) -> None:
        self.before(operation, path)
        self.operations += 1

    def _edit(self, folder: int, name: str, inode: int | None) -> None:
        names = self.nodes[folder].names
        names.pop(name, None)
        if inode is not None:
            names[name] = inode
        self.pending.append(Edit(folder, name, inode))

    def _new(self, path: str, *, folder: bool) -> Node:
        above, name, there = self._place(path)
        if there is not None:
            raise FileExistsError(path)
        inode, self._next = self._next, self._next + 1
        self.nodes[inode] = Node(folder)
        self._edit(above, name, inode)
        return self.nodes[inode]

    def rest(self, path: str) -> None:
        pass

    def limits(self) -> tuple[int, int]:
        return 255, 4096

    # --- the port -----------------------------------------------------------------------------------------------
    def mkdir(self, path: str) -> None:
        self._act("mkdir", path)
        self._new(path, folder=True)

    def listdir(self, path: str) -> list[str]:
        return list(self.nodes[self._folder(path)].names)

    def kind(self, path: str) -> str | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            _, _, inode = self._place(path)
            if inode is not None:
                return "folder" if self.nodes[inode].folder else "file"
        return None

    def exists(self, path: str) -> bool:
        return self.kind(path) is not None

    def stamp(self, path: str) -> tuple[int, ...] | None:
        with suppress(FileNotFoundError, NotADirectoryError):
            _, _, inode = self._place(path)
            if inode is not None:
                node = self.nodes[inode]
                return inode, hash(tuple(node.names.items())) if node.folder else hash(node.data)
        return None

    def size(self, path: str) -> int | None:
        with suppress(FileNotFoundError):
            return len(self._file(path).data)
        return None

    def version(self, path: str) -> tuple[int, ...]:
        data = self._file(path).data
        return self._place(path)[2] or 0, hash(data)

    def read(self, path: str) -> bytes:
        return self._file(path).data

    def read_at(self, path: str, offset: int, length: int) -> bytes:
        return self._file(path).data[offset : offset + length]

    def create(self, path: str, data: bytes) -> None:
        self._act("create", path)
        node = self._new(path, folder=False)
        self._act("write", path)
        node.data = data

    def place(self, path: str, data: bytes) -> bool:
        self._place(path)
        if not self.nameless:
            return False
        self._act("write", path)
        self._act("link", path)
        self._new(path, folder=False).data = data
        return True

    def place_first(self, path: str, data: bytes) -> bool:
        with suppress(FileNotFoundError, FileExistsError):
            if self.nameless:
                self.mkdir(path.rpartition("/")[0])
                return self.place(path, data)
        return False

    def append(self, path: str, offset: int, data: bytes) -> None:
        if offset == 0 and self.kind(path) is None:
            self._act("create", path)
            self._new(path, folder=False)
        node = self._file(path)
        if len(node.data) != offset:
            raise AnotherEnd(path)
        half = len(data) // 2
        node_data = node.data[:offset]
        self._act("append", path)
        node.data = node_data + data[:half]
        self._act("append rest", path)
        node.data = node_data + data

    def truncate(self, path: str, size: int) -> None:
        self._act("truncate", path)
        node = self._file(path)
        node.data = node.data[:size]

    def link(self, source: str, target: str) -> None:
        self._act("link", target)
        _, _, inode = self._place(source)
        folder, name, there = self._place(target)
        if inode is None:
            raise FileNotFoundError(source)
        if there is not None:
            raise FileExistsError(target)
        self._edit(folder, name, inode)

    def rename(self, source: str, target: str) -> None:
        self._act("rename", target)
        old_folder, old_name, inode = self._place(source)
        folder, name, _ = self._place(target)
        if inode is None:
            raise FileNotFoundError(source)
        self._edit(folder, name, inode)
        self._edit(old_folder, old_name, None)

    def unlink(self, path: str) -> None:
        self._act("unlink", path)
        folder, name, inode = self._place(path)
        if inode is None:
            raise FileNotFoundError(path)
        self._edit(folder, name, None)

    def sync(self, path: str) -> None:
        self._act("sync", path)
        node = self._file(path)
        node.safe_data = node.data
        if not self.harsh:
            self._settle(None)

    def sync_folder(self, path: str) -> None:
        self._act("sync folder", path)
        self._settle(self._folder(path) if self.harsh else None)

    def sync_all(self, path: str, folders: Collection[str]) -> bool:
        if not self.can_sync_all:
            return False
        self._act("sync all", "")
        for node in self.nodes.values():
            node.safe_data = node.data
        self._settle(None)
        return True

    def _settle(self, folder: int | None) -> None:
        rest = []
        for edit in self.pending:
            if folder is None or edit.folder == folder:
                self._write_platter(edit)
            else:
                rest.append(edit)
        self.pending = rest

    def _write_platter(self, edit: Edit) -> None:
        names = self.nodes[edit.folder].safe_names
        names.pop(edit.name, None)
        if edit.node is not None:
            names[edit.name] = edit.node

    def is_writable(self, path: str) -> bool:
        return self.nodes[self._folder(path)].folder

    @contextmanager
    def lock(self, path: str) -> Iterator[None]:
        self._folder(path)
        assert path not in self.locked, "two writers of one thread would wait for each other"
        self.locked.add(path)
        try:
            yield
        finally:
            self.locked.discard(path)

    def try_lock(self, path: str, holder: Holder) -> SimulatedLock | None:
        if self.kind(path) is None:
            self._act("create", path)
            self._new(path, folder=False)
        if path in self.leases:
            return None
        lock = SimulatedLock(self, path)
        self.leases[path] = (holder, lock)
        return lock

    def lock_holder(self, path: str) -> Holder | None:
        return self.leases[path][0] if path in self.leases else None

    def close(self) -> None:
        pass

    # --- power cuts ---------------------------------------------------------------------------------------------
    def _tails(self, node: Node) -> list[bytes]:
        """What a file may hold after a cut: bytes that were not written again are never harmed."""
        old, new = node.safe_data, node.data
        keep = next((i for i, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))
        half = keep + (len(new) - keep) // 2
        tails = [new, old, new[:half], new[:half] + old[half:]]
        if self.harsh:
            tails += [new[:keep] + bytes(len(new) - keep), new[:keep] + bytes(half - keep) + new[half:], new[:keep]]
        return list(dict.fromkeys(tails))

    def outcomes(self, limit: int, rng: random.Random) -> list[tuple[int, ...]]:
        """What a cut may leave: all outcomes where they are few, else a sample that holds the extremes."""
        sizes = [len(self._tails(self.nodes[inode])) for inode in self._dirty()]
        sizes += [2] * len(self.pending) if self.harsh else [len(self.pending) + 1]
        total = 1
        for size in sizes:
            total *= size
        if total <= limit:
            return list(itertools.product(*map(range, sizes)))
        picks = [tuple(0 for _ in sizes), tuple(size - 1 for size in sizes)]
        picks += [tuple(rng.randrange(size) for size in sizes) for _ in range(limit - 2)]
        return list(dict.fromkeys(picks))

    def _dirty(self) -> list[int]:
        return [inode for inode, node in self.nodes.items() if not node.folder and node.data != node.safe_data]

    def after_cut(self, outcome: tuple[int, ...]) -> Self:
        """The disk as the next boot finds it."""
        disk = type(self)(harsh=self.harsh, can_sync_all=self.can_sync_all, nameless=self.nameless)
        disk.nodes = {inode: node.copy_safe() for inode, node in self.nodes.items()}
        disk._next = self._next
        dirty = self._dirty()
        for inode, pick in zip(dirty, outcome, strict=False):
            disk.nodes[inode].data = disk.nodes[inode].safe_data = self._tails(self.nodes[inode])[pick]
        picks = outcome[len(dirty) :]
        kept = self.pending
        if self.harsh:
            kept = [edit for edit, pick in zip(self.pending, picks, strict=True) if pick == 0]
        else:
            kept = self.pending[: len(self.pending) - picks[0]]
        for edit in kept:
            disk._write_platter(edit)
        for node in disk.nodes.values():
            node.names = dict(node.safe_names)
        return disk

    def after_kill(self) -> Self:
        """The disk after every process was killed: nothing is lost, nothing more is durable."""
        disk = type(self)(harsh=self.harsh, can_sync_all=self.can_sync_all, nameless=self.nameless)
        disk.nodes = {
            inode: Node(node.folder, node.data, node.safe_data, dict(node.names), dict(node.safe_names))
            for inode, node in self.nodes.items()
        }
        disk.pending, disk._next = list(self.pending), self._next
        return disk

    def tree(self) -> dict[str, bytes]:
        """Every file that can be reached, with its bytes."""
        found: dict[str, bytes] = {}
        todo = [("", ROOT)]
        while todo:
            path, inode = todo.pop()
            for name, inner in self.nodes[inode].names.items():
                here = f"{path}/{name}".lstrip("/")
                if self.nodes[inner].folder:
                    todo.append((here, inner))
                else:
                    found[here] = self.nodes[inner].data
        return found
