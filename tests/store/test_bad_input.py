"""What people and other programs get wrong: a clear error each time, nothing written outside, nothing lost."""

from __future__ import annotations

import json
import math
import os
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sheetsync.domain.clock import FakeClock
from sheetsync.domain.context import RequestContext
from sheetsync.errors import (
    DestinationError,
    InvalidContentError,
    InvalidIdError,
    NewerFormatError,
    NotFoundError,
    StaleSnapshotError,
    StoreDamagedError,
    UnknownOutcomeError,
    UsageError,
)
from sheetsync.store import RecordId, SourceBytes, Store, VersionedStore, fsck
from sheetsync.store.content import decode_content, encode_content
from sheetsync.store.media import network_file_system
from sheetsync.store.objects import MemoryObjects, ObjectBackend

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=12,
)


def storable(value: object) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return False
    return True


@given(st.dictionaries(st.text(), JSON).filter(storable))
def test_every_json_object_comes_back_as_it_was(content: dict[str, object]) -> None:
    encoded = encode_content(content)
    back = decode_content(encoded.data, encoded.suffix, source=False, wide=encoded.wide)
    assert back == content
    assert encode_content(back).hash == encoded.hash


@pytest.mark.parametrize(
    "content",
    [
        [],
        "text",
        None,
        {"x": math.nan},
        {"x": math.inf},
        {1: "a"},
        {"x": {2: "a"}},
        {"x": object()},
        {"x": "\ud800"},
        {"x": b"bytes"},
        SourceBytes(b"", "../x"),
        SourceBytes(b"", ".a--b"),
    ],
)
def test_content_without_a_json_form_is_refused(content: object, named: VersionedStore) -> None:
    with pytest.raises(InvalidContentError):
        named.save("alpha", content)  # type: ignore[arg-type]
    assert named.latest("alpha") is None
    assert named.store.head() == 0


def test_content_of_50_mb_is_refused_with_its_size(named: VersionedStore) -> None:
    with pytest.raises(InvalidContentError, match="a snapshot holds at most 50 MB"):
        named.save("alpha", {"blob": "x" * 50_000_000})
    assert named.names() == []


def test_a_deep_nesting_is_an_error_or_kept(named: VersionedStore) -> None:
    deep: dict[str, object] = {}
    for _ in range(300):
        deep = {"x": deep}
    assert named.save("deep", deep).content == deep
    for _ in range(100_000):
        deep = {"x": deep}
    with pytest.raises(InvalidContentError):
        named.save("deeper", deep)


def test_a_store_that_is_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "store"
    file.write_text("mine")
    with pytest.raises(DestinationError, match="is a file"):
        Store.open(file)
    with pytest.raises(DestinationError):
        Store.open(file / "inner")
    assert file.read_text() == "mine"


def test_a_missing_store_is_not_made_when_it_must_exist(folder: Path) -> None:
    with pytest.raises(NotFoundError):
        Store.open(folder, create=False)
    assert not folder.exists()
    folder.mkdir()
    with pytest.raises(NotFoundError):
        Store.open(folder, create=False)
    assert list(folder.iterdir()) == []


def test_a_newer_format_is_left_alone(named: VersionedStore, folder: Path) -> None:
    named.save("alpha", {"x": 1})
    value = json.loads((folder / "FORMAT").read_text())
    (folder / "FORMAT").write_text(json.dumps({**value, "version": 2}))
    with pytest.raises(NewerFormatError) as caught:
        Store.open(folder)
    assert caught.value.exit_code == 7


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"format":"other","version":1,"store_id":"x"}'])
def test_a_damaged_format_file_is_damage(text: str, named: VersionedStore, folder: Path) -> None:
    named.save("alpha", {"x": 1})
    (folder / "FORMAT").write_text(text)
    with pytest.raises(StoreDamagedError):
        Store.open(folder)


@pytest.mark.parametrize("create", [True, False])
def test_a_lost_format_file_is_damage_where_journals_are(create: bool, named: VersionedStore, folder: Path) -> None:
    named.save("alpha", {"x": 1})
    (folder / "FORMAT").unlink()
    with pytest.raises(StoreDamagedError, match="FORMAT is missing"):
        Store.open(folder, create=create)
    assert not (folder / "FORMAT").exists()


@pytest.mark.parametrize("address", ["", "file://", "ftp://host/store", "http://x", "://", "S3://bucket/x"])
def test_an_unknown_address_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no store's address"):
        Store.open(address)


@pytest.mark.parametrize("address", ["s3://", "gs:///x", "az://", "s3://a bucket/x", "gs://bucket/a//b"])
def test_a_buckets_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(UsageError, match="no bucket's address") as caught:
        Store.open(address)
    assert "s3://bucket/folder" in caught.value.hint


