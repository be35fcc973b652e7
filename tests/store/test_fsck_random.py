"""Damage at random, on disk and in a bucket: fsck never fails, says damage exactly where there is some, loses no byte.

The store is a dict of files; whether a damage hurts a promise is told from that dict alone, and from what a reader
would believe of the derived index.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import orjson
import pytest

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import NewerFormatError, NotFoundError, SheetSyncError, StoreDamagedError
from sheetsync.store import FsckReport, RecordId, SourceBytes, Store
from sheetsync.store.backend import Backend
from sheetsync.store.entry import with_sum
from sheetsync.store.index import load_index
from sheetsync.store.local import LocalBackend
from sheetsync.store.media import parse_format
from sheetsync.store.names import parse_snapshot_name
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.rebuild import was_written_whole
from sheetsync.store.recovery import parse_checkpoint
from sheetsync.store.repair import check
from sheetsync.store.segments import Rotation, parse_segment_name, segment_name
from sheetsync.store.state import JournalState

LATER: Final = datetime(2026, 2, 1, tzinfo=UTC)  # nobody is at work any more
CTX = RequestContext(user="ada")
COMMITS: Final = 14
INDEX: Final = "default/.store/index.json"
CHECKPOINT: Final = "default/.store/checkpoint.json"
JOURNAL: Final = "default/journal/"
ODD: Final[tuple[Any, ...]] = (None, True, -1, 0, 1, 3, 14, 15, 99, 2**63, 2**70, 1.5, "", "x", [], {}, [1], "a" * 64)
Tree = dict[str, bytes]
Content = list[tuple[str, int, object]]


class Medium:
    """Where the tree is."""

    torn_tails = False

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def open(self) -> Backend:
        """The store that the tree is, as a fresh process opens it."""
        raise NotImplementedError

    def write(self, tree: Tree) -> None:
        """Make the tree anew."""
        raise NotImplementedError

    def read(self) -> Tree:
        """The tree as it is now."""
        raise NotImplementedError


class Disk(Medium):
    """A folder, with four entries a journal file."""

    torn_tails = True
    serial = 0

    def open(self) -> Backend:
        root = self.folder / str(self.serial)
        return LocalBackend(PosixFileSystem(root), "x", rotation=Rotation(entries=4))

    def write(self, tree: Tree) -> None:
        self.serial += 1
        root = self.folder / str(self.serial)
        root.mkdir(parents=True)
        for path, data in tree.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(data)

    def read(self) -> Tree:
        root = self.folder / str(self.serial)
        return {str(path.relative_to(root)): path.read_bytes() for path in root.rglob("*") if path.is_file()}


class Bucket(Medium):
    """Objects in memory."""

    objects = MemoryObjects()

    def open(self) -> Backend:
        return ObjectBackend(self.objects, "x", cheap=True)

    def write(self, tree: Tree) -> None:
        self.objects = MemoryObjects()
        for path, data in tree.items():
            self.objects.put(path, data)

    def read(self) -> Tree:
        return {key: self.objects.get(key) or b"" for key in self.objects.list("")}


@dataclass
class Model:
    """The store as it should be."""

    medium: Medium
    tree: Tree
    content: Content
    states: dict[int, JournalState]


def content_of(store: Store) -> Content:
    found: Content = []
    for record in store.records("default"):
        for snapshot in store.history(record):
            found.append((snapshot.path, snapshot.version, snapshot.content))
        latest = store.latest(record)
        assert latest is not None
        assert (latest.path, latest.content) == (found[-1][0], found[-1][2])
    return found


def build(medium: Medium) -> Model:
    clock = FakeClock()
    medium.write({})
    store = Store.on(medium.open(), clock=clock)
    states: dict[int, JournalState] = {}
    for number in range(COMMITS):
        with store.transaction(CTX, why=f"commit {number}") as tx:
            for name in "abc"[: 1 + number % 3]:
                tx.save(RecordId("default", ("things", name), name), {"n": number, "name": name})
            if number % 4 == 0:
                tx.save(RecordId("default", ("providers", "x", "y"), "y"), SourceBytes(b"text %d" % number, ".mjs"))
        clock.advance(60)
        states[number + 1] = state_of(medium, number + 1)
        if number == COMMITS // 2:
            store.compact()
    content = content_of(store)
    store.close()
    return Model(medium, medium.read(), content, states)


def state_of(medium: Medium, number: int) -> JournalState:
    """The state after an entry, as an index of that moment would tell it."""
    with Store.on(medium.open(), clock=FakeClock()) as store:
        assert store.rebuild_index() > 0
    state = JournalState("default")
    assert load_index(medium.open().open_tenant("default"), state)
    assert state.number == number
    return state


@pytest.fixture(params=[Disk, Bucket], ids=["disk", "bucket"])
def model(request: pytest.FixtureRequest, tmp_path: Path) -> Model:
    """A fresh model on each medium."""
    return build(request.param(tmp_path))


# --- damages ------------------------------------------------------------------------------------------------------
def a_file(tree: Tree, rng: random.Random, *, among: str = "") -> str:
    return rng.choice(sorted(path for path in tree if path.startswith(among)) or sorted(tree))


def flip(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng)
    if data := tree[path]:
        at = rng.randrange(len(data))
        tree[path] = data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def flip_journal(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng, among=JOURNAL)
    if data := tree[path]:
        at = rng.randrange(len(data))
        tree[path] = data[:at] + bytes([data[at] ^ rng.randrange(1, 256)]) + data[at + 1 :]


def cut(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng)
    tree[path] = tree[path][: rng.randrange(len(tree[path]) + 1)]


def cut_journal(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng, among=JOURNAL)
    tree[path] = tree[path][: rng.randrange(len(tree[path]) + 1)]


def zeros(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng)
    data = tree[path]
    at = rng.randrange(len(data) + 1)
    length = min(rng.randrange(1, 200), len(data) - at)
    tree[path] = data[:at] + bytes(length) + data[at + length :]


def delete(tree: Tree, rng: random.Random) -> None:
    if len(tree) > 1:
        del tree[a_file(tree, rng)]


def swap(tree: Tree, rng: random.Random) -> None:
    among = rng.choice(["", JOURNAL, "default/things/"])
    one, other = a_file(tree, rng, among=among), a_file(tree, rng, among=among)
    tree[one], tree[other] = tree[other], tree[one]


def new_name(path: str, rng: random.Random) -> str:
    folder = path.rpartition("/")[0]
    names = [
        "notes.txt",
        segment_name(rng.randrange(1, 20)),
        f"a--2026-01-07T{rng.randrange(24):02d}-00-00Z--0123abcd.json",
        "x.json",
    ]
    return f"{folder}/{rng.choice(names)}".lstrip("/")


def rename(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng)
    if (name := new_name(path, rng)) not in tree:
        tree[name] = tree.pop(path)


def add(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng)
    content = rng.choice([b"", b"junk\n", b"{}", tree[path], rng.randbytes(50)])
    tree.setdefault(new_name(path, rng), content)


def append(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng, among=JOURNAL)
    tree[path] += rng.choice([b'{"sum":"01', b"\n", b"junk\n", bytes(40), tree[path][:80], b"{}\n"])


def duplicate_line(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng, among=JOURNAL)
    lines = tree[path].splitlines(keepends=True)
    if lines:
        lines.insert(rng.randrange(len(lines) + 1), rng.choice(lines))
    tree[path] = b"".join(lines)


def drop_line(tree: Tree, rng: random.Random) -> None:
    path = a_file(tree, rng, among=JOURNAL)
    lines = tree[path].splitlines(keepends=True)
    if lines:
        del lines[rng.randrange(len(lines))]
    tree[path] = b"".join(lines)


def forge_checkpoint(tree: Tree, rng: random.Random) -> None:
    tree[CHECKPOINT] = rng.choice(
        [
            with_sum({"upto": rng.choice([0, 3, COMMITS, COMMITS + 1, 99, -5, 2**60])}),
            b'{"upto":%d}' % (COMMITS + 1),
            b'{"upto":1e400}',
            b'{"upto":1e30}',
            b'{"upto":"x"}',
            b'{"upto":null}',
            b"[1]",
            b"1",
            b"",
            bytes(10),
            b"[" * 100_000,
        ]
    )


def forge_index(tree: Tree, rng: random.Random) -> None:
    """An index with a right checksum: nothing but its content tells that it is wrong."""
    data = tree.get(INDEX, b"")
    try:
        value: dict[str, Any] = orjson.loads(data)
        value.pop("sum")
    except (ValueError, KeyError, AttributeError):
        return
    what = rng.choice([*value, "heads", "heads", "a head", "a head"])
    if what == "a head" and isinstance(value.get("heads"), list) and value["heads"]:
        head = rng.choice(value["heads"])
        if isinstance(head, list) and head:
            at = rng.randrange(len(head))
            head[at] = rng.choice([odd for odd in ODD if type(odd) is type(head[at]) and odd != 2**70])
    elif what == "heads" and isinstance(value.get("heads"), list):
        value["heads"] = rng.choice([value["heads"][1:], value["heads"] + value["heads"][:1], [], value["heads"][::-1]])
    elif what in value:
        value[what] = rng.choice([odd for odd in ODD if odd != 2**70])
    rest = orjson.dumps(value)[1:]
    tree[INDEX] = b'{"sum":"' + hashlib.sha256(rest).hexdigest().encode() + b'",' + rest


DAMAGES: Final[tuple[Callable[[Tree, random.Random], None], ...]] = (
    flip, flip, flip_journal, flip_journal, cut, cut_journal, zeros, delete, swap, rename, add, append, duplicate_line,
    drop_line, forge_checkpoint, forge_index, forge_index,
)  # fmt: skip


# --- what hurts ---------------------------------------------------------------------------------------------------
def counts(tree: Mapping[str, bytes]) -> Tree:
    """What a promise is about: all but the work folder, hidden names, and derived files beside records."""
    return {
        path: data
        for path, data in tree.items()
        if not path.startswith(".")
        and "/.store/" not in path
        and not (path.startswith(("default/providers/", "default/selections/")) and path.endswith("/index.json"))
    }


def is_hurt(model: Model, tree: Tree) -> bool:
    """Is a promise broken?"""
    try:
        parse_format(tree.get("FORMAT", b""))
    except StoreDamagedError:
        return True
    right, there = counts(model.tree), counts(tree)
    there["FORMAT"] = right["FORMAT"]  # another id is another store's, and sound
    if model.medium.torn_tails:
        _forget_torn_tail(right, there)
    if there != right:
        return True
    try:
        if parse_checkpoint(tree[CHECKPOINT]) > COMMITS:
            return True
    except LookupError:
        pass
    return index_misleads(model)


def _forget_torn_tail(right: Tree, there: Tree) -> None:
    """What was appended behind the last line and is none was never acknowledged. A new, last file may hold it."""
    last = max(path for path in right if path.startswith(JOURNAL))
    fresh = f"{JOURNAL}{segment_name(COMMITS + 1)}"
    rest = there.get(last, b"")[len(right[last]) :]
    tails = [rest] if fresh not in there else [there[fresh]]
    if not there.get(last, b"").startswith(right[last]) or (fresh in there and rest):
        return
    tail = tails[0]
    if any(map(is_like_a_line, tail.split(b"\n"))) or was_written_whole(tail):
        return
    there[last] = right[last]
    there.pop(fresh, None)


def is_like_a_line(piece: bytes) -> bool:
    return hashlib.sha256(piece[74:]).hexdigest().encode() == piece[8:72]


def index_misleads(model: Model) -> bool:
    """Would a reader believe the index, and be wrong?"""
    state = JournalState("default")
    try:
        if not load_index(model.medium.open().open_tenant("default"), state):
            return False
    except (ValueError, LookupError, TypeError, AttributeError, OverflowError):
        return False
    right = model.states.get(state.number)
    return right is None or (state.line_hash, state.heads, state.leases) != (right.line_hash, right.heads, right.leases)


# --- the promises -------------------------------------------------------------------------------------------------
def look(model: Model, *, repair: bool = False) -> FsckReport:
    backend = model.medium.open()
    try:
        return check(backend, "x", repair=repair, clock=FakeClock(LATER))
    finally:
        backend.close()


def try_one(model: Model, seed: int) -> None:
    rng = random.Random(seed)
    tree = dict(model.tree)
    for _ in range(rng.choice([1, 1, 1, 2, 3])):
        rng.choice(DAMAGES)(tree, rng)
    model.medium.write(tree)
    try:
        report = look(model)
    except (NewerFormatError, NotFoundError):
        assert tree.get("FORMAT") != model.tree["FORMAT"]
        return
    assert model.medium.read() == tree, "fsck without --repair writes nothing"
    assert (report.exit_code == 9) == is_hurt(model, tree), report.findings
    assert all(finding.message and finding.hint for finding in report.findings)
    repaired = look(model, repair=True)
    after = model.medium.read()
    lost = {path for path, data in tree.items() if data and data not in after.values()}
    assert not lost, "every byte is kept"
    again = look(model, repair=True)
    assert model.medium.read() == after, "a second repair changes nothing"
    assert again.exit_code == repaired.exit_code
    assert not any(finding.repaired for finding in again.findings)
    if repaired.exit_code == 0:
        assert opened(model) == model.content
        assert look(model).exit_code == 0
        return
    with suppress(SheetSyncError), Store.on(model.medium.open(), clock=FakeClock(), create=False) as store:
        for record in store.records("default"):
            assert list(store.history(record))


def opened(model: Model) -> Content:
    with Store.on(model.medium.open(), clock=FakeClock(), create=False) as store:
        return content_of(store)


@pytest.mark.parametrize("seeds", [range(at, at + 20) for at in range(0, 80, 20)], ids=lambda seeds: str(seeds.start))
def test_damage_at_random(seeds: range, model: Model) -> None:
    for seed in seeds:
        try:
            try_one(model, seed)
        except Exception as exc:
            exc.add_note(f"seed {seed}")
            raise


@pytest.mark.torture
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("start", range(1000, 9000, 1000))
def test_much_damage_at_random(start: int, model: Model) -> None:
    for seed in range(start, start + 1000):
        try:
            try_one(model, seed)
        except Exception as exc:
            exc.add_note(f"seed {seed}")
            raise


def test_names_of_the_model_are_names_of_snapshots(model: Model) -> None:
    """Else the damages would not be what they say."""
    names = [path for path in model.tree if path.startswith("default/things/")]
    assert len(names) > COMMITS
    assert all(parse_snapshot_name(path.rpartition("/")[2]) for path in names)
    assert all(parse_segment_name(path[len(JOURNAL) :]) for path in model.tree if path.startswith(JOURNAL))
    assert is_hurt(model, model.tree) is False
