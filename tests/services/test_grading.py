"""Selections, `index.json`, grades and ids: what the island says of what it holds."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from sheetsync.errors import NotFoundError, RefusedError, SecondPersonError, UsageError
from sheetsync.island.address import AmbiguousIdError, resolve_address
from sheetsync.island.manifest import resolve_latest
from sheetsync.island.reader import IslandReader
from sheetsync.services.drafts import discard_draft, edit_draft
from sheetsync.services.grading import grade
from sheetsync.services.importing import import_paths, rebuild_index
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Workspace

Library = Callable[[dict[str, Any]], Path]
Schema = Callable[..., dict[str, Any]]
Index = Callable[[str], dict[str, Any]]
SELECTION = {
    "selectionId": "day-trip",
    "namespace": "sailing",
    "name": "Day trip",
    "version": "flowmcp/4.0.0",
    "description": "A day at sea",
    "whenToUse": "When a day at sea is planned",
    "members": [{"schemaId": "tides.core"}, {"schemaId": "ghost.core"}],
    "tools": ["tides/tool/list", "tides/tool/both", "tides/tool/nothing"],
}


@pytest.fixture
def index(ws: Workspace, tmp_path: Path, shared: Path) -> Index:
    """Rebuilds all, and reads one `index.json`, which must be valid."""
    validator = Draft202012Validator(json.loads((shared / "island" / "index.schema.json").read_bytes()))

    def read(name: str) -> dict[str, Any]:
        rebuild_index(ws)
        value: dict[str, Any] = json.loads((tmp_path / "store" / "default" / name / "index.json").read_bytes())
        validator.validate(value)
        return value

    return read


@pytest.fixture
def tides(ws: Workspace, library: Library, schema: Schema) -> Callable[..., Path]:
    """Imports the provider `tides` (two schemas, one tool name in both), with a selection."""

    def write(**more: Any) -> Path:
        files = {"core.json": schema("tides", "list", "both", **more), "extra.json": schema("tides", "both")}
        root = library({"providers/tides": files, "selections/day-trip": {"selection.json": SELECTION}})
        import_paths(ws, [root])
        return root

    return write


def verified(ws: Workspace, connector: str = "tides") -> str:
    """Every scope decided and the draft verified: nothing is left to find."""
    stored = ws.catalogue().newest_open(connector)
    assert stored is not None
    policy = {"firearms": {scope: {"firearm_id": None} for scope in stored.draft.spec_snapshot.scope_names()}}
    edit_draft(ws, stored.draft.id, policy=policy)
    assert verify_drafts(ws, [stored.draft.id]).exit_code == 0
    return stored.draft.id


@pytest.mark.shared
def test_what_is_not_verified_is_pending(index: Index, tides: Callable[..., Path]) -> None:
    tides()
    value = index("providers/tides")
    assert (value["status"], value["namespaceAggregate"]["status"]) == ("pending", "pending")
    assert value["schemas"]["core"]["tools"]["list"]["status"] == "pending"
    assert "grade" not in value


@pytest.mark.shared
def test_what_ran_with_findings_is_graded_and_what_ran_clean_is_stable(
    ws: Workspace, index: Index, tides: Callable[..., Path]
) -> None:
    tides()
    stored = ws.catalogue().newest_open("tides")
    assert stored is not None
    edit_draft(ws, stored.draft.id, policy={"firearms": {"core.list": {"firearm_id": None}}})
    verify_drafts(ws, [stored.draft.id])
    value = index("providers/tides")
    assert value["schemas"]["core"]["tools"]["list"]["status"] == "stable"
    assert value["schemas"]["core"]["tools"]["both"]["status"] == "graded"  # it is undecided
    assert (value["schemas"]["core"]["status"], value["status"]) == ("graded", "operational")
    verified(ws)
    value = index("providers/tides")
    assert (value["schemas"]["core"]["status"], value["grade"], value["status"]) == ("stable", "B", "operational")


@pytest.mark.shared
def test_what_no_draft_proposes_is_blocked_with_its_reason(
    ws: Workspace, index: Index, tides: Callable[..., Path]
) -> None:
    tides()
    stored = ws.catalogue().newest_open("tides")
    assert stored is not None
    discard_draft(ws, stored.draft.id, "not now")
    value = index("providers/tides")
    assert (value["status"], value["schemas"]["core"]["tools"]["list"]["reason"]) == ("blocked", "no-draft")
    assert value["blockers"][0] == {"node": "schemas.core.tools.both", "reason": "no-draft"}


@pytest.mark.shared
def test_a_retired_connector_is_blocked(ws: Workspace, index: Index, tides: Callable[..., Path]) -> None:
    tides()
    publish_drafts(ws.acting("ben"), [verified(ws)])
    assert index("providers/tides")["status"] == "operational"
    publish_drafts(ws.acting("ben"), [retire_connector(ws, "tides").draft.id])
    assert index("providers/tides")["schemas"]["core"]["tools"]["list"]["reason"] == "retired"


@pytest.mark.shared
def test_grade_a_needs_a_second_person_and_a_clean_run(ws: Workspace, index: Index, tides: Callable[..., Path]) -> None:
    tides()
    with pytest.raises(RefusedError, match="nothing to approve yet"):
        grade(ws.acting("ben"), "tides/core", approve=True, reason="fine")
    verified(ws)
    with pytest.raises(SecondPersonError):
        grade(ws, "tides/core", approve=True, reason="fine")
    report = grade(ws.acting("ben"), "tides/core", approve=True, reason="fine")
    assert (report.state.status, report.to_json()["grade"]["by"]) == ("stable", "ben")
    value = index("providers/tides")
    assert value["schemas"]["core"]["grade"] == "A"
    assert (value["schemas"]["extra"]["grade"], value["grade"]) == ("B", "B")
    assert value["schemas"]["core"]["tools"]["list"]["grade"] == "A"


@pytest.mark.shared
def test_an_approval_is_for_exactly_what_was_there(ws: Workspace, index: Index, tides: Callable[..., Path]) -> None:
    tides()
    verified(ws)
    grade(ws.acting("ben"), "tides", approve=True, reason="fine")
    assert index("providers/tides")["grade"] == "A"
    tides(description="changed")
    verified(ws)
    assert index("providers/tides")["grade"] == "B"


@pytest.mark.shared
def test_a_veto_is_final_until_a_wholly_new_version(ws: Workspace, index: Index, tides: Callable[..., Path]) -> None:
    tides()
    verified(ws)
    assert grade(ws, "tides/core", approve=False, reason="leaks keys").state.status == "rejected"
    value = index("providers/tides")
    assert value["schemas"]["core"]["status"] == "rejected"
    assert value["schemas"]["core"]["tools"]["list"]["status"] == "rejected"
    assert value["status"] == "partial"
    with pytest.raises(RefusedError, match="final"):
        grade(ws.acting("ben"), "tides/core", approve=True, reason="please")
    tides(description="new version")
    assert index("providers/tides")["schemas"]["core"]["status"] == "pending"
    tides()
    assert index("providers/tides")["schemas"]["core"]["status"] == "rejected"  # the vetoed version is back


@pytest.mark.shared
def test_a_veto_of_a_namespace_holds_while_anything_of_it_is_left(
    ws: Workspace, index: Index, tides: Callable[..., Path]
) -> None:
    tides()
    verified(ws)
    grade(ws, "tides", approve=False, reason="no licence")
    assert index("providers/tides")["status"] == "rejected"
    tides(description="one of the two schemas is new")
    assert index("providers/tides")["status"] == "rejected"


def test_a_tools_veto_reaches_that_tool_alone(ws: Workspace, tides: Callable[..., Path]) -> None:
    tides()
    verified(ws)
    grade(ws, "tides/tool/core.both", approve=False, reason="writes")
    with pytest.raises(RefusedError):
        grade(ws.acting("ben"), "tides/tool/core.both", approve=True, reason="please")
    assert grade(ws.acting("ben"), "tides/tool/list", approve=True, reason="fine").state.grade == "A"


def test_the_same_word_again_writes_nothing(ws: Workspace, tides: Callable[..., Path]) -> None:
    tides()
    verified(ws)
    grade(ws.acting("ben"), "tides", approve=True, reason="fine")
    head = ws.store.head()
    assert grade(ws.acting("ben"), "tides", approve=True, reason="fine").state.grade == "A"
    assert ws.store.head() == head


def test_a_grade_needs_a_reason(ws: Workspace, tides: Callable[..., Path]) -> None:
    tides()
    with pytest.raises(UsageError):
        grade(ws, "tides", approve=False, reason="  ")


@pytest.mark.shared
def test_an_index_is_rebuilt_from_nothing_to_the_same_bytes(
    ws: Workspace, tides: Callable[..., Path], index: Index, tmp_path: Path
) -> None:
    tides()
    verified(ws)
    grade(ws.acting("ben"), "tides", approve=True, reason="fine")
    index("providers/tides")
    home = tmp_path / "store" / "default"
    files = [home / "providers" / "tides" / "index.json", home / "selections" / "day-trip" / "index.json"]
    before = [file.read_bytes() for file in files]
    for file in files:
        file.unlink()
    ws.clock.sleep(1000)
    rebuild_index(ws)
    assert [file.read_bytes() for file in files] == before
    assert rebuild_index(ws).written == ()


@pytest.mark.shared
def test_members_are_resolved_and_those_that_are_not_are_problems(
    ws: Workspace, tides: Callable[..., Path], index: Index
) -> None:
    root = tides()
    report = import_paths(ws, [root])
    assert sorted(problem.message for problem in report.problems) == [
        "member 'ghost.core' is not in the island",
        "member 'tides/tool/both' leads to more than one tool",
        "member 'tides/tool/nothing' is not in the island",
    ]
    assert (report.exit_code, report.skipped) == (3, ["tides", "day-trip"])
    value = index("selections/day-trip")
    assert value["members"]["tides.core"]["resolved"] == {"namespace": "tides", "schema": "core"}
    assert value["members"]["tides/tool/list"]["snapshot"]["file"].startswith("core--")
    assert value["members"]["ghost.core"] == {"status": "blocked", "reason": "not-imported"}
    assert value["status"] == "pending" or value["status"] == "blocked"
    assert "schemas" not in value


@pytest.mark.shared
def test_a_lock_is_written_once_and_repeated_as_it_is(
    ws: Workspace, tides: Callable[..., Path], index: Index, library: Library, schema: Schema
) -> None:
    tides()
    first = index("selections/day-trip")["lockSnapshot"]
    assert [one["schemaId"] for one in first["members"]][:2] == ["tides.core", "ghost.core"]
    assert first["members"][0]["gradingStatus"] == "pending"
    tides(description="the member changes")
    verified(ws)
    value = index("selections/day-trip")
    assert value["lockSnapshot"] == first
    assert value["members"]["tides.core"]["status"] == "stable"
    changed = {**SELECTION, "description": "another day at sea"}
    import_paths(ws, [library({"day-trip": {"selection.json": changed}})])
    again = index("selections/day-trip")["lockSnapshot"]
    assert again["selectionHash"] != first["selectionHash"]
    assert again["members"][0]["gradingStatus"] == "stable"


def test_a_selection_module_and_its_skills_are_imported(ws: Workspace, library: Library, schema: Schema) -> None:
    texts = "version: 'flowmcp/4.0.0', description: 'd', whenToUse: 'w'"
    members = "tools: [ 'tides/tool/x' ], skills: [ 'tides' ]"
    module = f"export const selection = {{ namespace: 's', name: 'trip', {texts}, {members} }}"
    tree = {"tides": {"core.json": schema("tides", "x")}, "s": {"trip.mjs": module, "skills/a.md": "# a"}}
    report = import_paths(ws, [library(tree)])
    assert (report.problems, report.created) == ([], ["tides", "trip"])
    content = IslandReader(ws.store, "default").selection("trip")
    assert content is not None
    assert [part.folder for part in content.parts] == [("skills", "a")]


def test_check_resolves_members_of_the_same_run(ws: Workspace, library: Library, schema: Schema) -> None:
    tree = {
        "tides": {"core.json": schema("tides", "x")},
        "zz": {"selection.json": {"selectionId": "zz", "members": ["tides/core"]}},
    }
    assert import_paths(ws, [library(tree)], check=True).problems == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("tides", ("namespace", "tides", "", "")),
        ("tides/core", ("schema", "tides", "core", "")),
        ("tides/tool/list", ("tool", "tides", "core", "list")),
        ("tides/tool/extra.both", ("tool", "tides", "extra", "both")),
        ("day-trip", ("selection", "day-trip", "", "")),
    ],
)
def test_an_id_leads_to_exactly_one_thing(
    ws: Workspace, tides: Callable[..., Path], text: str, found: tuple[str, str, str, str]
) -> None:
    tides()
    address = resolve_address(IslandReader(ws.store, "default"), text)
    assert (address.kind, address.owner, address.schema, address.tool) == found


@pytest.mark.parametrize(
    "text",
    ["tide", "tides/cor", "tides/tool/lis", "tides/tool/", "tides/", "", "../tides", "tides/core/x", "day-trip/x"],
)
def test_an_unknown_id_is_an_error_and_never_widened(ws: Workspace, tides: Callable[..., Path], text: str) -> None:
    tides()
    with pytest.raises(NotFoundError):
        resolve_address(IslandReader(ws.store, "default"), text)


def test_an_ambiguous_id_is_an_error_that_names_the_choices(ws: Workspace, tides: Callable[..., Path]) -> None:
    tides()
    with pytest.raises(AmbiguousIdError) as caught:
        resolve_address(IslandReader(ws.store, "default"), "tides/tool/both")
    assert "tides/tool/core.both or tides/tool/extra.both" in caught.value.hint


def test_the_newest_name_of_a_folder_is_found_by_sorting(
    ws: Workspace, tides: Callable[..., Path], tmp_path: Path
) -> None:
    tides()
    tides(description="second")
    folder = tmp_path / "store" / "default" / "providers" / "tides" / "core" / "schema"
    content = IslandReader(ws.store, "default").provider("tides")
    assert content is not None
    names = [file.name for file in folder.iterdir()]
    assert len(names) == 2
    assert resolve_latest(names, "core") == content.schemas["core"].filename
    assert resolve_latest(names, "cor") is None