@pytest.mark.parametrize(
    "name",
    ["a b", "ünïcödé", "new\nline", "--opt", "%2e", "a:b", "\N{GRINNING FACE}", "back\\slash", "\udcff", "x" * 200],
)
def test_a_store_may_lie_at_any_path_that_the_disk_takes(name: str, tmp_path: Path) -> None:
    with VersionedStore(RequestContext(user="ada"), url=tmp_path / name / "store") as named:
        named.save("alpha", {"x": 1})
    with VersionedStore(RequestContext(user="ada"), url=tmp_path / name / "store") as named:
        assert named.names() == ["alpha"]


def test_paths_that_can_be_no_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "nowhere").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "fifo")
    for path in ("a\0b", tmp_path / "nowhere", tmp_path / "fifo", "/dev/null", tmp_path / ("x" * 300)):
        with pytest.raises(UsageError):
            Store.open(path)
    assert not (tmp_path / "missing").exists()


def test_a_clock_of_the_year_9999_is_an_error_of_its_own(folder: Path) -> None:
    clock = FakeClock(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))
    named = VersionedStore(RequestContext(user="ada"), url=folder, clock=clock)
    named.save("alpha", {"x": 1})
    with pytest.raises(UsageError, match="the last stamp"):
        named.save("alpha", {"x": 2})
    clock.advance(-(10**9))
    named.save("beta", {"x": 2})
    assert fsck(folder).findings == ()


