"""Every kind of bad input is a problem that names its place; the rest is imported, and nothing is half written."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sheetsync.errors import ConfigError, NotFoundError, UsageError
from sheetsync.island.scan import MAX_FILE_BYTES
from sheetsync.island.validator import Validator
from sheetsync.services.importing import ImportReport, import_paths
from sheetsync.services.workspace import Workspace

Library = Callable[[dict[str, Any]], Path]
Schema = Callable[..., dict[str, Any]]
DEEP = 10_000


def refused(ws: Workspace, root: Path) -> ImportReport:
    """An import in which `good` is imported and nothing of `bad` is written."""
    report = import_paths(ws, [root])
    assert report.exit_code == 3
    assert report.created == ["good"]
    assert json.dumps(report.to_json(), ensure_ascii=False).encode("utf-8")
    assert [line.connector_id for line in ws.catalogue().lines()] == ["good"]
    assert {record.folder[1] for record in ws.store.records("default", ("providers",))} == {"good"}
    return report


def module(body: str) -> str:
    return f"export const main = {{ namespace: 'bad', name: 'B', version: '4.0.0', tools: {{}}, x: {body} }}\n"


def bad_files(schema: Schema) -> dict[str, tuple[str, dict[str, Any]]]:
    """name → (the problem's code, the files of the folder `bad`)."""
    fine = schema("bad", "run")
    tool = {"method": "GET", "path": "/", "description": "d"}
    return {
        "two namespaces": ("two_namespaces", {"a.json": fine, "b.json": schema("other", "run")}),
        "a folder named otherwise": ("folder_name", {"a.json": schema("other", "run")}),
        "not UTF-8": ("not_utf8", {"a.json": b'{"namespace": "b\xff"}'}),
        "a module that is not UTF-8": ("not_utf8", {"a.mjs": b"export const main = { a: '\xff' }"}),
        "a large file": ("too_large", {"a.json": b" " * 20_000_000}),
        "a deep file": ("too_deep", {"a.json": b"[" * DEEP + b"]" * DEEP}),
        "a deep module": ("too_deep", {"a.mjs": module("[" * DEEP + "]" * DEEP)}),
        "__proto__": ("proto_key", {"a.json": '{"__proto__": {}}'}),
        "__proto__ in a module": ("proto_key", {"a.mjs": module("{ __proto__: { a: 1 } }")}),
        "a doubled key": ("duplicate_key", {"a.json": '{"namespace": "bad", "namespace": "bad"}'}),
        "a doubled key in a module": ("duplicate_key", {"a.mjs": module("{ a: 1, a: 2 }")}),
        "a getter": ("accessor", {"a.mjs": module("{ get a() { return 1 } }")}),
        "a computed key": ("computed_key", {"a.mjs": module("{ [ 'a' ]: 1 }")}),
        "a call": ("not_constant", {"a.mjs": module("fetch( 'https://x.example' )")}),
        "a side effect": ("side_effect", {"a.mjs": module("1") + "main.tools.evil = {}\n"}),
        "no JavaScript": ("syntax", {"a.mjs": "export const main = {"}),
        "no JSON": ("syntax", {"a.json": "{"}),
        "no data export": ("no_export", {"a.mjs": "export const other = {}"}),
        "two tools that differ only in case": ("same_but_case", {"a.json": schema("bad", "run", "Run")}),
        "two files that differ only in case": ("same_but_case", {"a.json": fine, "A.json": schema("bad", "x")}),
        "two files that are one schema": ("same_name", {"a.json": fine, "a.mjs": module("1")}),
        "dashes inside a file's name": ("bad_name", {"a--b.json": fine}),
        "dashes inside a tool's name": ("bad_tool_name", {"a.json": schema("bad", "run--fast")}),
        "a device's name": ("bad_name", {"con.json": fine}),
        "a name that the island uses": ("bad_name", {"manifest.json": fine}),
        "an impossible tool": ("bad_tool_name", {"a.json": schema("bad", "rm -rf /")}),
        "no namespace": ("bad_namespace", {"a.json": {key: fine[key] for key in fine if key != "namespace"}}),
        "a bad namespace": ("bad_namespace", {"a.json": schema("../../etc", "run")}),
        "no name": ("bad_name", {"a.json": {**fine, "name": 7}}),
        "no version": ("bad_version", {"a.json": {**fine, "version": None}}),
        "no tools": ("bad_tools", {"a.json": {**fine, "tools": []}}),
        "a tool without a method": ("bad_tool", {"a.json": {**fine, "tools": {"run": {**tool, "method": ""}}}}),
        "a tool without a path": ("bad_tool", {"a.json": {**fine, "tools": {"run": {**tool, "path": None}}}}),
        "a mute tool": ("bad_tool", {"a.json": {**fine, "tools": {"run": {**tool, "description": " "}}}}),
        "a tool that is none": ("bad_tool", {"a.json": {**fine, "tools": {"run": 1}}}),
        "a schema that is none": ("not_an_object", {"a.json": "[1]"}),
        "no schema": ("no_schema", {"b.mjs": "export const skill = { name: 'x', content: 'y' }"}),
        "a skill outside": ("outside", {"a.json": {**fine, "skills": {"x": {"file": "../../../etc/passwd"}}}}),
        "a skill without content": ("bad_skill", {"a.json": fine, "skills/x.json": '{"name": "x"}'}),
        "a schema beside a selection": ("mixed_folder", {"a.json": fine, "selection.json": {"members": ["good"]}}),
    }  # fmt: skip


ALONE = ("no schema", "a folder named otherwise")  # with a good file beside it, it would be something else
CASES = sorted(bad_files(lambda namespace, *tools, **more: {"namespace": namespace, **more}))


@pytest.mark.parametrize("case", CASES)
def test_a_bad_provider_is_refused_whole_and_the_rest_is_imported(
    ws: Workspace, library: Library, schema: Schema, case: str
) -> None:
    code, files = bad_files(schema)[case]
    files = {"ok.json": schema("bad", "fine"), **files} if case not in ALONE else files
    report = refused(ws, library({"good": {"good.json": schema("good", "run")}, "bad": files}))
    assert code in {problem.code for problem in report.problems}
    assert all(problem.tab.startswith("bad") and problem.message for problem in report.problems)


def test_a_problem_names_file_line_and_column(ws: Workspace, library: Library, schema: Schema) -> None:
    files = {"a.mjs": "export const main = {\n    name: run(),\n}\n"}
    (problem,) = refused(ws, library({"good": {"good.json": schema("good", "run")}, "bad": files})).problems
    assert (problem.tab, problem.cell) == ("bad/a.mjs", "2:11")


def test_an_empty_folder_is_a_problem(ws: Workspace, library: Library, schema: Schema) -> None:
    report = refused(ws, library({"good": {"good.json": schema("good", "run")}, "bad": {}}))
    assert [problem.code for problem in report.problems] == ["empty_folder"]


@pytest.mark.parametrize("target", ["outside.json", "bad/inside.json", "nowhere.json"])
def test_a_link_is_not_followed(ws: Workspace, library: Library, schema: Schema, tmp_path: Path, target: str) -> None:
    root = library(
        {
            "good": {"good.json": schema("good", "run")},
            "bad": {"ok.json": schema("bad", "x"), "inside.json": schema("bad", "y")},
        }
    )
    (tmp_path / "library" / "outside.json").unlink(missing_ok=True)
    (tmp_path / "outside.json").write_text('{"secret": true}')
    (root / "bad" / "link.json").symlink_to(tmp_path / "outside.json" if target == "outside.json" else root / target)
    report = refused(ws, root)
    assert [(problem.code, problem.tab) for problem in report.problems] == [("symlink", "bad/link.json")]


def test_a_link_to_a_folder_is_not_followed(ws: Workspace, library: Library, schema: Schema, tmp_path: Path) -> None:
    root = library({"good": {"good.json": schema("good", "run")}})
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "a.json").write_text("{}")
    (root / "bad").symlink_to(tmp_path / "elsewhere")
    assert [problem.code for problem in refused(ws, root).problems] == ["symlink"]


