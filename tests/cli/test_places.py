"""Which store a command acts on: never another one by mistake, never one that was made by looking, never a secret."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from sheetsync.cli.demo import DATA
from sheetsync.store import Store
from sheetsync.store.media import open_backend
from tests.cli.conftest import Ran

Run = Callable[..., Ran]
SERIAL: Final = itertools.count()
LOOKING_AFTER: Final = [
    ("fsck",), ("fsck", "--repair"), ("store", "copy", "copied"), ("store", "compact"), ("lock", "show"),
    ("lock", "break", "sync"),
]  # fmt: skip
READING: Final = [
    ("status",), ("log",), ("log", "github"), ("diff",), ("card", "github"), ("draft", "list"),
    ("draft", "show", "draft_000000000000"), ("restore", "github"), ("fsck",), ("fsck", "--repair"), ("lock", "show"),
    ("lock", "break", "sync"), ("store", "compact"), ("store", "copy", "copied"), ("index", "rebuild"),
    ("export", "--tsv", "--out", "out"), ("verify", "draft_000000000000"), ("publish", "draft_000000000000"),
    ("doctor",), ("pull",), ("push",), ("sync",), ("grade", "veto", "x", "--reason", "y"), ("retire", "github"),
]  # fmt: skip
SECRETS: Final = [
    "s3://AKIA:SECRETPW@store/x", "s3://SECRETPW@store/x", "s3://AKIA:SECRETPW/a@store/x", "az://c?sig=SECRETPW",
    "ftp://u:SECRETPW@h/x", "foo://u:SECRETPW@store/x", "s3://u:SECRETPW@[::1/x",
]  # fmt: skip
WHERE_NEEDED: Final = [*LOOKING_AFTER, ("status",), ("log",), ("config", "show"), ("doctor",), ("draft", "list")]


@pytest.fixture
def workspace(tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace with a sound store in its default place, and the working directory in it."""
    folder = tmp_path / "work"
    assert sheetsync("init", str(folder)).code == 0
    monkeypatch.chdir(folder)
    return folder


def files_below(folder: Path) -> list[Path]:
    return sorted(folder.rglob("*"))


@pytest.mark.parametrize("words", LOOKING_AFTER, ids=" ".join)
@pytest.mark.parametrize(
    ("name", "value"),
    [("SHEETSYNC_STORE", "s3x://prod/store"), ("SHEETSYNC_STOR", "s3://prod/store"), ("SHEETSYNC_TENANT", "A B")],
)
def test_a_mistake_in_the_stores_address_never_leads_to_another_store(
    workspace: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], name: str, value: str
) -> None:
    before = files_below(workspace)
    monkeypatch.setenv(name, value)
    ran = sheetsync("--json", *words)
    assert (ran.code, ran.json()["error"]["code"]) == (2, "config")
    assert "name it on the command line: --" in ran.json()["error"]["hint"]
    assert name in ran.json()["error"]["message"]
    assert files_below(workspace) == before


def test_a_store_that_is_named_is_looked_after_whatever_the_configuration_says(
    workspace: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHEETSYNC_STORE", "s3x://prod/store")
    assert sheetsync("--store", str(workspace / "store"), "fsck", "--json").json()["ok"] is True
    monkeypatch.setenv("SHEETSYNC_TENANT", "acme")
    with Store.open(workspace / "store", tenant="acme") as store, store.lease("sync", who="ada"):
        shown = sheetsync("--store", "store", "lock", "show", "--json")
    assert [one["who"] for one in shown.json()["locks"]] == ["ada"]  # the tenant is that of every other command


@pytest.mark.parametrize("words", READING, ids=" ".join)
@pytest.mark.parametrize("place", ["missing/store", "there"])
def test_looking_at_a_mistyped_folder_makes_no_store(
    tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], place: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "letter.txt").write_text("dear")
    before = files_below(tmp_path)
    ran = sheetsync("--store", place, "--json", *words)
    if words != ("doctor",):
        assert (ran.code, ran.json()["error"]["code"]) == (2, "not_found")
    assert [path for path in files_below(tmp_path) if path.name != "local-sheets.db"] == before


@pytest.fixture
def bucket() -> Iterator[str]:
    """The address of an empty bucket, in memory."""
    return iter([f"memory://places{next(SERIAL)}"])


@pytest.mark.parametrize("words", READING, ids=" ".join)
def test_looking_at_a_mistyped_prefix_makes_no_store(
    tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, bucket: Iterator[str], words: tuple[str, ...]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = next(bucket)
    ran = sheetsync("--store", url, "--json", *words)
    if words != ("doctor",):
        assert (ran.code, ran.json()["error"]["code"]) == (2, "not_found")
    assert open_backend(url, tell=print).read_format() is None


def test_what_brings_something_in_makes_the_store(
    tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, bucket: Iterator[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = next(bucket)
    for place in (url, "new/store"):
        assert sheetsync("--store", place, "import", str(DATA / "providers" / "github")).code == 0
        assert len(sheetsync("--store", place, "draft", "list", "--json").json()["drafts"]) == 1
    spec = tmp_path / "spec.json"
    spec.write_text('{"id":"x","version":"1.0.0","name":"X","scopes":[{"name":"a"}],"engine_routes":[]}')
    assert sheetsync("--store", "newer", "draft", "new", "x", "--spec", str(spec)).code == 0


def test_what_an_import_would_do_is_said_without_a_store(
    tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, bucket: Iterator[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    url = next(bucket)
    for place in (url, "new/store"):
        ran = sheetsync("--store", place, "--json", "import", "--check", str(DATA / "providers" / "github"))
        assert (ran.code, ran.json()["created"]) == (0, ["github"])
    assert open_backend(url, tell=print).read_format() is None
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("words", WHERE_NEEDED, ids=" ".join)
@pytest.mark.parametrize("url", SECRETS)
def test_no_command_says_a_secret_of_an_address(
    workspace: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], url: str
) -> None:
    for talk in ((), ("--json",), ("--debug",)):
        ran = sheetsync("--store", url, *talk, *words)
        assert ran.code == 2
        assert "SECRETPW" not in ran.out + ran.err
    monkeypatch.setenv("SHEETSYNC_STORE", url)
    for talk in ((), ("--json",), ("--debug",)):
        ran = sheetsync(*talk, *words)
        assert ran.code == 2
        assert "SECRETPW" not in ran.out + ran.err


@pytest.mark.parametrize("url", SECRETS)
def test_a_copys_destination_is_an_address_like_every_other(workspace: Path, sheetsync: Run, url: str) -> None:
    for talk in ((), ("--json",), ("--debug",)):
        ran = sheetsync(*talk, "store", "copy", url)
        assert ran.code == 2
        assert "SECRETPW" not in ran.out + ran.err
        assert "[redacted]" not in ran.out + ran.err  # nothing of what we say is taken for a secret


def test_a_current_folder_that_was_deleted_is_told(
    tmp_path: Path, sheetsync: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    ran = sheetsync("log")
    assert (ran.code, ran.out) == (2, "")
    assert ran.err == "error: the current folder is gone\nhint: change to one that is there: cd\n"
