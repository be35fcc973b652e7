"""Importing providers: what is written, what is proposed, and what becomes of policies and owners' edits."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from sheetsync.domain.clock import SystemClock
from sheetsync.domain.context import RequestContext
from sheetsync.domain.draft import ImportedOrigin, SheetEdit, SheetOrigin, WorkbenchDraft
from sheetsync.domain.firearms import FirearmBinding
from sheetsync.domain.identifiers import new_draft_id
from sheetsync.domain.policy import PolicySnapshot
from sheetsync.services.drafts import edit_draft
from sheetsync.services.importing import import_paths
from sheetsync.services.publishing import publish_drafts, retire_connector, verify_drafts
from sheetsync.services.workspace import Workspace
from sheetsync.store import Store

WRITE = FirearmBinding(firearm_id="firearm.external_write", strategy_lock=True)
NONE = FirearmBinding(firearm_id=None)
MATRIX = "Policy Matrix"
Library = Callable[[dict[str, Any]], Path]
Schema = Callable[..., dict[str, Any]]


def publish(ws: Workspace, draft_id: str) -> None:
    assert verify_drafts(ws, [draft_id]).exit_code == 0
    publish_drafts(ws.acting("ben"), [draft_id])


def newest(ws: Workspace, connector: str) -> WorkbenchDraft:
    stored = ws.catalogue().newest_open(connector)
    assert stored is not None
    return stored.draft


def owners_draft(ws: Workspace, connector: str, edits: dict[str, FirearmBinding]) -> WorkbenchDraft:
    """What pull would make of owners' edits: an open sheet draft that starts from published."""
    catalogue = ws.catalogue()
    published = catalogue.published(connector)
    assert published is not None
    cells = tuple(
        SheetEdit(
            tab=MATRIX, cell=f"C{row}", row_key=(connector, scope), column="firearm_id", base="", value=binding.shown()
        )
        for row, (scope, binding) in enumerate(edits.items(), start=2)
    )
    draft = WorkbenchDraft(
        id=new_draft_id(),
        connector_id=connector,
        spec_snapshot=published.spec,
        policy_snapshot=PolicySnapshot(firearms={**published.policy().firearms, **edits}),
        origin=SheetOrigin(spreadsheet_id="sheet", edits=cells, pulled_at=ws.clock.now()),
        base=catalogue.base_of(connector),
        created_by="cron",
        created_at=ws.clock.now(),
    )
    with ws.store.transaction(ws.ctx, why="pull") as tx:
        catalogue.save_draft(tx, draft, expected=None)
    return draft


def test_a_new_provider_becomes_a_draft_with_a_scope_for_each_tool(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list", "at"), "extra.json": schema("tides", "list")}})
    report = import_paths(ws, [root])
    assert (report.created, report.changed, report.skipped, report.problems) == (["tides"], [], [], [])
    draft = newest(ws, "tides")
    assert draft.spec_snapshot.version == "1.0.0"
    assert draft.spec_snapshot.scope_names() == ("core.at", "core.list", "extra.list")
    assert draft.spec_snapshot.tools["core.at"] == schema("tides", "at")["tools"]["at"]
    assert (draft.stage, draft.origin, draft.created_by) == ("definition", ImportedOrigin(namespace="tides"), "ana")
    assert draft.policy_snapshot == PolicySnapshot()
    assert report.to_json()["drafts"][0]["id"] == draft.id


def test_sources_stand_in_the_island_byte_for_byte_under_stamped_names(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    text = '{ "namespace": "tides",\r\n "name": "T", "version": "4.0.0", "tools": {} }'
    import_paths(ws, [library({"tides": {"--core.json": text}})])
    folder = tmp_path / "store" / "default" / "providers" / "tides" / "core" / "schema"
    (file,) = folder.iterdir()
    assert file.read_bytes() == text.encode()
    assert file.name.startswith("core--2026-01-07T12-00-00Z--")
    assert file.suffix == ".json"
    assert (tmp_path / "store" / "default" / "providers" / "tides" / "index.json").is_file()


def test_a_second_import_writes_nothing(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}, "ferries": {"main.json": schema("ferries", "at")}})
    import_paths(ws, [root])
    head = ws.store.head()
    report = import_paths(ws, [root])
    assert (report.created, report.changed, report.skipped, report.proposals) == ([], [], ["ferries", "tides"], [])
    assert ws.store.head() == head


