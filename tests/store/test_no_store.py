"""What is no store is called so, and not a damaged one, whose files people should move elsewhere."""

from __future__ import annotations

import errno
import inspect
import shutil
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from sheetsync.cli.app import run
from sheetsync.domain.context import RequestContext
from sheetsync.errors import DestinationError, NotFoundError, StoreDamagedError
from sheetsync.store import Store, VersionedStore, copy_store, fsck
from sheetsync.store.fsck import scan
from sheetsync.store.objects import MemoryObjects, ObjectBackend
from sheetsync.store.posix import PosixFileSystem

CTX = RequestContext(user="ada")
LOOKS = (("fsck",), ("fsck", "--repair"), ("store", "copy", "../copy"), ("status",), ("log",))


@pytest.fixture
def above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a store in it, and a few other things."""
    above = tmp_path / "above"
    (above / "photos" / "2024").mkdir(parents=True)
    (above / "photos" / "2024" / "a.jpg").write_bytes(b"x")
    monkeypatch.chdir(above)
    with VersionedStore(CTX, url="store") as named:
        named.save("alpha", {"n": 1})
    return above


def files(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


@pytest.mark.parametrize("place", [".", "photos", "store/default"])
@pytest.mark.parametrize("look", LOOKS, ids=" ".join)
def test_a_folder_that_is_no_store_is_called_so(
    above: Path, place: str, look: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(above.parent)
    assert run(("--store", place, *look)) == 2
    assert f"there is no store at '{above / place}'" in capsys.readouterr().err
    assert files(above.parent) == before


@pytest.mark.parametrize("left", ["journal", ".store", "workbench_drafts"])
def test_what_lost_its_format_is_damaged_and_gets_no_other(above: Path, left: str) -> None:
    store = above / "store"
    (store / "FORMAT").unlink()
    for other in {"journal", ".store", "workbench_drafts"} - {left}:
        shutil.rmtree(store / "default" / other)
    before = files(above.parent)
    assert "format" in {finding.code for finding in fsck("store").findings}
    for act in (lambda: copy_store("store", "../copy"), partial(Store.open, "store", create=False)):
        with pytest.raises(StoreDamagedError, match="FORMAT is missing"):
            act()
    assert run(("--store", "store", "import", str(above / "photos"))) == 9
    assert files(above.parent) == before


def test_a_tenant_that_cannot_be_read_is_one(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def kind(disk: PosixFileSystem, path: str) -> str | None:
        if path.startswith("default/"):
            raise PermissionError(errno.EACCES, "Permission denied", path)
        return asked(disk, path)

    asked = PosixFileSystem.kind
    (above / "store" / "FORMAT").unlink()
    monkeypatch.setattr(PosixFileSystem, "kind", kind)
    assert {"format", "unreadable"} <= {finding.code for finding in fsck("store").findings}
    with pytest.raises(DestinationError, match="no permission"):
        Store.open("store")
    assert not (above / "store" / "FORMAT").exists()


def copied_one_level_too_high(store: Path) -> None:
    shutil.copytree(store / "default" / "journal", store / "journal")


def among_very_many_others(store: Path) -> None:
    shutil.rmtree(store / "default" / ".store")
    for number in range(1500):
        (store / "default" / f"a{number}").write_bytes(b"")


def with_another_store_in_it(store: Path) -> None:
    shutil.rmtree(store / "default" / ".store")
    Store.open(store / "default").close()


@pytest.mark.parametrize("also", [copied_one_level_too_high, among_very_many_others, with_another_store_in_it])
def test_nor_where_other_things_are_there(above: Path, also: Callable[[Path], None]) -> None:
    also(above / "store")
    (above / "store" / "FORMAT").unlink()
    for create in (True, False):
        with pytest.raises(StoreDamagedError, match="FORMAT is missing"):
            Store.open("store", create=create)
    assert not (above / "store" / "FORMAT").exists()


def a_file_journal(at: Path) -> None:
    (at / "journal").write_bytes(b"")


def a_link_journal(at: Path) -> None:
    (at / "journal").symlink_to("elsewhere")


def packages(at: Path) -> None:
    (at / "node_modules" / ".store" / "left-pad").mkdir(parents=True)


def a_backup(at: Path) -> None:
    shutil.copytree(at.parent / "store" / "default", at / "backups" / "2026" / "default")


def a_whole_store(at: Path) -> None:
    shutil.copytree(at.parent / "store", at / "copies" / "store")


def one_snapshot(at: Path) -> None:
    (at / "export" / "github").mkdir(parents=True)
    (at / "export" / "github" / "github--2026-01-07T12-00-00Z--5041bf1f.json").write_bytes(b"{}")


def deep_folders(at: Path) -> None:
    at.joinpath("deep", *["a"] * 300).mkdir(parents=True)


@pytest.mark.parametrize(
    "plant", [a_file_journal, a_link_journal, packages, a_backup, a_whole_store, one_snapshot, deep_folders]
)
def test_where_other_things_are_a_store_may_be_made(above: Path, plant: Callable[[Path], None]) -> None:
    at = above / "new"
    at.mkdir()
    plant(at)
    with pytest.raises(NotFoundError):
        Store.open(at, create=False)
    with pytest.raises(NotFoundError):
        fsck(at)
    with VersionedStore(CTX, url=at) as named:
        named.save("alpha", {"n": 1})
    assert (at / "FORMAT").exists()


OTHERS = ("mine/store/FORMAT", "mine/store/default/journal/0000000001.jsonl", "photos/a.jpg", "readme")
SNAPSHOT = "components/a/a--2026-01-07T12-00-00Z--5041bf1f.json"


def a_bucket(*keys: str) -> ObjectBackend:
    objects = MemoryObjects()
    for key in keys:
        objects.put_new(key, b"x")
    return ObjectBackend(objects, "memory://x")


@pytest.mark.parametrize(
    "more",
    [
        (),
        (f"mine/store/default/{SNAPSHOT}", f"mine/store/0/{SNAPSHOT}"),
        ("journal/0000000001.jsonl", SNAPSHOT, ".store/checkpoint.json"),  # one folder too deep
    ],
)
def test_nor_is_a_bucket_with_other_things_a_damaged_store(more: tuple[str, ...]) -> None:
    with pytest.raises(NotFoundError):
        scan(a_bucket(*OTHERS, *more))
    with pytest.raises(NotFoundError):
        Store.on(a_bucket(*OTHERS, *more), create=False)


@pytest.mark.parametrize(
    "key", ["default/.store/checkpoint.json", "default/journal/0000000002.jsonl", f"default/{SNAPSHOT}"]
)
def test_but_one_that_lost_its_format_is(key: str) -> None:
    _, scans = scan(a_bucket(*OTHERS, key))
    assert "format" in {finding.code for finding in scans[0].findings}
    with pytest.raises(StoreDamagedError, match="FORMAT is missing"):
        Store.on(a_bucket(*OTHERS, key))


def test_a_path_of_many_parts(tmp_path: Path) -> None:
    limit, parts = sys.getrecursionlimit(), 500
    deep, copy = (tmp_path.joinpath(*[letter] * parts) for letter in "ab")
    sys.setrecursionlimit(len(inspect.stack(0)) + parts // 2)
    try:
        with VersionedStore(CTX, url=deep) as named:
            named.save("alpha", {"n": 1})
        assert fsck(deep).exit_code == 0
        assert copy_store(deep, copy).commits == 1
    finally:
        sys.setrecursionlimit(limit)


def a_dangling_link(at: Path) -> None:
    at.symlink_to("nowhere")


def a_file(at: Path) -> None:
    at.write_bytes(b"")


@pytest.mark.parametrize(
    ("plant", "told"), [(a_dangling_link, "a link that leads nowhere"), (a_file, "a file, not a folder")]
)
def test_what_stands_at_the_address_is_named(tmp_path: Path, plant: Callable[[Path], None], told: str) -> None:
    plant(tmp_path / "store")
    for act in (Store.open, fsck):
        with pytest.raises(DestinationError, match=f"is {told}"):
            act(tmp_path / "store")


def test_where_no_folder_can_be_made_is_told(above: Path) -> None:
    with pytest.raises(DestinationError, match="cannot be made"):
        copy_store("store", "/proc/no-such-place")


def test_a_store_that_is_not_open_to_us_is_not_said_to_be_made(above: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def exists(path: Path) -> bool:
        if path.name == "FORMAT":
            raise PermissionError(errno.EACCES, "Permission denied", str(path))
        return asked(path)

    asked = Path.exists
    monkeypatch.setattr(Path, "exists", exists)
    with pytest.raises(DestinationError, match="cannot open the store"):
        Store.open("store", create=False)
