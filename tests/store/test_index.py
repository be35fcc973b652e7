"""The derived index: believed only where the journal agrees, and never needed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import Store, VersionedStore
from sheetsync.store.index import INDEX, load_index
from sheetsync.store.local import LocalBackend
from sheetsync.store.posix import PosixFileSystem
from sheetsync.store.segments import Rotation
from sheetsync.store.state import JournalState

CTX = RequestContext(user="ada")
SMALL = Rotation(entries=3, size_bytes=1 << 20)


def opened(folder: Path) -> Store:
    folder.mkdir(exist_ok=True)
    return Store.on(LocalBackend(PosixFileSystem(folder), str(folder), rotation=SMALL))


def loaded(folder: Path) -> int:
    """The entry at which an opening begins to read, 0 if no index is believed."""
    state = JournalState("default")
    part = LocalBackend(PosixFileSystem(folder), str(folder), rotation=SMALL).open_tenant("default")
    return state.number if load_index(part, state) else 0


@pytest.mark.parametrize("commits", range(1, 9))
def test_an_index_is_believed_wherever_in_a_journal_file_it_ends(commits: int, folder: Path) -> None:
    store = opened(folder)
    named = VersionedStore(CTX, store=store)
    for number in range(commits):
        named.save("alpha", {"n": number})
    store.compact()
    assert loaded(folder) == commits
    again = VersionedStore(CTX, store=opened(folder))
    assert again.save("alpha", {"n": -1}).version == commits + 1
    assert [s.version for s in named.history("alpha")] == list(range(1, commits + 2))


def test_an_index_that_was_cut_flipped_or_is_of_another_store_is_not_believed(folder: Path, tmp_path: Path) -> None:
    store = opened(folder)
    VersionedStore(CTX, store=store).save("alpha", {"n": 1})
    store.compact()
    file = folder / "default/.store" / INDEX
    good = file.read_bytes()
    for bad in (b"", good[:-1], good.replace(b"alpha", b"alphb", 1), b"[]", b"\xff" * 100):
        file.write_bytes(bad)
        assert loaded(folder) == 0
        latest = VersionedStore(CTX, store=opened(folder)).latest("alpha")
        assert latest is not None
        assert latest.content == {"n": 1}
    other = VersionedStore(CTX, store=opened(tmp_path / "other"))
    other.save("alpha", {"n": 2})
    other.store.compact()
    file.write_bytes((tmp_path / "other/default/.store" / INDEX).read_bytes())
    assert loaded(folder) == 0


def test_everything_derived_can_be_deleted(folder: Path) -> None:
    store = opened(folder)
    named = VersionedStore(CTX, store=store)
    for number in range(7):
        named.save("alpha", {"n": number})
    store.write_derived("default", ("providers", "x", "index.json"), b"{}")
    store.compact()
    store.close()
    shutil.rmtree(folder / "default/.store")
    shutil.rmtree(folder / "default/providers")
    again = VersionedStore(CTX, store=opened(folder))
    assert [s.content for s in again.history("alpha")] == [{"n": number} for number in range(7)]


def test_an_index_is_written_when_the_tail_grows_long(folder: Path) -> None:
    named = VersionedStore(CTX, store=opened(folder))
    for number in range(300):
        named.save("alpha", {"n": number})
    assert loaded(folder) >= 256


def test_a_broken_line_that_the_index_knows_is_never_cut(folder: Path) -> None:
    """Of a note no name tells, and a cut one has no end: but the index is written of what is durable only."""
    with Store.open(folder) as store:
        store.note(CTX, "noted", {"n": 1})
        store.note(CTX, "noted", {"n": 2})
        store._write_index()
    journal = folder / "default/journal/0000000001.jsonl"
    kept = journal.read_bytes()[:-20]
    journal.write_bytes(kept)
    with pytest.raises(StoreDamagedError, match="the index tells of entry 2"):
        Store.open(folder)
    assert journal.read_bytes() == kept
