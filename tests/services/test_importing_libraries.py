"""Which library a provider came from: only what this library brought can be gone from it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.services.importing import import_paths
from sheetsync.services.workspace import Workspace

Library = Callable[[dict[str, Any]], Path]
Schema = Callable[..., dict[str, Any]]


def test_what_another_library_brought_is_not_gone_from_this_one(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    one = library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    import_paths(ws, [one])
    other = tmp_path / "other"
    for name in ("b", "c"):
        (other / name).mkdir(parents=True)
        (other / name / f"{name}.json").write_text(json.dumps(schema(name, "x")))
    assert import_paths(ws, [other]).vanished == []
    shutil.rmtree(other / "c")
    assert import_paths(ws, [other]).vanished == ["c"]
    shutil.rmtree(one / "tides")
    report = import_paths(ws, [one])
    assert (report.vanished, report.findings[-1].tab) == (["tides"], "tides")
    assert "library" in report.findings[-1].message
    assert import_paths(ws, [one, other]).vanished == ["c", "tides"]


@pytest.mark.parametrize("brought", ["all", "one", "star", "group"])
def test_a_provider_is_of_the_library_it_stood_in_however_it_was_named(
    ws: Workspace, library: Library, schema: Schema, brought: str
) -> None:
    root = library({"more/tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    paths = {"all": [root], "one": [root / "more/tides"], "star": [root / "a", root / "more"], "group": [root / "more"]}
    import_paths(ws, paths[brought])
    shutil.rmtree(root / "more")
    assert import_paths(ws, [root]).vanished == ["tides"]


def test_a_library_is_known_by_its_name_in_another_place(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    import_paths(ws, [root])
    shutil.copytree(root / "a", tmp_path / "again" / root.name / "a")
    assert import_paths(ws, [tmp_path / "again" / root.name]).vanished == ["tides"]


def test_where_a_provider_came_from_makes_no_snapshot_and_no_difference(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    import_paths(ws, [root])
    head, index = ws.store.head(), tmp_path / "store" / "default" / "providers" / "tides" / "index.json"
    before = index.read_bytes()
    shutil.copytree(root, tmp_path / "elsewhere")
    report = import_paths(ws, [tmp_path / "elsewhere"])
    assert (report.skipped, ws.store.head(), index.read_bytes()) == (["tides"], head, before)
    assert ws.store.commit(head).details["import"]["library"] == str(root)


def test_a_copy_of_a_library_under_another_name_is_that_library(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    import_paths(ws, [root])
    shutil.copytree(root / "a", tmp_path / "library-v2" / "a")
    assert import_paths(ws, [tmp_path / "library-v2"]).vanished == ["tides"]
