"""The journal's lines: a large one gives the same changes whether its contents are decoded or left out."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.context import RequestContext
from sheetsync.errors import DefectError
from sheetsync.store import RecordId, SourceBytes, VersionedStore
from sheetsync.store.content import encode_content
from sheetsync.store.entry import LARGE_LINE, NewChange, decode_line, encode_line
from sheetsync.store.state import heads_of

CTX = RequestContext(user="ada")
LONG = {"note": "x" * LARGE_LINE}
HASH = "0" * 64
LIKE_A_CHANGE = {"path": "components/x/x", "version": 1, "hash": HASH, "before": 0, "content": {}}
CONTENTS = st.one_of(
    st.dictionaries(st.text(max_size=5), st.one_of(st.text(max_size=20), st.integers(), st.booleans()), max_size=4),
    st.sampled_from(
        [
            {}, {"change": LIKE_A_CHANGE}, {"text": f'{{"path":"a/b/c","version":1,"hash":"{HASH}"'}, {"wide": True},
            {"number": 2**70}, SourceBytes(b'{"path":"a"', ".mjs"), SourceBytes(b"\xff", ".mjs"),
        ]
    ),
)  # fmt: skip


def line_of(contents: list[Any]) -> bytes:
    changes = []
    for number, content in enumerate(contents):
        encoded = encode_content(content)
        name = f"c{number}--2026-01-07T12-00-{number:02d}Z--{encoded.hash[:8]}{encoded.suffix}"
        changes.append(
            NewChange(f"components/c{number}/c{number}", number, 1, 0, encoded, f"components/c{number}/{name}")
        )
    at = datetime(2026, 1, 7, tzinfo=UTC)
    return encode_line(number=7, entry_id="i", at=at, who="ada", why="w", prev="", changes=changes, details=LONG)


@given(contents=st.lists(CONTENTS, min_size=1, max_size=5))
def test_without_contents_a_line_has_the_same_changes(contents: list[Any]) -> None:
    line = line_of(contents)
    whole, thin = decode_line(line), decode_line(line, contents=False)
    assert thin == whole  # contents are not compared
    assert heads_of(thin) == heads_of(whole)


def test_contents_that_were_left_out_are_never_taken_for_contents() -> None:
    entry = decode_line(line_of([{"n": 1}, {"n": 2}]), contents=False)
    with pytest.raises(DefectError):
        entry.changes[0].data()
    assert entry.changes[1].data() == b'{"n":2}'  # the last one is decoded with what stands behind it


def test_the_last_commit_of_a_folder_is_told_without_contents(named: VersionedStore) -> None:
    store = named.store
    assert store.last_commit("default", ("kpis",)) == 0
    for number, folder in enumerate(("kpis", "firearms", "kpis", "kpis2")):
        with store.transaction(CTX) as tx:
            tx.save(RecordId("default", (folder, "x"), "x"), {"n": number})
    assert [store.last_commit("default", (one,)) for one in ("kpis", "firearms", "kpis2")] == [3, 2, 4]
    store.note(CTX, "nothing saved", {"seen": 1})
    assert store.last_commit("default") == 4