@pytest.mark.parametrize("planted", ["default", "default/workbench_drafts", "default/workbench_drafts/ada@example.com"])
def test_planted_links_are_not_followed(planted: str, tmp_path: Path, folder: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    Store.open(folder, tenant="other").close()
    (folder / planted).parent.mkdir(parents=True, exist_ok=True)
    (folder / planted).symlink_to(outside)
    said: list[str] = []
    try:
        store = Store.open(folder, tell=said.append)
        VersionedStore(RequestContext(user="ada@example.com"), store=store).save("alpha", {"x": 1})
    except StoreDamagedError as exc:
        said.append(exc.message)
    assert any("symbolic link" in message for message in said)
    assert list(outside.iterdir()) == []


def test_a_link_in_a_record_folder_is_read_through_the_journal(named: VersionedStore, folder: Path) -> None:
    snapshot = named.save("alpha", {"x": 1})
    path = folder / "default" / snapshot.path
    path.unlink()
    path.symlink_to("/etc/hostname")
    latest = named.latest("alpha")
    assert latest is not None
    assert latest.content == {"x": 1}


def test_expected_of_another_record_is_a_mistake(named: VersionedStore) -> None:
    alpha = named.save("alpha", {"x": 1})
    with pytest.raises(UsageError):
        named.save("beta", {"x": 1}, alpha)
    with pytest.raises(StaleSnapshotError):
        named.save("alpha", {"x": 1}, None)


def test_a_transaction_that_is_over_takes_nothing_more(named: VersionedStore) -> None:
    with named.transaction() as tx:
        tx.save("alpha", {"x": 1})
    with pytest.raises(UsageError):
        tx.save("beta", {"x": 1})


def test_callers_cannot_change_what_is_kept(named: VersionedStore) -> None:
    content = {"list": [1]}
    saved = named.save("alpha", content)
    content["list"].append(2)
    assert isinstance(saved.content, dict)
    saved.content["list"].append(3)
    latest = named.latest("alpha")
    assert latest is not None
    assert latest.content == {"list": [1]}


def test_a_record_cannot_stand_in_the_journals_place() -> None:
    for folder in (("journal",), (".store",), ()):
        with pytest.raises(InvalidIdError):
            RecordId("default", folder, "x")


@pytest.mark.parametrize("number", [1.5, "1", None, float("nan"), b"1", [1]])
def test_what_is_no_commits_number_is_refused(number: Any, named: VersionedStore) -> None:
    named.save("alpha", {"x": 1})
    store = named.store
    for ask in (named.at, store.at, store.commit, lambda n: list(store.diff(0, n)), lambda n: store.log(since=n)):
        with pytest.raises(UsageError, match="is no commit's number"):
            ask(number)
    for number in (-1, 2, 10**30):
        with pytest.raises(NotFoundError):
            named.at(number)
    assert named.at(1).names() == ["alpha"]


def test_a_commit_or_snapshot_of_another_store_is_no_place_in_time(named: VersionedStore, tmp_path: Path) -> None:
    named.save("alpha", {"x": 1})
    other = VersionedStore(RequestContext(user="ada@example.com"), url=tmp_path / "other")
    theirs = other.save("beta", {"x": 1})
    for foreign in (theirs, other.store.commit(1)):
        with pytest.raises(NotFoundError, match="not one of this store"):
            named.at(foreign)
    acme = VersionedStore(RequestContext(user="ada", tenant="acme"), store=named.store.for_tenant("acme"))
    with pytest.raises(InvalidIdError):
        named.at(acme.save("alpha", {"x": 1}))


def test_a_view_answers_for_its_own_tenant_only(named: VersionedStore) -> None:
    named.save("alpha", {"x": 1})
    view, record = named.store.at(1), RecordId("acme", ("workbench_drafts", "ada@example.com", "alpha"), "alpha")
    for crossing in (
        lambda: view.latest(record),
        lambda: view.version(record),
        lambda: view.records("acme"),
        lambda: view.newest("acme"),
        lambda: view.latest_all("acme"),
    ):
        with pytest.raises(InvalidIdError):
            crossing()


@pytest.mark.parametrize("part", [None, 5, b"a", ["a"], True])
def test_names_that_are_no_text_are_refused(part: Any, named: VersionedStore, folder: Path) -> None:
    for refused in (
        lambda: RecordId("default", ("things",), part),
        lambda: RecordId("default", (part,), "x"),
        lambda: RecordId(part, ("things",), "x"),
        lambda: Store.open(folder, tenant=part),
        lambda: named.save(part, {}),
    ):
        with pytest.raises(InvalidIdError):
            refused()


class Word(str):
    """A text that is not of the very type that readers ask for."""


@pytest.mark.parametrize("word", [None, 5, True, 1.5, [], ("a",), Word("a"), "\ud800"])
@pytest.mark.parametrize("medium", ["disk", "bucket"])
def test_what_no_reader_would_take_is_not_written(word: Any, medium: str, folder: Path) -> None:
    objects = MemoryObjects()

    def opened() -> Store:
        return Store.open(folder) if medium == "disk" else Store.on(ObjectBackend(objects, "x"))

    store, ctx = opened(), RequestContext(user="ada")
    named = VersionedStore(ctx, store=store)
    for call in (
        lambda: named.save("alpha", {"x": 1}, why=word),
        lambda: store.note(ctx, word, {"x": 1}),
        lambda: store._run_lease(word, "why", lambda state: {"name": "sync", "epoch": 1}),
        lambda: store._run_lease("ada", word, lambda state: {"name": "sync", "epoch": 1}),
        lambda: store._run_lease("ada", "why", lambda state: {"name": word, "epoch": 1}),
        lambda: store._run_lease("ada", "why", lambda state: {"name": "sync", "epoch": 1, "holder": {"who": word}}),
    ):
        with pytest.raises(InvalidContentError):
            call()
    named.save("alpha", {"x": 1})
    assert store.head() == 1
    assert opened().head() == 1


def test_a_path_that_some_medium_could_not_hold_is_refused_before_anything_is_saved(folder: Path) -> None:
    deep = RecordId("default", ("things", *(str(number) * 120 for number in range(6))), "x")
    shallow = RecordId("default", ("things", *(str(number) * 120 for number in range(5))), "x")
    bucket = ObjectBackend(MemoryObjects(), f"s3://bucket/{'folder/' * 60}")
    for store, record in ((Store.open(folder), deep), (Store.on(bucket), shallow)):
        assert store.latest(record) is None  # what an older store holds is read
        with pytest.raises(InvalidIdError, match="too long"), store.transaction(RequestContext(user="ada")) as tx:
            tx.save(record, {"x": 1})
        assert store.head() == 0


@pytest.mark.parametrize("kind", ["Journal", "JOURNAL"])
def test_a_folder_that_is_the_journals_where_case_makes_no_difference_is_refused(kind: str, folder: Path) -> None:
    with Store.open(folder) as store:
        with pytest.raises(InvalidIdError, match="journal"), store.transaction(RequestContext(user="ada")) as tx:
            tx.save(RecordId("default", (kind,), kind), {"x": 1})
        assert store.head() == 0


def test_a_closed_store_says_so(named: VersionedStore) -> None:
    named.save("alpha", {"x": 1})
    store = named.store
    history, everything = named.history("alpha"), store.latest_all("default")
    named.close()
    for call in (
        lambda: named.save("alpha", {"x": 2}),
        lambda: named.latest("alpha"),
        lambda: store.lease("sync", who="ada"),
        lambda: store.held(),
        lambda: store.compact(),
        lambda: store.rebuild_index(),
        lambda: store.write_derived("default", ("health", "x.json"), b""),
    ):
        with pytest.raises(UnknownOutcomeError, match="the store was closed"):
            call()
    for read in (
        lambda: store.at(1).latest(RecordId("default", ("workbench_drafts", "ada@example.com", "alpha"), "alpha")),
        lambda: next(history),
        lambda: next(everything),
        lambda: store.read_derived("default", ("health", "x.json")),
        lambda: store.for_tenant("other"),
    ):
        with pytest.raises(UsageError, match="the store was closed"):
            read()


def test_a_derived_file_among_records_has_one_name(named: VersionedStore) -> None:
    for name in ("x", "notes.txt", "a--2026-01-01T00-00-00Z--01234567.json"):
        with pytest.raises(InvalidIdError):
            named.store.write_derived("default", ("providers", "x", name), b"")


def test_network_file_systems_are_recognised(tmp_path: Path) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda / ext4 rw 0 0\nhost:/x /mnt/share\\040one nfs4 rw 0 0\n")
    assert network_file_system(Path("/mnt/share one/store"), mounts) == "nfs4"
    assert network_file_system(Path("/home/ada"), mounts) is None
    assert network_file_system(Path("/home/ada"), tmp_path / "absent") is None