def test_a_link_below_a_provider_is_not_followed(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    root = library({"good": {"good.json": schema("good", "run")}, "bad": {"ok.json": schema("bad", "x")}})
    (root / "bad" / "skills").symlink_to(tmp_path)
    assert [problem.tab for problem in refused(ws, root).problems] == ["bad/skills"]


def test_what_is_no_file_is_a_problem(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"good": {"good.json": schema("good", "run")}, "bad": {"ok.json": schema("bad", "x")}})
    os.mkfifo(root / "bad" / "pipe.json")
    with socket.socket(socket.AF_UNIX) as listener:
        here = Path.cwd()
        os.chdir(root / "bad")  # a socket's path is short
        try:
            listener.bind("socket.mjs")
        finally:
            os.chdir(here)
        (root / "bad" / "folder.json").mkdir()
        report = refused(ws, root)
    found = {problem.tab: problem.code for problem in report.problems}
    assert found == {"bad/pipe.json": "not_a_file", "bad/socket.mjs": "unreadable", "bad/folder.json": "not_a_file"}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file: an unreadable one cannot be made")
def test_an_unreadable_file_half_way_is_a_problem(ws: Workspace, library: Library, schema: Schema) -> None:
    files = {"a.json": schema("bad", "x"), "b.json": schema("bad", "y"), "c.json": schema("bad", "z")}
    root = library({"good": {"good.json": schema("good", "run")}, "bad": files})
    (root / "bad" / "b.json").chmod(0)
    assert [(p.code, p.tab) for p in refused(ws, root).problems] == [("unreadable", "bad/b.json")]


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a file's name be any bytes")
def test_a_name_that_is_no_text_is_a_problem(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"good": {"good.json": schema("good", "run")}, "bad": {"ok.json": schema("bad", "x")}})
    with open(os.fsencode(root / "bad") + b"/\xff\x1b[2J.json", "wb") as stream:  # noqa: PTH123 - bytes for a name
        stream.write(b"{}")
    (problem,) = refused(ws, root).problems
    assert problem.code == "bad_name"
    assert "\x1b" not in problem.tab


