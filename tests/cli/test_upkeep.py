"""Looking after a store when the configuration is wrong: nobody is kept from the store, its locks and its damage."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.store import Store
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


def test_all_other_commands_refuse_a_wrong_configuration(broken: Path, sheetsync: Callable[..., Ran]) -> None:
    (broken / "config" / "sheetsync.toml").write_text(BROKEN["an unknown key"])
    for words in (("status",), ("push",), ("log",)):
        assert sheetsync(*words).code == 2


def test_the_tenant_of_a_wrong_configuration_counts(broken: Path, sheetsync: Callable[..., Ran]) -> None:
    (broken / "config" / "sheetsync.toml").write_text(f'tenant = "acme"\n{BROKEN["a wrong value"]}')
    with Store.open(broken / "elsewhere", tenant="acme") as store, store.lease("sync", who=RequestContext().user):
        assert len(sheetsync("lock", "show", "--json").json()["locks"]) == 1
    assert sheetsync("--tenant", "other", "lock", "show", "--json").json() == {"locks": []}