def test_check_says_what_an_import_would_do_and_writes_nothing(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    report = import_paths(ws, [root], check=True)
    assert (report.created, report.exit_code, len(report.proposals), ws.store.head()) == (["tides"], 0, 1, 0)
    import_paths(ws, [root])
    head = ws.store.head()
    root = library({"tides": {"core.json": schema("tides", "list", "at")}, "bad": {"x.json": "{"}})
    report = import_paths(ws, [root], check=True)
    assert (report.changed, report.exit_code, ws.store.head()) == (["tides"], 3, head)


def test_a_change_proposes_the_next_minor_and_carries_the_policy(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    first = newest(ws, "tides").id
    edit_draft(ws, first, firearms={"core.list": WRITE})
    publish(ws, first)
    report = import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    draft = newest(ws, "tides")
    assert report.changed == ["tides"]
    assert draft.spec_snapshot.version == "1.1.0"
    assert draft.policy_snapshot.firearms == {"core.list": WRITE}
    assert draft.base == ws.catalogue().base_of("tides")
    assert report.to_json()["drafts"][0]["added"] == ["core.at"]
    publish(ws, draft.id)


def test_a_removed_tool_proposes_the_next_major_and_lists_its_binding(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    first = newest(ws, "tides").id
    edit_draft(ws, first, firearms={"core.list": NONE, "core.at": WRITE})
    publish(ws, first)
    report = import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    draft = newest(ws, "tides")
    assert draft.spec_snapshot.version == "2.0.0"
    assert draft.policy_snapshot.firearms == {"core.list": NONE}
    said = report.to_json()["drafts"][0]
    assert said["removed"] == [{"scope": "core.at", "effect": "tightening"}]
    assert said["dropped_bindings"] == [{"scope": "core.at", **WRITE.to_json()}]
    publish(ws, draft.id)


def test_a_removed_file_removes_its_scopes_and_stays_in_the_island(
    ws: Workspace, library: Library, schema: Schema, tmp_path: Path
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list"), "extra.json": schema("tides", "at")}})])
    report = import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    assert report.changed == ["tides"]
    assert newest(ws, "tides").spec_snapshot.scope_names() == ("core.list",)
    assert list((tmp_path / "store" / "default" / "providers" / "tides" / "extra" / "schema").iterdir())


def test_an_import_supersedes_the_open_draft_and_starts_from_it(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    first = newest(ws, "tides").id
    edit_draft(ws, first, firearms={"core.list": WRITE})
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    second = newest(ws, "tides")
    old = ws.catalogue().draft(first).draft
    assert (old.status, old.superseded_by, second.supersedes) == ("superseded", second.id, first)
    assert second.policy_snapshot.firearms == {"core.list": WRITE}
    assert len(ws.catalogue().drafts("open", "tides")) == 1


def test_owners_pending_edits_stay_pending_but_for_vanished_scopes(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    publish(ws, newest(ws, "tides").id)
    sheet = owners_draft(ws, "tides", {"core.list": NONE, "core.at": WRITE})
    report = import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "new")}})])
    draft = newest(ws, "tides")
    assert draft.supersedes == sheet.id
    assert isinstance(draft.origin, SheetOrigin)
    assert [edit.row_key for edit in draft.origin.edits] == [("tides", "core.list")]
    assert draft.policy_snapshot.firearms == {"core.list": NONE}
    rejected = report.to_json()["drafts"][0]["rejected_edits"]
    assert [one["message"] for one in rejected] == ["rejected: scope core.at no longer exists"]
    assert "rejected: scope core.at no longer exists" in (ws.catalogue().draft(sheet.id).draft.closed_reason or "")


def test_an_import_of_what_an_open_draft_proposes_makes_no_second_draft(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    import_paths(ws, [root])
    publish(ws, newest(ws, "tides").id)
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    owners_draft(ws, "tides", {"core.list": NONE})  # newer than the import's draft, with the published spec
    assert import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})]).proposals == []