@pytest.mark.skipif(sys.platform != "linux", reason="only here may a folder's name be any bytes")
def test_a_folder_whose_name_is_no_text_is_a_problem(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"good": {"good.json": schema("good", "run")}})
    folder = os.fsencode(root) + b"/\xff\x07"
    os.mkdir(folder)  # noqa: PTH102 - bytes for a name
    with open(folder + b"/a.json", "wb") as stream:  # noqa: PTH123 - bytes for a name
        stream.write(json.dumps(schema("bad", "x")).encode())
    (problem,) = refused(ws, root).problems
    assert problem.code == "folder_name"


def test_a_bad_change_leaves_the_provider_as_it_was(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"a.json": schema("tides", "x"), "b.json": schema("tides", "y")}})])
    head = ws.store.head()
    report = import_paths(ws, [library({"tides": {"a.json": schema("tides", "x", "new"), "b.json": "{"}})])
    assert (report.exit_code, report.changed, ws.store.head()) == (3, [], head)
    assert report.vanished == []


def test_a_schema_whose_name_came_before_in_other_case_is_refused(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "x")}})])
    head = ws.store.head()
    report = import_paths(ws, [library({"tides": {"Core.json": schema("tides", "x")}})])
    assert (report.exit_code, report.changed, ws.store.head()) == (3, [], head)


def test_one_namespace_in_two_paths_is_imported_once(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"a/tides": {"core.json": schema("tides", "x")}, "b/tides": {"core.json": schema("tides", "y")}})
    report = import_paths(ws, [root])
    assert report.created == ["tides"]
    assert [problem.code for problem in report.problems] == ["imported_twice"]


def test_missing_tests_docs_and_tags_are_findings_that_change_nothing(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    value = {**schema("tides", "x"), "docs": [], "tags": None}
    value["tools"]["x"].pop("tests")
    report = import_paths(ws, [library({"tides": {"core.json": value}})])
    assert (report.exit_code, report.problems, report.created) == (0, [], ["tides"])
    assert sorted(one.code for one in report.findings) == ["no_docs", "no_tags", "no_tests"]


def test_shared_lists_beside_the_providers_are_a_finding(ws: Workspace, library: Library, schema: Schema) -> None:
    lists = {"a.mjs": "export const list = { meta: {}, entries: [] }"}
    report = import_paths(ws, [library({"_lists": lists, "tides": {"core.json": schema("tides", "x")}})])
    assert (report.exit_code, [one.code for one in report.findings]) == (0, ["shared_lists"])


def test_a_path_that_does_not_exist_or_is_no_source_is_an_error(ws: Workspace, tmp_path: Path) -> None:
    with pytest.raises(NotFoundError):
        import_paths(ws, [tmp_path / "nowhere"])
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UsageError):
        import_paths(ws, [tmp_path / "notes.txt"])


def test_a_file_at_the_limit_of_size_is_read(ws: Workspace, library: Library, schema: Schema) -> None:
    text = json.dumps(schema("tides", "x")).encode()
    report = import_paths(ws, [library({"tides": {"core.json": text + b" " * (MAX_FILE_BYTES - len(text))}})])
    assert report.problems == []


def test_a_validator_that_refuses_is_a_problem_with_what_it_said(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"good": {"good.json": schema("good", "run")}, "bad": {"bad.json": schema("bad", "run")}})
    command = (sys.executable, "-c", "import sys; print('no\\n good'); sys.exit('bad' in sys.argv[1])")
    report = import_paths(ws, [root], validator=Validator(command))
    assert report.created == ["good"]
    assert [(p.code, p.tab, p.message) for p in report.problems] == [
        ("validator_refused", "bad", "the validator ended with 1: no good")
    ]


def test_a_validator_that_does_not_end_is_ended_with_all_it_started(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    witness = tmp_path / "witness"
    script = f"import subprocess, time; subprocess.Popen(['sh', '-c', 'sleep 2; touch {witness}']); time.sleep(600)"
    root = library({"tides": {"core.json": schema("tides", "x")}})
    report = import_paths(ws, [root], validator=Validator((sys.executable, "-c", script), limit_s=0.5))
    assert [problem.code for problem in report.problems] == ["validator_timeout"]
    assert (report.created, witness.exists()) == ([], False)


def test_a_validator_that_cannot_be_started_is_an_error(ws: Workspace, library: Library, schema: Schema) -> None:
    with pytest.raises(ConfigError):
        import_paths(
            ws, [library({"tides": {"core.json": schema("tides", "x")}})], validator=Validator(("/nowhere/x",))
        )
