"""What is no address is told so wherever one is taken, and makes no folder."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.cli.app import run
from sheetsync.domain.context import RequestContext
from sheetsync.errors import SheetSyncError
from sheetsync.settings.address import parse_store
from sheetsync.settings.keys import path as a_path
from sheetsync.store import Store, VersionedStore, copy_store, fsck

CTX = RequestContext(user="ada")
NOBODY = "~no-such-user-at-all/store"


@pytest.mark.parametrize("address", [None, 3, b"store", ["store"], "file://host/store", "file://store", NOBODY])
@pytest.mark.parametrize("act", [Store.open, fsck, lambda address: copy_store(address, "copy")])
def test_what_is_no_address_is_refused_and_makes_nothing(
    act: Callable[[Any], object], address: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SheetSyncError, match=r"address|leads nowhere"):
        act(address)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("address", [None, 3, b"copy", "file://host/copy", NOBODY])
def test_nor_is_a_store_copied_there(address: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with VersionedStore(CTX, url="store") as named:
        named.save("alpha", {"n": 1})
    with pytest.raises(SheetSyncError, match=r"address|leads nowhere"):
        copy_store("store", address)
    assert [path.name for path in tmp_path.iterdir()] == ["store"]


def test_a_home_that_nobody_has_is_told_in_the_configuration_too(tmp_path: Path) -> None:
    for parse in (lambda text: parse_store(text, tmp_path), a_path):
        with pytest.raises(ValueError, match="leads nowhere"):
            parse(NOBODY)


@pytest.mark.parametrize("option", ["--store", "--config"])
def test_and_on_the_command_line(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run((option, NOBODY, "log")) == 2
    said = capsys.readouterr().err
    assert "leads nowhere" in said
    assert "unexpected" not in said


def test_a_lease_is_given_back_though_its_file_s_close_fails(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(descriptor: int) -> None:
        real(descriptor)
        raise OSError(errno.EIO, "Input/output error")

    real = os.close
    with Store.open(folder) as store:
        lease = store.lease("sync", who="ada")
        with monkeypatch.context() as patched:
            patched.setattr(os, "close", failing)
            lease.release()
        with store.lease("sync", who="bob") as another:
            assert not another.released