def test_a_change_that_no_spec_shows_is_a_snapshot_and_no_draft(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    publish(ws, newest(ws, "tides").id)
    report = import_paths(ws, [library({"tides": {"core.json": json.dumps(schema("tides", "list"), indent=1)}})])
    assert (report.changed, report.proposals) == (["tides"], [])


def test_a_spec_that_an_operator_edited_stands_until_a_source_changes(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    import_paths(ws, [root])
    draft = newest(ws, "tides")
    edit_draft(ws, draft.id, spec={**draft.spec_snapshot.to_json(), "description": "by hand"})
    assert import_paths(ws, [root]).proposals == []
    assert newest(ws, "tides").spec_snapshot.description == "by hand"


def test_a_retired_connector_comes_back_above_its_last_version_and_undecided(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    import_paths(ws, [root])
    first = newest(ws, "tides").id
    edit_draft(ws, first, firearms={"core.list": NONE})
    publish(ws, first)
    publish_drafts(ws.acting("ben"), [retire_connector(ws, "tides").draft.id])
    report = import_paths(ws, [root])
    assert report.skipped == ["tides"]
    draft = newest(ws, "tides")
    assert (draft.spec_snapshot.version, draft.policy_snapshot) == ("1.1.0", PolicySnapshot())
    publish(ws, draft.id)


def test_a_pending_retirement_is_not_undone_by_an_import(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    publish(ws, newest(ws, "tides").id)
    retirement = retire_connector(ws, "tides").draft
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    assert ws.catalogue().draft(retirement.id).draft.status == "open"


def test_a_vanished_provider_is_reported_and_nothing_else(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})])
    head = ws.store.head()
    report = import_paths(ws, [library({"a": {"a.json": schema("a", "x")}})])
    assert (report.vanished, report.exit_code, ws.store.head()) == (["tides"], 0, head)
    assert [one.code for one in report.findings] == ["provider_vanished"]


def test_a_renamed_provider_is_said_and_not_guessed(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    report = import_paths(ws, [library({"tidetables": {"core.json": schema("tidetables", "list")}})])
    assert (report.created, report.vanished) == (["tidetables"], ["tides"])
    assert "perhaps it is now 'tidetables'" in report.findings[0].message
    assert ws.catalogue().newest_open("tides") is not None


def test_a_renamed_folder_is_a_problem_and_its_provider_is_not_called_gone(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    report = import_paths(ws, [library({"tides-old": {"core.json": schema("tides", "list")}})])
    assert [(one.code, one.tab) for one in report.problems] == [("folder_name", "tides-old")]
    assert report.vanished == []


def test_one_provider_folder_says_nothing_of_the_others(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    import_paths(ws, [root])
    assert import_paths(ws, [root / "a"]).vanished == []


def test_modules_and_json_make_the_same_connector(ws: Workspace, library: Library, schema: Schema) -> None:
    value = schema("tides", "list")
    import_paths(ws, [library({"tides": {"core.json": value}})])
    module = (
        f"const more = {json.dumps(value)}\nexport const main = {{ ...more }}\nexport const handlers = () => ({{}})\n"
    )
    report = import_paths(ws, [library({"tides": {"core.mjs": module}})])
    assert (report.changed, report.problems, report.proposals) == (["tides"], [], [])


def test_progress_counts_the_folders(ws: Workspace, library: Library, schema: Schema) -> None:
    seen: list[tuple[int, int, str]] = []
    root = library({"tides": {"core.json": schema("tides", "list")}, "a": {"a.json": schema("a", "x")}})
    import_paths(ws, [root], progress=lambda done, total, name: seen.append((done, total, name)))
    assert seen == [(0, 2, "a"), (1, 2, "tides"), (2, 2, "tides")]


def test_skills_and_documents_get_their_places(ws: Workspace, library: Library, schema: Schema, tmp_path: Path) -> None:
    skills = {"audit": {"file": "./skills/audit.mjs"}, "quick": {"name": "quick", "content": "inline"}}
    about = {"source": "markdown", "origin": "inline", "name": "tides-about.md", "description": "all"}
    skill = "const content = `look`\nexport const skill = { name: 'audit', content }\n"
    files = {
        "core.json": schema("tides", "list", skills=skills, resources={"about": about}),
        "skills/audit.mjs": skill,
        "skills/loose.md": "# Loose\n",
        "resources/tides-about.md": "# About\n",
    }
    report = import_paths(ws, [library({"tides": files})])
    assert report.problems == []
    home = tmp_path / "store" / "default" / "providers" / "tides"
    assert [file.read_text() for file in (home / "core" / "skills" / "audit").iterdir()] == [skill]
    assert [json.loads(file.read_text()) for file in (home / "core" / "skills" / "quick").iterdir()] == [
        skills["quick"]
    ]
    assert [file.read_text() for file in (home / "core" / "resources" / "about").iterdir()] == ["# About\n"]
    assert [file.read_text() for file in (home / "skills" / "loose").iterdir()] == ["# Loose\n"]
    index = json.loads((home / "index.json").read_text())
    assert sorted(index["skills"]) == ["core.audit", "core.quick", "tides.loose"]
    assert index["about"]["ref"].startswith("core/resources/about/about--")


@pytest.fixture
def open_store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store") as store:
        yield store


@pytest.mark.shared
def test_all_shared_connectors_are_imported_fast_and_only_once(shared: Path, open_store: Store) -> None:
    """The times are of this process; with the disk's they are in `benchmarks/`."""
    ws = Workspace(open_store, RequestContext(user="ana"), clock=SystemClock())
    start = time.process_time()
    report = import_paths(ws, [shared / "connectors"])
    first = time.process_time() - start
    assert (len(report.created), report.problems, len(report.proposals)) == (192, [], 192)
    assert sum(len(one.draft.spec_snapshot.scopes) for one in report.proposals) == 1048
    head, start = ws.store.head(), time.process_time()
    again = import_paths(ws, [shared / "connectors"])
    second = time.process_time() - start
    assert (len(again.skipped), again.proposals, ws.store.head()) == (192, [], head)
    assert first < 15
    assert second < 3


def test_the_time_of_a_draft_is_the_clocks(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    assert newest(ws, "tides").created_at == datetime(2026, 1, 7, 12, 0, tzinfo=UTC)


def test_the_journal_says_what_an_import_took_away(ws: Workspace, library: Library, schema: Schema) -> None:
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list", "at")}})])
    edit_draft(ws, newest(ws, "tides").id, firearms={"core.at": WRITE})
    import_paths(ws, [library({"tides": {"core.json": schema("tides", "list")}})])
    noted = ws.store.commit(ws.store.head()).details["import"]
    assert noted["dropped_bindings"] == [{"scope": "core.at", **WRITE.to_json()}]


def test_two_imports_at_once_make_one_draft(ws: Workspace, library: Library, schema: Schema) -> None:
    root = library({"a": {"a.json": schema("a", "x")}, "tides": {"core.json": schema("tides", "list")}})

    def other(done: int, _total: int, _name: str) -> None:
        if done == 1:  # in between, somebody else imports the same
            import_paths(ws.acting("ben"), [root])

    import_paths(ws, [root], progress=other)
    assert [line.connector_id for line in ws.catalogue().lines()] == ["a", "tides"]


def test_a_shells_star_may_name_other_files_and_overlapping_paths(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"a": {"a.json": schema("a", "x")}, "tides": {"core.json": schema("tides", "list")}})
    (root / "README.md").write_text("# library")
    report = import_paths(ws, [*sorted(root.iterdir()), root, root / "a"])
    assert (report.created, report.problems) == (["a", "tides"], [])
    assert [one.code for one in report.findings] == ["not_a_source"]


def test_one_schema_alone_is_refused_with_the_command_that_works(
    ws: Workspace, library: Library, schema: Schema
) -> None:
    root = library({"tides": {"core.json": schema("tides", "list")}})
    (problem,) = import_paths(ws, [root / "tides" / "core.json"]).problems
    assert (problem.code, problem.hint) == ("not_a_folder", f"sheetsync import {root / 'tides'}")
