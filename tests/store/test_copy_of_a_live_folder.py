"""A folder that was copied while somebody saved: it may hold snapshots of commits whose lines it lacks."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import StoreDamagedError
from sheetsync.store import RecordId, Store, fsck

CTX = RequestContext(user="ada")
JOURNAL = "default/journal/0000000001.jsonl"


def a_record(name: str) -> RecordId:
    return RecordId("default", ("kpis",), name)


def save(folder: Path, name: str, value: int) -> None:
    with Store.open(folder) as store, store.transaction(CTX) as tx:
        tx.save(a_record(name), {"value": value})


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy whose journal was read before a commit, and its snapshots after it."""
    live, copy = tmp_path / "live", tmp_path / "copy"
    save(live, "alpha", 1)
    line = (live / JOURNAL).read_bytes()
    save(live, "beta", 2)
    shutil.copytree(live, copy)
    (copy / JOURNAL).write_bytes(line)
    for name in ("checkpoint.json", "index.json"):
        (copy / "default/.store" / name).unlink(missing_ok=True)
    return copy


def test_fsck_says_what_to_do_in_a_copy(copied: Path) -> None:
    (found,) = [finding for finding in fsck(copied).findings if finding.code == "foreign"]
    assert "made while somebody saved, move it elsewhere" in found.hint
    assert "restore the journal from a copy" in found.hint


def test_a_line_torn_later_is_not_cut_until_they_are_moved_out(copied: Path, tmp_path: Path) -> None:
    save(copied, "gamma", 3)
    with (copied / JOURNAL).open("ab") as file:
        file.write(b'{"sum":"a line that was torn')
    with pytest.raises(StoreDamagedError, match="are in the folders") as caught:
        Store.open(copied)
    assert "a copy, made while somebody saved" in (caught.value.hint or "")
    (foreign,) = [finding.path for finding in fsck(copied).findings if "beta" in finding.path]
    shutil.move(copied / "default" / foreign, tmp_path / "kept.json")
    with Store.open(copied) as store:
        assert {record.name for record in store.records("default", ())} == {"alpha", "gamma"}
    assert fsck(copied).findings == ()
