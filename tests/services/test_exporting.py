"""Exports: fresh folders, plain names, sources byte for byte, and the way out and in again."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.context import RequestContext
from sheetsync.errors import DestinationError, NotFoundError, UsageError
from sheetsync.services.exporting import export_island, export_tsv
from sheetsync.services.importing import import_paths
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store

Library = Callable[[dict[str, Any]], Path]
Schema = Callable[..., dict[str, Any]]
STAMP = re.compile(r"--|\d{4}-\d\d-\d\dT")
MODULE = "// kept as it is\r\nexport const main = { namespace: 'tides', name: 'T', version: '4.0.0', tools: {} }\n"


def files_of(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def filled(ws: Workspace, library: Library, schema: Schema) -> dict[str, bytes]:
    """A workspace with a provider of several forms and a selection; the provider's sources."""
    tree = {
        "tides": {
            "core.json": json.dumps(schema("tides", "list", skills={"in": {"content": "x"}}), indent=3),
            "--more.mjs": MODULE,
            "skills/loose.md": "# loose\n",
            "resources/about/about.md": "# about\n",
        },
        "trip": {"selection.json": {"selectionId": "trip", "members": ["tides/core"]}},
    }
    root = library(tree)
    report = import_paths(ws, [root])
    assert report.problems == []
    found = files_of(root / "tides")
    found["more.mjs"] = found.pop("--more.mjs")
    return found


def test_an_export_is_the_index_alone(ws: Workspace, filled: dict[str, bytes], tmp_path: Path) -> None:
    report = export_island(ws, "tides", tmp_path / "out")
    assert list(files_of(tmp_path / "out")) == ["tides/index.json"]
    assert report.to_json() == {"ok": True, "files": [str(tmp_path / "out" / "tides" / "index.json")]}
    index = json.loads((tmp_path / "out" / "tides" / "index.json").read_bytes())
    assert index["schemas"]["core"]["snapshot"]["file"].startswith("core--")


def test_sources_go_out_byte_for_byte_under_plain_names(
    ws: Workspace, filled: dict[str, bytes], tmp_path: Path
) -> None:
    export_island(ws, "tides", tmp_path / "out", sources=True)
    written = files_of(tmp_path / "out" / "tides")
    written.pop("index.json")
    assert written == filled
    assert not [name for name in written if STAMP.search(name)]


def test_a_selection_goes_out_with_its_source(ws: Workspace, filled: dict[str, bytes], tmp_path: Path) -> None:
    export_island(ws, "trip", tmp_path / "out", sources=True)
    assert list(files_of(tmp_path / "out")) == ["trip/index.json", "trip/selection.json"]


def test_out_and_in_elsewhere_and_out_again_gives_the_same_sources(
    ws: Workspace, filled: dict[str, bytes], tmp_path: Path
) -> None:
    export_island(ws, None, tmp_path / "one", sources=True)
    with Store.open(tmp_path / "elsewhere") as store:
        other = Workspace(store, RequestContext(user="zoe"))
        report = import_paths(other, [tmp_path / "one"])
        assert (report.problems, sorted(report.created)) == ([], ["tides", "trip"])
        export_island(other, None, tmp_path / "two", sources=True)
    one, two = files_of(tmp_path / "one"), files_of(tmp_path / "two")
    for files in (one, two):
        for name in [name for name in files if name.endswith("index.json")]:
            files.pop(name)
    assert one == two
    assert sorted(one) == sorted(["selections/trip/selection.json", *(f"providers/tides/{name}" for name in filled)])


@pytest.mark.shared
def test_all_shared_connectors_go_out_as_they_came(ws: Workspace, shared: Path, tmp_path: Path) -> None:
    import_paths(ws, [shared / "connectors"])
    export_island(ws, None, tmp_path / "out", sources=True)
    came = {name: data for name, data in files_of(shared / "connectors").items() if name != "README.md"}
    went = {
        name: data
        for name, data in files_of(tmp_path / "out" / "providers").items()
        if not name.endswith("/index.json")
    }
    assert went == came


def test_only_the_newest_sources_of_now_go_out(
    ws: Workspace, filled: dict[str, bytes], library: Library, schema: Schema, tmp_path: Path
) -> None:
    import_paths(ws, [library({"tides": {"other.json": schema("tides", "x")}})])
    export_island(ws, "tides", tmp_path / "out", sources=True)
    assert sorted(files_of(tmp_path / "out" / "tides")) == ["index.json", "other.json"]


@pytest.mark.parametrize("made", ["folder", "file", "link"])
def test_a_destination_that_exists_is_refused_and_left_alone(
    ws: Workspace, filled: dict[str, bytes], tmp_path: Path, made: str
) -> None:
    out = tmp_path / "out"
    if made == "folder":
        out.mkdir()
    elif made == "file":
        out.write_text("mine")
    else:
        out.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DestinationError):
        export_island(ws, "tides", out)
    with pytest.raises(DestinationError):
        export_tsv(ws, out)
    assert not out.is_dir() or not list(out.iterdir())
    assert not (tmp_path / "nowhere").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_a_destination_that_cannot_be_made_is_an_error_that_leaves_nothing(
    ws: Workspace, filled: dict[str, bytes], tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(DestinationError):
        export_island(ws, "tides", tmp_path / "file" / "out")
    assert (tmp_path / "file").read_text() == "mine"


def test_an_unknown_or_partial_id_is_refused_before_anything_is_written(
    ws: Workspace, filled: dict[str, bytes], tmp_path: Path
) -> None:
    with pytest.raises(NotFoundError):
        export_island(ws, "tide", tmp_path / "out")
    with pytest.raises(UsageError):
        export_island(ws, "tides/core", tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_an_empty_island_has_nothing_to_export(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        export_island(ws, None, tmp_path / "out")


def test_the_three_tables_go_into_a_fresh_folder(ws: Workspace, tmp_path: Path) -> None:
    report = export_tsv(ws, tmp_path / "out")
    assert sorted(files_of(tmp_path / "out")) == ["connector_registry.tsv", "coverage_report.tsv", "policy_matrix.tsv"]
    assert len(report.files) == 3
