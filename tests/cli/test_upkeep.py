"""Looking after a store when the configuration is wrong: nobody is kept from the store, its locks and its damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext, login_name
from sheetsync.errors import AuthError
from sheetsync.store import Store, VersionedStore, media
from sheetsync.store.object_port import MemoryObjects
from tests.cli.conftest import Ran

BROKEN = {
    "no TOML": 'store = "elsewhere"\n[sheets\n',
    "an unknown key": 'store = "elsewhere"\nbogus = 1\n',
    "a wrong value": 'store = "elsewhere"\n[pull]\nsettle_seconds = "soon"\n',
}


@pytest.fixture
def broken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A workspace whose store is not where it is by default."""
    (tmp_path / "config").mkdir()
    monkeypatch.chdir(tmp_path)
    Store.open(tmp_path / "elsewhere").close()
    return tmp_path


@pytest.mark.parametrize("what", BROKEN)
def test_a_lock_is_shown_and_broken_without_a_valid_configuration(
    broken: Path, sheetsync: Callable[..., Ran], what: str
) -> None:
    (broken / "config" / "sheetsync.toml").write_text(BROKEN[what])
    with Store.open(broken / "elsewhere") as store, store.lease("sync", who="ada"):
        shown = sheetsync("lock", "show", "--json")
        assert shown.code == 0
        assert shown.err.startswith("warning: config/sheetsync.toml:")
        (held,) = shown.json()["locks"]
        assert held["who"] == "ada"
        assert {"host", "pid", "age_s"} <= held.keys()
        gone = sheetsync("lock", "break", "sync", "--json")
        assert (gone.code, gone.json()["broken"]["who"]) == (0, "ada")
        assert sheetsync("lock", "show", "--json").json() == {"locks": []}
    assert sheetsync("fsck").code == 0


def test_who_breaks_a_lock_by_a_wrong_name_is_told_which_are_held(broken: Path, sheetsync: Callable[..., Ran]) -> None:
    words = ("--store", str(broken / "elsewhere"), "lock", "break", "sync")
    assert sheetsync(*words).out == "nobody holds sync\n"
    with Store.open(broken / "elsewhere") as store, store.lease("sync-b8ed29697cd6", who="ada"):
        ran = sheetsync(*words)
        assert (ran.code, ran.out) == (0, "nobody holds sync; held are: sync-b8ed29697cd6\n")
        assert sheetsync(*words, "--json").json() == {"ok": True, "broken": None}
        assert [lease.name for lease in store.held()] == ["sync-b8ed29697cd6"]


def test_all_other_commands_refuse_a_wrong_configuration(broken: Path, sheetsync: Callable[..., Ran]) -> None:
    (broken / "config" / "sheetsync.toml").write_text(BROKEN["an unknown key"])
    for words in (("status",), ("push",), ("log",)):
        assert sheetsync(*words).code == 2


def test_the_tenant_of_a_wrong_configuration_counts(broken: Path, sheetsync: Callable[..., Ran]) -> None:
    (broken / "config" / "sheetsync.toml").write_text(f'tenant = "acme"\n{BROKEN["a wrong value"]}')
    with Store.open(broken / "elsewhere", tenant="acme") as store, store.lease("sync", who=RequestContext().user):
        assert len(sheetsync("lock", "show", "--json").json()["locks"]) == 1
    assert sheetsync("--tenant", "other", "lock", "show", "--json").json() == {"locks": []}


class ReadOnly(MemoryObjects):
    """A bucket that may be read, and from a moment on no longer written."""

    sealed = False

    def put(self, key: str, data: bytes) -> None:
        if self.sealed:
            raise AuthError("the bucket did not take it: we are not allowed to")
        super().put(key, data)

    def put_new(self, key: str, data: bytes) -> None:
        if self.sealed:
            raise AuthError("the bucket did not take it: we are not allowed to")
        super().put_new(key, data)


def test_a_repair_without_the_right_to_write_prints_its_whole_report(sheetsync: Callable[..., Ran]) -> None:
    objects = media._MEMORY.setdefault("readonly", ReadOnly())
    assert isinstance(objects, ReadOnly)
    with VersionedStore(RequestContext(user="ada"), url="memory://readonly") as named:
        snapshots = [named.save(name, {"x": 1}) for name in ("a", "b")]
    for snapshot in snapshots:
        objects._objects[f"default/{snapshot.path}"] = b"damaged"
    objects.sealed = True
    told = sheetsync("--store", "memory://readonly", "fsck", "--repair")
    assert (told.code, told.err) == (9, "")
    assert told.out.count("damage  changed") == 2
    assert "we are not allowed to" in told.out
    assert told.out.splitlines()[-1] == "the store is damaged"
    value = sheetsync("--store", "memory://readonly", "fsck", "--repair", "--json").json()
    assert (value["ok"], value["error"]["exit_code"], value["repaired"]) == (False, 9, 0)
    assert {finding["path"] for finding in value["findings"]} == {snapshot.path for snapshot in snapshots}


@pytest.mark.parametrize(
    ("words", "variable", "who"),
    [(["--user", "ana"], None, "ana"), ([], "bob@example.com", "bob@example.com"), (["--user", "a b"], None, None)],
)
def test_who_broke_a_lock_is_in_the_journal_and_a_wrong_name_keeps_nobody_from_it(
    words: list[str],
    variable: str | None,
    who: str | None,
    tmp_path: Path,
    sheetsync: Callable[..., Ran],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if variable is not None:
        monkeypatch.setenv("SHEETSYNC_USER", variable)
    with Store.open(tmp_path / "store") as store, store.lease("sync", who="ada"):
        ran = sheetsync("--json", "--store", str(tmp_path / "store"), *words, "lock", "break", "sync")
        assert ran.code == 0
        assert ran.json()["broken"]["who"] == "ada"
        assert store.commit(1).who == (who or login_name())


def test_a_log_of_any_number_of_entries_can_be_asked_for(tmp_path: Path, sheetsync: Callable[..., Ran]) -> None:
    VersionedStore(RequestContext(user="ada"), url=tmp_path / "store").save("alpha", {"n": 1})
    ran = sheetsync("--json", "--store", str(tmp_path / "store"), "log", "-n", "9" * 20)
    assert (ran.code, len(ran.json()["log"])) == (0, 1)
